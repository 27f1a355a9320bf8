//! An ordinary lease.
//!
//! ```text
//! Running ──work──► submit ──seen──► Submitted ──chance, or time over──► finalize ──seen──► Settled ──final──► Paid
//!    │ failed, or too late              │    ▲
//!    ▼                            juror │    │ no verdict
//!  leave ──────seen──────► Lost         ▼    │
//!    │ deadline over        ▲        Audited ──votes committed──► list served ──due──► judge
//!    ▼                      │           │ convicted
//!  expire ─────seen─────────┴───────────┘          any ──claim gone──► Absent ──final──► Vanished
//! ```

use piecework_core::{
    rules,
    view::{
        lease::{Key as LeaseId, Roots},
        seat::{Round, Stage},
    },
};

use super::{Act, Desired, End, Owed, Reach, Work};

/// What the chain says now of one round of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no claim of ours for it.
    Absent,
    /// We hold it since this time.
    Running {
        /// When the round began.
        started: u64,
    },
    /// Our result was submitted, or waits for a second jury.
    Submitted {
        /// The first second in which it can be finalized.
        from: u64,
    },
    /// It is with a jury.
    Audited(Audit),
    /// It was paid.
    Settled,
    /// It was left or expired, or a jury convicted it.
    Lost,
}

/// A jury over our result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// 1 or 2.
    pub jury: u8,
    /// Its seats.
    pub votes: Round,
    /// Last second to bring our leaf, if two of its votes agree and only that is missing.
    pub leaf_by: Option<u64>,
}

/// One round of a lease that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which round.
    pub id: LeaseId,
    /// Tasks in it.
    pub count: u32,
    /// Stake that it locks.
    pub bond: u128,
    /// What the round pays after the fee, if it ends well.
    pub pay: u128,
    /// Seconds that a round has for the work.
    pub run_window: u64,
    /// What the chain says of it.
    pub seen: Seen,
    /// What is known of its work.
    pub work: Work<Roots>,
    /// Whether its tasks run now.
    pub working: bool,
    /// This machine lost outputs of the lease that somebody may need. It runs the tasks once more.
    pub missing: bool,
}

impl Lease {
    /// Whether it locks stake, as far as the chain says.
    #[must_use]
    pub fn is_bonded(&self) -> bool {
        !matches!(self.seen, Seen::Settled | Seen::Lost | Seen::Absent)
    }

    /// Last second in which a result can be submitted, while it runs.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        match self.seen {
            Seen::Running { started } => Some(started.saturating_add(self.run_window)),
            _ => None,
        }
    }

    /// Last second in which giving up costs nothing.
    fn free_until(&self, started: u64) -> u64 {
        match self.id.round {
            1 => rules::leave_free_by(self.run_window, started),
            _ => 0,
        }
    }

    /// What a round that is late loses: a tenth of the bond, and what it would have been paid.
    fn lost_if_late(&self) -> u128 {
        let tenth = rules::tenth_of(self.bond).unwrap_or(self.bond);
        tenth.saturating_add(self.pay)
    }

    /// What should be going on. Nothing is begun within `margin` seconds of a deadline.
    #[must_use]
    pub fn desired(&self, now: u64, margin: u64) -> Desired {
        match self.seen {
            // The claim may come back: its work goes on, and none is begun.
            Seen::Absent => Desired {
                work: self.working && self.work.is_undone(),
                end: Some(End::Vanished),
                ..Desired::default()
            },
            Seen::Running { started } => self.running(started, now, margin),
            Seen::Submitted { from } => Desired {
                work: self.missing,
                act: (now >= from).then_some(Act::Finalize),
                serve: Some(Reach::Client),
                // A jury may come: then our list and our leaf are needed.
                owed: self.needed_until(from),
                ..Desired::default()
            },
            Seen::Audited(audit) => self.audited(audit, now, margin),
            Seen::Settled => Desired {
                serve: Some(Reach::Everybody),
                end: Some(End::Paid),
                ..Desired::default()
            },
            Seen::Lost => Desired {
                end: Some(End::Lost),
                ..Desired::default()
            },
        }
    }

    fn needed_until(&self, until: u64) -> Option<Owed> {
        let at_stake = self.bond.saturating_add(self.pay);
        (until > 0).then_some(Owed { until, at_stake })
    }

    fn running(&self, started: u64, now: u64, margin: u64) -> Desired {
        let deadline = started.saturating_add(self.run_window);
        if now > deadline {
            // Anyone may expire it; a taker would do so in its own call.
            let expires = now > deadline.saturating_add(margin);
            return Desired {
                act: expires.then_some(Act::Expire),
                ..Desired::default()
            };
        }
        let owed = Owed {
            until: deadline,
            at_stake: self.lost_if_late(),
        };
        let owed = Some(owed);
        if let Work::Done(roots) = self.work {
            return Desired {
                act: Some(Act::Submit(roots)),
                act_owed: owed,
                owed,
                ..Desired::default()
            };
        }
        let in_time = now.saturating_add(margin) < deadline;
        if self.work.is_undone() && in_time {
            return Desired {
                work: true,
                owed,
                ..Desired::default()
            };
        }
        // Leaving late burns less than an expiry.
        let free_until = self.free_until(started);
        let until = match now <= free_until {
            true => free_until,
            false => deadline,
        };
        let at_stake = rules::tenth_of(self.bond).unwrap_or(self.bond);
        let owed = Some(Owed { until, at_stake });
        Desired {
            act: Some(Act::Leave),
            act_owed: owed,
            owed,
            ..Desired::default()
        }
    }

    fn audited(&self, audit: Audit, now: u64, margin: u64) -> Desired {
        let stage = audit.votes.stage(now);
        let at_stake = self.bond.saturating_add(self.pay);
        let leaf = audit.leaf_by.map(|until| Owed { until, at_stake });
        // The jurors are let judge first, unless they wait for our leaf.
        let due = match stage {
            Stage::Due { since } if audit.leaf_by.is_some() => Some(since),
            Stage::Due { since } => Some(since.saturating_add(margin)),
            Stage::Commit | Stage::Reveal { .. } => None,
        };
        let serve = match stage {
            Stage::Commit => Reach::Client,
            // No juror can commit any longer. They bring the leaf that they find in our list.
            Stage::Reveal { .. } | Stage::Due { .. } => Reach::List,
        };
        let until = audit
            .votes
            .commit_by
            .saturating_add(audit.votes.reveal_window);
        Desired {
            // Without our leaf two equal votes convict.
            work: self.missing,
            act: due
                .filter(|from| now >= *from)
                .map(|_| Act::Judge(audit.jury)),
            act_owed: leaf,
            serve: Some(serve),
            owed: leaf.or(Some(Owed { until, at_stake })),
            ..Desired::default()
        }
    }

    /// Last second in which its work helps.
    #[must_use]
    pub fn work_by(&self) -> u64 {
        match self.seen {
            Seen::Running { started } => started.saturating_add(self.run_window),
            Seen::Submitted { from } => from,
            Seen::Audited(audit) => {
                let votes = audit.votes;
                let until = votes.commit_by.saturating_add(votes.reveal_window);
                audit.leaf_by.unwrap_or(until)
            }
            Seen::Absent | Seen::Settled | Seen::Lost => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    const ROOTS: Roots = Roots {
        root: B256::repeat_byte(1),
        list: B256::repeat_byte(2),
    };

    fn lease(seen: Seen) -> Lease {
        Lease {
            id: LeaseId {
                job: B256::ZERO,
                first: 0,
                round: 1,
            },
            count: 4,
            bond: 1_000,
            pay: 30,
            run_window: 800,
            seen,
            work: Work::Undone,
            working: false,
            missing: false,
        }
    }

    fn votes() -> Round {
        Round {
            begun: true,
            closed: false,
            closes_at: u64::MAX,
            commit_by: 2_000,
            reveal_window: 600,
            quorum: 2,
            commits: 3,
            opened: 0,
            full_at: None,
            opened_at: 0,
            leave_at: u64::MAX,
            rank: 0,
        }
    }

    #[test]
    fn a_lease_runs_then_is_submitted_and_is_left_when_it_fails() {
        let running = lease(Seen::Running { started: 1_000 });
        let desired = running.desired(1_100, 30);
        assert!(desired.work && desired.act.is_none());
        assert_eq!(
            desired.owed,
            Some(Owed {
                until: 1_800,
                at_stake: 130
            })
        );
        let done = Lease {
            work: Work::Done(ROOTS),
            ..running
        };
        // To the last second, whatever the margin.
        for now in [1_000, 1_799, 1_800] {
            assert_eq!(done.desired(now, 30).act, Some(Act::Submit(ROOTS)), "{now}");
        }
        assert_eq!(done.desired(1_801, 30).act, None);
        assert_eq!(done.desired(1_831, 30).act, Some(Act::Expire));
        let failed = Lease {
            work: Work::Failed,
            ..running
        };
        let free = failed.desired(1_050, 30);
        assert_eq!(free.act, Some(Act::Leave));
        assert_eq!(free.act_owed.map(|owed| owed.until), Some(1_100));
        let late = failed.desired(1_101, 30).act_owed;
        assert_eq!(
            late.map(|owed| (owed.until, owed.at_stake)),
            Some((1_800, 100))
        );
    }

    #[test]
    fn work_that_cannot_be_done_in_time_is_left() {
        let running = lease(Seen::Running { started: 1_000 });
        assert!(running.desired(1_769, 30).work);
        let late = running.desired(1_770, 30);
        assert_eq!((late.work, late.act), (false, Some(Act::Leave)));
    }

    #[test]
    fn a_submitted_lease_is_served_to_its_client_and_finalized() {
        let submitted = lease(Seen::Submitted { from: 3_000 });
        let before = submitted.desired(2_999, 30);
        assert_eq!((before.act, before.serve), (None, Some(Reach::Client)));
        assert_eq!(submitted.desired(3_000, 30).act, Some(Act::Finalize));
        // Chance said no: nobody will ask for anything.
        assert_eq!(lease(Seen::Submitted { from: 0 }).desired(1, 30).owed, None);
    }

    #[test]
    fn a_list_is_open_once_no_juror_can_commit() {
        let mut audit = Audit {
            jury: 1,
            votes: votes(),
            leaf_by: None,
        };
        let at = |audit, now| lease(Seen::Audited(audit)).desired(now, 30);
        assert_eq!(at(audit, 2_000).serve, Some(Reach::Client));
        assert_eq!(at(audit, 2_001).serve, Some(Reach::List));
        // The jurors are let go first.
        assert_eq!(at(audit, 2_630).act, None);
        assert_eq!(at(audit, 2_631).act, Some(Act::Judge(1)));
        // They wait for our leaf.
        audit.leaf_by = Some(9_000);
        let urgent = at(audit, 2_601);
        assert_eq!(urgent.act, Some(Act::Judge(1)));
        assert_eq!(
            urgent.act_owed,
            Some(Owed {
                until: 9_000,
                at_stake: 1_030
            })
        );
    }

    #[test]
    fn outputs_that_are_lost_are_made_again_while_somebody_may_need_them() {
        let done = Lease {
            work: Work::Done(ROOTS),
            ..lease(Seen::Submitted { from: 3_000 })
        };
        assert!(!done.desired(2_000, 30).work);
        let missing = Lease {
            missing: true,
            ..done
        };
        assert!(missing.desired(2_000, 30).work);
        assert_eq!(missing.work_by(), 3_000);
        let settled = Lease {
            seen: Seen::Settled,
            ..missing
        };
        assert!(!settled.desired(4_000, 30).work);
    }

    #[test]
    fn a_claim_that_is_gone_keeps_its_work_and_begins_none() {
        let absent = lease(Seen::Absent);
        assert!(!absent.desired(1, 30).work);
        let working = Lease {
            working: true,
            ..absent
        };
        assert!(working.desired(1, 30).work);
        assert_eq!(working.desired(1, 30).end, Some(End::Vanished));
    }
}
