//! What the owner of a machine decides: a TOML file, environment variables and flags.
//!
//! Flags win over the environment, the environment over the file. Unknown keys, missing keys and
//! values that cannot work are refused with an error that names the key.

mod chain;
mod file;
mod flags;
mod old_form;
mod sections;

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use piecework_core::rules::{MAX_ENDPOINT, MAX_LEASE};
use url::Url;

pub use chain::{ChainConfig, ChainTiming, OperatorKey, Password};
pub use flags::Flags;
pub use piecework_executor_core::policy::{Costs, Policy};

/// Chain id of local development chains, where a raw key is accepted.
pub(crate) const DEVNET_CHAIN: u64 = 31_337;

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
    /// The file has the form of the time when an executor served one chain.
    #[error(
        "{path} is of an older form: an executor serves several chains now, and all that belongs to one of them \
         stands together, its `[[chain]]` first. Nothing was started. Change these lines, and keep what is below each of \
         them:\n{edits}What the executor remembers of that chain is found again by its id and market."
    )]
    OldForm {
        /// Path of the file.
        path: PathBuf,
        /// The lines to change, each with what it becomes.
        edits: String,
    },
    /// A key that has no default is set nowhere.
    #[error("`{key}`{} is not set: set it in {hint}", of(chain))]
    Missing {
        /// The key, with its section.
        key: &'static str,
        /// The chain it is missing for, by its name, or by its place in the file.
        chain: Option<String>,
        /// What sets it.
        hint: String,
    },
    /// A value cannot work.
    #[error("`{key}`{}: {why}", of(chain))]
    Invalid {
        /// The key, with its section.
        key: &'static str,
        /// The chain it belongs to.
        chain: Option<String>,
        /// Why, and what would work.
        why: String,
    },
    /// A flag or an environment variable speaks of one chain, and the file has several.
    #[error(
        "{flag} is about one chain, and the file has {count}: which one is meant cannot be told. Nothing was started; \
         say it in that chain's table of the file instead, and unset {flag}"
    )]
    WhichChain {
        /// The flag, and the environment variable.
        flag: &'static str,
        /// Chains in the file.
        count: usize,
    },
}

fn of(chain: &Option<String>) -> String {
    chain
        .as_ref()
        .map(|chain| format!(" of chain {chain:?}"))
        .unwrap_or_default()
}

impl ConfigError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-read",
            Self::Parse { .. } => "config-parse",
            Self::OldForm { .. } => "config-old-form",
            Self::Missing { .. } => "config-missing",
            Self::Invalid { .. } => "config-invalid",
            Self::WhichChain { .. } => "config-which-chain",
        }
    }
}

pub(crate) fn invalid(key: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        key,
        chain: None,
        why: why.into(),
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

/// Everything that an [`Executor`](crate::Executor) needs to know: one machine, and the chains that it serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// All state lives under this directory; one executor owns it.
    pub state_dir: PathBuf,
    /// Container engine, `unix:///path/to/docker.sock`.
    pub docker: String,
    /// OCI runtime of the containers (`runsc` for gVisor); `None` for the engine's default.
    pub runtime: Option<String>,
    /// A package of runc, by its exact version or build, that the owner knows to have the fixes that its number does not
    /// show: distributions mend old versions.
    pub trusted_runc: Option<String>,
    /// What the machine gives, to all chains together.
    pub capacity: Capacity,
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
    /// The chains; at least one.
    pub chains: Vec<ChainConfig>,
}

impl Config {
    /// A configuration for one [development chain](ChainConfig::devnet), every port chosen by the system.
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
            docker,
            runtime: None,
            trusted_runc: None,
            capacity: Capacity {
                cpu_millis: 2_000,
                memory_bytes: 2 << 30,
                disk_bytes: 4 << 30,
                tasks: 2,
                lease_tasks: 8,
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
            chains: vec![ChainConfig::devnet(rpc_url, market, provider, key)],
        }
    }

    /// Reads the file (if any), then the environment and flags, and checks the result.
    ///
    /// # Errors
    /// An error that names the file or the key.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let config = file::merge(read(flags.config.as_deref())?, flags)?;
        config.validate()?;
        Ok(config)
    }

    /// Where an executor with this file answers its owner; None if the file switches that off. A flag that is set wins.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn admin_address(
        file: Option<&Path>,
        flag: Option<SocketAddr>,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        match (file, flag) {
            // Whoever gives the address needs no file.
            (_, Some(flag)) => Ok(Some(flag)),
            (file, None) => Ok(file::admin(&read(file)?, None)),
        }
    }

    /// Where an executor with this file keeps its state. A flag that is set wins.
    ///
    /// # Errors
    /// The file cannot be read or parsed, or nothing says where the state is.
    pub fn state_dir(file: Option<&Path>, flag: Option<&Path>) -> Result<PathBuf, ConfigError> {
        match flag {
            Some(flag) => Ok(flag.to_owned()),
            None => file::state_dir(&read(file)?, None),
        }
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
        zero("capacity.cpu_millis", cpu_millis)?;
        zero("capacity.memory_bytes", memory_bytes)?;
        zero("capacity.disk_bytes", disk_bytes)?;
        zero("capacity.tasks", tasks.into())?;
        zero("capacity.lease_tasks", lease_tasks.into())?;
        zero("retention.max_bytes", self.retention.max_bytes)?;
        if lease_tasks > MAX_LEASE {
            return Err(invalid(
                "capacity.lease_tasks",
                format!("the market allows at most {MAX_LEASE}"),
            ));
        }
        if let Some(url) = &self.serve_url {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(invalid(
                    "serve.url",
                    format!("{url} is neither http:// nor https://"),
                ));
            }
            if url.as_str().len() > MAX_ENDPOINT {
                return Err(invalid(
                    "serve.url",
                    format!("longer than the market's limit of {MAX_ENDPOINT} bytes"),
                ));
            }
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
        if self.chains.is_empty() {
            return Err(ConfigError::Missing {
                key: "chain",
                chain: None,
                hint: "the file, with a [[chain]] table for each chain to serve".to_owned(),
            });
        }
        self.chains.iter().try_for_each(ChainConfig::validate)?;
        self.tell_apart()
    }

    /// No two chains may share a name or a market: each would act on what the other has promised.
    fn tell_apart(&self) -> Result<(), ConfigError> {
        let mut names: HashSet<&str> = HashSet::new();
        let mut markets: HashMap<(u64, Address), &str> = HashMap::new();
        for chain in &self.chains {
            if !names.insert(&chain.name) {
                return Err(chain.invalid(
                    "chain.name",
                    "two [[chain]] tables have this name: give each its own, state is kept under it",
                ));
            }
            let place = (chain.chain_id, chain.market);
            if let Some(other) = markets.insert(place, &chain.name) {
                let why = format!(
                    "chain {other:?} has the same id and market: both would work with one stake and contradict each \
                     other, so each market stands in one [[chain]] table only"
                );
                return Err(chain.invalid("chain.market", why));
            }
        }
        Ok(())
    }
}

fn read(path: Option<&Path>) -> Result<sections::File, ConfigError> {
    path.map_or_else(|| Ok(sections::File::default()), file::read)
}

#[cfg(test)]
mod tests;
