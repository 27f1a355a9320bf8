//! What each chain takes of the machine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use piecework_executor_core::capacity::Amount;
use tokio::time::Instant;

/// What all chains take of the machine; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(Arc<Mutex<BTreeMap<String, Share>>>);

#[derive(Clone, Copy, Debug)]
struct Share {
    amount: Amount,
    /// The last moment at which this share can be used, even if the chain stays silent.
    until: Instant,
}

impl Shares {
    /// Calls `step` with what other chains take, and keeps what this one takes after it, for so long at most. No other chain
    /// steps meanwhile, so nothing is given away twice.
    pub(crate) fn step<T>(
        &self,
        chain: &str,
        step: impl FnOnce(Amount) -> (T, Amount, Duration),
    ) -> T {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let others = shares.iter().filter(|(name, _)| *name != chain);
        let elsewhere = others
            .filter(|(_, share)| now < share.until)
            .map(|(_, share)| share.amount)
            .fold(Amount::default(), Amount::plus);
        let (value, amount, longest) = step(elsewhere);
        let until = now + longest;
        shares.insert(chain.to_owned(), Share { amount, until });
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(tasks: u32) -> Amount {
        Amount {
            tasks,
            ..Amount::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_sees_what_others_take_until_that_is_of_no_use() {
        let shares = Shares::default();
        let minute = Duration::from_secs(60);
        let take = |chain: &str, tasks| {
            shares.step(chain, |elsewhere| (elsewhere.tasks, amount(tasks), minute))
        };
        assert_eq!((take("l1", 2), take("l2", 3), take("l1", 1)), (0, 2, 3));
        assert_eq!(take("l3", 0), 4);
        tokio::time::advance(minute).await;
        assert_eq!(take("l2", 0), 0);
    }
}
