//! The daemon before nodes that lie: a job is earned although each of its endpoints does what public nodes do.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::providers::ext::AnvilApi as _;
use piecework::chain::IMarket;
use piecework_executor::Executor;
use piecework_faults::{Faults, Limit, Proxy, Words};

use crate::{
    net::PURSE,
    scene::{Scene, eventually, naps, status_says},
};

fn of_all<T>(value: T) -> BTreeMap<String, T> {
    BTreeMap::from([("*".to_owned(), value)])
}

/// One job of two tasks with these endpoints, from claim to pay.
async fn earns(faults: &[Faults]) {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.chains[0].rpc_urls.clear();
    let mut nodes = Vec::new();
    for faults in faults {
        let node = Proxy::start(scene.net.anvil.url()).await.unwrap();
        config.chains[0].rpc_urls.push(node.url().parse().unwrap());
        nodes.push((node, faults.clone()));
    }
    let executor = Executor::start(config).await.unwrap();
    for (node, faults) in &nodes {
        node.set(faults.clone());
    }
    let job = scene.post(&scene.spec(&["nap", "10"], 2)).await;
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(2), "{faults:?}");
    assert_eq!(scene.free_stake(provider).await, PURSE, "{faults:?}");
    status_says(&executor, "all is done", |status| {
        status.leases.iter().all(|lease| lease.phase == "settled")
    })
    .await;
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_earned_although_the_only_node_hides_logs() {
    earns(&[Faults {
        hidden_logs: true,
        ..Faults::default()
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_earned_although_the_only_node_limits_its_rate() {
    let limit = Limit {
        as_http: true,
        retry_after: None,
        every: 4,
    };
    earns(&[Faults {
        limited: of_all(limit),
        ..Faults::default()
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_earned_although_one_of_two_nodes_lags_and_the_other_hides_logs() {
    let lags = Faults {
        behind: 3,
        ..Faults::default()
    };
    let hides = Faults {
        truncated_logs: true,
        ..Faults::default()
    };
    earns(&[lags, hides]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_earned_although_answers_to_broadcasts_are_lost() {
    let lost = ("eth_sendRawTransaction".to_owned(), Words::GatewayTimeout);
    earns(&[Faults {
        lost_answers: BTreeMap::from([lost]),
        ..Faults::default()
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_although_a_node_knows_no_receipt_any_more() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let node = Proxy::start(scene.net.anvil.url()).await.unwrap();
    let mut config = scene.config(2);
    config.chains[0].rpc_urls = vec![node.url().parse().unwrap()];
    config.chains[0].policy.try_seconds = 0;
    // Nothing is final while the node lies.
    config.chains[0].timing.confirmations = 40;
    let executor = Executor::start(config).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "2000"], 2)).await;
    status_says(&executor, "tasks run", |status| status.running_tasks > 0).await;
    node.set(Faults {
        null_receipts: true,
        ..Faults::default()
    });
    // New blocks make the sender look again.
    scene.net.provider.anvil_mine(Some(3), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.net.provider.anvil_mine(Some(1), None).await.unwrap();
    status_says(&executor, "the work is done", |status| {
        status.leases.iter().any(|lease| lease.tasks_done == 2)
    })
    .await;
    node.set(Faults::default());
    eventually("a result", async || {
        scene.count(job, "Submitted").await == 1
    })
    .await;
    scene.net.provider.anvil_mine(Some(60), None).await.unwrap();
    scene.settled(job, 1).await;
    assert_eq!(scene.free_stake(provider).await, PURSE);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_hides_of_a_held_seat_is_found_while_there_is_time_to_open_it() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let node = Proxy::start(scene.net.anvil.url()).await.unwrap();
    let mut config = scene.config(2);
    config.chains[0].rpc_urls = vec![node.url().parse().unwrap()];
    let blind = Executor::start(config).await.unwrap();
    let _mining = scene.keep_mining();
    let job = scene
        .post_redundant(&scene.spec(&["nap", "10"], 1), |_| {})
        .await;
    eventually("the first seat is taken", || async {
        scene.count(job, "Committed").await == 1
    })
    .await;
    // Its only node loses what the others do, in all its places.
    node.set(Faults {
        hidden_logs: true,
        lost_answers: BTreeMap::from([("eth_getBlockReceipts".to_owned(), Words::InternalError)]),
        ..Faults::default()
    });
    let others = scene.executors([3, 4]).await;
    eventually("the others have opened", || async {
        scene.count(job, "Opened").await >= 2
    })
    .await;
    node.set(Faults::default());
    scene.settled(job, 1).await;
    let ends = scene.ends(job).await;
    assert!(
        ends.iter().all(|(end, ..)| *end == IMarket::SeatEnd::Paid),
        "{ends:?}"
    );
    for executor in others.into_iter().chain([blind]) {
        executor.stop().await.unwrap();
    }
}
