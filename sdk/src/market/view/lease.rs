//! A lease, its seats, and what is contested of it.

use alloy::primitives::{Address, B256};

use crate::chain::IMarket::{self, How, Phase, Seat, SeatEnd, Verdict};

/// A lease as its events say it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Its first task.
    pub first: u32,
    /// Its tasks.
    pub count: u32,
    /// Who holds it, or held it last; zero for tasks that nobody ever took, and of a redundant lease.
    pub provider: Address,
    /// Where it stands.
    pub phase: Phase,
    /// Units a task is paid, to each seat; 0 as long as that is not known (of a redundant lease whose price
    /// climbs, `Run::status` asks the chain).
    pub price: u128,
    /// The round, from 1.
    pub round: u16,
    /// Root of its result; zero before it is submitted, or settled if redundant.
    pub root: B256,
    /// Address of the list of its output digests; zero before it is submitted, or settled if redundant.
    pub manifest: B256,
    /// How it was settled.
    pub how: How,
    /// Units paid to the provider, or to all seats together.
    pub paid: u128,
    /// Units paid to the protocol.
    pub fee: u128,
    /// Units that went back to the client.
    pub refunded: u128,
    /// Seats of its present or last round, in the order in which they were taken; none if optimistic.
    pub seats: Vec<SeatView>,
    /// The last dispute of its present or last round.
    pub dispute: Option<DisputeView>,
    /// The demand of its present or last round.
    pub demand: Option<DemandView>,
    /// Block of its last event.
    pub block: u64,
}

/// A seat of a redundant lease, or of a jury.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatView {
    /// Who holds it.
    pub provider: Address,
    /// What it has done.
    pub state: Seat,
    /// What it revealed: the root, of a juror the output digest; zero before.
    pub vote: B256,
    /// What it revealed beside it: the address of the list of output digests, of a juror the keyed digest.
    pub evidence: B256,
    /// How it ended; None before.
    pub end: SeatEnd,
    /// Units that it earned.
    pub paid: u128,
    /// Units that it lost of its bond.
    pub burned: u128,
}

/// A challenge and its jury.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeView {
    /// Its number in the lease's round, from 1.
    pub number: u8,
    /// Who challenged.
    pub challenger: Address,
    /// The task whose output is contested.
    pub task: u32,
    /// The output digest that the provider committed to.
    pub digest: B256,
    /// The digest that the challenger holds for right, once it is revealed.
    pub answer: Option<B256>,
    /// Units that the challenger put down.
    pub deposit: u128,
    /// Whether the jury's draw has its seed.
    pub sealed: bool,
    /// The jurors, in the order in which they took their seats.
    pub jurors: Vec<SeatView>,
    /// What they found; None before.
    pub verdict: Verdict,
    /// Units that the challenger won.
    pub reward: u128,
    /// Units of the deposit that returned to it.
    pub returned: u128,
    /// Units that were burned of the provider's bond or of the deposit.
    pub burned: u128,
}

/// A demand for all output digests of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemandView {
    /// Who demanded them.
    pub demander: Address,
    /// Units that it put down, which an answer earns.
    pub deposit: u128,
    /// The transaction with the answer, if there is one.
    pub answered: Option<B256>,
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
            manifest: B256::ZERO,
            how: How::None,
            paid: 0,
            fee: 0,
            refunded: 0,
            seats: Vec::new(),
            dispute: None,
            demand: None,
            block,
        }
    }

    /// Its tasks.
    pub fn range(&self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }

    /// Seats of its round that committed.
    pub fn commits(&self) -> usize {
        at_least(&self.seats, Seat::Committed)
    }

    /// Seats of its round that revealed.
    pub fn reveals(&self) -> usize {
        at_least(&self.seats, Seat::Revealed)
    }

    /// Seats that were paid for its result.
    pub fn winners(&self) -> impl Iterator<Item = &SeatView> {
        let paid = |seat: &&SeatView| seat.end == SeatEnd::Paid;
        self.seats.iter().filter(paid)
    }

    /// Who is, or was, paid for its result: its provider, or the seats of the quorum.
    pub fn paid_to(&self) -> Vec<Address> {
        match self.provider {
            Address::ZERO => self.winners().map(|seat| seat.provider).collect(),
            provider => vec![provider],
        }
    }

    /// The root that at least `quorum` seats revealed, if there is one.
    pub fn majority(&self, quorum: u8) -> Option<B256> {
        majority(&self.seats, quorum.into(), |seat| seat.vote).map(|seat| seat.vote)
    }

    /// The seats that won are known: their root is the lease's.
    pub(super) fn take_quorums_root(&mut self) {
        let result = self.winners().next().map(|seat| (seat.vote, seat.evidence));
        (self.root, self.manifest) = result.unwrap_or_default();
    }

    pub(super) fn close_seat(&mut self, provider: Address, event: &IMarket::SeatClosed) {
        let seats = match (event.challenge, &mut self.dispute) {
            (0, _) => &mut self.seats,
            (_, Some(dispute)) => &mut dispute.jurors,
            (_, None) => return,
        };
        seat(seats, provider, |seat| {
            (seat.end, seat.paid, seat.burned) = (event.end, event.paid, event.burned);
        });
    }
}

impl DisputeView {
    pub(super) fn opened(event: &IMarket::Challenged) -> Self {
        Self {
            number: event.challenge,
            challenger: event.challenger,
            task: event.task,
            digest: event.digest,
            answer: None,
            deposit: event.deposit,
            sealed: false,
            jurors: Vec::new(),
            verdict: Verdict::None,
            reward: 0,
            returned: 0,
            burned: 0,
        }
    }

    pub(super) fn judged(&mut self, event: &IMarket::Judged) {
        self.verdict = event.verdict;
        (self.reward, self.returned, self.burned) = (event.reward, event.returned, event.burned);
    }

    /// Jurors that committed.
    pub fn commits(&self) -> usize {
        at_least(&self.jurors, Seat::Committed)
    }

    /// Jurors that revealed.
    pub fn reveals(&self) -> usize {
        at_least(&self.jurors, Seat::Revealed)
    }

    /// Digest and keyed digest that at least `quorum` jurors revealed, if there are such.
    pub fn majority(&self, quorum: usize) -> Option<(B256, B256)> {
        let vote = |seat: &SeatView| (seat.vote, seat.evidence);
        majority(&self.jurors, quorum, vote).map(vote)
    }
}

fn at_least(seats: &[SeatView], state: Seat) -> usize {
    let reached = |seat: &&SeatView| seat.state as u8 >= state as u8;
    seats.iter().filter(reached).count()
}

/// A seat whose vote, as `of` tells it, at least `quorum` seats revealed.
fn majority<V: PartialEq>(
    seats: &[SeatView],
    quorum: usize,
    of: impl Fn(&SeatView) -> V,
) -> Option<&SeatView> {
    let revealed = |seat: &&SeatView| seat.state == Seat::Revealed;
    seats.iter().filter(revealed).find(|one| {
        let same = |other: &&SeatView| of(other) == of(one);
        seats.iter().filter(revealed).filter(same).count() >= quorum
    })
}

/// Changes the provider's seat, taken now if it is new.
pub(super) fn seat(
    seats: &mut Vec<SeatView>,
    provider: Address,
    change: impl FnOnce(&mut SeatView),
) {
    if let Some(seat) = seats.iter_mut().find(|seat| seat.provider == provider) {
        return change(seat);
    }
    let mut seat = SeatView {
        provider,
        state: Seat::None,
        vote: B256::ZERO,
        evidence: B256::ZERO,
        end: SeatEnd::None,
        paid: 0,
        burned: 0,
    };
    change(&mut seat);
    seats.push(seat);
}

pub(super) fn reveal(seats: &mut Vec<SeatView>, provider: Address, vote: B256, evidence: B256) {
    seat(seats, provider, |seat| {
        (seat.state, seat.vote, seat.evidence) = (Seat::Revealed, vote, evidence);
    });
}
