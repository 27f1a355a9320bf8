//! A daemon whose disk is full in the middle of a lease.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use piecework::chain::IMarket;
use piecework_executor::Status;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{
    crash::Daemon,
    net::PURSE,
    owner::free_address,
    scene::{Scene, containers, eventually, naps},
};

/// A small disk. It goes with its owner, also if a test fails.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where nothing may be mounted.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        match mount("tmpfs", at, "tmpfs", flags, Some(c"size=12m")) {
            Ok(()) => Some(Self(at.to_owned())),
            Err(error) => {
                eprintln!("SKIPPED: a small disk cannot be mounted here: {error}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let mut written = 0u64;
        for size in [64 << 10, 4 << 10, 1] {
            let bytes = vec![7u8; size];
            while ballast.write_all(&bytes).is_ok() {
                written += size as u64;
            }
        }
        assert!(written > 0, "there was no room from the start");
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At once, whoever still has something open there.
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}

/// Seconds of the lease's run window. Leaving is free in its first eighth.
const WINDOW: u64 = 120;
/// A quarter of it: the longest that a full disk may last.
const FULL: u64 = WINDOW / 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_full_for_a_quarter_of_a_window_costs_nothing() {
    let scene = Scene::new().await;
    let Some(disk) = SmallDisk::mount(&scene.state_dir(2)) else {
        return;
    };
    let _mining = scene.keep_mining();
    let provider = scene.net.stake(2).await;
    let admin = free_address();
    let mut daemon = Daemon::start_with_admin(&scene, 2, &admin);
    let spec = scene.spec(&["nap", "1500"], 4);
    let job = scene
        .post_with(&spec, |job| job.timing.runWindow = WINDOW)
        .await;
    let label = format!("piecework.job={job:x}");
    eventually("containers run", || async {
        !containers(&label).is_empty()
    })
    .await;
    disk.fill();
    let (full, sent) = (scene.net.time().await, scene.sent(2).await);
    let blocked = async || -> Vec<String> {
        let status = reqwest::get(format!("http://{admin}/status")).await;
        let status: Status = status.unwrap().json().await.unwrap();
        status.chains[0].blocked.clone()
    };
    // As long as it lasts: it lives, says so, and signs nothing.
    let mut said = Vec::new();
    while scene.net.time().await < full + FULL {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(daemon.is_alive(), "a full disk ended it");
        said.extend(
            blocked()
                .await
                .into_iter()
                .filter(|why| why.contains("full")),
        );
    }
    eprintln!(
        "full disk: told {} times, first {:?}",
        said.len(),
        said.first()
    );
    assert!(!blocked().await.is_empty() && !said.is_empty());
    assert_eq!(scene.sent(2).await, sent);
    assert_eq!(scene.count(job, "Submitted").await, 0);

    disk.empty();
    let freed = std::time::Instant::now();
    eventually("the lease ends", || async {
        scene.count(job, "Submitted").await + scene.count(job, "Freed").await > 0
    })
    .await;
    eprintln!(
        "full disk: the lease ended {:?} after there was room",
        freed.elapsed()
    );
    assert_eq!(
        scene.count(job, "Freed").await,
        0,
        "{:?}",
        scene.events(job).await
    );
    scene.settled(job, 1).await;
    assert_eq!(scene.outputs(job).await, naps(4));
    eventually("it is not blocked any more", async || {
        blocked().await.is_empty()
    })
    .await;
    for name in ["Claimed", "Submitted", "Settled"] {
        assert_eq!(scene.count(job, name).await, 1, "{name}");
    }
    assert_eq!(scene.sent(2).await, sent + 1);
    let balance = IMarket::balanceOfCall { account: provider };
    let balance = scene.net.contract().ask(balance).call().await.unwrap();
    assert_eq!((balance, scene.free_stake(provider).await), (392, PURSE));
    daemon.terminate();
}
