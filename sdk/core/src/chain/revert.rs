//! Why a contract refused, in words.

use alloy_primitives::{Bytes, hex};
use alloy_sol_types::{Panic, Revert as StringRevert, SolError, SolInterface};

use super::BlockBeacon::BlockBeaconErrors;
use super::DrandBeacon::DrandBeaconErrors;
use super::bindings::LibraryErrors::LibraryErrorsErrors;
use super::{IMarket, meanings};

/// A contract's refusal. What a call that reverts has changed: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// Name of the Solidity error, `Error` for a plain string, `Panic`, or `unknown`.
    pub name: &'static str,
    /// Its arguments, as text.
    pub args: String,
    /// One sentence: what it means for the caller's money, and what to do.
    pub meaning: &'static str,
    /// The market's error itself, to match on; none when another contract refused.
    pub market: Option<Box<IMarket::IMarketErrors>>,
    /// The raw revert data.
    pub data: Bytes,
}

impl Revert {
    /// A refusal of which only a text is known.
    pub fn plain(reason: &str) -> Self {
        Self {
            name: "Error",
            args: format!("{reason:?}"),
            meaning: meanings::PLAIN,
            market: None,
            data: Bytes::new(),
        }
    }
}

impl std::fmt::Display for Revert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({}): {}", self.name, self.args, self.meaning)
    }
}

/// The contract's refusal in the data of a revert.
pub fn decode_revert(data: &Bytes) -> Revert {
    let revert = |name, args, meaning| Revert {
        name,
        args,
        meaning,
        market: None,
        data: data.clone(),
    };
    if let Ok(error) = IMarket::IMarketErrors::abi_decode(data) {
        let (name, meaning) = meanings::of_market(&error);
        let market = Some(Box::new(error.clone()));
        return Revert {
            market,
            ..revert(name, arguments(&error), meaning)
        };
    }
    if let Ok(error) = BlockBeaconErrors::abi_decode(data) {
        let (name, meaning) = meanings::of_beacon(&error);
        return revert(name, arguments(&error), meaning);
    }
    if let Ok(error) = DrandBeaconErrors::abi_decode(data) {
        let (name, meaning) = meanings::of_drand(&error);
        return revert(name, arguments(&error), meaning);
    }
    if let Ok(error) = LibraryErrorsErrors::abi_decode(data) {
        let (name, meaning) = meanings::of_library(&error);
        return revert(name, arguments(&error), meaning);
    }
    if let Ok(error) = StringRevert::abi_decode(data) {
        return revert("Error", format!("{:?}", error.reason), meanings::PLAIN);
    }
    if let Ok(error) = Panic::abi_decode(data) {
        return revert("Panic", error.to_string(), meanings::PANIC);
    }
    let shown = data.get(..68).unwrap_or(data);
    revert("unknown", hex::encode_prefixed(shown), meanings::UNKNOWN)
}

/// The arguments of a generated error: what its `Debug` shows between the inner braces.
fn arguments(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    let inner = text
        .split_once('{')
        .and_then(|(_, rest)| rest.rsplit_once('}'));
    inner.map_or_else(String::new, |(inner, _)| inner.trim().to_owned())
}
