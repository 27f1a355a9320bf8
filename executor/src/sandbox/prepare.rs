//! What all tasks of a job share: its image in the engine, its input in a directory.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use futures::{StreamExt, TryStreamExt};
use piecework::{
    blobs::{BlobError, BlobSource, DirStore, fetch_any, materialize},
    digest::{
        Digest,
        manifest::{MAX_MANIFEST_BYTES, Tree},
    },
};
use tokio::sync::Mutex;

use super::SandboxError;

/// Blobs of an input that are fetched at a time.
const PARALLEL: usize = 4;

/// An input, unpacked; removed with its last user.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
}

impl Drop for Input {
    fn drop(&mut self) {
        let path = self.path.clone();
        // Sweeping at the next start catches what this cannot.
        std::thread::spawn(move || std::fs::remove_dir_all(path));
    }
}

/// All unpacked inputs of this executor, each once.
#[derive(Debug)]
pub(super) struct Inputs {
    dir: PathBuf,
    max_bytes: u64,
    unpacked: Mutex<HashMap<Digest, Weak<Input>>>,
}

impl Inputs {
    /// Starts with an empty directory.
    pub(super) fn new(dir: PathBuf, max_bytes: u64) -> Result<Self, SandboxError> {
        let failed = |error| SandboxError::host("clean", &dir, error);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => std::fs::create_dir_all(&dir).map_err(failed)?,
        }
        Ok(Self {
            dir,
            max_bytes,
            unpacked: Mutex::default(),
        })
    }

    /// The input with this digest, fetched and unpacked if it is not there.
    pub(super) async fn unpack(
        &self,
        digest: Digest,
        sources: &[Box<dyn BlobSource>],
        cache: &DirStore,
    ) -> Result<Arc<Input>, SandboxError> {
        let tree = self.fetch(digest, sources, cache).await?;
        // Held while unpacking: who comes second waits and shares.
        let mut unpacked = self.unpacked.lock().await;
        if let Some(input) = unpacked.get(&digest).and_then(Weak::upgrade) {
            return Ok(input);
        }
        // A name of its own: the one before may still be being removed.
        let path = self
            .dir
            .join(format!("{digest}-{:08x}", rand::random::<u32>()));
        let input = Arc::new(Input { path });
        let (target, store) = (input.path.clone(), cache.clone());
        tokio::task::spawn_blocking(move || materialize(&tree, &store, &target))
            .await
            .map_err(|error| SandboxError::Background(error.to_string()))?
            .map_err(SandboxError::Store)?;
        unpacked.retain(|_, input| input.strong_count() > 0);
        unpacked.insert(digest, Arc::downgrade(&input));
        Ok(input)
    }

    async fn fetch(
        &self,
        digest: Digest,
        sources: &[Box<dyn BlobSource>],
        cache: &DirStore,
    ) -> Result<Tree, SandboxError> {
        let limit = MAX_MANIFEST_BYTES as u64;
        fetch(sources, cache, "input", digest, limit).await?;
        let bytes = cache.read(&digest, limit).map_err(SandboxError::Store)?;
        let tree = Tree::parse(&bytes)?;
        if tree.total_bytes() > self.max_bytes {
            return Err(SandboxError::TooBig(format!(
                "its input has {} bytes, at most {} are taken",
                tree.total_bytes(),
                self.max_bytes
            )));
        }
        futures::stream::iter(tree.files().map(|(_, blob, _)| blob))
            .map(Ok)
            .try_for_each_concurrent(PARALLEL, async |blob| {
                let size = fetch(sources, cache, "input", blob.digest, blob.size).await?;
                if size == blob.size {
                    return Ok(());
                }
                Err(SandboxError::Unobtainable {
                    what: "input",
                    source: BlobError::WrongSize {
                        digest: blob.digest,
                        expected: blob.size,
                        actual: size,
                    },
                })
            })
            .await?;
        Ok(tree)
    }
}

/// Fetches a blob of the job; errors of the store are ours, all others make it unobtainable.
pub(super) async fn fetch(
    sources: &[Box<dyn BlobSource>],
    cache: &DirStore,
    what: &'static str,
    digest: Digest,
    max: u64,
) -> Result<u64, SandboxError> {
    fetch_any(sources, cache, digest, max)
        .await
        .map_err(|source| match source {
            BlobError::Io { .. }
            | BlobError::DiskFull { .. }
            | BlobError::StoreFull { .. }
            | BlobError::Background(_) => SandboxError::Store(source),
            source => SandboxError::Unobtainable { what, source },
        })
}

/// Makes a directory that nobody else may enter.
pub(super) fn private_dir(path: &Path) -> Result<(), SandboxError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| SandboxError::host("create", path, error))
}
