//! The chain of a dev node: its state, its blocks, and the transactions that wait.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use codec::{Decode, Encode};
use frame_support::dispatch::GetDispatchInfo;
use frame_support::storage::{TransactionOutcome, with_transaction};
use frame_support::traits::{OnFinalize, OnInitialize};
use frame_system::ChainContext;
use pallet_revive::evm::{GenericTransaction, TransactionSigned};
use pallet_revive::genesis::Account;
use pallet_revive::pallet_revive_types::runtime_api::{
    BlockV1, HashesOrTransactionInfosV1, TransactionInfoV1,
};
use pallet_revive::{H160, H256, U256};
use sp_io::TestExternalities;
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::traits::{Applyable, Checkable};
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};
use sp_runtime::{BuildStorage, DispatchError, generic};

use super::RpcError;
use super::history::History;
use crate::runtime::{
    AllPalletsWithSystem, ChainId, Revive, Runtime, RuntimeCall, RuntimeEvent,
    RuntimeGenesisConfig, RuntimeOrigin, System, Timestamp, UncheckedExtrinsic,
};

/// Transactions that may wait.
const POOL: usize = 1_000;

/// What a chain begins with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its id, as in EIP-155.
    pub chain_id: u64,
    /// Accounts that have money.
    pub rich: Vec<H160>,
    /// How much each has, in wei.
    pub balance: U256,
    /// Whether each transaction is mined at once.
    pub automine: bool,
}

/// A log of a transaction.
#[derive(Clone, Debug)]
pub struct Log {
    /// Who told it.
    pub address: H160,
    /// Its topics.
    pub topics: Vec<H256>,
    /// Its data.
    pub data: Vec<u8>,
}

/// A transaction that was mined.
#[derive(Clone, Debug)]
pub struct Done {
    /// Who sent it.
    pub from: H160,
    /// To whom; `None`: it deployed.
    pub to: Option<H160>,
    /// The contract that it deployed.
    pub created: Option<H160>,
    /// Why it did not do what it should, in the chain's words.
    pub failure: Option<String>,
    /// Its type, as in EIP-2718.
    pub kind: u8,
    /// What it used, in the chain's gas.
    pub gas_used: U256,
    /// What it paid for one gas, in wei.
    pub gas_price: U256,
    /// What it told.
    pub logs: Vec<Log>,
    /// The transaction as it was sent, and where it is.
    pub info: TransactionInfoV1,
}

/// A block, and what was done in it.
#[derive(Clone, Debug)]
pub struct Mined {
    /// The block; of its transactions the hashes.
    pub block: BlockV1,
    /// Its transactions.
    pub done: Vec<Done>,
}

/// A transaction that waits to be mined.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its hash.
    pub hash: H256,
    /// The transaction.
    pub signed: TransactionSigned,
    payload: Vec<u8>,
}

/// A chain in memory.
pub struct Chain {
    state: TestExternalities,
    history: History,
    /// From the first on.
    pub(super) blocks: Vec<Mined>,
    numbers: HashMap<H256, usize>,
    places: HashMap<H256, (usize, usize)>,
    pool: BTreeMap<(H160, u32), Waiting>,
    automine: bool,
    /// How far the chain's time is ahead of the clock, in milliseconds.
    ahead: u64,
    next_time: Option<u64>,
}

impl Chain {
    /// A chain with its first block.
    ///
    /// # Errors
    /// When the first state cannot be built.
    pub fn new(options: &Options) -> Result<Self, RpcError> {
        let account = |address: &H160| Account {
            address: *address,
            balance: options.balance,
            nonce: 0,
            contract_data: None,
        };
        let genesis = RuntimeGenesisConfig {
            revive: pallet_revive::GenesisConfig {
                accounts: options.rich.iter().map(account).collect(),
                ..Default::default()
            },
            ..Default::default()
        };
        let storage = genesis
            .build_storage()
            .map_err(|error| RpcError::refused(format!("no first state: {error}")))?;
        let mut state = TestExternalities::new(storage);
        state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
        let first = state.execute_with(|| {
            ChainId::set(&options.chain_id);
            // The first block again, with a time.
            pallet_timestamp::Now::<Runtime>::put(clock());
            <Revive as OnFinalize<u64>>::on_finalize(0);
            Mined {
                block: Revive::eth_block().into(),
                done: Vec::new(),
            }
        });
        let mut history = History::default();
        history.commit(&mut state)?;
        Ok(Self {
            state,
            history,
            numbers: HashMap::from([(first.block.hash, 0)]),
            blocks: vec![first],
            places: HashMap::new(),
            pool: BTreeMap::new(),
            automine: options.automine,
            ahead: 0,
            next_time: None,
        })
    }

    // ---------------------------------------------------------------- reading

    /// The number of the last block.
    pub fn number(&self) -> u64 {
        u64::try_from(self.blocks.len()).map_or(0, |count| count.saturating_sub(1))
    }

    /// A block by its number.
    pub fn block(&self, number: u64) -> Option<&Mined> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// A block by its hash.
    pub fn block_of(&self, hash: &H256) -> Option<&Mined> {
        self.blocks.get(*self.numbers.get(hash)?)
    }

    /// A mined transaction: the block it is in, and its place there.
    pub fn transaction(&self, hash: &H256) -> Option<(&Mined, usize)> {
        let (block, place) = self.places.get(hash)?;
        Some((self.blocks.get(*block)?, *place))
    }

    /// A transaction that waits.
    pub fn waiting(&self, hash: &H256) -> Option<&Waiting> {
        self.pool.values().find(|waiting| waiting.hash == *hash)
    }

    /// What the next block would be if it came now.
    pub fn pending(&self) -> BlockV1 {
        let last = self.blocks.last().map(|mined| mined.block.clone());
        let last = last.unwrap_or_default();
        BlockV1 {
            number: last.number + 1,
            parent_hash: last.hash,
            hash: H256::zero(),
            timestamp: (self.time() / 1_000).into(),
            gas_used: U256::zero(),
            transactions: HashesOrTransactionInfosV1::Hashes(
                self.pool.values().map(|waiting| waiting.hash).collect(),
            ),
            ..last
        }
    }

    /// The time of a block that came now, in milliseconds: it only goes on.
    fn time(&self) -> u64 {
        self.next_time
            .unwrap_or_else(|| clock().saturating_add(self.ahead))
    }

    /// Reads the state, or tries something: after the block `at`, with its number and time, or, if that is `None`, in the
    /// block that would come next. Nothing is kept.
    ///
    /// # Errors
    /// When that block's state is gone, or the state has no more layers; `read` was not called then.
    pub fn read<T>(&mut self, at: Option<u64>, read: impl FnOnce() -> T) -> Result<T, RpcError> {
        let (last, time) = (self.number(), self.time());
        if let Some(number) = at {
            self.history.check(number, last)?;
        }
        let history = &self.history;
        let done = self.state.execute_with(|| {
            with_transaction(|| {
                match at {
                    // Its number and time are in its state.
                    Some(number) => history.go_back(last.saturating_sub(number)),
                    None => {
                        System::set_block_number(last + 1);
                        if pallet_timestamp::Now::<Runtime>::get() < time {
                            pallet_timestamp::Now::<Runtime>::put(time);
                        }
                    }
                }
                TransactionOutcome::Rollback(Ok::<_, DispatchError>(read()))
            })
        });
        done.map_err(|error| RpcError::refused(format!("not read: {error:?}")))
    }

    /// Writes to the last block's state, outside of any transaction: what only a dev node can do.
    ///
    /// # Errors
    /// When the state is broken.
    pub fn write<T>(&mut self, write: impl FnOnce() -> T) -> Result<T, RpcError> {
        let done = self.state.execute_with(write);
        self.history.commit(&mut self.state)?;
        Ok(done)
    }

    /// An account's next nonce, those that wait included if `pending`.
    pub fn nonce(&mut self, account: H160, pending: bool) -> u32 {
        let mut nonce = self.state.execute_with(|| Revive::evm_nonce(&account));
        while pending && self.pool.contains_key(&(account, nonce)) {
            nonce = nonce.saturating_add(1);
        }
        nonce
    }

    // ---------------------------------------------------------------- time

    /// Lets time pass: the next block is so many seconds later.
    pub fn pass(&mut self, seconds: u64) -> u64 {
        self.ahead = self.ahead.saturating_add(seconds.saturating_mul(1_000));
        self.ahead / 1_000
    }

    /// Sets the time of the next block, in seconds; from there on the clock goes on.
    ///
    /// # Errors
    /// When it is before the last block's.
    pub fn set_next_time(&mut self, seconds: u64) -> Result<(), RpcError> {
        let last = self.blocks.last().map(|mined| mined.block.timestamp);
        if last.is_some_and(|last| U256::from(seconds) < last) {
            return Err(RpcError::invalid("that is before the last block's time"));
        }
        let time = seconds.saturating_mul(1_000);
        let clock = self.time();
        self.ahead = self.ahead.saturating_add(time.saturating_sub(clock));
        self.next_time = Some(time);
        Ok(())
    }

    /// Whether each transaction is mined at once.
    ///
    /// # Errors
    /// When the state is broken.
    pub fn set_automine(&mut self, automine: bool) -> Result<(), RpcError> {
        self.automine = automine;
        if automine && !self.pool.is_empty() {
            self.mine()?;
        }
        Ok(())
    }

    /// Forgets the transactions that wait.
    pub fn drop_waiting(&mut self) {
        self.pool.clear();
    }

    // ---------------------------------------------------------------- writing

    /// Takes a signed transaction; mines it at once, unless an earlier one of its sender is missing or blocks come by
    /// themselves.
    ///
    /// # Errors
    /// When it is none, its nonce is used, or its sender cannot pay; nothing was done then.
    pub fn send(&mut self, payload: Vec<u8>) -> Result<H256, RpcError> {
        let signed = TransactionSigned::decode(&payload).map_err(|error| {
            RpcError::refused(format!("this is no signed transaction: {error}"))
        })?;
        let from = signed
            .recover_eth_address()
            .map_err(|()| RpcError::refused("the transaction's signature is not one"))?;
        let hash = H256(pallet_revive::keccak_256(&payload));
        if self.waiting(&hash).is_some() {
            return Err(RpcError::refused(
                "already known: this transaction waits to be mined",
            ));
        }
        let base = self.state.execute_with(Revive::evm_base_fee);
        let tx = GenericTransaction::from_signed(signed.clone(), base, Some(from));
        self.check(&tx, base, from)?;
        let next = self.nonce(from, false);
        let nonce = u32::try_from(tx.nonce.unwrap_or_default())
            .map_err(|_| RpcError::refused("no nonce is that high"))?;
        if nonce < next {
            return Err(RpcError::refused(format!(
                "nonce too low: next nonce {next}, tx nonce {nonce}"
            )));
        }
        if self.pool.len() >= POOL {
            return Err(RpcError::refused(format!(
                "{POOL} transactions wait already: mine a block first"
            )));
        }
        let waiting = Waiting {
            hash,
            signed,
            payload,
        };
        if let Some(before) = self.pool.get(&(from, nonce)) {
            let before = GenericTransaction::from_signed(before.signed.clone(), base, None);
            if tx.max_fee_per_gas <= before.max_fee_per_gas {
                return Err(RpcError::refused("replacement transaction underpriced"));
            }
        }
        let trial = waiting.payload.clone();
        if nonce == next {
            self.read(None, || apply(trial))??;
        }
        self.pool.insert((from, nonce), waiting);
        if self.automine && nonce == next {
            self.mine()?;
        }
        Ok(hash)
    }

    fn check(&mut self, tx: &GenericTransaction, base: U256, from: H160) -> Result<(), RpcError> {
        let ours = U256::from(self.state.execute_with(ChainId::get));
        if let Some(theirs) = tx.chain_id
            && theirs != ours
        {
            return Err(RpcError::refused(format!(
                "invalid chain id: the transaction is for {theirs}, this is {ours}"
            )));
        }
        let price = tx.max_fee_per_gas.or(tx.gas_price).unwrap_or_default();
        if price < base {
            return Err(RpcError::refused(format!(
                "max fee per gas {price} less than block base fee {base}"
            )));
        }
        let cost = tx.gas.unwrap_or_default().saturating_mul(price);
        let cost = cost.saturating_add(tx.value.unwrap_or_default());
        let balance = self.state.execute_with(|| Revive::evm_balance(&from));
        if balance < cost {
            return Err(RpcError::refused(format!(
                "insufficient funds for gas * price + value: {from:?} has {balance} wei, and it may cost {cost}"
            )));
        }
        Ok(())
    }

    /// Mines a block with everything that can be done of what waits.
    ///
    /// # Errors
    /// When the state is broken.
    pub fn mine(&mut self) -> Result<(), RpcError> {
        let parent = self.blocks.last().map(|mined| mined.block.hash);
        let (number, time) = (self.number() + 1, self.time());
        self.next_time = None;
        let pool = std::mem::take(&mut self.pool);
        let (mined, left) = self.state.execute_with(|| {
            System::reset_events();
            System::initialize(&number, &parent.unwrap_or_default(), &Default::default());
            <AllPalletsWithSystem as OnInitialize<u64>>::on_initialize(number);
            // The chain's time only goes on, by a millisecond at least.
            let time = time.max(pallet_timestamp::Now::<Runtime>::get() + 1);
            let _ = Timestamp::set(RuntimeOrigin::none(), time);
            let (mut done, mut left) = (Vec::new(), BTreeMap::new());
            for ((from, nonce), waiting) in pool {
                if Revive::evm_nonce(&from) < nonce {
                    left.insert((from, nonce), waiting);
                    continue;
                }
                System::reset_events();
                // What cannot be done any more is forgotten, as any node does.
                if apply(waiting.payload.clone()).is_ok() {
                    done.push(outcome(from, nonce, waiting));
                }
            }
            <AllPalletsWithSystem as OnFinalize<u64>>::on_finalize(number);
            let block = BlockV1::from(Revive::eth_block());
            for (place, (done, gas)) in done.iter_mut().zip(Revive::eth_receipt_data()).enumerate()
            {
                done.gas_used = gas.gas_used;
                done.gas_price = gas.effective_gas_price;
                done.info.block_hash = block.hash;
                done.info.block_number = block.number;
                done.info.transaction_index = place.into();
            }
            (Mined { block, done }, left)
        });
        self.history.block(&mut self.state)?;
        self.pool = left;
        let place = self.blocks.len();
        self.numbers.insert(mined.block.hash, place);
        for (index, done) in mined.done.iter().enumerate() {
            self.places.insert(done.info.hash, (place, index));
        }
        self.blocks.push(mined);
        // One that came too early may be next now.
        if self.automine && self.can_go_on() {
            self.mine()?;
        }
        Ok(())
    }

    fn can_go_on(&mut self) -> bool {
        let waiting: Vec<(H160, u32)> = self.pool.keys().copied().collect();
        waiting
            .into_iter()
            .any(|(from, nonce)| self.nonce(from, false) == nonce)
    }
}

/// Now, in milliseconds.
fn clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}

/// Applies a transaction as a parachain's runtime does; what it refuses leaves nothing behind.
fn apply(payload: Vec<u8>) -> Result<(), RpcError> {
    let call = RuntimeCall::Revive(pallet_revive::Call::eth_transact { payload });
    let extrinsic = UncheckedExtrinsic::from(generic::UncheckedExtrinsic::new_bare(call));
    let length = extrinsic.encoded_size();
    let apply = || -> Result<(), TransactionValidityError> {
        let checked = extrinsic.check(&ChainContext::<Runtime>::default())?;
        let info = checked.get_dispatch_info();
        // A call that reverts was done: its receipt says so.
        let _ = checked.apply::<Runtime>(&info, length)?;
        Ok(())
    };
    let done = with_transaction(|| match apply() {
        Ok(()) => TransactionOutcome::Commit(Ok::<_, DispatchError>(Ok(()))),
        Err(error) => TransactionOutcome::Rollback(Ok(Err(error))),
    });
    let done = done.map_err(|error| RpcError::refused(format!("not applied: {error:?}")))?;
    done.map_err(|error| {
        RpcError::refused(match error {
            TransactionValidityError::Invalid(InvalidTransaction::Payment) => {
                "intrinsic gas too low: it does not pay for a transaction of this size".into()
            }
            TransactionValidityError::Invalid(InvalidTransaction::Stale) => "nonce too low".into(),
            TransactionValidityError::Invalid(InvalidTransaction::Future) => {
                "nonce too high".into()
            }
            TransactionValidityError::Invalid(InvalidTransaction::Call) => {
                "the chain does not take it: its type is unknown, or what it calls".to_owned()
            }
            other => format!("the chain does not take it: {other:?}"),
        })
    })
}

/// The name of an error; those of pallet-revive are told by number in an event.
fn name_of(error: DispatchError) -> String {
    match error {
        DispatchError::Module(error) => {
            match pallet_revive::Error::<Runtime>::decode(&mut &error.error[..]) {
                Ok(known) => <&'static str>::from(known).into(),
                Err(_) => format!("{error:?}"),
            }
        }
        other => format!("{other:?}"),
    }
}

/// What the transaction that was applied last did.
fn outcome(from: H160, nonce: u32, waiting: Waiting) -> Done {
    let (mut failure, mut logs) = (None, Vec::new());
    for record in System::read_events_no_consensus() {
        match record.event {
            RuntimeEvent::Revive(pallet_revive::Event::ContractEmitted {
                contract,
                data,
                topics,
            }) => logs.push(Log {
                address: contract,
                topics,
                data,
            }),
            RuntimeEvent::Revive(pallet_revive::Event::EthExtrinsicRevert { dispatch_error }) => {
                failure = Some(name_of(dispatch_error));
            }
            _ => {}
        }
    }
    let base = Revive::evm_base_fee();
    let tx = GenericTransaction::from_signed(waiting.signed.clone(), base, None);
    let success = failure.is_none();
    let created =
        (tx.to.is_none() && success).then(|| pallet_revive::create1(&from, u64::from(nonce)));
    Done {
        from,
        to: tx.to,
        created,
        failure,
        kind: tx.r#type.map_or(0, |kind| kind.0),
        gas_used: U256::zero(),
        gas_price: base,
        logs: if success { logs } else { Vec::new() },
        info: TransactionInfoV1 {
            from,
            hash: waiting.hash,
            transaction_signed: waiting.signed.into(),
            ..Default::default()
        },
    }
}
