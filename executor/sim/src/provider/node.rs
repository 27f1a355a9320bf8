//! What a provider has from its node: blocks, and what became of its transactions.

use alloy_primitives::Bytes;
use piecework_core::view::Block;
use piecework_executor_core::{input::Input, intent::Fate};
use rand::Rng as _;

use super::{Provider, answers::word, disk::State};
use crate::{
    chain::{CALM, Chain, Tx},
    climate::Climate,
    log::Log,
};

/// Blocks after which an intent is no longer watched.
const WATCHED: u64 = 100;
/// Blocks that the follower brings at once.
const AT_ONCE: u64 = 200;
/// Seconds after which a transaction that pays too little is sent again.
const BUMP_AFTER: u64 = 12;

impl Provider {
    /// Brings blocks, and takes back what the chain took back.
    pub(super) fn follow(
        &mut self,
        chain: &Chain,
        time: u64,
        climate: &Climate,
        inputs: &mut Vec<Input>,
    ) {
        let Some(live) = &mut self.live else { return };
        let tip = chain.tip().number.saturating_sub(self.lag);
        let disk = &mut self.disk;
        let is_canonical = |block: &Block| {
            chain
                .block(block.number)
                .is_some_and(|(other, _)| other.hash == block.hash)
        };
        let kept = disk
            .blocks
            .iter()
            .rposition(is_canonical)
            .map_or(0, |place| place + 1);
        // A node that does not have a block yet is behind: nothing is taken back before another one stands in its place.
        let replaced = disk
            .blocks
            .get(kept)
            .is_some_and(|block| chain.block(block.number).is_some());
        if kept < disk.blocks.len() && replaced {
            let to = kept.checked_sub(1).and_then(|place| disk.blocks.get(place));
            let to = to.map_or(0, |block| block.number);
            disk.blocks.truncate(kept);
            disk.events.retain(|event| event.block.number <= to);
            inputs.push(Input::Rewound { to });
        } else if kept < disk.blocks.len() {
            return;
        }
        let from = disk.blocks.last().map_or(0, |block| block.number + 1);
        let to = tip.min(from.saturating_add(AT_ONCE));
        let mut events = Vec::new();
        let mut head = None;
        for number in from..=to {
            let Some((block, logs)) = chain.block(number) else {
                break;
            };
            events.extend(logs.iter().cloned());
            disk.blocks.push(block);
            head = Some(block);
        }
        disk.events.extend(events.iter().cloned());
        if let Some(head) = head {
            inputs.push(Input::Block { head, events });
        }
        let read = disk.blocks.last().is_some_and(|block| block.number >= tip);
        if read && !live.synced && time >= live.born + climate.slow_sync {
            live.synced = true;
            inputs.push(Input::Synced);
        }
    }

    /// Sends what is written down, and looks what became of it.
    pub(super) fn send(
        &mut self,
        chain: &mut Chain,
        time: u64,
        climate: &Climate,
        inputs: &mut Vec<Input>,
        log: &mut Log,
    ) {
        let seen = chain.tip().number.saturating_sub(self.lag);
        let (number, operator) = (self.number, self.operator);
        let mut nonce = chain.nonce(operator);
        let disk = &mut self.disk;
        let (open, intents) = (&mut disk.open, &mut disk.intents);
        for row in open.iter().filter_map(|id| intents.get(id)) {
            if let (State::Sent, Some(tx)) = (row.state, row.attempts.last())
                && tx.from == operator
            {
                nonce = nonce.max(tx.nonce + 1);
            }
        }
        // A transaction that saves a bond raises those with lower nonces with it.
        let urgent = open.iter().filter_map(|id| intents.get(id));
        let urgent = urgent.filter(|row| row.intent.at_stake > 0);
        let urgent = urgent.filter(|row| row.state == State::Sent);
        let urgent = urgent.filter_map(|row| row.attempts.last());
        let urgent = urgent.map(|tx| tx.nonce).max();
        for id in open.clone() {
            let id = &id;
            let Some(row) = intents.get_mut(id) else {
                continue;
            };
            if row.over {
                open.remove(id);
                continue;
            }
            let receipt = row
                .attempts
                .iter()
                .find_map(|tx| Some((tx.hash, chain.receipt(tx.hash, seen)?)));
            match (row.state, receipt) {
                (State::Queued, _) => {
                    let late = row.intent.not_after.is_some_and(|by| time > by);
                    if late || (climate.refuses && self.rng.random_ratio(1, 20)) {
                        row.state = State::Failed;
                    } else if let Err(data) = chain.simulate(operator, &row.intent.data, time) {
                        let why = word(&data);
                        log.say(time, || format!("provider {number}: {id} refused: {why}"));
                        row.state = State::Failed;
                    } else {
                        let fee = chain.base_fee.saturating_mul(2).min(CALM * climate.cap);
                        let tx = Tx::new(operator, nonce, row.intent.data.clone(), fee);
                        nonce += 1;
                        log.sent(time, number, &row.intent, &tx, chain);
                        chain.broadcast(tx.clone());
                        row.attempts.push(tx);
                        (row.state, row.sent_at) = (State::Sent, time);
                    }
                    if row.state == State::Failed {
                        row.over = true;
                        inputs.push(Input::Intent {
                            id: *id,
                            fate: Fate::Failed,
                        });
                    }
                }
                (State::Sent, Some((tx, receipt))) => {
                    let block = receipt.block;
                    (row.state, row.over) = match receipt.ok {
                        true => (State::Mined { block, tx }, false),
                        false => (State::Failed, true),
                    };
                    let fate = match receipt.ok {
                        true => Fate::Mined { block, tx },
                        false => Fate::Failed,
                    };
                    inputs.push(Input::Intent { id: *id, fate });
                }
                (State::Sent, None) => {
                    let Some(last) = row.attempts.last().cloned() else {
                        continue;
                    };
                    if last.from != operator || chain.nonce(operator) > last.nonce {
                        // The nonce went to another one, or the key is gone.
                        let mut mined = row.attempts.iter();
                        if mined.any(|tx| chain.receipt(tx.hash, u64::MAX).is_some()) {
                            continue;
                        }
                        if id.what.is_repeatable() {
                            row.state = State::Queued;
                        } else {
                            // The old one may still be mined: a second one would claim twice.
                            (row.state, row.over) = (State::Failed, true);
                            inputs.push(Input::Intent {
                                id: *id,
                                fate: Fate::Failed,
                            });
                        }
                        continue;
                    }
                    if !chain.is_pooled(last.hash) && chain.receipt(last.hash, u64::MAX).is_none() {
                        chain.broadcast(last.clone());
                    }
                    if chain.base_fee > last.max_fee && time > row.sent_at + BUMP_AFTER {
                        // What saves a bond may pay a hundred times what is usual.
                        let cap = match urgent >= Some(last.nonce) {
                            true => 100,
                            false => climate.cap,
                        };
                        let fee = chain.base_fee.saturating_mul(2).min(CALM * cap);
                        if fee > last.max_fee {
                            let tx = Tx::new(operator, last.nonce, last.data.clone(), fee);
                            chain.broadcast(tx.clone());
                            row.attempts.push(tx);
                            row.sent_at = time;
                        }
                    }
                }
                (State::Mined { block, .. }, Some((_, receipt))) if receipt.block == block => {
                    row.over = seen > block + WATCHED;
                }
                (State::Mined { .. }, Some((tx, receipt))) => {
                    let block = receipt.block;
                    row.state = State::Mined { block, tx };
                    inputs.push(Input::Intent {
                        id: *id,
                        fate: Fate::Mined { block, tx },
                    });
                }
                (State::Mined { block, .. }, None) => {
                    // Reorganized away: it is on its way again. A node that is behind has no receipt yet.
                    if seen >= block {
                        row.state = State::Sent;
                        inputs.push(Input::Intent {
                            id: *id,
                            fate: Fate::Open,
                        });
                    }
                }
                (State::Failed, _) => row.over = true,
            }
        }
        self.fill_gap(chain);
    }

    /// Fills a gap in the nonces, as the sender does. A transaction leaves one if it is reorganized away and then refused.
    fn fill_gap(&self, chain: &mut Chain) {
        let next = chain.nonce(self.operator);
        let open = self
            .disk
            .open
            .iter()
            .filter_map(|id| self.disk.intents.get(id));
        let sent = open.filter(|row| row.state == State::Sent);
        let nonces: Vec<u64> = sent
            .filter_map(|row| row.attempts.last())
            .filter(|tx| tx.from == self.operator)
            .map(|tx| tx.nonce)
            .collect();
        if !nonces.is_empty() && !nonces.contains(&next) {
            chain.broadcast(Tx::new(
                self.operator,
                next,
                Bytes::new(),
                chain.base_fee * 2,
            ));
        }
    }
}
