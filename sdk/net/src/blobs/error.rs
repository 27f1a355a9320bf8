//! What can go wrong with a blob.

use std::io;
use std::path::{Path, PathBuf};

use piecework_core::digest::manifest::ManifestError;
use piecework_core::digest::{Digest, DigestError};

/// A blob that cannot be read, kept or fetched.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has no room left.
    #[error("the disk that holds {path} is full: free some room and try again")]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The store holds as much as it may.
    #[error("the blob store at {path} holds as much as it may ({max} bytes)")]
    StoreFull {
        /// The store.
        path: PathBuf,
        /// Its cap in bytes.
        max: u64,
    },
    /// The blob has more bytes than it may.
    #[error("the blob has more than the {max} bytes that it may have")]
    TooLong {
        /// The most it may have.
        max: u64,
    },
    /// The blob has not the size that a manifest says.
    #[error("blob {digest} has {actual} bytes, but {expected} were expected")]
    WrongSize {
        /// The blob.
        digest: Digest,
        /// The size that was expected.
        expected: u64,
        /// The size it has.
        actual: u64,
    },
    /// The bytes are not those that the digest names.
    #[error("{origin} gave other bytes for blob {expected}: their digest is {actual}")]
    WrongDigest {
        /// Who gave them.
        origin: String,
        /// The blob that was asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// The source or store does not have the blob.
    #[error("{origin} does not have blob {digest}")]
    NotFound {
        /// Who was asked.
        origin: String,
        /// The blob.
        digest: Digest,
    },
    /// No source had the blob; the last one's error.
    #[error("blob {digest} could not be had from any of {sources} sources; the last said: {last}")]
    NoSource {
        /// The blob.
        digest: Digest,
        /// Sources that were asked.
        sources: usize,
        /// What the last one said, or that there was none.
        last: String,
    },
    /// The source cannot be reached, or broke off. Worth another attempt.
    #[error("cannot read from {origin}: {problem}")]
    Unreachable {
        /// Who was asked.
        origin: String,
        /// What happened.
        problem: String,
    },
    /// The source answers with something that is not a blob.
    #[error("{origin} answered {status} instead of a blob")]
    Refused {
        /// Who was asked.
        origin: String,
        /// The HTTP status.
        status: u16,
    },
    /// The URL or address is one that must not be asked.
    #[error("{origin} is refused as a source of blobs: {problem}")]
    Forbidden {
        /// The source.
        origin: String,
        /// Why.
        problem: &'static str,
    },
    /// A directory holds something that a tree cannot.
    #[error("{path} cannot be published: {problem}")]
    Unpublishable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: &'static str,
    },
    /// The directory to unpack into exists and is not empty.
    #[error("{path} exists already and is not an empty directory: name another one")]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// A manifest that breaks its form.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A digest that breaks its form.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// A background thread died.
    #[error("a background task of the blob store died: {0}")]
    Background(String),
}

impl BlobError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "blob-io",
            Self::DiskFull { .. } => "blob-disk-full",
            Self::StoreFull { .. } => "blob-store-full",
            Self::TooLong { .. } => "blob-too-long",
            Self::WrongSize { .. } => "blob-wrong-size",
            Self::WrongDigest { .. } => "blob-wrong-digest",
            Self::NotFound { .. } => "blob-not-found",
            Self::NoSource { .. } => "blob-no-source",
            Self::Unreachable { .. } => "blob-unreachable",
            Self::Refused { .. } => "blob-refused",
            Self::Forbidden { .. } => "blob-forbidden",
            Self::Unpublishable { .. } => "blob-unpublishable",
            Self::Occupied { .. } => "blob-occupied",
            Self::Manifest(error) => error.code(),
            Self::Digest(error) => error.code(),
            Self::Background(_) => "blob-background",
        }
    }

    /// True if the same attempt may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.into() }
            }
            _ => Self::Io {
                action,
                path: path.into(),
                source,
            },
        }
    }
}
