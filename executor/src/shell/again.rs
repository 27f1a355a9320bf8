//! Events of jobs in which stake is locked are read again, while there is still time to act on them: a node that hid one at
//! first may tell it later.
//!
//! The store takes in events of its newest 256 blocks, so these are the ones that are read again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{primitives::B256, rpc::types::Filter};
use piecework_executor_core::machine::{KEPT, Watch};
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

/// What was read again: each block at two looks.
#[derive(Debug)]
pub(super) struct Again {
    looked: Instant,
    /// The head at the last look.
    head: u64,
    /// The heads at the last two looks that read everything, the newer one first.
    heads: (u64, u64),
    /// Whether it is being read now.
    busy: Arc<AtomicBool>,
    /// Whether the last look read everything.
    done: Arc<AtomicBool>,
}

impl Default for Again {
    fn default() -> Self {
        Self {
            looked: Instant::now(),
            head: 0,
            heads: (0, 0),
            busy: Arc::default(),
            done: Arc::default(),
        }
    }
}

impl Shell {
    /// Reads events of held jobs again if it is time, in the background. The follower takes in what it has missed.
    pub(super) fn look_again(&mut self) {
        let Some(Watch { jobs, from, window }) = self.machine.watch() else {
            return;
        };
        let every = Duration::from_secs(window / TIMES).clamp(SHORTEST, LONGEST);
        let node = self.tools.node.borrow().clone();
        let (Some(node), Some(head)) = (node, self.machine.head()) else {
            return;
        };
        let again = &mut self.again;
        let soon = again.head.saturating_add(KEPT / 2);
        let is_time = again.looked.elapsed() >= every || head.number >= soon;
        if !is_time || again.looked.elapsed() < SHORTEST || again.busy.swap(true, Ordering::SeqCst)
        {
            return;
        }
        again.looked = Instant::now();
        if again.done.swap(false, Ordering::SeqCst) {
            again.heads = (again.head, again.heads.0);
        }
        again.head = head.number;
        let from = from
            .max(again.heads.1)
            .max(head.number.saturating_sub(KEPT));
        let (busy, done) = (Busy(again.busy.clone()), again.done.clone());
        let (feed, market) = (self.tools.feed.clone(), self.tools.market);
        self.tools.shop.spawn(async move {
            let _busy = busy;
            for jobs in jobs.chunks(MOST) {
                let filter = Filter::new()
                    .address(market)
                    .topic1(jobs.to_vec())
                    .from_block(from);
                let logs = match read_logs(&node.rpc, &filter).await {
                    Ok(logs) => logs,
                    Err(error) => {
                        tracing::warn!(%error, "events of held jobs cannot be read again now");
                        return;
                    }
                };
                // Of one block at a time.
                let mut blocks: BTreeMap<Option<B256>, Vec<_>> = BTreeMap::new();
                for log in logs {
                    blocks.entry(log.block_hash).or_default().push(log);
                }
                blocks.into_values().for_each(|logs| feed.show(logs));
            }
            done.store(true, Ordering::SeqCst);
        });
    }
}

/// A look that is being made. It is over when this is dropped, also by a panic.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
