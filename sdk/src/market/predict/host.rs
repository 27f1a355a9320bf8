//! The chain as a predicted call sees it: the block that is expected, and nothing that other contracts would say.

use alloy::primitives::{B256, Signature, U256, keccak256};
use piecework_protocol::types::{Address, Bytes32};
use piecework_protocol::{Answer, BeaconError, Event, Host, Permit, Question, TokenError};

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
    pub(super) read: &'a Records,
    pub(super) needs: &'a Needs,
    /// What the call told the world.
    pub(super) events: Vec<MarketEvent>,
}

/// Stands for a point that a call takes. Events are told without it.
const POINT: u64 = 1;

impl Ahead<'_> {
    /// A record of the chain, or of the beacon; asked for if it was not read yet.
    fn record(&self, key: Key) -> Option<&Value> {
        let value = self.read.get(&key);
        if value.is_none() {
            self.needs.get().missing.insert(key);
        }
        value
    }

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
        matches!(self.record(Key::Code(*account)), Some(Value::Flag(true)))
    }
    fn erc1271(&self, _: &Address, _: &Bytes32, _: &[u8]) -> bool {
        self.unknown();
        true
    }
    fn verify(&self, _: &Address, _: u64, _: &Question<'_>) -> Answer {
        self.unknown();
        Answer::Yes
    }

    // The point of another time is nobody's to know: what is made of it is not told.
    fn beacon_point(&self, _: Option<u64>) -> Result<u64, BeaconError> {
        Ok(POINT)
    }
    fn beacon_time_of(&self, point: u64, _: Option<u64>) -> Result<u64, BeaconError> {
        Ok(match self.record(Key::PointTime(point)) {
            Some(Value::Time(time)) => *time,
            _ => 0,
        })
    }
    fn beacon_seed(&self, point: u64, _: Option<u64>) -> Result<Bytes32, BeaconError> {
        Ok(match self.record(Key::Seed(point)) {
            Some(Value::Word(seed)) => *seed,
            _ => [0; 32],
        })
    }
    fn beacon_is_dead(&self, point: u64, _: Option<u64>) -> Result<bool, BeaconError> {
        Ok(matches!(
            self.record(Key::Dead(point)),
            Some(Value::Flag(true))
        ))
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
        let (mut topics, mut data) = (Vec::new(), Vec::new());
        event.topics(&mut |word| topics.push(B256::try_from(word).unwrap_or_default()));
        event.data(&mut |bytes| data.extend_from_slice(bytes));
        match <MarketEvent as alloy::sol_types::SolEventInterface>::decode_raw_log(&topics, &data) {
            Ok(event) => self.events.push(without_point(event)),
            Err(error) => {
                tracing::warn!(%error, event = event.name(), "an event of the specification that the bindings do not know")
            }
        }
    }
}

/// The event as it can be told before: a point is known once its block is.
fn without_point(mut event: MarketEvent) -> MarketEvent {
    match &mut event {
        MarketEvent::Posted(event) => event.point = 0,
        MarketEvent::Submitted(event) => event.point = 0,
        MarketEvent::PointSet(event) => event.point = 0,
        _ => {}
    }
    event
}
