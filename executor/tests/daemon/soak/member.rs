//! One daemon of the run, what it takes, and what is in its database.

use std::{
    fs::OpenOptions,
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy::primitives::{Address, B256};
use piecework_executor::Status;
use rand::Rng as _;

use crate::{
    crash::Daemon,
    scene::{Scene, docker},
};

/// One daemon and what it is started with.
pub(super) struct Member {
    pub(super) index: usize,
    pub(super) address: Address,
    pub(super) admin: String,
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    pub(super) state: PathBuf,
    pub(super) log: PathBuf,
    pub(super) daemon: Option<Daemon>,
}

impl Member {
    pub(super) async fn new(scene: &Scene, program: &Path, index: usize) -> Self {
        let address = scene.net.stake(index).await;
        let (admin, serve) = (kept_address(), kept_address());
        let config = scene.folder.path().join(format!("soak-{index}.toml"));
        let state = scene.state_dir(index);
        let text = format!(
            "state_dir = {state:?}\n[engine]\ndocker = {:?}\n\
             [capacity]\ncpu_millis = 1000\nmemory_bytes = 1073741824\ndisk_bytes = 1073741824\ntasks = 2\nlease_tasks = 1\n\
             [serve]\nbind = {serve:?}\n[admin]\nbind = {admin:?}\n[retention]\nkeep_hours = 0\n\
             [[chain]]\nname = \"devnet\"\nrpc_url = {:?}\nid = 31337\nmarket = \"{}\"\npoll_millis = 100\n\
             margin_seconds = 2\nconfirmations = 8\n[chain.provider]\naddress = \"{address}\"\n\
             [chain.policy]\nmin_price = 0\ntry_seconds = 0\nallow_private_sources = true\n",
            docker(),
            scene.net.anvil.url(),
            scene.net.market,
        );
        std::fs::write(&config, text).unwrap();
        let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak");
        std::fs::create_dir_all(&logs).unwrap();
        let log = logs.join(format!("executor-{index}.log"));
        std::fs::write(&log, "").unwrap();
        Self {
            index,
            address,
            admin,
            program: program.to_owned(),
            config,
            state,
            log,
            daemon: None,
        }
    }

    pub(super) fn start(&mut self, scene: &Scene) {
        let log = OpenOptions::new().append(true).open(&self.log).unwrap();
        let key = scene.net.key(self.index);
        let daemon = Daemon::run(&self.program, &self.config, &key, Stdio::from(log));
        self.daemon = Some(daemon);
    }

    pub(super) fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub(super) async fn status(&self) -> Option<Status> {
        let answer = reqwest::get(format!("http://{}/status", self.admin)).await;
        answer.ok()?.json().await.ok()
    }

    pub(super) fn sample(&self) -> Sample {
        let pid = self.daemon.as_ref().unwrap().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|rss| rss.split_whitespace().next());
        let rss = rss.unwrap_or_else(|| panic!("it ended by itself: see {}", self.log.display()));
        let database = self.state.join("chains/devnet/executor.sqlite");
        let log = database.with_extension("sqlite-wal");
        Sample {
            rss: rss.parse().unwrap(),
            files: std::fs::read_dir(format!("/proc/{pid}/fd"))
                .unwrap()
                .count() as u64,
            disk: kib(&self.state),
            database: kib(&database),
            wal: kib(&log),
        }
    }

    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> T {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = self.state.join("chains/devnet/executor.sqlite");
        let connection = rusqlite::Connection::open_with_flags(database, flags).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        read(&connection).unwrap()
    }

    /// Transactions that it signed, with their intents.
    pub(super) fn attempts(&self) -> Vec<(B256, String)> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT hash, intent FROM attempts")?;
            let rows = select.query_map([], |row| {
                Ok((B256::from(row.get::<_, [u8; 32]>(0)?), row.get(1)?))
            })?;
            rows.collect()
        })
    }

    /// Rows of each table of its database, and their bytes with those of its indexes.
    pub(super) fn tables(&self) -> Vec<(String, Table)> {
        self.read(|connection| {
            let mut select = connection.prepare(
                "SELECT tbl_name, sum(pgsize) FROM sqlite_schema JOIN dbstat USING (name)
                 WHERE tbl_name NOT LIKE 'sqlite_%' GROUP BY tbl_name",
            )?;
            let tables = select.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })?;
            tables
                .map(|table| {
                    let (name, bytes) = table?;
                    let count = format!("SELECT count(*) FROM \"{name}\"");
                    let rows: i64 = connection.query_row(&count, [], |row| row.get(0))?;
                    let (rows, bytes) = (rows.cast_unsigned(), bytes.cast_unsigned());
                    Ok((name, Table { rows, bytes }))
                })
                .collect()
        })
    }
}

/// An address that nobody listens on, and that no outgoing connection takes while its daemon is down: of the ports below
/// those that the system gives to connections.
fn kept_address() -> String {
    let mut ports = std::iter::repeat_with(|| rand::rng().random_range(10_000..30_000_u16));
    let free = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    free.unwrap().local_addr().unwrap().to_string()
}

/// Disk that a file, or all that is in a directory, takes, in KiB. What goes meanwhile takes none.
pub(super) fn kib(path: &Path) -> u64 {
    let Ok(data) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    let within = match data.is_dir() {
        true => std::fs::read_dir(path).into_iter().flatten().flatten(),
        false => return data.blocks() / 2,
    };
    data.blocks() / 2 + within.map(|entry| kib(&entry.path())).sum::<u64>()
}

/// What a daemon takes at a moment, or all of them: memory and disk in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) rss: u64,
    pub(super) files: u64,
    pub(super) disk: u64,
    pub(super) database: u64,
    pub(super) wal: u64,
}

impl Sample {
    pub(super) fn with(self, other: Self, by: fn(u64, u64) -> u64) -> Self {
        Self {
            rss: by(self.rss, other.rss),
            files: by(self.files, other.files),
            disk: by(self.disk, other.disk),
            database: by(self.database, other.database),
            wal: by(self.wal, other.wal),
        }
    }

    pub(super) fn sum(samples: impl Iterator<Item = Self>) -> Self {
        samples.fold(Self::default(), |sum, one| sum.with(one, |a, b| a + b))
    }

    pub(super) fn most(samples: impl Iterator<Item = Self>) -> Self {
        samples.fold(Self::default(), |most, one| most.with(one, u64::max))
    }
}

/// A table of a database.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Table {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}
