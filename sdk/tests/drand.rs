//! Seeds that are drand's rounds, on a real anvil, with a signer of our own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alloy::providers::Provider as _;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use common::{Devnet, Provider, job, ticking};
use piecework::chain::beacon::{Beacon, BeaconKind};
use piecework::chain::drand::{BadSignature, DrandError, EndpointError, PATIENCE};
use piecework::chain::{Contract, IBeacon, IMarket};
use piecework::devnet::{DrandOptions, DrandSigner};
use serde_json::{Value, json};
use url::Url;

/// A signer that has signed for a while, and a chain whose beacon is of its rounds.
async fn scene() -> (DrandSigner, Devnet) {
    let mut options = DrandOptions::now(1);
    options.genesis -= 1_000;
    let signer = DrandSigner::start(&options).await.unwrap();
    let devnet = Devnet::start_on(ticking(), Some(signer.beacon())).await;
    (signer, devnet)
}

async fn beacon(devnet: &Devnet, urls: &[Url]) -> Beacon {
    let beacon = Beacon::probe(devnet.provider.clone(), devnet.market).await;
    beacon.unwrap().with_drand(urls).unwrap()
}

/// A point that is taken now.
async fn point(devnet: &Devnet) -> u64 {
    let contract = Contract::new(devnet.beacon, &devnet.provider);
    contract.ask(IBeacon::pointCall {}).call().await.unwrap()
}

async fn until_due(beacon: &Beacon, point: u64) {
    while !beacon.is_due(point).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// An endpoint that answers so, and counts how often it is asked.
async fn endpoint<F: Future<Output = Response> + Send>(
    answer: impl Fn(u64) -> F + Clone + Send + Sync + 'static,
) -> (Url, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let route = get(move |Path(round): Path<u64>| async move {
        count.fetch_add(1, Ordering::SeqCst);
        answer(round).await
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/public/{round}", route);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url.parse().unwrap(), asked)
}

async fn served(signer: &Url, round: u64) -> Value {
    let answer = reqwest::get(format!("{signer}/public/{round}")).await;
    serde_json::from_slice(&answer.unwrap().bytes().await.unwrap()).unwrap()
}

/// Why an endpoint's answer does not count, for a round.
type Reason = Box<dyn Fn(u64) -> EndpointError>;

/// Endpoints that do not serve the round they are asked for, each in its own way, and what is said of them.
async fn liars(signer: &Url) -> Vec<(Url, Arc<AtomicUsize>, Reason)> {
    let mut liars: Vec<(_, Reason)> = Vec::new();
    let from = signer.clone();
    let other = move |round: u64| {
        let from = from.clone();
        async move { served(&from, round - 1).await.to_string().into_response() }
    };
    liars.push((
        endpoint(other).await,
        Box::new(|round| EndpointError::OtherRound(round - 1)),
    ));
    let from = signer.clone();
    let passed_off = move |round: u64| {
        let from = from.clone();
        async move {
            let mut answer = served(&from, round - 1).await;
            answer["round"] = json!(round);
            answer.to_string().into_response()
        }
    };
    liars.push((
        endpoint(passed_off).await,
        Box::new(|round| EndpointError::Signature(BadSignature::Wrong { round })),
    ));
    let from = signer.clone();
    let unhashed = move |round: u64| {
        let from = from.clone();
        async move {
            let mut answer = served(&from, round).await;
            answer["randomness"] = json!("00".repeat(32));
            answer.to_string().into_response()
        }
    };
    liars.push((
        endpoint(unhashed).await,
        Box::new(|_| EndpointError::Randomness),
    ));
    let chained = |round: u64| async move {
        json!({ "round": round, "signature": "80".repeat(96) })
            .to_string()
            .into_response()
    };
    let length = BadSignature::Length { length: 96 };
    liars.push((
        endpoint(chained).await,
        Box::new(move |_| EndpointError::Signature(length)),
    ));
    // The right answer, with too much behind it.
    let from = signer.clone();
    let long = move |round: u64| {
        let from = from.clone();
        async move {
            let answer = served(&from, round).await;
            format!("{answer}{}", " ".repeat(4_096)).into_response()
        }
    };
    liars.push((endpoint(long).await, Box::new(|_| EndpointError::TooLong)));
    // The right answer, elsewhere.
    let from = signer.clone();
    let moved = move |round: u64| {
        let to = format!("{from}/public/{round}");
        async move { Redirect::temporary(&to).into_response() }
    };
    liars.push((
        endpoint(moved).await,
        Box::new(|_| EndpointError::Status(307)),
    ));
    let broken = |_| async { StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    liars.push((
        endpoint(broken).await,
        Box::new(|_| EndpointError::Status(500)),
    ));
    let garbage = |_| async { "{\"round\": 1\u{1b}".into_response() };
    liars.push((
        endpoint(garbage).await,
        Box::new(|_| EndpointError::Malformed(String::new())),
    ));
    let silent = |_| std::future::pending::<Response>();
    liars.push((
        endpoint(silent).await,
        Box::new(|_| {
            EndpointError::Unreachable(format!("nothing came within {} s", PATIENCE.as_secs()))
        }),
    ));
    liars
        .into_iter()
        .map(|((url, asked), reason)| (url, asked, reason))
        .collect()
}

#[tokio::test]
async fn a_round_that_is_not_right_is_refused_and_the_next_endpoint_asked() {
    let (signer, devnet) = scene().await;
    let right = signer.url().unwrap();
    let liars = liars(&right).await;
    let mut urls: Vec<Url> = liars.iter().map(|(url, ..)| url.clone()).collect();

    // Liars alone: nothing is sent, and each is named with its reason.
    let alone = beacon(&devnet, &urls).await;
    assert_eq!(
        (alone.kind(), alone.can_publish()),
        (BeaconKind::Drand, true)
    );
    let wanted = point(&devnet).await;
    until_due(&alone, wanted).await;
    let started = Instant::now();
    let error = alone.publication(wanted).await.unwrap_err();
    assert!(started.elapsed() < PATIENCE * 2, "{:?}", started.elapsed());
    assert_eq!(
        (error.code(), error.is_transient()),
        ("drand-unavailable", true)
    );
    let piecework::chain::ChainError::Drand(DrandError::Unavailable { round, refusals }) = error
    else {
        panic!("{error}");
    };
    assert_eq!((round, refusals.len()), (wanted, liars.len()));
    for (refusal, (url, asked, reason)) in refusals.iter().zip(&liars) {
        assert!(url.as_str().starts_with(&refusal.endpoint), "{refusal}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{refusal}");
        match (&refusal.reason, reason(wanted)) {
            (EndpointError::Malformed(_), EndpointError::Malformed(_)) => {}
            (given, expected) => assert_eq!(*given, expected),
        }
    }
    let text = refusals[7].to_string();
    assert!(
        text.contains("not a round") && !text.contains('\u{1b}'),
        "{text}"
    );

    // They are left alone for a while.
    assert!(!alone.is_due(wanted).await.unwrap());
    assert_eq!(alone.publication(wanted).await.unwrap(), None);
    assert_eq!(liars[0].1.load(Ordering::SeqCst), 1);

    // With one behind them that is right, its round is published.
    urls.push(right);
    let beacon = beacon(&devnet, &urls).await;
    let publication = beacon.publication(wanted).await.unwrap().unwrap();
    assert_eq!(publication.to, devnet.beacon);
    assert_eq!(beacon.seed(wanted).await.unwrap(), None);
    let sender = devnet.sender(1);
    sender.send("publish", publication.into()).await.unwrap();
    let seed = beacon.seed(wanted).await.unwrap().unwrap();
    let randomness = served(urls.last().unwrap(), wanted).await["randomness"].clone();
    assert_eq!(
        format!("0x{}", randomness.as_str().unwrap()),
        seed.to_string()
    );
    assert_eq!(
        beacon.publication(wanted).await.unwrap(),
        None,
        "it is there"
    );

    // The one that answered is asked first from then on.
    let asked = || {
        liars
            .iter()
            .map(|liar| liar.1.load(Ordering::SeqCst))
            .sum::<usize>()
    };
    let before = asked();
    let next = point(&devnet).await;
    until_due(&beacon, next).await;
    assert!(beacon.publication(next).await.unwrap().is_some());
    assert_eq!(asked(), before);
}

#[tokio::test]
async fn no_round_is_fetched_before_its_time() {
    let mut options = DrandOptions::now(1);
    options.genesis += 1_000;
    let signer = DrandSigner::start(&options).await.unwrap();
    let devnet = Devnet::start_on(ticking(), Some(signer.beacon())).await;
    let (url, asked) = endpoint(|_| async { StatusCode::NOT_FOUND.into_response() }).await;
    let beacon = beacon(&devnet, &[url]).await;
    let point = point(&devnet).await;
    assert_eq!(beacon.time_of(point).await.unwrap(), options.genesis);
    assert_eq!(beacon.publication(point).await.unwrap(), None);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // The signer does not give it away either.
    for (round, status) in [("1", 425), ("latest", 404), ("0", 404), ("x", 400)] {
        let url = format!("{}/public/{round}", signer.url().unwrap());
        assert_eq!(reqwest::get(url).await.unwrap().status(), status, "{round}");
    }
}

#[tokio::test]
async fn the_signer_serves_what_drand_serves() {
    let (signer, _devnet) = scene().await;
    let url = signer.url().unwrap();
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", &url[..url::Position::BeforePath])).await;
        serde_json::from_slice::<Value>(&answer.unwrap().bytes().await.unwrap()).unwrap()
    };
    let info = get("/info").await;
    assert_eq!(info["schemeID"], "bls-unchained-g1-rfc9380");
    assert_eq!(get(&format!("{}/info", url.path())).await, info);
    assert_eq!(url.path(), format!("/{}", info["hash"].as_str().unwrap()));
    let latest = get("/public/latest").await;
    let round = latest["round"].as_u64().unwrap();
    assert!((1_000..1_100).contains(&round), "{round}");
    assert_eq!(get(&format!("/public/{round}")).await, latest);
}

#[tokio::test]
async fn a_waiting_client_publishes_what_drand_signs_and_nothing_while_it_is_gone() {
    let (mut signer, devnet) = scene().await;
    let mut config = devnet.config(1);
    config.drand_urls = vec![signer.url().unwrap()];
    let client = piecework::Market::connect(config).await.unwrap();
    for account in [2, 3, 4] {
        Provider::start(&devnet, account).await;
    }
    let run = client.submit(job(4).redundant(3, 2)).await.unwrap();
    signer.stop().await;
    let beacon = client.beacon().await.unwrap();
    let contract = client.contract();
    let point = contract
        .ask(IMarket::jobOfCall { jobId: run.id() })
        .call()
        .await
        .unwrap()
        .point;
    let account = client.account().unwrap();
    let sent = async || {
        devnet
            .provider
            .get_transaction_count(account)
            .await
            .unwrap()
    };
    let before = sent().await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(7) {
        run.upkeep().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // It was tried. Between two pauses the reason is told.
    let error = loop {
        match run.publish_seed(point).await {
            Ok(None) => tokio::time::sleep(Duration::from_millis(200)).await,
            Ok(Some(receipt)) => panic!("{receipt:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "drand-unavailable", "{error}");
    assert_eq!(
        (sent().await, beacon.seed(point).await.unwrap()),
        (before, None)
    );

    signer.resume().await.unwrap();
    let started = Instant::now();
    while beacon.seed(point).await.unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(30));
        run.upkeep().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(sent().await, before + 1);
}
