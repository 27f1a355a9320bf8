//! What the market's events say of seats: of the rounds of redundant leases, and of juries.

mod round;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::StoredEvent;
use crate::chain::{IMarket, MarketEvent};
use crate::rules::{JURY, JURY_QUORUM};
use alloy_primitives::{Address, B256};
pub use round::{End, Key, Mine, Round, Stage, Vote};

/// One seat that is taken.
#[derive(Clone, Copy, Debug)]
pub struct SeatView {
    /// Who took it.
    pub provider: Address,
    /// The transaction that took it.
    pub tx: B256,
    /// When it was taken.
    taken_at: u64,
    /// What it committed to, if it did.
    pub commitment: Option<B256>,
}

/// The seats of a round or of a jury, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// The seats that are taken now.
    pub seats: Vec<SeatView>,
    /// Providers that left their seat and did not come back, and what that burned of their bonds.
    left: BTreeMap<Address, u128>,
    /// Providers that committed, in that order.
    committed: Vec<Address>,
    /// When the last of all seats committed.
    full_at: Option<u64>,
    /// What was opened, by the number of the seat's provider.
    pub opened: BTreeMap<u32, Vote>,
    opened_at: u64,
    /// Seats that ended, and what they lost of their bonds, by the number of their provider.
    closed: BTreeMap<u32, (End, u128)>,
    /// Block of its last event.
    block: u64,
}

impl Panel {
    /// A provider's seat, if it has one.
    pub fn seat_of(&self, provider: Address) -> Option<&SeatView> {
        self.seats.iter().find(|seat| seat.provider == provider)
    }

    /// Whether all of so many seats are taken.
    pub fn is_full(&self, places: u8) -> bool {
        self.seats.len() >= usize::from(places)
    }

    /// Seats with a commitment, opened or not.
    pub fn commits(&self) -> u8 {
        u8::try_from(self.committed.len()).unwrap_or(u8::MAX)
    }

    /// What at least `quorum` of the opened votes and of `more` agree on. Abstentions agree with nobody.
    pub fn winner(
        &self,
        quorum: u8,
        more: Option<Vote>,
        equal: impl Fn(Vote, Vote) -> bool,
    ) -> Option<Vote> {
        let votes: Vec<Vote> = self.opened.values().copied().chain(more).collect();
        votes.iter().copied().find(|vote| {
            let agree = votes.iter().filter(|other| equal(*vote, **other)).count();
            !vote.value.is_zero() && agree >= usize::from(quorum.max(1))
        })
    }

    fn joined(&mut self, at: &StoredEvent, provider: Address) {
        self.block = at.block.number;
        if self.seat_of(provider).is_some() {
            return;
        }
        self.left.remove(&provider);
        self.seats.push(SeatView {
            provider,
            tx: at.tx,
            taken_at: at.block.time,
            commitment: None,
        });
    }

    /// A commitment on a seat that was reserved, or is taken with it.
    fn committed(&mut self, at: &StoredEvent, provider: Address, commitment: B256, places: u8) {
        self.joined(at, provider);
        let mut seats = self.seats.iter_mut();
        let Some(seat) = seats.find(|seat| seat.provider == provider) else {
            return;
        };
        if seat.commitment.replace(commitment).is_none() {
            // Another machine of the provider may have reserved the seat. Whoever committed can open.
            seat.tx = at.tx;
            self.committed.push(provider);
        }
        if self.commits() == places {
            self.full_at = Some(at.block.time);
        }
    }

    fn left(&mut self, at: &StoredEvent, provider: Address, burned: u128) {
        self.block = at.block.number;
        self.seats.retain(|seat| seat.provider != provider);
        self.committed.retain(|other| *other != provider);
        self.left.insert(provider, burned);
    }

    fn open(&mut self, at: &StoredEvent, number: u32, vote: Vote) {
        self.block = at.block.number;
        self.opened_at = at.block.time;
        self.opened.insert(number, vote);
    }

    fn close(&mut self, at: &StoredEvent, number: u32, end: IMarket::SeatEnd, burned: u128) {
        use IMarket::SeatEnd;
        let end = match end {
            SeatEnd::Paid => End::Paid,
            SeatEnd::Released => End::Released,
            _ => End::Lost,
        };
        self.block = at.block.number;
        self.closed.insert(number, (end, burned));
    }

    /// What a provider's seat lost of its bond, once that ended.
    pub fn burned(&self, provider: Address, number: u32) -> Option<u128> {
        match self.seat_of(provider) {
            Some(_) => self.closed.get(&number).map(|(_, burned)| *burned),
            None => self.left.get(&provider).copied(),
        }
    }

    /// What it says of a provider's seat, and since which block.
    pub fn mine(&self, provider: Address, number: u32) -> (Mine, u64) {
        let mine = match (self.closed.get(&number), self.seat_of(provider)) {
            (Some((end, _)), Some(_)) => Mine::Closed(*end),
            (None, Some(_)) if self.opened.contains_key(&number) => Mine::Opened,
            (None, Some(seat)) if seat.commitment.is_some() => Mine::Committed,
            (None, Some(_)) => Mine::Joined,
            (_, None) => match self.left.get(&provider) {
                // It may come back.
                Some(0) => Mine::Closed(End::Vanished),
                Some(_) => Mine::Closed(End::Lost),
                None => Mine::Absent,
            },
        };
        (mine, self.block)
    }

    /// What the seats say together, as `provider` sees it; what depends on their kind is added.
    fn round(&self, provider: Address, run_window: u64, quorum: u8, places: u8) -> Round {
        let mine = self.seat_of(provider);
        let rank = self.committed.iter().position(|other| *other == provider);
        Round {
            begun: true,
            closed: mine.is_none() && self.is_full(places),
            closes_at: u64::MAX,
            commit_by: 0,
            reveal_window: 0,
            quorum,
            commits: self.commits(),
            opened: u8::try_from(self.opened.len()).unwrap_or(u8::MAX),
            full_at: self.full_at,
            opened_at: self.opened_at,
            leave_at: mine.map_or(u64::MAX, |seat| seat.taken_at.saturating_add(run_window)),
            rank: rank.and_then(|rank| u8::try_from(rank).ok()).unwrap_or(0),
        }
    }
}

/// How a round of a redundant lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// By a quorum.
    Settled,
    /// All opened, and no quorum agreed; for good.
    Void,
    /// Given up, for good.
    Refunded,
    /// Too few committed or opened: there may be another round.
    Freed,
}

/// A round of a redundant lease.
#[derive(Clone, Debug, Default)]
pub struct RoundView {
    /// When its Q-th seat was taken.
    pub began: Option<u64>,
    /// Its seats.
    pub panel: Panel,
    /// How it ended, if it did.
    pub over: Option<Over>,
}

/// A jury.
#[derive(Clone, Debug)]
pub struct JuryView {
    /// The task that it runs again.
    pub task: u32,
    /// The point that draws it, whose seed is the key of its keyed digests.
    pub point: u64,
    /// Last second of joining and committing.
    pub commit_by: u64,
    /// Its seats.
    pub panel: Panel,
    /// Last second to bring the accused's leaf, once it was missed.
    pub leaf_by: Option<u64>,
    /// Whether it was judged.
    pub judged: bool,
}

/// First task of a lease, its round, and the kind of the seats.
pub type Place = (u32, u16, u8);

/// All seats of a job.
#[derive(Clone, Debug, Default)]
pub struct SeatViews {
    /// Seats of a lease; one if the job is not redundant.
    pub replicas: u8,
    /// Results that have to agree.
    pub quorum: u8,
    max_lease: u32,
    tasks: u32,
    run_window: u64,
    closes_at: u64,
    /// The point of the job's draws.
    posted_point: u64,
    /// Points of later draws, by the lease's first task.
    points: BTreeMap<u32, u64>,
    /// First task of the first redundant lease that has not opened.
    pub next: u32,
    /// First tasks of redundant leases that opened and have not ended for good.
    pub unsettled: BTreeSet<u32>,
    /// By first task and round.
    rounds: BTreeMap<(u32, u16), RoundView>,
    juries: BTreeMap<Place, JuryView>,
}

impl SeatViews {
    /// The job was posted.
    pub fn posted(&mut self, event: &IMarket::Posted) {
        let (terms, assurance) = (&event.job.terms, &event.job.assurance);
        (self.replicas, self.quorum) = (assurance.replicas, assurance.quorum);
        (self.max_lease, self.tasks) = (terms.maxLease, terms.tasks);
        self.run_window = event.job.timing.runWindow;
        self.closes_at = event.job.timing.closesAt;
        self.posted_point = event.point;
        if self.is_redundant() {
            self.next = terms.maxLease.min(terms.tasks);
            self.unsettled.insert(0);
        }
    }

    /// Whether several providers run each lease.
    pub fn is_redundant(&self) -> bool {
        self.replicas > 1
    }

    /// The point that draws the next round of a redundant lease, or the present one; 0 if there is none.
    pub fn point_of(&self, first: u32) -> u64 {
        let point = self.points.get(&first);
        point.copied().unwrap_or(self.posted_point)
    }

    /// The last round of a lease, if it ever had one.
    pub fn last_round(&self, first: u32) -> Option<(u16, &RoundView)> {
        let mut rounds = self.rounds.range((first, 0)..=(first, u16::MAX));
        rounds.next_back().map(|((_, round), view)| (*round, view))
    }

    /// A jury of a lease's round.
    pub fn jury(&self, place: Place) -> Option<&JuryView> {
        self.juries.get(&place)
    }

    /// The seats of leases whose first tasks are in a range: of which round or jury, and the panel.
    pub fn panels_of(&self, firsts: RangeInclusive<u32>) -> impl Iterator<Item = (Place, &Panel)> {
        let (from, to) = firsts.into_inner();
        let rounds = self.rounds.range((from, 0)..=(to, u16::MAX));
        let rounds = rounds.map(|((first, round), view)| ((*first, *round, 0), &view.panel));
        let juries = self
            .juries
            .range((from, 0, 0)..=(to, u16::MAX, u8::MAX))
            .map(|(key, view)| (*key, &view.panel));
        rounds.chain(juries)
    }

    /// All seats there ever were: of which round or jury, and the panel.
    pub fn panels(&self) -> impl Iterator<Item = (Place, &Panel)> {
        let rounds = self.rounds.iter();
        let rounds = rounds.map(|((first, round), view)| ((*first, *round, 0), &view.panel));
        let juries = self.juries.iter().map(|(key, view)| (*key, &view.panel));
        rounds.chain(juries)
    }

    /// The seats of a round, or of a jury.
    pub fn panel(&self, place: Place) -> Option<&Panel> {
        match place {
            (first, round, 0) => self.rounds.get(&(first, round)).map(|view| &view.panel),
            _ => self.juries.get(&place).map(|view| &view.panel),
        }
    }

    /// What the chain says of the seats of a round, or of a jury, as `provider` sees it.
    pub fn round(
        &self,
        place: Place,
        provider: Address,
        times: &IMarket::Times,
    ) -> Option<(&Panel, Round)> {
        let (panel, mut seen) = match place {
            (first, round, 0) => {
                let view = self.rounds.get(&(first, round))?;
                let panel = &view.panel;
                let mut seen = panel.round(provider, self.run_window, self.quorum, self.replicas);
                seen.begun = view.began.is_some();
                seen.closed |= view.over.is_some();
                seen.closes_at = self.closes_at;
                seen.commit_by = match view.began {
                    Some(began) => began.saturating_add(self.run_window),
                    None => self.closes_at,
                };
                (panel, seen)
            }
            _ => {
                let view = self.juries.get(&place)?;
                let panel = &view.panel;
                let mut seen = panel.round(provider, self.run_window, JURY_QUORUM, JURY);
                seen.closed |= view.judged;
                seen.commit_by = view.commit_by;
                (panel, seen)
            }
        };
        seen.reveal_window = times.revealWindow;
        Some((panel, seen))
    }

    /// What the majority of the opened votes and of `more` agrees on. Two results with one root are equal, whatever
    /// their digest lists; two votes of jurors are not, unless both digests are.
    pub fn winner(&self, place: Place, more: Option<Vote>) -> Option<Vote> {
        let panel = self.panel(place)?;
        match place.2 {
            0 => panel.winner(self.quorum, more, |a, b| a.value == b.value),
            _ => panel.winner(JURY_QUORUM, more, |a, b| a == b),
        }
    }

    /// A lease of a redundant job was settled, voided, refunded or freed.
    pub fn end_round(&mut self, first: u32, at: &StoredEvent, over: Over) {
        let last = self
            .last_round(first)
            .map_or((1, None), |(round, view)| (round, view.over));
        let round = match last {
            // A lease that is free may be refunded before its next round has a seat.
            (round, Some(Over::Freed)) => round.saturating_add(1),
            (round, _) => round,
        };
        if over != Over::Freed {
            self.unsettled.remove(&first);
        }
        let view = self.rounds.entry((first, round)).or_default();
        view.over = Some(over);
        view.panel.block = at.block.number;
    }

    /// The leases that have not opened were given up.
    pub fn end_tail(&mut self) {
        self.tasks = self.next;
    }

    /// The next draw of a lease has another point.
    pub fn point_set(&mut self, first: u32, point: u64) {
        self.points.insert(first, point);
    }

    /// The lease's Q-th seat begins its round. The next lease opens when this one first begins.
    fn begin_if_full(&mut self, at: &StoredEvent, first: u32, round: u16) {
        let quorum = usize::from(self.quorum);
        let Some(view) = self.rounds.get_mut(&(first, round)) else {
            return;
        };
        if view.began.is_some() || view.panel.seats.len() < quorum {
            return;
        }
        view.began = Some(at.block.time);
        if round == 1 {
            let left = self.tasks.saturating_sub(self.next);
            if left > 0 {
                self.unsettled.insert(self.next);
            }
            self.next = self.next.saturating_add(self.max_lease.min(left));
        }
    }

    /// An event about seats. `point_of` knows the point of an ordinary lease.
    pub fn apply(&mut self, at: &StoredEvent, event: &MarketEvent, point_of: impl Fn(u32) -> u64) {
        use MarketEvent as E;
        let places = self.replicas;
        match event {
            E::Joined(event) => {
                let view = self.rounds.entry((event.first, event.round)).or_default();
                view.panel.joined(at, event.provider);
                self.begin_if_full(at, event.first, event.round);
            }
            E::Committed(event) => {
                let view = self.rounds.entry((event.first, event.round)).or_default();
                view.panel
                    .committed(at, event.provider, event.commitment, places);
                self.begin_if_full(at, event.first, event.round);
            }
            E::SeatLeft(event) => {
                if let Some(view) = self.rounds.get_mut(&(event.first, event.round)) {
                    view.panel.left(at, event.provider, event.burned);
                }
            }
            E::Opened(event) => {
                let vote = Vote {
                    value: event.value,
                    proof: event.proof,
                };
                if let Some(panel) = self.panel_mut((event.first, event.round, event.kind)) {
                    panel.open(at, event.number, vote);
                }
            }
            E::SeatClosed(event) => {
                if let Some(panel) = self.panel_mut((event.first, event.round, event.kind)) {
                    panel.close(at, event.number, event.end, event.burned);
                }
            }
            E::AuditOpened(event) => {
                let view = JuryView {
                    task: event.task,
                    point: point_of(event.first),
                    commit_by: event.commitBy,
                    panel: Panel::default(),
                    leaf_by: None,
                    judged: false,
                };
                let place = (event.first, event.round, event.jury);
                self.juries.insert(place, view);
            }
            E::JurorJoined(event) => {
                if let Some(panel) = self.panel_mut((event.first, event.round, event.jury)) {
                    panel.joined(at, event.provider);
                }
            }
            E::VoteCommitted(event) => {
                if let Some(panel) = self.panel_mut((event.first, event.round, event.jury)) {
                    panel.committed(at, event.provider, event.commitment, JURY);
                }
            }
            E::LeafMissed(event) => {
                if let Some(view) = self.last_jury_mut(event.first, event.jury) {
                    view.leaf_by = Some(event.leafBy);
                    view.panel.block = at.block.number;
                }
            }
            E::Judged(event) => {
                if let Some(view) = self.last_jury_mut(event.first, event.jury) {
                    view.judged = true;
                    view.panel.block = at.block.number;
                }
            }
            _ => {}
        }
    }

    fn panel_mut(&mut self, place: Place) -> Option<&mut Panel> {
        match place {
            (first, round, 0) => {
                let view = self.rounds.get_mut(&(first, round));
                view.map(|view| &mut view.panel)
            }
            _ => self.juries.get_mut(&place).map(|view| &mut view.panel),
        }
    }

    /// The jury of this number in the last round that had one.
    fn last_jury_mut(&mut self, first: u32, jury: u8) -> Option<&mut JuryView> {
        let of_lease = self
            .juries
            .range_mut((first, 0, 0)..=(first, u16::MAX, u8::MAX));
        let mut of_number = of_lease.rev().filter(|((.., number), _)| *number == jury);
        of_number.next().map(|(_, view)| view)
    }
}

#[cfg(test)]
mod tests;
