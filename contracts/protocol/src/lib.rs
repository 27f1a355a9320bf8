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
//! | money in and out, the fee | `ledger.rs` | [`deposit`](Market::deposit), [`deposit_with_permit`](Market::deposit_with_permit), [`withdraw`](Market::withdraw), [`set_fee`](Market::set_fee) |
//! | providers | `providers.rs` | [`stake`](Market::stake), [`unstake`](Market::unstake), [`set_operator`](Market::set_operator), [`set_profile`](Market::set_profile), [`admit`](Market::admit) |
//! | jobs | `jobs.rs` | [`post`](Market::post), [`cancel`](Market::cancel) |
//! | optimistic leases (1/1) | `optimistic.rs` | [`claim`](Market::claim), [`takeover`](Market::takeover), [`submit`](Market::submit), [`accept`](Market::accept), [`finalize`](Market::finalize), [`expire`](Market::expire), [`release`](Market::release), [`close`](Market::close) |
//! | redundant leases (N/Q) | `redundant.rs` | [`seal`](Market::seal), [`join`](Market::join), [`commit`](Market::commit), [`reveal`](Market::reveal), [`settle`](Market::settle) |
//! | disputes | `disputes.rs` | [`challenge`](Market::challenge), [`judge`](Market::judge) |
//! | juries | `jury.rs` | [`seal_jury`](Market::seal_jury), [`join_jury`](Market::join_jury), [`commit_vote`](Market::commit_vote), [`reveal_vote`](Market::reveal_vote), [`reveal_answer`](Market::reveal_answer) |
//! | demands | `demands.rs` | [`demand`](Market::demand), [`respond`](Market::respond), [`forfeit`](Market::forfeit) |
//! | what the client signed | `signatures.rs` | [`post_for`](Market::post_for), [`cancel_for`](Market::cancel_for), [`accept_for`](Market::accept_for), [`revoke`](Market::revoke) |
//! | results with a proof | `proofs.rs` | [`prove`](Market::prove) |
//! | draws, read beforehand | `redundant.rs`, `jury.rs` | [`draw_for_seat`](Market::draw_for_seat), [`draw_for_juror`](Market::draw_for_juror) |
//! | reading | `views.rs` | [`balance_of`](Market::balance_of), [`lease_of`](Market::lease_of), [`result_root`](Market::result_root) and their kind |
//!
//! | rule of the protocol | where |
//! | --- | --- |
//! | a job is its EIP-712 hash; no field of it can change | `records.rs` (`id_of`, `known`), [`hash::job`] |
//! | what `post` refuses | `jobs.rs` (`check_job`), [`rules`] |
//! | escrow is `tasks * replicas * maxPrice`; what is not paid returns | [`rules`] (`escrow_of`, `split`) |
//! | the price climbs linearly and is fixed with the round; rounds down | [`rules::price_at`] |
//! | `B = max(bond * count, 2 * JURY * juryFee)`, `b`, `J`, `K` | [`rules`] (`bond_of`, `seat_bond_of`, `juror_bond_of`, `deposit_of`) |
//! | an act is valid iff `t <= deadline`, an ending iff `t > deadline` | `records.rs` (`require_in_time`, `require_over`) |
//! | stake less free stake is the bonds of unfinished seats | `books.rs` (`lock`, `unlock`, `slash`) |
//! | nobody profits from a slash beyond jury fees and the flat reward | `disputes.rs` (`convict`), `redundant.rs` (`close_seats`), `optimistic.rs` (`free`) |
//! | nobody has a seat who was not drawn, in proportion to stake | `seats.rs` (`check_seal`, `drawn_from`) |
//! | the vote of more than half, over a panel that names every seat once | `seats.rs` (`count`) |
//! | a copied commitment is of no use | [`hash::commitment`] |
//! | one root opens to one digest for a task | [`result`] |
//! | a signature is good once, on one chain | `signatures.rs` (`require_signed`) |
//!
//! # What a host must do
//!
//! - **All or nothing.** A call checks everything before it writes. So a refused call has written nothing and emitted nothing,
//!   with two exceptions, which a host must undo (a contract does, by reverting): the token may refuse to pay out, the last
//!   act of `withdraw` and `unstake`; and what the *token* did before `DepositShort`. [`Error::OVERFLOW`] after a write
//!   would mean that the books did not add up before.
//! - **No way in while a call runs.** The token, wallets and verifiers are asked in the middle of calls. `&mut self` keeps them
//!   out here. In the EVM a verifier that reads the market meanwhile finds the lease Submitted; here it cannot read.
//! - **Strict arguments.** What is not a value of its type never arrives here (in Solidity a job with dirty bits is unknown).
//!   `endpoint` is bytes: Solidity does not check that a `string` is UTF-8.
//! - **`multicall`** is the host's: it runs several calls of one caller in turn, all or none, and returns what each returned.
//! - **`eip712Domain`** says what [`hash::domain`] is made of: `Piecework`, `1`, the chain's id of the day of deployment
//!   ([`slots::Config`]), the market.
//!
//! # What is kept otherwise than in Solidity
//!
//! A quorum's root has a record of its own ([`Store::root`]); in Solidity it takes the place of a seat that is over, for gas. Times
//! and block numbers are not cut to 40 bits: they have no more.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod abi;
mod books;
mod demands;
mod disputes;
mod error;
mod events;
pub mod hash;
mod host;
mod jobs;
mod jury;
mod ledger;
mod optimistic;
mod proofs;
mod providers;
mod records;
mod redundant;
pub mod result;
pub mod rules;
#[cfg(test)]
mod rules_test;
mod seats;
mod signatures;
pub mod slots;
mod store;
pub mod types;
mod views;

pub use abi::{Out, Question};
pub use error::Error;
pub use events::Event;
pub use host::{Answer, Host, Permit, TokenError};
pub use proofs::{GAS_BEFORE, VERIFIER_GAS};
pub use seats::Draw;
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
    /// The constructor: fixes what holds for ever.
    ///
    /// # Errors
    /// `ZeroAddress`, `FeeTooHigh`, `BadWindow`.
    pub fn deploy(
        &mut self,
        token: &Address,
        fee_governor: &Address,
        fee_recipient: &Address,
        fee_bps: u16,
        times: &Times,
    ) -> Result<(), Error> {
        if *token == NOBODY {
            return Err(Error::ZeroAddress());
        }
        let fee = fee_bps != 0 || *fee_recipient != NOBODY;
        if fee {
            Self::check_fee(fee_bps, fee_recipient)?;
        }
        for window in [
            times.draw_time,
            times.draw_step,
            times.reveal_window,
            times.respond_window,
        ] {
            rules::check_window(window)?;
        }
        rules::check_window_or_none(times.stake_age)?;
        self.store.set_config(Config {
            token: *token,
            fee_governor: *fee_governor,
            domain: hash::domain(&self.host),
            chain_id: self.host.chain_id(),
            times: *times,
        });
        if fee {
            self.fix_fee(fee_bps, fee_recipient)
        } else {
            Ok(())
        }
    }
}
