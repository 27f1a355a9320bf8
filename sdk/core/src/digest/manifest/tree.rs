//! Trees: files and directories by path, size and digest.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::line;
use super::{EntryPath, MAX_ENTRIES, ManifestError};
use crate::digest::Digest;

/// A blob that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobRef {
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

impl BlobRef {
    /// Names the blob of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            digest: Digest::of(bytes),
        }
    }
}

/// One file or directory of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root of the tree.
    pub path: EntryPath,
    /// What stands there.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its content.
        blob: BlobRef,
        /// Whether it may be executed.
        executable: bool,
    },
}

/// Files and directories in canonical order: what a job is given as its input, or what a task put
/// out. Never holds anything that its form forbids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    entries: Vec<Entry>,
}

impl Tree {
    /// Begins a tree.
    pub fn builder() -> TreeBuilder {
        TreeBuilder::default()
    }

    /// The tree that these bytes are the manifest of.
    ///
    /// # Errors
    /// [`ManifestError`] unless they are exactly what [`Tree::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::from_lines(line::lines(bytes)?)
    }

    pub(super) fn from_lines<'a>(
        lines: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<Self, ManifestError> {
        let mut builder = TreeBuilder::default();
        let mut last: Option<EntryPath> = None;
        for (number, text) in lines {
            let entry = entry(number, text)?;
            if last.as_ref().is_some_and(|last| *last > entry.path) {
                return Err(ManifestError::Unsorted {
                    path: entry.path.to_string(),
                });
            }
            last = Some(entry.path.clone());
            builder.insert(entry)?;
        }
        builder.finish()
    }

    /// The manifest: the one text that stands for this tree.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        self.write(&mut text);
        text.into_bytes()
    }

    pub(super) fn write(&self, text: &mut String) {
        for Entry { path, kind } in &self.entries {
            // Writing to a String cannot fail.
            let _ = match kind {
                EntryKind::Directory => writeln!(text, "d {path}"),
                EntryKind::File { blob, executable } => {
                    let letter = if *executable { 'x' } else { 'f' };
                    writeln!(text, "{letter} {} {} {path}", blob.size, blob.digest)
                }
            };
        }
    }

    /// The same tree with other digests.
    pub(super) fn with_digests<E>(
        &self,
        mut digest: impl FnMut(BlobRef) -> Result<Digest, E>,
    ) -> Result<Self, E> {
        let mut tree = self.clone();
        for entry in &mut tree.entries {
            if let EntryKind::File { blob, .. } = &mut entry.kind {
                blob.digest = digest(*blob)?;
            }
        }
        Ok(tree)
    }

    /// BLAKE3 of the manifest: the address of the tree.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// The entries in byte order of their paths; a directory comes before what it holds.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files with path, content, and whether they are executable.
    pub fn files(&self) -> impl Iterator<Item = (&EntryPath, BlobRef, bool)> {
        self.entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::File { blob, executable } => Some((&entry.path, blob, executable)),
            EntryKind::Directory => None,
        })
    }

    /// Bytes in all files together; the sum is known to fit.
    pub fn total_bytes(&self) -> u64 {
        self.files().map(|(_, blob, _)| blob.size).sum()
    }

    /// True if it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Takes entries in any order and makes a [`Tree`] of them.
#[derive(Debug, Clone, Default)]
pub struct TreeBuilder {
    entries: BTreeMap<EntryPath, EntryKind>,
    total: u64,
}

impl TreeBuilder {
    /// Adds a file.
    ///
    /// # Errors
    /// [`ManifestError`] if the path is taken, there are too many entries, or the sizes overflow.
    pub fn file(
        &mut self,
        path: EntryPath,
        blob: BlobRef,
        executable: bool,
    ) -> Result<&mut Self, ManifestError> {
        self.insert(Entry {
            path,
            kind: EntryKind::File { blob, executable },
        })
    }

    /// Adds a directory. Every directory that holds something must be added, in any order.
    ///
    /// # Errors
    /// [`ManifestError`] if the path is taken or there are too many entries.
    pub fn directory(&mut self, path: EntryPath) -> Result<&mut Self, ManifestError> {
        self.insert(Entry {
            path,
            kind: EntryKind::Directory,
        })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`ManifestError`] if the path is taken, there are too many entries, or the sizes overflow.
    pub fn insert(&mut self, entry: Entry) -> Result<&mut Self, ManifestError> {
        if self.entries.contains_key(&entry.path) {
            return Err(ManifestError::Duplicate {
                path: entry.path.to_string(),
            });
        }
        if self.entries.len() == MAX_ENTRIES {
            return Err(ManifestError::TooMany);
        }
        if let EntryKind::File { blob, .. } = entry.kind {
            self.total = self
                .total
                .checked_add(blob.size)
                .ok_or(ManifestError::TooBig)?;
        }
        self.entries.insert(entry.path, entry.kind);
        Ok(self)
    }

    /// Bytes in the files added so far.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// Entries added so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if nothing has been added yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tree.
    ///
    /// # Errors
    /// [`ManifestError::Orphan`] if an entry's directory was not added.
    pub fn finish(self) -> Result<Tree, ManifestError> {
        let directories: HashSet<&str> = self
            .entries
            .iter()
            .filter(|(_, kind)| **kind == EntryKind::Directory)
            .map(|(path, _)| path.as_str())
            .collect();
        for path in self.entries.keys() {
            if path
                .parent()
                .is_some_and(|parent| !directories.contains(parent))
            {
                return Err(ManifestError::Orphan {
                    path: path.to_string(),
                });
            }
        }
        let entries = self
            .entries
            .into_iter()
            .map(|(path, kind)| Entry { path, kind })
            .collect();
        Ok(Tree { entries })
    }
}

fn entry(number: usize, text: &str) -> Result<Entry, ManifestError> {
    let bad = || ManifestError::Line {
        line: number,
        expected: "`d <path>`, `f <size> <blake3> <path>` or `x <size> <blake3> <path>`",
    };
    let (letter, rest) = text.split_once(' ').ok_or_else(bad)?;
    if letter == "d" {
        return Ok(Entry {
            path: EntryPath::new(rest)?,
            kind: EntryKind::Directory,
        });
    }
    let mut fields = rest.splitn(3, ' ');
    let (Some(size), Some(digest), Some(path)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(bad());
    };
    let executable = match letter {
        "f" => false,
        "x" => true,
        _ => return Err(bad()),
    };
    let blob = line::blob(size, digest).ok_or_else(bad)?;
    Ok(Entry {
        path: EntryPath::new(path)?,
        kind: EntryKind::File { blob, executable },
    })
}
