//! Reading a stranger's archive before an engine does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use piecework_core::digest::OciDigest;

use super::config::ConfigFile;
use super::layer::{self, plain_size};
use super::oci::{self, Descriptor, Image, Index, Layout, Manifest};
use super::{ImageError, ImageLimits, MAX_DOCUMENT_BYTES};

/// An archive that is exactly the pinned image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedImage {
    /// SHA-256 of the manifest: the pin.
    pub manifest: OciDigest,
    /// SHA-256 of the config.
    pub config: OciDigest,
    /// SHA-256 of each layer's tar, the lowest first: what the engine must list as
    /// `RootFS.Layers` after loading.
    pub diff_ids: Vec<OciDigest>,
    /// `linux/amd64` or `linux/arm64`.
    pub platform: String,
    /// Bytes in all layers together, decompressed.
    pub unpacked_bytes: u64,
    /// Files, directories and links in all layers together.
    pub entries: u64,
    /// What its containers run, before `cmd`.
    pub entrypoint: Vec<String>,
    /// Its arguments.
    pub cmd: Vec<String>,
    /// Its environment, each `NAME=value`.
    pub env: Vec<String>,
    /// Where its containers start; empty for `/`.
    pub working_dir: String,
    /// Whom it wants to run as; empty for root.
    pub user: String,
    /// Paths that it would have the engine mount writable, unbounded volumes on.
    pub volumes: Vec<String>,
    /// Whether it has a command that the engine would run from time to time.
    pub healthcheck: bool,
}

impl VerifiedImage {
    /// Whether this is the id that an engine gives the image: older ones take the config's digest,
    /// newer ones the manifest's.
    pub fn has_id(&self, id: &str) -> bool {
        id.parse()
            .is_ok_and(|id: OciDigest| id == self.config || id == self.manifest)
    }
}

/// Reads the archive in `file` and accepts it only if it is the image with the manifest `pin` and
/// nothing else, in both of its tables of contents. Blocks on the disk; reads each layer once.
///
/// # Errors
/// [`ImageError`], with its own code for each kind of fault. Nothing has been written anywhere.
pub fn verify(
    file: File,
    pin: OciDigest,
    limits: &ImageLimits,
) -> Result<VerifiedImage, ImageError> {
    let mut archive = Archive::open(file, limits)?;

    let layout: Layout = oci::read(oci::LAYOUT, &archive.document(oci::LAYOUT)?)?;
    if layout.version != "1.0.0" {
        return Err(document(oci::LAYOUT, "its version is not 1.0.0"));
    }
    let index: Index = oci::read(oci::INDEX, &archive.document(oci::INDEX)?)?;
    let pinned = pinned(&index, pin)?;
    let bytes = archive.part("the manifest", pinned)?;
    let manifest: Manifest = oci::read("the manifest", &bytes)?;
    check_manifest(&manifest, limits)?;
    let config = ConfigFile::read(&archive.part("the config", &manifest.config)?)?;
    let platform = config.platform()?;
    let stated = pinned.platform.as_ref();
    if stated.is_some_and(|stated| format!("{}/{}", stated.os, stated.architecture) != platform) {
        return Err(document(
            oci::INDEX,
            "its platform is not that of the config",
        ));
    }
    check_table(&archive.document(oci::TABLE)?, &manifest)?;
    archive.finish(pin, &manifest)?;

    if manifest.layers.len() != config.diff_ids().len() {
        return Err(document(
            "the config",
            "it has not one diff_id for each layer",
        ));
    }
    let (mut unpacked_bytes, mut entries) = (0, 0);
    for (number, (descriptor, diff_id)) in manifest.layers.iter().zip(config.diff_ids()).enumerate()
    {
        let gzip = is_gzip(number, descriptor)?;
        let (bytes_left, entries_left) = (
            limits.unpacked_bytes - unpacked_bytes,
            limits.entries - entries,
        );
        let stored = BufReader::with_capacity(256 << 10, archive.reader(descriptor)?);
        let scanned = layer::scan(stored, gzip, number, bytes_left, entries_left)?;
        same("a layer", descriptor.digest, scanned.stored)?;
        same("the diff_id of a layer", *diff_id, scanned.diff_id)?;
        unpacked_bytes += scanned.bytes;
        entries += scanned.entries;
    }

    let (config_digest, diff_ids) = (manifest.config.digest, config.diff_ids().to_vec());
    let defaults = config.into_defaults();
    Ok(VerifiedImage {
        manifest: pin,
        config: config_digest,
        diff_ids,
        platform,
        unpacked_bytes,
        entries,
        entrypoint: defaults.entrypoint.unwrap_or_default(),
        cmd: defaults.cmd.unwrap_or_default(),
        env: defaults.env.unwrap_or_default(),
        working_dir: defaults.working_dir.unwrap_or_default(),
        user: defaults.user.unwrap_or_default(),
        volumes: defaults.volumes.unwrap_or_default().into_keys().collect(),
        healthcheck: defaults.healthcheck.is_some_and(|check| !check.is_null()),
    })
}

fn pinned(index: &Index, pin: OciDigest) -> Result<&Descriptor, ImageError> {
    let of_type = |found: &Option<String>| found.as_deref().is_none_or(|it| it == oci::OCI_INDEX);
    if index.schema_version != 2 || !of_type(&index.media_type) {
        return Err(document(oci::INDEX, "it is not an OCI index of version 2"));
    }
    let [pinned] = &index.manifests[..] else {
        return Err(document(
            oci::INDEX,
            "it does not list exactly one manifest",
        ));
    };
    // Engines take names from annotations here.
    let annotations = index
        .annotations
        .iter()
        .chain(&pinned.annotations)
        .flatten();
    if let Some((key, value)) = annotations.into_iter().next() {
        return Err(ImageError::Named {
            name: format!("{key}={value}"),
        });
    }
    if pinned.digest != pin {
        return Err(ImageError::Pin {
            pin,
            found: pinned.digest,
        });
    }
    if !matches!(
        pinned.media_type.as_str(),
        oci::OCI_MANIFEST | oci::DOCKER_MANIFEST
    ) {
        return Err(document(
            oci::INDEX,
            "it lists something else than a manifest",
        ));
    }
    Ok(pinned)
}

fn check_manifest(manifest: &Manifest, limits: &ImageLimits) -> Result<(), ImageError> {
    let type_is_known = match manifest.media_type.as_deref() {
        None | Some(oci::OCI_MANIFEST | oci::DOCKER_MANIFEST) => true,
        Some(_) => false,
    };
    let config = manifest.config.media_type.as_str();
    if manifest.schema_version != 2 || !type_is_known {
        return Err(document(
            "the manifest",
            "it is not an image manifest of version 2",
        ));
    }
    if !matches!(config, oci::OCI_CONFIG | oci::DOCKER_CONFIG) {
        return Err(document(
            "the manifest",
            "it is of something else than a container image",
        ));
    }
    if manifest.layers.is_empty() {
        return Err(document("the manifest", "it has no layers"));
    }
    if manifest.layers.len() > limits.layers {
        return Err(ImageError::TooMany {
            what: "layers",
            max: limits.layers as u64,
        });
    }
    Ok(())
}

/// Older engines load what `manifest.json` says, newer ones what `index.json` leads to.
fn check_table(bytes: &[u8], manifest: &Manifest) -> Result<(), ImageError> {
    let table: Vec<Image> = oci::read(oci::TABLE, bytes)?;
    let [image] = &table[..] else {
        return Err(document(oci::TABLE, "it does not list exactly one image"));
    };
    if let Some(name) = image.repo_tags.iter().flatten().next() {
        return Err(ImageError::Named { name: name.clone() });
    }
    if image.config != oci::place(manifest.config.digest) {
        return Err(ImageError::Disagreement {
            problem: "they name different configs",
        });
    }
    let layers = manifest.layers.iter().map(|layer| oci::place(layer.digest));
    if !layers.eq(image.layers.iter().cloned()) {
        return Err(ImageError::Disagreement {
            problem: "they name different layers",
        });
    }
    Ok(())
}

fn is_gzip(layer: usize, descriptor: &Descriptor) -> Result<bool, ImageError> {
    match descriptor.media_type.as_str() {
        oci::OCI_LAYER | oci::DOCKER_LAYER => Ok(false),
        oci::OCI_LAYER_GZIP | oci::DOCKER_LAYER_GZIP => Ok(true),
        _ => Err(ImageError::Layer {
            layer,
            problem: format!(
                "its type is {:?}, not a tar or a gzipped one",
                descriptor.media_type
            ),
        }),
    }
}

fn same(what: &'static str, expected: OciDigest, actual: OciDigest) -> Result<(), ImageError> {
    if expected == actual {
        return Ok(());
    }
    Err(ImageError::Digest {
        what,
        expected,
        actual,
    })
}

fn document(document: &'static str, problem: &str) -> ImageError {
    ImageError::Document {
        document,
        problem: problem.to_owned(),
    }
}

/// The entries of the outer tar: where each file lies.
struct Archive {
    file: File,
    places: BTreeMap<String, (u64, u64)>,
}

impl Archive {
    fn open(mut file: File, limits: &ImageLimits) -> Result<Self, ImageError> {
        let broken = |error: std::io::Error| ImageError::Tar {
            problem: error.to_string(),
        };
        let length = file.metadata().map_err(ImageError::reading)?.len();
        if length > limits.archive_bytes {
            return Err(ImageError::TooMany {
                what: "bytes",
                max: limits.archive_bytes,
            });
        }
        file.rewind().map_err(ImageError::reading)?;
        let mut places = BTreeMap::new();
        let mut end = 0;
        let mut tar = tar::Archive::new(&mut file);
        for entry in tar.entries_with_seek().map_err(broken)?.raw(true) {
            let entry = entry.map_err(broken)?;
            let header = entry.header();
            let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
            let size = plain_size(header).ok_or_else(|| ImageError::Tar {
                problem: format!("{name:?} has a size in a form that is not plain"),
            })?;
            let kind = header.as_bytes()[156];
            if kind == b'5' && size == 0 && matches!(name.as_str(), "blobs/" | "blobs/sha256/") {
                end = entry.raw_file_position();
                continue;
            }
            if kind != b'0' {
                return Err(ImageError::NotAFile { name });
            }
            // No name here is long enough to need its prefix field, which readers read differently.
            if header
                .as_bytes()
                .iter()
                .skip(345)
                .take(155)
                .any(|byte| *byte != 0)
            {
                return Err(ImageError::Tar {
                    problem: format!("{name:?} has a split name"),
                });
            }
            if !is_name(&name) {
                return Err(ImageError::Unknown { name });
            }
            // Three documents, the manifest, the config and the layers.
            let most = limits.layers + 5;
            if places.len() == most {
                return Err(ImageError::TooMany {
                    what: "entries",
                    max: most as u64,
                });
            }
            let start = entry.raw_file_position();
            end = start.saturating_add(size.next_multiple_of(512));
            if end > length {
                return Err(ImageError::Tar {
                    problem: format!("{name:?} is cut off"),
                });
            }
            if places.insert(name.clone(), (start, size)).is_some() {
                return Err(ImageError::Duplicate { name });
            }
        }
        file.seek(SeekFrom::Start(end))
            .map_err(ImageError::reading)?;
        if !layer::only_zeros(&mut file).map_err(ImageError::reading)? {
            return Err(ImageError::Tar {
                problem: "something follows its end".into(),
            });
        }
        Ok(Self { file, places })
    }

    fn at(&mut self, name: &str) -> Result<(std::io::Take<&mut File>, u64), ImageError> {
        let Some((start, size)) = self.places.get(name).copied() else {
            return Err(ImageError::Missing {
                name: name.to_owned(),
            });
        };
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(ImageError::reading)?;
        Ok((Read::by_ref(&mut self.file).take(size), size))
    }

    /// The bytes of a small file.
    fn document(&mut self, name: &str) -> Result<Vec<u8>, ImageError> {
        let (mut reader, size) = self.at(name)?;
        if size > MAX_DOCUMENT_BYTES {
            return Err(ImageError::TooMany {
                what: "bytes in a document",
                max: MAX_DOCUMENT_BYTES,
            });
        }
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(ImageError::reading)?;
        Ok(bytes)
    }

    /// The part with this descriptor, in memory.
    fn part(&mut self, what: &'static str, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        self.reader(descriptor)?;
        let bytes = self.document(&oci::place(descriptor.digest))?;
        same(what, descriptor.digest, OciDigest::of(&bytes))?;
        Ok(bytes)
    }

    /// Reads the part with this descriptor; its digest is not checked.
    fn reader(&mut self, descriptor: &Descriptor) -> Result<std::io::Take<&mut File>, ImageError> {
        let name = oci::place(descriptor.digest);
        let (reader, actual) = self.at(&name)?;
        if actual != descriptor.size {
            return Err(ImageError::Size {
                name,
                expected: descriptor.size,
                actual,
            });
        }
        Ok(reader)
    }

    /// Everything that is in the archive must be of the image.
    fn finish(&self, pin: OciDigest, manifest: &Manifest) -> Result<(), ImageError> {
        let layers = manifest.layers.iter().map(|layer| layer.digest);
        let parts: BTreeSet<String> = [pin, manifest.config.digest]
            .into_iter()
            .chain(layers)
            .map(oci::place)
            .collect();
        let stray = self.places.keys().find(|name| {
            !parts.contains(*name)
                && !matches!(name.as_str(), oci::LAYOUT | oci::INDEX | oci::TABLE)
        });
        match stray {
            None => Ok(()),
            Some(name) => Err(ImageError::Unknown { name: name.clone() }),
        }
    }
}

/// Whether an image archive can have an entry of this name at all.
fn is_name(name: &str) -> bool {
    matches!(name, oci::LAYOUT | oci::INDEX | oci::TABLE)
        || name.strip_prefix(oci::BLOBS).is_some_and(|hex| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}
