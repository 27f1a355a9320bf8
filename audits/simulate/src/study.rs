//! What is computed: the parameters, and one row for each probability, exact and counted.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{Draw, Market, Rule, STEP_SECONDS};
use crate::lease::{
    Level, Watched, jury, jury_fails, open_jury, play_optimistic, play_round, round, stands,
};
use crate::odds::{Counted, at_least, once_in};

/// Trials of each Monte Carlo figure.
pub(crate) const TRIALS: u32 = 20_000;
/// Seed of the whole study; each row has its own stream of it.
const SEED: u64 = 0x5049_4543;
/// Honest providers, of equal stake.
pub(crate) const HONEST: u32 = 100;
/// Addresses over which the colluders split their stake.
pub(crate) const COLLUDERS: u32 = 100;
/// Part of all tasks that honest watchers re-run.
pub(crate) const SAMPLED: f64 = 0.1;
/// Tasks of a lease all of which are wrong: a provider that did no work.
pub(crate) const LAZY: u32 = 50;
/// Honest seats that do not commit in time.
pub(crate) const FAILING: f64 = 0.05;
/// Shares of stake in the tables.
pub(crate) const KEY_SHARES: [f64; 5] = [0.10, 0.20, 0.30, 0.33, 0.50];
/// The share at which the market's weaknesses are studied.
pub(crate) const WEAK_SHARE: f64 = 0.10;

pub(crate) const TWO_OF_THREE: Level = Level {
    seats: 3,
    quorum: 2,
};
pub(crate) const THREE_OF_FIVE: Level = Level {
    seats: 5,
    quorum: 3,
};

/// Levels up to the most seats a job can have, to compare what each seat buys.
pub(crate) const LADDER: [Level; 7] = [
    TWO_OF_THREE,
    THREE_OF_FIVE,
    Level {
        seats: 7,
        quorum: 4,
    },
    Level {
        seats: 9,
        quorum: 5,
    },
    Level {
        seats: 11,
        quorum: 6,
    },
    Level {
        seats: 13,
        quorum: 7,
    },
    Level {
        seats: 15,
        quorum: 8,
    },
];
/// Shares of stake at which they are compared.
pub(crate) const LADDER_SHARES: [f64; 3] = [0.10, 0.20, 0.33];

/// What protects a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Watchers and a jury, and so many wrong tasks in the lease.
    Optimistic { wrong: u32 },
    /// N seats, Q equal roots.
    Redundant(Level),
    /// The jury alone: P(it does not convict).
    Jury,
}

/// Who takes a seat that several could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seating {
    /// Drawn; at every step colluders are first.
    ColludersFirst,
    /// Drawn; the lower ticket for its stake is first.
    ByTicket,
    /// Not drawn: first come, first served, and colluders are first.
    NotDrawn,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) kind: Kind,
    pub(crate) seating: Seating,
    /// Share of all stake that colludes.
    pub(crate) share: f64,
    /// Honest providers that take part, in percent of all.
    pub(crate) present: u32,
    /// Steps of growth that have passed when the first seat can be taken.
    pub(crate) delay: u32,
    /// Draws of which the best for the colluders is taken.
    pub(crate) draws: u32,
}

impl Setting {
    /// Seconds from when the draw began to the first seat taken.
    pub(crate) fn seconds(self) -> u32 {
        self.delay * STEP_SECONDS
    }

    /// The draw of the lease's seats, or of its jury's.
    pub(crate) fn draw(self) -> Draw {
        let all = Market::new(self.share, COLLUDERS, HONEST, HONEST * self.present / 100);
        match (self.kind, self.seating) {
            (Kind::Redundant(level), Seating::NotDrawn) => Draw::new(Rule::open(level.seats), all),
            (Kind::Redundant(level), _) => Draw::new(Rule::redundant(level.seats, self.delay), all),
            (_, Seating::NotDrawn) => Draw::new(open_jury(), all.jurors()),
            (_, _) => Draw::new(jury(self.delay), all.jurors()),
        }
    }

    /// Probability that the wrong result is accepted.
    pub(crate) fn exact(self) -> f64 {
        let once = match (self.kind, self.seating) {
            (Kind::Redundant(level), Seating::ByTicket) => {
                let honest = (1.0 - self.share) * f64::from(self.present) / 100.0;
                at_least(
                    level.quorum,
                    level.seats,
                    self.share / (self.share + honest),
                )
            }
            (Kind::Redundant(level), _) => round(level, &self.draw().seating(), 0.0).wrong,
            (Kind::Optimistic { wrong }, _) => stands(
                Watched {
                    wrong,
                    sampled: SAMPLED,
                },
                &self.draw().seating(),
            ),
            (Kind::Jury, _) => jury_fails(&self.draw().seating()),
        };
        once_in(self.draws, once)
    }

    /// The same by Monte Carlo; nothing where the closed form is only a bound.
    fn counted(self, stream: u64) -> Option<Counted> {
        if self.seating == Seating::ByTicket {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(stream);
        let draw = self.draw();
        let mut accepted = || match self.kind {
            Kind::Redundant(level) => play_round(level, &draw, 0.0, &mut rng).wrong > 0.0,
            Kind::Optimistic { wrong } => play_optimistic(
                Watched {
                    wrong,
                    sampled: SAMPLED,
                },
                &draw,
                &mut rng,
            ),
            // Every task is re-run: what stands then is what the jury lets stand.
            Kind::Jury => play_optimistic(
                Watched {
                    wrong: 1,
                    sampled: 1.0,
                },
                &draw,
                &mut rng,
            ),
        };
        let hits = (0..TRIALS)
            .map(|_| u32::from((0..self.draws).any(|_| accepted())))
            .sum();
        Some(Counted {
            hits,
            trials: TRIALS,
        })
    }
}

/// A setting and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) setting: Setting,
    pub(crate) exact: f64,
    pub(crate) counted: Option<Counted>,
}

/// All rows, in the order of the file.
pub(crate) fn rows() -> Vec<Row> {
    let compute = |(stream, setting): (u64, Setting)| Row {
        setting,
        exact: setting.exact(),
        counted: setting.counted(stream),
    };
    (0..).zip(settings()).map(compute).collect()
}

/// Shares of stake on the plot's axis, and those of the tables.
fn shares() -> Vec<f64> {
    let mut shares: Vec<f64> = (0..=24)
        .map(|i| f64::from(i) / 40.0)
        .chain(KEY_SHARES)
        .collect();
    shares.sort_by(f64::total_cmp);
    shares.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    shares
}

fn settings() -> Vec<Setting> {
    use Seating::{ByTicket, ColludersFirst, NotDrawn};
    let base = Setting {
        kind: Kind::Jury,
        seating: ColludersFirst,
        share: 0.0,
        present: 100,
        delay: 0,
        draws: 1,
    };
    let redundant = [
        Kind::Redundant(TWO_OF_THREE),
        Kind::Redundant(THREE_OF_FIVE),
    ];
    let optimistic = [
        Kind::Optimistic { wrong: 1 },
        Kind::Optimistic { wrong: LAZY },
    ];
    let mut all = Vec::new();
    for kind in optimistic.into_iter().chain(redundant) {
        for seating in [ColludersFirst, NotDrawn] {
            all.extend(shares().into_iter().map(|share| Setting {
                kind,
                seating,
                share,
                ..base
            }));
        }
    }
    for kind in redundant {
        all.extend(shares().into_iter().map(|share| Setting {
            kind,
            seating: ByTicket,
            share,
            ..base
        }));
        all.extend(shares().into_iter().map(|share| Setting {
            kind,
            present: 50,
            share,
            ..base
        }));
    }
    for kind in redundant.into_iter().chain([Kind::Jury]) {
        let weak = Setting {
            kind,
            share: WEAK_SHARE,
            ..base
        };
        all.extend(
            [2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100]
                .map(|present| Setting { present, ..weak }),
        );
        all.extend((0..=6).map(|delay| Setting { delay, ..weak }));
        for draws in [1, 2, 4] {
            all.extend(KEY_SHARES.map(|share| Setting {
                kind,
                share,
                draws,
                ..base
            }));
        }
    }
    for level in LADDER {
        all.extend(LADDER_SHARES.map(|share| Setting {
            kind: Kind::Redundant(level),
            share,
            ..base
        }));
    }
    // Each setting once, at its first place.
    let mut once: Vec<Setting> = Vec::new();
    for setting in all {
        if !once.contains(&setting) {
            once.push(setting);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::{Row, Seating, Setting, TRIALS, settings};
    use crate::tests::ROWS;

    #[test]
    fn monte_carlo_and_closed_form_agree() {
        let counted: Vec<_> = ROWS
            .iter()
            .filter_map(|row| Some((row, row.counted?)))
            .collect();
        assert!(counted.len() > 300 && counted.iter().all(|(_, counts)| counts.trials == TRIALS));
        let outside = |z| {
            let out = |row: &Row, (low, high)| row.exact < low - 1e-9 || row.exact > high + 1e-9;
            let all = counted
                .iter()
                .filter(|(row, counts)| out(row, counts.interval(z)));
            all.map(|(row, _)| row.setting).collect::<Vec<_>>()
        };
        assert!(outside(4.5).is_empty(), "{:?}", outside(4.5));
        assert!(
            outside(1.96).len() * 100 <= counted.len() * 8,
            "{:?}",
            outside(1.96)
        );
    }

    #[test]
    fn more_stake_never_hurts_the_colluders() {
        for pair in settings().windows(2) {
            let [a, b] = pair else { continue };
            let comparable = Setting {
                share: b.share,
                ..*a
            } == *b
                && b.share > a.share;
            assert!(!comparable || b.exact() >= a.exact() - 1e-12, "{a:?} {b:?}");
        }
    }

    #[test]
    fn without_a_draw_any_stake_wins_every_lease() {
        let open = |s: &Setting| s.seating == Seating::NotDrawn && s.share > 0.0;
        assert!(
            settings()
                .into_iter()
                .filter(open)
                .all(|s| (s.exact() - 1.0).abs() < 1e-12)
        );
        assert_eq!(settings().into_iter().filter(open).count(), 4 * 25);
    }
}
