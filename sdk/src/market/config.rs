//! Where the market is and who the client is.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alloy::network::EthereumWallet;
use alloy::primitives::Address;
use alloy::providers::DynProvider;
use alloy::signers::local::PrivateKeySigner;
use url::Url;

use crate::Error;
use crate::chain::deployment::Deployment;
use crate::chain::{Sender, keys};
use crate::devnet::DevnetFile;

/// The chain of a devnet's anvil.
pub(super) const ANVIL_CHAIN: u64 = 31337;

/// The client's key.
#[derive(Debug, Clone, Default)]
pub enum KeySource {
    /// No key: the market can be read only.
    #[default]
    None,
    /// A key in memory.
    Signer(PrivateKeySigner),
    /// A wallet whose default account signs, wherever its key is.
    Wallet(EthereumWallet),
    /// A keystore file and the file that holds its password (its first line).
    Keystore {
        /// The keystore.
        path: PathBuf,
        /// The password's file.
        password_file: PathBuf,
    },
}

impl KeySource {
    /// Opens it, for the chain it will sign on; a keystore takes about a second of computing.
    pub(super) fn sender(
        &self,
        provider: DynProvider,
        chain_id: u64,
    ) -> Result<Option<Sender>, Error> {
        let signer = match self {
            Self::None => return Ok(None),
            Self::Wallet(wallet) => {
                return Ok(Some(Sender::with_wallet(
                    provider,
                    chain_id,
                    wallet.clone(),
                )));
            }
            Self::Signer(signer) => signer.clone(),
            Self::Keystore {
                path,
                password_file,
            } => {
                let text = std::fs::read_to_string(password_file).map_err(|source| Error::Io {
                    action: "read the password file",
                    path: password_file.clone(),
                    source,
                })?;
                let password = text.lines().next().unwrap_or_default();
                keys::load(path, password)?
            }
        };
        Ok(Some(Sender::new(provider, chain_id, signer)))
    }
}

/// How a [`super::Market`] is reached.
#[derive(Debug, Clone)]
pub struct MarketConfig {
    /// Address of the node's JSON-RPC.
    pub rpc_url: String,
    /// The market's address.
    pub market: Address,
    /// The chain that the node must serve; none accepts any.
    pub chain_id: Option<u64>,
    /// A block not after the market's deployment: where searches for events begin.
    pub first_block: u64,
    /// The client's key.
    pub key: KeySource,
    /// Directory for the client's blobs; none for a temporary one.
    pub store: Option<PathBuf>,
    /// Address on which the client's blobs are served while a run is attached.
    pub serve: SocketAddr,
    /// URL under which providers reach that address; none for the address itself.
    pub serve_url: Option<Url>,
    /// The container engine whose images are exported: `unix:///path`; none for the default.
    pub docker_host: Option<String>,
    /// The key that asks providers for results that are not final, where the client's own cannot sign such requests: a
    /// wallet that signs transactions only, or a contract. The specs of posted jobs name it. None: the client's key.
    pub fetch_key: Option<PrivateKeySigner>,
    /// Base URLs of drand's endpoints, for a market whose seeds are drand's; each serves `<url>/public/<round>`. Empty:
    /// drand's own ones, if the market's beacon is of drand's chain quicknet.
    pub drand_urls: Vec<Url>,
    /// Whether providers' results may be fetched from private addresses. Always so on anvil's chain.
    pub allow_private: bool,
}

impl MarketConfig {
    /// A read-only configuration; blobs are served on a free port of this machine.
    pub fn new(rpc_url: impl Into<String>, market: Address) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            market,
            chain_id: None,
            first_block: 0,
            key: KeySource::None,
            store: None,
            serve: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            serve_url: None,
            docker_host: None,
            fetch_key: None,
            drand_urls: Vec::new(),
            allow_private: false,
        }
    }

    /// The market that a deployment file describes, with its chain and its first block; otherwise as [`MarketConfig::new`].
    ///
    /// # Errors
    /// [`Error::Deployment`] for a file that is none, or that contradicts itself.
    pub fn from_deployment(
        file: impl AsRef<Path>,
        rpc_url: impl Into<String>,
    ) -> Result<Self, Error> {
        let deployment = Deployment::read(file.as_ref())?;
        Ok(Self {
            chain_id: Some(deployment.chain_id),
            first_block: deployment.block,
            ..Self::new(rpc_url, deployment.market)
        })
    }

    /// Sets the client's key.
    pub fn signer(mut self, signer: PrivateKeySigner) -> Self {
        self.key = KeySource::Signer(signer);
        self
    }

    /// Sets a wallet as the client's key: alloy's signers for hardware and key services fit, and
    /// an ethers-rs signer through `piecework::ethers` (feature `ethers`).
    pub fn wallet(mut self, wallet: EthereumWallet) -> Self {
        self.key = KeySource::Wallet(wallet);
        self
    }

    /// Reads the environment:
    ///
    /// | variable | meaning |
    /// | --- | --- |
    /// | `PIECEWORK_RPC_URL` | the node (required unless a devnet runs) |
    /// | `PIECEWORK_DEPLOYMENT` | the file that describes the market's deployment: its address, chain and first block (likewise) |
    /// | `PIECEWORK_MARKET` | the market's address, where there is no such file |
    /// | `PIECEWORK_CHAIN_ID` | refuse any other chain |
    /// | `PIECEWORK_FIRST_BLOCK` | a block not after the market's deployment |
    /// | `PIECEWORK_KEYSTORE`, `PIECEWORK_PASSWORD_FILE` | the client's key |
    /// | `PIECEWORK_PRIVATE_KEY` | the same in the clear, for devnets |
    /// | `PIECEWORK_STORE` | directory for blobs |
    /// | `PIECEWORK_SERVE`, `PIECEWORK_SERVE_URL` | where blobs are served, and its public URL |
    /// | `PIECEWORK_ALLOW_PRIVATE` | `1`: fetch results from private addresses too |
    /// | `PIECEWORK_FETCH_KEY` | a key for fetching results, where the client's own cannot sign requests |
    /// | `PIECEWORK_DRAND_URLS` | drand's endpoints, with commas between them |
    /// | `DOCKER_HOST` | the container engine |
    ///
    /// When neither a node nor a market is named, the running devnet's file
    /// gives node, market, chain and key (which `PIECEWORK_KEYSTORE` or `PIECEWORK_PRIVATE_KEY`
    /// still replaces).
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable; [`Error::Key`] for a malformed key; [`Error::Deployment`].
    pub fn from_env() -> Result<Self, Error> {
        let devnet = match DevnetFile::path() {
            Some(path) => DevnetFile::read(&path)
                .map_err(|error| Error::config(path.display().to_string(), error))?,
            None => None,
        };
        Self::from_vars(|name| std::env::var(name).ok(), devnet)
    }

    /// [`MarketConfig::from_env`] over any set of variables.
    ///
    /// # Errors
    /// As there.
    pub fn from_vars(
        get: impl Fn(&str) -> Option<String>,
        devnet: Option<DevnetFile>,
    ) -> Result<Self, Error> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let chain_id = get("PIECEWORK_CHAIN_ID").map(|text| parse("PIECEWORK_CHAIN_ID", &text));
        let chain_id: Option<u64> = chain_id.transpose()?;
        let named = match (get("PIECEWORK_DEPLOYMENT"), get("PIECEWORK_MARKET")) {
            (Some(file), market) => {
                let config = Self::from_deployment(file, "")?;
                let market = market.map(|text| parse("PIECEWORK_MARKET", &text));
                contradiction("PIECEWORK_MARKET", market.transpose()?, Some(config.market))?;
                contradiction("PIECEWORK_CHAIN_ID", chain_id, config.chain_id)?;
                Some(config)
            }
            (None, Some(market)) => Some(Self::new("", parse("PIECEWORK_MARKET", &market)?)),
            (None, None) => None,
        };
        let mut config = match (get("PIECEWORK_RPC_URL"), named, devnet) {
            (Some(rpc_url), Some(config), _) => Self { rpc_url, ..config },
            (None, None, Some(devnet)) => {
                let config = Self::new(devnet.rpc_url, devnet.market);
                Self {
                    chain_id: Some(devnet.chain_id),
                    first_block: devnet.first_block,
                    key: KeySource::Signer(keys::parse_key(&devnet.client_key)?),
                    drand_urls: devnet.drand_urls,
                    ..config
                }
            }
            (None, None, None) => {
                return Err(Error::config(
                    "PIECEWORK_RPC_URL",
                    "no market is configured and no devnet runs: set PIECEWORK_RPC_URL and PIECEWORK_MARKET, or start `piecework devnet`",
                ));
            }
            (Some(_), None, _) => {
                return Err(Error::config(
                    "PIECEWORK_MARKET",
                    "is not set, nor is PIECEWORK_DEPLOYMENT, but PIECEWORK_RPC_URL is",
                ));
            }
            (None, Some(_), _) => {
                return Err(Error::config(
                    "PIECEWORK_RPC_URL",
                    "is not set, but PIECEWORK_MARKET or PIECEWORK_DEPLOYMENT is",
                ));
            }
        };
        config.chain_id = chain_id.or(config.chain_id);
        if let Some(text) = get("PIECEWORK_FIRST_BLOCK") {
            config.first_block = parse("PIECEWORK_FIRST_BLOCK", &text)?;
        }
        match (
            get("PIECEWORK_KEYSTORE"),
            get("PIECEWORK_PASSWORD_FILE"),
            get("PIECEWORK_PRIVATE_KEY"),
        ) {
            (Some(_), _, Some(_)) => {
                return Err(Error::config(
                    "PIECEWORK_PRIVATE_KEY",
                    "PIECEWORK_KEYSTORE is set too; keep one of them",
                ));
            }
            (Some(path), Some(password_file), None) => {
                config.key = KeySource::Keystore {
                    path: path.into(),
                    password_file: password_file.into(),
                };
            }
            (Some(_), None, None) => {
                return Err(Error::config(
                    "PIECEWORK_PASSWORD_FILE",
                    "is not set, but PIECEWORK_KEYSTORE is",
                ));
            }
            (None, _, Some(key)) => config.key = KeySource::Signer(keys::parse_key(&key)?),
            (None, _, None) => {}
        }
        config.store = get("PIECEWORK_STORE").map(PathBuf::from);
        if let Some(text) = get("PIECEWORK_SERVE") {
            config.serve = parse("PIECEWORK_SERVE", &text)?;
        }
        if let Some(text) = get("PIECEWORK_SERVE_URL") {
            config.serve_url = Some(parse("PIECEWORK_SERVE_URL", &text)?);
        }
        match get("PIECEWORK_ALLOW_PRIVATE").as_deref() {
            None | Some("0") => {}
            Some("1") => config.allow_private = true,
            Some(_) => {
                return Err(Error::config(
                    "PIECEWORK_ALLOW_PRIVATE",
                    "is neither 0 nor 1",
                ));
            }
        }
        if let Some(key) = get("PIECEWORK_FETCH_KEY") {
            config.fetch_key = Some(keys::parse_key(&key)?);
        }
        if let Some(text) = get("PIECEWORK_DRAND_URLS") {
            let urls = text.split(',').map(str::trim);
            config.drand_urls = urls
                .map(|url| parse("PIECEWORK_DRAND_URLS", url))
                .collect::<Result<_, _>>()?;
        }
        config.docker_host = get("DOCKER_HOST");
        Ok(config)
    }
}

/// Refuses a setting that says something else than the deployment file.
fn contradiction<T: PartialEq + std::fmt::Display>(
    setting: &str,
    given: Option<T>,
    deployed: Option<T>,
) -> Result<(), Error> {
    match (given, deployed) {
        (Some(given), Some(deployed)) if given != deployed => Err(Error::config(
            setting,
            format!(
                "is {given}, but the deployment file says {deployed}. Nothing was sent; unset one of them"
            ),
        )),
        _ => Ok(()),
    }
}

fn parse<T>(name: &str, text: &str) -> Result<T, Error>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.parse()
        .map_err(|error| Error::config(name, format!("{text:?} cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RPC: (&str, &str) = ("PIECEWORK_RPC_URL", "http://localhost:8545");
    const MARKET: (&str, &str) = (
        "PIECEWORK_MARKET",
        "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    );
    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    fn read(vars: &[(&str, &str)], devnet: Option<DevnetFile>) -> Result<MarketConfig, Error> {
        let get = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        MarketConfig::from_vars(get, devnet)
    }

    fn devnet() -> DevnetFile {
        DevnetFile {
            version: 1,
            pid: 1,
            rpc_url: "http://localhost:1".to_owned(),
            chain_id: 31337,
            market: Address::repeat_byte(1),
            token: Address::repeat_byte(2),
            first_block: 3,
            client_key: KEY.to_owned(),
            drand_urls: Vec::new(),
            accounts: Vec::new(),
        }
    }

    #[test]
    fn the_environment_wins_over_a_running_devnet() {
        let config = read(&[], Some(devnet())).unwrap();
        assert_eq!((config.chain_id, config.first_block), (Some(31337), 3));
        assert!(matches!(config.key, KeySource::Signer(_)));
        let config = read(&[RPC, MARKET], Some(devnet())).unwrap();
        assert_eq!((config.rpc_url.as_str(), config.chain_id), (RPC.1, None));
        assert!(
            matches!(config.key, KeySource::None),
            "a devnet's key is for its devnet"
        );
        let config = read(&[("PIECEWORK_SERVE", "0.0.0.0:80"), RPC, MARKET], None).unwrap();
        assert_eq!(config.serve.port(), 80);
    }

    #[test]
    fn each_bad_setting_is_named() {
        let key = ("PIECEWORK_PRIVATE_KEY", KEY);
        let keystore = ("PIECEWORK_KEYSTORE", "/key");
        for (vars, named) in [
            (vec![], "PIECEWORK_RPC_URL"),
            (vec![RPC], "PIECEWORK_MARKET"),
            (vec![MARKET], "PIECEWORK_RPC_URL"),
            (vec![RPC, ("PIECEWORK_MARKET", "0x12")], "PIECEWORK_MARKET"),
            (
                vec![RPC, MARKET, ("PIECEWORK_CHAIN_ID", "one")],
                "PIECEWORK_CHAIN_ID",
            ),
            (
                vec![RPC, MARKET, ("PIECEWORK_SERVE", "here")],
                "PIECEWORK_SERVE",
            ),
            (
                vec![RPC, MARKET, ("PIECEWORK_SERVE_URL", "here")],
                "PIECEWORK_SERVE_URL",
            ),
            (
                vec![RPC, MARKET, ("PIECEWORK_ALLOW_PRIVATE", "yes")],
                "PIECEWORK_ALLOW_PRIVATE",
            ),
            (
                vec![
                    RPC,
                    MARKET,
                    ("PIECEWORK_DRAND_URLS", "https://a.example,here"),
                ],
                "PIECEWORK_DRAND_URLS",
            ),
            (vec![RPC, MARKET, keystore], "PIECEWORK_PASSWORD_FILE"),
            (vec![RPC, MARKET, keystore, key], "PIECEWORK_PRIVATE_KEY"),
        ] {
            let error = read(&vars, None).unwrap_err();
            assert!(
                matches!(&error, Error::Config { setting, .. } if setting == named),
                "{named}: {error}"
            );
        }
        let error = read(&[RPC, MARKET, ("PIECEWORK_PRIVATE_KEY", "12")], None).unwrap_err();
        assert_eq!(error.code(), "key-bad-key");
    }
}
