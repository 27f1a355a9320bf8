//! Posting a job, and finding one that was posted.

use std::sync::Arc;

use alloy::primitives::{B256, keccak256};
use alloy::rpc::types::{Filter, TransactionReceipt};
use alloy::sol_types::SolEvent as _;

use super::deterrence::Deterrence;
use super::job::Source;
use super::run::Run;
use super::serve::BlobServer;
use super::{Job, Market, Quote};
use crate::Error;
use crate::blobs::publish_directory;
use crate::chain::{ChainError, EventAt, IMarket, MarketEvent, decode_event, read_logs};
use crate::digest::Digest;
use crate::image::{self, ImageLimits};
use crate::rules::convert;
use crate::spec::{ImageSpec, JobSpec};

impl Market {
    /// What posting this job would take, without doing any of it.
    ///
    /// # Errors
    /// [`Error::BadJob`] or [`Error::Assurance`] for a job that the market would refuse, [`Error::NoKey`],
    /// [`Error::Chain`].
    pub async fn quote(&self, job: &Job) -> Result<Quote, Error> {
        let plan = job.plan(self.chain_id(), self.times().await?, 0)?;
        let (terms, price) = (&plan.job.terms, &plan.job.price);
        let balances = self.balances(self.account()?).await?;
        Ok(Quote {
            tasks: job.tasks,
            assurance: plan.assurance,
            max_price: price.maxPrice,
            jury_fee: price.juryFee,
            lease: (terms.minLease, terms.maxLease),
            escrow: plan.escrow,
            balance: balances.balance,
            wallet: balances.wallet,
            deposit: plan.escrow.saturating_sub(balances.balance),
            bond: (
                Job::bond_of(price, 1)?,
                Job::bond_of(price, terms.maxLease)?,
            ),
            windows: plan.windows,
            deterrence: Deterrence::of(&plan.job),
        })
    }

    /// Refuses a job in which cheating would pay, unless the client insists.
    pub(super) fn check_deterrence(job: &Job, quote: &Quote) -> Result<(), Error> {
        match quote.deterrence {
            Some(deterrence) if deterrence.is_refused() && !job.allows_weak() => {
                Err(Error::WeakAudits { deterrence })
            }
            _ => Ok(()),
        }
    }

    /// Posts a job: publishes its input and image into the client's store, serves them while the
    /// returned run lives, tops up the balance from the client's account if it is short, and posts.
    /// Everything is checked before any money moves.
    ///
    /// # Errors
    /// [`Error::BadJob`], [`Error::Assurance`], [`Error::WeakAudits`], [`Error::Spec`], [`Error::Image`], [`Error::Blob`],
    /// [`Error::Serve`], [`Error::InsufficientFunds`], [`Error::NoKey`], [`Error::Chain`]. After an error nothing is in
    /// escrow, but a deposit may already be in the balance, from where it can be withdrawn.
    pub async fn submit(&self, job: Job) -> Result<Run, Error> {
        let client = self.account()?;
        self.check_funds(&job).await?;
        let (spec, server) = self.publish(&job).await?;
        let bytes = spec.to_bytes()?;

        // Asked again: an export may have taken a while.
        let quote = self.check_funds(&job).await?;
        let mut receipts = Vec::new();
        if quote.deposit > 0 {
            receipts = self.deposit(quote.deposit).await?;
        }
        let at = (self.now().await?, self.chain_id());
        let terms = job.terms(client, keccak256(&bytes), at, self.times().await?)?;
        let call = IMarket::postCall {
            job: terms,
            spec: bytes.into(),
        };
        let receipt = self.sender()?.call(self.address(), &call).await?;
        let posted = self.posting(&receipt)?;
        receipts.push(receipt);
        Run::new(self.clone(), posted, receipts, server)
    }

    /// Finds a posted job again, from any process and with any key or none. Its blobs are served
    /// again if the client's store has them.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::BadPosting`], [`Error::Spec`] for a spec that this version
    /// does not understand, [`Error::Chain`].
    pub async fn attach(&self, job_id: B256) -> Result<Run, Error> {
        let filter = Filter::new()
            .address(self.address())
            .event_signature(IMarket::Posted::SIGNATURE_HASH)
            .topic1(job_id)
            .from_block(self.inner.config.first_block);
        let logs = read_logs(&self.inner.provider, &filter).await?;
        let bad = |problem: String| Error::BadPosting { job_id, problem };
        let Some(log) = logs.first() else {
            return Err(Error::JobNotFound {
                job_id,
                market: self.address(),
            });
        };
        let posted = decode_event(log, self.address()).map_err(|error| bad(error.to_string()))?;
        let MarketEvent::Posted(event) = &posted.event else {
            return Err(bad(format!(
                "the node returned a {} event",
                posted.event.name()
            )));
        };
        let hash = self.job_id(&event.job);
        if hash != job_id || event.jobId != job_id {
            return Err(bad(format!("the job it holds has the id {hash}")));
        }
        let spec_hash = keccak256(&event.spec);
        if spec_hash != event.job.terms.spec {
            return Err(bad(format!("the spec it holds has the hash {spec_hash}")));
        }
        let spec = JobSpec::parse(&event.spec)?;
        let own = |digest: Option<Digest>| {
            digest.is_some_and(|digest| self.inner.store.contains(&digest))
        };
        // Only at the address that providers were told, which takes a fixed port.
        let server = if own(spec.input) || own(spec.image.archive) {
            self.serve_blobs()
                .await
                .ok()
                .filter(|server| spec.sources.contains(server.url()))
        } else {
            None
        };
        Run::new(self.clone(), posted, Vec::new(), server)
    }

    async fn check_funds(&self, job: &Job) -> Result<Quote, Error> {
        let quote = self.quote(job).await?;
        Self::check_deterrence(job, &quote)?;
        self.check_stake(job).await?;
        if !quote.is_covered() {
            return Err(Error::InsufficientFunds {
                account: self.account()?,
                token: self.inner.token.symbol.clone(),
                balance: quote.balance,
                wallet: quote.wallet,
                need: quote.escrow,
            });
        }
        Ok(quote)
    }

    /// Refuses a job for which nobody could be drawn, as `post` would: a deposit would come first.
    async fn check_stake(&self, job: &Job) -> Result<(), Error> {
        let times = self.times().await?;
        let job = job.plan(self.chain_id(), times, 0)?.job;
        let drawn = job.assurance.replicas > 1 && job.terms.providers.is_zero();
        if !drawn && job.assurance.auditBps == 0 {
            return Ok(());
        }
        let age = times.stakeAge;
        let time = self.now().await?.saturating_sub(age);
        let weight = self
            .contract()
            .ask(IMarket::totalWeightAtCall { time })
            .call()
            .await;
        if weight.map_err(|error| ChainError::from_contract("totalWeightAt", error))? == 0 {
            let revert = Box::new(convert::revert(piecework_protocol::Error::NoStakeToDraw()));
            return Err(ChainError::Reverted { revert, tx: None }.into());
        }
        Ok(())
    }

    /// Puts input and image into the store, and writes the spec.
    pub(super) async fn publish(
        &self,
        job: &Job,
    ) -> Result<(JobSpec, Option<Arc<BlobServer>>), Error> {
        let mut spec = match &job.source {
            Source::Spec(spec) => {
                let mut spec = (**spec).clone();
                (spec.tasks, spec.resources) = (job.tasks, job.resources);
                spec
            }
            Source::Pinned(image) => job.spec_of((**image).clone()),
            Source::Engine(name) => job.spec_of(self.export(name).await?),
        };
        if let Some(directory) = job.input.clone() {
            let store = self.inner.store.clone();
            let published =
                tokio::task::spawn_blocking(move || publish_directory(&directory, &store));
            let published = published
                .await
                .map_err(|error| Error::config("input", error))??;
            spec.input = Some(published.digest);
        }
        if spec.fetch_key.is_none() {
            let key = self.inner.config.fetch_key.as_ref();
            spec.fetch_key = key.map(alloy::signers::local::PrivateKeySigner::address);
        }
        spec.validate()?;
        let here = |digest: Option<Digest>| {
            digest.is_some_and(|digest| self.inner.store.contains(&digest))
        };
        let server = if here(spec.input) || here(spec.image.archive) {
            let server = self.serve_blobs().await?;
            if !spec.sources.contains(server.url()) {
                spec.sources.push(server.url().clone());
            }
            Some(server)
        } else {
            None
        };
        for (what, digest) in [("input", spec.input), ("image archive", spec.image.archive)] {
            if let Some(digest) = digest
                && spec.sources.is_empty()
            {
                return Err(Error::bad_job(
                    what,
                    format!("{digest} is neither in the store nor at any source"),
                ));
            }
        }
        Ok((spec, server))
    }

    /// The job's `Posted` event in the receipt of `post`.
    pub(super) fn posting(&self, receipt: &TransactionReceipt) -> Result<EventAt, Error> {
        receipt
            .logs()
            .iter()
            .filter(|log| log.address() == self.address())
            .filter_map(|log| decode_event(log, self.address()).ok())
            .find(|at| matches!(at.event, MarketEvent::Posted(_)))
            .ok_or_else(|| {
                Error::Chain(ChainError::NotAMarket {
                    market: self.address(),
                    reason: format!(
                        "transaction {} succeeded without a Posted event",
                        receipt.transaction_hash
                    ),
                })
            })
    }

    /// Exports an image of the local engine into the store.
    async fn export(&self, name: &str) -> Result<ImageSpec, Error> {
        let host = self
            .inner
            .config
            .docker_host
            .as_deref()
            .unwrap_or("unix:///var/run/docker.sock");
        let Some(socket) = host.strip_prefix("unix://") else {
            return Err(Error::config(
                "DOCKER_HOST",
                format!(
                    "{host} is no unix:// socket; forward a remote engine's socket with ssh -L"
                ),
            ));
        };
        let docker = docker_api::Docker::unix(socket);
        let image =
            image::export(&docker, name, &self.inner.store, &ImageLimits::default()).await?;
        Ok(ImageSpec {
            manifest: image.manifest,
            platform: image.platform,
            archive: Some(image.archive),
            reference: None,
        })
    }
}

impl Job {
    fn spec_of(&self, image: ImageSpec) -> JobSpec {
        JobSpec {
            version: crate::spec::VERSION,
            image,
            command: self.command.clone(),
            args: self.args.clone(),
            env: self.env.clone(),
            input: None,
            tasks: self.tasks,
            resources: self.resources,
            sources: Vec::new(),
            fetch_key: None,
        }
    }
}
