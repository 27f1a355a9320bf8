//! The crate's errors and events are those of the deployed contracts: names, types, selectors, topics, one to one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use alloy_primitives::keccak256;
use piecework_protocol::types::{Address, Job, Phase, U256};
use piecework_protocol::{Error, Event, Question};
use serde_json::Value;

/// Of OpenZeppelin's code, which the crate has no part of: a call to an address without code, a checkpoint before the last
/// one, `Multicall`'s empty revert, and EIP-5267.
const NOT_OURS: [&str; 5] = [
    "AddressEmptyCode",
    "CheckpointUnorderedInsertion",
    "FailedCall",
    "ERC5267ExtensionsNotSupported",
    "EIP712DomainChanged",
];

fn abi() -> Vec<Value> {
    let json: Value = serde_json::from_str(include_str!("../../abi/Market.json")).expect("an artifact");
    json["abi"].as_array().expect("an ABI").clone()
}

/// A type's name in a signature.
fn canonical(input: &Value) -> String {
    match input["type"].as_str().expect("a type") {
        "tuple" => {
            let parts: Vec<String> =
                input["components"].as_array().expect("components").iter().map(canonical).collect();
            format!("({})", parts.join(","))
        }
        // Bytes that nobody checks.
        "string" => "bytes".into(),
        other => other.into(),
    }
}

fn of_kind(kind: &str) -> Vec<(String, Vec<Value>)> {
    abi()
        .into_iter()
        .filter(|entry| entry["type"] == kind)
        .map(|entry| {
            let name = entry["name"].as_str().expect("a name").to_owned();
            (name, entry["inputs"].as_array().expect("inputs").clone())
        })
        .filter(|(name, _)| !NOT_OURS.contains(&name.as_str()))
        .collect()
}

#[test]
fn the_errors_are_those_of_the_abi() {
    let theirs: BTreeSet<(String, Vec<String>)> = of_kind("error")
        .into_iter()
        .map(|(name, inputs)| (name, inputs.iter().map(canonical).collect()))
        .collect();
    let ours: BTreeSet<(String, Vec<String>)> = Error::LIST
        .iter()
        .filter(|(name, ..)| *name != "Panic")
        .map(|(name, types, _)| ((*name).into(), types.iter().map(|name| (*name).into()).collect()))
        .collect();
    assert_eq!(ours, theirs);
    for (name, types, selector) in Error::LIST {
        let hash = keccak256(format!("{name}({})", types.join(",")));
        assert_eq!(selector.to_be_bytes(), hash[..4], "{name}");
    }
}

#[test]
fn the_events_are_those_of_the_abi() {
    let theirs: BTreeSet<(String, Vec<String>, Vec<String>)> = of_kind("event")
        .into_iter()
        .map(|(name, inputs)| {
            let (topics, data): (Vec<_>, Vec<_>) = inputs.iter().partition(|input| input["indexed"] == true);
            (name, topics.into_iter().map(canonical).collect(), data.into_iter().map(canonical).collect())
        })
        .collect();
    let owned = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let ours: BTreeSet<(String, Vec<String>, Vec<String>)> = Event::LIST
        .iter()
        .map(|(name, topics, data, _)| ((*name).into(), owned(topics), owned(data)))
        .collect();
    assert_eq!(ours, theirs);
    for (name, topics, data, topic) in Event::LIST {
        let types = [*topics, *data].concat().join(",");
        let types = if *name == "ProfileSet" {
            types.replace("bytes32,bytes32,bytes", "bytes32,bytes32,string")
        } else {
            types
        };
        assert_eq!(*topic, keccak256(format!("{name}({types})")).0, "{name}");
    }
}

#[test]
fn revert_data_is_the_selector_and_a_word_for_each_argument() {
    let mut data = Vec::new();
    let provider: Address = [0xab; 20];
    Error::InsufficientStake(provider, U256::from(7), U256::MAX)
        .encode(&mut |bytes| data.extend_from_slice(bytes));
    assert_eq!(data.len(), 4 + 3 * 32);
    assert_eq!(data[..4], keccak256("InsufficientStake(address,uint256,uint256)")[..4]);
    assert_eq!((&data[4..16], &data[16..36]), (&[0; 12][..], &provider[..]));
    assert_eq!((data[67], &data[68..]), (7, &[0xff; 32][..]));

    let mut data = Vec::new();
    Error::WrongPhase([1; 32], 2, Phase::Void).encode(&mut |bytes| data.extend_from_slice(bytes));
    assert_eq!((data.len(), data[67], data[99]), (100, 2, 8));

    let mut data = Vec::new();
    Error::OVERFLOW.encode(&mut |bytes| data.extend_from_slice(bytes));
    assert_eq!((&data[..4], data[35]), (&keccak256("Panic(uint256)")[..4], 0x11));
    Error::CalleeReverted.encode(&mut |_| panic!("what the callee said is the host's"));
}

#[test]
fn a_question_to_a_verifier_is_its_call() {
    let job = Job::default();
    let question = Question {
        job: &job,
        job_id: [1; 32],
        first: 2,
        count: 3,
        provider: [4; 20],
        root: [5; 32],
        digest_list: [6; 32],
        proof: &[7; 33],
    };
    let mut data = Vec::new();
    question.encode(&mut |bytes| data.extend_from_slice(bytes));
    // 21 words of the job, 7 of the rest, the proof's length and its two words.
    assert_eq!(data.len(), 4 + 32 * (21 + 7 + 1 + 2));
    let artifact: Value =
        serde_json::from_str(include_str!("../../abi/Groth16Verifier.json")).expect("an artifact");
    let abi = artifact["abi"].as_array().expect("an ABI");
    let verify = abi.iter().find(|entry| entry["name"] == "verify").expect("verify");
    let types: Vec<String> = verify["inputs"].as_array().expect("inputs").iter().map(canonical).collect();
    assert_eq!(data[..4], keccak256(format!("verify({})", types.join(",")))[..4]);
}
