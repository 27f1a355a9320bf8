//! Taking blobs from sources that may lie.

use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use piecework_core::digest::Digest;
use tokio_util::io::ReaderStream;

use super::{BlobError, BlobSink, BlobSource, BlobStream, BlobWriter, DirStore};

/// Attempts at one source, the first included, while its errors are transient.
const ATTEMPTS: usize = 4;
/// Pause before the second attempt; it doubles for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Takes the blob from `source` into `store`, unless it is there; returns its size. The stream is
/// hashed on its way to a temporary file, cut off at `max` bytes, and kept only if the digest is
/// right. Transient errors are tried again a few times.
///
/// # Errors
/// [`BlobError`]; then nothing has been kept.
pub async fn fetch(
    source: &dyn BlobSource,
    store: &DirStore,
    digest: Digest,
    max: u64,
) -> Result<u64, BlobError> {
    if let Some(size) = store.size(&digest) {
        return if size > max {
            Err(BlobError::TooLong { max })
        } else {
            Ok(size)
        };
    }
    let attempt = || async {
        let stream = source.open(digest).await?;
        take(store, &source.name(), digest, stream, max).await
    };
    attempt.retry(pauses()).when(BlobError::is_transient).await
}

/// As [`fetch`], from the first of the sources that gives the blob.
///
/// # Errors
/// [`BlobError::NoSource`] with the last source's error if none gave it; errors of the store itself
/// at once.
pub async fn fetch_any(
    sources: &[Box<dyn BlobSource>],
    store: &DirStore,
    digest: Digest,
    max: u64,
) -> Result<u64, BlobError> {
    if let Some(size) = store.size(&digest) {
        return if size > max {
            Err(BlobError::TooLong { max })
        } else {
            Ok(size)
        };
    }
    let mut last = "there are no sources".to_owned();
    for source in sources {
        match fetch(source.as_ref(), store, digest, max).await {
            Ok(size) => return Ok(size),
            Err(
                error @ (BlobError::Io { .. }
                | BlobError::DiskFull { .. }
                | BlobError::StoreFull { .. }
                | BlobError::Background(_)),
            ) => return Err(error),
            Err(error) => last = error.to_string(),
        }
    }
    Err(BlobError::NoSource {
        digest,
        sources: sources.len(),
        last,
    })
}

/// The blob's bytes from `source`, at most `max`, checked against the digest. For manifests and
/// other small things.
///
/// # Errors
/// [`BlobError`].
pub async fn fetch_bytes(
    source: &dyn BlobSource,
    digest: Digest,
    max: u64,
) -> Result<Vec<u8>, BlobError> {
    let attempt = || async {
        let mut stream = source.open(digest).await?;
        if stream.size.is_some_and(|size| size > max) {
            return Err(BlobError::TooLong { max });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.bytes.try_next().await? {
            if bytes.len() as u64 + chunk.len() as u64 > max {
                return Err(BlobError::TooLong { max });
            }
            bytes.extend_from_slice(&chunk);
        }
        let actual = Digest::of(&bytes);
        if actual != digest {
            let origin = source.name();
            return Err(BlobError::WrongDigest {
                origin,
                expected: digest,
                actual,
            });
        }
        Ok(bytes)
    };
    attempt.retry(pauses()).when(BlobError::is_transient).await
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(ATTEMPTS - 1)
        .with_jitter()
}

/// Streams into a temporary file of the store. The disk is written to in the background, in pieces
/// of about this many bytes.
const PIECE: usize = 1 << 20;

async fn take(
    store: &DirStore,
    origin: &str,
    digest: Digest,
    mut stream: BlobStream,
    max: u64,
) -> Result<u64, BlobError> {
    if stream.size.is_some_and(|size| size > max) {
        return Err(BlobError::TooLong { max });
    }
    let mut writer = store.writer(max)?;
    let mut waiting: Vec<Bytes> = Vec::new();
    let mut length = 0;
    loop {
        let chunk = stream.bytes.try_next().await?;
        let ended = chunk.is_none();
        length += chunk.as_ref().map_or(0, Bytes::len);
        waiting.extend(chunk);
        if ended || length >= PIECE {
            length = 0;
            writer = append(writer, std::mem::take(&mut waiting)).await?;
        }
        if ended {
            break;
        }
    }
    let origin = origin.to_owned();
    background(move || writer.commit_as(&digest, &origin)).await
}

async fn append(mut writer: BlobWriter, pieces: Vec<Bytes>) -> Result<BlobWriter, BlobError> {
    background(move || {
        for piece in pieces {
            writer.append(&piece)?;
        }
        Ok(writer)
    })
    .await
}

/// Runs what blocks on the disk apart from the async threads.
pub(crate) async fn background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BlobError::Background(error.to_string())),
    }
}

#[async_trait]
impl BlobSource for DirStore {
    async fn open(&self, digest: Digest) -> Result<BlobStream, BlobError> {
        let store = self.clone();
        let (file, size) = background(move || store.open_blob(&digest)).await?;
        let path = self.path_of(&digest);
        let bytes = ReaderStream::with_capacity(tokio::fs::File::from_std(file), 64 << 10)
            .map_err(move |error| BlobError::io("read", &path, error))
            .boxed();
        Ok(BlobStream {
            size: Some(size),
            bytes,
        })
    }

    fn name(&self) -> String {
        Self::name(self)
    }
}

#[async_trait]
impl BlobSink for DirStore {
    async fn put(&self, digest: Digest, stream: BlobStream, max: u64) -> Result<u64, BlobError> {
        take(self, "the sender", digest, stream, max).await
    }
}
