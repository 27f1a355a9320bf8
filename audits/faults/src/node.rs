//! The real node behind the proxy.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use reqwest::Client;
use serde_json::{Value, json};
use url::Url;

use crate::lies::Answer;

/// The real node behind the proxy.
pub(crate) struct Node {
    client: Client,
    url: Url,
}

/// What the node answered to a body.
struct Raw {
    status: StatusCode,
    content: Option<String>,
    body: Vec<u8>,
}

impl Node {
    pub(crate) fn new(url: Url) -> Result<Self, reqwest::Error> {
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { client, url })
    }

    /// Sends a body as it is, and returns the answer as it is.
    pub(crate) async fn forward(&self, body: Vec<u8>) -> Response {
        match self.post(body).await {
            Ok(raw) => response(raw.status, raw.content.as_deref(), None, raw.body),
            Err(error) => gone(&error).into_response(),
        }
    }

    /// Sends one call. An answer that is not JSON is an error.
    pub(crate) async fn call(&self, call: &Value) -> Result<(StatusCode, Value), Answer> {
        let raw = match self.post(call.to_string().into_bytes()).await {
            Ok(raw) => raw,
            Err(error) => return Err(gone(&error)),
        };
        match serde_json::from_slice(&raw.body) {
            Ok(reply) => Ok((raw.status, reply)),
            Err(_) => Err(Answer::Page {
                status: raw.status,
                text: String::from_utf8_lossy(&raw.body).into_owned(),
                retry_after: None,
            }),
        }
    }

    /// The number of the node's newest block.
    pub(crate) async fn head(&self) -> Result<u64, Answer> {
        let call = json!({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []});
        let (_, reply) = self.call(&call).await?;
        let head = reply.get("result").and_then(number);
        head.ok_or_else(|| Answer::Page {
            status: StatusCode::BAD_GATEWAY,
            text: format!("the node did not say its block number: {reply}"),
            retry_after: None,
        })
    }

    async fn post(&self, body: Vec<u8>) -> Result<Raw, reqwest::Error> {
        let request = self.client.post(self.url.clone());
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let response = request.body(body).send().await?;
        let content = response.headers().get(header::CONTENT_TYPE);
        Ok(Raw {
            status: response.status(),
            content: content.and_then(|value| value.to_str().ok().map(String::from)),
            body: response.bytes().await?.to_vec(),
        })
    }
}

/// The answer while the node does not answer.
fn gone(error: &reqwest::Error) -> Answer {
    Answer::Page {
        status: StatusCode::BAD_GATEWAY,
        text: format!("the node does not answer: {error}"),
        retry_after: None,
    }
}

/// A number of JSON-RPC: a hexadecimal text, or a JSON number.
pub(crate) fn number(value: &Value) -> Option<u64> {
    u64::try_from(quantity(value)?).ok()
}

/// A number of JSON-RPC, of up to 128 bits.
pub(crate) fn quantity(value: &Value) -> Option<u128> {
    match value {
        Value::String(text) => u128::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
        other => other.as_u64().map(u128::from),
    }
}

/// A number as JSON-RPC writes it.
pub(crate) fn hex(number: impl Into<u128>) -> Value {
    Value::String(format!("{:#x}", number.into()))
}

/// An HTTP answer.
pub(crate) fn response(
    status: StatusCode,
    content: Option<&str>,
    retry_after: Option<u64>,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(content) = content.and_then(|content| content.parse().ok()) {
        headers.insert(header::CONTENT_TYPE, content);
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
