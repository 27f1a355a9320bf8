//! The market's records as they were read, and what a call would write over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use piecework_protocol::Store;
use piecework_protocol::slots::{
    Config, Dispute, FeeSlot, JobSlot, LeaseSlot, Profile, ProviderSlot, SealSlot, SeatSlot,
    StakeSlot, Totals,
};
use piecework_protocol::types::{Address, Bytes32, NOBODY};

/// What a record is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Config,
    Totals,
    Fee,
    Ledger(Address),
    Number(Address),
    ProviderAt(u32),
    Provider(u32),
    Stake(u32),
    Operator(Address, Address),
    Admitted(Bytes32, u32),
    Job(Bytes32),
    Revoked(Address, u64),
    Lease(Bytes32, u32),
    Root(Bytes32, u32),
    Seal(Bytes32),
    Seat(Bytes32, u32),
    Dispute(Bytes32, u32),
    /// Whether an account has code: the chain's, not the market's.
    Code(Address),
}

impl Key {
    /// Number 0 is nobody's: what it names was never set.
    fn is_nobodys(&self) -> bool {
        matches!(
            self,
            Self::ProviderAt(0)
                | Self::Provider(0)
                | Self::Stake(0)
                | Self::Admitted(_, 0)
                | Self::Seat(_, 0)
        )
    }
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Config(Config),
    Totals(Totals),
    Fee(FeeSlot),
    Amount(u128),
    Number(u32),
    Account(Address),
    Provider(ProviderSlot),
    Stake(StakeSlot),
    Flag(bool),
    Job(JobSlot),
    Lease(LeaseSlot),
    Word(Bytes32),
    Seal(SealSlot),
    Seat(SeatSlot),
    Dispute(Dispute),
}

/// All records that were read.
pub(super) type Records = BTreeMap<Key, Value>;

/// What a call turned out to need. The specification only borrows its memory and its host: hence the lock.
#[derive(Debug, Default)]
pub(super) struct Needs(Mutex<Needed>);

impl Needs {
    pub(super) fn get(&self) -> MutexGuard<'_, Needed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Needed {
    /// Records that were not read yet: the call is run again with them.
    pub(super) missing: BTreeSet<Key>,
    /// What four words that were hashed are: a seat's key is read by what it is made of.
    pub(super) preimages: BTreeMap<Bytes32, [Bytes32; 4]>,
    /// Whether it asked for what no view tells: another contract's answer.
    pub(super) unknown: bool,
}

/// The market's memory for one call.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    read: &'a Records,
    written: Records,
    needs: &'a Needs,
}

impl<'a> Memory<'a> {
    pub(super) fn new(read: &'a Records, needs: &'a Needs) -> Self {
        Self {
            read,
            written: Records::new(),
            needs,
        }
    }

    fn get(&self, key: Key) -> Option<Value> {
        let value = self.written.get(&key).or_else(|| self.read.get(&key));
        if value.is_none() && !key.is_nobodys() {
            self.needs.get().missing.insert(key);
        }
        value.copied()
    }
}

macro_rules! records {
    ($($get:ident, $set:ident($($arg:ident: $ty:ty),*) -> $value:ty = $key:expr, $kind:ident;)*) => {
        impl Store for Memory<'_> {
            $(
                fn $get(&self, $($arg: $ty),*) -> $value {
                    match self.get($key) {
                        Some(Value::$kind(value)) => value,
                        _ => Default::default(),
                    }
                }
                fn $set(&mut self, $($arg: $ty,)* value: $value) {
                    self.written.insert($key, Value::$kind(value));
                }
            )*

            // No act depends on a profile, and none reads who demanded before it pays the deposit back.
            fn profile(&self, _: &Address) -> Profile {
                Profile::default()
            }
            fn set_profile(&mut self, _: &Address, _: Profile) {}
            fn demander(&self, _: &Bytes32, _: u32) -> Address {
                NOBODY
            }
            fn set_demander(&mut self, _: &Bytes32, _: u32, _: Address) {}
        }
    };
}

records! {
    config, set_config() -> Config = Key::Config, Config;
    totals, set_totals() -> Totals = Key::Totals, Totals;
    fee, set_fee() -> FeeSlot = Key::Fee, Fee;
    ledger, set_ledger(account: &Address) -> u128 = Key::Ledger(*account), Amount;
    number, set_number(provider: &Address) -> u32 = Key::Number(*provider), Number;
    provider_at, set_provider_at(number: u32) -> Address = Key::ProviderAt(number), Account;
    provider, set_provider(number: u32) -> ProviderSlot = Key::Provider(number), Provider;
    stake, set_stake(number: u32) -> StakeSlot = Key::Stake(number), Stake;
    operator, set_operator(provider: &Address, operator: &Address) -> u32 = Key::Operator(*provider, *operator), Number;
    admitted, set_admitted(list: &Bytes32, number: u32) -> bool = Key::Admitted(*list, number), Flag;
    job, set_job(job_id: &Bytes32) -> JobSlot = Key::Job(*job_id), Job;
    revoked, set_revoked(client: &Address, nonce: u64) -> bool = Key::Revoked(*client, nonce), Flag;
    lease, set_lease(job_id: &Bytes32, first: u32) -> LeaseSlot = Key::Lease(*job_id, first), Lease;
    root, set_root(job_id: &Bytes32, first: u32) -> Bytes32 = Key::Root(*job_id, first), Word;
    seal, set_seal(key: &Bytes32) -> SealSlot = Key::Seal(*key), Seal;
    seat, set_seat(key: &Bytes32, number: u32) -> SeatSlot = Key::Seat(*key, number), Seat;
    dispute, set_dispute(job_id: &Bytes32, first: u32) -> Dispute = Key::Dispute(*job_id, first), Dispute;
}
