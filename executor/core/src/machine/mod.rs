//! The machine of one chain: what happened goes in, what is to be done comes out.

mod acts;
mod agenda;
mod batch;
mod calls;
mod candidate;
mod chain;
mod ends;
mod facts;
mod found;
mod held;
mod intents;
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

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use piecework_core::{
    chain::IMarket,
    view::{
        Block,
        lease::Key as LeaseId,
        seat::{Key as SeatId, Vote},
    },
};

use crate::{
    Now,
    capacity::Amount,
    command::Command,
    duty::End,
    input::{Answer, Failure, Input, Verdict},
    intent::{IntentId, What},
    policy::{Policy, Timing},
    secret::Secret,
};

use agenda::Agenda;
use batch::Ready;
use facts::{Facts, Waiter};
use held::Held;
use intents::{CLAIM_LIFE, Pending};
use job::Job;
use sums::Sums;
use trials::Trials;

pub use report::{DutyStatus, JobReport, Obligation, Watch};

/// Blocks whose events can still be taken back. A deeper reorganization makes the executor read the chain again.
pub const KEPT: u64 = 256;
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
    /// Jobs whose image and input are being fetched before a lease of them is claimed, and since when, in local time.
    preparing: BTreeMap<B256, u64>,
    /// Calls that are sent at the end of this step.
    ready: Vec<Ready>,
    /// Leases that can be settled, and since when.
    ripe: BTreeMap<SeatId, u64>,
    /// What the transaction of an intent does besides what its name says.
    covered: BTreeMap<What, IntentId>,
    /// Duties, by the transaction that took them.
    taken: BTreeMap<B256, SeatId>,
    /// Jobs with a lease or a seat of which is not known yet whether this machine took it.
    unowned: BTreeSet<B256>,
    /// Clients that have paid this machine.
    paid: BTreeSet<Address>,
    /// The number of the last claim in each client's turn, of all claims since the start.
    served: BTreeMap<Option<Address>, u64>,
    claims: u64,
    settled: u64,
    lost: u64,
    /// Leases with news; without a first task: all of a job.
    touched: BTreeSet<(B256, Option<u32>)>,
    /// The time of the next look at each duty, if no news of it comes before.
    duty_agenda: Agenda<SeatId>,
    /// When results of others are looked at, which may have a jury.
    jury_agenda: Agenda<(B256, u32)>,
    /// Jobs that are looked at whenever work is taken.
    eager: BTreeSet<B256>,
    /// When other jobs become eager.
    job_agenda: Agenda<B256>,
    /// When a job can be forgotten.
    forget_agenda: Agenda<B256>,
    /// Jobs with events that a reorganization could take back, and the head from which on it cannot.
    settle_agenda: Agenda<B256>,
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

/// Seconds of chain time after which work that failed may be begun again.
const AFTER_FAILED_WORK: u64 = 5;

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
            preparing: BTreeMap::new(),
            ready: Vec::new(),
            ripe: BTreeMap::new(),
            covered: BTreeMap::new(),
            taken: BTreeMap::new(),
            unowned: BTreeSet::new(),
            paid: BTreeSet::new(),
            served: BTreeMap::new(),
            claims: 0,
            settled: 0,
            lost: 0,
            touched: BTreeSet::new(),
            duty_agenda: Agenda::default(),
            jury_agenda: Agenda::default(),
            eager: BTreeSet::new(),
            job_agenda: Agenda::default(),
            forget_agenda: Agenda::default(),
            settle_agenda: Agenda::default(),
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
                self.count(end, 1);
                self.over.insert(seat, end);
            }
            Input::Forgotten { end, duties } => self.count(end, duties),
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

    fn touch(&mut self, job: B256, first: Option<u32>) {
        self.touched.insert((job, first));
    }

    fn is_final(&self, block: u64) -> bool {
        let head = self.head.map_or(0, |head| head.number);
        head >= block.saturating_add(self.settings.timing.confirmations)
    }

    fn count(&mut self, end: End, duties: u64) {
        match end {
            End::Paid => self.settled = self.settled.saturating_add(duties),
            End::Lost => self.lost = self.lost.saturating_add(duties),
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
        if result.is_err() {
            held.work_after = self.now.time.saturating_add(AFTER_FAILED_WORK);
        }
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
