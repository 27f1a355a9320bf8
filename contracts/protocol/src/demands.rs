//! Demands: show all the digests, or lose the bond. Whoever cannot learn what a root stands for cannot challenge it.
//! Submitted -demand-> Demanded -respond-> Submitted, its window anew; without an answer -forfeit-> Free.
//!
//! Also what demands and challenges share: which result can be contested, and how a round is lost.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::host::Host;
use crate::result;
use crate::rules::{amount_of, bond_of, plus};
use crate::slots::{Dispute, LeaseSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Job, NOBODY, Phase, Reason, U256, ZERO};

impl<S: Store, H: Host> Market<S, H> {
    /// `demand`: demands all output digests of a submitted lease, within its window and once in a round. Puts down
    /// `jury_fee`, which the answer earns. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongMode`, `WrongPhase`, `NoJury`, `TooLate`, `DemandedAlready`, `InsufficientBalance`.
    pub fn demand(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.contestable(job, &job_id, first)?;
        if lease.demanded {
            return Err(Error::DemandedAlready(job_id, first));
        }
        let (demander, deposit) = (self.host.caller(), job.price.jury_fee);
        self.debit(&demander, deposit)?;
        self.store
            .set_lease(&job_id, first, lease.demanded_at(self.host.now()));
        self.store.set_demander(&job_id, first, demander);
        self.host.emit(&Event::DemandMade {
            job_id,
            first,
            demander,
            deposit,
        });
        Ok(())
    }

    /// `respond`: answers a demand in time with all digests of the lease, in order: the window starts anew.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `NotHolder`, `TooLate`, `RootMismatch`.
    pub fn respond(
        &mut self,
        job: &Job,
        first: u32,
        provider: &Address,
        digests: &[Bytes32],
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.require_phase(Phase::Demanded, &job_id, first, &lease)?;
        if lease.provider != number {
            return Err(Error::NotHolder(job_id, first, *provider));
        }
        self.require_in_time(self.respond_by(&lease)?)?;
        let root = self.store.root(&job_id, first);
        // With fewer digests, a zero leaf of the tree would pass for padding.
        let all = u32::try_from(digests.len()) == Ok(lease.count);
        let actual = if all {
            result::root_of(&self.host, first, digests)
        } else {
            None
        };
        let actual = actual.unwrap_or(ZERO);
        if actual != root {
            return Err(Error::RootMismatch(root, actual));
        }

        let earned = amount_of(U256::from(job.price.jury_fee))?;
        self.store
            .set_lease(&job_id, first, lease.submitted(self.host.now()));
        self.store.set_demander(&job_id, first, NOBODY);
        self.earn(number, earned, 0)?;
        self.host.emit(&Event::Responded {
            job_id,
            first,
            provider: *provider,
            earned,
        });
        Ok(())
    }

    /// `forfeit`: ends a round whose provider did not answer a demand in time: burns B, returns the deposit, frees the
    /// lease. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `TooEarly`.
    pub fn forfeit(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.require_phase(Phase::Demanded, &job_id, first, &lease)?;
        self.require_over(self.respond_by(&lease)?)?;
        let demander = self.store.demander(&job_id, first);
        self.store.set_demander(&job_id, first, NOBODY);
        let burned = self.lose(job, &job_id, first, lease, Reason::Withheld)?;
        self.burn(burned)?;
        self.credit(&demander, job.price.jury_fee)
    }

    /// Last second of an answer.
    fn respond_by(&self, lease: &LeaseSlot) -> Result<u64, Error> {
        plus(lease.submitted_at, self.store.config().times.respond_window)
    }

    /// A lease whose result can be challenged, or its digests demanded, now.
    pub(crate) fn contestable(
        &self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
    ) -> Result<LeaseSlot, Error> {
        let lease = self.store.lease(job_id, first);
        if job.terms.replicas != 1 {
            self.known(job_id)?;
            return Err(Error::WrongMode(*job_id, job.terms.replicas));
        }
        self.require_phase(Phase::Submitted, job_id, first, &lease)?;
        if job.price.jury_fee == 0 {
            return Err(Error::NoJury(*job_id));
        }
        self.require_in_time(plus(lease.submitted_at, job.timing.challenge_window)?)?;
        Ok(lease)
    }

    /// Takes the holder's whole bond and frees the lease of it and of its result. Returns the bond: the caller says
    /// whose it is.
    pub(crate) fn lose(
        &mut self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
        lease: LeaseSlot,
        reason: Reason,
    ) -> Result<u128, Error> {
        let bond = bond_of(&job.price, lease.count)?;
        self.store
            .set_lease(job_id, first, lease.freed(self.host.now()));
        self.store.set_root(job_id, first, ZERO);
        self.store.set_dispute(job_id, first, Dispute::default());
        self.slash(lease.provider, bond, bond, true)?;
        let provider: Address = self.store.provider_at(lease.provider);
        self.host.emit(&Event::Freed {
            job_id: *job_id,
            first,
            provider,
            reason,
            burned: bond,
        });
        Ok(bond)
    }
}
