//! What posting a job would come to.

use alloy::primitives::{Bytes, keccak256};
use piecework_protocol::types::Address;

use super::records::{Key, Value};
use super::{Prediction, Predictor};
use crate::Error;
use crate::chain::ChainError;
use crate::chain::IMarket::{self, IMarketCalls};
use crate::market::{Job, Quote};
use crate::rules::Cost;

/// What `submit` would come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Posting {
    /// Escrow, and what of it the balance covers; and what cheating would cost.
    pub quote: Quote,
    /// What the market would say to `post`, once the quote's deposit is made, if the client has it.
    pub prediction: Prediction,
    /// What a lease (or a seat) of the largest size costs and brings when it is taken as soon as the job opens, and when
    /// it is taken once the price no longer climbs.
    pub cost: [Cost; 2],
}

impl Predictor {
    /// What posting the job at the time `at` would come to. Nothing is exported, served, deposited or sent: the spec, of
    /// which only the size can be refused, is left out.
    ///
    /// # Errors
    /// [`Error::BadJob`] or [`Error::Assurance`] for a job that the market would refuse, [`Error::NoKey`],
    /// [`Error::Chain`].
    pub async fn post(&self, job: &Job, at: u64) -> Result<Posting, Error> {
        let (client, chain_id) = (self.market.account()?, self.market.chain_id());
        let at = at.max(self.block.time);
        let quote = self.market.quote(job).await?;
        let spec = Bytes::new();
        let times = self.market.times().await?;
        let terms = job.terms(client, keccak256(&spec), (at, chain_id), times)?;
        let contract = self.market.contract();
        let fee = contract
            .ask(IMarket::feeCall {})
            .block(self.block.id())
            .call()
            .await;
        let fee = fee.map_err(|error| ChainError::from_contract("fee", error))?;
        let fee = fee.feeBps;
        let cost = |origin: u64| {
            let count = terms.terms.maxLease;
            let cost = match terms.assurance.replicas {
                1 => Cost::of_lease(&terms, count, fee, origin),
                _ => Cost::of_seat(&terms, count, fee, origin),
            };
            cost.map_err(|revert| Error::bad_job("price", revert))
        };
        let full = terms.timing.opensAt.saturating_add(terms.timing.ramp);
        let cost = [cost(terms.timing.opensAt)?, cost(full)?];
        let call = IMarketCalls::post(IMarket::postCall { job: terms, spec });
        // Not kept: the deposit is not made.
        let mut records = self.records.lock().await.clone();
        if quote.deposit > 0 && quote.is_covered() {
            let client: Address = client.into_array();
            let balance = quote.balance.saturating_add(quote.deposit);
            records.insert(Key::Balance(client), Value::Amount(balance));
        }
        let prediction = self.predicted(&mut records, client, &call, at).await?;
        Ok(Posting {
            quote,
            prediction,
            cost,
        })
    }
}
