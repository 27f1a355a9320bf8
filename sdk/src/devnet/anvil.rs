//! A real anvil as a child process.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use alloy::primitives::{Address, hex};
use alloy::signers::local::PrivateKeySigner;

/// How long anvil may take until it listens.
const START: Duration = Duration::from_secs(30);
/// Lines of output that are kept for an error.
const TAIL: usize = 30;

/// Why there is no anvil.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnvilError {
    /// The program is nowhere.
    #[error(
        "anvil was not found: set PIECEWORK_ANVIL to it, or run `npm ci` in the checkout (it installs @foundry-rs/anvil), or put anvil on the PATH"
    )]
    NotFound,
    /// PIECEWORK_ANVIL names no file.
    #[error("PIECEWORK_ANVIL is {path}, which is no file")]
    NoSuchFile {
        /// What it names.
        path: PathBuf,
    },
    /// It could not be started.
    #[error("{path} could not be started: {source}")]
    Spawn {
        /// The program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended, or said nothing, instead of listening.
    #[error("anvil did not start to listen{}: {output}", if *.exited { " and ended" } else { " in time" })]
    NotListening {
        /// Whether it ended by itself.
        exited: bool,
        /// Its own last words.
        output: String,
    },
}

impl AnvilError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "anvil-not-found",
            Self::NoSuchFile { .. } => "anvil-no-such-file",
            Self::Spawn { .. } => "anvil-spawn",
            Self::NotListening { .. } => "anvil-not-listening",
        }
    }
}

/// Finds anvil: `PIECEWORK_ANVIL`, else npm's binary package in a `node_modules` of `from` or above,
/// else the PATH. Never npm's wrapper in `.bin`: it hides failures.
///
/// # Errors
/// [`AnvilError::NotFound`], [`AnvilError::NoSuchFile`].
pub fn find_anvil(from: &Path) -> Result<PathBuf, AnvilError> {
    if let Some(path) = std::env::var_os("PIECEWORK_ANVIL").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(AnvilError::NoSuchFile { path })
        };
    }
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil");
    let above = from.ancestors().map(|folder| folder.join(&package));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .filter(|folder| !folder.ends_with("node_modules/.bin"))
        .map(|folder| folder.join("anvil"));
    above
        .chain(on_path)
        .find(|file| file.is_file())
        .ok_or(AnvilError::NotFound)
}

/// How anvil is started.
#[derive(Debug, Clone)]
pub struct AnvilOptions {
    /// The program; none to look for it with [`find_anvil`] from the working directory.
    pub program: Option<PathBuf>,
    /// Port to listen on; 0 for any free one.
    pub port: u16,
    /// Chain id.
    pub chain_id: u64,
    /// Funded accounts.
    pub accounts: u16,
    /// Seconds between blocks; none mines each transaction at once.
    pub block_time: Option<u64>,
    /// Further arguments.
    pub args: Vec<OsString>,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self {
            program: None,
            port: 0,
            chain_id: 31337,
            accounts: 10,
            block_time: None,
            args: Vec::new(),
        }
    }
}

/// A running anvil; it is killed when this is dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
    chain_id: u64,
    keys: Vec<PrivateKeySigner>,
}

impl Anvil {
    /// Starts anvil and waits until it listens.
    ///
    /// # Errors
    /// See [`AnvilError`]; when anvil refuses, its own words are in it.
    pub fn start(options: &AnvilOptions) -> Result<Self, AnvilError> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => find_anvil(&std::env::current_dir().unwrap_or_default())?,
        };
        let mut command = Command::new(&program);
        command
            .args(["--host", "127.0.0.1", "--port", &options.port.to_string()])
            .args(["--chain-id", &options.chain_id.to_string()])
            .args(["--accounts", &options.accounts.to_string()])
            .args(
                options
                    .block_time
                    .map(|seconds| format!("--block-time={seconds}")),
            )
            .args(&options.args)
            .env("NO_COLOR", "1")
            // A terminal's Ctrl-C is for whoever started anvil, which still needs it then.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| AnvilError::Spawn {
            path: program,
            source,
        })?;

        let (lines, output) = mpsc::channel();
        read_lines(child.stdout.take(), lines.clone());
        read_lines(child.stderr.take(), lines);
        // From here on the child is killed whatever happens.
        let mut anvil = Self {
            child,
            url: String::new(),
            chain_id: options.chain_id,
            keys: Vec::new(),
        };
        let mut tail = VecDeque::new();
        loop {
            let line = match output.recv_timeout(START) {
                Ok(line) => line,
                Err(error) => {
                    let exited = error == mpsc::RecvTimeoutError::Disconnected;
                    let output = Vec::from(tail).join("\n");
                    return Err(AnvilError::NotListening { exited, output });
                }
            };
            if let Some(address) = line.strip_prefix("Listening on ") {
                anvil.url = format!("http://{}", address.trim());
                return Ok(anvil);
            }
            anvil.keys.extend(private_key(&line));
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line);
        }
    }

    /// Address of its JSON-RPC.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Keys of its funded accounts. Everyone knows them.
    pub fn keys(&self) -> &[PrivateKeySigner] {
        &self.keys
    }

    /// One of its funded keys.
    pub fn key(&self, index: usize) -> Option<PrivateKeySigner> {
        self.keys.get(index).cloned()
    }

    /// Addresses of its funded accounts.
    pub fn addresses(&self) -> Vec<Address> {
        self.keys.iter().map(PrivateKeySigner::address).collect()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines such as `(0) 0xac09…`, of which anvil prints one for each key.
fn private_key(line: &str) -> Option<PrivateKeySigner> {
    let (number, key) = line.strip_prefix('(')?.split_once(')')?;
    number.parse::<u16>().ok()?;
    let bytes: [u8; 32] = hex::decode_to_array(key.trim()).ok()?;
    PrivateKeySigner::from_slice(&bytes).ok()
}

/// Reads on for ever, so that anvil never blocks on a full pipe.
fn read_lines(from: Option<impl Read + Send + 'static>, to: mpsc::Sender<String>) {
    let Some(from) = from else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { break };
            // Nobody listens any more after the start: drop the line.
            let _ = to.send(line);
        }
    });
}
