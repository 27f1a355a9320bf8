//! Images leave the engine when nothing uses them any more: ours, and no others.

use std::{sync::Arc, time::Duration};

use piecework::spec::JobSpec;
use piecework_executor::sandbox::{Prepared, Sandbox};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Bench, DOCKER},
    image::Image,
};

const NOW: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(3_600);

impl Bench {
    /// A job with an image that no other test uses.
    fn own(&self, tag: &str, args: &[&str]) -> JobSpec {
        let mut spec = self.spec(args);
        let name = format!("ONLY_HERE={}-{tag}", self.config.instance);
        spec.image = Image::with("Env", json!([name])).publish(&self.client);
        spec
    }

    async fn has(&self, prepared: &str) -> bool {
        self.engine.image(prepared).await.unwrap().is_some()
    }

    async fn sweep(&self, keep: Duration, max_bytes: u64) -> u32 {
        let sandbox = &self.sandbox;
        sandbox.remove_unused_images(keep, max_bytes).await.unwrap()
    }

    /// The engine's id of an image that nothing here holds any more.
    async fn brought(&self, tag: &str) -> String {
        let prepared = self.prepare(&self.own(tag, &["hello"])).await.unwrap();
        prepared.image_id().to_owned()
    }
}

fn docker() -> docker_api::Docker {
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DOCKER.to_owned());
    docker_api::Docker::new(address).unwrap()
}

#[tokio::test]
async fn an_image_stays_while_it_is_needed_and_goes_when_it_was_unused_for_long() {
    let bench = Bench::new().await;
    let spec = bench.own("a", &["hello"]);
    let prepared: Prepared = bench.prepare(&spec).await.unwrap();
    let id = prepared.image_id().to_owned();
    assert_eq!(bench.sweep(NOW, 0).await, 0);
    assert!(bench.has(&id).await);
    drop(prepared);
    assert_eq!(bench.sweep(LATER, u64::MAX).await, 0);
    assert!(bench.has(&id).await);
    assert_eq!(bench.sweep(NOW, u64::MAX).await, 1);
    assert!(!bench.has(&id).await);
    assert_eq!(bench.sweep(NOW, 0).await, 0);
    // It comes back for the next job, and is ours again.
    assert!(bench.run_spec(&spec).await.is_ok());
    assert!(bench.has(&id).await);
    bench.sandbox.close().await;
    assert_eq!(bench.sweep(NOW, 0).await, 1);
    bench.finish().await;
}

#[tokio::test]
async fn of_too_many_bytes_the_longest_unused_goes_first() {
    let bench = Bench::new().await;
    let mut ids = Vec::new();
    for tag in ["a", "b", "c"] {
        ids.push(bench.brought(tag).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Used again: now the second is the oldest.
    bench.brought("a").await;
    bench.sweep(LATER, u64::MAX).await;
    let held = bench.prepare(&bench.own("a", &["hello"])).await.unwrap();
    bench.sweep(LATER, u64::MAX).await;
    drop(held);
    let size = bench.engine.image(&ids[0]).await.unwrap().unwrap().size;
    assert!(size > 100_000, "{size}");
    assert_eq!(bench.sweep(LATER, 2 * size).await, 1);
    let mut left = Vec::new();
    for id in &ids {
        left.push(bench.has(id).await);
    }
    assert_eq!(left, [true, false, true]);
    assert_eq!(bench.sweep(LATER, 0).await, 2);
    bench.finish().await;
}

#[tokio::test]
async fn what_was_there_before_what_has_a_name_and_what_runs_stays() {
    let (bench, other) = (Bench::new().await, Bench::new().await);
    // The other executor has brought it: it is not ours.
    let spec = bench.own("shared", &["hello"]);
    let theirs = {
        let sources: [Box<dyn piecework::blobs::BlobSource>; 1] = [Box::new(bench.client.clone())];
        let seed = crate::harness::SEED;
        let prepared = other.sandbox.prepare(&spec, seed, &sources, &other.cache);
        prepared.await.unwrap().image_id().to_owned()
    };
    assert_eq!(bench.prepare(&spec).await.unwrap().image_id(), theirs);
    assert_eq!(bench.sweep(NOW, 0).await, 0);
    assert!(bench.has(&theirs).await);
    assert_eq!(other.sweep(NOW, 0).await, 1);

    // Somebody likes it.
    let named = bench.brought("named").await;
    let image = docker_api::Image::new(docker(), &named);
    let name = format!("liked-{}", bench.config.instance);
    let tag = docker_api::opts::TagOpts::builder().repo(&name).build();
    image.tag(&tag).await.unwrap();
    bench.sweep(NOW, 0).await;
    assert!(bench.has(&named).await);
    docker_api::Image::new(docker(), &name)
        .delete()
        .await
        .unwrap();

    // A container of somebody else's: the engine refuses, and that is no error.
    let running = bench.own("running", &["sleep"]);
    let prepared = bench.prepare(&running).await.unwrap();
    let id = prepared.image_id().to_owned();
    let cancel = CancellationToken::new();
    let sandbox = bench.sandbox.clone();
    let (work, token) = (bench.work.clone(), cancel.clone());
    let run = tokio::spawn(async move { sandbox.run(&prepared, "0xjob", 0, &work, &token).await });
    bench.running().await;
    // A sandbox with the same notes that knows of no run.
    let mut config = bench.config.clone();
    config.instance = format!("{}-b", config.instance);
    config.state_dir = config.state_dir.with_file_name("state-b");
    let notes = config.state_dir.join("images");
    std::fs::create_dir_all(&notes).unwrap();
    for note in std::fs::read_dir(bench.config.state_dir.join("images")).unwrap() {
        let note = note.unwrap();
        std::fs::copy(note.path(), notes.join(note.file_name())).unwrap();
    }
    let again = Sandbox::new(config, Arc::clone(&bench.engine))
        .await
        .unwrap();
    assert_eq!(again.remove_unused_images(NOW, 0).await.unwrap(), 0);
    assert!(bench.has(&id).await);
    cancel.cancel();
    assert!(run.await.unwrap().is_err());
    bench.sandbox.close().await;
    // And what a process before it had brought, it removes.
    assert_eq!(again.remove_unused_images(NOW, 0).await.unwrap(), 1);
    assert!(!bench.has(&id).await);
    again.close().await;
    other.finish().await;
    bench.finish().await;
}
