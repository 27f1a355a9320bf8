//! What belongs to one chain: where it is, who works there with which key, and what is worth taking.

use std::{fmt, path::PathBuf, time::Duration};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use piecework_executor_core::policy::{Costs, Policy};
use piecework_net::chain::drand::Endpoints;
use url::Url;

use super::{ConfigError, DEVNET_CHAIN};

/// Longest name of a chain.
const MAX_NAME: usize = 32;
/// Longest time for which a lease that can be settled may wait, in seconds.
const MAX_SETTLE_WITHIN: u64 = 3_600;

/// The key that signs for the provider.
#[derive(Clone)]
pub enum OperatorKey {
    /// A keystore file and where its password is.
    Keystore {
        /// Path of the keystore file.
        path: PathBuf,
        /// Where the password comes from.
        password: Password,
    },
    /// The key itself; refused outside development chains.
    Raw(PrivateKeySigner),
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keystore { path, .. } => f.debug_struct("Keystore").field("path", path).finish(),
            Self::Raw(signer) => f.debug_tuple("Raw").field(&signer.address()).finish(),
        }
    }
}

/// Where the keystore's password comes from.
#[derive(Clone)]
pub enum Password {
    /// The first line of a file.
    File(PathBuf),
    /// The text itself, from the environment variable `PIECEWORK_PASSWORD`.
    Text(String),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(…)"),
        }
    }
}

/// How the chain is followed and transactions are sent.
#[derive(Clone, Debug)]
pub struct ChainTiming {
    /// How often a new block is looked for.
    pub poll: Duration,
    /// Blocks after which a block is taken for final.
    pub confirmations: u64,
    /// How long a transaction may wait before its fees are raised.
    pub bump_after: Duration,
    /// Most that is paid for a unit of gas, in wei.
    pub max_fee_per_gas: u128,
    /// The same for a transaction that saves stake, when less than half of its time is left.
    pub urgent_max_fee_per_gas: u128,
    /// Seconds before a deadline from which no act is begun.
    pub margin: u64,
    /// Most seconds for which a lease that can be settled waits, so that its settlement shares a transaction.
    pub settle_within: u64,
    /// First block that is read when the store is new.
    pub from_block: u64,
}

/// One chain that is served: a market, and the provider that works there.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// What the owner calls it, in logs, status and metrics; its state is kept under this name. Up to 32 lowercase
    /// letters, digits and dashes.
    pub name: String,
    /// JSON-RPC endpoints of the chain, the preferred one first. With several, one that fails, lags or hides events is
    /// made up for by the others.
    pub rpc_urls: Vec<Url>,
    /// Chain id that the endpoint must have.
    pub chain_id: u64,
    /// Address of the market contract.
    pub market: Address,
    /// The staked account this executor works for.
    pub provider: Address,
    /// The key that signs: the provider's own, or one it allowed with `setOperator`.
    pub operator: OperatorKey,
    /// What is worth taking.
    pub policy: Policy,
    /// Fetch inputs from loopback and private addresses too. For development networks only: a client could otherwise make
    /// this machine read what only it can reach.
    pub allow_private_sources: bool,
    /// How the chain is followed.
    pub timing: ChainTiming,
    /// Base URLs of drand's endpoints, for a market whose seeds are drand's; each serves `<url>/public/<round>`. Empty:
    /// drand's own ones, if the market's beacon is of drand's chain quicknet.
    pub drand_urls: Vec<Url>,
}

impl ChainConfig {
    /// A development chain, `devnet`: a raw key, quick polling, private sources allowed.
    #[must_use]
    pub fn devnet(rpc_url: Url, market: Address, provider: Address, key: PrivateKeySigner) -> Self {
        Self {
            name: "devnet".to_owned(),
            rpc_urls: vec![rpc_url],
            chain_id: DEVNET_CHAIN,
            market,
            provider,
            operator: OperatorKey::Raw(key),
            policy: Policy {
                min_price: 0,
                max_exposure: None,
                strangers_percent: 100,
                max_leases: 16,
                lists: Vec::new(),
                trusted_clients: Vec::new(),
                min_jury_fee: 0,
                try_seconds: 600,
                costs: Costs::default(),
            },
            allow_private_sources: true,
            timing: ChainTiming {
                poll: Duration::from_millis(50),
                confirmations: 2,
                bump_after: Duration::from_secs(5),
                max_fee_per_gas: 500_000_000_000,
                urgent_max_fee_per_gas: 10_000_000_000_000,
                margin: 2,
                settle_within: 0,
                from_block: 0,
            },
            drand_urls: Vec::new(),
        }
    }

    /// Whether this is a development chain.
    #[must_use]
    pub fn is_devnet(&self) -> bool {
        self.chain_id == DEVNET_CHAIN
    }

    pub(crate) fn invalid(&self, key: &'static str, why: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            key,
            chain: Some(self.name.clone()),
            why: why.into(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.chars().all(fine) {
            let why = format!(
                "must be 1 to {MAX_NAME} lowercase letters, digits and dashes: its state is kept in a directory of this name"
            );
            return Err(self.invalid("chain.name", why));
        }
        let zero = |key, value: u64| match value {
            0 => Err(self.invalid(key, "must not be zero")),
            _ => Ok(()),
        };
        zero("chain.id", self.chain_id)?;
        if !(1..=100).contains(&self.policy.strangers_percent) {
            return Err(self.invalid(
                "chain.policy.strangers_percent",
                "must be from 1 to 100: without strangers no client is ever known",
            ));
        }
        zero("chain.policy.max_leases", self.policy.max_leases.into())?;
        if self.rpc_urls.is_empty() {
            return Err(self.invalid("chain.rpc_url", "must name an endpoint"));
        }
        for url in &self.rpc_urls {
            if !matches!(url.scheme(), "http" | "https") || url.as_str().contains(',') {
                let why = format!("{url} is neither http:// nor https://, or has a comma");
                return Err(self.invalid("chain.rpc_url", why));
            }
        }
        for url in &self.drand_urls {
            Endpoints::check(url)
                .map_err(|error| self.invalid("chain.beacon.urls", error.to_string()))?;
        }
        if self.market == Address::ZERO {
            return Err(self.invalid("chain.market", "must not be the zero address"));
        }
        if self.provider == Address::ZERO {
            return Err(self.invalid("chain.provider.address", "must not be the zero address"));
        }
        if matches!(self.operator, OperatorKey::Raw(_)) && !self.is_devnet() {
            return Err(self.invalid(
                "chain.provider.key",
                format!("a raw key is for chain {DEVNET_CHAIN} only; use chain.provider.keystore"),
            ));
        }
        if self.timing.poll < Duration::from_millis(10) {
            return Err(self.invalid("chain.poll_millis", "must be at least 10"));
        }
        if self.timing.urgent_max_fee_per_gas < self.timing.max_fee_per_gas {
            return Err(self.invalid(
                "chain.urgent_max_fee_gwei",
                "must not be less than chain.max_fee_gwei",
            ));
        }
        if self.timing.settle_within > MAX_SETTLE_WITHIN {
            let why =
                format!("must be at most {MAX_SETTLE_WITHIN}: the bond is locked for so long");
            return Err(self.invalid("chain.settle_within_seconds", why));
        }
        if self.timing.confirmations > 1_024 {
            return Err(self.invalid("chain.confirmations", "must be at most 1024"));
        }
        Ok(())
    }
}
