//! What was done can be done again: a trace that fails is made shorter, told, and written to a file that the tests
//! replay first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy_primitives::{U256, hex};
use piecework_protocol::types::Address;
use serde_json::{Value, json};

use crate::Fault;
use crate::bindings::Call;
use crate::chain::{Block, TokenKind};
use crate::code::Code;
use crate::tally::Tally;
use crate::world::{World, arguments, deploy};

/// So long a failing trace is shortened.
const PATIENCE: Duration = Duration::from_secs(120);

/// One thing that was done on all sides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as in `Sides`
pub enum Step {
    /// Tokens and an allowance for the market.
    Give {
        account: Address,
        amount: U256,
        allowed: U256,
        block: Block,
    },
    /// A call of the market.
    Call {
        caller: Address,
        data: Vec<u8>,
        block: Block,
        short: bool,
    },
    /// A view of the market.
    Look { data: Vec<u8>, block: Block },
}

/// A trace in which the sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The trace's seed.
    pub seed: u64,
    /// What the market was made with.
    pub fee_bps: u16,
    /// What was done.
    pub steps: Vec<Step>,
    /// How they differ.
    pub fault: String,
}

impl Failure {
    /// Does it again. `Err`: how many of the steps it took, and how the sides differ then.
    pub fn replay(&self, code: &Code) -> Result<(), (usize, Fault)> {
        let sides = deploy(code, &arguments(self.fee_bps), TokenKind::Honest)
            .and_then(|sides| sides.map_err(|_| Fault("no market".into())));
        let mut sides = sides.map_err(|fault| (0, fault))?;
        let (mut accounts, mut last) = (vec![sides.model.host.market], sides.model.host.block);
        for (place, step) in self.steps.iter().enumerate() {
            let known = |data: &[u8]| Call::decode(data).ok_or(Fault("not a call".into()));
            let mut in_block = |block: &Block| {
                last = *block;
                last
            };
            let done = match step {
                Step::Give {
                    account,
                    amount,
                    allowed,
                    block,
                } => {
                    accounts.push(*account);
                    let block = in_block(block);
                    sides.give(*account, *amount, *allowed, &block)
                }
                Step::Call {
                    caller,
                    data,
                    block,
                    short,
                } => {
                    let block = in_block(block);
                    known(data)
                        .and_then(|call| sides.step(*caller, &call, &block, *short))
                        .map(|_| ())
                }
                Step::Look { data, block } => {
                    let block = in_block(block);
                    known(data).and_then(|call| sides.look(&call, &block))
                }
            };
            done.map_err(|fault| (place + 1, fault))?;
        }
        for account in accounts {
            let equal = sides.compare_tokens(account, &last);
            equal.map_err(|fault| (self.steps.len(), fault))?;
        }
        Ok(())
    }

    /// The same with as few steps as are found to fail in time: pieces are left out, the largest first. Any
    /// difference counts, not only the first.
    pub fn shortened(mut self, code: &Code) -> Self {
        let until = Instant::now() + PATIENCE;
        let Err((needed, _)) = self.replay(code) else {
            return self; // only the whole world shows it: the seed is what is left
        };
        self.steps.truncate(needed);
        let mut size = self.steps.len().div_ceil(2);
        while size > 0 {
            let (before, mut from) = (self.steps.len(), 0);
            while from < self.steps.len() && Instant::now() < until {
                let mut shorter = self.clone();
                shorter
                    .steps
                    .drain(from..(from + size).min(self.steps.len()));
                match shorter.replay(code) {
                    Err((needed, fault)) => {
                        shorter.steps.truncate(needed);
                        shorter.fault = fault.0;
                        self = shorter;
                    }
                    Ok(()) => from += size,
                }
            }
            // Once more with single steps for as long as that helps: what is gone may have needed others.
            size = if size == 1 && self.steps.len() < before {
                1
            } else {
                size / 2
            };
        }
        self
    }

    /// As it is kept.
    pub fn to_json(&self) -> Value {
        let block = |block: &Block| {
            json!({
                "chainId": block.chain_id,
                "number": block.number,
                "time": block.time,
                "prevrandao": hex::encode_prefixed(block.prevrandao),
            })
        };
        let step = |step: &Step| match step {
            Step::Give {
                account,
                amount,
                allowed,
                block: at,
            } => json!({
                "give": hex::encode_prefixed(account),
                "amount": amount.to_string(),
                "allowed": allowed.to_string(),
                "block": block(at),
            }),
            Step::Call {
                caller,
                data,
                block: at,
                short,
            } => json!({
                "caller": hex::encode_prefixed(caller),
                "call": hex::encode_prefixed(data),
                "name": Call::decode(data).map(|call| call.name()),
                "short": short,
                "block": block(at),
            }),
            Step::Look { data, block: at } => json!({
                "look": hex::encode_prefixed(data),
                "name": Call::decode(data).map(|call| call.name()),
                "block": block(at),
            }),
        };
        json!({
            "seed": self.seed,
            "feeBps": self.fee_bps,
            "fault": self.fault,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }

    /// From what was kept; `None` if it is not one.
    pub fn from_json(value: &Value) -> Option<Self> {
        fn bytes(value: &Value) -> Option<Vec<u8>> {
            hex::decode(value.as_str()?).ok()
        }
        fn fixed<const N: usize>(value: &Value) -> Option<[u8; N]> {
            bytes(value)?.try_into().ok()
        }
        fn step(value: &Value) -> Option<Step> {
            let at = &value["block"];
            let block = Block {
                chain_id: at["chainId"].as_u64()?,
                number: at["number"].as_u64()?,
                time: at["time"].as_u64()?,
                prevrandao: fixed(&at["prevrandao"])?,
            };
            let number = |name: &str| value[name].as_str()?.parse().ok();
            if let Some(account) = fixed(&value["give"]) {
                let (amount, allowed) = (number("amount")?, number("allowed")?);
                return Some(Step::Give {
                    account,
                    amount,
                    allowed,
                    block,
                });
            }
            if let Some(data) = bytes(&value["look"]) {
                return Some(Step::Look { data, block });
            }
            Some(Step::Call {
                caller: fixed(&value["caller"])?,
                data: bytes(&value["call"])?,
                block,
                short: value["short"].as_bool()?,
            })
        }
        Some(Self {
            seed: value["seed"].as_u64()?,
            fee_bps: value["feeBps"].as_u64()?.try_into().ok()?,
            steps: value["steps"]
                .as_array()?
                .iter()
                .map(step)
                .collect::<Option<_>>()?,
            fault: value["fault"].as_str()?.into(),
        })
    }
}

/// Where failures are kept: `audits/differential/failures`.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("failures")
}

/// Replays every failure that is kept in a directory; says how many. `Err`: one still fails.
pub fn replay_kept(code: &Code, directory: &Path) -> Result<usize, Fault> {
    let Ok(files) = std::fs::read_dir(directory) else {
        return Ok(0); // none was kept
    };
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        let value = serde_json::from_str(&text).expect("JSON");
        let failure = Failure::from_json(&value).expect("a failure");
        failure.replay(code).map_err(|(step, Fault(text))| {
            Fault(format!("{}, step {step}: {text}", path.display()))
        })?;
        count += 1;
    }
    Ok(count)
}

/// Makes so many traces of so many steps, from a seed on. `Err`: a trace in which the
/// sides differ, shortened.
pub fn hunt(code: &Code, seed: u64, traces: u64, steps: u64) -> Result<Tally, Box<Failure>> {
    let mut tally = Tally::default();
    for trace in 0..traces {
        let seed = seed + trace;
        let mut world = World::new(seed, code).expect("a market");
        if let Err(fault) = world.run(steps) {
            let after = trace * steps + world.steps;
            eprintln!("seed {seed}: the sides differ, after {after} steps; the trace is shortened");
            let failure = Failure {
                seed,
                fee_bps: world.fee_bps,
                steps: std::mem::take(&mut world.sides.record),
                fault: fault.0,
            };
            return Err(Box::new(failure.shortened(code)));
        }
        tally.add(&world.sides.tally);
    }
    Ok(tally)
}

/// [`replay_kept`] and [`hunt`]; a failure is written to [`kept`], and told in a panic.
pub fn hunt_and_keep(code: &Code, seed: u64, traces: u64, steps: u64) -> Tally {
    if let Err(fault) = replay_kept(code, &kept()) {
        panic!("{fault}");
    }
    hunt(code, seed, traces, steps).unwrap_or_else(|failure| {
        let path = kept().join(format!("seed-{}.json", failure.seed));
        let text = serde_json::to_string_pretty(&failure.to_json()).expect("JSON");
        std::fs::create_dir_all(kept()).expect("a directory");
        std::fs::write(&path, text + "\n").expect("a file");
        let names: Vec<&str> = failure.steps.iter().map(Step::name).collect();
        panic!(
            "seed {}: the sides differ; shortened to {} steps ({}), kept in {}:\n{}",
            failure.seed,
            names.len(),
            names.join(", "),
            path.display(),
            failure.fault
        );
    })
}

impl Step {
    /// What it does, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Give { .. } => "give",
            Self::Call { data, .. } | Self::Look { data, .. } => {
                Call::decode(data).map_or("?", |call| call.name())
            }
        }
    }
}
