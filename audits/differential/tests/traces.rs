//! Random traces: whatever people do, the specification and the bytecode answer alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use piecework_differential::bindings::{IMarket, free_job};
use piecework_differential::code::{Code, setting};
use piecework_differential::replay::hunt_and_keep;
use piecework_differential::world::World;

/// Steps of a trace.
const STEPS: u64 = 1_000;
/// Traces at a depth of 1.
const TRACES: u64 = 10;

/// `PIECEWORK_DEPTH` times as many traces; from `PIECEWORK_SEED` on; `PIECEWORK_MARKET_ARTIFACT` names another artifact.
#[test]
fn the_two_answer_alike() {
    let (seed, depth) = (setting("PIECEWORK_SEED"), setting("PIECEWORK_DEPTH"));
    let tally = hunt_and_keep(&Code::in_revm(), seed, TRACES * depth, STEPS);
    println!("{tally}");
    let (calls, successes) = tally.total();
    assert!(
        successes * 2 > calls,
        "most calls should succeed: {successes} of {calls}"
    );
}

/// A lease has 65,535 rounds. So many takeovers take some 10 seconds: in depth only.
#[test]
fn rounds_end_alike() {
    if setting("PIECEWORK_DEPTH") == 1 {
        return;
    }
    let mut world = World::new(1, &Code::in_revm()).expect("a market");
    let client = world.people[2].address;
    let now = world.block.time;
    let mut job = free_job(client.into(), now);
    (job.timing.closesAt, job.timing.runWindow) = (now + 1_000_000, 2);
    let post = IMarket::postCall {
        job: job.clone(),
        spec: Vec::new().into(),
    };
    assert!(world.make(client, post.into()).expect("alike"));
    let holders = [world.people[0].address, world.people[1].address];
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: holders[0].into(),
        least: 1,
        most: 1,
    };
    assert!(world.make(holders[0], claim.into()).expect("alike"));
    // The claim was of round 1, and each lateness begins another.
    for round in 2..=u16::MAX {
        world.pass(3, 1);
        let provider = holders[usize::from(1 - round % 2)];
        let call = IMarket::takeoverCall {
            job: job.clone(),
            provider: provider.into(),
            first: 0,
        };
        let taken = world.make(provider, call.into()).expect("alike");
        assert_eq!(taken, round != u16::MAX, "round {round}");
    }
    assert_eq!(world.sides.tally.errors.get("TooManyRounds"), Some(&1));
}
