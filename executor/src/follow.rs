//! The follower's service: the chain's blocks into the store, and then into the machine.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, IntoLogData as _},
    providers::{DynProvider, Provider as _},
    sol_types::SolValue as _,
};
use piecework_core::{
    chain::{EventAt, MarketEvent},
    view::{Block, StoredEvent},
};
use piecework_executor_core::Input;
use piecework_net::chain::{BlockRecord, ChainError, Follower, Head, MAX_FUTURE, Message as Chain};
use tokio::{
    sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard, mpsc, watch},
    time::Instant,
};

use crate::{
    clock::{ChainClock, local_now},
    config::ChainTiming,
    store::{JobRow, Store, StoreError},
};

/// How often a chain that mines only on demand is asked for its time.
const IDLE_CLOCK: Duration = Duration::from_millis(500);
/// A chain without a new block for so long has stalled, or its node has.
const STALLED: Duration = Duration::from_secs(300);
/// An answer takes no longer: an endpoint that was tried again has failed by then, or it is back.
const AFTER_RETRY: Duration = Duration::from_secs(25);

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

/// How the chain's endpoint does, for the owner; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link(Arc<Mutex<LinkState>>);

#[derive(Debug, Default)]
struct LinkState {
    /// Why following fails, and until when that is not news.
    down: Option<(String, Instant)>,
    /// When the last new block came, of a chain that makes them by itself.
    last_block: Option<Instant>,
}

impl Link {
    /// Something fails, and is tried again after `retry_in`; it is said until some time after that, or a new block.
    pub(crate) fn is_down(&self, why: String, retry_in: Duration) {
        let until = Instant::now() + retry_in + AFTER_RETRY;
        self.lock().down = Some((why, until));
    }

    /// A block came; blocks of a chain that mines on demand need not follow.
    fn has_block(&self, on_demand: bool) {
        let mut state = self.lock();
        state.down = None;
        state.last_block = (!on_demand).then(Instant::now);
    }

    /// What is wrong with it, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        let silence = state.last_block.map(|at| at.elapsed());
        match (&state.down, silence) {
            (Some((why, until)), _) if Instant::now() < *until => Some(why.clone()),
            (_, Some(silence)) if silence > STALLED => Some(format!(
                "the chain has had no new block for {} s: it stalls, or its endpoint does",
                silence.as_secs()
            )),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of blocks into the machine; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    inbox: mpsc::UnboundedSender<Input>,
    /// Held from the moment in which a block is written down until the machine is told: a machine that is loaded meanwhile
    /// sees the block once.
    turn: Arc<AsyncMutex<()>>,
    /// Whether the chain was read once up to its end.
    synced: Arc<AtomicBool>,
    /// How often the chain was forgotten, to be read again from the first block.
    rereads: watch::Sender<u64>,
}

impl Feed {
    /// The way into this inbox.
    pub(crate) fn new(inbox: mpsc::UnboundedSender<Input>) -> Self {
        Self {
            inbox,
            turn: Arc::default(),
            synced: Arc::default(),
            rereads: watch::Sender::new(0),
        }
    }

    /// Until this is dropped, no block is written down, and each one that was is in the inbox.
    pub(crate) async fn hold(&self) -> AsyncGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether the chain was read once up to its end.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::SeqCst)
    }

    async fn sync(&self) {
        let _turn = self.hold().await;
        self.synced.store(true, Ordering::SeqCst);
        self.tell(Input::Synced);
    }

    /// Forgets the chain, so that it is read again from the first block.
    async fn reread(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.hold().await;
        store.forget_chain().await?;
        self.synced.store(false, Ordering::SeqCst);
        self.rereads
            .send_modify(|times| *times = times.wrapping_add(1));
        Ok(())
    }

    /// Changes each time the chain is read again from the first block: then the machine must be loaded again.
    pub(crate) fn rereads(&self) -> watch::Receiver<u64> {
        self.rereads.subscribe()
    }

    fn tell(&self, input: Input) {
        // Nobody listens any more while stopping; the store knows all the same.
        let _ = self.inbox.send(input);
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
        )
        .poll_interval(self.timing.poll);
        let mut synced = follower.head().is_some_and(|head| head.number >= target);
        if synced {
            self.see_time(follower.head()).await;
            self.feed.sync().await;
        }
        let mut clock = tokio::time::interval(IDLE_CLOCK);
        let mut added: Vec<EventAt> = Vec::new();
        loop {
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

    #[tokio::test(start_paused = true)]
    async fn a_link_says_what_is_wrong_until_it_is_not() {
        let link = Link::default();
        assert_eq!(link.trouble(), None);
        link.is_down("refused".to_owned(), Duration::from_secs(15));
        tokio::time::advance(Duration::from_secs(39)).await;
        assert_eq!(link.trouble().unwrap(), "refused");
        // Tried again since, and not failed again.
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(link.trouble(), None);
        link.is_down("refused".to_owned(), Duration::from_secs(15));
        link.has_block(false);
        assert_eq!(link.trouble(), None);
        tokio::time::advance(STALLED + Duration::from_secs(1)).await;
        let why = "the chain has had no new block for 301 s: it stalls, or its endpoint does";
        assert_eq!(link.trouble().unwrap(), why);
        // Nobody waits for the blocks of a chain that mines on demand.
        link.has_block(true);
        tokio::time::advance(STALLED * 2).await;
        assert_eq!(link.trouble(), None);
    }
}
