//! A client that signs and sends nothing, and a relayer that pays the gas: against a real anvil.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use alloy::providers::ext::AnvilApi as _;
use common::{Devnet, FUNDS, Provider, TOKEN, job};
use piecework::chain::IMarket::{Grade, IMarketErrors, Phase};
use piecework::chain::{ChainError, IMarket};
use piecework::market::{MarketConfig, SignedJob};
use piecework::{Error, Market};

/// A client whose money is in its balance, and that has nothing for gas.
async fn without_gas(devnet: &Devnet, tokens: u128) -> Market {
    let client = devnet.market(1).await;
    client.deposit(tokens).await.unwrap();
    let account = client.account().unwrap();
    devnet
        .provider
        .anvil_set_balance(account, U256::ZERO)
        .await
        .unwrap();
    client
}

fn refusal(error: &Error) -> &IMarketErrors {
    let Error::Chain(ChainError::Reverted { revert, tx: None }) = error else {
        panic!("{error}")
    };
    revert.market.as_deref().unwrap()
}

async fn gas_coin(devnet: &Devnet, account: Address) -> U256 {
    devnet.provider.get_balance(account).await.unwrap()
}

#[tokio::test]
async fn a_client_without_gas_posts_and_cancels_by_signature() {
    let devnet = Devnet::start().await;
    let client = without_gas(&devnet, 10 * TOKEN).await;
    let provider = Provider::start(&devnet, 2).await;
    let relayer = devnet.market(3).await;

    let signed = client.sign(job(4).max_lease(2)).await.unwrap();
    let expected = client
        .contract()
        .ask(IMarket::hashJobCall {
            job: signed.job.clone(),
        })
        .call()
        .await;
    assert_eq!(client.job_id(&signed.job), expected.unwrap());

    // It travels as JSON.
    let text = serde_json::to_string(&signed).unwrap();
    let travelled: SignedJob = serde_json::from_str(&text).unwrap();
    let run = relayer.post_for(&travelled).await.unwrap();
    assert_eq!(run.id(), client.job_id(&signed.job));
    assert_eq!(run.job().terms.client, client.account().unwrap());
    let error = relayer.post_for(&signed).await.unwrap_err();
    assert!(matches!(refusal(&error), IMarketErrors::JobExists(_)));

    provider.work(&run, 2).await;
    let own = client.attach(run.id()).await.unwrap();
    let lease = run.status().await.unwrap().leases[&0].clone();
    assert_eq!(
        (lease.phase, lease.grade),
        (Phase::Settled, Grade::Unaudited)
    );

    let forged = relayer.attach(run.id()).await.unwrap();
    let error = run.cancel_for(forged.sign_cancel().unwrap()).await;
    assert!(matches!(
        refusal(&error.unwrap_err()),
        IMarketErrors::BadSignature(_)
    ));
    // What was signed for one job is nothing for another one.
    let other = client.sign(job(1)).await.unwrap();
    let error = run.cancel_for(other.signature).await.unwrap_err();
    assert!(matches!(refusal(&error), IMarketErrors::BadSignature(_)));
    run.cancel_for(own.sign_cancel().unwrap()).await.unwrap();
    let view = run.status().await.unwrap();
    assert!(view.cancelled && view.is_over());
    let money = view.money();
    assert_eq!(
        (money.paid, money.fee, money.refunded),
        (2 * TOKEN, 0, 2 * TOKEN)
    );

    let account = client.account().unwrap();
    assert_eq!(gas_coin(&devnet, account).await, U256::ZERO);
    let balances = client.balances(account).await.unwrap();
    assert_eq!(
        (balances.balance, balances.wallet),
        (8 * TOKEN, FUNDS - 10 * TOKEN)
    );
}

#[tokio::test]
async fn what_was_revoked_changed_or_is_not_covered_is_not_posted() {
    let devnet = Devnet::start().await;
    let client = devnet.market(1).await;
    let relayer = devnet.market(3).await;

    // Nothing is deposited for a client that signs: the balance must cover it.
    let error = client.sign(job(1)).await.unwrap_err();
    assert!(
        matches!(error, Error::InsufficientFunds { balance: 0, need, .. } if need == TOKEN),
        "{error}"
    );
    client.deposit(5 * TOKEN).await.unwrap();

    let signed = client.sign(job(2).nonce(9)).await.unwrap();
    let mut dearer = signed.clone();
    dearer.job.price.maxPrice += 1;
    let error = relayer.post_for(&dearer).await.unwrap_err();
    assert!(matches!(refusal(&error), IMarketErrors::BadSignature(_)));
    client.revoke(9).await.unwrap();
    let error = relayer.post_for(&signed).await.unwrap_err();
    assert!(matches!(refusal(&error), IMarketErrors::NonceIsRevoked(_)));
    let ledger = client.balances(client.account().unwrap()).await.unwrap();
    assert_eq!(ledger.balance, 5 * TOKEN);

    // A wallet that signs transactions only says so.
    let wallet = EthereumWallet::new(devnet.anvil.key(1).unwrap());
    let config = MarketConfig::new(devnet.anvil.url(), devnet.market).wallet(wallet);
    let blind = Market::connect(config).await.unwrap();
    let error = blind.sign_job(&signed.job).unwrap_err();
    assert_eq!(error.code(), "cannot-sign");
    let reader = Market::connect(MarketConfig::new(devnet.anvil.url(), devnet.market));
    let error = reader.await.unwrap().sign_job(&signed.job).unwrap_err();
    assert_eq!(error.code(), "no-key");
}
