//! Intents: transactions that are written down before they are signed.
//!
//! An intent's id is a text in the database, and one type here. The text of every id parses to the id that it was made of.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes};
use piecework_core::view::{lease::Key as LeaseId, seat::Key as SeatId};

/// What an intent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Take up to so many of a job's next tasks.
    Claim {
        /// The job.
        job: B256,
        /// The most tasks.
        most: u32,
    },
    /// Take a free lease.
    Takeover(LeaseId),
    /// Take a seat.
    Join(SeatId),
    /// Give the draw of a round another point, since its own is dead.
    Renew(LeaseId),
    /// End a round that lapsed and in which this machine has no seat.
    EndLapsed(LeaseId),
    /// Publish the seed of a point.
    Publish {
        /// The point.
        point: u64,
    },
    /// Submit a lease's result.
    Submit(LeaseId),
    /// Give a lease up.
    Leave(LeaseId),
    /// Settle a submitted lease.
    Finalize(LeaseId),
    /// End a round that is late.
    Expire(LeaseId),
    /// Have a jury over our result judged.
    Judge(SeatId),
    /// Commit a seat's vote.
    Commit(SeatId),
    /// Open a seat's vote.
    Open(SeatId),
    /// Settle a seat's round, or have it judged.
    Settle(SeatId),
    /// Give a seat up.
    LeaveSeat(SeatId),
}

impl What {
    /// Whether it may bind stake or work when it is mined.
    #[must_use]
    pub fn binds(&self) -> bool {
        matches!(self, Self::Claim { .. } | Self::Takeover(_) | Self::Join(_))
    }

    /// Whether doing it twice does no harm: the second one reverts, or changes nothing.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !self.binds()
    }

    /// The round of a lease that it is about.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseId> {
        match self {
            Self::Claim { .. } | Self::Publish { .. } => None,
            Self::Takeover(lease)
            | Self::Renew(lease)
            | Self::EndLapsed(lease)
            | Self::Submit(lease)
            | Self::Leave(lease)
            | Self::Finalize(lease)
            | Self::Expire(lease) => Some(*lease),
            Self::Join(seat)
            | Self::Judge(seat)
            | Self::Commit(seat)
            | Self::Open(seat)
            | Self::Settle(seat)
            | Self::LeaveSeat(seat) => Some(seat.lease),
        }
    }

    /// The job that it is about.
    #[must_use]
    pub fn job(&self) -> Option<B256> {
        match self {
            Self::Claim { job, .. } => Some(*job),
            Self::Publish { .. } => None,
            _ => self.lease().map(|lease| lease.job),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Takeover(_) => "takeover",
            Self::Join(_) => "join",
            Self::Renew(_) => "renew",
            Self::EndLapsed(_) => "end-lapsed",
            Self::Publish { .. } => "publish",
            Self::Submit(_) => "submit",
            Self::Leave(_) => "leave",
            Self::Finalize(_) => "finalize",
            Self::Expire(_) => "expire",
            Self::Judge(_) => "judge",
            Self::Commit(_) => "commit",
            Self::Open(_) => "open",
            Self::Settle(_) => "settle",
            Self::LeaveSeat(_) => "leave-seat",
        }
    }
}

/// The name of one intent. No two intents of a database share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId {
    /// What it is for.
    pub what: What,
    /// Tells intents for the same thing apart: each one is asked for once.
    pub unique: u64,
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lease = |f: &mut fmt::Formatter<'_>, id: &LeaseId| {
            write!(f, "{}/{}/{}", id.job, id.first, id.round)
        };
        write!(f, "{}/", self.what.name())?;
        match &self.what {
            What::Claim { job, most } => write!(f, "{job}/{most}")?,
            What::Publish { point } => write!(f, "{point}")?,
            What::Takeover(id)
            | What::Renew(id)
            | What::EndLapsed(id)
            | What::Submit(id)
            | What::Leave(id)
            | What::Finalize(id)
            | What::Expire(id) => lease(f, id)?,
            What::Join(id)
            | What::Judge(id)
            | What::Commit(id)
            | What::Open(id)
            | What::Settle(id)
            | What::LeaveSeat(id) => {
                lease(f, &id.lease)?;
                write!(f, "/{}", id.kind)?;
            }
        }
        write!(f, "/{:x}", self.unique)
    }
}

/// A text that is no intent's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no intent's id: the database was written by another program")]
pub struct NoIntent(pub String);

impl FromStr for IntentId {
    type Err = NoIntent;

    fn from_str(text: &str) -> Result<Self, NoIntent> {
        parse(text)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| NoIntent(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<IntentId> {
    let mut parts = text.split('/');
    let name = parts.next()?;
    let mut next = || parts.next();
    let what = match name {
        "claim" => What::Claim {
            job: next()?.parse().ok()?,
            most: next()?.parse().ok()?,
        },
        "publish" => What::Publish {
            point: next()?.parse().ok()?,
        },
        _ => {
            let lease = LeaseId {
                job: next()?.parse().ok()?,
                first: next()?.parse().ok()?,
                round: next()?.parse().ok()?,
            };
            let mut seat = || {
                let kind = next()?.parse().ok()?;
                Some(SeatId { lease, kind })
            };
            match name {
                "takeover" => What::Takeover(lease),
                "renew" => What::Renew(lease),
                "end-lapsed" => What::EndLapsed(lease),
                "submit" => What::Submit(lease),
                "leave" => What::Leave(lease),
                "finalize" => What::Finalize(lease),
                "expire" => What::Expire(lease),
                "join" => What::Join(seat()?),
                "judge" => What::Judge(seat()?),
                "commit" => What::Commit(seat()?),
                "open" => What::Open(seat()?),
                "settle" => What::Settle(seat()?),
                "leave-seat" => What::LeaveSeat(seat()?),
                _ => return None,
            }
        }
    };
    let unique = u64::from_str_radix(parts.next()?, 16).ok()?;
    parts.next().is_none().then_some(IntentId { what, unique })
}

/// A transaction that is to be made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its name.
    pub id: IntentId,
    /// What the transaction does besides what its name says.
    pub with: Vec<What>,
    /// The contract that is called; `None` for the market.
    pub to: Option<Address>,
    /// Calldata.
    pub data: Bytes,
    /// Last second of chain time in which it may be begun.
    pub not_after: Option<u64>,
    /// Last second of chain time in which it must be mined, if it matters.
    pub deadline: Option<u64>,
    /// The most that is lost when it is mined later, in the token's smallest unit; 0 for nothing.
    pub at_stake: u128,
}

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is written down, or on its way.
    Open,
    /// It is in a block, with success.
    Mined {
        /// The block's number.
        block: u64,
        /// Its transaction.
        tx: B256,
    },
    /// It was refused, reverted in its block, or was given up: it changed nothing, and will not be sent again.
    Failed,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn lease() -> impl Strategy<Value = LeaseId> {
        (any::<[u8; 32]>(), any::<u32>(), any::<u16>()).prop_map(|(job, first, round)| LeaseId {
            job: job.into(),
            first,
            round,
        })
    }

    fn what() -> impl Strategy<Value = What> {
        let seat = || (lease(), any::<u8>()).prop_map(|(lease, kind)| SeatId { lease, kind });
        prop_oneof![
            (any::<[u8; 32]>(), any::<u32>()).prop_map(|(job, most)| What::Claim {
                job: job.into(),
                most
            }),
            any::<u64>().prop_map(|point| What::Publish { point }),
            lease().prop_map(What::Takeover),
            lease().prop_map(What::Renew),
            lease().prop_map(What::EndLapsed),
            lease().prop_map(What::Submit),
            lease().prop_map(What::Leave),
            lease().prop_map(What::Finalize),
            lease().prop_map(What::Expire),
            seat().prop_map(What::Join),
            seat().prop_map(What::Judge),
            seat().prop_map(What::Commit),
            seat().prop_map(What::Open),
            seat().prop_map(What::Settle),
            seat().prop_map(What::LeaveSeat),
        ]
    }

    proptest! {
        #[test]
        fn the_text_of_an_id_parses_to_the_id(what in what(), unique: u64) {
            let id = IntentId { what, unique };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn a_changed_text_is_another_id_or_none(what in what(), unique: u64, at: usize, byte in 0x20u8..0x7f) {
            let id = IntentId { what, unique };
            let mut text = id.to_string().into_bytes();
            let at = at % text.len();
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            let text = String::from_utf8(text).unwrap();
            if let Ok(parsed) = text.parse::<IntentId>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }
    }
}
