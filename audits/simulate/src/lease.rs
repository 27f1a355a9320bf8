//! What becomes of a lease whose seats are drawn: the exact odds, and one life of it by lot.

use rand::Rng;

use crate::draw::{Draw, Rule, Seating, Seats};
use crate::odds::{at_least, binomial, once_in};

/// JURY, and the quorum of its seats.
const JURY: u32 = 3;
const JURY_QUORUM: u32 = JURY / 2 + 1;
/// Part of the bond that a seat without a quorum loses.
const LIVENESS_SLASH: f64 = 0.1;

/// N seats, of which `quorum` equal roots settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) seats: u32,
    pub(crate) quorum: u32,
}

/// How one round ends when every colluder that is drawn commits the one wrong root they agreed on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    /// The wrong root has the quorum.
    pub(crate) wrong: f64,
    /// The right root has it.
    pub(crate) right: f64,
    /// Neither has: the client is refunded.
    pub(crate) refunded: f64,
    /// Fewer than a quorum committed: a new round.
    pub(crate) again: f64,
    /// Expected bonds (of one seat) that the colluders lose.
    pub(crate) bonds_lost: f64,
}

impl Round {
    /// Ends the round, of probability `p`, with these seats, when `committed` of the honest ones did so in time.
    fn end(&mut self, level: Level, seats: Seats, committed: u32, p: f64) {
        if seats.colluders >= level.quorum {
            self.wrong += p;
        } else if committed >= level.quorum {
            self.right += p;
            self.bonds_lost += p * f64::from(seats.colluders);
        } else if committed + seats.colluders >= level.quorum {
            self.refunded += p;
            self.bonds_lost += p * f64::from(seats.colluders) * LIVENESS_SLASH;
        } else {
            self.again += p;
        }
    }
}

/// The exact odds of a round whose honest seats fail to commit with probability `failing` each.
pub(crate) fn round(level: Level, seating: &Seating, failing: f64) -> Round {
    let mut odds = Round::default();
    for (&seats, &p) in seating {
        for (committed, q) in (0..).zip(binomial(seats.honest, 1.0 - failing, seats.honest)) {
            odds.end(level, seats, committed, p * q);
        }
    }
    odds
}

/// One round by lot: tickets are drawn, then honest seats fail.
pub(crate) fn play_round(level: Level, draw: &Draw, failing: f64, rng: &mut impl Rng) -> Round {
    let seats = draw.play(|| rng.random());
    let committed = (0..seats.honest)
        .map(|_| u32::from(rng.random::<f64>() >= failing))
        .sum();
    let mut life = Round::default();
    life.end(level, seats, committed, 1.0);
    life
}

/// Probability that a round must be repeated because colluders short of a quorum reserve their seats and never commit:
/// the right root then needs more of the honest seats than are in time.
pub(crate) fn blocked(level: Level, seating: &Seating, failing: f64) -> f64 {
    let fails = |honest| 1.0 - at_least(level.quorum, honest, 1.0 - failing);
    seating
        .iter()
        .filter(|(seats, _)| seats.colluders < level.quorum)
        .map(|(seats, p)| p * fails(seats.honest))
        .sum()
}

/// What a level costs when all are honest and a seat fails to commit with probability `failing`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Seats paid for each task that is settled.
    pub(crate) paid: f64,
    /// Rounds that end without a quorum.
    pub(crate) failed: f64,
    /// Seats that begin to run each task until it is settled, all rounds together.
    pub(crate) runs: f64,
}

/// The cost of `level`; see [`Cost`].
pub(crate) fn cost(level: Level, failing: f64) -> Cost {
    let mass = binomial(level.seats, 1.0 - failing, level.seats);
    let settled = (0..)
        .zip(&mass)
        .filter(|(commits, _)| *commits >= level.quorum);
    let (done, paid) = settled.fold((0.0, 0.0), |(done, paid), (commits, p)| {
        (done + p, paid + f64::from(commits) * p)
    });
    Cost {
        paid: paid / done,
        failed: 1.0 - done,
        runs: f64::from(level.seats) / done,
    }
}

/// A lease that a colluder holds alone: `wrong` of its tasks are wrong, and honest watchers re-run each task with
/// probability `sampled`, then challenge what differs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pub(crate) wrong: u32,
    pub(crate) sampled: f64,
}

/// Probability that the jury does not convict a wrong result: fewer honest jurors than its quorum, so that it acquits or
/// comes to no verdict.
pub(crate) fn jury_fails(seating: &Seating) -> f64 {
    seating
        .iter()
        .filter(|(seats, _)| seats.honest < JURY_QUORUM)
        .map(|(_, p)| p)
        .sum()
}

/// Probability that the wrong result stands, before a jury that is seated so. Otherwise the whole bond is gone.
pub(crate) fn stands(watched: Watched, jury: &Seating) -> f64 {
    let seen = once_in(watched.wrong, watched.sampled);
    1.0 - seen + seen * jury_fails(jury)
}

/// One optimistic lease by lot: does the wrong result stand?
pub(crate) fn play_optimistic(watched: Watched, jury: &Draw, rng: &mut impl Rng) -> bool {
    let seen = (0..watched.wrong).any(|_| rng.random::<f64>() < watched.sampled);
    !seen || jury.play(|| rng.random()).honest < JURY_QUORUM
}

/// The rule that a jury's seats are drawn by, when the first is taken `from` steps after they opened.
pub(crate) fn jury(from: u32) -> Rule {
    Rule::jury(JURY, from)
}

/// A jury whose seats are not drawn.
pub(crate) fn open_jury() -> Rule {
    Rule::open(JURY)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{
        LIVENESS_SLASH, Level, Round, Watched, blocked, cost, jury, open_jury, play_round, round,
        stands,
    };
    use crate::draw::{Draw, Market, Rule, Seating, Seats};

    const TWO_OF_THREE: Level = Level {
        seats: 3,
        quorum: 2,
    };

    fn drawn(rule: Rule, market: Market) -> Seating {
        Draw::new(rule, market).seating()
    }

    #[test]
    fn rounds_end_as_the_protocol_says() {
        let end = |colluders, honest, committed| {
            let mut round = Round::default();
            round.end(TWO_OF_THREE, Seats { colluders, honest }, committed, 1.0);
            (
                round.wrong,
                round.right,
                round.refunded,
                round.again,
                round.bonds_lost,
            )
        };
        assert_eq!(end(2, 1, 1), (1.0, 0.0, 0.0, 0.0, 0.0));
        assert_eq!(end(1, 2, 2), (0.0, 1.0, 0.0, 0.0, 1.0));
        assert_eq!(end(1, 2, 1), (0.0, 0.0, 1.0, 0.0, LIVENESS_SLASH));
        assert_eq!(end(1, 2, 0), (0.0, 0.0, 0.0, 1.0, 0.0));
        assert_eq!(end(0, 3, 1), (0.0, 0.0, 0.0, 1.0, 0.0));
    }

    #[test]
    fn outcomes_are_exhaustive() {
        let seating = drawn(Rule::redundant(3, 0), Market::new(0.3, 100, 100, 40));
        let odds = round(TWO_OF_THREE, &seating, 0.05);
        assert!(
            (odds.wrong + odds.right + odds.refunded + odds.again - 1.0).abs() < 1e-12,
            "{odds:?}"
        );
        assert!(odds.refunded > 0.0 && odds.again > 0.0 && odds.bonds_lost > odds.refunded * 0.1);
        assert!(blocked(TWO_OF_THREE, &seating, 0.05) > odds.again);
        assert!(blocked(TWO_OF_THREE, &seating, 0.0) < 1e-12);
    }

    #[test]
    fn rounds_by_lot_end_as_the_odds_say() {
        const TRIALS: u32 = 20_000;
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let draw = Draw::new(Rule::redundant(3, 0), Market::new(0.3, 100, 100, 40));
        let odds = round(TWO_OF_THREE, &draw.seating(), 0.2);
        let lives: Vec<_> = (0..TRIALS)
            .map(|_| play_round(TWO_OF_THREE, &draw, 0.2, &mut rng))
            .collect();
        let near = |field: fn(&Round) -> f64| {
            let mean = lives.iter().map(field).sum::<f64>() / f64::from(TRIALS);
            // No field of a life is above 1: colluders that lose have one seat of three.
            let deviation = (field(&odds) * (1.0 - field(&odds)) / f64::from(TRIALS)).sqrt();
            assert!(
                (mean - field(&odds)).abs() < 4.5 * deviation,
                "{mean} {odds:?}"
            );
        };
        near(|round| round.wrong);
        near(|round| round.right);
        near(|round| round.refunded);
        near(|round| round.again);
        near(|round| round.bonds_lost);
    }

    #[test]
    fn failing_seats_change_no_verdict_of_the_round() {
        let seating = drawn(Rule::redundant(3, 0), Market::new(0.3, 100, 100, 100));
        assert!(
            (round(TWO_OF_THREE, &seating, 0.5).wrong - round(TWO_OF_THREE, &seating, 0.0).wrong)
                .abs()
                < 1e-12
        );
    }

    #[test]
    fn costs_of_three_seats_by_hand() {
        let honest = cost(TWO_OF_THREE, 0.0);
        assert!(
            honest.paid == 3.0 && honest.runs == 3.0 && honest.failed == 0.0,
            "{honest:?}"
        );
        // Half fail: P(2) = 3/8, P(3) = 1/8.
        let half = cost(TWO_OF_THREE, 0.5);
        assert!(
            (half.paid - 9.0 / 4.0).abs() < 1e-12 && (half.runs - 6.0).abs() < 1e-12,
            "{half:?}"
        );
    }

    #[test]
    fn a_lone_cheat_is_caught_as_often_as_it_is_sampled() {
        let lone = drawn(jury(0), Market::new(0.0, 0, 100, 100).jurors());
        let one = stands(
            Watched {
                wrong: 1,
                sampled: 0.1,
            },
            &lone,
        );
        assert!((0.9..0.91).contains(&one), "{one}");
        assert!(
            stands(
                Watched {
                    wrong: 50,
                    sampled: 0.1
                },
                &lone
            ) < 0.01
        );
        let packed = stands(
            Watched {
                wrong: 50,
                sampled: 1.0,
            },
            &drawn(open_jury(), Market::new(0.01, 100, 100, 100)),
        );
        assert!((packed - 1.0).abs() < 1e-12, "{packed}");
    }
}
