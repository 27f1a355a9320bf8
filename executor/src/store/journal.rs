//! What a machine is bound to, and which of its duties are over.
//!
//! Everything that a step of the machine wants on disk is written in one transaction, before anything of that step is done.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use piecework_core::view::{
    lease::Key as LeaseId,
    seat::{Key as SeatId, Vote},
};
use piecework_executor_core::{
    command::Over,
    duty::{End, seat::Tasks},
};
use rusqlite::{Params, Row, Transaction};

use super::{
    Contradiction, NewIntent, Result, Store, StoreError, hash,
    intents::insert_intent,
    number,
    retention::{forget_outputs, insert_settled},
    to_sql,
};

/// What must be on disk before anything else is done.
#[derive(Clone, Debug)]
pub(crate) enum Durable {
    /// What a duty is bound to.
    Bind {
        /// Which duty.
        seat: SeatId,
        /// Its tasks.
        tasks: Tasks,
        /// The vote, or the result.
        vote: Vote,
    },
    /// A transaction that is to be sent, and the chain's time.
    Send(NewIntent, u64),
    /// A duty that is over, and the local time.
    Over(Over, u64),
    /// A job that is over.
    Forget(B256),
}

/// A duty that is over, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverRow {
    pub(crate) seat: SeatId,
    pub(crate) end: End,
    pub(crate) why: Option<String>,
    /// The most that it lost.
    pub(crate) lost: u128,
}

/// What duties came to together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) duties: u64,
    /// The most that they lost.
    pub(crate) lost: u128,
}

impl Total {
    fn add(&mut self, lost: u128) {
        self.duties = self.duties.saturating_add(1);
        self.lost = self.lost.saturating_add(lost);
    }
}

impl Store {
    /// Writes all of it, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Contradiction`] if another value is bound already.
    pub(crate) async fn commit(&self, rows: Vec<Durable>) -> Result<()> {
        self.call(move |tx| {
            for row in &rows {
                match row {
                    Durable::Bind { seat, tasks, vote } => bind(tx, *seat, *tasks, *vote)?,
                    Durable::Send(intent, asked) => {
                        insert_intent(tx, intent, *asked)?;
                    }
                    Durable::Over(over, at) => end(tx, over, *at)?,
                    Durable::Forget(job) => forget(tx, *job)?,
                }
            }
            Ok(())
        })
        .await
    }

    /// Everything that was bound for jobs that are not forgotten: the duty, its first task, and the vote; in the order in which it was.
    pub(crate) async fn bound(&self) -> Result<Vec<(SeatId, u32, Vote)>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM journal ORDER BY seq")?
                .query_map([], |row| {
                    let vote = Vote {
                        value: hash(row, "value")?,
                        proof: hash(row, "proof")?,
                    };
                    Ok((seat(row)?, number(row, "task")?, vote))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The duties that are over, of jobs that are not forgotten.
    pub(crate) async fn over(&self) -> Result<Vec<OverRow>> {
        self.call(|tx| over(tx, "SELECT * FROM over", [])).await
    }

    /// What is left of the duties of forgotten jobs, by their ends.
    pub(crate) async fn totals(&self) -> Result<Vec<(End, Total)>> {
        let totals = self.call(totals).await?;
        let ends = totals.into_iter();
        Ok(ends
            .filter_map(|(end, total)| Some((End::parse(end)?, total)))
            .collect())
    }

    /// The clients that have paid this machine.
    pub(crate) async fn paying_clients(&self) -> Result<BTreeSet<Address>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT client FROM paid")?
                .query_map([], |row| {
                    row.get::<_, [u8; 20]>("client").map(Address::from)
                })?
                .collect::<rusqlite::Result<BTreeSet<_>>>()?)
        })
        .await
    }
}

/// Writes down what a duty is bound to. The same value may be bound with several proofs: a juror that is drawn again has
/// another key.
fn bind(tx: &Transaction<'_>, seat: SeatId, tasks: Tasks, vote: Vote) -> Result<()> {
    let lease = seat.lease;
    let place = (
        lease.job.as_slice(),
        lease.first,
        lease.round,
        seat.kind,
        tasks.first,
    );
    let bound = tx
        .prepare_cached(
            "SELECT value FROM journal
             WHERE job = ?1 AND first = ?2 AND round = ?3 AND kind = ?4 AND task = ?5",
        )?
        .query_map(place, |row| row.get::<_, [u8; 32]>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let other = bound.into_iter().map(B256::from);
    if let Some(bound) = other.into_iter().find(|value| *value != vote.value) {
        return Err(StoreError::Contradiction(Box::new(Contradiction {
            job: lease.job,
            lease: format!(
                "{}+{}/{}/{}",
                tasks.first, tasks.count, lease.round, seat.kind
            ),
            phase: match seat.is_jurors() {
                true => "vote",
                false => "result",
            },
            bound,
            asked: vote.value,
        })));
    }
    tx.prepare_cached(
        "INSERT OR IGNORE INTO journal (job, first, round, kind, task, count, value, proof)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        place.0,
        place.1,
        place.2,
        place.3,
        place.4,
        tasks.count,
        vote.value.as_slice(),
        vote.proof.as_slice(),
    ))?;
    Ok(())
}

/// Writes down that a duty is over. From then on nobody is owed its outputs.
fn end(tx: &Transaction<'_>, over: &Over, at: u64) -> Result<()> {
    let (seat, lease) = (over.seat, over.seat.lease);
    tx.prepare_cached("INSERT OR REPLACE INTO over VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute((
            lease.job.as_slice(),
            lease.first,
            lease.round,
            seat.kind,
            over.end.name(),
            over.why.as_ref(),
            over.lost.to_string(),
            to_sql(at),
        ))?;
    if !seat.is_jurors() {
        insert_settled(tx, lease.job, over.tasks.first, at)?;
    }
    if over.end == End::Paid {
        tx.prepare_cached("INSERT OR IGNORE INTO paid VALUES (?1)")?
            .execute([over.client.as_slice()])?;
    }
    Ok(())
}

/// The duties that are over, by a query of their table.
fn over(tx: &Transaction<'_>, query: &str, of: impl Params) -> Result<Vec<OverRow>> {
    let mut select = tx.prepare_cached(query)?;
    let rows = select.query_map(of, |row| {
        let end: String = row.get("end")?;
        let lost: String = row.get("lost")?;
        Ok((seat(row)?, end, row.get("why")?, lost))
    })?;
    rows.map(|row| {
        let (seat, end, why, lost) = row?;
        let damaged = || StoreError::Damaged(format!("over: {end:?}, {lost:?}"));
        Ok(OverRow {
            seat,
            end: End::parse(&end).ok_or_else(damaged)?,
            why,
            lost: lost.parse().map_err(|_| damaged())?,
        })
    })
    .collect()
}

fn seat(row: &Row<'_>) -> rusqlite::Result<SeatId> {
    let lease = LeaseId {
        job: hash(row, "job")?,
        first: number(row, "first")?,
        round: number(row, "round")?,
    };
    Ok(SeatId {
        lease,
        kind: number(row, "kind")?,
    })
}

/// Deletes what is known of a job, except what its outputs are served with as long as these are here. Of its duties the
/// totals stay.
fn forget(tx: &Transaction<'_>, job: B256) -> Result<()> {
    let id = job.as_slice();
    let mut totals = totals(tx)?;
    for row in over(tx, "SELECT * FROM over WHERE job = ?1", [id])? {
        totals.entry(row.end.name()).or_default().add(row.lost);
    }
    for (end, total) in totals {
        tx.prepare_cached("INSERT OR REPLACE INTO totals VALUES (?1, ?2, ?3)")?
            .execute((end, to_sql(total.duties), total.lost.to_string()))?;
    }
    for table in ["events", "journal", "over"] {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE job = ?1"))?
            .execute([id])?;
    }
    forget_outputs(tx, job)
}

/// Of forgotten jobs: how many duties ended so, and what they lost.
fn totals(tx: &Transaction<'_>) -> Result<BTreeMap<&'static str, Total>> {
    let mut select = tx.prepare_cached("SELECT * FROM totals")?;
    let rows = select.query_map([], |row| {
        let end: String = row.get("end")?;
        let lost: String = row.get("lost")?;
        Ok((end, number(row, "duties")?, lost))
    })?;
    rows.map(|row| {
        let (end, duties, lost) = row?;
        let damaged = || StoreError::Damaged(format!("totals: {end:?}, {lost:?}"));
        let total = Total {
            duties,
            lost: lost.parse().map_err(|_| damaged())?,
        };
        Ok((End::parse(&end).ok_or_else(damaged)?.name(), total))
    })
    .collect()
}
