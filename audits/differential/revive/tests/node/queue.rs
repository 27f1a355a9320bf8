//! Transactions that wait.

use serde_json::{Value, json};

use crate::{Node, node, number};

#[test]
fn transactions_wait_for_their_turn() {
    let mut node = node();
    let me = node.me();
    let tx = |node: &mut Node, nonce: u64| {
        let tx = node.filled(Some(me), Vec::new(), nonce);
        let raw = node.sign(tx);
        node.get("eth_sendRawTransaction", json!([raw]))
    };
    // The second one came first: it waits.
    let second = tx(&mut node, 1);
    assert_eq!(
        node.get("eth_getTransactionReceipt", json!([second])),
        Value::Null
    );
    let waiting = node.get("eth_getTransactionByHash", json!([second]));
    assert_eq!(
        (&waiting["hash"], &waiting["blockHash"]),
        (&second, &Value::Null)
    );
    let first = tx(&mut node, 0);
    for hash in [first, second] {
        assert_eq!(
            node.get("eth_getTransactionReceipt", json!([hash]))["status"],
            "0x1"
        );
    }
    // Without automine both wait for a block; one of the same nonce must pay more.
    node.get("evm_setAutomine", json!([false]));
    let before = node.number("eth_blockNumber", json!([]));
    tx(&mut node, 2);
    let third = tx(&mut node, 3);
    assert_eq!(
        node.number("eth_getTransactionCount", json!([me, "pending"])),
        4
    );
    assert_eq!(
        node.number("eth_getTransactionCount", json!([me, "latest"])),
        2
    );
    let mut again = node.filled(Some(me), Vec::new(), 3);
    again.value = Some(1.into());
    let raw = node.sign(again.clone());
    let error = node
        .ask("eth_sendRawTransaction", json!([raw]))
        .unwrap_err();
    assert_eq!(error.message, "replacement transaction underpriced");
    again.max_fee_per_gas = again.max_fee_per_gas.map(|fee| fee + fee);
    let raw = node.sign(again);
    let fourth = node.get("eth_sendRawTransaction", json!([raw]));
    node.get("evm_mine", json!([]));
    assert_eq!(node.number("eth_blockNumber", json!([])), before + 1);
    assert_eq!(
        node.get("eth_getTransactionReceipt", json!([third])),
        Value::Null
    );
    let receipt = node.get("eth_getTransactionReceipt", json!([fourth]));
    assert_eq!(
        (&receipt["status"], &receipt["transactionIndex"]),
        (&json!("0x1"), &json!("0x1"))
    );
    assert!(number(&receipt["cumulativeGasUsed"]) > number(&receipt["gasUsed"]));
}
