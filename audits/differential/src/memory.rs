//! The market's memory in a map, with a log of what was overwritten: to see that a refused call wrote nothing, and to
//! take back what was only tried.

use std::collections::HashMap;

use piecework_protocol::Store;
use piecework_protocol::slots::{
    Checkpoint, Config, FeeSlot, JobSlot, LeaseSlot, Profile, ProviderSlot, SeatSlot, StakeSlot,
    Totals,
};
use piecework_protocol::types::{Address, AuditState, Bytes32};

trait Owned {
    type Value;
    fn owned(self) -> Self::Value;
}

impl<const N: usize> Owned for &[u8; N] {
    type Value = [u8; N];
    fn owned(self) -> [u8; N] {
        *self
    }
}

macro_rules! plain {
    ($($ty:ty),*) => {$(
        impl Owned for $ty {
            type Value = $ty;
            fn owned(self) -> $ty {
                self
            }
        }
    )*};
}

plain! { u32, u64 }

/// How the store is asked for a key of this type.
macro_rules! asked {
    (Address) => {
        &Address
    };
    (Bytes32) => {
        &Bytes32
    };
    ($ty:ident) => {
        $ty
    };
}

macro_rules! memory {
    ($($Record:ident, $get:ident, $set:ident ($($key:ident: $ty:ident),*) -> $value:ty;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        enum Key {
            $($Record($($ty),*),)*
        }

        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Value {
            $($Record($value),)*
        }

        impl Store for Memory {
            $(
                fn $get(&self, $($key: asked!($ty)),*) -> $value {
                    match self.records.get(&Key::$Record($($key.owned()),*)) {
                        Some(Value::$Record(value)) => *value,
                        _ => Default::default(),
                    }
                }
                fn $set(&mut self, $($key: asked!($ty),)* value: $value) {
                    self.write(Key::$Record($($key.owned()),*), Value::$Record(value));
                }
            )*
        }
    };
}

/// The market's memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    records: HashMap<Key, Value>,
    overwritten: Vec<(Key, Option<Value>)>,
}

impl Memory {
    fn write(&mut self, key: Key, value: Value) {
        let before = self.records.insert(key, value);
        self.overwritten.push((key, before));
    }

    /// Begins to count what is written.
    pub fn begin(&mut self) {
        self.overwritten.clear();
    }

    /// How often something was written.
    pub fn writes(&self) -> usize {
        self.overwritten.len()
    }

    /// Takes everything back to where so much was written.
    pub fn undo_to(&mut self, writes: usize) {
        while self.overwritten.len() > writes {
            match self.overwritten.pop() {
                Some((key, Some(value))) => self.records.insert(key, value),
                Some((key, None)) => self.records.remove(&key),
                None => None,
            };
        }
    }
}

memory! {
    Config, config, set_config() -> Config;
    Totals, totals, set_totals() -> Totals;
    Fee, fee, set_fee() -> FeeSlot;
    Balance, balance, set_balance(account: Address) -> u128;
    Number, number, set_number(provider: Address) -> u32;
    ProviderAt, provider_at, set_provider_at(number: u32) -> Address;
    Provider, provider, set_provider(number: u32) -> ProviderSlot;
    Stake, stake, set_stake(number: u32) -> StakeSlot;
    Operator, operator, set_operator(provider: Address, operator: Address) -> u32;
    Admitted, admitted, set_admitted(list: Bytes32, number: u32) -> bool;
    Profile, profile, set_profile(provider: Address) -> Profile;
    Job, job, set_job(job_id: Bytes32) -> JobSlot;
    Revoked, revoked, set_revoked(client: Address, nonce: u64) -> bool;
    Lease, lease, set_lease(job_id: Bytes32, first: u32) -> LeaseSlot;
    Root, root, set_root(job_id: Bytes32, first: u32) -> Bytes32;
    Seat, seat, set_seat(key: Bytes32, number: u32) -> SeatSlot;
    Audit, audit, set_audit(job_id: Bytes32, first: u32) -> AuditState;
    History, history, set_history(number: u32) -> u32;
    Checkpoint, checkpoint, set_checkpoint(number: u32, place: u32) -> Checkpoint;
}

impl Memory {
    /// Every account's balance.
    pub fn balances(&self) -> impl Iterator<Item = u128> + '_ {
        self.records.values().filter_map(|value| match value {
            Value::Balance(amount) => Some(*amount),
            _ => None,
        })
    }
}
