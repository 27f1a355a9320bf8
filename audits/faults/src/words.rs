//! Error texts of real nodes and vendors.

use axum::http::StatusCode;

/// An error in the words of a real node or vendor.
///
/// Each one is documented with its JSON-RPC code, its text, and the HTTP status where that is not 200.
/// A client that reads JSON-RPC errors only from successful HTTP answers never sees the text of those.
/// The numbers in a text are those of the refused request and of the limit that the proxy was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Alchemy, HTTP 400, -32600: `You can make eth_getLogs requests with up to a 500 block range. Based on your
    /// parameters, this block range should work: [0x1, 0x1f4]`.
    AlchemyRange,
    /// Alchemy, -32602: `Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range ...`.
    AlchemySize,
    /// Infura, -32602: `range 1000000 exceeds limit of 10000`.
    InfuraRange,
    /// Infura, -32005: `query returned more than 10000 results`. Its rate limits have the same code.
    InfuraResults,
    /// QuickNode, HTTP 413, -32614: `eth_getLogs is limited to a 10,000 range`.
    QuickNodeRange,
    /// Ankr, -32600: `block range is too wide`.
    AnkrRange,
    /// dRPC without a paid plan, HTTP 400, code 35: `ranges over 10000 blocks are not supported on freetier`.
    DrpcRange,
    /// PublicNode, -32701: `exceed maximum block range: 50000`.
    PublicNodeRange,
    /// Chains of the Cosmos SDK (Ethermint), -32000: `maximum [from, to] blocks distance: 10000`.
    EthermintRange,
    /// Reth, -32602: `query exceeds max block range 100000`.
    RethRange,
    /// Reth, and vendors that run it, -32602: `query exceeds max results 20000, retry with the range 1-500`.
    RethResults,
    /// Geth that took too long, -32002: `request timed out`.
    RequestTimedOut,
    /// dRPC without a paid plan, HTTP 408, code 30: `Request timeout on the free tier, please upgrade your tier to the
    /// paid one`.
    DrpcTimeout,
    /// A load balancer whose node took too long: HTTP 504 and a page of HTML, also for a whole batch.
    /// Code and text are those of the page: 504, `504 Gateway Time-out`.
    GatewayTimeout,
    /// Geth that holds the transaction in its pool, -32000: `already known`.
    AlreadyKnown,
    /// Besu that holds the transaction in its pool, -32000: `Known transaction`.
    KnownTransaction,
    /// Geth, -32000: `nonce too low`.
    NonceTooLow,
    /// Any vendor, -32603: `Internal error`.
    InternalError,
    /// Geth behind a load balancer that asks a node which lags, -32000: `header not found`.
    HeaderNotFound,
}

/// The numbers that a refusal of a range can mention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    /// The first block that was asked for.
    pub(crate) from: u64,
    /// The last block that was asked for.
    pub(crate) to: u64,
    /// How many blocks are permitted.
    pub(crate) limit: u64,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            from: 1,
            to: 1_000_000,
            limit: 10_000,
        }
    }
}

impl Range {
    /// The last block of the range that a vendor recommends.
    fn works_until(self) -> u64 {
        self.from
            .saturating_add(self.limit.saturating_sub(1))
            .min(self.to)
    }
}

impl Words {
    /// How nodes and vendors refuse a wide range of blocks.
    pub const RANGES: &[Self] = &[
        Self::AlchemyRange,
        Self::AlchemySize,
        Self::InfuraRange,
        Self::InfuraResults,
        Self::QuickNodeRange,
        Self::AnkrRange,
        Self::DrpcRange,
        Self::PublicNodeRange,
        Self::EthermintRange,
        Self::RethRange,
        Self::RethResults,
        Self::RequestTimedOut,
        Self::DrpcTimeout,
        Self::GatewayTimeout,
    ];
    /// What is answered although the node has taken a transaction.
    pub const LOST: &[Self] = &[
        Self::RequestTimedOut,
        Self::DrpcTimeout,
        Self::GatewayTimeout,
        Self::AlreadyKnown,
        Self::KnownTransaction,
        Self::NonceTooLow,
        Self::InternalError,
        Self::HeaderNotFound,
    ];

    /// Returns the error's code in JSON-RPC.
    pub fn code(self) -> i64 {
        match self {
            Self::AlchemyRange | Self::AnkrRange => -32600,
            Self::AlchemySize | Self::InfuraRange | Self::RethRange | Self::RethResults => -32602,
            Self::InfuraResults => -32005,
            Self::QuickNodeRange => -32614,
            Self::DrpcRange => 35,
            Self::PublicNodeRange => -32701,
            Self::RequestTimedOut => -32002,
            Self::DrpcTimeout => 30,
            Self::GatewayTimeout => 504,
            Self::InternalError => -32603,
            Self::EthermintRange
            | Self::AlreadyKnown
            | Self::KnownTransaction
            | Self::NonceTooLow
            | Self::HeaderNotFound => -32000,
        }
    }

    /// Returns the error's text, for a request of blocks 1 to 1,000,000 where 10,000 are permitted.
    pub fn message(self) -> String {
        self.message_for(Range::default())
    }

    /// The HTTP status of the answer to a single call.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::AlchemyRange | Self::DrpcRange => StatusCode::BAD_REQUEST,
            Self::QuickNodeRange => StatusCode::PAYLOAD_TOO_LARGE,
            Self::DrpcTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::OK,
        }
    }

    /// The error's text, with the numbers of a range.
    pub(crate) fn message_for(self, range: Range) -> String {
        let Range { from, to, limit } = range;
        let until = range.works_until();
        match self {
            Self::AlchemyRange => format!(
                "You can make eth_getLogs requests with up to a {limit} block range. Based on your parameters, this block \
                 range should work: [{from:#x}, {until:#x}]"
            ),
            Self::AlchemySize => format!(
                "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on \
                 the response size, or you can request any block range with a cap of 10K logs in the response. Based on \
                 your parameters and the response size limit, this block range should work: [{from:#x}, {until:#x}]"
            ),
            Self::InfuraRange => format!(
                "range {} exceeds limit of {limit}",
                to.saturating_sub(from).saturating_add(1)
            ),
            Self::InfuraResults => "query returned more than 10000 results".into(),
            Self::QuickNodeRange => {
                format!("eth_getLogs is limited to a {} range", with_commas(limit))
            }
            Self::AnkrRange => "block range is too wide".into(),
            Self::DrpcRange => {
                format!("ranges over {limit} blocks are not supported on freetier")
            }
            Self::PublicNodeRange => format!("exceed maximum block range: {limit}"),
            Self::EthermintRange => format!("maximum [from, to] blocks distance: {limit}"),
            Self::RethRange => format!("query exceeds max block range {limit}"),
            Self::RethResults => {
                format!("query exceeds max results 20000, retry with the range {from}-{until}")
            }
            Self::RequestTimedOut => "request timed out".into(),
            Self::DrpcTimeout => {
                "Request timeout on the free tier, please upgrade your tier to the paid one".into()
            }
            Self::GatewayTimeout => "504 Gateway Time-out".into(),
            Self::AlreadyKnown => "already known".into(),
            Self::KnownTransaction => "Known transaction".into(),
            Self::NonceTooLow => "nonce too low".into(),
            Self::InternalError => "Internal error".into(),
            Self::HeaderNotFound => "header not found".into(),
        }
    }
}

/// A number with a comma before each three digits, as QuickNode writes it.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}
