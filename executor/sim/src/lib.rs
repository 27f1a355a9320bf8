//! Years of a market, from seeds: executors that decide with the real machine (`piecework-executor-core`), clients and cheats
//! on a chain that applies the market's real rules (`piecework-protocol`), and everything that goes wrong with nodes, disks,
//! fees, keys, clocks and processes.
//!
//! One seed is one world ([`world::run`]). The same seed gives the same blocks. After each world these must hold:
//!
//! - An honest provider loses no stake, except tenths of votes in rounds that found no verdict.
//! - It binds itself to one result for a seat.
//! - It tells no secret while somebody could still commit.
//! - Its work never takes more than the machine.
//! - Every duty and every lease ends.

pub mod chain;
pub mod provider;
pub mod world;

pub use world::{Outcome, Plan, run};
