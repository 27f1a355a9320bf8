//! The chain: bindings of the market.

mod bindings;

pub use bindings::{DevToken, IERC20, IMarket};
