//! Processes that are measured: the executor, and whatever else has a number.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy::{hex, primitives::B256};
use anyhow::Context as _;
use piecework::chain::keys;
use serde_json::Value;

use crate::world::World;

/// The password of keystores.
const PASSWORD: &str = "correct horse";
/// Linux counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// How an executor is configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How often it looks for a block. The executor's own default is 1,000.
    pub(crate) poll_millis: u64,
    /// What a task must pay.
    pub(crate) min_price: u128,
    /// Seconds for which a lease that can be settled waits for company. The executor's own default is 120.
    pub(crate) settle_within: u64,
    /// Whether it reaches the chain through the proxy.
    pub(crate) by_proxy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_millis: 1_000,
            min_price: 0,
            settle_within: 0,
            by_proxy: true,
        }
    }
}

/// A running executor. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) began: Instant,
    admin: String,
    http: reqwest::Client,
    has_answered: bool,
}

impl Process {
    /// Starts the program on the state directory of this world, as its owner would.
    pub(crate) fn start(program: &Path, world: &World, settings: Settings) -> anyhow::Result<Self> {
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let file = configure(world, settings, &admin)?;
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(world.folder.path().join("executor.log"))?;
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(file);
        if world.chain_id == 31_337 {
            let key = world.provider.signer().context("the provider has no key")?;
            command.env("PIECEWORK_PRIVATE_KEY", hex::encode(key.to_bytes()));
        } else {
            command.env("PIECEWORK_PASSWORD", PASSWORD);
        }
        let began = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        let child = child.with_context(|| format!("the executor, {}", program.display()))?;
        Ok(Self {
            child,
            began,
            admin,
            http: reqwest::Client::new(),
            has_answered: false,
        })
    }

    /// What it says about its chain, if it answers.
    pub(crate) async fn status(&self) -> Option<Value> {
        let answer = self.http.get(format!("http://{}/status", self.admin));
        let text = answer.send().await.ok()?.text().await.ok()?;
        let status: Value = serde_json::from_str(&text).ok()?;
        status.get("chains")?.get(0).cloned()
    }

    /// What it says of a job: the code of the reason why nothing more of it is taken.
    pub(crate) async fn why(&self, job: B256) -> anyhow::Result<Option<String>> {
        let answer = self.http.get(format!("http://{}/why/{job}", self.admin));
        let answer = answer.header("accept", "application/json").send().await?;
        let answer: Value = serde_json::from_str(&answer.text().await?)?;
        let code = answer.pointer("/0/code").and_then(Value::as_str);
        Ok(code.map(ToOwned::to_owned))
    }

    /// Waits until its status is such; returns how long that took from its start.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        is_such: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Duration> {
        loop {
            if let Some(status) = self.status().await {
                if !std::mem::replace(&mut self.has_answered, true) {
                    // The key is open. What that took of memory (256 MiB, so that guessing passwords is costly) is over.
                    std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5")?;
                }
                if is_such(&status) {
                    return Ok(self.began.elapsed());
                }
            }
            if let Some(end) = self.child.try_wait()? {
                anyhow::bail!("the executor ended by itself: {end}");
            }
            anyhow::ensure!(
                self.began.elapsed() < patience,
                "not within {patience:?}: {what}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has read the chain and takes work.
    pub(crate) async fn ready(&mut self, patience: Duration) -> anyhow::Result<Duration> {
        self.until("it is ready", patience, |status| {
            status
                .get("blocked")
                .and_then(Value::as_array)
                .is_some_and(Vec::is_empty)
                && status.get("head_block").and_then(Value::as_u64) > Some(0)
        })
        .await
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no goodbye.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the configuration of this world's executor.
fn configure(world: &World, settings: Settings, admin: &str) -> anyhow::Result<PathBuf> {
    let folder = world.folder.path();
    let keystore = folder.join("key.json");
    let key = match world.chain_id {
        31_337 => String::new(),
        _ => {
            if !keystore.exists() {
                let key = world.provider.signer().context("the provider has no key")?;
                keys::save(&keystore, key, PASSWORD)?;
            }
            format!("keystore = {keystore:?}\n")
        }
    };
    let rpc = match settings.by_proxy {
        true => world.proxy.url(),
        false => world.anvil.url().to_owned(),
    };
    let docker =
        std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    let text = format!(
        "state_dir = {:?}\n[engine]\ndocker = {docker:?}\n\
         [capacity]\ncpu_millis = 2000\nmemory_bytes = 2147483648\ndisk_bytes = 1073741824\ntasks = 2\nlease_tasks = 8\n\
         [serve]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = {admin:?}\n\
         [[chain]]\nname = \"load\"\nrpc_url = {rpc:?}\nid = {}\nmarket = \"{}\"\npoll_millis = {}\n\
         margin_seconds = 2\nsettle_within_seconds = {}\nconfirmations = 8\n[chain.provider]\naddress = \"{}\"\n{key}\
         [chain.policy]\nmin_price = \"{}\"\nstrangers_percent = 100\nallow_private_sources = true\n",
        folder.join("executor"),
        world.chain_id,
        world.market,
        settings.poll_millis,
        settings.settle_within,
        world.provider.address(),
        settings.min_price,
    );
    let file = folder.join("executor.toml");
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Memory of a process in bytes: now, and the most that it had since the executor answered first.
pub(crate) fn memory(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let both = field("VmRSS:").zip(field("VmHWM:"));
    let (now, most) = both.context("the system does not say how much memory a process has")?;
    Ok((now << 10, most << 10))
}

/// Processor time that a process has taken, in user and kernel mode, its ended children left out.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: fields 14 and 15 of all are utime and stime.
    let (_, fields) = stat.rsplit_once(')').context("an unreadable stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let both = ticks().zip(ticks()).context("an unreadable stat")?;
    Ok(TICK * (both.0 + both.1))
}

/// The processes that this one has started, and that run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| task.path().join("children"));
    let lists = lists.filter_map(|list| std::fs::read_to_string(list).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}
