//! Which nonce comes next, and what it means that no block holds a transaction: pure decisions.

use std::time::Duration;

use tokio::time::Instant;

/// Looks that must agree before anything is concluded from them.
const LOOKS: u32 = 3;
/// Polls over which these looks are spread, on every chain.
const POLLS: u32 = 40;
/// Local time over which they are spread at least, except on a development chain.
const LEAST: Duration = Duration::from_mins(2);
/// Local time for which a nonce may be missing below ours, or a pending count above ours.
const GAP: Duration = Duration::from_secs(30);
/// Transactions of other programs with our key that a pending count may stand for. A higher count is wrong.
const MOST_FOREIGN: u64 = 64;

/// How long the sender watches before it concludes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// Before a nonce counts as taken by another transaction.
    pub(super) taken: Duration,
    /// Before a missing nonce is filled, and before a pending count is no longer believed.
    pub(super) gap: Duration,
}

impl Patience {
    pub(super) fn of(poll: Duration, is_devnet: bool) -> Self {
        let polls = poll.saturating_mul(POLLS);
        Self {
            taken: match is_devnet {
                true => polls,
                false => polls.max(LEAST),
            },
            gap: polls.min(GAP),
        }
    }
}

/// The same finding, look after look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    first: Instant,
    count: u32,
}

impl Looks {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            first: now,
            count: 0,
        }
    }

    /// Counts one more look. `true` if there were enough of them, spread over `patience`.
    pub(super) fn outlast(&mut self, now: Instant, patience: Duration) -> bool {
        self.count = self.count.saturating_add(1);
        self.count >= LOOKS && now.duration_since(self.first) >= patience
    }
}

/// What is known of an intent of which the node shows no receipt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Whether the account's count says that the nonce is used.
    pub(super) used: bool,
    /// Whether a receipt was seen earlier.
    pub(super) mined: bool,
    /// Whether the present key signed it.
    pub(super) own_key: bool,
    pub(super) repeatable: bool,
}

/// Where such an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It waits for a block.
    InFlight,
    /// It was in a block, and its nonce is free again: it was reorganized away.
    Dropped,
    /// It was in a block, and its nonce is used: the node hides the receipt, unless the block is gone.
    Hidden,
    /// Its nonce is used, and no attempt of ours is known to be in a block.
    Taken,
    /// A key that is no longer used signed it. It can be sent again with the present key.
    Rotated,
    /// A key that is no longer used signed it, and it must not be sent twice.
    Stranded,
}

impl Facts {
    pub(super) fn standing(self) -> Standing {
        match self {
            Self {
                used: true,
                mined: true,
                ..
            } => Standing::Hidden,
            Self { used: true, .. } => Standing::Taken,
            Self {
                own_key: false,
                repeatable,
                ..
            } => match repeatable {
                true => Standing::Rotated,
                false => Standing::Stranded,
            },
            Self { mined: true, .. } => Standing::Dropped,
            Self { .. } => Standing::InFlight,
        }
    }
}

/// The next nonce as far as we know: the account's count, or what follows our highest open nonce.
pub(super) fn own_next(used: u64, open: &[u64]) -> u64 {
    let after = open.iter().max().map_or(0, |nonce| nonce.saturating_add(1));
    used.max(after)
}

/// Whether a pending count may stand for transactions of another program with our key, which we do not want to replace.
/// `above` says for how long the count has been above ours.
pub(super) fn is_believed(pending: u64, own: u64, above: Duration, patience: Patience) -> bool {
    pending > own && pending.saturating_sub(own) <= MOST_FOREIGN && above < patience.gap
}

/// Nonces below our highest open one that neither the chain nor an intent of ours has: nothing above them is mined.
pub(super) fn missing(used: u64, open: &[u64]) -> Vec<u64> {
    let most = usize::try_from(MOST_FOREIGN).unwrap_or(usize::MAX);
    (used..own_next(used, open))
        .filter(|nonce| !open.contains(nonce))
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_nonce_counts_as_taken_after_two_minutes_and_forty_polls() {
        let (slow, fast) = (Duration::from_secs(12), Duration::from_millis(50));
        assert_eq!(Patience::of(SECOND, false).taken, Duration::from_mins(2));
        assert_eq!(Patience::of(slow, false).taken, Duration::from_mins(8));
        assert_eq!(Patience::of(fast, false).taken, Duration::from_mins(2));
        assert_eq!(Patience::of(fast, true).taken, SECOND * 2);
        assert_eq!(Patience::of(fast, true).gap, SECOND * 2);
        assert_eq!(Patience::of(slow, false).gap, SECOND * 30);
    }

    #[test]
    fn neither_many_quick_looks_nor_few_slow_ones_are_enough() {
        let start = Instant::now();
        let mut looks = Looks::new(start);
        for _ in 0..100 {
            assert!(!looks.outlast(start + SECOND, SECOND * 2));
        }
        assert!(looks.outlast(start + SECOND * 2, SECOND * 2));
        let mut looks = Looks::new(start);
        let late = start + SECOND * 900;
        let found = [0; 3].map(|_| looks.outlast(late, SECOND * 2));
        assert_eq!(found, [false, false, true]);
    }

    #[test]
    fn only_a_free_nonce_means_that_a_block_is_gone() {
        let facts = |used, mined| Facts {
            used,
            mined,
            own_key: true,
            repeatable: true,
        };
        assert_eq!(facts(true, true).standing(), Standing::Hidden);
        assert_eq!(facts(false, true).standing(), Standing::Dropped);
        assert_eq!(facts(true, false).standing(), Standing::Taken);
        assert_eq!(facts(false, false).standing(), Standing::InFlight);
    }

    #[test]
    fn another_keys_transaction_is_sent_again_if_twice_does_no_harm() {
        for mined in [false, true] {
            let facts = |repeatable| Facts {
                used: false,
                mined,
                own_key: false,
                repeatable,
            };
            assert_eq!(facts(true).standing(), Standing::Rotated);
            assert_eq!(facts(false).standing(), Standing::Stranded);
        }
    }

    #[test]
    fn the_next_nonce_follows_the_chain_and_our_highest() {
        assert_eq!(own_next(3, &[]), 3);
        assert_eq!(own_next(3, &[3, 7]), 8);
        assert_eq!(own_next(9, &[3, 7]), 9);
    }

    #[test]
    fn a_pending_count_is_believed_for_a_while_and_within_bounds() {
        let patience = Patience::of(SECOND, false);
        assert!(is_believed(9, 8, Duration::ZERO, patience));
        assert!(!is_believed(8, 8, Duration::ZERO, patience));
        assert!(!is_believed(9, 8, SECOND * 30, patience));
        assert!(!is_believed(8 + 65, 8, Duration::ZERO, patience));
    }

    #[test]
    fn missing_nonces_are_those_that_neither_chain_nor_intent_has() {
        assert_eq!(missing(3, &[]), [0u64; 0]);
        assert_eq!(missing(3, &[3, 4]), [0u64; 0]);
        assert_eq!(missing(3, &[2, 5, 7]), [3, 4, 6]);
        assert_eq!(missing(0, &[u64::MAX]).len(), 64);
    }
}
