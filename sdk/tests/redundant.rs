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
use alloy::providers::ext::AnvilApi as _;
use common::{Devnet, Provider, TOKEN, files, job, ticking};
use futures::StreamExt as _;
use piecework::chain::IMarket::{Grade, Phase, SeatEnd};
use piecework::digest::Digest;
use piecework::digest::manifest::ResultManifest;
use piecework::market::{Assurance, Basis, Cause, Step};
use piecework::spec::Resources;
use piecework::{Error, Job, Run};

const SOON: Duration = Duration::from_secs(90);

async fn three(devnet: &Devnet) -> [Provider; 3] {
    [
        Provider::start(devnet, 2).await,
        Provider::start(devnet, 3).await,
        Provider::start(devnet, 4).await,
    ]
}

/// A job of short tasks, so that every provider is drawn within seconds.
fn short(tasks: u32) -> Job {
    let resources = Resources {
        timeout_seconds: 5,
        ..Resources::default()
    };
    job(tasks)
        .redundant(3, 2)
        .resources(resources)
        .run_window(20)
}

/// Root and digest list of honest results.
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
    let steps = run
        .progress_with_upkeep()
        .map(|progress| progress.unwrap().step);
    steps.collect().await
}

#[tokio::test]
async fn a_cheat_is_outvoted_a_silent_seat_slashed_and_the_client_told_why() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let [ada, blaise, carl] = &providers;
    let wanted = || short(4).max_lease(2);
    let quote = client.quote(&wanted()).await.unwrap();
    assert_eq!((quote.escrow, quote.bond), (12 * TOKEN, (TOKEN, 2 * TOKEN)));
    let run = client.submit(wanted()).await.unwrap();
    assert_eq!(
        (run.assurance(), run.escrow()),
        (Assurance::redundant(3, 2), 12 * TOKEN)
    );
    let untouched = run.status().await.unwrap();
    assert_eq!(
        (untouched.leases.len(), untouched.untaken()),
        (1, Some(2..4))
    );

    // The client publishes the seed itself: nobody else does.
    let watched = tokio::spawn(steps(run.clone()));

    // Lease 0: carl cheats. Ada commits, but does not serve what she computed.
    let (root, list) = honest(blaise, 0..2);
    let (wrong, wrong_list) = cheat(carl, 0..2);
    let held = [
        ada.commit(&run, 0, root, list).await,
        blaise.commit(&run, 0, root, list).await,
        carl.commit(&run, 0, wrong, wrong_list).await,
    ];
    let error = run.fetch_task(0, "nowhere").await.unwrap_err();
    assert!(error.to_string().contains("quorum"), "{error}");
    // Carl opens alone; who opens last brings all.
    carl.open(&run, 0, &held[2..]).await;
    blaise.open(&run, 0, &held).await;

    // Lease 2 opened when lease 0 began. Carl commits and is silent. Nobody ends the round but the client.
    let (root, list) = honest(blaise, 2..4);
    let held = [
        ada.commit(&run, 2, root, list).await,
        blaise.commit(&run, 2, root, list).await,
        carl.commit(&run, 2, wrong, wrong_list).await,
    ];
    ada.open(&run, 2, &held[..1]).await;
    blaise.open(&run, 2, &held[1..2]).await;
    // 20 s to open, and the others' grace.
    devnet.pass(21 + 6).await;

    let done = run.wait_for(SOON).await.unwrap();
    let watched = watched.await.unwrap();
    assert!(step(&watched, |step| matches!(
        step,
        Step::SeatClosed { provider, end: SeatEnd::Outvoted, burned, .. }
            if *provider == carl.address && *burned == 2 * TOKEN
    )));
    let mut winners = vec![ada.address, blaise.address];
    winners.sort_unstable();
    assert!(step(&watched, |step| {
        let Step::Settled {
            providers,
            first: 0,
            grade: Grade::Quorum,
            paid,
            burned,
            ..
        } = step
        else {
            return false;
        };
        let mut paid_to = providers.clone();
        paid_to.sort_unstable();
        (paid_to, *paid, *burned) == (winners.clone(), 4 * TOKEN, 2 * TOKEN)
    }));
    assert_eq!(done.tally().settled, 4);
    // The outvoted and the silent seat's shares are burned.
    let money = done.view().money();
    assert_eq!(
        (money.paid, money.burned, money.refunded),
        (8 * TOKEN, 4 * TOKEN, 0)
    );
    let end = |first: u32, provider: &Provider| {
        let seats = &done.view().leases[&first].seats;
        let mut seats = seats.iter();
        seats
            .find(|seat| seat.provider == provider.address)
            .unwrap()
            .end
    };
    assert_eq!(
        (end(0, ada), end(0, carl)),
        (SeatEnd::Paid, SeatEnd::Outvoted)
    );
    assert_eq!(
        (end(2, blaise), end(2, carl)),
        (SeatEnd::Paid, SeatEnd::Silent)
    );
    assert_eq!(carl.staked().await, 500 * TOKEN - 4 * TOKEN);

    // Ada serves nothing; the client takes the results from blaise.
    let dir = tempfile::tempdir().unwrap();
    let got = done.download(dir.path().join("out")).await.unwrap();
    assert_eq!(got.tasks.len(), 4);
    for result in &got.tasks {
        assert_eq!(result.provider, blaise.address);
        assert_eq!(result.basis, Basis::Final(Grade::Quorum));
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
    for part in ["2 of 3 found", "a quorum is 2", "burned", "P-05"] {
        assert!(outvoted.text.contains(part), "{}", outvoted.text);
    }
    assert!(outvoted.time > 0 && outvoted.block > 0);
    assert_eq!(lost(1).cause, Some(Cause::Withheld));
    assert!(told[0].outcome.contains("settled (quorum)"), "{told:?}");
}

#[tokio::test]
async fn without_a_quorum_a_tenth_is_burned_and_there_is_no_result() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let run = client
        .submit(short(2).max_lease(2).bond(10 * TOKEN))
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.wait_for(SOON).await }
    });
    let mut held = Vec::new();
    for (number, provider) in (1..).zip(&providers) {
        let root = B256::repeat_byte(number);
        held.push(provider.commit(&run, 0, root, Digest::of(b"")).await);
    }
    providers[2].open(&run, 0, &held).await;
    let done = waiting.await.unwrap().unwrap();
    // A tenth of three seats' price, six tokens, is burned.
    let money = done.view().money();
    assert_eq!(done.tally().void, 2);
    assert_eq!(
        (money.burned, money.refunded),
        (6 * TOKEN / 10, 6 * TOKEN - 6 * TOKEN / 10)
    );
    let dir = tempfile::tempdir().unwrap();
    let got = done.download(dir.path().join("out")).await.unwrap();
    assert_eq!((got.tasks.len(), got.refunded), (0, money.refunded));
    assert_eq!(got.missing, std::iter::once(0..2).collect::<Vec<_>>());
    let error = run.fetch_task(1, dir.path()).await.unwrap_err();
    assert!(error.to_string().contains("did not agree"), "{error}");

    let told = run.explain(Some(0)).await.unwrap();
    assert!(told[0].outcome.contains("without a quorum"), "{told:?}");
    let slashed = told[0].entries.iter().filter(|entry| entry.lost > 0);
    let slashed: Vec<_> = slashed.map(|entry| (entry.lost, entry.cause)).collect();
    // A tenth of the lesser of the bond, 20 tokens, and the price, 2 tokens.
    assert_eq!(slashed, [(2 * TOKEN / 10, Some(Cause::NoAgreement)); 3]);
    assert!(run.explain(Some(1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn too_few_commitments_free_the_lease_and_a_cancelled_job_is_refunded_whole() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let run = client.submit(short(5).max_lease(2)).await.unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.wait_for(SOON).await }
    });
    // Two seats begin the round, and one of them never commits.
    let list = Digest::of(b"");
    providers[0]
        .commit(&run, 0, B256::repeat_byte(1), list)
        .await;
    providers[1].join(&run, 0).await;
    assert_eq!(run.status().await.unwrap().leases[&0].phase, Phase::Running);
    // 20 s to run, and the others' grace.
    devnet.pass(20 + 7).await;
    let mut view = run.status().await.unwrap();
    while view.leases[&0].phase != Phase::Free {
        tokio::time::sleep(Duration::from_millis(200)).await;
        view = run.status().await.unwrap();
    }
    let ends: Vec<_> = view.leases[&0].seats.iter().map(|seat| seat.end).collect();
    assert_eq!(ends, [SeatEnd::Released, SeatEnd::Late]);
    assert_eq!((view.leases[&0].round, view.untaken()), (2, Some(4..5)));
    assert_ne!(view.leases[&0].point, 0, "the next round is drawn");
    assert_eq!(providers[0].staked().await, 500 * TOKEN);
    assert_eq!(providers[1].staked().await, 500 * TOKEN - 2 * TOKEN / 10);

    run.cancel().await.unwrap();
    let done = waiting.await.unwrap().unwrap();
    assert_eq!(
        (done.tally().refunded, done.view().money().refunded),
        (5, 15 * TOKEN)
    );
    let balances = client.balances(client.account().unwrap()).await.unwrap();
    assert_eq!(balances.balance, 15 * TOKEN);
    let told = run.explain(Some(0)).await.unwrap();
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
async fn a_dead_point_is_renewed_by_the_waiting_client() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let providers = three(&devnet).await;
    let run = client.submit(short(1)).await.unwrap();
    let first = run.status().await.unwrap().leases[&0].point;
    // Nobody published the seed while the chain remembered it.
    devnet.provider.anvil_mine(Some(300), None).await.unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.wait_for(SOON).await }
    });
    let (root, list) = honest(&providers[0], 0..1);
    let mut held = Vec::new();
    for provider in &providers {
        held.push(provider.commit(&run, 0, root, list).await);
    }
    let second = run.status().await.unwrap().leases[&0].point;
    assert!(second != first && second != 0);
    providers[1].open(&run, 0, &held).await;
    let done = waiting.await.unwrap().unwrap();
    assert_eq!(done.view().leases[&0].grade, Grade::Quorum);
}

#[tokio::test]
async fn impossible_assurances_are_refused_before_anything_is_sent() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    Provider::start(&devnet, 2).await;
    let before = devnet.provider.get_block_number().await.unwrap();
    for (bad, code) in [
        (job(1).redundant(4, 2), "assurance-quorum"),
        (job(1).redundant(16, 9), "assurance-replicas"),
        (
            job(1).redundant(3, 2).audit_window(9),
            "assurance-needs-audits",
        ),
        (job(1).audited(0), "assurance-chance"),
        (job(1).proven_by(Address::ZERO), "assurance-zero-verifier"),
        (job(1).only_providers(B256::ZERO), "assurance-zero-list"),
    ] {
        let error = client.submit(bad).await.unwrap_err();
        assert!(matches!(&error, Error::Assurance(_)), "{error}");
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("Nothing was posted"), "{error}");
    }
    // Three times the price of a job with one replica: more than the client has.
    let error = client.submit(job(400).redundant(3, 2)).await.unwrap_err();
    assert!(
        matches!(error, Error::InsufficientFunds { need, .. } if need == 1_200 * TOKEN),
        "{error}"
    );
    assert_eq!(devnet.provider.get_block_number().await.unwrap(), before);
}
