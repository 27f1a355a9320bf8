//! What is to be looked at, and when: so that a step costs what has news, not what there is.

use std::collections::{BTreeMap, BTreeSet};

/// Keys, each with the time at which it is due.
#[derive(Clone, Debug)]
pub(super) struct Agenda<K> {
    at: BTreeMap<K, u64>,
    due: BTreeSet<(u64, K)>,
}

impl<K> Default for Agenda<K> {
    fn default() -> Self {
        Self {
            at: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord> Agenda<K> {
    /// Makes a key due at a time; never, if that is `u64::MAX`.
    pub(super) fn set(&mut self, key: K, at: u64) {
        self.remove(key);
        if at != u64::MAX {
            self.at.insert(key, at);
            self.due.insert((at, key));
        }
    }

    /// Whether a key is due at some time.
    pub(super) fn has(&self, key: K) -> bool {
        self.at.contains_key(&key)
    }

    /// All keys that are due at some time.
    pub(super) fn keys(&self) -> Vec<K> {
        self.at.keys().copied().collect()
    }

    pub(super) fn remove(&mut self, key: K) {
        if let Some(at) = self.at.remove(&key) {
            self.due.remove(&(at, key));
        }
    }

    /// Takes out what is due by now.
    pub(super) fn take(&mut self, now: u64) -> Vec<K> {
        let mut taken = Vec::new();
        while let Some((at, key)) = self.due.first().copied()
            && at <= now
        {
            self.remove(key);
            taken.push(key);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_once_at_its_last_time() {
        let mut agenda = Agenda::default();
        for (key, at) in [('a', 5), ('b', 3), ('a', 9), ('c', 4), ('d', u64::MAX)] {
            agenda.set(key, at);
        }
        agenda.remove('c');
        assert!(agenda.take(2).is_empty());
        assert_eq!(agenda.take(8), ['b']);
        assert_eq!(agenda.take(9), ['a']);
        assert!(agenda.take(u64::MAX).is_empty());
    }
}
