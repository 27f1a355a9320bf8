//! Redundant leases (N/Q): drawn seats, commit, reveal, quorum.
//!
//! Free -join, commit-> Running -last commit-> Revealing -settle-> Settled, or Refunded without a quorum. A round in
//! which too few committed leaves the lease Free.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash::{self, Ballot};
use crate::host::Host;
use crate::rules::{
    LIVENESS_SLASH, commit_by, escrow_of, minus, plus, price_at, seat_bond_of, slash_of, split,
};
use crate::seats::{Draw, Votes};
use crate::slots::{LeaseSlot, SeatSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, How, Job, NOBODY, Phase, Reason, Seat, SeatEnd, ZERO};

/// A round that ends.
struct Ending<'a> {
    job_id: Bytes32,
    first: u32,
    lease: LeaseSlot,
    seats_key: Bytes32,
    panel: &'a [u32],
    votes: Votes,
}

/// What became of a round's seats.
#[derive(Default)]
struct Closed {
    /// How many of the majority were paid.
    winners: u32,
    /// Number of one of them.
    keeper: u32,
    /// What of the bonds is no longer anyone's.
    burned: u128,
}

impl<S: Store, H: Host> Market<S, H> {
    /// `seal`: fixes the seed and the total stake of a redundant job's draws, from the third block after `post` on.
    /// Anyone may call.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `SealedAlready`, `TooEarlyToSeal`.
    pub fn seal(&mut self, job: &Job) -> Result<(), Error> {
        let job_id = self.redundant(job)?;
        let posted_block = self.known(&job_id)?.posted_block;
        let sealing = self.check_seal(&job_id, &job_id, 0, posted_block)?;
        self.store.set_seal(&job_id, sealing);
        let (seed, total_stake) = (sealing.seed_word(), sealing.total_stake);
        self.host.emit(&Event::Sealed {
            job_id,
            seed,
            total_stake,
        });
        Ok(())
    }

    /// When `provider` is drawn for a seat of the lease: in the round that runs, or in the one that could begin. It is
    /// what `join` goes by, and depends neither on the time nor on what else `join` asks for.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `NoSuchLease`, `NotSealed`, `WrongPhase`, `TooManyRounds`.
    pub fn draw_for_seat(&self, job: &Job, first: u32, provider: &Address) -> Result<Draw, Error> {
        let job_id = self.redundant(job)?;
        let mut lease = self.fixed_lease(job, &job_id, first)?;
        let sealing = self.store.seal(&job_id);
        if sealing.sealed_at == 0 {
            return Err(Error::NotSealed(job_id, first));
        }
        if lease.phase == Phase::Free {
            let next = lease.round.checked_add(1);
            let next = next.ok_or(Error::TooManyRounds(job_id, first))?;
            lease = lease.drawing(next, Self::draw_start(job, &sealing, &lease), 0);
        } else {
            self.require_phase(Phase::Running, &job_id, first, &lease)?;
        }
        let seats_key = hash::seats_key(&self.host, &job_id, first, lease.round, 0);
        let number = self.store.number(provider);
        self.drawn_for_lease(job, &job_id, &lease, &seats_key, (provider, number))
    }

    // -------------------------------------------------------------- seats are taken

    /// `join`: reserves a drawn seat and locks its bond b; begins a round if none runs.
    ///
    /// # Errors
    /// `NotOperator`, `WrongMode`, then `NoSuchLease`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`,
    /// `TooManyRounds`, `NotSealed`, `WrongPhase`; `WrongRound`; `WrongSeat`, `SeatsTaken`, `NotAdmitted`, `NotDrawn`,
    /// `InsufficientStake`.
    pub fn join(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        provider: &Address,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let job_id = self.redundant(job)?;
        let lease = self.round_now(job, &job_id, first, round)?;
        let seats_key = hash::seats_key(&self.host, &job_id, first, round, 0);
        let bond = self.take_seat(job, &job_id, first, &lease, &seats_key, (provider, number))?;
        self.store.set_lease(
            &job_id,
            first,
            LeaseSlot {
                seats: plus(lease.seats, 1)?,
                ..lease
            },
        );
        self.store.set_seat(&seats_key, number, SeatSlot::JOINED);
        self.host.emit(&Event::Joined {
            job_id,
            first,
            provider: *provider,
            round,
            bond,
        });
        Ok(())
    }

    /// `commit`: commits to a result, on a reserved seat or on one that it takes as `join` does. The last seat's
    /// commitment opens the reveal.
    ///
    /// # Errors
    /// As `join`; `WrongSeat` also for who committed before.
    pub fn commit(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        provider: &Address,
        commitment: &Bytes32,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let job_id = self.redundant(job)?;
        let mut lease = self.round_now(job, &job_id, first, round)?;
        let seats_key = hash::seats_key(&self.host, &job_id, first, round, 0);
        let mut bond = 0;
        if self.store.seat(&seats_key, number).state != Seat::Joined {
            bond = self.take_seat(job, &job_id, first, &lease, &seats_key, (provider, number))?;
            lease.seats = plus(lease.seats, 1)?;
        }
        lease.commits = plus(lease.commits, 1)?;
        if lease.commits == job.terms.replicas {
            (lease.phase, lease.submitted_at) = (Phase::Revealing, self.host.now());
        }
        self.store.set_lease(&job_id, first, lease);
        self.store
            .set_seat(&seats_key, number, SeatSlot::committed(commitment));
        let (provider, commitment) = (*provider, *commitment);
        self.host.emit(&Event::Committed {
            job_id,
            first,
            provider,
            round,
            commitment,
            bond,
        });
        Ok(())
    }

    /// The lease in the round that takes seats and commitments now: the one that runs, or one that begins now and is
    /// not stored yet. It must be `round`.
    fn round_now(
        &self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
        round: u16,
    ) -> Result<LeaseSlot, Error> {
        let mut lease = self.fixed_lease(job, job_id, first)?;
        if lease.phase == Phase::Free {
            self.open(job, job_id)?;
            let next = lease
                .round
                .checked_add(1)
                .ok_or(Error::TooManyRounds(*job_id, first))?;
            let sealing = self.store.seal(job_id);
            if sealing.sealed_at == 0 {
                return Err(Error::NotSealed(*job_id, first));
            }
            // The job is open, the seal and the lease's freeing are not in the future.
            let now = self.host.now();
            lease = lease.drawing(
                next,
                now,
                minus(now, Self::draw_start(job, &sealing, &lease))?,
            );
        } else {
            self.require_phase(Phase::Running, job_id, first, &lease)?;
            self.require_in_time(self.commit_by(job, &lease)?)?;
        }
        if lease.round != round {
            return Err(Error::WrongRound(*job_id, first, lease.round, 0));
        }
        Ok(lease)
    }

    /// Refuses unless the provider can take a seat now; locks its bond.
    fn take_seat(
        &mut self,
        job: &Job,
        job_id: &Bytes32,
        first: u32,
        lease: &LeaseSlot,
        seats_key: &Bytes32,
        (provider, number): (&Address, u32),
    ) -> Result<u128, Error> {
        let seat = self.store.seat(seats_key, number).state;
        if seat != Seat::None {
            return Err(Error::WrongSeat(*job_id, first, *provider, seat));
        }
        if lease.seats == job.terms.replicas {
            return Err(Error::SeatsTaken(*job_id, first));
        }
        self.require_admitted(job, number, provider)?;
        let drawn = self.drawn_for_lease(job, job_id, lease, seats_key, (provider, number))?;
        self.require_drawn(drawn.from, job_id, first, provider)?;
        let bond = seat_bond_of(&job.price, lease.count)?;
        self.lock(number, provider, bond)?;
        Ok(bond)
    }

    // -------------------------------------------------------------- commitments are revealed

    /// `reveal`: reveals a commitment, once all seats committed, or the time for it is over and a quorum did. With a
    /// panel it also settles the lease, if that is due and this root, or none, has the quorum.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `WrongPhase`, `TooEarly`, `TooLate`, `NotOperator`, `ZeroRoot`, `WrongSeat`,
    /// `WrongReveal`, `WrongPanel`.
    #[allow(clippy::too_many_arguments)] // the ABI's
    pub fn reveal(
        &mut self,
        job: &Job,
        first: u32,
        provider: &Address,
        root: &Bytes32,
        manifest: &Bytes32,
        salt: &Bytes32,
        panel: &[u32],
    ) -> Result<(), Error> {
        let job_id = self.redundant(job)?;
        let mut lease = self.begun(&job_id, first)?;
        if lease.phase == Phase::Running {
            let commit_by = self.commit_by(job, &lease)?;
            self.require_over(commit_by)?;
            if lease.commits < job.terms.quorum {
                return Err(Error::TooLate(commit_by, self.host.now()));
            }
        }
        self.require_in_time(self.reveal_by(job, &lease)?)?;
        let seats_key = hash::seats_key(&self.host, &job_id, first, lease.round, 0);
        let number = self.check_reveal(&job_id, first, &lease, &seats_key, provider, root, salt)?;
        let seat = SeatSlot::revealed(&hash::revealed(&self.host, root));
        lease.reveals = plus(lease.reveals, 1)?;
        let due = !panel.is_empty() && lease.reveals == lease.commits;
        let votes = if due {
            let quorum = job.terms.quorum;
            Some(self.count(&seats_key, panel, lease.seats, quorum, Some((number, seat)))?)
        } else {
            None
        };

        self.store.set_seat(&seats_key, number, seat);
        let (provider, manifest) = (*provider, *manifest);
        self.host.emit(&Event::Revealed {
            job_id,
            first,
            provider,
            root: *root,
            manifest,
        });
        match votes {
            Some(votes) if votes.winner.is_none_or(|winner| winner == seat) => {
                let verdict = if votes.winner.is_none() { ZERO } else { *root };
                self.end(
                    job,
                    Ending {
                        job_id,
                        first,
                        lease,
                        seats_key,
                        panel,
                        votes,
                    },
                    &verdict,
                )
            }
            _ => {
                self.store.set_lease(&job_id, first, lease);
                Ok(())
            }
        }
    }

    /// Refuses unless this opens the commitment of the provider's seat. Returns its number.
    #[allow(clippy::too_many_arguments)] // what a ballot is made of
    fn check_reveal(
        &self,
        job_id: &Bytes32,
        first: u32,
        lease: &LeaseSlot,
        seats_key: &Bytes32,
        provider: &Address,
        root: &Bytes32,
        salt: &Bytes32,
    ) -> Result<u32, Error> {
        let number = self.authorize(provider)?;
        if *root == ZERO {
            return Err(Error::ZeroRoot());
        }
        let seat = self.store.seat(seats_key, number);
        if seat.state != Seat::Committed {
            return Err(Error::WrongSeat(*job_id, first, *provider, seat.state));
        }
        let ballot = Ballot {
            job_id: *job_id,
            first,
            round: lease.round,
            challenge: 0,
            provider: *provider,
            vote: *root,
            salt: *salt,
        };
        if seat != SeatSlot::committed(&hash::commitment(&self.host, &ballot)) {
            return Err(Error::WrongReveal(*job_id, first, *provider));
        }
        Ok(number)
    }

    // -------------------------------------------------------------- a round ends

    /// `settle`: ends a round. With all commitments revealed, or the window for that over, it is settled by the quorum's
    /// root or, without one, refunded; with too few commitments in time, the lease is free again. Anyone may call.
    ///
    /// # Errors
    /// `WrongMode`, `JobUnknown`, `WrongPhase`, `TooEarly`, `RevealsMissing`, `WrongPanel`, `WrongVerdict`.
    pub fn settle(
        &mut self,
        job: &Job,
        first: u32,
        root: &Bytes32,
        panel: &[u32],
    ) -> Result<(), Error> {
        let job_id = self.redundant(job)?;
        let lease = self.begun(&job_id, first)?;
        if lease.commits < job.terms.quorum {
            self.require_over(self.commit_by(job, &lease)?)?;
        } else {
            let (reveal_by, now) = (self.reveal_by(job, &lease)?, self.host.now());
            if lease.reveals != lease.commits && now <= reveal_by {
                return Err(Error::RevealsMissing(reveal_by, now));
            }
        }
        let seats_key = hash::seats_key(&self.host, &job_id, first, lease.round, 0);
        let votes = self.count(&seats_key, panel, lease.seats, job.terms.quorum, None)?;
        let right = match votes.winner {
            None => *root == ZERO,
            Some(winner) => winner == SeatSlot::revealed(&hash::revealed(&self.host, root)),
        };
        if !right {
            return Err(Error::WrongVerdict(*root));
        }
        self.end(
            job,
            Ending {
                job_id,
                first,
                lease,
                seats_key,
                panel,
                votes,
            },
            root,
        )
    }

    /// Ends a round: with a quorum the lease is settled by its root; without one (zero) it is refunded, or free again
    /// if too few committed.
    fn end(&mut self, job: &Job, ending: Ending<'_>, root: &Bytes32) -> Result<(), Error> {
        if *root != ZERO {
            return self.pay_quorum(job, ending, root);
        }
        let closed = self.close_seats(job, &ending, 0)?;
        let Ending {
            job_id,
            first,
            lease,
            ..
        } = ending;
        if lease.commits < job.terms.quorum {
            self.store
                .set_lease(&job_id, first, lease.freed(self.host.now()));
            let reason = Reason::TooFewCommits;
            self.host.emit(&Event::Freed {
                job_id,
                first,
                provider: NOBODY,
                reason,
                burned: closed.burned,
            });
            return Ok(());
        }
        self.store
            .set_lease(&job_id, first, lease.to(Phase::Refunded));
        let refunded = escrow_of(job, lease.count)?;
        self.credit(&job.terms.client, refunded)?;
        self.host.emit(&Event::Refunded {
            job_id,
            first,
            count: lease.count,
            refunded,
        });
        Ok(())
    }

    /// Settles a lease by its quorum's root: pays that, and the rest of the escrow to the client.
    fn pay_quorum(&mut self, job: &Job, ending: Ending<'_>, root: &Bytes32) -> Result<(), Error> {
        let lease = ending.lease;
        let price = price_at(&job.price, &job.timing, lease.started_at)?;
        let one = split(job.price.max_price, price, lease.count, lease.fee_bps)?;
        let closed = self.close_seats(job, &ending, one.paid)?;
        let Ending { job_id, first, .. } = ending;
        let settled = LeaseSlot {
            provider: closed.keeper,
            ..lease.settled(How::Quorum)
        };
        self.store.set_lease(&job_id, first, settled);
        self.store.set_root(&job_id, first, *root);
        let all = |amount: u128| {
            amount
                .checked_mul(closed.winners.into())
                .ok_or(Error::OVERFLOW)
        };
        let (paid, fee) = (all(one.paid)?, all(one.fee)?);
        let refunded = minus(minus(escrow_of(job, lease.count)?, paid)?, fee)?;
        self.credit_fee(fee)?;
        self.credit(&job.terms.client, refunded)?;
        self.host.emit(&Event::Settled {
            job_id,
            first,
            how: How::Quorum,
            paid,
            fee,
            refunded,
        });
        Ok(())
    }

    /// Ends all seats: pays those of the majority `paid` each, and unlocks or burns their bonds.
    fn close_seats(&mut self, job: &Job, ending: &Ending<'_>, paid: u128) -> Result<Closed, Error> {
        let bond = seat_bond_of(&job.price, ending.lease.count)?;
        let late = slash_of(bond, LIVENESS_SLASH)?;
        let lapsed = ending.lease.commits < job.terms.quorum;
        let mut closed = Closed::default();
        for (number, seat) in ending.votes.of(ending.panel) {
            self.store
                .set_seat(&ending.seats_key, number, SeatSlot::default());
            let end = end_of(&seat, ending.votes.winner.as_ref(), lapsed);
            let (paid, burned) = match end {
                SeatEnd::Paid => (paid, 0),
                SeatEnd::Released => (0, 0),
                SeatEnd::Outvoted | SeatEnd::Silent => (0, bond),
                SeatEnd::None | SeatEnd::Late | SeatEnd::Undecided => (0, late),
            };
            match end {
                SeatEnd::Paid => {
                    closed.winners = plus(closed.winners, 1)?;
                    closed.keeper = number;
                    self.reward(number, paid, bond)?;
                }
                SeatEnd::Released => self.unlock(number, bond)?,
                _ => {
                    let lost = matches!(end, SeatEnd::Outvoted | SeatEnd::Silent);
                    self.slash(number, bond, burned, lost)?;
                    closed.burned = plus(closed.burned, burned)?;
                }
            }
            let (job_id, first) = (ending.job_id, ending.first);
            self.host.emit(&Event::SeatClosed {
                job_id,
                first,
                number,
                challenge: 0,
                end,
                paid,
                burned,
            });
        }
        self.burn(closed.burned)?;
        Ok(closed)
    }

    // -------------------------------------------------------------- what all acts share

    /// The id of a job that is redundant.
    fn redundant(&self, job: &Job) -> Result<Bytes32, Error> {
        let job_id = self.id_of(job);
        if job.terms.replicas == 1 {
            Err(Error::WrongMode(job_id, 1))
        } else {
            Ok(job_id)
        }
    }

    /// A lease with a round that has not ended.
    fn begun(&self, job_id: &Bytes32, first: u32) -> Result<LeaseSlot, Error> {
        let lease = self.store.lease(job_id, first);
        if lease.phase != Phase::Running {
            self.require_phase(Phase::Revealing, job_id, first, &lease)?;
        }
        Ok(lease)
    }

    /// Last second of a running round for seats and commitments.
    fn commit_by(&self, job: &Job, lease: &LeaseSlot) -> Result<u64, Error> {
        let times = self.store.config().times;
        commit_by(&times, &job.timing, lease.started_at)
    }

    /// Last second for reveals.
    fn reveal_by(&self, job: &Job, lease: &LeaseSlot) -> Result<u64, Error> {
        let revealing = lease.phase == Phase::Revealing;
        let from = if revealing {
            lease.submitted_at
        } else {
            self.commit_by(job, lease)?
        };
        plus(from, self.store.config().times.reveal_window)
    }
}

/// How a seat of a lease's round ends.
fn end_of(seat: &SeatSlot, winner: Option<&SeatSlot>, lapsed: bool) -> SeatEnd {
    match (seat.state, winner) {
        (Seat::None | Seat::Joined, _) => SeatEnd::Late,
        (Seat::Committed, _) if lapsed => SeatEnd::Released,
        (Seat::Committed, _) => SeatEnd::Silent,
        (Seat::Revealed, None) => SeatEnd::Undecided,
        (Seat::Revealed, Some(winner)) if seat == winner => SeatEnd::Paid,
        (Seat::Revealed, Some(_)) => SeatEnd::Outvoted,
    }
}
