//! Never contradict yourself: every digest that binds stake is written here before it is signed.

use alloy::primitives::{Address, B256};
use rusqlite::{OptionalExtension, Transaction};

use super::{Contradiction, Result, Store, StoreError, to_sql};
use crate::seat::Key;

impl Store {
    /// Binds `digest` to a phase of a lease of `count` tasks, or finds it bound already.
    ///
    /// # Errors
    /// [`StoreError::Contradiction`] when another digest is bound.
    pub(crate) async fn bind_digest(
        &self,
        key: Key,
        count: u32,
        phase: &'static str,
        digest: B256,
    ) -> Result<()> {
        let place = self.place();
        self.call(move |tx| check_and_insert(tx, place, &key, count, phase, digest))
            .await
    }
}

pub(super) fn check_and_insert(
    tx: &Transaction<'_>,
    (chain, market): (u64, Address),
    key: &Key,
    count: u32,
    phase: &'static str,
    digest: B256,
) -> Result<()> {
    let lease = &key.lease;
    let (chain, market, job) = (to_sql(chain), market.as_slice(), lease.job.as_slice());
    let (first, round, kind) = (lease.first, lease.round, key.kind);
    let bound = tx
        .prepare_cached(
            "SELECT digest FROM journal WHERE chain_id = ?1 AND market = ?2 AND job = ?3 AND first = ?4
             AND count = ?5 AND round = ?6 AND kind = ?7 AND phase = ?8",
        )?
        .query_row(
            (chain, market, job, first, count, round, kind, phase),
            |row| row.get::<_, [u8; 32]>(0),
        )
        .optional()?
        .map(B256::from);
    match bound {
        Some(bound) if bound == digest => Ok(()),
        Some(bound) => Err(StoreError::Contradiction(Box::new(Contradiction {
            job: lease.job,
            lease: format!("{first}+{count}/{round}/{kind}"),
            phase,
            bound,
            asked: digest,
        }))),
        None => {
            tx.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
                .execute((
                    chain,
                    market,
                    job,
                    first,
                    count,
                    round,
                    kind,
                    phase,
                    digest.as_slice(),
                ))?;
            Ok(())
        }
    }
}
