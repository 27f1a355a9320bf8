//! What should be going on for each duty, compared with what is.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use piecework_core::{
    rules,
    view::{
        lease::Key as LeaseId,
        seat::{Key as SeatId, Mine},
    },
};

use super::{
    Machine,
    facts::{Publish, Waiter},
    held::{Duty, look_at},
};
use crate::{
    command::{Command, Order},
    duty::{Lease, Work, lease::Seen},
    secret,
};

impl Machine {
    /// Compares what should be going on with what is, for all duties that have news, or for which time passed.
    pub(super) fn mind_duties(&mut self, looks: &BTreeSet<SeatId>) {
        let looks = looks.iter().filter_map(|id| {
            let held = self.duties.get(id)?;
            Some((held.duty.work_by(), *id))
        });
        let mut ids: Vec<(u64, SeatId)> = looks.collect();
        let (now, margin) = (self.now.time, self.settings.timing.margin);
        let begins = ids.iter().filter(|(_, id)| {
            let held = self.duties.get(id);
            held.is_some_and(|held| !held.duty.is_working() && held.duty.desired(now, margin).work)
        });
        self.begins = u32::try_from(begins.count()).unwrap_or(u32::MAX);
        // Where there is not enough capacity for all, the soonest deadline comes first.
        ids.sort_unstable();
        for (_, id) in ids {
            self.mind_duty(id);
        }
        self.send_ready();
    }

    pub(super) fn mind_duty(&mut self, id: SeatId) {
        let (now, margin) = (self.now.time, self.settings.timing.margin);
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        if let Duty::Seat(seat) = &mut held.duty
            && seat.prospect
        {
            let over = seat.round.closed || now > seat.round.commit_by;
            seat.prospect = !over && seat.work != Work::Failed;
        }
        if id.is_jurors() {
            self.mind_draw(id);
        }
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        let desired = held.duty.desired(now, margin);
        if let Some(reach) = desired.serve.filter(|reach| held.served < Some(*reach))
            && held.serving.is_none_or(|serving| serving < reach)
            && now >= held.serve_after
            && !held.is_missing()
        {
            held.serving = Some(reach);
            let tasks = held.duty.tasks();
            self.commands.push(Command::Serve {
                seat: id,
                tasks,
                reach,
            });
        }
        self.mind_work(id, desired.work);
        if let Some(act) = desired.act {
            self.mind_act(id, act, desired.act_owed);
        }
        if let Some(end) = desired.end {
            self.mind_end(id, end, &desired);
        } else if let Some(held) = self.duties.get_mut(&id) {
            held.ended_at = None;
        }
        self.recount(id);
        if let Some(held) = self.duties.get(&id) {
            let at = look_at(&held.duty, now, self.has_final_seed(id.lease));
            self.duty_agenda.set(id, at);
        }
    }

    /// Forgets a juror's vote if a reorganization drew its jury again, with another task or another key.
    fn mind_draw(&mut self, id: SeatId) {
        let place = (id.lease.first, id.lease.round, id.kind);
        let task = self.jobs.get(&id.lease.job).and_then(|job| {
            let jury = job.view.seats.jury(place)?;
            Some(jury.task)
        });
        let key = self.vote_key(id);
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        let worked_under = held.keyed;
        let Duty::Seat(seat) = &mut held.duty else {
            return;
        };
        if !matches!(seat.mine, Mine::Absent | Mine::Joined) {
            return;
        }
        let other_task = task.is_some_and(|task| task != seat.tasks.first);
        let other_key = worked_under.is_some() && key.is_some() && key != worked_under;
        if other_task || (other_key && !seat.work.is_undone()) {
            if let Some(task) = task {
                seat.tasks.first = task;
            }
            seat.work = Work::Undone;
            held.done = 0;
            if std::mem::take(&mut seat.working) {
                self.commands.push(Command::StopWork { seat: id });
            }
        }
    }

    /// Whether the seed of a submitted lease is known for good.
    fn has_final_seed(&self, id: LeaseId) -> bool {
        let head = self.head.map_or(0, |head| head.number);
        let lease = self.jobs.get(&id.job);
        let lease = lease.and_then(|job| job.view.leases.get(&id.first));
        lease.is_some_and(|lease| {
            let confirmations = self.settings.timing.confirmations;
            self.is_final(lease.submitted_block)
                && self.facts.has_final_seed(lease.point, head, confirmations)
        })
    }

    fn mind_work(&mut self, id: SeatId, wanted: bool) {
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        let working = held.duty.is_working();
        if working && !wanted {
            let done = !held.duty.is_undone();
            if let Some(held) = self.duties.get_mut(&id) {
                held.duty.set_working(false);
            }
            // What has ended by itself need not be stopped.
            if !done {
                self.commands.push(Command::StopWork { seat: id });
            }
            return;
        }
        if working {
            self.widen(id);
        }
        let keyed = match id.is_jurors() {
            true => self.vote_key(id),
            false => None,
        };
        if working && id.is_jurors() && keyed.is_some() {
            let same = self.duties.get(&id).is_some_and(|held| held.keyed == keyed);
            if !same {
                // A reorganization drew the jury again, under another key. No seat can use work under the old key, whether
                // it is absent, joined or committed. The new run takes the capacity of the old one.
                self.commands.push(Command::StopWork { seat: id });
                if let Some(held) = self.duties.get_mut(&id) {
                    held.duty.set_working(false);
                }
                self.run(id, keyed);
            }
            return;
        }
        let rests = self
            .duties
            .get(&id)
            .is_some_and(|held| self.now.time < held.work_after);
        if !working && wanted && !rests && (keyed.is_some() || !id.is_jurors()) {
            self.run(id, keyed);
        }
    }

    fn run(&mut self, id: SeatId, keyed: Option<B256>) {
        let margin = self.settings.timing.margin;
        let Some(job) = self.jobs.get(&id.lease.job) else {
            return;
        };
        let Ok(spec) = job.spec.clone() else { return };
        let (strict, digest) = (job.job.assurance.refund, job.digest());
        let judged = job.can_be_judged();
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        let tasks = held.duty.tasks();
        // It takes what is free, and one task's capacity at least: it is bonded. After a reorganization there may be more
        // bonded work than fits: then it waits until some of it is done.
        let total = self.settings.total.minus(self.elsewhere);
        let idle = total.minus(self.running()).fits(spec.resources);
        if idle == 0 {
            return;
        }
        let others = self.used().minus(held.amount(job, self.now.time));
        let parallel = total.minus(others).fits(spec.resources);
        // What begins together shares what is idle: after a restart nobody knows what was planned for whom.
        let share = idle.div_ceil(self.begins.max(1));
        self.begins = self.begins.saturating_sub(1);
        let parallel = parallel.max(1).min(idle).min(share).min(tasks.count);
        let free_until = match held.duty {
            Duty::Lease(Lease {
                seen: Seen::Running { started },
                run_window,
                ..
            }) if id.lease.round == 1 => rules::leave_free_by(run_window, started),
            _ => 0,
        };
        let deadline = held.duty.work_by();
        let order = Order {
            seat: id,
            tasks,
            parallel,
            keyed,
            judged,
            strict,
            spec,
            digest,
            free_until,
            deadline: deadline.saturating_sub(margin),
        };
        if let Some(held) = self.duties.get_mut(&id) {
            held.parallel = parallel;
            held.keyed = keyed;
            held.duty.set_working(true);
        }
        self.commands.push(Command::Run(order));
    }

    /// Lets more tasks of running work run at the same time, if nothing else takes the capacity: after a restart nobody knows
    /// what was planned for whom, and other work may have ended since it began.
    fn widen(&mut self, id: SeatId) {
        let waits = |id: &SeatId| {
            let held = self.duties.get(id);
            held.is_some_and(|held| held.duty.is_bonded() && !held.duty.is_working())
        };
        // What waits to run was promised more than it keeps.
        if self.sums.busy.iter().any(waits) {
            return;
        }
        let free = self.free().minus(self.trials.amount());
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        let left = held.duty.tasks().count.saturating_sub(held.done);
        let Some(Ok(spec)) = self.jobs.get(&id.lease.job).map(|job| &job.spec) else {
            return;
        };
        let more = free
            .fits(spec.resources)
            .min(left.saturating_sub(held.parallel));
        if more > 0 {
            held.parallel = held.parallel.saturating_add(more);
            self.commands.push(Command::Widen { seat: id, more });
        }
    }

    /// The key of a juror's second digest, from the seed of its jury's point.
    fn vote_key(&mut self, id: SeatId) -> Option<B256> {
        let view = &self.jobs.get(&id.lease.job)?.view;
        let place = (id.lease.first, id.lease.round, id.kind);
        let point = match view.seats.jury(place) {
            Some(jury) => jury.point,
            // It is not open yet.
            None => view.leases.get(&id.lease.first)?.point,
        };
        let waiter = Waiter::Lease(id.lease.job, Some(id.lease.first));
        let seed = self.learn_seed(point, Publish::No, true, waiter)?;
        let task = self.duties.get(&id)?.duty.tasks().first;
        let round = secret::round(self.me.chain_id, self.me.market, id);
        Some(round.vote_key(seed, task))
    }
}
