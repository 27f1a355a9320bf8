//! The chain: the market's bindings, a follower of its events, decoded reverts, a sender of
//! transactions, keys, and the deployment of development markets.
//!
//! ```text
//! connect ─► Follower ─► Message (MarketEvent | reorg | head)
//!        └─► Sender ─► receipt, or Revert (a contract error in plain words)
//! ```

pub mod beacon;
mod bindings;
mod connect;
pub mod deploy;
pub mod deployment;
pub mod drand;
mod error;
pub mod events;
mod follow;
pub mod keys;
mod logs;
mod meanings;
mod revert;
mod rpc;
mod send;

pub use bindings::{BlockBeacon, DevToken, DrandBeacon, IBeacon, IERC20, IERC5267, IMarket};
pub use connect::{ChainOptions, check_market, connect};
pub use error::ChainError;
pub use events::{EventAt, MarketEvent, UnreadableLog};
pub use follow::{BlockRecord, Follower, Head, Message};
pub use logs::read_logs;
pub use revert::{Revert, decode_error, decode_revert};
pub use rpc::MAX_FUTURE;
pub use send::{SendOptions, Sender};
