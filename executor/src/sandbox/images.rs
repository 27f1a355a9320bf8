//! A job's image: in the engine, and proven to be the one that the spec pins.

use std::{
    collections::HashMap,
    path::{Component, Path},
    sync::{Arc, Mutex, PoisonError},
};

use piecework_core::{
    digest::{Digest, OciDigest},
    spec::{ImageSpec, JobSpec},
};
use piecework_net::{
    blobs::{BlobSource, DirStore},
    image::{ImageError, ImageLimits, VerifiedImage, verify},
};
use tokio::sync::OnceCell;

use super::{
    SandboxConfig, SandboxError,
    engine::{ContainerEngine, EngineError, ImageDefaults, ImageFacts},
    notes::{Note, Notes},
    prepare::{fetch, private_dir},
};

/// Longest string that Linux passes to a program.
const MAX_STRING: usize = 131_071;

/// An image that the engine has and that is what its pin says.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// The engine's own id, a digest of its content: what is run.
    pub(super) id: String,
    pub(super) defaults: ImageDefaults,
}

impl Image {
    /// The image, if it can run under the profile.
    fn new(facts: ImageFacts) -> Result<Self, SandboxError> {
        let defaults = facts.config.unwrap_or_default();
        // A volume would be a hole in the read-only root, onto the host's disk.
        if let Some(path) = defaults
            .volumes
            .iter()
            .flatten()
            .map(|(path, _)| path)
            .next()
        {
            return Err(SandboxError::Image(format!(
                "it declares a volume at {path:?}, which would not be bounded"
            )));
        }
        if let Some(problem) = unusable(&defaults) {
            return Err(SandboxError::Image(problem));
        }
        Ok(Self {
            id: facts.id,
            defaults,
        })
    }

    /// The program that a container runs.
    pub(super) fn program<'a>(&'a self, spec: &'a JobSpec) -> Option<&'a str> {
        let first = |words: &'a Option<Vec<String>>| words.as_ref().and_then(|words| words.first());
        first(&spec.command)
            .or_else(|| first(&self.defaults.entrypoint))
            .or_else(|| spec.args.first())
            .or_else(|| first(&self.defaults.cmd))
            .map(String::as_str)
    }
}

/// Why no container of such an image could be created or started, or only at a danger. It is the
/// job's fault and must not look like the engine's, on which one would wait with a bond at stake.
fn unusable(defaults: &ImageDefaults) -> Option<String> {
    let dir = defaults.working_dir.as_deref().unwrap_or_default();
    let path = Path::new(dir);
    let kernel = ["/proc", "/sys", "/dev"]
        .iter()
        .any(|it| path.starts_with(it));
    if !dir.is_empty()
        && (!path.is_absolute()
            || path.components().any(|part| part == Component::ParentDir)
            || dir.contains('\0')
            || kernel)
    {
        return Some(format!("it cannot start in {dir:?}"));
    }
    let strings = [&defaults.env, &defaults.entrypoint, &defaults.cmd];
    for string in strings.into_iter().flatten().flatten() {
        if string.contains('\0') || string.len() > MAX_STRING {
            return Some("a string in its configuration cannot be passed to a program".to_owned());
        }
    }
    let names = defaults.env.iter().flatten();
    names
        .into_iter()
        .any(|pair| pair.is_empty() || pair.starts_with('='))
        .then(|| "a variable of its environment has no name".to_owned())
}

/// The images of this executor, each verified and loaded once. What is remembered of them is in `notes`,
/// and `unused` removes them.
pub(super) struct Images {
    pub(super) engine: Arc<dyn ContainerEngine>,
    pub(super) notes: Notes,
    pull: bool,
    limits: ImageLimits,
    pub(super) ready: Mutex<HashMap<OciDigest, Arc<OnceCell<Arc<Image>>>>>,
    /// Held while unused images are removed.
    pub(super) removing: tokio::sync::Mutex<()>,
}

impl Images {
    pub(super) fn new(
        engine: Arc<dyn ContainerEngine>,
        config: &SandboxConfig,
    ) -> Result<Self, SandboxError> {
        let dir = config.state_dir.join("images");
        private_dir(&dir)?;
        Ok(Self {
            engine,
            notes: Notes::new(dir),
            removing: tokio::sync::Mutex::default(),
            pull: config.pull,
            limits: ImageLimits {
                archive_bytes: config.max_image_bytes,
                ..ImageLimits::default()
            },
            ready: Mutex::default(),
        })
    }

    /// Forgets an image that the engine has lost.
    pub(super) fn forget(&self, manifest: &OciDigest) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.remove(manifest);
    }

    /// The image, loaded if the engine does not have it.
    pub(super) async fn ensure(
        &self,
        spec: &ImageSpec,
        sources: &[Box<dyn BlobSource>],
        cache: &DirStore,
    ) -> Result<Arc<Image>, SandboxError> {
        let here = platform();
        if spec.platform != here {
            return Err(SandboxError::Image(format!(
                "it is for {}, this machine is {here}",
                spec.platform
            )));
        }
        let cell = {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.entry(spec.manifest).or_default().clone()
        };
        // Fetched before anybody waits for it: a source that is slow on purpose holds up its own job
        // only, and no other one with the same image.
        if let (None, Some(archive)) = (cell.get(), spec.archive)
            && self.remembered(&spec.manifest).await?.is_none()
        {
            let limit = self.limits.archive_bytes;
            fetch(sources, cache, "image", archive, limit).await?;
        }
        // Whoever comes while it is being loaded waits for that.
        let image = cell.get_or_try_init(async || {
            if let Some(image) = self.remembered(&spec.manifest).await? {
                return Ok(Arc::new(image));
            }
            let facts = self.load(spec, cache).await?;
            Image::new(facts).map(Arc::new)
        });
        Ok(image.await?.clone())
    }

    async fn load(&self, spec: &ImageSpec, cache: &DirStore) -> Result<ImageFacts, SandboxError> {
        if let Some(archive) = spec.archive {
            return self.load_archive(spec.manifest, archive, cache).await;
        }
        match &spec.reference {
            // The engine itself checks what it pulls by digest, and knows the reference for
            // nothing else.
            Some(reference) if self.pull => {
                let here = self.engine.image(reference).await?;
                let ids = std::slice::from_ref(reference);
                let ours = self.notes.bring(&spec.manifest, ids, &[], here.is_some())?;
                if here.is_none() {
                    self.engine.pull_image(reference).await?;
                }
                let facts = self.facts(reference).await?;
                self.notes.write(&spec.manifest, &Note::of(&facts, ours))?;
                Ok(facts)
            }
            _ => Err(SandboxError::Image(
                "there is no archive of it, and this executor does not pull".to_owned(),
            )),
        }
    }

    async fn load_archive(
        &self,
        pin: OciDigest,
        archive: Digest,
        cache: &DirStore,
    ) -> Result<ImageFacts, SandboxError> {
        let (file, _) = cache.open_blob(&archive).map_err(SandboxError::Store)?;
        let limits = self.limits;
        let verified = tokio::task::spawn_blocking(move || verify(file, pin, &limits))
            .await
            .map_err(|error| SandboxError::Background(error.to_string()))?
            .map_err(|error| match error {
                ImageError::Io { source, .. } => {
                    SandboxError::host("read", &cache.path_of(&archive), source)
                }
                error => SandboxError::Image(error.to_string()),
            })?;
        if let Some(path) = verified.volumes.first() {
            // Before it is loaded: there is no need to have it.
            return Err(SandboxError::Image(format!(
                "it declares a volume at {path:?}, which would not be bounded"
            )));
        }
        let here = self.find(&verified).await?;
        // Written down before it is loaded: it must not be forgotten if this process dies meanwhile.
        let ids = [verified.config, verified.manifest].map(|id| id.to_string());
        let diff_ids: Vec<String> = verified.diff_ids.iter().map(ToString::to_string).collect();
        let ours = self.notes.bring(&pin, &ids, &diff_ids, here.is_some())?;
        let facts = match here {
            Some(facts) => facts,
            None => {
                self.engine.load_image(&cache.path_of(&archive)).await?;
                self.find(&verified).await?.ok_or_else(|| {
                    SandboxError::Engine(EngineError::Protocol {
                        what: "load an image",
                        message: format!("it has no image with the content of {pin} afterwards"),
                    })
                })?
            }
        };
        self.notes.write(&pin, &Note::of(&facts, ours))?;
        Ok(facts)
    }

    /// What the engine says of an image with this content, if it has one.
    async fn find(&self, verified: &VerifiedImage) -> Result<Option<ImageFacts>, SandboxError> {
        for id in [verified.config, verified.manifest] {
            if let Some(facts) = self.engine.image(&id.to_string()).await?
                && is_verified(&facts, verified)
            {
                return Ok(Some(facts));
            }
        }
        Ok(None)
    }

    async fn facts(&self, reference: &str) -> Result<ImageFacts, SandboxError> {
        let facts = self.engine.image(reference).await?;
        facts.ok_or_else(|| {
            SandboxError::Engine(EngineError::NotFound {
                what: "inspect an image",
                message: format!("{reference} is not there although it was just loaded"),
            })
        })
    }

    /// The image as an earlier process verified it, if the engine still has that.
    async fn remembered(&self, manifest: &OciDigest) -> Result<Option<Image>, SandboxError> {
        let Some(note) = self.notes.read(manifest) else {
            return Ok(None);
        };
        for id in &note.ids {
            if let Some(facts) = self.engine.image(id).await?
                && facts.id == *id
                && facts.layers() == note.layers
            {
                return Image::new(facts).map(Some);
            }
        }
        Ok(None)
    }
}

fn is_verified(facts: &ImageFacts, verified: &VerifiedImage) -> bool {
    let diff_ids = verified.diff_ids.iter().map(ToString::to_string);
    verified.has_id(&facts.id) && diff_ids.eq(facts.layers().iter().cloned())
}

/// The platform of this machine, in the words of images.
pub(crate) fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        other => other,
    }
}
