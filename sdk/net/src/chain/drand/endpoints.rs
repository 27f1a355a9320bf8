//! HTTP endpoints that serve the rounds of one drand chain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use url::Url;

use super::{BadSignature, GroupKey, RoundSignature};
use crate::chain::error::{MAX_WORDS, innermost};
use crate::terminal::line;

/// How long one endpoint may take for one round.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of an answer. drand's have about 250.
const MAX_BODY: usize = 4_096;
/// After no endpoint had a round, none is asked for this long. Each further failure in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where quicknet is served. The path is the hash of the chain: these endpoints serve several.
const QUICKNET: [&str; 4] = [
    "https://api.drand.sh/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "https://api2.drand.sh/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "https://api3.drand.sh/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "https://drand.cloudflare.com/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
];

/// Why there is no round.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrandError {
    /// No endpoint had the round, or had the right one.
    #[error("no drand endpoint has round {round}: {}. Nothing was sent; the endpoints are asked again later", list(.refusals))]
    Unavailable {
        /// The round.
        round: u64,
        /// Each endpoint that was asked, and why its answer does not count.
        refusals: Vec<Refusal>,
    },
    /// The URL of an endpoint cannot be used.
    #[error("{url:?} is no http(s) URL of a drand endpoint: {reason}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be made on this machine.
    #[error("no HTTP client for drand's endpoints: {reason}")]
    Client {
        /// What the library said.
        reason: String,
    },
}

impl DrandError {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "drand-unavailable",
            Self::BadUrl { .. } => "drand-bad-url",
            Self::Client { .. } => "drand-client",
        }
    }
}

/// An endpoint's answer that does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{endpoint}: {reason}")]
pub struct Refusal {
    /// The endpoint, without path and credentials.
    pub endpoint: String,
    /// Why.
    pub reason: EndpointError,
}

fn list(refusals: &[Refusal]) -> String {
    let texts: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Why an endpoint's answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It does not answer, or not in time.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// It answers with another status than 200. drand says 404 or 425 of a round that is not signed yet.
    #[error("it answers with HTTP status {0}")]
    Status(u16),
    /// It sends more than a round has.
    #[error("its answer is longer than {MAX_BODY} bytes")]
    TooLong,
    /// Its answer is not a round in JSON.
    #[error("its answer is not a round: {0}")]
    Malformed(String),
    /// It serves another round than the one that was asked for.
    #[error("it answers with round {0}")]
    OtherRound(u64),
    /// The signature is not the group's on this round.
    #[error("{0}")]
    Signature(#[from] BadSignature),
    /// The randomness that it names is not that of the signature.
    #[error("its randomness is not the hash of its signature")]
    Randomness,
}

/// A round as drand serves it. Members that other versions of drand add are passed over: what counts is signed.
#[derive(Debug, Deserialize)]
struct Round {
    round: u64,
    signature: String,
    randomness: Option<String>,
}

/// The endpoints of one drand chain, and its group's key. Clones share the pause after failures.
#[derive(Debug, Clone)]
pub struct Endpoints {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    key: GroupKey,
    urls: Vec<Url>,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Index of the endpoint that answered last.
    preferred: usize,
    /// Failures in a row.
    failures: u32,
    paused_until: Option<Instant>,
}

impl Endpoints {
    /// The endpoints at these base URLs, at which `<url>/public/<round>` is served. A URL of an endpoint that serves several
    /// chains ends with the hash of the chain. Without URLs: drand's own endpoints if the key is quicknet's, none otherwise.
    ///
    /// # Errors
    /// [`DrandError::BadUrl`], [`DrandError::Client`].
    pub fn new(key: GroupKey, urls: &[Url]) -> Result<Self, DrandError> {
        let is_quicknet = GroupKey::quicknet().is_ok_and(|known| known == key);
        let urls = match (urls, is_quicknet) {
            ([], true) => QUICKNET
                .iter()
                .map(|url| url.parse().map_err(|error| bad_url(url, error)))
                .collect::<Result<_, _>>()?,
            (urls, _) => urls.to_vec(),
        };
        urls.iter().try_for_each(Self::check)?;
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("piecework/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| DrandError::Client {
                reason: innermost(&error),
            })?;
        let state = Mutex::default();
        let inner = Arc::new(Inner {
            key,
            urls,
            http,
            state,
        });
        Ok(Self { inner })
    }

    /// Checks that a URL can be the base URL of an endpoint.
    ///
    /// # Errors
    /// [`DrandError::BadUrl`].
    pub fn check(url: &Url) -> Result<(), DrandError> {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(bad_url(url.as_str(), "it is neither http:// nor https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad_url(
                url.as_str(),
                "the path of a round is added to it, so it must end with its path",
            ));
        }
        Ok(())
    }

    /// The group's key.
    pub fn key(&self) -> GroupKey {
        self.inner.key
    }

    /// The base URLs.
    pub fn urls(&self) -> &[Url] {
        &self.inner.urls
    }

    /// Whether the endpoints failed a short while ago, and are to be left alone now.
    pub fn is_paused(&self) -> bool {
        let until = self.state(|state| state.paused_until);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Fetches a round and checks it, from the endpoint that answered last first. Each has [`PATIENCE`].
    ///
    /// # Errors
    /// [`DrandError::Unavailable`] with each endpoint's reason. The endpoints are paused then.
    pub async fn round(&self, round: u64) -> Result<RoundSignature, DrandError> {
        let urls = self.urls();
        let preferred = self.state(|state| state.preferred);
        let mut refusals = Vec::new();
        let order = urls.iter().enumerate().cycle().skip(preferred);
        for (index, url) in order.take(urls.len()) {
            match self.ask(url, round).await {
                Ok(signature) => {
                    self.state(|state| {
                        *state = State {
                            preferred: index,
                            ..State::default()
                        }
                    });
                    return Ok(signature);
                }
                Err(reason) => {
                    let endpoint = url.origin().ascii_serialization();
                    tracing::debug!(endpoint, round, %reason, "a drand endpoint's answer does not count");
                    refusals.push(Refusal { endpoint, reason });
                }
            }
        }
        self.state(|state| {
            let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(16));
            state.failures = state.failures.saturating_add(1);
            state.paused_until = Some(Instant::now() + pause.min(LONGEST_PAUSE));
        });
        Err(DrandError::Unavailable { round, refusals })
    }

    async fn ask(&self, base: &Url, round: u64) -> Result<RoundSignature, EndpointError> {
        let unreachable = |error: reqwest::Error| {
            EndpointError::Unreachable(match error.is_timeout() {
                true => format!("nothing came within {} s", PATIENCE.as_secs()),
                false => innermost(&error),
            })
        };
        let url = format!("{}/public/{round}", base.as_str().trim_end_matches('/'));
        let sent = self.inner.http.get(url).send().await;
        let mut response = sent.map_err(unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(EndpointError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len().saturating_add(chunk.len()) > MAX_BODY {
                return Err(EndpointError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        self.read(round, &body)
    }

    fn read(&self, round: u64, body: &[u8]) -> Result<RoundSignature, EndpointError> {
        let malformed = |error: String| EndpointError::Malformed(line(&error, MAX_WORDS));
        let answer: Round =
            serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
        if answer.round != round {
            return Err(EndpointError::OtherRound(answer.round));
        }
        let bytes = hex::decode(&answer.signature)
            .map_err(|error| malformed(format!("its signature: {error}")))?;
        let signature = self.inner.key.verify(round, &bytes)?;
        if let Some(randomness) = &answer.randomness {
            let randomness = hex::decode(randomness)
                .map_err(|error| malformed(format!("its randomness: {error}")))?;
            if randomness != signature.randomness().as_slice() {
                return Err(EndpointError::Randomness);
            }
        }
        Ok(signature)
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let state = self.inner.state.lock();
        with(&mut state.unwrap_or_else(PoisonError::into_inner))
    }
}

fn bad_url(url: &str, reason: impl std::fmt::Display) -> DrandError {
    DrandError::BadUrl {
        url: url.to_owned(),
        reason: reason.to_string(),
    }
}
