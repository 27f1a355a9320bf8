//! Redundant jobs from the client's side: a real anvil, and providers that are driven by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::providers::Provider as _;
use common::{Devnet, Provider, TOKEN, files, job, ticking};
use futures::StreamExt as _;
use piecework::chain::IMarket::{How, Phase, SeatEnd};
use piecework::digest::Digest;
use piecework::digest::manifest::ResultManifest;
use piecework::market::{Basis, Cause, Level, Step};
use piecework::{Error, Run};

const SOON: Duration = Duration::from_secs(90);

async fn three(devnet: &Devnet) -> [Provider; 3] {
    [
        Provider::start(devnet, 2).await,
        Provider::start(devnet, 3).await,
        Provider::start(devnet, 4).await,
    ]
}

async fn panel(providers: &[Provider]) -> Vec<u32> {
    let mut panel = Vec::new();
    for provider in providers {
        panel.push(provider.number().await);
    }
    panel.sort_unstable();
    panel
}

/// Root and manifest of honest results.
fn honest(provider: &Provider, tasks: std::ops::Range<u32>) -> (B256, Digest) {
    let results: Vec<_> = tasks.clone().map(|task| provider.result(task)).collect();
    provider.publish(tasks.start, &results)
}

fn cheat(provider: &Provider, tasks: std::ops::Range<u32>) -> (B256, Digest) {
    let results: Vec<_> = tasks.clone().map(|_| ResultManifest::timeout()).collect();
    provider.publish(tasks.start, &results)
}

fn step(watched: &[Step], wanted: impl Fn(&Step) -> bool) -> bool {
    watched.iter().any(wanted)
}

async fn steps(run: Run) -> Vec<Step> {
    let steps = run.progress().map(|progress| progress.unwrap().step);
    steps.collect().await
}

#[tokio::test]
async fn a_cheat_is_outvoted_a_silent_seat_slashed_and_the_client_told_why() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let [ada, blaise, carl] = &providers;
    let quote = client
        .quote(&job(4).redundancy(3).agree(2).max_lease(2))
        .await
        .unwrap();
    assert_eq!((quote.escrow, quote.bond), (12 * TOKEN, (TOKEN, 2 * TOKEN)));
    let run = client
        .submit(job(4).redundancy(3).agree(2).max_lease(2))
        .await
        .unwrap();
    let level = Level::Redundant {
        replicas: 3,
        quorum: 2,
    };
    assert_eq!((run.level(), run.escrow()), (level, 12 * TOKEN));

    // The client seals the draw itself: nobody else does.
    let watched = tokio::spawn(steps(run.clone()));

    // Lease 0: carl cheats. Ada commits, but does not serve what she computed.
    let (root, _) = honest(blaise, 0..2);
    let (wrong, wrong_manifest) = cheat(carl, 0..2);
    let manifest = honest(blaise, 0..2).1;
    let held = [
        ada.commit(&run, 0, root).await,
        blaise.commit(&run, 0, root).await,
        carl.commit(&run, 0, wrong).await,
    ];
    let error = run.fetch_task(0, "nowhere").await.unwrap_err();
    assert!(error.to_string().contains("committed"), "{error}");
    carl.reveal(&run, 0, &held[2], wrong_manifest, Vec::new())
        .await;
    ada.reveal(&run, 0, &held[0], manifest, Vec::new()).await;
    blaise
        .reveal(&run, 0, &held[1], manifest, panel(&providers).await)
        .await;

    // Lease 2: carl commits and is silent. Nobody settles it but the client.
    let (root, manifest) = honest(blaise, 2..4);
    let held = [
        ada.commit(&run, 2, root).await,
        blaise.commit(&run, 2, root).await,
    ];
    carl.commit(&run, 2, wrong).await;
    ada.reveal(&run, 2, &held[0], manifest, Vec::new()).await;
    blaise.reveal(&run, 2, &held[1], manifest, Vec::new()).await;
    devnet.pass(31 + 10).await;

    let done = run.wait_for(SOON).await.unwrap();
    let watched = watched.await.unwrap();
    assert!(step(&watched, |step| *step == Step::Sealed));
    assert!(step(&watched, |step| matches!(
        step,
        Step::SeatClosed { provider, end: SeatEnd::Outvoted, burned, .. }
            if *provider == carl.address && *burned == 2 * TOKEN
    )));
    assert!(step(&watched, |step| matches!(
        step,
        Step::Settled { providers, first: 0, how: How::Quorum, paid, .. }
            if providers == &[ada.address, blaise.address] && *paid == 4 * TOKEN
    )));
    assert_eq!(done.tally().settled, 4);
    assert_eq!(done.view().money(), (8 * TOKEN, 0, 4 * TOKEN));
    let ends = |first: u32| {
        let seats = done.view().leases[&first].seats.iter();
        seats.map(|seat| seat.end).collect::<Vec<_>>()
    };
    assert_eq!(ends(0), [SeatEnd::Paid, SeatEnd::Paid, SeatEnd::Outvoted]);
    assert_eq!(ends(2), [SeatEnd::Paid, SeatEnd::Paid, SeatEnd::Silent]);
    assert_eq!(carl.staked().await, 500 * TOKEN - 4 * TOKEN);

    // Ada serves nothing; the client takes the results from blaise.
    let dir = tempfile::tempdir().unwrap();
    let got = done.download(dir.path().join("out")).await.unwrap();
    assert_eq!(got.tasks.len(), 4);
    for result in &got.tasks {
        assert_eq!(result.provider, blaise.address);
        assert_eq!(result.basis, Basis::Final(How::Quorum));
    }
    assert_eq!(files(&dir.path().join("out"))["3/out/sub/tile"], b"tile 3");

    // Why, from the chain alone.
    let told = devnet.market(1).await.attach(run.id()).await.unwrap();
    let told = told.explain(None).await.unwrap();
    assert_eq!(told.len(), 2);
    let lost = |lease: usize| {
        let entry = told[lease].entries.iter().find(|entry| entry.lost > 0);
        entry.unwrap().clone()
    };
    let outvoted = lost(0);
    assert_eq!(
        (
            outvoted.account,
            outvoted.lost,
            outvoted.cause,
            outvoted.value
        ),
        (
            Some(carl.address),
            2 * TOKEN,
            Some(Cause::LostQuorum),
            Some(wrong)
        )
    );
    for part in ["2 of 3 revealed", "a quorum is 2", "burned", "P-05"] {
        assert!(outvoted.text.contains(part), "{}", outvoted.text);
    }
    assert!(outvoted.time > 0 && outvoted.block > 0);
    assert_eq!(lost(1).cause, Some(Cause::WithheldReveal));
    assert!(told[0].outcome.contains("settled (Quorum)"), "{told:?}");
}

#[tokio::test]
async fn without_a_quorum_the_client_is_refunded_and_has_no_result() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let run = client
        .submit(job(2).redundancy(3).max_lease(2).bond(10 * TOKEN))
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.wait_for(SOON).await }
    });
    let mut held = Vec::new();
    for (number, provider) in (1..).zip(&providers) {
        held.push(provider.commit(&run, 0, B256::repeat_byte(number)).await);
    }
    for (held, provider) in held.iter().zip(&providers) {
        let panel = match provider.address == providers[2].address {
            true => panel(&providers).await,
            false => Vec::new(),
        };
        provider.reveal(&run, 0, held, Digest::of(b""), panel).await;
    }
    let done = waiting.await.unwrap().unwrap();
    assert_eq!(
        (done.tally().refunded, done.view().money().2),
        (2, 6 * TOKEN)
    );
    let dir = tempfile::tempdir().unwrap();
    let got = done.download(dir.path().join("out")).await.unwrap();
    assert_eq!((got.tasks.len(), got.refunded), (0, 6 * TOKEN));
    assert_eq!(got.missing, std::iter::once(0..2).collect::<Vec<_>>());
    let error = run.fetch_task(1, dir.path()).await.unwrap_err();
    assert!(error.to_string().contains("did not agree"), "{error}");

    let told = run.explain(Some(0)).await.unwrap();
    assert!(told[0].outcome.contains("without a quorum"), "{told:?}");
    let slashed = told[0].entries.iter().filter(|entry| entry.lost > 0);
    let slashed: Vec<_> = slashed.map(|entry| (entry.lost, entry.cause)).collect();
    // A tenth of 20 tokens each.
    assert_eq!(slashed, [(2 * TOKEN, Some(Cause::LostQuorum)); 3]);
    assert!(run.explain(Some(1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn too_few_commitments_free_the_lease_and_a_cancelled_job_is_refunded_whole() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let run = client
        .submit(
            job(5)
                .redundancy(3)
                .max_lease(2)
                .resources(piecework::spec::Resources {
                    timeout_seconds: 5,
                    ..Default::default()
                })
                .run_window(20),
        )
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.wait_for(SOON).await }
    });
    providers[0].commit(&run, 2, B256::repeat_byte(1)).await;
    // 8 s to draw and 20 s to run, and the others' grace.
    devnet.pass(28 + 11).await;
    let mut view = run.status().await.unwrap();
    while view.leases[&2].phase != Phase::Free {
        tokio::time::sleep(Duration::from_millis(200)).await;
        view = run.status().await.unwrap();
    }
    assert_eq!(view.leases[&2].seats[0].end, SeatEnd::Released);
    assert_eq!(view.untaken(), [0..2, 4..5]);
    assert_eq!(providers[0].staked().await, 500 * TOKEN);

    run.cancel().await.unwrap();
    let done = waiting.await.unwrap().unwrap();
    assert_eq!(
        (done.tally().refunded, done.view().money().2),
        (5, 15 * TOKEN)
    );
    let ledger = client.balances(client.account().unwrap()).await.unwrap();
    assert_eq!(ledger.ledger, 15 * TOKEN);
    let told = run.explain(Some(2)).await.unwrap();
    let texts: Vec<_> = told[0].entries.iter().map(|entry| &entry.text).collect();
    assert!(
        texts
            .iter()
            .any(|text| text.contains("only 1 of 3 seats committed")),
        "{texts:?}"
    );
    assert!(texts.last().unwrap().contains("cancelled"), "{texts:?}");
}

#[tokio::test]
async fn levels_that_make_no_sense_are_refused_before_anything_is_sent() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    let before = devnet.provider.get_block_number().await.unwrap();
    for (bad, code) in [
        (job(1).agree(2), "level-quorum-alone"),
        (job(1).redundancy(4).agree(2), "level-quorum"),
        (job(1).redundancy(16), "level-replicas"),
        (
            job(1).redundancy(3).challenge_window(9),
            "level-window-without-dispute",
        ),
        (
            job(1).redundancy(3).verified_by(Address::repeat_byte(1)),
            "level-verifier-and-replicas",
        ),
        (job(1).only_providers(B256::ZERO), "level-zero-list"),
    ] {
        let error = client.submit(bad).await.unwrap_err();
        assert!(matches!(&error, Error::Level(_)), "{error}");
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("Nothing was posted"), "{error}");
    }
    // Three times the price of an optimistic one: more than the client has.
    let error = client.submit(job(400).redundancy(3)).await.unwrap_err();
    assert!(
        matches!(error, Error::InsufficientFunds { need, .. } if need == 1_200 * TOKEN),
        "{error}"
    );
    assert_eq!(devnet.provider.get_block_number().await.unwrap(), before);
}
