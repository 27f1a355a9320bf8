//! The loop of one chain: what happened goes into the machine, what it commands is written down and then done.
//!
//! ```text
//! follower, sender, sandbox, node ─► inbox ─► Machine::step ─► commit ─► sender, sandbox, questions
//! ```
//!
//! The machine decides everything, and the store is the truth. After any failure the machine is loaded from the store again,
//! and commands what is to be done.

mod act;
mod again;
mod ask;
mod house;
mod load;
mod report;
mod share;

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256},
    providers::DynProvider,
};
use piecework_core::view::seat::Key as SeatId;
use piecework_executor_core::{
    Input, Machine, Now, capacity::Amount, machine::Settings, secret::Secret,
};
use piecework_net::chain::beacon::Beacon;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    admin::{Asking, Place},
    clock::ChainClock,
    config::{ChainTiming, Retention},
    follow::{Feed, Link},
    sender::{Outcome, Sender},
    status::Stopping,
    store::{Store, StoreError},
    work::Workshop,
};

pub(crate) use ask::is_sent_by_us;
pub(crate) use load::{Left, Loading};
pub(crate) use share::Shares;

use ask::Questions;
use report::Report;

/// How long a machine waits at start for the chain's time, before it begins without it.
const FIRST_WORD: Duration = Duration::from_secs(3);
/// The pause between two looks for it.
const LOOK: Duration = Duration::from_millis(20);
/// Shortest time between two ticks.
const SHORTEST_TICK: Duration = Duration::from_millis(100);

/// What can be done while the chain's node is reached.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) rpc: DynProvider,
    /// Where seeds come from.
    pub(crate) beacon: Beacon,
    pub(crate) sender: Sender,
}

/// Both queues of the loop. The loop holds them while it runs.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) inputs: mpsc::UnboundedReceiver<Input>,
    pub(crate) outcomes: mpsc::UnboundedReceiver<Outcome>,
}

/// What the loop works with.
#[derive(Clone)]
pub(crate) struct Tools {
    /// The chain's name.
    pub(crate) name: String,
    pub(crate) provider: Address,
    pub(crate) operator: Address,
    pub(crate) market: Address,
    pub(crate) chain_id: u64,
    /// What salts are derived from.
    pub(crate) secret: Secret,
    pub(crate) settings: Settings,
    pub(crate) timing: ChainTiming,
    pub(crate) retention: Retention,
    pub(crate) store: Store,
    pub(crate) shop: Workshop,
    pub(crate) clock: ChainClock,
    /// When this process began.
    pub(crate) began: Instant,
    /// The node, while it is reached.
    pub(crate) node: watch::Receiver<Option<Node>>,
    /// Why it is not reached, in words.
    pub(crate) unreached: watch::Receiver<Option<String>>,
    /// How the node does.
    pub(crate) link: Link,
    pub(crate) feed: Feed,
    /// What all chains take of the machine.
    pub(crate) shares: Shares,
    pub(crate) board: Place,
    /// What the owner asks about jobs. The loop holds it while it runs.
    pub(crate) asking: Asking,
    pub(crate) stopping: watch::Receiver<Stopping>,
    /// Told when nothing bonded is unfinished.
    pub(crate) idle: Arc<watch::Sender<bool>>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tools {
    fn now(&self) -> Now {
        let local = self.began.elapsed().as_millis();
        Now {
            time: self.clock.now(),
            local: u64::try_from(local).unwrap_or(u64::MAX),
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow() != Stopping::No
    }
}

/// Why the loop stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShellError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Duties without the market's times cannot be judged.
    #[error("the market's times are not known yet")]
    NoTimes,
}

impl crate::supervise::MayPass for ShellError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Store(error) if error.may_pass())
    }
}

/// The work of a duty.
struct Running {
    /// The key under which a juror does it.
    keyed: Option<B256>,
    /// Ends it.
    cancel: CancellationToken,
    /// A permit for each of its tasks that may run at the same time.
    room: Arc<Semaphore>,
}

/// The machine of one chain, and what goes on for it.
pub(crate) struct Shell {
    tools: Tools,
    machine: Machine,
    /// The work of duties.
    works: HashMap<SeatId, Running>,
    /// Ends a trial, by the digest of its spec.
    trials: HashMap<B256, CancellationToken>,
    /// Ends attempts to serve a duty's outputs.
    serving: HashMap<SeatId, CancellationToken>,
    questions: Questions,
    report: Report,
    house: house::House,
    again: again::Again,
    /// Ends everything that goes on for this machine when it goes.
    ended: DropGuard,
}

impl Shell {
    /// Loads the machine and runs it until the store fails.
    pub(crate) async fn run(tools: Tools, inbox: &mut Inbox) -> Result<(), ShellError> {
        first_word(&tools).await;
        loop {
            let mut rereads = tools.feed.rereads();
            let (mut shell, inputs) = Self::load(tools.clone(), inbox).await?;
            rereads.mark_unchanged();
            tokio::select! {
                ended = shell.serve(inbox, inputs) => return ended,
                // The chain is read from its first block again: so is the machine loaded.
                _ = rereads.changed() => {}
            }
        }
    }

    async fn serve(&mut self, inbox: &mut Inbox, first: Vec<Input>) -> Result<(), ShellError> {
        let mut tick = tokio::time::interval(self.tools.timing.poll.max(SHORTEST_TICK));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stopping = self.tools.stopping.clone();
        let mut asking = self.tools.asking.clone().lock_owned().await;
        self.step(first).await?;
        let mut inputs = self.known_outcomes().await?;
        if self.tools.is_stopping() {
            inputs.push(Input::Stop);
        }
        loop {
            self.step(std::mem::take(&mut inputs)).await?;
            tokio::select! {
                input = inbox.inputs.recv() => match input {
                    Some(input) => inputs.push(input),
                    None => return Ok(()),
                },
                outcome = inbox.outcomes.recv() => match outcome {
                    Some(outcome) => inputs.extend(self.hear(outcome)),
                    None => return Ok(()),
                },
                Ok(()) = stopping.changed() => inputs.push(Input::Stop),
                Some(asked) = asking.recv() => asked.answer(&self.machine),
                _ = tick.tick() => {
                    inputs.push(Input::Tick);
                    self.keep_house().await;
                    self.look_again();
                }
            }
            // What else is there already is taken in together.
            while let Ok(outcome) = inbox.outcomes.try_recv() {
                inputs.extend(self.hear(outcome));
            }
            while let Ok(input) = inbox.inputs.try_recv() {
                inputs.push(input);
            }
        }
    }

    /// One step of the machine, and everything that it commands.
    async fn step(&mut self, inputs: Vec<Input>) -> Result<(), ShellError> {
        let stops = inputs.iter().any(|input| matches!(input, Input::Stop));
        // What is told costs as much as there are duties: a tick is often enough.
        let tells = stops || inputs.iter().any(|input| matches!(input, Input::Tick));
        for input in &inputs {
            match input {
                Input::Worked { seat, keyed, .. } => {
                    let is_same = |running: &Running| running.keyed == *keyed;
                    if self.works.get(seat).is_some_and(is_same) {
                        self.works.remove(seat);
                    }
                }
                Input::Served { seat, .. } => _ = self.serving.remove(seat),
                Input::Tried { spec, .. } | Input::TrialFailed { spec, .. } => {
                    self.trials.remove(spec);
                }
                _ => {}
            }
        }
        let (now, machine) = (self.tools.now(), &mut self.machine);
        let commands = self.tools.shares.step(&self.tools.name, |elsewhere| {
            let commands = machine.step(now, elsewhere, inputs);
            (commands, machine.used(), load::longest(machine, now))
        });
        if !commands.is_empty() {
            self.carry_out(commands).await?;
        }
        if stops {
            self.tell_obligations();
        }
        if tells {
            self.tell();
        }
        Ok(())
    }
}

/// Waits a moment until the follower knows the chain's time: what is done by a time of yesterday is done for nothing.
async fn first_word(tools: &Tools) {
    let begin = Instant::now();
    while tools.clock.now() == 0 && begin.elapsed() < FIRST_WORD {
        tokio::time::sleep(LOOK).await;
    }
}

/// The whole machine, as the core counts it.
pub(crate) fn whole(capacity: &crate::config::Capacity) -> Amount {
    Amount {
        cpu_millis: capacity.cpu_millis,
        memory_bytes: capacity.memory_bytes,
        disk_bytes: capacity.disk_bytes,
        tasks: capacity.tasks,
    }
}
