//! What is signed: broadcast it, find it in a block, watch it until it is final.

use std::time::Duration;

use alloy::{primitives::B256, providers::Provider as _, rpc::types::TransactionReceipt};

use super::{Inner, Outcome, SendError, fees::Fees};
use crate::store::{Attempt, Intent, IntentState};

/// How often a transaction that no block holds is shown to the node again.
const REBROADCAST: Duration = Duration::from_secs(3);
/// Looks after which a nonce that none of our attempts used is given up: nodes behind one address
/// do not always agree.
const CONFLICT_LOOKS: u32 = 3;

impl Inner {
    /// Looks where an intent with a nonce stands, and does what is due.
    pub(super) async fn follow(
        &self,
        intent: &Intent,
        head: u64,
        used: u64,
    ) -> Result<(), SendError> {
        let id = &intent.new.id;
        let attempts = self.live_attempts(intent).await?;
        if let Some((attempt, receipt)) = self.find(&attempts).await? {
            return self.found(intent, attempt.hash, receipt, head).await;
        }
        if intent.mined.is_some() || intent.nonce.is_some_and(|nonce| used > nonce) {
            self.check_chain().await?;
        }
        if let Some((_, block_hash, _)) = intent.mined {
            tracing::warn!(
                intent = id,
                "its block was reorganized away; sending it again"
            );
            self.store
                .set_intent(id.clone(), IntentState::Sent, None, None, false)
                .await?;
            self.tell(Outcome::Orphaned { block_hash });
            return self.broadcast(intent).await;
        }
        if intent.nonce.is_some_and(|nonce| used > nonce) {
            return self.conflict(intent).await;
        }
        self.memory().conflicts.remove(id);
        self.raise_if_stuck(intent, &attempts).await?;
        let due = self
            .memory()
            .broadcast
            .get(id)
            .is_none_or(|at| at.elapsed() > REBROADCAST);
        if due {
            self.broadcast(intent).await
        } else {
            Ok(())
        }
    }

    async fn live_attempts(&self, intent: &Intent) -> Result<Vec<Attempt>, SendError> {
        let mut attempts = self.store.attempts(intent.new.id.clone()).await?;
        attempts.retain(|attempt| Some(attempt.nonce) == intent.nonce);
        Ok(attempts)
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
    ) -> Result<(), SendError> {
        let (Some(block), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
            return Ok(());
        };
        let id = intent.new.id.clone();
        let is_final = head >= block.saturating_add(self.timing.confirmations);
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
        if is_final {
            let mut memory = self.memory();
            memory.broadcast.remove(&id);
            memory.conflicts.remove(&id);
        }
        if known {
            return Ok(());
        }
        if let Some((_, orphan, _)) = intent.mined
            && orphan != block_hash
        {
            self.tell(Outcome::Orphaned { block_hash: orphan });
        }
        self.tell(if receipt.status() {
            Outcome::Mined {
                id,
                receipt: Box::new(receipt),
            }
        } else {
            Outcome::Reverted { id }
        });
        Ok(())
    }

    /// Another program used our nonce with the same key.
    async fn conflict(&self, intent: &Intent) -> Result<(), SendError> {
        let id = intent.new.id.clone();
        let looks = {
            let mut memory = self.memory();
            let looks = memory.conflicts.entry(id.clone()).or_default();
            *looks += 1;
            *looks
        };
        if looks < CONFLICT_LOOKS {
            return Ok(());
        }
        self.memory().conflicts.remove(&id);
        tracing::warn!(
            intent = id,
            nonce = intent.nonce,
            "another program sends with the operator key"
        );
        if intent.new.repeatable {
            self.store
                .set_intent(id, IntentState::Queued, None, None, false)
                .await?;
            self.wake.notify_one();
            return Ok(());
        }
        let why = "its nonce was used by another program with the same key".to_owned();
        self.store
            .set_intent(
                id.clone(),
                IntentState::Failed,
                None,
                Some(why.clone()),
                true,
            )
            .await?;
        self.tell(Outcome::GivenUp { id, why });
        Ok(())
    }

    async fn raise_if_stuck(&self, intent: &Intent, attempts: &[Attempt]) -> Result<(), SendError> {
        let Some(last) = attempts.last() else {
            return Ok(());
        };
        let age = crate::clock::local_now().saturating_sub(last.signed);
        if age < self.timing.bump_after.as_secs().max(1) {
            return Ok(());
        }
        let fees = Fees {
            max: last.max_fee,
            tip: last.tip,
        };
        let Some(raised) = fees.bumped(self.market_fees().await?, self.timing.max_fee_per_gas)
        else {
            return Ok(());
        };
        let gas = gas_of(last)?;
        let attempt = self.sign(&intent.new, last.nonce, gas, raised)?;
        tracing::info!(
            intent = intent.new.id,
            max_fee = raised.max,
            "not mined yet; raising its fees"
        );
        self.store
            .put_attempt(intent.new.id.clone(), attempt)
            .await?;
        self.broadcast(intent).await
    }

    /// Shows the newest attempt to the node. That it knows it already, or has mined it, is no error.
    pub(super) async fn broadcast(&self, intent: &Intent) -> Result<(), SendError> {
        let attempts = self.live_attempts(intent).await?;
        let Some(attempt) = attempts.last() else {
            return Ok(());
        };
        self.memory()
            .broadcast
            .insert(intent.new.id.clone(), tokio::time::Instant::now());
        match self.provider.send_raw_transaction(&attempt.raw).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_error_resp() => {
                tracing::debug!(intent = intent.new.id, %error, "the node did not take the transaction");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
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
