//! Images of the workload: one layer with one static program, as a hybrid archive. Built here and
//! not by the SDK, so that images can be made that the SDK would never write.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use piecework::{blobs::DirStore, digest::OciDigest, spec::ImageSpec};
use serde_json::{Value, json};

pub(crate) struct Image {
    /// The `config` of the image's configuration.
    pub(crate) config: Value,
    /// The layers that the configuration names, if not the true ones.
    pub(crate) diff_ids: Option<Value>,
    /// Where a symbolic link at `/out` leads, if there is one.
    pub(crate) out: Option<&'static str>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            config: json!({ "Entrypoint": ["/workload"], "Env": ["FROM_IMAGE=yes", "TZ=Mars"] }),
            diff_ids: None,
            out: None,
        }
    }
}

impl Image {
    pub(crate) fn with(name: &str, value: Value) -> Self {
        let mut image = Self::default();
        image.config[name] = value;
        image
    }

    /// Puts the image's archive into the store; what a spec says of it.
    pub(crate) fn publish(&self, store: &DirStore) -> ImageSpec {
        let (archive, manifest) = self.archive();
        ImageSpec {
            manifest,
            platform: format!("linux/{}", architecture()),
            archive: Some(store.put_bytes(&archive).unwrap()),
            reference: None,
        }
    }

    fn archive(&self) -> (Vec<u8>, OciDigest) {
        let program = std::fs::read(workload()).unwrap();
        let mut layer = Vec::new();
        if let Some(target) = self.out {
            let mut link = tar::Header::new_ustar();
            link.set_entry_type(tar::EntryType::Symlink);
            link.set_path("out").unwrap();
            link.set_link_name(target).unwrap();
            link.set_mode(0o777);
            link.set_size(0);
            link.set_cksum();
            layer.extend(link.as_bytes());
        }
        layer.extend(tar_of(&[("workload".to_owned(), 0o755, program)]));
        let diff_id = OciDigest::of(&layer);
        let config = bytes(&json!({
            "architecture": architecture(),
            "os": "linux",
            "config": self.config,
            "rootfs": {
                "type": "layers",
                "diff_ids": self.diff_ids.clone().unwrap_or_else(|| json!([diff_id])),
            },
            "history": [{ "created_by": "the sandbox's tests" }],
        }));
        let manifest = bytes(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        }));
        let index = bytes(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json", &manifest)],
        }));
        let list = bytes(&json!([{
            "Config": blob(&config),
            "RepoTags": null,
            "Layers": [blob(&layer)],
        }]));
        let pin = OciDigest::of(&manifest);
        let archive = tar_of(&[
            (
                "oci-layout".to_owned(),
                0o644,
                bytes(&json!({ "imageLayoutVersion": "1.0.0" })),
            ),
            ("index.json".to_owned(), 0o644, index),
            ("manifest.json".to_owned(), 0o644, list),
            (blob(&manifest), 0o644, manifest),
            (blob(&config), 0o644, config),
            (blob(&layer), 0o644, layer),
        ]);
        (archive, pin)
    }
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", OciDigest::of(bytes).to_hex())
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": OciDigest::of(bytes), "size": bytes.len() })
}

fn tar_of(files: &[(String, u32, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(*mode);
        tar.append_data(&mut header, name, bytes.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap()
}

/// The workload, built unless it is newer than its source; tests in other processes wait.
fn workload() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workload/workload.rs");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join("workload");
    let lock = File::create(folder.join("workload.lock")).unwrap();
    lock.lock().unwrap();
    let age = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|data| data.modified())
            .ok()
    };
    if age(&program) <= age(&source) {
        let fresh = folder.join("workload.fresh");
        let status = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))
            .args([
                "--edition",
                "2024",
                "-O",
                "-C",
                "target-feature=+crt-static",
            ])
            .args(["-C", "strip=symbols", "-o"])
            .args([&fresh, &source])
            .status()
            .unwrap();
        assert!(status.success(), "the workload does not compile");
        std::fs::rename(&fresh, &program).unwrap();
    }
    program
}
