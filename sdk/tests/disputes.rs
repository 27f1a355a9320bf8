//! Contested results from the client's side: spot checks, challenges, juries, demands; a real anvil, and
//! providers and jurors that are driven by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use alloy::primitives::B256;
use common::{Devnet, Provider, TOKEN, job, ticking};
use piecework::chain::IMarket;
use piecework::chain::IMarket::{Phase, Verdict};
use piecework::digest::manifest::ResultManifest;
use piecework::digest::{Digest, tree};
use piecework::market::{Cause, Challenge, Checked};
use piecework::{Error, Job, Run};

/// A job of three tasks whose results can be contested for ten minutes.
fn contestable() -> Job {
    job(3)
        .challenge_window(600)
        .run_window(600)
        .jury_fee(2 * TOKEN)
}

/// The provider's results of three tasks, of which the second is false.
async fn cheat(run: &Run, provider: &Provider) -> Vec<Digest> {
    let (first, _) = provider.claim(run, 3).await;
    let results = [
        provider.result(0),
        ResultManifest::timeout(),
        provider.result(2),
    ];
    let (root, manifest) = provider.publish(first, &results);
    provider.submit(run, first, root, manifest).await;
    results.iter().map(ResultManifest::digest).collect()
}

async fn jurors(devnet: &Devnet) -> [Provider; 3] {
    [
        Provider::start(devnet, 3).await,
        Provider::start(devnet, 4).await,
        Provider::start(devnet, 5).await,
    ]
}

/// Draws no lots: every juror of this market is drawn within two steps. Returns what each voted.
async fn judge(run: &Run, jurors: &[Provider], votes: [(B256, B256); 3]) {
    let mut held = Vec::new();
    for (juror, (digest, keyed)) in jurors.iter().zip(votes) {
        held.push(juror.vote(run, 0, digest, keyed).await);
    }
    for ((juror, (digest, keyed)), held) in jurors.iter().zip(votes).zip(&held) {
        juror.reveal_vote(run, 0, digest, keyed, held).await;
    }
}

async fn ledger(run: &Run) -> u128 {
    let client = run.job().terms.client;
    run.market().balances(client).await.unwrap().ledger
}

#[tokio::test]
async fn a_false_output_is_found_challenged_and_judged() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let jurors = jurors(&devnet).await;
    let run = client.submit(contestable()).await.unwrap();
    cheat(&run, &provider).await;

    // The client runs every task again; the SDK asks for nothing but digests.
    let again = async |task: u32| Ok::<_, Error>(provider.result(task).digest());
    let checked = run.spot_check(1.0, again).await.unwrap();
    assert_eq!(checked.len(), 3);
    let wrong: Vec<&Checked> = checked.iter().filter(|one| one.differs()).collect();
    assert_eq!((wrong.len(), wrong[0].task), (1, 1));
    let error = run.challenge(0, provider.result(0).digest()).await;
    assert_eq!(error.unwrap_err().code(), "same-digest");

    // Stored first, then sent.
    let challenge = run.challenge(1, wrong[0].own).await.unwrap();
    assert_eq!(challenge.deposit, 6 * TOKEN);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("challenge.json");
    assert_eq!(
        run.see_through(&challenge).await.unwrap_err().code(),
        "not-sent"
    );
    challenge.save(&file).unwrap();
    assert_eq!(challenge.save(&file).unwrap_err().code(), "io", "kept");
    let challenge = Challenge::load(&file).unwrap();
    let contract = client.contract();
    let expected = contract.commitmentOf(
        run.id(),
        0,
        1,
        1,
        client.account().unwrap(),
        challenge.right,
        challenge.salt,
    );
    assert_eq!(challenge.answer(), expected.call().await.unwrap());
    run.send_challenge(&challenge).await.unwrap();
    assert_eq!(
        run.status().await.unwrap().leases[&0].phase,
        Phase::Challenged
    );
    let error = run.challenge(2, Digest::of(b"")).await.unwrap_err();
    assert!(error.to_string().contains("challenged already"), "{error}");

    // Two jurors ran the task; the third copies the provider's digest.
    let before = ledger(&run).await;
    let through = tokio::spawn({
        let (run, challenge) = (run.clone(), challenge.clone());
        async move { run.see_through(&challenge).await }
    });
    let right = (challenge.right, B256::repeat_byte(7));
    let copied = (challenge.digest, B256::repeat_byte(8));
    judge(&run, &jurors, [right, right, copied]).await;
    let judged = through.await.unwrap().unwrap();
    assert_eq!(judged.verdict, Verdict::ProviderWrong);
    assert_eq!((judged.reward, judged.returned), (6 * TOKEN, 6 * TOKEN));
    assert_eq!(ledger(&run).await - before, 12 * TOKEN);
    // B is six jury fees: the provider loses it all, the third juror its own bond of a third of it.
    assert_eq!(provider.staked().await, 500 * TOKEN - 12 * TOKEN);
    assert_eq!(jurors[2].staked().await, 500 * TOKEN - 4 * TOKEN);
    let view = run.status().await.unwrap();
    assert_eq!(view.leases[&0].phase, Phase::Free);
    // It is judged: seeing it through again says the same at once.
    let again = run.see_through(&challenge).await.unwrap();
    assert_eq!(again, judged);

    let told = run.explain(Some(0)).await.unwrap();
    let lost: Vec<_> = told[0]
        .entries
        .iter()
        .filter(|entry| entry.cause.is_some())
        .map(|entry| (entry.account.unwrap(), entry.lost, entry.cause.unwrap()))
        .collect();
    assert_eq!(
        lost,
        [
            (jurors[2].address, 4 * TOKEN, Cause::LostJury),
            (provider.address, 12 * TOKEN, Cause::LostJury)
        ]
    );
    let last = told[0].entries.last().unwrap();
    assert!(
        last.text.contains("the provider was wrong"),
        "{}",
        last.text
    );
}

#[tokio::test]
async fn who_challenges_a_right_result_pays_the_jury() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let jurors = jurors(&devnet).await;
    let run = client.submit(contestable()).await.unwrap();
    provider.work(&run, 3).await;
    let dir = tempfile::tempdir().unwrap();
    let challenge = run.challenge(2, Digest::of(b"mine")).await.unwrap();
    challenge.save(&dir.path().join("kept")).unwrap();
    run.send_challenge(&challenge).await.unwrap();

    let other = client.submit(job(1)).await.unwrap();
    let error = other.send_challenge(&challenge).await.unwrap_err();
    assert_eq!(error.code(), "other-job");

    let through = tokio::spawn({
        let (run, challenge) = (run.clone(), challenge.clone());
        async move { run.see_through(&challenge).await }
    });
    let theirs = (challenge.digest, B256::repeat_byte(7));
    judge(&run, &jurors, [theirs; 3]).await;
    let judged = through.await.unwrap().unwrap();
    assert_eq!(
        (judged.verdict, judged.reward, judged.returned),
        (Verdict::ProviderRight, 0, 0)
    );
    assert_eq!(provider.staked().await, 500 * TOKEN);
    // The next one costs twice as much, and has a number of its own.
    let next = run.challenge(2, Digest::of(b"mine")).await.unwrap();
    assert_eq!((next.number, next.deposit), (2, 12 * TOKEN));
    assert_ne!(next.salt, challenge.salt);
}

#[tokio::test]
async fn a_challenger_that_comes_too_late_still_ends_its_dispute() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let jurors = jurors(&devnet).await;
    let run = client.submit(contestable()).await.unwrap();
    cheat(&run, &provider).await;
    let challenge = run.challenge(1, provider.result(1).digest()).await.unwrap();
    run.send_challenge(&challenge).await.unwrap();
    while run.seal_jury(0).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let right = (challenge.right, B256::repeat_byte(7));
    judge(&run, &jurors, [right; 3]).await;
    // 30 s to reveal the answer.
    devnet.pass(31).await;
    let soon = std::time::Duration::from_secs(30);
    let judged = tokio::time::timeout(soon, run.see_through(&challenge)).await;
    let judged = judged.expect("it waits for an answer for ever").unwrap();
    assert_eq!(
        (judged.verdict, judged.reward, judged.returned),
        (Verdict::ProviderWrong, 0, 0)
    );
}

#[tokio::test]
async fn digests_that_are_not_served_can_be_demanded() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    // Two runs whose provider serves nothing: it answers one demand, and not the other.
    let submit = async || {
        let run = client.submit(contestable()).await.unwrap();
        provider.claim(&run, 3).await;
        let digests: Vec<Digest> = (0..3u8).map(|task| Digest::of(&[task, 9])).collect();
        let root = tree::root(0, &digests).unwrap();
        provider
            .submit(&run, 0, root, Digest::of(b"not there"))
            .await;
        (run, digests)
    };
    let (answered, digests) = submit().await;
    let error = answered.challenge(1, Digest::of(b"")).await.unwrap_err();
    assert_eq!(error.code(), "download-refused");
    answered.demand(0).await.unwrap();
    let respond = IMarket::respondCall {
        job: answered.job().clone(),
        first: 0,
        provider: provider.address,
        digests: digests.iter().map(|digest| (*digest).into()).collect(),
    };
    provider.call(&respond).await.unwrap();
    // Now they are on chain, and can be challenged.
    let challenge = answered.challenge(1, Digest::of(b"")).await.unwrap();
    assert_eq!(challenge.digest, B256::from(digests[1]));

    let (withheld, _) = submit().await;
    withheld.demand(0).await.unwrap();
    let told = withheld.explain(None).await.unwrap();
    assert!(told[0].outcome.contains("demanded"), "{told:?}");
    let before = ledger(&withheld).await;
    let waiting = tokio::spawn({
        let run = withheld.clone();
        async move { run.wait().await }
    });
    // 60 s to answer, and the others' grace.
    devnet.pass(61 + 11).await;
    while withheld.status().await.unwrap().leases[&0].phase != Phase::Free {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    waiting.abort();
    assert_eq!(ledger(&withheld).await - before, 2 * TOKEN, "the deposit");
    assert_eq!(provider.staked().await, 500 * TOKEN - 12 * TOKEN);
    let told = withheld.explain(None).await.unwrap();
    let entry = told[0].entries.iter().find(|entry| entry.lost > 0).unwrap();
    assert_eq!(
        (entry.account, entry.lost, entry.cause),
        (
            Some(provider.address),
            12 * TOKEN,
            Some(Cause::WithheldAnswer)
        )
    );
}
