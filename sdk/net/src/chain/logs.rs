//! Logs of the market as nodes tell them: in ranges that the node allows, and never on one node's word alone where there
//! is another way to know.
//!
//! Public nodes answer `[]` for blocks that have logs, lose a part of an answer, and refuse wide ranges, each vendor with
//! other words. So a log is believed only if it fits its block's bloom filter; of a block whose filter names the
//! market a second endpoint is asked too, or the block's receipts; and a range that is refused is halved until it is not.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, Bloom, BloomInput};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::{Filter, Header, Log};
use alloy::transports::{RpcError, TransportError};

use super::opinion;
use super::{ChainError, EventAt, LogPlace, UnreadableLog};

/// Blocks of a first range; it doubles while the node allows it.
const FIRST_WIDTH: u64 = 2_000;
/// Most blocks of a range.
const MAX_WIDTH: u64 = 100_000;
/// The question for logs.
const LOGS: &str = "eth_getLogs";
/// Logs of an answer above which ranges are narrowed: an answer is held in memory, as text and as logs.
const MANY: usize = 10_000;
/// How often a block's receipts are asked for.
const LOOKS: u32 = 3;
/// The pause after a look without an answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Full ranges after which one is tried that is wider than what was refused.
const TRY_WIDER: u32 = 32;
/// A bloom filter that would name a contract that is not there in fewer than one of so many blocks says enough
/// for looking again.
const RARE: f64 = 0.01;

/// Decodes one log of `market`, as a node tells it.
///
/// # Errors
/// Those of [`EventAt::decode`].
pub fn decode_event(log: &Log, market: Address) -> Result<EventAt, UnreadableLog> {
    let place = LogPlace {
        block: log.block_number,
        block_hash: log.block_hash,
        log_index: log.log_index,
        tx_hash: log.transaction_hash,
    };
    EventAt::decode(&log.inner, place, market)
}

/// All logs of `filter` from its first block (0 if it has none) to the newest one, oldest first, in ranges that the node
/// allows.
///
/// # Errors
/// [`ChainError::Unreachable`], [`ChainError::Rpc`]: what the node says to a range of a single block.
pub async fn read_logs(provider: &DynProvider, filter: &Filter) -> Result<Vec<Log>, ChainError> {
    let failed = |error| ChainError::from_rpc("eth_getLogs", error);
    let newest = provider.get_block_by_number(BlockNumberOrTag::Latest).await;
    let newest = newest.map_err(|error| ChainError::from_rpc("eth_getBlockByNumber", error))?;
    let newest = newest.map_or(0, |block| block.header.number);
    let (mut from, mut ranges, mut logs) = (
        filter.get_from_block().unwrap_or(0),
        Ranges::default(),
        Vec::new(),
    );
    while from <= newest {
        let (part, to) = ranges
            .read(provider, filter, from, newest)
            .await
            .map_err(failed)?;
        logs.extend(part);
        from = to.saturating_add(1);
    }
    Ok(logs)
}

/// How wide a range a node allows, learnt from its refusals and from the length of its answers.
#[derive(Debug)]
pub(super) struct Ranges {
    width: u64,
    most: u64,
    /// Full ranges since the last refusal.
    full: u32,
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            width: FIRST_WIDTH,
            most: MAX_WIDTH,
            full: 0,
        }
    }
}

impl Ranges {
    /// Logs from block `from` to at most block `to`, and the block up to which they were read.
    pub(super) async fn read(
        &mut self,
        provider: &DynProvider,
        filter: &Filter,
        from: u64,
        to: u64,
    ) -> Result<(Vec<Log>, u64), TransportError> {
        loop {
            let end = to.min(from.saturating_add(self.width - 1));
            let part = filter.clone().from_block(from).to_block(end);
            match ask(provider, &part, None).await {
                Ok((logs, first)) => {
                    let mut logs = within(logs, from, end);
                    // What one endpoint hides, another one tells.
                    if let Some(other) = second(provider, &part, first).await {
                        logs = union(logs, within(other, from, end));
                    }
                    self.learn(end - from + 1, logs.len());
                    return Ok((logs, end));
                }
                Err(error) if end > from && may_be_too_wide(&error) => {
                    self.shrink(end - from + 1);
                    tracing::debug!(%error, width = self.width, "a narrower range of blocks is asked for");
                }
                Err(error) => {
                    // Perhaps it was too much work for the time that an answer may take.
                    self.width = (self.width / 2).max(1);
                    return Err(error);
                }
            }
        }
    }

    /// Learns from an answer of so many logs over `read` blocks.
    fn learn(&mut self, read: u64, logs: usize) {
        if read == self.width {
            self.full += 1;
            if self.full.is_multiple_of(TRY_WIDER) {
                // The refusal may have had another cause, which is over.
                self.most = self.most.saturating_mul(2).min(MAX_WIDTH);
            }
            self.width = self.width.saturating_mul(2).min(self.most);
        }
        // Blocks that would hold about `MANY` logs.
        let (read, logs) = (u128::from(read), logs as u128);
        let few = (read * MANY as u128).checked_div(logs);
        let few = few.map_or(u64::MAX, |few| u64::try_from(few).unwrap_or(u64::MAX));
        self.width = self.width.min(few.max(1));
    }

    fn shrink(&mut self, refused: u64) {
        self.width = (refused / 2).max(1);
        self.most = (refused - 1).max(1);
        self.full = 0;
    }
}

/// The logs of `market` in one block, in their order.
pub(super) async fn logs_of(
    provider: &DynProvider,
    market: Address,
    header: &Header,
) -> Result<Vec<Log>, TransportError> {
    // A chain without blooms leaves them empty in blocks that have used gas.
    let bloom = (!header.logs_bloom.is_zero() || header.gas_used == 0).then_some(header.logs_bloom);
    if bloom.is_some_and(|bloom| !bloom.contains_input(BloomInput::Raw(market.as_slice()))) {
        return Ok(Vec::new());
    }
    let filter = Filter::new().address(market).at_block_hash(header.hash);
    let (logs, first) = ask(provider, &filter, None).await?;
    let logs = fitting(logs, market, header, bloom);
    let mut others = second(provider, &filter, first).await.unwrap_or_default();
    if logs.is_empty() && others.is_empty() && bloom.is_some_and(|bloom| chance(bloom) < RARE) {
        others = of_receipts(provider, header, market).await;
    }
    let others = fitting(others, market, header, bloom);
    if others.len() > logs.len() {
        let hidden = others.len() - logs.len();
        tracing::warn!(
            block = header.number,
            hidden,
            "a node hides logs of the market; they were found elsewhere"
        );
    }
    Ok(union(logs, others))
}

/// One endpoint's logs, and which one it was.
async fn ask(
    provider: &DynProvider,
    filter: &Filter,
    other_than: Option<usize>,
) -> Result<(Vec<Log>, Option<usize>), TransportError> {
    opinion::ask(provider, LOGS, (filter.clone(),), other_than).await
}

/// What another endpoint says, if there is one and it answers.
async fn second(provider: &DynProvider, filter: &Filter, first: Option<usize>) -> Option<Vec<Log>> {
    opinion::second(provider, LOGS, (filter.clone(),), first).await
}

/// The logs that the receipts of a block hold: nodes keep these apart from their logs. Nodes that lag, or are busy, are asked
/// again; not every node knows the question.
async fn of_receipts(provider: &DynProvider, header: &Header, market: Address) -> Vec<Log> {
    for _ in 0..LOOKS {
        let receipts = provider
            .get_block_receipts(BlockId::hash(header.hash))
            .await;
        if let Ok(Some(receipts)) = receipts {
            let logs = receipts.iter().flat_map(|receipt| receipt.inner.logs());
            return logs
                .filter(|log| log.address() == market)
                .cloned()
                .collect();
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(
        block = header.number,
        "the market may have logs in this block: no node tells any, and none tells its receipts"
    );
    Vec::new()
}

fn union(one: Vec<Log>, other: Vec<Log>) -> Vec<Log> {
    let place = |log: &Log| (log.block_number, log.block_hash, log.log_index);
    let logs: BTreeMap<_, Log> = one
        .into_iter()
        .chain(other)
        .map(|log| (place(&log), log))
        .collect();
    logs.into_values().collect()
}

/// The logs that were asked for, in their order. Others are of no block that counts.
fn within(mut logs: Vec<Log>, from: u64, to: u64) -> Vec<Log> {
    let told = logs.len();
    logs.retain(|log| {
        !log.removed
            && log
                .block_number
                .is_some_and(|number| (from..=to).contains(&number))
    });
    warn_of(told - logs.len());
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    logs
}

/// The logs that this block can hold, in their order.
fn fitting(mut logs: Vec<Log>, market: Address, header: &Header, bloom: Option<Bloom>) -> Vec<Log> {
    let told = logs.len();
    logs.retain(|log| {
        log.block_hash == Some(header.hash)
            && log.address() == market
            && bloom.is_none_or(|bloom| bloom.contains_log(&log.inner))
    });
    warn_of(told - logs.len());
    within(logs, header.number, header.number)
}

fn warn_of(strange: usize) {
    if strange > 0 {
        tracing::warn!(
            strange,
            "a node answers with logs of other blocks; they are not believed"
        );
    }
}

/// How likely a filter with so many bits names a contract that is not there: three bits of 2,048 must be set.
fn chance(bloom: Bloom) -> f64 {
    let set: u32 = bloom.iter().map(|byte| byte.count_ones()).sum();
    (f64::from(set) / 2_048.0).powi(3)
}

/// Whether the node answered, and said no: then a narrower range may do.
fn may_be_too_wide(error: &TransportError) -> bool {
    match error {
        RpcError::ErrorResp(_) => true,
        RpcError::Transport(kind) => {
            let status = kind.as_http_error().map(|error| error.status);
            status.is_some_and(|status| matches!(status, 400 | 408 | 413 | 422 | 504))
        }
        _ => false,
    }
}

/// The words with which vendors refuse a wide range, with a code that also means a limited rate (Infura: -32005).
pub(super) fn is_too_wide(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    [
        "range",
        "results",
        "response size",
        "too many logs",
        "block count",
        "blocks",
    ]
    .iter()
    .any(|part| words.contains(part))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    #[test]
    fn a_range_is_halved_when_it_is_refused_and_doubled_when_it_is_not() {
        let mut ranges = Ranges::default();
        ranges.learn(2_000, 0);
        ranges.learn(4_000, 0);
        assert_eq!(ranges.width, 8_000);
        // The last range before the head says nothing about the width.
        ranges.learn(17, 0);
        assert_eq!(ranges.width, 8_000);
        ranges.shrink(8_000);
        assert_eq!(ranges.width, 4_000);
        for _ in 0..3 {
            ranges.learn(ranges.width, 0);
        }
        assert_eq!(ranges.width, 7_999);
        for _ in 0..20 {
            ranges.shrink(ranges.width.max(2));
        }
        assert_eq!(ranges.width, 1);
    }

    #[test]
    fn ranges_are_as_wide_as_an_answer_may_be_long() {
        let mut ranges = Ranges::default();
        // A hundred logs a block.
        ranges.learn(2_000, 200_000);
        assert_eq!(ranges.width, 100);
        ranges.learn(100, 10_000);
        assert_eq!(ranges.width, 100);
        // Fewer, then none.
        ranges.learn(100, 6_000);
        assert_eq!(ranges.width, 166);
        ranges.learn(166, 0);
        assert_eq!(ranges.width, 332);
        // One block holds more than that.
        ranges.learn(332, 100_000_000);
        assert_eq!(ranges.width, 1);
    }

    #[test]
    fn a_refusal_of_a_bad_minute_does_not_narrow_ranges_for_ever() {
        let mut ranges = Ranges::default();
        for _ in 0..12 {
            ranges.shrink(ranges.width.max(2));
        }
        assert_eq!((ranges.width, ranges.most), (1, 1));
        for _ in 0..TRY_WIDER * 20 {
            ranges.learn(ranges.width, 0);
        }
        assert_eq!(ranges.width, MAX_WIDTH);
    }

    #[test]
    fn vendors_words_for_too_wide_a_range_are_no_limited_rate() {
        for words in [
            "query returned more than 10000 results. Try with this block range [0x1, 0x2].",
            "eth_getLogs is limited to a 10,000 range",
            "Log response size exceeded.",
            "exceed maximum block range: 50000",
            "block range is too wide",
            "ranges over 10000 blocks are not supported on freetier",
        ] {
            assert!(is_too_wide(words), "{words}");
        }
        for words in [
            "daily request count exceeded, request rate limited",
            "Too many requests, try again in 3s",
        ] {
            assert!(!is_too_wide(words), "{words}");
        }
    }

    #[test]
    fn a_log_counts_only_where_its_block_can_hold_it() {
        let market = Address::repeat_byte(7);
        let inner = alloy::primitives::Log::new_unchecked(
            market,
            vec![B256::repeat_byte(1)],
            Default::default(),
        );
        let mut bloom = Bloom::default();
        bloom.accrue_log(&inner);
        let header = Header {
            hash: B256::repeat_byte(9),
            ..Header::default()
        };
        let log = Log {
            inner,
            block_hash: Some(header.hash),
            block_number: Some(0),
            log_index: Some(0),
            ..Log::default()
        };
        assert_eq!(
            fitting(vec![log.clone()], market, &header, Some(bloom)).len(),
            1
        );
        let strange = Log {
            block_hash: Some(B256::repeat_byte(8)),
            ..log.clone()
        };
        assert!(fitting(vec![strange], market, &header, Some(bloom)).is_empty());
        assert!(
            fitting(
                vec![log.clone()],
                Address::repeat_byte(8),
                &header,
                Some(bloom),
            )
            .is_empty()
        );
        assert!(fitting(vec![log.clone()], market, &header, Some(Bloom::default())).is_empty());
        assert!(
            fitting(
                vec![Log {
                    removed: true,
                    ..log.clone()
                }],
                market,
                &header,
                Some(bloom),
            )
            .is_empty()
        );
        // Nothing is there twice.
        let later = Log {
            log_index: Some(1),
            ..log.clone()
        };
        assert_eq!(union(vec![log.clone(), later], vec![log]).len(), 2);
        assert!(chance(bloom) < RARE);
    }
}
