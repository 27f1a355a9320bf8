//! Optimistic leases (1/1): take, submit, wait.
//!
//! Free -claim-> Running -submit-> Submitted -accept, finalize-> Settled. A round that ends without a result (expire,
//! release) leaves the lease Free, for a takeover in a new round or, once the job is over, for `close`: Refunded.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::host::Host;
use crate::rules::{
    FREE_RELEASE_PART, LIVENESS_SLASH, RELEASE_SLASH, bond_of, escrow_of, minus, plus, price_at,
    slash_of, split,
};
use crate::slots::{JobSlot, LeaseSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, How, Job, JobStatus, NOBODY, Phase, Reason, ZERO};

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- a round begins

    /// `claim`: takes the next unclaimed tasks, `count` clamped to `max_lease` and to what is left, and locks B.
    /// Returns the lease's first task and their number.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`, `WrongMode`, `NothingAsked`,
    /// `NothingLeft`, `NotAdmitted`, `InsufficientStake`.
    pub fn claim(
        &mut self,
        job: &Job,
        provider: &Address,
        count: u32,
    ) -> Result<(u32, u32), Error> {
        let number = self.authorize(provider)?;
        let job_id = self.id_of(job);
        let record = self.open(job, &job_id)?;
        self.require_optimistic(job, &job_id)?;
        if count == 0 {
            return Err(Error::NothingAsked());
        }
        let first = record.next;
        let left = minus(job.terms.tasks, first)?;
        if left == 0 {
            return Err(Error::NothingLeft(job_id));
        }
        let taken = left.min(job.terms.max_lease).min(count);

        let lease = LeaseSlot::running(number, 1, taken, record.fee_bps, self.host.now());
        let bond = self.check_begin(job, &lease, provider)?;
        self.store.set_job(
            &job_id,
            JobSlot {
                next: plus(first, taken)?,
                ..record
            },
        );
        self.begin(job, &job_id, first, lease, provider, bond)?;
        Ok((first, taken))
    }

    /// `takeover`: takes a free lease in a new round, performing `expire` itself if that is due. A lease that was
    /// released can be taken from the next second on: a release and a takeover by another address of the same owner
    /// cannot be one transaction, or that owner would reprice its lease on a risen ramp, free and unrivalled.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`, `WrongMode`, `WrongPhase`,
    /// `BarredFromRound`, `TooManyRounds`, `NotAdmitted`, `InsufficientStake`.
    pub fn takeover(&mut self, job: &Job, provider: &Address, first: u32) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let job_id = self.id_of(job);
        self.open(job, &job_id)?;
        self.require_optimistic(job, &job_id)?;
        let stored = self.store.lease(&job_id, first);
        let late = self.is_late(job, &stored)?;
        let lease = if late { stored.to(Phase::Free) } else { stored };
        self.require_phase(Phase::Free, &job_id, first, &lease)?;
        if lease.provider == number {
            return Err(Error::BarredFromRound(job_id, first, *provider));
        }
        self.require_over(lease.started_at)?;
        let round = lease
            .round
            .checked_add(1)
            .ok_or(Error::TooManyRounds(job_id, first))?;

        let next = LeaseSlot::running(number, round, lease.count, lease.fee_bps, self.host.now());
        let bond = self.check_begin(job, &next, provider)?;
        if late {
            self.free(job, &job_id, first, stored, Reason::Expired)?;
        }
        self.begin(job, &job_id, first, next, provider, bond)
    }

    /// Refuses unless the provider can begin this round. Returns the bond.
    fn check_begin(&self, job: &Job, lease: &LeaseSlot, provider: &Address) -> Result<u128, Error> {
        self.require_admitted(job, lease.provider, provider)?;
        let bond = bond_of(&job.price, lease.count)?;
        self.check_lock(lease.provider, provider, bond)?;
        Ok(bond)
    }

    /// Begins a round of a lease: locks its bond.
    fn begin(
        &mut self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
        lease: LeaseSlot,
        provider: &Address,
        bond: u128,
    ) -> Result<(), Error> {
        let price = price_at(&job.price, &job.timing, self.host.now())?;
        self.lock(lease.provider, provider, bond)?;
        self.store.set_lease(job_id, first, lease);
        self.host.emit(&Event::Claimed {
            job_id: *job_id,
            first,
            provider: *provider,
            count: lease.count,
            round: lease.round,
            price,
            bond,
        });
        Ok(())
    }

    // -------------------------------------------------------------- a round ends well

    /// `submit`: submits a lease's result within its run window.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `NotHolder`, `NeedsProof`, `ZeroRoot`, `TooLate`.
    pub fn submit(
        &mut self,
        job: &Job,
        first: u32,
        provider: &Address,
        root: &Bytes32,
        manifest: &Bytes32,
    ) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.only_holder(&job_id, first, &lease, provider)?;
        if job.terms.verifier != NOBODY {
            return Err(Error::NeedsProof(job_id, job.terms.verifier));
        }
        self.check_result(job, &lease, root)?;
        self.store
            .set_lease(&job_id, first, lease.submitted(self.host.now()));
        self.store.set_root(&job_id, first, *root);
        self.host.emit(&Event::Submitted {
            job_id,
            first,
            provider: *provider,
            root: *root,
            manifest: *manifest,
        });
        Ok(())
    }

    /// Refuses unless this can be the result of a lease in time.
    pub(crate) fn check_result(
        &self,
        job: &Job,
        lease: &LeaseSlot,
        root: &Bytes32,
    ) -> Result<(), Error> {
        if *root == ZERO {
            return Err(Error::ZeroRoot());
        }
        self.require_in_time(plus(lease.started_at, job.timing.run_window)?)
    }

    /// `accept`: the client settles a submitted lease at once, for good, if `root` is its result.
    ///
    /// # Errors
    /// `NotClient`, `JobUnknown`, `WrongPhase`, `WrongRoot`.
    pub fn accept(&mut self, job: &Job, first: u32, root: &Bytes32) -> Result<(), Error> {
        self.only_client(job)?;
        let job_id = self.id_of(job);
        self.require_phase(
            Phase::Submitted,
            &job_id,
            first,
            &self.store.lease(&job_id, first),
        )?;
        let result = self.store.root(&job_id, first);
        if result != *root {
            return Err(Error::WrongRoot(job_id, first, result));
        }
        self.accept_checked(job, &job_id, first)
    }

    /// `accept`, whoever calls: the client is known to want it.
    pub(crate) fn accept_checked(
        &mut self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
    ) -> Result<(), Error> {
        let lease = self.store.lease(job_id, first);
        self.require_phase(Phase::Submitted, job_id, first, &lease)?;
        self.settle_lease(job, job_id, first, lease.settled(How::Accepted))
    }

    /// `finalize`: settles a submitted lease whose challenge window is over. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `TooEarly`.
    pub fn finalize(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.require_phase(Phase::Submitted, &job_id, first, &lease)?;
        self.require_over(plus(lease.submitted_at, job.timing.challenge_window)?)?;
        self.settle_lease(job, &job_id, first, lease.settled(How::Unchallenged))
    }

    /// Pays out a settled lease's escrow and unlocks its bond.
    pub(crate) fn settle_lease(
        &mut self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
        lease: LeaseSlot,
    ) -> Result<(), Error> {
        let price = price_at(&job.price, &job.timing, lease.started_at)?;
        let parts = split(job.price.max_price, price, lease.count, lease.fee_bps)?;
        let bond = bond_of(&job.price, lease.count)?;
        self.store.set_lease(job_id, first, lease);
        self.reward(lease.provider, parts.paid, bond)?;
        self.credit_fee(parts.fee)?;
        self.credit(&job.terms.client, parts.refunded)?;
        self.host.emit(&Event::Settled {
            job_id: *job_id,
            first,
            how: lease.how,
            paid: parts.paid,
            fee: parts.fee,
            refunded: parts.refunded,
        });
        Ok(())
    }

    // -------------------------------------------------------------- a round ends without a result

    /// `expire`: ends a round whose run window passed without a result; burns a tenth of B. Anyone may call.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `WrongPhase`, `TooEarly`.
    pub fn expire(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.require_optimistic(job, &job_id)?;
        self.require_phase(Phase::Running, &job_id, first, &lease)?;
        self.require_over(plus(lease.started_at, job.timing.run_window)?)?;
        self.free(job, &job_id, first, lease, Reason::Expired)
    }

    /// `release`: gives a running lease up: free within the first eighth of the run window, later 2 % of B are burned.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `NotHolder`, `TooLate`.
    pub fn release(&mut self, job: &Job, first: u32, provider: &Address) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.only_holder(&job_id, first, &lease, provider)?;
        let window = job.timing.run_window;
        self.require_in_time(plus(lease.started_at, window)?)?;
        let early = self.host.now() <= plus(lease.started_at, window / FREE_RELEASE_PART)?;
        let reason = if early {
            Reason::ReleasedEarly
        } else {
            Reason::ReleasedLate
        };
        self.free(job, &job_id, first, lease, reason)
    }

    /// `close`: once the job is cancelled or past `closes_at`, refunds free leases, and the tasks that no lease ever
    /// held; of those the first one stands for all. Anyone may call. One `first` that stands for nothing to be refunded
    /// refuses the whole call.
    ///
    /// # Errors
    /// `JobUnknown`, `JobStillOpen`, `WrongPhase`, `NoSuchLease`.
    pub fn close(&mut self, job: &Job, firsts: &[u32]) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let record = self.known(&job_id)?;
        if record.status != JobStatus::Cancelled && self.host.now() <= job.timing.closes_at {
            return Err(Error::JobStillOpen(job_id, job.timing.closes_at));
        }
        self.check_close(job, &job_id, record.next, firsts)?;
        let mut refunded = 0;
        for first in firsts {
            let unclaimed = *first == self.store.job(&job_id).next && *first < job.terms.tasks;
            let amount = if unclaimed {
                self.refund_unclaimed(job, &job_id)?
            } else {
                self.refund_lease(job, &job_id, *first)?
            };
            refunded = plus(refunded, amount)?;
        }
        self.credit(&job.terms.client, refunded)
    }

    /// Refuses unless `close` can refund each of `firsts`, in turn.
    fn check_close(
        &self,
        job: &Job,
        job_id: &Bytes32,
        mut next: u32,
        firsts: &[u32],
    ) -> Result<(), Error> {
        for (place, first) in firsts.iter().enumerate() {
            if *first == next && *first < job.terms.tasks {
                next = job.terms.tasks;
                continue;
            }
            let mut lease = self.closing_lease(job, job_id, *first)?;
            if self.is_late(job, &lease)? {
                lease = lease.to(Phase::Free);
            }
            // The same lease may be named twice.
            let again = firsts.iter().take(place).any(|earlier| earlier == first);
            if again && lease.phase == Phase::Free {
                lease = lease.to(Phase::Refunded);
            }
            self.require_phase(Phase::Free, job_id, *first, &lease)?;
        }
        Ok(())
    }

    /// Gives up a free lease. Returns what the client is still to be credited with.
    fn refund_lease(&mut self, job: &Job, job_id: &Bytes32, first: u32) -> Result<u128, Error> {
        let lease = self.closing_lease(job, job_id, first)?;
        if self.is_late(job, &lease)? {
            self.free(job, job_id, first, lease, Reason::Expired)?;
        }
        self.store
            .set_lease(job_id, first, lease.to(Phase::Refunded));
        let refunded = escrow_of(job, lease.count)?;
        self.host.emit(&Event::Refunded {
            job_id: *job_id,
            first,
            count: lease.count,
            refunded,
        });
        Ok(refunded)
    }

    /// A lease that `close` is asked to refund.
    fn closing_lease(&self, job: &Job, job_id: &Bytes32, first: u32) -> Result<LeaseSlot, Error> {
        if job.terms.replicas == 1 {
            Ok(self.store.lease(job_id, first))
        } else {
            self.fixed_lease(job, job_id, first)
        }
    }

    /// Whether an optimistic lease's run window is over, poked or not.
    fn is_late(&self, job: &Job, lease: &LeaseSlot) -> Result<bool, Error> {
        let over = || {
            plus(lease.started_at, job.timing.run_window).map(|deadline| self.host.now() > deadline)
        };
        Ok(job.terms.replicas == 1 && lease.phase == Phase::Running && over()?)
    }

    /// Frees a lease; its bond returns less what its holder loses for `reason`.
    fn free(
        &mut self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
        lease: LeaseSlot,
        reason: Reason,
    ) -> Result<(), Error> {
        let bond = bond_of(&job.price, lease.count)?;
        let (freed, slash) = match reason {
            Reason::Expired => (lease.to(Phase::Free), slash_of(bond, LIVENESS_SLASH)?),
            Reason::ReleasedLate => (lease.freed(self.host.now()), slash_of(bond, RELEASE_SLASH)?),
            _ => (lease.freed(self.host.now()), 0),
        };
        self.store.set_lease(job_id, first, freed);
        if reason == Reason::ReleasedEarly {
            self.unlock(lease.provider, bond)?;
        } else {
            self.slash(lease.provider, bond, slash, false)?;
            self.burn(slash)?;
        }
        let provider = self.store.provider_at(lease.provider);
        self.host.emit(&Event::Freed {
            job_id: *job_id,
            first,
            provider,
            reason,
            burned: slash,
        });
        Ok(())
    }

    // -------------------------------------------------------------- checks

    /// Refuses unless the lease runs, the caller may act for `provider`, and that holds it.
    pub(crate) fn only_holder(
        &self,
        job_id: &Bytes32,
        first: u32,
        lease: &LeaseSlot,
        provider: &Address,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        self.require_phase(Phase::Running, job_id, first, lease)?;
        // Nobody holds a redundant lease: its number is 0, like that of who never was a provider.
        if lease.provider != number || number == 0 {
            return Err(Error::NotHolder(*job_id, first, *provider));
        }
        Ok(())
    }
}
