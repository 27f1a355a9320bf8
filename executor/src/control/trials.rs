//! New specs: the first task of one is run twice before an ordinary lease of it is taken.
//!
//! A trial has room that bonded work leaves, and is given up when that takes it back. There is one at a time.
//! Addresses cost nothing, so all clients of whom nothing was earned share: their trials get a tenth of the
//! time, unless leases come of them, and none is long.

use alloy::primitives::{Address, B256};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::{Control, ControlError, JobEntry};
use crate::{
    clock::local_now,
    store::TrialRow,
    trial::{Trial, Tried, Verdict},
};

/// How many times as long as a stranger's trial took the strangers' next one waits, unless a lease came of it.
const REST: u32 = 9;

/// What is being tried, and until when strangers wait.
#[derive(Debug, Default)]
pub(super) struct Trials {
    running: Option<Running>,
    strangers_wait: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    job: B256,
    client: Address,
    began: Instant,
    /// Ends the work; none before image and input are ready.
    work: Option<CancellationToken>,
}

impl Trials {
    /// The job whose spec is being tried.
    pub(super) fn job(&self) -> Option<B256> {
        self.running.as_ref().map(|running| running.job)
    }

    /// A lease came of a trial: it was not for nothing.
    pub(super) fn forgive(&mut self) {
        self.strangers_wait = None;
    }

    fn is_strangers_turn(&self) -> bool {
        self.strangers_wait
            .is_none_or(|until| Instant::now() >= until)
    }
}

/// What the trial of a job's spec allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trying {
    /// Nothing is to be tried: a lease can be taken.
    Done,
    /// A trial can begin, or waits for image and input.
    Begin,
    Wait,
}

impl JobEntry {
    /// Takes in what the trial of its spec came to.
    pub(super) fn learn(&mut self, trial: &TrialRow) {
        self.tried = true;
        if !trial.same && self.can_be_judged() {
            self.refusal = Some(format!(
                "its task {} gave two different outputs here: a jury could convict its results",
                trial.task
            ));
        }
    }

    /// Whether a bond can be lost because others have another output.
    fn can_be_judged(&self) -> bool {
        self.job.assurance.replicas > 1 || self.job.assurance.auditBps > 0
    }

    /// Whether a lease of it can be lost to a jury, and nobody knows yet what its spec does here.
    fn is_to_be_tried(&self) -> bool {
        !self.tried && self.job.assurance.replicas == 1 && self.can_be_judged()
    }
}

impl Control {
    /// Whether a lease of a job can be taken as far as its spec is concerned. The place for a trial is taken here,
    /// before anything is fetched for it.
    pub(super) fn trying(&mut self, id: B256) -> Trying {
        let longest = self.tools.policy.try_seconds;
        let trusts_strangers = self.trusts_strangers();
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Trying::Wait;
        };
        if longest == 0 || !entry.is_to_be_tried() {
            return Trying::Done;
        }
        let Ok(spec) = entry.spec.clone() else {
            return Trying::Wait;
        };
        let client = entry.job.terms.client;
        let known = self.clients.contains(&client) || trusts_strangers;
        let timeout = spec.resources.timeout_seconds;
        if timeout > longest {
            // What a known client is trusted with is bounded by `allowance`.
            if known {
                return Trying::Done;
            }
            entry.skip(
                id,
                format!(
                    "its spec is new here, of a client of whom nothing was earned, and its timeout_seconds ({timeout}) is over policy.try_seconds ({longest})"
                ),
            );
            return Trying::Wait;
        }
        let why = match &self.trials.running {
            Some(running) if running.job == id && running.work.is_none() => return Trying::Begin,
            Some(running) if running.job == id => {
                "its spec is new here: a task of it is being run twice"
            }
            Some(_) => "its spec is new here, and another one is being tried",
            None if known || self.trials.is_strangers_turn() => {
                self.trials.running = Some(Running {
                    job: id,
                    client,
                    began: Instant::now(),
                    work: None,
                });
                return Trying::Begin;
            }
            None => {
                "its spec is new here, and no lease came of the last one that was tried for a client of whom nothing was earned"
            }
        };
        entry.why = Some(why.to_owned());
        Trying::Wait
    }

    /// Runs `task` twice, in room that nothing bonded needs.
    pub(super) fn begin_trial(&mut self, id: B256, task: u32) {
        let (Some(entry), Some(running)) = (self.jobs.get_mut(&id), &mut self.trials.running)
        else {
            return;
        };
        let Ok(spec) = entry.spec.clone() else {
            return;
        };
        let work = self.works.token().child_token();
        let Some(room) = self.tools.capacity.lend(spec.resources, work.clone()) else {
            entry.why = Some("its spec is new here, and no capacity is free to try it".to_owned());
            self.leave_trial(id);
            return;
        };
        tracing::info!(job = %id, task, "its spec is new: running a task twice");
        entry.why = Some(format!(
            "its spec is new here: its task {task} is being run twice"
        ));
        running.work = Some(work.clone());
        self.tidied = false;
        let trial = Trial {
            job: id,
            task,
            spec,
            digest: entry.job.terms.spec,
            room,
            scratch: self.tools.scratch.clone(),
        };
        self.tools.shop.try_out(trial, work);
    }

    /// Gives the place for a trial back if this job has it and its trial has not begun.
    pub(super) fn leave_trial(&mut self, id: B256) {
        let waits = |running: &mut Running| running.job == id && running.work.is_none();
        if let Some(running) = self.trials.running.take_if(waits) {
            self.make_strangers_wait(running.client, running.began.elapsed());
        }
    }

    /// Gives the trial up if its room was called back, or nothing can come of it any more.
    pub(super) fn mind_trial(&mut self) {
        let Some(running) = &self.trials.running else {
            return;
        };
        let entry = self.jobs.get(&running.job);
        let useful = entry.is_some_and(|entry| !entry.is_asleep(self.tools.clock.now()));
        let work = running.work.as_ref();
        let called_back = work.is_some_and(CancellationToken::is_cancelled);
        if useful && !called_back && !self.is_stopping() {
            return;
        }
        tracing::info!(job = %running.job, called_back, "a trial is given up");
        if let Some(work) = work {
            work.cancel();
        }
        let (client, took) = (running.client, running.began.elapsed());
        self.trials.running = None;
        if !called_back {
            self.make_strangers_wait(client, took);
        }
    }

    /// Whether the owner makes no difference between strangers and others, as on a devnet.
    fn trusts_strangers(&self) -> bool {
        self.tools.policy.strangers_percent >= 100
    }

    fn make_strangers_wait(&mut self, client: Address, took: Duration) {
        if !self.clients.contains(&client) && !self.trusts_strangers() {
            self.trials.strangers_wait = Some(Instant::now() + took.saturating_mul(REST));
        }
    }

    pub(super) async fn tried(&mut self, tried: Tried) -> Result<(), ControlError> {
        let Tried {
            job,
            task,
            digest,
            result,
            took,
        } = tried;
        // Of one that was given up just as it ended.
        let Some(running) = self.trials.running.take_if(|running| running.job == job) else {
            return Ok(());
        };
        self.make_strangers_wait(running.client, running.began.elapsed());
        let verdict = match result {
            Ok(verdict) => verdict,
            Err(failure) => {
                let why = &failure.why;
                tracing::warn!(%job, task, why, "a trial failed");
                self.prepared(job, Err(failure));
                return Ok(());
            }
        };
        tracing::info!(%job, task, ?verdict, ?took, "a new spec was tried");
        let same = match verdict {
            Verdict::Same => true,
            Verdict::Differs => false,
            Verdict::Unclear(outcome) => {
                if let Some(entry) = self.jobs.get_mut(&job) {
                    let why = format!(
                        "its spec is new here, and its task {task} ended with \"{outcome}\" when it was tried: nobody can say whether others see the same"
                    );
                    entry.skip(job, why);
                }
                return Ok(());
            }
        };
        let row = TrialRow {
            spec: digest,
            task,
            same,
        };
        self.tools.store.put_trial(row, local_now()).await?;
        for entry in self.jobs.values_mut() {
            if entry.job.terms.spec == row.spec {
                entry.learn(&row);
            }
        }
        Ok(())
    }
}
