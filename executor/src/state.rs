//! The state directory: one owner, and a directory of its own for each chain, by the chain's name.
//!
//! ```text
//! state_dir/lock                        one executor at a time
//!           chains/NAME/executor.sqlite what is promised on that chain
//!           chains/NAME/private/        its results that nobody may see yet
//!           published/ cache/           of all chains, by digest
//!           sandbox/ reruns/            of all chains, for a moment
//! ```

use std::path::{Path, PathBuf};

use crate::{
    Error,
    config::ChainConfig,
    store::{Lock, Store, StoreError, relocate, whose},
};

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

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a chain's own.
    pub(crate) fn of(&self, chain: &ChainConfig) -> PathBuf {
        self.chains().join(&chain.name)
    }

    fn chains(&self) -> PathBuf {
        self.path.join("chains")
    }

    /// Opens the stores of all chains, in their order, once it is clear that each market has one state and no other.
    pub(crate) fn stores(&self, chains: &[ChainConfig]) -> Result<Vec<Store>, StoreError> {
        self.adopt(chains)?;
        self.look_for_others(chains)?;
        let open = |chain: &ChainConfig| {
            Store::open(&self.lock, &self.of(chain), chain.chain_id, chain.market)
        };
        chains.iter().map(open).collect()
    }

    /// Gives the state of the time when an executor served one chain to the chain it is of.
    fn adopt(&self, chains: &[ChainConfig]) -> Result<(), StoreError> {
        let Some((chain_id, market)) = whose(&self.path)? else {
            return Ok(());
        };
        let mut owners = chains.iter();
        let owner = owners.find(|chain| (chain.chain_id, chain.market) == (chain_id, market));
        let Some(owner) = owner else {
            return Err(StoreError::Unclaimed {
                path: self.path.clone(),
                chain: chain_id,
                market,
            });
        };
        let home = self.of(owner);
        // Never over another state: which of the two is true nobody could say.
        if whose(&home)?.is_some() {
            return Err(StoreError::Damaged(format!(
                "{} and {} both hold a state for chain {:?}; move the one away that is not in use",
                self.path.display(),
                home.display(),
                owner.name
            )));
        }
        std::fs::create_dir_all(&home).map_err(io(&home))?;
        let (old, new) = (self.path.join("private"), home.join("private"));
        if old.exists() {
            std::fs::rename(&old, &new).map_err(io(&old))?;
        }
        // Last: as long as it is here, all of this is done again.
        relocate(&self.path, &home)?;
        tracing::info!(
            chain = owner.name,
            "took over the state of an executor of one chain"
        );
        Ok(())
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
