//! The beacon that a market's seeds come from: reading it, and publishing a seed that nobody published yet.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall as _;
use alloy::transports::TransportErrorKind;
use url::Url;

use super::drand::{DrandError, Endpoints, GroupKey};
use super::{BlockBeacon, ChainError, Contract, DrandBeacon, IBeacon, IMarket};

/// Blocks for which the chain remembers hashes.
const MEMORY: u64 = 256;
/// Blocks are counted modulo this number in a point of a [`BlockBeacon`].
const CYCLE: u64 = 1 << 24;

/// Where seeds come from, as far as a caller must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeaconKind {
    /// Block hashes, which somebody must store within 256 blocks (`BlockBeacon`).
    Block,
    /// drand's randomness (`DrandBeacon`). Whoever publishes it brings drand's signature.
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
    /// Where drand is asked: of a [`BeaconKind::Drand`] only.
    drand: Option<Endpoints>,
}

/// The call that publishes a seed. Anyone may send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The beacon.
    pub to: Address,
    /// The encoded call.
    pub data: Bytes,
}

impl From<Publication> for TransactionRequest {
    fn from(Publication { to, data }: Publication) -> Self {
        Self::default().with_to(to).with_input(data)
    }
}

impl Beacon {
    /// Asks the market for its beacon, and the beacon for its kind. drand is asked at its own endpoints, if the beacon is
    /// of its chain quicknet; see [`Beacon::with_drand`].
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn probe(rpc: DynProvider, market: Address) -> Result<Self, ChainError> {
        let address = Contract::new(market, &rpc)
            .ask(IMarket::beaconCall {})
            .call()
            .await;
        let address = address.map_err(|error| ChainError::from_contract("beacon", error))?;
        let (kind, drand) = match read_kind(&rpc, address).await? {
            (BeaconKind::Drand, Some(key)) => (BeaconKind::Drand, Some(Endpoints::new(key, &[])?)),
            (kind, _) => (kind, None),
        };
        Ok(Self {
            rpc,
            address,
            kind,
            drand,
        })
    }

    /// Asks drand at these base URLs, at which `<url>/public/<round>` is served, in turn. Changes nothing if there are
    /// none, or the beacon is no [`BeaconKind::Drand`].
    ///
    /// # Errors
    /// [`DrandError::BadUrl`], [`DrandError::Client`].
    pub fn with_drand(mut self, urls: &[Url]) -> Result<Self, DrandError> {
        if let Some(drand) = self.drand.as_mut().filter(|_| !urls.is_empty()) {
            *drand = Endpoints::new(drand.key(), urls)?;
        }
        Ok(self)
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
    /// [`ChainError`], also if two endpoints tell different seeds.
    pub async fn seed(&self, point: u64) -> Result<Option<B256>, ChainError> {
        if point == 0 {
            return Ok(None);
        }
        let call = IBeacon::seedCall { id: point };
        let asked = self.contract().ask_two(&call).await;
        let (seed, other) = asked.map_err(|error| ChainError::from_contract("seed", error))?;
        // An endpoint that is behind knows none.
        if other.is_some_and(|other| !other.is_zero() && other != seed) && !seed.is_zero() {
            let why = format!("two endpoints tell different seeds of point {point}");
            let error = TransportErrorKind::custom_str(&why);
            return Err(ChainError::from_rpc("seed", error));
        }
        Ok((!seed.is_zero()).then_some(seed))
    }

    /// The nominal time of a point, in Unix seconds: about when its seed becomes known.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn time_of(&self, point: u64) -> Result<u64, ChainError> {
        let time = self
            .contract()
            .ask(IBeacon::timeOfCall { id: point })
            .call()
            .await;
        time.map_err(|error| ChainError::from_contract("timeOf", error))
    }

    /// Whether the seed of a point will never be known.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn is_dead(&self, point: u64) -> Result<bool, ChainError> {
        let dead = self
            .contract()
            .ask(IBeacon::isDeadCall { id: point })
            .call()
            .await;
        dead.map_err(|error| ChainError::from_contract("isDead", error))
    }

    /// Whether this program can publish seeds at all: it knows the kind of beacon and, for a [`BeaconKind::Drand`], an
    /// endpoint of drand.
    pub fn can_publish(&self) -> bool {
        match (self.kind, &self.drand) {
            (BeaconKind::Block, _) => true,
            (BeaconKind::Drand, Some(drand)) => !drand.urls().is_empty(),
            (BeaconKind::Drand, None) | (BeaconKind::Other, _) => false,
        }
    }

    /// Whether the seed of a point is not published, and its time to be published has come. Not so after drand's endpoints
    /// failed, until they are asked again.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn is_due(&self, point: u64) -> Result<bool, ChainError> {
        if !self.can_publish() || self.seed(point).await?.is_some() {
            return Ok(false);
        }
        let Some(drand) = &self.drand else {
            return self.is_built(point).await;
        };
        // drand goes by everybody's clock, not by the chain's.
        Ok(!drand.is_paused() && unix_now() > self.time_of(point).await?)
    }

    /// The call that publishes the seed of a point. For a [`BeaconKind::Drand`] it brings drand's signature, which is
    /// fetched and checked here. None if there is nothing to do now; see [`Beacon::is_due`].
    ///
    /// # Errors
    /// [`ChainError::Drand`] if no endpoint of drand has the right round; other [`ChainError`]s.
    pub async fn publication(&self, point: u64) -> Result<Option<Publication>, ChainError> {
        if !self.is_due(point).await? {
            return Ok(None);
        }
        let data = match &self.drand {
            None => BlockBeacon::keepCall { id: point }.abi_encode(),
            Some(drand) => {
                let signature = drand.round(point).await?.to_eip2537();
                DrandBeacon::publishCall {
                    round: point,
                    signature,
                }
                .abi_encode()
            }
        };
        let (to, data) = (self.address, data.into());
        Ok(Some(Publication { to, data }))
    }

    /// Whether the next block of the chain remembers the hash of a point's block.
    async fn is_built(&self, point: u64) -> Result<bool, ChainError> {
        let number = self.rpc.get_block_number().await;
        let number = number.map_err(|error| ChainError::from_rpc("eth_blockNumber", error))?;
        // The call comes into the next block at the earliest, which remembers the blocks before it.
        let age = number.saturating_add(1).wrapping_sub(point) % CYCLE;
        Ok((1..=MEMORY).contains(&age))
    }

    fn contract(&self) -> Contract<&DynProvider> {
        Contract::new(self.address, &self.rpc)
    }
}

/// The kind of the beacon at an address, by the functions that it has.
pub(super) async fn kind_of(rpc: &DynProvider, address: Address) -> Result<BeaconKind, ChainError> {
    Ok(read_kind(rpc, address).await?.0)
}

/// The same with the key of a [`BeaconKind::Drand`].
async fn read_kind(
    rpc: &DynProvider,
    address: Address,
) -> Result<(BeaconKind, Option<GroupKey>), ChainError> {
    let block = Contract::new(address, rpc)
        .ask(BlockBeacon::BLOCKSCall {})
        .call()
        .await;
    if found(block, "BLOCKS")?.is_some() {
        return Ok((BeaconKind::Block, None));
    }
    let key = Contract::new(address, rpc)
        .ask(DrandBeacon::publicKeyCall {})
        .call()
        .await;
    Ok(
        match found(key, "publicKey")?.map(|key| GroupKey::from_eip2537(&key)) {
            Some(Ok(key)) => (BeaconKind::Drand, Some(key)),
            Some(Err(_)) | None => (BeaconKind::Other, None),
        },
    )
}

/// A contract's answer. One that does not know the function answers with a revert, or with nothing.
fn found<T>(
    answer: Result<T, alloy::contract::Error>,
    name: &str,
) -> Result<Option<T>, ChainError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match ChainError::from_contract(name, error) {
            ChainError::Reverted { .. } | ChainError::Rpc { source: None, .. } => Ok(None),
            failed => Err(failed),
        },
    }
}

/// This machine's time in Unix seconds.
fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
