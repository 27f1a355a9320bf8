//! Which logs `eth_getLogs` is asked for.

use pallet_revive::{H160, H256};
use serde::Deserialize;
use serde_json::Value;

use super::RpcError;
use super::chain::{Chain, Log, Mined};

/// One, several, or any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Among<T> {
    #[default]
    Any,
    One(T),
    Several(Vec<T>),
}

impl<T: PartialEq> Among<T> {
    fn has(&self, value: Option<&T>) -> bool {
        match (self, value) {
            (Self::Any, _) => true,
            (Self::One(wanted), Some(value)) => wanted == value,
            (Self::Several(wanted), Some(value)) => wanted.is_empty() || wanted.contains(value),
            (Self::One(_) | Self::Several(_), None) => false,
        }
    }
}

/// A filter as it is sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    from_block: Option<Value>,
    to_block: Option<Value>,
    block_hash: Option<H256>,
    address: Option<Among<H160>>,
    topics: Vec<Option<Among<H256>>>,
}

impl Filter {
    /// The blocks that it is about.
    pub(super) fn blocks<'a>(&self, chain: &'a Chain) -> Result<&'a [Mined], RpcError> {
        if let Some(hash) = &self.block_hash {
            return chain
                .block_of(hash)
                .map(std::slice::from_ref)
                .ok_or_else(|| RpcError::invalid(format!("no block has the hash {hash:?}")));
        }
        let number = |tag: &Option<Value>| match tag {
            Some(tag) => super::rpc::number(chain, tag),
            None => Ok(chain.number()),
        };
        let (from, to) = (number(&self.from_block)?, number(&self.to_block)?);
        if from > to {
            return Err(RpcError::invalid(format!(
                "the filter's first block, {from}, is after its last, {to}"
            )));
        }
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let to = place(to).saturating_add(1).min(chain.blocks.len());
        Ok(chain.blocks.get(place(from)..to).unwrap_or_default())
    }

    /// Whether it wants a log.
    pub(super) fn wants(&self, log: &Log) -> bool {
        let address = self
            .address
            .as_ref()
            .is_none_or(|wanted| wanted.has(Some(&log.address)));
        let mut topics = self.topics.iter().enumerate();
        address
            && topics.all(|(place, wanted)| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.has(log.topics.get(place)))
            })
    }
}
