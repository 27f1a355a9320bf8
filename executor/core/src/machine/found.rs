//! Duties are found in the events of jobs with news, and begun.

use alloy_primitives::B256;
use piecework_core::{
    rules,
    view::{
        lease::{Key as LeaseId, Roots},
        seat::{Key as SeatId, Mine, Round},
    },
};

use super::{
    Job, Machine, Pending,
    held::{Duty, Held},
};
use crate::{
    duty::{End, Lease, Seat, Work, lease::Seen, seat::Tasks},
    take::net,
};

impl Machine {
    /// Finds leases and seats of ours in jobs with news.
    pub(super) fn discover(&mut self) {
        let mut found: Vec<(SeatId, B256)> = Vec::new();
        let me = self.me.provider;
        for (id, first) in &self.touched {
            let Some(job) = self.jobs.get(id) else {
                continue;
            };
            let key = |first: u32, round: u16, kind: u8| SeatId {
                lease: LeaseId {
                    job: *id,
                    first,
                    round,
                },
                kind,
            };
            let firsts = match first {
                Some(first) => *first..=*first,
                None => 0..=u32::MAX,
            };
            for (first, lease) in job.view.leases.range(firsts.clone()) {
                if lease.provider == me {
                    found.push((key(*first, lease.round, 0), lease.claim_tx));
                }
            }
            for ((first, round, kind), panel) in job.view.seats.panels_of(firsts) {
                if let Some(taken) = panel.seat_of(me) {
                    found.push((key(first, round, kind), taken.tx));
                }
            }
        }
        for (seat, tx) in found {
            let over = self.over.get(&seat);
            // One that vanished can come back; one that ended in a final block cannot.
            if over.is_some_and(|end| *end != End::Vanished) {
                continue;
            }
            if let Some(held) = self.duties.get_mut(&seat) {
                // A reorganization may have put another transaction of ours in its place.
                if self.owners.get(&tx) == Some(&true) {
                    held.tx = Some(tx);
                    self.taken.insert(tx, seat);
                    continue;
                }
            }
            match self.is_ours(tx, seat.lease.job) {
                Some(true) => self.hold(seat, tx),
                // A provider may have several machines: this one is another's.
                Some(false) => {}
                None => {
                    self.unowned.insert(seat.lease.job);
                }
            }
        }
    }

    /// Begins to hold a duty.
    fn hold(&mut self, id: SeatId, tx: B256) {
        self.taken.insert(tx, id);
        if let Some(held) = self.duties.get_mut(&id) {
            held.tx = Some(tx);
            return;
        }
        let Some(job) = self.jobs.get(&id.lease.job) else {
            return;
        };
        let Some(tasks) = tasks_of(id, job) else {
            return;
        };
        let bound = self.bound.get(&(id, tasks.first));
        let bound = bound.and_then(|votes| votes.last()).copied();
        let ordinary = id.kind == 0 && !job.view.seats.is_redundant();
        let duty = match ordinary {
            true => Duty::Lease(Lease {
                id: id.lease,
                count: tasks.count,
                bond: crate::take::bond(&job.job, tasks.count),
                pay: pay_of(job, id, tasks.count),
                run_window: job.job.timing.runWindow,
                seen: Seen::Absent,
                work: bound.map_or(Work::Undone, |vote| {
                    Work::Done(Roots {
                        root: vote.value,
                        list: vote.proof,
                    })
                }),
                working: false,
                missing: false,
            }),
            false => Duty::Seat(Seat {
                id,
                tasks,
                bond: bond_of_seat(job, id, tasks),
                pay: pay_of(job, id, tasks.count),
                mine: Mine::Absent,
                round: no_round(),
                work: bound.map_or(Work::Undone, Work::Done),
                working: false,
                prospect: false,
            }),
        };
        let mut held = Held::new(duty, Some(tx));
        if bound.is_some() {
            held.done = tasks.count;
        }
        self.over.remove(&id);
        self.trials.forgive();
        self.duties.insert(id, held);
        self.recount(id);
        self.touch(id.lease.job, Some(id.lease.first));
    }

    /// Begins to work for a seat that is taken with its commitment, until `by`.
    pub(super) fn work_for(&mut self, id: SeatId, tasks: Tasks, by: u64, parallel: u32) {
        let Some(job) = self.jobs.get(&id.lease.job) else {
            return;
        };
        let bound = self.bound.get(&(id, tasks.first));
        let bound = bound.and_then(|votes| votes.last()).copied();
        let round = Round {
            commit_by: by,
            begun: true,
            ..no_round()
        };
        let seat = Seat {
            id,
            tasks,
            bond: bond_of_seat(job, id, tasks),
            pay: pay_of(job, id, tasks.count),
            mine: Mine::Absent,
            round,
            work: bound.map_or(Work::Undone, Work::Done),
            working: false,
            prospect: true,
        };
        let mut held = Held::new(Duty::Seat(seat), None);
        held.parallel = parallel;
        self.over.remove(&id);
        self.duties.insert(id, held);
        self.recount(id);
        self.mind_duty(id);
    }

    /// The capacity of a claim goes to the duty that it got.
    pub(super) fn inherit(&mut self, tx: B256, pending: &Pending) {
        let id = self.taken.get(&tx).copied();
        if let Some(held) = id.and_then(|id| self.duties.get_mut(&id)) {
            held.parallel = pending.parallel.max(1);
        }
    }
}

fn tasks_of(id: SeatId, job: &Job) -> Option<Tasks> {
    let lease = id.lease;
    if id.is_jurors() {
        let jury = job.view.seats.jury((lease.first, lease.round, id.kind))?;
        return Some(Tasks {
            first: jury.task,
            count: 1,
        });
    }
    let count = match job.view.leases.get(&lease.first) {
        Some(view) => view.count,
        None => {
            let terms = &job.job.terms;
            let left = terms.tasks.saturating_sub(lease.first);
            terms.maxLease.min(left)
        }
    };
    Some(Tasks {
        first: lease.first,
        count,
    })
}

fn bond_of_seat(job: &Job, id: SeatId, tasks: Tasks) -> u128 {
    let price = &job.job.price;
    let bond = match id.is_jurors() {
        true => rules::juror_bond_of(price),
        false => rules::bond_of(price, tasks.count),
    };
    bond.unwrap_or(0)
}

/// What a duty pays after the fee.
fn pay_of(job: &Job, id: SeatId, count: u32) -> u128 {
    if id.is_jurors() {
        return job.job.price.juryFee;
    }
    let origin = match job.view.leases.get(&id.lease.first) {
        Some(lease) => lease.origin,
        None => job.job.timing.opensAt,
    };
    net(&job.job, job.fee_bps, origin).saturating_mul(count.into())
}

/// Seats of which the chain has said nothing yet.
fn no_round() -> Round {
    Round {
        begun: false,
        closed: false,
        closes_at: u64::MAX,
        commit_by: 0,
        reveal_window: 0,
        quorum: 0,
        commits: 0,
        opened: 0,
        full_at: None,
        opened_at: 0,
        leave_at: u64::MAX,
        rank: 0,
    }
}
