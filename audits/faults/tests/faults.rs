//! Each fault of a method against a real anvil: the honest answer, and the bad one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use piecework_faults::{Faults, Words};
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{SENDER, World, all_blocks, number};

fn lost(faults: &mut Faults, method: &str, words: Words) {
    faults.lost_answers.insert(method.into(), words);
}

#[tokio::test]
async fn hidden_logs_are_an_empty_list() {
    let world = World::start().await;
    world.three_logs().await;
    assert_eq!(world.logs().await, 3);
    world.lie(|faults| faults.hidden_logs = true);
    assert_eq!(world.logs().await, 0);
}

#[tokio::test]
async fn truncated_logs_lose_the_larger_half() {
    let world = World::start().await;
    world.three_logs().await;
    let honest = world.ask("eth_getLogs", json!([all_blocks()])).await;
    world.lie(|faults| faults.truncated_logs = true);
    let truncated = world.ask("eth_getLogs", json!([all_blocks()])).await;
    assert_eq!(truncated, json!([honest[0]]));
    world.three_logs().await;
    assert_eq!(world.logs().await, 3);
}

#[tokio::test]
async fn null_receipts_are_null() {
    let world = World::start().await;
    let hash = world.three_logs().await;
    let honest = world.ask("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(honest["transactionHash"], hash);
    world.lie(|faults| faults.null_receipts = true);
    let null = world.ask("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(null, Value::Null);
}

#[tokio::test]
async fn a_stale_receipt_repeats_the_first_answer() {
    let world = World::start().await;
    world.truth("evm_setAutomine", json!([false])).await;
    world.lie(|faults| faults.stale_receipts = true);
    let hash = world.send_three_logs().await;
    let receipt = || world.ask("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt().await, Value::Null);
    world.mine(1).await;
    assert_eq!(receipt().await, Value::Null);
    world.honest();
    let honest = receipt().await;
    assert_eq!(honest["blockNumber"], "0x1");
    world.lie(|faults| faults.stale_receipts = true);
    assert_eq!(receipt().await, honest);
    world.truth("anvil_reorg", json!([1, []])).await;
    let now = world.truth("eth_getTransactionReceipt", json!([hash]));
    assert_ne!(now.await, honest);
    assert_eq!(receipt().await, honest);
}

#[tokio::test]
async fn a_count_offset_never_goes_below_zero() {
    let world = World::start().await;
    world.three_logs().await;
    world.three_logs().await;
    let count = || world.ask("eth_getTransactionCount", json!([SENDER, "latest"]));
    assert_eq!(count().await, "0x2");
    for (offset, answer) in [(3, "0x5"), (-1, "0x1"), (-5, "0x0"), (i64::MIN, "0x0")] {
        world.lie(|faults| faults.count_offset = offset);
        assert_eq!(count().await, answer);
    }
}

#[tokio::test]
async fn a_wrong_word_is_one_more_than_the_right_one_and_none_becomes_of_nothing() {
    let world = World::start().await;
    // The identity precompile answers what it is given.
    let identity = "0x0000000000000000000000000000000000000004";
    let words = |first: &str| format!("0x{first:0>64}{:064x}", 7);
    let ask = |first| {
        let call = json!({"to": identity, "data": words(first)});
        world.ask("eth_call", json!([call, "latest"]))
    };
    world.lie(|faults| faults.wrong_words = true);
    for (right, wrong) in [("0", "0"), ("1", "2"), ("8f", "90")] {
        assert_eq!(ask(right).await, words(wrong));
    }
    world.honest();
    assert_eq!(ask("1").await, words("1"));
}

#[tokio::test]
async fn a_lost_answer_hides_a_sent_transaction() {
    let world = World::start().await;
    let transaction = support::three_logs();
    assert!(
        world
            .ask("eth_sendTransaction", transaction.clone())
            .await
            .is_string()
    );
    world.lie(|faults| {
        lost(faults, "eth_sendTransaction", Words::RequestTimedOut);
    });
    let refusal = world.refusal("eth_sendTransaction", transaction.clone());
    assert_eq!(refusal.await, (-32002, "request timed out".into()));
    world.until_logs(6).await;
    world.lie(|faults| {
        lost(faults, "eth_sendTransaction", Words::GatewayTimeout);
    });
    let page = world.call("eth_sendTransaction", transaction).await;
    assert_eq!(page.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(page.text.starts_with("<html>"), "{page:?}");
    world.until_logs(9).await;
}

#[tokio::test]
async fn a_range_above_the_limit_is_refused() {
    let world = World::start().await;
    world.three_logs().await;
    world.mine(19).await;
    world.lie(|faults| faults.max_range = Some((10, Words::AlchemyRange)));
    let ten = json!([{"fromBlock": "0x1", "toBlock": "0xa"}]);
    assert_eq!(world.ask("eth_getLogs", ten).await[0]["blockNumber"], "0x1");
    let eleven = json!([{"fromBlock": "0x1", "toBlock": "0xb"}]);
    let reply = world.call("eth_getLogs", eleven.clone()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.json()["error"]["code"], -32600);
    assert_eq!(
        reply.json()["error"]["message"],
        "You can make eth_getLogs requests with up to a 10 block range. Based on your parameters, this block range should \
         work: [0x1, 0xa]"
    );
    let to_latest = json!([{"fromBlock": "0xb"}]);
    assert_eq!(world.ask("eth_getLogs", to_latest).await, json!([]));
    let longer = world.call("eth_getLogs", json!([{"fromBlock": "0xa"}]));
    assert_eq!(longer.await.status, StatusCode::BAD_REQUEST);
    world.honest();
    assert_eq!(
        world.ask("eth_getLogs", eleven).await[0]["blockNumber"],
        "0x1"
    );
}

#[tokio::test]
async fn each_vendor_refuses_in_its_own_words() {
    let world = World::start().await;
    world.mine(1500).await;
    for (words, code, status, text) in [
        (
            Words::InfuraRange,
            -32602,
            200,
            "range 1501 exceeds limit of 1000",
        ),
        (
            Words::InfuraResults,
            -32005,
            200,
            "query returned more than 10000 results",
        ),
        (
            Words::QuickNodeRange,
            -32614,
            413,
            "eth_getLogs is limited to a 1,000 range",
        ),
        (Words::AnkrRange, -32600, 200, "block range is too wide"),
        (
            Words::DrpcRange,
            35,
            400,
            "ranges over 1000 blocks are not supported on freetier",
        ),
        (
            Words::PublicNodeRange,
            -32701,
            200,
            "exceed maximum block range: 1000",
        ),
        (
            Words::EthermintRange,
            -32000,
            200,
            "maximum [from, to] blocks distance: 1000",
        ),
        (
            Words::RethRange,
            -32602,
            200,
            "query exceeds max block range 1000",
        ),
        (
            Words::RethResults,
            -32602,
            200,
            "query exceeds max results 20000, retry with the range 0-999",
        ),
    ] {
        world.lie(|faults| faults.max_range = Some((1000, words)));
        let reply = world.call("eth_getLogs", json!([all_blocks()])).await;
        assert_eq!(reply.status, status, "{words:?}");
        assert_eq!(
            reply.json()["error"],
            json!({"code": code, "message": text})
        );
        assert_eq!(words.code(), code);
    }
    world.lie(|faults| faults.max_range = Some((100, Words::QuickNodeRange)));
    let (_, short) = world.refusal("eth_getLogs", json!([all_blocks()])).await;
    assert_eq!(short, "eth_getLogs is limited to a 100 range");
    assert_eq!(
        Words::QuickNodeRange.message(),
        "eth_getLogs is limited to a 10,000 range"
    );
}

#[tokio::test]
async fn a_base_fee_is_the_same_everywhere() {
    let world = World::start().await;
    world.mine(2).await;
    let fees = || async {
        let latest = world
            .ask("eth_getBlockByNumber", json!(["latest", false]))
            .await;
        let same = world
            .ask("eth_getBlockByHash", json!([latest["hash"], false]))
            .await;
        let history = world
            .ask("eth_feeHistory", json!(["0x1", "latest", []]))
            .await;
        let price = world.ask("eth_gasPrice", json!([])).await;
        json!([
            latest["baseFeePerGas"],
            same["baseFeePerGas"],
            history["baseFeePerGas"],
            price
        ])
    };
    let honest = fees().await;
    assert_ne!(honest[0], "0x2540be400");
    assert_eq!(honest[0], honest[1]);
    world.lie(|faults| faults.base_fee = Some(10_000_000_000));
    let fee = "0x2540be400";
    assert_eq!(fees().await, json!([fee, fee, [fee, fee], fee]));
}

#[tokio::test]
async fn only_the_newest_block_comes_from_the_future() {
    let world = World::start().await;
    world.mine(1).await;
    let time = |block: &'static str| {
        let world = &world;
        async move {
            let block = world.ask("eth_getBlockByNumber", json!([block, false]));
            number(&block.await["timestamp"])
        }
    };
    let honest = time("latest").await;
    world.lie(|faults| faults.future_seconds = 86_400);
    assert_eq!(time("latest").await, honest + 86_400);
    assert!(time("pending").await >= honest + 86_400);
    assert_eq!(time("0x1").await, honest);
}
