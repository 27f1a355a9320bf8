//! Stories told by events.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use alloy::primitives::{B256, Bytes};

use super::*;
use crate::chain::IMarket::Reason;

const JOB: B256 = B256::repeat_byte(1);
const ALICE: Address = Address::repeat_byte(2);
const BOB: Address = Address::repeat_byte(3);
const CAROL: Address = Address::repeat_byte(4);
const DAVE: Address = Address::repeat_byte(5);

fn at(block: u64, event: MarketEvent) -> EventAt {
    let block_hash = B256::from(alloy::primitives::U256::from(block));
    EventAt {
        block,
        block_hash,
        log_index: 0,
        tx_hash: B256::ZERO,
        event,
    }
}

fn job(tasks: u32, replicas: u8, max_lease: u32) -> IMarket::Job {
    let mut job = IMarket::Job::default();
    (job.terms.client, job.terms.tasks) = (ALICE, tasks);
    (job.terms.minLease, job.terms.maxLease) = (max_lease, max_lease);
    (job.assurance.replicas, job.assurance.quorum) = (replicas, replicas / 2 + 1);
    (job.price.minPrice, job.price.maxPrice) = (7, 7);
    job
}

fn posted(job: &IMarket::Job, point: u64) -> MarketEvent {
    MarketEvent::Posted(IMarket::Posted {
        jobId: JOB,
        client: ALICE,
        job: job.clone(),
        feeBps: 0,
        point,
        spec: Bytes::new(),
    })
}

fn claimed(provider: Address, first: u32, count: u32, round: u16) -> MarketEvent {
    MarketEvent::Claimed(IMarket::Claimed {
        jobId: JOB,
        first,
        provider,
        count,
        round,
        price: 7,
    })
}

fn submitted(first: u32, provider: Address, root: B256) -> MarketEvent {
    MarketEvent::Submitted(IMarket::Submitted {
        jobId: JOB,
        first,
        provider,
        round: 1,
        root,
        digestList: B256::repeat_byte(8),
        point: 77,
    })
}

fn settled(first: u32, grade: Grade, paid: u128, fee: u128, refunded: u128) -> MarketEvent {
    MarketEvent::Settled(IMarket::Settled {
        jobId: JOB,
        first,
        grade,
        paid,
        fee,
        burned: 0,
        refunded,
    })
}

fn freed(provider: Address, first: u32, round: u16, reason: Reason) -> MarketEvent {
    MarketEvent::Freed(IMarket::Freed {
        jobId: JOB,
        first,
        provider,
        round,
        reason,
        burned: 1,
    })
}

fn refunded(first: u32, count: u32) -> MarketEvent {
    MarketEvent::Refunded(IMarket::Refunded {
        jobId: JOB,
        first,
        count,
        refunded: 10,
    })
}

fn joined(provider: Address, first: u32, round: u16) -> MarketEvent {
    MarketEvent::Joined(IMarket::Joined {
        jobId: JOB,
        first,
        provider,
        round,
    })
}

fn committed(provider: Address, first: u32, round: u16) -> MarketEvent {
    MarketEvent::Committed(IMarket::Committed {
        jobId: JOB,
        first,
        provider,
        round,
        commitment: B256::ZERO,
    })
}

fn opened(number: u32, first: u32, kind: u8, (value, proof): (u8, u8)) -> MarketEvent {
    MarketEvent::Opened(IMarket::Opened {
        jobId: JOB,
        first,
        number,
        round: 1,
        kind,
        value: B256::repeat_byte(value),
        proof: B256::repeat_byte(proof),
    })
}

fn seat_closed(number: u32, first: u32, kind: u8, end: SeatEnd) -> MarketEvent {
    let paid = if end == SeatEnd::Paid { 7 } else { 0 };
    MarketEvent::SeatClosed(IMarket::SeatClosed {
        jobId: JOB,
        first,
        number,
        round: 1,
        kind,
        end,
        paid,
        burned: 7 - paid,
    })
}

fn tally(waiting: u32, running: u32, submitted: u32, settled: u32, refunded: u32) -> Tally {
    Tally {
        waiting,
        running,
        submitted,
        settled,
        void: 0,
        refunded,
    }
}

#[test]
fn every_task_is_in_one_place_at_any_time() {
    let root = B256::repeat_byte(5);
    let story = [
        (claimed(ALICE, 0, 3, 1), tally(7, 3, 0, 0, 0)),
        (claimed(BOB, 3, 2, 1), tally(5, 5, 0, 0, 0)),
        (submitted(3, BOB, root), tally(5, 3, 2, 0, 0)),
        (freed(ALICE, 0, 2, Reason::Late), tally(8, 0, 2, 0, 0)),
        (claimed(BOB, 0, 3, 2), tally(5, 3, 2, 0, 0)),
        (submitted(0, BOB, root), tally(5, 0, 5, 0, 0)),
        (settled(0, Grade::Unaudited, 20, 1, 9), tally(5, 0, 2, 3, 0)),
        (refunded(5, 5), tally(0, 0, 2, 3, 5)),
    ];
    let mut view = JobView::new(&job(10, 1, 10));
    for (block, (event, expected)) in (1..).zip(story) {
        view.apply(&at(block, event));
        assert_eq!(view.tally(), expected, "after block {block}");
    }
    assert!(!view.is_over());
    let money = view.money();
    assert_eq!((money.paid, money.fee, money.refunded), (20, 1, 19));
    let taken_over = view.lease_of(2).unwrap();
    assert_eq!((taken_over.provider, taken_over.round), (BOB, 2));
    assert_eq!((taken_over.point, taken_over.grade), (77, Grade::Unaudited));
    assert_eq!(view.lease_of(4).unwrap().first, 3);
    assert_eq!(view.lease_of(9).unwrap().phase, Phase::Refunded);
    assert_eq!((view.lease_of(10), view.untaken()), (None, None));
    // A free lease that a closed job gives back keeps its tasks.
    view.apply(&at(20, freed(BOB, 3, 2, Reason::Left)));
    view.apply(&at(21, refunded(3, 2)));
    assert_eq!(view.tally(), tally(0, 0, 0, 3, 7));
    assert!(view.is_over());
}

#[test]
fn redundant_leases_open_one_after_the_other() {
    let job = job(5, 3, 2);
    let mut view = JobView::new(&job);
    view.apply(&at(1, posted(&job, 9)));
    let open = |view: &JobView| view.leases.keys().copied().collect::<Vec<_>>();
    assert_eq!((open(&view), view.untaken()), (vec![0], Some(2..5)));
    // One seat does not begin the round, and can be left.
    view.apply(&at(2, joined(ALICE, 0, 1)));
    let left = MarketEvent::SeatLeft(IMarket::SeatLeft {
        jobId: JOB,
        first: 0,
        provider: ALICE,
        round: 1,
        burned: 0,
    });
    view.apply(&at(3, left));
    view.apply(&at(4, joined(BOB, 0, 1)));
    assert_eq!((open(&view), view.leases[&0].phase), (vec![0], Phase::Free));
    view.apply(&at(5, committed(CAROL, 0, 1)));
    assert_eq!(
        (open(&view), view.leases[&0].phase),
        (vec![0, 2], Phase::Running)
    );
    assert_eq!((view.leases[&2].count, view.leases[&2].point), (2, 9));
    // A second round of the same lease opens nothing.
    view.apply(&at(6, freed(Address::ZERO, 0, 2, Reason::TooFewCommits)));
    view.apply(&at(7, committed(BOB, 0, 2)));
    view.apply(&at(8, committed(CAROL, 0, 2)));
    assert_eq!(open(&view), [0, 2]);
    // What is cancelled does not open.
    view.apply(&at(9, refunded(4, 1)));
    view.apply(&at(10, committed(BOB, 2, 1)));
    view.apply(&at(11, committed(CAROL, 2, 1)));
    assert_eq!((open(&view), view.untaken()), (vec![0, 2, 4], None));
    assert_eq!(view.leases[&4].phase, Phase::Refunded);
}

#[test]
fn a_redundant_lease_settles_by_its_quorum() {
    let job = job(1, 3, 1);
    let mut view = JobView::new(&job);
    for (number, provider) in [(11, CAROL), (12, ALICE), (13, BOB)] {
        view.number(provider, number);
    }
    let story = [
        (posted(&job, 9), Phase::Free, (0, 0, 0)),
        (joined(ALICE, 0, 1), Phase::Free, (1, 0, 0)),
        (joined(BOB, 0, 1), Phase::Running, (2, 0, 0)),
        (
            freed(Address::ZERO, 0, 2, Reason::TooFewCommits),
            Phase::Free,
            (2, 0, 0),
        ),
        (committed(BOB, 0, 2), Phase::Free, (1, 1, 0)),
        (committed(ALICE, 0, 2), Phase::Running, (2, 2, 0)),
        (committed(CAROL, 0, 2), Phase::Revealing, (3, 3, 0)),
        (opened(11, 0, 0, (1, 2)), Phase::Revealing, (3, 3, 1)),
        (opened(12, 0, 0, (3, 4)), Phase::Revealing, (3, 3, 2)),
        (opened(13, 0, 0, (1, 2)), Phase::Revealing, (3, 3, 3)),
        (
            seat_closed(11, 0, 0, SeatEnd::Paid),
            Phase::Revealing,
            (3, 3, 3),
        ),
        (
            seat_closed(12, 0, 0, SeatEnd::Outvoted),
            Phase::Revealing,
            (3, 3, 3),
        ),
        (
            seat_closed(13, 0, 0, SeatEnd::Paid),
            Phase::Revealing,
            (3, 3, 3),
        ),
        (
            settled(0, Grade::Quorum, 14, 0, 0),
            Phase::Settled,
            (3, 3, 3),
        ),
    ];
    for (block, (event, phase, counts)) in (1..).zip(story) {
        let at = at(block, event);
        assert_eq!(view.unnumbered(&at), Vec::<Address>::new());
        view.apply(&at);
        let lease = view.lease_of(0).unwrap();
        assert_eq!(lease.phase, phase, "after block {block}");
        assert_eq!(
            (lease.taken(), lease.commits(), lease.opened()),
            counts,
            "after block {block}"
        );
    }
    let lease = view.lease_of(0).unwrap();
    assert_eq!((lease.count, lease.round, lease.price), (1, 2, 7));
    assert_eq!(lease.root, B256::repeat_byte(1));
    assert_eq!(lease.digest_list, B256::repeat_byte(2));
    assert_eq!(lease.paid_to(), [BOB, CAROL]);
    assert_eq!(lease.majority(2), Some(B256::repeat_byte(1)));
    assert_eq!(lease.majority(3), None);
    assert_eq!(view.tally(), tally(0, 0, 0, 1, 0));
}

#[test]
fn seats_are_closed_by_numbers_that_must_be_asked_for() {
    let job = job(4, 3, 4);
    let mut view = JobView::new(&job);
    view.apply(&at(1, posted(&job, 9)));
    view.apply(&at(1, committed(BOB, 0, 1)));
    view.apply(&at(2, committed(CAROL, 0, 1)));
    for event in [
        opened(5, 0, 0, (1, 1)),
        seat_closed(5, 0, 0, SeatEnd::Silent),
    ] {
        assert_eq!(view.unnumbered(&at(3, event)), [BOB, CAROL]);
    }
    view.number(CAROL, 5);
    let closed = at(3, seat_closed(5, 0, 0, SeatEnd::Silent));
    assert_eq!(view.unnumbered(&closed), Vec::<Address>::new());
    view.apply(&closed);
    let seats = &view.lease_of(0).unwrap().seats;
    let ends: Vec<_> = seats.iter().map(|seat| seat.end).collect();
    assert_eq!(ends, [SeatEnd::None, SeatEnd::Silent]);
}

#[test]
fn two_juries_judge_a_lease() {
    let audit = |jury| {
        MarketEvent::AuditOpened(IMarket::AuditOpened {
            jobId: JOB,
            first: 0,
            round: 1,
            jury,
            task: 1,
            commitBy: 50,
        })
    };
    let voted = |provider, jury| {
        MarketEvent::VoteCommitted(IMarket::VoteCommitted {
            jobId: JOB,
            first: 0,
            provider,
            round: 1,
            jury,
            commitment: B256::ZERO,
        })
    };
    let judged = |jury, verdict| {
        MarketEvent::Judged(IMarket::Judged {
            jobId: JOB,
            first: 0,
            jury,
            verdict,
            task: 1,
            digest: B256::repeat_byte(3),
            leaf: B256::repeat_byte(1),
        })
    };
    let mut view = JobView::new(&job(3, 1, 3));
    for (number, provider) in [(2, BOB), (3, CAROL), (4, DAVE)] {
        view.number(provider, number);
    }
    let tell = |view: &mut JobView, event| view.apply(&at(1, event));
    let phase = |view: &JobView| view.lease_of(0).unwrap().phase;
    tell(&mut view, claimed(ALICE, 0, 3, 1));
    tell(&mut view, submitted(0, ALICE, B256::repeat_byte(5)));
    tell(&mut view, audit(1));
    assert_eq!(
        (phase(&view), view.tally()),
        (Phase::Audited, tally(0, 0, 3, 0, 0))
    );
    for provider in [BOB, CAROL] {
        tell(&mut view, voted(provider, 1));
    }
    // The provider's public digest twice, but not the same keyed one: no majority. Nor do two abstentions agree.
    for (number, vote) in [(2, (1, 7)), (3, (1, 8))] {
        tell(&mut view, opened(number, 0, 1, vote));
    }
    let first = view.lease_of(0).unwrap().audit().unwrap().clone();
    assert_eq!(
        (first.jury, first.opened(), first.majority(2)),
        (1, 2, None)
    );
    tell(&mut view, seat_closed(2, 0, 1, SeatEnd::Undecided));
    tell(&mut view, judged(1, Verdict::NoVerdict));
    assert_eq!(phase(&view), Phase::Undecided);
    let point = MarketEvent::PointSet(IMarket::PointSet {
        jobId: JOB,
        first: 0,
        point: 99,
    });
    tell(&mut view, point);
    let lease = view.lease_of(0).unwrap();
    assert_eq!((lease.point, lease.retry_point), (77, 99));

    tell(&mut view, audit(2));
    for provider in [BOB, DAVE] {
        tell(&mut view, voted(provider, 2));
    }
    for (number, vote) in [(2, (3, 9)), (4, (3, 9))] {
        tell(&mut view, opened(number, 0, 2, vote));
        tell(&mut view, seat_closed(number, 0, 2, SeatEnd::Paid));
    }
    tell(&mut view, judged(2, Verdict::Convicted));
    let voided = MarketEvent::Voided(IMarket::Voided {
        jobId: JOB,
        first: 0,
        burned: 21,
        refunded: 4,
        slashed: 30,
    });
    tell(&mut view, voided);
    let lease = view.lease_of(0).unwrap();
    assert_eq!(
        (lease.phase, lease.slashed, lease.audits.len()),
        (Phase::Void, 30, 2)
    );
    let second = lease.audit().unwrap();
    let pair = (B256::repeat_byte(3), B256::repeat_byte(9));
    assert_eq!(
        (second.verdict, second.majority(2)),
        (Verdict::Convicted, Some(pair))
    );
    assert_eq!(
        lease.audits.first().unwrap().commits(),
        2,
        "the first jury's seats are kept"
    );
    let money = view.money();
    assert_eq!((money.burned, money.refunded, money.jurors), (21, 4, 14));
    assert!(view.is_over() && view.tally().void == 3);
}
