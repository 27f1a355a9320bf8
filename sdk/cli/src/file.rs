//! `devnet.json` while a devnet runs: how other commands, and programs that use the SDK, find it.

use std::path::{Path, PathBuf};

use piecework::devnet::{DevnetAccount, DevnetFile};

use crate::devnet::Description;
use crate::fail::Failure;

/// The file; dropping it removes it.
pub(crate) struct Announcement {
    path: PathBuf,
}

impl Announcement {
    /// Writes the file.
    pub(crate) fn write(devnet: &Description) -> Result<Self, Failure> {
        let path = DevnetFile::path().ok_or_else(|| {
            Failure::new(
                "devnet-file",
                "neither XDG_STATE_HOME nor HOME says where devnet.json should lie",
            )
        })?;
        let accounts =
            std::iter::once(&devnet.client).chain(devnet.providers.iter().map(|p| &p.account));
        let accounts = accounts.map(|account| DevnetAccount {
            name: account.name.clone(),
            address: account.address,
            key: account.private_key.clone(),
        });
        let file = DevnetFile {
            version: 1,
            pid: devnet.pid,
            rpc_url: devnet.rpc_url.clone(),
            chain_id: devnet.chain_id,
            market: devnet.market,
            token: devnet.token,
            first_block: 0,
            client_key: devnet.client.private_key.clone(),
            drand_urls: devnet.drand_urls.clone(),
            accounts: accounts.collect(),
        };
        file.write(&path).map_err(|e| {
            Failure::new(
                "devnet-file",
                format!("cannot write {}: {e}", path.display()),
            )
        })?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Another devnet may have written its own since.
        let ours = |file: &DevnetFile| file.pid == std::process::id();
        if DevnetFile::read(&self.path).is_ok_and(|file| file.as_ref().is_some_and(ours)) {
            // If it stays, its endpoint answers nobody: nothing is lost.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
