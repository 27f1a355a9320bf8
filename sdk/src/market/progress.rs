//! A job's life as a stream.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use futures::Stream;

use super::config::ANVIL_CHAIN;
use super::run::Run;
use super::view::{JobView, Tally};
use crate::Error;
use crate::chain::IMarket::{How, Reason};
use crate::chain::{ChainError, EventAt, Follower, MarketEvent, Message};

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

/// What can happen to a job. Amounts are units of the market's token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It was posted, and this much went into escrow.
    Posted {
        /// Units in escrow.
        escrow: u128,
    },
    /// A provider took tasks `[first, first + count)`.
    Leased {
        /// Who.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Units that one of them is paid.
        price: u128,
        /// 1, or more if others gave the lease up before.
        round: u16,
    },
    /// A provider submitted a lease's result; from now on it can be fetched.
    Submitted {
        /// Who.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// The result root.
        root: B256,
    },
    /// A lease's result is final and paid.
    Settled {
        /// Who ran it.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// How it became final.
        how: How,
        /// Units to the provider.
        paid: u128,
        /// Units to the protocol.
        fee: u128,
        /// Units back to the client.
        refunded: u128,
    },
    /// A provider gave a lease up, or was late; another one can take it.
    Freed {
        /// Who.
        provider: Address,
        /// First task.
        first: u32,
        /// Why.
        reason: Reason,
        /// Units that it lost of its bond.
        burned: u128,
    },
    /// Tasks will not be run; their escrow went back to the client.
    Refunded {
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Units back to the client.
        units: u128,
    },
    /// The client cancelled: no new leases.
    Cancelled,
    /// The chain was reorganized and this step did not happen after all.
    Undone {
        /// The event's name.
        event: &'static str,
        /// First task, for a lease's event.
        first: Option<u32>,
    },
    /// The node does not answer; it is asked again.
    Stalled {
        /// What it said.
        reason: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = |first: &u32, count: &u32| first.saturating_add(count.saturating_sub(1));
        match self {
            Self::Posted { escrow } => write!(f, "posted; {escrow} units in escrow"),
            Self::Leased {
                provider,
                first,
                count,
                price,
                round,
            } => {
                write!(
                    f,
                    "{provider} took tasks {first}-{} at {price} each",
                    last(first, count)
                )?;
                if *round > 1 {
                    write!(f, " (round {round})")
                } else {
                    Ok(())
                }
            }
            Self::Submitted {
                provider,
                first,
                count,
                ..
            } => {
                write!(
                    f,
                    "{provider} submitted tasks {first}-{}",
                    last(first, count)
                )
            }
            Self::Settled {
                provider,
                first,
                count,
                paid,
                refunded,
                ..
            } => {
                write!(
                    f,
                    "tasks {first}-{} settled: {paid} units to {provider}, {refunded} back",
                    last(first, count)
                )
            }
            Self::Freed {
                provider,
                first,
                reason,
                burned,
            } => {
                write!(
                    f,
                    "{provider} left the lease at task {first} ({reason:?}), losing {burned} units; others can take it"
                )
            }
            Self::Refunded {
                first,
                count,
                units,
            } => {
                write!(
                    f,
                    "tasks {first}-{} will not run: {units} units back",
                    last(first, count)
                )
            }
            Self::Cancelled => f.write_str("cancelled: no new leases"),
            Self::Undone {
                event,
                first: Some(first),
            } => write!(
                f,
                "reorg: {event} of the lease at task {first} did not happen"
            ),
            Self::Undone { event, first: None } => write!(f, "reorg: {event} did not happen"),
            Self::Stalled { reason } => {
                write!(f, "the node does not answer, trying again: {reason}")
            }
        }
    }
}

/// How often is looked whether something is overdue that nobody else has done.
fn tending(chain_id: u64) -> Duration {
    Duration::from_secs(if chain_id == ANVIL_CHAIN { 3 } else { 60 })
}

impl Run {
    /// The job's life from its posting on; ends when every task is settled or refunded.
    ///
    /// While it is polled by a market with a key, it also does what anyone may and nobody else did:
    /// it refunds what a closed job left over, and settles results whose provider forgot.
    pub fn progress(&self) -> impl Stream<Item = Result<Progress, Error>> + Send + 'static {
        let run = self.clone();
        async_stream::stream! {
            let market = run.market();
            let mut follower = Follower::start(
                market.provider().clone(), market.chain_id(), market.address(), run.posted_block(),
            );
            let mut tend = tokio::time::interval(tending(market.chain_id()));
            tend.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut events: Vec<EventAt> = Vec::new();
            let mut view = JobView::new(run.tasks());
            let mut waiting = Vec::new();
            loop {
                let message = tokio::select! {
                    message = follower.next() => message,
                    _ = tend.tick() => {
                        run.tend(&view).await;
                        continue;
                    }
                };
                match message {
                    Ok(Message::Added(at)) if at.event.job_id() == Some(run.id()) => {
                        view.apply(&at);
                        if let Some(step) = run.step(&at, &view) {
                            waiting.push(run.progressed(step, &view, Some(&at)));
                        }
                        events.push(at);
                    }
                    Ok(Message::Removed(at)) if at.event.job_id() == Some(run.id()) => {
                        events.retain(|known| known != &at);
                        view = JobView::of(run.tasks(), &events);
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

    fn step(&self, at: &EventAt, view: &JobView) -> Option<Step> {
        let count = |first: u32| view.leases.get(&first).map_or(0, |lease| lease.count);
        Some(match &at.event {
            MarketEvent::Posted(_) => Step::Posted {
                escrow: self.escrow(),
            },
            MarketEvent::Claimed(event) => Step::Leased {
                provider: event.provider,
                first: event.first,
                count: event.count,
                price: event.price,
                round: event.round,
            },
            MarketEvent::Submitted(event) => Step::Submitted {
                provider: event.provider,
                first: event.first,
                count: count(event.first),
                root: event.root,
            },
            MarketEvent::Settled(event) => Step::Settled {
                provider: view
                    .leases
                    .get(&event.first)
                    .map_or(Address::ZERO, |lease| lease.provider),
                first: event.first,
                count: count(event.first),
                how: event.how,
                paid: event.paid,
                fee: event.fee,
                refunded: event.refunded,
            },
            MarketEvent::Freed(event) => Step::Freed {
                provider: event.provider,
                first: event.first,
                reason: event.reason,
                burned: event.burned,
            },
            MarketEvent::Refunded(event) => Step::Refunded {
                first: event.first,
                count: event.count,
                units: event.refunded,
            },
            MarketEvent::Cancelled(_) => Step::Cancelled,
            _ => return None,
        })
    }

    /// Does what is overdue; failures are left to the next time (someone else may be first).
    async fn tend(&self, view: &JobView) {
        if self.market().sender().is_err() {
            return;
        }
        let done = async {
            self.close_if_over(view).await?;
            self.finalize_overdue(view).await
        };
        match done.await {
            Ok(()) | Err(Error::Chain(ChainError::Reverted { tx: None, .. })) => {}
            Err(error) => {
                tracing::warn!(%error, code = error.code(), job = %self.id(), "could not tend the job")
            }
        }
    }
}
