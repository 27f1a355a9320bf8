//! The market's memory in the contract's storage: one cell for each record, SCALE-encoded. A record that equals its default has
//! no cell.

use ink::env::{clear_contract_storage, get_contract_storage, set_contract_storage};
use ink::scale::{Decode, Encode};
use piecework_protocol::Store;
use piecework_protocol::slots::{
    Checkpoint, Config, FeeSlot, JobSlot, LeaseSlot, Profile, ProviderSlot, SeatSlot, StakeSlot,
    Totals,
};
use piecework_protocol::types::{Address, AuditState, Bytes32};

/// The contract's storage.
#[derive(Clone, Copy, Debug)]
pub struct Cells;

fn get<K: Encode, V: Encode + Decode + Default>(key: K) -> V {
    match get_contract_storage(&key) {
        Ok(kept) => kept.unwrap_or_default(),
        // Only this contract writes here: a cell that cannot be read means that its code is wrong.
        Err(_) => crate::env::refuse(&[]),
    }
}

fn set<K: Encode, V: Encode + Decode + Default + PartialEq>(key: K, value: V) {
    if value == V::default() {
        clear_contract_storage(&key);
    } else {
        set_contract_storage(&key, &value);
    }
}

/// `tag get, set (key: type) -> value;`: the tag, of 2 bytes, tells cells of one kind from those of another.
macro_rules! cells {
    ($($tag:literal $get:ident, $set:ident ($($key:ident: $ty:ty),*) -> $value:ty;)*) => {
        impl Store for Cells {
            $(fn $get(&self, $($key: $ty),*) -> $value {
                get(($tag, $($key),*))
            }
            fn $set(&mut self, $($key: $ty,)* value: $value) {
                set(($tag, $($key),*), value);
            })*
        }
    };
}

cells! {
    1u16 config, set_config() -> Config;
    2u16 totals, set_totals() -> Totals;
    3u16 fee, set_fee() -> FeeSlot;
    4u16 balance, set_balance(account: &Address) -> u128;
    5u16 number, set_number(provider: &Address) -> u32;
    6u16 provider_at, set_provider_at(number: u32) -> Address;
    7u16 provider, set_provider(number: u32) -> ProviderSlot;
    8u16 stake, set_stake(number: u32) -> StakeSlot;
    9u16 operator, set_operator(provider: &Address, operator: &Address) -> u32;
    10u16 admitted, set_admitted(list: &Bytes32, number: u32) -> bool;
    11u16 profile, set_profile(provider: &Address) -> Profile;
    12u16 job, set_job(job_id: &Bytes32) -> JobSlot;
    13u16 revoked, set_revoked(client: &Address, nonce: u64) -> bool;
    14u16 lease, set_lease(job_id: &Bytes32, first: u32) -> LeaseSlot;
    15u16 root, set_root(job_id: &Bytes32, first: u32) -> Bytes32;
    16u16 seat, set_seat(key: &Bytes32, number: u32) -> SeatSlot;
    17u16 audit, set_audit(job_id: &Bytes32, first: u32) -> AuditState;
    18u16 history, set_history(number: u32) -> u32;
    19u16 checkpoint, set_checkpoint(number: u32, place: u32) -> Checkpoint;
}
