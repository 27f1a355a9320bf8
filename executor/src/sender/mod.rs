//! The durable sender: what was written down is sent, once, whatever happens in between.
//!
//! An intent is stored first; then its call is simulated (a revert ends it, no nonce is lost); then it takes the next
//! nonce, is signed and stored; only then it is broadcast. An attempt that waits too long is sent again with the same
//! nonce and 12.5 % higher fees, and whichever attempt is mined counts. The nearer its deadline, the less an attempt
//! waits, and what saves stake may cost more. A mined attempt stays under watch, for a while even after its block is
//! final. If its block is reorganized away, it is broadcast again.
//!
//! Which fees and which nonce are right is decided in `fees` and `nonce`, and what a node's refusal means in `refusal`.
//! These decisions are pure.

mod fees;
mod flight;
mod gaps;
mod nonce;
mod refusal;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::{
    consensus::SignableTransaction as _,
    eips::{BlockId, BlockNumberOrTag, Encodable2718 as _},
    network::TransactionBuilder as _,
    primitives::{Address, B256},
    providers::{DynProvider, Provider as _},
    rpc::types::{Log, TransactionRequest},
    signers::{SignerSync as _, local::PrivateKeySigner},
    transports::TransportError,
};
use piecework_core::chain::Revert;
use piecework_net::chain::decode_error;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use self::{
    fees::{Fees, Pressure},
    flight::Flight,
    nonce::{Looks, Patience},
    refusal::Refusal,
};
use crate::{
    clock::{ChainClock, local_now},
    config::{ChainTiming, DEVNET_CHAIN},
    store::{Attempt, Intent, IntentState, NewIntent, Store, StoreError},
};

/// Transactions in flight above which nothing is begun that can wait.
const MAX_IN_FLIGHT: usize = 8;
/// Blocks for which a final transaction is watched: a reorganization may be deeper than thought.
const WATCHED: u64 = 256;
/// Polls between two looks at final transactions, when nothing else is on its way.
const WATCH_POLLS: u32 = 10;
/// Local time for which no pending count is believed, after one left a nonce that nobody has.
const DISTRUST: Duration = Duration::from_hours(1);

/// What happened to an intent.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// In a block, with success, and with these logs.
    Mined {
        id: String,
        block: u64,
        tx: B256,
        logs: Vec<Log>,
    },
    /// Its block is gone, and it is on its way again.
    Reopened { id: String },
    /// Refused in simulation: nothing was sent, and nothing will be.
    Refused { id: String, revert: Box<Revert> },
    /// In a block, but it reverted: its gas is spent, it will not be sent again.
    Reverted { id: String },
    /// Given up without a result, for another reason.
    GivenUp { id: String, why: String },
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

impl crate::supervise::MayPass for SendError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Store(error) if error.may_pass())
    }
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
    patience: Patience,
    wake: Notify,
    outcomes: mpsc::UnboundedSender<Outcome>,
    /// What is only worth remembering while the process lives.
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Head at which mined intents were last looked at.
    checked: Option<B256>,
    /// When final transactions were last looked at.
    watched: Option<Instant>,
    /// When each intent was last broadcast.
    broadcast: HashMap<String, Instant>,
    /// For each intent whose nonce is used: the looks in a row that found its transaction in no block.
    conflicts: HashMap<String, Looks>,
    /// What the node refused, and its words.
    refused: HashMap<String, (Refusal, String)>,
    /// What would have to pay more than it may, in words.
    capped: HashMap<String, String>,
    /// Since when nonces below ours are missing.
    gaps: HashMap<u64, Instant>,
    /// Since when the pending count is above what we know.
    above: Option<Instant>,
    /// When a missing nonce was filled last.
    filled: Option<Instant>,
    /// Why sending does not work at the moment.
    trouble: Option<String>,
}

impl Memory {
    /// Forgets what is of a transaction on its way.
    fn forget(&mut self, id: &str) {
        self.broadcast.remove(id);
        self.conflicts.remove(id);
        self.refused.remove(id);
        self.capped.remove(id);
    }

    /// The first of these intents that cannot be sent, in words.
    fn trouble_of<'a>(&self, mut ids: impl Iterator<Item = &'a String>) -> Option<String> {
        ids.find_map(|id| {
            // The cap explains a refusal better than the node does.
            self.capped.get(id).cloned().or_else(|| {
                let (_, words) = self.refused.get(id)?;
                Some(format!("{id}: the node refused it: {words}"))
            })
        })
    }
}

impl Sender {
    pub(crate) fn new(
        provider: DynProvider,
        signer: PrivateKeySigner,
        store: Store,
        clock: ChainClock,
        timing: ChainTiming,
        outcomes: mpsc::UnboundedSender<Outcome>,
    ) -> Self {
        let (chain_id, market) = store.place();
        let inner = Inner {
            provider,
            signer,
            chain_id,
            market,
            store,
            clock,
            patience: Patience::of(timing.poll, chain_id == DEVNET_CHAIN),
            timing,
            wake: Notify::new(),
            outcomes,
            memory: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    /// Writes an intent down and wakes the loop; `false` if the id was used before.
    pub(crate) async fn send(&self, intent: NewIntent) -> Result<bool, StoreError> {
        let asked = asked_at(&self.0.clock);
        let new = self.0.store.put_intent(intent, asked).await?;
        self.wake();
        Ok(new)
    }

    /// Wakes the loop: intents were written down.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Why sending does not work at the moment, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0.memory().trouble.clone()
    }

    /// Works until an error that only a human can mend: the store's, or the key's.
    pub(crate) async fn run(&self) -> Result<std::convert::Infallible, SendError> {
        let poll = self.0.timing.poll;
        loop {
            let pause = match self.pass().await {
                // Whoever writes an intent down wakes the loop.
                Ok(0) => poll.saturating_mul(WATCH_POLLS),
                Ok(_) => poll,
                Err(error @ (SendError::Rpc(_) | SendError::WrongChain { .. })) => {
                    tracing::warn!(%error, "the chain's endpoint fails; transactions wait");
                    self.0.memory().trouble = Some(error.to_string());
                    poll
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look at every open intent, in the order of their nonces, then the new ones. Returns how many there were.
    pub(crate) async fn pass(&self) -> Result<usize, SendError> {
        let inner = &self.0;
        // Without the node: the capacity of a claim is wanted elsewhere when its time is over.
        let mut open = inner.give_up_late().await?;
        let over = inner.store.recently_final(WATCHED).await?;
        if open.is_empty() && (over.is_empty() || !inner.is_time_to_watch()) {
            inner.memory().trouble = None;
            return Ok(0);
        }
        let Some(head) = inner.provider.get_block(BlockId::latest()).await? else {
            return Ok(open.len());
        };
        let (number, hash) = (head.header.number, head.header.hash);
        let now = match inner.clock.now() {
            0 => head.header.timestamp,
            now => now,
        };
        let moved = inner.memory().checked != Some(hash);
        let waits = open
            .iter()
            .any(|intent| matches!(intent.state, IntentState::Queued | IntentState::Sent));
        if !moved && !waits {
            // Where all are in blocks, only another block can change anything.
            inner.memory().trouble = None;
            return Ok(open.len());
        }
        inner.check_chain().await?;
        // Read before the receipts: a nonce that is used although no receipt is found may be another's.
        let signers = open.iter().chain(&over).filter_map(|intent| intent.signer);
        let used = inner.counts(signers.collect()).await?;
        let count = |signer: Option<Address>| {
            let signer = signer.unwrap_or(inner.signer.address());
            used.get(&signer).copied().unwrap_or_default()
        };
        let mut reopened = false;
        for intent in &over {
            let is_recent = intent
                .mined
                .is_some_and(|(block, ..)| block.saturating_add(WATCHED) >= number);
            if is_recent
                && intent
                    .nonce
                    .is_some_and(|nonce| count(intent.signer) <= nonce)
            {
                inner.send_again(intent).await?;
                reopened = true;
            }
        }
        if reopened {
            open = inner.store.open_intents().await?;
        }

        let mut flights = Vec::new();
        for intent in open.iter().filter(|intent| intent.nonce.is_some()) {
            flights.push(inner.flight(intent.clone(), now).await?);
        }
        let line = inner.line_up(&mut flights);
        let (mut in_flight, mut trouble) = (0, None);
        // Where a node limits its calls, receipts of what is in a block come last: nothing waits for them.
        let (sent, mined): (Vec<_>, Vec<_>) =
            (flights.iter()).partition(|flight| flight.intent.state == IntentState::Sent);
        for flight in sent {
            in_flight += 1;
            let used = count(flight.intent.signer);
            trouble = inner
                .follow_or_tell(flight, number, used)
                .await?
                .or(trouble);
        }
        let own = count(None);
        inner.find_gaps(own).await?;
        // What cannot be begun must not keep what is in a block from being followed.
        let mut failed = None;
        let patience = line.map_or(inner.patience.gap, |line| inner.patience.gap.min(line));
        for intent in open.iter().filter(|intent| intent.nonce.is_none()) {
            if intent.new.repeatable || in_flight < MAX_IN_FLIGHT {
                match inner.begin(intent, number, own, now, patience).await {
                    Ok(begun) => in_flight += usize::from(begun),
                    Err(SendError::Rpc(error)) if error.is_error_resp() => {
                        trouble = Some(format!("{}: {error}", intent.new.id));
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
        }
        if failed.is_none() {
            failed = inner.fill_gaps(patience).await.err();
        }
        for flight in mined.into_iter().filter(|_| moved) {
            let used = count(flight.intent.signer);
            trouble = inner
                .follow_or_tell(flight, number, used)
                .await?
                .or(trouble);
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let mut memory = inner.memory();
        memory.checked = Some(hash);
        let trouble = memory
            .trouble_of(open.iter().map(|intent| &intent.new.id))
            .or(trouble);
        if trouble.is_some() && memory.trouble != trouble {
            tracing::warn!(trouble, "a transaction cannot be sent; it is tried again");
        }
        memory.trouble = trouble;
        Ok(open.len())
    }
}

/// The chain's time, as intents that are written down now keep it.
pub(crate) fn asked_at(clock: &ChainClock) -> u64 {
    match clock.now() {
        // No block was seen yet.
        0 => local_now(),
        now => now,
    }
}

impl Inner {
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, outcome: Outcome) {
        // While the executor stops, nobody listens. The store knows all the same.
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

    /// Whether final transactions are to be looked at again, when nothing else is on its way.
    fn is_time_to_watch(&self) -> bool {
        let pause = self.timing.poll.saturating_mul(WATCH_POLLS);
        let mut memory = self.memory();
        let is_time = memory.watched.is_none_or(|at| at.elapsed() >= pause);
        if is_time {
            memory.watched = Some(Instant::now());
        }
        is_time
    }

    /// How many nonces each of these accounts, and ours, has used.
    async fn counts(
        &self,
        mut signers: HashSet<Address>,
    ) -> Result<HashMap<Address, u64>, SendError> {
        signers.insert(self.signer.address());
        let mut counts = HashMap::new();
        for signer in signers {
            let count = self.provider.get_transaction_count(signer).await?;
            counts.insert(signer, count);
        }
        Ok(counts)
    }

    /// Puts the pressure of urgent transactions on those with lower nonces of ours. Returns how long a missing nonce may
    /// hold the line up, if something in it is urgent.
    fn line_up(&self, flights: &mut [Flight]) -> Option<Duration> {
        let mut behind: Option<Pressure> = None;
        let own = Some(self.signer.address());
        // By their nonces, the highest first.
        for flight in flights.iter_mut().rev() {
            // What is in a block waits for nothing.
            if flight.intent.signer != own || flight.intent.state != IntentState::Sent {
                continue;
            }
            let pressure = behind.map_or(flight.pressure, |behind| {
                behind.on_predecessor(flight.pressure)
            });
            flight.pressure = pressure;
            behind = Some(pressure);
        }
        behind
            .filter(|line| line.is_urgent)
            .map(|line| line.patience)
    }

    /// Ends intents that were never sent, and whose time is over. Returns the others that are open.
    async fn give_up_late(&self) -> Result<Vec<Intent>, StoreError> {
        let now = self.clock.now();
        let mut open = Vec::new();
        for intent in self.store.open_intents().await? {
            let is_late = intent.new.not_after.is_some_and(|limit| now > limit);
            if intent.nonce.is_some() || !is_late {
                open.push(intent);
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
        Ok(open)
    }

    /// Simulates, signs, stores and broadcasts a new intent. `true` if it is in flight now.
    async fn begin(
        &self,
        intent: &Intent,
        head: u64,
        used: u64,
        now: u64,
        patience: Duration,
    ) -> Result<bool, SendError> {
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
        let pressure = Pressure::of(&self.timing, &intent.new, intent.asked, now);
        let fees = self.market_fees().await?.capped(pressure.cap);
        let nonce = self.next_nonce(used, patience).await?;
        let attempt = self.sign(&intent.new, nonce, gas, fees)?;
        self.store.put_attempt(id.clone(), attempt).await?;
        let Some(sent) = self.store.intent(id.clone()).await? else {
            return Ok(false);
        };
        let flight = self.flight(sent, now).await?;
        self.broadcast(&flight).await?;
        // Chains that mine on demand (development) answer almost at once.
        if self.timing.poll < Duration::from_millis(200) {
            for _ in 0..5 {
                self.follow(&flight, head, 0).await?;
                let sent = self.store.intent(id.clone()).await?;
                if sent.is_none_or(|intent| intent.state != IntentState::Sent) {
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
        fees: Fees,
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
            signer: self.signer.address(),
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
