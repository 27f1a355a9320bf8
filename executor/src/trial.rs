//! A new spec's first task, run twice: a spec whose output depends on the clock, on chance or on the
//! processor would let anyone have an honest provider convicted by a jury.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::B256;
use piecework_core::{
    digest::{Digest, manifest::Outcome},
    spec::JobSpec,
};
use piecework_net::blobs::DirStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    capacity::Loan,
    control::Message,
    sandbox::Prepared,
    work::{Failure, WorkError, Workshop},
};

/// A task that is run twice, with nothing bound to it, in room that is lent.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) job: B256,
    pub(crate) task: u32,
    pub(crate) spec: Arc<JobSpec>,
    /// Digest of the spec's bytes.
    pub(crate) digest: B256,
    pub(crate) room: Loan,
    /// Where its outputs are, until they are compared.
    pub(crate) scratch: PathBuf,
}

/// What a trial came to.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) job: B256,
    pub(crate) task: u32,
    pub(crate) digest: B256,
    pub(crate) result: Result<Verdict, Failure>,
    pub(crate) took: Duration,
}

/// What two runs say of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They had the same output.
    Same,
    /// They had two.
    Differs,
    /// They had two, one of them for want of time or memory, which says more of this machine, and of the moment.
    Unclear(Outcome),
}

impl Workshop {
    /// Runs a trial in the background; the answer is a message, and none comes after `cancel`.
    pub(crate) fn try_out(&self, trial: Trial, cancel: CancellationToken) {
        let shop = self.clone();
        self.spawn(async move {
            let began = Instant::now();
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                result = shop.run_twice(&trial, &cancel) => result,
            };
            if cancel.is_cancelled() {
                return;
            }
            let Trial {
                job,
                task,
                digest,
                room,
                ..
            } = trial;
            drop(room);
            if result.is_err() {
                shop.unshelve(job);
            }
            let tried = Tried {
                job,
                task,
                digest,
                result: result.map_err(Failure::from),
                took: began.elapsed(),
            };
            let _ = shop.inbox.send(Message::Tried(tried));
        });
    }

    async fn run_twice(
        &self,
        trial: &Trial,
        cancel: &CancellationToken,
    ) -> Result<Verdict, WorkError> {
        let prepared = self.ready(trial.job, &trial.spec, trial.digest).await?;
        let first = self.run_once(trial, &prepared, cancel).await?;
        let second = self.run_once(trial, &prepared, cancel).await?;
        if first.1 == second.1 {
            return Ok(Verdict::Same);
        }
        let of_the_machine =
            |outcome: &Outcome| matches!(outcome, Outcome::Timeout | Outcome::Memory);
        let unclear = [first.0, second.0].into_iter().find(of_the_machine);
        Ok(unclear.map_or(Verdict::Differs, Verdict::Unclear))
    }

    /// Runs the task; its output goes with the run.
    async fn run_once(
        &self,
        trial: &Trial,
        prepared: &Prepared,
        cancel: &CancellationToken,
    ) -> Result<(Outcome, Digest), WorkError> {
        let scratch =
            tempfile::tempdir_in(&trial.scratch).map_err(|e| WorkError::Damaged(e.to_string()))?;
        let outputs = DirStore::open(scratch.path())?;
        let result = self
            .run_task(trial.job, trial.task, prepared, &outputs, cancel)
            .await?;
        Ok((result.outcome, result.digest))
    }
}
