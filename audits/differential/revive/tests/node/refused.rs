//! What is refused, and in which words.

use pallet_revive::evm::GenericTransaction;
use piecework_revive::node::Chain;
use serde_json::{Value, json};

use crate::{Node, account, node, options};

#[test]
fn what_is_not_a_transaction_of_this_chain_is_refused_and_nothing_is_mined() {
    let mut node = node();
    let me = node.me();
    node.send(Some(me), Vec::new());
    let good = node.filled(Some(me), Vec::new(), 1);
    let with = |change: fn(&mut GenericTransaction)| {
        let mut tx = good.clone();
        change(&mut tx);
        tx
    };
    let cases = [
        (
            with(|tx| tx.chain_id = Some(1.into())),
            "invalid chain id: the transaction is for 1, this is 31337",
        ),
        (
            with(|tx| tx.nonce = Some(0.into())),
            "nonce too low: next nonce 1, tx nonce 0",
        ),
        (
            with(|tx| tx.max_fee_per_gas = Some(1.into())),
            "max fee per gas 1 less than block base fee",
        ),
        (with(|tx| tx.gas = Some(1.into())), "intrinsic gas too low"),
        (
            with(|tx| tx.value = Some(pallet_revive::U256::exp10(30))),
            "insufficient funds for gas * price + value",
        ),
    ];
    let before = node.number("eth_blockNumber", json!([]));
    for (tx, words) in cases {
        let raw = node.sign(tx);
        let error = node
            .ask("eth_sendRawTransaction", json!([raw]))
            .unwrap_err();
        assert!(error.message.contains(words), "{}", error.message);
    }
    for raw in ["0x", "0x00", "0xc0", "0x02c0", "0x7fffffff"] {
        let error = node
            .ask("eth_sendRawTransaction", json!([raw]))
            .unwrap_err();
        assert!(
            error.message.starts_with("this is no signed transaction"),
            "{raw}: {error}"
        );
    }
    // Nobody without money.
    let poor = Node {
        chain: Chain::new(&options(&account(9))).unwrap(),
        account: account(1),
    };
    let mut poor = poor;
    let tx = good.clone();
    let raw = poor.sign(GenericTransaction {
        nonce: Some(0.into()),
        ..tx
    });
    let error = poor
        .ask("eth_sendRawTransaction", json!([raw]))
        .unwrap_err();
    assert!(error.message.contains("insufficient funds"), "{error}");
    assert_eq!(node.number("eth_blockNumber", json!([])), before);
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let mut node = node();
    node.get("evm_mine", json!([]));
    let cases = [
        (
            "eth_sign",
            json!([]),
            -32_601,
            "this node has no method eth_sign",
        ),
        (
            "eth_getBalance",
            json!([]),
            -32_602,
            "parameter 1 is missing: an address",
        ),
        (
            "eth_getBalance",
            json!(["0x12"]),
            -32_602,
            "parameter 1 is not an address",
        ),
        (
            "eth_getBalance",
            json!({ "address": 1 }),
            -32_602,
            "the parameters are not a list",
        ),
        (
            "eth_getBlockByNumber",
            json!(["newest"]),
            -32_602,
            "names no block",
        ),
        (
            "eth_call",
            json!([{ "to": 5 }]),
            -32_602,
            "parameter 1 is not a call",
        ),
        ("eth_call", json!([{}, "0x9"]), -32_602, "there is no block"),
        (
            "eth_getLogs",
            json!([{ "fromBlock": "0x1", "toBlock": "0x0" }]),
            -32_602,
            "after its last",
        ),
        (
            "anvil_mine",
            json!(["0xffffffff"]),
            -32_602,
            "blocks at once at most",
        ),
    ];
    for (method, params, code, words) in cases {
        let error = node.ask(method, params).unwrap_err();
        assert_eq!(error.code, code, "{method}: {error}");
        assert!(error.message.contains(words), "{method}: {error}");
    }
    assert_eq!(
        node.get("eth_getBlockByNumber", json!(["0x9"])),
        Value::Null
    );
    assert_eq!(node.number("eth_blockNumber", json!([])), 1);
}
