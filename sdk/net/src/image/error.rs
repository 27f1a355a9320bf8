//! What can be wrong with an image.

use std::io;

use piecework_core::digest::OciDigest;
use piecework_core::digest::manifest::ManifestError;

use crate::blobs::BlobError;

/// An image that cannot be exported, built or accepted.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Reading or writing failed.
    #[error("cannot {action} the image archive: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Not a tar, or one with forms that tools read differently.
    #[error("the image archive is not a plain tar: {problem}")]
    Tar {
        /// What is wrong.
        problem: String,
    },
    /// Something is bigger or more than it may be.
    #[error("the image has too many {what}: at most {max} are accepted")]
    TooMany {
        /// Of what there is too much.
        what: &'static str,
        /// The most that is accepted.
        max: u64,
    },
    /// A link, device or directory where only files may be.
    #[error("the image archive holds {name:?}, which is not a regular file")]
    NotAFile {
        /// The entry.
        name: String,
    },
    /// An entry that an image archive does not have.
    #[error("the image archive holds {name:?}, which does not belong to the image")]
    Unknown {
        /// The entry.
        name: String,
    },
    /// The same entry twice.
    #[error("the image archive holds {name:?} twice")]
    Duplicate {
        /// The entry.
        name: String,
    },
    /// An entry that is not there.
    #[error("the image archive lacks {name:?}")]
    Missing {
        /// The entry.
        name: String,
    },
    /// A document that is not what it should be.
    #[error("{document} of the image is refused: {problem}")]
    Document {
        /// Which document.
        document: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The archive is of another image than the one that is pinned.
    #[error("the archive holds the image {found}, but {pin} is pinned")]
    Pin {
        /// The pinned manifest.
        pin: OciDigest,
        /// The manifest in the archive.
        found: OciDigest,
    },
    /// Bytes that are not those that a digest names.
    #[error("{what} of the image should be {expected}, but it is {actual}")]
    Digest {
        /// Which part.
        what: &'static str,
        /// What is promised.
        expected: OciDigest,
        /// What is there.
        actual: OciDigest,
    },
    /// A part has not the size that its descriptor says.
    #[error("{name:?} should have {expected} bytes, but it has {actual}")]
    Size {
        /// The entry.
        name: String,
        /// What is promised.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The archive's two tables of contents are not of the same image.
    #[error("manifest.json and the manifest of the image disagree: {problem}")]
    Disagreement {
        /// About what.
        problem: &'static str,
    },
    /// The archive would give a name to the image in the engine that loads it.
    #[error("the archive names the image {name:?}: an archive must not name anything")]
    Named {
        /// The name.
        name: String,
    },
    /// A layer with something that must not be unpacked, or cannot be.
    #[error("layer {layer} of the image is refused: {problem}")]
    Layer {
        /// Which layer, from 0.
        layer: usize,
        /// What is wrong.
        problem: String,
    },
    /// The platform is not one that a spec can name.
    #[error("the image is for {platform}, which no provider runs")]
    Platform {
        /// The platform.
        platform: String,
    },
    /// The engine does not have the image.
    #[error("the container engine has no image {reference:?}: build or pull it first")]
    NotFound {
        /// The image that was asked for.
        reference: String,
    },
    /// Not the name or id of an image.
    #[error("{reference:?} is not the name or id of an image")]
    Reference {
        /// What was given.
        reference: String,
    },
    /// The engine failed.
    #[error("the container engine could not export the image: {0}")]
    Engine(String),
    /// The engine's archive holds several images.
    #[error(
        "the engine exported {images} images for {reference:?}: name one that has one platform"
    )]
    Several {
        /// The image that was asked for.
        reference: String,
        /// How many came.
        images: usize,
    },
    /// The archive could not be kept.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A path that no file in an image may have.
    #[error(transparent)]
    Path(#[from] ManifestError),
}

impl ImageError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "image-io",
            Self::Tar { .. } => "image-tar",
            Self::TooMany { .. } => "image-too-many",
            Self::NotAFile { .. } => "image-not-a-file",
            Self::Unknown { .. } => "image-unknown",
            Self::Duplicate { .. } => "image-duplicate",
            Self::Missing { .. } => "image-missing",
            Self::Document { .. } => "image-document",
            Self::Pin { .. } => "image-pin",
            Self::Digest { .. } => "image-digest",
            Self::Size { .. } => "image-size",
            Self::Disagreement { .. } => "image-disagreement",
            Self::Named { .. } => "image-named",
            Self::Layer { .. } => "image-layer",
            Self::Platform { .. } => "image-platform",
            Self::NotFound { .. } => "image-not-found",
            Self::Reference { .. } => "image-reference",
            Self::Engine(_) => "image-engine",
            Self::Several { .. } => "image-several",
            Self::Blob(error) => error.code(),
            Self::Path(error) => error.code(),
        }
    }

    pub(super) fn reading(source: io::Error) -> Self {
        Self::Io {
            action: "read",
            source,
        }
    }

    pub(super) fn writing(source: io::Error) -> Self {
        // A store's own error comes through `Write` inside an `io::Error`.
        match source.downcast::<BlobError>() {
            Ok(error) => Self::Blob(error),
            Err(source) => Self::Io {
                action: "write",
                source,
            },
        }
    }
}
