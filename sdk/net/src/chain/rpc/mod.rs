//! Several endpoints of one chain as one: alloy's providers stand on it and know nothing of it.
//!
//! ```text
//! provider ─► Endpoints ─┬─► endpoint 1      a read: the best one, then the next, until one answers
//!                        ├─► endpoint 2      the newest block: all of them, and the highest that is no lie
//!                        └─► endpoint 3      a signed transaction: all of them
//! ```
//!
//! An endpoint that fails or limits its rate rests for a while (for as long as it asks, when it asks), and another one is
//! asked meanwhile. One whose newest block lags behind the others', or lies in the future, is asked only when no other
//! one answers.

mod health;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::U64,
    rpc::client::RpcClient,
    rpc::json_rpc::{RequestPacket, ResponsePacket, ResponsePayload, SerializedRequest},
    transports::{
        RpcError, TransportError, TransportErrorKind, TransportFut,
        http::{Http, reqwest},
        layers::{RateLimitRetryPolicy, RetryPolicy as _},
    },
};
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};
use tower::Service;

use super::logs::is_too_wide;
use health::{Health, order};

/// A call that every endpoint has refused for its rate is made again for so long.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// JSON-RPC's code for a call that a contract refused.
const REVERTED: i64 = 3;
/// How long the newest blocks of further endpoints are waited for once one has answered.
const OTHERS: Duration = Duration::from_millis(500);
/// How many seconds a block's time may be later than this machine's clock. A later one is not believed.
pub const MAX_FUTURE: u64 = 60;

/// Several endpoints of one chain, as a transport. Clones share what is known of the endpoints.
#[derive(Clone)]
pub(super) struct Endpoints(Arc<Vec<Endpoint>>);

struct Endpoint {
    shown: String,
    http: Http<reqwest::Client>,
    /// The chain that it must serve.
    chain: u64,
    /// It has said that it serves this chain.
    checked: AtomicBool,
    health: Mutex<Health>,
}

impl Endpoint {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses an endpoint of another chain: one that was silent at the start shows it only later.
    async fn check(&self) -> Result<(), TransportError> {
        if self.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let client = RpcClient::new(self.http.clone(), false);
        let chain: U64 = client.request("eth_chainId", ()).await?;
        if chain.to::<u64>() != self.chain {
            self.health().distrust();
            let why = format!("it serves chain {chain}, not chain {}", self.chain);
            tracing::warn!(endpoint = self.shown, why, "an endpoint is not used");
            return Err(TransportErrorKind::custom_str(&why));
        }
        self.checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Asks it once, and learns from the answer.
    async fn ask(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        if let Err(error) = self.check().await {
            self.rests(&error);
            return Err(error);
        }
        let mut http = self.http.clone();
        let answer = http.call(request).await;
        let trouble = match &answer {
            Ok(ResponsePacket::Single(response)) => match &response.payload {
                // Its own answer may say that it is too busy.
                ResponsePayload::Failure(error) => {
                    let too_wide = is_too_wide(&error.message);
                    let error = TransportError::ErrorResp(error.clone());
                    let limited = !too_wide && RateLimitRetryPolicy::default().should_retry(&error);
                    limited.then_some(error)
                }
                ResponsePayload::Success(_) => None,
            },
            Ok(ResponsePacket::Batch(_)) => None,
            Err(RpcError::Transport(kind)) if is_refusal(kind) => return answer,
            Err(error) => {
                self.rests(error);
                return answer;
            }
        };
        match trouble {
            Some(error) => {
                self.rests(&error);
                Err(error)
            }
            None => {
                self.health().works();
                answer
            }
        }
    }

    fn rests(&self, error: &TransportError) {
        let hint = RateLimitRetryPolicy::default().backoff_hint(error);
        tracing::debug!(endpoint = self.shown, %error, ?hint, "an endpoint fails; it rests");
        self.health().rests(Instant::now(), hint);
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|endpoint| &endpoint.shown))
            .finish()
    }
}

/// Which endpoint has answered a call, and which one is to be asked last: for a second opinion. It goes with a call as
/// an extension of its metadata.
#[derive(Debug, Clone, Default)]
pub(super) struct Opinion {
    /// Who has given the first one.
    pub(super) other_than: Option<usize>,
    /// Who has given this one.
    pub(super) by: Arc<OnceLock<usize>>,
}

impl Endpoints {
    /// Endpoints of a chain in the order in which their owner prefers them, each with its name for messages.
    pub(super) fn new(chain: u64, endpoints: Vec<(String, Http<reqwest::Client>)>) -> Self {
        let endpoints = endpoints.into_iter().map(|(shown, http)| Endpoint {
            shown,
            http,
            chain,
            checked: AtomicBool::new(false),
            health: Mutex::default(),
        });
        Self(Arc::new(endpoints.collect()))
    }

    fn order(&self) -> Vec<usize> {
        let health: Vec<Health> = self.0.iter().map(|one| one.health().clone()).collect();
        order(&health, Instant::now())
    }

    async fn make(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let kind = match &request {
            RequestPacket::Single(single) => kind(single),
            RequestPacket::Batch(_) => Kind::Read,
        };
        match kind {
            Kind::Newest => self.newest(request).await,
            Kind::Send => self.send(request).await,
            Kind::Read => self.read(request).await,
        }
    }

    /// One endpoint after the other until one answers; those that limit their rate are waited for. An error counts as an
    /// answer only if no endpoint has a better one, but for a contract's refusal, which is the same everywhere.
    async fn read(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let opinion = match &request {
            RequestPacket::Single(single) => single.meta().extensions().get::<Opinion>().cloned(),
            RequestPacket::Batch(_) => None,
        };
        let give_up = Instant::now() + LONGEST_WAIT;
        let is_second = opinion
            .as_ref()
            .is_some_and(|opinion| opinion.other_than.is_some());
        if is_second && self.0.len() == 1 {
            // Nobody else is there to be asked.
            return Err(nobody());
        }
        loop {
            let mut order = self.order();
            if let Some(other_than) = opinion.as_ref().and_then(|opinion| opinion.other_than) {
                order.sort_by_key(|place| *place == other_than);
            }
            let (mut refused, mut last) = (None, None);
            for place in order {
                let Some(endpoint) = self.0.get(place) else {
                    continue;
                };
                match endpoint.ask(request.clone()).await {
                    Ok(answer) if is_its_own_error(&answer) => {
                        refused.get_or_insert(answer);
                    }
                    Ok(answer) => {
                        if let Some(opinion) = &opinion {
                            let _ = opinion.by.set(place);
                        }
                        return Ok(answer);
                    }
                    Err(error) => last = Some(error),
                }
            }
            if let Some(answer) = refused {
                return Ok(answer);
            }
            let error = last.unwrap_or_else(nobody);
            let now = Instant::now();
            let rest = self.0.iter().map(|one| one.health().rest_left(now)).min();
            let again = now + rest.unwrap_or_default().max(Duration::from_millis(50));
            if !RateLimitRetryPolicy::default().should_retry(&error) || again > give_up {
                return Err(error);
            }
            tokio::time::sleep_until(again).await;
        }
    }

    /// A signed transaction goes to all. It is taken when one endpoint takes it.
    async fn send(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let (told, mut answers) = mpsc::unbounded_channel();
        for place in 0..self.0.len() {
            let (endpoints, request, told) = (self.clone(), request.clone(), told.clone());
            // One that takes its time is not waited for, and still gets it.
            tokio::spawn(async move {
                if let Some(endpoint) = endpoints.0.get(place) {
                    let _ = told.send(endpoint.ask(request).await);
                }
            });
        }
        drop(told);
        let mut refused = None;
        let mut failed = None;
        while let Some(answer) = answers.recv().await {
            match answer {
                Ok(ResponsePacket::Single(response)) if response.is_error() => {
                    refused.get_or_insert(ResponsePacket::Single(response));
                }
                Ok(answer) => return Ok(answer),
                Err(error) => failed = Some(error),
            }
        }
        refused.map_or_else(|| Err(failed.unwrap_or_else(nobody)), Ok)
    }

    /// Asks all endpoints for their newest block, and answers with the highest of these blocks. A block of the future
    /// counts less than any other.
    async fn newest(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        if self.0.len() == 1 {
            return self.read(request).await;
        }
        let now = Instant::now();
        let ask = |place: usize| {
            let (endpoints, request) = (self.clone(), request.clone());
            async move {
                let Some(endpoint) = endpoints.0.get(place) else {
                    return Err(nobody());
                };
                let answer = endpoint.ask(request).await?;
                match newest(&answer) {
                    Newest::Block(number) => {
                        endpoint.health().shows(number);
                        Ok((Some(number), answer))
                    }
                    Newest::Future => {
                        tracing::warn!(
                            endpoint = endpoint.shown,
                            "its newest block is of the future"
                        );
                        endpoint.health().distrust();
                        Ok((None, answer))
                    }
                    Newest::Unreadable => Ok((None, answer)),
                }
            }
        };
        let asked = self.0.iter().enumerate();
        let asked = asked.filter(|(_, one)| one.health().rest_left(now).is_zero());
        let mut asked: futures::stream::FuturesUnordered<_> =
            asked.map(|(place, _)| ask(place)).collect();
        let (mut best, mut failed) = (None::<(Option<u64>, ResponsePacket)>, None);
        let mut until = now + LONGEST_WAIT;
        loop {
            let next = futures::StreamExt::next(&mut asked);
            match tokio::time::timeout_at(until, next).await {
                Ok(Some(Ok((number, answer)))) => {
                    if best.as_ref().is_none_or(|(highest, _)| number > *highest) {
                        best = Some((number, answer));
                    }
                    // An endpoint's error hurries nobody.
                    if number.is_some() {
                        until = until.min(Instant::now() + OTHERS);
                    }
                }
                Ok(Some(Err(error))) => failed = Some(error),
                Ok(None) | Err(_) => break,
            }
        }
        match (best, failed) {
            (Some((_, answer)), _) => Ok(answer),
            (None, Some(error)) => Err(error),
            // All rest: then the best of them is asked all the same.
            (None, None) => self.read(request).await,
        }
    }
}

impl Service<RequestPacket> for Endpoints {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let endpoints = self.clone();
        Box::pin(async move { endpoints.make(request).await })
    }
}

/// Whether an answer is an error that another endpoint may not have. A contract's refusal is none.
fn is_its_own_error(answer: &ResponsePacket) -> bool {
    match answer {
        ResponsePacket::Single(response) => match &response.payload {
            ResponsePayload::Failure(error) => {
                error.code != REVERTED && error.as_revert_data().is_none()
            }
            ResponsePayload::Success(_) => false,
        },
        ResponsePacket::Batch(_) => false,
    }
}

/// Whether the endpoint is well, and does not want what was asked for.
fn is_refusal(kind: &TransportErrorKind) -> bool {
    let status = kind.as_http_error().map(|error| error.status);
    status.is_some_and(|status| matches!(status, 400 | 413 | 422))
}

enum Kind {
    /// The newest block.
    Newest,
    /// A signed transaction.
    Send,
    /// Whatever any endpoint can answer.
    Read,
}

fn kind(request: &SerializedRequest) -> Kind {
    let first = || {
        let params: Vec<Value> = serde_json::from_str(request.params()?.get()).ok()?;
        params.into_iter().next()
    };
    match request.method() {
        "eth_sendRawTransaction" => Kind::Send,
        "eth_getBlockByNumber" if first().is_some_and(|tag| tag == "latest") => Kind::Newest,
        _ => Kind::Read,
    }
}

enum Newest {
    Block(u64),
    Future,
    Unreadable,
}

fn newest(answer: &ResponsePacket) -> Newest {
    let quantity = |value: &Value| {
        let digits = value.as_str()?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let ResponsePacket::Single(response) = answer else {
        return Newest::Unreadable;
    };
    let Some(Ok(value)) = response.payload.try_success_as::<Value>() else {
        return Newest::Unreadable;
    };
    let local = SystemTime::now().duration_since(UNIX_EPOCH);
    let local = local.map_or(u64::MAX, |since| since.as_secs());
    let time = value.get("timestamp").and_then(quantity);
    if time.is_some_and(|time| time > local.saturating_add(MAX_FUTURE)) {
        return Newest::Future;
    }
    match value.get("number").and_then(quantity) {
        Some(number) => Newest::Block(number),
        None => Newest::Unreadable,
    }
}

fn nobody() -> TransportError {
    RpcError::Transport(TransportErrorKind::Custom("there is no endpoint".into()))
}
