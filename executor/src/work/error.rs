//! Why work does not go on, and what that says of it.

use std::io::ErrorKind;

use piecework_core::digest::manifest::Outcome;
use piecework_executor_core::input::Failure;
use piecework_net::blobs::BlobError;

use crate::{
    sandbox::{SandboxError, collect::CollectError},
    store::StoreError,
};

/// Why the work of a duty does not go on. Never the job's doing.
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
    #[error("of {count} tasks only {known} have an outcome here")]
    Missing { known: usize, count: u32 },
    /// Another machine may see another outcome: nobody can vote for it.
    #[error("the task ended with \"{0}\", which may come of this machine")]
    Unsure(Outcome),
}

impl WorkError {
    /// Whether outcomes, or their bytes, were lost.
    pub(super) fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Blobs(BlobError::NotFound { .. })
        )
    }

    /// Whether the disk of the state directory takes nothing now.
    pub(super) fn is_of_the_disk(&self) -> bool {
        use SandboxError::{Collect, Host, Store, Unobtainable};
        match self {
            Self::Store(error) => error.may_pass(),
            Self::Blobs(error)
            | Self::Sandbox(
                Collect(CollectError::Store(error))
                | Store(error)
                | Unobtainable { source: error, .. },
            ) => matches!(error, BlobError::DiskFull { .. }),
            Self::Sandbox(Host { source, .. }) => matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }
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

/// Runs what blocks on the disk.
pub(crate) async fn background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkError> + Send + 'static,
) -> Result<T, WorkError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| WorkError::Damaged(format!("a background task died: {error}")))?
}
