//! How the chain's endpoint does, for the owner.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A chain without a new block for so long has stalled, or its node has.
const STALLED: Duration = Duration::from_secs(300);
/// An answer takes no longer: an endpoint that was tried again has failed by then, or it is back.
const AFTER_RETRY: Duration = Duration::from_secs(25);

/// How the chain's endpoint does, for the owner; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link(Arc<Mutex<LinkState>>);

#[derive(Debug, Default)]
struct LinkState {
    /// Why following fails, and until when that is not news.
    down: Option<(String, Instant)>,
    /// When the last new block came, of a chain that makes them by itself.
    last_block: Option<Instant>,
}

impl Link {
    /// Something fails, and is tried again after `retry_in`; it is said until some time after that, or a new block.
    pub(crate) fn is_down(&self, why: String, retry_in: Duration) {
        let until = Instant::now() + retry_in + AFTER_RETRY;
        self.lock().down = Some((why, until));
    }

    /// A block came; blocks of a chain that mines on demand need not follow.
    pub(super) fn has_block(&self, on_demand: bool) {
        let mut state = self.lock();
        state.down = None;
        state.last_block = (!on_demand).then(Instant::now);
    }

    /// What is wrong with it, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        let silence = state.last_block.map(|at| at.elapsed());
        match (&state.down, silence) {
            (Some((why, until)), _) if Instant::now() < *until => Some(why.clone()),
            (_, Some(silence)) if silence > STALLED => Some(format!(
                "the chain has had no new block for {} s: it stalls, or its endpoint does",
                silence.as_secs()
            )),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_link_says_what_is_wrong_until_it_is_not() {
        let link = Link::default();
        assert_eq!(link.trouble(), None);
        link.is_down("refused".to_owned(), Duration::from_secs(15));
        tokio::time::advance(Duration::from_secs(39)).await;
        assert_eq!(link.trouble().unwrap(), "refused");
        // Tried again since, and not failed again.
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(link.trouble(), None);
        link.is_down("refused".to_owned(), Duration::from_secs(15));
        link.has_block(false);
        assert_eq!(link.trouble(), None);
        tokio::time::advance(STALLED + Duration::from_secs(1)).await;
        let why = "the chain has had no new block for 301 s: it stalls, or its endpoint does";
        assert_eq!(link.trouble().unwrap(), why);
        // Nobody waits for the blocks of a chain that mines on demand.
        link.has_block(true);
        tokio::time::advance(STALLED * 2).await;
        assert_eq!(link.trouble(), None);
    }
}
