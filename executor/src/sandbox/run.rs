//! One task, from create to output digest.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use futures::TryStreamExt;
use piecework_core::digest::manifest::{BlobRef, Outcome, OutputFault, ResultManifest, Tree};
use piecework_net::blobs::DirStore;
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tokio_util::{
    io::{StreamReader, SyncIoBridge},
    sync::CancellationToken,
};

use super::{
    Inner, LABEL_EXECUTOR, LABEL_JOB, LABEL_TASK, Prepared, SandboxError, TaskResult, Timings,
    collect::{Collected, collect},
    engine::{ContainerState, EngineError},
    env::environment,
    images::Image,
    outputs::Space,
    profile::Container,
    stdio::{Captured, MAX_STDERR, StdioError, capture},
};

/// How long a killed container may take to end; a fork bomb took 1.1 s.
const DEATH: Duration = Duration::from_secs(60);
/// How long output may still come after the container has ended.
const DRAIN: Duration = Duration::from_secs(20);
/// How long the engine may take to notice that a killed process was killed for memory.
const OOM_GRACE: Duration = Duration::from_millis(150);

/// Exit code of a process that was killed, or that ended so by itself.
const KILLED: u8 = 137;

/// Why a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Itself(i64),
    Timeout,
    Flood,
}

/// Runs the task. A container that was killed, but neither by us nor for its memory, may have been
/// killed from outside: by an engine that shuts down, by the host for its own memory, by somebody.
/// That must not become an outcome, but the engine cannot tell it from a task that ends with that
/// code by itself. So it is run again, and the second result counts.
pub(super) async fn run(
    inner: Arc<Inner>,
    prepared: Prepared,
    job: String,
    task: u32,
    work: DirStore,
    cancel: CancellationToken,
) -> Result<TaskResult, SandboxError> {
    let result = run_once(&inner, &prepared, &job, task, &work, &cancel).await?;
    if result.outcome != Outcome::Exit(KILLED) {
        return Ok(result);
    }
    tracing::warn!(%job, task, "the task was killed, and not by the sandbox: running it again");
    run_once(&inner, &prepared, &job, task, &work, &cancel).await
}

async fn run_once(
    inner: &Arc<Inner>,
    prepared: &Prepared,
    job: &str,
    task: u32,
    work: &DirStore,
    cancel: &CancellationToken,
) -> Result<TaskResult, SandboxError> {
    let name = format!(
        "piecework-{}-{:016x}",
        inner.config.instance,
        rand::random::<u64>()
    );
    let spec = prepared.spec.clone();
    let mut timings = Timings::default();
    let clock = Instant::now();
    let space = inner.outputs.open(&name, spec.resources.disk_bytes).await?;
    let run = Running {
        inner: inner.clone(),
        name,
        space: Some(space),
    };
    let engine = &run.inner.engine;
    run.create(prepared, job, task).await?;
    let attached = engine.attach(&run.name).await?;
    timings.create = clock.elapsed();

    let flood = CancellationToken::new();
    let mut stdio = Stdio(tokio::spawn(capture(attached, flood.clone())));
    let clock = Instant::now();
    if let Err(error) = engine.start(&run.name).await {
        return run.never_started(error, work).await;
    }
    timings.start = clock.elapsed();

    let clock = Instant::now();
    let limit = Duration::from_secs(spec.resources.timeout_seconds);
    let mut end = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(SandboxError::Cancelled),
        code = engine.wait(&run.name) => End::Itself(code?),
        () = flood.cancelled() => End::Flood,
        () = tokio::time::sleep(limit) => End::Timeout,
    };
    timings.run = clock.elapsed();
    let clock = Instant::now();
    if end == End::Timeout {
        // An engine that was slow to say that the task had ended is not the task's time-out.
        let state = engine.inspect(&run.name).await?;
        if !state.running {
            end = End::Itself(state.exit_code);
        }
    }
    let (manifest, captured) = match end {
        End::Itself(code) => {
            let disk_bytes = spec.resources.disk_bytes;
            run.ended(code, &mut stdio, work, disk_bytes).await?
        }
        End::Timeout => {
            run.kill().await?;
            (ResultManifest::timeout(), stdio.finish().await?)
        }
        End::Flood => {
            run.kill().await?;
            let manifest = ResultManifest::output(OutputFault::Stdout);
            (manifest, stdio.finish().await?)
        }
    };
    let mut result = store(manifest, captured.stderr, work).await?;
    timings.collect = clock.elapsed();
    result.timings = timings;
    Ok(result)
}

fn container(run: &Running, prepared: &Prepared, image: &Image, job: &str, task: u32) -> Container {
    let config = &run.inner.config;
    let spec = &prepared.spec;
    let labels = [
        (LABEL_EXECUTOR, config.instance.clone()),
        (LABEL_JOB, job.to_owned()),
        (LABEL_TASK, task.to_string()),
    ];
    Container {
        image: image.id.clone(),
        entrypoint: spec.command.clone(),
        args: spec.args.clone(),
        env: environment(spec, prepared.seed, task, &image.defaults),
        labels: BTreeMap::from(labels.map(|(name, value)| (name.to_owned(), value))),
        cpu_millis: u64::from(spec.resources.cpu_millis),
        cpuset: config.cpuset.clone(),
        memory_bytes: spec.resources.memory_bytes,
        disk_bytes: spec.resources.disk_bytes,
        input: prepared
            .input
            .as_ref()
            .map(|input| input.path.display().to_string()),
        output: run
            .space
            .as_ref()
            .map_or(super::profile::Output::None, Space::output),
        runtime: config.runtime.clone(),
    }
}

/// A container that may exist. However this ends, dropping it removes the container and its space
/// in the background.
struct Running {
    inner: Arc<Inner>,
    name: String,
    space: Option<Space>,
}

impl Running {
    async fn create(&self, prepared: &Prepared, job: &str, task: u32) -> Result<(), SandboxError> {
        let Inner { engine, images, .. } = self.inner.as_ref();
        let request = |image| container(self, prepared, image, job, task).request();
        let created = engine.create(&self.name, &request(&prepared.image)).await;
        let lost = match created {
            Err(lost @ EngineError::NotFound { .. }) => lost,
            created => return Ok(created?),
        };
        // Somebody tidied the engine up since the job was made ready.
        tracing::warn!(%job, %lost, "the engine lost the image of a job: loading it again");
        let spec = &prepared.spec.image;
        images.forget(&spec.manifest);
        let Ok(image) = images.ensure(spec, &[], &prepared.cache).await else {
            // Not the job's fault: the executor fetches it from its sources again.
            return Err(lost.into());
        };
        Ok(engine.create(&self.name, &request(&image)).await?)
    }

    /// Kills the container and waits until it has ended.
    async fn kill(&self) -> Result<(), SandboxError> {
        let engine = &self.inner.engine;
        engine.kill(&self.name).await?;
        match timeout(DEATH, engine.wait(&self.name)).await {
            Ok(code) => Ok(code.map(|_| ())?),
            Err(_) => Err(SandboxError::Engine(EngineError::TimedOut {
                what: "end a killed container",
                seconds: DEATH.as_secs(),
            })),
        }
    }

    /// The result of a container that has ended without us.
    async fn ended(
        &self,
        code: i64,
        stdio: &mut Stdio,
        work: &DirStore,
        disk_bytes: u64,
    ) -> Result<(ResultManifest, Captured), SandboxError> {
        let (captured, collected) =
            tokio::try_join!(stdio.finish(), self.collect(work, disk_bytes))?;
        let state = self.state(code).await?;
        let manifest = if captured.flooded {
            ResultManifest::output(OutputFault::Stdout)
        } else if state.oom_killed {
            ResultManifest::memory()
        } else {
            let code = u8::try_from(code).map_err(|_| EngineError::Protocol {
                what: "wait for a container",
                message: format!("{code} is no exit code"),
            })?;
            match collected {
                Collected::Refused(fault) => ResultManifest::output(fault),
                Collected::Tree(tree) => {
                    let stdout = keep(work, captured.stdout.clone()).await?;
                    ResultManifest::exited(code, stdout, tree)
                }
            }
        };
        Ok((manifest, captured))
    }

    /// How the container stands after it ended. The kernel's word that it was for memory may come
    /// a moment after the death itself.
    async fn state(&self, code: i64) -> Result<ContainerState, SandboxError> {
        let engine = &self.inner.engine;
        let state = engine.inspect(&self.name).await?;
        if state.oom_killed || code != i64::from(KILLED) {
            return Ok(state);
        }
        tokio::time::sleep(OOM_GRACE).await;
        Ok(engine.inspect(&self.name).await?)
    }

    async fn collect(&self, work: &DirStore, max_bytes: u64) -> Result<Collected, SandboxError> {
        // With the dot the engine looks through a link that an image may have at `/out`, as it did
        // when it mounted our space there.
        let stream = self.inner.engine.archive(&self.name, "/out/.").await?;
        let reader = StreamReader::new(stream.map_err(std::io::Error::other));
        let bridge = SyncIoBridge::new(Box::pin(reader));
        let store = work.clone();
        let collected = tokio::task::spawn_blocking(move || collect(bridge, &store, max_bytes))
            .await
            .map_err(|error| SandboxError::Background(error.to_string()))??;
        Ok(collected)
    }

    /// A command that cannot be started is the job's failure, with the exit code that a shell
    /// would give; every other refusal to start is ours.
    async fn never_started(
        &self,
        error: EngineError,
        work: &DirStore,
    ) -> Result<TaskResult, SandboxError> {
        let EngineError::Refused {
            status: 400,
            message,
            ..
        } = &error
        else {
            return Err(error.into());
        };
        let state = self.inner.engine.inspect(&self.name).await?;
        let code = match state.exit_code {
            126 => 126,
            127 => 127,
            _ => return Err(error.into()),
        };
        let stdout = keep(work, Vec::new()).await?;
        let manifest = ResultManifest::exited(code, stdout, Tree::default());
        store(manifest, message.bytes().take(MAX_STDERR).collect(), work).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (inner, name, space) = (self.inner.clone(), self.name.clone(), self.space.take());
        let tasks = inner.tasks.clone();
        // Without a runtime the process is ending: the next start sweeps.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let cleaning = async move {
            let patience = ExponentialBuilder::default()
                .with_max_delay(Duration::from_secs(10))
                .with_max_times(6);
            let clean = async || {
                inner.engine.remove(&name).await?;
                match &space {
                    Some(space) => inner.outputs.close(space).await,
                    None => Ok(()),
                }
            };
            if let Err(error) = clean.retry(patience).await {
                tracing::error!(container = %name, %error, "a container could not be removed; the next start tries again");
            }
        };
        tasks.spawn_on(cleaning, &runtime);
    }
}

/// The task that reads the output; ends with its owner.
struct Stdio(JoinHandle<Result<Captured, StdioError>>);

impl Stdio {
    async fn finish(&mut self) -> Result<Captured, SandboxError> {
        match timeout(DRAIN, &mut self.0).await {
            Ok(Ok(captured)) => Ok(captured?),
            Ok(Err(error)) => Err(SandboxError::Background(error.to_string())),
            Err(_) => Err(SandboxError::Stdio(StdioError::Broken(
                "it does not end with its container".to_owned(),
            ))),
        }
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Puts bytes into the store.
async fn keep(work: &DirStore, bytes: Vec<u8>) -> Result<BlobRef, SandboxError> {
    let store = work.clone();
    tokio::task::spawn_blocking(move || {
        let digest = store.put_bytes(&bytes)?;
        let size = bytes.len() as u64;
        Ok(BlobRef { size, digest })
    })
    .await
    .map_err(|error| SandboxError::Background(error.to_string()))?
    .map_err(SandboxError::Store)
}

async fn store(
    manifest: ResultManifest,
    log: VecDeque<u8>,
    work: &DirStore,
) -> Result<TaskResult, SandboxError> {
    let kept = keep(work, manifest.to_bytes()).await?;
    Ok(TaskResult {
        outcome: manifest.outcome(),
        digest: kept.digest,
        manifest,
        log: log.into(),
        timings: Timings::default(),
    })
}
