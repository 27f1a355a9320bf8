//! Takes a task's outputs from the engine's tar stream, trusting nothing in it.
//!
//! Nothing is unpacked: the content of each file goes, hashed, into the blob store, and the names
//! into a tree. Only directories and regular files pass; anything else is an outcome of a class,
//! the same on every machine whatever the order of the stream. Sockets never show: engines leave
//! them out of the stream.

use std::io::{self, Read};

use piecework_core::digest::manifest::{
    BlobRef, EntryPath, ManifestError, OutputFault, Tree, TreeBuilder,
};
use piecework_net::blobs::{BlobError, BlobWriter, DirStore, StagedBlob};
use tar::{EntryType, Header, PaxExtensions};

use super::{engine::EngineError, profile::INODES};

const BLOCK: usize = 512;
/// Most bytes of extended headers before one entry; the longest path of Linux fits.
const MAX_PAX: u64 = 16 << 10;
/// Bytes of the stream that one entry may take beside its content.
const ENTRY_OVERHEAD: u64 = 8 << 10;

/// What became of the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// They are in the store, and this is their tree.
    Tree(Tree),
    /// They are refused; the store holds nothing of them.
    Refused(OutputFault),
}

/// Why outputs could not be collected. None of these is the job's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The engine sends something that is not the tar stream of a directory.
    #[error("the engine's stream of outputs is malformed: {0}")]
    Malformed(&'static str),
    /// The stream broke.
    #[error("the engine's stream of outputs broke: {0}")]
    Broken(#[source] io::Error),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The blob store failed.
    #[error(transparent)]
    Store(#[from] BlobError),
}

impl CollectError {
    /// A stable code for logs, metrics and tests.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "outputs-malformed",
            Self::Broken(_) => "outputs-broken",
            Self::Engine(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn read(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Malformed("it ends too early");
        }
        match error.downcast::<EngineError>() {
            Ok(error) => Self::Engine(error),
            Err(error) => Self::Broken(error),
        }
    }
}

/// Reads the tar stream of a directory with at most `max_bytes` in its files. Blocks.
///
/// # Errors
/// [`CollectError`], never for what a task can bring about.
pub fn collect(
    stream: impl Read,
    store: &DirStore,
    max_bytes: u64,
) -> Result<Collected, CollectError> {
    let limit = max_bytes.saturating_add(INODES.saturating_mul(ENTRY_OVERHEAD));
    let mut collector = Collector {
        stream: stream.take(limit),
        store,
        max_bytes,
        total: 0,
        tree: TreeBuilder::default(),
        staged: Vec::new(),
        fault: None,
    };
    match collector.run() {
        // More than all allowed entries can take: whatever it is, it is too much.
        Err(_) if collector.stream.limit() == 0 => Ok(Collected::Refused(OutputFault::Size)),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::TooBig) => Ok(Collected::Refused(OutputFault::Size)),
        Ok(()) => collector.finish(),
    }
}

enum Stop {
    Error(CollectError),
    TooBig,
}

impl<E: Into<CollectError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

fn malformed(problem: &'static str) -> Stop {
    Stop::Error(CollectError::Malformed(problem))
}

struct Collector<'a, R> {
    stream: io::Take<R>,
    store: &'a DirStore,
    max_bytes: u64,
    total: u64,
    tree: TreeBuilder,
    /// Files of the tree, kept all together when it is whole.
    staged: Vec<StagedBlob>,
    fault: Option<OutputFault>,
}

/// What an extended header says of the entry that follows.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    privileged: bool,
}

impl<R: Read> Collector<'_, R> {
    fn run(&mut self) -> Result<(), Stop> {
        let Some((header, extended)) = self.next()? else {
            return Err(malformed("it is empty"));
        };
        // The first entry is the directory itself: its name is the prefix of all others.
        let root = name(&header, &extended);
        if header.entry_type() != EntryType::Directory || !root.ends_with(b"/") {
            return Err(malformed("it does not begin with a directory"));
        }
        while let Some((header, extended)) = self.next()? {
            let name = name(&header, &extended);
            let Some(path) = name.strip_prefix(root.as_slice()) else {
                return Err(malformed("an entry lies outside the directory"));
            };
            self.entry(&header, &extended, path)?;
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, extended: &Extended, path: &[u8]) -> Result<(), Stop> {
        let size = self.size(header, extended)?;
        let kind = header.entry_type();
        match kind {
            EntryType::Regular => {
                self.total = self.total.saturating_add(size);
                if self.total > self.max_bytes {
                    return Err(Stop::TooBig);
                }
                let mode = header
                    .mode()
                    .map_err(|_| malformed("a mode is not a number"))?;
                if mode & 0o7000 != 0 || extended.privileged {
                    self.refuse(OutputFault::Setuid);
                }
                self.file(path, size, mode & 0o111 != 0)
            }
            _ if size != 0 => Err(malformed("an entry that is no file has content")),
            EntryType::Directory => {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                let inserted = EntryPath::from_bytes(path)
                    .and_then(|path| self.tree.directory(path).map(|_| ()));
                self.note(inserted)
            }
            EntryType::Link | EntryType::Symlink => {
                self.refuse(OutputFault::Link);
                Ok(())
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.refuse(OutputFault::Special);
                Ok(())
            }
            _ => Err(malformed("an entry of a kind that engines do not write")),
        }
    }

    fn file(&mut self, path: &[u8], size: u64, executable: bool) -> Result<(), Stop> {
        let path = match EntryPath::from_bytes(path) {
            Ok(path) => Some(path),
            Err(error) => {
                self.note(Err(error))?;
                None
            }
        };
        // Once refused, nothing more is kept: the rest is only read to find the worst fault.
        let Some(path) = path.filter(|_| self.fault.is_none()) else {
            return self.skip(size);
        };
        let mut writer = self.store.writer(size)?;
        self.copy(size, Some(&mut writer))?;
        let staged = writer.stage();
        let (digest, size) = (staged.digest(), staged.size());
        let blob = BlobRef { size, digest };
        let inserted = self.tree.file(path, blob, executable).map(|_| ());
        self.staged.push(staged);
        self.note(inserted)
    }

    fn skip(&mut self, size: u64) -> Result<(), Stop> {
        self.copy(size, None)
    }

    /// Reads `size` bytes and the padding after them.
    fn copy(&mut self, size: u64, mut writer: Option<&mut BlobWriter>) -> Result<(), Stop> {
        let mut buffer = [0; 16 << 10];
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let chunk = buffer.get_mut(..want).unwrap_or_default();
            self.stream.read_exact(chunk).map_err(CollectError::read)?;
            if let Some(writer) = &mut writer {
                writer.append(chunk)?;
            }
            left -= want as u64;
        }
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let mut block = [0; BLOCK];
        let padding = block.get_mut(..padding as usize).unwrap_or_default();
        self.stream
            .read_exact(padding)
            .map_err(CollectError::read)?;
        Ok(())
    }

    /// The next entry's header, with what an extended header before it said; `None` at the end.
    fn next(&mut self) -> Result<Option<(Header, Extended)>, Stop> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        if header.entry_type() != EntryType::XHeader {
            return Ok(Some((header, Extended::default())));
        }
        let size = number(header.entry_size())?;
        if size > MAX_PAX {
            return Err(malformed("an extended header is too long"));
        }
        let mut records = vec![0; size.next_multiple_of(BLOCK as u64) as usize];
        self.stream
            .read_exact(&mut records)
            .map_err(CollectError::read)?;
        records.truncate(size as usize);
        let extended = extended(&records)?;
        match self.header()? {
            Some(header) if header.entry_type() != EntryType::XHeader => {
                Ok(Some((header, extended)))
            }
            _ => Err(malformed("an extended header without its entry")),
        }
    }

    /// The next header block; `None` for the zero block that ends the archive.
    fn header(&mut self) -> Result<Option<Header>, Stop> {
        let mut header = Header::new_old();
        self.stream
            .read_exact(header.as_mut_bytes())
            .map_err(CollectError::read)?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The sum of all bytes, those of the checksum itself counted as spaces.
        let sum: u32 = bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u32::from(*byte)
                }
            })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(malformed("the checksum of a header is wrong"));
        }
        if header.as_ustar().is_none() {
            return Err(malformed("a header is not of the POSIX form"));
        }
        Ok(Some(header))
    }

    fn size(&self, header: &Header, extended: &Extended) -> Result<u64, Stop> {
        match extended.size {
            Some(size) => Ok(size),
            None => number(header.entry_size()),
        }
    }

    /// Notes the fault that an entry has; an error if no task can bring it about.
    fn note(&mut self, result: Result<(), ManifestError>) -> Result<(), Stop> {
        if let Err(error) = result {
            match error.output_fault() {
                Some(fault) => self.refuse(fault),
                None => return Err(malformed("an entry has no place in a tree")),
            }
        }
        Ok(())
    }

    /// Of several faults the worst counts, so that the order of the stream does not.
    fn refuse(&mut self, fault: OutputFault) {
        let rank = |fault: OutputFault| match fault {
            OutputFault::Entries => 0,
            other => {
                1 + OutputFault::ALL
                    .iter()
                    .take_while(|known| **known != other)
                    .count()
            }
        };
        self.fault = match self.fault {
            Some(old) if rank(old) <= rank(fault) => Some(old),
            _ => Some(fault),
        };
    }

    fn finish(self) -> Result<Collected, CollectError> {
        if let Some(fault) = self.fault {
            return Ok(Collected::Refused(fault));
        }
        match self.tree.finish() {
            Ok(tree) => {
                self.store.keep_all(self.staged)?;
                Ok(Collected::Tree(tree))
            }
            Err(_) => Err(CollectError::Malformed("an entry without its directory")),
        }
    }
}

fn number(field: io::Result<u64>) -> Result<u64, Stop> {
    field.map_err(|_| malformed("a size is not a number"))
}

fn name(header: &Header, extended: &Extended) -> Vec<u8> {
    match &extended.path {
        Some(path) => path.clone(),
        None => header.path_bytes().into_owned(),
    }
}

fn extended(records: &[u8]) -> Result<Extended, Stop> {
    let mut extended = Extended::default();
    let bad = || malformed("an extended header cannot be read");
    for record in PaxExtensions::new(records) {
        let record = record.map_err(|_| bad())?;
        match record.key_bytes() {
            b"path" => extended.path = Some(record.value_bytes().to_vec()),
            b"size" => {
                let size = record.value().ok().and_then(|size| size.parse().ok());
                extended.size = Some(size.ok_or_else(bad)?);
            }
            b"SCHILY.xattr.security.capability" => extended.privileged = true,
            b"linkpath" | b"mtime" | b"atime" | b"ctime" | b"uid" | b"gid" | b"uname"
            | b"gname" => {}
            key if key.starts_with(b"SCHILY.xattr.") => {}
            _ => return Err(malformed("an extended header says what engines do not say")),
        }
    }
    Ok(extended)
}
