//! Seats: who is drawn for them is asked of the market; which are worth taking is evaluated before.

use std::time::Duration;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::TransactionBuilder as _,
    primitives::{B256, keccak256},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use futures::future::join_all;
use piecework::{
    chain::{IMarket, decode_error},
    rules::commit_by,
};
use tokio::time::Instant;

use super::{Claim, Control, ControlError, JobEntry, Wish, jobs::Readiness};
use crate::{
    evaluate::{self, Place},
    lease,
    seat::{Key, view::Over},
};

/// Leases of one job that are looked at together, from the first on: all providers look at the same ones,
/// so that rounds find their seats.
const WINDOW: usize = 32;
/// Questions to the node at a time.
const QUESTIONS: usize = 16;
/// How long after a refusal, or silence, the market is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Executors do not all send at once what anyone may send: each waits up to three times this long.
const TURN: Duration = Duration::from_secs(2);
/// Seconds, at least, in which those who sat in a round that lapsed are let end it.
const LET_HOLDERS: u64 = 10;

/// What is known of a draw.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    /// We are drawn from this time of the chain on.
    From(u64),
    /// It is left alone for a while.
    Rest { until: Instant },
}

/// A seat that could be taken.
#[derive(Clone, Copy, Debug)]
struct Open {
    key: Key,
    place: Place,
}

/// What there is to do in a redundant job.
struct Found {
    /// Leases with a seat that we could take: first those whose round has begun.
    open: Vec<Open>,
    /// Rounds in which too few committed, and that nobody ended; the place is one in the next round.
    lapsed: Vec<Open>,
    /// When the next one of these could be found.
    next_lapse: u64,
}

/// What the market would say to a call now.
enum Answer {
    Yes,
    DrawnFrom(u64),
    No(String),
}

impl Control {
    /// Takes seats of a redundant job that is acceptable.
    pub(super) async fn take_seats(&mut self, id: B256) -> Result<(), ControlError> {
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        if entry.view.seats.sealed.is_none() {
            entry.why = Some("its draws have no seed yet".to_owned());
            let lease = lease::Key {
                job: id,
                first: 0,
                round: 0,
            };
            let key = Key {
                lease,
                challenge: 0,
            };
            return self.seal(key).await;
        }
        let now = self.tools.clock.now();
        let Some(entry) = self.jobs.get(&id) else {
            return Ok(());
        };
        let Found {
            open,
            lapsed,
            next_lapse,
        } = self.look_over(id, entry, now);
        if !lapsed.is_empty() {
            self.end_lapsed(id, lapsed).await?;
        } else if open.is_empty()
            && let Some(entry) = self.jobs.get_mut(&id)
        {
            let why = "no seat of it is open".to_owned();
            match next_lapse {
                u64::MAX => entry.skip(id, why),
                at => entry.sleep(at, why),
            }
            return Ok(());
        }
        self.draw(id, open).await
    }

    /// Takes jurors' seats.
    pub(super) async fn take_juries(&mut self) -> Result<(), ControlError> {
        self.learn_challengers().await;
        let now = self.tools.clock.now();
        let mut seals = Vec::new();
        let mut seats = Vec::new();
        for (job, entry) in &self.jobs {
            for ((first, round, challenge), dispute) in entry.view.seats.open_disputes() {
                let lease = lease::Key {
                    job: *job,
                    first,
                    round,
                };
                let key = Key { lease, challenge };
                let Some(contested) = entry.view.leases.get(&first) else {
                    continue;
                };
                let place = Place {
                    count: contested.count,
                    started: None,
                    commit_by: commit_by(
                        &self.tools.times,
                        entry.job.timing.runWindow,
                        dispute.opened,
                    ),
                };
                let me = self.tools.provider;
                // The market bars the challenger; that we do not judge a challenge of our own is up to us.
                let own = !self.challengers.is_other(dispute.challenger);
                let barred = contested.provider == me || own;
                let taken = dispute.panel.is_full() || dispute.panel.seat_of(me).is_some();
                let worth = evaluate::juror(entry.offer(0), self.means(entry), place);
                if barred || taken || now > place.commit_by || worth.is_err() {
                    continue;
                }
                match dispute.seed {
                    None => seals.push(key),
                    Some(_) => seats.push(Open { key, place }),
                }
            }
        }
        for key in seals {
            self.seal(key).await?;
        }
        for open in seats {
            self.draw(open.key.lease.job, vec![open]).await?;
        }
        Ok(())
    }

    /// Leases with a seat that we could take, and rounds that lapsed.
    fn look_over(&self, job: B256, entry: &JobEntry, now: u64) -> Found {
        let (terms, timing) = (&entry.job.terms, &entry.job.timing);
        let (mut begun, mut free) = (Vec::new(), Vec::new());
        let (mut lapsed, mut next_lapse) = (Vec::new(), u64::MAX);
        let size = usize::try_from(terms.maxLease.max(1)).unwrap_or(usize::MAX);
        for first in (0..terms.tasks).step_by(size) {
            if free.len() == WINDOW {
                break;
            }
            let last = entry.view.seats.last_round(first);
            let round = match last {
                None => 1,
                Some((round, view)) => match view.over {
                    None => round,
                    Some(Over::Freed) => round.saturating_add(1),
                    Some(Over::Settled | Over::Refunded) => continue,
                },
            };
            let running = last
                .map(|(_, view)| view)
                .filter(|view| view.over.is_none());
            let started = running.map(|view| view.started);
            let key = Key {
                lease: lease::Key { job, first, round },
                challenge: 0,
            };
            let place = |started: Option<u64>| Place {
                count: terms.maxLease.min(terms.tasks.saturating_sub(first)),
                started,
                commit_by: commit_by(&self.tools.times, timing.runWindow, started.unwrap_or(now)),
            };
            let commit_by = place(started).commit_by;
            if let Some(view) = running {
                // The machine that has a seat ends its round anyhow.
                if self.seats.contains_key(&key) {
                    continue;
                }
                let patience = self.tools.timing.margin.max(LET_HOLDERS);
                let ended_by = commit_by.saturating_add(patience);
                // Without a bond it costs nobody anything to leave a round like that, again and again.
                let lapses = view.panel.commits() < terms.quorum && entry.job.price.bond > 0;
                if lapses && now > ended_by {
                    let place = place(None);
                    lapsed.push(Open { key, place });
                    continue;
                }
                if lapses {
                    next_lapse = next_lapse.min(ended_by.saturating_add(1));
                }
                let full = view.panel.seats.len() >= usize::from(terms.replicas);
                if full || view.panel.seat_of(self.tools.provider).is_some() {
                    continue;
                }
            }
            if now > commit_by {
                continue;
            }
            let place = place(started);
            let open = Open { key, place };
            match started {
                Some(_) => begun.push(open),
                None => free.push(open),
            }
        }
        begun.extend(free);
        begun.truncate(WINDOW);
        Found {
            open: begun,
            lapsed,
            next_lapse,
        }
    }

    /// Ends rounds that lapsed, where that frees a seat we want: those who sat there are gone.
    async fn end_lapsed(&mut self, id: B256, lapsed: Vec<Open>) -> Result<(), ControlError> {
        for open in lapsed.into_iter().take(QUESTIONS) {
            let key = open.key;
            let Some(entry) = self.jobs.get_mut(&id) else {
                return Ok(());
            };
            entry.why = Some("a round of it lapsed, and is to be ended first".to_owned());
            let Some(entry) = self.jobs.get(&id) else {
                return Ok(());
            };
            if let Err(why) = self.cost(entry, open) {
                if let Some(entry) = self.jobs.get_mut(&id) {
                    entry.why = Some(why);
                }
                return Ok(());
            }
            if self.is_our_turn(key, Wish::Settle(key))
                && let Some(data) = self.settle(key).await
            {
                self.poke(key, Wish::Settle(key), "settle", data).await?;
            }
        }
        Ok(())
    }

    /// Asks for those seats whose time has come, and joins where we are drawn.
    async fn draw(&mut self, id: B256, open: Vec<Open>) -> Result<(), ControlError> {
        let now = self.tools.clock.now();
        let Some(entry) = self.jobs.get(&id) else {
            return Ok(());
        };
        let mut why = None;
        let mut due = Vec::new();
        for open in open {
            match entry.draws.get(&open.key) {
                Some(Draw::From(u64::MAX)) => {
                    why.get_or_insert("our stake grew too late to be drawn".to_owned());
                    continue;
                }
                Some(Draw::From(from)) if *from > now => {
                    why.get_or_insert(format!("we are drawn for a seat of it from {from} on"));
                    continue;
                }
                Some(Draw::Rest { until }) if Instant::now() < *until => continue,
                _ if self.is_on_its_way(Wish::Seat(open.key)) => continue,
                _ => {}
            }
            match self.cost(entry, open) {
                Ok(_) => due.push(open),
                Err(reason) => {
                    why.get_or_insert(reason);
                }
            }
        }
        due.truncate(QUESTIONS);
        let questions = due.iter().map(|open| self.ask(self.join(entry, open.key)));
        let answers = join_all(questions).await;
        let mut drawn = Vec::new();
        for (open, answer) in due.into_iter().zip(answers) {
            let Some(entry) = self.jobs.get_mut(&id) else {
                return Ok(());
            };
            let draw = match answer {
                Answer::Yes => {
                    drawn.push(open);
                    continue;
                }
                Answer::DrawnFrom(from) => Draw::From(from),
                Answer::No(reason) => {
                    why.get_or_insert(reason);
                    let until = Instant::now() + PAUSE;
                    Draw::Rest { until }
                }
            };
            entry.draws.insert(open.key, draw);
        }
        if let (Some(why), Some(entry)) = (why, self.jobs.get_mut(&id)) {
            entry.why = Some(why);
        }
        for open in drawn {
            self.take_seat(open).await?;
        }
        Ok(())
    }

    async fn take_seat(&mut self, open: Open) -> Result<(), ControlError> {
        let key = open.key;
        let id = key.lease.job;
        // Image and input first, the stake after. But a juror can say that they cannot be had.
        match self.make_ready(id) {
            Readiness::Yes => {}
            Readiness::Failing if key.is_jurors() => {}
            Readiness::Soon | Readiness::Failing | Readiness::Never => return Ok(()),
        }
        let Some(entry) = self.jobs.get(&id) else {
            return Ok(());
        };
        // Capacity and stake may have gone to the seat before this one.
        if self.has_enough() {
            return Ok(());
        }
        let (Ok(cost), Ok(spec)) = (self.cost(entry, open), &entry.spec) else {
            return Ok(());
        };
        let Some(room) = self.tools.capacity.reserve(spec.resources, cost.parallel) else {
            return Ok(());
        };
        let data = self.join(entry, key);
        let lease = key.lease;
        tracing::info!(job = %id, first = lease.first, round = lease.round, challenge = key.challenge, bond = cost.bond, "join");
        let name = format!(
            "join/{id}/{}/{}/{}",
            lease.first, lease.round, key.challenge
        );
        let claim = Claim {
            job: id,
            wish: Wish::Seat(key),
            bond: cost.bond,
            room: Some(room),
            room_until: self.room_until(id),
        };
        self.ask_for(name, data, claim).await
    }

    fn cost(&self, entry: &JobEntry, open: Open) -> Result<evaluate::Cost, String> {
        let (offer, means) = (entry.offer(0), self.means(entry));
        match open.key.is_jurors() {
            true => evaluate::juror(offer, means, open.place),
            false => evaluate::seat(offer, means, open.place),
        }
    }

    fn join(&self, entry: &JobEntry, key: Key) -> Vec<u8> {
        let (job, first, round) = (entry.job.clone(), key.lease.first, key.lease.round);
        let provider = self.tools.provider;
        match key.is_jurors() {
            true => IMarket::joinJuryCall {
                job,
                first,
                round,
                number: key.challenge,
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
    }

    /// Has a draw sealed, as soon as its seed's block is known.
    pub(super) async fn seal(&mut self, key: Key) -> Result<(), ControlError> {
        if !self.is_our_turn(key, Wish::Seal(key)) {
            return Ok(());
        }
        let Some(entry) = self.jobs.get(&key.lease.job) else {
            return Ok(());
        };
        let (job, first) = (entry.job.clone(), key.lease.first);
        let data = match key.is_jurors() {
            true => IMarket::sealJuryCall { job, first }.abi_encode(),
            false => IMarket::sealCall { job }.abi_encode(),
        };
        self.poke(key, Wish::Seal(key), "seal", data).await
    }

    /// Whether it is up to us now to send what anyone may send.
    fn is_our_turn(&mut self, key: Key, wish: Wish) -> bool {
        let id = key.lease.job;
        if self.is_on_its_way(wish) {
            return false;
        }
        let Some(entry) = self.jobs.get_mut(&id) else {
            return false;
        };
        if let Some(Draw::Rest { until }) = entry.draws.get(&key) {
            return Instant::now() >= *until;
        }
        let turn = keccak256([self.tools.provider.as_slice(), id.as_slice()].concat());
        let turn = turn.first().map_or(0, |byte| u32::from(byte % 4));
        let until = Instant::now() + TURN.saturating_mul(turn);
        entry.draws.insert(key, Draw::Rest { until });
        turn == 0
    }

    /// Sends what anyone may send, if the market would take it now; else it is asked again in a while.
    async fn poke(
        &mut self,
        key: Key,
        wish: Wish,
        what: &str,
        data: Vec<u8>,
    ) -> Result<(), ControlError> {
        let (id, lease) = (key.lease.job, key.lease);
        match self.ask(data.clone()).await {
            Answer::Yes => {
                let name = format!(
                    "{what}/{id}/{}/{}/{}",
                    lease.first, lease.round, key.challenge
                );
                tracing::info!(job = %id, first = lease.first, round = lease.round, challenge = key.challenge, "{what}");
                let claim = Claim {
                    job: id,
                    wish,
                    bond: 0,
                    room: None,
                    room_until: Instant::now(),
                };
                self.ask_for(name, data, claim).await
            }
            Answer::DrawnFrom(_) | Answer::No(_) => {
                let until = Instant::now() + PAUSE;
                if let Some(entry) = self.jobs.get_mut(&id) {
                    entry.draws.insert(key, Draw::Rest { until });
                }
                Ok(())
            }
        }
    }

    fn is_on_its_way(&self, wish: Wish) -> bool {
        self.claims.values().any(|claim| claim.wish == wish)
    }

    /// What the market would say now to a call of ours. Nothing is sent.
    async fn ask(&self, data: Vec<u8>) -> Answer {
        let request = TransactionRequest::default()
            .with_from(self.tools.operator)
            .with_to(self.tools.market)
            .with_input(data);
        let pending = BlockId::Number(BlockNumberOrTag::Pending);
        let Err(error) = self.tools.rpc.call(request).block(pending).await else {
            return Answer::Yes;
        };
        let Some(revert) = decode_error(&error) else {
            return Answer::No(error.to_string());
        };
        match revert.market.as_deref() {
            Some(IMarket::IMarketErrors::NotDrawn(not)) => Answer::DrawnFrom(not.from),
            _ => Answer::No(revert.to_string()),
        }
    }
}

/// The seats that the id of a claim's intent names.
pub(super) fn wish_of(what: &str, job: B256, rest: &[&str]) -> Option<Wish> {
    let [first, round, challenge, ..] = rest else {
        return None;
    };
    let lease = lease::Key {
        job,
        first: first.parse().ok()?,
        round: round.parse().ok()?,
    };
    let key = Key {
        lease,
        challenge: challenge.parse().ok()?,
    };
    match what {
        "join" => Some(Wish::Seat(key)),
        "seal" => Some(Wish::Seal(key)),
        "settle" => Some(Wish::Settle(key)),
        _ => None,
    }
}
