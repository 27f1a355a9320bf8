//! The chain's time, which decides about deadlines. The local clock does not.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// An estimate of the time the next block will carry: the newest block's time plus what has passed
/// since it was seen, by a clock that cannot be set.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChainClock(Arc<Mutex<Option<(u64, Instant)>>>);

impl ChainClock {
    /// Takes a block's time in. The estimate never goes back: old blocks, read while catching up,
    /// and those of a shorter fork change nothing.
    pub(crate) fn observe(&self, time: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none_or(|seen| time > estimate(seen)) {
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
}
