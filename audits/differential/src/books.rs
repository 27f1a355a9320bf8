//! What must hold of the specification after every trace, whatever the bytecode does.

use piecework_protocol::Store;
use piecework_protocol::types::{Job, Phase, U256};

use crate::Fault;
use crate::world::World;

/// B of an optimistic lease.
fn bond(job: &Job, count: u32) -> u128 {
    (job.price.bond * u128::from(count)).max(6 * job.price.jury_fee)
}

impl World {
    /// Checks solvency, to the unit: what is held is the sum of ledgers, earnings, fees, stakes, escrows, deposits of
    /// challenges and demands, and what is burned. And that all that is locked of stakes is bonds of unfinished seats.
    pub fn add_up(&self) -> Result<(), Fault> {
        let store = &self.sides.model.store;
        let totals = store.totals();
        let (mut stakes, mut free, mut owed) =
            (0, 0, store.ledgers().sum::<u128>() + store.fee().earned);
        for number in 1..=totals.providers {
            let record = store.provider(number);
            owed += record.earned;
            stakes += store.stake(number).total;
            free += record.free;
        }
        let mut locked = 0;
        for known in &self.jobs {
            let job = &known.core;
            let worst = |count: u32| {
                u128::from(count) * u128::from(job.terms.replicas) * job.price.max_price
            };
            if job.terms.replicas == 1 {
                owed += worst(job.terms.tasks - store.job(&known.id).next);
            }
            for (first, lease) in self.leases(known) {
                let dispute = store.dispute(&known.id, first);
                match lease.phase {
                    Phase::Settled | Phase::Refunded => continue,
                    Phase::Free | Phase::None => {}
                    _ if job.terms.replicas == 1 => locked += bond(job, lease.count),
                    _ => {
                        locked += u128::from(lease.seats) * job.price.bond * u128::from(lease.count)
                    }
                }
                owed += worst(lease.count);
                match lease.phase {
                    Phase::Challenged => {
                        owed += dispute.deposit;
                        let juror = job.price.bond.max(bond(job, lease.count) / 3);
                        locked += u128::from(dispute.seats) * juror;
                    }
                    Phase::Demanded => owed += job.price.jury_fee,
                    _ => {}
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
