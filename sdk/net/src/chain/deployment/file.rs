//! The file that describes a deployment.

use std::io::ErrorKind;
use std::path::Path;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use super::{DeploymentError, Difference, create2, drawn_of};
use crate::chain::deploy::{self, BlockDeployment, DrandDeployment, MarketDeployment};
use crate::chain::{ChainError, IMarket};

/// The version of the file.
const VERSION: u32 = 1;
/// A file of more bytes than this describes no deployment.
const MAX_FILE: u64 = 64 * 1024;

/// A market on a chain, and what it was deployed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Version of the file: 1.
    pub version: u32,
    /// The chain.
    pub chain_id: u64,
    /// The block in which the market was deployed, or one before it: where searches for events begin.
    pub block: u64,
    /// The market.
    pub market: Address,
    /// The market's second part, which its constructor made.
    pub drawn: Address,
    /// The token of payments and stakes.
    pub token: Address,
    /// Where seeds come from.
    pub beacon: BeaconRecord,
    /// The fee with which the market was deployed.
    pub fee: Fee,
    /// The times that hold for all jobs.
    pub times: Times,
    /// Whether these times may be shorter than is sane.
    pub devnet: bool,
    /// The salt of the addresses.
    pub salt: B256,
    /// The market's code.
    pub code: Code,
}

/// A beacon, and what it was deployed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(clippy::large_enum_variant, reason = "a program has one of them")]
pub enum BeaconRecord {
    /// `DrandBeacon`.
    Drand {
        /// The contract.
        address: Address,
        /// Its constructor's arguments.
        parameters: DrandDeployment,
        /// The keccak-256 of its creation code with these arguments.
        init_code_hash: B256,
    },
    /// `BlockBeacon`.
    Block {
        /// The contract.
        address: Address,
        /// Its constructor's arguments.
        parameters: BlockDeployment,
        /// The keccak-256 of its creation code with these arguments.
        init_code_hash: B256,
    },
    /// A contract whose code this program does not know.
    Other {
        /// The contract.
        address: Address,
    },
}

impl BeaconRecord {
    /// The contract.
    pub fn address(&self) -> Address {
        match self {
            Self::Drand { address, .. } | Self::Block { address, .. } | Self::Other { address } => {
                *address
            }
        }
    }

    /// The kind, as files write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Drand { .. } => "drand",
            Self::Block { .. } => "block",
            Self::Other { .. } => "other",
        }
    }

    /// The recorded hash of its init code, if its code is known.
    pub fn init_code_hash(&self) -> Option<B256> {
        match self {
            Self::Drand { init_code_hash, .. } | Self::Block { init_code_hash, .. } => {
                Some(*init_code_hash)
            }
            Self::Other { .. } => None,
        }
    }

    /// The init code that this program has for its parameters.
    pub(super) fn init_code(&self) -> Result<Option<Bytes>, ChainError> {
        match self {
            Self::Drand { parameters, .. } => parameters.init_code().map(Some),
            Self::Block { parameters, .. } => parameters.init_code().map(Some),
            Self::Other { .. } => Ok(None),
        }
    }

    /// A `DrandBeacon` at `address`, or where the factory makes it with this salt.
    pub(super) fn drand(
        parameters: DrandDeployment,
        place: Result<Address, B256>,
    ) -> Result<Self, ChainError> {
        let init_code_hash = keccak256(parameters.init_code()?);
        let address = place.unwrap_or_else(|salt| create2(salt, init_code_hash));
        Ok(Self::Drand {
            address,
            parameters,
            init_code_hash,
        })
    }

    /// The same for a `BlockBeacon`.
    pub(super) fn block(
        parameters: BlockDeployment,
        place: Result<Address, B256>,
    ) -> Result<Self, ChainError> {
        let init_code_hash = keccak256(parameters.init_code()?);
        let address = place.unwrap_or_else(|salt| create2(salt, init_code_hash));
        Ok(Self::Block {
            address,
            parameters,
            init_code_hash,
        })
    }
}

/// The protocol's fee on what providers earn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// Who may change it for later jobs; zero fixes it permanently.
    pub governor: Address,
    /// Who receives it; zero only while there is none.
    pub recipient: Address,
    /// Its size in basis points, at most 500.
    pub bps: u16,
}

/// The keccak-256 of a contract's creation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Without arguments: the same for all markets of one version.
    pub creation_code_hash: B256,
    /// With the constructor's arguments.
    pub init_code_hash: B256,
}

/// A market's times, in seconds; `IMarket.Times` says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "IMarket.Times")]
pub struct Times {
    pub stake_age: u64,
    pub lease_step: u64,
    pub jury_step: u64,
    pub jury_time: u64,
    pub reveal_window: u64,
    pub respond_window: u64,
    pub retry_window: u64,
    pub least_audit_window: u64,
    pub least_run_window: u64,
}

/// Those of a market on a chain with value.
impl Default for Times {
    fn default() -> Self {
        deploy::TIMES.into()
    }
}

impl From<IMarket::Times> for Times {
    fn from(times: IMarket::Times) -> Self {
        Self {
            stake_age: times.stakeAge,
            lease_step: times.leaseStep,
            jury_step: times.juryStep,
            jury_time: times.juryTime,
            reveal_window: times.revealWindow,
            respond_window: times.respondWindow,
            retry_window: times.retryWindow,
            least_audit_window: times.leastAuditWindow,
            least_run_window: times.leastRunWindow,
        }
    }
}

impl From<Times> for IMarket::Times {
    fn from(times: Times) -> Self {
        Self {
            stakeAge: times.stake_age,
            leaseStep: times.lease_step,
            juryStep: times.jury_step,
            juryTime: times.jury_time,
            revealWindow: times.reveal_window,
            respondWindow: times.respond_window,
            retryWindow: times.retry_window,
            leastAuditWindow: times.least_audit_window,
            leastRunWindow: times.least_run_window,
        }
    }
}

impl Deployment {
    /// The deployment that the factory makes of this program's market; its block is not known yet.
    pub(super) fn of(
        chain_id: u64,
        token: Address,
        beacon: BeaconRecord,
        (fee, times, devnet): (Fee, Times, bool),
        salt: B256,
    ) -> Result<Self, ChainError> {
        let mut deployment = Self {
            version: VERSION,
            chain_id,
            block: 0,
            market: Address::ZERO,
            drawn: Address::ZERO,
            token,
            beacon,
            fee,
            times,
            devnet,
            salt,
            code: Code {
                creation_code_hash: keccak256(deploy::market_code()?),
                init_code_hash: B256::ZERO,
            },
        };
        deployment.code.init_code_hash = keccak256(deployment.init_code()?);
        deployment.market = create2(salt, deployment.code.init_code_hash);
        deployment.drawn = drawn_of(deployment.market);
        Ok(deployment)
    }

    /// The init code of this program's market with the arguments of this deployment.
    ///
    /// # Errors
    /// [`ChainError::Artifact`].
    pub fn init_code(&self) -> Result<Bytes, ChainError> {
        MarketDeployment {
            fee_governor: self.fee.governor,
            fee_recipient: self.fee.recipient,
            fee_bps: self.fee.bps,
            times: self.times.into(),
            devnet: self.devnet,
            ..MarketDeployment::new(self.token, self.beacon.address())
        }
        .init_code()
    }

    /// Whether the market has the code of this program's version.
    ///
    /// # Errors
    /// [`ChainError::Artifact`].
    pub fn is_this_version(&self) -> Result<bool, ChainError> {
        Ok(self.code.creation_code_hash == keccak256(deploy::market_code()?))
    }

    /// What in it contradicts itself. The market's address commits to the hash of its init code, and that to all arguments; the
    /// arguments are only checked for a market of this program's version.
    ///
    /// # Errors
    /// [`ChainError::Artifact`].
    pub fn contradictions(&self) -> Result<Vec<Difference>, ChainError> {
        let made = create2(self.salt, self.code.init_code_hash);
        let mut differences = vec![
            Difference::of("market", &made, &self.market),
            Difference::of("drawn", &drawn_of(self.market), &self.drawn),
        ];
        if self.is_this_version()? {
            let hash = keccak256(self.init_code()?);
            let what = "the hash of the market's init code";
            differences.push(Difference::of(what, &hash, &self.code.init_code_hash));
        }
        Ok(differences.into_iter().flatten().collect())
    }

    /// Reads a file that [`Deployment::write`] wrote, and checks that it does not contradict itself. No node is asked.
    ///
    /// # Errors
    /// [`DeploymentError::File`], [`DeploymentError::Contradiction`].
    pub fn read(path: &Path) -> Result<Self, DeploymentError> {
        let deployment = Self::parse(path)?;
        match deployment.contradictions()?.into_iter().next() {
            None => Ok(deployment),
            Some(difference) => Err(DeploymentError::Contradiction {
                path: path.to_owned(),
                difference,
            }),
        }
    }

    /// Reads the file, and checks its form only.
    ///
    /// # Errors
    /// [`DeploymentError::File`].
    pub fn parse(path: &Path) -> Result<Self, DeploymentError> {
        let failed = |problem: String| DeploymentError::File {
            path: path.to_owned(),
            problem,
        };
        let refused = |problem| failed(format!("{problem}. Nothing was sent"));
        let size = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?;
        if size.len() > MAX_FILE {
            return Err(refused(format!(
                "has {} bytes, which are too many",
                size.len()
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        // The version comes first: a later one may have other fields.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let deserializer = &mut serde_json::Deserializer::from_str(&text);
        let Version { version } =
            serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        if version != VERSION {
            return Err(refused(format!(
                "is of version {version}, and this program knows version {VERSION}; take the program that wrote it, or a later one"
            )));
        }
        serde_path_to_error::deserialize(deserializer).map_err(|error| refused(error.to_string()))
    }

    /// Makes sure that [`Deployment::write`] will not find another deployment's file.
    ///
    /// # Errors
    /// [`DeploymentError::FileTaken`], or [`DeploymentError::File`] for a file that is no deployment's.
    pub fn check_file(&self, path: &Path) -> Result<(), DeploymentError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            _ => {
                let there = Self::parse(path)?;
                match self.first_difference(&there) {
                    None => Ok(()),
                    Some(difference) => Err(DeploymentError::FileTaken {
                        path: path.to_owned(),
                        difference,
                    }),
                }
            }
        }
    }

    /// Writes the file, whole or not at all. Another deployment's file is never overwritten.
    ///
    /// # Errors
    /// [`DeploymentError::FileTaken`], [`DeploymentError::File`].
    pub fn write(&self, path: &Path) -> Result<(), DeploymentError> {
        self.check_file(path)?;
        let failed = |error: std::io::Error| DeploymentError::File {
            path: path.to_owned(),
            problem: format!(
                "{error}. The market is deployed; deploy again with another --out to get the file, which sends nothing"
            ),
        };
        let directory = match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        serde_json::to_writer_pretty(&mut file, self).map_err(|error| failed(error.into()))?;
        std::io::Write::write_all(&mut file, b"\n").map_err(failed)?;
        let public = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(public).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// The first field in which another deployment differs; the block aside, which may be an earlier one.
    fn first_difference(&self, other: &Self) -> Option<Difference> {
        let same = [
            Difference::of("chain_id", &self.chain_id, &other.chain_id),
            Difference::of("market", &self.market, &other.market),
            Difference::of("drawn", &self.drawn, &other.drawn),
            Difference::of("token", &self.token, &other.token),
            Difference::of("beacon", &self.beacon, &other.beacon),
            Difference::of("fee", &self.fee, &other.fee),
            Difference::of("times", &self.times, &other.times),
            Difference::of("devnet", &self.devnet, &other.devnet),
            Difference::of("salt", &self.salt, &other.salt),
            Difference::of("code", &self.code, &other.code),
        ];
        same.into_iter().flatten().next()
    }
}
