//! Ethereum's JSON-RPC, as far as a wallet, the SDK and the executor need it.

use alloy_primitives::hex;
use pallet_revive::evm::{Bloom, BloomInput, Bytes, GenericTransaction, StateOverride};
use pallet_revive::pallet_revive_types::runtime_api::{
    GenericTransactionV1, HashesOrTransactionInfosV1, TransactionInfoV1,
};
use pallet_revive::state_overrides::apply_state_overrides;
use pallet_revive::{H160, H256, U256};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::RpcError;
use super::chain::{Chain, Done, Log, Mined};
use super::filter::Filter;
use crate::runtime::{ChainId, Revive, Runtime};

/// Blocks that can be mined with one request, or looked at for fees.
const MOST_BLOCKS: u64 = 10_000;
const MOST_FEES: u64 = 1_024;

/// The parameters of a request.
struct Params<'a>(&'a [Value]);

impl Params<'_> {
    fn get(&self, place: usize) -> Option<&Value> {
        self.0.get(place).filter(|value| !value.is_null())
    }

    /// One that must be there.
    fn need<T: DeserializeOwned>(&self, place: usize, what: &str) -> Result<T, RpcError> {
        let value = self.get(place).ok_or_else(|| {
            RpcError::invalid(format!("parameter {} is missing: {what}", place + 1))
        })?;
        serde_json::from_value(value.clone()).map_err(|error| {
            RpcError::invalid(format!("parameter {} is not {what}: {error}", place + 1))
        })
    }

    /// A number, as `0x2a` or as 42.
    fn quantity(&self, place: usize, what: &str) -> Result<u64, RpcError> {
        let value = self.need::<Value>(place, what)?;
        quantity(&value).ok_or_else(|| {
            RpcError::invalid(format!("parameter {} is not {what}: {value}", place + 1))
        })
    }

    /// After which block the state is asked for; `None`: as the next block would find it.
    fn state(&self, place: usize, chain: &Chain) -> Result<Option<u64>, RpcError> {
        let Some(tag) = self.get(place) else {
            return Ok(None);
        };
        let named = tag.get("blockHash").or(tag.get("blockNumber"));
        let named = named.unwrap_or(tag);
        let found = block(chain, named)?.and_then(|mined| u64::try_from(mined.block.number).ok());
        let found = found.ok_or_else(|| RpcError::invalid(format!("there is no block {tag}")))?;
        let coming = matches!(
            named.as_str(),
            Some("latest" | "pending" | "safe" | "finalized")
        );
        Ok((!coming).then_some(found))
    }
}

fn quantity(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    }
}

/// The number of a block that is named by a number or a tag. `pending` is the last one here.
pub(super) fn number(chain: &Chain, tag: &Value) -> Result<u64, RpcError> {
    match tag.as_str() {
        Some("latest" | "pending" | "safe" | "finalized") => Ok(chain.number()),
        Some("earliest") => Ok(0),
        _ => quantity(tag).ok_or_else(|| {
            RpcError::invalid(format!(
                "{tag} names no block: neither a number nor latest, pending, safe, finalized or earliest"
            ))
        }),
    }
}

/// The block that is named by a number, a tag or a hash, if there is one.
fn block<'a>(chain: &'a Chain, tag: &Value) -> Result<Option<&'a Mined>, RpcError> {
    if let Some(text) = tag.as_str()
        && text.len() == 66
    {
        let hash = serde_json::from_value::<H256>(tag.clone());
        let hash = hash.map_err(|error| RpcError::invalid(format!("{tag}: {error}")))?;
        return Ok(chain.block_of(&hash));
    }
    Ok(chain.block(number(chain, tag)?))
}

fn block_json(mined: &Mined, full: bool) -> Result<Value, RpcError> {
    let mut block = mined.block.clone();
    if full {
        let infos = mined.done.iter().map(|done| done.info.clone());
        block.transactions = HashesOrTransactionInfosV1::TransactionInfos(infos.collect());
    }
    to_json(&block)
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::refused(error.to_string()))
}

fn log_json(mined: &Mined, done: &Done, index: usize, log: &Log) -> Value {
    json!({
        "address": log.address,
        "topics": log.topics,
        "data": hex::encode_prefixed(&log.data),
        "blockHash": mined.block.hash,
        "blockNumber": mined.block.number,
        "blockTimestamp": mined.block.timestamp,
        "transactionHash": done.info.hash,
        "transactionIndex": done.info.transaction_index,
        "logIndex": U256::from(index),
        "removed": false,
    })
}

/// How many logs the block has before a transaction's.
fn logs_before(mined: &Mined, place: usize) -> usize {
    mined
        .done
        .iter()
        .take(place)
        .map(|done| done.logs.len())
        .sum()
}

fn receipt_json(mined: &Mined, place: usize) -> Option<Value> {
    let done = mined.done.get(place)?;
    let mut bloom = Bloom::zero();
    for log in &done.logs {
        bloom.accrue(BloomInput::Raw(log.address.as_bytes()));
        for topic in &log.topics {
            bloom.accrue(BloomInput::Raw(topic.as_bytes()));
        }
    }
    let first = logs_before(mined, place);
    let logs = done.logs.iter().enumerate();
    let logs: Vec<Value> = logs
        .map(|(index, log)| log_json(mined, done, first + index, log))
        .collect();
    let used = mined.done.iter().take(place + 1);
    Some(json!({
        "transactionHash": done.info.hash,
        "transactionIndex": done.info.transaction_index,
        "blockHash": mined.block.hash,
        "blockNumber": mined.block.number,
        "from": done.from,
        "to": done.to,
        "contractAddress": done.created,
        "cumulativeGasUsed": used.fold(U256::zero(), |sum, done| sum + done.gas_used),
        "gasUsed": done.gas_used,
        "effectiveGasPrice": done.gas_price,
        "logs": logs,
        "logsBloom": bloom,
        "status": U256::from(u8::from(done.failure.is_none())),
        "failure": done.failure,
        "type": U256::from(done.kind),
    }))
}

/// The call that is asked for, without what only a transaction needs.
fn call(params: &Params<'_>) -> Result<GenericTransaction, RpcError> {
    let what = "a call: an object with to, from, data or input, value";
    Ok(params.need::<GenericTransactionV1>(0, what)?.into())
}

/// Answers a request.
///
/// # Errors
/// See [`RpcError`].
#[allow(clippy::too_many_lines)] // a list of methods
pub fn answer(chain: &mut Chain, method: &str, params: &Value) -> Result<Value, RpcError> {
    let none = Vec::new();
    let params = match params {
        Value::Array(list) => Params(list),
        Value::Null => Params(&none),
        _ => return Err(RpcError::invalid("the parameters are not a list")),
    };
    let address = |params: &Params<'_>| params.need::<H160>(0, "an address");
    match method {
        "eth_chainId" => to_json(&U256::from(chain.read(None, ChainId::get)?)),
        "net_version" => Ok(chain.read(None, ChainId::get)?.to_string().into()),
        "web3_clientVersion" => Ok(concat!(
            "piecework-revive-node/",
            env!("CARGO_PKG_VERSION"),
            "/pallet-revive-0.20.2"
        )
        .into()),
        "eth_syncing" => Ok(false.into()),
        "eth_accounts" => Ok(json!([])), // it has no keys
        "eth_blockNumber" => to_json(&U256::from(chain.number())),
        "eth_gasPrice" => to_json(&chain.read(None, Revive::evm_base_fee)?),
        // There are no tips in pallet-revive.
        "eth_maxPriorityFeePerGas" => Ok("0x0".into()),
        "eth_feeHistory" => fee_history(chain, &params),

        // blocks and transactions
        "eth_getBlockByNumber" | "eth_getBlockByHash" => {
            let tag: Value = params.need(0, "a block")?;
            if tag == "pending" {
                return to_json(&chain.pending());
            }
            let full = params.get(1).and_then(Value::as_bool).unwrap_or(false);
            block(chain, &tag)?.map_or(Ok(Value::Null), |mined| block_json(mined, full))
        }
        "eth_getTransactionByHash" => {
            let hash: H256 = params.need(0, "a transaction's hash")?;
            if let Some((mined, place)) = chain.transaction(&hash) {
                return mined
                    .done
                    .get(place)
                    .map_or(Ok(Value::Null), |done| to_json(&done.info));
            }
            chain.waiting(&hash).map_or(Ok(Value::Null), waiting_json)
        }
        "eth_getTransactionReceipt" => {
            let hash: H256 = params.need(0, "a transaction's hash")?;
            let receipt = chain.transaction(&hash);
            Ok(receipt
                .and_then(|(mined, place)| receipt_json(mined, place))
                .unwrap_or(Value::Null))
        }
        "eth_getBlockReceipts" => {
            let mined = block(chain, &params.need(0, "a block")?)?;
            Ok(mined.map_or(Value::Null, |mined| {
                (0..mined.done.len())
                    .filter_map(|place| receipt_json(mined, place))
                    .collect()
            }))
        }
        "eth_getLogs" => {
            let filter: Filter = params.need(0, "a filter")?;
            let mut found = Vec::new();
            for mined in filter.blocks(chain)? {
                for (place, done) in mined.done.iter().enumerate() {
                    let first = logs_before(mined, place);
                    for (index, log) in done.logs.iter().enumerate() {
                        if filter.wants(log) {
                            found.push(log_json(mined, done, first + index, log));
                        }
                    }
                }
            }
            Ok(found.into())
        }

        // the state
        "eth_getBalance" => {
            let address = address(&params)?;
            let at = params.state(1, chain)?;
            to_json(&chain.read(at, || Revive::evm_balance(&address))?)
        }
        "eth_getCode" => {
            let address = address(&params)?;
            let at = params.state(1, chain)?;
            Ok(hex::encode_prefixed(chain.read(at, || Revive::code(&address))?).into())
        }
        "eth_getStorageAt" => {
            let address = address(&params)?;
            let slot: U256 = params.need(1, "a slot")?;
            let at = params.state(2, chain)?;
            let word = chain.read(at, || Revive::get_storage(address, slot.to_big_endian()))?;
            let word = word.ok().flatten().unwrap_or_else(|| vec![0; 32]);
            Ok(hex::encode_prefixed(word).into())
        }
        "eth_getTransactionCount" => {
            let address = address(&params)?;
            let pending = params.get(1).is_some_and(|tag| tag == "pending");
            let at = params.state(1, chain)?;
            let nonce = match at {
                Some(_) => chain.read(at, || Revive::evm_nonce(&address))?,
                None => chain.nonce(address, pending),
            };
            to_json(&U256::from(nonce))
        }
        "eth_call" => {
            let call = call(&params)?;
            let at = params.state(1, chain)?;
            let done =
                chain.read(at, || Revive::dry_run_eth_transact(call, None, false, None))??;
            Ok(hex::encode_prefixed(done.data).into())
        }
        "eth_estimateGas" => {
            let call = call(&params)?;
            let at = params.state(1, chain)?;
            to_json(&chain.read(at, || Revive::eth_estimate_gas(call, None, None))??)
        }
        "eth_sendRawTransaction" => {
            let payload: Bytes = params.need(0, "a signed transaction")?;
            to_json(&chain.send(payload.0)?)
        }

        // what only a dev node can do
        "evm_mine" => {
            chain.mine()?;
            Ok("0x0".into())
        }
        "anvil_mine" | "hardhat_mine" => {
            let count = params
                .get(0)
                .map_or(Ok(1), |_| params.quantity(0, "a number of blocks"))?;
            let apart = params
                .get(1)
                .map_or(Ok(0), |_| params.quantity(1, "seconds"))?;
            if count > MOST_BLOCKS {
                return Err(RpcError::invalid(format!(
                    "{MOST_BLOCKS} blocks at once at most"
                )));
            }
            for number in 0..count {
                if number > 0 {
                    chain.pass(apart);
                }
                chain.mine()?;
            }
            Ok(Value::Null)
        }
        "evm_increaseTime" | "anvil_increaseTime" => {
            Ok(chain.pass(params.quantity(0, "seconds")?).into())
        }
        "evm_setNextBlockTimestamp" | "anvil_setNextBlockTimestamp" => {
            chain.set_next_time(params.quantity(0, "a time in seconds")?)?;
            Ok(Value::Null)
        }
        "evm_setAutomine" | "anvil_setAutoMine" | "anvil_setAutomine" => {
            chain.set_automine(params.need(0, "true or false")?)?;
            Ok(Value::Null)
        }
        "anvil_dropAllTransactions" => {
            chain.drop_waiting();
            Ok(Value::Null)
        }
        "anvil_setBalance" | "hardhat_setBalance" => {
            let (address, wei) = (
                address(&params)?,
                params.need::<U256>(1, "an amount of wei")?,
            );
            let set = chain.write(|| Revive::set_evm_balance(&address, wei))?;
            set.map_err(|_| RpcError::invalid("the chain has no balance that high"))?;
            Ok(Value::Null)
        }
        "anvil_setCode" | "hardhat_setCode" => {
            let (address, code) = (address(&params)?, params.need::<Bytes>(1, "code")?);
            let code = StateOverride {
                code: Some(code),
                ..Default::default()
            };
            let codes = [(address, code)].into_iter().collect();
            let codes = pallet_revive::evm::StateOverrideSet(codes);
            chain.write(|| apply_state_overrides::<Runtime>(codes))??;
            Ok(Value::Null)
        }
        _ => Err(RpcError::no_such_method(method)),
    }
}

fn waiting_json(waiting: &super::chain::Waiting) -> Result<Value, RpcError> {
    let from = waiting.signed.recover_eth_address();
    let mut info = to_json(&TransactionInfoV1 {
        hash: waiting.hash,
        from: from.unwrap_or_default(),
        transaction_signed: waiting.signed.clone().into(),
        ..Default::default()
    })?;
    if let Some(fields) = info.as_object_mut() {
        for name in ["blockHash", "blockNumber", "transactionIndex"] {
            fields.insert(name.into(), Value::Null);
        }
    }
    Ok(info)
}

/// Every block has the same fee, and nobody tips.
fn fee_history(chain: &mut Chain, params: &Params<'_>) -> Result<Value, RpcError> {
    let newest = match params.get(1) {
        Some(tag) => number(chain, tag)?.min(chain.number()),
        None => chain.number(),
    };
    let count = params.quantity(0, "a number of blocks")?;
    let count = count.min(newest + 1).min(MOST_FEES);
    let percentiles = params.get(2).and_then(Value::as_array).map_or(0, Vec::len);
    let fee = chain.read(None, Revive::evm_base_fee)?;
    let blocks = usize::try_from(count).unwrap_or_default();
    Ok(json!({
        "oldestBlock": U256::from(newest + 1 - count),
        "baseFeePerGas": vec![fee; blocks + 1],
        "gasUsedRatio": vec![0.0; blocks],
        "reward": vec![vec![U256::zero(); percentiles.min(100)]; blocks],
    }))
}
