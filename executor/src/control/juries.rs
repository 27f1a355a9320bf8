//! Juries: chance orders an audit, and nobody calls for it. Which results are audited follows from their seeds, and
//! those who are drawn come by themselves.

use alloy::primitives::B256;
use piecework_core::{
    rules::{self, JURY},
    view::{LeaseView, lease::State},
};

use super::{Control, ControlError, JobEntry, draws::Open, points::Publish};
use crate::{
    evaluate::{self, Place},
    lease::{self},
    seat::{Key, Work},
};

/// A jury that may have a seat for us.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    key: Key,
    count: u32,
    /// Last second to commit.
    commit_by: u64,
    /// Last second to take a seat: of a jury that is not open the last second to open it.
    by: u64,
    /// The jury's point.
    point: u64,
    /// The task, once it is known.
    task: Option<u32>,
}

impl Control {
    /// Takes seats of juries that chance ordered, or that are open.
    pub(super) async fn take_juries(&mut self) -> Result<(), ControlError> {
        let now = self.tools.clock.now();
        let mut candidates = Vec::new();
        for (job, entry) in &self.jobs {
            if entry.job.assurance.auditBps == 0 {
                continue;
            }
            for (first, lease) in &entry.view.leases {
                let Some(found) = self.candidate(*job, entry, *first, lease) else {
                    continue;
                };
                // The accused is barred.
                let own = lease.provider == self.tools.provider;
                let taken = self.seats.contains_key(&found.key);
                if own || taken || now > found.by || self.is_spared(&found, entry) {
                    continue;
                }
                let place = place(&found);
                if evaluate::juror(entry.offer(0), self.means(entry), place).is_ok() {
                    candidates.push(found);
                }
            }
        }
        for candidate in candidates {
            self.sit(candidate).await?;
        }
        Ok(())
    }

    fn candidate(
        &self,
        job: B256,
        entry: &JobEntry,
        first: u32,
        lease: &LeaseView,
    ) -> Option<Candidate> {
        let seats = &entry.view.seats;
        let key = |kind| {
            let round = lease.round;
            let lease = lease::Key { job, first, round };
            Key { lease, kind }
        };
        // Nothing is done about a result before it is final: a reorganization would give it another seed.
        if !self.is_final(lease.submitted_block) {
            return None;
        }
        let times = &self.tools.times;
        let now = self.tools.clock.now();
        let opened_now = rules::jury_commit_by(times, entry.job.timing.runWindow, now);
        let found = |kind, by, task| Candidate {
            key: key(kind),
            count: lease.count,
            commit_by: opened_now,
            by,
            point: lease.point,
            task,
        };
        match lease.state {
            State::Submitted => {
                let by = lease.at.saturating_add(entry.job.timing.auditWindow);
                Some(found(1, by, None))
            }
            State::Audited(kind) => {
                let jury = seats.jury((first, lease.round, kind))?;
                let taken = jury.panel.seat_of(self.tools.provider).is_some();
                let open = !taken && !jury.panel.is_full(JURY);
                let commit_by = jury.commit_by;
                let found = found(kind, commit_by, Some(jury.task));
                open.then_some(Candidate { commit_by, ..found })
            }
            State::Undecided if self.is_final(lease.block) => {
                let task = seats.jury((first, lease.round, 1))?.task;
                // Until the point's time is read, nothing is too late.
                let time = self.points.time(lease.point).unwrap_or(u64::MAX);
                let by = time.saturating_add(times.retryWindow);
                Some(found(2, by, Some(task)))
            }
            _ => None,
        }
    }

    /// Whether chance said already that there is no audit.
    fn is_spared(&self, candidate: &Candidate, entry: &JobEntry) -> bool {
        let seed = self.points.seed(candidate.point);
        let round = self.draw_round(candidate.key.lease);
        let bps = entry.job.assurance.auditBps;
        candidate.task.is_none() && seed.is_some_and(|seed| !round.is_audited(seed, bps))
    }

    /// Takes a seat if chance orders the audit and we are drawn for it.
    async fn sit(&mut self, candidate: Candidate) -> Result<(), ControlError> {
        let Candidate {
            key, count, point, ..
        } = candidate;
        let (lease, round) = (key.lease, self.draw_round(key.lease));
        let Some(entry) = self.jobs.get(&lease.job) else {
            return Ok(());
        };
        let audit_bps = entry.job.assurance.auditBps;
        let is_audited = |seed| round.is_audited(seed, audit_bps);
        let mut publish = Publish::InTurn;
        if candidate.task.is_none() && self.is_to_be_learned(point) {
            // A seed that says no is published by the provider, if it wants.
            let predicted = self.predict(point).await;
            if predicted.is_some_and(|seed| !is_audited(seed)) {
                publish = Publish::No;
            }
        }
        let Some(seed) = self.learn(point, publish).await? else {
            return Ok(());
        };
        // The point's time is known only now.
        if candidate.by == u64::MAX {
            return Ok(());
        }
        let task = match candidate.task {
            Some(task) => task,
            None if is_audited(seed) => round.audited_task(seed, count),
            None => return Ok(()),
        };
        let open = Open {
            key,
            place: place(&candidate),
            work: Work {
                first: task,
                count: 1,
            },
            point,
            by: candidate.by,
        };
        self.draw(lease.job, vec![open]).await
    }
}

fn place(candidate: &Candidate) -> Place {
    Place {
        count: candidate.count,
        commit_by: candidate.commit_by,
    }
}
