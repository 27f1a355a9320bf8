//! Writing hybrid archives, to the same bytes for the same image.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use piecework_core::digest::{Digest, OciDigest};
use tar::{EntryType, Header};

use super::oci::{self, Descriptor, Image, Index, Layout, Manifest, Platform};
use super::{ImageError, VerifiedImage};
use crate::blobs::DirStore;

/// An image whose archive is in a store.
#[derive(Debug, Clone)]
pub struct PublishedImage {
    /// The pin: SHA-256 of its manifest.
    pub manifest: OciDigest,
    /// `linux/amd64` or `linux/arm64`.
    pub platform: String,
    /// The blob that holds its hybrid archive.
    pub archive: Digest,
    /// Bytes in the archive.
    pub archive_bytes: u64,
    /// What whoever loads it will see.
    pub image: VerifiedImage,
}

/// An uncompressed layer that can be read from its beginning, as often as it is opened.
pub(super) struct Layer<'a> {
    pub(super) diff_id: OciDigest,
    pub(super) size: u64,
    pub(super) open: Box<dyn Fn() -> io::Result<Box<dyn Read>> + 'a>,
}

/// Writes the archive of an image into the store; returns pin, blob and size.
pub(super) fn archive(
    store: &DirStore,
    platform: &str,
    config: &[u8],
    layers: &[Layer<'_>],
    max_bytes: u64,
) -> Result<(OciDigest, Digest, u64), ImageError> {
    let describe = |media_type: &str, digest, size| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: None,
    };
    let config_digest = OciDigest::of(config);
    let manifest = json(&Manifest {
        schema_version: 2,
        media_type: Some(oci::OCI_MANIFEST.into()),
        config: describe(oci::OCI_CONFIG, config_digest, config.len() as u64),
        layers: layers
            .iter()
            .map(|layer| describe(oci::OCI_LAYER, layer.diff_id, layer.size))
            .collect(),
        annotations: None,
    })?;
    let pin = OciDigest::of(&manifest);
    let (os, architecture) = platform.split_once('/').unwrap_or_default();
    let mut pinned = describe(oci::OCI_MANIFEST, pin, manifest.len() as u64);
    pinned.platform = Some(Platform {
        architecture: architecture.into(),
        os: os.into(),
        variant: None,
    });
    let index = json(&Index {
        schema_version: 2,
        media_type: Some(oci::OCI_INDEX.into()),
        manifests: vec![pinned],
        annotations: None,
    })?;
    let table = json(&[Image {
        config: oci::place(config_digest),
        repo_tags: None,
        layers: layers
            .iter()
            .map(|layer| oci::place(layer.diff_id))
            .collect(),
    }])?;

    let mut writer = store.writer(max_bytes)?;
    let mut tar = tar::Builder::new(&mut writer);
    let layout = json(&Layout {
        version: "1.0.0".into(),
    })?;
    for (name, bytes) in [
        (oci::LAYOUT, &layout[..]),
        (oci::INDEX, &index),
        (oci::TABLE, &table),
        (&oci::place(pin), &manifest),
        (&oci::place(config_digest), config),
    ] {
        append(&mut tar, name, bytes.len() as u64, &mut &*bytes)?;
    }
    let mut written = BTreeSet::new();
    for layer in layers.iter().filter(|layer| written.insert(layer.diff_id)) {
        let mut content = (layer.open)().map_err(ImageError::reading)?;
        append(
            &mut tar,
            &oci::place(layer.diff_id),
            layer.size,
            &mut content,
        )?;
    }
    tar.finish().map_err(ImageError::writing)?;
    drop(tar);
    let (blob, size) = writer.commit()?;
    Ok((pin, blob, size))
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    content: &mut dyn Read,
) -> Result<(), ImageError> {
    let mut header = header(EntryType::Regular, 0o644, size);
    tar.append_data(&mut header, name, content)
        .map_err(ImageError::writing)
}

/// A header that says nothing about when, where and by whom.
pub(super) fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

pub(super) fn json(value: &(impl serde::Serialize + ?Sized)) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(value).map_err(|error| ImageError::Document {
        document: "a document",
        problem: error.to_string(),
    })
}
