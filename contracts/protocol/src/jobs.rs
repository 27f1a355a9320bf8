//! Jobs: post and cancel.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::host::Host;
use crate::records::is_drawn;
use crate::rules::{self, MAX_SPEC, escrow_of, minus};
use crate::slots::JobSlot;
use crate::store::Store;
use crate::types::{Bytes32, Job, JobStatus, U256};

impl<S: Store, H: Host> Market<S, H> {
    /// `post`: posts a job of the caller and moves its worst case into escrow. Returns the job's id.
    ///
    /// # Errors
    /// In this order: `NotClient`, `NoTasks`, `BadQuorum`, `OneReplicaOnly`, `AuditsOrVerifier`, `BadAudit`,
    /// `RefundNeedsAudits`, `BadLeaseSize`, `BadWindow`, `BadSchedule`, `SpecTooLong`, `SpecMismatch`, `BadPriceRange`,
    /// `BondNeeded`, `AmountTooLarge`, `JobExists`, `NoStakeToDraw`, the beacon's, `InsufficientBalance`.
    pub fn post(&mut self, job: &Job, spec: &[u8]) -> Result<Bytes32, Error> {
        self.only_client(job)?;
        self.post_checked(job, spec)
    }

    /// `post`, whoever calls: the client is known to want it.
    pub(crate) fn post_checked(&mut self, job: &Job, spec: &[u8]) -> Result<Bytes32, Error> {
        let escrow = self.check_job(job, spec)?;
        let job_id = self.id_of(job);
        if self.store.job(&job_id).status != JobStatus::None {
            return Err(Error::JobExists(job_id));
        }
        let drawn = is_drawn(job);
        let posted_at = self.host.now();
        if (drawn || job.assurance.audit_bps != 0) && self.total_weight(self.aged_before(posted_at)) == 0 {
            return Err(Error::NoStakeToDraw());
        }
        let point = if drawn { self.new_point()? } else { 0 };
        self.debit(&job.terms.client, escrow)?;

        let fee_bps = self.store.totals().fee_bps;
        // The first lease of a redundant job is open from the beginning, the others open one after the other.
        let next = match job.assurance.replicas {
            1 => 0,
            _ => job.terms.max_lease,
        };
        let record = JobSlot { status: JobStatus::Posted, fee_bps, next, posted_at, point };
        self.store.set_job(&job_id, record);
        self.host.emit(&Event::Posted { job_id, client: job.terms.client, job, fee_bps, point, spec });
        Ok(job_id)
    }

    /// Refuses unless the job can be posted now. Returns what its worst case costs.
    fn check_job(&self, job: &Job, spec: &[u8]) -> Result<u128, Error> {
        rules::check_assurance(job)?;
        rules::check_lease(&job.terms, job.assurance.replicas)?;
        rules::check_timing(job, &self.store.config().times, self.host.now())?;
        if spec.len() > MAX_SPEC {
            return Err(Error::SpecTooLong(U256::from(spec.len()), U256::from(MAX_SPEC)));
        }
        let digest = self.host.keccak256(spec);
        if digest != job.terms.spec {
            return Err(Error::SpecMismatch(job.terms.spec, digest));
        }
        rules::check_price(job)?;
        escrow_of(job, job.terms.tasks)
    }

    /// `cancel`: stops new leases, takeovers and new rounds and refunds the tasks from `next` on. Rounds that run go to
    /// their end.
    ///
    /// # Errors
    /// `NotClient`, `JobUnknown`, `JobIsCancelled`.
    pub fn cancel(&mut self, job: &Job) -> Result<(), Error> {
        self.only_client(job)?;
        self.cancel_checked(job, &self.id_of(job))
    }

    /// `cancel`, whoever calls: the client is known to want it.
    pub(crate) fn cancel_checked(&mut self, job: &Job, job_id: &Bytes32) -> Result<(), Error> {
        let record = self.known(job_id)?;
        if record.status == JobStatus::Cancelled {
            return Err(Error::JobIsCancelled(*job_id));
        }
        let status = JobStatus::Cancelled;
        self.store.set_job(job_id, JobSlot { status, ..record });
        self.host.emit(&Event::Cancelled { job_id: *job_id });
        let refunded = self.refund_unclaimed(job, job_id)?;
        self.credit(&job.terms.client, refunded)
    }

    /// Gives up the tasks that no lease holds, or whose leases have not opened, if there are any. Returns what the client
    /// is still to be credited with.
    pub(crate) fn refund_unclaimed(&mut self, job: &Job, job_id: &Bytes32) -> Result<u128, Error> {
        let record = self.store.job(job_id);
        let (first, next) = (record.next, job.terms.tasks);
        if first == next {
            return Ok(0);
        }
        let count = minus(next, first)?;
        let refunded = escrow_of(job, count)?;
        self.store.set_job(job_id, JobSlot { next, ..record });
        self.host.emit(&Event::Refunded { job_id: *job_id, first, count, refunded });
        Ok(refunded)
    }
}
