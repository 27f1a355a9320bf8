//! The hardened profile: exactly what is asked of the engine for a stranger's container.
//!
//! Every field here closes a hole that was seen open. The JSON is snapshot-tested, so that a
//! change of it cannot go unnoticed.

use std::collections::BTreeMap;

use piecework_executor_core::capacity::host_memory;
use serde::Serialize;

/// Nobody: neither root nor an account of the host.
pub const USER: u32 = 65_534;
/// Most processes and threads of a task.
pub const PIDS: i64 = 256;
/// Most open files of a process.
pub const OPEN_FILES: i64 = 4_096;
/// Most files and directories in `/out`, and in `/tmp`; above the manifest's limit, so that
/// who writes too many files is told so, and far below what would hurt the host.
pub const INODES: u64 = 16_384;

/// System calls a task may make; an allow-list. Written by hand after Docker's own, without
/// what a task has no use for: other namespaces, tracing, keys, bpf, io_uring, mounts, modules,
/// and sockets other than Unix and IP ones (AF_VSOCK would reach a virtual machine's host).
const SECCOMP: &str = include_str!("seccomp.json");

/// What a container gets, in our own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id of the image.
    pub image: String,
    /// Entrypoint that replaces the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments that replace the image's.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
    /// Processor share, in thousandths of a core.
    pub cpu_millis: u64,
    /// The cores it may run on, like `0-1`; all if `None`.
    pub cpuset: Option<String>,
    /// Memory of its processes, in bytes; what lies in `/tmp` counts.
    pub memory_bytes: u64,
    /// Size of `/out`, in bytes; also of `/tmp`, and the longest file.
    pub disk_bytes: u64,
    /// Directory of the host that is shown, read-only, as `/in`.
    pub input: Option<String>,
    /// Where `/out` is.
    pub output: Output,
    /// OCI runtime; the engine's default if `None`.
    pub runtime: Option<String>,
}

/// What stands behind `/out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A directory of the host with a bounded file system on it.
    Directory(String),
    /// A bounded volume of the engine.
    Volume(String),
    /// None: for containers of ours that write nothing.
    None,
}

impl Container {
    /// The create request of this container.
    #[must_use]
    pub fn request(&self) -> CreateRequest {
        let tmpfs = format!(
            "rw,noexec,nosuid,nodev,size={},nr_inodes={INODES},mode=1777",
            self.disk_bytes
        );
        let memory = signed(host_memory(self.memory_bytes, self.disk_bytes));
        CreateRequest {
            image: self.image.clone(),
            hostname: "piecework",
            user: format!("{USER}:{USER}"),
            entrypoint: self.entrypoint.clone(),
            cmd: (!self.args.is_empty()).then(|| self.args.clone()),
            env: self.env.iter().map(|(k, v)| format!("{k}={v}")).collect(),
            labels: self.labels.clone(),
            attach_stdin: false,
            attach_stdout: true,
            attach_stderr: true,
            open_stdin: false,
            tty: false,
            healthcheck: Healthcheck { test: ["NONE"] },
            stop_signal: "SIGKILL",
            host_config: HostConfig {
                network_mode: "none",
                dns: ["127.0.0.1"],
                dns_search: ["."],
                readonly_rootfs: true,
                privileged: false,
                cap_drop: ["ALL"],
                security_opt: vec![
                    "no-new-privileges:true".to_owned(),
                    format!("seccomp={}", seccomp()),
                ],
                pids_limit: PIDS,
                memory,
                memory_swap: memory,
                nano_cpus: signed(self.cpu_millis.saturating_mul(1_000_000)),
                cpuset_cpus: self.cpuset.clone(),
                ulimits: vec![
                    Ulimit::new("nofile", OPEN_FILES),
                    Ulimit::new("core", 0),
                    Ulimit::new("fsize", signed(self.disk_bytes)),
                ],
                shm_size: 1 << 20,
                tmpfs: BTreeMap::from([("/tmp", tmpfs)]),
                ipc_mode: "private",
                cgroupns_mode: "private",
                log_config: LogConfig { kind: "none" },
                oom_score_adj: 1000,
                init: false,
                runtime: self.runtime.clone(),
                mounts: self.mounts(),
            },
        }
    }

    fn mounts(&self) -> Vec<Mount> {
        let bind = |source: &str, target, read_only| Mount {
            kind: "bind",
            source: source.to_owned(),
            target,
            read_only,
            bind_options: Some(BindOptions {
                propagation: "rprivate",
            }),
            volume_options: None,
        };
        let input = self.input.as_deref().map(|path| bind(path, "/in", true));
        let output = match &self.output {
            Output::Directory(path) => Some(bind(path, "/out", false)),
            Output::Volume(name) => Some(Mount {
                kind: "volume",
                source: name.clone(),
                target: "/out",
                read_only: false,
                bind_options: None,
                volume_options: Some(VolumeOptions { no_copy: true }),
            }),
            Output::None => None,
        };
        input.into_iter().chain(output).collect()
    }
}

/// The profile without its white space.
fn seccomp() -> String {
    serde_json::from_str::<serde_json::Value>(SECCOMP)
        .map_or_else(|_| SECCOMP.to_owned(), |profile| profile.to_string())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The body of `POST /containers/create`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateRequest {
    image: String,
    hostname: &'static str,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    env: Vec<String>,
    labels: BTreeMap<String, String>,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    open_stdin: bool,
    tty: bool,
    healthcheck: Healthcheck,
    stop_signal: &'static str,
    host_config: HostConfig,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    test: [&'static str; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    network_mode: &'static str,
    // Else the host's own resolv.conf would show, and outputs could depend on it.
    dns: [&'static str; 1],
    dns_search: [&'static str; 1],
    readonly_rootfs: bool,
    privileged: bool,
    cap_drop: [&'static str; 1],
    security_opt: Vec<String>,
    pids_limit: i64,
    memory: i64,
    memory_swap: i64,
    nano_cpus: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpuset_cpus: Option<String>,
    ulimits: Vec<Ulimit>,
    shm_size: i64,
    tmpfs: BTreeMap<&'static str, String>,
    ipc_mode: &'static str,
    cgroupns_mode: &'static str,
    log_config: LogConfig,
    oom_score_adj: i64,
    init: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
    mounts: Vec<Mount>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: &'static str,
    soft: i64,
    hard: i64,
}

impl Ulimit {
    const fn new(name: &'static str, limit: i64) -> Self {
        Self {
            name,
            soft: limit,
            hard: limit,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct LogConfig {
    #[serde(rename = "Type")]
    kind: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: &'static str,
    source: String,
    target: &'static str,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_options: Option<BindOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_options: Option<VolumeOptions>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BindOptions {
    propagation: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeOptions {
    no_copy: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample(output: Output) -> Container {
        Container {
            image: "sha256:00".to_owned(),
            entrypoint: Some(vec!["/render".to_owned()]),
            args: vec!["--tile".to_owned()],
            env: BTreeMap::from([("TZ".to_owned(), "UTC".to_owned())]),
            labels: BTreeMap::from([("piecework.executor".to_owned(), "one".to_owned())]),
            cpu_millis: 1_500,
            cpuset: Some("0-1".to_owned()),
            memory_bytes: 64 << 20,
            disk_bytes: 16 << 20,
            input: Some("/state/in/1".to_owned()),
            output,
            runtime: Some("runsc".to_owned()),
        }
    }

    #[test]
    fn the_create_request_is_exactly_this() {
        let directory = sample(Output::Directory("/state/out/1".to_owned()));
        insta::assert_json_snapshot!("directory", directory.request());
        let volume = sample(Output::Volume("piecework-1".to_owned()));
        insta::assert_json_snapshot!("volume", volume.mounts());
    }

    #[test]
    fn the_seccomp_profile_is_an_allow_list_without_the_known_holes() {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Profile {
            default_action: String,
            syscalls: Vec<Rule>,
        }
        #[derive(serde::Deserialize)]
        struct Rule {
            names: Vec<String>,
            action: String,
        }
        let profile: Profile = serde_json::from_str(SECCOMP).unwrap();
        assert_eq!(profile.default_action, "SCMP_ACT_ERRNO");
        let allowed: Vec<&str> = profile
            .syscalls
            .iter()
            .filter(|rule| rule.action == "SCMP_ACT_ALLOW")
            .flat_map(|rule| rule.names.iter().map(String::as_str))
            .collect();
        for refused in [
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "bpf",
            "keyctl",
            "add_key",
            "request_key",
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "mount",
            "umount2",
            "pivot_root",
            "fsopen",
            "fsmount",
            "move_mount",
            "open_tree",
            "mount_setattr",
            "unshare",
            "setns",
            "clone3",
            "kexec_load",
            "kexec_file_load",
            "perf_event_open",
            "userfaultfd",
            "init_module",
            "finit_module",
            "delete_module",
            "open_by_handle_at",
            "name_to_handle_at",
            "pidfd_getfd",
            "kcmp",
            "fanotify_init",
            "quotactl",
            "acct",
            "syslog",
            "swapon",
            "reboot",
            "settimeofday",
            "clock_settime",
            "iopl",
            "ioperm",
            "socketcall",
            "memfd_secret",
        ] {
            assert!(!allowed.contains(&refused), "{refused} is allowed");
        }
        assert!(allowed.contains(&"execve") && allowed.contains(&"futex"));
    }
}
