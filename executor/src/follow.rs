//! The follower's service: the chain's blocks into the store, and word of them to the control task.

use std::{convert::Infallible, time::Duration};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::Address,
    providers::{DynProvider, Provider as _},
};
use piecework::chain::{BlockRecord, ChainError, EventAt, Follower, Head, Message as Chain};
use tokio::sync::mpsc;

use crate::{
    clock::ChainClock,
    config::ChainTiming,
    control::{Message, posted, stored},
    store::{Block, Store, StoreError},
};

/// How often a chain that mines only on demand is asked for its time.
const IDLE_CLOCK: Duration = Duration::from_millis(500);

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the chain's endpoint does not answer: {0}")]
    Rpc(#[from] alloy::transports::TransportError),
}

/// What the follower works with.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    pub(crate) rpc: DynProvider,
    pub(crate) chain_id: u64,
    pub(crate) market: Address,
    pub(crate) timing: ChainTiming,
    /// The chain mines on demand: its newest block says nothing about the time.
    pub(crate) on_demand: bool,
    pub(crate) store: Store,
    pub(crate) clock: ChainClock,
    pub(crate) inbox: mpsc::UnboundedSender<Message>,
}

impl Follow {
    /// Follows until the store fails, or a reorganization is deeper than what is remembered.
    pub(crate) async fn run(&self) -> Result<Infallible, FollowError> {
        let target = self.rpc.get_block_number().await?;
        let records: Vec<BlockRecord> =
            self.store.blocks().await?.into_iter().map(record).collect();
        let mut follower = Follower::resume(
            self.rpc.clone(),
            self.chain_id,
            self.market,
            self.timing.from_block,
            records,
        )
        .poll_interval(self.timing.poll);
        let mut synced = follower.head().is_some_and(|head| head.number >= target);
        if synced {
            self.see_time(follower.head()).await;
            let _ = self.inbox.send(Message::Synced);
        }
        let mut clock = tokio::time::interval(IDLE_CLOCK);
        let mut added: Vec<EventAt> = Vec::new();
        loop {
            let message = tokio::select! {
                message = follower.next() => match message {
                    Ok(message) => message,
                    Err(error) => {
                        if matches!(error, ChainError::ReorgTooDeep { .. }) {
                            self.store.forget_chain().await?;
                        }
                        return Err(error.into());
                    }
                },
                _ = clock.tick(), if self.on_demand && synced => {
                    self.see_time(None).await;
                    continue;
                }
            };
            match message {
                Chain::Added(event) => added.push(event),
                // The head that follows is lower: the store drops what is above it.
                Chain::Removed(_) => {}
                Chain::Head(head) => {
                    self.head(head, std::mem::take(&mut added)).await?;
                    if !synced && head.number >= target {
                        synced = true;
                        let _ = self.inbox.send(Message::Synced);
                    }
                }
                Chain::Unreadable(log) => tracing::warn!(%log, "an unreadable log of the market"),
                Chain::Down { reason, retry_in } => {
                    tracing::warn!(
                        reason,
                        ?retry_in,
                        "the chain's endpoint fails; following goes on when it is back"
                    );
                }
            }
        }
    }

    async fn head(&self, head: Head, events: Vec<EventAt>) -> Result<(), StoreError> {
        let block = Block {
            number: head.number,
            hash: head.hash,
            time: head.timestamp,
        };
        let jobs = events.iter().filter_map(posted).collect();
        let rows = events
            .iter()
            .filter_map(|event| stored(event, head.timestamp))
            .collect();
        let touched = self.store.set_head(block, rows, jobs).await?;
        self.clock.observe(head.timestamp);
        let _ = self.inbox.send(Message::Head { block, touched });
        Ok(())
    }

    /// The time that the next block would have, where blocks come on demand.
    async fn see_time(&self, head: Option<Head>) {
        if let Some(head) = head {
            self.clock.observe(head.timestamp);
        }
        if self.on_demand
            && let Ok(Some(block)) = self
                .rpc
                .get_block_by_number(BlockNumberOrTag::Pending)
                .await
        {
            self.clock.observe(block.header.timestamp);
        }
    }
}

fn record(block: Block) -> BlockRecord {
    // Events are left out: the store itself drops what is above a lower head.
    let head = Head {
        number: block.number,
        hash: block.hash,
        timestamp: block.time,
    };
    BlockRecord {
        head,
        events: Vec::new(),
    }
}
