//! The work of a duty: its tasks in the sandbox, their outcomes in the store, its digests.

pub(crate) mod error;
mod outcome;
mod publish;

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::B256;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use piecework_core::{
    digest::Digest,
    spec::JobSpec,
    view::seat::{Key as SeatId, Vote},
};
use piecework_executor_core::{
    Input,
    command::Order,
    duty::{Reach, seat::Tasks},
    input::Failure,
};
use piecework_net::blobs::{BlobSource, DirStore, HttpClient};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use self::error::{WorkError, background};
use crate::{
    clock::{ChainClock, local_now},
    depot::{Cached, Depot},
    sandbox::{LateSandbox, Prepared, SandboxError, TaskResult},
    store::{Store, TaskRow},
};

/// First wait after a failure of ours; it doubles up to a minute.
const RETRY: Duration = Duration::from_secs(1);
/// First wait after outputs could not be served; it doubles up to a minute.
const SERVE_AGAIN: Duration = Duration::from_secs(5);
/// The longest wait after a failure of ours.
const LONGEST: Duration = Duration::from_secs(60);

/// Does the work of duties; clones share everything.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub(crate) sandbox: LateSandbox,
    pub(crate) store: Store,
    /// Results of this chain that nobody may see yet.
    pub(crate) private: DirStore,
    /// Blobs of all chains.
    pub(crate) depot: Depot,
    pub(crate) http: HttpClient,
    pub(crate) clock: ChainClock,
    /// The way into the machine.
    pub(crate) inbox: mpsc::UnboundedSender<Input>,
    pub(crate) running: Arc<AtomicU32>,
    /// What runs on all chains.
    pub(crate) machine: Machine,
    /// For outputs that are only compared.
    pub(crate) scratch: PathBuf,
    pub(crate) tracker: TaskTracker,
    /// Jobs of this chain whose image and input are here.
    pub(crate) shelf: Shelf,
}

/// A job that is ready, and the right to rely on what it has in the cache.
type Shelved = (Prepared, Cached);

/// Jobs whose image and input are here; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<HashMap<B256, Shelved>>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, HashMap<B256, Shelved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps only these jobs: what no other one needs may go.
    pub(crate) fn keep(&self, jobs: &BTreeSet<B256>) {
        self.lock().retain(|job, _| jobs.contains(job));
    }
}

impl Workshop {
    /// Runs something in the background; what it logs says for which chain.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work.in_current_span());
    }

    /// Tells the machine. While the executor stops, nobody listens.
    pub(crate) fn tell(&self, input: Input) {
        let _ = self.inbox.send(input);
    }

    /// Makes a job's image and input ready, in the background, and tells the machine. `cancel` ends it without a word, so
    /// that a stop does not wait for a slow source.
    pub(crate) fn prepare(
        &self,
        job: B256,
        spec: Arc<JobSpec>,
        digest: B256,
        cancel: CancellationToken,
    ) {
        let shop = self.clone();
        self.spawn(async move {
            let ready = shop.ready(job, &spec, digest);
            let Some(result) = cancel.run_until_cancelled(ready).await else {
                return;
            };
            let result = result.map(|_| ()).map_err(Failure::from);
            if let Err(Failure {
                why, of_the_job, ..
            }) = &result
            {
                match of_the_job {
                    true => tracing::info!(%job, why, "job refused before any stake was bound"),
                    false => tracing::debug!(%job, why, "image or input cannot be had now"),
                }
            }
            shop.tell(Input::Prepared { job, result });
        });
    }

    /// A job's image and input, made ready if they are not.
    pub(crate) async fn ready(
        &self,
        job: B256,
        spec: &JobSpec,
        digest: B256,
    ) -> Result<Prepared, SandboxError> {
        if let Some((prepared, _)) = self.shelf.lock().get(&job) {
            return Ok(prepared.clone());
        }
        let cached = self.depot.cached().await;
        let sources: Vec<Box<dyn BlobSource>> = spec
            .sources
            .iter()
            .filter_map(|url| match self.http.source(url) {
                Ok(source) => Some(Box::new(source) as Box<dyn BlobSource>),
                Err(error) => {
                    tracing::warn!(%error, "a source is refused");
                    None
                }
            })
            .collect();
        let prepared = self
            .sandbox
            .get()?
            .prepare(spec, digest, &sources, &self.depot.cache)
            .await?;
        self.shelf.lock().insert(job, (prepared.clone(), cached));
        Ok(prepared)
    }

    /// Forgets that a job is ready: perhaps the engine has lost its image, or the disk its input.
    pub(crate) fn unshelve(&self, job: B256) {
        self.shelf.lock().remove(&job);
    }

    /// Removes images that are not kept any longer from the engine, in the background.
    pub(crate) fn remove_images(&self, keep: Duration, max_bytes: u64) {
        let Ok(sandbox) = self.sandbox.get() else {
            return;
        };
        self.spawn(async move {
            if let Err(error) = sandbox.remove_unused_images(keep, max_bytes).await {
                tracing::warn!(%error, "cannot remove unused images");
            }
        });
    }

    /// Runs what is missing of a duty, in the background. After `cancel` nothing is told.
    ///
    /// `room` has a permit for each task that may run at the same time.
    pub(crate) fn start(&self, order: Order, cancel: CancellationToken, room: Arc<Semaphore>) {
        let shop = self.clone();
        self.spawn(async move {
            let (seat, keyed) = (order.seat, order.keyed);
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                result = shop.persist(&order, &cancel, &room) => result,
            };
            drop(order);
            if cancel.is_cancelled() {
                return;
            }
            if let Err(Failure { why, .. }) = &result {
                let lease = seat.lease;
                tracing::warn!(job = %lease.job, first = lease.first, kind = seat.kind, why, "the work cannot be done here");
            }
            shop.tell(Input::Worked {
                seat,
                keyed,
                result,
            });
        });
    }

    /// Serves a duty's outputs to these readers from now on, in the background. What fails is tried again until `cancel`,
    /// but for outputs that are not here.
    pub(crate) fn serve(
        &self,
        seat: SeatId,
        tasks: Tasks,
        reach: Reach,
        cancel: CancellationToken,
    ) {
        let shop = self.clone();
        self.spawn(async move {
            let (job, mut wait) = (seat.lease.job, SERVE_AGAIN);
            while let Err(error) = shop.publish(job, tasks, reach).await {
                if error.is_missing() {
                    tracing::warn!(%job, first = tasks.first, %error, "outputs that are to be served are lost");
                    shop.tell(Input::Missing { seat });
                    return;
                }
                tracing::error!(%job, first = tasks.first, %error, ?wait, "cannot serve the outputs; trying again");
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = wait.saturating_mul(2).min(LONGEST);
            }
            shop.tell(Input::Served { seat, reach });
        });
    }

    /// Tries again after failures of ours, as long as that costs nothing or still helps.
    async fn persist(
        &self,
        order: &Order,
        cancel: &CancellationToken,
        room: &Semaphore,
    ) -> Result<Vote, Failure> {
        let mut wait = RETRY;
        loop {
            let error = match self.attempt(order, cancel, room).await {
                Ok(vote) => return Ok(vote),
                Err(error) => error,
            };
            self.unshelve(order.seat.lease.job);
            let now = self.clock.now();
            // A full disk is waited for as long as that helps: while it takes no result, it takes no decision to leave
            // either, and one that is written down when there is room comes too late to be free.
            let limit = if now <= order.free_until && !error.is_of_the_disk() {
                order.free_until
            } else {
                order.deadline
            };
            let failure = Failure::from(error);
            // A juror takes its time before it says that an input cannot be had.
            let for_good = failure.of_the_job && !(order.keyed.is_some() && failure.of_the_input);
            if for_good
                || failure.unsure
                || now.saturating_add(wait.as_secs()).saturating_add(1) >= limit
            {
                return Err(failure);
            }
            tracing::warn!(of = ?order.seat, why = failure.why, "the work failed; trying again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.sandbox.comes() => {}
            }
            wait = wait.saturating_mul(2).min(LONGEST);
        }
    }

    async fn attempt(
        &self,
        order: &Order,
        cancel: &CancellationToken,
        room: &Semaphore,
    ) -> Result<Vote, WorkError> {
        let (job, Tasks { first, count }) = (order.seat.lease.job, order.tasks);
        let known = self.known(job, first, count).await?;
        let missing: Vec<u32> = (0..count)
            .map(|offset| first.saturating_add(offset))
            .filter(|task| known.binary_search_by_key(task, |row| row.task).is_err())
            .collect();
        if !missing.is_empty() {
            let prepared = self.ready(job, &order.spec, order.digest).await?;
            let tasks = missing.len();
            stream::iter(missing)
                .map(|task| {
                    let prepared = &prepared;
                    async move {
                        // It is never closed.
                        let _place = room.acquire().await.ok();
                        self.task(order.seat, task, prepared, cancel).await
                    }
                })
                .buffer_unordered(tasks)
                .try_collect::<()>()
                .await?;
        }
        if order.judged {
            self.be_sure(order, cancel).await?;
        }
        match order.keyed {
            None => self.result(job, order.tasks).await,
            Some(key) => self.verdict(job, first, key).await,
        }
    }

    /// Outcomes whose bytes are all here, in the order of tasks.
    async fn known(&self, job: B256, first: u32, count: u32) -> Result<Vec<TaskRow>, WorkError> {
        let mut rows = self.store.tasks(job, first, count).await?;
        let (private, published) = (self.private.clone(), self.depot.published.clone());
        background(move || {
            rows.retain(|row| publish::is_here(&private, &published, &Digest(row.digest.0)));
            Ok(rows)
        })
        .await
    }

    async fn task(
        &self,
        seat: SeatId,
        task: u32,
        prepared: &Prepared,
        cancel: &CancellationToken,
    ) -> Result<(), WorkError> {
        let job = seat.lease.job;
        let result = self
            .run_task(job, task, prepared, &self.private, cancel)
            .await?;
        let row = TaskRow {
            task,
            digest: B256::from(result.digest.0),
            outcome: result.outcome.to_string(),
            log: result.log,
        };
        self.store.put_task(job, row, local_now()).await?;
        self.tell(Input::TaskDone { seat });
        Ok(())
    }

    /// Runs one task, its outputs into `outputs`; its result is known to nobody yet.
    pub(crate) async fn run_task(
        &self,
        job: B256,
        task: u32,
        prepared: &Prepared,
        outputs: &DirStore,
        cancel: &CancellationToken,
    ) -> Result<TaskResult, WorkError> {
        let _counted = Counted::new(&self.running);
        let _started = self.machine.start();
        let name = format!("{job:x}");
        let result = self
            .sandbox
            .get()?
            .run(prepared, &name, task, outputs, cancel)
            .await?;
        tracing::info!(%job, task, outcome = %result.outcome, timings = ?result.timings, "task done");
        Ok(result)
    }
}

/// What runs on all chains together; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    running: Arc<AtomicU32>,
    started: Arc<AtomicU64>,
}

impl Machine {
    fn start(&self) -> Counted {
        self.started.fetch_add(1, Ordering::Relaxed);
        Counted::new(&self.running)
    }

    fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }
}

/// Counts a running task, also when its future is dropped.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(running: &Arc<AtomicU32>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(running.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
