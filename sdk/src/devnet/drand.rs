//! A signer that plays drand on a devnet: the same scheme and the same HTTP API, with a key that everyone knows.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use blst::min_sig::SecretKey;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::chain::deploy::{DEV_MARGIN, DrandDeployment};
use crate::chain::drand::{DST, message};

/// What the key is made of.
const SEED: [u8; 32] = [7; 32];

/// What a signer signs.
#[derive(Debug, Clone)]
pub struct DrandOptions {
    /// Port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The Unix time of round 1.
    pub genesis: u64,
    /// Seconds from round to round, at least 1.
    pub period: u64,
}

impl DrandOptions {
    /// Rounds that begin now, on any free port.
    pub fn now(period: u64) -> Self {
        Self {
            port: 0,
            genesis: unix_now(),
            period,
        }
    }
}

/// A running signer. It ends when it is dropped.
#[derive(Debug)]
pub struct DrandSigner {
    chain: Arc<Chain>,
    address: SocketAddr,
    serving: Option<Serving>,
}

#[derive(Debug)]
struct Serving {
    stop: CancellationToken,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Chain {
    key: SecretKey,
    genesis: u64,
    period: u64,
    hash: String,
}

impl DrandSigner {
    /// Starts to serve rounds.
    ///
    /// # Errors
    /// If the port is taken, or the period is 0.
    pub async fn start(options: &DrandOptions) -> std::io::Result<Self> {
        if options.period == 0 {
            return Err(std::io::Error::other(
                "rounds must be at least a second apart",
            ));
        }
        let key = SecretKey::key_gen(&SEED, &[]);
        let key = key.map_err(|error| std::io::Error::other(format!("{error:?}")))?;
        let chain = Chain {
            hash: chain_hash(&key, options),
            key,
            genesis: options.genesis,
            period: options.period,
        };
        let mut signer = Self {
            chain: Arc::new(chain),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)),
            serving: None,
        };
        signer.resume().await?;
        Ok(signer)
    }

    /// Serves again after [`DrandSigner::stop`], at the same address. Rounds went on meanwhile.
    ///
    /// # Errors
    /// If another program took the port.
    pub async fn resume(&mut self) -> std::io::Result<()> {
        if self.serving.is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address).await?;
        self.address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let (router, stopped) = (router(self.chain.clone()), stop.clone().cancelled_owned());
        let server = tokio::spawn(async move {
            // It ends when it is stopped, and has no other error: connections fail one by one.
            let _ = axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await;
        });
        self.serving = Some(Serving { stop, server });
        Ok(())
    }

    /// Stops to serve: from now on nobody listens at its address.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.stop.cancel();
            // Answers close their connections: nothing is left to wait for but what is being answered.
            let _ = serving.server.await;
        }
    }

    /// Base URL for clients, with the hash of the chain as its path.
    ///
    /// # Errors
    /// Never: the address is one.
    pub fn url(&self) -> Result<Url, url::ParseError> {
        format!("http://{}/{}", self.address, self.chain.hash).parse()
    }

    /// The beacon of its rounds for a devnet: each round is a point.
    pub fn beacon(&self) -> DrandDeployment {
        DrandDeployment {
            key: self.chain.key.sk_to_pk().into(),
            genesis: self.chain.genesis,
            period: self.chain.period,
            point_period: self.chain.period,
            margin: DEV_MARGIN,
        }
    }
}

impl Drop for DrandSigner {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.server.abort();
        }
    }
}

/// The name of the chain, made as drand makes it.
fn chain_hash(key: &SecretKey, options: &DrandOptions) -> String {
    let mut hash = Sha256::new();
    let period = u32::try_from(options.period).unwrap_or(u32::MAX);
    hash.update(period.to_be_bytes());
    hash.update(options.genesis.to_be_bytes());
    hash.update(key.sk_to_pk().compress());
    hash.update(group_hash());
    hash.update(b"devnet");
    hex::encode(hash.finalize())
}

fn group_hash() -> [u8; 32] {
    Sha256::digest(b"piecework devnet").into()
}

fn router(chain: Arc<Chain>) -> Router {
    let api = Router::new()
        .route("/info", get(info))
        .route("/public/latest", get(latest))
        .route("/public/{round}", get(numbered));
    let hash = format!("/{}", chain.hash);
    Router::new()
        .nest(&hash, api.clone())
        .merge(api)
        .with_state(chain)
}

async fn info(State(chain): State<Arc<Chain>>) -> Response {
    answer(json!({
        "public_key": hex::encode(chain.key.sk_to_pk().compress()),
        "period": chain.period,
        "genesis_time": chain.genesis,
        "hash": chain.hash,
        "groupHash": hex::encode(group_hash()),
        "schemeID": "bls-unchained-g1-rfc9380",
        "metadata": { "beaconID": "devnet" },
    }))
}

async fn latest(State(chain): State<Arc<Chain>>) -> Response {
    chain.serve(chain.newest())
}

async fn numbered(State(chain): State<Arc<Chain>>, Path(round): Path<u64>) -> Response {
    chain.serve(round)
}

impl Chain {
    /// The newest round that is not in the future; 0 before the first.
    fn newest(&self) -> u64 {
        let since = unix_now().checked_sub(self.genesis);
        since
            .and_then(|since| since.checked_div(self.period))
            .map_or(0, |rounds| rounds.saturating_add(1))
    }

    fn serve(&self, round: u64) -> Response {
        if round == 0 {
            return refusal(StatusCode::NOT_FOUND);
        }
        if round > self.newest() {
            return refusal(StatusCode::TOO_EARLY);
        }
        let signature = self
            .key
            .sign(message(round).as_slice(), DST, &[])
            .compress();
        answer(json!({
            "round": round,
            "randomness": hex::encode(Sha256::digest(signature)),
            "signature": hex::encode(signature),
        }))
    }
}

fn answer(body: serde_json::Value) -> Response {
    closing(Json(body).into_response())
}

fn refusal(status: StatusCode) -> Response {
    closing(status.into_response())
}

/// A connection that stayed open would be served after a stop.
fn closing(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
