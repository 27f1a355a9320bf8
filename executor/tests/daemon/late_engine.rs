//! The container engine is down while the executor starts.

use std::{os::unix::fs::symlink, path::PathBuf};

use piecework::chain::IMarket;
use piecework_executor::{Config, Executor};

use crate::scene::{Scene, containers, docker, eventually, naps, status_says};

/// A configuration whose engine is behind a path that comes and goes.
fn config(scene: &Scene) -> (Config, PathBuf) {
    let path = scene.folder.path().join("docker.sock");
    let mut config = scene.config(2);
    config.docker = format!("unix://{}", path.display());
    (config, path)
}

fn bring(path: &PathBuf) {
    let docker = docker();
    symlink(docker.strip_prefix("unix://").unwrap(), path).unwrap();
}

async fn ready(executor: &Executor) -> (u16, String) {
    let url = executor.admin_url().unwrap().join("readyz").unwrap();
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_vote_is_opened_without_an_engine_and_work_is_taken_when_it_comes() {
    let scene = Scene::new().await;
    for index in [2, 3, 4] {
        scene.net.stake(index).await;
    }
    let (config, socket) = config(&scene);
    // Where nothing was begun before, the engine's absence is an error.
    let error = Executor::start(config.clone()).await.unwrap_err();
    assert_eq!(error.code(), "engine-unreachable");

    bring(&socket);
    let executor = Executor::start(config.clone()).await.unwrap();
    let _mining = scene.keep_mining();
    let job = scene
        .post_redundant(&scene.spec(&["nap", "10"], 4), |_| {})
        .await;
    eventually("it has committed", || async {
        scene.count(job, "Committed").await == 1
    })
    .await;
    executor.kill().await.unwrap();

    std::fs::remove_file(&socket).unwrap();
    let executor = Executor::start(config).await.unwrap();
    let others = scene.executors([3, 4]).await;
    scene.settled(job, 1).await;
    use IMarket::SeatEnd::Paid;
    let ends: Vec<_> = scene.ends(job).await.iter().map(|end| end.0).collect();
    assert_eq!(ends, [Paid; 3]);
    for other in others {
        other.stop().await.unwrap();
    }

    let waiting = "no container engine answers on";
    status_says(&executor, waiting, |status| {
        status.blocked.iter().any(|why| why.contains(waiting))
    })
    .await;
    let (code, said) = ready(&executor).await;
    assert_eq!(code, 503);
    assert!(said.contains(waiting), "{said}");
    let job = scene.post(&scene.spec(&["nap", "10"], 2)).await;
    status_says(&executor, "it is not taken", |status| {
        let mut skipped = status.skipped.iter();
        skipped.any(|it| it.job == job && it.why.contains(waiting))
    })
    .await;
    assert_eq!(scene.count(job, "Claimed").await, 0);

    bring(&socket);
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(2));
    assert_eq!(ready(&executor).await.0, 200);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_waits_for_the_engine_goes_on_when_it_comes() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let (config, socket) = config(&scene);
    bring(&socket);
    let executor = Executor::start(config.clone()).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "1500"], 4)).await;
    let label = format!("piecework.job={job:x}");
    eventually("containers run", || async {
        !containers(&label).is_empty()
    })
    .await;
    executor.kill().await.unwrap();
    std::fs::remove_file(&socket).unwrap();
    let executor = Executor::start(config).await.unwrap();
    status_says(&executor, "the lease waits", |status| {
        let waits = status
            .blocked
            .iter()
            .any(|why| why.contains("no container engine"));
        waits && status.leases.iter().any(|lease| lease.phase == "running")
    })
    .await;
    bring(&socket);
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(4));
    for name in ["Claimed", "Submitted", "Settled"] {
        assert_eq!(scene.count(job, name).await, 1, "{name}");
    }
    executor.stop().await.unwrap();
}
