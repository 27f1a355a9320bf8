//! On the chain: pallet-revive's host functions. Its numbers are little-endian.

use ink::prelude::vec;
use ink::prelude::vec::Vec;
use pallet_revive_uapi::{CallFlags, HostFn, HostFnImpl as host, ReturnErrorCode, ReturnFlags};
use piecework_protocol::types::{Address, Bytes32, U256};

use super::Outcome;

/// No limit of their own for calls: what is left of the caller's.
const ALL: u64 = u64::MAX;
const NO_DEPOSIT_LIMIT: [u8; 32] = [u8::MAX; 32];
const NO_VALUE: [u8; 32] = [0; 32];

fn word(read: fn(&mut [u8; 32])) -> U256 {
    let mut word = [0; 32];
    read(&mut word);
    U256::from_le_bytes(word)
}

fn address(read: fn(&mut [u8; 20])) -> Address {
    let mut address = [0; 20];
    read(&mut address);
    address
}

/// Who calls.
pub fn caller() -> Address {
    address(host::caller)
}

/// This contract.
pub fn this() -> Address {
    address(host::address)
}

/// What was sent along of the chain's own money.
pub fn value() -> U256 {
    word(host::value_transferred)
}

/// The chain's id.
pub fn chain_id() -> U256 {
    word(host::chain_id)
}

/// The block's time in seconds.
pub fn now() -> u64 {
    word(host::now).saturating_to()
}

/// keccak256.
pub fn keccak256(bytes: &[u8]) -> Bytes32 {
    let mut hash = [0; 32];
    host::hash_keccak_256(bytes, &mut hash);
    hash
}

/// Whether the account has code.
pub fn has_code(account: &Address) -> bool {
    host::code_size(account) != 0
}

/// Calls another contract. If `read_only` it can change nothing, and may read from this one, as in the EVM; else it cannot
/// call this one meanwhile.
pub fn call(to: &Address, input: &[u8], read_only: bool) -> Outcome {
    let flags = if read_only {
        CallFlags::READ_ONLY.union(CallFlags::ALLOW_REENTRY)
    } else {
        CallFlags::empty()
    };
    outcome(host::call(
        flags,
        to,
        ALL,
        ALL,
        &NO_DEPOSIT_LIMIT,
        &NO_VALUE,
        input,
        None,
    ))
}

/// Runs a call of this contract within this one, for the same caller.
pub fn call_self(input: &[u8]) -> Outcome {
    let flags = CallFlags::empty();
    outcome(host::delegate_call(
        flags,
        &this(),
        ALL,
        ALL,
        &NO_DEPOSIT_LIMIT,
        input,
        None,
    ))
}

fn outcome(result: Result<(), ReturnErrorCode>) -> Outcome {
    match result {
        Ok(()) => Outcome::Returned(return_data()),
        Err(ReturnErrorCode::CalleeReverted) => Outcome::Reverted(return_data()),
        Err(ReturnErrorCode::OutOfResources) => Outcome::Exhausted,
        Err(_) => Outcome::Reverted(Vec::new()),
    }
}

fn return_data() -> Vec<u8> {
    let mut data = vec![0; usize::try_from(host::return_data_size()).unwrap_or(0)];
    host::return_data_copy(&mut &mut data[..], 0);
    data
}

/// Tells the world.
pub fn emit(topics: &[Bytes32], data: &[u8]) {
    host::deposit_event(topics, data);
}

/// Ends the call: it changed nothing, and this is why.
pub fn refuse(data: &[u8]) -> ! {
    host::return_value(ReturnFlags::REVERT, data)
}

/// Ends the call with this answer.
pub fn answer(data: &[u8]) -> ! {
    host::return_value(ReturnFlags::empty(), data)
}

/// Ends a call whose arguments are none, as Solidity does: without a word.
pub fn reject() -> ! {
    refuse(&[])
}

/// Bytes that came with the call, its selector included.
pub fn calldata_size() -> u64 {
    host::call_data_size()
}

/// A part of them; zeros after their end.
pub fn calldata(from: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    host::call_data_copy(&mut bytes, from);
    bytes
}
