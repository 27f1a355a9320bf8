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

/// What a new head changed.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The height of the highest block that was left, if blocks were reorganized away.
    pub(crate) rewound: Option<u64>,
    /// The events that were not known, in the chain's order.
    pub(crate) events: Vec<StoredEvent>,
}

/// Blocks that are remembered to find the fork after a reorganization.
const REMEMBERED: u64 = 256;

impl Store {
    /// The newest blocks whose events are all known, oldest first.
    pub(crate) async fn blocks(&self) -> Result<Vec<Block>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM blocks ORDER BY number")?
                .query_map([], block)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The chain ends at `head`, which holds `events`; blocks between the last head and it hold none. When it is not above
    /// the last head, everything after it goes; and if it takes the place of another block, so do that one's events.
    pub(crate) async fn set_head(
        &self,
        head: Block,
        events: Vec<StoredEvent>,
        jobs: Vec<JobRow>,
    ) -> Result<Change> {
        self.call(move |tx| {
            let rewound = rewind(tx, head)?;
            let events = insert_all(tx, events, &jobs)?;
            tx.prepare_cached("DELETE FROM blocks WHERE number >= ?1 OR number < ?2")?
                .execute((
                    to_sql(head.number),
                    to_sql(head.number.saturating_sub(REMEMBERED)),
                ))?;
            tx.prepare_cached("INSERT INTO blocks VALUES (?1, ?2, ?3)")?
                .execute((to_sql(head.number), head.hash.as_slice(), to_sql(head.time)))?;
            Ok(Change { rewound, events })
        })
        .await
    }

    /// Those of these events of one block that are not known, if the block is known under their hash, with its time.
    pub(crate) async fn missed(&self, events: Vec<StoredEvent>) -> Result<Vec<StoredEvent>> {
        self.call(move |tx| missed(tx, events)).await
    }

    /// Adds events of a block that was read without them. Returns the newest block and all events from that block on; none if
    /// the block is gone, or nothing was missed.
    pub(crate) async fn add_missed(
        &self,
        events: Vec<StoredEvent>,
    ) -> Result<Option<(Block, Vec<StoredEvent>)>> {
        self.call(move |tx| {
            let missed = missed(tx, events)?;
            let Some(from) = missed.first().map(|event| event.block.number) else {
                return Ok(None);
            };
            insert_all(tx, missed, &[])?;
            let head = tx
                .prepare_cached("SELECT * FROM blocks ORDER BY number DESC LIMIT 1")?
                .query_row([], block)?;
            let events = tx
                .prepare_cached("SELECT * FROM events WHERE block >= ?1 ORDER BY block, log_index")?
                .query_map([to_sql(from)], event)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(Some((head, events)))
        })
        .await
    }

    /// Forgets everything that was read of the chain. It is read again from the first block, and jobs that were forgotten are
    /// counted again.
    pub(crate) async fn forget_chain(&self) -> Result<()> {
        self.call(|tx| {
            tx.execute_batch("DELETE FROM events; DELETE FROM blocks; DELETE FROM totals;")?;
            Ok(())
        })
        .await
    }

    /// All events, in the chain's order.
    pub(crate) async fn events(&self) -> Result<Vec<StoredEvent>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM events ORDER BY block, log_index")?
                .query_map([], event)?
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

/// Forgets what a chain that ends at `head` does not hold. Returns the height of the highest block that is left, if any was
/// taken back.
fn rewind(tx: &Transaction<'_>, head: Block) -> Result<Option<u64>> {
    let last: Option<(u64, B256)> = tx
        .prepare_cached("SELECT * FROM blocks ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((number(row, "number")?, hash(row, "hash")?)))
        .optional()?;
    let Some(last) = last.filter(|(number, _)| head.number <= *number) else {
        return Ok(None);
    };
    if last == (head.number, head.hash) {
        return Ok(None);
    }
    let known = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM blocks WHERE number = ?1 AND hash = ?2)")?
        .query_row((to_sql(head.number), head.hash.as_slice()), |row| {
            row.get(0)
        })?;
    let left = match known {
        true => head.number,
        false => head.number.saturating_sub(1),
    };
    tx.prepare_cached("DELETE FROM events WHERE block > ?1 OR (block = ?1 AND block_hash <> ?2)")?
        .execute((to_sql(head.number), head.hash.as_slice()))?;
    Ok(Some(left))
}

fn missed(tx: &Transaction<'_>, events: Vec<StoredEvent>) -> Result<Vec<StoredEvent>> {
    let mut missed = Vec::new();
    for mut event in events {
        let place = (to_sql(event.block.number), event.block.hash.as_slice());
        let known = tx
            .prepare_cached("SELECT * FROM blocks WHERE number = ?1 AND hash = ?2")?
            .query_row(place, block)
            .optional()?;
        let place = (event.block.hash.as_slice(), to_sql(event.log_index));
        let is_there: bool = tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM events WHERE block_hash = ?1 AND log_index = ?2)",
            )?
            .query_row(place, |row| row.get(0))?;
        if let (Some(known), false) = (known, is_there) {
            event.block = known;
            missed.push(event);
        }
    }
    Ok(missed)
}

fn block(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block {
        number: number(row, "number")?,
        hash: hash(row, "hash")?,
        time: number(row, "time")?,
    })
}

/// Writes events down. Returns those that were not known.
fn insert_all(
    tx: &Transaction<'_>,
    events: Vec<StoredEvent>,
    jobs: &[JobRow],
) -> Result<Vec<StoredEvent>> {
    for job in jobs {
        tx.prepare_cached("INSERT OR IGNORE INTO jobs VALUES (?1, ?2, ?3, ?4)")?
            .execute((job.id.as_slice(), &job.abi, &job.spec, job.fee_bps))?;
    }
    let mut new = Vec::new();
    for event in events {
        if insert(tx, &event)? {
            new.push(event);
        }
    }
    Ok(new)
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
