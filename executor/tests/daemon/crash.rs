use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::{providers::ext::AnvilApi as _, signers::local::PrivateKeySigner};
use piecework::chain::{IMarket, MarketEvent};

use crate::net::PURSE;
use crate::scene::{Scene, containers, docker, eventually, naps};

pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(scene: &Scene, index: usize) -> Self {
        Self::start_with(scene, index, 2, Stdio::inherit())
    }

    /// Which answers its owner there.
    pub(crate) fn start_with_admin(scene: &Scene, index: usize, admin: &str) -> Self {
        let config = Self::config(scene, index, 2, &format!("bind = {admin:?}"));
        Self::spawn(scene, index, &config, Stdio::inherit())
    }

    /// With its log there.
    pub(crate) fn start_with_log(scene: &Scene, index: usize, log: Stdio) -> Self {
        Self::start_with(scene, index, 2, log)
    }

    fn start_with_margin(scene: &Scene, index: usize, margin: u64) -> Self {
        Self::start_with(scene, index, margin, Stdio::inherit())
    }

    fn start_with(scene: &Scene, index: usize, margin: u64, log: Stdio) -> Self {
        let config = Self::config(scene, index, margin, "enabled = false");
        Self::spawn(scene, index, &config, log)
    }

    /// Writes the configuration.
    fn config(scene: &Scene, index: usize, margin: u64, admin: &str) -> PathBuf {
        let config = scene.folder.path().join("executor.toml");
        let key = scene.net.key(index);
        let text = format!(
            "state_dir = {:?}\n[engine]\ndocker = {:?}\n\
             [capacity]\nmemory_bytes = 1073741824\ndisk_bytes = 1073741824\ntasks = 2\n\
             [serve]\nbind = \"127.0.0.1:0\"\n[admin]\n{admin}\n\
             [[chain]]\nname = \"devnet\"\nrpc_url = {:?}\nid = 31337\nmarket = \"{}\"\npoll_millis = 50\n\
             margin_seconds = {margin}\nconfirmations = 8\n[chain.provider]\naddress = \"{}\"\n\
             [chain.policy]\nmin_price = 0\ntry_seconds = 0\nallow_private_sources = true\n",
            scene.state_dir(index),
            docker(),
            scene.net.anvil.url(),
            scene.net.market,
            key.address(),
        );
        std::fs::write(&config, text).unwrap();
        config
    }

    fn spawn(scene: &Scene, index: usize, config: &Path, log: Stdio) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_piecework-executor"));
        Self::run(program, config, &scene.net.key(index), log)
    }

    /// Starts this program with this configuration and this key.
    pub(crate) fn run(program: &Path, config: &Path, key: &PrivateKeySigner, log: Stdio) -> Self {
        let child = Command::new(program)
            .args(["run", "--config"])
            .arg(config)
            .env("PIECEWORK_PRIVATE_KEY", format!("{:x}", key.to_bytes()))
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// SIGKILL: no goodbye.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ends_well(mut self) {
        assert!(self.0.wait().unwrap().success());
    }

    pub(crate) fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_lease_and_restarted_it_settles_and_nothing_is_sent_twice() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let before = scene.sent(2).await;
    let daemon = Daemon::start(&scene, 2);
    let job = scene.post(&scene.spec(&["nap", "1500"], 4)).await;
    let label = format!("piecework.job={job:x}");
    // Two of four tasks at a time: killed while the second pair runs.
    eventually("containers run", || async {
        !containers(&label).is_empty()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    daemon.kill();
    let orphans = containers(&label);
    assert!(!orphans.is_empty(), "nothing ran when it was killed");
    assert_eq!(
        (
            scene.count(job, "Claimed").await,
            scene.count(job, "Submitted").await
        ),
        (1, 0)
    );

    let daemon = Daemon::start(&scene, 2);
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(4));
    let left = containers(&label);
    assert!(
        orphans.iter().all(|orphan| !left.contains(orphan)),
        "containers from before the crash are still there"
    );
    // Killed again after the end, restarted again: still nothing is sent twice.
    daemon.kill();
    let daemon = Daemon::start(&scene, 2);
    eventually("its endpoint is sent", || async {
        scene.sent(2).await - before >= 5
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    daemon.terminate();
    for name in ["Claimed", "Submitted", "Settled"] {
        assert_eq!(scene.count(job, name).await, 1, "{name}");
    }
    // Its endpoint three times (the port changes with each start), claim, submit.
    assert_eq!(scene.sent(2).await - before, 5);
    assert!(containers(&label).is_empty());
}

/// A daemon that is killed in mid-lease and comes back `seconds` later, by the chain's clock: how
/// the round ended, what was burned, and the stake that is free in the end. The bond was 400.
async fn killed_and_back_after(seconds: u64, margin: u64) -> (IMarket::Reason, u128, u128) {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let daemon = Daemon::start_with_margin(&scene, 2, margin);
    let job = scene.post(&scene.spec(&["nap", "3000"], 2)).await;
    let label = format!("piecework.job={job:x}");
    eventually("containers run", || async {
        !containers(&label).is_empty()
    })
    .await;
    daemon.kill();
    let anvil = &scene.net.provider;
    anvil.anvil_increase_time(seconds).await.unwrap();
    anvil.anvil_mine(Some(1), None).await.unwrap();

    // Its second round is barred to it: the job waits for another provider.
    let daemon = Daemon::start_with_margin(&scene, 2, margin);
    eventually("the lease is given up", || async {
        scene.count(job, "Freed").await == 1
    })
    .await;
    daemon.terminate();
    assert_eq!(scene.count(job, "Submitted").await, 0);
    assert_eq!(scene.count(job, "Claimed").await, 1);
    assert!(containers(&label).is_empty());
    let events = scene.events(job).await;
    let freed = events.into_iter().find_map(|at| match at.event {
        MarketEvent::Freed(freed) => Some(freed),
        _ => None,
    });
    let freed = freed.unwrap();
    (freed.reason, freed.burned, scene.free_stake(provider).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn back_shortly_before_the_deadline_it_leaves_and_saves_a_little_of_the_bond() {
    // A tenth of the bond of 400 is 40, for 600 seconds.
    let ended = killed_and_back_after(555, 60).await;
    assert_eq!(ended, (IMarket::Reason::Left, 37, PURSE - 37));
}

#[tokio::test(flavor = "multi_thread")]
async fn back_after_the_deadline_it_frees_the_lease_and_what_is_left_of_the_bond() {
    let ended = killed_and_back_after(700, 2).await;
    assert_eq!(ended, (IMarket::Reason::Late, 40, PURSE - 40));
}
