//! What the market's events say of a job: where it and its leases, seats and juries stand now.
//!
//! [`JobView::fold`] reads a job's events from the first to the last. It keeps nothing between two calls, so after a
//! reorganization the events that are left are folded again.

pub mod lease;
pub mod seat;

use alloy_primitives::{B256, LogData};

pub use lease::{JobView, LeaseView};
pub use seat::SeatViews;

/// Where an event stands on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, in Unix seconds.
    pub time: u64,
}

/// One event of the market that belongs to a job.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Its block.
    pub block: Block,
    /// Its index among the block's logs.
    pub log_index: u64,
    /// The transaction that made it.
    pub tx: B256,
    /// The job.
    pub job: B256,
    /// Its log, as the market wrote it.
    pub log: LogData,
}
