//! What must hold in a world, whatever happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolEventInterface as _;
use piecework_core::{
    chain::{IMarket, MarketEvent},
    view::{JobView, StoredEvent},
};
use piecework_protocol::types::Phase;

use super::{Outcome, Plan, World};
use crate::{chain::BEGIN, climate::Climate, provider::Character};

impl World {
    /// Checks what can no longer be taken back.
    pub(super) fn check(&mut self, up_to: u64) {
        for number in self.checked + 1..=up_to {
            let Some((_, events)) = self.chain.block(number) else {
                break;
            };
            let events: Vec<StoredEvent> = events.to_vec();
            for event in events {
                self.check_event(&event);
            }
        }
        self.checked = up_to;
    }

    fn check_event(&mut self, event: &StoredEvent) {
        let Ok(decoded) = MarketEvent::decode_raw_log(event.log.topics(), &event.log.data) else {
            return;
        };
        let numbers: BTreeMap<u32, usize> = self
            .providers
            .iter()
            .enumerate()
            .map(|(place, provider)| (self.chain.provider(provider.address).0, place))
            .collect();
        let by_address = |address: Address| {
            self.providers
                .iter()
                .position(|provider| provider.address == address)
        };
        let (who, burned, stated) = match &decoded {
            MarketEvent::Freed(freed) => (by_address(freed.provider), freed.burned, false),
            MarketEvent::SeatLeft(left) => (by_address(left.provider), left.burned, false),
            MarketEvent::SeatClosed(closed) => {
                // Votes without a verdict lose a tenth: stated.
                let stated = closed.end == IMarket::SeatEnd::Undecided;
                (numbers.get(&closed.number).copied(), closed.burned, stated)
            }
            MarketEvent::Voided(voided) if voided.slashed > 0 => {
                let holder = self.holder(event.job, voided.first, event.block.number);
                (holder.and_then(by_address), voided.slashed, false)
            }
            _ => return,
        };
        let Some(provider) = who.and_then(|place| self.providers.get(place)) else {
            return;
        };
        let number = provider.number;
        match provider.character {
            _ if burned == 0 => {}
            Character::Cheat(_) => self.cheats_lost += burned,
            Character::Honest if stated => self.tenths += burned,
            Character::Honest => {
                let what = format!(
                    "honest provider {number} loses {burned} in block {}, job {}: {decoded:?}",
                    event.block.number, event.job
                );
                self.log.breach(event.block.time, what);
            }
        }
    }

    /// Who held a lease before a block.
    fn holder(&self, job: B256, first: u32, before: u64) -> Option<Address> {
        let mut view = JobView::default();
        for number in 0..before {
            let events = self.chain.block(number).map(|(_, events)| events);
            for event in events
                .into_iter()
                .flatten()
                .filter(|event| event.job == job)
            {
                view.see(event);
            }
        }
        view.leases.get(&first).map(|lease| lease.provider)
    }

    /// Whether all that was begun has ended.
    pub(super) fn is_over(&mut self) -> bool {
        let idle = self
            .providers
            .iter()
            .all(|provider| provider.is_alive() && provider.duties() == 0);
        idle && self
            .jobs
            .iter()
            .all(|(_, job)| self.time > job.timing.closesAt + 400)
            && self.open_leases().is_empty()
    }

    fn open_leases(&self) -> Vec<(B256, u32, Phase)> {
        let mut open = Vec::new();
        for (id, job) in &self.jobs {
            for first in 0..job.terms.tasks {
                let phase = self.chain.phase(*id, first);
                let moves = matches!(
                    phase,
                    Phase::Running
                        | Phase::Submitted
                        | Phase::Audited
                        | Phase::Undecided
                        | Phase::Revealing
                );
                if moves {
                    open.push((*id, first, phase));
                }
            }
        }
        open
    }

    pub(super) fn finish(mut self, plan: Plan, climate: &Climate) -> Outcome {
        let tip = self.chain.tip().number;
        self.check(tip);
        for (job, first, phase) in self.open_leases() {
            let what = format!("lease {first} of job {job} is {phase:?} at the end");
            self.log.breach(self.time, what);
        }
        for provider in &self.providers {
            for seat in provider.contradictions() {
                let what = format!("provider {} contradicts itself: {seat:?}", provider.number);
                self.log.breach(self.time, what);
            }
            if provider.duties() > 0 {
                let mut what = format!("provider {} still has duties: ", provider.number);
                let _ = write!(what, "{}", provider.describe());
                self.log.breach(self.time, what);
            }
        }
        let (mut settled, mut other) = (0, 0);
        let mut blocks = Vec::new();
        for number in 0..=tip {
            let Some((block, events)) = self.chain.block(number) else {
                break;
            };
            blocks.extend_from_slice(block.hash.as_slice());
            for event in events {
                blocks.extend_from_slice(event.tx.as_slice());
                match MarketEvent::decode_raw_log(event.log.topics(), &event.log.data) {
                    Ok(MarketEvent::Settled(_)) => settled += 1,
                    Ok(MarketEvent::Voided(_) | MarketEvent::Freed(_)) => other += 1,
                    _ => {}
                }
            }
        }
        let mut breaches: BTreeSet<String> = self.log.breaches.drain(..).collect();
        if settled == 0 && self.jobs.len() > 3 {
            breaches.insert("no lease was settled".to_owned());
        }
        Outcome {
            seed: plan.seed,
            faults: climate.faults(),
            breaches: breaches.into_iter().collect(),
            lines: self.log.lines,
            settled,
            other,
            seconds: self.time - BEGIN,
            acts: self.log.acts,
            tenths: self.tenths,
            cheats_lost: self.cheats_lost,
            points: self
                .providers
                .iter()
                .find(|provider| provider.number == 0)
                .map_or(0, |provider| provider.points),
            deaths: self.providers.iter().map(|provider| provider.deaths).sum(),
            digest: keccak256(blocks),
        }
    }
}
