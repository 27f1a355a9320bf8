//! A new spec's first task, run twice: a spec whose output depends on the clock, on chance or on the
//! processor would let anyone have an honest provider convicted by a jury.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use piecework::spec::JobSpec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    control::Message,
    work::{Failure, WorkError, Workshop},
};

/// A task that is run twice, with nothing bound to it.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) job: B256,
    pub(crate) task: u32,
    pub(crate) spec: Arc<JobSpec>,
    /// Digest of the spec's bytes.
    pub(crate) digest: B256,
}

/// What a trial came to.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) trial: Trial,
    /// Whether both outputs were equal; then the first one is kept for a lease that has the task.
    pub(crate) result: Result<bool, Failure>,
    pub(crate) took: Duration,
}

impl Workshop {
    /// Runs a trial in the background; the answer is a message, and none comes after `cancel`.
    pub(crate) fn try_out(&self, trial: Trial, cancel: CancellationToken) {
        let shop = self.clone();
        self.tracker.spawn(async move {
            let began = Instant::now();
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                result = shop.run_twice(&trial, &cancel) => result,
            };
            if cancel.is_cancelled() {
                return;
            }
            if result.is_err() {
                shop.unshelve(trial.job);
            }
            let tried = Tried {
                trial,
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
    ) -> Result<bool, WorkError> {
        let Trial { job, task, .. } = *trial;
        let prepared = self.ready(job, &trial.spec, trial.digest).await?;
        let first = self.run_task(job, task, &prepared, cancel).await?;
        let second = self.run_task(job, task, &prepared, cancel).await?;
        let same = first.digest == second.digest;
        if same {
            self.keep(job, task, first).await?;
        }
        Ok(same)
    }
}
