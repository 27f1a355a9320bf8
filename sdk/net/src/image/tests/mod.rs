#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod refused;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use piecework_core::digest::OciDigest;
use serde_json::{Value, json};
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::blobs::DirStore;

fn store() -> (TempDir, DirStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    (folder, store)
}

fn builder() -> ImageBuilder {
    ImageBuilder::new("linux/amd64")
        .file("bin/tool", b"#!tool".to_vec(), 0o755)
        .unwrap()
        .file("etc/a/b", b"hello".to_vec(), 0o644)
        .unwrap()
        .entrypoint(["/bin/tool", "-v"])
        .env("A", "1")
}

/// An archive as a stranger could make it: entries in order, to be tampered with.
#[derive(Clone)]
struct Forged {
    entries: Vec<(String, u8, Vec<u8>)>,
    tail: Vec<u8>,
    pin: OciDigest,
}

impl Forged {
    /// A right one with these layers (media type, bytes as stored, diff_id) and this config.
    fn new(layers: &[(&str, Vec<u8>, OciDigest)], config: Option<Value>) -> Self {
        let diff_ids: Vec<OciDigest> = layers.iter().map(|layer| layer.2).collect();
        let config = config.unwrap_or_else(|| {
            json!({
                "architecture": "amd64", "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
            })
        });
        let config = config.to_string().into_bytes();
        let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": OciDigest::of(bytes), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": oci::OCI_MANIFEST,
            "config": describe(oci::OCI_CONFIG, &config),
            "layers": layers.iter().map(|(kind, bytes, _)| describe(kind, bytes)).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let mut forged = Self {
            entries: Vec::new(),
            tail: Vec::new(),
            pin: OciDigest::of(&manifest),
        };
        forged.add("oci-layout", json!({"imageLayoutVersion": "1.0.0"}));
        forged.add(
            "index.json",
            json!({"schemaVersion": 2, "manifests": [describe(oci::OCI_MANIFEST, &manifest)]}),
        );
        let places: Vec<String> = layers
            .iter()
            .map(|(_, bytes, _)| oci::place(OciDigest::of(bytes)))
            .collect();
        forged.add("manifest.json", json!([{"Config": oci::place(OciDigest::of(&config)), "RepoTags": null, "Layers": places}]));
        for bytes in [&manifest, &config]
            .into_iter()
            .chain(layers.iter().map(|layer| &layer.1))
        {
            forged.push(&oci::place(OciDigest::of(bytes)), b'0', bytes);
        }
        forged
    }

    fn plain() -> Self {
        let layer = layer_of(&[("hello", b'0', b"hello")]);
        let diff_id = OciDigest::of(&layer);
        Self::new(&[(oci::OCI_LAYER, layer, diff_id)], None)
    }

    fn with_layer(layer: Vec<u8>) -> Self {
        let diff_id = OciDigest::of(&layer);
        Self::new(&[(oci::OCI_LAYER, layer, diff_id)], None)
    }

    fn with_config(change: impl FnOnce(&mut Value)) -> Self {
        let layer = layer_of(&[("hello", b'0', b"hello")]);
        let diff_id = OciDigest::of(&layer);
        let mut config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        change(&mut config);
        Self::new(&[(oci::OCI_LAYER, layer, diff_id)], Some(config))
    }

    fn add(&mut self, name: &str, value: Value) {
        self.push(name, b'0', value.to_string().as_bytes());
    }

    fn push(&mut self, name: &str, kind: u8, bytes: &[u8]) {
        self.entries.push((name.to_owned(), kind, bytes.to_vec()));
    }

    fn json(mut self, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.0 == name)
            .unwrap();
        let mut value = serde_json::from_slice(&entry.2).unwrap();
        change(&mut value);
        entry.2 = value.to_string().into_bytes();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn verify(&self) -> Result<VerifiedImage, ImageError> {
        self.verify_within(&ImageLimits::default())
    }

    fn verify_within(&self, limits: &ImageLimits) -> Result<VerifiedImage, ImageError> {
        let entries: Vec<(&str, u8, &[u8])> = self
            .entries
            .iter()
            .map(|(name, kind, bytes)| (&name[..], *kind, &bytes[..]))
            .collect();
        let mut bytes = layer_of(&entries);
        bytes.extend(&self.tail);
        verify(file(&bytes), self.pin, limits)
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A tar with entries of any name and type.
fn layer_of(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        tar.append(&header(name, *kind, bytes.len() as u64), *bytes)
            .unwrap();
    }
    tar.into_inner().unwrap()
}

fn header(name: &str, kind: u8, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn built_to_the_same_bytes() {
    let (_one, first) = store();
    let (_two, second) = store();
    let image = builder().build(&first).unwrap();
    let again = builder().build(&second).unwrap();
    assert_eq!(
        (image.manifest, image.archive),
        (again.manifest, again.archive)
    );
    assert_eq!(image.image.entrypoint, ["/bin/tool", "-v"]);
    assert_eq!(image.image.env, ["A=1"]);
    assert_eq!((image.image.entries, image.image.healthcheck), (5, false));
    assert!(image.image.has_id(&image.manifest.to_string()));
    assert!(image.image.has_id(&image.image.config.to_string()));
    assert!(!image.image.has_id("sha256:0"));
    let other = builder().env("A", "2").build(&first).unwrap();
    assert_ne!(other.manifest, image.manifest);
    let error = ImageBuilder::new("linux/mips").build(&first).unwrap_err();
    assert_eq!(error.code(), "image-platform");
    let error = ImageBuilder::new("linux/amd64")
        .file("../x", vec![], 0o644)
        .unwrap_err();
    assert_eq!(error.code(), "manifest-path");
    // Pinned here so that a change of the bytes is noticed: it changes every pin in the world.
    assert_eq!(
        image.manifest.to_string(),
        "sha256:c0b41e94901cec36e704986075e09069d32bb1ef92e39f1ecfe7298d56536ee3"
    );
}

#[test]
fn what_the_engine_would_do_by_itself_is_reported() {
    let image = Forged::with_config(|config| {
        config["config"] = json!({
            "Volumes": {"/data": {}}, "Healthcheck": {"Test": ["CMD", "x"]}, "User": "root",
            "WorkingDir": "/w", "Cmd": ["c"], "Env": null, "OnBuild": null,
        });
    });
    let image = image.verify().unwrap();
    assert_eq!(
        (image.volumes, image.healthcheck),
        (vec!["/data".to_owned()], true)
    );
    assert_eq!((&image.user[..], &image.working_dir[..]), ("root", "/w"));
    assert_eq!((image.cmd, image.env), (vec!["c".to_owned()], vec![]));
}

#[test]
fn gzipped_and_repeated_layers_are_accepted() {
    let plain = layer_of(&[("hello", b'0', b"hello"), ("dir/", b'5', b"")]);
    let diff_id = OciDigest::of(&plain);
    let packed = gzip(&plain);
    let layers = [
        (oci::OCI_LAYER_GZIP, packed, diff_id),
        (oci::OCI_LAYER, plain.clone(), diff_id),
    ];
    let image = Forged::new(&layers, None).verify().unwrap();
    assert_eq!(image.diff_ids, [diff_id, diff_id]);
    assert_eq!(
        (image.unpacked_bytes, image.entries),
        (2 * plain.len() as u64, 4)
    );

    let twice = [layers[1].clone(), layers[1].clone()];
    let twice = Forged::new(&twice, None).with(|forged| drop(forged.entries.pop()));
    assert_eq!(twice.verify().unwrap().diff_ids.len(), 2);
    // The directories that some tools write are harmless.
    let image =
        Forged::plain().with(|forged| forged.entries.insert(0, ("blobs/".into(), b'5', vec![])));
    image.verify().unwrap();
}

#[test]
fn a_cut_off_or_changed_archive_never_passes() {
    let (_folder, store) = store();
    let image = builder().build(&store).unwrap();
    let bytes = store.read(&image.archive, 1 << 20).unwrap();
    let limits = ImageLimits::default();
    verify(file(&bytes), image.manifest, &limits).unwrap();
    for length in (0..bytes.len() - 1024).step_by(97) {
        assert!(
            verify(file(&bytes[..length]), image.manifest, &limits).is_err(),
            "{length}"
        );
    }
    for at in (0..bytes.len()).step_by(13) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        if let Ok(read) = verify(file(&changed), image.manifest, &limits) {
            assert_eq!(read, image.image, "{at}");
        }
    }
}

/// Archives of an image in all the forms that engines write lead to the same bytes.
#[test]
fn every_engines_archive_becomes_the_same() {
    let (_folder, store) = store();
    let image = builder().build(&store).unwrap();
    let mut parts = BTreeMap::new();
    let mut tar = tar::Archive::new(Cursor::new(store.read(&image.archive, 1 << 20).unwrap()));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        parts.insert(entry.path().unwrap().to_str().unwrap().to_owned(), bytes);
    }
    let config = &parts[&oci::place(image.image.config)];
    let layer = &parts[&oci::place(image.image.diff_ids[0])];
    let table = |config: &str, layers: Value| {
        json!([{"Config": config, "RepoTags": ["tool:v1"], "Layers": layers}])
            .to_string()
            .into_bytes()
    };
    let old = table("abc.json", json!(["l1/layer.tar"]));
    let new = table("blobs/sha256/abc", json!(["blobs/sha256/def"]));
    let packed = gzip(layer);
    let archives = [
        layer_of(&[
            ("abc.json", b'0', config),
            ("l1/", b'5', b""),
            ("l1/VERSION", b'0', b"1.0"),
            ("l1/layer.tar", b'0', layer),
            ("manifest.json", b'0', &old),
        ]),
        layer_of(&[
            ("blobs/sha256/abc", b'0', config),
            ("blobs/sha256/def", b'0', layer),
            ("manifest.json", b'0', &new),
        ]),
        layer_of(&[
            ("blobs/sha256/abc", b'0', config),
            ("blobs/sha256/def", b'0', &packed),
            ("manifest.json", b'0', &new),
        ]),
        {
            let mut tar = tar::Builder::new(Vec::new());
            tar.append(&header("abc.json", b'0', config.len() as u64), &config[..])
                .unwrap();
            let mut link = header("l1/layer.tar", b'2', 0);
            link.set_link_name("../l0/layer.tar").unwrap();
            link.set_cksum();
            tar.append(&link, &b""[..]).unwrap();
            tar.append(
                &header("l0/layer.tar", b'0', layer.len() as u64),
                &layer[..],
            )
            .unwrap();
            tar.append(&header("manifest.json", b'0', old.len() as u64), &old[..])
                .unwrap();
            tar.into_inner().unwrap()
        },
    ];
    for bytes in archives {
        let mut saved = tempfile::NamedTempFile::new().unwrap();
        saved.write_all(&bytes).unwrap();
        let published =
            export::convert(&saved, "tool:v1", &store, &ImageLimits::default()).unwrap();
        assert_eq!(
            (published.manifest, published.archive),
            (image.manifest, image.archive)
        );
    }
}
