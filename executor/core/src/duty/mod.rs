//! Duties: leases and seats that are ours. What should be going on for one follows from what the chain says of it *now*, from
//! what is known of its work, and from the time; never from what was asked for before. So a reorganization and a restart are
//! ordinary.

pub mod lease;
pub mod seat;

use piecework_core::view::{lease::Roots, seat::Vote};

pub use lease::Lease;
pub use seat::Seat;

/// Who may fetch a duty's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The job's client.
    Client,
    /// The same; and everybody the digest list.
    List,
    /// Everybody.
    Everybody,
}

/// A call to the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Submit a lease's result.
    Submit(Roots),
    /// Give a lease, or a seat of one, up.
    Leave,
    /// Settle a submitted lease.
    Finalize,
    /// End a round that is late.
    Expire,
    /// Have the jury over our result judged, 1 or 2.
    Judge(u8),
    /// Commit a seat's vote. It takes the seat too, if that is not reserved.
    Commit(Vote),
    /// Open what a seat committed to.
    Open,
    /// Settle a seat's round, or have it judged.
    Settle,
}

/// What is lost, and when, if nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Last second of chain time in which doing it helps.
    pub until: u64,
    /// The most that is lost without it, in the token's smallest unit.
    pub at_stake: u128,
}

/// How a duty ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It was paid.
    Paid,
    /// The bond, or a part of it, is gone.
    Lost,
    /// The bond is back, and nothing was earned.
    Released,
    /// It was never taken, or a reorganization took it away. It may come back.
    Vanished,
}

impl End {
    /// Its name in databases.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Vanished => "vanished",
        }
    }

    /// The end of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Paid, Self::Lost, Self::Released, Self::Vanished];
        all.into_iter().find(|end| end.name() == name)
    }
}

/// What should be going on for a duty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Its tasks should run.
    pub work: bool,
    /// What should be on its way to the market.
    pub act: Option<Act>,
    /// Last second in which the act helps, and what it saves.
    pub act_owed: Option<Owed>,
    /// Who should be able to fetch its outputs.
    pub serve: Option<Reach>,
    /// Until when this machine is needed for it, and what is lost otherwise.
    pub owed: Option<Owed>,
    /// How it ended; once that is final, the duty is over.
    pub end: Option<End>,
}

/// What is known of a duty's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work<T> {
    /// It is not done yet.
    #[default]
    Undone,
    /// It is done, with this result. The first result stays: another one would contradict it.
    Done(T),
    /// It cannot be done here.
    Failed,
}

impl<T: Copy> Work<T> {
    /// The result.
    pub fn result(&self) -> Option<T> {
        match self {
            Self::Done(result) => Some(*result),
            Self::Undone | Self::Failed => None,
        }
    }

    /// Whether nothing is known of it yet.
    pub fn is_undone(&self) -> bool {
        matches!(self, Self::Undone)
    }
}
