//! A directory of blobs, each in a file named after its digest.
//!
//! `blobs/<first two digits>/<all digits>` holds a blob, `tmp/` what is being written. A blob is
//! complete in its file or not there at all: it is written beside, synced, and renamed. Several
//! processes may use one store at a time.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use piecework_core::digest::Digest;

use super::{BlobError, BlobWriter};

/// A temporary file that was not written to for so long has no writer any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3_600);

/// What a store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Most bytes in all blobs together, those being written included. Bytes that this process
    /// wrote or found when it opened the store count.
    pub max_bytes: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            max_bytes: u64::MAX,
        }
    }
}

/// A content-addressed directory. Clones share it.
#[derive(Debug, Clone)]
pub struct DirStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    root: PathBuf,
    limits: StoreLimits,
    used: AtomicU64,
}

impl DirStore {
    /// Opens the store in this directory, and makes it if it is not there. Temporary files that
    /// died with their writers a day ago or more are removed.
    ///
    /// # Errors
    /// [`BlobError::Io`] if the directory cannot be made or read.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        Self::open_with(root, StoreLimits::default())
    }

    /// Opens the store in this directory with limits.
    ///
    /// # Errors
    /// [`BlobError::Io`] if the directory cannot be made or read.
    pub fn open_with(root: impl Into<PathBuf>, limits: StoreLimits) -> Result<Self, BlobError> {
        let root = root.into();
        for folder in [root.join("blobs"), root.join("tmp")] {
            fs::create_dir_all(&folder)
                .map_err(|error| BlobError::io("create the directory", &folder, error))?;
        }
        let store = Self {
            inner: Arc::new(Inner {
                root,
                limits,
                used: AtomicU64::new(0),
            }),
        };
        let used = store.list()?.into_iter().map(|(_, size)| size).sum();
        store.inner.used.store(used, Ordering::Relaxed);
        // Others may write to it right now, but nobody for so long.
        if let Err(error) = store.sweep(ABANDONED) {
            tracing::debug!(%error, "what a dead writer left stays for now");
        }
        Ok(store)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Bytes that the blobs take, those being written included.
    pub fn used_bytes(&self) -> u64 {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// Bytes that may still be written.
    pub fn free_bytes(&self) -> u64 {
        self.inner
            .limits
            .max_bytes
            .saturating_sub(self.used_bytes())
    }

    /// Begins a blob of at most `max` bytes.
    ///
    /// # Errors
    /// [`BlobError`] if no file can be made.
    pub fn writer(&self, max: u64) -> Result<BlobWriter, BlobError> {
        BlobWriter::new(self.clone(), max)
    }

    /// Keeps these bytes.
    ///
    /// # Errors
    /// [`BlobError`] if they cannot be written, or the store is full.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = Digest::of(bytes);
        if !self.contains(&digest) {
            let mut writer = self.writer(bytes.len() as u64)?;
            writer.append(bytes)?;
            writer.commit()?;
        }
        Ok(digest)
    }

    /// Keeps all that the reader gives, at most `max` bytes; returns digest and size.
    ///
    /// # Errors
    /// [`BlobError`] if it cannot be read or written, is too long, or the store is full.
    pub fn put_reader(&self, reader: &mut dyn Read, max: u64) -> Result<(Digest, u64), BlobError> {
        let mut writer = self.writer(max)?;
        writer.append_all(reader)?;
        writer.commit()
    }

    /// True if the blob is here.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// Bytes in the blob, if it is here.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        let data = fs::symlink_metadata(self.path_of(digest)).ok()?;
        data.is_file().then_some(data.len())
    }

    /// Opens the blob's file to read; returns its size too. The bytes are not checked.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] or [`BlobError::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<(File, u64), BlobError> {
        let path = self.path_of(digest);
        let open = || {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        open().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => self.not_found(digest),
            _ => BlobError::io("open", &path, error),
        })
    }

    /// The bytes of a blob of at most `max` bytes, checked against the digest.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], [`BlobError::TooLong`], [`BlobError::WrongDigest`] if the disk gave
    /// other bytes than were written, or [`BlobError::Io`].
    pub fn read(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError> {
        let (file, size) = self.open_blob(digest)?;
        if size > max {
            return Err(BlobError::TooLong { max });
        }
        let mut bytes = Vec::new();
        file.take(max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| BlobError::io("read", &self.path_of(digest), error))?;
        if bytes.len() as u64 > max {
            return Err(BlobError::TooLong { max });
        }
        self.check(digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Reads the whole blob and checks it against the digest; returns its size.
    ///
    /// # Errors
    /// As [`DirStore::read`].
    pub fn verify(&self, digest: &Digest) -> Result<u64, BlobError> {
        self.copy_to(digest, &mut io::sink())
    }

    /// Writes the blob to `target`, checked against the digest; returns its size. On an error
    /// `target` may hold a part: throw it away.
    ///
    /// # Errors
    /// As [`DirStore::read`].
    pub fn copy_to(&self, digest: &Digest, target: &mut dyn io::Write) -> Result<u64, BlobError> {
        let (mut file, _) = self.open_blob(digest)?;
        let path = self.path_of(digest);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0;
        loop {
            let read = file
                .read(&mut buffer)
                .map_err(|error| BlobError::io("read", &path, error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            hasher.update(bytes);
            target
                .write_all(bytes)
                .map_err(|error| BlobError::io("copy", &path, error))?;
            size += read as u64;
        }
        self.check(digest, hasher.finalize().into())?;
        Ok(size)
    }

    /// Puts a blob of this store into another one, by a hard link where that is possible; returns
    /// its size.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], [`BlobError::StoreFull`], or [`BlobError::Io`].
    pub fn publish_into(&self, digest: &Digest, other: &Self) -> Result<u64, BlobError> {
        let (mut file, size) = self.open_blob(digest)?;
        if other.contains(digest) {
            return Ok(size);
        }
        other.reserve(size)?;
        let target = other.path_of(digest);
        let linked = other.make_shard(&target).and_then(|()| {
            match fs::hard_link(self.path_of(digest), &target) {
                Ok(()) => sync_parent(&target),
                Err(error) => Err(BlobError::io("link", &target, error)),
            }
        });
        if linked.is_ok() {
            return Ok(size);
        }
        // Another file system, or none that links: copy, and check what is copied.
        other.release(size);
        let mut writer = other.writer(size)?;
        writer.append_all(&mut file)?;
        writer.commit_as(digest, &self.name())?;
        Ok(size)
    }

    /// Removes a blob; returns whether it was here.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn remove(&self, digest: &Digest) -> Result<bool, BlobError> {
        let Some(size) = self.size(digest) else {
            return Ok(false);
        };
        let path = self.path_of(digest);
        match fs::remove_file(&path) {
            Ok(()) => {
                self.release(size);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io("remove", &path, error)),
        }
    }

    /// All blobs with their sizes, in no order.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn list(&self) -> Result<Vec<(Digest, u64)>, BlobError> {
        let mut blobs = Vec::new();
        for shard in entries(&self.inner.root.join("blobs"))? {
            if !shard.is_dir() {
                continue;
            }
            for path in entries(&shard)? {
                let name = path.file_name().and_then(|name| name.to_str());
                let Some(digest) = name.and_then(|name| name.parse().ok()) else {
                    continue;
                };
                if let Some(size) = self.size(&digest) {
                    blobs.push((digest, size));
                }
            }
        }
        Ok(blobs)
    }

    /// Removes what writers that died left behind: temporary files not written to for `idle`.
    /// `Duration::ZERO` if nobody else uses the store. Returns how many there were.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn sweep(&self, idle: Duration) -> Result<usize, BlobError> {
        let now = SystemTime::now();
        let mut removed = 0;
        for path in entries(&self.inner.root.join("tmp"))? {
            let written = fs::symlink_metadata(&path).and_then(|data| data.modified());
            let age = written.map(|written| now.duration_since(written).unwrap_or_default());
            if age.is_ok_and(|age| age >= idle) {
                fs::remove_file(&path).map_err(|error| BlobError::io("remove", &path, error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    pub(super) fn name(&self) -> String {
        format!("the store at {}", self.inner.root.display())
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.inner.root.join("tmp")
    }

    /// Where the blob's file is, or would be.
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let shard = name.get(..2).unwrap_or_default();
        self.inner.root.join("blobs").join(shard).join(&name)
    }

    pub(super) fn make_shard(&self, target: &Path) -> Result<(), BlobError> {
        let Some(shard) = target.parent() else {
            return Ok(());
        };
        match fs::create_dir(shard) {
            Ok(()) => sync_parent(shard),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(BlobError::io("create the directory", shard, error)),
        }
    }

    /// Counts bytes before they are written.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), BlobError> {
        let max = self.inner.limits.max_bytes;
        let add = |used: u64| used.checked_add(bytes).filter(|used| *used <= max);
        match self
            .inner
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(BlobError::StoreFull {
                path: self.inner.root.clone(),
                max,
            }),
        }
    }

    pub(super) fn release(&self, bytes: u64) {
        let take = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self
            .inner
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    }

    fn not_found(&self, digest: &Digest) -> BlobError {
        BlobError::NotFound {
            origin: self.name(),
            digest: *digest,
        }
    }

    fn check(&self, expected: &Digest, actual: Digest) -> Result<(), BlobError> {
        if *expected == actual {
            return Ok(());
        }
        Err(BlobError::WrongDigest {
            origin: self.name(),
            expected: *expected,
            actual,
        })
    }
}

/// Makes a new name in a directory survive a power cut.
pub(super) fn sync_parent(path: &Path) -> Result<(), BlobError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| BlobError::io("sync", parent, error))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let failed = |error| BlobError::io("list", folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    Ok(paths)
}
