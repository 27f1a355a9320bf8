//! The beacon's points: their seeds are read, and published where nobody else did.

use std::{collections::HashMap, time::Duration};

use alloy::{
    primitives::{B256, keccak256},
    providers::Provider as _,
};
use piecework_core::view::lease::State;
use piecework_net::chain::beacon::{BeaconKind, Publication};
use tokio::time::Instant;

use super::{Control, ControlError, Message};
use crate::{lease::Phase, store::NewIntent};

/// The pause between two looks at a point whose seed is not known.
const PAUSE: Duration = Duration::from_millis(250);
/// So many looks later the pause is twice as long, and so on up to [`LONGEST_PAUSE`].
const LOOKS: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After a seed was asked to be published, that is asked again after this long.
const AFTER_PUBLISHING: Duration = Duration::from_secs(5);
/// Executors do not all publish at once what anyone may: each waits up to three times this long.
const TURN: Duration = Duration::from_secs(1);
/// Chain time within which a publication must be on its way.
const LIFE: u64 = 60;
/// Blocks after which a seed is published at the latest, if that can be.
const SETTLED: u64 = 64;
/// Points that are remembered.
const MOST: usize = 4_096;

/// Who publishes a seed that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publish {
    /// Others.
    No,
    /// We, in our turn.
    InTurn,
    /// We, at once.
    Now,
}

/// What is known of a point.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    time: Option<u64>,
    seed: Option<B256>,
    /// The head at which this seed was first seen: a reorganization may change it.
    since: u64,
    dead: bool,
    looked: Option<Instant>,
    looks: u32,
    turn: Option<Instant>,
    /// Its publication is being prepared, beside the control task: drand's endpoints may be slow.
    preparing: bool,
    published: Option<Instant>,
}

impl Point {
    /// Whether the last look at this point is too recent for another one, where the chain is polled every `poll`.
    fn was_looked_at(&self, poll: Duration) -> bool {
        let longer = self.looks / LOOKS;
        let pause = poll.max(PAUSE).saturating_mul(longer.saturating_add(1));
        let pause = pause.min(LONGEST_PAUSE.max(poll));
        self.looked.is_some_and(|at| at.elapsed() < pause)
    }
}

/// The points that something waits for.
#[derive(Debug, Default)]
pub(super) struct Points(HashMap<u64, Point>);

impl Points {
    pub(super) fn seed(&self, point: u64) -> Option<B256> {
        self.0.get(&point)?.seed
    }

    /// The nominal time of a point.
    pub(super) fn time(&self, point: u64) -> Option<u64> {
        self.0.get(&point)?.time
    }

    pub(super) fn is_dead(&self, point: u64) -> bool {
        self.0.get(&point).is_some_and(|point| point.dead)
    }
}

impl Control {
    /// The seed of a point, if it is known now. Has it published if nobody did.
    pub(super) async fn learn(
        &mut self,
        point: u64,
        publish: Publish,
    ) -> Result<Option<B256>, ControlError> {
        if point == 0 {
            return Ok(None);
        }
        let now = self.now();
        if self.points.0.len() > MOST {
            self.points.0.clear();
        }
        let mut known = self.points.0.get(&point).copied().unwrap_or_default();
        let is_final = known.seed.is_some()
            && now.block
                >= known
                    .since
                    .saturating_add(now.confirmations.saturating_mul(2));
        let just_looked = known.was_looked_at(self.tools.timing.poll);
        if is_final || just_looked {
            return Ok(known.seed);
        }
        known.looked = Some(Instant::now());
        known.looks = known.looks.saturating_add(1);
        let beacon = &self.tools.beacon;
        if known.time.is_none() {
            known.time = beacon.time_of(point).await.ok();
        }
        match beacon.seed(point).await {
            Ok(seed) => {
                if known.seed != seed {
                    (known.seed, known.since) = (seed, now.block);
                }
            }
            Err(error) => tracing::debug!(%error, point, "cannot read a seed"),
        }
        if known.seed.is_none() {
            known.dead = beacon.is_dead(point).await.unwrap_or(false);
            if !known.dead && publish != Publish::No {
                self.prepare_seed(point, &mut known, publish).await;
            }
        }
        self.points.0.insert(point, known);
        Ok(known.seed)
    }

    /// Whether the seed of a point is not known, and is to be looked at again.
    pub(super) fn is_to_be_learned(&self, point: u64) -> bool {
        let known = self.points.0.get(&point);
        let poll = self.tools.timing.poll;
        known.is_none_or(|known| known.seed.is_none() && !known.was_looked_at(poll))
    }

    /// Prepares the publication of a seed that is due, in our turn. It comes back as [`Message::Publication`].
    async fn prepare_seed(&self, point: u64, known: &mut Point, publish: Publish) {
        let asked = known
            .published
            .is_some_and(|at| at.elapsed() < AFTER_PUBLISHING);
        if asked || known.preparing {
            return;
        }
        let beacon = self.tools.beacon.clone();
        match beacon.is_due(point).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(%error, point, "cannot say whether a seed can be published");
                return;
            }
        }
        if publish == Publish::InTurn {
            let place = (self.tools.provider.as_slice(), &point.to_be_bytes()[..]);
            let turn = keccak256([place.0, place.1].concat());
            let turn = turn.first().map_or(0, |byte| u32::from(byte % 4));
            let at = known
                .turn
                .get_or_insert_with(|| Instant::now() + TURN.saturating_mul(turn));
            if Instant::now() < *at {
                return;
            }
        }
        known.preparing = true;
        let inbox = self.tools.shop.inbox.clone();
        let ended = self.works.token().clone();
        self.tools.shop.spawn(async move {
            let publication = tokio::select! {
                () = ended.cancelled() => return,
                publication = beacon.publication(point) => publication,
            };
            let publication = publication.unwrap_or_else(|error| {
                tracing::warn!(%error, point, "cannot publish a seed now");
                None
            });
            let _ = inbox.send(Message::Publication { point, publication });
        });
    }

    /// Sends a publication that was prepared, unless another account was faster.
    pub(super) async fn publish_seed(
        &mut self,
        point: u64,
        publication: Option<Publication>,
    ) -> Result<(), ControlError> {
        let known = self.points.0.entry(point).or_default();
        known.preparing = false;
        let Some(Publication { to, data }) = publication.filter(|_| known.seed.is_none()) else {
            return Ok(());
        };
        known.published = Some(Instant::now());
        let now = self.tools.clock.now();
        let unique: u32 = rand::random();
        let intent = NewIntent {
            id: format!("keep/{point}/{now}-{unique:08x}"),
            to: Some(to),
            data,
            not_after: Some(now.saturating_add(LIFE)),
            repeatable: false,
            deadline: None,
            at_stake: 0,
        };
        tracing::info!(point, "publishing a seed");
        self.tools.sender.send(intent).await?;
        Ok(())
    }

    /// What the seed of a point will be, as far as the node can tell before anybody published it.
    pub(super) async fn predict(&self, point: u64) -> Option<B256> {
        const CYCLE: u64 = 1 << 24;
        if self.tools.beacon.kind() != BeaconKind::Block {
            return None;
        }
        let head = self.head?.number;
        let age = head.wrapping_sub(point) % CYCLE;
        let number = head.checked_sub(age)?;
        let block = self.tools.rpc.get_block_by_number(number.into()).await;
        Some(block.ok()??.header.hash)
    }

    /// Whether a block is final for us.
    pub(super) fn is_final(&self, block: u64) -> bool {
        let now = self.now();
        now.block >= block.saturating_add(now.confirmations)
    }

    /// Whether a block is not going to be reorganized away soon. A seed must be published within 256 blocks, however
    /// late a block is final for us.
    fn is_settled(&self, block: u64) -> bool {
        let now = self.now();
        now.block >= block.saturating_add(now.confirmations.min(SETTLED))
    }

    /// Looks at the points that results of ours wait for, and tells their leases what was learned.
    pub(super) async fn mind_points(&mut self) -> Result<(), ControlError> {
        let mut points = Vec::new();
        for held in self.leases.values() {
            let lease = &held.lease;
            if !matches!(lease.phase, Phase::Submitted | Phase::Finalizing) {
                continue;
            }
            let key = lease.key;
            let Some(view) = self.jobs.get(&key.job).map(|entry| &entry.view) else {
                continue;
            };
            let Some(seen) = view.leases.get(&key.first) else {
                continue;
            };
            match seen.state {
                State::Submitted if self.is_settled(seen.submitted_block) => {
                    points.push((key.job, seen.point, Publish::Now));
                }
                State::Undecided => points.push((key.job, seen.point, Publish::No)),
                _ => {}
            }
        }
        for (key, point) in self.points_of_jurors() {
            if self.learn(point, Publish::No).await?.is_some() {
                self.begin_work(key);
            }
        }
        for (job, point, publish) in points {
            let before = (self.points.seed(point), self.points.time(point));
            self.learn(point, publish).await?;
            if (self.points.seed(point), self.points.time(point)) != before {
                self.refresh(job).await?;
            }
        }
        Ok(())
    }
}
