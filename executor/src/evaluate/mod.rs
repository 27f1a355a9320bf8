//! Which work is worth taking: a pure function of a job, the machine, the stake and the time.

mod seats;

use alloy::primitives::{Address, B256};
use piecework_core::{
    chain::IMarket,
    rules,
    spec::JobSpec,
    view::{JobView, lease::State},
};

use crate::{
    capacity::Capacity,
    config::{ChainTiming, Policy},
};

pub(crate) use seats::{Cost, Place, juror, seat};

/// Why a lease or a seat is not taken whose bond is too high.
const NOT_COVERED: &str = "the stake that is free, or that may be locked for its client (policy.max_exposure, \
    policy.strangers_percent), does not cover its bond";
/// Seconds that a task takes beside its own time.
const TASK_OVERHEAD: u64 = 2;

/// A job and what the chain says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) job: &'a IMarket::Job,
    pub(crate) spec: Result<&'a JobSpec, &'a str>,
    pub(crate) fee_bps: u16,
    pub(crate) view: &'a JobView,
    /// Unclaimed tasks that claims of ours on their way ask for.
    pub(crate) asked: u32,
}

/// What we have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means<'a> {
    pub(crate) provider: Address,
    pub(crate) capacity: &'a Capacity,
    pub(crate) lease_tasks: u32,
    pub(crate) policy: &'a Policy,
    pub(crate) timing: &'a ChainTiming,
    /// Stake that a lease, or a seat of one, may lock: a quarter of all stake is for juries. Less the bonds of claims on
    /// their way.
    pub(crate) free_stake: u128,
    /// Stake that a juror's seat may lock.
    pub(crate) jury_stake: u128,
    /// Stake that may be locked for this client, beside what is.
    pub(crate) allowance: u128,
    /// Whether we are on the job's private list of providers.
    pub(crate) admitted: bool,
    /// The chain's time.
    pub(crate) now: u64,
}

/// What to do about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Claim at most this many of the next tasks, which is how many they are if nobody is quicker. So many can run at the
    /// same time.
    Claim {
        count: u32,
        parallel: u32,
        bond: u128,
    },
    /// Take a free lease over.
    Takeover {
        first: u32,
        count: u32,
        parallel: u32,
        bond: u128,
    },
    /// The job is redundant and acceptable: its leases are looked at one by one (`seat`).
    Seats,
    /// Not now; at this time at the latest it is worth looking again.
    Later { at: Option<u64>, why: String },
    /// Never, unless the chain changes.
    Skip { why: String },
}

fn skip(why: impl Into<String>) -> Decision {
    Decision::Skip { why: why.into() }
}

fn later(at: Option<u64>, why: impl Into<String>) -> Decision {
    Decision::Later {
        at,
        why: why.into(),
    }
}

fn too_cheap(worth: u64) -> Decision {
    let why = format!("its price gets to policy.min_price at {worth}");
    later(Some(worth), why)
}

/// The stake that a lease of `count` tasks locks. Without a bond that the market keeps, no stake covers it.
pub(crate) fn bond(job: &IMarket::Job, count: u32) -> u128 {
    rules::bond_of(&job.price, count).unwrap_or(u128::MAX)
}

/// What a task of a round that begins at `time` is worth after the fee.
fn worth(job: &IMarket::Job, fee_bps: u16, time: u64) -> u128 {
    let price = rules::price_at(job, time);
    price
        .and_then(|price| rules::net_of(price, fee_bps))
        .unwrap_or(0)
}

/// First time at which a task is worth `wanted` after the fee; `None` if it never is.
fn worth_at(job: &IMarket::Job, fee_bps: u16, wanted: u128) -> Option<u64> {
    let net = |time| worth(job, fee_bps, time);
    let (mut low, mut high) = (
        job.timing.opensAt,
        job.timing.opensAt.saturating_add(job.timing.ramp),
    );
    if net(high) < wanted {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high);
        if net(middle) >= wanted {
            high = middle
        } else {
            low = middle.saturating_add(1)
        }
    }
    Some(low)
}

/// Decides about one job.
pub(crate) fn evaluate(offer: Offer<'_>, means: Means<'_>) -> Decision {
    let spec = match acceptable(offer, means) {
        Ok(spec) => spec,
        Err(decision) => return decision,
    };
    let (job, now) = (offer.job, means.now);
    let ever = means.capacity.fits_ever(spec.resources);
    let free = means.capacity.fits_now(spec.resources).min(ever);
    let rounds = rounds(spec, job.timing.runWindow, means.timing);
    let worth = worth_at(job, offer.fee_bps, means.policy.min_price);
    let Some(worth) = worth else {
        return skip(format!(
            "it never pays policy.min_price ({}) a task after the fee",
            means.policy.min_price
        ));
    };
    if job.assurance.replicas > 1 {
        return seats::job(job, means, worth);
    }
    let left = job
        .terms
        .tasks
        .saturating_sub(offer.view.next)
        .saturating_sub(offer.asked);
    let takeovers = offer.view.free_for(means.provider);
    let takeovers = takeovers.filter(|(_, lease, _)| {
        lease.count.div_ceil(rounds.max(1)) <= ever && lease.count <= means.lease_tasks
    });
    let mut takeovers: Vec<_> = takeovers
        .map(|(first, lease, since)| {
            // Whoever is late is let end its round itself first.
            let from = match lease.state {
                State::Freed => since,
                _ => since.saturating_add(means.timing.margin).saturating_add(1),
            };
            // Its price has climbed only while it was free.
            let paid = since.saturating_add(worth.saturating_sub(lease.origin));
            (from.max(paid), first, lease)
        })
        .collect();
    takeovers.sort_unstable_by_key(|(from, first, _)| (*from, *first));
    let free_at = takeovers.first().map(|(from, ..)| *from);
    let mut free_now = takeovers
        .iter()
        .take_while(|(from, ..)| *from <= now)
        .peekable();
    let claims = left > 0 && now >= worth;
    if !claims && free_now.peek().is_none() {
        if left > 0 {
            return too_cheap(free_at.map_or(worth, |at| at.min(worth)));
        }
        return match (offer.view.next < job.terms.tasks, free_at) {
            (true, _) => later(None, "claims of ours are on their way"),
            (false, Some(at)) => later(Some(at), "every task is taken"),
            (false, None) => skip("every task is taken"),
        };
    }
    if free == 0 {
        return later(None, "no capacity is free");
    }
    let fits =
        |count: u32| count.div_ceil(rounds.max(1)) <= free && affordable(job, means) >= count;
    if let Some((_, first, lease)) = free_now.find(|(.., lease)| fits(lease.count)) {
        let bond = bond(job, lease.count);
        return Decision::Takeover {
            first: *first,
            count: lease.count,
            parallel: free.min(lease.count),
            bond,
        };
    }
    if !claims {
        return later(None, "no capacity is free for the lease that waits");
    }
    claim(offer, means, left, (free, rounds))
}

/// How many of the `left` tasks to claim, of which so many can run at the same time, and so often one after another.
fn claim(offer: Offer<'_>, means: Means<'_>, left: u32, (free, rounds): (u32, u32)) -> Decision {
    let job = offer.job;
    let fits = means.lease_tasks.min(left).min(free.saturating_mul(rounds));
    let most = fits.min(affordable(job, means));
    // What the market makes of it leaves no rest that is smaller than a lease.
    let count = |wanted: u32| rules::clamp(&job.terms, left, wanted).unwrap_or(u32::MAX);
    if means.lease_tasks < count(1).min(left) {
        return skip(format!(
            "its leases of at least {} tasks are larger than capacity.lease_tasks",
            job.terms.minLease
        ));
    }
    match (most, fits) {
        (0, 0) => later(None, "no capacity is free for the lease that waits"),
        (most, fits) if count(most.max(1)) > most => match count(fits.max(1)) > fits {
            true => later(None, "no capacity is free for a lease as large as it wants"),
            false => later(None, NOT_COVERED),
        },
        (most, _) => {
            let count = count(most);
            Decision::Claim {
                count,
                parallel: free.min(count),
                bond: bond(job, count),
            }
        }
    }
}

/// What does not depend on what else this machine does.
fn acceptable<'a>(offer: Offer<'a>, means: Means<'_>) -> Result<&'a JobSpec, Decision> {
    let timing = &offer.job.timing;
    if !offer.view.posted {
        return Err(skip("its posting was reorganized away"));
    }
    if offer.view.cancelled {
        return Err(skip("it was cancelled"));
    }
    if means.now.saturating_add(means.timing.margin) > timing.closesAt {
        return Err(skip("it closes too soon, or has closed"));
    }
    if offer.job.assurance.verifier != Address::ZERO {
        return Err(skip(
            "its results need proofs, which this machine does not make",
        ));
    }
    if offer.job.assurance.refund {
        return Err(skip(
            "a conviction would pay its client, and nobody can say whether its spec always prints the same",
        ));
    }
    admitted(offer, means)?;
    let spec = runnable(offer, means)?;
    if rounds(spec, timing.runWindow, means.timing) == 0 {
        return Err(skip("its run window is too short for its timeout_seconds"));
    }
    if means.now < timing.opensAt {
        return Err(later(
            Some(timing.opensAt),
            format!("it opens at {}", timing.opensAt),
        ));
    }
    Ok(spec)
}

/// Whether we may claim leases of it, and take seats of them. Juries are drawn from all stake all the same.
fn admitted(offer: Offer<'_>, means: Means<'_>) -> Result<(), Decision> {
    let terms = &offer.job.terms;
    if terms.providers == B256::ZERO {
        return Ok(());
    }
    if !means.policy.lists.contains(&terms.providers) {
        return Err(skip(
            "it is for a private list of providers that is not in policy.lists",
        ));
    }
    // Nobody is drawn then: all other seats may be one provider's.
    let redundant = offer.job.assurance.replicas > 1;
    if redundant && !means.policy.trusted_clients.contains(&terms.client) {
        return Err(skip(
            "it is redundant, for a private list of providers, and its client is not in policy.trusted_clients",
        ));
    }
    if !means.admitted {
        return Err(later(
            None,
            "it is for a private list of providers: prove that the provider is on it with admit()",
        ));
    }
    Ok(())
}

/// Whether its tasks can run here.
fn runnable<'a>(offer: Offer<'a>, means: Means<'_>) -> Result<&'a JobSpec, Decision> {
    let terms = &offer.job.terms;
    let spec = offer
        .spec
        .map_err(|why| skip(format!("its spec is refused: {why}")))?;
    if spec.tasks != terms.tasks {
        return Err(skip(format!(
            "its spec speaks of {} tasks, the job of {}",
            spec.tasks, terms.tasks
        )));
    }
    if spec.image.platform != platform() {
        return Err(skip(format!(
            "its image is for {}, this machine is {}",
            spec.image.platform,
            platform()
        )));
    }
    if means.capacity.fits_ever(spec.resources) == 0 {
        return Err(skip("one task asks for more than the whole machine gives"));
    }
    Ok(spec)
}

/// How many tasks can run one after another within so many seconds, each as long as it may.
fn rounds(spec: &JobSpec, seconds: u64, timing: &ChainTiming) -> u32 {
    let usable = seconds.saturating_sub(timing.margin.saturating_mul(2));
    u32::try_from(usable / each(spec).max(1)).unwrap_or(u32::MAX)
}

/// Seconds that one task can take.
fn each(spec: &JobSpec) -> u64 {
    let timeout = spec.resources.timeout_seconds;
    timeout
        .saturating_add(timeout / 10)
        .saturating_add(TASK_OVERHEAD)
}

/// The most tasks whose bond we can and want to lock.
fn affordable(job: &IMarket::Job, means: Means<'_>) -> u32 {
    let purse = means.free_stake.min(means.allowance);
    if bond(job, 1) > purse {
        return 0;
    }
    let tasks = purse.checked_div(job.price.bond).unwrap_or(u128::MAX);
    u32::try_from(tasks).unwrap_or(u32::MAX)
}

/// This machine's platform, in an image's words.
fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "linux/arm64",
        _ => "linux/amd64",
    }
}

#[cfg(test)]
mod tests;
