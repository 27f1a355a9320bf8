//! What is signed: broadcast it, find it in a block, watch it until it is final.

use std::time::Duration;

use alloy::{
    eips::BlockNumberOrTag, primitives::B256, providers::Provider as _,
    rpc::types::TransactionReceipt,
};
use tokio::time::Instant;

use super::{
    Inner, Outcome, SendError,
    fees::{Fees, Pressure, capped_words},
    nonce::{Facts, Looks, Standing},
    refusal::{Refusal, refusal},
};
use crate::store::{Attempt, Intent, IntentState};

/// How often a transaction that no block holds is shown to the node again.
const REBROADCAST: Duration = Duration::from_secs(3);

/// An intent with a nonce.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) intent: Intent,
    /// Those with its present nonce, newest last.
    pub(super) attempts: Vec<Attempt>,
    pub(super) pressure: Pressure,
}

impl Flight {
    fn id(&self) -> &String {
        &self.intent.new.id
    }
}

fn fees_of(attempt: &Attempt) -> Fees {
    Fees {
        max: attempt.max_fee,
        tip: attempt.tip,
    }
}

impl Inner {
    /// Reads an intent's attempts, and how much it matters at chain time `now`.
    pub(super) async fn flight(&self, intent: Intent, now: u64) -> Result<Flight, SendError> {
        let mut attempts = self.store.attempts(intent.new.id.clone()).await?;
        attempts.retain(|attempt| {
            Some(attempt.nonce) == intent.nonce && Some(attempt.signer) == intent.signer
        });
        let mut pressure = Pressure::of(&self.timing, &intent.new, intent.asked, now);
        if pressure.is_urgent {
            pressure.floor = attempts.last().map(fees_of);
        }
        Ok(Flight {
            intent,
            attempts,
            pressure,
        })
    }

    /// Looks where an intent with a nonce stands, and does what is due. `used`: the count of its account.
    pub(super) async fn follow(
        &self,
        flight: &Flight,
        head: u64,
        used: u64,
    ) -> Result<(), SendError> {
        let intent = &flight.intent;
        let id = flight.id();
        let used = intent.nonce.is_some_and(|nonce| used > nonce);
        if let Some((attempt, receipt)) = self.find(&flight.attempts).await? {
            return self.found(intent, attempt.hash, receipt, head, used).await;
        }
        let facts = Facts {
            used,
            mined: intent.mined.is_some(),
            own_key: intent.signer == Some(self.signer.address()),
            repeatable: intent.new.repeatable,
        };
        match facts.standing() {
            Standing::Hidden => {
                if self.is_orphaned(intent).await? {
                    self.check_chain().await?;
                    return self.taken(intent).await;
                }
                // The node lags, or lies: nothing is known that was not known before.
                self.memory().conflicts.remove(id);
                Ok(())
            }
            Standing::Taken => {
                self.check_chain().await?;
                self.taken(intent).await
            }
            Standing::Dropped => {
                self.check_chain().await?;
                self.send_again(intent).await?;
                self.broadcast(flight).await
            }
            Standing::Rotated => {
                tracing::warn!(
                    intent = id,
                    signer = ?intent.signer,
                    "another key signed it before; it is sent with the present one"
                );
                self.queue_again(intent).await
            }
            Standing::Stranded => {
                if self.has_outlasted(id) {
                    let why = "a key that is no longer used signed it, and it was not mined";
                    return self.give_up(id.clone(), why.to_owned()).await;
                }
                if intent.mined.is_some() {
                    self.send_again(intent).await?;
                }
                self.show_if_due(flight).await
            }
            Standing::InFlight => {
                self.memory().conflicts.remove(id);
                match self.raise_if_stuck(flight).await? {
                    true => Ok(()),
                    false => self.show_if_due(flight).await,
                }
            }
        }
    }

    /// Follows an intent. What the node answers to this one alone must not hold up the others: it is returned.
    pub(super) async fn follow_or_tell(
        &self,
        flight: &Flight,
        head: u64,
        used: u64,
    ) -> Result<Option<String>, SendError> {
        match self.follow(flight, head, used).await {
            Err(SendError::Rpc(error)) if error.is_error_resp() => {
                Ok(Some(format!("{}: {error}", flight.id())))
            }
            followed => followed.map(|()| None),
        }
    }

    /// Opens an intent again whose block is gone.
    pub(super) async fn send_again(&self, intent: &Intent) -> Result<(), SendError> {
        let id = intent.new.id.clone();
        tracing::warn!(
            intent = id,
            "its block was reorganized away; sending it again"
        );
        self.store
            .set_intent(id.clone(), IntentState::Sent, None, None, false)
            .await?;
        self.tell(Outcome::Reopened { id });
        Ok(())
    }

    /// Whether the block in which an intent was found is no longer the chain's. A node that does not know says nothing.
    async fn is_orphaned(&self, intent: &Intent) -> Result<bool, SendError> {
        let Some((number, hash, _)) = intent.mined else {
            return Ok(false);
        };
        let block = self
            .provider
            .get_block_by_number(BlockNumberOrTag::Number(number))
            .await?;
        Ok(block.is_some_and(|block| block.header.hash != hash))
    }

    /// Counts one more look at which an intent's transaction was nowhere. `true` when there were enough of them.
    fn has_outlasted(&self, id: &str) -> bool {
        let now = Instant::now();
        let mut memory = self.memory();
        let looks = memory
            .conflicts
            .entry(id.to_owned())
            .or_insert_with(|| Looks::new(now));
        let enough = looks.outlast(now, self.patience.taken);
        if enough {
            memory.conflicts.remove(id);
        }
        enough
    }

    async fn queue_again(&self, intent: &Intent) -> Result<(), SendError> {
        let id = intent.new.id.clone();
        self.store
            .set_intent(id.clone(), IntentState::Queued, None, None, false)
            .await?;
        if intent.mined.is_some() {
            self.tell(Outcome::Reopened { id });
        }
        self.wake.notify_one();
        Ok(())
    }

    async fn give_up(&self, id: String, why: String) -> Result<(), SendError> {
        let state = IntentState::Failed;
        self.store
            .set_intent(id.clone(), state, None, Some(why.clone()), true)
            .await?;
        self.tell(Outcome::GivenUp { id, why });
        Ok(())
    }

    async fn find<'a>(
        &self,
        attempts: &'a [Attempt],
    ) -> Result<Option<(&'a Attempt, TransactionReceipt)>, SendError> {
        for attempt in attempts.iter().rev() {
            if let Some(receipt) = self.provider.get_transaction_receipt(attempt.hash).await? {
                return Ok(Some((attempt, receipt)));
            }
        }
        Ok(None)
    }

    async fn found(
        &self,
        intent: &Intent,
        tx: B256,
        receipt: TransactionReceipt,
        head: u64,
        used: bool,
    ) -> Result<(), SendError> {
        let (Some(block), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
            return Ok(());
        };
        let id = intent.new.id.clone();
        let is_final = used && head >= block.saturating_add(self.timing.confirmations);
        let (state, error) = if receipt.status() {
            (IntentState::Mined, None)
        } else {
            (
                IntentState::Failed,
                Some(format!("reverted in block {block}")),
            )
        };
        let known = intent.mined == Some((block, block_hash, tx));
        if !known || is_final {
            self.store
                .set_intent(
                    id.clone(),
                    state,
                    Some((block, block_hash, tx)),
                    error,
                    is_final,
                )
                .await?;
        }
        self.memory().forget(&id);
        if known {
            return Ok(());
        }
        self.tell(if receipt.status() {
            let logs = receipt.logs().to_vec();
            Outcome::Mined {
                id,
                block,
                tx,
                logs,
            }
        } else {
            Outcome::Reverted { id }
        });
        Ok(())
    }

    /// A nonce of ours is used, and no attempt of ours is in a block, as far as the node shows.
    async fn taken(&self, intent: &Intent) -> Result<(), SendError> {
        let id = intent.new.id.clone();
        if !self.has_outlasted(&id) {
            return Ok(());
        }
        tracing::warn!(
            intent = id,
            nonce = intent.nonce,
            "another program sends with the operator key"
        );
        if intent.new.repeatable {
            return self.queue_again(intent).await;
        }
        let why = "its nonce was used by another program with the same key";
        self.give_up(id, why.to_owned()).await
    }

    /// Signs an attempt with higher fees, if the last one waits too long. `true` if it was broadcast.
    async fn raise_if_stuck(&self, flight: &Flight) -> Result<bool, SendError> {
        let Some(last) = flight.attempts.last() else {
            return Ok(false);
        };
        let (id, pressure) = (flight.id(), &flight.pressure);
        // An old attempt that this process has not shown to the node is shown before it is raised.
        if !self.memory().broadcast.contains_key(id) {
            return Ok(false);
        }
        let refused = self.memory().refused.get(id).map(|(refusal, _)| *refusal);
        // More cannot be paid by an account that cannot pay this.
        if refused == Some(Refusal::Funds) {
            return Ok(false);
        }
        let age = Duration::from_secs(crate::clock::local_now().saturating_sub(last.signed));
        let is_due = pressure.is_due(age, fees_of(last));
        if !is_due && refused != Some(Refusal::Underpriced) {
            return Ok(false);
        }
        let market = self.market_fees().await?;
        // One that the node refused as too cheap does not wait for its time.
        if !is_due && market.max <= last.max_fee {
            return Ok(false);
        }
        let raise = pressure.raise(fees_of(last), market);
        {
            let mut memory = self.memory();
            match raise.is_capped {
                true => {
                    let words = capped_words(&flight.intent.new, pressure);
                    memory.capped.insert(id.clone(), words);
                }
                false => {
                    memory.capped.remove(id);
                }
            }
        }
        let Some(raised) = raise.fees else {
            return Ok(false);
        };
        let gas = gas_of(last)?;
        let attempt = self.sign(&flight.intent.new, last.nonce, gas, raised)?;
        tracing::info!(
            intent = id,
            max_fee = raised.max,
            "not mined yet; raising its fees"
        );
        self.store.put_attempt(id.clone(), attempt.clone()).await?;
        self.show(id, &attempt).await?;
        Ok(true)
    }

    async fn show_if_due(&self, flight: &Flight) -> Result<(), SendError> {
        let at = self.memory().broadcast.get(flight.id()).copied();
        match at.is_none_or(|at| at.elapsed() > REBROADCAST) {
            true => self.broadcast(flight).await,
            false => Ok(()),
        }
    }

    /// Shows the newest attempt to the node.
    pub(super) async fn broadcast(&self, flight: &Flight) -> Result<(), SendError> {
        match flight.attempts.last() {
            Some(attempt) => self.show(flight.id(), attempt).await,
            None => Ok(()),
        }
    }

    /// Shows an attempt to the node, and remembers its refusal. That it knows it already, or has mined it, is none.
    pub(super) async fn show(&self, id: &str, attempt: &Attempt) -> Result<(), SendError> {
        self.memory()
            .broadcast
            .insert(id.to_owned(), Instant::now());
        let words = match self.provider.send_raw_transaction(&attempt.raw).await {
            Ok(_) => None,
            Err(error) => match error.as_error_resp() {
                Some(payload) => Some(payload.message.to_string()),
                None => return Err(error.into()),
            },
        };
        let refused = words.and_then(|words| Some((refusal(&words)?, words)));
        let mut memory = self.memory();
        match refused {
            Some(refused) => memory.refused.insert(id.to_owned(), refused),
            None => memory.refused.remove(id),
        };
        Ok(())
    }
}

/// The gas limit of a signed attempt: its replacement keeps it.
fn gas_of(attempt: &Attempt) -> Result<u64, SendError> {
    use alloy::{
        consensus::{Transaction as _, TxEnvelope},
        eips::Decodable2718 as _,
    };
    TxEnvelope::decode_2718(&mut attempt.raw.as_slice())
        .map(|tx| tx.gas_limit())
        .map_err(|error| SendError::Build(error.to_string()))
}
