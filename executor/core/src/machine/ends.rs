//! Duties that are over.

use piecework_core::view::{JobView, lease::Key as LeaseId, seat::Key as SeatId};

use super::{
    Job, Machine,
    held::{Duty, Held},
};
use crate::{
    command::{Command, Over},
    duty::{Desired, End},
};

/// Seconds after which the end of a duty no longer waits for its outputs to be served.
const SERVE_BY: u64 = 600;

impl Machine {
    pub(super) fn mind_end(&mut self, id: SeatId, end: End, desired: &Desired) {
        let (now, head) = (self.now.time, self.head.map_or(0, |head| head.number));
        let confirmations = self.settings.timing.confirmations;
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        let ended_at = *held.ended_at.get_or_insert(now);
        if head < held.since.saturating_add(confirmations) {
            return;
        }
        let unserved = desired.serve.is_some_and(|reach| held.served < Some(reach));
        if unserved && now < ended_at.saturating_add(SERVE_BY) {
            return;
        }
        let Some(held) = self.duties.remove(&id) else {
            return;
        };
        self.recount(id);
        self.duty_agenda.remove(id);
        if let Some(tx) = held.tx {
            self.taken.remove(&tx);
        }
        self.offers = true;
        if held.duty.is_working() {
            self.commands.push(Command::StopWork { seat: id });
        }
        self.facts.forget_leaf(id);
        // A seat that was never taken is nothing to remember.
        let taken = held.tx.is_some();
        if taken {
            self.count(end, 1);
            self.over.insert(id, end);
        }
        let job = self.jobs.get(&id.lease.job);
        let client = job.map(|job| job.job.terms.client).unwrap_or_default();
        if end == End::Paid {
            self.paid.insert(client);
        }
        let (lost, why) = match end {
            End::Lost => job.map_or((0, None), |job| self.loss(job, id, &held)),
            _ => (0, held.why.clone()),
        };
        if end == End::Vanished && !id.is_jurors() {
            self.rest_seat(id);
        }
        if taken {
            self.commands.push(Command::Over(Over {
                seat: id,
                tasks: held.duty.tasks(),
                client,
                end,
                why,
                lost,
            }));
        }
    }

    /// Forgets jobs that are over.
    pub(super) fn forget(&mut self, time: u64) {
        /// Seconds until the next try, for a job that still has duties, events to settle or intents.
        const LATER: u64 = 600;
        for id in self.forget_agenda.take(time) {
            let lease = |first, round| LeaseId {
                job: id,
                first,
                round,
            };
            let seats = SeatId {
                lease: lease(0, 0),
                kind: 0,
            }..=SeatId {
                lease: lease(u32::MAX, u16::MAX),
                kind: u8::MAX,
            };
            let busy = self.duties.range(seats.clone()).next().is_some()
                || self.settle_agenda.has(id)
                || self
                    .intents
                    .keys()
                    .any(|intent| intent.what.job() == Some(id));
            if busy {
                self.forget_agenda.set(id, time.saturating_add(LATER));
                continue;
            }
            let Some(job) = self.jobs.remove(&id) else {
                continue;
            };
            for lease in job.view.leases.values() {
                self.owners.remove(&lease.claim_tx);
            }
            for (_, panel) in job.view.seats.panels() {
                for seat in &panel.seats {
                    self.owners.remove(&seat.tx);
                }
            }
            let over: Vec<SeatId> = self.over.range(seats.clone()).map(|(id, _)| *id).collect();
            for seat in over {
                self.over.remove(&seat);
            }
            let bound: Vec<(SeatId, u32)> = self
                .bound
                .range((*seats.start(), 0)..=(*seats.end(), u32::MAX))
                .map(|(key, _)| *key)
                .collect();
            for key in bound {
                self.bound.remove(&key);
            }
            for first in job.view.leases.keys() {
                self.jury_agenda.remove((id, *first));
            }
            self.eager.remove(&id);
            self.job_agenda.remove(id);
            self.leave_trial(id);
            self.commands.push(Command::Forget { job: id });
        }
    }

    /// What a duty lost, and why.
    fn loss(&self, job: &Job, id: SeatId, held: &Held) -> (u128, Option<String>) {
        let number = self.facts.stake().map_or(0, |stake| stake.number);
        let burned = match held.duty {
            Duty::Lease(_) => burned_of_lease(&job.view, id.lease),
            Duty::Seat(_) => {
                let place = (id.lease.first, id.lease.round, id.kind);
                let panel = job.view.seats.panel(place);
                panel.and_then(|panel| panel.burned(self.me.provider, number))
            }
        };
        (burned.unwrap_or_else(|| held.duty.bond()), held.why.clone())
    }
}

fn burned_of_lease(view: &JobView, id: LeaseId) -> Option<u128> {
    view.burned.get(&(id.first, id.round)).copied()
}
