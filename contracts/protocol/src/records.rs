//! Jobs and leases on record: their ids, the checks that acts on them share, and how the beacon is asked.
//!
//! A job is its EIP-712 hash; callers bring the job itself. So no field of it can change after `post`, and a job that
//! was not posted, every field as it is, is unknown.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash::{self, Round};
use crate::host::{BeaconError, Host};
use crate::redundant::times;
use crate::rules::{MAX_TIME, bond_of, escrow_of, fee_of, gross_of, juror_bond_of, minus, plus, tenth_of};
use crate::slots::{JobSlot, LeaseSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Grade, Job, JobStatus, Phase, U256, ZERO};

/// Gas that the beacon gets where a call must go on without it: ten times what an answer takes.
pub const BEACON_GAS: u64 = 200_000;

/// What must be left before a call that gets `allowance`: 1/64 stays with the market (EIP-150), the call itself costs 2,600.
pub const fn gas_before(allowance: u64) -> u64 {
    allowance.saturating_mul(64) / 63 + 5_000
}

/// A lease that a call is about.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) job: &'a Job,
    pub(crate) job_id: Bytes32,
    pub(crate) first: u32,
}

impl At<'_> {
    /// A round of the lease, or a jury of it.
    pub(crate) fn round(&self, round: u16, kind: u8) -> Round {
        Round { job_id: self.job_id, first: self.first, round, kind }
    }

    /// Whether providers are drawn for the job's leases.
    pub(crate) fn is_drawn(&self) -> bool {
        is_drawn(self.job)
    }
}

/// Whether providers are drawn for the job's leases: for redundant ones of a job without a list.
pub(crate) fn is_drawn(job: &Job) -> bool {
    job.assurance.replicas != 1 && job.terms.providers == ZERO
}

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- jobs

    /// The job's id: its EIP-712 hash in this market's domain, of the chain of its deployment. A chain that changes
    /// its id still knows the jobs posted before; signatures do check it (`require_signed`).
    pub(crate) fn id_of(&self, job: &Job) -> Bytes32 {
        hash::typed(&self.host, &self.store.config().domain, &hash::job(&self.host, job))
    }

    /// A lease of any job.
    pub(crate) fn at<'a>(&self, job: &'a Job, first: u32) -> At<'a> {
        At { job, job_id: self.id_of(job), first }
    }

    /// A lease of a job with one replica.
    pub(crate) fn ordinary<'a>(&self, job: &'a Job, first: u32) -> Result<At<'a>, Error> {
        let at = self.at(job, first);
        match job.assurance.replicas {
            1 => Ok(at),
            replicas => Err(Error::WrongMode(at.job_id, replicas)),
        }
    }

    /// A lease of a job with more replicas.
    pub(crate) fn redundant<'a>(&self, job: &'a Job, first: u32) -> Result<At<'a>, Error> {
        let at = self.at(job, first);
        match job.assurance.replicas {
            1 => Err(Error::WrongMode(at.job_id, 1)),
            _ => Ok(at),
        }
    }

    /// The record of a job that was posted.
    pub(crate) fn known(&self, job_id: &Bytes32) -> Result<JobSlot, Error> {
        let record = self.store.job(job_id);
        if record.status == JobStatus::None { Err(Error::JobUnknown(*job_id)) } else { Ok(record) }
    }

    /// The record of a job that takes new rounds now.
    pub(crate) fn open(&self, at: &At<'_>) -> Result<JobSlot, Error> {
        let record = self.known(&at.job_id)?;
        if record.status == JobStatus::Cancelled {
            return Err(Error::JobIsCancelled(at.job_id));
        }
        self.require_from(at.job.timing.opens_at)?;
        self.require_in_time(at.job.timing.closes_at)?;
        Ok(record)
    }

    /// Refuses unless the job takes this provider.
    pub(crate) fn require_admitted(&self, job: &Job, number: u32, provider: &Address) -> Result<(), Error> {
        let list = job.terms.providers;
        if list != ZERO && !self.store.admitted(&list, number) {
            return Err(Error::NotAdmitted(list, *provider));
        }
        Ok(())
    }

    /// Refuses unless the caller is the job's client.
    pub(crate) fn only_client(&self, job: &Job) -> Result<(), Error> {
        let (client, caller) = (job.terms.client, self.host.caller());
        if caller == client { Ok(()) } else { Err(Error::NotClient(client, caller)) }
    }

    // -------------------------------------------------------------- leases

    /// The record of the lease.
    pub(crate) fn lease(&self, at: &At<'_>) -> LeaseSlot {
        self.store.lease(&at.job_id, at.first)
    }

    /// Keeps the record of the lease.
    pub(crate) fn keep(&mut self, at: &At<'_>, lease: LeaseSlot) {
        self.store.set_lease(&at.job_id, at.first, lease);
    }

    /// The lease; its phase is None if it has not opened. The first one of a redundant job is open from `post` on, and is
    /// kept with its first seat.
    pub(crate) fn opened_lease(&self, at: &At<'_>) -> Result<LeaseSlot, Error> {
        let lease = self.lease(at);
        let first_one = at.job.assurance.replicas != 1 && at.first == 0;
        if !first_one || lease.phase != Phase::None {
            return Ok(lease);
        }
        let record = self.known(&at.job_id)?;
        let count = at.job.terms.max_lease;
        Ok(LeaseSlot::opened(&record, count, record.posted_at))
    }

    /// Refuses unless the lease is in `phase`.
    pub(crate) fn require_phase(&self, phase: Phase, at: &At<'_>, lease: &LeaseSlot) -> Result<(), Error> {
        if lease.phase != phase {
            self.known(&at.job_id)?; // the clearer error, if it is that
            return Err(Error::WrongPhase(at.job_id, at.first, lease.phase));
        }
        Ok(())
    }

    /// Settles an ordinary lease: pays its provider, returns its bond, and the rest of the escrow to the client.
    /// `jury_pay` is what jurors were paid out of that escrow, `burned` what of it goes to nobody.
    pub(crate) fn settle_lease(
        &mut self,
        at: &At<'_>,
        lease: LeaseSlot,
        grade: Grade,
        jury_pay: u128,
        burned: u128,
    ) -> Result<(), Error> {
        let At { job, job_id, first } = *at;
        let gross = gross_of(job, lease.origin, lease.count)?;
        let fee = fee_of(gross, lease.fee_bps)?;
        let paid = minus(gross, fee)?;
        let unpaid = minus(minus(escrow_of(job, lease.count)?, gross)?, jury_pay)?;
        let refunded = minus(unpaid, burned)?;
        let bond = bond_of(&job.price, lease.count)?;
        self.keep(at, lease.settled(grade));
        self.reward(lease.provider, paid, bond)?;
        self.credit_fee(fee)?;
        self.burn(burned)?;
        self.credit(&job.terms.client, refunded)?;
        self.host.emit(&Event::Settled { job_id, first, grade, paid, fee, burned, refunded });
        Ok(())
    }

    /// Settles a lease on which no jury agreed. What was reserved for jurors burns a tenth of a bond for each of the `votes`
    /// that a jury without verdict opened; of two juries the one with more votes counts. Each vote lost as much at least:
    /// otherwise a client could burn jurors' bonds for nothing, with a spec on which honest machines differ.
    pub(crate) fn settle_contested(&mut self, at: &At<'_>, lease: LeaseSlot, votes: u8) -> Result<(), Error> {
        let burned = times(tenth_of(juror_bond_of(&at.job.price)?)?, votes)?;
        self.settle_lease(at, lease, Grade::Contested, 0, burned)
    }

    /// Ends a lease without a result: `burned` of its escrow is burned, jurors were paid `jury_pay` of it, and the rest
    /// returns to the client. `slashed` is what its holder lost of its bond.
    pub(crate) fn void(
        &mut self,
        at: &At<'_>,
        lease: LeaseSlot,
        burned: u128,
        jury_pay: u128,
        slashed: u128,
    ) -> Result<(), Error> {
        let At { job, job_id, first } = *at;
        let refunded = minus(minus(escrow_of(job, lease.count)?, burned)?, jury_pay)?;
        self.keep(at, lease.in_phase(Phase::Void));
        self.burn(burned)?;
        self.credit(&job.terms.client, refunded)?;
        self.host.emit(&Event::Voided { job_id, first, burned, refunded, slashed });
        Ok(())
    }

    // -------------------------------------------------------------- the beacon

    /// A new point. Refuses if the beacon fails: a caller that could starve it of gas would store no point.
    pub(crate) fn new_point(&self) -> Result<u64, Error> {
        match strictly(self.host.beacon_point(None))? {
            0 => Err(Error::SeedUnknown(0)),
            point => Ok(point),
        }
    }

    /// The nominal time of a point.
    pub(crate) fn time_of(&self, point: u64) -> Result<u64, Error> {
        strictly(self.host.beacon_time_of(point, None))
    }

    /// The seed of a point, which must be known.
    pub(crate) fn seed_of(&self, point: u64) -> Result<Bytes32, Error> {
        let seed = match point {
            0 => ZERO,
            _ => strictly(self.host.beacon_seed(point, None))?,
        };
        if seed == ZERO {
            return Err(Error::SeedUnknown(point));
        }
        Ok(seed)
    }

    /// The seed of a point, if it is known and the beacon answers.
    pub(crate) fn seed_if_known(&self, point: u64) -> Result<Option<Bytes32>, Error> {
        if point == 0 {
            return Ok(None);
        }
        let seed = tolerantly(self.host.beacon_seed(point, Some(BEACON_GAS)))?;
        Ok(seed.filter(|seed| *seed != ZERO))
    }

    /// A new point; 0 if the beacon fails.
    pub(crate) fn new_point_if_any(&self) -> Result<u64, Error> {
        let point = tolerantly(self.host.beacon_point(Some(BEACON_GAS)))?;
        Ok(point.unwrap_or(0))
    }

    /// The nominal time of a point; 0 if the beacon fails or names no time.
    pub(crate) fn time_if_known(&self, point: u64) -> Result<u64, Error> {
        let time = tolerantly(self.host.beacon_time_of(point, Some(BEACON_GAS)))?;
        Ok(time.filter(|time| *time <= MAX_TIME).unwrap_or(0))
    }

    // -------------------------------------------------------------- time

    /// Refuses before `not_before`.
    pub(crate) fn require_from(&self, not_before: u64) -> Result<(), Error> {
        let now = self.host.now();
        if now < not_before { Err(Error::TooEarly(not_before, now)) } else { Ok(()) }
    }

    /// Refuses unless `deadline` has passed.
    pub(crate) fn require_over(&self, deadline: u64) -> Result<(), Error> {
        let now = self.host.now();
        if now <= deadline { Err(Error::TooEarly(plus(deadline, 1)?, now)) } else { Ok(()) }
    }

    /// Refuses when `deadline` has passed.
    pub(crate) fn require_in_time(&self, deadline: u64) -> Result<(), Error> {
        let now = self.host.now();
        if now > deadline { Err(Error::TooLate(deadline, now)) } else { Ok(()) }
    }
}

/// The answer of a beacon without which a call cannot go on.
pub(crate) fn strictly<T>(answer: Result<T, BeaconError>) -> Result<T, Error> {
    answer.map_err(|_| Error::CalleeReverted)
}

/// The answer of a beacon without which a call goes on, if it has one.
fn tolerantly<T>(answer: Result<T, BeaconError>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(BeaconError::Failed) => Ok(None),
        Err(BeaconError::NotAsked) => Err(not_enough_gas(BEACON_GAS)),
    }
}

/// Too little gas is left for a call that gets `allowance`.
pub(crate) fn not_enough_gas(allowance: u64) -> Error {
    Error::NotEnoughGas(U256::from(gas_before(allowance)))
}
