//! What a seat commits to: its vote, hidden under a salt, and bound to job, round and provider.

use alloy::{
    primitives::{Address, B256, keccak256},
    sol_types::SolValue as _,
};
use rand::{TryRngCore as _, rand_core::OsError, rngs::OsRng};

use super::{Key, Vote};

/// 32 bytes that nobody can guess, from the operating system.
pub(crate) fn salt() -> Result<B256, OsError> {
    let mut salt = B256::ZERO;
    OsRng.try_fill_bytes(salt.as_mut_slice())?;
    Ok(salt)
}

/// `IMarket.commitmentOf` this vote.
pub(crate) fn commitment(key: Key, provider: Address, vote: Vote, salt: B256) -> B256 {
    let hidden = match key.is_jurors() {
        true => keccak256((vote.value, vote.proof).abi_encode()),
        false => vote.value,
    };
    let lease = key.lease;
    let bound = (
        lease.job,
        lease.first,
        lease.round,
        // Encoded as a `uint8` is.
        u16::from(key.challenge),
        provider,
        hidden,
        salt,
    );
    keccak256(bound.abi_encode())
}
