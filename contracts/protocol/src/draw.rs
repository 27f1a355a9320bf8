//! The draw: when a provider can take a seat. Everything follows from the seed of one point. A provider's chance is in
//! proportion to its stake, however that is split over addresses, and grows for a while, so that seats are filled although
//! some providers are asleep.

use crate::Market;
use crate::error::Error;
use crate::hash::Round;
use crate::host::Host;
use crate::records::At;
use crate::rules::{JURY, JURY_STEPS, LEASE_STEPS, doublings};
use crate::slots::LeaseSlot;
use crate::store::Store;
use crate::types::{Address, AuditState, Bytes32};

/// A draw of some seats of a round among all stake.
struct Draw {
    round: Round,
    seed: Bytes32,
    /// The audited task; 0 of a lease.
    task: u32,
    /// The time whose stake counts.
    time: u64,
    places: u8,
    /// When growth starts, and after which seconds the chance doubles, how often at most.
    start: u64,
    step: u64,
    steps: u8,
}

impl<S: Store, H: Host> Market<S, H> {
    /// When the provider can take a seat of a redundant lease's round, the greatest time if never.
    ///
    /// # Errors
    /// The beacon's, `SeedUnknown`.
    pub(crate) fn drawn_for_lease(
        &self,
        at: &At<'_>,
        lease: &LeaseSlot,
        provider: &Address,
    ) -> Result<u64, Error> {
        let seed = self.seed_of(lease.point)?;
        let (times, timing) = (self.store.config().times, &at.job.timing);
        let draw = Draw {
            round: at.round(lease.round, crate::hash::LEASE),
            seed,
            task: 0,
            time: self.aged_before(self.store.job(&at.job_id).posted_at),
            places: at.job.assurance.replicas,
            start: self.time_of(lease.point)?.max(timing.opens_at).max(lease.origin),
            step: times.lease_step.max(timing.run_window / 4),
            steps: LEASE_STEPS,
        };
        Ok(self.drawn_from(&draw, provider))
    }

    /// When the provider can take a seat of the audit's jury, the greatest time if never. `time` is that of its point.
    pub(crate) fn drawn_for_jury(
        &self,
        at: &At<'_>,
        lease: &LeaseSlot,
        audit: &AuditState,
        (seed, time): (&Bytes32, u64),
        provider: &Address,
    ) -> u64 {
        let draw = Draw {
            round: at.round(lease.round, audit.jury),
            seed: *seed,
            task: audit.task,
            time: self.aged_before(lease.since),
            places: JURY,
            start: time,
            step: self.store.config().times.jury_step,
            steps: JURY_STEPS,
        };
        self.drawn_from(&draw, provider)
    }

    fn drawn_from(&self, draw: &Draw, provider: &Address) -> u64 {
        let ticket = self.draw(&draw.round, &draw.seed, draw.task, provider);
        let weight = self.weight(self.store.number(provider), draw.time);
        let weights = (weight, self.total_weight(draw.time));
        doublings(&ticket, weights, draw.places, draw.steps)
            .map_or(u64::MAX, |k| draw.start.saturating_add(draw.step.saturating_mul(k.into())))
    }

    /// The time whose stake counts in a draw over what happened at `time`.
    pub(crate) fn aged_before(&self, time: u64) -> u64 {
        time.saturating_sub(self.store.config().times.stake_age)
    }

    /// The hash that decides a draw. No two draws of any market share one.
    pub(crate) fn draw(&self, round: &Round, seed: &Bytes32, task: u32, provider: &Address) -> Bytes32 {
        let chain_id = self.store.config().chain_id;
        round.draw(&self.host, &chain_id, seed, task, provider)
    }

    /// Refuses before `from`, when the provider is drawn.
    pub(crate) fn require_drawn(&self, from: u64, at: &At<'_>, provider: &Address) -> Result<(), Error> {
        if self.host.now() < from {
            return Err(Error::NotDrawn(at.job_id, at.first, *provider, from));
        }
        Ok(())
    }
}
