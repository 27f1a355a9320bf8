//! What the machine has for new work: stake, what may be locked for a client, capacity, and turns.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use super::{Job, Machine, candidate::Candidate};
use crate::{
    capacity::Amount,
    take::{Cost, Means, rank::Bid},
};

impl Machine {
    /// Whether the owner wants no more leases and seats than there are, those asked for included.
    pub(super) fn has_enough(&self) -> bool {
        let claims = self.intents.keys().filter(|id| id.what.binds());
        let most = usize::try_from(self.settings.policy.max_leases).unwrap_or(usize::MAX);
        self.sums.bonded.saturating_add(claims.count()) >= most
    }

    /// The client in whose turn a job stands; none for all that never paid this machine.
    fn turn(&self, client: Address) -> Option<Address> {
        let known = self.paid.contains(&client);
        known.then_some(client)
    }

    /// The clients whose present work, claims on their way included, takes a part of the machine.
    pub(super) fn holders(&self) -> BTreeSet<Option<Address>> {
        let now = self.now.time;
        let duties = self.sums.busy.iter().filter_map(|id| {
            let (held, job) = (self.duties.get(id)?, self.jobs.get(&id.lease.job)?);
            Some((id.lease.job, held.amount(job, now)))
        });
        let claims = self.intents.iter();
        let claims = claims.filter_map(|(id, pending)| Some((id.what.job()?, pending.amount)));
        let parts = duties.chain(claims);
        let parts = parts.filter(|(_, amount)| *amount != Amount::default());
        parts
            .filter_map(|(job, _)| Some(self.turn(self.jobs.get(&job)?.job.terms.client)))
            .collect()
    }

    /// Remembers that work of a job is being claimed: then it is the turn of other clients.
    pub(super) fn takes_turn(&mut self, job: B256) {
        /// Clients that are remembered.
        const MOST: usize = 4_096;
        let Some(client) = self.jobs.get(&job).map(|job| job.job.terms.client) else {
            return;
        };
        self.claims = self.claims.saturating_add(1);
        self.served.insert(self.turn(client), self.claims);
        if self.served.len() > MOST {
            let old = self.claims.saturating_sub(MOST as u64 / 2);
            self.served.retain(|_, last| *last > old);
        }
    }

    pub(super) fn bid(&self, job: &Job, cost: Cost) -> Option<Bid> {
        let spec = job.spec.as_ref().ok()?;
        Some(Bid {
            client: self.turn(job.job.terms.client),
            cost,
            amount: Amount::of(spec.resources, cost.parallel),
            posted: job.posted,
        })
    }

    pub(super) fn means(&self, job: &Job) -> Means<'_> {
        let terms = &job.job.terms;
        let (free_stake, jury_stake) = self.spendable();
        Means {
            provider: self.me.provider,
            total: self.settings.total,
            free: self.free(),
            lease_tasks: self.settings.lease_tasks,
            policy: &self.settings.policy,
            timing: self.settings.timing,
            platform: self.settings.platform,
            free_stake,
            jury_stake,
            allowance: self.allowance(terms.client),
            admitted: self.facts.is_admitted(terms.providers),
            now: self.now.time,
        }
    }

    /// Stake that leases and their seats may lock, and that jurors' seats may: less the bonds of claims on their way and of
    /// seats that are worked for. A lease leaves a quarter of all stake to juries.
    fn spendable(&self) -> (u128, u128) {
        let stake = self.facts.stake().unwrap_or_default();
        let claims = self.intents.values().map(|pending| pending.bond);
        let asked = claims.fold(self.sums.prospects, u128::saturating_add);
        let jury = stake.free.saturating_sub(asked);
        (jury.saturating_sub(stake.total.div_ceil(4)), jury)
    }

    pub(super) fn purse(&self, candidate: &Candidate) -> u128 {
        let (lease, jury) = self.spendable();
        let purse = match candidate {
            Candidate::Seat(open) if open.id.is_jurors() => jury,
            _ => lease,
        };
        let client = self
            .jobs
            .get(&candidate.job())
            .map(|job| job.job.terms.client);
        client.map_or(0, |client| purse.min(self.allowance(client)))
    }

    /// Stake that may be locked for a client, beside what is: what a spec that is not what it seems can cost.
    fn allowance(&self, client: Address) -> u128 {
        let policy = &self.settings.policy;
        let own = policy.max_exposure.map_or(u128::MAX, |most| {
            most.saturating_sub(self.exposure(|other| other == client))
        });
        if self.paid.contains(&client) {
            return own;
        }
        // Addresses cost nothing: all clients that never paid share.
        let total = self.facts.stake().map_or(0, |stake| stake.total);
        let share = total.saturating_mul(u128::from(policy.strangers_percent)) / 100;
        own.min(share.saturating_sub(self.exposure(|other| !self.paid.contains(&other))))
    }

    /// Stake that is locked for the jobs of such clients, claims on their way included.
    fn exposure(&self, of: impl Fn(Address) -> bool) -> u128 {
        let counts = |job: B256| {
            let job = self.jobs.get(&job);
            job.is_some_and(|job| of(job.job.terms.client))
        };
        let duties = self.sums.exposure.iter();
        let duties = duties.filter(|(client, _)| of(**client));
        let claims = self.intents.iter();
        let claims = claims.filter(|(id, _)| id.what.job().is_some_and(counts));
        duties
            .map(|(_, bonds)| *bonds)
            .chain(claims.map(|(_, pending)| pending.bond))
            .fold(0, u128::saturating_add)
    }
}
