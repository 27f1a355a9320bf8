//! Ordinary leases (1/1): claim, submit, and chance decides.
//!
//! Free -claim, takeover-> Running -submit-> Submitted -finalize-> Settled. A round that ends without a result (expire,
//! leave) leaves the lease Free, for a takeover in a new round or, once the job is over, for `close`: Refunded. If chance
//! says so, a jury judges a submitted lease first ([`crate::audits`]).

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash;
use crate::host::Host;
use crate::records::At;
use crate::rules::{bond_of, clamp, coin, escrow_of, lateness_of, minus, plus, price_at, tenth_of};
use crate::slots::{JobSlot, LeaseSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Grade, Job, JobStatus, NOBODY, Phase, Reason, ZERO};

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- a round begins

    /// `claim`: takes the next tasks, as many as `most` allows, adjusted so that what is left afterwards can be leased, and
    /// locks B. Returns the lease's first task and their number.
    ///
    /// # Errors
    /// `NotOperator`, `WrongMode`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`, `NothingLeft`,
    /// `LeaseDoesNotFit`, `NotAdmitted`, `InsufficientStake`.
    pub fn claim(
        &mut self,
        job: &Job,
        provider: &Address,
        least: u32,
        most: u32,
    ) -> Result<(u32, u32), Error> {
        let number = self.authorize(provider)?;
        let mut at = self.ordinary(job, 0)?;
        let record = self.open(&at)?;
        at.first = record.next;
        let left = minus(job.terms.tasks, record.next)?;
        if left == 0 {
            return Err(Error::NothingLeft(at.job_id));
        }
        let count = clamp(&job.terms, left, most)?;
        if count < least || count > most {
            return Err(Error::LeaseDoesNotFit(count, least, most));
        }
        let now = self.host.now();
        let lease = LeaseSlot {
            phase: Phase::Running,
            round: 1,
            count,
            fee_bps: record.fee_bps,
            since: now,
            origin: now,
            provider: number,
            ..LeaseSlot::default()
        };
        self.lock_round(&at, &lease, provider)?;
        let next = plus(record.next, count)?;
        self.store.set_job(&at.job_id, JobSlot { next, ..record });
        self.begin(&at, lease, provider)?;
        Ok((record.next, count))
    }

    /// `takeover`: takes a free lease in a new round, performing `expire` itself if that is due. The lease's ramp goes on
    /// from where it stood still.
    ///
    /// # Errors
    /// `NotOperator`, `WrongMode`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`, `WrongPhase`,
    /// `BarredFromRound`, `TooManyRounds`, `NotAdmitted`, `InsufficientStake`.
    pub fn takeover(&mut self, job: &Job, provider: &Address, first: u32) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let at = self.ordinary(job, first)?;
        self.open(&at)?;
        let stored = self.lease(&at);
        let late_since = self.late_since(job, &stored)?;
        let lease = late_since.map_or(stored, |deadline| stored.freed(deadline));
        self.require_phase(Phase::Free, &at, &lease)?;
        if lease.provider == number {
            return Err(Error::BarredFromRound(at.job_id, first, *provider));
        }
        if lease.round == u16::MAX {
            return Err(Error::TooManyRounds(at.job_id, first));
        }
        let now = self.host.now();
        let taken = LeaseSlot {
            origin: plus(lease.origin, minus(now, lease.since)?)?,
            provider: number,
            ..lease.to(Phase::Running, now)
        };
        self.lock_round(&at, &taken, provider)?;
        if let Some(deadline) = late_since {
            self.free_late(&at, stored, deadline)?;
        }
        self.begin(&at, taken, provider)
    }

    /// Locks the bond of a round, unless its holder may not begin it.
    fn lock_round(&mut self, at: &At<'_>, lease: &LeaseSlot, provider: &Address) -> Result<(), Error> {
        self.require_admitted(at.job, lease.provider, provider)?;
        let bond = bond_of(&at.job.price, lease.count)?;
        self.lock_for_lease(lease.provider, provider, bond)
    }

    /// Begins a round whose bond is locked.
    fn begin(&mut self, at: &At<'_>, lease: LeaseSlot, provider: &Address) -> Result<(), Error> {
        let At { job, job_id, first } = *at;
        let LeaseSlot { count, round, .. } = lease;
        let price = price_at(&job.price, &job.timing, lease.origin)?;
        self.keep(at, lease);
        let provider = *provider;
        self.host.emit(&Event::Claimed { job_id, first, provider, count, round, price });
        Ok(())
    }

    // -------------------------------------------------------------- a round ends well

    /// `submit`: submits a lease's result within its run window. Without audits that settles the lease.
    ///
    /// # Errors
    /// `NotOperator`, `WrongMode`, `JobUnknown`, `WrongPhase`, `WrongRound`, `NotHolder`, `NeedsProof`, `ZeroRoot`,
    /// `TooLate`, the beacon's.
    pub fn submit(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        provider: &Address,
        root: &Bytes32,
        digest_list: &Bytes32,
    ) -> Result<(), Error> {
        let (at, lease) = self.held(job, first, round, provider)?;
        let verifier = job.assurance.verifier;
        if verifier != NOBODY {
            return Err(Error::NeedsProof(at.job_id, verifier));
        }
        self.check_result(job, &lease, root)?;
        let audits = job.assurance.audit_bps != 0;
        let point = if audits { self.new_point()? } else { 0 };
        let (job_id, provider, root, digest_list) = (at.job_id, *provider, *root, *digest_list);
        self.store.set_root(&job_id, first, root);
        self.host.emit(&Event::Submitted { job_id, first, provider, round, root, digest_list, point });
        if !audits {
            return self.settle_lease(&at, lease, Grade::Unaudited, 0, 0);
        }
        let now = self.host.now();
        let submitted = lease.to(Phase::Submitted, now);
        self.keep(&at, LeaseSlot { point, ..submitted });
        Ok(())
    }

    /// Refuses unless this can be the result of a lease in time.
    pub(crate) fn check_result(&self, job: &Job, lease: &LeaseSlot, root: &Bytes32) -> Result<(), Error> {
        if *root == ZERO {
            return Err(Error::ZeroRoot());
        }
        self.require_in_time(plus(lease.since, job.timing.run_window)?)
    }

    /// `finalize`: settles submitted leases: at once if the seed is known and chance says no audit; otherwise when the time
    /// for audits is over and none is open. Passes over leases that are not due. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`; `NotEnoughGas`, also after some leases were settled.
    pub fn finalize(&mut self, job: &Job, firsts: &[u32]) -> Result<(), Error> {
        let mut at = self.at(job, 0);
        for first in firsts {
            at.first = *first;
            let lease = self.lease(&at);
            match self.grade_due(&at, &lease)? {
                Some(Grade::Contested) => {
                    let votes = self.store.audit(&at.job_id, at.first).undecided;
                    self.settle_contested(&at, lease, votes)?;
                }
                Some(grade) => self.settle_lease(&at, lease, grade, 0, 0)?,
                None => {}
            }
        }
        Ok(())
    }

    /// The grade with which the lease can be settled now.
    fn grade_due(&self, at: &At<'_>, lease: &LeaseSlot) -> Result<Option<Grade>, Error> {
        let now = self.host.now();
        match lease.phase {
            Phase::None => {
                self.known(&at.job_id)?; // the clearer error, if it is that
                Ok(None)
            }
            Phase::Undecided => {
                let due = self.store.audit(&at.job_id, at.first).due;
                Ok((now > due).then_some(Grade::Contested))
            }
            Phase::Submitted => {
                let seed = self.seed_if_known(lease.point)?;
                let audited = seed.map(|seed| self.is_audited(at, lease, &seed));
                let over = now > plus(lease.since, at.job.timing.audit_window)?;
                Ok(match audited {
                    Some(false) => Some(Grade::Unaudited),
                    Some(true) if over => Some(Grade::Contested),
                    None if over => Some(Grade::Unaudited),
                    _ => None,
                })
            }
            _ => Ok(None),
        }
    }

    /// Whether chance says that the lease's result is audited.
    pub(crate) fn is_audited(&self, at: &At<'_>, lease: &LeaseSlot, seed: &Bytes32) -> bool {
        let side = self.draw(&at.round(lease.round, hash::COIN), seed, 0, &NOBODY);
        coin(&side, at.job.assurance.audit_bps)
    }

    // -------------------------------------------------------------- a round ends without a result

    /// `expire`: ends a round whose run window passed without a result; burns a tenth of B. Anyone may call.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `WrongPhase`, `TooEarly`.
    pub fn expire(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let at = self.ordinary(job, first)?;
        let lease = self.lease(&at);
        self.require_phase(Phase::Running, &at, &lease)?;
        let deadline = plus(lease.since, job.timing.run_window)?;
        self.require_over(deadline)?;
        self.free_late(&at, lease, deadline)?;
        Ok(())
    }

    /// `leave`: gives a running lease up, or the seat of a redundant round.
    ///
    /// # Errors
    /// Of a lease `NotOperator`, `WrongMode`, `JobUnknown`, `WrongPhase`, `WrongRound`, `NotHolder`, `TooLate`; of a seat
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `WrongRound`, `TooLate`, `WrongSeat`.
    pub fn leave(&mut self, job: &Job, first: u32, round: u16, provider: &Address) -> Result<(), Error> {
        if job.assurance.replicas != 1 {
            return self.leave_seat(job, first, round, provider);
        }
        let (at, lease) = self.held(job, first, round, provider)?;
        let (now, window) = (self.host.now(), job.timing.run_window);
        self.require_in_time(plus(lease.since, window)?)?;
        let bond = bond_of(&job.price, lease.count)?;
        let slash = lateness_of(bond, round, minus(now, lease.since)?, window)?;
        self.free(&at, lease, now, Reason::Left, slash)?;
        Ok(())
    }

    /// `close`: once the job is cancelled or past `closes_at`, refunds the listed leases that are free, and the tasks from
    /// `next` on. Passes over other leases. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `JobStillOpen`.
    pub fn close(&mut self, job: &Job, firsts: &[u32]) -> Result<(), Error> {
        let mut at = self.at(job, 0);
        let record = self.known(&at.job_id)?;
        if record.status != JobStatus::Cancelled && self.host.now() <= job.timing.closes_at {
            return Err(Error::JobStillOpen(at.job_id, job.timing.closes_at));
        }
        let mut refunded = 0;
        for first in firsts {
            at.first = *first;
            refunded = plus(refunded, self.refund_lease(&at)?)?;
        }
        refunded = plus(refunded, self.refund_unclaimed(job, &at.job_id)?)?;
        self.credit(&job.terms.client, refunded)
    }

    /// Gives up a free lease; another one is passed over. Returns what the client is still to be credited with.
    fn refund_lease(&mut self, at: &At<'_>) -> Result<u128, Error> {
        let stored = self.opened_lease(at)?;
        let lease = match self.late_since(at.job, &stored)? {
            Some(deadline) => self.free_late(at, stored, deadline)?,
            None => stored,
        };
        if lease.phase != Phase::Free {
            return Ok(0);
        }
        self.keep(at, lease.in_phase(Phase::Refunded));
        let refunded = escrow_of(at.job, lease.count)?;
        self.host.emit(&Event::Refunded { job_id: at.job_id, first: at.first, count: lease.count, refunded });
        Ok(refunded)
    }

    /// The deadline of an ordinary lease's round, if that is over, poked or not.
    fn late_since(&self, job: &Job, lease: &LeaseSlot) -> Result<Option<u64>, Error> {
        if job.assurance.replicas != 1 || lease.phase != Phase::Running {
            return Ok(None);
        }
        let deadline = plus(lease.since, job.timing.run_window)?;
        Ok((self.host.now() > deadline).then_some(deadline))
    }

    /// Frees a lease since the deadline that its holder missed.
    fn free_late(&mut self, at: &At<'_>, lease: LeaseSlot, deadline: u64) -> Result<LeaseSlot, Error> {
        let slash = tenth_of(bond_of(&at.job.price, lease.count)?)?;
        self.free(at, lease, deadline, Reason::Late, slash)
    }

    /// Frees a lease since `time`; its bond returns less what its holder loses.
    fn free(
        &mut self,
        at: &At<'_>,
        lease: LeaseSlot,
        time: u64,
        reason: Reason,
        burned: u128,
    ) -> Result<LeaseSlot, Error> {
        let At { job, job_id, first } = *at;
        let bond = bond_of(&job.price, lease.count)?;
        let freed = lease.freed(time);
        self.keep(at, freed);
        if burned == 0 && reason == Reason::Left {
            self.unlock(lease.provider, bond)?;
        } else {
            self.slash(lease.provider, bond, burned, false)?;
        }
        let (provider, round) = (self.store.provider_at(lease.provider), freed.round);
        self.host.emit(&Event::Freed { job_id, first, provider, round, reason, burned });
        Ok(freed)
    }

    // -------------------------------------------------------------- checks

    /// A running ordinary lease, which `provider` holds in `round`; the caller may act for it.
    pub(crate) fn held<'a>(
        &self,
        job: &'a Job,
        first: u32,
        round: u16,
        provider: &Address,
    ) -> Result<(At<'a>, LeaseSlot), Error> {
        let number = self.authorize(provider)?;
        let at = self.ordinary(job, first)?;
        let lease = self.lease(&at);
        self.require_phase(Phase::Running, &at, &lease)?;
        self.require_round(&at, &lease, round)?;
        if lease.provider != number || number == 0 {
            return Err(Error::NotHolder(at.job_id, first, *provider));
        }
        Ok((at, lease))
    }

    /// Refuses unless the act is for the lease's present round.
    pub(crate) fn require_round(&self, at: &At<'_>, lease: &LeaseSlot, round: u16) -> Result<(), Error> {
        if lease.round != round {
            return Err(Error::WrongRound(at.job_id, at.first, lease.round, 0));
        }
        Ok(())
    }
}
