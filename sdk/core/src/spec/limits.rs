//! Bounds of a job spec. What is beyond them is refused by clients and executors alike.

use std::ops::RangeInclusive;

/// Most bytes in the document.
pub const MAX_SPEC_BYTES: usize = crate::rules::MAX_SPEC;
/// Platforms that an image may be for.
pub const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];
/// Most strings in `command` and in `args`, each.
pub const MAX_ARGUMENTS: usize = 1_024;
/// Most bytes in `command`, `args` and `env` together, with one more for each string.
pub const MAX_ARGUMENT_BYTES: usize = 12_288;
/// Most environment variables.
pub const MAX_ENV: usize = 128;
/// Most bytes in the name of an environment variable.
pub const MAX_ENV_NAME_BYTES: usize = 128;
/// Prefix of the names that the executor sets and a spec may not.
pub const RESERVED_ENV_PREFIX: &str = "PIECEWORK_";
/// Further names that the executor sets, so that honest providers get equal results.
pub const RESERVED_ENV: [&str; 11] = [
    "HOSTNAME",
    "TZ",
    "LC_ALL",
    "SOURCE_DATE_EPOCH",
    "PYTHONHASHSEED",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "GOMAXPROCS",
];
/// Most sources.
pub const MAX_SOURCES: usize = 8;
/// Most bytes in the URL of a source.
pub const MAX_SOURCE_BYTES: usize = 512;
/// Most bytes in `image.reference`.
pub const MAX_REFERENCE_BYTES: usize = 512;
/// `resources.cpu_millis`: from a twentieth of a processor to 1,024 processors.
pub const CPU_MILLIS: RangeInclusive<u32> = 50..=1_024_000;
/// `resources.memory_bytes`: from 16 MiB to 4 TiB.
pub const MEMORY_BYTES: RangeInclusive<u64> = 16 << 20..=4 << 40;
/// `resources.disk_bytes`: from 64 KiB to 1 TiB.
pub const DISK_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 40;
/// `resources.timeout_seconds`: from one second to 30 days, as long as the market's windows.
pub const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=2_592_000;
