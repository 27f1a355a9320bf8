//! What the owner of a machine decides: a TOML file, environment variables and flags.
//!
//! Flags win over the environment, the environment over the file. Unknown keys, missing keys and
//! values that cannot work are refused with an error that names the key.

mod file;
mod flags;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
};
use piecework::rules::MAX_ENDPOINT;
use url::Url;

pub use flags::Flags;

/// Chain id of local development chains, where a raw key is accepted.
const DEVNET_CHAIN: u64 = 31_337;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}; give its path with --config")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML of the expected shape.
    #[error("{path}: {source}")]
    Parse {
        /// Path of the file.
        path: PathBuf,
        /// Where and why, naming the key.
        source: Box<toml::de::Error>,
    },
    /// A key that has no default is set nowhere.
    #[error("`{key}` is not set: set it in the file, or with {flag}")]
    Missing {
        /// The key, with its section.
        key: &'static str,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// A value cannot work.
    #[error("`{key}`: {why}")]
    Invalid {
        /// The key, with its section.
        key: &'static str,
        /// Why, and what would work.
        why: String,
    },
}

impl ConfigError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-read",
            Self::Parse { .. } => "config-parse",
            Self::Missing { .. } => "config-missing",
            Self::Invalid { .. } => "config-invalid",
        }
    }
}

pub(crate) fn invalid(key: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        key,
        why: why.into(),
    }
}

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

/// What the machine gives to strangers' containers, all leases together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// CPU, in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory, in bytes. A task takes what its spec grants for memory and for disk together: its
    /// files are kept in memory while it runs.
    pub memory_bytes: u64,
    /// Disk for outputs and temporary files of running tasks, in bytes.
    pub disk_bytes: u64,
    /// Most containers that run at the same time.
    pub tasks: u32,
    /// Most tasks taken in one lease.
    pub lease_tasks: u32,
}

/// Which work is worth taking.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Least price of a task after the protocol's fee, in the token's smallest unit.
    pub min_price: u128,
    /// Most stake locked for the jobs of one client at the same time, in the token's smallest
    /// unit; `None` for no limit.
    pub max_exposure: Option<u128>,
    /// Share of the provider's stake, in percent, that may be locked at the same time for all clients together
    /// of whom nothing was ever earned. 100: they are trusted like others, and their trials do not wait.
    pub strangers_percent: u8,
    /// Most leases and seats held at the same time.
    pub max_leases: u32,
    /// Private lists of providers (their Merkle roots) for whose jobs we work, once we are admitted to
    /// them. Whoever made a list may hold every other seat on it.
    pub lists: Vec<B256>,
    /// Least fee of a juror, in the token's smallest unit: above the price of one task and the gas of
    /// four transactions.
    pub min_jury_fee: u128,
    /// A new spec's first task is run twice before an optimistic lease of it is taken: a jury would convict this
    /// machine of what a spec makes of the clock or of chance. If the outputs differ, no job with it is taken. Longest
    /// time-out of such a task, in seconds; what may take longer is taken of known clients only, untried. 0: nothing
    /// is tried.
    pub try_seconds: u64,
    /// Fetch inputs from loopback and private addresses too. For development networks only: a
    /// client could otherwise make this machine read what only it can reach.
    pub allow_private_sources: bool,
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
    /// Distance from a deadline, in seconds, at which an act is not begun any more.
    pub margin: u64,
    /// First block that is read when the store is new.
    pub from_block: u64,
}

/// How long results and images are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How long outputs are served after their lease was settled.
    pub keep: Duration,
    /// How long an image that this executor brought stays in the container engine unused.
    pub keep_images: Duration,
    /// Bytes that such images may take; above it the longest unused go first.
    pub max_image_bytes: u64,
    /// Bytes that published outputs may take; above it the oldest settled ones go first, and no
    /// lease is taken while what must be kept does not fit.
    pub max_bytes: u64,
}

/// How much of others' results is run again, and challenged if it is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// Share of the tasks of each result (0 to 1) that is run again, at least one; 0 watches nothing.
    pub share: f64,
    /// Most units of the operator's ledger in open challenges at the same time. Nothing is watched without it.
    pub max_deposit: Option<u128>,
    /// Most challenges that are open at the same time.
    pub max_open: u32,
}

impl Watch {
    /// Watches nothing.
    pub const OFF: Self = Self {
        share: 0.0,
        max_deposit: None,
        max_open: 8,
    };
}

/// Everything that an [`Executor`](crate::Executor) needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// All state lives under this directory; one executor owns it.
    pub state_dir: PathBuf,
    /// JSON-RPC endpoint of the chain.
    pub rpc_url: Url,
    /// Chain id that the endpoint must have.
    pub chain_id: u64,
    /// Address of the market contract.
    pub market: Address,
    /// The staked account this executor works for.
    pub provider: Address,
    /// The key that signs: the provider's own, or one it allowed with `setOperator`.
    pub operator: OperatorKey,
    /// Container engine, `unix:///path/to/docker.sock`.
    pub docker: String,
    /// OCI runtime of the containers (`runsc` for gVisor); `None` for the engine's default.
    pub runtime: Option<String>,
    /// What the machine gives.
    pub capacity: Capacity,
    /// What is worth taking.
    pub policy: Policy,
    /// What is watched of others' results.
    pub watch: Watch,
    /// How the chain is followed.
    pub timing: ChainTiming,
    /// Where outputs are served.
    pub serve: SocketAddr,
    /// Base URL under which others reach `serve`; `None` for `http://` and the bound address.
    pub serve_url: Option<Url>,
    /// Where health, metrics and status are served; `None` for nowhere.
    pub admin: Option<SocketAddr>,
    /// How long results are kept.
    pub retention: Retention,
    /// How long bonded work may go on after the first stop signal.
    pub stop_grace: Duration,
}

impl Config {
    /// A configuration for a development network: a raw key, quick polling, private sources
    /// allowed, every port chosen by the system.
    #[must_use]
    pub fn devnet(
        state_dir: PathBuf,
        rpc_url: Url,
        market: Address,
        provider: Address,
        key: PrivateKeySigner,
        docker: String,
    ) -> Self {
        Self {
            state_dir,
            rpc_url,
            chain_id: DEVNET_CHAIN,
            market,
            provider,
            operator: OperatorKey::Raw(key),
            docker,
            runtime: None,
            capacity: Capacity {
                cpu_millis: 2_000,
                memory_bytes: 2 << 30,
                disk_bytes: 4 << 30,
                tasks: 2,
                lease_tasks: 8,
            },
            policy: Policy {
                min_price: 0,
                max_exposure: None,
                strangers_percent: 100,
                max_leases: 16,
                lists: Vec::new(),
                min_jury_fee: 0,
                try_seconds: 600,
                allow_private_sources: true,
            },
            watch: Watch::OFF,
            timing: ChainTiming {
                poll: Duration::from_millis(50),
                confirmations: 8,
                bump_after: Duration::from_secs(5),
                max_fee_per_gas: 500_000_000_000,
                margin: 2,
                from_block: 0,
            },
            serve: SocketAddr::from(([127, 0, 0, 1], 0)),
            serve_url: None,
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            retention: Retention {
                keep: Duration::from_secs(7 * 86_400),
                keep_images: Duration::from_secs(86_400),
                max_image_bytes: 50 << 30,
                max_bytes: 20 << 30,
            },
            stop_grace: Duration::from_secs(60),
        }
    }

    /// Reads the file (if any), then the environment and flags, and checks the result.
    ///
    /// # Errors
    /// An error that names the file or the key.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => file::read(path)?,
            None => file::File::default(),
        };
        let config = file::merge(file, flags)?;
        config.validate()?;
        Ok(config)
    }

    /// Whether this is a development chain.
    #[must_use]
    pub fn is_devnet(&self) -> bool {
        self.chain_id == DEVNET_CHAIN
    }

    /// Checks what can be checked without a chain or an engine.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names the key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Capacity {
            cpu_millis,
            memory_bytes,
            disk_bytes,
            tasks,
            lease_tasks,
        } = self.capacity;
        let zero = |key, value: u64| match value {
            0 => Err(invalid(key, "must not be zero")),
            _ => Ok(()),
        };
        zero("chain.id", self.chain_id)?;
        zero("capacity.cpu_millis", cpu_millis)?;
        zero("capacity.memory_bytes", memory_bytes)?;
        zero("capacity.disk_bytes", disk_bytes)?;
        zero("capacity.tasks", tasks.into())?;
        zero("capacity.lease_tasks", lease_tasks.into())?;
        if !(1..=100).contains(&self.policy.strangers_percent) {
            return Err(invalid(
                "policy.strangers_percent",
                "must be from 1 to 100: without strangers no client is ever known",
            ));
        }
        zero("policy.max_leases", self.policy.max_leases.into())?;
        zero("retention.max_bytes", self.retention.max_bytes)?;
        zero("watch.max_open", self.watch.max_open.into())?;
        if !(0.0..=1.0).contains(&self.watch.share) {
            return Err(invalid(
                "watch.share",
                format!("{} is not between 0 and 1", self.watch.share),
            ));
        }
        if self.watch.share > 0.0 && self.watch.max_deposit.is_none() {
            return Err(invalid(
                "watch.max_deposit",
                "must be set where watch.share is above 0: a challenge that a jury does not follow loses its deposit, \
                 so say how much of the operator's ledger may be in challenges at the same time",
            ));
        }
        let most = piecework::rules::MAX_OPTIMISTIC_LEASE;
        if lease_tasks > most {
            return Err(invalid(
                "capacity.lease_tasks",
                format!("the market allows at most {most}"),
            ));
        }
        for (key, url) in [
            ("chain.rpc_url", Some(&self.rpc_url)),
            ("serve.url", self.serve_url.as_ref()),
        ] {
            if let Some(url) = url
                && !matches!(url.scheme(), "http" | "https")
            {
                return Err(invalid(
                    key,
                    format!("{url} is neither http:// nor https://"),
                ));
            }
        }
        if let Some(url) = &self.serve_url
            && url.as_str().len() > MAX_ENDPOINT
        {
            return Err(invalid(
                "serve.url",
                format!("longer than the market's limit of {MAX_ENDPOINT} bytes"),
            ));
        }
        if !self.docker.starts_with("unix://") {
            return Err(invalid(
                "engine.docker",
                format!(
                    "{} is not a unix:// socket; forward a remote engine's socket through ssh",
                    self.docker
                ),
            ));
        }
        if self.market == Address::ZERO {
            return Err(invalid("chain.market", "must not be the zero address"));
        }
        if self.provider == Address::ZERO {
            return Err(invalid("provider.address", "must not be the zero address"));
        }
        if matches!(self.operator, OperatorKey::Raw(_)) && !self.is_devnet() {
            return Err(invalid(
                "provider.key",
                format!("a raw key is for chain {DEVNET_CHAIN} only; use provider.keystore"),
            ));
        }
        if self.timing.poll < Duration::from_millis(10) {
            return Err(invalid("chain.poll_millis", "must be at least 10"));
        }
        if self.timing.confirmations > 1_024 {
            return Err(invalid("chain.confirmations", "must be at most 1024"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
