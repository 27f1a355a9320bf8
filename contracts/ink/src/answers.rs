//! What calls return, encoded as the ABI has it: several values lie one after the other, as arguments do.

use ink::prelude::string::String;
use ink::prelude::vec::Vec;
use ink::sol::{DynBytes, FixedBytes, SolParamsEncode, encode_sequence};
use ink::{H160, SolEncode, U256 as InkU256};
use piecework_protocol::Error;
use piecework_protocol::slots::{JobSlot, Profile};
use piecework_protocol::types::{
    Address, AuditState, Bytes32, Grade, LeaseState, ProviderState, Times, U256,
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
pub fn job(of: &JobSlot) -> Answer {
    values(&(of.status as u8, of.fee_bps, of.next, of.posted_at, of.point))
}

/// Of `leaseOf`.
pub fn lease(of: &LeaseState) -> Answer {
    values(&(
        H160(of.provider),
        of.phase as u8,
        of.grade as u8,
        of.round,
        of.count,
        of.since,
        of.origin,
        of.point,
        FixedBytes(of.root),
        of.seats,
        of.commits,
        of.opened,
    ))
}

/// Of `resultRoot`.
pub fn result((root, count, grade): (Bytes32, u32, Grade)) -> Answer {
    values(&(FixedBytes(root), count, grade as u8))
}

/// Of `auditOf`.
pub fn audit(of: &AuditState) -> Answer {
    values(&(
        of.jury,
        of.task,
        of.since,
        of.due,
        of.point,
        of.seats,
        of.commits,
        of.opened,
        of.undecided,
    ))
}

/// Of `times`.
pub fn times(of: &Times) -> Answer {
    values(&(
        of.stake_age,
        of.lease_step,
        of.jury_step,
        of.jury_time,
        of.reveal_window,
        of.respond_window,
        of.retry_window,
        of.least_audit_window,
        of.least_run_window,
    ))
}

/// Of `eip712Domain`, on the chain of the deployment.
pub fn domain(chain_id: &U256) -> Answer {
    values(&(
        FixedBytes([0x0f]), // name, version, chain and contract
        String::from("Piecework"),
        String::from("2"),
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
