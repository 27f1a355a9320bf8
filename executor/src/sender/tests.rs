#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use alloy::{
    providers::ext::AnvilApi as _, rpc::types::anvil::ReorgOptions, sol_types::SolCall as _,
};
use piecework_core::chain::IMarket;
use tempfile::TempDir;

use super::*;
use crate::{config::ChainConfig, testkit_net::Net};

mod environment;
mod liar;

struct Bench {
    net: Net,
    dir: TempDir,
    signer: PrivateKeySigner,
}

impl Bench {
    async fn new() -> Self {
        let net = Net::start().await;
        let signer = net.key(5);
        Self {
            net,
            dir: tempfile::tempdir().unwrap(),
            signer,
        }
    }

    /// A sender as after a start; the one before must be dropped.
    fn sender(&self) -> (Sender, mpsc::UnboundedReceiver<Outcome>) {
        self.sender_on(self.net.provider.clone(), |timing| timing)
    }

    /// The same with another provider, and other times.
    fn sender_on(
        &self,
        provider: DynProvider,
        change: impl FnOnce(ChainTiming) -> ChainTiming,
    ) -> (Sender, mpsc::UnboundedReceiver<Outcome>) {
        let url = self.net.anvil.url().parse().unwrap();
        let config = ChainConfig::devnet(url, self.net.market, Address::ZERO, self.signer.clone());
        let lock = crate::store::Lock::take(self.dir.path()).unwrap();
        let store = Store::open(&lock, self.dir.path(), 31_337, self.net.market).unwrap();
        let timing = ChainTiming {
            bump_after: Duration::from_secs(1),
            confirmations: 3,
            ..config.timing
        };
        let (outcomes, receiver) = mpsc::unbounded_channel();
        let sender = Sender::new(
            provider,
            self.signer.clone(),
            31_337,
            self.net.market,
            store,
            ChainClock::default(),
            change(timing),
            outcomes,
        );
        (sender, receiver)
    }

    /// The end of a process: its writer lets go of the lock a moment after the last handle.
    async fn close(&self, sender: Sender) {
        drop(sender);
        for _ in 0..500 {
            if crate::store::Lock::take(self.dir.path()).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the store is still locked after ten seconds");
    }

    async fn nonce(&self) -> u64 {
        self.net
            .provider
            .get_transaction_count(self.signer.address())
            .await
            .unwrap()
    }

    async fn allowed(&self, operator: u8) -> bool {
        let operator = Address::repeat_byte(operator);
        self.net
            .contract()
            .ask(IMarket::isOperatorCall {
                provider: self.signer.address(),
                operator,
            })
            .call()
            .await
            .unwrap()
    }
}

fn allow(operator: u8) -> NewIntent {
    let call = IMarket::setOperatorCall {
        operator: Address::repeat_byte(operator),
        allowed: true,
    };
    NewIntent {
        id: format!("allow/{operator}"),
        to: None,
        data: call.abi_encode().into(),
        not_after: None,
        repeatable: true,
        deadline: None,
        at_stake: 0,
    }
}

/// A call that reverts: there is nothing to withdraw.
fn hopeless() -> NewIntent {
    let call = IMarket::withdrawCall {
        to: Address::repeat_byte(1),
        amount: 5,
    };
    NewIntent {
        id: "withdraw".to_owned(),
        to: None,
        data: call.abi_encode().into(),
        not_after: None,
        repeatable: true,
        deadline: None,
        at_stake: 0,
    }
}

/// Looks until something ends: the chain mines on demand, but not at once.
async fn next(sender: &Sender, outcomes: &mut mpsc::UnboundedReceiver<Outcome>) -> Outcome {
    for _ in 0..500 {
        match outcomes.try_recv() {
            Ok(Outcome::Reopened { .. }) => continue,
            Ok(outcome) => return outcome,
            Err(_) => {}
        }
        sender.pass().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing happened within ten seconds");
}

#[tokio::test]
async fn what_was_written_down_is_sent_once_wherever_the_process_died() {
    let bench = Bench::new().await;
    // Died after the intent was stored.
    let (sender, _) = bench.sender();
    assert!(sender.send(allow(1)).await.unwrap());
    bench.close(sender).await;
    let (sender, mut outcomes) = bench.sender();
    assert!(matches!(
        next(&sender, &mut outcomes).await,
        Outcome::Mined { .. }
    ));
    assert!(bench.allowed(1).await);
    // Died after the attempt was stored, before it was broadcast.
    sender.send(allow(2)).await.unwrap();
    let attempt = sender
        .0
        .sign(&allow(2), 1, 100_000, sender.0.market_fees().await.unwrap())
        .unwrap();
    sender
        .0
        .store
        .put_attempt("allow/2".to_owned(), attempt)
        .await
        .unwrap();
    bench.close(sender).await;
    let (sender, mut outcomes) = bench.sender();
    sender.pass().await.unwrap();
    sender.pass().await.unwrap();
    assert!(
        matches!(next(&sender, &mut outcomes).await, Outcome::Mined { id, .. } if id == "allow/2")
    );
    assert!(bench.allowed(2).await);
    // Died after it was mined; and asked for again.
    bench.close(sender).await;
    let (sender, _outcomes) = bench.sender();
    assert!(!sender.send(allow(1)).await.unwrap());
    sender.pass().await.unwrap();
    sender.pass().await.unwrap();
    assert_eq!(bench.nonce().await, 2);
}

#[tokio::test]
async fn a_refused_call_costs_no_nonce_and_holds_nothing_up() {
    let bench = Bench::new().await;
    let (sender, mut outcomes) = bench.sender();
    sender.send(hopeless()).await.unwrap();
    sender.send(allow(1)).await.unwrap();
    sender.pass().await.unwrap();
    match next(&sender, &mut outcomes).await {
        Outcome::Refused { id, revert } => assert_eq!(
            (id.as_str(), revert.name),
            ("withdraw", "InsufficientBalance")
        ),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        next(&sender, &mut outcomes).await,
        Outcome::Mined { .. }
    ));
    assert_eq!(bench.nonce().await, 1);
    assert!(bench.allowed(1).await);
}

#[tokio::test]
async fn a_stuck_transaction_is_raised_and_whichever_attempt_is_mined_counts() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender();
    provider.anvil_set_auto_mine(false).await.unwrap();
    sender.send(allow(1)).await.unwrap();
    sender.send(allow(2)).await.unwrap();
    sender.pass().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    sender.pass().await.unwrap();
    let attempts = sender.0.store.attempts("allow/1".to_owned()).await.unwrap();
    // Once, or more often on a slow machine.
    assert!(attempts.len() > 1);
    for pair in attempts.windows(2) {
        let [old, new] = pair else { unreachable!() };
        assert_eq!(old.nonce, new.nonce);
        assert!(new.max_fee * 8 >= old.max_fee * 9 && new.tip * 8 >= old.tip * 9);
    }
    // The node takes the replacement; but the miner had the first attempt.
    provider.anvil_drop_all_transactions().await.unwrap();
    let _ = provider
        .send_raw_transaction(&attempts[0].raw)
        .await
        .unwrap();
    provider.anvil_mine(Some(1), None).await.unwrap();
    sender.pass().await.unwrap();
    match next(&sender, &mut outcomes).await {
        Outcome::Mined { tx, .. } => assert_eq!(tx, attempts[0].hash),
        other => panic!("{other:?}"),
    }
    // The other one was dropped with the pool, and is shown to the node again.
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    sender.pass().await.unwrap();
    provider.anvil_mine(Some(1), None).await.unwrap();
    sender.pass().await.unwrap();
    assert!(bench.allowed(1).await && bench.allowed(2).await);
    assert_eq!(bench.nonce().await, 2);
}

#[tokio::test]
async fn what_a_reorganization_took_away_is_sent_again_until_it_is_final() {
    let bench = Bench::new().await;
    let (sender, mut outcomes) = bench.sender();
    sender.send(allow(1)).await.unwrap();
    sender.pass().await.unwrap();
    let Outcome::Mined { tx, .. } = next(&sender, &mut outcomes).await else {
        panic!()
    };
    let options = ReorgOptions {
        depth: 1,
        tx_block_pairs: vec![],
    };
    bench.net.provider.anvil_reorg(options).await.unwrap();
    assert!(!bench.allowed(1).await);
    sender.pass().await.unwrap();
    sender.pass().await.unwrap();
    match outcomes.try_recv() {
        Ok(Outcome::Reopened { id }) => assert_eq!(id, "allow/1"),
        other => panic!("{other:?}"),
    }
    match next(&sender, &mut outcomes).await {
        Outcome::Mined { tx: again, .. } => assert_eq!(again, tx),
        other => panic!("{other:?}"),
    }
    assert!(bench.allowed(1).await);
    // Final after three blocks, and then left alone.
    bench.net.provider.anvil_mine(Some(3), None).await.unwrap();
    sender.pass().await.unwrap();
    assert!(sender.0.store.open_intents().await.unwrap().is_empty());
    assert_eq!(bench.nonce().await, 1);
}

#[tokio::test]
async fn a_nonce_that_another_program_used_is_replaced_only_if_twice_does_no_harm() {
    let bench = Bench::new().await;
    let (sender, mut outcomes) = bench.sender();
    bench.net.provider.anvil_set_auto_mine(false).await.unwrap();
    let once = NewIntent {
        repeatable: false,
        ..allow(1)
    };
    sender.send(once).await.unwrap();
    sender.send(allow(2)).await.unwrap();
    sender.pass().await.unwrap();
    bench
        .net
        .provider
        .anvil_drop_all_transactions()
        .await
        .unwrap();
    bench.net.provider.anvil_set_auto_mine(true).await.unwrap();
    let other = bench.net.sender(5);
    for operator in [8, 9] {
        let call = IMarket::setOperatorCall {
            operator: Address::repeat_byte(operator),
            allowed: true,
        };
        other.call(bench.net.market, &call).await.unwrap();
    }
    for _ in 0..5 {
        sender.pass().await.unwrap();
    }
    assert!(
        matches!(next(&sender, &mut outcomes).await, Outcome::GivenUp { id, .. } if id == "allow/1")
    );
    assert!(
        matches!(next(&sender, &mut outcomes).await, Outcome::Mined { id, .. } if id == "allow/2")
    );
    assert!(!bench.allowed(1).await && bench.allowed(2).await);
    assert_eq!(bench.nonce().await, 3);
}

#[tokio::test]
async fn a_dead_endpoint_is_waited_for_and_what_is_too_late_is_not_sent() {
    let bench = Bench::new().await;
    let (sender, mut outcomes) = bench.sender();
    sender.0.clock.observe(1_000);
    sender
        .send(NewIntent {
            not_after: Some(999),
            ..allow(1)
        })
        .await
        .unwrap();
    sender.pass().await.unwrap();
    assert!(matches!(
        next(&sender, &mut outcomes).await,
        Outcome::GivenUp { .. }
    ));
    sender.send(allow(2)).await.unwrap();
    let Bench { net, .. } = bench;
    drop(net);
    assert!(matches!(
        sender.pass().await.unwrap_err(),
        SendError::Rpc(_)
    ));
    assert_eq!(
        sender
            .0
            .store
            .intent("allow/2".to_owned())
            .await
            .unwrap()
            .unwrap()
            .state,
        IntentState::Queued
    );
    // Not even the room of what is too late waits for it.
    let late = NewIntent {
        not_after: Some(999),
        ..allow(3)
    };
    sender.send(late).await.unwrap();
    sender.pass().await.unwrap_err();
    let outcome = outcomes.try_recv();
    assert!(matches!(outcome, Ok(Outcome::GivenUp { id, .. }) if id == "allow/3"));
}
