//! Trees on disk: publishing a local directory, unpacking a tree into one.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use piecework_core::digest::Digest;
use piecework_core::digest::manifest::{BlobRef, EntryKind, EntryPath, Tree, TreeBuilder};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};

use super::{BlobError, DirStore};

/// A tree whose manifest and files are all in a store.
#[derive(Debug, Clone)]
pub struct PublishedTree {
    /// Its digest: what a spec's `input` names.
    pub digest: Digest,
    /// What is in it.
    pub tree: Tree,
}

/// Puts a directory into the store as a tree: its files and its manifest. Blocks on the disk.
///
/// Nothing is followed: a symbolic link, device, fifo or socket inside is an error, and so is a
/// name that a tree cannot have. Owners, times, and modes but for "may be executed by its owner"
/// are left behind.
///
/// # Errors
/// [`BlobError::Unpublishable`] with the file, [`BlobError::Manifest`], or an error of the disk or
/// the store. Blobs put into the store before the error stay there.
pub fn publish_directory(directory: &Path, store: &DirStore) -> Result<PublishedTree, BlobError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(directory, flags, Mode::empty())
        .map_err(|error| BlobError::io("open the directory", directory, error.into()))?;
    let mut walk = Walk {
        root: directory,
        store,
        builder: Tree::builder(),
    };
    walk.directory(&root, "")?;
    let tree = walk.builder.finish()?;
    let digest = store.put_bytes(&tree.to_bytes())?;
    Ok(PublishedTree { digest, tree })
}

struct Walk<'a> {
    root: &'a Path,
    store: &'a DirStore,
    builder: TreeBuilder,
}

impl Walk<'_> {
    /// Depth is bounded by [`EntryPath`], and with it the recursion.
    fn directory(&mut self, folder: &OwnedFd, prefix: &str) -> Result<(), BlobError> {
        let place = self.root.join(prefix);
        let failed = |error: rustix::io::Errno| BlobError::io("list", &place, error.into());
        for entry in Dir::read_from(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let mut path = prefix.as_bytes().to_vec();
            if !prefix.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.entry(folder, name, EntryPath::from_bytes(&path)?)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &std::ffi::CStr,
        path: EntryPath,
    ) -> Result<(), BlobError> {
        let place = self.root.join(path.as_str());
        let failed = |action| {
            let place = place.clone();
            move |error: rustix::io::Errno| BlobError::io(action, &place, error.into())
        };
        // Looked at before it is opened (to open a device may do something), and again after (it
        // may have been replaced meanwhile).
        let before = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("look at"))?;
        let kind = FileType::from_raw_mode(before.st_mode);
        let wanted = match kind {
            FileType::RegularFile => OFlags::NONBLOCK,
            FileType::Directory => OFlags::DIRECTORY,
            FileType::Symlink => return Err(unpublishable(place, "it is a symbolic link")),
            _ => return Err(unpublishable(place, "it is neither a file nor a directory")),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | wanted;
        let opened = openat(folder.as_fd(), name, flags, Mode::empty()).map_err(failed("open"))?;
        let status = fstat(&opened).map_err(failed("look at"))?;
        if FileType::from_raw_mode(status.st_mode) != kind {
            return Err(unpublishable(place, "it changed while it was read"));
        }
        if kind == FileType::Directory {
            let prefix = path.to_string();
            self.builder.directory(path)?;
            return self.directory(&opened, &prefix);
        }
        let executable = Mode::from_raw_mode(status.st_mode).contains(Mode::XUSR);
        let (digest, size) = self.store.put_reader(&mut File::from(opened), u64::MAX)?;
        self.builder
            .file(path, BlobRef { size, digest }, executable)?;
        Ok(())
    }
}

fn unpublishable(path: PathBuf, problem: &'static str) -> BlobError {
    BlobError::Unpublishable { path, problem }
}

/// Unpacks a tree into the directory `target`, which must not exist or be empty. Blocks on the disk.
///
/// Files get mode 0644 or 0755, directories 0755, and all the modification time 0. Everything is
/// written into a fresh directory beside `target`, each blob checked on the way, and renamed when it
/// is whole: on an error nothing is left.
///
/// # Errors
/// [`BlobError::Occupied`], [`BlobError::NotFound`] for a blob that is not in the store,
/// [`BlobError::WrongSize`], [`BlobError::WrongDigest`], or an error of the disk.
pub fn materialize(tree: &Tree, store: &DirStore, target: &Path) -> Result<(), BlobError> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !is_vacant(target)? {
        return Err(BlobError::Occupied {
            path: target.into(),
        });
    }
    fs::create_dir_all(parent)
        .map_err(|error| BlobError::io("create the directory", parent, error))?;
    let fresh = tempfile::Builder::new()
        .prefix(".piecework-")
        .tempdir_in(parent)
        .map_err(|error| BlobError::io("create a directory in", parent, error))?;

    // A tree's paths are relative, without `..`, and every directory in it is made here: nothing
    // can lead out of the fresh directory.
    for entry in tree.entries() {
        let path = fresh.path().join(entry.path.as_str());
        match entry.kind {
            EntryKind::Directory => fs::create_dir(&path)
                .map_err(|error| BlobError::io("create the directory", &path, error))?,
            EntryKind::File { blob, executable } => unpack(store, blob, executable, &path)?,
        }
    }
    // A directory's time changes while it is filled: the deepest come first.
    for entry in tree.entries().iter().rev() {
        if entry.kind == EntryKind::Directory {
            finish(&fresh.path().join(entry.path.as_str()), 0o755)?;
        }
    }
    finish(fresh.path(), 0o755)?;
    match fs::rename(fresh.path(), target) {
        Ok(()) => {
            let _ = fresh.keep();
            Ok(())
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(BlobError::Occupied {
                path: target.into(),
            })
        }
        Err(error) => Err(BlobError::io("rename to", target, error)),
    }
}

fn is_vacant(target: &Path) -> Result<bool, BlobError> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(BlobError::io("look at", target, error)),
        Ok(data) if !data.is_dir() => Ok(false),
        Ok(_) => match fs::read_dir(target) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) => Err(BlobError::io("list", target, error)),
        },
    }
}

fn unpack(store: &DirStore, blob: BlobRef, executable: bool, path: &Path) -> Result<(), BlobError> {
    if let Some(actual) = store
        .size(&blob.digest)
        .filter(|actual| *actual != blob.size)
    {
        return Err(BlobError::WrongSize {
            digest: blob.digest,
            expected: blob.size,
            actual,
        });
    }
    let failed = |error| BlobError::io("write", path, error);
    let mut file = BufWriter::new(File::create_new(path).map_err(failed)?);
    store.copy_to(&blob.digest, &mut file)?;
    file.flush().map_err(failed)?;
    drop(file);
    finish(path, if executable { 0o755 } else { 0o644 })
}

fn finish(path: &Path, mode: u32) -> Result<(), BlobError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .and_then(|()| File::open(path)?.set_modified(SystemTime::UNIX_EPOCH))
        .map_err(|error| BlobError::io("set mode and time of", path, error))
}
