//! A provider: the real machine, and a shell around it that plays disk, node, sender and engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::{SolError as _, SolInterface as _};
use piecework_core::{
    chain::IMarket,
    digest::{Digest, lease as digest_list, tree},
    view::{
        Block, StoredEvent,
        seat::{Key as SeatId, Vote},
    },
};
use piecework_executor_core::{
    Command, Input, Machine, Now,
    capacity::Amount,
    command::Order,
    duty::{End, Reach, seat::Tasks},
    input::{Answer, Failure, Leaf, LeafOf, PointState, Question, Topic, Verdict, Word},
    intent::{Fate, Intent, IntentId},
    machine::{Me, Settings},
    secret::Secret,
};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rustix::time::{ClockId, clock_gettime};

use crate::{
    chain::{CALM, CHAIN, Chain, MARKET, Tx},
    world::{Climate, Log},
};

/// Blocks after which an intent is no longer watched.
const WATCHED: u64 = 100;
/// Blocks that the follower brings at once.
const AT_ONCE: u64 = 200;
/// Seconds after which a transaction that pays too little is sent again.
const BUMP_AFTER: u64 = 12;

/// Where an intent stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Sent,
    Mined { block: u64, tx: B256 },
    Failed,
}

#[derive(Clone, Debug)]
struct Row {
    intent: Intent,
    state: State,
    attempts: Vec<Tx>,
    /// When it was broadcast last.
    sent_at: u64,
    over: bool,
}

/// What is on disk. It outlives the process.
#[derive(Clone, Debug, Default)]
struct Disk {
    blocks: Vec<Block>,
    events: Vec<StoredEvent>,
    intents: BTreeMap<IntentId, Row>,
    bound: Vec<(SeatId, u32, Vote)>,
    over: Vec<(SeatId, End, B256)>,
    tried: BTreeMap<B256, (u32, Verdict)>,
    tasks: BTreeMap<(B256, u32), Digest>,
    /// Intents that are not over.
    open: BTreeSet<IntentId>,
}

/// What providers serve to everybody.
#[derive(Debug, Default)]
pub struct Shelf {
    lists: BTreeMap<(Address, SeatId), Vec<Digest>>,
    /// Providers that answer now.
    pub alive: BTreeSet<Address>,
}

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

    /// Asks the process to take nothing more.
    pub fn stop(&mut self, chain: &mut Chain, time: u64, log: &mut Log) {
        let _ = self.step(chain, time, vec![Input::Stop], log);
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
        let answers = live.machine.answers();
        words.extend(
            answers
                .iter()
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

    /// Leases and seats that were paid, and that lost something.
    pub fn totals(&self) -> (u64, u64) {
        let count = |end: End| {
            self.disk
                .over
                .iter()
                .filter(|(_, other, _)| *other == end)
                .count()
        };
        (count(End::Paid) as u64, count(End::Lost) as u64)
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
        self.work(chain, time, climate, &mut inputs);
        inputs.push(Input::Tick);
        let mut ended = self.step(chain, time, inputs, log);
        self.put_out(shelf);
        if ended.is_ok() {
            let answers = self.answers(chain, time, climate, shelf);
            if !answers.is_empty() {
                ended = self.step(chain, time, answers, log);
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
        self.step(chain, time, inputs, log)
    }

    /// Brings blocks, and takes back what the chain took back.
    fn follow(&mut self, chain: &Chain, time: u64, climate: &Climate, inputs: &mut Vec<Input>) {
        let Some(live) = &mut self.live else { return };
        let tip = chain.tip().number.saturating_sub(self.lag);
        let disk = &mut self.disk;
        let is_canonical = |block: &Block| {
            chain
                .block(block.number)
                .is_some_and(|(other, _)| other.hash == block.hash)
        };
        let kept = disk
            .blocks
            .iter()
            .rposition(is_canonical)
            .map_or(0, |place| place + 1);
        // A node that does not have a block yet is behind: nothing is taken back before another one stands in its place.
        let replaced = disk
            .blocks
            .get(kept)
            .is_some_and(|block| chain.block(block.number).is_some());
        if kept < disk.blocks.len() && replaced {
            let to = kept.checked_sub(1).and_then(|place| disk.blocks.get(place));
            let to = to.map_or(0, |block| block.number);
            disk.blocks.truncate(kept);
            disk.events.retain(|event| event.block.number <= to);
            inputs.push(Input::Rewound { to });
        } else if kept < disk.blocks.len() {
            return;
        }
        let from = disk.blocks.last().map_or(0, |block| block.number + 1);
        let to = tip.min(from.saturating_add(AT_ONCE));
        let mut events = Vec::new();
        let mut head = None;
        for number in from..=to {
            let Some((block, logs)) = chain.block(number) else {
                break;
            };
            events.extend(logs.iter().cloned());
            disk.blocks.push(block);
            head = Some(block);
        }
        disk.events.extend(events.iter().cloned());
        if let Some(head) = head {
            inputs.push(Input::Block { head, events });
        }
        let read = disk.blocks.last().is_some_and(|block| block.number >= tip);
        if read && !live.synced && time >= live.born + climate.slow_sync {
            live.synced = true;
            inputs.push(Input::Synced);
        }
    }

    /// Sends what is written down, and looks what became of it.
    fn send(
        &mut self,
        chain: &mut Chain,
        time: u64,
        climate: &Climate,
        inputs: &mut Vec<Input>,
        log: &mut Log,
    ) {
        let seen = chain.tip().number.saturating_sub(self.lag);
        let (number, operator) = (self.number, self.operator);
        let mut nonce = chain.nonce(operator);
        let disk = &mut self.disk;
        let (open, intents) = (&mut disk.open, &mut disk.intents);
        for row in open.iter().filter_map(|id| intents.get(id)) {
            if let (State::Sent, Some(tx)) = (row.state, row.attempts.last())
                && tx.from == operator
            {
                nonce = nonce.max(tx.nonce + 1);
            }
        }
        // A transaction that saves a bond raises those with lower nonces with it.
        let urgent = open.iter().filter_map(|id| intents.get(id));
        let urgent = urgent.filter(|row| row.intent.at_stake > 0);
        let urgent = urgent.filter(|row| row.state == State::Sent);
        let urgent = urgent.filter_map(|row| row.attempts.last());
        let urgent = urgent.map(|tx| tx.nonce).max();
        for id in open.clone() {
            let id = &id;
            let Some(row) = intents.get_mut(id) else {
                continue;
            };
            if row.over {
                open.remove(id);
                continue;
            }
            let receipt = row
                .attempts
                .iter()
                .find_map(|tx| Some((tx.hash, chain.receipt(tx.hash, seen)?)));
            match (row.state, receipt) {
                (State::Queued, _) => {
                    if row.intent.not_after.is_some_and(|by| time > by) {
                        row.state = State::Failed;
                    } else if climate.refuses && self.rng.random_ratio(1, 20) {
                        row.state = State::Failed;
                    } else if let Err(data) = chain.simulate(operator, &row.intent.data, time) {
                        let why = word(&data);
                        log.say(time, || format!("provider {number}: {id} refused: {why}"));
                        row.state = State::Failed;
                    } else {
                        let fee = chain.base_fee.saturating_mul(2).min(CALM * climate.cap);
                        let tx = Tx::new(operator, nonce, row.intent.data.clone(), fee);
                        nonce += 1;
                        log.sent(time, number, id, &tx, chain);
                        chain.broadcast(tx.clone());
                        row.attempts.push(tx);
                        (row.state, row.sent_at) = (State::Sent, time);
                    }
                    if row.state == State::Failed {
                        row.over = true;
                        inputs.push(Input::Intent {
                            id: *id,
                            fate: Fate::Failed,
                        });
                    }
                }
                (State::Sent, Some((tx, receipt))) => {
                    let block = receipt.block;
                    (row.state, row.over) = match receipt.ok {
                        true => (State::Mined { block, tx }, false),
                        false => (State::Failed, true),
                    };
                    let fate = match receipt.ok {
                        true => Fate::Mined { block, tx },
                        false => Fate::Failed,
                    };
                    inputs.push(Input::Intent { id: *id, fate });
                }
                (State::Sent, None) => {
                    let Some(last) = row.attempts.last().cloned() else {
                        continue;
                    };
                    if last.from != operator || chain.nonce(operator) > last.nonce {
                        // The nonce went to another one, or the key is gone.
                        let mut mined = row.attempts.iter();
                        if mined.any(|tx| chain.receipt(tx.hash, u64::MAX).is_some()) {
                            continue;
                        }
                        if id.what.is_repeatable() {
                            row.state = State::Queued;
                        } else {
                            // The old one may still be mined: a second one would claim twice.
                            (row.state, row.over) = (State::Failed, true);
                            inputs.push(Input::Intent {
                                id: *id,
                                fate: Fate::Failed,
                            });
                        }
                        continue;
                    }
                    if !chain.is_pooled(last.hash) && chain.receipt(last.hash, u64::MAX).is_none() {
                        chain.broadcast(last.clone());
                    }
                    if chain.base_fee > last.max_fee && time > row.sent_at + BUMP_AFTER {
                        // What saves a bond may pay fifty times what is usual.
                        let cap = match urgent >= Some(last.nonce) {
                            true => 100,
                            false => climate.cap,
                        };
                        let fee = chain.base_fee.saturating_mul(2).min(CALM * cap);
                        if fee > last.max_fee {
                            let tx = Tx::new(operator, last.nonce, last.data.clone(), fee);
                            chain.broadcast(tx.clone());
                            row.attempts.push(tx);
                            row.sent_at = time;
                        }
                    }
                }
                (State::Mined { block, .. }, Some((_, receipt))) if receipt.block == block => {
                    row.over = seen > block + WATCHED;
                }
                (State::Mined { .. }, Some((tx, receipt))) => {
                    let block = receipt.block;
                    row.state = State::Mined { block, tx };
                    inputs.push(Input::Intent {
                        id: *id,
                        fate: Fate::Mined { block, tx },
                    });
                }
                (State::Mined { block, .. }, None) => {
                    // Reorganized away: it is on its way again. A node that is behind has no receipt yet.
                    if seen >= block {
                        row.state = State::Sent;
                        inputs.push(Input::Intent {
                            id: *id,
                            fate: Fate::Open,
                        });
                    }
                }
                (State::Failed, _) => row.over = true,
            }
        }
        self.fill_gap(chain);
    }

    /// Fills a nonce that nothing of ours has any more, as the sender does: a refused transaction that was reorganized away
    /// left it.
    fn fill_gap(&self, chain: &mut Chain) {
        let next = chain.nonce(self.operator);
        let open = self
            .disk
            .open
            .iter()
            .filter_map(|id| self.disk.intents.get(id));
        let sent = open.filter(|row| row.state == State::Sent);
        let nonces: Vec<u64> = sent
            .filter_map(|row| row.attempts.last())
            .filter(|tx| tx.from == self.operator)
            .map(|tx| tx.nonce)
            .collect();
        if !nonces.is_empty() && !nonces.contains(&next) {
            chain.broadcast(Tx::new(
                self.operator,
                next,
                Bytes::new(),
                chain.base_fee * 2,
            ));
        }
    }

    /// Ends the runs that are due, and brings what was to come later.
    fn work(&mut self, chain: &Chain, time: u64, climate: &Climate, inputs: &mut Vec<Input>) {
        let Some(live) = &mut self.live else { return };
        let due: Vec<SeatId> = live
            .work
            .iter()
            .filter(|(_, (_, ends))| time >= *ends)
            .map(|(seat, _)| *seat)
            .collect();
        for seat in due {
            let Some((order, _)) = live.work.remove(&seat) else {
                continue;
            };
            // The machine was busy, or the engine hung: it is tried again while that helps.
            if climate.engine_fails && self.rng.random_ratio(1, 6) && time + 20 < order.deadline {
                let ends = time + self.rng.random_range(5..15);
                live.work.insert(seat, (order, ends));
                continue;
            }
            let result = if time > order.deadline {
                Err(failure("the time is over"))
            } else {
                let cheats = match self.character {
                    Character::Honest => false,
                    Character::Cheat(percent) => self.rng.random_ratio(percent, 100),
                };
                let print = self.runs * 100 + self.number as u64;
                Ok(run(&mut self.disk, &order, cheats.then_some(print)))
            };
            inputs.push(Input::Worked {
                seat,
                keyed: order.keyed,
                result,
            });
        }
        let later = std::mem::take(&mut live.later);
        for (at, input) in later {
            if time < at {
                live.later.push((at, input));
                continue;
            }
            if let Input::Tried {
                spec,
                task,
                verdict,
            } = &input
            {
                self.disk.tried.insert(*spec, (*task, *verdict));
            }
            if let Input::Answer(answer) = &input
                && climate.duplicates
                && self.rng.random_ratio(1, 10)
            {
                let again = time + self.rng.random_range(1..30);
                live.later.push((again, Input::Answer(answer.clone())));
            }
            inputs.push(input);
        }
        let _ = chain;
    }

    /// The answers that are known at once.
    fn answers(
        &mut self,
        chain: &mut Chain,
        time: u64,
        climate: &Climate,
        shelf: &Shelf,
    ) -> Vec<Input> {
        let Some(live) = &mut self.live else {
            return Vec::new();
        };
        let mut now = Vec::new();
        for question in std::mem::take(&mut live.asked) {
            let topic = question.topic();
            let silent = time < self.silent_until
                || (climate.silence > 0 && self.rng.random_ratio(climate.silence, 100));
            let answer = match silent {
                true => Answer::Silence(topic),
                false => answer(
                    question,
                    chain,
                    time,
                    (self.address, self.operator, &self.old_operators),
                    &self.disk,
                    shelf,
                ),
            };
            let delay = match climate.slow {
                true => self.rng.random_range(0..12),
                false => 0,
            };
            let input = Input::Answer(answer);
            match delay {
                0 => now.push(input),
                delay => live.later.push((time + delay, input)),
            }
        }
        now
    }

    /// Commits, then acts.
    fn step(
        &mut self,
        chain: &mut Chain,
        time: u64,
        inputs: Vec<Input>,
        log: &mut Log,
    ) -> Result<(), Died> {
        let now = self.now(time);
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        let began = cpu_time();
        let commands = live.machine.step(now, Amount::default(), inputs);
        self.thought += cpu_time().saturating_sub(began);
        log.used(
            time,
            self.number,
            live.machine.running(),
            self.settings.total,
        );
        if commands.is_empty() {
            return Ok(());
        }
        // Nothing of a step is on disk, or all of it.
        self.point()?;
        for command in &commands {
            self.commit(command);
        }
        for command in commands {
            self.point()?;
            self.act(chain, time, command, log);
        }
        Ok(())
    }

    /// A moment in which a process may die.
    fn point(&mut self) -> Result<(), Died> {
        let here = self.points;
        self.points += 1;
        match self.dies_at == Some(here) {
            true => Err(Died),
            false => Ok(()),
        }
    }

    fn commit(&mut self, command: &Command) {
        match command {
            Command::Bind { seat, tasks, vote } => {
                let row = (*seat, tasks.first, *vote);
                if !self.disk.bound.contains(&row) {
                    self.disk.bound.push(row);
                }
            }
            Command::Send(intent) => {
                let row = Row {
                    intent: intent.clone(),
                    state: State::Queued,
                    attempts: Vec::new(),
                    sent_at: 0,
                    over: false,
                };
                self.disk.intents.entry(intent.id).or_insert(row);
                self.disk.open.insert(intent.id);
            }
            Command::Over(over) => {
                let row = (over.seat, over.end, over.seat.lease.job);
                self.disk.over.push(row);
            }
            _ => {}
        }
    }

    fn act(&mut self, chain: &mut Chain, time: u64, command: Command, log: &mut Log) {
        let number = self.number;
        let Some(live) = &mut self.live else { return };
        match command {
            Command::Bind { .. } => {}
            Command::Forget { job } => {
                self.disk.events.retain(|event| event.job != job);
            }
            Command::Send(intent) => {
                log.say(time, || {
                    format!("provider {number}: {} is asked for", intent.id)
                });
            }
            Command::Over(over) => {
                log.say(time, || {
                    format!(
                        "provider {number}: {:?} is over: {:?}, lost {}, {:?}",
                        over.seat.lease.first, over.end, over.lost, over.why
                    )
                });
            }
            Command::Ask { question, .. } => live.asked.push(question),
            Command::Prepare { job, .. } => {
                let at = time + self.rng.random_range(0..3);
                let result = match self.rng.random_ratio(1, 12) {
                    true => Err(failure("the client does not answer")),
                    false => Ok(()),
                };
                live.later.push((at, Input::Prepared { job, result }));
            }
            Command::Run(order) => {
                let known = |task: u32| {
                    let key = (order.seat.lease.job, task);
                    self.disk.tasks.contains_key(&key)
                };
                let tasks = order.tasks;
                let missing = (tasks.first..tasks.first + tasks.count).filter(|task| !known(*task));
                let missing = u32::try_from(missing.count()).unwrap_or(u32::MAX);
                let each = order.spec.resources.timeout_seconds;
                let each = self.rng.random_range(1..=each.max(1));
                let rounds = missing.div_ceil(order.parallel.max(1));
                let ends = time + u64::from(rounds) * each;
                log.say(time, || {
                    format!("provider {number} runs {:?} until {ends}", order.seat)
                });
                live.work.insert(order.seat, (order, ends));
            }
            Command::StopWork { seat } => {
                log.say(time, || format!("provider {number} stops {seat:?}"));
                live.work.remove(&seat);
            }
            Command::Try {
                task, digest, spec, ..
            } => {
                let at = time + 2 * spec.resources.timeout_seconds;
                live.later.push((
                    at,
                    Input::Tried {
                        spec: digest,
                        task,
                        verdict: Verdict::Same,
                    },
                ));
            }
            Command::StopTrial { spec } => {
                live.later.retain(
                    |(_, input)| !matches!(input, Input::Tried { spec: other, .. } if *other == spec),
                );
            }
            Command::Serve { seat, reach, tasks } => {
                let mut all = tasks.first..tasks.first + tasks.count;
                let job = seat.lease.job;
                if !all.all(|task| self.disk.tasks.contains_key(&(job, task))) {
                    live.later.push((time + 1, Input::Missing { seat }));
                    return;
                }
                if reach >= Reach::List {
                    live.opened.push((seat, tasks));
                }
                live.later.push((time + 1, Input::Served { seat, reach }));
            }
        }
        let _ = chain;
    }

    /// Puts the digest lists out that everybody may have since the last step.
    fn put_out(&mut self, shelf: &mut Shelf) {
        let Some(live) = &mut self.live else { return };
        for (seat, tasks) in live.opened.drain(..) {
            let job = seat.lease.job;
            let known = self
                .disk
                .tasks
                .range((job, tasks.first)..(job, tasks.first + tasks.count));
            let digests = known.map(|(_, digest)| *digest).collect();
            shelf.lists.insert((self.address, seat), digests);
        }
    }
}

/// The processor's time that this thread took so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn failure(why: &str) -> Failure {
    Failure {
        why: why.to_owned(),
        of_the_job: false,
        of_the_input: false,
        unsure: false,
    }
}

/// A task's output, of an honest run or of a cheat's.
fn output(job: B256, task: u32, cheat: Option<u64>) -> Digest {
    let mut bytes = job.to_vec();
    bytes.extend_from_slice(&task.to_be_bytes());
    if let Some(cheat) = cheat {
        bytes.extend_from_slice(&cheat.to_be_bytes());
    }
    Digest::of(&bytes)
}

/// Runs what has no outcome yet, writes it down, and returns the vote.
fn run(disk: &mut Disk, order: &Order, cheat: Option<u64>) -> Vote {
    let job = order.seat.lease.job;
    let tasks = order.tasks.first..order.tasks.first + order.tasks.count;
    let digests: Vec<Digest> = tasks
        .map(|task| {
            let known = disk.tasks.entry((job, task));
            *known.or_insert_with(|| output(job, task, cheat))
        })
        .collect();
    match order.keyed {
        Some(key) => {
            let digest = digests
                .first()
                .map_or(B256::ZERO, |digest| (*digest).into());
            Vote {
                value: digest,
                proof: keccak256([key.as_slice(), digest.as_slice()].concat()),
            }
        }
        None => Vote {
            value: tree::root(order.tasks.first, &digests).unwrap_or_default(),
            proof: Digest::of(&digest_list::encode(&digests)).into(),
        },
    }
}

fn word(data: &[u8]) -> String {
    match IMarket::IMarketErrors::abi_decode(data) {
        Ok(error) => format!("{error:?}").chars().take(90).collect(),
        Err(_) => "no word".to_owned(),
    }
}

fn answer(
    question: Question,
    chain: &mut Chain,
    time: u64,
    (me, operator, old): (Address, Address, &[Address]),
    disk: &Disk,
    shelf: &Shelf,
) -> Answer {
    let topic = question.topic();
    match question {
        Question::Simulate { what, data } => {
            let word = match chain.simulate(operator, &data, time) {
                Ok(_) => Word::Yes,
                Err(data) => match IMarket::NotDrawn::abi_decode(&data) {
                    Ok(not) => Word::DrawnFrom(not.from),
                    Err(_) => Word::No(word(&data)),
                },
            };
            Answer::Simulate { what, word }
        }
        Question::Leaf { seat, of } => Answer::Leaf {
            seat,
            leaf: leaf(&of, me, seat, disk, shelf),
        },
        Question::Plain(Topic::Stake) => {
            let (number, total, free) = chain.provider(me);
            Answer::Stake {
                total,
                free,
                number,
            }
        }
        Question::Plain(Topic::Number(provider)) => Answer::Number {
            provider,
            number: chain.provider(provider).0,
        },
        Question::Plain(Topic::Admitted(list)) => Answer::Admitted {
            list,
            admitted: false,
        },
        Question::Plain(Topic::Owner(tx)) => {
            let mut rows = disk.intents.values();
            let known = rows.any(|row| row.attempts.iter().any(|attempt| attempt.hash == tx));
            match (known, chain.sender(tx)) {
                (true, _) => Answer::Owner { tx, ours: true },
                (false, Some(sender)) => Answer::Owner {
                    tx,
                    ours: sender == operator || old.contains(&sender),
                },
                (false, None) => Answer::Silence(topic),
            }
        }
        Question::Plain(Topic::Point(point)) => match chain.beacon(point, time) {
            Some((at, seed, dead)) => Answer::Point(PointState {
                point,
                time: at,
                seed,
                dead,
                due: false,
                likely: None,
            }),
            None => Answer::Silence(topic),
        },
        Question::Plain(Topic::Publication(point)) => Answer::Publication { point, call: None },
        Question::Plain(Topic::Simulate(_) | Topic::Leaf(_)) => Answer::Silence(topic),
    }
}

fn leaf(of: &LeafOf, me: Address, seat: SeatId, disk: &Disk, shelf: &Shelf) -> Option<Leaf> {
    let count = usize::try_from(of.count).ok()?;
    if of.provider == me {
        let job = seat.lease.job;
        let tasks = disk
            .tasks
            .range((job, of.first)..(job, of.first + of.count));
        let digests: Vec<Digest> = tasks.map(|(_, digest)| *digest).collect();
        return Leaf::find(&digests, of);
    }
    let id = SeatId { kind: 0, ..seat };
    let list = shelf.lists.get(&(of.provider, id));
    let list = list.filter(|_| shelf.alive.contains(&of.provider))?;
    Leaf::find(list.get(..count)?, of)
}

/// A spec that runs anywhere.
pub fn spec(tasks: u32, timeout: u64, name: u64) -> Bytes {
    let spec = serde_json::json!({
        "version": 1, "tasks": tasks,
        "image": {
            "manifest": format!("sha256:{}", "ab".repeat(32)), "platform": "linux/amd64", "archive": "cd".repeat(32),
        },
        "env": { "SEED": name.to_string() },
        "resources": { "cpu_millis": 1_000, "memory_bytes": 64 << 20, "disk_bytes": 1 << 20, "timeout_seconds": timeout },
    });
    spec.to_string().into_bytes().into()
}
