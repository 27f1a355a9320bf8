//! The same calls on the specification (`contracts/protocol`) and on the deployed bytecode (`contracts/abi`), compared
//! step by step; and wherever else the market runs ([`target`]). See README.md.
// This crate is a test: what it cannot go on from, it says and stops.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod acts;
pub mod bindings;
mod books;
pub mod chain;
pub mod code;
mod drawn;
pub mod evm;
mod leases;
pub mod memory;
pub mod model;
pub mod odd;
pub mod odd_input;
pub mod replay;
pub mod sides;
pub mod tally;
pub mod target;
mod trace;
mod views;
pub mod world;

use alloy_primitives::Address;

/// In a constructor's arguments: the token that is deployed before.
pub const MARKET_TOKEN: Address = Address::repeat_byte(0xfe);

/// What ends a trace: the two sides differ, or one cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}
