//! The provider's daemon: takes leases, and seats of redundant leases and of juries, runs their tasks in
//! a sandbox, submits results.
//!
//! [`Executor::start`] runs everything inside the caller's runtime; several executors can live in
//! one process, each with a state directory of its own. Data flows one way:
//!
//! ```text
//! chain events ─► follower ─► store ─► machine ─► commands ─► store ─► sender ─► chain
//!                                         ▲           │
//!                        answers, outcomes, results   └► questions · sandbox · blobs
//! ```
//!
//! What to do is decided by the pure machine of [`piecework_executor_core`]; the loop around it is in `shell`.
//!
//! One executor serves any number of chains with one machine. Follower, loop, sender and store are each chain's own,
//! and fail and recover alone; sandbox, capacity, published blobs and both servers are shared.

mod admin;
mod chain;
mod check;
mod clock;
pub mod config;
mod depot;
mod error;
mod follow;
pub mod owner;
pub mod sandbox;
mod sender;
mod serve;
mod shell;
mod start;
mod state;
mod status;
pub mod store;
mod supervise;
mod trial;
mod work;

#[cfg(test)]
#[path = "../tests/support/net.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod testkit_net;

use futures::future::join_all;
use tokio::sync::watch::Receiver;
use url::Url;

pub use check::{Finding, Verdict, check};
pub use config::{ChainConfig, Config, Flags};
pub use error::Error;
pub use status::{ChainStatus, LeaseStatus, ObligationStatus, SkippedJob, Status};

use start::Running;
use status::Stopping;
use supervise::GivenUp;

/// How long a drained executor says so before it ends.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(2);

/// A running executor. Dropped without [`stop`](Self::stop), it ends as after
/// [`kill`](Self::kill), but nobody waits for its containers.
pub struct Executor {
    running: Running,
    grace: std::time::Duration,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor")
            .field("blob_url", &self.running.blob_url.as_str())
            .finish_non_exhaustive()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.running.cancel.cancel();
    }
}

impl Executor {
    /// Checks the keys, the chains, the markets and the engine, then starts all services.
    ///
    /// # Errors
    /// Anything that makes work impossible: see [`Error`]. A provider without stake is not an
    /// error: the executor waits and says so in its status. Neither is one of several chains that does not answer, nor a
    /// container engine that does not answer where work was begun before.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let grace = config.stop_grace;
        let running = Box::pin(start::start(config)).await?;
        Ok(Self { running, grace })
    }

    /// What it does now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.running.board.read()
    }

    /// Base URL of its published outputs: what the provider's profile must name. When the
    /// operator key is the provider's own, the executor publishes it itself.
    #[must_use]
    pub fn blob_url(&self) -> &Url {
        &self.running.blob_url
    }

    /// Base URL of `/livez`, `/readyz`, `/metrics`, `/status`, `/why/JOB` and `/drain`; `None` when switched off.
    #[must_use]
    pub fn admin_url(&self) -> Option<&Url> {
        self.running.admin_url.as_ref()
    }

    /// Waits until a service of every chain has failed for good: while one chain works, the others are tried again.
    /// Does not end otherwise.
    pub async fn failed(&self) -> Error {
        failure(self.running.given_up.clone()).await
    }

    /// Stops taking work, finishes what is bonded (at most `stop_grace`), then stops everything.
    /// Results that wait for chance or a jury are not waited for. What is not finished continues when an
    /// executor starts on the same state directory.
    ///
    /// # Errors
    /// The error that had stopped the executor before, if any.
    pub async fn stop(self) -> Result<(), Error> {
        self.finish().await;
        self.kill().await
    }

    /// The first phase of [`stop`](Self::stop): takes no more work, and returns when nothing
    /// bonded is unfinished on any chain, all have failed, or `stop_grace` is over.
    pub async fn finish(&self) {
        self.running.stopping.send_replace(Stopping::Finish);
        self.running.board.write(|status| status.stopping = true);
        let quiet = self
            .running
            .idle
            .iter()
            .cloned()
            .map(|mut idle| async move {
                // What was decided before the machine heard of it still counts.
                idle.mark_unchanged();
                while idle.changed().await.is_ok() {
                    if *idle.borrow_and_update() {
                        return;
                    }
                }
            });
        tokio::select! {
            _ = join_all(quiet) => {}
            _ = self.failed() => {}
            () = tokio::time::sleep(self.grace) => tracing::warn!("the grace is over; bonded work is left for the next start"),
        }
    }

    /// Waits until the owner has drained it (`POST /drain`, the command `drain`) and nothing is owed on any chain. Does
    /// not end otherwise. Unlike [`finish`](Self::finish), this waits also for chance and juries, however long they take.
    pub async fn drained(&self) {
        let mut stopping = self.running.stopping.subscribe();
        if stopping
            .wait_for(|it| *it == Stopping::Drain)
            .await
            .is_err()
        {
            return std::future::pending().await;
        }
        let mut chains = self.running.idle.clone();
        loop {
            for idle in &mut chains {
                if idle.wait_for(|is_idle| *is_idle).await.is_err() {
                    return std::future::pending().await;
                }
            }
            // One that was idle first may owe something again.
            if chains.iter().all(|idle| *idle.borrow()) {
                break;
            }
        }
        self.running.board.write(|status| status.drained = true);
        tokio::time::sleep(FAREWELL).await;
    }

    /// Stops at once, without finishing anything, and waits until its containers are gone. What is
    /// not finished continues when an executor starts on the same state directory.
    ///
    /// # Errors
    /// The error that had stopped the executor before, if any.
    pub async fn kill(self) -> Result<(), Error> {
        self.halt().await
    }

    /// As [`kill`](Self::kill), but what it has on disk stays its own until it is dropped.
    ///
    /// # Errors
    /// The error that had stopped the executor before, if any.
    pub async fn halt(&self) -> Result<(), Error> {
        self.running.cancel.cancel();
        self.running.tracker.close();
        self.running.tracker.wait().await;
        self.running.sandbox.close().await;
        let given_up = self.running.given_up.borrow().clone();
        given_up.map_or(Ok(()), |end| Err(end.into()))
    }

    /// Removes the images that it brought to the container engine, but for those that something uses: for one that
    /// was [halted](Self::halt) and whose state directory goes too.
    ///
    /// # Errors
    /// [`Error::Sandbox`].
    pub async fn remove_images(&self) -> Result<(), Error> {
        for shelf in &self.running.shelves {
            shelf.keep(&Default::default());
        }
        let sandbox = self.running.sandbox.get()?;
        sandbox
            .remove_unused_images(std::time::Duration::ZERO, 0)
            .await?;
        Ok(())
    }
}

impl From<(String, GivenUp)> for Error {
    fn from((chain, end): (String, GivenUp)) -> Self {
        let GivenUp {
            service,
            times,
            why,
        } = end;
        Self::Service {
            chain,
            service,
            times,
            why,
        }
    }
}

async fn failure(mut given_up: Receiver<Option<(String, GivenUp)>>) -> Error {
    loop {
        if let Some(end) = given_up.borrow_and_update().clone() {
            return end.into();
        }
        if given_up.changed().await.is_err() {
            // All services have ended without a failure, so none can fail.
            return std::future::pending().await;
        }
    }
}
