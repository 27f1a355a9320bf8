use std::time::Duration;

use alloy::{
    primitives::{Address, B256},
    providers::ext::AnvilApi as _,
};
use piecework::{
    blobs::{HttpClient, HttpPolicy, fetch_bytes},
    chain::{IMarket, MarketEvent},
    digest::Digest,
    spec::JobSpec,
};
use piecework_executor::Executor;

use crate::{
    crash::Daemon,
    net::PURSE,
    reorg::reorg,
    scene::{Scene, eventually},
};

/// What a seat of four tasks earns: 100 each, less the fee of 2 %.
const PAID: u128 = 392;
/// The bond of a seat of four tasks.
const BOND: u128 = 800;

impl Scene {
    /// Posts a job of three seats, two of which decide, and makes the block that seeds its draws.
    pub(crate) async fn post_redundant(
        &self,
        spec: &JobSpec,
        change: impl FnOnce(&mut IMarket::Job),
    ) -> B256 {
        let job = self
            .post_with(spec, |job| {
                (job.terms.replicas, job.terms.quorum) = (3, 2);
                change(job);
            })
            .await;
        self.mine(3).await;
        job
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        let anvil = &self.net.provider;
        anvil.anvil_mine(Some(blocks), None).await.unwrap();
    }

    pub(crate) async fn executors<const N: usize>(&self, indices: [usize; N]) -> Vec<Executor> {
        let mut executors = Vec::new();
        for index in indices {
            executors.push(Executor::start(self.config(index)).await.unwrap());
        }
        executors
    }

    /// How each seat ended, what it was paid and what was burned, in the order of providers' numbers.
    pub(crate) async fn ends(&self, job: B256) -> Vec<(IMarket::SeatEnd, u128, u128)> {
        let closed = |event| match event {
            MarketEvent::SeatClosed(event) => Some((event.end, event.paid, event.burned)),
            _ => None,
        };
        let events = self.events(job).await.into_iter();
        events.filter_map(|at| closed(at.event)).collect()
    }

    /// Whether a provider serves a blob.
    async fn serves(&self, provider: Address, digest: B256) -> bool {
        let profile = self
            .net
            .contract()
            .profileOf(provider)
            .call()
            .await
            .unwrap();
        let policy = HttpPolicy {
            allow_private: true,
            ..HttpPolicy::default()
        };
        let source = HttpClient::new(&policy)
            .unwrap()
            .source(&profile.endpoint.parse().unwrap())
            .unwrap();
        fetch_bytes(&source, Digest(digest.0), 1 << 20)
            .await
            .is_ok()
    }

    async fn reveals(&self, job: B256) -> Vec<IMarket::Revealed> {
        let revealed = |event| match event {
            MarketEvent::Revealed(event) => Some(event),
            _ => None,
        };
        let events = self.events(job).await.into_iter();
        events.filter_map(|at| revealed(at.event)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_drawn_executors_agree_are_all_paid_and_serve_the_outputs() {
    let scene = Scene::new().await;
    let mut providers = Vec::new();
    for index in [2, 3, 4] {
        providers.push(scene.net.stake(index).await);
    }
    let executors = scene.executors([2, 3, 4]).await;
    let job = scene
        .post_redundant(&scene.spec(&["nap", "300"], 6), |_| {})
        .await;
    scene.settled(job, 2).await;
    let paid = (IMarket::SeatEnd::Paid, PAID, 0);
    let mut ends = scene.ends(job).await;
    ends.sort_by_key(|end| std::cmp::Reverse(end.1));
    assert_eq!(ends[..3], [paid; 3]);
    assert_eq!(ends[3..], [(IMarket::SeatEnd::Paid, PAID / 2, 0); 3]);
    // Sealed once, every act once, and the last reveals settled.
    for (name, times) in [
        ("Sealed", 1),
        ("Joined", 6),
        ("Committed", 6),
        ("Revealed", 6),
        ("Settled", 2),
    ] {
        assert_eq!(scene.count(job, name).await, times, "{name}");
    }
    let events = scene.events(job).await;
    let in_tx = |name: &str| {
        let named = events.iter().filter(|at| at.event.name() == name);
        named.map(|at| at.tx_hash).collect::<Vec<_>>()
    };
    let reveals = in_tx("Revealed");
    assert!(in_tx("Settled").iter().all(|tx| reveals.contains(tx)));
    for provider in &providers {
        assert_eq!(scene.free_stake(*provider).await, PURSE);
        let market = scene.net.contract();
        assert_eq!(
            market.balanceOf(*provider).call().await.unwrap(),
            PAID * 3 / 2
        );
    }
    // Each serves what it revealed.
    for revealed in scene.reveals(job).await {
        let served = || scene.serves(revealed.provider, revealed.manifest);
        eventually("the outputs are served", served).await;
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_reveal_it_reveals_with_the_salt_it_had_stored() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let daemon = Daemon::start(&scene, 2);
    let job = scene
        .post_redundant(&scene.spec(&["nap", "10"], 4), |_| {})
        .await;
    eventually("it has committed", || async {
        scene.count(job, "Committed").await == 1
    })
    .await;
    daemon.kill();
    let executors = scene.executors([3, 4]).await;
    eventually("the others have revealed", || async {
        scene.count(job, "Revealed").await == 2
    })
    .await;
    // Nobody serves an output before the lease is settled: it could be copied.
    for revealed in scene.reveals(job).await {
        assert!(!scene.serves(revealed.provider, revealed.manifest).await);
    }
    assert_eq!(scene.count(job, "Settled").await, 0);
    let daemon = Daemon::start(&scene, 2);
    scene.settled(job, 1).await;
    assert_eq!(
        scene.ends(job).await,
        [(IMarket::SeatEnd::Paid, PAID, 0); 3]
    );
    assert_eq!(scene.count(job, "Committed").await, 3);
    daemon.terminate();
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_commitments_that_are_reorganized_away_come_back_and_settle() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let executors = scene.executors([2, 3, 4]).await;
    let job = scene
        .post_redundant(&scene.spec(&["nap", "1000"], 2), |_| {})
        .await;
    for (name, depth) in [("Joined", 1), ("Committed", 2), ("Revealed", 1)] {
        eventually(name, || async { scene.count(job, name).await >= 1 }).await;
        reorg(&scene, depth).await;
    }
    scene.settled(job, 1).await;
    let paid = (IMarket::SeatEnd::Paid, PAID / 2, 0);
    assert_eq!(scene.ends(job).await, [paid; 3]);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

/// A spec whose tasks may take so little time that a round is over soon.
fn quick(scene: &Scene, tasks: u32) -> JobSpec {
    let mut spec = scene.spec(&["nap", "10"], tasks);
    spec.resources.timeout_seconds = 5;
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_third_seat_empty_two_settle_when_the_time_for_it_is_over() {
    let scene = Scene::new().await;
    for index in [2, 3] {
        scene.net.stake(index).await;
    }
    let executors = scene.executors([2, 3]).await;
    let job = scene
        .post_redundant(&quick(&scene, 4), |job| job.timing.runWindow = 12)
        .await;
    eventually("both have committed", || async {
        scene.count(job, "Committed").await == 2
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.count(job, "Revealed").await, 0);
    scene.settled(job, 1).await;
    assert_eq!(
        scene.ends(job).await,
        [(IMarket::SeatEnd::Paid, PAID, 0); 2]
    );
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_result_is_outvoted_and_loses_its_bond() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let wrong = scene.net.sender(4);
    let provider = wrong.address();
    let executors = scene.executors([2, 3]).await;
    let spec = scene.spec(&["nap", "10"], 4);
    let mut posted = None;
    let id = scene
        .post_redundant(&spec, |job| posted = Some(job.clone()))
        .await;
    let job = posted.unwrap();
    eventually("the draws are sealed", || async {
        scene.count(id, "Sealed").await == 1
    })
    .await;
    let (root, salt) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let market = scene.net.contract();
    let commitment = market.commitmentOf(id, 0, 1, 0, provider, root, salt);
    let commit = IMarket::commitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider,
        commitment: commitment.call().await.unwrap(),
    };
    wrong.call(scene.net.market, &commit).await.unwrap();
    eventually("all have committed", || async {
        scene.count(id, "Committed").await == 3
    })
    .await;
    let reveal = IMarket::revealCall {
        job,
        first: 0,
        provider,
        root,
        manifest: B256::ZERO,
        salt,
        panel: vec![],
    };
    wrong.call(scene.net.market, &reveal).await.unwrap();
    scene.settled(id, 1).await;
    let paid = (IMarket::SeatEnd::Paid, PAID, 0);
    let outvoted = (IMarket::SeatEnd::Outvoted, 0, BOND);
    assert_eq!(scene.ends(id).await, [paid, paid, outvoted]);
    assert_eq!(scene.free_stake(provider).await, PURSE - BOND);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}
