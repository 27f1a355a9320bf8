//! A posted job.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use alloy::rpc::types::{Filter, TransactionReceipt};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::Mutex;

use super::download::{Downloaded, TaskResult};
use super::serve::BlobServer;
use super::view::{JobView, LeaseView, Tally};
use super::{Assurance, Market, Progress};
use crate::Error;
use crate::chain::{ChainError, EventAt, IMarket, MarketEvent, decode_event, read_logs};
use crate::digest::Digest;
use crate::rules;
use crate::rules::draw;
use crate::spec::JobSpec;

/// Output digests of leases, by first task and verified root.
pub(super) type KnownDigests = Mutex<HashMap<(u32, B256), Arc<Vec<Digest>>>>;

/// A posted job. While one of its clones lives, the client's blobs are served to providers; the
/// job itself goes on without it, and `market.attach(run.id())` finds it again.
#[derive(Debug, Clone)]
pub struct Run {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    market: Market,
    posted: EventAt,
    job_id: B256,
    job: IMarket::Job,
    fee_bps: u16,
    spec: JobSpec,
    receipts: Vec<TransactionReceipt>,
    digests: KnownDigests,
    _server: Option<Arc<BlobServer>>,
}

impl Run {
    pub(super) fn new(
        market: Market,
        posted: EventAt,
        receipts: Vec<TransactionReceipt>,
        server: Option<Arc<BlobServer>>,
    ) -> Result<Self, Error> {
        let MarketEvent::Posted(event) = &posted.event else {
            let problem = format!("it is a {} event", posted.event.name());
            return Err(Error::BadPosting {
                job_id: B256::ZERO,
                problem,
            });
        };
        let spec = JobSpec::parse(&event.spec)?;
        let (job_id, job, fee_bps) = (event.jobId, event.job.clone(), event.feeBps);
        let digests = Mutex::default();
        let inner = Inner {
            market,
            posted,
            job_id,
            job,
            fee_bps,
            spec,
            receipts,
            digests,
            _server: server,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The job's id, by which any process can attach to it.
    pub fn id(&self) -> B256 {
        self.inner.job_id
    }

    /// The market it was posted on.
    pub fn market(&self) -> &Market {
        &self.inner.market
    }

    /// The job as posted.
    pub fn job(&self) -> &IMarket::Job {
        &self.inner.job
    }

    /// Its spec.
    pub fn spec(&self) -> &JobSpec {
        &self.inner.spec
    }

    /// The protocol's fee on it, in basis points of what providers are paid.
    pub fn fee_bps(&self) -> u16 {
        self.inner.fee_bps
    }

    /// How many tasks it has.
    pub fn tasks(&self) -> u32 {
        self.inner.job.terms.tasks
    }

    /// Units that its posting moved into escrow.
    pub fn escrow(&self) -> u128 {
        // A job that was posted has one.
        rules::escrow_of(self.job(), self.tasks()).unwrap_or_default()
    }

    /// Block of its posting.
    pub fn posted_block(&self) -> u64 {
        self.inner.posted.block
    }

    /// Transactions that `submit` sent, the posting last; none after `attach`.
    pub fn receipts(&self) -> &[TransactionReceipt] {
        &self.inner.receipts
    }

    pub(super) fn known_digests(&self) -> &KnownDigests {
        &self.inner.digests
    }

    /// How its results are checked.
    pub fn assurance(&self) -> Assurance {
        Assurance::of(self.job())
    }

    /// Where it stands now.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn status(&self) -> Result<JobView, Error> {
        let mut view = JobView::new(self.job());
        for at in self.events().await? {
            self.see(&mut view, &at).await?;
        }
        Ok(view)
    }

    /// Its events so far, oldest first.
    pub(super) async fn events(&self) -> Result<Vec<EventAt>, Error> {
        let filter = Filter::new()
            .address(self.market().address())
            .topic1(self.id())
            .from_block(self.posted_block());
        let logs = read_logs(self.market().provider(), &filter).await?;
        let mut events = Vec::new();
        for log in &logs {
            match decode_event(log, self.market().address()) {
                Ok(at) if at.event.job_id() == Some(self.id()) => events.push(at),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, code = error.code(), "unreadable log"),
            }
        }
        Ok(events)
    }

    /// Takes an event into a view; asks for the numbers of providers that it needs.
    pub(super) async fn see(&self, view: &mut JobView, at: &EventAt) -> Result<(), Error> {
        for provider in view.unnumbered(at) {
            let number = self.market().number_of(provider).await?;
            view.number(provider, number);
        }
        view.apply(at);
        Ok(())
    }

    /// Waits until every task is settled, void or refunded, however long it takes, and keeps the job going meanwhile
    /// ([`Run::upkeep`]).
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn wait(&self) -> Result<Done, Error> {
        self.drive(|_| {}).await
    }

    /// As [`Run::wait`], for a time.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Chain`].
    pub async fn wait_for(&self, time: Duration) -> Result<Done, Error> {
        let mut tally = Tally::default();
        match tokio::time::timeout(time, self.drive(|progress| tally = progress.tally)).await {
            Ok(done) => done,
            Err(_) => Err(Error::TimedOut {
                job_id: self.id(),
                seconds: time.as_secs(),
                done: tally.done(),
                total: self.tasks(),
            }),
        }
    }

    /// As [`Run::wait`], with a progress bar on stderr, or a line for each step where stderr is no
    /// terminal.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn show_progress(&self) -> Result<Done, Error> {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(u64::from(self.tasks())), target);
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let done = self
            .drive(|progress| {
                let tally = progress.tally;
                bar.set_position(u64::from(tally.done()));
                bar.set_message(format!(
                    "{} running, {} submitted",
                    tally.running, tally.submitted
                ));
                if terminal {
                    bar.println(progress.step.to_string());
                } else {
                    eprintln!("{}/{} {}", tally.done(), progress.total, progress.step);
                }
            })
            .await;
        bar.finish_and_clear();
        done
    }

    async fn drive(&self, mut look: impl FnMut(&Progress)) -> Result<Done, Error> {
        let mut progress = std::pin::pin!(self.progress_with_upkeep());
        while let Some(step) = progress.next().await {
            look(&step?);
        }
        Ok(Done {
            run: self.clone(),
            view: self.status().await?,
        })
    }

    /// Stops new leases and gets the escrow of unclaimed tasks back; leases that run go to their end.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`]: only the job's client may.
    pub async fn cancel(&self) -> Result<TransactionReceipt, Error> {
        self.act(&IMarket::cancelCall {
            job: self.job().clone(),
        })
        .await
    }

    /// Fetches, verifies and writes one task's result below `dir`, as soon as it is submitted; see
    /// [`Done::download`] for what is written. [`TaskResult::basis`] says how final it is.
    ///
    /// # Errors
    /// [`Error::NoResult`] before it is submitted; otherwise as [`Done::download`].
    pub async fn fetch_task(&self, task: u32, dir: impl AsRef<Path>) -> Result<TaskResult, Error> {
        self.fetch_one(task, dir.as_ref()).await
    }

    /// Downloads what the job has now, finished or not; see [`Done::download`].
    ///
    /// # Errors
    /// As [`Done::download`].
    pub async fn download(&self, dir: impl AsRef<Path>) -> Result<Downloaded, Error> {
        self.download_all(&self.status().await?, dir.as_ref()).await
    }

    pub(super) async fn act<C: alloy::sol_types::SolCall>(
        &self,
        call: &C,
    ) -> Result<TransactionReceipt, Error> {
        Ok(self
            .market()
            .sender()?
            .call(self.market().address(), call)
            .await?)
    }

    pub(super) async fn lease_state(&self, first: u32) -> Result<IMarket::LeaseState, Error> {
        let state = self
            .market()
            .contract()
            .ask(IMarket::leaseOfCall {
                jobId: self.id(),
                first,
            })
            .call()
            .await;
        Ok(state.map_err(|error| ChainError::from_contract("leaseOf", error))?)
    }

    pub(super) async fn audit_state(&self, first: u32) -> Result<IMarket::AuditState, Error> {
        let state = self
            .market()
            .contract()
            .ask(IMarket::auditOfCall {
                jobId: self.id(),
                first,
            })
            .call()
            .await;
        Ok(state.map_err(|error| ChainError::from_contract("auditOf", error))?)
    }

    /// The present round of a lease, for its draws.
    pub(super) fn round(&self, lease: &LeaseView) -> draw::Round {
        draw::Round {
            chain_id: self.market().chain_id(),
            market: self.market().address(),
            job_id: self.id(),
            first: lease.first,
            round: lease.round,
        }
    }
}

/// A job whose every task is settled, void or refunded.
#[derive(Debug, Clone)]
pub struct Done {
    run: Run,
    view: JobView,
}

impl Done {
    /// The job.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Its leases and their money.
    pub fn view(&self) -> &JobView {
        &self.view
    }

    /// Tasks by how they ended. `void` or `refunded` is not 0 if the job was done in part only.
    pub fn tally(&self) -> Tally {
        self.view.tally()
    }

    /// Downloads and verifies every result, and writes, for each settled task:
    ///
    /// ```text
    /// <dir>/<task>/out/…      what the task left in /out
    /// <dir>/<task>/stdout     its standard output
    /// <dir>/<task>/manifest   the result manifest, whose BLAKE3 the chain commits to
    /// ```
    ///
    /// A task that failed has a manifest that says how, and no files if it did not end by itself:
    /// that is an outcome, reported in [`Downloaded::tasks`], not an error. `dir` must not exist or
    /// be empty; everything is written beside it and renamed when it is whole.
    ///
    /// # Errors
    /// [`Error::WrongRoot`], [`Error::Download`], [`Error::BadResult`], [`Error::Endpoint`] name the
    /// provider, and after them nothing is written; [`Error::Blob`] if `dir` is occupied.
    pub async fn download(&self, dir: impl AsRef<Path>) -> Result<Downloaded, Error> {
        self.run.download_all(&self.view, dir.as_ref()).await
    }
}
