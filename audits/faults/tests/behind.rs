//! A node that lags, against a real anvil.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use piecework_faults::Words;
use serde_json::{Value, json};
use support::{SENDER, World, all_blocks};

/// Two blocks with a transaction of three logs each, then one empty block. Returns the transactions.
async fn three_blocks() -> (World, Value, Value) {
    let world = World::start().await;
    let old = world.three_logs().await;
    let new = world.three_logs().await;
    world.mine(1).await;
    (world, old, new)
}

#[tokio::test]
async fn the_newest_block_is_older() {
    let (world, ..) = three_blocks().await;
    for (behind, head) in [(0, "0x3"), (2, "0x1"), (99, "0x0")] {
        world.lie(|faults| faults.behind = behind);
        assert_eq!(world.ask("eth_blockNumber", json!([])).await, head);
        // An honest anvil's safe and pending blocks are other ones.
        if behind == 0 {
            continue;
        }
        for tag in ["latest", "pending", "safe"] {
            let block = world.ask("eth_getBlockByNumber", json!([tag, false])).await;
            assert_eq!(block["number"], head, "{tag}");
        }
    }
    // It follows the chain.
    world.lie(|faults| faults.behind = 2);
    world.mine(4).await;
    assert_eq!(world.ask("eth_blockNumber", json!([])).await, "0x5");
}

#[tokio::test]
async fn blocks_above_the_view_are_null() {
    let (world, ..) = three_blocks().await;
    let above = world
        .ask("eth_getBlockByNumber", json!(["0x2", false]))
        .await;
    assert_eq!(above["number"], "0x2");
    world.lie(|faults| faults.behind = 2);
    for (method, asked) in [
        ("eth_getBlockByNumber", json!(["0x2", false])),
        ("eth_getBlockByHash", json!([above["hash"], false])),
        ("eth_getBlockReceipts", json!(["0x2"])),
        ("eth_getBlockReceipts", json!([above["hash"]])),
    ] {
        assert_eq!(
            world.ask(method, asked.clone()).await,
            Value::Null,
            "{method}"
        );
        let truth = world.truth(method, asked).await;
        assert!(!truth.is_null(), "{method}");
    }
    let seen = world
        .ask("eth_getBlockByNumber", json!(["0x1", false]))
        .await;
    assert_eq!(seen["number"], "0x1");
}

#[tokio::test]
async fn logs_above_the_view_are_absent() {
    let (world, ..) = three_blocks().await;
    assert_eq!(world.logs().await, 6);
    let hash = world
        .truth("eth_getBlockByNumber", json!(["0x2", false]))
        .await["hash"]
        .clone();
    world.lie(|faults| faults.behind = 2);
    assert_eq!(world.logs().await, 3);
    for (filter, logs) in [
        (json!({"fromBlock": "0x1", "toBlock": "0x2"}), 3),
        (json!({"fromBlock": "0x2", "toBlock": "0x3"}), 0),
        (json!({"fromBlock": "0x0"}), 3),
        (json!({}), 3),
        (json!({"blockHash": hash}), 0),
    ] {
        let shown = world.ask("eth_getLogs", json!([filter])).await;
        assert_eq!(shown.as_array().unwrap().len(), logs, "{filter}");
    }
    world.lie(|faults| {
        faults.behind = 2;
        faults.max_range = Some((2, Words::RethRange));
    });
    assert_eq!(world.logs().await, 3, "two blocks up to the view");
    world.lie(|faults| faults.max_range = Some((2, Words::RethRange)));
    let refused = world.refusal("eth_getLogs", json!([all_blocks()])).await;
    assert_eq!(refused, (-32602, "query exceeds max block range 2".into()));
}

#[tokio::test]
async fn receipts_above_the_view_are_null() {
    let (world, old, new) = three_blocks().await;
    let receipt = |hash: &Value| world.ask("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt(&new).await["blockNumber"], "0x2");
    world.lie(|faults| faults.behind = 2);
    assert_eq!(receipt(&new).await, Value::Null);
    assert_eq!(receipt(&old).await["blockNumber"], "0x1");
    let transaction = world.ask("eth_getTransactionByHash", json!([new])).await;
    assert_eq!(transaction["hash"], new);
    assert_eq!(transaction["blockNumber"], Value::Null);
    world.mine(1).await;
    assert_eq!(receipt(&new).await["blockNumber"], "0x2");
}

#[tokio::test]
async fn counts_are_those_of_the_view() {
    let (world, ..) = three_blocks().await;
    let count = |params: Value| world.ask("eth_getTransactionCount", params);
    assert_eq!(count(json!([SENDER, "latest"])).await, "0x2");
    world.lie(|faults| faults.behind = 2);
    for params in [
        json!([SENDER, "latest"]),
        json!([SENDER, "pending"]),
        json!([SENDER]),
        json!([SENDER, "0x1"]),
    ] {
        assert_eq!(count(params.clone()).await, "0x1", "{params}");
    }
}

#[tokio::test]
async fn state_above_the_view_has_no_header() {
    let (world, ..) = three_blocks().await;
    let to = "0x00000000000000000000000000000000000000aa";
    // Code that answers the number of its block: NUMBER PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN.
    let code = "0x4360005260206000f3";
    world.truth("anvil_setCode", json!([to, code])).await;
    let call = json!({"to": to});
    let number = |block: Value| world.ask("eth_call", json!([call, block]));
    assert!(
        number(json!("latest"))
            .await
            .as_str()
            .unwrap()
            .ends_with('3')
    );
    world.lie(|faults| faults.behind = 1);
    // Anvil's older blocks know nothing of the code: the answer shows which block was asked.
    let latest = number(json!("latest")).await;
    assert_eq!(latest, world.truth("eth_call", json!([call, "0x2"])).await);
    assert_ne!(latest, world.truth("eth_call", json!([call, "0x3"])).await);
    for block in [json!("0x3"), json!({"blockNumber": "0x3"})] {
        let refused = world.refusal("eth_call", json!([call, block])).await;
        assert_eq!(refused, (-32000, "header not found".into()));
    }
}
