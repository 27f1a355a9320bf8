//! A whole market on this machine: chain, token, market, staked providers, their executors.

mod parties;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::DynProvider;
use alloy::signers::local::PrivateKeySigner;
use piecework::chain::deploy::{
    DEV_BLOCKS, DEV_MARGIN, DEV_ROUND, MarketDeployment, deploy_block_beacon, deploy_dev_token,
    deploy_drand_beacon, deploy_market, mint,
};
use piecework::chain::{ChainOptions, IERC20, IMarket, Sender, connect};
use piecework::devnet::{Anvil, AnvilOptions, DrandOptions, DrandSigner};
use piecework_executor::Executor;
use serde::Serialize;
use tempfile::TempDir;
use url::Url;

use crate::cli::{BeaconArg, ToolArgs};
use crate::fail::Failure;
use crate::output::say;
pub(crate) use parties::{Account, Provider, Shape, shapes};

const CHAIN_ID: u64 = 31_337;
const TOKEN: u128 = 10u128.pow(18);
/// The client's own tokens, half of which go into its balance.
const CLIENT_TOKENS: u128 = 2_000 * TOKEN;
/// What each provider stakes.
pub(crate) const STAKE: u128 = 1_000 * TOKEN;
/// The protocol's fee: 2.5 %.
const FEE_BPS: u16 = 250;

/// What a devnet consists of, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Description {
    pub(crate) rpc_url: String,
    pub(crate) chain_id: u64,
    pub(crate) market: Address,
    /// Where its seeds come from.
    pub(crate) beacon: Address,
    /// Where its drand is served, if its seeds come from one.
    pub(crate) drand_urls: Vec<Url>,
    pub(crate) token: Address,
    pub(crate) fee_recipient: Address,
    pub(crate) client: Account,
    pub(crate) providers: Vec<Provider>,
    /// The process to interrupt in order to stop it.
    pub(crate) pid: u32,
}

fn read_code(path: &Path) -> Result<Bytes, Failure> {
    std::fs::read(path).map(Bytes::from).map_err(|error| {
        let what = format!("cannot read the market's code, {}: {error}", path.display());
        Failure::new("market-code", what)
            .money("nothing was deployed, nothing was spent")
            .next("name a file of contract code, or leave out --market-code (PIECEWORK_MARKET_CODE) for the Solidity market")
    })
}

/// A running devnet. [`Devnet::end`] leaves nothing behind.
pub(crate) struct Devnet {
    pub(crate) description: Description,
    pub(crate) provider: DynProvider,
    /// Seconds since 1970 at which it was asked for.
    pub(crate) started_at: u64,
    pub(crate) started: Instant,
    executors: Vec<Executor>,
    state: TempDir,
    /// Plays drand. It ends when it is dropped.
    _drand: Option<DrandSigner>,
    // Dropped last of all: executors finish while the chain still runs.
    anvil: Anvil,
}

impl Devnet {
    /// Starts everything; when a part fails, what ran already is stopped.
    pub(crate) async fn start(
        shapes: &[Shape],
        port: u16,
        beacon: BeaconArg,
        tools: &ToolArgs,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let started_at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(Failure::internal)?
            .as_secs();
        let anvil = start_anvil(shapes.len(), port, tools.anvil.clone()).await?;
        let options = ChainOptions::new(anvil.url()).chain_id(CHAIN_ID);
        let (provider, _) = connect(&options).await?;
        let sender = |key: &PrivateKeySigner| Sender::new(provider.clone(), CHAIN_ID, key.clone());
        let keys = parties::Keys::of(&anvil, shapes.len())?;

        let deployer = sender(&keys.deployer);
        let (token, _) = deploy_dev_token(&deployer).await?;
        let drand = match beacon {
            BeaconArg::Block => None,
            BeaconArg::Drand => Some(start_drand().await?),
        };
        let drand_urls: Vec<Url> = drand.iter().map(|(_, url)| url.clone()).collect();
        let (beacon, _) = match &drand {
            None => deploy_block_beacon(&deployer, DEV_BLOCKS, DEV_MARGIN).await?,
            Some((signer, _)) => deploy_drand_beacon(&deployer, signer.beacon()).await?,
        };
        let deployment = MarketDeployment {
            fee_governor: keys.deployer.address(),
            fee_recipient: keys.fee_recipient,
            fee_bps: FEE_BPS,
            code: tools.market_code.as_deref().map(read_code).transpose()?,
            ..MarketDeployment::devnet(token, beacon)
        };
        let (market, _) = deploy_market(&deployer, deployment).await?;
        say!("chain      {} (chain id {CHAIN_ID})", anvil.url());
        say!("token      {token}");
        say!("beacon     {beacon}");
        for url in &drand_urls {
            say!("drand      {url}");
        }
        say!("market     {market}");

        mint(&deployer, token, keys.client.address(), CLIENT_TOKENS).await?;
        for (owner, _) in &keys.providers {
            mint(&deployer, token, owner.address(), STAKE).await?;
        }
        let client = sender(&keys.client);
        approve(&client, token, market).await?;
        let deposit = IMarket::depositCall {
            account: client.address(),
            amount: CLIENT_TOKENS / 2,
        };
        client.call(market, &deposit).await?;

        let state = tempfile::Builder::new()
            .prefix("piecework-devnet-")
            .tempdir()
            .map_err(|e| {
                Failure::new(
                    "devnet-state",
                    format!("cannot make a directory for the devnet: {e}"),
                )
            })?;
        let description = Description {
            rpc_url: anvil.url().to_owned(),
            chain_id: CHAIN_ID,
            market,
            beacon,
            drand_urls,
            token,
            fee_recipient: keys.fee_recipient,
            client: Account::of("client", &keys.client),
            providers: Vec::new(),
            pid: std::process::id(),
        };
        let mut devnet = Self {
            description,
            provider,
            started_at,
            started,
            executors: Vec::new(),
            state,
            _drand: drand.map(|(signer, _)| signer),
            anvil,
        };
        for (shape, (owner, operator)) in shapes.iter().zip(&keys.providers) {
            if let Err(failure) = devnet
                .add_provider(shape, owner, operator, &tools.docker)
                .await
            {
                devnet.end().await?;
                return Err(failure);
            }
        }
        Ok(devnet)
    }

    /// Stakes a provider, allows its operator, starts its executor and publishes its profile.
    async fn add_provider(
        &mut self,
        shape: &Shape,
        owner: &PrivateKeySigner,
        operator: &PrivateKeySigner,
        docker: &str,
    ) -> Result<(), Failure> {
        let Description { market, token, .. } = self.description;
        let account = Sender::new(self.provider.clone(), CHAIN_ID, owner.clone());
        approve(&account, token, market).await?;
        let stake = IMarket::stakeCall { amount: STAKE };
        account.call(market, &stake).await?;
        let allow = IMarket::setOperatorCall {
            operator: operator.address(),
            allowed: true,
        };
        account.call(market, &allow).await?;

        let rpc_url = self
            .description
            .rpc_url
            .parse()
            .map_err(Failure::internal)?;
        let state_dir: PathBuf = self.state.path().join(shape.name);
        let mut config = piecework_executor::Config::devnet(
            state_dir,
            rpc_url,
            market,
            owner.address(),
            operator.clone(),
            docker.to_owned(),
        );
        shape.apply(&mut config);
        for chain in &mut config.chains {
            chain.drand_urls.clone_from(&self.description.drand_urls);
        }
        let executor = Executor::start(config).await?;
        let endpoint = executor.blob_url().to_string();
        let status_url = executor
            .admin_url()
            .and_then(|url| url.join("status").ok())
            .map(|url| url.to_string());
        self.executors.push(executor);
        let profile = IMarket::setProfileCall {
            nodeId: B256::ZERO,
            capabilities: B256::ZERO,
            endpoint: endpoint.clone(),
        };
        account.call(market, &profile).await?;
        say!(
            "provider   {} {:<6} (leases of up to {}, {} at a time)",
            owner.address(),
            shape.name,
            shape.lease_tasks,
            shape.tasks
        );
        self.description.providers.push(Provider {
            account: Account::of(shape.name, owner),
            operator: operator.address(),
            lease_tasks: shape.lease_tasks,
            endpoint,
            status_url,
        });
        Ok(())
    }

    /// The key of an account that can pay for gas, and has no part yet.
    pub(crate) fn strangers_key(&self) -> Result<PrivateKeySigner, Failure> {
        let providers = self.description.providers.len();
        parties::Keys::strangers(&self.anvil, providers)
    }

    /// Ends when a part of it has failed for good.
    pub(crate) async fn failed(&mut self) -> Failure {
        let executors =
            futures::future::select_all(self.executors.iter().map(|e| Box::pin(e.failed())));
        let anvil = &mut self.anvil;
        let chain = async {
            while anvil.is_running() {
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        };
        tokio::select! {
            (error, ..) = executors => error.into(),
            () = chain => Failure::new("devnet-anvil", "anvil ended by itself"),
        }
    }

    /// Lets the executors finish what is bonded; they take no more work.
    pub(crate) async fn finish(&self) {
        futures::future::join_all(self.executors.iter().map(Executor::finish)).await;
    }

    /// Ends everything at once, running containers too, and removes all files and the images that its executors
    /// brought to the container engine.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        let ended = futures::future::join_all(self.executors.iter().map(Executor::halt)).await;
        drop(self.anvil);
        // After all have halted: what one brought another may have used.
        let mut cleared = Ok(());
        for executor in &self.executors {
            cleared = cleared.and(executor.remove_images().await);
        }
        drop(self.executors);
        let removed = self.state.close();
        ended.into_iter().collect::<Result<(), _>>()?;
        cleared?;
        removed.map_err(|e| {
            Failure::new(
                "devnet-state",
                format!("cannot remove the devnet's files: {e}"),
            )
        })
    }
}

/// A signer that plays drand, and its URL.
async fn start_drand() -> Result<(DrandSigner, Url), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        let what = format!("cannot start the signer that plays drand: {error}");
        Failure::new("devnet-drand", what)
    };
    let signer = DrandSigner::start(&DrandOptions::now(DEV_ROUND)).await;
    let signer = signer.map_err(|error| failed(&error))?;
    let url = signer.url().map_err(|error| failed(&error))?;
    Ok((signer, url))
}

async fn start_anvil(
    providers: usize,
    port: u16,
    program: Option<PathBuf>,
) -> Result<Anvil, Failure> {
    let options = AnvilOptions {
        program,
        port,
        chain_id: CHAIN_ID,
        accounts: parties::Keys::accounts(providers),
        // A block for each transaction at once, and one each second, so that time goes on.
        block_time: Some(1),
        args: vec!["--mixed-mining".into()],
    };
    let started = tokio::task::spawn_blocking(move || Anvil::start(&options)).await;
    Ok(started.map_err(Failure::internal)??)
}

async fn approve(owner: &Sender, token: Address, market: Address) -> Result<(), Failure> {
    owner
        .call(
            token,
            &IERC20::approveCall {
                spender: market,
                value: U256::MAX,
            },
        )
        .await?;
    Ok(())
}
