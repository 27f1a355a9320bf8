//! Redundant leases (N/Q): drawn seats, commit, open, quorum.
//!
//! Free -Q-th seat-> Running -N-th commitment-> Revealing -settle-> Settled, or Void if all opened and no quorum agrees.
//! Any other round without a quorum leaves the lease Free.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash::LEASE;
use crate::host::Host;
use crate::records::{At, strictly};
use crate::rules::{bond_of, escrow_of, fee_of, gross_of, lateness_of, minus, plus, tenth_of};
use crate::seats::{Ballot, Sitting};
use crate::slots::{JobSlot, LeaseSlot, SeatSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Grade, Job, NOBODY, Opening, Phase, Reason, Seat, SeatEnd, ZERO};
use crate::votes::{Voter, agree, majority};

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- seats are taken

    /// `join`: reserves a drawn seat and locks its bond. The Q-th seat begins the round.
    ///
    /// # Errors
    /// `NotOperator`, `WrongMode`, `JobUnknown`, `NoSuchLease`, then of a free lease `JobIsCancelled`, `TooEarly`,
    /// `TooLate`, `TooManyRounds`, of another `WrongPhase`, `TooLate`; `WrongRound`, `WrongSeat`, `SeatsTaken`,
    /// `NotAdmitted`, `BarredFromRound`, `SeedUnknown`, the beacon's, `NotDrawn`, `InsufficientStake`.
    pub fn join(&mut self, job: &Job, first: u32, round: u16, provider: &Address) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let at = self.redundant(job, first)?;
        let lease = self.round_now(&at, round)?;
        let key = at.round(round, LEASE).key(&self.host);
        let seat = self.store.seat(&key, number);
        let lease = self.take_seat(&at, lease, seat, (provider, number))?;
        let lease = self.begin_if_full(&at, lease)?;
        self.keep(&at, lease);
        self.store.set_seat(&key, number, SeatSlot::bare(Seat::Joined));
        let (job_id, provider) = (at.job_id, *provider);
        self.host.emit(&Event::Joined { job_id, first, provider, round });
        Ok(())
    }

    /// `commit`: commits to a result, on a reserved seat or on one that it takes as `join` does. The N-th commitment lets
    /// openings begin.
    ///
    /// # Errors
    /// As `join`; `WrongSeat` also if it committed before.
    pub fn commit(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        provider: &Address,
        commitment: &Bytes32,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let at = self.redundant(job, first)?;
        let mut lease = self.round_now(&at, round)?;
        let key = at.round(round, LEASE).key(&self.host);
        let seat = self.store.seat(&key, number);
        if seat.state != Seat::Joined {
            lease = self.take_seat(&at, lease, seat, (provider, number))?;
            lease = self.begin_if_full(&at, lease)?;
        }
        lease.commits = plus(lease.commits, 1)?;
        if lease.commits == job.assurance.replicas {
            lease = lease.to(Phase::Revealing, self.host.now());
        }
        self.keep(&at, lease);
        let committed = SeatSlot::marked(Seat::Committed, commitment);
        self.store.set_seat(&key, number, committed);
        let (job_id, provider, commitment) = (at.job_id, *provider, *commitment);
        self.host.emit(&Event::Committed { job_id, first, provider, round, commitment });
        Ok(())
    }

    /// The lease, whose round takes seats and commitments now. It must be `round`: a commitment that is mined late would
    /// otherwise stand in a round in which it cannot be opened.
    fn round_now(&self, at: &At<'_>, round: u16) -> Result<LeaseSlot, Error> {
        let lease = self.opened_lease(at)?;
        match lease.phase {
            Phase::None => {
                self.known(&at.job_id)?; // the clearer error, if it is that
                return Err(Error::NoSuchLease(at.job_id, at.first));
            }
            Phase::Free => {
                self.open(at)?;
                if lease.round == u16::MAX {
                    return Err(Error::TooManyRounds(at.job_id, at.first));
                }
            }
            _ => {
                self.require_phase(Phase::Running, at, &lease)?;
                self.require_in_time(commit_by(at, &lease)?)?;
            }
        }
        self.require_round(at, &lease, round)?;
        Ok(lease)
    }

    /// Refuses unless the provider can take a seat now; locks its bond.
    fn take_seat(
        &mut self,
        at: &At<'_>,
        lease: LeaseSlot,
        seat: SeatSlot,
        (provider, number): (&Address, u32),
    ) -> Result<LeaseSlot, Error> {
        let (job_id, first) = (at.job_id, at.first);
        if seat.state != Seat::None {
            return Err(Error::WrongSeat(job_id, first, *provider, seat.state));
        }
        if lease.seats == at.job.assurance.replicas {
            return Err(Error::SeatsTaken(job_id, first));
        }
        self.require_admitted(at.job, number, provider)?;
        // Nothing stands in a round 0.
        let last = at.round(lease.round.saturating_sub(1), LEASE);
        if self.store.seat(&last.key(&self.host), number).state == Seat::Left {
            return Err(Error::BarredFromRound(job_id, first, *provider));
        }
        if at.is_drawn() {
            let from = self.drawn_for_lease(at, &lease, provider)?;
            self.require_drawn(from, at, provider)?;
        }
        self.lock_for_lease(number, provider, bond_of(&at.job.price, lease.count)?)?;
        Ok(LeaseSlot { seats: plus(lease.seats, 1)?, ..lease })
    }

    /// The lease; its round begins with its Q-th seat. The next lease opens when this one first begins.
    fn begin_if_full(&mut self, at: &At<'_>, lease: LeaseSlot) -> Result<LeaseSlot, Error> {
        if lease.phase != Phase::Free || lease.seats != at.job.assurance.quorum {
            return Ok(lease);
        }
        let now = self.host.now();
        let record = self.store.job(&at.job_id);
        let left = minus(at.job.terms.tasks, record.next)?;
        if lease.round == 1 && left != 0 {
            let count = left.min(at.job.terms.max_lease);
            let opened = LeaseSlot::opened(&record, count, now);
            self.store.set_lease(&at.job_id, record.next, opened);
            let next = plus(record.next, count)?;
            self.store.set_job(&at.job_id, JobSlot { next, ..record });
        }
        Ok(lease.to(Phase::Running, now))
    }

    // -------------------------------------------------------------- a seat is left

    /// `leave`, of a redundant lease. Until its round begins, and once its lease is refunded, that costs nothing.
    pub(crate) fn leave_seat(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        provider: &Address,
    ) -> Result<(), Error> {
        let at = self.redundant(job, first)?;
        let mut lease = self.lease(&at);
        // Then anyone may return the bond to its owner.
        let number = match lease.phase {
            Phase::Refunded => self.store.number(provider),
            _ => self.authorize(provider)?,
        };
        let begun = !matches!(lease.phase, Phase::Free | Phase::Refunded);
        if begun {
            self.require_phase(Phase::Running, &at, &lease)?;
        }
        self.require_round(&at, &lease, round)?;
        let bond = bond_of(&job.price, lease.count)?;
        let mut burned = 0;
        if begun {
            self.require_in_time(commit_by(&at, &lease)?)?;
            let elapsed = minus(self.host.now(), lease.since)?;
            burned = lateness_of(bond, round, elapsed, job.timing.run_window)?;
        }
        let key = at.round(round, LEASE).key(&self.host);
        let state = self.store.seat(&key, number).state;
        let committed = state == Seat::Committed;
        if state != Seat::Joined && (begun || !committed) {
            return Err(Error::WrongSeat(at.job_id, first, *provider, state));
        }
        let left = if begun { Seat::Left } else { Seat::None };
        lease.seats = minus(lease.seats, 1)?;
        lease.commits = minus(lease.commits, committed.into())?;
        self.keep(&at, lease);
        self.store.set_seat(&key, number, SeatSlot::bare(left));
        if burned == 0 {
            self.unlock(number, bond)?;
        } else {
            self.slash(number, bond, burned, false)?;
        }
        let (job_id, provider) = (at.job_id, *provider);
        self.host.emit(&Event::SeatLeft { job_id, first, provider, round, burned });
        Ok(())
    }

    // -------------------------------------------------------------- a round ends

    /// `settle`: opens commitments, once all seats committed, or the time for it is over and a quorum did. Ends the round
    /// when all commitments are open or the time for that is over, and when too few committed in time. Anyone may call.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `WrongPhase`, `WrongRound`, then as `read`; `NotEnoughGas`.
    pub fn settle(&mut self, job: &Job, first: u32, round: u16, openings: &[Opening]) -> Result<(), Error> {
        let at = self.redundant(job, first)?;
        let lease = self.lease(&at);
        let full = lease.phase == Phase::Revealing;
        if !full {
            self.require_phase(Phase::Running, &at, &lease)?;
        }
        self.require_round(&at, &lease, round)?;
        let commit_by = commit_by(&at, &lease)?;
        let openable = if full { lease.since } else { commit_by };
        let sitting = Sitting {
            round: at.round(round, LEASE),
            seats: lease.seats,
            commits: lease.commits,
            opened: lease.opened,
            full,
            quorum: job.assurance.quorum,
            commit_by,
            reveal_by: plus(openable, self.store.config().times.reveal_window)?,
        };
        let ballot = self.read(&sitting, openings)?;
        if !ballot.ends {
            self.tell(&sitting.round, &ballot);
            self.record(&sitting.round, &ballot);
            let opened = ballot.opened;
            self.keep(&at, LeaseSlot { opened, ..lease });
            return Ok(());
        }
        match majority(LEASE, sitting.quorum, ballot.voters()) {
            Some(winner) => self.pay_quorum(&at, &sitting, &ballot, lease, winner),
            None => self.end_without_quorum(&at, &sitting, &ballot, lease),
        }
    }

    /// Ends a round without a quorum: the lease is void if all opened, otherwise free for its next round.
    fn end_without_quorum(
        &mut self,
        at: &At<'_>,
        sitting: &Sitting,
        ballot: &Ballot,
        lease: LeaseSlot,
    ) -> Result<(), Error> {
        let At { job, job_id, first } = *at;
        let void = ballot.opened == job.assurance.replicas;
        // A round that lapses needs a new point for the next one.
        let point = if void || !at.is_drawn() { 0 } else { self.new_point_if_any()? };
        let bond = bond_of(&job.price, lease.count)?;
        let gross = gross_of(job, lease.origin, lease.count)?;
        let share = tenth_of(bond.min(gross))?;
        let outage = ballot.opened == 0;

        self.tell(&sitting.round, ballot);
        for voter in ballot.voters() {
            let (end, burned) = match voter.state {
                Seat::Joined => (SeatEnd::Late, tenth_of(bond)?),
                _ if sitting.lapsed() || outage => (SeatEnd::Released, 0),
                Seat::Opened => (SeatEnd::Undecided, share),
                _ => (SeatEnd::Silent, bond),
            };
            self.close_seat(&sitting.round, voter.number, end, bond, (0, burned))?;
        }
        if void {
            // A tenth of the price is burned, the rest returns to the client.
            let burned = tenth_of(times(gross, job.assurance.replicas)?)?;
            return self.void(at, lease, burned, 0, 0);
        }
        let reason = match (sitting.lapsed(), outage) {
            (true, _) => Reason::TooFewCommits,
            (_, true) => Reason::Outage,
            _ => Reason::NoQuorum,
        };
        let freed = lease.freed(self.host.now());
        self.keep(at, LeaseSlot { point, ..freed });
        let (provider, round, burned) = (NOBODY, freed.round, 0);
        self.host.emit(&Event::Freed { job_id, first, provider, round, reason, burned });
        if point != 0 {
            self.tell_point(at, point);
        }
        Ok(())
    }

    /// Settles a lease by its quorum's root. Each seat of the quorum is paid; every other commitment loses its bond, and
    /// its share of the price is burned; shares of seats that never committed return to the client.
    fn pay_quorum(
        &mut self,
        at: &At<'_>,
        sitting: &Sitting,
        ballot: &Ballot,
        lease: LeaseSlot,
        (winner, winners): (&Voter, u8),
    ) -> Result<(), Error> {
        let At { job, job_id, first } = *at;
        let bond = bond_of(&job.price, lease.count)?;
        let gross = gross_of(job, lease.origin, lease.count)?;
        let fee = fee_of(gross, lease.fee_bps)?;
        let paid = minus(gross, fee)?;

        self.tell(&sitting.round, ballot);
        self.store.set_root(&job_id, first, winner.value);
        for voter in ballot.voters() {
            let (end, change) = match voter.state {
                _ if agree(LEASE, winner, voter) => (SeatEnd::Paid, (paid, 0)),
                Seat::Joined => (SeatEnd::Late, (0, tenth_of(bond)?)),
                Seat::Opened => (SeatEnd::Outvoted, (0, bond)),
                _ => (SeatEnd::Silent, (0, bond)),
            };
            self.close_seat(&sitting.round, voter.number, end, bond, change)?;
        }
        let grade = if at.is_drawn() { Grade::Quorum } else { Grade::Listed };
        self.keep(at, lease.settled(grade));
        let (paid, fee) = (times(paid, winners)?, times(fee, winners)?);
        let burned = times(gross, minus(sitting.commits, winners)?)?;
        let refunded = minus(escrow_of(job, lease.count)?, times(gross, sitting.commits)?)?;
        self.burn(burned)?;
        self.credit_fee(fee)?;
        self.credit(&job.terms.client, refunded)?;
        self.host.emit(&Event::Settled { job_id, first, grade, paid, fee, burned, refunded });
        Ok(())
    }

    /// `renew`: takes a new point for a free redundant lease whose point is dead or missing. Anyone may call.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `WrongPhase`, `PointAlive` (also for a job with a list, which needs no point), the
    /// beacon's.
    pub fn renew(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let at = self.redundant(job, first)?;
        let lease = self.opened_lease(&at)?;
        self.require_phase(Phase::Free, &at, &lease)?;
        let dead = lease.point == 0 || strictly(self.host.beacon_is_dead(lease.point, None))?;
        if !dead || job.terms.providers != ZERO {
            return Err(Error::PointAlive(lease.point));
        }
        let point = self.new_point()?;
        self.keep(&at, LeaseSlot { point, ..lease });
        self.tell_point(&at, point);
        Ok(())
    }

    /// Says that the lease's next draw has another point.
    pub(crate) fn tell_point(&mut self, at: &At<'_>, point: u64) {
        self.host.emit(&Event::PointSet { job_id: at.job_id, first: at.first, point });
    }
}

/// Last second of a running round for seats and commitments.
fn commit_by(at: &At<'_>, lease: &LeaseSlot) -> Result<u64, Error> {
    plus(lease.since, at.job.timing.run_window)
}

/// An amount so many times.
pub(crate) fn times(amount: u128, seats: u8) -> Result<u128, Error> {
    amount.checked_mul(seats.into()).ok_or(Error::OVERFLOW)
}
