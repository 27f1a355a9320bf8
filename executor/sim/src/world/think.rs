//! What the machine takes of a processor.

use std::time::Duration;

use alloy_sol_types::SolEventInterface as _;
use piecework_core::{chain::MarketEvent, view::StoredEvent};

use super::{Plan, World};
use crate::chain::BEGIN;

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
