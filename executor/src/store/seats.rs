//! Seats of this machine, and what they voted.

use alloy::primitives::B256;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Result, Store, StoreError, hash, journal, number};
use crate::{
    lease,
    seat::{Key, Vote},
};

/// One seat, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeatRow {
    pub(crate) job: B256,
    pub(crate) first: u32,
    pub(crate) round: u16,
    pub(crate) kind: u8,
    pub(crate) task: u32,
    pub(crate) count: u32,
    pub(crate) tries: u32,
    /// How it ended, if it is over.
    pub(crate) end: Option<String>,
}

impl SeatRow {
    pub(crate) fn key(&self) -> Key {
        let lease = lease::Key {
            job: self.job,
            first: self.first,
            round: self.round,
        };
        Key {
            lease,
            kind: self.kind,
        }
    }
}

/// A vote and what hides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VoteRow {
    pub(crate) vote: Vote,
    pub(crate) salt: B256,
    pub(crate) commitment: B256,
}

impl Store {
    /// Writes a seat as it is now.
    pub(crate) async fn put_seat(&self, seat: SeatRow) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached(
                "INSERT INTO seats VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET task = excluded.task, count = excluded.count,
                    tries = excluded.tries, \"end\" = excluded.\"end\"",
            )?
            .execute((
                seat.job.as_slice(),
                seat.first,
                seat.round,
                seat.kind,
                seat.task,
                seat.count,
                seat.tries,
                &seat.end,
            ))?;
            Ok(())
        })
        .await
    }

    /// All seats ever taken, those that are over included.
    pub(crate) async fn seats(&self) -> Result<Vec<SeatRow>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM seats ORDER BY job, first, round, kind")?
                .query_map([], seat)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// One seat.
    pub(crate) async fn seat(&self, key: Key) -> Result<Option<SeatRow>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT * FROM seats WHERE job = ?1 AND first = ?2 AND round = ?3 AND kind = ?4",
                )?
                .query_row(place(&key), seat)
                .optional()?)
        })
        .await
    }

    /// Keeps a seat's vote, its salt and its commitment, and binds the commitment in the journal, all or
    /// nothing; after this, and not before, the commitment may be sent. A seat that has voted keeps its
    /// first salt: what is returned is what counts.
    ///
    /// # Errors
    /// [`StoreError::Contradiction`] when another vote is kept, or another commitment is bound.
    pub(crate) async fn put_vote(&self, key: Key, new: VoteRow) -> Result<VoteRow> {
        let market = self.place();
        self.call(move |tx| {
            let kept = read_vote(tx, &key)?.unwrap_or(new);
            // The same vote has the same commitment, by the salt that is kept with it.
            let asked = match kept.vote == new.vote {
                true => kept.commitment,
                false => new.commitment,
            };
            journal::check_and_insert(tx, market, &key, 0, "commit", asked)?;
            let (job, first, round, kind) = place(&key);
            tx.prepare_cached(
                "INSERT OR IGNORE INTO votes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                job,
                first,
                round,
                kind,
                kept.vote.value.as_slice(),
                kept.vote.proof.as_slice(),
                kept.salt.as_slice(),
                kept.commitment.as_slice(),
            ))?;
            Ok(kept)
        })
        .await
    }

    /// What a seat voted, if it did.
    pub(crate) async fn vote(&self, key: Key) -> Result<Option<VoteRow>> {
        self.call(move |tx| read_vote(tx, &key)).await
    }
}

fn place(key: &Key) -> (&[u8], u32, u16, u8) {
    let lease = &key.lease;
    (lease.job.as_slice(), lease.first, lease.round, key.kind)
}

fn read_vote(tx: &Transaction<'_>, key: &Key) -> Result<Option<VoteRow>, StoreError> {
    Ok(tx
        .prepare_cached(
            "SELECT * FROM votes WHERE job = ?1 AND first = ?2 AND round = ?3 AND kind = ?4",
        )?
        .query_row(place(key), |row| {
            let vote = Vote {
                value: hash(row, "value")?,
                proof: hash(row, "proof")?,
            };
            Ok(VoteRow {
                vote,
                salt: hash(row, "salt")?,
                commitment: hash(row, "commitment")?,
            })
        })
        .optional()?)
}

fn seat(row: &Row<'_>) -> rusqlite::Result<SeatRow> {
    Ok(SeatRow {
        job: hash(row, "job")?,
        first: number(row, "first")?,
        round: number(row, "round")?,
        kind: number(row, "kind")?,
        task: number(row, "task")?,
        count: number(row, "count")?,
        tries: number(row, "tries")?,
        end: row.get("end")?,
    })
}
