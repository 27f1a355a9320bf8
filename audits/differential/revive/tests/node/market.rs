//! A market's life on the node.

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::{SolCall, SolError, SolValue};
use piecework_differential::bindings::{DevToken, IMarket};
use piecework_differential::code::solidity;
use piecework_revive::target::InRevive;
use serde_json::json;

use crate::{node, number};

#[test]
fn a_market_is_deployed_used_and_read() {
    used_and_read(solidity());
}

#[test]
fn an_ink_market_is_deployed_used_and_read() {
    if let Some(ink) = InRevive::ink() {
        used_and_read(ink.code);
    }
}

fn used_and_read(code: Vec<u8>) {
    let mut node = node();
    let (token, market) = node.market(code, Address::repeat_byte(0xbe));
    let me = node.me();
    assert_ne!(node.get("eth_getCode", json!([market, "latest"])), "0x");
    let amount = U256::from(900);
    let done = node.send(
        Some(token),
        DevToken::mintCall { to: me, amount }.abi_encode(),
    );
    assert_eq!(done["status"], "0x1");
    let value = U256::MAX;
    node.send(
        Some(token),
        DevToken::approveCall {
            spender: market,
            value,
        }
        .abi_encode(),
    );
    let deposit = IMarket::depositCall {
        account: me,
        amount: 700,
    };
    let done = node.send(Some(market), deposit.abi_encode());
    assert_eq!(
        (&done["status"], done["logs"].as_array().unwrap().len()),
        (&json!("0x1"), 2)
    );

    // The same log by its receipt and by a filter: address, topic, block.
    let log = &done["logs"][1];
    let filter =
        json!({ "address": market, "topics": [[log["topics"][0]], null], "fromBlock": "earliest" });
    assert_eq!(node.get("eth_getLogs", json!([filter])), json!([log]));
    let elsewhere = json!({ "address": token, "topics": [log["topics"][0]], "fromBlock": "0x0" });
    assert_eq!(node.get("eth_getLogs", json!([elsewhere])), json!([]));
    let block = node.get("eth_getBlockByNumber", json!([done["blockNumber"], true]));
    assert_eq!(block["hash"], done["blockHash"]);
    assert_eq!(block["transactions"][0]["hash"], done["transactionHash"]);
    let tx = node.get("eth_getTransactionByHash", json!([done["transactionHash"]]));
    assert_eq!(tx, block["transactions"][0]);
    assert_eq!(tx["input"], hex::encode_prefixed(deposit.abi_encode()));

    let data = hex::encode_prefixed(IMarket::balanceOfCall { account: me }.abi_encode());
    let word = node.get(
        "eth_call",
        json!([{ "to": market, "data": data }, "latest"]),
    );
    assert_eq!(word, hex::encode_prefixed(700_u128.abi_encode()));

    // What reverts says so before it is sent, with the market's own words, and in its receipt if it is sent.
    let withdraw = IMarket::withdrawCall {
        to: me,
        amount: 701,
    }
    .abi_encode();
    let call = json!({ "from": me, "to": market, "data": hex::encode_prefixed(&withdraw) });
    for method in ["eth_call", "eth_estimateGas"] {
        let error = node.ask(method, json!([call])).unwrap_err();
        let data = error.data.unwrap();
        assert_eq!(
            (error.code, &data[..4]),
            (3, &IMarket::InsufficientBalance::SELECTOR[..])
        );
    }
    let done = node.send(Some(market), withdraw);
    assert_eq!(
        (&done["status"], &done["failure"]),
        (&json!("0x0"), &json!("ContractReverted"))
    );
    let left = node.get(
        "eth_call",
        json!([{ "to": market, "data": data }, "latest"]),
    );
    assert_eq!(left, word);
    assert!(number(&done["gasUsed"]) > 0);
    let wei = node.get("eth_getBalance", json!([me, "latest"]));
    assert_ne!(wei, "0x21e19e0c9bab2400000", "fees were paid");
}
