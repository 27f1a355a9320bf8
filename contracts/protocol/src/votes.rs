//! What the openings of a round come to: who agrees with whom, what a jury finds, and how its seats end.

use crate::hash::LEASE;
use crate::rules::JURY_QUORUM;
use crate::types::{Bytes32, Seat, SeatEnd, Verdict, ZERO};

/// A seat that a call names.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The provider's number.
    pub number: u32,
    /// What the seat has done, this call included.
    pub state: Seat,
    /// The root, or the output digest; zero is an abstention.
    pub value: Bytes32,
    /// The address of the digest list, or the keyed digest.
    pub proof: Bytes32,
    /// Whether this very call opens it.
    pub fresh: bool,
}

/// An opening that at least `quorum` seats agree with, and how many do, itself included. There is at most one such value: a
/// quorum is more than half. Abstentions agree with nobody. `kind` is 0 for a lease, 1 and 2 for juries.
pub fn majority(kind: u8, quorum: u8, voters: &[Voter]) -> Option<(&Voter, u8)> {
    voters.iter().find_map(|voter| {
        let votes = voters.iter().filter(|other| agree(kind, voter, other)).count();
        let votes = u8::try_from(votes).ok()?;
        (votes >= quorum).then_some((voter, votes))
    })
}

/// Whether two seats opened the same: the same root, or the same pair of digests.
pub fn agree(kind: u8, one: &Voter, other: &Voter) -> bool {
    let opened = one.state == Seat::Opened && other.state == Seat::Opened;
    let same = one.value == other.value && (kind == LEASE || one.proof == other.proof);
    opened && one.value != ZERO && same
}

/// What a jury found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// An opening of the majority, if there is one.
    pub winner: Option<Voter>,
    /// How many agree with it.
    pub votes: u8,
    /// What follows for the accused.
    pub verdict: Verdict,
}

/// The verdict of a jury over the accused's leaf; zero was never opened.
pub fn decide(jury: u8, voters: &[Voter], leaf: &Bytes32) -> Decision {
    let Some((winner, votes)) = majority(jury, JURY_QUORUM, voters) else {
        return Decision { winner: None, votes: 0, verdict: Verdict::NoVerdict };
    };
    let lone = |voter: &Voter| voter.state == Seat::Opened && !agree(jury, winner, voter);
    let verdict = if *leaf == ZERO {
        Verdict::Convicted
    } else if winner.value == *leaf {
        Verdict::Acquitted
    } else if voters.iter().any(|voter| lone(voter) && voter.value == *leaf) {
        Verdict::NoVerdict
    } else {
        Verdict::Convicted
    };
    Decision { winner: Some(*winner), votes, verdict }
}

/// How a juror's seat ends, where `opened` votes are open.
pub fn end_of(jury: u8, voter: &Voter, decision: &Decision, opened: u8) -> SeatEnd {
    match (voter.state, decision.winner) {
        (Seat::None | Seat::Left | Seat::Joined, _) => SeatEnd::Late,
        // Votes that nobody could open, or nobody opened, are nobody's fault.
        (Seat::Committed, _) if opened == 0 => SeatEnd::Released,
        (Seat::Committed, _) => SeatEnd::Silent,
        (Seat::Opened, _) if voter.value == ZERO => SeatEnd::Abstained,
        (Seat::Opened, None) => SeatEnd::Undecided,
        (Seat::Opened, Some(winner)) if !agree(jury, &winner, voter) => SeatEnd::Outvoted,
        _ if decision.verdict == Verdict::NoVerdict => SeatEnd::Undecided,
        _ => SeatEnd::Paid,
    }
}
