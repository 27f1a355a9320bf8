//! The proxy as a server, and its faults that no method has for itself: against a real anvil.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::time::{Duration, Instant};

use piecework_faults::{Faults, Limit, Proxy, ProxyError};
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{SENDER, World, all_blocks};

fn limited(faults: &mut Faults, method: &str, limit: Limit) {
    faults.limited.insert(method.into(), limit);
}

fn slow(faults: &mut Faults, method: &str, wait: Duration) {
    faults.slow.insert(method.into(), wait);
}

#[tokio::test]
async fn an_honest_proxy_changes_no_byte() {
    let world = World::start().await;
    world.three_logs().await;
    let url = world.proxy.url();
    for body in [
        r#"{"jsonrpc":"2.0","id":"a name","method":"eth_getBlockByNumber","params":["latest",true]}"#,
        r#"{ "method":"eth_feeHistory", "params":["0x2","latest",[10]], "id":18446744073709551615, "jsonrpc":"2.0" }"#,
        r#"[{"jsonrpc":"2.0","id":2,"method":"eth_chainId"},{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}]"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        "[]",
        "5",
    ] {
        let honest = world.post(&world.anvil, body).await;
        let proxied = world.post(&url, body).await;
        assert_eq!(proxied.status, honest.status, "{body}");
        assert_eq!(proxied.text, honest.text, "{body}");
    }
}

#[tokio::test]
async fn calls_are_counted_by_method() {
    let world = World::start().await;
    world.ask("eth_chainId", json!([])).await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber", "params": []},
    ]);
    world.post(&world.proxy.url(), &batch).await;
    world.lie(|faults| faults.down = true);
    world.call("eth_gasPrice", json!([])).await;
    world.lie(|faults| faults.behind = 1);
    world.ask("eth_chainId", json!([])).await;
    assert_eq!(world.proxy.calls("eth_chainId"), 3);
    assert_eq!(world.proxy.calls("eth_blockNumber"), 1);
    assert_eq!(world.proxy.calls("eth_gasPrice"), 1);
    assert_eq!(world.proxy.calls("eth_call"), 0);
    assert_eq!(world.proxy.all_calls(), 5);
    assert_eq!(world.proxy.total_by_method().len(), 3);
    world.proxy.forget_calls();
    assert_eq!(world.proxy.all_calls(), 0);
}

#[tokio::test]
async fn a_body_without_json_is_a_parse_error() {
    let world = World::start().await;
    let reply = world.post(&world.proxy.url(), "{\"jsonrpc\":").await;
    assert_eq!(reply.json()["error"]["code"], -32700);
    assert_eq!(reply.json()["id"], Value::Null);
    assert_eq!(world.proxy.all_calls(), 0);
}

#[tokio::test]
async fn a_body_above_16_mib_is_refused() {
    let world = World::start().await;
    let call = |bytes: usize| {
        let text = "0".repeat(bytes);
        json!({"jsonrpc": "2.0", "id": 1, "method": "web3_sha3", "params": [text]}).to_string()
    };
    // The body may be refused before all of it is sent: then there is no answer.
    let request = world.http.post(world.proxy.url()).body(call(16 << 20));
    if let Ok(reply) = request.send().await {
        assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(world.proxy.all_calls(), 0);
    world.lie(|faults| faults.down = true);
    world.post(&world.proxy.url(), call(15 << 20)).await;
    assert_eq!(world.proxy.all_calls(), 1);
}

#[tokio::test]
async fn batches_echo_ids_in_order() {
    let world = World::start().await;
    world.three_logs().await;
    world.lie(|faults| faults.hidden_logs = true);
    let batch = json!([
        {"jsonrpc": "2.0", "id": "logs", "method": "eth_getLogs", "params": [all_blocks()]},
        {"jsonrpc": "2.0", "id": 9, "method": "eth_blockNumber", "params": []},
        {"jsonrpc": "2.0", "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": null, "method": "eth_nothing", "params": []},
    ]);
    let replies = world.post(&world.proxy.url(), &batch).await.json();
    assert_eq!(replies.as_array().unwrap().len(), 3, "{replies}");
    assert_eq!(replies[0]["id"], "logs");
    assert_eq!(replies[0]["result"], json!([]));
    assert_eq!(replies[1]["id"], 9);
    assert_eq!(replies[1]["result"], "0x1");
    assert_eq!(replies[2]["id"], Value::Null);
    assert_eq!(replies[2]["error"]["code"], -32601);
}

#[tokio::test]
async fn a_proxy_that_is_down_answers_502() {
    let world = World::start().await;
    let honest = world.call("eth_chainId", json!([])).await;
    assert_eq!(honest.status, StatusCode::OK);
    world.lie(|faults| faults.down = true);
    let down = world.call("eth_chainId", json!([])).await;
    assert_eq!(down.status, StatusCode::BAD_GATEWAY);
    world.honest();
    assert_eq!(world.ask("eth_chainId", json!([])).await, "0x7a69");
}

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil).await.unwrap();
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let mut open = tokio::net::TcpStream::connect(&address).await.unwrap();
    let kept = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    world.post(&proxy.url(), &kept).await;
    drop(proxy);
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut open, &mut byte);
    let read = tokio::time::timeout(Duration::from_secs(5), read).await;
    assert!(matches!(read.expect("an end"), Ok(0) | Err(_)));
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn a_node_that_is_gone_is_a_bad_gateway() {
    let proxy = Proxy::start("http://127.0.0.1:1").await.unwrap();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for behind in [0, 1] {
        proxy.change(|faults| faults.behind = behind);
        let reply = client.post(proxy.url()).body(call).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::BAD_GATEWAY);
    }
    let error = Proxy::start("no URL").await.err().expect("a refusal");
    assert!(matches!(error, ProxyError::Url { .. }), "{error}");
}

#[tokio::test]
async fn a_limit_refuses_each_second_call() {
    let world = World::start().await;
    let limit = Limit {
        as_http: true,
        retry_after: Some(3),
        every: 2,
    };
    world.lie(|faults| limited(faults, "eth_chainId", limit));
    for _ in 0..2 {
        let honest = world.call("eth_chainId", json!([])).await;
        assert_eq!(honest.status, StatusCode::OK);
        world.ask("eth_blockNumber", json!([])).await;
        let refused = world.call("eth_chainId", json!([])).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.retry_after.as_deref(), Some("3"));
    }
}

#[tokio::test]
async fn a_limit_for_all_methods_is_a_json_rpc_error() {
    let world = World::start().await;
    let limit = Limit {
        every: 1,
        ..Limit::default()
    };
    world.lie(|faults| limited(faults, "*", limit));
    for method in ["eth_chainId", "eth_blockNumber"] {
        let reply = world.call(method, json!([])).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.retry_after, None);
        assert_eq!(reply.json()["error"]["code"], 429);
        assert_eq!(reply.json()["id"], 7);
    }
}

#[tokio::test]
async fn a_limited_batch_reaches_no_node() {
    let world = World::start().await;
    let limit = Limit {
        as_http: true,
        ..Limit::default()
    };
    world.lie(|faults| limited(faults, "eth_chainId", limit));
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_chainId", "params": []},
    ]);
    let reply = world.post(&world.proxy.url(), &batch).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(world.truth("eth_blockNumber", json!([])).await, "0x0");
}

#[tokio::test]
async fn a_rate_refuses_what_is_above_it_for_a_second() {
    let world = World::start().await;
    world.lie(|faults| faults.per_second = Some(3));
    let begin = Instant::now();
    for _ in 0..3 {
        let honest = world.call("eth_chainId", json!([])).await;
        assert_eq!(honest.status, StatusCode::OK);
    }
    let refused = world.call("eth_chainId", json!([])).await;
    // On a machine that was asleep for a second, nothing can be said.
    if begin.elapsed() < Duration::from_secs(1) {
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let honest = world.call("eth_chainId", json!([])).await;
    assert_eq!(honest.status, StatusCode::OK);
}

#[tokio::test]
async fn a_slow_method_waits() {
    let world = World::start().await;
    let wait = Duration::from_millis(700);
    world.lie(|faults| slow(faults, "eth_chainId", wait));
    let begin = Instant::now();
    world.ask("eth_chainId", json!([])).await;
    assert!(begin.elapsed() >= wait);
    world.lie(|faults| slow(faults, "eth_call", Duration::from_secs(60)));
    let honest = world.ask("eth_chainId", json!([]));
    tokio::time::timeout(Duration::from_secs(30), honest)
        .await
        .expect("no wait");
}

#[tokio::test]
async fn faults_change_one_by_one() {
    let world = World::start().await;
    world.three_logs().await;
    world.proxy.set(Faults {
        count_offset: 1,
        ..Faults::default()
    });
    world.proxy.change(|faults| faults.hidden_logs = true);
    let count = world.ask("eth_getTransactionCount", json!([SENDER, "latest"]));
    assert_eq!(count.await, "0x2");
    assert_eq!(world.logs().await, 0);
}
