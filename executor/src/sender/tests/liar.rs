//! A node that does not tell the truth: anvil behind a proxy.

use std::sync::{Arc, Mutex};

use alloy::providers::DynProvider;
use axum::{Router, body::Bytes, extract::State, routing::post};
use piecework_net::chain::{ChainOptions, connect};
use serde_json::{Value, json};

/// What it lies about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lies {
    /// No transaction has a receipt.
    pub(super) no_receipts: bool,
    /// So many transactions of each account are said to be used or pending.
    pub(super) pending: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Liar {
    url: String,
    lies: Arc<Mutex<Lies>>,
}

impl Liar {
    pub(super) async fn start(url: &str) -> (Self, DynProvider) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let liar = Self {
            url: url.to_owned(),
            lies: Arc::default(),
        };
        let router = Router::new()
            .route("/", post(answer))
            .with_state(liar.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (provider, _) = connect(&ChainOptions::new(own)).await.unwrap();
        (liar, provider)
    }

    pub(super) fn tell(&self, lies: Lies) {
        *self.lies.lock().unwrap() = lies;
    }

    fn lie(&self, request: &Value) -> Option<Value> {
        let lies = *self.lies.lock().unwrap();
        match request["method"].as_str()? {
            "eth_getTransactionReceipt" if lies.no_receipts => Some(Value::Null),
            "eth_getTransactionCount" if request["params"][1] == "pending" => {
                Some(json!(format!("{:#x}", lies.pending?)))
            }
            _ => None,
        }
    }
}

async fn answer(State(liar): State<Liar>, body: Bytes) -> Vec<u8> {
    let request: Value = serde_json::from_slice(&body).unwrap();
    if let Some(result) = liar.lie(&request) {
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        return answer.to_string().into_bytes();
    }
    let request = reqwest::Client::new().post(&liar.url).body(body);
    let request = request.header("content-type", "application/json");
    let answer = request.send().await.unwrap();
    answer.bytes().await.unwrap().to_vec()
}
