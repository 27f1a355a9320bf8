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
    /// Posts a job of three seats, two of which decide.
    pub(crate) async fn post_redundant(
        &self,
        spec: &JobSpec,
        change: impl FnOnce(&mut IMarket::Job),
    ) -> B256 {
        self.post_with(spec, |job| {
            (job.assurance.replicas, job.assurance.quorum) = (3, 2);
            job.terms.maxLease = job.terms.maxLease.min(job.terms.tasks);
            job.terms.minLease = job.terms.maxLease;
            change(job);
        })
        .await
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
            .ask(IMarket::profileOfCall { provider })
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

    /// Each provider's list of digests, as it was opened.
    async fn lists(&self, job: B256) -> Vec<(Address, B256)> {
        let market = self.net.contract();
        let mut lists = Vec::new();
        for at in self.events(job).await {
            let MarketEvent::Opened(opened) = at.event else {
                continue;
            };
            for index in 2..7 {
                let provider = self.net.key(index).address();
                let state = market
                    .ask(IMarket::providerOfCall { provider })
                    .call()
                    .await
                    .unwrap();
                if state.number == opened.number {
                    lists.push((provider, opened.proof));
                }
            }
        }
        lists
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
    let _mining = scene.keep_mining();
    let job = scene
        .post_redundant(&scene.spec(&["nap", "300"], 6), |_| {})
        .await;
    scene.settled(job, 2).await;
    let paid = (IMarket::SeatEnd::Paid, PAID, 0);
    let mut ends = scene.ends(job).await;
    ends.sort_by_key(|end| std::cmp::Reverse(end.1));
    assert_eq!(ends[..3], [paid; 3]);
    assert_eq!(ends[3..], [(IMarket::SeatEnd::Paid, PAID / 2, 0); 3]);
    // Short work is done first: the commitment takes the seat. Every act once, and the last openings settled.
    for (name, times) in [
        ("Joined", 0),
        ("Committed", 6),
        ("Opened", 6),
        ("Settled", 2),
    ] {
        assert_eq!(scene.count(job, name).await, times, "{name}");
    }
    let events = scene.events(job).await;
    let in_tx = |name: &str| {
        let named = events.iter().filter(|at| at.event.name() == name);
        named.map(|at| at.tx_hash).collect::<Vec<_>>()
    };
    let openings = in_tx("Opened");
    assert!(in_tx("Settled").iter().all(|tx| openings.contains(tx)));
    for provider in &providers {
        assert_eq!(scene.free_stake(*provider).await, PURSE);
        let market = scene.net.contract();
        assert_eq!(
            market
                .ask(IMarket::balanceOfCall { account: *provider })
                .call()
                .await
                .unwrap(),
            PAID * 3 / 2
        );
    }
    // Each serves what it opened.
    for (provider, list) in scene.lists(job).await {
        let served = || scene.serves(provider, list);
        eventually("the outputs are served", served).await;
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_opening_it_opens_with_the_same_salt() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let daemon = Daemon::start(&scene, 2);
    let _mining = scene.keep_mining();
    let job = scene
        .post_redundant(&scene.spec(&["nap", "10"], 4), |_| {})
        .await;
    eventually("it has committed", || async {
        scene.count(job, "Committed").await == 1
    })
    .await;
    daemon.kill();
    let executors = scene.executors([3, 4]).await;
    eventually("the others have opened", || async {
        scene.count(job, "Opened").await == 2
    })
    .await;
    // Nobody serves an output before the lease is settled: it could be copied.
    for (provider, list) in scene.lists(job).await {
        assert!(!scene.serves(provider, list).await);
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
    let _mining = scene.keep_mining();
    // Too long to be done before the seats are taken.
    let mut spec = scene.spec(&["nap", "1000"], 2);
    spec.resources.timeout_seconds = 60;
    let job = scene.post_redundant(&spec, |_| {}).await;
    for (name, depth) in [("Joined", 1), ("Committed", 2), ("Opened", 1)] {
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
    let _mining = scene.keep_mining();
    let job = scene
        .post_redundant(&quick(&scene, 4), |job| job.timing.runWindow = 20)
        .await;
    eventually("both have committed", || async {
        scene.count(job, "Committed").await == 2
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.count(job, "Opened").await, 0);
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
    let spec = scene.spec(&["nap", "10"], 4);
    let mut posted = None;
    let id = scene
        .post_redundant(&spec, |job| posted = Some(job.clone()))
        .await;
    let job = posted.unwrap();
    let market = scene.net.contract();
    let point = market
        .ask(IMarket::jobOfCall { jobId: id })
        .call()
        .await
        .unwrap()
        .point;
    let mining = scene.keep_mining();
    scene.net.publish_seed(point).await;
    let (value, proof, salt) = (
        B256::repeat_byte(1),
        B256::repeat_byte(3),
        B256::repeat_byte(2),
    );
    let number = market
        .ask(IMarket::providerOfCall { provider })
        .call()
        .await
        .unwrap()
        .number;
    let commitment = market.ask(IMarket::commitmentOfCall {
        jobId: id,
        first: 0,
        round: 1,
        kind: 0,
        number,
        value,
        proof,
        salt,
    });
    let commit = IMarket::commitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider,
        commitment: commitment.call().await.unwrap(),
    };
    eventually("it is drawn", || async {
        wrong.call(scene.net.market, &commit).await.is_ok()
    })
    .await;
    // The first to commit is let open first.
    let executors = scene.executors([2, 3]).await;
    eventually("all have committed", || async {
        scene.count(id, "Committed").await == 3
    })
    .await;
    let settle = IMarket::settleCall {
        job,
        first: 0,
        round: 1,
        openings: vec![IMarket::Opening {
            number,
            value,
            proof,
            salt,
        }],
    };
    wrong.call(scene.net.market, &settle).await.unwrap();
    drop(mining);
    scene.settled(id, 1).await;
    let paid = (IMarket::SeatEnd::Paid, PAID, 0);
    let outvoted = (IMarket::SeatEnd::Outvoted, 0, BOND);
    assert_eq!(scene.ends(id).await, [paid, paid, outvoted]);
    assert_eq!(scene.free_stake(provider).await, PURSE - BOND);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draw_whose_point_is_dead_gets_another_one() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let spec = scene.spec(&["nap", "10"], 2);
    let job = scene.post_redundant(&spec, |_| {}).await;
    // Nobody published its seed while the chain remembered it.
    scene.mine(300).await;
    let _mining = scene.keep_mining();
    let executors = scene.executors([2, 3, 4]).await;
    eventually("the point is renewed", || async {
        scene.count(job, "PointSet").await == 1
    })
    .await;
    scene.settled(job, 1).await;
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_whose_round_does_not_begin_is_left_and_costs_nothing() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let _mining = scene.keep_mining();
    let executors = scene.executors([2]).await;
    let job = scene
        .post_redundant(&quick(&scene, 2), |job| job.timing.runWindow = 20)
        .await;
    eventually("it has a seat", || async {
        scene.free_stake(provider).await < PURSE
    })
    .await;
    // Nobody else comes.
    eventually("it leaves", || async {
        scene.count(job, "SeatLeft").await == 1
    })
    .await;
    assert_eq!(scene.free_stake(provider).await, PURSE);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}
