//! Which published blobs must stay, and which may go.

use alloy::primitives::B256;
use rusqlite::Transaction;

use super::{Result, Store, hash, number, to_sql};

impl Store {
    /// Remembers that these blobs (digest, bytes) are served for a lease: to everybody if `open`, otherwise to its client.
    /// What is open stays so. A lease that is served again is owed again.
    pub(crate) async fn put_published(
        &self,
        job: B256,
        first: u32,
        blobs: Vec<(B256, u64)>,
        open: bool,
    ) -> Result<()> {
        self.call(move |tx| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO published VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET open = max(open, excluded.open)",
            )?;
            for (digest, size) in blobs {
                insert.execute((digest.as_slice(), job.as_slice(), first, to_sql(size), open))?;
            }
            tx.prepare_cached("DELETE FROM settled WHERE job = ?1 AND first = ?2")?
                .execute((job.as_slice(), first))?;
            Ok(())
        })
        .await
    }

    /// From `at` (Unix seconds, local clock) on, a lease's outputs are no longer owed.
    #[cfg(test)]
    pub(crate) async fn put_settled(&self, job: B256, first: u32, at: u64) -> Result<()> {
        self.call(move |tx| insert_settled(tx, job, first, at))
            .await
    }

    /// Bytes of all published blobs; a blob of several leases counts once.
    pub(crate) async fn published_bytes(&self) -> Result<u64> {
        self.call(|tx| {
            Ok(tx.query_row(
                "SELECT coalesce(sum(size), 0) AS bytes FROM (SELECT DISTINCT digest, size FROM published)",
                [],
                |row| number(row, "bytes"),
            )?)
        })
        .await
    }

    /// Whether a lease has this blob.
    pub(crate) async fn publishes(&self, digest: B256) -> Result<bool> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM published WHERE digest = ?1)")?
                .query_row([digest.as_slice()], |row| row.get(0))?)
        })
        .await
    }

    /// Whether everybody may have this blob: of one of this job's leases, or of any.
    pub(crate) async fn is_open(&self, digest: B256, job: Option<B256>) -> Result<bool> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM published
                     WHERE digest = ?1 AND open = 1 AND (?2 IS NULL OR job = ?2))",
                )?
                .query_row(
                    (digest.as_slice(), job.as_ref().map(B256::as_slice)),
                    |row| row.get(0),
                )?)
        })
        .await
    }

    /// Whether the client of this lease may have this blob.
    pub(crate) async fn offers(&self, job: B256, first: u32, digest: B256) -> Result<bool> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM published WHERE job = ?1 AND first = ?2 AND digest = ?3)",
                )?
                .query_row((job.as_slice(), first, digest.as_slice()), |row| row.get(0))?)
        })
        .await
    }

    /// Settled leases with the time they were, oldest first.
    pub(crate) async fn settled(&self) -> Result<Vec<(B256, u32, u64)>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM settled ORDER BY settled_at")?
                .query_map([], |row| {
                    Ok((
                        hash(row, "job")?,
                        number(row, "first")?,
                        number(row, "settled_at")?,
                    ))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Forgets a lease's blobs. Returns those that no other lease publishes: they may be deleted.
    pub(crate) async fn unpublish(&self, job: B256, first: u32) -> Result<Vec<B256>> {
        self.call(move |tx| {
            let digests = tx
                .prepare_cached(
                    "SELECT digest FROM published AS mine WHERE job = ?1 AND first = ?2 AND NOT EXISTS
                     (SELECT 1 FROM published AS other WHERE other.digest = mine.digest
                      AND (other.job <> mine.job OR other.first <> mine.first))",
                )?
                .query_map((job.as_slice(), first), |row| hash(row, "digest"))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            tx.execute("DELETE FROM published WHERE job = ?1 AND first = ?2", (job.as_slice(), first))?;
            tx.execute("DELETE FROM settled WHERE job = ?1 AND first = ?2", (job.as_slice(), first))?;
            let is_known: bool = tx
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE job = ?1)")?
                .query_row([job.as_slice()], |row| row.get(0))?;
            if !is_known {
                forget_outputs(tx, job)?;
            }
            Ok(digests)
        })
        .await
    }
}

/// Deletes what the outputs of a forgotten job are served with, if none of them are here.
pub(super) fn forget_outputs(tx: &Transaction<'_>, job: B256) -> Result<()> {
    for table in [
        "DELETE FROM tasks WHERE job = ?1 AND NOT EXISTS (SELECT 1 FROM published WHERE job = ?1)",
        "DELETE FROM jobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM published WHERE job = ?1)",
    ] {
        tx.prepare_cached(table)?.execute([job.as_slice()])?;
    }
    Ok(())
}

/// From `at` on, a lease's outputs are no longer owed.
pub(super) fn insert_settled(tx: &Transaction<'_>, job: B256, first: u32, at: u64) -> Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO settled VALUES (?1, ?2, ?3)")?
        .execute((job.as_slice(), first, to_sql(at)))?;
    Ok(())
}
