//! The hashes of the specification against the vectors that the contracts are tested with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy_primitives::hex;
use piecework_differential::code::Code;
use piecework_differential::world::World;
use piecework_protocol::hash;
use piecework_protocol::result::{depth, leaf, root_of, verify};
use piecework_protocol::types::{Address, Assurance, Bytes32, Job, Price, Terms, Times, Timing};
use piecework_protocol::{Host, Market};
use serde_json::Value;

/// A host that stands where the vectors were made.
fn host(chain_id: u64, market: Address) -> impl Host {
    let world = World::new(0, &Code::in_revm()).expect("a market");
    let mut host = world.sides.model.host;
    host.block.chain_id = chain_id;
    host.market = market;
    host
}

fn word(value: &Value) -> Bytes32 {
    hex::decode(value.as_str().expect("text"))
        .expect("hexadecimal")
        .try_into()
        .expect("32 bytes")
}

fn address(value: &Value) -> Address {
    hex::decode(value.as_str().expect("text"))
        .expect("hexadecimal")
        .try_into()
        .expect("20 bytes")
}

fn amount(value: &Value) -> u128 {
    value.as_str().expect("text").parse().expect("a number")
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    T::try_from(value.as_u64().expect("a number"))
        .ok()
        .expect("small enough")
}

#[test]
fn a_job_has_the_hash_that_wallets_sign() {
    let vector: Value =
        serde_json::from_str(include_str!("../../../contracts/abi/job-hash-vector.json"))
            .expect("a vector");
    let (terms, assurance, price, timing) = (
        &vector["job"]["terms"],
        &vector["job"]["assurance"],
        &vector["job"]["price"],
        &vector["job"]["timing"],
    );
    let job = Job {
        terms: Terms {
            client: address(&terms["client"]),
            nonce: number(&terms["nonce"]),
            spec: word(&terms["spec"]),
            tasks: number(&terms["tasks"]),
            min_lease: number(&terms["minLease"]),
            max_lease: number(&terms["maxLease"]),
            providers: word(&terms["providers"]),
        },
        assurance: Assurance {
            replicas: number(&assurance["replicas"]),
            quorum: number(&assurance["quorum"]),
            audit_bps: number(&assurance["auditBps"]),
            refund: assurance["refund"].as_bool().expect("a bool"),
            verifier: address(&assurance["verifier"]),
        },
        price: Price {
            min_price: amount(&price["minPrice"]),
            max_price: amount(&price["maxPrice"]),
            bond: amount(&price["bond"]),
            jury_fee: amount(&price["juryFee"]),
        },
        timing: Timing {
            opens_at: number(&timing["opensAt"]),
            ramp: number(&timing["ramp"]),
            closes_at: number(&timing["closesAt"]),
            run_window: number(&timing["runWindow"]),
            audit_window: number(&timing["auditWindow"]),
        },
    };
    let host = host(number(&vector["chainId"]), address(&vector["market"]));
    assert_eq!(hash::JOB_TYPE, vector["type"].as_str().expect("text"));
    assert_eq!(hash::job(&host, &job), word(&vector["structHash"]));
    assert_eq!(hash::domain(&host), word(&vector["domainSeparator"]));

    let mut market = Market {
        store: piecework_differential::memory::Memory::default(),
        host,
    };
    let times = Times {
        lease_step: 1,
        jury_step: 1,
        jury_time: 1,
        reveal_window: 1,
        respond_window: 1,
        retry_window: 1,
        least_audit_window: 1,
        least_run_window: 1,
        ..Times::default()
    };
    market
        .deploy(&[1; 20], &[2; 20], &[0; 20], &[0; 20], 0, &times, true)
        .expect("a market");
    assert_eq!(market.hash_job(&job), word(&vector["jobId"]));
}

#[test]
fn trees_have_the_roots_and_proofs_of_the_vectors() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../contracts/abi/merkle-vectors.json"))
            .expect("vectors");
    let host = host(1, [0; 20]);
    for vector in vectors.as_array().expect("a list") {
        let list = |name: &str| {
            vector[name]
                .as_array()
                .expect("a list")
                .iter()
                .map(word)
                .collect::<Vec<_>>()
        };
        let (digests, proof) = (list("digests"), list("proof"));
        let (first, count, task): (u32, u32, u32) = (
            number(&vector["first"]),
            number(&vector["count"]),
            number(&vector["task"]),
        );
        let root = word(&vector["root"]);
        let digest = &digests[(task - first) as usize];
        assert_eq!(root_of(&host, first, &digests), Some(root));
        assert_eq!(proof.len(), depth(count));
        assert!(verify(&host, &root, (first, count), (task, digest), &proof));
        // Another task, another digest, a leaf as its own root: no.
        assert!(!verify(
            &host,
            &root,
            (first, count),
            (task + 1, digest),
            &proof
        ));
        assert!(!verify(
            &host,
            &root,
            (first, count),
            (task, &[9; 32]),
            &proof
        ));
        let longer = [&proof[..], &[[0; 32]]].concat();
        assert!(!verify(
            &host,
            &root,
            (first, count),
            (task, digest),
            &longer
        ));
        if count > 1 {
            assert!(!verify(
                &host,
                &leaf(&host, task.into(), digest),
                (first, count),
                (task, digest),
                &[]
            ));
        }
    }
}
