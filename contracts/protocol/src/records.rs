//! Jobs and leases on record: their ids, and the checks that acts on them share.
//!
//! A job is its EIP-712 hash; callers bring the job itself. So no field of it can change after `post`, and a job that
//! was not posted, every field as it is, is unknown.

use crate::Market;
use crate::error::Error;
use crate::hash;
use crate::host::Host;
use crate::rules::minus;
use crate::slots::{JobSlot, LeaseSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, How, Job, JobStatus, Phase, ZERO};

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- jobs

    /// The job's id: its EIP-712 hash in this market's domain, of the chain of its deployment. A chain that changes
    /// its id still knows the jobs posted before; signatures do check it (`require_signed`).
    pub(crate) fn id_of(&self, job: &Job) -> Bytes32 {
        hash::typed(
            &self.host,
            &self.store.config().domain,
            &hash::job(&self.host, job),
        )
    }

    /// The record of a job that was posted.
    pub(crate) fn known(&self, job_id: &Bytes32) -> Result<JobSlot, Error> {
        let record = self.store.job(job_id);
        if record.status == JobStatus::None {
            Err(Error::JobUnknown(*job_id))
        } else {
            Ok(record)
        }
    }

    /// The record of a job that takes new rounds now.
    pub(crate) fn open(&self, job: &Job, job_id: &Bytes32) -> Result<JobSlot, Error> {
        let record = self.known(job_id)?;
        if record.status == JobStatus::Cancelled {
            return Err(Error::JobIsCancelled(*job_id));
        }
        self.require_from(job.timing.opens_at)?;
        self.require_in_time(job.timing.closes_at)?;
        Ok(record)
    }

    /// Refuses unless the job is of one seat (optimistic).
    pub(crate) fn require_optimistic(&self, job: &Job, job_id: &Bytes32) -> Result<(), Error> {
        match job.terms.replicas {
            1 => Ok(()),
            replicas => Err(Error::WrongMode(*job_id, replicas)),
        }
    }

    /// Refuses unless the job takes this provider.
    pub(crate) fn require_admitted(
        &self,
        job: &Job,
        number: u32,
        provider: &Address,
    ) -> Result<(), Error> {
        let list = job.terms.providers;
        if list != ZERO && !self.store.admitted(&list, number) {
            return Err(Error::NotAdmitted(list, *provider));
        }
        Ok(())
    }

    /// Refuses unless the caller is the job's client.
    pub(crate) fn only_client(&self, job: &Job) -> Result<(), Error> {
        let (client, caller) = (job.terms.client, self.host.caller());
        if caller == client {
            Ok(())
        } else {
            Err(Error::NotClient(client, caller))
        }
    }

    // -------------------------------------------------------------- leases

    /// Refuses unless the lease is in `phase`.
    pub(crate) fn require_phase(
        &self,
        phase: Phase,
        job_id: &Bytes32,
        first: u32,
        lease: &LeaseSlot,
    ) -> Result<(), Error> {
        if lease.phase != phase {
            self.known(job_id)?; // the clearer error, if it is that
            return Err(Error::WrongPhase(*job_id, first, lease.phase));
        }
        Ok(())
    }

    /// A lease of a redundant job: a fixed part of it, free until its first round.
    pub(crate) fn fixed_lease(
        &self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
    ) -> Result<LeaseSlot, Error> {
        let lease = self.store.lease(job_id, first);
        if lease.phase != Phase::None {
            return Ok(lease);
        }
        let record = self.known(job_id)?;
        let (tasks, max_lease) = (job.terms.tasks, job.terms.max_lease);
        if first >= tasks || first.checked_rem(max_lease) != Some(0) {
            return Err(Error::NoSuchLease(*job_id, first));
        }
        Ok(LeaseSlot::untouched(
            minus(tasks, first)?.min(max_lease),
            record.fee_bps,
        ))
    }

    /// The root that an optimistic lease was given; zero of another: a quorum's is not for a client to accept.
    pub(crate) fn submitted_root(&self, job_id: &Bytes32, first: u32) -> Bytes32 {
        let quorum = self.store.lease(job_id, first).how == How::Quorum;
        if quorum {
            ZERO
        } else {
            self.store.root(job_id, first)
        }
    }

    // -------------------------------------------------------------- time

    /// Refuses before `not_before`.
    pub(crate) fn require_from(&self, not_before: u64) -> Result<(), Error> {
        let now = self.host.now();
        if now < not_before {
            Err(Error::TooEarly(not_before, now))
        } else {
            Ok(())
        }
    }

    /// Refuses unless `deadline` has passed.
    pub(crate) fn require_over(&self, deadline: u64) -> Result<(), Error> {
        let now = self.host.now();
        if now <= deadline {
            Err(Error::TooEarly(crate::rules::plus(deadline, 1)?, now))
        } else {
            Ok(())
        }
    }

    /// Refuses when `deadline` has passed.
    pub(crate) fn require_in_time(&self, deadline: u64) -> Result<(), Error> {
        let now = self.host.now();
        if now > deadline {
            Err(Error::TooLate(deadline, now))
        } else {
            Ok(())
        }
    }
}
