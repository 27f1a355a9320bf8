//! What the market's events say of a job, folded from the first to the last.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256},
    sol_types::SolEventInterface as _,
};
use piecework::chain::{IMarket, MarketEvent};

use super::{Roots, Seen};
use crate::{
    seat::view::{Over, SeatViews},
    store::StoredEvent,
};

/// A job as the chain shows it now.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobView {
    pub(crate) posted: bool,
    pub(crate) cancelled: bool,
    /// First task that no lease holds; the job's number of tasks when all are held or refunded.
    pub(crate) next: u32,
    /// Of an optimistic job.
    pub(crate) leases: BTreeMap<u32, LeaseView>,
    /// The rounds of a redundant job, and juries.
    pub(crate) seats: SeatViews,
}

/// The present round of a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseView {
    pub(crate) provider: Address,
    pub(crate) round: u16,
    pub(crate) count: u32,
    pub(crate) claim_tx: B256,
    pub(crate) seen: Seen,
    /// What was submitted in it.
    pub(crate) result: Option<Roots>,
    pub(crate) refunded: bool,
    /// Block of its last event.
    pub(crate) block: u64,
}

impl JobView {
    /// Folds a job's canonical events, in the chain's order.
    pub(crate) fn fold(events: &[StoredEvent]) -> Self {
        let mut view = Self::default();
        for at in events {
            let Ok(event) = MarketEvent::decode_raw_log(at.log.topics(), &at.log.data) else {
                continue;
            };
            view.apply(at, event);
        }
        view
    }

    fn apply(&mut self, at: &StoredEvent, event: MarketEvent) {
        match event {
            MarketEvent::Posted(event) => {
                self.posted = true;
                self.seats.posted(&event.job.terms);
            }
            MarketEvent::Cancelled(_) => self.cancelled = true,
            MarketEvent::Claimed(IMarket::Claimed {
                first,
                provider,
                count,
                round,
                ..
            }) => {
                let seen = Seen::Running {
                    started: at.block.time,
                };
                let lease = LeaseView {
                    provider,
                    round,
                    count,
                    claim_tx: at.tx,
                    seen,
                    result: None,
                    refunded: false,
                    block: at.block.number,
                };
                self.leases.insert(first, lease);
                self.next = self.next.max(first.saturating_add(count));
            }
            MarketEvent::Submitted(event) => {
                self.set(event.first, at, Seen::Submitted { at: at.block.time });
                if let Some(lease) = self.leases.get_mut(&event.first) {
                    let (root, manifest) = (event.root, event.manifest);
                    lease.result = Some(Roots { root, manifest });
                }
            }
            MarketEvent::Settled(event) => match self.seats.is_redundant() {
                true => self.seats.end_round(event.first, at, Over::Settled),
                false => self.set(event.first, at, Seen::Settled),
            },
            MarketEvent::Freed(event) => match self.seats.is_redundant() {
                true => self.seats.end_round(event.first, at, Over::Freed),
                false => self.set(event.first, at, Seen::Freed),
            },
            MarketEvent::Refunded(event) => match self.leases.get_mut(&event.first) {
                _ if self.seats.is_redundant() => {
                    self.seats.end_round(event.first, at, Over::Refunded)
                }
                Some(lease) => {
                    lease.refunded = true;
                    lease.block = at.block.number;
                }
                None => self.next = self.next.max(event.first.saturating_add(event.count)),
            },
            MarketEvent::DemandMade(event) => {
                self.set(event.first, at, Seen::Demanded { at: at.block.time })
            }
            MarketEvent::Responded(event) => {
                self.set(event.first, at, Seen::Submitted { at: at.block.time })
            }
            event => {
                match &event {
                    MarketEvent::Challenged(event) => {
                        let challenge = event.challenge;
                        let jury = None;
                        self.set(event.first, at, Seen::Challenged { challenge, jury });
                    }
                    // A provider that was wrong has lost the lease already.
                    MarketEvent::Judged(event)
                        if event.verdict != IMarket::Verdict::ProviderWrong =>
                    {
                        self.set(event.first, at, Seen::Submitted { at: at.block.time })
                    }
                    _ => {}
                }
                let leases = &self.leases;
                let round_of = |first| leases.get(&first).map_or(0, |lease| lease.round);
                self.seats.apply(at, &event, round_of);
            }
        }
    }

    fn set(&mut self, first: u32, at: &StoredEvent, seen: Seen) {
        if let Some(lease) = self.leases.get_mut(&first) {
            lease.seen = seen;
            lease.block = at.block.number;
        }
    }

    /// What the chain says of one round, and since which block. `claim_is_ours` tells whether the
    /// present round was claimed by this very machine: a provider may have several.
    pub(crate) fn round(&self, first: u32, round: u16, claim_is_ours: bool) -> (Seen, u64) {
        match self.leases.get(&first) {
            Some(lease) if lease.round == round && claim_is_ours => (lease.seen, lease.block),
            // A later round: ours was freed, by its taker.
            Some(lease) if lease.round > round => (Seen::Freed, lease.block),
            Some(lease) => (Seen::Absent, lease.block),
            None => (Seen::Absent, 0),
        }
    }

    /// Leases that `provider` could take over, now or one day: whoever left one last is barred from it. With each
    /// the time from which it is free: a taker ends a round that began before and lasts `run_window`.
    pub(crate) fn free_for(
        &self,
        provider: Address,
        run_window: u64,
    ) -> impl Iterator<Item = (u32, &LeaseView, u64)> {
        self.leases.iter().filter_map(move |(first, lease)| {
            let from = match lease.seen {
                Seen::Freed if !lease.refunded => 0,
                Seen::Running { started } => started.saturating_add(run_window).saturating_add(1),
                _ => return None,
            };
            (lease.provider != provider).then_some((*first, lease, from))
        })
    }
}
