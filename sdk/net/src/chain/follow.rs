//! A follower of the market's events that survives reorgs, restarts and dead nodes.

use std::collections::VecDeque;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Header, Log};
use alloy::transports::TransportError;
use backon::BackoffBuilder as _;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::logs::{Ranges, logs_of};
use super::{ChainError, EventAt, UnreadableLog, decode_event};

/// Blocks that are remembered, and so the deepest reorg that is followed.
const REMEMBERED: usize = 256;
/// Blocks so deep are read in ranges: below, each is read by itself, since it may still be reorganized away.
const DEEP: u64 = 64;
/// Blocks of a range that are asked for at the same time.
const AT_ONCE: usize = 8;
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

/// Follows one market: reads its events from a start on, in order, without gaps.
///
/// Far behind the chain's head it reads ranges of blocks; near the head it reads each block's header, and the block's logs
/// only if the header's bloom filter names the market. Its memory of recent blocks (given back through
/// [`Follower::resume`], it outlives the process) finds a reorg even when it happened while nobody looked, or when it left
/// the chain no longer than before. A node that is merely behind is no reorg: it is waited for.
pub struct Follower {
    provider: DynProvider,
    chain_id: u64,
    market: Address,
    poll_interval: Duration,
    /// First block that is not read yet when nothing is remembered.
    start: u64,
    /// Blocks that were read, oldest first; those between them hold nothing of the market.
    recent: VecDeque<BlockRecord>,
    out: VecDeque<Message>,
    ranges: Ranges,
    /// The node was asked for its chain since it failed last.
    checked: bool,
    backoff: Option<backon::ExponentialBackoff>,
    next_look: Instant,
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
            ranges: Ranges::default(),
            checked: false,
            backoff: None,
            next_look: Instant::now(),
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

    /// Changes how often the node is asked for news.
    pub fn set_poll_interval(&mut self, interval: Duration) {
        self.poll_interval = interval;
    }

    /// Asks the node for news at once, unless it fails.
    pub fn look_now(&mut self) {
        if self.backoff.is_none() {
            self.next_look = Instant::now();
        }
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
            tokio::time::sleep_until(self.next_look).await;
            match self.advance().await {
                Ok(()) => self.backoff = None,
                Err(Fault::TooDeep { oldest }) => return Err(ChainError::ReorgTooDeep { oldest }),
                Err(Fault::Node(error)) => self.fall_back(super::error::innermost(&error)),
                Err(Fault::Behind { number }) => {
                    self.fall_back(format!(
                        "it does not know block {number}, which was there before"
                    ));
                }
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

    /// One step: look at the newest block, and read what lies between the last block read and it, or a part of that.
    /// Nothing is remembered before a step's last answer is there.
    async fn advance(&mut self) -> Result<(), Fault> {
        if !self.checked {
            // Else another chain's blocks would pass for a reorg that left nothing standing.
            let actual = self.provider.get_chain_id().await?;
            if actual != self.chain_id {
                return Err(Fault::WrongChain { actual });
            }
            self.checked = true;
        }
        let newest = self
            .provider
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await?;
        let Some(newest) = newest.map(|block| block.header) else {
            return Err(Fault::Behind {
                number: self.next_number(),
            });
        };
        let from = self.next_number();
        match self.head() {
            Some(head) if newest.number <= head.number => {
                let known = self
                    .recent
                    .iter()
                    .rev()
                    .find(|record| record.head.number <= newest.number);
                // A block below the last one is what a node that lags shows.
                let stands = known.is_none_or(|record| {
                    record.head.number < newest.number || record.head.hash == newest.hash
                });
                if !stands {
                    return self.rewind().await;
                }
                self.wait();
            }
            _ if newest.number < from => self.wait(),
            _ if newest.number == from && self.follows(&newest) => {
                self.block(newest).await?;
                self.wait();
            }
            _ if newest.number.saturating_sub(from) >= DEEP => {
                if let Some(head) = self.head()
                    && canonical_hash(&self.provider, head.number).await? != head.hash
                {
                    return self.rewind().await;
                }
                self.range(from, newest.number - DEEP).await?;
            }
            _ => {
                let header = header(&self.provider, from).await?;
                if !self.follows(&header) {
                    return self.rewind().await;
                }
                self.block(header).await?;
            }
        }
        Ok(())
    }

    fn next_number(&self) -> u64 {
        self.head()
            .map_or(self.start, |head| head.number.saturating_add(1))
    }

    /// Whether a block stands on the last one that was read.
    fn follows(&self, header: &Header) -> bool {
        self.head()
            .is_none_or(|head| head.hash == header.parent_hash)
    }

    fn wait(&mut self) {
        self.next_look = Instant::now() + self.poll_interval;
    }

    /// Reads one block.
    async fn block(&mut self, header: Header) -> Result<(), Fault> {
        let logs = logs_of(&self.provider, self.market, &header).await?;
        let head = Head {
            number: header.number,
            hash: header.hash,
            timestamp: header.timestamp,
        };
        self.add(head, &logs);
        Ok(())
    }

    /// Reads a range of blocks, or as much of it as the node allows.
    async fn range(&mut self, from: u64, to: u64) -> Result<(), Fault> {
        let filter = Filter::new().address(self.market);
        let (logs, to) = self.ranges.read(&self.provider, &filter, from, to).await?;
        let blocks: Vec<&[Log]> = logs
            .chunk_by(|one, next| one.block_number == next.block_number)
            .collect();
        let mut heads = Vec::new();
        for logs in &blocks {
            heads.push(head_of(self.provider.clone(), Told::of(logs)).boxed());
        }
        let heads: Vec<Head> = futures::stream::iter(heads)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let end = header(&self.provider, to).await?;
        for (head, logs) in heads.into_iter().zip(blocks) {
            self.add(head, logs);
        }
        if self.head().is_none_or(|head| head.number < end.number) {
            self.add(
                Head {
                    number: end.number,
                    hash: end.hash,
                    timestamp: end.timestamp,
                },
                &[],
            );
        }
        Ok(())
    }

    fn add(&mut self, head: Head, logs: &[Log]) {
        let mut events = Vec::new();
        for log in logs {
            match decode_event(log, self.market) {
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

    /// Forgets remembered blocks, newest first, until one of them is canonical; then all of that is told at once.
    async fn rewind(&mut self) -> Result<(), Fault> {
        let mut gone = 0;
        for record in self.recent.iter().rev() {
            let head = record.head;
            if canonical_hash(&self.provider, head.number).await? == head.hash {
                break;
            }
            gone += 1;
            if gone == self.recent.len() && head.number > self.start {
                return Err(Fault::TooDeep {
                    oldest: head.number,
                });
            }
        }
        for _ in 0..gone {
            self.remove_last();
        }
        if gone == 0 {
            // The node contradicts itself: it is between two branches, or several nodes answer by turns.
            return Err(Fault::Behind {
                number: self.next_number(),
            });
        }
        self.out.extend(self.head().map(Message::Head));
        Ok(())
    }

    fn remove_last(&mut self) {
        if let Some(record) = self.recent.pop_back() {
            self.out
                .extend(record.events.into_iter().rev().map(Message::Removed));
        }
    }

    fn fall_back(&mut self, reason: String) {
        self.checked = false;
        let backoff = self.backoff.get_or_insert_with(|| {
            backon::ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(15))
                .with_jitter()
                .without_max_times()
                .build()
        });
        let retry_in = backoff.next().unwrap_or(Duration::from_secs(15));
        self.next_look = Instant::now() + retry_in;
        self.out.push_back(Message::Down { reason, retry_in });
    }
}

async fn header(provider: &DynProvider, number: u64) -> Result<Header, Fault> {
    let block = provider
        .get_block_by_number(BlockNumberOrTag::Number(number))
        .await?;
    block
        .map(|block| block.header)
        .ok_or(Fault::Behind { number })
}

/// The hash of the block that the chain holds at this height. A node that has no block there gives an error: it may lag.
async fn canonical_hash(provider: &DynProvider, number: u64) -> Result<B256, Fault> {
    Ok(header(provider, number).await?.hash)
}

/// What logs tell of their block.
#[derive(Clone, Copy, Default)]
struct Told {
    number: u64,
    hash: B256,
    /// Newer nodes tell it.
    timestamp: Option<u64>,
}

impl Told {
    fn of(logs: &[Log]) -> Self {
        logs.first().map_or_else(Self::default, |log| Self {
            number: log.block_number.unwrap_or_default(),
            hash: log.block_hash.unwrap_or_default(),
            timestamp: log.block_timestamp,
        })
    }
}

async fn head_of(provider: DynProvider, told: Told) -> Result<Head, Fault> {
    let Told {
        number,
        hash,
        timestamp,
    } = told;
    if let Some(timestamp) = timestamp {
        return Ok(Head {
            number,
            hash,
            timestamp,
        });
    }
    let header = header(&provider, number).await?;
    if header.hash != hash {
        return Err(Fault::Behind { number });
    }
    Ok(Head {
        number,
        hash,
        timestamp: header.timestamp,
    })
}

enum Fault {
    Node(TransportError),
    /// A block is not there that was there, or that the node has named itself.
    Behind {
        number: u64,
    },
    WrongChain {
        actual: u64,
    },
    TooDeep {
        oldest: u64,
    },
}

impl From<TransportError> for Fault {
    fn from(error: TransportError) -> Self {
        Self::Node(error)
    }
}
