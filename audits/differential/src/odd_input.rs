//! Calldata that no wallet makes: too short, with dirty bits, wild offsets, of no function, with ether. What is answered is
//! compared, and never kept.

use alloy_primitives::{Address as EthAddress, U256};
use alloy_sol_types::SolInterface;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::Fault;
use crate::bindings::IMarket::{self, IMarketCalls};
use crate::bindings::{Call, multicallCall};
use crate::model::Outcome;
use crate::target::Message;
use crate::world::World;

/// What is odd about calldata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// It ends early.
    Short,
    /// It is longer than it need be.
    Long,
    /// One bit is another, anywhere behind the selector.
    Bit,
    /// One word is another: mostly one that would be far away as an offset, or huge as a length.
    Word,
    /// One of its bytes is in the padding of a bool, a number, an address or an enum.
    Padding,
    /// The selector is no function's, or another function's.
    Selector,
    /// Ether comes with it.
    Value,
}

/// All of them.
pub const ODDITIES: [Oddity; 7] = [
    Oddity::Short,
    Oddity::Long,
    Oddity::Bit,
    Oddity::Word,
    Oddity::Padding,
    Oddity::Selector,
    Oddity::Value,
];

/// An answer to odd calldata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It returned, with so many logs.
    Returned(Vec<u8>, usize),
    /// It reverted.
    Reverted(Vec<u8>),
    /// It neither returned nor reverted: out of gas, or a trap.
    Ended(String),
}

/// Odd calldata, and what was answered.
#[derive(Clone, Debug)]
pub struct Poke {
    /// The function that it was made from.
    pub name: &'static str,
    /// What is odd.
    pub oddity: Oddity,
    /// The calldata.
    pub data: Vec<u8>,
    /// What the specification says, if it is calldata of the ABI to the bit, and no ether comes with it.
    pub model: Option<Outcome>,
    /// What each target says.
    pub replies: Vec<(&'static str, Reply)>,
}

/// The call that this is to the bit, if there is one.
pub fn strictly(data: &[u8]) -> Option<Call> {
    let call = match IMarketCalls::abi_decode_validate(data) {
        Ok(call) => Call::One(call),
        Err(_) => {
            use alloy_sol_types::SolCall;
            let all = multicallCall::abi_decode_validate(data).ok()?;
            let calls = all.data.iter().map(|data| match strictly(data)? {
                Call::One(call) => Some(call),
                Call::All(_) => None,
            });
            Call::All(calls.collect::<Option<_>>()?)
        }
    };
    (call.encode() == data).then_some(call)
}

impl World {
    /// Goes one step, and then sends a call that somebody could make with each oddity. Nothing of that is kept.
    pub fn poke(&mut self) -> Result<Vec<Poke>, Fault> {
        self.steps += 1;
        self.turn()?;
        let act = self.act();
        let call = match self.rng.random_range(0..4) {
            0 => Call::All(vec![act.call, self.act().call]),
            1 => Call::One(self.some_view().unwrap_or(act.call)),
            _ => Call::One(act.call),
        };
        let block = self.block;
        let mut pokes = Vec::new();
        for oddity in ODDITIES {
            let (data, value) = self.odd(oddity, call.encode());
            let strict = strictly(&data).filter(|_| value == 0);
            let model = strict.map(|call| self.sides.would(act.caller, &call, &block));
            let mut replies = Vec::new();
            for target in &mut self.sides.targets {
                let message = Message {
                    caller: EthAddress::from(act.caller),
                    data: data.clone(),
                    value,
                    short: false,
                };
                let market = target.market();
                let reply = match target.send(market, message, &block, false) {
                    Ok(answer) => match answer.outcome {
                        Ok(data) => Reply::Returned(data, answer.logs.len()),
                        Err(data) => Reply::Reverted(data),
                    },
                    Err(Fault(text)) => Reply::Ended(text),
                };
                replies.push((target.name(), reply));
            }
            pokes.push(Poke {
                name: call.name(),
                oddity,
                data,
                model,
                replies,
            });
        }
        Ok(pokes)
    }

    fn some_view(&mut self) -> Option<IMarketCalls> {
        let known = self.jobs.choose(&mut self.rng)?.clone();
        let [one, other] = [0, 0].map(|_| {
            let number = self.anyone();
            EthAddress::from(self.people[number].address)
        });
        let (list, job_id) = (self.list().into(), known.id.into());
        let of_accounts: Vec<IMarketCalls> = vec![
            IMarket::balanceOfCall { account: one }.into(),
            IMarket::providerOfCall { provider: one }.into(),
            IMarket::profileOfCall { provider: one }.into(),
            IMarket::isAdmittedCall {
                list,
                provider: one,
            }
            .into(),
            IMarket::isRevokedCall {
                client: one,
                nonce: 3,
            }
            .into(),
            IMarket::isOperatorCall {
                provider: one,
                operator: other,
            }
            .into(),
            IMarket::commitmentOfCall {
                jobId: job_id,
                first: 0,
                round: 1,
                kind: 0,
                number: 1,
                value: list,
                proof: job_id,
                salt: list,
            }
            .into(),
            IMarket::weightAtCall {
                provider: one,
                time: 5,
            }
            .into(),
            IMarket::burnedCall {}.into(),
            IMarket::totalStakeCall {}.into(),
            IMarket::feeCall {}.into(),
            IMarket::timesCall {}.into(),
            IMarket::tokenCall {}.into(),
            IMarket::beaconCall {}.into(),
            IMarket::isDevnetCall {}.into(),
        ];
        let views = if self.chance(50) {
            of_accounts
        } else {
            self.views_of(&known)
        };
        views.choose(&mut self.rng).cloned()
    }

    /// The same with one thing odd about it; and the ether that comes with it.
    fn odd(&mut self, oddity: Oddity, mut data: Vec<u8>) -> (Vec<u8>, u64) {
        let rng = &mut self.rng;
        let words = (data.len() - 4) / 32;
        let word = |at: usize| 4 + 32 * at..36 + 32 * at;
        match oddity {
            Oddity::Short => data.truncate(rng.random_range(0..data.len())),
            Oddity::Long => {
                let more = rng.random_range(1..100);
                data.extend((0..more).map(|_| rng.random::<u8>()));
            }
            Oddity::Bit if words > 0 => {
                let bit = rng.random_range(0..8 * 32 * words);
                data[4 + bit / 8] ^= 1 << (bit % 8);
            }
            Oddity::Word if words > 0 => {
                let size = U256::from(data.len());
                let wild = [
                    U256::ZERO,
                    U256::ONE,
                    U256::from(31),
                    U256::from(32),
                    size - U256::from(4),
                    size - U256::from(36),
                    size,
                    U256::from(u16::MAX),
                    U256::from(u32::MAX),
                    U256::from(1_u64 << 32),
                    U256::from(u64::MAX),
                    U256::from(1) << 64,
                    U256::from(1) << 128,
                    U256::from(1) << 255,
                    U256::MAX - U256::from(31),
                    U256::MAX,
                ];
                let wild = wild[rng.random_range(0..wild.len())];
                data[word(rng.random_range(0..words))].copy_from_slice(&wild.to_be_bytes::<32>());
            }
            Oddity::Padding if words > 0 => {
                // A word whose first bytes are zeros is mostly a padded one.
                let padded = (0..words).filter(|at| data[word(*at)].starts_with(&[0; 8]));
                let padded: Vec<usize> = padded.collect();
                if let Some(at) = padded.choose(rng) {
                    let word = &mut data[word(*at)];
                    let zeros = word.iter().take_while(|byte| **byte == 0).count();
                    word[rng.random_range(0..zeros.min(31))] = rng.random_range(1..=255);
                }
            }
            Oddity::Selector => {
                let known = IMarketCalls::SELECTORS;
                let selector = match rng.random_range(0..3) {
                    0 => rng.random::<[u8; 4]>(),
                    1 => {
                        data.clear(); // nothing at all
                        return (data, 0);
                    }
                    _ => known[rng.random_range(0..known.len())],
                };
                data[..4].copy_from_slice(&selector);
            }
            Oddity::Value => return (data, rng.random_range(1..=1_000_000_000)),
            Oddity::Bit | Oddity::Word | Oddity::Padding => data.push(1),
        }
        (data, 0)
    }
}
