//! What the machine takes of a processor.

use std::time::Duration;

use alloy_sol_types::SolEventInterface as _;
use piecework_core::{chain::MarketEvent, view::StoredEvent};

use super::{Plan, World};
use crate::chain::BEGIN;

/// Leases of the job that comes before the measured one. Without them, the first hundred leases of the measured job would
/// seem to cost half as much as all others: what a lease costs after its submission falls into the hundreds after its own.
const BEFORE: u32 = 500;
/// The measured job is posted when so many leases of the other one are left, so that the executor never waits for work.
const LEFT: u64 = 20;
/// How often the same world is played. What else the processor does only adds to a time, so the least one counts.
const RUNS: usize = 9;

/// What a lease costs its executor in thought, from the first to the last of one large job.
#[derive(Debug, Default)]
pub struct Thought {
    /// Seconds in the machine's steps for each hundred leases that were submitted.
    pub hundreds: Vec<f64>,
}

/// Lets one executor run a job of so many leases of one task, half of them audited, and measures its machine. The executor
/// comes from another job of that kind.
pub fn think(leases: u32) -> Thought {
    let mut least = once(leases);
    for _ in 1..RUNS {
        let other = once(leases);
        for (one, other) in least.hundreds.iter_mut().zip(other.hundreds) {
            *one = one.min(other);
        }
    }
    least
}

fn once(leases: u32) -> Thought {
    let mut world = World::new(Plan {
        seed: 1,
        calm: true,
        ..Plan::default()
    });
    world.providers.retain(|provider| provider.number < 1);
    world.climate.cheats = 0;
    for provider in &mut world.providers {
        provider.widen(leases.saturating_add(BEFORE));
    }
    world.post_large(BEFORE, 7);
    let before = u64::from(BEFORE);
    let all = before + u64::from(leases);
    let mut thought = Thought::default();
    let (mut submitted, mut read, mut then) = (0u64, 0, Duration::ZERO);
    while submitted < all && world.time < BEGIN + 200_000 {
        if submitted + LEFT >= before && world.jobs.len() == 1 {
            world.post_large(leases, 8);
        }
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
        if submitted <= before {
            then = now;
        }
        while before + (thought.hundreds.len() as u64 + 1) * 100 <= submitted {
            thought.hundreds.push((now - then).as_secs_f64());
            then = now;
        }
    }
    thought
}
