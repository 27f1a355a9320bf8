//! What the sandbox costs: a task that only exits, against `docker run` of the same image. Run by
//! hand: `cargo test --release -p piecework-executor --test sandbox -- --ignored --nocapture`.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use piecework::digest::manifest::Outcome;
use tokio_util::sync::CancellationToken;

use crate::harness::Bench;

const RUNS: usize = 20;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "measures; needs a quiet machine and the docker command"]
async fn a_task_that_only_exits_costs_little_more_than_docker_run() {
    let bench = Bench::new().await;
    let prepared = bench.prepare(&bench.spec(&["exit", "0"])).await.unwrap();
    let image = prepared.image_id().to_owned();
    let docker_run = || {
        let clock = Instant::now();
        let status = Command::new("docker")
            .args(["run", "--rm", "--network", "none", &image, "exit", "0"])
            .status()
            .unwrap();
        assert!(status.success());
        clock.elapsed()
    };
    let cancel = CancellationToken::new();
    let (mut ours, mut theirs, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    // Alternating, so that what else happens on the machine hits both.
    for _ in 0..RUNS {
        theirs.push(docker_run());
        let clock = Instant::now();
        let run = bench
            .sandbox
            .run(&prepared, "0xjob", 0, &bench.work, &cancel);
        let result = run.await.unwrap();
        ours.push(clock.elapsed());
        assert_eq!(result.outcome, Outcome::Exit(0));
        parts.push(result.timings);
        // The removal goes on in the background; it is no part of the next `docker run`.
        bench.sandbox.close().await;
    }
    let (ours, theirs) = (median(ours), median(theirs));
    eprintln!("docker run --rm --network none: {theirs:?}");
    eprintln!(
        "sandbox: {ours:?}, {:.2} of it",
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    eprintln!(
        "create {:?}, start {:?}, run {:?}, collect {:?}",
        median(parts.iter().map(|part| part.create).collect()),
        median(parts.iter().map(|part| part.start).collect()),
        median(parts.iter().map(|part| part.run).collect()),
        median(parts.iter().map(|part| part.collect).collect()),
    );
    for parallel in [1, 2, 4] {
        let clock = Instant::now();
        let runs = (0..RUNS as u32).map(|task| {
            bench
                .sandbox
                .run(&prepared, "0xjob", task, &bench.work, &cancel)
        });
        let results: Vec<_> = stream::iter(runs)
            .buffer_unordered(parallel)
            .collect()
            .await;
        bench.sandbox.close().await;
        assert!(results.iter().all(Result::is_ok));
        let rate = results.len() as f64 / clock.elapsed().as_secs_f64() * 60.0;
        eprintln!("{parallel} at a time: {rate:.0} tasks a minute");
    }
    assert!(ours < theirs * 3 / 2);
    bench.finish().await;
}
