//! Runs the built command, and devnets of it.

use std::io::{BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

/// The command in a clean environment, with a home of its own.
pub(crate) fn piecework(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_piecework"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if (name.starts_with("PIECEWORK_") && name != "PIECEWORK_ANVIL")
            || name == "COLUMNS"
            || name == "RUST_LOG"
        {
            command.env_remove(name);
        }
    }
    let temp = home.join("tmp");
    std::fs::create_dir_all(&temp).unwrap();
    command
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("TMPDIR", temp);
    command
        .env("NO_COLOR", "1")
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .process_group(0);
    command
}

/// What a command printed and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }

    /// The error of `--json`.
    pub(crate) fn error(&self) -> Value {
        let line = self
            .stderr
            .lines()
            .find(|line| line.starts_with("{\"error\""));
        let line = line.unwrap_or_else(|| panic!("no error in {}", self.stderr));
        serde_json::from_str::<Value>(line).unwrap()["error"].clone()
    }

    /// Exit code, code of the error, its text.
    pub(crate) fn failure(&self) -> (i32, String, String) {
        assert_eq!(self.stdout, "", "stdout is for results");
        let error = self.error();
        (
            self.code,
            error["code"].as_str().unwrap().to_owned(),
            error["message"].as_str().unwrap().to_owned(),
        )
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A devnet of the built command.
pub(crate) struct Devnet {
    child: Child,
    pub(crate) home: TempDir,
    pub(crate) json: Value,
}

impl Devnet {
    pub(crate) fn start(executors: u32) -> Self {
        Self::start_with(executors, &[])
    }

    /// With further options.
    pub(crate) fn start_with(executors: u32, options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(home.path().join("devnet.log")).unwrap();
        let mut child = piecework(home.path())
            .args(["devnet", "--json", "--executors", &executors.to_string()])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.as_mut().unwrap());
        let mut values = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
        let json = match values.next() {
            Some(Ok(json)) => json,
            _ => {
                let log = std::fs::read_to_string(home.path().join("devnet.log")).unwrap();
                panic!("no devnet: {log}");
            }
        };
        Self { child, home, json }
    }

    pub(crate) fn text(&self, pointer: &str) -> String {
        self.json
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = piecework(self.home.path());
        command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Ctrl-C twice: what is bonded is not waited for.
    pub(crate) fn stop_at_once(mut self) {
        interrupt(&self.child);
        std::thread::sleep(Duration::from_millis(500));
        if matches!(self.child.try_wait(), Ok(None)) {
            interrupt(&self.child);
        }
        end(&mut self.child).expect("the devnet does not stop");
    }

    /// Ctrl-C; returns the exit code and what the devnet had said.
    pub(crate) fn interrupt(mut self) -> (i32, String) {
        interrupt(&self.child);
        let code = end(&mut self.child).expect("the devnet does not stop");
        let mut rest = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        assert_eq!(rest.trim(), "", "stdout is for results");
        let said = std::fs::read_to_string(self.home.path().join("devnet.log")).unwrap();
        let left: Vec<_> = std::fs::read_dir(self.home.path().join("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        (code, said)
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            interrupt(&self.child);
            if end(&mut self.child).is_none() {
                let _ = self.child.kill();
            }
        }
    }
}

/// Ctrl-C as a terminal sends it: to the command and to what it started.
pub(crate) fn interrupt(child: &Child) {
    kill_process_group(Pid::from_child(child), Signal::INT).unwrap();
}

/// Waits for a process, not for ever.
fn end(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Containers of an image, running or not.
pub(crate) fn containers_of(image: &str) -> String {
    let listed = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter"])
        .arg(format!("ancestor={image}"))
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    String::from_utf8(listed.stdout).unwrap()
}

/// The static workload that `make test` builds first.
pub(crate) fn workload() -> PathBuf {
    let path = std::env::var_os("PIECEWORK_WORKLOAD").map(PathBuf::from);
    let path =
        path.expect("set PIECEWORK_WORKLOAD to the static piecework-render, as `make test` does");
    assert!(path.is_file(), "{} is no file", path.display());
    path
}

/// An image of the workload in the local engine; removed in the end.
pub(crate) struct Image(pub(crate) String);

impl Image {
    pub(crate) fn build(name: &str) -> Self {
        let context = tempfile::tempdir().unwrap();
        std::fs::copy(workload(), context.path().join("render")).unwrap();
        let name = format!("piecework-cli-test-{name}:{}", std::process::id());
        // The label makes its id its own: tests that run beside this one count their containers.
        std::fs::write(
            context.path().join("Dockerfile"),
            format!(
                "FROM scratch\nLABEL name={name}\nCOPY render /render\nENTRYPOINT [\"/render\"]\n"
            ),
        )
        .unwrap();
        let built = Command::new("docker")
            .args(["build", "--quiet", "--tag", &name])
            .arg(context.path())
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["image", "rm", "--force", &self.0])
            .output();
    }
}
