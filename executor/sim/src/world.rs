//! A seed's world: its people, its weather, and what must hold whatever happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{SolCall as _, SolEventInterface as _, SolInterface as _};
use piecework_core::{
    chain::{IMarket, MarketEvent},
    view::{JobView, StoredEvent},
};
use piecework_executor_core::{
    capacity::Amount,
    intent::{IntentId, What},
    machine::Settings,
    policy::{Costs, Policy, Timing},
};
use piecework_protocol::types::Phase;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    chain::{CALM, Chain, Tx},
    provider::{Character, Provider, Shelf, spec},
};

/// When every world begins, in Unix seconds.
const BEGIN: u64 = 1_800_000_000;
/// Stake of a provider.
const STAKE: u128 = 1_000_000;
/// Blocks after which no reorganization comes any more.
const DEEP: u64 = 80;
/// Seconds, at most, that a world takes to end once nothing goes wrong any more.
const QUIET: u64 = 12_000;
/// Shortest run window of a job, in seconds. A process is down for a quarter of it at most.
const WINDOW: u64 = 512;

/// The weather of a seed: which things go wrong, and how often.
#[derive(Clone, Debug)]
pub struct Climate {
    /// Seconds between blocks.
    pub block_time: u64,
    /// Chance in a thousand that a second brings a reorganization.
    pub reorgs: u32,
    /// The deepest one, in blocks.
    pub deepest: usize,
    /// Chance in percent that a question has no answer.
    pub silence: u32,
    /// Whether answers take up to 12 seconds.
    pub slow: bool,
    /// Whether answers come twice, the second time much later.
    pub duplicates: bool,
    /// Whether nodes are behind at times.
    pub lags: bool,
    /// Whether the base fee jumps to fifty times what is usual.
    pub fees: bool,
    /// Whether the pool of transactions is dropped at times.
    pub drops: bool,
    /// Whether nodes refuse transactions without cause.
    pub refuses: bool,
    /// Whether tasks fail, and are tried again.
    pub engine_fails: bool,
    /// Whether processes die.
    pub deaths: bool,
    /// Whether disks are full at times.
    pub full_disks: bool,
    /// Whether keys are changed.
    pub rotations: bool,
    /// Whether clocks are some seconds wrong.
    pub skews: bool,
    /// Whether outcomes of tasks are lost.
    pub losses: bool,
    /// Whether whole databases are lost.
    pub lost_databases: bool,
    /// What is paid for gas at most while nothing is at stake, as a multiple of what is usual.
    pub cap: u128,
    /// Seconds that a process is down at most.
    pub longest_down: u64,
    /// Seconds that reading the chain takes at a start.
    pub slow_sync: u64,
    /// Cheats among the providers.
    pub cheats: usize,
}

impl Climate {
    /// A weather by chance: each thing goes wrong in a part of all seeds.
    fn of(rng: &mut ChaCha8Rng) -> Self {
        let mut often = |percent: u32| rng.random_ratio(percent, 100);
        let (slow, duplicates, lags, fees, drops) =
            (often(40), often(40), often(50), often(40), often(30));
        let (refuses, engine_fails, deaths, full_disks, rotations, skews) = (
            often(30),
            often(40),
            often(60),
            often(30),
            often(25),
            often(40),
        );
        let deep = often(30);
        let (losses, lost_databases) = (often(25), often(20));
        let block_time = rng.random_range(2..=6);
        // A reorganization takes back a quarter of a window at most.
        let quarter = usize::try_from(WINDOW / 4 / block_time).unwrap_or(64);
        Self {
            block_time,
            reorgs: rng.random_range(0..8),
            deepest: if deep { quarter.min(64) } else { 6 },
            silence: [0, 5, 30][rng.random_range(0..3)],
            slow,
            duplicates,
            lags,
            fees,
            drops,
            refuses,
            engine_fails,
            deaths,
            full_disks,
            rotations,
            skews,
            losses,
            lost_databases,
            cap: 4,
            longest_down: WINDOW / 4,
            slow_sync: rng.random_range(0..10),
            cheats: rng.random_range(0..=2),
        }
    }

    /// Nothing goes wrong.
    pub fn calm(&self) -> Self {
        Self {
            reorgs: 0,
            silence: 0,
            slow: false,
            duplicates: false,
            lags: false,
            fees: false,
            drops: false,
            refuses: false,
            engine_fails: false,
            deaths: false,
            full_disks: false,
            rotations: false,
            skews: false,
            losses: false,
            lost_databases: false,
            ..self.clone()
        }
    }

    /// The names of what goes wrong in it.
    pub fn faults(&self) -> Vec<&'static str> {
        [
            (self.reorgs > 0 && self.deepest <= 6, "reorg"),
            (self.reorgs > 0 && self.deepest > 6, "deep reorg"),
            (self.silence > 0, "silence"),
            (self.slow, "slow answers"),
            (self.duplicates, "duplicates"),
            (self.lags, "lag"),
            (self.fees, "fees x 50"),
            (self.drops, "dropped pool"),
            (self.refuses, "refusals"),
            (self.engine_fails, "engine fails"),
            (self.deaths, "deaths"),
            (self.full_disks, "full disk"),
            (self.rotations, "key rotation"),
            (self.skews, "clock skew"),
            (self.losses, "lost outcomes"),
            (self.lost_databases, "lost database"),
            (self.cheats > 0, "cheats"),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name)
        .collect()
    }
}

/// What is told of a run, and what was found wrong.
#[derive(Debug, Default)]
pub struct Log {
    /// Whether lines are kept.
    pub tells: bool,
    /// What happened.
    pub lines: Vec<String>,
    /// What must never be.
    pub breaches: Vec<String>,
    /// What was sent, by the kind of act, for the table of faults and duties.
    pub acts: BTreeMap<&'static str, u64>,
}

impl Log {
    /// Keeps a line, if lines are kept.
    pub fn say(&mut self, time: u64, line: impl FnOnce() -> String) {
        if self.tells {
            let line = format!("{:>6}  {}", time.saturating_sub(BEGIN), line());
            self.lines.push(line);
        }
    }

    fn breach(&mut self, time: u64, what: String) {
        self.say(time, || format!("BREACH: {what}"));
        self.breaches.push(what);
    }

    /// Checks the capacity that a machine counts.
    pub fn used(&mut self, time: u64, provider: usize, used: Amount, total: Amount) {
        if !used.is_within(total) {
            self.breach(
                time,
                format!("provider {provider} runs {used:?} on {total:?}"),
            );
        }
    }

    /// Checks a transaction that is broadcast: no secret is told while somebody could still commit.
    pub fn sent(&mut self, time: u64, provider: usize, id: &IntentId, tx: &Tx, chain: &Chain) {
        *self.acts.entry(name(&id.what)).or_default() += 1;
        self.say(time, || format!("provider {provider} sends {id}"));
        let opens =
            |openings: &[IMarket::Opening]| openings.iter().any(|opening| !opening.salt.is_zero());
        let (what, kind) = match &id.what {
            What::Open(seat) | What::Settle(seat) | What::Judge(seat) => (seat.lease, seat.kind),
            _ => return,
        };
        let told = IMarket::settleCall::abi_decode(&tx.data)
            .map(|call| opens(&call.openings))
            .or_else(|_| {
                IMarket::judgeCall::abi_decode(&tx.data).map(|call| opens(&call.openings))
            });
        if !matches!(told, Ok(true)) {
            return;
        }
        // As the newest block has it.
        let mut view = JobView::default();
        for number in 0..=chain.tip().number {
            let events = chain.block(number).map(|(_, events)| events);
            for event in events
                .into_iter()
                .flatten()
                .filter(|event| event.job == what.job)
            {
                view.see(event);
            }
        }
        let place = (what.first, what.round, kind);
        let Some((_, round)) = view.seats.round(place, Address::ZERO, &chain.times) else {
            return;
        };
        let closed = round.full_at.is_some() || chain.tip().time.max(time) >= round.commit_by;
        if !closed {
            self.breach(
                time,
                format!("provider {provider} tells a secret too early: {id}"),
            );
        }
    }
}

/// The name of an act's kind.
pub fn name(what: &What) -> &'static str {
    match what {
        What::Claim { .. } => "claim",
        What::Takeover(_) => "takeover",
        What::Join(seat) if seat.kind == 0 => "join",
        What::Join(_) => "join jury",
        What::Renew(_) => "renew",
        What::EndLapsed(_) => "end lapsed",
        What::Publish { .. } => "publish",
        What::Submit(_) => "submit",
        What::Leave(_) => "leave",
        What::Finalize(_) => "finalize",
        What::Expire(_) => "expire",
        What::Judge(_) => "judge ours",
        What::Commit(seat) if seat.kind == 0 => "commit",
        What::Commit(_) => "commit vote",
        What::Open(seat) if seat.kind == 0 => "open",
        What::Open(_) => "open vote",
        What::Settle(seat) if seat.kind == 0 => "settle",
        What::Settle(_) => "judge",
        What::LeaveSeat(_) => "leave seat",
    }
}

/// What a seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What went wrong in it.
    pub faults: Vec<&'static str>,
    /// What must never be, and was.
    pub breaches: Vec<String>,
    /// What happened, if that was asked for.
    pub lines: Vec<String>,
    /// Leases that ended with a result, and without one.
    pub settled: u64,
    /// Leases that ended without a result.
    pub other: u64,
    /// Seconds of the market's time.
    pub seconds: u64,
    /// What was sent, by the kind of act.
    pub acts: BTreeMap<&'static str, u64>,
    /// What honest providers lost in the ways that are stated: tenths of votes without a verdict.
    pub tenths: u128,
    /// What cheats lost.
    pub cheats_lost: u128,
    /// Commits and commands of the first provider.
    pub points: u64,
    /// Deaths of processes.
    pub deaths: u64,
    /// A digest of all blocks: the same seed gives the same one.
    pub digest: B256,
}

/// What to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Whether to tell what happens.
    pub tells: bool,
    /// The point at which the first provider dies.
    pub dies_at: Option<u64>,
    /// Whether only that goes wrong.
    pub calm: bool,
}

struct World {
    rng: ChaCha8Rng,
    climate: Climate,
    chain: Chain,
    providers: Vec<Provider>,
    shelf: Shelf,
    clients: Vec<Address>,
    /// What owners sent. They send it again until it is mined.
    owner_txs: Vec<(Address, Vec<u8>)>,
    jobs: Vec<(B256, IMarket::Job)>,
    log: Log,
    time: u64,
    next_block: u64,
    checked: u64,
    tenths: u128,
    cheats_lost: u128,
    fees_until: u64,
    keys: u64,
}

/// Runs a seed.
pub fn run(plan: Plan) -> Outcome {
    let mut world = World::new(plan);
    let climate = world.climate.clone();
    // A time of work and trouble, then one in which all that was begun must end.
    let trouble = world.rng.random_range(1_500..3_500);
    for _ in 0..trouble {
        world.second(true);
    }
    world.climate = climate.calm();
    world.settle_down();
    let mut quiet = 0;
    while quiet < QUIET && !world.is_over() {
        world.second(false);
        quiet += 1;
    }
    world.finish(plan, &climate)
}

/// What a lease costs its executor in thought, from the first to the last of one large job.
#[derive(Debug, Default)]
pub struct Thought {
    /// Seconds in the machine's steps for each hundred leases that were submitted.
    pub hundreds: Vec<f64>,
}

/// Lets one executor run a job of so many leases of one task, half of them audited, and measures its machine.
pub fn think(leases: u32) -> Thought {
    let mut world = World::new(Plan {
        seed: 1,
        calm: true,
        ..Plan::default()
    });
    world.providers.retain(|provider| provider.number < 1);
    world.climate.cheats = 0;
    for provider in &mut world.providers {
        provider.widen(leases);
    }
    world.post_large(leases);
    let mut thought = Thought::default();
    let (mut submitted, mut read, mut before) = (0u64, 0, Duration::ZERO);
    while submitted < u64::from(leases) && world.time < BEGIN + 200_000 {
        world.second(false);
        for number in read..=world.chain.tip().number {
            let events = world.chain.block(number).map_or(0, |(_, events)| {
                let is_result = |event: &&StoredEvent| {
                    let decoded = MarketEvent::decode_raw_log(event.log.topics(), &event.log.data);
                    matches!(decoded, Ok(MarketEvent::Submitted(_)))
                };
                events.iter().filter(is_result).count()
            });
            submitted += events as u64;
        }
        read = world.chain.tip().number + 1;
        let now: Duration = world
            .providers
            .iter()
            .map(|provider| provider.thought)
            .sum();
        while (thought.hundreds.len() as u64 + 1) * 100 <= submitted {
            thought.hundreds.push((now - before).as_secs_f64());
            before = now;
        }
    }
    thought
}

impl World {
    fn post_large(&mut self, tasks: u32) {
        let Some(client) = self.clients.first().copied() else {
            return;
        };
        let spec = spec(tasks, 4, 7);
        let now = self.time;
        let job = IMarket::Job {
            terms: IMarket::Terms {
                client,
                nonce: 7,
                spec: keccak256(&spec),
                tasks,
                minLease: 1,
                maxLease: 1,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas: 1,
                quorum: 1,
                auditBps: 5_000,
                refund: false,
                verifier: Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: 100,
                maxPrice: 100,
                bond: 1,
                juryFee: 1,
            },
            timing: IMarket::Timing {
                opensAt: now,
                ramp: 0,
                closesAt: now + 100_000,
                runWindow: WINDOW,
                // As long as the job: no lease ends before the last one is submitted.
                auditWindow: 86_400,
            },
        };
        let call = IMarket::postCall {
            job: job.clone(),
            spec,
        };
        self.chain.send(client, call.abi_encode());
        self.jobs.push((B256::ZERO, job));
    }

    fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let climate = Climate::of(&mut rng);
        let climate = match plan.calm {
            true => climate.calm(),
            false => climate,
        };
        let mut chain = Chain::new(BEGIN);
        let mut providers = Vec::new();
        let count = rng.random_range(4..=6);
        for number in 0..count {
            let address = account("provider", number);
            let operator = account("operator", number);
            chain.mint(address, STAKE);
            let mut nonce = 0;
            let mut send = |data: Vec<u8>| {
                chain.broadcast(Tx::new(address, nonce, data.into(), u128::MAX));
                nonce += 1;
            };
            send(IMarket::stakeCall { amount: STAKE }.abi_encode());
            send(operator_call(operator));
            let character = match number < climate.cheats {
                // Providers with the highest numbers are honest, so that the first one is too.
                true => Character::Cheat(50),
                false => Character::Honest,
            };
            let number = count - 1 - number;
            let rng = ChaCha8Rng::seed_from_u64(rng.random());
            let settings = settings(
                &mut ChaCha8Rng::seed_from_u64(plan.seed ^ number as u64),
                climate.deepest,
            );
            let mut provider = Provider::new(number, address, operator, character, settings, rng);
            if number == 0 {
                provider.dies_at = plan.dies_at;
            }
            providers.push(provider);
        }
        let owner_txs = Vec::new();
        let clients: Vec<Address> = (0..3).map(|number| account("client", number)).collect();
        for client in &clients {
            chain.mint(*client, 1 << 90);
            let deposit = IMarket::depositCall {
                account: *client,
                amount: 1 << 90,
            };
            chain.broadcast(Tx::new(*client, 0, deposit.abi_encode().into(), u128::MAX));
        }
        // No reorganization takes the beginning back.
        for block in 1..=DEEP {
            chain.mine(BEGIN + block);
        }
        Self {
            rng,
            climate,
            chain,
            providers,
            shelf: Shelf::default(),
            clients,
            owner_txs,
            jobs: Vec::new(),
            log: Log {
                tells: plan.tells,
                ..Log::default()
            },
            time: BEGIN + 100,
            next_block: BEGIN + 101,
            checked: 0,
            tenths: 0,
            cheats_lost: 0,
            fees_until: 0,
            keys: 0,
        }
    }

    fn second(&mut self, busy: bool) {
        self.time += 1;
        if busy {
            self.trouble();
            if self.rng.random_ratio(1, 90) && self.jobs.len() < 12 {
                self.post();
            }
        }
        if self.time >= self.next_block {
            self.next_block = self.time + self.climate.block_time;
            self.chain.mine(self.time);
        }
        if self.time.is_multiple_of(10) {
            for (owner, data) in self.owner_txs.clone() {
                self.chain.send(owner, data);
            }
        }
        if self.log.tells && self.time.is_multiple_of(50) {
            for provider in &self.providers {
                let words = provider.describe();
                self.log.say(self.time, || {
                    format!("provider {}: {words}", provider.number)
                });
            }
        }
        // Jobs that are over are closed by anyone; here by the client.
        if self.time.is_multiple_of(200) {
            self.close();
        }
        let alive = self.providers.iter().filter(|provider| provider.is_alive());
        self.shelf.alive = alive.map(|provider| provider.address).collect();
        for provider in &mut self.providers {
            provider.second(
                &mut self.chain,
                self.time,
                &self.climate,
                &mut self.shelf,
                &mut self.log,
            );
        }
        let tip = self.chain.tip().number;
        if tip > self.checked + DEEP {
            self.check(tip - DEEP);
        }
    }

    /// What goes wrong in this second.
    fn trouble(&mut self) {
        let (climate, time) = (self.climate.clone(), self.time);
        let rng = &mut self.rng;
        if climate.reorgs > 0 && rng.random_ratio(climate.reorgs, 1_000) {
            let depth = rng.random_range(1..=climate.deepest);
            let mut order = ChaCha8Rng::seed_from_u64(rng.random());
            let taken = self.chain.take_back(depth);
            // A transaction that is dropped comes again when its sender notices. A branch that is longer than a part of a window
            // drops none.
            let short = depth as u64 * climate.block_time < WINDOW / 16;
            let percent = if short {
                order.random_range(50..=100)
            } else {
                100
            };
            self.log.say(time, || {
                format!("a reorganization of {depth} blocks keeps {percent} %")
            });
            let mut late = Vec::new();
            // The other branch has blocks of the same times, and one more. Some transactions are in the next block now.
            for (block, txs) in taken {
                for tx in late.drain(..) {
                    self.chain.broadcast(tx);
                }
                for tx in txs {
                    match order.random_range(0..100) {
                        chance if chance >= percent => {}
                        chance if chance % 8 == 0 => late.push(tx),
                        _ => self.chain.broadcast(tx),
                    }
                }
                self.chain.mine(block.time);
            }
            for tx in late {
                self.chain.broadcast(tx);
            }
            let next = self.chain.tip().time + 1;
            self.chain.mine(next.max(time));
        }
        if climate.fees && rng.random_ratio(1, 400) {
            self.fees_until = time + rng.random_range(20..300);
        }
        self.chain.base_fee = match time < self.fees_until {
            true => CALM * 50,
            false => CALM,
        };
        if climate.drops && rng.random_ratio(1, 150) {
            self.chain.drop_pool();
        }
        for provider in &mut self.providers {
            if climate.lags && rng.random_ratio(1, 200) {
                let most = (WINDOW / 4 / climate.block_time).min(32);
                provider.lag = rng.random_range(0..=most);
            }
            if climate.lags && rng.random_ratio(1, 60) {
                provider.lag = 0;
            }
            if climate.silence > 0 && rng.random_ratio(1, 300) {
                provider.silent_until = time + rng.random_range(1..WINDOW / 8);
            }
            if climate.deaths && rng.random_ratio(1, 400) {
                let pause = rng.random_range(1..climate.longest_down);
                self.log
                    .say(time, || format!("provider {} is killed", provider.number));
                provider.kill(time + pause);
            }
            if climate.full_disks && rng.random_ratio(1, 900) {
                provider.full_until = time + rng.random_range(1..WINDOW / 6);
            }
            if climate.losses && rng.random_ratio(1, 500) {
                self.log.say(time, || {
                    format!("provider {} loses outcomes", provider.number)
                });
                provider.lose_outcomes();
            }
            if climate.lost_databases && rng.random_ratio(1, 3_000) {
                self.log.say(time, || {
                    format!("provider {} loses its database", provider.number)
                });
                provider.lose_database(time + rng.random_range(1..climate.longest_down));
            }
            if climate.skews && rng.random_ratio(1, 300) {
                provider.skew = rng.random_range(-4..=4);
            }
        }
        if climate.rotations && rng.random_ratio(1, 900) {
            let place = rng.random_range(0..self.providers.len());
            self.rotate(place);
        }
    }

    fn rotate(&mut self, place: usize) {
        self.keys += 1;
        let operator = account("key", usize::try_from(self.keys).unwrap_or_default());
        let Some(provider) = self.providers.get_mut(place) else {
            return;
        };
        self.owner_txs
            .push((provider.address, operator_call(operator)));
        provider.rotate(operator);
    }

    /// Nothing goes wrong from now on.
    fn settle_down(&mut self) {
        self.chain.base_fee = CALM;
        for provider in &mut self.providers {
            (provider.lag, provider.skew) = (0, 0);
            (provider.silent_until, provider.full_until) = (0, 0);
        }
    }

    fn post(&mut self) {
        let rng = &mut self.rng;
        let Some(client) = self
            .clients
            .get(rng.random_range(0..self.clients.len()))
            .copied()
        else {
            return;
        };
        let tasks = rng.random_range(1..=12);
        let timeout = rng.random_range(4..=20);
        let spec = spec(tasks, timeout, rng.random());
        let redundant = rng.random_ratio(35, 100);
        let audited = !redundant && rng.random_ratio(75, 100);
        let price: u128 = rng.random_range(100..1_000);
        let bond = rng.random_range(300..3_000);
        let (min_lease, max_lease) = match redundant {
            true => {
                let lease = rng.random_range(1..=3).min(tasks);
                (lease, lease)
            }
            false => (1, rng.random_range(1..=4).min(tasks)),
        };
        let now = self.time;
        let job = IMarket::Job {
            terms: IMarket::Terms {
                client,
                nonce: rng.random(),
                spec: keccak256(&spec),
                tasks,
                minLease: min_lease,
                maxLease: max_lease,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas: if redundant { 3 } else { 1 },
                quorum: if redundant { 2 } else { 1 },
                auditBps: if audited {
                    [3_000, 10_000][rng.random_range(0..2)]
                } else {
                    0
                },
                refund: false,
                verifier: Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: price,
                maxPrice: price
                    * if redundant {
                        1
                    } else {
                        rng.random_range(1..=2)
                    },
                bond,
                juryFee: if audited {
                    rng.random_range(50..300)
                } else {
                    0
                },
            },
            timing: IMarket::Timing {
                opensAt: now,
                ramp: if redundant {
                    0
                } else {
                    rng.random_range(0..200)
                },
                closesAt: now + rng.random_range(1_500..4_000),
                runWindow: rng.random_range(WINDOW..1_200),
                auditWindow: if audited {
                    rng.random_range(400..900)
                } else {
                    0
                },
            },
        };
        let call = IMarket::postCall {
            job: job.clone(),
            spec: spec.clone(),
        };
        let data = call.abi_encode();
        // A job that the market refuses is not posted.
        if let Err(data) = self.chain.simulate(client, &data, now) {
            let error = IMarket::IMarketErrors::abi_decode(&data);
            self.log.say(now, || format!("a job is refused: {error:?}"));
            return;
        }
        self.chain.send(client, data);
        let id = hash_job(&job, &mut self.chain, now);
        self.log.say(now, || {
            format!("job {id} is posted: {tasks} tasks, redundant {redundant}")
        });
        self.jobs.push((id, job));
    }

    /// Refunds what nobody took of jobs that closed.
    fn close(&mut self) {
        let closed: Vec<IMarket::Job> = self
            .jobs
            .iter()
            .filter(|(_, job)| self.time > job.timing.closesAt)
            .map(|(_, job)| job.clone())
            .collect();
        for job in closed {
            let client = job.terms.client;
            let firsts: Vec<u32> = (0..job.terms.tasks)
                .filter(|first| {
                    let id = hash_job(&job, &mut self.chain, self.time);
                    self.chain.phase(id, *first) == Phase::Free
                })
                .collect();
            for firsts in [vec![], firsts] {
                let data = IMarket::closeCall {
                    job: job.clone(),
                    firsts,
                }
                .abi_encode();
                if self.chain.simulate(client, &data, self.time).is_err() {
                    continue;
                }
                self.chain.send(client, data);
            }
        }
    }

    /// Checks what can no longer be taken back.
    fn check(&mut self, up_to: u64) {
        for number in self.checked + 1..=up_to {
            let Some((_, events)) = self.chain.block(number) else {
                break;
            };
            let events: Vec<StoredEvent> = events.to_vec();
            for event in events {
                self.check_event(&event);
            }
        }
        self.checked = up_to;
    }

    fn check_event(&mut self, event: &StoredEvent) {
        let Ok(decoded) = MarketEvent::decode_raw_log(event.log.topics(), &event.log.data) else {
            return;
        };
        let numbers: BTreeMap<u32, usize> = self
            .providers
            .iter()
            .enumerate()
            .map(|(place, provider)| (self.chain.provider(provider.address).0, place))
            .collect();
        let by_address = |address: Address| {
            self.providers
                .iter()
                .position(|provider| provider.address == address)
        };
        let (who, burned, stated) = match &decoded {
            MarketEvent::Freed(freed) => (by_address(freed.provider), freed.burned, false),
            MarketEvent::SeatLeft(left) => (by_address(left.provider), left.burned, false),
            MarketEvent::SeatClosed(closed) => {
                // Votes without a verdict lose a tenth: stated.
                let stated = closed.end == IMarket::SeatEnd::Undecided;
                (numbers.get(&closed.number).copied(), closed.burned, stated)
            }
            MarketEvent::Voided(voided) if voided.slashed > 0 => {
                let holder = self.holder(event.job, voided.first, event.block.number);
                (holder.and_then(by_address), voided.slashed, false)
            }
            _ => return,
        };
        let Some(provider) = who.and_then(|place| self.providers.get(place)) else {
            return;
        };
        let number = provider.number;
        match provider.character {
            _ if burned == 0 => {}
            Character::Cheat(_) => self.cheats_lost += burned,
            Character::Honest if stated => self.tenths += burned,
            Character::Honest => {
                let what = format!(
                    "honest provider {number} loses {burned} in block {}, job {}: {decoded:?}",
                    event.block.number, event.job
                );
                self.log.breach(event.block.time, what);
            }
        }
    }

    /// Who held a lease before a block.
    fn holder(&self, job: B256, first: u32, before: u64) -> Option<Address> {
        let mut view = JobView::default();
        for number in 0..before {
            let events = self.chain.block(number).map(|(_, events)| events);
            for event in events
                .into_iter()
                .flatten()
                .filter(|event| event.job == job)
            {
                view.see(event);
            }
        }
        view.leases.get(&first).map(|lease| lease.provider)
    }

    /// Whether all that was begun has ended.
    fn is_over(&mut self) -> bool {
        let idle = self
            .providers
            .iter()
            .all(|provider| provider.is_alive() && provider.duties() == 0);
        idle && self
            .jobs
            .iter()
            .all(|(_, job)| self.time > job.timing.closesAt + 400)
            && self.open_leases().is_empty()
    }

    fn open_leases(&self) -> Vec<(B256, u32, Phase)> {
        let mut open = Vec::new();
        for (id, job) in &self.jobs {
            for first in 0..job.terms.tasks {
                let phase = self.chain.phase(*id, first);
                let moves = matches!(
                    phase,
                    Phase::Running
                        | Phase::Submitted
                        | Phase::Audited
                        | Phase::Undecided
                        | Phase::Revealing
                );
                if moves {
                    open.push((*id, first, phase));
                }
            }
        }
        open
    }

    fn finish(mut self, plan: Plan, climate: &Climate) -> Outcome {
        let tip = self.chain.tip().number;
        self.check(tip);
        for (job, first, phase) in self.open_leases() {
            let what = format!("lease {first} of job {job} is {phase:?} at the end");
            self.log.breach(self.time, what);
        }
        for provider in &self.providers {
            for seat in provider.contradictions() {
                let what = format!("provider {} contradicts itself: {seat:?}", provider.number);
                self.log.breach(self.time, what);
            }
            if provider.duties() > 0 {
                let mut what = format!("provider {} still has duties: ", provider.number);
                let _ = write!(what, "{}", provider.describe());
                self.log.breach(self.time, what);
            }
        }
        let (mut settled, mut other) = (0, 0);
        let mut blocks = Vec::new();
        for number in 0..=tip {
            let Some((block, events)) = self.chain.block(number) else {
                break;
            };
            blocks.extend_from_slice(block.hash.as_slice());
            for event in events {
                blocks.extend_from_slice(event.tx.as_slice());
                match MarketEvent::decode_raw_log(event.log.topics(), &event.log.data) {
                    Ok(MarketEvent::Settled(_)) => settled += 1,
                    Ok(MarketEvent::Voided(_) | MarketEvent::Freed(_)) => other += 1,
                    _ => {}
                }
            }
        }
        let mut breaches: BTreeSet<String> = self.log.breaches.drain(..).collect();
        if settled == 0 && self.jobs.len() > 3 {
            breaches.insert("no lease was settled".to_owned());
        }
        Outcome {
            seed: plan.seed,
            faults: climate.faults(),
            breaches: breaches.into_iter().collect(),
            lines: self.log.lines,
            settled,
            other,
            seconds: self.time - BEGIN,
            acts: self.log.acts,
            tenths: self.tenths,
            cheats_lost: self.cheats_lost,
            points: self
                .providers
                .iter()
                .find(|provider| provider.number == 0)
                .map_or(0, |provider| provider.points),
            deaths: self.providers.iter().map(|provider| provider.deaths).sum(),
            digest: keccak256(blocks),
        }
    }
}

fn account(kind: &str, number: usize) -> Address {
    Address::from_word(keccak256(format!("{kind} {number}")))
}

fn operator_call(operator: Address) -> Vec<u8> {
    IMarket::setOperatorCall {
        operator,
        allowed: true,
    }
    .abi_encode()
}

/// A job's id.
fn hash_job(job: &IMarket::Job, chain: &mut Chain, time: u64) -> B256 {
    let call = IMarket::hashJobCall { job: job.clone() };
    let answer = chain.simulate(Address::ZERO, &call.abi_encode(), time);
    answer.map_or(B256::ZERO, |bytes| {
        IMarket::hashJobCall::abi_decode_returns(&bytes).unwrap_or_default()
    })
}

fn settings(rng: &mut ChaCha8Rng, deepest: usize) -> Settings {
    Settings {
        policy: Policy {
            min_price: 1,
            max_exposure: None,
            strangers_percent: 100,
            max_leases: rng.random_range(3..30),
            lists: Vec::new(),
            trusted_clients: Vec::new(),
            min_jury_fee: 1,
            try_seconds: [0, 60][rng.random_range(0..2)],
            costs: Costs::default(),
        },
        timing: Timing {
            margin: 10,
            // A block is final for an owner when no reorganization takes it back any more.
            confirmations: u64::try_from(deepest).unwrap_or_default() + rng.random_range(1..4),
        },
        total: Amount {
            cpu_millis: 8_000,
            memory_bytes: 8 << 30,
            disk_bytes: 8 << 30,
            tasks: rng.random_range(2..9),
        },
        lease_tasks: 4,
        platform: "linux/amd64",
    }
}
