//! Off the chain, for `#[ink::test]`: ink!'s test environment. There are no other contracts in it, and no calldata.

use ink::env::DefaultEnvironment;
use ink::env::hash::{HashOutput, Keccak256};
use ink::prelude::vec::Vec;
use piecework_protocol::types::{Address, Bytes32, U256};

use super::Outcome;

/// Who calls.
pub fn caller() -> Address {
    ink::env::caller().0
}

/// This contract.
pub fn this() -> Address {
    ink::env::address().0
}

/// What was sent along of the chain's own money.
pub fn value() -> U256 {
    U256::from_be_bytes(ink::env::transferred_value().to_big_endian())
}

/// The chain's id: the test environment has none.
pub fn chain_id() -> U256 {
    U256::from(1)
}

/// The block's time in seconds.
pub fn now() -> u64 {
    ink::env::block_timestamp::<DefaultEnvironment>()
}

/// keccak256.
pub fn keccak256(bytes: &[u8]) -> Bytes32 {
    let mut hash = <Keccak256 as HashOutput>::Type::default();
    ink::env::hash_bytes::<Keccak256>(bytes, &mut hash);
    hash
}

/// Nobody else has code.
pub fn has_code(_account: &Address) -> bool {
    false
}

/// Nobody answers.
pub fn call(_to: &Address, _input: &[u8], _read_only: bool) -> Outcome {
    Outcome::Reverted(Vec::new())
}

/// There is no calldata to run.
pub fn call_self(_input: &[u8]) -> Outcome {
    Outcome::Reverted(Vec::new())
}

/// Events are compared on the chain: ink!'s test environment takes its own events only.
pub fn emit(_topics: &[Bytes32], _data: &[u8]) {}

/// How a call ended: tests catch it as a panic's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With this answer.
    Answered(Vec<u8>),
    /// It changed nothing, and this is why.
    Refused(Vec<u8>),
}

/// Ends the call: it changed nothing, and this is why.
pub fn refuse(data: &[u8]) -> ! {
    std::panic::panic_any(End::Refused(data.to_vec()))
}

/// Ends the call with this answer.
pub fn answer(data: &[u8]) -> ! {
    std::panic::panic_any(End::Answered(data.to_vec()))
}

/// Ends a call whose arguments are none, as Solidity does: without a word.
pub fn reject() -> ! {
    refuse(&[])
}

std::thread_local! {
    /// The call that the next message or constructor answers.
    pub static CALLDATA: core::cell::RefCell<Vec<u8>> = const { core::cell::RefCell::new(Vec::new()) };
}

/// Bytes that came with the call, its selector included.
pub fn calldata_size() -> u64 {
    CALLDATA.with_borrow(|data| data.len() as u64)
}

/// A part of them; zeros after their end.
pub fn calldata(from: u32, length: usize) -> Vec<u8> {
    CALLDATA.with_borrow(|data| {
        let rest = data.iter().skip(from as usize).copied();
        rest.chain(core::iter::repeat(0)).take(length).collect()
    })
}
