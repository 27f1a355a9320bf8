//! Seats: found in events, stepped, written down; what their state machine asks for is done here.

use alloy::{primitives::B256, sol_types::SolCall as _};
use futures::future::try_join_all;
use piecework::chain::IMarket;
use tokio_util::sync::CancellationToken;

use super::{Control, ControlError, JobEntry};
use crate::{
    capacity::Reservation,
    clock::local_now,
    lease::{self, view::JobView},
    seat::{
        Act, Effect, End, Event, Key, Mine, Seat, Vote, Work,
        commitment::{commitment, salt},
    },
    status::LeaseStatus,
    store::{NewIntent, StoreError, VoteRow},
    work::{Failure, Order},
};

/// A seat of ours.
#[derive(Debug)]
pub(super) struct HeldSeat {
    pub(super) seat: Seat,
    pub(super) bond: u128,
    work: Option<CancellationToken>,
    room: Option<Reservation>,
    /// The seed under which a juror works.
    keyed: Option<B256>,
    done: u32,
    pub(super) published: bool,
}

impl HeldSeat {
    fn new(seat: Seat, room: Option<Reservation>) -> Self {
        Self {
            seat,
            bond: 0,
            work: None,
            room,
            keyed: None,
            done: 0,
            published: false,
        }
    }

    /// Whether something here may still be needed: its outputs, or its inputs.
    pub(super) fn is_busy(&self) -> bool {
        self.seat.keeps_outputs() && !self.published
    }

    pub(super) fn is_unpublished(&self) -> bool {
        self.seat.mine == Mine::Closed(End::Paid) && !self.published
    }

    pub(super) fn task_done(&mut self) {
        self.done = self.done.saturating_add(1).min(self.seat.work.count);
    }

    pub(super) fn status(&self) -> LeaseStatus {
        let lease = self.seat.key.lease;
        LeaseStatus {
            job: lease.job,
            first: self.seat.work.first,
            count: self.seat.work.count,
            round: lease.round,
            challenge: self.seat.key.challenge,
            phase: self.seat.phase(),
            tasks_done: self.done,
            deadline: self.seat.round.commit_by,
        }
    }
}

impl Control {
    /// Reads the seats back.
    pub(super) async fn load_seats(&mut self) -> Result<(), ControlError> {
        for row in self.tools.store.seats().await? {
            if self.job(row.job).await?.is_none() {
                continue;
            }
            match row.end.as_deref().and_then(End::parse) {
                Some(end) => self.count_end(row.job, end),
                None => {
                    let vote = self.tools.store.vote(row.key()).await?;
                    let Some(seat) = Seat::from_row(&row, vote.as_ref()) else {
                        continue;
                    };
                    let done = self
                        .tools
                        .store
                        .tasks(row.job, row.task, row.count)
                        .await?
                        .len();
                    let mut held = HeldSeat::new(seat, None);
                    held.done = u32::try_from(done).unwrap_or(u32::MAX);
                    self.seats.insert(row.key(), held);
                }
            }
        }
        Ok(())
    }

    fn count_end(&mut self, job: B256, end: End) {
        match end {
            End::Paid => {
                self.paid_by(job);
                self.settled += 1;
            }
            End::Lost => self.lost += 1,
            End::Released | End::Vanished => {}
        }
    }

    /// Finds seats of ours in a job, and shows the chain's word to all of them.
    pub(super) async fn refresh_seats(
        &mut self,
        job: B256,
        view: &JobView,
        room: &mut Option<Reservation>,
    ) -> Result<(), ControlError> {
        let provider = self.tools.provider;
        for ((first, round, challenge), panel) in view.seats.panels() {
            let lease = lease::Key { job, first, round };
            let key = Key { lease, challenge };
            let Some(taken) = panel.seat_of(provider) else {
                continue;
            };
            if self.seats.contains_key(&key) || !self.is_ours(taken.tx, room).await? {
                continue;
            }
            let over = self.tools.store.seat(key).await?.and_then(|row| row.end);
            // One that vanished can come back; one that was closed, in a final block, cannot.
            if over.is_some_and(|end| End::parse(&end) != Some(End::Vanished)) {
                continue;
            }
            let Some(work) = self.work_of(key, view) else {
                continue;
            };
            let mut seat = Seat::new(key, work);
            seat.vote = self.tools.store.vote(key).await?.map(|row| row.vote);
            let room = room.take();
            self.seats.insert(key, HeldSeat::new(seat, room));
        }
        let keys: Vec<Key> = self
            .seats
            .keys()
            .filter(|key| key.lease.job == job)
            .copied()
            .collect();
        for key in keys {
            let event = self.word_of(key, view, room).await?;
            self.step_seat(key, event).await?;
        }
        Ok(())
    }

    fn work_of(&self, key: Key, view: &JobView) -> Option<Work> {
        let terms = &self.jobs.get(&key.lease.job)?.job.terms;
        let lease = key.lease;
        if key.is_jurors() {
            let dispute = view
                .seats
                .dispute(lease.first, lease.round, key.challenge)?;
            return Some(Work {
                first: dispute.task,
                count: 1,
            });
        }
        let left = terms.tasks.saturating_sub(lease.first);
        Some(Work {
            first: lease.first,
            count: terms.maxLease.min(left),
        })
    }

    /// What the chain says of a seat.
    async fn word_of(
        &mut self,
        key: Key,
        view: &JobView,
        room: &mut Option<Reservation>,
    ) -> Result<Event, ControlError> {
        let provider = self.tools.provider;
        let (number, block) = (self.stake.number, self.now().block);
        let run_window = self
            .jobs
            .get(&key.lease.job)
            .map_or(0, |entry| entry.job.timing.runWindow);
        let place = (key.lease.first, key.lease.round, key.challenge);
        let times = &self.tools.times;
        let found = view.seats.round(place, provider, run_window, times);
        let taken = found.and_then(|(panel, _)| panel.seat_of(provider));
        // A provider may have several machines: what another of them took is not ours.
        let ours = match taken {
            Some(taken) if self.is_ours(taken.tx, room).await? => Some(taken.bond),
            _ => None,
        };
        let Some(held) = self.seats.get_mut(&key) else {
            return Ok(Event::Tick);
        };
        Ok(match (found, ours) {
            (Some((panel, round)), Some(bond)) => {
                held.bond = bond;
                let (mine, block) = panel.mine(provider, number);
                Event::Chain { mine, round, block }
            }
            _ => Event::Chain {
                mine: Mine::Absent,
                round: held.seat.round,
                block,
            },
        })
    }

    /// Steps one seat, writes it down, then carries the effects out.
    pub(super) async fn step_seat(&mut self, key: Key, event: Event) -> Result<(), ControlError> {
        let now = self.now();
        let Some(held) = self.seats.get_mut(&key) else {
            return Ok(());
        };
        let before = held.seat.clone();
        let (seat, effects) = before.clone().step(event, now);
        if seat != before {
            if seat.phase() != before.phase() {
                let lease = key.lease;
                tracing::info!(job = %lease.job, first = lease.first, round = lease.round, challenge = key.challenge, phase = seat.phase(), "seat");
            }
            held.seat = seat.clone();
            // Of a seat that is found, the first row: one that is not written down would be lost.
            if seat.to_row() != before.to_row() || before.since == u64::MAX {
                self.tools.store.put_seat(seat.to_row()).await?;
            }
        }
        for effect in effects {
            match effect {
                Effect::Run => self.run_seat(key),
                Effect::StopWork => self.stop_seat(key),
                Effect::Send { act, attempt } => self.send_act(key, act, attempt).await?,
                Effect::Publish => self.publish_seat(key).await,
                Effect::Forget(end) => {
                    self.seats.remove(&key);
                    self.count_end(key.lease.job, end);
                    // From now on nobody is owed the outputs.
                    let (job, first) = (key.lease.job, seat.work.first);
                    self.tools
                        .store
                        .put_settled(job, first, local_now())
                        .await?;
                }
            }
        }
        Ok(())
    }

    fn run_seat(&mut self, key: Key) {
        let margin = self.tools.timing.margin;
        let job = key.lease.job;
        let (Some(held), Some(entry)) = (self.seats.get_mut(&key), self.jobs.get(&job)) else {
            return;
        };
        let Ok(spec) = entry.spec.clone() else { return };
        if held.work.is_some() {
            return;
        }
        let keyed = seed_of(entry, key);
        if key.is_jurors() && keyed.is_none() {
            return;
        }
        let cancel = self.works.token().child_token();
        let (wanted, room) = (held.seat.work.count, held.room.take());
        (held.work, held.keyed) = (Some(cancel.clone()), keyed);
        let (work, commit_by) = (held.seat.work, held.seat.round.commit_by);
        let room = self.room_for(key, room, spec.resources, wanted);
        self.tidied = false;
        let order = Order {
            key,
            work,
            keyed,
            seed: entry.job.terms.spec,
            spec,
            room,
            // Giving a seat up is never free.
            free_until: 0,
            deadline: commit_by.saturating_sub(margin),
        };
        self.tools.shop.start(order, cancel);
    }

    fn stop_seat(&mut self, key: Key) {
        if let Some(held) = self.seats.get_mut(&key) {
            if let Some(work) = held.work.take() {
                work.cancel();
            }
            held.room = None;
        }
    }

    pub(super) async fn seat_worked(
        &mut self,
        key: Key,
        result: Result<Vote, Failure>,
    ) -> Result<(), ControlError> {
        let entry = self.jobs.get(&key.lease.job);
        let seed = entry.and_then(|entry| seed_of(entry, key));
        if let Some(held) = self.seats.get_mut(&key) {
            (held.work, held.room) = (None, None);
            if held.keyed != seed {
                // A reorganization drew the jury anew: what is keyed with the old seed is no vote.
                self.run_seat(key);
                return Ok(());
            }
        }
        let event = match result {
            Ok(vote) => Event::Finished(vote),
            Err(failure) => {
                let (why, lease) = (&failure.why, key.lease);
                tracing::warn!(job = %lease.job, first = lease.first, challenge = key.challenge, why, "the work of a seat cannot be done here");
                match key.is_jurors() && failure.of_the_input {
                    true => Event::Finished(Vote::default()),
                    false => Event::Failed,
                }
            }
        };
        self.step_seat(key, event).await
    }

    async fn send_act(&mut self, key: Key, act: Act, attempt: u32) -> Result<(), ControlError> {
        let data = match act {
            Act::Commit => self.commit(key).await?,
            Act::Reveal => self.reveal(key).await?,
            Act::Settle => self.settle(key).await,
        };
        let id = act_id(key, act, attempt);
        let Some(data) = data else {
            return Box::pin(self.act_failed(key, act, attempt)).await;
        };
        let intent = NewIntent {
            id: id.clone(),
            data: data.into(),
            not_after: None,
            repeatable: true,
        };
        match self.send_once(intent).await? {
            None => Ok(()),
            Some(why) => {
                tracing::warn!(intent = id, why, "a transaction came to nothing");
                Box::pin(self.act_failed(key, act, attempt)).await
            }
        }
    }

    pub(super) async fn act_failed(
        &mut self,
        key: Key,
        act: Act,
        attempt: u32,
    ) -> Result<(), ControlError> {
        // Of an earlier attempt: the seat has gone on since.
        let held = self.seats.get(&key);
        if held.is_none_or(|held| held.seat.tries != attempt) {
            return Ok(());
        }
        self.step_seat(key, Event::SendFailed(act)).await
    }

    /// Vote and salt are on disk before the commitment exists anywhere else.
    async fn commit(&mut self, key: Key) -> Result<Option<Vec<u8>>, ControlError> {
        let provider = self.tools.provider;
        let vote = self.seats.get(&key).and_then(|held| held.seat.vote);
        let (Some(vote), Some(job)) = (vote, self.job_of(key)) else {
            return Ok(None);
        };
        let salt = salt()?;
        let new = VoteRow {
            vote,
            salt,
            commitment: commitment(key, provider, vote, salt),
        };
        let kept = match self.tools.store.put_vote(key, new).await {
            Ok(kept) => kept,
            Err(error @ StoreError::Contradiction(_)) => {
                tracing::error!(%error, "not committed");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let (first, round, commitment) = (key.lease.first, key.lease.round, kept.commitment);
        Ok(Some(match key.is_jurors() {
            false => IMarket::commitCall {
                job,
                first,
                round,
                provider,
                commitment,
            }
            .abi_encode(),
            true => IMarket::commitVoteCall {
                job,
                first,
                round,
                number: key.challenge,
                provider,
                commitment,
            }
            .abi_encode(),
        }))
    }

    async fn reveal(&mut self, key: Key) -> Result<Option<Vec<u8>>, ControlError> {
        let (Some(kept), Some(job)) = (self.tools.store.vote(key).await?, self.job_of(key)) else {
            tracing::error!(
                ?key,
                "what it committed to is not known here: it was not by this machine"
            );
            return Ok(None);
        };
        let VoteRow { vote, salt, .. } = kept;
        let (first, provider) = (key.lease.first, self.tools.provider);
        if key.is_jurors() {
            let call = IMarket::revealVoteCall {
                job,
                first,
                provider,
                digest: vote.value,
                keyed: vote.proof,
                salt,
            };
            return Ok(Some(call.abi_encode()));
        }
        // The last one settles with it, if all can be named.
        let last = self.seats.get(&key);
        let panel = match last.is_some_and(|held| held.seat.round.lacks_one_reveal()) {
            true => self.panel(key).await.unwrap_or_default(),
            false => Vec::new(),
        };
        let call = IMarket::revealCall {
            job,
            first,
            provider,
            root: vote.value,
            manifest: vote.proof,
            salt,
            panel,
        };
        Ok(Some(call.abi_encode()))
    }

    pub(super) async fn settle(&self, key: Key) -> Option<Vec<u8>> {
        let panel = self.panel(key).await?;
        let job = self.job_of(key)?;
        let (lease, view) = (key.lease, &self.jobs.get(&key.lease.job)?.view);
        let first = lease.first;
        let verdict = view.seats.verdict((first, lease.round, key.challenge));
        Some(match key.is_jurors() {
            false => IMarket::settleCall {
                job,
                first,
                root: verdict.value,
                panel,
            }
            .abi_encode(),
            true => IMarket::judgeCall {
                job,
                first,
                digest: verdict.value,
                keyed: verdict.proof,
                panel,
            }
            .abi_encode(),
        })
    }

    /// The numbers of the seats' providers, ascending; `None` if the node does not tell.
    async fn panel(&self, key: Key) -> Option<Vec<u32>> {
        let lease = key.lease;
        let seats = &self.jobs.get(&lease.job)?.view.seats;
        let place = (lease.first, lease.round, key.challenge);
        let (_, panel) = seats.panels().find(|(found, _)| *found == place)?;
        let market = IMarket::new(self.tools.market, &self.tools.rpc);
        let calls: Vec<_> = panel
            .seats
            .iter()
            .map(|seat| market.providerOf(seat.provider))
            .collect();
        let numbers = try_join_all(calls.iter().map(|call| async move { call.call().await })).await;
        match numbers {
            Ok(states) => {
                let mut numbers: Vec<u32> = states.iter().map(|state| state.number).collect();
                numbers.sort_unstable();
                Some(numbers)
            }
            Err(error) => {
                tracing::debug!(%error, "cannot read the providers' numbers");
                None
            }
        }
    }

    fn job_of(&self, key: Key) -> Option<IMarket::Job> {
        let entry = self.jobs.get(&key.lease.job)?;
        Some(entry.job.clone())
    }

    pub(super) async fn publish_seat(&mut self, key: Key) {
        let Some(held) = self.seats.get_mut(&key) else {
            return;
        };
        // Who says that the input cannot be had has no output.
        let empty = key.is_jurors() && held.seat.vote == Some(Vote::default());
        if held.published || empty {
            held.published = true;
            return;
        }
        let (job, work) = (key.lease.job, held.seat.work);
        match self.tools.shop.publish(job, work.first, work.count).await {
            Ok(()) => held.published = true,
            Err(error) => {
                tracing::error!(%job, first = work.first, %error, "cannot serve the outputs")
            }
        }
    }
}

/// The key of a juror's second digest.
fn seed_of(entry: &JobEntry, key: Key) -> Option<B256> {
    let lease = key.lease;
    let seats = &entry.view.seats;
    let dispute = seats.dispute(lease.first, lease.round, key.challenge)?;
    dispute.seed
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "seat-commit",
            Self::Reveal => "seat-reveal",
            Self::Settle => "seat-settle",
        }
    }
}

fn act_id(key: Key, act: Act, attempt: u32) -> String {
    let lease = key.lease;
    format!(
        "{}/{}/{}/{}/{}/{attempt}",
        act.name(),
        lease.job,
        lease.first,
        lease.round,
        key.challenge
    )
}

/// The seat, act and attempt that an intent's id names.
pub(super) fn act_of_intent(id: &str) -> Option<(Key, Act, u32)> {
    let mut parts = id.split('/');
    let what = parts.next()?;
    let acts = [Act::Commit, Act::Reveal, Act::Settle];
    let act = acts.into_iter().find(|act| act.name() == what)?;
    let lease = lease::Key {
        job: parts.next()?.parse().ok()?,
        first: parts.next()?.parse().ok()?,
        round: parts.next()?.parse().ok()?,
    };
    let challenge = parts.next()?.parse().ok()?;
    let attempt = parts.next()?.parse().ok()?;
    Some((Key { lease, challenge }, act, attempt))
}
