//! Where a job stands, folded from its events.

mod lease;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use alloy::primitives::{Address, B256};

use crate::chain::IMarket::{self, How, Phase, Seat};
use crate::chain::{EventAt, MarketEvent};

pub use lease::{DemandView, DisputeView, LeaseView, SeatView};

/// A job as its events say it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// All tasks.
    pub tasks: u32,
    /// Whether the client cancelled it.
    pub cancelled: bool,
    /// Whether the draws of its seats have their seed; of a redundant job only.
    pub sealed: bool,
    /// Its leases by first task, of a redundant job those that had a round; refunded tasks that no lease
    /// ever held are one too.
    pub leases: BTreeMap<u32, LeaseView>,
    fixed: Option<Fixed>,
    numbers: BTreeMap<u32, Address>,
}

/// What the leases of a redundant job have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fixed {
    max_lease: u32,
    replicas: u8,
    /// Units a task and seat is paid, if that does not depend on the time.
    price: Option<u128>,
}

/// Tasks by where they stand; they add up to all tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Tally {
    /// In no lease, or in one that waits for a new holder or for a new round.
    pub waiting: u32,
    /// Being run.
    pub running: u32,
    /// With a result that is not final yet: submitted, being revealed, or contested.
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
    pub fn new(job: &IMarket::Job) -> Self {
        let price = &job.price;
        let fixed = (job.terms.replicas > 1).then_some(Fixed {
            max_lease: job.terms.maxLease,
            replicas: job.terms.replicas,
            price: (price.minPrice == price.maxPrice).then_some(price.maxPrice),
        });
        Self {
            tasks: job.terms.tasks,
            cancelled: false,
            sealed: false,
            leases: BTreeMap::new(),
            fixed,
            numbers: BTreeMap::new(),
        }
    }

    /// Says which number the market gave to a provider: seats are closed by number. Needed before the
    /// `SeatClosed` event of its seat; see [`JobView::unnumbered`].
    pub fn number(&mut self, provider: Address, number: u32) {
        self.numbers.insert(number, provider);
    }

    /// The provider with this number, if it was told.
    pub fn provider_at(&self, number: u32) -> Option<Address> {
        self.numbers.get(&number).copied()
    }

    /// Providers of whom one has the number in this `SeatClosed` event, while it is not known; else none.
    pub fn unnumbered(&self, at: &EventAt) -> Vec<Address> {
        let MarketEvent::SeatClosed(event) = &at.event else {
            return Vec::new();
        };
        let Some(lease) = self.leases.get(&event.first) else {
            return Vec::new();
        };
        if self.numbers.contains_key(&event.number) {
            return Vec::new();
        }
        let seats = match event.challenge {
            0 => &lease.seats,
            _ => match &lease.dispute {
                Some(dispute) => &dispute.jurors,
                None => return Vec::new(),
            },
        };
        seats.iter().map(|seat| seat.provider).collect()
    }

    /// Takes one event in. Events of other kinds change nothing.
    pub fn apply(&mut self, at: &EventAt) {
        match &at.event {
            MarketEvent::Cancelled(_) => self.cancelled = true,
            MarketEvent::Sealed(_) => self.sealed = true,
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
                if event.how == How::Quorum {
                    lease.take_quorums_root();
                }
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
            MarketEvent::Joined(event) => {
                self.take_seat(event.first, event.round, event.provider, Seat::Joined, at);
            }
            MarketEvent::Committed(event) => {
                let (first, round, provider) = (event.first, event.round, event.provider);
                self.take_seat(first, round, provider, Seat::Committed, at);
            }
            MarketEvent::Revealed(event) => self.change(event.first, at, |lease| {
                lease::reveal(&mut lease.seats, event.provider, event.root, event.manifest);
            }),
            MarketEvent::SeatClosed(event) => {
                let Some(provider) = self.provider_at(event.number) else {
                    tracing::warn!(
                        number = event.number,
                        "a seat of a provider without a number"
                    );
                    return;
                };
                self.change(event.first, at, |lease| lease.close_seat(provider, event));
            }
            _ => self.contested(at),
        }
    }

    /// Takes an event of a dispute or a demand in.
    fn contested(&mut self, at: &EventAt) {
        match &at.event {
            MarketEvent::Challenged(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Challenged;
                lease.dispute = Some(DisputeView::opened(event));
            }),
            MarketEvent::JurySealed(event) => self.dispute(event.first, at, |dispute| {
                dispute.sealed = true;
            }),
            MarketEvent::JurorJoined(event) => self.dispute(event.first, at, |dispute| {
                lease::seat(&mut dispute.jurors, event.provider, |seat| {
                    seat.state = Seat::Joined
                });
            }),
            MarketEvent::VoteCommitted(event) => self.dispute(event.first, at, |dispute| {
                lease::seat(&mut dispute.jurors, event.provider, |seat| {
                    seat.state = Seat::Committed;
                });
            }),
            MarketEvent::VoteRevealed(event) => self.dispute(event.first, at, |dispute| {
                let (digest, keyed) = (event.digest, event.keyed);
                lease::reveal(&mut dispute.jurors, event.provider, digest, keyed);
            }),
            MarketEvent::AnswerRevealed(event) => self.dispute(event.first, at, |dispute| {
                dispute.answer = Some(event.digest);
            }),
            MarketEvent::Judged(event) => self.change(event.first, at, |lease| {
                // Who was wrong was freed by an event of its own.
                if lease.phase == Phase::Challenged {
                    lease.phase = Phase::Submitted;
                }
                if let Some(dispute) = &mut lease.dispute {
                    dispute.judged(event);
                }
            }),
            MarketEvent::DemandMade(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Demanded;
                lease.demand = Some(DemandView {
                    demander: event.demander,
                    deposit: event.deposit,
                    answered: None,
                });
            }),
            MarketEvent::Responded(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Submitted;
                if let Some(demand) = &mut lease.demand {
                    demand.answered = Some(at.tx_hash);
                }
            }),
            _ => {}
        }
    }

    fn change(&mut self, first: u32, at: &EventAt, change: impl FnOnce(&mut LeaseView)) {
        if let Some(lease) = self.leases.get_mut(&first) {
            lease.block = at.block;
            change(lease);
        }
    }

    fn dispute(&mut self, first: u32, at: &EventAt, change: impl FnOnce(&mut DisputeView)) {
        self.change(first, at, |lease| {
            if let Some(dispute) = &mut lease.dispute {
                change(dispute);
            }
        });
    }

    /// A seat of a redundant lease is reserved, or committed; the first one begins a round.
    fn take_seat(&mut self, first: u32, round: u16, provider: Address, state: Seat, at: &EventAt) {
        let Some(fixed) = self.fixed else { return };
        let count = fixed.max_lease.min(self.tasks.saturating_sub(first));
        let fresh = LeaseView {
            count,
            phase: Phase::Running,
            price: fixed.price.unwrap_or_default(),
            round,
            ..LeaseView::empty(first, at.block)
        };
        let lease = self.leases.entry(first).or_insert_with(|| fresh.clone());
        if lease.round != round {
            *lease = fresh;
        }
        lease.block = at.block;
        lease::seat(&mut lease.seats, provider, |seat| seat.state = state);
        if lease.commits() == usize::from(fixed.replicas) {
            lease.phase = Phase::Revealing;
        }
    }

    /// The lease that holds `task`.
    pub fn lease_of(&self, task: u32) -> Option<&LeaseView> {
        let (_, lease) = self.leases.range(..=task).next_back()?;
        (task - lease.first < lease.count).then_some(lease)
    }

    /// Tasks that no lease ever held, in the parts in which they can be refunded.
    pub fn untaken(&self) -> Vec<Range<u32>> {
        match self.fixed {
            Some(fixed) => (0..self.tasks)
                .step_by(fixed.max_lease.max(1) as usize)
                .filter(|first| !self.leases.contains_key(first))
                .map(|first| first..first.saturating_add(fixed.max_lease).min(self.tasks))
                .collect(),
            None => {
                let ends = self.leases.values().map(|lease| lease.range().end);
                let next = ends.max().unwrap_or(0).min(self.tasks);
                Vec::from_iter((next < self.tasks).then_some(next..self.tasks))
            }
        }
    }

    /// Tasks by where they stand.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for lease in self.leases.values() {
            let place = match lease.phase {
                Phase::Running => &mut tally.running,
                Phase::Submitted | Phase::Revealing | Phase::Challenged | Phase::Demanded => {
                    &mut tally.submitted
                }
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

    /// Units paid to providers for tasks, to the protocol, and back to the client, so far.
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
