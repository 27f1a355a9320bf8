//! The chain's words: the contracts' bindings, the market's events, and refusals in plain words.

mod bindings;
pub mod events;
mod meanings;
mod revert;

pub use bindings::{
    BlockBeacon, BlockBeaconConstructor, DevToken, DrandBeacon, DrandBeaconConstructor, IBeacon,
    IERC20, IERC5267, IMarket, MarketConstructor, Multicall,
};
pub use events::{EventAt, LogPlace, MarketEvent, UnreadableLog};
pub use revert::{Revert, decode_revert};
