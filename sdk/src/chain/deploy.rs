//! Deployment of the token and the market for development networks, from the artifacts that are
//! compiled in.

use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolValue as _;
use serde::Deserialize;

use super::bindings::MarketConstructor;
use super::{ChainError, DevToken, IMarket, Sender};

const MARKET: &str = include_str!("../../../contracts/abi/Market.json");
const DEV_TOKEN: &str = include_str!("../../../contracts/abi/DevToken.json");

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytes,
}

fn creation_code(name: &'static str, json: &str) -> Result<Bytes, ChainError> {
    let artifact: Artifact = serde_json::from_str(json).map_err(|error| ChainError::Artifact {
        name,
        reason: error.to_string(),
    })?;
    Ok(artifact.bytecode)
}

/// What a market is deployed with.
#[derive(Debug, Clone)]
pub struct MarketDeployment {
    /// The token of payments and stakes.
    pub token: Address,
    /// Who may change the fee; zero fixes it for ever.
    pub fee_governor: Address,
    /// Who receives the fee; zero only while there is none.
    pub fee_recipient: Address,
    /// The fee in basis points, at most 500.
    pub fee_bps: u16,
    /// The times that hold for all its jobs.
    pub times: IMarket::Times,
    /// The code to deploy, to which the constructor's arguments are added: another implementation of the same ABI, such
    /// as the ink! contract's blob on pallet-revive. `None`: the Solidity market, which is compiled in.
    pub code: Option<Bytes>,
}

/// The times of a market that is used in earnest, in seconds.
pub const TIMES: IMarket::Times = IMarket::Times {
    drawTime: 60,
    drawStep: 15,
    revealWindow: 3_600,
    respondWindow: 6 * 3_600,
    stakeAge: 86_400,
};

/// Times for development networks: blocks come every second or on demand, stake counts at once, and nobody sleeps.
pub const DEV_TIMES: IMarket::Times = IMarket::Times {
    drawTime: 8,
    drawStep: 1,
    revealWindow: 30,
    respondWindow: 60,
    stakeAge: 0,
};

impl MarketDeployment {
    /// A market over `token` with the times of one used in earnest, without a fee and without anyone
    /// who could set one.
    pub fn new(token: Address) -> Self {
        Self {
            token,
            fee_governor: Address::ZERO,
            fee_recipient: Address::ZERO,
            fee_bps: 0,
            times: TIMES,
            code: None,
        }
    }
}

/// Deploys the play-money token, which anyone may mint.
///
/// # Errors
/// See [`ChainError`].
pub async fn deploy_dev_token(
    sender: &Sender,
) -> Result<(Address, TransactionReceipt), ChainError> {
    sender
        .deploy("DevToken", creation_code("DevToken", DEV_TOKEN)?)
        .await
}

/// Deploys a market.
///
/// # Errors
/// See [`ChainError`].
pub async fn deploy_market(
    sender: &Sender,
    deployment: MarketDeployment,
) -> Result<(Address, TransactionReceipt), ChainError> {
    let arguments = MarketConstructor {
        token: deployment.token,
        feeGovernor: deployment.fee_governor,
        feeRecipient: deployment.fee_recipient,
        feeBps: deployment.fee_bps,
        times: deployment.times,
    };
    let code = match deployment.code {
        Some(code) => code,
        None => creation_code("Market", MARKET)?,
    };
    let mut code = code.to_vec();
    code.extend_from_slice(&arguments.abi_encode_params());
    sender.deploy("Market", code.into()).await
}

/// Mints play money to `to`.
///
/// # Errors
/// See [`ChainError`].
pub async fn mint(
    sender: &Sender,
    token: Address,
    to: Address,
    amount: u128,
) -> Result<TransactionReceipt, ChainError> {
    sender
        .call(
            token,
            &DevToken::mintCall {
                to,
                value: U256::from(amount),
            },
        )
        .await
}
