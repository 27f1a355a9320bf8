//! What is due together goes in one transaction.

use std::collections::BTreeSet;

use alloy::{
    consensus::Transaction as _, primitives::B256, providers::Provider as _,
    sol_types::SolCall as _,
};
use piecework::chain::{IMarket, Multicall};
use piecework_executor::Executor;

use crate::scene::Scene;

const LEASES: u32 = 4;

/// Runs a job of several audited leases of one task, in which chance says no. Returns the calls of the transactions that
/// settled them.
async fn settling(settle_within: u64) -> Vec<Vec<[u8; 4]>> {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.chains[0].timing.settle_within = settle_within;
    config.capacity.lease_tasks = 1;
    let executor = Executor::start(config).await.unwrap();
    let _mining = scene.keep_mining();
    let job = scene
        .post_with(&scene.spec(&["nap", "10"], LEASES), |job| {
            job.terms.maxLease = 1;
            // One in ten thousand.
            (job.assurance.auditBps, job.price.juryFee) = (1, 10);
            job.timing.auditWindow = 3_600;
        })
        .await;
    scene.settled(job, LEASES as usize).await;
    executor.stop().await.unwrap();
    let events = scene.events(job).await;
    let settled = events.iter().filter(|at| at.event.name() == "Settled");
    let settled: BTreeSet<B256> = settled.map(|at| at.tx_hash).collect();
    let mut calls = Vec::new();
    for tx in settled {
        let tx = scene.net.provider.get_transaction_by_hash(tx).await;
        let input = tx.unwrap().unwrap().input().clone();
        let together = Multicall::multicallCall::abi_decode(&input);
        let parts = together.map_or_else(|_| vec![input], |call| call.data);
        calls.push(
            parts
                .iter()
                .map(|part| part[..4].try_into().unwrap())
                .collect(),
        );
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_can_be_settled_wait_for_each_other_or_for_another_act() {
    let calls = settling(20).await;
    // Each alone would be four transactions.
    assert!(calls.len() <= 2, "{calls:?}");
    let finalizes = |call: &Vec<[u8; 4]>| call.contains(&IMarket::finalizeCall::SELECTOR);
    assert!(calls.iter().all(finalizes), "{calls:?}");
}
