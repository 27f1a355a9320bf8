//! The machine of one chain: what happened goes in, what is to be done comes out.

mod acts;
mod agenda;
mod calls;
mod ends;
mod facts;
mod found;
mod held;
mod job;
mod juries;
mod means;
mod mind;
mod offers;
mod report;
mod room;
mod rounds;
mod seats;
mod seen;
mod sums;
mod trials;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use alloy_primitives::{Address, B256};
use piecework_core::{
    chain::IMarket,
    view::{
        Block, StoredEvent,
        lease::{Key as LeaseId, State},
        seat::{Key as SeatId, Vote},
    },
};

use crate::{
    Now,
    capacity::Amount,
    command::Command,
    duty::End,
    input::{Answer, Failure, Input, Verdict},
    intent::{Fate, Intent, IntentId, What},
    policy::{Policy, Timing},
    secret::Secret,
    take::Why,
};

use agenda::Agenda;
use facts::{Facts, Waiter};
use held::Held;
use job::Job;
use sums::Sums;
use trials::Trials;

pub use report::{DutyStatus, JobReport, Obligation};

/// Blocks whose events can still be taken back. A deeper reorganization makes the executor read the chain again.
pub const KEPT: u64 = 256;
/// Chain time, in seconds, within which a claim must be on its way.
const CLAIM_LIFE: u64 = 60;

/// Who works, and where.
#[derive(Clone, Debug)]
pub struct Me {
    /// The provider.
    pub provider: Address,
    /// The market.
    pub market: Address,
    /// The chain's id.
    pub chain_id: u64,
    /// The market's times.
    pub times: IMarket::Times,
    /// What salts are derived from.
    pub secret: Secret,
    /// Where the numbers begin that tell intents apart: random at each start.
    pub unique: u64,
}

/// What the owner set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which work to take.
    pub policy: Policy,
    /// How careful to be.
    pub timing: Timing,
    /// The whole machine, for all chains together.
    pub total: Amount,
    /// Most tasks in one lease.
    pub lease_tasks: u32,
    /// This machine's platform, in an image's words: `linux/amd64`.
    pub platform: &'static str,
}

/// An intent that is not settled.
#[derive(Clone, Debug)]
struct Pending {
    fate: Fate,
    /// Stake that it may lock.
    bond: u128,
    /// Part of the machine that its work takes.
    amount: Amount,
    /// How many tasks of it can run at the same time.
    parallel: u32,
    /// Chain time after which its work could not be in time: then it keeps no capacity.
    until: u64,
}

/// The machine of one chain.
#[derive(Debug)]
pub struct Machine {
    me: Me,
    settings: Settings,
    now: Now,
    /// What other chains take of the machine.
    elsewhere: Amount,
    head: Option<Block>,
    synced: bool,
    stopping: bool,
    disk_full: bool,
    jobs: BTreeMap<B256, Job>,
    duties: BTreeMap<SeatId, Held>,
    /// What was bound, by seat and first task. A jury that is drawn again may have another task.
    bound: BTreeMap<(SeatId, u32), Vec<Vote>>,
    /// Duties that are over: they are not found again.
    over: BTreeMap<SeatId, End>,
    intents: BTreeMap<IntentId, Pending>,
    /// Transactions, and whether this machine sent them.
    owners: BTreeMap<B256, bool>,
    facts: Facts,
    trials: Trials,
    /// Duties whose work begins in this step.
    begins: u32,
    /// Leases that are due to be settled, by job.
    due: BTreeMap<B256, Vec<SeatId>>,
    /// Leases that are settled with another one, and the intent of that.
    covered: BTreeMap<SeatId, IntentId>,
    /// Duties, by the transaction that took them.
    taken: BTreeMap<B256, SeatId>,
    /// Jobs with a lease or a seat of which is not known yet whether this machine took it.
    unowned: BTreeSet<B256>,
    /// Clients that have paid this machine.
    paid: BTreeSet<Address>,
    settled: u64,
    lost: u64,
    /// Leases with news; without a first task: all of a job.
    touched: BTreeSet<(B256, Option<u32>)>,
    /// When each duty is looked at again without news.
    duty_agenda: Agenda<SeatId>,
    /// When results of others are looked at, which may have a jury.
    jury_agenda: Agenda<(B256, u32)>,
    /// Jobs that are looked at whenever work is taken.
    eager: BTreeSet<B256>,
    /// When other jobs become eager.
    job_agenda: Agenda<B256>,
    /// When a job can be forgotten.
    forget_agenda: Agenda<B256>,
    /// Jobs with events that a reorganization could take back.
    unsettled: BTreeSet<B256>,
    sums: Sums,
    /// Every duty must be looked at.
    all: bool,
    /// Time passed.
    ticked: bool,
    /// Work may be there to take.
    offers: bool,
    /// When work was looked for last.
    offered_at: u64,
    commands: Vec<Command>,
}

impl Machine {
    /// A machine that knows nothing yet.
    #[must_use]
    pub fn new(me: Me, settings: Settings) -> Self {
        Self {
            me,
            settings,
            now: Now::default(),
            elsewhere: Amount::default(),
            head: None,
            synced: false,
            stopping: false,
            disk_full: false,
            jobs: BTreeMap::new(),
            duties: BTreeMap::new(),
            bound: BTreeMap::new(),
            over: BTreeMap::new(),
            intents: BTreeMap::new(),
            owners: BTreeMap::new(),
            facts: Facts::default(),
            trials: Trials::default(),
            begins: 0,
            due: BTreeMap::new(),
            covered: BTreeMap::new(),
            taken: BTreeMap::new(),
            unowned: BTreeSet::new(),
            paid: BTreeSet::new(),
            settled: 0,
            lost: 0,
            touched: BTreeSet::new(),
            duty_agenda: Agenda::default(),
            jury_agenda: Agenda::default(),
            eager: BTreeSet::new(),
            job_agenda: Agenda::default(),
            forget_agenda: Agenda::default(),
            unsettled: BTreeSet::new(),
            sums: Sums::default(),
            all: false,
            ticked: false,
            offers: false,
            offered_at: 0,
            commands: Vec::new(),
        }
    }

    /// Takes in what happened, and says what to do. `elsewhere` is what other chains take of the machine.
    pub fn step(
        &mut self,
        now: Now,
        elsewhere: Amount,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Vec<Command> {
        self.now = now;
        self.elsewhere = elsewhere;
        for input in inputs {
            self.take_in(input);
        }
        self.react();
        std::mem::take(&mut self.commands)
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Block { head, events } => self.block(head, events),
            Input::Rewound { to } => self.rewind(to),
            Input::Synced => {
                self.synced = true;
                self.all = true;
                self.offers = true;
            }
            Input::Intent { id, fate } => self.fate(id, fate),
            Input::Bound { seat, task, vote } => {
                self.bound.entry((seat, task)).or_default().push(vote);
            }
            Input::Over { seat, end } => {
                self.count(end);
                self.over.insert(seat, end);
            }
            Input::Paid { client } => {
                self.paid.insert(client);
            }
            Input::Tried {
                spec,
                task,
                verdict,
            } => self.tried(spec, task, verdict),
            Input::TrialFailed { spec, failure } => self.trial_failed(spec, failure),
            Input::Answer(answer) => self.answer(answer),
            Input::Prepared { job, result } => self.prepared(job, result),
            Input::TaskDone { seat } => {
                if let Some(held) = self.duties.get_mut(&seat) {
                    held.done = held.done.saturating_add(1).min(held.duty.tasks().count);
                }
            }
            Input::Worked {
                seat,
                keyed,
                result,
            } => self.worked(seat, keyed, result),
            Input::Served { seat, reach } => {
                if let Some(held) = self.duties.get_mut(&seat) {
                    held.serving = None;
                    held.served = held.served.max(Some(reach));
                    self.touch(seat.lease.job, Some(seat.lease.first));
                }
            }
            Input::Missing { seat } => self.missing(seat),
            Input::DiskFull(full) => {
                self.disk_full = full;
                self.offers = true;
            }
            Input::Stop => self.stopping = true,
            Input::Tick => self.ticked = true,
        }
    }

    fn block(&mut self, head: Block, events: Vec<StoredEvent>) {
        self.head = Some(head);
        for event in events {
            if let Some((job, first)) = self.see(event) {
                self.touch(job, first);
                self.offers = true;
            }
        }
        let settled: Vec<B256> = self
            .unsettled
            .iter()
            .filter(|id| {
                let job = self.jobs.get_mut(*id);
                job.is_none_or(|job| job.settle(head.number))
            })
            .copied()
            .collect();
        for id in settled {
            self.unsettled.remove(&id);
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
        let (first, provider) = job.see(event);
        let is_ours = provider == Some(self.me.provider)
            || first.is_some_and(|first| self.has_duty(id, first));
        if is_ours {
            self.facts.stake_is_stale();
        }
        self.unsettled.insert(id);
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
    fn wake(&mut self, id: B256) {
        self.job_agenda.remove(id);
        self.eager.insert(id);
    }

    /// A job is not worth a look before this time of the chain, unless something happens.
    fn sleep(&mut self, id: B256, until: u64, why: Why) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.why = Some(why);
        }
        self.eager.remove(&id);
        self.job_agenda.set(id, until);
    }

    fn rewind(&mut self, to: u64) {
        if let Some(head) = &mut self.head {
            head.number = head.number.min(to);
        }
        let mut gone = Vec::new();
        for id in self.unsettled.clone() {
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

    fn fate(&mut self, id: IntentId, fate: Fate) {
        if let Fate::Mined { tx, .. } = fate {
            self.owners.insert(tx, true);
        }
        self.touch_what(id.what);
        self.offers = true;
        if fate == Fate::Failed {
            if self.intents.remove(&id).is_some() {
                self.came_to_nothing(id);
            }
            return;
        }
        let restored = self.restored(id, fate);
        let pending = self.intents.entry(id).or_insert(restored);
        pending.fate = fate;
    }

    /// What is kept for an intent of before the start: of a claim whose job is known, the capacity of one task. What a claim
    /// got that is on its way again has its own.
    fn restored(&self, id: IntentId, fate: Fate) -> Pending {
        let claims = id.what.binds() && !self.synced;
        let job = id.what.job().filter(|_| claims);
        let job = job.and_then(|job| self.jobs.get(&job));
        let (amount, window) = match job {
            Some(job) => {
                let spec = job.spec.as_deref();
                let amount = spec.map(|spec| Amount::of(spec.resources, 1));
                (amount.unwrap_or_default(), job.job.timing.runWindow)
            }
            None => (Amount::default(), 0),
        };
        let until = self.now.time.saturating_add(CLAIM_LIFE);
        Pending {
            fate,
            bond: 0,
            amount,
            parallel: 1,
            until: until.saturating_add(window),
        }
    }

    /// Drops intents whose block was read: what they changed is in the events by now.
    fn settle_intents(&mut self) {
        let head = self.head.map_or(0, |head| head.number);
        let read: Vec<IntentId> = self
            .intents
            .iter()
            .filter(
                |(_, pending)| matches!(pending.fate, Fate::Mined { block, .. } if block <= head),
            )
            .map(|(id, _)| *id)
            .collect();
        for id in read {
            let Some(pending) = self.intents.remove(&id) else {
                continue;
            };
            if id.what.binds() {
                if let Fate::Mined { tx, .. } = pending.fate {
                    self.inherit(tx, &pending);
                }
            } else {
                // If it changed nothing, it is asked for again in a while.
                self.rest(id);
            }
        }
    }

    /// The lease that an intent is about has news.
    fn touch_what(&mut self, what: What) {
        if let Some(lease) = what.lease() {
            self.touch(lease.job, Some(lease.first));
        }
    }

    fn touch(&mut self, job: B256, first: Option<u32>) {
        self.touched.insert((job, first));
    }

    fn is_final(&self, block: u64) -> bool {
        let head = self.head.map_or(0, |head| head.number);
        head >= block.saturating_add(self.settings.timing.confirmations)
    }

    fn is_open(&self, what: What) -> bool {
        let from = IntentId { what, unique: 0 };
        let to = IntentId {
            what,
            unique: u64::MAX,
        };
        self.intents.range(from..=to).next().is_some()
    }

    fn unique(&mut self) -> u64 {
        self.me.unique = self.me.unique.wrapping_add(1);
        self.me.unique
    }

    fn send(&mut self, intent: Intent, pending: Pending) {
        self.intents.insert(intent.id, pending);
        self.commands.push(Command::Send(intent));
    }

    fn count(&mut self, end: End) {
        match end {
            End::Paid => self.settled = self.settled.saturating_add(1),
            End::Lost => self.lost = self.lost.saturating_add(1),
            End::Released | End::Vanished => {}
        }
    }

    fn react(&mut self) {
        let ticked = std::mem::take(&mut self.ticked);
        if ticked || self.all {
            // Whose they are is asked until it is answered.
            for job in std::mem::take(&mut self.unowned) {
                self.touched.insert((job, None));
            }
        }
        self.discover();
        self.settle_intents();
        let looks = self.looks();
        for id in &looks {
            self.refresh_duty(*id);
        }
        self.mind_duties(&looks);
        self.mind_trials();
        let time = self.now.time;
        self.forget(time);
        for job in self.job_agenda.take(time) {
            self.eager.insert(job);
        }
        let offers = std::mem::take(&mut self.offers);
        if offers || (ticked && time != self.offered_at) {
            self.offered_at = time;
            self.ask_for_stake();
            self.take_work();
        }
    }

    /// The duties that have news, or whose time has come.
    fn looks(&mut self) -> BTreeSet<SeatId> {
        let touched = std::mem::take(&mut self.touched);
        let due = self.duty_agenda.take(self.now.time);
        if std::mem::take(&mut self.all) {
            return self.duties.keys().copied().collect();
        }
        let mut looks: BTreeSet<SeatId> = due.into_iter().collect();
        for (job, first) in touched {
            let (from, to) = match first {
                Some(first) => (first, first),
                None => (0, u32::MAX),
            };
            let at = |first, round, kind| SeatId {
                lease: LeaseId { job, first, round },
                kind,
            };
            let range = at(from, 0, 0)..=at(to, u16::MAX, u8::MAX);
            looks.extend(self.duties.range(range).map(|(id, _)| *id));
        }
        looks.retain(|id| self.duties.contains_key(id));
        looks
    }

    fn answer(&mut self, answer: Answer) {
        if let Answer::Publication { point, call } = &answer
            && let Some((to, data)) = call.clone()
            && self.facts.seed(*point).is_none()
        {
            self.publish(*point, to, data);
        }
        if let Answer::Owner { tx, ours } = &answer {
            self.owners.insert(*tx, *ours);
        }
        let waiters = self.facts.waiters(answer.topic());
        let numbered = self.facts.stake().map(|stake| stake.number);
        let head = self.head.map_or(0, |head| head.number);
        self.facts.learn(answer, self.now, head);
        if self.facts.stake().map(|stake| stake.number) != numbered {
            // Seats that were closed are known by the number.
            self.all = true;
        }
        for waiter in waiters {
            match waiter {
                Waiter::Lease(job, first) => self.touch(job, first),
                Waiter::Jury(job, first) => {
                    self.jury_agenda.set((job, first), 0);
                    self.offers = true;
                }
                Waiter::Job(job) => {
                    self.wake(job);
                    self.offers = true;
                }
                Waiter::Offers => self.offers = true,
            }
        }
    }

    fn worked(&mut self, seat: SeatId, keyed: Option<B256>, result: Result<Vote, Failure>) {
        let bound = self.bound_to(seat);
        let Some(held) = self.duties.get_mut(&seat) else {
            return;
        };
        held.worked(keyed, result, bound);
        for kind in 1..=2 {
            // Our leaf can be had now.
            self.facts.forget_leaf(SeatId { kind, ..seat });
        }
        self.touch(seat.lease.job, Some(seat.lease.first));
        self.offers = true;
    }

    /// What a duty was bound to last.
    fn bound_to(&self, seat: SeatId) -> Option<Vote> {
        let task = self.duties.get(&seat)?.duty.tasks().first;
        self.bound.get(&(seat, task))?.last().copied()
    }

    fn tried(&mut self, spec: B256, task: u32, verdict: Verdict) {
        self.trial_over(spec);
        self.trials.learn(spec, task, verdict);
        let of_spec = self.jobs.iter().filter(|(_, job)| job.digest() == spec);
        let of_spec: Vec<B256> = of_spec.map(|(id, _)| *id).collect();
        for id in of_spec {
            self.wake(id);
        }
        self.offers = true;
    }
}
