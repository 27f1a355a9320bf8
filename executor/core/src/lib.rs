#![doc = include_str!("../README.md")]
//!
//! | module | what it says |
//! | --- | --- |
//! | [`duty`] | what should be going on for a lease or a seat that is ours |
//! | [`take`] | which new work is worth taking |
//! | [`capacity`] | what unfinished duties and open claims take of the machine: a sum |
//! | [`intent`] | the transactions that are asked for, with deadline and stake |
//! | [`input`], [`command`] | the two sides of the machine |
//! | [`machine`] | how one becomes the other |

pub mod capacity;
pub mod command;
pub mod duty;
pub mod input;
pub mod intent;
pub mod machine;
pub mod policy;
pub mod secret;
pub mod take;

pub use command::Command;
pub use input::Input;
pub use machine::Machine;

/// The time of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The chain's time, in Unix seconds: that of its newest block, and what has passed since.
    pub time: u64,
    /// Milliseconds of this machine's clock, which never goes back, since any moment.
    pub local: u64,
}
