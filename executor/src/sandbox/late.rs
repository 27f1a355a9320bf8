//! A sandbox whose engine may come later than the executor.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Sandbox, SandboxError, engine::EngineError};

/// How often an engine that does not answer is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// A sandbox whose engine may come later than the executor; clones share it. It never goes again: an engine that is
/// restarted shows in errors of single calls, which are made again.
#[derive(Clone)]
pub(crate) struct LateSandbox(Arc<watch::Sender<Result<Sandbox, EngineError>>>);

impl LateSandbox {
    pub(crate) fn new(now: Result<Sandbox, EngineError>) -> Self {
        Self(Arc::new(watch::Sender::new(now)))
    }

    /// The sandbox, or why there is none.
    pub(crate) fn get(&self) -> Result<Sandbox, SandboxError> {
        Ok(self.0.borrow().clone()?)
    }

    /// Why there is none, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        let now = self.0.borrow();
        let error = now.as_ref().err()?;
        Some(format!(
            "{error}. It is tried again. Until it answers no task runs and nothing is taken; what needs no container goes on"
        ))
    }

    /// Ends when the sandbox comes. If it is there already, this never ends.
    pub(crate) async fn comes(&self) {
        let mut seen = self.0.subscribe();
        let is_here = seen.borrow_and_update().is_ok();
        if is_here || seen.wait_for(Result::is_ok).await.is_err() {
            std::future::pending().await
        }
    }

    /// Tries to make the sandbox until that works.
    pub(crate) async fn try_until_it_comes<F>(&self, make: impl Fn() -> F)
    where
        F: Future<Output = Result<Sandbox, SandboxError>>,
    {
        let mut told = String::new();
        while self.0.borrow().is_err() {
            tokio::time::sleep(AGAIN).await;
            match make().await {
                Ok(sandbox) => {
                    tracing::info!("the container engine answers now");
                    let _ = self.0.send_replace(Ok(sandbox));
                }
                Err(error) => {
                    let why = error.to_string();
                    if why != told {
                        tracing::warn!(
                            why,
                            "the container engine is still not usable; it is tried again"
                        );
                        told.clone_from(&why);
                    }
                    let _ = self.0.send_replace(Err(error.into_engine()));
                }
            }
        }
    }

    /// Waits until all runs have ended and all their containers are gone.
    pub(crate) async fn close(&self) {
        if let Ok(sandbox) = self.get() {
            sandbox.close().await;
        }
    }
}

impl SandboxError {
    /// What is wrong with the engine.
    pub(crate) fn into_engine(self) -> EngineError {
        match self {
            Self::Engine(error) => error,
            error => EngineError::Protocol {
                what: "run a container",
                message: error.to_string(),
            },
        }
    }
}
