//! Some seeds for each change. `make simulate-executor` runs thousands.
#![allow(missing_docs, clippy::indexing_slicing)]

use piecework_executor_sim::{Plan, run};

/// Seeds that once broke something, and the first ones.
const SEEDS: std::ops::Range<u64> = 0..48;

fn holds(plan: Plan) -> piecework_executor_sim::Outcome {
    let outcome = run(plan);
    assert!(
        outcome.breaches.is_empty(),
        "{plan:?} ({}): {:#?}\ntell it with: cargo run -p piecework-executor-sim -- --from {} --seeds 1 --trace",
        outcome.faults.join(", "),
        outcome.breaches,
        plan.seed,
    );
    outcome
}

#[test]
fn no_honest_provider_loses_stake_in_any_seed() {
    let (mut settled, mut deaths) = (0, 0);
    for seed in SEEDS {
        let outcome = holds(Plan {
            seed,
            ..Plan::default()
        });
        settled += outcome.settled;
        deaths += outcome.deaths;
    }
    // Worlds in which nothing happens would prove nothing.
    assert!(
        settled > 500 && deaths > 200,
        "{settled} leases, {deaths} deaths"
    );
}

#[test]
fn a_process_may_die_at_any_commit_and_command() {
    let calm = |dies_at| Plan {
        seed: 4,
        calm: true,
        dies_at,
        ..Plan::default()
    };
    let points = holds(calm(None)).points;
    assert!(points > 500, "{points}");
    for point in (0..points).step_by(29) {
        let outcome = holds(calm(Some(point)));
        assert_eq!(outcome.deaths, 1, "point {point}");
    }
}

#[test]
fn the_same_seed_gives_the_same_blocks() {
    let plan = Plan {
        seed: 3,
        ..Plan::default()
    };
    let (one, other) = (run(plan), run(plan));
    assert_eq!(one.digest, other.digest);
    let another = run(Plan {
        seed: 6,
        ..Plan::default()
    });
    assert_ne!(one.digest, another.digest);
}
