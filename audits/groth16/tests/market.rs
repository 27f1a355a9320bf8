//! A lease that a real proof settles, on a real chain; and proofs that are refused.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall as _,
};
use ark_bn254::{Fq2, Fr, G2Affine};
use ark_groth16::{Proof, VerifyingKey};
use ark_std::rand::{SeedableRng as _, rngs::StdRng};
use piecework::chain::{ChainError, IMarket, Sender};
use piecework_groth16_test::{
    Statement, encode_key, encode_proof, field_order, prove, setup, work,
};

#[allow(
    dead_code,
    reason = "shared with the executor's tests, which use more of it"
)]
#[path = "../../../executor/tests/support/net.rs"]
mod net;
use net::Net;

const VERIFIER: &str = include_str!("../../../contracts/abi/Groth16Verifier.json");
const SPEC: &[u8] = b"{}";

fn creation_code(key: &[u8]) -> Bytes {
    let artifact: serde_json::Value = serde_json::from_str(VERIFIER).unwrap();
    let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
    [&code, key].concat().into()
}

/// A market, a job of 6 tasks that `verifier` decides on, and its three leases in the hands of one provider.
struct Scene {
    net: Net,
    provider: Sender,
    verifier: Address,
    job: IMarket::Job,
    job_id: B256,
}

impl Scene {
    async fn start(key: &[u8]) -> Self {
        let net = Net::start().await;
        let deployer = net.sender(0);
        let (verifier, _) = deployer
            .deploy("Groth16Verifier", creation_code(key))
            .await
            .unwrap();
        net.stake(2).await;
        let client = net.fund_client().await;
        let mut job = net.job(client.address(), SPEC, 6, 2).await;
        job.assurance.verifier = verifier;
        let job_id = net.post(&client, &job, SPEC).await;
        let scene = Self {
            provider: net.sender(2),
            net,
            verifier,
            job,
            job_id,
        };
        for _ in 0..3 {
            scene.claim(&scene.job).await;
        }
        scene
    }

    async fn claim(&self, job: &IMarket::Job) {
        let claim = IMarket::claimCall {
            job: job.clone(),
            provider: self.provider.address(),
            least: 2,
            most: 2,
        };
        self.provider.call(self.net.market, &claim).await.unwrap();
    }

    fn question(&self, first: u32, root: [u8; 32], proof: &[u8]) -> IMarket::proveCall {
        IMarket::proveCall {
            job: self.job.clone(),
            first,
            provider: self.provider.address(),
            root: root.into(),
            round: 1,
            digestList: B256::repeat_byte(7),
            proof: Bytes::copy_from_slice(proof),
        }
    }

    async fn refused(&self, what: &str, question: IMarket::proveCall) {
        let length = question.abi_encoded_size();
        match self.provider.call(self.net.market, &question).await {
            Err(ChainError::Reverted { revert, .. }) => {
                assert_eq!(revert.name, "ProofRejected", "{what}, {length} bytes");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// The proof with one of its words changed.
fn with_word(proof: &[u8], index: usize, change: impl Fn(U256) -> U256) -> Vec<u8> {
    let mut out = proof.to_vec();
    let word = &mut out[32 * index..32 * (index + 1)];
    let changed = change(U256::from_be_slice(word));
    word.copy_from_slice(&changed.to_be_bytes::<32>());
    out
}

#[tokio::test]
async fn a_real_proof_settles_a_lease() {
    let mut rng = StdRng::seed_from_u64(1);
    let (proving, verifying) = setup(&mut rng).unwrap();
    let scene = Scene::start(&encode_key(&verifying)).await;
    let secret = Fr::from(123_456_789_u64);
    let job_id = scene.job_id.0;
    let statement = |first: u32| Statement {
        job_id,
        first,
        count: 2,
        root: work(&job_id, first, 2, secret),
    };

    let zeroth = statement(0);
    let parts = prove(&proving, zeroth, secret, &mut rng).unwrap();
    let proof = encode_proof(&parts);
    let order = U256::from_be_bytes(field_order());

    // Another root, another lease (with either root), another count, another job.
    let mut root = zeroth.root;
    root[31] ^= 1;
    scene
        .refused("other root", scene.question(0, root, &proof))
        .await;
    root = zeroth.root;
    root[0] ^= 1;
    scene
        .refused("other half of the root", scene.question(0, root, &proof))
        .await;
    scene
        .refused("other lease", scene.question(2, zeroth.root, &proof))
        .await;
    scene
        .refused(
            "other lease's root",
            scene.question(2, statement(2).root, &proof),
        )
        .await;
    let one_task = Statement {
        count: 1,
        root: work(&job_id, 0, 1, secret),
        ..zeroth
    };
    let of_one_task = encode_proof(&prove(&proving, one_task, secret, &mut rng).unwrap());
    scene
        .refused(
            "fewer tasks",
            scene.question(0, one_task.root, &of_one_task),
        )
        .await;
    let mut other = scene.question(0, zeroth.root, &proof);
    other.job.terms.nonce += 1;
    scene.net.post(&scene.net.sender(1), &other.job, SPEC).await;
    scene.claim(&other.job).await;
    scene.refused("other job", other).await;

    // Malleated, out of range, no points, no proof.
    for word in 0..8 {
        let aliased = with_word(&proof, word, |value| value.wrapping_add(order));
        scene
            .refused("alias", scene.question(0, zeroth.root, &aliased))
            .await;
        let off = with_word(&proof, word, |value| value.wrapping_add(U256::ONE) % order);
        scene
            .refused("off the curve", scene.question(0, zeroth.root, &off))
            .await;
    }
    for (what, bad) in [
        (
            "A negated",
            Proof {
                a: -parts.a,
                ..parts.clone()
            },
        ),
        (
            "B negated",
            Proof {
                b: -parts.b,
                ..parts.clone()
            },
        ),
        (
            "C negated",
            Proof {
                c: -parts.c,
                ..parts.clone()
            },
        ),
    ] {
        scene
            .refused(what, scene.question(0, zeroth.root, &encode_proof(&bad)))
            .await;
    }
    for (what, bad) in [
        ("infinity", vec![0; 256]),
        ("the greatest words", vec![0xff; 256]),
        ("one byte short", proof[..255].to_vec()),
        ("one byte long", [&proof[..], &[0]].concat()),
        ("empty", Vec::new()),
    ] {
        scene
            .refused(what, scene.question(0, zeroth.root, &bad))
            .await;
    }

    // Nothing of that moved anything; the proof itself settles the lease at once.
    let receipt = scene
        .provider
        .call(scene.net.market, &scene.question(0, zeroth.root, &proof))
        .await
        .unwrap();
    println!("prove with Groth16: {} gas", receipt.gas_used);
    let result = scene
        .net
        .contract()
        .ask(IMarket::resultRootCall {
            jobId: scene.job_id,
            first: 0,
        })
        .call()
        .await
        .unwrap();
    assert_eq!(result.root.0, zeroth.root);
    assert_eq!(result.count, 2);
    assert_eq!(result.grade, IMarket::Grade::Proven);
    let earned = scene
        .net
        .contract()
        .ask(IMarket::balanceOfCall {
            account: scene.provider.address(),
        })
        .call()
        .await
        .unwrap();
    assert_eq!(earned, 196, "2 tasks of 100 less 2 %");

    // Other leases want proofs of their own; a proof of the same statement in another form says the same.
    let second = prove(&proving, statement(2), secret, &mut rng).unwrap();
    let negated = Proof {
        a: -second.a,
        b: -second.b,
        c: second.c,
    };
    let question = scene.question(2, statement(2).root, &encode_proof(&negated));
    scene
        .provider
        .call(scene.net.market, &question)
        .await
        .unwrap();

    // Another circuit's key, or another ceremony's, confirms nothing here.
    let (foreign, _) = setup(&mut rng).unwrap();
    let fourth = statement(4);
    let forged = encode_proof(&prove(&foreign, fourth, secret, &mut rng).unwrap());
    scene
        .refused("another ceremony", scene.question(4, fourth.root, &forged))
        .await;
    let phase = scene
        .net
        .contract()
        .ask(IMarket::leaseOfCall {
            jobId: scene.job_id,
            first: 4,
        })
        .call()
        .await
        .unwrap()
        .phase;
    assert_eq!(phase, IMarket::Phase::Running);
    assert_ne!(scene.verifier, Address::ZERO);
}

#[tokio::test]
async fn a_bad_key_is_not_deployed() {
    let (_, verifying) = setup(&mut StdRng::seed_from_u64(2)).unwrap();
    let key = encode_key(&verifying);
    let net = Net::start().await;
    let deployer = net.sender(0);
    let order = U256::from_be_bytes(field_order());
    let points = [(0, 2), (2, 4), (6, 4), (10, 4), (14, 2), (26, 2)];
    for (word, words) in points {
        let mut infinity = key.clone();
        infinity[32 * word..32 * (word + words)].fill(0);
        let alias = with_word(&key, word, |value| value.wrapping_add(order));
        let off = with_word(&key, word, |value| value.wrapping_add(U256::ONE) % order);
        for (what, bad) in [("infinity", infinity), ("alias", alias), ("off", off)] {
            let refusal = deployer
                .deploy("Groth16Verifier", creation_code(&bad))
                .await;
            assert!(refusal.is_err(), "{what} at word {word}");
        }
    }
    // On the curve, but outside of the group: pairings with such a point mean nothing.
    let outside = (0_u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let bad = VerifyingKey {
        gamma_g2: outside,
        ..verifying
    };
    let refusal = deployer
        .deploy("Groth16Verifier", creation_code(&encode_key(&bad)))
        .await;
    assert!(refusal.is_err(), "a point outside of the group");
    deployer
        .deploy("Groth16Verifier", creation_code(&key))
        .await
        .unwrap();
}
