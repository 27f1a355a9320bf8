//! Juries: chance orders an audit, and nobody calls for it. Which results are audited follows from their seeds, and those that are drawn
//! come by themselves.

use alloy_primitives::B256;
use piecework_core::{
    rules::{self, JURY},
    view::{
        lease::{Key as LeaseId, LeaseView, State},
        seat::Key as SeatId,
    },
};

use super::{
    Job, Machine,
    candidate::{Candidate, Open},
    facts::Publish,
    seats::waiter_of,
};
use crate::{
    duty::seat::Tasks,
    secret,
    take::{Why, rank::Bid, seats::Place},
};

impl Machine {
    /// Seats of juries that chance ordered, or that are open.
    pub(super) fn juries(&mut self, bids: &mut Vec<(Bid, Candidate)>) {
        let now = self.now.time;
        for (id, first) in self.jury_agenda.take(now) {
            let found = self.jobs.get(&id).and_then(|job| {
                let lease = job.view.leases.get(&first)?;
                (job.job.assurance.auditBps > 0).then_some(())?;
                Some((self.candidate(id, job, first, lease), lease.provider))
            });
            let Some((candidate, accused)) = found else {
                continue;
            };
            let next = match candidate {
                // The accused is barred; and there is no audit without one of these states.
                None if accused == self.me.provider => u64::MAX,
                // Its block is not final yet, or we sit there.
                None => now.saturating_add(5),
                Some((open, audited)) => match self.ordered(open, audited) {
                    Ordered::Yes(open) => match self.offer_seat(open, bids) {
                        Err(Why::NotDrawn { from }) => from,
                        Ok(()) | Err(_) => now.saturating_add(1),
                    },
                    Ordered::Never => u64::MAX,
                    Ordered::Later => now.saturating_add(1),
                },
            };
            self.jury_agenda.set((id, first), next);
        }
    }

    /// A jury that may have a seat for us, and the tasks of its lease while its task is not known.
    fn candidate(
        &self,
        job_id: B256,
        job: &Job,
        first: u32,
        lease: &LeaseView,
    ) -> Option<(Open, Option<u32>)> {
        let now = self.now.time;
        // The accused is barred. Nothing is done about a result before it is final: a reorganization would give it another
        // seed.
        if lease.provider == self.me.provider || !self.is_final(lease.submitted_block) {
            return None;
        }
        let id = |kind| SeatId {
            lease: LeaseId {
                job: job_id,
                first,
                round: lease.round,
            },
            kind,
        };
        let opened_now = rules::jury_commit_by(&self.me.times, job.job.timing.runWindow, now);
        let open = |kind, task: u32, by, commit_by| Open {
            id: id(kind),
            place: Place {
                count: lease.count,
                commit_by,
            },
            tasks: Tasks {
                first: task,
                count: 1,
            },
            point: lease.point,
            by,
        };
        let found = match lease.state {
            State::Submitted => {
                let by = lease.at.saturating_add(job.job.timing.auditWindow);
                (open(1, first, by, opened_now), Some(lease.count))
            }
            State::Audited(kind) => {
                // A second jury has a point of its own, which a reorganization may change.
                if kind == 2 && !self.has_final_point(lease.point) {
                    return None;
                }
                let jury = job.view.seats.jury((first, lease.round, kind))?;
                let taken = jury.panel.seat_of(self.me.provider).is_some();
                if taken || jury.panel.is_full(JURY) {
                    return None;
                }
                let by = jury.commit_by;
                (open(kind, jury.task, by, by), None)
            }
            State::Undecided if self.is_final(lease.block) => {
                let task = job.view.seats.jury((first, lease.round, 1))?.task;
                let time = self.facts.point(lease.point).map(|point| point.time);
                // Until the point's time is read, nothing is too late.
                let by = time
                    .unwrap_or(u64::MAX)
                    .saturating_add(self.me.times.retryWindow);
                (open(2, task, by, opened_now), None)
            }
            _ => return None,
        };
        (now <= found.0.by && !self.duties.contains_key(&found.0.id)).then_some(found)
    }

    /// Whether the seed of a point is known for good.
    fn has_final_point(&self, point: u64) -> bool {
        let head = self.head.map_or(0, |head| head.number);
        let confirmations = self.settings.timing.confirmations;
        self.facts.has_final_seed(point, head, confirmations)
    }

    /// The seat with the task that is drawn, if chance ordered its audit. `count` are the tasks of its lease, while that is
    /// not known.
    fn ordered(&mut self, open: Open, count: Option<u32>) -> Ordered {
        let round = secret::round(self.me.chain_id, self.me.market, open.id);
        let waiter = waiter_of(open.id);
        let job = self.jobs.get(&open.id.lease.job);
        let audit_bps = job.map_or(0, |job| job.job.assurance.auditBps);
        let Some(count) = count else {
            // The point's time is known only now.
            self.learn_seed(open.point, Publish::InTurn, false, waiter);
            return match open.by {
                u64::MAX => Ordered::Later,
                _ => Ordered::Yes(open),
            };
        };
        // A seed that says no is published by the provider, if it wants.
        let likely = self.facts.point(open.point).and_then(|point| point.likely);
        let publish = match likely.is_some_and(|seed| !round.is_audited(seed, audit_bps)) {
            true => Publish::No,
            false => Publish::InTurn,
        };
        let Some(seed) = self.learn_seed(open.point, publish, false, waiter) else {
            return Ordered::Later;
        };
        match round.is_audited(seed, audit_bps) {
            true => Ordered::Yes(Open {
                tasks: Tasks {
                    first: round.audited_task(seed, count),
                    count: 1,
                },
                ..open
            }),
            // Until its block is settled, another seed may come; then its lease has news.
            false => Ordered::Never,
        }
    }
}

/// Whether chance ordered an audit.
enum Ordered {
    Yes(Open),
    Never,
    Later,
}
