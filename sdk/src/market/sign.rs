//! What a client signs, and others send for it: it needs a balance in the market, but no gas.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes, keccak256};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::SignerSync as _;
use alloy::sol;
use alloy::sol_types::{Eip712Domain, SolStruct, eip712_domain};
use serde::{Deserialize, Serialize};

use super::run::Run;
use super::serve::BlobServer;
use super::{Job, Market};
use crate::Error;
use crate::chain::{ChainError, IMarket};

sol! {
    /// The client cancels its job.
    struct Cancel {
        bytes32 jobId;
    }
}

/// A job that its client signed. Whoever has it can post it, once; the client pays from its balance.
/// [`Market::revoke`] makes it void. While this value lives, the job's blobs are served to providers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedJob {
    /// The job.
    pub job: IMarket::Job,
    /// Its spec's bytes.
    pub spec: Bytes,
    /// The client's signature.
    pub signature: Bytes,
    #[serde(skip)]
    server: Option<Arc<BlobServer>>,
}

impl Market {
    /// The EIP-712 domain of the market.
    pub fn domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: "Piecework",
            version: "2",
            chain_id: self.chain_id(),
            verifying_contract: self.address(),
        }
    }

    /// The id of a job: what its client signs.
    pub fn job_id(&self, job: &IMarket::Job) -> B256 {
        job.eip712_signing_hash(&self.domain())
    }

    /// Publishes a job's blobs and signs the job, for anyone to post ([`Market::post_for`]). The balance must
    /// hold what goes into escrow: nothing is deposited, and no transaction is sent. It opens now, so it
    /// should be posted soon.
    ///
    /// # Errors
    /// As [`Market::submit`], and [`Error::CannotSign`]. Whatever the error, no money moved.
    pub async fn sign(&self, job: Job) -> Result<SignedJob, Error> {
        let client = self.account()?;
        let quote = self.quote(&job).await?;
        Self::check_deterrence(&job, &quote)?;
        if quote.deposit > 0 {
            return Err(Error::InsufficientFunds {
                account: client,
                token: self.inner.token.symbol.clone(),
                balance: quote.balance,
                wallet: 0,
                need: quote.escrow,
            });
        }
        let (spec, server) = self.publish(&job).await?;
        let spec = Bytes::from(spec.to_bytes()?);
        let at = (self.now().await?, self.chain_id());
        let job = job.terms(client, keccak256(&spec), at, self.times().await?)?;
        let signature = self.sign_job(&job)?;
        Ok(SignedJob {
            job,
            spec,
            signature,
            server,
        })
    }

    /// Signs a job as EIP-712 typed data.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::CannotSign`], [`Error::Chain`] if the key does not sign.
    pub fn sign_job(&self, job: &IMarket::Job) -> Result<Bytes, Error> {
        self.sign_typed(job)
    }

    /// Posts a job that its client signed; the caller pays the gas, the client's balance the escrow.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn post_for(&self, signed: &SignedJob) -> Result<Run, Error> {
        let call = IMarket::postForCall {
            job: signed.job.clone(),
            spec: signed.spec.clone(),
            signature: signed.signature.clone(),
        };
        let receipt = self.sender()?.call(self.address(), &call).await?;
        let posted = self.posting(&receipt)?;
        Run::new(self.clone(), posted, vec![receipt], signed.server.clone())
    }

    /// Makes the caller's signatures under jobs with this nonce void, if they are not posted yet.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn revoke(&self, nonce: u64) -> Result<TransactionReceipt, Error> {
        let call = IMarket::revokeCall { nonce };
        Ok(self.sender()?.call(self.address(), &call).await?)
    }

    fn sign_typed<T: SolStruct>(&self, typed: &T) -> Result<Bytes, Error> {
        let sender = self.sender()?;
        let account = sender.address();
        let signer = sender.signer().ok_or(Error::CannotSign { account })?;
        let signature = signer
            .sign_typed_data_sync(typed, &self.domain())
            .map_err(|error| ChainError::Signer {
                account,
                reason: error.to_string(),
            })?;
        Ok(signature.as_bytes().to_vec().into())
    }
}

impl Run {
    /// Signs the job's cancellation, for anyone to send ([`Run::cancel_for`]).
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::CannotSign`], [`Error::Chain`] if the key does not sign.
    pub fn sign_cancel(&self) -> Result<Bytes, Error> {
        self.market().sign_typed(&Cancel { jobId: self.id() })
    }

    /// Cancels the job as its client signed it; see [`Run::cancel`].
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn cancel_for(&self, signature: Bytes) -> Result<TransactionReceipt, Error> {
        let job = self.job().clone();
        self.act(&IMarket::cancelForCall { job, signature }).await
    }
}
