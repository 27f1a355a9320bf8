#![allow(clippy::unwrap_used)]
use alloy_primitives::LogData;

use super::*;
use crate::rules::TIMES;
use crate::view::Block;

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

fn say(views: &mut SeatViews, time: u64, event: impl Into<MarketEvent>) {
    views.apply(&at(time), &event.into(), |_| 77);
}

fn join(views: &mut SeatViews, tag: u8, first: u32, round: u16, time: u64) {
    let provider = who(tag);
    let joined = IMarket::Joined {
        provider,
        first,
        round,
        ..Default::default()
    };
    say(views, time, MarketEvent::Joined(joined));
}

fn commit(views: &mut SeatViews, tag: u8, round: u16, time: u64) {
    let provider = who(tag);
    let committed = IMarket::Committed {
        provider,
        round,
        ..Default::default()
    };
    say(views, time, MarketEvent::Committed(committed));
}

/// Of the provider with this number.
fn open(views: &mut SeatViews, number: u32, root: u8, list: u8, time: u64) {
    let opened = IMarket::Opened {
        number,
        round: 1,
        value: B256::repeat_byte(root),
        proof: B256::repeat_byte(list),
        ..Default::default()
    };
    say(views, time, MarketEvent::Opened(opened));
}

/// Ten tasks in leases of four, three seats, two of which decide, ten minutes to run.
fn views() -> SeatViews {
    let mut views = SeatViews::default();
    let mut event = IMarket::Posted {
        point: 9,
        ..Default::default()
    };
    (event.job.assurance.replicas, event.job.assurance.quorum) = (3, 2);
    (event.job.terms.tasks, event.job.terms.maxLease) = (10, 4);
    (event.job.timing.runWindow, event.job.timing.closesAt) = (600, 10_000);
    views.posted(&event);
    views
}

fn seen(views: &SeatViews, tag: u8) -> Round {
    views.round((0, 1, 0), who(tag), &TIMES).unwrap().1
}

#[test]
fn a_round_begins_with_its_quorums_seat_and_opens_the_next_lease_once() {
    let mut views = views();
    assert_eq!((views.next, views.point_of(0)), (4, 9));
    join(&mut views, 1, 0, 1, 100);
    assert!(!seen(&views, 1).begun);
    // A seat that is left before costs nothing, and the one that stays goes on waiting.
    let left = IMarket::SeatLeft {
        provider: who(1),
        round: 1,
        ..Default::default()
    };
    say(&mut views, 110, MarketEvent::SeatLeft(left));
    join(&mut views, 2, 0, 1, 120);
    assert!(!seen(&views, 2).begun);
    let (panel, _) = views.round((0, 1, 0), who(1), &TIMES).unwrap();
    assert_eq!(panel.mine(who(1), 4).0, Mine::Closed(End::Vanished));
    commit(&mut views, 3, 1, 130);
    let begun = seen(&views, 2);
    assert_eq!(
        (begun.begun, begun.commit_by, begun.commits),
        (true, 730, 1)
    );
    assert_eq!(views.next, 8);
    join(&mut views, 4, 0, 1, 140);
    assert_eq!(views.next, 8);
    // Whoever comes now finds no seat.
    assert!(seen(&views, 1).closed && !seen(&views, 4).closed);
    // The last lease is what is left.
    join(&mut views, 1, 4, 1, 150);
    join(&mut views, 2, 4, 1, 151);
    assert_eq!(views.next, 10);
    join(&mut views, 1, 8, 1, 152);
    join(&mut views, 2, 8, 1, 153);
    assert_eq!(views.next, 10);
}

#[test]
fn rounds_fill_open_in_order_and_count_equal_roots_whatever_their_lists() {
    let mut views = views();
    for (tag, time) in [(1, 100), (2, 110), (3, 120)] {
        commit(&mut views, tag, 1, time);
    }
    let second = seen(&views, 2);
    assert_eq!((second.commit_by, second.full_at), (710, Some(120)));
    assert_eq!((second.rank, second.opened), (1, 0));
    open(&mut views, 7, 7, 1, 130);
    assert!(seen(&views, 2).is_our_turn() && !seen(&views, 3).is_our_turn());
    assert_eq!(views.winner((0, 1, 0), None), None);
    open(&mut views, 9, 8, 1, 131);
    assert_eq!(views.winner((0, 1, 0), None), None);
    let more = Vote {
        value: B256::repeat_byte(7),
        proof: B256::ZERO,
    };
    assert_eq!(
        views.winner((0, 1, 0), Some(more)).unwrap().value,
        more.value
    );
    open(&mut views, 8, 7, 2, 132);
    assert_eq!(views.winner((0, 1, 0), None).unwrap().value, more.value);
    let since = 132;
    assert_eq!(seen(&views, 2).stage(133), Stage::Due { since });
    let (panel, _) = views.round((0, 1, 0), who(2), &TIMES).unwrap();
    assert_eq!(panel.mine(who(2), 8).0, Mine::Opened);
    assert_eq!(panel.mine(who(2), 11).0, Mine::Committed);
}

#[test]
fn a_lease_that_is_freed_has_another_round_and_each_its_own_seats_and_point() {
    let mut views = views();
    commit(&mut views, 1, 1, 100);
    commit(&mut views, 3, 1, 100);
    views.end_round(0, &at(900), Over::Freed);
    views.point_set(0, 55);
    assert_eq!((views.point_of(0), views.point_of(4)), (55, 9));
    commit(&mut views, 2, 2, 950);
    let (round, last) = views.last_round(0).unwrap();
    assert_eq!((round, last.began, last.over), (2, None, None));
    assert!(last.panel.seat_of(who(1)).is_none());
    let mine = |views: &SeatViews, round| {
        let (panel, _) = views.round((0, round, 0), who(1), &TIMES).unwrap();
        panel.mine(who(1), 4).0
    };
    assert_eq!(
        (mine(&views, 1), mine(&views, 2)),
        (Mine::Committed, Mine::Absent)
    );
    // A lease that never had a round can be refunded, and one that waits for its next round.
    views.end_round(8, &at(999), Over::Refunded);
    assert_eq!(views.last_round(8).unwrap().1.over, Some(Over::Refunded));
    views.end_round(0, &at(999), Over::Refunded);
    assert_eq!(views.last_round(0).unwrap().0, 2);
    assert!(views.round((0, 2, 0), who(2), &TIMES).unwrap().1.closed);
}

#[test]
fn two_jurors_agree_only_in_both_digests_and_abstentions_with_nobody() {
    let mut views = SeatViews::default();
    let audit = |jury| IMarket::AuditOpened {
        round: 4,
        jury,
        task: 5,
        commitBy: 500,
        ..Default::default()
    };
    say(&mut views, 5, MarketEvent::AuditOpened(audit(1)));
    let vote = |views: &mut SeatViews, number: u32, digest: u8, keyed: u8| {
        let committed = IMarket::VoteCommitted {
            provider: who(u8::try_from(number).unwrap()),
            round: 4,
            jury: 1,
            ..Default::default()
        };
        let opened = IMarket::Opened {
            number,
            round: 4,
            kind: 1,
            value: B256::repeat_byte(digest),
            proof: B256::repeat_byte(keyed),
            ..Default::default()
        };
        say(views, 10, MarketEvent::VoteCommitted(committed));
        say(views, 20, MarketEvent::Opened(opened));
    };
    let place = (0, 4, 1);
    vote(&mut views, 1, 1, 1);
    vote(&mut views, 2, 1, 2);
    assert_eq!(views.winner(place, None), None);
    vote(&mut views, 3, 1, 2);
    assert_eq!(
        views.winner(place, None).unwrap().proof,
        B256::repeat_byte(2)
    );
    let jury = views.jury(place).unwrap();
    assert_eq!((jury.task, jury.point, jury.judged), (5, 77, false));
    let missed = IMarket::LeafMissed {
        jury: 1,
        leafBy: 90,
        ..Default::default()
    };
    say(&mut views, 30, MarketEvent::LeafMissed(missed));
    assert_eq!(views.jury(place).unwrap().leaf_by, Some(90));
    let judged = IMarket::Judged {
        jobId: B256::ZERO,
        first: 0,
        jury: 1,
        verdict: IMarket::Verdict::NoVerdict,
        task: 5,
        digest: B256::ZERO,
        leaf: B256::ZERO,
    };
    say(&mut views, 40, MarketEvent::Judged(judged));
    assert!(views.jury(place).unwrap().judged);
    // The second jury has seats of its own.
    say(&mut views, 50, MarketEvent::AuditOpened(audit(2)));
    assert_eq!(views.panel((0, 4, 2)).unwrap().commits(), 0);
    assert_eq!(views.winner((0, 4, 2), Some(Vote::default())), None);
}

#[test]
fn a_seat_is_of_the_transaction_that_committed() {
    let mut views = views();
    join(&mut views, 1, 0, 1, 100);
    let tx = |views: &SeatViews| {
        let panel = views.panel((0, 1, 0)).unwrap();
        panel.seat_of(who(1)).unwrap().tx
    };
    assert_eq!(tx(&views), B256::ZERO);
    // Another machine of the provider commits: only that one can open.
    let committed = IMarket::Committed {
        provider: who(1),
        round: 1,
        commitment: B256::repeat_byte(5),
        ..Default::default()
    };
    let by_another = StoredEvent {
        tx: B256::repeat_byte(7),
        ..at(110)
    };
    views.apply(&by_another, &MarketEvent::Committed(committed), |_| 77);
    assert_eq!(tx(&views), B256::repeat_byte(7));
}
