//! What all tasks of a job share: its image in the engine, its input in a directory.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex as StdMutex, PoisonError, Weak},
};

use futures::{StreamExt, TryStreamExt};
use piecework_core::digest::{
    Digest,
    manifest::{MAX_MANIFEST_BYTES, Tree},
};
use piecework_net::blobs::{BlobError, BlobSource, DirStore, fetch_any, materialize};
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

/// An input that several jobs may share. Held while it is unpacked: who comes second waits.
type Shared = Arc<Mutex<Weak<Input>>>;

/// All unpacked inputs of this executor, each once.
#[derive(Debug)]
pub(super) struct Inputs {
    dir: PathBuf,
    max_bytes: u64,
    unpacked: StdMutex<HashMap<Digest, Shared>>,
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
            unpacked: StdMutex::default(),
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
        let shared = self.shared(digest);
        let mut current = shared.lock().await;
        if let Some(input) = current.upgrade() {
            return Ok(input);
        }
        // A name of its own: the one before may still be being removed.
        let path = self
            .dir
            .join(format!("{digest}-{:08x}", rand::random::<u32>()));
        let (input, store) = (Arc::new(Input { path }), cache.clone());
        // The input goes along: if the waiting job gave up, the input is removed once it is unpacked.
        let input = tokio::task::spawn_blocking(move || {
            materialize(&tree, &store, &input.path).map(|()| input)
        })
        .await
        .map_err(|error| SandboxError::Background(error.to_string()))?
        .map_err(SandboxError::Store)?;
        *current = Arc::downgrade(&input);
        Ok(input)
    }

    fn shared(&self, digest: Digest) -> Shared {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        unpacked.retain(|_, shared| match shared.try_lock() {
            Ok(input) => input.strong_count() > 0,
            Err(_) => true,
        });
        unpacked.entry(digest).or_default().clone()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use piecework_core::digest::manifest::BlobRef;
    use piecework_net::blobs::publish_directory;

    use super::*;

    /// Inputs, a store with a small tree in it and one that takes a while to unpack.
    fn scene() -> (tempfile::TempDir, Inputs, DirStore, Digest, Digest) {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("file"), b"content").unwrap();
        let store = DirStore::open(folder.path().join("store")).unwrap();
        let small = publish_directory(&source, &store).unwrap().digest;
        let blob = BlobRef::of(&store.read(&Digest::of(b"content"), 7).unwrap());
        let mut tree = Tree::builder();
        for number in 0..8_000 {
            let path = format!("file-{number}");
            let path = piecework_core::digest::manifest::EntryPath::new(path).unwrap();
            tree.file(path, blob, false).unwrap();
        }
        let tree = tree.finish().unwrap();
        let large = store.put_bytes(&tree.to_bytes()).unwrap();
        let inputs = Inputs::new(folder.path().join("in"), 1 << 20).unwrap();
        (folder, inputs, store, small, large)
    }

    fn names(inputs: &Inputs) -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(&inputs.dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    async fn begun(inputs: &Inputs) {
        while names(inputs).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_input_that_nobody_waits_for_is_removed() {
        let (_folder, inputs, store, _, large) = scene();
        tokio::select! {
            _ = inputs.unpack(large, &[], &store) => unreachable!("it takes longer"),
            () = begun(&inputs) => {}
        }
        // A busy machine needs a while for so many files.
        let gone = async {
            while !names(&inputs).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(120), gone).await;
        assert!(gone.is_ok(), "{:?}", names(&inputs));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_input_does_not_hold_up_another_job() {
        let (_folder, inputs, store, small, large) = scene();
        let other = async {
            begun(&inputs).await;
            inputs.unpack(small, &[], &store).await.unwrap()
        };
        tokio::select! {
            biased;
            _ = inputs.unpack(large, &[], &store) => unreachable!("it takes longer"),
            input = other => assert!(input.path.join("file").exists()),
        }
    }
}
