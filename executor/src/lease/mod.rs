//! The lease state machine: pure, so that it can be driven by a seed.
//!
//! [`Lease::step`] takes what happened and the chain's time, and says what to do. It is fed what
//! the chain says *now* of a round, not what changed: a reorganization is an ordinary message.
//! Effects are idempotent: those of a state can be asked for again after a restart.
//!
//! ```text
//!            Running ──finished──► Submitting ──seen──► Submitted ──chance, or time over──► Finalizing
//!               │ failed, or too late                     │    ▲                              │ seen
//!               ▼                                 a juror │    │ no verdict                   ▼
//!            Leaving ────seen────► Lost ──final──► ...    ▼    │                Done(Paid) ◄─final─ Settled
//!               │ deadline over     ▲                   Audited ──votes committed──► Answering ──due──► Judging
//!               ▼                   │
//!           Expiring ──────seen─────┘                     any ──claim gone──► Absent ──final──► Done(Vanished)
//! ```
//!
//! Once a jury's votes are committed, its list of digests is everybody's, and its leaf is brought. A jury's verdict makes
//! the round Settled or Lost.

mod row;

pub(crate) use piecework_core::view::lease::{Key, Roots};

use crate::seat::{Round, Stage};

/// Where a round stands for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Submitting,
    /// It waits for chance, or for a second jury.
    Submitted,
    /// A jury runs a task of it again.
    Audited,
    /// The jury has committed: our list of digests is everybody's.
    Answering,
    /// The votes can be opened now: we call `judge`, and bring the leaf.
    Judging,
    Finalizing,
    Leaving,
    Expiring,
    /// The claim was reorganized away; it may come back.
    Absent,
    /// Paid, in a block that is not final yet.
    Settled,
    /// Freed, convicted or another's, in a block that is not final yet.
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

/// A jury over our result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Audit {
    /// 1 or 2.
    pub(crate) jury: u8,
    pub(crate) votes: Round,
    /// Whether two of its votes agree, and only our leaf is missing.
    pub(crate) leaf_missed: bool,
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
    /// Our result was submitted, or waits for a second jury; it can be finalized from this time on.
    Submitted {
        from: u64,
    },
    /// It is with a jury.
    Audited(Audit),
    Settled,
    /// It was left or expired, or a jury convicted it.
    Lost,
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
    Leave {
        attempt: u32,
    },
    Finalize {
        attempt: u32,
    },
    Expire {
        attempt: u32,
    },
    /// Have the audit judged, and bring the leaf.
    Judge {
        jury: u8,
        attempt: u32,
    },
    /// Serve the outputs to the client.
    Publish,
    /// Serve the list of digests to everybody.
    OpenList,
    /// Serve the outputs to everybody.
    Open,
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
    /// From when on it can be finalized.
    final_from: u64,
    /// The last audit.
    audit: Option<Audit>,
    retry_at: Option<u64>,
}

impl Lease {
    /// A round whose claim was just seen.
    pub(crate) fn new(key: Key, count: u32, started: u64, run_window: u64) -> Self {
        Self {
            key,
            count,
            phase: Phase::Running,
            started,
            since: 0,
            tries: 0,
            roots: None,
            run_window,
            final_from: u64::MAX,
            audit: None,
            retry_at: None,
        }
    }

    /// Last second in which a result can be submitted.
    pub(crate) fn deadline(&self) -> u64 {
        self.started.saturating_add(self.run_window)
    }

    /// Last second in which giving up costs nothing.
    pub(crate) fn free_until(&self) -> u64 {
        match self.key.round {
            1 => piecework_core::rules::leave_free_by(self.run_window, self.started),
            _ => 0,
        }
    }

    /// Whether it locks stake, as far as we know.
    pub(crate) fn is_bonded(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Settled | Phase::Lost | Phase::Absent | Phase::Done(_)
        )
    }

    /// Whether its result is on the chain, so that its client may fetch it.
    pub(crate) fn has_result(&self) -> bool {
        use Phase::{Answering, Audited, Finalizing, Judging, Settled, Submitted};
        matches!(
            self.phase,
            Submitted | Audited | Answering | Judging | Finalizing | Settled
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
                    Phase::Judging => self.phase = Phase::Answering,
                    _ => {}
                }
            }
            Event::Restarted => self.again(now, effects),
            Event::Failed | Event::SendFailed | Event::Tick => {}
        }
    }

    fn wants_to_send(&self) -> bool {
        use Phase::{Expiring, Finalizing, Judging, Leaving, Submitting};
        matches!(
            self.phase,
            Submitting | Leaving | Expiring | Finalizing | Judging
        )
    }

    fn look(&mut self, seen: Seen, block: u64, now: Now, effects: &mut Vec<Effect>) {
        self.since = block;
        match (seen, self.phase) {
            (Seen::Running { started }, phase) => {
                self.started = started;
                match (phase, self.roots) {
                    (Phase::Running | Phase::Submitting | Phase::Leaving | Phase::Expiring, _) => {}
                    (_, Some(_)) => self.enter(Phase::Submitting, now, effects),
                    (_, None) => self.enter(Phase::Running, now, effects),
                }
            }
            (Seen::Submitted { from }, phase) => {
                self.final_from = from;
                match phase {
                    Phase::Submitted => {}
                    Phase::Finalizing if now.time < from => self.phase = Phase::Submitted,
                    Phase::Finalizing => {}
                    _ => self.enter(Phase::Submitted, now, effects),
                }
            }
            (Seen::Audited(audit), phase) => {
                let same = self.audit.is_some_and(|before| before.jury == audit.jury);
                // Word of a missing leaf ends the patience with whom we let go first.
                if audit.leaf_missed && self.audit.is_some_and(|before| !before.leaf_missed) {
                    self.retry_at = None;
                }
                self.audit = Some(audit);
                match phase {
                    Phase::Audited if same => {}
                    // A reorganization may take votes back.
                    Phase::Answering if same && self.have_committed(now) => {}
                    Phase::Judging if same && self.judge_from(now).is_some() => {}
                    _ => self.enter(Phase::Audited, now, effects),
                }
            }
            (Seen::Settled, Phase::Settled)
            | (Seen::Lost, Phase::Lost)
            | (Seen::Absent, Phase::Absent) => {}
            (Seen::Settled, _) => self.enter(Phase::Settled, now, effects),
            (Seen::Lost, _) => {
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
        self.enter(Phase::Leaving, now, effects);
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
            (Phase::Leaving, _) if in_time => effects.push(Effect::Leave { attempt }),
            (Phase::Expiring, _) if !in_time => effects.push(Effect::Expire { attempt }),
            (Phase::Submitted | Phase::Audited, _) => effects.push(Effect::Publish),
            (Phase::Finalizing, _) => {
                effects.extend([Effect::Publish, Effect::Finalize { attempt }])
            }
            // Jurors bring the leaf that they find in it.
            (Phase::Answering, _) => effects.extend([Effect::Publish, Effect::OpenList]),
            (Phase::Judging, _) => {
                effects.extend([Effect::Publish, Effect::OpenList]);
                if let Some(Audit { jury, .. }) = self.audit {
                    effects.push(Effect::Judge { jury, attempt });
                }
            }
            (Phase::Settled, _) => effects.push(Effect::Open),
            _ => {}
        }
    }

    fn pass_time(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let is_final = now.block >= self.since.saturating_add(now.confirmations);
        let may_send = self.retry_at.is_none_or(|at| now.time >= at);
        match self.phase {
            Phase::Running | Phase::Submitting | Phase::Leaving
                if now.time > self.deadline().saturating_add(now.margin) =>
            {
                effects.push(Effect::StopWork);
                self.enter(Phase::Expiring, now, effects);
            }
            // Leaving late burns less than an expiry.
            Phase::Running if now.time.saturating_add(now.margin) >= self.deadline() => {
                self.give_up(now, effects)
            }
            Phase::Submitted if now.time >= self.final_from && may_send => {
                self.enter(Phase::Finalizing, now, effects);
            }
            Phase::Audited if self.have_committed(now) => {
                self.enter(Phase::Answering, now, effects);
                self.pass_time(now, effects);
            }
            Phase::Answering
                if self.judge_from(now).is_some_and(|from| now.time >= from) && may_send =>
            {
                self.enter(Phase::Judging, now, effects);
            }
            Phase::Submitting | Phase::Leaving | Phase::Expiring
                if self.retry_at.is_some() && may_send =>
            {
                self.retry_at = None;
                self.again(now, effects);
            }
            Phase::Settled if is_final => self.end(End::Paid, effects),
            Phase::Lost if is_final => self.end(End::Lost, effects),
            Phase::Absent if is_final => self.end(End::Vanished, effects),
            _ => {}
        }
    }

    /// Whether no juror can commit any longer.
    fn have_committed(&self, now: Now) -> bool {
        let stage = self.audit.map(|audit| audit.votes.stage(now.time));
        !matches!(stage, None | Some(Stage::Commit))
    }

    /// When we have the audit judged, if it is due. The jurors are let go first, unless they wait for our leaf.
    fn judge_from(&self, now: Now) -> Option<u64> {
        let audit = self.audit?;
        match audit.votes.stage(now.time) {
            Stage::Due { since } if audit.leaf_missed => Some(since),
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
