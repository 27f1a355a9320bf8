//! Juries: three drawn providers run one task again. Of one round: seal, then join or commit until `commit_by`, then
//! reveal until `reveal_by`. The challenger reveals its answer with them.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash::{self, Ballot};
use crate::host::Host;
use crate::rules::{JURY, JURY_QUORUM, commit_by, juror_bond_of, plus};
use crate::seats::Draw;
use crate::slots::{Dispute, LeaseSlot, SeatSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Job, Phase, Seat, ZERO};

/// A lease that waits for its jury.
pub(crate) struct Open {
    pub(crate) job_id: Bytes32,
    pub(crate) first: u32,
    pub(crate) lease: LeaseSlot,
    pub(crate) dispute: Dispute,
    /// The key of the jury's seal and seats.
    pub(crate) key: Bytes32,
}

impl<S: Store, H: Host> Market<S, H> {
    /// `sealJury`: fixes the seed of a jury's draw, from the third block after the challenge on. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `TooLate`, `SealedAlready`, `TooEarlyToSeal`.
    pub fn seal_jury(&mut self, job: &Job, first: u32) -> Result<(), Error> {
        let open = self.open_dispute(job, first)?;
        self.require_in_time(self.jury_commit_by(job, &open.dispute)?)?;
        let sealing = self.check_seal(&open.key, &open.job_id, first, open.dispute.opened_block)?;
        self.store.set_seal(&open.key, sealing);
        self.host.emit(&Event::JurySealed {
            job_id: open.job_id,
            first,
            challenge: open.lease.challenges,
            seed: sealing.seed_word(),
            total_stake: sealing.total_stake,
        });
        Ok(())
    }

    /// When `provider` is drawn for a seat of the jury over the lease. It is what `joinJury` goes by, and depends
    /// neither on the time nor on what else that asks for.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `NotSealed`.
    pub fn draw_for_juror(&self, job: &Job, first: u32, provider: &Address) -> Result<Draw, Error> {
        let open = self.open_dispute(job, first)?;
        let sealing = self.store.seal(&open.key);
        if sealing.sealed_at == 0 {
            return Err(Error::NotSealed(open.job_id, first));
        }
        let number = self.store.number(provider);
        self.drawn_for_jury(job, &sealing, &open.key, (provider, number))
    }

    /// `joinJury`: reserves a drawn juror's seat and locks its bond J.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `TooLate`, `WrongRound`, `WrongSeat`, `SeatsTaken`,
    /// `BarredFromJury`, `NotAdmitted`, `NotSealed`, `NotDrawn`, `InsufficientStake`.
    pub fn join_jury(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        challenge: u8,
        provider: &Address,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let mut open = self.open_dispute(job, first)?;
        self.require_in_time(self.jury_commit_by(job, &open.dispute)?)?;
        require_round(&open.job_id, first, &open.lease, (round, challenge))?;
        let bond = self.take_juror_seat(job, &open, provider, number)?;
        open.dispute.seats = plus(open.dispute.seats, 1)?;
        self.store.set_dispute(&open.job_id, first, open.dispute);
        self.store.set_seat(&open.key, number, SeatSlot::JOINED);
        let (job_id, provider) = (open.job_id, *provider);
        self.host.emit(&Event::JurorJoined {
            job_id,
            first,
            provider,
            challenge,
            bond,
        });
        Ok(())
    }

    /// `commitVote`: commits a juror's vote, on a reserved seat or on one that it takes as `joinJury` does. The third
    /// commitment opens the reveal.
    ///
    /// # Errors
    /// As `joinJury`; `WrongSeat` also for who committed before.
    #[allow(clippy::too_many_arguments)] // the ABI's
    pub fn commit_vote(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        challenge: u8,
        provider: &Address,
        commitment: &Bytes32,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let mut open = self.open_dispute(job, first)?;
        self.require_in_time(self.jury_commit_by(job, &open.dispute)?)?;
        require_round(&open.job_id, first, &open.lease, (round, challenge))?;
        let mut bond = 0;
        if self.store.seat(&open.key, number).state != Seat::Joined {
            bond = self.take_juror_seat(job, &open, provider, number)?;
            open.dispute.seats = plus(open.dispute.seats, 1)?;
        }
        open.dispute.commits = plus(open.dispute.commits, 1)?;
        if open.dispute.commits == JURY {
            open.dispute.reveal_from = self.host.now();
        }
        self.store.set_dispute(&open.job_id, first, open.dispute);
        self.store
            .set_seat(&open.key, number, SeatSlot::committed(commitment));
        let (job_id, provider, commitment) = (open.job_id, *provider, *commitment);
        self.host.emit(&Event::VoteCommitted {
            job_id,
            first,
            provider,
            challenge,
            commitment,
            bond,
        });
        Ok(())
    }

    /// `revealVote`: reveals a juror's vote, once all three committed, or the time for it is over and two did. Digest 0
    /// says that the input cannot be obtained; there is one such vote.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `TooEarly`, `TooLate`, `WrongReveal`, `WrongSeat`.
    pub fn reveal_vote(
        &mut self,
        job: &Job,
        first: u32,
        provider: &Address,
        digest: &Bytes32,
        keyed: &Bytes32,
        salt: &Bytes32,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let mut open = self.open_dispute(job, first)?;
        self.require_revealing(job, &open.dispute)?;
        let wrong = Error::WrongReveal(open.job_id, first, *provider);
        if *digest == ZERO && *keyed != ZERO {
            return Err(wrong);
        }
        let vote = hash::vote(&self.host, digest, keyed);
        let seat = self.store.seat(&open.key, number);
        if seat.state != Seat::Committed {
            return Err(Error::WrongSeat(open.job_id, first, *provider, seat.state));
        }
        if seat != SeatSlot::committed(&self.opening(&open, provider, &vote, salt)) {
            return Err(wrong);
        }
        open.dispute.reveals = plus(open.dispute.reveals, 1)?;
        self.store.set_seat(
            &open.key,
            number,
            SeatSlot::revealed(&hash::revealed(&self.host, &vote)),
        );
        self.store.set_dispute(&open.job_id, first, open.dispute);
        let (job_id, provider, digest, keyed) = (open.job_id, *provider, *digest, *keyed);
        self.host.emit(&Event::VoteRevealed {
            job_id,
            first,
            provider,
            digest,
            keyed,
        });
        Ok(())
    }

    /// `revealAnswer`: reveals the challenger's answer, when votes are revealed.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `NotChallenger`, `TooEarly`, `TooLate`, `WrongReveal` (a second time, too).
    pub fn reveal_answer(
        &mut self,
        job: &Job,
        first: u32,
        digest: &Bytes32,
        salt: &Bytes32,
    ) -> Result<(), Error> {
        let mut open = self.open_dispute(job, first)?;
        let (challenger, caller) = (open.dispute.challenger, self.host.caller());
        if caller != challenger {
            return Err(Error::NotChallenger(challenger, caller));
        }
        self.require_revealing(job, &open.dispute)?;
        let answer = self.opening(&open, &challenger, digest, salt);
        if open.dispute.answered || answer != open.dispute.answer {
            return Err(Error::WrongReveal(open.job_id, first, challenger));
        }
        open.dispute.answer = *digest;
        open.dispute.answered = true;
        self.store.set_dispute(&open.job_id, first, open.dispute);
        self.host.emit(&Event::AnswerRevealed {
            job_id: open.job_id,
            first,
            digest: *digest,
        });
        Ok(())
    }

    /// Refuses unless the provider can take a juror's seat now; locks its bond.
    fn take_juror_seat(
        &mut self,
        job: &Job,
        open: &Open,
        provider: &Address,
        number: u32,
    ) -> Result<u128, Error> {
        let Open {
            job_id,
            first,
            lease,
            dispute,
            key,
        } = open;
        let seat = self.store.seat(key, number).state;
        if seat != Seat::None {
            return Err(Error::WrongSeat(*job_id, *first, *provider, seat));
        }
        if dispute.seats == JURY {
            return Err(Error::SeatsTaken(*job_id, *first));
        }
        if number == lease.provider || *provider == dispute.challenger {
            return Err(Error::BarredFromJury(*job_id, *first, *provider));
        }
        self.require_admitted(job, number, provider)?;
        let sealing = self.store.seal(key);
        if sealing.sealed_at == 0 {
            return Err(Error::NotSealed(*job_id, *first));
        }
        let drawn = self.drawn_for_jury(job, &sealing, key, (provider, number))?;
        self.require_drawn(drawn.from, job_id, *first, provider)?;
        let bond = juror_bond_of(&job.price, lease.count)?;
        self.lock(number, provider, bond)?;
        Ok(bond)
    }

    // -------------------------------------------------------------- what stands

    /// A lease that waits for its jury, and the dispute.
    pub(crate) fn open_dispute(&self, job: &Job, first: u32) -> Result<Open, Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.require_phase(Phase::Challenged, &job_id, first, &lease)?;
        let dispute = self.store.dispute(&job_id, first);
        let key = hash::seats_key(&self.host, &job_id, first, lease.round, lease.challenges);
        Ok(Open {
            job_id,
            first,
            lease,
            dispute,
            key,
        })
    }

    /// The commitment that this opens, in the present dispute.
    fn opening(&self, open: &Open, who: &Address, vote: &Bytes32, salt: &Bytes32) -> Bytes32 {
        let (round, challenge) = (open.lease.round, open.lease.challenges);
        let (job_id, first) = (open.job_id, open.first);
        let ballot = Ballot {
            job_id,
            first,
            round,
            challenge,
            provider: *who,
            vote: *vote,
            salt: *salt,
        };
        hash::commitment(&self.host, &ballot)
    }

    /// Last second of joining and committing.
    pub(crate) fn jury_commit_by(&self, job: &Job, dispute: &Dispute) -> Result<u64, Error> {
        let times = self.store.config().times;
        commit_by(&times, &job.timing, dispute.opened_at)
    }

    /// Last second of revealing, if that opens.
    pub(crate) fn jury_reveal_by(&self, job: &Job, dispute: &Dispute) -> Result<u64, Error> {
        let from = match dispute.reveal_from {
            0 => self.jury_commit_by(job, dispute)?,
            from => from,
        };
        plus(from, self.store.config().times.reveal_window)
    }

    /// Refuses unless votes and the answer can be revealed now: all jurors committed, or the time for it is over and
    /// enough for a verdict did.
    fn require_revealing(&self, job: &Job, dispute: &Dispute) -> Result<(), Error> {
        if dispute.reveal_from == 0 {
            let commit_by = self.jury_commit_by(job, dispute)?;
            self.require_over(commit_by)?;
            if dispute.commits < JURY_QUORUM {
                return Err(Error::TooLate(commit_by, self.host.now()));
            }
        }
        self.require_in_time(self.jury_reveal_by(job, dispute)?)
    }
}

/// Refuses unless the act is for the lease's present round and challenge.
pub(crate) fn require_round(
    job_id: &Bytes32,
    first: u32,
    lease: &LeaseSlot,
    meant: (u16, u8),
) -> Result<(), Error> {
    if (lease.round, lease.challenges) == meant {
        Ok(())
    } else {
        Err(Error::WrongRound(
            *job_id,
            first,
            lease.round,
            lease.challenges,
        ))
    }
}
