//! The provider's stake, and what keeps this machine from working.

use std::collections::HashSet;

use alloy::primitives::{Address, B256};
use piecework_core::chain::IMarket;
use piecework_net::chain::Contract;

use super::{Control, ControlError};
use crate::evaluate::bond;

#[derive(Debug, Default)]
pub(super) struct Stake {
    pub(super) total: u128,
    pub(super) free: u128,
    /// The provider's number, by which events name it when a seat is closed; 0 if it has none.
    pub(super) number: u32,
    /// The owner's lists that the provider was admitted to; and 0, which stands for no list.
    pub(super) lists: HashSet<B256>,
    /// Whether it was ever read.
    pub(super) known: bool,
    /// Whether something happened since it was read.
    pub(super) stale: bool,
}

impl Control {
    /// Reads the stake again if something happened; keeps the old value if the node is silent.
    pub(super) async fn refresh_stake(&mut self) -> Result<(), ControlError> {
        if !self.stake.stale && self.stake.known {
            return Ok(());
        }
        let market = Contract::new(self.tools.market, &self.tools.rpc);
        let provider = self.tools.provider;
        let state = match market
            .ask(IMarket::providerOfCall { provider })
            .call()
            .await
        {
            Ok(state) => state,
            Err(error) => {
                tracing::debug!(%error, "cannot read the stake");
                return Ok(());
            }
        };
        for list in &self.tools.policy.lists {
            if !self.stake.lists.contains(list)
                && let Ok(true) = market
                    .ask(IMarket::isAdmittedCall {
                        list: *list,
                        provider,
                    })
                    .call()
                    .await
            {
                self.stake.lists.insert(*list);
            }
        }
        let numbered = self.stake.number != state.number;
        self.stake.total = state.stake;
        self.stake.free = state.free;
        self.stake.number = state.number;
        self.stake.known = true;
        self.stake.stale = false;
        if numbered {
            // Seats that were closed meanwhile are known by it.
            let jobs: HashSet<B256> = self.seats.keys().map(|key| key.lease.job).collect();
            for job in jobs {
                self.refresh(job).await?;
            }
        }
        Ok(())
    }

    /// Stake that may be locked for a client, beside what is: what a spec that is not what it seems can cost.
    pub(super) fn allowance(&self, client: Address) -> u128 {
        let policy = &self.tools.policy;
        let own = policy.max_exposure.map_or(u128::MAX, |most| {
            most.saturating_sub(self.exposure(|other| other == client))
        });
        if self.clients.contains(&client) {
            return own;
        }
        // Addresses cost nothing: all strangers share.
        let percent = u128::from(policy.strangers_percent);
        let share = self.stake.total.saturating_mul(percent) / 100;
        own.min(share.saturating_sub(self.exposure(|other| !self.clients.contains(&other))))
    }

    /// Stake that is locked for the jobs of such clients, claims on their way included.
    fn exposure(&self, of: impl Fn(Address) -> bool) -> u128 {
        let job_of = |job| {
            let entry = self.jobs.get(job)?;
            of(entry.job.terms.client).then_some(&entry.job)
        };
        let leases = self.leases.values().filter(|held| held.lease.is_bonded());
        let leases =
            leases.filter_map(|held| Some(bond(job_of(&held.lease.key.job)?, held.lease.count)));
        let seats = self.seats.values().filter(|held| held.seat.is_bonded());
        let seats = seats.filter_map(|held| job_of(&held.seat.key.lease.job).map(|_| held.bond));
        let claims = self.claims.values();
        let claims = claims.filter_map(|claim| job_of(&claim.job).map(|_| claim.bond));
        leases
            .chain(seats)
            .chain(claims)
            .fold(0, u128::saturating_add)
    }

    /// Free stake less the bonds of claims on their way and of seats that are worked for already.
    pub(super) fn jury_spendable(&self) -> u128 {
        let asked = self
            .claims
            .values()
            .fold(0u128, |sum, claim| sum.saturating_add(claim.bond));
        let prospects = self.seats.values().filter(|held| held.seat.prospect);
        let asked = prospects.fold(asked, |sum, held| sum.saturating_add(held.bond));
        self.stake.free.saturating_sub(asked)
    }

    /// Stake that leases, and seats of them, may lock: they leave a quarter of all stake to juries.
    pub(super) fn spendable(&self) -> u128 {
        let quarter = self.stake.total.div_ceil(4);
        self.jury_spendable().saturating_sub(quarter)
    }

    /// What keeps it from taking work, in words.
    pub(super) fn blocked(&self) -> Vec<String> {
        let mut blocked = Vec::new();
        if !self.synced {
            blocked.push("it is still reading the chain".to_owned());
        }
        blocked.extend(self.tools.link.trouble());
        if self.stake.known && self.stake.total == 0 {
            blocked.push(format!(
                "provider {} has no stake: approve the market's token and call stake(amount)",
                self.tools.provider
            ));
        }
        if let Some(trouble) = self.tools.sender.trouble() {
            blocked.push(format!("transactions cannot be sent: {trouble}"));
        }
        if self.disk_full {
            blocked.push("outputs that are owed to clients fill retention.max_bytes".to_owned());
        }
        if self.is_stopping() {
            blocked.push("it is stopping".to_owned());
        }
        blocked
    }
}
