//! A duty of ours, and what is known of it here.

use alloy_primitives::B256;
use piecework_core::view::{
    lease::Roots,
    seat::{Mine, Vote},
};

use super::Job;
use crate::{
    capacity::Amount,
    duty::{Desired, Lease, Reach, Seat, Work, lease::Seen, seat::Tasks},
    input::Failure,
};

/// A lease, or a seat.
#[derive(Clone, Copy, Debug)]
pub(super) enum Duty {
    Lease(Lease),
    Seat(Seat),
}

impl Duty {
    pub(super) fn tasks(&self) -> Tasks {
        match self {
            Self::Lease(lease) => Tasks {
                first: lease.id.first,
                count: lease.count,
            },
            Self::Seat(seat) => seat.tasks,
        }
    }

    pub(super) fn bond(&self) -> u128 {
        match self {
            Self::Lease(lease) => lease.bond,
            Self::Seat(seat) => seat.bond,
        }
    }

    pub(super) fn is_bonded(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.is_bonded(),
            Self::Seat(seat) => seat.is_bonded(),
        }
    }

    pub(super) fn is_prospect(&self) -> bool {
        matches!(self, Self::Seat(Seat { prospect: true, .. }))
    }

    pub(super) fn desired(&self, now: u64, margin: u64) -> Desired {
        match self {
            Self::Lease(lease) => lease.desired(now, margin),
            Self::Seat(seat) => seat.desired(now, margin),
        }
    }

    pub(super) fn is_undone(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.work.is_undone(),
            Self::Seat(seat) => seat.work.is_undone(),
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.seen == Seen::Absent,
            Self::Seat(seat) => seat.mine == Mine::Absent,
        }
    }

    /// Whether it could still have to work: then it keeps capacity.
    pub(super) fn may_work(&self, now: u64) -> bool {
        matches!(self, Self::Lease(lease) if lease.missing)
            || self.is_undone()
                && match self {
                    Self::Lease(lease) => match lease.seen {
                        Seen::Running { .. } => lease.deadline().is_some_and(|by| now <= by),
                        Seen::Absent => lease.working,
                        _ => false,
                    },
                    Self::Seat(seat) => match seat.mine {
                        Mine::Joined | Mine::Committed => now <= seat.work_by(),
                        Mine::Absent => seat.working || seat.prospect,
                        _ => seat.working,
                    },
                }
    }

    /// Last second in which its work helps.
    pub(super) fn work_by(&self) -> u64 {
        match self {
            Self::Lease(lease) => lease.work_by(),
            Self::Seat(seat) => seat.work_by(),
        }
    }

    /// Whether the chain says another word of it than before.
    pub(super) fn has_other_word(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lease(one), Self::Lease(other)) => one.seen != other.seen,
            (Self::Seat(one), Self::Seat(other)) => {
                (one.mine, one.round) != (other.mine, other.round)
            }
            _ => true,
        }
    }

    pub(super) fn set_working(&mut self, working: bool) {
        match self {
            Self::Lease(lease) => lease.working = working,
            Self::Seat(seat) => seat.working = working,
        }
    }

    pub(super) fn is_working(&self) -> bool {
        match self {
            Self::Lease(lease) => lease.working,
            Self::Seat(seat) => seat.working,
        }
    }
}

/// A duty of ours.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) duty: Duty,
    /// The transaction that took it; none of a seat that is worked for.
    pub(super) tx: Option<B256>,
    /// Block in which the chain's word of it last changed.
    pub(super) since: u64,
    /// How many of its tasks may run at the same time.
    pub(super) parallel: u32,
    /// Acts that came to nothing.
    pub(super) tries: u32,
    /// Whether an act of it was refused, reverted or was given up.
    pub(super) failed: bool,
    /// Chain time until which nothing is sent for it.
    pub(super) rest_until: u64,
    pub(super) served: Option<Reach>,
    pub(super) serving: Option<Reach>,
    /// Chain time until which nothing is served: what was asked for was not here.
    pub(super) serve_after: u64,
    /// Chain time until which its work is not begun again: it failed a moment ago.
    pub(super) work_after: u64,
    /// How often that was so.
    pub(super) serve_tries: u32,
    /// The key under which a juror works, or has worked.
    pub(super) keyed: Option<B256>,
    /// Tasks that have an outcome.
    pub(super) done: u32,
    /// Why its work cannot be done here.
    pub(super) why: Option<String>,
    /// Chain time of its end, while that is not final.
    pub(super) ended_at: Option<u64>,
}

impl Held {
    pub(super) fn new(duty: Duty, tx: Option<B256>) -> Self {
        Self {
            duty,
            tx,
            since: u64::MAX,
            parallel: 1,
            tries: 0,
            failed: false,
            rest_until: 0,
            served: None,
            serving: None,
            serve_after: 0,
            work_after: 0,
            serve_tries: 0,
            keyed: None,
            done: 0,
            why: None,
            ended_at: None,
        }
    }

    /// Takes in what came of its work. Whatever it was bound to before stays its result.
    pub(super) fn worked(
        &mut self,
        keyed: Option<B256>,
        result: Result<Vote, Failure>,
        bound: Option<Vote>,
    ) {
        self.duty.set_working(false);
        match &mut self.duty {
            Duty::Lease(lease) if lease.missing => {
                lease.missing = false;
                (self.served, self.serving) = (None, None);
                match result {
                    Ok(vote) if lease.work.is_undone() => {
                        lease.work = Work::Done(Roots {
                            root: vote.value,
                            list: vote.proof,
                        });
                    }
                    Ok(_) => {}
                    Err(failure) => self.why = Some(failure.why),
                }
            }
            Duty::Lease(lease) => match result {
                Ok(vote) if bound.is_some_and(|bound| bound.value != vote.value) => {
                    self.why = Some("another result of it was bound before".to_owned());
                    lease.work = Work::Failed;
                }
                Ok(vote) if lease.work.is_undone() => {
                    lease.work = Work::Done(Roots {
                        root: vote.value,
                        list: vote.proof,
                    });
                }
                Ok(_) => {}
                Err(failure) => {
                    self.why = Some(failure.why);
                    lease.work = Work::Failed;
                }
            },
            Duty::Seat(seat) => {
                if seat.is_jurors() && self.keyed != keyed {
                    // A reorganization drew the jury again: what is keyed with the old seed is no vote.
                    return;
                }
                match result {
                    Ok(vote) if bound.is_some_and(|bound| bound.value != vote.value) => {
                        self.why = Some("another vote of it was bound before".to_owned());
                        seat.work = Work::Failed;
                    }
                    Ok(vote) if seat.work.is_undone() => seat.work = Work::Done(vote),
                    Ok(_) => {}
                    Err(failure) => {
                        let abstains = failure.of_the_input || failure.unsure;
                        self.why = Some(failure.why);
                        // A juror that has a seat abstains; one that has none does not come.
                        let joined = seat.mine == Mine::Joined;
                        seat.work = match seat.is_jurors() && joined && abstains {
                            true => Work::Done(Vote::default()),
                            // Without its vote it loses its bond: it is run again while there is time.
                            false if seat.mine == Mine::Committed && bound.is_none() => {
                                Work::Undone
                            }
                            false => Work::Failed,
                        };
                    }
                }
            }
        }
    }

    /// Its outputs were not here. Longer and longer pauses follow, so that what cannot be made again costs little.
    pub(super) fn was_missing(&mut self, now: u64) {
        const LONGEST: u64 = 300;
        let pause = (1u64 << self.serve_tries.min(9)).min(LONGEST);
        self.serve_tries = self.serve_tries.saturating_add(1);
        self.serve_after = now.saturating_add(pause);
        self.serving = None;
    }

    /// Whether its tasks are run again for outputs that are lost.
    pub(super) fn is_missing(&self) -> bool {
        matches!(&self.duty, Duty::Lease(lease) if lease.missing)
    }

    /// What unfinished work keeps of the machine.
    pub(super) fn amount(&self, job: &Job, now: u64) -> Amount {
        match &job.spec {
            Ok(spec) if self.duty.may_work(now) => Amount::of(spec.resources, self.parallel.max(1)),
            _ => Amount::default(),
        }
    }
}

/// The chain time of the next look at a duty, if no news of it comes before.
pub(super) fn look_at(duty: &Duty, now: u64, has_seed: bool) -> u64 {
    /// Seconds between two looks at a duty that waits for a seed, or for a block to be final.
    const WAITS: u64 = 5;
    let soon = match duty {
        Duty::Lease(lease) => match lease.seen {
            Seen::Submitted { from } if from > now && !lease.missing => match has_seed {
                true => return from,
                false => WAITS.min(from - now),
            },
            Seen::Settled | Seen::Lost => WAITS,
            _ => 1,
        },
        Duty::Seat(seat) => match seat.mine {
            Mine::Closed(_) => WAITS,
            _ => 1,
        },
    };
    now.saturating_add(soon)
}
