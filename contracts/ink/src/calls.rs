//! The calls of the ABI: one line for each, which names its arguments and the call of the specification that it is.
//!
//! ink! 6 has Solidity's ABI too (`ink_abi = "sol"`). It is not used: its decoder is lax (`arguments.rs`), it answers what it cannot
//! decode with data of its own, and it works out each selector so often while it compiles that 61 messages took more than ten
//! minutes. So the selectors stand here, as those of errors do in the specification, and a test holds them against the ABI.

use ink::prelude::vec::Vec;
use piecework_protocol::hash::Round;
use piecework_protocol::types::{Address, Bytes32, Job, Opening, Times, U256};
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
    let words = 6 + Times::WORDS;
    let from = &mut Arguments::after(0, words);
    let (token, beacon) = (Address::read(from), Address::read(from));
    let (governor, recipient) = (Address::read(from), Address::read(from));
    let (fee_bps, times, devnet) = (u16::read(from), Times::read(from), bool::read(from));
    run(|market| {
        market.deploy(
            &token, &beacon, &governor, &recipient, fee_bps, &times, devnet,
        )?;
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
        Err(Error::CalleeReverted) => env::refuse(&market.host.callee_said.take()),
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
    0x2690f5d0 weightAt(provider: Address, time: u64) |market| answers::one(market.weight_at(&provider, time));
    0x464ad732 totalWeightAt(time: u64) |market| answers::one(market.total_weight_at(time));

    // jobs
    0x0b745804 post(job: Job, spec: Vec<u8>) |market| answers::word(market.post(&job, &spec)?);
    0xe5ba332f postFor(job: Job, spec: Vec<u8>, signature: Vec<u8>) |market| answers::word(market.post_for(&job, &spec, &signature)?);
    0xa954d8e0 revoke(nonce: u64) |market| answers::nothing(market.revoke(nonce)?);
    0xa35dfeee isRevoked(client: Address, nonce: u64) |market| answers::one(market.is_revoked(&client, nonce));
    0xaf2c9ee9 cancel(job: Job) |market| answers::nothing(market.cancel(&job)?);
    0xe89bae5c cancelFor(job: Job, signature: Vec<u8>) |market| answers::nothing(market.cancel_for(&job, &signature)?);
    0x09b42968 close(job: Job, firsts: Vec<u32>) |market| answers::nothing(market.close(&job, &firsts)?);
    0xec92cd54 hashJob(job: Job) |market| answers::word(market.hash_job(&job));
    0xaffe000e jobOf(job_id: Bytes32) |market| answers::job(&market.job_of(&job_id));
    0x712529ce priceAt(job: Job, time: u64) |market| answers::one(market.price_at(&job, time)?);

    // ordinary leases
    0xfa1ab73f claim(job: Job, provider: Address, least: u32, most: u32)
        |market| answers::pair(market.claim(&job, &provider, least, most)?);
    0xe1c52bde takeover(job: Job, provider: Address, first: u32) |market| answers::nothing(market.takeover(&job, &provider, first)?);
    0xe9f8e0b4 leave(job: Job, first: u32, round: u16, provider: Address)
        |market| answers::nothing(market.leave(&job, first, round, &provider)?);
    0xc587180c submit(job: Job, first: u32, round: u16, provider: Address, root: Bytes32, digest_list: Bytes32)
        |market| answers::nothing(market.submit(&job, first, round, &provider, &root, &digest_list)?);
    0xd63de133 prove(job: Job, first: u32, round: u16, provider: Address, root: Bytes32, digest_list: Bytes32, proof: Vec<u8>)
        |market| answers::nothing(market.prove(&job, first, round, &provider, &root, &digest_list, &proof)?);
    0x714b6251 expire(job: Job, first: u32) |market| answers::nothing(market.expire(&job, first)?);
    0xd84c9d6f finalize(job: Job, firsts: Vec<u32>) |market| answers::nothing(market.finalize(&job, &firsts)?);
    0x56ffe283 leaseOf(job_id: Bytes32, first: u32) |market| answers::lease(&market.lease_of(&job_id, first));
    0xa1a153ca resultRoot(job_id: Bytes32, first: u32) |market| answers::result(market.result_root(&job_id, first));

    // redundant leases
    0xf786bb96 join(job: Job, first: u32, round: u16, provider: Address)
        |market| answers::nothing(market.join(&job, first, round, &provider)?);
    0x16396d04 commit(job: Job, first: u32, round: u16, provider: Address, commitment: Bytes32)
        |market| answers::nothing(market.commit(&job, first, round, &provider, &commitment)?);
    0x42391129 settle(job: Job, first: u32, round: u16, openings: Vec<Opening>)
        |market| answers::nothing(market.settle(&job, first, round, &openings)?);
    0xc442a07a renew(job: Job, first: u32) |market| answers::nothing(market.renew(&job, first)?);

    // audits
    0x09a14bcb joinJury(job: Job, first: u32, round: u16, jury: u8, provider: Address)
        |market| answers::nothing(market.join_jury(&job, first, round, jury, &provider)?);
    0xf76e92bc commitVote(job: Job, first: u32, round: u16, jury: u8, provider: Address, commitment: Bytes32)
        |market| answers::nothing(market.commit_vote(&job, first, round, jury, &provider, &commitment)?);
    0xa4c9c1e0 judge(job: Job, first: u32, round: u16, jury: u8, openings: Vec<Opening>, leaf: Bytes32, proof: Vec<Bytes32>)
        |market| answers::nothing(market.judge(&job, first, round, jury, &openings, &leaf, &proof)?);
    0x51e252ef auditOf(job_id: Bytes32, first: u32) |market| answers::audit(&market.audit_of(&job_id, first));
    0x6790c16b seatOf(job_id: Bytes32, first: u32, round: u16, kind: u8, provider: Address)
        |market| answers::one(market.seat_of(&Round { job_id, first, round, kind }, &provider) as u8);
    0x8b678744 commitmentOf(job_id: Bytes32, first: u32, round: u16, kind: u8, number: u32, value: Bytes32, proof: Bytes32, salt: Bytes32)
        |market| answers::word(market.commitment_of(&Round { job_id, first, round, kind }, &Opening { number, value, proof, salt }));

    // the market
    0x9e3b34bf times() |market| answers::times(&market.times());
    0x2e719030 isDevnet() |market| answers::one(market.is_devnet());
    0x59659e90 beacon() |market| answers::address(market.beacon());
    0x8b0e9f3f totalStake() |market| answers::one(market.total_stake());
    0xfc0c546a token() |market| answers::address(market.token());
    0xddca3f43 fee() |market| answers::fee(market.fee());
    0x30f738be setFee(fee_bps: u16, recipient: Address) |market| answers::nothing(market.set_fee(fee_bps, &recipient)?);
    0x73f42561 burned() |market| answers::one(market.burned());
    0x84b0196e eip712Domain() |market| answers::domain(&market.store.config().chain_id);
    0xac9650d8 multicall(data: Vec<Vec<u8>>) |_market| answers::results(multicall(&data));
}
