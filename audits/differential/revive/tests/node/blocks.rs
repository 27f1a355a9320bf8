//! Time, and the states of older blocks.

use alloy_primitives::{U256, hex};
use alloy_sol_types::{SolCall, SolValue};
use piecework_differential::bindings::DevToken;
use piecework_differential::code::solidity;
use piecework_revive::node::STATES;
use serde_json::{Value, json};

use crate::{Node, node, number};

#[test]
fn time_passes_when_it_is_told_to_and_never_back() {
    let mut node = node();
    let time = |node: &mut Node| {
        let block = node.get("eth_getBlockByNumber", json!(["latest"]));
        number(&block["timestamp"])
    };
    let before = time(&mut node);
    node.get("evm_increaseTime", json!([3_600]));
    node.get("evm_mine", json!([]));
    let later = time(&mut node);
    assert!((before + 3_600..before + 3_660).contains(&later));
    node.get("evm_setNextBlockTimestamp", json!([later + 1_000]));
    node.get("evm_mine", json!([]));
    assert_eq!(time(&mut node), later + 1_000);
    let error = node.ask("evm_setNextBlockTimestamp", json!([later]));
    assert!(error.unwrap_err().message.contains("before the last block"));
    // A call sees the time of the block that would come: TIMESTAMP, and no 0 where a market must have one.
    node.get("anvil_mine", json!(["0x3", "0xa"]));
    assert!(time(&mut node) >= later + 1_020);
    assert_eq!(node.number("eth_blockNumber", json!([])), 5);
    let pending = node.get("eth_getBlockByNumber", json!(["pending"]));
    assert_eq!(number(&pending["number"]), 6);
}

/// Creation code of a contract that answers NUMBER and TIMESTAMP.
const CLOCK: &str = "600d600c600039600d6000f3436000524260205260406000f3";

#[test]
fn older_states_are_read_as_they_were_and_the_oldest_are_gone() {
    let mut node = node();
    let me = node.me();
    let clock = node.deploy(hex::decode(CLOCK).unwrap());
    let (token, market) = node.market(solidity(), clock);
    let amount = U256::from(900);
    let mint = DevToken::mintCall { to: me, amount }.abi_encode();
    let balance = hex::encode_prefixed(DevToken::balanceOfCall { account: me }.abi_encode());
    // Each block mints 900 more, 100 seconds later; its state is noted while it is the last.
    let facts = |node: &mut Node, block: &Value| {
        let held = json!([{ "to": token, "data": balance }, block]);
        [
            node.get("eth_call", held),
            node.get("eth_getBalance", json!([me, block])),
            node.get("eth_getTransactionCount", json!([me, block])),
            node.get("eth_getCode", json!([market, block])),
            node.get("eth_call", json!([{ "to": clock }, block])),
        ]
    };
    let before_the_market = node.number("eth_blockNumber", json!([])) - 1;
    let mut noted = Vec::new();
    for count in 1..=5_u64 {
        node.get("evm_increaseTime", json!([100]));
        let block = node.send(Some(token), mint.clone())["blockNumber"].clone();
        let known = facts(&mut node, &block);
        assert_eq!(
            known[0],
            hex::encode_prefixed(U256::from(900 * count).abi_encode())
        );
        let time = node.get("eth_getBlockByNumber", json!([block]))["timestamp"].clone();
        let moment = (U256::from(number(&block)), U256::from(number(&time))).abi_encode();
        assert_eq!(known[4], hex::encode_prefixed(moment));
        assert!(noted.iter().all(|(_, other): &(Value, [Value; 5])| {
            (0..5).all(|fact| fact == 3 || other[fact] != known[fact])
        }));
        noted.push((block, known));
    }
    let code = json!([market, format!("{before_the_market:#x}")]);
    assert_eq!(node.get("eth_getCode", code), "0x");

    // What is set by hand is of the last block, not of those before it.
    let (last, _) = noted.pop().unwrap();
    node.get("anvil_setBalance", json!([me, "0xde0b6b3a7640000"]));
    let set = node.get("eth_getBalance", json!([me, last]));
    assert_eq!(set, "0xde0b6b3a7640000");
    noted.push((last.clone(), facts(&mut node, &last)));
    let all_as_noted = |node: &mut Node| {
        for (block, known) in &noted {
            assert_eq!(&facts(node, block), known, "block {block}");
            let mined = node.get("eth_getBlockByNumber", json!([block]));
            let by_hash = json!({ "blockHash": mined["hash"] });
            assert_eq!(&facts(node, &by_hash), known, "block {block} by its hash");
        }
    };
    all_as_noted(&mut node);

    // As many blocks as let the first noted one be the oldest that is kept.
    let first = number(&noted[0].0);
    let most = u64::try_from(STATES).unwrap();
    node.send(Some(token), mint);
    let so_far = number(&last) + 1 - first;
    node.get("anvil_mine", json!([most - 1 - so_far]));
    all_as_noted(&mut node);
    let error = node
        .ask("eth_getBalance", json!([me, format!("{:#x}", first - 1)]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the state of block {} is gone: this node keeps those of the last 64 blocks, now {first} to {}; \
             ask for one of them, or for latest",
            first - 1,
            first + most - 1
        )
    );
    node.get("evm_mine", json!([]));
    for method in ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"] {
        let error = node.ask(method, json!([me, noted[0].0])).unwrap_err();
        assert!(error.message.contains("is gone"), "{method}: {error}");
    }
    let error = node.ask("eth_call", json!([{ "to": clock }, noted[0].0]));
    assert_eq!(error.unwrap_err().code, -32_000);
    // Reading older states changed nothing.
    let held = node.get("eth_call", json!([{ "to": token, "data": balance }]));
    assert_eq!(held, hex::encode_prefixed(U256::from(900 * 6).abi_encode()));
}
