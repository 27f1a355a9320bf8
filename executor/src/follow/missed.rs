//! Events that a node hid from the follower, and that a receipt shows.
//!
//! Only the follower adds events. What a receipt shows is one more node's word on a block that the follower has read, under
//! the same hash: it counts if the block's filter can hold it.

use alloy::{providers::Provider as _, rpc::types::Log};
use piecework_core::view::StoredEvent;
use piecework_executor_core::Input;
use piecework_net::chain::{Head, decode_event};

use super::{Follow, FollowError, stored};

/// Receipts of blocks that are not read yet.
const MOST: usize = 256;

impl Follow {
    /// Takes in what receipts show of blocks that were read, as far as it is not known.
    pub(super) async fn look_for_missed(
        &self,
        shown: &mut Vec<Vec<Log>>,
        head: Option<Head>,
    ) -> Result<(), FollowError> {
        let Some(head) = head else {
            return Ok(());
        };
        for logs in std::mem::take(shown) {
            let events = self.events(&logs);
            let Some(first) = events.first() else {
                continue;
            };
            let is_read = first.block.number <= head.number;
            if (!is_read || !self.take_in(&logs, events).await?) && shown.len() < MOST {
                shown.push(logs);
            }
        }
        Ok(())
    }

    fn events(&self, logs: &[Log]) -> Vec<StoredEvent> {
        let events = logs
            .iter()
            .filter_map(|log| decode_event(log, self.market).ok());
        // The time is that of the block, which the store knows.
        events.filter_map(|event| stored(&event, 0)).collect()
    }

    /// Adds events of a block that was read. `false` if the node cannot be asked for its filter now.
    async fn take_in(&self, logs: &[Log], events: Vec<StoredEvent>) -> Result<bool, FollowError> {
        let missed = self.store.missed(events).await?;
        let Some(first) = missed.first().map(|event| event.block) else {
            return Ok(true);
        };
        let Ok(Some(block)) = self.rpc.get_block_by_hash(first.hash).await else {
            return Ok(false);
        };
        let bloom = block.header.logs_bloom;
        let fits = |log: &Log| bloom.is_zero() || bloom.contains_log(&log.inner);
        if !logs.iter().all(fits) {
            tracing::warn!(
                block = first.number,
                "a receipt shows logs that its block cannot hold; they are not believed"
            );
            return Ok(true);
        }
        let hidden = missed.len();
        let turn = self.feed.hold().await;
        let Some((head, events)) = self.store.add_missed(missed).await? else {
            return Ok(true);
        };
        tracing::warn!(
            block = first.number,
            hidden,
            "a node hid logs of the market; a receipt shows them"
        );
        // The machine sees the block again, with all that it holds, and those after it.
        self.feed.tell(Input::Rewound {
            to: first.number.saturating_sub(1),
        });
        self.feed.tell(Input::Block { head, events });
        drop(turn);
        Ok(true)
    }
}
