//! A contract on a chain, to be asked.

use alloy::contract::SolCallBuilder;
use alloy::dyn_abi;
use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, Bytes};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;

use super::opinion;

/// The question of what a contract answers.
const CALL: &str = "eth_call";

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

impl Contract<&DynProvider> {
    /// Calls it at the newest block. Also what another endpoint answers, if there is one and it answers: for what costs a
    /// bond if it is wrong.
    ///
    /// # Errors
    /// As the call of [`ask`](Self::ask).
    pub async fn ask_two<C: SolCall>(
        &self,
        call: &C,
    ) -> Result<(C::Return, Option<C::Return>), alloy::contract::Error> {
        let request = TransactionRequest::default()
            .with_to(self.address)
            .with_input(call.abi_encode());
        let params = (request, "latest");
        let asked = opinion::ask(self.rpc, CALL, params.clone(), None).await;
        let (one, by): (Bytes, _) = asked?;
        let other: Option<Bytes> = opinion::second(self.rpc, CALL, params, by).await;
        let one = C::abi_decode_returns(&one).map_err(dyn_abi::Error::from)?;
        let other = other.and_then(|other| C::abi_decode_returns(&other).ok());
        Ok((one, other))
    }
}
