//! Duties: found in events, compared with what should be going on, ended.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use piecework_core::{
    rules,
    view::{
        JobView,
        lease::{Key as LeaseId, LeaseView, Roots, State},
        seat::{End as SeenEnd, Key as SeatId, Mine, Round, Vote},
    },
};

use super::{
    Job, Machine, Pending,
    facts::{Publish, Waiter},
    sums::Part,
};
use crate::{
    capacity::Amount,
    command::{Command, Order, Over},
    duty::{
        Act, Desired, End, Lease, Owed, Reach, Seat, Work,
        lease::{Audit, Seen},
        seat::Tasks,
    },
    input::Failure,
    intent::{Fate, Intent, IntentId, What},
    secret,
    take::net,
};

/// Longest pause after an act came to nothing: 1 second, doubled so often.
const LONGEST_PATIENCE: u32 = 5;
/// Seconds after which the end of a duty no longer waits for its outputs to be served.
const SERVE_BY: u64 = 600;

/// A lease, or a seat.
#[derive(Clone, Copy, Debug)]
pub(super) enum Duty {
    Lease(Lease),
    Seat(Seat),
}

impl Duty {
    pub(super) fn tasks(&self) -> Tasks {
        match self {
            Self::Lease(lease) => Tasks {
                first: lease.id.first,
                count: lease.count,
            },
            Self::Seat(seat) => seat.tasks,
        }
    }

    pub(super) fn bond(&self) -> u128 {
        match self {
            Self::Lease(lease) => lease.bond,
            Self::Seat(seat) => seat.bond,
        }
    }

    pub(super) fn is_bonded(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.is_bonded(),
            Self::Seat(seat) => seat.is_bonded(),
        }
    }

    pub(super) fn is_prospect(&self) -> bool {
        matches!(self, Self::Seat(Seat { prospect: true, .. }))
    }

    pub(super) fn desired(&self, now: u64, margin: u64) -> Desired {
        match self {
            Self::Lease(lease) => lease.desired(now, margin),
            Self::Seat(seat) => seat.desired(now, margin),
        }
    }

    fn is_undone(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.work.is_undone(),
            Self::Seat(seat) => seat.work.is_undone(),
        }
    }

    fn is_absent(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.seen == Seen::Absent,
            Self::Seat(seat) => seat.mine == Mine::Absent,
        }
    }

    /// Whether it could still have to work: then it keeps capacity.
    fn may_work(&self, now: u64) -> bool {
        matches!(self, Self::Lease(lease) if lease.missing)
            || self.is_undone()
            && match self {
                Self::Lease(lease) => match lease.seen {
                    Seen::Running { .. } => lease.deadline().is_some_and(|by| now <= by),
                    Seen::Absent => lease.working,
                    _ => false,
                },
                Self::Seat(seat) => match seat.mine {
                    Mine::Joined | Mine::Committed => now <= seat.work_by(),
                    Mine::Absent => seat.working || seat.prospect,
                    _ => seat.working,
                },
            }
    }

    /// Last second in which its work helps.
    fn work_by(&self) -> u64 {
        match self {
            Self::Lease(lease) => lease.work_by(),
            Self::Seat(seat) => seat.work_by(),
        }
    }

    fn set_working(&mut self, working: bool) {
        match self {
            Self::Lease(lease) => lease.working = working,
            Self::Seat(seat) => seat.working = working,
        }
    }

    pub(super) fn is_working(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.working,
            Self::Seat(seat) => seat.working,
        }
    }
}

/// A duty of ours.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) duty: Duty,
    /// The transaction that took it; none of a seat that is worked for.
    pub(super) tx: Option<B256>,
    /// Block in which the chain's word of it last changed.
    since: u64,
    /// How many of its tasks may run at the same time.
    pub(super) parallel: u32,
    /// Acts that came to nothing.
    tries: u32,
    /// Chain time until which nothing is sent for it.
    rest_until: u64,
    pub(super) served: Option<Reach>,
    pub(super) serving: Option<Reach>,
    /// The key under which a juror works, or has worked.
    keyed: Option<B256>,
    /// Tasks that have an outcome.
    pub(super) done: u32,
    /// Why its work cannot be done here.
    pub(super) why: Option<String>,
    /// Chain time of its end, while that is not final.
    ended_at: Option<u64>,
}

impl Held {
    pub(super) fn new(duty: Duty, tx: Option<B256>) -> Self {
        Self {
            duty,
            tx,
            since: u64::MAX,
            parallel: 1,
            tries: 0,
            rest_until: 0,
            served: None,
            serving: None,
            keyed: None,
            done: 0,
            why: None,
            ended_at: None,
        }
    }

    /// Takes in what came of its work. Whatever it was bound to before stays its result.
    pub(super) fn worked(
        &mut self,
        keyed: Option<B256>,
        result: Result<Vote, Failure>,
        bound: Option<Vote>,
    ) {
        self.duty.set_working(false);
        match &mut self.duty {
            Duty::Lease(lease) if lease.missing => {
                lease.missing = false;
                (self.served, self.serving) = (None, None);
                match result {
                    Ok(vote) if lease.work.is_undone() => {
                        lease.work = Work::Done(Roots {
                            root: vote.value,
                            list: vote.proof,
                        });
                    }
                    Ok(_) => {}
                    Err(failure) => self.why = Some(failure.why),
                }
            }
            Duty::Lease(lease) => match result {
                Ok(vote) if bound.is_some_and(|bound| bound.value != vote.value) => {
                    self.why = Some("another result of it was bound before".to_owned());
                    lease.work = Work::Failed;
                }
                Ok(vote) if lease.work.is_undone() => {
                    lease.work = Work::Done(Roots {
                        root: vote.value,
                        list: vote.proof,
                    });
                }
                Ok(_) => {}
                Err(failure) => {
                    self.why = Some(failure.why);
                    lease.work = Work::Failed;
                }
            },
            Duty::Seat(seat) => {
                if seat.is_jurors() && self.keyed != keyed {
                    // A reorganization drew the jury again: what is keyed with the old seed is no vote.
                    return;
                }
                match result {
                    Ok(vote) if bound.is_some_and(|bound| bound.value != vote.value) => {
                        self.why = Some("another vote of it was bound before".to_owned());
                        seat.work = Work::Failed;
                    }
                    Ok(vote) if seat.work.is_undone() => seat.work = Work::Done(vote),
                    Ok(_) => {}
                    Err(failure) => {
                        let abstains = failure.of_the_input || failure.unsure;
                        self.why = Some(failure.why);
                        // A juror that has a seat abstains; one that has none does not come.
                        let joined = seat.mine == Mine::Joined;
                        seat.work = match seat.is_jurors() && joined && abstains {
                            true => Work::Done(Vote::default()),
                            false => Work::Failed,
                        };
                    }
                }
            }
        }
    }

    /// What unfinished work keeps of the machine.
    pub(super) fn amount(&self, job: &Job, now: u64) -> Amount {
        match &job.spec {
            Ok(spec) if self.duty.may_work(now) => {
                Amount::of(spec.resources, self.parallel.max(1))
            }
            _ => Amount::default(),
        }
    }
}

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

    /// Shows the chain's word to a duty.
    pub(super) fn refresh_duty(&mut self, id: SeatId) {
        let head = self.head.map_or(0, |head| head.number);
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        let tx = held.tx;
        let (duty, block) = match held.duty {
            Duty::Lease(lease) => {
                let (seen, block) = self.seen(id.lease, tx);
                (Duty::Lease(Lease { seen, ..lease }), block)
            }
            Duty::Seat(seat) => self.seen_seat(seat, tx),
        };
        let Some(held) = self.duties.get_mut(&id) else {
            return;
        };
        let was_absent = held.duty.is_absent() && held.since != u64::MAX;
        held.duty = duty;
        held.since = match block {
            Some(block) => block,
            // It is gone since now, or since before.
            None if was_absent => held.since,
            None => head,
        };
        self.recount(id);
    }

    /// Takes a duty's present part into the sums.
    fn recount(&mut self, id: SeatId) {
        let now = self.now.time;
        let part = self.duties.get(&id).and_then(|held| {
            let client = self.jobs.get(&id.lease.job)?.job.terms.client;
            let duty = &held.duty;
            let prospect = match duty.is_prospect() {
                true => duty.bond(),
                false => 0,
            };
            Some(Part {
                bonded: duty.is_bonded().then(|| (client, duty.bond())),
                prospect,
                busy: duty.may_work(now) || duty.is_working(),
            })
        });
        self.sums.set(id, part.unwrap_or_default());
    }

    /// What the chain says of one round of a lease, and since which block.
    fn seen(&mut self, id: LeaseId, tx: Option<B256>) -> (Seen, Option<u64>) {
        let absent = (Seen::Absent, None);
        let Some(job) = self.jobs.get(&id.job) else {
            return absent;
        };
        let Some(lease) = job.view.leases.get(&id.first).copied() else {
            return absent;
        };
        let ours = lease.provider == self.me.provider && tx == Some(lease.claim_tx);
        let seen = match lease.state {
            // A later round: ours was freed, by its taker.
            _ if lease.round > id.round => Seen::Lost,
            _ if lease.round < id.round || !ours => return absent,
            State::Running => Seen::Running { started: lease.at },
            State::Submitted | State::Undecided => Seen::Submitted {
                from: self.final_from(id, &lease),
            },
            State::Audited(jury) => {
                let place = (id.first, id.round, jury);
                let (me, times) = (self.me.provider, &self.me.times);
                let found = job.view.seats.round(place, me, times);
                match found {
                    Some((_, votes)) => Seen::Audited(Audit {
                        jury,
                        votes,
                        leaf_by: job.view.seats.jury(place).and_then(|jury| jury.leaf_by),
                    }),
                    None => Seen::Submitted { from: u64::MAX },
                }
            }
            State::Settled => Seen::Settled,
            State::Void | State::Freed | State::Refunded => Seen::Lost,
        };
        (seen, Some(lease.block))
    }

    /// From when on a submitted lease can be finalized: at once if chance says that it is not audited, otherwise when the
    /// time for juries is over.
    fn final_from(&mut self, id: LeaseId, lease: &LeaseView) -> u64 {
        let Some(job) = self.jobs.get(&id.job) else {
            return u64::MAX;
        };
        let (audit_bps, window) = (job.job.assurance.auditBps, job.job.timing.auditWindow);
        let waiter = Waiter::Lease(id.job, Some(id.first));
        if lease.state == State::Undecided {
            self.learn_seed(lease.point, Publish::No, false, waiter);
            let time = self.facts.point(lease.point).map(|point| point.time);
            let due = time.unwrap_or(u64::MAX).saturating_add(self.me.times.retryWindow);
            return due.saturating_add(1);
        }
        // A result that may still be reorganized away has no coin yet.
        let publish = match self.is_settled(lease.submitted_block) {
            true => Publish::Now,
            false => Publish::No,
        };
        let seed = self.learn_seed(lease.point, publish, false, waiter);
        let seed = seed.filter(|_| self.is_final(lease.submitted_block));
        let round = secret::round(
            self.me.chain_id,
            self.me.market,
            SeatId { lease: id, kind: 0 },
        );
        match seed.map(|seed| round.is_audited(seed, audit_bps)) {
            Some(false) => 0,
            _ => lease.at.saturating_add(window).saturating_add(1),
        }
    }

    /// Whether a block is not going to be reorganized away soon. A seed must be published within 256 blocks, however late a
    /// block is final for us.
    fn is_settled(&self, block: u64) -> bool {
        const SETTLED: u64 = 64;
        let head = self.head.map_or(0, |head| head.number);
        let confirmations = self.settings.timing.confirmations.min(SETTLED);
        head >= block.saturating_add(confirmations)
    }

    /// What the chain says of a seat, and since which block.
    fn seen_seat(&mut self, seat: Seat, tx: Option<B256>) -> (Duty, Option<u64>) {
        let id = seat.id;
        let place = (id.lease.first, id.lease.round, id.kind);
        let me = self.me.provider;
        let number = self.facts.stake().map_or(0, |stake| stake.number);
        let absent = |round: Round| {
            let mine = Mine::Absent;
            (Duty::Seat(Seat { mine, round, ..seat }), None)
        };
        let Some(job) = self.jobs.get(&id.lease.job) else {
            return absent(seat.round);
        };
        let Some((panel, round)) = job.view.seats.round(place, me, &self.me.times) else {
            return absent(Round {
                // A job that was cancelled begins no round.
                closed: job.view.cancelled && !seat.is_jurors(),
                ..seat.round
            });
        };
        let taken = panel.seat_of(me).map(|taken| taken.tx);
        if taken.is_some_and(|taken| Some(taken) != tx) {
            // Another of our machines has the seat.
            let closed = true;
            return absent(Round { closed, ..round });
        }
        let closed = round.closed || (job.view.cancelled && !round.begun);
        let round = Round { closed, ..round };
        let (mine, block) = panel.mine(me, number);
        match mine {
            // It was left once, and is to be taken again.
            Mine::Closed(SeenEnd::Vanished) | Mine::Absent if seat.prospect => absent(round),
            Mine::Absent => absent(round),
            mine => {
                // Once it is taken it is no prospect, whatever a reorganization says.
                let prospect = false;
                let seat = Seat {
                    mine,
                    round,
                    prospect,
                    ..seat
                };
                (Duty::Seat(seat), Some(block))
            }
        }
    }

    /// Compares what should be going on with what is, for all duties that have news, or for which time passed.
    pub(super) fn mind_duties(&mut self, looks: &BTreeSet<SeatId>) {
        let looks = looks.iter().filter_map(|id| {
            let held = self.duties.get(id)?;
            Some((held.duty.work_by(), *id))
        });
        let mut ids: Vec<(u64, SeatId)> = looks.collect();
        // Where there is not enough capacity for all, the soonest deadline comes first.
        ids.sort_unstable();
        for (_, id) in ids {
            self.mind_duty(id);
        }
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
        let desired = held.duty.desired(now, margin);
        if let Some(reach) = desired.serve.filter(|reach| held.served < Some(*reach))
            && held.serving.is_none_or(|serving| serving < reach)
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
        let keyed = match id.is_jurors() {
            true => self.vote_key(id),
            false => None,
        };
        if working && id.is_jurors() && keyed.is_some() {
            let same = self.duties.get(&id).is_some_and(|held| held.keyed == keyed);
            if !same {
                // A reorganization drew the jury again.
                self.commands.push(Command::StopWork { seat: id });
                self.run(id, keyed);
            }
            return;
        }
        if !working && wanted && (keyed.is_some() || !id.is_jurors()) {
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
        let parallel = parallel.max(1).min(idle).min(tasks.count);
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

    fn mind_act(&mut self, id: SeatId, act: Act, owed: Option<Owed>) {
        let what = match (act, self.duties.get(&id).map(|held| &held.duty)) {
            (Act::Submit(_), _) => What::Submit(id.lease),
            (Act::Leave, Some(Duty::Lease(_))) => What::Leave(id.lease),
            (Act::Leave, _) => What::LeaveSeat(id),
            (Act::Finalize, _) => What::Finalize(id.lease),
            (Act::Expire, _) => What::Expire(id.lease),
            (Act::Judge(jury), _) => What::Judge(SeatId {
                lease: id.lease,
                kind: jury,
            }),
            (Act::Commit(_), _) => What::Commit(id),
            (Act::Open, _) => What::Open(id),
            (Act::Settle, _) => What::Settle(id),
        };
        let Some(held) = self.duties.get(&id) else {
            return;
        };
        // Before the chain is read to its end, only what cannot be too early is sent.
        let is_early = !self.synced && !matches!(act, Act::Submit(_) | Act::Commit(_));
        if is_early || self.now.time < held.rest_until || self.is_open(what) {
            return;
        }
        let tasks = held.duty.tasks();
        let Some(data) = self.call_of(id, act) else {
            return;
        };
        if let Act::Submit(Roots { root: value, list: proof })
        | Act::Commit(Vote { value, proof }) = act
        {
            // Nothing that binds stake is signed before it is written down.
            let vote = Vote { value, proof };
            let votes = self.bound.entry((id, tasks.first)).or_default();
            if !votes.contains(&vote) {
                votes.push(vote);
            }
            self.commands.push(Command::Bind {
                seat: id,
                tasks,
                vote,
            });
        }
        let unique = self.unique();
        let intent = Intent {
            id: IntentId { what, unique },
            to: None,
            data,
            not_after: None,
            deadline: owed.map(|owed| owed.until),
            at_stake: owed.map_or(0, |owed| owed.at_stake),
        };
        let pending = Pending {
            fate: Fate::Open,
            bond: 0,
            amount: Amount::default(),
            parallel: 0,
            until: 0,
        };
        self.send(intent, pending);
    }

    /// The outputs of a duty are not here, and somebody may need them.
    pub(super) fn missing(&mut self, id: SeatId) {
        if let Some(held) = self.duties.get_mut(&id) {
            held.serving = None;
            if let Duty::Lease(lease) = &mut held.duty {
                lease.missing = true;
            }
            self.touch(id.lease.job, Some(id.lease.first));
        }
    }

    /// A transaction that will not happen, or that changed nothing.
    pub(super) fn rest(&mut self, what: What) {
        let time = self.now.time;
        let Some(id) = seat_of(what) else {
            return;
        };
        if let Some(held) = self.duties.get_mut(&id) {
            // A refusal often comes from a state of the chain that passes: a moment's patience, and more if it does not.
            let patience = 1u64 << held.tries.min(LONGEST_PATIENCE);
            held.tries = held.tries.saturating_add(1);
            held.rest_until = time.saturating_add(patience);
            self.touch(id.lease.job, Some(id.lease.first));
        }
    }

    pub(super) fn came_to_nothing(&mut self, what: What) {
        self.rest(what);
        match what {
            What::Commit(id) => {
                // Others were quicker.
                if let Some(Held {
                    duty: Duty::Seat(seat),
                    ..
                }) = self.duties.get_mut(&id)
                {
                    seat.prospect = false;
                }
            }
            What::Claim { .. } | What::Takeover(_) | What::Join(_) | What::Renew(_)
            | What::EndLapsed(_) => self.claim_lost(what),
            _ => {}
        }
    }

    fn mind_end(&mut self, id: SeatId, end: End, desired: &Desired) {
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
            self.count(end);
            self.over.insert(id, end);
        }
        let job = self.jobs.get(&id.lease.job);
        if let (End::Paid, Some(job)) = (end, job) {
            self.paid.insert(job.job.terms.client);
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
                end,
                why,
                lost,
            }));
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

    /// What unfinished duties and open claims take of the machine.
    #[must_use]
    pub fn used(&self) -> Amount {
        let now = self.now.time;
        let duties = self.sums.busy.iter().filter_map(|id| {
            let (held, job) = (self.duties.get(id)?, self.jobs.get(&id.lease.job)?);
            Some(held.amount(job, now))
        });
        let claims = self.intents.values();
        let claims = claims.filter(|pending| now <= pending.until);
        duties
            .chain(claims.map(|pending| pending.amount))
            .fold(Amount::default(), Amount::plus)
    }

    /// What runs now.
    #[must_use]
    pub fn running(&self) -> Amount {
        let now = self.now.time;
        let amounts = self.sums.busy.iter().filter_map(|id| {
            let (held, job) = (self.duties.get(id)?, self.jobs.get(&id.lease.job)?);
            held.duty.is_working().then(|| held.amount(job, now))
        });
        amounts.fold(Amount::default(), Amount::plus)
    }

    /// What nothing bonded takes of the machine.
    pub(super) fn free(&self) -> Amount {
        let total = self.settings.total.minus(self.elsewhere);
        total.minus(self.used())
    }

    /// The jobs whose image, input or results are needed here.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<B256> {
        let duties = self.duties.iter().filter(|(_, held)| {
            held.duty.is_undone() || held.served.is_none()
        });
        let claims = self.intents.keys().filter(|id| id.what.binds());
        let eager = self.eager.iter();
        let wanted = eager.filter_map(|id| Some((id, self.jobs.get(id)?)));
        let wanted = wanted.filter(|(_, job)| {
            matches!(
                job.ready,
                super::job::Ready::Working | super::job::Ready::Yes
            )
        });
        duties
            .map(|(id, _)| id.lease.job)
            .chain(claims.filter_map(|id| id.what.job()))
            .chain(wanted.map(|(id, _)| *id))
            .chain(self.trials.jobs())
            .collect()
    }
}

/// When a duty is looked at again without news, in the chain's time.
fn look_at(duty: &Duty, now: u64, has_seed: bool) -> u64 {
    /// Seconds between two looks at a duty that waits for a seed, or for a block to be final.
    const WAITS: u64 = 5;
    let soon = match duty {
        Duty::Lease(lease) => match lease.seen {
            Seen::Submitted { from } if from > now && !lease.missing => match has_seed {
                true => return from,
                false => WAITS.min(from - now),
            },
            Seen::Settled | Seen::Lost => WAITS,
            _ => 1,
        },
        Duty::Seat(seat) => match seat.mine {
            Mine::Closed(_) => WAITS,
            _ => 1,
        },
    };
    now.saturating_add(soon)
}

/// The duty that an intent is about.
fn seat_of(what: What) -> Option<SeatId> {
    match what {
        What::Submit(lease) | What::Leave(lease) | What::Finalize(lease) | What::Expire(lease) => {
            Some(SeatId { lease, kind: 0 })
        }
        // It is the lease's whose result is judged.
        What::Judge(seat) => Some(SeatId {
            lease: seat.lease,
            kind: 0,
        }),
        What::Commit(seat) | What::Open(seat) | What::Settle(seat) | What::LeaveSeat(seat) => {
            Some(seat)
        }
        What::Claim { .. }
        | What::Takeover(_)
        | What::Join(_)
        | What::Renew(_)
        | What::EndLapsed(_)
        | What::Publish { .. } => None,
    }
}

fn burned_of_lease(view: &JobView, id: LeaseId) -> Option<u128> {
    view.burned.get(&(id.first, id.round)).copied()
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
