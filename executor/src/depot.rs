//! Blobs of all chains: what is served, to everybody or to a client alone, and what clients' images and inputs are kept in. Each chain promises its own;
//! none may take away what another one still needs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::B256;
use piecework_core::digest::Digest;
use piecework_net::blobs::DirStore;
use tokio::sync::{Mutex, MutexGuard, OwnedRwLockReadGuard, RwLock};

use crate::{
    clock::local_now,
    config::Retention,
    store::{Store, StoreError},
    work::error::{WorkError, background},
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

    /// Deletes outputs that nobody is owed if they are old or too many: the oldest first, of whichever chain.
    pub(crate) async fn let_go(&self) {
        let Ok(_alone) = self.publishing.try_lock() else {
            return;
        };
        if let Err(error) = self.let_go_old().await {
            tracing::warn!(%error, "cannot let go of old outputs");
        }
    }

    async fn let_go_old(&self) -> Result<(), StoreError> {
        let max = self.retention.max_bytes;
        let mut settled = Vec::new();
        for store in self.stores.iter() {
            match store.settled().await {
                Ok(leases) => settled.extend(leases.into_iter().map(|lease| (store, lease))),
                Err(error) => tracing::warn!(%error, "cannot look for old outputs of a chain"),
            }
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
            if store.publishes(digest).await? {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::time::Duration;

    use alloy::primitives::Address;
    use tempfile::TempDir;

    use super::*;
    use crate::store::Lock;

    const JOB: B256 = B256::repeat_byte(1);

    fn depot(keep: Duration, max_bytes: u64) -> (Depot, Vec<Store>, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let stores: Vec<Store> = (1..=2)
            .map(|n| Store::open(&lock, &dir.path().join(n.to_string()), n, Address::ZERO).unwrap())
            .collect();
        let retention = Retention {
            keep,
            keep_images: Duration::ZERO,
            max_image_bytes: 0,
            max_bytes,
        };
        let open = |name| DirStore::open(dir.path().join(name)).unwrap();
        let depot = Depot::new(open("published"), open("cache"), stores.clone(), retention);
        (depot, stores, dir)
    }

    async fn publish(depot: &Depot, store: &Store, first: u32, bytes: &[u8]) -> Digest {
        let digest = depot.published.put_bytes(bytes).unwrap();
        let blob = (B256::from(digest.0), bytes.len() as u64);
        store
            .put_published(JOB, first, vec![blob], true)
            .await
            .unwrap();
        digest
    }

    #[tokio::test]
    async fn what_two_chains_publish_stays_until_neither_owes_it() {
        let (depot, stores, _dir) = depot(Duration::ZERO, 1_000);
        let both = publish(&depot, &stores[0], 0, b"both").await;
        assert_eq!(publish(&depot, &stores[1], 0, b"both").await, both);
        stores[0].put_settled(JOB, 0, 5).await.unwrap();
        depot.let_go().await;
        assert!(depot.published.contains(&both), "the other chain owes it");
        stores[1].put_settled(JOB, 0, 6).await.unwrap();
        depot.let_go().await;
        assert!(!depot.published.contains(&both));
    }

    #[tokio::test]
    async fn of_too_much_the_oldest_goes_first_of_whichever_chain() {
        let (depot, stores, _dir) = depot(Duration::from_secs(1 << 40), 8);
        let young = publish(&depot, &stores[0], 0, b"young").await;
        let old = publish(&depot, &stores[1], 0, b"oldest").await;
        stores[0].put_settled(JOB, 0, 9).await.unwrap();
        stores[1].put_settled(JOB, 0, 8).await.unwrap();
        // Not while one is about to write down that it needs something.
        let publishing = depot.publishing().await;
        depot.let_go().await;
        assert!(depot.published.contains(&old));
        drop(publishing);
        depot.let_go().await;
        let left = [&young, &old].map(|digest| depot.published.contains(digest));
        assert_eq!((left, depot.is_full()), ([true, false], false));
        // What is owed stays, and is said to be too much, whichever chain owes it.
        publish(&depot, &stores[1], 4, b"owed").await;
        publish(&depot, &stores[0], 4, b"as well").await;
        depot.let_go().await;
        assert!(depot.is_full() && !depot.published.contains(&young));
    }

    #[tokio::test]
    async fn the_cache_is_not_emptied_under_a_job_of_another_chain() {
        let (depot, _stores, _dir) = depot(Duration::ZERO, 1);
        let image = depot.cache.put_bytes(b"image").unwrap();
        let (one, two) = (depot.cached().await, depot.clone().cached().await);
        assert!(!depot.empty_cache().await.unwrap());
        drop(one);
        assert!(!depot.empty_cache().await.unwrap());
        assert!(depot.cache.contains(&image));
        drop(two);
        assert!(depot.empty_cache().await.unwrap());
        assert!(!depot.cache.contains(&image));
    }
}
