//! An audit with a coalition in it. The verdict and the end of each seat are what `piecework_protocol::votes` says; the
//! coalition knows the whole draw and chooses the best of all acts of its jurors.

use std::collections::BTreeMap;

use anyhow::anyhow;
use piecework_protocol::rules::{JURY, juror_bond_of, tenth_of};
use piecework_protocol::types::{Bytes32, Price, Seat, SeatEnd, Verdict, ZERO};
use piecework_protocol::votes::{Voter, decide, end_of};

use crate::draw::{Draw, Seating, Seats};

/// A jury fee, in units.
const FEE: u128 = 1_000;
/// The right output.
pub(crate) const TRUTH: Bytes32 = [1; 32];
/// The accused's wrong output.
pub(crate) const LIE: Bytes32 = [2; 32];
const GARBAGE: Bytes32 = [3; 32];

/// What a juror does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Reserves its seat and never commits.
    Late,
    /// Commits and never opens.
    Silent,
    /// Votes for the zero digest.
    Abstain,
    /// Votes for the right output.
    Truth,
    /// Votes for the accused's wrong output.
    Lie,
    /// Votes for a wrong output that the accused did not submit. All such votes are equal.
    Garbage,
    /// Votes for an output that nobody else has: a spec that differs by machine.
    Own,
}

/// What a member of the coalition may do.
const ACTS: [Act; 6] = [
    Act::Late,
    Act::Silent,
    Act::Abstain,
    Act::Truth,
    Act::Lie,
    Act::Garbage,
];

/// How the seats of one jury ended. Money is in jury fees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// What the first `counted` seats gained.
    pub(crate) first: f64,
    /// What the other seats gained.
    pub(crate) rest: f64,
    /// How many of those were paid, lost a tenth, lost all.
    pub(crate) ends: [u32; 3],
}

/// The outcome of a jury in which these acts were done, over the accused's `leaf` (zero: never opened). `counted` seats
/// are one party, the rest another.
pub(crate) fn outcome(acts: &[Act], counted: usize, leaf: &Bytes32) -> anyhow::Result<Outcome> {
    let commits = acts.iter().filter(|act| **act != Act::Late).count();
    let voters: Vec<Voter> = (1..)
        .zip(acts)
        .map(|(number, act)| {
            let value = match act {
                Act::Truth => TRUTH,
                Act::Lie => LIE,
                Act::Garbage => GARBAGE,
                Act::Own => [u8::try_from(number).unwrap_or(0) | 0x80; 32],
                _ => ZERO,
            };
            let state = match act {
                Act::Late => Seat::Joined,
                // With fewer than two commitments nothing can be opened.
                Act::Silent => Seat::Committed,
                _ if commits < 2 => Seat::Committed,
                _ => Seat::Opened,
            };
            Voter {
                number,
                state,
                value,
                proof: value,
                fresh: true,
            }
        })
        .collect();
    let opened = voters.iter().filter(|voter| voter.state == Seat::Opened);
    let opened = u8::try_from(opened.count())?;
    let decision = decide(1, &voters, leaf);
    let price = Price {
        jury_fee: FEE,
        ..Price::default()
    };
    let bond = juror_bond_of(&price).map_err(|error| anyhow!("{error:?}"))?;
    let tenth = tenth_of(bond).map_err(|error| anyhow!("{error:?}"))?;
    let mut result = Outcome {
        verdict: decision.verdict,
        first: 0.0,
        rest: 0.0,
        ends: [0; 3],
    };
    for (place, voter) in voters.iter().enumerate() {
        // As in the market's `close_jury`.
        let (gain, end) = match end_of(1, voter, &decision, opened) {
            SeatEnd::Paid => (1.0, Some(0)),
            SeatEnd::Released => (0.0, None),
            SeatEnd::Outvoted | SeatEnd::Silent => (-(bond as f64) / FEE as f64, Some(2)),
            _ => (-(tenth as f64) / FEE as f64, Some(1)),
        };
        if place < counted {
            result.first += gain;
        } else {
            result.rest += gain;
            if let Some(count) = end.and_then(|end| result.ends.get_mut::<usize>(end)) {
                *count += 1;
            }
        }
    }
    Ok(result)
}

/// All multisets of `size` acts.
pub(crate) fn multisets(size: usize, acts: &[Act]) -> Vec<Vec<Act>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (place, act) in acts.iter().enumerate() {
        for mut rest in multisets(size - 1, acts.get(place..).unwrap_or_default()) {
            rest.push(*act);
            all.push(rest);
        }
    }
    all
}

/// What the coalition wants of an audit. Money is in jury fees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    /// That its own lie is not convicted. A conviction costs it the price and the bond of the lease.
    Escape { at_stake: f64 },
    /// That an honest provider is convicted, at any price.
    Convict,
}

/// How far the coalition goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// It takes no seats.
    Absent,
    /// It does nothing that costs its jurors money.
    Free,
    /// Anything.
    Any,
}

/// What becomes of an audit that is due, on average. Money is in jury fees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fate {
    pub(crate) convicted: f64,
    pub(crate) acquitted: f64,
    pub(crate) contested: f64,
    /// What the coalition's jurors gain, together.
    pub(crate) coalition: f64,
    /// Honest seats that were paid, lost a tenth, lost all.
    pub(crate) jurors: [f64; 3],
    /// What honest jurors gain, together.
    pub(crate) honest: f64,
}

impl Fate {
    fn add(&mut self, p: f64, other: &Self) {
        self.convicted += p * other.convicted;
        self.acquitted += p * other.acquitted;
        self.contested += p * other.contested;
        self.coalition += p * other.coalition;
        self.honest += p * other.honest;
        for (sum, one) in self.jurors.iter_mut().zip(other.jurors) {
            *sum += p * one;
        }
    }
}

/// An audit of a lease of which every task is wrong (or right, if the coalition wants a conviction).
pub(crate) struct Audit {
    aim: Aim,
    /// What can happen in a jury with so many seats of the coalition and so many honest ones.
    outcomes: BTreeMap<(u32, u32), Vec<Outcome>>,
}

impl Audit {
    /// An audit with a coalition that wants this and goes this far.
    pub(crate) fn new(aim: Aim, means: Means) -> anyhow::Result<Self> {
        let mut outcomes = BTreeMap::new();
        for coalition in 0..=u32::from(JURY) {
            for honest in 0..=u32::from(JURY) - coalition {
                let found = possible(aim, means, coalition, honest)?;
                outcomes.insert((coalition, honest), found);
            }
        }
        Ok(Self { aim, outcomes })
    }

    /// What becomes of an audit of which both juries are drawn like this.
    pub(crate) fn fate(&self, draw: &Draw) -> Fate {
        let seating = draw.seating();
        let second = self.jury(&seating, None);
        self.jury(&seating, Some(&second))
    }

    fn jury(&self, seating: &Seating, next: Option<&Fate>) -> Fate {
        let mut fate = Fate::default();
        for (seats, p) in seating {
            fate.add(*p, &self.best(*seats, next));
        }
        fate
    }

    /// What the coalition makes of its seats. `next` is what the next jury is worth, if there is one.
    pub(crate) fn best(&self, seats: Seats, next: Option<&Fate>) -> Fate {
        let places = u32::from(JURY);
        let mut best: Option<(f64, Fate)> = None;
        for taken in 0..=seats.coalition {
            let honest = seats.honest.min(places - taken);
            let options = self.outcomes.get(&(taken, honest));
            for option in options.into_iter().flatten() {
                let fate = Self::follow(option, (taken + honest == 0).then_some(()), next);
                let loss = self.loss(&fate);
                if best.as_ref().is_none_or(|(least, _)| loss < *least - 1e-12) {
                    best = Some((loss, fate));
                }
            }
        }
        best.map(|(_, fate)| fate).unwrap_or_default()
    }

    /// What an outcome leads to. If `nobody` came, no jury was opened, and there is no second one.
    fn follow(option: &Outcome, nobody: Option<()>, next: Option<&Fate>) -> Fate {
        let [paid, tenth, lost] = option.ends.map(f64::from);
        let mut fate = Fate {
            coalition: option.first,
            honest: option.rest,
            jurors: [paid, tenth, lost],
            ..Fate::default()
        };
        match (option.verdict, next) {
            (Verdict::Convicted, _) => fate.convicted = 1.0,
            (Verdict::Acquitted, _) => fate.acquitted = 1.0,
            (_, Some(next)) if nobody.is_none() => fate.add(1.0, next),
            _ => fate.contested = 1.0,
        }
        fate
    }

    /// What the coalition would rather not have.
    pub(crate) fn loss(&self, fate: &Fate) -> f64 {
        match self.aim {
            Aim::Escape { at_stake } => at_stake * fate.convicted - fate.coalition,
            Aim::Convict => -1e9 * fate.convicted - fate.coalition,
        }
    }
}

/// The outcomes that a coalition can bring about with exactly so many seats.
fn possible(aim: Aim, means: Means, coalition: u32, honest: u32) -> anyhow::Result<Vec<Outcome>> {
    let leaves: &[Bytes32] = match aim {
        Aim::Escape { .. } => &[LIE, ZERO],
        Aim::Convict => &[TRUTH],
    };
    if means == Means::Absent && coalition > 0 {
        return Ok(Vec::new());
    }
    let mut found: Vec<Outcome> = Vec::new();
    for mut acts in multisets(coalition as usize, &ACTS) {
        let counted = acts.len();
        acts.resize(counted + honest as usize, Act::Truth);
        for leaf in leaves {
            let outcome = outcome(&acts, counted, leaf)?;
            let affordable = means != Means::Free || outcome.first >= 0.0;
            if affordable && !found.contains(&outcome) {
                found.push(outcome);
            }
        }
    }
    Ok(found)
}

/// The least that `bribed` of three honest jurors lose, in jury fees, by acts that keep a liar from being convicted
/// without a verdict (or, if `acquitted`, that acquit it), compared with the fee that honesty pays.
pub(crate) fn bribe(bribed: usize, acquitted: bool) -> anyhow::Result<Option<f64>> {
    let wanted = if acquitted {
        Verdict::Acquitted
    } else {
        Verdict::NoVerdict
    };
    let mut least: Option<f64> = None;
    for mut acts in multisets(bribed, &ACTS) {
        acts.resize(JURY.into(), Act::Truth);
        let outcome = outcome(&acts, bribed, &LIE)?;
        let cost = bribed as f64 - outcome.first;
        if outcome.verdict == wanted && least.is_none_or(|least| cost < least) {
            least = Some(cost);
        }
    }
    Ok(least)
}

/// What three jurors lose together, in jury fees, if each has an output of its own.
pub(crate) fn ambiguous() -> anyhow::Result<f64> {
    Ok(-outcome(&[Act::Own; JURY as usize], 0, &LIE)?.rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use piecework_protocol::rules::coin;
    use piecework_protocol::types::Verdict;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{Act, Aim, Audit, LIE, Means, TRUTH, ambiguous, bribe, outcome};
    use crate::draw::{Draw, Market, Seats};

    #[test]
    fn lone_juror_blocks_for_its_bond() {
        let audit = Audit::new(Aim::Escape { at_stake: 50.0 }, Means::Any).unwrap();
        let seats = Seats {
            coalition: 1,
            honest: 3,
        };
        let last = audit.best(seats, None);
        assert_eq!((last.contested, last.coalition), (1.0, -8.0));
        // For less than its bond it does not.
        let audit = Audit::new(Aim::Escape { at_stake: 7.0 }, Means::Any).unwrap();
        assert_eq!(audit.best(seats, None).convicted, 1.0);
        let free = Audit::new(Aim::Escape { at_stake: 50.0 }, Means::Free).unwrap();
        assert_eq!(free.best(seats, None).convicted, 1.0);
    }

    #[test]
    fn two_of_the_coalition_acquit_and_earn() {
        let audit = Audit::new(Aim::Escape { at_stake: 50.0 }, Means::Any).unwrap();
        let seats = Seats {
            coalition: 2,
            honest: 3,
        };
        let fate = audit.best(seats, None);
        assert_eq!(
            (fate.acquitted, fate.coalition, fate.honest),
            (1.0, 2.0, -8.0)
        );
    }

    #[test]
    fn honest_juror_saves_an_honest_provider() {
        let audit = Audit::new(Aim::Convict, Means::Any).unwrap();
        let with = |honest| {
            let seats = Seats {
                coalition: 2,
                honest,
            };
            audit.best(seats, None)
        };
        assert_eq!(
            (with(0).convicted, with(1).convicted, with(1).acquitted),
            (1.0, 0.0, 1.0)
        );
        let acts = [Act::Garbage, Act::Garbage, Act::Truth];
        let ended = outcome(&acts, 2, &TRUTH).unwrap();
        assert_eq!(
            (ended.verdict, ended.first, ended.rest),
            (Verdict::NoVerdict, -1.6, -8.0)
        );
    }

    #[test]
    fn bribes_cost_what_the_table_of_verdicts_says() {
        let rounded = |bribed, acquitted| {
            bribe(bribed, acquitted)
                .unwrap()
                .map(|fees| (fees * 10.0).round())
        };
        assert_eq!(
            [1, 2, 3].map(|bribed| rounded(bribed, false)),
            [Some(90.0), Some(36.0), Some(30.0)]
        );
        assert_eq!(
            [1, 2, 3].map(|bribed| rounded(bribed, true)),
            [None, Some(0.0), Some(0.0)]
        );
        assert!((ambiguous().unwrap() - 2.4).abs() < 1e-12);
        // Whoever names a leaf in vain loses all of it.
        let ended = outcome(&[Act::Lie, Act::Truth, Act::Truth], 1, &LIE).unwrap();
        assert_eq!((ended.first, ended.ends), (-8.0, [0, 2, 0]));
    }

    /// Whole audits, coin included, with random seeds: the average loss is what the exact sum says.
    #[test]
    fn played_audits_cost_what_the_exact_sum_says() {
        const TRIALS: u32 = 10_000;
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (share, at_stake) in [(0.1, 50.0), (0.2, 100.0), (0.33, 50.0)] {
            let audit = Audit::new(Aim::Escape { at_stake }, Means::Any).unwrap();
            let draw = Draw::jury(Market::with(share), true);
            let second = audit.jury(&draw.seating(), None);
            let mut total = 0.0;
            for _ in 0..TRIALS {
                if coin(&rng.random(), 5_000) {
                    let fate = audit.best(draw.play(&mut rng), Some(&second));
                    total += audit.loss(&fate);
                }
            }
            let exact = 0.5 * audit.loss(&audit.fate(&draw));
            let mean = total / f64::from(TRIALS);
            assert!(
                (mean - exact).abs() < 0.03 * at_stake,
                "{share}: {mean} {exact}"
            );
        }
    }
}
