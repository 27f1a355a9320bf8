//! What anyone may do for a job, so that it ends whether or not others remember it.

use alloy::primitives::B256;
use alloy::providers::Provider as _;
use alloy::rpc::types::TransactionReceipt;

use super::config::ANVIL_CHAIN;
use super::run::Run;
use super::view::{DisputeView, JobView, LeaseView};
use crate::Error;
use crate::chain::ChainError;
use crate::chain::IMarket::{self, Phase};
use crate::rules::{self, JURY_QUORUM};

/// Leases that one `close` refunds at most, so that it fits any block.
const CLOSED_AT_ONCE: usize = 100;

impl Run {
    /// Gets the escrow of everything back that a cancelled or closed job left over; anyone may. Returns the
    /// receipts, none if there is nothing to get back.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn close(&self) -> Result<Vec<TransactionReceipt>, Error> {
        let view = self.status().await?;
        let firsts = self.left_over(&view).await?;
        let mut receipts = Vec::new();
        for firsts in firsts.chunks(CLOSED_AT_ONCE) {
            let call = IMarket::closeCall {
                job: self.job().clone(),
                firsts: firsts.to_vec(),
            };
            receipts.push(self.act(&call).await?);
        }
        Ok(receipts)
    }

    /// Ends a redundant lease's round: by the root that its quorum revealed, with a refund if there is none,
    /// or with a new round if too few committed. Anyone may, once all commitments are revealed or the time
    /// for it is over.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn settle(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let view = self.status().await?;
        let (root, panel) = match view.leases.get(&first) {
            Some(lease) => (self.quorums_root(lease), self.panel(lease).await?),
            None => Default::default(),
        };
        let job = self.job().clone();
        self.act(&IMarket::settleCall {
            job,
            first,
            root,
            panel,
        })
        .await
    }

    /// Ends a dispute by what its jury revealed. Anyone may, once everything is revealed or the time for it
    /// is over.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn judge(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let view = self.status().await?;
        let lease = view.leases.get(&first);
        let dispute = lease.and_then(|lease| lease.dispute.as_ref());
        let (vote, panel) = match dispute {
            Some(dispute) => (
                dispute.majority(usize::from(JURY_QUORUM)),
                self.jurors(dispute).await?,
            ),
            None => Default::default(),
        };
        let (digest, keyed) = vote.unwrap_or_default();
        let job = self.job().clone();
        self.act(&IMarket::judgeCall {
            job,
            first,
            digest,
            keyed,
            panel,
        })
        .await
    }

    /// Fixes the seed of a jury's draw; anyone may, from the third block after the challenge on.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn seal_jury(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let job = self.job().clone();
        self.act(&IMarket::sealJuryCall { job, first }).await
    }

    /// Does what is overdue; what fails is left to the next time (someone else may be first).
    pub(super) async fn tend(&self, view: &JobView) {
        if self.market().sender().is_err() {
            return;
        }
        let tell = |done: Result<(), Error>| match done {
            Ok(()) | Err(Error::Chain(ChainError::Reverted { tx: None, .. })) => {}
            Err(error) => {
                tracing::warn!(%error, code = error.code(), job = %self.id(), "could not tend the job")
            }
        };
        tell(self.seal_if_due(view).await);
        for lease in view.leases.values() {
            tell(self.tend_lease(lease).await);
        }
        tell(self.close_if_over(view).await);
    }

    /// Refunds what is left over once the job takes no more leases.
    async fn close_if_over(&self, view: &JobView) -> Result<(), Error> {
        let closed = view.cancelled || self.market().now().await? > self.job().timing.closesAt;
        if closed && !view.is_over() {
            self.close().await?;
        }
        Ok(())
    }

    /// First tasks of what `close` would refund now.
    async fn left_over(&self, view: &JobView) -> Result<Vec<u32>, Error> {
        let now = self.market().now().await?;
        let mut firsts = Vec::new();
        for lease in view.leases.values() {
            let left = match lease.phase {
                Phase::Free => true,
                // A redundant round ends with its panel (`settle`), not by itself.
                Phase::Running if self.job().terms.replicas == 1 => {
                    let started = self.lease_state(lease.first).await?.startedAt;
                    now > started.saturating_add(self.job().timing.runWindow)
                }
                _ => false,
            };
            if left {
                firsts.push(lease.first);
            }
        }
        firsts.extend(view.untaken().into_iter().map(|tasks| tasks.start));
        Ok(firsts)
    }

    /// Seals the draw of a redundant job as soon as that can be done: nobody can take a seat before.
    async fn seal_if_due(&self, view: &JobView) -> Result<(), Error> {
        if self.job().terms.replicas == 1 || view.sealed || view.cancelled {
            return Ok(());
        }
        if self.next_block().await? >= rules::sealable_from(self.posted_block()) {
            let job = self.job().clone();
            self.act(&IMarket::sealCall { job }).await?;
        }
        Ok(())
    }

    /// The block that a call would be in at the earliest.
    async fn next_block(&self) -> Result<u64, Error> {
        let number = self.market().provider().get_block_number().await;
        let number = number.map_err(|error| ChainError::from_rpc("eth_blockNumber", error))?;
        Ok(number.saturating_add(1))
    }

    /// Ends what should have been ended some time ago.
    async fn tend_lease(&self, lease: &LeaseView) -> Result<(), Error> {
        let redundant = self.job().terms.replicas > 1;
        match lease.phase {
            Phase::Running if !redundant => return Ok(()),
            Phase::Running
            | Phase::Revealing
            | Phase::Submitted
            | Phase::Challenged
            | Phase::Demanded => {}
            _ => return Ok(()),
        }
        let state = self.lease_state(lease.first).await?;
        if state.phase != lease.phase {
            return Ok(());
        }
        let job = self.job().clone();
        let first = lease.first;
        match state.phase {
            Phase::Submitted => {
                let window = self.job().timing.challengeWindow;
                if self
                    .is_overdue(state.submittedAt.saturating_add(window))
                    .await?
                {
                    self.act(&IMarket::finalizeCall { job, first }).await?;
                }
            }
            Phase::Demanded => {
                let window = self.market().times().await?.respondWindow;
                if self
                    .is_overdue(state.submittedAt.saturating_add(window))
                    .await?
                {
                    self.act(&IMarket::forfeitCall { job, first }).await?;
                }
            }
            Phase::Challenged => self.tend_dispute(lease).await?,
            _ => {
                if self.is_overdue(self.settles_after(&state).await?).await? {
                    self.settle(first).await?;
                }
            }
        }
        Ok(())
    }

    /// Last second before a redundant round can be settled, as it stands now.
    async fn settles_after(&self, state: &IMarket::LeaseState) -> Result<u64, Error> {
        let times = self.market().times().await?;
        let revealed = state.reveals == state.commits;
        let reveal = if revealed { 0 } else { times.revealWindow };
        if state.phase == Phase::Revealing {
            return Ok(state.submittedAt.saturating_add(reveal));
        }
        let commit_by = self.commit_by(state.startedAt).await?;
        Ok(if state.commits >= self.job().terms.quorum {
            commit_by.saturating_add(reveal)
        } else {
            commit_by
        })
    }

    /// Last second before a dispute can be judged, as it stands now.
    pub(super) async fn judged_after(&self, dispute: &IMarket::DisputeState) -> Result<u64, Error> {
        if dispute.commits < JURY_QUORUM {
            return self.commit_by(dispute.openedAt).await;
        }
        let from = self.votes_from(dispute).await?;
        if dispute.reveals == dispute.commits && dispute.answered {
            return Ok(from);
        }
        Ok(from.saturating_add(self.market().times().await?.revealWindow))
    }

    /// When votes and the answer can be revealed, if enough jurors commit.
    async fn votes_from(&self, dispute: &IMarket::DisputeState) -> Result<u64, Error> {
        match dispute.revealFrom {
            0 => self.commit_by(dispute.openedAt).await,
            from => Ok(from),
        }
    }

    /// Whether votes and the answer can be revealed now.
    pub(super) async fn votes_open(&self, dispute: &IMarket::DisputeState) -> Result<bool, Error> {
        if dispute.revealFrom != 0 {
            return Ok(true);
        }
        let over = self.market().now().await? > self.commit_by(dispute.openedAt).await?;
        Ok(over && dispute.commits >= JURY_QUORUM)
    }

    /// Seals a jury's draw if that can be done now.
    pub(super) async fn seal_jury_if_due(&self, lease: &LeaseView) -> Result<(), Error> {
        let dispute = self.dispute_of(lease.first).await?;
        let sealed = lease.dispute.as_ref().is_some_and(|dispute| dispute.sealed);
        let in_time = self.market().now().await? <= self.commit_by(dispute.openedAt).await?;
        let from = rules::sealable_from(dispute.openedBlock);
        if sealed || !in_time || self.next_block().await? < from {
            return Ok(());
        }
        match self.seal_jury(lease.first).await {
            // Executors seal, too: one of them was quicker.
            Err(Error::Chain(error))
                if error
                    .revert()
                    .is_some_and(|revert| revert.name == "SealedAlready") =>
            {
                Ok(())
            }
            sealed => sealed.map(|_| ()),
        }
    }

    async fn tend_dispute(&self, lease: &LeaseView) -> Result<(), Error> {
        self.seal_jury_if_due(lease).await?;
        let dispute = self.dispute_of(lease.first).await?;
        let due = self.judged_after(&dispute).await?;
        if self.is_overdue(due).await? {
            self.judge(lease.first).await?;
        }
        Ok(())
    }

    /// Last second of commitments of a round, or of a jury, that began at `start`.
    pub(super) async fn commit_by(&self, start: u64) -> Result<u64, Error> {
        let times = self.market().times().await?;
        Ok(rules::commit_by(times, self.job().timing.runWindow, start))
    }

    /// Whether `deadline` passed so long ago that those who should have acted have forgotten it.
    async fn is_overdue(&self, deadline: u64) -> Result<bool, Error> {
        let grace = if self.market().chain_id() == ANVIL_CHAIN {
            10
        } else {
            600
        };
        Ok(self.market().now().await? > deadline.saturating_add(grace))
    }

    fn quorums_root(&self, lease: &LeaseView) -> B256 {
        lease.majority(self.job().terms.quorum).unwrap_or_default()
    }

    /// The numbers of a round's seats as the market wants them: ascending.
    pub(super) async fn panel(&self, lease: &LeaseView) -> Result<Vec<u32>, Error> {
        self.numbers(lease.seats.iter().map(|seat| seat.provider))
            .await
    }

    async fn jurors(&self, dispute: &DisputeView) -> Result<Vec<u32>, Error> {
        self.numbers(dispute.jurors.iter().map(|seat| seat.provider))
            .await
    }

    async fn numbers(
        &self,
        providers: impl Iterator<Item = alloy::primitives::Address>,
    ) -> Result<Vec<u32>, Error> {
        let mut numbers = Vec::new();
        for provider in providers {
            numbers.push(self.market().number_of(provider).await?);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) async fn dispute_of(&self, first: u32) -> Result<IMarket::DisputeState, Error> {
        let state = self
            .market()
            .contract()
            .disputeOf(self.id(), first)
            .call()
            .await;
        Ok(state.map_err(|error| ChainError::from_contract("disputeOf", error))?)
    }
}
