//! The specification's host: a chain that consists of a block's data, a token, and contracts that say yes by a rule.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address as EthAddress, keccak256};
use alloy_sol_types::{SolCall, SolError};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use piecework_protocol::types::{Address, Bytes32, U256};
use piecework_protocol::{Answer, BeaconError, Event, Host, Permit, Question, TokenError};

use crate::bindings::{DevToken, IBeacon, isValidSignatureCall};

/// What a call can see of the block it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The chain's id.
    pub chain_id: u64,
    /// Its number.
    pub number: u64,
    /// Its time in seconds.
    pub time: u64,
    /// Its randomness.
    pub prevrandao: Bytes32,
}

/// How the token behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// As `DevToken`.
    Honest,
    /// Answers every call with this word.
    Says(u8),
}

/// `DevToken`, as far as a market and its users need it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its address.
    pub address: Address,
    /// How it behaves.
    pub kind: TokenKind,
    /// Who has how much.
    pub balances: HashMap<Address, U256>,
    /// What the market may take.
    pub allowances: HashMap<Address, U256>,
    /// Permits used.
    pub nonces: HashMap<Address, u64>,
}

/// The host of one call.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The block.
    pub block: Block,
    /// Who calls.
    pub caller: Address,
    /// The market's address.
    pub market: Address,
    /// The token.
    pub token: Token,
    /// Wallets and verifiers: see [`says_yes`].
    pub contracts: HashSet<Address>,
    /// Whether the call came with too little gas for a verifier.
    pub short: bool,
    /// The market's logs of this call: topics, data.
    pub logs: Vec<(Vec<Bytes32>, Vec<u8>)>,
    /// What the token said when it reverted in this call.
    pub token_said: Vec<u8>,
}

/// The rule of the contracts that are wallets and verifiers here: they answer with their caller's selector unless the
/// two lowest bits of the call's hash are 0. So both sides must have put the same question, to the byte.
pub fn says_yes(call: &[u8]) -> bool {
    keccak256(call).0[31] & 3 != 0
}

/// That rule as code: copy the call, hash it, and return its first four bytes, or revert.
pub const RULE: [u8; 32] = [
    0x36, 0x5f, 0x5f, 0x37, // calldatacopy(0, 0, calldatasize())
    0x36, 0x5f, 0x20, // keccak256(0, calldatasize())
    0x60, 0x03, 0x16, 0x15, // iszero(and(_, 3))
    0x60, 0x1c, 0x57, // jumpi(no)
    0x5f, 0x35, 0x60, 0xe0, 0x1c, 0x60, 0xe0, 0x1b, // shl(224, shr(224, calldataload(0)))
    0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, // return(0, 32)
    0x5b, 0x5f, 0x5f, 0xfd, // no: revert(0, 0)
];

/// The beacon's address.
pub const BEACON: Address = [0xbe; 20];

/// The rule of the beacon. In one second of 61 it fails. A point is a time, twenty seconds ahead; its seed is the hash of the
/// question and is known some seconds later, except that every seventh point is dead.
pub fn beacon_says(call: &[u8], now: u64) -> Option<U256> {
    if now % 61 == 60 {
        return None;
    }
    let argument = U256::from_be_slice(call.get(4..36).unwrap_or(&[0; 32]));
    let dead = argument % U256::from(7) == U256::ZERO;
    let selector = call.first_chunk::<4>().copied().unwrap_or_default();
    Some(match selector {
        IBeacon::pointCall::SELECTOR => U256::from(now + 20),
        IBeacon::timeOfCall::SELECTOR => argument,
        IBeacon::seedCall::SELECTOR => {
            let known = U256::from(now) >= argument + (argument & U256::from(15));
            if known && !dead {
                keccak256(call).into()
            } else {
                U256::ZERO
            }
        }
        _ => U256::from(u8::from(dead)),
    })
}

/// That rule as code.
pub fn beacon_code() -> Vec<u8> {
    let (point, time_of, seed, zero, answer, fail) = (55, 63, 70, 102, 104, 111);
    let case = |selector: [u8; 4], to: u8| {
        // jumpi(to, eq(selector, dup1))
        [&[0x80, 0x63][..], &selector, &[0x14, 0x60, to, 0x57]].concat()
    };
    [
        &[0x60, 61, 0x42, 0x06, 0x60, 60, 0x14, 0x60, fail, 0x57][..], // jumpi(fail, eq(mod(timestamp(), 61), 60))
        &[0x5f, 0x35, 0x60, 0xe0, 0x1c],                               // shr(224, calldataload(0))
        &case(IBeacon::pointCall::SELECTOR, point),
        &case(IBeacon::timeOfCall::SELECTOR, time_of),
        &case(IBeacon::seedCall::SELECTOR, seed),
        &[0x60, 7, 0x60, 4, 0x35, 0x06, 0x15, 0x60, answer, 0x56], // iszero(mod(calldataload(4), 7))
        &[0x5b, 0x60, 20, 0x42, 0x01, 0x60, answer, 0x56],         // point: add(timestamp(), 20)
        &[0x5b, 0x60, 4, 0x35, 0x60, answer, 0x56],                // timeOf: calldataload(4)
        // seed: jumpi(zero, or(lt(timestamp(), add(id, and(id, 15))), iszero(mod(id, 7))))
        &[0x5b, 0x60, 4, 0x35, 0x80, 0x60, 15, 0x16, 0x01, 0x42, 0x10],
        &[0x60, 7, 0x60, 4, 0x35, 0x06, 0x15, 0x17, 0x60, zero, 0x57],
        &[0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0x20, 0x60, answer, 0x56], // the hash of the question
        &[0x5b, 0x5f],                                                   // zero: 0
        &[0x5b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3],                     // answer: return the word
        &[0x5b, 0x5f, 0x5f, 0xfd],                                       // fail: revert(0, 0)
    ]
    .concat()
}

/// The account of a key.
pub fn account_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    let hash = keccak256(point.as_bytes().get(1..).unwrap_or_default());
    EthAddress::from_word(hash).into_array()
}

impl Token {
    fn balance(&self, account: &Address) -> U256 {
        self.balances.get(account).copied().unwrap_or_default()
    }

    /// The digest of a permit for the market.
    pub fn permit_digest(
        &self,
        owner: &Address,
        market: &Address,
        value: U256,
        deadline: U256,
        chain_id: u64,
    ) -> Bytes32 {
        let word = |bytes: &Address| EthAddress::from(*bytes).into_word().0;
        let domain = [
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)").0,
            keccak256("Piecework Play Money").0,
            keccak256("1").0,
            U256::from(chain_id).to_be_bytes(),
            word(&self.address),
        ];
        let nonce = self.nonces.get(owner).copied().unwrap_or_default();
        let permit = [
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)").0,
            word(owner),
            word(market),
            value.to_be_bytes(),
            U256::from(nonce).to_be_bytes(),
            deadline.to_be_bytes(),
        ];
        let (domain, permit) = (
            keccak256(domain.as_flattened()),
            keccak256(permit.as_flattened()),
        );
        keccak256([&[0x19, 0x01], &domain[..], &permit[..]].concat()).0
    }
}

impl Chain {
    fn beacon(&self, call: &impl SolCall) -> Result<U256, BeaconError> {
        beacon_says(&call.abi_encode(), self.block.time).ok_or(BeaconError::Failed)
    }
}

impl Host for Chain {
    fn caller(&self) -> Address {
        self.caller
    }
    fn this(&self) -> Address {
        self.market
    }
    fn chain_id(&self) -> U256 {
        U256::from(self.block.chain_id)
    }
    fn now(&self) -> u64 {
        self.block.time
    }
    fn keccak256(&self, bytes: &[u8]) -> Bytes32 {
        keccak256(bytes).0
    }
    fn recover(&self, digest: &Bytes32, v: u8, r: &Bytes32, s: &Bytes32) -> Option<Address> {
        let signature = Signature::from_scalars(*r, *s).ok()?;
        let id = RecoveryId::from_byte(v.checked_sub(27)?)?;
        VerifyingKey::recover_from_prehash(digest, &signature, id)
            .ok()
            .map(|key| account_of(&key))
    }
    fn has_code(&self, account: &Address) -> bool {
        self.contracts.contains(account)
            || *account == self.market
            || *account == self.token.address
    }
    fn erc1271(&self, wallet: &Address, digest: &Bytes32, signature: &[u8]) -> bool {
        let call = isValidSignatureCall {
            hash: (*digest).into(),
            signature: signature.to_vec().into(),
        };
        self.contracts.contains(wallet) && says_yes(&call.abi_encode())
    }
    fn verify(&self, verifier: &Address, _gas: u64, question: &Question<'_>) -> Answer {
        if self.short {
            return Answer::NotAsked;
        }
        let mut call = Vec::new();
        question.encode(&mut |bytes| call.extend_from_slice(bytes));
        let yes = self.contracts.contains(verifier) && says_yes(&call);
        if yes { Answer::Yes } else { Answer::No }
    }

    fn beacon_point(&self, _gas: Option<u64>) -> Result<u64, BeaconError> {
        self.beacon(&IBeacon::pointCall {})?
            .try_into()
            .map_err(|_| BeaconError::Failed)
    }
    fn beacon_time_of(&self, point: u64, _gas: Option<u64>) -> Result<u64, BeaconError> {
        self.beacon(&IBeacon::timeOfCall { id: point })?
            .try_into()
            .map_err(|_| BeaconError::Failed)
    }
    fn beacon_seed(&self, point: u64, _gas: Option<u64>) -> Result<Bytes32, BeaconError> {
        Ok(self.beacon(&IBeacon::seedCall { id: point })?.to_be_bytes())
    }
    fn beacon_is_dead(&self, point: u64, _gas: Option<u64>) -> Result<bool, BeaconError> {
        Ok(!self.beacon(&IBeacon::isDeadCall { id: point })?.is_zero())
    }

    fn token_balance(&self) -> U256 {
        match self.token.kind {
            TokenKind::Honest => self.token.balance(&self.market),
            TokenKind::Says(word) => U256::from(word),
        }
    }
    fn token_permit(&mut self, amount: u128, permit: &Permit) {
        let value = U256::from(amount);
        let token = &self.token;
        let digest = token.permit_digest(
            &self.caller,
            &self.market,
            value,
            permit.deadline,
            self.block.chain_id,
        );
        let in_time = U256::from(self.block.time) <= permit.deadline;
        // A high s is refused, as by OpenZeppelin's ECDSA.
        let low = Signature::from_scalars(permit.r, permit.s)
            .is_ok_and(|signature| signature.normalize_s().is_none());
        if in_time
            && low
            && self.recover(&digest, permit.v, &permit.r, &permit.s) == Some(self.caller)
        {
            *self.token.nonces.entry(self.caller).or_default() += 1;
            self.token.allowances.insert(self.caller, value);
        }
    }
    fn token_pull(&mut self, amount: u128) -> Result<(), TokenError> {
        let (needed, from, token) = (U256::from(amount), self.caller, &mut self.token);
        match token.kind {
            TokenKind::Says(1) => return Ok(()),
            TokenKind::Says(_) => return Err(TokenError::Refused),
            TokenKind::Honest => {}
        }
        let allowance = token.allowances.get(&from).copied().unwrap_or_default();
        if allowance < needed {
            let spender = self.market.into();
            self.token_said = DevToken::ERC20InsufficientAllowance {
                spender,
                allowance,
                needed,
            }
            .abi_encode();
            return Err(TokenError::Reverted);
        }
        let balance = token.balance(&from);
        if balance < needed {
            self.token_said = DevToken::ERC20InsufficientBalance {
                sender: from.into(),
                balance,
                needed,
            }
            .abi_encode();
            return Err(TokenError::Reverted);
        }
        if allowance != U256::MAX {
            token.allowances.insert(from, allowance - needed);
        }
        token.balances.insert(from, balance - needed);
        *token.balances.entry(self.market).or_default() += needed;
        Ok(())
    }
    fn token_push(&mut self, to: &Address, amount: u128) -> Result<(), TokenError> {
        let amount = U256::from(amount);
        *self.token.balances.entry(self.market).or_default() -= amount;
        *self.token.balances.entry(*to).or_default() += amount;
        Ok(())
    }

    fn emit(&mut self, event: &Event<'_>) {
        let (mut topics, mut data) = (Vec::new(), Vec::new());
        event.topics(&mut |topic| topics.push(topic.try_into().unwrap_or_default()));
        event.data(&mut |bytes| data.extend_from_slice(bytes));
        self.logs.push((topics, data));
    }
}
