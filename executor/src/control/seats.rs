//! Seats: found in events, stepped, written down; what their state machine asks for is done here.

use alloy::{primitives::B256, sol_types::SolCall as _};
use piecework_core::{chain::IMarket, rules, view::JobView};
use tokio_util::sync::CancellationToken;

use super::{Control, ControlError};
use crate::{
    capacity::Reservation,
    clock::local_now,
    lease,
    seat::{
        Act, Effect, End, Event, Key, Mine, Round, Seat, Vote, Work,
        commitment::{commitment, salt},
    },
    status::LeaseStatus,
    store::{NewIntent, StoreError, VoteRow},
    work::{Failure, Order, Reach},
};

/// A seat of ours.
#[derive(Debug)]
pub(super) struct HeldSeat {
    pub(super) seat: Seat,
    pub(super) bond: u128,
    work: Option<CancellationToken>,
    room: Option<Reservation>,
    /// The key under which a juror works.
    keyed: Option<B256>,
    /// Whether it is in the store.
    written: bool,
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
            written: false,
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
            kind: self.seat.key.kind,
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
                    held.written = true;
                    held.bond = self.bond_of_seat(row.key(), held.seat.work);
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
        for ((first, round, kind), panel) in view.seats.panels() {
            let lease = lease::Key { job, first, round };
            let key = Key { lease, kind };
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
            let mut held = HeldSeat::new(seat, room.take());
            held.bond = self.bond_of_seat(key, work);
            self.seats.insert(key, held);
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
            let jury = view.seats.jury((lease.first, lease.round, key.kind))?;
            return Some(Work {
                first: jury.task,
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
        let place = (key.lease.first, key.lease.round, key.kind);
        let times = &self.tools.times;
        let found = view.seats.round(place, provider, times);
        let taken = found.and_then(|(panel, _)| panel.seat_of(provider));
        // A provider may have several machines: what another of them took is not ours.
        let ours = match taken {
            Some(taken) => self.is_ours(taken.tx, room).await?,
            // One that was left is ours still.
            None => found.is_some(),
        };
        let Some(held) = self.seats.get_mut(&key) else {
            return Ok(Event::Tick);
        };
        Ok(match found {
            Some((panel, round)) if ours => {
                // A job that was cancelled begins no round.
                let closed = round.closed || (view.cancelled && !round.begun);
                let round = Round { closed, ..round };
                let (mine, block) = panel.mine(provider, number);
                let mine = match mine {
                    // It was left once, and is to be taken again.
                    Mine::Closed(End::Vanished) if held.seat.prospect => Mine::Absent,
                    mine => mine,
                };
                Event::Chain { mine, round, block }
            }
            Some((_, round)) => Event::Chain {
                mine: Mine::Absent,
                // Another of our machines has the seat.
                round: Round {
                    closed: true,
                    ..round
                },
                block,
            },
            None => Event::Chain {
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
                tracing::info!(job = %lease.job, first = lease.first, round = lease.round, kind = key.kind, phase = seat.phase(), "seat");
            }
            held.seat = seat.clone();
            // One that is worked for and not taken is nothing to be remembered.
            let changed = seat.to_row() != before.to_row();
            if held.written && changed || !held.written && seat.mine != Mine::Absent {
                held.written = true;
                self.tools.store.put_seat(seat.to_row()).await?;
            }
        }
        for effect in effects {
            match effect {
                Effect::Run => self.run_seat(key),
                Effect::StopWork => self.stop_seat(key),
                Effect::Send { act, attempt } => self.send_act(key, act, attempt).await?,
                Effect::Publish => self.publish_seat(key).await,
                Effect::Forget(end) => self.forget_seat(key, end).await?,
            }
        }
        Ok(())
    }

    async fn forget_seat(&mut self, key: Key, end: End) -> Result<(), ControlError> {
        let Some(held) = self.seats.remove(&key) else {
            return Ok(());
        };
        self.leaves.forget(key);
        let job = key.lease.job;
        self.count_end(job, end);
        if end == End::Vanished && !key.is_jurors() {
            // A seat whose round did not begin is not taken again at once.
            self.rest(key, held.seat.round.leave_at != u64::MAX);
        }
        if !key.is_jurors() && end == End::Paid {
            // From now on nobody is owed the outputs.
            let first = held.seat.work.first;
            self.tools
                .store
                .put_settled(job, first, local_now())
                .await?;
        }
        Ok(())
    }

    fn run_seat(&mut self, key: Key) {
        let margin = self.tools.timing.margin;
        let job = key.lease.job;
        let (Some(held), Some(entry)) = (self.seats.get(&key), self.jobs.get(&job)) else {
            return;
        };
        let Ok(spec) = entry.spec.clone() else { return };
        if held.work.is_some() {
            return;
        }
        // Without the seed it is begun later, when that was read.
        let keyed = self.vote_key(key);
        if key.is_jurors() && keyed.is_none() {
            return;
        }
        let (Some(held), Some(entry)) = (self.seats.get_mut(&key), self.jobs.get(&job)) else {
            return;
        };
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
            strict: entry.job.assurance.refund,
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
        let keyed = self.vote_key(key);
        let mut joined = false;
        if let Some(held) = self.seats.get_mut(&key) {
            (held.work, held.room) = (None, None);
            joined = held.seat.mine == Mine::Joined;
            if held.keyed != keyed {
                // A reorganization drew the jury again: what is keyed with the old seed is no vote.
                self.run_seat(key);
                return Ok(());
            }
        }
        let event = match result {
            Ok(vote) => Event::Finished(vote),
            Err(failure) => {
                let (why, lease) = (&failure.why, key.lease);
                tracing::warn!(job = %lease.job, first = lease.first, kind = key.kind, why, "the work of a seat cannot be done here");
                // A juror that has a seat abstains; one that has none does not come.
                let abstains = failure.of_the_input || failure.unsure;
                match key.is_jurors() && joined && abstains {
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
            Act::Open => self.open(key).await?,
            Act::Settle => self.end_round(key, None).await?,
            Act::Leave => self.leave(key),
        };
        let id = act_id(key, act, attempt);
        let Some(data) = data else {
            return Box::pin(self.step_seat(key, Event::Waits(act))).await;
        };
        let now = self.tools.clock.now();
        let held = self.seats.get(&key);
        let by = held.and_then(|held| held.seat.act_by(act, now, held.bond));
        let intent = NewIntent {
            id: id.clone(),
            to: None,
            data: data.into(),
            not_after: None,
            repeatable: true,
            deadline: by.map(|(deadline, _)| deadline),
            at_stake: by.map_or(0, |(_, at_stake)| at_stake),
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
        // Without it nothing can be committed to: the chain does not tell it now.
        let Some(number) = self.number_of(provider).await else {
            return Ok(None);
        };
        let (salt, round) = (salt()?, self.draw_round(key.lease));
        let new = VoteRow {
            vote,
            salt,
            commitment: commitment(&round, key.kind, number, vote, salt),
        };
        let kept = match self.tools.store.put_vote(key, new).await {
            Ok(kept) => kept,
            Err(error @ StoreError::Contradiction(_)) => {
                tracing::error!(%error, "not committed");
                Box::pin(self.step_seat(key, Event::Failed)).await?;
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
                jury: key.kind,
                provider,
                commitment,
            }
            .abi_encode(),
        }))
    }

    async fn open(&mut self, key: Key) -> Result<Option<Vec<u8>>, ControlError> {
        let Some(kept) = self.tools.store.vote(key).await? else {
            tracing::error!(
                ?key,
                "what it committed to is not known here: it was not by this machine"
            );
            return Ok(None);
        };
        self.open_seat(key, kept).await
    }

    fn leave(&self, key: Key) -> Option<Vec<u8>> {
        let call = IMarket::leaveCall {
            job: self.job_of(key)?,
            first: key.lease.first,
            round: key.lease.round,
            provider: self.tools.provider,
        };
        Some(call.abi_encode())
    }

    fn job_of(&self, key: Key) -> Option<IMarket::Job> {
        let entry = self.jobs.get(&key.lease.job)?;
        Some(entry.job.clone())
    }

    /// The key of a juror's second digest, from the seed of its jury's point.
    fn vote_key(&self, key: Key) -> Option<B256> {
        let lease = key.lease;
        let view = &self.jobs.get(&lease.job)?.view;
        let place = (lease.first, lease.round, key.kind);
        let point = match view.seats.jury(place) {
            Some(jury) => jury.point,
            // It is not open yet.
            None => view.leases.get(&lease.first)?.point,
        };
        let seed = self.points.seed(point).filter(|_| key.is_jurors())?;
        let task = self.seats.get(&key)?.seat.work.first;
        Some(self.draw_round(lease).vote_key(seed, task))
    }

    /// The stake that a seat locks.
    fn bond_of_seat(&self, key: Key, work: Work) -> u128 {
        let Some(entry) = self.jobs.get(&key.lease.job) else {
            return 0;
        };
        let price = &entry.job.price;
        let bond = match key.is_jurors() {
            true => rules::juror_bond_of(price),
            false => rules::bond_of(price, work.count),
        };
        bond.unwrap_or(0)
    }

    /// Points whose seeds jurors of ours need to work.
    pub(super) fn points_of_jurors(&self) -> Vec<(Key, u64)> {
        let unfinished = self
            .seats
            .iter()
            .filter(|(key, held)| key.is_jurors() && held.seat.is_running());
        let point = |key: &Key| {
            let lease = key.lease;
            let view = &self.jobs.get(&lease.job)?.view;
            let place = (lease.first, lease.round, key.kind);
            Some((*key, view.seats.jury(place)?.point))
        };
        unfinished.filter_map(|(key, _)| point(key)).collect()
    }

    /// Begins the work of a juror that waited for its seed.
    pub(super) fn begin_work(&mut self, key: Key) {
        self.run_seat(key);
    }

    /// Begins to work for a seat that is taken with its commitment, until `by`.
    pub(super) async fn work_for(
        &mut self,
        key: Key,
        work: Work,
        by: u64,
        room: Reservation,
    ) -> Result<(), ControlError> {
        let seat = Seat::prospect(key, work, by);
        let mut held = HeldSeat::new(seat, Some(room));
        held.bond = self.bond_of_seat(key, work);
        held.seat.vote = self.tools.store.vote(key).await?.map(|row| row.vote);
        self.seats.insert(key, held);
        self.step_seat(key, Event::Tick).await
    }

    pub(super) async fn publish_seat(&mut self, key: Key) {
        let Some(held) = self.seats.get_mut(&key) else {
            return;
        };
        // Nobody asks for what a juror found.
        if held.published || key.is_jurors() {
            held.published = true;
            return;
        }
        let (job, work) = (key.lease.job, held.seat.work);
        let reach = Reach::Everybody;
        let shop = &self.tools.shop;
        match shop.publish(job, work.first, work.count, reach).await {
            Ok(()) => held.published = true,
            Err(error) => {
                tracing::error!(%job, first = work.first, %error, "cannot serve the outputs")
            }
        }
    }
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "seat-commit",
            Self::Open => "seat-open",
            Self::Settle => "seat-settle",
            Self::Leave => "seat-leave",
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
        key.kind
    )
}

/// The seat, act and attempt that an intent's id names.
pub(super) fn act_of_intent(id: &str) -> Option<(Key, Act, u32)> {
    let mut parts = id.split('/');
    let what = parts.next()?;
    let acts = [Act::Commit, Act::Open, Act::Settle, Act::Leave];
    let act = acts.into_iter().find(|act| act.name() == what)?;
    let lease = lease::Key {
        job: parts.next()?.parse().ok()?,
        first: parts.next()?.parse().ok()?,
        round: parts.next()?.parse().ok()?,
    };
    let kind = parts.next()?.parse().ok()?;
    let attempt = parts.next()?.parse().ok()?;
    Some((Key { lease, kind }, act, attempt))
}
