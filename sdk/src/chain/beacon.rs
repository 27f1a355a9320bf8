//! The beacon that a market's seeds come from: reading it, and publishing a seed that nobody published yet.

use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider as _};

use super::{BlockBeacon, ChainError, DrandBeacon, IBeacon, IMarket};

/// Blocks for which the chain remembers hashes.
const MEMORY: u64 = 256;
/// Blocks are counted modulo this number in a point of a [`BlockBeacon`].
const CYCLE: u64 = 1 << 24;

/// Where seeds come from, as far as a caller must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeaconKind {
    /// Block hashes, which somebody must store within 256 blocks (`BlockBeacon`).
    Block,
    /// drand's randomness (`DrandBeacon`). Its publishers need drand's signature.
    Drand,
    /// A contract that this version does not know. Its seeds can be read only.
    Other,
}

/// A market's beacon.
#[derive(Debug, Clone)]
pub struct Beacon {
    rpc: DynProvider,
    address: Address,
    kind: BeaconKind,
}

impl Beacon {
    /// Asks the market for its beacon, and the beacon for its kind.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn probe(rpc: DynProvider, market: Address) -> Result<Self, ChainError> {
        let address = IMarket::new(market, &rpc).beacon().call().await;
        let address = address.map_err(|error| ChainError::from_contract("beacon", error))?;
        let block = BlockBeacon::new(address, &rpc).BLOCKS().call().await;
        let kind = if known(block.map(drop), "BLOCKS")? {
            BeaconKind::Block
        } else {
            let drand = DrandBeacon::new(address, &rpc).PERIOD().call().await;
            match known(drand.map(drop), "PERIOD")? {
                true => BeaconKind::Drand,
                false => BeaconKind::Other,
            }
        };
        Ok(Self { rpc, address, kind })
    }

    /// The contract.
    pub fn address(&self) -> Address {
        self.address
    }

    /// What it makes seeds of.
    pub fn kind(&self) -> BeaconKind {
        self.kind
    }

    /// The seed of a point; none while nobody has published it, and for point 0, which is no point.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn seed(&self, point: u64) -> Result<Option<B256>, ChainError> {
        if point == 0 {
            return Ok(None);
        }
        let seed = self.contract().seed(point).call().await;
        let seed = seed.map_err(|error| ChainError::from_contract("seed", error))?;
        Ok((!seed.is_zero()).then_some(seed))
    }

    /// The nominal time of a point, in Unix seconds: about when its seed becomes known.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn time_of(&self, point: u64) -> Result<u64, ChainError> {
        let time = self.contract().timeOf(point).call().await;
        time.map_err(|error| ChainError::from_contract("timeOf", error))
    }

    /// Whether the seed of a point will never be known.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn is_dead(&self, point: u64) -> Result<bool, ChainError> {
        let dead = self.contract().isDead(point).call().await;
        dead.map_err(|error| ChainError::from_contract("isDead", error))
    }

    /// The call that publishes the seed of a point, for [`Beacon::address`]. None if there is nothing to do now, or
    /// nothing that this program can do: the seed is published, the point's block is not built or is forgotten, or the
    /// beacon is no [`BeaconKind::Block`].
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn keep(&self, point: u64) -> Result<Option<BlockBeacon::keepCall>, ChainError> {
        if self.kind != BeaconKind::Block || self.seed(point).await?.is_some() {
            return Ok(None);
        }
        let number = self.rpc.get_block_number().await;
        let number = number.map_err(|error| ChainError::from_rpc("eth_blockNumber", error))?;
        // The call comes into the next block at the earliest, which remembers the blocks before it.
        let age = number.saturating_add(1).wrapping_sub(point) % CYCLE;
        let built = (1..=MEMORY).contains(&age);
        Ok(built.then_some(BlockBeacon::keepCall { id: point }))
    }

    fn contract(&self) -> IBeacon::IBeaconInstance<&DynProvider> {
        IBeacon::new(self.address, &self.rpc)
    }
}

/// Whether a contract knows a function: one that does not answers with a revert, or with nothing.
fn known(answer: Result<(), alloy::contract::Error>, name: &str) -> Result<bool, ChainError> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) => match ChainError::from_contract(name, error) {
            ChainError::Reverted { .. } | ChainError::Rpc { source: None, .. } => Ok(false),
            failed => Err(failed),
        },
    }
}
