//! Writing a blob: hash while it is written, keep it only when it is whole.

use std::fs::File;
use std::io::{self, Read, Write};

use piecework_core::digest::Digest;
use tempfile::{NamedTempFile, TempPath};

use super::store::sync_parent;
use super::{BlobError, DirStore};

/// So many blobs are synced one by one; the whole disk at once has other things to write too.
const FEW: usize = 16;

/// A blob being written into a [`DirStore`]. Dropped without [`BlobWriter::commit`], it leaves
/// nothing behind. Through [`std::io::Write`] the same errors come as [`io::Error`] with the
/// [`BlobError`] inside.
#[derive(Debug)]
pub struct BlobWriter {
    store: DirStore,
    file: NamedTempFile,
    hasher: blake3::Hasher,
    max: u64,
    reserved: Reservation,
}

/// Bytes of the store's cap that a blob takes while it is written; given back unless it is kept.
#[derive(Debug)]
struct Reservation {
    store: DirStore,
    bytes: u64,
}

impl Reservation {
    /// The bytes stay in the store.
    fn spend(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.store.release(self.bytes);
    }
}

impl BlobWriter {
    pub(super) fn new(store: DirStore, max: u64) -> Result<Self, BlobError> {
        let folder = store.temporary();
        let file = NamedTempFile::new_in(&folder)
            .map_err(|error| BlobError::io("create a file in", &folder, error))?;
        let reserved = Reservation {
            store: store.clone(),
            bytes: 0,
        };
        Ok(Self {
            store,
            file,
            hasher: blake3::Hasher::new(),
            max,
            reserved,
        })
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.reserved.bytes
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`BlobError::TooLong`] beyond the blob's cap, [`BlobError::StoreFull`] beyond the store's,
    /// [`BlobError::DiskFull`], [`BlobError::Io`]. The writer is of no use then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let length = bytes.len() as u64;
        let size = self
            .size()
            .checked_add(length)
            .filter(|size| *size <= self.max);
        let size = size.ok_or(BlobError::TooLong { max: self.max })?;
        self.store.reserve(length)?;
        self.reserved.bytes = size;
        self.file
            .write_all(bytes)
            .map_err(|error| BlobError::io("write", self.file.path(), error))?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Adds all that the reader gives.
    ///
    /// # Errors
    /// As [`BlobWriter::append`], and [`BlobError::Io`] if the reader fails.
    pub fn append_all(&mut self, reader: &mut dyn Read) -> Result<(), BlobError> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match reader.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| BlobError::io("fill", self.file.path(), error))?,
            };
            match buffer.get(..read) {
                Some(bytes) if !bytes.is_empty() => self.append(bytes)?,
                _ => return Ok(()),
            }
        }
    }

    /// Keeps the blob; returns digest and size.
    ///
    /// # Errors
    /// [`BlobError::DiskFull`] or [`BlobError::Io`]; then it is not kept.
    pub fn commit(self) -> Result<(Digest, u64), BlobError> {
        let digest = self.hasher.finalize().into();
        self.keep(digest)
    }

    /// Keeps the blob if it is the one that `expected` names; returns its size. `origin` is who
    /// gave the bytes, for the error.
    ///
    /// # Errors
    /// [`BlobError::WrongDigest`], and as [`BlobWriter::commit`]; then it is not kept.
    pub fn commit_as(self, expected: &Digest, origin: &str) -> Result<u64, BlobError> {
        let actual: Digest = self.hasher.finalize().into();
        if actual != *expected {
            let origin = origin.to_owned();
            return Err(BlobError::WrongDigest {
                origin,
                expected: *expected,
                actual,
            });
        }
        self.keep(actual).map(|(_, size)| size)
    }

    /// Ends the blob without keeping it: [`DirStore::keep_all`] does that for many at a time.
    pub fn stage(self) -> StagedBlob {
        StagedBlob {
            digest: self.hasher.finalize().into(),
            file: self.file.into_temp_path(),
            reserved: self.reserved,
        }
    }

    fn keep(mut self, digest: Digest) -> Result<(Digest, u64), BlobError> {
        let size = self.size();
        if self.store.contains(&digest) {
            return Ok((digest, size));
        }
        let target = self.store.path_of(&digest);
        let synced = self.file.as_file().sync_all();
        synced.map_err(|error| BlobError::io("sync", self.file.path(), error))?;
        self.store.make_shard(&target)?;
        match self.file.persist_noclobber(&target) {
            Ok(_) => self.reserved.bytes = 0,
            // Somebody else kept the same blob meanwhile: theirs is counted, this one is not.
            Err(raced) if raced.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(failed) => return Err(BlobError::io("rename to", &target, failed.error)),
        }
        sync_parent(&target)?;
        Ok((digest, size))
    }
}

/// A blob that is written, but not kept yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct StagedBlob {
    digest: Digest,
    file: TempPath,
    reserved: Reservation,
}

impl StagedBlob {
    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.reserved.bytes
    }
}

impl DirStore {
    /// Keeps these blobs, which are this store's. A single one costs two syncs of the disk; many
    /// together cost hardly more.
    ///
    /// # Errors
    /// [`BlobError::DiskFull`] or [`BlobError::Io`]; then some may be kept, and all of those are whole.
    pub fn keep_all(&self, blobs: Vec<StagedBlob>) -> Result<(), BlobError> {
        // Bytes first, names afterwards: a power cut must not leave a name of other bytes.
        let each = blobs.len() <= FEW;
        if each {
            for blob in &blobs {
                File::open(&blob.file)
                    .and_then(|file| file.sync_all())
                    .map_err(|error| BlobError::io("sync", &blob.file, error))?;
            }
        } else {
            self.sync_disk()?;
        }
        for StagedBlob {
            digest,
            file,
            reserved,
        } in blobs
        {
            if self.contains(&digest) {
                continue;
            }
            let target = self.path_of(&digest);
            self.make_shard(&target)?;
            match file.persist_noclobber(&target) {
                Ok(()) => reserved.spend(),
                Err(raced) if raced.error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(failed) => return Err(BlobError::io("rename to", &target, failed.error)),
            }
            if each {
                sync_parent(&target)?;
            }
        }
        if each { Ok(()) } else { self.sync_disk() }
    }

    fn sync_disk(&self) -> Result<(), BlobError> {
        File::open(self.root())
            .and_then(|folder| Ok(rustix::fs::syncfs(&folder)?))
            .map_err(|error| BlobError::io("sync", self.root(), error))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
