//! The market's records as they were read, and what a call would write over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use piecework_protocol::Store;
use piecework_protocol::slots::{
    Checkpoint, Config, FeeSlot, JobSlot, LeaseSlot, Profile, ProviderSlot, SeatSlot, StakeSlot,
    Totals,
};
use piecework_protocol::types::{Address, AuditState, Bytes32};

/// What a record is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Config,
    Totals,
    Fee,
    Balance(Address),
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
    Seat(Bytes32, u32),
    Audit(Bytes32, u32),
    /// What a provider weighs in a draw that counts the stake of a time; number 0 stands for all of them.
    Weight(u32, u64),
    /// Nominal time of a point, its seed, and whether that will never be known: the beacon's.
    PointTime(u64),
    Seed(u64),
    Dead(u64),
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
    Seat(SeatSlot),
    Audit(AuditState),
    Time(u64),
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

/// The time whose stake counts in a call's draw: the market's stake age before something. The views tell weights of one
/// time, not the history that they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Before a time.
    Before(u64),
    /// Before the job's `post`.
    BeforePosting,
    /// Before the submission of the lease at this first task.
    BeforeSubmission(u32),
}

/// The market's memory for one call.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    read: &'a Records,
    written: Records,
    needs: &'a Needs,
    job_id: Bytes32,
    counted: Counted,
}

impl<'a> Memory<'a> {
    /// A memory over these records. Draws in it are over the job's seats, and count the stake of a time.
    pub(super) fn new(
        read: &'a Records,
        needs: &'a Needs,
        job_id: Bytes32,
        counted: Counted,
    ) -> Self {
        Self {
            read,
            written: Records::new(),
            needs,
            job_id,
            counted,
        }
    }

    /// The time whose stake counts.
    fn counted_at(&self) -> u64 {
        let before = match self.counted {
            Counted::Before(time) => time,
            Counted::BeforePosting => self.job(&self.job_id).posted_at,
            Counted::BeforeSubmission(first) => self.lease(&self.job_id, first).since,
        };
        before.saturating_sub(self.config().times.stake_age)
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

            // No act depends on a profile.
            fn profile(&self, _: &Address) -> Profile {
                Profile::default()
            }
            fn set_profile(&mut self, _: &Address, _: Profile) {}

            // A history of one checkpoint: the stake of the time that counts, and never more than the present one.
            fn history(&self, _: u32) -> u32 {
                1
            }
            fn set_history(&mut self, _: u32, _: u32) {}
            fn checkpoint(&self, number: u32, _: u32) -> Checkpoint {
                let amount = match self.get(Key::Weight(number, self.counted_at())) {
                    Some(Value::Amount(weight)) => weight,
                    _ => 0,
                };
                Checkpoint { time: 0, amount }
            }
            fn set_checkpoint(&mut self, _: u32, _: u32, _: Checkpoint) {}
        }
    };
}

records! {
    config, set_config() -> Config = Key::Config, Config;
    totals, set_totals() -> Totals = Key::Totals, Totals;
    fee, set_fee() -> FeeSlot = Key::Fee, Fee;
    balance, set_balance(account: &Address) -> u128 = Key::Balance(*account), Amount;
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
    seat, set_seat(key: &Bytes32, number: u32) -> SeatSlot = Key::Seat(*key, number), Seat;
    audit, set_audit(job_id: &Bytes32, first: u32) -> AuditState = Key::Audit(*job_id, first), Audit;
}
