//! The words for a seat, and for the seats of its round together.

use alloy_primitives::B256;

use crate::view::lease;

/// A round's seats, or a jury's: of each a provider has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The lease's round.
    pub lease: lease::Key,
    /// 0 for a seat of the lease, 1 for one of its first jury, 2 for one of its second.
    pub kind: u8,
}

impl Key {
    /// Whether it is a seat in a jury.
    pub fn is_jurors(&self) -> bool {
        self.kind != 0
    }
}

/// What a seat votes for. Two zeros are a juror's abstention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Vote {
    /// The result's root; of a juror the output digest.
    pub value: B256,
    /// The address of the digest list; of a juror the keyed digest.
    pub proof: B256,
}

/// How a seat ended, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was paid, and the bond is back.
    Paid,
    /// The bond, or a part of it, is gone.
    Lost,
    /// The bond is back, and nothing was earned.
    Released,
    /// It was never taken, its holder left it for nothing, or its reservation was reorganized away: it may come back.
    Vanished,
}

/// What the chain says now of our seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mine {
    /// It is not taken.
    Absent,
    /// It is taken.
    Joined,
    /// It has a commitment.
    Committed,
    /// Its commitment was opened.
    Opened,
    /// It ended so.
    Closed(End),
}

/// What the chain says now of the seats together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whether the round has begun, or the jury is open. Before that nobody need work, and leaving costs nothing.
    pub begun: bool,
    /// Whether nothing comes of it any longer for a seat that is not taken, or whose round has not begun: the job is over,
    /// or all seats are taken.
    pub closed: bool,
    /// Last second in which the lease takes a new round.
    pub closes_at: u64,
    /// Last second to commit; of a jury that is not open the last second to open it. None there is of a round that has
    /// not begun.
    pub commit_by: u64,
    /// Seconds in which commitments can be opened.
    pub reveal_window: u64,
    /// Commitments without which there is no opening.
    pub quorum: u8,
    /// Commitments, opened or not.
    pub commits: u8,
    /// Commitments that were opened.
    pub opened: u8,
    /// When the last of all seats committed.
    pub full_at: Option<u64>,
    /// When something was opened last.
    pub opened_at: u64,
    /// When our seat is given up if its round has not begun by then.
    pub leave_at: u64,
    /// Our place among those that committed: a later one lets others go first.
    pub rank: u8,
}

/// What can be done with seats now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Commitments can be made.
    Commit,
    /// Commitments can be opened since `from`, until `until`.
    Reveal {
        /// First second to open.
        from: u64,
        /// Last second to open.
        until: u64,
    },
    /// Nothing is to be waited for since then: anyone may settle, or judge.
    Due {
        /// First second in which nothing is to be waited for.
        since: u64,
    },
}

impl Round {
    /// What can be done with the seats at `time`.
    pub fn stage(&self, time: u64) -> Stage {
        let from = match self.full_at {
            Some(at) => at,
            None if !self.begun || time <= self.commit_by => return Stage::Commit,
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
        if self.opened >= self.commits {
            let since = self.opened_at.max(from);
            Stage::Due { since }
        } else if time <= until {
            Stage::Reveal { from, until }
        } else {
            let since = until.saturating_add(1);
            Stage::Due { since }
        }
    }

    /// Whether one more opening is the last one.
    pub fn lacks_one_opening(&self) -> bool {
        self.opened.saturating_add(1) == self.commits
    }

    /// Whether as many opened as come before us.
    pub fn is_our_turn(&self) -> bool {
        self.opened >= self.rank
    }
}

impl End {
    /// The word for it, in a store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Vanished => "vanished",
        }
    }

    /// What the word means; none if it is no such word.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Paid, Self::Lost, Self::Released, Self::Vanished]
            .into_iter()
            .find(|end| end.name() == name)
    }
}
