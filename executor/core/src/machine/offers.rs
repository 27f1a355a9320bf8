//! New work: what is open, what of it is worth taking, and in which order it is taken.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall as _;
use piecework_core::{chain::IMarket, view::lease::Key as LeaseId};

use super::{CLAIM_LIFE, Job, Machine, Pending, candidate::Candidate, job::Ready, trials::Trying};
use crate::{
    capacity::Amount,
    command::Command,
    duty::Owed,
    input::Failure,
    intent::{Fate, Intent, IntentId, What},
    take::{
        self, Cost, Decision, Why,
        rank::{self, Bid, Turn},
    },
};

/// Milliseconds for which a job is left alone after a claim was refused: others were quicker, most likely.
const AFTER_REFUSAL: u64 = 500;
/// Most jobs whose images and inputs are fetched at the same time: of clients that have paid before, and of others.
const MOST_PREPARING: usize = 4;
/// Most such jobs of either kind of client, slow ones included.
const MOST_SLOW: usize = 16;
/// Milliseconds after which such a job counts as slow, and keeps no other from beginning.
const LONG_PREPARING: u64 = 60_000;

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
        let holders = self.holders();
        let order = rank::order(&plain, self.settings.total, |client| Turn {
            holds: holders.contains(&client),
            last: self.served.get(&client).copied().unwrap_or_default(),
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

    pub(super) fn why(&mut self, job: B256, why: Why) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.why = Some(why);
        }
    }

    /// What a job offers now.
    fn offers_of(&mut self, id: B256, bids: &mut Vec<(Bid, Candidate)>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let takes_over = self
            .intents
            .keys()
            .any(|intent| matches!(intent.what, What::Takeover(lease) if lease.job == id));
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
    pub(super) fn refusal(&self, job: &Job) -> Option<Why> {
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
        let is_seat = matches!(candidate, Candidate::Seat(_));
        if let Err(why) = self.make_ready(id, is_seat) {
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

    /// Has a job's image and input fetched, if they are not here. What is fetched at the same time is bounded, or strangers
    /// could fill disk and line. A seat does not wait: it is drawn, and has little time.
    fn make_ready(&mut self, id: B256, is_seat: bool) -> Result<(), Why> {
        let local = self.now.local;
        let has_place = is_seat || self.has_place(id);
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
        if !has_place {
            return Err(Why::PreparingOthers);
        }
        let failed = matches!(job.ready, Ready::Failed { .. });
        if !failed {
            job.ready = Ready::Working;
        }
        let digest = job.digest();
        job.begin_preparing();
        if !is_seat {
            self.preparing.insert(id, local);
        }
        self.commands.push(Command::Prepare {
            job: id,
            spec,
            digest,
        });
        Err(Why::Preparing)
    }

    /// Whether the machine may fetch a job's image and input beside those that it fetches now: one job of each client, and
    /// a bounded number of clients that have paid before, and of others. Only the quick ones count, until there are many.
    fn has_place(&self, id: B256) -> bool {
        let client = |id: &B256| Some(self.jobs.get(id)?.job.terms.client);
        let own = client(&id);
        let is_known = |client: Option<Address>| client.is_some_and(|it| self.paid.contains(&it));
        let known = is_known(own);
        let (mut all, mut young) = (0, 0);
        for (other, since) in &self.preparing {
            let other = client(other);
            if other == own {
                return false;
            }
            if is_known(other) == known {
                all += 1;
                young += usize::from(self.now.local < since.saturating_add(LONG_PREPARING));
            }
        }
        young < MOST_PREPARING && all < MOST_SLOW
    }

    pub(super) fn prepared(&mut self, id: B256, result: Result<(), Failure>) {
        let local = self.now.local;
        self.preparing.remove(&id);
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
        self.send_claim(what, call.abi_encode().into(), cost, amount, None);
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
        self.send_claim(What::Takeover(lease), data, cost, amount, None);
    }

    pub(super) fn send_claim(
        &mut self,
        what: What,
        data: Bytes,
        cost: Cost,
        amount: Amount,
        owed: Option<Owed>,
    ) {
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
            with: Vec::new(),
            to: None,
            data,
            not_after: Some(now.saturating_add(CLAIM_LIFE)),
            deadline: owed.map(|owed| owed.until),
            at_stake: owed.map_or(0, |owed| owed.at_stake),
        };
        let pending = Pending {
            fate: Fate::Open,
            bond: cost.bond,
            amount,
            parallel: cost.parallel,
            until: now.saturating_add(CLAIM_LIFE).saturating_add(window),
            shared: false,
        };
        if let Some(job) = what.job() {
            self.jobs.entry(job).and_modify(|job| job.why = None);
            self.takes_turn(job);
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
}
