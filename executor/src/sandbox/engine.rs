//! What the sandbox asks of a container engine: a narrow trait, so that a change of crate or of
//! engine stays in one file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    pin::Pin,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{AsyncRead, Stream};
use serde::Deserialize;

use super::profile::CreateRequest;

pub use super::facts::{EngineFacts, Limit, Package};

/// Why an engine call failed. None of these is the job's fault.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Nobody answers on the socket.
    #[error(
        "no container engine answers on {socket} ({reason}); start Docker, or name its socket \
         in the configuration or in DOCKER_HOST"
    )]
    Unreachable {
        /// The socket that was tried.
        socket: String,
        /// What the operating system said.
        reason: String,
    },
    /// The address of the engine is not a Unix socket.
    #[error(
        "the engine address {0:?} is not a Unix socket: write unix:///path/to/docker.sock (forward a remote one through ssh)"
    )]
    Address(String),
    /// The engine speaks only an API older than 1.41.
    #[error(
        "the container engine speaks API {server} (at least {minimum}); this executor needs 1.41: install Docker 20.10.10 or newer"
    )]
    Version {
        /// The newest API that the engine speaks.
        server: String,
        /// The oldest API that the engine speaks.
        minimum: String,
    },
    /// The engine did not answer in time.
    #[error("the container engine did not {what} within {seconds} s; look at the engine's own log")]
    TimedOut {
        /// What it was asked to do.
        what: &'static str,
        /// How long it was given, in seconds.
        seconds: u64,
    },
    /// The engine knows no such container, image or volume.
    #[error("the container engine could not {what}: {message}")]
    NotFound {
        /// What it was asked to do.
        what: &'static str,
        /// The engine's own words.
        message: String,
    },
    /// The engine refused.
    #[error("the container engine refused to {what} (status {status}): {message}")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The engine discards limits that keep tasks from taking the whole machine.
    #[error(
        "the container engine does not bound {limits}: a stranger's task could take the whole machine, or end in another way \
         than elsewhere, which costs the bond. No task runs so. Give the engine the cgroup controllers cpu, memory and pids, \
         and for swap boot with swapaccount=1 or switch swap off"
    )]
    Unbounded {
        /// What is not bounded.
        limits: String,
    },
    /// The connection broke, or the answer makes no sense.
    #[error("the container engine gave no usable answer when asked to {what}: {message}")]
    Protocol {
        /// What it was asked to do.
        what: &'static str,
        /// What is wrong with the answer.
        message: String,
    },
}

impl EngineError {
    /// The error of an engine that discards these limits.
    pub(crate) fn unbounded(limits: &BTreeSet<Limit>) -> Self {
        let names: Vec<&str> = limits.iter().map(|limit| limit.name()).collect();
        Self::Unbounded {
            limits: names.join(", "),
        }
    }

    /// A stable code for logs, metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "engine-unreachable",
            Self::Address(_) => "engine-address",
            Self::Version { .. } => "engine-version",
            Self::TimedOut { .. } => "engine-timeout",
            Self::NotFound { .. } => "engine-not-found",
            Self::Refused { .. } => "engine-refused",
            Self::Unbounded { .. } => "engine-unbounded",
            Self::Protocol { .. } => "engine-protocol",
        }
    }
}

/// A result of an engine call.
pub type EngineResult<T> = Result<T, EngineError>;

/// Bytes as the engine sends them.
pub type ByteStream = Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>;

/// The raw, still framed, output of an attached container.
pub type Attached = Pin<Box<dyn AsyncRead + Send>>;

/// What the engine says of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageFacts {
    /// The engine's own id: config digest before Docker 29, manifest digest after.
    pub id: String,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// Architecture, in Go's words.
    #[serde(default)]
    pub architecture: String,
    /// The file system.
    #[serde(rename = "RootFS", default)]
    pub root_fs: RootFs,
    /// What the image's author configured.
    #[serde(default)]
    pub config: Option<ImageDefaults>,
    /// Bytes of its layers, those that other images share included.
    #[serde(default)]
    pub size: u64,
    /// Names that somebody gave it.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
}

impl ImageFacts {
    /// The digests of its layers' contents.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        self.root_fs.layers.as_deref().unwrap_or_default()
    }
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// Digests of the uncompressed layers, lowest first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
}

/// The part of an image's configuration that matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageDefaults {
    /// `NAME=value` pairs.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// What is run.
    #[serde(default)]
    pub entrypoint: Option<Vec<String>>,
    /// Its default arguments.
    #[serde(default)]
    pub cmd: Option<Vec<String>>,
    /// Where it starts.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Paths that would escape the read-only root.
    #[serde(default)]
    pub volumes: Option<BTreeMap<String, serde_json::Value>>,
}

/// How a container stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerState {
    /// Whether it still runs.
    #[serde(default)]
    pub running: bool,
    /// Whether the kernel killed one of its processes for memory.
    #[serde(rename = "OOMKilled", default)]
    pub oom_killed: bool,
    /// Exit code; meaningless while it runs.
    #[serde(default)]
    pub exit_code: i64,
    /// What a health check says; none is ever to be run.
    #[serde(default)]
    pub health: Option<serde_json::Value>,
}

/// A bounded volume in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Its name.
    pub name: String,
    /// Options of the tmpfs, as mount(8) takes them.
    pub options: String,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
}

/// A container engine. Every call but `wait` ends by itself within a bounded time.
#[async_trait]
pub trait ContainerEngine: Send + Sync + 'static {
    /// What the engine says of itself and of its machine.
    async fn facts(&self) -> EngineResult<EngineFacts>;
    /// What the engine says of the image with this id or reference; `None` if it has none.
    async fn image(&self, reference: &str) -> EngineResult<Option<ImageFacts>>;
    /// Loads an image archive from a file.
    async fn load_image(&self, archive: &Path) -> EngineResult<()>;
    /// Pulls `repo@sha256:…` from its registry.
    async fn pull_image(&self, reference: &str) -> EngineResult<()>;
    /// Removes the image with this id, and nothing else; `false` if the engine refuses because something
    /// still uses it. An absent one is no error.
    async fn remove_image(&self, id: &str) -> EngineResult<bool>;
    /// Creates a container under a name of ours. One whose limits the engine discards is removed again, and
    /// [`EngineError::Unbounded`] is returned.
    async fn create(&self, name: &str, request: &CreateRequest) -> EngineResult<()>;
    /// Attaches to stdout and stderr; to be called before `start`.
    async fn attach(&self, name: &str) -> EngineResult<Attached>;
    /// Starts it.
    async fn start(&self, name: &str) -> EngineResult<()>;
    /// Waits, for as long as it takes, until it does not run; its exit code.
    async fn wait(&self, name: &str) -> EngineResult<i64>;
    /// Sends SIGKILL; a container that does not run is no error.
    async fn kill(&self, name: &str) -> EngineResult<()>;
    /// How the container stands.
    async fn inspect(&self, name: &str) -> EngineResult<ContainerState>;
    /// The tree at `path` in the container, as a tar stream.
    async fn archive(&self, name: &str, path: &str) -> EngineResult<ByteStream>;
    /// Kills and removes it with its anonymous volumes; an absent one is no error.
    async fn remove(&self, name: &str) -> EngineResult<()>;
    /// Names of all containers, running or not, that carry the label `key=value`.
    async fn containers(&self, label: &str) -> EngineResult<Vec<String>>;
    /// Creates a volume.
    async fn create_volume(&self, request: &VolumeRequest) -> EngineResult<()>;
    /// Removes a volume; an absent one is no error.
    async fn remove_volume(&self, name: &str) -> EngineResult<()>;
    /// Names of all volumes that carry the label `key=value`.
    async fn volumes(&self, label: &str) -> EngineResult<Vec<String>>;
}
