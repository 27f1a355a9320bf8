//! What running a new spec's first task twice came to.

use alloy::primitives::B256;
use rusqlite::OptionalExtension;

use super::{Result, Store, hash, number, to_sql};

/// A spec that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrialRow {
    /// Digest of the spec's bytes, as jobs name it.
    pub(crate) spec: B256,
    /// The task that was run twice.
    pub(crate) task: u32,
    /// Whether both outputs were equal.
    pub(crate) same: bool,
}

impl Store {
    /// Remembers a trial; the first one of a spec stays.
    pub(crate) async fn put_trial(&self, trial: TrialRow, now: u64) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO trials VALUES (?1, ?2, ?3, ?4)")?
                .execute((trial.spec.as_slice(), trial.task, trial.same, to_sql(now)))?;
            Ok(())
        })
        .await
    }

    /// What the trial of a spec came to, if there was one.
    pub(crate) async fn trial(&self, spec: B256) -> Result<Option<TrialRow>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM trials WHERE spec = ?1")?
                .query_row([spec.as_slice()], |row| {
                    Ok(TrialRow {
                        spec: hash(row, "spec")?,
                        task: number(row, "task")?,
                        same: row.get("same")?,
                    })
                })
                .optional()?)
        })
        .await
    }
}
