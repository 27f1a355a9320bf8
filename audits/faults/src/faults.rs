//! What the proxy does wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::words::Words;

/// The key in a map of faults that stands for each method without a key of its own.
const ALL: &str = "*";

/// What the proxy does wrong. The default is an honest proxy.
#[derive(Clone, Default, Debug)]
pub struct Faults {
    /// The proxy answers each request with HTTP 502.
    pub down: bool,
    /// `eth_getLogs` answers an empty list.
    pub hidden_logs: bool,
    /// `eth_getLogs` loses the last half of its logs. Of an odd number, the larger part is lost.
    pub truncated_logs: bool,
    /// `eth_getTransactionReceipt` answers null.
    pub null_receipts: bool,
    /// `eth_getTransactionReceipt` repeats its first answer for a transaction permanently, also if that answer was null.
    /// The proxy forgets these answers when this fault is switched off.
    pub stale_receipts: bool,
    /// Refuses calls, by method. The key `*` stands for all methods that have no key of their own.
    pub limited: BTreeMap<String, Limit>,
    /// Takes this many calls within any second, and answers further requests with HTTP 429 and plain text.
    /// The calls of a batch count one by one. Refused calls do not count.
    pub per_second: Option<usize>,
    /// The node lags by this many blocks.
    /// The tags `latest`, `pending` and `safe` and `eth_blockNumber` mean an older block, the view.
    /// Above the view, blocks and receipts are null, logs are absent, mined transactions are pending, and state has no header.
    pub behind: u64,
    /// Waits before a call is answered, by method. The key `*` stands for all methods that have no key of their own.
    /// The calls of one batch wait one after the other.
    pub slow: BTreeMap<String, Duration>,
    /// Is added to the answers of `eth_getTransactionCount`, which never fall below 0.
    pub count_offset: i64,
    /// Adds 1 to the first word of each answer of `eth_call`, unless that word is 0.
    pub wrong_words: bool,
    /// Sends a call to the node, and then answers with an error in place of the node's answer, by method.
    /// The key `*` stands for all methods that have no key of their own.
    pub lost_answers: BTreeMap<String, Words>,
    /// Refuses `eth_getLogs` over more than this many blocks, in these words.
    pub max_range: Option<(u64, Words)>,
    /// The `baseFeePerGas` of each block and of `eth_feeHistory`, and the answer of `eth_gasPrice`.
    pub base_fee: Option<u128>,
    /// Is added to the timestamp of each block that `eth_getBlockByNumber` answers for `latest` and `pending`.
    pub future_seconds: u64,
}

/// How the proxy refuses calls of one method.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Limit {
    /// True: the whole request is answered with HTTP 429 and plain text. False: the call is answered with a JSON-RPC error.
    pub as_http: bool,
    /// The seconds in the header `Retry-After`. Without them, the answer has no such header.
    pub retry_after: Option<u64>,
    /// 1 refuses each call, 2 refuses each second one, and so on. 0 is read as 1.
    /// A limit with the key `*` counts the calls of all its methods together.
    /// Counting begins again with [`Proxy::set`](crate::Proxy::set).
    pub every: u64,
}

impl Faults {
    /// True if an answer to this method can differ from the node's.
    pub(crate) fn touch(&self, method: &str) -> bool {
        if self.behind > 0
            || of(&self.limited, method).is_some()
            || of(&self.slow, method).is_some()
            || of(&self.lost_answers, method).is_some()
        {
            return true;
        }
        match method {
            "eth_getLogs" => self.hidden_logs || self.truncated_logs || self.max_range.is_some(),
            "eth_getTransactionReceipt" => self.null_receipts || self.stale_receipts,
            "eth_getTransactionCount" => self.count_offset != 0,
            "eth_call" => self.wrong_words,
            "eth_getBlockByNumber" => self.base_fee.is_some() || self.future_seconds > 0,
            "eth_getBlockByHash" | "eth_feeHistory" | "eth_gasPrice" => self.base_fee.is_some(),
            _ => false,
        }
    }
}

/// The entry of a method with its key. A method without one gets the entry of all methods.
pub(crate) fn of<'a, T>(map: &'a BTreeMap<String, T>, method: &str) -> Option<(&'a str, &'a T)> {
    map.get_key_value(method)
        .or_else(|| map.get_key_value(ALL))
        .map(|(key, entry)| (key.as_str(), entry))
}
