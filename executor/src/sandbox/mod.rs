//! Runs a stranger's container and collects what it put out, trusting neither.
//!
//! - [`engine`]: what is asked of a container engine; [`docker`] is the one behind it.
//! - [`profile`]: the hardened profile, as the exact create request.
//! - `facts`: what an engine says of itself, and which limits it discards.
//! - `outputs`: bounded space for `/out`; `holder` is our own container that does nothing.
//! - [`stdio`], [`collect`]: what a task printed and wrote, strictly parsed and capped.
//! - `images`, `prepare`: what the tasks of a job share; `notes`, `unused`: images leave again.
//! - `run`: one task from create to output digest.
//!
//! What a task does wrong is an outcome, digested like any other; what goes wrong here is a
//! [`SandboxError`], never submitted.

pub mod collect;
pub mod docker;
pub mod engine;
pub mod profile;
pub mod stdio;

mod env;
mod error;
mod facts;
mod holder;
mod images;
mod late;
mod notes;
mod outputs;
mod prepare;
mod run;
mod unused;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::B256;
use piecework_core::{
    digest::{
        Digest,
        manifest::{Outcome, ResultManifest},
    },
    spec::JobSpec,
};
use piecework_net::blobs::{BlobSource, DirStore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

pub use error::SandboxError;
pub(crate) use images::platform;
pub(crate) use late::LateSandbox;
pub use outputs::OutputsMode;

use engine::ContainerEngine;
use images::{Image, Images};
use outputs::Outputs;
use prepare::{Input, Inputs};

/// Label with the instance of the executor that a container or volume belongs to.
pub const LABEL_EXECUTOR: &str = "piecework.executor";
/// Label with the job id.
pub const LABEL_JOB: &str = "piecework.job";
/// Label with the number of the task.
pub const LABEL_TASK: &str = "piecework.task";

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Name of this executor, different from that of any other on the same engine; lowercase
    /// letters, digits and `-`, at most 40. Containers and volumes of this name that are found at
    /// the start are removed.
    pub instance: String,
    /// Directory of the sandbox's own, absolute; unpacked inputs and mounts that are found there at the start
    /// are removed.
    pub state_dir: PathBuf,
    /// OCI runtime, like `runsc`; the engine's default if `None`.
    pub runtime: Option<String>,
    /// How `/out` is bounded.
    pub outputs: OutputsMode,
    /// Cores that every task is pinned to, like `0-3`; no pinning if `None`.
    pub cpuset: Option<String>,
    /// Whether images may be pulled from the registry that a spec names.
    pub pull: bool,
    /// Largest image archive that is taken, in bytes.
    pub max_image_bytes: u64,
    /// Largest input that is taken, in bytes.
    pub max_input_bytes: u64,
    /// Longest time to get a job's image and input.
    pub prepare_timeout: Duration,
}

impl SandboxConfig {
    /// The configuration with defaults for all but the name and the directory.
    #[must_use]
    pub fn new(instance: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            instance: instance.into(),
            state_dir: state_dir.into(),
            runtime: None,
            outputs: OutputsMode::Auto,
            cpuset: None,
            pull: false,
            max_image_bytes: 8 << 30,
            max_input_bytes: 32 << 30,
            prepare_timeout: Duration::from_secs(7_200),
        }
    }

    fn check(&self) -> Result<(), SandboxError> {
        let name = &self.instance;
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fine) {
            return Err(SandboxError::Config(format!(
                "the instance {name:?} is not 1 to 40 lowercase letters, digits and dashes"
            )));
        }
        if !self.state_dir.is_absolute() || self.state_dir.to_str().is_none() {
            return Err(SandboxError::Config(format!(
                "the directory {:?} is not an absolute path in UTF-8",
                self.state_dir
            )));
        }
        Ok(())
    }
}

/// Runs tasks in containers. Clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    config: SandboxConfig,
    engine: Arc<dyn ContainerEngine>,
    images: Images,
    inputs: Inputs,
    outputs: Outputs,
    /// Running tasks and their cleaning up.
    tasks: TaskTracker,
}

/// A job that is ready to run: its image is in the engine, its input on disk.
#[derive(Clone)]
pub struct Prepared {
    spec: Arc<JobSpec>,
    seed: B256,
    image: Arc<Image>,
    input: Option<Arc<Input>>,
    /// Has the image's archive, should the engine lose the image.
    cache: DirStore,
}

impl Prepared {
    /// The job's spec.
    #[must_use]
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// The engine's own id of the job's image.
    #[must_use]
    pub fn image_id(&self) -> &str {
        &self.image.id
    }
}

/// What one task came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskResult {
    /// How it ended.
    pub outcome: Outcome,
    /// Its result manifest; the bytes are in the work store under [`TaskResult::digest`], and the
    /// blobs that it names with them.
    pub manifest: ResultManifest,
    /// The output digest.
    pub digest: Digest,
    /// The last bytes of standard error, or why the command could not be started. Not verified by
    /// anyone.
    pub log: Vec<u8>,
    /// How long it took.
    pub timings: Timings,
}

/// Where the time of a task went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Making the space for outputs and creating the container.
    pub create: Duration,
    /// Starting it.
    pub start: Duration,
    /// From started to ended.
    pub run: Duration,
    /// Collecting and storing the outputs.
    pub collect: Duration,
}

impl Sandbox {
    /// Sets the sandbox up, and removes what a process before this one left behind.
    ///
    /// # Errors
    /// [`SandboxError::Config`], [`SandboxError::Host`], [`SandboxError::OutputsUnavailable`],
    /// [`SandboxError::EngineElsewhere`], [`SandboxError::Engine`].
    pub async fn new(
        config: SandboxConfig,
        engine: Arc<dyn ContainerEngine>,
    ) -> Result<Self, SandboxError> {
        config.check()?;
        prepare::private_dir(&config.state_dir)?;
        let labels = BTreeMap::from([(LABEL_EXECUTOR.to_owned(), config.instance.clone())]);
        let outputs_dir = config.state_dir.join("out");
        let unbounded = engine.facts().await?.unbounded;
        if !unbounded.is_empty() {
            return Err(engine::EngineError::unbounded(&unbounded).into());
        }
        sweep(engine.as_ref(), &config.instance).await?;
        Outputs::sweep(&outputs_dir).await?;
        let outputs = Outputs::new(
            engine.clone(),
            outputs_dir,
            config.outputs,
            labels,
            config.runtime.clone(),
        )
        .await?;
        let inputs = Inputs::new(config.state_dir.join("in"), config.max_input_bytes)?;
        let images = Images::new(engine.clone(), &config)?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                engine,
                images,
                inputs,
                outputs,
                tasks: TaskTracker::new(),
            }),
        })
    }

    /// Whether `/out` is a mount of our own (otherwise a volume of the engine's).
    #[must_use]
    pub fn mounts_outputs(&self) -> bool {
        self.inner.outputs.mounts()
    }

    /// Makes a job ready: fetches image and input into `cache` unless they are there, verifies
    /// and loads the image, unpacks the input. `seed` is the hash of the spec's bytes on chain.
    /// May be called again for the same job, at the same time too.
    ///
    /// # Errors
    /// [`SandboxError`]; [`SandboxError::is_of_the_job`] tells whether trying again is of use.
    pub async fn prepare(
        &self,
        spec: &JobSpec,
        seed: B256,
        sources: &[Box<dyn BlobSource>],
        cache: &DirStore,
    ) -> Result<Prepared, SandboxError> {
        let image = Box::pin(self.inner.images.ensure(&spec.image, sources, cache));
        let input = Box::pin(async {
            match spec.input {
                Some(digest) => {
                    let unpacked = self.inner.inputs.unpack(digest, sources, cache).await?;
                    Ok(Some(unpacked))
                }
                None => Ok::<_, SandboxError>(None),
            }
        });
        // Each blob has a time limit of its own, but an input has many, and its sources are a stranger's.
        let limit = self.inner.config.prepare_timeout;
        let both = async { tokio::try_join!(image, input) };
        let (image, input) = tokio::time::timeout(limit, both).await.map_err(|_| {
            SandboxError::TooBig(format!(
                "its image and input could not be had within {} s",
                limit.as_secs()
            ))
        })??;
        let Some(program) = image.program(spec) else {
            return Err(SandboxError::Image(
                "neither it nor the spec says what to run".to_owned(),
            ));
        };
        // The engine would fail with an error that looks like one of its own.
        if program.len() > 4_095 || program.split('/').any(|part| part.len() > 255) {
            return Err(SandboxError::Image(
                "no file can have the name of its program".to_owned(),
            ));
        }
        Ok(Prepared {
            spec: Arc::new(spec.clone()),
            seed,
            image,
            input,
            cache: cache.clone(),
        })
    }

    /// Runs task `task` of `job` and collects its result into `work`. Whatever happens, also
    /// when the future is dropped, the container is killed and removed, in the background;
    /// [`Sandbox::close`] waits for that.
    ///
    /// # Errors
    /// [`SandboxError`] for what is not the task's own doing; [`SandboxError::Cancelled`] after
    /// `cancel`.
    pub async fn run(
        &self,
        prepared: &Prepared,
        job: &str,
        task: u32,
        work: &DirStore,
        cancel: &CancellationToken,
    ) -> Result<TaskResult, SandboxError> {
        // The run goes on as a task of its own: were this future dropped in the middle of a
        // create request, nobody would know whether there is a container.
        let cancel = cancel.child_token();
        let _cancelled_with_this_future = cancel.clone().drop_guard();
        let run = run::run(
            self.inner.clone(),
            prepared.clone(),
            job.to_owned(),
            task,
            work.clone(),
            cancel,
        );
        self.inner
            .tasks
            .spawn(run.in_current_span())
            .await
            .map_err(|error| SandboxError::Background(error.to_string()))?
    }

    /// Removes images from the engine that this sandbox, or one before it on the same directory, brought there and
    /// that nothing uses: those unused for `keep`, and while all that it brought take more than `max_bytes` the
    /// others too, the longest unused first. One that is in use, that was there before, or that
    /// somebody gave a name to stays. How many went.
    ///
    /// # Errors
    /// [`SandboxError::Engine`], [`SandboxError::Host`].
    pub async fn remove_unused_images(
        &self,
        keep: Duration,
        max_bytes: u64,
    ) -> Result<u32, SandboxError> {
        self.inner.images.remove_unused(keep, max_bytes).await
    }

    /// Waits until all runs have ended and all their containers are gone. Cancel the runs before.
    pub async fn close(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.tasks.reopen();
    }
}

/// Removes containers and volumes of this instance.
async fn sweep(engine: &dyn ContainerEngine, instance: &str) -> Result<(), SandboxError> {
    let label = format!("{LABEL_EXECUTOR}={instance}");
    for container in engine.containers(&label).await? {
        tracing::info!(%container, "removing a container that an earlier process left");
        engine.remove(&container).await?;
    }
    for volume in engine.volumes(&label).await? {
        engine.remove_volume(&volume).await?;
    }
    Ok(())
}
