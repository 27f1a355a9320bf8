//! The work of a lease or a seat: its tasks in the sandbox, their outcomes in the store, its digests.

use std::{
    collections::{HashMap, HashSet},
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
    digest::{
        Digest, lease as lease_manifest,
        manifest::{BlobRef, MAX_MANIFEST_BYTES, Outcome, ResultManifest},
        tree,
    },
    spec::JobSpec,
};
use piecework_net::blobs::{BlobError, BlobSource, DirStore, HttpClient};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    capacity::Reservation,
    clock::{ChainClock, local_now},
    control::Message,
    depot::{Cached, Depot, clear},
    sandbox::{Prepared, Sandbox, SandboxError, TaskResult},
    seat::{Key, Vote, Work},
    store::{Store, StoreError, TaskRow},
};

/// First wait after a failure of ours; it doubles up to a minute.
const RETRY: Duration = Duration::from_secs(1);
/// The pause between two looks at whether the machine is idle.
const IDLE_PAUSE: Duration = Duration::from_millis(250);

/// Why a lease's work does not go on. Never the job's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the blob store failed: {0}")]
    Blobs(#[from] BlobError),
    #[error("a result is damaged: {0}")]
    Damaged(String),
    /// Another machine may see another outcome: nobody can vote for it.
    #[error("the task ended with \"{0}\", which may come of this machine")]
    Unsure(Outcome),
}

/// Work that was given up, or that cannot be begun.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) why: String,
    /// The job is to blame: trying again is of no use.
    pub(crate) of_the_job: bool,
    /// Image or input cannot be had, or are not what they should be: a juror with a seat abstains.
    pub(crate) of_the_input: bool,
    /// The outcome may come of this machine: a juror with a seat abstains.
    pub(crate) unsure: bool,
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        use SandboxError::{Image, Input, Unobtainable};
        Self {
            why: error.to_string(),
            of_the_job: error.is_of_the_job(),
            of_the_input: matches!(error, Unobtainable { .. } | Input(_) | Image(_)),
            unsure: false,
        }
    }
}

impl From<WorkError> for Failure {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Sandbox(error) => error.into(),
            error => Self {
                why: error.to_string(),
                of_the_job: false,
                of_the_input: false,
                unsure: matches!(error, WorkError::Unsure(_)),
            },
        }
    }
}

/// Tasks to run, of a lease, of a seat, or of a jury.
#[derive(Debug)]
pub(crate) struct Order {
    /// For whom: of an ordinary lease the key of its one seat.
    pub(crate) key: Key,
    pub(crate) work: Work,
    /// A juror's key for the second digest of its one task.
    pub(crate) keyed: Option<B256>,
    /// Whether a juror votes for no outcome that may come of the machine, however often it sees it.
    pub(crate) strict: bool,
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) seed: B256,
    pub(crate) room: Arc<Reservation>,
    /// Last second in which giving up is free, and in which a result is of use.
    pub(crate) free_until: u64,
    pub(crate) deadline: u64,
}

/// Runs leases; clones share everything.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Store,
    /// Results of this chain that nobody may see yet.
    pub(crate) private: DirStore,
    /// Blobs of all chains.
    pub(crate) depot: Depot,
    pub(crate) http: HttpClient,
    pub(crate) clock: ChainClock,
    pub(crate) inbox: mpsc::UnboundedSender<Message>,
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
    pub(crate) fn keep(&self, jobs: &HashSet<B256>) {
        self.lock().retain(|job, _| jobs.contains(job));
    }
}

impl Workshop {
    /// Runs something in the background; what it logs says for which chain.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work.in_current_span());
    }

    /// Makes a job's image and input ready, in the background; the answer is a message.
    pub(crate) fn prepare(&self, job: B256, spec: Arc<JobSpec>, seed: B256) {
        let shop = self.clone();
        self.spawn(async move {
            let result = shop.ready(job, &spec, seed).await;
            let result = result.map(|_| ()).map_err(Failure::from);
            let _ = shop.inbox.send(Message::Prepared { job, result });
        });
    }

    /// A job's image and input, made ready if they are not.
    pub(crate) async fn ready(
        &self,
        job: B256,
        spec: &JobSpec,
        seed: B256,
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
            .prepare(spec, seed, &sources, &self.depot.cache)
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
        let sandbox = self.sandbox.clone();
        self.spawn(async move {
            if let Err(error) = sandbox.remove_unused_images(keep, max_bytes).await {
                tracing::warn!(%error, "cannot remove unused images");
            }
        });
    }

    /// Runs what is missing of a lease, in the background; the answer is a message.
    pub(crate) fn start(&self, order: Order, cancel: CancellationToken) {
        let shop = self.clone();
        self.spawn(async move {
            let key = order.key;
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                result = shop.persist(&order, &cancel) => result,
            };
            drop(order);
            if cancel.is_cancelled() {
                return;
            }
            let _ = shop.inbox.send(Message::Worked { key, result });
        });
    }

    /// Tries again after failures of ours, as long as that costs nothing or still helps.
    async fn persist(&self, order: &Order, cancel: &CancellationToken) -> Result<Vote, Failure> {
        let mut wait = RETRY;
        loop {
            let error = match self.attempt(order, cancel).await {
                Ok(vote) => return Ok(vote),
                Err(error) => error,
            };
            self.unshelve(order.key.lease.job);
            let now = self.clock.now();
            let limit = if now <= order.free_until {
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
            tracing::warn!(of = ?order.key, why = failure.why, "the work failed; trying again");
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(Duration::from_secs(60));
        }
    }

    async fn attempt(&self, order: &Order, cancel: &CancellationToken) -> Result<Vote, WorkError> {
        let (job, Work { first, count }) = (order.key.lease.job, order.work);
        let known = self.known(job, first, count).await?;
        let missing: Vec<u32> = (0..count)
            .map(|offset| first.saturating_add(offset))
            .filter(|task| known.binary_search_by_key(task, |row| row.task).is_err())
            .collect();
        if !missing.is_empty() {
            let prepared = self.ready(job, &order.spec, order.seed).await?;
            stream::iter(missing)
                .map(|task| self.task(order.key, task, &prepared, cancel))
                .buffer_unordered(usize::try_from(order.room.parallel()).unwrap_or(1).max(1))
                .try_collect::<()>()
                .await?;
        }
        match order.keyed {
            None => self.result(job, order.work).await,
            Some(key) => {
                self.be_sure(order, first, cancel).await?;
                self.verdict(job, first, key).await
            }
        }
    }

    /// Outcomes whose bytes are here, in the order of tasks.
    async fn known(&self, job: B256, first: u32, count: u32) -> Result<Vec<TaskRow>, WorkError> {
        let mut rows = self.store.tasks(job, first, count).await?;
        rows.retain(|row| {
            let digest = Digest(row.digest.0);
            self.private.contains(&digest) || self.depot.published.contains(&digest)
        });
        Ok(rows)
    }

    async fn task(
        &self,
        key: Key,
        task: u32,
        prepared: &Prepared,
        cancel: &CancellationToken,
    ) -> Result<(), WorkError> {
        let job = key.lease.job;
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
        let _ = self.inbox.send(Message::TaskDone { key });
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
            .run(prepared, &name, task, outputs, cancel)
            .await?;
        tracing::info!(%job, task, outcome = %result.outcome, timings = ?result.timings, "task done");
        Ok(result)
    }

    /// Root and digest list of a lease's outputs.
    async fn result(&self, job: B256, work: Work) -> Result<Vote, WorkError> {
        let first = work.first;
        let digests = self.digests(job, first, work.count).await?;
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

    /// Refuses an outcome that may come of the machine, unless a second run, alone on it, has the same.
    async fn be_sure(
        &self,
        order: &Order,
        task: u32,
        cancel: &CancellationToken,
    ) -> Result<(), WorkError> {
        let job = order.key.lease.job;
        let row = self.store.task(job, task).await?;
        let Some(outcome) = row.and_then(|row| row.outcome.parse::<Outcome>().ok()) else {
            return Ok(());
        };
        if !matches!(outcome, Outcome::Timeout | Outcome::Memory) {
            return Ok(());
        }
        let again = match order.strict {
            true => None,
            false => self.run_alone(order, task, cancel).await?,
        };
        match again {
            Some(again) if again == outcome => Ok(()),
            _ => Err(WorkError::Unsure(outcome)),
        }
    }

    /// How a task ends that runs alone on the machine; `None` if that could not be had in time.
    async fn run_alone(
        &self,
        order: &Order,
        task: u32,
        cancel: &CancellationToken,
    ) -> Result<Option<Outcome>, WorkError> {
        let job = order.key.lease.job;
        let needs = order.spec.resources.timeout_seconds.saturating_add(1);
        let prepared = self.ready(job, &order.spec, order.seed).await?;
        let damaged = |error: std::io::Error| WorkError::Damaged(error.to_string());
        while self.clock.now().saturating_add(needs) <= order.deadline {
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
    async fn verdict(&self, job: B256, task: u32, key: B256) -> Result<Vote, WorkError> {
        let digests = self.digests(job, task, 1).await?;
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

    async fn digests(&self, job: B256, first: u32, count: u32) -> Result<Vec<Digest>, WorkError> {
        let rows = self.store.tasks(job, first, count).await?;
        if u32::try_from(rows.len()) != Ok(count) {
            return Err(WorkError::Damaged(format!(
                "{} of {count} tasks have an outcome",
                rows.len()
            )));
        }
        Ok(rows.into_iter().map(|row| Digest(row.digest.0)).collect())
    }

    /// Serves a lease's outputs from now on, to these readers.
    pub(crate) async fn publish(
        &self,
        job: B256,
        first: u32,
        count: u32,
        reach: Reach,
    ) -> Result<(), WorkError> {
        let digests = self.digests(job, first, count).await?;
        let (private, published) = (self.private.clone(), self.depot.published.clone());
        let _publishing = self.depot.publishing().await;
        let (blobs, list) = background(move || {
            let mut blobs = Vec::new();
            let list = lease_manifest::encode(&digests);
            for digest in digests {
                let bytes = read_manifest(&private, &published, &digest)?;
                let result = ResultManifest::parse(&bytes)
                    .map_err(|error| WorkError::Damaged(error.to_string()))?;
                for named in result.blobs().map(|blob| blob.digest).chain([digest]) {
                    let size = match published.size(&named) {
                        Some(size) => size,
                        None => private.publish_into(&named, &published)?,
                    };
                    blobs.push((B256::from(named.0), size));
                }
            }
            // Last: who finds the list finds all that it names.
            let digest = published.put_bytes(&list)?;
            Ok((blobs, (B256::from(digest.0), list.len() as u64)))
        })
        .await?;
        let store = &self.store;
        let all = reach == Reach::Everybody;
        store.put_published(job, first, blobs, all).await?;
        let all = reach != Reach::Client;
        Ok(store.put_published(job, first, vec![list], all).await?)
    }

    /// Forgets what no lease of this chain needs: private copies of published blobs; images and inputs, unless another
    /// chain relies on some (then `false`). Only when nothing runs and nothing is ready to run.
    pub(crate) async fn tidy(&self) -> Result<bool, WorkError> {
        self.shelf.lock().clear();
        let private = self.private.clone();
        background(move || clear(&private)).await?;
        self.depot.empty_cache().await
    }
}

fn read_manifest(
    private: &DirStore,
    published: &DirStore,
    digest: &Digest,
) -> Result<Vec<u8>, WorkError> {
    let source = holder(private, published, digest);
    Ok(source.read(digest, MAX_MANIFEST_BYTES as u64)?)
}

/// The store that has a blob of ours.
fn holder<'a>(private: &'a DirStore, published: &'a DirStore, digest: &Digest) -> &'a DirStore {
    match private.contains(digest) {
        true => private,
        false => published,
    }
}

/// Who may have a lease's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// The job's client.
    Client,
    /// The same; and everybody its list of digests.
    List,
    Everybody,
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

/// Runs what blocks on the disk.
pub(crate) async fn background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkError> + Send + 'static,
) -> Result<T, WorkError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| WorkError::Damaged(format!("a background task died: {error}")))?
}
