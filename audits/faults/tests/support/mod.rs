//! A real anvil, and JSON-RPC by hand.
#![allow(dead_code, unreachable_pub)]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use piecework_faults::{Faults, Proxy};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// The first account of anvil, which is unlocked.
pub const SENDER: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
/// Init code whose constructor logs nothing three times: `PUSH1 0 PUSH1 0 LOG0`, three times, `STOP`.
pub const THREE_LOGS: &str = "0x60006000a060006000a060006000a000";

/// An anvil that ends with this value, and a proxy before it.
pub struct World {
    pub proxy: Proxy,
    pub anvil: String,
    pub http: Client,
    child: Child,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub retry_after: Option<String>,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl World {
    pub async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let child = Command::new("anvil")
            .args(["--port", &port.to_string(), "--silent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil is on the PATH");
        let anvil = format!("http://127.0.0.1:{port}");
        let world = Self {
            proxy: Proxy::start(&anvil).await.expect("a proxy"),
            http: Client::builder().no_proxy().build().expect("a client"),
            anvil,
            child,
        };
        for _ in 0..600 {
            let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
            let sent = world.http.post(&world.anvil).body(request.to_string());
            let sent = sent.header("content-type", "application/json").send().await;
            if sent.is_ok_and(|reply| reply.status().is_success()) {
                return world;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("anvil does not answer");
    }

    /// Replaces the proxy's faults.
    pub fn lie(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = Faults::default();
        change(&mut faults);
        self.proxy.set(faults);
    }

    pub fn honest(&self) {
        self.proxy.set(Faults::default());
    }

    pub async fn post(&self, url: &str, body: impl ToString) -> Reply {
        let request = self.http.post(url).body(body.to_string());
        let request = request.header("content-type", "application/json");
        let response = request.send().await.expect("an answer");
        let retry_after = response.headers().get("retry-after");
        Reply {
            status: response.status(),
            retry_after: retry_after.map(|value| value.to_str().expect("text").to_owned()),
            text: response.text().await.expect("a text"),
        }
    }

    /// One call through the proxy.
    pub async fn call(&self, method: &str, params: Value) -> Reply {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.post(&self.proxy.url(), request).await
    }

    /// The result of a call through the proxy.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let reply = self.call(method, params).await.json();
        assert_eq!(reply["id"], 7, "{reply}");
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].clone()
    }

    /// The code and the text of a refusal through the proxy.
    pub async fn refusal(&self, method: &str, params: Value) -> (i64, String) {
        let reply = self.call(method, params).await.json();
        assert_eq!(reply["id"], 7, "{reply}");
        let error = &reply["error"];
        let message = error["message"].as_str().expect("a text").to_owned();
        (error["code"].as_i64().expect("a code"), message)
    }

    /// The result of a call to anvil itself.
    pub async fn truth(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(&self.anvil, request).await.json()["result"].clone()
    }

    pub async fn mine(&self, blocks: u64) {
        let blocks = format!("{blocks:#x}");
        self.truth("anvil_mine", json!([blocks])).await;
    }

    /// Sends a transaction that emits three logs. Returns its hash.
    pub async fn send_three_logs(&self) -> Value {
        let hash = self.truth("eth_sendTransaction", three_logs()).await;
        assert!(hash.is_string(), "{hash}");
        hash
    }

    /// Sends a transaction that emits three logs, and waits until anvil has mined it. Returns its hash.
    pub async fn three_logs(&self) -> Value {
        let hash = self.send_three_logs().await;
        for _ in 0..600 {
            let receipt = self.truth("eth_getTransactionReceipt", json!([hash]));
            if receipt.await.is_object() {
                return hash;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("anvil does not mine {hash}");
    }

    /// Waits until the chain has so many logs.
    pub async fn until_logs(&self, logs: usize) {
        for _ in 0..600 {
            let shown = self.truth("eth_getLogs", json!([all_blocks()])).await;
            if shown.as_array().expect("a list").len() == logs {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("there are never {logs} logs");
    }

    /// How many logs of all blocks the proxy shows.
    pub async fn logs(&self) -> usize {
        let logs = self.ask("eth_getLogs", json!([all_blocks()])).await;
        logs.as_array().expect("a list").len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The parameters of a transaction that emits three logs.
pub fn three_logs() -> Value {
    json!([{"from": SENDER, "data": THREE_LOGS, "gas": "0x100000"}])
}

/// A filter for the logs of all blocks.
pub fn all_blocks() -> Value {
    json!({"fromBlock": "0x0", "toBlock": "latest"})
}

/// The number that a hexadecimal text means.
pub fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number")
}
