//! Both sides of one market, held together: every step is made on both, and everything that can be seen is compared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy_primitives::{Address as EthAddress, U256, hex};
use piecework_protocol::types::Address;
use piecework_protocol::{Error, Event};

use crate::Fault;
use crate::bindings::Call;
use crate::chain::Block;
use crate::evm::Evm;
use crate::model::{self, Model, Outcome};

/// What was run, and how often it succeeded.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By function: calls, successes.
    pub calls: BTreeMap<&'static str, (u64, u64)>,
    /// By error: how often.
    pub errors: BTreeMap<String, u64>,
    /// By event: how often.
    pub events: BTreeMap<&'static str, u64>,
    /// Views compared.
    pub views: u64,
    /// Time in the specification, of calls alone.
    pub model_time: Duration,
    /// Time in the bytecode, of calls alone.
    pub evm_time: Duration,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        for (name, (calls, successes)) in &other.calls {
            let sum = self.calls.entry(name).or_default();
            *sum = (sum.0 + calls, sum.1 + successes);
        }
        for (name, count) in &other.errors {
            *self.errors.entry(name.clone()).or_default() += count;
        }
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
        self.views += other.views;
        self.model_time += other.model_time;
        self.evm_time += other.evm_time;
    }

    /// Calls made, and how many succeeded.
    pub fn total(&self) -> (u64, u64) {
        self.calls
            .values()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// A market on both sides.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The bytecode.
    pub evm: Evm,
    /// The specification.
    pub model: Model,
    /// What was run.
    pub tally: Tally,
}

/// The name of an error with this revert data.
pub fn error_name(data: &[u8]) -> String {
    let Some(selector) = data.first_chunk::<4>() else {
        return "(nothing)".into();
    };
    let known = Error::LIST
        .iter()
        .find(|(_, _, known)| known.to_be_bytes() == *selector);
    match known {
        Some(("Panic", ..)) => format!("Panic({:#x})", data.last().copied().unwrap_or_default()),
        Some((name, ..)) => (*name).into(),
        None => format!("the token's {}", hex::encode(selector)),
    }
}

fn show(outcome: &Outcome) -> String {
    match outcome {
        Ok(data) => format!("returns {}", hex::encode_prefixed(data)),
        Err(data) => format!(
            "reverts with {} {}",
            error_name(data),
            hex::encode_prefixed(data)
        ),
    }
}

impl Pair {
    /// What the specification alone would answer; nothing is kept.
    pub fn would(&mut self, caller: Address, call: &Call, block: &Block) -> Outcome {
        let (writes, host) = (self.model.store.writes(), self.model.host.clone());
        self.enter(caller, block, false);
        let outcome = model::apply(&mut self.model, call);
        self.model.store.undo_to(writes);
        self.model.host = host;
        outcome
    }

    fn enter(&mut self, caller: Address, block: &Block, short: bool) {
        let host = &mut self.model.host;
        (host.caller, host.block, host.short) = (caller, *block, short);
        host.logs.clear();
    }

    /// Makes a call on both sides. Returns whether it succeeded.
    pub fn step(
        &mut self,
        caller: Address,
        call: &Call,
        block: &Block,
        short: bool,
    ) -> Result<bool, Fault> {
        self.model.store.begin();
        self.enter(caller, block, short);
        let token = self.model.host.token.clone();
        let started = Instant::now();
        let ours = model::apply(&mut self.model, call);
        self.tally.model_time += started.elapsed();
        if ours.is_err() {
            self.model.host.token = token; // what the token did is the host's to undo
        }
        let data = call.encode();
        let started = Instant::now();
        let theirs = self
            .evm
            .call(EthAddress::from(caller), data, block, short)?;
        self.tally.evm_time += started.elapsed();

        if ours != theirs.outcome {
            return Err(Fault(format!(
                "{call:?}\nby {} in {block:?}:\nthe specification {}\nthe bytecode {}",
                hex::encode_prefixed(caller),
                show(&ours),
                show(&theirs.outcome)
            )));
        }
        let name = call.name();
        let sum = self.tally.calls.entry(name).or_default();
        sum.0 += 1;
        match &ours {
            Ok(_) => sum.1 += 1,
            Err(data) => *self.tally.errors.entry(error_name(data)).or_default() += 1,
        }
        let logs = if ours.is_ok() {
            std::mem::take(&mut self.model.host.logs)
        } else {
            Vec::new()
        };
        if ours.is_err() && (self.model.store.writes() != 0 || !self.model.host.logs.is_empty()) {
            return Err(Fault(format!("{call:?}: refused, and yet it wrote")));
        }
        if logs != theirs.logs {
            return Err(Fault(format!(
                "{call:?}:\nthe specification's logs {logs:?}\nthe bytecode's {:?}",
                theirs.logs
            )));
        }
        for (topics, _) in &logs {
            let event = Event::LIST
                .iter()
                .find(|(_, _, _, topic)| topics.first() == Some(topic));
            *self
                .tally
                .events
                .entry(event.map_or("?", |event| event.0))
                .or_default() += 1;
        }
        Ok(ours.is_ok())
    }

    /// Reads on both sides.
    pub fn look(&mut self, call: &Call, block: &Block) -> Result<(), Fault> {
        self.enter([0; 20], block, false);
        let ours = model::apply(&mut self.model, call);
        let theirs = self.evm.view(call.encode(), block)?;
        self.tally.views += 1;
        if ours != theirs {
            return Err(Fault(format!(
                "{call:?}:\nthe specification {}\nthe bytecode {}",
                show(&ours),
                show(&theirs)
            )));
        }
        Ok(())
    }

    /// Compares an account's tokens.
    pub fn compare_tokens(&mut self, account: Address, block: &Block) -> Result<(), Fault> {
        let ours = self
            .model
            .host
            .token
            .balances
            .get(&account)
            .copied()
            .unwrap_or(U256::ZERO);
        let theirs = self.evm.token_balance(account.into(), block)?;
        if ours == theirs {
            return Ok(());
        }
        Err(Fault(format!(
            "{} has {ours} and {theirs} tokens",
            hex::encode_prefixed(account)
        )))
    }
}

impl std::fmt::Display for Tally {
    /// A table: function, calls, successes; the errors reached and those that were not; speed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "| function | calls | succeeded |\n| --- | --- | --- |")?;
        for (name, (calls, successes)) in &self.calls {
            writeln!(f, "| `{name}` | {calls} | {successes} |")?;
        }
        let (calls, successes) = self.total();
        writeln!(
            f,
            "| all | {calls} | {successes} ({} %) |",
            successes * 100 / calls.max(1)
        )?;

        let all: Vec<&str> = Error::LIST
            .iter()
            .map(|error| error.0)
            .filter(|name| *name != "Panic")
            .collect();
        let missing: Vec<&str> = all
            .iter()
            .copied()
            .filter(|name| !self.errors.contains_key(*name))
            .collect();
        writeln!(
            f,
            "\nerrors reached: {} of {}; not: {}",
            all.len() - missing.len(),
            all.len(),
            missing.join(", ")
        )?;
        let reached: Vec<String> = self
            .errors
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "{}", reached.join(", "))?;
        let missing: Vec<&str> = Event::LIST
            .iter()
            .map(|event| event.0)
            .filter(|name| !self.events.contains_key(name))
            .collect();
        let seen = Event::LIST.len() - missing.len();
        writeln!(
            f,
            "events seen: {seen} of {}; not: {}",
            Event::LIST.len(),
            missing.join(", ")
        )?;
        let reached: Vec<String> = self
            .events
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "{}", reached.join(", "))?;
        let speed = |time: Duration| calls as f64 / time.as_secs_f64().max(1e-9);
        write!(
            f,
            "calls a second: the specification {:.0}, the bytecode {:.0}; views compared: {}",
            speed(self.model_time),
            speed(self.evm_time),
            self.views
        )
    }
}
