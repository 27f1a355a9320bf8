//! Where a job stands, folded from its events.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

use crate::chain::IMarket::{How, Phase};
use crate::chain::{EventAt, MarketEvent};

/// A job as its events say it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// All tasks.
    pub tasks: u32,
    /// Whether the client cancelled it.
    pub cancelled: bool,
    /// Its leases by first task; refunded tasks that no lease ever held are one too.
    pub leases: BTreeMap<u32, LeaseView>,
}

/// A lease as its events say it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Its first task.
    pub first: u32,
    /// Its tasks.
    pub count: u32,
    /// Who holds it, or held it last; zero for tasks that nobody ever took.
    pub provider: Address,
    /// Where it stands.
    pub phase: Phase,
    /// Units a task is paid.
    pub price: u128,
    /// The round, from 1.
    pub round: u16,
    /// Root of its result; zero before it is submitted.
    pub root: B256,
    /// Address of the list of its output digests; zero before it is submitted.
    pub manifest: B256,
    /// How it was settled.
    pub how: How,
    /// Units paid to the provider.
    pub paid: u128,
    /// Units paid to the protocol.
    pub fee: u128,
    /// Units that went back to the client.
    pub refunded: u128,
    /// Block of its last event.
    pub block: u64,
}

/// Tasks by where they stand; they add up to all tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Tally {
    /// In no lease, or in one that waits for a new holder.
    pub waiting: u32,
    /// Being run.
    pub running: u32,
    /// Submitted, not final yet.
    pub submitted: u32,
    /// Final and paid.
    pub settled: u32,
    /// Given up, the client refunded.
    pub refunded: u32,
}

impl Tally {
    /// Tasks that will not change any more.
    pub fn done(&self) -> u32 {
        self.settled.saturating_add(self.refunded)
    }
}

impl JobView {
    /// A job of which nothing but its posting is known.
    pub fn new(tasks: u32) -> Self {
        Self {
            tasks,
            cancelled: false,
            leases: BTreeMap::new(),
        }
    }

    /// A job after its events, which the caller has filtered by its id.
    pub fn of<'a>(tasks: u32, events: impl IntoIterator<Item = &'a EventAt>) -> Self {
        let mut view = Self::new(tasks);
        for at in events {
            view.apply(at);
        }
        view
    }

    /// Takes one event in. Events of other kinds change nothing.
    pub fn apply(&mut self, at: &EventAt) {
        match &at.event {
            MarketEvent::Cancelled(_) => self.cancelled = true,
            MarketEvent::Claimed(event) => {
                self.leases.insert(
                    event.first,
                    LeaseView {
                        count: event.count,
                        provider: event.provider,
                        phase: Phase::Running,
                        price: event.price,
                        round: event.round,
                        ..LeaseView::empty(event.first, at.block)
                    },
                );
            }
            MarketEvent::Submitted(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Submitted;
                lease.root = event.root;
                lease.manifest = event.manifest;
            }),
            MarketEvent::Settled(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Settled;
                lease.how = event.how;
                (lease.paid, lease.fee, lease.refunded) = (event.paid, event.fee, event.refunded);
            }),
            MarketEvent::Freed(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Free;
                (lease.root, lease.manifest) = (B256::ZERO, B256::ZERO);
            }),
            MarketEvent::Refunded(event) => {
                let fresh = || LeaseView {
                    count: event.count,
                    ..LeaseView::empty(event.first, at.block)
                };
                let lease = self.leases.entry(event.first).or_insert_with(fresh);
                lease.phase = Phase::Refunded;
                lease.refunded = event.refunded;
                lease.block = at.block;
            }
            _ => {}
        }
    }

    fn change(&mut self, first: u32, at: &EventAt, change: impl FnOnce(&mut LeaseView)) {
        if let Some(lease) = self.leases.get_mut(&first) {
            lease.block = at.block;
            change(lease);
        }
    }

    /// The lease that holds `task`.
    pub fn lease_of(&self, task: u32) -> Option<&LeaseView> {
        let (_, lease) = self.leases.range(..=task).next_back()?;
        (task - lease.first < lease.count).then_some(lease)
    }

    /// First task that no lease ever held; all tasks if there is none.
    pub fn next_unclaimed(&self) -> u32 {
        let end = |lease: &LeaseView| lease.first.saturating_add(lease.count);
        self.leases
            .values()
            .map(end)
            .max()
            .unwrap_or(0)
            .min(self.tasks)
    }

    /// Tasks by where they stand.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for lease in self.leases.values() {
            let place = match lease.phase {
                Phase::Running => &mut tally.running,
                Phase::Submitted => &mut tally.submitted,
                Phase::Settled => &mut tally.settled,
                Phase::Refunded => &mut tally.refunded,
                _ => continue,
            };
            *place = place.saturating_add(lease.count);
        }
        let placed = tally
            .done()
            .saturating_add(tally.running)
            .saturating_add(tally.submitted);
        tally.waiting = self.tasks.saturating_sub(placed);
        tally
    }

    /// Whether every task is settled or refunded.
    pub fn is_over(&self) -> bool {
        self.tally().done() >= self.tasks
    }

    /// Units paid to providers, to the protocol, and back to the client, so far.
    pub fn money(&self) -> (u128, u128, u128) {
        self.leases
            .values()
            .fold((0, 0, 0), |(paid, fee, refunded), lease| {
                (
                    lease.paid.saturating_add(paid),
                    lease.fee.saturating_add(fee),
                    lease.refunded.saturating_add(refunded),
                )
            })
    }
}

impl LeaseView {
    fn empty(first: u32, block: u64) -> Self {
        Self {
            first,
            count: 0,
            provider: Address::ZERO,
            phase: Phase::None,
            price: 0,
            round: 0,
            root: B256::ZERO,
            manifest: B256::ZERO,
            how: How::None,
            paid: 0,
            fee: 0,
            refunded: 0,
            block,
        }
    }

    /// Its tasks.
    pub fn range(&self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chain::IMarket;
    use crate::chain::IMarket::Reason;

    const JOB: B256 = B256::repeat_byte(1);
    const ALICE: Address = Address::repeat_byte(2);
    const BOB: Address = Address::repeat_byte(3);

    fn at(block: u64, event: MarketEvent) -> EventAt {
        let block_hash = B256::from(alloy::primitives::U256::from(block));
        EventAt {
            block,
            block_hash,
            log_index: 0,
            tx_hash: B256::ZERO,
            event,
        }
    }

    fn claimed(provider: Address, first: u32, count: u32, round: u16) -> MarketEvent {
        MarketEvent::Claimed(IMarket::Claimed {
            jobId: JOB,
            first,
            provider,
            count,
            round,
            price: 7,
            bond: 9,
        })
    }

    fn freed(provider: Address, first: u32) -> MarketEvent {
        MarketEvent::Freed(IMarket::Freed {
            jobId: JOB,
            first,
            provider,
            reason: Reason::Expired,
            burned: 1,
        })
    }

    fn tally(waiting: u32, running: u32, submitted: u32, settled: u32, refunded: u32) -> Tally {
        Tally {
            waiting,
            running,
            submitted,
            settled,
            refunded,
        }
    }

    #[test]
    fn every_task_is_in_one_place_at_any_time() {
        let submitted = |first, provider, root| {
            MarketEvent::Submitted(IMarket::Submitted {
                jobId: JOB,
                first,
                provider,
                root,
                manifest: B256::repeat_byte(8),
            })
        };
        let settled = MarketEvent::Settled(IMarket::Settled {
            jobId: JOB,
            first: 0,
            how: How::Unchallenged,
            paid: 20,
            fee: 1,
            refunded: 9,
        });
        let refunded = |first, count| {
            MarketEvent::Refunded(IMarket::Refunded {
                jobId: JOB,
                first,
                count,
                refunded: 10,
            })
        };
        let root = B256::repeat_byte(5);
        let story = [
            (claimed(ALICE, 0, 3, 1), tally(7, 3, 0, 0, 0)),
            (claimed(BOB, 3, 2, 1), tally(5, 5, 0, 0, 0)),
            (submitted(3, BOB, root), tally(5, 3, 2, 0, 0)),
            (freed(ALICE, 0), tally(8, 0, 2, 0, 0)),
            (claimed(BOB, 0, 3, 2), tally(5, 3, 2, 0, 0)),
            (submitted(0, BOB, root), tally(5, 0, 5, 0, 0)),
            (settled, tally(5, 0, 2, 3, 0)),
            (refunded(5, 5), tally(0, 0, 2, 3, 5)),
        ];
        let mut view = JobView::new(10);
        for (block, (event, expected)) in (1..).zip(story) {
            view.apply(&at(block, event));
            assert_eq!(view.tally(), expected, "after block {block}");
        }
        assert!(!view.is_over());
        assert_eq!(view.money(), (20, 1, 19));
        assert_eq!(
            (
                view.lease_of(2).unwrap().provider,
                view.lease_of(2).unwrap().round
            ),
            (BOB, 2)
        );
        assert_eq!(view.lease_of(4).unwrap().first, 3);
        assert_eq!(view.lease_of(9).unwrap().phase, Phase::Refunded);
        assert_eq!((view.lease_of(10), view.next_unclaimed()), (None, 10));
        // A free lease that a closed job gives back keeps its tasks.
        view.apply(&at(20, freed(BOB, 3)));
        view.apply(&at(21, refunded(3, 2)));
        assert_eq!(view.tally(), tally(0, 0, 0, 3, 7));
        assert!(view.is_over());
    }
}
