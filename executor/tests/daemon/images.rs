//! Images that came with jobs leave the engine again.

use std::{process::Command, time::Duration};

use piecework::spec::JobSpec;
use piecework_executor::Executor;
use serde_json::json;

use crate::{
    image::Image,
    scene::{Scene, docker, eventually, naps},
};

/// How many images of the engine have this in their environment.
fn images_with(mark: &str) -> usize {
    let docker = |args: &[&str]| {
        let output = Command::new("docker")
            .env("DOCKER_HOST", docker())
            .args(args)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let ids = docker(&["images", "--all", "--quiet", "--no-trunc"]);
    let mut inspect = vec!["image", "inspect", "--format", "{{.Config.Env}}"];
    inspect.extend(ids.lines());
    let found = docker(&inspect);
    found.lines().filter(|line| line.contains(mark)).count()
}

/// A job with an image that no other test uses, and its mark.
fn own(scene: &Scene, tasks: u32) -> (JobSpec, String) {
    let mark = format!("ONLY_HERE={:016x}", rand::random::<u64>());
    let mut spec = scene.spec(&["nap", "10"], tasks);
    spec.image = Image::with("Env", json!([mark])).publish(&scene.blobs);
    (spec, mark)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_leaves_when_no_job_needs_it_and_comes_back_for_the_next() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let mut config = scene.config(2);
    config.retention.keep_images = Duration::ZERO;
    let executor = Executor::start(config).await.unwrap();
    let (spec, mark) = own(&scene, 2);
    for _ in 0..2 {
        let job = scene.post(&spec).await;
        scene.settled(job, 1).await;
        assert_eq!(scene.outputs(job).await, naps(2));
        eventually("it is gone", async || images_with(&mark) == 0).await;
    }
    executor.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_kept_for_a_day_and_taken_along_by_one_that_ends_for_good() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let executor = Executor::start(scene.config(2)).await.unwrap();
    let (spec, mark) = own(&scene, 2);
    let job = scene.post(&spec).await;
    scene.settled(job, 1).await;
    // Longer than from one look to the next.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(images_with(&mark), 1);
    executor.halt().await.unwrap();
    executor.remove_images().await.unwrap();
    assert_eq!(images_with(&mark), 0);
}
