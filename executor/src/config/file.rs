//! The TOML file, and how it is put together with flags.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use piecework_net::chain::deployment::Deployment;

use super::{
    Capacity, ChainConfig, ChainTiming, Config, ConfigError, Costs, DEVNET_CHAIN, Flags,
    OperatorKey, Password, Policy, Retention,
    old_form::edits,
    sections::{ChainSection, File},
};

/// A configuration file of more bytes than this is a mistake.
const MAX_FILE: u64 = 64 * 1024;
/// Wei.
const GWEI: u128 = 1_000_000_000;
/// What saves a bond may cost so many times as much, if the file says nothing else.
const URGENT: u128 = 20;
/// The default of `chain.settle_within_seconds`, except on a development chain, where gas costs nothing.
const SETTLE_WITHIN: u64 = 120;

pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE {
        return Err(failed(std::io::Error::other(format!(
            "{size} bytes are too many for a configuration"
        ))));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    if let Some(edits) = edits(&text) {
        return Err(ConfigError::OldForm {
            path: path.to_owned(),
            edits,
        });
    }
    toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// Where health, metrics and status are served; None if they are not.
pub(super) fn admin(file: &File, flag: Option<SocketAddr>) -> Option<SocketAddr> {
    let address = flag
        .or(file.admin.bind)
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7_702)));
    file.admin.enabled.unwrap_or(true).then_some(address)
}

/// The directory of all state.
pub(super) fn state_dir(file: &File, flag: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let dir = flag.or(file.state_dir.as_deref());
    dir.map(Path::to_owned).ok_or(ConfigError::Missing {
        key: "state_dir",
        chain: None,
        hint: "the file, or with --state-dir".to_owned(),
    })
}

pub(super) fn merge(file: File, flags: &Flags) -> Result<Config, ConfigError> {
    let need = |key, hint: &str| ConfigError::Missing {
        key,
        chain: None,
        hint: hint.to_owned(),
    };
    let capacity = &file.capacity;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let admin = admin(&file, flags.admin);
    let state_dir = state_dir(&file, flags.state_dir.as_deref());
    let count = file.chain.len();
    if count > 1
        && let Some(flag) = flags.of_one_chain()
    {
        return Err(ConfigError::WhichChain { flag, count });
    }
    let chains = (1usize..).zip(file.chain).map(|(number, section)| {
        let place = Place {
            chain: section.name.clone().unwrap_or(format!("number {number}")),
            alone: count == 1,
        };
        chain(section, flags, &place)
    });
    Ok(Config {
        chains: chains.collect::<Result<_, _>>()?,
        state_dir: state_dir?,
        docker: flags
            .docker
            .clone()
            .or(file.engine.docker)
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
        runtime: flags.runtime.clone().or(file.engine.runtime),
        trusted_runc: file.engine.trusted_runc,
        capacity: Capacity {
            cpu_millis: capacity.cpu_millis.unwrap_or(cores.saturating_mul(1_000)),
            memory_bytes: capacity
                .memory_bytes
                .ok_or(need("capacity.memory_bytes", "the file"))?,
            disk_bytes: capacity
                .disk_bytes
                .ok_or(need("capacity.disk_bytes", "the file"))?,
            tasks: capacity.tasks.unwrap_or(u32::try_from(cores).unwrap_or(1)),
            lease_tasks: capacity.lease_tasks.unwrap_or(64),
        },
        serve: flags
            .serve
            .or(file.serve.bind)
            .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 7_701))),
        serve_url: flags.serve_url.clone().or(file.serve.url),
        admin,
        retention: Retention {
            keep: Duration::from_secs(
                file.retention
                    .keep_hours
                    .unwrap_or(7 * 24)
                    .saturating_mul(3_600),
            ),
            keep_images: Duration::from_secs(
                file.retention
                    .keep_images_hours
                    .unwrap_or(24)
                    .saturating_mul(3_600),
            ),
            max_image_bytes: file.retention.max_image_bytes.unwrap_or(50 << 30),
            max_bytes: file.retention.max_bytes.unwrap_or(100 << 30),
        },
        stop_grace: Duration::from_secs(file.stop_grace_seconds.unwrap_or(600)),
    })
}

/// Which chain's table is read.
struct Place {
    chain: String,
    /// Flags may be about it.
    alone: bool,
}

impl Place {
    /// Refuses a key that says something else than the deployment file.
    fn agree<T: PartialEq + std::fmt::Display>(
        &self,
        key: &'static str,
        given: Option<T>,
        deployed: T,
    ) -> Result<(), ConfigError> {
        match given.filter(|given| *given != deployed) {
            None => Ok(()),
            Some(given) => Err(ConfigError::Invalid {
                key,
                chain: Some(self.chain.clone()),
                why: format!(
                    "is {given}, but the deployment file says {deployed}: which market is meant cannot be told. Nothing was \
                     started; remove one of the two"
                ),
            }),
        }
    }

    fn need(&self, key: &'static str, flag: &str) -> ConfigError {
        ConfigError::Missing {
            key,
            chain: Some(self.chain.clone()),
            hint: match self.alone {
                true => format!("the file, or with {flag}"),
                false => "its table of the file".to_owned(),
            },
        }
    }
}

/// The deployment that the chain's table or the flags name.
fn deployment(
    section: &ChainSection,
    flags: &Flags,
    place: &Place,
) -> Result<Option<Deployment>, ConfigError> {
    let file = flags.deployment.as_ref().or(section.deployment.as_ref());
    let read = file.map(|file| Deployment::read(file)).transpose();
    read.map_err(|error| ConfigError::Invalid {
        key: "chain.deployment",
        chain: Some(place.chain.clone()),
        why: error.to_string(),
    })
}

fn chain(section: ChainSection, flags: &Flags, place: &Place) -> Result<ChainConfig, ConfigError> {
    let operator = operator(&section, flags, place)?;
    let deployment = deployment(&section, flags, place)?;
    let chain_id = flags.chain_id.or(section.id);
    let market = flags.market.or(section.market);
    if let Some(deployment) = &deployment {
        place.agree("chain.id", chain_id, deployment.chain_id)?;
        place.agree("chain.market", market, deployment.market)?;
    }
    let deployment = deployment.as_ref();
    let is_devnet =
        chain_id.or(deployment.map(|deployment| deployment.chain_id)) == Some(DEVNET_CHAIN);
    let policy = section.policy;
    let max_fee_gwei = section.max_fee_gwei.unwrap_or(200);
    let min_price = flags
        .min_price
        .or(policy.min_price.map(|amount| amount.0))
        .ok_or(place.need("chain.policy.min_price", "--min-price"))?;
    Ok(ChainConfig {
        name: section.name.ok_or(ConfigError::Missing {
            key: "chain.name",
            chain: Some(place.chain.clone()),
            hint: "its table of the file: a short word of your own, under which its state is kept"
                .to_owned(),
        })?,
        rpc_urls: match (&flags.rpc_url, section.rpc_url) {
            (Some(urls), _) => urls.clone(),
            (None, Some(first)) => std::iter::once(first)
                .chain(section.more_rpc_urls)
                .collect(),
            (None, None) => return Err(place.need("chain.rpc_url", "--rpc-url")),
        },
        chain_id: chain_id
            .or(deployment.map(|deployment| deployment.chain_id))
            .ok_or(place.need("chain.id", "--chain-id"))?,
        market: market
            .or(deployment.map(|deployment| deployment.market))
            .ok_or(place.need("chain.market", "--market"))?,
        provider: flags
            .provider
            .or(section.provider.address)
            .ok_or(place.need("chain.provider.address", "--provider"))?,
        operator,
        policy: Policy {
            min_price,
            max_exposure: policy.max_exposure.map(|amount| amount.0),
            strangers_percent: policy.strangers_percent.unwrap_or(25),
            max_leases: policy.max_leases.unwrap_or(64),
            lists: policy.lists,
            trusted_clients: policy.trusted_clients,
            min_jury_fee: policy.min_jury_fee.map_or(min_price, |amount| amount.0),
            try_seconds: policy.try_seconds.unwrap_or(600),
            costs: Costs {
                core_hour: policy.costs.core_hour.map_or(0, |amount| amount.0),
                gib_hour: policy.costs.gib_hour.map_or(0, |amount| amount.0),
                lease: policy.costs.lease.map_or(0, |amount| amount.0),
            },
        },
        allow_private_sources: policy.allow_private_sources.unwrap_or(false),
        timing: ChainTiming {
            poll: Duration::from_millis(section.poll_millis.unwrap_or(1_000)),
            confirmations: section.confirmations.unwrap_or(32),
            bump_after: Duration::from_secs(section.bump_after_seconds.unwrap_or(60)),
            max_fee_per_gas: u128::from(max_fee_gwei).saturating_mul(GWEI),
            urgent_max_fee_per_gas: section.urgent_max_fee_gwei.map_or_else(
                || u128::from(max_fee_gwei).saturating_mul(GWEI * URGENT),
                |gwei| u128::from(gwei).saturating_mul(GWEI),
            ),
            margin: section.margin_seconds.unwrap_or(60),
            settle_within: section.settle_within_seconds.unwrap_or(match is_devnet {
                true => 0,
                false => SETTLE_WITHIN,
            }),
            from_block: section
                .from_block
                .or(deployment.map(|deployment| deployment.block))
                .unwrap_or(0),
        },
        drand_urls: section.beacon.urls,
    })
}

fn operator(
    section: &ChainSection,
    flags: &Flags,
    place: &Place,
) -> Result<OperatorKey, ConfigError> {
    let provider = &section.provider;
    if let Some(path) = flags.keystore.clone().or_else(|| provider.keystore.clone()) {
        let password = match (
            &flags.password_file,
            &flags.password,
            &provider.password_file,
        ) {
            (Some(path), _, _) => Password::File(path.clone()),
            (None, Some(text), _) => Password::Text(text.clone()),
            (None, None, Some(path)) => Password::File(path.clone()),
            (None, None, None) => {
                let flag = "--password-file or PIECEWORK_PASSWORD";
                return Err(place.need("chain.provider.password_file", flag));
            }
        };
        return Ok(OperatorKey::Keystore { path, password });
    }
    let key = flags.private_key.as_ref().or(provider.key.as_ref());
    let key = key.ok_or(place.need("chain.provider.keystore", "--keystore"))?;
    // The parser's error is not shown: it must never repeat a part of the key.
    key.parse::<PrivateKeySigner>()
        .map(OperatorKey::Raw)
        .map_err(|_| ConfigError::Invalid {
            key: "chain.provider.key",
            chain: Some(place.chain.clone()),
            why: "not a private key: 64 hexadecimal digits are expected".to_owned(),
        })
}
