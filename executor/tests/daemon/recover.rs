//! The state directory is gone: what `recover` says, and what a new start makes of it.

use std::process::{Command, Output};

use alloy::primitives::B256;
use piecework::chain::IMarket;

use crate::{
    crash::Daemon,
    net::PURSE,
    scene::{Scene, containers, eventually, naps},
};

/// What the command prints, and whether it says that nothing is lost.
fn recover(scene: &Scene, index: usize) -> (String, bool) {
    let key = scene.net.key(index);
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_piecework-executor"))
        .args(["recover", "--config"])
        .arg(scene.folder.path().join("executor.toml"))
        .env("PIECEWORK_PRIVATE_KEY", format!("{:x}", key.to_bytes()))
        .output()
        .unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let error = String::from_utf8_lossy(&stderr);
    assert!(!text.is_empty(), "{error}");
    (text, status.success())
}

/// The only line that has all these words.
fn line<'a>(text: &'a str, words: &[&str]) -> Vec<&'a str> {
    let is_it = |line: &&str| words.iter().all(|word| line.contains(word));
    let lines: Vec<_> = text.lines().filter(is_it).collect();
    let [line] = lines[..] else {
        panic!("{words:?} in {text}");
    };
    line.split_whitespace().collect()
}

fn short(job: B256) -> String {
    format!("{}…", &job.to_string()[..10])
}

async fn balance(scene: &Scene, index: usize) -> u128 {
    let account = scene.net.key(index).address();
    let market = scene.net.contract();
    market
        .ask(IMarket::balanceOfCall { account })
        .call()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_database_is_gone_is_listed_then_finished_and_paid() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let daemon = Daemon::start(&scene, 2);
    let job = scene.post(&scene.spec(&["nap", "1500"], 4)).await;
    let label = format!("piecework.job={job:x}");
    eventually("containers run", || async {
        !containers(&label).is_empty()
    })
    .await;
    daemon.kill();
    let before = scene.sent(2).await;
    std::fs::rename(scene.state_dir(2), scene.folder.path().join("lost")).unwrap();

    let (text, is_well) = recover(&scene, 2);
    assert!(is_well, "{text}");
    let short = short(job);
    let duty = line(&text, &[&short, "running"]);
    assert_eq!(duty[..6], [&*short, "0", "4", "1", "lease", "running"]);
    // What this lease locks is what is lost otherwise.
    let locked = PURSE - scene.free_stake(provider).await;
    let owed = text.lines().filter(|line| line.contains(&short)).nth(1);
    let at_stake = owed.unwrap().split_whitespace().last().unwrap();
    let at_stake: u128 = at_stake.parse().unwrap();
    assert!(at_stake > 0 && at_stake <= locked + 400, "{text}");
    line(&text, &["secret", "is not there"]);
    line(&text, &["start `piecework-executor run` within"]);
    assert!(!text.contains("lost as it is now"), "{text}");
    // It changed nothing, neither here nor there.
    assert!(!scene.state_dir(2).exists());
    assert_eq!(scene.sent(2).await, before);

    let daemon = Daemon::start(&scene, 2);
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(4));
    assert_eq!(scene.free_stake(provider).await, PURSE);
    assert_eq!(balance(&scene, 2).await, 392);
    for name in ["Claimed", "Submitted", "Settled"] {
        assert_eq!(scene.count(job, name).await, 1, "{name}");
    }
    // All is over. It also says so of the database that is in use now.
    let is_over = || async { recover(&scene, 2).0.contains("nothing is unfinished") };
    eventually("nothing is owed", is_over).await;
    let (text, _) = recover(&scene, 2);
    line(&text, &["database", "was copied"]);
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_vote_is_lost_with_the_salt_secret_and_found_with_it() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let daemon = Daemon::start(&scene, 2);
    let mining = scene.keep_mining();
    // A vote that is opened first proves later whose secret it is.
    let first = scene
        .post_redundant(&scene.spec(&["nap", "10"], 4), |_| {})
        .await;
    let others = scene.executors([3, 4]).await;
    scene.settled(first, 1).await;
    for other in others {
        other.stop().await.unwrap();
    }
    let job = scene
        .post_redundant(&scene.spec(&["nap", "20"], 4), |_| {})
        .await;
    eventually("it has committed", || async {
        scene.count(job, "Committed").await == 1
    })
    .await;
    daemon.kill();
    // A second seat begins the round.
    let others = scene.executors([3]).await;
    eventually("the round has begun", || async {
        scene.count(job, "Committed").await == 2
    })
    .await;
    // No block comes while the test reads the chain.
    drop(mining);
    let state = scene.state_dir(2);
    let secret = std::fs::read(state.join("salt-secret")).unwrap();
    let old = scene.folder.path().join("old");
    std::fs::rename(&state, &old).unwrap();

    let short = short(job);
    let (text, is_well) = recover(&scene, 2);
    line(&text, &["secret", "is not there"]);
    line(&text, &[&short, "committed"]);
    assert!(!text.contains(&self::short(first)), "it is over: {text}");
    line(&text, &["1 votes were committed to and cannot be opened"]);
    // The bond of a seat of four tasks, and its pay.
    line(&text, &["lost as it is now: 1192"]);
    assert!(!is_well);

    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("salt-secret"), format!("{:064x}", 7)).unwrap();
    let (text, is_well) = recover(&scene, 2);
    line(&text, &["is another one: it hid none of 1 votes"]);
    line(&text, &["lost as it is now: 1192"]);
    assert!(!is_well);

    std::fs::write(state.join("salt-secret"), secret).unwrap();
    let (text, is_well) = recover(&scene, 2);
    line(&text, &["fits: it hid 1 votes"]);
    assert!(is_well, "{text}");
    assert!(!text.contains("lost as it is now"), "{text}");

    let _mining = scene.keep_mining();
    let daemon = Daemon::start(&scene, 2);
    let last = scene.executors([4]).await;
    scene.settled(job, 1).await;
    use IMarket::SeatEnd::Paid;
    let ends: Vec<_> = scene.ends(job).await.iter().map(|end| end.0).collect();
    assert_eq!(ends, [Paid; 3]);
    for other in others.into_iter().chain(last) {
        other.stop().await.unwrap();
    }
    daemon.kill();
}
