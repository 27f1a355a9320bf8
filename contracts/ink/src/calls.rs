//! The calls of the ABI: one line for each, which names its arguments and the call of the specification that it is.
//!
//! ink! 6 has Solidity's ABI too (`ink_abi = "sol"`). It is not used: its decoder is lax (`arguments.rs`), it answers what it cannot
//! decode with data of its own, and it works out each selector so often while it compiles that 61 messages took more than ten
//! minutes. So the selectors stand here, as those of errors do in the specification, and a test holds them against the ABI.

use ink::prelude::vec::Vec;
use piecework_protocol::hash::Ballot;
use piecework_protocol::types::{Address, Bytes32, Job, Times, U256};
use piecework_protocol::{Error, Market, Permit, Store};

use crate::answers;
use crate::arguments::{self, Argument, Arguments, Text};
use crate::cells::Cells;
use crate::chain::Chain;
use crate::env::{self, Outcome};

/// What a call returns, encoded.
type Answer = Result<Vec<u8>, Error>;

/// OpenZeppelin's `FailedCall()`: a call that failed without a word.
pub const FAILED_CALL: [u8; 4] = u32::to_be_bytes(0xd6bda275);
/// Bytes of a selector.
const SELECTOR: u64 = 4;

/// The market takes nothing but its token: with the chain's own money, a call is refused without a word, as by Solidity.
fn refuse_value() {
    if env::value() != U256::ZERO {
        env::reject();
    }
}

/// Runs the constructor: its arguments follow the code, without a selector.
pub fn deploy() {
    refuse_value();
    let words = 4 + Times::WORDS;
    let from = &mut Arguments::after(0, words);
    let (token, governor, recipient) = (
        Address::read(from),
        Address::read(from),
        Address::read(from),
    );
    let (fee_bps, times) = (u16::read(from), Times::read(from));
    run(|market| {
        market.deploy(&token, &governor, &recipient, fee_bps, &times)?;
        answers::nothing(())
    });
}

/// Runs the call that came, and ends it with its answer.
pub fn dispatch() -> ! {
    refuse_value();
    env::answer(&answer(arguments::selector()))
}

/// Runs a call of the specification; what it refuses, the contract reverts with.
fn run(call: impl FnOnce(&mut Market<Cells, Chain>) -> Answer) -> Vec<u8> {
    let mut market = Market {
        store: Cells,
        host: Chain::default(),
    };
    match call(&mut market) {
        Ok(answer) => answer,
        Err(Error::TokenReverted) => env::refuse(&market.host.token_said),
        Err(error) => {
            let mut data = Vec::new();
            error.encode(&mut |bytes| data.extend_from_slice(bytes));
            env::refuse(&data)
        }
    }
}

/// Several calls of one caller, all or none; what each returned. As OpenZeppelin's `Multicall`.
fn multicall(calls: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let outcome = |call: &Vec<u8>| match env::call_self(call) {
        Outcome::Returned(result) => result,
        Outcome::Reverted(why) if !why.is_empty() => env::refuse(&why),
        Outcome::Reverted(_) | Outcome::Exhausted => env::refuse(&FAILED_CALL),
    };
    calls.iter().map(outcome).collect()
}

/// `selector name(argument: type, ..) |market| what it does;`
macro_rules! calls {
    ($($selector:literal $name:ident($($argument:ident: $ty:ty),*) |$market:ident| $body:expr;)*) => {
        /// Name, argument types and selector of each.
        #[cfg(test)]
        pub const LIST: &[(&str, &[&str], u32)] =
            &[$((stringify!($name), &[$(<$ty as Argument>::NAME),*], $selector)),*];

        /// Words in the heads of a call's arguments.
        #[cfg(test)]
        pub fn words(selector: u32) -> usize {
            match selector {
                $($selector => (0 $(+ <$ty as Argument>::WORDS)*) as usize,)*
                _ => 0,
            }
        }

        fn answer(selector: u32) -> Vec<u8> {
            match selector {
                $($selector => {
                    #[allow(unused_variables, unused_mut)] // where there are no arguments
                    let mut from = Arguments::after(SELECTOR, 0 $(+ <$ty as Argument>::WORDS)*);
                    $(let $argument = <$ty as Argument>::read(&mut from);)*
                    run(|$market| $body)
                })*
                _ => env::reject(),
            }
        }
    };
}

calls! {
    // money
    0xb3fb6564 deposit(account: Address, amount: u128) |market| answers::nothing(market.deposit(&account, amount)?);
    0x6016ffd0 depositWithPermit(account: Address, amount: u128, deadline: U256, v: u8, r: Bytes32, s: Bytes32)
        |market| answers::nothing(market.deposit_with_permit(&account, amount, &Permit { deadline, v, r, s })?);
    0x08fab167 withdraw(to: Address, amount: u128) |market| answers::nothing(market.withdraw(&to, amount)?);
    0x70a08231 balanceOf(account: Address) |market| answers::one(market.balance_of(&account)?);

    // providers
    0x88fe2be8 stake(amount: u128) |market| answers::nothing(market.stake(amount)?);
    0x7bd3ca35 unstake(to: Address, amount: u128) |market| answers::nothing(market.unstake(&to, amount)?);
    0x558a7297 setOperator(operator: Address, allowed: bool) |market| answers::nothing(market.set_operator(&operator, allowed)?);
    0x1d43921b setProfile(node_id: Bytes32, capabilities: Bytes32, endpoint: Text)
        |market| answers::nothing(market.set_profile(&node_id, &capabilities, &endpoint.0)?);
    0x4aa07de1 admit(list: Bytes32, provider: Address, proof: Vec<Bytes32>)
        |market| answers::nothing(market.admit(&list, &provider, &proof)?);
    0xbe22eef2 isAdmitted(list: Bytes32, provider: Address) |market| answers::one(market.is_admitted(&list, &provider));
    0x21338b38 providerOf(provider: Address) |market| answers::provider(&market.provider_of(&provider));
    0x2f8eb9cb profileOf(provider: Address) |market| answers::profile(&market.profile_of(&provider));
    0xb6363cf2 isOperator(provider: Address, operator: Address) |market| answers::one(market.is_operator(&provider, &operator));

    // jobs
    0x2c195aa3 post(job: Job, spec: Vec<u8>) |market| answers::word(market.post(&job, &spec)?);
    0x3a3aa225 postFor(job: Job, spec: Vec<u8>, signature: Vec<u8>) |market| answers::word(market.post_for(&job, &spec, &signature)?);
    0xa954d8e0 revoke(nonce: u64) |market| answers::nothing(market.revoke(nonce)?);
    0xa35dfeee isRevoked(client: Address, nonce: u64) |market| answers::one(market.is_revoked(&client, nonce));
    0xee36bfd4 cancel(job: Job) |market| answers::nothing(market.cancel(&job)?);
    0x14261305 cancelFor(job: Job, signature: Vec<u8>) |market| answers::nothing(market.cancel_for(&job, &signature)?);
    0xcdf2d6c9 close(job: Job, firsts: Vec<u32>) |market| answers::nothing(market.close(&job, &firsts)?);
    0x7b2567e8 hashJob(job: Job) |market| answers::word(market.hash_job(&job));
    0xaffe000e jobOf(job_id: Bytes32) |market| answers::job(&market.job_of(&job_id));
    0x875c1066 priceAt(job: Job, time: u64) |market| answers::one(market.price_at(&job, time)?);

    // optimistic leases
    0xdaa3f4c9 claim(job: Job, provider: Address, count: u32) |market| answers::pair(market.claim(&job, &provider, count)?);
    0xf166137c takeover(job: Job, provider: Address, first: u32) |market| answers::nothing(market.takeover(&job, &provider, first)?);
    0x3ca4a0ed submit(job: Job, first: u32, provider: Address, root: Bytes32, manifest: Bytes32)
        |market| answers::nothing(market.submit(&job, first, &provider, &root, &manifest)?);
    0x7489e83c prove(job: Job, first: u32, provider: Address, root: Bytes32, manifest: Bytes32, proof: Vec<u8>)
        |market| answers::nothing(market.prove(&job, first, &provider, &root, &manifest, &proof)?);
    0xefaec9df accept(job: Job, first: u32, root: Bytes32) |market| answers::nothing(market.accept(&job, first, &root)?);
    0x6126ec70 acceptFor(job: Job, first: u32, signature: Vec<u8>) |market| answers::nothing(market.accept_for(&job, first, &signature)?);
    0x26a5ad6c finalize(job: Job, first: u32) |market| answers::nothing(market.finalize(&job, first)?);
    0x56b3bf11 expire(job: Job, first: u32) |market| answers::nothing(market.expire(&job, first)?);
    0xae2f4816 release(job: Job, first: u32, provider: Address) |market| answers::nothing(market.release(&job, first, &provider)?);
    0x56ffe283 leaseOf(job_id: Bytes32, first: u32) |market| answers::lease(&market.lease_of(&job_id, first));
    0xa1a153ca resultRoot(job_id: Bytes32, first: u32) |market| answers::result(market.result_root(&job_id, first));

    // redundant leases
    0x9bebe77d seal(job: Job) |market| answers::nothing(market.seal(&job)?);
    0x55c0c8e2 join(job: Job, first: u32, round: u16, provider: Address)
        |market| answers::nothing(market.join(&job, first, round, &provider)?);
    0xd1cbc091 commit(job: Job, first: u32, round: u16, provider: Address, commitment: Bytes32)
        |market| answers::nothing(market.commit(&job, first, round, &provider, &commitment)?);
    0x8a2a7824 reveal(job: Job, first: u32, provider: Address, root: Bytes32, manifest: Bytes32, salt: Bytes32, panel: Vec<u32>)
        |market| answers::nothing(market.reveal(&job, first, &provider, &root, &manifest, &salt, &panel)?);
    0x7f075730 settle(job: Job, first: u32, root: Bytes32, panel: Vec<u32>)
        |market| answers::nothing(market.settle(&job, first, &root, &panel)?);
    0x3038bfa5 sealOf(key: Bytes32) |market| answers::seal(&market.seal_of(&key));
    0x6790c16b seatOf(job_id: Bytes32, first: u32, round: u16, challenge: u8, provider: Address)
        |market| answers::one(market.seat_of(&job_id, first, round, challenge, &provider) as u8);
    0xf6abb461 commitmentOf(job_id: Bytes32, first: u32, round: u16, challenge: u8, provider: Address, vote: Bytes32, salt: Bytes32)
        |market| answers::word(market.commitment_of(&Ballot { job_id, first, round, challenge, provider, vote, salt }));

    // disputes
    0x55b77a02 challenge(job: Job, first: u32, round: u16, number: u8, task: u32, digest: Bytes32, proof: Vec<Bytes32>, answer: Bytes32)
        |market| answers::nothing(market.challenge(&job, first, round, number, task, &digest, &proof, &answer)?);
    0x74a8bb14 sealJury(job: Job, first: u32) |market| answers::nothing(market.seal_jury(&job, first)?);
    0xfbebf7eb joinJury(job: Job, first: u32, round: u16, number: u8, provider: Address)
        |market| answers::nothing(market.join_jury(&job, first, round, number, &provider)?);
    0x8728824b commitVote(job: Job, first: u32, round: u16, number: u8, provider: Address, commitment: Bytes32)
        |market| answers::nothing(market.commit_vote(&job, first, round, number, &provider, &commitment)?);
    0xcbbb994f revealVote(job: Job, first: u32, provider: Address, digest: Bytes32, keyed: Bytes32, salt: Bytes32)
        |market| answers::nothing(market.reveal_vote(&job, first, &provider, &digest, &keyed, &salt)?);
    0xc35cd09b revealAnswer(job: Job, first: u32, digest: Bytes32, salt: Bytes32)
        |market| answers::nothing(market.reveal_answer(&job, first, &digest, &salt)?);
    0xc270dba7 judge(job: Job, first: u32, digest: Bytes32, keyed: Bytes32, panel: Vec<u32>)
        |market| answers::nothing(market.judge(&job, first, &digest, &keyed, &panel)?);
    0x84e33864 demand(job: Job, first: u32) |market| answers::nothing(market.demand(&job, first)?);
    0xb658398b respond(job: Job, first: u32, provider: Address, digests: Vec<Bytes32>)
        |market| answers::nothing(market.respond(&job, first, &provider, &digests)?);
    0x3dac31ac forfeit(job: Job, first: u32) |market| answers::nothing(market.forfeit(&job, first)?);
    0xd2b857a5 disputeOf(job_id: Bytes32, first: u32) |market| answers::dispute(&market.dispute_of(&job_id, first));

    // the market
    0x9e3b34bf times() |market| answers::times(&market.times());
    0x8b0e9f3f totalStake() |market| answers::one(market.total_stake());
    0xfc0c546a token() |market| answers::address(market.token());
    0xddca3f43 fee() |market| answers::fee(market.fee());
    0x30f738be setFee(fee_bps: u16, recipient: Address) |market| answers::nothing(market.set_fee(fee_bps, &recipient)?);
    0x73f42561 burned() |market| answers::one(market.burned());
    0x84b0196e eip712Domain() |market| answers::domain(&market.store.config().chain_id);
    0xac9650d8 multicall(data: Vec<Vec<u8>>) |_market| answers::results(multicall(&data));
}
