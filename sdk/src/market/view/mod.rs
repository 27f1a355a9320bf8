//! Where a job stands, folded from its events.

mod lease;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use alloy::primitives::Address;

use crate::chain::IMarket::{self, Grade, Phase, Seat, SeatEnd, Verdict};
use crate::chain::{EventAt, MarketEvent};
use crate::rules::draw;

pub use lease::{AuditView, LeaseView, SeatView};

/// A job as its events say it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// All tasks.
    pub tasks: u32,
    /// Whether the client cancelled it.
    pub cancelled: bool,
    /// Its leases by first task, of a redundant job those that have opened. Refunded tasks that no lease ever held are one
    /// too.
    pub leases: BTreeMap<u32, LeaseView>,
    /// The point of a redundant job's first draws.
    point: u64,
    /// First task of what no lease holds.
    next: u32,
    redundant: Option<Redundant>,
    numbers: BTreeMap<u32, Address>,
}

/// What the leases of a redundant job have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Redundant {
    max_lease: u32,
    replicas: u8,
    quorum: u8,
    /// Units a task and seat is paid.
    price: u128,
}

/// Tasks by where they stand; they add up to all tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Tally {
    /// In no lease, or in one that waits for a new holder or for a new round.
    pub waiting: u32,
    /// Being run.
    pub running: u32,
    /// With a result that is not final yet: submitted, before a jury, or being opened.
    pub submitted: u32,
    /// Final and paid.
    pub settled: u32,
    /// Final without a result: their provider was convicted, or their providers did not agree.
    pub void: u32,
    /// Given up, the client refunded.
    pub refunded: u32,
}

impl Tally {
    /// Tasks that will not change again.
    pub fn done(&self) -> u32 {
        self.settled
            .saturating_add(self.void)
            .saturating_add(self.refunded)
    }
}

/// Where the escrow of a job went so far, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Money {
    /// To providers, for tasks.
    pub paid: u128,
    /// To the protocol.
    pub fee: u128,
    /// To jurors.
    pub jurors: u128,
    /// To nobody.
    pub burned: u128,
    /// Back to the client.
    pub refunded: u128,
}

impl JobView {
    /// A job of which nothing but its terms is known.
    pub fn new(job: &IMarket::Job) -> Self {
        let redundant = (job.assurance.replicas > 1).then_some(Redundant {
            max_lease: job.terms.maxLease,
            replicas: job.assurance.replicas,
            quorum: job.assurance.quorum,
            price: job.price.maxPrice,
        });
        Self {
            tasks: job.terms.tasks,
            cancelled: false,
            leases: BTreeMap::new(),
            point: 0,
            next: 0,
            redundant,
            numbers: BTreeMap::new(),
        }
    }

    /// Says which number the market gave to a provider: seats are opened and closed by number. Needed before the `Opened`
    /// and `SeatClosed` events of its seat; see [`JobView::unnumbered`].
    pub fn number(&mut self, provider: Address, number: u32) {
        self.numbers.insert(number, provider);
    }

    /// The provider with this number, if it was told.
    pub fn provider_at(&self, number: u32) -> Option<Address> {
        self.numbers.get(&number).copied()
    }

    /// Providers of which one has the number in this `Opened` or `SeatClosed` event, while it is not known; otherwise none.
    pub fn unnumbered(&self, at: &EventAt) -> Vec<Address> {
        let (first, number, kind) = match &at.event {
            MarketEvent::Opened(event) => (event.first, event.number, event.kind),
            MarketEvent::SeatClosed(event) => (event.first, event.number, event.kind),
            _ => return Vec::new(),
        };
        if self.numbers.contains_key(&number) {
            return Vec::new();
        }
        let lease = self.leases.get(&first);
        let seats = lease.map_or(&[][..], |lease| lease.seats_of(kind));
        seats.iter().map(|seat| seat.provider).collect()
    }

    /// Takes one event in. Events of other kinds change nothing.
    pub fn apply(&mut self, at: &EventAt) {
        match &at.event {
            MarketEvent::Posted(event) => {
                self.point = event.point;
                self.open_next(at.block);
            }
            MarketEvent::Cancelled(_) => self.cancelled = true,
            MarketEvent::Claimed(event) => {
                let lease = LeaseView {
                    count: event.count,
                    provider: event.provider,
                    phase: Phase::Running,
                    price: event.price,
                    round: event.round,
                    ..LeaseView::empty(event.first, at.block)
                };
                self.next = self.next.max(lease.range().end);
                self.leases.insert(event.first, lease);
            }
            MarketEvent::Submitted(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Submitted;
                (lease.root, lease.digest_list) = (event.root, event.digestList);
                lease.point = event.point;
            }),
            MarketEvent::Settled(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Settled;
                lease.grade = event.grade;
                (lease.paid, lease.fee) = (event.paid, event.fee);
                (lease.burned, lease.refunded) = (event.burned, event.refunded);
                if matches!(event.grade, Grade::Quorum | Grade::Listed) {
                    lease.take_quorums_root();
                }
            }),
            MarketEvent::Voided(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Void;
                (lease.burned, lease.refunded) = (event.burned, event.refunded);
                lease.slashed = event.slashed;
            }),
            MarketEvent::Freed(event) => self.change(event.first, at, |lease| lease.free(event)),
            MarketEvent::Refunded(event) => self.refund(event, at),
            MarketEvent::PointSet(event) => {
                self.change(event.first, at, |lease| match lease.phase {
                    Phase::Undecided => lease.retry_point = event.point,
                    _ => lease.point = event.point,
                })
            }
            MarketEvent::Joined(event) => {
                self.take_seat(event.first, event.round, event.provider, Seat::Joined, at);
            }
            MarketEvent::Committed(event) => {
                let (first, round, provider) = (event.first, event.round, event.provider);
                self.take_seat(first, round, provider, Seat::Committed, at);
            }
            MarketEvent::SeatLeft(event) => {
                self.change(event.first, at, |lease| lease.leave_seat(event));
            }
            MarketEvent::Opened(event) => {
                self.numbered(event.first, (event.kind, event.number), at, |seat| {
                    seat.state = Seat::Opened;
                    (seat.value, seat.proof) = (event.value, event.proof);
                });
            }
            MarketEvent::SeatClosed(event) => {
                self.numbered(event.first, (event.kind, event.number), at, |seat| {
                    (seat.end, seat.paid, seat.burned) = (event.end, event.paid, event.burned);
                });
            }
            _ => self.audited(at),
        }
    }

    /// Takes an event of an audit in.
    fn audited(&mut self, at: &EventAt) {
        match &at.event {
            MarketEvent::AuditOpened(event) => self.change(event.first, at, |lease| {
                lease.phase = Phase::Audited;
                lease.audits.push(AuditView::opened_by(event));
            }),
            MarketEvent::JurorJoined(event) => self.change(event.first, at, |lease| {
                lease.seat(event.jury, event.provider, |seat| seat.state = Seat::Joined);
            }),
            MarketEvent::VoteCommitted(event) => self.change(event.first, at, |lease| {
                lease.seat(event.jury, event.provider, |seat| {
                    seat.state = Seat::Committed
                });
            }),
            MarketEvent::LeafMissed(event) => self.change(event.first, at, |lease| {
                if let Some(audit) = lease.audits.last_mut() {
                    audit.leaf_by = Some(event.leafBy);
                }
            }),
            MarketEvent::Judged(event) => self.change(event.first, at, |lease| {
                // A verdict, or the lack of a second one, has an event of its own that ends the lease.
                if event.verdict == Verdict::NoVerdict && event.jury == draw::FIRST_JURY {
                    lease.phase = Phase::Undecided;
                }
                if let Some(audit) = lease.audits.last_mut() {
                    audit.judged(event);
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

    /// Changes the seat of a provider that the event names by its number.
    fn numbered(
        &mut self,
        first: u32,
        (kind, number): (u8, u32),
        at: &EventAt,
        change: impl FnOnce(&mut SeatView),
    ) {
        let Some(provider) = self.provider_at(number) else {
            tracing::warn!(number, "a seat of a provider without a number");
            return;
        };
        self.change(first, at, |lease| lease.seat(kind, provider, change));
    }

    fn refund(&mut self, event: &IMarket::Refunded, at: &EventAt) {
        let fresh = || LeaseView {
            count: event.count,
            ..LeaseView::empty(event.first, at.block)
        };
        let lease = self.leases.entry(event.first).or_insert_with(fresh);
        lease.phase = Phase::Refunded;
        lease.refunded = event.refunded;
        lease.block = at.block;
        self.next = self.next.max(lease.range().end);
    }

    /// Opens the next lease of a redundant job, if there is one.
    fn open_next(&mut self, block: u64) {
        let Some(redundant) = self.redundant else {
            return;
        };
        let count = redundant
            .max_lease
            .min(self.tasks.saturating_sub(self.next));
        if count == 0 {
            return;
        }
        let lease = LeaseView {
            count,
            phase: Phase::Free,
            price: redundant.price,
            round: 1,
            point: self.point,
            ..LeaseView::empty(self.next, block)
        };
        self.leases.insert(self.next, lease);
        self.next = self.next.saturating_add(count);
    }

    /// A seat of a redundant lease is reserved, or commits. The Q-th one begins the round.
    fn take_seat(&mut self, first: u32, round: u16, provider: Address, state: Seat, at: &EventAt) {
        let Some(redundant) = self.redundant else {
            return;
        };
        let mut begun = false;
        self.change(first, at, |lease| {
            lease.round = round;
            lease.seat_round(round);
            lease.seat(draw::LEASE, provider, |seat| {
                *seat = SeatView {
                    state,
                    end: SeatEnd::None,
                    burned: 0,
                    ..seat.clone()
                };
            });
            if lease.phase == Phase::Free && lease.taken() == usize::from(redundant.quorum) {
                lease.phase = Phase::Running;
                begun = true;
            }
            if lease.commits() == usize::from(redundant.replicas) {
                lease.phase = Phase::Revealing;
            }
        });
        if begun && round == 1 {
            self.open_next(at.block);
        }
    }

    /// The lease that holds `task`.
    pub fn lease_of(&self, task: u32) -> Option<&LeaseView> {
        let (_, lease) = self.leases.range(..=task).next_back()?;
        (task - lease.first < lease.count).then_some(lease)
    }

    /// Tasks that no lease ever held, or whose leases have not opened, if there are any.
    pub fn untaken(&self) -> Option<Range<u32>> {
        (self.next < self.tasks).then_some(self.next..self.tasks)
    }

    /// Tasks by where they stand.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for lease in self.leases.values() {
            let place = match lease.phase {
                Phase::Running => &mut tally.running,
                Phase::Submitted | Phase::Revealing | Phase::Audited | Phase::Undecided => {
                    &mut tally.submitted
                }
                Phase::Settled => &mut tally.settled,
                Phase::Void => &mut tally.void,
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

    /// Whether every task is settled, void or refunded.
    pub fn is_over(&self) -> bool {
        self.tally().done() >= self.tasks
    }

    /// Where the escrow went so far.
    pub fn money(&self) -> Money {
        let mut money = Money::default();
        for lease in self.leases.values() {
            money.paid = money.paid.saturating_add(lease.paid);
            money.fee = money.fee.saturating_add(lease.fee);
            money.burned = money.burned.saturating_add(lease.burned);
            money.refunded = money.refunded.saturating_add(lease.refunded);
            let jurors = lease.audits.iter().flat_map(|audit| &audit.jurors);
            for juror in jurors {
                money.jurors = money.jurors.saturating_add(juror.paid);
            }
        }
        money
    }
}
