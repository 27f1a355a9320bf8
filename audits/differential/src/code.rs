//! The code under test, and where it runs.

use std::rc::Rc;

use alloy_primitives::hex;

use crate::evm::Revm;
use crate::target::Venue;

/// The token's creation code, and the market in each place where it is to run.
#[derive(Clone, Debug)]
pub struct Code {
    /// The token's.
    pub token: Vec<u8>,
    /// Where the market runs.
    pub venues: Vec<Rc<dyn Venue>>,
}

impl Code {
    /// The Solidity market in revm.
    pub fn in_revm() -> Self {
        Self {
            token: token(),
            venues: vec![Rc::new(Revm(solidity()))],
        }
    }

    /// In this place, too.
    pub fn and(mut self, venue: impl Venue + 'static) -> Self {
        self.venues.push(Rc::new(venue));
        self
    }
}

/// Creation code of the Solidity market: that of `contracts/abi`, or of the artifact that `PIECEWORK_MARKET_ARTIFACT` names.
pub fn solidity() -> Vec<u8> {
    match std::env::var("PIECEWORK_MARKET_ARTIFACT") {
        Ok(path) => bytecode(&std::fs::read_to_string(path).expect("an artifact")),
        Err(_) => bytecode(include_str!("../../../contracts/abi/Market.json")),
    }
}

/// Creation code of `DevToken`.
pub fn token() -> Vec<u8> {
    bytecode(include_str!("../../../contracts/abi/DevToken.json"))
}

/// Creation code of `BlockBeacon`, without the constructor's arguments.
pub fn block_beacon() -> Vec<u8> {
    bytecode(include_str!("../../../contracts/abi/BlockBeacon.json"))
}

/// The creation code in an artifact: `bytecode` as in `contracts/abi`, or `bytecode.object` as forge writes it.
fn bytecode(artifact: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(artifact).expect("an artifact");
    let code = json["bytecode"]
        .as_str()
        .or(json["bytecode"]["object"].as_str())
        .expect("bytecode");
    hex::decode(code).expect("hexadecimal")
}

/// A number from the environment, 1 if it is not set.
pub fn setting(name: &str) -> u64 {
    std::env::var(name).map_or(1, |text| text.parse().expect("a number"))
}
