//! The job spec: the document that says what a job's containers run.
//!
//! Its bytes travel on chain in `Posted`, and the job names them by their keccak256. Whoever reads
//! one reads a stranger's bytes: [`JobSpec::parse`] refuses what it does not know and bounds
//! everything else by the constants of [`limits`].

mod check;
mod error;
pub mod limits;
mod unique;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::{Digest, OciDigest};
pub use error::SpecError;

/// The version of the document that this crate reads and writes.
pub const VERSION: u32 = 1;

/// What a job's containers run. All tasks share it; they differ by `PIECEWORK_TASK_INDEX`.
///
/// The fields are public so that it can be written down; what is written is checked by
/// [`JobSpec::validate`], which [`JobSpec::parse`] and [`JobSpec::to_bytes`] call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Always [`VERSION`].
    pub version: u32,
    /// The image, pinned by the digest of its manifest.
    pub image: ImageSpec,
    /// Replaces the image's entrypoint, and with it the image's own arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Arguments; none means the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables beside the image's own.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "unique::map"
    )]
    pub env: BTreeMap<String, String>,
    /// The tree that the container sees read-only at `/in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// Tasks in the job, the same number as on chain.
    pub tasks: u32,
    /// What one task may use.
    pub resources: Resources,
    /// Base URLs at which the client serves the blobs that the spec names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Url>,
    /// The account whose key asks providers for results that are not final, instead of the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch_key: Option<Address>,
}

/// An image and where it can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// SHA-256 of the manifest for one platform, never of an index.
    pub manifest: OciDigest,
    /// One of [`limits::PLATFORMS`].
    pub platform: String,
    /// The blob that holds the image as a hybrid archive (see `piecework::image`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Digest>,
    /// `repository@sha256:…` in a registry, with the same digest as `manifest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What one task may use. Bounds: see [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Thousandths of a processor.
    pub cpu_millis: u32,
    /// Memory in bytes, swap included; a task that needs more ends with the outcome `memory`.
    pub memory_bytes: u64,
    /// Bytes that a task may leave in `/out`; more is the outcome `output size`.
    pub disk_bytes: u64,
    /// Seconds that a task may run; longer is the outcome `timeout`.
    pub timeout_seconds: u64,
}

impl Default for Resources {
    /// One processor, 512 MiB of memory, 256 MiB of output, ten minutes.
    fn default() -> Self {
        Self {
            cpu_millis: 1000,
            memory_bytes: 512 << 20,
            disk_bytes: 256 << 20,
            timeout_seconds: 600,
        }
    }
}

impl JobSpec {
    /// Reads a spec.
    ///
    /// # Errors
    /// [`SpecError`], which names the field, for anything that [`JobSpec::validate`] refuses,
    /// unknown and repeated fields, and more than [`limits::MAX_SPEC_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SpecError> {
        check::length(bytes.len())?;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let spec: Self =
            serde_path_to_error::deserialize(&mut json).map_err(|error| SpecError::Form {
                field: error.path().to_string(),
                problem: error.inner().to_string(),
            })?;
        json.end().map_err(|error| SpecError::Form {
            field: ".".into(),
            problem: error.to_string(),
        })?;
        spec.validate()?;
        Ok(spec)
    }

    /// Writes the spec in its canonical form: JSON without spaces, fields in their order here,
    /// what is empty left out.
    ///
    /// # Errors
    /// [`SpecError`] for a spec that [`JobSpec::parse`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SpecError> {
        self.validate()?;
        let bytes = serde_json::to_vec(self).map_err(|error| SpecError::Form {
            field: ".".into(),
            problem: error.to_string(),
        })?;
        check::length(bytes.len())?;
        Ok(bytes)
    }

    /// keccak256 of the canonical form: the `spec` of a job posted with [`JobSpec::to_bytes`].
    ///
    /// # Errors
    /// [`SpecError`] for a spec that [`JobSpec::parse`] would refuse.
    pub fn hash(&self) -> Result<B256, SpecError> {
        Ok(hash_bytes(&self.to_bytes()?))
    }

    /// Checks every rule that the types do not carry.
    ///
    /// # Errors
    /// [`SpecError`], which names the field.
    pub fn validate(&self) -> Result<(), SpecError> {
        check::spec(self)
    }
}

/// keccak256 of a spec's bytes as they stand on chain, which need not be in canonical form.
pub fn hash_bytes(bytes: &[u8]) -> B256 {
    keccak256(bytes)
}

#[cfg(test)]
mod tests;
