//! Cancelling, crashing, preparing, and lying images.

use std::{sync::Arc, time::Duration};

use piecework::digest::manifest::Outcome;
use piecework_executor::sandbox::{
    LABEL_EXECUTOR, Sandbox, SandboxConfig, SandboxError, docker::DockerEngine, engine::EngineError,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Bench, DOCKER},
    image::Image,
};

#[tokio::test]
async fn a_cancelled_or_dropped_run_leaves_nothing() {
    let bench = Bench::new().await;
    let prepared = bench.prepare(&bench.spec(&["sleep"])).await.unwrap();
    let cancel = CancellationToken::new();
    let run = bench
        .sandbox
        .run(&prepared, "0xjob", 0, &bench.work, &cancel);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(run, stop);
    assert!(matches!(result, Err(SandboxError::Cancelled)), "{result:?}");

    for milliseconds in [0, 5, 20, 60, 120, 200, 400] {
        let cancel = CancellationToken::new();
        let run = bench
            .sandbox
            .run(&prepared, "0xjob", 0, &bench.work, &cancel);
        let limit = Duration::from_millis(milliseconds);
        assert!(tokio::time::timeout(limit, run).await.is_err());
    }
    bench.finish().await;
}

#[tokio::test]
async fn the_next_start_removes_what_a_crash_left() {
    for bench in [Bench::new().await, Bench::volumes().await] {
        let prepared = bench.prepare(&bench.spec(&["sleep"])).await.unwrap();
        let (sandbox, work) = (bench.sandbox.clone(), bench.work.clone());
        // A runtime that stops dead with everything in it, as a killed process would.
        let crash = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let cancel = CancellationToken::new();
            let mut run = Box::pin(sandbox.run(&prepared, "0xjob", 0, &work, &cancel));
            let time = Duration::from_secs(1);
            let ended = runtime.block_on(async { tokio::time::timeout(time, &mut run).await });
            assert!(ended.is_err());
            std::mem::forget((run, runtime));
        });
        tokio::task::spawn_blocking(move || crash.join())
            .await
            .unwrap()
            .unwrap();
        let label = format!("{LABEL_EXECUTOR}={}", bench.config.instance);
        assert!(!bench.engine.containers(&label).await.unwrap().is_empty());

        let again = Sandbox::new(bench.config.clone(), bench.engine.clone())
            .await
            .unwrap();
        again.close().await;
        assert!(bench.engine.containers(&label).await.unwrap().is_empty());
        bench.check().await;
    }
}

#[tokio::test]
async fn tasks_run_in_parallel_and_share_what_is_prepared() {
    let bench = Bench::new().await;
    let spec = bench.spec(&["env"]);
    let (first, second) = tokio::join!(bench.prepare(&spec), bench.prepare(&spec));
    let (prepared, _) = (first.unwrap(), second.unwrap());
    let cancel = CancellationToken::new();
    let runs = (0..4).map(|task| {
        bench
            .sandbox
            .run(&prepared, "0xjob", task, &bench.work, &cancel)
    });
    let results = futures::future::try_join_all(runs).await.unwrap();
    for (task, result) in results.iter().enumerate() {
        assert_eq!(result.outcome, Outcome::Exit(0));
        let said = bench.stdout(result);
        assert!(
            said.contains(&format!("PIECEWORK_TASK_INDEX={task}\n")),
            "{said}"
        );
    }
    bench.finish().await;
}

#[tokio::test]
async fn an_image_that_is_not_its_pin_is_refused() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["hello"]);
    spec.image.manifest = piecework::digest::OciDigest::of(b"another");
    let error = bench.run_spec(&spec).await.unwrap_err();
    assert_eq!(error.code(), "sandbox-image", "{error}");

    let lying = Image {
        diff_ids: Some(json!([piecework::digest::OciDigest::of(b"another layer")])),
        ..Image::default()
    };
    spec.image = lying.publish(&bench.client);
    let error = bench.run_spec(&spec).await.unwrap_err();
    assert_eq!(error.code(), "sandbox-image", "{error}");

    spec.image = bench.image.clone();
    spec.image.archive = Some(piecework::digest::Digest::of(b"nobody has it"));
    let error = bench.run_spec(&spec).await.unwrap_err();
    assert_eq!(error.code(), "sandbox-unobtainable", "{error}");

    spec.image = Image::with("Entrypoint", json!(null)).publish(&bench.client);
    spec.args.clear();
    let error = bench.run_spec(&spec).await.unwrap_err();
    assert_eq!(error.code(), "sandbox-image", "{error}");
    bench.finish().await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named() {
    let error = DockerEngine::connect("unix:///nowhere/docker.sock")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EngineError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("/nowhere/docker.sock"),
        "{error}"
    );
    let error = DockerEngine::connect("tcp://127.0.0.1:2375")
        .await
        .unwrap_err();
    assert_eq!(error.code(), "engine-address");
}

#[tokio::test]
async fn a_bad_configuration_is_refused() {
    let engine = crate::harness::engine().await;
    for config in [
        SandboxConfig::new("Upper Case", "/tmp"),
        SandboxConfig::new("", "/tmp"),
        SandboxConfig::new("fine", "relative"),
    ] {
        let Err(error) = Sandbox::new(config, Arc::clone(&engine)).await else {
            panic!("accepted");
        };
        assert_eq!(error.code(), "sandbox-config");
    }
}

#[tokio::test]
async fn a_runtime_that_the_engine_does_not_know_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = SandboxConfig::new("test-runtime", folder.path());
    config.runtime = Some("nonexistent".to_owned());
    let Err(error) = Sandbox::new(config, crate::harness::engine().await).await else {
        panic!("accepted");
    };
    assert_eq!(error.code(), "engine-refused");
    assert!(error.to_string().contains("nonexistent"), "{error}");
}

/// What an engine that shuts down does to its containers.
#[tokio::test]
async fn a_task_that_somebody_kills_is_run_again() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["sleep"]);
    spec.resources.timeout_seconds = 2;
    let prepared = bench.prepare(&spec).await.unwrap();
    let cancel = CancellationToken::new();
    let run = bench
        .sandbox
        .run(&prepared, "0xjob", 0, &bench.work, &cancel);
    let kill = async {
        let container = bench.running().await;
        bench.engine.kill(&container).await.unwrap();
    };
    let (result, ()) = tokio::join!(run, kill);
    assert_eq!(result.unwrap().outcome, Outcome::Timeout);
    bench.finish().await;
}

#[tokio::test]
async fn an_image_that_the_engine_lost_is_loaded_again() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["hello"]);
    // An image that no other test uses.
    let name = format!("ONLY_HERE={}", bench.config.instance);
    let image = Image::with("Env", json!([name]));
    spec.image = image.publish(&bench.client);
    let prepared = bench.prepare(&spec).await.unwrap();
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DOCKER.to_owned());
    let docker = docker_api::Docker::new(address).unwrap();
    let lost = docker_api::Image::new(docker.clone(), prepared.image_id());
    lost.delete().await.unwrap();
    let cancel = CancellationToken::new();
    let run = bench
        .sandbox
        .run(&prepared, "0xjob", 0, &bench.work, &cancel);
    assert_eq!(run.await.unwrap().outcome, Outcome::Exit(0));
    // Preparing it again does not look, running it does.
    bench.sandbox.close().await;
    lost.delete().await.unwrap();
    let again = bench.prepare(&spec).await.unwrap();
    let run = bench.sandbox.run(&again, "0xjob", 0, &bench.work, &cancel);
    assert_eq!(run.await.unwrap().outcome, Outcome::Exit(0));
    bench.sandbox.close().await;
    lost.delete().await.unwrap();
    bench.finish().await;
}

/// A source that takes the question and never answers.
struct Stuck;

#[async_trait::async_trait]
impl piecework::blobs::BlobSource for Stuck {
    async fn open(
        &self,
        _: piecework::digest::Digest,
    ) -> Result<piecework::blobs::BlobStream, piecework::blobs::BlobError> {
        std::future::pending().await
    }

    fn name(&self) -> String {
        "stuck".to_owned()
    }
}

#[tokio::test]
async fn a_source_that_is_stuck_holds_up_its_own_job_only_and_not_for_ever() {
    let bench = Bench::with(|config| config.prepare_timeout = Duration::from_secs(20)).await;
    let honest = bench.spec(&["hello"]);
    let mut stuck = honest.clone();
    stuck.image.archive = Some(piecework::digest::Digest::of(b"never"));
    let sources: [Box<dyn piecework::blobs::BlobSource>; 1] = [Box::new(Stuck)];
    let waiting = bench
        .sandbox
        .prepare(&stuck, crate::harness::SEED, &sources, &bench.cache);
    let quick = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::time::timeout(Duration::from_secs(15), bench.prepare(&honest)).await
    };
    let (waited, quick) = tokio::join!(waiting, quick);
    quick.unwrap().unwrap();
    let error = waited.err().unwrap();
    assert_eq!(error.code(), "sandbox-too-big");
    assert!(error.is_of_the_job());
    bench.finish().await;
}
