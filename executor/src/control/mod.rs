//! The shell around the state machines of leases and seats: carries events in and effects out.
//!
//! One task owns them all. The store is the truth: after any failure the state is read again
//! and every machine asks again for the effects of its phase.

mod draws;
mod effects;
mod jobs;
mod juries;
mod leases;
mod points;
mod seats;
mod stake;
mod trials;
mod votes;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alloy::{
    primitives::{Address, B256},
    providers::DynProvider,
};
use piecework_core::{
    chain::{EventAt, IMarket},
    view::{Block, StoredEvent},
};
use piecework_net::chain::{
    beacon::{Beacon, Publication},
    decode_event,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::DropGuard;

use crate::{
    admin::Place,
    capacity::{Capacity, Reservation},
    clock::ChainClock,
    config::{ChainTiming, Policy},
    follow::Link,
    lease::{Key, Now},
    promise::Promised,
    seat::{self, Vote},
    sender::{Outcome, Sender},
    store::{JobRow, Store, StoreError},
    trial::Tried,
    work::{Failure, Workshop},
};

use jobs::JobEntry;
use leases::Held;
use seats::HeldSeat;
use votes::Leaf;

pub(crate) use leases::wished;

/// What reaches the control task.
#[derive(Debug)]
pub(crate) enum Message {
    /// The chain ends here now; these jobs were touched.
    Head {
        block: Block,
        touched: Vec<B256>,
    },
    /// All that the chain had when we started is read.
    Synced,
    /// A job's image and input are ready, or why not.
    Prepared {
        job: B256,
        result: Result<(), Failure>,
    },
    TaskDone {
        key: seat::Key,
    },
    /// A new spec was tried.
    Tried(Tried),
    /// The work of a lease or a seat is over.
    Worked {
        key: seat::Key,
        result: Result<Vote, Failure>,
    },
    /// What the provider before a jury committed to for the audited task, if it says so.
    Leaf {
        key: seat::Key,
        leaf: Option<Leaf>,
    },
    /// The call that publishes a seed, or none if there is nothing to publish now.
    Publication {
        point: u64,
        publication: Option<Publication>,
    },
}

/// What the owner asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    No,
    /// Take nothing, finish what is bonded.
    Finish,
}

/// Both queues of the control task; whoever runs it holds them.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::UnboundedReceiver<Message>,
    pub(crate) outcomes: mpsc::UnboundedReceiver<Outcome>,
    /// Whether the chain was read once up to its end.
    pub(crate) synced: bool,
}

/// What the control task works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) provider: Address,
    pub(crate) operator: Address,
    pub(crate) market: Address,
    pub(crate) chain_id: u64,
    pub(crate) times: IMarket::Times,
    pub(crate) rpc: DynProvider,
    /// Where seeds come from.
    pub(crate) beacon: Beacon,
    /// How the endpoint does.
    pub(crate) link: Link,
    pub(crate) store: Store,
    pub(crate) sender: Sender,
    pub(crate) shop: Workshop,
    /// For outputs of trials, until they are compared.
    pub(crate) scratch: PathBuf,
    pub(crate) clock: ChainClock,
    pub(crate) capacity: Capacity,
    /// Room for what is begun, while nobody did it.
    pub(crate) promised: Promised,
    pub(crate) lease_tasks: u32,
    pub(crate) policy: Policy,
    pub(crate) timing: ChainTiming,
    pub(crate) retention: crate::config::Retention,
    pub(crate) board: Place,
    pub(crate) stopping: watch::Receiver<Stopping>,
    /// Told when nothing bonded is unfinished.
    pub(crate) idle: Arc<watch::Sender<bool>>,
}

/// What is asked for, and not ours before it is mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// So many of a job's next tasks.
    Tasks(u32),
    /// A free lease.
    Lease,
    /// A seat of a round, or of a jury.
    Seat(seat::Key),
    /// Another point for the draw of these seats, whose own is dead.
    Renew(seat::Key),
    /// The end of a round that lapsed with nobody of it there to end it.
    Settle(seat::Key),
}

/// A claim on its way.
#[derive(Debug)]
struct Claim {
    job: B256,
    wish: Wish,
    bond: u128,
    room: Option<Reservation>,
    /// Then the room is of no use any more, whether the chain answers or not.
    room_until: Instant,
}

pub(crate) struct Control {
    tools: Tools,
    jobs: HashMap<B256, JobEntry>,
    leases: BTreeMap<Key, Held>,
    seats: BTreeMap<seat::Key, HeldSeat>,
    points: points::Points,
    /// What jurors of ours need of the providers they judge.
    leaves: votes::Leaves,
    /// Providers' numbers, by which seats are named.
    numbers: HashMap<Address, u32>,
    claims: HashMap<String, Claim>,
    /// Those of them that were found mined before the chain was read.
    mined_early: Vec<String>,
    head: Option<Block>,
    synced: bool,
    stake: stake::Stake,
    trials: trials::Trials,
    /// Clients that have paid us.
    clients: HashSet<Address>,
    /// Makes claims' ids unique within one second.
    counter: u32,
    /// Leases and seats for which the end was counted.
    settled: u64,
    lost: u64,
    tidied: bool,
    /// Outputs that are owed fill what the owner gives them.
    disk_full: bool,
    housekept: Instant,
    /// Ends all work of this control task when it ends.
    works: DropGuard,
}

impl Control {
    /// Reads the state and works until the store fails.
    pub(crate) async fn run(tools: Tools, inbox: &mut Inbox) -> Result<(), ControlError> {
        let (promised, store) = (tools.promised.clone(), tools.store.clone());
        let (capacity, mut control) = (tools.capacity.clone(), None);
        let ended = async {
            let control = control.insert(Self::load(tools, inbox.synced).await?);
            control.serve(inbox).await
        };
        let ended = ended.await;
        if ended.is_err() {
            // It is started again in a while: no other chain takes the room of what is bonded here.
            promised.renew(&store, &capacity).await;
        }
        drop(control);
        ended
    }

    async fn serve(&mut self, inbox: &mut Inbox) -> Result<(), ControlError> {
        let mut tick =
            tokio::time::interval(self.tools.timing.poll.max(Duration::from_millis(100)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut stopping = self.tools.stopping.clone();
        loop {
            tokio::select! {
                message = inbox.messages.recv() => match message {
                    Some(message) => {
                        inbox.synced |= matches!(message, Message::Synced);
                        self.message(message).await?;
                    }
                    None => return Ok(()),
                },
                outcome = inbox.outcomes.recv() => match outcome {
                    Some(outcome) => self.outcome(outcome).await?,
                    None => return Ok(()),
                },
                _ = stopping.changed() => {}
                _ = tick.tick() => self.tick().await?,
            }
            // What else is there already is taken together: one look at all jobs for all of it.
            while let Ok(outcome) = inbox.outcomes.try_recv() {
                self.outcome(outcome).await?;
            }
            while let Ok(message) = inbox.messages.try_recv() {
                inbox.synced |= matches!(message, Message::Synced);
                self.message(message).await?;
            }
            self.take_work().await?;
            self.report();
        }
    }

    fn now(&self) -> Now {
        Now {
            time: self.tools.clock.now(),
            block: self.head.map_or(0, |head| head.number),
            margin: self.tools.timing.margin,
            confirmations: self.tools.timing.confirmations,
        }
    }

    fn is_stopping(&self) -> bool {
        *self.tools.stopping.borrow() != Stopping::No
    }

    async fn message(&mut self, message: Message) -> Result<(), ControlError> {
        match message {
            Message::Head { block, touched } => {
                self.head = Some(block);
                for job in touched {
                    self.refresh(job).await?;
                }
                self.stake.stale = true;
            }
            Message::Synced => self.sync().await?,
            Message::Prepared { job, result } => self.prepared(job, result),
            Message::TaskDone { key } => self.task_done(key),
            Message::Tried(tried) => self.tried(tried).await?,
            Message::Worked { key, result } => self.worked(key, result).await?,
            Message::Leaf { key, leaf } => self.leaves.learn(key, leaf),
            Message::Publication { point, publication } => {
                self.publish_seed(point, publication).await?;
            }
        }
        Ok(())
    }

    async fn outcome(&mut self, outcome: Outcome) -> Result<(), ControlError> {
        match outcome {
            Outcome::Mined { id, receipt } => {
                let known = id.clone();
                let claim = if self.synced {
                    self.claims.remove(&id)
                } else {
                    // Before the chain is read nothing is made of it, and it keeps its room.
                    self.mined_early.push(id);
                    None
                };
                let events: Vec<EventAt> = receipt
                    .logs()
                    .iter()
                    .filter_map(|log| decode_event(log, self.tools.market).ok())
                    .collect();
                self.take_in(&receipt, events, claim).await?;
                self.came_to_nothing(&known).await
            }
            Outcome::Refused { id, revert } => self.not_sent(&id, &revert.to_string()).await,
            Outcome::Reverted { id } => self.not_sent(&id, "it reverted in its block").await,
            Outcome::GivenUp { id, why } => self.not_sent(&id, &why).await,
        }
    }

    /// Events of a receipt are known before the follower gets to their block.
    async fn take_in(
        &mut self,
        receipt: &alloy::rpc::types::TransactionReceipt,
        events: Vec<EventAt>,
        claim: Option<Claim>,
    ) -> Result<(), ControlError> {
        let mut rows = Vec::new();
        for (event, log) in events.iter().zip(receipt.logs()) {
            let Some(time) = self
                .block_time(log.block_timestamp, event.block_hash)
                .await?
            else {
                continue;
            };
            rows.extend(stored(event, time));
        }
        let jobs: Vec<B256> = rows.iter().map(|row| row.job).collect();
        self.tools.store.add_events(rows).await?;
        let mut room = claim.and_then(|claim| claim.room);
        for job in jobs {
            self.refresh_with(job, &mut room).await?;
        }
        self.stake.stale = true;
        Ok(())
    }

    async fn block_time(
        &self,
        known: Option<u64>,
        hash: B256,
    ) -> Result<Option<u64>, ControlError> {
        use alloy::providers::Provider as _;
        if known.is_some() {
            return Ok(known);
        }
        // If the node does not answer now, the follower brings the event with its block.
        let block = self.tools.rpc.get_block_by_hash(hash).await.ok().flatten();
        Ok(block.map(|block| block.header.timestamp))
    }
}

/// An event as the store keeps it; `None` for those of no job.
pub(crate) fn stored(at: &EventAt, time: u64) -> Option<StoredEvent> {
    let job = at.event.job_id()?;
    let block = Block {
        number: at.block,
        hash: at.block_hash,
        time,
    };
    let log = alloy::primitives::IntoLogData::to_log_data(&at.event);
    Some(StoredEvent {
        block,
        log_index: at.log_index,
        tx: at.tx_hash,
        job,
        log,
    })
}

/// The job that an event announces.
pub(crate) fn posted(at: &EventAt) -> Option<JobRow> {
    use alloy::sol_types::SolValue as _;
    match &at.event {
        piecework_core::chain::MarketEvent::Posted(event) => Some(JobRow {
            id: event.jobId,
            abi: event.job.abi_encode(),
            spec: event.spec.to_vec(),
            fee_bps: event.feeBps,
        }),
        _ => None,
    }
}

/// Why the control task stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] rand::rand_core::OsError),
}
