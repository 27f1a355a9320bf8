//! The chain's client before nodes that lie, lag, refuse and fail: a real anvil behind proxies that do what public nodes do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::providers::ext::AnvilApi as _;
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::Filter;
use alloy::rpc::types::anvil::ReorgOptions;
use common::Devnet;
use piecework::chain::{
    ChainError, ChainOptions, Contract, Follower, IMarket, MarketEvent, Message, Sender, connect,
    read_logs,
};
use piecework_faults::{Faults, Limit, Proxy, Words};

/// A devnet, and nodes of it that a test spoils.
struct Nodes {
    devnet: Devnet,
    proxies: Vec<Proxy>,
}

impl Nodes {
    async fn start(count: usize) -> Self {
        let devnet = Devnet::start().await;
        let mut proxies = Vec::new();
        for _ in 0..count {
            proxies.push(Proxy::start(devnet.anvil.url()).await.unwrap());
        }
        Self { devnet, proxies }
    }

    async fn provider(&self) -> DynProvider {
        let urls: Vec<String> = self.proxies.iter().map(Proxy::url).collect();
        connect(&ChainOptions::new(urls.join(","))).await.unwrap().0
    }

    async fn reader(&self) -> Reader {
        let provider = self.provider().await;
        let follower = Follower::start(provider, 31337, self.devnet.market, 0);
        Reader {
            follower,
            amounts: Vec::new(),
            removed: 0,
            down: 0,
        }
    }

    async fn deposit(&self, amounts: impl IntoIterator<Item = u128>) {
        let market = self.devnet.market(1).await;
        for amount in amounts {
            market.deposit(amount).await.unwrap();
        }
    }

    async fn mine(&self, blocks: u64) {
        self.devnet
            .provider
            .anvil_mine(Some(blocks), None)
            .await
            .unwrap();
    }
}

/// What a follower has told of deposits.
struct Reader {
    follower: Follower,
    amounts: Vec<u128>,
    removed: usize,
    down: usize,
}

impl Reader {
    fn take(&mut self, message: &Message) {
        match message {
            Message::Added(at) => {
                if let MarketEvent::Deposited(event) = &at.event {
                    self.amounts.push(event.amount);
                }
            }
            Message::Removed(_) => self.removed += 1,
            Message::Down { .. } => self.down += 1,
            Message::Head(_) => {}
            Message::Unreadable(error) => panic!("{error}"),
        }
    }

    /// Reads until the follower has told these amounts, and then the end of their block.
    async fn read(&mut self, amounts: &[u128]) {
        let reading = async {
            loop {
                let message = self.follower.next().await.unwrap();
                self.take(&message);
                if matches!(message, Message::Head(_)) && self.amounts == amounts {
                    return;
                }
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(60), reading).await;
        done.unwrap_or_else(|_| panic!("expected {amounts:?}, read {:?}", self.amounts));
    }

    /// Reads until the follower is at this block.
    async fn read_to(&mut self, number: u64) {
        let reading = async {
            while self.follower.head().is_none_or(|head| head.number < number) {
                let message = self.follower.next().await.unwrap();
                self.take(&message);
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reading)
            .await
            .unwrap();
    }

    /// Takes what comes within some time.
    async fn look(&mut self, time: Duration) {
        let looking = async {
            loop {
                let message = self.follower.next().await.unwrap();
                self.take(&message);
            }
        };
        let _ = tokio::time::timeout(time, looking).await;
    }
}

#[tokio::test]
async fn logs_that_one_node_hides_are_found_in_its_receipts() {
    let nodes = Nodes::start(1).await;
    nodes.proxies[0].set(Faults {
        hidden_logs: true,
        ..Faults::default()
    });
    let mut reader = nodes.reader().await;
    nodes.deposit([1, 2]).await;
    reader.read(&[1, 2]).await;
    assert!(nodes.proxies[0].calls("eth_getBlockReceipts") >= 2);
}

#[tokio::test]
async fn logs_that_one_node_hides_or_loses_are_told_by_another() {
    for spoilt in [0, 1] {
        for hidden in [true, false] {
            let nodes = Nodes::start(2).await;
            let faults = Faults {
                hidden_logs: hidden,
                truncated_logs: !hidden,
                ..Faults::default()
            };
            nodes.proxies[spoilt].set(faults);
            nodes.deposit([1, 2]).await;
            // Deep enough that the first are read in a range.
            nodes.mine(80).await;
            nodes.deposit([3]).await;
            let mut reader = nodes.reader().await;
            reader.read(&[1, 2, 3]).await;
            assert_eq!(reader.removed, 0);
        }
    }
}

#[tokio::test]
async fn a_node_that_is_behind_is_waited_for_and_no_reorganization() {
    let nodes = Nodes::start(1).await;
    let mut reader = nodes.reader().await;
    nodes.deposit([1, 2]).await;
    reader.read(&[1, 2]).await;
    for behind in [1, 3, 300] {
        nodes.proxies[0].set(Faults {
            behind,
            ..Faults::default()
        });
        reader.look(Duration::from_millis(700)).await;
        assert_eq!((reader.removed, reader.amounts.len()), (0, 2));
    }
    // What happens meanwhile is read when it is back.
    nodes.deposit([3]).await;
    nodes.proxies[0].set(Faults::default());
    reader.read(&[1, 2, 3]).await;
    assert_eq!(reader.removed, 0);
}

#[tokio::test]
async fn one_of_several_that_lags_or_fails_holds_nothing_up() {
    for faults in [
        Faults {
            behind: 40,
            ..Faults::default()
        },
        Faults {
            down: true,
            ..Faults::default()
        },
        Faults {
            future_seconds: 86_400,
            ..Faults::default()
        },
        Faults {
            slow: BTreeMap::from([("eth_getBlockByNumber".to_owned(), Duration::from_secs(2))]),
            ..Faults::default()
        },
    ] {
        let nodes = Nodes::start(2).await;
        let mut reader = nodes.reader().await;
        nodes.deposit([1]).await;
        reader.read(&[1]).await;
        nodes.proxies[0].set(faults.clone());
        nodes.deposit([2]).await;
        reader.read(&[1, 2]).await;
        assert_eq!(reader.removed, 0, "{faults:?}");
    }
}

#[tokio::test]
async fn a_real_reorganization_is_followed_although_a_node_lags() {
    let nodes = Nodes::start(2).await;
    let mut reader = nodes.reader().await;
    nodes.deposit([1, 2, 3]).await;
    reader.read(&[1, 2, 3]).await;
    nodes.proxies[0].set(Faults {
        behind: 2,
        ..Faults::default()
    });
    let options = ReorgOptions {
        depth: 2,
        tx_block_pairs: Vec::new(),
    };
    nodes.devnet.provider.anvil_reorg(options).await.unwrap();
    nodes.mine(3).await;
    while reader.removed < 2 {
        reader.look(Duration::from_millis(100)).await;
    }
    nodes.deposit([9]).await;
    reader.read(&[1, 2, 3, 9]).await;
    assert_eq!(reader.removed, 2);
}

#[tokio::test]
async fn ranges_are_narrowed_to_what_a_vendor_allows() {
    let nodes = Nodes::start(1).await;
    nodes.deposit([1]).await;
    nodes.mine(400).await;
    nodes.deposit([2]).await;
    nodes.mine(100).await;
    let newest = nodes.devnet.provider.get_block_number().await.unwrap();
    for words in Words::RANGES {
        nodes.proxies[0].set(Faults {
            max_range: Some((100, *words)),
            ..Faults::default()
        });
        let mut reader = nodes.reader().await;
        reader.read(&[1, 2]).await;
        reader.read_to(newest).await;
        assert_eq!(reader.down, 0, "{words:?}");
        let filter = Filter::new().address(nodes.devnet.market);
        let logs = read_logs(&nodes.provider().await, &filter).await.unwrap();
        let all = nodes
            .devnet
            .provider
            .get_logs(&filter.from_block(0))
            .await
            .unwrap();
        assert_eq!(logs, all, "{words:?}");
    }
}

#[tokio::test]
async fn a_limited_rate_is_kept_to() {
    for as_http in [true, false] {
        let nodes = Nodes::start(1).await;
        nodes.deposit([1]).await;
        let limit = Limit {
            as_http,
            retry_after: None,
            every: 3,
        };
        let limited = BTreeMap::from([("*".to_owned(), limit)]);
        nodes.proxies[0].set(Faults {
            limited,
            ..Faults::default()
        });
        let mut reader = nodes.reader().await;
        reader.read(&[1]).await;
        assert_eq!((reader.down, reader.removed), (0, 0));
    }
}

#[tokio::test]
async fn a_broadcast_whose_answer_is_lost_is_found_by_its_hash() {
    let nodes = Nodes::start(1).await;
    let sender = Sender::new(
        nodes.provider().await,
        31337,
        nodes.devnet.anvil.key(1).unwrap(),
    );
    let before = nodes
        .devnet
        .provider
        .get_transaction_count(sender.address())
        .await
        .unwrap();
    for (sent, words) in Words::LOST.iter().enumerate() {
        let lost_answers = BTreeMap::from([("eth_sendRawTransaction".to_owned(), *words)]);
        nodes.proxies[0].set(Faults {
            lost_answers,
            ..Faults::default()
        });
        let call = piecework::chain::IMarket::setOperatorCall {
            operator: alloy::primitives::Address::repeat_byte(3),
            allowed: sent % 2 == 0,
        };
        let receipt = sender.call(nodes.devnet.market, &call).await;
        let receipt = receipt.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        assert!(receipt.status());
    }
    let count = nodes
        .devnet
        .provider
        .get_transaction_count(sender.address())
        .await
        .unwrap();
    assert_eq!(
        count - before,
        Words::LOST.len() as u64,
        "each was sent once"
    );
}

#[tokio::test]
async fn an_empty_block_costs_one_call() {
    let nodes = Nodes::start(1).await;
    let mut reader = nodes.reader().await;
    nodes.deposit([1]).await;
    reader.read(&[1]).await;
    nodes.proxies[0].forget_calls();
    let start = reader.follower.head().unwrap().number;
    for _ in 0..10 {
        nodes.mine(1).await;
        let number = reader.follower.head().unwrap().number;
        reader.read_to(number + 1).await;
    }
    assert_eq!(reader.follower.head().unwrap().number, start + 10);
    let calls = nodes.proxies[0].total_by_method();
    // Looks in which there was no new block yet are the clock's, not the blocks'.
    assert_eq!(calls.keys().collect::<Vec<_>>(), ["eth_getBlockByNumber"]);
}

#[tokio::test]
async fn nodes_of_different_chains_are_refused_and_one_of_several_may_be_dead() {
    let one = Devnet::start().await;
    let other = Devnet::start_with(piecework::devnet::AnvilOptions {
        chain_id: 31338,
        ..Default::default()
    })
    .await;
    let urls = format!("{}, {}", one.anvil.url(), other.anvil.url());
    let error = connect(&ChainOptions::new(urls)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::WrongChain {
                expected: 31337,
                actual: 31338,
                ..
            }
        ),
        "{error}"
    );
    let urls = format!("http://127.0.0.1:1,{}", one.anvil.url());
    let (provider, chain) = connect(&ChainOptions::new(urls)).await.unwrap();
    assert_eq!(chain, 31337);
    assert!(provider.get_block_number().await.unwrap() > 0);
    let error = connect(&ChainOptions::new("http://127.0.0.1:1,http://127.0.0.1:2"))
        .await
        .unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn an_error_of_one_endpoint_is_made_up_for_by_another_and_a_contracts_refusal_is_none() {
    let nodes = Nodes::start(2).await;
    let provider = nodes.provider().await;
    assert_eq!(provider.get_chain_id().await.unwrap(), 31337);
    let lost_answers = BTreeMap::from([("*".to_owned(), Words::InternalError)]);
    nodes.proxies[0].set(Faults {
        lost_answers,
        ..Faults::default()
    });
    let account = nodes.devnet.sender(1).address();
    let count = provider.get_transaction_count(account).await.unwrap();
    let truth = nodes.devnet.provider.get_transaction_count(account).await;
    assert_eq!(count, truth.unwrap());
    assert!(provider.get_block_number().await.unwrap() > 0);
    let mut reader = nodes.reader().await;
    nodes.deposit([1]).await;
    reader.read(&[1]).await;

    // Nobody is asked twice whether a contract refuses.
    nodes.proxies[0].set(Faults::default());
    nodes.proxies[1].forget_calls();
    let sender = Sender::new(provider, 31337, nodes.devnet.anvil.key(1).unwrap());
    let call = piecework::chain::IMarket::withdrawCall {
        to: account,
        amount: u128::MAX >> 32,
    };
    let error = sender.call(nodes.devnet.market, &call).await.unwrap_err();
    assert_eq!(error.code(), "chain-reverted");
    let asked: u64 = nodes
        .proxies
        .iter()
        .map(|proxy| proxy.calls("eth_estimateGas"))
        .sum();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_no_transaction_up() {
    let nodes = Nodes::start(2).await;
    let slow = BTreeMap::from([("eth_sendRawTransaction".to_owned(), Duration::from_secs(60))]);
    nodes.proxies[0].set(Faults {
        slow,
        ..Faults::default()
    });
    let key = nodes.devnet.anvil.key(1).unwrap();
    let sender = Sender::new(nodes.provider().await, 31337, key);
    let call = piecework::chain::IMarket::setOperatorCall {
        operator: alloy::primitives::Address::repeat_byte(3),
        allowed: true,
    };
    // An answer may take 20 s: a sender that waits for all needs them.
    let sending = sender.call(nodes.devnet.market, &call);
    let receipt = tokio::time::timeout(Duration::from_secs(15), sending).await;
    assert!(receipt.unwrap().unwrap().status());
}

#[tokio::test]
async fn an_endpoint_of_another_chain_that_was_silent_at_the_start_is_not_believed_later() {
    let one = Devnet::start().await;
    let other = Devnet::start_with(piecework::devnet::AnvilOptions {
        chain_id: 31338,
        ..Default::default()
    })
    .await;
    other.provider.anvil_mine(Some(500), None).await.unwrap();
    let wrong = Proxy::start(other.anvil.url()).await.unwrap();
    wrong.set(Faults {
        down: true,
        ..Faults::default()
    });
    let urls = format!("{},{}", wrong.url(), one.anvil.url());
    let (provider, chain) = connect(&ChainOptions::new(urls)).await.unwrap();
    assert_eq!(chain, 31337);
    wrong.set(Faults::default());
    let truth = one.provider.get_block_number().await.unwrap();
    for _ in 0..5 {
        let newest = provider
            .get_block_by_number(alloy::eips::BlockNumberOrTag::Latest)
            .await;
        assert_eq!(newest.unwrap().unwrap().header.number, truth);
        assert_eq!(provider.get_chain_id().await.unwrap(), 31337);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(wrong.calls("eth_chainId") > 1, "it was looked at again");
}

#[tokio::test]
async fn receipts_that_are_not_there_at_first_are_asked_for_again() {
    let nodes = Nodes::start(1).await;
    let node = &nodes.proxies[0];
    let mut reader = nodes.reader().await;
    nodes.deposit([1]).await;
    reader.read(&[1]).await;
    let method = "eth_getBlockReceipts";
    node.set(Faults {
        hidden_logs: true,
        lost_answers: BTreeMap::from([(method.to_owned(), Words::InternalError)]),
        ..Faults::default()
    });
    node.forget_calls();
    nodes.deposit([2]).await;
    let well = async {
        while node.calls(method) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        node.change(|faults| faults.lost_answers.clear());
    };
    tokio::join!(reader.read(&[1, 2]), well);
}

#[tokio::test]
async fn what_another_endpoint_contradicts_is_told() {
    let nodes = Nodes::start(2).await;
    let rpc = nodes.provider().await;
    let market = Contract::new(nodes.devnet.market, &rpc);
    let call = IMarket::beaconCall {};
    let (one, other) = market.ask_two(&call).await.unwrap();
    assert_eq!(Some(&one), other.as_ref());
    for (liar, proxy) in nodes.proxies.iter().enumerate() {
        proxy.change(|faults| faults.wrong_words = true);
        let (one, other) = market.ask_two(&call).await.unwrap();
        assert!(
            other.is_some_and(|other| other != one),
            "endpoint {liar} lies"
        );
        proxy.change(|faults| faults.wrong_words = false);
    }
    // One endpoint has nobody to contradict it, and one that does not answer contradicts nobody.
    nodes.proxies[1].change(|faults| faults.down = true);
    let (again, other) = market.ask_two(&call).await.unwrap();
    assert_eq!((again, other), (one, None));
}

#[tokio::test]
async fn where_there_is_one_endpoint_no_second_one_is_asked() {
    let nodes = Nodes::start(1).await;
    let rpc = nodes.provider().await;
    let market = Contract::new(nodes.devnet.market, &rpc);
    nodes.proxies[0].forget_calls();
    let (_, other) = market.ask_two(&IMarket::beaconCall {}).await.unwrap();
    assert_eq!(other, None);
    assert_eq!(nodes.proxies[0].calls("eth_call"), 1);
}
