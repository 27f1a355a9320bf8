//! Blobs of all chains: what is served, and what clients' images and inputs are kept in. Each chain promises its own;
//! none may take away what another one still needs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::B256;
use piecework::{blobs::DirStore, digest::Digest};
use tokio::sync::{Mutex, MutexGuard, OwnedRwLockReadGuard, RwLock};

use crate::{
    clock::local_now,
    config::Retention,
    store::{Store, StoreError},
    work::{WorkError, background},
};

/// The shared blobs; clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Depot {
    /// What is served.
    pub(crate) published: DirStore,
    /// Images and inputs of clients.
    pub(crate) cache: DirStore,
    stores: Arc<[Store]>,
    retention: Retention,
    /// Held between looking at what is published and writing down who needs it.
    publishing: Arc<Mutex<()>>,
    /// Read-held by every job whose image and input are in the cache, or on their way there.
    caching: Arc<RwLock<()>>,
    full: Arc<AtomicBool>,
}

/// As long as it lives, nothing leaves the cache.
#[derive(Debug)]
pub(crate) struct Cached(#[allow(dead_code)] OwnedRwLockReadGuard<()>);

impl Depot {
    /// The blobs of the chains with these stores.
    pub(crate) fn new(
        published: DirStore,
        cache: DirStore,
        stores: Vec<Store>,
        retention: Retention,
    ) -> Self {
        Self {
            published,
            cache,
            stores: stores.into(),
            retention,
            publishing: Arc::default(),
            caching: Arc::default(),
            full: Arc::default(),
        }
    }

    /// Until it is dropped, nothing that is published goes.
    pub(crate) async fn publishing(&self) -> MutexGuard<'_, ()> {
        self.publishing.lock().await
    }

    /// The right to rely on the cache.
    pub(crate) async fn cached(&self) -> Cached {
        Cached(self.caching.clone().read_owned().await)
    }

    /// Empties the cache, unless a job of any chain relies on it: then `false`.
    pub(crate) async fn empty_cache(&self) -> Result<bool, WorkError> {
        let Ok(alone) = self.caching.clone().try_write_owned() else {
            return Ok(false);
        };
        let cache = self.cache.clone();
        background(move || {
            let _alone = alone;
            clear(&cache)
        })
        .await?;
        Ok(true)
    }

    /// Whether what is owed to clients takes all that the owner gives it.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Lets go what is not owed any more and is old, or too much: the oldest first, of whichever chain.
    pub(crate) async fn let_go(&self) {
        let Ok(_alone) = self.publishing.try_lock() else {
            return;
        };
        // One chain's broken database is no reason for another one to stop.
        if let Err(error) = self.let_go_old().await {
            tracing::warn!(%error, "cannot look for old outputs");
        }
    }

    async fn let_go_old(&self) -> Result<(), StoreError> {
        let max = self.retention.max_bytes;
        let mut settled = Vec::new();
        for store in self.stores.iter() {
            let leases = store.settled().await?;
            settled.extend(leases.into_iter().map(|lease| (store, lease)));
        }
        settled.sort_by_key(|(_, (_, _, at))| *at);
        let now = local_now();
        let mut bytes = self.bytes().await?;
        for (store, (job, first, at)) in settled {
            let expired = now >= at.saturating_add(self.retention.keep.as_secs());
            if !expired && bytes <= max {
                break;
            }
            for digest in store.unpublish(job, first).await? {
                self.remove(digest).await?;
            }
            bytes = self.bytes().await?;
        }
        self.full.store(bytes > max, Ordering::Relaxed);
        Ok(())
    }

    async fn remove(&self, digest: B256) -> Result<(), StoreError> {
        for store in self.stores.iter() {
            if store.publishes(digest, None).await? {
                return Ok(());
            }
        }
        if let Err(error) = self.published.remove(&Digest(digest.0)) {
            tracing::warn!(%error, "cannot remove an old output");
        }
        Ok(())
    }

    async fn bytes(&self) -> Result<u64, StoreError> {
        let mut bytes = 0u64;
        for store in self.stores.iter() {
            bytes = bytes.saturating_add(store.published_bytes().await?);
        }
        Ok(bytes)
    }
}

/// Removes all blobs of a store.
pub(crate) fn clear(store: &DirStore) -> Result<(), WorkError> {
    for (digest, _) in store.list()? {
        store.remove(&digest)?;
    }
    Ok(())
}
