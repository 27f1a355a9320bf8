//! What a seat commits to: its vote, hidden under a salt, and bound to job, lease, round, kind and provider.

use alloy::primitives::B256;
use piecework_core::{chain::IMarket, rules::draw::Round};
use rand::{TryRngCore as _, rand_core::OsError, rngs::OsRng};

use super::Vote;

/// 32 bytes that nobody can guess, from the operating system.
pub(crate) fn salt() -> Result<B256, OsError> {
    let mut salt = B256::ZERO;
    OsRng.try_fill_bytes(salt.as_mut_slice())?;
    Ok(salt)
}

/// `IMarket.commitmentOf` this vote of the provider with this number.
pub(crate) fn commitment(round: &Round, kind: u8, number: u32, vote: Vote, salt: B256) -> B256 {
    round.commitment(kind, &opening(number, vote, salt))
}

/// What opens such a commitment.
pub(crate) fn opening(number: u32, vote: Vote, salt: B256) -> IMarket::Opening {
    IMarket::Opening {
        number,
        value: vote.value,
        proof: vote.proof,
        salt,
    }
}
