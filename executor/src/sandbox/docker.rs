//! Docker behind [`ContainerEngine`], by the crates docker-api and containers-api.
//!
//! docker-api's own builder cannot express the hardened profile, its demultiplexer trusts lengths
//! and panics, and its connections are not kept; so what it does well (start, kill, wait, remove)
//! goes through it, and the rest through the transport it stands on.

use std::{
    collections::BTreeSet,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use async_trait::async_trait;
use backon::{ConstantBuilder, Retryable};
use containers_api::{
    conn::{
        Payload, RequestClient, Transport, get_unix_connector,
        hyper::{Body, Client, Response, StatusCode},
    },
    url::encoded_pair,
};
use docker_api::{ApiVersion, Container, Docker, Error, opts::ContainerRemoveOpts};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;

use super::{
    engine::{
        Attached, ByteStream, ContainerEngine, ContainerState, EngineError, EngineFacts,
        EngineResult, ImageFacts, Limit, VolumeRequest,
    },
    facts::{InfoAnswer, VersionAnswer, has_swap},
    profile::CreateRequest,
};

/// The oldest API with everything the profile needs.
const OLDEST: usize = 41;
/// The newest API that this code was written against.
const NEWEST: usize = 43;
/// No answer that is read whole may be longer.
const MAX_ANSWER: usize = 4 << 20;
const CALL: Duration = Duration::from_secs(60);
const LOAD: Duration = Duration::from_secs(900);
/// Longest silence within a stream of output files.
const STALL: Duration = Duration::from_secs(60);

/// A Docker engine (or one that speaks its API) on a Unix socket.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    socket: PathBuf,
    prefix: String,
    docker: Docker,
    client: RequestClient<Error>,
}

impl DockerEngine {
    /// Connects to `unix:///path` and agrees on an API version.
    ///
    /// # Errors
    /// [`EngineError::Address`], [`EngineError::Unreachable`], [`EngineError::Version`].
    pub async fn connect(address: &str) -> EngineResult<Self> {
        let socket = match address.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            None if address.starts_with('/') => PathBuf::from(address),
            _ => return Err(EngineError::Address(address.to_owned())),
        };
        let client = RequestClient::new(
            Transport::Unix {
                client: Client::builder().build(get_unix_connector()),
                path: socket.clone(),
            },
            Box::new(validate),
        );
        let mut engine = Self {
            docker: Docker::unix(&socket),
            prefix: String::new(),
            socket,
            client,
        };
        let version: VersionAnswer = engine.get_json("tell its version", "/version").await?;
        let minor = agree(&version).ok_or_else(|| EngineError::Version {
            server: version.api_version.clone(),
            minimum: version.min_api_version.clone(),
        })?;
        engine.prefix = format!("/v1.{minor}");
        engine.docker =
            Docker::unix_versioned(&engine.socket, ApiVersion::new(1, Some(minor), None));
        Ok(engine)
    }

    /// The API version agreed on, like `/v1.43`.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.prefix
    }

    fn fault(&self, what: &'static str, error: Error) -> EngineError {
        match error {
            Error::Fault { code, message } if code == StatusCode::NOT_FOUND => {
                EngineError::NotFound { what, message }
            }
            Error::Fault { code, message } => EngineError::Refused {
                what,
                status: code.as_u16(),
                message,
            },
            Error::Hyper(error) if error.is_connect() => self.unreachable(&error),
            Error::Error(containers_api::conn::Error::Hyper(error)) if error.is_connect() => {
                self.unreachable(&error)
            }
            other => EngineError::Protocol {
                what,
                message: other.to_string(),
            },
        }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> EngineError {
        let mut cause = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        EngineError::Unreachable {
            socket: self.socket.display().to_string(),
            reason: cause.to_string(),
        }
    }

    /// Bounds a call in time and turns its error into ours.
    async fn call<T>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> EngineResult<T> {
        match timeout(limit, call).await {
            Ok(result) => result.map_err(|error| self.fault(what, error)),
            Err(_) => Err(EngineError::TimedOut {
                what,
                seconds: limit.as_secs(),
            }),
        }
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> EngineResult<T> {
        let path = format!("{}{path}", self.prefix);
        let bytes = self
            .call(what, CALL, async {
                read_bounded(self.client.get(&path).await?, MAX_ANSWER).await
            })
            .await?;
        parse(what, &bytes)
    }

    async fn post_json(
        &self,
        what: &'static str,
        path: &str,
        body: &impl serde::Serialize,
    ) -> EngineResult<Vec<u8>> {
        let path = format!("{}{path}", self.prefix);
        let body = serde_json::to_vec(body).map_err(|error| EngineError::Protocol {
            what,
            message: error.to_string(),
        })?;
        self.call(what, CALL, async {
            let answer = self.client.post(&path, Payload::Json(body), None).await?;
            read_bounded(answer, MAX_ANSWER).await
        })
        .await
    }

    /// Posts and reads a stream of JSON lines to its end; an `error` line is a refusal, for the
    /// engine has already answered 200 when it starts to load or pull.
    async fn post_progress(
        &self,
        what: &'static str,
        path: &str,
        body: Payload<Body>,
    ) -> EngineResult<()> {
        #[derive(Deserialize)]
        struct Line {
            error: Option<String>,
        }
        let path = format!("{}{path}", self.prefix);
        let bytes = self
            .call(what, LOAD, async {
                read_bounded(self.client.post(&path, body, None).await?, MAX_ANSWER).await
            })
            .await?;
        for line in serde_json::Deserializer::from_slice(&bytes).into_iter::<Line>() {
            match line {
                Ok(Line { error: None }) => {}
                Ok(Line {
                    error: Some(message),
                }) => {
                    return Err(EngineError::Refused {
                        what,
                        status: 200,
                        message,
                    });
                }
                Err(error) => {
                    return Err(EngineError::Protocol {
                        what,
                        message: error.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    fn container(&self, name: &str) -> Container {
        Container::new(self.docker.clone(), name)
    }
}

#[async_trait]
impl ContainerEngine for DockerEngine {
    async fn facts(&self) -> EngineResult<EngineFacts> {
        let version: VersionAnswer = self.get_json("tell its version", "/version").await?;
        let info: InfoAnswer = self.get_json("tell about itself", "/info").await?;
        Ok(EngineFacts::new(version, info, has_swap()))
    }

    async fn image(&self, reference: &str) -> EngineResult<Option<ImageFacts>> {
        let path = format!("/images/{reference}/json");
        match self.get_json("inspect an image", &path).await {
            Ok(facts) => Ok(Some(facts)),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn load_image(&self, archive: &Path) -> EngineResult<()> {
        const WHAT: &str = "load an image";
        let file = tokio::fs::File::open(archive)
            .await
            .map_err(|error| EngineError::Protocol {
                what: WHAT,
                message: format!("{}: {error}", archive.display()),
            })?;
        let body = Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(file, 1 << 18));
        self.post_progress(WHAT, "/images/load?quiet=1", Payload::XTar(body))
            .await
    }

    async fn pull_image(&self, reference: &str) -> EngineResult<()> {
        let path = format!("/images/create?{}", encoded_pair("fromImage", reference));
        self.post_progress("pull an image", &path, Payload::empty())
            .await
    }

    async fn remove_image(&self, id: &str) -> EngineResult<bool> {
        // Images that it was built on are not ours to prune.
        let path = format!("{}/images/{id}?noprune=1", self.prefix);
        let call = self.client.delete(&path);
        match self.call("remove an image", LOAD, call).await {
            Ok(_) | Err(EngineError::NotFound { .. }) => Ok(true),
            Err(EngineError::Refused { status: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, name: &str, request: &CreateRequest) -> EngineResult<()> {
        const WHAT: &str = "create a container";
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            warnings: Option<Vec<String>>,
        }
        let path = format!("/containers/create?{}", encoded_pair("name", name));
        let created: Created = parse(WHAT, &self.post_json(WHAT, &path, request).await?)?;
        let warnings = created.warnings.unwrap_or_default();
        for warning in &warnings {
            tracing::info!(warning, "the container engine warns of a container");
        }
        let limits = unbounded(&warnings, has_swap());
        if limits.is_empty() {
            return Ok(());
        }
        self.remove(name).await?;
        Err(EngineError::unbounded(&limits))
    }

    async fn attach(&self, name: &str) -> EngineResult<Attached> {
        let path = format!(
            "{}/containers/{name}/attach?stream=1&stdout=1&stderr=1",
            self.prefix
        );
        let client = self.client.clone();
        let stream = self
            .call("attach to a container", CALL, async move {
                client.post_upgrade_stream(path, Payload::empty()).await
            })
            .await?;
        Ok(Box::pin(stream))
    }

    async fn start(&self, name: &str) -> EngineResult<()> {
        let container = self.container(name);
        let result = self
            .call("start a container", CALL, container.start())
            .await;
        ignore(result, &[304])
    }

    async fn wait(&self, name: &str) -> EngineResult<i64> {
        const WHAT: &str = "wait for a container";
        let answer = self
            .container(name)
            .wait()
            .await
            .map_err(|error| self.fault(WHAT, error))?;
        match answer.error.and_then(|error| error.message) {
            Some(message) if !message.is_empty() => Err(EngineError::Protocol {
                what: WHAT,
                message,
            }),
            _ => Ok(answer.status_code),
        }
    }

    async fn kill(&self, name: &str) -> EngineResult<()> {
        let container = self.container(name);
        let call = container.kill(Some("SIGKILL"));
        // 409: it has stopped.
        ignore(self.call("kill a container", CALL, call).await, &[304, 409])
    }

    async fn inspect(&self, name: &str) -> EngineResult<ContainerState> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspect {
            state: ContainerState,
        }
        let path = format!("/containers/{name}/json");
        let inspect: Inspect = self.get_json("inspect a container", &path).await?;
        Ok(inspect.state)
    }

    async fn archive(&self, name: &str, path: &str) -> EngineResult<ByteStream> {
        const WHAT: &str = "send the outputs of a container";
        let path = format!(
            "{}/containers/{name}/archive?{}",
            self.prefix,
            encoded_pair("path", path)
        );
        let answer = self.call(WHAT, CALL, self.client.get(&path)).await?;
        let chunks = futures::stream::unfold(Some(answer.into_body()), async |body| {
            let mut body = body?;
            match timeout(STALL, body.next()).await {
                Ok(None) => None,
                Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
                Ok(Some(Err(error))) => {
                    let message = error.to_string();
                    let what = WHAT;
                    Some((Err(EngineError::Protocol { what, message }), None))
                }
                Err(_) => {
                    let seconds = STALL.as_secs();
                    let what = WHAT;
                    Some((Err(EngineError::TimedOut { what, seconds }), None))
                }
            }
        });
        Ok(Box::pin(chunks))
    }

    async fn remove(&self, name: &str) -> EngineResult<()> {
        const WHAT: &str = "remove a container";
        let container = self.container(name);
        let options = ContainerRemoveOpts::builder()
            .force(true)
            .volumes(true)
            .build();
        let remove = async || {
            let result = self.call(WHAT, CALL, container.remove(&options)).await;
            ignore(result.map(|_| ()), &[304, 404])
        };
        // 409: somebody else is removing it. Gone is what was asked for, so wait for that.
        remove
            .retry(
                ConstantBuilder::default()
                    .with_delay(Duration::from_millis(100))
                    .with_max_times(300),
            )
            .when(|error| matches!(error, EngineError::Refused { status: 409, .. }))
            .await
    }

    async fn containers(&self, label: &str) -> EngineResult<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Row {
            id: String,
        }
        let filters = json!({ "label": [label] }).to_string();
        let path = format!(
            "/containers/json?all=1&{}",
            encoded_pair("filters", filters)
        );
        let rows: Vec<Row> = self.get_json("list containers", &path).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    async fn create_volume(&self, request: &VolumeRequest) -> EngineResult<()> {
        let body = json!({
            "Name": request.name,
            "Driver": "local",
            "DriverOpts": { "type": "tmpfs", "device": "tmpfs", "o": request.options },
            "Labels": request.labels,
        });
        self.post_json("create a volume", "/volumes/create", &body)
            .await?;
        Ok(())
    }

    async fn remove_volume(&self, name: &str) -> EngineResult<()> {
        let path = format!("{}/volumes/{name}?force=1", self.prefix);
        let result = self
            .call("remove a volume", CALL, self.client.delete(&path))
            .await;
        ignore(result.map(|_| ()), &[404])
    }

    async fn volumes(&self, label: &str) -> EngineResult<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Row {
            name: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct List {
            volumes: Option<Vec<Row>>,
        }
        let filters = json!({ "label": [label] }).to_string();
        let path = format!("/volumes?{}", encoded_pair("filters", filters));
        let list: List = self.get_json("list volumes", &path).await?;
        let rows = list.volumes.unwrap_or_default();
        Ok(rows.into_iter().map(|row| row.name).collect())
    }
}

/// The minor version to speak: the newest we know, within what the server offers.
fn agree(version: &VersionAnswer) -> Option<usize> {
    let minor = |text: &str| text.strip_prefix("1.")?.parse::<usize>().ok();
    let newest = minor(&version.api_version)?;
    let oldest = minor(&version.min_api_version).unwrap_or(0);
    let ours = NEWEST.min(newest);
    // A server whose oldest is newer than ours is asked for its oldest: Docker keeps old fields.
    let chosen = ours.max(oldest);
    (chosen >= OLDEST && chosen <= newest).then_some(chosen)
}

/// The limits that an engine's warnings about a container say are discarded, and that matter on this machine.
fn unbounded(warnings: &[String], has_swap: bool) -> BTreeSet<Limit> {
    let discarded = warnings
        .iter()
        .filter_map(|warning| Limit::discarded(warning));
    discarded
        .filter(|limit| has_swap || *limit != Limit::Swap)
        .collect()
}

fn ignore(result: EngineResult<()>, statuses: &[u16]) -> EngineResult<()> {
    match result {
        Err(EngineError::NotFound { .. }) if statuses.contains(&404) => Ok(()),
        Err(EngineError::Refused { status, .. }) if statuses.contains(&status) => Ok(()),
        other => other,
    }
}

fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> EngineResult<T> {
    serde_json::from_slice(bytes).map_err(|error| EngineError::Protocol {
        what,
        message: error.to_string(),
    })
}

async fn read_bounded(answer: Response<Body>, limit: usize) -> Result<Vec<u8>, Error> {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.try_next().await? {
        if bytes.len().saturating_add(chunk.len()) > limit {
            return Err(Error::InvalidResponse(format!(
                "an answer of more than {limit} bytes"
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Passes a good answer on; a bad one becomes an error with the engine's own words.
fn validate(
    answer: Response<Body>,
) -> Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send + Sync>> {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let code = answer.status();
    if code.is_success() || code == StatusCode::SWITCHING_PROTOCOLS {
        return Box::pin(std::future::ready(Ok(answer)));
    }
    Box::pin(async move {
        let bytes = read_bounded(answer, 1 << 16).await?;
        let message = serde_json::from_slice::<Message>(&bytes)
            .map(|body| body.message)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned());
        Err(Error::Fault { code, message })
    })
}

#[cfg(test)]
mod tests;
