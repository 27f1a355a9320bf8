//! A market that runs somewhere: what every such place can do, so that the same calls can be made in all of them.

use std::fmt::Debug;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;

use crate::Fault;
use crate::bindings::{Constructor, DevToken};
use crate::chain::Block;

/// An answer of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it returned, or else what it reverted with.
    pub outcome: Result<Vec<u8>, Vec<u8>>,
    /// The called contract's logs: topics, data.
    pub logs: Vec<(Vec<[u8; 32]>, Vec<u8>)>,
    /// Gas used, in the units of the place.
    pub gas: u64,
}

/// What is sent to a contract.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Who sends it.
    pub caller: Address,
    /// The calldata.
    pub data: Vec<u8>,
    /// Ether that goes with it, in wei.
    pub value: u64,
    /// Whether with less gas than a verifier needs; only where [`Target::has_gas`].
    pub short: bool,
}

/// A chain with a token, a market and a few contracts.
pub trait Target: Debug {
    /// What it is, in a sentence: "the bytecode in revm".
    fn name(&self) -> &'static str;
    /// The market's address; the same in every place.
    fn market(&self) -> Address;
    /// The token's address; the same in every place.
    fn token(&self) -> Address;
    /// Whether the market refuses to ask a verifier when a call comes with too little gas for it, as on Ethereum.
    fn has_gas(&self) -> bool;
    /// Sends to any contract. A call that fails changes nothing, and one that is not to be kept neither. `Err`: it
    /// neither returned nor reverted.
    fn send(
        &mut self,
        to: Address,
        message: Message,
        block: &Block,
        keep: bool,
    ) -> Result<Answer, Fault>;

    /// Calls the market.
    fn call(&mut self, message: Message, block: &Block) -> Result<Answer, Fault> {
        let market = self.market();
        self.send(market, message, block, true)
    }

    /// Reads from the market.
    fn view(&mut self, data: Vec<u8>, block: &Block) -> Result<Result<Vec<u8>, Vec<u8>>, Fault> {
        let (market, message) = (
            self.market(),
            Message {
                data,
                ..Message::default()
            },
        );
        Ok(self.send(market, message, block, false)?.outcome)
    }

    /// Calls the token.
    fn token_call(
        &mut self,
        caller: Address,
        data: Vec<u8>,
        block: &Block,
    ) -> Result<Answer, Fault> {
        let (token, message) = (
            self.token(),
            Message {
                caller,
                data,
                ..Message::default()
            },
        );
        self.send(token, message, block, true)
    }

    /// An account's tokens.
    fn token_balance(&mut self, account: Address, block: &Block) -> Result<U256, Fault> {
        let data = DevToken::balanceOfCall { account }.abi_encode();
        let (token, message) = (
            self.token(),
            Message {
                data,
                ..Message::default()
            },
        );
        let word = self.send(token, message, block, false)?.outcome;
        let word = word.map_err(|_| Fault("the token does not answer".into()))?;
        Ok(U256::from_be_slice(&word))
    }
}

/// What is to be deployed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who deploys, from its first transaction on: so the addresses are the same in every place.
    pub deployer: Address,
    /// The token's creation code, or the address of one of `odd`.
    pub token: Result<Bytes, Address>,
    /// Code that is put where it will be called.
    pub odd: Vec<(Address, Vec<u8>)>,
    /// The market's; the token may be [`crate::MARKET_TOKEN`].
    pub arguments: Constructor,
    /// The block.
    pub block: Block,
}

/// A market's creation code, and where it is to run.
pub trait Venue: Debug {
    /// Deploys a token and a market; the inner `Err` holds the revert data of the market's constructor.
    fn deploy(&self, plan: &Plan) -> Result<Result<Box<dyn Target>, Vec<u8>>, Fault>;
}
