//! The server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::faults::Faults;
use crate::lies::{Liar, lock};
use crate::node::Node;

/// The largest body of a request.
const MAX_BODY: usize = 16 << 20;

/// A proxy that stands before a node, and lies as it is told.
///
/// Dropping it stops the server and closes its connections.
pub struct Proxy {
    liar: Arc<Liar>,
    address: SocketAddr,
    _server: Server,
}

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The node's address is not a URL.
    #[error("{url:?} is not the URL of a node: {source}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// The client for the node could not be made.
    #[error("the HTTP client for the node could not be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The server could not listen.
    #[error("the proxy cannot listen on 127.0.0.1: {0}")]
    Listen(#[from] std::io::Error),
}

impl Proxy {
    /// Starts a proxy before a node. It is honest until [`set`](Self::set) or [`change`](Self::change) says otherwise.
    pub async fn start(node: &str) -> Result<Self, ProxyError> {
        let url = Url::parse(node).map_err(|source| ProxyError::Url {
            url: node.to_owned(),
            source,
        })?;
        let liar = Arc::new(Liar::new(Node::new(url)?));
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let server = Server::start(listener, Arc::clone(&liar))?;
        Ok(Self {
            liar,
            address,
            _server: server,
        })
    }

    /// Returns the proxy's address for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces all faults. The default is an honest proxy.
    /// A request that has arrived is still answered with the former ones.
    pub fn set(&self, faults: Faults) {
        lock(&self.liar.limits).clear();
        self.change(|now| *now = faults);
    }

    /// Changes some faults.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = lock(&self.liar.faults);
        change(&mut faults);
        if !faults.stale_receipts {
            lock(&self.liar.receipts).clear();
        }
    }

    /// Returns how often clients called a method, refused calls and those of batches included.
    pub fn calls(&self, method: &str) -> u64 {
        let calls = lock(&self.liar.calls);
        calls.get(method).copied().unwrap_or_default()
    }

    /// Returns how many calls clients made.
    pub fn all_calls(&self) -> u64 {
        lock(&self.liar.calls).values().sum()
    }

    /// Returns how often clients called each method.
    pub fn total_by_method(&self) -> BTreeMap<String, u64> {
        lock(&self.liar.calls).clone()
    }

    /// Sets all counts of calls to 0.
    pub fn forget_calls(&self) {
        lock(&self.liar.calls).clear();
    }
}

/// The server's own runtime: its end is the end of all connections.
struct Server(Option<Runtime>);

impl Server {
    fn start(listener: std::net::TcpListener, liar: Arc<Liar>) -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build()?;
        let handle = runtime.handle().clone();
        // From here on the runtime ends as a server does, also after an error: see `drop`.
        let server = Self(Some(runtime));
        let listener = {
            let _inside = handle.enter();
            TcpListener::from_std(listener)?
        };
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(liar);
        handle.spawn(async move { axum::serve(listener, app).await });
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Tokio forbids waiting for the end of a runtime inside of another one. A thread of its own may wait.
        if let Some(runtime) = self.0.take() {
            let end = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(1)));
            let _ = end.join();
        }
    }
}

async fn answer(State(liar): State<Arc<Liar>>, body: Bytes) -> Response {
    liar.answer(body.to_vec()).await
}
