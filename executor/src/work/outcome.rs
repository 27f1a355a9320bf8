//! What came of tasks: results, votes, and whether they may be voted for.

use std::time::Duration;

use alloy::primitives::B256;
use piecework_core::{
    digest::{
        Digest, lease as lease_manifest,
        manifest::{BlobRef, Outcome, ResultManifest},
        tree,
    },
    view::seat::Vote,
};
use piecework_executor_core::{command::Order, duty::seat::Tasks};
use piecework_net::blobs::DirStore;
use tokio_util::sync::CancellationToken;

use super::{
    Workshop,
    error::{WorkError, background},
    publish::{holder, read_manifest},
};

/// The pause between two looks at whether the machine is idle.
const IDLE_PAUSE: Duration = Duration::from_millis(250);

/// Seconds that one more run of a task may take, with all that comes before and after it.
fn needed(order: &Order) -> u64 {
    const OVERHEAD: u64 = 3;
    let timeout = order.spec.resources.timeout_seconds;
    timeout
        .saturating_add(timeout / 10)
        .saturating_add(OVERHEAD)
}

impl Workshop {
    /// Root and digest list of a lease's outputs.
    pub(super) async fn result(&self, job: B256, tasks: Tasks) -> Result<Vote, WorkError> {
        let first = tasks.first;
        let digests = self.digests(job, tasks).await?;
        let root =
            tree::root(first, &digests).map_err(|error| WorkError::Damaged(error.to_string()))?;
        let private = self.private.clone();
        let manifest =
            background(move || Ok(private.put_bytes(&lease_manifest::encode(&digests))?)).await?;
        Ok(Vote {
            value: root,
            proof: B256::from(manifest.0),
        })
    }

    /// Refuses outcomes that may come of the machine, unless a second run, alone on it, has the same. A juror that cannot have
    /// such a run is not sure. The holder of a lease is content with a run beside others, for leaving costs it a part of its
    /// bond; and if there is no time for any, with the first one.
    pub(super) async fn be_sure(
        &self,
        order: &Order,
        cancel: &CancellationToken,
    ) -> Result<(), WorkError> {
        let (job, Tasks { first, count }) = (order.seat.lease.job, order.tasks);
        for row in self.store.tasks(job, first, count).await? {
            let Ok(outcome) = row.outcome.parse::<Outcome>() else {
                continue;
            };
            if !matches!(outcome, Outcome::Timeout | Outcome::Memory) {
                continue;
            }
            let alone = match order.strict {
                true => None,
                false => self.run_alone(order, row.task, cancel).await?,
            };
            let again = match (alone, order.keyed) {
                (None, None) => self.run_beside(order, row.task, cancel).await?,
                _ => alone,
            };
            let is_sure = match again {
                Some(again) => again == outcome,
                None => order.keyed.is_none(),
            };
            if !is_sure {
                return Err(WorkError::Unsure(outcome));
            }
        }
        Ok(())
    }

    /// How a task ends that runs once more, whatever else runs; `None` if there is no time for it.
    async fn run_beside(
        &self,
        order: &Order,
        task: u32,
        cancel: &CancellationToken,
    ) -> Result<Option<Outcome>, WorkError> {
        let needs = needed(order);
        if self.clock.now().saturating_add(needs) > order.deadline {
            return Ok(None);
        }
        let job = order.seat.lease.job;
        let prepared = self.ready(job, &order.spec, order.digest).await?;
        let scratch = tempfile::tempdir_in(&self.scratch)
            .map_err(|error| WorkError::Damaged(error.to_string()))?;
        let outputs = DirStore::open(scratch.path())?;
        let result = self
            .run_task(job, task, &prepared, &outputs, cancel)
            .await?;
        Ok(Some(result.outcome))
    }

    /// How a task ends that runs alone on the machine; `None` if that could not be had in time.
    async fn run_alone(
        &self,
        order: &Order,
        task: u32,
        cancel: &CancellationToken,
    ) -> Result<Option<Outcome>, WorkError> {
        let job = order.seat.lease.job;
        let needs = needed(order);
        let prepared = self.ready(job, &order.spec, order.digest).await?;
        let damaged = |error: std::io::Error| WorkError::Damaged(error.to_string());
        // A lease leaves time for a run beside others, a juror needs none.
        let now = self.clock.now();
        let patience = match order.keyed {
            Some(_) => order.deadline,
            None => now.midpoint(order.deadline.max(now)),
        };
        while self.clock.now().saturating_add(needs) <= patience {
            if self.machine.is_busy() {
                tokio::time::sleep(IDLE_PAUSE).await;
                continue;
            }
            let before = self.machine.started();
            let scratch = tempfile::tempdir_in(&self.scratch).map_err(damaged)?;
            let outputs = DirStore::open(scratch.path())?;
            let result = self
                .run_task(job, task, &prepared, &outputs, cancel)
                .await?;
            if self.machine.started() == before.wrapping_add(1) {
                return Ok(Some(result.outcome));
            }
        }
        Ok(None)
    }

    /// Both digests of a task's output.
    pub(super) async fn verdict(&self, job: B256, task: u32, key: B256) -> Result<Vote, WorkError> {
        let one = Tasks {
            first: task,
            count: 1,
        };
        let digests = self.digests(job, one).await?;
        let digest = digests.first().copied();
        let digest = digest.ok_or_else(|| WorkError::Damaged(format!("no outcome of {task}")))?;
        let (private, published) = (self.private.clone(), self.depot.published.clone());
        let proof = background(move || {
            let damaged = |why: String| WorkError::Damaged(why);
            let bytes = read_manifest(&private, &published, &digest)?;
            let result =
                ResultManifest::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
            let keyed = |blob: BlobRef| -> std::io::Result<Digest> {
                let source = holder(&private, &published, &blob.digest);
                let opened = source.open_blob(&blob.digest);
                let (file, _) = opened.map_err(std::io::Error::other)?;
                Digest::keyed_of(key, file)
            };
            let digest = result.keyed_digest(key, keyed);
            digest.map_err(|error| damaged(error.to_string()))
        })
        .await?;
        Ok(Vote {
            value: digest.into(),
            proof: proof.into(),
        })
    }

    /// The output digests of tasks, all of which must have an outcome.
    pub(super) async fn digests(&self, job: B256, tasks: Tasks) -> Result<Vec<Digest>, WorkError> {
        let Tasks { first, count } = tasks;
        let rows = self.store.tasks(job, first, count).await?;
        if u32::try_from(rows.len()) != Ok(count) {
            let known = rows.len();
            return Err(WorkError::Missing { known, count });
        }
        Ok(rows.into_iter().map(|row| Digest(row.digest.0)).collect())
    }
}
