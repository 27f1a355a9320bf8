//! Images against a real engine: built, loaded, run, exported, verified, loaded again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use docker_api::Docker;
use docker_api::opts::{ContainerCreateOpts, ContainerRemoveOpts, ImageRemoveOpts};
use futures::StreamExt;
use piecework_core::digest::Digest;
use piecework_net::blobs::DirStore;
use piecework_net::image::{
    ImageBuilder, ImageLimits, PublishedImage, VerifiedImage, export, verify,
};

const LIMITS: ImageLimits = ImageLimits {
    archive_bytes: 1 << 30,
    unpacked_bytes: 1 << 30,
    layers: 10,
    entries: 1000,
};

fn engine() -> Docker {
    let host = std::env::var("DOCKER_HOST").unwrap_or("unix:///var/run/docker.sock".into());
    Docker::new(host).unwrap()
}

/// A static program that ends with the code that its environment says.
fn program(folder: &Path) -> Vec<u8> {
    let source = folder.join("tool.rs");
    let text = "fn main() { let code = std::env::var(\"CODE\").unwrap(); std::process::exit(code.parse().unwrap()) }";
    std::fs::write(&source, text).unwrap();
    let compiler = std::env::var("RUSTC").unwrap_or("rustc".into());
    let built = Command::new(compiler)
        .args([
            "-O",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
            "-o",
        ])
        .args([folder.join("tool"), source])
        .status()
        .unwrap();
    assert!(built.success());
    std::fs::read(folder.join("tool")).unwrap()
}

fn platform() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "linux/arm64"
    } else {
        "linux/amd64"
    }
}

async fn load(docker: &Docker, store: &DirStore, archive: &Digest) {
    let (file, _) = store.open_blob(archive).unwrap();
    let images = docker.images();
    let mut answers = images.import(file);
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        assert!(!format!("{answer:?}").contains("Err"), "{answer:?}");
    }
}

/// The id under which the engine knows the image, and the layers that it lists.
async fn inspect(docker: &Docker, image: &VerifiedImage) -> (String, Vec<String>) {
    for id in [image.config, image.manifest] {
        if let Ok(found) = docker.images().get(id.to_string()).inspect().await {
            return (found.id.unwrap(), found.root_fs.unwrap().layers.unwrap());
        }
    }
    panic!("the engine does not know the image that it loaded");
}

async fn remove(docker: &Docker, id: &str) {
    let force = ImageRemoveOpts::builder().force(true).build();
    docker.images().get(id).remove(&force).await.unwrap();
}

async fn run(docker: &Docker, id: &str) -> i64 {
    let options = ContainerCreateOpts::builder()
        .image(id)
        .network_mode("none")
        .build();
    let container = docker.containers().create(&options).await.unwrap();
    container.start().await.unwrap();
    let code = container.wait().await.unwrap().status_code;
    container
        .remove(&ContainerRemoveOpts::builder().force(true).build())
        .await
        .unwrap();
    code as i64
}

fn build(store: &DirStore, folder: &Path) -> PublishedImage {
    let unique = SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos()
        .to_string();
    ImageBuilder::new(platform())
        .file("bin/tool", program(folder), 0o755)
        .unwrap()
        .file("etc/unique", unique.into_bytes(), 0o644)
        .unwrap()
        .entrypoint(["/bin/tool"])
        .env("CODE", "42")
        .build(store)
        .unwrap()
}

#[tokio::test]
async fn built_loaded_run_exported_and_loaded_again() {
    let docker = engine();
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path().join("store")).unwrap();
    let built = build(&store, folder.path());

    load(&docker, &store, &built.archive).await;
    let (id, layers) = inspect(&docker, &built.image).await;
    assert!(built.image.has_id(&id));
    let diff_ids: Vec<String> = built
        .image
        .diff_ids
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(layers, diff_ids);
    assert_eq!(run(&docker, &id).await, 42);

    let other = DirStore::open(folder.path().join("other")).unwrap();
    let exported = export(&docker, &id, &other, &LIMITS).await.unwrap();
    remove(&docker, &id).await;
    // The engine gave back what it was given, so the archive is the same to the byte.
    assert_eq!(
        (exported.manifest, exported.archive),
        (built.manifest, built.archive)
    );
    let (file, size): (File, u64) = other.open_blob(&exported.archive).unwrap();
    assert_eq!(size, exported.archive_bytes);
    assert_eq!(
        verify(file, exported.manifest, &LIMITS).unwrap(),
        built.image
    );

    load(&docker, &other, &exported.archive).await;
    let (id, layers) = inspect(&docker, &exported.image).await;
    assert_eq!(layers, diff_ids);
    assert_eq!(run(&docker, &id).await, 42);
    remove(&docker, &id).await;
    assert_eq!(
        std::fs::read_dir(other.root().join("tmp")).unwrap().count(),
        0
    );
}

/// An image with several layers, two of them the same, as a client's own build makes them.
#[tokio::test]
async fn a_tagged_image_of_several_layers() {
    let docker = engine();
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path().join("store")).unwrap();
    let built = build(&store, folder.path());
    load(&docker, &store, &built.archive).await;
    let (base, _) = inspect(&docker, &built.image).await;

    let name = format!("piecework-test-{}:v1", std::process::id());
    let context = folder.path().join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("a"), b"a").unwrap();
    let text = format!("FROM {base}\nCOPY a /a\nENV CODE=7\nCOPY a /b\nVOLUME /data\n");
    std::fs::write(context.join("Dockerfile"), text).unwrap();
    let options = docker_api::opts::ImageBuildOpts::builder(&context)
        .tag(&name)
        .build();
    let images = docker.images();
    let mut answers = images.build(&options);
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }

    let exported = export(&docker, &name, &store, &LIMITS).await.unwrap();
    assert!(exported.image.diff_ids.len() >= 3);
    assert_eq!(exported.image.volumes, ["/data"]);
    let again = export(&docker, &name, &store, &LIMITS).await.unwrap();
    assert_eq!(again.archive, exported.archive);
    // With the last image on top of it, the engine removes its untagged base too.
    remove(&docker, &name).await;
    assert!(docker.images().get(&base).inspect().await.is_err());
    load(&docker, &store, &exported.archive).await;
    let (id, layers) = inspect(&docker, &exported.image).await;
    let diff_ids: Vec<String> = exported
        .image
        .diff_ids
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(layers, diff_ids);
    assert_eq!(run(&docker, &id).await, 7);
    let tags = docker.images().get(&id).inspect().await.unwrap().repo_tags;
    assert!(
        tags.unwrap_or_default().is_empty(),
        "an archive names nothing"
    );
    remove(&docker, &id).await;
}

#[tokio::test]
async fn images_that_are_not_there() {
    let docker = engine();
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    for (reference, code) in [
        ("piecework/no-such-image:v0", "image-not-found"),
        ("a b", "image-reference"),
        ("../containers/json?x=", "image-reference"),
        ("", "image-reference"),
    ] {
        let error = export(&docker, reference, &store, &LIMITS)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let dead = Docker::new(format!("unix://{}/none.sock", folder.path().display())).unwrap();
    let error = export(&dead, "tool:v1", &store, &LIMITS).await.unwrap_err();
    assert_eq!(error.code(), "image-engine");
}
