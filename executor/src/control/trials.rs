//! New specs: the first task of one is run twice before an optimistic lease of it is taken.
//!
//! A trial takes what bonded work leaves free, and is given up when that takes it back. There is one at a
//! time, and the specs of a client from whom no lease comes of it get a tenth of the time at most.

use std::collections::HashMap;

use alloy::primitives::{Address, B256};
use piecework::spec::Resources;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Control, ControlError, JobEntry};
use crate::{
    clock::local_now,
    store::TrialRow,
    trial::{Trial, Tried},
};

/// How many times as long as a trial took its client's next one waits, unless a lease came of it.
const REST: u32 = 9;

/// What is being tried, and who has to wait.
#[derive(Debug, Default)]
pub(super) struct Trials {
    running: Option<Running>,
    rests: HashMap<Address, Instant>,
}

#[derive(Debug)]
struct Running {
    job: B256,
    resources: Resources,
    work: CancellationToken,
}

impl Trials {
    /// The job whose spec is being tried.
    pub(super) fn job(&self) -> Option<B256> {
        self.running.as_ref().map(|running| running.job)
    }

    /// A lease of this client's was taken: its trial was not for nothing.
    pub(super) fn forgive(&mut self, client: Address) {
        self.rests.remove(&client);
    }
}

impl JobEntry {
    /// Takes in what the trial of its spec came to.
    pub(super) fn learn(&mut self, trial: &TrialRow) {
        self.tried = true;
        if !trial.same && self.can_be_judged() {
            self.refusal = Some(format!(
                "its task {} gave two different outputs here: its results could be challenged",
                trial.task
            ));
        }
    }

    /// Whether a bond can be lost because others have another output.
    fn can_be_judged(&self) -> bool {
        self.job.terms.replicas > 1 || self.job.price.juryFee > 0
    }

    /// Whether a lease of it can be lost to a jury, and nobody knows yet what its spec does here.
    fn is_to_be_tried(&self) -> bool {
        !self.tried && self.job.terms.replicas == 1 && self.can_be_judged()
    }
}

impl Control {
    /// Whether a lease of a job can be taken as far as its spec is concerned. If that is not known, `task`
    /// is run twice, in time.
    pub(super) fn is_tried(&mut self, id: B256, task: u32) -> bool {
        let Some(entry) = self.jobs.get_mut(&id) else {
            return false;
        };
        if !self.tools.policy.try_new_specs || !entry.is_to_be_tried() {
            return true;
        }
        let Ok(spec) = entry.spec.clone() else {
            return false;
        };
        let client = entry.job.terms.client;
        let why = match &self.trials.running {
            Some(running) if running.job == id => {
                format!("its spec is new here: its task {task} is being run twice")
            }
            Some(_) => "its spec is new here, and another one is being tried".to_owned(),
            None if self.trials.rests.get(&client).is_some_and(|until| Instant::now() < *until) => {
                "its spec is new here, and no lease came of the last one of its client that was tried"
                    .to_owned()
            }
            None => {
                tracing::info!(job = %id, task, "its spec is new: running a task twice");
                let work = self.works.token().child_token();
                self.trials.running = Some(Running {
                    job: id,
                    resources: spec.resources,
                    work: work.clone(),
                });
                self.tidied = false;
                let trial = Trial {
                    job: id,
                    task,
                    spec,
                    digest: entry.job.terms.spec,
                };
                self.tools.shop.try_out(trial, work);
                format!("its spec is new here: its task {task} is being run twice")
            }
        };
        entry.why = Some(why);
        false
    }

    /// Gives the trial up if bonded work takes its room, or nothing can come of it any more.
    pub(super) fn mind_trial(&mut self) {
        let Some(running) = &self.trials.running else {
            return;
        };
        let entry = self.jobs.get(&running.job);
        let useful = entry.is_some_and(|entry| !entry.is_asleep(self.tools.clock.now()));
        let room = self.tools.capacity.fits_now(running.resources) > 0;
        if !useful || !room || self.is_stopping() {
            tracing::info!(job = %running.job, room, "a trial is given up");
            running.work.cancel();
            self.trials.running = None;
        }
    }

    pub(super) async fn tried(&mut self, tried: Tried) -> Result<(), ControlError> {
        let Tried {
            trial,
            result,
            took,
        } = tried;
        // Of one that was given up just as it ended.
        if self
            .trials
            .running
            .as_ref()
            .is_none_or(|it| it.job != trial.job)
        {
            return Ok(());
        }
        if let Some(running) = self.trials.running.take() {
            running.work.cancel();
        }
        let now = Instant::now();
        self.trials.rests.retain(|_, until| now < *until);
        if let Some(entry) = self.jobs.get(&trial.job) {
            let client = entry.job.terms.client;
            self.trials
                .rests
                .insert(client, now + took.saturating_mul(REST));
        }
        let same = match result {
            Ok(same) => same,
            Err(failure) => {
                let why = &failure.why;
                tracing::warn!(job = %trial.job, task = trial.task, why, "a trial failed");
                self.prepared(trial.job, Err(failure));
                return Ok(());
            }
        };
        let row = TrialRow {
            spec: trial.digest,
            task: trial.task,
            same,
        };
        self.tools.store.put_trial(row, local_now()).await?;
        tracing::info!(job = %trial.job, task = trial.task, same, ?took, "a new spec was tried");
        for entry in self.jobs.values_mut() {
            if entry.job.terms.spec == row.spec {
                entry.learn(&row);
            }
        }
        Ok(())
    }
}
