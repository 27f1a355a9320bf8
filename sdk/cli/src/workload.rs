//! The render workload as an image: one static program and nothing else.

use std::path::Path;

use piecework::Market;
use piecework::image::{ImageBuilder, PublishedImage};
use piecework::spec::ImageSpec;
use serde_json::json;

use crate::fail::Failure;

/// Packs the program into an image and puts its archive into the client's store. With a label the image is one of its
/// own: engines keep images of equal content as one, and whoever removes it takes it from all.
pub(crate) async fn publish(
    market: &Market,
    program: &Path,
    label: Option<&str>,
) -> Result<PublishedImage, Failure> {
    let bytes = std::fs::read(program).map_err(|e| {
        Failure::new("demo-workload", format!("workload {}: {e}", program.display())).next(
            "Build it: RUSTFLAGS='-C target-feature=+crt-static' cargo build --release -p piecework-render --target-dir target/workload",
        )
    })?;
    let platform = match std::env::consts::ARCH {
        "aarch64" => "linux/arm64",
        _ => "linux/amd64",
    };
    let store = market.store().clone();
    let label = label.map(|label| json!({ "piecework.run": label }));
    let built = tokio::task::spawn_blocking(move || {
        let mut image = ImageBuilder::new(platform)
            .file("render", bytes, 0o755)?
            .entrypoint(["/render"]);
        if let Some(label) = label {
            image = image.setting("Labels", label);
        }
        image.build(&store)
    });
    let built = built.await.map_err(Failure::internal)?;
    built.map_err(|e| Failure::new(e.code(), format!("workload {}: {e}", program.display())))
}

/// The image as a job names it.
pub(crate) fn pin(image: &PublishedImage) -> ImageSpec {
    ImageSpec {
        manifest: image.manifest,
        platform: image.platform.clone(),
        archive: Some(image.archive),
        reference: None,
    }
}
