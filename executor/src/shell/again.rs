//! Events of jobs in which stake is locked are read a second time, while there is still time to act on them: a node that hid
//! one at first may tell it later.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{primitives::B256, rpc::types::Filter};
use piecework_executor_core::machine::Watch;
use piecework_net::chain::read_logs;
use tokio::time::Instant;

use super::Shell;

/// So many times in the shortest window everything is read again.
const TIMES: u64 = 4;
/// Longest and shortest time between two such looks.
const LONGEST: Duration = Duration::from_hours(1);
const SHORTEST: Duration = Duration::from_secs(1);
/// Jobs in one question.
const MOST: usize = 100;

/// What was read again: everything at two looks, from the first event of a held job on.
#[derive(Debug)]
pub(super) struct Again {
    looked: Instant,
    /// Where the last look ended, and where the one before did.
    ends: Option<(u64, u64)>,
    /// Whether it is being read now.
    busy: Arc<AtomicBool>,
}

impl Default for Again {
    fn default() -> Self {
        Self {
            looked: Instant::now(),
            ends: None,
            busy: Arc::default(),
        }
    }
}

impl Shell {
    /// Reads events of held jobs again if it is time, in the background. The follower takes in what it has missed.
    pub(super) fn look_again(&mut self) {
        let Some(Watch { jobs, from, window }) = self.machine.watch() else {
            self.again.ends = None;
            return;
        };
        let every = Duration::from_secs(window / TIMES).clamp(SHORTEST, LONGEST);
        let node = self.tools.node.borrow().clone();
        let (Some(node), Some(head)) = (node, self.machine.head()) else {
            return;
        };
        if self.again.looked.elapsed() < every || self.again.busy.swap(true, Ordering::SeqCst) {
            return;
        }
        self.again.looked = Instant::now();
        let (last, before) = self.again.ends.unwrap_or((from, from));
        self.again.ends = Some((head.number, last));
        let from = from.max(before);
        let (feed, market, busy) = (
            self.tools.feed.clone(),
            self.tools.market,
            self.again.busy.clone(),
        );
        self.tools.shop.spawn(async move {
            for jobs in jobs.chunks(MOST) {
                let filter = Filter::new()
                    .address(market)
                    .topic1(jobs.to_vec())
                    .from_block(from);
                match read_logs(&node.rpc, &filter).await {
                    Ok(logs) => {
                        // Of one block at a time.
                        let mut blocks: BTreeMap<Option<B256>, Vec<_>> = BTreeMap::new();
                        for log in logs {
                            blocks.entry(log.block_hash).or_default().push(log);
                        }
                        blocks.into_values().for_each(|logs| feed.show(logs));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "events cannot be read a second time now")
                    }
                }
            }
            busy.store(false, Ordering::SeqCst);
        });
    }
}
