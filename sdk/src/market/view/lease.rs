//! A lease, its seats, and its audits.

use alloy::primitives::{Address, B256};

use crate::chain::IMarket::{self, Grade, Phase, Seat, SeatEnd, Verdict};
use crate::rules::draw;

/// A lease as its events say it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Its first task.
    pub first: u32,
    /// Its tasks.
    pub count: u32,
    /// The provider that holds it, or held it last; zero for tasks that no provider ever took, and of a redundant lease.
    pub provider: Address,
    /// Where it stands.
    pub phase: Phase,
    /// Units a task is paid, to each seat.
    pub price: u128,
    /// The round, from 1; of a free lease the next one.
    pub round: u16,
    /// Root of its result; zero before it is submitted, or settled if redundant.
    pub root: B256,
    /// Address of its digest list; zero before it is submitted, or settled if redundant.
    pub digest_list: B256,
    /// The beacon's point whose seed decides whether its result is audited; of a redundant lease the one that draws its
    /// seats. 0 if there is none.
    pub point: u64,
    /// The point that draws a second jury; 0 if there is none.
    pub retry_point: u64,
    /// How sure its root is, once settled.
    pub grade: Grade,
    /// Units paid to its provider, or to all its seats together.
    pub paid: u128,
    /// Units paid to the protocol.
    pub fee: u128,
    /// Units of its escrow that nobody got.
    pub burned: u128,
    /// Units that went back to the client.
    pub refunded: u128,
    /// Units that its provider lost of its bond by a conviction.
    pub slashed: u128,
    /// Seats of its present or last round, in the order in which they were taken; none of an ordinary lease.
    pub seats: Vec<SeatView>,
    /// Audits of its present or last round: none, the first jury's, or both juries'.
    pub audits: Vec<AuditView>,
    /// Block of its last event.
    pub block: u64,
    /// The round of its seats.
    pub(super) seated: u16,
}

/// A seat of a redundant lease, or of a jury.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatView {
    /// The provider that holds it.
    pub provider: Address,
    /// What it has done.
    pub state: Seat,
    /// What it found, once that is opened: the root, of a juror the output digest. Zero before, and of an abstention.
    pub value: B256,
    /// What was opened with it: the address of the digest list, of a juror the keyed digest.
    pub proof: B256,
    /// How it ended; None before.
    pub end: SeatEnd,
    /// Units that it earned.
    pub paid: u128,
    /// Units that it lost of its bond.
    pub burned: u128,
}

/// A jury over a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditView {
    /// 1, or 2 for the second try.
    pub jury: u8,
    /// The task that its jurors run again.
    pub task: u32,
    /// Last second of votes, in Unix seconds, unless all three come sooner.
    pub commit_by: u64,
    /// Last second in which the accused's leaf can be brought, once it was missed.
    pub leaf_by: Option<u64>,
    /// The jurors, in the order in which they took their seats.
    pub jurors: Vec<SeatView>,
    /// What they found; None before.
    pub verdict: Verdict,
    /// The output digest that two or more of them found; zero if none did.
    pub digest: B256,
    /// The output digest that the accused had committed to; zero if nobody showed it.
    pub leaf: B256,
}

impl LeaseView {
    pub(super) fn empty(first: u32, block: u64) -> Self {
        Self {
            first,
            count: 0,
            provider: Address::ZERO,
            phase: Phase::None,
            price: 0,
            round: 0,
            root: B256::ZERO,
            digest_list: B256::ZERO,
            point: 0,
            retry_point: 0,
            grade: Grade::None,
            paid: 0,
            fee: 0,
            burned: 0,
            refunded: 0,
            slashed: 0,
            seats: Vec::new(),
            audits: Vec::new(),
            block,
            seated: 0,
        }
    }

    /// Its tasks.
    pub fn range(&self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }

    /// Seats of its round that are taken.
    pub fn taken(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_taken()).count()
    }

    /// Seats of its round that committed.
    pub fn commits(&self) -> usize {
        commits(&self.seats)
    }

    /// Seats of its round that were opened.
    pub fn opened(&self) -> usize {
        opened(&self.seats)
    }

    /// The last audit of its present or last round.
    pub fn audit(&self) -> Option<&AuditView> {
        self.audits.last()
    }

    /// Seats that were paid for its result.
    pub fn winners(&self) -> impl Iterator<Item = &SeatView> {
        self.seats.iter().filter(|seat| seat.end == SeatEnd::Paid)
    }

    /// The accounts that are, or were, paid for its result: its provider, or the seats of the quorum.
    pub fn paid_to(&self) -> Vec<Address> {
        match self.provider {
            Address::ZERO => self.winners().map(|seat| seat.provider).collect(),
            provider => vec![provider],
        }
    }

    /// The root that at least `quorum` seats opened, if there is one.
    pub fn majority(&self, quorum: u8) -> Option<B256> {
        majority(&self.seats, quorum.into(), |seat| seat.value).map(|seat| seat.value)
    }

    /// The seats of the lease itself (0), or of its first or second jury.
    pub(in crate::market) fn seats_of(&self, kind: u8) -> &[SeatView] {
        match kind {
            draw::LEASE => &self.seats,
            jury => {
                let mut audits = self.audits.iter().rev();
                let audit = audits.find(|audit| audit.jury == jury);
                audit.map_or(&[], |audit| audit.jurors.as_slice())
            }
        }
    }

    /// Changes the seat of a provider, taken now if it is new.
    pub(super) fn seat(&mut self, kind: u8, provider: Address, change: impl FnOnce(&mut SeatView)) {
        let seats = match kind {
            draw::LEASE => &mut self.seats,
            jury => {
                let mut audits = self.audits.iter_mut().rev();
                match audits.find(|audit| audit.jury == jury) {
                    Some(audit) => &mut audit.jurors,
                    None => return,
                }
            }
        };
        if let Some(seat) = seats.iter_mut().find(|seat| seat.provider == provider) {
            return change(seat);
        }
        let mut seat = SeatView::of(provider);
        change(&mut seat);
        seats.push(seat);
    }

    /// A seat of this round is taken: those of an earlier one are gone.
    pub(super) fn seat_round(&mut self, round: u16) {
        if self.seated != round {
            self.seats.clear();
            self.seated = round;
        }
    }

    /// A provider left its seat.
    pub(super) fn leave_seat(&mut self, event: &IMarket::SeatLeft) {
        if self.phase == Phase::Running {
            self.seat(draw::LEASE, event.provider, |seat| {
                (seat.state, seat.burned) = (Seat::Left, event.burned);
            });
        } else {
            self.seats.retain(|seat| seat.provider != event.provider);
        }
    }

    /// The round ended without a result.
    pub(super) fn free(&mut self, event: &IMarket::Freed) {
        self.phase = Phase::Free;
        self.round = event.round;
        (self.root, self.digest_list) = (B256::ZERO, B256::ZERO);
        self.point = 0;
    }

    /// The seats that won are known: their root is the lease's.
    pub(super) fn take_quorums_root(&mut self) {
        let result = self.winners().next().map(|seat| (seat.value, seat.proof));
        (self.root, self.digest_list) = result.unwrap_or_default();
    }
}

impl SeatView {
    fn of(provider: Address) -> Self {
        Self {
            provider,
            state: Seat::None,
            value: B256::ZERO,
            proof: B256::ZERO,
            end: SeatEnd::None,
            paid: 0,
            burned: 0,
        }
    }

    /// Whether it counts as a seat of the round: it was not left.
    pub fn is_taken(&self) -> bool {
        matches!(self.state, Seat::Joined | Seat::Committed | Seat::Opened)
    }
}

impl AuditView {
    pub(super) fn opened_by(event: &IMarket::AuditOpened) -> Self {
        Self {
            jury: event.jury,
            task: event.task,
            commit_by: event.commitBy,
            leaf_by: None,
            jurors: Vec::new(),
            verdict: Verdict::None,
            digest: B256::ZERO,
            leaf: B256::ZERO,
        }
    }

    pub(super) fn judged(&mut self, event: &IMarket::Judged) {
        (self.verdict, self.digest, self.leaf) = (event.verdict, event.digest, event.leaf);
    }

    /// Jurors that committed.
    pub fn commits(&self) -> usize {
        commits(&self.jurors)
    }

    /// Jurors whose votes were opened.
    pub fn opened(&self) -> usize {
        opened(&self.jurors)
    }

    /// Output digest and keyed digest that at least `quorum` jurors opened, if there are such.
    pub fn majority(&self, quorum: usize) -> Option<(B256, B256)> {
        let vote = |seat: &SeatView| (seat.value, seat.proof);
        majority(&self.jurors, quorum, vote).map(vote)
    }
}

fn commits(seats: &[SeatView]) -> usize {
    let committed = |seat: &&SeatView| matches!(seat.state, Seat::Committed | Seat::Opened);
    seats.iter().filter(committed).count()
}

fn opened(seats: &[SeatView]) -> usize {
    let opened = |seat: &&SeatView| seat.state == Seat::Opened;
    seats.iter().filter(opened).count()
}

/// A seat with whose opening, as `of` tells it, at least `quorum` seats agree. Abstentions agree with nobody.
fn majority<V: PartialEq>(
    seats: &[SeatView],
    quorum: usize,
    of: impl Fn(&SeatView) -> V,
) -> Option<&SeatView> {
    let voted = |seat: &&SeatView| seat.state == Seat::Opened && !seat.value.is_zero();
    seats.iter().filter(voted).find(|one| {
        let same = |other: &&SeatView| of(other) == of(one);
        seats.iter().filter(voted).filter(same).count() >= quorum
    })
}
