//! Where the market keeps its records.

use crate::slots::{
    Checkpoint, Config, FeeSlot, JobSlot, LeaseSlot, Profile, ProviderSlot, SeatSlot, StakeSlot, Totals,
};
use crate::types::{Address, AuditState, Bytes32};

macro_rules! store {
    ($($(#[$doc:meta])* $get:ident, $set:ident ($($key:ident: $key_ty:ty),*) -> $value:ty;)*) => {
        /// The market's memory: a typed `get` and `set` for each record. What was never set is zero. Nothing else may
        /// write to it.
        pub trait Store {
            $($(#[$doc])*
            fn $get(&self, $($key: $key_ty),*) -> $value;
            #[doc = concat!("Keeps what `", stringify!($get), "` returns from now on.")]
            fn $set(&mut self, $($key: $key_ty,)* value: $value);)*
        }

        impl<S: Store + ?Sized> Store for &mut S {
            $(fn $get(&self, $($key: $key_ty),*) -> $value {
                (**self).$get($($key),*)
            }
            fn $set(&mut self, $($key: $key_ty,)* value: $value) {
                (**self).$set($($key,)* value);
            })*
        }
    };
}

store! {
    /// What the deployment fixed. Set once.
    config, set_config() -> Config;
    /// The market's own sums.
    totals, set_totals() -> Totals;
    /// Who receives the fee.
    fee, set_fee() -> FeeSlot;
    /// Deposits and refunds of an account. A provider's earnings are in its record, and the fee recipient's in
    /// [`Store::fee`], until they are needed (`Market::debit`).
    balance, set_balance(account: &Address) -> u128;
    /// A provider's number, from 1.
    number, set_number(provider: &Address) -> u32;
    /// The provider with this number.
    provider_at, set_provider_at(number: u32) -> Address;
    /// A provider's record.
    provider, set_provider(number: u32) -> ProviderSlot;
    /// A provider's stake.
    stake, set_stake(number: u32) -> StakeSlot;
    /// The provider's number if that key may act for it, else 0.
    operator, set_operator(provider: &Address, operator: &Address) -> u32;
    /// Whether a provider was shown to be on the list with this Merkle root.
    admitted, set_admitted(list: &Bytes32, number: u32) -> bool;
    /// How to reach a provider.
    profile, set_profile(provider: &Address) -> Profile;
    /// A job.
    job, set_job(job_id: &Bytes32) -> JobSlot;
    /// Whether a client's signatures under this nonce are void.
    revoked, set_revoked(client: &Address, nonce: u64) -> bool;
    /// A lease, by its first task.
    lease, set_lease(job_id: &Bytes32, first: u32) -> LeaseSlot;
    /// The Merkle root of a lease's result: as submitted, or of its quorum.
    root, set_root(job_id: &Bytes32, first: u32) -> Bytes32;
    /// A seat, by the key of its round and its provider's number.
    seat, set_seat(key: &Bytes32, number: u32) -> SeatSlot;
    /// The last audit of a lease.
    audit, set_audit(job_id: &Bytes32, first: u32) -> AuditState;
    /// How many checkpoints the stake of a provider has; of number 0: all stake.
    history, set_history(number: u32) -> u32;
    /// A checkpoint of that stake, by its place from 0.
    checkpoint, set_checkpoint(number: u32, place: u32) -> Checkpoint;
}
