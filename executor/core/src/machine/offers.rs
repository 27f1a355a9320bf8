//! New work: what is open, what of it is worth taking, and in which order it is taken.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::IMarket,
    rules::{self, JURY},
    view::{
        lease::{Key as LeaseId, LeaseView, State},
        seat::{End as SeenEnd, Key as SeatId, Mine, Over},
    },
};

use super::{
    CLAIM_LIFE, Job, Machine, Pending,
    facts::{Publish, Waiter, turn_of},
    job::Ready,
    trials::Trying,
};
use crate::{
    capacity::Amount,
    command::Command,
    duty::seat::Tasks,
    input::{Failure, Question, Word},
    intent::{Fate, Intent, IntentId, What},
    secret,
    take::{
        self, Cost, Decision, Means, Why,
        rank::{self, Bid},
        seats::{self, Place},
    },
};

/// Leases of one job that are looked at together, from the first on: all providers look at the same ones, so that rounds
/// find their seats.
const WINDOW: usize = 32;
/// Questions about calls that wait for an answer at the same time.
const QUESTIONS: usize = 16;
/// How long, in milliseconds, the market's "yes" counts.
const FRESH: u64 = 3_000;
/// Milliseconds after which the market is asked again after a refusal.
const PAUSE: u64 = 1_000;
/// Milliseconds for which a job is left alone after a claim was refused: others were quicker, most likely.
const AFTER_REFUSAL: u64 = 500;
/// Milliseconds in a turn: executors do not all send at once what anyone may send.
const TURN: u64 = 2_000;
/// Seconds, at least, in which those who sat in a round that lapsed are let end it.
const LET_HOLDERS: u64 = 10;
/// Work that takes no longer, in seconds, is done before its seat is taken, with one transaction less.
const SHORT: u64 = 60;

/// A seat that could be taken.
#[derive(Clone, Copy, Debug)]
struct Open {
    id: SeatId,
    place: Place,
    tasks: Tasks,
    /// The point that draws it; 0 where nobody is drawn.
    point: u64,
    /// Last second to take it.
    by: u64,
}

/// Work that could be taken.
#[derive(Clone, Copy, Debug)]
enum Candidate {
    Claim(B256),
    Takeover(LeaseId),
    Seat(Open),
}

impl Candidate {
    fn job(&self) -> B256 {
        match self {
            Self::Claim(job) => *job,
            Self::Takeover(lease) => lease.job,
            Self::Seat(open) => open.id.lease.job,
        }
    }
}

/// What there is to do in a redundant job.
#[derive(Default)]
struct Found {
    /// Leases with a seat that we could take: first those whose round has begun.
    open: Vec<Open>,
    /// Rounds in which too few committed, and that nobody ended.
    lapsed: Vec<SeatId>,
    /// When the next one of these could be found.
    next_lapse: u64,
}

impl Machine {
    /// Looks at every open job, and takes what is worth it, the best first.
    pub(super) fn take_work(&mut self) {
        if !self.synced || self.stopping || self.disk_full || !self.facts.knows_stake() {
            return;
        }
        if self.has_enough() {
            return;
        }
        let ids: Vec<B256> = self.eager.iter().copied().collect();
        let mut bids = Vec::new();
        for id in ids {
            self.offers_of(id, &mut bids);
        }
        self.juries(&mut bids);
        let plain: Vec<Bid> = bids.iter().map(|(bid, _)| *bid).collect();
        let held = self.held_by_clients();
        let order = rank::order(&plain, self.settings.total, |client| {
            held.iter()
                .filter(|(other, _)| *other == client)
                .map(|(_, share)| *share)
                .sum()
        });
        for place in order {
            let Some((bid, candidate)) = bids.get(place).copied() else {
                continue;
            };
            if self.has_enough() {
                self.why(candidate.job(), Why::Enough);
                continue;
            }
            if !bid.amount.is_within(self.free()) {
                self.why(candidate.job(), Why::NoCapacity);
                continue;
            }
            if bid.cost.bond > self.purse(&candidate) {
                self.why(candidate.job(), Why::NotCovered);
                continue;
            }
            self.try_to_take(candidate, bid.cost, bid.amount);
        }
    }

    fn why(&mut self, job: B256, why: Why) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.why = Some(why);
        }
    }

    /// Whether the owner wants no more leases and seats than there are, those asked for included.
    fn has_enough(&self) -> bool {
        let claims = self.intents.keys().filter(|id| id.what.binds());
        let most = usize::try_from(self.settings.policy.max_leases).unwrap_or(usize::MAX);
        self.sums.bonded.saturating_add(claims.count()) >= most
    }

    /// The client in whose turn a job stands; none for all that never paid this machine.
    fn turn(&self, client: Address) -> Option<Address> {
        let known = self.paid.contains(&client);
        known.then_some(client)
    }

    fn held_by_clients(&self) -> Vec<(Option<Address>, u64)> {
        let now = self.now.time;
        let of = |job: B256, amount: Amount| {
            let job = self.jobs.get(&job)?;
            let share = amount.share_of(self.settings.total);
            Some((self.turn(job.job.terms.client), share))
        };
        let duties = self.sums.busy.iter().filter_map(|id| {
            let (held, job) = (self.duties.get(id)?, self.jobs.get(&id.lease.job)?);
            of(id.lease.job, held.amount(job, now))
        });
        let claims = self.intents.iter();
        let claims = claims.filter_map(|(id, pending)| of(id.what.job()?, pending.amount));
        duties.chain(claims).collect()
    }

    fn bid(&self, job: &Job, cost: Cost) -> Option<Bid> {
        let spec = job.spec.as_ref().ok()?;
        Some(Bid {
            client: self.turn(job.job.terms.client),
            cost,
            amount: Amount::of(spec.resources, cost.parallel),
            posted: job.posted,
        })
    }

    /// What a job offers now.
    fn offers_of(&mut self, id: B256, bids: &mut Vec<(Bid, Candidate)>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let takes_over = self.intents.keys().any(
            |intent| matches!(intent.what, What::Takeover(lease) if lease.job == id),
        );
        if takes_over {
            self.why(id, Why::OnItsWay);
            return;
        }
        let refusal = self.refusal(job);
        let asked = self.asked(id);
        let decision = take::evaluate(job.offer(refusal.as_ref(), asked), self.means(job));
        match decision {
            Decision::Skip(why) => {
                self.sleep(id, u64::MAX, why);
                self.leave_trial(id);
            }
            Decision::Later { at, why } => {
                match at {
                    Some(at) => self.sleep(id, at, why),
                    None => self.why(id, why),
                }
                self.leave_trial(id);
            }
            Decision::Claim(cost) => {
                if let Some(bid) = self.bid(job, cost) {
                    bids.push((bid, Candidate::Claim(id)));
                }
            }
            Decision::Takeover { first, round, cost } => {
                let lease = LeaseId {
                    job: id,
                    first,
                    round,
                };
                if let Some(bid) = self.bid(job, cost) {
                    bids.push((bid, Candidate::Takeover(lease)));
                }
            }
            Decision::Seats => self.seats_of(id, bids),
        }
    }

    /// Why nothing of a job is taken, whatever it pays: a trial of its spec says so.
    fn refusal(&self, job: &Job) -> Option<Why> {
        match job.can_be_judged() {
            true => self.trials.refusal(job.digest()),
            false => None,
        }
    }

    /// Unclaimed tasks that claims of ours on their way ask for.
    fn asked(&self, id: B256) -> u32 {
        let counts = self.intents.keys().filter_map(|intent| match intent.what {
            What::Claim { job, most } if job == id => Some(most),
            _ => None,
        });
        counts.fold(0, u32::saturating_add)
    }

    fn means(&self, job: &Job) -> Means<'_> {
        let terms = &job.job.terms;
        let (free_stake, jury_stake) = self.spendable();
        Means {
            provider: self.me.provider,
            total: self.settings.total,
            free: self.free(),
            lease_tasks: self.settings.lease_tasks,
            policy: &self.settings.policy,
            timing: self.settings.timing,
            platform: self.settings.platform,
            free_stake,
            jury_stake,
            allowance: self.allowance(terms.client),
            admitted: self.facts.is_admitted(terms.providers),
            now: self.now.time,
        }
    }

    /// Stake that leases and their seats may lock, and that jurors' seats may: less the bonds of claims on their way and of
    /// seats that are worked for. A lease leaves a quarter of all stake to juries.
    fn spendable(&self) -> (u128, u128) {
        let stake = self.facts.stake().unwrap_or_default();
        let claims = self.intents.values().map(|pending| pending.bond);
        let asked = claims.fold(self.sums.prospects, u128::saturating_add);
        let jury = stake.free.saturating_sub(asked);
        (jury.saturating_sub(stake.total.div_ceil(4)), jury)
    }

    fn purse(&self, candidate: &Candidate) -> u128 {
        let (lease, jury) = self.spendable();
        let purse = match candidate {
            Candidate::Seat(open) if open.id.is_jurors() => jury,
            _ => lease,
        };
        let client = self.jobs.get(&candidate.job()).map(|job| job.job.terms.client);
        client.map_or(0, |client| purse.min(self.allowance(client)))
    }

    /// Stake that may be locked for a client, beside what is: what a spec that is not what it seems can cost.
    fn allowance(&self, client: Address) -> u128 {
        let policy = &self.settings.policy;
        let own = policy.max_exposure.map_or(u128::MAX, |most| {
            most.saturating_sub(self.exposure(|other| other == client))
        });
        if self.paid.contains(&client) {
            return own;
        }
        // Addresses cost nothing: all clients that never paid share.
        let total = self.facts.stake().map_or(0, |stake| stake.total);
        let share = total.saturating_mul(u128::from(policy.strangers_percent)) / 100;
        own.min(share.saturating_sub(self.exposure(|other| !self.paid.contains(&other))))
    }

    /// Stake that is locked for the jobs of such clients, claims on their way included.
    fn exposure(&self, of: impl Fn(Address) -> bool) -> u128 {
        let counts = |job: B256| {
            let job = self.jobs.get(&job);
            job.is_some_and(|job| of(job.job.terms.client))
        };
        let duties = self.sums.exposure.iter();
        let duties = duties.filter(|(client, _)| of(**client));
        let claims = self.intents.iter();
        let claims = claims.filter(|(id, _)| id.what.job().is_some_and(counts));
        duties
            .map(|(_, bonds)| *bonds)
            .chain(claims.map(|(_, pending)| pending.bond))
            .fold(0, u128::saturating_add)
    }

    /// Takes one piece of work, or does what must come before that.
    fn try_to_take(&mut self, candidate: Candidate, cost: Cost, amount: Amount) {
        let id = candidate.job();
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        if self.now.local < job.rest_until {
            return;
        }
        let jurors = matches!(candidate, Candidate::Seat(open) if open.id.is_jurors());
        // A juror has no time for a trial; short work is done before its seat is taken.
        let trying = match jurors {
            true => Trying::Done,
            false => self.trying(id),
        };
        if let Trying::Wait(why) = trying {
            self.why(id, why);
            return;
        }
        // Image and input first, the stake after: what cannot be had costs nothing then.
        if let Err(why) = self.make_ready(id) {
            self.why(id, why);
            return;
        }
        if trying == Trying::Begin {
            let task = match candidate {
                Candidate::Claim(_) => self.jobs.get(&id).map_or(0, |job| job.view.next),
                Candidate::Takeover(lease) => lease.first,
                Candidate::Seat(open) => open.tasks.first,
            };
            let why = self.begin_trial(id, task);
            self.why(id, why);
            return;
        }
        match candidate {
            Candidate::Claim(_) => self.claim(id, cost, amount),
            Candidate::Takeover(lease) => self.take_over(lease, cost, amount),
            Candidate::Seat(open) => self.take_seat(open, cost, amount),
        }
    }

    /// Has a job's image and input fetched, if they are not here.
    fn make_ready(&mut self, id: B256) -> Result<(), Why> {
        let local = self.now.local;
        let Some(job) = self.jobs.get_mut(&id) else {
            return Err(Why::Unposted);
        };
        let spec = job.spec.clone()?;
        match &job.ready {
            Ready::Yes => return Ok(()),
            Ready::Working => return Err(Why::Preparing),
            Ready::Never(why) => {
                let why = Why::Unready(why.clone());
                self.sleep(id, u64::MAX, why.clone());
                self.leave_trial(id);
                return Err(why);
            }
            Ready::Failed { why, until, .. } if local < *until => {
                let why = Why::Unready(why.clone());
                self.leave_trial(id);
                return Err(why);
            }
            Ready::No | Ready::Failed { .. } => {}
        }
        let failed = matches!(job.ready, Ready::Failed { .. });
        if !failed {
            job.ready = Ready::Working;
        }
        let digest = job.digest();
        job.begin_preparing();
        self.commands.push(Command::Prepare {
            job: id,
            spec,
            digest,
        });
        Err(Why::Preparing)
    }

    pub(super) fn prepared(&mut self, id: B256, result: Result<(), Failure>) {
        let local = self.now.local;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.prepared(local, result);
            self.wake(id);
        }
        self.offers = true;
    }

    /// Images and inputs of these jobs are gone: they are fetched again before anything is taken.
    pub fn unprepare(&mut self, jobs: impl Fn(B256) -> bool) {
        for (id, job) in &mut self.jobs {
            if jobs(*id) && job.ready == Ready::Yes {
                job.ready = Ready::No;
            }
        }
    }

    fn claim(&mut self, id: B256, cost: Cost, amount: Amount) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let call = IMarket::claimCall {
            job: job.job.clone(),
            provider: self.me.provider,
            // Others may be quicker, and leave less.
            least: 1,
            most: cost.count,
        };
        let what = What::Claim {
            job: id,
            most: cost.count,
        };
        self.send_claim(what, call.abi_encode().into(), cost, amount);
    }

    fn take_over(&mut self, lease: LeaseId, cost: Cost, amount: Amount) {
        let Some(job) = self.jobs.get(&lease.job) else {
            return;
        };
        let call = IMarket::takeoverCall {
            job: job.job.clone(),
            provider: self.me.provider,
            first: lease.first,
        };
        let data = call.abi_encode().into();
        self.send_claim(What::Takeover(lease), data, cost, amount);
    }

    fn send_claim(&mut self, what: What, data: Bytes, cost: Cost, amount: Amount) {
        let id = IntentId {
            what,
            unique: self.unique(),
        };
        let now = self.now.time;
        let window = what
            .job()
            .and_then(|job| self.jobs.get(&job))
            .map_or(0, |job| job.job.timing.runWindow);
        let intent = Intent {
            id,
            to: None,
            data,
            not_after: Some(now.saturating_add(CLAIM_LIFE)),
            deadline: None,
            at_stake: 0,
        };
        let pending = Pending {
            fate: Fate::Open,
            bond: cost.bond,
            amount,
            parallel: cost.parallel,
            until: now.saturating_add(CLAIM_LIFE).saturating_add(window),
        };
        if let Some(job) = what.job() {
            self.jobs.entry(job).and_modify(|job| job.why = None);
        }
        self.send(intent, pending);
    }

    /// A claim came to nothing: ordinary where executors race.
    pub(super) fn claim_lost(&mut self, what: What) {
        let until = self.now.local.saturating_add(AFTER_REFUSAL);
        if let What::Claim { .. } | What::Takeover(_) = what
            && let Some(job) = what.job().and_then(|job| self.jobs.get_mut(&job))
        {
            job.rest_until = until;
        }
        self.facts.forget_word(what);
    }

    /// Seats of a redundant job that is acceptable, and rounds of it that lapsed.
    fn seats_of(&mut self, id: B256, bids: &mut Vec<(Bid, Candidate)>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let found = self.look_over(id, job);
        if found.open.is_empty() && found.lapsed.is_empty() {
            self.sleep(id, found.next_lapse, Why::NoSeat);
            return;
        }
        for seat in found.lapsed {
            self.why(id, Why::Lapsed);
            self.end_lapsed(seat);
        }
        for open in found.open {
            if let Err(why) = self.offer_seat(open, bids) {
                self.why(id, why);
            }
        }
    }

    /// Adds a seat to the bids if the provider is drawn for it now.
    fn offer_seat(&mut self, open: Open, bids: &mut Vec<(Bid, Candidate)>) -> Result<(), Why> {
        let what = What::Join(open.id);
        if self.is_open(what) || self.duties.contains_key(&open.id) {
            return Err(Why::OnItsWay);
        }
        let Some(job) = self.jobs.get(&open.id.lease.job) else {
            return Err(Why::Unposted);
        };
        let listed = job.job.terms.providers != B256::ZERO && !open.id.is_jurors();
        let waiter = waiter_of(open.id);
        if !listed && self.learn_seed(open.point, Publish::InTurn, false, waiter).is_none() {
            self.renew_if_dead(open);
            return Err(Why::NoSeed);
        }
        let Some(job) = self.jobs.get(&open.id.lease.job) else {
            return Err(Why::Unposted);
        };
        let refusal = self.refusal(job);
        let offer = job.offer(refusal.as_ref(), 0);
        let cost = match open.id.is_jurors() {
            true => seats::juror(offer, self.means(job), open.place),
            false => seats::seat(offer, self.means(job), open.place),
        }?;
        let now = self.now.time;
        match self.facts.word(what, self.now.local) {
            Some((Word::DrawnFrom(from), _)) if *from > now => {
                return Err(Why::NotDrawn { from: *from });
            }
            Some((Word::No(why), age)) if age < PAUSE => return Err(Why::Refused(why.clone())),
            Some((Word::Yes, age)) if age < FRESH => {
                if let Some(bid) = self.bid(job, cost) {
                    bids.push((bid, Candidate::Seat(open)));
                }
                return Ok(());
            }
            _ => {}
        }
        let data = self.join(job, open.id);
        if self.facts.simulations() < QUESTIONS {
            self.ask(Question::Simulate { what, data }, PAUSE / 2, false, waiter);
        }
        Ok(())
    }

    fn join(&self, job: &Job, id: SeatId) -> Bytes {
        let (job, first, round) = (job.job.clone(), id.lease.first, id.lease.round);
        let provider = self.me.provider;
        match id.is_jurors() {
            true => IMarket::joinJuryCall {
                job,
                first,
                round,
                jury: id.kind,
                provider,
            }
            .abi_encode(),
            false => IMarket::joinCall {
                job,
                first,
                round,
                provider,
            }
            .abi_encode(),
        }
        .into()
    }

    fn take_seat(&mut self, open: Open, cost: Cost, amount: Amount) {
        let what = What::Join(open.id);
        self.facts.forget_word(what);
        let left = open.by.saturating_sub(self.now.time);
        if cost.seconds <= SHORT.min(left / 2) {
            self.work_for(open.id, open.tasks, open.by, cost.parallel);
            return;
        }
        let Some(job) = self.jobs.get(&open.id.lease.job) else {
            return;
        };
        let data = self.join(job, open.id);
        self.send_claim(what, data, cost, amount);
    }

    /// A seat whose round did not begin is not taken again at once.
    pub(super) fn rest_seat(&mut self, id: SeatId) {
        let window = self
            .jobs
            .get(&id.lease.job)
            .map_or(0, |job| job.job.timing.runWindow);
        let from = self.now.time.saturating_add(window);
        self.facts.set_word(What::Join(id), Word::DrawnFrom(from), self.now.local);
    }

    fn renew_if_dead(&mut self, open: Open) {
        let dead = self.facts.point(open.point).is_some_and(|point| point.dead);
        if !(open.point == 0 || dead) || open.id.is_jurors() {
            return;
        }
        let Some(job) = self.jobs.get(&open.id.lease.job) else {
            return;
        };
        let call = IMarket::renewCall {
            job: job.job.clone(),
            first: open.id.lease.first,
        };
        let data = call.abi_encode().into();
        self.send_what_anyone_may(What::Renew(open.id.lease), data);
    }

    /// Ends a round that lapsed where that frees a seat we want: those who sat there are gone.
    fn end_lapsed(&mut self, id: SeatId) {
        if let Some(data) = self.end_round(id, None) {
            self.send_what_anyone_may(What::EndLapsed(id.lease), data);
        }
    }

    /// Sends what anyone may send, in our turn, if the market would take it now.
    fn send_what_anyone_may(&mut self, what: What, data: Bytes) {
        if self.is_open(what) {
            return;
        }
        let local = self.now.local;
        let about = IntentId { what, unique: 0 }.to_string();
        let turn = turn_of(&[self.me.provider.as_slice(), about.as_bytes()].concat());
        let since = self.facts.first_asked(what, local);
        if local < since.saturating_add(turn.saturating_mul(TURN)) {
            return;
        }
        match self.facts.word(what, local) {
            Some((Word::Yes, age)) if age < FRESH => {
                self.facts.forget_word(what);
                let cost = Cost {
                    count: 0,
                    parallel: 0,
                    bond: 0,
                    seconds: 0,
                    pays: 0,
                };
                self.send_claim(what, data, cost, Amount::default());
            }
            _ => {
                let waiter = what.job().map_or(Waiter::Offers, Waiter::Job);
                self.ask(Question::Simulate { what, data }, PAUSE, false, waiter);
            }
        }
    }

    /// Leases of a redundant job with a seat that we could take, and rounds that lapsed.
    fn look_over(&self, id: B256, job: &Job) -> Found {
        let (terms, timing, now) = (&job.job.terms, &job.job.timing, self.now.time);
        let seats = &job.view.seats;
        let (mut begun, mut free) = (Vec::new(), Vec::new());
        let mut found = Found {
            next_lapse: u64::MAX,
            ..Found::default()
        };
        for first in seats.unsettled.iter().copied() {
            if free.len() == WINDOW {
                break;
            }
            let last = seats.last_round(first);
            let round = match last {
                None => 1,
                Some((round, view)) => match view.over {
                    None => round,
                    Some(Over::Freed) => round.saturating_add(1),
                    Some(Over::Settled | Over::Void | Over::Refunded) => continue,
                },
            };
            let lease = LeaseId {
                job: id,
                first,
                round,
            };
            let seat = SeatId { lease, kind: 0 };
            // A seat of ours ends its round anyhow.
            if self.duties.contains_key(&seat) {
                continue;
            }
            let view = last.map(|(_, view)| view).filter(|view| view.over.is_none());
            let began = view.and_then(|view| view.began);
            let count = terms.maxLease.min(terms.tasks.saturating_sub(first));
            let commit_by = began.unwrap_or(now).saturating_add(timing.runWindow);
            let open = Open {
                id: seat,
                place: Place { count, commit_by },
                tasks: Tasks { first, count },
                point: seats.point_of(first),
                by: commit_by,
            };
            if let Some(view) = view {
                let patience = self.settings.timing.margin.max(LET_HOLDERS);
                let ended_by = commit_by.saturating_add(patience);
                // Without a bond it costs nobody anything to leave a round like that, again and again.
                let too_few = view.panel.commits() < seats.quorum && job.job.price.bond > 0;
                let lapses = began.is_some() && too_few;
                if lapses && now > ended_by {
                    found.lapsed.push(seat);
                    continue;
                }
                if lapses {
                    found.next_lapse = found.next_lapse.min(ended_by.saturating_add(1));
                }
                let number = self.facts.stake().map_or(0, |stake| stake.number);
                let mine = view.panel.mine(self.me.provider, number).0;
                // A provider that left a round that had begun does not come back.
                let ours = !matches!(mine, Mine::Absent | Mine::Closed(SeenEnd::Vanished));
                if view.panel.is_full(seats.replicas) || ours {
                    continue;
                }
            }
            if now > commit_by {
                continue;
            }
            match began {
                Some(_) => begun.push(open),
                None => free.push(open),
            }
        }
        begun.extend(free);
        begun.truncate(WINDOW);
        found.open = begun;
        found
    }

    /// Seats of juries that chance ordered, or that are open.
    fn juries(&mut self, bids: &mut Vec<(Bid, Candidate)>) {
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
                let by = time.unwrap_or(u64::MAX).saturating_add(self.me.times.retryWindow);
                (open(2, task, by, opened_now), None)
            }
            _ => return None,
        };
        (now <= found.0.by && !self.duties.contains_key(&found.0.id)).then_some(found)
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

/// Who waits for what is asked about a seat.
fn waiter_of(id: SeatId) -> Waiter {
    match id.is_jurors() {
        true => Waiter::Jury(id.lease.job, id.lease.first),
        false => Waiter::Job(id.lease.job),
    }
}
