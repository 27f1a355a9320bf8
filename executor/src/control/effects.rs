//! Effects: what the state machine asked for is done here.

use std::{collections::HashSet, time::Duration};

use alloy::{primitives::B256, sol_types::SolCall as _};
use piecework::chain::IMarket;
use tokio::time::Instant;

use super::{Control, ControlError, Held};
use crate::{
    clock::local_now,
    lease::{Effect, End, Key, Phase, Roots},
    seat::{self, Work},
    store::{IntentState, NewIntent, StoreError},
    work::Order,
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
            Effect::Release { attempt } => {
                let provider = self.tools.provider;
                self.call("release".to_owned(), key, attempt, |job| {
                    IMarket::releaseCall {
                        job,
                        first: key.first,
                        provider,
                    }
                    .abi_encode()
                })
                .await?;
            }
            Effect::Finalize { attempt } => {
                self.call("finalize".to_owned(), key, attempt, |job| {
                    IMarket::finalizeCall {
                        job,
                        first: key.first,
                    }
                    .abi_encode()
                })
                .await?;
            }
            Effect::Expire { attempt } => {
                self.call("expire".to_owned(), key, attempt, |job| {
                    IMarket::expireCall {
                        job,
                        first: key.first,
                    }
                    .abi_encode()
                })
                .await?;
            }
            Effect::Respond { attempt } => self.respond(key, attempt).await?,
            Effect::Judge { challenge, attempt } => self.judge(key, challenge, attempt).await?,
            Effect::Publish => self.publish(key).await,
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
            challenge: 0,
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
        let lease = format!("{}+{}/{}", key.first, held.lease.count, key.round);
        match self
            .tools
            .store
            .bind_digest(key.job, lease, "submit", roots.root)
            .await
        {
            Ok(()) => {}
            Err(error @ StoreError::Contradiction(_)) => {
                tracing::error!(%error, "not submitted");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let provider = self.tools.provider;
        self.call("submit".to_owned(), key, attempt, |job| {
            IMarket::submitCall {
                job,
                first: key.first,
                provider,
                root: roots.root,
                manifest: roots.manifest,
            }
            .abi_encode()
        })
        .await
    }

    /// Gives the digests that the submitted root was made of.
    async fn respond(&mut self, key: Key, attempt: u32) -> Result<(), ControlError> {
        let Some(count) = self.leases.get(&key).map(|held| held.lease.count) else {
            return Ok(());
        };
        let tasks = self.tools.store.tasks(key.job, key.first, count).await?;
        let digests = tasks.iter().map(|task| task.digest).collect();
        let provider = self.tools.provider;
        self.call("respond".to_owned(), key, attempt, |job| {
            IMarket::respondCall {
                job,
                first: key.first,
                provider,
                digests,
            }
            .abi_encode()
        })
        .await
    }

    /// A round may see several disputes, and each is judged once.
    async fn judge(&mut self, key: Key, challenge: u8, attempt: u32) -> Result<(), ControlError> {
        let what = format!("judge-{challenge}");
        let jury = seat::Key {
            lease: key,
            challenge,
        };
        match self.settle(jury).await {
            Some(data) => self.call(what, key, attempt, |_| data).await,
            None => {
                let id = intent_id(&what, key, attempt);
                let why = "the jury's numbers could not be read";
                Box::pin(self.send_failed(key, attempt, &id, why)).await
            }
        }
    }

    async fn call(
        &mut self,
        what: String,
        key: Key,
        attempt: u32,
        data: impl FnOnce(IMarket::Job) -> Vec<u8>,
    ) -> Result<(), ControlError> {
        let Some(entry) = self.jobs.get(&key.job) else {
            return Ok(());
        };
        let id = intent_id(&what, key, attempt);
        let intent = NewIntent {
            id: id.clone(),
            data: data(entry.job.clone()).into(),
            not_after: None,
            repeatable: true,
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
        let failed = known.filter(|intent| intent.state == IntentState::Failed);
        Ok(failed.map(|intent| intent.error.unwrap_or_default()))
    }

    async fn publish(&mut self, key: Key) {
        let Some(held) = self.leases.get_mut(&key) else {
            return;
        };
        if held.published {
            return;
        }
        match self
            .tools
            .shop
            .publish(key.job, key.first, held.lease.count)
            .await
        {
            Ok(()) => held.published = true,
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
        let unpublished: Vec<Key> = self
            .leases
            .values()
            .filter(|held| {
                let phase = held.lease.phase;
                !held.published
                    && matches!(
                        phase,
                        Phase::Submitted
                            | Phase::Challenged
                            | Phase::Judging
                            | Phase::Demanded
                            | Phase::Finalizing
                            | Phase::Settled
                    )
            })
            .map(|held| held.lease.key)
            .collect();
        for key in unpublished {
            self.publish(key).await;
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
                Phase::Running | Phase::Submitting | Phase::Releasing | Phase::Absent
            ) || (!held.published && held.lease.phase == Phase::Submitted)
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
