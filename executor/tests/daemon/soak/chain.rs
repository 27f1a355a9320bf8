//! What the chain shows of a run.

use std::collections::{BTreeMap, HashMap};

use alloy::{
    primitives::{Address, B256},
    providers::Provider as _,
    rpc::types::Filter,
};
use piecework::chain::{MarketEvent, decode_event};

use super::member::Member;
use crate::scene::Scene;

/// What the chain shows of one lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) claimed: u32,
    pub(super) submitted: u32,
    pub(super) settled: u32,
    pub(super) paid: u128,
}

/// What the chain shows, read block by block.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The first block that was not read.
    pub(super) next: u64,
    pub(super) leases: BTreeMap<(B256, u32), Seen>,
    pub(super) holders: HashMap<Address, u32>,
    /// Events that none of these leases should have.
    pub(super) odd: Vec<String>,
    /// Transactions of the daemons, and whether they were successful.
    pub(super) sent: Vec<(Address, B256, bool)>,
}

impl Chain {
    pub(super) async fn read(&mut self, scene: &Scene, members: &[Member]) {
        let (rpc, market) = (&scene.net.provider, scene.net.market);
        let last = rpc.get_block_number().await.unwrap();
        if last < self.next {
            return;
        }
        let filter = Filter::new().address(market);
        let filter = filter.from_block(self.next).to_block(last);
        for log in rpc.get_logs(&filter).await.unwrap() {
            self.see(decode_event(&log, market).unwrap().event);
        }
        for number in self.next..=last {
            let block = rpc.get_block_by_number(number.into()).full().await.unwrap();
            for tx in block.unwrap().transactions.txns() {
                let (hash, from) = (*tx.inner.tx_hash(), tx.inner.signer());
                if members.iter().any(|member| member.address == from) {
                    let receipt = rpc.get_transaction_receipt(hash).await.unwrap().unwrap();
                    self.sent.push((from, hash, receipt.status()));
                }
            }
        }
        self.next = last + 1;
    }

    pub(super) fn see(&mut self, event: MarketEvent) {
        match event {
            MarketEvent::Claimed(event) => {
                assert_eq!(event.count, 1);
                *self.holders.entry(event.provider).or_default() += 1;
                self.lease(event.jobId, event.first).claimed += 1;
            }
            MarketEvent::Submitted(event) => {
                self.lease(event.jobId, event.first).submitted += 1;
            }
            MarketEvent::Settled(event) => {
                let lease = self.lease(event.jobId, event.first);
                lease.settled += 1;
                lease.paid += event.paid;
            }
            MarketEvent::Posted(_) | MarketEvent::ProfileSet(_) => {}
            other => self.odd.push(format!("{other:?}")),
        }
    }

    pub(super) fn lease(&mut self, job: B256, first: u32) -> &mut Seen {
        self.leases.entry((job, first)).or_default()
    }

    pub(super) fn settled(&self) -> u32 {
        self.leases.values().map(|lease| lease.settled).sum()
    }
}
