//! A job's life as a stream.

use std::time::Duration;

use alloy::primitives::B256;
use futures::Stream;

use super::config::ANVIL_CHAIN;
use super::run::Run;
use super::step::Step;
use super::view::{JobView, Tally};
use crate::Error;
use crate::chain::{EventAt, Follower, Message};

/// One step of a job, and where all its tasks stand after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What happened.
    pub step: Step,
    /// Tasks by where they stand now.
    pub tally: Tally,
    /// All tasks.
    pub total: u32,
    /// Block in which it happened; 0 for what did not happen on chain.
    pub block: u64,
    /// Time of that block in Unix seconds.
    pub time: u64,
    /// The transaction; zero for what did not happen on chain.
    pub tx_hash: B256,
}

/// The pause before a node that did not answer is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a waiting client looks whether something is overdue that nobody else has done.
fn upkeep_interval(chain_id: u64) -> Duration {
    Duration::from_secs(if chain_id == ANVIL_CHAIN { 2 } else { 60 })
}

impl Run {
    /// The job's life from its posting on; ends when every task is settled, void or refunded. It only reads the chain.
    pub fn progress(&self) -> impl Stream<Item = Result<Progress, Error>> + Send + 'static {
        self.follow(false)
    }

    /// As [`Run::progress`], and while it is polled by a market with a key it sends what is overdue ([`Run::upkeep`]).
    pub fn progress_with_upkeep(
        &self,
    ) -> impl Stream<Item = Result<Progress, Error>> + Send + 'static {
        self.follow(true)
    }

    fn follow(&self, upkeep: bool) -> impl Stream<Item = Result<Progress, Error>> + Send + 'static {
        let run = self.clone();
        async_stream::stream! {
            let market = run.market();
            let mut follower = Follower::start(
                market.provider().clone(), market.chain_id(), market.address(), run.posted_block(),
            );
            let mut tick = tokio::time::interval(upkeep_interval(market.chain_id()));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut events: Vec<EventAt> = Vec::new();
            let mut view = JobView::new(run.job());
            let mut waiting = Vec::new();
            loop {
                let message = tokio::select! {
                    message = follower.next() => message,
                    _ = tick.tick(), if upkeep => {
                        Box::pin(run.send_due_acts(&view)).await;
                        continue;
                    }
                };
                match message {
                    Ok(Message::Added(at)) if at.event.job_id() == Some(run.id()) => {
                        while let Err(error) = Box::pin(run.see(&mut view, &at)).await {
                            yield Ok(run.stalled(&error, &view));
                            tokio::time::sleep(PAUSE).await;
                        }
                        if let Some(step) = Step::of(&run, &at, &view) {
                            waiting.push(run.progressed(step, &view, Some(&at)));
                        }
                        events.push(at);
                    }
                    Ok(Message::Removed(at)) if at.event.job_id() == Some(run.id()) => {
                        events.retain(|known| known != &at);
                        view = JobView::new(run.job());
                        for at in &events {
                            while let Err(error) = Box::pin(run.see(&mut view, at)).await {
                                yield Ok(run.stalled(&error, &view));
                                tokio::time::sleep(PAUSE).await;
                            }
                        }
                        let step = Step::Undone { event: at.event.name(), first: at.event.first() };
                        waiting.push(run.progressed(step, &view, Some(&at)));
                    }
                    Ok(Message::Added(_) | Message::Removed(_)) => {}
                    Ok(Message::Head(head)) => {
                        for mut progress in waiting.drain(..) {
                            progress.time = head.timestamp;
                            yield Ok(progress);
                        }
                        if view.is_over() {
                            break;
                        }
                    }
                    Ok(Message::Unreadable(error)) => tracing::warn!(%error, code = error.code(), "unreadable log"),
                    Ok(Message::Down { reason, .. }) => {
                        yield Ok(run.progressed(Step::Stalled { reason }, &view, None));
                    }
                    Err(error) => {
                        yield Err(Error::Chain(error));
                        break;
                    }
                }
            }
        }
    }

    fn progressed(&self, step: Step, view: &JobView, at: Option<&EventAt>) -> Progress {
        Progress {
            step,
            tally: view.tally(),
            total: self.tasks(),
            block: at.map_or(0, |at| at.block),
            time: 0,
            tx_hash: at.map_or(B256::ZERO, |at| at.tx_hash),
        }
    }

    fn stalled(&self, error: &Error, view: &JobView) -> Progress {
        let reason = error.to_string();
        self.progressed(Step::Stalled { reason }, view, None)
    }
}
