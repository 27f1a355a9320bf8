//! A seat as the store keeps it. What the chain says of it is not kept: it is read again.

use super::{Act, End, Mine, Seat, Work};
use crate::store::{SeatRow, VoteRow};

impl Seat {
    /// The word for where it stands, in the status and in the log.
    pub(crate) fn phase(&self) -> &'static str {
        match (self.mine, self.asked) {
            (_, Some(Act::Settle)) => "settling",
            (_, Some(Act::Leave)) => "leaving",
            (Mine::Absent, Some(Act::Commit)) => "committing",
            (Mine::Absent, _) if self.prospect => "running",
            (Mine::Absent, _) => "absent",
            (Mine::Joined, _) if !self.round.begun => "joined",
            (Mine::Joined, _) if self.failed => "failed",
            (Mine::Joined, _) if self.vote.is_none() => "running",
            (Mine::Joined, _) => "committing",
            (Mine::Committed, Some(Act::Open)) => "opening",
            (Mine::Committed, _) => "committed",
            (Mine::Opened, _) => "opened",
            (Mine::Closed(End::Paid), _) => "settled",
            (Mine::Closed(End::Released | End::Vanished), _) => "released",
            (Mine::Closed(End::Lost), _) => "lost",
        }
    }

    pub(crate) fn to_row(&self) -> SeatRow {
        let lease = self.key.lease;
        SeatRow {
            job: lease.job,
            first: lease.first,
            round: lease.round,
            kind: self.key.kind,
            task: self.work.first,
            count: self.work.count,
            tries: self.tries,
            end: self.end.map(|end| end.name().to_owned()),
        }
    }

    /// A seat that is not over, with what it voted if it did. `None` for one that is over.
    pub(crate) fn from_row(row: &SeatRow, vote: Option<&VoteRow>) -> Option<Self> {
        let work = Work {
            first: row.task,
            count: row.count,
        };
        let mut seat = Self::new(row.key(), work);
        seat.tries = row.tries;
        seat.vote = vote.map(|row| row.vote);
        row.end.is_none().then_some(seat)
    }
}
