//! The container engine, its runc, and the kernel below them.

use std::path::PathBuf;

use super::Finding;
use crate::{
    Config, Error,
    sandbox::{
        SandboxError,
        docker::DockerEngine,
        engine::{ContainerEngine as _, EngineError, EngineFacts},
    },
    start,
};

/// The first engine that knows the `errnoRet` of our seccomp profile.
const OLDEST_ENGINE: Version = Version::new(20, 10, 10);
/// The first kernel whose cgroup v2 has the controller `cpu`.
const OLDEST_KERNEL: Version = Version::new(4, 15, 0);
/// The first kernel whose cgroup v2 can freeze, which is how runc ends a container without leaving processes behind.
const GOOD_KERNEL: Version = Version::new(5, 2, 0);

const EARLY_HOLES: &str = "CVE-2024-21626, CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881";
const LATE_HOLES: &str = "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881";

/// Looks at the engine. Returns the directory of its images.
pub(super) async fn look(config: &Config, findings: &mut Vec<Finding>) -> Option<PathBuf> {
    let facts = match facts(config).await {
        Ok(facts) => facts,
        Err(error) => {
            findings.push(Finding::missing("engine", error.to_string()));
            return None;
        }
    };
    findings.extend(judge(config, &facts));
    let tried = match std::path::absolute(&config.state_dir) {
        Ok(dir) => start::sandbox(config, &dir.join("check")).await.map(|_| ()),
        Err(source) => Err(Error::Io {
            path: config.state_dir.clone(),
            source,
        }),
    };
    findings.push(match tried {
        Ok(()) => Finding::good("engine", format!("{} runs containers", config.docker)),
        Err(error) => Finding::missing("engine", error.to_string()),
    });
    Some(facts.root_dir)
}

async fn facts(config: &Config) -> Result<EngineFacts, SandboxError> {
    let engine = DockerEngine::connect(&config.docker).await?;
    Ok(engine.facts().await?)
}

fn judge(config: &Config, facts: &EngineFacts) -> Vec<Finding> {
    let mut findings = vec![version(facts), runc(config, facts), kernel(facts)];
    findings.push(cgroup(facts));
    for warning in &facts.warnings {
        let text = format!("the engine warns: {}", warning.trim());
        findings.push(Finding::warning("engine", text));
    }
    findings
}

fn version(facts: &EngineFacts) -> Finding {
    let found = &facts.version;
    match Version::parse(found) {
        Some(version) if version < OLDEST_ENGINE => Finding::missing(
            "engine",
            format!(
                "version {found} does not know all of the sandbox's seccomp profile: install 20.10.10 or newer"
            ),
        ),
        Some(_) => Finding::good("engine", format!("version {found}")),
        None => Finding::warning(
            "engine",
            format!(
                "its version {found:?} is not understood: it should be Docker 20.10.10 or newer"
            ),
        ),
    }
}

fn runc(config: &Config, facts: &EngineFacts) -> Finding {
    let runtime = config.runtime.as_ref().unwrap_or(&facts.default_runtime);
    if !runtime.contains("runc") {
        let text = format!("tasks run under {runtime}, not under runc");
        return Finding::good("runc", text);
    }
    let Some(package) = &facts.runc else {
        return Finding::warning(
            "runc",
            "the engine does not tell the version of its runc: it should be 1.2.8, 1.3.3, 1.4.0 or newer",
        );
    };
    let found = match package.build.is_empty() {
        true => package.version.clone(),
        false => format!("{} (build {})", package.version, package.build),
    };
    let Some(version) = Version::parse(&package.version) else {
        let text = format!(
            "its version {found} is not understood: it should be 1.2.8, 1.3.3, 1.4.0 or newer"
        );
        return Finding::warning("runc", text);
    };
    let Some(holes) = version.runc_holes() else {
        return Finding::good("runc", format!("version {found}"));
    };
    let is_trusted = |trusted: &String| [&package.version, &package.build].contains(&trusted);
    if config.trusted_runc.as_ref().is_some_and(is_trusted) {
        let text = format!("version {found}, which engine.trusted_runc says has its fixes");
        return Finding::good("runc", text);
    }
    let name = match package.build.is_empty() {
        true => &package.version,
        false => &package.build,
    };
    Finding::missing(
        "runc",
        format!(
            "version {found} has {holes}, by which a container can take over this machine: install 1.2.8, 1.3.3, 1.4.0 or \
             newer. If your distribution mended this package, set engine.trusted_runc = \"{name}\". Or run tasks under \
             gVisor: engine.runtime = \"runsc\""
        ),
    )
}

fn kernel(facts: &EngineFacts) -> Finding {
    let found = &facts.kernel;
    match Version::parse(found) {
        Some(version) if version < OLDEST_KERNEL => Finding::missing(
            "kernel",
            format!("version {found} cannot bound a task: install 5.2 or newer"),
        ),
        Some(version) if version < GOOD_KERNEL => Finding::warning(
            "kernel",
            format!("version {found} cannot freeze what it ends: 5.2 or newer is better"),
        ),
        Some(_) => Finding::good("kernel", format!("version {found}")),
        None => Finding::warning(
            "kernel",
            format!("its version {found:?} is not understood: it should be 5.2 or newer"),
        ),
    }
}

fn cgroup(facts: &EngineFacts) -> Finding {
    if !facts.unbounded.is_empty() {
        let error = EngineError::unbounded(&facts.unbounded);
        return Finding::missing("cgroup", error.to_string());
    }
    match facts.cgroup_version.as_str() {
        "2" => Finding::good("cgroup", "version 2, with cpu, memory and pids"),
        found => Finding::warning(
            "cgroup",
            format!(
                "version {}, which bounds cpu, memory and processes, but not what tasks write through the page cache: boot \
                 with systemd.unified_cgroup_hierarchy=1",
                if found.is_empty() {
                    "1 or unknown"
                } else {
                    found
                }
            ),
        ),
    }
}

/// A version as engines, kernels and distributions write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    /// Number of the release candidate; the highest number for a release.
    candidate: u64,
}

impl Version {
    const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self {
            major,
            minor,
            patch,
            candidate: u64::MAX,
        }
    }

    /// Reads the numbers at the beginning, and whether it is a release candidate. What a distribution adds is ignored.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let end = text.find(|c: char| !is_number(c)).unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let mut numbers = numbers.split('.').map(str::parse::<u64>);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
        let candidate = match rest.trim_start_matches(['-', '~']).strip_prefix("rc") {
            None => u64::MAX,
            Some(rest) => {
                let digits = rest.trim_start_matches(['.', '-']);
                let end = digits.find(|c: char| !c.is_ascii_digit());
                let digits = digits.get(..end.unwrap_or(digits.len()))?;
                digits.parse().unwrap_or(0)
            }
        };
        Some(Self {
            candidate,
            ..Self::new(major, minor, patch)
        })
    }

    /// The known ways out of a container that runc of this version leaves open.
    fn runc_holes(self) -> Option<&'static str> {
        if self < Self::new(1, 1, 12) {
            return Some(EARLY_HOLES);
        }
        let fixed = match (self.major, self.minor) {
            (1, 2) => Self::new(1, 2, 8),
            (1, 3) => Self::new(1, 3, 3),
            _ => Self {
                candidate: 3,
                ..Self::new(1, 4, 0)
            },
        };
        (self < fixed).then_some(LATE_HOLES)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use alloy::{primitives::Address, signers::local::PrivateKeySigner};

    use super::*;
    use crate::{
        check::Verdict::{self, Good, Missing, Warning},
        sandbox::engine::{Limit, Package},
    };

    fn config() -> Config {
        let url = "http://localhost:1".parse().unwrap();
        let key = PrivateKeySigner::random();
        let me = Address::ZERO;
        Config::devnet("state".into(), url, me, me, key, "unix:///x".to_owned())
    }

    fn good() -> EngineFacts {
        EngineFacts {
            version: "28.5.1".to_owned(),
            runc: Some(Package {
                version: "1.3.3".to_owned(),
                build: "v1.3.3-0-gd842d77".to_owned(),
            }),
            kernel: "6.12.48+deb13-amd64".to_owned(),
            cgroup_version: "2".to_owned(),
            default_runtime: "runc".to_owned(),
            ..EngineFacts::default()
        }
    }

    fn verdicts(config: &Config, facts: &EngineFacts) -> Vec<(&'static str, Verdict)> {
        let findings = judge(config, facts);
        findings.iter().map(|at| (at.what, at.verdict)).collect()
    }

    #[test]
    fn an_engine_is_judged_by_its_parts() {
        let all = |engine, runc, kernel, cgroup| {
            vec![
                ("engine", engine),
                ("runc", runc),
                ("kernel", kernel),
                ("cgroup", cgroup),
            ]
        };
        let config = config();
        assert_eq!(verdicts(&config, &good()), all(Good, Good, Good, Good));
        let old = EngineFacts {
            version: "20.10.9".to_owned(),
            kernel: "4.14.336".to_owned(),
            cgroup_version: "1".to_owned(),
            runc: None,
            ..good()
        };
        let expected = all(Missing, Warning, Missing, Warning);
        assert_eq!(verdicts(&config, &old), expected);
        let odd = EngineFacts {
            kernel: "4.19.0-27-amd64".to_owned(),
            unbounded: BTreeSet::from([Limit::Processes]),
            warnings: vec!["WARNING: No io.max (rbps) support".to_owned()],
            version: "main".to_owned(),
            ..good()
        };
        let mut expected = all(Warning, Good, Warning, Missing);
        expected.push(("engine", Warning));
        assert_eq!(verdicts(&config, &odd), expected);
    }

    #[test]
    fn a_runc_with_known_holes_is_missing_unless_it_is_trusted_or_not_used() {
        let mut config = config();
        let mut facts = good();
        facts.runc = Some(Package {
            version: "1.1.5+ds1".to_owned(),
            build: "1.1.5+ds1-1+deb12u1".to_owned(),
        });
        let found = runc(&config, &facts);
        assert_eq!(found.verdict, Missing);
        let named = "engine.trusted_runc = \"1.1.5+ds1-1+deb12u1\"";
        assert!(found.text.contains(named), "{}", found.text);
        assert!(found.text.contains("CVE-2024-21626"), "{}", found.text);
        for (trusted, verdict) in [
            ("1.1.5+ds1-1+deb12u1", Good),
            ("1.1.5+ds1-1+deb12u2", Missing),
        ] {
            config.trusted_runc = Some(trusted.to_owned());
            assert_eq!(runc(&config, &facts).verdict, verdict, "{trusted}");
        }
        config.trusted_runc = None;
        config.runtime = Some("runsc".to_owned());
        assert_eq!(runc(&config, &facts).verdict, Good);
    }

    #[test]
    fn the_versions_of_runc_with_all_fixes_are_known() {
        for (version, holes) in [
            ("1.0.0-rc93", Some(EARLY_HOLES)),
            ("1.1.11", Some(EARLY_HOLES)),
            ("1.1.12", Some(LATE_HOLES)),
            ("1.1.15-0ubuntu1~24.04.1", Some(LATE_HOLES)),
            ("1.2.7", Some(LATE_HOLES)),
            ("1.2.8", None),
            ("1.3.2", Some(LATE_HOLES)),
            ("1.3.3-0ubuntu1~24.04.3", None),
            ("1.4.0-rc.2", Some(LATE_HOLES)),
            ("1.4.0-rc.3", None),
            ("1.4.0~rc.2+ds1", Some(LATE_HOLES)),
            ("v1.4.0", None),
            ("2.0.0", None),
        ] {
            let parsed = Version::parse(version).unwrap();
            assert_eq!(parsed.runc_holes(), holes, "{version}");
        }
        assert_eq!(Version::parse("nonsense"), None);
    }
}
