//! What the market's events say of a job, folded from the first to the last.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEventInterface as _;

use super::StoredEvent;
use super::seat::{Over, SeatViews};
use crate::chain::{IMarket, MarketEvent};

/// One round of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The job.
    pub job: B256,
    /// The lease's first task.
    pub first: u32,
    /// The round, from 1.
    pub round: u16,
}

/// The digests that are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The root of the tree over them.
    pub root: B256,
    /// The address of the digest list.
    pub list: B256,
}

/// A job as the chain shows it now.
#[derive(Clone, Debug, Default)]
pub struct JobView {
    /// Whether it was posted.
    pub posted: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// First task that no ordinary lease holds; the job's number of tasks when all are held or refunded.
    pub next: u32,
    /// Seconds to run a lease in.
    pub run_window: u64,
    /// Of an ordinary job.
    pub leases: BTreeMap<u32, LeaseView>,
    /// The rounds of a redundant job, and juries.
    pub seats: SeatViews,
    /// First tasks of ordinary leases that run or are free.
    open: BTreeSet<u32>,
    /// What the holder of an ordinary lease's round lost of its bond, by first task and round.
    pub burned: BTreeMap<(u32, u16), u128>,
}

/// Where the present round of an ordinary lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being run.
    Running,
    /// A result was submitted; the seed of the point decides whether it is audited.
    Submitted,
    /// It is with a jury, 1 or 2.
    Audited(u8),
    /// The first jury found no verdict; the point draws a second one.
    Undecided,
    /// It was paid.
    Settled,
    /// It was convicted.
    Void,
    /// It is free for a takeover.
    Freed,
    /// Its client has the money back.
    Refunded,
}

/// The present round of a lease.
#[derive(Clone, Copy, Debug)]
pub struct LeaseView {
    /// Who holds it.
    pub provider: Address,
    /// The round, from 1.
    pub round: u16,
    /// Its tasks.
    pub count: u32,
    /// The transaction that claimed it.
    pub claim_tx: B256,
    /// Where it stands.
    pub state: State,
    /// When the state began: the round, the submission, the freeing.
    pub at: u64,
    /// When its result was submitted.
    pub submitted_at: u64,
    /// The block in which its result was submitted.
    pub submitted_block: u64,
    /// The time on the ramp that prices its round.
    pub origin: u64,
    /// The beacon's point of its audit; 0 if there is none.
    pub point: u64,
    /// What was submitted in it.
    pub result: Option<Roots>,
    /// Block of its last event.
    pub block: u64,
}

impl LeaseView {
    /// The place on the ramp of a takeover at `time`, of a lease that is free since `since`.
    pub fn origin_at(&self, since: u64, time: u64) -> u64 {
        self.origin.saturating_add(time.saturating_sub(since))
    }
}

impl JobView {
    /// Folds a job's canonical events, in the chain's order.
    pub fn fold(events: &[StoredEvent]) -> Self {
        let mut view = Self::default();
        for at in events {
            view.see(at);
        }
        view
    }

    /// Takes the next event in. One that is not of the market's interface says nothing.
    pub fn see(&mut self, at: &StoredEvent) {
        if let Ok(event) = MarketEvent::decode_raw_log(at.log.topics(), &at.log.data) {
            self.apply(at, event);
        }
    }

    fn apply(&mut self, at: &StoredEvent, event: MarketEvent) {
        let redundant = self.seats.is_redundant();
        match event {
            MarketEvent::Posted(event) => {
                self.posted = true;
                self.run_window = event.job.timing.runWindow;
                self.seats.posted(&event);
            }
            MarketEvent::Cancelled(_) => self.cancelled = true,
            MarketEvent::Claimed(event) => self.claimed(at, &event),
            MarketEvent::Submitted(event) => {
                self.set(event.first, at, State::Submitted);
                if let Some(lease) = self.leases.get_mut(&event.first) {
                    lease.result = Some(Roots {
                        root: event.root,
                        list: event.digestList,
                    });
                    lease.point = event.point;
                    lease.submitted_at = at.block.time;
                    lease.submitted_block = at.block.number;
                }
            }
            MarketEvent::PointSet(event) if redundant => {
                self.seats.point_set(event.first, event.point)
            }
            MarketEvent::PointSet(event) => {
                self.set(event.first, at, State::Undecided);
                if let Some(lease) = self.leases.get_mut(&event.first) {
                    lease.point = event.point;
                }
            }
            MarketEvent::Settled(event) if redundant => {
                self.seats.end_round(event.first, at, Over::Settled)
            }
            MarketEvent::Settled(event) => self.set(event.first, at, State::Settled),
            MarketEvent::Voided(event) if redundant => {
                self.seats.end_round(event.first, at, Over::Void)
            }
            MarketEvent::Voided(event) => {
                self.set(event.first, at, State::Void);
                if let Some(lease) = self.leases.get(&event.first) {
                    let place = (event.first, lease.round);
                    self.burned.insert(place, event.slashed);
                }
            }
            MarketEvent::Freed(event) if redundant => {
                self.seats.end_round(event.first, at, Over::Freed)
            }
            MarketEvent::Freed(event) => self.freed(at, &event),
            MarketEvent::Refunded(event) => self.refunded(at, &event),
            event => {
                if let MarketEvent::AuditOpened(event) = &event {
                    self.set(event.first, at, State::Audited(event.jury));
                }
                let leases = &self.leases;
                let point_of = |first| leases.get(&first).map_or(0, |lease| lease.point);
                self.seats.apply(at, &event, point_of);
                // What a jury's seats do is news of the lease.
                if let Some(lease) = event.first().and_then(|first| self.leases.get_mut(&first)) {
                    lease.block = at.block.number;
                }
            }
        }
    }

    fn claimed(&mut self, at: &StoredEvent, event: &IMarket::Claimed) {
        let time = at.block.time;
        let before = self.leases.get(&event.first);
        let origin = match before.filter(|lease| lease.state == State::Freed) {
            Some(lease) => lease.origin_at(lease.at, time),
            None => time,
        };
        let lease = LeaseView {
            provider: event.provider,
            round: event.round,
            count: event.count,
            claim_tx: at.tx,
            state: State::Running,
            at: time,
            submitted_at: 0,
            submitted_block: 0,
            origin,
            point: 0,
            result: None,
            block: at.block.number,
        };
        self.leases.insert(event.first, lease);
        self.open.insert(event.first);
        self.next = self.next.max(event.first.saturating_add(event.count));
    }

    fn freed(&mut self, at: &StoredEvent, event: &IMarket::Freed) {
        let run_window = self.run_window;
        let Some(lease) = self.leases.get_mut(&event.first) else {
            return;
        };
        let place = (event.first, lease.round);
        self.burned.insert(place, event.burned);
        // A late lease is free since its deadline, whenever that is said.
        lease.at = match event.reason {
            IMarket::Reason::Late => lease.at.saturating_add(run_window),
            _ => at.block.time,
        };
        lease.state = State::Freed;
        lease.block = at.block.number;
        self.open.insert(event.first);
    }

    fn refunded(&mut self, at: &StoredEvent, event: &IMarket::Refunded) {
        if self.seats.is_redundant() {
            // The leases that have not opened have no seats, and never open.
            match event.first < self.seats.next {
                true => self.seats.end_round(event.first, at, Over::Refunded),
                false => self.seats.end_tail(),
            }
            return;
        }
        match self.leases.contains_key(&event.first) {
            true => self.set(event.first, at, State::Refunded),
            false => self.next = self.next.max(event.first.saturating_add(event.count)),
        }
    }

    fn set(&mut self, first: u32, at: &StoredEvent, state: State) {
        if let Some(lease) = self.leases.get_mut(&first) {
            lease.state = state;
            lease.at = at.block.time;
            lease.block = at.block.number;
            match state {
                State::Running | State::Freed => self.open.insert(first),
                _ => self.open.remove(&first),
            };
        }
    }

    /// Leases that `provider` could take over, now or one day: whoever left one last is barred from it. With each
    /// the time since which it is, or will be, free: a taker ends a round that is late.
    pub fn free_for(&self, provider: Address) -> impl Iterator<Item = (u32, &LeaseView, u64)> {
        self.open.iter().filter_map(move |first| {
            let lease = self.leases.get(first)?;
            let since = match lease.state {
                State::Freed => lease.at,
                State::Running => lease.at.saturating_add(self.run_window),
                _ => return None,
            };
            (lease.provider != provider).then_some((*first, lease, since))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use alloy_primitives::IntoLogData as _;

    use super::*;
    use crate::view::Block;

    fn stored(time: u64, event: MarketEvent) -> StoredEvent {
        StoredEvent {
            block: Block {
                number: time,
                hash: B256::ZERO,
                time,
            },
            log_index: 0,
            tx: B256::ZERO,
            job: B256::ZERO,
            log: event.to_log_data(),
        }
    }

    fn posted() -> MarketEvent {
        let mut event = IMarket::Posted::default();
        (event.job.assurance.replicas, event.job.assurance.quorum) = (1, 1);
        (event.job.terms.tasks, event.job.timing.runWindow) = (8, 600);
        MarketEvent::Posted(event)
    }

    fn claimed(provider: u8, round: u16) -> MarketEvent {
        MarketEvent::Claimed(IMarket::Claimed {
            provider: Address::repeat_byte(provider),
            count: 4,
            round,
            ..Default::default()
        })
    }

    fn freed(reason: IMarket::Reason) -> MarketEvent {
        MarketEvent::Freed(IMarket::Freed {
            jobId: B256::ZERO,
            first: 0,
            provider: Address::ZERO,
            round: 2,
            reason,
            burned: 0,
        })
    }

    #[test]
    fn the_ramp_stands_still_while_a_lease_is_held() {
        let mut events = vec![
            stored(1_000, posted()),
            stored(1_100, claimed(1, 1)),
            // It was late at 1,700, and nobody said so before 2,000.
            stored(2_000, freed(IMarket::Reason::Late)),
            stored(2_000, claimed(2, 2)),
        ];
        let view = JobView::fold(&events);
        let lease = view.leases[&0];
        assert_eq!(
            (lease.origin, lease.state, view.next),
            (1_400, State::Running, 4)
        );
        let me = Address::repeat_byte(3);
        assert_eq!(view.free_for(me).next().unwrap().2, 2_600);
        assert!(view.free_for(Address::repeat_byte(2)).next().is_none());
        events.push(stored(2_050, freed(IMarket::Reason::Left)));
        let view = JobView::fold(&events);
        let (_, lease, since) = view.free_for(me).next().unwrap();
        assert_eq!((since, lease.origin_at(since, 2_080)), (2_050, 1_430));
    }

    #[test]
    fn a_result_waits_for_chance_a_jury_and_a_second_one() {
        let submitted = IMarket::Submitted {
            round: 1,
            root: B256::repeat_byte(1),
            point: 7,
            ..Default::default()
        };
        let audit = |jury| {
            MarketEvent::AuditOpened(IMarket::AuditOpened {
                round: 1,
                jury,
                ..Default::default()
            })
        };
        let mut events = vec![
            stored(1_000, posted()),
            stored(1_100, claimed(1, 1)),
            stored(1_200, MarketEvent::Submitted(submitted)),
        ];
        let state = |events: &[StoredEvent]| {
            let lease = JobView::fold(events).leases[&0];
            (lease.state, lease.point, lease.submitted_at)
        };
        assert_eq!(state(&events), (State::Submitted, 7, 1_200));
        events.push(stored(1_300, audit(1)));
        assert_eq!(state(&events), (State::Audited(1), 7, 1_200));
        let again = IMarket::PointSet {
            point: 9,
            ..Default::default()
        };
        events.push(stored(1_400, MarketEvent::PointSet(again)));
        assert_eq!(state(&events), (State::Undecided, 9, 1_200));
        events.push(stored(1_500, audit(2)));
        let view = JobView::fold(&events);
        assert_eq!(view.leases[&0].state, State::Audited(2));
        let points = [1, 2].map(|jury| view.seats.jury((0, 1, jury)).unwrap().point);
        assert_eq!(points, [7, 9]);
        let void = IMarket::Voided::default();
        events.push(stored(1_600, MarketEvent::Voided(void)));
        assert_eq!(state(&events).0, State::Void);
    }
}
