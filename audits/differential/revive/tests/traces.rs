//! Random traces: whatever people do, the specification, the bytecode in revm, the bytecode in pallet-revive and the
//! ink! contract in pallet-revive answer alike.
#![allow(clippy::print_stdout)]

use piecework_differential::code::setting;
use piecework_differential::replay::hunt_and_keep;
use piecework_revive::target::everywhere;

/// Steps of a trace.
const STEPS: u64 = 1_000;
/// Traces at a depth of 1.
const TRACES: u64 = 3;

/// `PIECEWORK_DEPTH` times as many traces; from `PIECEWORK_SEED` on. The ink! contract is where `PIECEWORK_INK` says, or
/// in `target/ink`; without it this fails, unless `PIECEWORK_WITHOUT_INK` is set.
#[test]
fn all_answer_alike() {
    let (seed, depth) = (setting("PIECEWORK_SEED"), setting("PIECEWORK_DEPTH"));
    let tally = hunt_and_keep(&everywhere(), seed, TRACES * depth, STEPS);
    println!("{tally}");
    let (calls, successes) = tally.total();
    assert!(
        successes * 2 > calls,
        "most calls should succeed: {successes} of {calls}"
    );
}
