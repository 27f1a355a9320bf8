//! What is missing before an executor can earn anything, and what is not as it should be.

mod chain;
mod engine;
mod machine;

use crate::{Config, Error, chain::operator_key, start};

/// How something is that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Good,
    /// Not as it should be. The executor works, but it can lose money or fail later.
    Warning,
    /// The executor cannot work, or must not.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which chain; `None` for what all share.
    pub chain: Option<String>,
    /// What: `chain`, `key`, `stake`, `gas`, `outputs`, `node`, `clock`, `engine`, `runc`, `kernel`, `cgroup`, `disk`.
    pub what: &'static str,
    /// Whether it is as it must be.
    pub verdict: Verdict,
    /// What was found and, if it is not as it must be, what to do.
    pub text: String,
}

impl Finding {
    fn new(what: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            chain: None,
            what,
            verdict,
            text: text.into(),
        }
    }

    fn good(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Good, text)
    }

    fn warning(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Warning, text)
    }

    fn missing(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Missing, text)
    }

    /// Whether it keeps the executor from work.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.verdict == Verdict::Missing
    }
}

/// Looks at everything an executor needs, on all chains. Changes nothing on any of them, and may be called while an
/// executor runs on the same state directory.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut signers = Vec::new();
    for chain in &config.chains {
        let signer = operator_key(chain).await;
        let mut of_chain = chain::nodes(chain).await;
        let looked = match &signer {
            Ok(signer) => chain::look(config, chain, signer, &mut of_chain).await,
            Err(error) => {
                of_chain.push(Finding::missing("key", error.to_string()));
                Ok(())
            }
        };
        match looked {
            Ok(()) => {}
            Err(error @ Error::NotOperator { .. }) => {
                of_chain.push(Finding::missing("key", error.to_string()));
            }
            Err(error) => of_chain.push(Finding::missing("chain", error.to_string())),
        }
        findings.extend(of_chain.into_iter().map(|finding| Finding {
            chain: Some(chain.name.clone()),
            ..finding
        }));
        signers.extend(signer);
    }
    if signers.len() == config.chains.len()
        && let Err(error) = start::tell_keys_apart(&config.chains, &signers)
    {
        findings.push(Finding::missing("key", error.to_string()));
    }
    let root_dir = engine::look(config, &mut findings).await;
    findings.extend(machine::disk(config, root_dir.as_deref()));
    findings
}
