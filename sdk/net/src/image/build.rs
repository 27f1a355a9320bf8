//! Images from a few files: `FROM scratch` without an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read};

use piecework_core::digest::OciDigest;
use piecework_core::digest::manifest::EntryPath;
use serde_json::{Map, Value, json};
use tar::EntryType;

use super::write::{self, Layer, PublishedImage};
use super::{ImageError, ImageLimits, verify};
use crate::blobs::DirStore;

/// Builds an image with one layer. The same files and settings give the same bytes, and so the same
/// pin, on every machine.
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    platform: String,
    files: BTreeMap<EntryPath, (Vec<u8>, u32)>,
    settings: Map<String, Value>,
    env: Vec<String>,
}

impl ImageBuilder {
    /// Begins an image for this platform (`linux/amd64` or `linux/arm64`).
    pub fn new(platform: &str) -> Self {
        Self {
            platform: platform.to_owned(),
            files: BTreeMap::new(),
            settings: Map::new(),
            env: Vec::new(),
        }
    }

    /// Adds a file with the permissions `mode`, for instance 0o755; a later one takes the place of
    /// an earlier one. Its directories come by themselves.
    ///
    /// # Errors
    /// [`ImageError::Path`] if the path is not one that a tree can have; it is relative, `bin/render`
    /// stands for `/bin/render`.
    pub fn file(mut self, path: &str, bytes: Vec<u8>, mode: u32) -> Result<Self, ImageError> {
        self.files
            .insert(EntryPath::new(path)?, (bytes, mode & 0o777));
        Ok(self)
    }

    /// What containers of the image run.
    #[must_use]
    pub fn entrypoint<S: Into<String>>(self, strings: impl IntoIterator<Item = S>) -> Self {
        let strings: Vec<String> = strings.into_iter().map(Into::into).collect();
        self.setting("Entrypoint", strings.into())
    }

    /// Arguments when a spec gives none.
    #[must_use]
    pub fn cmd<S: Into<String>>(self, strings: impl IntoIterator<Item = S>) -> Self {
        let strings: Vec<String> = strings.into_iter().map(Into::into).collect();
        self.setting("Cmd", strings.into())
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// Any other setting of the config, by its name there (`Volumes`, `Healthcheck`, `User`).
    #[must_use]
    pub fn setting(mut self, name: &str, value: Value) -> Self {
        self.settings.insert(name.to_owned(), value);
        self
    }

    /// Builds the image and puts its archive into the store. Blocks on the disk.
    ///
    /// # Errors
    /// [`ImageError`] if the image is not one that providers accept, or cannot be kept.
    pub fn build(self, store: &DirStore) -> Result<PublishedImage, ImageError> {
        let layer = self.layer()?;
        let diff_id = OciDigest::of(&layer);
        let (os, architecture) = self.platform.split_once('/').unwrap_or_default();
        let mut settings = self.settings;
        if !self.env.is_empty() {
            settings.insert("Env".into(), self.env.into());
        }
        let config = write::json(&json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": architecture,
            "os": os,
            "config": settings,
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
            "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "piecework" }],
        }))?;
        let layer = Layer {
            diff_id,
            size: layer.len() as u64,
            open: Box::new(move || Ok(Box::new(Cursor::new(layer.clone())) as Box<dyn Read>)),
        };
        publish(
            store,
            &self.platform,
            &config,
            &[layer],
            &ImageLimits::default(),
        )
    }

    fn layer(&self) -> Result<Vec<u8>, ImageError> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut folders = BTreeSet::new();
        for (path, (bytes, mode)) in &self.files {
            for (end, _) in path.as_str().match_indices('/') {
                let folder = path.as_str().get(..end).unwrap_or_default();
                if folders.insert(folder) {
                    let mut header = write::header(EntryType::Directory, 0o755, 0);
                    tar.append_data(&mut header, format!("{folder}/"), std::io::empty())
                        .map_err(ImageError::writing)?;
                }
            }
            let mut header = write::header(EntryType::Regular, *mode, bytes.len() as u64);
            tar.append_data(&mut header, path.as_str(), &bytes[..])
                .map_err(ImageError::writing)?;
        }
        tar.into_inner().map_err(ImageError::writing)
    }
}

/// Writes an archive, and reads it as whoever loads it will: what is published is acceptable.
pub(super) fn publish(
    store: &DirStore,
    platform: &str,
    config: &[u8],
    layers: &[Layer<'_>],
    limits: &ImageLimits,
) -> Result<PublishedImage, ImageError> {
    let (manifest, archive, archive_bytes) =
        write::archive(store, platform, config, layers, limits.archive_bytes)?;
    let (file, _): (File, u64) = store.open_blob(&archive)?;
    let image = verify(file, manifest, limits)?;
    Ok(PublishedImage {
        manifest,
        platform: platform.to_owned(),
        archive,
        archive_bytes,
        image,
    })
}
