//! From the global options to a market and a key.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use alloy::providers::DynProvider;
use alloy::signers::local::PrivateKeySigner;
use piecework::chain::{ChainOptions, Sender, connect, keys};
use piecework::devnet::DevnetFile;
use piecework::market::KeySource;
use piecework::{Market, MarketConfig};

use crate::cli::Globals;
use crate::fail::Failure;

/// Whether a command signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// It reads; no password is asked for.
    Unneeded,
    /// It sends transactions.
    Needed,
}

/// Finds and checks the market, and opens the key if it is needed.
pub(crate) async fn market(globals: &Globals, key: Key) -> Result<Market, Failure> {
    let mut config = config(globals)?;
    if key == Key::Needed
        && let Some(signer) = keystore(globals).await?
    {
        config.key = KeySource::Signer(signer);
    }
    Ok(Market::connect(config).await?)
}

/// The key in the keystore that is named, if one is.
async fn keystore(globals: &Globals) -> Result<Option<PrivateKeySigner>, Failure> {
    let Some(file) = globals.keystore.clone() else {
        return Ok(None);
    };
    let password = password(globals, &file)?;
    // scrypt takes a second.
    let opened = tokio::task::spawn_blocking(move || keys::load(&file, &password)).await;
    Ok(Some(opened.map_err(Failure::internal)??))
}

/// A chain, without a market on it.
pub(crate) struct Node {
    pub(crate) rpc: DynProvider,
    pub(crate) chain_id: u64,
    devnet: Option<DevnetFile>,
}

/// Finds the node and checks its chain: that of --rpc-url, or of the running devnet.
pub(crate) async fn node(globals: &Globals, chain_id: Option<u64>) -> Result<Node, Failure> {
    let devnet = match &globals.rpc_url {
        Some(_) => None,
        None => running_devnet()?,
    };
    let rpc_url = globals.rpc_url.as_ref();
    let rpc_url = rpc_url.or(devnet.as_ref().map(|devnet| &devnet.rpc_url));
    let rpc_url = rpc_url.ok_or_else(|| {
        Failure::new("cli-no-rpc", "no chain is named, and no devnet runs")
            .next("Give --rpc-url URL, or start `piecework devnet`.")
    })?;
    let options = ChainOptions {
        chain_id: globals.chain_id.or(chain_id),
        ..ChainOptions::new(rpc_url)
    };
    let (rpc, chain_id) = connect(&options).await?;
    Ok(Node {
        rpc,
        chain_id,
        devnet,
    })
}

impl Node {
    /// The devnet's market.
    pub(crate) fn market(&self) -> Option<Address> {
        self.devnet.as_ref().map(|devnet| devnet.market)
    }

    /// Opens the key of the global options, or that of the devnet's client.
    pub(crate) async fn sender(&self, globals: &Globals) -> Result<Sender, Failure> {
        let devnet = self.devnet.as_ref().map(|devnet| devnet.client_key.clone());
        let signer = match keystore(globals).await? {
            Some(signer) => signer,
            None => keys::parse_key(&raw_key().or(devnet).ok_or_else(no_key)?)?,
        };
        Ok(Sender::new(self.rpc.clone(), self.chain_id, signer))
    }
}

/// The account of the global options, without its password where that is possible.
pub(crate) fn account(globals: &Globals) -> Result<Address, Failure> {
    if let Some(file) = &globals.keystore {
        return match keys::address(file)? {
            Some(address) => Ok(address),
            None => Ok(keys::load(file, &password(globals, file)?)?.address()),
        };
    }
    let key = match raw_key() {
        Some(key) => KeySource::Signer(keys::parse_key(&key)?),
        None => config(globals)?.key,
    };
    match key {
        KeySource::Signer(signer) => Ok(signer.address()),
        _ => Err(no_key()),
    }
}

fn raw_key() -> Option<String> {
    std::env::var("PIECEWORK_PRIVATE_KEY")
        .ok()
        .filter(|key| !key.is_empty())
}

fn no_key() -> Failure {
    Failure::new("cli-no-key", "no key is named")
        .next("Give --keystore FILE (`piecework wallet new FILE` makes one), or set PIECEWORK_PRIVATE_KEY.")
}

/// The SDK's environment variables with the flags over them, else the devnet. The keystore is left
/// to the caller, who can ask for its password.
fn config(globals: &Globals) -> Result<MarketConfig, Failure> {
    let devnet = running_devnet()?;
    let get = |name: &str| match name {
        "PIECEWORK_RPC_URL" => globals.rpc_url.clone(),
        "PIECEWORK_MARKET" => globals.market.map(|market| market.to_string()),
        "PIECEWORK_DEPLOYMENT" => globals
            .deployment
            .as_ref()
            .map(|file| file.display().to_string()),
        "PIECEWORK_CHAIN_ID" => globals.chain_id.map(|id| id.to_string()),
        "PIECEWORK_KEYSTORE" | "PIECEWORK_PASSWORD_FILE" => None,
        "PIECEWORK_PRIVATE_KEY" if globals.keystore.is_some() => None,
        name => std::env::var(name).ok(),
    };
    Ok(MarketConfig::from_vars(get, devnet)?)
}

/// The devnet that runs on this machine.
fn running_devnet() -> Result<Option<DevnetFile>, Failure> {
    match DevnetFile::path() {
        Some(path) => DevnetFile::read(&path).map_err(|e| {
            Failure::new("cli-devnet-file", format!("{}: {e}", path.display()))
                .next("Remove it if no devnet runs; `piecework devnet` writes it anew.")
        }),
        None => Ok(None),
    }
}

fn password(globals: &Globals, keystore: &Path) -> Result<String, Failure> {
    match &globals.password_file {
        Some(file) => read_password(file),
        None => ask(&format!("Password of {}: ", keystore.display())),
    }
}

/// The first line of a file.
pub(crate) fn read_password(file: &PathBuf) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        Failure::new(
            "cli-password-file",
            format!("password file {}: {e}", file.display()),
        )
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Asks on the terminal.
pub(crate) fn ask(prompt: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            "cli-no-password",
            "a password is needed, and nobody can be asked for it",
        )
        .next("Give --password-file FILE."));
    }
    rpassword::prompt_password(prompt)
        .map_err(|e| Failure::new("cli-no-password", format!("cannot read the password: {e}")))
}
