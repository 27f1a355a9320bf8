//! A provider: the real machine, and a shell around it that plays disk, node, sender and engine.

mod answers;
mod disk;
mod node;
mod step;
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::{Address, B256, keccak256};
use piecework_core::view::seat::Key as SeatId;
use piecework_executor_core::{
    Input, Machine, Now,
    command::Order,
    duty::seat::Tasks,
    input::Question,
    intent::Fate,
    machine::{Me, Settings},
    secret::Secret,
};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use self::disk::{Disk, State};
pub use self::{disk::Shelf, worker::spec};
use crate::{
    chain::{CHAIN, Chain, MARKET},
    climate::Climate,
    log::Log,
};

/// A process.
struct Live {
    machine: Machine,
    born: u64,
    synced: bool,
    /// Runs that go on: what was ordered, and when each ends.
    work: BTreeMap<SeatId, (Order, u64)>,
    /// What reaches the machine later.
    later: Vec<(u64, Input)>,
    /// Questions that were asked in this second.
    asked: Vec<Question>,
    /// Leases whose lists everybody may have since the last step.
    opened: Vec<(SeatId, Tasks)>,
}

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// It runs what it is paid for.
    Honest,
    /// Its results are wrong, with a chance in percent.
    Cheat(u32),
}

/// A provider and its machine.
pub struct Provider {
    /// Its place among the providers.
    pub number: usize,
    /// The staked account.
    pub address: Address,
    /// The key that signs.
    pub operator: Address,
    /// Keys that signed before.
    old_operators: Vec<Address>,
    /// How it behaves.
    pub character: Character,
    settings: Settings,
    disk: Disk,
    live: Option<Live>,
    /// When it is started again, if it is down.
    pub down_until: u64,
    /// How many blocks its node is behind.
    pub lag: u64,
    /// Until when its node says nothing.
    pub silent_until: u64,
    /// Until when its disk takes nothing.
    pub full_until: u64,
    /// By how many seconds its clock is wrong.
    pub skew: i64,
    /// Commits and commands so far: the points at which a process can die.
    pub points: u64,
    /// The point at which it dies.
    pub dies_at: Option<u64>,
    /// Deaths so far.
    pub deaths: u64,
    /// What its machine's steps took so far.
    pub thought: Duration,
    /// Makes what a cheat prints differ from run to run, after it lost what it printed before.
    runs: u64,
    rng: ChaCha8Rng,
}

/// A process that died in the middle of a step.
struct Died;

impl Provider {
    /// A provider that has not started yet.
    pub fn new(
        number: usize,
        address: Address,
        operator: Address,
        character: Character,
        settings: Settings,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            number,
            address,
            operator,
            old_operators: Vec::new(),
            character,
            settings,
            disk: Disk::default(),
            live: None,
            down_until: 0,
            lag: 0,
            silent_until: 0,
            full_until: 0,
            skew: 0,
            points: 0,
            dies_at: None,
            deaths: 0,
            thought: Duration::ZERO,
            runs: 0,
            rng,
        }
    }

    /// Lets it hold so many leases at the same time.
    pub fn widen(&mut self, leases: u32) {
        self.settings.policy.max_leases = leases;
        self.settings.policy.try_seconds = 0;
        self.settings.total.tasks = 8;
    }

    /// Signs with another key from the next start on.
    pub fn rotate(&mut self, operator: Address) {
        self.old_operators
            .push(std::mem::replace(&mut self.operator, operator));
        self.kill(0);
    }

    /// Ends the process at once. It starts again at this time.
    pub fn kill(&mut self, until: u64) {
        if self.live.take().is_some() {
            self.deaths += 1;
        }
        self.down_until = until;
    }

    /// Loses outcomes of tasks: they are run again. A cheat may have others then.
    pub fn lose_outcomes(&mut self) {
        let rng = &mut self.rng;
        self.disk.tasks.retain(|_, _| rng.random_ratio(1, 2));
        self.runs += 1;
    }

    /// Loses the whole database. What is left is the key and the secret.
    pub fn lose_database(&mut self, until: u64) {
        self.disk = Disk::default();
        self.kill(until);
    }

    /// The duties that it has not ended.
    pub fn duties(&self) -> usize {
        self.live
            .as_ref()
            .map_or(0, |live| live.machine.duties().len())
    }

    /// Its duties, in words.
    pub fn describe(&self) -> String {
        let Some(live) = &self.live else {
            return "down".to_owned();
        };
        let duties = live.machine.duties();
        let mut words: Vec<String> = duties
            .iter()
            .map(|duty| {
                let lease = duty.seat.lease;
                format!(
                    "{}/{}/{}/{} {} {}/{}",
                    &lease.job.to_string()[..8],
                    lease.first,
                    lease.round,
                    duty.seat.kind,
                    duty.phase,
                    duty.done,
                    duty.tasks.count
                )
            })
            .collect();
        words.extend(
            live.machine
                .answers()
                .map(|answer| format!("[{}: {}]", &answer.job.to_string()[..8], answer.why)),
        );
        words.extend(
            live.machine
                .blocked()
                .iter()
                .map(|blocked| format!("blocked: {blocked:?}")),
        );
        words.join("; ")
    }

    /// Values that it bound for one seat and task: more than one is a contradiction.
    pub fn contradictions(&self) -> Vec<SeatId> {
        let mut values: BTreeMap<(SeatId, u32), BTreeSet<B256>> = BTreeMap::new();
        for (seat, task, vote) in &self.disk.bound {
            values.entry((*seat, *task)).or_default().insert(vote.value);
        }
        let contradicted = values.into_iter().filter(|(_, values)| values.len() > 1);
        contradicted.map(|((seat, _), _)| seat).collect()
    }

    /// The seats and leases whose tasks it runs, and how long one task of them may take, in seconds.
    pub fn runs(&self) -> impl Iterator<Item = (SeatId, u64)> {
        let work = self.live.iter().flat_map(|live| &live.work);
        work.map(|(seat, (order, _))| (*seat, order.spec.resources.timeout_seconds))
    }

    /// Whether it is running.
    pub fn is_alive(&self) -> bool {
        self.live.is_some()
    }

    /// One second of its life.
    pub fn second(
        &mut self,
        chain: &mut Chain,
        time: u64,
        climate: &Climate,
        shelf: &mut Shelf,
        log: &mut Log,
    ) {
        if self.live.is_none() {
            if time < self.down_until || time < self.full_until {
                return;
            }
            if self.start(chain, time, log).is_err() {
                self.kill(time + 5);
                return;
            }
        }
        // With a full disk the process waits, and ends nothing.
        if time < self.full_until {
            return;
        }
        let mut inputs = Vec::new();
        if time >= self.silent_until {
            self.follow(chain, time, climate, &mut inputs);
            self.send(chain, time, climate, &mut inputs, log);
        }
        self.work(time, climate, &mut inputs);
        inputs.push(Input::Tick);
        let mut ended = self.step(time, inputs, log);
        self.put_out(shelf);
        if ended.is_ok() {
            let answers = self.answers(chain, time, climate, shelf);
            if !answers.is_empty() {
                ended = self.step(time, answers, log);
                self.put_out(shelf);
            }
        }
        if ended.is_err() {
            let pause = self.rng.random_range(1..climate.longest_down.max(2));
            log.say(time, || {
                format!("provider {} dies for {pause} s", self.number)
            });
            self.kill(time + pause);
        }
    }

    fn now(&self, time: u64) -> Now {
        let born = self.live.as_ref().map_or(time, |live| live.born);
        Now {
            time: time.saturating_add_signed(self.skew),
            local: time.saturating_sub(born).saturating_mul(1_000),
        }
    }

    /// Starts a process, which reads what is on disk.
    fn start(&mut self, chain: &mut Chain, time: u64, log: &mut Log) -> Result<(), Died> {
        let me = Me {
            provider: self.address,
            market: MARKET,
            chain_id: CHAIN,
            times: chain.times.clone(),
            secret: Secret::new(keccak256(self.address)),
            unique: self.rng.random(),
        };
        self.live = Some(Live {
            machine: Machine::new(me, self.settings.clone()),
            born: time,
            synced: false,
            work: BTreeMap::new(),
            later: Vec::new(),
            asked: Vec::new(),
            opened: Vec::new(),
        });
        let mut inputs = Vec::new();
        let bound = self.disk.bound.iter();
        inputs.extend(bound.map(|(seat, task, vote)| Input::Bound {
            seat: *seat,
            task: *task,
            vote: *vote,
        }));
        for (seat, end, _) in &self.disk.over {
            inputs.push(Input::Over {
                seat: *seat,
                end: *end,
            });
        }
        inputs.extend(
            self.disk
                .tried
                .iter()
                .map(|(spec, (task, verdict))| Input::Tried {
                    spec: *spec,
                    task: *task,
                    verdict: *verdict,
                }),
        );
        for (id, row) in self.disk.intents.iter().filter(|(_, row)| !row.over) {
            let fate = match row.state {
                State::Queued | State::Sent => Fate::Open,
                State::Mined { block, tx } => Fate::Mined { block, tx },
                State::Failed => continue,
            };
            inputs.push(Input::Intent { id: *id, fate });
        }
        if let Some(head) = self.disk.blocks.last() {
            inputs.push(Input::Block {
                head: *head,
                events: self.disk.events.clone(),
            });
        }
        log.say(time, || format!("provider {} starts", self.number));
        self.step(time, inputs, log)
    }
}
