//! Intents: transactions that were asked for, until what they changed was read.

use super::Machine;
use crate::{
    capacity::Amount,
    command::Command,
    intent::{Fate, Intent, IntentId, What},
};

/// Chain time, in seconds, within which a claim must be on its way.
pub(super) const CLAIM_LIFE: u64 = 60;

/// An intent that is not settled.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) fate: Fate,
    /// Stake that it may lock.
    pub(super) bond: u128,
    /// Part of the machine that its work takes.
    pub(super) amount: Amount,
    /// How many tasks of it can run at the same time.
    pub(super) parallel: u32,
    /// Chain time after which nothing that it takes could be done in time.
    pub(super) until: u64,
    /// Whether other acts go in its transaction.
    pub(super) shared: bool,
}

impl Machine {
    pub(super) fn fate(&mut self, id: IntentId, fate: Fate) {
        if let Fate::Mined { tx, .. } = fate {
            self.owners.insert(tx, true);
        }
        self.touch_what(id.what);
        self.offers = true;
        if fate == Fate::Failed {
            if self.intents.remove(&id).is_some() {
                self.came_to_nothing(id);
            }
            return;
        }
        let restored = self.restored(id, fate);
        let pending = self.intents.entry(id).or_insert(restored);
        pending.fate = fate;
    }

    /// What is kept for an intent of before the start: of a claim whose job is known, the capacity of one task. What a claim
    /// got that is on its way again has its own.
    fn restored(&self, id: IntentId, fate: Fate) -> Pending {
        let claims = id.what.binds() && !self.synced;
        let job = id.what.job().filter(|_| claims);
        let job = job.and_then(|job| self.jobs.get(&job));
        let (amount, window) = match job {
            Some(job) => {
                let spec = job.spec.as_deref();
                let amount = spec.map(|spec| Amount::of(spec.resources, 1));
                (amount.unwrap_or_default(), job.job.timing.runWindow)
            }
            None => (Amount::default(), 0),
        };
        let until = self.now.time.saturating_add(CLAIM_LIFE);
        Pending {
            fate,
            bond: 0,
            amount,
            parallel: 1,
            until: until.saturating_add(window),
            shared: false,
        }
    }

    /// Drops intents whose block was read: what they changed is in the events by now.
    pub(super) fn settle_intents(&mut self) {
        let head = self.head.map_or(0, |head| head.number);
        let read: Vec<IntentId> = self
            .intents
            .iter()
            .filter(
                |(_, pending)| matches!(pending.fate, Fate::Mined { block, .. } if block <= head),
            )
            .map(|(id, _)| *id)
            .collect();
        for id in read {
            let Some(pending) = self.intents.remove(&id) else {
                continue;
            };
            if id.what.binds() {
                if let Fate::Mined { tx, .. } = pending.fate {
                    self.inherit(tx, &pending);
                }
            } else {
                // If it changed nothing, it is asked for again in a while.
                self.rest(id);
            }
        }
    }

    /// The lease that an intent is about has news.
    pub(super) fn touch_what(&mut self, what: What) {
        if let Some(lease) = what.lease() {
            self.touch(lease.job, Some(lease.first));
        }
    }

    pub(super) fn is_open(&self, what: What) -> bool {
        self.covered.contains_key(&what) || self.asked_for(what).next().is_some()
    }

    /// Whether a transaction for this alone is on its way.
    pub(super) fn is_open_alone(&self, what: What) -> bool {
        self.asked_for(what).any(|pending| !pending.shared)
    }

    fn asked_for(&self, what: What) -> impl Iterator<Item = &Pending> {
        let id = |unique| IntentId { what, unique };
        let intents = self.intents.range(id(0)..=id(u64::MAX));
        intents.map(|(_, pending)| pending)
    }

    pub(super) fn unique(&mut self) -> u64 {
        self.me.unique = self.me.unique.wrapping_add(1);
        self.me.unique
    }

    pub(super) fn send(&mut self, intent: Intent, pending: Pending) {
        self.intents.insert(intent.id, pending);
        self.commands.push(Command::Send(intent));
    }
}
