//! A step of a provider's machine: what it commands is written down, and then done.

use piecework_executor_core::{
    Command,
    capacity::Amount,
    duty::Reach,
    input::{Input, Verdict},
};
use rand::Rng as _;

use super::{
    Died, Provider,
    disk::{Row, State},
    worker::{cpu_time, failure},
};
use crate::log::Log;

impl Provider {
    /// Commits, then acts.
    pub(super) fn step(
        &mut self,
        time: u64,
        inputs: Vec<Input>,
        log: &mut Log,
    ) -> Result<(), Died> {
        let now = self.now(time);
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        let began = cpu_time();
        let commands = live.machine.step(now, Amount::default(), inputs);
        self.thought += cpu_time().saturating_sub(began);
        log.used(
            time,
            self.number,
            live.machine.running(),
            self.settings.total,
        );
        if commands.is_empty() {
            return Ok(());
        }
        // Nothing of a step is on disk, or all of it.
        self.point()?;
        for command in &commands {
            self.commit(command);
        }
        for command in commands {
            self.point()?;
            self.act(time, command, log);
        }
        Ok(())
    }

    /// A moment in which a process may die.
    fn point(&mut self) -> Result<(), Died> {
        let here = self.points;
        self.points += 1;
        match self.dies_at == Some(here) {
            true => Err(Died),
            false => Ok(()),
        }
    }

    fn commit(&mut self, command: &Command) {
        match command {
            Command::Bind { seat, tasks, vote } => {
                let row = (*seat, tasks.first, *vote);
                if !self.disk.bound.contains(&row) {
                    self.disk.bound.push(row);
                }
            }
            Command::Send(intent) => {
                let row = Row {
                    intent: intent.clone(),
                    state: State::Queued,
                    attempts: Vec::new(),
                    sent_at: 0,
                    over: false,
                };
                self.disk.intents.entry(intent.id).or_insert(row);
                self.disk.open.insert(intent.id);
            }
            Command::Over(over) => {
                let row = (over.seat, over.end, over.seat.lease.job);
                self.disk.over.push(row);
            }
            _ => {}
        }
    }

    fn act(&mut self, time: u64, command: Command, log: &mut Log) {
        let number = self.number;
        let Some(live) = &mut self.live else { return };
        match command {
            Command::Bind { .. } => {}
            Command::Forget { job } => {
                self.disk.events.retain(|event| event.job != job);
            }
            Command::Send(intent) => {
                log.say(time, || {
                    format!("provider {number}: {} is asked for", intent.id)
                });
            }
            Command::Over(over) => {
                log.say(time, || {
                    format!(
                        "provider {number}: {:?} is over: {:?}, lost {}, {:?}",
                        over.seat.lease.first, over.end, over.lost, over.why
                    )
                });
            }
            Command::Ask { question, .. } => live.asked.push(question),
            Command::Prepare { job, .. } => {
                let at = time + self.rng.random_range(0..3);
                let result = match self.rng.random_ratio(1, 12) {
                    true => Err(failure("the client does not answer")),
                    false => Ok(()),
                };
                live.later.push((at, Input::Prepared { job, result }));
            }
            Command::Run(order) => {
                let known = |task: u32| {
                    let key = (order.seat.lease.job, task);
                    self.disk.tasks.contains_key(&key)
                };
                let tasks = order.tasks;
                let missing = (tasks.first..tasks.first + tasks.count).filter(|task| !known(*task));
                let missing = u32::try_from(missing.count()).unwrap_or(u32::MAX);
                let each = order.spec.resources.timeout_seconds;
                let each = self.rng.random_range(1..=each.max(1));
                let rounds = missing.div_ceil(order.parallel.max(1));
                let ends = time + u64::from(rounds) * each;
                log.say(time, || {
                    format!("provider {number} runs {:?} until {ends}", order.seat)
                });
                live.work.insert(order.seat, (order, ends));
            }
            // How fast something runs is drawn when it begins.
            Command::Widen { .. } => {}
            Command::StopWork { seat } => {
                log.say(time, || format!("provider {number} stops {seat:?}"));
                live.work.remove(&seat);
            }
            Command::Try {
                task, digest, spec, ..
            } => {
                let at = time + 2 * spec.resources.timeout_seconds;
                live.later.push((
                    at,
                    Input::Tried {
                        spec: digest,
                        task,
                        verdict: Verdict::Same,
                    },
                ));
            }
            Command::StopTrial { spec } => {
                live.later.retain(
                    |(_, input)| !matches!(input, Input::Tried { spec: other, .. } if *other == spec),
                );
            }
            Command::Serve { seat, reach, tasks } => {
                let mut all = tasks.first..tasks.first + tasks.count;
                let job = seat.lease.job;
                if !all.all(|task| self.disk.tasks.contains_key(&(job, task))) {
                    live.later.push((time + 1, Input::Missing { seat }));
                    return;
                }
                if reach >= Reach::List {
                    live.opened.push((seat, tasks));
                }
                live.later.push((time + 1, Input::Served { seat, reach }));
            }
        }
    }
}
