//! A market with people in it, and the traces that they make: clients, honest, late and lying providers, operators,
//! challengers, jurors, strangers; time and blocks pass.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::{Address as EthAddress, B256, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolInterface};
use k256::ecdsa::SigningKey;
use piecework_protocol::Store;
use piecework_protocol::slots::LeaseSlot;
use piecework_protocol::types::{Address, Bytes32, Job, Phase};
use rand::seq::IndexedRandom;
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
fn times() -> IMarket::Times {
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
            let amount = if number < PROVIDERS {
                self.rng.random_range(20_000..60_000)
            } else {
                0
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

    // ---------------------------------------------------------------- a trace

    /// Makes so many steps; what differs ends them.
    pub fn run(&mut self, steps: u64) -> Result<(), Fault> {
        for _ in 0..steps {
            self.turn()
                .map_err(|Fault(text)| Fault(format!("step {}: {text}", self.steps)))?;
        }
        self.sweep()
            .map_err(|Fault(text)| Fault(format!("after step {}: {text}", self.steps)))
    }

    fn turn(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        if let Some((place, first)) = self.focus {
            let phase = self
                .pair
                .model
                .store
                .lease(&self.jobs[place].id, first)
                .phase;
            if self.chance(3) || matches!(phase, Phase::Settled | Phase::Refunded) {
                self.focus = None;
            }
        }
        self.wait();
        let mut acts = vec![self.act()];
        if self.chance(4) {
            for _ in 0..self.rng.random_range(0..3) {
                let mut more = self.act();
                more.caller = acts[0].caller;
                acts.push(more);
            }
            let calls = acts.iter().map(|act| act.call.clone()).collect();
            let block = self.block;
            if self
                .pair
                .step(acts[0].caller, &Call::All(calls), &block, false)?
            {
                acts.into_iter().for_each(|act| self.remember(act.notes));
            }
        } else {
            let act = acts.swap_remove(0);
            self.carry_out(act)?;
        }
        self.look_around()
    }

    fn carry_out(&mut self, act: Act) -> Result<(), Fault> {
        let mut block = self.block;
        if self.chance(2) {
            block.chain_id = 99; // the lesser side of a fork
        }
        let short = matches!(act.call, IMarketCalls::prove(_)) && self.chance(10);
        if self
            .pair
            .step(act.caller, &Call::One(act.call), &block, short)?
        {
            self.remember(act.notes);
        }
        Ok(())
    }

    fn remember(&mut self, notes: Vec<Note>) {
        for note in notes {
            match note {
                Note::Job(known) => self.jobs.push(*known),
                Note::Secret(place, secret) => drop(self.secrets.insert(place, secret)),
                Note::Outputs(place, outputs) => drop(self.outputs.insert(place, outputs)),
            }
        }
    }

    /// A call: mostly one that can succeed, sometimes a careless one, sometimes one with a wrong word in it.
    fn act(&mut self) -> Act {
        let careful = self.chance(60);
        for _ in 0..12 {
            let act = self.idea();
            if !careful {
                return if self.chance(50) {
                    self.spoil(act)
                } else {
                    act
                };
            }
            let block = self.block;
            if self
                .pair
                .would(act.caller, &Call::One(act.call.clone()), &block)
                .is_ok()
            {
                return act;
            }
        }
        self.idea()
    }

    /// The act with another caller, or with another word somewhere.
    fn spoil(&mut self, mut act: Act) -> Act {
        if self.chance(30) {
            let number = self.anyone();
            act.caller = self.people[number].address;
            return act;
        }
        let data = act.call.abi_encode();
        let words = (data.len() - 4) / 32;
        let job = if words > 18 && self.chance(75) { 18 } else { 0 };
        if words <= job {
            return act;
        }
        for _ in 0..8 {
            let mut data = data.clone();
            let at = 4 + 32 * self.rng.random_range(job..words);
            match self.rng.random_range(0..4) {
                0 => data[at..at + 32].fill(0),
                1 => data[at + 31] ^= 1 << self.rng.random_range(0..3),
                2 => data[at + 12] ^= 0x80,
                _ => data[at + self.rng.random_range(0..32)] ^= 1,
            }
            // Only what is a call of the ABI to the bit: a typed caller can send nothing else.
            if let Ok(call) = IMarketCalls::abi_decode_validate(&data)
                && call.abi_encode() == data
            {
                // Another job than was meant.
                if let IMarketCalls::post(IMarket::postCall { job, spec })
                | IMarketCalls::postFor(IMarket::postForCall { job, spec, .. }) = &call
                {
                    let known = self.known(job.clone(), spec.to_vec());
                    act.notes = vec![Note::Job(Box::new(known))];
                }
                act.call = call;
                break;
            }
        }
        act
    }

    // ---------------------------------------------------------------- time

    fn wait(&mut self) {
        let (seconds, blocks) = (self.rng.random_range(0..12), self.rng.random_range(0..3));
        if self.chance(4)
            && let Some(deadline) = self.some_deadline()
            && deadline > self.block.time
        {
            let after = self.rng.random_range(0..2);
            self.pass(deadline - self.block.time + after, 1);
        } else if self.chance(1) {
            self.pass(seconds, 300);
        } else {
            self.pass(seconds, blocks);
        }
    }

    /// A moment at which something of some job ends or begins.
    fn some_deadline(&mut self) -> Option<u64> {
        let (known, first) = self.some_lease()?;
        let lease = Some(first);
        let (timing, times) = (&known.core.timing, times());
        let store = &self.pair.model.store;
        let mut moments = vec![timing.opens_at];
        if self.rng.random_range(0..10) == 0 {
            moments.push(timing.closes_at);
        }
        if let Some(first) = lease {
            let lease = store.lease(&known.id, first);
            let dispute = store.dispute(&known.id, first);
            let round = lease.started_at + timing.run_window;
            let jury = dispute.opened_at + times.drawTime + timing.run_window;
            moments.extend([
                lease.started_at + timing.run_window / 8,
                round,
                round + times.drawTime,
                round + times.drawTime + times.revealWindow,
                lease.submitted_at + timing.challenge_window,
                lease.submitted_at + times.revealWindow,
                lease.submitted_at + times.respondWindow,
                jury,
                jury + times.revealWindow,
                dispute.reveal_from + times.revealWindow,
            ]);
        }
        moments.retain(|moment| *moment >= self.block.time);
        moments.choose(&mut self.rng).copied()
    }

    /// A job that was posted, and one of its leases (the first task that is still to be claimed stands for one, too):
    /// mostly the same ones for a while, and such as are not final.
    pub fn some_lease(&mut self) -> Option<(Known, u32)> {
        if self.focus.is_none() {
            self.focus = (0..6).find_map(|_| self.look_for_lease());
        }
        let elsewhere = self.chance(20);
        let (place, first) = if elsewhere {
            self.look_for_lease()?
        } else {
            self.focus?
        };
        Some((self.jobs[place].clone(), first))
    }

    fn look_for_lease(&mut self) -> Option<(usize, u32)> {
        let recent = self.jobs.len().saturating_sub(8);
        let from = if self.chance(90) { recent } else { 0 };
        let place = self.rng.random_range(from..self.jobs.len().max(from + 1));
        let known = self.jobs.get(place)?.clone();
        let settled = self.chance(5);
        let mut firsts: Vec<u32> = self
            .leases(&known)
            .into_iter()
            .filter(|(_, lease)| {
                settled || !matches!(lease.phase, Phase::Settled | Phase::Refunded)
            })
            .map(|(first, _)| first)
            .collect();
        let next = self.pair.model.store.job(&known.id).next;
        if next < known.core.terms.tasks {
            firsts.push(next);
        }
        Some((place, *firsts.choose(&mut self.rng)?))
    }

    // ---------------------------------------------------------------- reading

    /// Compares what the last step may have touched.
    fn look_around(&mut self) -> Result<(), Fault> {
        let block = self.block;
        let number = self.anyone();
        let who: EthAddress = self.people[number].address.into();
        let mut views: Vec<IMarketCalls> = vec![
            IMarket::balanceOfCall { account: who }.into(),
            IMarket::providerOfCall { provider: who }.into(),
        ];
        if let Some((place, first)) = self.focus {
            let job_id = B256::from(self.jobs[place].id);
            views.push(IMarket::jobOfCall { jobId: job_id }.into());
            views.push(
                IMarket::leaseOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::disputeOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::resultRootCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
        }
        for view in views {
            self.pair.look(&Call::One(view), &block)?;
        }
        Ok(())
    }

    /// Everything that can be read of a job.
    fn views_of(&mut self, known: &Known) -> Vec<IMarketCalls> {
        let job_id = B256::from(known.id);
        let time = known.core.timing.opens_at + self.rng.random_range(0..500);
        let mut job = known.job.clone();
        if self.chance(5) {
            job.price.minPrice += 300; // more than the greatest price, in no job that was posted
        }
        let mut views: Vec<IMarketCalls> = vec![
            IMarket::jobOfCall { jobId: job_id }.into(),
            IMarket::sealOfCall { key: job_id }.into(),
            IMarket::hashJobCall {
                job: known.job.clone(),
            }
            .into(),
            IMarket::priceAtCall { job, time }.into(),
        ];
        for (first, lease) in self.leases(known) {
            views.push(
                IMarket::leaseOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::resultRootCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::disputeOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            for challenge in 0..=lease.challenges {
                let round = lease.round;
                let number = |value: u32| B256::from(U256::from(value)).0;
                let key = [
                    known.id,
                    number(first),
                    number(round.into()),
                    number(challenge.into()),
                ];
                let key = keccak256(key.as_flattened());
                views.push(IMarket::sealOfCall { key }.into());
                for person in &self.people {
                    let provider = person.address.into();
                    views.push(
                        IMarket::seatOfCall {
                            jobId: job_id,
                            first,
                            round,
                            challenge,
                            provider,
                        }
                        .into(),
                    );
                }
            }
        }
        views
    }

    /// Compares everything that can be read, and checks that the books add up.
    pub fn sweep(&mut self) -> Result<(), Fault> {
        let block = self.block;
        let mut views: Vec<IMarketCalls> = vec![
            IMarket::burnedCall {}.into(),
            IMarket::totalStakeCall {}.into(),
            IMarket::feeCall {}.into(),
            IMarket::timesCall {}.into(),
            IMarket::tokenCall {}.into(),
        ];
        let mut everyone: Vec<Address> = self.people.iter().map(|person| person.address).collect();
        everyone.extend(CONTRACTS);
        let list = self.list();
        for who in &everyone {
            let who = EthAddress::from(*who);
            views.push(IMarket::balanceOfCall { account: who }.into());
            views.push(IMarket::providerOfCall { provider: who }.into());
            views.push(IMarket::profileOfCall { provider: who }.into());
            views.push(
                IMarket::isAdmittedCall {
                    list: list.into(),
                    provider: who,
                }
                .into(),
            );
            views.push(
                IMarket::isRevokedCall {
                    client: who,
                    nonce: 3,
                }
                .into(),
            );
            for other in &everyone {
                views.push(
                    IMarket::isOperatorCall {
                        provider: who,
                        operator: (*other).into(),
                    }
                    .into(),
                );
            }
        }
        for known in self.jobs.clone() {
            views.extend(self.views_of(&known));
        }
        for view in views {
            self.pair.look(&Call::One(view), &block)?;
        }
        everyone.push(self.pair.model.host.market);
        for account in everyone {
            self.pair.compare_tokens(account, &block)?;
        }
        self.add_up()
    }

    /// How many leases are in each phase.
    pub fn phases(&self) -> BTreeMap<String, u64> {
        let mut phases = BTreeMap::new();
        for known in &self.jobs {
            for (_, lease) in self.leases(known) {
                *phases
                    .entry(format!("{:?} {:?}", lease.phase, lease.how))
                    .or_default() += 1;
            }
        }
        phases
    }
}
