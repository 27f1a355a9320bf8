//! `devnet.json`: how other commands, and programs that use the SDK, find the running devnet.

use std::io::Write as _;
use std::path::PathBuf;

use alloy::primitives::Address;
use serde::Deserialize;

use crate::cli::Globals;
use crate::devnet::Description;
use crate::fail::Failure;

const MAX_BYTES: u64 = 64 * 1024;

/// What is read back of it.
#[derive(Deserialize)]
struct Found {
    rpc_url: String,
    chain_id: u64,
    market: Address,
    client: Client,
    pid: u32,
}

#[derive(Deserialize)]
struct Client {
    private_key: String,
}

/// The file while the devnet runs; dropping it removes it.
pub(crate) struct DevnetFile {
    path: PathBuf,
}

impl DevnetFile {
    /// Writes the file, whole or not at all, for its owner's eyes.
    pub(crate) fn write(description: &Description) -> Result<Self, Failure> {
        let path = path()?;
        let failed = |e: std::io::Error| {
            Failure::new(
                "devnet.file",
                format!("cannot write {}: {e}", path.display()),
            )
        };
        let directory = path
            .parent()
            .ok_or_else(|| Failure::internal("devnet.json has no directory"))?;
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        serde_json::to_writer_pretty(&mut file, description).map_err(|e| failed(e.into()))?;
        file.write_all(b"\n").map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for DevnetFile {
    fn drop(&mut self) {
        // Another devnet may have written its own since.
        if read().is_ok_and(|found| found.is_some_and(|f| f.pid == std::process::id())) {
            // Nothing is lost if it stays: its endpoint answers nobody.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Where it lies: `$XDG_STATE_HOME/piecework`, else `~/.local/state/piecework`.
fn path() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let state = state.ok_or_else(|| {
        Failure::new(
            "devnet.file",
            "neither XDG_STATE_HOME nor HOME says where devnet.json should lie",
        )
    })?;
    Ok(state.join("piecework/devnet.json"))
}

fn read() -> Result<Option<Found>, Failure> {
    let path = path()?;
    let failed =
        |e: &dyn std::fmt::Display| Failure::new("devnet.file", format!("{}: {e}", path.display()));
    match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
        Ok(data) if data.len() > MAX_BYTES => {
            return Err(failed(&"too long for a description of a devnet"));
        }
        Ok(_) => {}
    }
    let text = std::fs::read(&path).map_err(|e| failed(&e))?;
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|e| failed(&e))
}

/// Sets what is missing of the endpoint and the market to the devnet's, if nothing is set.
pub(crate) fn fill_in(globals: &mut Globals) -> Result<(), Failure> {
    if globals.rpc_url.is_some() || globals.market.is_some() {
        return Ok(());
    }
    if let Some(found) = read()? {
        globals.rpc_url = Some(found.rpc_url);
        globals.market = Some(found.market);
        globals.chain_id = globals.chain_id.or(Some(found.chain_id));
    }
    Ok(())
}

/// The key of the devnet's client, when it is the devnet that is talked to.
pub(crate) fn client_key(globals: &Globals) -> Result<Option<String>, Failure> {
    let same = |found: &Found| {
        globals
            .rpc_url
            .as_ref()
            .is_none_or(|url| *url == found.rpc_url)
            && globals.market.is_none_or(|market| market == found.market)
    };
    Ok(read()?.filter(same).map(|found| found.client.private_key))
}
