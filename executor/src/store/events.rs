//! The market's canonical events, the cursor, and the jobs they announce.

use alloy::primitives::{B256, Bytes, LogData};
use piecework_core::view::{Block, StoredEvent};
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Result, Store, hash, number, to_sql};

/// A job as posted.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: B256,
    pub(crate) abi: Vec<u8>,
    pub(crate) spec: Vec<u8>,
    pub(crate) fee_bps: u16,
}

/// Blocks that are remembered to find the fork after a reorganization.
const REMEMBERED: u64 = 256;

impl Store {
    /// The newest blocks whose events are all known, oldest first.
    pub(crate) async fn blocks(&self) -> Result<Vec<Block>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM blocks ORDER BY number")?
                .query_map([], |row| {
                    Ok(Block {
                        number: number(row, "number")?,
                        hash: hash(row, "hash")?,
                        time: number(row, "time")?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The chain ends at `head`, which holds `events`; blocks between the last head and it hold none. Events of other
    /// blocks at its height or between go, and, when it is not above the last head, everything after it. Returns the jobs
    /// that are touched.
    pub(crate) async fn set_head(
        &self,
        head: Block,
        events: Vec<StoredEvent>,
        jobs: Vec<JobRow>,
    ) -> Result<Vec<B256>> {
        self.call(move |tx| {
            let last: Option<u64> = tx
                .prepare_cached("SELECT number FROM blocks ORDER BY number DESC LIMIT 1")?
                .query_row([], |row| number(row, "number"))
                .optional()?;
            let mut touched = orphans(tx, head, last)?;
            touched.extend(insert_all(tx, &events, &jobs)?);
            tx.prepare_cached("DELETE FROM blocks WHERE number >= ?1 OR number < ?2")?
                .execute((
                    to_sql(head.number),
                    to_sql(head.number.saturating_sub(REMEMBERED)),
                ))?;
            tx.prepare_cached("INSERT INTO blocks VALUES (?1, ?2, ?3)")?
                .execute((to_sql(head.number), head.hash.as_slice(), to_sql(head.time)))?;
            touched.sort_unstable();
            touched.dedup();
            Ok(touched)
        })
        .await
    }

    /// Forgets everything that was read of the chain; it is read again from the first block.
    pub(crate) async fn forget_chain(&self) -> Result<()> {
        self.call(|tx| {
            tx.execute_batch("DELETE FROM events; DELETE FROM blocks;")?;
            Ok(())
        })
        .await
    }

    /// Events from a receipt, ahead of the follower; those of a block in whose place the follower has read another one are
    /// left out. Returns the jobs that are touched.
    pub(crate) async fn add_events(&self, events: Vec<StoredEvent>) -> Result<Vec<B256>> {
        self.call(move |tx| {
            let mut read = tx.prepare_cached("SELECT hash FROM blocks WHERE number = ?1")?;
            let mut fresh = Vec::new();
            for event in events {
                let number = to_sql(event.block.number);
                let at_its_place = read
                    .query_row([number], |row| hash(row, "hash"))
                    .optional()?;
                if at_its_place.is_none_or(|hash| hash == event.block.hash) {
                    fresh.push(event);
                }
            }
            insert_all(tx, &fresh, &[])
        })
        .await
    }

    /// All events of a job, in the chain's order.
    pub(crate) async fn events_of(&self, job: B256) -> Result<Vec<StoredEvent>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM events WHERE job = ?1 ORDER BY block, log_index")?
                .query_map([job.as_slice()], event)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The ids of all jobs that have events.
    pub(crate) async fn job_ids(&self) -> Result<Vec<B256>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT DISTINCT job FROM events")?
                .query_map([], |row| hash(row, "job"))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// A job as posted, also if its block was reorganized away since.
    pub(crate) async fn job(&self, id: B256) -> Result<Option<JobRow>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM jobs WHERE id = ?1")?
                .query_row([id.as_slice()], |row| {
                    Ok(JobRow {
                        id: hash(row, "id")?,
                        abi: row.get("abi")?,
                        spec: row.get("spec")?,
                        fee_bps: number(row, "fee_bps")?,
                    })
                })
                .optional()?)
        })
        .await
    }
}

/// Forgets what a chain that ends at `head` does not hold: of a lower head what is above it, of a higher one what receipts
/// told of the blocks since the last head.
fn orphans(tx: &Transaction<'_>, head: Block, last: Option<u64>) -> Result<Vec<B256>> {
    let rewound = last.is_some_and(|last| head.number <= last);
    let after = last.filter(|_| !rewound).unwrap_or(head.number);
    let gone =
        "(block = ?1 AND block_hash <> ?2) OR (?3 AND block > ?1) OR (block > ?4 AND block < ?1)";
    let at = (
        to_sql(head.number),
        head.hash.as_slice(),
        rewound,
        to_sql(after),
    );
    let touched = tx
        .prepare_cached(&format!("SELECT DISTINCT job FROM events WHERE {gone}"))?
        .query_map(at, |row| hash(row, "job"))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if !touched.is_empty() {
        tx.prepare_cached(&format!("DELETE FROM events WHERE {gone}"))?
            .execute(at)?;
    }
    Ok(touched)
}

fn insert_all(tx: &Transaction<'_>, events: &[StoredEvent], jobs: &[JobRow]) -> Result<Vec<B256>> {
    for job in jobs {
        tx.prepare_cached("INSERT OR IGNORE INTO jobs VALUES (?1, ?2, ?3, ?4)")?
            .execute((job.id.as_slice(), &job.abi, &job.spec, job.fee_bps))?;
    }
    let mut touched = Vec::new();
    for event in events {
        if insert(tx, event)? {
            touched.push(event.job);
        }
    }
    Ok(touched)
}

fn insert(tx: &Transaction<'_>, event: &StoredEvent) -> Result<bool> {
    let topics: Vec<u8> = event
        .log
        .topics()
        .iter()
        .flat_map(|topic| topic.0)
        .collect();
    let changed = tx
        .prepare_cached("INSERT OR IGNORE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute((
            event.block.hash.as_slice(),
            to_sql(event.log_index),
            to_sql(event.block.number),
            to_sql(event.block.time),
            event.tx.as_slice(),
            event.job.as_slice(),
            topics,
            event.log.data.as_ref(),
        ))?;
    Ok(changed > 0)
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    let topics: Vec<u8> = row.get("topics")?;
    let topics = topics.chunks_exact(32).map(B256::from_slice).collect();
    let data: Vec<u8> = row.get("data")?;
    Ok(StoredEvent {
        block: Block {
            number: number(row, "block")?,
            hash: hash(row, "block_hash")?,
            time: number(row, "time")?,
        },
        log_index: number(row, "log_index")?,
        tx: hash(row, "tx")?,
        job: hash(row, "job")?,
        log: LogData::new_unchecked(topics, Bytes::from(data)),
    })
}
