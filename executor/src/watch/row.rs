//! A watched result as the store keeps it. What the chain says of it is not kept: it is read again.

use super::{Difference, Finding, Key, Watched};
use crate::{lease, store::WatchedRow};

impl Finding {
    /// The word for it, in the store and in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs(_) => "differs",
            Self::Unsteady { .. } => "unsteady",
            Self::Unserved => "unserved",
            Self::Unobtainable => "unobtainable",
            Self::Unfinished => "unfinished",
        }
    }

    fn parse(row: &WatchedRow) -> Option<Self> {
        Some(match row.finding.as_deref()? {
            "same" => Self::Same,
            "differs" => Self::Differs(Difference {
                task: row.task?,
                theirs: row.theirs?,
                proof: row.proof.clone(),
                right: row.right?,
            }),
            "unsteady" => Self::Unsteady { task: row.task? },
            "unserved" => Self::Unserved,
            "unobtainable" => Self::Unobtainable,
            _ => Self::Unfinished,
        })
    }
}

impl Watched {
    pub(crate) fn to_row(&self) -> WatchedRow {
        let difference = self.difference();
        let task = match &self.finding {
            Some(Finding::Unsteady { task }) => Some(*task),
            _ => difference.map(|found| found.task),
        };
        let (lease, root) = (self.key.lease, self.key.root);
        WatchedRow {
            job: lease.job,
            first: lease.first,
            round: lease.round,
            root,
            sample: self.sample.clone(),
            finding: self.finding.as_ref().map(|found| found.name().to_owned()),
            task,
            theirs: difference.map(|found| found.theirs),
            proof: difference.map_or(Vec::new(), |found| found.proof.clone()),
            right: difference.map(|found| found.right),
            tries: self.tries,
            ended: self.ended,
        }
    }

    /// What was written, of which the chain has said nothing yet.
    pub(crate) fn from_row(row: &WatchedRow) -> Self {
        let mut watched = Self::new(row.key(), row.sample.clone());
        watched.finding = Finding::parse(row);
        watched.tries = row.tries;
        watched.ended = row.ended;
        watched
    }

    /// The word for where it stands, in the log.
    pub(crate) fn phase(&self) -> &'static str {
        use super::{Act, Seen};
        match (&self.finding, &self.seen, self.asked) {
            (_, _, Some(Act::Challenge { .. })) => "challenging",
            (_, _, Some(Act::Answer { .. })) => "answering",
            (_, _, Some(Act::Judge { .. })) => "judging",
            (_, Seen::Ours { .. }, None) => "challenged",
            _ if self.working => "running",
            (Some(finding), ..) => finding.name(),
            (None, ..) => "sampled",
        }
    }
}

impl WatchedRow {
    pub(crate) fn key(&self) -> Key {
        let lease = lease::Key {
            job: self.job,
            first: self.first,
            round: self.round,
        };
        Key {
            lease,
            root: self.root,
        }
    }
}
