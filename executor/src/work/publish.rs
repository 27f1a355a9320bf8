//! Outputs become readable for others, and what nobody needs goes.

use alloy::primitives::B256;
use piecework_core::digest::{
    Digest, lease as lease_manifest,
    manifest::{MAX_MANIFEST_BYTES, ResultManifest},
};
use piecework_executor_core::duty::{Reach, seat::Tasks};
use piecework_net::blobs::DirStore;

use super::{
    Workshop,
    error::{WorkError, background},
};
use crate::depot::clear;

impl Workshop {
    /// Serves a lease's outputs from now on, to these readers.
    pub(super) async fn publish(
        &self,
        job: B256,
        tasks: Tasks,
        reach: Reach,
    ) -> Result<(), WorkError> {
        let first = tasks.first;
        let digests = self.digests(job, tasks).await?;
        let (private, published) = (self.private.clone(), self.depot.published.clone());
        let _publishing = self.depot.publishing().await;
        let (blobs, list) = background(move || {
            let mut blobs = Vec::new();
            let list = lease_manifest::encode(&digests);
            for digest in digests {
                let bytes = read_manifest(&private, &published, &digest)?;
                let result = ResultManifest::parse(&bytes)
                    .map_err(|error| WorkError::Damaged(error.to_string()))?;
                for named in result.blobs().map(|blob| blob.digest).chain([digest]) {
                    let size = match published.size(&named) {
                        Some(size) => size,
                        None => private.publish_into(&named, &published)?,
                    };
                    blobs.push((B256::from(named.0), size));
                }
            }
            // Last: who finds the list finds all that it names.
            let digest = published.put_bytes(&list)?;
            Ok((blobs, (B256::from(digest.0), list.len() as u64)))
        })
        .await?;
        let store = &self.store;
        let all = reach == Reach::Everybody;
        store.put_published(job, first, blobs, all).await?;
        let all = reach != Reach::Client;
        Ok(store.put_published(job, first, vec![list], all).await?)
    }

    /// Forgets what no lease of this chain needs: private copies of published blobs; images and inputs, unless another
    /// chain relies on some (then `false`). Only when nothing runs and nothing is ready to run.
    pub(crate) async fn tidy(&self) -> Result<bool, WorkError> {
        self.shelf.lock().clear();
        let private = self.private.clone();
        background(move || clear(&private)).await?;
        self.depot.empty_cache().await
    }
}

pub(super) fn read_manifest(
    private: &DirStore,
    published: &DirStore,
    digest: &Digest,
) -> Result<Vec<u8>, WorkError> {
    let source = holder(private, published, digest);
    Ok(source.read(digest, MAX_MANIFEST_BYTES as u64)?)
}

/// The store that has a blob of ours.
pub(super) fn holder<'a>(
    private: &'a DirStore,
    published: &'a DirStore,
    digest: &Digest,
) -> &'a DirStore {
    match private.contains(digest) {
        true => private,
        false => published,
    }
}

/// Whether a result, and everything that it names, is in one of both stores.
pub(super) fn is_here(private: &DirStore, published: &DirStore, digest: &Digest) -> bool {
    let Ok(bytes) = read_manifest(private, published, digest) else {
        return false;
    };
    let Ok(result) = ResultManifest::parse(&bytes) else {
        return false;
    };
    let mut blobs = result.blobs();
    blobs.all(|blob| private.contains(&blob.digest) || published.contains(&blob.digest))
}
