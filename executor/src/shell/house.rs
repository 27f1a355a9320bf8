//! Removes what nobody is owed or needs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use piecework_executor_core::{Input, machine::KEPT};
use tokio::time::Instant;

use super::Shell;

/// How often is looked for what can go.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// How often old intents are looked for.
const SWEEPING: Duration = Duration::from_secs(60);
/// Seconds of chain time for which an intent is kept that is over.
const INTENTS_KEPT: u64 = 120;
/// Blocks for which one is kept that was mined: more than a reorganization can take back.
const BLOCKS_KEPT: u64 = 2 * KEPT;

/// When was looked last, and whether anything is left.
#[derive(Debug)]
pub(super) struct House {
    looked: Instant,
    is_tidy: bool,
    /// Whether old outputs are being let go now.
    busy: Arc<AtomicBool>,
    /// When old intents were forgotten last.
    swept: Instant,
}

impl Default for House {
    fn default() -> Self {
        Self {
            looked: Instant::now(),
            is_tidy: false,
            busy: Arc::default(),
            swept: Instant::now(),
        }
    }
}

impl House {
    /// Something is made ready, or run: there will be something to tidy up.
    pub(super) fn is_needed(&mut self) {
        self.is_tidy = false;
    }
}

impl Shell {
    /// Removes what nobody is owed, and what nobody needs.
    pub(super) async fn keep_house(&mut self) {
        if self.house.looked.elapsed() < HOUSEKEEPING {
            return;
        }
        self.house.looked = Instant::now();
        self.let_go();
        self.sweep().await;
        let needed = self.machine.needed();
        self.tools.shop.shelf.keep(&needed);
        self.machine.unprepare(|job| !needed.contains(&job));
        let retention = self.tools.retention;
        self.tools
            .shop
            .remove_images(retention.keep_images, retention.max_image_bytes);
        if needed.is_empty() && !self.house.is_tidy {
            // Nothing is begun meanwhile.
            self.house.is_tidy = self.tools.shop.tidy().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot tidy up");
                true
            });
        }
    }

    /// Forgets intents on which nothing depends: no event is kept of what they did, and no reorganization that is
    /// watched for takes their blocks back.
    async fn sweep(&mut self) {
        // While the chain is read again, no events are here.
        if self.house.swept.elapsed() < SWEEPING || !self.tools.feed.is_synced() {
            return;
        }
        self.house.swept = Instant::now();
        let head = self.machine.head().map_or(0, |head| head.number);
        let (old, deep) = (
            self.tools.now().time.saturating_sub(INTENTS_KEPT),
            head.saturating_sub(BLOCKS_KEPT),
        );
        if let Err(error) = self.tools.store.forget_intents(old, deep).await {
            tracing::warn!(%error, "cannot forget old intents");
        }
    }

    /// Lets old outputs go, in the background.
    fn let_go(&self) {
        if self.house.busy.swap(true, Ordering::SeqCst) {
            return;
        }
        let (shop, busy) = (self.tools.shop.clone(), self.house.busy.clone());
        let depot = shop.depot.clone();
        self.tools.shop.spawn(async move {
            depot.let_go().await;
            shop.tell(Input::DiskFull(depot.is_full()));
            busy.store(false, Ordering::SeqCst);
        });
    }
}
