//! A job's image: in the engine, and proven to be the one that the spec pins.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use piecework::{
    blobs::{BlobSource, DirStore},
    digest::OciDigest,
    spec::ImageSpec,
};
use tokio::sync::OnceCell;

use super::{
    SandboxConfig, SandboxError,
    engine::{ContainerEngine, ImageDefaults, ImageFacts},
    prepare::fetch,
};

/// An image that the engine has and that is what its pin says.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// The engine's own id: what is run.
    pub(super) id: String,
    pub(super) layers: Vec<String>,
    pub(super) defaults: ImageDefaults,
}

impl Image {
    pub(super) fn has_command(&self) -> bool {
        let any = |words: &Option<Vec<String>>| words.as_ref().is_some_and(|w| !w.is_empty());
        any(&self.defaults.entrypoint) || any(&self.defaults.cmd)
    }
}

/// The images of this executor, each loaded once.
pub(super) struct Images {
    engine: Arc<dyn ContainerEngine>,
    pull: bool,
    max_bytes: u64,
    known: Mutex<HashMap<OciDigest, Arc<OnceCell<Image>>>>,
}

impl Images {
    pub(super) fn new(
        engine: Arc<dyn ContainerEngine>,
        config: &SandboxConfig,
    ) -> Result<Self, SandboxError> {
        Ok(Self {
            engine,
            pull: config.pull,
            max_bytes: config.max_image_bytes,
            known: Mutex::default(),
        })
    }

    /// Forgets an image that the engine has lost.
    pub(super) fn forget(&self, manifest: &OciDigest) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(manifest);
    }

    /// The image, loaded if the engine does not have it.
    pub(super) async fn ensure(
        &self,
        spec: &ImageSpec,
        sources: &[Box<dyn BlobSource>],
        cache: &DirStore,
    ) -> Result<Image, SandboxError> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(spec.manifest).or_default().clone()
        };
        if let Some(image) = cell.get() {
            // Somebody may have removed it, or loaded another under its id.
            if self
                .engine
                .image(&image.id)
                .await?
                .is_some_and(|facts| is(&facts, &image.layers))
            {
                return Ok(image.clone());
            }
            self.forget(&spec.manifest);
            return Box::pin(self.ensure(spec, sources, cache)).await;
        }
        let image = cell
            .get_or_try_init(|| self.load(spec, sources, cache))
            .await?;
        Ok(image.clone())
    }

    async fn load(
        &self,
        _spec: &ImageSpec,
        _sources: &[Box<dyn BlobSource>],
        _cache: &DirStore,
    ) -> Result<Image, SandboxError> {
        let _ = (self.pull, self.max_bytes, fetch);
        Err(SandboxError::Image("not yet".into()))
    }
}

fn is(facts: &ImageFacts, layers: &[String]) -> bool {
    facts.root_fs.layers.as_deref().unwrap_or_default() == layers
}
