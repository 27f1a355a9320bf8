//! The state machine of a drawn seat: pure, so that it can be driven by a seed.
//!
//! A seat is one of a redundant lease's round, or of the jury of a challenge; both join, work,
//! commit, reveal and are closed alike. [`Seat::step`] takes what happened and the chain's time, and
//! says what to do. What to send follows from what the chain says *now* and from the time, not from
//! what was sent before: a reorganization is an ordinary message.
//!
//! ```text
//! joined ──work, commit──► committed ──the others too, or their time is over──► reveal ──► revealed
//!    │ no work, or too late     │ too few did, or our reveal is late                          │ all did, or
//!    └───────────┬──────────────┘                                                             │ the window is over
//!                └───────────► settle, or judge: anyone may ◄─────────────────────────────────┘
//! ```
//!
//! A vote is secret until nobody can commit any more: else it could be copied.

pub(crate) mod commitment;
mod row;
pub(crate) mod view;

use alloy::primitives::B256;

use crate::lease::{self, Now};

/// A round's seats, or a jury's: of each a provider has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) lease: lease::Key,
    /// 0 for a seat of the lease, else the number of the challenge whose jury it is.
    pub(crate) challenge: u8,
}

impl Key {
    pub(crate) fn is_jurors(&self) -> bool {
        self.challenge != 0
    }
}

/// What a seat votes for. Two zeros are a juror's "the input cannot be obtained".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Vote {
    /// The result's root; of a juror the output digest.
    pub(crate) value: B256,
    /// The manifest; of a juror the digest that is keyed with the jury's seed.
    pub(crate) proof: B256,
}

/// What a seat is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The lease's first task; of a juror the contested one.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// How a seat ended, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Paid,
    /// The bond, or a part of it, is gone.
    Lost,
    /// The bond is back, and nothing was earned.
    Released,
    /// Its reservation was reorganized away.
    Vanished,
}

/// What the chain says now of our seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mine {
    Absent,
    Joined,
    Committed,
    Revealed,
    Closed(End),
}

/// What the chain says now of the seats together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// Last second to commit.
    pub(crate) commit_by: u64,
    pub(crate) reveal_window: u64,
    /// Commitments without which there is no reveal.
    pub(crate) quorum: u8,
    pub(crate) commits: u8,
    pub(crate) reveals: u8,
    /// When the last of all seats committed.
    pub(crate) full_at: Option<u64>,
    /// A jury also waits for the challenger's answer.
    pub(crate) awaits_answer: bool,
    /// When something was revealed last.
    pub(crate) revealed_at: u64,
    /// Our place among the seats: who comes later lets others go first.
    pub(crate) rank: u8,
    /// Whether all that committed and come before us have revealed.
    pub(crate) our_turn: bool,
}

/// What can be done with seats now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Commit,
    /// Commitments can be revealed since `from`, until `until`.
    Reveal {
        from: u64,
        until: u64,
    },
    /// Nothing is to be waited for since then: anyone may settle, or judge.
    Due {
        since: u64,
    },
}

impl Round {
    pub(crate) fn stage(&self, time: u64) -> Stage {
        let from = match self.full_at {
            Some(at) => at,
            None if time <= self.commit_by => return Stage::Commit,
            None => self.commit_by.saturating_add(1),
        };
        if self.commits < self.quorum {
            return Stage::Due { since: from };
        }
        // The window begins with the last second of commitments, not with the one after it.
        let until = self
            .full_at
            .unwrap_or(self.commit_by)
            .saturating_add(self.reveal_window);
        if self.reveals >= self.commits && !self.awaits_answer {
            let since = self.revealed_at.max(from);
            Stage::Due { since }
        } else if time <= until {
            Stage::Reveal { from, until }
        } else {
            let since = until.saturating_add(1);
            Stage::Due { since }
        }
    }

    /// Whether one more reveal is the last one.
    pub(crate) fn lacks_one_reveal(&self) -> bool {
        self.reveals.saturating_add(1) == self.commits
    }
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
    /// Time passed.
    Tick,
    /// The process started again.
    Restarted,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Commit to the vote, under the salt that was stored with it.
    Commit,
    /// Reveal what was committed to.
    Reveal,
    /// Settle the lease, or judge the dispute.
    Settle,
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
            commit_by: 0,
            reveal_window: 0,
            quorum: 0,
            commits: 0,
            reveals: 0,
            full_at: None,
            awaits_answer: false,
            revealed_at: 0,
            rank: 0,
            our_turn: true,
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
            failed: false,
            running: false,
            published: false,
            asked: None,
            retry_at: None,
        }
    }

    /// Whether it locks stake, as far as we know.
    pub(crate) fn is_bonded(&self) -> bool {
        matches!(self.mine, Mine::Joined | Mine::Committed | Mine::Revealed)
    }

    /// Whether the bond is lost if nothing more is done.
    pub(crate) fn needs_us(&self) -> bool {
        match self.mine {
            Mine::Joined => !self.failed,
            Mine::Committed => true,
            Mine::Absent | Mine::Revealed | Mine::Closed(_) => false,
        }
    }

    /// Whether its outputs may still have to be served.
    pub(crate) fn keeps_outputs(&self) -> bool {
        !matches!(self.mine, Mine::Closed(End::Lost | End::Released))
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
                self.mine = mine;
                self.round = round;
            }
            // The first vote stays: a second, different one would be a contradiction.
            Event::Finished(vote) => {
                self.vote.get_or_insert(vote);
            }
            Event::Failed => self.failed = true,
            Event::SendFailed(act) if self.asked == Some(act) => {
                // A refusal often comes from a state of the chain that passes: a moment's patience.
                self.tries = self.tries.saturating_add(1);
                self.asked = None;
                self.retry_at = Some(now.time.saturating_add(1));
            }
            Event::Restarted => {
                (self.asked, self.retry_at) = (None, None);
                (self.running, self.published) = (false, false);
            }
            Event::SendFailed(_) | Event::Tick => {}
        }
    }

    fn mind_work(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let undone = self.vote.is_none() && !self.failed;
        let wanted = undone
            && match self.mine {
                Mine::Joined => now.time.saturating_add(now.margin) <= self.round.commit_by,
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
        match (self.mine, self.round.stage(now.time)) {
            (Mine::Joined, Stage::Commit) => self.vote.map(|_| Act::Commit),
            // One after another: the last one can settle in the same transaction.
            (Mine::Committed, Stage::Reveal { from, .. })
                if self.round.our_turn || now.time >= from.saturating_add(self.patience(now)) =>
            {
                Some(Act::Reveal)
            }
            (Mine::Joined | Mine::Committed | Mine::Revealed, Stage::Due { since })
                if now.time >= since.saturating_add(self.patience(now)) =>
            {
                Some(Act::Settle)
            }
            _ => None,
        }
    }

    /// Seconds that others are let go first; never a large part of the time there is.
    fn patience(&self, now: Now) -> u64 {
        let rank = u64::from(self.round.rank);
        let step = (now.margin / 4).max(3);
        rank.saturating_mul(step).min(self.round.reveal_window / 4)
    }

    fn mind_end(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.mine == Mine::Closed(End::Paid) && !self.published {
            self.published = true;
            effects.push(Effect::Publish);
        }
        let is_final = now.block >= self.since.saturating_add(now.confirmations);
        let end = match self.mine {
            Mine::Closed(end) => end,
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
