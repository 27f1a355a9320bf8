//! The state directory: one owner, and a directory of its own for each chain, by the chain's name.
//!
//! ```text
//! state_dir/lock                        one executor at a time
//!           salt-secret                 what the salts of commitments are derived from
//!           chains/NAME/executor.sqlite what is promised on that chain
//!           chains/NAME/private/        its results that nobody may see yet
//!           published/ cache/           of all chains, by digest
//!           sandbox/ reruns/            of all chains, for a moment
//! ```

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use alloy::primitives::B256;
use piecework_executor_core::secret::Secret;
use rand::{TryRngCore as _, rngs::OsRng};

use crate::{
    Error,
    config::ChainConfig,
    store::{Lock, Store, StoreError, whose},
};

/// The file of the secret that salts are derived from.
pub(crate) const SECRET: &str = "salt-secret";

/// The directory of the chains' own directories.
pub(crate) const CHAINS: &str = "chains";

/// The secret in a file; `None` if there is no file.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Secret>, Error> {
    let failed = |why: String| Error::SaltSecret {
        path: path.to_owned(),
        why,
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let bytes: Result<B256, _> = text.trim().parse();
            let bytes =
                bytes.map_err(|_| failed("it is not 32 bytes in hexadecimal".to_owned()))?;
            Ok(Some(Secret::new(bytes)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Whether the state of a chain, if there is one, knows its market's times: then duties can go on while its node is silent.
pub(crate) fn knows_times(dir: &Path, chain: &ChainConfig) -> bool {
    crate::store::knows_times(&dir.join(CHAINS).join(&chain.name))
}

/// The state directory, which is ours while this lives.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    lock: Lock,
}

impl StateDir {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let lock = Lock::take(dir)?;
        let path = std::path::absolute(dir).map_err(|source| Error::Io {
            path: dir.to_owned(),
            source,
        })?;
        Ok(Self { path, lock })
    }

    /// Whether the secret was made before.
    pub(crate) fn has_secret(&self) -> bool {
        self.path.join(SECRET).exists()
    }

    /// The secret that salts are derived from, made at the first start. Whoever knows it can tell votes before they are opened,
    /// and without it no commitment can be opened.
    pub(crate) fn secret(&self) -> Result<Secret, Error> {
        let path = self.path.join(SECRET);
        if let Some(secret) = read_secret(&path)? {
            return Ok(secret);
        }
        let failed = |why: String| Error::SaltSecret {
            path: path.clone(),
            why,
        };
        let mut bytes = B256::ZERO;
        OsRng
            .try_fill_bytes(bytes.as_mut_slice())
            .map_err(|error| failed(format!("no random bytes: {error}")))?;
        self.write_secret(&path, bytes)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Secret::new(bytes))
    }

    /// A secret is there whole, or not at all.
    fn write_secret(&self, path: &Path, bytes: B256) -> std::io::Result<()> {
        let new = path.with_extension("new");
        let _ = std::fs::remove_file(&new);
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(file, "{}", hex::encode(bytes))?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        std::fs::File::open(&self.path)?.sync_all()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a chain's own.
    pub(crate) fn of(&self, chain: &ChainConfig) -> PathBuf {
        self.chains().join(&chain.name)
    }

    fn chains(&self) -> PathBuf {
        self.path.join(CHAINS)
    }

    /// Opens the stores of all chains, in their order, once it is clear that each market has one state and no other.
    pub(crate) fn stores(&self, chains: &[ChainConfig]) -> Result<Vec<Store>, StoreError> {
        // A database beside the directory of the chains is of protocol 1, and says so.
        whose(&self.path)?;
        self.look_for_others(chains)?;
        let open = |chain: &ChainConfig| {
            Store::open(&self.lock, &self.of(chain), chain.chain_id, chain.market)
        };
        chains.iter().map(open).collect()
    }

    /// Finds states of configured markets under other names, and tells of those of no market that is configured.
    fn look_for_others(&self, chains: &[ChainConfig]) -> Result<(), StoreError> {
        let dir = self.chains();
        std::fs::create_dir_all(&dir).map_err(io(&dir))?;
        for entry in std::fs::read_dir(&dir).map_err(io(&dir))? {
            let path = entry.map_err(io(&dir))?.path();
            let is_named = |chain: &ChainConfig| self.of(chain) == path;
            if chains.iter().any(is_named) {
                continue;
            }
            let Some((chain, market)) = whose(&path)? else {
                continue;
            };
            let same = |other: &&ChainConfig| (other.chain_id, other.market) == (chain, market);
            if let Some(now) = chains.iter().find(same) {
                return Err(StoreError::OtherName {
                    path,
                    chain,
                    market,
                    name: now.name.clone(),
                });
            }
            tracing::warn!(path = %path.display(), chain, %market, "this state is of a chain that is not configured: if anything of it is bonded, nobody finishes it");
        }
        Ok(())
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use alloy::{
        primitives::{Address, B256},
        signers::local::PrivateKeySigner,
    };

    use piecework_core::view::{
        lease::Key as LeaseId,
        seat::{Key as SeatId, Vote},
    };
    use piecework_executor_core::duty::seat::Tasks;

    use super::*;
    use crate::store::Durable;

    const JOB: B256 = B256::repeat_byte(1);

    fn chain(name: &str, chain_id: u64, market: u8) -> ChainConfig {
        let url = "http://localhost:1".parse().unwrap();
        let key = PrivateKeySigner::random();
        let market = Address::repeat_byte(market);
        let mut chain = ChainConfig::devnet(url, market, Address::repeat_byte(7), key);
        (chain.name, chain.chain_id) = (name.to_owned(), chain_id);
        chain
    }

    async fn bind(store: &Store, digest: u8) -> Result<(), StoreError> {
        let lease = LeaseId {
            job: JOB,
            first: 0,
            round: 1,
        };
        let bind = Durable::Bind {
            seat: SeatId { lease, kind: 0 },
            tasks: Tasks { first: 0, count: 4 },
            vote: Vote {
                value: B256::repeat_byte(digest),
                proof: B256::ZERO,
            },
        };
        store.commit(vec![bind]).await
    }

    /// Opens the stores of a directory whose last owner has just left: threads of stores end a moment late.
    fn open(dir: &Path, chains: &[ChainConfig]) -> Result<Vec<Store>, StoreError> {
        for _ in 0..100 {
            match Lock::take(dir) {
                Err(StoreError::Locked { .. }) => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                lock => {
                    let (path, lock) = (dir.to_owned(), lock?);
                    return StateDir { path, lock }.stores(chains);
                }
            }
        }
        Err(StoreError::Closed)
    }

    #[tokio::test]
    async fn each_chain_has_a_journal_of_its_own_and_the_directory_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let chains = [chain("l2", 10, 1), chain("revive", 420, 1)];
        let state = StateDir::open(dir.path()).unwrap();
        let stores = state.stores(&chains).unwrap();
        drop(state);
        assert_eq!(
            StateDir::open(dir.path()).unwrap_err().code(),
            "store-locked"
        );
        bind(&stores[0], 1).await.unwrap();
        // The same lease of the same job of the same market, elsewhere.
        bind(&stores[1], 2).await.unwrap();
        let error = bind(&stores[0], 2).await.unwrap_err();
        assert_eq!(error.code(), "contradiction");
        drop(stores);
        // In another order it is the same.
        let chains = [chain("revive", 420, 1), chain("l2", 10, 1)];
        let stores = open(dir.path(), &chains).unwrap();
        bind(&stores[0], 2).await.unwrap();
        assert_eq!(
            bind(&stores[1], 2).await.unwrap_err().code(),
            "contradiction"
        );
    }

    #[test]
    fn the_salt_secret_is_made_once_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let secret = state.secret().unwrap();
        assert_eq!(state.secret().unwrap(), secret);
        let path = dir.path().join(SECRET);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "0x12").unwrap();
        let error = state.secret().unwrap_err();
        assert_eq!(error.code(), "salt-secret");
        // A damaged one is not replaced.
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0x12");
    }

    #[test]
    fn a_name_that_is_given_to_another_market_and_a_market_that_is_given_another_name_are_refused()
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        drop(open(dir.path(), &[chain("l2", 10, 1)]).unwrap());
        let (market, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        for (changed, said) in [
            (
                chain("l2", 11, 1),
                format!(
                    "{path}/chains/l2 is the state of chain id 10, market {market}, not of chain id 11, market {market}: a \
                     chain's name always goes with the same market. Nothing was started. Keep the old [[chain]] table, \
                     which its leases need until they are over, and give the other market a table and a name of its own"
                ),
            ),
            (
                chain("l2", 10, 2),
                format!(
                    "{path}/chains/l2 is the state of chain id 10, market {market}, not of chain id 10, market {other}: a \
                     chain's name always goes with the same market. Nothing was started. Keep the old [[chain]] table, \
                     which its leases need until they are over, and give the other market a table and a name of its own"
                ),
            ),
            (
                chain("base", 10, 1),
                format!(
                    "the state of chain id 10, market {market} is under another name, in {path}/chains/l2: with an empty \
                     one this machine could contradict what it has signed. Nothing was started. Name that chain \"l2\" \
                     again, or rename the directory to \"base\" while no executor runs"
                ),
            ),
        ] {
            let error = open(dir.path(), &[changed]).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
        // A chain that left the configuration is no obstacle. Its state is found when it comes back.
        drop(open(dir.path(), &[chain("base", 10, 2)]).unwrap());
        drop(open(dir.path(), &[chain("base", 10, 2), chain("l2", 10, 1)]).unwrap());
    }

    #[test]
    fn a_state_of_protocol_1_is_refused_in_words_wherever_it_is() {
        for home in ["", "chains/l2", "chains/gone"] {
            let dir = tempfile::tempdir().unwrap();
            let home = dir.path().join(home);
            std::fs::create_dir_all(&home).unwrap();
            let old = include_bytes!("store/fixtures/v1.sqlite");
            std::fs::write(home.join("executor.sqlite"), old).unwrap();
            let error = open(dir.path(), &[chain("l2", 10, 1)]).unwrap_err();
            assert_eq!(error.code(), "store-protocol-1");
            let said = format!(
                "{} is of protocol 1, which this program does not speak. Nothing was started. Let the executor that made \
                 it finish what is bonded there, then choose another state_dir, or move the file away",
                home.join("executor.sqlite").display()
            );
            assert_eq!(error.to_string(), said);
        }
    }
}
