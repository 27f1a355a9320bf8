//! The specification's host on pallet-revive: blocks, hashes, signatures, the token, the beacon, wallets, verifiers, events.

use core::cell::RefCell;

use ink::prelude::vec::Vec;
use ink::sol::{DynBytes, FixedBytes, SolParamsEncode, encode_sequence};
use ink::{H160, U256 as InkU256};
use piecework_protocol::types::{Address, Bytes32, NOBODY, U256};
use piecework_protocol::{Answer, BeaconError, Event, Host, Permit, Question, Store, TokenError};

use crate::cells::Cells;
use crate::env::{self, Outcome};

/// The precompile that recovers signers.
const ECRECOVER: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

const BALANCE_OF: [u8; 4] = selector(ink::keccak_256!("balanceOf(address)"));
const TRANSFER: [u8; 4] = selector(ink::keccak_256!("transfer(address,uint256)"));
const TRANSFER_FROM: [u8; 4] = selector(ink::keccak_256!("transferFrom(address,address,uint256)"));
const PERMIT: [u8; 4] = selector(ink::keccak_256!(
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"
));
const POINT: [u8; 4] = selector(ink::keccak_256!("point()"));
const TIME_OF: [u8; 4] = selector(ink::keccak_256!("timeOf(uint64)"));
const SEED: [u8; 4] = selector(ink::keccak_256!("seed(uint64)"));
const IS_DEAD: [u8; 4] = selector(ink::keccak_256!("isDead(uint64)"));
const IS_VALID_SIGNATURE: [u8; 4] = selector(ink::keccak_256!("isValidSignature(bytes32,bytes)"));

const fn selector([a, b, c, d, ..]: [u8; 32]) -> [u8; 4] {
    [a, b, c, d]
}

/// The chain, for one call.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// What the token or the beacon said when it failed, and the call with it.
    pub callee_said: RefCell<Vec<u8>>,
}

fn call_data<T: for<'a> SolParamsEncode<'a>>(selector: [u8; 4], arguments: &T) -> Vec<u8> {
    let mut data = selector.to_vec();
    data.extend(encode_sequence(arguments));
    data
}

fn amount_of(amount: u128) -> InkU256 {
    InkU256::from(amount)
}

/// A word that begins with the selector, and is nothing else: how wallets and verifiers say yes.
fn is_yes(data: &[u8], selector: [u8; 4]) -> bool {
    let mut yes = [0; 32];
    yes.iter_mut()
        .zip(selector)
        .for_each(|(byte, said)| *byte = said);
    data.first_chunk() == Some(&yes)
}

impl Chain {
    fn token(&self) -> Address {
        Cells.config().token
    }

    /// Moves tokens, as OpenZeppelin's `SafeERC20` does: the token may answer nothing, if it has code, or `true`.
    fn transfer(&mut self, call: &[u8]) -> Result<(), TokenError> {
        let token = self.token();
        match env::call(&token, call, false) {
            Outcome::Returned(data) => {
                let agreed = match data.first_chunk::<32>() {
                    None => data.is_empty() && env::has_code(&token),
                    Some(word) => U256::from_be_bytes(*word) == U256::from(1),
                };
                if agreed {
                    Ok(())
                } else {
                    Err(TokenError::Refused)
                }
            }
            Outcome::Reverted(data) => {
                self.callee_said.replace(data);
                Err(TokenError::Reverted)
            }
            Outcome::Exhausted => {
                self.callee_said.take();
                Err(TokenError::Reverted)
            }
        }
    }

    /// Asks the beacon for one word. It gets all the gas there is: this host has no allowances, and a `gas` only says that the
    /// call goes on without an answer. A lack of gas is then no answer: with little gas anybody could silence the beacon.
    fn ask_beacon(&self, question: &[u8], gas: Option<u64>) -> Result<Bytes32, BeaconError> {
        let said = match env::call(&Cells.config().beacon, question, true) {
            Outcome::Returned(data) => match data.first_chunk::<32>() {
                Some(word) => return Ok(*word),
                None => Vec::new(),
            },
            Outcome::Reverted(data) => data,
            Outcome::Exhausted if gas.is_some() => return Err(BeaconError::NotAsked),
            Outcome::Exhausted => Vec::new(),
        };
        if gas.is_none() {
            self.callee_said.replace(said);
        }
        Err(BeaconError::Failed)
    }
}

/// The number in a word of the beacon. A word that holds no number of that width is a failure without words.
fn number_in<T: TryFrom<U256>>(word: Bytes32) -> Result<T, BeaconError> {
    T::try_from(U256::from_be_bytes(word)).map_err(|_| BeaconError::Failed)
}

impl Host for Chain {
    fn caller(&self) -> Address {
        env::caller()
    }
    fn this(&self) -> Address {
        env::this()
    }
    fn chain_id(&self) -> U256 {
        env::chain_id()
    }
    fn now(&self) -> u64 {
        env::now()
    }

    fn keccak256(&self, bytes: &[u8]) -> Bytes32 {
        env::keccak256(bytes)
    }
    fn recover(&self, digest: &Bytes32, v: u8, r: &Bytes32, s: &Bytes32) -> Option<Address> {
        let input = [*digest, U256::from(v).to_be_bytes(), *r, *s];
        match env::call(&ECRECOVER, input.as_flattened(), true) {
            Outcome::Returned(data) => {
                let address = *data.last_chunk::<20>()?;
                (address != NOBODY).then_some(address)
            }
            _ => None,
        }
    }
    fn has_code(&self, account: &Address) -> bool {
        env::has_code(account)
    }
    fn erc1271(&self, wallet: &Address, digest: &Bytes32, signature: &[u8]) -> bool {
        let arguments = (FixedBytes(*digest), DynBytes(signature.to_vec()));
        let call = call_data(IS_VALID_SIGNATURE, &arguments);
        match env::call(wallet, &call, true) {
            Outcome::Returned(data) => is_yes(&data, IS_VALID_SIGNATURE),
            _ => false,
        }
    }
    fn verify(&self, verifier: &Address, _gas: u64, question: &Question<'_>) -> Answer {
        let mut call = Vec::new();
        question.encode(&mut |bytes| call.extend_from_slice(bytes));
        match env::call(verifier, &call, true) {
            Outcome::Returned(data) if is_yes(&data, Question::SELECTOR) => Answer::Yes,
            Outcome::Returned(_) | Outcome::Reverted(_) => Answer::No,
            Outcome::Exhausted => Answer::NotAsked,
        }
    }

    fn beacon_point(&self, gas: Option<u64>) -> Result<u64, BeaconError> {
        number_in(self.ask_beacon(&POINT, gas)?)
    }
    fn beacon_time_of(&self, point: u64, gas: Option<u64>) -> Result<u64, BeaconError> {
        number_in(self.ask_beacon(&call_data(TIME_OF, &(point,)), gas)?)
    }
    fn beacon_seed(&self, point: u64, gas: Option<u64>) -> Result<Bytes32, BeaconError> {
        self.ask_beacon(&call_data(SEED, &(point,)), gas)
    }
    fn beacon_is_dead(&self, point: u64, gas: Option<u64>) -> Result<bool, BeaconError> {
        match number_in(self.ask_beacon(&call_data(IS_DEAD, &(point,)), gas)?)? {
            0_u8 => Ok(false),
            1 => Ok(true),
            _ => Err(BeaconError::Failed),
        }
    }

    fn token_balance(&self) -> U256 {
        let call = call_data(BALANCE_OF, &(H160(env::this()),));
        match env::call(&self.token(), &call, true) {
            Outcome::Returned(data) => match data.first_chunk::<32>() {
                Some(word) => U256::from_be_bytes(*word),
                None => env::refuse(&[]),
            },
            Outcome::Reverted(data) => env::refuse(&data),
            Outcome::Exhausted => env::refuse(&[]),
        }
    }
    fn token_permit(&mut self, amount: u128, permit: &Permit) {
        let deadline = InkU256::from_big_endian(&permit.deadline.to_be_bytes::<32>());
        let arguments = (
            H160(env::caller()),
            H160(env::this()),
            amount_of(amount),
            deadline,
            permit.v,
            FixedBytes(permit.r),
            FixedBytes(permit.s),
        );
        env::call(&self.token(), &call_data(PERMIT, &arguments), false);
    }
    fn token_pull(&mut self, amount: u128) -> Result<(), TokenError> {
        let (from, to) = (H160(env::caller()), H160(env::this()));
        self.transfer(&call_data(TRANSFER_FROM, &(from, to, amount_of(amount))))
    }
    fn token_push(&mut self, to: &Address, amount: u128) -> Result<(), TokenError> {
        self.transfer(&call_data(TRANSFER, &(H160(*to), amount_of(amount))))
    }

    fn emit(&mut self, event: &Event<'_>) {
        let (mut topics, mut data) = (Vec::new(), Vec::new());
        event.topics(&mut |topic| topics.extend(topic.first_chunk::<32>()));
        event.data(&mut |bytes| data.extend_from_slice(bytes));
        env::emit(&topics, &data);
    }
}
