//! A follower of the market's events that survives reorgs, restarts and dead nodes.

use std::collections::VecDeque;
use std::time::Duration;

use alloy::consensus::BlockHeader as _;
use alloy::eips::BlockNumberOrTag;
use alloy::network::Ethereum;
use alloy::network::primitives::HeaderResponse as _;
use alloy::primitives::{Address, B256};
use alloy::providers::{
    BlockLogs, CanonicalEvent, DynProvider, Provider, WatchCanonicalLogsFromStream,
};
use alloy::rpc::types::Filter;
use alloy::transports::{RpcError, TransportErrorKind};
use backon::BackoffBuilder as _;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{ChainError, EventAt, UnreadableLog};

/// Blocks that are remembered, and so the deepest reorg that is followed.
const REMEMBERED: usize = 256;
/// The chain of a devnet's anvil.
const ANVIL_CHAIN: u64 = 31337;

/// What a follower tells. Everything between two `Head`s belongs to one block: store it and the
/// head in one transaction, and a restart neither loses nor repeats anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An event became canonical.
    Added(EventAt),
    /// An event that was `Added` is no longer canonical: undo it. Newest first.
    Removed(EventAt),
    /// The chain now ends here, as far as this follower has read. After a reorg the number can be
    /// lower than before: forget stored blocks above it. The head itself is then a block that was
    /// told before, and whose events stand.
    Head(Head),
    /// A log of the market that cannot be read; log it and go on.
    Unreadable(UnreadableLog),
    /// The node fails; the follower tries again by itself. For operators, not for the state.
    Down {
        /// What the node or the transport said.
        reason: String,
        /// When it is tried again.
        retry_in: Duration,
    },
}

/// The last block that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time in Unix seconds.
    pub timestamp: u64,
}

/// A block that a durable consumer has stored, with the events that it has applied from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRecord {
    /// The block.
    pub head: Head,
    /// Its events in log order.
    pub events: Vec<EventAt>,
}

/// Follows one market: reads every block from a start on, in order, without gaps.
///
/// It stands on alloy's canonical log stream, which it recreates with back-off on any error. Its own
/// memory of recent blocks outlives these streams (and, given back through
/// [`Follower::resume`], the process), so that a reorg is found even when it happened while nobody
/// looked, or when it left the chain no longer than before.
pub struct Follower {
    provider: DynProvider,
    chain_id: u64,
    market: Address,
    poll_interval: Duration,
    /// First block that is not read yet when nothing is remembered.
    start: u64,
    recent: VecDeque<BlockRecord>,
    out: VecDeque<Message>,
    stream: Option<WatchCanonicalLogsFromStream<Ethereum>>,
    backoff: Option<backon::ExponentialBackoff>,
    retry_at: Option<Instant>,
    next_check: Instant,
    /// Blocks were forgotten and the new head is not told yet.
    rewound: bool,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("market", &self.market)
            .field("head", &self.recent.back().map(|record| record.head))
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Reads from block `start` (the one that the market was deployed in, or later) on.
    /// The node must be of chain `chain_id`; one that is of another is as one that fails. It is asked for news every
    /// 100 ms on anvil's chain, else every 2 s.
    pub fn start(provider: DynProvider, chain_id: u64, market: Address, start: u64) -> Self {
        let poll_interval = if chain_id == ANVIL_CHAIN {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(2)
        };
        Self {
            provider,
            chain_id,
            market,
            poll_interval,
            start,
            recent: VecDeque::new(),
            out: VecDeque::new(),
            stream: None,
            backoff: None,
            retry_at: None,
            next_check: Instant::now(),
            rewound: false,
        }
    }

    /// Goes on after the last of `records`, oldest first: the blocks that the consumer has stored,
    /// each with its events. Blocks without events may be left out except the last (its cursor); the
    /// more there are, the less is re-read after a reorg. With no records it is the same as
    /// [`Follower::start`].
    ///
    /// If the chain was reorganized meanwhile, the first messages are the `Removed` ones.
    pub fn resume(
        provider: DynProvider,
        chain_id: u64,
        market: Address,
        start: u64,
        records: Vec<BlockRecord>,
    ) -> Self {
        let mut follower = Self::start(provider, chain_id, market, start);
        follower.recent = records.into();
        follower
    }

    /// Sets how often the node is asked for news.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The last block read, if any.
    pub fn head(&self) -> Option<Head> {
        self.recent.back().map(|record| record.head)
    }

    /// The next message; waits for it as long as it takes. Cancel-safe.
    ///
    /// # Errors
    /// [`ChainError::ReorgTooDeep`] only: a dead node is a [`Message::Down`], not an error.
    pub async fn next(&mut self) -> Result<Message, ChainError> {
        loop {
            if let Some(message) = self.out.pop_front() {
                return Ok(message);
            }
            if let Some(at) = self.retry_at {
                tokio::time::sleep_until(at).await;
                self.retry_at = None;
            }
            match self.advance().await {
                Ok(()) => self.backoff = None,
                Err(Fault::TooDeep { oldest }) => return Err(ChainError::ReorgTooDeep { oldest }),
                Err(Fault::Node(error)) => self.fall_back(super::error::innermost(&error)),
                Err(Fault::WrongChain { actual }) => self.fall_back(format!(
                    "it serves chain {actual}, not chain {}",
                    self.chain_id
                )),
            }
        }
    }

    /// The messages as a stream; it ends after the first error.
    pub fn into_stream(
        mut self,
    ) -> impl futures::Stream<Item = Result<Message, ChainError>> + Send + 'static {
        async_stream::stream! {
            loop {
                let message = self.next().await;
                let failed = message.is_err();
                yield message;
                if failed {
                    break;
                }
            }
        }
    }

    /// One step: open a stream if there is none, then take its next block, or look whether the
    /// last block read still stands.
    async fn advance(&mut self) -> Result<(), Fault> {
        if self.stream.is_none() {
            // Else another chain's blocks would pass for a reorg that left nothing standing.
            let actual = self.provider.get_chain_id().await.map_err(Fault::Node)?;
            if actual != self.chain_id {
                return Err(Fault::WrongChain { actual });
            }
            self.rewind().await?;
            let filter = Filter::new().address(self.market);
            let from = self
                .recent
                .back()
                .map_or(self.start, |record| record.head.number.saturating_add(1));
            self.stream = Some(
                self.provider
                    .watch_canonical_logs_from(from, &filter)
                    .block_tag(BlockNumberOrTag::Latest)
                    .poll_interval(self.poll_interval)
                    .max_reorg_depth(REMEMBERED)
                    .into_stream(),
            );
            self.next_check = Instant::now() + self.poll_interval;
            if !self.out.is_empty() {
                return Ok(());
            }
        }
        let Some(stream) = self.stream.as_mut() else {
            return Ok(());
        };
        tokio::select! {
            biased;
            item = stream.next() => match item {
                Some(Ok(CanonicalEvent::Added(block))) => self.added(block),
                Some(Ok(CanonicalEvent::Removed(block))) => {
                    let hash = block.header().hash();
                    if self.recent.back().is_some_and(|record| record.head.hash == hash) {
                        self.remove_last();
                        self.tell_head();
                    } else {
                        self.stream = None;
                    }
                }
                Some(Err(error)) => {
                    self.stream = None;
                    return Err(Fault::Node(error));
                }
                None => self.stream = None,
            },
            // The stream looks at heights only: it does not see a reorg until the new chain is longer.
            () = tokio::time::sleep_until(self.next_check) => {
                self.next_check = Instant::now() + self.poll_interval;
                if let Some(head) = self.head()
                    && canonical_hash(&self.provider, head.number).await? != Some(head.hash)
                {
                    self.stream = None;
                }
            }
        }
        Ok(())
    }

    /// Takes one new block in, if it fits on the last one.
    fn added(&mut self, block: BlockLogs<Ethereum>) {
        let header = block.header();
        let head = Head {
            number: header.number(),
            hash: header.hash(),
            timestamp: header.timestamp(),
        };
        // A new stream knows nothing of the block below its first: only we can see that it changed.
        let parent_changed = self.recent.back().is_some_and(|record| {
            record.head.number.checked_add(1) != Some(head.number)
                || record.head.hash != header.parent_hash()
        });
        if parent_changed {
            self.stream = None;
            return;
        }
        let mut events = Vec::new();
        for log in &block.logs {
            match EventAt::decode(log, self.market) {
                Ok(event) => {
                    self.out.push_back(Message::Added(event.clone()));
                    events.push(event);
                }
                Err(unreadable) => self.out.push_back(Message::Unreadable(unreadable)),
            }
        }
        self.recent.push_back(BlockRecord { head, events });
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        self.out.push_back(Message::Head(head));
    }

    /// Forgets remembered blocks, newest first, until one of them is canonical.
    async fn rewind(&mut self) -> Result<(), Fault> {
        while let Some(head) = self.head() {
            if canonical_hash(&self.provider, head.number).await? == Some(head.hash) {
                break;
            }
            if self.recent.len() == 1 && head.number > self.start {
                return Err(Fault::TooDeep {
                    oldest: head.number,
                });
            }
            self.remove_last();
            self.rewound = true;
        }
        if std::mem::take(&mut self.rewound) {
            self.tell_head();
        }
        Ok(())
    }

    fn remove_last(&mut self) {
        if let Some(record) = self.recent.pop_back() {
            self.out
                .extend(record.events.into_iter().rev().map(Message::Removed));
        }
    }

    fn tell_head(&mut self) {
        self.out.extend(self.head().map(Message::Head));
    }

    fn fall_back(&mut self, reason: String) {
        self.stream = None;
        let backoff = self.backoff.get_or_insert_with(|| {
            backon::ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(15))
                .with_jitter()
                .without_max_times()
                .build()
        });
        let retry_in = backoff.next().unwrap_or(Duration::from_secs(15));
        self.retry_at = Some(Instant::now() + retry_in);
        self.out.push_back(Message::Down { reason, retry_in });
    }
}

async fn canonical_hash(provider: &DynProvider, number: u64) -> Result<Option<B256>, Fault> {
    let block = provider
        .get_block_by_number(BlockNumberOrTag::Number(number))
        .await;
    Ok(block.map_err(Fault::Node)?.map(|block| block.header.hash))
}

enum Fault {
    Node(RpcError<TransportErrorKind>),
    WrongChain { actual: u64 },
    TooDeep { oldest: u64 },
}
