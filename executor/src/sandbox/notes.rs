//! What is remembered of images, across restarts too: a small file for each, named after its manifest.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::SystemTime,
};

use piecework_core::digest::OciDigest;
use serde::{Deserialize, Serialize};

use super::{SandboxError, engine::ImageFacts};

/// What is remembered of an image. The file's time is when it was used last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// The engine's id; before it has the image those that it may give it.
    pub(super) ids: Vec<String>,
    pub(super) layers: Vec<String>,
    /// Bytes of its layers, once it is there.
    pub(super) bytes: u64,
    /// Whether the engine has it from us: only then may we remove it.
    pub(super) ours: bool,
}

impl Note {
    pub(super) fn of(facts: &ImageFacts, ours: bool) -> Self {
        Self {
            ids: vec![facts.id.clone()],
            layers: facts.layers().to_vec(),
            bytes: facts.size,
            ours,
        }
    }
}

/// The folder of notes.
#[derive(Debug)]
pub(super) struct Notes {
    dir: PathBuf,
}

impl Notes {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn read(&self, manifest: &OciDigest) -> Option<Note> {
        let bytes = std::fs::read(self.path(manifest)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn write(&self, manifest: &OciDigest, note: &Note) -> Result<(), SandboxError> {
        let path = self.path(manifest);
        // Half a note is no note: it does not parse.
        serde_json::to_vec(note)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&path, bytes))
            .map_err(|error| SandboxError::host("write", &path, error))
    }

    /// Notes that an image is about to be brought, unless the engine has it. Whether it is ours: an earlier
    /// process may have been about to bring it.
    pub(super) fn bring(
        &self,
        manifest: &OciDigest,
        ids: &[String],
        layers: &[String],
        is_here: bool,
    ) -> Result<bool, SandboxError> {
        if is_here {
            return Ok(self.read(manifest).is_some_and(|note| note.ours));
        }
        let note = Note {
            ids: ids.to_vec(),
            layers: layers.to_vec(),
            bytes: 0,
            ours: true,
        };
        self.write(manifest, &note)?;
        Ok(true)
    }

    /// All images that are ours, and when each was used last.
    pub(super) fn ours(&self) -> Result<Vec<(OciDigest, Note, SystemTime)>, SandboxError> {
        let failed = |error| SandboxError::host("list", &self.dir, error);
        let mut ours = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(manifest) = manifest_of(&path) else {
                continue;
            };
            let used = std::fs::metadata(&path).and_then(|data| data.modified());
            if let (Some(note), Ok(used)) = (self.read(&manifest), used)
                && note.ours
            {
                ours.push((manifest, note, used));
            }
        }
        Ok(ours)
    }

    /// It is being used.
    pub(super) fn touch(&self, manifest: &OciDigest) -> Result<(), SandboxError> {
        let path = self.path(manifest);
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(|error| SandboxError::host("touch", &path, error))
    }

    pub(super) fn remove(&self, manifest: &OciDigest) -> Result<(), SandboxError> {
        let path = self.path(manifest);
        std::fs::remove_file(&path).map_err(|error| SandboxError::host("remove", &path, error))
    }

    fn path(&self, manifest: &OciDigest) -> PathBuf {
        self.dir.join(format!("{}.json", manifest.to_hex()))
    }
}

fn manifest_of(path: &Path) -> Option<OciDigest> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    format!("sha256:{name}").parse().ok()
}
