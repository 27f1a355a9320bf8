//! Draws and audits whose seeds are drand's rounds.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, B256},
    rpc::types::Filter,
    sol_types::SolEvent as _,
};
use piecework::{
    chain::{
        DrandBeacon, IMarket,
        beacon::{Beacon, BeaconKind},
        drand::Endpoints,
    },
    devnet::{DrandOptions, DrandSigner},
};

use crate::{
    net::{Net, PURSE},
    scene::{Scene, eventually},
};

/// How long nothing may happen while drand is gone.
const GONE: Duration = Duration::from_secs(6);

impl Scene {
    async fn with_drand() -> (Self, DrandSigner) {
        let signer = DrandSigner::start(&DrandOptions::now(1)).await.unwrap();
        let net = Net::start_with(31_337, Some(&signer)).await;
        (Self::around(net).await, signer)
    }

    async fn beacon(&self) -> Beacon {
        let beacon = Beacon::probe(self.net.provider.clone(), self.net.market).await;
        beacon.unwrap()
    }

    /// The rounds that were published, with their seeds.
    async fn published(&self) -> Vec<(u64, B256)> {
        let filter = Filter::new()
            .address(self.beacon().await.address())
            .event_signature(DrandBeacon::Published::SIGNATURE_HASH)
            .from_block(0);
        use alloy::providers::Provider as _;
        let logs = self.net.provider.get_logs(&filter).await.unwrap();
        let decode = |log| DrandBeacon::Published::decode_log(log).unwrap().data;
        let rounds = logs.iter().map(|log| decode(&log.inner));
        rounds.map(|event| (event.round, event.seed)).collect()
    }

    /// Each seed is what the signer signs for its round.
    async fn check_seeds(&self, signer: &DrandSigner) {
        let published = self.published().await;
        assert!(!published.is_empty());
        assert_eq!(self.beacon().await.kind(), BeaconKind::Drand);
        let urls = [signer.url().unwrap()];
        let drand = Endpoints::new(signer.beacon().key, &urls).unwrap();
        for (round, seed) in published {
            assert_eq!(drand.round(round).await.unwrap().randomness(), seed);
        }
    }

    /// The signer stops; nothing is published and nobody is drawn until it is back.
    async fn without_drand(&self, signer: &mut DrandSigner, job: B256, undone: &[&str]) {
        signer.stop().await;
        let before = self.published().await;
        let started = Instant::now();
        while started.elapsed() < GONE {
            for name in undone {
                assert_eq!(self.count(job, name).await, 0, "{name}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(self.published().await, before);
        signer.resume().await.unwrap();
    }

    async fn stake_all<const N: usize>(&self, indices: [usize; N]) -> Vec<Address> {
        let mut providers = Vec::new();
        for index in indices {
            providers.push(self.net.stake(index).await);
        }
        providers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redundant_job_is_drawn_by_drand_and_waits_while_it_is_gone() {
    let (scene, mut signer) = Scene::with_drand().await;
    let providers = scene.stake_all([2, 3, 4]).await;
    let executors = scene.executors([2, 3, 4]).await;
    let _mining = scene.keep_mining();
    let spec = scene.spec(&["nap", "100"], 4);
    let job = scene.post_redundant(&spec, |_| {}).await;
    scene.settled(job, 1).await;
    scene.check_seeds(&signer).await;

    let job = scene.post_redundant(&spec, |_| {}).await;
    let undone = ["Joined", "Committed"];
    scene.without_drand(&mut signer, job, &undone).await;
    scene.settled(job, 1).await;
    let ends = scene.ends(job).await;
    assert!(ends.iter().all(|end| end.0 == IMarket::SeatEnd::Paid));
    assert_eq!(ends.len(), 3);
    scene.check_seeds(&signer).await;
    for provider in providers {
        assert_eq!(scene.free_stake(provider).await, PURSE);
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_drawn_by_drand_and_waits_while_it_is_gone() {
    let (scene, mut signer) = Scene::with_drand().await;
    scene.stake_all([2, 3, 4, 5]).await;
    let executors = scene.executors([2, 3, 4, 5]).await;
    let _mining = scene.keep_mining();
    let spec = scene.spec(&["nap", "100"], 2);
    let (_, job) = scene.post_audited_always(&spec, |_| {}).await;
    let verdict = scene.verdict(job, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Acquitted);
    scene.check_seeds(&signer).await;

    let (_, job) = scene.post_audited_always(&spec, |_| {}).await;
    eventually("a result is submitted", || async {
        scene.count(job, "Submitted").await == 1
    })
    .await;
    let undone = ["AuditOpened", "Settled"];
    scene.without_drand(&mut signer, job, &undone).await;
    let verdict = scene.verdict(job, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Acquitted);
    scene.check_seeds(&signer).await;
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_delays_nothing_else() {
    let (mut scene, signer) = Scene::with_drand().await;
    // It takes connections, and says nothing. All of them together keep whoever asks waiting for 30 seconds.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |path| format!("http://{}/{path}", silent.local_addr().unwrap());
    scene.net.drand_urls = (0..10).map(url).collect();
    scene.stake_all([2, 3, 4]).await;
    let executors = scene.executors([2, 3, 4]).await;
    let _mining = scene.keep_mining();
    // Its draw waits for a seed that cannot be had.
    let spec = scene.spec(&["nap", "100"], 4);
    let stuck = scene.post_redundant(&spec, |_| {}).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let started = Instant::now();
    let job = scene.post(&spec).await;
    scene.settled(job, 1).await;
    let took = started.elapsed();
    assert_eq!(scene.published().await, []);
    assert_eq!(scene.count(stuck, "Joined").await, 0);
    assert!(took < Duration::from_secs(20), "{took:?}");
    drop(signer);
    // A stop does not wait for it either.
    let started = Instant::now();
    for executor in executors {
        executor.stop().await.unwrap();
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}
