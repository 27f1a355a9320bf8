//! A market with people in it, and the traces that they make: clients, honest, late and lying providers, operators,
//! challengers, jurors, strangers; time and blocks pass.

use std::collections::HashMap;

use alloy_primitives::{Address as EthAddress, U256, hex, keccak256};
use alloy_sol_types::SolCall;
use k256::ecdsa::SigningKey;
use piecework_protocol::Store;
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Job, Phase};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::bindings::IMarket::{self, IMarketCalls};
use crate::bindings::{Call, Constructor, DevToken};
use crate::chain::{Block, Chain, RULE, Token, TokenKind, account_of};
use crate::evm::Evm;
use crate::memory::Memory;
use crate::model::{Model, times_of};
use crate::pair::Pair;
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
    pub vote: Bytes32,
    /// Of a juror.
    pub keyed: Bytes32,
    /// Of the commitment.
    pub salt: Bytes32,
}

/// Where somebody committed: job, first, round, challenge, who. A challenger is its own address with a mark.
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

/// The bytecode under test: creation code of the market and the token.
#[derive(Clone, Debug)]
pub struct Code {
    /// The market's.
    pub market: Vec<u8>,
    /// The token's.
    pub token: Vec<u8>,
}

impl Code {
    /// That of `contracts/abi`.
    pub fn committed() -> Self {
        Self {
            market: bytecode(include_str!("../../../contracts/abi/Market.json")),
            token: bytecode(include_str!("../../../contracts/abi/DevToken.json")),
        }
    }

    /// The same, but with the market of another artifact, if `PIECEWORK_MARKET` names one.
    pub fn under_test() -> Self {
        let mut code = Self::committed();
        if let Ok(path) = std::env::var("PIECEWORK_MARKET") {
            code.market = bytecode(&std::fs::read_to_string(path).expect("an artifact"));
        }
        code
    }
}

/// The creation code in an artifact: `bytecode` as in `contracts/abi`, or `bytecode.object` as forge writes it.
pub fn bytecode(artifact: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(artifact).expect("an artifact");
    let code = json["bytecode"]
        .as_str()
        .or(json["bytecode"]["object"].as_str())
        .expect("bytecode");
    hex::decode(code).expect("hexadecimal")
}

/// A market, its people, and what they know.
#[derive(Clone, Debug)]
pub struct World {
    /// Chance.
    pub rng: ChaCha8Rng,
    /// The market.
    pub pair: Pair,
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
        drawTime: 60,
        drawStep: 15,
        revealWindow: 300,
        respondWindow: 600,
        stakeAge: 100,
    }
}

/// Deploys both sides. `Err` in it: what the constructor reverts with, the same on both.
pub fn deploy(
    code: &Code,
    arguments: &Constructor,
    kind: TokenKind,
) -> Result<Result<Pair, Vec<u8>>, Fault> {
    let deployer = EthAddress::repeat_byte(0xdd);
    let block = Block {
        chain_id: 31_337,
        number: 1_000,
        time: 1_800_000_000,
        prevrandao: [7; 32],
    };
    let mut odd: Vec<(EthAddress, &[u8])> = CONTRACTS
        .iter()
        .map(|at| (EthAddress::from(*at), &RULE[..]))
        .collect();
    // return(word) to every call
    let says;
    let token = match kind {
        TokenKind::Honest => Ok(code.token.clone().into()),
        TokenKind::Says(word) => {
            let at = EthAddress::repeat_byte(0x70);
            says = [0x60, word, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
            odd.push((at, &says));
            Err(at)
        }
    };
    // What the specification needs to know of the bytecode's side: the addresses.
    let mut arguments = arguments.clone();
    let theirs = Evm::deploy(deployer, token, &odd, &code.market, &arguments, &block)?;
    let (token, market) = match &theirs {
        Ok(evm) => (evm.token, evm.market),
        Err(_) => (EthAddress::repeat_byte(1), EthAddress::repeat_byte(2)),
    };
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
        &arguments.feeGovernor.into_array(),
        &arguments.feeRecipient.into_array(),
        arguments.feeBps,
        &times_of(&arguments.times),
    );
    match (ours, theirs) {
        (Ok(()), Ok(evm)) => Ok(Ok(Pair {
            evm,
            model,
            tally: crate::pair::Tally::default(),
        })),
        (Err(error), Err(data)) if crate::model::revert_data(&model, &error) == data => {
            Ok(Err(data))
        }
        (ours, theirs) => Err(Fault(format!(
            "the constructors differ: {ours:?}, {:?}",
            theirs.map(|_| ())
        ))),
    }
}

impl World {
    /// A market with people who have tokens, stake and deposits.
    pub fn new(seed: u64, code: &Code) -> Result<Self, Fault> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let people: Vec<Person> = (0..PEOPLE)
            .map(|number| {
                let secret = keccak256(format!("person {number}"));
                let key = SigningKey::from_slice(&secret[..]).expect("a key");
                Person {
                    address: account_of(key.verifying_key()),
                    key,
                }
            })
            .collect();
        let arguments = Constructor {
            token: MARKET_TOKEN,
            feeGovernor: people[0].address.into(),
            feeRecipient: people[1].address.into(),
            feeBps: rng.random_range(0..=500),
            times: times(),
        };
        let pair =
            deploy(code, &arguments, TokenKind::Honest)?.map_err(|_| Fault("no market".into()))?;
        let block = pair.model.host.block;
        let mut world = Self {
            rng,
            pair,
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
            self.give(address, U256::from(1_u128 << 90), allowed)?;
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

    /// Gives tokens to an account, and to the market its allowance.
    fn give(&mut self, account: Address, amount: U256, allowed: U256) -> Result<(), Fault> {
        let spender = self.pair.evm.market;
        let mint = DevToken::mintCall {
            to: account.into(),
            amount,
        }
        .abi_encode();
        let approve = DevToken::approveCall {
            spender,
            value: allowed,
        }
        .abi_encode();
        for data in [mint, approve] {
            let answer = self
                .pair
                .evm
                .token_call(account.into(), data, &self.block)?;
            answer
                .outcome
                .map_err(|_| Fault("the token refuses".into()))?;
        }
        let token = &mut self.pair.model.host.token;
        *token.balances.entry(account).or_default() += amount;
        token.allowances.insert(account, allowed);
        Ok(())
    }

    /// Makes one call on both sides.
    pub fn make(&mut self, caller: Address, call: IMarketCalls) -> Result<bool, Fault> {
        self.pair.step(caller, &Call::One(call), &self.block, false)
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
        let (terms, store) = (&known.core.terms, &self.pair.model.store);
        while first < terms.tasks {
            let lease = store.lease(&known.id, first);
            let fixed = terms.max_lease.min(terms.tasks - first);
            match lease.phase {
                Phase::None if terms.replicas == 1 => break,
                Phase::None => leases.push((
                    first,
                    LeaseSlot {
                        count: fixed,
                        phase: Phase::Free,
                        ..lease
                    },
                )),
                _ => leases.push((first, lease)),
            }
            first += leases.last().map_or(1, |(_, lease)| lease.count.max(1));
        }
        leases
    }
}
