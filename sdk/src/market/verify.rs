//! What a lease's result is verified against: the digests under its root, from whoever serves them.

use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, B256};
use alloy::providers::Provider as _;
use alloy::sol_types::SolCall as _;
use backon::{ConstantBuilder, Retryable as _};
use url::Url;

use super::download::Basis;
use super::run::Run;
use super::view::{LeaseView, SeatView};
use crate::Error;
use crate::blobs::{BlobError, BlobSource, HttpSource, fetch_bytes};
use crate::chain::IMarket::{self, Phase};
use crate::digest::{Digest, lease, tree};

/// How often a list of output digests that is not there yet is asked for again, and the pause between.
const LIST_TRIES: usize = 25;
const LIST_PAUSE: Duration = Duration::from_millis(200);
/// A lease whose digests are verified, and who has its blobs.
pub(super) struct Verified {
    pub(super) lease: LeaseView,
    pub(super) basis: Basis,
    /// Not empty; those that served the digests come first.
    pub(super) holders: Vec<Holder>,
    pub(super) digests: Arc<Vec<Digest>>,
}

/// A result as a provider committed to it on chain, and so must serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Committed {
    provider: Address,
    /// The lease's first task.
    first: u32,
    /// Tasks in the lease.
    count: u32,
    /// Root of the result's tree.
    root: B256,
    /// Address of the list of output digests, as the provider says.
    manifest: B256,
}

impl Committed {
    /// All its output digests, from who serves them: at most the bytes that so many digests have are read, and
    /// only what adds up to the root on chain is believed. A list that is not there yet is asked for again for a
    /// few seconds.
    ///
    /// # Errors
    /// [`Error::Download`] if it is not served, [`Error::WrongRoot`] if it is another result's.
    async fn digests(&self, source: &dyn BlobSource) -> Result<Vec<Digest>, Error> {
        let Self {
            provider, first, ..
        } = *self;
        let manifest = Digest::from(self.manifest);
        let refused = |source: BlobError| Error::Download {
            provider,
            first,
            task: None,
            what: format!("the list of output digests {manifest}"),
            source: Box::new(source),
        };
        // A provider serves its outputs once it sees its submission mined, the list last of all: who
        // asks sooner waits a little.
        let bytes = (|| fetch_bytes(source, manifest, 32 * u64::from(self.count)))
            .retry(
                ConstantBuilder::new()
                    .with_delay(LIST_PAUSE)
                    .with_max_times(LIST_TRIES),
            )
            .when(|error| matches!(error, BlobError::NotFound { .. }))
            .await
            .map_err(refused)?;
        let wrong = |got: B256| Error::WrongRoot {
            provider,
            first,
            expected: self.root,
            got,
        };
        let digests = lease::decode(&bytes, self.count).map_err(|_| wrong(B256::ZERO))?;
        let got = tree::root(first, &digests).map_err(|_| wrong(B256::ZERO))?;
        if got != self.root {
            return Err(wrong(got));
        }
        Ok(digests)
    }
}

/// A provider with the blobs of a result.
pub(super) struct Holder {
    pub(super) provider: Address,
    pub(super) source: HttpSource,
}

impl Run {
    /// Fetches a lease's list of output digests and checks it against the root on chain. Of a redundant
    /// lease any seat that revealed this root will do.
    pub(super) async fn verify(&self, lease: &LeaseView) -> Result<Verified, Error> {
        let (root, basis) = self.result_of(lease).await?;
        let by = |provider, manifest| Committed {
            provider,
            first: lease.first,
            count: lease.count,
            root,
            manifest,
        };
        let authors: Vec<Committed> = if lease.provider.is_zero() {
            let of = |seat: &SeatView| by(seat.provider, seat.evidence);
            lease.winners().map(of).collect()
        } else {
            vec![by(lease.provider, lease.manifest)]
        };
        let mut known = self.known_digests().lock().await;
        let mut digests = known.get(&(lease.first, root)).map(Arc::clone);
        let (mut holders, mut failed) = (Vec::new(), None);
        for author in authors {
            let holder = match self.holder(author.provider).await {
                Ok(holder) => holder,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            if digests.is_none() {
                match author.digests(&holder.source).await {
                    Ok(list) => {
                        holders.insert(0, holder);
                        digests = Some(Arc::new(list));
                        continue;
                    }
                    Err(error) => failed = Some(error),
                }
            }
            holders.push(holder);
        }
        if digests.is_none() {
            digests = self.answered_digests(lease, root).await.map(Arc::new);
        }
        match (digests, failed) {
            (Some(digests), _) if !holders.is_empty() => {
                known.insert((lease.first, root), Arc::clone(&digests));
                let lease = lease.clone();
                Ok(Verified {
                    lease,
                    basis,
                    holders,
                    digests,
                })
            }
            (_, Some(error)) => Err(error),
            (_, None) => Err(self.contradiction(lease.first)),
        }
    }

    /// All output digests of a lease that has a result, as its provider committed to them.
    pub(super) async fn digests_of(&self, lease: &LeaseView) -> Result<Arc<Vec<Digest>>, Error> {
        Ok(self.verify(lease).await?.digests)
    }

    /// The root of a lease's result as the chain has it now, if that is what its events say.
    async fn result_of(&self, lease: &LeaseView) -> Result<(B256, Basis), Error> {
        let state = self.lease_state(lease.first).await?;
        let (root, basis) = match state.phase {
            Phase::Settled => (state.root, Basis::Final(state.how)),
            Phase::Submitted | Phase::Challenged | Phase::Demanded => {
                (state.root, Basis::Submitted)
            }
            _ => (B256::ZERO, Basis::Submitted),
        };
        // The manifest's address is known from an event only: it must belong to this very result.
        if root.is_zero()
            || root != lease.root
            || (!lease.provider.is_zero() && state.provider != lease.provider)
            || state.count != lease.count
        {
            return Err(self.contradiction(lease.first));
        }
        Ok((root, basis))
    }

    pub(super) fn contradiction(&self, first: u32) -> Error {
        Error::BadPosting {
            job_id: self.id(),
            problem: format!("events and state of the lease at task {first} differ"),
        }
    }

    /// Where a provider serves its results.
    async fn holder(&self, provider: Address) -> Result<Holder, Error> {
        let endpoint = self.market().endpoint_of(provider).await?;
        let unusable = |problem: String| Error::Endpoint { provider, problem };
        if endpoint.is_empty() {
            return Err(unusable("it has published no URL (setProfile)".to_owned()));
        }
        let endpoint = Url::parse(&endpoint)
            .map_err(|error| unusable(format!("its URL {endpoint:?} is malformed: {error}")))?;
        let source = self
            .market()
            .inner
            .http
            .source(&endpoint)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Holder { provider, source })
    }

    /// The digests in the provider's answer to a demand, if it gave one by a plain call.
    async fn answered_digests(&self, lease: &LeaseView, root: B256) -> Option<Vec<Digest>> {
        let tx = lease.demand.as_ref()?.answered?;
        let provider = self.market().provider();
        let tx = provider.get_transaction_by_hash(tx).await.ok()??;
        let call = IMarket::respondCall::abi_decode(tx.input()).ok()?;
        let digests: Vec<Digest> = call.digests.into_iter().map(Digest::from).collect();
        (tree::root(lease.first, &digests).ok()? == root).then_some(digests)
    }
}
