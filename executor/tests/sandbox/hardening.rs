//! What a task can see and do.

use piecework::{blobs::publish_directory, digest::manifest::Outcome};
use serde_json::json;

use crate::{harness::Bench, image::Image};

#[tokio::test]
async fn only_out_and_tmp_can_be_written() {
    let bench = Bench::new().await;
    let input = tempfile::tempdir().unwrap();
    std::fs::write(input.path().join("a"), "a").unwrap();
    let mut spec = bench.spec(&["write"]);
    spec.input = Some(
        publish_directory(input.path(), &bench.client)
            .unwrap()
            .digest,
    );
    let result = bench.run_spec(&spec).await.unwrap();
    insta::assert_snapshot!(bench.stdout(&result));
    bench.finish().await;
}

#[tokio::test]
async fn there_is_no_network() {
    let bench = Bench::new().await;
    let result = bench.run(&["network"]).await;
    insta::assert_snapshot!(bench.stdout(&result));
    bench.finish().await;
}

#[tokio::test]
async fn dangerous_system_calls_are_refused() {
    let bench = Bench::new().await;
    let result = bench.run(&["syscalls"]).await;
    assert_eq!(result.outcome, Outcome::Exit(0));
    let said = bench.stdout(&result);
    assert!(said.lines().count() > 10);
    for line in said.lines() {
        // EPERM by the profile; clone3 gives ENOSYS so that libc uses clone.
        let expected = if line.starts_with("clone3") {
            " 38"
        } else {
            " 1"
        };
        assert!(line.ends_with(expected), "{line}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn the_environment_is_the_same_everywhere() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["env"]);
    spec.env.insert("FROM_SPEC".to_owned(), "a=b c".to_owned());
    spec.resources.cpu_millis = 1_500;
    let result = bench.run_spec(&spec).await.unwrap();
    insta::assert_snapshot!(bench.stdout(&result));
    bench.finish().await;
}

#[tokio::test]
async fn the_input_is_as_published_whoever_unpacks_it() {
    let bench = Bench::new().await;
    let input = tempfile::tempdir().unwrap();
    std::fs::create_dir(input.path().join("folder")).unwrap();
    std::fs::write(input.path().join("folder/file"), "content").unwrap();
    let mut spec = bench.spec(&["show", "/in"]);
    let published = publish_directory(input.path(), &bench.client).unwrap();
    spec.input = Some(published.digest);
    let result = bench.run_spec(&spec).await.unwrap();
    assert_eq!(
        bench.stdout(&result),
        "/in/folder 40755 0\n/in/folder/file 100644 0\n\"content\"\n"
    );

    // What the client does not have cannot be run, and costs nothing but a release.
    let (_, file, _) = published.tree.files().next().unwrap();
    bench.client.remove(&file.digest).unwrap();
    bench.cache.remove(&file.digest).unwrap();
    let error = bench.run_spec(&spec).await.unwrap_err();
    assert_eq!(error.code(), "sandbox-unobtainable", "{error}");
    bench.finish().await;
}

#[tokio::test]
async fn an_image_with_a_volume_is_refused() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["fill", "/data"]);
    spec.image = Image::with("Volumes", json!({ "/data": {} })).publish(&bench.client);
    let error = bench.run_spec(&spec).await.unwrap_err();
    assert_eq!(error.code(), "sandbox-image", "{error}");
    assert!(
        error.is_of_the_job() && error.to_string().contains("/data"),
        "{error}"
    );
    bench.finish().await;
}

#[tokio::test]
async fn an_images_healthcheck_is_not_run() {
    let bench = Bench::new().await;
    let mut spec = bench.spec(&["sleep"]);
    spec.resources.timeout_seconds = 3;
    let check = json!({ "Test": ["CMD", "/workload", "flood"], "Interval": 100_000_000 });
    spec.image = Image::with("Healthcheck", check).publish(&bench.client);
    let prepared = bench.prepare(&spec).await.unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let run = bench
        .sandbox
        .run(&prepared, "0xjob", 0, &bench.work, &cancel);
    let look = async {
        let container = bench.running().await;
        // Time for a check, which would be made ten times a second.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        bench.engine.inspect(&container).await.unwrap()
    };
    let (result, state) = tokio::join!(run, look);
    assert_eq!(result.unwrap().outcome, Outcome::Timeout);
    assert!(state.running && state.health.is_none(), "{state:?}");
    bench.finish().await;
}

#[tokio::test]
async fn an_image_that_cannot_start_is_the_jobs_fault_and_not_the_engines() {
    let bench = Bench::new().await;
    for (name, value) in [
        ("WorkingDir", json!("relative")),
        ("WorkingDir", json!("/a\u{0}b")),
        ("WorkingDir", json!("/proc/self/fd/7")),
        ("WorkingDir", json!("//./dev/../proc")),
        ("Env", json!(["A=b\u{0}c"])),
        ("Env", json!(["=b"])),
        ("Env", json!([format!("A={}", "x".repeat(131_072))])),
        ("Entrypoint", json!([format!("/{}", "x".repeat(256))])),
        ("Entrypoint", json!(["/x".repeat(3_000)])),
    ] {
        let mut spec = bench.spec(&["hello"]);
        spec.image = Image::with(name, value.clone()).publish(&bench.client);
        let error = bench.prepare(&spec).await.err().unwrap();
        assert!(error.is_of_the_job(), "{name} {value}: {error}");
        assert_eq!(error.code(), "sandbox-image", "{name} {value}: {error}");
    }
    let mut spec = bench.spec(&["hello"]);
    spec.image = Image::with("WorkingDir", json!("/proceed")).publish(&bench.client);
    let result = bench.run_spec(&spec).await.unwrap();
    assert!(result.outcome.is_success());
    bench.finish().await;
}
