//! Leases of this machine, and the outcomes of their tasks.

use alloy::primitives::B256;
use rusqlite::{OptionalExtension, Row};

use super::{Result, Store, hash, maybe_hash, number, to_sql};

/// One round of a lease, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRow {
    pub(crate) job: B256,
    pub(crate) first: u32,
    pub(crate) round: u16,
    pub(crate) count: u32,
    pub(crate) phase: String,
    pub(crate) started: u64,
    pub(crate) since: u64,
    pub(crate) tries: u32,
    pub(crate) root: Option<B256>,
    /// The address of the digest list.
    pub(crate) list: Option<B256>,
}

/// One task's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRow {
    pub(crate) task: u32,
    pub(crate) digest: B256,
    pub(crate) outcome: String,
    pub(crate) log: Vec<u8>,
}

impl Store {
    /// Writes a lease as it is now.
    pub(crate) async fn put_lease(&self, lease: LeaseRow) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached(
                "INSERT INTO leases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT DO UPDATE SET count = excluded.count, phase = excluded.phase, started = excluded.started,
                    since = excluded.since, tries = excluded.tries, root = excluded.root, list = excluded.list",
            )?
            .execute((
                lease.job.as_slice(),
                lease.first,
                lease.round,
                lease.count,
                &lease.phase,
                to_sql(lease.started),
                to_sql(lease.since),
                lease.tries,
                lease.root.as_ref().map(B256::as_slice),
                lease.list.as_ref().map(B256::as_slice),
            ))?;
            Ok(())
        })
        .await
    }

    /// All leases ever held, those that are over included.
    pub(crate) async fn leases(&self) -> Result<Vec<LeaseRow>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM leases ORDER BY started, job, first, round")?
                .query_map([], lease)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Writes a task's outcome; the first one stays.
    pub(crate) async fn put_task(&self, job: B256, task: TaskRow, now: u64) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute((
                    job.as_slice(),
                    task.task,
                    task.digest.as_slice(),
                    &task.outcome,
                    &task.log,
                    to_sql(now),
                ))?;
            Ok(())
        })
        .await
    }

    /// The outcomes known of `[first, first + count)`, in order.
    pub(crate) async fn tasks(&self, job: B256, first: u32, count: u32) -> Result<Vec<TaskRow>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT * FROM tasks WHERE job = ?1 AND task >= ?2 AND task < ?3 ORDER BY task",
                )?
                .query_map(
                    (
                        job.as_slice(),
                        first,
                        u64::from(first).saturating_add(count.into()).cast_signed(),
                    ),
                    task,
                )?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// One task's outcome.
    pub(crate) async fn task(&self, job: B256, index: u32) -> Result<Option<TaskRow>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM tasks WHERE job = ?1 AND task = ?2")?
                .query_row((job.as_slice(), index), task)
                .optional()?)
        })
        .await
    }
}

fn lease(row: &Row<'_>) -> rusqlite::Result<LeaseRow> {
    Ok(LeaseRow {
        job: hash(row, "job")?,
        first: number(row, "first")?,
        round: number(row, "round")?,
        count: number(row, "count")?,
        phase: row.get("phase")?,
        started: number(row, "started")?,
        since: number(row, "since")?,
        tries: number(row, "tries")?,
        root: maybe_hash(row, "root")?,
        list: maybe_hash(row, "list")?,
    })
}

fn task(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    Ok(TaskRow {
        task: number(row, "task")?,
        digest: hash(row, "digest")?,
        outcome: row.get("outcome")?,
        log: row.get("log")?,
    })
}
