//! Why a task could not be run at all, which is never an outcome.

use std::{
    io,
    path::{Path, PathBuf},
};

use piecework_core::digest::manifest::ManifestError;
use piecework_net::blobs::BlobError;

use super::{collect::CollectError, engine::EngineError, stdio::StdioError};

/// A failure that is not the task's: nothing is submitted for it. The lease is tried again or
/// released early, while that is free.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What a container printed could not be read.
    #[error(transparent)]
    Stdio(#[from] StdioError),
    /// The outputs could not be collected.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// The local blob store failed.
    #[error("the local blob store failed: {0}")]
    Store(#[source] BlobError),
    /// This machine refused.
    #[error("cannot {action} {path}: {source}")]
    Host {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No way to bound `/out` works here.
    #[error(
        "no bounded space for outputs: {0}; run the executor as root, or let the engine make tmpfs volumes"
    )]
    OutputsUnavailable(String),
    /// The engine runs where this machine's files are not.
    #[error(
        "the container engine does not see {0}: it must run on this machine, with the same files"
    )]
    EngineElsewhere(PathBuf),
    /// The configuration cannot work.
    #[error("the sandbox cannot be configured so: {0}")]
    Config(String),
    /// The input or the image's archive could not be had.
    #[error(
        "the job's {what} cannot be had: {source}; the lease is left, which is free in the first eighth of its run window"
    )]
    Unobtainable {
        /// Image archive or input.
        what: &'static str,
        /// Why.
        source: BlobError,
    },
    /// The input is no tree.
    #[error(
        "the job's input is not a tree: {0}; the lease is left, which is free in the first eighth of its run window"
    )]
    Input(#[from] ManifestError),
    /// The image is not what its pin says, or cannot run under the profile.
    #[error(
        "the job's image is refused: {0}; the lease is left, which is free in the first eighth of its run window"
    )]
    Image(String),
    /// The job asks for more than this executor gives.
    #[error("the job is too big for this executor: {0}")]
    TooBig(String),
    /// The run was cancelled.
    #[error("the task was cancelled, and its container removed")]
    Cancelled,
    /// A part of this process died.
    #[error("a background task of the sandbox died: {0}")]
    Background(String),
}

impl SandboxError {
    /// A stable code for logs, metrics and tests.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.code(),
            Self::Stdio(_) => "sandbox-stdio",
            Self::Collect(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Host { .. } => "sandbox-host",
            Self::OutputsUnavailable(_) => "sandbox-outputs",
            Self::EngineElsewhere(_) => "sandbox-engine-elsewhere",
            Self::Config(_) => "sandbox-config",
            Self::Unobtainable { .. } => "sandbox-unobtainable",
            Self::Input(_) => "sandbox-input",
            Self::Image(_) => "sandbox-image",
            Self::TooBig(_) => "sandbox-too-big",
            Self::Cancelled => "sandbox-cancelled",
            Self::Background(_) => "sandbox-background",
        }
    }

    /// Whether the job itself is to blame, so that no executor with this configuration can run
    /// it, and trying again does not help.
    #[must_use]
    pub fn is_of_the_job(&self) -> bool {
        match self {
            Self::Input(_) | Self::Image(_) | Self::TooBig(_) => true,
            Self::Unobtainable { source, .. } => !source.is_transient(),
            _ => false,
        }
    }

    pub(super) fn host(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Host {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
