//! Seats of redundant leases, and what ends a round that lapsed.

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::IMarket,
    rules,
    view::{
        lease::Key as LeaseId,
        seat::{End as SeenEnd, Key as SeatId, Mine, Over},
    },
};

use super::{
    Job, Machine,
    candidate::{Candidate, Open},
    facts::{Publish, Waiter, turn_of},
};
use crate::{
    capacity::Amount,
    duty::{Owed, seat::Tasks},
    input::{Question, Word},
    intent::{IntentId, What},
    take::{
        Cost, Why,
        rank::Bid,
        seats::{self, Place},
    },
};

/// Leases of one job that are looked at together, from the first on: all providers look at the same ones, so that rounds
/// find their seats.
const WINDOW: usize = 32;
/// Questions about calls that wait for an answer at the same time.
const QUESTIONS: usize = 16;
/// Milliseconds after which the market is asked again after a refusal.
const PAUSE: u64 = 1_000;
/// How long, in milliseconds, the market's "yes" counts.
const FRESH: u64 = 3_000;
/// Milliseconds in a turn: executors do not all send at once what anyone may send.
const TURN: u64 = 2_000;
/// Seconds, at least, in which those who sat in a round that lapsed are let end it.
const LET_HOLDERS: u64 = 10;
/// Work that takes no longer, in seconds, is done before its seat is taken, with one transaction less.
const SHORT: u64 = 60;

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
    /// Seats of a redundant job that is acceptable, and rounds of it that lapsed.
    pub(super) fn seats_of(&mut self, id: B256, bids: &mut Vec<(Bid, Candidate)>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let found = self.look_over(id, job);
        if found.open.is_empty() && found.lapsed.is_empty() {
            self.sleep(id, found.next_lapse, Why::NoSeat);
            self.leave_trial(id);
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
    pub(super) fn offer_seat(
        &mut self,
        open: Open,
        bids: &mut Vec<(Bid, Candidate)>,
    ) -> Result<(), Why> {
        let what = What::Join(open.id);
        if self.is_open(what) || self.duties.contains_key(&open.id) {
            return Err(Why::OnItsWay);
        }
        let Some(job) = self.jobs.get(&open.id.lease.job) else {
            return Err(Why::Unposted);
        };
        let listed = job.job.terms.providers != B256::ZERO && !open.id.is_jurors();
        let waiter = waiter_of(open.id);
        if !listed
            && self
                .learn_seed(open.point, Publish::InTurn, false, waiter)
                .is_none()
        {
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

    pub(super) fn take_seat(&mut self, open: Open, cost: Cost, amount: Amount) {
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
        // A bond that is locked before the work is done leaves time for a process that is down, unless the window has none.
        let window = job.job.timing.runWindow;
        let margins = self.settings.timing.margin.saturating_mul(2);
        let needs = cost
            .seconds
            .saturating_add(margins)
            .saturating_add(window / 4);
        if needs <= window && self.now.time.saturating_add(needs) > open.place.commit_by {
            self.why(open.id.lease.job, Why::TooLate);
            return;
        }
        // One that is mined later than this would leave no time for the work: its fees rise before.
        let owed = Owed {
            until: open
                .place
                .commit_by
                .saturating_sub(cost.seconds.saturating_add(margins)),
            at_stake: rules::tenth_of(cost.bond).unwrap_or(cost.bond),
        };
        let data = self.join(job, open.id);
        self.send_claim(what, data, cost, amount, Some(owed));
    }

    /// A seat whose round did not begin is not taken again at once.
    pub(super) fn rest_seat(&mut self, id: SeatId) {
        let window = self
            .jobs
            .get(&id.lease.job)
            .map_or(0, |job| job.job.timing.runWindow);
        let from = self.now.time.saturating_add(window);
        self.facts
            .set_word(What::Join(id), Word::DrawnFrom(from), self.now.local);
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
                self.send_claim(what, data, cost, Amount::default(), None);
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
            let view = last
                .map(|(_, view)| view)
                .filter(|view| view.over.is_none());
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
}

/// Who waits for what is asked about a seat.
pub(super) fn waiter_of(id: SeatId) -> Waiter {
    match id.is_jurors() {
        true => Waiter::Jury(id.lease.job, id.lease.first),
        false => Waiter::Job(id.lease.job),
    }
}
