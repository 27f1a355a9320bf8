use std::time::Duration;

use piecework::{chain::IMarket, digest::manifest::Outcome};
use piecework_executor::{Executor, Verdict, check};

use crate::{
    net::PURSE,
    scene::{Scene, containers, eventually, naps, status_says},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_claimed_run_settled_and_every_output_verifies() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "10"], 6)).await;
    scene.settled(job, 2).await;
    assert_eq!(scene.outputs(job).await, naps(6));
    // Six tasks at 100 less the fee of 2 %, and no stake is locked any more.
    assert_eq!(
        scene
            .net
            .contract()
            .ask(IMarket::balanceOfCall { account: provider })
            .call()
            .await
            .unwrap(),
        588
    );
    assert_eq!(scene.free_stake(provider).await, PURSE);
    status_says(&executor, "all is done", |status| {
        status.leases.iter().all(|lease| lease.phase == "settled")
    })
    .await;

    // For people: logs, health, metrics, status.
    let get = async |url: String| {
        let answer = reqwest::get(url).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let log = get(format!("{}v1/logs/{job}/3", executor.blob_url())).await;
    assert_eq!(log, (200, "slept well\n".to_owned()));
    assert_eq!(
        get(format!("{}v1/logs/{job}/9", executor.blob_url()))
            .await
            .0,
        404
    );
    let admin = executor.admin_url().unwrap().clone();
    for page in ["livez", "readyz"] {
        assert_eq!(
            get(format!("{admin}{page}")).await,
            (200, "ok\n".to_owned())
        );
    }
    assert!(
        get(format!("{admin}metrics"))
            .await
            .1
            .contains("piecework_ready{chain=\"devnet\"} 1")
    );
    // The stake is asked for once the lease has ended, and told with the next tick.
    eventually("the whole stake is free", || async {
        let (_, status) = get(format!("{admin}status")).await;
        status.contains("\"free_stake\":1000000")
    })
    .await;
    executor.stop().await.unwrap();
    assert!(containers(&format!("piecework.job={job:x}")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_chance_says_no_the_lease_is_final_at_once_and_its_outputs_are_the_clients_until_then()
 {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let job = scene
        .post_with(&scene.spec(&["nap", "10"], 2), |job| {
            // One in ten thousand.
            (job.assurance.auditBps, job.price.juryFee) = (1, 10);
            job.timing.auditWindow = 3_600;
        })
        .await;
    eventually("a result", || async {
        scene.count(job, "Submitted").await == 1
    })
    .await;
    // Without later blocks there is no seed: it waits.
    let log = format!("{}v1/logs/{job}/1", executor.blob_url());
    let status = async |signed: bool| {
        let mut request = reqwest::Client::new().get(&log);
        for (name, value) in scene.signed(job, 0) {
            request = if signed {
                request.header(name, value)
            } else {
                request
            };
        }
        request.send().await.unwrap().status().as_u16()
    };
    eventually("the client is served", async || status(true).await == 200).await;
    assert_eq!(status(false).await, 404);
    assert_eq!(scene.outputs(job).await, naps(2));
    assert_eq!(scene.count(job, "Settled").await, 0);
    let _mining = scene.keep_mining();
    scene.settled(job, 1).await;
    eventually("everybody is served", async || status(false).await == 200).await;
    let state = scene
        .net
        .contract()
        .ask(IMarket::leaseOfCall {
            jobId: job,
            first: 0,
        })
        .call()
        .await
        .unwrap();
    assert_eq!(state.grade, IMarket::Grade::Unaudited);
    assert_eq!(scene.free_stake(provider).await, PURSE);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_fails_is_an_outcome_and_is_paid() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let job = scene.post(&scene.spec(&["exit", "3"], 2)).await;
    scene.settled(job, 1).await;
    assert_eq!(
        scene.outputs(job).await,
        vec![(Outcome::Exit(3), String::new()); 2]
    );
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_executors_in_one_process_share_a_job() {
    let scene = Scene::new().await;
    let mut executors = Vec::new();
    for (index, lease_tasks) in [(2, 1), (3, 2), (4, 4)] {
        scene.net.stake(index).await;
        let mut config = scene.config(index);
        config.capacity.lease_tasks = lease_tasks;
        config.capacity.tasks = 1;
        executors.push(Executor::start(config).await.unwrap());
    }
    let job = scene.post(&scene.spec(&["nap", "100"], 14)).await;
    let done = || async { scene.outputs(job).await.len() == 14 };
    crate::scene::eventually("all tasks are submitted", done).await;
    assert_eq!(scene.outputs(job).await, naps(14));
    let took_part = executors
        .iter()
        .filter(|executor| !executor.status().chains[0].leases.is_empty())
        .count();
    assert!(took_part >= 2, "{took_part} executors took part");
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_what_is_bonded_and_takes_nothing_new() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.chains[0].policy.max_leases = 1;
    let executor = Executor::start(config).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "500"], 8)).await;
    status_says(&executor, "a lease runs", |status| {
        !status.leases.is_empty()
    })
    .await;
    executor.stop().await.unwrap();
    assert_eq!(
        (
            scene.count(job, "Claimed").await,
            scene.count(job, "Submitted").await
        ),
        (1, 1)
    );
    // The next start takes the rest.
    let executor = Executor::start(scene.config(2)).await.unwrap();
    scene.settled(job, 2).await;
    assert_eq!(scene.outputs(job).await, naps(8));
    assert_eq!(scene.free_stake(provider).await, PURSE);
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_for_a_provider_and_check_says_what_is_missing() {
    let scene = Scene::new().await;
    let provider = scene.net.key(2).address();
    let mut config = scene.config(3);
    config.chains[0].provider = provider;
    config.serve_url = Some("http://provider.example".parse().unwrap());
    let error = Executor::start(config.clone()).await.unwrap_err();
    assert_eq!(error.code(), "not-operator");
    let operator = scene.net.key(3).address();
    let allow = IMarket::setOperatorCall {
        operator,
        allowed: true,
    };
    scene
        .net
        .sender(2)
        .call(scene.net.market, &allow)
        .await
        .unwrap();
    // One of two nodes is dead.
    let dead = "http://127.0.0.1:1".parse().unwrap();
    config.chains[0].rpc_urls.push(dead);
    let findings = check(&config).await;
    let told = |verdict| {
        let of_chain = findings.iter().filter(|at| at.chain.is_some());
        of_chain
            .filter(move |at| at.verdict == verdict)
            .collect::<Vec<_>>()
    };
    let [stake, outputs] = told(Verdict::Missing)[..] else {
        panic!("{findings:?}");
    };
    assert_eq!((stake.what, outputs.what), ("stake", "outputs"));
    assert!(
        outputs.text.contains("piecework provider profile "),
        "{}",
        outputs.text
    );
    let [node] = told(Verdict::Warning)[..] else {
        panic!("{findings:?}");
    };
    assert!(node.text.contains("http://127.0.0.1:1"), "{}", node.text);
    // What the machine lacks differs from one to the next, but each part of it is told of, and containers run.
    for what in ["engine", "runc", "kernel", "cgroup", "disk"] {
        assert!(findings.iter().any(|at| at.what == what), "{what}");
    }
    let runs = findings
        .iter()
        .find(|at| at.text.ends_with("runs containers"));
    assert_eq!(runs.unwrap().verdict, Verdict::Good);
    config.chains[0].rpc_urls.pop();

    // Without stake it waits and says so; with stake it works.
    let executor = Executor::start(config).await.unwrap();
    let job = scene.post(&scene.spec(&["nap", "10"], 2)).await;
    status_says(&executor, "it has no stake", |status| {
        status
            .blocked
            .iter()
            .any(|why| why.contains("has no stake"))
    })
    .await;
    scene.net.stake(2).await;
    scene.settled(job, 1).await;
    tokio::time::timeout(Duration::from_secs(20), executor.stop())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_began_beside_another_one_takes_the_room_that_it_leaves() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.capacity.tasks = 2;
    config.chains[0].policy.try_seconds = 0;
    let executor = Executor::start(config).await.unwrap();
    let short = scene.post(&scene.spec(&["nap", "9000"], 1)).await;
    status_says(&executor, "the first one runs", |status| {
        status.running_tasks == 1
    })
    .await;
    let long = scene.post(&scene.spec(&["nap", "5000"], 4)).await;
    status_says(&executor, "both run", |status| status.running_tasks == 2).await;
    assert_eq!(scene.count(short, "Submitted").await, 0);
    scene.settled(short, 1).await;
    status_says(&executor, "two tasks of the other one run", |status| {
        status.running_tasks == 2
    })
    .await;
    scene.settled(long, 1).await;
    executor.stop().await.unwrap();
}
