//! A contract on a chain, to be asked.

use alloy::contract::SolCallBuilder;
use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::sol_types::SolCall;

/// A contract at an address, asked through `rpc`.
///
/// ```no_run
/// use alloy::{primitives::Address, providers::DynProvider};
/// use piecework_net::chain::{Contract, IMarket};
///
/// # async fn stake(rpc: DynProvider, market: Address, provider: Address) -> Result<u128, alloy::contract::Error> {
/// let market = Contract::new(market, &rpc);
/// let state = market.ask(IMarket::providerOfCall { provider }).call().await?;
/// # Ok(state.stake)
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Contract<P> {
    address: Address,
    rpc: P,
}

impl<P: Provider> Contract<P> {
    /// The contract at `address`.
    pub fn new(address: Address, rpc: P) -> Self {
        Self { address, rpc }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// A call of it: `call()` asks a node, at the newest block if none is set.
    pub fn ask<C: SolCall>(&self, call: C) -> SolCallBuilder<&P, C> {
        // What alloy's own bindings do for each function of a contract.
        SolCallBuilder::new_sol(&self.rpc, &self.address, &call)
    }
}
