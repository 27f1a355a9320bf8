//! The provider's stake, and what keeps this machine from working.

use piecework::chain::IMarket;

use super::Control;

#[derive(Debug, Default)]
pub(super) struct Stake {
    pub(super) total: u128,
    pub(super) free: u128,
    /// Whether it was ever read.
    pub(super) known: bool,
    /// Whether something happened since it was read.
    pub(super) stale: bool,
}

impl Control {
    /// Reads the stake again if something happened; keeps the old value if the node is silent.
    pub(super) async fn refresh_stake(&mut self) {
        if !self.stake.stale && self.stake.known {
            return;
        }
        let market = IMarket::new(self.tools.market, &self.tools.rpc);
        match market.providerOf(self.tools.provider).call().await {
            Ok(state) => {
                self.stake = super::stake::Stake {
                    total: state.stake,
                    free: state.free,
                    known: true,
                    stale: false,
                };
            }
            Err(error) => tracing::debug!(%error, "cannot read the stake"),
        }
    }

    /// Free stake less the bonds of claims on their way.
    pub(super) fn spendable(&self) -> u128 {
        let asked = self
            .claims
            .values()
            .fold(0u128, |sum, claim| sum.saturating_add(claim.bond));
        self.stake.free.saturating_sub(asked)
    }

    /// What keeps it from taking work, in words.
    pub(super) fn blocked(&self) -> Vec<String> {
        let mut blocked = Vec::new();
        if !self.synced {
            blocked.push("it is still reading the chain".to_owned());
        }
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
