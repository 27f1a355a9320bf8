//! The TOML file, and how it is put together with flags.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor},
};
use url::Url;

use super::{
    Capacity, ChainTiming, Config, ConfigError, Flags, OperatorKey, Password, Policy, Retention,
    Watch, invalid,
};

/// A configuration file of more bytes than this is a mistake.
const MAX_FILE: u64 = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    state_dir: Option<PathBuf>,
    stop_grace_seconds: Option<u64>,
    chain: ChainSection,
    provider: ProviderSection,
    engine: EngineSection,
    capacity: CapacitySection,
    policy: PolicySection,
    watch: WatchSection,
    serve: ServeSection,
    admin: AdminSection,
    retention: RetentionSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ChainSection {
    rpc_url: Option<Url>,
    id: Option<u64>,
    market: Option<Address>,
    from_block: Option<u64>,
    poll_millis: Option<u64>,
    confirmations: Option<u64>,
    bump_after_seconds: Option<u64>,
    max_fee_gwei: Option<u64>,
    margin_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProviderSection {
    address: Option<Address>,
    keystore: Option<PathBuf>,
    password_file: Option<PathBuf>,
    key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EngineSection {
    docker: Option<String>,
    runtime: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CapacitySection {
    cpu_millis: Option<u64>,
    memory_bytes: Option<u64>,
    disk_bytes: Option<u64>,
    tasks: Option<u32>,
    lease_tasks: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicySection {
    min_price: Option<Amount>,
    max_exposure: Option<Amount>,
    strangers_percent: Option<u8>,
    max_leases: Option<u32>,
    lists: Vec<B256>,
    min_jury_fee: Option<Amount>,
    try_seconds: Option<u64>,
    allow_private_sources: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WatchSection {
    share: Option<f64>,
    max_deposit: Option<Amount>,
    max_open: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServeSection {
    bind: Option<SocketAddr>,
    url: Option<Url>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AdminSection {
    bind: Option<SocketAddr>,
    enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RetentionSection {
    keep_hours: Option<u64>,
    keep_images_hours: Option<u64>,
    max_image_bytes: Option<u64>,
    max_bytes: Option<u64>,
}

/// An amount of the token: TOML integers end at 2^63, so a decimal string is accepted too.
#[derive(Debug, Clone, Copy)]
struct Amount(u128);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an amount in the token's smallest unit: a whole number, or a string of digits",
                )
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Amount, E> {
                u128::try_from(value)
                    .map(Amount)
                    .map_err(|_| E::custom("an amount must not be negative"))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Amount, E> {
                value
                    .replace('_', "")
                    .parse()
                    .map(Amount)
                    .map_err(E::custom)
            }
        }
        deserializer
            .deserialize_any(AmountVisitor)
            .map_err(D::Error::custom)
    }
}

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
    parse(&text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

pub(super) fn parse(text: &str) -> Result<File, toml::de::Error> {
    toml::from_str(text)
}

pub(super) fn merge(file: File, flags: &Flags) -> Result<Config, ConfigError> {
    let need = |key, flag| ConfigError::Missing { key, flag };
    let operator = operator(&file, flags)?;
    let capacity = &file.capacity;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let min_price = flags
        .min_price
        .or(file.policy.min_price.map(|amount| amount.0))
        .ok_or(need("policy.min_price", "--min-price"))?;
    let admin = flags
        .admin
        .or(file.admin.bind)
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7_702)));
    Ok(Config {
        state_dir: flags
            .state_dir
            .clone()
            .or(file.state_dir)
            .ok_or(need("state_dir", "--state-dir"))?,
        rpc_url: flags
            .rpc_url
            .clone()
            .or(file.chain.rpc_url)
            .ok_or(need("chain.rpc_url", "--rpc-url"))?,
        chain_id: flags
            .chain_id
            .or(file.chain.id)
            .ok_or(need("chain.id", "--chain-id"))?,
        market: flags
            .market
            .or(file.chain.market)
            .ok_or(need("chain.market", "--market"))?,
        provider: flags
            .provider
            .or(file.provider.address)
            .ok_or(need("provider.address", "--provider"))?,
        operator,
        docker: flags
            .docker
            .clone()
            .or(file.engine.docker)
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
        runtime: flags.runtime.clone().or(file.engine.runtime),
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
        policy: Policy {
            min_price,
            max_exposure: file.policy.max_exposure.map(|amount| amount.0),
            strangers_percent: file.policy.strangers_percent.unwrap_or(25),
            max_leases: file.policy.max_leases.unwrap_or(64),
            lists: file.policy.lists,
            min_jury_fee: file
                .policy
                .min_jury_fee
                .map_or(min_price, |amount| amount.0),
            try_seconds: file.policy.try_seconds.unwrap_or(600),
            allow_private_sources: file.policy.allow_private_sources.unwrap_or(false),
        },
        watch: Watch {
            share: flags
                .watch_share
                .or(file.watch.share)
                .unwrap_or(Watch::OFF.share),
            max_deposit: flags
                .watch_max_deposit
                .or(file.watch.max_deposit.map(|amount| amount.0)),
            max_open: file.watch.max_open.unwrap_or(Watch::OFF.max_open),
        },
        timing: ChainTiming {
            poll: Duration::from_millis(file.chain.poll_millis.unwrap_or(1_000)),
            confirmations: file.chain.confirmations.unwrap_or(32),
            bump_after: Duration::from_secs(file.chain.bump_after_seconds.unwrap_or(60)),
            max_fee_per_gas: u128::from(file.chain.max_fee_gwei.unwrap_or(200))
                .saturating_mul(1_000_000_000),
            margin: file.chain.margin_seconds.unwrap_or(60),
            from_block: file.chain.from_block.unwrap_or(0),
        },
        serve: flags
            .serve
            .or(file.serve.bind)
            .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 7_701))),
        serve_url: flags.serve_url.clone().or(file.serve.url),
        admin: file.admin.enabled.unwrap_or(true).then_some(admin),
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

fn operator(file: &File, flags: &Flags) -> Result<OperatorKey, ConfigError> {
    if let Some(path) = flags
        .keystore
        .clone()
        .or_else(|| file.provider.keystore.clone())
    {
        let password = match (
            &flags.password_file,
            &flags.password,
            &file.provider.password_file,
        ) {
            (Some(path), _, _) => Password::File(path.clone()),
            (None, Some(text), _) => Password::Text(text.clone()),
            (None, None, Some(path)) => Password::File(path.clone()),
            (None, None, None) => {
                return Err(ConfigError::Missing {
                    key: "provider.password_file",
                    flag: "--password-file or PIECEWORK_PASSWORD",
                });
            }
        };
        return Ok(OperatorKey::Keystore { path, password });
    }
    let key = flags.private_key.as_ref().or(file.provider.key.as_ref());
    let key = key.ok_or(ConfigError::Missing {
        key: "provider.keystore",
        flag: "--keystore",
    })?;
    // The parser's error is not shown: it must never repeat a part of the key.
    key.parse::<PrivateKeySigner>()
        .map(OperatorKey::Raw)
        .map_err(|_| {
            invalid(
                "provider.key",
                "not a private key: 64 hexadecimal digits are expected",
            )
        })
}
