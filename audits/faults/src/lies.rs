//! From a request to an answer that may be a lie.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::behind::{self, Early};
use crate::faults::{Faults, Limit, of};
use crate::node::{Node, hex, number, quantity, response};
use crate::words::{Range, Words};

const JSON: &str = "application/json";
/// The time in which `per_second` counts calls.
const SECOND: Duration = Duration::from_secs(1);

/// The answer to one call.
pub(crate) enum Answer {
    /// JSON-RPC. The status counts only if the call is not part of a batch.
    Json {
        status: StatusCode,
        reply: Value,
        retry_after: Option<u64>,
    },
    /// An HTTP answer that is not JSON-RPC. It replaces the answer to a whole batch.
    Page {
        status: StatusCode,
        text: String,
        retry_after: Option<u64>,
    },
}

impl Answer {
    fn result(id: &Value, result: Value) -> Self {
        Self::Json {
            status: StatusCode::OK,
            reply: json!({"jsonrpc": "2.0", "id": id, "result": result}),
            retry_after: None,
        }
    }

    fn words(id: &Value, words: Words, range: Range) -> Self {
        let status = words.status();
        let message = words.message_for(range);
        if words == Words::GatewayTimeout {
            let text = format!(
                "<html>\r\n<head><title>{message}</title></head>\r\n<body>\r\n<center><h1>{message}</h1></center>\r\n\
                 </body>\r\n</html>\r\n"
            );
            return Self::Page {
                status,
                text,
                retry_after: None,
            };
        }
        Self::Json {
            status,
            reply: error(id, words.code(), &message),
            retry_after: None,
        }
    }

    fn limited(id: &Value, limit: Limit) -> Self {
        let retry_after = limit.retry_after;
        if limit.as_http {
            return Self::Page {
                status: StatusCode::TOO_MANY_REQUESTS,
                text: "Too Many Requests".into(),
                retry_after,
            };
        }
        // Alchemy's words.
        let message = "Your app has exceeded its compute units per second capacity";
        Self::Json {
            status: StatusCode::OK,
            reply: error(id, 429, message),
            retry_after,
        }
    }

    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Json {
                status,
                reply,
                retry_after,
            } => response(status, Some(JSON), retry_after, reply.to_string()),
            Self::Page {
                status,
                text,
                retry_after,
            } => {
                let html = text.starts_with('<');
                let content = if html { "text/html" } else { "text/plain" };
                response(status, Some(content), retry_after, text)
            }
        }
    }
}

/// The proxy's memory, and the node behind it.
pub(crate) struct Liar {
    pub(crate) node: Node,
    pub(crate) faults: Mutex<Faults>,
    /// How often each method was asked for.
    pub(crate) calls: Mutex<BTreeMap<String, u64>>,
    /// How many calls each limit has seen, by its key.
    pub(crate) limits: Mutex<BTreeMap<String, u64>>,
    /// When each call of the last second was taken.
    pub(crate) taken: Mutex<VecDeque<Instant>>,
    /// The first answer for each transaction.
    pub(crate) receipts: Mutex<BTreeMap<String, Value>>,
}

impl Liar {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            faults: Mutex::default(),
            calls: Mutex::default(),
            limits: Mutex::default(),
            taken: Mutex::default(),
            receipts: Mutex::default(),
        }
    }

    /// Answers an HTTP request with this body.
    pub(crate) async fn answer(&self, body: Vec<u8>) -> Response {
        let request: Option<Value> = serde_json::from_slice(&body).ok();
        let calls: &[Value] = match &request {
            Some(Value::Array(calls)) => calls,
            Some(call) => std::slice::from_ref(call),
            None => &[],
        };
        self.count(calls);
        let faults = lock(&self.faults).clone();
        if faults.down {
            return response(StatusCode::BAD_GATEWAY, None, None, "Bad Gateway");
        }
        let Some(request) = &request else {
            let reply = error(&Value::Null, -32700, "Parse error");
            return response(StatusCode::OK, Some(JSON), None, reply.to_string());
        };
        if let Some(most) = faults.per_second
            && !self.take(calls.len(), most)
        {
            let limit = Limit {
                as_http: true,
                ..Limit::default()
            };
            return Answer::limited(&Value::Null, limit).into_response();
        }
        if !calls.iter().any(|call| faults.touch(method(call))) {
            return self.node.forward(body).await;
        }
        let limits: Vec<_> = calls
            .iter()
            .map(|call| self.limit(&faults, method(call)))
            .collect();
        if let Some(limit) = limits.iter().flatten().find(|limit| limit.as_http) {
            return Answer::limited(&Value::Null, *limit).into_response();
        }
        let mut answers = Vec::new();
        for (call, limit) in calls.iter().zip(limits) {
            let answer = match limit {
                Some(limit) => Answer::limited(id(call), limit),
                None => match self.one(&faults, call).await {
                    Ok(answer) | Err(answer) => answer,
                },
            };
            answers.push((call, answer));
        }
        if request.is_array() {
            return batch(answers);
        }
        match answers.pop() {
            Some((_, answer)) => answer.into_response(),
            None => response(StatusCode::OK, None, None, ""),
        }
    }

    fn count(&self, calls: &[Value]) {
        let mut counts = lock(&self.calls);
        for call in calls {
            *counts.entry(method(call).to_owned()).or_default() += 1;
        }
    }

    /// Takes so many calls, if no more than `most` are taken in a second.
    fn take(&self, calls: usize, most: usize) -> bool {
        let now = Instant::now();
        let mut taken = lock(&self.taken);
        while taken.front().is_some_and(|at| now - *at >= SECOND) {
            taken.pop_front();
        }
        let fits = taken.len() + calls <= most;
        if fits {
            taken.extend(std::iter::repeat_n(now, calls));
        }
        fits
    }

    /// The limit that refuses this call.
    fn limit(&self, faults: &Faults, method: &str) -> Option<Limit> {
        let (key, limit) = of(&faults.limited, method)?;
        let mut seen = lock(&self.limits);
        let seen = seen.entry(key.to_owned()).or_default();
        *seen += 1;
        seen.is_multiple_of(limit.every.max(1)).then_some(*limit)
    }

    /// Answers one call. The error is an answer, too: that of a call that came to an early end.
    async fn one(&self, faults: &Faults, call: &Value) -> Result<Answer, Answer> {
        let method = method(call);
        let id = id(call);
        if let Some((_, wait)) = of(&faults.slow, method) {
            tokio::time::sleep(*wait).await;
        }
        let view = match faults.behind {
            0 => None,
            blocks => Some(self.node.head().await?.saturating_sub(blocks)),
        };
        if method == "eth_getLogs"
            && let Some((limit, words)) = faults.max_range
        {
            let newest = match view {
                Some(view) => view,
                None => self.node.head().await?,
            };
            let range = call
                .get("params")
                .and_then(|params| behind::range(params, newest));
            if let Some((from, to)) = range
                && to >= from
                && to - from >= limit
            {
                return Err(Answer::words(id, words, Range { from, to, limit }));
            }
        }
        let mut sent = call.clone();
        if let Some(view) = view
            && let Some(object) = sent.as_object_mut()
        {
            let params = object.entry("params").or_insert_with(|| json!([]));
            match behind::rewrite(method, params, view) {
                Some(Early::Result(result)) => return Err(Answer::result(id, result)),
                Some(Early::NoHeader) => {
                    return Err(Answer::words(id, Words::HeaderNotFound, Range::default()));
                }
                None => {}
            }
        }
        let (status, mut reply) = self.node.call(&sent).await?;
        if let Some((_, words)) = of(&faults.lost_answers, method) {
            return Err(Answer::words(id, *words, Range::default()));
        }
        if let Some(result) = reply.get_mut("result") {
            if let Some(view) = view {
                behind::hide(method, result, view);
            }
            self.amend(faults, method, call.get("params"), result);
        }
        Ok(Answer::Json {
            status,
            reply,
            retry_after: None,
        })
    }

    /// Changes a result of the node in place.
    fn amend(&self, faults: &Faults, method: &str, params: Option<&Value>, result: &mut Value) {
        let first = params
            .and_then(|params| params.get(0))
            .and_then(Value::as_str);
        match method {
            "eth_getLogs" => {
                if let Some(logs) = result.as_array_mut() {
                    if faults.hidden_logs {
                        logs.clear();
                    } else if faults.truncated_logs {
                        logs.truncate(logs.len() / 2);
                    }
                }
            }
            "eth_getTransactionReceipt" => {
                if faults.null_receipts {
                    *result = Value::Null;
                }
                if let (true, Some(hash)) = (faults.stale_receipts, first) {
                    let mut receipts = lock(&self.receipts);
                    let kept = receipts.entry(hash.to_lowercase());
                    *result = kept.or_insert_with(|| result.clone()).clone();
                }
            }
            "eth_getTransactionCount" => {
                if let Some(count) = quantity(result) {
                    *result = hex(moved(count, faults.count_offset));
                }
            }
            "eth_call" => {
                let words = result.as_str().filter(|_| faults.wrong_words);
                if let Some(wrong) = words.and_then(wrong_word) {
                    *result = wrong.into();
                }
            }
            "eth_getBlockByNumber" | "eth_getBlockByHash" => {
                if let (Some(fee), Some(place)) = (faults.base_fee, result.get_mut("baseFeePerGas"))
                {
                    *place = hex(fee);
                }
                if method == "eth_getBlockByNumber"
                    && matches!(first, Some("latest" | "pending"))
                    && let Some(place) = result.get_mut("timestamp")
                    && let Some(time) = number(place)
                {
                    *place = hex(time.saturating_add(faults.future_seconds));
                }
            }
            "eth_feeHistory" => {
                let fees = result
                    .get_mut("baseFeePerGas")
                    .and_then(Value::as_array_mut);
                if let (Some(fee), Some(fees)) = (faults.base_fee, fees) {
                    fees.fill(hex(fee));
                }
            }
            "eth_gasPrice" => {
                if let Some(fee) = faults.base_fee {
                    *result = hex(fee);
                }
            }
            _ => {}
        }
    }
}

/// The answer to a batch. A call without an id gets no answer.
fn batch(answers: Vec<(&Value, Answer)>) -> Response {
    let mut replies = Vec::new();
    let mut wait = None;
    for (call, answer) in answers {
        if call.is_object() && call.get("id").is_none() {
            continue;
        }
        match answer {
            Answer::Json {
                reply, retry_after, ..
            } => {
                replies.push(reply);
                wait = wait.max(retry_after);
            }
            page @ Answer::Page { .. } => return page.into_response(),
        }
    }
    let replies = Value::Array(replies).to_string();
    response(StatusCode::OK, Some(JSON), wait, replies)
}

/// Hexadecimal words, the first of which is one more. None if it is 0, or there is none.
fn wrong_word(words: &str) -> Option<String> {
    /// `0x` and the higher half of the first word.
    const HIGH: usize = 2 + 32;
    let (high, rest) = words.split_at_checked(HIGH)?;
    let (low, rest) = rest.split_at_checked(32)?;
    let number = u128::from_str_radix(low, 16).ok()?;
    let is_zero = number == 0
        && high
            .trim_start_matches("0x")
            .bytes()
            .all(|digit| digit == b'0');
    (!is_zero).then(|| format!("{high}{:032x}{rest}", number.wrapping_add(1)))
}

/// A count with an offset, at least 0.
fn moved(count: u128, offset: i64) -> u128 {
    let by = u128::from(offset.unsigned_abs());
    if offset < 0 {
        count.saturating_sub(by)
    } else {
        count.saturating_add(by)
    }
}

fn method(call: &Value) -> &str {
    call.get("method")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn id(call: &Value) -> &Value {
    call.get("id").unwrap_or(&Value::Null)
}

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// Locks a mutex, also one whose holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
