//! Removes unused images from the engine: those that the executor brought, and no others.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use piecework_core::digest::OciDigest;

use super::{SandboxError, images::Images, notes::Note};

impl Images {
    /// Removes images of ours that nothing uses: those unused for `keep`, and while all of ours take more than
    /// `max_bytes` the others too, the longest unused first. How many went.
    pub(super) async fn remove_unused(
        &self,
        keep: Duration,
        max_bytes: u64,
    ) -> Result<u32, SandboxError> {
        // An engine that hangs does not pile up who waits for it.
        let Ok(_alone) = self.removing.try_lock() else {
            return Ok(0);
        };
        let mut unused = Vec::new();
        let mut bytes = 0u64;
        for (manifest, note, used) in self.notes.ours()? {
            bytes = bytes.saturating_add(note.bytes);
            match self.is_used(&manifest) {
                true => self.notes.touch(&manifest)?,
                false => unused.push((used, manifest, note)),
            }
        }
        unused.sort_unstable_by_key(|(used, ..)| *used);
        let now = SystemTime::now();
        let mut removed = 0u32;
        for (used, manifest, note) in unused {
            let age = now.duration_since(used).unwrap_or_default();
            if age < keep && bytes <= max_bytes {
                break;
            }
            if self.remove(&manifest, &note).await? {
                bytes = bytes.saturating_sub(note.bytes);
                removed = removed.saturating_add(1);
            }
        }
        Ok(removed)
    }

    /// Whether a job that is ready, or being made so, needs it.
    fn is_used(&self, manifest: &OciDigest) -> bool {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.get(manifest).is_some_and(|cell| {
            let held = |image: &Arc<_>| Arc::strong_count(image) > 1;
            Arc::strong_count(cell) > 1 || cell.get().is_some_and(held)
        })
    }

    /// Removes one image; `false` if it has to stay for now. Whoever needs it from now on finds it gone, and
    /// loads it again.
    async fn remove(&self, manifest: &OciDigest, note: &Note) -> Result<bool, SandboxError> {
        if self.is_used(manifest) {
            return Ok(false);
        }
        self.forget(manifest);
        for id in &note.ids {
            let Some(facts) = self.engine.image(id).await? else {
                continue;
            };
            if facts
                .repo_tags
                .as_ref()
                .is_some_and(|tags| !tags.is_empty())
            {
                // Somebody gave it a name since: it is theirs now.
                self.notes.write(manifest, &Note::of(&facts, false))?;
                return Ok(true);
            }
            if !self.engine.remove_image(&facts.id).await? {
                // A container, of ours or of anyone's, or an image that was made of it.
                self.notes.touch(manifest)?;
                return Ok(false);
            }
            tracing::info!(
                id = facts.id,
                bytes = facts.size,
                "an unused image was removed"
            );
        }
        self.notes.remove(manifest)?;
        Ok(true)
    }
}
