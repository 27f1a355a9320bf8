//! What a client can buy: how it is assured that a result is right.

use alloy::primitives::{Address, B256};

use crate::rules::MAX_REPLICAS;

/// How results of a job are assured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One provider; its result stands unless somebody challenges it within the window and a jury
    /// agrees.
    Optimistic,
    /// Several providers, drawn by their stake, run each lease without knowing of each other's results;
    /// it settles when enough of them agree.
    Redundant {
        /// Seats of a lease.
        replicas: u8,
        /// Equal results that settle it.
        quorum: u8,
    },
    /// One provider, whose result comes with a proof that this contract decides.
    Proven {
        /// The contract.
        verifier: Address,
    },
}

/// What a job asks for its assurance, as far as its builder was told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) replicas: Option<u8>,
    pub(super) quorum: Option<u8>,
    pub(super) verifier: Option<Address>,
    pub(super) providers: Option<B256>,
    pub(super) challenge_window: Option<u64>,
    pub(super) jury_fee: Option<u128>,
}

/// A combination of assurances that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// More seats than a lease can have, or none.
    #[error("redundancy({replicas}): a lease has 1 to {MAX_REPLICAS} seats")]
    Replicas {
        /// What was asked for.
        replicas: u8,
    },
    /// The quorum is no true majority, or more than there are seats.
    #[error(
        "agree({quorum}) of redundancy({replicas}): more than half of the seats must agree, and not more than there are ({} to {replicas})", replicas / 2 + 1
    )]
    Quorum {
        /// Seats.
        replicas: u8,
        /// What was asked for.
        quorum: u8,
    },
    /// A quorum without several seats.
    #[error("agree({quorum}) without redundancy: say how many providers run each task")]
    QuorumAlone {
        /// What was asked for.
        quorum: u8,
    },
    /// A verifier beside several seats: one proof is enough.
    #[error("verified_by beside redundancy({replicas}): a proof settles alone, choose one of them")]
    VerifierAndReplicas {
        /// Seats.
        replicas: u8,
    },
    /// A challenge window where nobody can challenge.
    #[error("a challenge window of {seconds} s beside {other}: {why}")]
    WindowWithoutDispute {
        /// The window.
        seconds: u64,
        /// What it was combined with.
        other: &'static str,
        /// Why nobody could use it.
        why: &'static str,
    },
    /// A fee for jurors where there is no jury.
    #[error(
        "a jury fee of {units} units beside {other}: only optimistic results are judged by a jury"
    )]
    FeeWithoutJury {
        /// The fee.
        units: u128,
        /// What it was combined with.
        other: &'static str,
    },
    /// The zero address verifies nothing.
    #[error("verified_by the zero address: name the verifier's contract")]
    ZeroVerifier,
    /// The zero root is no list.
    #[error(
        "only_providers with the zero root: that is an open market, name the list's Merkle root"
    )]
    ZeroList,
}

impl LevelError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Replicas { .. } => "level-replicas",
            Self::Quorum { .. } => "level-quorum",
            Self::QuorumAlone { .. } => "level-quorum-alone",
            Self::VerifierAndReplicas { .. } => "level-verifier-and-replicas",
            Self::WindowWithoutDispute { .. } => "level-window-without-dispute",
            Self::FeeWithoutJury { .. } => "level-fee-without-jury",
            Self::ZeroVerifier => "level-zero-verifier",
            Self::ZeroList => "level-zero-list",
        }
    }
}

impl Level {
    /// Seats of a lease.
    pub fn replicas(&self) -> u8 {
        match self {
            Self::Redundant { replicas, .. } => *replicas,
            Self::Optimistic | Self::Proven { .. } => 1,
        }
    }

    /// Equal results that settle a lease.
    pub fn quorum(&self) -> u8 {
        match self {
            Self::Redundant { quorum, .. } => *quorum,
            Self::Optimistic | Self::Proven { .. } => 1,
        }
    }

    /// The contract that decides proofs; zero if there is none.
    pub fn verifier(&self) -> Address {
        match self {
            Self::Proven { verifier } => *verifier,
            Self::Optimistic | Self::Redundant { .. } => Address::ZERO,
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Optimistic => f.write_str("optimistic"),
            Self::Redundant { replicas, quorum } => {
                write!(f, "redundant, {quorum} of {replicas} agree")
            }
            Self::Proven { verifier } => write!(f, "proven to {verifier}"),
        }
    }
}

impl Asked {
    /// What that comes to. A quorum that was not named is the smallest majority.
    pub(super) fn level(&self) -> Result<Level, LevelError> {
        if self.providers == Some(B256::ZERO) {
            return Err(LevelError::ZeroList);
        }
        if self.verifier == Some(Address::ZERO) {
            return Err(LevelError::ZeroVerifier);
        }
        let replicas = self.replicas.unwrap_or(1);
        if !(1..=MAX_REPLICAS).contains(&replicas) {
            return Err(LevelError::Replicas { replicas });
        }
        let quorum = self.quorum.unwrap_or(replicas / 2 + 1);
        match (replicas, self.verifier) {
            (1, _) if quorum != 1 => Err(LevelError::QuorumAlone { quorum }),
            (1, None) => self.optimistic(),
            (1, Some(verifier)) => {
                self.no_disputes("verified_by", "a proof settles at once")?;
                Ok(Level::Proven { verifier })
            }
            (_, Some(_)) => Err(LevelError::VerifierAndReplicas { replicas }),
            (_, None) if quorum <= replicas / 2 || quorum > replicas => {
                Err(LevelError::Quorum { replicas, quorum })
            }
            (_, None) => {
                self.no_disputes("redundancy", "the quorum settles at once")?;
                Ok(Level::Redundant { replicas, quorum })
            }
        }
    }

    fn optimistic(&self) -> Result<Level, LevelError> {
        match (self.jury_fee, self.challenge_window) {
            (Some(0), Some(seconds)) if seconds > 0 => Err(LevelError::WindowWithoutDispute {
                seconds,
                other: "a jury fee of 0",
                why: "without a fee there is no jury",
            }),
            _ => Ok(Level::Optimistic),
        }
    }

    fn no_disputes(&self, other: &'static str, why: &'static str) -> Result<(), LevelError> {
        if let Some(seconds) = self.challenge_window.filter(|seconds| *seconds > 0) {
            return Err(LevelError::WindowWithoutDispute {
                seconds,
                other,
                why,
            });
        }
        match self.jury_fee {
            Some(units) if units > 0 => Err(LevelError::FeeWithoutJury { units, other }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_call_chooses_a_level() {
        let level = |asked: Asked| asked.level().unwrap();
        assert_eq!(level(Asked::default()), Level::Optimistic);
        let three = Asked {
            replicas: Some(3),
            ..Asked::default()
        };
        let redundant = |replicas, quorum| Level::Redundant { replicas, quorum };
        assert_eq!(level(three), redundant(3, 2));
        let unanimous = Asked {
            quorum: Some(3),
            ..three
        };
        assert_eq!(level(unanimous), redundant(3, 3));
        let even = Asked {
            replicas: Some(4),
            ..three
        };
        assert_eq!(level(even), redundant(4, 3));
        let verifier = Address::repeat_byte(1);
        let proven = Asked {
            verifier: Some(verifier),
            providers: Some(B256::repeat_byte(2)),
            challenge_window: Some(0),
            ..Asked::default()
        };
        assert_eq!(level(proven), Level::Proven { verifier });
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let asked = Asked::default();
        let three = Asked {
            replicas: Some(3),
            ..asked
        };
        let verifier = Some(Address::repeat_byte(1));
        for (asked, code) in [
            (
                Asked {
                    replicas: Some(0),
                    ..asked
                },
                "level-replicas",
            ),
            (
                Asked {
                    replicas: Some(16),
                    ..asked
                },
                "level-replicas",
            ),
            (
                Asked {
                    quorum: Some(2),
                    ..asked
                },
                "level-quorum-alone",
            ),
            (
                Asked {
                    quorum: Some(1),
                    ..three
                },
                "level-quorum",
            ),
            (
                Asked {
                    quorum: Some(4),
                    ..three
                },
                "level-quorum",
            ),
            (Asked { verifier, ..three }, "level-verifier-and-replicas"),
            (
                Asked {
                    challenge_window: Some(9),
                    ..three
                },
                "level-window-without-dispute",
            ),
            (
                Asked {
                    challenge_window: Some(9),
                    verifier,
                    ..asked
                },
                "level-window-without-dispute",
            ),
            (
                Asked {
                    challenge_window: Some(9),
                    jury_fee: Some(0),
                    ..asked
                },
                "level-window-without-dispute",
            ),
            (
                Asked {
                    jury_fee: Some(1),
                    ..three
                },
                "level-fee-without-jury",
            ),
            (
                Asked {
                    jury_fee: Some(1),
                    verifier,
                    ..asked
                },
                "level-fee-without-jury",
            ),
            (
                Asked {
                    verifier: Some(Address::ZERO),
                    ..asked
                },
                "level-zero-verifier",
            ),
            (
                Asked {
                    providers: Some(B256::ZERO),
                    ..asked
                },
                "level-zero-list",
            ),
        ] {
            assert_eq!(asked.level().unwrap_err().code(), code, "{asked:?}");
        }
    }
}
