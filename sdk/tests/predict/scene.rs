//! A market whose every block has the time that the test says, and the comparison of foretold and done.

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, keccak256};
use alloy::providers::Provider as _;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use piecework::Market;
use piecework::chain::deploy::{MarketDeployment, deploy_market};
use piecework::chain::{
    BlockBeacon, IERC20, IMarket, MarketEvent, Revert, decode_error, decode_event,
};
use piecework::market::predict::{By, Prediction};
use piecework::market::{MarketConfig, Predictor};

use crate::common::{Devnet, TOKEN};

/// Times of this market: none of them is another's.
pub(crate) const TIMES: IMarket::Times = IMarket::Times {
    stakeAge: 100,
    leaseStep: 15,
    juryStep: 25,
    juryTime: 700,
    revealWindow: 300,
    respondWindow: 400,
    retryWindow: 500,
    leastAuditWindow: 30,
    leastRunWindow: 10,
};
pub(crate) const FEE_BPS: u16 = 125;
pub(crate) const SPEC: &[u8] = b"any spec: no contract reads it";

/// What the chain did.
pub(crate) type Done = Result<Vec<MarketEvent>, Revert>;

pub(crate) struct Scene {
    pub(crate) devnet: Devnet,
    pub(crate) market: Market,
    /// Accounts by their number.
    pub(crate) who: Vec<Address>,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let devnet = Devnet::start().await;
        let deployer = devnet.sender(0);
        let deployment = MarketDeployment {
            fee_bps: FEE_BPS,
            fee_recipient: devnet.anvil.addresses()[9],
            times: TIMES,
            code: crate::common::market_code(),
            ..MarketDeployment::devnet(devnet.token, devnet.beacon)
        };
        let (address, _) = deploy_market(&deployer, deployment).await.unwrap();
        let key = devnet.anvil.key(1).unwrap();
        let config = MarketConfig::new(devnet.anvil.url(), address).signer(key);
        let market = Market::connect(config).await.unwrap();
        let who = devnet.anvil.addresses();
        let scene = Self {
            devnet,
            market,
            who,
        };
        for account in 0..8 {
            let approve = IERC20::approveCall {
                spender: address,
                value: (u128::MAX).try_into().unwrap(),
            };
            let to = scene.devnet.token;
            scene
                .send(account, to, approve.abi_encode(), None)
                .await
                .unwrap();
        }
        scene
    }

    /// Time of the last block.
    pub(crate) async fn now(&self) -> u64 {
        self.predict().await.block().time
    }

    pub(crate) async fn predict(&self) -> Predictor {
        self.market.predict().await.unwrap()
    }

    async fn send(&self, account: usize, to: Address, data: Vec<u8>, at: Option<u64>) -> Done {
        let provider = &self.devnet.provider;
        if let Some(at) = at {
            provider.anvil_set_next_block_timestamp(at).await.unwrap();
        }
        let request = TransactionRequest::default()
            .with_from(self.who[account])
            .with_to(to)
            .with_input(data);
        // A limit of its own: the node must not refuse to estimate what is to fail on chain.
        let sent = request.clone().with_gas_limit(12_000_000);
        let pending = provider.send_transaction(sent).await.unwrap();
        let receipt = loop {
            let mined = provider
                .get_transaction_receipt(*pending.tx_hash())
                .await
                .unwrap();
            match mined {
                Some(receipt) => break receipt,
                None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        if receipt.status() {
            let logs = receipt
                .logs()
                .iter()
                .filter(|log| log.address() == self.market.address());
            let event = |log| decode_event(log, self.market.address()).unwrap().event;
            return Ok(logs.map(event).collect());
        }
        let block = receipt.block_number.unwrap().into();
        let again = provider.call(request).block(block).await.unwrap_err();
        Err(decode_error(&again).unwrap())
    }

    /// Does it, in a block of this time.
    pub(crate) async fn act<C: SolCall>(&self, account: usize, call: &C, at: u64) -> Done {
        self.send(account, self.market.address(), call.abi_encode(), Some(at))
            .await
    }

    /// The point of a lease as it stands.
    pub(crate) async fn point(&self, job: &IMarket::Job, first: u32) -> u64 {
        let contract = self.market.contract();
        let id = self.market.job_id(job);
        contract
            .ask(IMarket::leaseOfCall { jobId: id, first })
            .call()
            .await
            .unwrap()
            .point
    }

    /// What the chain does in a block of this time; then it forgets that.
    pub(crate) async fn probe<C: SolCall>(&self, account: usize, call: &C, at: u64) -> Done {
        let provider = &self.devnet.provider;
        let snapshot = provider.anvil_snapshot().await.unwrap();
        let done = self.act(account, call, at).await;
        assert!(provider.anvil_revert(snapshot).await.unwrap());
        done
    }

    /// Foretells the call, and holds that against what the chain does at that time and at the borders of its window.
    pub(crate) async fn foretold<C: SolCall>(
        &self,
        account: usize,
        call: &C,
        at: u64,
    ) -> Prediction {
        let prediction = self
            .predict()
            .await
            .call(self.who[account], call, at)
            .await
            .unwrap();
        assert_eq!(
            (prediction.by, prediction.at),
            (By::Rules, at),
            "{}",
            C::SIGNATURE
        );
        let done = self.probe(account, call, at).await;
        assert_eq!(
            prediction.outcome,
            visible(done),
            "{} at {at}",
            C::SIGNATURE
        );
        let window = prediction.window;
        if let Some(from) = window.from {
            assert!(from >= at);
            assert!(
                self.probe(account, call, from).await.is_ok(),
                "{} from {from}",
                C::SIGNATURE
            );
            if from > at {
                let before = self.probe(account, call, from - 1).await;
                assert!(before.is_err(), "{} before {from}", C::SIGNATURE);
            }
        }
        if let Some(until) = window.until {
            let last = self.probe(account, call, until).await;
            assert!(last.is_ok(), "{} until {until}: {last:?}", C::SIGNATURE);
            let after = self.probe(account, call, until + 1).await;
            assert!(after.is_err(), "{} after {until}", C::SIGNATURE);
        }
        prediction
    }

    /// As [`Scene::foretold`], of a call that is refused so at first. Whether time helps is in its window.
    pub(crate) async fn refused<C: SolCall>(
        &self,
        account: usize,
        call: &C,
        at: u64,
        name: &str,
    ) -> Prediction {
        let prediction = self.foretold(account, call, at).await;
        let refusal = prediction
            .refusal()
            .unwrap_or_else(|| panic!("{name} was expected"));
        assert_eq!(refusal.name, name, "{refusal}");
        prediction
    }

    /// As [`Scene::foretold`], of a call that is taken; then it is done.
    pub(crate) async fn done<C: SolCall>(&self, account: usize, call: &C, at: u64) -> Prediction {
        let prediction = self.foretold(account, call, at).await;
        assert_eq!(prediction.window.from, Some(at), "{:?}", prediction.outcome);
        self.act(account, call, at).await.unwrap();
        prediction
    }

    /// A second after the last block.
    pub(crate) async fn soon(&self) -> u64 {
        self.now().await + 1
    }

    /// Publishes the seed of a point, once its block is built.
    pub(crate) async fn keep(&self, point: u64) {
        let call = BlockBeacon::keepCall { id: point };
        let at = self.soon().await;
        self.send(0, self.devnet.beacon, call.abi_encode(), Some(at))
            .await
            .unwrap();
    }

    /// Two blocks, so that the seed of a point that was just taken is known to whoever looks.
    pub(crate) async fn two_blocks(&self) {
        for _ in 0..2 {
            self.deposit(6, 1).await;
        }
    }

    /// A job of account 1 without audits that opens at `opens`.
    pub(crate) fn job(&self, opens: u64) -> IMarket::Job {
        IMarket::Job {
            terms: IMarket::Terms {
                client: self.who[1],
                nonce: 7,
                spec: keccak256(SPEC),
                tasks: 10,
                minLease: 1,
                maxLease: 4,
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
                minPrice: TOKEN + 1,
                maxPrice: 3 * TOKEN,
                bond: 5 * TOKEN,
                juryFee: 0,
            },
            timing: IMarket::Timing {
                opensAt: opens,
                ramp: 1_000,
                closesAt: opens + 5_000,
                runWindow: 80,
                auditWindow: 0,
            },
        }
    }

    /// As [`Scene::job`], with audits.
    pub(crate) fn audited(&self, opens: u64, audit_bps: u16) -> IMarket::Job {
        let mut job = self.job(opens);
        job.assurance.auditBps = audit_bps;
        (job.price.juryFee, job.timing.auditWindow) = (TOKEN / 2, 60);
        job
    }

    /// A provider with so many units of stake.
    pub(crate) async fn stake(&self, account: usize, amount: u128) {
        let at = self.soon().await;
        self.act(account, &IMarket::stakeCall { amount }, at)
            .await
            .unwrap();
    }

    pub(crate) async fn deposit(&self, account: usize, amount: u128) {
        let call = IMarket::depositCall {
            account: self.who[account],
            amount,
        };
        let at = self.soon().await;
        self.act(account, &call, at).await.unwrap();
    }

    pub(crate) async fn post(&self, job: &IMarket::Job) {
        let call = IMarket::postCall {
            job: job.clone(),
            spec: SPEC.into(),
        };
        let at = self.soon().await;
        self.act(1, &call, at).await.unwrap();
    }
}

/// Without points, which nobody knows before.
fn visible(done: Done) -> Done {
    let told = |mut event: MarketEvent| {
        match &mut event {
            MarketEvent::Posted(event) => event.point = 0,
            MarketEvent::Submitted(event) => event.point = 0,
            MarketEvent::PointSet(event) => event.point = 0,
            _ => {}
        }
        event
    };
    done.map(|events| events.into_iter().map(told).collect())
}
