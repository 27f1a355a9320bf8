//! One chain: its nodes and their time, the key, the stake, the coins for gas, and where outputs are served.

use std::time::Duration;

use alloy::{
    eips::BlockNumberOrTag, primitives::U256, providers::Provider as _,
    signers::local::PrivateKeySigner,
};
use futures::future::join_all;
use piecework_core::chain::IMarket;
use piecework_net::chain::{ChainError, ChainOptions, Contract, MAX_FUTURE, connect};
use tokio::time::timeout;
use url::Url;

use super::Finding;
use crate::{
    ChainConfig, Config, Error,
    chain::{Reached, reach},
    clock::local_now,
};

/// The gas of one lease or seat from claim to end: of a juror that opens an audit and records all openings
/// (`snapshots/Audits.json`), and that is the most.
const DUTY_GAS: u64 = 400_000;
/// A node that is further behind the best one is outside the bounds within which no stake is lost (`audits/executor.md`).
const MOST_BEHIND: u64 = 32;
/// A chain's newest block is seldom older, in seconds.
const STALE: u64 = 300;
/// No node's answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node's newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    number: u64,
    time: u64,
}

/// Looks at each node, and at this machine's clock by their time.
pub(super) async fn nodes(config: &ChainConfig) -> Vec<Finding> {
    let looks = join_all(config.rpc_urls.iter().map(|url| head(config, url))).await;
    let nodes: Vec<_> = config.rpc_urls.iter().map(shown).zip(looks).collect();
    let mut findings = judge_nodes(&nodes);
    if !config.is_devnet() {
        if nodes.len() == 1 {
            findings.push(Finding::warning(
                "node",
                "it is the only one: what it hides or loses, nobody makes up for. Name others, of other vendors, in \
                 more_rpc_urls (docs/NODES.md)",
            ));
        }
        let times: Vec<u64> = nodes
            .iter()
            .filter_map(|(_, look)| Some(look.as_ref().ok()?.time))
            .collect();
        findings.extend(judge_clock(&times, local_now()));
    }
    findings
}

async fn head(config: &ChainConfig, url: &Url) -> Result<Head, ChainError> {
    let options = ChainOptions::new(url.as_str()).chain_id(config.chain_id);
    let look = async {
        let (rpc, _) = connect(&options).await?;
        let newest = rpc.get_block_by_number(BlockNumberOrTag::Latest).await;
        newest.map_err(|error| ChainError::from_rpc("eth_getBlockByNumber", error))
    };
    let silent = |reason: String| ChainError::Unreachable {
        url: shown(url),
        reason,
    };
    let Ok(newest) = timeout(PATIENCE, look).await else {
        return Err(silent(format!("no answer within {} s", PATIENCE.as_secs())));
    };
    let Some(block) = newest? else {
        return Err(silent("it has no newest block".to_owned()));
    };
    Ok(Head {
        number: block.header.number,
        time: block.header.timestamp,
    })
}

/// A node's address for messages: the rest of a URL often has a key in it.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

fn judge_nodes(nodes: &[(String, Result<Head, ChainError>)]) -> Vec<Finding> {
    let heads = nodes.iter().filter_map(|(_, look)| look.as_ref().ok());
    let best = heads.map(|head| head.number).max();
    let judge = |(name, look): &(String, Result<Head, ChainError>)| match (look, best) {
        // It is never used, but it may be the market's own chain that the others are not of.
        (Err(error @ ChainError::WrongChain { .. }), _) => {
            Finding::missing("node", error.to_string())
        }
        (Err(error), None) => Finding::missing("node", error.to_string()),
        (Err(error), Some(_)) => {
            let text = format!("{error}. The others are used meanwhile");
            Finding::warning("node", text)
        }
        (Ok(head), best) => {
            let behind = best.unwrap_or_default().saturating_sub(head.number);
            let text = format!("{name}: block {}", head.number);
            match behind {
                0 => Finding::good("node", text),
                _ if behind <= MOST_BEHIND => {
                    Finding::good("node", format!("{text}, {behind} behind the best one"))
                }
                _ => Finding::warning(
                    "node",
                    format!(
                        "{text}, {behind} behind the best one: it does not follow the chain. Wait until it has caught up, or \
                         name another one"
                    ),
                ),
            }
        }
    };
    nodes.iter().map(judge).collect()
}

/// Compares this machine's clock with the times of the newest blocks.
fn judge_clock(times: &[u64], local: u64) -> Option<Finding> {
    // The middle one: one node that lies moves nothing.
    let mut times = times.to_vec();
    times.sort_unstable();
    let newest = *times.get(times.len() / 2)?;
    let (ahead, behind) = (newest.saturating_sub(local), local.saturating_sub(newest));
    Some(if ahead > MAX_FUTURE {
        let text = format!(
            "the chain's newest block is {ahead} s later than this machine's clock: blocks of the future are not believed, so \
             deadlines would be missed. Set the clock (timedatectl set-ntp true)"
        );
        Finding::missing("clock", text)
    } else if behind > STALE {
        let text = format!(
            "the chain's newest block is {behind} s old by this machine's clock: the chain stalls, its nodes are behind, or \
             the clock is ahead (timedatectl)"
        );
        Finding::warning("clock", text)
    } else {
        let text = format!("within {} s of the chain's newest block", ahead.max(behind));
        Finding::good("clock", text)
    })
}

/// Looks at the market, at the key and at what the provider has.
pub(super) async fn look(
    machine: &Config,
    config: &ChainConfig,
    signer: &PrivateKeySigner,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let Reached { rpc, .. } = reach(config, signer).await?;
    let operator = signer.address();
    findings.push(Finding::good(
        "chain",
        format!("chain {}, market {}", config.chain_id, config.market),
    ));
    findings.push(Finding::good(
        "key",
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
            "provider {} has no stake: type `piecework provider stake TOKENS` with its key",
            config.provider
        );
        Finding::missing("stake", text)
    } else if state.free == 0 {
        let text = format!(
            "{} staked, none of it free: nothing can be taken before a lease ends",
            state.stake
        );
        Finding::warning("stake", text)
    } else {
        let text = format!("{} staked, {} of it free", state.stake, state.free);
        Finding::good("stake", text)
    });

    let balance = rpc
        .get_balance(operator)
        .await
        .map_err(|error| ChainError::from_rpc("eth_getBalance", error))?;
    let price = rpc
        .get_gas_price()
        .await
        .map_err(|error| ChainError::from_rpc("eth_gasPrice", error))?;
    let has = format!("{operator} has {balance} wei for gas");
    findings.push(judge_gas(config, balance, price, &has));

    let profile = market
        .ask(IMarket::profileOfCall {
            provider: config.provider,
        })
        .call()
        .await;
    let profile = profile.map_err(|error| ChainError::from_contract("profileOf", error))?;
    let unset = "serve.url is not set: others cannot reach the outputs";
    findings.push(match &machine.serve_url {
        None if config.is_devnet() => Finding::good("outputs", unset),
        None => Finding::missing("outputs", unset),
        Some(url) if profile.endpoint == url.as_str() => Finding::good("outputs", url.as_str()),
        Some(url) if operator == config.provider => {
            Finding::good("outputs", format!("{url} will be published at the start"))
        }
        Some(url) => {
            let text = format!(
                "the profile says {:?}, not {url}: type `piecework provider profile {url}` with the provider's own key",
                profile.endpoint
            );
            Finding::missing("outputs", text)
        }
    });
    Ok(())
}

/// Compares the coins for gas with what all duties that this machine may hold can need.
fn judge_gas(config: &ChainConfig, balance: U256, price: u128, has: &str) -> Finding {
    let duties = |price: u128| {
        let one = U256::from(price.max(1)).saturating_mul(U256::from(DUTY_GAS));
        balance.checked_div(one).unwrap_or_default()
    };
    let most = U256::from(config.policy.max_leases);
    let (now, urgent) = (
        duties(price),
        duties(config.timing.urgent_max_fee_per_gas.max(price)),
    );
    let text = format!(
        "{has}: enough for {now} leases or seats from claim to end at today's price of {price} wei, and for {urgent} at \
         urgent_max_fee_gwei. It may hold {most} at the same time"
    );
    if now.is_zero() {
        let text = format!(
            "{text}. What it takes now it could not finish, and would lose the bond: send it more"
        );
        Finding::missing("gas", text)
    } else if now < most || urgent.is_zero() {
        let text = format!("{text}. Send it more, or lower policy.max_leases");
        Finding::warning("gas", text)
    } else {
        Finding::good("gas", text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy::primitives::Address;

    use super::*;
    use crate::check::Verdict::{self, Good, Missing, Warning};

    fn verdicts(findings: &[Finding]) -> Vec<Verdict> {
        findings.iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn nodes_are_judged_by_the_best_one() {
        let at = |number| Ok(Head { number, time: 0 });
        let silent = || {
            Err(ChainError::Unreachable {
                url: "http://x".to_owned(),
                reason: "refused".to_owned(),
            })
        };
        let wrong = || {
            Err(ChainError::WrongChain {
                url: "http://x".to_owned(),
                expected: 1,
                actual: 2,
            })
        };
        let judge = |looks: Vec<Result<Head, ChainError>>| {
            let nodes = looks.into_iter().map(|look| ("http://x".to_owned(), look));
            verdicts(&judge_nodes(&nodes.collect::<Vec<_>>()))
        };
        let looks = vec![at(100), at(68), at(67), silent(), wrong()];
        assert_eq!(judge(looks), [Good, Good, Warning, Warning, Missing]);
        assert_eq!(judge(vec![silent(), silent()]), [Missing, Missing]);
        let secret = "https://user:pass@rpc.example.org/v2/KEY?key=KEY";
        assert_eq!(shown(&secret.parse().unwrap()), "https://rpc.example.org");
    }

    #[test]
    fn a_clock_is_judged_by_the_middle_of_the_nodes_times() {
        let local = 1_800_000_000;
        for (times, verdict) in [
            (vec![], None),
            (vec![local], Some(Good)),
            (vec![local + 60], Some(Good)),
            (vec![local + 61], Some(Missing)),
            (vec![local - 300], Some(Good)),
            (vec![local - 301], Some(Warning)),
            (vec![local + 9_000, local, local - 1], Some(Good)),
            (vec![local + 9_000, local + 61, 0], Some(Missing)),
        ] {
            let found = judge_clock(&times, local).map(|finding| finding.verdict);
            assert_eq!(found, verdict, "{times:?}");
        }
    }

    #[test]
    fn gas_must_do_for_one_duty_and_should_do_for_all() {
        let url = "http://localhost:1".parse().unwrap();
        let key = PrivateKeySigner::random();
        let mut config = ChainConfig::devnet(url, Address::ZERO, Address::ZERO, key);
        config.policy.max_leases = 20;
        config.timing.urgent_max_fee_per_gas = 10;
        let gas = U256::from(DUTY_GAS);
        for (duties, verdict) in [
            (0u64, Missing),
            (1, Warning),
            (9, Warning),
            (19, Warning),
            (20, Good),
        ] {
            let balance = gas * U256::from(duties);
            let found = judge_gas(&config, balance, 1, "it has some");
            assert_eq!(found.verdict, verdict, "{duties}: {}", found.text);
        }
    }
}
