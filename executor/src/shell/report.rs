//! What the owner is told: status, log, and when a stop loses nothing.

use std::{collections::HashMap, sync::atomic::Ordering};

use piecework_core::view::seat::Key as SeatId;
use piecework_executor_core::{
    machine::{DutyStatus, Obligation},
    take::Blocked,
};

use super::Shell;
use crate::status::{LeaseStatus, ObligationStatus, SkippedJob, Stopping};

/// Jobs of which the status says why they are not taken.
const MOST_SKIPPED: usize = 100;

/// What was told.
#[derive(Debug)]
pub(super) struct Report {
    /// Stake that was lost since the state directory was made.
    pub(super) lost: u128,
    phases: HashMap<SeatId, &'static str>,
    /// Whether it was told that a stop loses no work.
    told_idle: bool,
}

impl Report {
    pub(super) fn new(lost: u128) -> Self {
        Self {
            lost,
            phases: HashMap::new(),
            told_idle: false,
        }
    }

    /// Logs which duties went on.
    fn log(&mut self, duties: &[DutyStatus]) {
        for DutyStatus { seat, phase, .. } in duties {
            if self.phases.insert(*seat, phase) != Some(phase) {
                let (lease, kind) = (seat.lease, seat.kind);
                tracing::info!(job = %lease.job, first = lease.first, round = lease.round, kind, phase, "duty");
            }
        }
        if self.phases.len() > duties.len() {
            let duties: std::collections::BTreeSet<SeatId> =
                duties.iter().map(|duty| duty.seat).collect();
            self.phases.retain(|seat, _| duties.contains(seat));
        }
    }
}

impl From<DutyStatus> for LeaseStatus {
    fn from(duty: DutyStatus) -> Self {
        Self {
            job: duty.seat.lease.job,
            first: duty.tasks.first,
            count: duty.tasks.count,
            round: duty.seat.lease.round,
            kind: duty.seat.kind,
            phase: duty.phase.into(),
            tasks_done: duty.done,
            deadline: duty.deadline,
        }
    }
}

impl From<Obligation> for ObligationStatus {
    fn from(Obligation { seat, owed }: Obligation) -> Self {
        Self {
            job: seat.lease.job,
            first: seat.lease.first,
            round: seat.lease.round,
            kind: seat.kind,
            until: owed.until,
            at_stake: owed.at_stake,
        }
    }
}

impl Shell {
    /// Writes the status, and whether a stop loses nothing.
    pub(super) fn tell(&mut self) {
        let (machine, tools) = (&self.machine, &self.tools);
        let duties = machine.duties();
        self.report.log(&duties);
        let leases = duties.into_iter().map(LeaseStatus::from);
        let owed = machine.obligations();
        let owed = owed.into_iter().map(ObligationStatus::from);
        let skipped = machine.answers().map(|answer| SkippedJob {
            job: answer.job,
            why: answer.why.to_string(),
        });
        let (stake, free_stake) = machine.stake();
        let (settled, lost) = machine.totals();
        let head = machine.head();
        let (blocked, lost_stake) = (self.blocked(), self.report.lost);
        let running = tools.shop.running.load(Ordering::Relaxed);
        tools.board.write(|status| {
            status.leases = leases.collect();
            status.obligations = owed.collect();
            status.skipped = skipped.take(MOST_SKIPPED).collect();
            status.blocked = blocked;
            (status.stake, status.free_stake) = (stake, free_stake);
            status.running_tasks = running;
            (status.settled, status.lost) = (settled, lost);
            status.lost_stake = lost_stake;
            if let Some(head) = head {
                (status.head_block, status.head_time) = (head.number, head.time);
            }
        });
        // Before the machine heard of the stop, it may still take work.
        let stops = machine.blocked().contains(&Blocked::Stopping);
        let drains = *self.tools.stopping.borrow() == Stopping::Drain;
        let is_quiet = match drains {
            true => machine.is_clear(),
            false => !machine.is_busy(),
        };
        let is_idle = stops && is_quiet;
        if is_idle && !self.report.told_idle {
            // What is finished may still be owed.
            self.tell_obligations();
        }
        self.tools.idle.send_replace(is_idle);
    }

    /// What keeps it from taking work, in words.
    fn blocked(&self) -> Vec<String> {
        let tools = &self.tools;
        let blocked = self.machine.blocked();
        let mut words = Vec::new();
        if let Some(why) = tools.unreached.borrow().clone() {
            words.push(why);
        } else if blocked.contains(&Blocked::Reading) {
            words.push("it is still reading the chain".to_owned());
        }
        words.extend(tools.link.trouble());
        words.extend(tools.shop.sandbox.trouble());
        if blocked.contains(&Blocked::NoStake) {
            words.push(format!(
                "provider {} has no stake: type `piecework provider stake TOKENS` with its key",
                tools.provider
            ));
        }
        let trouble = tools
            .node
            .borrow()
            .as_ref()
            .and_then(|node| node.sender.trouble());
        if let Some(trouble) = trouble {
            words.push(format!("transactions cannot be sent: {trouble}"));
        }
        if blocked.contains(&Blocked::DiskFull) {
            words.push("outputs that are owed to clients fill retention.max_bytes".to_owned());
        }
        if blocked.contains(&Blocked::Stopping) {
            words.push("it is stopping".to_owned());
        }
        words
    }

    /// Says what is still owed: until when this machine is needed, and what is lost otherwise.
    pub(super) fn tell_obligations(&mut self) {
        self.report.told_idle = !self.machine.is_busy();
        for obligation in self.machine.obligations() {
            let (seat, owed) = (obligation.seat, obligation.owed);
            let lease = seat.lease;
            tracing::warn!(
                job = %lease.job, first = lease.first, round = lease.round, kind = seat.kind,
                until = owed.until, at_stake = owed.at_stake,
                "still owed: without this machine until then, this stake can be lost"
            );
        }
    }
}
