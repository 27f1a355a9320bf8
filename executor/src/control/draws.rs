//! Seats of redundant leases: who is drawn for them is asked of the market; which are worth taking is evaluated before.

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
use piecework_core::{chain::IMarket, view::seat::Over};
use piecework_net::chain::decode_error;
use tokio::time::Instant;

use super::{Claim, Control, ControlError, JobEntry, Wish, jobs::Readiness, points::Publish};
use crate::{
    evaluate::{self, Place},
    lease,
    seat::{End, Key, Mine, Work},
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
/// Work that takes no longer, in seconds, is done before its seat is taken, with one transaction less.
const SHORT: u64 = 60;

/// What is known of a draw.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    /// By the seed of this point we are drawn from this time of the chain on.
    From { point: u64, from: u64 },
    /// It is left alone for a while.
    Rest { until: Instant },
}

/// A seat that could be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) key: Key,
    pub(super) place: Place,
    pub(super) work: Work,
    /// The point that draws it; 0 where nobody is drawn.
    pub(super) point: u64,
    /// Last second to take it.
    pub(super) by: u64,
}

/// What there is to do in a redundant job.
struct Found {
    /// Leases with a seat that we could take: first those whose round has begun.
    open: Vec<Open>,
    /// Rounds in which too few committed, and that nobody ended.
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
        let open = self.with_seeds(id, open).await?;
        self.draw(id, open).await
    }

    /// Those seats whose draw has a seed. A point that is dead is renewed, as long as the round has not begun.
    async fn with_seeds(&mut self, id: B256, open: Vec<Open>) -> Result<Vec<Open>, ControlError> {
        let mut known = Vec::new();
        for open in open {
            let listed = self
                .jobs
                .get(&id)
                .is_some_and(|entry| entry.job.terms.providers != B256::ZERO);
            if listed || self.learn(open.point, Publish::InTurn).await?.is_some() {
                known.push(open);
                continue;
            }
            if let Some(entry) = self.jobs.get_mut(&id) {
                entry.why = Some("its draw has no seed yet".to_owned());
            }
            let wish = Wish::Renew(open.key);
            if (open.point == 0 || self.points.is_dead(open.point))
                && self.is_our_turn(open.key, wish)
                && let Some(entry) = self.jobs.get(&id)
            {
                let call = IMarket::renewCall {
                    job: entry.job.clone(),
                    first: open.key.lease.first,
                };
                self.poke(open.key, wish, "renew", call.abi_encode())
                    .await?;
            }
        }
        Ok(known)
    }

    /// Leases with a seat that we could take, and rounds that lapsed.
    fn look_over(&self, job: B256, entry: &JobEntry, now: u64) -> Found {
        let (terms, timing) = (&entry.job.terms, &entry.job.timing);
        let seats = &entry.view.seats;
        let (mut begun, mut free) = (Vec::new(), Vec::new());
        let (mut lapsed, mut next_lapse) = (Vec::new(), u64::MAX);
        let size = usize::try_from(terms.maxLease.max(1)).unwrap_or(usize::MAX);
        let opened = seats.next.min(terms.tasks);
        for first in (0..opened).step_by(size) {
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
            let lease = lease::Key { job, first, round };
            let key = Key { lease, kind: 0 };
            let view = last
                .map(|(_, view)| view)
                .filter(|view| view.over.is_none());
            let began = view.and_then(|view| view.began);
            let count = terms.maxLease.min(terms.tasks.saturating_sub(first));
            let commit_by = began.unwrap_or(now).saturating_add(timing.runWindow);
            let open = Open {
                key,
                place: Place { count, commit_by },
                work: Work { first, count },
                point: seats.point_of(first),
                by: commit_by,
            };
            // The machine that has a seat ends its round anyhow.
            if self.seats.contains_key(&key) {
                continue;
            }
            if let Some(view) = view {
                let patience = self.tools.timing.margin.max(LET_HOLDERS);
                let ended_by = commit_by.saturating_add(patience);
                // Without a bond it costs nobody anything to leave a round like that, again and again.
                let too_few = view.panel.commits() < seats.quorum && entry.job.price.bond > 0;
                let lapses = began.is_some() && too_few;
                if lapses && now > ended_by {
                    lapsed.push(open);
                    continue;
                }
                if lapses {
                    next_lapse = next_lapse.min(ended_by.saturating_add(1));
                }
                let (me, number) = (self.tools.provider, self.stake.number);
                let mine = view.panel.mine(me, number).0;
                // Whoever left a round that had begun does not come back.
                let ours = !matches!(mine, Mine::Absent | Mine::Closed(End::Vanished));
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
        Found {
            open: begun,
            lapsed,
            next_lapse,
        }
    }

    /// Ends rounds that lapsed, where that frees a seat we want: those who sat there are gone.
    async fn end_lapsed(&mut self, id: B256, lapsed: Vec<Open>) -> Result<(), ControlError> {
        for mut open in lapsed.into_iter().take(QUESTIONS) {
            let key = open.key;
            let now = self.tools.clock.now();
            let Some(entry) = self.jobs.get_mut(&id) else {
                return Ok(());
            };
            entry.why = Some("a round of it lapsed, and is to be ended first".to_owned());
            // What it takes is what a seat of the next round takes.
            open.place.commit_by = now.saturating_add(entry.job.timing.runWindow);
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
                && let Some(data) = self.end_round(key, None).await?
            {
                self.poke(key, Wish::Settle(key), "settle", data).await?;
            }
        }
        Ok(())
    }

    /// Asks for those seats whose time has come, and takes them where we are drawn.
    pub(super) async fn draw(&mut self, id: B256, open: Vec<Open>) -> Result<(), ControlError> {
        let now = self.tools.clock.now();
        let Some(entry) = self.jobs.get(&id) else {
            return Ok(());
        };
        let mut why = None;
        let mut due = Vec::new();
        for open in open {
            match entry.draws.get(&open.key) {
                Some(Draw::From { point, from }) if *point == open.point && *from > now => {
                    why.get_or_insert(match *from {
                        u64::MAX => "we are not drawn for a seat of it".to_owned(),
                        from => format!("we are drawn for a seat of it from {from} on"),
                    });
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
                Answer::DrawnFrom(from) => Draw::From {
                    point: open.point,
                    from,
                },
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
        // Image and input first, the stake after.
        if self.make_ready(id) != Readiness::Yes {
            return Ok(());
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
        let lease = key.lease;
        let left = open.by.saturating_sub(self.tools.clock.now());
        if cost.seconds <= SHORT.min(left / 2) {
            tracing::info!(job = %id, first = lease.first, round = lease.round, kind = key.kind, bond = cost.bond, "working for a seat");
            return self.work_for(key, open.work, open.by, room).await;
        }
        let data = self.join(entry, key);
        tracing::info!(job = %id, first = lease.first, round = lease.round, kind = key.kind, bond = cost.bond, "join");
        let name = format!("join/{id}/{}/{}/{}", lease.first, lease.round, key.kind);
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
                jury: key.kind,
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

    /// Leaves a seat alone: for as long as its round may last, or for a moment.
    pub(super) fn rest(&mut self, key: Key, long: bool) {
        if let Some(entry) = self.jobs.get_mut(&key.lease.job) {
            let pause = match long {
                true => Duration::from_secs(entry.job.timing.runWindow),
                false => PAUSE,
            };
            let until = Instant::now() + pause;
            entry.draws.insert(key, Draw::Rest { until });
        }
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

    /// Sends what anyone may send, if the market would take it now; otherwise it is asked again in a while.
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
                let name = format!("{what}/{id}/{}/{}/{}", lease.first, lease.round, key.kind);
                tracing::info!(job = %id, first = lease.first, round = lease.round, kind = key.kind, "{what}");
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
                self.rest(key, false);
                Ok(())
            }
        }
    }

    pub(super) fn is_on_its_way(&self, wish: Wish) -> bool {
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
    let [first, round, kind, ..] = rest else {
        return None;
    };
    let lease = lease::Key {
        job,
        first: first.parse().ok()?,
        round: round.parse().ok()?,
    };
    let key = Key {
        lease,
        kind: kind.parse().ok()?,
    };
    match what {
        "join" => Some(Wish::Seat(key)),
        "renew" => Some(Wish::Renew(key)),
        "settle" => Some(Wish::Settle(key)),
        _ => None,
    }
}
