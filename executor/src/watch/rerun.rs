//! Running a sample again: the provider's digests, then each task in the sandbox, with room that nothing bonded
//! needs. Nothing of it is an outcome, and no output is kept.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256},
    providers::DynProvider,
};
use piecework::{
    blobs::DirStore,
    chain::{ChainError, IMarket},
    digest::{Digest, manifest::Outcome, tree},
    market::Committed,
    spec::JobSpec,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Difference, Finding, Key};
use crate::{
    capacity::Capacity,
    control::Message,
    sandbox::{Prepared, SandboxError},
    work::{Counted, Failure, Workshop},
};

/// First wait after something could not be had; it doubles up to [`LONGEST_WAIT`], so often.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
const TRIES: u32 = 10;
/// How often is looked for room.
const ROOM_PAUSE: Duration = Duration::from_millis(250);

/// Exit code of a process that was killed: by its own doing, or by a host that needed its memory.
const KILLED: u8 = 137;

/// A result of which tasks are to be run again.
#[derive(Debug)]
pub(crate) struct Rerun {
    pub(crate) key: Key,
    pub(crate) committed: Committed,
    pub(crate) sample: Vec<u32>,
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) seed: B256,
    /// Last second in which the result can be challenged.
    pub(crate) until: u64,
    /// Seconds that two runs of a task and sending a challenge can take.
    pub(crate) needs: u64,
}

/// Runs samples again; clones share everything.
#[derive(Clone)]
pub(crate) struct Rerunner {
    pub(crate) shop: Workshop,
    pub(crate) rpc: DynProvider,
    pub(crate) market: Address,
    pub(crate) capacity: Capacity,
    /// For outputs, until their digest is known.
    pub(crate) scratch: PathBuf,
    /// Results that are looked at together.
    pub(crate) places: Arc<Semaphore>,
}

/// What running a task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ran {
    digest: B256,
    /// Whether another machine has to find the same.
    sure: bool,
}

/// What runs of a task say of the provider's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Same,
    /// It is to be run a second time.
    Again,
    /// Nothing: the outcome may be this machine's doing.
    Unsure,
    Unsteady,
    Differs,
}

/// What one run, or two, say of the provider's digest.
fn compare(theirs: B256, once: Ran, twice: Option<Ran>) -> Said {
    match twice {
        _ if once.digest == theirs => Said::Same,
        _ if !once.sure => Said::Unsure,
        None => Said::Again,
        Some(twice) if !twice.sure => Said::Unsure,
        Some(twice) if twice.digest != once.digest => Said::Unsteady,
        Some(_) => Said::Differs,
    }
}

/// Whether an outcome may come of the machine: a slow, busy or full one has it each time, and alike, while the
/// provider and the jury find another. Nothing is staked on such an outcome.
fn is_of_the_machine(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Timeout | Outcome::Memory | Outcome::Exit(KILLED)
    )
}

/// Why the sample could not be run, for now or for good.
struct Trouble {
    why: String,
    finding: Finding,
    for_good: bool,
}

impl Trouble {
    fn unserved(why: impl ToString) -> Self {
        Self {
            why: why.to_string(),
            finding: Finding::Unserved,
            for_good: false,
        }
    }

    fn ours(why: impl ToString) -> Self {
        Self {
            why: why.to_string(),
            finding: Finding::Unfinished,
            for_good: false,
        }
    }

    fn no_time() -> Self {
        Self {
            for_good: true,
            ..Self::ours("no time is left to run a task twice and to challenge it")
        }
    }
}

impl From<SandboxError> for Trouble {
    fn from(error: SandboxError) -> Self {
        let failure = Failure::from(error);
        let finding = match failure.of_the_input {
            true => Finding::Unobtainable,
            false => Finding::Unfinished,
        };
        Self {
            why: failure.why,
            finding,
            for_good: failure.of_the_job && !failure.of_the_input,
        }
    }
}

impl Rerunner {
    /// Runs a sample in the background; the answer is a message.
    pub(crate) fn start(&self, order: Rerun, cancel: CancellationToken) {
        let rerunner = self.clone();
        self.shop.spawn(async move {
            let finding = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                finding = rerunner.persist(&order, &cancel) => finding,
            };
            if cancel.is_cancelled() {
                return;
            }
            let key = order.key;
            let _ = rerunner.shop.inbox.send(Message::Watched { key, finding });
        });
    }

    async fn persist(&self, order: &Rerun, cancel: &CancellationToken) -> Finding {
        let mut wait = FIRST_WAIT;
        for tries in 1.. {
            let trouble = match self.attempt(order, cancel).await {
                Ok(finding) => return finding,
                Err(trouble) => trouble,
            };
            let lease = order.key.lease;
            if trouble.finding != Finding::Unserved {
                // Perhaps the engine has lost the image, or the disk the input.
                self.shop.unshelve(lease.job);
            }
            let late = self.is_late(order, wait.as_secs());
            let over = trouble.for_good || tries >= TRIES || late;
            if tries == 1 || over {
                tracing::warn!(job = %lease.job, first = lease.first, provider = %order.committed.provider, why = trouble.why, over, "a watched result cannot be checked");
            }
            if over {
                return trouble.finding;
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
        Finding::Unfinished
    }

    /// Whether there would be too little time in `seconds`.
    fn is_late(&self, order: &Rerun, seconds: u64) -> bool {
        let then = self.shop.clock.now().saturating_add(seconds);
        then.saturating_add(order.needs) > order.until
    }

    async fn attempt(&self, order: &Rerun, cancel: &CancellationToken) -> Result<Finding, Trouble> {
        // Who makes us wait between attempts keeps nobody else waiting.
        let _place = self.places.acquire().await.map_err(Trouble::ours)?;
        let theirs = self.digests(order).await?;
        let (job, first) = (order.key.lease.job, order.committed.first);
        let prepared = self.shop.ready(job, &order.spec, order.seed).await?;
        let mut unsure = false;
        for task in order.sample.iter().copied() {
            let place = task
                .checked_sub(first)
                .and_then(|at| usize::try_from(at).ok());
            let Some(digest) = place.and_then(|place| theirs.get(place)) else {
                continue;
            };
            let digest = B256::from(*digest);
            let once = self.run(order, &prepared, task, 1, cancel).await?;
            let mut said = compare(digest, once, None);
            if said == Said::Again {
                let twice = self.run(order, &prepared, task, 2, cancel).await?;
                said = compare(digest, once, Some(twice));
            }
            match said {
                Said::Same => continue,
                Said::Again | Said::Unsure => {
                    tracing::warn!(%job, task, "an outcome may be this machine's doing: nothing is said of it");
                    unsure = true;
                    continue;
                }
                Said::Unsteady => return Ok(Finding::Unsteady { task }),
                Said::Differs => {}
            }
            let proof = tree::proof(first, &theirs, task).map_err(Trouble::ours)?;
            return Ok(Finding::Differs(Difference {
                task,
                theirs: digest,
                proof,
                right: once.digest,
            }));
        }
        Ok(match unsure {
            true => Finding::Unfinished,
            false => Finding::Same,
        })
    }

    /// The provider's output digests, as it serves them.
    async fn digests(&self, order: &Rerun) -> Result<Vec<Digest>, Trouble> {
        let market = IMarket::new(self.market, &self.rpc);
        let profile = market.profileOf(order.committed.provider).call().await;
        let profile = profile
            .map_err(|error| Trouble::ours(ChainError::from_contract("profileOf", error)))?;
        let url = Url::parse(&profile.endpoint)
            .map_err(|error| Trouble::unserved(format!("its endpoint: {error}")))?;
        let source = self.shop.http.source(&url).map_err(Trouble::unserved)?;
        let digests = order.committed.digests(&source).await;
        digests.map_err(Trouble::unserved)
    }

    /// Runs a task, unless this run of it is known. What may be this machine's doing is not kept: after a restart
    /// nobody could tell it from what is sure.
    async fn run(
        &self,
        order: &Rerun,
        prepared: &Prepared,
        task: u32,
        run: u8,
        cancel: &CancellationToken,
    ) -> Result<Ran, Trouble> {
        let job = order.key.lease.job;
        let store = &self.shop.store;
        if let Some(known) = store.rerun(job, task, run).await.map_err(Trouble::ours)? {
            return Ok(Ran {
                digest: known,
                sure: true,
            });
        }
        let result = loop {
            if self.is_late(order, 0) {
                return Err(Trouble::no_time());
            }
            let end = cancel.child_token();
            let Some(loan) = self.capacity.lend(order.spec.resources, end.clone()) else {
                tokio::time::sleep(ROOM_PAUSE).await;
                continue;
            };
            let scratch = tempfile::tempdir_in(&self.scratch).map_err(Trouble::ours)?;
            let outputs = DirStore::open(scratch.path()).map_err(Trouble::ours)?;
            let counted = Counted::new(&self.shop.running);
            let name = format!("{job:x}");
            let sandbox = &self.shop.sandbox;
            let result = sandbox.run(prepared, &name, task, &outputs, &end).await;
            drop((counted, loan));
            match result {
                Ok(result) => break result,
                Err(SandboxError::Cancelled) if !cancel.is_cancelled() => {
                    tracing::info!(%job, task, "a re-run gives way to bonded work");
                }
                Err(error) => return Err(error.into()),
            }
        };
        let digest = B256::from(result.digest);
        if is_of_the_machine(result.outcome) {
            let outcome = result.outcome;
            tracing::info!(%job, task, run, %outcome, "task run again");
            return Ok(Ran {
                digest,
                sure: false,
            });
        }
        let kept = store.put_rerun(job, task, run, digest).await;
        let kept = kept.map_err(Trouble::ours)?;
        tracing::info!(%job, task, run, digest = %kept, "task run again");
        let _ = self.shop.inbox.send(Message::Rerun);
        Ok(Ran {
            digest: kept,
            sure: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(tag: u8, sure: bool) -> Ran {
        Ran {
            digest: B256::repeat_byte(tag),
            sure,
        }
    }

    #[test]
    fn what_may_be_the_machines_doing_is_never_a_difference() {
        let theirs = B256::repeat_byte(1);
        for outcome in [Outcome::Timeout, Outcome::Memory, Outcome::Exit(KILLED)] {
            assert!(is_of_the_machine(outcome), "{outcome}");
        }
        for outcome in [Outcome::Exit(0), Outcome::Exit(1)] {
            assert!(!is_of_the_machine(outcome), "{outcome}");
        }
        // Twice alike, as a slow machine has it.
        assert_eq!(compare(theirs, ran(2, false), None), Said::Unsure);
        for (once, twice) in [(false, false), (false, true), (true, false)] {
            let said = compare(theirs, ran(2, once), Some(ran(2, twice)));
            assert_eq!(said, Said::Unsure);
        }
        // Not even a spec is called unsteady for it.
        let said = compare(theirs, ran(2, true), Some(ran(3, false)));
        assert_eq!(said, Said::Unsure);
        // Who says so too is not contradicted.
        assert_eq!(compare(theirs, ran(1, false), None), Said::Same);
    }

    #[test]
    fn two_sure_runs_tell_a_difference_from_an_unsteady_spec() {
        let theirs = B256::repeat_byte(1);
        assert_eq!(compare(theirs, ran(1, true), None), Said::Same);
        assert_eq!(compare(theirs, ran(2, true), None), Said::Again);
        let twice = |tag| compare(theirs, ran(2, true), Some(ran(tag, true)));
        assert_eq!(twice(2), Said::Differs);
        assert_eq!(twice(3), Said::Unsteady);
        assert_eq!(twice(1), Said::Unsteady);
    }
}
