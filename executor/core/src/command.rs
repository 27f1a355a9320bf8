//! What the machine wants done. Commands are carried out in their order; those that [must be on disk](Command::is_durable)
//! are, before any later one is begun. Each can be repeated.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use piecework_core::{
    spec::JobSpec,
    view::seat::{Key as SeatId, Vote},
};

use crate::{
    duty::{End, Reach, seat::Tasks},
    input::Question,
    intent::Intent,
};

/// Something to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Write down what a duty is bound to. Another vote for the same one must never be signed.
    Bind {
        /// Which duty.
        seat: SeatId,
        /// Its tasks.
        tasks: Tasks,
        /// What it is bound to.
        vote: Vote,
    },
    /// Write a transaction down, then send it.
    Send(Intent),
    /// Write down that a duty is over.
    Over(Over),
    /// Forget a job. This machine's part in it is over, so its events may be deleted.
    Forget {
        /// The job.
        job: B256,
    },
    /// Ask the world. `urgent`: a duty waits for the answer.
    Ask {
        /// What.
        question: Question,
        /// Whether a duty waits for it.
        urgent: bool,
    },
    /// Fetch a job's image and input.
    Prepare {
        /// The job.
        job: B256,
        /// Its spec.
        spec: Arc<JobSpec>,
        /// Digest of the spec's bytes.
        digest: B256,
    },
    /// Run what has no outcome yet of a duty.
    Run(Order),
    /// Let more tasks of what runs run at the same time.
    Widen {
        /// Which duty.
        seat: SeatId,
        /// How many more.
        more: u32,
    },
    /// Give running tasks up.
    StopWork {
        /// Which duty.
        seat: SeatId,
    },
    /// Run a task of a new spec twice.
    Try {
        /// A job with that spec.
        job: B256,
        /// The task.
        task: u32,
        /// The spec.
        spec: Arc<JobSpec>,
        /// Digest of the spec's bytes.
        digest: B256,
    },
    /// Give a trial up.
    StopTrial {
        /// Digest of the spec's bytes.
        spec: B256,
    },
    /// Serve a duty's outputs to these readers.
    Serve {
        /// Which duty.
        seat: SeatId,
        /// Its tasks.
        tasks: Tasks,
        /// To whom.
        reach: Reach,
    },
}

impl Command {
    /// Whether it must be on disk before a later command is begun.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        matches!(
            self,
            Self::Bind { .. } | Self::Send(_) | Self::Over(_) | Self::Forget { .. }
        )
    }
}

/// Tasks to run.
#[derive(Clone, Debug)]
pub struct Order {
    /// For which duty.
    pub seat: SeatId,
    /// The tasks.
    pub tasks: Tasks,
    /// How many may run at the same time.
    pub parallel: u32,
    /// A juror's key for the second digest of its one task.
    pub keyed: Option<B256>,
    /// Whether others run its tasks too, so that a bond is lost if they see another outcome.
    pub judged: bool,
    /// Whether a juror votes for no outcome that may come of the machine, however often it sees it.
    pub strict: bool,
    /// The spec.
    pub spec: Arc<JobSpec>,
    /// Digest of the spec's bytes.
    pub digest: B256,
    /// Last second in which giving up is free.
    pub free_until: u64,
    /// Last second in which a result helps.
    pub deadline: u64,
}

/// The end of a duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// Which duty.
    pub seat: SeatId,
    /// Its tasks.
    pub tasks: Tasks,
    /// The job's client.
    pub client: Address,
    /// How it ended.
    pub end: End,
    /// Why, where something was lost.
    pub why: Option<String>,
    /// The most that was lost, in the token's smallest unit.
    pub lost: u128,
}
