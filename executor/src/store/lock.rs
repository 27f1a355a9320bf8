//! One state directory has one owner.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    sync::Arc,
};

use super::{Result, StoreError};

/// Keeps other executors off a state directory; clones share it, the last one lets go.
#[derive(Clone, Debug)]
pub struct Lock(#[allow(dead_code)] Arc<File>);

impl Lock {
    /// Takes the directory, which is made if there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Io`].
    pub fn take(dir: &Path) -> Result<Self> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        std::fs::create_dir_all(dir).map_err(io(dir))?;
        let path = dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io(&path))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Locked {
                path: dir.to_owned(),
            },
            TryLockError::Error(source) => StoreError::Io { path, source },
        })?;
        Ok(Self(Arc::new(file)))
    }
}
