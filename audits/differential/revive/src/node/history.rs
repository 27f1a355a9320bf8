//! The states of the last blocks. Of each block is kept what it replaced: put back, from the last block on, it makes an
//! older state of the present one. A copy of the whole state for every block would cost more with every contract.

use std::collections::{HashMap, VecDeque};

use sp_io::{TestExternalities, default_child_storage, storage};
use sp_state_machine::Backend;

use super::RpcError;

/// How many blocks have a state that can be read, the last one among them. As many as a pruned node of Ethereum has.
pub const STATES: usize = 64;

/// What a block replaced, by the contract's trie (`None`: the chain's own) and the key in it; `None`: there was nothing.
type Replaced = HashMap<(Option<Vec<u8>>, Vec<u8>), Option<Vec<u8>>>;

/// What the last blocks replaced, the last one's at the end.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Replaced>);

impl History {
    /// Commits what a new block changed.
    ///
    /// # Errors
    /// When the state cannot be read or written; the chain cannot go on then.
    pub(super) fn block(&mut self, state: &mut TestExternalities) -> Result<(), RpcError> {
        self.0.push_back(Replaced::new());
        if self.0.len() >= STATES {
            self.0.pop_front();
        }
        self.commit(state)
    }

    /// Commits what was changed outside of blocks: it is of the last block's state, and of no older one's.
    ///
    /// # Errors
    /// As [`Self::block`].
    pub(super) fn commit(&mut self, state: &mut TestExternalities) -> Result<(), RpcError> {
        let failed = |error: String| {
            RpcError::refused(format!(
                "the chain's state is broken, start the node again: {error}"
            ))
        };
        // The first block has none before it to go back to.
        if let Some(replaced) = self.0.back_mut() {
            let (backend, changes) = (&state.backend, state.overlayed_changes());
            for (key, _) in changes.changes() {
                let before = backend.storage(key).map_err(failed)?;
                replaced.entry((None, key.clone())).or_insert(before);
            }
            for (keys, trie) in changes.children() {
                for (key, _) in keys {
                    let before = backend.child_storage(trie, key).map_err(failed)?;
                    let place = (Some(trie.storage_key().to_vec()), key.clone());
                    replaced.entry(place).or_insert(before);
                }
            }
        }
        state.commit_all().map_err(failed)?;
        // Nodes of the trie that nothing refers to any more.
        state.backend.backend_storage_mut().purge();
        Ok(())
    }

    /// Whether the state of this block is kept.
    ///
    /// # Errors
    /// When it is not: it says which are.
    pub(super) fn check(&self, number: u64, last: u64) -> Result<(), RpcError> {
        let first = last.saturating_sub(u64::try_from(self.0.len()).unwrap_or(u64::MAX));
        if number < first {
            return Err(RpcError::refused(format!(
                "the state of block {number} is gone: this node keeps those of the last {STATES} blocks, now {first} to {last}; \
                 ask for one of them, or for latest"
            )));
        }
        Ok(())
    }

    /// Makes the state that of so many blocks ago. To be called in a transaction that is rolled back.
    pub(super) fn go_back(&self, blocks: u64) {
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        for replaced in self.0.iter().rev().take(blocks) {
            for ((trie, key), before) in replaced {
                match (trie, before) {
                    (None, Some(value)) => storage::set(key, value),
                    (None, None) => storage::clear(key),
                    (Some(trie), Some(value)) => default_child_storage::set(trie, key, value),
                    (Some(trie), None) => default_child_storage::clear(trie, key),
                }
            }
        }
    }
}
