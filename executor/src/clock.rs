//! The chain's time, which decides about deadlines. The local clock does not.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// A chain whose newest block is so many seconds behind the estimate has stalled for some time.
const STALLED: u64 = 60;

/// An estimate of the time the next block will carry: the newest block's time plus what has passed
/// since it was seen, by a clock that cannot be set.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChainClock(Arc<Mutex<Option<(u64, Instant)>>>);

impl ChainClock {
    /// Takes a block's time in. The estimate does not go back: old blocks, read while catching up,
    /// and those of a shorter fork change nothing.
    pub(crate) fn observe(&self, time: u64) {
        self.set_if(time, |now| time > now);
    }

    /// Takes in the time of the newest block that there is. After a stall the estimate goes back: the seconds in which the
    /// chain stood still count against no deadline.
    pub(crate) fn observe_newest(&self, time: u64) {
        self.set_if(time, |now| time > now || is_stalled(time, now));
    }

    /// Whether this is so far behind that the chain has stalled, if it is the time of its newest block.
    pub(crate) fn is_ahead_of(&self, time: u64) -> bool {
        is_stalled(time, self.now())
    }

    fn set_if(&self, time: u64, is_better: impl FnOnce(u64) -> bool) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none_or(|seen| is_better(estimate(seen))) {
            *seen = Some((time, Instant::now()));
        }
    }

    /// Unix seconds; 0 before the first block was seen.
    pub(crate) fn now(&self) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(0, estimate)
    }
}

fn is_stalled(newest: u64, now: u64) -> bool {
    newest.saturating_add(STALLED) < now
}

fn estimate((time, at): (u64, Instant)) -> u64 {
    time.saturating_add(at.elapsed().as_secs())
}

/// The local clock, Unix seconds: for retention and the age of transactions only.
pub(crate) fn local_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_between_blocks_and_never_back() {
        let clock = ChainClock::default();
        assert_eq!(clock.now(), 0);
        clock.observe(1_000);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(clock.now(), 1_030);
        clock.observe(1_012);
        assert_eq!(clock.now(), 1_030);
        clock.observe(1_048);
        assert_eq!(clock.now(), 1_048);
    }

    #[tokio::test(start_paused = true)]
    async fn seconds_in_which_the_chain_stood_still_do_not_count() {
        let clock = ChainClock::default();
        clock.observe_newest(1_000);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(clock.is_ahead_of(1_012) && !clock.is_ahead_of(1_540));
        // An old block says nothing, and a late one little.
        clock.observe(1_012);
        clock.observe_newest(1_540);
        assert_eq!(clock.now(), 1_600);
        clock.observe_newest(1_012);
        assert_eq!(clock.now(), 1_012);
    }
}
