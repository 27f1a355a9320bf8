//! Effects: what the state machine asked for is done here.

use std::{collections::HashSet, time::Duration};

use alloy::{primitives::B256, sol_types::SolCall as _};
use piecework_core::chain::IMarket;
use tokio::time::Instant;

use super::{Control, ControlError, Held};
use crate::{
    clock::local_now,
    evaluate::bond,
    lease::{Effect, End, Key, Lease, Phase, Roots},
    seat::{self, Work},
    store::{IntentState, NewIntent, StoreError},
    work::{Order, Reach},
};

/// How often is looked for what can go.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

impl Control {
    pub(super) async fn carry_out(&mut self, key: Key, effect: Effect) -> Result<(), ControlError> {
        match effect {
            Effect::Run => self.run_tasks(key),
            Effect::StopWork => {
                if let Some(held) = self.leases.get_mut(&key) {
                    if let Some(work) = held.work.take() {
                        work.cancel();
                    }
                    held.room = None;
                }
            }
            Effect::Submit { roots, attempt } => self.submit(key, roots, attempt).await?,
            Effect::Leave { attempt } => {
                let provider = self.tools.provider;
                let by = self.leave_by(key);
                self.call("leave".to_owned(), key, attempt, by, |job| {
                    IMarket::leaveCall {
                        job,
                        first: key.first,
                        round: key.round,
                        provider,
                    }
                    .abi_encode()
                })
                .await?;
            }
            Effect::Finalize { attempt } => {
                self.call("finalize".to_owned(), key, attempt, None, |job| {
                    IMarket::finalizeCall {
                        job,
                        firsts: vec![key.first],
                    }
                    .abi_encode()
                })
                .await?;
            }
            Effect::Expire { attempt } => {
                self.call("expire".to_owned(), key, attempt, None, |job| {
                    IMarket::expireCall {
                        job,
                        first: key.first,
                    }
                    .abi_encode()
                })
                .await?;
            }
            Effect::Judge { jury, attempt } => self.judge(key, jury, attempt).await?,
            Effect::Publish => self.publish(key, Reach::Client).await,
            Effect::OpenList => self.publish(key, Reach::List).await,
            Effect::Open => self.publish(key, Reach::Everybody).await,
            Effect::Forget(end) => self.forget(key, end).await?,
        }
        Ok(())
    }

    fn run_tasks(&mut self, key: Key) {
        let margin = self.tools.timing.margin;
        let (Some(held), Some(entry)) = (self.leases.get_mut(&key), self.jobs.get(&key.job)) else {
            return;
        };
        let Ok(spec) = entry.spec.clone() else { return };
        if held.work.is_some() {
            return;
        }
        let cancel = self.works.token().child_token();
        held.work = Some(cancel.clone());
        let (count, room) = (held.lease.count, held.room.take());
        let (free_until, deadline) = (held.lease.free_until(), held.lease.deadline());
        let seed = entry.job.terms.spec;
        let whose = seat::Key {
            lease: key,
            kind: 0,
        };
        let room = self.room_for(whose, room, spec.resources, count);
        self.tidied = false;
        let order = Order {
            key: whose,
            work: Work {
                first: key.first,
                count,
            },
            keyed: None,
            strict: false,
            seed,
            spec,
            room,
            free_until,
            deadline: deadline.saturating_sub(margin),
        };
        self.tools.shop.start(order, cancel);
    }

    /// Nothing that binds stake is signed before it stands in the journal.
    async fn submit(&mut self, key: Key, roots: Roots, attempt: u32) -> Result<(), ControlError> {
        let Some(held) = self.leases.get(&key) else {
            return Ok(());
        };
        let count = held.lease.count;
        let whose = seat::Key {
            lease: key,
            kind: 0,
        };
        let bound = self
            .tools
            .store
            .bind_digest(whose, count, "submit", roots.root);
        match bound.await {
            Ok(()) => {}
            Err(error @ StoreError::Contradiction(_)) => {
                tracing::error!(%error, "not submitted");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let by = (held.lease.deadline(), self.bond_of_lease(key, count));
        let provider = self.tools.provider;
        self.call("submit".to_owned(), key, attempt, Some(by), |job| {
            IMarket::submitCall {
                job,
                first: key.first,
                round: key.round,
                provider,
                root: roots.root,
                digestList: roots.list,
            }
            .abi_encode()
        })
        .await
    }

    /// A round may see two juries, and each decides once.
    async fn judge(&mut self, key: Key, jury: u8, attempt: u32) -> Result<(), ControlError> {
        let what = format!("judge-{jury}");
        let seats = seat::Key {
            lease: key,
            kind: jury,
        };
        match self.end_round(seats, None).await? {
            Some(data) => {
                let by = self.leaf_by(key, jury);
                self.call(what, key, attempt, by, |_| data).await
            }
            None => {
                let id = intent_id(&what, key, attempt);
                let why = "the jury, or our leaf, could not be read";
                Box::pin(self.send_failed(key, attempt, &id, why)).await
            }
        }
    }

    /// Until when leaving a lease saves what, and what that is at most.
    fn leave_by(&self, key: Key) -> Option<(u64, u128)> {
        let lease = &self.leases.get(&key)?.lease;
        let (free_until, now) = (lease.free_until(), self.tools.clock.now());
        let by = match now <= free_until {
            true => free_until,
            false => lease.deadline(),
        };
        Some((by, self.bond_of_lease(key, lease.count)))
    }

    /// Until when a jury that found our leaf missing must have it, and what is lost without it.
    fn leaf_by(&self, key: Key, jury: u8) -> Option<(u64, u128)> {
        let view = &self.jobs.get(&key.job)?.view;
        let by = view.seats.jury((key.first, key.round, jury))?.leaf_by?;
        let count = self.leases.get(&key)?.lease.count;
        Some((by, self.bond_of_lease(key, count)))
    }

    /// The stake that a lease locks.
    fn bond_of_lease(&self, key: Key, count: u32) -> u128 {
        let entry = self.jobs.get(&key.job);
        entry.map_or(0, |entry| bond(&entry.job, count))
    }

    /// Sends the call of a lease. `by`: the last second in which it helps, and what is lost at most when it is later.
    async fn call(
        &mut self,
        what: String,
        key: Key,
        attempt: u32,
        by: Option<(u64, u128)>,
        data: impl FnOnce(IMarket::Job) -> Vec<u8>,
    ) -> Result<(), ControlError> {
        let Some(entry) = self.jobs.get(&key.job) else {
            return Ok(());
        };
        let id = intent_id(&what, key, attempt);
        let intent = NewIntent {
            id: id.clone(),
            to: None,
            data: data(entry.job.clone()).into(),
            not_after: None,
            repeatable: true,
            deadline: by.map(|(deadline, _)| deadline),
            at_stake: by.map_or(0, |(_, at_stake)| at_stake),
        };
        match self.send_once(intent).await? {
            None => Ok(()),
            Some(why) => Box::pin(self.send_failed(key, attempt, &id, &why)).await,
        }
    }

    /// Sends what was not asked for before. Why that came to nothing, if it was and did.
    pub(super) async fn send_once(
        &mut self,
        intent: NewIntent,
    ) -> Result<Option<String>, ControlError> {
        let id = intent.id.clone();
        if self.tools.sender.send(intent).await? {
            return Ok(None);
        }
        // Asked for perhaps by a process that died before it heard the answer.
        let known = self.tools.store.intent(id).await?;
        Ok(known.and_then(|intent| match intent.state {
            IntentState::Failed => Some(intent.error.unwrap_or_default()),
            // Asked for again after it was mined: it changed nothing.
            IntentState::Mined => Some("it was mined and changed nothing".to_owned()),
            IntentState::Queued | IntentState::Sent => None,
        }))
    }

    async fn publish(&mut self, key: Key, reach: Reach) {
        let Some(held) = self.leases.get_mut(&key) else {
            return;
        };
        if held.published >= Some(reach) {
            return;
        }
        let published = self
            .tools
            .shop
            .publish(key.job, key.first, held.lease.count, reach);
        match published.await {
            Ok(()) => held.published = Some(reach),
            Err(error) => {
                tracing::error!(job = %key.job, first = key.first, %error, "cannot serve the outputs")
            }
        }
    }

    async fn forget(&mut self, key: Key, end: End) -> Result<(), ControlError> {
        self.leases.remove(&key);
        match end {
            End::Paid => {
                self.paid_by(key.job);
                self.settled += 1;
            }
            End::Lost => self.lost += 1,
            End::Vanished => {}
        }
        // From now on nobody is owed the outputs.
        self.tools
            .store
            .put_settled(key.job, key.first, local_now())
            .await?;
        Ok(())
    }

    /// A job's client is a stranger no more.
    pub(super) fn paid_by(&mut self, job: B256) {
        if let Some(entry) = self.jobs.get(&job) {
            self.clients.insert(entry.job.terms.client);
        }
    }

    /// Lets go what is not owed any more, and what nobody needs.
    pub(super) async fn keep_house(&mut self) -> Result<(), ControlError> {
        if self.housekept.elapsed() < HOUSEKEEPING {
            return Ok(());
        }
        self.housekept = Instant::now();
        let retention = self.tools.retention;
        self.tools.shop.depot.let_go().await;
        self.disk_full = self.tools.shop.depot.is_full();
        let unpublished: Vec<(Key, Reach)> = self
            .leases
            .values()
            .filter_map(|held| Some((held.lease.key, owed(&held.lease)?)))
            .collect();
        for (key, reach) in unpublished {
            self.publish(key, reach).await;
        }
        let seats = self.seats.iter();
        let unpublished: Vec<seat::Key> = seats
            .filter(|(_, held)| held.is_unpublished())
            .map(|(key, _)| *key)
            .collect();
        for key in unpublished {
            self.publish_seat(key).await;
        }
        let busy = self.busy_jobs();
        self.tools.shop.shelf.keep(&busy);
        for (job, entry) in &mut self.jobs {
            if !busy.contains(job) {
                entry.unprepare();
            }
        }
        self.tools
            .shop
            .remove_images(retention.keep_images, retention.max_image_bytes);
        if busy.is_empty() && !self.tidied {
            self.tidied = self.tools.shop.tidy().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot tidy up");
                true
            });
        }
        Ok(())
    }
}

impl Control {
    /// Jobs whose image, input or results are needed here.
    fn busy_jobs(&self) -> HashSet<B256> {
        let needed = |held: &&Held| {
            matches!(
                held.lease.phase,
                Phase::Running | Phase::Submitting | Phase::Leaving | Phase::Absent
            ) || (held.published.is_none() && held.lease.has_result())
        };
        let time = self.tools.clock.now();
        let leases = self.leases.values().filter(needed);
        let seats = self.seats.iter().filter(|(_, held)| held.is_busy());
        let wanted = self.jobs.iter().filter(|(_, entry)| entry.is_wanted(time));
        leases
            .map(|held| held.lease.key.job)
            .chain(seats.map(|(key, _)| key.lease.job))
            .chain(wanted.map(|(job, _)| *job))
            .chain(self.claims.values().map(|claim| claim.job))
            .chain(self.trials.job())
            .collect()
    }
}

/// Who is owed a lease's outputs.
fn owed(lease: &Lease) -> Option<Reach> {
    match lease.phase {
        Phase::Settled => Some(Reach::Everybody),
        Phase::Answering | Phase::Judging => Some(Reach::List),
        _ => lease.has_result().then_some(Reach::Client),
    }
}

fn intent_id(what: &str, key: Key, attempt: u32) -> String {
    format!("{what}/{}/{}/{}/{attempt}", key.job, key.first, key.round)
}

/// The lease and attempt that an intent's id names; `None` for claims.
pub(super) fn lease_of_intent(id: &str) -> Option<(Key, u32)> {
    let mut parts = id.split('/').skip(1);
    let job: B256 = parts.next()?.parse().ok()?;
    let first = parts.next()?.parse().ok()?;
    let round = parts.next()?.parse().ok()?;
    let attempt = parts.next()?.parse().ok()?;
    Some((Key { job, first, round }, attempt))
}
