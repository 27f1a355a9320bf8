//! The market for clients: describe a job, post it, watch it, download what came out of it.
//!
//! ```text
//! Market ─ submit(Job) ─► Run ─ progress() / wait() ─► Done ─ download(dir) ─► verified files
//!    └──── attach(id) ──►
//! ```

mod assurance;
mod check;
mod config;
mod deterrence;
mod download;
mod explain;
mod funds;
mod job;
mod outlook;
pub mod predict;
mod progress;
mod provider;
mod run;
mod serve;
mod sign;
mod spot;
mod step;
mod submit;
mod upkeep;
mod verify;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider};
use tokio::sync::{Mutex, OnceCell};

pub use assurance::{Assurance, AssuranceError, DEFAULT_AUDIT_BPS};
pub use config::{KeySource, MarketConfig};
pub use deterrence::Deterrence;
pub use download::{Basis, Downloaded, TaskResult};
pub use explain::{Cause, Entry, Explanation};
pub use funds::{Balances, TokenInfo};
pub use job::{Job, Quote, Windows};
pub use outlook::Outlook;
pub use piecework_net::fetch_auth;
pub use predict::{Eligibility, Posting, Prediction, Predictor};
pub use progress::Progress;
pub use run::{Done, Run};
pub use sign::SignedJob;
pub use spot::{AvoidList, Checked, sample};
pub use step::Step;
pub use verify::Committed;
pub use view::{AuditView, JobView, LeaseView, Money, SeatView, Tally};

use crate::Error;
use crate::blobs::{DirStore, HttpClient, HttpPolicy};
use crate::chain::beacon::Beacon;
use crate::chain::{self, ChainError, ChainOptions, Contract, IMarket, Sender};
use serve::BlobServer;

/// A connection to one market, with the client's key and blobs. Clones share both.
#[derive(Debug, Clone)]
pub struct Market {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: MarketConfig,
    provider: DynProvider,
    chain_id: u64,
    token: TokenInfo,
    sender: Option<Sender>,
    store: DirStore,
    /// Lives as long as the store if the store is ours alone.
    _scratch: Option<tempfile::TempDir>,
    http: HttpClient,
    server: Mutex<Weak<BlobServer>>,
    times: OnceCell<IMarket::Times>,
    beacon: OnceCell<Beacon>,
    /// Numbers that the market gave to providers; they never change.
    numbers: Mutex<HashMap<Address, u32>>,
}

impl Market {
    /// Connects to the market that the environment names; see [`MarketConfig::from_env`].
    ///
    /// # Errors
    /// See [`MarketConfig::from_env`] and [`Market::connect`].
    pub async fn from_env() -> Result<Self, Error> {
        Self::connect(MarketConfig::from_env()?).await
    }

    /// Connects, and checks chain id, market and token before anything else can happen.
    ///
    /// # Errors
    /// [`Error::Chain`] for a dead or wrong node, or a market address without a market;
    /// [`Error::Key`] for a key that cannot be opened; [`Error::Blob`] for the blob store.
    pub async fn connect(config: MarketConfig) -> Result<Self, Error> {
        let options = ChainOptions {
            chain_id: config.chain_id,
            ..ChainOptions::new(&config.rpc_url)
        };
        let (provider, chain_id) = chain::connect(&options).await?;
        let token = chain::check_market(&provider, chain_id, config.market).await?;
        let token = TokenInfo::read(&provider, token).await?;
        let (key, node) = (config.key.clone(), provider.clone());
        let sender = tokio::task::spawn_blocking(move || key.sender(node, chain_id))
            .await
            .map_err(|error| Error::config("key", error))??;
        let (scratch, root) = match &config.store {
            Some(root) => (None, root.clone()),
            None => {
                let scratch = tempfile::Builder::new()
                    .prefix("piecework-")
                    .tempdir()
                    .map_err(|source| Error::Io {
                        action: "create a directory in",
                        path: std::env::temp_dir(),
                        source,
                    })?;
                let root = scratch.path().to_owned();
                (Some(scratch), root)
            }
        };
        let allow_private = config.allow_private || chain_id == config::ANVIL_CHAIN;
        let http = HttpClient::new(&HttpPolicy {
            allow_private,
            ..HttpPolicy::default()
        })?;
        let store = DirStore::open(root)?;
        let server = Mutex::new(Weak::new());
        let inner = Inner {
            config,
            provider,
            chain_id,
            token,
            sender,
            store,
            _scratch: scratch,
            http,
            server,
            times: OnceCell::new(),
            beacon: OnceCell::new(),
            numbers: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The market's address.
    pub fn address(&self) -> Address {
        self.inner.config.market
    }

    /// The chain's id.
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id
    }

    /// The token of payments and stakes.
    pub fn token(&self) -> &TokenInfo {
        &self.inner.token
    }

    /// The times that the market fixes for all its jobs.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn times(&self) -> Result<&IMarket::Times, Error> {
        let read = async || {
            let times = self.contract().ask(IMarket::timesCall {}).call().await;
            times.map_err(|error| ChainError::from_contract("times", error))
        };
        Ok(self.inner.times.get_or_try_init(read).await?)
    }

    /// The beacon that the market's seeds come from.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn beacon(&self) -> Result<&Beacon, Error> {
        let probe = async || {
            let beacon = Beacon::probe(self.inner.provider.clone(), self.address()).await?;
            Ok::<_, ChainError>(beacon.with_drand(&self.inner.config.drand_urls)?)
        };
        Ok(self.inner.beacon.get_or_try_init(probe).await?)
    }

    /// The node.
    pub fn provider(&self) -> &DynProvider {
        &self.inner.provider
    }

    /// The contract's bindings, for calls that this type does not wrap.
    pub fn contract(&self) -> Contract<&DynProvider> {
        Contract::new(self.address(), &self.inner.provider)
    }

    /// The sender of the client's transactions.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub fn sender(&self) -> Result<&Sender, Error> {
        self.inner.sender.as_ref().ok_or(Error::NoKey)
    }

    /// The client's account.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub fn account(&self) -> Result<Address, Error> {
        Ok(self.sender()?.address())
    }

    /// The client's own blobs: inputs and images of jobs it posts.
    pub fn store(&self) -> &DirStore {
        &self.inner.store
    }

    /// Time of the chain: its last block's, or this machine's if that is later (a chain without
    /// transactions may stand still). Unix seconds.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn now(&self) -> Result<u64, Error> {
        let block = self
            .inner
            .provider
            .get_block_by_number(alloy::eips::BlockNumberOrTag::Latest)
            .await
            .map_err(|error| ChainError::from_rpc("eth_getBlockByNumber", error))?;
        let chain = block.map_or(0, |block| block.header.timestamp);
        Ok(chain.max(unix_now()))
    }
}

/// This machine's time in Unix seconds.
fn unix_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
