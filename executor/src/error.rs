//! What can stop an executor.

use std::path::PathBuf;

use alloy::primitives::Address;
use piecework_net::{blobs::BlobError, chain::ChainError};

use crate::{config::ConfigError, owner::OwnerError, sandbox::SandboxError, store::StoreError};

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
    /// The secret that salts are derived from cannot be read or made.
    #[error(
        "cannot use {path}, which the salts of this machine's votes are derived from: {why}; restore it, for without it no \
         vote that was committed can be opened"
    )]
    SaltSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The chain, its endpoint or the market cannot be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Something is wrong with one chain.
    #[error("chain {chain:?}: {error}")]
    InChain {
        /// The chain's name.
        chain: String,
        /// What is wrong.
        error: Box<Error>,
    },
    /// The key may not act for the provider.
    #[error(
        "{operator} may not act for provider {provider}: nothing is taken on this chain. Allow it with the provider's own key: \
         `piecework provider operator {operator}`"
    )]
    NotOperator {
        /// The staked account.
        provider: Address,
        /// The key's address.
        operator: Address,
    },
    /// The container engine or the space for outputs cannot be used.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A blob store cannot be used.
    #[error(transparent)]
    Blobs(#[from] BlobError),
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
    /// A command of the owner failed.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// A service failed again and again.
    #[error(
        "{service} of chain {chain:?} failed {times} times in a row, last with: {why}; leases stay bonded, start again soon"
    )]
    Service {
        /// The chain's name.
        chain: String,
        /// The service.
        service: &'static str,
        /// How often.
        times: u32,
        /// Its last error.
        why: String,
    },
}

impl Error {
    pub(crate) fn of_chain(self, chain: &str) -> Self {
        Self::InChain {
            chain: chain.to_owned(),
            error: Box::new(self),
        }
    }

    /// Whether it may pass by itself: a node that does not answer, or not as it should.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Chain(error) => matches!(
                error,
                ChainError::Unreachable { .. } | ChainError::Rpc { .. }
            ),
            Self::InChain { error, .. } => error.may_pass(),
            _ => false,
        }
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Key { .. } => "key",
            Self::SaltSecret { .. } => "salt-secret",
            Self::Chain(error) => error.code(),
            Self::InChain { error, .. } => error.code(),
            Self::NotOperator { .. } => "not-operator",
            Self::Sandbox(error) => error.code(),
            Self::Blobs(error) => error.code(),
            Self::Bind { .. } => "bind",
            Self::Io { .. } => "io",
            Self::Owner(error) => error.code(),
            Self::Service { .. } => "service",
        }
    }
}
