//! Disputes: what happens when a result is contested. Submitted -challenge-> Challenged -judge-> Free if the provider
//! was wrong, else Submitted with its window anew. One task is run again, whatever the lease holds.
//!
//! What a verdict pays is held: `2 * JURY * juryFee <= B` for a jury and a reward out of the provider's bond,
//! `JURY * juryFee <= K` for a jury out of the challenger's deposit.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash;
use crate::host::Host;
use crate::jury::{Open, require_round};
use crate::result;
use crate::rules::{JURY_QUORUM, amount_of, deposit_of, juror_bond_of, minus, plus, reward_of};
use crate::seats::Votes;
use crate::slots::{Dispute, SeatSlot};
use crate::store::Store;
use crate::types::{Address, Bytes32, Job, Reason, Seat, SeatEnd, U256, Verdict, ZERO};

/// What a verdict decides on.
struct Case<'a> {
    open: Open,
    panel: &'a [u32],
    votes: Votes,
    verdict: Verdict,
    /// The digest of the quorum's vote; zero without a quorum.
    digest: Bytes32,
    /// Whether votes could be revealed at all.
    revealing: bool,
}

/// Where a challenger's deposit and a provider's bond went.
struct Outcome {
    reward: u128,
    returned: u128,
    burned: u128,
}

impl<S: Store, H: Host> Market<S, H> {
    /// `challenge`: contests one output of a submitted lease within its window: opens a jury over that task. Puts down
    /// K: `JURY * jury_fee`, twice as much for every further challenge of the round. `number` is the one this challenge
    /// gets, from 1; `answer` commits to the right digest. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongMode`, `WrongPhase`, `NoJury`, `TooLate`, `NotInResult`, `AmountTooLarge`, `WrongRound`,
    /// `InsufficientBalance`.
    #[allow(clippy::too_many_arguments)] // the ABI's
    pub fn challenge(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        number: u8,
        task: u32,
        digest: &Bytes32,
        proof: &[Bytes32],
        answer: &Bytes32,
    ) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.contestable(job, &job_id, first)?;
        let root = self.store.root(&job_id, first);
        if !result::verify(
            &self.host,
            &root,
            (first, lease.count),
            (task, digest),
            proof,
        ) {
            return Err(Error::NotInResult(task, *digest));
        }
        // The deposit outgrows all amounts long before the count saturates: each challenge has its own number.
        let deposit = deposit_of(&job.price, lease.challenges)?;
        let challenged = lease.challenged();
        // The answer is committed to for this challenge, and the deposit is meant for it.
        require_round(&job_id, first, &challenged, (round, number))?;
        let challenger = self.host.caller();
        self.debit(&challenger, deposit)?;
        self.store.set_lease(&job_id, first, challenged);
        let dispute = Dispute {
            challenger,
            task,
            deposit,
            opened_at: self.host.now(),
            opened_block: self.host.block_number(),
            digest: *digest,
            answer: *answer,
            ..Dispute::default()
        };
        self.store.set_dispute(&job_id, first, dispute);
        let (digest, answer) = (*digest, *answer);
        self.host.emit(&Event::Challenged {
            job_id,
            first,
            challenger,
            challenge: number,
            task,
            digest,
            answer,
            deposit,
        });
        Ok(())
    }

    /// `judge`: ends a dispute: with all votes and the answer revealed or the window for that over, or with too few
    /// votes in time. `digest` and `keyed` are the quorum's vote, zeros without a quorum. Anyone may call.
    ///
    /// # Errors
    /// `JobUnknown`, `WrongPhase`, `TooEarly`, `RevealsMissing`, `WrongPanel`, `WrongVerdict`.
    pub fn judge(
        &mut self,
        job: &Job,
        first: u32,
        digest: &Bytes32,
        keyed: &Bytes32,
        panel: &[u32],
    ) -> Result<(), Error> {
        let open = self.open_dispute(job, first)?;
        let revealing = self.require_due(job, &open.dispute)?;
        let votes = self.count(&open.key, panel, open.dispute.seats, JURY_QUORUM, None)?;
        let verdict = self.verdict(votes.winner.as_ref(), digest, keyed, &open.dispute.digest)?;
        let case = Case {
            open,
            panel,
            votes,
            verdict,
            digest: *digest,
            revealing,
        };
        let fees = self.close_jury(job, &case)?;
        if verdict == Verdict::ProviderWrong {
            self.convict(job, &case, fees)
        } else {
            self.acquit(&case, fees)
        }
    }

    // -------------------------------------------------------------- the verdict

    /// Refuses unless a dispute can be judged now: everything was revealed, or the time for that is over, or so is that
    /// to commit and too few did. Returns whether votes could be revealed.
    fn require_due(&self, job: &Job, dispute: &Dispute) -> Result<bool, Error> {
        if dispute.commits < JURY_QUORUM {
            self.require_over(self.jury_commit_by(job, dispute)?)?;
            return Ok(false);
        }
        let (reveal_by, now) = (self.jury_reveal_by(job, dispute)?, self.host.now());
        if now <= reveal_by && (dispute.reveals != dispute.commits || !dispute.answered) {
            return Err(Error::RevealsMissing(reveal_by, now));
        }
        Ok(true)
    }

    /// What the quorum's vote means. Refuses unless that is the vote given, two zeros if there is no quorum.
    fn verdict(
        &self,
        winner: Option<&SeatSlot>,
        digest: &Bytes32,
        keyed: &Bytes32,
        contested: &Bytes32,
    ) -> Result<Verdict, Error> {
        let Some(winner) = winner else {
            let none = *digest == ZERO && *keyed == ZERO;
            return if none {
                Ok(Verdict::Inconclusive)
            } else {
                Err(Error::WrongVerdict(*digest))
            };
        };
        let given = hash::revealed(&self.host, &hash::vote(&self.host, digest, keyed));
        if *winner != SeatSlot::revealed(&given) {
            return Err(Error::WrongVerdict(*digest));
        }
        // Without the input nobody can say that the provider was wrong.
        let right = *digest == ZERO || digest == contested;
        Ok(if right {
            Verdict::ProviderRight
        } else {
            Verdict::ProviderWrong
        })
    }

    /// Pays, releases or slashes each juror. Returns what they were paid.
    fn close_jury(&mut self, job: &Job, case: &Case<'_>) -> Result<u128, Error> {
        let fee = amount_of(U256::from(job.price.jury_fee))?;
        let bond = juror_bond_of(&job.price, case.open.lease.count)?;
        let mut fees = 0;
        for (number, seat) in case.votes.of(case.panel) {
            let end = end_of(case, &seat);
            let (paid, burned) = match end {
                SeatEnd::Paid => (fee, 0),
                SeatEnd::Released => (0, 0),
                _ => (0, bond),
            };
            if matches!(end, SeatEnd::Paid | SeatEnd::Released) {
                self.earn(number, paid, bond)?;
            } else {
                self.slash(number, bond, burned, true)?;
                self.burn(burned)?;
            }
            fees = plus(fees, paid)?;
            let (job_id, first, challenge) = (
                case.open.job_id,
                case.open.first,
                case.open.lease.challenges,
            );
            self.host.emit(&Event::SeatClosed {
                job_id,
                first,
                number,
                challenge,
                end,
                paid,
                burned,
            });
        }
        Ok(fees)
    }

    /// The provider was wrong: its bond pays the jury and a challenger that knew the right answer; the rest is burned,
    /// and so is the deposit of a challenger that did not know it.
    fn convict(&mut self, job: &Job, case: &Case<'_>, fees: u128) -> Result<(), Error> {
        let Open {
            job_id,
            first,
            lease,
            dispute,
            ..
        } = &case.open;
        let answered = dispute.answered && dispute.answer == case.digest;
        let bond = self.lose(job, job_id, *first, *lease, Reason::LostJury)?;
        let (reward, returned) = match (answered, job.terms.providers == ZERO) {
            (false, _) => (0, 0),
            (true, true) => (reward_of(&job.price)?, dispute.deposit),
            // On a private list the challenger may be all three jurors as well: they are paid from the deposit, and all
            // of the bond is burned.
            (true, false) => (0, minus(dispute.deposit, fees)?),
        };
        let held = plus(bond, dispute.deposit)?;
        let burned = minus(minus(minus(held, fees)?, reward)?, returned)?;
        self.close_dispute(
            case,
            &Outcome {
                reward,
                returned,
                burned,
            },
        )
    }

    /// The result stands: the deposit pays the jury; the rest is burned if it was found right, and returns if nothing
    /// was found. The window begins anew.
    fn acquit(&mut self, case: &Case<'_>, fees: u128) -> Result<(), Error> {
        let Open {
            job_id,
            first,
            lease,
            dispute,
            ..
        } = &case.open;
        let left = minus(dispute.deposit, fees)?;
        self.store
            .set_lease(job_id, *first, lease.submitted(self.host.now()));
        let inconclusive = case.verdict == Verdict::Inconclusive;
        let (returned, burned) = if inconclusive { (left, 0) } else { (0, left) };
        self.close_dispute(
            case,
            &Outcome {
                reward: 0,
                returned,
                burned,
            },
        )
    }

    /// Pays the challenger, burns the rest.
    fn close_dispute(&mut self, case: &Case<'_>, outcome: &Outcome) -> Result<(), Error> {
        let Outcome {
            reward,
            returned,
            burned,
        } = *outcome;
        let challenger: Address = case.open.dispute.challenger;
        self.credit(&challenger, plus(reward, returned)?)?;
        self.burn(burned)?;
        self.host.emit(&Event::Judged {
            job_id: case.open.job_id,
            first: case.open.first,
            challenge: case.open.lease.challenges,
            verdict: case.verdict,
            digest: case.digest,
            reward,
            returned,
            burned,
        });
        Ok(())
    }
}

/// How a juror's seat ends.
fn end_of(case: &Case<'_>, seat: &SeatSlot) -> SeatEnd {
    match seat.state {
        Seat::Revealed if case.verdict == Verdict::Inconclusive => SeatEnd::Paid,
        Seat::Revealed if case.votes.winner.as_ref() == Some(seat) => SeatEnd::Paid,
        Seat::Revealed => SeatEnd::Outvoted,
        // A vote that could not be revealed is nobody's fault.
        Seat::Committed if !case.revealing => SeatEnd::Released,
        _ => SeatEnd::Silent,
    }
}
