//! The way of blocks into the machine.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::rpc::types::Log;
use piecework_executor_core::Input;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard, mpsc, watch};

use crate::store::{Store, StoreError};

/// The way of blocks into the machine; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    inbox: mpsc::UnboundedSender<Input>,
    /// Held from the moment in which a block is written down until the machine is told: a machine that is loaded meanwhile
    /// sees the block once.
    turn: Arc<AsyncMutex<()>>,
    /// What receipts showed of blocks.
    shown: mpsc::UnboundedSender<Vec<Log>>,
    /// Whether the chain was read once up to its end.
    synced: Arc<AtomicBool>,
    /// How often the chain was forgotten, to be read again from the first block.
    rereads: watch::Sender<u64>,
}

impl Feed {
    /// The way into this inbox. Also what receipts show, for the follower.
    pub(crate) fn new(
        inbox: mpsc::UnboundedSender<Input>,
    ) -> (Self, mpsc::UnboundedReceiver<Vec<Log>>) {
        let (shown, receipts) = mpsc::unbounded_channel();
        let feed = Self {
            inbox,
            shown,
            turn: Arc::default(),
            synced: Arc::default(),
            rereads: watch::Sender::new(0),
        };
        (feed, receipts)
    }

    /// Shows the follower the logs of a receipt: it has read them, or a node hid them.
    pub(crate) fn show(&self, logs: Vec<Log>) {
        let _ = self.shown.send(logs);
    }

    /// Until this is dropped, no block is written down, and each one that was is in the inbox.
    pub(crate) async fn hold(&self) -> AsyncGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether the chain was read once up to its end.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::SeqCst)
    }

    pub(super) async fn sync(&self) {
        let _turn = self.hold().await;
        self.synced.store(true, Ordering::SeqCst);
        self.tell(Input::Synced);
    }

    /// Forgets the chain, so that it is read again from the first block.
    pub(super) async fn reread(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.hold().await;
        // First: what is deleted while a chain is whole must not be while it is read.
        self.synced.store(false, Ordering::SeqCst);
        store.forget_chain().await?;
        self.rereads
            .send_modify(|times| *times = times.wrapping_add(1));
        Ok(())
    }

    /// Changes each time the chain is read again from the first block: then the machine must be loaded again.
    pub(crate) fn rereads(&self) -> watch::Receiver<u64> {
        self.rereads.subscribe()
    }

    pub(super) fn tell(&self, input: Input) {
        // While the executor stops, nobody listens. The store knows all the same.
        let _ = self.inbox.send(input);
    }
}
