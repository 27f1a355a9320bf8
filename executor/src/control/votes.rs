//! Openings, and the leaf of a provider before a jury: what ends a round of seats.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256},
    sol_types::SolCall as _,
};
use piecework_core::{
    chain::IMarket,
    digest::{Digest, lease as digest_list, tree},
};
use piecework_net::{blobs::fetch_bytes, chain::Contract};
use tokio::time::Instant;
use url::Url;

use super::{Control, ControlError, Message};
use crate::{
    lease::Roots,
    seat::{Key, Stage, commitment::opening},
    store::VoteRow,
    work::Workshop,
};

/// How often the leaf of another provider is asked for before a call goes without it.
const TRIES: u32 = 6;
/// How often it is asked for after that, while nothing can be done without it.
const PAUSE: Duration = Duration::from_secs(30);

/// What a provider committed to for the audited task, and its path in the result's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    digest: B256,
    proof: Vec<B256>,
}

#[derive(Debug, Default)]
struct Looked {
    tries: u32,
    at: Option<Instant>,
    working: bool,
    found: Option<Leaf>,
}

/// The leaves that juries of ours need.
#[derive(Debug, Default)]
pub(super) struct Leaves(HashMap<Key, Looked>);

impl Leaves {
    pub(super) fn learn(&mut self, key: Key, leaf: Option<Leaf>) {
        let looked = self.0.entry(key).or_default();
        looked.working = false;
        looked.found = leaf;
    }

    pub(super) fn forget(&mut self, key: Key) {
        self.0.remove(&key);
    }
}

/// What is brought of a leaf.
enum Brought {
    Leaf(Leaf),
    /// None, and the call goes without it.
    Nothing,
    /// It is being looked for.
    Soon,
}

impl Control {
    /// The call that opens our commitment. The last opening ends the round.
    pub(super) async fn open_seat(
        &mut self,
        key: Key,
        own: VoteRow,
    ) -> Result<Option<Vec<u8>>, ControlError> {
        let last = self.seats.get(&key);
        if last.is_some_and(|held| held.seat.round.lacks_one_opening()) {
            return self.end_round(key, Some(own)).await;
        }
        let openings = vec![opening(self.stake.number, own.vote, own.salt)];
        Ok(self.round_call(key, openings, None))
    }

    /// The call that settles a redundant lease, or has an audit judged, with everything that was opened and, if it is
    /// the last one, our own opening. `None` while something for it cannot be had.
    pub(super) async fn end_round(
        &mut self,
        key: Key,
        own: Option<VoteRow>,
    ) -> Result<Option<Vec<u8>>, ControlError> {
        let leaf = match self.leaf(key, own).await? {
            Brought::Leaf(leaf) => Some(leaf),
            Brought::Nothing => None,
            Brought::Soon => return Ok(None),
        };
        let Some(openings) = self.openings(key, own).await else {
            return Ok(None);
        };
        Ok(self.round_call(key, openings, leaf))
    }

    fn round_call(
        &self,
        key: Key,
        openings: Vec<IMarket::Opening>,
        leaf: Option<Leaf>,
    ) -> Option<Vec<u8>> {
        let (first, round) = (key.lease.first, key.lease.round);
        let job = self.jobs.get(&key.lease.job)?.job.clone();
        if !key.is_jurors() {
            let call = IMarket::settleCall {
                job,
                first,
                round,
                openings,
            };
            return Some(call.abi_encode());
        }
        let (leaf, proof) = match leaf {
            Some(leaf) => (leaf.digest, leaf.proof),
            None => (B256::ZERO, Vec::new()),
        };
        let call = IMarket::judgeCall {
            job,
            first,
            round,
            jury: key.kind,
            openings,
            leaf,
            proof,
        };
        Some(call.abi_encode())
    }

    /// All seats, ascending, with what was opened of them; `None` if the node does not tell their numbers.
    async fn openings(&mut self, key: Key, own: Option<VoteRow>) -> Option<Vec<IMarket::Opening>> {
        let lease = key.lease;
        let view = &self.jobs.get(&lease.job)?.view;
        let panel = view.seats.panel((lease.first, lease.round, key.kind))?;
        let providers: Vec<Address> = panel.seats.iter().map(|seat| seat.provider).collect();
        let opened = panel.opened.clone();
        let mut openings = Vec::new();
        for provider in providers {
            let number = self.number_of(provider).await?;
            let ours = own.filter(|_| provider == self.tools.provider);
            openings.push(match (opened.get(&number), ours) {
                (Some(vote), _) => opening(number, *vote, B256::ZERO),
                (None, Some(own)) => opening(number, own.vote, own.salt),
                (None, None) => opening(number, Default::default(), B256::ZERO),
            });
        }
        openings.sort_unstable_by_key(|opening| opening.number);
        Some(openings)
    }

    /// The number of a provider, which never changes once it has one.
    pub(super) async fn number_of(&mut self, provider: Address) -> Option<u32> {
        if provider == self.tools.provider && self.stake.number > 0 {
            return Some(self.stake.number);
        }
        if let Some(number) = self.numbers.get(&provider) {
            return Some(*number);
        }
        let market = Contract::new(self.tools.market, &self.tools.rpc);
        match market
            .ask(IMarket::providerOfCall { provider })
            .call()
            .await
        {
            Ok(state) if state.number > 0 => {
                self.numbers.insert(provider, state.number);
                Some(state.number)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "cannot read a provider's number");
                None
            }
        }
    }

    /// The leaf that a verdict needs: two votes agree, our own included.
    async fn leaf(&mut self, key: Key, own: Option<VoteRow>) -> Result<Brought, ControlError> {
        let lease = key.lease;
        let place = (lease.first, lease.round, key.kind);
        let Some(view) = self.jobs.get(&lease.job).map(|entry| &entry.view) else {
            return Ok(Brought::Nothing);
        };
        let needed = view.seats.winner(place, own.map(|row| row.vote)).is_some();
        let (Some(jury), Some(accused)) = (view.seats.jury(place), view.leases.get(&lease.first))
        else {
            return Ok(Brought::Nothing);
        };
        let now = self.tools.clock.now();
        if !key.is_jurors() || !needed || jury.leaf_by.is_some_and(|by| now > by) {
            return Ok(Brought::Nothing);
        }
        let (task, missed) = (jury.task, jury.leaf_by.is_some());
        // An opening must not come too late for want of a leaf.
        let soon = now.saturating_add(self.tools.timing.margin.saturating_mul(2));
        let stage = self.seats.get(&key).map(|held| held.seat.round.stage(now));
        let hurry = matches!(stage, Some(Stage::Reveal { until, .. }) if soon >= until);
        let (provider, count) = (accused.provider, accused.count);
        let Some(result) = accused.result else {
            return Ok(Brought::Nothing);
        };
        if provider == self.tools.provider {
            let rows = self
                .tools
                .store
                .tasks(lease.job, lease.first, count)
                .await?;
            let digests: Vec<Digest> = rows.iter().map(|row| Digest(row.digest.0)).collect();
            let found = find(&digests, lease.first, task, result);
            if found.is_none() {
                tracing::error!(job = %lease.job, first = lease.first, "the digests of a result of ours are not here: another machine has them");
            }
            return Ok(found.map_or(Brought::Soon, Brought::Leaf));
        }
        let looked = self.leaves.0.entry(key).or_default();
        if let Some(leaf) = &looked.found {
            return Ok(Brought::Leaf(leaf.clone()));
        }
        if looked.working && !hurry {
            return Ok(Brought::Soon);
        }
        if looked.tries >= TRIES || hurry {
            // Once it is missed, nothing can be done without it.
            if !missed {
                return Ok(Brought::Nothing);
            }
            if looked.at.is_some_and(|at| at.elapsed() < PAUSE) {
                return Ok(Brought::Soon);
            }
        }
        looked.tries = looked.tries.saturating_add(1);
        looked.at = Some(Instant::now());
        looked.working = true;
        let market = Contract::new(self.tools.market, self.tools.rpc.clone());
        let shop = Arc::new(self.tools.shop.clone());
        let inbox = shop.inbox.clone();
        self.tools.shop.spawn(async move {
            let profile = market.ask(IMarket::profileOfCall { provider }).call().await;
            let leaf = match profile.map(|profile| profile.endpoint.parse::<Url>()) {
                Ok(Ok(url)) => fetch(&shop, &url, lease.first, count, task, result).await,
                Ok(Err(error)) => Err(format!("its endpoint is no URL: {error}")),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = &leaf {
                tracing::debug!(job = %lease.job, first = lease.first, why, "the provider's leaf cannot be had");
            }
            let leaf = leaf.ok();
            let _ = inbox.send(Message::Leaf { key, leaf });
        });
        Ok(Brought::Soon)
    }
}

/// The leaf of a task, from the list of digests that its provider serves.
async fn fetch(
    shop: &Workshop,
    url: &Url,
    first: u32,
    count: u32,
    task: u32,
    result: Roots,
) -> Result<Leaf, String> {
    let source = shop.http.source(url).map_err(|error| error.to_string())?;
    let most = u64::from(count).saturating_mul(32);
    let bytes = fetch_bytes(&source, result.list.into(), most).await;
    let bytes = bytes.map_err(|error| error.to_string())?;
    let digests = digest_list::decode(&bytes, count).map_err(|error| error.to_string())?;
    find(&digests, first, task, result).ok_or_else(|| "it is not what was submitted".to_owned())
}

/// The leaf of a task, if these are the digests that were submitted.
fn find(digests: &[Digest], first: u32, task: u32, result: Roots) -> Option<Leaf> {
    let same = tree::root(first, digests).is_ok_and(|root| root == result.root);
    let place = usize::try_from(task.checked_sub(first)?).ok()?;
    let digest = digests.get(place).filter(|_| same)?;
    Some(Leaf {
        digest: (*digest).into(),
        proof: tree::proof(first, digests, task).ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_leaf_is_brought_only_of_what_was_submitted() {
        let digests: Vec<Digest> = (0..5u8).map(|n| Digest::of(&[n])).collect();
        let root = tree::root(8, &digests).unwrap();
        let list = B256::ZERO;
        let leaf = find(&digests, 8, 10, Roots { root, list }).unwrap();
        assert_eq!(Digest::from(leaf.digest), digests[2]);
        assert!(tree::verify(root, 8, 5, 10, digests[2], &leaf.proof));
        let other = Roots {
            root: B256::repeat_byte(1),
            list,
        };
        assert_eq!(find(&digests, 8, 10, other), None);
        for outside in [7, 13] {
            assert_eq!(find(&digests, 8, outside, Roots { root, list }), None);
        }
    }
}
