//! A smaller world that still breaks.

use crate::{Outcome, Plan, run};

/// Seconds of trouble that no seed has.
const LONGEST: u64 = 4_096;

/// Leaves out faults, and then time, as long as something still breaks. Returns the smallest plan found, and what came of it,
/// told. Nothing says that no smaller one breaks: without a fault, other things happen by chance.
///
/// It takes some thirty runs.
pub fn shrink(plan: Plan) -> (Plan, Outcome) {
    let breaks = |plan: Plan| !run(plan).breaches.is_empty();
    let mut least = plan;
    for fault in run(plan).faults {
        let tried = Plan {
            without: least.without.and(fault),
            ..least
        };
        if breaks(tried) {
            least = tried;
        }
    }
    let (mut fine, mut broken) = (0, least.trouble.unwrap_or(LONGEST));
    while fine + 1 < broken {
        let half = fine.midpoint(broken);
        let tried = Plan {
            trouble: Some(half),
            ..least
        };
        match breaks(tried) {
            true => (least, broken) = (tried, half),
            false => fine = half,
        }
    }
    let told = Plan {
        tells: true,
        ..least
    };
    (least, run(told))
}
