//! The market's client against a real anvil and a provider that serves real results.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use alloy::primitives::B256;
use alloy::providers::Provider as _;
use common::{Devnet, FUNDS, Provider, TOKEN, audited, files, job, ticking};
use futures::StreamExt as _;
use piecework::blobs::{HttpClient, HttpPolicy, fetch_bytes};
use piecework::chain::IMarket::Grade;
use piecework::chain::{ChainError, IMarket};
use piecework::digest::manifest::{Outcome, OutputFault, ResultManifest, Tree};
use piecework::digest::{lease, tree};
use piecework::market::{Basis, KeySource, MarketConfig, Outlook, Step};
use piecework::{Error, Market};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_job_is_posted_run_watched_and_downloaded() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let input = tempfile::tempdir().unwrap();
    std::fs::write(input.path().join("scene.txt"), "a lighthouse").unwrap();

    // An audit in one of ten thousand runs: this job is settled because chance spares it.
    let wanted = audited(5).audited(1).allow_weak().max_lease(3);
    let wanted = wanted.input(input.path()).env("MODE", "fast");
    let run = client.submit(wanted.args(["--all"])).await.unwrap();
    assert_eq!(
        run.receipts().len(),
        2,
        "one deposit with a permit, one posting"
    );
    // Each task's price, and three jurors' fees for a lease of one.
    let escrow = 5 * (TOKEN + 3 * TOKEN * 143 / 100);
    let account = client.account().unwrap();
    let balances = client.balances(account).await.unwrap();
    assert_eq!((run.escrow(), balances.wallet), (escrow, FUNDS - escrow));

    // What a provider does with the spec: it fetches the input from the client.
    let http = HttpClient::new(&HttpPolicy {
        allow_private: true,
        ..HttpPolicy::default()
    })
    .unwrap();
    let source = http.source(&run.spec().sources[0]).unwrap();
    let input_tree = fetch_bytes(&source, run.spec().input.unwrap(), 4096)
        .await
        .unwrap();
    assert_eq!(
        Tree::parse(&input_tree).unwrap().entries()[0].path.as_str(),
        "scene.txt"
    );

    let watched = tokio::spawn(run.progress().map(|step| step.unwrap()).collect::<Vec<_>>());
    assert_eq!(provider.work(&run, 9).await, (0, 3));

    // While the rest still waits: from another process, without a key.
    let reader = Market::connect(MarketConfig::new(devnet.anvil.url(), devnet.market))
        .await
        .unwrap();
    let other = reader.attach(run.id()).await.unwrap();
    assert_eq!((other.spec(), other.job()), (run.spec(), run.job()));
    let dir = tempfile::tempdir().unwrap();
    let early = other.fetch_task(2, dir.path()).await.unwrap();
    assert_eq!(
        (early.basis, early.outcome),
        (Basis::Submitted, Outcome::Exit(0))
    );
    assert_eq!(files(dir.path())["2/out/sub/tile"], b"tile 2");
    assert_eq!(
        other.fetch_task(3, dir.path()).await.unwrap_err().code(),
        "no-result"
    );
    assert_eq!(
        other.fetch_task(5, dir.path()).await.unwrap_err().code(),
        "no-such-task"
    );
    assert_eq!(other.cancel().await.unwrap_err().code(), "no-key");

    assert_eq!(provider.work(&run, 9).await, (3, 2));
    // Nobody but the waiting client publishes the seeds and settles.
    let done = run.wait_for(SOON).await.unwrap();
    let steps = watched.await.unwrap();
    assert!(matches!(steps[0].step, Step::Posted { escrow: held } if held == escrow));
    let last = steps.last().unwrap();
    assert!(
        matches!(last.step, Step::Settled { first: 3, count: 2, grade: Grade::Unaudited, paid, fee: 0, burned: 0, .. } if paid == 2 * TOKEN),
        "{last:?}"
    );
    assert_eq!((last.tally.settled, last.total), (5, 5));
    assert_eq!(run.outlook(0).await.unwrap(), Outlook::None);
    let told = run.explain(Some(3)).await.unwrap();
    assert!(
        told[0].chance.as_ref().unwrap().contains("spared"),
        "{told:?}"
    );
    assert!(told[0].outcome.contains("settled (unaudited)"), "{told:?}");
    assert_eq!(
        steps
            .iter()
            .filter(|step| matches!(step.step, Step::Submitted { .. }))
            .count(),
        2
    );

    let out = dir.path().join("deep/out");
    let got = done.download(&out).await.unwrap();
    let written = files(&out);
    assert_eq!(written.len(), 5 * 4);
    for task in 0..5 {
        assert_eq!(
            written[&format!("{task}/out/sub/tile")],
            format!("tile {task}").as_bytes()
        );
        assert_eq!(
            written[&format!("{task}/stdout")],
            format!("did {task}\n").as_bytes()
        );
        assert_eq!(
            ResultManifest::parse(&written[&format!("{task}/manifest")]).unwrap(),
            provider.result(task)
        );
    }
    let mode = std::fs::metadata(out.join("0/out/run.sh"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(
        (got.failed().count(), got.missing.len(), got.refunded),
        (0, 0, 0)
    );
    assert_eq!(
        done.download(&out).await.unwrap_err().code(),
        "blob-occupied"
    );

    let money = done.view().money();
    assert_eq!(
        (money.paid, money.refunded),
        (5 * TOKEN, escrow - 5 * TOKEN)
    );
    let earned = provider.market.balances(provider.address).await.unwrap();
    assert_eq!(earned.balance, 5 * TOKEN);
}

#[tokio::test]
async fn failed_tasks_are_outcomes_and_what_was_not_run_is_refunded() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let run = client.submit(job(6).max_lease(4)).await.unwrap();
    let (first, _) = provider.claim(&run, 4).await;
    let results = [
        provider.result(0),
        ResultManifest::timeout(),
        ResultManifest::memory(),
        ResultManifest::output(OutputFault::Link),
    ];
    let (root, list) = provider.publish(first, &results);
    provider.submit(&run, first, root, list).await;
    run.cancel().await.unwrap();
    let done = run.wait_for(SOON).await.unwrap();
    assert_eq!((done.tally().settled, done.tally().refunded), (4, 2));
    let dir = tempfile::tempdir().unwrap();
    let got = done.download(dir.path().join("out")).await.unwrap();
    let outcomes: Vec<_> = got.tasks.iter().map(|result| result.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Exit(0),
            Outcome::Timeout,
            Outcome::Memory,
            Outcome::Output(OutputFault::Link)
        ]
    );
    assert_eq!(
        (got.failed().count(), got.missing, got.refunded),
        (3, std::iter::once(4..6).collect(), 2 * TOKEN)
    );
    assert_eq!(
        files(&dir.path().join("out/1")).keys().collect::<Vec<_>>(),
        ["manifest"]
    );
    assert_eq!(
        client
            .balances(client.account().unwrap())
            .await
            .unwrap()
            .balance,
        2 * TOKEN
    );
}

#[tokio::test]
async fn a_job_that_nobody_takes_ends_with_a_refund() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    let run = client.submit(job(3).closes_in(1)).await.unwrap();
    let done = run.wait_for(SOON).await.unwrap();
    assert_eq!(done.tally().refunded, 3);
    let account = client.account().unwrap();
    assert_eq!(client.balances(account).await.unwrap().balance, 3 * TOKEN);
    client.withdraw(account, 3 * TOKEN).await.unwrap();
    assert_eq!(client.balances(account).await.unwrap().wallet, FUNDS);
}

#[tokio::test]
async fn other_bytes_than_committed_are_refused_and_leave_nothing() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");

    // A file changed after it was submitted.
    let run = client.submit(job(2)).await.unwrap();
    provider.work(&run, 2).await;
    let blob = provider
        .result(1)
        .tree()
        .files()
        .find(|(path, ..)| path.as_str() == "sub/tile")
        .unwrap()
        .1;
    overwrite(&provider, &blob.digest.to_string(), b"tile X");
    let error = run.download(&out).await.unwrap_err();
    let Error::Download {
        task: Some(1),
        provider: named,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*named, provider.address);
    assert!(
        error.to_string().contains(&blob.digest.to_string()),
        "{error}"
    );

    // A list of digests that is not what the root commits to.
    let run = client.submit(job(2)).await.unwrap();
    let (first, _) = provider.claim(&run, 2).await;
    let (root, _) = provider.publish(first, &[provider.result(7), provider.result(8)]);
    let others = [provider.result(8).digest(), provider.result(7).digest()];
    let list = provider.store.put_bytes(&lease::encode(&others)).unwrap();
    provider.submit(&run, first, root, list).await;
    let error = run.download(&out).await.unwrap_err();
    let Error::WrongRoot { expected, got, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((expected, got), (root, tree::root(0, &others).unwrap()));

    // A result that is committed to, but is none.
    let run = client.submit(job(1)).await.unwrap();
    let (first, _) = provider.claim(&run, 1).await;
    let digest = provider.store.put_bytes(b"exit 0\nand so on\n").unwrap();
    let list = provider.store.put_bytes(&lease::encode(&[digest])).unwrap();
    provider
        .submit(&run, first, tree::root(first, &[digest]).unwrap(), list)
        .await;
    assert_eq!(run.download(&out).await.unwrap_err().code(), "bad-result");

    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "partial files were left behind"
    );
}

fn overwrite(provider: &Provider, digest: &str, bytes: &[u8]) {
    let root = provider.store.root().to_owned();
    let name = files(&root)
        .into_keys()
        .find(|name| name.replace('/', "").ends_with(&digest[2..]))
        .unwrap();
    let path = root.join(name);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn money_is_checked_before_anything_is_sent() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    let block = async || devnet.provider.get_block_number().await.unwrap();
    let before = block().await;

    let error = client.submit(job(1_001)).await.unwrap_err();
    let Error::InsufficientFunds {
        balance: 0,
        wallet,
        need,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*wallet, *need), (FUNDS, 1_001 * TOKEN));
    let quote = client.quote(&job(1_000)).await.unwrap();
    assert_eq!(
        (quote.escrow, quote.deposit, quote.is_covered()),
        (FUNDS, FUNDS, true)
    );

    for (bad, field) in [
        (job(0), "tasks"),
        (job(1).max_price(u128::MAX), "max_price"),
        (job(1).min_price(2 * TOKEN, 10), "min_price"),
        (job(1).redundant(3, 2).min_price(1, 0), "min_price"),
        (job(1).redundant(3, 2).min_price(TOKEN, 9), "ramp"),
        (job(1).bond(1 << 96), "bond"),
        (audited(1).bond(0), "bond"),
        (audited(1).jury_fee(1 << 94), "jury_fee"),
        (audited(1).jury_fee(0), "jury_fee"),
        (audited(1).audit_window(31 * 86_400), "audit_window"),
        (audited(1).audit_window(0), "audit_window"),
        (job(1).run_window(5), "run_window"),
        (job(1).closes_in(366 * 86_400), "closes_in"),
        (job(4_000).max_lease(3_000), "max_lease"),
        (job(20).min_lease(6).max_lease(8), "min_lease"),
    ] {
        let error = client.submit(bad).await.unwrap_err();
        assert!(
            matches!(&error, Error::BadJob { field: named, .. } if *named == field),
            "{field}: {error}"
        );
    }
    // A cheat that is audited so seldom loses less than it saves. That is told before, and refused.
    let weak = || audited(1).audited(1_000);
    let quote = client.quote(&weak()).await.unwrap();
    assert!(quote.deterrence.unwrap().is_refused(), "{quote:?}");
    let error = client.submit(weak()).await.unwrap_err();
    assert_eq!(error.code(), "weak-audits", "{error}");
    let error = client.submit(audited(1)).await.unwrap_err();
    assert!(error.to_string().contains("NoStakeToDraw"), "{error}");
    let error = client
        .submit(job(1).env("PIECEWORK_TASK_INDEX", "3"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Spec(_)), "{error}");
    let error = client
        .submit(job(1).input("/no/such/directory"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Blob(_)), "{error}");
    assert_eq!(block().await, before, "nothing was sent");

    let error = client.attach(B256::repeat_byte(7)).await.unwrap_err();
    assert_eq!(error.code(), "job-not-found");
    let run = client.submit(job(1).nonce(4)).await.unwrap();
    let stranger = devnet.market(3).await.attach(run.id()).await.unwrap();
    let error = stranger.cancel().await.unwrap_err();
    let Error::Chain(ChainError::Reverted { revert, tx: None }) = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(
            revert.market.as_deref(),
            Some(IMarket::IMarketErrors::NotClient(_))
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_market_is_not_entered_with_a_wrong_key_or_chain() {
    let devnet = Devnet::start().await;
    let wrong = MarketConfig {
        chain_id: Some(10),
        ..devnet.config(1)
    };
    assert_eq!(
        Market::connect(wrong).await.unwrap_err().code(),
        "chain-wrong-chain"
    );
    let nowhere = MarketConfig {
        market: devnet.anvil.addresses()[9],
        ..devnet.config(1)
    };
    assert_eq!(
        Market::connect(nowhere).await.unwrap_err().code(),
        "chain-no-market"
    );

    let dir = tempfile::tempdir().unwrap();
    let (path, password_file) = (dir.path().join("key"), dir.path().join("password"));
    piecework::chain::keys::create(&path, "right").unwrap();
    std::fs::write(&password_file, "wrong\n").unwrap();
    let key = KeySource::Keystore {
        path,
        password_file: password_file.clone(),
    };
    let locked = MarketConfig {
        key,
        ..devnet.config(1)
    };
    assert_eq!(
        Market::connect(locked.clone()).await.unwrap_err().code(),
        "key-wrong-password"
    );
    std::fs::write(&password_file, "right\n").unwrap();
    Market::connect(locked).await.unwrap();
}

#[tokio::test]
async fn an_image_that_cannot_be_exported_is_named_and_costs_nothing() {
    let devnet = Devnet::start().await;
    let before = devnet.provider.get_block_number().await.unwrap();
    let submit = async |docker_host: Option<String>| {
        let config = MarketConfig {
            docker_host,
            ..devnet.config(1)
        };
        let client = Market::connect(config).await.unwrap();
        let job = piecework::Job::image("no-such-image:v0").max_price(TOKEN);
        let job = job.unaudited();
        client.submit(job).await.unwrap_err()
    };
    let error = submit(std::env::var("DOCKER_HOST").ok()).await;
    assert!(matches!(error, Error::Image(_)), "{error}");
    assert!(error.to_string().contains("no-such-image:v0"), "{error}");
    let error = submit(Some("unix:///no/such/docker.sock".into())).await;
    assert!(matches!(error, Error::Image(_)), "{error}");
    let error = submit(Some("tcp://127.0.0.1:2375".into())).await;
    assert_eq!(error.code(), "config", "{error}");
    assert_eq!(devnet.provider.get_block_number().await.unwrap(), before);
}

#[cfg(feature = "ethers")]
#[tokio::test]
async fn an_ethers_signer_pays() {
    let devnet = Devnet::start().await;
    let key = devnet.anvil.key(1).unwrap();
    let theirs = ethers_signers::LocalWallet::from_bytes(key.to_bytes().as_slice()).unwrap();
    let market = Market::connect(
        MarketConfig::new(devnet.anvil.url(), devnet.market)
            .wallet(piecework::ethers::wallet(theirs)),
    )
    .await
    .unwrap();
    assert_eq!(market.account().unwrap(), key.address());
    let receipts = market.deposit(TOKEN).await.unwrap();
    assert_eq!(
        receipts.len(),
        2,
        "no permit without the key: approve, deposit"
    );
    let balances = market.balances(key.address()).await.unwrap();
    assert_eq!((balances.balance, balances.wallet), (TOKEN, FUNDS - TOKEN));
}
