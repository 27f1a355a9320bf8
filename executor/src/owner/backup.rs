//! A copy of what an executor must not forget, made while it runs.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use super::OwnerError;
use crate::{
    state::{CHAINS, SECRET},
    store::{StoreError, copy},
};

/// Copies the secret of `state_dir` and the database of each of its chains into `to`, which has the layout of a state
/// directory then. The executor may run. Returns the chains' names.
///
/// # Errors
/// [`OwnerError::NoState`] and [`OwnerError::NotEmpty`], before anything is copied; [`OwnerError::Incomplete`].
pub fn backup(state_dir: &Path, to: &Path) -> Result<Vec<String>, OwnerError> {
    let secret = state_dir.join(SECRET);
    if !secret.is_file() {
        return Err(OwnerError::NoState {
            path: secret,
            state_dir: state_dir.to_owned(),
        });
    }
    if is_in_use(to) {
        return Err(OwnerError::NotEmpty {
            path: to.to_owned(),
        });
    }
    copy_all(state_dir, to).map_err(|source| OwnerError::Incomplete {
        path: to.to_owned(),
        source: Box::new(source),
    })
}

/// Whether there is anything but an empty directory.
fn is_in_use(dir: &Path) -> bool {
    match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<Vec<String>, StoreError> {
    make_private(to)?;
    let (chains, copies) = (from.join(CHAINS), to.join(CHAINS));
    make_private(&copies)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&chains).map_err(io_of(&chains))? {
        let chain = entry.map_err(io_of(&chains))?;
        let name = chain.file_name();
        let of_copy = copies.join(&name);
        make_private(&of_copy)?;
        if copy(&chain.path(), &of_copy)? {
            sync(&of_copy)?;
            names.push(name.to_string_lossy().into_owned());
        } else {
            fs::remove_dir(&of_copy).map_err(io_of(&of_copy))?;
        }
    }
    names.sort();
    // Last: a copy without it was not finished.
    copy_secret(&from.join(SECRET), &to.join(SECRET))?;
    sync(&copies)?;
    sync(to)?;
    Ok(names)
}

/// Makes a directory that only its owner can read.
fn make_private(dir: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(io_of(dir))
        }
        made => made.map_err(io_of(dir)),
    }
}

fn copy_secret(from: &Path, to: &Path) -> Result<(), StoreError> {
    let bytes = fs::read(from).map_err(io_of(from))?;
    let mut options = OpenOptions::new();
    let file = options.create_new(true).write(true).mode(0o600).open(to);
    let mut file = file.map_err(io_of(to))?;
    file.write_all(&bytes).map_err(io_of(to))?;
    file.sync_all().map_err(io_of(to))
}

fn sync(path: &Path) -> Result<(), StoreError> {
    let file = File::open(path).map_err(io_of(path))?;
    file.sync_all().map_err(io_of(path))
}

fn io_of(path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn state(dir: &Path) {
        fs::create_dir_all(dir.join("chains/empty")).unwrap();
        fs::write(dir.join("salt-secret"), "secret\n").unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_backup_is_its_owners_alone_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("state"), dir.path().join("backup"));
        let error = backup(&from, &to).unwrap_err();
        assert_eq!((error.code(), to.exists()), ("backup-no-state", false));
        state(&from);
        assert_eq!(backup(&from, &to).unwrap(), Vec::<String>::new());
        assert_eq!((mode(&to), mode(&to.join("salt-secret"))), (0o700, 0o600));
        assert_eq!(
            fs::read_to_string(to.join("salt-secret")).unwrap(),
            "secret\n"
        );
        let error = backup(&from, &to).unwrap_err();
        assert_eq!(error.code(), "backup-not-empty");
        // An empty directory will do, and loses its readers.
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        fs::set_permissions(&empty, Permissions::from_mode(0o755)).unwrap();
        backup(&from, &empty).unwrap();
        assert_eq!(mode(&empty), 0o700);
    }
}
