//! How many times what cheating saves a cheat expects to lose: a number that a client sees before it posts.

use crate::chain::IMarket;

/// Chance that a due audit convicts a cheat, the second jury included, if colluders hold a tenth of all stake and are first
/// at every step of a draw (`audits/simulation/README.md`). What blockers burn counts as the cheat's loss.
const CONVICTED_AT_10: f64 = 0.85;
/// The same, if they hold a fifth.
const CONVICTED_AT_20: f64 = 0.58;
/// A deterrence below this is worth a warning.
const ENOUGH: f64 = 1.5;
/// A deterrence below this makes cheating pay.
const LEAST: f64 = 1.0;
/// Basis points of certainty.
const WHOLE: f64 = 10_000.0;

/// What a provider that falsifies tasks of an audited job expects to lose, divided by what it saves: `k * q * (p + b) / c`
/// for each task. Here k is the chance that a due audit convicts it, q the chance of an audit, p the lowest price, b the
/// bond, and c, what running the task costs, at most the highest price.
///
/// It assumes that a due audit is held: that three drawn providers are awake. Two jurors that trust whoever bribes them
/// can undo any audit, and no bond bounds that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deterrence {
    /// If colluders hold a tenth of all stake.
    pub at_10: f64,
    /// If colluders hold a fifth of all stake.
    pub at_20: f64,
}

impl Deterrence {
    /// Of a job with audits; none without.
    pub fn of(job: &IMarket::Job) -> Option<Self> {
        if job.assurance.auditBps == 0 {
            return None;
        }
        let chance = f64::from(job.assurance.auditBps) / WHOLE;
        let lost = float(job.price.minPrice) + float(job.price.bond);
        let cost = float(job.price.maxPrice).max(1.0);
        let ratio = chance * lost / cost;
        Some(Self {
            at_10: CONVICTED_AT_10 * ratio,
            at_20: CONVICTED_AT_20 * ratio,
        })
    }

    /// Whether that is so little that a client should be warned: below 1.5 at a tenth, or below 1 at a fifth.
    pub fn is_weak(&self) -> bool {
        self.at_10 < ENOUGH || self.at_20 < LEAST
    }

    /// Whether cheating pays: below 1 at a tenth.
    pub fn is_refused(&self) -> bool {
        self.at_10 < LEAST
    }
}

impl std::fmt::Display for Deterrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a cheat loses {:.2} times what it saves if colluders hold 10 % of all stake, {:.2} times at 20 %",
            self.at_10, self.at_20
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an amount has 96 bits, and two digits of the ratio are shown"
)]
fn float(units: u128) -> f64 {
    units as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(audit_bps: u16, min: u128, max: u128, bond: u128) -> Option<Deterrence> {
        let mut job = IMarket::Job::default();
        job.assurance.auditBps = audit_bps;
        (job.price.minPrice, job.price.maxPrice, job.price.bond) = (min, max, bond);
        Deterrence::of(&job)
    }

    #[test]
    fn more_audits_and_larger_bonds_deter_more() {
        let usual = of(5_000, 100, 100, 300).unwrap();
        assert_eq!((usual.is_weak(), usual.is_refused()), (false, false));
        assert!((usual.at_10 - 1.70).abs() < 0.01, "{usual}");
        assert!((usual.at_20 - 1.16).abs() < 0.01, "{usual}");
        let rare = of(1_000, 100, 100, 300).unwrap();
        assert!(rare.is_refused() && rare.is_weak(), "{rare}");
        let bonded = of(1_000, 100, 100, 2_000).unwrap();
        assert!(!bonded.is_weak(), "{bonded}");
        // A task that is taken cheap and costs much to run.
        let climbing = of(5_000, 1, 100, 300).unwrap();
        assert!(climbing.is_weak() && !climbing.is_refused(), "{climbing}");
        assert_eq!(of(0, 100, 100, 300), None);
    }
}
