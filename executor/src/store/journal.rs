//! Never contradict yourself: every digest that binds stake is written here before it is signed.

use alloy::primitives::B256;
use rusqlite::{OptionalExtension, Transaction};

use super::{Contradiction, Result, Store, StoreError, to_sql};

impl Store {
    /// Binds `digest` to a phase of a lease, or finds it bound already.
    ///
    /// # Errors
    /// [`StoreError::Contradiction`] when another digest is bound.
    pub(crate) async fn bind_digest(
        &self,
        job: B256,
        lease: String,
        phase: &'static str,
        digest: B256,
    ) -> Result<()> {
        let (chain, market) = (self.chain_id, self.market);
        self.call(move |tx| {
            check_and_insert(tx, chain, market.as_slice(), job, lease, phase, digest)
        })
        .await
    }
}

pub(super) fn check_and_insert(
    tx: &Transaction<'_>,
    chain: u64,
    market: &[u8],
    job: B256,
    lease: String,
    phase: &'static str,
    digest: B256,
) -> Result<()> {
    let bound = tx
        .prepare_cached(
            "SELECT digest FROM journal WHERE chain_id = ?1 AND market = ?2 AND job = ?3 AND lease = ?4 AND phase = ?5",
        )?
        .query_row((to_sql(chain), market, job.as_slice(), &lease, phase), |row| row.get::<_, [u8; 32]>(0))
        .optional()?
        .map(B256::from);
    match bound {
        Some(bound) if bound == digest => Ok(()),
        Some(bound) => Err(StoreError::Contradiction(Box::new(Contradiction {
            job,
            lease,
            phase,
            bound,
            asked: digest,
        }))),
        None => {
            tx.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute((
                    to_sql(chain),
                    market,
                    job.as_slice(),
                    &lease,
                    phase,
                    digest.as_slice(),
                ))?;
            Ok(())
        }
    }
}
