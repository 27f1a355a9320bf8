//! The next nonce, and nonces below ours that nobody has: nothing above such a gap is mined before it is filled.

use std::time::Duration;

use alloy::{primitives::Bytes, providers::Provider as _};
use tokio::time::Instant;

use super::{DISTRUST, Inner, SendError, nonce};
use crate::store::NewIntent;

impl Inner {
    /// Notes which nonces below ours nobody has.
    pub(super) async fn find_gaps(&self, used: u64) -> Result<(), SendError> {
        let open = self.store.open_nonces(self.signer.address()).await?;
        let missing = nonce::missing(used, &open);
        let mut memory = self.memory();
        memory.gaps.retain(|nonce, _| missing.contains(nonce));
        for nonce in missing {
            memory.gaps.entry(nonce).or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// The lowest nonce that has been missing for so long, which is then somebody's.
    fn take_gap(&self, patience: Duration) -> Option<u64> {
        let mut memory = self.memory();
        let ripe = memory
            .gaps
            .iter()
            .filter(|(_, since)| since.elapsed() >= patience)
            .map(|(nonce, _)| *nonce)
            .min()?;
        memory.gaps.remove(&ripe);
        memory.filled = Some(Instant::now());
        Some(ripe)
    }

    /// Fills nonces that nobody has with transfers of nothing to ourselves: nothing above them is mined before.
    pub(super) async fn fill_gaps(&self, patience: Duration) -> Result<(), SendError> {
        while let Some(nonce) = self.take_gap(patience) {
            tracing::warn!(
                nonce,
                "a nonce below ours is nobody's; filling it with a transfer of nothing"
            );
            let unique: u64 = rand::random();
            let new = NewIntent {
                id: format!("fill/{nonce}/{unique:016x}"),
                to: Some(self.signer.address()),
                data: Bytes::new(),
                not_after: None,
                repeatable: false,
                deadline: None,
                at_stake: 0,
            };
            let gas = self.estimate(&new).await?;
            let fees = self.market_fees().await?;
            let fees = fees.capped(self.timing.max_fee_per_gas);
            let attempt = self.sign(&new, nonce, gas, fees)?;
            let id = new.id.clone();
            self.store.put_intent(new, self.clock.now()).await?;
            self.store.put_attempt(id.clone(), attempt.clone()).await?;
            self.show(&id, &attempt).await?;
        }
        Ok(())
    }

    /// The nonce of the next transaction.
    pub(super) async fn next_nonce(&self, used: u64, patience: Duration) -> Result<u64, SendError> {
        if let Some(nonce) = self.take_gap(patience) {
            return Ok(nonce);
        }
        let address = self.signer.address();
        let own = nonce::own_next(used, &self.store.open_nonces(address).await?);
        let pending = self
            .provider
            .get_transaction_count(address)
            .pending()
            .await?;
        let mut memory = self.memory();
        if pending <= own {
            memory.above = None;
            return Ok(own);
        }
        let above = memory.above.get_or_insert_with(Instant::now).elapsed();
        let was_wrong = memory.filled.is_some_and(|at| at.elapsed() < DISTRUST);
        let believed = !was_wrong && nonce::is_believed(pending, own, above, self.patience);
        Ok(if believed { pending } else { own })
    }
}
