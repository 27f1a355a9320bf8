//! What a client can buy: how the results of its job are checked.

use alloy::primitives::{Address, B256};

use crate::chain::IMarket;
use crate::rules::MAX_REPLICAS;

/// The chance of an audit unless the client says otherwise, in basis points: one half.
pub const DEFAULT_AUDIT_BPS: u16 = 5_000;
/// All basis points.
const WHOLE: u16 = 10_000;

/// How the results of a job are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// One provider runs each lease. Chance decides whether three other providers, which are drawn by their stake, run
    /// one task of it again.
    Audited {
        /// The chance in basis points, 1 to 10,000.
        audit_bps: u16,
        /// Whether a conviction by three equal votes returns the price to the client instead of burning it. Providers
        /// take such jobs only where the result cannot change with time or machine.
        refund: bool,
    },
    /// Several providers, drawn by their stake, run each lease without knowing each other's results. The lease settles
    /// when enough of them agree.
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
    /// One provider, whose result is paid as it is.
    Unaudited,
}

impl Default for Assurance {
    fn default() -> Self {
        Self::audited()
    }
}

/// An assurance that no job can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssuranceError {
    /// The chance of an audit is none, or more than certainty.
    #[error(
        "audits with a chance of {audit_bps} basis points: it is between 1 and {WHOLE}; ask for an unaudited job if there shall be none"
    )]
    Chance {
        /// What was asked for.
        audit_bps: u16,
    },
    /// More seats than a lease can have, or fewer than two.
    #[error("{replicas} replicas: a redundant lease has 2 to {MAX_REPLICAS} seats")]
    Replicas {
        /// What was asked for.
        replicas: u8,
    },
    /// The quorum is no true majority, or more than there are seats.
    #[error(
        "a quorum of {quorum} of {replicas}: more than half of the seats must agree, and not more than there are ({} to {replicas})", replicas / 2 + 1
    )]
    Quorum {
        /// Seats.
        replicas: u8,
        /// What was asked for.
        quorum: u8,
    },
    /// Something that goes with audits, in a job without them.
    #[error("{what} in a job whose results are {assurance}: it goes with audits only")]
    NeedsAudits {
        /// What was asked for.
        what: &'static str,
        /// How the results are checked instead.
        assurance: Assurance,
    },
    /// The zero address verifies nothing.
    #[error("proofs for the zero address: name the verifier's contract")]
    ZeroVerifier,
    /// The zero root is no list.
    #[error(
        "a list of providers with the zero root: that is an open market, name the list's Merkle root"
    )]
    ZeroList,
}

impl AssuranceError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chance { .. } => "assurance-chance",
            Self::Replicas { .. } => "assurance-replicas",
            Self::Quorum { .. } => "assurance-quorum",
            Self::NeedsAudits { .. } => "assurance-needs-audits",
            Self::ZeroVerifier => "assurance-zero-verifier",
            Self::ZeroList => "assurance-zero-list",
        }
    }
}

impl Assurance {
    /// Audits with the default chance, [`DEFAULT_AUDIT_BPS`].
    pub const fn audited() -> Self {
        Self::Audited {
            audit_bps: DEFAULT_AUDIT_BPS,
            refund: false,
        }
    }

    /// `replicas` drawn providers, of which `quorum` must agree.
    pub const fn redundant(replicas: u8, quorum: u8) -> Self {
        Self::Redundant { replicas, quorum }
    }

    /// A proof that this contract decides (`IVerifier`).
    pub const fn proven_by(verifier: Address) -> Self {
        Self::Proven { verifier }
    }

    /// No check.
    pub const fn unaudited() -> Self {
        Self::Unaudited
    }

    /// Seats of a lease.
    pub fn replicas(&self) -> u8 {
        match self {
            Self::Redundant { replicas, .. } => *replicas,
            _ => 1,
        }
    }

    /// Whether results can be audited.
    pub fn is_audited(&self) -> bool {
        matches!(self, Self::Audited { .. })
    }

    /// The assurance of a posted job.
    pub fn of(job: &IMarket::Job) -> Self {
        let IMarket::Assurance {
            replicas,
            quorum,
            auditBps: audit_bps,
            refund,
            verifier,
        } = job.assurance;
        match (replicas, audit_bps, verifier) {
            (1, 0, Address::ZERO) => Self::Unaudited,
            (1, 0, verifier) => Self::Proven { verifier },
            (1, ..) => Self::Audited { audit_bps, refund },
            _ => Self::Redundant { replicas, quorum },
        }
    }

    /// As the market wants it.
    pub(super) fn on_chain(&self) -> IMarket::Assurance {
        let plain = IMarket::Assurance {
            replicas: 1,
            quorum: 1,
            auditBps: 0,
            refund: false,
            verifier: Address::ZERO,
        };
        match *self {
            Self::Audited { audit_bps, refund } => IMarket::Assurance {
                auditBps: audit_bps,
                refund,
                ..plain
            },
            Self::Redundant { replicas, quorum } => IMarket::Assurance {
                replicas,
                quorum,
                ..plain
            },
            Self::Proven { verifier } => IMarket::Assurance { verifier, ..plain },
            Self::Unaudited => plain,
        }
    }

    /// Refuses what no job can have.
    pub(super) fn check(self) -> Result<Self, AssuranceError> {
        match self {
            Self::Audited { audit_bps, .. } if audit_bps == 0 || audit_bps > WHOLE => {
                Err(AssuranceError::Chance { audit_bps })
            }
            Self::Redundant { replicas, .. } if !(2..=MAX_REPLICAS).contains(&replicas) => {
                Err(AssuranceError::Replicas { replicas })
            }
            Self::Redundant { replicas, quorum } if quorum <= replicas / 2 || quorum > replicas => {
                Err(AssuranceError::Quorum { replicas, quorum })
            }
            Self::Proven {
                verifier: Address::ZERO,
            } => Err(AssuranceError::ZeroVerifier),
            checked => Ok(checked),
        }
    }
}

impl std::fmt::Display for Assurance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Audited { audit_bps, refund } => {
                let (whole, rest) = (audit_bps / 100, audit_bps % 100);
                let refund = if *refund { ", with refund" } else { "" };
                match rest {
                    0 => write!(f, "audited with a chance of {whole} %{refund}"),
                    _ => write!(f, "audited with a chance of {whole}.{rest:02} %{refund}"),
                }
            }
            Self::Redundant { replicas, quorum } => {
                write!(f, "redundant, {quorum} of {replicas} agree")
            }
            Self::Proven { verifier } => write!(f, "proven to {verifier}"),
            Self::Unaudited => f.write_str("unaudited"),
        }
    }
}

/// What a job's builder was told beside the assurance.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) assurance: Assurance,
    pub(super) refund: bool,
    pub(super) providers: Option<B256>,
    pub(super) audit_window: Option<u64>,
    pub(super) jury_fee: Option<u128>,
    pub(super) juror_gas: u128,
}

impl Asked {
    /// What that comes to.
    pub(super) fn assurance(&self) -> Result<Assurance, AssuranceError> {
        if self.providers == Some(B256::ZERO) {
            return Err(AssuranceError::ZeroList);
        }
        let assurance = self.assurance.check()?;
        if let Assurance::Audited { audit_bps, refund } = assurance {
            let refund = refund || self.refund;
            return Ok(Assurance::Audited { audit_bps, refund });
        }
        let audits_only = [
            (self.refund, "a refund"),
            (self.audit_window.is_some_and(|s| s > 0), "an audit window"),
            (self.jury_fee.is_some_and(|units| units > 0), "a jury fee"),
        ];
        match audits_only.into_iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(AssuranceError::NeedsAudits { what, assurance }),
            None => Ok(assurance),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(assurance: Assurance) -> Asked {
        Asked {
            assurance,
            ..Asked::default()
        }
    }

    #[test]
    fn a_job_is_audited_unless_the_client_says_otherwise() {
        let of = |asked: Asked| asked.assurance().unwrap();
        let audited = |audit_bps, refund| Assurance::Audited { audit_bps, refund };
        assert_eq!(of(Asked::default()), audited(5_000, false));
        let refund = Asked {
            refund: true,
            ..Asked::default()
        };
        assert_eq!(of(refund), audited(5_000, true));
        assert_eq!(
            of(refund).to_string(),
            "audited with a chance of 50 %, with refund"
        );
        let redundant = Assurance::redundant(4, 3);
        let listed = Asked {
            providers: Some(B256::repeat_byte(2)),
            audit_window: Some(0),
            ..asked(redundant)
        };
        assert_eq!(of(listed), redundant);
        assert_eq!(
            audited(25, false).to_string(),
            "audited with a chance of 0.25 %"
        );
    }

    #[test]
    fn an_impossible_assurance_is_named() {
        let verifier = Assurance::proven_by(Address::repeat_byte(1));
        let chance = |audit_bps| {
            asked(Assurance::Audited {
                audit_bps,
                refund: false,
            })
        };
        let three = asked(Assurance::redundant(3, 2));
        for (asked, code) in [
            (chance(0), "assurance-chance"),
            (chance(10_001), "assurance-chance"),
            (asked(Assurance::redundant(1, 1)), "assurance-replicas"),
            (asked(Assurance::redundant(16, 9)), "assurance-replicas"),
            (asked(Assurance::redundant(3, 1)), "assurance-quorum"),
            (asked(Assurance::redundant(4, 2)), "assurance-quorum"),
            (asked(Assurance::redundant(3, 4)), "assurance-quorum"),
            (
                asked(Assurance::proven_by(Address::ZERO)),
                "assurance-zero-verifier",
            ),
            (
                Asked {
                    audit_window: Some(9),
                    ..three
                },
                "assurance-needs-audits",
            ),
            (
                Asked {
                    jury_fee: Some(1),
                    ..asked(verifier)
                },
                "assurance-needs-audits",
            ),
            (
                Asked {
                    refund: true,
                    ..asked(Assurance::unaudited())
                },
                "assurance-needs-audits",
            ),
            (
                Asked {
                    providers: Some(B256::ZERO),
                    ..three
                },
                "assurance-zero-list",
            ),
        ] {
            assert_eq!(asked.assurance().unwrap_err().code(), code, "{asked:?}");
        }
    }

    #[test]
    fn an_assurance_survives_the_chain() {
        for assurance in [
            Assurance::Audited {
                audit_bps: 1,
                refund: true,
            },
            Assurance::redundant(15, 8),
            Assurance::proven_by(Address::repeat_byte(1)),
            Assurance::unaudited(),
        ] {
            let job = IMarket::Job {
                assurance: assurance.on_chain(),
                ..IMarket::Job::default()
            };
            assert_eq!(Assurance::of(&job), assurance);
        }
    }
}
