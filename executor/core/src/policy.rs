//! What the owner wants.

use alloy_primitives::{Address, B256};

use crate::capacity::Amount;

/// Which work is worth taking on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Least price of a task after the protocol's fee, in the token's smallest unit.
    pub min_price: u128,
    /// Most stake locked for the jobs of one client at the same time, in the token's smallest unit; `None` for no limit.
    pub max_exposure: Option<u128>,
    /// The largest share of the stake, in percent, that may be locked for clients that have never paid this machine, all of
    /// them together. 100: they are trusted like others, and their trials do not wait.
    pub strangers_percent: u8,
    /// Most leases and seats held at the same time.
    pub max_leases: u32,
    /// Private lists of providers (their Merkle roots) for whose jobs the machine works, once the provider is admitted.
    pub lists: Vec<B256>,
    /// Clients whose redundant jobs for private lists are taken. Nobody is drawn for such a job: the author of the list may
    /// hold every other seat, and outvote us.
    pub trusted_clients: Vec<Address>,
    /// Least fee of a juror, in the token's smallest unit.
    pub min_jury_fee: u128,
    /// Longest time-out of a task that is tried, in seconds. What may take longer is taken of known clients only, untried.
    /// 0: nothing is tried.
    pub try_seconds: u64,
    /// What the machine costs its owner. Work that pays less is not taken.
    pub costs: Costs,
}

/// What resources cost the owner, in the token's smallest unit. All zero: only `min_price` and `min_jury_fee` count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// One core for an hour.
    pub core_hour: u128,
    /// One GiB of memory for an hour. A task's disk counts as memory ([`Amount`]).
    pub gib_hour: u128,
    /// The gas of one lease or seat, from its claim to its end.
    pub lease: u128,
}

impl Costs {
    /// What such an amount of the machine costs for so many seconds, gas included. Rounds down.
    #[must_use]
    pub fn of(&self, amount: Amount, seconds: u64) -> u128 {
        let part = |price: u128, amount: u64, unit: u128| {
            let hours = u128::from(amount).saturating_mul(seconds.into());
            price.saturating_mul(hours) / unit.saturating_mul(3_600)
        };
        let cores = part(self.core_hour, amount.cpu_millis, 1_000);
        let memory = part(self.gib_hour, amount.memory_bytes, 1 << 30);
        cores.saturating_add(memory).saturating_add(self.lease)
    }
}

/// How careful to be with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Seconds before a deadline from which no act is begun.
    pub margin: u64,
    /// Blocks after which a block is final.
    pub confirmations: u64,
    /// Most seconds for which a lease that can be settled waits, so that its settlement shares a transaction.
    pub settle_within: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_count_cores_memory_and_gas() {
        let costs = Costs {
            core_hour: 3_600,
            gib_hour: 7_200,
            lease: 10,
        };
        let amount = Amount {
            cpu_millis: 500,
            memory_bytes: 1 << 30,
            disk_bytes: 0,
            tasks: 1,
        };
        assert_eq!(costs.of(amount, 100), 50 + 200 + 10);
        assert_eq!(Costs::default().of(amount, u64::MAX), 0);
    }
}
