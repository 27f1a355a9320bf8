//! What an executor decides, and nothing that it does.
//!
//! [`Machine::step`] takes what happened on one chain and the time, and returns what is to be done. It reads no clock, no
//! file and no network, and draws no random number: the same inputs give the same commands. The shell around it
//! (`piecework-executor`) carries the commands out, and the simulation (`piecework-executor-sim`) plays the world to it from
//! a seed.
//!
//! The machine is level-triggered. After each step it compares what should be going on ([`duty`]) with what is going on, and
//! commands the difference. A restart is no event: the shell tells what it has written down, and steps once.
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
