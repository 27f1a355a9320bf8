//! Which seats are worth taking, of redundant leases and of juries. Who else sits there is not asked:
//! the draw decides that.

use piecework_core::{chain::IMarket, rules, spec::JobSpec};

use super::{Decision, Means, NOT_COVERED, Offer, each, rounds, runnable, skip, too_cheap};

/// A seat that can be taken, as to its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Tasks in the lease. A juror runs one of them.
    pub(crate) count: u32,
    /// Last second to commit.
    pub(crate) commit_by: u64,
}

/// What a seat takes of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Tasks that can run at the same time.
    pub(crate) parallel: u32,
    pub(crate) bond: u128,
    /// Seconds that the work can take.
    pub(crate) seconds: u64,
}

/// Whether a redundant job's leases are to be looked at. It is worth it from `worth` on.
pub(super) fn job(job: &IMarket::Job, means: Means<'_>, worth: u64) -> Decision {
    let count = job.terms.maxLease.min(job.terms.tasks);
    if count > means.lease_tasks {
        return skip(format!(
            "its leases of {count} tasks are larger than capacity.lease_tasks"
        ));
    }
    match means.now < worth {
        true => too_cheap(worth),
        false => Decision::Seats,
    }
}

/// Whether a seat of a redundant lease is worth taking now, of a job that [`super::evaluate`] accepts;
/// otherwise why not.
pub(crate) fn seat(offer: Offer<'_>, means: Means<'_>, place: Place) -> Result<Cost, String> {
    let (job, spec) = (offer.job, spec(offer, means)?);
    let bond = rules::bond_of(&job.price, place.count);
    let bond = bond.unwrap_or(u128::MAX);
    cost(spec, means, place, place.count, (bond, means.free_stake))
}

/// Whether a juror's seat is worth taking now; otherwise why not.
pub(crate) fn juror(offer: Offer<'_>, means: Means<'_>, place: Place) -> Result<Cost, String> {
    let (job, spec) = (offer.job, spec(offer, means)?);
    if job.price.juryFee < means.policy.min_jury_fee {
        return Err("its juryFee is below policy.min_jury_fee".to_owned());
    }
    let bond = rules::juror_bond_of(&job.price);
    let bond = bond.unwrap_or(u128::MAX);
    cost(spec, means, place, 1, (bond, means.jury_stake))
}

fn spec<'a>(offer: Offer<'a>, means: Means<'_>) -> Result<&'a JobSpec, String> {
    runnable(offer, means).map_err(|decision| match decision {
        Decision::Skip { why } | Decision::Later { why, .. } => why,
        // Never said of what cannot run.
        _ => String::new(),
    })
}

fn cost(
    spec: &JobSpec,
    means: Means<'_>,
    place: Place,
    tasks: u32,
    (bond, stake): (u128, u128),
) -> Result<Cost, String> {
    let left = place.commit_by.saturating_sub(means.now);
    let rounds = rounds(spec, left, means.timing);
    if rounds == 0 {
        return Err("its time is too short for its timeout_seconds".to_owned());
    }
    let free = means.capacity.fits_now(spec.resources);
    if free < tasks.div_ceil(rounds) {
        return Err("no capacity is free for the seat that waits".to_owned());
    }
    if bond > stake.min(means.allowance) {
        return Err(NOT_COVERED.to_owned());
    }
    let parallel = free.min(tasks);
    let seconds = each(spec).saturating_mul(tasks.div_ceil(parallel.max(1)).into());
    Ok(Cost {
        parallel,
        bond,
        seconds,
    })
}
