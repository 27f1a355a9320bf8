//! The chain as a predicted call sees it: the block that is expected, and nothing that other contracts would say.

use alloy::primitives::{B256, Signature, U256, keccak256};
use piecework_protocol::types::{Address, Bytes32};
use piecework_protocol::{Answer, Event, Host, Permit, Question, TokenError};

use super::records::{Key, Needs, Records, Value};
use crate::chain::MarketEvent;

/// The chain for one call.
#[derive(Debug)]
pub(super) struct Ahead<'a> {
    pub(super) caller: Address,
    pub(super) market: Address,
    pub(super) chain_id: U256,
    /// Time of the expected block.
    pub(super) time: u64,
    /// Its number.
    pub(super) number: u64,
    pub(super) read: &'a Records,
    pub(super) needs: &'a Needs,
    /// What the call told the world.
    pub(super) events: Vec<MarketEvent>,
}

impl Ahead<'_> {
    fn unknown(&self) {
        self.needs.get().unknown = true;
    }
}

impl Host for Ahead<'_> {
    fn caller(&self) -> Address {
        self.caller
    }
    fn this(&self) -> Address {
        self.market
    }
    fn chain_id(&self) -> U256 {
        self.chain_id
    }
    fn now(&self) -> u64 {
        self.time
    }
    fn block_number(&self) -> u64 {
        self.number
    }
    // A seed is nobody's to know before its block: what is made of these two is not told.
    fn block_hash(&self, _: u64) -> Bytes32 {
        [0; 32]
    }
    fn prevrandao(&self) -> Bytes32 {
        [0; 32]
    }

    fn keccak256(&self, bytes: &[u8]) -> Bytes32 {
        let hash = keccak256(bytes).0;
        if let (words, []) = bytes.as_chunks::<32>()
            && let Ok(words) = <[Bytes32; 4]>::try_from(words)
        {
            self.needs.get().preimages.insert(hash, words);
        }
        hash
    }
    fn recover(&self, digest: &Bytes32, v: u8, r: &Bytes32, s: &Bytes32) -> Option<Address> {
        let signature = Signature::from_scalars_and_parity(B256::from(*r), B256::from(*s), v == 28);
        let signer = signature.recover_address_from_prehash(&B256::from(*digest));
        signer.ok().map(|signer| signer.into_array())
    }
    fn has_code(&self, account: &Address) -> bool {
        match self.read.get(&Key::Code(*account)) {
            Some(Value::Flag(has)) => *has,
            _ => {
                self.needs.get().missing.insert(Key::Code(*account));
                false
            }
        }
    }
    fn erc1271(&self, _: &Address, _: &Bytes32, _: &[u8]) -> bool {
        self.unknown();
        true
    }
    fn verify(&self, _: &Address, _: u64, _: &Question<'_>) -> Answer {
        self.unknown();
        Answer::Yes
    }

    fn token_balance(&self) -> U256 {
        self.unknown();
        U256::ZERO
    }
    fn token_permit(&mut self, _: u128, _: &Permit) {
        self.unknown();
    }
    fn token_pull(&mut self, _: u128) -> Result<(), TokenError> {
        self.unknown();
        Ok(())
    }
    fn token_push(&mut self, _: &Address, _: u128) -> Result<(), TokenError> {
        self.unknown();
        Ok(())
    }

    fn emit(&mut self, event: &Event<'_>) {
        // Its seed would be a wrong one.
        if matches!(event, Event::Sealed { .. } | Event::JurySealed { .. }) {
            return;
        }
        let (mut topics, mut data) = (Vec::new(), Vec::new());
        event.topics(&mut |word| topics.push(B256::try_from(word).unwrap_or_default()));
        event.data(&mut |bytes| data.extend_from_slice(bytes));
        match <MarketEvent as alloy::sol_types::SolEventInterface>::decode_raw_log(&topics, &data) {
            Ok(event) => self.events.push(event),
            Err(error) => {
                tracing::warn!(%error, event = event.name(), "an event of the specification that the bindings do not know")
            }
        }
    }
}
