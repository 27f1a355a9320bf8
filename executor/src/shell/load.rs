//! The machine is loaded from the store: at the start, and after every failure.

use std::{collections::HashMap, time::Duration};

use alloy::primitives::Address;
use piecework_core::chain::IMarket;
use piecework_executor_core::{
    Input, Machine, Now,
    capacity::Amount,
    input::Answer,
    intent::{Fate, IntentId},
    machine::{Me, Settings},
    secret::Secret,
};
use tokio_util::sync::CancellationToken;

use super::{
    Inbox, Shell, ShellError, Tools, again::Again, ask::Questions, house::House, report::Report,
};
use crate::store::{IntentState, Store, StoreError};

/// Capacity is kept at least so long for a chain that falls silent.
const LEAST_KEPT: u64 = 600;

/// What a machine is loaded for.
#[derive(Clone, Debug)]
pub(crate) struct Loading<'a> {
    pub(crate) store: &'a Store,
    pub(crate) provider: Address,
    pub(crate) market: Address,
    pub(crate) chain_id: u64,
    pub(crate) secret: Secret,
    pub(crate) settings: &'a Settings,
    pub(crate) times: IMarket::Times,
}

/// Everything that a store remembers, as inputs.
pub(crate) struct Memory {
    pub(crate) inputs: Vec<Input>,
    /// Time of the newest block.
    pub(crate) time: u64,
    /// Stake that was ever lost.
    lost: u128,
}

impl Loading<'_> {
    pub(crate) fn machine(&self) -> Machine {
        let me = Me {
            provider: self.provider,
            market: self.market,
            chain_id: self.chain_id,
            times: self.times.clone(),
            secret: self.secret,
            unique: rand::random(),
        };
        Machine::new(me, self.settings.clone())
    }

    pub(crate) async fn memory(&self) -> Result<Memory, StoreError> {
        let store = self.store;
        let head = store.blocks().await?.last().copied();
        let mut inputs = Vec::new();
        // First: duties are found with the block, and are known to be ours then.
        for tx in store.own_transactions().await? {
            inputs.push(Input::Answer(Answer::Owner { tx, ours: true }));
        }
        for (seat, task, vote) in store.bound().await? {
            inputs.push(Input::Bound { seat, task, vote });
        }
        let mut lost = 0u128;
        for row in store.over().await? {
            lost = lost.saturating_add(row.lost);
            inputs.push(Input::Over {
                seat: row.seat,
                end: row.end,
            });
        }
        for (end, total) in store.totals().await? {
            lost = lost.saturating_add(total.lost);
            let duties = total.duties;
            inputs.push(Input::Forgotten { end, duties });
        }
        let clients = store.paying_clients().await?;
        inputs.extend(clients.into_iter().map(|client| Input::Paid { client }));
        for row in store.trials().await? {
            inputs.push(Input::Tried {
                spec: row.spec,
                task: row.task,
                verdict: row.verdict,
            });
        }
        if let Some(head) = head {
            let events = store.events().await?;
            inputs.push(Input::Block { head, events });
        }
        // After the block: then the machine knows what the jobs of claims take.
        for intent in store
            .unread_intents(head.map_or(0, |head| head.number))
            .await?
        {
            let Ok(id) = intent.new.id.parse::<IntentId>() else {
                continue;
            };
            let fate = match (intent.state, intent.mined) {
                (IntentState::Mined, Some((block, _, tx))) => Fate::Mined { block, tx },
                (IntentState::Failed, _) => continue,
                _ => Fate::Open,
            };
            inputs.push(Input::Intent { id, fate });
        }
        Ok(Memory {
            inputs,
            time: head.map_or(0, |head| head.time),
            lost,
        })
    }
}

/// What a store says of a chain that nobody works for.
pub(crate) struct Left {
    /// What unfinished work takes of the machine, one task of each duty at a time.
    pub(crate) amount: Amount,
    /// For how long at most.
    pub(crate) longest: Duration,
    /// Whether bonded work is unfinished.
    pub(crate) is_busy: bool,
    /// Whether nothing is lost if nobody ever works there again.
    pub(crate) is_clear: bool,
}

impl Left {
    /// Loads a machine, and looks at what it would do.
    pub(crate) async fn by(loading: Loading<'_>) -> Result<Self, StoreError> {
        let mut machine = loading.machine();
        let memory = loading.memory().await?;
        let now = Now {
            time: memory.time,
            local: 0,
        };
        // Nothing is free: so no duty takes more than it must.
        let total = loading.settings.total;
        let _ = machine.step(now, total, memory.inputs);
        Ok(Self {
            amount: machine.used(),
            longest: longest(&machine, now),
            is_busy: machine.is_busy(),
            is_clear: machine.is_clear(),
        })
    }
}

impl Shell {
    /// Loads the machine of the store. Also the inputs of its first step.
    pub(super) async fn load(
        tools: Tools,
        inbox: &mut Inbox,
    ) -> Result<(Self, Vec<Input>), ShellError> {
        let times = tools.store.times().await?.ok_or(ShellError::NoTimes)?;
        // What is told from here on is not in the store yet, and what was told before is.
        let turn = tools.feed.hold().await;
        while inbox.inputs.try_recv().is_ok() {}
        while inbox.outcomes.try_recv().is_ok() {}
        let loading = Loading {
            store: &tools.store,
            provider: tools.provider,
            market: tools.market,
            chain_id: tools.chain_id,
            secret: tools.secret,
            settings: &tools.settings,
            times,
        };
        let mut memory = loading.memory().await?;
        if tools.feed.is_synced() {
            memory.inputs.push(Input::Synced);
        }
        drop(turn);
        if tools.clock.now() == 0 {
            tools.clock.observe(memory.time);
        }
        let ended = CancellationToken::new();
        let shell = Self {
            machine: loading.machine(),
            works: HashMap::new(),
            trials: HashMap::new(),
            serving: HashMap::new(),
            questions: Questions::new(&tools, ended.clone()),
            report: Report::new(memory.lost),
            house: House::default(),
            again: Again::default(),
            ended: ended.drop_guard(),
            tools,
        };
        Ok((shell, memory.inputs))
    }

    /// Tells the machine of the outcomes that are known already.
    pub(super) async fn known_outcomes(&self) -> Result<Vec<Input>, ShellError> {
        let mut inputs = Vec::new();
        for duty in self.machine.duties() {
            let (job, tasks) = (duty.seat.lease.job, duty.tasks);
            let known = self
                .tools
                .store
                .tasks(job, tasks.first, tasks.count)
                .await?;
            inputs.extend(known.iter().map(|_| Input::TaskDone { seat: duty.seat }));
        }
        Ok(inputs)
    }
}

/// How long what a machine takes can be of use, should its chain fall silent now.
pub(super) fn longest(machine: &Machine, now: Now) -> Duration {
    let left = machine.busy_until().saturating_sub(now.time);
    Duration::from_secs(left.max(LEAST_KEPT))
}

#[cfg(test)]
mod tests;
