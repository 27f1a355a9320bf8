//! What must hold of the specification after every trace, whatever the bytecode does.

use piecework_protocol::Store;
use piecework_protocol::types::{Phase, U256};

use crate::Fault;
use crate::world::{Known, World};

/// What `count` tasks hold in escrow: their worst case.
fn worst(known: &Known, count: u32) -> u128 {
    let (terms, price) = (&known.core.terms, &known.core.price);
    let reserve = (3 * price.jury_fee).div_ceil(u128::from(terms.min_lease));
    let seats = u128::from(known.core.assurance.replicas);
    u128::from(count) * (seats * price.max_price + reserve)
}

impl World {
    /// Checks solvency, to the unit: what is held is the sum of balances, earnings, fees, stakes, escrows, and what is
    /// burned. And that all that is locked of stakes is bonds of unfinished leases and seats.
    pub fn add_up(&self) -> Result<(), Fault> {
        let store = &self.sides.model.store;
        let totals = store.totals();
        let (mut stakes, mut free, mut owed) =
            (0, 0, store.balances().sum::<u128>() + store.fee().earned);
        for number in 1..=totals.providers {
            let record = store.provider(number);
            owed += record.earned;
            stakes += store.stake(number).total;
            free += record.free;
        }
        let mut locked = 0;
        for known in &self.jobs {
            let price = &known.core.price;
            owed += worst(known, known.core.terms.tasks - store.job(&known.id).next);
            for (first, lease) in self.leases(known) {
                let bond = price.bond * u128::from(lease.count);
                // Seats of a refunded lease are left one by one.
                locked += u128::from(lease.seats)
                    * bond
                    * u128::from(!is_over(lease.phase) || lease.phase == Phase::Refunded);
                let held = [
                    Phase::Running,
                    Phase::Submitted,
                    Phase::Audited,
                    Phase::Undecided,
                ];
                if lease.provider != 0 && held.contains(&lease.phase) {
                    locked += bond;
                }
                if lease.phase == Phase::Audited {
                    let audit = store.audit(&known.id, first);
                    locked += u128::from(audit.seats) * 8 * price.jury_fee;
                }
                if !is_over(lease.phase) {
                    owed += worst(known, lease.count);
                }
            }
        }
        let host = &self.sides.model.host;
        let tokens = host
            .token
            .balances
            .get(&host.market)
            .copied()
            .unwrap_or_default();
        let sums = [
            (
                "held against owed",
                totals.held,
                owed + stakes + totals.burned,
            ),
            ("all stake", totals.stake, stakes),
            ("locked stake against bonds", stakes - free, locked),
        ];
        for (what, one, other) in sums {
            if one != other {
                return Err(Fault(format!("{what}: {one} and {other}")));
            }
        }
        if tokens == U256::from(totals.held) {
            Ok(())
        } else {
            Err(Fault("tokens are missing".into()))
        }
    }
}

/// Whether a lease in this phase has ended.
pub(crate) fn is_over(phase: Phase) -> bool {
    matches!(phase, Phase::Settled | Phase::Void | Phase::Refunded)
}
