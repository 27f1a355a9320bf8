//! The file by which a running devnet is found.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use url::Url;

/// What `piecework devnet` writes while it runs. It holds keys that everyone knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevnetFile {
    /// Always 1.
    pub version: u32,
    /// Process that runs the devnet.
    pub pid: u32,
    /// Address of anvil's JSON-RPC.
    pub rpc_url: String,
    /// Chain id.
    pub chain_id: u64,
    /// The market.
    pub market: Address,
    /// Its token.
    pub token: Address,
    /// Block in which the market was deployed.
    pub first_block: u64,
    /// The account that clients use when nothing else is configured: 64 hex digits.
    pub client_key: String,
    /// Where its drand is served, if its seeds come from one.
    #[serde(default)]
    pub drand_urls: Vec<Url>,
    /// All accounts, for people to look at.
    #[serde(default)]
    pub accounts: Vec<DevnetAccount>,
}

/// An account of a devnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevnetAccount {
    /// What it is for.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Its key: 64 hex digits.
    pub key: String,
}

impl DevnetFile {
    /// `$XDG_STATE_HOME/piecework/devnet.json`, by default below `~/.local/state`.
    pub fn path() -> Option<PathBuf> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let state =
            set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
        Some(state.join("piecework").join("devnet.json"))
    }

    /// Reads the file; none if there is none.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub fn read(path: &Path) -> std::io::Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let file: Self = serde_json::from_slice(&bytes)?;
        if file.version != 1 {
            return Err(std::io::Error::other(format!(
                "version {} is not known",
                file.version
            )));
        }
        Ok(Some(file))
    }

    /// Writes the file, whole or not at all, readable for its owner only.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(path)?;
        Ok(())
    }
}
