//! What the environment does to a sender: nodes that hide and refuse, dear gas, lost nonces, new keys, deep
//! reorganizations.

use alloy::primitives::U256;

use super::{
    liar::{Liar, Lies},
    *,
};

const GWEI: u128 = 1_000_000_000;
/// Longer than a development chain's patience with gaps and conflicts.
const PATIENCE: Duration = Duration::from_millis(2_200);

async fn state(sender: &Sender, id: &str) -> IntentState {
    let intent = sender.0.store.intent(id.to_owned()).await.unwrap();
    intent.unwrap().state
}

async fn attempts(sender: &Sender, id: &str) -> Vec<Attempt> {
    sender.0.store.attempts(id.to_owned()).await.unwrap()
}

/// Passes for so long.
async fn pass_for(sender: &Sender, time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        sender.pass().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The transaction that was mined.
fn mined(outcome: Outcome, wanted: &str) -> B256 {
    match outcome {
        Outcome::Mined { id, tx, .. } if id == wanted => tx,
        other => panic!("{other:?}"),
    }
}

fn calm(timing: ChainTiming) -> ChainTiming {
    ChainTiming {
        bump_after: Duration::from_secs(60),
        max_fee_per_gas: 200 * GWEI,
        urgent_max_fee_per_gas: 4_000 * GWEI,
        ..timing
    }
}

#[tokio::test]
async fn a_hidden_receipt_of_a_mined_intent_changes_nothing() {
    let bench = Bench::new().await;
    let (liar, provider) = Liar::start(bench.net.anvil.url()).await;
    let (sender, mut outcomes) = bench.sender_on(provider, |timing| timing);
    sender.send(allow(1)).await.unwrap();
    mined(next(&sender, &mut outcomes).await, "allow/1");
    liar.tell(Lies {
        no_receipts: true,
        ..Lies::default()
    });
    // Longer than it takes to give up a nonce.
    for _ in 0..5 {
        bench.net.provider.anvil_mine(Some(1), None).await.unwrap();
        pass_for(&sender, PATIENCE / 4).await;
    }
    assert!(outcomes.try_recv().is_err());
    assert_eq!(state(&sender, "allow/1").await, IntentState::Mined);
    assert_eq!(attempts(&sender, "allow/1").await.len(), 1);
    // Seen again it is final.
    liar.tell(Lies::default());
    bench.net.provider.anvil_mine(Some(1), None).await.unwrap();
    sender.pass().await.unwrap();
    assert!(sender.0.store.open_intents().await.unwrap().is_empty());
    assert!(outcomes.try_recv().is_err());
}

#[tokio::test]
async fn a_hidden_receipt_of_a_claim_does_not_give_it_up_in_seconds() {
    let bench = Bench::new().await;
    let (liar, provider) = Liar::start(bench.net.anvil.url()).await;
    // Forty polls are twenty seconds.
    let (sender, mut outcomes) = bench.sender_on(provider, |timing| ChainTiming {
        poll: Duration::from_millis(500),
        ..timing
    });
    liar.tell(Lies {
        no_receipts: true,
        ..Lies::default()
    });
    let claim = NewIntent {
        repeatable: false,
        ..allow(1)
    };
    sender.send(claim).await.unwrap();
    pass_for(&sender, Duration::from_secs(3)).await;
    assert!(bench.allowed(1).await);
    assert!(outcomes.try_recv().is_err());
    assert_eq!(state(&sender, "allow/1").await, IntentState::Sent);
    liar.tell(Lies::default());
    mined(next(&sender, &mut outcomes).await, "allow/1");
}

#[tokio::test]
async fn a_block_whose_nonce_another_program_took_is_gone() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender();
    sender.send(allow(1)).await.unwrap();
    mined(next(&sender, &mut outcomes).await, "allow/1");
    provider.anvil_rollback(Some(1)).await.unwrap();
    let call = IMarket::setOperatorCall {
        operator: Address::repeat_byte(9),
        allowed: true,
    };
    bench
        .net
        .sender(5)
        .call(bench.net.market, &call)
        .await
        .unwrap();
    assert!(!bench.allowed(1).await && bench.allowed(9).await);
    // Mined transactions are looked at once a block.
    for _ in 0..4 {
        provider.anvil_mine(Some(1), None).await.unwrap();
        pass_for(&sender, PATIENCE / 3).await;
    }
    mined(next(&sender, &mut outcomes).await, "allow/1");
    assert!(bench.allowed(1).await);
    assert_eq!(bench.nonce().await, 2);
}

#[tokio::test]
async fn a_reorganization_deeper_than_thought_opens_a_final_intent_again() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender();
    sender.send(allow(1)).await.unwrap();
    let first = mined(next(&sender, &mut outcomes).await, "allow/1");
    provider.anvil_mine(Some(5), None).await.unwrap();
    sender.pass().await.unwrap();
    assert!(sender.0.store.open_intents().await.unwrap().is_empty());
    provider.anvil_rollback(Some(6)).await.unwrap();
    provider.anvil_drop_all_transactions().await.unwrap();
    assert!(!bench.allowed(1).await);
    let again = mined(next(&sender, &mut outcomes).await, "allow/1");
    assert_eq!(again, first);
    assert!(bench.allowed(1).await);
    provider.anvil_mine(Some(5), None).await.unwrap();
    sender.pass().await.unwrap();
    assert!(sender.0.store.open_intents().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_for_lack_of_funds_is_told_and_raises_nothing() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender();
    let account = bench.signer.address();
    provider
        .anvil_set_balance(account, U256::ZERO)
        .await
        .unwrap();
    sender.send(allow(1)).await.unwrap();
    sender.pass().await.unwrap();
    let trouble = sender.trouble().unwrap();
    assert!(trouble.starts_with("allow/1: "), "{trouble}");
    assert!(
        trouble.to_lowercase().contains("insufficient funds"),
        "{trouble}"
    );
    // Twice as long as an attempt waits.
    pass_for(&sender, Duration::from_millis(2_200)).await;
    assert_eq!(attempts(&sender, "allow/1").await.len(), 1);
    assert_eq!(sender.trouble(), Some(trouble));
    let ether = U256::from(GWEI * GWEI);
    provider.anvil_set_balance(account, ether).await.unwrap();
    mined(next(&sender, &mut outcomes).await, "allow/1");
    sender.pass().await.unwrap();
    assert_eq!(sender.trouble(), None);
    assert_eq!(attempts(&sender, "allow/1").await.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_the_node_has_already_is_no_trouble() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, _outcomes) = bench.sender_on(provider.clone(), calm);
    provider.anvil_set_auto_mine(false).await.unwrap();
    sender.send(allow(1)).await.unwrap();
    sender.pass().await.unwrap();
    let shown = || sender.0.memory().broadcast["allow/1"];
    let first = shown();
    pass_for(&sender, Duration::from_millis(3_200)).await;
    assert!(shown() > first);
    assert_eq!(sender.trouble(), None);
}

#[tokio::test]
async fn the_cap_is_told_and_yields_when_stake_is_lost_soon() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender_on(provider.clone(), calm);
    sender.0.clock.observe(1_000);
    provider
        .anvil_set_next_block_base_fee_per_gas(400 * GWEI)
        .await
        .unwrap();
    provider.anvil_mine(Some(1), None).await.unwrap();
    let submit = NewIntent {
        deadline: Some(2_000),
        at_stake: 77,
        ..allow(1)
    };
    sender.send(submit).await.unwrap();
    sender.pass().await.unwrap();
    sender.pass().await.unwrap();
    let trouble = sender.trouble().unwrap();
    for part in ["allow/1", "chain.max_fee_gwei (200 gwei)", "2000", "77"] {
        assert!(trouble.contains(part), "{trouble}");
    }
    let paid = |attempts: Vec<Attempt>| attempts.last().unwrap().max_fee;
    assert_eq!(paid(attempts(&sender, "allow/1").await), 200 * GWEI);
    assert!(outcomes.try_recv().is_err());
    // More than half of its time is gone.
    sender.0.clock.observe(1_600);
    mined(next(&sender, &mut outcomes).await, "allow/1");
    let paid = paid(attempts(&sender, "allow/1").await);
    assert!(paid > 300 * GWEI && paid <= 4_000 * GWEI, "{paid}");
    sender.pass().await.unwrap();
    assert_eq!(sender.trouble(), None);
}

#[tokio::test]
async fn an_urgent_intent_raises_the_one_before_it() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender_on(provider.clone(), calm);
    sender.0.clock.observe(1_000);
    provider.anvil_set_auto_mine(false).await.unwrap();
    sender.send(allow(1)).await.unwrap();
    let submit = NewIntent {
        deadline: Some(2_000),
        at_stake: 77,
        ..allow(2)
    };
    sender.send(submit).await.unwrap();
    sender.pass().await.unwrap();
    provider
        .anvil_set_next_block_base_fee_per_gas(400 * GWEI)
        .await
        .unwrap();
    provider.anvil_mine(Some(1), None).await.unwrap();
    // A quarter of what is left are two seconds.
    sender.0.clock.observe(1_992);
    pass_for(&sender, Duration::from_millis(3_300)).await;
    for id in ["allow/1", "allow/2"] {
        let attempts = attempts(&sender, id).await;
        assert!(attempts.last().unwrap().max_fee > 300 * GWEI, "{id}");
    }
    provider.anvil_mine(Some(1), None).await.unwrap();
    mined(next(&sender, &mut outcomes).await, "allow/1");
    mined(next(&sender, &mut outcomes).await, "allow/2");
}

#[tokio::test]
async fn a_nonce_that_a_dropped_transaction_left_is_filled() {
    let bench = Bench::new().await;
    let provider = &bench.net.provider;
    let (sender, mut outcomes) = bench.sender_on(provider.clone(), calm);
    provider.anvil_set_auto_mine(false).await.unwrap();
    // Another program with our key takes nonce 0.
    let fees = sender.0.market_fees().await.unwrap();
    let nothing = NewIntent {
        to: Some(Address::repeat_byte(9)),
        data: alloy::primitives::Bytes::new(),
        ..allow(9)
    };
    let foreign = sender.0.sign(&nothing, 0, 50_000, fees).unwrap();
    let _ = provider.send_raw_transaction(&foreign.raw).await.unwrap();
    sender.send(allow(1)).await.unwrap();
    sender.pass().await.unwrap();
    assert_eq!(attempts(&sender, "allow/1").await[0].nonce, 1);
    provider.anvil_drop_transaction(foreign.hash).await.unwrap();
    provider.anvil_set_auto_mine(true).await.unwrap();
    sender.pass().await.unwrap();
    // Not at once: it might come back.
    assert_eq!(bench.nonce().await, 0);
    pass_for(&sender, PATIENCE).await;
    let mut found = Vec::new();
    for _ in 0..2 {
        match next(&sender, &mut outcomes).await {
            Outcome::Mined { id, .. } => found.push(id),
            other => panic!("{other:?}"),
        }
    }
    found.sort();
    assert_eq!(found[0], "allow/1");
    assert!(found[1].starts_with("fill/0/"), "{found:?}");
    assert_eq!(bench.nonce().await, 2);
    assert!(bench.allowed(1).await);
}

#[tokio::test]
async fn a_wrong_pending_count_is_believed_for_a_while_and_mended() {
    let bench = Bench::new().await;
    let (liar, provider) = Liar::start(bench.net.anvil.url()).await;
    let (sender, mut outcomes) = bench.sender_on(provider, calm);
    // Nobody has a thousand transactions on their way.
    let pending = |pending| Lies {
        pending: Some(pending),
        ..Lies::default()
    };
    liar.tell(pending(1_000));
    sender.send(allow(1)).await.unwrap();
    mined(next(&sender, &mut outcomes).await, "allow/1");
    assert_eq!(attempts(&sender, "allow/1").await[0].nonce, 0);
    liar.tell(pending(2));
    sender.send(allow(2)).await.unwrap();
    sender.pass().await.unwrap();
    assert_eq!(attempts(&sender, "allow/2").await[0].nonce, 2);
    sender.pass().await.unwrap();
    tokio::time::sleep(PATIENCE).await;
    // The next one takes the nonce that nobody has.
    sender.send(allow(3)).await.unwrap();
    let mut left = vec!["allow/2", "allow/3"];
    while !left.is_empty() {
        match next(&sender, &mut outcomes).await {
            Outcome::Mined { id, .. } => left.retain(|wanted| *wanted != id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(attempts(&sender, "allow/3").await[0].nonce, 1);
    // The node is not believed a second time.
    liar.tell(pending(9));
    sender.send(allow(4)).await.unwrap();
    mined(next(&sender, &mut outcomes).await, "allow/4");
    assert_eq!(attempts(&sender, "allow/4").await[0].nonce, 3);
}

#[tokio::test]
async fn a_new_key_sends_again_what_the_old_one_could_not() {
    let mut bench = Bench::new().await;
    let (old, new) = (bench.signer.clone(), bench.net.key(6));
    let provider = bench.net.provider.clone();
    provider.anvil_set_nonce(old.address(), 17).await.unwrap();
    provider.anvil_set_auto_mine(false).await.unwrap();
    let (sender, _) = bench.sender();
    let claim = NewIntent {
        repeatable: false,
        ..allow(2)
    };
    sender.send(allow(1)).await.unwrap();
    sender.send(claim).await.unwrap();
    sender.pass().await.unwrap();
    let signed = attempts(&sender, "allow/1").await;
    assert_eq!((signed[0].nonce, signed[0].signer), (17, old.address()));
    bench.close(sender).await;
    // The old key has no coin left.
    provider.anvil_drop_all_transactions().await.unwrap();
    provider
        .anvil_set_balance(old.address(), U256::ZERO)
        .await
        .unwrap();
    provider.anvil_set_auto_mine(true).await.unwrap();
    bench.signer = new.clone();
    let (sender, mut outcomes) = bench.sender();
    mined(next(&sender, &mut outcomes).await, "allow/1");
    let again = attempts(&sender, "allow/1").await;
    let again: Vec<_> = again.iter().map(|a| (a.nonce, a.signer)).collect();
    assert_eq!(again, [(0, new.address()), (17, old.address())]);
    assert!(bench.allowed(1).await);
    match next(&sender, &mut outcomes).await {
        Outcome::GivenUp { id, .. } => assert_eq!(id, "allow/2"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.nonce().await, 1);
}
