//! Outcomes of a task, and the result manifest that says one.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::B256;

use super::{BlobRef, ManifestError, Tree, line};
use crate::digest::Digest;

/// How a task ended. Every outcome is a result: it is digested, submitted and paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The command ended by itself with this code, 0 for success.
    Exit(u8),
    /// It ran longer than the spec's `timeout_seconds`.
    Timeout,
    /// It used more than the spec's `memory_bytes`.
    Memory,
    /// It put out what is not accepted.
    Output(OutputFault),
}

impl Outcome {
    /// True for exit code 0.
    pub fn is_success(self) -> bool {
        self == Self::Exit(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Memory => f.write_str("memory"),
            Self::Output(fault) => write!(f, "output {fault}"),
        }
    }
}

/// What was wrong with a task's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFault {
    /// A symbolic or hard link.
    Link,
    /// A device, fifo or socket.
    Special,
    /// A path that no entry may have.
    Path,
    /// The same path twice.
    Duplicate,
    /// A path too deep.
    Depth,
    /// Too many files and directories.
    Entries,
    /// More bytes than the spec's `disk_bytes`.
    Size,
    /// A set-user-id, set-group-id or sticky file.
    Setuid,
    /// More on standard output than is kept.
    Stdout,
}

impl OutputFault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Link,
        Self::Special,
        Self::Path,
        Self::Duplicate,
        Self::Depth,
        Self::Entries,
        Self::Size,
        Self::Setuid,
        Self::Stdout,
    ];

    /// The word that stands for it in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Special => "special",
            Self::Path => "path",
            Self::Duplicate => "duplicate",
            Self::Depth => "depth",
            Self::Entries => "entries",
            Self::Size => "size",
            Self::Setuid => "setuid",
            Self::Stdout => "stdout",
        }
    }
}

impl fmt::Display for OutputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The result of one task. Its BLAKE3 is the task's output digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultManifest {
    outcome: Outcome,
    stdout: Option<BlobRef>,
    tree: Tree,
}

impl ResultManifest {
    /// The result of a task that ended by itself.
    pub fn exited(code: u8, stdout: BlobRef, tree: Tree) -> Self {
        Self {
            outcome: Outcome::Exit(code),
            stdout: Some(stdout),
            tree,
        }
    }

    /// The result of a task that was stopped by the spec's `timeout_seconds`.
    pub fn timeout() -> Self {
        Self::without_bytes(Outcome::Timeout)
    }

    /// The result of a task that was killed for the spec's `memory_bytes`.
    pub fn memory() -> Self {
        Self::without_bytes(Outcome::Memory)
    }

    /// The result of a task whose outputs are refused.
    pub fn output(fault: OutputFault) -> Self {
        Self::without_bytes(Outcome::Output(fault))
    }

    fn without_bytes(outcome: Outcome) -> Self {
        Self {
            outcome,
            stdout: None,
            tree: Tree::default(),
        }
    }

    /// The result that these bytes are the manifest of.
    ///
    /// # Errors
    /// [`ManifestError`] unless they are exactly what [`ResultManifest::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut lines = line::lines(bytes)?;
        let first = lines.next().map(|(_, text)| text).unwrap_or_default();
        let outcome = Outcome::from_str(first)?;
        if !matches!(outcome, Outcome::Exit(_)) {
            return match lines.next() {
                None => Ok(Self::without_bytes(outcome)),
                Some((line, _)) => Err(ManifestError::Line {
                    line,
                    expected: "the end: only after `exit` more lines follow",
                }),
            };
        }
        let stdout = lines.next().and_then(|(_, text)| stdout(text));
        let bad = ManifestError::Line {
            line: 2,
            expected: "`stdout <size> <blake3>`",
        };
        Ok(Self {
            outcome,
            stdout: Some(stdout.ok_or(bad)?),
            tree: Tree::from_lines(lines)?,
        })
    }

    /// The manifest: the one text that stands for this result.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.outcome);
        if let Some(blob) = self.stdout {
            text.push_str(&format!("stdout {} {}\n", blob.size, blob.digest));
        }
        self.tree.write(&mut text);
        text.into_bytes()
    }

    /// The output digest: BLAKE3 of the manifest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// The keyed digest, which a juror votes beside the output digest: the manifest with the digests of its blobs keyed,
    /// itself hashed under the same key. So whoever has only the manifest, and not the bytes of every blob, cannot make it.
    /// `keyed` gives the keyed digest of a blob ([`Digest::keyed_of`]).
    ///
    /// # Errors
    /// What `keyed` fails with.
    pub fn keyed_digest<E>(
        &self,
        key: B256,
        mut keyed: impl FnMut(BlobRef) -> Result<Digest, E>,
    ) -> Result<Digest, E> {
        let stdout = match self.stdout {
            Some(blob) => Some(BlobRef {
                digest: keyed(blob)?,
                ..blob
            }),
            None => None,
        };
        let keyed = Self {
            outcome: self.outcome,
            stdout,
            tree: self.tree.with_digests(keyed)?,
        };
        Ok(Digest::keyed(key, &keyed.to_bytes()))
    }

    /// How the task ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Its standard output, if it ended by itself.
    pub fn stdout(&self) -> Option<BlobRef> {
        self.stdout
    }

    /// Its files; none unless it ended by itself.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Every blob that the manifest names: standard output, then the files. Digests may repeat.
    pub fn blobs(&self) -> impl Iterator<Item = BlobRef> {
        self.stdout
            .into_iter()
            .chain(self.tree.files().map(|(_, blob, _)| blob))
    }
}

impl FromStr for Outcome {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let outcome = match text.split_once(' ') {
            None if text == "timeout" => Some(Self::Timeout),
            None if text == "memory" => Some(Self::Memory),
            Some(("exit", code)) => line::number(code)
                .and_then(|code| u8::try_from(code).ok())
                .map(Self::Exit),
            Some(("output", fault)) => OutputFault::ALL
                .into_iter()
                .find(|known| known.as_str() == fault)
                .map(Self::Output),
            _ => None,
        };
        outcome.ok_or(ManifestError::Line {
            line: 1,
            expected: "an outcome: `exit <code>`, `timeout`, `memory` or `output <fault>`",
        })
    }
}

fn stdout(text: &str) -> Option<BlobRef> {
    let (size, digest) = text.strip_prefix("stdout ")?.split_once(' ')?;
    line::blob(size, digest)
}
