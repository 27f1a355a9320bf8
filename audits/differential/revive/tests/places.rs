//! What no random trace reaches, wherever the market runs: odd tokens, constructors that refuse, a verifier that reads the
//! market.
#![allow(clippy::expect_used)]

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use piecework_differential::MARKET_TOKEN;
use piecework_differential::bindings::{Constructor, DevToken, IMarket, free_job, least_times};
use piecework_differential::chain::{BEACON, Block};
use piecework_differential::code::{setting, token};
use piecework_differential::odd;
use piecework_differential::target::{Message, Plan};
use piecework_revive::target::everywhere;

#[test]
fn constructors_refuse_the_same() {
    odd::constructors_refuse_the_same(&everywhere());
}

#[test]
fn odd_tokens_are_refused_the_same() {
    odd::odd_tokens_are_refused_the_same(&everywhere());
}

#[test]
fn nobody_to_draw_is_refused_the_same() {
    odd::nobody_to_draw_is_refused_the_same(&everywhere());
}

/// 65,534 takeovers on each side take minutes: in depth only.
#[test]
fn rounds_end_the_same() {
    if setting("PIECEWORK_DEPTH") > 1 {
        odd::rounds_end_the_same(&everywhere());
    }
}

/// Asks its caller how much was burned, and says yes if it was answered.
const READS: [u8; 39] = [
    0x63, 0x73, 0xf4, 0x25, 0x61, 0x60, 0xe0, 0x1b, 0x5f, 0x52, // mstore(0, burned() << 224)
    0x5f, 0x5f, 0x60, 0x04, 0x5f, 0x33, 0x5a, 0xfa, // staticcall(gas(), caller(), 0, 4, 0, 0)
    0x60, 0x18, 0x57, 0x5f, 0x5f, 0xfd, // if not, revert(0, 0)
    0x5b, 0x63, 0x00, 0x96, 0x50, 0x81, 0x60, 0xe0, 0x1b, 0x5f, 0x52, // mstore(0, yes << 224)
    0x60, 0x20, 0x5f, 0xf3, // return(0, 32)
];

/// Wallets and verifiers may read the market while it asks them: pallet-revive allows no re-entry otherwise.
#[test]
fn a_verifier_may_read_the_market() {
    let (verifier, provider) = (Address::repeat_byte(0x55), Address::repeat_byte(0x66));
    let block = Block {
        chain_id: 31_337,
        number: 1_000,
        time: 1_800_000_000,
        prevrandao: [7; 32],
    };
    let plan = Plan {
        deployer: Address::repeat_byte(0xdd),
        token: Ok(token().into()),
        odd: vec![(verifier, READS.to_vec())],
        arguments: Constructor {
            token: MARKET_TOKEN,
            beacon: BEACON.into(),
            feeGovernor: Address::ZERO,
            feeRecipient: Address::ZERO,
            feeBps: 0,
            times: least_times(),
            devnet: true,
        },
        block,
    };
    for venue in everywhere().venues {
        let mut target = venue.deploy(&plan).expect("a place").expect("a market");
        let mint = DevToken::mintCall {
            to: provider,
            amount: U256::from(1),
        };
        let approve = DevToken::approveCall {
            spender: target.market(),
            value: U256::from(1),
        };
        for data in [mint.abi_encode(), approve.abi_encode()] {
            let answer = target.token_call(provider, data, &block);
            assert!(answer.expect("an answer").outcome.is_ok());
        }
        let mut job = free_job(provider, block.time);
        job.assurance.verifier = verifier;
        let calls = [
            IMarket::stakeCall { amount: 1 }.abi_encode(),
            IMarket::postCall {
                job: job.clone(),
                spec: Bytes::new(),
            }
            .abi_encode(),
            IMarket::claimCall {
                job: job.clone(),
                provider,
                least: 1,
                most: 1,
            }
            .abi_encode(),
            IMarket::proveCall {
                job,
                first: 0,
                round: 1,
                provider,
                root: B256::repeat_byte(1),
                digestList: B256::ZERO,
                proof: Bytes::new(),
            }
            .abi_encode(),
        ];
        for data in calls {
            let message = Message {
                caller: provider,
                data,
                ..Message::default()
            };
            let answer = target.call(message, &block).expect("an answer");
            assert!(
                answer.outcome.is_ok(),
                "{}: {:?}",
                target.name(),
                answer.outcome
            );
        }
    }
}
