//! The config of an image: what an engine does with it by itself.

use std::collections::BTreeMap;

use piecework_core::digest::OciDigest;
use piecework_core::spec::limits::PLATFORMS;
use serde::Deserialize;
use serde_json::Value;

use super::{ImageError, oci};

/// What is read of a config. The rest is history and labels.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigFile {
    architecture: String,
    os: String,
    rootfs: RootFs,
    #[serde(default)]
    config: Option<Defaults>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<OciDigest>,
}

/// How a container of the image is started.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Defaults {
    #[serde(default)]
    pub(super) env: Option<Vec<String>>,
    #[serde(default)]
    pub(super) entrypoint: Option<Vec<String>>,
    #[serde(default)]
    pub(super) cmd: Option<Vec<String>>,
    #[serde(default)]
    pub(super) working_dir: Option<String>,
    #[serde(default)]
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) volumes: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(super) healthcheck: Option<Value>,
}

impl ConfigFile {
    /// Reads a config, and refuses keys that an engine would take for others.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        const CONFIG: &str = "the config";
        let value: Value = oci::read(CONFIG, bytes)?;
        check_keys(&value, &["architecture", "os", "rootfs", "config"])?;
        check_keys(
            value.get("rootfs").unwrap_or(&Value::Null),
            &["type", "diff_ids"],
        )?;
        check_keys(
            value.get("config").unwrap_or(&Value::Null),
            &[
                "Env",
                "Entrypoint",
                "Cmd",
                "WorkingDir",
                "User",
                "Volumes",
                "Healthcheck",
            ],
        )?;
        // Read from the bytes again: this refuses keys that stand twice.
        let file: Self = oci::read(CONFIG, bytes)?;
        if file.rootfs.kind != "layers" {
            let problem = "its rootfs is not of the type `layers`".to_owned();
            return Err(ImageError::Document {
                document: CONFIG,
                problem,
            });
        }
        Ok(file)
    }

    /// `os/architecture`, one of those that a spec can name.
    pub(super) fn platform(&self) -> Result<String, ImageError> {
        let platform = format!("{}/{}", self.os, self.architecture);
        if !PLATFORMS.contains(&platform.as_str()) {
            return Err(ImageError::Platform { platform });
        }
        Ok(platform)
    }

    pub(super) fn diff_ids(&self) -> &[OciDigest] {
        &self.rootfs.diff_ids
    }

    pub(super) fn into_defaults(self) -> Defaults {
        self.config.unwrap_or_default()
    }
}

/// Engines match keys without regard to case, in Unicode's sense even: `volumes` would be a
/// `Volumes` that a reader who minds case does not see.
fn check_keys(object: &Value, known: &[&str]) -> Result<(), ImageError> {
    let Some(object) = object.as_object() else {
        return Ok(());
    };
    let is_other = |key: &&String| {
        !key.is_ascii()
            || known
                .iter()
                .any(|known| known.eq_ignore_ascii_case(key) && known != key)
    };
    match object.keys().find(is_other) {
        None => Ok(()),
        Some(key) => Err(ImageError::Document {
            document: "the config",
            problem: format!("engines would take the key {key:?} for another"),
        }),
    }
}
