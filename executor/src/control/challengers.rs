//! Challengers that belong to our provider: a juror must not judge a challenge of its own side.

use std::collections::{HashMap, HashSet};

use alloy::primitives::{Address, B256};
use piecework::chain::IMarket;

use super::Control;

/// A dispute: its job, then its lease, round and number.
type Dispute = (B256, (u32, u16, u8));

/// The challengers of the open disputes.
#[derive(Debug, Default)]
pub(super) struct Challengers {
    /// Whether the challenger is our provider, or signs for it.
    ours: HashMap<Address, bool>,
    /// Disputes whose challenger the market was asked about.
    asked: HashSet<Dispute>,
}

impl Challengers {
    /// Whether the market said that this challenger has nothing to do with our provider.
    pub(super) fn is_other(&self, who: Address) -> bool {
        self.ours.get(&who) == Some(&false)
    }
}

impl Control {
    /// Asks the market which challengers sign for our provider.
    pub(super) async fn learn_challengers(&mut self) {
        let open: Vec<(Dispute, Address)> = (self.jobs.iter())
            .flat_map(|(job, entry)| {
                let disputes = entry.view.seats.open_disputes();
                disputes.map(move |(place, dispute)| ((*job, place), dispute.challenger))
            })
            .collect();
        // Asked again at each dispute: who signs for whom can change.
        let disputes: HashSet<Dispute> = open.iter().map(|(dispute, _)| *dispute).collect();
        let accounts: HashSet<Address> = open.iter().map(|(_, who)| *who).collect();
        let known = &mut self.challengers;
        known.asked.retain(|dispute| disputes.contains(dispute));
        known.ours.retain(|who, _| accounts.contains(who));
        let unknown = open.into_iter();
        let unknown: Vec<(Dispute, Address)> = unknown
            .filter(|(dispute, _)| !known.asked.contains(dispute))
            .collect();
        let market = IMarket::new(self.tools.market, self.tools.rpc.clone());
        for (dispute, who) in unknown {
            let ours = match who == self.tools.operator {
                true => Ok(true),
                false => market.isOperator(self.tools.provider, who).call().await,
            };
            match ours {
                Ok(ours) => {
                    self.challengers.ours.insert(who, ours);
                    self.challengers.asked.insert(dispute);
                }
                Err(error) => {
                    self.challengers.ours.remove(&who);
                    tracing::debug!(%error, "cannot ask who signs for the provider");
                }
            }
        }
    }
}
