//! What can go wrong between this program and the chain.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::transports::{RpcError, TransportErrorKind};

use super::Revert;
use super::drand::DrandError;
use crate::terminal::line;

/// Most characters of what a node says that an error repeats.
pub(super) const MAX_WORDS: usize = 1_000;

/// An error of the chain, of the node in front of it, or of a transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The node does not answer, or not as a node does.
    #[error(
        "the RPC at {url} does not answer: {reason}. Nothing was sent; check the URL and that the node runs"
    )]
    Unreachable {
        /// Address of the node, without credentials.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The URL of the node cannot be used.
    #[error("{url:?} is no http(s) URL of an RPC: {reason}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node serves another chain than the configured one.
    #[error(
        "the RPC at {url} serves chain {actual}, but chain {expected} is configured. Nothing was sent; use an RPC of chain {expected} or correct the chain id"
    )]
    WrongChain {
        /// Address of the node.
        url: String,
        /// Configured chain id.
        expected: u64,
        /// The node's chain id.
        actual: u64,
    },
    /// No contract at the market's address.
    #[error(
        "there is no contract at {market} on chain {chain_id}: not the market's address, or the devnet was restarted. Nothing was sent"
    )]
    NoMarket {
        /// Configured address.
        market: Address,
        /// The chain that was asked.
        chain_id: u64,
    },
    /// A contract lives at the market's address, but it does not answer as a market.
    #[error("the contract at {market} is not a Piecework market: {reason}. Nothing was sent")]
    NotAMarket {
        /// Configured address.
        market: Address,
        /// What it did instead.
        reason: String,
    },
    /// A contract refused the call. When `tx` is none, it was caught before anything was sent.
    #[error("{revert}{}", sent(*tx))]
    Reverted {
        /// The decoded refusal.
        revert: Box<Revert>,
        /// The transaction that failed on chain, if it got that far: its gas is spent.
        tx: Option<B256>,
    },
    /// The sender's account cannot pay for gas.
    #[error(
        "{account} cannot pay for gas: {reason}. Nothing was sent; fund it with the chain's own coin"
    )]
    NoGas {
        /// The sending account.
        account: Address,
        /// What the node said.
        reason: String,
    },
    /// The transaction was broadcast but is not mined in time. It may still be.
    #[error("transaction {tx} (nonce {nonce}) of {account} is not mined after {} s and {attempts} attempts. It may still be: do not send it again before nonce {nonce} is used", waited.as_secs())]
    NotMined {
        /// Last attempt.
        tx: B256,
        /// The sending account.
        account: Address,
        /// Its nonce.
        nonce: u64,
        /// How often it was broadcast, with a higher fee each time.
        attempts: u32,
        /// How long was waited.
        waited: Duration,
    },
    /// Another transaction of the same account took the nonce.
    #[error(
        "nonce {nonce} of {account} was used by another transaction: another program sends with this key. Transaction {tx} will not be mined; look at the account before trying again"
    )]
    NonceTaken {
        /// The transaction that lost.
        tx: B256,
        /// The sending account.
        account: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The key could not sign.
    #[error("the key of {account} did not sign: {reason}")]
    Signer {
        /// The signing account.
        account: Address,
        /// What the signer said.
        reason: String,
    },
    /// The node answered with an error that is no revert.
    #[error("the node refused {action}: {reason}")]
    Rpc {
        /// What was asked.
        action: String,
        /// What the node said.
        reason: String,
        /// The transport's error.
        #[source]
        source: Option<Box<RpcError<TransportErrorKind>>>,
    },
    /// A reorg went deeper than the follower remembers.
    #[error(
        "the chain was reorganized below block {oldest}, the oldest that is remembered: rebuild from the market's first block"
    )]
    ReorgTooDeep {
        /// Oldest remembered block.
        oldest: u64,
    },
    /// An artifact that is compiled into this program is broken.
    #[error("the embedded artifact {name} is unusable: {reason}")]
    Artifact {
        /// Which contract.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// drand's signature for a seed cannot be had.
    #[error(transparent)]
    Drand(#[from] DrandError),
}

fn sent(tx: Option<B256>) -> String {
    match tx {
        Some(tx) => format!(" (transaction {tx} failed on chain; only its gas is spent)"),
        None => " (caught before sending: nothing was spent)".to_owned(),
    }
}

impl ChainError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "chain-unreachable",
            Self::BadUrl { .. } => "chain-bad-url",
            Self::WrongChain { .. } => "chain-wrong-chain",
            Self::NoMarket { .. } => "chain-no-market",
            Self::NotAMarket { .. } => "chain-not-a-market",
            Self::Reverted { .. } => "chain-reverted",
            Self::NoGas { .. } => "chain-no-gas",
            Self::NotMined { .. } => "chain-not-mined",
            Self::NonceTaken { .. } => "chain-nonce-taken",
            Self::Signer { .. } => "chain-signer",
            Self::Rpc { .. } => "chain-rpc",
            Self::ReorgTooDeep { .. } => "chain-reorg-too-deep",
            Self::Artifact { .. } => "chain-artifact",
            Self::Drand(error) => error.code(),
        }
    }

    /// The decoded refusal, when a contract refused.
    pub fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted { revert, .. } => Some(revert),
            _ => None,
        }
    }

    /// Whether trying again later may help without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Rpc { .. }
                | Self::NotMined { .. }
                | Self::Drand(DrandError::Unavailable { .. })
        )
    }

    /// Sorts an error of the transport: a revert, a dead node, or a refusal of another kind.
    pub fn from_rpc(action: impl Into<String>, source: RpcError<TransportErrorKind>) -> Self {
        let action = action.into();
        if let Some(revert) = super::decode_error(&source) {
            return Self::Reverted {
                revert: Box::new(revert),
                tx: None,
            };
        }
        match &source {
            RpcError::ErrorResp(payload) => {
                let message = line(&payload.message, MAX_WORDS);
                let reason = format!("{message} (code {})", payload.code);
                Self::Rpc {
                    action,
                    reason,
                    source: Some(Box::new(source)),
                }
            }
            RpcError::Transport(kind) => Self::Unreachable {
                url: "the configured address".to_owned(),
                reason: innermost(kind),
            },
            other => {
                let reason = innermost(other);
                Self::Rpc {
                    action,
                    reason,
                    source: Some(Box::new(source)),
                }
            }
        }
    }

    /// The same for the contract bindings' error type.
    pub fn from_contract(action: impl Into<String>, source: alloy::contract::Error) -> Self {
        match source {
            alloy::contract::Error::TransportError(rpc) => Self::from_rpc(action, rpc),
            other => Self::Rpc {
                action: action.into(),
                reason: innermost(&other),
                source: None,
            },
        }
    }

    /// Names the node in an error of the transport that does not.
    pub(crate) fn at(self, node: &str) -> Self {
        match self {
            Self::Unreachable { reason, .. } => Self::Unreachable {
                url: node.to_owned(),
                reason,
            },
            other => other,
        }
    }
}

/// The innermost cause: it says most, and the outer ones repeat the URL, which may hold a key.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    line(&cause.to_string(), MAX_WORDS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_node_says_cannot_command_a_terminal() {
        let message = format!("\u{1b}[2J\u{1b}]0;x\u{7}no{}", "!".repeat(100_000));
        let payload = serde_json::json!({ "code": -32_000, "message": message });
        let payload = serde_json::from_value(payload).unwrap();
        let error = ChainError::from_rpc("eth_call", RpcError::ErrorResp(payload)).to_string();
        assert!(error.contains("[2J]0;xno!"), "{error}");
        assert!(
            error.len() < 2_000 && !error.contains(char::is_control),
            "{error}"
        );
    }
}
