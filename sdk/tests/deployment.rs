//! Deployments of a market by CREATE2 on a real anvil: what is made, what is refused, and what is told of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;

use alloy::primitives::{Address, B256, Bytes, bytes};
use alloy::providers::ext::AnvilApi as _;
use alloy::providers::{DynProvider, Provider as _};
use alloy::signers::local::PrivateKeySigner;
use piecework::chain::deploy::{
    BlockDeployment, DEV_TIMES, DrandDeployment, MarketDeployment, deploy_block_beacon,
    deploy_dev_token, deploy_market,
};
use piecework::chain::deployment::{
    BeaconChoice, BeaconRecord, Bound, Deployment, DeploymentError, Difference, Examination,
    FACTORY, Fee, Plan, TX_GAS, Terms, Times, examine, read_market,
};
use piecework::chain::{ChainError, ChainOptions, IMarket, Sender, connect};
use piecework::devnet::{Anvil, AnvilOptions};
use piecework::{Error, Market, MarketConfig};
use serde_json::{Value, json};

/// A chain with nothing but a token.
struct Chain {
    anvil: Anvil,
    rpc: DynProvider,
    sender: Sender,
    token: Address,
}

impl Chain {
    async fn start(args: &[&str]) -> Self {
        Self::with_id(31_337, args).await
    }

    async fn with_id(chain_id: u64, args: &[&str]) -> Self {
        let options = AnvilOptions {
            chain_id,
            args: args.iter().map(Into::into).collect(),
            ..AnvilOptions::default()
        };
        let anvil = Anvil::start(&options).unwrap();
        let (rpc, _) = connect(&ChainOptions::new(anvil.url())).await.unwrap();
        let sender = Sender::new(rpc.clone(), chain_id, anvil.key(0).unwrap());
        let (token, _) = deploy_dev_token(&sender).await.unwrap();
        Self {
            anvil,
            rpc,
            sender,
            token,
        }
    }

    async fn prague() -> Self {
        Self::start(&["--hardfork", "prague"]).await
    }

    fn terms(&self, beacon: BeaconChoice) -> Terms {
        Terms {
            token: self.token,
            beacon,
            fee: Fee::default(),
            times: Times::default(),
            devnet: false,
            trust_block_builders: false,
            salt: B256::ZERO,
        }
    }

    async fn plan(&self, terms: &Terms) -> Result<Plan, DeploymentError> {
        let (id, from) = (self.anvil.chain_id(), self.sender.address());
        Plan::make(&self.rpc, id, from, terms).await
    }

    async fn deploy(&self, terms: &Terms) -> (Deployment, Examination) {
        let plan = self.plan(terms).await.unwrap();
        plan.execute(&self.sender, |_, _| ()).await.unwrap()
    }

    /// The refusal of a plan, after which no transaction was sent.
    async fn refused(&self, terms: &Terms) -> DeploymentError {
        let before = self.nonce().await;
        let error = self.plan(terms).await.unwrap_err();
        assert_eq!(self.nonce().await, before, "{error}");
        assert!(
            error.to_string().contains("othing was s")
                || error.to_string().contains("before sending"),
            "{error}"
        );
        error
    }

    async fn nonce(&self) -> u64 {
        let account = self.sender.address();
        self.rpc.get_transaction_count(account).await.unwrap()
    }

    async fn examine(&self, deployment: &Deployment) -> Vec<&'static str> {
        let found = examine(&self.rpc, deployment).await.unwrap();
        let names = found.differences.iter().map(|difference| difference.what);
        names.collect()
    }
}

fn drand() -> BeaconChoice {
    BeaconChoice::Drand(DrandDeployment::quicknet().unwrap())
}

fn blocks() -> BeaconChoice {
    BeaconChoice::Block(BlockDeployment {
        blocks: 2,
        margin: 12,
    })
}

/// A market of a devnet with block hashes: the cheapest that there is.
fn devnet(chain: &Chain) -> Terms {
    Terms {
        times: DEV_TIMES.into(),
        devnet: true,
        ..chain.terms(blocks())
    }
}

#[tokio::test]
async fn drand_market_has_the_same_addresses_on_each_chain() {
    let chain = Chain::prague().await;
    let terms = chain.terms(drand());
    let plan = chain.plan(&terms).await.unwrap();
    let names: Vec<_> = plan.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["DrandBeacon", "Market"]);
    assert!(plan.steps.iter().all(|step| step.gas.unwrap() <= TX_GAS));
    // The largest init code that a chain takes (EIP-3860).
    assert!(plan.steps.iter().all(|step| step.init_code.len() <= 49_152));
    let planned = plan.deployment.clone();
    let (deployment, found) = plan
        .execute(&chain.sender, |step, receipt| {
            assert!(receipt.gas_used <= step.gas.unwrap());
        })
        .await
        .unwrap();
    assert_eq!(found.differences, []);
    assert_eq!(deployment.market, planned.market);
    assert_eq!(
        deployment.block,
        chain.rpc.get_block_number().await.unwrap()
    );

    let beacon = Market::connect(MarketConfig::new(chain.anvil.url(), deployment.market));
    let market = beacon.await.unwrap();
    let beacon = market.beacon().await.unwrap();
    assert_eq!(beacon.address(), deployment.beacon.address());
    assert!(beacon.can_publish(), "quicknet's endpoints are known");

    let other = Chain::with_id(4_242, &["--hardfork", "prague"]).await;
    let elsewhere = other.plan(&other.terms(drand())).await.unwrap().deployment;
    assert_eq!(elsewhere.chain_id, 4_242);
    let salted = Terms {
        salt: B256::repeat_byte(1),
        ..other.terms(drand())
    };
    let salted = other.plan(&salted).await.unwrap().deployment;
    let addresses = |one: &Deployment| [one.market, one.drawn, one.beacon.address()];
    assert_eq!(addresses(&elsewhere), addresses(&deployment));
    let both = addresses(&salted).into_iter().zip(addresses(&deployment));
    assert!(both.into_iter().all(|(salted, plain)| salted != plain));
}

#[tokio::test]
async fn a_market_that_is_not_as_planned_is_not_accepted() {
    let chain = Chain::prague().await;
    let (other, _) = chain.deploy(&devnet(&chain)).await;
    let code = chain.rpc.get_code_at(other.market).await.unwrap();
    let plan = chain.plan(&chain.terms(drand())).await.unwrap();
    let planned = plan.deployment.market;
    chain.rpc.anvil_set_code(planned, code).await.unwrap();
    let error = plan.execute(&chain.sender, |_, _| ()).await;
    // The market of its address is made nowhere else: here the transaction fails.
    assert_eq!(error.unwrap_err().code(), "chain-reverted");
    let plan = chain.plan(&chain.terms(drand())).await.unwrap();
    let error = plan.execute(&chain.sender, |_, _| ()).await.unwrap_err();
    let DeploymentError::Differs { differences, .. } = &error else {
        panic!("{error}")
    };
    let names: Vec<_> = differences
        .iter()
        .map(|difference| difference.what)
        .collect();
    let part = "code of the market's part Drawn";
    assert_eq!(names, ["beacon", "times", "devnet", part], "{error}");
    assert!(
        error.to_string().contains("do not use this market"),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_deployment_sends_nothing() {
    let chain = Chain::prague().await;
    let terms = chain.terms(drand());
    let (first, _) = chain.deploy(&terms).await;
    chain.rpc.anvil_mine(Some(5), None).await.unwrap();
    let before = chain.nonce().await;
    let plan = chain.plan(&terms).await.unwrap();
    assert_eq!((plan.gas(), plan.steps.len()), (0, 2));
    let made = |_: &_, _: &_| panic!("something was sent");
    let (second, _) = plan.execute(&chain.sender, made).await.unwrap();
    assert_eq!(chain.nonce().await, before);
    // The block is found again.
    assert_eq!(second, first);

    // Another market takes the same beacon.
    let fee = Fee {
        governor: Address::ZERO,
        recipient: Address::repeat_byte(9),
        bps: 10,
    };
    let plan = chain.plan(&Terms { fee, ..terms }).await.unwrap();
    let gas: Vec<_> = plan.steps.iter().map(|step| step.gas.is_some()).collect();
    assert_eq!(gas, [false, true]);
    let beacon = BeaconChoice::At(first.beacon.address());
    let salt = B256::repeat_byte(1);
    let terms = Terms {
        salt,
        ..chain.terms(beacon)
    };
    let (other, _) = chain.deploy(&terms).await;
    assert!(other.market != first.market && other.beacon == first.beacon);
}

#[tokio::test]
async fn a_chain_without_eip_2537_is_refused() {
    let chain = Chain::start(&["--hardfork", "cancun"]).await;
    let error = chain.refused(&chain.terms(drand())).await;
    assert_eq!(error.code(), "deployment-missing-precompile");
    assert!(error.to_string().contains("docs/CHAINS.md"), "{error}");

    // An imitation of the addition that knows its one answer is not enough, nor one of the pairing that always says the same.
    let [add, pairing] = [0x0b, 0x0f].map(Address::with_last_byte);
    let zeros = bytes!("60806000f3");
    chain.rpc.anvil_set_code(add, zeros).await.unwrap();
    let [zero, one] = [bytes!("60206000f3"), bytes!("600160005260206000f3")];
    for code in [Bytes::new(), zero, one] {
        chain.rpc.anvil_set_code(pairing, code).await.unwrap();
        let error = chain.refused(&chain.terms(drand())).await;
        assert!(
            matches!(error, DeploymentError::MissingPrecompile { precompile, .. } if precompile == pairing),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_chain_without_the_factory_is_refused() {
    let chain = Chain::start(&["--disable-default-create2-deployer"]).await;
    let error = chain.refused(&devnet(&chain)).await;
    assert!(matches!(
        error,
        DeploymentError::NoFactory { other: false, .. }
    ));
    assert!(error.to_string().contains("deterministic-deployment-proxy"));
    chain
        .rpc
        .anvil_set_code(FACTORY, bytes!("00"))
        .await
        .unwrap();
    let error = chain.refused(&devnet(&chain)).await;
    assert!(matches!(
        error,
        DeploymentError::NoFactory { other: true, .. }
    ));
}

#[tokio::test]
async fn what_is_no_token_and_what_is_no_beacon_is_refused() {
    let chain = Chain::prague().await;
    for token in [Address::repeat_byte(7), FACTORY] {
        let terms = Terms {
            token,
            ..devnet(&chain)
        };
        let error = chain.refused(&terms).await;
        assert_eq!(error.code(), "deployment-not-a-token", "{error}");
    }
    for beacon in [Address::repeat_byte(7), FACTORY, chain.token] {
        let terms = Terms {
            beacon: BeaconChoice::At(beacon),
            ..devnet(&chain)
        };
        let error = chain.refused(&terms).await;
        assert_eq!(error.code(), "deployment-not-a-beacon", "{error}");
    }
}

#[tokio::test]
async fn block_hashes_are_seeds_only_where_builders_are_trusted() {
    let chain = Chain::prague().await;
    let (beacon, _) = deploy_block_beacon(&chain.sender, 2, 12).await.unwrap();
    for choice in [blocks(), BeaconChoice::At(beacon)] {
        let error = chain.refused(&chain.terms(choice)).await;
        assert_eq!(error.code(), "deployment-untrusted-builders");
        assert!(error.to_string().contains("builder"), "{error}");
        let trusted = Terms {
            trust_block_builders: true,
            ..chain.terms(choice)
        };
        chain.plan(&trusted).await.unwrap();
    }
    // What was there is recorded as it is, and not deployed again.
    let terms = Terms {
        beacon: BeaconChoice::At(beacon),
        ..devnet(&chain)
    };
    let (deployment, _) = chain.deploy(&terms).await;
    assert!(
        matches!(deployment.beacon, BeaconRecord::Block { address, parameters, .. }
        if address == beacon && parameters.margin == 12)
    );
    assert_eq!(chain.examine(&deployment).await, [""; 0]);

    // On Arbitrum, ArbSys answers: here with a word of zeros.
    let arb_sys = Address::with_last_byte(0x64);
    let answer = bytes!("60206000f3");
    chain.rpc.anvil_set_code(arb_sys, answer).await.unwrap();
    for choice in [blocks(), BeaconChoice::At(beacon)] {
        let terms = Terms {
            beacon: choice,
            ..devnet(&chain)
        };
        let error = chain.refused(&terms).await;
        assert_eq!(error.code(), "deployment-arbitrum");
        assert!(error.to_string().contains("Arbitrum"), "{error}");
    }
    chain.plan(&chain.terms(drand())).await.unwrap();
}

#[tokio::test]
async fn a_beacon_of_other_code_is_recorded_as_unknown() {
    let chain = Chain::prague().await;
    let (beacon, _) = deploy_block_beacon(&chain.sender, 2, 12).await.unwrap();
    let mut code = chain.rpc.get_code_at(beacon).await.unwrap().to_vec();
    // Never executed: behind the last instruction.
    code.push(0);
    chain
        .rpc
        .anvil_set_code(beacon, Bytes::from(code))
        .await
        .unwrap();
    let choice = BeaconChoice::At(beacon);
    let error = chain.refused(&chain.terms(choice)).await;
    assert_eq!(error.code(), "deployment-untrusted-builders");
    let terms = Terms {
        beacon: choice,
        ..devnet(&chain)
    };
    let (deployment, _) = chain.deploy(&terms).await;
    assert_eq!(deployment.beacon, BeaconRecord::Other { address: beacon });
}

#[tokio::test]
async fn too_little_gas_is_said_before_anything_is_sent() {
    let chain = Chain::start(&["--gas-limit", "8000000"]).await;
    let error = chain.refused(&devnet(&chain)).await;
    assert!(matches!(
        error,
        DeploymentError::TooMuchGas { limit: 8_000_000, bound: Bound::Block, what: "Market", needed, .. }
        if needed > 8_000_000
    ));
    // Above what the code alone takes, below what the deployment takes.
    let chain = Chain::start(&["--gas-limit", "10500000"]).await;
    let error = chain.refused(&devnet(&chain)).await;
    assert_eq!(error.code(), "deployment-too-much-gas", "{error}");

    // Where EIP-7825 holds, the transaction is small enough.
    let chain = Chain::start(&["--hardfork", "osaka", "--enable-tx-gas-limit"]).await;
    chain.deploy(&chain.terms(drand())).await;
}

#[tokio::test]
async fn an_account_that_cannot_pay_for_all_sends_nothing() {
    let chain = Chain::prague().await;
    let poor = PrivateKeySigner::random();
    let plan = chain.plan(&devnet(&chain)).await.unwrap();
    // Enough for the beacon, too little for the market.
    let some = plan.cost() / alloy::primitives::U256::from(2);
    chain
        .rpc
        .anvil_set_balance(poor.address(), some)
        .await
        .unwrap();
    let sender = Sender::new(chain.rpc.clone(), 31_337, poor);
    let beacon = plan.deployment.beacon.address();
    let error = plan.execute(&sender, |_, _| ()).await.unwrap_err();
    assert_eq!(error.code(), "chain-no-gas", "{error}");
    assert!(chain.rpc.get_code_at(beacon).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_constructor_that_refuses_says_why() {
    let chain = Chain::prague().await;
    let short = Times {
        jury_time: 30,
        ..Times::default()
    };
    let fee = Fee {
        bps: 501,
        recipient: Address::repeat_byte(1),
        ..Fee::default()
    };
    let terms = chain.terms(drand());
    for (terms, name) in [
        (
            Terms {
                times: short,
                ..terms.clone()
            },
            "BadWindow",
        ),
        (Terms { fee, ..terms }, "FeeTooHigh"),
    ] {
        let error = chain.refused(&terms).await;
        let DeploymentError::Chain(ChainError::Reverted { revert, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(revert.name, name);
    }
    let allowed = Terms {
        times: short,
        devnet: true,
        ..chain.terms(drand())
    };
    chain.plan(&allowed).await.unwrap();
}

/// The file with one change.
fn changed(deployment: &Deployment, pointer: &str, value: &Value) -> Value {
    let mut file = serde_json::to_value(deployment).unwrap();
    *file.pointer_mut(pointer).unwrap() = value.clone();
    file
}

#[tokio::test]
async fn each_difference_from_the_chain_is_told() {
    let chain = Chain::prague().await;
    let governor = chain.anvil.key(1).unwrap();
    let fee = Fee {
        governor: governor.address(),
        recipient: governor.address(),
        bps: 100,
    };
    let (deployment, found) = chain
        .deploy(&Terms {
            fee,
            ..chain.terms(drand())
        })
        .await;
    assert_eq!((found.fee, found.differences), (fee, vec![]));

    let nobody = json!(Address::repeat_byte(9));
    let hash = "the hash of the market's init code";
    let beacon = "the beacon's kind and parameters";
    for (pointer, value, told) in [
        ("/token", &nobody, vec![hash, "token"]),
        ("/times/jury_time", &json!(7_200), vec![hash, "times"]),
        ("/devnet", &json!(true), vec![hash, "devnet"]),
        ("/fee/governor", &nobody, vec![hash, "governor of the fee"]),
        ("/fee/bps", &json!(99), vec![hash]),
        (
            "/drawn",
            &nobody,
            vec![
                "the address of the market's part Drawn",
                "code of the market's part Drawn",
            ],
        ),
        (
            "/salt",
            &json!(B256::repeat_byte(1)),
            vec!["the address that this init code and salt make"],
        ),
        (
            "/code/creation_code_hash",
            &json!(B256::ZERO),
            vec!["the hash of the market's creation code, without arguments"],
        ),
        ("/beacon/address", &nobody, vec![hash, "beacon", "beacon"]),
        (
            "/beacon/parameters/margin",
            &json!(1),
            vec![
                "the hash of the beacon's init code",
                "the beacon's code",
                beacon,
            ],
        ),
        (
            "/beacon/init_code_hash",
            &json!(B256::ZERO),
            vec!["the hash of the beacon's init code", beacon],
        ),
    ] {
        let file = serde_json::from_value(changed(&deployment, pointer, value)).unwrap();
        assert_eq!(chain.examine(&file).await, told, "{pointer}");
    }
    let mut elsewhere = deployment.clone();
    elsewhere.market = Address::repeat_byte(9);
    let error = examine(&chain.rpc, &elsewhere).await.unwrap_err();
    assert_eq!(error.code(), "chain-no-market");

    // Its governor may change the fee: the market is still what it was.
    let by_address = read_market(&chain.rpc, 31_337, deployment.market, B256::ZERO);
    let read = by_address.await.unwrap();
    assert_eq!(
        Deployment {
            block: deployment.block,
            ..read
        },
        deployment
    );
    let governor = Sender::new(chain.rpc.clone(), 31_337, governor);
    let call = IMarket::setFeeCall {
        feeBps: 7,
        recipient: fee.recipient,
    };
    governor.call(deployment.market, &call).await.unwrap();
    let found = examine(&chain.rpc, &deployment).await.unwrap();
    assert_eq!((found.fee.bps, found.differences), (7, vec![]));

    // A market that was deployed otherwise has an address that commits to nothing.
    let elsewhere = MarketDeployment::new(chain.token, deployment.beacon.address());
    let (market, _) = deploy_market(&chain.sender, elsewhere).await.unwrap();
    let read = read_market(&chain.rpc, 31_337, market, B256::ZERO).await;
    assert_eq!(
        chain.examine(&read.unwrap()).await,
        ["the address that this init code and salt make"]
    );
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

#[tokio::test]
async fn a_file_is_read_as_it_was_written_and_a_changed_one_is_refused() {
    let chain = Chain::prague().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deployment.json");
    let (deployment, _) = chain.deploy(&devnet(&chain)).await;
    deployment.write(&path).unwrap();
    assert_eq!(Deployment::read(&path).unwrap(), deployment);
    // Written again, it stays.
    deployment.write(&path).unwrap();

    // Another deployment's file, and what is no deployment's, is left alone.
    let mut other = deployment.clone();
    other.salt = B256::repeat_byte(1);
    let error = other.write(&path).unwrap_err();
    assert_eq!(error.code(), "deployment-file-taken", "{error}");
    assert_eq!(Deployment::read(&path).unwrap(), deployment);
    let thesis = dir.path().join("thesis.txt");
    std::fs::write(&thesis, "unread").unwrap();
    assert_eq!(
        deployment.write(&thesis).unwrap_err().code(),
        "deployment-file"
    );
    assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "unread");

    let nobody = json!(Address::repeat_byte(9));
    for (pointer, value) in [
        ("/market", &nobody),
        ("/drawn", &nobody),
        ("/token", &nobody),
        ("/beacon/address", &nobody),
        ("/fee/recipient", &nobody),
        ("/times/reveal_window", &json!(21)),
        ("/devnet", &json!(false)),
        ("/salt", &json!(B256::repeat_byte(1))),
        ("/code/init_code_hash", &json!(B256::ZERO)),
    ] {
        write(&path, &changed(&deployment, pointer, value));
        let error = Deployment::read(&path).unwrap_err();
        assert_eq!(
            error.code(),
            "deployment-contradiction",
            "{pointer}: {error}"
        );
        assert!(error.to_string().contains("deployment.json"), "{error}");
    }
    let mut more = serde_json::to_value(&deployment).unwrap();
    more["beacon"]["parameters"]["blockz"] = json!(1);
    for (file, said) in [
        (changed(&deployment, "/version", &json!(2)), "version 2"),
        (more, "blockz"),
        (json!({ "version": 1, "market": nobody }), "chain_id"),
        (changed(&deployment, "/beacon/kind", &json!("dice")), "dice"),
    ] {
        write(&path, &file);
        let error = Deployment::read(&path).unwrap_err();
        assert_eq!(error.code(), "deployment-file");
        assert!(error.to_string().contains(said), "{error}");
    }
    // Of another version of the market only the addresses can be checked.
    let mut later = deployment.clone();
    later.code.creation_code_hash = B256::repeat_byte(1);
    write(&path, &changed(&later, "/token", &nobody));
    Deployment::read(&path).unwrap();
}

#[tokio::test]
async fn a_client_finds_its_market_through_the_file() {
    let chain = Chain::prague().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deployment.json");
    let (deployment, _) = chain.deploy(&devnet(&chain)).await;
    deployment.write(&path).unwrap();

    let config = MarketConfig::from_deployment(&path, chain.anvil.url()).unwrap();
    assert_eq!(config.first_block, deployment.block);
    let market = Market::connect(config).await.unwrap();
    assert_eq!(market.address(), deployment.market);

    let other = Chain::with_id(4_242, &[]).await;
    let config = MarketConfig::from_deployment(&path, other.anvil.url()).unwrap();
    let error = Market::connect(config).await.unwrap_err();
    assert_eq!(error.code(), "chain-wrong-chain");
    assert!(error.to_string().contains("4242"), "{error}");

    let file = path.display().to_string();
    let read = |vars: &[(&str, &str)]| {
        let get = |name: &str| {
            let all = [vars, &[("PIECEWORK_DEPLOYMENT", file.as_str())]].concat();
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        MarketConfig::from_vars(get, None)
    };
    let rpc = ("PIECEWORK_RPC_URL", chain.anvil.url());
    let config = read(&[rpc]).unwrap();
    assert_eq!(
        (config.market, config.chain_id, config.first_block),
        (deployment.market, Some(31_337), deployment.block)
    );
    let same = deployment.market.to_string();
    read(&[
        rpc,
        ("PIECEWORK_MARKET", &same),
        ("PIECEWORK_CHAIN_ID", "31337"),
    ])
    .unwrap();
    let nobody = Address::repeat_byte(9).to_string();
    for setting in [
        ("PIECEWORK_MARKET", nobody.as_str()),
        ("PIECEWORK_CHAIN_ID", "1"),
    ] {
        let error = read(&[rpc, setting]).unwrap_err();
        assert!(
            matches!(&error, Error::Config { setting: named, .. } if named == setting.0),
            "{error}"
        );
    }
    let error = read(&[]).unwrap_err();
    assert!(error.to_string().contains("PIECEWORK_RPC_URL"), "{error}");
}

#[test]
fn a_difference_says_both_sides() {
    let difference = Difference {
        what: "token",
        expected: "0x01".to_owned(),
        found: "0x02".to_owned(),
    };
    assert_eq!(difference.to_string(), "token should be 0x01 and is 0x02");
}
