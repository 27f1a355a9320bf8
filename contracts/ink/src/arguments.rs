//! The arguments of the ABI, as strict as solc: ink!'s own decoder takes addresses with dirty upper bytes, and zeros for what a short
//! call does not have. Here every bit of every word counts, and what lies behind an offset must lie in the call. What is no
//! argument is refused without a word, as by Solidity.

use ink::prelude::vec::Vec;
use piecework_protocol::types::{
    Address, Assurance, Bytes32, Job, Opening, Price, Terms, Times, Timing, U256,
};

use crate::env;

/// A call's arguments, read from the first to the last.
pub struct Arguments {
    /// Where they begin in the call, and what offsets count from.
    start: u64,
    /// Their heads, one after the other.
    heads: Vec<u8>,
    /// Bytes of them that were read.
    read: usize,
}

impl Arguments {
    /// Takes the heads, of so many words, from `start` on. A call that is shorter is refused.
    pub fn after(start: u64, words: u64) -> Self {
        let size = words.saturating_mul(32);
        Self {
            start,
            heads: part(start, size),
            read: 0,
        }
    }

    /// The next word.
    fn word(&mut self) -> Bytes32 {
        let rest = self.heads.get(self.read..).unwrap_or_default();
        self.read = self.read.saturating_add(32);
        match rest.first_chunk() {
            Some(word) => *word,
            None => env::reject(),
        }
    }

    fn tail(&mut self) -> Tail {
        Tail::at(self.start, number(&self.word()))
    }
}

/// The selector of the call: its first four bytes.
pub fn selector() -> u32 {
    match part(0, 4).first_chunk() {
        Some(selector) => u32::from_be_bytes(*selector),
        None => env::reject(),
    }
}

/// A part of the call, which must have it.
fn part(start: u64, size: u64) -> Vec<u8> {
    let inside = start
        .checked_add(size)
        .is_some_and(|end| end <= env::calldata_size());
    match (u32::try_from(start), usize::try_from(size)) {
        (Ok(start), Ok(size)) if inside => env::calldata(start, size),
        _ => env::reject(),
    }
}

/// A dynamic value: where its elements begin in the call, and how many there are.
#[derive(Clone, Copy)]
struct Tail {
    start: u64,
    length: u64,
}

impl Tail {
    /// `offset` bytes after `base`: its length first, then its elements.
    fn at(base: u64, offset: u64) -> Self {
        let place = base.saturating_add(offset);
        let length = part(place, 32);
        Self {
            start: place.saturating_add(32),
            length: number(length.first_chunk().unwrap_or(&[0; 32])),
        }
    }

    fn bytes(self) -> Vec<u8> {
        part(self.start, self.length)
    }

    fn words(self) -> Vec<Bytes32> {
        let bytes = part(self.start, self.length.saturating_mul(32));
        bytes.as_chunks().0.to_vec()
    }
}

/// The unsigned number in a word, if it is one of that width.
fn number<T: TryFrom<U256>>(word: &Bytes32) -> T {
    T::try_from(U256::from_be_bytes(*word)).unwrap_or_else(|_| env::reject())
}

/// A value of the ABI.
pub trait Argument {
    /// Its type's name in a signature.
    #[cfg(test)]
    const NAME: &'static str;
    /// Words in its head.
    const WORDS: u64 = 1;

    /// The next argument.
    fn read(from: &mut Arguments) -> Self;
}

macro_rules! arguments {
    ($($ty:ty = $name:literal, |$from:ident| $read:expr;)*) => {$(
        impl Argument for $ty {
            #[cfg(test)]
            const NAME: &'static str = $name;
            fn read($from: &mut Arguments) -> Self {
                $read
            }
        }
    )*};
}

arguments! {
    u8 = "uint8", |from| number(&from.word());
    u16 = "uint16", |from| number(&from.word());
    u32 = "uint32", |from| number(&from.word());
    u64 = "uint64", |from| number(&from.word());
    u128 = "uint128", |from| number(&from.word());
    U256 = "uint256", |from| number(&from.word());
    bool = "bool", |from| match number(&from.word()) {
        0u8 => false,
        1 => true,
        _ => env::reject(),
    };
    Address = "address", |from| match from.word() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, address @ ..] => address,
        _ => env::reject(),
    };
    Bytes32 = "bytes32", |from| from.word();
    Vec<u8> = "bytes", |from| from.tail().bytes();
    Text = "string", |from| Text(from.tail().bytes());
    Vec<Bytes32> = "bytes32[]", |from| from.tail().words();
    Vec<u32> = "uint32[]", |from| from.tail().words().iter().map(number).collect();
    Vec<Opening> = "(uint32,bytes32,bytes32,bytes32)[]", |from| {
        let tail = from.tail();
        let mut elements = Arguments::after(tail.start, tail.length.saturating_mul(Opening::WORDS));
        (0..tail.length).map(|_| Opening::read(&mut elements)).collect()
    };
    // Their offsets count from the first of them.
    Vec<Vec<u8>> = "bytes[]", |from| {
        let tail = from.tail();
        let offsets = tail.words();
        offsets.iter().map(|offset| Tail::at(tail.start, number(offset)).bytes()).collect()
    };
}

/// A `string`; nobody checks that it is UTF-8, as in Solidity.
pub struct Text(pub Vec<u8>);

/// A struct of the ABI lies there field by field.
macro_rules! structs {
    ($($ty:ident { $($field:ident: $field_ty:ty),* $(,)? } = $name:literal;)*) => {$(
        impl Argument for $ty {
            #[cfg(test)]
            const NAME: &'static str = $name;
            const WORDS: u64 = 0 $(+ <$field_ty as Argument>::WORDS)*;
            fn read(from: &mut Arguments) -> Self {
                Self { $($field: <$field_ty as Argument>::read(from),)* }
            }
        }
    )*};
}

structs! {
    Job { terms: Terms, assurance: Assurance, price: Price, timing: Timing } =
        "((address,uint64,bytes32,uint32,uint32,uint32,bytes32),(uint8,uint8,uint16,bool,address),(uint128,uint128,uint128,uint128),(uint64,uint64,uint64,uint64,uint64))";
    Terms {
        client: Address,
        nonce: u64,
        spec: Bytes32,
        tasks: u32,
        min_lease: u32,
        max_lease: u32,
        providers: Bytes32,
    } = "(address,uint64,bytes32,uint32,uint32,uint32,bytes32)";
    Assurance { replicas: u8, quorum: u8, audit_bps: u16, refund: bool, verifier: Address } =
        "(uint8,uint8,uint16,bool,address)";
    Price { min_price: u128, max_price: u128, bond: u128, jury_fee: u128 } =
        "(uint128,uint128,uint128,uint128)";
    Timing { opens_at: u64, ramp: u64, closes_at: u64, run_window: u64, audit_window: u64 } =
        "(uint64,uint64,uint64,uint64,uint64)";
    Times {
        stake_age: u64,
        lease_step: u64,
        jury_step: u64,
        jury_time: u64,
        reveal_window: u64,
        respond_window: u64,
        retry_window: u64,
        least_audit_window: u64,
        least_run_window: u64,
    } = "(uint64,uint64,uint64,uint64,uint64,uint64,uint64,uint64,uint64)";
    Opening { number: u32, value: Bytes32, proof: Bytes32, salt: Bytes32 } =
        "(uint32,bytes32,bytes32,bytes32)";
}
