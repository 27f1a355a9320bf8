//! Flags and environment variables; clap gives flags precedence over the environment.

use std::{net::SocketAddr, path::PathBuf};

use alloy::primitives::Address;
use clap::Args;
use url::Url;

/// What overrides the configuration file. Every flag has an environment variable. Those about a chain, its key or
/// its policy are refused where the file has several chains.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Configuration file (TOML); executor.example.toml explains every key
    #[arg(long, short, env = "PIECEWORK_EXECUTOR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of all state
    #[arg(long, env = "PIECEWORK_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// JSON-RPC endpoint of the chain; several are separated by commas, the preferred one first
    #[arg(
        long,
        env = "PIECEWORK_RPC_URL",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub rpc_url: Option<Vec<Url>>,
    /// File that describes the market's deployment: its address, chain and first block
    #[arg(long, env = "PIECEWORK_DEPLOYMENT", value_name = "FILE")]
    pub deployment: Option<PathBuf>,
    /// Chain id that the endpoint must have
    #[arg(long, env = "PIECEWORK_CHAIN_ID", value_name = "ID")]
    pub chain_id: Option<u64>,
    /// Address of the market contract
    #[arg(long, env = "PIECEWORK_MARKET", value_name = "ADDRESS")]
    pub market: Option<Address>,
    /// The staked account to work for
    #[arg(long, env = "PIECEWORK_PROVIDER", value_name = "ADDRESS")]
    pub provider: Option<Address>,
    /// Keystore file of the operator key
    #[arg(long, env = "PIECEWORK_KEYSTORE", value_name = "FILE")]
    pub keystore: Option<PathBuf>,
    /// File whose first line is the keystore's password
    #[arg(long, env = "PIECEWORK_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The keystore's password; from the environment only, a flag would show it to every user
    #[arg(skip)]
    pub password: Option<String>,
    /// The operator key itself, on development chains only; from the environment only
    #[arg(skip)]
    pub private_key: Option<String>,
    /// Container engine
    #[arg(long, env = "DOCKER_HOST", value_name = "UNIX_URL")]
    pub docker: Option<String>,
    /// OCI runtime of the containers, such as runsc
    #[arg(long, env = "PIECEWORK_RUNTIME", value_name = "NAME")]
    pub runtime: Option<String>,
    /// Address on which outputs are served
    #[arg(long, env = "PIECEWORK_SERVE", value_name = "ADDR:PORT")]
    pub serve: Option<SocketAddr>,
    /// Base URL under which others reach --serve
    #[arg(long, env = "PIECEWORK_SERVE_URL", value_name = "URL")]
    pub serve_url: Option<Url>,
    /// Address of health, metrics and status
    #[arg(long, env = "PIECEWORK_ADMIN", value_name = "ADDR:PORT")]
    pub admin: Option<SocketAddr>,
    /// Least price of a task after the fee, in the token's smallest unit
    #[arg(long, env = "PIECEWORK_MIN_PRICE", value_name = "AMOUNT")]
    pub min_price: Option<u128>,
}

impl Flags {
    /// The name of one that is set and is about one chain, if there is any: where a file has several chains, it
    /// cannot be told which one is meant.
    pub(super) fn of_one_chain(&self) -> Option<&'static str> {
        [
            ("--rpc-url (PIECEWORK_RPC_URL)", self.rpc_url.is_some()),
            (
                "--deployment (PIECEWORK_DEPLOYMENT)",
                self.deployment.is_some(),
            ),
            ("--chain-id (PIECEWORK_CHAIN_ID)", self.chain_id.is_some()),
            ("--market (PIECEWORK_MARKET)", self.market.is_some()),
            ("--provider (PIECEWORK_PROVIDER)", self.provider.is_some()),
            ("--keystore (PIECEWORK_KEYSTORE)", self.keystore.is_some()),
            (
                "--password-file (PIECEWORK_PASSWORD_FILE)",
                self.password_file.is_some(),
            ),
            ("PIECEWORK_PASSWORD", self.password.is_some()),
            ("PIECEWORK_PRIVATE_KEY", self.private_key.is_some()),
            (
                "--min-price (PIECEWORK_MIN_PRICE)",
                self.min_price.is_some(),
            ),
        ]
        .into_iter()
        .find_map(|(name, is_set)| is_set.then_some(name))
    }

    /// Takes the secrets from the environment: `PIECEWORK_PASSWORD` and `PIECEWORK_PRIVATE_KEY`.
    #[must_use]
    pub fn with_secrets_from_env(mut self) -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.password = self.password.or_else(|| read("PIECEWORK_PASSWORD"));
        self.private_key = self.private_key.or_else(|| read("PIECEWORK_PRIVATE_KEY"));
        self
    }
}
