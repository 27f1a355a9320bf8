//! Clients take turns: who has much work does not make another one wait for all of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::primitives::B256;
use piecework::{
    chain::{EventAt, IMarket, Sender},
    digest::{Digest, OciDigest},
};
use piecework_executor::Executor;

use crate::scene::{Scene, eventually};

/// The other client's account.
const OTHER: usize = 5;
/// Tasks that the machine runs at the same time.
const BESIDE: u32 = 2;
/// What a task of the map pays.
const PRICE: u128 = 100;
/// The most leases of the map that are taken before a job that was posted later: those whose claims are on their way when
/// it is posted, and those that take the places that come free while its image is made ready, which takes long on a busy
/// machine. Without turns all of the map comes first.
const MOST: usize = 5 * BESIDE as usize;

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

/// A map of many tasks.
#[derive(Clone, Copy, Debug)]
struct Map {
    tasks: u32,
    /// Tasks in a lease.
    lease: u32,
}

/// Posts a job of one task, which pays so much.
async fn later(scene: &Scene, client: &Sender, price: u128) -> B256 {
    let spec = scene.spec(&["nap", "100"], 1);
    let bytes = spec.to_bytes().unwrap();
    let mut job = scene.net.job(client.address(), &bytes, 1, 1).await;
    (job.price.minPrice, job.price.maxPrice) = (price, price);
    scene.net.post(client, &job, &bytes).await
}

/// The places of events of this name in the chain.
fn places(events: &[EventAt], name: &str) -> Vec<(u64, u64)> {
    let named = events.iter().filter(|at| at.event.name() == name);
    named.map(|at| (at.block, at.log_index)).collect()
}

/// Jobs of another client beside a map, one after another, each posted when more of the map's leases are claimed. They pay
/// less: nothing but its turn brings a job forward.
async fn a_later_job_has_its_turn(map: Map, posts: u32) {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let client = other_client(&scene).await;
    let mut config = scene.config(2);
    (config.capacity.tasks, config.capacity.lease_tasks) = (BESIDE, map.lease);
    let executor = Executor::start(config).await.unwrap();
    let spec = scene.spec(&["nap", "100"], map.tasks);
    let large = scene
        .post_with(&spec, |job| job.terms.maxLease = map.lease)
        .await;
    for _ in 0..posts {
        let begun = scene.count(large, "Claimed").await + 10usize.div_ceil(map.lease as usize);
        eventually("the map is on its way", || async {
            scene.count(large, "Claimed").await >= begun
        })
        .await;
        let job = later(&scene, &client, PRICE - 10).await;
        let posted = places(&scene.events(job).await, "Posted")[0];
        // Of the chain, not of a clock: how many of the map's came between its posting and its own.
        let between = async |name| {
            let end = places(&scene.events(job).await, name).first().copied();
            let places = places(&scene.events(large).await, name);
            let within = |at: &&(u64, u64)| **at > posted && end.is_none_or(|end| **at < end);
            places.iter().filter(within).count()
        };
        eventually("it is claimed, or the map had its place", || async {
            scene.count(job, "Claimed").await == 1 || between("Claimed").await > MOST
        })
        .await;
        let claims = between("Claimed").await;
        assert!(claims <= MOST, "{claims} leases of the map came first");
        scene.settled(job, 1).await;
        let results = between("Submitted").await;
        let claimed = scene.count(large, "Claimed").await;
        eprintln!(
            "turns: {claims} claims and {results} results of the map came first; it had {claimed} leases then"
        );
        assert!(
            results <= 2 * MOST,
            "{results} results of the map came first"
        );
    }
    let claimed = scene.count(large, "Claimed").await;
    let leases = map.tasks.div_ceil(map.lease) as usize;
    assert!(claimed < leases, "the map was over: it kept nobody waiting");
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_task_of_another_client_does_not_wait_for_a_map() {
    let map = Map {
        tasks: 200,
        lease: 1,
    };
    a_later_job_has_its_turn(map, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test-deep` runs it"]
async fn ten_later_tasks_do_not_wait_for_a_map_of_thousands() {
    let map = Map {
        tasks: 2_000,
        lease: 1,
    };
    a_later_job_has_its_turn(map, 10).await;
}

/// A client whose lease takes the whole machine holds nothing when it is over: it was served last all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_task_does_not_wait_for_leases_that_fill_the_machine() {
    let map = Map {
        tasks: 200,
        lease: 4,
    };
    a_later_job_has_its_turn(map, 1).await;
}

/// A source that takes connections and never answers.
async fn silent_source() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            held.push(socket);
        }
    });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_images_never_come_holds_one_place_and_delays_no_other_client() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let client = other_client(&scene).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let (url, asked) = silent_source().await;
    for number in 0..6u8 {
        let mut spec = scene.spec(&["nap", "10"], 1);
        // An archive of its own, which nobody has.
        spec.image.archive = Some(Digest::of(&[number]));
        spec.image.manifest = OciDigest([number; 32]);
        spec.sources = vec![url.parse().unwrap()];
        scene.post(&spec).await;
    }
    eventually("the first image is asked for", || async {
        asked.load(Ordering::SeqCst) > 0
    })
    .await;
    let job = later(&scene, &client, PRICE).await;
    scene.settled(job, 1).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Nor does the source delay a stop.
    let stopped = tokio::time::timeout(Duration::from_secs(15), executor.stop()).await;
    stopped.unwrap().unwrap();
}
