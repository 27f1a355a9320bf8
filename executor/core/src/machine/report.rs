//! What the machine says about itself.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use piecework_core::view::seat::{End as SeenEnd, Key as SeatId, Mine};

use super::{Machine, held::Duty, job::Job};
use crate::{
    duty::{Act, End, Owed, lease::Seen, seat::Tasks},
    take::{Answered, Blocked, Why},
};

/// A duty that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyStatus {
    /// Which.
    pub seat: SeatId,
    /// Its tasks.
    pub tasks: Tasks,
    /// Where it stands, in a word.
    pub phase: &'static str,
    /// Tasks whose outcome is known.
    pub done: u32,
    /// Last second in which a result can be submitted, or committed to.
    pub deadline: u64,
}

/// The jobs of which an event that was missed could cost this machine stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which.
    pub jobs: Vec<B256>,
    /// The first block that can hold an event of one of them.
    pub from: u64,
    /// The shortest of their windows, in seconds: so much time there is at least to act on an event.
    pub window: u64,
}

/// What this machine still owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// For which duty.
    pub seat: SeatId,
    /// Until when, and what is lost without it.
    pub owed: Owed,
}

/// What this machine does, did and would do for one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// Its duties that are not over.
    pub duties: Vec<DutyStatus>,
    /// Its duties that are over, and how they ended.
    pub over: Vec<(SeatId, End)>,
    /// Why nothing more of it is taken. None if it was not looked at since something of it was taken last, or at all.
    pub why: Option<Why>,
}

impl Machine {
    /// The duties that are not over.
    #[must_use]
    pub fn duties(&self) -> Vec<DutyStatus> {
        let status = |(id, held)| self.duty_status(id, held);
        self.duties.iter().map(status).collect()
    }

    fn duty_status(&self, id: &SeatId, held: &super::held::Held) -> DutyStatus {
        let (now, margin) = (self.now.time, self.settings.timing.margin);
        let act = held.duty.desired(now, margin).act;
        let deadline = match held.duty {
            Duty::Lease(lease) => lease.deadline().unwrap_or_default(),
            Duty::Seat(seat) => seat.round.commit_by,
        };
        DutyStatus {
            seat: *id,
            tasks: held.duty.tasks(),
            phase: phase(&held.duty, act),
            done: held.done,
            deadline,
        }
    }

    /// What this machine does, did and would do for a job. None if it knows nothing of the job.
    #[must_use]
    pub fn job_report(&self, id: B256) -> Option<JobReport> {
        let duties = self.duties.iter().filter(|(seat, _)| seat.lease.job == id);
        let duties = duties.map(|(seat, held)| self.duty_status(seat, held));
        let over = self.over.iter().filter(|(seat, _)| seat.lease.job == id);
        let job = self.jobs.get(&id);
        let report = JobReport {
            duties: duties.collect(),
            over: over.map(|(seat, end)| (*seat, *end)).collect(),
            why: job.and_then(why),
        };
        (job.is_some() || !report.duties.is_empty() || !report.over.is_empty()).then_some(report)
    }

    /// What is lost, and when, if this machine does nothing from now on; the soonest first.
    #[must_use]
    pub fn obligations(&self) -> Vec<Obligation> {
        let (now, margin) = (self.now.time, self.settings.timing.margin);
        let owed = self.duties.iter().filter_map(|(id, held)| {
            let owed = held.duty.desired(now, margin).owed?;
            Some(Obligation { seat: *id, owed })
        });
        let mut owed: Vec<Obligation> = owed.collect();
        owed.sort_unstable_by_key(|obligation| obligation.owed.until);
        owed
    }

    /// The jobs of which an event that was missed could cost stake; none while nothing is locked.
    #[must_use]
    pub fn watch(&self) -> Option<Watch> {
        let bonded = self.duties.iter().filter(|(_, held)| held.duty.is_bonded());
        let ids: BTreeSet<B256> = bonded.map(|(id, _)| id.lease.job).collect();
        let jobs = || ids.iter().filter_map(|id| self.jobs.get(id));
        let times = &self.me.times;
        let windows = jobs().flat_map(|job| {
            let timing = &job.job.timing;
            let judged = [times.revealWindow, times.respondWindow, timing.auditWindow];
            let judged = judged.into_iter().filter(|_| job.can_be_judged());
            judged.chain([timing.runWindow])
        });
        Some(Watch {
            from: jobs().map(|job| job.block).min()?,
            window: windows.filter(|window| *window > 0).min()?,
            jobs: ids.iter().copied().collect(),
        })
    }

    /// Whether stopping now loses work that is bonded, or may become so: duties that have to act or to run, and claims on their
    /// way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let (now, margin) = (self.now.time, self.settings.timing.margin);
        let acts = |held: &super::held::Held| {
            let desired = held.duty.desired(now, margin);
            desired.work || desired.act_owed.is_some() || owes_opening(&held.duty)
        };
        self.duties.values().any(acts) || self.intents.keys().any(|id| id.what.binds())
    }

    /// Whether this machine loses nothing if it stays away permanently: nothing is owed, and no seat that is held can owe
    /// anything later.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        let can_owe = |held: &super::held::Held| match &held.duty {
            Duty::Lease(_) => false,
            Duty::Seat(seat) => seat.can_owe(),
        };
        !self.is_busy() && self.obligations().is_empty() && !self.duties.values().any(can_owe)
    }

    /// Open jobs that are not taken, and why.
    pub fn answers(&self) -> impl Iterator<Item = Answered> {
        self.jobs.iter().filter_map(|(id, job)| {
            let untaken = job.view.next < job.job.terms.tasks;
            let why = job.why.clone().filter(|_| untaken && !job.view.cancelled)?;
            Some(Answered { job: *id, why })
        })
    }

    /// What keeps the whole machine from taking work.
    #[must_use]
    pub fn blocked(&self) -> Vec<Blocked> {
        let mut blocked = Vec::new();
        if !self.synced {
            blocked.push(Blocked::Reading);
        }
        if self.facts.stake().is_some_and(|stake| stake.total == 0) {
            blocked.push(Blocked::NoStake);
        }
        if self.disk_full {
            blocked.push(Blocked::DiskFull);
        }
        if self.stopping {
            blocked.push(Blocked::Stopping);
        }
        blocked
    }

    /// All stake of the provider, and the part of it that no bond locks.
    #[must_use]
    pub fn stake(&self) -> (u128, u128) {
        self.facts
            .stake()
            .map_or((0, 0), |stake| (stake.total, stake.free))
    }

    /// Duties that were paid, and that lost something.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.settled, self.lost)
    }

    /// The height of the newest block.
    #[must_use]
    pub fn head(&self) -> Option<piecework_core::view::Block> {
        self.head
    }
}

/// Why nothing more of a job is taken.
fn why(job: &Job) -> Option<Why> {
    if job.view.cancelled {
        return Some(Why::Cancelled);
    }
    // The seats of a redundant job may be open when no task is left to claim.
    let is_taken = job.view.next >= job.job.terms.tasks && job.job.assurance.replicas < 2;
    if is_taken {
        return Some(Why::AllTaken);
    }
    job.why.clone()
}

/// A committed seat must open before its time is over.
fn owes_opening(duty: &Duty) -> bool {
    matches!(duty, Duty::Seat(seat) if seat.mine == Mine::Committed && seat.round.begun)
}

fn phase(duty: &Duty, act: Option<Act>) -> &'static str {
    match duty {
        Duty::Lease(lease) => match (lease.seen, act) {
            (Seen::Absent, _) => "absent",
            (Seen::Running { .. }, Some(Act::Submit(_))) => "submitting",
            (Seen::Running { .. }, Some(Act::Leave)) => "leaving",
            (Seen::Running { .. }, Some(Act::Expire)) => "expiring",
            (Seen::Running { .. }, _) => "running",
            (Seen::Submitted { .. }, Some(Act::Finalize)) => "finalizing",
            (Seen::Submitted { .. }, _) => "submitted",
            (Seen::Audited(_), Some(Act::Judge(_))) => "judging",
            (Seen::Audited(audit), _) => match audit.votes.full_at {
                Some(_) => "answering",
                None => "audited",
            },
            (Seen::Settled, _) => "settled",
            (Seen::Lost, _) => "lost",
        },
        Duty::Seat(seat) => match (seat.mine, act) {
            (Mine::Absent, Some(Act::Commit(_))) => "committing",
            (Mine::Absent, _) if seat.prospect => "running",
            (Mine::Absent, _) => "absent",
            (_, Some(Act::Leave)) => "leaving",
            (_, Some(Act::Settle)) => "settling",
            (Mine::Joined, Some(Act::Commit(_))) => "committing",
            (Mine::Joined, _) if seat.work == crate::duty::Work::Failed => "failed",
            (Mine::Joined, _) if seat.round.begun => "running",
            (Mine::Joined, _) => "joined",
            (Mine::Committed, Some(Act::Open)) => "opening",
            (Mine::Committed, _) => "committed",
            (Mine::Opened, _) => "opened",
            (Mine::Closed(SeenEnd::Paid), _) => "settled",
            (Mine::Closed(SeenEnd::Lost), _) => "lost",
            (Mine::Closed(SeenEnd::Released), _) => "released",
            (Mine::Closed(SeenEnd::Vanished), _) => "absent",
        },
    }
}
