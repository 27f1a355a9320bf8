//! A lease as the store keeps it.

use super::{End, Key, Lease, Phase, Roots};
use crate::store::LeaseRow;

impl Phase {
    /// The word for it, in the store and in the status.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Audited => "audited",
            Self::Answering => "answering",
            Self::Judging => "judging",
            Self::Finalizing => "finalizing",
            Self::Leaving => "leaving",
            Self::Expiring => "expiring",
            Self::Absent => "absent",
            Self::Settled => "settled",
            Self::Lost => "lost",
            Self::Done(End::Paid) => "done-paid",
            Self::Done(End::Lost) => "done-lost",
            Self::Done(End::Vanished) => "done-vanished",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        const ALL: [Phase; 15] = [
            Phase::Running,
            Phase::Submitting,
            Phase::Submitted,
            Phase::Audited,
            Phase::Answering,
            Phase::Judging,
            Phase::Finalizing,
            Phase::Leaving,
            Phase::Expiring,
            Phase::Absent,
            Phase::Settled,
            Phase::Lost,
            Phase::Done(End::Paid),
            Phase::Done(End::Lost),
            Phase::Done(End::Vanished),
        ];
        ALL.into_iter().find(|phase| phase.name() == name)
    }
}

impl Lease {
    pub(crate) fn to_row(&self) -> LeaseRow {
        LeaseRow {
            job: self.key.job,
            first: self.key.first,
            round: self.key.round,
            count: self.count,
            phase: self.phase.name().to_owned(),
            started: self.started,
            since: self.since,
            tries: self.tries,
            root: self.roots.map(|roots| roots.root),
            list: self.roots.map(|roots| roots.list),
        }
    }

    /// `None` for a phase that this program does not know. When it can be finalized, and its audit, are asked of the chain
    /// again.
    pub(crate) fn from_row(row: &LeaseRow, run_window: u64) -> Option<Self> {
        let key = Key {
            job: row.job,
            first: row.first,
            round: row.round,
        };
        let roots = match (row.root, row.list) {
            (Some(root), Some(list)) => Some(Roots { root, list }),
            _ => None,
        };
        let mut lease = Self::new(key, row.count, row.started, run_window);
        lease.phase = Phase::parse(&row.phase)?;
        lease.since = row.since;
        lease.tries = row.tries;
        lease.roots = roots;
        Some(lease)
    }
}
