//! A real anvil with a token and a market on it, and a provider made of plain calls.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::providers::DynProvider;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::{SolCall, SolValue as _};
use piecework::blobs::{DirStore, blob_router};
use piecework::chain::deploy::{
    DEV_TIMES, MarketDeployment, deploy_dev_token, deploy_market, mint,
};
use piecework::chain::{ChainError, ChainOptions, IMarket, Sender, connect};
use piecework::devnet::{Anvil, AnvilOptions};
use piecework::digest::manifest::{BlobRef, EntryPath, ResultManifest, Tree};
use piecework::digest::{Digest, lease, tree};
use piecework::market::MarketConfig;
use piecework::spec::ImageSpec;
use piecework::{Job, Market, Run};

/// One token in units.
pub const TOKEN: u128 = 1_000_000_000_000_000_000;
/// What each of the first accounts gets.
pub const FUNDS: u128 = 1_000 * TOKEN;

pub struct Devnet {
    pub anvil: Anvil,
    pub provider: DynProvider,
    pub token: Address,
    pub market: Address,
}

impl Devnet {
    pub async fn start() -> Self {
        Self::start_with(AnvilOptions::default()).await
    }

    pub async fn start_with(options: AnvilOptions) -> Self {
        let anvil = Anvil::start(&options).unwrap();
        let (provider, chain_id) = connect(&ChainOptions::new(anvil.url())).await.unwrap();
        let deployer = Sender::new(provider.clone(), chain_id, anvil.key(0).unwrap());
        let (token, _) = deploy_dev_token(&deployer).await.unwrap();
        let deployment = MarketDeployment {
            times: DEV_TIMES,
            code: market_code(),
            ..MarketDeployment::new(token)
        };
        let (market, _) = deploy_market(&deployer, deployment).await.unwrap();
        for account in anvil.addresses().into_iter().take(8) {
            mint(&deployer, token, account, FUNDS).await.unwrap();
        }
        Self {
            anvil,
            provider,
            token,
            market,
        }
    }

    pub fn config(&self, account: usize) -> MarketConfig {
        MarketConfig::new(self.anvil.url(), self.market).signer(self.anvil.key(account).unwrap())
    }

    pub async fn market(&self, account: usize) -> Market {
        Market::connect(self.config(account)).await.unwrap()
    }

    pub fn sender(&self, account: usize) -> Sender {
        Sender::new(
            self.provider.clone(),
            self.anvil.chain_id(),
            self.anvil.key(account).unwrap(),
        )
    }
}

/// A job that needs no engine: its image is named by a registry reference that nobody resolves.
pub fn job(tasks: u32) -> Job {
    let manifest = format!("sha256:{}", "11".repeat(32));
    Job::pinned(ImageSpec {
        manifest: manifest.parse().unwrap(),
        platform: "linux/amd64".into(),
        archive: None,
        reference: Some(format!("example.org/tool@{manifest}")),
    })
    .tasks(tasks)
    .max_price(TOKEN)
}

/// A provider's account, blobs and HTTP server.
pub struct Provider {
    pub market: Market,
    pub store: DirStore,
    pub address: Address,
    _dir: tempfile::TempDir,
}

impl Provider {
    /// Stakes and publishes a URL.
    pub async fn start(devnet: &Devnet, account: usize) -> Self {
        let market = devnet.market(account).await;
        let address = market.account().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::open(dir.path()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = blob_router(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        market.stake(500 * TOKEN).await.unwrap();
        market.set_profile(&url).await.unwrap();
        Self {
            market,
            store,
            address,
            _dir: dir,
        }
    }

    pub async fn claim(&self, run: &Run, count: u32) -> (u32, u32) {
        let call = IMarket::claimCall {
            job: run.job().clone(),
            provider: self.address,
            count,
        };
        // The job opens in the second in which it was described; the chain's last block may be older.
        let receipt = loop {
            match self.call(&call).await {
                Err(error)
                    if error
                        .revert()
                        .is_some_and(|revert| revert.name == "TooEarly") =>
                {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                done => break done.unwrap(),
            }
        };
        let claimed = receipt.decoded_log::<IMarket::Claimed>().unwrap();
        (claimed.first, claimed.count)
    }

    /// Puts the results' blobs into the store; returns root and manifest.
    pub fn publish(&self, first: u32, results: &[ResultManifest]) -> (B256, Digest) {
        let digests: Vec<Digest> = results
            .iter()
            .map(|result| self.store.put_bytes(&result.to_bytes()).unwrap())
            .collect();
        let manifest = self.store.put_bytes(&lease::encode(&digests)).unwrap();
        (tree::root(first, &digests).unwrap(), manifest)
    }

    pub async fn submit(&self, run: &Run, first: u32, root: B256, manifest: Digest) {
        let call = IMarket::submitCall {
            job: run.job().clone(),
            first,
            provider: self.address,
            root,
            manifest: manifest.into(),
        };
        self.market
            .sender()
            .unwrap()
            .call(self.market.address(), &call)
            .await
            .unwrap();
    }

    /// Claims, "runs" and submits.
    pub async fn work(&self, run: &Run, count: u32) -> (u32, u32) {
        let (first, count) = self.claim(run, count).await;
        let results: Vec<_> = (first..first + count)
            .map(|task| self.result(task))
            .collect();
        let (root, manifest) = self.publish(first, &results);
        self.submit(run, first, root, manifest).await;
        (first, count)
    }

    /// A successful result with a file, a program and a line on standard output.
    pub fn result(&self, task: u32) -> ResultManifest {
        let put = |bytes: &[u8]| {
            self.store.put_bytes(bytes).unwrap();
            BlobRef::of(bytes)
        };
        let mut files = Tree::builder();
        files.directory(EntryPath::new("sub").unwrap()).unwrap();
        files
            .file(
                EntryPath::new("sub/tile").unwrap(),
                put(format!("tile {task}").as_bytes()),
                false,
            )
            .unwrap();
        files
            .file(EntryPath::new("run.sh").unwrap(), put(b"#!/bin/sh\n"), true)
            .unwrap();
        ResultManifest::exited(
            0,
            put(format!("did {task}\n").as_bytes()),
            files.finish().unwrap(),
        )
    }
}

/// Every file below a directory with its bytes.
pub fn files(dir: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A chain on which time goes on: a block each second, and one at once for each transaction.
pub fn ticking() -> AnvilOptions {
    AnvilOptions {
        block_time: Some(1),
        args: vec!["--mixed-mining".into()],
        ..AnvilOptions::default()
    }
}

/// A provider's seat of a redundant lease, or of a jury.
pub struct Held {
    pub vote: B256,
    pub salt: B256,
}

impl Devnet {
    /// Lets `seconds` pass at once.
    pub async fn pass(&self, seconds: u64) {
        self.provider.anvil_increase_time(seconds).await.unwrap();
        self.provider.anvil_mine(Some(1), None).await.unwrap();
    }
}

impl Provider {
    /// Calls the market as the provider.
    pub async fn call<C: SolCall>(&self, call: &C) -> Result<TransactionReceipt, ChainError> {
        let sender = self.market.sender().unwrap();
        sender.call(self.market.address(), call).await
    }

    /// As [`Provider::call`], tried until the provider is drawn.
    pub async fn call_when_drawn<C: SolCall>(&self, call: &C) {
        let started = std::time::Instant::now();
        loop {
            match self.call(call).await {
                Ok(_) => return,
                Err(error) => {
                    let revert = error.revert().unwrap_or_else(|| panic!("{error}"));
                    assert!(matches!(revert.name, "NotDrawn" | "NotSealed"), "{revert}");
                    assert!(started.elapsed().as_secs() < 60, "{revert}");
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }

    /// The present round (a first one begins with the call), and the commitment for it.
    async fn commitment(&self, run: &Run, first: u32, held: &Held, challenge: u8) -> (u16, B256) {
        let contract = self.market.contract();
        let lease = contract.leaseOf(run.id(), first).call().await.unwrap();
        let round = lease.round.max(1);
        let (provider, vote, salt) = (self.address, held.vote, held.salt);
        let commitment = contract
            .commitmentOf(run.id(), first, round, challenge, provider, vote, salt)
            .call()
            .await
            .unwrap();
        (round, commitment)
    }

    /// Commits to a root of the lease, in its first round or in the one that runs.
    pub async fn commit(&self, run: &Run, first: u32, root: B256) -> Held {
        let held = Held {
            vote: root,
            salt: rand::random::<[u8; 32]>().into(),
        };
        let (round, commitment) = self.commitment(run, first, &held, 0).await;
        let call = IMarket::commitCall {
            job: run.job().clone(),
            first,
            round,
            provider: self.address,
            commitment,
        };
        self.call_when_drawn(&call).await;
        held
    }

    /// Reveals; with a panel it also settles, if it can.
    pub async fn reveal(
        &self,
        run: &Run,
        first: u32,
        held: &Held,
        manifest: Digest,
        panel: Vec<u32>,
    ) {
        let call = IMarket::revealCall {
            job: run.job().clone(),
            first,
            provider: self.address,
            root: held.vote,
            manifest: manifest.into(),
            salt: held.salt,
            panel,
        };
        self.call(&call).await.unwrap();
    }

    /// Commits to a vote in the jury over a lease.
    pub async fn vote(&self, run: &Run, first: u32, digest: B256, keyed: B256) -> Held {
        let held = Held {
            vote: keccak256((digest, keyed).abi_encode()),
            salt: rand::random::<[u8; 32]>().into(),
        };
        let contract = self.market.contract();
        let lease = contract.leaseOf(run.id(), first).call().await.unwrap();
        let number = lease.challenges;
        let (round, commitment) = self.commitment(run, first, &held, number).await;
        let call = IMarket::commitVoteCall {
            job: run.job().clone(),
            first,
            round,
            number,
            provider: self.address,
            commitment,
        };
        self.call_when_drawn(&call).await;
        held
    }

    pub async fn reveal_vote(&self, run: &Run, first: u32, digest: B256, keyed: B256, held: &Held) {
        let call = IMarket::revealVoteCall {
            job: run.job().clone(),
            first,
            provider: self.address,
            digest,
            keyed,
            salt: held.salt,
        };
        self.call(&call).await.unwrap();
    }

    pub async fn number(&self) -> u32 {
        self.market.provider_of(self.address).await.unwrap().number
    }

    /// All its stake, in units.
    pub async fn staked(&self) -> u128 {
        self.market.provider_of(self.address).await.unwrap().stake
    }
}

/// The market's code: that of PIECEWORK_MARKET_CODE (the ink! contract's, where PIECEWORK_ANVIL is a node of pallet-revive), else
/// the Solidity one.
pub fn market_code() -> Option<Bytes> {
    let path = std::env::var_os("PIECEWORK_MARKET_CODE")?;
    Some(std::fs::read(path).unwrap().into())
}
