//! Whoever held a lease, or sat in a round, is gone: who wants its place ends it.

use alloy::{
    consensus::Transaction as _,
    providers::{Provider as _, ext::AnvilApi as _},
    sol_types::SolCall as _,
};
use piecework::chain::{IMarket, MarketEvent};

use crate::{
    net::PURSE,
    scene::{Scene, eventually, naps},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_holder_is_gone_is_taken_over_which_ends_its_round() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    scene.net.stake(5).await;
    let gone = scene.net.sender(5);
    let mut spec = scene.spec(&["nap", "10"], 2);
    spec.resources.timeout_seconds = 3;
    let mut posted = None;
    let id = scene
        .post_with(&spec, |job| {
            job.timing.runWindow = 12;
            posted = Some(job.clone());
        })
        .await;
    let claim = IMarket::claimCall {
        job: posted.unwrap(),
        provider: gone.address(),
        least: 1,
        most: 2,
    };
    gone.call(scene.net.market, &claim).await.unwrap();
    let executors = scene.executors([2]).await;
    scene.settled(id, 1).await;
    assert_eq!(scene.outputs(id).await, naps(2));
    // Nobody else ended it: the takeover did, in one transaction.
    let events = scene.events(id).await;
    let freed = events.iter().find_map(|at| match &at.event {
        MarketEvent::Freed(freed) => Some((freed.reason, at.tx_hash)),
        _ => None,
    });
    let claims: Vec<_> = events
        .iter()
        .filter(|at| at.event.name() == "Claimed")
        .map(|at| at.tx_hash)
        .collect();
    assert_eq!(freed, Some((IMarket::Reason::Late, claims[1])));
    assert_eq!(scene.free_stake(gone.address()).await, PURSE - 40);
    assert_eq!(scene.free_stake(provider).await, PURSE);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_whose_seats_are_gone_is_ended_by_those_who_want_the_next() {
    let scene = Scene::new().await;
    for index in [2, 3, 5, 6] {
        scene.net.stake(index).await;
    }
    let mut spec = scene.spec(&["nap", "10"], 4);
    spec.resources.timeout_seconds = 5;
    let mut posted = None;
    let id = scene
        .post_redundant(&spec, |job| {
            job.timing.runWindow = 20;
            posted = Some(job.clone());
        })
        .await;
    let job = posted.unwrap();
    let market = scene.net.market;
    let _mining = scene.keep_mining();
    let point = scene
        .net
        .contract()
        .ask(IMarket::jobOfCall { jobId: id })
        .call()
        .await
        .unwrap()
        .point;
    scene.net.publish_seed(point).await;
    // Two seats begin the round. They are drawn within a few steps.
    for index in [5, 6] {
        let gone = scene.net.sender(index);
        let join = IMarket::joinCall {
            job: job.clone(),
            first: 0,
            round: 1,
            provider: gone.address(),
        };
        eventually("it is drawn", || async {
            gone.call(market, &join).await.is_ok()
        })
        .await;
    }
    // The executors come when its time is nearly over: too late for this round, and they wait for its end.
    let anvil = &scene.net.provider;
    anvil.anvil_increase_time(18).await.unwrap();
    anvil.anvil_mine(Some(1), None).await.unwrap();
    let executors = scene.executors([2, 3]).await;
    eventually("the round is ended", || async {
        scene.count(id, "Freed").await == 1
    })
    .await;
    scene.settled(id, 1).await;
    use IMarket::SeatEnd::{Late, Paid};
    let ends: Vec<_> = scene.ends(id).await.iter().map(|end| end.0).collect();
    assert_eq!(ends, [Late, Late, Paid, Paid]);
    // Not by those that are gone, and nobody paid for a settlement that came too late.
    let anvil = &scene.net.provider;
    let head = anvil.get_block_number().await.unwrap();
    for number in 0..=head {
        let block = anvil.get_block_by_number(number.into()).full().await;
        for tx in block.unwrap().unwrap().transactions.txns() {
            if tx.input().starts_with(&IMarket::settleCall::SELECTOR) {
                let gone = [5, 6].map(|index| scene.net.key(index).address());
                assert!(!gone.contains(&tx.inner.signer()));
                let receipt = anvil.get_transaction_receipt(*tx.inner.tx_hash()).await;
                assert!(receipt.unwrap().unwrap().status());
            }
        }
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}
