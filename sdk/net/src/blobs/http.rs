//! Blobs over plain HTTP: `GET /v1/blobs/<digest>`, taken from strangers and given to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{StreamExt, TryStreamExt};
use piecework_core::digest::Digest;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::address::is_public;
use super::{BlobError, BlobSource, BlobStream, DirStore};

/// How blobs may be asked for over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPolicy {
    /// Whether loopback, private and other addresses that are not on the public internet may be
    /// asked. A spec's sources are a stranger's: false, but on a devnet.
    pub allow_private: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the next bytes.
    pub idle_timeout: Duration,
    /// Longest time for one blob.
    pub total_timeout: Duration,
}

impl Default for HttpPolicy {
    /// Public addresses only; 5 seconds, 15 seconds, one hour.
    fn default() -> Self {
        Self {
            allow_private: false,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            total_timeout: Duration::from_secs(3600),
        }
    }
}

/// Makes [`HttpSource`]s that share connections and a policy. No redirects, no proxies.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    allow_private: bool,
}

impl HttpClient {
    /// A client under this policy.
    ///
    /// # Errors
    /// [`BlobError::Unreachable`] if TLS cannot be set up on this machine.
    pub fn new(policy: &HttpPolicy) -> Result<Self, BlobError> {
        let allow_private = policy.allow_private;
        let client = reqwest::Client::builder()
            .connect_timeout(policy.connect_timeout)
            .read_timeout(policy.idle_timeout)
            .timeout(policy.total_timeout)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(GuardedResolver { allow_private }))
            .user_agent(concat!("piecework/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unreachable("HTTP", &error))?;
        Ok(Self {
            client,
            allow_private,
        })
    }

    /// The blobs below this base URL, at `<base>/v1/blobs/<digest>`.
    ///
    /// # Errors
    /// [`BlobError::Forbidden`] if the policy refuses it, or it is not an HTTP URL.
    pub fn source(&self, base: &Url) -> Result<HttpSource, BlobError> {
        let forbidden = |problem| BlobError::Forbidden {
            origin: base.to_string(),
            problem,
        };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(forbidden("neither http nor https"));
        }
        // A literal address is never resolved, so the resolver does not see it.
        let public = match base.host() {
            Some(Host::Ipv4(address)) => is_public(address.into()),
            Some(Host::Ipv6(address)) => is_public(address.into()),
            Some(Host::Domain(_)) => true,
            None => return Err(forbidden("it names no host")),
        };
        if !public && !self.allow_private {
            return Err(forbidden(PRIVATE));
        }
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        Ok(HttpSource {
            client: self.client.clone(),
            base,
            headers: HeaderMap::new(),
        })
    }
}

/// The blobs that an HTTP server gives.
#[derive(Debug, Clone)]
pub struct HttpSource {
    client: reqwest::Client,
    base: Url,
    headers: HeaderMap,
}

impl HttpSource {
    /// Sends these headers with every request. What is no header is left out.
    pub fn with_headers(mut self, headers: &[(&'static str, String)]) -> Self {
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                self.headers.insert(*name, value);
            }
        }
        self
    }

    fn url_of(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}/{path}",
            self.base.path().trim_end_matches('/')
        ));
        url
    }

    /// The first bytes, at most `max`, of what the server says at `<base>/<path>`. Nobody verifies
    /// them.
    ///
    /// # Errors
    /// [`BlobError`]; also if it takes longer than `limit`.
    pub async fn unverified(
        &self,
        path: &str,
        max: usize,
        limit: Duration,
    ) -> Result<Vec<u8>, BlobError> {
        let name = self.name();
        let request = self.client.get(self.url_of(path)).timeout(limit);
        let request = request.headers(self.headers.clone());
        let answer = request
            .send()
            .await
            .map_err(|error| failed(&name, &error))?;
        if answer.status() != reqwest::StatusCode::OK {
            let status = answer.status().as_u16();
            return Err(BlobError::Refused {
                origin: name,
                status,
            });
        }
        let mut stream = answer.bytes_stream();
        let mut bytes = Vec::new();
        while bytes.len() < max
            && let Some(chunk) = stream
                .try_next()
                .await
                .map_err(|error| failed(&name, &error))?
        {
            bytes.extend(chunk.iter().take(max - bytes.len()));
        }
        Ok(bytes)
    }
}

#[async_trait]
impl BlobSource for HttpSource {
    async fn open(&self, digest: Digest) -> Result<BlobStream, BlobError> {
        let name = self.name();
        let response = self
            .client
            .get(self.url_of(&format!("v1/blobs/{digest}")))
            .headers(self.headers.clone())
            .send()
            .await;
        let response = response.map_err(|error| failed(&name, &error))?;
        match response.status() {
            reqwest::StatusCode::OK => {}
            reqwest::StatusCode::NOT_FOUND => {
                return Err(BlobError::NotFound {
                    origin: name,
                    digest,
                });
            }
            status => {
                return Err(BlobError::Refused {
                    origin: name,
                    status: status.as_u16(),
                });
            }
        }
        let size = response.content_length();
        let bytes = response
            .bytes_stream()
            .map_err(move |error| failed(&name, &error))
            .boxed();
        Ok(BlobStream { size, bytes })
    }

    fn name(&self) -> String {
        self.base.to_string()
    }
}

/// Resolves names and refuses addresses that are not public. The connection goes to an address
/// that was checked here, so a name that changes its address in between gains nothing.
#[derive(Debug)]
struct GuardedResolver {
    allow_private: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if !allow_private && found.iter().any(|address| !is_public(address.ip())) {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

const PRIVATE: &str = "its address is not on the public internet (only `allow_private_sources` \
                       lets such addresses be asked, for a devnet)";

#[derive(Debug, thiserror::Error)]
#[error("{PRIVATE}")]
struct PrivateAddress;

fn failed(origin: &str, error: &reqwest::Error) -> BlobError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.is::<PrivateAddress>() {
            return BlobError::Forbidden {
                origin: origin.into(),
                problem: PRIVATE,
            };
        }
        cause = current.source();
    }
    unreachable(origin, error)
}

/// The innermost cause says most; the outer ones repeat the URL.
fn unreachable(origin: &str, error: &reqwest::Error) -> BlobError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    BlobError::Unreachable {
        origin: origin.into(),
        problem: cause.to_string(),
    }
}

/// Serves a store: `GET` and `HEAD /v1/blobs/<digest>`, 404 for everything it does not have.
pub fn blob_router(store: DirStore) -> Router {
    Router::new()
        .route("/v1/blobs/{digest}", get(serve))
        .with_state(store)
}

async fn serve(State(store): State<DirStore>, Path(name): Path<String>) -> Response {
    let Ok(digest) = name.parse::<Digest>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match BlobSource::open(&store, digest).await {
        Ok(stream) => {
            let size = stream.size.unwrap_or_default();
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_LENGTH, size.to_string()),
                (
                    header::CACHE_CONTROL,
                    "public, max-age=31536000, immutable".to_owned(),
                ),
                (header::ETAG, format!("\"{digest}\"")),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            ];
            (headers, Body::from_stream(stream.bytes)).into_response()
        }
        Err(BlobError::NotFound { .. }) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(%digest, code = error.code(), %error, "cannot serve a blob");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
