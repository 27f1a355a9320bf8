use piecework::digest::{Digest, OciDigest};
use piecework_executor::Executor;

use crate::scene::{Scene, status_says};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_never_claimed_and_the_status_says_why() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let before = scene.sent(2).await;
    let good = scene.spec(&["nap", "1"], 2);

    let mut wrong = good.clone();
    wrong.image.manifest = OciDigest([7; 32]);
    let wrong = scene.post(&wrong).await;
    let mut nowhere = good.clone();
    nowhere.image.manifest = OciDigest([9; 32]);
    nowhere.image.archive = Some(Digest([9; 32]));
    let nowhere = scene.post(&nowhere).await;
    let mut no_input = good.clone();
    no_input.input = Some(Digest([8; 32]));
    let no_input = scene.post(&no_input).await;
    let mut too_big = good.clone();
    too_big.resources.memory_bytes = 1 << 40;
    let too_big = scene.post(&too_big).await;
    let redundant = scene
        .post_with(&good, |job| {
            job.terms.tasks = 3;
        })
        .await;

    for (job, why) in [
        (wrong, "image is refused"),
        (nowhere, "image cannot be had"),
        (no_input, "input cannot be had"),
        (too_big, "whole machine"),
        (redundant, "2 tasks, the job of 3"),
    ] {
        status_says(&executor, why, |status| {
            status
                .skipped
                .iter()
                .any(|skipped| skipped.job == job && skipped.why.contains(why))
        })
        .await;
        assert_eq!(scene.count(job, "Claimed").await, 0);
    }
    // Sent was at most the endpoint; and a good job is still taken.
    assert!(scene.sent(2).await - before <= 1);
    let job = scene.post(&good).await;
    scene.settled(job, 1).await;
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_chain_a_missing_market_and_a_dead_endpoint_each_say_so() {
    let scene = Scene::new().await;
    let code = async |change: fn(&mut piecework_executor::Config)| {
        let mut config = scene.config(2);
        change(&mut config);
        Executor::start(config).await.unwrap_err().code()
    };
    assert_eq!(
        code(|config| config.chains[0].market = config.chains[0].provider).await,
        "chain-no-market"
    );
    assert_eq!(
        code(|config| config.chains[0].rpc_urls = vec!["http://127.0.0.1:1".parse().unwrap()])
            .await,
        "chain-unreachable"
    );
    assert_eq!(
        code(|config| config.docker = "unix:///nowhere.sock".to_owned()).await,
        "engine-unreachable"
    );
    assert_eq!(
        code(|config| config.serve = "192.0.2.1:1".parse().unwrap()).await,
        "bind"
    );
    let _first = Executor::start(scene.config(3)).await.unwrap();
    let second = Executor::start(scene.config(3)).await.unwrap_err();
    assert_eq!(second.code(), "store-locked");
}
