use std::time::Duration;

use alloy::{providers::ext::AnvilApi as _, rpc::types::anvil::ReorgOptions};
use piecework::chain::IMarket;
use piecework_executor::Executor;

use crate::{
    cable::Cable,
    net::PURSE,
    scene::{Scene, eventually, naps, status_says},
};

pub(crate) async fn reorg(scene: &Scene, depth: u64) {
    let options = ReorgOptions {
        depth,
        tx_block_pairs: vec![],
    };
    scene.net.provider.anvil_reorg(options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_reorganized_away_is_mined_again_and_settles() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "1000"], 4)).await;
    eventually("a claim", || async {
        scene.count(job, "Claimed").await == 1
    })
    .await;
    reorg(&scene, 1).await;
    eventually("the claim again", || async {
        scene.count(job, "Claimed").await == 1
    })
    .await;
    // And once more after the result was submitted.
    eventually("a result", || async {
        scene.count(job, "Submitted").await == 1
    })
    .await;
    reorg(&scene, 2).await;
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(4));
    assert_eq!(scene.free_stake(provider).await, PURSE);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_a_reorganization_gives_to_another_is_let_go_without_a_loss() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    scene.net.stake(3).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let spec = scene.spec(&["nap", "3000"], 4);
    let bytes = spec.to_bytes().unwrap();
    let job = scene.net.job(scene.client.address(), &bytes, 4, 4).await;
    let id = scene.net.post(&scene.client, &job, &bytes).await;
    eventually("a claim", || async {
        scene.count(id, "Claimed").await == 1
    })
    .await;
    // In the new chain a rival's claim is first.
    scene.net.provider.anvil_set_auto_mine(false).await.unwrap();
    reorg(&scene, 1).await;
    let rival = scene.net.key(3).address();
    let claim = IMarket::claimCall {
        job,
        provider: rival,
        least: 1,
        most: 4,
    };
    let rich = alloy::rpc::types::TransactionRequest::default()
        .from(rival)
        .to(scene.net.market)
        .input(alloy::sol_types::SolCall::abi_encode(&claim).into())
        .max_priority_fee_per_gas(50_000_000_000)
        .max_fee_per_gas(100_000_000_000);
    use alloy::providers::Provider as _;
    let _ = scene.net.provider.send_transaction(rich).await.unwrap();
    scene.net.provider.anvil_mine(Some(1), None).await.unwrap();
    scene.net.provider.anvil_set_auto_mine(true).await.unwrap();
    assert_eq!(
        scene
            .net
            .contract()
            .ask(IMarket::leaseOfCall {
                jobId: id,
                first: 0
            })
            .call()
            .await
            .unwrap()
            .provider,
        rival
    );
    scene.net.provider.anvil_mine(Some(10), None).await.unwrap();
    status_says(&executor, "the lease is let go", |status| {
        status.leases.is_empty() && status.running_tasks == 0
    })
    .await;
    assert_eq!(scene.free_stake(provider).await, PURSE);
    assert_eq!(scene.count(id, "Submitted").await, 0);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_silent_in_the_middle_of_a_lease_is_waited_for() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let cable = Cable::to(&scene).await;
    let mut config = scene.config(2);
    config.chains[0].rpc_urls = vec![cable.url.clone()];
    config.chains[0].policy.try_seconds = 0;
    let executor = Executor::start(config).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "1000"], 2)).await;
    status_says(&executor, "tasks run", |status| status.running_tasks > 0).await;
    cable.cut();
    // The work ends while nobody answers.
    status_says(&executor, "the work is done", |status| {
        status.leases.iter().any(|lease| lease.tasks_done == 2)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.count(job, "Submitted").await, 0);
    cable.lead_to(&scene);
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(2));
    assert_eq!(scene.free_stake(provider).await, PURSE);
    executor.stop().await.unwrap();
}
