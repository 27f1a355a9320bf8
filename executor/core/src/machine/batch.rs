//! Acts that go together: one transaction costs less than several, and it is mined in one block.
//!
//! The machine sends an act in the step that asks for it. The acts of one step share a transaction. A lease that can be
//! settled waits a limited time for such a transaction; it loses nothing by that. One call that fails makes the whole
//! transaction revert. So an act goes alone if an act of its duty failed before, if others may be quicker, or if its
//! deadline is near.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall as _;
use piecework_core::{
    chain::{IMarket, Multicall},
    view::seat::Key as SeatId,
};

use super::{Machine, Pending};
use crate::{
    capacity::Amount,
    duty::{Act, Owed},
    intent::{Fate, Intent, IntentId, What},
};

/// Most leases and seats that one transaction is about: its gas and its size are bounded by it.
const TOGETHER: usize = 16;

/// A call that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// What it does: several leases of a job are settled in one call.
    pub(super) does: Vec<What>,
    pub(super) data: Bytes,
    pub(super) owed: Option<Owed>,
    /// Last second of chain time in which it may be begun.
    pub(super) not_after: Option<u64>,
    /// Whether nothing else may go with it.
    pub(super) alone: bool,
}

impl Machine {
    /// Notes that a lease can be settled.
    pub(super) fn can_settle(&mut self, id: SeatId) {
        self.ripe.entry(id).or_insert(self.now.time);
    }

    /// Sends what this step made ready, with the leases that can be settled.
    pub(super) fn send_ready(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        if ready.is_empty() && !self.must_settle() {
            return;
        }
        ready.extend(self.settlements());
        for batch in batches(ready) {
            self.send_together(batch);
        }
    }

    /// Whether leases that can be settled have waited long enough, or fill a transaction.
    fn must_settle(&self) -> bool {
        let patience = match self.stopping {
            true => 0,
            false => self.settings.timing.settle_within,
        };
        let since = self.ripe.values().min();
        let waited = since.is_some_and(|since| self.now.time >= since.saturating_add(patience));
        waited || self.ripe.len() >= TOGETHER
    }

    /// The calls that settle what can be settled, each for one job.
    fn settlements(&mut self) -> Vec<Ready> {
        let (now, margin) = (self.now.time, self.settings.timing.margin);
        let ripe = std::mem::take(&mut self.ripe).into_keys();
        // Somebody else may have settled it, or a reorganization changed it.
        let still = ripe.filter(|id| {
            let held = self.duties.get(id);
            held.is_some_and(|held| held.duty.desired(now, margin).act == Some(Act::Finalize))
        });
        let mut of_jobs: BTreeMap<B256, Vec<SeatId>> = BTreeMap::new();
        for id in still {
            of_jobs.entry(id.lease.job).or_default().push(id);
        }
        let mut calls = Vec::new();
        for (job, ids) in of_jobs {
            let Some(job) = self.jobs.get(&job) else {
                continue;
            };
            let failed = |id: &SeatId| self.duties.get(id).is_some_and(|held| held.failed);
            let (again, first): (Vec<_>, Vec<_>) = ids.into_iter().partition(failed);
            for (ids, alone) in (again.chunks(1).map(|ids| (ids, true)))
                .chain(first.chunks(TOGETHER).map(|ids| (ids, false)))
            {
                let call = IMarket::finalizeCall {
                    job: job.job.clone(),
                    firsts: ids.iter().map(|id| id.lease.first).collect(),
                };
                calls.push(Ready {
                    does: ids.iter().map(|id| What::Finalize(id.lease)).collect(),
                    data: call.abi_encode().into(),
                    owed: None,
                    not_after: None,
                    alone,
                });
            }
        }
        calls
    }

    /// Sends these calls in one transaction. Its name is that of the first thing that it does.
    fn send_together(&mut self, batch: Vec<Ready>) {
        let mut does = batch.iter().flat_map(|one| one.does.iter().copied());
        let Some(what) = does.next() else { return };
        let with: Vec<What> = does.collect();
        let id = IntentId {
            what,
            unique: self.unique(),
        };
        for other in &with {
            self.covered.insert(*other, id);
        }
        let not_after = batch.iter().filter_map(|one| one.not_after).min();
        let owed = || batch.iter().filter_map(|one| one.owed);
        let (deadline, at_stake) = (
            owed().map(|owed| owed.until).min(),
            owed().fold(0u128, |sum, owed| sum.saturating_add(owed.at_stake)),
        );
        let mut calls: Vec<Bytes> = batch.into_iter().map(|one| one.data).collect();
        let data = match calls.len() {
            1 => calls.remove(0),
            _ => Multicall::multicallCall { data: calls }.abi_encode().into(),
        };
        let shared = !with.is_empty();
        let intent = Intent {
            id,
            with,
            to: None,
            data,
            not_after,
            deadline,
            at_stake,
        };
        let pending = Pending {
            fate: Fate::Open,
            bond: 0,
            amount: Amount::default(),
            parallel: 0,
            until: 0,
            shared,
        };
        self.send(intent, pending);
    }

    /// What else the transaction of an intent did. The intent is over.
    pub(super) fn uncover(&mut self, intent: IntentId) -> Vec<What> {
        let covered = self.covered.iter();
        let covered = covered.filter(|(_, other)| **other == intent);
        let covered: Vec<What> = covered.map(|(what, _)| *what).collect();
        for what in &covered {
            self.covered.remove(what);
        }
        covered
    }
}

/// Which calls go together: those that must go alone first, then the others in their order.
fn batches(ready: Vec<Ready>) -> Vec<Vec<Ready>> {
    let (alone, together): (Vec<_>, Vec<_>) = ready.into_iter().partition(|one| one.alone);
    let mut batches: Vec<Vec<Ready>> = alone.into_iter().map(|one| vec![one]).collect();
    let (mut batch, mut size): (Vec<Ready>, usize) = (Vec::new(), 0);
    for one in together {
        if size + one.does.len() > TOGETHER {
            batches.push(std::mem::take(&mut batch));
            size = 0;
        }
        size += one.does.len();
        batch.push(one);
    }
    batches.push(batch);
    batches.retain(|batch| !batch.is_empty());
    batches
}

#[cfg(test)]
mod tests {
    use piecework_core::view::lease::Key as LeaseId;

    use super::*;

    /// A call about so many leases, the first of which has this number.
    fn call(first: u32, leases: u32, alone: bool) -> Ready {
        let lease = |first| LeaseId {
            job: B256::ZERO,
            first,
            round: 1,
        };
        Ready {
            does: (first..first + leases)
                .map(|first| What::Finalize(lease(first)))
                .collect(),
            data: Bytes::new(),
            owed: None,
            not_after: None,
            alone,
        }
    }

    fn sizes(ready: Vec<Ready>) -> Vec<Vec<usize>> {
        let sizes = |batch: Vec<Ready>| batch.iter().map(|one| one.does.len()).collect();
        batches(ready).into_iter().map(sizes).collect()
    }

    #[test]
    fn calls_go_together_up_to_a_bound_and_some_go_alone() {
        let none: [Vec<usize>; 0] = [];
        assert_eq!(sizes(Vec::new()), none);
        let mixed = vec![call(0, 1, false), call(1, 1, true), call(2, 3, false)];
        assert_eq!(sizes(mixed), [vec![1], vec![1, 3]]);
        let many = (0..5).map(|n| call(n * 10, 6, false)).collect();
        assert_eq!(sizes(many), [vec![6, 6], vec![6, 6], vec![6]]);
        assert_eq!(
            sizes(vec![call(0, 16, false), call(16, 16, false)]),
            [[16], [16]]
        );
    }
}
