//! What happened on the chain, read back from the chain.

use alloy::consensus::Transaction as _;
use alloy::network::TransactionResponse as _;
use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::{BlockNumberOrTag, Log};
use piecework::chain::{BlockBeacon, DevToken, EventAt, IERC20, IMarket, decode_event};
use serde::Serialize;

use crate::fail::Failure;

/// A transaction that was mined.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tx {
    pub(crate) from: Address,
    /// The function that was called, or `deploy`.
    pub(crate) kind: String,
    pub(crate) gas: u64,
    pub(crate) ok: bool,
}

/// An event, and when.
pub(crate) struct Event {
    /// The block's time, in Unix seconds.
    pub(crate) time: u64,
    pub(crate) at: EventAt,
}

/// Every transaction, and every event of the market, in order.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) txs: Vec<Tx>,
    pub(crate) events: Vec<Event>,
    /// The last block.
    pub(crate) head: u64,
}

impl Record {
    /// Reads the whole chain; for a devnet, whose chain is short.
    pub(crate) async fn read(provider: &DynProvider, market: Address) -> Result<Self, Failure> {
        let failed = |what: &'static str| {
            move |e: &dyn std::fmt::Display| {
                Failure::new(
                    "chain-rpc",
                    format!("reading {what} back from the chain: {e}"),
                )
            }
        };
        let head = provider.get_block_number().await;
        let mut record = Self {
            head: head.map_err(|e| failed("the head")(&e))?,
            ..Self::default()
        };
        for number in 0..=record.head {
            let tag = BlockNumberOrTag::Number(number);
            let block = provider
                .get_block(tag.into())
                .full()
                .await
                .map_err(|e| failed("a block")(&e))?;
            let receipts = provider
                .get_block_receipts(tag.into())
                .await
                .map_err(|e| failed("receipts")(&e))?
                .unwrap_or_default();
            let block = block.ok_or_else(|| failed("a block")(&"the node does not have it"))?;
            let time = block.header.timestamp;
            for (tx, receipt) in block.transactions.txns().zip(&receipts) {
                record.txs.push(Tx {
                    from: tx.from(),
                    kind: kind(tx.to().is_none(), tx.input()),
                    gas: receipt.gas_used,
                    ok: receipt.status(),
                });
                let logs: &[Log] = receipt.inner.logs();
                for log in logs.iter().filter(|log| log.address() == market) {
                    let at = decode_event(log, market).map_err(|e| failed("an event")(&e))?;
                    record.events.push(Event { time, at });
                }
            }
        }
        Ok(record)
    }
}

fn kind(creates: bool, input: &[u8]) -> String {
    if creates {
        return "deploy".to_owned();
    }
    let Some(selector) = input.get(..4).and_then(|s| <[u8; 4]>::try_from(s).ok()) else {
        return "transfer of ether".to_owned();
    };
    IMarket::IMarketCalls::name_by_selector(selector)
        .or_else(|| DevToken::DevTokenCalls::name_by_selector(selector))
        .or_else(|| BlockBeacon::BlockBeaconCalls::name_by_selector(selector))
        .or_else(|| IERC20::IERC20Calls::name_by_selector(selector))
        .map_or_else(|| alloy::hex::encode_prefixed(selector), str::to_owned)
}
