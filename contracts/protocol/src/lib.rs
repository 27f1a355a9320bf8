//! The executable specification of the Piecework market: every call of `IMarket` as one function over a [`Store`] that
//! remembers and a [`Host`] that is the chain. It knows no chain, allocates nothing and has no `unsafe`.
//!
//! The Solidity in `contracts/evm` is the canonical behaviour. This crate says the same in another language and another
//! shape: records instead of packed words, one file for each subject. `audits/differential` holds the two equal: the same
//! errors with the same arguments from the same order of checks, the same roundings, the same events in the same order.
//!
//! # How to read it
//!
//! Start with [`types`] (the words of the ABI) and [`slots`] (what is remembered), then [`rules`] (all arithmetic). The
//! calls are methods of [`Market`], each with its errors in the order in which they are checked:
//!
//! | subject | file | calls |
//! | --- | --- | --- |
//! | money in and out, the fee | `vault.rs` | [`deposit`](Market::deposit), [`deposit_with_permit`](Market::deposit_with_permit), [`withdraw`](Market::withdraw), [`set_fee`](Market::set_fee) |
//! | providers | `providers.rs` | [`stake`](Market::stake), [`unstake`](Market::unstake), [`set_operator`](Market::set_operator), [`set_profile`](Market::set_profile), [`admit`](Market::admit) |
//! | jobs | `jobs.rs` | [`post`](Market::post), [`cancel`](Market::cancel) |
//! | ordinary leases (1/1) | `leases.rs` | [`claim`](Market::claim), [`takeover`](Market::takeover), [`submit`](Market::submit), [`finalize`](Market::finalize), [`expire`](Market::expire), [`leave`](Market::leave), [`close`](Market::close) |
//! | redundant leases (N/Q) | `redundant.rs` | [`join`](Market::join), [`commit`](Market::commit), [`settle`](Market::settle), [`renew`](Market::renew) |
//! | audits | `audits.rs` | [`join_jury`](Market::join_jury), [`commit_vote`](Market::commit_vote), [`judge`](Market::judge) |
//! | what the client signed | `signatures.rs` | [`post_for`](Market::post_for), [`cancel_for`](Market::cancel_for), [`revoke`](Market::revoke) |
//! | results with a proof | `proofs.rs` | [`prove`](Market::prove) |
//! | reading | `views.rs` | [`balance_of`](Market::balance_of), [`lease_of`](Market::lease_of), [`result_root`](Market::result_root) and their kind |
//!
//! | rule of the protocol | where |
//! | --- | --- |
//! | a job is its EIP-712 hash; no field of it can change | `records.rs` (`id_of`, `known`), [`hash::job`] |
//! | what `post` refuses | `jobs.rs` (`check_job`), [`rules`] |
//! | a claim leaves nothing that no lease fits | [`rules::clamp`] |
//! | the escrow is linear in tasks; what is not paid or burned returns | [`rules::escrow_of`], `records.rs` (`settle_lease`) |
//! | the ramp stands still while a lease is held; prices round down | [`rules::price_at`], `leases.rs` (`takeover`) |
//! | one rule for leaving and being late | [`rules::lateness_of`] |
//! | an act is valid iff `t <= deadline`, an ending iff `t > deadline` | `records.rs` (`require_in_time`, `require_over`) |
//! | stake less free stake is the bonds of unfinished leases and seats; a lease leaves a quarter free | `ledger.rs` |
//! | every slashed unit is burned | `ledger.rs` (`slash`) |
//! | a seat is for a provider that is drawn, in proportion to the stake that it had and has | `draw.rs`, [`rules::doublings`], `ledger.rs` (`weight`) |
//! | how commitments are opened, and when a round ends | `seats.rs` (`read`) |
//! | the verdict of a jury, and how each seat ends | [`votes`] |
//! | a copied commitment cannot be opened | [`hash::Round::commitment`] |
//! | one root opens to one digest for a task | [`result`] |
//! | a signature is good once, on one chain | `signatures.rs` (`require_signed`) |
//!
//! # What a host must do
//!
//! - **All or nothing.** A call checks everything before it writes. So a refused call has written nothing and emitted nothing,
//!   with three exceptions, which a host must undo (a contract does, by reverting): the token may refuse to pay out, the last
//!   act of `withdraw` and `unstake`; what the *token* did before `DepositShort`; and `finalize` may run out of the beacon's
//!   gas in the middle of its list. [`Error::OVERFLOW`] after a write would mean that the sums did not add up before.
//! - **No way in while a call runs.** The token, the beacon, wallets and verifiers are asked in the middle of calls. `&mut self`
//!   keeps them out here. In the EVM a verifier that reads the market meanwhile finds the lease Submitted; here it cannot read.
//! - **Strict arguments.** What is not a value of its type never arrives here (in Solidity a job with dirty bits is unknown).
//!   `endpoint` is bytes: Solidity does not check that a `string` is UTF-8.
//! - **`multicall`** is the host's: it runs several calls of one caller in turn, all or none, and returns what each returned.
//! - **`eip712Domain`** says what [`hash::domain`] is made of: `Piecework`, `2`, the chain's id of the day of deployment
//!   ([`slots::Config`]), the market.
//! - **The beacon** is asked with all gas where a call cannot do without it, and its failure is the call's
//!   ([`Error::CalleeReverted`]); elsewhere with [`BEACON_GAS`], and its failure is an unknown answer. A host without a limit
//!   on gas ignores the allowance.
//!
//! # What is kept otherwise than in Solidity
//!
//! Times are not cut to 40 bits: they have no more. A draw that begins at a time near 2^64, which no beacon names, never comes
//! round to zero.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod abi;
mod audits;
mod draw;
mod error;
mod events;
pub mod hash;
mod host;
mod jobs;
mod leases;
mod ledger;
mod proofs;
mod providers;
mod records;
mod redundant;
pub mod result;
pub mod rules;
mod seats;
mod signatures;
pub mod slots;
mod store;
pub mod types;
mod vault;
mod views;
pub mod votes;

pub use abi::{Out, Question};
pub use error::Error;
pub use events::Event;
pub use host::{Answer, BeaconError, Host, Permit, TokenError};
pub use proofs::VERIFIER_GAS;
pub use records::{BEACON_GAS, gas_before};
pub use store::Store;

use slots::Config;
use types::{Address, NOBODY, Times};

/// The market: its memory and the chain it runs on. Its methods are the calls of `IMarket`.
#[derive(Clone, Debug)]
pub struct Market<S, H> {
    /// What it remembers.
    pub store: S,
    /// The chain, for the present call.
    pub host: H,
}

impl<S: Store, H: Host> Market<S, H> {
    /// The constructor: fixes what holds permanently.
    ///
    /// # Errors
    /// `ZeroAddress`, `FeeTooHigh`, `BadWindow`.
    #[allow(clippy::too_many_arguments)] // the constructor's
    pub fn deploy(
        &mut self,
        token: &Address,
        beacon: &Address,
        fee_governor: &Address,
        fee_recipient: &Address,
        fee_bps: u16,
        times: &Times,
        devnet: bool,
    ) -> Result<(), Error> {
        if *token == NOBODY {
            return Err(Error::ZeroAddress());
        }
        let fee = fee_bps != 0 || *fee_recipient != NOBODY;
        if fee {
            Self::check_fee(fee_bps, fee_recipient)?;
        }
        if *beacon == NOBODY {
            return Err(Error::ZeroAddress());
        }
        rules::check_times(times, devnet)?;
        self.store.set_config(Config {
            token: *token,
            beacon: *beacon,
            fee_governor: *fee_governor,
            domain: hash::domain(&self.host),
            chain_id: self.host.chain_id(),
            times: *times,
            devnet,
        });
        if fee { self.fix_fee(fee_bps, fee_recipient) } else { Ok(()) }
    }
}
