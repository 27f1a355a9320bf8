//! Challenging what differs: covered first, stored next, sent last.

use alloy::{
    primitives::{Address, B256},
    sol_types::SolCall as _,
};
use piecework::{chain::IMarket, market::Challenge};

use super::{Control, ControlError};
use crate::{
    lease,
    seat::{self, commitment::salt},
    store::{ChallengeRow, ChallengeState, NewIntent, StoreError},
    watch::{Act, Event, Key, Seen},
};

/// What to do about an operator without money of its own.
pub(crate) fn unfunded(operator: Address) -> String {
    format!(
        "a challenge puts down three jurors' fees from the ledger of the key that signs, and that of {operator} is \
         empty: from any account approve the market's token and call deposit({operator}, amount), or type \
         `piecework wallet deposit AMOUNT --account {operator}`"
    )
}

impl Control {
    pub(super) async fn send_watched(
        &mut self,
        key: Key,
        act: Act,
        attempt: u32,
    ) -> Result<(), ControlError> {
        let id = act_id(key, act, attempt);
        let jury = |number| seat::Key {
            lease: key.lease,
            challenge: number,
        };
        let mut not_after = None;
        let data = match act {
            Act::Challenge { number } => {
                not_after = self.last_second(key);
                // What was asked for before, perhaps by a process that died since, was covered then.
                let known = self.tools.store.intent(id.clone()).await?.is_some();
                if !known && let Err(why) = self.covers(key, number).await {
                    self.tell_short(key, number, why);
                    return self.step_watched(key, Event::Short).await;
                }
                self.challenge(key, number).await?
            }
            Act::Answer { number } => self.answer(key, number),
            Act::Judge { number } => self.settle(jury(number)).await,
        };
        let Some(data) = data else {
            return self.step_watched(key, Event::SendFailed(act)).await;
        };
        let intent = NewIntent {
            id: id.clone(),
            data: data.into(),
            not_after,
            repeatable: true,
        };
        match self.send_once(intent).await? {
            None => Ok(()),
            Some(why) => {
                tracing::warn!(intent = id, why, "a transaction came to nothing");
                self.step_watched(key, Event::SendFailed(act)).await
            }
        }
    }

    pub(super) async fn watched_act_failed(
        &mut self,
        key: Key,
        act: Act,
        attempt: u32,
    ) -> Result<(), ControlError> {
        // Of an earlier attempt: it has gone on since.
        let held = self.watching.held.get(&key);
        if held.is_none_or(|held| held.watched.tries != attempt) {
            return Ok(());
        }
        self.step_watched(key, Event::SendFailed(act)).await
    }

    /// Chain time after which a challenge must not be begun.
    fn last_second(&self, key: Key) -> Option<u64> {
        let held = self.watching.held.get(&key)?;
        match held.watched.seen {
            Seen::Open { until, .. } => Some(until.saturating_sub(self.tools.timing.margin)),
            _ => None,
        }
    }

    /// Whether ledger and limits cover a challenge of this number; else why not.
    async fn covers(&self, key: Key, number: u8) -> Result<(), String> {
        if self.is_stopping() {
            return Err("the executor is stopping".to_owned());
        }
        let entry = self.jobs.get(&key.lease.job);
        let fee = entry.map_or(0, |entry| entry.job.price.juryFee);
        let deposit = Challenge::deposit_of(fee, number.saturating_sub(1));
        let others = || {
            let held = self.watching.held.iter();
            held.filter(|(other, _)| **other != key)
                .map(|(_, held)| held)
        };
        let limits = &self.tools.watch;
        let open = others().filter_map(|held| held.at_stake());
        let (count, sum) = open.fold((0u32, 0u128), |(count, sum), deposit| {
            (count.saturating_add(1), sum.saturating_add(deposit))
        });
        if count >= limits.max_open {
            return Err(format!("{count} challenges are open: watch.max_open"));
        }
        // Not set where nothing new is watched any more.
        let most = limits.max_deposit.unwrap_or(0);
        if sum.saturating_add(deposit) > most {
            return Err(format!(
                "{sum} units are in open challenges: it would be more than watch.max_deposit ({most})"
            ));
        }
        let operator = self.tools.operator;
        let market = IMarket::new(self.tools.market, &self.tools.rpc);
        let balance = market.balanceOf(operator).call().await;
        let balance = balance.map_err(|error| format!("the ledger cannot be read: {error}"))?;
        let asked = others().filter_map(|held| held.on_its_way());
        let free = balance.saturating_sub(asked.fold(0, u128::saturating_add));
        if free < deposit {
            let missing = deposit.saturating_sub(free);
            return Err(format!(
                "the ledger of {operator} has {free} units to spare: from any account approve the market's token \
                 and call deposit({operator}, {missing}), or type `piecework wallet deposit AMOUNT --account {operator}`"
            ));
        }
        Ok(())
    }

    /// Says once what is not done, and what it would have earned.
    fn tell_short(&mut self, key: Key, number: u8, why: String) {
        let entry = self.jobs.get(&key.lease.job);
        let fee = entry.map_or(0, |entry| entry.job.price.juryFee);
        let deposit = Challenge::deposit_of(fee, number.saturating_sub(1));
        let earns = Challenge::deposit_of(fee, 0);
        let Some(held) = self.watching.held.get_mut(&key) else {
            return;
        };
        let text =
            format!("a challenge of {deposit} units that would earn {earns} is not made: {why}");
        if held.told.as_ref() != Some(&text) {
            let lease = key.lease;
            let task = held.watched.difference().map(|found| found.task);
            tracing::warn!(job = %lease.job, first = lease.first, task, deposit, earns, why, "a wrong result is not challenged");
            held.told = Some(text);
        }
    }

    /// Right digest and salt are on disk before the challenge exists anywhere else.
    async fn challenge(&mut self, key: Key, number: u8) -> Result<Option<Vec<u8>>, ControlError> {
        let (Some(entry), Some(held)) =
            (self.jobs.get(&key.lease.job), self.watching.held.get(&key))
        else {
            return Ok(None);
        };
        let (job, watched) = (entry.job.clone(), &held.watched);
        let Some(found) = watched.difference().cloned() else {
            return Ok(None);
        };
        let mut new = ChallengeRow {
            key,
            number,
            task: found.task,
            theirs: found.theirs,
            right: found.right,
            salt: salt()?,
            answer: B256::ZERO,
            deposit: Challenge::deposit_of(job.price.juryFee, number.saturating_sub(1)),
            state: ChallengeState::Stored,
            reward: 0,
            returned: 0,
        };
        new.answer = self.whole(&new, Vec::new()).answer();
        let kept = match self.tools.store.put_challenge(new).await {
            Ok(kept) => kept,
            Err(error @ StoreError::Contradiction(_)) => {
                tracing::error!(%error, "not challenged");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let lease = key.lease;
        tracing::info!(job = %lease.job, first = lease.first, task = kept.task, challenge = number, deposit = kept.deposit, "challenge");
        let call = self.whole(&kept, found.proof).call(job);
        if let Some(held) = self.watching.held.get_mut(&key) {
            held.told = None;
            if held.challenge(number).is_none() {
                held.challenges.push(kept);
            }
        }
        Ok(Some(call.abi_encode()))
    }

    fn answer(&self, key: Key, number: u8) -> Option<Vec<u8>> {
        let row = self.watching.held.get(&key)?.challenge(number)?;
        let job = self.jobs.get(&key.lease.job)?.job.clone();
        let call = self.whole(row, Vec::new()).reveal(job);
        Some(call.abi_encode())
    }

    /// A challenge in the SDK's words.
    fn whole(&self, row: &ChallengeRow, proof: Vec<B256>) -> Challenge {
        let lease = row.key.lease;
        Challenge {
            chain_id: self.tools.chain_id,
            market: self.tools.market,
            job_id: lease.job,
            first: lease.first,
            round: lease.round,
            number: row.number,
            challenger: self.tools.operator,
            task: row.task,
            digest: row.theirs,
            proof,
            right: row.right,
            salt: row.salt,
            deposit: row.deposit,
        }
    }
}

impl Act {
    fn word(self) -> (&'static str, u8) {
        match self {
            Self::Challenge { number } => ("watch-challenge", number),
            Self::Answer { number } => ("watch-answer", number),
            Self::Judge { number } => ("watch-judge", number),
        }
    }
}

fn act_id(key: Key, act: Act, attempt: u32) -> String {
    let (lease, root) = (key.lease, key.root);
    let (word, number) = act.word();
    format!(
        "{word}/{}/{}/{}/{root}/{number}/{attempt}",
        lease.job, lease.first, lease.round
    )
}

/// The result, act and attempt that an intent's id names.
pub(super) fn watched_act_of_intent(id: &str) -> Option<(Key, Act, u32)> {
    let mut parts = id.split('/');
    let word = parts.next()?;
    let lease = lease::Key {
        job: parts.next()?.parse().ok()?,
        first: parts.next()?.parse().ok()?,
        round: parts.next()?.parse().ok()?,
    };
    let root = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    let attempt = parts.next()?.parse().ok()?;
    let acts = [
        Act::Challenge { number },
        Act::Answer { number },
        Act::Judge { number },
    ];
    let act = acts.into_iter().find(|act| act.word().0 == word)?;
    Some((Key { lease, root }, act, attempt))
}
