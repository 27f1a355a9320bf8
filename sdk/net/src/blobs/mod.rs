//! Blobs: bytes addressed by their BLAKE3, and how they get from one machine to another.
//!
//! A [`DirStore`] keeps them in a directory. A [`BlobSource`] gives them, a [`BlobSink`] takes them;
//! whoever takes one from a source checks it with [`fetch`] and never trusts a length. Inputs and
//! outputs are trees of blobs: [`publish_directory`] makes one, [`materialize`] unpacks one.

mod address;
mod directory;
mod error;
mod fetch;
mod http;
mod listen;
mod store;
mod writer;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use piecework_core::digest::Digest;

pub use directory::{PublishedTree, materialize, publish_directory};
pub use error::BlobError;
pub(crate) use fetch::background;
pub use fetch::{fetch, fetch_any, fetch_bytes};
pub use http::{HttpClient, HttpPolicy, HttpSource, blob_router};
pub use listen::{Bounds, serve};
pub use store::{DirStore, StoreLimits};
pub use writer::{BlobWriter, StagedBlob};

/// A blob on its way.
pub struct BlobStream {
    /// Its size in bytes as the source claims it, if it does.
    pub size: Option<u64>,
    /// Its bytes.
    pub bytes: BoxStream<'static, Result<Bytes, BlobError>>,
}

/// Something that has blobs.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// Starts to read a blob. What comes may be anything: only [`fetch`] and [`fetch_bytes`] check it.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] if the source does not have it, others if it cannot say.
    async fn open(&self, digest: Digest) -> Result<BlobStream, BlobError>;

    /// What to call the source in an error.
    fn name(&self) -> String;
}

/// Something that takes blobs.
#[async_trait]
pub trait BlobSink: Send + Sync {
    /// Takes a blob of at most `max` bytes, and keeps it only if its digest is `digest`.
    ///
    /// # Errors
    /// [`BlobError`]; then nothing has been kept.
    async fn put(&self, digest: Digest, stream: BlobStream, max: u64) -> Result<u64, BlobError>;
}

#[cfg(test)]
mod tests;
