//! Calls at the border that tokens cross, of clients that signed, and of providers on lists: in part up to other
//! contracts, and then up to the node.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::providers::ext::AnvilApi as _;
use alloy::signers::SignerSync as _;
use alloy::sol_types::SolValue as _;
use piecework::Error;
use piecework::chain::{IMarket, MarketEvent};
use piecework::market::predict::By;
use piecework::rules;

use crate::common::{TOKEN, job};
use crate::scene::{FEE_BPS, SPEC, Scene};

#[tokio::test]
async fn what_leaves_the_market_is_foretold_up_to_the_token() {
    let scene = Scene::start().await;
    scene.deposit(3, 5 * TOKEN).await;
    scene.stake(2, 50 * TOKEN).await;
    let staked = scene.now().await;
    let at = scene.soon().await;
    let withdraw = |amount: u128| IMarket::withdrawCall {
        to: scene.who[4],
        amount,
    };
    scene
        .refused(3, &withdraw(5 * TOKEN + 1), at, "InsufficientBalance")
        .await;
    scene.refused(3, &withdraw(0), at, "ZeroAmount").await;
    let paid = scene
        .predict()
        .await
        .call(scene.who[3], &withdraw(TOKEN), at)
        .await
        .unwrap();
    assert_eq!((paid.by, paid.is_valid()), (By::Node, true));
    assert!(scene.probe(3, &withdraw(TOKEN), at).await.is_ok());

    // A stake stands for 100 s.
    let unstake = |amount: u128| IMarket::unstakeCall {
        to: scene.who[4],
        amount,
    };
    let early = scene.refused(2, &unstake(TOKEN), at, "TooEarly").await;
    assert_eq!(early.window.from, Some(staked + 100));
    scene
        .refused(2, &unstake(51 * TOKEN), at, "InsufficientStake")
        .await;

    // What comes in is the token's to allow: account 8 has none, and allowed nothing.
    let stake = IMarket::stakeCall { amount: 9 };
    let none = scene
        .predict()
        .await
        .call(scene.who[8], &stake, at)
        .await
        .unwrap();
    assert_eq!(none.by, By::Node);
    assert_eq!(none.outcome, scene.probe(8, &stake, at).await);
    assert_eq!(none.refusal().unwrap().name, "ERC20InsufficientAllowance");
    let zero = IMarket::depositCall {
        account: Address::ZERO,
        amount: 9,
    };
    let none = scene
        .predict()
        .await
        .call(scene.who[3], &zero, at)
        .await
        .unwrap();
    assert_eq!(none.outcome, scene.probe(3, &zero, at).await);
    let fee = IMarket::setFeeCall {
        feeBps: 1,
        recipient: scene.who[3],
    };
    let none = scene
        .predict()
        .await
        .call(scene.who[3], &fee, at)
        .await
        .unwrap();
    assert_eq!(
        (none.by, none.refusal().unwrap().name),
        (By::Node, "NotGovernor")
    );
    let nobody = IMarket::setOperatorCall {
        operator: Address::ZERO,
        allowed: true,
    };
    scene.refused(3, &nobody, at, "ZeroAddress").await;
    let operator = IMarket::setOperatorCall {
        operator: scene.who[5],
        allowed: true,
    };
    scene.done(3, &operator, at).await;
    let profile = |endpoint: String| IMarket::setProfileCall {
        nodeId: B256::ZERO,
        capabilities: B256::ZERO,
        endpoint,
    };
    scene
        .refused(3, &profile("x".repeat(129)), at + 1, "EndpointTooLong")
        .await;
    scene
        .done(3, &profile("https://example.org".to_owned()), at + 1)
        .await;
}

#[tokio::test]
async fn a_posting_is_foretold_with_what_it_deposits_first() {
    let scene = Scene::start().await;
    scene.deposit(1, 3 * TOKEN).await;
    let market = &scene.market;
    let ahead = scene.predict().await;
    let at = ahead.next_time();
    let wanted = || {
        job(10)
            .max_price(2 * TOKEN)
            .min_price(TOKEN, 60)
            .max_lease(4)
            .nonce(3)
    };
    let posting = ahead.post(&wanted(), at).await.unwrap();
    assert_eq!(
        (posting.quote.escrow, posting.quote.deposit),
        (20 * TOKEN, 17 * TOKEN)
    );
    let [opening, full] = posting.cost;
    assert_eq!(
        (opening.price, full.price, full.origin),
        (TOKEN, 2 * TOKEN, at + 60)
    );
    assert_eq!((opening.bond, opening.refunded), (8 * TOKEN, 4 * TOKEN));
    assert_eq!(posting.quote.deterrence, None);
    let Ok([MarketEvent::Posted(foretold)]) = posting.prediction.outcome.as_deref() else {
        panic!("{posting:?}");
    };
    let closes = foretold.job.timing.closesAt;
    assert_eq!(posting.prediction.window.until, Some(closes));
    // Nothing was sent, and nothing that was foretold is taken for done.
    let balances = market.balances(scene.who[1]).await.unwrap();
    assert_eq!(balances.balance, 3 * TOKEN);
    let poor = ahead.post(&wanted().tasks(600), at).await.unwrap();
    assert!(!poor.quote.is_covered());
    let refusal = poor.prediction.refusal().unwrap();
    assert_eq!(refusal.name, "InsufficientBalance", "{refusal}");
    let bad = ahead
        .post(&wanted().min_price(3 * TOKEN, 60), at)
        .await
        .unwrap_err();
    assert!(
        matches!(
            bad,
            Error::BadJob {
                field: "min_price",
                ..
            }
        ),
        "{bad}"
    );

    let run = market.submit(wanted()).await.unwrap();
    assert_eq!((run.escrow(), run.fee_bps()), (20 * TOKEN, foretold.feeBps));
    let (mut said, mut done) = (foretold.job.clone(), run.job().clone());
    // The spec is left out of what is foretold, and time went on.
    (said.terms.spec, said.timing.opensAt, said.timing.closesAt) = (done.terms.spec, 0, 0);
    (done.timing.opensAt, done.timing.closesAt) = (0, 0);
    assert_eq!(said, done);
    let balances = market.balances(scene.who[1]).await.unwrap();
    assert_eq!(balances.balance, 0);
}

#[tokio::test]
async fn earnings_count_wherever_the_market_keeps_them() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    scene.stake(2, 100 * TOKEN).await;
    let opens = scene.now().await + 100;
    let job = scene.job(opens);
    scene.post(&job).await;
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[2],
        least: 1,
        most: 4,
    };
    scene.done(2, &claim, opens + 1_000).await;
    let submit = IMarket::submitCall {
        job: job.clone(),
        first: 0,
        round: 1,
        provider: scene.who[2],
        root: B256::repeat_byte(5),
        digestList: B256::ZERO,
    };
    scene.done(2, &submit, opens + 1_001).await;
    // 12 tokens less the fee: earned, not deposited. The fee's recipient has earned the rest.
    let fee = 12 * TOKEN * u128::from(FEE_BPS) / 10_000;
    let at = opens + 1_003;
    for (account, earned) in [(2, 12 * TOKEN - fee), (9, fee)] {
        let mut own = scene.job(at);
        own.terms.client = scene.who[account];
        (own.terms.tasks, own.terms.maxLease) = (1, 1);
        let post = |price: u128| {
            let mut job = own.clone();
            (job.price.minPrice, job.price.maxPrice) = (price, price);
            IMarket::postCall {
                job,
                spec: SPEC.into(),
            }
        };
        scene
            .refused(account, &post(earned + 1), at, "InsufficientBalance")
            .await;
        scene.foretold(account, &post(earned), at).await;
        let posted = scene
            .predict()
            .await
            .call(scene.who[account], &post(earned), at)
            .await;
        assert!(posted.unwrap().is_valid());
    }
}

#[tokio::test]
async fn what_a_client_signed_is_taken_from_anyone_as_foretold() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    let now = scene.soon().await;
    let job = scene.job(now);
    let id = scene
        .market
        .contract()
        .ask(IMarket::hashJobCall { job: job.clone() })
        .call()
        .await
        .unwrap();
    let sign = |account: usize| {
        let signature = scene
            .devnet
            .anvil
            .key(account)
            .unwrap()
            .sign_hash_sync(&id)
            .unwrap();
        Bytes::from(signature.as_bytes().to_vec())
    };
    let post = |signature: Bytes| IMarket::postForCall {
        job: job.clone(),
        spec: SPEC.into(),
        signature,
    };
    scene.refused(4, &post(sign(2)), now, "BadSignature").await;
    scene
        .refused(4, &post(Bytes::from_static(b"short")), now, "BadSignature")
        .await;
    scene.foretold(4, &post(sign(1)), now).await;
    scene.done(1, &IMarket::revokeCall { nonce: 7 }, now).await;
    scene
        .refused(4, &post(sign(1)), now + 1, "NonceIsRevoked")
        .await;
}

#[tokio::test]
async fn a_list_admits_whom_it_is_foretold_to_admit() {
    let scene = Scene::start().await;
    scene.deposit(1, 40 * TOKEN).await;
    for account in [2, 3] {
        scene.stake(account, 100 * TOKEN).await;
    }
    let leaf = |account: usize| keccak256(keccak256(scene.who[account].abi_encode()));
    let (two, four) = (leaf(2), leaf(4));
    let list = keccak256([two.min(four), two.max(four)].concat());
    let opens = scene.soon().await + 5;
    let mut job = scene.job(opens);
    job.terms.providers = list;
    scene.post(&job).await;
    let claim = |account: usize| IMarket::claimCall {
        job: job.clone(),
        provider: scene.who[account],
        least: 1,
        most: 1,
    };
    let admit = |account: usize, proof: B256| IMarket::admitCall {
        list,
        provider: scene.who[account],
        proof: vec![proof],
    };
    scene.refused(2, &claim(2), opens, "NotAdmitted").await;
    scene.refused(5, &admit(3, four), opens, "NotOnList").await;
    scene.refused(5, &admit(4, two), opens, "NotOnList").await; // no provider yet
    scene.done(5, &admit(2, four), opens).await;
    scene.done(2, &claim(2), opens + 1).await;
    scene.refused(3, &claim(3), opens + 2, "NotAdmitted").await;
    // An operator acts for its provider.
    let operator = IMarket::setOperatorCall {
        operator: scene.who[6],
        allowed: true,
    };
    scene.refused(6, &claim(2), opens + 2, "NotOperator").await;
    scene.done(2, &operator, opens + 2).await;
    let taken = scene.done(6, &claim(2), opens + 3).await;
    assert_eq!(
        taken.cost.unwrap().bond,
        rules::bond_of(&job.price, 1).unwrap()
    );
}

#[tokio::test]
async fn two_chains_are_not_mixed() {
    let scene = Scene::start().await;
    let provider = &scene.devnet.provider;
    let snapshot = provider.anvil_snapshot().await.unwrap();
    scene.deposit(3, TOKEN).await;
    let ahead = scene.predict().await;
    let withdraw = IMarket::withdrawCall {
        to: scene.who[3],
        amount: 2 * TOKEN,
    };
    let at = ahead.next_time();
    let before = ahead.call(scene.who[3], &withdraw, at).await.unwrap();
    assert_eq!(before.refusal().unwrap().name, "InsufficientBalance");
    // Another block takes its place.
    assert!(provider.anvil_revert(snapshot).await.unwrap());
    scene.deposit(4, TOKEN).await;
    assert_eq!(scene.predict().await.block().number, ahead.block().number);
    let error = ahead.call(scene.who[4], &withdraw, at).await.unwrap_err();
    assert!(error.to_string().contains("reorganized"), "{error}");
    let Error::Chain(error) = error else {
        panic!("{error}");
    };
    assert!(error.is_transient());
}

#[tokio::test]
async fn predictions_can_be_made_on_any_thread() {
    let scene = Scene::start().await;
    let (market, me) = (scene.market.clone(), scene.who[1]);
    let predicted = tokio::spawn(async move {
        let ahead = market.predict().await?;
        let job = job(1);
        let posting = ahead.post(&job, ahead.next_time()).await?;
        let revoke = IMarket::revokeCall { nonce: 1 };
        let revoked = ahead.call(me, &revoke, ahead.next_time()).await?;
        Ok::<_, Error>((posting.prediction.is_valid(), revoked.is_valid()))
    });
    assert_eq!(predicted.await.unwrap().unwrap(), (true, true));
}
