//! What the market's events say of seats: of the rounds of redundant leases, and of juries.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use piecework::chain::IMarket;
use piecework::rules::{JURY, JURY_QUORUM, commit_by};

use super::{End, Mine, Round, Vote};
use crate::store::StoredEvent;

/// What a seat did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Join,
    Commit,
    Reveal(Vote),
}

/// One seat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeatView {
    pub(crate) provider: Address,
    /// The transaction that took it.
    pub(crate) tx: B256,
    /// What it locks.
    pub(crate) bond: u128,
    pub(crate) did: Did,
}

/// The seats of a round, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panel {
    pub(crate) seats: Vec<SeatView>,
    /// When the last of all seats committed.
    full_at: Option<u64>,
    revealed_at: u64,
    /// Seats that ended, by their provider's number.
    closed: BTreeMap<u32, End>,
    /// Block of its last event.
    block: u64,
}

impl Panel {
    pub(crate) fn seat_of(&self, provider: Address) -> Option<&SeatView> {
        self.seats.iter().find(|seat| seat.provider == provider)
    }

    /// Whether a jury has all its seats.
    pub(crate) fn is_full(&self) -> bool {
        self.seats.len() >= usize::from(JURY)
    }

    /// Seats with a commitment, revealed or not.
    pub(crate) fn commits(&self) -> u8 {
        let did = |seat: &&SeatView| seat.did != Did::Join;
        u8::try_from(self.seats.iter().filter(did).count()).unwrap_or(u8::MAX)
    }

    fn votes(&self) -> impl Iterator<Item = Vote> {
        self.seats.iter().filter_map(|seat| match seat.did {
            Did::Reveal(vote) => Some(vote),
            Did::Join | Did::Commit => None,
        })
    }

    /// The vote that the quorum revealed. Two results with one root are equal, whatever their manifests; two votes
    /// of jurors are not, unless both digests are.
    fn winner(&self, quorum: u8, equal: impl Fn(Vote, Vote) -> bool) -> Option<Vote> {
        self.votes().find(|vote| {
            let votes = self.votes().filter(|other| equal(*vote, *other)).count();
            votes >= usize::from(quorum.max(1))
        })
    }

    fn joined(&mut self, at: &StoredEvent, provider: Address, bond: u128) {
        self.block = at.block.number;
        self.seats.push(SeatView {
            provider,
            tx: at.tx,
            bond,
            did: Did::Join,
        });
    }

    /// A commitment on a seat that was reserved, or is taken with it.
    fn committed(&mut self, at: &StoredEvent, provider: Address, bond: u128, places: u8) {
        if self.seat_of(provider).is_none() {
            self.joined(at, provider, bond);
        }
        self.did(at, provider, Did::Commit);
        if self.commits() == places {
            self.full_at = Some(at.block.time);
        }
    }

    fn revealed(&mut self, at: &StoredEvent, provider: Address, vote: Vote) {
        self.did(at, provider, Did::Reveal(vote));
        self.revealed_at = at.block.time;
    }

    fn did(&mut self, at: &StoredEvent, provider: Address, did: Did) {
        self.block = at.block.number;
        let mut seats = self.seats.iter_mut();
        if let Some(seat) = seats.find(|seat| seat.provider == provider) {
            seat.did = did;
        }
    }

    fn close(&mut self, at: &StoredEvent, event: &IMarket::SeatClosed) {
        use IMarket::SeatEnd;
        let end = match event.end {
            SeatEnd::Paid => End::Paid,
            SeatEnd::Released => End::Released,
            _ => End::Lost,
        };
        self.block = at.block.number;
        self.closed.insert(event.number, end);
    }

    /// What it says of a provider's seat, and since which block.
    pub(crate) fn mine(&self, provider: Address, number: u32) -> (Mine, u64) {
        let mine = match (self.closed.get(&number), self.seat_of(provider)) {
            (_, None) => Mine::Absent,
            (Some(end), _) => Mine::Closed(*end),
            (None, Some(seat)) => match seat.did {
                Did::Join => Mine::Joined,
                Did::Commit => Mine::Committed,
                Did::Reveal(_) => Mine::Revealed,
            },
        };
        (mine, self.block)
    }

    fn round(&self, provider: Address, quorum: u8, awaits_answer: bool) -> Round {
        let rank = self.seats.iter().position(|seat| seat.provider == provider);
        Round {
            commit_by: 0,
            reveal_window: 0,
            quorum,
            commits: self.commits(),
            reveals: u8::try_from(self.votes().count()).unwrap_or(u8::MAX),
            full_at: self.full_at,
            awaits_answer,
            revealed_at: self.revealed_at,
            rank: rank.and_then(|rank| u8::try_from(rank).ok()).unwrap_or(0),
            our_turn: (self.seats.iter())
                .take_while(|seat| seat.provider != provider)
                .all(|seat| seat.did != Did::Commit),
        }
    }
}

/// How a round of a redundant lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// By a quorum.
    Settled,
    /// Without one, for good.
    Refunded,
    /// Too few committed: there may be another round.
    Freed,
}

/// A round of a redundant lease.
#[derive(Clone, Debug)]
pub(crate) struct RoundView {
    pub(crate) started: u64,
    pub(crate) panel: Panel,
    pub(crate) over: Option<Over>,
}

/// A challenge, and its jury.
#[derive(Clone, Debug)]
pub(crate) struct DisputeView {
    pub(crate) challenger: Address,
    /// The task whose output is contested.
    pub(crate) task: u32,
    pub(crate) opened: u64,
    /// The seed of its draw, and the key of its keyed digests.
    pub(crate) seed: Option<B256>,
    pub(crate) answered: bool,
    pub(crate) panel: Panel,
    /// Whether it ended with a verdict.
    pub(crate) judged: bool,
}

/// All seats of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeatViews {
    replicas: u8,
    quorum: u8,
    /// Whether the draws of a redundant job have their seed.
    pub(crate) sealed: Option<B256>,
    /// By first task and round.
    rounds: BTreeMap<(u32, u16), RoundView>,
    /// By first task, round and number of the challenge.
    disputes: BTreeMap<(u32, u16, u8), DisputeView>,
}

impl SeatViews {
    pub(crate) fn posted(&mut self, terms: &IMarket::Terms) {
        (self.replicas, self.quorum) = (terms.replicas, terms.quorum);
    }

    pub(crate) fn is_redundant(&self) -> bool {
        self.replicas > 1
    }

    /// The last round of a lease, if it ever had one.
    pub(crate) fn last_round(&self, first: u32) -> Option<(u16, &RoundView)> {
        let mut rounds = self.rounds.range((first, 0)..=(first, u16::MAX));
        rounds.next_back().map(|((_, round), view)| (*round, view))
    }

    fn last_round_mut(&mut self, first: u32) -> Option<&mut RoundView> {
        let mut rounds = self.rounds.range_mut((first, 0)..=(first, u16::MAX));
        rounds.next_back().map(|(_, view)| view)
    }

    fn last_dispute_mut(&mut self, first: u32) -> Option<&mut DisputeView> {
        let mut disputes = self
            .disputes
            .range_mut((first, 0, 0)..=(first, u16::MAX, u8::MAX));
        disputes.next_back().map(|(_, view)| view)
    }

    /// The dispute over a round of a lease with this number.
    pub(crate) fn dispute(&self, first: u32, round: u16, challenge: u8) -> Option<&DisputeView> {
        self.disputes.get(&(first, round, challenge))
    }

    /// Disputes that wait for a verdict: first task, round, number of the challenge.
    pub(crate) fn open_disputes(&self) -> impl Iterator<Item = ((u32, u16, u8), &DisputeView)> {
        let open = self.disputes.iter().filter(|(_, view)| !view.judged);
        open.map(|(key, view)| (*key, view))
    }

    /// All seats there ever were: of which round or jury, and the panel.
    pub(crate) fn panels(&self) -> impl Iterator<Item = ((u32, u16, u8), &Panel)> {
        let rounds = self.rounds.iter();
        let rounds = rounds.map(|((first, round), view)| ((*first, *round, 0), &view.panel));
        let disputes = self.disputes.iter().map(|(key, view)| (*key, &view.panel));
        rounds.chain(disputes)
    }

    /// What the chain says of the seats of a round, or of a jury, as `provider` sees it.
    pub(crate) fn round(
        &self,
        (first, round, challenge): (u32, u16, u8),
        provider: Address,
        run_window: u64,
        times: &IMarket::Times,
    ) -> Option<(&Panel, Round)> {
        let (panel, began, mut seen) = match challenge {
            0 => {
                let view = self.rounds.get(&(first, round))?;
                let seen = view.panel.round(provider, self.quorum, false);
                (&view.panel, view.started, seen)
            }
            _ => {
                let view = self.dispute(first, round, challenge)?;
                let seen = view.panel.round(provider, JURY_QUORUM, !view.answered);
                (&view.panel, view.opened, seen)
            }
        };
        seen.commit_by = commit_by(times, run_window, began);
        seen.reveal_window = times.revealWindow;
        Some((panel, seen))
    }

    /// What a settlement, or a verdict, must name: the quorum's vote, two zeros without one.
    pub(crate) fn verdict(&self, (first, round, challenge): (u32, u16, u8)) -> Vote {
        let winner = match challenge {
            0 => self.rounds.get(&(first, round)).and_then(|view| {
                let same_root = |a: Vote, b: Vote| a.value == b.value;
                view.panel.winner(self.quorum, same_root)
            }),
            _ => self
                .dispute(first, round, challenge)
                .and_then(|view| view.panel.winner(JURY_QUORUM, |a, b| a == b)),
        };
        winner.unwrap_or_default()
    }

    /// A lease of a redundant job was settled, refunded or freed.
    pub(crate) fn end_round(&mut self, first: u32, at: &StoredEvent, over: Over) {
        let began = RoundView {
            started: at.block.time,
            panel: Panel::default(),
            over: None,
        };
        // One that never had a round can be refunded too.
        if self.last_round(first).is_none() {
            self.rounds.insert((first, 0), began);
        }
        if let Some(view) = self.last_round_mut(first) {
            view.over = Some(over);
            view.panel.block = at.block.number;
        }
    }

    fn round_mut(&mut self, at: &StoredEvent, first: u32, round: u16) -> &mut Panel {
        let began = RoundView {
            started: at.block.time,
            panel: Panel::default(),
            over: None,
        };
        &mut self.rounds.entry((first, round)).or_insert(began).panel
    }

    /// An event about seats. `round_of` knows the round of an optimistic lease.
    pub(crate) fn apply(
        &mut self,
        at: &StoredEvent,
        event: &piecework::chain::MarketEvent,
        round_of: impl Fn(u32) -> u16,
    ) {
        use piecework::chain::MarketEvent as E;
        let places = self.replicas;
        match event {
            E::Sealed(event) => self.sealed = Some(event.seed),
            E::Joined(event) => {
                self.round_mut(at, event.first, event.round)
                    .joined(at, event.provider, event.bond)
            }
            E::Committed(event) => self.round_mut(at, event.first, event.round).committed(
                at,
                event.provider,
                event.bond,
                places,
            ),
            E::Revealed(event) => {
                let vote = Vote {
                    value: event.root,
                    proof: event.manifest,
                };
                if let Some(view) = self.last_round_mut(event.first) {
                    view.panel.revealed(at, event.provider, vote);
                }
            }
            E::SeatClosed(event) if event.challenge == 0 => {
                if let Some(view) = self.last_round_mut(event.first) {
                    view.panel.close(at, event);
                }
            }
            E::Challenged(event) => {
                let view = DisputeView {
                    challenger: event.challenger,
                    task: event.task,
                    opened: at.block.time,
                    seed: None,
                    answered: false,
                    panel: Panel::default(),
                    judged: false,
                };
                let key = (event.first, round_of(event.first), event.challenge);
                self.disputes.insert(key, view);
            }
            _ => self.apply_to_jury(at, event),
        }
    }

    fn apply_to_jury(&mut self, at: &StoredEvent, event: &piecework::chain::MarketEvent) {
        use piecework::chain::MarketEvent as E;
        let Some(view) = event.first().and_then(|first| self.last_dispute_mut(first)) else {
            return;
        };
        match event {
            E::JurySealed(event) => view.seed = Some(event.seed),
            E::JurorJoined(event) => view.panel.joined(at, event.provider, event.bond),
            E::VoteCommitted(event) => view.panel.committed(at, event.provider, event.bond, JURY),
            E::VoteRevealed(event) => {
                let vote = Vote {
                    value: event.digest,
                    proof: event.keyed,
                };
                view.panel.revealed(at, event.provider, vote);
            }
            E::AnswerRevealed(_) => {
                view.answered = true;
                view.panel.revealed_at = at.block.time;
                view.panel.block = at.block.number;
            }
            E::SeatClosed(event) => view.panel.close(at, event),
            E::Judged(_) => {
                view.judged = true;
                view.panel.block = at.block.number;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::primitives::LogData;
    use piecework::chain::MarketEvent as E;

    use super::*;
    use crate::store::Block;

    fn at(time: u64) -> StoredEvent {
        StoredEvent {
            block: Block {
                number: time,
                hash: B256::ZERO,
                time,
            },
            log_index: 0,
            tx: B256::ZERO,
            job: B256::ZERO,
            log: LogData::default(),
        }
    }

    fn who(tag: u8) -> Address {
        Address::repeat_byte(tag)
    }

    fn commit(views: &mut SeatViews, tag: u8, round: u16, time: u64) {
        let event = E::Committed(IMarket::Committed {
            provider: who(tag),
            round,
            bond: 5,
            ..Default::default()
        });
        views.apply(&at(time), &event, |_| 0);
    }

    fn reveal(views: &mut SeatViews, tag: u8, root: u8, manifest: u8, time: u64) {
        let event = E::Revealed(IMarket::Revealed {
            provider: who(tag),
            root: B256::repeat_byte(root),
            manifest: B256::repeat_byte(manifest),
            ..Default::default()
        });
        views.apply(&at(time), &event, |_| 0);
    }

    fn views() -> SeatViews {
        let mut views = SeatViews::default();
        views.posted(&IMarket::Terms {
            replicas: 3,
            quorum: 2,
            ..Default::default()
        });
        views
    }

    const TIMES: IMarket::Times = piecework::chain::deploy::TIMES;

    #[test]
    fn rounds_fill_reveal_in_order_and_count_equal_roots_whatever_their_manifests() {
        let mut views = views();
        for (tag, time) in [(1, 100), (2, 110), (3, 120)] {
            commit(&mut views, tag, 1, time);
        }
        let seen =
            |views: &SeatViews, tag| views.round((0, 1, 0), who(tag), 600, &TIMES).unwrap().1;
        let second = seen(&views, 2);
        assert_eq!((second.commit_by, second.full_at), (760, Some(120)));
        assert_eq!((second.rank, second.our_turn), (1, false));
        reveal(&mut views, 1, 7, 1, 130);
        assert!(seen(&views, 2).our_turn && !seen(&views, 3).our_turn);
        assert_eq!(views.verdict((0, 1, 0)), Vote::default());
        reveal(&mut views, 3, 8, 1, 131);
        assert_eq!(views.verdict((0, 1, 0)), Vote::default());
        reveal(&mut views, 2, 7, 2, 132);
        assert_eq!(views.verdict((0, 1, 0)).value, B256::repeat_byte(7));
        assert!(!seen(&views, 2).lacks_one_reveal());
        assert_eq!(
            seen(&views, 2).stage(133),
            crate::seat::Stage::Due { since: 132 }
        );
    }

    #[test]
    fn a_lease_that_is_freed_has_another_round_and_each_its_own_seats() {
        let mut views = views();
        commit(&mut views, 1, 1, 100);
        views.end_round(0, &at(900), Over::Freed);
        commit(&mut views, 2, 2, 950);
        let (round, last) = views.last_round(0).unwrap();
        assert_eq!((round, last.started, last.over), (2, 950, None));
        assert!(last.panel.seat_of(who(1)).is_none());
        let mine = |views: &SeatViews, round| {
            let place = (0, round, 0);
            let (panel, _) = views.round(place, who(1), 600, &TIMES).unwrap();
            panel.mine(who(1), 4).0
        };
        assert_eq!(
            (mine(&views, 1), mine(&views, 2)),
            (Mine::Committed, Mine::Absent)
        );
        // A lease that never had a round can be refunded.
        views.end_round(8, &at(999), Over::Refunded);
        assert_eq!(views.last_round(8).unwrap().1.over, Some(Over::Refunded));
    }

    #[test]
    fn two_jurors_agree_only_in_both_digests() {
        let mut views = SeatViews::default();
        let vote = |views: &mut SeatViews, tag: u8, keyed: u8| {
            let provider = who(tag);
            let commit = E::VoteCommitted(IMarket::VoteCommitted {
                provider,
                challenge: 1,
                ..Default::default()
            });
            let reveal = E::VoteRevealed(IMarket::VoteRevealed {
                provider,
                digest: B256::repeat_byte(1),
                keyed: B256::repeat_byte(keyed),
                ..Default::default()
            });
            views.apply(&at(10), &commit, |_| 4);
            views.apply(&at(20), &reveal, |_| 4);
        };
        let opened = E::Challenged(IMarket::Challenged {
            challenge: 1,
            ..Default::default()
        });
        views.apply(&at(5), &opened, |_| 4);
        vote(&mut views, 1, 1);
        vote(&mut views, 2, 2);
        assert_eq!(views.verdict((0, 4, 1)), Vote::default());
        vote(&mut views, 3, 2);
        assert_eq!(views.verdict((0, 4, 1)).proof, B256::repeat_byte(2));
        assert_eq!(views.open_disputes().count(), 1);
        let judged = E::Judged(IMarket::Judged {
            jobId: B256::ZERO,
            first: 0,
            challenge: 1,
            verdict: IMarket::Verdict::ProviderRight,
            digest: B256::repeat_byte(1),
            reward: 0,
            returned: 0,
            burned: 30,
        });
        views.apply(&at(30), &judged, |_| 4);
        assert_eq!(views.open_disputes().count(), 0);
    }
}
