//! What pallet-revive offers a contract, as far as the market needs it. ink!'s own interface hides what a callee reverted with
//! and has no chain id: so this is its host functions themselves, and ink!'s test environment where there is no chain.

#[cfg(target_arch = "riscv64")]
mod on_chain;
#[cfg(target_arch = "riscv64")]
pub use on_chain::*;

#[cfg(not(target_arch = "riscv64"))]
mod off_chain;
#[cfg(not(target_arch = "riscv64"))]
pub use off_chain::*;

use ink::prelude::vec::Vec;

/// How a call of another contract ended.
#[cfg_attr(not(target_arch = "riscv64"), allow(dead_code))] // nobody answers there
pub enum Outcome {
    /// What it returned.
    Returned(Vec<u8>),
    /// What it reverted with; nothing, if it trapped or could not be called.
    Reverted(Vec<u8>),
    /// There was too little gas or deposit left for it.
    Exhausted,
}
