//! How tasks end.

use piecework::digest::manifest::{EntryKind, Outcome, OutputFault};

use crate::harness::Bench;

#[tokio::test]
async fn a_good_task_gives_its_outputs() {
    let bench = Bench::new().await;
    let result = bench.run(&["hello"]).await;
    assert_eq!(
        result.outcome,
        Outcome::Exit(0),
        "{}",
        String::from_utf8_lossy(&result.log)
    );
    assert_eq!(bench.stdout(&result), "hello\n");
    assert_eq!(result.log, b"a word on stderr\n");
    let long = format!("sub/{}", "ü".repeat(90));
    let entries: Vec<(&str, &str)> = result
        .manifest
        .tree()
        .entries()
        .iter()
        .map(|entry| {
            let kind = match entry.kind {
                EntryKind::Directory => "d",
                EntryKind::File {
                    executable: true, ..
                } => "x",
                EntryKind::File { .. } => "f",
            };
            (kind, entry.path.as_str())
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("f", "hello.txt"),
            ("f", "nothing"),
            ("d", "sub"),
            ("d", "sub/empty"),
            ("x", "sub/run"),
            ("f", &long),
        ]
    );
    for blob in result.manifest.blobs() {
        assert_eq!(bench.work.verify(&blob.digest).unwrap(), blob.size);
    }
    assert_eq!(
        bench.work.read(&result.digest, 1 << 20).unwrap(),
        result.manifest.to_bytes()
    );

    let again = bench.run(&["hello"]).await;
    assert_eq!(again.digest, result.digest);
    eprintln!("{:?}", again.timings);
    bench.finish().await;

    let volumes = Bench::volumes().await;
    assert!(!volumes.sandbox.mounts_outputs());
    assert_eq!(volumes.run(&["hello"]).await.digest, result.digest);
    volumes.finish().await;
}

#[tokio::test]
async fn an_exit_code_is_an_outcome_and_the_log_is_the_end_of_stderr() {
    let bench = Bench::new().await;
    assert_eq!(bench.run(&["exit", "7"]).await.outcome, Outcome::Exit(7));
    // As a signal would, but it was none: no guess from 137.
    assert_eq!(
        bench.run(&["exit", "137"]).await.outcome,
        Outcome::Exit(137)
    );
    let result = bench.run(&["complain"]).await;
    assert_eq!(result.outcome, Outcome::Exit(7));
    assert_eq!(result.log.len(), 4096);
    assert!(result.log.ends_with(b"noise\nthe last words\n"));
    bench.finish().await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_the_jobs_failure() {
    let bench = Bench::new().await;
    for (command, code) in [("/nowhere", 127), ("nowhere", 127), ("/dev", 126)] {
        let mut spec = bench.spec(&[]);
        spec.command = Some(vec![command.to_owned()]);
        let result = bench.run_spec(&spec).await.unwrap();
        assert_eq!(result.outcome, Outcome::Exit(code), "{command}");
        assert!(!result.log.is_empty());
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_task_that_ignores_sigterm_times_out() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["sleep"]);
    spec.resources.timeout_seconds = 1;
    let result = bench.run_spec(&spec).await.unwrap();
    assert_eq!(result.outcome, Outcome::Timeout);
    assert_eq!(result.manifest.to_bytes(), b"timeout\n");
    assert!(result.timings.run.as_secs() < 3, "{:?}", result.timings);
    bench.finish().await;
}

#[tokio::test]
async fn memory_is_bounded_and_a_kill_for_it_is_an_outcome() {
    let bench = Bench::new().await;
    let result = bench.run(&["oom"]).await;
    assert_eq!(result.outcome, Outcome::Memory);
    assert_eq!(result.manifest.to_bytes(), b"memory\n");
    // Exit code 0, but one of its processes was killed.
    assert_eq!(bench.run(&["oom-child"]).await.outcome, Outcome::Memory);
    bench.finish().await;
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_time() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["fork-bomb"]);
    spec.resources.timeout_seconds = 2;
    spec.resources.memory_bytes = 1 << 30;
    let result = bench.run_spec(&spec).await.unwrap();
    assert_eq!(result.outcome, Outcome::Timeout);
    assert!(result.timings.run.as_secs() < 5, "{:?}", result.timings);
    bench.finish().await;
}

#[tokio::test]
async fn a_flood_on_stdout_is_cut_off() {
    let bench = Bench::new().await;
    let result = bench.run(&["flood"]).await;
    assert_eq!(result.outcome, Outcome::Output(OutputFault::Stdout));
    assert!(result.timings.run.as_secs() < 10, "{:?}", result.timings);
    bench.finish().await;
}

#[tokio::test]
async fn a_flood_on_stderr_holds_up_the_task_and_not_the_host() {
    let bench = Bench::new().await;
    // What the engine has in its pipes when the task ends must still come through in time.
    let loud = bench.run(&["shout", "12"]).await;
    assert_eq!(loud.outcome, Outcome::Exit(0));
    assert_eq!(loud.log, [b'!'; 4096]);
    assert_eq!(bench.stdout(&loud), "done");

    let mut spec = bench.spec(&["shout", "200"]);
    spec.resources.timeout_seconds = 5;
    let result = bench.run_spec(&spec).await.unwrap();
    assert_eq!(result.outcome, Outcome::Timeout);
    bench.finish().await;
}
