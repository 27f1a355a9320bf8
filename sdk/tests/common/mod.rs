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

use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::DynProvider;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolCall;
use piecework::blobs::{DirStore, blob_router};
use piecework::chain::IMarket::Opening;
use piecework::chain::deploy::{
    DEV_BLOCKS, DEV_MARGIN, DrandDeployment, MarketDeployment, deploy_block_beacon,
    deploy_dev_token, deploy_drand_beacon, deploy_market, mint,
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
    pub beacon: Address,
    pub market: Address,
}

impl Devnet {
    pub async fn start() -> Self {
        Self::start_with(AnvilOptions::default()).await
    }

    pub async fn start_with(options: AnvilOptions) -> Self {
        Self::start_on(options, None).await
    }

    /// With seeds of drand's rounds, if there is such a beacon.
    pub async fn start_on(options: AnvilOptions, drand: Option<DrandDeployment>) -> Self {
        let anvil = Anvil::start(&options).unwrap();
        let (provider, chain_id) = connect(&ChainOptions::new(anvil.url())).await.unwrap();
        let deployer = Sender::new(provider.clone(), chain_id, anvil.key(0).unwrap());
        let (token, _) = deploy_dev_token(&deployer).await.unwrap();
        let beacon = match drand {
            Some(drand) => deploy_drand_beacon(&deployer, drand).await,
            None => deploy_block_beacon(&deployer, DEV_BLOCKS, DEV_MARGIN).await,
        };
        let (beacon, _) = beacon.unwrap();
        let deployment = MarketDeployment {
            code: market_code(),
            ..MarketDeployment::devnet(token, beacon)
        };
        let (market, _) = deploy_market(&deployer, deployment).await.unwrap();
        for account in anvil.addresses().into_iter().take(8) {
            mint(&deployer, token, account, FUNDS).await.unwrap();
        }
        Self {
            anvil,
            provider,
            token,
            beacon,
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

/// A job without audits that needs no engine: its image is named by a registry reference that nobody resolves.
pub fn job(tasks: u32) -> Job {
    audited(tasks).unaudited()
}

/// As [`job`], with audits.
pub fn audited(tasks: u32) -> Job {
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

    /// Takes at most so many tasks.
    pub async fn claim(&self, run: &Run, most: u32) -> (u32, u32) {
        let call = IMarket::claimCall {
            job: run.job().clone(),
            provider: self.address,
            least: 1,
            most,
        };
        // The job opens in the second in which it was described; the chain's last block may be older.
        let receipt = self.call_after(&call, &["TooEarly"]).await;
        let claimed = receipt.decoded_log::<IMarket::Claimed>().unwrap();
        (claimed.first, claimed.count)
    }

    /// Puts the results' blobs into the store; returns root and digest list.
    pub fn publish(&self, first: u32, results: &[ResultManifest]) -> (B256, Digest) {
        let digests: Vec<Digest> = results
            .iter()
            .map(|result| self.store.put_bytes(&result.to_bytes()).unwrap())
            .collect();
        let list = self.store.put_bytes(&lease::encode(&digests)).unwrap();
        (tree::root(first, &digests).unwrap(), list)
    }

    /// Submits in the lease's present round.
    pub async fn submit(&self, run: &Run, first: u32, root: B256, list: Digest) {
        let call = IMarket::submitCall {
            job: run.job().clone(),
            first,
            round: self.round(run, first).await,
            provider: self.address,
            root,
            digestList: list.into(),
        };
        self.call(&call).await.unwrap();
    }

    /// Claims, "runs" and submits.
    pub async fn work(&self, run: &Run, most: u32) -> (u32, u32) {
        let (first, count) = self.claim(run, most).await;
        let results: Vec<_> = (first..first + count)
            .map(|task| self.result(task))
            .collect();
        let (root, list) = self.publish(first, &results);
        self.submit(run, first, root, list).await;
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

/// Refusals that end when a seed is published and the provider is drawn.
const NOT_YET: [&str; 3] = ["TooEarly", "SeedUnknown", "NotDrawn"];

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

    /// As [`Provider::call`], tried again while it is refused for one of these reasons.
    pub async fn call_after<C: SolCall>(&self, call: &C, reasons: &[&str]) -> TransactionReceipt {
        let started = std::time::Instant::now();
        loop {
            match self.call(call).await {
                Ok(receipt) => return receipt,
                Err(error) => {
                    let revert = error.revert().unwrap_or_else(|| panic!("{error}"));
                    assert!(reasons.contains(&revert.name), "{revert}");
                    assert!(started.elapsed().as_secs() < 60, "{revert}");
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }

    /// The lease's present round, 1 for one that nobody touched.
    pub async fn round(&self, run: &Run, first: u32) -> u16 {
        let contract = self.market.contract();
        let lease = contract
            .ask(IMarket::leaseOfCall {
                jobId: run.id(),
                first,
            })
            .call()
            .await
            .unwrap();
        lease.round.max(1)
    }

    /// What the provider commits to, with a salt, and its commitment: 0 for a lease, 1 or 2 for a jury.
    async fn secret(
        &self,
        run: &Run,
        first: u32,
        kind: u8,
        (value, proof): (B256, B256),
    ) -> (u16, B256, Opening) {
        let round = self.round(run, first).await;
        let opening = Opening {
            number: self.number().await,
            value,
            proof,
            salt: rand::random::<[u8; 32]>().into(),
        };
        let Opening { number, salt, .. } = opening;
        let contract = self.market.contract();
        let call = contract.ask(IMarket::commitmentOfCall {
            jobId: run.id(),
            first,
            round,
            kind,
            number,
            value,
            proof,
            salt,
        });
        (round, call.call().await.unwrap(), opening)
    }

    /// Reserves a seat of the lease as soon as the provider is drawn.
    pub async fn join(&self, run: &Run, first: u32) {
        let call = IMarket::joinCall {
            job: run.job().clone(),
            first,
            round: self.round(run, first).await,
            provider: self.address,
        };
        self.call_after(&call, &NOT_YET).await;
    }

    /// Commits to a root of the lease as soon as it is drawn. The result is what opens it.
    pub async fn commit(&self, run: &Run, first: u32, root: B256, list: Digest) -> Opening {
        let pair = (root, list.into());
        let (round, commitment, opening) = self.secret(run, first, 0, pair).await;
        let call = IMarket::commitCall {
            job: run.job().clone(),
            first,
            round,
            provider: self.address,
            commitment,
        };
        self.call_after(&call, &NOT_YET).await;
        opening
    }

    /// Opens commitments of the lease: the provider's own, or all.
    pub async fn open(&self, run: &Run, first: u32, openings: &[Opening]) {
        let call = IMarket::settleCall {
            job: run.job().clone(),
            first,
            round: self.round(run, first).await,
            openings: ascending(openings),
        };
        self.call(&call).await.unwrap();
    }

    /// Commits to a vote in a jury over the lease as soon as it is drawn.
    pub async fn vote(&self, run: &Run, first: u32, jury: u8, pair: (B256, B256)) -> Opening {
        let (round, commitment, opening) = self.secret(run, first, jury, pair).await;
        let call = IMarket::commitVoteCall {
            job: run.job().clone(),
            first,
            round,
            jury,
            provider: self.address,
            commitment,
        };
        self.call_after(&call, &NOT_YET).await;
        opening
    }

    /// Opens votes: the provider's own, or all, with the accused's leaf and its proof.
    pub async fn judge(
        &self,
        run: &Run,
        first: u32,
        jury: u8,
        openings: &[Opening],
        (leaf, proof): (B256, Vec<B256>),
    ) {
        let call = IMarket::judgeCall {
            job: run.job().clone(),
            first,
            round: self.round(run, first).await,
            jury,
            openings: ascending(openings),
            leaf,
            proof,
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

/// Openings as the market wants them.
fn ascending(openings: &[Opening]) -> Vec<Opening> {
    let mut openings = openings.to_vec();
    openings.sort_unstable_by_key(|opening| opening.number);
    openings
}

/// The market's code: that of PIECEWORK_MARKET_CODE (the ink! contract's, where PIECEWORK_ANVIL is a node of pallet-revive), otherwise
/// the Solidity one.
pub fn market_code() -> Option<Bytes> {
    let path = std::env::var_os("PIECEWORK_MARKET_CODE")?;
    Some(std::fs::read(path).unwrap().into())
}
