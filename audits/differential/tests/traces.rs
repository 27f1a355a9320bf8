//! Random traces: whatever people do, the specification and the bytecode answer alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use piecework_differential::code::{Code, setting};
use piecework_differential::odd::rounds_end_the_same;
use piecework_differential::replay::hunt_and_keep;

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

/// 65,534 takeovers take some 10 seconds: in depth only.
#[test]
fn rounds_end_alike() {
    if setting("PIECEWORK_DEPTH") > 1 {
        rounds_end_the_same(&Code::in_revm());
    }
}
