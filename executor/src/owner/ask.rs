//! A running executor, asked over HTTP.

use std::{net::SocketAddr, time::Duration};

use alloy::primitives::B256;
use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{ACCEPT, HeaderMap, HeaderValue},
    redirect::Policy,
};
use url::Url;

use super::OwnerError;
use crate::{Status, admin::DRAIN_HEADER, start::local_url};

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The admin server of a running executor.
#[derive(Clone, Debug)]
pub struct Admin {
    url: Url,
    http: Client,
}

impl Admin {
    /// The server at an address of a configuration. Nobody is asked yet.
    ///
    /// # Errors
    /// [`OwnerError::AnyPort`], and [`OwnerError::NoAnswer`] where no HTTP client can be made.
    pub fn at(address: SocketAddr) -> Result<Self, OwnerError> {
        if address.port() == 0 {
            return Err(OwnerError::AnyPort { address });
        }
        let url = local_url(address);
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build();
        match http {
            Ok(http) => Ok(Self { url, http }),
            Err(error) => Err(no_answer(url, &error)),
        }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What it does now, and the same as it was sent.
    ///
    /// # Errors
    /// [`OwnerError::NoAnswer`], [`OwnerError::NotUnderstood`].
    pub async fn status(&self) -> Result<(Status, String), OwnerError> {
        let (code, text) = self.send(self.request(Method::GET, "status")).await?;
        if code != StatusCode::OK {
            return Err(self.not_understood(format!("HTTP {code}")));
        }
        let status = serde_json::from_str(&text);
        let status = status.map_err(|error| self.not_understood(error.to_string()))?;
        Ok((status, text))
    }

    /// What its machines say of a job, in words or in JSON, and whether any of them knows it.
    ///
    /// # Errors
    /// [`OwnerError::NoAnswer`], [`OwnerError::NotUnderstood`].
    pub async fn why(
        &self,
        job: B256,
        chain: Option<&str>,
        json: bool,
    ) -> Result<(bool, String), OwnerError> {
        let mut request = self.request(Method::GET, &format!("why/{job}"));
        if let Some(chain) = chain {
            let mut url = self.path(&format!("why/{job}"));
            url.query_pairs_mut().append_pair("chain", chain);
            request = self.http.get(url);
        }
        if json {
            request = request.header(ACCEPT, "application/json");
        }
        let (code, text) = self.send(request).await?;
        match code {
            StatusCode::OK => Ok((true, text)),
            StatusCode::NOT_FOUND => Ok((false, text)),
            _ => Err(self.not_understood(text.trim_end().to_owned())),
        }
    }

    /// Tells it to take nothing more, and to end when nothing is owed.
    pub(super) async fn tell_to_drain(&self) -> Result<(), OwnerError> {
        let mut header = HeaderMap::new();
        header.insert(DRAIN_HEADER, HeaderValue::from_static("1"));
        let request = self.request(Method::POST, "drain").headers(header);
        match self.send(request).await? {
            (StatusCode::ACCEPTED, _) => Ok(()),
            (code, text) => Err(self.not_understood(format!("HTTP {code}, {}", text.trim_end()))),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.path(path))
    }

    fn path(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, String), OwnerError> {
        let failed = |error| no_answer(self.url.clone(), &error);
        let answer = request.send().await.map_err(failed)?;
        let code = answer.status();
        Ok((code, answer.text().await.map_err(failed)?))
    }

    fn not_understood(&self, why: String) -> OwnerError {
        OwnerError::NotUnderstood {
            url: self.url.clone(),
            why,
        }
    }
}

/// The innermost cause says what happened: refused, timed out.
fn no_answer(url: Url, error: &reqwest::Error) -> OwnerError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    OwnerError::NoAnswer {
        url,
        why: cause.to_string(),
    }
}
