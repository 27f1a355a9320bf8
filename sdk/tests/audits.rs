//! Audits from the client's side: chance, juries, verdicts, spot checks; a real anvil, and providers and jurors that are
//! driven by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::time::Duration;

use alloy::primitives::B256;
use common::{Devnet, Provider, TOKEN, audited, ticking};
use piecework::chain::IMarket::{Grade, Opening, Phase, SeatEnd, Verdict};
use piecework::digest::manifest::ResultManifest;
use piecework::digest::{Digest, tree};
use piecework::market::{AvoidList, Cause, Checked, Outlook};
use piecework::spec::Resources;
use piecework::{Done, Error, Job, Run};

const SOON: Duration = Duration::from_secs(90);
/// f, for tasks of one token.
const FEE: u128 = 143 * TOKEN / 100;

/// A job of three tasks in one lease, which is surely audited.
fn certain() -> Job {
    let resources = Resources {
        timeout_seconds: 5,
        ..Resources::default()
    };
    audited(3)
        .audited(10_000)
        .audit_window(60)
        .resources(resources)
        .run_window(20)
}

/// The provider's results of three tasks, all of them false.
async fn cheat(run: &Run, provider: &Provider) -> Vec<Digest> {
    provider.claim(run, 3).await;
    let results = [
        ResultManifest::timeout(),
        ResultManifest::memory(),
        ResultManifest::timeout(),
    ];
    let (root, list) = provider.publish(0, &results);
    provider.submit(run, 0, root, list).await;
    results.iter().map(ResultManifest::digest).collect()
}

async fn jurors(devnet: &Devnet) -> [Provider; 3] {
    [
        Provider::start(devnet, 3).await,
        Provider::start(devnet, 4).await,
        Provider::start(devnet, 5).await,
    ]
}

/// Waits in the background, which keeps the job going.
fn waiting(run: &Run) -> tokio::task::JoinHandle<Result<Done, Error>> {
    let run = run.clone();
    tokio::spawn(async move { run.wait_for(SOON).await })
}

/// The votes of all jurors, each committed as soon as it is drawn.
async fn votes(run: &Run, jury: u8, jurors: &[Provider], votes: [(B256, B256); 3]) -> Vec<Opening> {
    let mut held = Vec::new();
    for (juror, pair) in jurors.iter().zip(votes) {
        held.push(juror.vote(run, 0, jury, pair).await);
    }
    held
}

async fn until(run: &Run, wanted: impl Fn(&Outlook) -> bool) -> Outlook {
    let started = std::time::Instant::now();
    loop {
        let outlook = run.outlook(0).await.unwrap();
        if wanted(&outlook) {
            return outlook;
        }
        assert!(started.elapsed() < SOON, "{outlook:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The audited task, once the seed is known.
async fn due(run: &Run) -> u32 {
    match until(run, |outlook| matches!(outlook, Outlook::Due { .. })).await {
        Outlook::Due { task, jury: 1, .. } => task,
        other => panic!("{other:?}"),
    }
}

async fn balance(provider: &Provider) -> u128 {
    let balances = provider.market.balances(provider.address).await;
    balances.unwrap().balance
}

#[tokio::test]
async fn a_false_output_is_audited_and_its_provider_convicted() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let jurors = jurors(&devnet).await;
    let run = client.submit(certain()).await.unwrap();
    assert_eq!(run.escrow(), 3 * (TOKEN + FEE));
    let digests = cheat(&run, &provider).await;
    assert!(matches!(
        run.outlook(0).await.unwrap(),
        Outlook::SeedUnknown { .. } | Outlook::Due { .. }
    ));
    let waiting = waiting(&run);
    let task = due(&run).await;
    let told = run.explain(Some(0)).await.unwrap();
    let chance = told[0].chance.as_ref().unwrap();
    assert!(
        chance.contains(&format!("had task {task} audited")),
        "{chance}"
    );
    assert!(told[0].outcome.contains("is due"), "{told:?}");

    // The client runs every task again; the SDK asks for nothing but digests.
    let again = async |task: u32| Ok::<_, Error>(provider.result(task).digest());
    let checked = run.spot_check(1.0, again).await.unwrap();
    assert_eq!(checked.len(), 3);
    assert!(checked.iter().all(Checked::differs));
    let mut avoid = AvoidList::default();
    avoid.note(&checked[0]);
    assert!(avoid.providers.contains_key(&provider.address));

    // Two jurors ran the task; the third copies the provider's digest.
    let own = provider.result(task).digest();
    let right = (own.into(), B256::repeat_byte(7));
    let theirs = digests[task as usize];
    let copied = (theirs.into(), B256::repeat_byte(8));
    let held = votes(&run, 1, &jurors, [right, right, copied]).await;
    let Outlook::Sitting {
        jurors: sitting, ..
    } = run.outlook(0).await.unwrap()
    else {
        panic!("no jury sits")
    };
    assert_eq!(sitting.len(), 3);
    // The lone third vote names the accused's leaf: no verdict. So it must be opened, and it is.
    let none = (B256::ZERO, Vec::new());
    jurors[2].judge(&run, 0, 1, &held[2..], none).await;
    let proof = tree::proof(0, &digests, task).unwrap();
    let leaf = (theirs.into(), proof);
    jurors[0].judge(&run, 0, 1, &held, leaf.clone()).await;
    let view = run.status().await.unwrap();
    assert_eq!(view.leases[&0].phase, Phase::Undecided);
    let ends: Vec<_> = view.leases[&0].audits[0]
        .jurors
        .iter()
        .map(|seat| seat.end)
        .collect();
    assert_eq!(
        ends,
        [SeatEnd::Undecided, SeatEnd::Undecided, SeatEnd::Outvoted]
    );
    let told = run.explain(Some(0)).await.unwrap();
    assert!(told[0].outcome.contains("a second jury"), "{told:?}");

    // The second jury agrees. B is three prices for each of three tasks.
    let held = votes(&run, 2, &jurors, [right; 3]).await;
    jurors[1].judge(&run, 0, 2, &held, leaf).await;
    let done = waiting.await.unwrap().unwrap();
    let lease = &done.view().leases[&0];
    assert_eq!((lease.phase, lease.audits.len()), (Phase::Void, 2));
    let verdicts: Vec<_> = lease.audits.iter().map(|audit| audit.verdict).collect();
    assert_eq!(verdicts, [Verdict::NoVerdict, Verdict::Convicted]);
    assert_eq!(lease.slashed, 9 * TOKEN);
    assert_eq!(provider.staked().await, 491 * TOKEN);
    let money = done.view().money();
    assert_eq!(
        (money.burned, money.jurors, money.refunded),
        (3 * TOKEN, 3 * FEE, 0)
    );
    assert_eq!((money.paid, done.tally().void), (0, 3));
    assert_eq!(balance(&jurors[0]).await, FEE);
    assert_eq!(
        run.fetch_task(0, "nowhere").await.unwrap_err().code(),
        "no-result"
    );

    let told = run.explain(Some(0)).await.unwrap();
    let lost: Vec<_> = told[0]
        .entries
        .iter()
        .filter(|entry| entry.cause.is_some())
        .map(|entry| (entry.account.unwrap(), entry.lost, entry.cause.unwrap()))
        .collect();
    let bond = 8 * FEE;
    assert_eq!(lost.len(), 4, "{lost:?}");
    assert!(
        lost.contains(&(jurors[0].address, bond / 10, Cause::NoAgreement)),
        "{lost:?}"
    );
    assert!(
        lost.contains(&(jurors[2].address, bond, Cause::LostVote)),
        "{lost:?}"
    );
    assert_eq!(lost[3], (provider.address, 9 * TOKEN, Cause::Convicted));
    assert!(told[0].outcome.contains("conviction"), "{told:?}");
}

#[tokio::test]
async fn the_client_brings_the_leaf_that_acquits() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let jurors = jurors(&devnet).await;
    let run = client.submit(certain()).await.unwrap();
    provider.work(&run, 3).await;
    let waiting = waiting(&run);
    let task = due(&run).await;
    let digest: B256 = provider.result(task).digest().into();
    let vote = (digest, B256::repeat_byte(7));
    let held = votes(&run, 1, &jurors, [vote; 3]).await;
    // Each opens its own vote. The last one brings all, but not the leaf.
    let none = || (B256::ZERO, Vec::new());
    jurors[0].judge(&run, 0, 1, &held[..1], none()).await;
    jurors[1].judge(&run, 0, 1, &held[1..2], none()).await;
    jurors[2].judge(&run, 0, 1, &held, none()).await;
    let view = run.status().await.unwrap();
    assert!(view.leases[&0].audit().unwrap().leaf_by.is_some());
    assert!(matches!(
        run.outlook(0).await.unwrap(),
        Outlook::LeafMissing { .. }
    ));
    // The provider serves its digests to the client, which brings the leaf.
    let done = waiting.await.unwrap().unwrap();
    let lease = &done.view().leases[&0];
    let audit = lease.audit().unwrap();
    assert_eq!(
        (lease.grade, audit.verdict),
        (Grade::Audited, Verdict::Acquitted)
    );
    assert_eq!((audit.digest, audit.leaf), (digest, digest));
    let money = done.view().money();
    assert_eq!(
        (money.paid, money.jurors, money.burned),
        (3 * TOKEN, 3 * FEE, 0)
    );
    assert_eq!(provider.staked().await, 500 * TOKEN);
    let told = run.explain(Some(0)).await.unwrap();
    assert!(told[0].outcome.contains("settled (audited)"), "{told:?}");
    assert!(
        told[0]
            .entries
            .iter()
            .any(|entry| entry.event == "LeafMissed"),
        "{told:?}"
    );
    let dir = tempfile::tempdir().unwrap();
    let got = done.download(dir.path().join("out")).await.unwrap();
    assert_eq!(got.tasks.len(), 3);
}

#[tokio::test]
async fn a_silent_jury_is_ended_and_a_missed_second_one_settles_as_contested() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let jurors = jurors(&devnet).await;
    let run = client.submit(certain()).await.unwrap();
    provider.work(&run, 3).await;
    assert_eq!(run.judge(0).await.unwrap_err().code(), "no-audit");
    let waiting = waiting(&run);
    let task = due(&run).await;
    // One juror votes. 20 s to run and 30 s more, and the others' grace.
    let digest: B256 = provider.result(task).digest().into();
    jurors[0].vote(&run, 0, 1, (digest, B256::ZERO)).await;
    devnet.pass(50 + 6).await;
    until(&run, |outlook| {
        matches!(outlook, Outlook::Due { jury: 2, .. })
    })
    .await;
    let view = run.status().await.unwrap();
    let first = view.leases[&0].audit().unwrap().clone();
    assert_eq!(
        (first.verdict, first.jurors[0].end),
        (Verdict::NoVerdict, SeatEnd::Released)
    );
    assert_ne!(view.leases[&0].retry_point, 0);
    // 20 s to open the second jury.
    devnet.pass(21 + 6).await;
    let done = waiting.await.unwrap().unwrap();
    let lease = &done.view().leases[&0];
    assert_eq!(
        (lease.phase, lease.grade),
        (Phase::Settled, Grade::Contested)
    );
    assert_eq!(lease.paid, 3 * TOKEN);
    assert_eq!(done.view().money().refunded, 3 * FEE);
}

#[tokio::test]
async fn a_late_lease_is_freed_and_an_audit_that_nobody_holds_ends() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let [late, provider] = [
        Provider::start(&devnet, 2).await,
        Provider::start(&devnet, 3).await,
    ];
    let run = client.submit(certain()).await.unwrap();
    let waiting = waiting(&run);
    late.claim(&run, 3).await;
    devnet.pass(21 + 6).await;
    let started = std::time::Instant::now();
    while run.status().await.unwrap().leases[&0].phase != Phase::Free {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // A tenth of nine tokens.
    assert_eq!(late.staked().await, 500 * TOKEN - 9 * TOKEN / 10);
    let takeover = piecework::chain::IMarket::takeoverCall {
        job: run.job().clone(),
        provider: provider.address,
        first: 0,
    };
    provider.call(&takeover).await.unwrap();
    let results: Vec<_> = (0..3).map(|task| provider.result(task)).collect();
    let (root, list) = provider.publish(0, &results);
    provider.submit(&run, 0, root, list).await;
    due(&run).await;
    devnet.pass(61 + 6).await;
    let done = waiting.await.unwrap().unwrap();
    let lease = &done.view().leases[&0];
    assert_eq!((lease.round, lease.grade), (2, Grade::Contested));
    let told = run.explain(Some(0)).await.unwrap();
    let causes: Vec<_> = told[0]
        .entries
        .iter()
        .filter_map(|entry| entry.cause)
        .collect();
    assert_eq!(causes, [Cause::MissedDeadline]);
    let last = told[0].entries.last().unwrap();
    assert!(last.text.contains("no juror came"), "{}", last.text);
}
