//! The follower's service: the chain's blocks into the store, and then into the machine.

mod feed;
mod link;
mod missed;

use std::{convert::Infallible, sync::Arc, time::Duration};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, IntoLogData as _},
    providers::{DynProvider, Provider as _},
    rpc::types::Log,
    sol_types::SolValue as _,
};
use piecework_core::{
    chain::{EventAt, MarketEvent},
    view::{Block, StoredEvent},
};
use piecework_executor_core::Input;
use piecework_net::chain::{BlockRecord, ChainError, Follower, Head, MAX_FUTURE, Message as Chain};
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    time::Instant,
};

use crate::{
    clock::{ChainClock, local_now},
    config::ChainTiming,
    store::{JobRow, Store, StoreError},
};

pub(crate) use feed::Feed;
pub(crate) use link::Link;

/// After so long without a message of the follower, a chain that mines on demand is asked for its time. One that makes a
/// block each second beside these need not be asked.
const IDLE_CLOCK: Duration = Duration::from_millis(1_500);
/// Without an event of the market and a transaction of ours for so long, nothing happens.
const CALM: Duration = Duration::from_secs(3);
/// Then the node is asked for news no more often than this. Public chains are polled less often anyway.
const CALM_POLL: Duration = Duration::from_millis(250);

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the chain's endpoint does not answer: {0}")]
    Rpc(#[from] alloy::transports::TransportError),
    #[error("the endpoint serves chain {actual} now, not chain {expected}; nothing is sent to it")]
    WrongChain { expected: u64, actual: u64 },
}

impl crate::supervise::MayPass for FollowError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Store(error) if error.may_pass())
    }
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
    pub(crate) link: Link,
    pub(crate) feed: Feed,
    /// What receipts show of blocks. A follower that is started again goes on with it.
    pub(crate) receipts: Arc<AsyncMutex<mpsc::UnboundedReceiver<Vec<Log>>>>,
}

impl Follow {
    /// Follows until the store fails, or a reorganization is deeper than what is remembered.
    pub(crate) async fn run(&self) -> Result<Infallible, FollowError> {
        self.check_chain().await?;
        // A block's number comes with its time: one of the future is told by no honest endpoint.
        let newest = self
            .rpc
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await?;
        if let Some(block) = &newest {
            // What is done before the chain is read to its end goes by the time that it is now.
            self.observe(block.header.timestamp);
        }
        let target = newest.map_or(0, |block| block.header.number);
        let records: Vec<BlockRecord> =
            self.store.blocks().await?.into_iter().map(record).collect();
        let mut follower = Follower::resume(
            self.rpc.clone(),
            self.chain_id,
            self.market,
            self.timing.from_block,
            records,
        );
        let mut synced = follower.head().is_some_and(|head| head.number >= target);
        if synced {
            self.see_time(follower.head()).await;
            self.feed.sync().await;
        }
        let mut receipts = self.receipts.lock().await;
        let mut shown = Vec::new();
        let mut added: Vec<EventAt> = Vec::new();
        let mut lively = Instant::now();
        loop {
            let poll = match lively.elapsed() < CALM {
                true => self.timing.poll,
                false => self.timing.poll.max(CALM_POLL),
            };
            follower.set_poll_interval(poll);
            let message = tokio::select! {
                message = follower.next() => match message {
                    Ok(message) => message,
                    Err(error) => {
                        if matches!(error, ChainError::ReorgTooDeep { .. }) {
                            // Another chain's blocks are no reorganization.
                            self.check_chain().await?;
                            self.feed.reread(&self.store).await?;
                        }
                        return Err(error.into());
                    }
                },
                Some(logs) = receipts.recv() => {
                    // The block of our own transaction is there to be read.
                    lively = Instant::now();
                    follower.look_now();
                    shown.push(logs);
                    self.look_for_missed(&mut shown, follower.head()).await?;
                    continue;
                }
                // Beside the follower, which a node that limits its rate would never let come to an end otherwise.
                never = self.see_idle_time(), if self.on_demand && synced => match never {},
            };
            match message {
                Chain::Added(event) => {
                    lively = Instant::now();
                    added.push(event);
                }
                // The head that follows is lower: the store drops what is above it.
                Chain::Removed(_) => {}
                Chain::Head(head) => {
                    self.head(head, std::mem::take(&mut added)).await?;
                    self.look_for_missed(&mut shown, Some(head)).await?;
                    if !synced && head.number >= target {
                        synced = true;
                        self.feed.sync().await;
                    }
                }
                Chain::Unreadable(log) => tracing::warn!(%log, "an unreadable log of the market"),
                Chain::Down { reason, retry_in } => {
                    tracing::warn!(
                        reason,
                        ?retry_in,
                        "the chain's endpoint fails; following goes on when it is back"
                    );
                    let why = format!("the chain cannot be followed: {reason}");
                    self.link.is_down(why, retry_in);
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
        let turn = self.feed.hold().await;
        let change = self.store.set_head(block, rows, jobs).await?;
        self.observe(head.timestamp);
        if let Some(to) = change.rewound {
            self.feed.tell(Input::Rewound { to });
        }
        self.feed.tell(Input::Block {
            head: block,
            events: change.events,
        });
        drop(turn);
        self.link.has_block(self.on_demand);
        Ok(())
    }

    /// Takes a block's time in. Blocks of the future are none of a public chain: by such a time every window would be over.
    fn observe(&self, time: u64) {
        if self.on_demand || is_believed(time, local_now()) {
            self.clock.observe(time);
        } else {
            let ahead = time.saturating_sub(local_now());
            tracing::warn!(
                ahead,
                "a block is of the future, by this machine's clock: its time is not believed"
            );
        }
    }

    async fn check_chain(&self) -> Result<(), FollowError> {
        match self.rpc.get_chain_id().await? {
            actual if actual == self.chain_id => Ok(()),
            actual => Err(FollowError::WrongChain {
                expected: self.chain_id,
                actual,
            }),
        }
    }

    /// Looks at the time again and again.
    async fn see_idle_time(&self) -> Infallible {
        loop {
            tokio::time::sleep(IDLE_CLOCK).await;
            self.see_time(None).await;
        }
    }

    /// The time that the next block would have, where blocks come on demand.
    async fn see_time(&self, head: Option<Head>) {
        if let Some(head) = head {
            self.observe(head.timestamp);
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

/// Whether a block can have this time, by this machine's clock.
fn is_believed(time: u64, local: u64) -> bool {
    time <= local.saturating_add(MAX_FUTURE)
}

/// An event as the store keeps it; `None` for those of no job.
fn stored(at: &EventAt, time: u64) -> Option<StoredEvent> {
    let job = at.event.job_id()?;
    let block = Block {
        number: at.block,
        hash: at.block_hash,
        time,
    };
    Some(StoredEvent {
        block,
        log_index: at.log_index,
        tx: at.tx_hash,
        job,
        log: at.event.to_log_data(),
    })
}

/// The job that an event announces.
fn posted(at: &EventAt) -> Option<JobRow> {
    match &at.event {
        MarketEvent::Posted(event) => Some(JobRow {
            id: event.jobId,
            abi: event.job.abi_encode(),
            spec: event.spec.to_vec(),
            fee_bps: event.feeBps,
        }),
        _ => None,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_block_of_the_future_moves_no_deadline() {
        let local = 1_800_000_000;
        for (time, believed) in [
            (0, true),
            (local, true),
            (local + MAX_FUTURE, true),
            (local + MAX_FUTURE + 1, false),
            (u64::MAX, false),
        ] {
            assert_eq!(is_believed(time, local), believed, "{time}");
        }
    }
}
