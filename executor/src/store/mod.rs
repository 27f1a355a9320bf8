//! The truth of one chain: an SQLite database, written by one thread.
//!
//! WAL and `synchronous=FULL`: what a call returned from is on disk. A second process on the same state
//! directory, a database of another chain or market, and one made by a newer program are refused.

mod copy;
mod events;
mod intents;
mod journal;
mod lock;
mod retention;
mod tasks;

use std::path::{Path, PathBuf};

use alloy::{
    primitives::{Address, B256},
    sol_types::SolValue as _,
};
use piecework_core::chain::IMarket;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

pub(crate) use copy::copy;
pub(crate) use events::JobRow;
pub(crate) use intents::{Attempt, Intent, IntentState, NewIntent};
pub(crate) use journal::Durable;
#[cfg(test)]
pub(crate) use journal::Total;
pub use lock::Lock;
pub(crate) use tasks::{TaskRow, TrialRow};

/// Schema changes, in order; the database's `user_version` says how many were applied.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
];
/// Memory for pages of the database, in KiB: new events have random keys.
const CACHE_KIB: i64 = 32 << 10;
/// Name of the database in its directory.
const DATABASE: &str = "executor.sqlite";
/// "PWX2": tells this program's databases from others.
const APPLICATION_ID: i64 = 0x5057_5832;
/// "PWEX": databases of protocol 1.
const PROTOCOL_1_ID: i64 = 0x5057_4558;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another executor uses the directory.
    #[error(
        "{path} is in use by another executor: two on one state would contradict each other and lose bonds"
    )]
    Locked {
        /// The state directory.
        path: PathBuf,
    },
    /// The database was made by a newer program.
    #[error(
        "{path} is of version {found}, this program knows up to {known}: upgrade piecework-executor"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The database is of protocol 1.
    #[error(
        "{path} is of protocol 1, which this program does not speak. Nothing was started. Let the executor that made it \
         finish what is bonded there, then choose another state_dir, or move the file away"
    )]
    Protocol1 {
        /// The database file.
        path: PathBuf,
    },
    /// The file is some other program's database.
    #[error("{path} is not an executor's database")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The state of this name belongs to another chain or market.
    #[error(
        "{path} is the state of chain id {found_chain}, market {found_market}, not of chain id {chain}, market {market}: \
         a chain's name always goes with the same market. Nothing was started. Keep the old [[chain]] table, which its \
         leases need until they are over, and give the other market a table and a name of its own"
    )]
    OtherMarket {
        /// The directory.
        path: PathBuf,
        /// Chain id in the database.
        found_chain: u64,
        /// Market in the database.
        found_market: Address,
        /// Configured chain id.
        chain: u64,
        /// Configured market.
        market: Address,
    },
    /// A market's state is there, under another name.
    #[error(
        "the state of chain id {chain}, market {market} is under another name, in {path}: with an empty one this \
         machine could contradict what it has signed. Nothing was started. Name that chain {:?} again, or rename the \
         directory to {name:?} while no executor runs", path.file_name().unwrap_or_default()
    )]
    OtherName {
        /// The directory of the state.
        path: PathBuf,
        /// Chain id in it.
        chain: u64,
        /// Market in it.
        market: Address,
        /// The name that the configuration has now.
        name: String,
    },
    /// A different digest is bound already: signing this one would contradict it.
    #[error(transparent)]
    Contradiction(Box<Contradiction>),
    /// SQLite failed: a full or broken disk, most likely.
    #[error("the database failed: {0}; check the disk under state_dir")]
    Sqlite(#[from] rusqlite::Error),
    /// A file cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row does not hold what this program wrote.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The writer thread is gone.
    #[error("the database is closed")]
    Closed,
}

/// A digest that would contradict an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "refused to contradict an earlier result of job {job}, lease {lease} ({phase}): {bound} is bound, {asked} was \
     asked for; nothing was signed"
)]
pub struct Contradiction {
    /// The job.
    pub job: B256,
    /// The lease or the seat, `first+count/round/kind`.
    pub lease: String,
    /// What was to be signed: `result` or `vote`.
    pub phase: &'static str,
    /// The digest that is bound.
    pub bound: B256,
    /// The digest that was refused.
    pub asked: B256,
}

impl StoreError {
    /// Whether it may pass by itself: the disk is full or does not answer, or another program holds the database.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure,
        };
        let Self::Sqlite(error) = self else {
            return false;
        };
        matches!(
            error.sqlite_error_code(),
            Some(DiskFull | SystemIoFailure | DatabaseBusy | DatabaseLocked | CannotOpen)
        )
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "store-locked",
            Self::Newer { .. } => "store-newer",
            Self::Protocol1 { .. } => "store-protocol-1",
            Self::Foreign { .. } => "store-foreign",
            Self::OtherMarket { .. } => "store-other-market",
            Self::OtherName { .. } => "store-other-name",
            Self::Contradiction(_) => "contradiction",
            Self::Sqlite(_) => "store-sqlite",
            Self::Io { .. } => "store-io",
            Self::Damaged(_) => "store-damaged",
            Self::Closed => "store-closed",
        }
    }
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;
type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the database; clones share the one writer thread.
#[derive(Clone, Debug)]
pub struct Store {
    calls: mpsc::UnboundedSender<Call>,
    chain_id: u64,
    market: Address,
    _lock: Option<Lock>,
}

impl Store {
    /// Opens (or makes) the database in `dir` for this chain and market. The lock of the state directory is kept as
    /// long as the store is used.
    ///
    /// # Errors
    /// Everything in [`StoreError`] but contradictions.
    pub fn open(lock: &Lock, dir: &Path, chain_id: u64, market: Address) -> Result<Self> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        std::fs::create_dir_all(dir).map_err(io(dir))?;
        let path = dir.join(DATABASE);
        let mut connection = Connection::open(&path)?;
        // First: what is not ours is not changed.
        migrate(&mut connection, &path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        bind(&mut connection, dir, chain_id, market)?;

        let (calls, mut inbox) = mpsc::unbounded_channel::<Call>();
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Some(call) = inbox.blocking_recv() {
                    call(&mut connection);
                }
            })
            .map_err(io(&path))?;
        Ok(Self {
            calls,
            chain_id,
            market,
            _lock: Some(lock.clone()),
        })
    }

    /// The chain and the market whose state this is.
    pub(crate) fn place(&self) -> (u64, Address) {
        (self.chain_id, self.market)
    }

    /// The market's times, if they were ever read from the chain.
    pub(crate) async fn times(&self) -> Result<Option<IMarket::Times>> {
        self.call(|tx| {
            let abi: Option<Vec<u8>> =
                tx.query_row("SELECT times FROM meta", [], |row| row.get(0))?;
            let decode = |abi: Vec<u8>| {
                let times = IMarket::Times::abi_decode(&abi);
                times.map_err(|error| StoreError::Damaged(format!("meta.times: {error}")))
            };
            abi.map(decode).transpose()
        })
        .await
    }

    /// Keeps the market's times.
    pub(crate) async fn put_times(&self, times: &IMarket::Times) -> Result<()> {
        let abi = times.abi_encode();
        self.call(move |tx| {
            tx.execute("UPDATE meta SET times = ?1", [abi])?;
            Ok(())
        })
        .await
    }

    /// A handle that does not keep others off the directory: for what may outlive the executor by
    /// a moment, and only reads.
    pub(crate) fn for_reading(&self) -> Self {
        Self {
            _lock: None,
            ..self.clone()
        }
    }

    /// Runs `work` in a transaction on the writer thread; what it returns is on disk.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            // If the caller was cancelled, nobody listens. The work stands all the same.
            let _ = reply.send(in_transaction(connection, work));
        });
        self.calls.send(call).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == PROTOCOL_1_ID {
        return Err(StoreError::Protocol1 {
            path: path.to_owned(),
        });
    }
    if application != APPLICATION_ID && (tables > 0 || version > 0) {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
            known,
        });
    }
    for (number, sql) in (1i64..)
        .zip(MIGRATIONS)
        .filter(|(number, _)| *number > version)
    {
        in_transaction(connection, |transaction| {
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", number)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn bind(connection: &mut Connection, dir: &Path, chain: u64, market: Address) -> Result<()> {
    in_transaction(connection, |transaction| match bound(transaction)? {
        None => {
            transaction.execute(
                "INSERT INTO meta (id, chain_id, market) VALUES (1, ?1, ?2)",
                (to_sql(chain), market.as_slice()),
            )?;
            Ok(())
        }
        Some(found) if found == (chain, market) => Ok(()),
        Some((found_chain, found_market)) => Err(StoreError::OtherMarket {
            path: dir.to_owned(),
            found_chain,
            found_market,
            chain,
            market,
        }),
    })
}

/// The chain and market of a database.
fn bound(connection: &Connection) -> Result<Option<(u64, Address)>> {
    let found = connection
        .query_row("SELECT chain_id, market FROM meta", [], |row| {
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    let Some((chain, market)) = found else {
        return Ok(None);
    };
    let market = Address::try_from(market.as_slice())
        .map_err(|_| StoreError::Damaged("meta.market".to_owned()))?;
    Ok(Some((from_sql(chain)?, market)))
}

/// Whose state the database in `dir` is; `None` if there is none.
pub(crate) fn whose(dir: &Path) -> Result<Option<(u64, Address)>> {
    let path = dir.join(DATABASE);
    if !path.exists() {
        return Ok(None);
    }
    let mut connection = Connection::open(&path)?;
    migrate(&mut connection, &path)?;
    bound(&connection)
}

/// Whether the database in `dir`, if there is one, has the market's times. Nothing is changed.
pub(crate) fn knows_times(dir: &Path) -> bool {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let read = || {
        let connection = Connection::open_with_flags(dir.join(DATABASE), flags)?;
        connection.query_row("SELECT times IS NOT NULL FROM meta", [], |row| row.get(0))
    };
    read().unwrap_or(false)
}

/// SQLite's integers are signed; values beyond are clamped (fees and times never get there).
fn to_sql(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn from_sql<T: TryFrom<i64>>(value: i64) -> Result<T> {
    T::try_from(value).map_err(|_| StoreError::Damaged(format!("{value} is out of range")))
}

fn number<T: TryFrom<i64>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let value: i64 = row.get(column)?;
    T::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, value))
}

fn hash(row: &Row<'_>, column: &str) -> rusqlite::Result<B256> {
    row.get::<_, [u8; 32]>(column).map(B256::from)
}

fn maybe_hash(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<B256>> {
    row.get::<_, Option<[u8; 32]>>(column)
        .map(|bytes| bytes.map(B256::from))
}

#[cfg(test)]
mod tests;
