//! The TOML file's shape.

use std::{fmt, net::SocketAddr, path::PathBuf};

use alloy::primitives::{Address, B256};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor},
};
use url::Url;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) state_dir: Option<PathBuf>,
    pub(super) stop_grace_seconds: Option<u64>,
    pub(super) chain: Vec<ChainSection>,
    pub(super) engine: EngineSection,
    pub(super) capacity: CapacitySection,
    pub(super) serve: ServeSection,
    pub(super) admin: AdminSection,
    pub(super) retention: RetentionSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChainSection {
    pub(super) name: Option<String>,
    pub(super) rpc_url: Option<Url>,
    #[serde(default)]
    pub(super) more_rpc_urls: Vec<Url>,
    pub(super) deployment: Option<PathBuf>,
    pub(super) id: Option<u64>,
    pub(super) market: Option<Address>,
    pub(super) from_block: Option<u64>,
    pub(super) poll_millis: Option<u64>,
    pub(super) confirmations: Option<u64>,
    pub(super) bump_after_seconds: Option<u64>,
    pub(super) max_fee_gwei: Option<u64>,
    pub(super) urgent_max_fee_gwei: Option<u64>,
    pub(super) margin_seconds: Option<u64>,
    pub(super) settle_within_seconds: Option<u64>,
    pub(super) provider: ProviderSection,
    pub(super) policy: PolicySection,
    pub(super) beacon: BeaconSection,
    #[serde(rename = "watch", deserialize_with = "no_watching")]
    _watch: (),
}

/// Refuses a table of the time when executors watched other providers.
fn no_watching<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(D::Error::custom(
        "watching is gone: executors no longer run results of other providers again. Nothing was started. Remove the \
         table [chain.watch] and all its keys",
    ))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProviderSection {
    pub(super) address: Option<Address>,
    pub(super) keystore: Option<PathBuf>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BeaconSection {
    pub(super) urls: Vec<Url>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EngineSection {
    pub(super) docker: Option<String>,
    pub(super) runtime: Option<String>,
    pub(super) trusted_runc: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CapacitySection {
    pub(super) cpu_millis: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) disk_bytes: Option<u64>,
    pub(super) tasks: Option<u32>,
    pub(super) lease_tasks: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicySection {
    pub(super) min_price: Option<Amount>,
    pub(super) max_exposure: Option<Amount>,
    pub(super) strangers_percent: Option<u8>,
    pub(super) max_leases: Option<u32>,
    pub(super) lists: Vec<B256>,
    pub(super) trusted_clients: Vec<Address>,
    pub(super) min_jury_fee: Option<Amount>,
    pub(super) try_seconds: Option<u64>,
    pub(super) allow_private_sources: Option<bool>,
    pub(super) costs: CostsSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CostsSection {
    pub(super) core_hour: Option<Amount>,
    pub(super) gib_hour: Option<Amount>,
    pub(super) lease: Option<Amount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServeSection {
    pub(super) bind: Option<SocketAddr>,
    pub(super) url: Option<Url>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AdminSection {
    pub(super) bind: Option<SocketAddr>,
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetentionSection {
    pub(super) keep_hours: Option<u64>,
    pub(super) keep_images_hours: Option<u64>,
    pub(super) max_image_bytes: Option<u64>,
    pub(super) max_bytes: Option<u64>,
}

/// An amount of the token: TOML integers end at 2^63, so a decimal string is accepted too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount(pub(super) u128);

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
