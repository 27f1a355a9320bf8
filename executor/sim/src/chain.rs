//! The chain: the executable specification of the market, blocks, a pool of transactions, reorganizations and a base fee.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use alloy_primitives::{Address, B256, Bytes, LogData, keccak256};
use piecework_core::{
    chain::{IMarket, MarketEvent},
    view::{Block, StoredEvent},
};
use piecework_differential::{
    bindings::Call,
    chain::{self as host, Token, TokenKind},
    memory::Memory,
    model::{self, Model},
};
use piecework_protocol::types::{Phase, Times, U256};

/// The market's address.
pub const MARKET: Address = Address::repeat_byte(0x4d);
/// The chain's id.
pub const CHAIN: u64 = 31_337;
/// When every world begins, in Unix seconds.
pub const BEGIN: u64 = 1_800_000_000;
/// Blocks that a reorganization can take back.
const DEEPEST: usize = 80;
/// The contract that seeds are published to. The market itself knows a seed when its time has come.
pub const BEACON: Address = Address::repeat_byte(0xbe);
/// What a call begins with that publishes a seed. The point follows.
const PUBLISH: &[u8] = b"publish";
/// The base fee when nothing is going on, in wei.
pub const CALM: u128 = 1_000_000_000;

/// The market's times: short, so that a seed sees many leases end.
pub const TIMES: Times = Times {
    stake_age: 60,
    lease_step: 15,
    jury_step: 30,
    jury_time: 120,
    reveal_window: 600,
    respond_window: 600,
    retry_window: 800,
    least_audit_window: 120,
    least_run_window: 60,
};

/// A signed transaction.
#[derive(Clone, Debug)]
pub struct Tx {
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub from: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Its calldata.
    pub data: Bytes,
    /// The most that it pays for a unit of gas, in wei.
    pub max_fee: u128,
}

impl Tx {
    /// Signs one.
    pub fn new(from: Address, nonce: u64, data: Bytes, max_fee: u128) -> Self {
        let words = [
            from.as_slice(),
            &nonce.to_be_bytes(),
            &max_fee.to_be_bytes(),
            &data,
        ]
        .concat();
        Self {
            hash: keccak256(words),
            from,
            nonce,
            data,
            max_fee,
        }
    }
}

/// What a block says of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The block.
    pub block: u64,
    /// Whether it changed anything.
    pub ok: bool,
}

struct Sealed {
    block: Block,
    events: Vec<StoredEvent>,
    txs: Vec<(Tx, bool)>,
}

/// What takes a block back.
struct Undo {
    writes: usize,
    host: host::Chain,
    nonces: BTreeMap<Address, u64>,
    published: BTreeSet<u64>,
}

/// The chain.
pub struct Chain {
    model: Model,
    blocks: Vec<Sealed>,
    undo: VecDeque<Undo>,
    nonces: BTreeMap<Address, u64>,
    pool: Vec<Tx>,
    receipts: HashMap<B256, Receipt>,
    /// Points whose seeds executors published.
    published: BTreeSet<u64>,
    /// The base fee of the next block, in wei.
    pub base_fee: u128,
    /// Makes blocks of forks differ.
    salt: u64,
    /// The times of the market, in the bindings' words.
    pub times: IMarket::Times,
}

fn hash_of(number: u64, salt: u64) -> B256 {
    keccak256([number.to_be_bytes(), salt.to_be_bytes()].concat())
}

impl Chain {
    /// A chain whose first block has this time.
    pub fn new(time: u64) -> Self {
        let host = host::Chain {
            block: host::Block {
                chain_id: CHAIN,
                number: 0,
                time,
                prevrandao: [7; 32],
            },
            caller: [0xdd; 20],
            market: MARKET.into_array(),
            token: Token {
                address: [0x70; 20],
                kind: TokenKind::Honest,
                balances: HashMap::new(),
                allowances: HashMap::new(),
                nonces: HashMap::new(),
            },
            contracts: Default::default(),
            short: false,
            logs: Vec::new(),
            token_said: Vec::new(),
        };
        let mut model = Model {
            store: Memory::default(),
            host,
        };
        let deployed = model.deploy(
            &[0x70; 20],
            &host::BEACON,
            &[0; 20],
            &[0; 20],
            0,
            &TIMES,
            true,
        );
        assert!(deployed.is_ok(), "the market is deployed: {deployed:?}");
        let block = Block {
            number: 0,
            hash: hash_of(0, 0),
            time,
        };
        let first = Sealed {
            block,
            events: Vec::new(),
            txs: Vec::new(),
        };
        Self {
            model,
            blocks: vec![first],
            undo: VecDeque::new(),
            nonces: BTreeMap::new(),
            pool: Vec::new(),
            receipts: HashMap::new(),
            published: BTreeSet::new(),
            base_fee: CALM,
            salt: 0,
            times: IMarket::Times {
                stakeAge: TIMES.stake_age,
                leaseStep: TIMES.lease_step,
                juryStep: TIMES.jury_step,
                juryTime: TIMES.jury_time,
                revealWindow: TIMES.reveal_window,
                respondWindow: TIMES.respond_window,
                retryWindow: TIMES.retry_window,
                leastAuditWindow: TIMES.least_audit_window,
                leastRunWindow: TIMES.least_run_window,
            },
        }
    }

    /// Gives an account tokens that the market may take.
    pub fn mint(&mut self, account: Address, amount: u128) {
        let (account, token) = (account.into_array(), &mut self.model.host.token);
        *token.balances.entry(account).or_default() += U256::from(amount);
        token.allowances.insert(account, U256::MAX);
    }

    /// The newest block.
    pub fn tip(&self) -> Block {
        self.blocks.last().map_or(
            Block {
                number: 0,
                hash: B256::ZERO,
                time: 0,
            },
            |sealed| sealed.block,
        )
    }

    /// A block, and the market's events in it.
    pub fn block(&self, number: u64) -> Option<(Block, &[StoredEvent])> {
        let sealed = self.blocks.get(usize::try_from(number).ok()?)?;
        Some((sealed.block, &sealed.events))
    }

    /// The nonce of an account's next transaction.
    pub fn nonce(&self, account: Address) -> u64 {
        self.nonces.get(&account).copied().unwrap_or_default()
    }

    /// What blocks up to a height say of a transaction.
    pub fn receipt(&self, tx: B256, up_to: u64) -> Option<Receipt> {
        let receipt = self.receipts.get(&tx).copied()?;
        (receipt.block <= up_to).then_some(receipt)
    }

    /// Who sent a mined transaction.
    pub fn sender(&self, tx: B256) -> Option<Address> {
        let block = usize::try_from(self.receipts.get(&tx)?.block).ok()?;
        let txs = &self.blocks.get(block)?.txs;
        txs.iter()
            .find(|(other, _)| other.hash == tx)
            .map(|(tx, _)| tx.from)
    }

    /// Whether a transaction waits to be mined.
    pub fn is_pooled(&self, tx: B256) -> bool {
        self.pool.iter().any(|pooled| pooled.hash == tx)
    }

    /// Takes a transaction into the pool. One of the same account and nonce that pays less goes.
    pub fn broadcast(&mut self, tx: Tx) {
        let same = |pooled: &Tx| (pooled.from, pooled.nonce) == (tx.from, tx.nonce);
        if self
            .pool
            .iter()
            .any(|pooled| same(pooled) && pooled.max_fee >= tx.max_fee)
        {
            return;
        }
        self.pool.retain(|pooled| !same(pooled));
        self.pool.push(tx);
    }

    /// Sends a call of an account that always pays enough. One that waits already is not sent twice.
    pub fn send(&mut self, from: Address, data: Vec<u8>) {
        let waiting = self.pool.iter().filter(|tx| tx.from == from);
        let nonces: Vec<u64> = waiting.clone().map(|tx| tx.nonce).collect();
        let mut nonce = self.nonce(from);
        while nonces.contains(&nonce) {
            nonce += 1;
        }
        // What waits behind a gap in the nonces waits forever: a reorganization that drops transactions leaves gaps.
        if waiting
            .clone()
            .any(|tx| tx.data == data && tx.nonce < nonce)
        {
            return;
        }
        self.broadcast(Tx::new(from, nonce, data.into(), u128::MAX));
    }

    /// Drops what waits to be mined, as nodes do under load.
    pub fn drop_pool(&mut self) {
        self.pool.clear();
    }

    fn run(&mut self, from: Address, data: &[u8], block: host::Block) -> Result<Vec<u8>, Vec<u8>> {
        if let Some(point) = data.strip_prefix(PUBLISH) {
            let point = point.try_into().map(u64::from_be_bytes);
            let news = point.is_ok_and(|point| self.published.insert(point));
            return news.then(Vec::new).ok_or_else(Vec::new);
        }
        let Some(call) = Call::decode(data) else {
            return Err(Vec::new());
        };
        let (writes, before) = (self.model.store.writes(), self.model.host.clone());
        self.model.host.block = block;
        self.model.host.caller = from.into_array();
        self.model.host.logs.clear();
        self.model.host.token_said.clear();
        let outcome = model::apply(&mut self.model, &call);
        if outcome.is_err() {
            self.model.store.undo_to(writes);
            self.model.host = before;
        }
        outcome
    }

    /// What a call would return, or revert with, in the next block. Nothing changes.
    pub fn simulate(&mut self, from: Address, data: &[u8], time: u64) -> Result<Vec<u8>, Vec<u8>> {
        let (writes, before) = (self.model.store.writes(), self.model.host.clone());
        let block = host::Block {
            number: self.tip().number + 1,
            time: time.max(self.tip().time),
            ..before.block
        };
        let published = self.published.clone();
        let outcome = self.run(from, data, block);
        self.published = published;
        self.model.store.undo_to(writes);
        self.model.host = before;
        outcome
    }

    /// Mines a block with what waits and pays enough.
    pub fn mine(&mut self, time: u64) {
        let parent = self.tip();
        let time = time.max(parent.time + 1);
        let number = parent.number + 1;
        self.undo.push_back(Undo {
            writes: self.model.store.writes(),
            host: self.model.host.clone(),
            nonces: self.nonces.clone(),
            published: self.published.clone(),
        });
        if self.undo.len() > DEEPEST {
            self.undo.pop_front();
        }
        let block = Block {
            number,
            hash: hash_of(number, self.salt),
            time,
        };
        let at = host::Block {
            chain_id: CHAIN,
            number,
            time,
            prevrandao: [7; 32],
        };
        let (mut events, mut txs) = (Vec::new(), Vec::new());
        // Again and again, since one transaction's nonce lets the next one in.
        loop {
            let base_fee = self.base_fee;
            let nonces = &self.nonces;
            let next = self.pool.iter().position(|tx| {
                let nonce = nonces.get(&tx.from).copied().unwrap_or_default();
                tx.nonce == nonce && tx.max_fee >= base_fee
            });
            let Some(next) = next else { break };
            let tx = self.pool.remove(next);
            *self.nonces.entry(tx.from).or_default() += 1;
            let ok = self.run(tx.from, &tx.data, at).is_ok();
            if ok {
                for (topics, data) in std::mem::take(&mut self.model.host.logs) {
                    let topics = topics.into_iter().map(B256::from).collect();
                    let log = LogData::new_unchecked(topics, data.into());
                    events.extend(event(block, &tx, events.len(), log));
                }
            }
            self.receipts.insert(tx.hash, Receipt { block: number, ok });
            txs.push((tx, ok));
        }
        let nonces = &self.nonces;
        self.pool
            .retain(|tx| tx.nonce >= nonces.get(&tx.from).copied().unwrap_or_default());
        self.model.host.block = at;
        self.blocks.push(Sealed { block, events, txs });
    }

    /// Takes the newest blocks back. Returns them, the lowest first, with their transactions.
    pub fn take_back(&mut self, depth: usize) -> Vec<(Block, Vec<Tx>)> {
        let depth = depth.min(self.undo.len()).min(self.blocks.len() - 1);
        let mut taken = Vec::new();
        for _ in 0..depth {
            let (Some(sealed), Some(undo)) = (self.blocks.pop(), self.undo.pop_back()) else {
                break;
            };
            self.model.store.undo_to(undo.writes);
            self.model.host = undo.host;
            self.nonces = undo.nonces;
            self.published = undo.published;
            for (tx, _) in &sealed.txs {
                self.receipts.remove(&tx.hash);
            }
            let txs = sealed.txs.into_iter().map(|(tx, _)| tx).collect();
            taken.push((sealed.block, txs));
        }
        taken.reverse();
        self.salt += 1;
        taken
    }

    /// A provider's number, its stake, and the part of it that no bond locks.
    pub fn provider(&self, provider: Address) -> (u32, u128, u128) {
        let state = self.model.provider_of(&provider.into_array());
        (state.number, state.stake, state.free)
    }

    /// Where a lease stands.
    pub fn phase(&self, job: B256, first: u32) -> Phase {
        self.model.lease_of(&job.0, first).phase
    }

    /// Whether an executor published the seed of a point.
    pub fn is_published(&self, point: u64) -> bool {
        self.published.contains(&point)
    }

    /// The call that publishes the seed of a point.
    pub fn publication(point: u64) -> Bytes {
        [PUBLISH, &point.to_be_bytes()].concat().into()
    }

    /// What the beacon says of a point: its time, its seed if that is known, and whether it is dead. `None`: it fails now.
    pub fn beacon(&self, point: u64, time: u64) -> Option<(u64, Option<B256>, bool)> {
        use alloy_sol_types::SolCall as _;
        use piecework_differential::bindings::IBeacon;
        let now = time.max(self.tip().time);
        let ask = |call: Vec<u8>| host::beacon_says(&call, now);
        let at = ask(IBeacon::timeOfCall { id: point }.abi_encode())?;
        let seed = ask(IBeacon::seedCall { id: point }.abi_encode())?;
        let dead = ask(IBeacon::isDeadCall { id: point }.abi_encode())?;
        let seed = (!seed.is_zero()).then(|| B256::from(seed));
        Some((at.try_into().ok()?, seed, !dead.is_zero()))
    }
}

fn event(block: Block, tx: &Tx, index: usize, log: LogData) -> Option<StoredEvent> {
    use alloy_sol_types::SolEventInterface as _;
    let decoded = MarketEvent::decode_raw_log(log.topics(), &log.data).ok()?;
    Some(StoredEvent {
        block,
        log_index: u64::try_from(index).unwrap_or(u64::MAX),
        tx: tx.hash,
        job: decoded.job_id()?,
        log,
    })
}
