//! The factory that makes contracts at addresses that follow from their code.

use alloy::primitives::{Address, B256, Bytes, address, b256, keccak256};
use alloy::providers::{DynProvider, Provider as _};

use super::DeploymentError;
use crate::chain::ChainError;

/// The deterministic deployment proxy, at the same address on every chain that has it: it takes a salt and init code, and makes
/// the contract by CREATE2.
pub const FACTORY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// The hash of its code.
const FACTORY_CODE: B256 =
    b256!("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989");

/// The address at which the factory makes the contract of this init code.
pub fn create2(salt: B256, init_code_hash: B256) -> Address {
    FACTORY.create2(salt, init_code_hash)
}

/// The address of a Solidity market's second part, `Drawn`: the first contract that the market makes.
pub fn drawn_of(market: Address) -> Address {
    market.create(1)
}

/// The call of the factory that makes a contract.
pub(super) fn call(salt: B256, init_code: &Bytes) -> Bytes {
    [salt.as_slice(), init_code].concat().into()
}

/// Makes sure that the chain has the factory, and not another contract in its place.
pub(super) async fn check(rpc: &DynProvider, chain_id: u64) -> Result<(), DeploymentError> {
    let code = code_at(rpc, FACTORY).await?;
    if keccak256(&code) == FACTORY_CODE {
        return Ok(());
    }
    let other = !code.is_empty();
    Err(DeploymentError::NoFactory { chain_id, other })
}

/// The code at an address; empty if there is none.
pub(super) async fn code_at(rpc: &DynProvider, address: Address) -> Result<Bytes, ChainError> {
    let code = rpc.get_code_at(address).await;
    code.map_err(|error| ChainError::from_rpc("eth_getCode", error))
}
