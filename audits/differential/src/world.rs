//! A market with people in it, and the traces that they make: clients, honest, late and lying providers, operators,
//! jurors, strangers; time passes.

use std::collections::HashMap;

use alloy_primitives::{Address as EthAddress, U256, keccak256};
use k256::ecdsa::SigningKey;
use piecework_protocol::Store;
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Job, Phase};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::bindings::IMarket::{self, IMarketCalls};
use crate::bindings::{Call, Constructor};
use crate::chain::{BEACON, Block, Chain, RULE, Token, TokenKind, account_of, beacon_code};
use crate::code::Code;
use crate::memory::Memory;
use crate::model::{Model, times_of};
use crate::sides::Sides;
use crate::tally::Tally;
use crate::target::Plan;
use crate::{Fault, MARKET_TOKEN};

/// An account with a key.
#[derive(Clone, Debug)]
pub struct Person {
    /// Its address.
    pub address: Address,
    /// Its key.
    pub key: SigningKey,
}

impl Person {
    /// Its signature: `r`, `s`, `v`.
    pub fn sign(&self, digest: &Bytes32) -> Vec<u8> {
        let (signature, id) = self.key.sign_prehash_recoverable(digest).expect("a digest");
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + id.to_byte());
        bytes
    }
}

/// A job that was posted, or may be.
#[derive(Clone, Debug)]
pub struct Known {
    /// As the ABI has it.
    pub job: IMarket::Job,
    /// As the crate has it.
    pub core: Job,
    /// Its id.
    pub id: Bytes32,
    /// The bytes of its spec.
    pub spec: Vec<u8>,
}

/// What somebody committed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Secret {
    /// A root, or a digest.
    pub value: Bytes32,
    /// The address of the digest list, or the keyed digest.
    pub proof: Bytes32,
    /// Of the commitment.
    pub salt: Bytes32,
}

/// Where somebody committed: job, first, round, kind of seat, who.
pub type Place = (Bytes32, u32, u16, u8, Address);

/// What is to be remembered if a call succeeds.
#[derive(Clone, Debug)]
pub enum Note {
    /// A job was posted.
    Job(Box<Known>),
    /// Somebody committed.
    Secret(Place, Secret),
    /// Outputs were submitted.
    Outputs((Bytes32, u32), Vec<Bytes32>),
}

/// A call that somebody may make.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who.
    pub caller: Address,
    /// What.
    pub call: IMarketCalls,
    /// Then.
    pub notes: Vec<Note>,
}

impl Act {
    /// One without a note.
    pub fn new(caller: Address, call: IMarketCalls) -> Self {
        Self {
            caller,
            call,
            notes: Vec::new(),
        }
    }
}

/// Contracts that are wallets and verifiers.
pub const CONTRACTS: [Address; 2] = [[0xc1; 20], [0xc2; 20]];
/// Accounts with keys: the first ones stake.
pub const PEOPLE: usize = 12;
/// So many of them stake at the beginning.
pub const PROVIDERS: usize = 8;

/// A market, its people, and what they know.
#[derive(Debug)]
pub struct World {
    /// Chance.
    pub rng: ChaCha8Rng,
    /// The fee that its constructor was given.
    pub fee_bps: u16,
    /// The market.
    pub sides: Sides,
    /// Now.
    pub block: Block,
    /// Everyone with a key.
    pub people: Vec<Person>,
    /// Jobs that were posted.
    pub jobs: Vec<Known>,
    /// What was committed to.
    pub secrets: HashMap<Place, Secret>,
    /// Outputs of the results submitted last.
    pub outputs: HashMap<(Bytes32, u32), Vec<Bytes32>>,
    /// The lease that most of them look at for a while: which of `jobs`, and its first task.
    pub focus: Option<(usize, u32)>,
    /// Steps so far.
    pub steps: u64,
}

/// Short times, as on a devnet.
pub(crate) fn times() -> IMarket::Times {
    IMarket::Times {
        stakeAge: 100,
        leaseStep: 15,
        juryStep: 20,
        juryTime: 60,
        revealWindow: 300,
        respondWindow: 200,
        retryWindow: 200,
        leastAuditWindow: 30,
        leastRunWindow: 2,
    }
}

fn person(number: usize) -> Person {
    let secret = keccak256(format!("person {number}"));
    let key = SigningKey::from_slice(&secret[..]).expect("a key");
    Person {
        address: account_of(key.verifying_key()),
        key,
    }
}

/// What the market of a trace is made with.
pub(crate) fn arguments(fee_bps: u16) -> Constructor {
    Constructor {
        token: MARKET_TOKEN,
        beacon: BEACON.into(),
        feeGovernor: person(0).address.into(),
        feeRecipient: person(1).address.into(),
        feeBps: fee_bps,
        times: times(),
        devnet: true,
    }
}

/// Deploys all sides. `Err` in it: what the constructor reverts with, the same on all.
pub fn deploy(
    code: &Code,
    arguments: &Constructor,
    kind: TokenKind,
) -> Result<Result<Sides, Vec<u8>>, Fault> {
    let deployer = EthAddress::repeat_byte(0xdd);
    let block = Block {
        chain_id: 31_337,
        number: 1_000,
        time: 1_800_000_000,
        prevrandao: [7; 32],
    };
    let mut odd: Vec<(EthAddress, Vec<u8>)> = CONTRACTS
        .iter()
        .map(|at| (EthAddress::from(*at), RULE.to_vec()))
        .collect();
    odd.push((BEACON.into(), beacon_code()));
    let token = match kind {
        TokenKind::Honest => Ok(code.token.clone().into()),
        TokenKind::Says(word) => {
            let at = EthAddress::repeat_byte(0x70);
            // return(word) to every call
            odd.push((at, vec![0x60, word, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]));
            Err(at)
        }
    };
    let plan = Plan {
        deployer,
        token,
        odd,
        arguments: arguments.clone(),
        block,
    };
    let mut targets = Vec::new();
    let mut refusals = Vec::new();
    for venue in &code.venues {
        match venue.deploy(&plan)? {
            Ok(target) => targets.push(target),
            Err(data) => refusals.push(data),
        }
    }
    // What the specification needs to know of the others: the addresses.
    let (token, market) = match targets.first() {
        Some(target) => (target.token(), target.market()),
        None => (EthAddress::repeat_byte(1), EthAddress::repeat_byte(2)),
    };
    if let Some(other) = targets
        .iter()
        .find(|target| (target.token(), target.market()) != (token, market))
    {
        return Err(Fault(format!("{} has other addresses", other.name())));
    }
    let mut arguments = arguments.clone();
    if arguments.token == MARKET_TOKEN {
        arguments.token = token;
    }
    let token = Token {
        address: token.into_array(),
        kind,
        balances: HashMap::new(),
        allowances: HashMap::new(),
        nonces: HashMap::new(),
    };
    let host = Chain {
        block,
        caller: deployer.into_array(),
        market: market.into_array(),
        token,
        contracts: CONTRACTS.into_iter().collect(),
        short: false,
        logs: Vec::new(),
        token_said: Vec::new(),
    };
    let mut model = Model {
        store: Memory::default(),
        host,
    };
    let ours = model.deploy(
        &arguments.token.into_array(),
        &arguments.beacon.into_array(),
        &arguments.feeGovernor.into_array(),
        &arguments.feeRecipient.into_array(),
        arguments.feeBps,
        &times_of(&arguments.times),
        arguments.devnet,
    );
    match ours {
        Ok(()) if refusals.is_empty() => Ok(Ok(Sides {
            model,
            targets,
            tally: Tally::default(),
            record: Vec::new(),
        })),
        Err(error) if targets.is_empty() => {
            let data = crate::model::revert_data(&model, &error);
            if refusals.iter().all(|refusal| *refusal == data) {
                return Ok(Err(data));
            }
            Err(Fault(format!(
                "the constructors refuse with {error:?} and {refusals:?}"
            )))
        }
        ours => Err(Fault(format!(
            "the constructors differ: {ours:?}, {targets:?}, {refusals:?}"
        ))),
    }
}

impl World {
    /// A market with people who have tokens, stake and deposits.
    pub fn new(seed: u64, code: &Code) -> Result<Self, Fault> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let people: Vec<Person> = (0..PEOPLE).map(person).collect();
        let arguments = arguments(rng.random_range(0..=500));
        let sides =
            deploy(code, &arguments, TokenKind::Honest)?.map_err(|_| Fault("no market".into()))?;
        let block = sides.model.host.block;
        let mut world = Self {
            rng,
            fee_bps: arguments.feeBps,
            sides,
            block,
            people,
            jobs: Vec::new(),
            secrets: HashMap::new(),
            outputs: HashMap::new(),
            focus: None,
            steps: 0,
        };
        world.settle_in()?;
        Ok(world)
    }

    fn settle_in(&mut self) -> Result<(), Fault> {
        for number in 0..PEOPLE {
            let address = self.people[number].address;
            // The last one allows little.
            let allowed = if number + 1 == PEOPLE {
                U256::from(50_000_u32)
            } else {
                U256::MAX
            };
            let amount = U256::from(1_u128 << 90);
            self.sides.give(address, amount, allowed, &self.block)?;
            // Two of the list have so little that two doublings rarely reach them.
            let amount = match number {
                2 | 4 => self.rng.random_range(1_500..4_000),
                0..PROVIDERS => self.rng.random_range(20_000..60_000),
                _ => 0,
            };
            if amount > 0 {
                self.make(address, IMarket::stakeCall { amount }.into())?;
            }
            let amount = self.rng.random_range(1..30_000);
            self.make(
                address,
                IMarket::depositCall {
                    account: address.into(),
                    amount,
                }
                .into(),
            )?;
        }
        let account = CONTRACTS[0].into();
        self.make(
            self.people[2].address,
            IMarket::depositCall {
                account,
                amount: 50_000,
            }
            .into(),
        )?;
        self.pass(150, 5);
        Ok(())
    }

    /// Makes one call on all sides.
    pub fn make(&mut self, caller: Address, call: IMarketCalls) -> Result<bool, Fault> {
        self.sides
            .step(caller, &Call::One(call), &self.block, false)
    }

    /// Time passes.
    pub fn pass(&mut self, seconds: u64, blocks: u64) {
        self.block.time += seconds;
        self.block.number += blocks;
        self.rng.fill(&mut self.block.prevrandao[..]);
    }

    /// Anyone with a key.
    pub fn anyone(&mut self) -> usize {
        self.rng.random_range(0..PEOPLE)
    }

    /// True in so many of a hundred times.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// The leases of a job that there are, or may be.
    pub fn leases(&self, known: &Known) -> Vec<(u32, LeaseSlot)> {
        let (mut first, mut leases) = (0, Vec::new());
        let (terms, store) = (&known.core.terms, &self.sides.model.store);
        while first < terms.tasks {
            let lease = store.lease(&known.id, first);
            match lease.phase {
                // The first lease of a redundant job is written with its first seat.
                Phase::None if known.core.assurance.replicas > 1 && first == 0 => leases.push((
                    first,
                    LeaseSlot {
                        count: terms.max_lease,
                        phase: Phase::Free,
                        round: 1,
                        ..lease
                    },
                )),
                Phase::None => break,
                _ => leases.push((first, lease)),
            }
            first += leases.last().map_or(1, |(_, lease)| lease.count.max(1));
        }
        leases
    }
}
