//! What is missing before an executor can earn anything.

use alloy::{providers::Provider as _, signers::local::PrivateKeySigner};
use piecework_core::chain::IMarket;
use piecework_net::chain::{ChainError, Contract};

use crate::{
    ChainConfig, Config, Error,
    chain::{Reached, operator_key, reach},
    start,
};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which chain; `None` for what all share.
    pub chain: Option<String>,
    /// What: `chain`, `key`, `stake`, `gas`, `endpoint`, `engine`.
    pub what: &'static str,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was found and, if it is not as it must be, what to do.
    pub text: String,
}

fn finding(what: &'static str, ok: bool, text: impl Into<String>) -> Finding {
    Finding {
        chain: None,
        what,
        ok,
        text: text.into(),
    }
}

/// Looks at everything an executor needs, on all chains. Changes nothing on any of them, and may be called while an
/// executor runs on the same state directory.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut signers = Vec::new();
    for chain in &config.chains {
        let signer = operator_key(chain).await;
        let mut of_chain = Vec::new();
        let looked = match &signer {
            Ok(signer) => look(config, chain, signer, &mut of_chain).await,
            Err(error) => {
                of_chain.push(finding("key", false, error.to_string()));
                Ok(())
            }
        };
        match looked {
            Ok(()) => {}
            Err(error @ Error::NotOperator { .. }) => {
                of_chain.push(finding("key", false, error.to_string()))
            }
            Err(error) => of_chain.push(finding("chain", false, error.to_string())),
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
        findings.push(finding("key", false, error.to_string()));
    }
    let engine = match std::path::absolute(&config.state_dir) {
        Ok(dir) => start::sandbox(config, &dir.join("check")).await.map(|_| ()),
        Err(source) => Err(Error::Io {
            path: config.state_dir.clone(),
            source,
        }),
    };
    findings.push(match engine {
        Ok(()) => finding("engine", true, format!("{} runs containers", config.docker)),
        Err(error) => finding("engine", false, error.to_string()),
    });
    findings
}

async fn look(
    machine: &Config,
    config: &ChainConfig,
    signer: &PrivateKeySigner,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let Reached { rpc, .. } = reach(config, signer).await?;
    let operator = signer.address();
    findings.push(finding(
        "chain",
        true,
        format!("chain {}, market {}", config.chain_id, config.market),
    ));
    findings.push(finding(
        "key",
        true,
        format!("{operator} may act for {}", config.provider),
    ));

    let market = Contract::new(config.market, &rpc);
    let state = market
        .ask(IMarket::providerOfCall {
            provider: config.provider,
        })
        .call()
        .await;
    let state = state.map_err(|error| ChainError::from_contract("providerOf", error))?;
    findings.push(if state.stake == 0 {
        let text = format!(
            "provider {} has no stake: approve the market's token and call stake(amount)",
            config.provider
        );
        finding("stake", false, text)
    } else {
        finding(
            "stake",
            state.free > 0,
            format!("{} staked, {} of it free", state.stake, state.free),
        )
    });

    let gas = rpc
        .get_balance(operator)
        .await
        .map_err(|error| ChainError::from_rpc("eth_getBalance", error))?;
    findings.push(finding(
        "gas",
        !gas.is_zero(),
        format!("{operator} has {gas} wei for gas"),
    ));

    let profile = market
        .ask(IMarket::profileOfCall {
            provider: config.provider,
        })
        .call()
        .await;
    let profile = profile.map_err(|error| ChainError::from_contract("profileOf", error))?;
    findings.push(match &machine.serve_url {
        None => finding("endpoint", config.is_devnet(), "serve.url is not set: others cannot reach the outputs"),
        Some(url) if profile.endpoint == url.as_str() => finding("endpoint", true, url.as_str()),
        Some(url) if operator == config.provider => {
            finding("endpoint", true, format!("{url} will be published at the start"))
        }
        Some(url) => {
            let text = format!(
                "the profile says {:?}, not {url}: with the provider's own key call setProfile({}, {}, \"{url}\")",
                profile.endpoint, profile.nodeId, profile.capabilities
            );
            finding("endpoint", false, text)
        }
    });
    Ok(())
}
