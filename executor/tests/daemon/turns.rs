//! Clients take turns: who has much work does not make another one wait for all of it.

use alloy::primitives::B256;
use piecework::chain::{EventAt, IMarket, Sender};
use piecework_executor::Executor;

use crate::scene::{Scene, eventually};

/// The other client's account.
const OTHER: usize = 5;
/// Tasks that the machine runs at the same time.
const BESIDE: u32 = 2;
/// The most leases of the map that are taken before a job that was posted later: those whose claims are on their way when
/// it is posted, and those that take the places that come free while its image is made ready.
const MOST: usize = 2 * BESIDE as usize;

/// Deposits everything the other client has.
async fn other_client(scene: &Scene) -> Sender {
    let client = scene.net.approve_purse(OTHER).await;
    let deposit = IMarket::depositCall {
        account: client.address(),
        amount: crate::net::PURSE,
    };
    client.call(scene.net.market, &deposit).await.unwrap();
    client
}

/// Posts a job of one task, which pays a little less than the map.
async fn urgent(scene: &Scene, client: &Sender) -> B256 {
    let spec = scene.spec(&["nap", "100"], 1);
    let bytes = spec.to_bytes().unwrap();
    let mut job = scene.net.job(client.address(), &bytes, 1, 1).await;
    (job.price.minPrice, job.price.maxPrice) = (90, 90);
    scene.net.post(client, &job, &bytes).await
}

/// The places of events of this name in the chain.
fn places(events: &[EventAt], name: &str) -> Vec<(u64, u64)> {
    let named = events.iter().filter(|at| at.event.name() == name);
    named.map(|at| (at.block, at.log_index)).collect()
}

/// A map of so many tasks beside jobs of another client, one after another, each posted when so many more of the map's
/// leases are claimed.
async fn a_later_job_has_its_turn(tasks: u32, posts: u32) {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let client = other_client(&scene).await;
    let mut config = scene.config(2);
    (config.capacity.tasks, config.capacity.lease_tasks) = (BESIDE, 1);
    let executor = Executor::start(config).await.unwrap();
    let map = scene.post(&scene.spec(&["nap", "100"], tasks)).await;
    for _ in 0..posts {
        let begun = scene.count(map, "Claimed").await + 10;
        eventually("the map is on its way", || async {
            scene.count(map, "Claimed").await >= begun
        })
        .await;
        let job = urgent(&scene, &client).await;
        let posted = places(&scene.events(job).await, "Posted")[0];
        let later = async |name| {
            let places = places(&scene.events(map).await, name);
            places.into_iter().filter(|at| *at > posted).count()
        };
        eventually("it is claimed, or the map had its place", || async {
            scene.count(job, "Claimed").await == 1 || later("Claimed").await > MOST
        })
        .await;
        // Of the chain, not of a clock: so many of the map's were claimed, and ended, between its posting and its own.
        let before = async |name| {
            let end = places(&scene.events(job).await, name).first().copied();
            let places = places(&scene.events(map).await, name);
            let within = |at: &&(u64, u64)| **at > posted && end.is_none_or(|end| **at < end);
            places.iter().filter(within).count()
        };
        let (claims, left) = (before("Claimed").await, tasks - 1 - begun as u32);
        assert!(claims <= MOST, "{claims} leases of the map came first");
        scene.settled(job, 1).await;
        let ended = before("Submitted").await;
        eprintln!(
            "turns: {claims} claims of the map came before the job's, {ended} results, {left} tasks were left"
        );
        assert!(ended <= 2 * MOST, "{ended} results of the map came first");
    }
    let claimed = scene.count(map, "Claimed").await;
    assert!(
        claimed < tasks as usize,
        "the map was over: it kept nobody waiting"
    );
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_later_task_of_another_client_does_not_wait_for_a_map() {
    a_later_job_has_its_turn(200, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test-deep` runs it"]
async fn ten_later_tasks_do_not_wait_for_a_map_of_thousands() {
    a_later_job_has_its_turn(2_000, 10).await;
}
