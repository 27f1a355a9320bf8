//! A task of a new spec, run twice: a spec whose output depends on the clock or on chance would let
//! anyone have an honest provider convicted by a jury.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use piecework_core::{
    digest::{Digest, manifest::Outcome},
    spec::JobSpec,
};
use piecework_executor_core::{
    Input,
    input::{Failure, Verdict},
};
use piecework_net::blobs::DirStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::local_now,
    sandbox::Prepared,
    store::TrialRow,
    work::{Workshop, error::WorkError},
};

/// The time from the beginning of the first run to that of the second one, at least: an output that depends on the clock
/// differs then.
const APART: Duration = Duration::from_secs(2);

/// A task that is run twice, with nothing bound to it.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) job: B256,
    pub(crate) task: u32,
    pub(crate) spec: Arc<JobSpec>,
    /// Digest of the spec's bytes.
    pub(crate) digest: B256,
}

impl Workshop {
    /// Runs a trial in the background. After `cancel` nothing is told.
    pub(crate) fn try_out(&self, trial: Trial, cancel: CancellationToken) {
        let shop = self.clone();
        self.spawn(async move {
            let (job, task) = (trial.job, trial.task);
            tracing::info!(%job, task, "its spec is new: running a task twice");
            let tried = tokio::select! {
                biased;
                () = cancel.cancelled() => None,
                tried = shop.conclude(&trial, &cancel) => Some(tried),
            };
            let Some(tried) = tried.filter(|_| !cancel.is_cancelled()) else {
                tracing::info!(%job, "a trial is given up");
                return;
            };
            shop.tell(tried);
        });
    }

    /// Runs a trial, and writes down what it came to.
    async fn conclude(&self, trial: &Trial, cancel: &CancellationToken) -> Input {
        let Trial {
            job, task, digest, ..
        } = *trial;
        let verdict = match self.run_twice(trial, cancel).await {
            Ok(verdict) => {
                let row = TrialRow {
                    spec: digest,
                    task,
                    verdict,
                };
                let written = self.store.put_trial(row, local_now()).await;
                written.map(|()| verdict).map_err(WorkError::from)
            }
            Err(error) => Err(error),
        };
        match verdict {
            Ok(verdict) => {
                tracing::info!(%job, task, ?verdict, "a new spec was tried");
                Input::Tried {
                    spec: digest,
                    task,
                    verdict,
                }
            }
            Err(error) => {
                self.unshelve(job);
                let failure = Failure::from(error);
                let why = &failure.why;
                tracing::warn!(%job, task, why, "a trial failed");
                Input::TrialFailed {
                    spec: digest,
                    failure,
                }
            }
        }
    }

    async fn run_twice(
        &self,
        trial: &Trial,
        cancel: &CancellationToken,
    ) -> Result<Verdict, WorkError> {
        let prepared = self.ready(trial.job, &trial.spec, trial.digest).await?;
        let began = Instant::now();
        let first = self.run_once(trial, &prepared, cancel).await?;
        tokio::time::sleep_until(began + APART).await;
        let second = self.run_once(trial, &prepared, cancel).await?;
        if first.1 == second.1 {
            return Ok(Verdict::Same);
        }
        let of_the_machine =
            |outcome: &Outcome| matches!(outcome, Outcome::Timeout | Outcome::Memory);
        Ok(match [first.0, second.0].iter().any(of_the_machine) {
            true => Verdict::Unclear,
            false => Verdict::Differs,
        })
    }

    /// Runs the task; its output goes with the run.
    async fn run_once(
        &self,
        trial: &Trial,
        prepared: &Prepared,
        cancel: &CancellationToken,
    ) -> Result<(Outcome, Digest), WorkError> {
        let scratch =
            tempfile::tempdir_in(&self.scratch).map_err(|e| WorkError::Damaged(e.to_string()))?;
        let outputs = DirStore::open(scratch.path())?;
        let result = self
            .run_task(trial.job, trial.task, prepared, &outputs, cancel)
            .await?;
        Ok((result.outcome, result.digest))
    }
}
