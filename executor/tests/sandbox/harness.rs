//! A sandbox on the real engine, a job around the workload, and the proof that nothing stays.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use piecework::{
    blobs::{BlobSource, DirStore},
    spec::{ImageSpec, JobSpec, Resources},
};
use piecework_executor::sandbox::{
    LABEL_EXECUTOR, OutputsMode, Prepared, Sandbox, SandboxConfig, SandboxError, TaskResult,
    docker::DockerEngine, engine::ContainerEngine,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::image::Image;

pub(crate) const SEED: B256 = B256::repeat_byte(0x5e);

/// Where Docker is unless DOCKER_HOST says otherwise.
pub(crate) const DOCKER: &str = "unix:///var/run/docker.sock";

pub(crate) struct Bench {
    pub(crate) engine: Arc<dyn ContainerEngine>,
    pub(crate) sandbox: Sandbox,
    pub(crate) client: DirStore,
    pub(crate) cache: DirStore,
    pub(crate) work: DirStore,
    pub(crate) config: SandboxConfig,
    pub(crate) image: ImageSpec,
    folder: TempDir,
}

pub(crate) async fn engine() -> Arc<dyn ContainerEngine> {
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DOCKER.to_owned());
    match DockerEngine::connect(&address).await {
        Ok(engine) => Arc::new(engine),
        Err(error) => panic!("these tests need a real Docker: {error}"),
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn volumes() -> Self {
        Self::with(|config| config.outputs = OutputsMode::Volume).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = |name| DirStore::open(folder.path().join(name)).unwrap();
        let (client, cache, work) = (store("client"), store("cache"), store("work"));
        let instance = format!("test-{:016x}", rand::random::<u64>());
        let mut config = SandboxConfig::new(instance, folder.path().join("state"));
        change(&mut config);
        let engine = engine().await;
        let sandbox = Sandbox::new(config.clone(), engine.clone()).await.unwrap();
        let image = Image::default().publish(&client);
        Self {
            engine,
            sandbox,
            client,
            cache,
            work,
            config,
            image,
            folder,
        }
    }

    pub(crate) fn spec(&self, args: &[&str]) -> JobSpec {
        let spec = JobSpec {
            version: 1,
            image: self.image.clone(),
            command: None,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: Default::default(),
            input: None,
            fetch_key: None,
            tasks: 4,
            resources: Resources {
                cpu_millis: 1_000,
                memory_bytes: 64 << 20,
                disk_bytes: 4 << 20,
                timeout_seconds: 30,
            },
            sources: Vec::new(),
        };
        spec.validate().unwrap();
        spec
    }

    pub(crate) async fn prepare(&self, spec: &JobSpec) -> Result<Prepared, SandboxError> {
        let sources: [Box<dyn BlobSource>; 1] = [Box::new(self.client.clone())];
        self.sandbox
            .prepare(spec, SEED, &sources, &self.cache)
            .await
    }

    pub(crate) async fn run(&self, args: &[&str]) -> TaskResult {
        self.run_spec(&self.spec(args)).await.unwrap()
    }

    pub(crate) async fn run_spec(&self, spec: &JobSpec) -> Result<TaskResult, SandboxError> {
        let prepared = self.prepare(spec).await?;
        let cancel = CancellationToken::new();
        self.sandbox
            .run(&prepared, "0xjob", 2, &self.work, &cancel)
            .await
    }

    pub(crate) fn stdout(&self, result: &TaskResult) -> String {
        let stdout = result.manifest.stdout().unwrap();
        String::from_utf8(self.work.read(&stdout.digest, 1 << 20).unwrap()).unwrap()
    }

    /// Waits until a container of this sandbox runs.
    pub(crate) async fn running(&self) -> String {
        let label = format!("{LABEL_EXECUTOR}={}", self.config.instance);
        for _ in 0..200 {
            for container in self.engine.containers(&label).await.unwrap() {
                let state = self.engine.inspect(&container).await;
                if state.is_ok_and(|state| state.running) {
                    return container;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no container runs within ten seconds");
    }

    /// Ends the sandbox; then everything must be gone.
    pub(crate) async fn finish(self) {
        self.sandbox.close().await;
        self.check().await;
    }

    /// Everything must be gone: containers, volumes, mounts.
    pub(crate) async fn check(self) {
        let label = format!("{LABEL_EXECUTOR}={}", self.config.instance);
        assert_eq!(self.engine.containers(&label).await.unwrap(), [""; 0]);
        assert_eq!(self.engine.volumes(&label).await.unwrap(), [""; 0]);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let here = self.folder.path().to_str().unwrap();
        assert!(!mounts.contains(here), "{mounts}");
        let left: Vec<_> = std::fs::read_dir(self.config.state_dir.join("out"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
