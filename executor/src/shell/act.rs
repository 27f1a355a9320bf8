//! What the machine commands is written down, and then done.

use std::{sync::Arc, time::Duration};

use piecework_executor_core::{
    Command, Input,
    command::Over,
    duty::End,
    intent::{Fate, Intent, IntentId},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Running, Shell, ShellError};
use crate::{
    clock::local_now,
    sender::{Outcome, asked_at},
    store::Durable,
    trial::Trial,
};

impl Shell {
    /// Carries commands out in their order. What must be on disk is, before the first of them is begun.
    pub(super) async fn carry_out(&mut self, commands: Vec<Command>) -> Result<(), ShellError> {
        let asked = asked_at(&self.tools.clock);
        let durable = commands.iter().filter_map(|command| match command {
            Command::Bind { seat, tasks, vote } => Some(Durable::Bind {
                seat: *seat,
                tasks: *tasks,
                vote: *vote,
            }),
            Command::Send(intent) => Some(Durable::Send(intent.into(), asked)),
            Command::Over(over) => Some(Durable::Over(over.clone(), local_now())),
            Command::Forget { job } => Some(Durable::Forget(*job)),
            _ => None,
        });
        let durable: Vec<Durable> = durable.collect();
        if !durable.is_empty() {
            self.write_down(durable).await?;
        }
        for command in commands {
            self.carry_out_one(command);
        }
        Ok(())
    }

    /// Writes down what must be on disk. While the disk takes nothing it waits, and what runs goes on: a machine that ended
    /// would lose bonded work.
    async fn write_down(&self, durable: Vec<Durable>) -> Result<(), ShellError> {
        /// The pause between two attempts.
        const PAUSE: Duration = Duration::from_secs(1);
        let mut told = false;
        loop {
            let error = match self.tools.store.commit(durable.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if error.may_pass() => error,
                Err(error) => return Err(error.into()),
            };
            if !std::mem::replace(&mut told, true) {
                tracing::error!(%error, "the state cannot be written: nothing is signed until it can be");
                let why = format!(
                    "the state cannot be written ({error}): make room under state_dir. What runs goes on, and nothing is \
                     signed until then"
                );
                self.tools.board.write(|status| status.blocked = vec![why]);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn carry_out_one(&mut self, command: Command) {
        match command {
            Command::Bind { .. } | Command::Forget { .. } => {}
            Command::Send(intent) => self.send(&intent),
            Command::Over(over) => self.over(&over),
            Command::Ask { question, urgent } => self.questions.ask(question, urgent),
            Command::Prepare { job, spec, digest } => {
                self.house.is_needed();
                self.tools.shop.prepare(job, spec, digest, self.token());
            }
            Command::Run(order) => {
                self.house.is_needed();
                let cancel = self.token();
                let places = usize::try_from(order.parallel).unwrap_or(1).max(1);
                let room = Arc::new(Semaphore::new(places));
                let running = Running {
                    keyed: order.keyed,
                    cancel: cancel.clone(),
                    room: room.clone(),
                };
                if let Some(before) = self.works.insert(order.seat, running) {
                    before.cancel.cancel();
                }
                self.tools.shop.start(order, cancel, room);
            }
            Command::Widen { seat, more } => {
                if let Some(running) = self.works.get(&seat) {
                    let more = usize::try_from(more).unwrap_or_default();
                    running.room.add_permits(more);
                }
            }
            Command::StopWork { seat } => {
                if let Some(running) = self.works.remove(&seat) {
                    running.cancel.cancel();
                }
            }
            Command::Try {
                job,
                task,
                spec,
                digest,
            } => {
                self.house.is_needed();
                let cancel = self.token();
                if let Some(before) = self.trials.insert(digest, cancel.clone()) {
                    before.cancel();
                }
                let trial = Trial {
                    job,
                    task,
                    spec,
                    digest,
                };
                self.tools.shop.try_out(trial, cancel);
            }
            Command::StopTrial { spec } => {
                if let Some(trial) = self.trials.remove(&spec) {
                    trial.cancel();
                }
            }
            Command::Serve { seat, tasks, reach } => {
                let cancel = self.token();
                if let Some(before) = self.serving.insert(seat, cancel.clone()) {
                    before.cancel();
                }
                self.tools.shop.serve(seat, tasks, reach, cancel);
            }
        }
    }

    /// What became of a transaction goes to the machine, and what its receipt shows to the follower.
    pub(super) fn hear(&self, mut outcome: Outcome) -> Option<Input> {
        if let Outcome::Mined { logs, .. } = &mut outcome {
            self.tools.feed.show(std::mem::take(logs));
        }
        fate_of(outcome)
    }

    /// Ends with the machine, if not before.
    fn token(&self) -> CancellationToken {
        self.ended.token().child_token()
    }

    fn send(&self, intent: &Intent) {
        let Intent {
            id,
            deadline,
            at_stake,
            ..
        } = intent;
        tracing::info!(intent = %id, ?deadline, at_stake, "sending");
        if let Some(node) = self.tools.node.borrow().as_ref() {
            node.sender.wake();
        }
    }

    fn over(&mut self, over: &Over) {
        let Over {
            seat,
            end,
            why,
            lost,
            ..
        } = over;
        if let Some(serving) = self.serving.remove(seat) {
            serving.cancel();
        }
        self.report.lost = self.report.lost.saturating_add(*lost);
        let (job, lease) = (seat.lease.job, seat.lease);
        let why = why.as_deref().unwrap_or("the chain says so");
        match end {
            End::Lost => tracing::warn!(
                %job, first = lease.first, round = lease.round, kind = seat.kind, lost, why,
                "a lease or a seat lost stake"
            ),
            _ => tracing::info!(
                %job, first = lease.first, round = lease.round, kind = seat.kind, end = end.name(),
                "a lease or a seat is over"
            ),
        }
    }
}

/// Where an intent stands, as the machine is told. None for intents of the sender's own.
fn fate_of(outcome: Outcome) -> Option<Input> {
    let (id, fate, why) = match outcome {
        Outcome::Mined { id, block, tx, .. } => (id, Fate::Mined { block, tx }, None),
        Outcome::Reopened { id } => (id, Fate::Open, None),
        Outcome::Refused { id, revert } => (id, Fate::Failed, Some(revert.to_string())),
        Outcome::Reverted { id } => {
            let why = "it reverted in its block".to_owned();
            (id, Fate::Failed, Some(why))
        }
        Outcome::GivenUp { id, why } => (id, Fate::Failed, Some(why)),
    };
    let id: IntentId = id.parse().ok()?;
    match why {
        Some(why) if id.what.binds() => {
            tracing::info!(intent = %id, why, "claim lost; nothing was bound");
        }
        Some(why) => tracing::warn!(intent = %id, why, "a transaction came to nothing"),
        None => {}
    }
    Some(Input::Intent { id, fate })
}
