//! Manifests: the text whose BLAKE3 identifies what a task put out, or what a job is given.
//!
//! A [`Tree`] has one line for each entry, in raw byte order of the paths, each ended by `\n`:
//!
//! ```text
//! d <path>
//! f <size> <blake3> <path>
//! x <size> <blake3> <path>        (executable)
//! ```
//!
//! A [`ResultManifest`] begins with the outcome, and only after `exit` follow the captured standard
//! output and a tree:
//!
//! ```text
//! exit <code>  |  timeout  |  memory  |  output <fault>
//! stdout <size> <blake3>
//! ```
//!
//! There is one form for each content: no times, no owners, no links. Parsers accept that form and
//! no other, so equal contents have equal bytes, and equal bytes equal digests.

mod line;
mod outcome;
mod path;
mod tree;

pub use outcome::{Outcome, OutputFault, ResultManifest};
pub use path::{EntryPath, PathFault};
pub use tree::{BlobRef, Entry, EntryKind, Tree, TreeBuilder};

/// Most entries (files and directories) in a tree.
pub const MAX_ENTRIES: usize = 10_000;
/// Most bytes in the path of an entry.
pub const MAX_PATH_BYTES: usize = 512;
/// Most components in the path of an entry.
pub const MAX_DEPTH: usize = 32;
/// Most bytes in a manifest: every entry with the longest path and size, and the lines before them.
pub const MAX_MANIFEST_BYTES: usize = MAX_ENTRIES * (MAX_PATH_BYTES + 96) + 256;

/// A manifest that breaks the rules of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// More than [`MAX_MANIFEST_BYTES`].
    #[error("a manifest has at most {MAX_MANIFEST_BYTES} bytes, this one has {length}")]
    TooLong {
        /// Bytes that were given.
        length: usize,
    },
    /// Not UTF-8, or the last line is not ended.
    #[error("a manifest is UTF-8 text whose every line, the last included, ends with a line feed")]
    NotText,
    /// A line that has none of the forms that may stand at its place.
    #[error("line {line} of the manifest is not {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What may stand there.
        expected: &'static str,
    },
    /// A path that no entry may have.
    #[error("the path {path:?} is refused: {fault}")]
    Path {
        /// The path, shortened if it is very long.
        path: String,
        /// Why.
        fault: PathFault,
    },
    /// Two entries with the same path.
    #[error("the path {path:?} stands twice in the manifest")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// Entries that are not in raw byte order of their paths.
    #[error("the path {path:?} is not in its place: entries are in byte order of their paths")]
    Unsorted {
        /// The path that comes too late.
        path: String,
    },
    /// An entry whose parent is not an entry, or is a file.
    #[error("the directory that holds {path:?} is not in the manifest")]
    Orphan {
        /// The path of the entry without a parent.
        path: String,
    },
    /// More than [`MAX_ENTRIES`].
    #[error("a tree has at most {MAX_ENTRIES} files and directories")]
    TooMany,
    /// Sizes whose sum does not fit 64 bits.
    #[error("the sizes in the manifest add up to more than 64 bits hold")]
    TooBig,
}

impl ManifestError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "manifest-too-long",
            Self::NotText => "manifest-not-text",
            Self::Line { .. } => "manifest-line",
            Self::Path { .. } => "manifest-path",
            Self::Duplicate { .. } => "manifest-duplicate",
            Self::Unsorted { .. } => "manifest-unsorted",
            Self::Orphan { .. } => "manifest-orphan",
            Self::TooMany => "manifest-too-many",
            Self::TooBig => "manifest-too-big",
        }
    }

    /// The class of outcome that a task gets whose outputs break this rule, if its outputs can.
    pub fn output_fault(&self) -> Option<OutputFault> {
        match self {
            Self::Path {
                fault: PathFault::TooDeep,
                ..
            } => Some(OutputFault::Depth),
            Self::Path { .. } | Self::Orphan { .. } => Some(OutputFault::Path),
            Self::Duplicate { .. } => Some(OutputFault::Duplicate),
            Self::TooMany => Some(OutputFault::Entries),
            Self::TooBig => Some(OutputFault::Size),
            Self::TooLong { .. } | Self::NotText | Self::Line { .. } | Self::Unsorted { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
