//! A job: its record, what the chain says of it, and whether image and input are here.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEventInterface as _;
use piecework_core::{
    chain::{IMarket, MarketEvent},
    spec::JobSpec,
    view::{JobView, StoredEvent},
};

use super::KEPT;
use crate::{
    input::Failure,
    take::{Offer, Why},
};

/// First wait after image or input could not be had, in milliseconds; it doubles.
const AFTER_FAILURE: u64 = 2_000;
/// Longest such wait.
const LONGEST_WAIT: u64 = 300_000;

/// Whether image and input are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    No,
    Working,
    Yes,
    /// Not now. It is tried again at this local time.
    Failed {
        why: String,
        until: u64,
        wait: u64,
    },
    Never(String),
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) job: IMarket::Job,
    pub(super) spec: Result<Arc<JobSpec>, Why>,
    pub(super) fee_bps: u16,
    /// When it was posted.
    pub(super) posted: u64,
    /// The block that holds its post.
    pub(super) block: u64,
    /// What the chain says of it now.
    pub(super) view: JobView,
    /// The same, without the events in `recent`.
    base: JobView,
    /// Events that a reorganization could take back.
    recent: VecDeque<StoredEvent>,
    pub(super) ready: Ready,
    /// Why it is not taken.
    pub(super) why: Option<Why>,
    /// Local time until which nothing of it is claimed.
    pub(super) rest_until: u64,
}

impl Job {
    /// The job that an event announces.
    pub(super) fn of(event: &StoredEvent) -> Option<Self> {
        let decoded = MarketEvent::decode_raw_log(event.log.topics(), &event.log.data);
        let Ok(MarketEvent::Posted(posted)) = decoded else {
            return None;
        };
        let spec = JobSpec::parse(&posted.spec);
        Some(Self {
            job: posted.job,
            spec: spec
                .map(Arc::new)
                .map_err(|error| Why::Spec(error.to_string())),
            fee_bps: posted.feeBps,
            posted: event.block.time,
            block: event.block.number,
            view: JobView::default(),
            base: JobView::default(),
            recent: VecDeque::new(),
            ready: Ready::No,
            why: None,
            rest_until: 0,
        })
    }

    /// Takes an event in. Returns the first task of the lease that it is about, and the provider that it names.
    pub(super) fn see(&mut self, event: StoredEvent) -> (Option<u32>, Option<Address>) {
        let decoded = MarketEvent::decode_raw_log(event.log.topics(), &event.log.data).ok();
        let first = decoded.as_ref().and_then(MarketEvent::first);
        let provider = match &decoded {
            Some(MarketEvent::Claimed(event)) => Some(event.provider),
            Some(MarketEvent::Joined(event)) => Some(event.provider),
            Some(MarketEvent::Committed(event)) => Some(event.provider),
            Some(MarketEvent::JurorJoined(event)) => Some(event.provider),
            Some(MarketEvent::VoteCommitted(event)) => Some(event.provider),
            _ => None,
        };
        self.view.see(&event);
        self.recent.push_back(event);
        (first, provider)
    }

    /// Forgets how to take back what is deep in the chain. Returns the head at which more of it can be forgotten, if anything
    /// is left to take back.
    pub(super) fn settle(&mut self, head: u64) -> Option<u64> {
        let deep = self
            .recent
            .partition_point(|event| event.block.number.saturating_add(KEPT) < head);
        for event in self.recent.drain(..deep) {
            self.base.see(&event);
        }
        let first = self.recent.front()?;
        Some(first.block.number.saturating_add(KEPT).saturating_add(1))
    }

    /// Takes back what is above a block. Returns whether there was anything.
    pub(super) fn rewind(&mut self, to: u64) -> bool {
        let left = self
            .recent
            .partition_point(|event| event.block.number <= to);
        if left == self.recent.len() {
            return false;
        }
        self.recent.truncate(left);
        self.view = self.base.clone();
        for event in &self.recent {
            self.view.see(event);
        }
        true
    }

    /// Whether no event of it is left.
    pub(super) fn is_empty(&self) -> bool {
        !self.view.posted
    }

    /// What evaluation looks at, with so many tasks asked for already.
    pub(super) fn offer<'a>(&'a self, refusal: Option<&'a Why>, asked: u32) -> Offer<'a> {
        Offer {
            job: &self.job,
            spec: match refusal {
                Some(why) => Err(why),
                None => self.spec.as_deref(),
            },
            fee_bps: self.fee_bps,
            view: &self.view,
            asked,
        }
    }

    pub(super) fn prepared(&mut self, local: u64, result: Result<(), Failure>) {
        self.ready = match result {
            Ok(()) => Ready::Yes,
            Err(failure) if failure.of_the_job => Ready::Never(failure.why),
            Err(Failure { why, .. }) => {
                let wait = match &self.ready {
                    Ready::Failed { wait, .. } => wait.saturating_mul(2).min(LONGEST_WAIT),
                    _ => AFTER_FAILURE,
                };
                Ready::Failed {
                    why,
                    until: local.saturating_add(wait),
                    wait,
                }
            }
        };
    }

    /// Image and input are being fetched. The wait after a failure is remembered.
    pub(super) fn begin_preparing(&mut self) {
        if let Ready::Failed { until, .. } = &mut self.ready {
            *until = u64::MAX;
        }
    }

    /// Chain time at which the job is over: its last round has run, and both juries have judged.
    pub(super) fn over_at(&self, times: &IMarket::Times) -> u64 {
        let timing = &self.job.timing;
        let jury = times
            .juryTime
            .saturating_add(timing.runWindow)
            .saturating_add(times.revealWindow)
            .saturating_add(times.respondWindow);
        timing
            .closesAt
            .saturating_add(timing.runWindow)
            .saturating_add(timing.auditWindow)
            .saturating_add(times.revealWindow)
            .saturating_add(times.retryWindow)
            .saturating_add(jury.saturating_mul(2))
    }

    /// Digest of its spec's bytes.
    pub(super) fn digest(&self) -> B256 {
        self.job.terms.spec
    }

    /// Whether a bond can be lost because others have another output.
    pub(super) fn can_be_judged(&self) -> bool {
        self.job.assurance.replicas > 1 || self.job.assurance.auditBps > 0
    }
}
