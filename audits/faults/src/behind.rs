//! A node that lags: its newest block, the view, is older than the chain's.

use serde_json::{Value, json};

use crate::node::{hex, number};

/// What a node that lags answers without looking further.
pub(crate) enum Early {
    /// A result.
    Result(Value),
    /// There is no such block.
    NoHeader,
}

/// Rewrites a call's parameters: no block above the view remains in them.
/// Returns the answer, if the call asks for nothing that the node has.
pub(crate) fn rewrite(method: &str, params: &mut Value, view: u64) -> Option<Early> {
    if method == "eth_getLogs" {
        return params
            .get_mut(0)
            .and_then(|filter| rewrite_filter(filter, view));
    }
    let index = block_parameter(method)?;
    if params.is_null() {
        *params = json!([]);
    }
    let params = params.as_array_mut()?;
    if params.len() == index {
        params.push(Value::Null);
    }
    let asked = params.get_mut(index)?;
    if is_newest(asked) {
        *asked = hex(view);
    }
    let block = number(asked).or_else(|| number(asked.get("blockNumber")?))?;
    if block <= view {
        return None;
    }
    Some(match method {
        "eth_getBlockByNumber"
        | "eth_getBlockReceipts"
        | "eth_getBlockTransactionCountByNumber"
        | "eth_getTransactionByBlockNumberAndIndex" => Early::Result(Value::Null),
        _ => Early::NoHeader,
    })
}

/// Takes everything above the view out of an answer.
pub(crate) fn hide(method: &str, result: &mut Value, view: u64) {
    let above = |value: &Value, field: &str| {
        let block = value.get(field).and_then(number);
        block.is_some_and(|block| block > view)
    };
    match method {
        "eth_blockNumber" => *result = hex(view),
        "eth_getLogs" => {
            if let Some(logs) = result.as_array_mut() {
                logs.retain(|log| !above(log, "blockNumber"));
            }
        }
        "eth_getTransactionByHash" if above(result, "blockNumber") => {
            for field in ["blockHash", "blockNumber", "transactionIndex"] {
                if let Some(place) = result.get_mut(field) {
                    *place = Value::Null;
                }
            }
        }
        "eth_getTransactionReceipt" if above(result, "blockNumber") => *result = Value::Null,
        "eth_getBlockByNumber" | "eth_getBlockByHash" if above(result, "number") => {
            *result = Value::Null;
        }
        "eth_getBlockReceipts"
            if result
                .get(0)
                .is_some_and(|first| above(first, "blockNumber")) =>
        {
            *result = Value::Null;
        }
        _ => {}
    }
}

/// The first and the last block of a filter of logs. A filter by block hash has no range.
pub(crate) fn range(params: &Value, newest: u64) -> Option<(u64, u64)> {
    let filter = params.get(0)?;
    if filter.get("blockHash").is_some_and(|hash| !hash.is_null()) {
        return None;
    }
    let side = |field: &str| match filter.get(field) {
        Some(Value::String(tag)) if tag == "earliest" => 0,
        Some(value) => number(value).unwrap_or(newest),
        None => newest,
    };
    Some((side("fromBlock"), side("toBlock")))
}

fn rewrite_filter(filter: &mut Value, view: u64) -> Option<Early> {
    let filter = filter.as_object_mut()?;
    if filter.get("blockHash").is_some_and(|hash| !hash.is_null()) {
        return None;
    }
    for field in ["fromBlock", "toBlock"] {
        let asked = filter.entry(field).or_insert(Value::Null);
        if is_newest(asked) {
            *asked = hex(view);
        }
    }
    let side = |field: &str| filter.get(field).and_then(number);
    if side("fromBlock").is_some_and(|from| from > view) {
        return Some(Early::Result(json!([])));
    }
    if side("toBlock").is_some_and(|to| to > view) {
        filter.insert("toBlock".into(), hex(view));
    }
    None
}

/// True if a parameter means the newest block that the node has.
fn is_newest(asked: &Value) -> bool {
    asked.is_null() || matches!(asked.as_str(), Some("latest" | "pending" | "safe"))
}

/// The place of the block in a method's parameters.
fn block_parameter(method: &str) -> Option<usize> {
    Some(match method {
        "eth_getBlockByNumber"
        | "eth_getBlockReceipts"
        | "eth_getBlockTransactionCountByNumber"
        | "eth_getTransactionByBlockNumberAndIndex" => 0,
        "eth_call"
        | "eth_estimateGas"
        | "eth_createAccessList"
        | "eth_feeHistory"
        | "eth_getBalance"
        | "eth_getCode"
        | "eth_getTransactionCount" => 1,
        "eth_getProof" | "eth_getStorageAt" => 2,
        _ => return None,
    })
}
