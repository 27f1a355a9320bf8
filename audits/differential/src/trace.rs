//! A trace: who does what next, with which mistake, and when.

use alloy_sol_types::SolInterface;
use piecework_protocol::Store;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::Fault;
use crate::bindings::Call;
use crate::bindings::IMarket::{self, IMarketCalls};
use crate::books::is_over;
use crate::world::{Act, Known, Note, World, times};
impl World {
    // ---------------------------------------------------------------- a trace

    /// Makes so many steps; what differs ends them.
    pub fn run(&mut self, steps: u64) -> Result<(), Fault> {
        for _ in 0..steps {
            self.turn()
                .map_err(|Fault(text)| Fault(format!("step {}: {text}", self.steps)))?;
        }
        self.sweep()
            .map_err(|Fault(text)| Fault(format!("after step {}: {text}", self.steps)))
    }

    pub(crate) fn turn(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        if let Some((place, first)) = self.focus {
            let phase = self
                .sides
                .model
                .store
                .lease(&self.jobs[place].id, first)
                .phase;
            if self.chance(3) || is_over(phase) {
                self.focus = None;
            }
        }
        self.wait();
        let mut acts = vec![self.act()];
        if self.chance(4) {
            for _ in 0..self.rng.random_range(0..3) {
                let mut more = self.act();
                more.caller = acts[0].caller;
                acts.push(more);
            }
            let calls = acts.iter().map(|act| act.call.clone()).collect();
            let block = self.block;
            if self
                .sides
                .step(acts[0].caller, &Call::All(calls), &block, false)?
            {
                acts.into_iter().for_each(|act| self.remember(act.notes));
            }
        } else {
            let act = acts.swap_remove(0);
            self.carry_out(act)?;
        }
        self.look_around()
    }

    pub(crate) fn carry_out(&mut self, act: Act) -> Result<(), Fault> {
        let mut block = self.block;
        if self.chance(2) {
            block.chain_id = 99; // the lesser side of a fork
        }
        let short = matches!(act.call, IMarketCalls::prove(_)) && self.chance(10);
        if self
            .sides
            .step(act.caller, &Call::One(act.call), &block, short)?
        {
            self.remember(act.notes);
        }
        Ok(())
    }

    pub(crate) fn remember(&mut self, notes: Vec<Note>) {
        for note in notes {
            match note {
                Note::Job(known) => self.jobs.push(*known),
                Note::Secret(place, secret) => drop(self.secrets.insert(place, secret)),
                Note::Outputs(place, outputs) => drop(self.outputs.insert(place, outputs)),
            }
        }
    }

    /// A call: mostly one that can succeed, sometimes a careless one, sometimes one with a wrong word in it.
    pub(crate) fn act(&mut self) -> Act {
        let careful = self.chance(60);
        for _ in 0..12 {
            let act = self.idea();
            if !careful {
                return if self.chance(50) {
                    self.spoil(act)
                } else {
                    act
                };
            }
            let block = self.block;
            if self
                .sides
                .would(act.caller, &Call::One(act.call.clone()), &block)
                .is_ok()
            {
                return act;
            }
        }
        self.idea()
    }

    /// The act with another caller, or with another word somewhere.
    pub(crate) fn spoil(&mut self, mut act: Act) -> Act {
        if self.chance(30) {
            let number = self.anyone();
            act.caller = self.people[number].address;
            return act;
        }
        let data = act.call.abi_encode();
        let words = (data.len() - 4) / 32;
        let job = if words > 21 && self.chance(75) { 21 } else { 0 };
        if words <= job {
            return act;
        }
        for _ in 0..8 {
            let mut data = data.clone();
            let at = 4 + 32 * self.rng.random_range(job..words);
            match self.rng.random_range(0..4) {
                0 => data[at..at + 32].fill(0),
                1 => data[at + 31] ^= 1 << self.rng.random_range(0..3),
                2 => data[at + 12] ^= 0x80,
                _ => data[at + self.rng.random_range(0..32)] ^= 1,
            }
            // Only what is a call of the ABI to the bit: a typed caller can send nothing else.
            if let Ok(call) = IMarketCalls::abi_decode_validate(&data)
                && call.abi_encode() == data
            {
                // Another job than was meant.
                if let IMarketCalls::post(IMarket::postCall { job, spec })
                | IMarketCalls::postFor(IMarket::postForCall { job, spec, .. }) = &call
                {
                    let known = self.known(job.clone(), spec.to_vec());
                    act.notes = vec![Note::Job(Box::new(known))];
                }
                act.call = call;
                break;
            }
        }
        act
    }

    // ---------------------------------------------------------------- time

    pub(crate) fn wait(&mut self) {
        // Several calls in one second: so that some come in the last one.
        let seconds = if self.chance(40) {
            0
        } else {
            self.rng.random_range(0..16)
        };
        let blocks = self.rng.random_range(0..3);
        if self.chance(5)
            && let Some(deadline) = self.some_deadline()
            && deadline > self.block.time
        {
            let after = self.rng.random_range(0..2);
            self.pass(deadline - self.block.time + after, 1);
        } else if self.chance(1) {
            self.pass(seconds, 300);
        } else {
            self.pass(seconds, blocks);
        }
    }

    /// A moment at which something of some job ends or begins.
    pub(crate) fn some_deadline(&mut self) -> Option<u64> {
        let (known, first) = self.some_lease()?;
        let lease = Some(first);
        let (timing, times) = (&known.core.timing, times());
        let store = &self.sides.model.store;
        let mut moments = vec![timing.opens_at];
        if self.rng.random_range(0..10) == 0 {
            moments.push(timing.closes_at);
        }
        if let Some(first) = lease {
            let lease = store.lease(&known.id, first);
            let audit = store.audit(&known.id, first);
            let round = lease.since + timing.run_window;
            let jury = audit.since + timing.run_window + times.juryTime;
            moments.extend([
                lease.since + timing.run_window / 8,
                round,
                round + times.revealWindow,
                lease.since + times.revealWindow,
                lease.since + timing.audit_window,
                lease.point + (lease.point & 15),
                lease.point.max(lease.origin) + times.leaseStep.max(timing.run_window / 4),
                audit.point + times.juryStep,
                jury,
                jury + times.revealWindow,
                audit.since + times.revealWindow,
                audit.due,
                audit.due + times.respondWindow,
            ]);
        }
        moments.retain(|moment| *moment >= self.block.time);
        moments.choose(&mut self.rng).copied()
    }

    /// A job that was posted, and one of its leases (the first task that is still to be claimed stands for one, too):
    /// mostly the same ones for a while, and such as are not final.
    pub fn some_lease(&mut self) -> Option<(Known, u32)> {
        if self.focus.is_none() {
            self.focus = (0..6).find_map(|_| self.look_for_lease());
        }
        let elsewhere = self.chance(20);
        let (place, first) = if elsewhere {
            self.look_for_lease()?
        } else {
            self.focus?
        };
        Some((self.jobs[place].clone(), first))
    }

    pub(crate) fn look_for_lease(&mut self) -> Option<(usize, u32)> {
        let recent = self.jobs.len().saturating_sub(8);
        let from = if self.chance(90) { recent } else { 0 };
        let place = self.rng.random_range(from..self.jobs.len().max(from + 1));
        let known = self.jobs.get(place)?.clone();
        let settled = self.chance(5);
        let mut firsts: Vec<u32> = self
            .leases(&known)
            .into_iter()
            .filter(|(_, lease)| settled || !is_over(lease.phase))
            .map(|(first, _)| first)
            .collect();
        let next = self.sides.model.store.job(&known.id).next;
        if next < known.core.terms.tasks {
            firsts.push(next);
        }
        Some((place, *firsts.choose(&mut self.rng)?))
    }
}
