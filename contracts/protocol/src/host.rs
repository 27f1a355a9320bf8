//! What the market asks of the chain it runs on.

use crate::abi::Question;
use crate::events::Event;
use crate::types::{Address, Bytes32, U256};

/// An ERC-2612 permit of the caller for the market, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Last second in which it is good.
    pub deadline: U256,
    /// Of the signature.
    pub v: u8,
    /// Of the signature.
    pub r: Bytes32,
    /// Of the signature.
    pub s: Bytes32,
}

/// Why the token did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It reverted. The host keeps what it said.
    Reverted,
    /// It answered `false`.
    Refused,
}

/// What became of a question to a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answered with its selector, [`Question::SELECTOR`], and 28 zero bytes.
    Yes,
    /// It answered with anything else, or reverted.
    No,
    /// There was too little gas left to give it its allowance: it was not asked.
    NotAsked,
}

/// Why the beacon has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeaconError {
    /// It reverted, or its answer is not a value of the type: shorter than a word, or too large. If it was asked with all
    /// gas, the host keeps what it said.
    Failed,
    /// There was too little gas left to give it its allowance: it was not asked.
    NotAsked,
}

/// The chain, the caller, the token, the beacon, and what computes hashes and signatures.
///
/// A host runs a call as a whole or not at all: when one returns an error, whatever the token and the events saw of
/// it is undone (a contract reverts). It lets nobody into the market while a call of it runs: `&mut` says so here.
pub trait Host {
    /// The account that calls.
    fn caller(&self) -> Address;
    /// The market's own address.
    fn this(&self) -> Address;
    /// The chain's present id.
    fn chain_id(&self) -> U256;
    /// The block's time in seconds, less than 2^40.
    fn now(&self) -> u64;

    /// keccak256.
    fn keccak256(&self, bytes: &[u8]) -> Bytes32;
    /// The account whose key signed `digest` (secp256k1), if there is one. `v` is 27 or 28, `s` is low: that was checked.
    fn recover(&self, digest: &Bytes32, v: u8, r: &Bytes32, s: &Bytes32) -> Option<Address>;
    /// Whether the account has code: then it is a wallet, and answers for itself.
    fn has_code(&self, account: &Address) -> bool;
    /// Whether the wallet confirms the signature (ERC-1271), asked without a right to change anything.
    fn erc1271(&self, wallet: &Address, digest: &Bytes32, signature: &[u8]) -> bool;
    /// Asks a verifier, without a right to change anything, with exactly this much gas.
    fn verify(&self, verifier: &Address, gas: u64, question: &Question<'_>) -> Answer;

    /// The beacon's point whose seed nobody knows now; never 0. The four questions to the beacon are asked without a
    /// right to change anything, with all gas (`None`) or with exactly `gas`.
    fn beacon_point(&self, gas: Option<u64>) -> Result<u64, BeaconError>;
    /// The nominal time of a point.
    fn beacon_time_of(&self, point: u64, gas: Option<u64>) -> Result<u64, BeaconError>;
    /// The seed of a point, or zero while nobody has published it.
    fn beacon_seed(&self, point: u64, gas: Option<u64>) -> Result<Bytes32, BeaconError>;
    /// Whether the seed of a point will never be known.
    fn beacon_is_dead(&self, point: u64, gas: Option<u64>) -> Result<bool, BeaconError>;

    /// The market's balance of the token.
    fn token_balance(&self) -> U256;
    /// Hands the caller's permit to the token. It may fail: then the allowance decides.
    fn token_permit(&mut self, amount: u128, permit: &Permit);
    /// Moves tokens from the caller, who allowed it, to the market.
    fn token_pull(&mut self, amount: u128) -> Result<(), TokenError>;
    /// Moves tokens from the market to `to`.
    fn token_push(&mut self, to: &Address, amount: u128) -> Result<(), TokenError>;

    /// Tells the world.
    fn emit(&mut self, event: &Event<'_>);
}
