//! The contracts that are compiled in, and their deployment on development networks. Chains with value: [`super::deployment`].

use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolValue as _;
use serde::{Deserialize, Serialize};

use super::drand::{BadKey, GroupKey};
use super::{ChainError, DevToken, IMarket, Sender};
use piecework_core::chain::{BlockBeaconConstructor, DrandBeaconConstructor, MarketConstructor};
pub use piecework_core::rules::{DEV_TIMES, TIMES};

const MARKET: &str = include_str!("../../../../contracts/abi/Market.json");
const BLOCK_BEACON: &str = include_str!("../../../../contracts/abi/BlockBeacon.json");
const DRAND_BEACON: &str = include_str!("../../../../contracts/abi/DrandBeacon.json");
const DEV_TOKEN: &str = include_str!("../../../../contracts/abi/DevToken.json");

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

/// The init code of a contract: its creation code, followed by the constructor's encoded arguments.
fn init_code(code: &Bytes, arguments: &[u8]) -> Bytes {
    [code, arguments].concat().into()
}

/// The creation code of the Solidity market, without arguments.
///
/// # Errors
/// [`ChainError::Artifact`].
pub fn market_code() -> Result<Bytes, ChainError> {
    creation_code("Market", MARKET)
}

/// What a market is deployed with.
#[derive(Debug, Clone)]
pub struct MarketDeployment {
    /// The token of payments and stakes.
    pub token: Address,
    /// The contract that seeds come from (`IBeacon`).
    pub beacon: Address,
    /// The account that may change the fee; zero fixes the fee permanently.
    pub fee_governor: Address,
    /// The account that receives the fee; zero only while there is none.
    pub fee_recipient: Address,
    /// The fee in basis points, at most 500.
    pub fee_bps: u16,
    /// The times that hold for all its jobs.
    pub times: IMarket::Times,
    /// Whether these times may be shorter than is sane. The market says so permanently.
    pub devnet: bool,
    /// The code to deploy, to which the constructor's arguments are added: another implementation of the same ABI, such
    /// as the ink! contract's blob on pallet-revive. `None`: the Solidity market, which is compiled in.
    pub code: Option<Bytes>,
}

/// Blocks from a point to the block whose hash is its seed, on a devnet.
pub const DEV_BLOCKS: u16 = 2;
/// Seconds from the block in which a point is taken to the point's nominal time, on a devnet.
pub const DEV_MARGIN: u64 = 1;

/// Seconds between the rounds of a devnet's drand. Each round is a point.
pub const DEV_ROUND: u64 = 1;

impl MarketDeployment {
    /// A market over `token` and `beacon` with the times of a chain with value, without a fee, and without an account
    /// that could set one.
    pub fn new(token: Address, beacon: Address) -> Self {
        Self {
            token,
            beacon,
            fee_governor: Address::ZERO,
            fee_recipient: Address::ZERO,
            fee_bps: 0,
            times: TIMES,
            devnet: false,
            code: None,
        }
    }

    /// A market for development: as [`MarketDeployment::new`], with [`DEV_TIMES`].
    pub fn devnet(token: Address, beacon: Address) -> Self {
        Self {
            times: DEV_TIMES,
            devnet: true,
            ..Self::new(token, beacon)
        }
    }

    /// The code that deploys it: the creation code with the constructor's arguments.
    ///
    /// # Errors
    /// [`ChainError::Artifact`].
    pub fn init_code(&self) -> Result<Bytes, ChainError> {
        let arguments = MarketConstructor {
            token: self.token,
            beacon: self.beacon,
            feeGovernor: self.fee_governor,
            feeRecipient: self.fee_recipient,
            feeBps: self.fee_bps,
            times: self.times.clone(),
            devnet: self.devnet,
        };
        let code = match &self.code {
            Some(code) => code.clone(),
            None => market_code()?,
        };
        Ok(init_code(&code, &arguments.abi_encode_params()))
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

/// What a beacon of block hashes is deployed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockDeployment {
    /// Blocks from the one in which a point is taken to the one whose hash is the seed, at least 2.
    pub blocks: u16,
    /// Seconds from the block in which a point is taken to the point's nominal time.
    pub margin: u64,
}

impl BlockDeployment {
    /// The code that deploys it: the creation code with the constructor's arguments.
    ///
    /// # Errors
    /// [`ChainError::Artifact`].
    pub fn init_code(&self) -> Result<Bytes, ChainError> {
        let arguments = BlockBeaconConstructor {
            blocks: self.blocks,
            margin: self.margin,
        };
        let code = creation_code("BlockBeacon", BLOCK_BEACON)?;
        Ok(init_code(&code, &arguments.abi_encode_params()))
    }
}

/// Deploys a beacon whose seeds are block hashes: `blocks` (at least 2) after a point is taken comes the block whose hash
/// is the seed, and `margin` seconds after it lies the point's nominal time.
///
/// # Errors
/// See [`ChainError`].
pub async fn deploy_block_beacon(
    sender: &Sender,
    blocks: u16,
    margin: u64,
) -> Result<(Address, TransactionReceipt), ChainError> {
    let code = BlockDeployment { blocks, margin }.init_code()?;
    sender.deploy("BlockBeacon", code).await
}

/// What a beacon of drand's rounds is deployed with. All times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrandDeployment {
    /// The group's public key. In files it is written as drand serves it: compressed, in hexadecimal digits.
    pub key: GroupKey,
    /// The Unix time of round 1.
    pub genesis: u64,
    /// From round to round.
    pub period: u64,
    /// From point to point: a multiple of `period`.
    pub point_period: u64,
    /// A point lies at least this far ahead when it is taken.
    pub margin: u64,
}

impl DrandDeployment {
    /// The beacon of drand's chain quicknet with the protocol's constants: a point each minute, a minute ahead at least.
    ///
    /// # Errors
    /// Never: the key that is compiled in is one.
    pub fn quicknet() -> Result<Self, BadKey> {
        Ok(Self {
            key: GroupKey::quicknet()?,
            genesis: 1_692_803_367,
            period: 3,
            point_period: 60,
            margin: 60,
        })
    }

    /// The code that deploys it: the creation code with the constructor's arguments.
    ///
    /// # Errors
    /// [`ChainError::Artifact`].
    pub fn init_code(&self) -> Result<Bytes, ChainError> {
        let arguments = DrandBeaconConstructor {
            key: self.key.to_eip2537(),
            genesis: self.genesis,
            period: self.period,
            pointPeriod: self.point_period,
            margin: self.margin,
        };
        let code = creation_code("DrandBeacon", DRAND_BEACON)?;
        Ok(init_code(&code, &arguments.abi_encode_params()))
    }
}

/// Deploys a beacon whose seeds are drand's randomness. The chain must have the precompiles of EIP-2537.
///
/// # Errors
/// See [`ChainError`].
pub async fn deploy_drand_beacon(
    sender: &Sender,
    deployment: DrandDeployment,
) -> Result<(Address, TransactionReceipt), ChainError> {
    sender.deploy("DrandBeacon", deployment.init_code()?).await
}

/// Deploys a market.
///
/// # Errors
/// See [`ChainError`].
pub async fn deploy_market(
    sender: &Sender,
    deployment: MarketDeployment,
) -> Result<(Address, TransactionReceipt), ChainError> {
    sender.deploy("Market", deployment.init_code()?).await
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
