//! What a container engine says of itself and of the machine that it runs on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;

/// What a container engine says of itself and of the machine that it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Version of the engine.
    pub version: String,
    /// The engine's runc; `None` if it names none.
    pub runc: Option<Package>,
    /// Release of the kernel.
    pub kernel: String,
    /// `1` or `2`; empty if the engine does not say.
    pub cgroup_version: String,
    /// The OCI runtime that is used when none is asked for.
    pub default_runtime: String,
    /// Directory of its images and containers.
    pub root_dir: PathBuf,
    /// What of a task is not bounded, although the profile asks for it.
    pub unbounded: BTreeSet<Limit>,
    /// What the engine warns of.
    pub warnings: Vec<String>,
}

/// A part of the engine, as it was packaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// The version that its maker gave it.
    pub version: String,
    /// The version of the package, or the commit that it was built from; empty if the engine does not say.
    pub build: String,
}

/// A limit of the profile that an engine may discard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Number of processes.
    Processes,
    /// Swap, of a machine that has some.
    Swap,
    /// Any other.
    Other,
}

impl Limit {
    /// What it bounds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Memory => "memory",
            Self::Processes => "the number of processes",
            Self::Swap => "swap",
            Self::Other => "a resource",
        }
    }

    /// The limit that an engine discards, by its warning. `None` if it warns of something else.
    pub(super) fn discarded(warning: &str) -> Option<Self> {
        let text = warning.to_lowercase();
        // It comes with every container of a kernel that does not count swap.
        if text.contains("limited without swap") {
            return Some(Self::Swap);
        }
        if !text.contains("discarded") {
            return None;
        }
        let words = [
            ("swappiness", Self::Other),
            ("swap", Self::Swap),
            ("memory", Self::Memory),
            ("pids", Self::Processes),
            ("cpu", Self::Cpu),
        ];
        let found = words.iter().find(|(word, _)| text.contains(word));
        Some(found.map_or(Self::Other, |(_, limit)| *limit))
    }
}

/// Whether this machine swaps. If it cannot be told, it does.
pub(super) fn has_swap() -> bool {
    let swaps = std::fs::read_to_string("/proc/swaps");
    // The first line is a heading.
    swaps.map_or(true, |swaps| swaps.lines().count() > 1)
}

/// The answer to `/version`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VersionAnswer {
    #[serde(rename = "Version")]
    version: String,
    #[serde(rename = "ApiVersion")]
    pub(super) api_version: String,
    #[serde(rename = "MinAPIVersion")]
    pub(super) min_api_version: String,
    #[serde(rename = "Components")]
    components: Option<Vec<Component>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Component {
    name: String,
    version: String,
    details: Option<BTreeMap<String, serde_json::Value>>,
}

/// The answer to `/info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct InfoAnswer {
    kernel_version: String,
    cgroup_version: String,
    default_runtime: String,
    docker_root_dir: PathBuf,
    memory_limit: Option<bool>,
    swap_limit: Option<bool>,
    cpu_cfs_quota: Option<bool>,
    pids_limit: Option<bool>,
    warnings: Option<Vec<String>>,
}

impl EngineFacts {
    pub(super) fn new(version: VersionAnswer, info: InfoAnswer, has_swap: bool) -> Self {
        // An engine that does not say is not suspected.
        let asked = [
            (info.cpu_cfs_quota, Limit::Cpu),
            (info.memory_limit, Limit::Memory),
            (info.pids_limit, Limit::Processes),
            (info.swap_limit.filter(|_| has_swap), Limit::Swap),
        ];
        let unbounded = asked.iter().filter(|(works, _)| *works == Some(false));
        let components = version.components.unwrap_or_default();
        let runc = components.into_iter().find(|part| part.name == "runc");
        Self {
            version: version.version,
            runc: runc.map(|part| Package {
                build: part.detail("GitCommit"),
                version: part.version,
            }),
            kernel: info.kernel_version,
            cgroup_version: info.cgroup_version,
            default_runtime: info.default_runtime,
            root_dir: info.docker_root_dir,
            unbounded: unbounded.map(|(_, limit)| *limit).collect(),
            warnings: info.warnings.unwrap_or_default(),
        }
    }
}

impl Component {
    fn detail(&self, name: &str) -> String {
        let details = self.details.as_ref();
        let detail = details.and_then(|details| details.get(name)?.as_str());
        detail.unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn facts(info: serde_json::Value, has_swap: bool) -> EngineFacts {
        let version = serde_json::json!({
            "Version": "20.10.24+dfsg1", "ApiVersion": "1.41", "Components": [
                { "Name": "Engine", "Version": "20.10.24+dfsg1" },
                { "Name": "runc", "Version": "1.1.5+ds1", "Details": { "GitCommit": "1.1.5+ds1-1+deb12u1" } },
            ],
        });
        let version = serde_json::from_value(version).unwrap();
        EngineFacts::new(version, serde_json::from_value(info).unwrap(), has_swap)
    }

    #[test]
    fn missing_limits_and_the_package_of_runc_are_read_from_the_engines_answers() {
        let info = |limit: bool| {
            serde_json::json!({
                "KernelVersion": "6.18.44", "CgroupVersion": "2", "DefaultRuntime": "runc", "Warnings": null,
                "MemoryLimit": limit, "SwapLimit": limit, "CpuCfsQuota": limit, "PidsLimit": limit,
            })
        };
        let good = facts(info(true), true);
        assert_eq!(good.unbounded, BTreeSet::new());
        let runc = Package {
            version: "1.1.5+ds1".to_owned(),
            build: "1.1.5+ds1-1+deb12u1".to_owned(),
        };
        assert_eq!((good.runc, good.cgroup_version.as_str()), (Some(runc), "2"));
        let bad = facts(info(false), true).unbounded;
        let names: Vec<&str> = bad.iter().map(|limit| limit.name()).collect();
        let all = ["CPU time", "memory", "the number of processes", "swap"];
        assert_eq!(names, all);
        // Without swap on the machine nothing is lost with its limit.
        assert!(!facts(info(false), false).unbounded.contains(&Limit::Swap));
        assert_eq!(
            facts(serde_json::json!({}), true).unbounded,
            BTreeSet::new()
        );
    }

    #[test]
    fn warnings_of_the_engine_name_the_limit_that_it_discards() {
        let not = "or the cgroup is not mounted.";
        for (warning, limit) in [
            (
                format!(
                    "Your kernel does not support memory limit capabilities {not} Limitation discarded."
                ),
                Some(Limit::Memory),
            ),
            (
                format!(
                    "Your kernel does not support swap limit capabilities {not} Memory limited without swap."
                ),
                Some(Limit::Swap),
            ),
            (
                format!(
                    "Your kernel does not support PIDs limit capabilities {not} PIDs limit discarded."
                ),
                Some(Limit::Processes),
            ),
            (
                format!("Your kernel does not support CPU shares {not} Shares discarded."),
                Some(Limit::Cpu),
            ),
            (
                format!(
                    "Your kernel does not support memory swappiness capabilities {not} Memory swappiness discarded."
                ),
                Some(Limit::Other),
            ),
            (
                "IPv4 forwarding is disabled. Networking will not work.".to_owned(),
                None,
            ),
        ] {
            assert_eq!(Limit::discarded(&warning), limit, "{warning}");
        }
    }
}
