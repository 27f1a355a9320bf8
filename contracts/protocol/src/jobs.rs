//! Jobs: post and cancel.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::host::Host;
use crate::rules::{self, MAX_SPEC, escrow_of, minus};
use crate::slots::JobSlot;
use crate::store::Store;
use crate::types::{Bytes32, Job, JobStatus, U256};

impl<S: Store, H: Host> Market<S, H> {
    /// `post`: posts a job of the caller and moves `tasks * replicas * maxPrice` into escrow. Returns the job's id.
    ///
    /// # Errors
    /// In this order: `NotClient`, `NoTasks`, `BadMaxLease`, `BadQuorum`, `VerifierNeedsOneReplica`, `BadWindow`,
    /// `BadSchedule`, `SpecTooLong`, `SpecMismatch`, `BadPriceRange`, `AmountTooLarge`, `JobExists`,
    /// `InsufficientBalance`.
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
        self.debit(&job.terms.client, escrow)?;

        let totals = self.store.totals();
        let record = JobSlot {
            status: JobStatus::Posted,
            fee_bps: totals.fee_bps,
            // The leases of a redundant job are fixed: none of its tasks can be claimed.
            next: if job.terms.replicas == 1 {
                0
            } else {
                job.terms.tasks
            },
            posted_at: self.host.now(),
            posted_block: self.host.block_number(),
            total_stake: totals.stake,
        };
        self.store.set_job(&job_id, record);
        self.host.emit(&Event::Posted {
            job_id,
            client: job.terms.client,
            job,
            fee_bps: totals.fee_bps,
            spec,
        });
        Ok(job_id)
    }

    /// Refuses unless the job can be posted now. Returns what its worst case costs.
    fn check_job(&self, job: &Job, spec: &[u8]) -> Result<u128, Error> {
        rules::check_terms(&job.terms)?;
        rules::check_timing(&job.timing, self.host.now())?;
        if spec.len() > MAX_SPEC {
            return Err(Error::SpecTooLong(
                U256::from(spec.len()),
                U256::from(MAX_SPEC),
            ));
        }
        let digest = self.host.keccak256(spec);
        if digest != job.terms.spec {
            return Err(Error::SpecMismatch(job.terms.spec, digest));
        }
        rules::check_price(&job.terms, &job.price)?;
        escrow_of(job, job.terms.tasks)
    }

    /// `cancel`: stops new leases, takeovers and new rounds, and refunds the tasks that no lease holds (of a redundant
    /// job, `close` does). Rounds that run go to their end.
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
        self.store.set_job(
            job_id,
            JobSlot {
                status: JobStatus::Cancelled,
                ..record
            },
        );
        self.host.emit(&Event::Cancelled { job_id: *job_id });
        if record.next != job.terms.tasks {
            let refunded = self.refund_unclaimed(job, job_id)?;
            self.credit(&job.terms.client, refunded)?;
        }
        Ok(())
    }

    /// Gives up the tasks that no lease holds. Returns what the client is still to be credited with.
    pub(crate) fn refund_unclaimed(&mut self, job: &Job, job_id: &Bytes32) -> Result<u128, Error> {
        let record = self.store.job(job_id);
        let first = record.next;
        let count = minus(job.terms.tasks, first)?;
        let refunded = escrow_of(job, count)?;
        self.store.set_job(
            job_id,
            JobSlot {
                next: job.terms.tasks,
                ..record
            },
        );
        self.host.emit(&Event::Refunded {
            job_id: *job_id,
            first,
            count,
            refunded,
        });
        Ok(refunded)
    }
}
