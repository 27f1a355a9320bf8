//! Audits: three drawn providers run one drawn task again.
//!
//! Submitted -first juror-> Audited -judge-> Settled, Void, or Undecided for a second jury, whose lack of a verdict settles
//! the lease. Nobody asks for an audit: chance does, and the jurors that it drew come by themselves.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash::TASK;
use crate::host::Host;
use crate::records::At;
use crate::redundant::times;
use crate::result;
use crate::rules::{JURY, JURY_QUORUM, audited_task, bond_of, gross_of, juror_bond_of, plus, tenth_of};
use crate::seats::{Ballot, Sitting};
use crate::slots::{LeaseSlot, SeatSlot};
use crate::store::Store;
use crate::types::{
    Address, AuditState, Bytes32, Grade, Job, NOBODY, Opening, Phase, Seat, SeatEnd, Verdict, ZERO,
};
use crate::votes::{Decision, decide, end_of, majority};

/// The first jury; the other one is the second.
const FIRST_JURY: u8 = 1;
const SECOND_JURY: u8 = 2;

/// A lease before its jury.
#[derive(Clone, Copy)]
struct Case<'a> {
    at: At<'a>,
    lease: LeaseSlot,
    audit: AuditState,
}

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- jurors come

    /// `joinJury`: reserves a drawn juror's seat and locks its bond. The first one opens the audit.
    ///
    /// # Errors
    /// `NotOperator`; of an open audit `WrongRound`, `TooLate`; to open the first jury `JobUnknown`, `WrongPhase`,
    /// `WrongRound`, `TooLate`, `SeedUnknown`, `NotAudited`; to open the second `JobUnknown`, `WrongPhase`, `TooLate`,
    /// `WrongRound`; then `WrongSeat`, `SeatsTaken`, `BarredFromJury`, `SeedUnknown`, `NotDrawn`, `InsufficientStake`. The
    /// beacon's, where it is asked.
    pub fn join_jury(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        jury: u8,
        provider: &Address,
    ) -> Result<(), Error> {
        self.sit(job, first, (round, jury), provider, None)
    }

    /// `commitVote`: commits a juror's vote, on a reserved seat or on one that it takes as `joinJury` does.
    ///
    /// # Errors
    /// As `joinJury`; `WrongSeat` also if it committed before.
    #[allow(clippy::too_many_arguments)] // the ABI's
    pub fn commit_vote(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        jury: u8,
        provider: &Address,
        commitment: &Bytes32,
    ) -> Result<(), Error> {
        self.sit(job, first, (round, jury), provider, Some(*commitment))
    }

    /// A juror takes a seat, or commits on the one that it has.
    fn sit(
        &mut self,
        job: &Job,
        first: u32,
        (round, jury): (u16, u8),
        provider: &Address,
        commitment: Option<Bytes32>,
    ) -> Result<(), Error> {
        let number = self.authorize(provider)?;
        let at = self.at(job, first);
        let mut case = self.jury_now(at, round, jury)?;
        let (job_id, provider) = (at.job_id, *provider);
        let opens = case.lease.phase != Phase::Audited;
        let commit_by = self.jury_commit_by(&case)?;
        let task = case.audit.task;
        let key = at.round(round, jury).key(&self.host);
        let seat = self.store.seat(&key, number);
        if commitment.is_none() || seat.state != Seat::Joined {
            self.take_juror_seat(&case, seat, &provider, number)?;
            case.audit.seats = plus(case.audit.seats, 1)?;
        }
        if opens {
            self.keep(&at, case.lease.in_phase(Phase::Audited));
            self.host.emit(&Event::AuditOpened { job_id, first, round, jury, task, commit_by });
        }
        let seat = match commitment {
            None => SeatSlot::bare(Seat::Joined),
            Some(commitment) => SeatSlot::marked(Seat::Committed, &commitment),
        };
        self.store.set_seat(&key, number, seat);
        case.audit.commits = plus(case.audit.commits, commitment.is_some().into())?;
        if commitment.is_some() && case.audit.commits == JURY {
            case.audit.since = self.host.now();
        }
        self.store.set_audit(&job_id, first, case.audit);
        self.host.emit(&match commitment {
            None => Event::JurorJoined { job_id, first, provider, round, jury },
            Some(commitment) => Event::VoteCommitted { job_id, first, provider, round, jury, commitment },
        });
        Ok(())
    }

    /// The lease, with the audit that takes jurors and votes now; one that opens now is not stored yet, and its lease not
    /// Audited. It must be the jury `jury` of `round`.
    fn jury_now<'a>(&self, at: At<'a>, round: u16, jury: u8) -> Result<Case<'a>, Error> {
        let lease = self.lease(&at);
        let audit = self.store.audit(&at.job_id, at.first);
        if lease.phase == Phase::Audited {
            let case = Case { at, lease, audit };
            require_jury(&case, round, jury)?;
            self.require_in_time(self.jury_commit_by(&case)?)?;
            return Ok(case);
        }
        let (task, point);
        if jury == FIRST_JURY {
            self.require_phase(Phase::Submitted, &at, &lease)?;
            self.require_round(&at, &lease, round)?;
            self.require_in_time(plus(lease.since, at.job.timing.audit_window)?)?;
            let seed = self.seed_of(lease.point)?;
            if !self.is_audited(&at, &lease, &seed) {
                return Err(Error::NotAudited(at.job_id, at.first));
            }
            let hash = self.draw(&at.round(round, TASK), &seed, 0, &NOBODY);
            task = audited_task(&hash, at.first, lease.count).ok_or(Error::OVERFLOW)?;
            point = lease.point;
        } else {
            self.require_phase(Phase::Undecided, &at, &lease)?;
            self.require_in_time(audit.due)?;
            (task, point) = (audit.task, audit.point);
        }
        let since = self.time_of(point)?.max(self.host.now());
        let due_jury = if jury == FIRST_JURY { FIRST_JURY } else { SECOND_JURY };
        let undecided = audit.undecided;
        let audit = AuditState { jury: due_jury, task, since, point, undecided, ..AuditState::default() };
        let case = Case { at, lease, audit };
        require_jury(&case, round, jury)?;
        Ok(case)
    }

    /// Refuses unless the provider can take a juror's seat now; locks its bond.
    fn take_juror_seat(
        &mut self,
        case: &Case<'_>,
        seat: SeatSlot,
        provider: &Address,
        number: u32,
    ) -> Result<(), Error> {
        let Case { at, lease, audit } = case;
        let (job_id, first) = (at.job_id, at.first);
        if seat.state != Seat::None {
            return Err(Error::WrongSeat(job_id, first, *provider, seat.state));
        }
        if audit.seats == JURY {
            return Err(Error::SeatsTaken(job_id, first));
        }
        if number == lease.provider {
            return Err(Error::BarredFromJury(job_id, first, *provider));
        }
        let seed = self.seed_of(audit.point)?;
        let time = self.time_of(audit.point)?;
        let from = self.drawn_for_jury(at, lease, audit, (&seed, time), provider);
        self.require_drawn(from, at, provider)?;
        self.lock(number, provider, juror_bond_of(&at.job.price)?, 0)
    }

    // -------------------------------------------------------------- votes are opened, and decide

    /// `judge`: opens votes, once all three jurors committed, or the time for it is over and two did. Decides when all
    /// commitments are open or the time for that is over, and when too few committed in time. `leaf` is the output digest
    /// that the accused committed to for the audited task, zero if it is not brought. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `WrongRound`, as `read`; where two votes are equal `LeafMissing`, `TooLate`,
    /// `NotInResult`; `NotEnoughGas`.
    #[allow(clippy::too_many_arguments)] // the ABI's
    pub fn judge(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        jury: u8,
        openings: &[Opening],
        leaf: &Bytes32,
        proof: &[Bytes32],
    ) -> Result<(), Error> {
        let at = self.at(job, first);
        let case = Case { at, lease: self.lease(&at), audit: self.store.audit(&at.job_id, first) };
        self.require_phase(Phase::Audited, &at, &case.lease)?;
        require_jury(&case, round, jury)?;
        let sitting = self.jury_sitting(&case)?;
        let ballot = self.read(&sitting, openings)?;
        let agreed = majority(jury, JURY_QUORUM, ballot.voters()).is_some();
        if !ballot.ends || (agreed && self.leaf_missed(&case, leaf)?) {
            return self.keep_recorded(&case, &sitting, &ballot);
        }
        let leaf = if agreed { *leaf } else { ZERO };
        if leaf != ZERO {
            self.require_leaf(&case, &leaf, proof)?;
        }
        let decision = decide(jury, ballot.voters(), &leaf);
        let again = if decision.verdict == Verdict::NoVerdict && jury == FIRST_JURY {
            self.next_jury()?
        } else {
            None
        };
        self.tell(&sitting.round, &ballot);
        self.close_jury(job, &sitting, &ballot, &decision)?;
        self.conclude(&case, &decision, ballot.opened, &leaf, again)
    }

    /// The jury's round.
    fn jury_sitting(&self, case: &Case<'_>) -> Result<Sitting, Error> {
        let audit = &case.audit;
        let full = audit.commits == JURY;
        let commit_by = self.jury_commit_by(case)?;
        let openable = if full { audit.since } else { commit_by };
        Ok(Sitting {
            round: case.at.round(case.lease.round, audit.jury),
            seats: audit.seats,
            commits: audit.commits,
            opened: audit.opened,
            full,
            quorum: JURY_QUORUM,
            commit_by,
            reveal_by: plus(openable, self.store.config().times.reveal_window)?,
        })
    }

    /// Whether the leaf is missed for the first time. Later the call is refused until the time for it is over.
    fn leaf_missed(&self, case: &Case<'_>, leaf: &Bytes32) -> Result<bool, Error> {
        if *leaf != ZERO || case.audit.due == 0 {
            return Ok(*leaf == ZERO);
        }
        let leaf_by = self.leaf_by(case.audit.due)?;
        if self.host.now() <= leaf_by {
            let (job_id, first) = (case.at.job_id, case.at.first);
            return Err(Error::LeafMissing(job_id, first, leaf_by));
        }
        Ok(false)
    }

    /// Keeps what a call opened that decided nothing; says so if only the leaf was missing.
    fn keep_recorded(&mut self, case: &Case<'_>, sitting: &Sitting, ballot: &Ballot) -> Result<(), Error> {
        let At { job_id, first, .. } = case.at;
        let (mut audit, now, jury) = (case.audit, self.host.now(), case.audit.jury);
        let leaf_by = self.leaf_by(now)?;
        self.tell(&sitting.round, ballot);
        self.record(&sitting.round, ballot);
        audit.opened = ballot.opened;
        if ballot.ends {
            audit.due = now;
            self.host.emit(&Event::LeafMissed { job_id, first, jury, leaf_by });
        }
        self.store.set_audit(&job_id, first, audit);
        Ok(())
    }

    /// Refuses unless the accused committed to the leaf for the audited task, and it is brought in time.
    fn require_leaf(&self, case: &Case<'_>, leaf: &Bytes32, proof: &[Bytes32]) -> Result<(), Error> {
        let Case { at, lease, audit } = case;
        if audit.due != 0 {
            self.require_in_time(self.leaf_by(audit.due)?)?;
        }
        let root = self.store.root(&at.job_id, at.first);
        let (tasks, output) = ((at.first, lease.count), (audit.task, leaf));
        if !result::verify(&self.host, &root, tasks, output, proof) {
            return Err(Error::NotInResult(audit.task, *leaf));
        }
        Ok(())
    }

    /// Ends all jurors' seats.
    fn close_jury(
        &mut self,
        job: &Job,
        sitting: &Sitting,
        ballot: &Ballot,
        decision: &Decision,
    ) -> Result<(), Error> {
        let bond = juror_bond_of(&job.price)?;
        for voter in ballot.voters() {
            let end = end_of(sitting.round.kind, voter, decision, ballot.opened);
            let change = match end {
                SeatEnd::Paid => (job.price.jury_fee, 0),
                SeatEnd::Released => (0, 0),
                SeatEnd::Outvoted | SeatEnd::Silent => (0, bond),
                _ => (0, tenth_of(bond)?),
            };
            self.close_seat(&sitting.round, voter.number, end, bond, change)?;
        }
        Ok(())
    }

    /// Says the verdict, and does what it means for the lease. `again` is the point of the second jury and the last second
    /// to open it, if there is one.
    fn conclude(
        &mut self,
        case: &Case<'_>,
        decision: &Decision,
        opened: u8,
        leaf: &Bytes32,
        again: Option<(u64, u64)>,
    ) -> Result<(), Error> {
        let (at, audit) = (&case.at, &case.audit);
        let At { job_id, first, .. } = *at;
        let AuditState { jury, task, .. } = *audit;
        let (verdict, leaf) = (decision.verdict, *leaf);
        let digest = decision.winner.map_or(ZERO, |winner| winner.value);
        self.host.emit(&Event::Judged { job_id, first, jury, verdict, task, digest, leaf });
        let jury_pay = times(at.job.price.jury_fee, decision.votes)?;
        match (verdict, again) {
            (Verdict::Acquitted, _) => self.settle_lease(at, case.lease, Grade::Audited, jury_pay, 0),
            (Verdict::Convicted, _) => {
                let unanimous = decision.votes == JURY && leaf != ZERO;
                self.convict(case, jury_pay, at.job.assurance.refund && unanimous)
            }
            (_, None) => self.settle_contested(at, case.lease, opened.max(audit.undecided)),
            (_, Some((point, due))) => {
                let undecided =
                    AuditState { jury, task, due, point, undecided: opened, ..AuditState::default() };
                self.keep(at, case.lease.in_phase(Phase::Undecided));
                self.store.set_audit(&job_id, first, undecided);
                self.tell_point(at, point);
                Ok(())
            }
        }
    }

    /// After a first jury without a verdict: the point of the second, and the last second to open it. None if the beacon
    /// fails.
    fn next_jury(&self) -> Result<Option<(u64, u64)>, Error> {
        let point = self.new_point_if_any()?;
        if point == 0 {
            return Ok(None);
        }
        match self.time_if_known(point)? {
            0 => Ok(None),
            time => {
                let due = plus(time, self.store.config().times.retry_window)?;
                Ok(Some((point, due)))
            }
        }
    }

    /// The accused loses its bond. The price is burned too, for nobody may gain from a verdict, or returned to the client if
    /// the job says so.
    fn convict(&mut self, case: &Case<'_>, jury_pay: u128, refund: bool) -> Result<(), Error> {
        let Case { at, lease, .. } = case;
        let bond = bond_of(&at.job.price, lease.count)?;
        let burned = if refund { 0 } else { gross_of(at.job, lease.origin, lease.count)? };
        self.slash(lease.provider, bond, bond, true)?;
        self.void(at, *lease, burned, jury_pay, bond)
    }

    // -------------------------------------------------------------- deadlines

    /// Last second of joining and committing, while not all three have.
    fn jury_commit_by(&self, case: &Case<'_>) -> Result<u64, Error> {
        let run_by = plus(case.audit.since, case.at.job.timing.run_window)?;
        plus(run_by, self.store.config().times.jury_time)
    }

    /// Last second of bringing the leaf that was first missed at `time`.
    fn leaf_by(&self, time: u64) -> Result<u64, Error> {
        plus(time, self.store.config().times.respond_window)
    }
}

/// Refuses unless `round` and `jury` are the present ones.
fn require_jury(case: &Case<'_>, round: u16, jury: u8) -> Result<(), Error> {
    let present = (case.lease.round, case.audit.jury);
    if present == (round, jury) {
        return Ok(());
    }
    let (job_id, first) = (case.at.job_id, case.at.first);
    Err(Error::WrongRound(job_id, first, present.0, present.1))
}
