//! A real chain with a real market on it.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    providers::{DynProvider, Provider as _},
    signers::local::PrivateKeySigner,
};
use piecework::{
    chain::{
        ChainOptions, Contract, IERC20, IMarket, Sender,
        beacon::Beacon,
        connect,
        deploy::{
            DEV_BLOCKS, DEV_MARGIN, MarketDeployment, deploy_block_beacon, deploy_dev_token,
            deploy_drand_beacon, deploy_market, mint,
        },
    },
    devnet::{Anvil, AnvilOptions, DrandSigner, find_anvil},
};

/// Makes jobs different that are alike and of one second.
static NONCE: AtomicU64 = AtomicU64::new(0);

/// What each account of the tests starts with.
pub(crate) const PURSE: u128 = 1_000_000;

/// Anvil, a token and a market; accounts 0 deploys, 1 is the client, 2 and up are providers.
pub(crate) struct Net {
    pub(crate) anvil: Anvil,
    pub(crate) provider: DynProvider,
    pub(crate) token: Address,
    pub(crate) market: Address,
    /// Where its drand is served, if its seeds come from one.
    pub(crate) drand_urls: Vec<String>,
}

impl Net {
    pub(crate) async fn start() -> Self {
        Self::start_on(31_337).await
    }

    /// On a chain of this id. Any but anvil's usual one makes a block each second, as real chains do.
    pub(crate) async fn start_on(chain_id: u64) -> Self {
        Self::start_with(chain_id, None).await
    }

    /// With seeds of this signer's rounds, or of blocks.
    pub(crate) async fn start_with(chain_id: u64, drand: Option<&DrandSigner>) -> Self {
        let usual = chain_id == 31_337;
        let program = find_anvil(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let anvil = Anvil::start(&AnvilOptions {
            program: Some(program),
            chain_id,
            block_time: (!usual).then_some(1),
            args: match usual {
                true => Vec::new(),
                false => vec!["--mixed-mining".into()],
            },
            ..AnvilOptions::default()
        })
        .unwrap();
        let (provider, _) = connect(&ChainOptions::new(anvil.url())).await.unwrap();
        let deployer = Sender::new(provider.clone(), anvil.chain_id(), anvil.key(0).unwrap());
        let (token, _) = deploy_dev_token(&deployer).await.unwrap();
        let beacon = match drand {
            Some(drand) => deploy_drand_beacon(&deployer, drand.beacon()).await,
            None => deploy_block_beacon(&deployer, DEV_BLOCKS, DEV_MARGIN).await,
        };
        let (beacon, _) = beacon.unwrap();
        let deployment = MarketDeployment {
            fee_governor: deployer.address(),
            fee_recipient: deployer.address(),
            fee_bps: 200,
            code: market_code(),
            ..MarketDeployment::devnet(token, beacon)
        };
        let (market, _) = deploy_market(&deployer, deployment).await.unwrap();
        Self {
            anvil,
            provider,
            token,
            market,
            drand_urls: drand
                .iter()
                .map(|drand| drand.url().unwrap().into())
                .collect(),
        }
    }

    pub(crate) fn key(&self, index: usize) -> PrivateKeySigner {
        self.anvil.key(index).unwrap()
    }

    pub(crate) fn sender(&self, index: usize) -> Sender {
        Sender::new(
            self.provider.clone(),
            self.anvil.chain_id(),
            self.key(index),
        )
    }

    pub(crate) async fn approve_purse(&self, index: usize) -> Sender {
        let sender = self.sender(index);
        mint(&self.sender(0), self.token, sender.address(), PURSE)
            .await
            .unwrap();
        let approve = IERC20::approveCall {
            spender: self.market,
            value: alloy::primitives::U256::from(PURSE),
        };
        sender.call(self.token, &approve).await.unwrap();
        sender
    }

    /// Stakes everything account `index` has; returns its address.
    pub(crate) async fn stake(&self, index: usize) -> Address {
        let sender = self.approve_purse(index).await;
        sender
            .call(self.market, &IMarket::stakeCall { amount: PURSE })
            .await
            .unwrap();
        sender.address()
    }

    /// Deposits everything account 1 has.
    pub(crate) async fn fund_client(&self) -> Sender {
        let client = self.approve_purse(1).await;
        let deposit = IMarket::depositCall {
            account: client.address(),
            amount: PURSE,
        };
        client.call(self.market, &deposit).await.unwrap();
        client
    }

    pub(crate) async fn time(&self) -> u64 {
        self.provider
            .get_block(alloy::eips::BlockId::latest())
            .await
            .unwrap()
            .unwrap()
            .header
            .timestamp
    }

    /// Publishes the seed of a point, once its time has come.
    pub(crate) async fn publish_seed(&self, point: u64) {
        let beacon = Beacon::probe(self.provider.clone(), self.market)
            .await
            .unwrap()
            .with_drand(
                &self
                    .drand_urls
                    .iter()
                    .map(|url| url.parse().unwrap())
                    .collect::<Vec<_>>(),
            )
            .unwrap();
        while beacon.seed(point).await.unwrap().is_none() {
            match beacon.publication(point).await.unwrap() {
                Some(call) => {
                    self.sender(0).send("publish", call.into()).await.unwrap();
                }
                None => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    }

    /// A job that opens at once, without audits: price 100, bond 200 a task.
    pub(crate) async fn job(
        &self,
        client: Address,
        spec: &[u8],
        tasks: u32,
        max_lease: u32,
    ) -> IMarket::Job {
        let now = self.time().await;
        IMarket::Job {
            terms: IMarket::Terms {
                client,
                nonce: NONCE.fetch_add(1, Ordering::Relaxed),
                spec: keccak256(spec),
                tasks,
                minLease: 1,
                maxLease: max_lease,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas: 1,
                quorum: 1,
                auditBps: 0,
                refund: false,
                verifier: Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: 100,
                maxPrice: 100,
                bond: 200,
                juryFee: 0,
            },
            timing: IMarket::Timing {
                opensAt: now,
                ramp: 0,
                closesAt: now + 3_600,
                runWindow: 600,
                auditWindow: 0,
            },
        }
    }

    pub(crate) async fn post(&self, client: &Sender, job: &IMarket::Job, spec: &[u8]) -> B256 {
        let job_id = self
            .contract()
            .ask(IMarket::hashJobCall { job: job.clone() })
            .call()
            .await
            .unwrap();
        let post = IMarket::postCall {
            job: job.clone(),
            spec: Bytes::copy_from_slice(spec),
        };
        client.call(self.market, &post).await.unwrap();
        job_id
    }

    pub(crate) fn contract(&self) -> Contract<DynProvider> {
        Contract::new(self.market, self.provider.clone())
    }
}

/// The market's code: that of PIECEWORK_MARKET_CODE (the ink! contract's, where PIECEWORK_ANVIL is a node of pallet-revive), else
/// the Solidity one.
pub(crate) fn market_code() -> Option<Bytes> {
    let path = std::env::var_os("PIECEWORK_MARKET_CODE")?;
    Some(std::fs::read(path).unwrap().into())
}
