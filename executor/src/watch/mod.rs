//! The state machine of a watched result of another provider: pure, so that it can be driven by a seed.
//!
//! A sample of the result's tasks is run again; what differs, twice alike, is challenged, and the challenge seen
//! through. [`Watched::step`] takes what happened and the chain's time, and says what to do. As with leases and
//! seats it is fed what the chain says *now*: a reorganization, somebody else's challenge and a window that begins
//! anew are ordinary messages.
//!
//! ```text
//! sampled ──run again──► nothing, or nothing to go by ──► end
//!              │ differs                                          ┌──no verdict: its window is anew─┐
//!              └────────► challenge ──seen──► answer ──► judge ──►┤                                 ▼
//!                            ▲                                    └──verdict──► end           (challenge)
//!                            └── somebody else's is over, and the result still stands
//! ```
//!
//! An answer is secret until nobody can commit any more: else it could be copied.

pub(crate) mod rerun;
mod row;

use alloy::primitives::B256;

use crate::{
    lease::{self, Now},
    seat::{Round, Stage},
};

/// Seconds until a deposit that was not covered is looked at again.
const SHORT_PAUSE: u64 = 30;
/// Seconds until an act that came to nothing is tried again: 1, doubled so often.
const LONGEST_PATIENCE: u32 = 4;

/// A result: a round has one, but for reorganizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) lease: lease::Key,
    /// What the provider submitted.
    pub(crate) root: B256,
}

/// A wrong output, as it is challenged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) task: u32,
    /// The digest that the provider committed to, and its path in the result's tree.
    pub(crate) theirs: B256,
    pub(crate) proof: Vec<B256>,
    /// What two runs of ours found.
    pub(crate) right: B256,
}

/// What running the sample again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// All of it is as the provider says.
    Same,
    Differs(Difference),
    /// Two runs of ours differ: the spec is not deterministic, and nobody can say what is right.
    Unsteady {
        task: u32,
    },
    /// The provider does not serve its output digests.
    Unserved,
    /// Image or input cannot be had.
    Unobtainable,
    /// There was no time, no room or no working engine for it.
    Unfinished,
}

impl Finding {
    /// Whether running the sample once more would say nothing else. What could not be done in one window may be
    /// done in the next.
    fn is_final(&self) -> bool {
        match self {
            Self::Same | Self::Differs(_) | Self::Unsteady { .. } => true,
            Self::Unserved | Self::Unobtainable | Self::Unfinished => false,
        }
    }
}

/// What the chain says now of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is not there: reorganized away, most likely.
    Absent,
    /// It can be challenged until then.
    Open {
        until: u64,
        /// The number that a challenge would get.
        number: u8,
        /// Tasks of which nothing more is to be said in this round: a jury said that the provider was right, or our own
        /// challenge ended without a verdict.
        acquitted: Vec<u32>,
    },
    /// It will be open again, or over: its digests are demanded, or somebody else's challenge is with a jury.
    Busy,
    /// Our challenge is with its jury.
    Ours {
        number: u8,
        sealed: bool,
        jury: Round,
    },
    /// The lease is settled or free: by whatever reason, it is too late, or not needed.
    Over,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The chain says this now, since block `block`.
    Chain { seen: Seen, block: u64 },
    /// The sample was run again.
    Found(Finding),
    /// The transaction of this act was refused, reverted or given up.
    SendFailed(Act),
    /// The deposit of a challenge is not covered.
    Short,
    /// Time passed.
    Tick,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Open the challenge of this number, under the salt that was stored with it.
    Challenge { number: u8 },
    /// Reveal its answer.
    Answer { number: u8 },
    /// Have it judged.
    Judge { number: u8 },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Run the sample again, as far as it has not been.
    Work {
        until: u64,
    },
    StopWork,
    /// Have the draw of our challenge's jury sealed, as soon as it can be.
    Seal {
        number: u8,
    },
    Send {
        act: Act,
        attempt: u32,
    },
    /// Nothing more will happen.
    Forget,
}

/// The state of one watched result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) key: Key,
    /// The tasks to run again, ascending: drawn once.
    pub(crate) sample: Vec<u32>,
    pub(crate) finding: Option<Finding>,
    pub(crate) seen: Seen,
    /// Block in which the chain's word of it last changed.
    since: u64,
    /// Transactions of this result that came to nothing.
    pub(crate) tries: u32,
    pub(crate) ended: bool,
    working: bool,
    /// End of the window that the sample was run for last: a finding that is not final has no second try in it.
    worked_until: u64,
    /// What was asked to be sent and is not seen yet.
    asked: Option<Act>,
    retry_at: Option<u64>,
}

impl Watched {
    /// A result of which the chain has said nothing yet.
    pub(crate) fn new(key: Key, sample: Vec<u32>) -> Self {
        Self {
            key,
            sample,
            finding: None,
            seen: Seen::Absent,
            // Not even its absence is final.
            since: u64::MAX,
            tries: 0,
            ended: false,
            working: false,
            worked_until: 0,
            asked: None,
            retry_at: None,
        }
    }

    /// The output that is held for wrong.
    pub(crate) fn difference(&self) -> Option<&Difference> {
        match &self.finding {
            Some(Finding::Differs(difference)) => Some(difference),
            _ => None,
        }
    }

    /// The number of a challenge that was asked for and is not seen yet.
    pub(crate) fn on_its_way(&self) -> Option<u8> {
        match self.asked {
            Some(Act::Challenge { number }) => Some(number),
            _ => None,
        }
    }

    /// The number of our challenge that waits for its verdict.
    pub(crate) fn open(&self) -> Option<u8> {
        match self.seen {
            Seen::Ours { number, .. } => Some(number),
            _ => None,
        }
    }

    /// Whether a deposit is lost if nothing more is done: an answer is still to be revealed.
    pub(crate) fn needs_us(&self, time: u64) -> bool {
        match &self.seen {
            Seen::Ours { jury, .. } => {
                jury.awaits_answer && !matches!(jury.stage(time), Stage::Due { .. })
            }
            _ => self.on_its_way().is_some(),
        }
    }

    /// What `event` changes, and what is to be done.
    pub(crate) fn step(mut self, event: Event, now: Now) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        if !self.ended {
            self.take(event, now);
            self.mind_work(now, &mut effects);
            self.mind_challenge(now, &mut effects);
            self.mind_end(now, &mut effects);
        }
        (self, effects)
    }

    fn take(&mut self, event: Event, now: Now) {
        match event {
            Event::Chain { seen, block } => {
                self.since = match (&seen, &self.seen) {
                    (Seen::Absent, Seen::Absent) if self.since != u64::MAX => self.since,
                    (Seen::Absent, _) => now.block,
                    _ => block,
                };
                self.seen = seen;
            }
            // The first final one stays: another answer to the same challenge would be a contradiction.
            Event::Found(finding) => {
                self.working = false;
                if !self.finding.as_ref().is_some_and(Finding::is_final) {
                    self.finding = Some(finding);
                }
            }
            Event::SendFailed(act) if self.asked == Some(act) => {
                // A refusal often comes from a state of the chain that passes: a moment's patience, and more of it
                // if it does not pass.
                let patience = 1 << self.tries.min(LONGEST_PATIENCE);
                self.tries = self.tries.saturating_add(1);
                self.asked = None;
                self.retry_at = Some(now.time.saturating_add(patience));
            }
            Event::Short => {
                self.asked = None;
                self.retry_at = Some(now.time.saturating_add(SHORT_PAUSE));
            }
            Event::SendFailed(_) | Event::Tick => {}
        }
    }

    fn mind_work(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let undone = !self.finding.as_ref().is_some_and(Finding::is_final);
        let wanted = undone
            && match self.seen {
                Seen::Open { until, .. } => {
                    // An answered demand or an acquittal made the window anew.
                    let anew = self.finding.is_none() || until > self.worked_until;
                    in_time(now, until) && (self.working || anew)
                }
                // It may be open again.
                Seen::Absent | Seen::Busy => self.working,
                Seen::Ours { .. } | Seen::Over => false,
            };
        if wanted == self.working {
            return;
        }
        self.working = wanted;
        match self.seen {
            Seen::Open { until, .. } if wanted => {
                self.worked_until = until;
                effects.push(Effect::Work { until });
            }
            _ => effects.push(Effect::StopWork),
        }
    }

    fn mind_challenge(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if let Seen::Ours {
            number,
            sealed: false,
            jury,
        } = &self.seen
            && now.time <= jury.commit_by
        {
            effects.push(Effect::Seal { number: *number });
        }
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
        let difference = self.difference()?;
        match &self.seen {
            Seen::Open {
                until,
                number,
                acquitted,
            } => {
                let wanted = in_time(now, *until) && !acquitted.contains(&difference.task);
                wanted.then_some(Act::Challenge { number: *number })
            }
            Seen::Ours { number, jury, .. } => match jury.stage(now.time) {
                Stage::Reveal { .. } if jury.awaits_answer => Some(Act::Answer { number: *number }),
                // The jurors are let go first.
                Stage::Due { since } if now.time >= since.saturating_add(now.margin) => {
                    Some(Act::Judge { number: *number })
                }
                _ => None,
            },
            Seen::Absent | Seen::Busy | Seen::Over => None,
        }
    }

    fn mind_end(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let is_final = now.block >= self.since.saturating_add(now.confirmations);
        let over = match (&self.finding, &self.seen) {
            // There is nothing to do about it, whatever becomes of it.
            (Some(Finding::Same | Finding::Unsteady { .. }), _) => true,
            (_, Seen::Over | Seen::Absent) => is_final,
            _ => false,
        };
        if over {
            self.ended = true;
            effects.extend([Effect::StopWork, Effect::Forget]);
        }
    }
}

fn in_time(now: Now, until: u64) -> bool {
    now.time.saturating_add(now.margin) <= until
}

#[cfg(test)]
mod tests;
