//! Publishing an image of a local engine.
//!
//! What `docker save` writes differs from engine to engine: layers in folders of their own or among
//! blobs, repeated ones as links, plain or gzipped, and before 25 without a manifest. All have a
//! `manifest.json` that leads to a config and its layers; those are put into our form.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use docker_api::Docker;
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use serde::Deserialize;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::build::publish;
use super::config::ConfigFile;
use super::layer::Meter;
use super::write::{Layer, PublishedImage};
use super::{ImageError, ImageLimits, MAX_DOCUMENT_BYTES, oci};
use crate::blobs::{DirStore, background};

/// Most entries in an engine's archive.
const MAX_MEMBERS: usize = 10_000;

/// Exports the image that the engine knows as `reference` (a name or an id), and puts its hybrid
/// archive into the store. The same image gives the same archive whichever engine it comes from.
///
/// # Errors
/// [`ImageError`]: the engine does not have the image or fails, or the image is not one that
/// providers accept.
pub async fn export(
    docker: &Docker,
    reference: &str,
    store: &DirStore,
    limits: &ImageLimits,
) -> Result<PublishedImage, ImageError> {
    if !is_reference(reference) {
        return Err(ImageError::Reference {
            reference: reference.to_owned(),
        });
    }
    let inspected = docker.images().get(reference).inspect().await;
    let id = match inspected {
        Ok(image) => image.id.unwrap_or_else(|| reference.to_owned()),
        Err(error) if is_not_found(&error) => {
            return Err(ImageError::NotFound {
                reference: reference.to_owned(),
            });
        }
        Err(error) => return Err(ImageError::Engine(error.to_string())),
    };
    let saved = save(docker, &id, store, limits.archive_bytes).await?;
    let (store, limits, reference) = (store.clone(), *limits, reference.to_owned());
    match background(move || Ok(convert(&saved, &reference, &store, &limits))).await {
        Ok(converted) => converted,
        Err(error) => Err(error.into()),
    }
}

/// Names go into the path of a request.
fn is_reference(text: &str) -> bool {
    (1..=512).contains(&text.len())
        && !text.contains("..")
        && !text.starts_with('/')
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':' | b'@')
        })
}

fn is_not_found(error: &docker_api::Error) -> bool {
    use containers_api::conn::Error as Connection;
    match error {
        docker_api::Error::Fault { code, .. } => code.as_u16() == 404,
        docker_api::Error::Error(Connection::Fault { code, .. }) => code.as_u16() == 404,
        _ => false,
    }
}

/// The engine's own archive of the image, in a temporary file.
async fn save(
    docker: &Docker,
    id: &str,
    store: &DirStore,
    max: u64,
) -> Result<NamedTempFile, ImageError> {
    let saved = NamedTempFile::new_in(store.temporary()).map_err(ImageError::writing)?;
    let mut file = tokio::fs::File::from_std(saved.reopen().map_err(ImageError::writing)?);
    let image = docker.images().get(id);
    let mut stream = image.export();
    let mut size: u64 = 0;
    loop {
        let chunk = stream.try_next().await;
        let chunk = chunk.map_err(|error| ImageError::Engine(error.to_string()))?;
        let Some(chunk) = chunk else { break };
        size += chunk.len() as u64;
        if size > max {
            return Err(ImageError::TooMany { what: "bytes", max });
        }
        file.write_all(&chunk).await.map_err(ImageError::writing)?;
    }
    file.flush().await.map_err(ImageError::writing)?;
    Ok(saved)
}

/// Where an entry of the engine's archive lies, or which one it stands for.
enum Member {
    File { start: u64, size: u64 },
    Link(String),
}

/// One image in the engine's `manifest.json`; names and whatever else it has do not matter here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

pub(super) fn convert(
    saved: &NamedTempFile,
    reference: &str,
    store: &DirStore,
    limits: &ImageLimits,
) -> Result<PublishedImage, ImageError> {
    let members = members(saved.reopen().map_err(ImageError::reading)?)?;
    let table: Vec<Saved> = oci::read(oci::TABLE, &document(saved, &members, oci::TABLE)?)?;
    let [image] = &table[..] else {
        let reference = reference.to_owned();
        return Err(ImageError::Several {
            reference,
            images: table.len(),
        });
    };
    let config = document(saved, &members, &image.config)?;
    let parsed = ConfigFile::read(&config)?;
    let platform = parsed.platform()?;
    if parsed.diff_ids().len() != image.layers.len() {
        let problem = "it has not one diff_id for each layer".to_owned();
        return Err(ImageError::Document {
            document: "the config",
            problem,
        });
    }
    if image.layers.len() > limits.layers {
        return Err(ImageError::TooMany {
            what: "layers",
            max: limits.layers as u64,
        });
    }
    let mut left = limits.unpacked_bytes;
    let mut layers = Vec::new();
    for (name, diff_id) in image.layers.iter().zip(parsed.diff_ids()) {
        let place = find(&members, name)?;
        let (layer, actual) = plain_layer(saved, place, store, left, limits.unpacked_bytes)?;
        if actual != *diff_id {
            let what = "the diff_id of a layer";
            return Err(ImageError::Digest {
                what,
                expected: *diff_id,
                actual,
            });
        }
        left = left.saturating_sub(layer.size);
        layers.push(layer);
    }
    publish(store, &platform, &config, &layers, limits)
}

fn members(file: File) -> Result<HashMap<String, Member>, ImageError> {
    let broken = |error: io::Error| ImageError::Tar {
        problem: error.to_string(),
    };
    let mut members = HashMap::new();
    let mut tar = tar::Archive::new(file);
    for entry in tar.entries_with_seek().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        let member = if kind.is_file() {
            let size = entry.size();
            Member::File {
                start: entry.raw_file_position(),
                size,
            }
        } else if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let target = String::from_utf8_lossy(&target).into_owned();
            Member::Link(if kind.is_symlink() {
                beside(&name, &target)
            } else {
                target
            })
        } else {
            continue;
        };
        if members.len() == MAX_MEMBERS {
            return Err(ImageError::TooMany {
                what: "entries",
                max: MAX_MEMBERS as u64,
            });
        }
        members.insert(name, member);
    }
    Ok(members)
}

/// The name that a link to `target` means when it stands at `name`.
fn beside(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn find(members: &HashMap<String, Member>, name: &str) -> Result<(u64, u64), ImageError> {
    let missing = || ImageError::Missing {
        name: name.to_owned(),
    };
    let target = match members.get(name).ok_or_else(missing)? {
        Member::Link(target) => members.get(target).ok_or_else(missing)?,
        file => file,
    };
    match target {
        Member::File { start, size } => Ok((*start, *size)),
        Member::Link(_) => Err(ImageError::NotAFile {
            name: name.to_owned(),
        }),
    }
}

fn document(
    saved: &NamedTempFile,
    members: &HashMap<String, Member>,
    name: &str,
) -> Result<Vec<u8>, ImageError> {
    let (start, size) = find(members, name)?;
    if size > MAX_DOCUMENT_BYTES {
        return Err(ImageError::TooMany {
            what: "bytes in a document",
            max: MAX_DOCUMENT_BYTES,
        });
    }
    let mut bytes = Vec::new();
    slice(saved.path(), start, size)
        .and_then(|mut reader| reader.read_to_end(&mut bytes))
        .map_err(ImageError::reading)?;
    Ok(bytes)
}

fn slice(path: &Path, start: u64, size: u64) -> io::Result<io::Take<File>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file.take(size))
}

/// The layer without compression, as it lies in the engine's archive or in a temporary file, and
/// the digest of its bytes.
fn plain_layer<'a>(
    saved: &'a NamedTempFile,
    (start, size): (u64, u64),
    store: &DirStore,
    left: u64,
    max: u64,
) -> Result<(Layer<'a>, piecework_core::digest::OciDigest), ImageError> {
    let too_many = || ImageError::TooMany {
        what: "bytes in its layers",
        max,
    };
    let open = move || slice(saved.path(), start, size);
    let mut magic = [0; 2];
    let is_gzip = match open().and_then(|mut reader| reader.read_exact(&mut magic)) {
        Ok(()) => magic == [0x1f, 0x8b],
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(ImageError::reading(error)),
    };
    let stored = BufReader::with_capacity(256 << 10, open().map_err(ImageError::reading)?);
    if !is_gzip {
        let mut meter = Meter::new(stored, left);
        let copied = io::copy(&mut meter, &mut io::sink());
        if meter.exceeded {
            return Err(too_many());
        }
        copied.map_err(ImageError::reading)?;
        let diff_id = meter.digest();
        let open = Box::new(move || Ok(Box::new(open()?) as Box<dyn Read>));
        return Ok((
            Layer {
                diff_id,
                size,
                open,
            },
            diff_id,
        ));
    }
    let plain = NamedTempFile::new_in(store.temporary()).map_err(ImageError::writing)?;
    let mut meter = Meter::new(MultiGzDecoder::new(stored), left);
    let copied = io::copy(&mut meter, &mut plain.as_file());
    if meter.exceeded {
        return Err(too_many());
    }
    let size = copied.map_err(ImageError::writing)?;
    let diff_id = meter.digest();
    let open = Box::new(move || Ok(Box::new(plain.reopen()?) as Box<dyn Read>));
    Ok((
        Layer {
            diff_id,
            size,
            open,
        },
        diff_id,
    ))
}
