//! A real chain with a real market on it, a client that serves its blobs, and a provider with stake.

use std::{
    ffi::OsString,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    eips::BlockId,
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{DynProvider, Provider as _, ext::AnvilApi as _},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    sol_types::SolCall,
};
use anyhow::Context as _;
use piecework::{
    blobs::{DirStore, blob_router},
    chain::{
        ChainOptions, EventAt, IERC20, IMarket, Multicall, Sender, connect, decode_event,
        deploy::{
            DEV_BLOCKS, DEV_MARGIN, MarketDeployment, deploy_block_beacon, deploy_dev_token,
            deploy_market, mint,
        },
    },
    devnet::{Anvil, AnvilOptions, find_anvil},
    image::ImageBuilder,
    spec::{ImageSpec, JobSpec, Resources},
};
use piecework_faults::Proxy;
use tempfile::TempDir;
use url::Url;

use crate::past;

/// What the client and the provider start with.
const PURSE: u128 = 10u128.pow(24);
/// What a task pays.
pub(crate) const PRICE: u128 = 1_000;
/// What a task locks.
const BOND: u128 = 2_000;
/// Transactions of a crowd that are on their way at the same time.
const AT_ONCE: u64 = 4;

/// How a chain makes its blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blocks {
    /// One for each transaction, and one each second beside these, on the chain of development networks.
    Devnet,
    /// The same each so many seconds, on a chain like any other, which began so many seconds ago.
    Every { seconds: u64, ago: u64 },
    /// One each second, on so many empty ones.
    After(u64),
}

/// A chain, a market, a client and a provider.
pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) chain_id: u64,
    pub(crate) proxy: Proxy,
    /// Of the node itself, without the proxy.
    pub(crate) rpc: DynProvider,
    pub(crate) market: Address,
    pub(crate) client: Sender,
    pub(crate) provider: Sender,
    /// Another provider, which no executor works for.
    pub(crate) other: Sender,
    pub(crate) folder: TempDir,
    image: ImageSpec,
    source: Url,
    nonce: AtomicU64,
}

impl World {
    /// Starts all of it. `workload` is the static program that tasks run.
    pub(crate) async fn start(blocks: Blocks, workload: &Path) -> anyhow::Result<Self> {
        let (chain_id, block_time, ago) = match blocks {
            Blocks::Devnet => (31_337, 1, 0),
            Blocks::Every { seconds, ago } => (31_338, seconds, ago),
            Blocks::After(blocks) => (31_338, 1, blocks + 3_600),
        };
        let folder = tempfile::tempdir()?;
        let program = find_anvil(&std::env::current_dir()?)?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - ago;
        let args = [
            "--mixed-mining",
            "--no-request-size-limit",
            "--gas-limit=1000000000",
            // Otherwise anvil keeps the whole state of each block, on disk too.
            "--prune-history=16",
        ];
        let mut args: Vec<OsString> = args.map(OsString::from).into();
        match blocks {
            Blocks::After(blocks) => {
                let state = folder.path().join("past.json");
                past::write(&program, chain_id, began, blocks, &state).await?;
                args.extend(["--load-state".into(), state.into()]);
            }
            _ => args.push(format!("--timestamp={began}").into()),
        }
        let options = AnvilOptions {
            program: Some(program),
            chain_id,
            block_time: Some(block_time),
            args,
            ..AnvilOptions::default()
        };
        let anvil = tokio::task::spawn_blocking(move || Anvil::start(&options)).await??;
        // A busy node takes its time to make blocks.
        let node = ChainOptions {
            timeout: Duration::from_secs(300),
            ..ChainOptions::new(anvil.url())
        };
        let (rpc, _) = connect(&node).await?;
        let account = |index: usize| -> anyhow::Result<Sender> {
            let key = anvil.key(index).context("anvil has too few accounts")?;
            let options = piecework::chain::SendOptions::for_chain(31_337);
            Ok(Sender::new(rpc.clone(), chain_id, key).with_options(options))
        };
        let (deployer, client) = (account(0)?, account(1)?);
        let (provider, other) = (account(2)?, account(3)?);
        let (token, _) = deploy_dev_token(&deployer).await?;
        let (beacon, _) = deploy_block_beacon(&deployer, DEV_BLOCKS, DEV_MARGIN).await?;
        let deployment = MarketDeployment {
            fee_governor: deployer.address(),
            fee_recipient: deployer.address(),
            fee_bps: 200,
            ..MarketDeployment::devnet(token, beacon)
        };
        let (market, _) = deploy_market(&deployer, deployment).await?;
        for account in [&client, &provider, &other] {
            mint(&deployer, token, account.address(), PURSE).await?;
            let approve = IERC20::approveCall {
                spender: market,
                value: U256::from(PURSE),
            };
            account.call(token, &approve).await?;
        }
        for account in [&client, &other] {
            let deposit = IMarket::depositCall {
                account: account.address(),
                amount: PURSE / 4,
            };
            account.call(market, &deposit).await?;
        }
        for account in [&provider, &other] {
            let stake = IMarket::stakeCall { amount: PURSE / 4 };
            account.call(market, &stake).await?;
        }

        let blobs = DirStore::open(folder.path().join("client"))?;
        let image = publish(&blobs, workload).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let source = format!("http://{}/", listener.local_addr()?).parse()?;
        tokio::spawn(async move { axum::serve(listener, blob_router(blobs)).await });
        Ok(Self {
            proxy: Proxy::start(anvil.url()).await?,
            anvil,
            chain_id,
            rpc,
            market,
            client,
            provider,
            other,
            folder,
            image,
            source,
            nonce: AtomicU64::new(0),
        })
    }

    /// The spec of so many tasks that only exit.
    pub(crate) fn spec(&self, tasks: u32) -> anyhow::Result<Vec<u8>> {
        let spec = JobSpec {
            version: 1,
            image: self.image.clone(),
            command: None,
            args: vec!["noop".to_owned()],
            env: Default::default(),
            input: None,
            fetch_key: None,
            tasks,
            resources: Resources {
                cpu_millis: 500,
                memory_bytes: 64 << 20,
                disk_bytes: 1 << 20,
                timeout_seconds: 20,
            },
            sources: vec![self.source.clone()],
        };
        Ok(spec.to_bytes()?)
    }

    /// A job of leases of one task, which is open at `now` and for a day.
    pub(crate) fn job(&self, spec: &[u8], tasks: u32, audit_bps: u16, now: u64) -> IMarket::Job {
        let is_audited = audit_bps > 0;
        IMarket::Job {
            terms: IMarket::Terms {
                client: self.client.address(),
                nonce: self.nonce.fetch_add(1, Ordering::Relaxed),
                spec: keccak256(spec),
                tasks,
                minLease: 1,
                maxLease: 1,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas: 1,
                quorum: 1,
                auditBps: audit_bps,
                refund: false,
                verifier: Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: PRICE,
                maxPrice: PRICE,
                bond: BOND,
                juryFee: if is_audited { 1 } else { 0 },
            },
            timing: IMarket::Timing {
                opensAt: now,
                ramp: 0,
                closesAt: now + 86_400,
                runWindow: 600,
                auditWindow: if is_audited { 60 } else { 0 },
            },
        }
    }

    /// The time of the newest block.
    pub(crate) async fn time(&self) -> anyhow::Result<u64> {
        let block = self.rpc.get_block(BlockId::latest()).await?;
        Ok(block.context("the chain has no block")?.header.timestamp)
    }

    /// Posts a job; returns its id and its block.
    pub(crate) async fn post(&self, job: IMarket::Job, spec: &[u8]) -> anyhow::Result<(B256, u64)> {
        let post = IMarket::postCall {
            job,
            spec: Bytes::copy_from_slice(spec),
        };
        let receipt = self.client.call(self.market, &post).await?;
        let block = receipt.block_number.context("no block")?;
        let logs = receipt.logs().iter();
        let mut ids = logs.filter_map(|log| decode_event(log, self.market).ok()?.event.job_id());
        Ok((ids.next().context("nothing was posted")?, block))
    }

    /// Mines so many blocks, a second apart.
    pub(crate) async fn mine(&self, mut blocks: u64) -> anyhow::Result<()> {
        while blocks > 0 {
            let part = blocks.min(100);
            self.rpc.anvil_mine(Some(part), Some(1)).await?;
            blocks -= part;
        }
        Ok(())
    }

    /// Sends these calls of `from` to the market, those of a batch in one transaction, and waits until all are mined.
    pub(crate) async fn crowd(
        &self,
        from: Address,
        batches: impl Iterator<Item = Vec<Bytes>>,
    ) -> anyhow::Result<()> {
        let calls = batches.map(|data| Ok(Multicall::multicallCall { data }.abi_encode().into()));
        self.send(from, calls).await
    }

    /// Sends transactions of `from` to the market, and waits until all are mined.
    pub(crate) async fn send(
        &self,
        from: Address,
        inputs: impl Iterator<Item = anyhow::Result<Bytes>>,
    ) -> anyhow::Result<()> {
        let first = self.rpc.get_transaction_count(from).await?;
        let mut next = first;
        for input in inputs {
            let request = TransactionRequest::default()
                .with_from(from)
                .with_to(self.market)
                .with_nonce(next)
                .with_gas_limit(500_000_000)
                .with_max_fee_per_gas(2_000_000_000)
                .with_max_priority_fee_per_gas(1)
                .with_input(input?);
            let _ = self.rpc.send_transaction(request).await?;
            next += 1;
            while next - self.rpc.get_transaction_count(from).await? >= AT_ONCE {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        while self.rpc.get_transaction_count(from).await? < next {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Fails as a batch of these calls would. Nothing is sent.
    pub(crate) async fn rehearse(&self, from: Address, data: Vec<Bytes>) -> anyhow::Result<()> {
        let request = TransactionRequest::default()
            .with_from(from)
            .with_to(self.market)
            .with_input(Multicall::multicallCall { data }.abi_encode());
        self.rpc.call(request).await.context("a rehearsal")?;
        Ok(())
    }

    /// How many logs the market has made in all.
    pub(crate) async fn count_logs(&self) -> anyhow::Result<usize> {
        let newest = self.rpc.get_block_number().await?;
        let mut count = 0;
        for from in (0..=newest).step_by(500) {
            let filter = Filter::new().address(self.market);
            let filter = filter.from_block(from).to_block(newest.min(from + 499));
            count += self.rpc.get_logs(&filter).await?.len();
        }
        Ok(count)
    }

    /// What happened to a job.
    pub(crate) async fn events(&self, job: B256, from: u64) -> anyhow::Result<Vec<EventAt>> {
        let filter = Filter::new().address(self.market).topic1(job);
        let logs = self.rpc.get_logs(&filter.from_block(from)).await?;
        let events = logs.iter().map(|log| decode_event(log, self.market));
        events
            .map(|event| event.map_err(|log| anyhow::anyhow!("{log}")))
            .collect()
    }

    /// Waits until so many events of this name happened to a job; returns all of its events.
    pub(crate) async fn wait_for(
        &self,
        job: B256,
        from: u64,
        name: &str,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<EventAt>> {
        let begin = std::time::Instant::now();
        loop {
            let events = self.events(job, from).await?;
            let found = events.iter().filter(|at| at.event.name() == name).count();
            if found >= count {
                return Ok(events);
            }
            anyhow::ensure!(
                begin.elapsed() < patience,
                "{found} of {count} {name} within {patience:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The receipts of all transactions of the provider from a block on.
    pub(crate) async fn sent_by_provider(
        &self,
        from: u64,
    ) -> anyhow::Result<Vec<TransactionReceipt>> {
        let newest = self.rpc.get_block_number().await?;
        let mut sent = Vec::new();
        for number in from..=newest {
            let receipts = self.rpc.get_block_receipts(BlockId::number(number)).await?;
            let receipts = receipts.unwrap_or_default().into_iter();
            sent.extend(receipts.filter(|receipt| receipt.from == self.provider.address()));
        }
        Ok(sent)
    }
}

/// Packs the program into an image of its own, which no other run shares.
async fn publish(blobs: &DirStore, workload: &Path) -> anyhow::Result<ImageSpec> {
    let program =
        std::fs::read(workload).with_context(|| format!("the workload, {}", workload.display()))?;
    let platform = match std::env::consts::ARCH {
        "aarch64" => "linux/arm64",
        _ => "linux/amd64",
    };
    let image = ImageBuilder::new(platform)
        .file("render", program, 0o755)?
        .entrypoint(["/render"]);
    let blobs = blobs.clone();
    let image = tokio::task::spawn_blocking(move || image.build(&blobs)).await??;
    Ok(ImageSpec {
        manifest: image.manifest,
        platform: image.platform,
        archive: Some(image.archive),
        reference: None,
    })
}
