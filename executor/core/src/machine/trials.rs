//! Trials: a task of a new spec is run twice, at two different times, before a bond depends on what it prints.
//!
//! A trial takes capacity that bonded work leaves, and is given up when that takes it back. Addresses cost nothing, so all
//! clients that never paid this machine share: after a trial for one of them, they wait nine times its duration for the next
//! one, unless a lease came of it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};

use super::Machine;
use crate::{
    capacity::Amount,
    command::Command,
    input::{Failure, Verdict},
    take::Why,
};

/// After a trial for an unknown client, unknown clients wait this many times its duration.
const REST: u64 = 9;
/// Trials that run beside each other.
const BESIDE: usize = 2;

#[derive(Debug)]
struct Trial {
    job: B256,
    client: Address,
    /// Local time at which it took its place.
    began: u64,
    /// What it takes of the machine; none before image and input are ready.
    amount: Option<Amount>,
    /// Orders trials: the newest one is given up first.
    number: u64,
}

#[derive(Debug, Default)]
pub(super) struct Trials {
    /// By digest of the spec.
    running: BTreeMap<B256, Trial>,
    known: BTreeMap<B256, (u32, Verdict)>,
    /// Local time until which unknown clients wait.
    strangers_wait: u64,
    number: u64,
}

impl Trials {
    pub(super) fn learn(&mut self, spec: B256, task: u32, verdict: Verdict) {
        self.running.remove(&spec);
        self.known.insert(spec, (task, verdict));
    }

    /// A lease came of a trial: it was not for nothing.
    pub(super) fn forgive(&mut self) {
        self.strangers_wait = 0;
    }

    /// Jobs whose specs are being tried.
    pub(super) fn jobs(&self) -> impl Iterator<Item = B256> {
        self.running.values().map(|trial| trial.job)
    }

    /// What trials take of the machine.
    pub(super) fn amount(&self) -> Amount {
        let amounts = self.running.values().filter_map(|trial| trial.amount);
        amounts.fold(Amount::default(), Amount::plus)
    }

    /// Why a spec with this verdict is not taken.
    pub(super) fn refusal(&self, spec: B256) -> Option<Why> {
        match self.known.get(&spec)? {
            (_, Verdict::Same) => None,
            (task, Verdict::Differs) => Some(Why::Differs { task: *task }),
            (task, Verdict::Unclear) => Some(Why::Unclear { task: *task }),
        }
    }
}

/// What the trial of a job's spec allows now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trying {
    /// Nothing is to be tried: work of it can be taken.
    Done,
    /// It waits.
    Wait(Why),
    /// A trial has its place, and waits for image and input.
    Begin,
}

impl Machine {
    /// Whether work of a job can be taken as far as its spec is concerned. The place for a trial is taken here, before
    /// anything is fetched for it.
    pub(super) fn trying(&mut self, id: B256) -> Trying {
        let longest = self.settings.policy.try_seconds;
        let known_client = |machine: &Self, client| {
            machine.paid.contains(&client) || machine.settings.policy.strangers_percent >= 100
        };
        let Some(job) = self.jobs.get(&id) else {
            return Trying::Wait(Why::Unposted);
        };
        let digest = job.digest();
        if longest == 0 || !job.can_be_judged() || self.trials.known.contains_key(&digest) {
            return Trying::Done;
        }
        let client = job.job.terms.client;
        let known = known_client(self, client);
        let timeout = match &job.spec {
            Ok(spec) => spec.resources.timeout_seconds,
            Err(why) => return Trying::Wait(why.clone()),
        };
        if timeout > longest {
            // What a known client is trusted with is bounded by the exposure.
            return match known {
                true => Trying::Done,
                false => Trying::Wait(Why::TrialTooLong { timeout, longest }),
            };
        }
        if let Some(trial) = self.trials.running.get(&digest) {
            return match trial.amount {
                None if trial.job == id => Trying::Begin,
                _ => Trying::Wait(Why::Trying),
            };
        }
        let full = self.trials.running.len() >= BESIDE;
        let strangers_turn = self.now.local >= self.trials.strangers_wait
            && !self
                .trials
                .running
                .values()
                .any(|trial| !known_client(self, trial.client));
        if full || !(known || strangers_turn) {
            return Trying::Wait(Why::TrialWaits);
        }
        self.trials.number = self.trials.number.wrapping_add(1);
        let trial = Trial {
            job: id,
            client,
            began: self.now.local,
            amount: None,
            number: self.trials.number,
        };
        self.trials.running.insert(digest, trial);
        Trying::Begin
    }

    /// Runs `task` twice, in capacity that nothing bonded needs.
    pub(super) fn begin_trial(&mut self, id: B256, task: u32) -> Why {
        let Some(job) = self.jobs.get(&id) else {
            return Why::Unposted;
        };
        let digest = job.digest();
        let Ok(spec) = job.spec.clone() else {
            return Why::Trying;
        };
        let amount = Amount::of(spec.resources, 1);
        let free = self.free().minus(self.trials.amount());
        if !amount.is_within(free) {
            self.end_trial(digest, true);
            return Why::TrialNoCapacity;
        }
        if let Some(trial) = self.trials.running.get_mut(&digest) {
            trial.amount = Some(amount);
        }
        self.commands.push(Command::Try {
            job: id,
            task,
            spec,
            digest,
        });
        Why::Trying
    }

    /// Gives back the place of a trial that has not begun.
    pub(super) fn leave_trial(&mut self, id: B256) {
        let waits = |trial: &&Trial| trial.job == id && trial.amount.is_none();
        let found = self.trials.running.iter();
        let digest = found
            .filter(|(_, trial)| waits(trial))
            .map(|(digest, _)| *digest)
            .next();
        if let Some(digest) = digest {
            self.end_trial(digest, true);
        }
    }

    /// Gives trials up whose capacity bonded work needs, and all of them when the machine stops.
    pub(super) fn mind_trials(&mut self) {
        let total = self.settings.total.minus(self.elsewhere);
        loop {
            let used = self.used().plus(self.trials.amount());
            let over = !used.is_within(total);
            let newest = self.trials.running.iter();
            let newest = newest
                .filter(|(_, trial)| trial.amount.is_some() || self.stopping)
                .max_by_key(|(_, trial)| trial.number)
                .map(|(digest, _)| *digest);
            match newest {
                Some(digest) if over || self.stopping => self.end_trial(digest, false),
                _ => return,
            }
        }
    }

    /// Ends a trial. If nothing came of it by its client's doing, unknown clients wait.
    fn end_trial(&mut self, spec: B256, counts: bool) {
        let Some(trial) = self.trials.running.remove(&spec) else {
            return;
        };
        if trial.amount.is_some() {
            self.commands.push(Command::StopTrial { spec });
        }
        if counts {
            self.make_strangers_wait(trial.client, trial.began);
        }
    }

    fn make_strangers_wait(&mut self, client: Address, began: u64) {
        let trusts = self.settings.policy.strangers_percent >= 100;
        if !self.paid.contains(&client) && !trusts {
            let took = self.now.local.saturating_sub(began);
            let wait = self.now.local.saturating_add(took.saturating_mul(REST));
            self.trials.strangers_wait = wait;
        }
    }

    pub(super) fn trial_over(&mut self, spec: B256) {
        if let Some(trial) = self.trials.running.remove(&spec) {
            self.make_strangers_wait(trial.client, trial.began);
        }
    }

    pub(super) fn trial_failed(&mut self, spec: B256, failure: Failure) {
        let Some(trial) = self.trials.running.get(&spec) else {
            return;
        };
        let job = trial.job;
        self.trial_over(spec);
        self.prepared(job, Err(failure));
    }
}
