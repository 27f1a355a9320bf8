//! The durable sender: what was written down is sent, once, whatever happens in between.
//!
//! An intent is stored first; then its call is simulated (a revert ends it, no nonce is lost);
//! then it takes the next nonce, is signed and stored; only then it is broadcast. What waits too
//! long is sent again with the same nonce and 12.5 % higher fees, and whichever attempt is mined
//! counts. A mined attempt stays under watch until its block is final: reorganized away, it is
//! broadcast again.

mod fees;
mod flight;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::{
    consensus::SignableTransaction as _,
    eips::{BlockId, BlockNumberOrTag, Encodable2718 as _},
    network::TransactionBuilder as _,
    primitives::{Address, B256},
    providers::{DynProvider, Provider as _},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::{SignerSync as _, local::PrivateKeySigner},
    transports::TransportError,
};
use piecework::chain::{Revert, decode_error};
use tokio::sync::{Notify, mpsc};

use crate::{
    clock::{ChainClock, local_now},
    config::ChainTiming,
    store::{Attempt, Intent, IntentState, NewIntent, Store, StoreError},
};

/// Transactions in flight above which nothing is begun that can wait.
const MAX_IN_FLIGHT: usize = 8;

/// What happened to an intent.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// In a block, with success.
    Mined {
        id: String,
        receipt: Box<TransactionReceipt>,
    },
    /// Refused in simulation: nothing was sent, and nothing will be.
    Refused { id: String, revert: Box<Revert> },
    /// In a block, but it reverted: its gas is spent, it will not be sent again.
    Reverted { id: String },
    /// Given up without a result, for another reason.
    GivenUp { id: String, why: String },
    /// Its block was reorganized away; it is on its way again.
    Orphaned { block_hash: B256 },
}

/// Why a pass over the open intents stopped; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the chain's endpoint failed: {0}")]
    Rpc(#[from] TransportError),
    #[error("the endpoint serves chain {actual}, not chain {expected}")]
    WrongChain { expected: u64, actual: u64 },
    #[error("the operator key did not sign: {0}")]
    Sign(#[from] alloy::signers::Error),
    #[error("a transaction cannot be built: {0}")]
    Build(String),
}

/// Sends calls of one key: to the market, or to the contract that an intent names.
#[derive(Clone, Debug)]
pub(crate) struct Sender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: DynProvider,
    signer: PrivateKeySigner,
    chain_id: u64,
    market: Address,
    store: Store,
    clock: ChainClock,
    timing: ChainTiming,
    wake: Notify,
    outcomes: mpsc::UnboundedSender<Outcome>,
    /// What is only worth remembering while the process lives.
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Head at which mined intents were last looked at.
    checked: Option<B256>,
    /// When each intent was last broadcast.
    broadcast: HashMap<String, tokio::time::Instant>,
    /// How often in a row an intent's nonce was found used by none of its attempts.
    conflicts: HashMap<String, u32>,
    /// Why sending does not work at the moment.
    trouble: Option<String>,
}

impl Sender {
    pub(crate) fn new(
        provider: DynProvider,
        signer: PrivateKeySigner,
        chain_id: u64,
        market: Address,
        store: Store,
        clock: ChainClock,
        timing: ChainTiming,
    ) -> (Self, mpsc::UnboundedReceiver<Outcome>) {
        let (outcomes, receiver) = mpsc::unbounded_channel();
        let inner = Inner {
            provider,
            signer,
            chain_id,
            market,
            store,
            clock,
            timing,
            wake: Notify::new(),
            outcomes,
            memory: Mutex::default(),
        };
        (Self(Arc::new(inner)), receiver)
    }

    /// Writes an intent down and wakes the loop; `false` if the id was used before.
    pub(crate) async fn send(&self, intent: NewIntent) -> Result<bool, StoreError> {
        let new = self.0.store.put_intent(intent).await?;
        self.0.wake.notify_one();
        Ok(new)
    }

    /// Why sending does not work at the moment, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0.memory().trouble.clone()
    }

    /// Works until an error that only a human can mend: the store's, or the key's.
    pub(crate) async fn run(&self) -> Result<std::convert::Infallible, SendError> {
        loop {
            match self.pass().await {
                Ok(()) => {}
                Err(error @ (SendError::Rpc(_) | SendError::WrongChain { .. })) => {
                    tracing::warn!(%error, "the chain's endpoint fails; transactions wait");
                    self.0.memory().trouble = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(self.0.timing.poll) => {}
            }
        }
    }

    /// One look at every open intent, in the order of their nonces, then the new ones.
    pub(crate) async fn pass(&self) -> Result<(), SendError> {
        let inner = &self.0;
        // Without the node: room that is held for a claim is wanted elsewhere when its time is over.
        inner.give_up_late().await?;
        let open = inner.store.open_intents().await?;
        if open.is_empty() {
            inner.memory().trouble = None;
            return Ok(());
        }
        inner.check_chain().await?;
        let Some(head) = inner.provider.get_block(BlockId::latest()).await? else {
            return Ok(());
        };
        let (number, hash) = (head.header.number, head.header.hash);
        let moved = inner.memory().checked != Some(hash);
        // Read before the receipts: a nonce that is used although no receipt is found is another's.
        let used = inner
            .provider
            .get_transaction_count(inner.signer.address())
            .await?;

        let mut in_flight = 0;
        for intent in open.iter().filter(|intent| intent.nonce.is_some()) {
            in_flight += usize::from(intent.state == IntentState::Sent);
            if moved || intent.state == IntentState::Sent {
                inner.follow(intent, number, used).await?;
            }
        }
        let mut trouble = None;
        for intent in open.iter().filter(|intent| intent.nonce.is_none()) {
            if intent.new.repeatable || in_flight < MAX_IN_FLIGHT {
                match inner.begin(intent, number).await {
                    Ok(begun) => in_flight += usize::from(begun),
                    // The node answers, but not to this one: it must not hold up the others.
                    Err(SendError::Rpc(error)) if error.is_error_resp() => {
                        trouble = Some(format!("{}: {error}", intent.new.id));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let mut memory = inner.memory();
        memory.checked = Some(hash);
        if trouble.is_some() && memory.trouble != trouble {
            tracing::warn!(trouble, "a transaction cannot be sent; it is tried again");
        }
        memory.trouble = trouble;
        Ok(())
    }
}

impl Inner {
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, outcome: Outcome) {
        // Nobody listens any more while stopping; the store knows all the same.
        let _ = self.outcomes.send(outcome);
    }

    /// What another chain does not know is neither reorganized away nor another's.
    async fn check_chain(&self) -> Result<(), SendError> {
        match self.provider.get_chain_id().await? {
            actual if actual == self.chain_id => Ok(()),
            actual => Err(SendError::WrongChain {
                expected: self.chain_id,
                actual,
            }),
        }
    }

    /// Ends intents that were never sent, and whose time is over.
    async fn give_up_late(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for intent in self.store.open_intents().await? {
            let is_late = intent.new.not_after.is_some_and(|limit| now > limit);
            if intent.nonce.is_some() || !is_late {
                continue;
            }
            let id = intent.new.id;
            let why = "its time was over before it could be sent".to_owned();
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
        }
        Ok(())
    }

    /// Simulates, signs, stores and broadcasts a new intent. `true` if it is in flight now.
    async fn begin(&self, intent: &Intent, head: u64) -> Result<bool, SendError> {
        let id = intent.new.id.clone();
        let gas = match self.estimate(&intent.new).await {
            Ok(gas) => gas,
            Err(error) => {
                let Some(revert) = decode_error(&error) else {
                    return Err(error.into());
                };
                self.store
                    .set_intent(
                        id.clone(),
                        IntentState::Failed,
                        None,
                        Some(revert.to_string()),
                        true,
                    )
                    .await?;
                tracing::info!(intent = id, %revert, "refused in simulation; nothing was sent");
                self.tell(Outcome::Refused {
                    id,
                    revert: Box::new(revert),
                });
                return Ok(false);
            }
        };
        let fees = self.market_fees().await?;
        let pending = self
            .provider
            .get_transaction_count(self.signer.address())
            .pending()
            .await?;
        let open = self
            .store
            .highest_open_nonce()
            .await?
            .map_or(0, |nonce| nonce.saturating_add(1));
        let attempt = self.sign(&intent.new, pending.max(open), gas, fees)?;
        self.store.put_attempt(id.clone(), attempt).await?;
        let Some(sent) = self.store.intent(id).await? else {
            return Ok(false);
        };
        self.broadcast(&sent).await?;
        // Chains that mine on demand (development) answer almost at once.
        if self.timing.poll < Duration::from_millis(200) {
            for _ in 0..5 {
                self.follow(&sent, head, 0).await?;
                let now = self.store.intent(sent.new.id.clone()).await?;
                if now.is_none_or(|intent| intent.state != IntentState::Sent) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        }
        Ok(true)
    }

    async fn estimate(&self, call: &NewIntent) -> Result<u64, TransportError> {
        let request = TransactionRequest::default()
            .with_from(self.signer.address())
            .with_to(call.to.unwrap_or(self.market))
            .with_input(call.data.clone());
        let gas = self
            .provider
            .estimate_gas(request)
            .block(BlockNumberOrTag::Pending.into())
            .await?;
        // Room for what others do between now and the block: a share, for a unit of gas is another thing on every chain.
        Ok(gas.saturating_add(gas / 2))
    }

    fn sign(
        &self,
        call: &NewIntent,
        nonce: u64,
        gas: u64,
        fees: fees::Fees,
    ) -> Result<Attempt, SendError> {
        let request = TransactionRequest::default()
            .with_chain_id(self.chain_id)
            .with_to(call.to.unwrap_or(self.market))
            .with_input(call.data.clone())
            .with_nonce(nonce)
            .with_gas_limit(gas)
            .with_max_fee_per_gas(fees.max)
            .with_max_priority_fee_per_gas(fees.tip);
        let unsigned = request
            .build_1559()
            .map_err(|error| SendError::Build(error.to_string()))?;
        let signature = self.signer.sign_hash_sync(&unsigned.signature_hash())?;
        let signed = unsigned.into_signed(signature);
        Ok(Attempt {
            hash: *signed.hash(),
            nonce,
            raw: signed.encoded_2718(),
            max_fee: fees.max,
            tip: fees.tip,
            signed: local_now(),
        })
    }
}

#[cfg(test)]
mod tests;
