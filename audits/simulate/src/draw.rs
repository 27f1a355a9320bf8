//! The draw of seats. Who may take one at which step is what `piecework_protocol::rules::doublings` says. Who then has
//! them depends on who is quicker.

use std::collections::BTreeMap;

use piecework_protocol::rules::{JURY, JURY_STEPS, LEASE_STEPS, doublings};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::odds::{binomial, choose};

/// All stake.
const WHOLE: u128 = 1_000_000_000_000_000;
/// Addresses over which a coalition splits its stake.
pub(crate) const ADDRESSES: u32 = 100;
/// More than so many are never drawn at one step where nobody is quicker; the tail beyond is below a millionth.
const MANY: u32 = 40;
/// Steps after the beginning of a redundant round in which there is still time for the work: it takes half of the window.
const WORK_STEPS: usize = 2;

/// Who stakes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Market {
    /// Share of all stake that the coalition has, in equal parts on [`ADDRESSES`].
    pub(crate) share: f64,
    /// Honest providers, of equal stake.
    pub(crate) honest: u32,
    /// How many of them are awake.
    pub(crate) awake: u32,
    /// Share of all stake that leaves after the seed is known.
    pub(crate) gone: f64,
}

impl Market {
    /// A hundred honest providers, all awake.
    pub(crate) const fn with(share: f64) -> Self {
        Self {
            share,
            honest: 100,
            awake: 100,
            gone: 0.0,
        }
    }
}

/// Who takes a seat that several could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The coalition, at every step.
    CoalitionFirst,
    /// Anyone of them.
    Anyone,
}

/// Seats that the coalition can have, and honest providers that come if seats are free (counted up to the places).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seats {
    pub(crate) coalition: u32,
    pub(crate) honest: u32,
}

/// Probability of each way the seats can be taken.
pub(crate) type Seating = BTreeMap<Seats, f64>;

/// A draw.
pub(crate) struct Draw {
    places: u8,
    steps: u8,
    /// Addresses of the coalition, and honest providers awake.
    addresses: (u32, u32),
    /// Stake of one of each, and all stake.
    stakes: (u128, u128, u128),
    order: Order,
    /// Steps for which honest providers run the task before they take a seat.
    delay: u8,
    /// Of a redundant lease the seats that begin its round.
    quorum: Option<u32>,
}

impl Draw {
    /// The draw of a jury. The accused is barred: an address of the coalition if it `lies`, otherwise an honest provider.
    pub(crate) fn jury(market: Market, lies: bool) -> Self {
        let mut draw = Self::new(market, JURY, JURY_STEPS);
        let (coalition, honest) = draw.addresses;
        draw.addresses = if lies {
            (coalition.saturating_sub(1), honest)
        } else {
            (coalition, honest.saturating_sub(1))
        };
        draw
    }

    /// The draw of a redundant lease's seats.
    pub(crate) fn lease(market: Market, replicas: u8, quorum: u8) -> Self {
        let draw = Self::new(market, replicas, LEASE_STEPS);
        Self {
            quorum: Some(quorum.into()),
            ..draw
        }
    }

    fn new(market: Market, places: u8, steps: u8) -> Self {
        let part = |share: f64, of: u32| (share * WHOLE as f64 / f64::from(of.max(1))) as u128;
        let coalition = if market.share > 0.0 { ADDRESSES } else { 0 };
        Self {
            places,
            steps,
            addresses: (coalition, market.awake),
            stakes: (
                part(market.share, coalition),
                part(1.0 - market.share, market.honest),
                part(1.0 - market.gone, 1),
            ),
            order: Order::CoalitionFirst,
            delay: 0,
            quorum: None,
        }
    }

    /// The same draw with seats for whoever is quicker.
    pub(crate) fn in_order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The same draw if honest providers need `delay` steps before they take a seat.
    pub(crate) fn delayed(self, delay: u8) -> Self {
        Self { delay, ..self }
    }

    fn seats(&self) -> u32 {
        self.places.into()
    }

    /// Chances that an address of the coalition and an honest one may have come at `step`.
    fn chances(&self, step: u8) -> (f64, f64) {
        let (coalition, honest, all) = self.stakes;
        let at = |weight, step: u8| chance((weight, all), self.places, step.min(self.steps));
        let late = step.checked_sub(self.delay);
        (
            at(coalition, step),
            late.map_or(0.0, |step| at(honest, step)),
        )
    }

    /// Whether an honest provider that comes at `step` has time for the work.
    fn in_time(begun: Option<u8>, step: u8) -> bool {
        begun.is_none_or(|begun| usize::from(step - begun) <= WORK_STEPS)
    }

    /// The exact distribution of seats, step by step.
    pub(crate) fn seating(&self) -> Seating {
        let mut now = BTreeMap::from([((Seats::default(), None), 1.0)]);
        let mut before = (0.0, 0.0);
        for step in 0..=self.steps + self.delay {
            let chances = self.chances(step);
            let fresh = (news(before.0, chances.0), news(before.1, chances.1));
            before = chances;
            let mut after = BTreeMap::new();
            for ((had, begun), p) in now {
                for (seats, q) in self.step(had, fresh, Self::in_time(begun, step)) {
                    let taken = seats.coalition + seats.honest;
                    let full = self.quorum.is_some_and(|quorum| taken >= quorum);
                    let begun = begun.or(full.then_some(step));
                    *after.entry((seats, begun)).or_default() += p * q;
                }
            }
            now = after;
        }
        let mut seating = Seating::new();
        for ((seats, _), p) in now {
            *seating.entry(seats).or_default() += p;
        }
        seating
    }

    /// What a step makes of the seats.
    fn step(&self, had: Seats, fresh: (f64, f64), in_time: bool) -> Vec<(Seats, f64)> {
        let cap = match self.order {
            Order::CoalitionFirst => self.seats(),
            Order::Anyone => MANY,
        };
        let free = self.free(had);
        let others = |all: u32, had| all.saturating_sub(had);
        let coalition = binomial(others(self.addresses.0, had.coalition), fresh.0, cap);
        let honest = if in_time { fresh.1 } else { 0.0 };
        let honest = binomial(others(self.addresses.1, had.honest), honest, cap);
        let mut all = Vec::new();
        for (a, p) in (0..).zip(coalition) {
            for (b, q) in (0..).zip(&honest) {
                if p * q == 0.0 {
                    continue;
                }
                for (seated, r) in self.race(free, a, b) {
                    let seats = Seats {
                        coalition: had.coalition + seated,
                        honest: (had.honest + b).min(self.seats()),
                    };
                    all.push((seats, p * q * r));
                }
            }
        }
        all
    }

    /// Seats that nobody has.
    fn free(&self, had: Seats) -> u32 {
        let free = self.seats() - had.coalition;
        free - had.honest.min(free)
    }

    /// How many of `free` seats go to the coalition, if `a` of its addresses and `b` honest providers want one.
    fn race(&self, free: u32, a: u32, b: u32) -> Vec<(u32, f64)> {
        if self.order == Order::CoalitionFirst || a + b <= free {
            return vec![(a.min(free), 1.0)];
        }
        let ways = choose(a + b, free);
        (free.saturating_sub(b)..=a.min(free))
            .map(|k| (k, choose(a, k) * choose(b, free - k) / ways))
            .collect()
    }

    /// The chance that an honest provider that is drawn at the first step gets a seat, if all of them come at the same
    /// moment and the coalition before.
    pub(crate) fn seat_chance(&self) -> f64 {
        let chances = self.chances(0);
        let coalition = binomial(self.addresses.0, chances.0, MANY);
        let others = binomial(self.addresses.1.saturating_sub(1), chances.1, MANY);
        let mut found = 0.0;
        for (a, p) in (0..).zip(coalition) {
            for (b, q) in (0..).zip(&others) {
                let free = f64::from(self.seats() - self.seats().min(a));
                found += p * q * f64::min(1.0, free / f64::from(b + 1));
            }
        }
        found
    }

    /// One draw by the rule itself: a random ticket for each address.
    pub(crate) fn play(&self, rng: &mut impl Rng) -> Seats {
        let (coalition, honest, all) = self.stakes;
        let mut come: Vec<(u8, u8, bool)> = Vec::new();
        for (count, weight, ours) in [
            (self.addresses.0, coalition, true),
            (self.addresses.1, honest, false),
        ] {
            for _ in 0..count {
                let drawn = doublings(&rng.random(), (weight, all), self.places, self.steps);
                let wait = if ours { 0 } else { self.delay };
                come.extend(drawn.map(|step| (step + wait, u8::from(!ours), ours)));
            }
        }
        come.shuffle(rng);
        match self.order {
            Order::CoalitionFirst => come.sort_by_key(|&(step, order, _)| (step, order)),
            Order::Anyone => come.sort_by_key(|&(step, _, _)| step),
        }
        let (mut seats, mut begun) = (Seats::default(), None);
        for (step, _, ours) in come {
            if ours {
                seats.coalition += self.free(seats).min(1);
            } else if Self::in_time(begun, step) {
                seats.honest = (seats.honest + 1).min(self.seats());
            }
            let taken = seats.coalition + seats.honest;
            if self.quorum.is_some_and(|quorum| taken >= quorum) {
                begun = begun.or(Some(step));
            }
        }
        seats
    }
}

/// The chance that an address with this part of all stake may take a seat at `step`: the tickets that the rule admits,
/// found by bisection.
fn chance(weights: (u128, u128), places: u8, step: u8) -> f64 {
    let drawn = |lot: u128| {
        let mut ticket = [0; 32];
        if let Some(tail) = ticket.last_chunk_mut() {
            *tail = lot.to_be_bytes();
        }
        doublings(&ticket, weights, places, step).is_some()
    };
    if drawn(u128::MAX) {
        return 1.0;
    }
    let (mut low, mut high) = (0, u128::MAX);
    for _ in 0..64 {
        let middle = u128::midpoint(low, high);
        if drawn(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    libm::scalbn(low as f64, -128)
}

/// The chance to be admitted now, for an address that was not admitted `before`.
fn news(before: f64, now: f64) -> f64 {
    if before < 1.0 {
        (now - before) / (1.0 - before)
    } else {
        0.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{Draw, Market, Order, Seats, chance};
    use crate::odds::interval;

    const TRIALS: u32 = 10_000;

    /// Draws ticket by ticket, with the market's own rule, and compares with the exact distribution.
    fn agree(draw: &Draw, stream: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(0x5049_4543);
        rng.set_stream(stream);
        let mut counts = BTreeMap::<Seats, u32>::new();
        for _ in 0..TRIALS {
            *counts.entry(draw.play(&mut rng)).or_default() += 1;
        }
        let exact = draw.seating();
        assert!((exact.values().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(counts.keys().all(|seats| exact.contains_key(seats)));
        for (seats, p) in exact {
            let hits = counts.get(&seats).copied().unwrap_or(0);
            let (low, high) = interval(hits, TRIALS, 4.0);
            assert!(
                low <= p && p <= high,
                "{stream}, {seats:?}: {p} is not in {low}..{high}"
            );
        }
    }

    #[test]
    fn random_tickets_fall_as_the_exact_distribution_says() {
        let market = Market::with;
        let thin = Market {
            awake: 9,
            honest: 30,
            ..market(0.25)
        };
        let gone = Market {
            gone: 0.2,
            ..market(0.2)
        };
        for (stream, draw) in (0..).zip([
            Draw::jury(market(0.1), true),
            Draw::jury(market(0.3), true).in_order(Order::Anyone),
            Draw::jury(thin, true).delayed(1),
            Draw::jury(thin, false),
            Draw::jury(gone, true),
            Draw::lease(market(0.3), 3, 2),
            Draw::lease(thin, 5, 3),
            Draw::lease(market(0.2), 5, 3).delayed(2),
        ]) {
            agree(&draw, stream);
        }
    }

    #[test]
    fn chances_double_and_stop_at_certainty() {
        for (step, want) in [(0, 0.03), (1, 0.06), (4, 0.48)] {
            let got = chance((1, 100), 3, step);
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        assert!((chance((1, 2), 3, 0) - 1.0).abs() < 1e-12);
        assert!(chance((0, 2), 3, 0) < 1e-12);
    }
}
