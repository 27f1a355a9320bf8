//! What may differ between Ethereum and pallet-revive, by the table in `contracts/README.md`: each row as it is there.
#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use piecework_differential::bindings::{Constructor, IMarket, multicallCall};
use piecework_differential::chain::Block;
use piecework_differential::evm::Revm;
use piecework_differential::target::{Message, Plan, Target, Venue};
use piecework_differential::world::bytecode;
use piecework_differential::{Fault, MARKET_TOKEN};
use piecework_revive::target::{InRevive, RANDOMNESS};

/// Where there is a contract that returns `block.prevrandao`.
const ASKS: Address = Address::repeat_byte(0x77);

/// The market's bytecode in revm and in pallet-revive.
fn both() -> [Box<dyn Target>; 2] {
    let code = |json: &str| bytecode(json);
    let market = code(include_str!("../../../../contracts/abi/Market.json"));
    let token = code(include_str!("../../../../contracts/abi/DevToken.json"));
    let plan = Plan {
        deployer: Address::repeat_byte(0xdd),
        token: Ok(token.into()),
        odd: vec![(ASKS, vec![0x44, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3])],
        arguments: Constructor {
            token: MARKET_TOKEN,
            feeGovernor: Address::repeat_byte(1),
            feeRecipient: Address::repeat_byte(1),
            feeBps: 0,
            times: IMarket::Times {
                drawTime: 1,
                drawStep: 1,
                revealWindow: 1,
                respondWindow: 1,
                stakeAge: 0,
            },
        },
        block: block(),
    };
    let revm: Box<dyn Venue> = Box::new(Revm(market.clone()));
    [revm, Box::new(InRevive::solidity(market))].map(|venue| {
        let market = venue.deploy(&plan).expect("a place for it");
        market.expect("a market")
    })
}

fn block() -> Block {
    Block {
        chain_id: 31_337,
        number: 1_000,
        time: 1_800_000_000,
        prevrandao: [7; 32],
    }
}

#[test]
fn randomness_is_a_constant_in_pallet_revive() {
    let said = both().map(|mut target| {
        let answer = target.send(ASKS, Message::default(), &block(), false);
        answer.expect("an answer").outcome.expect("a word")
    });
    let mut constant = [0; 32];
    constant[24..].copy_from_slice(&RANDOMNESS.to_be_bytes());
    assert_eq!(said, [vec![7; 32], constant.to_vec()]);
}

#[test]
fn calldata_of_more_than_128_kib_is_not_taken_by_pallet_revive() {
    let balance: Bytes = IMarket::balanceOfCall { account: ASKS }.abi_encode().into();
    let [mut revm, mut revive] = both();
    for (calls, taken) in [(1_000, true), (1_030, false)] {
        let data = multicallCall {
            data: vec![balance.clone(); calls],
        }
        .abi_encode();
        assert_eq!(data.len() <= 128 * 1024, taken);
        let on_revm = revm.view(data.clone(), &block()).expect("an answer");
        assert!(on_revm.is_ok());
        match revive.view(data, &block()) {
            Ok(answer) => assert_eq!((answer, taken), (on_revm, true)),
            Err(Fault(text)) => {
                assert!(!taken && text.contains("CallDataTooLarge"), "{text}");
            }
        }
    }
}
