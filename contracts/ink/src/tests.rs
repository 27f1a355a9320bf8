//! What can be seen without a chain: the ABI, the arguments, the cells, and calls that need no token. The rest is compared with
//! Solidity on a real pallet-revive (`audits/differential/revive`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_arguments,
    clippy::type_complexity
)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use alloy_primitives::keccak256;
use alloy_sol_types::{SolCall, SolConstructor, SolError, SolValue};
use ink::env::DefaultEnvironment;
use ink::env::test::{count_used_storage_cells, default_accounts, set_caller};
use piecework_protocol::slots::{
    Checkpoint, Config, LeaseSlot, Profile, ProviderSlot, SeatSlot, StakeSlot,
};
use piecework_protocol::types::{AuditState, Grade, Phase, Seat, Times, U256};
use piecework_protocol::{Error, Store};
use serde_json::Value;

use crate::calls;
use crate::cells::Cells;
use crate::env::{CALLDATA, End};
use crate::market::Piecework;

mod bindings {
    alloy_sol_types::sol!(Market, "../abi/Market.json");
}
use bindings::{IMarket, Market};

// ------------------------------------------------------------------ the ABI

fn abi() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../abi/Market.json");
    let text = std::fs::read_to_string(path).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    value["abi"].as_array().unwrap().clone()
}

/// The type of a parameter, as it stands in a signature.
fn type_of(parameter: &Value) -> String {
    let name = parameter["type"].as_str().unwrap();
    match name.strip_prefix("tuple") {
        None => name.into(),
        Some(rest) => format!("{}{rest}", list_of(&parameter["components"])),
    }
}

fn list_of(parameters: &Value) -> String {
    let types: Vec<String> = parameters.as_array().unwrap().iter().map(type_of).collect();
    format!("({})", types.join(","))
}

#[test]
fn every_function_of_the_abi_is_here_and_no_other() {
    let ours: BTreeSet<String> = calls::LIST
        .iter()
        .map(|(name, types, _)| format!("{name}({})", types.join(",")))
        .collect();
    let theirs: BTreeSet<String> = abi()
        .iter()
        .filter(|item| item["type"] == "function")
        .map(|item| {
            format!(
                "{}{}",
                item["name"].as_str().unwrap(),
                list_of(&item["inputs"])
            )
        })
        .collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), calls::LIST.len());
}

#[test]
fn selectors_are_those_of_the_signatures() {
    for (name, types, selector) in calls::LIST {
        let signature = format!("{name}({})", types.join(","));
        let hash = keccak256(&signature);
        assert_eq!(hash[..4], selector.to_be_bytes(), "{signature}");
    }
    assert_eq!(keccak256("FailedCall()")[..4], calls::FAILED_CALL);
}

// ------------------------------------------------------------------ calls

/// How the contract ends a call.
fn end(run: impl FnOnce()) -> End {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a call ends with an answer");
    *panic.downcast().expect("an end, not a panic")
}

/// Sends this calldata.
fn send(data: &[u8]) -> End {
    CALLDATA.set(data.to_vec());
    end(|| Piecework {}.call())
}

fn call<C: SolCall>(call: &C) -> Result<C::Return, Vec<u8>> {
    match send(&call.abi_encode()) {
        End::Answered(data) => Ok(C::abi_decode_returns_validate(&data).unwrap()),
        End::Refused(data) => Err(data),
    }
}

fn refused(error: Error) -> Vec<u8> {
    let mut data = Vec::new();
    error.encode(&mut |bytes| data.extend_from_slice(bytes));
    data
}

/// Times of a market with value, all different.
fn times() -> IMarket::Times {
    IMarket::Times {
        stakeAge: 86_401,
        leaseStep: 62,
        juryStep: 303,
        juryTime: 1_804,
        revealWindow: 3_605,
        respondWindow: 21_606,
        retryWindow: 21_607,
        leastAuditWindow: 3_608,
        leastRunWindow: 69,
    }
}

fn arguments(token: [u8; 20], fee_bps: u16) -> Vec<u8> {
    Market::constructorCall {
        token_: token.into(),
        beacon_: [4; 20].into(),
        feeGovernor: [2; 20].into(),
        feeRecipient: [3; 20].into(),
        feeBps: fee_bps,
        times_: times(),
        devnet: true,
    }
    .abi_encode()
}

fn deploy() {
    CALLDATA.set(arguments([1; 20], 100));
    Piecework::new();
}

#[ink::test]
fn what_the_constructor_fixes_can_be_read() {
    deploy();
    assert_eq!(call(&Market::tokenCall {}), Ok([1; 20].into()));
    let fee = call(&Market::feeCall {}).unwrap();
    assert_eq!((fee.feeBps, fee.recipient), (100, [3; 20].into()));
    assert_eq!(call(&Market::beaconCall {}), Ok([4; 20].into()));
    assert_eq!(call(&Market::isDevnetCall {}), Ok(true));
    assert_eq!(
        call(&Market::timesCall {}).unwrap().abi_encode(),
        times().abi_encode()
    );
    let domain = call(&Market::eip712DomainCall {}).unwrap();
    assert_eq!((&*domain.name, &*domain.version), ("Piecework", "2"));
    assert_eq!(domain.verifyingContract.0.0, ink::env::address().0);
}

#[ink::test]
fn the_constructor_refuses_as_the_specification() {
    let refusal = |data: Vec<u8>| {
        CALLDATA.set(data);
        end(|| {
            Piecework::new();
        })
    };
    let zero = refused(Error::ZeroAddress());
    assert_eq!(refusal(arguments([0; 20], 100)), End::Refused(zero));
    let high = refused(Error::FeeTooHigh(U256::from(501), U256::from(500)));
    assert_eq!(refusal(arguments([1; 20], 501)), End::Refused(high));
    let whole = arguments([1; 20], 100);
    assert_eq!(
        refusal(whole[..whole.len() - 1].to_vec()),
        End::Refused(Vec::new())
    );
    let mut dirty = whole;
    dirty[0] = 1;
    assert_eq!(refusal(dirty), End::Refused(Vec::new()));
}

#[ink::test]
fn calls_are_those_of_whoever_calls() {
    deploy();
    let accounts = default_accounts();
    let (alice, bob) = (accounts.alice.0.into(), accounts.bob.0.into());
    set_caller(accounts.alice);
    let allow = Market::setOperatorCall {
        operator: bob,
        allowed: true,
    };
    assert!(call(&allow).is_ok());
    let is = |provider, operator| call(&Market::isOperatorCall { provider, operator }).unwrap();
    assert!(is(alice, bob) && !is(bob, alice));
    assert!(call(&Market::revokeCall { nonce: 5 }).is_ok());
    let revoked = |client, nonce| call(&Market::isRevokedCall { client, nonce }).unwrap();
    assert!(revoked(alice, 5) && !revoked(alice, 6) && !revoked(bob, 5));

    let fee = call(&Market::setFeeCall {
        feeBps: 1,
        recipient: bob,
    });
    assert_eq!(
        fee.err(),
        Some(refused(Error::NotGovernor([2; 20], accounts.alice.0)))
    );
    let nothing = call(&Market::depositCall {
        account: bob,
        amount: 0,
    });
    assert_eq!(nothing.err(), Some(refused(Error::ZeroAmount())));
}

#[ink::test]
fn what_lies_behind_an_offset_is_read_whole() {
    deploy();
    let profile = |endpoint: &str| Market::setProfileCall {
        nodeId: [7; 32].into(),
        capabilities: [8; 32].into(),
        endpoint: endpoint.into(),
    };
    let longest = "x".repeat(128);
    assert!(call(&profile(&longest)).is_ok());
    let provider = ink::env::caller().0.into();
    let kept = call(&Market::profileOfCall { provider }).unwrap();
    assert_eq!((kept.nodeId.0, kept.endpoint), ([7; 32], longest.clone()));
    let long = call(&profile(&(longest + "x")));
    let error = Error::EndpointTooLong(U256::from(129), U256::from(128));
    assert_eq!(long.err(), Some(refused(error)));
}

#[ink::test]
fn no_call_of_the_abi_is_refused_without_a_word() {
    deploy();
    let nothing = || End::Refused(Vec::new());
    for data in [
        &[][..],
        &[0x70, 0xa0, 0x82],
        &[0, 0, 0, 0],
        &[0x9b, 0xae, 0x9d, 0x5e],
    ] {
        assert_eq!(send(data), nothing(), "{data:02x?}");
    }
    // Every function, one byte short of its heads.
    for (name, _, selector) in calls::LIST {
        let words = calls::words(*selector);
        if words > 0 {
            let mut data = selector.to_be_bytes().to_vec();
            data.resize(4 + 32 * words - 1, 0);
            assert_eq!(send(&data), nothing(), "{name}");
        }
    }
}

#[ink::test]
fn money_of_the_chain_is_refused() {
    deploy();
    let burned = Market::burnedCall {}.abi_encode();
    assert_ne!(send(&burned), End::Refused(Vec::new()));
    ink::env::test::set_value_transferred(1.into());
    assert_eq!(send(&burned), End::Refused(Vec::new()));
    CALLDATA.set(arguments([1; 20], 100));
    let ended = end(|| {
        Piecework::new();
    });
    assert_eq!(ended, End::Refused(Vec::new()));
}

#[ink::test]
fn dirty_words_are_no_arguments() {
    deploy();
    // Of each width: where its highest byte is.
    let cases: [(Vec<u8>, &[(usize, bool)]); 4] = [
        // (address, uint128)
        (vec![0xb3, 0xfb, 0x65, 0x64], &[(12, true), (16, true)]),
        // (address, bool)
        (vec![0x55, 0x8a, 0x72, 0x97], &[(12, true), (31, false)]),
        // (bytes32)
        (vec![0xaf, 0xfe, 0x00, 0x0e], &[(0, false)]),
        // (bytes32, uint32, uint16, uint8, address)
        (
            vec![0x67, 0x90, 0xc1, 0x6b],
            &[(0, false), (28, true), (30, true), (31, true), (12, true)],
        ),
    ];
    for (selector, words) in cases {
        let mut clean = selector;
        for (place, _) in words {
            let mut word = [0; 32];
            word[*place] = 1;
            clean.extend(word);
        }
        assert_ne!(send(&clean), End::Refused(Vec::new()), "{clean:02x?}");
        for (index, (place, narrow)) in words.iter().enumerate() {
            let word = 4 + 32 * index;
            let mut dirty = clean.clone();
            match *place {
                0 => continue,
                // A bool of 2.
                31 if !narrow => dirty[word + 31] = 2,
                place => dirty[word + place - 1] = 1,
            }
            assert_eq!(send(&dirty), End::Refused(Vec::new()), "{dirty:02x?}");
        }
    }
}

#[ink::test]
fn wild_offsets_and_lengths_are_refused() {
    deploy();
    let call = Market::setProfileCall {
        nodeId: [7; 32].into(),
        capabilities: [8; 32].into(),
        endpoint: "http://127.0.0.1".into(),
    };
    let clean = call.abi_encode();
    assert_eq!(send(&clean), End::Answered(Vec::new()));
    let (offset, length) = (4 + 64, 4 + 96);
    let wild = |place: usize, word: U256| {
        let mut data = clean.clone();
        data[place..place + 32].copy_from_slice(&word.to_be_bytes::<32>());
        send(&data)
    };
    let end = U256::from(clean.len() - 4);
    for word in [
        U256::MAX,
        U256::from(u64::MAX),
        U256::from(u32::MAX),
        end,
        end - U256::from(31),
    ] {
        assert_eq!(
            wild(offset, word),
            End::Refused(Vec::new()),
            "offset {word}"
        );
        assert_eq!(
            wild(length, word),
            End::Refused(Vec::new()),
            "length {word}"
        );
    }
    // The padding of the last word may be missing, as in Solidity.
    assert_eq!(send(&clean[..clean.len() - 16]), End::Answered(Vec::new()));
    assert_eq!(send(&clean[..clean.len() - 17]), End::Refused(Vec::new()));
}

/// A list of structs lies there without offsets: four words for each opening.
#[ink::test]
fn openings_are_read_one_after_the_other() {
    deploy();
    let opening = |number| IMarket::Opening {
        number,
        value: [1; 32].into(),
        proof: [2; 32].into(),
        salt: [3; 32].into(),
    };
    let call = Market::settleCall {
        job: IMarket::Job::abi_decode(&[0; 21 * 32]).unwrap(),
        first: 0,
        round: 1,
        openings: vec![opening(7), opening(8)],
    };
    // A job with no replicas is redundant, and unknown.
    let clean = call.abi_encode();
    let End::Refused(words) = send(&clean) else {
        panic!("there is no such job");
    };
    assert!(words.starts_with(&Market::JobUnknown::SELECTOR));
    let nothing = End::Refused(Vec::new());
    assert_eq!(send(&clean[..clean.len() - 1]), nothing);
    let length = clean.len() - 2 * 128 - 32;
    for number in [0, 1] {
        let mut dirty = clean.clone();
        dirty[length + 32 + 128 * number + 27] = 1;
        assert_eq!(send(&dirty), nothing, "number of opening {number}");
    }
    for wild in [
        U256::from(3),
        U256::from(u64::MAX),
        U256::from(1) << 251,
        U256::MAX,
    ] {
        let mut longer = clean.clone();
        longer[length..length + 32].copy_from_slice(&wild.to_be_bytes::<32>());
        assert_eq!(send(&longer), nothing, "{wild} openings");
    }
}

// ------------------------------------------------------------------ cells

#[ink::test]
fn a_record_is_what_was_set_last_and_a_default_takes_no_cell() {
    let mut cells = Cells;
    let (key, other) = ([1; 32], [2; 32]);
    assert_eq!(cells.seat(&key, 7), SeatSlot::default());
    let seat = SeatSlot {
        state: Seat::Opened,
        mark: [9; 31],
    };
    cells.set_seat(&key, 7, seat);
    assert_eq!(cells.seat(&key, 7), seat);
    assert_eq!(cells.seat(&key, 8), SeatSlot::default());
    assert_eq!(cells.seat(&other, 7), SeatSlot::default());
    let used = || count_used_storage_cells::<DefaultEnvironment>(ink::env::address()).unwrap_or(0);
    let before = used();
    cells.set_seat(&key, 7, SeatSlot::default());
    assert_eq!(cells.seat(&key, 7), SeatSlot::default());
    assert_eq!(used() + 1, before, "the cell is still there");

    // The widest ones.
    let config = Config {
        token: [4; 20],
        beacon: [7; 20],
        fee_governor: [5; 20],
        domain: [6; 32],
        chain_id: U256::MAX,
        times: Times {
            stake_age: u64::MAX,
            lease_step: 1,
            jury_step: 2,
            jury_time: 3,
            reveal_window: 4,
            respond_window: 5,
            retry_window: 6,
            least_audit_window: 7,
            least_run_window: u64::MAX,
        },
        devnet: true,
    };
    cells.set_config(config);
    assert_eq!(cells.config(), config);
    let profile = Profile {
        node_id: [1; 32],
        capabilities: [2; 32],
        endpoint: [3; 128],
        length: 128,
    };
    cells.set_profile(&[7; 20], profile);
    assert_eq!(cells.profile(&[7; 20]), profile);
    assert_eq!(cells.profile(&[8; 20]), Profile::default());
}

#[ink::test]
fn records_with_equal_keys_are_kept_apart() {
    let mut cells = Cells;
    let (key, account) = ([1; 32], [2; 20]);
    let lease = LeaseSlot {
        phase: Phase::Audited,
        grade: Grade::Contested,
        round: u16::MAX,
        count: 2_048,
        fee_bps: 500,
        since: 1,
        origin: 2,
        point: u64::MAX,
        provider: 3,
        seats: 4,
        commits: 5,
        opened: 6,
    };
    let audit = AuditState {
        jury: 2,
        task: u32::MAX,
        since: 1,
        due: 2,
        point: u64::MAX,
        seats: 3,
        commits: 4,
        opened: 5,
        undecided: 6,
    };
    let seat = SeatSlot {
        state: Seat::Left,
        mark: [9; 31],
    };
    let provider = ProviderSlot {
        earned: 1,
        free: 2,
        completed: 3,
    };
    let stake = StakeSlot {
        total: 4,
        staked_at: 5,
        late: 6,
        slashed: 7,
    };
    let (one, other) = (
        Checkpoint { time: 8, amount: 9 },
        Checkpoint {
            time: 10,
            amount: 0,
        },
    );
    // By a word and a number, by a number, by two numbers, by an account.
    cells.set_lease(&key, 7, lease);
    cells.set_root(&key, 7, [3; 32]);
    cells.set_audit(&key, 7, audit);
    cells.set_seat(&key, 7, seat);
    cells.set_admitted(&key, 7, true);
    cells.set_provider(7, provider);
    cells.set_provider_at(7, account);
    cells.set_stake(7, stake);
    cells.set_history(7, 2);
    cells.set_checkpoint(7, 0, one);
    cells.set_checkpoint(7, 1, other);
    cells.set_number(&account, 7);
    cells.set_balance(&account, u128::MAX);

    assert_eq!(cells.lease(&key, 7), lease);
    assert_eq!(cells.root(&key, 7), [3; 32]);
    assert_eq!(cells.audit(&key, 7), audit);
    assert_eq!(cells.seat(&key, 7), seat);
    assert!(cells.admitted(&key, 7));
    assert_eq!(cells.provider(7), provider);
    assert_eq!(cells.provider_at(7), account);
    assert_eq!(cells.stake(7), stake);
    assert_eq!(cells.history(7), 2);
    assert_eq!(cells.checkpoint(7, 0), one);
    assert_eq!(cells.checkpoint(7, 1), other);
    assert_eq!(cells.number(&account), 7);
    assert_eq!(cells.balance(&account), u128::MAX);
}
