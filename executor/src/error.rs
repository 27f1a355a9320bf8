//! What can stop an executor.

use std::path::PathBuf;

use alloy::primitives::Address;

use crate::{config::ConfigError, store::StoreError};

/// Why an executor did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operator key cannot be read.
    #[error("cannot read the operator key {path}: {why}")]
    Key {
        /// Path of the keystore.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The chain's endpoint did not answer.
    #[error("the chain at {url} does not answer: {why}; check chain.rpc_url")]
    Rpc {
        /// The endpoint, without credentials.
        url: String,
        /// What was heard.
        why: String,
    },
    /// The endpoint is of another chain.
    #[error("the chain at {url} has id {found}, chain.id says {expected}; nothing was sent")]
    WrongChain {
        /// The endpoint, without credentials.
        url: String,
        /// What the configuration says.
        expected: u64,
        /// What the endpoint says.
        found: u64,
    },
    /// There is no contract at the market's address, or it is not a market.
    #[error("{market} is not a market: {why}; check chain.market")]
    NotAMarket {
        /// The configured address.
        market: Address,
        /// What was found there.
        why: String,
    },
    /// The key may not act for the provider.
    #[error(
        "{operator} may not act for provider {provider}: the provider must call setOperator({operator}, true)"
    )]
    NotOperator {
        /// The staked account.
        provider: Address,
        /// The key's address.
        operator: Address,
    },
    /// The container engine cannot be used.
    #[error("the container engine at {docker} cannot be used: {why}")]
    Engine {
        /// The engine's socket.
        docker: String,
        /// What is wrong with it.
        why: String,
    },
    /// A server's address cannot be bound.
    #[error("cannot listen on {address} ({key}): {source}")]
    Bind {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or directory under the state directory cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A service failed again and again.
    #[error(
        "{service} failed {times} times in a row, last with: {why}; leases stay bonded, start again soon"
    )]
    Service {
        /// The service.
        service: &'static str,
        /// How often.
        times: u32,
        /// Its last error.
        why: String,
    },
}

impl Error {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Key { .. } => "key",
            Self::Rpc { .. } => "rpc",
            Self::WrongChain { .. } => "wrong_chain",
            Self::NotAMarket { .. } => "not_a_market",
            Self::NotOperator { .. } => "not_operator",
            Self::Engine { .. } => "engine",
            Self::Bind { .. } => "bind",
            Self::Io { .. } => "io",
            Self::Service { .. } => "service",
        }
    }
}
