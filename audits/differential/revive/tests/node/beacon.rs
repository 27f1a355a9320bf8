//! Seeds from block hashes: `BlockBeacon` on the node, and a market that waits for one.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolValue, sol};
use piecework_differential::bindings::{DevToken, IBeacon, IMarket, free_job};
use piecework_differential::code::{block_beacon, solidity};
use piecework_revive::target::InRevive;
use serde_json::json;

use crate::{Node, node, number};

sol! {
    /// What `BlockBeacon` has beside a beacon's views.
    function keep(uint64 id);
}

/// Blocks from a point to the block whose hash is its seed.
const BLOCKS: u16 = 2;
/// How far back the EVM sees block hashes.
const MEMORY: u64 = 256;

impl Node {
    /// A beacon whose points are two blocks and a second ahead.
    fn beacon(&mut self) -> Address {
        let arguments = (BLOCKS, 1_u64).abi_encode_params();
        self.deploy([block_beacon(), arguments].concat())
    }

    fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        let data = hex::encode_prefixed(call.abi_encode());
        let answer = self.get("eth_call", json!([{ "to": to, "data": data }, "latest"]));
        C::abi_decode_returns(&hex::decode(answer.as_str().unwrap()).unwrap()).unwrap()
    }

    /// Whether a call succeeded.
    fn does(&mut self, to: Address, call: &impl SolCall) -> bool {
        self.send(Some(to), call.abi_encode())["status"] == "0x1"
    }

    fn head(&mut self) -> u64 {
        self.number("eth_blockNumber", json!([]))
    }

    /// Mines until this block is the last one.
    fn mine_to(&mut self, block: u64) {
        let count = block - self.head();
        self.get("anvil_mine", json!([count]));
        assert_eq!(self.head(), block);
    }
}

/// The number of the block whose hash is the seed: the point's low 24 bits.
fn block_of(point: u64) -> u64 {
    point & 0xff_ffff
}

#[test]
fn a_block_beacon_has_256_blocks_to_keep_a_seed() {
    let mut node = node();
    let beacon = node.beacon();
    let head = node.head();
    let id = node.view(beacon, &IBeacon::pointCall {});
    // A view sees the block that would come next.
    assert_eq!(block_of(id), head + 1 + u64::from(BLOCKS));
    assert_eq!(node.view(beacon, &IBeacon::timeOfCall { id }), id >> 24);
    assert!(!node.does(beacon, &keepCall { id }), "it is too early");
    assert!(node.view(beacon, &IBeacon::seedCall { id }).is_zero());

    // In the last block that sees the hash.
    node.mine_to(block_of(id) + MEMORY - 1);
    assert!(!node.view(beacon, &IBeacon::isDeadCall { id }));
    assert!(node.does(beacon, &keepCall { id }));
    let at = json!([format!("{:#x}", block_of(id)), false]);
    let block = node.get("eth_getBlockByNumber", at);
    let hash: B256 = serde_json::from_value(block["hash"].clone()).unwrap();
    assert_eq!(node.view(beacon, &IBeacon::seedCall { id }), hash);

    // One block later it is gone.
    let id = node.view(beacon, &IBeacon::pointCall {});
    node.mine_to(block_of(id) + MEMORY);
    assert!(node.view(beacon, &IBeacon::isDeadCall { id }));
    assert!(!node.does(beacon, &keepCall { id }), "it is forgotten");
    assert!(node.view(beacon, &IBeacon::seedCall { id }).is_zero());
}

#[test]
fn a_market_settles_a_lease_once_its_seed_is_kept() {
    settles_once_the_seed_is_kept(solidity());
}

#[test]
fn an_ink_market_settles_a_lease_once_its_seed_is_kept() {
    if let Some(ink) = InRevive::ink() {
        settles_once_the_seed_is_kept(ink.code);
    }
}

fn settles_once_the_seed_is_kept(code: Vec<u8>) {
    let mut node = node();
    let beacon = node.beacon();
    let (token, market) = node.market(code, beacon);
    let me = node.me();
    let (to, amount) = (me, U256::from(1_000));
    assert!(node.does(token, &DevToken::mintCall { to, amount }));
    let (spender, value) = (market, amount);
    assert!(node.does(token, &DevToken::approveCall { spender, value }));
    assert!(node.does(market, &IMarket::stakeCall { amount: 500 }));
    let deposit = IMarket::depositCall {
        account: me,
        amount: 500,
    };
    assert!(node.does(market, &deposit));

    // Audited by a chance of 1 in 10,000.
    let block = node.get("eth_getBlockByNumber", json!(["latest", false]));
    let mut job = free_job(me, number(&block["timestamp"]));
    job.assurance.auditBps = 1;
    (job.price.bond, job.price.juryFee, job.timing.auditWindow) = (1, 1, 1_000);
    let (first, round, firsts) = (0, 1, vec![0]);
    let post = IMarket::postCall {
        job: job.clone(),
        spec: Bytes::new(),
    };
    assert!(node.does(market, &post));
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: me,
        least: 1,
        most: 1,
    };
    assert!(node.does(market, &claim));
    let submit = IMarket::submitCall {
        job: job.clone(),
        first,
        round,
        provider: me,
        root: B256::repeat_byte(1),
        digestList: B256::ZERO,
    };
    assert!(node.does(market, &submit));
    let job_id = node.view(market, &IMarket::hashJobCall { job: job.clone() });
    let lease = IMarket::leaseOfCall {
        jobId: job_id,
        first,
    };
    let finalize = IMarket::finalizeCall { job, firsts };
    let submitted = node.view(market, &lease);
    let head = node.head();
    assert_eq!(block_of(submitted.point), head + u64::from(BLOCKS));

    node.mine_to(block_of(submitted.point));
    assert!(node.does(market, &finalize));
    let waiting = node.view(market, &lease);
    assert_eq!(waiting.phase, IMarket::Phase::Submitted);
    let id = submitted.point;
    assert!(node.does(beacon, &keepCall { id }));
    assert!(node.does(market, &finalize));
    let settled = node.view(market, &lease);
    assert_eq!(settled.phase, IMarket::Phase::Settled);
    assert_eq!(settled.grade, IMarket::Grade::Unaudited);
}
