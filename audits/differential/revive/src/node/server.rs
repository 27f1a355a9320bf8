//! HTTP around the chain. The chain lives in a thread of its own, which does one request after another.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Chain, Options, RpcError, answer};

/// The largest body that is read: a transaction with the largest contract fits.
const BODY: usize = 4 * 1024 * 1024;
/// Requests in one body.
const BATCH: usize = 100;

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another --port, or 0 for any free one")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The chain does not begin.
    #[error("the chain does not begin: {0}")]
    Chain(RpcError),
    /// What ended it.
    #[error(transparent)]
    Serve(#[from] std::io::Error),
}

enum Work {
    Answer(String, Value, oneshot::Sender<Result<Value, RpcError>>),
    Mine,
}

/// A node that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// Where.
    pub address: SocketAddr,
    work: mpsc::Sender<Work>,
}

impl Server {
    /// Begins a chain and listens.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn bind(address: SocketAddr, options: Options) -> Result<Self, ServerError> {
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (work, jobs) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        std::thread::Builder::new()
            .name("chain".into())
            // pallet-revive runs nested calls on the stack.
            .stack_size(64 * 1024 * 1024)
            .spawn(move || run(&options, &jobs, begun))?;
        match begins.await {
            Ok(Ok(())) => Ok(Self {
                listener,
                address,
                work,
            }),
            Ok(Err(error)) => Err(ServerError::Chain(error)),
            Err(_) => Err(ServerError::Chain(RpcError::refused("it ended"))),
        }
    }

    /// Answers until `end` comes; mines a block every so often, if that is given.
    ///
    /// # Errors
    /// When the network fails.
    pub async fn serve(
        self,
        every: Option<Duration>,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        if let Some(every) = every {
            let work = self.work.clone();
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(every);
                ticks.tick().await; // the first comes at once
                loop {
                    ticks.tick().await;
                    if work.send(Work::Mine).is_err() {
                        return;
                    }
                }
            });
        }
        let router = Router::new()
            .route("/", post(handle))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(self.work);
        axum::serve(self.listener, router)
            .with_graceful_shutdown(end)
            .await?;
        Ok(())
    }
}

fn run(
    options: &Options,
    jobs: &mpsc::Receiver<Work>,
    begun: oneshot::Sender<Result<(), RpcError>>,
) {
    let mut chain = match Chain::new(options) {
        Ok(chain) => chain,
        Err(error) => return drop(begun.send(Err(error))),
    };
    if begun.send(Ok(())).is_err() {
        return;
    }
    while let Ok(job) = jobs.recv() {
        match job {
            // Whoever asks next is told that it has ended.
            Work::Mine => {
                if chain.mine().is_err() {
                    return;
                }
            }
            // Whoever asked may have gone.
            Work::Answer(method, params, to) => {
                drop(to.send(answer(&mut chain, &method, &params)));
            }
        }
    }
}

async fn handle(State(work): State<mpsc::Sender<Work>>, body: String) -> Json<Value> {
    let answer = match serde_json::from_str(&body) {
        Ok(Value::Array(requests)) if requests.is_empty() || requests.len() > BATCH => failed(
            Value::Null,
            -32_600,
            &format!("1 to {BATCH} requests at once"),
        ),
        Ok(Value::Array(requests)) => {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                answers.push(one(&work, request).await);
            }
            answers.into()
        }
        Ok(request) => one(&work, request).await,
        Err(error) => failed(
            Value::Null,
            -32_700,
            &format!("the body is not JSON: {error}"),
        ),
    };
    Json(answer)
}

fn failed(id: Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

async fn one(work: &mpsc::Sender<Work>, request: Value) -> Value {
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let Some(method) = request.get("method").and_then(Value::as_str) else {
        return failed(id, -32_600, "the request names no method");
    };
    let params = request.get("params").cloned().unwrap_or(Value::Null);
    let (to, from) = oneshot::channel();
    let gone = "the chain has ended: start the node again";
    if work.send(Work::Answer(method.into(), params, to)).is_err() {
        return failed(id, -32_603, gone);
    }
    match from.await {
        Ok(Ok(result)) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Ok(Err(error)) => json!({ "jsonrpc": "2.0", "id": id, "error": error.to_json() }),
        Err(_) => failed(id, -32_603, gone),
    }
}
