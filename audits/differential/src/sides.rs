//! All sides of one market, held together: the specification, and the places where its contract runs. Every step is
//! made on all of them, and everything that can be seen is compared.

use std::time::Instant;

use alloy_primitives::{Address as EthAddress, U256, hex};
use alloy_sol_types::SolCall;
use piecework_protocol::types::Address;
use piecework_protocol::{Error, Event};

use crate::Fault;
use crate::bindings::{Call, DevToken};
use crate::chain::Block;
use crate::model::{self, Model, Outcome};
use crate::replay::Step;
use crate::tally::Tally;
use crate::target::{Message, Target};

/// A market on all sides.
#[derive(Debug)]
pub struct Sides {
    /// The specification.
    pub model: Model,
    /// Where the contract runs.
    pub targets: Vec<Box<dyn Target>>,
    /// What was run.
    pub tally: Tally,
    /// What was done, to do it again.
    pub record: Vec<Step>,
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

impl Sides {
    /// Gives tokens to an account, and to the market its allowance.
    pub fn give(
        &mut self,
        account: Address,
        amount: U256,
        allowed: U256,
        block: &Block,
    ) -> Result<(), Fault> {
        self.record.push(Step::Give {
            account,
            amount,
            allowed,
            block: *block,
        });
        let mint = DevToken::mintCall {
            to: account.into(),
            amount,
        };
        let approve = DevToken::approveCall {
            spender: self.model.host.market.into(),
            value: allowed,
        };
        for target in &mut self.targets {
            for data in [mint.abi_encode(), approve.abi_encode()] {
                let answer = target.token_call(account.into(), data, block)?;
                answer
                    .outcome
                    .map_err(|_| Fault("the token refuses".into()))?;
            }
        }
        let token = &mut self.model.host.token;
        *token.balances.entry(account).or_default() += amount;
        token.allowances.insert(account, allowed);
        Ok(())
    }

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
        host.token_said.clear();
    }

    /// Makes a call on all sides. Returns whether it succeeded.
    pub fn step(
        &mut self,
        caller: Address,
        call: &Call,
        block: &Block,
        short: bool,
    ) -> Result<bool, Fault> {
        let data = call.encode();
        self.record.push(Step::Call {
            caller,
            data: data.clone(),
            block: *block,
            short,
        });
        self.model.store.begin();
        self.enter(caller, block, short);
        let token = self.model.host.token.clone();
        let started = Instant::now();
        let ours = model::apply(&mut self.model, call);
        self.tally.model_time += started.elapsed();
        if ours.is_err() {
            self.model.host.token = token; // what the token did is the host's to undo
        }
        if ours.is_err() && (self.model.store.writes() != 0 || !self.model.host.logs.is_empty()) {
            return Err(Fault(format!("{call:?}: refused, and yet it wrote")));
        }
        let logs = std::mem::take(&mut self.model.host.logs);

        if short && ours.is_ok() {
            return Err(Fault(format!("{call:?}: done, with too little gas")));
        }
        for target in &mut self.targets {
            // It is refused, whatever it is: nobody's state is another without it.
            if short && !target.has_gas() {
                continue;
            }
            let message = Message {
                caller: EthAddress::from(caller),
                data: data.clone(),
                value: 0,
                short,
            };
            let name = target.name();
            let started = Instant::now();
            let theirs = target.call(message, block)?;
            self.tally.took(name, started.elapsed());
            if ours != theirs.outcome {
                return Err(Fault(format!(
                    "{call:?}\nby {} in {block:?}:\nthe specification {}\n{name} {}",
                    hex::encode_prefixed(caller),
                    show(&ours),
                    show(&theirs.outcome)
                )));
            }
            if logs != theirs.logs {
                return Err(Fault(format!(
                    "{call:?}:\nthe specification's logs {logs:?}\nthose of {name} {:?}",
                    theirs.logs
                )));
            }
        }
        let name = call.name();
        let sum = self.tally.calls.entry(name).or_default();
        sum.0 += 1;
        match &ours {
            Ok(_) => sum.1 += 1,
            Err(data) => *self.tally.errors.entry(error_name(data)).or_default() += 1,
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

    /// Reads on all sides.
    pub fn look(&mut self, call: &Call, block: &Block) -> Result<(), Fault> {
        self.enter([0; 20], block, false);
        let ours = model::apply(&mut self.model, call);
        self.tally.views += 1;
        for target in &mut self.targets {
            let theirs = target.view(call.encode(), block)?;
            if ours != theirs {
                self.record.push(Step::Look {
                    data: call.encode(),
                    block: *block,
                });
                return Err(Fault(format!(
                    "{call:?}:\nthe specification {}\n{} {}",
                    show(&ours),
                    target.name(),
                    show(&theirs)
                )));
            }
        }
        Ok(())
    }

    /// Compares an account's tokens.
    pub fn compare_tokens(&mut self, account: Address, block: &Block) -> Result<(), Fault> {
        let ours = self.model.host.token.balances.get(&account);
        let ours = ours.copied().unwrap_or(U256::ZERO);
        for target in &mut self.targets {
            let theirs = target.token_balance(account.into(), block)?;
            if ours != theirs {
                return Err(Fault(format!(
                    "{} has {ours} tokens, and {theirs} in {}",
                    hex::encode_prefixed(account),
                    target.name()
                )));
            }
        }
        Ok(())
    }
}
