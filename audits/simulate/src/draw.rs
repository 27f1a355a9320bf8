//! The draw of seats: who may take one at which step, and who then has them.

use std::collections::BTreeMap;

use crate::odds::binomial;

/// Seconds from one doubling of the draw's chances to the next.
pub(crate) const STEP_SECONDS: u32 = 15;
/// Steps that a round leaves honest providers to join in: DRAW_TIME / step. Colluders do no work and have time to the end.
const DRAW_STEPS: usize = 4;
/// A step at which every ticket wins.
const OPEN: u32 = 64;

/// The rule of one draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Seats of the lease, N; the rule's constant too.
    pub(crate) seats: u32,
    /// Doublings that have passed when the first seat can be taken.
    pub(crate) from: u32,
    /// Doublings after which chances no longer grow.
    pub(crate) stops: u32,
}

impl Rule {
    /// Seats of a redundant lease, first taken `from` steps after it opened: chances grow without end.
    pub(crate) fn redundant(seats: u32, from: u32) -> Self {
        Self {
            seats,
            from,
            stops: OPEN,
        }
    }

    /// Seats of a jury: growth stops at 4x.
    pub(crate) fn jury(seats: u32, from: u32) -> Self {
        Self {
            seats,
            from,
            stops: 2,
        }
    }

    /// First come, first served: no draw at all.
    pub(crate) fn open(seats: u32) -> Self {
        Self {
            seats,
            from: OPEN,
            stops: OPEN,
        }
    }

    /// Chance that an address with this share of all stake may take a seat at `step` or before:
    /// `H / 2^256 < weight / totalStake * N * 2^steps`.
    fn chance(self, share: f64, step: u32) -> f64 {
        let doubled = (1_u64 << step.min(self.stops).min(62)) as f64;
        f64::min(share * f64::from(self.seats) * doubled, 1.0)
    }
}

/// Who can be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market {
    /// Colluding addresses.
    pub(crate) colluders: u32,
    /// Honest providers that take part: awake, with room, and quick to join when drawn.
    pub(crate) honest: u32,
    /// Share of all stake of one colluding address.
    colluder: f64,
    /// Share of all stake of one honest provider.
    provider: f64,
}

impl Market {
    /// A group with `share` of all stake splits it evenly over `colluders` addresses; the rest belongs in equal
    /// parts to `honest` providers, of which `present` take part.
    pub(crate) fn new(share: f64, colluders: u32, honest: u32, present: u32) -> Self {
        Self {
            colluders: if share > 0.0 { colluders } else { 0 },
            honest: present,
            colluder: share / f64::from(colluders.max(1)),
            provider: (1.0 - share) / f64::from(honest.max(1)),
        }
    }

    /// The same market for a jury: the accused and the challenger are barred.
    pub(crate) fn jurors(self) -> Self {
        Self {
            colluders: self.colluders.saturating_sub(1),
            honest: self.honest.saturating_sub(1),
            ..self
        }
    }
}

/// Seats taken when the draw is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seats {
    pub(crate) colluders: u32,
    pub(crate) honest: u32,
}

impl Seats {
    /// Seats that nobody has, of `all`.
    fn free(self, all: u32) -> u32 {
        all - self.colluders - self.honest
    }
}

/// Probability of each way the seats can be taken.
pub(crate) type Seating = BTreeMap<Seats, f64>;

/// A rule applied to a market.
pub(crate) struct Draw {
    seats: u32,
    market: Market,
    /// Chances that a colluding and an honest address have been admitted, from the first step to the last that changes any.
    chances: Vec<(f64, f64)>,
}

impl Draw {
    /// Who may take a seat at which step.
    pub(crate) fn new(rule: Rule, market: Market) -> Self {
        let at = |step| {
            (
                rule.chance(market.colluder, step),
                rule.chance(market.provider, step),
            )
        };
        let end = at(OPEN);
        let mut chances: Vec<_> = (rule.from..OPEN)
            .map(at)
            .take_while(|chances| *chances != end)
            .collect();
        chances.push(end);
        Self {
            seats: rule.seats,
            market,
            chances,
        }
    }

    /// The steps: chances of both kinds, and whether an honest provider still has time for the work.
    fn steps(&self) -> impl Iterator<Item = (f64, f64, bool)> {
        self.chances
            .iter()
            .enumerate()
            .map(|(step, &(colluder, honest))| (colluder, honest, step <= DRAW_STEPS))
    }

    /// The exact distribution of seats: step by step, colluders first, then honest providers, while seats are free.
    pub(crate) fn seating(&self) -> Seating {
        let mut now = Seating::from([(Seats::default(), 1.0)]);
        let mut before = (0.0, 0.0);
        for (colluder, honest, in_time) in self.steps() {
            let news = (news(before.0, colluder), news(before.1, honest));
            before = (colluder, honest);
            now = fill(&now, |had| {
                let others = self.market.colluders.saturating_sub(had.colluders);
                let more = move |n| Seats {
                    colluders: had.colluders + n,
                    ..had
                };
                (
                    binomial(others, news.0, had.free(self.seats)),
                    Box::new(more),
                )
            });
            if in_time {
                now = fill(&now, |had| {
                    let others = self.market.honest.saturating_sub(had.honest);
                    let more = move |n| Seats {
                        honest: had.honest + n,
                        ..had
                    };
                    (
                        binomial(others, news.1, had.free(self.seats)),
                        Box::new(more),
                    )
                });
            }
        }
        now
    }

    /// One draw by the rule itself: a ticket for each address, `uniform` in place of `H / 2^256`.
    pub(crate) fn play(&self, mut uniform: impl FnMut() -> f64) -> Seats {
        let mut admitted = |addresses: u32, chance: fn(&(f64, f64)) -> f64| {
            let chances: Vec<f64> = self.chances.iter().map(chance).collect();
            let mut at = vec![0_u32; chances.len()];
            // Every ticket wins at once: none need be drawn.
            if let (Some(1.0), Some(first)) = (chances.first(), at.first_mut()) {
                *first = addresses;
                return at;
            }
            for _ in 0..addresses {
                let ticket = uniform();
                // Chances only grow: it is admitted after as many steps as it has lost.
                let lost: usize = chances
                    .iter()
                    .map(|chance| usize::from(ticket >= *chance))
                    .sum();
                if let Some(count) = at.get_mut(lost) {
                    *count += 1;
                }
            }
            at
        };
        let colluders = admitted(self.market.colluders, |chances| chances.0);
        let honest = admitted(self.market.honest, |chances| chances.1);
        let mut seats = Seats::default();
        for ((colluders, honest), (_, _, in_time)) in
            colluders.into_iter().zip(honest).zip(self.steps())
        {
            seats.colluders += colluders.min(seats.free(self.seats));
            if in_time {
                seats.honest += honest.min(seats.free(self.seats));
            }
        }
        seats
    }
}

/// The chance to be admitted now, for who was not admitted `before`.
fn news(before: f64, now: f64) -> f64 {
    if before < 1.0 {
        (now - before) / (1.0 - before)
    } else {
        0.0
    }
}

/// From each seating to its successors: how likely 0, 1, 2, ... more seats are, and what they make of it.
type Successors = (Vec<f64>, Box<dyn Fn(u32) -> Seats>);

fn fill(before: &Seating, successors: impl Fn(Seats) -> Successors) -> Seating {
    let mut after = Seating::new();
    for (&had, &probability) in before {
        let (mass, more) = successors(had);
        for (n, p) in (0_u32..).zip(mass) {
            if p > 0.0 {
                *after.entry(more(n)).or_default() += probability * p;
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{Draw, Market, Rule, Seating, Seats};
    use crate::odds::{Counted, at_least};

    fn seating(rule: Rule, market: Market) -> Seating {
        Draw::new(rule, market).seating()
    }

    const TRIALS: u32 = 20_000;

    fn majority(seating: &Seating, quorum: u32) -> f64 {
        seating
            .iter()
            .filter(|(seats, _)| seats.colluders >= quorum)
            .map(|(_, p)| p)
            .sum()
    }

    #[test]
    fn tickets_fall_as_the_exact_distribution_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (rule, market) in [
            (Rule::redundant(3, 0), Market::new(0.3, 100, 100, 100)),
            (Rule::redundant(3, 2), Market::new(0.1, 100, 100, 50)),
            (Rule::redundant(5, 0), Market::new(0.4, 7, 4, 3)),
            (Rule::jury(3, 0), Market::new(0.25, 100, 30, 9).jurors()),
            (Rule::open(3), Market::new(0.01, 100, 100, 100)),
        ] {
            let draw = Draw::new(rule, market);
            let mut counts = std::collections::BTreeMap::<Seats, u32>::new();
            for _ in 0..TRIALS {
                *counts.entry(draw.play(|| rng.random())).or_default() += 1;
            }
            let exact = draw.seating();
            assert!((exact.values().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(
                counts.keys().all(|seats| exact.contains_key(seats)),
                "{rule:?} {market:?}: {counts:?}"
            );
            for (seats, p) in exact {
                let (low, high) = Counted {
                    hits: counts.get(&seats).copied().unwrap_or(0),
                    trials: TRIALS,
                }
                .interval(4.0);
                assert!(
                    low <= p && p <= high,
                    "{rule:?} {market:?} {seats:?}: {p} is not in {low}..{high}"
                );
            }
        }
    }

    #[test]
    fn chances_double_and_a_jurys_stop() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(Rule::redundant(3, 0).chance(0.01, 0), 0.03);
        near(Rule::redundant(3, 0).chance(0.01, 4), 0.48);
        near(Rule::redundant(3, 0).chance(0.01, 6), 1.0);
        near(Rule::jury(3, 0).chance(0.01, 6), 0.12);
    }

    #[test]
    fn first_step_alone_is_a_poisson_tail() {
        // Nobody honest, growth that never starts: N * share expected seats, each taken by a colluder.
        let rule = Rule {
            stops: 0,
            ..Rule::redundant(3, 0)
        };
        let exact = majority(&seating(rule, Market::new(0.3, 100_000, 1, 0)), 2);
        let poisson = 1.0 - libm::exp(-0.9) * 1.9;
        assert!((exact - poisson).abs() < 1e-5, "{exact} {poisson}");
    }

    #[test]
    fn colluders_that_are_never_first_win_the_binomial_tail_at_least() {
        for share in [0.1, 0.2, 0.33, 0.5] {
            for (seats, quorum) in [(3, 2), (5, 3)] {
                let worst = majority(
                    &seating(
                        Rule::redundant(seats, 0),
                        Market::new(share, 1000, 1000, 1000),
                    ),
                    quorum,
                );
                assert!(worst > at_least(quorum, seats, share));
            }
        }
    }

    #[test]
    fn without_a_draw_the_quick_take_all() {
        assert!(
            (majority(&seating(Rule::open(3), Market::new(0.001, 3, 100, 100)), 3) - 1.0).abs()
                < 1e-12
        );
        // One address, one seat.
        assert!(majority(&seating(Rule::open(3), Market::new(0.6, 1, 100, 100)), 2) == 0.0);
    }

    #[test]
    fn a_jury_may_stay_incomplete_but_a_lease_is_filled() {
        let thin = Market::new(0.2, 100, 100, 5);
        let filled = |rule| {
            seating(rule, thin)
                .iter()
                .filter(|(s, _)| s.colluders + s.honest == 3)
                .map(|(_, p)| p)
                .sum::<f64>()
        };
        assert!(filled(Rule::redundant(3, 0)) > 1.0 - 1e-9);
        assert!(filled(Rule::jury(3, 0)) < 0.9);
    }
}
