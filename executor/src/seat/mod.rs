//! The state machine of a drawn seat: pure, so that it can be driven by a seed.
//!
//! A seat is one of a redundant lease's round, or of a jury; both are taken, work, commit, open and are closed alike.
//! [`Seat::step`] takes what happened and the chain's time, and says what to do. What to send follows from what the
//! chain says *now* and from the time, not from what was sent before: a reorganization is an ordinary message.
//!
//! ```text
//! prospect ──work, commit──┐                                                (a commitment takes the seat by itself)
//! joined ──round begins, work, commit──► committed ──the others too, or their time is over──► open ──► opened
//!    │ no work: leave, or be late            │ too few did, or our opening is late                     │ all did, or
//!    └───────────────┬───────────────────────┘                                                         │ time is over
//!                    └───────────► settle, or judge: anyone may ◄──────────────────────────────────────┘
//! ```
//!
//! A vote is secret until nobody can commit: otherwise it could be copied.

pub(crate) mod commitment;
mod row;

pub(crate) use piecework_core::view::seat::{End, Key, Mine, Round, Stage, Vote};

use crate::lease::Now;

/// Seconds until an act that came to nothing is tried again: 1, doubled so often.
const LONGEST_PATIENCE: u32 = 5;

/// What a seat is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The lease's first task; of a juror the audited one.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The chain says this now, since block `block`.
    Chain {
        mine: Mine,
        round: Round,
        block: u64,
    },
    /// The work is done.
    Finished(Vote),
    /// Our side cannot do the work.
    Failed,
    /// The transaction of this act was refused, reverted or given up.
    SendFailed(Act),
    /// Something for this act cannot be had yet.
    Waits(Act),
    /// Time passed.
    Tick,
    /// The process started again.
    Restarted,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Commit to the vote, under the salt that was stored with it. It takes the seat too, if that is not reserved.
    Commit,
    /// Open what was committed to. The last opening settles the lease, or has it judged.
    Open,
    /// Settle the lease, or have it judged.
    Settle,
    /// Give the seat up.
    Leave,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Run what has no outcome yet.
    Run,
    /// Give running tasks up.
    StopWork,
    Send {
        act: Act,
        attempt: u32,
    },
    /// Serve the outputs.
    Publish,
    /// Nothing more will happen.
    Forget(End),
}

/// The state of one seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) key: Key,
    pub(crate) work: Work,
    pub(crate) mine: Mine,
    pub(crate) round: Round,
    /// Block in which the chain's word of it last changed.
    pub(crate) since: u64,
    pub(crate) vote: Option<Vote>,
    /// Transactions of this seat that came to nothing.
    pub(crate) tries: u32,
    pub(crate) end: Option<End>,
    /// It is to be taken with its commitment, once the work is done.
    pub(crate) prospect: bool,
    failed: bool,
    running: bool,
    published: bool,
    /// What was asked to be sent and is not seen yet.
    asked: Option<Act>,
    retry_at: Option<u64>,
}

impl Seat {
    /// A seat of which the chain has said nothing yet.
    pub(crate) fn new(key: Key, work: Work) -> Self {
        let round = Round {
            begun: false,
            closed: false,
            closes_at: u64::MAX,
            commit_by: 0,
            reveal_window: 0,
            quorum: 0,
            commits: 0,
            opened: 0,
            full_at: None,
            opened_at: 0,
            leave_at: u64::MAX,
            rank: 0,
        };
        Self {
            key,
            work,
            mine: Mine::Absent,
            round,
            // Not even its absence is final.
            since: u64::MAX,
            vote: None,
            tries: 0,
            end: None,
            prospect: false,
            failed: false,
            running: false,
            published: false,
            asked: None,
            retry_at: None,
        }
    }

    /// A seat that is worked for before it is taken, until `by`.
    pub(crate) fn prospect(key: Key, work: Work, by: u64) -> Self {
        let mut seat = Self::new(key, work);
        seat.prospect = true;
        seat.round.commit_by = by;
        seat
    }

    /// Whether it locks stake, or is about to, as far as we know.
    pub(crate) fn is_bonded(&self) -> bool {
        self.prospect || matches!(self.mine, Mine::Joined | Mine::Committed | Mine::Opened)
    }

    /// Whether the bond is lost if nothing more is done.
    pub(crate) fn needs_us(&self) -> bool {
        match self.mine {
            Mine::Joined => self.round.begun && !self.failed,
            Mine::Committed => self.round.begun,
            Mine::Absent => self.prospect && self.asked == Some(Act::Commit),
            Mine::Opened | Mine::Closed(_) => false,
        }
    }

    /// Whether its work is asked for and not done.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Whether its outputs may still have to be served.
    pub(crate) fn keeps_outputs(&self) -> bool {
        !matches!(
            self.mine,
            Mine::Closed(End::Lost | End::Released | End::Vanished)
        )
    }

    /// Last second in which an act helps, and what is lost at most when it is later, of a seat with this bond.
    pub(crate) fn act_by(&self, act: Act, time: u64, bond: u128) -> Option<(u64, u128)> {
        match (act, self.round.stage(time)) {
            // A seat that is not taken has no bond to lose.
            (Act::Commit, _) if self.mine == Mine::Absent => Some((self.round.commit_by, 0)),
            (Act::Commit, _) => Some((self.round.commit_by, bond)),
            (Act::Leave, _) if self.round.begun => Some((self.round.commit_by, bond)),
            (Act::Open, Stage::Reveal { until, .. }) => Some((until, bond)),
            (Act::Open | Act::Settle | Act::Leave, _) => None,
        }
    }

    /// What `event` changes, and what is to be done.
    pub(crate) fn step(mut self, event: Event, now: Now) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        if self.end.is_none() {
            self.take(event, now);
            self.mind_work(now, &mut effects);
            self.mind_sending(now, &mut effects);
            self.mind_end(now, &mut effects);
        }
        (self, effects)
    }

    fn take(&mut self, event: Event, now: Now) {
        match event {
            Event::Chain { mine, round, block } => {
                self.since = match (mine, self.mine) {
                    (Mine::Absent, Mine::Absent) if self.since != u64::MAX => self.since,
                    (Mine::Absent, _) => now.block,
                    _ => block,
                };
                self.published &= mine == self.mine;
                // Once it is taken it is no prospect, whatever a reorganization says.
                self.prospect &= mine == Mine::Absent;
                self.mine = mine;
                self.round = round;
            }
            // The first vote stays: a second, different one would be a contradiction.
            Event::Finished(vote) => {
                self.vote.get_or_insert(vote);
            }
            Event::Failed => self.failed = true,
            Event::SendFailed(act) if self.asked == Some(act) => {
                // A refusal often comes from a state of the chain that passes: a moment's patience, and more of it if it
                // does not pass.
                let patience = 1u64 << self.tries.min(LONGEST_PATIENCE);
                self.tries = self.tries.saturating_add(1);
                self.asked = None;
                self.retry_at = Some(now.time.saturating_add(patience));
                // Others were quicker.
                if act == Act::Commit {
                    self.drop_prospect(now);
                }
            }
            Event::Waits(act) if self.asked == Some(act) => {
                self.asked = None;
                self.retry_at = Some(now.time.saturating_add(1));
            }
            Event::Restarted => {
                (self.asked, self.retry_at) = (None, None);
                (self.running, self.published) = (false, false);
            }
            Event::SendFailed(_) | Event::Waits(_) | Event::Tick => {}
        }
    }

    fn in_time(&self, now: Now) -> bool {
        now.time.saturating_add(now.margin) <= self.round.commit_by
    }

    fn mind_work(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let undone = self.vote.is_none() && !self.failed;
        let wanted = undone
            && match self.mine {
                // Before its round begins nobody need work.
                Mine::Joined => self.round.begun && self.in_time(now),
                Mine::Absent if self.prospect => self.in_time(now) && !self.round.closed,
                // It may come back.
                Mine::Absent => self.running,
                _ => false,
            };
        if wanted != self.running {
            self.running = wanted;
            // What has ended by itself need not be stopped.
            match (wanted, undone) {
                (true, _) => effects.push(Effect::Run),
                (false, true) => effects.push(Effect::StopWork),
                (false, false) => {}
            }
        }
        if self.failed || self.round.closed || now.time > self.round.commit_by {
            self.drop_prospect(now);
        }
    }

    fn drop_prospect(&mut self, now: Now) {
        if std::mem::take(&mut self.prospect) && self.since == u64::MAX {
            self.since = now.block;
        }
    }

    fn mind_sending(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.retry_at.is_some_and(|at| now.time < at) {
            return;
        }
        let wanted = self.wanted(now);
        if wanted == self.asked {
            return;
        }
        (self.asked, self.retry_at) = (wanted, None);
        if let Some(act) = wanted {
            let attempt = self.tries;
            effects.push(Effect::Send { act, attempt });
        }
    }

    /// What is to be sent now.
    fn wanted(&self, now: Now) -> Option<Act> {
        let held = matches!(self.mine, Mine::Joined | Mine::Committed);
        if held && !self.key.is_jurors() && !self.round.begun {
            return self.wanted_before(now);
        }
        match (self.mine, self.round.stage(now.time)) {
            (Mine::Absent, _) if self.prospect => self.vote.map(|_| Act::Commit),
            (Mine::Joined, Stage::Commit) if self.vote.is_some() && !self.failed => {
                Some(Act::Commit)
            }
            // Leaving late burns less than never acting. A juror cannot leave.
            (Mine::Joined, Stage::Commit)
                if !self.key.is_jurors() && (self.failed || !self.in_time(now)) =>
            {
                Some(Act::Leave)
            }
            // One after another: the last one can settle in the same transaction.
            (Mine::Committed, Stage::Reveal { from, .. })
                if self.round.is_our_turn()
                    || now.time >= from.saturating_add(self.patience(now)) =>
            {
                Some(Act::Open)
            }
            (Mine::Joined | Mine::Committed | Mine::Opened, Stage::Due { since })
                if now.time >= since.saturating_add(self.patience(now)) =>
            {
                Some(Act::Settle)
            }
            _ => None,
        }
    }

    /// What is to be sent before the round begins: a seat whose round does not begin is left.
    fn wanted_before(&self, now: Now) -> Option<Act> {
        let Round {
            closed,
            closes_at,
            leave_at,
            ..
        } = self.round;
        let leaves = closed || self.failed || now.time > leave_at.min(closes_at);
        leaves.then_some(Act::Leave)
    }

    /// Seconds that others are let go first; never a large part of the time there is.
    fn patience(&self, now: Now) -> u64 {
        let rank = u64::from(self.round.rank);
        let step = (now.margin / 4).max(3);
        rank.saturating_mul(step).min(self.round.reveal_window / 4)
    }

    fn mind_end(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.mine == Mine::Closed(End::Paid) && !self.key.is_jurors() && !self.published {
            self.published = true;
            effects.push(Effect::Publish);
        }
        let is_final = now.block >= self.since.saturating_add(now.confirmations);
        let end = match self.mine {
            Mine::Closed(end) => end,
            Mine::Absent if self.prospect => return,
            Mine::Absent => End::Vanished,
            _ => return,
        };
        if is_final {
            self.end = Some(end);
            effects.extend([Effect::StopWork, Effect::Forget(end)]);
        }
    }
}

#[cfg(test)]
mod tests;
