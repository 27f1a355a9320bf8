//! Leases: found in events, stepped, written down.

use std::sync::Arc;

use alloy::primitives::B256;
use piecework_core::{
    rules::draw,
    spec::Resources,
    view::{JobView, LeaseView, lease::State},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Claim, Control, ControlError, JobEntry, Tools, Wish, stake::Stake, trials::Trials};
use crate::{
    capacity::Reservation,
    lease::{Audit, End, Event, Key, Lease, Phase, Roots, Seen},
    promise::{longest, owes},
    seat::{self, Vote},
    status::{LeaseStatus, SkippedJob},
    store::IntentState,
    work::{Failure, Reach},
};

/// A lease of ours.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) work: Option<CancellationToken>,
    pub(super) room: Option<Reservation>,
    pub(super) done: u32,
    pub(super) published: Option<Reach>,
}

impl Control {
    /// Reads everything back.
    pub(super) async fn load(tools: Tools, synced: bool) -> Result<Self, ControlError> {
        let head = tools.store.blocks().await?.last().copied();
        let mut control = Self {
            tools,
            jobs: std::collections::HashMap::new(),
            leases: std::collections::BTreeMap::new(),
            seats: std::collections::BTreeMap::new(),
            points: super::points::Points::default(),
            leaves: super::votes::Leaves::default(),
            numbers: std::collections::HashMap::new(),
            claims: std::collections::HashMap::new(),
            mined_early: Vec::new(),
            head,
            synced: false,
            stake: Stake::default(),
            trials: Trials::default(),
            clients: std::collections::HashSet::new(),
            counter: 0,
            settled: 0,
            lost: 0,
            tidied: false,
            disk_full: false,
            housekept: Instant::now(),
            works: CancellationToken::new().drop_guard(),
        };
        for intent in control.tools.store.open_intents().await? {
            let on_its_way = matches!(intent.state, IntentState::Queued | IntentState::Sent);
            if let (true, Some((job, wish))) = (on_its_way, wished(&intent.new.id)) {
                control.job(job).await?;
                let (room, room_until) = match control.tools.promised.take_claim(&intent.new.id) {
                    Some((room, until)) => (Some(room), until),
                    None => (None, Instant::now()),
                };
                let claim = Claim {
                    job,
                    wish,
                    bond: 0,
                    room,
                    room_until,
                };
                control.claims.insert(intent.new.id, claim);
            }
        }
        for row in control.tools.store.leases().await? {
            let Some(entry) = control.job(row.job).await? else {
                continue;
            };
            let (client, timing) = (entry.job.terms.client, &entry.job.timing);
            let Some(lease) = Lease::from_row(&row, timing.runWindow) else {
                tracing::error!(
                    phase = row.phase,
                    "a lease of the store is in an unknown phase"
                );
                continue;
            };
            match lease.phase {
                Phase::Done(End::Paid) => {
                    control.clients.insert(client);
                    control.settled += 1;
                }
                Phase::Done(End::Lost) => control.lost += 1,
                Phase::Done(End::Vanished) => {}
                _ => {
                    let done = control
                        .tools
                        .store
                        .tasks(row.job, row.first, row.count)
                        .await?
                        .len();
                    let done = u32::try_from(done).unwrap_or(u32::MAX);
                    let held = Held {
                        lease,
                        work: None,
                        room: None,
                        done,
                        published: None,
                    };
                    control.leases.insert(held.lease.key, held);
                }
            }
        }
        control.load_seats().await?;
        if synced {
            control.sync().await?;
        }
        Ok(control)
    }

    /// The chain is read up to now: every lease goes on.
    pub(super) async fn sync(&mut self) -> Result<(), ControlError> {
        if std::mem::replace(&mut self.synced, true) {
            return Ok(());
        }
        for job in self.tools.store.job_ids().await? {
            self.refresh(job).await?;
        }
        // What came of those is found by now.
        for id in std::mem::take(&mut self.mined_early) {
            self.claims.remove(&id);
        }
        let keys: Vec<Key> = self.leases.keys().copied().collect();
        for key in keys {
            self.step(key, Event::Restarted).await?;
        }
        let keys: Vec<seat::Key> = self.seats.keys().copied().collect();
        for key in keys {
            self.step_seat(key, seat::Event::Restarted).await?;
        }
        // Whatever goes on has taken its room.
        self.tools.promised.give_back();
        Ok(())
    }

    pub(super) async fn job(&mut self, id: B256) -> Result<Option<&mut JobEntry>, ControlError> {
        if !self.jobs.contains_key(&id)
            && let Some(row) = self.tools.store.job(id).await?
            && let Some(mut entry) = JobEntry::parse(&row)
        {
            if let Some(trial) = self.tools.store.trial(entry.job.terms.spec).await? {
                entry.learn(&trial);
            }
            self.jobs.insert(id, entry);
        }
        Ok(self.jobs.get_mut(&id))
    }

    pub(super) async fn refresh(&mut self, job: B256) -> Result<(), ControlError> {
        self.refresh_with(job, &mut None).await
    }

    /// Folds a job's events again, finds leases of ours in it, and shows the chain's word to all.
    /// `room` is what the claim had reserved that is being taken in.
    pub(super) async fn refresh_with(
        &mut self,
        job: B256,
        room: &mut Option<Reservation>,
    ) -> Result<(), ControlError> {
        if !self.synced {
            return Ok(());
        }
        let view = JobView::fold(&self.tools.store.events_of(job).await?);
        let Some(entry) = self.job(job).await? else {
            return Ok(());
        };
        entry.see(view.clone());
        let timing = entry.job.timing.clone();
        for (first, seen) in &view.leases {
            let key = Key {
                job,
                first: *first,
                round: seen.round,
            };
            let is_new = !self.leases.contains_key(&key);
            if is_new
                && seen.provider == self.tools.provider
                && self.claimed_here(&view, *first, room).await?
            {
                if self.is_over(key).await? {
                    continue;
                }
                let mut lease = Lease::new(key, seen.count, 0, timing.runWindow);
                // It is found by what the chain says of it next.
                lease.phase = Phase::Absent;
                let room = room.take();
                // Some may have been run in a round that was reorganized away.
                let tasks = self.tools.store.tasks(job, *first, seen.count).await?;
                self.trials.forgive();
                self.leases.insert(
                    key,
                    Held {
                        lease,
                        work: None,
                        room,
                        done: u32::try_from(tasks.len()).unwrap_or(u32::MAX),
                        published: None,
                    },
                );
            }
        }
        let keys: Vec<Key> = self
            .leases
            .keys()
            .filter(|key| key.job == job)
            .copied()
            .collect();
        for key in keys {
            let ours = self.claimed_here(&view, key.first, room).await?;
            let (seen, block) = self.seen(&view, key, ours);
            self.step(key, Event::Chain { seen, block }).await?;
        }
        self.refresh_seats(job, &view, room).await
    }

    /// What the chain says of one round, and since which block. `ours` tells whether the present round was claimed by this
    /// very machine: a provider may have several.
    fn seen(&self, view: &JobView, key: Key, ours: bool) -> (Seen, u64) {
        let Some(lease) = view.leases.get(&key.first) else {
            return (Seen::Absent, 0);
        };
        let seen = match lease.state {
            // A later round: ours was freed, by its taker.
            _ if lease.round > key.round => Seen::Lost,
            _ if lease.round < key.round || !ours => Seen::Absent,
            State::Running => Seen::Running { started: lease.at },
            State::Submitted | State::Undecided => Seen::Submitted {
                from: self.final_from(key, lease),
            },
            State::Audited(jury) => {
                let place = (key.first, key.round, jury);
                let me = self.tools.provider;
                let found = view.seats.round(place, me, &self.tools.times);
                let audit = found.map(|(_, votes)| Audit {
                    jury,
                    votes,
                    leaf_missed: view
                        .seats
                        .jury(place)
                        .is_some_and(|jury| jury.leaf_by.is_some()),
                });
                match audit {
                    Some(audit) => Seen::Audited(audit),
                    None => Seen::Submitted { from: u64::MAX },
                }
            }
            State::Settled => Seen::Settled,
            State::Void | State::Freed | State::Refunded => Seen::Lost,
        };
        (seen, lease.block)
    }

    /// From when on a submitted lease can be finalized: at once if chance says that it is not audited, otherwise when the
    /// time for juries is over.
    fn final_from(&self, key: Key, lease: &LeaseView) -> u64 {
        let Some(job) = self.jobs.get(&key.job).map(|entry| &entry.job) else {
            return u64::MAX;
        };
        if lease.state == State::Undecided {
            let time = self.points.time(lease.point).unwrap_or(u64::MAX);
            let due = time.saturating_add(self.tools.times.retryWindow);
            return due.saturating_add(1);
        }
        let seed = self.points.seed(lease.point);
        let seed = seed.filter(|_| self.is_final(lease.submitted_block));
        let round = self.draw_round(key);
        match seed.map(|seed| round.is_audited(seed, job.assurance.auditBps)) {
            Some(false) => 0,
            _ => {
                let until = lease.at.saturating_add(job.timing.auditWindow);
                until.saturating_add(1)
            }
        }
    }

    /// A round, as draws and commitments name it.
    pub(super) fn draw_round(&self, key: Key) -> draw::Round {
        draw::Round {
            chain_id: self.tools.chain_id,
            market: self.tools.market,
            job_id: key.job,
            first: key.first,
            round: key.round,
        }
    }

    /// Whether the present round was claimed by a transaction of this very machine. The room of a claim that is not
    /// known to be mined yet comes along: given back, it could go to another chain before the lease has it.
    async fn claimed_here(
        &mut self,
        view: &JobView,
        first: u32,
        room: &mut Option<Reservation>,
    ) -> Result<bool, ControlError> {
        let Some(lease) = view.leases.get(&first) else {
            return Ok(false);
        };
        if lease.provider != self.tools.provider {
            return Ok(false);
        }
        self.is_ours(lease.claim_tx, room).await
    }

    /// Whether a transaction is one of this very machine; the room of its claim comes along.
    pub(super) async fn is_ours(
        &mut self,
        tx: B256,
        room: &mut Option<Reservation>,
    ) -> Result<bool, ControlError> {
        let Some(intent) = self.tools.store.intent_of_tx(tx).await? else {
            return Ok(false);
        };
        let claimed = self.claims.remove(&intent).and_then(|claim| claim.room);
        let found = claimed.or_else(|| Some(self.tools.promised.take_claim(&intent)?.0));
        *room = room.take().or(found);
        Ok(true)
    }

    /// Room for bonded work: its claim's, or what was kept for it, or else what it takes; and what else is free.
    pub(super) fn room_for(
        &self,
        key: seat::Key,
        room: Option<Reservation>,
        each: Resources,
        wanted: u32,
    ) -> Arc<Reservation> {
        let room = room.or_else(|| self.tools.promised.take(key));
        let mut room = room.unwrap_or_else(|| self.tools.capacity.force(each));
        room.grow(each, wanted);
        Arc::new(room)
    }

    /// Until when room for a job's claim that is sent now is of use.
    pub(super) fn room_until(&self, job: B256) -> Instant {
        let entry = self.jobs.get(&job);
        let longest = entry.map_or_else(Default::default, |entry| longest(&entry.job.timing));
        Instant::now() + longest
    }

    async fn is_over(&self, key: Key) -> Result<bool, ControlError> {
        let rows = self.tools.store.leases().await?;
        let same = |row: &&crate::store::LeaseRow| {
            (row.job, row.first, row.round) == (key.job, key.first, key.round)
        };
        // One that vanished can come back; one that was paid or lost, in a final block, cannot.
        Ok(rows
            .iter()
            .find(same)
            .is_some_and(|row| row.phase.starts_with("done-") && row.phase != "done-vanished"))
    }

    /// Steps one lease, writes it down, then carries the effects out.
    pub(super) async fn step(&mut self, key: Key, event: Event) -> Result<(), ControlError> {
        let now = self.now();
        let Some(held) = self.leases.get_mut(&key) else {
            return Ok(());
        };
        let before = held.lease.clone();
        let (lease, effects) = before.clone().step(event, now);
        if lease != before {
            if lease.phase != before.phase {
                tracing::info!(job = %key.job, first = key.first, round = key.round, phase = lease.phase.name(), "lease");
            }
            held.lease = lease.clone();
            self.tools.store.put_lease(lease.to_row()).await?;
        }
        for effect in effects {
            self.carry_out(key, effect).await?;
        }
        Ok(())
    }

    pub(super) async fn tick(&mut self) -> Result<(), ControlError> {
        if self.synced {
            self.tick_all().await?;
        }
        // A chain that is silent keeps no room from others for what is over.
        self.tools.promised.give_back_late();
        let now = Instant::now();
        for claim in self.claims.values_mut() {
            claim.room.take_if(|_| now > claim.room_until);
        }
        let busy = if self.synced {
            self.is_busy()
        } else {
            // Nobody asks before it is to stop.
            !self.is_stopping() || owes(&self.tools.store).await?
        };
        self.tools.idle.send_replace(!busy);
        Ok(())
    }

    fn is_busy(&self) -> bool {
        let owed = |held: &Held| {
            matches!(
                held.lease.phase,
                Phase::Running | Phase::Submitting | Phase::Leaving
            )
        };
        !self.claims.is_empty()
            || self.seats.values().any(|held| held.seat.needs_us())
            || self.leases.values().any(owed)
    }

    async fn tick_all(&mut self) -> Result<(), ControlError> {
        let keys: Vec<Key> = self.leases.keys().copied().collect();
        for key in keys {
            self.step(key, Event::Tick).await?;
        }
        let keys: Vec<seat::Key> = self.seats.keys().copied().collect();
        for key in keys {
            self.step_seat(key, seat::Event::Tick).await?;
        }
        self.mind_points().await?;
        self.keep_house().await
    }

    pub(super) fn task_done(&mut self, key: seat::Key) {
        if let Some(held) = self.seats.get_mut(&key) {
            held.task_done();
        } else if let Some(held) = self.leases.get_mut(&key.lease) {
            held.done = held.done.saturating_add(1).min(held.lease.count);
        }
    }

    pub(super) async fn worked(
        &mut self,
        key: seat::Key,
        result: Result<Vote, Failure>,
    ) -> Result<(), ControlError> {
        if self.seats.contains_key(&key) {
            return self.seat_worked(key, result).await;
        }
        let key = key.lease;
        if let Some(held) = self.leases.get_mut(&key) {
            held.work = None;
            held.room = None;
        }
        match result {
            Ok(result) => {
                let roots = Roots {
                    root: result.value,
                    list: result.proof,
                };
                self.step(key, Event::Finished(roots)).await
            }
            Err(Failure { why, .. }) => {
                tracing::warn!(job = %key.job, first = key.first, why, "the work cannot be done here; giving the lease up");
                self.step(key, Event::Failed).await
            }
        }
    }

    /// A transaction that will not happen.
    pub(super) async fn not_sent(&mut self, id: &str, why: &str) -> Result<(), ControlError> {
        if self.claim_lost(id, why) {
            return Ok(());
        }
        if let Some((key, act, attempt)) = super::seats::act_of_intent(id) {
            tracing::warn!(intent = id, why, "a transaction came to nothing");
            return self.act_failed(key, act, attempt).await;
        }
        match super::effects::lease_of_intent(id) {
            Some((key, attempt)) => self.send_failed(key, attempt, id, why).await,
            None => Ok(()),
        }
    }

    /// A transaction that was mined and did nothing is asked for again in a while: `finalize` passes over what is not due,
    /// and a call that records openings may decide nothing.
    pub(super) async fn came_to_nothing(&mut self, id: &str) -> Result<(), ControlError> {
        if !self.synced {
            return Ok(());
        }
        let why = "it was mined and changed nothing";
        if let Some((key, act, attempt)) = super::seats::act_of_intent(id) {
            return self.act_failed(key, act, attempt).await;
        }
        let Some((key, attempt)) = super::effects::lease_of_intent(id) else {
            return Ok(());
        };
        let waits = self
            .leases
            .get(&key)
            .is_some_and(|held| matches!(held.lease.phase, Phase::Finalizing | Phase::Judging));
        let decides = id.starts_with("finalize/") || id.starts_with("judge-");
        match waits && decides {
            true => self.send_failed(key, attempt, id, why).await,
            false => Ok(()),
        }
    }

    pub(super) async fn send_failed(
        &mut self,
        key: Key,
        attempt: u32,
        id: &str,
        why: &str,
    ) -> Result<(), ControlError> {
        tracing::warn!(intent = id, why, "a transaction came to nothing");
        // Of an earlier attempt: the lease has gone on since.
        if self
            .leases
            .get(&key)
            .is_none_or(|held| held.lease.tries != attempt)
        {
            return Ok(());
        }
        self.step(key, Event::SendFailed).await
    }

    /// Writes the status.
    pub(super) fn report(&self) {
        let leases = self.leases.values().map(|held| LeaseStatus {
            job: held.lease.key.job,
            first: held.lease.key.first,
            count: held.lease.count,
            round: held.lease.key.round,
            kind: 0,
            phase: held.lease.phase.name(),
            tasks_done: held.done,
            deadline: held.lease.deadline(),
        });
        let seats = self.seats.values().map(super::HeldSeat::status);
        let leases = leases.chain(seats);
        let skipped = self.jobs.iter().filter_map(|(job, entry)| {
            let untaken = entry.view.next < entry.job.terms.tasks;
            let open = untaken && !entry.view.cancelled;
            let why = entry.why.clone().filter(|_| open)?;
            Some(SkippedJob { job: *job, why })
        });
        let running = self
            .tools
            .shop
            .running
            .load(std::sync::atomic::Ordering::Relaxed);
        self.tools.board.write(|status| {
            status.leases = leases.collect();
            status.skipped = skipped.take(100).collect();
            status.blocked = self.blocked();
            status.stake = self.stake.total;
            status.free_stake = self.stake.free;
            status.running_tasks = running;
            status.settled = self.settled;
            status.lost = self.lost;
            if let Some(head) = self.head {
                status.head_block = head.number;
                status.head_time = head.time;
            }
        });
    }
}

/// What an intent on its way asks for, after a restart.
pub(crate) fn wished(id: &str) -> Option<(B256, Wish)> {
    let parts: Vec<&str> = id.split('/').collect();
    let [what, job, rest @ ..] = parts.as_slice() else {
        return None;
    };
    let job = job.parse().ok()?;
    let wish = match *what {
        // How many is not known any more: until that is found out, nothing more is asked for.
        "claim" | "takeover" => Wish::Lease,
        what => super::draws::wish_of(what, job, rest)?,
    };
    Some((job, wish))
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
