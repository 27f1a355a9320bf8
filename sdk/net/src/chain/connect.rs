//! Connecting to a node, and making sure that it is the right one.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::transports::http::{Http, reqwest};
use futures::future::join_all;
use url::Url;

use super::rpc::Endpoints;
use super::{ChainError, Contract, IMarket};

/// How to reach the chain.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// Address of the node's JSON-RPC, http or https; or several of them, separated by commas, the preferred one first.
    /// With several, one that fails, lags or hides events is made up for by the others.
    pub rpc_url: String,
    /// The chain that the nodes must serve; none accepts any.
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

    fn http(&self, url: &str) -> Result<(String, Http<reqwest::Client>), ChainError> {
        let bad = |reason: String| ChainError::BadUrl {
            url: url.to_owned(),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad(format!("the scheme is {:?}", parsed.scheme())));
        }
        let client = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok((
            without_credentials(&parsed),
            Http::with_client(client, parsed),
        ))
    }

    /// The chain that a node serves.
    async fn chain_of(&self, shown: &str, http: Http<reqwest::Client>) -> Result<u64, ChainError> {
        let client = RpcClient::new(http, false);
        let provider: DynProvider = ProviderBuilder::default().connect_client(client).erased();
        let patience = self.connect_timeout * 2;
        let actual = match tokio::time::timeout(patience, provider.get_chain_id()).await {
            Ok(answer) => {
                answer.map_err(|error| ChainError::from_rpc("eth_chainId", error).at(shown))?
            }
            Err(_) => {
                let reason = format!("no answer within {} s", patience.as_secs());
                let url = shown.to_owned();
                return Err(ChainError::Unreachable { url, reason });
            }
        };
        match self.chain_id {
            Some(expected) if expected != actual => Err(ChainError::WrongChain {
                url: shown.to_owned(),
                expected,
                actual,
            }),
            _ => Ok(actual),
        }
    }
}

/// Connects and asks each node for its chain id, so that a dead or a wrong one shows at once. Of several nodes one must
/// answer, and all that answer must serve the same chain. Returns the provider, which fills in nothing by itself, and the
/// chain id.
///
/// # Errors
/// [`ChainError::BadUrl`], [`ChainError::Unreachable`], [`ChainError::WrongChain`].
pub async fn connect(options: &ChainOptions) -> Result<(DynProvider, u64), ChainError> {
    let urls = options.rpc_url.split(',').map(str::trim);
    let nodes: Vec<_> = urls
        .map(|url| options.http(url))
        .collect::<Result<_, _>>()?;
    let looks = nodes
        .iter()
        .map(|(shown, http)| options.chain_of(shown, http.clone()));
    let (mut chain, mut silent) = (None, None);
    for ((shown, _), look) in nodes.iter().zip(join_all(looks).await) {
        match look {
            Ok(actual) => {
                let expected = *chain.get_or_insert(actual);
                if expected != actual {
                    let url = shown.clone();
                    return Err(ChainError::WrongChain {
                        url,
                        expected,
                        actual,
                    });
                }
            }
            Err(error @ ChainError::WrongChain { .. }) => return Err(error),
            Err(error) => {
                if nodes.len() > 1 {
                    tracing::warn!(%error, "one of several nodes does not answer; the others are used meanwhile");
                }
                silent.get_or_insert(error);
            }
        }
    }
    match (chain, silent) {
        (Some(chain), _) => {
            let client = RpcClient::new(Endpoints::new(chain, nodes), false);
            Ok((
                ProviderBuilder::default().connect_client(client).erased(),
                chain,
            ))
        }
        (None, Some(error)) => Err(error),
        (None, None) => Err(ChainError::BadUrl {
            url: options.rpc_url.clone(),
            reason: "it is empty".to_owned(),
        }),
    }
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
    Contract::new(market, provider)
        .ask(IMarket::tokenCall {})
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
