//! What a provider's owner does: stake, operators, profile.

use alloy::primitives::Address;
use alloy::rpc::types::TransactionReceipt;

use super::Market;
use crate::Error;
use crate::chain::{ChainError, IMarket};

impl Market {
    /// Stakes `amount` units of the caller's tokens. Returns the receipts, the stake's last.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn stake(&self, amount: u128) -> Result<Vec<TransactionReceipt>, Error> {
        let mut receipts = self.approve(amount).await?;
        receipts.push(
            self.sender()?
                .call(self.address(), &IMarket::stakeCall { amount })
                .await?,
        );
        Ok(receipts)
    }

    /// Takes `amount` units of free stake out, to `to`: from the market's stake age (a day) after it last grew on.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn unstake(&self, to: Address, amount: u128) -> Result<TransactionReceipt, Error> {
        Ok(self
            .sender()?
            .call(self.address(), &IMarket::unstakeCall { to, amount })
            .await?)
    }

    /// Allows `operator` to act for the caller, or stops it.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn set_operator(
        &self,
        operator: Address,
        allowed: bool,
    ) -> Result<TransactionReceipt, Error> {
        Ok(self
            .sender()?
            .call(
                self.address(),
                &IMarket::setOperatorCall { operator, allowed },
            )
            .await?)
    }

    /// Publishes how to reach the caller as a provider. `endpoint` is the base URL of its blobs. The rest of its profile
    /// stays.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Chain`].
    pub async fn set_profile(&self, endpoint: &str) -> Result<TransactionReceipt, Error> {
        let provider = self.account()?;
        let contract = self.contract();
        let profile = contract
            .ask(IMarket::profileOfCall { provider })
            .call()
            .await;
        let profile = profile.map_err(|error| ChainError::from_contract("profileOf", error))?;
        let call = IMarket::setProfileCall {
            nodeId: profile.nodeId,
            capabilities: profile.capabilities,
            endpoint: endpoint.to_owned(),
        };
        Ok(self.sender()?.call(self.address(), &call).await?)
    }

    /// State of a provider.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn provider_of(&self, provider: Address) -> Result<IMarket::ProviderState, Error> {
        let state = self
            .contract()
            .ask(IMarket::providerOfCall { provider })
            .call()
            .await;
        Ok(state.map_err(|error| ChainError::from_contract("providerOf", error))?)
    }

    /// The number by which seats name a provider; 0 if it has none.
    pub(super) async fn number_of(&self, provider: Address) -> Result<u32, Error> {
        let mut known = self.inner.numbers.lock().await;
        if let Some(number) = known.get(&provider) {
            return Ok(*number);
        }
        let number = self.provider_of(provider).await?.number;
        if number != 0 {
            known.insert(provider, number);
        }
        Ok(number)
    }

    /// The URL at which a provider serves its results; empty if it has not said.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn endpoint_of(&self, provider: Address) -> Result<String, Error> {
        let profile = self
            .contract()
            .ask(IMarket::profileOfCall { provider })
            .call()
            .await;
        Ok(profile
            .map_err(|error| ChainError::from_contract("profileOf", error))?
            .endpoint)
    }
}
