//! The market's events, decoded strictly from logs.

use alloy_primitives::{Address, B256, IntoLogData, Log};
use alloy_sol_types::SolEventInterface;
use serde::{Deserialize, Serialize};

use super::IMarket;

/// One event of the market: a variant for each event of the interface.
pub type MarketEvent = IMarket::IMarketEvents;

impl IMarket::IMarketEvents {
    /// The event's name in the interface.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admitted(_) => "Admitted",
            Self::AuditOpened(_) => "AuditOpened",
            Self::Cancelled(_) => "Cancelled",
            Self::Claimed(_) => "Claimed",
            Self::Committed(_) => "Committed",
            Self::Deposited(_) => "Deposited",
            Self::FeeSet(_) => "FeeSet",
            Self::Freed(_) => "Freed",
            Self::Joined(_) => "Joined",
            Self::Judged(_) => "Judged",
            Self::JurorJoined(_) => "JurorJoined",
            Self::LeafMissed(_) => "LeafMissed",
            Self::Opened(_) => "Opened",
            Self::OperatorSet(_) => "OperatorSet",
            Self::PointSet(_) => "PointSet",
            Self::Posted(_) => "Posted",
            Self::ProfileSet(_) => "ProfileSet",
            Self::Refunded(_) => "Refunded",
            Self::Revoked(_) => "Revoked",
            Self::SeatClosed(_) => "SeatClosed",
            Self::SeatLeft(_) => "SeatLeft",
            Self::Settled(_) => "Settled",
            Self::Staked(_) => "Staked",
            Self::Submitted(_) => "Submitted",
            Self::Unstaked(_) => "Unstaked",
            Self::Voided(_) => "Voided",
            Self::VoteCommitted(_) => "VoteCommitted",
            Self::Withdrawn(_) => "Withdrawn",
        }
    }

    /// The job it belongs to, when it belongs to one.
    pub fn job_id(&self) -> Option<B256> {
        match self {
            Self::AuditOpened(event) => Some(event.jobId),
            Self::Cancelled(event) => Some(event.jobId),
            Self::Claimed(event) => Some(event.jobId),
            Self::Committed(event) => Some(event.jobId),
            Self::Freed(event) => Some(event.jobId),
            Self::Joined(event) => Some(event.jobId),
            Self::Judged(event) => Some(event.jobId),
            Self::JurorJoined(event) => Some(event.jobId),
            Self::LeafMissed(event) => Some(event.jobId),
            Self::Opened(event) => Some(event.jobId),
            Self::PointSet(event) => Some(event.jobId),
            Self::Posted(event) => Some(event.jobId),
            Self::Refunded(event) => Some(event.jobId),
            Self::SeatClosed(event) => Some(event.jobId),
            Self::SeatLeft(event) => Some(event.jobId),
            Self::Settled(event) => Some(event.jobId),
            Self::Submitted(event) => Some(event.jobId),
            Self::Voided(event) => Some(event.jobId),
            Self::VoteCommitted(event) => Some(event.jobId),
            _ => None,
        }
    }

    /// First task of the lease it belongs to, when it belongs to one.
    pub fn first(&self) -> Option<u32> {
        match self {
            Self::AuditOpened(event) => Some(event.first),
            Self::Claimed(event) => Some(event.first),
            Self::Committed(event) => Some(event.first),
            Self::Freed(event) => Some(event.first),
            Self::Joined(event) => Some(event.first),
            Self::Judged(event) => Some(event.first),
            Self::JurorJoined(event) => Some(event.first),
            Self::LeafMissed(event) => Some(event.first),
            Self::Opened(event) => Some(event.first),
            Self::PointSet(event) => Some(event.first),
            Self::Refunded(event) => Some(event.first),
            Self::SeatClosed(event) => Some(event.first),
            Self::SeatLeft(event) => Some(event.first),
            Self::Settled(event) => Some(event.first),
            Self::Submitted(event) => Some(event.first),
            Self::Voided(event) => Some(event.first),
            Self::VoteCommitted(event) => Some(event.first),
            _ => None,
        }
    }
}

/// An event and its place in the chain. `(block_hash, log_index)` identifies it for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAt {
    /// Number of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Its index among the block's logs.
    pub log_index: u64,
    /// The transaction that made it.
    pub tx_hash: B256,
    /// What happened.
    pub event: MarketEvent,
}

/// A log of the market's address that is no event of the market, or lacks its place. Log it and
/// go on: it says nothing that the market's interface knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "log {} of block {} ({}) is no event of the market {market}: {reason}",
    show(log_index),
    show(block),
    show(block_hash)
)]
pub struct UnreadableLog {
    /// Number of its block, if the node named it.
    pub block: Option<u64>,
    /// Hash of its block, if the node named it.
    pub block_hash: Option<B256>,
    /// Its index among the block's logs, if the node named it.
    pub log_index: Option<u64>,
    /// The market that is followed.
    pub market: Address,
    /// What is wrong with it.
    pub reason: String,
}

impl UnreadableLog {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        "chain-unreadable-log"
    }
}

fn show(value: &Option<impl std::fmt::Display>) -> String {
    value
        .as_ref()
        .map_or_else(|| "?".to_owned(), ToString::to_string)
}

/// Where a node says that a log stands; a pending one has no place yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPlace {
    /// Number of its block.
    pub block: Option<u64>,
    /// Hash of its block.
    pub block_hash: Option<B256>,
    /// Its index among the block's logs.
    pub log_index: Option<u64>,
    /// The transaction that made it.
    pub tx_hash: Option<B256>,
}

impl EventAt {
    /// Decodes one log of `market`.
    ///
    /// # Errors
    /// When the log is pending, comes from another address, is no event of the interface, or is
    /// not encoded exactly as the contract encodes it.
    pub fn decode(log: &Log, place: LogPlace, market: Address) -> Result<Self, UnreadableLog> {
        let unreadable = |reason: String| UnreadableLog {
            block: place.block,
            block_hash: place.block_hash,
            log_index: place.log_index,
            market,
            reason,
        };
        if log.address != market {
            return Err(unreadable(format!("it comes from {}", log.address)));
        }
        let (Some(block), Some(block_hash), Some(log_index), Some(tx_hash)) = (
            place.block,
            place.block_hash,
            place.log_index,
            place.tx_hash,
        ) else {
            return Err(unreadable(
                "the node did not say where it stands".to_owned(),
            ));
        };
        let event = MarketEvent::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| unreadable(error.to_string()))?;
        // What decodes may still carry dirty bytes or a tail; the contract writes neither.
        if event.to_log_data() != log.data {
            return Err(unreadable(format!(
                "{} is not encoded as the market encodes it",
                event.name()
            )));
        }
        Ok(Self {
            block,
            block_hash,
            log_index,
            tx_hash,
            event,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy_primitives::{Bytes, LogData};

    use super::*;

    const PLACE: LogPlace = LogPlace {
        block: Some(7),
        block_hash: Some(B256::repeat_byte(2)),
        log_index: Some(4),
        tx_hash: Some(B256::repeat_byte(3)),
    };

    fn log(data: LogData) -> Log {
        Log {
            address: Address::repeat_byte(1),
            data,
        }
    }

    #[test]
    fn only_what_the_market_writes_is_an_event() {
        let market = Address::repeat_byte(1);
        let event = MarketEvent::Refunded(IMarket::Refunded {
            jobId: B256::repeat_byte(9),
            first: 3,
            count: 2,
            refunded: 5,
        });
        let good = event.to_log_data();
        let at = EventAt::decode(&log(good.clone()), PLACE, market).unwrap();
        assert_eq!((at.block, at.log_index, &at.event), (7, 4, &event));
        assert_eq!((at.event.name(), at.event.first()), ("Refunded", Some(3)));

        let refuse_at = |log: Log, place, market| {
            EventAt::decode(&log, place, market)
                .unwrap_err()
                .to_string()
        };
        let refuse = |log: Log, market| refuse_at(log, PLACE, market);
        let text = refuse(log(good.clone()), Address::repeat_byte(8));
        assert!(text.contains("log 4 of block 7"), "{text}");
        let (topics, data) = good.clone().split();
        let changed =
            |data: Vec<u8>| log(LogData::new_unchecked(topics.clone(), Bytes::from(data)));
        let mut tail = data.to_vec();
        tail.extend([0; 32]);
        refuse(changed(tail), market);
        let mut dirty = data.to_vec();
        *dirty.first_mut().unwrap() = 1;
        refuse(changed(dirty), market);
        refuse(changed(data.to_vec().split_off(32)), market);
        refuse(
            log(LogData::new_unchecked(
                vec![B256::repeat_byte(6)],
                Bytes::new(),
            )),
            market,
        );
        refuse(
            log(LogData::new_unchecked(Vec::new(), Bytes::new())),
            market,
        );
        let pending = LogPlace {
            block: None,
            ..PLACE
        };
        refuse_at(log(good), pending, market);
    }
}
