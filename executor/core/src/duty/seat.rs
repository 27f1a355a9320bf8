//! A drawn seat: one of a redundant lease's round, or of a jury. Both are taken, work, commit, open and are closed alike.
//!
//! ```text
//! prospect ──work, commit──┐                                                (a commitment takes the seat by itself)
//! joined ──round begins, work, commit──► committed ──the others too, or their time is over──► open ──► opened
//!    │ no work: leave, or be late            │ too few did, or our opening is late                     │ all did, or
//!    └───────────────┬───────────────────────┘                                                         │ time is over
//!                    └───────────► settle, or judge: anyone may ◄──────────────────────────────────────┘
//! ```
//!
//! A vote is secret until nobody can commit: otherwise it could be copied. Openings are sent by turns, so that the last one
//! settles in the same transaction.

use piecework_core::{
    rules,
    view::seat::{End as SeenEnd, Key as SeatId, Mine, Round, Stage, Vote},
};

use super::{Act, Desired, End, Owed, Reach, Work};

/// The tasks of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// The lease's first task; of a juror the audited one.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// A seat that is ours, or that is worked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Which seat.
    pub id: SeatId,
    /// What it runs.
    pub tasks: Tasks,
    /// Stake that it locks.
    pub bond: u128,
    /// What it is paid after the fee, if it ends well.
    pub pay: u128,
    /// What the chain says of it.
    pub mine: Mine,
    /// What the chain says of all seats together.
    pub round: Round,
    /// What is known of its work.
    pub work: Work<Vote>,
    /// Whether its tasks run now.
    pub working: bool,
    /// It is worked for before it is taken: its commitment takes it.
    pub prospect: bool,
}

impl Seat {
    /// Whether it locks stake, or is about to, as far as the chain says.
    #[must_use]
    pub fn is_bonded(&self) -> bool {
        self.prospect || matches!(self.mine, Mine::Joined | Mine::Committed | Mine::Opened)
    }

    /// Whether it owes something, or will if its round begins: its vote, or the opening of that.
    #[must_use]
    pub fn can_owe(&self) -> bool {
        matches!(self.mine, Mine::Joined | Mine::Committed)
    }

    /// Whether it is a juror's.
    #[must_use]
    pub fn is_jurors(&self) -> bool {
        self.id.kind != 0
    }

    /// What should be going on. Nothing is begun within `margin` seconds of a deadline.
    #[must_use]
    pub fn desired(&self, now: u64, margin: u64) -> Desired {
        let act = self.act(now, margin);
        Desired {
            work: self.works(now, margin),
            act,
            act_owed: act.and_then(|act| self.act_owed(act, now)),
            serve: self.serve(),
            owed: self.owed(now),
            end: self.end(),
        }
    }

    fn in_time(&self, now: u64, margin: u64) -> bool {
        now.saturating_add(margin) <= self.round.commit_by
    }

    fn works(&self, now: u64, margin: u64) -> bool {
        self.work.is_undone()
            && match self.mine {
                // Before its round begins nobody need work.
                Mine::Joined => self.round.begun && self.in_time(now, margin),
                Mine::Absent if self.prospect => self.in_time(now, margin) && !self.round.closed,
                // It may come back: its work goes on, and none is begun.
                Mine::Absent => self.working,
                // What it committed to is lost: the same work has the same vote.
                Mine::Committed => now <= self.work_by(),
                Mine::Opened | Mine::Closed(_) => false,
            }
    }

    /// Last second in which its work helps.
    #[must_use]
    pub fn work_by(&self) -> u64 {
        let commit_by = self.round.commit_by;
        match self.mine {
            Mine::Committed => {
                let from = self.round.full_at.unwrap_or(commit_by);
                from.saturating_add(self.round.reveal_window)
            }
            _ => commit_by,
        }
    }

    fn act(&self, now: u64, margin: u64) -> Option<Act> {
        let held = matches!(self.mine, Mine::Joined | Mine::Committed);
        if held && !self.is_jurors() && !self.round.begun {
            // A seat whose round does not begin is left, which costs nothing.
            let Round {
                closed,
                closes_at,
                leave_at,
                ..
            } = self.round;
            let failed = self.work == Work::Failed;
            let leaves = closed || failed || now > leave_at.min(closes_at);
            return leaves.then_some(Act::Leave);
        }
        let vote = self.work.result();
        match (self.mine, self.round.stage(now)) {
            (Mine::Absent, Stage::Commit) if self.prospect && !self.round.closed => {
                vote.map(Act::Commit)
            }
            (Mine::Joined, Stage::Commit) => match vote {
                Some(vote) => Some(Act::Commit(vote)),
                // Leaving late burns less than never acting. A juror cannot leave.
                None if self.is_jurors() => None,
                None => {
                    let late = !self.in_time(now, margin);
                    (self.work == Work::Failed || late).then_some(Act::Leave)
                }
            },
            (Mine::Committed, Stage::Reveal { from, .. })
                if self.is_our_turn() || now >= from.saturating_add(self.patience(margin)) =>
            {
                Some(Act::Open)
            }
            (Mine::Joined | Mine::Committed | Mine::Opened, Stage::Due { since })
                if now >= since.saturating_add(self.patience(margin)) =>
            {
                Some(Act::Settle)
            }
            _ => None,
        }
    }

    /// Whether as many opened as come before us.
    fn is_our_turn(&self) -> bool {
        self.round.opened >= self.round.rank
    }

    /// Seconds that others are let go first; never a large part of the time there is.
    fn patience(&self, margin: u64) -> u64 {
        let rank = u64::from(self.round.rank);
        let step = (margin / 4).max(3);
        rank.saturating_mul(step).min(self.round.reveal_window / 4)
    }

    fn act_owed(&self, act: Act, now: u64) -> Option<Owed> {
        let tenth = rules::tenth_of(self.bond).unwrap_or(self.bond);
        let (until, at_stake) = match (act, self.round.stage(now)) {
            // A seat that is not taken has no bond to lose.
            (Act::Commit(_), _) if self.mine == Mine::Absent => (self.round.commit_by, self.pay),
            (Act::Commit(_), _) => (self.round.commit_by, tenth.saturating_add(self.pay)),
            (Act::Leave, _) if self.round.begun => (self.round.commit_by, tenth),
            (Act::Open, Stage::Reveal { until, .. }) => (until, self.bond.saturating_add(self.pay)),
            _ => return None,
        };
        Some(Owed { until, at_stake })
    }

    fn owed(&self, now: u64) -> Option<Owed> {
        let tenth = rules::tenth_of(self.bond).unwrap_or(self.bond);
        match (self.mine, self.round.stage(now)) {
            (Mine::Joined, Stage::Commit) if self.round.begun => Some(Owed {
                until: self.round.commit_by,
                at_stake: tenth.saturating_add(self.pay),
            }),
            (Mine::Committed, Stage::Commit) if self.round.begun => Some(Owed {
                until: self
                    .round
                    .commit_by
                    .saturating_add(self.round.reveal_window),
                at_stake: self.bond.saturating_add(self.pay),
            }),
            (Mine::Committed, Stage::Reveal { until, .. }) => Some(Owed {
                until,
                at_stake: self.bond.saturating_add(self.pay),
            }),
            _ => None,
        }
    }

    fn serve(&self) -> Option<Reach> {
        let paid = self.mine == Mine::Closed(SeenEnd::Paid);
        // Nobody asks for what a juror found.
        (paid && !self.is_jurors()).then_some(Reach::Everybody)
    }

    fn end(&self) -> Option<End> {
        match self.mine {
            Mine::Closed(SeenEnd::Paid) => Some(End::Paid),
            Mine::Closed(SeenEnd::Lost) => Some(End::Lost),
            Mine::Closed(SeenEnd::Released) => Some(End::Released),
            Mine::Closed(SeenEnd::Vanished) => Some(End::Vanished),
            Mine::Absent if !self.prospect => Some(End::Vanished),
            Mine::Absent | Mine::Joined | Mine::Committed | Mine::Opened => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use piecework_core::view::lease::Key as LeaseId;

    use super::*;

    const VOTE: Vote = Vote {
        value: B256::repeat_byte(1),
        proof: B256::repeat_byte(2),
    };

    fn round() -> Round {
        Round {
            begun: true,
            closed: false,
            closes_at: 5_000,
            commit_by: 2_000,
            reveal_window: 600,
            quorum: 2,
            commits: 0,
            opened: 0,
            full_at: None,
            opened_at: 0,
            leave_at: 1_500,
            rank: 0,
        }
    }

    fn seat(kind: u8, mine: Mine, round: Round) -> Seat {
        let lease = LeaseId {
            job: B256::ZERO,
            first: 0,
            round: 1,
        };
        Seat {
            id: SeatId { lease, kind },
            tasks: Tasks { first: 0, count: 4 },
            bond: 1_000,
            pay: 30,
            mine,
            round,
            work: Work::Undone,
            working: false,
            prospect: false,
        }
    }

    fn done(seat: Seat) -> Seat {
        Seat {
            work: Work::Done(VOTE),
            ..seat
        }
    }

    #[test]
    fn a_joined_seat_can_owe_before_its_round_begins() {
        let waiting = Round {
            begun: false,
            ..round()
        };
        let joined = seat(0, Mine::Joined, waiting);
        assert_eq!(
            (joined.desired(1_000, 30).owed, joined.can_owe()),
            (None, true)
        );
        assert!(seat(1, Mine::Committed, waiting).can_owe());
        assert!(!seat(0, Mine::Opened, round()).can_owe());
        assert!(!seat(0, Mine::Closed(SeenEnd::Paid), round()).can_owe());
    }

    #[test]
    fn a_joined_seat_works_once_its_round_has_begun() {
        let waiting = Round {
            begun: false,
            commit_by: 5_000,
            ..round()
        };
        let idle = seat(0, Mine::Joined, waiting).desired(1_000, 30);
        assert_eq!((idle.work, idle.act, idle.owed), (false, None, None));
        // It is left when its round does not begin.
        let act = |now, round| seat(0, Mine::Joined, round).desired(now, 30).act;
        assert_eq!(act(1_501, waiting), Some(Act::Leave));
        let joined = seat(0, Mine::Joined, round());
        assert!(joined.desired(1_970, 30).work);
        let late = joined.desired(1_971, 30);
        assert_eq!((late.work, late.act), (false, Some(Act::Leave)));
        // A juror cannot leave.
        assert_eq!(seat(1, Mine::Joined, round()).desired(1_971, 30).act, None);
    }

    #[test]
    fn a_vote_is_committed_and_opened_in_turn_and_settled() {
        let joined = done(seat(0, Mine::Joined, round()));
        assert_eq!(joined.desired(2_000, 30).act, Some(Act::Commit(VOTE)));
        let full = Round {
            commits: 3,
            full_at: Some(1_200),
            rank: 1,
            ..round()
        };
        let at = |round, now| done(seat(0, Mine::Committed, round)).desired(now, 30).act;
        // The first one goes first, for a while.
        assert_eq!(at(full, 1_200), None);
        assert_eq!(at(full, 1_207), Some(Act::Open));
        assert_eq!(at(Round { opened: 1, ..full }, 1_200), Some(Act::Open));
        // Nothing is opened while somebody can still commit.
        let open = Round {
            full_at: None,
            ..full
        };
        assert_eq!(at(open, 2_000), None);
        assert_eq!(at(Round { rank: 0, ..open }, 2_001), Some(Act::Open));
        // All opened: whoever comes first settles.
        let all = Round {
            opened: 3,
            opened_at: 1_300,
            ..full
        };
        assert_eq!(at(Round { rank: 0, ..all }, 1_300), Some(Act::Settle));
        let owed = done(seat(0, Mine::Committed, full))
            .desired(1_300, 30)
            .act_owed;
        assert_eq!(
            owed,
            Some(Owed {
                until: 1_800,
                at_stake: 1_030
            })
        );
    }

    #[test]
    fn a_vote_that_is_lost_is_worked_for_again() {
        let committed = seat(0, Mine::Committed, round());
        assert!(committed.desired(2_600, 30).work);
        assert!(!committed.desired(2_601, 30).work);
        assert!(!done(committed).desired(1_000, 30).work);
    }

    #[test]
    fn a_prospect_takes_its_seat_with_its_commitment() {
        let prospect = Seat {
            prospect: true,
            ..seat(1, Mine::Absent, round())
        };
        let desired = prospect.desired(1_000, 30);
        assert!(desired.work && desired.end.is_none());
        let ready = done(prospect).desired(1_000, 30);
        assert_eq!(ready.act, Some(Act::Commit(VOTE)));
        assert_eq!(ready.act_owed.map(|owed| owed.at_stake), Some(30));
        let closed = Round {
            closed: true,
            ..round()
        };
        let gone = Seat {
            round: closed,
            ..done(prospect)
        };
        assert_eq!(gone.desired(1_000, 30).act, None);
    }

    #[test]
    fn a_closed_seat_is_served_and_ends() {
        for (kind, end, serve, expected) in [
            (0, SeenEnd::Paid, Some(Reach::Everybody), End::Paid),
            (1, SeenEnd::Paid, None, End::Paid),
            (0, SeenEnd::Lost, None, End::Lost),
            (1, SeenEnd::Released, None, End::Released),
        ] {
            let closed = seat(kind, Mine::Closed(end), round()).desired(9_000, 30);
            assert_eq!((closed.serve, closed.end), (serve, Some(expected)));
        }
    }
}
