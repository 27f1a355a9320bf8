//! Connecting to a node, and making sure that it is the right one.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::transports::http::{Http, reqwest};
use url::Url;

use super::{ChainError, IMarket};

/// How to reach the chain.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// Address of the node's JSON-RPC: http or https.
    pub rpc_url: String,
    /// The chain that the node must serve; none accepts any.
    pub chain_id: Option<u64>,
    /// How long to wait for a TCP connection.
    pub connect_timeout: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl ChainOptions {
    /// Defaults: any chain, 3 s to connect, 20 s for an answer.
    pub fn new(rpc_url: impl Into<String>) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            chain_id: None,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(20),
        }
    }

    /// Requires this chain.
    pub fn chain_id(mut self, chain_id: u64) -> Self {
        self.chain_id = Some(chain_id);
        self
    }
}

/// Connects and asks the node for its chain id, so that a dead or a wrong node shows at once.
/// Returns the provider, which fills in nothing by itself, and the chain id.
///
/// # Errors
/// [`ChainError::BadUrl`], [`ChainError::Unreachable`], [`ChainError::WrongChain`].
pub async fn connect(options: &ChainOptions) -> Result<(DynProvider, u64), ChainError> {
    let bad = |reason: String| ChainError::BadUrl {
        url: options.rpc_url.clone(),
        reason,
    };
    let url = Url::parse(&options.rpc_url).map_err(|error| bad(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("the scheme is {:?}", url.scheme())));
    }
    let shown = without_credentials(&url);
    let http = reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    let client = RpcClient::new(Http::with_client(http, url), false);
    let provider = ProviderBuilder::default().connect_client(client).erased();
    let first_answer = tokio::time::timeout(options.connect_timeout * 2, provider.get_chain_id());
    let actual = match first_answer.await {
        Ok(answer) => {
            answer.map_err(|error| ChainError::from_rpc("eth_chainId", error).at(&shown))?
        }
        Err(_) => {
            let reason = format!(
                "no answer within {} s",
                (options.connect_timeout * 2).as_secs()
            );
            return Err(ChainError::Unreachable { url: shown, reason });
        }
    };
    if let Some(expected) = options.chain_id
        && expected != actual
    {
        return Err(ChainError::WrongChain {
            url: shown,
            expected,
            actual,
        });
    }
    Ok((provider, actual))
}

/// Makes sure that a market lives at `market`; returns its token.
///
/// # Errors
/// [`ChainError::NoMarket`], [`ChainError::NotAMarket`], [`ChainError::Unreachable`].
pub async fn check_market(
    provider: &DynProvider,
    chain_id: u64,
    market: Address,
) -> Result<Address, ChainError> {
    let code = provider
        .get_code_at(market)
        .await
        .map_err(|error| ChainError::from_rpc("eth_getCode", error))?;
    if code.is_empty() {
        return Err(ChainError::NoMarket { market, chain_id });
    }
    IMarket::new(market, provider)
        .token()
        .call()
        .await
        .map_err(
            |error| match ChainError::from_contract("the market's token()", error) {
                unreachable @ ChainError::Unreachable { .. } => unreachable,
                other => ChainError::NotAMarket {
                    market,
                    reason: other.to_string(),
                },
            },
        )
}

/// A URL fit for messages: RPC URLs often carry a key in their user part, path or query.
fn without_credentials(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or("?"));
    if let Some(port) = url.port() {
        shown.push_str(&format!(":{port}"));
    }
    shown
}
