//! The chain: the market's bindings, a follower of its events, decoded reverts, a sender of
//! transactions, keys, and the deployment of development markets.
//!
//! ```text
//! connect ─► Follower ─► Message (MarketEvent | reorg | head)
//!        └─► Sender ─► receipt, or Revert (a contract error in plain words)
//! ```

pub mod beacon;
mod connect;
mod contract;
pub mod deploy;
pub mod deployment;
pub mod drand;
mod error;
mod follow;
pub mod keys;
mod logs;
mod opinion;
mod revert;
mod rpc;
mod send;

pub use connect::{ChainOptions, check_market, connect};
pub use contract::Contract;
pub use error::ChainError;
pub use follow::{BlockRecord, Follower, Head, Message};
pub use logs::{decode_event, read_logs};
pub use piecework_core::chain::{
    BlockBeacon, DevToken, DrandBeacon, EventAt, IBeacon, IERC20, IERC5267, IMarket, LogPlace,
    MarketEvent, Multicall, Revert, UnreadableLog, decode_revert, events,
};
pub use revert::decode_error;
pub use rpc::MAX_FUTURE;
pub use send::{SendOptions, Sender};
