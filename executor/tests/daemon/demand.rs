use piecework::chain::IMarket;
use piecework_executor::Executor;

use crate::{
    net::PURSE,
    scene::{Scene, eventually, naps},
};

/// Who does not answer a demand loses the whole bond: the executor answers, earns the deposit, and is paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_for_all_digests_is_answered_and_earns_its_deposit() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let spec = scene.spec(&["nap", "10"], 3);
    let mut posted = None;
    let job = scene
        .post_with(&spec, |job| {
            job.timing.challengeWindow = 8;
            posted = Some(job.clone());
        })
        .await;
    let posted = posted.unwrap();
    eventually("a result is submitted", async || {
        scene.count(job, "Submitted").await == 1
    })
    .await;
    let demand = IMarket::demandCall {
        job: posted,
        first: 0,
    };
    scene.client.call(scene.net.market, &demand).await.unwrap();
    eventually("the demand is answered", async || {
        scene.count(job, "Responded").await == 1
    })
    .await;
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(3));
    // Three tasks at 100 less the fee of 2 %, and a deposit of one juror's fee.
    let balance = scene.net.contract().balanceOf(provider).call().await;
    assert_eq!(balance.unwrap(), 294 + 10);
    assert_eq!(scene.free_stake(provider).await, PURSE);
    executor.stop().await.unwrap();
}
