//! Which work is worth taking: a pure function of a job, the machine, the stake and the time.

pub mod rank;
pub mod seats;
mod why;

use alloy_primitives::{Address, B256};
use piecework_core::{
    chain::IMarket,
    rules,
    spec::JobSpec,
    view::{JobView, lease::State},
};

use crate::{
    capacity::Amount,
    policy::{Policy, Timing},
};

pub use why::{Answered, Blocked, Why};

/// Seconds that a task takes beside its own time.
const TASK_OVERHEAD: u64 = 2;

/// A job and what the chain says of it.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The job.
    pub job: &'a IMarket::Job,
    /// Its spec, or why that is refused.
    pub spec: Result<&'a JobSpec, &'a Why>,
    /// The protocol's fee, in basis points.
    pub fee_bps: u16,
    /// What the chain says of it.
    pub view: &'a JobView,
    /// Unclaimed tasks that claims of ours on their way ask for.
    pub asked: u32,
}

/// What the machine has.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// The provider.
    pub provider: Address,
    /// The whole machine.
    pub total: Amount,
    /// What nothing bonded takes of it.
    pub free: Amount,
    /// Most tasks in one lease.
    pub lease_tasks: u32,
    /// The owner's policy.
    pub policy: &'a Policy,
    /// How careful to be with time.
    pub timing: Timing,
    /// This machine's platform, in an image's words.
    pub platform: &'static str,
    /// Stake that a lease, or a seat of one, may lock. A quarter of all stake is for juries.
    pub free_stake: u128,
    /// Stake that a juror's seat may lock.
    pub jury_stake: u128,
    /// Stake that may be locked for this client, beside what is locked.
    pub allowance: u128,
    /// Whether the provider is on the job's private list.
    pub admitted: bool,
    /// The chain's time.
    pub now: u64,
}

/// Work that is worth taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Tasks.
    pub count: u32,
    /// How many of them can run at the same time.
    pub parallel: u32,
    /// Stake that it locks.
    pub bond: u128,
    /// Seconds that the work can take.
    pub seconds: u64,
    /// What it pays after the fee, if it ends well.
    pub pays: u128,
}

/// What to do about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Claim at most so many of the next tasks.
    Claim(Cost),
    /// Take a free lease over.
    Takeover {
        /// Its first task.
        first: u32,
        /// The round that the takeover begins.
        round: u16,
        /// What it takes and pays.
        cost: Cost,
    },
    /// The job is redundant and acceptable: its leases are looked at one by one ([`seats::seat`]).
    Seats,
    /// Not now; at this time at the latest it is worth looking again.
    Later {
        /// When; none: when something happens.
        at: Option<u64>,
        /// Why not now.
        why: Why,
    },
    /// Never, unless the chain changes.
    Skip(Why),
}

fn later(at: Option<u64>, why: Why) -> Decision {
    Decision::Later { at, why }
}

/// The stake that a lease of `count` tasks locks. Without a bond that the market keeps, no stake covers it.
#[must_use]
pub fn bond(job: &IMarket::Job, count: u32) -> u128 {
    rules::bond_of(&job.price, count).unwrap_or(u128::MAX)
}

/// What a task of a round that begins at `time` pays after the fee.
#[must_use]
pub fn net(job: &IMarket::Job, fee_bps: u16, time: u64) -> u128 {
    let price = rules::price_at(job, time);
    price
        .and_then(|price| rules::net_of(price, fee_bps))
        .unwrap_or(0)
}

/// First time at which a task pays `wanted` after the fee; `None` if it never does.
fn worth_at(job: &IMarket::Job, fee_bps: u16, wanted: u128) -> Option<u64> {
    let net = |time| net(job, fee_bps, time);
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
            high = middle;
        } else {
            low = middle.saturating_add(1);
        }
    }
    Some(low)
}

/// Decides about one job.
#[must_use]
pub fn evaluate(offer: Offer<'_>, means: Means<'_>) -> Decision {
    let spec = match acceptable(offer, means) {
        Ok(spec) => spec,
        Err(decision) => return decision,
    };
    let (job, now) = (offer.job, means.now);
    let min_price = means.policy.min_price;
    let Some(worth) = worth_at(job, offer.fee_bps, min_price) else {
        return Decision::Skip(Why::NeverPays { min_price });
    };
    if job.assurance.replicas > 1 {
        let count = job.terms.maxLease.min(job.terms.tasks);
        if count > means.lease_tasks {
            return Decision::Skip(Why::LeaseTasks { least: count });
        }
        return match now < worth {
            true => later(Some(worth), Why::TooCheap { at: worth }),
            false => Decision::Seats,
        };
    }
    Ordinary::of(offer, means, spec, worth).decide()
}

/// The evaluation of an ordinary job.
struct Ordinary<'a> {
    offer: Offer<'a>,
    means: Means<'a>,
    spec: &'a JobSpec,
    /// Tasks of its size that fit into the machine.
    ever: u32,
    /// The same, now.
    free: u32,
    /// Tasks that can run one after another within the run window.
    rounds: u32,
    /// The same, if the process is down for a quarter of it.
    calm_rounds: u32,
    /// When its ramp gets to the least price.
    worth: u64,
}

/// A lease that can be taken over.
struct Free {
    from: u64,
    first: u32,
    round: u16,
    count: u32,
    /// The place of its price on the ramp, if it is taken over now.
    origin: u64,
}

impl<'a> Ordinary<'a> {
    fn of(offer: Offer<'a>, means: Means<'a>, spec: &'a JobSpec, worth: u64) -> Self {
        let ever = means.total.fits(spec.resources);
        let window = offer.job.timing.runWindow;
        Self {
            offer,
            means,
            spec,
            ever,
            free: means.free.fits(spec.resources).min(ever),
            rounds: rounds(spec, window, means.timing),
            calm_rounds: rounds(spec, window.saturating_sub(window / 4), means.timing),
            worth,
        }
    }

    fn takeovers(&self) -> Vec<Free> {
        let (means, now) = (self.means, self.means.now);
        let takeovers = self.offer.view.free_for(means.provider);
        let fitting = takeovers.filter(|(_, lease, _)| {
            lease.count.div_ceil(self.rounds.max(1)) <= self.ever
                && lease.count <= means.lease_tasks
        });
        let mut free: Vec<Free> = fitting
            .map(|(first, lease, since)| {
                // The holder of a late round is let end it first.
                let from = match lease.state {
                    State::Freed => since,
                    _ => since.saturating_add(means.timing.margin).saturating_add(1),
                };
                // Its price has climbed only while it was free.
                let paid = since.saturating_add(self.worth.saturating_sub(lease.origin));
                Free {
                    from: from.max(paid),
                    first,
                    round: match lease.state {
                        State::Freed => lease.round,
                        _ => lease.round.saturating_add(1),
                    },
                    count: lease.count,
                    origin: lease.origin_at(since, now),
                }
            })
            .collect();
        free.sort_unstable_by_key(|lease| (lease.from, lease.first));
        free
    }

    fn decide(&self) -> Decision {
        let (offer, now) = (self.offer, self.means.now);
        let left = offer
            .job
            .terms
            .tasks
            .saturating_sub(offer.view.next)
            .saturating_sub(offer.asked);
        let takeovers = self.takeovers();
        let free_at = takeovers.first().map(|lease| lease.from);
        let claims = left > 0 && now >= self.worth;
        if !claims && free_at.is_none_or(|at| at > now) {
            if left > 0 {
                let at = free_at.map_or(self.worth, |at| at.min(self.worth));
                return later(Some(at), Why::TooCheap { at });
            }
            return match (offer.view.next < offer.job.terms.tasks, free_at) {
                (true, _) => later(None, Why::OnItsWay),
                (false, Some(at)) => later(Some(at), Why::AllTaken),
                (false, None) => Decision::Skip(Why::AllTaken),
            };
        }
        if self.free == 0 {
            return later(None, Why::NoCapacity);
        }
        let fits = |count: u32| count.div_ceil(self.rounds.max(1)) <= self.free;
        let affordable = self.affordable();
        let due = takeovers.iter().take_while(|lease| lease.from <= now);
        let found = due
            .filter(|lease| fits(lease.count) && affordable >= lease.count)
            .find_map(|lease| {
                let cost = self.cost(lease.count, lease.origin).ok()?;
                Some((lease, cost))
            });
        if let Some((lease, cost)) = found {
            return Decision::Takeover {
                first: lease.first,
                round: lease.round,
                cost,
            };
        }
        match claims {
            true => self.claim(left, affordable),
            false => later(None, Why::NoCapacity),
        }
    }

    /// How many of the `left` tasks to claim.
    fn claim(&self, left: u32, affordable: u32) -> Decision {
        let job = self.offer.job;
        // What the market makes of it leaves no rest that is smaller than a lease.
        let count = |wanted: u32| rules::clamp(&job.terms, left, wanted).unwrap_or(u32::MAX);
        // A plan leaves time for a process that is down, unless the market has no lease that does.
        let calm = self.free.saturating_mul(self.calm_rounds).max(count(1));
        let fits = self.means.lease_tasks.min(left);
        let fits = fits.min(self.free.saturating_mul(self.rounds)).min(calm);
        let most = fits.min(affordable);
        if self.means.lease_tasks < count(1).min(left) {
            return Decision::Skip(Why::LeaseTasks {
                least: job.terms.minLease,
            });
        }
        if fits == 0 || count(fits) > fits {
            return later(None, Why::NoCapacity);
        }
        if most == 0 || count(most) > most {
            // What is locked comes free slowly.
            return later(Some(self.means.now.saturating_add(10)), Why::NotCovered);
        }
        match self.cost(count(most), self.means.now) {
            Ok(cost) => Decision::Claim(cost),
            Err(why) => later(None, why),
        }
    }

    /// What so many tasks take and pay whose price has this place on the ramp.
    fn cost(&self, count: u32, origin: u64) -> Result<Cost, Why> {
        let parallel = self.free.min(count);
        let job = self.offer.job;
        let pays = net(job, self.offer.fee_bps, origin).saturating_mul(count.into());
        let seconds = seconds(self.spec, count, parallel);
        covers(self.means, self.spec, parallel, seconds, pays)?;
        Ok(Cost {
            count,
            parallel,
            bond: bond(job, count),
            seconds,
            pays,
        })
    }

    /// The most tasks whose bond we can and want to lock.
    fn affordable(&self) -> u32 {
        let (job, means) = (self.offer.job, self.means);
        let purse = means.free_stake.min(means.allowance);
        if bond(job, 1) > purse {
            return 0;
        }
        let tasks = purse.checked_div(job.price.bond).unwrap_or(u128::MAX);
        u32::try_from(tasks).unwrap_or(u32::MAX)
    }
}

/// Whether work pays what it costs the owner.
fn covers(
    means: Means<'_>,
    spec: &JobSpec,
    parallel: u32,
    seconds: u64,
    pays: u128,
) -> Result<(), Why> {
    let amount = Amount::of(spec.resources, parallel);
    let costs = means.policy.costs.of(amount, seconds);
    match pays < costs {
        true => Err(Why::BelowCost { pays, costs }),
        false => Ok(()),
    }
}

/// What does not depend on what else this machine does.
fn acceptable<'a>(offer: Offer<'a>, means: Means<'_>) -> Result<&'a JobSpec, Decision> {
    let skip = Decision::Skip;
    let timing = &offer.job.timing;
    if !offer.view.posted {
        return Err(skip(Why::Unposted));
    }
    if offer.view.cancelled {
        return Err(skip(Why::Cancelled));
    }
    if means.now.saturating_add(means.timing.margin) > timing.closesAt {
        return Err(skip(Why::Closes));
    }
    if offer.job.assurance.verifier != Address::ZERO {
        return Err(skip(Why::Proofs));
    }
    if offer.job.assurance.refund {
        return Err(skip(Why::Refund));
    }
    admitted(offer, means)?;
    let spec = runnable(offer, means).map_err(skip)?;
    if rounds(spec, timing.runWindow, means.timing) == 0 {
        return Err(skip(Why::Window));
    }
    if means.now < timing.opensAt {
        let at = timing.opensAt;
        return Err(later(Some(at), Why::Opens { at }));
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
        return Err(Decision::Skip(Why::Unlisted));
    }
    // Nobody is drawn then: all other seats may be one provider's.
    let redundant = offer.job.assurance.replicas > 1;
    if redundant && !means.policy.trusted_clients.contains(&terms.client) {
        return Err(Decision::Skip(Why::Untrusted));
    }
    match means.admitted {
        true => Ok(()),
        false => Err(later(None, Why::NotAdmitted)),
    }
}

/// Whether its tasks can run here.
fn runnable<'a>(offer: Offer<'a>, means: Means<'_>) -> Result<&'a JobSpec, Why> {
    let terms = &offer.job.terms;
    let spec = offer.spec.map_err(Clone::clone)?;
    if spec.tasks != terms.tasks {
        return Err(Why::Tasks {
            spec: spec.tasks,
            job: terms.tasks,
        });
    }
    if spec.image.platform != means.platform {
        return Err(Why::Platform {
            image: spec.image.platform.clone(),
            machine: means.platform,
        });
    }
    match means.total.fits(spec.resources) {
        0 => Err(Why::TooLarge),
        _ => Ok(spec),
    }
}

/// How many tasks can run one after another within so many seconds, each as long as it may.
fn rounds(spec: &JobSpec, seconds: u64, timing: Timing) -> u32 {
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

/// Seconds that so many tasks can take.
fn seconds(spec: &JobSpec, count: u32, parallel: u32) -> u64 {
    each(spec).saturating_mul(count.div_ceil(parallel.max(1)).into())
}

#[cfg(test)]
mod tests;
