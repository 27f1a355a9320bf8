//! What any account may do for a job, so that it ends whether or not others remember it.

use alloy::primitives::B256;
use alloy::rpc::types::TransactionReceipt;

use super::config::ANVIL_CHAIN;
use super::run::Run;
use super::view::{AuditView, JobView, LeaseView, SeatView};
use crate::Error;
use crate::chain::ChainError;
use crate::chain::IMarket::{self, Phase, Seat};
use crate::digest::tree;
use crate::rules::{self, JURY, JURY_QUORUM};

/// Leases that one `close` or `finalize` ends at most, so that it fits any block.
const AT_ONCE: usize = 50;

impl Run {
    /// Does everything that is overdue for the job, once: publishes seeds, settles results that no audit awaits, ends late
    /// rounds and juries, and refunds what a closed job left over. Others may do the same. Where they were faster, nothing
    /// is sent. [`Run::wait`] and its kind do this by themselves.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn upkeep(&self) -> Result<(), Error> {
        self.market().sender()?;
        self.send_due_acts(&self.status().await?).await;
        Ok(())
    }

    /// Sends what is overdue. A call that fails is left to the next time: another account may be first.
    pub(super) async fn send_due_acts(&self, view: &JobView) {
        if self.market().sender().is_err() {
            return;
        }
        let tell = |done: Result<(), Error>| match done {
            Ok(()) | Err(Error::Chain(ChainError::Reverted { tx: None, .. })) => {}
            Err(error) => {
                tracing::warn!(%error, code = error.code(), job = %self.id(), "could not keep the job going")
            }
        };
        let open = !self.is_closed(view).await.unwrap_or(true);
        for lease in view.leases.values() {
            let redundant = self.job().assurance.replicas > 1;
            tell(match (lease.phase, redundant) {
                (Phase::Free, true) if open => self.draw_if_due(lease).await,
                (Phase::Running | Phase::Revealing, true) => self.settle_if_due(lease).await,
                (Phase::Running, false) if open => self.expire_if_due(lease).await,
                (Phase::Submitted, _) => self.publish_seed_if_due(lease.point).await,
                (Phase::Undecided, _) => self.publish_seed_if_due(lease.retry_point).await,
                (Phase::Audited, _) => self.judge_if_due(lease).await,
                _ => Ok(()),
            });
        }
        tell(self.finalize_due(view).await);
        tell(self.close_if_over(view).await);
    }

    // ------------------------------------------------------------------ seeds

    /// Publishes the seed of a point, if nobody has and it can be published now: a block's hash, or drand's signature,
    /// which is fetched and checked first. Returns the receipt of that.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn publish_seed(&self, point: u64) -> Result<Option<TransactionReceipt>, Error> {
        let beacon = self.market().beacon().await?;
        let Some(publication) = beacon.publication(point).await? else {
            return Ok(None);
        };
        let sender = self.market().sender()?;
        let sent = sender.send("publish a seed", publication.into()).await;
        Ok(Some(sent?))
    }

    async fn publish_seed_if_due(&self, point: u64) -> Result<(), Error> {
        if point == 0 {
            return Ok(());
        }
        // The chain forgets: whoever is to publish has a part of that time only.
        let grace = if self.is_anvil() { 2 } else { 60 };
        let from = self.market().beacon().await?.time_of(point).await?;
        if self.market().now().await? > from.saturating_add(grace) {
            self.publish_seed(point).await?;
        }
        Ok(())
    }

    /// Sees to it that a free redundant lease can be drawn: publishes its seed, or takes another point if that one is dead.
    async fn draw_if_due(&self, lease: &LeaseView) -> Result<(), Error> {
        if !self.job().terms.providers.is_zero() {
            return Ok(());
        }
        let dead = lease.point == 0 || self.market().beacon().await?.is_dead(lease.point).await?;
        if dead {
            return self.renew(lease.first).await.map(drop);
        }
        self.publish_seed_if_due(lease.point).await
    }

    /// Takes a new point for a free redundant lease whose point is dead or missing; any account may.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn renew(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let job = self.job().clone();
        self.act(&IMarket::renewCall { job, first }).await
    }

    // ------------------------------------------------------------------ ordinary leases

    /// Settles submitted leases that are due: those that chance spares, and those whose audit nobody opened in time; any
    /// account may. Passes over the others.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn finalize(&self, firsts: &[u32]) -> Result<TransactionReceipt, Error> {
        let (job, firsts) = (self.job().clone(), firsts.to_vec());
        self.act(&IMarket::finalizeCall { job, firsts }).await
    }

    async fn finalize_due(&self, view: &JobView) -> Result<(), Error> {
        let mut firsts = Vec::new();
        for lease in view.leases.values() {
            let due = match lease.phase {
                Phase::Submitted => self.settles_after(lease).await?,
                Phase::Undecided => Some(self.audit_state(lease.first).await?.due),
                _ => None,
            };
            if let Some(due) = due
                && self.is_overdue(due).await?
            {
                firsts.push(lease.first);
            }
        }
        for firsts in firsts.chunks(AT_ONCE) {
            self.finalize(firsts).await?;
        }
        Ok(())
    }

    /// The last second before a submitted lease can be settled, if no audit of it is opened.
    async fn settles_after(&self, lease: &LeaseView) -> Result<Option<u64>, Error> {
        let state = self.lease_state(lease.first).await?;
        if state.phase != Phase::Submitted {
            return Ok(None);
        }
        let over = state.since.saturating_add(self.job().timing.auditWindow);
        let beacon = self.market().beacon().await?;
        let spared = match beacon.seed(state.point).await? {
            Some(seed) => !self.is_audited(lease, seed),
            None => false,
        };
        Ok(Some(match spared {
            true => over.min(beacon.time_of(state.point).await?),
            false => over,
        }))
    }

    /// Ends a round whose run window passed without a result; any account may.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn expire(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let job = self.job().clone();
        self.act(&IMarket::expireCall { job, first }).await
    }

    async fn expire_if_due(&self, lease: &LeaseView) -> Result<(), Error> {
        let state = self.lease_state(lease.first).await?;
        let deadline = state.since.saturating_add(self.job().timing.runWindow);
        if state.phase == Phase::Running && self.is_overdue(deadline).await? {
            self.expire(lease.first).await?;
        }
        Ok(())
    }

    // ------------------------------------------------------------------ the end

    /// Gets the escrow back of everything that a cancelled or closed job left over; any account may. Returns the receipts,
    /// none if there is nothing to get back.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn close(&self) -> Result<Vec<TransactionReceipt>, Error> {
        let view = self.status().await?;
        let firsts = self.left_over(&view).await?;
        let mut calls: Vec<&[u32]> = firsts.chunks(AT_ONCE).collect();
        if calls.is_empty() && view.untaken().is_some() {
            // The tasks that no lease holds come back with any call.
            calls.push(&[]);
        }
        let mut receipts = Vec::new();
        for firsts in calls {
            let call = IMarket::closeCall {
                job: self.job().clone(),
                firsts: firsts.to_vec(),
            };
            receipts.push(self.act(&call).await?);
        }
        Ok(receipts)
    }

    /// Refunds what is left over once the job takes no more leases.
    async fn close_if_over(&self, view: &JobView) -> Result<(), Error> {
        if !view.is_over() && self.is_closed(view).await? {
            self.close().await?;
        }
        Ok(())
    }

    /// Whether the job takes no more leases and rounds.
    async fn is_closed(&self, view: &JobView) -> Result<bool, Error> {
        Ok(view.cancelled || self.market().now().await? > self.job().timing.closesAt)
    }

    /// First tasks of the leases that `close` would refund now.
    async fn left_over(&self, view: &JobView) -> Result<Vec<u32>, Error> {
        let now = self.market().now().await?;
        let mut firsts = Vec::new();
        for lease in view.leases.values() {
            let left = match lease.phase {
                Phase::Free => true,
                // A redundant round ends by `settle`, not by itself.
                Phase::Running if self.job().assurance.replicas == 1 => {
                    let since = self.lease_state(lease.first).await?.since;
                    now > since.saturating_add(self.job().timing.runWindow)
                }
                _ => false,
            };
            if left {
                firsts.push(lease.first);
            }
        }
        Ok(firsts)
    }

    // ------------------------------------------------------------------ seats

    /// Ends a redundant lease's round with the openings that are on chain: by the root of its quorum, without a result if
    /// there is none, or with a new round. Any account may, once all commitments are open or the time for that is over.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn settle(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let view = self.status().await?;
        let lease = view.leases.get(&first);
        let openings = match lease {
            Some(lease) => self.openings(&lease.seats).await?,
            None => Vec::new(),
        };
        let round = lease.map_or(1, |lease| lease.round);
        let job = self.job().clone();
        self.act(&IMarket::settleCall {
            job,
            first,
            round,
            openings,
        })
        .await
    }

    async fn settle_if_due(&self, lease: &LeaseView) -> Result<(), Error> {
        let state = self.lease_state(lease.first).await?;
        if !matches!(state.phase, Phase::Running | Phase::Revealing) {
            return Ok(());
        }
        let reveal = self.market().times().await?.revealWindow;
        let run = self.job().timing.runWindow;
        let ends = match state.phase {
            Phase::Revealing => state.since.saturating_add(reveal),
            _ if state.commits < self.job().assurance.quorum => state.since.saturating_add(run),
            _ => state.since.saturating_add(run).saturating_add(reveal),
        };
        if self.is_overdue(ends).await? {
            self.settle(lease.first).await?;
        }
        Ok(())
    }

    /// Lets a jury decide by the votes that are on chain, with the output digest that the accused committed to, if its
    /// provider serves it. Any account may, once all votes are open or the time for that is over.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn judge(&self, first: u32) -> Result<TransactionReceipt, Error> {
        let view = self.status().await?;
        let judged = view
            .leases
            .get(&first)
            .and_then(|lease| Some((lease, lease.audit()?)));
        let Some((lease, audit)) = judged else {
            return Err(Error::NoAudit {
                job_id: self.id(),
                first,
            });
        };
        let agreed = audit.majority(JURY_QUORUM.into()).is_some();
        let leaf = match agreed {
            true => self.leaf(lease, audit).await,
            false => None,
        };
        let (leaf, proof) = leaf.unwrap_or_default();
        self.act(&IMarket::judgeCall {
            job: self.job().clone(),
            first,
            round: lease.round,
            jury: audit.jury,
            openings: self.openings(&audit.jurors).await?,
            leaf,
            proof,
        })
        .await
    }

    /// The output digest that the accused committed to for the audited task, with its proof.
    async fn leaf(&self, lease: &LeaseView, audit: &AuditView) -> Option<(B256, Vec<B256>)> {
        let digests = self.digests_of(lease).await;
        let digests = digests
            .inspect_err(|error| tracing::debug!(%error, first = lease.first, "the accused's digests are not served"))
            .ok()?;
        let place = audit.task.checked_sub(lease.first)?;
        let digest = *digests.get(place as usize)?;
        let proof = tree::proof(lease.first, &digests, audit.task).ok()?;
        Some((digest.into(), proof))
    }

    async fn judge_if_due(&self, lease: &LeaseView) -> Result<(), Error> {
        let state = self.audit_state(lease.first).await?;
        let Some(audit) = lease.audit().filter(|audit| audit.jury == state.jury) else {
            return Ok(());
        };
        let times = self.market().times().await?;
        let due = if state.due != 0 {
            let leaf_by = state.due.saturating_add(times.respondWindow);
            match self.leaf(lease, audit).await {
                Some(_) if self.market().now().await? <= leaf_by => state.due,
                _ => leaf_by,
            }
        } else {
            self.judged_after(&state).await?
        };
        if self.is_overdue(due).await? {
            self.judge(lease.first).await?;
        }
        Ok(())
    }

    /// Last second before a jury's silence is over, as it stands now.
    pub(super) async fn judged_after(&self, state: &IMarket::AuditState) -> Result<u64, Error> {
        let times = self.market().times().await?;
        let commit_by = match state.commits {
            JURY => state.since,
            _ => rules::jury_commit_by(times, self.job().timing.runWindow, state.since),
        };
        Ok(match state.commits < JURY_QUORUM {
            true => commit_by,
            false => commit_by.saturating_add(times.revealWindow),
        })
    }

    /// The seats of a round as the market wants them, ascending, with what is open of them.
    async fn openings(&self, seats: &[SeatView]) -> Result<Vec<IMarket::Opening>, Error> {
        let mut openings = Vec::new();
        for seat in seats.iter().filter(|seat| seat.is_taken()) {
            let open = seat.state == Seat::Opened;
            openings.push(IMarket::Opening {
                number: self.market().number_of(seat.provider).await?,
                value: if open { seat.value } else { B256::ZERO },
                proof: if open { seat.proof } else { B256::ZERO },
                salt: B256::ZERO,
            });
        }
        openings.sort_unstable_by_key(|opening| opening.number);
        Ok(openings)
    }

    // ------------------------------------------------------------------ time

    /// Whether `deadline` passed so long ago that those who should have acted have forgotten it.
    async fn is_overdue(&self, deadline: u64) -> Result<bool, Error> {
        let grace = if self.is_anvil() { 5 } else { 600 };
        Ok(self.market().now().await? > deadline.saturating_add(grace))
    }

    fn is_anvil(&self) -> bool {
        self.market().chain_id() == ANVIL_CHAIN
    }
}
