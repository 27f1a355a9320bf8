//! A seed's world: its people, its weather, and what must hold whatever happens.

mod checks;
mod jobs;
mod think;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall as _;
use piecework_core::chain::IMarket;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use self::jobs::{SLOW, account, operator_call, settings};
pub use self::think::{Thought, think};
use crate::{
    chain::{BEGIN, CALM, Chain, Tx},
    climate::{Climate, Faults, WINDOW},
    log::Log,
    provider::{Character, Provider, Shelf},
};

/// Stake of a provider.
const STAKE: u128 = 1_000_000;
/// Blocks that no reorganization goes deeper than.
const DEEP: u64 = 80;
/// Seconds, at most, that a world takes to end after its last fault.
const QUIET: u64 = 12_000;

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
    /// Faults that do not happen.
    pub without: Faults,
    /// Most seconds for which work is posted and things go wrong, if it is less than the seed's.
    pub trouble: Option<u64>,
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
    let trouble = plan.trouble.map_or(trouble, |most| trouble.min(most));
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

impl World {
    fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let climate = Climate::of(&mut rng).without(plan.without);
        let climate = match plan.calm {
            true => climate.calm(),
            false => climate,
        };
        let mut chain = Chain::new(BEGIN);
        let mut providers = Vec::new();
        // However many cheat, two honest ones can be a quorum.
        let count = rng.random_range(4..=6).max(climate.cheats + 2);
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
            // A slow task that a death ends has the time to be run again.
            let again = time < provider.down_until + WINDOW / 4;
            let slow = again && provider.runs().any(|(_, timeout)| timeout >= SLOW);
            if climate.deaths && rng.random_ratio(1, 400) && !slow {
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
        self.desert(climate.deserts);
        let rng = &mut self.rng;
        if climate.rotations && rng.random_ratio(1, 900) {
            let place = rng.random_range(0..self.providers.len());
            self.rotate(place);
        }
    }

    /// Cheats that hold work go away, all of them together: they have one owner. Mostly they do so when they fill a round, so
    /// that others must end it.
    fn desert(&mut self, deserts: bool) {
        let cheats = |provider: &&mut Provider| matches!(provider.character, Character::Cheat(_));
        let of_cheats = self.providers.iter_mut().filter(cheats);
        let mut runs: Vec<_> = of_cheats
            .flat_map(|provider| provider.runs().collect::<Vec<_>>())
            .collect();
        runs.sort_unstable();
        let fill_a_round = runs.windows(3).any(|three| match three {
            [one, .., last] => one == last && one.0.kind == 0 && one.1 >= SLOW,
            _ => false,
        });
        let chance = match fill_a_round {
            true => 2,
            false => 150,
        };
        if !deserts || runs.is_empty() || !self.rng.random_ratio(1, chance) {
            return;
        }
        self.log.say(self.time, || "the cheats desert".to_owned());
        let until = self.time + self.rng.random_range(2 * WINDOW..4 * WINDOW);
        for provider in self.providers.iter_mut().filter(cheats) {
            provider.kill(until);
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
}
