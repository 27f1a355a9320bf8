//! Why a market is not deployed, or not what its file says.

use std::path::PathBuf;

use alloy::primitives::Address;

use super::FACTORY;
use crate::chain::ChainError;

/// An error of a deployment. Unless it says otherwise, nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// The chain, its node, or a contract that refuses its arguments.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain lacks the factory.
    #[error(
        "{} at {FACTORY} on chain {chain_id}, where the deterministic deployment proxy should be: the market would get another address there than elsewhere. Nothing was sent. \
         Where there is nothing, anyone can put the proxy there with one signed transaction, which https://github.com/Arachnid/deterministic-deployment-proxy publishes; then deploy again",
        if *.other { "there is another contract" } else { "there is no contract" }
    )]
    NoFactory {
        /// The chain.
        chain_id: u64,
        /// Whether another contract is there.
        other: bool,
    },
    /// The chain cannot check drand's signatures.
    #[error(
        "chain {chain_id} lacks the precompile {precompile} (EIP-2537; modexp at 5), or it computes something else: `DrandBeacon` cannot check drand's signatures there, and no seed would ever be known. \
         Nothing was sent. docs/CHAINS.md says which beacon suits which chain"
    )]
    MissingPrecompile {
        /// The chain.
        chain_id: u64,
        /// The first one that does not answer as it must.
        precompile: Address,
    },
    /// Block hashes of this chain are no randomness.
    #[error(
        "chain {chain_id} is Arbitrum, or built like it: `ArbSys` answers there. Its sequencer foresees block hashes, and block numbers are estimates of another chain's, so with block hashes for seeds it would choose who is drawn and audited. \
         Nothing was sent. Use the beacon `drand` (docs/CHAINS.md)"
    )]
    Arbitrum {
        /// The chain.
        chain_id: u64,
    },
    /// Nobody said that the chain's block builders are trusted.
    #[error(
        "with block hashes for seeds, a block builder can throw away a block whose hash it does not like, and a builder of two blocks in a row chooses who is drawn and which leases are audited: it could take bonds and payments. \
         Nothing was sent. Use the beacon `drand`; or, if the users of this market trust the builders of the chain anyway, say so (--trust-block-builders; --devnet for a devnet)"
    )]
    UntrustedBuilders,
    /// The token's address has no token.
    #[error(
        "{token} is no ERC-20 token on chain {chain_id}: {reason}. A market over it could never take a deposit. Nothing was sent; check the address"
    )]
    NotAToken {
        /// What was given.
        token: Address,
        /// The chain.
        chain_id: u64,
        /// What it lacks.
        reason: String,
    },
    /// The beacon's address has no beacon.
    #[error(
        "{beacon} is no beacon on chain {chain_id}: {reason}. No job with audits could be posted. Nothing was sent; check the address, or let the beacon be deployed too (drand)"
    )]
    NotABeacon {
        /// What was given.
        beacon: Address,
        /// The chain.
        chain_id: u64,
        /// What it lacks.
        reason: String,
    },
    /// The deployment needs more gas than may be used.
    #[error(
        "the deployment of {what} needs {needed} gas, and {bound} of chain {chain_id} may use {limit}. Nothing was sent; the market cannot be deployed on this chain"
    )]
    TooMuchGas {
        /// The contract.
        what: &'static str,
        /// Gas that it needs at least, with a fifth to spare.
        needed: u64,
        /// Gas that there is.
        limit: u64,
        /// Whose limit that is.
        bound: Bound,
        /// The chain.
        chain_id: u64,
    },
    /// A deployment file cannot be read or written.
    #[error("deployment file {path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what became of the deployment.
        problem: String,
    },
    /// A deployment file says two things that cannot both be true.
    #[error(
        "deployment file {path} contradicts itself: {difference}. It was changed or damaged after it was written. Nothing was sent; take it from where it was published, and look at it with `piecework market show`"
    )]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The first contradiction.
        difference: Difference,
    },
    /// Another deployment's file is in the way.
    #[error(
        "{path} describes another deployment: {difference}. It is not overwritten, and nothing was sent; name another file (--out)"
    )]
    FileTaken {
        /// The file.
        path: PathBuf,
        /// The first difference.
        difference: Difference,
    },
    /// What is on chain now is not what was to be deployed.
    #[error(
        "the market at {market} is not what was to be deployed: {}. Gas was spent and no tokens were; do not use this market", .differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Differs {
        /// The market.
        market: Address,
        /// Each difference.
        differences: Vec<Difference>,
    },
}

/// Whose limit of gas is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A block's.
    Block,
    /// A transaction's, by EIP-7825.
    Transaction,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Block => "a block",
            Self::Transaction => "a transaction (EIP-7825)",
        })
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What it is.
    pub what: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is instead.
    pub found: String,
}

impl Difference {
    /// The difference between two values, if there is one.
    pub(super) fn of<T: PartialEq + serde::Serialize>(
        what: &'static str,
        expected: &T,
        found: &T,
    ) -> Option<Self> {
        (expected != found).then(|| Self {
            what,
            expected: shown(expected),
            found: shown(found),
        })
    }
}

/// A value as the file writes it.
pub(super) fn shown(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            expected,
            found,
        } = self;
        write!(f, "{what} should be {expected} and is {found}")
    }
}

impl DeploymentError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::NoFactory { .. } => "deployment-no-factory",
            Self::MissingPrecompile { .. } => "deployment-missing-precompile",
            Self::Arbitrum { .. } => "deployment-arbitrum",
            Self::UntrustedBuilders => "deployment-untrusted-builders",
            Self::NotAToken { .. } => "deployment-not-a-token",
            Self::NotABeacon { .. } => "deployment-not-a-beacon",
            Self::TooMuchGas { .. } => "deployment-too-much-gas",
            Self::File { .. } => "deployment-file",
            Self::Contradiction { .. } => "deployment-contradiction",
            Self::FileTaken { .. } => "deployment-file-taken",
            Self::Differs { .. } => "deployment-differs",
        }
    }
}
