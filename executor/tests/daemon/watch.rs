use alloy::primitives::{Address, B256};
use piecework::{
    blobs::{DirStore, blob_router},
    chain::{IERC20, IMarket, MarketEvent, Sender, deploy::mint},
    digest::{
        Digest, lease,
        manifest::{BlobRef, EntryPath, ResultManifest, Tree},
        tree,
    },
    spec::JobSpec,
};
use piecework_executor::{Config, Executor, config::Watch};

use crate::{
    crash::Daemon,
    net::PURSE,
    reorg::reorg,
    scene::{Scene, containers, eventually, status_says},
};

/// What a juror is paid, and three times that: a challenge's deposit, and its reward.
const FEE: u128 = 10;
const DEPOSIT: u128 = 3 * FEE;
/// What the watcher's ledger begins with.
const FUNDS: u128 = 100;
/// The bond of a lease of two tasks.
const BOND: u128 = 400;

/// The watcher is the provider of account 2, whose operator is account 6; the cheat is account 5.
const WATCHER: usize = 2;
const OPERATOR: usize = 6;
const CHEAT: usize = 5;

/// What an honest machine finds in a task of `nap`.
fn honest(task: u32) -> ResultManifest {
    named(&task.to_string())
}

fn named(text: &str) -> ResultManifest {
    let mut tree = Tree::builder();
    let file = BlobRef::of(text.as_bytes());
    tree.file(EntryPath::new("task.txt").unwrap(), file, false)
        .unwrap();
    ResultManifest::exited(0, BlobRef::of(b""), tree.finish().unwrap())
}

/// A provider that is driven by hand, and serves what it likes.
struct ByHand {
    provider: Sender,
    store: DirStore,
}

impl Scene {
    async fn by_hand(&self, index: usize) -> ByHand {
        let provider = self.net.sender(index);
        let folder = self.folder.path().join(format!("by-hand-{index}"));
        let store = DirStore::open(folder).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let router = blob_router(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let profile = IMarket::setProfileCall {
            nodeId: B256::ZERO,
            capabilities: B256::ZERO,
            endpoint,
        };
        provider.call(self.net.market, &profile).await.unwrap();
        ByHand { provider, store }
    }

    /// A job of two tasks whose results can be challenged for long, and are run quickly.
    async fn post_contestable(&self, spec: &JobSpec) -> (B256, IMarket::Job) {
        self.post_contestable_within(spec, 600).await
    }

    async fn post_contestable_within(
        &self,
        spec: &JobSpec,
        run_window: u64,
    ) -> (B256, IMarket::Job) {
        let mut posted = None;
        let id = self
            .post_with(spec, |job| {
                job.timing.challengeWindow = 3_600;
                job.timing.runWindow = run_window;
                job.terms.nonce = rand::random();
                posted = Some(job.clone());
            })
            .await;
        (id, posted.unwrap())
    }

    /// Takes both tasks of the job, and submits these results; serves their list, or not.
    async fn submit(&self, who: &ByHand, job: &IMarket::Job, results: &[Digest], serve: bool) {
        let provider = who.provider.address();
        let claim = IMarket::claimCall {
            job: job.clone(),
            provider,
            count: 2,
        };
        who.provider.call(self.net.market, &claim).await.unwrap();
        let list = lease::encode(results);
        if serve {
            who.store.put_bytes(&list).unwrap();
        }
        let submit = IMarket::submitCall {
            job: job.clone(),
            first: 0,
            provider,
            root: tree::root(0, results).unwrap(),
            manifest: Digest::of(&list).into(),
        };
        who.provider.call(self.net.market, &submit).await.unwrap();
    }

    /// Allows the watcher's operator to act for it, and funds its ledger as its owner does.
    async fn operator(&self, funds: u128) -> Address {
        let owner = self.net.sender(WATCHER);
        let operator = self.net.key(OPERATOR).address();
        let allow = IMarket::setOperatorCall {
            operator,
            allowed: true,
        };
        owner.call(self.net.market, &allow).await.unwrap();
        if funds > 0 {
            self.fund(operator, funds).await;
        }
        operator
    }

    async fn fund(&self, operator: Address, funds: u128) {
        let owner = self.net.sender(WATCHER);
        mint(&self.net.sender(0), self.net.token, owner.address(), funds)
            .await
            .unwrap();
        let approve = IERC20::approveCall {
            spender: self.net.market,
            value: alloy::primitives::U256::from(funds),
        };
        owner.call(self.net.token, &approve).await.unwrap();
        let deposit = IMarket::depositCall {
            account: operator,
            amount: funds,
        };
        owner.call(self.net.market, &deposit).await.unwrap();
    }

    /// The watcher: it sits on no jury and takes no work whose price it does not like.
    fn watcher(&self) -> Config {
        let mut config = self.config(WATCHER);
        let key = self.net.key(OPERATOR);
        config.chains[0].operator = piecework_executor::config::OperatorKey::Raw(key);
        config.chains[0].watch = Watch {
            share: 1.0,
            max_deposit: Some(FUNDS),
            ..Watch::OFF
        };
        config
    }

    async fn ledger(&self, account: Address) -> u128 {
        let market = self.net.contract();
        market.balanceOf(account).call().await.unwrap()
    }

    /// Three blocks later a jury can be sealed.
    async fn challenged(&self, job: B256) {
        eventually("a challenge", || async {
            self.count(job, "Challenged").await >= 1
        })
        .await;
        self.mine(3).await;
    }

    async fn verdict_of(&self, job: B256) -> IMarket::Judged {
        eventually("a verdict", || async {
            self.count(job, "Judged").await >= 1
        })
        .await;
        let judged = |event| match event {
            MarketEvent::Judged(event) => Some(event),
            _ => None,
        };
        let events = self.events(job).await.into_iter();
        events.filter_map(|at| judged(at.event)).next().unwrap()
    }
}

fn digests(results: [ResultManifest; 2]) -> [Digest; 2] {
    results.map(|result| result.digest())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_result_is_found_challenged_and_rewarded_and_a_right_one_is_left_alone() {
    let scene = Scene::new().await;
    for index in [WATCHER, 3, 4, CHEAT, 7] {
        scene.net.stake(index).await;
    }
    // One of five equal stakes is drawn after one doubling for sure: a jury's draw ends with the second.
    let operator = scene.operator(FUNDS).await;
    let cheat = scene.by_hand(CHEAT).await;
    let spec = scene.spec(&["nap", "10"], 2);
    let (right, right_job) = scene.post_contestable(&spec).await;
    let (wrong, wrong_job) = scene.post_contestable(&spec).await;
    scene
        .submit(&cheat, &right_job, &digests([honest(0), honest(1)]), true)
        .await;
    let false_digests = digests([honest(0), named("made up")]);
    scene.submit(&cheat, &wrong_job, &false_digests, true).await;

    // Of four providers that could judge, the challenger's own does not.
    let jury = scene.executors([3, 4, 7]).await;
    let watcher = Executor::start(scene.watcher()).await.unwrap();
    scene.challenged(wrong).await;
    let verdict = scene.verdict_of(wrong).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::ProviderWrong);
    assert_eq!(Digest::from(verdict.digest), honest(1).digest());
    assert_eq!((verdict.reward, verdict.returned), (DEPOSIT, DEPOSIT));
    assert_eq!(scene.ledger(operator).await, FUNDS + DEPOSIT);
    let cheats = cheat.provider.address();
    // Its other lease is still bonded.
    assert_eq!(scene.free_stake(cheats).await, PURSE - 2 * BOND);
    let own = scene.net.key(WATCHER).address();
    for at in scene.events(wrong).await {
        if let MarketEvent::JurorJoined(joined) = at.event {
            assert_ne!(joined.provider, own, "it judged its own challenge");
        }
    }
    for (name, times) in [("Challenged", 1), ("AnswerRevealed", 1), ("JurySealed", 1)] {
        assert_eq!(scene.count(wrong, name).await, times, "{name}");
    }
    assert_eq!(scene.count(right, "Challenged").await, 0);
    status_says(&watcher, "what it did", |status| {
        let watch = &status.watch;
        // Who takes the lease over is watched too.
        watch.same >= 1
            && (watch.differences, watch.won) == (1, 1)
            && (watch.paid_out, watch.paid_in) == (DEPOSIT, 2 * DEPOSIT)
            && watch.balance == FUNDS + DEPOSIT
            && watch.at_stake == 0
    })
    .await;
    // Twice the right one's tasks once, the wrong one's second task twice.
    assert_eq!(watcher.status().chains[0].watch.reruns, 5);
    let metrics = format!("{}metrics", watcher.admin_url().unwrap());
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("piecework_watch_challenges{verdict=\"won\",chain=\"devnet\"} 1"));
    watcher.stop().await.unwrap();
    for executor in jury {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_money_and_without_a_list_nothing_is_challenged_and_it_says_so() {
    let scene = Scene::new().await;
    for index in [WATCHER, CHEAT] {
        scene.net.stake(index).await;
    }
    let operator = scene.operator(0).await;
    let cheat = scene.by_hand(CHEAT).await;
    let mut spec = scene.spec(&["nap", "10"], 2);
    spec.resources.timeout_seconds = 5;
    let (unserved, job) = scene.post_contestable(&spec).await;
    let false_digests = digests([honest(0), named("made up")]);
    let hidden = digests([honest(0), named("never shown")]);
    scene.submit(&cheat, &job, &hidden, false).await;
    let (wrong, job) = scene.post_contestable(&spec).await;
    scene.submit(&cheat, &job, &false_digests, true).await;
    let watcher = Executor::start(scene.watcher()).await.unwrap();
    status_says(&watcher, "it lacks the deposit", |status| {
        let trouble = status.watch.trouble.as_deref().unwrap_or_default();
        status.watch.differences == 1
            && trouble.contains("would earn 30")
            && trouble.contains(&format!("deposit({operator}, 30)"))
    })
    .await;
    for job in [unserved, wrong] {
        assert_eq!(scene.count(job, "Challenged").await, 0);
    }
    // Its owner funds it, and it challenges after all: within half a minute.
    scene.fund(operator, DEPOSIT).await;
    scene.challenged(wrong).await;
    assert_eq!(scene.ledger(operator).await, 0);
    assert_eq!(scene.count(unserved, "Challenged").await, 0);
    watcher.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_challenges_once_and_reveals_its_answer() {
    let scene = Scene::new().await;
    for index in [WATCHER, 3, 4, CHEAT, 7] {
        scene.net.stake(index).await;
    }
    let operator = scene.operator(FUNDS).await;
    let cheat = scene.by_hand(CHEAT).await;
    // The second run naps longer than it takes to be killed.
    let spec = scene.spec(&["nap", "1500"], 2);
    let (wrong, job) = scene.post_contestable(&spec).await;
    let false_digests = digests([named("made up"), honest(1)]);
    scene.submit(&cheat, &job, &false_digests, true).await;

    // In the middle of a run.
    let daemon = Daemon::watching(&scene, WATCHER, OPERATOR);
    let label = format!("piecework.job={wrong:x}");
    eventually("it runs", || async { !containers(&label).is_empty() }).await;
    daemon.kill();
    // Between store and send: nothing is mined while it dies.
    let anvil = &scene.net.provider;
    use alloy::providers::ext::AnvilApi as _;
    anvil.anvil_set_auto_mine(false).await.unwrap();
    let daemon = Daemon::watching(&scene, WATCHER, OPERATOR);
    let database = scene
        .state_dir(WATCHER)
        .join("chains/devnet/executor.sqlite");
    eventually("the challenge is stored", || async {
        count_rows(&database, "challenges") == 1
    })
    .await;
    daemon.kill();
    assert_eq!(scene.count(wrong, "Challenged").await, 0);
    anvil.anvil_set_auto_mine(true).await.unwrap();
    anvil.anvil_mine(Some(1), None).await.unwrap();
    let daemon = Daemon::watching(&scene, WATCHER, OPERATOR);
    scene.challenged(wrong).await;
    // After the challenge: the jury works without it, and waits for its answer.
    daemon.kill();
    let jury = scene.executors([3, 4, 7]).await;
    eventually("the jury has revealed", || async {
        scene.count(wrong, "VoteRevealed").await == 3
    })
    .await;
    assert_eq!(scene.count(wrong, "AnswerRevealed").await, 0);
    let daemon = Daemon::watching(&scene, WATCHER, OPERATOR);
    let verdict = scene.verdict_of(wrong).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::ProviderWrong);
    assert_eq!((verdict.reward, verdict.returned), (DEPOSIT, DEPOSIT));
    assert_eq!(scene.ledger(operator).await, FUNDS + DEPOSIT);
    for name in ["Challenged", "AnswerRevealed", "Judged"] {
        assert_eq!(scene.count(wrong, name).await, 1, "{name}");
    }
    daemon.terminate();
    assert_eq!(count_rows(&database, "challenges"), 1);
    for executor in jury {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_jury_comes_together_it_challenges_once() {
    let scene = Scene::new().await;
    for index in [WATCHER, CHEAT] {
        scene.net.stake(index).await;
    }
    let operator = scene.operator(FUNDS).await;
    let cheat = scene.by_hand(CHEAT).await;
    let mut spec = scene.spec(&["nap", "10"], 2);
    spec.resources.timeout_seconds = 2;
    let (wrong, job) = scene.post_contestable_within(&spec, 12).await;
    let false_digests = digests([named("made up"), honest(1)]);
    scene.submit(&cheat, &job, &false_digests, true).await;
    let watcher = Executor::start(scene.watcher()).await.unwrap();
    eventually("a challenge", || async {
        scene.count(wrong, "Challenged").await == 1
    })
    .await;
    // It is the same challenge when a reorganization takes it away.
    reorg(&scene, 1).await;
    scene.challenged(wrong).await;
    // Nobody judges but the challenger.
    let verdict = scene.verdict_of(wrong).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Inconclusive);
    status_says(&watcher, "no verdict", |status| {
        status.watch.inconclusive == 1 && status.watch.balance == FUNDS
    })
    .await;
    // Its limit and its ledger would cover twice the deposit.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(scene.count(wrong, "Challenged").await, 1);
    assert_eq!(scene.ledger(operator).await, FUNDS);
    // Nothing is owed: it stops at once.
    watcher.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_too_slow_for_a_task_does_not_challenge_who_was_not() {
    let scene = Scene::new().await;
    for index in [WATCHER, CHEAT] {
        scene.net.stake(index).await;
    }
    scene.operator(FUNDS).await;
    let fast = scene.by_hand(CHEAT).await;
    let mut spec = scene.spec(&["nap", "8000"], 2);
    spec.resources.timeout_seconds = 2;
    let (right, job) = scene.post_contestable(&spec).await;
    scene
        .submit(&fast, &job, &digests([honest(0), honest(1)]), true)
        .await;
    let watcher = Executor::start(scene.watcher()).await.unwrap();
    status_says(&watcher, "it cannot tell", |status| {
        status.watch.unfinished == 1
    })
    .await;
    let watch = watcher.status().chains[0].watch.clone();
    assert_eq!((watch.reruns, watch.differences), (0, 0));
    watcher.stop().await.unwrap();
    assert_eq!(scene.count(right, "Challenged").await, 0);
    let database = scene
        .state_dir(WATCHER)
        .join("chains/devnet/executor.sqlite");
    assert_eq!(count_rows(&database, "reruns"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_is_not_deterministic_is_never_challenged() {
    let scene = Scene::new().await;
    for index in [WATCHER, CHEAT] {
        scene.net.stake(index).await;
    }
    scene.operator(FUNDS).await;
    let cheat = scene.by_hand(CHEAT).await;
    let spec = scene.spec(&["show", "/proc/sys/kernel/random"], 2);
    let (job, posted) = scene.post_contestable(&spec).await;
    let results = digests([named("some"), named("other")]);
    scene.submit(&cheat, &posted, &results, true).await;
    let watcher = Executor::start(scene.watcher()).await.unwrap();
    status_says(&watcher, "it is found out", |status| {
        status.watch.unsteady == 1
    })
    .await;
    let watch = watcher.status().chains[0].watch.clone();
    assert_eq!((watch.reruns, watch.differences), (2, 0));
    assert_eq!(scene.count(job, "Challenged").await, 0);
    watcher.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bonded_work_goes_first_and_the_sample_is_run_when_it_is_done() {
    let scene = Scene::new().await;
    for index in [WATCHER, CHEAT] {
        scene.net.stake(index).await;
    }
    scene.operator(FUNDS).await;
    let cheat = scene.by_hand(CHEAT).await;
    let slow = scene.spec(&["nap", "6000"], 2);
    let (watched, job) = scene.post_contestable(&slow).await;
    let results = digests([honest(0), honest(1)]);
    scene.submit(&cheat, &job, &results, true).await;
    let mut config = scene.watcher();
    config.capacity.tasks = 1;
    config.chains[0].policy.try_seconds = 0;
    let watcher = Executor::start(config).await.unwrap();
    let label = format!("piecework.job={watched:x}");
    eventually("it runs", || async { !containers(&label).is_empty() }).await;
    let bonded = scene.post(&scene.spec(&["nap", "1500"], 1)).await;
    let bonded_label = format!("piecework.job={bonded:x}");
    eventually("bonded work runs", || async {
        !containers(&bonded_label).is_empty()
    })
    .await;
    // The machine has room for one.
    eventually("the sample gives way", || async {
        containers(&label).is_empty()
    })
    .await;
    assert_eq!(watcher.status().chains[0].watch.reruns, 0);
    eventually("bonded work is done", || async {
        scene.count(bonded, "Submitted").await == 1
    })
    .await;
    status_says(&watcher, "then the sample", |status| {
        (status.watch.same, status.watch.reruns) == (1, 2)
    })
    .await;
    assert_eq!(scene.count(watched, "Challenged").await, 0);
    watcher.stop().await.unwrap();
}

fn count_rows(database: &std::path::Path, table: &str) -> i64 {
    let Ok(connection) =
        rusqlite::Connection::open_with_flags(database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
    else {
        return 0;
    };
    let count = format!("SELECT count(*) FROM {table}");
    connection
        .query_row(&count, [], |row| row.get(0))
        .unwrap_or(0)
}
