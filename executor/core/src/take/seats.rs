//! Which seats are worth taking, of redundant leases and of juries. Who else sits there is not asked: the draw decides that.

use piecework_core::{rules, spec::JobSpec};

use super::{Cost, Means, Offer, Why, covers, net, rounds, runnable, seconds};

/// A seat that can be taken, as to its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Tasks in the lease. A juror runs one of them.
    pub count: u32,
    /// Last second to commit.
    pub commit_by: u64,
}

/// Whether a seat of a redundant lease is worth taking now, of a job that [`super::evaluate`] accepts.
///
/// # Errors
/// Why it is not.
pub fn seat(offer: Offer<'_>, means: Means<'_>, place: Place) -> Result<Cost, Why> {
    let (job, spec) = (offer.job, runnable(offer, means)?);
    let bond = rules::bond_of(&job.price, place.count).unwrap_or(u128::MAX);
    let pays = net(job, offer.fee_bps, means.now).saturating_mul(place.count.into());
    cost(
        spec,
        means,
        place,
        place.count,
        (bond, means.free_stake),
        pays,
    )
}

/// Whether a juror's seat is worth taking now.
///
/// # Errors
/// Why it is not.
pub fn juror(offer: Offer<'_>, means: Means<'_>, place: Place) -> Result<Cost, Why> {
    let (job, spec) = (offer.job, runnable(offer, means)?);
    if job.price.juryFee < means.policy.min_jury_fee {
        return Err(Why::JuryFee);
    }
    let bond = rules::juror_bond_of(&job.price).unwrap_or(u128::MAX);
    cost(
        spec,
        means,
        place,
        1,
        (bond, means.jury_stake),
        job.price.juryFee,
    )
}

fn cost(
    spec: &JobSpec,
    means: Means<'_>,
    place: Place,
    count: u32,
    (bond, stake): (u128, u128),
    pays: u128,
) -> Result<Cost, Why> {
    let left = place.commit_by.saturating_sub(means.now);
    let rounds = rounds(spec, left, means.timing);
    if rounds == 0 {
        return Err(Why::TooLate);
    }
    let free = means.free.fits(spec.resources);
    if free < count.div_ceil(rounds) {
        return Err(Why::NoCapacity);
    }
    if bond > stake.min(means.allowance) {
        return Err(Why::NotCovered);
    }
    let parallel = free.min(count);
    let seconds = seconds(spec, count, parallel);
    covers(means, spec, parallel, seconds, pays)?;
    Ok(Cost {
        count,
        parallel,
        bond,
        seconds,
        pays,
    })
}
