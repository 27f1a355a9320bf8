//! What the chain says: blocks, events, and reorganizations that take them back.

use std::collections::btree_map::Entry;

use alloy_primitives::B256;
use piecework_core::view::{
    Block, StoredEvent,
    lease::{Key as LeaseId, State},
    seat::Key as SeatId,
};

use super::{Job, KEPT, Machine};
use crate::take::Why;

impl Machine {
    pub(super) fn block(&mut self, head: Block, events: Vec<StoredEvent>) {
        self.head = Some(head);
        for event in events {
            if let Some((job, first)) = self.see(event) {
                self.touch(job, first);
                self.offers = true;
            }
        }
        for id in self.settle_agenda.take(head.number) {
            let next = self
                .jobs
                .get_mut(&id)
                .and_then(|job| job.settle(head.number));
            self.settle_agenda.set(id, next.unwrap_or(u64::MAX));
        }
    }

    /// Takes an event into its job. Returns the job and the lease that it is about.
    fn see(&mut self, event: StoredEvent) -> Option<(B256, Option<u32>)> {
        let id = event.job;
        let job = match self.jobs.entry(id) {
            Entry::Occupied(job) => job.into_mut(),
            Entry::Vacant(place) => {
                let job = Job::of(&event)?;
                self.forget_agenda.set(id, job.over_at(&self.me.times));
                place.insert(job)
            }
        };
        let settles = event.block.number.saturating_add(KEPT).saturating_add(1);
        let (first, provider) = job.see(event);
        let is_ours = provider == Some(self.me.provider)
            || first.is_some_and(|first| self.has_duty(id, first));
        if is_ours {
            self.facts.stake_is_stale();
        }
        if !self.settle_agenda.has(id) {
            self.settle_agenda.set(id, settles);
        }
        self.wake(id);
        if let Some(first) = first {
            self.note(id, first);
        }
        Some((id, first))
    }

    /// Whether something of a lease is ours.
    fn has_duty(&self, job: B256, first: u32) -> bool {
        let at = |round, kind| SeatId {
            lease: LeaseId { job, first, round },
            kind,
        };
        let mut range = self.duties.range(at(0, 0)..=at(u16::MAX, u8::MAX));
        range.next().is_some()
    }

    /// Notes whether a lease's result may have a jury with a seat for us.
    fn note(&mut self, id: B256, first: u32) {
        let job = self.jobs.get(&id);
        let lease = job.and_then(|job| job.view.leases.get(&first));
        let may = lease.is_some_and(|lease| {
            let state = lease.state;
            let waits = matches!(
                state,
                State::Submitted | State::Audited(_) | State::Undecided
            );
            waits && lease.provider != self.me.provider
        });
        match may {
            true => self.jury_agenda.set((id, first), 0),
            false => self.jury_agenda.remove((id, first)),
        }
    }

    /// A job is worth a look whenever work is taken.
    pub(super) fn wake(&mut self, id: B256) {
        self.job_agenda.remove(id);
        self.eager.insert(id);
    }

    /// A job is not worth a look before this time of the chain, unless something happens.
    pub(super) fn sleep(&mut self, id: B256, until: u64, why: Why) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.why = Some(why);
        }
        self.eager.remove(&id);
        self.job_agenda.set(id, until);
    }

    pub(super) fn rewind(&mut self, to: u64) {
        if let Some(head) = &mut self.head {
            head.number = head.number.min(to);
        }
        let mut gone = Vec::new();
        for id in self.settle_agenda.keys() {
            let Some(job) = self.jobs.get_mut(&id) else {
                continue;
            };
            if !job.rewind(to) {
                continue;
            }
            if job.is_empty() {
                gone.push(id);
            }
            self.touched.insert((id, None));
            self.wake(id);
        }
        // A seed may be another one now, whose lease has no news.
        let leases = self.jobs.iter().flat_map(|(id, job)| {
            let firsts = job.view.leases.keys();
            firsts.map(|first| (*id, *first))
        });
        for (id, first) in leases.collect::<Vec<_>>() {
            self.note(id, first);
        }
        // A posting that is gone may come back with the next block. Until then its duties are absent.
        for id in gone {
            if !self.duties.keys().any(|seat| seat.lease.job == id) {
                self.jobs.remove(&id);
                self.eager.remove(&id);
                self.leave_trial(id);
            }
        }
        self.facts.stake_is_stale();
        self.facts.forget_seeds();
        self.all = true;
        self.offers = true;
    }
}
