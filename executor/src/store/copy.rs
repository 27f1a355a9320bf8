//! A copy of a database, made beside the executor that writes it.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{APPLICATION_ID, DATABASE, Result, StoreError};

/// How long to wait for an executor that is just making or changing its tables.
const PATIENCE: Duration = Duration::from_secs(10);

/// Copies the database in `from`, if there is one, into `to`, as it is at one moment. Nothing in `from` is changed, and no
/// lock is held that would stop the executor. Returns whether there was one.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<bool> {
    let (source, target) = (from.join(DATABASE), to.join(DATABASE));
    if !source.exists() {
        return Ok(false);
    }
    let connection = Connection::open_with_flags(&source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: source });
    }
    let path = target.to_str().ok_or_else(|| StoreError::Io {
        path: target.clone(),
        source: std::io::Error::other("a database's path must be UTF-8"),
    })?;
    connection.execute("VACUUM INTO ?1", [path])?;
    let file = std::fs::File::open(&target).and_then(|file| file.sync_all());
    file.map_err(|source| StoreError::Io {
        path: target,
        source,
    })?;
    Ok(true)
}
