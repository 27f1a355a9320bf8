//! What may differ between Ethereum and pallet-revive, by the table in `contracts/README.md`: each row as it is there.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::{SolCall, SolError};
use piecework_differential::bindings::IMarket::IMarketCalls;
use piecework_differential::bindings::{Call, Constructor, IMarket, multicallCall};
use piecework_differential::chain::Block;
use piecework_differential::evm::Revm;
use piecework_differential::target::{Message, Plan, Target, Venue};
use piecework_differential::world::{CONTRACTS, Code, World, bytecode};
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
    let [mut revm, mut revive] = both();
    for (length, taken) in [(130_000, true), (131_000, false)] {
        let data = IMarket::setProfileCall {
            nodeId: B256::ZERO,
            capabilities: B256::ZERO,
            endpoint: "x".repeat(length),
        }
        .abi_encode();
        assert_eq!(data.len() <= 128 * 1024, taken);
        let on_revm = revm.view(data.clone(), &block()).expect("an answer");
        let too_long = on_revm.as_ref().expect_err("an endpoint of that size");
        assert!(too_long.starts_with(&IMarket::EndpointTooLong::SELECTOR));
        match revive.view(data, &block()) {
            Ok(answer) => assert_eq!((answer, taken), (on_revm, true)),
            Err(Fault(text)) => {
                assert!(!taken && text.contains("CallDataTooLarge"), "{text}");
            }
        }
    }
}

#[test]
fn one_transaction_does_less_in_pallet_revive() {
    let balance: Bytes = IMarket::balanceOfCall { account: ASKS }.abi_encode().into();
    let [mut revm, mut revive] = both();
    for (calls, fits) in [(200, true), (1_000, false)] {
        let data = multicallCall {
            data: vec![balance.clone(); calls],
        }
        .abi_encode();
        let on_revm = revm.view(data.clone(), &block()).expect("an answer");
        assert!(on_revm.is_ok());
        let on_revive = revive.view(data, &block()).expect("an answer");
        if fits {
            assert_eq!(on_revive, on_revm);
        } else {
            // OpenZeppelin's FailedCall(): one of them had no gas left.
            assert_eq!(on_revive, Err(vec![0xd6, 0xbd, 0xa2, 0x75]));
        }
    }
}

/// A wallet's gas is a price in pallet-revive, and a PolkaVM contract cannot see how much is left for a call.
#[test]
fn ink_asks_a_verifier_whatever_gas_is_left() {
    let Some(ink) = InRevive::ink() else {
        return println!("WITHOUT ink!: no contract was built");
    };
    let solidity = bytecode(include_str!("../../../../contracts/abi/Market.json"));
    let code = Code::committed().and(InRevive::solidity(solidity)).and(ink);
    let mut world = World::new(1, &code).expect("a market");
    let (client, provider) = (world.people[2].address, world.people[0].address);
    let now = world.block.time;
    let job = IMarket::Job {
        terms: IMarket::Terms {
            client: client.into(),
            nonce: 0,
            spec: keccak256(b""),
            tasks: 1,
            maxLease: 1,
            replicas: 1,
            quorum: 1,
            providers: B256::ZERO,
            verifier: CONTRACTS[1].into(),
        },
        price: IMarket::Price {
            minPrice: 0,
            maxPrice: 0,
            bond: 0,
            juryFee: 0,
        },
        timing: IMarket::Timing {
            opensAt: now,
            ramp: 0,
            closesAt: now + 1_000,
            runWindow: 100,
            challengeWindow: 0,
        },
    };
    let post = IMarket::postCall {
        job: job.clone(),
        spec: Bytes::new(),
    };
    assert!(world.make(client, post.into()).expect("alike"));
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: provider.into(),
        count: 1,
    };
    assert!(world.make(provider, claim.into()).expect("alike"));

    // One of four questions is answered with no.
    let mut proofs = (0..20_u8).map(|manifest| {
        Call::One(IMarketCalls::prove(IMarket::proveCall {
            job: job.clone(),
            first: 0,
            provider: provider.into(),
            root: B256::repeat_byte(1),
            manifest: B256::repeat_byte(manifest),
            proof: Bytes::new(),
        }))
    });
    let block = world.block;
    let proof = proofs.find(|call| world.sides.would(provider, call, &block).is_ok());
    let data = proof.expect("one that is answered with yes").encode();
    for target in &mut world.sides.targets {
        let message = Message {
            caller: provider.into(),
            data: data.clone(),
            value: 0,
            short: true,
        };
        let market = target.market();
        let answer = target
            .send(market, message, &block, false)
            .expect("an answer");
        let refused = answer
            .outcome
            .is_err_and(|data| data.starts_with(&IMarket::VerifierNeedsGas::SELECTOR));
        assert_eq!(refused, target.has_gas(), "{}", target.name());
    }
}
