//! What is to be sent, and every signed attempt at sending it.

use alloy::primitives::{Address, B256, Bytes};
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Result, Store, StoreError, hash, maybe_hash, number, to_sql};

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntentState {
    /// Written down; no nonce taken.
    Queued,
    /// Signed at least once; it may be on its way.
    Sent,
    /// In a block, with success.
    Mined,
    /// Will never be sent, or reverted in a block.
    Failed,
}

impl IntentState {
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Mined => "mined",
            Self::Failed => "failed",
        }
    }
}

/// A call that is to be made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewIntent {
    /// Unique for ever: a second intent of the same id is the same intent.
    pub(crate) id: String,
    /// The contract that is called; `None` for the market.
    pub(crate) to: Option<Address>,
    /// Calldata.
    pub(crate) data: Bytes,
    /// Last second of chain time in which it may be begun.
    pub(crate) not_after: Option<u64>,
    /// Whether doing it twice does no harm (the second one reverts).
    pub(crate) repeatable: bool,
    /// Last second of chain time in which it must be mined, if it matters.
    pub(crate) deadline: Option<u64>,
    /// The most that is lost when it is mined later, in the token's smallest unit; 0 for nothing.
    pub(crate) at_stake: u128,
}

impl From<&piecework_executor_core::intent::Intent> for NewIntent {
    fn from(intent: &piecework_executor_core::intent::Intent) -> Self {
        Self {
            id: intent.id.to_string(),
            to: intent.to,
            data: intent.data.clone(),
            not_after: intent.not_after,
            repeatable: intent.id.what.is_repeatable(),
            deadline: intent.deadline,
            at_stake: intent.at_stake,
        }
    }
}

/// An intent as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) new: NewIntent,
    /// Chain time at which it was written down.
    pub(crate) asked: u64,
    pub(crate) state: IntentState,
    pub(crate) nonce: Option<u64>,
    /// The account that the nonce belongs to.
    pub(crate) signer: Option<Address>,
    pub(crate) error: Option<String>,
    /// Number and hash of the block that holds it, and the attempt that was mined.
    pub(crate) mined: Option<(u64, B256, B256)>,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) hash: B256,
    /// The account that signed it, and pays for it.
    pub(crate) signer: Address,
    pub(crate) nonce: u64,
    pub(crate) raw: Vec<u8>,
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
    /// Local time of the signature, Unix seconds.
    pub(crate) signed: u64,
}

impl Store {
    /// Writes an intent down, at chain time `asked`; `false` if its id was used before.
    pub(crate) async fn put_intent(&self, intent: NewIntent, asked: u64) -> Result<bool> {
        self.call(move |tx| insert_intent(tx, &intent, asked)).await
    }

    /// One intent.
    pub(crate) async fn intent(&self, id: String) -> Result<Option<Intent>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM intents WHERE id = ?1")?
                .query_row([id], intent)
                .optional()?)
        })
        .await
    }

    /// Intents that are not over: queued ones, sent ones, and those whose block is not final yet.
    pub(crate) async fn open_intents(&self) -> Result<Vec<Intent>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT * FROM intents WHERE final = 0 ORDER BY nonce IS NULL, nonce, seq",
                )?
                .query_map([], intent)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Intents that are not over, and those that were mined in a block above `head`, whose events are not known yet.
    pub(crate) async fn unread_intents(&self, head: u64) -> Result<Vec<Intent>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT * FROM intents WHERE final = 0 OR (state = 'mined' AND block > ?1) ORDER BY seq",
                )?
                .query_map([to_sql(head)], intent)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The accounts that signed what is still kept.
    pub(crate) async fn signers(&self) -> Result<Vec<Address>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached("SELECT DISTINCT signer FROM attempts")?
                .query_map([], |row| row.get::<_, [u8; 20]>(0).map(Address::from))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Intents that are over, and whose block is at most so many blocks below the highest one of all intents.
    pub(crate) async fn recently_final(&self, blocks: u64) -> Result<Vec<Intent>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT * FROM intents WHERE final = 1 AND nonce IS NOT NULL
                     AND block >= (SELECT max(block) FROM intents) - ?1 ORDER BY nonce, seq",
                )?
                .query_map([to_sql(blocks)], intent)?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Forgets intents that are over, were asked for before this chain time, and lie in a block below this one or in none, if
    /// no event is kept of what they did.
    pub(crate) async fn forget_intents(&self, asked_before: u64, below: u64) -> Result<()> {
        self.call(move |tx| {
            let of_use = "SELECT 1 FROM attempts JOIN events ON events.tx = attempts.hash WHERE intent = intents.id";
            let over = "final = 1 AND asked < ?1 AND (block IS NULL OR block < ?2)";
            let limits = (to_sql(asked_before), to_sql(below));
            tx.prepare_cached(&format!(
                "DELETE FROM attempts WHERE intent IN (SELECT id FROM intents WHERE {over} AND NOT EXISTS ({of_use}))"
            ))?
            .execute(limits)?;
            tx.prepare_cached(&format!(
                "DELETE FROM intents WHERE {over} AND NOT EXISTS (SELECT 1 FROM attempts WHERE intent = intents.id)"
            ))?
            .execute(limits)?;
            Ok(())
        })
        .await
    }

    /// The attempts of an intent, newest last.
    pub(crate) async fn attempts(&self, id: String) -> Result<Vec<Attempt>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT * FROM attempts WHERE intent = ?1 ORDER BY nonce, max_fee")?
                .query_map([id], |row| {
                    Ok(Attempt {
                        hash: hash(row, "hash")?,
                        signer: Address::from(row.get::<_, [u8; 20]>("signer")?),
                        nonce: number(row, "nonce")?,
                        raw: row.get("raw")?,
                        max_fee: number(row, "max_fee")?,
                        tip: number(row, "tip")?,
                        signed: number(row, "signed")?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The intent that a transaction belongs to, if it is ours.
    pub(crate) async fn intent_of_tx(&self, tx_hash: B256) -> Result<Option<String>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached("SELECT intent FROM attempts WHERE hash = ?1")?
                .query_row([tx_hash.as_slice()], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    /// The transactions of ours that made events.
    pub(crate) async fn own_transactions(&self) -> Result<Vec<B256>> {
        self.call(|tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT DISTINCT tx FROM events WHERE tx IN (SELECT hash FROM attempts)",
                )?
                .query_map([], |row| hash(row, "tx"))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// The nonces of an account that intents have which are not over.
    pub(crate) async fn open_nonces(&self, signer: Address) -> Result<Vec<u64>> {
        self.call(move |tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT nonce FROM intents WHERE final = 0 AND nonce IS NOT NULL AND signer = ?1 ORDER BY nonce",
                )?
                .query_map([signer.as_slice()], |row| number(row, "nonce"))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Stores a signed transaction; after this, and not before, it may be broadcast.
    pub(crate) async fn put_attempt(&self, id: String, attempt: Attempt) -> Result<()> {
        self.call(move |tx| {
            tx.prepare_cached(
                "INSERT INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (hash) DO NOTHING",
            )?
            .execute((
                attempt.hash.as_slice(),
                &id,
                attempt.signer.as_slice(),
                to_sql(attempt.nonce),
                &attempt.raw,
                to_sql(attempt.max_fee),
                to_sql(attempt.tip),
                to_sql(attempt.signed),
            ))?;
            tx.prepare_cached(
                "UPDATE intents SET state = 'sent', nonce = ?2, signer = ?3 WHERE id = ?1",
            )?
            .execute((&id, to_sql(attempt.nonce), attempt.signer.as_slice()))?;
            Ok(())
        })
        .await
    }

    /// Writes where an intent stands now.
    pub(crate) async fn set_intent(
        &self,
        id: String,
        state: IntentState,
        mined: Option<(u64, B256, B256)>,
        error: Option<String>,
        is_final: bool,
    ) -> Result<()> {
        self.call(move |tx| {
            let changed = tx
                .prepare_cached(
                    "UPDATE intents SET state = ?2, block = ?3, block_hash = ?4, tx = ?5, error = ?6, final = ?7,
                     nonce = CASE ?2 WHEN 'queued' THEN NULL ELSE nonce END WHERE id = ?1",
                )?
                .execute((
                    &id,
                    state.name(),
                    mined.map(|(block, ..)| to_sql(block)),
                    mined.as_ref().map(|(_, hash, _)| hash.as_slice()),
                    mined.as_ref().map(|(.., tx)| tx.as_slice()),
                    error,
                    is_final,
                ))?;
            match changed {
                1 => Ok(()),
                _ => Err(StoreError::Damaged(format!("there is no intent {id}"))),
            }
        })
        .await
    }
}

/// Writes an intent down; `false` if its id was used before.
pub(super) fn insert_intent(tx: &Transaction<'_>, intent: &NewIntent, asked: u64) -> Result<bool> {
    let changed = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO intents (id, target, data, not_after, repeatable, deadline, at_stake, asked, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'queued')",
        )?
        .execute((
            &intent.id,
            intent.to.as_ref().map(|to| to.as_slice()),
            intent.data.as_ref(),
            intent.not_after.map(to_sql),
            intent.repeatable,
            intent.deadline.map(to_sql),
            intent.at_stake.to_string(),
            to_sql(asked),
        ))?;
    Ok(changed > 0)
}

fn intent(row: &Row<'_>) -> rusqlite::Result<Intent> {
    let state: String = row.get("state")?;
    let block: Option<i64> = row.get("block")?;
    let nonce: Option<i64> = row.get("nonce")?;
    let not_after: Option<i64> = row.get("not_after")?;
    let data: Vec<u8> = row.get("data")?;
    let to: Option<[u8; 20]> = row.get("target")?;
    let signer: Option<[u8; 20]> = row.get("signer")?;
    let deadline: Option<i64> = row.get("deadline")?;
    let at_stake: String = row.get("at_stake")?;
    let mined = match (
        block,
        maybe_hash(row, "block_hash")?,
        maybe_hash(row, "tx")?,
    ) {
        (Some(block), Some(hash), Some(tx)) => Some((block.cast_unsigned(), hash, tx)),
        _ => None,
    };
    Ok(Intent {
        new: NewIntent {
            id: row.get("id")?,
            to: to.map(Address::from),
            data: Bytes::from(data),
            not_after: not_after.map(i64::cast_unsigned),
            repeatable: row.get("repeatable")?,
            deadline: deadline.map(i64::cast_unsigned),
            at_stake: at_stake.parse().map_err(|error| {
                let kind = rusqlite::types::Type::Text;
                rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
            })?,
        },
        asked: number(row, "asked")?,
        state: match state.as_str() {
            "queued" => IntentState::Queued,
            "sent" => IntentState::Sent,
            "mined" => IntentState::Mined,
            _ => IntentState::Failed,
        },
        nonce: nonce.map(i64::cast_unsigned),
        signer: signer.map(Address::from),
        error: row.get("error")?,
        mined,
    })
}
