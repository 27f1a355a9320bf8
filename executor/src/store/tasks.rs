//! Outcomes of tasks, and what trials of specs came to.

use alloy::primitives::B256;
use piecework_executor_core::input::Verdict;
use rusqlite::{OptionalExtension, Row};

use super::{Result, Store, StoreError, hash, number, to_sql};

/// One task's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRow {
    pub(crate) task: u32,
    pub(crate) digest: B256,
    pub(crate) outcome: String,
    pub(crate) log: Vec<u8>,
}

/// A spec that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrialRow {
    /// Digest of the spec's bytes, as jobs name it.
    pub(crate) spec: B256,
    /// The task that was run twice.
    pub(crate) task: u32,
    /// What both outputs said.
    pub(crate) verdict: Verdict,
}

const VERDICTS: [(Verdict, &str); 3] = [
    (Verdict::Same, "same"),
    (Verdict::Differs, "differs"),
    (Verdict::Unclear, "unclear"),
];

impl Store {
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

    /// Remembers a trial; the first one of a spec stays.
    pub(crate) async fn put_trial(&self, trial: TrialRow, now: u64) -> Result<()> {
        self.call(move |tx| {
            let name = VERDICTS
                .iter()
                .find(|(verdict, _)| *verdict == trial.verdict);
            let name = name.map_or("unclear", |(_, name)| name);
            tx.prepare_cached("INSERT OR IGNORE INTO trials VALUES (?1, ?2, ?3, ?4)")?
                .execute((trial.spec.as_slice(), trial.task, name, to_sql(now)))?;
            Ok(())
        })
        .await
    }

    /// All trials.
    pub(crate) async fn trials(&self) -> Result<Vec<TrialRow>> {
        self.call(|tx| {
            let mut select = tx.prepare_cached("SELECT * FROM trials")?;
            let rows = select.query_map([], |row| {
                let verdict: String = row.get("verdict")?;
                Ok((hash(row, "spec")?, number(row, "task")?, verdict))
            })?;
            rows.map(|row| {
                let (spec, task, name) = row?;
                let verdict = VERDICTS.iter().find(|(_, known)| *known == name);
                let (verdict, _) =
                    verdict.ok_or_else(|| StoreError::Damaged(format!("trials: {name:?}")))?;
                Ok(TrialRow {
                    spec,
                    task,
                    verdict: *verdict,
                })
            })
            .collect()
        })
        .await
    }
}

fn task(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    Ok(TaskRow {
        task: number(row, "task")?,
        digest: hash(row, "digest")?,
        outcome: row.get("outcome")?,
        log: row.get("log")?,
    })
}
