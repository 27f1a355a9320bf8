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
        count: 2,
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
    assert_eq!(freed, Some((IMarket::Reason::Expired, claims[1])));
    assert_eq!(scene.free_stake(gone.address()).await, PURSE - 40);
    assert_eq!(scene.free_stake(provider).await, PURSE);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_whose_seats_are_gone_is_ended_by_those_who_want_the_next() {
    let scene = Scene::new().await;
    for index in [2, 3, 5] {
        scene.net.stake(index).await;
    }
    let gone = scene.net.sender(5);
    let mut spec = scene.spec(&["nap", "10"], 4);
    spec.resources.timeout_seconds = 5;
    let mut posted = None;
    let id = scene
        .post_redundant(&spec, |job| {
            job.timing.runWindow = 12;
            posted = Some(job.clone());
        })
        .await;
    let job = posted.unwrap();
    let market = scene.net.market;
    let seal = IMarket::sealCall { job: job.clone() };
    gone.call(market, &seal).await.unwrap();
    let join = IMarket::joinCall {
        job,
        first: 0,
        round: 1,
        provider: gone.address(),
    };
    gone.call(market, &join).await.unwrap();
    // The executors come when its time is nearly over: too late for this round, and they wait for its end.
    let anvil = &scene.net.provider;
    let draw_time = piecework::chain::deploy::DEV_TIMES.drawTime;
    anvil.anvil_increase_time(draw_time + 10).await.unwrap();
    anvil.anvil_mine(Some(1), None).await.unwrap();
    let executors = scene.executors([2, 3]).await;
    eventually("the round is ended", || async {
        scene.count(id, "Freed").await == 1
    })
    .await;
    scene.settled(id, 1).await;
    use IMarket::SeatEnd::{Late, Paid};
    let ends: Vec<_> = scene.ends(id).await.iter().map(|end| end.0).collect();
    assert_eq!(ends, [Late, Paid, Paid]);
    // Not by who is gone, and nobody paid for a settlement that came too late.
    let anvil = &scene.net.provider;
    let head = anvil.get_block_number().await.unwrap();
    for number in 0..=head {
        let block = anvil.get_block_by_number(number.into()).full().await;
        for tx in block.unwrap().unwrap().transactions.txns() {
            if tx.input().starts_with(&IMarket::settleCall::SELECTOR) {
                assert_ne!(tx.inner.signer(), scene.net.key(5).address());
                let receipt = anvil.get_transaction_receipt(*tx.inner.tx_hash()).await;
                assert!(receipt.unwrap().unwrap().status());
            }
        }
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}
