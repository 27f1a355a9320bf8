//! What a lease's result is verified against: the digests under its root, from whoever serves them.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use backon::{ConstantBuilder, Retryable as _};
use piecework_net::fetch_auth::{FetchHeaders, FetchRequest, LIFE};
use url::Url;

use super::download::Basis;
use super::run::Run;
use super::unix_now;
use super::view::{LeaseView, SeatView};
use crate::Error;
use crate::blobs::{BlobError, BlobSource, HttpSource, fetch_bytes};
use crate::chain::IMarket::Phase;
use crate::chain::{ChainError, IMarket};
use crate::digest::{Digest, lease, tree};

/// How often a list of output digests that is not there yet is asked for again, and the pause between.
const LIST_TRIES: usize = 25;
const LIST_PAUSE: Duration = Duration::from_millis(200);

/// A lease whose digests are verified, and the providers that have its blobs.
pub(super) struct Verified {
    pub(super) lease: LeaseView,
    pub(super) basis: Basis,
    /// Not empty; those that served the digests come first.
    pub(super) holders: Vec<Holder>,
    pub(super) digests: Arc<Vec<Digest>>,
}

/// A result as a provider committed to it on chain, and so must serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The provider.
    pub provider: Address,
    /// The lease's first task.
    pub first: u32,
    /// Tasks in the lease.
    pub count: u32,
    /// Root of the result's tree.
    pub root: B256,
    /// Address of the digest list, as the provider says.
    pub digest_list: B256,
}

impl Committed {
    /// All its output digests, from a provider that serves them. At most the bytes that so many digests have are read, and
    /// only what adds up to the root on chain is believed. A list that is not there yet is asked for again for a
    /// few seconds.
    ///
    /// # Errors
    /// [`Error::Download`] if it is not served, [`Error::WrongRoot`] if it is another result's.
    pub async fn digests(&self, source: &dyn BlobSource) -> Result<Vec<Digest>, Error> {
        let Self {
            provider, first, ..
        } = *self;
        let digest_list = Digest::from(self.digest_list);
        let refused = |source: BlobError| Error::Download {
            provider,
            first,
            task: None,
            what: format!("the digest list {digest_list}"),
            source: Box::new(source),
        };
        // A provider serves its outputs once it sees its submission mined, the list last of all: whoever
        // asks sooner waits a little.
        let bytes = (|| fetch_bytes(source, digest_list, 32 * u64::from(self.count)))
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
    /// Fetches a lease's digest list and checks it against the root on chain. Of a redundant lease any seat that opened this
    /// root will do.
    pub(super) async fn verify(&self, lease: &LeaseView) -> Result<Verified, Error> {
        let (root, basis) = self.result_of(lease).await?;
        let by = |provider, digest_list| Committed {
            provider,
            first: lease.first,
            count: lease.count,
            root,
            digest_list,
        };
        let authors: Vec<Committed> = if lease.provider.is_zero() {
            let of = |seat: &SeatView| by(seat.provider, seat.proof);
            lease.winners().map(of).collect()
        } else {
            vec![by(lease.provider, lease.digest_list)]
        };
        let mut known = self.known_digests().lock().await;
        let mut digests = known.get(&(lease.first, root)).map(Arc::clone);
        let (mut holders, mut failed) = (Vec::new(), None);
        for author in authors {
            let holder = match self.holder(author.provider, lease.first).await {
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
            Phase::Settled => (state.root, Basis::Final(state.grade)),
            Phase::Submitted | Phase::Audited | Phase::Undecided => (state.root, Basis::Submitted),
            _ => (B256::ZERO, Basis::Submitted),
        };
        // The list's address is known from an event only: it must belong to this very result.
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

    /// Where a provider serves the results of a lease, asked as the job's client if that is what this program is.
    async fn holder(&self, provider: Address, first: u32) -> Result<Holder, Error> {
        let profile = self
            .market()
            .contract()
            .ask(IMarket::profileOfCall { provider })
            .call()
            .await;
        let profile = profile.map_err(|error| ChainError::from_contract("profileOf", error))?;
        let endpoint = profile.endpoint;
        let unusable = |problem: String| Error::Endpoint { provider, problem };
        if endpoint.is_empty() {
            return Err(unusable("it has published no URL (setProfile)".to_owned()));
        }
        let endpoint = Url::parse(&endpoint)
            .map_err(|error| unusable(format!("its URL {endpoint:?} is malformed: {error}")))?;
        let mut source = self
            .market()
            .inner
            .http
            .source(&endpoint)
            .map_err(|error| unusable(error.to_string()))?;
        if let Some(headers) = self.fetch_headers(first, profile.nodeId)? {
            source = source.with_headers(&headers.write());
        }
        Ok(Holder { provider, source })
    }

    /// The headers by which a provider knows the client; none without its key, which is not needed for final results.
    fn fetch_headers(&self, first: u32, node_id: B256) -> Result<Option<FetchHeaders>, Error> {
        let inner = &self.market().inner;
        let own = inner.sender.as_ref().and_then(|sender| sender.signer());
        let Some(key) = inner.config.fetch_key.as_ref().or(own) else {
            return Ok(None);
        };
        let client = self.job().terms.client;
        if key.address() != self.spec().fetch_key.unwrap_or(client) {
            return Ok(None);
        }
        let request = FetchRequest {
            chain_id: self.market().chain_id(),
            market: self.market().address(),
            job_id: self.id(),
            first,
            node_id,
            expires_at: unix_now().saturating_add(LIFE),
        };
        let signed = FetchHeaders::sign(&request, key);
        let signed = signed.map_err(|error| ChainError::Signer {
            account: key.address(),
            reason: error.to_string(),
        })?;
        Ok(Some(signed))
    }
}
