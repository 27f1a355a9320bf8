//! What may differ between Ethereum and pallet-revive, by the table in `contracts/README.md`: each row as it is there.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolError, SolInterface};
use piecework_differential::bindings::IMarket::IMarketCalls;
use piecework_differential::bindings::{
    Call, Constructor, DevToken, IMarket, free_job, least_times, multicallCall,
};
use piecework_differential::chain::{BEACON, Block, beacon_code};
use piecework_differential::code::{Code, solidity, token as token_code};
use piecework_differential::evm::Revm;
use piecework_differential::target::{Message, Plan, Target, Venue};
use piecework_differential::world::{CONTRACTS, World};
use piecework_differential::{Fault, MARKET_TOKEN};
use piecework_revive::target::InRevive;

/// Tokens that call `burned()` of who calls them, and then say 1; if they were not answered, the first one reverts with the
/// selector of what it was asked.
const CALL_BACK: [Address; 2] = [Address::repeat_byte(0x78), Address::repeat_byte(0x79)];

/// A beacon that answers 1 to every question if it has more than a million gas, and otherwise fails.
const HUNGRY: Address = Address::repeat_byte(0x77);
const HUNGRY_CODE: [u8; 21] = [
    0x62, 0x0f, 0x42, 0x40, 0x5a, 0x11, 0x60, 0x0c,
    0x57, // jumpi(enough, gt(gas(), 1_000_000))
    0x5f, 0x5f, 0xfd, // revert(0, 0)
    0x5b, 0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, // enough: return(1)
];

/// The code of such a token.
fn calling_back(insists: bool) -> Vec<u8> {
    let mut code = vec![
        0x63, 0x73, 0xf4, 0x25, 0x61, 0x60, 0xe0, 0x1b, 0x5f,
        0x52, // mstore(0, burned() << 224)
        0x5f, 0x5f, 0x60, 0x04, 0x5f, 0x5f, 0x33, 0x5a,
        0xf1, // call(gas(), caller(), 0, 0, 4, 0, 0)
    ];
    if insists {
        code.extend([0x60, 0x1e, 0x57]); // if so, go on
        code.extend([0x5f, 0x35, 0x5f, 0x52, 0x60, 0x04, 0x5f, 0xfd]); // revert with the selector
    }
    code.extend([0x5b, 0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]); // return(1)
    code
}

/// A market with `DevToken` and the beacon of the traces.
fn deploy(venue: &dyn Venue) -> Box<dyn Target> {
    deploy_with(venue, None, BEACON.into())
}

/// A market with the token at this address, or `DevToken`, and this beacon.
fn deploy_with(venue: &dyn Venue, token: Option<Address>, beacon: Address) -> Box<dyn Target> {
    let plan = Plan {
        deployer: Address::repeat_byte(0xdd),
        token: token.map_or_else(|| Ok(token_code().into()), Err),
        odd: vec![
            (BEACON.into(), beacon_code()),
            (HUNGRY, HUNGRY_CODE.to_vec()),
            (CALL_BACK[0], calling_back(true)),
            (CALL_BACK[1], calling_back(false)),
        ],
        arguments: Constructor {
            token: token.unwrap_or(MARKET_TOKEN),
            beacon,
            feeGovernor: Address::repeat_byte(1),
            feeRecipient: Address::repeat_byte(1),
            feeBps: 0,
            times: least_times(),
            devnet: true,
        },
        block: block(),
    };
    let market = venue.deploy(&plan).expect("a place for it");
    market.expect("a market")
}

/// OpenZeppelin's `FailedCall()`.
const FAILED_CALL: [u8; 4] = [0xd6, 0xbd, 0xa2, 0x75];

fn block() -> Block {
    Block {
        chain_id: 31_337,
        number: 1_000,
        time: 1_800_000_000,
        prevrandao: [7; 32],
    }
}

/// Both kinds of contract in pallet-revive, as far as there are both.
fn on_polkadot() -> impl Iterator<Item = Box<dyn Target>> {
    let ink = InRevive::ink().map(|ink| deploy(&ink));
    [Some(deploy(&InRevive::solidity())), ink]
        .into_iter()
        .flatten()
}

#[test]
fn calldata_of_more_than_128_kib_is_not_taken_by_pallet_revive() {
    let mut revm = deploy(&Revm(solidity()));
    for mut there in on_polkadot() {
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
            match there.view(data, &block()) {
                Ok(answer) => assert_eq!((answer, taken), (on_revm, true)),
                Err(Fault(text)) => {
                    assert!(!taken && text.contains("CallDataTooLarge"), "{text}");
                }
            }
        }
    }
}

#[test]
fn one_transaction_does_less_in_pallet_revive() {
    let balance: Bytes = IMarket::balanceOfCall { account: HUNGRY }
        .abi_encode()
        .into();
    let mut revm = deploy(&Revm(solidity()));
    for mut there in on_polkadot() {
        // A PolkaVM contract is loaded once more for each call of its own.
        let (few, many) = if there.has_gas() {
            (200, 1_000)
        } else {
            (50, 100)
        };
        for calls in [few, many] {
            let data = multicallCall {
                data: vec![balance.clone(); calls],
            }
            .abi_encode();
            let on_revm = revm.view(data.clone(), &block()).expect("an answer");
            assert!(on_revm.is_ok());
            match there.view(data, &block()) {
                Ok(Ok(answer)) => assert_eq!((Ok(answer), calls), (on_revm, few)),
                // One of them had no gas left.
                Ok(Err(data)) => assert_eq!((data, calls), (FAILED_CALL.to_vec(), many)),
                Err(Fault(text)) => assert!(calls == many && text.contains("OutOfGas"), "{text}"),
            }
        }
    }
}

/// Hooks of ERC-777 may do that. No token that is meant for this market does.
#[test]
fn ink_does_not_answer_a_token_that_calls_it_while_it_moves() {
    let Some(ink) = InRevive::ink() else {
        return;
    };
    let (revm, revive) = (Revm(solidity()), InRevive::solidity());
    let venues: [&dyn Venue; 3] = [&revm, &revive, &ink];
    for (token, insists) in CALL_BACK.into_iter().zip([true, false]) {
        let [revm, revive, ink] = venues.map(|venue| {
            let mut target = deploy_with(venue, Some(token), BEACON.into());
            let message = Message {
                caller: Address::repeat_byte(0x66),
                data: IMarket::stakeCall { amount: 5 }.abi_encode(),
                ..Message::default()
            };
            let answer = target.call(message, &block()).expect("an answer");
            answer
                .outcome
                .expect_err("a deposit of a token that moves nothing")
        });
        assert!(revm.starts_with(&IMarket::DepositShort::SELECTOR));
        assert_eq!(revive, revm);
        if insists {
            // Its balance it could tell (that is no move); then it gave up.
            assert_eq!(ink, keccak256("transferFrom(address,address,uint256)")[..4]);
        } else {
            assert_eq!(ink, revm);
        }
    }
}

/// A wallet's gas is a price in pallet-revive, and a PolkaVM contract cannot see how much is left for a call.
#[test]
fn ink_asks_a_verifier_whatever_gas_is_left() {
    let Some(ink) = InRevive::ink() else {
        return;
    };
    let code = Code::in_revm().and(InRevive::solidity()).and(ink);
    let mut world = World::new(1, &code).expect("a market");
    let (client, provider) = (world.people[2].address, world.people[0].address);
    let now = world.block.time;
    let mut job = free_job(client.into(), now);
    job.assurance.verifier = CONTRACTS[1].into();
    let post = IMarket::postCall {
        job: job.clone(),
        spec: Bytes::new(),
    };
    assert!(world.make(client, post.into()).expect("alike"));
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: provider.into(),
        least: 1,
        most: 1,
    };
    assert!(world.make(provider, claim.into()).expect("alike"));

    // One of four questions is answered with no.
    let mut proofs = (0..20_u8).map(|list| {
        Call::One(IMarketCalls::prove(IMarket::proveCall {
            job: job.clone(),
            first: 0,
            round: 1,
            provider: provider.into(),
            root: B256::repeat_byte(1),
            digestList: B256::repeat_byte(list),
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
            .is_err_and(|data| data.starts_with(&IMarket::NotEnoughGas::SELECTOR));
        assert_eq!(refused, target.has_gas(), "{}", target.name());
    }
}

/// A job whose client's word has a bit too many: what only hashes it, or has nothing to look up, takes it in Solidity.
#[test]
fn ink_refuses_dirty_words_that_solidity_does_not_read() {
    let Some(ink) = InRevive::ink() else {
        return;
    };
    let (revm, revive) = (Revm(solidity()), InRevive::solidity());
    let venues: [&dyn Venue; 3] = [&revm, &revive, &ink];
    let job = free_job(HUNGRY, block().time);
    let finalize = |firsts| IMarket::finalizeCall {
        job: job.clone(),
        firsts,
    };
    let price = IMarket::priceAtCall {
        job: job.clone(),
        time: 0,
    };
    let cases = [
        (
            IMarket::hashJobCall { job: job.clone() }.abi_encode(),
            Ok(()),
        ),
        (price.abi_encode(), Ok(())),
        (finalize(Vec::new()).abi_encode(), Ok(())),
        // To end a lease it looks the job up.
        (
            finalize(vec![0]).abi_encode(),
            Err(IMarket::JobUnknown::SELECTOR.to_vec()),
        ),
    ];
    for venue in venues {
        let mut target = deploy(venue);
        for (clean, by_solidity) in &cases {
            let mut dirty = clean.clone();
            dirty[4] = 1;
            let said = target.view(dirty, &block()).expect("an answer");
            let said = said
                .map(drop)
                .map_err(|data| data[..data.len().min(4)].to_vec());
            let expected = if target.has_gas() {
                by_solidity.clone()
            } else {
                Err(Vec::new())
            };
            assert_eq!(said, expected, "{}: {clean:02x?}", target.name());
        }
    }
}

/// Where a call can go on without the beacon, Solidity asks it with an allowance. ink! has none.
#[test]
fn ink_hears_a_beacon_that_needs_more_than_its_allowance() {
    let Some(ink) = InRevive::ink() else {
        return;
    };
    let (revm, revive) = (Revm(solidity()), InRevive::solidity());
    let venues: [&dyn Venue; 3] = [&revm, &revive, &ink];
    for venue in venues {
        let mut target = deploy_with(venue, None, HUNGRY);
        let phase = phase_once_finalized(&mut *target);
        // Chance spares the lease: that settles it as soon as the seed is heard.
        let expected = if target.has_gas() {
            IMarket::Phase::Submitted
        } else {
            IMarket::Phase::Settled
        };
        assert_eq!(phase, expected, "{}", target.name());
    }
}

/// The phase of an audited lease once it was submitted and `finalize` was called.
fn phase_once_finalized(target: &mut dyn Target) -> IMarket::Phase {
    let (who, block) = (Address::repeat_byte(0x66), block());
    let mint = DevToken::mintCall {
        to: who,
        amount: U256::from(1_000),
    };
    let approve = DevToken::approveCall {
        spender: target.market(),
        value: U256::from(1_000),
    };
    for data in [mint.abi_encode(), approve.abi_encode()] {
        let answer = target.token_call(who, data, &block);
        assert!(answer.expect("an answer").outcome.is_ok());
    }
    let mut job = free_job(who, block.time);
    job.assurance.auditBps = 1;
    (job.price.bond, job.price.juryFee, job.timing.auditWindow) = (1, 1, 100);
    let calls: [IMarketCalls; 6] = [
        IMarket::stakeCall { amount: 500 }.into(),
        IMarket::depositCall {
            account: who,
            amount: 500,
        }
        .into(),
        IMarket::postCall {
            job: job.clone(),
            spec: Bytes::new(),
        }
        .into(),
        IMarket::claimCall {
            job: job.clone(),
            provider: who,
            least: 1,
            most: 1,
        }
        .into(),
        IMarket::submitCall {
            job: job.clone(),
            first: 0,
            round: 1,
            provider: who,
            root: B256::repeat_byte(1),
            digestList: B256::ZERO,
        }
        .into(),
        IMarket::finalizeCall {
            job: job.clone(),
            firsts: vec![0],
        }
        .into(),
    ];
    for call in calls {
        let message = Message {
            caller: who,
            data: call.abi_encode(),
            ..Message::default()
        };
        let answer = target.call(message, &block).expect("an answer");
        let name = target.name();
        assert!(answer.outcome.is_ok(), "{name}: {call:?}: {answer:?}");
    }
    let mut view = |data: Vec<u8>| {
        let answer = target.view(data, &block).expect("an answer");
        answer.expect("a view")
    };
    let job_id = B256::from_slice(&view(IMarket::hashJobCall { job }.abi_encode()));
    let lease = IMarket::leaseOfCall {
        jobId: job_id,
        first: 0,
    };
    let lease = IMarket::leaseOfCall::abi_decode_returns(&view(lease.abi_encode()));
    lease.expect("a lease").phase
}
