//! Outputs that are not final are served to the job's client only: against a server that asks for its signature.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use common::{Devnet, Provider, audited, job, ticking};
use piecework::Market;
use piecework::blobs::blob_router;
use piecework::chain::IMarket;
use piecework::market::MarketConfig;
use piecework::market::fetch_auth::{FetchHeaders, FetchRequest};

/// What a provider knows of itself and of the one client that it serves.
#[derive(Clone)]
struct Guard {
    chain_id: u64,
    market: Address,
    node_id: B256,
    client: Address,
}

async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let allowed = FetchHeaders::read(request.headers()).is_some_and(|headers| {
        let asked = FetchRequest {
            chain_id: guard.chain_id,
            market: guard.market,
            job_id: headers.job_id,
            first: headers.first,
            node_id: guard.node_id,
            expires_at: headers.expires_at,
        };
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        asked.is_current(now) && asked.verify(&headers.signature, guard.client)
    });
    if allowed {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

/// Puts the provider's blobs behind a server that serves one client only.
async fn guard(devnet: &Devnet, provider: &Provider, client: Address) {
    let node_id = B256::repeat_byte(0x77);
    let guard = Guard {
        chain_id: provider.market.chain_id(),
        market: devnet.market,
        node_id,
        client,
    };
    let router = blob_router(provider.store.clone()).layer(from_fn_with_state(guard, guarded));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let profile = IMarket::setProfileCall {
        nodeId: node_id,
        capabilities: B256::ZERO,
        endpoint,
    };
    provider.call(&profile).await.unwrap();
}

#[tokio::test]
async fn only_the_client_fetches_a_result_that_is_not_final() {
    let devnet = Devnet::start_with(ticking()).await;
    let client = devnet.market(1).await;
    let provider = Provider::start(&devnet, 2).await;
    guard(&devnet, &provider, client.account().unwrap()).await;
    let run = client.submit(audited(2)).await.unwrap();
    provider.work(&run, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let own = run.fetch_task(1, dir.path().join("own")).await.unwrap();
    assert_eq!(own.task, 1);
    for stranger in [
        devnet.config(3),
        MarketConfig::new(devnet.anvil.url(), devnet.market),
    ] {
        let market = Market::connect(stranger).await.unwrap();
        let theirs = market.attach(run.id()).await.unwrap();
        let error = theirs.fetch_task(1, dir.path().join("theirs")).await;
        let error = error.unwrap_err();
        assert_eq!(error.code(), "download-refused", "{error}");
        assert!(error.to_string().contains("403"), "{error}");
    }
}

#[tokio::test]
async fn a_fetch_key_stands_for_a_wallet_that_cannot_sign_requests() {
    let devnet = Devnet::start().await;
    let provider = Provider::start(&devnet, 2).await;
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(9)).unwrap();
    guard(&devnet, &provider, key.address()).await;
    let wallet = alloy::network::EthereumWallet::new(devnet.anvil.key(1).unwrap());
    let config = || MarketConfig::new(devnet.anvil.url(), devnet.market).wallet(wallet.clone());
    let config_with_key = MarketConfig {
        fetch_key: Some(key.clone()),
        ..config()
    };
    let client = Market::connect(config_with_key).await.unwrap();
    let run = client.submit(job(1)).await.unwrap();
    assert_eq!(run.spec().fetch_key, Some(key.address()));
    provider.work(&run, 1).await;
    let dir = tempfile::tempdir().unwrap();
    run.fetch_task(0, dir.path().join("own")).await.unwrap();
    // The same wallet without the key has nothing to show.
    let blind = Market::connect(config()).await.unwrap();
    let blind = blind.attach(run.id()).await.unwrap();
    let error = blind.fetch_task(0, dir.path().join("blind")).await;
    assert!(error.unwrap_err().to_string().contains("403"));
}
