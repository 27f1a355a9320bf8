//! The lease state machine: pure, so that it can be driven by a seed.
//!
//! [`Lease::step`] takes what happened and the chain's time, and says what to do. It is fed what
//! the chain says *now* of a round, not what changed: a reorganization is an ordinary message.
//! Effects are idempotent: those of a state can be asked for again after a restart.
//!
//! ```text
//!            Running ──finished──► Submitting ──seen──► Submitted ──window over──► Finalizing
//!               │ failed, or too late                                                  │ seen
//!               ▼                                                                      ▼
//!           Releasing ───seen───► Lost ──final──► Done(Lost)       Done(Paid) ◄─final─ Settled
//!               │ deadline over     ▲
//!               ▼                   │                     any ──claim gone──► Absent ──final──► Done(Vanished)
//!           Expiring ──────seen─────┘
//! ```
//!
//! A result that is Challenged waits for the verdict; one that is Demanded is answered. Either comes back Submitted, its
//! window anew, or is Lost.

mod row;
pub(crate) mod view;

use alloy::primitives::B256;

use crate::seat::{Round, Stage};

/// One round of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) job: B256,
    pub(crate) first: u32,
    pub(crate) round: u16,
}

/// The digests that are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roots {
    pub(crate) root: B256,
    pub(crate) manifest: B256,
}

/// Where a round stands for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Submitting,
    Submitted,
    /// A jury decides about our result.
    Challenged,
    /// Nothing is to be waited for: we have the dispute judged.
    Judging,
    /// All our digests were demanded, and must be given.
    Demanded,
    Finalizing,
    Releasing,
    Expiring,
    /// The claim was reorganized away; it may come back.
    Absent,
    /// Paid, in a block that is not final yet.
    Settled,
    /// Freed or another's, in a block that is not final yet.
    Lost,
    Done(End),
}

/// How a round ended, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Paid,
    Lost,
    Vanished,
}

/// What the chain says now of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There is no claim of ours for it.
    Absent,
    /// We hold it since this time.
    Running {
        started: u64,
    },
    /// Our result was submitted at this time, or its challenge window began anew then.
    Submitted {
        at: u64,
    },
    /// It waits for a jury's verdict, in the challenge of this number.
    Challenged {
        challenge: u8,
        jury: Option<Round>,
    },
    /// Its digests were demanded at this time.
    Demanded {
        at: u64,
    },
    Settled,
    /// It was freed: released or expired, lost to a jury, or withheld.
    Freed,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The chain says this now, since block `block`.
    Chain { seen: Seen, block: u64 },
    /// All tasks have an outcome.
    Finished(Roots),
    /// Our side cannot do the work.
    Failed,
    /// The transaction of this phase was refused, reverted or given up.
    SendFailed,
    /// Time passed.
    Tick,
    /// The process started again.
    Restarted,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Run the tasks that have no outcome yet.
    Run,
    /// Give running tasks up.
    StopWork,
    Submit {
        roots: Roots,
        attempt: u32,
    },
    Release {
        attempt: u32,
    },
    Finalize {
        attempt: u32,
    },
    Expire {
        attempt: u32,
    },
    /// Give all output digests, which were demanded.
    Respond {
        attempt: u32,
    },
    /// Have the dispute judged, whoever sat on its jury, if anyone did.
    Judge {
        challenge: u8,
        attempt: u32,
    },
    /// Serve the outputs.
    Publish,
    /// Nothing more will happen.
    Forget(End),
}

/// The chain's time and height, and how careful to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) time: u64,
    pub(crate) block: u64,
    /// Seconds before a deadline in which nothing is begun.
    pub(crate) margin: u64,
    /// Blocks after which a block is final.
    pub(crate) confirmations: u64,
}

/// The state of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) key: Key,
    pub(crate) count: u32,
    pub(crate) phase: Phase,
    pub(crate) started: u64,
    /// Block in which the chain's word of it last changed.
    pub(crate) since: u64,
    /// Transactions of this round that came to nothing.
    pub(crate) tries: u32,
    pub(crate) roots: Option<Roots>,
    pub(crate) run_window: u64,
    pub(crate) challenge_window: u64,
    submitted: u64,
    /// The last challenge, and its jury.
    dispute: Option<(u8, Round)>,
    retry_at: Option<u64>,
}

impl Lease {
    /// A round whose claim was just seen.
    pub(crate) fn new(
        key: Key,
        count: u32,
        started: u64,
        run_window: u64,
        challenge_window: u64,
    ) -> Self {
        Self {
            key,
            count,
            phase: Phase::Running,
            started,
            since: 0,
            tries: 0,
            roots: None,
            run_window,
            challenge_window,
            submitted: 0,
            dispute: None,
            retry_at: None,
        }
    }

    /// Last second in which a result can be submitted.
    pub(crate) fn deadline(&self) -> u64 {
        self.started.saturating_add(self.run_window)
    }

    /// Last second in which giving up costs nothing.
    pub(crate) fn free_until(&self) -> u64 {
        piecework::rules::free_release_by(self.run_window, self.started)
    }

    /// Whether it locks stake, as far as we know.
    pub(crate) fn is_bonded(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Settled | Phase::Lost | Phase::Absent | Phase::Done(_)
        )
    }

    /// What `event` changes, and what is to be done.
    pub(crate) fn step(mut self, event: Event, now: Now) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        if !matches!(self.phase, Phase::Done(_)) {
            self.take(event, now, &mut effects);
            self.pass_time(now, &mut effects);
        }
        (self, effects)
    }

    fn take(&mut self, event: Event, now: Now, effects: &mut Vec<Effect>) {
        match event {
            Event::Chain { seen, block } => self.look(seen, block, now, effects),
            Event::Finished(roots) => self.finish(roots, now, effects),
            Event::Failed if self.phase == Phase::Running => self.give_up(now, effects),
            Event::Failed if self.phase == Phase::Absent => effects.push(Effect::StopWork),
            Event::SendFailed if self.wants_to_send() => {
                // A refusal often comes from a state of the chain that passes: a moment's patience.
                self.tries = self.tries.saturating_add(1);
                self.retry_at = Some(now.time.saturating_add(1));
                match self.phase {
                    Phase::Finalizing => self.phase = Phase::Submitted,
                    Phase::Judging => self.phase = Phase::Challenged,
                    _ => {}
                }
            }
            Event::Restarted => self.again(now, effects),
            Event::Failed | Event::SendFailed | Event::Tick => {}
        }
    }

    fn wants_to_send(&self) -> bool {
        use Phase::{Demanded, Expiring, Finalizing, Judging, Releasing, Submitting};
        matches!(
            self.phase,
            Submitting | Releasing | Expiring | Finalizing | Demanded | Judging
        )
    }

    fn look(&mut self, seen: Seen, block: u64, now: Now, effects: &mut Vec<Effect>) {
        self.since = block;
        match (seen, self.phase) {
            (Seen::Running { started }, phase) => {
                self.started = started;
                match (phase, self.roots) {
                    (
                        Phase::Running | Phase::Submitting | Phase::Releasing | Phase::Expiring,
                        _,
                    ) => {}
                    (_, Some(_)) => self.enter(Phase::Submitting, now, effects),
                    (_, None) => self.enter(Phase::Running, now, effects),
                }
            }
            (Seen::Submitted { at }, phase) => {
                self.submitted = at;
                let early = now.time <= at.saturating_add(self.challenge_window);
                match phase {
                    Phase::Submitted => {}
                    Phase::Finalizing if early => self.phase = Phase::Submitted,
                    Phase::Finalizing => {}
                    _ => self.enter(Phase::Submitted, now, effects),
                }
            }
            (Seen::Challenged { challenge, jury }, phase) => {
                self.dispute = jury.map(|jury| (challenge, jury));
                match phase {
                    Phase::Challenged => {}
                    Phase::Judging if self.judge_from(now).is_some() => {}
                    _ => self.enter(Phase::Challenged, now, effects),
                }
            }
            (Seen::Demanded { .. }, Phase::Demanded) => {}
            (Seen::Demanded { at }, _) => {
                self.submitted = at;
                self.enter(Phase::Demanded, now, effects);
            }
            (Seen::Settled, _) => self.phase = Phase::Settled,
            (Seen::Freed, Phase::Lost) | (Seen::Absent, Phase::Absent) => {}
            (Seen::Freed, _) => {
                self.phase = Phase::Lost;
                effects.push(Effect::StopWork);
            }
            (Seen::Absent, _) => {
                self.phase = Phase::Absent;
                self.since = now.block;
            }
        }
    }

    fn finish(&mut self, roots: Roots, now: Now, effects: &mut Vec<Effect>) {
        // The first result stays: a second, different one would be a contradiction.
        match self.phase {
            Phase::Running => {
                self.roots.get_or_insert(roots);
                self.enter(Phase::Submitting, now, effects);
            }
            Phase::Absent => {
                self.roots.get_or_insert(roots);
            }
            _ => {}
        }
    }

    fn give_up(&mut self, now: Now, effects: &mut Vec<Effect>) {
        effects.push(Effect::StopWork);
        self.enter(Phase::Releasing, now, effects);
    }

    fn enter(&mut self, phase: Phase, now: Now, effects: &mut Vec<Effect>) {
        self.phase = phase;
        self.retry_at = None;
        self.again(now, effects);
    }

    /// The effects of the present phase.
    fn again(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let attempt = self.tries;
        let in_time = now.time <= self.deadline();
        match (self.phase, self.roots) {
            (Phase::Running, _) => effects.push(Effect::Run),
            (Phase::Submitting, Some(roots)) if in_time => {
                effects.push(Effect::Submit { roots, attempt })
            }
            (Phase::Releasing, _) if in_time => effects.push(Effect::Release { attempt }),
            (Phase::Expiring, _) if !in_time => effects.push(Effect::Expire { attempt }),
            (Phase::Finalizing, _) => {
                effects.extend([Effect::Publish, Effect::Finalize { attempt }])
            }
            (Phase::Judging, _) => {
                if let Some((challenge, _)) = self.dispute {
                    effects.push(Effect::Judge { challenge, attempt });
                }
            }
            // Jurors and challengers need the outputs too.
            (Phase::Submitted | Phase::Challenged, _) => effects.push(Effect::Publish),
            // Who does not answer loses the whole bond: asked for until the chain says that it is over.
            (Phase::Demanded, _) => effects.extend([Effect::Publish, Effect::Respond { attempt }]),
            _ => {}
        }
    }

    fn pass_time(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let is_final = now.block >= self.since.saturating_add(now.confirmations);
        let retry = self.retry_at.is_some_and(|at| now.time >= at);
        match self.phase {
            Phase::Running | Phase::Submitting | Phase::Releasing
                if now.time > self.deadline().saturating_add(now.margin) =>
            {
                effects.push(Effect::StopWork);
                self.enter(Phase::Expiring, now, effects);
            }
            // A late release burns less than an expiry.
            Phase::Running if now.time.saturating_add(now.margin) >= self.deadline() => {
                self.give_up(now, effects)
            }
            Phase::Submitted
                if now.time > self.submitted.saturating_add(self.challenge_window)
                    && (retry || self.retry_at.is_none()) =>
            {
                self.enter(Phase::Finalizing, now, effects);
            }
            Phase::Challenged
                if self.judge_from(now).is_some_and(|from| now.time >= from)
                    && (retry || self.retry_at.is_none()) =>
            {
                self.enter(Phase::Judging, now, effects);
            }
            Phase::Submitting | Phase::Releasing | Phase::Expiring | Phase::Demanded if retry => {
                self.retry_at = None;
                self.again(now, effects);
            }
            Phase::Settled if is_final => self.end(End::Paid, effects),
            Phase::Lost if is_final => self.end(End::Lost, effects),
            Phase::Absent if is_final => self.end(End::Vanished, effects),
            _ => {}
        }
    }

    /// When we have the dispute judged, if it is due: the jurors are let go first.
    fn judge_from(&self, now: Now) -> Option<u64> {
        let (_, jury) = self.dispute?;
        match jury.stage(now.time) {
            Stage::Due { since } => Some(since.saturating_add(now.margin)),
            Stage::Commit | Stage::Reveal { .. } => None,
        }
    }

    fn end(&mut self, end: End, effects: &mut Vec<Effect>) {
        self.phase = Phase::Done(end);
        effects.extend([Effect::StopWork, Effect::Forget(end)]);
    }
}

#[cfg(test)]
mod tests;
