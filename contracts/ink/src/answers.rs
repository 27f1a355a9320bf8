//! What calls return, encoded as the ABI has it: several values lie one after the other, as arguments do.

use ink::prelude::string::String;
use ink::prelude::vec::Vec;
use ink::sol::{DynBytes, FixedBytes, SolParamsEncode, encode_sequence};
use ink::{H160, SolEncode, U256 as InkU256};
use piecework_protocol::Error;
use piecework_protocol::slots::{Profile, SealSlot};
use piecework_protocol::types::{
    Address, Bytes32, DisputeState, How, JobState, LeaseState, ProviderState, Times, U256,
};

use crate::env;

/// An encoded answer; nothing here fails.
type Answer = Result<Vec<u8>, Error>;

fn values<T: for<'a> SolParamsEncode<'a>>(values: &T) -> Answer {
    Ok(encode_sequence(values))
}

/// Of calls that return nothing.
pub fn nothing((): ()) -> Answer {
    Ok(Vec::new())
}

/// One number, or a `bool`.
pub fn one<T: for<'a> SolEncode<'a>>(value: T) -> Answer {
    values(&(value,))
}

/// A `bytes32`.
pub fn word(value: Bytes32) -> Answer {
    Ok(value.to_vec())
}

/// An `address`.
pub fn address(value: Address) -> Answer {
    one(H160(value))
}

/// Of `claim`.
pub fn pair(value: (u32, u32)) -> Answer {
    values(&value)
}

/// Of `fee`.
pub fn fee((fee_bps, recipient): (u16, Address)) -> Answer {
    values(&(fee_bps, H160(recipient)))
}

/// Of `providerOf`.
pub fn provider(of: &ProviderState) -> Answer {
    values(&(
        of.number,
        of.stake,
        of.free,
        of.staked_at,
        of.completed,
        of.late,
        of.slashed,
    ))
}

/// Of `profileOf`.
pub fn profile(of: &Profile) -> Answer {
    values(&(
        FixedBytes(of.node_id),
        FixedBytes(of.capabilities),
        DynBytes(of.endpoint().to_vec()), // laid out as a string is
    ))
}

/// Of `jobOf`.
pub fn job(of: &JobState) -> Answer {
    values(&(
        of.status as u8,
        of.fee_bps,
        of.next,
        of.posted_at,
        of.posted_block,
    ))
}

/// Of `leaseOf`.
pub fn lease(of: &LeaseState) -> Answer {
    values(&(
        H160(of.provider),
        of.phase as u8,
        of.how as u8,
        of.round,
        of.count,
        of.started_at,
        of.submitted_at,
        FixedBytes(of.root),
        of.seats,
        of.commits,
        of.reveals,
        of.challenges,
    ))
}

/// Of `resultRoot`.
pub fn result((root, count, how): (Bytes32, u32, How)) -> Answer {
    values(&(FixedBytes(root), count, how as u8))
}

/// Of `sealOf`.
pub fn seal(of: &SealSlot) -> Answer {
    values(&(FixedBytes(of.seed_word()), of.total_stake, of.sealed_at))
}

/// Of `disputeOf`.
pub fn dispute(of: &DisputeState) -> Answer {
    values(&(
        H160(of.challenger),
        of.task,
        FixedBytes(of.digest),
        FixedBytes(of.answer),
        of.answered,
        of.deposit,
        of.opened_at,
        of.opened_block,
        of.reveal_from,
        of.seats,
        of.commits,
        of.reveals,
    ))
}

/// Of `times`.
pub fn times(of: &Times) -> Answer {
    values(&(
        of.draw_time,
        of.draw_step,
        of.reveal_window,
        of.respond_window,
        of.stake_age,
    ))
}

/// Of `eip712Domain`, on the chain of the deployment.
pub fn domain(chain_id: &U256) -> Answer {
    values(&(
        FixedBytes([0x0f]), // name, version, chain and contract
        String::from("Piecework"),
        String::from("1"),
        InkU256::from_big_endian(&chain_id.to_be_bytes::<32>()),
        H160(env::this()),
        FixedBytes([0; 32]),
        Vec::<InkU256>::new(),
    ))
}

/// Of `multicall`.
pub fn results(results: Vec<Vec<u8>>) -> Answer {
    let results: Vec<DynBytes> = results.into_iter().map(DynBytes).collect();
    values(&(results,))
}
