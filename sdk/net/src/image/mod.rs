//! Container images: pinned, archived, and checked before an engine sees them.
//!
//! A spec pins an image by the SHA-256 of its manifest for one platform. It travels as a blob, the
//! **hybrid archive**: a tar that both an engine which reads `docker save` archives and one which
//! reads OCI layouts can load, and that names nothing:
//!
//! ```text
//! oci-layout  index.json  manifest.json  blobs/sha256/{manifest, config, layers…}
//! ```
//!
//! [`export`] makes one of an image in a local engine, [`ImageBuilder`] one of some files, both to
//! the same bytes for the same image; [`verify`] reads a stranger's.

mod build;
mod config;
mod error;
mod export;
mod layer;
mod oci;
mod verify;
mod write;

pub use build::ImageBuilder;
pub use error::ImageError;
pub use export::export;
pub use verify::{VerifiedImage, verify};
pub use write::PublishedImage;

/// What an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Most bytes in the archive.
    pub archive_bytes: u64,
    /// Most bytes in all layers together, decompressed.
    pub unpacked_bytes: u64,
    /// Most layers.
    pub layers: usize,
    /// Most files, directories and links in all layers together.
    pub entries: u64,
}

impl Default for ImageLimits {
    /// 8 GiB of archive, 16 GiB unpacked, 127 layers, a million entries.
    fn default() -> Self {
        Self {
            archive_bytes: 8 << 30,
            unpacked_bytes: 16 << 30,
            layers: 127,
            entries: 1_000_000,
        }
    }
}

/// Most bytes in one of the JSON documents of an image.
pub const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests;
