//! The chain's client against a real anvil.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use alloy::providers::ext::AnvilApi as _;
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::anvil::ReorgOptions;
use common::Devnet;
use piecework::chain::beacon::{Beacon, BeaconKind};
use piecework::chain::{
    BlockBeacon, BlockRecord, ChainError, ChainOptions, Contract, EventAt, Follower, IBeacon,
    IMarket, MarketEvent, Message, SendOptions, check_market, connect, keys,
};
use piecework::devnet::{Anvil, AnvilError, AnvilOptions};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// A consumer as durable as a database: applies a block's events together with its head.
#[derive(Default)]
struct Consumer {
    records: Vec<BlockRecord>,
    open: Vec<EventAt>,
    removed: Vec<EventAt>,
    down: usize,
}

impl Consumer {
    fn take(&mut self, message: Message) {
        match message {
            Message::Added(at) => self.open.push(at),
            Message::Removed(at) => {
                // Newest first, and only what was added.
                while self.records.last().unwrap().events.is_empty() {
                    self.records.pop();
                }
                let last = self.records.last_mut().unwrap().events.pop().unwrap();
                assert_eq!(last, at, "removed in another order than added");
                self.removed.push(at);
            }
            Message::Head(head) => {
                self.records
                    .retain(|record| record.head.number <= head.number);
                // After a reorg the head is a block that is stored already.
                if self.records.last().is_none_or(|record| record.head != head) {
                    let events = std::mem::take(&mut self.open);
                    self.records.push(BlockRecord { head, events });
                }
            }
            Message::Down { .. } => self.down += 1,
            Message::Unreadable(error) => panic!("{error}"),
        }
    }

    fn amounts(&self) -> Vec<u128> {
        let events = self.records.iter().flat_map(|record| &record.events);
        events.filter_map(|at| deposited(&at.event)).collect()
    }
}

fn deposited(event: &MarketEvent) -> Option<u128> {
    match event {
        MarketEvent::Deposited(event) => Some(event.amount),
        _ => None,
    }
}

async fn read_to(follower: &mut Follower, consumer: &mut Consumer, amounts: &[u128]) {
    let reading = async {
        loop {
            let message = follower.next().await.unwrap();
            let head = matches!(message, Message::Head(_));
            consumer.take(message);
            if head && consumer.amounts() == amounts {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap_or_else(|_| panic!("expected {amounts:?}, read {:?}", consumer.amounts()));
}

async fn deposit(devnet: &Devnet, amounts: impl IntoIterator<Item = u128>) {
    let market = devnet.market(1).await;
    for amount in amounts {
        market.deposit(amount).await.unwrap();
    }
}

fn follower(devnet: &Devnet, records: Vec<BlockRecord>) -> Follower {
    Follower::resume(devnet.provider.clone(), 31337, devnet.market, 0, records)
}

#[tokio::test]
async fn a_restart_after_any_block_loses_and_repeats_nothing() {
    let devnet = Devnet::start().await;
    deposit(&devnet, 1..=5).await;
    let mut consumer = Consumer::default();
    let mut restarts = 0;
    while consumer.amounts().len() < 5 {
        let mut follower = follower(&devnet, consumer.records.clone());
        loop {
            let message = follower.next().await.unwrap();
            let head = matches!(message, Message::Head(_));
            consumer.take(message);
            if head {
                break;
            }
        }
        restarts += 1;
    }
    assert_eq!(consumer.amounts(), [1, 2, 3, 4, 5]);
    assert!(restarts >= 5);
    // A kill in the middle of a block: what has no head yet is read again.
    consumer.records.pop();
    let mut follower = follower(&devnet, consumer.records.clone());
    read_to(&mut follower, &mut consumer, &[1, 2, 3, 4, 5]).await;
    assert!(consumer.removed.is_empty());
}

async fn reorg(provider: &DynProvider, depth: u64) {
    provider
        .anvil_reorg(ReorgOptions {
            depth,
            tx_block_pairs: Vec::new(),
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reorg_removes_what_it_removed_and_goes_on() {
    let devnet = Devnet::start().await;
    deposit(&devnet, 1..=4).await;
    let mut consumer = Consumer::default();
    let mut follower = follower(&devnet, Vec::new());
    read_to(&mut follower, &mut consumer, &[1, 2, 3, 4]).await;
    // As long as before, so that heights alone do not show it.
    reorg(&devnet.provider, 2).await;
    read_to(&mut follower, &mut consumer, &[1, 2]).await;
    let removed: Vec<_> = consumer
        .removed
        .iter()
        .filter_map(|at| deposited(&at.event))
        .collect();
    assert_eq!(removed, [4, 3], "newest first");
    deposit(&devnet, [7]).await;
    read_to(&mut follower, &mut consumer, &[1, 2, 7]).await;
}

#[tokio::test]
async fn a_reorg_while_nobody_looked_is_found_on_resume() {
    let devnet = Devnet::start().await;
    deposit(&devnet, 1..=3).await;
    let mut consumer = Consumer::default();
    read_to(
        &mut follower(&devnet, Vec::new()),
        &mut consumer,
        &[1, 2, 3],
    )
    .await;
    reorg(&devnet.provider, 1).await;
    deposit(&devnet, [9]).await;
    let mut follower = follower(&devnet, consumer.records.clone());
    read_to(&mut follower, &mut consumer, &[1, 2, 9]).await;
    assert_eq!(consumer.removed.len(), 1);
}

#[tokio::test]
async fn a_reorg_below_memory_is_an_error_not_a_gap() {
    let devnet = Devnet::start().await;
    deposit(&devnet, 1..=3).await;
    let mut consumer = Consumer::default();
    read_to(
        &mut follower(&devnet, Vec::new()),
        &mut consumer,
        &[1, 2, 3],
    )
    .await;
    reorg(&devnet.provider, 2).await;
    let cursor = consumer.records.pop().unwrap();
    let mut follower = follower(
        &devnet,
        vec![BlockRecord {
            events: Vec::new(),
            ..cursor
        }],
    );
    let error = follower.next().await.unwrap_err();
    assert_eq!(error.code(), "chain-reorg-too-deep");
}

/// Forwards to `target` while `open`, and drops everything else.
async fn link(target: String, open: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut inward, _)) = listener.accept().await {
            if !open.load(Ordering::SeqCst) {
                continue;
            }
            let (target, open) = (target.clone(), open.clone());
            tokio::spawn(async move {
                let mut outward = TcpStream::connect(target).await.unwrap();
                let closed = async {
                    while open.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut inward, &mut outward) => {}
                    () = closed => {}
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_node_that_dies_and_comes_back_is_followed_on() {
    let devnet = Devnet::start().await;
    let open = Arc::new(AtomicBool::new(true));
    let target = devnet.anvil.url().trim_start_matches("http://").to_owned();
    let url = link(target, open.clone()).await;
    let (provider, _) = connect(&ChainOptions::new(url)).await.unwrap();
    deposit(&devnet, [1]).await;
    let mut consumer = Consumer::default();
    let mut follower = Follower::start(provider, 31337, devnet.market, 0);
    read_to(&mut follower, &mut consumer, &[1]).await;

    open.store(false, Ordering::SeqCst);
    deposit(&devnet, [2, 3]).await;
    while consumer.down < 2 {
        consumer.take(follower.next().await.unwrap());
    }
    open.store(true, Ordering::SeqCst);
    read_to(&mut follower, &mut consumer, &[1, 2, 3]).await;
    assert!(consumer.removed.is_empty());
}

#[tokio::test]
async fn nothing_is_sent_that_would_revert_and_nothing_hangs_after_it() {
    let devnet = Devnet::start().await;
    let sender = devnet.sender(1);
    let nonce = || devnet.provider.get_transaction_count(sender.address());
    let before = nonce().await.unwrap();
    let call = IMarket::withdrawCall {
        to: sender.address(),
        amount: 5,
    };
    let error = sender.call(devnet.market, &call).await.unwrap_err();
    let revert = error.revert().unwrap();
    assert_eq!(
        (revert.name, error.code()),
        ("InsufficientBalance", "chain-reverted")
    );
    assert!(revert.args.contains("needed: 5"), "{}", revert.args);
    assert!(
        error.to_string().contains("deposit the difference"),
        "{error}"
    );
    assert!(error.to_string().contains("nothing was spent"), "{error}");
    // An ERC-6093 error from inside the token.
    let error = sender
        .call(devnet.market, &IMarket::stakeCall { amount: 5 })
        .await
        .unwrap_err();
    assert_eq!(error.revert().unwrap().name, "ERC20InsufficientAllowance");
    assert_eq!(nonce().await.unwrap(), before);

    // Many at once take their turns.
    let sends = (0..8).map(|index| {
        let (sender, market) = (sender.clone(), devnet.market);
        tokio::spawn(async move {
            let operator = Address::with_last_byte(index + 1);
            sender
                .call(
                    market,
                    &IMarket::setOperatorCall {
                        operator,
                        allowed: true,
                    },
                )
                .await
                .unwrap()
        })
    });
    for receipt in futures::future::join_all(sends).await {
        assert!(receipt.unwrap().status());
    }
    assert_eq!(nonce().await.unwrap(), before + 8);
}

#[tokio::test]
async fn what_is_not_mined_gets_a_higher_fee_and_one_attempt_counts() {
    let devnet = Devnet::start().await;
    devnet.provider.anvil_set_auto_mine(false).await.unwrap();
    let options = SendOptions {
        poll_interval: Duration::from_millis(20),
        bump_after: Duration::from_millis(150),
        timeout: Duration::from_secs(20),
    };
    let sender = devnet.sender(1).with_options(options);
    let before = devnet
        .provider
        .get_transaction_count(sender.address())
        .await
        .unwrap();
    let (provider, market) = (devnet.provider.clone(), devnet.market);
    let sending = tokio::spawn(async move {
        let call = IMarket::setOperatorCall {
            operator: Address::with_last_byte(1),
            allowed: true,
        };
        sender.call(market, &call).await
    });
    // The fee of the one transaction that waits, as the node tells it.
    let waiting = async || {
        let pool: serde_json::Value = provider
            .raw_request("txpool_content".into(), ())
            .await
            .unwrap();
        let of_sender = pool["pending"].as_object()?.values().next()?;
        let tx = of_sender.as_object()?.values().next()?;
        let fee = tx["maxFeePerGas"].as_str()?.trim_start_matches("0x");
        u128::from_str_radix(fee, 16).ok()
    };
    let mut fees = std::collections::BTreeSet::new();
    while fees.len() < 2 {
        fees.extend(waiting().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    provider.evm_mine(None).await.unwrap();
    let receipt = sending.await.unwrap().unwrap();
    let mined = provider
        .get_transaction_by_hash(receipt.transaction_hash)
        .await
        .unwrap()
        .unwrap();
    let account = mined.inner.signer();
    assert_eq!(
        provider.get_transaction_count(account).await.unwrap(),
        before + 1,
        "sent once"
    );
    assert!(
        alloy::consensus::Transaction::max_fee_per_gas(&mined) > *fees.first().unwrap(),
        "the mined attempt was raised"
    );

    // Never mined: an end, with the nonce to watch.
    let options = SendOptions {
        timeout: Duration::from_millis(500),
        ..SendOptions::for_chain(31337)
    };
    let sender = devnet.sender(1).with_options(options);
    let call = IMarket::setOperatorCall {
        operator: Address::with_last_byte(2),
        allowed: true,
    };
    let error = sender.call(market, &call).await.unwrap_err();
    assert!(
        matches!(error, ChainError::NotMined { nonce, .. } if nonce == before + 1),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_node_or_address_shows_at_once() {
    let devnet = Devnet::start().await;
    let wrong = ChainOptions::new(devnet.anvil.url()).chain_id(1);
    let error = connect(&wrong).await.unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::WrongChain {
                expected: 1,
                actual: 31337,
                ..
            }
        ),
        "{error}"
    );

    let nobody = Address::with_last_byte(0x77);
    let error = check_market(&devnet.provider, 31337, nobody)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ChainError::NoMarket { market, .. } if market == nobody),
        "{error}"
    );
    let error = check_market(&devnet.provider, 31337, devnet.token)
        .await
        .unwrap_err();
    assert!(matches!(error, ChainError::NotAMarket { .. }), "{error}");
    assert_eq!(
        check_market(&devnet.provider, 31337, devnet.market)
            .await
            .unwrap(),
        devnet.token
    );

    // Nobody listens; somebody listens and says nothing; a URL of another kind.
    let started = Instant::now();
    let error = connect(&ChainOptions::new("http://127.0.0.1:1/key-in-path"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "chain-unreachable");
    assert!(!error.to_string().contains("key-in-path"), "{error}");
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    let error = connect(&ChainOptions::new(url)).await.unwrap_err();
    assert_eq!(error.code(), "chain-unreachable");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        connect(&ChainOptions::new("ws://127.0.0.1:1"))
            .await
            .unwrap_err()
            .code(),
        "chain-bad-url"
    );
}

#[tokio::test]
async fn an_account_without_coin_is_told_so() {
    let devnet = Devnet::start().await;
    devnet
        .provider
        .anvil_set_balance(devnet.anvil.addresses()[3], U256::ZERO)
        .await
        .unwrap();
    let call = IMarket::setOperatorCall {
        operator: Address::with_last_byte(1),
        allowed: true,
    };
    let error = devnet
        .sender(3)
        .call(devnet.market, &call)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "chain-no-gas", "{error}");
}

#[test]
fn an_anvil_that_refuses_says_why() {
    let first = Anvil::start(&AnvilOptions::default()).unwrap();
    assert_eq!(first.keys().len(), 10);
    let port = first.url().rsplit(':').next().unwrap().parse().unwrap();
    let error = Anvil::start(&AnvilOptions {
        port,
        ..AnvilOptions::default()
    })
    .unwrap_err();
    let AnvilError::NotListening {
        exited: true,
        output,
    } = error
    else {
        panic!("{error}")
    };
    assert!(output.to_lowercase().contains("in use"), "{output}");
    let error = Anvil::start(&AnvilOptions {
        args: vec!["--no-such-flag".into()],
        ..AnvilOptions::default()
    });
    assert!(error.unwrap_err().to_string().contains("--no-such-flag"));
}

#[test]
fn a_keystore_opens_with_its_password_only_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys/client.json");
    let signer = keys::create(&path, "correct horse").unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        keys::load(&path, "correct horse").unwrap().address(),
        signer.address()
    );
    assert_eq!(keys::address(&path).unwrap(), Some(signer.address()));
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file is left"
    );

    let error = keys::load(&path, "wrong").unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().contains("wrong password")),
        ("key-wrong-password", true)
    );
    assert_eq!(keys::create(&path, "x").unwrap_err().code(), "key-exists");

    let text = std::fs::read_to_string(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["crypto"]["kdfparams"]["n"], 262_144);
    // Files on which the decrypting crate would panic, or take all memory.
    for (from, to) in [
        ("\"dklen\":32", "\"dklen\":8"),
        ("\"n\":262144", "\"n\":2147483648"),
        ("\"n\":262144", "\"n\":0"),
        ("\"version\":3", "\"version\":4"),
    ] {
        let broken = dir.path().join("broken.json");
        assert!(text.contains(from));
        std::fs::write(&broken, text.replace(from, to)).unwrap();
        std::fs::set_permissions(&broken, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(
            keys::load(&broken, "correct horse").unwrap_err().code(),
            "key-malformed",
            "{to}"
        );
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(
        keys::load(&path, "correct horse").unwrap_err().code(),
        "key-too-open"
    );

    let secret = "zz".repeat(32);
    let error = keys::parse_key(&secret).unwrap_err();
    assert!(!error.to_string().contains(&secret));
    assert_eq!(
        keys::parse_key(&"00".repeat(32)).unwrap_err().code(),
        "key-bad-key"
    );
}

#[tokio::test]
async fn a_seed_is_published_in_its_time_or_never() {
    let devnet = Devnet::start().await;
    let beacon = Beacon::probe(devnet.provider.clone(), devnet.market)
        .await
        .unwrap();
    assert_eq!(
        (beacon.kind(), beacon.address()),
        (BeaconKind::Block, devnet.beacon)
    );
    let contract = Contract::new(devnet.beacon, &devnet.provider);
    let sender = devnet.sender(1);
    let mine = async |blocks: u64| {
        let done = devnet.provider.anvil_mine(Some(blocks), None).await;
        done.unwrap();
    };
    let point = contract.ask(IBeacon::pointCall {}).call().await.unwrap();
    let time = beacon.time_of(point).await.unwrap();
    assert_eq!(time, point >> 24);
    // The second block after this one makes the seed, and the third one can store it.
    assert_eq!(beacon.publication(point).await.unwrap(), None);
    let early = BlockBeacon::keepCall { id: point };
    let error = sender.call(devnet.beacon, &early).await.unwrap_err();
    let revert = error.revert().unwrap();
    assert_eq!(revert.name, "TooEarly");
    assert!(revert.meaning.contains("not built yet"), "{revert}");
    mine(1).await;
    assert_eq!(beacon.publication(point).await.unwrap(), None);
    mine(1).await;
    let keep = beacon.publication(point).await.unwrap().unwrap();
    assert_eq!(beacon.seed(point).await.unwrap(), None);
    assert_eq!(keep.to, beacon.address());
    sender.send("keep", keep.into()).await.unwrap();
    let seed = beacon.seed(point).await.unwrap().unwrap();
    let number = devnet.provider.get_block_number().await.unwrap() - 1;
    let block = devnet.provider.get_block_by_number(number.into()).await;
    assert_eq!(seed, block.unwrap().unwrap().header.hash);
    assert_eq!(
        beacon.publication(point).await.unwrap(),
        None,
        "it is there"
    );

    // Another one is forgotten.
    let point = contract.ask(IBeacon::pointCall {}).call().await.unwrap();
    mine(256 + 1).await;
    assert!(
        beacon.publication(point).await.unwrap().is_some(),
        "the last block"
    );
    mine(1).await;
    assert_eq!(beacon.publication(point).await.unwrap(), None);
    mine(1).await;
    assert!(beacon.is_dead(point).await.unwrap());
    let late = BlockBeacon::keepCall { id: point };
    let error = sender.call(devnet.beacon, &late).await.unwrap_err();
    assert_eq!(error.revert().unwrap().name, "Forgotten");
    assert_eq!(beacon.seed(0).await.unwrap(), None, "0 is no point");
}
