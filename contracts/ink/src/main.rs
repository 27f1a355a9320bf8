//! The Piecework market as an ink! contract: the ABI, storage and calls around `piecework-protocol`, and nothing else. What a
//! call means stands there, once; `contracts/evm` is the canonical market, and `audits/differential` holds the two equal.
#![cfg_attr(not(feature = "std"), no_std, no_main)]
#![warn(missing_docs)]

mod answers;
mod arguments;
mod calls;
mod cells;
mod chain;
mod env;
#[cfg(test)]
mod tests;

#[cfg(feature = "std")]
fn main() {}

/// The contract. ink!'s own ABI is not the market's: its wildcards hand every call over as it came, and `calls.rs` reads it. "Payable" keeps ink! from
/// trapping where money came along: `calls.rs` refuses that, too.
#[ink::contract]
#[allow(missing_docs)] // of what ink!'s macros add
pub mod market {
    use crate::{calls, env};

    /// All that the market remembers is in `Cells`.
    #[ink(storage)]
    pub struct Piecework {}

    impl Piecework {
        /// Fixes what holds permanently; see `calls::deploy`.
        #[ink(constructor, payable, selector = _)]
        #[allow(clippy::new_without_default)] // it reads its arguments itself
        pub fn new() -> Self {
            calls::deploy();
            Self {}
        }

        /// Every call of the ABI; see `calls.rs`.
        #[ink(message, payable, selector = _)]
        pub fn call(&mut self) {
            calls::dispatch()
        }

        /// ink! wants a second message beside the one above. It is no call of the ABI.
        #[ink(message, payable, selector = @)]
        pub fn no_call(&mut self) {
            env::reject()
        }
    }
}
