//! Contesting a result: the challenge of one task's output, and the demand for all digests.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use alloy::primitives::{Address, B256, keccak256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolValue as _;
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};

use super::config::ANVIL_CHAIN;
use super::run::Run;
use crate::Error;
use crate::chain::IMarket::{self, Phase};
use crate::chain::{ChainError, MarketEvent};
use crate::digest::{Digest, tree};
use crate::rules;

/// A challenge as its challenger must keep it: without the salt nobody can reveal the answer, and without the
/// answer there is no reward and, where the challenger was right, no deposit back. [`Challenge::save`] it
/// before [`Run::send_challenge`]; the other way round a crash in between costs the deposit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The chain.
    pub chain_id: u64,
    /// The market.
    pub market: Address,
    /// The job.
    pub job_id: B256,
    /// First task of the lease.
    pub first: u32,
    /// The lease's round.
    pub round: u16,
    /// Number of the challenge in that round, from 1.
    pub number: u8,
    /// Who challenges.
    pub challenger: Address,
    /// The task whose output is wrong.
    pub task: u32,
    /// The output digest that the provider committed to.
    pub digest: B256,
    /// That it did: the digest's path in the result's tree.
    pub proof: Vec<B256>,
    /// The digest that the challenger holds for right.
    pub right: B256,
    /// The secret of the answer.
    pub salt: B256,
    /// Units that it puts down.
    pub deposit: u128,
}

impl Challenge {
    /// The commitment to the right digest, as the contract computes it.
    pub fn answer(&self) -> B256 {
        // Every number fills a word, whatever its width.
        let words = (
            self.job_id,
            self.first,
            self.round,
            u16::from(self.number),
            self.challenger,
            self.right,
            self.salt,
        );
        keccak256(words.abi_encode_params())
    }

    /// Units that a challenge puts down in a round with so many earlier ones: three jurors' fees, and twice as much
    /// for each ([`rules::deposit_of`]). What is too large for a market, and the market refuses, is the greatest number.
    fn deposit_of(jury_fee: u128, earlier: u8) -> u128 {
        rules::deposit_of(jury_fee, earlier).unwrap_or(u128::MAX)
    }

    /// The call that opens it.
    fn call(&self, job: IMarket::Job) -> IMarket::challengeCall {
        IMarket::challengeCall {
            job,
            first: self.first,
            round: self.round,
            number: self.number,
            task: self.task,
            digest: self.digest,
            proof: self.proof.clone(),
            answer: self.answer(),
        }
    }

    /// The call that reveals its answer.
    fn reveal(&self, job: IMarket::Job) -> IMarket::revealAnswerCall {
        IMarket::revealAnswerCall {
            job,
            first: self.first,
            digest: self.right,
            salt: self.salt,
        }
    }

    /// Writes it to a new file that only its owner can read, and makes sure that it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`], if the file exists too.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let io = |source| Error::Io {
            action: "write the challenge to",
            path: path.to_owned(),
            source,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| io(error.into()))?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.write_all(&text).map_err(io)?;
        file.sync_all().map_err(io)?;
        // The file's name must last as well.
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        std::fs::File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(io)
    }

    /// Reads what [`Challenge::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io {
            action: "read the challenge in",
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read(path).map_err(io)?;
        serde_json::from_slice(&text).map_err(|error| io(error.into()))
    }
}

impl Run {
    /// Prepares a challenge of `task`'s output, for which `right` is the true output digest: fetches the
    /// provider's digests, makes the proof and draws the salt. Sends and stores nothing.
    ///
    /// # Errors
    /// [`Error::NoResult`] if there is nothing to challenge, [`Error::SameDigest`] if the provider says the
    /// same; [`Error::NoKey`], [`Error::Chain`], and what fetching digests fails with: a provider that does
    /// not serve them can be made to ([`Run::demand`]).
    pub async fn challenge(&self, task: u32, right: Digest) -> Result<Challenge, Error> {
        let challenger = self.market().account()?;
        let view = self.status().await?;
        let lease = self.contestable(&view, task)?;
        let digests = self.digests_of(lease).await?;
        let first = lease.first;
        let bad_tree = |error: tree::TreeError| Error::BadPosting {
            job_id: self.id(),
            problem: error.to_string(),
        };
        let proof = tree::proof(first, &digests, task).map_err(bad_tree)?;
        let digest = task
            .checked_sub(first)
            .and_then(|place| digests.get(place as usize));
        let Some(digest) = digest.copied().filter(|digest| *digest != right) else {
            return Err(Error::SameDigest {
                task,
                digest: right,
            });
        };
        let state = self.lease_state(first).await?;
        let mut salt = B256::ZERO;
        rand::rngs::OsRng
            .try_fill_bytes(&mut salt.0)
            .map_err(|error| Error::config("the system's random numbers", error))?;
        Ok(Challenge {
            chain_id: self.market().chain_id(),
            market: self.market().address(),
            job_id: self.id(),
            first,
            round: state.round,
            number: state.challenges.saturating_add(1),
            challenger,
            task,
            digest: digest.into(),
            proof,
            right: right.into(),
            salt,
            deposit: Challenge::deposit_of(self.job().price.juryFee, state.challenges),
        })
    }

    /// Sends a challenge that was stored: its deposit goes from the caller's ledger into the dispute (the
    /// ledger is topped up from the account first). Returns the receipts, the challenge's last.
    ///
    /// # Errors
    /// [`Error::OtherJob`], [`Error::InsufficientFunds`], [`Error::NoKey`], [`Error::Chain`].
    pub async fn send_challenge(
        &self,
        challenge: &Challenge,
    ) -> Result<Vec<TransactionReceipt>, Error> {
        self.is_for_this(challenge)?;
        let mut receipts = self.market().cover(challenge.deposit).await?;
        let call = challenge.call(self.job().clone());
        receipts.push(self.act(&call).await?);
        Ok(receipts)
    }

    /// Reveals the answer of a challenge, once its jurors reveal their votes.
    ///
    /// # Errors
    /// [`Error::OtherJob`], [`Error::NoKey`], [`Error::Chain`].
    pub async fn reveal_answer(&self, challenge: &Challenge) -> Result<TransactionReceipt, Error> {
        self.is_for_this(challenge)?;
        self.act(&challenge.reveal(self.job().clone())).await
    }

    /// Sees a challenge that was sent through to its verdict: seals the jury's draw, reveals the answer when
    /// votes are revealed, and judges. What is done already is not done again, so it can be called anew after
    /// it was interrupted.
    ///
    /// # Errors
    /// [`Error::OtherJob`]; [`Error::NotSent`] if the chain does not know the challenge; [`Error::NoKey`],
    /// [`Error::Chain`].
    pub async fn see_through(&self, challenge: &Challenge) -> Result<IMarket::Judged, Error> {
        self.is_for_this(challenge)?;
        let pause = Duration::from_secs(if self.market().chain_id() == ANVIL_CHAIN {
            1
        } else {
            12
        });
        loop {
            if let Some(verdict) = self.verdict_of(challenge).await? {
                return Ok(verdict);
            }
            match Box::pin(self.advance(challenge)).await {
                // Someone else may have been first, or a block is still missing.
                Ok(()) | Err(Error::Chain(ChainError::Reverted { tx: None, .. })) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The verdict on a challenge, if there is one.
    async fn verdict_of(&self, challenge: &Challenge) -> Result<Option<IMarket::Judged>, Error> {
        let answer = challenge.answer();
        let events = self.events().await?;
        let opened = events.iter().position(
            |at| matches!(&at.event, MarketEvent::Challenged(event) if event.answer == answer),
        );
        let Some(opened) = opened else {
            return Err(Error::NotSent {
                job_id: self.id(),
                task: challenge.task,
            });
        };
        Ok(events.iter().skip(opened).find_map(|at| match &at.event {
            MarketEvent::Judged(event) if event.first == challenge.first => Some(event.clone()),
            _ => None,
        }))
    }

    /// Does what can be done now for an open challenge.
    async fn advance(&self, challenge: &Challenge) -> Result<(), Error> {
        let view = self.status().await?;
        if let Some(lease) = view.leases.get(&challenge.first) {
            self.seal_jury_if_due(lease).await?;
        }
        let dispute = self.dispute_of(challenge.first).await?;
        if !dispute.answered && self.votes_open(&dispute).await? {
            match self.reveal_answer(challenge).await {
                // Too late for it: what the jury revealed is judged all the same.
                Err(Error::Chain(ChainError::Reverted { tx: None, .. })) => {}
                revealed => return revealed.map(drop),
            }
        }
        // What is judged at the last moment of a window is judged in the next one.
        if self.market().now().await? > self.judged_after(&dispute).await? {
            self.judge(challenge.first).await?;
        }
        Ok(())
    }

    /// Demands all output digests of the lease at task `first`, within its challenge window: for a provider
    /// that does not serve them. Puts down one juror's fee, which the answer earns; without an answer in time
    /// the provider loses its bond. Returns the receipts, the demand's last.
    ///
    /// # Errors
    /// [`Error::InsufficientFunds`], [`Error::NoKey`], [`Error::Chain`].
    pub async fn demand(&self, first: u32) -> Result<Vec<TransactionReceipt>, Error> {
        let mut receipts = self.market().cover(self.job().price.juryFee).await?;
        let job = self.job().clone();
        receipts.push(self.act(&IMarket::demandCall { job, first }).await?);
        Ok(receipts)
    }

    /// The submitted lease that holds `task`.
    fn contestable<'a>(
        &self,
        view: &'a super::JobView,
        task: u32,
    ) -> Result<&'a super::LeaseView, Error> {
        let none = |state: &str| Error::NoResult {
            job_id: self.id(),
            task,
            state: state.to_owned(),
        };
        if task >= self.tasks() {
            return Err(Error::NoSuchTask {
                job_id: self.id(),
                task,
                tasks: self.tasks(),
            });
        }
        let lease = view.lease_of(task).ok_or_else(|| none("nobody took it"))?;
        match lease.phase {
            Phase::Submitted => Ok(lease),
            Phase::Challenged => Err(none(
                "its lease is challenged already; one challenge at a time",
            )),
            Phase::Demanded => Err(none(
                "the lease's digests are demanded; its window begins anew with the answer",
            )),
            Phase::Settled => Err(none("it is final, and cannot be challenged any more")),
            _ => Err(none("there is nothing to challenge")),
        }
    }

    fn is_for_this(&self, challenge: &Challenge) -> Result<(), Error> {
        let (market, chain_id) = (self.market().address(), self.market().chain_id());
        if (challenge.job_id, challenge.market, challenge.chain_id) == (self.id(), market, chain_id)
        {
            return Ok(());
        }
        Err(Error::OtherJob {
            job_id: challenge.job_id,
            market: challenge.market,
            chain_id: challenge.chain_id,
        })
    }
}
