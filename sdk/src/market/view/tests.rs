//! Stories told by events.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::chain::IMarket::{Reason, SeatEnd, Verdict};

const JOB: B256 = B256::repeat_byte(1);
const ALICE: Address = Address::repeat_byte(2);
const BOB: Address = Address::repeat_byte(3);

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
    IMarket::Job {
        terms: IMarket::Terms {
            client: ALICE,
            nonce: 0,
            spec: B256::ZERO,
            tasks,
            maxLease: max_lease,
            replicas,
            quorum: replicas / 2 + 1,
            providers: B256::ZERO,
            verifier: Address::ZERO,
        },
        price: IMarket::Price {
            minPrice: 7,
            maxPrice: 7,
            bond: 9,
            juryFee: 2,
        },
        timing: IMarket::Timing {
            opensAt: 0,
            ramp: 0,
            closesAt: 100,
            runWindow: 10,
            challengeWindow: 10,
        },
    }
}

fn claimed(provider: Address, first: u32, count: u32, round: u16) -> MarketEvent {
    MarketEvent::Claimed(IMarket::Claimed {
        jobId: JOB,
        first,
        provider,
        count,
        round,
        price: 7,
        bond: 9,
    })
}

fn freed(provider: Address, first: u32) -> MarketEvent {
    MarketEvent::Freed(IMarket::Freed {
        jobId: JOB,
        first,
        provider,
        reason: Reason::Expired,
        burned: 1,
    })
}

fn tally(waiting: u32, running: u32, submitted: u32, settled: u32, refunded: u32) -> Tally {
    Tally {
        waiting,
        running,
        submitted,
        settled,
        refunded,
    }
}

#[test]
fn every_task_is_in_one_place_at_any_time() {
    let submitted = |first, provider, root| {
        MarketEvent::Submitted(IMarket::Submitted {
            jobId: JOB,
            first,
            provider,
            root,
            manifest: B256::repeat_byte(8),
        })
    };
    let settled = MarketEvent::Settled(IMarket::Settled {
        jobId: JOB,
        first: 0,
        how: How::Unchallenged,
        paid: 20,
        fee: 1,
        refunded: 9,
    });
    let refunded = |first, count| {
        MarketEvent::Refunded(IMarket::Refunded {
            jobId: JOB,
            first,
            count,
            refunded: 10,
        })
    };
    let root = B256::repeat_byte(5);
    let story = [
        (claimed(ALICE, 0, 3, 1), tally(7, 3, 0, 0, 0)),
        (claimed(BOB, 3, 2, 1), tally(5, 5, 0, 0, 0)),
        (submitted(3, BOB, root), tally(5, 3, 2, 0, 0)),
        (freed(ALICE, 0), tally(8, 0, 2, 0, 0)),
        (claimed(BOB, 0, 3, 2), tally(5, 3, 2, 0, 0)),
        (submitted(0, BOB, root), tally(5, 0, 5, 0, 0)),
        (settled, tally(5, 0, 2, 3, 0)),
        (refunded(5, 5), tally(0, 0, 2, 3, 5)),
    ];
    let mut view = JobView::new(&job(10, 1, 10));
    for (block, (event, expected)) in (1..).zip(story) {
        view.apply(&at(block, event));
        assert_eq!(view.tally(), expected, "after block {block}");
    }
    assert!(!view.is_over());
    assert_eq!(view.money(), (20, 1, 19));
    assert_eq!(
        (
            view.lease_of(2).unwrap().provider,
            view.lease_of(2).unwrap().round
        ),
        (BOB, 2)
    );
    assert_eq!(view.lease_of(4).unwrap().first, 3);
    assert_eq!(view.lease_of(9).unwrap().phase, Phase::Refunded);
    assert_eq!((view.lease_of(10), view.untaken()), (None, Vec::new()));
    // A free lease that a closed job gives back keeps its tasks.
    view.apply(&at(20, freed(BOB, 3)));
    view.apply(&at(21, refunded(3, 2)));
    assert_eq!(view.tally(), tally(0, 0, 0, 3, 7));
    assert!(view.is_over());
}

const CAROL: Address = Address::repeat_byte(4);

fn committed(provider: Address, first: u32, round: u16) -> MarketEvent {
    MarketEvent::Committed(IMarket::Committed {
        jobId: JOB,
        first,
        provider,
        round,
        commitment: B256::ZERO,
        bond: 9,
    })
}

fn revealed(provider: Address, first: u32, root: u8) -> MarketEvent {
    MarketEvent::Revealed(IMarket::Revealed {
        jobId: JOB,
        first,
        provider,
        root: B256::repeat_byte(root),
        manifest: B256::repeat_byte(root + 1),
    })
}

fn seat_closed(number: u32, first: u32, challenge: u8, end: SeatEnd) -> MarketEvent {
    let paid = if end == SeatEnd::Paid { 7 } else { 0 };
    MarketEvent::SeatClosed(IMarket::SeatClosed {
        jobId: JOB,
        first,
        number,
        challenge,
        end,
        paid,
        burned: 7 - paid,
    })
}

#[test]
fn a_redundant_lease_is_taken_again_committed_revealed_and_settled_by_its_quorum() {
    let joined = |provider| {
        MarketEvent::Joined(IMarket::Joined {
            jobId: JOB,
            first: 4,
            provider,
            round: 1,
            bond: 9,
        })
    };
    let freed = MarketEvent::Freed(IMarket::Freed {
        jobId: JOB,
        first: 4,
        provider: Address::ZERO,
        reason: Reason::TooFewCommits,
        burned: 1,
    });
    let settled = MarketEvent::Settled(IMarket::Settled {
        jobId: JOB,
        first: 4,
        how: How::Quorum,
        paid: 14,
        fee: 0,
        refunded: 7,
    });
    let mut view = JobView::new(&job(5, 3, 4));
    for (number, provider) in [(11, CAROL), (12, ALICE), (13, BOB)] {
        view.number(provider, number);
    }
    assert_eq!(view.untaken(), [0..4, 4..5]);
    let story = [
        (joined(ALICE), Phase::Running, (1, 0, 0)),
        (freed, Phase::Free, (1, 0, 0)),
        (committed(BOB, 4, 2), Phase::Running, (1, 1, 0)),
        (committed(ALICE, 4, 2), Phase::Running, (2, 2, 0)),
        (committed(CAROL, 4, 2), Phase::Revealing, (3, 3, 0)),
        (revealed(CAROL, 4, 1), Phase::Revealing, (3, 3, 1)),
        (revealed(ALICE, 4, 3), Phase::Revealing, (3, 3, 2)),
        (revealed(BOB, 4, 1), Phase::Revealing, (3, 3, 3)),
        (
            seat_closed(11, 4, 0, SeatEnd::Paid),
            Phase::Revealing,
            (3, 3, 3),
        ),
        (
            seat_closed(12, 4, 0, SeatEnd::Outvoted),
            Phase::Revealing,
            (3, 3, 3),
        ),
        (
            seat_closed(13, 4, 0, SeatEnd::Paid),
            Phase::Revealing,
            (3, 3, 3),
        ),
        (settled, Phase::Settled, (3, 3, 3)),
    ];
    for (block, (event, phase, counts)) in (1..).zip(story) {
        let at = at(block, event);
        assert_eq!(view.unnumbered(&at), Vec::<Address>::new());
        view.apply(&at);
        let lease = view.lease_of(4).unwrap();
        assert_eq!(lease.phase, phase, "after block {block}");
        assert_eq!(
            (lease.seats.len(), lease.commits(), lease.reveals()),
            counts
        );
    }
    let lease = view.lease_of(4).unwrap();
    assert_eq!((lease.count, lease.round, lease.price), (1, 2, 7));
    assert_eq!(lease.root, B256::repeat_byte(1));
    assert_eq!(lease.manifest, B256::repeat_byte(2));
    assert_eq!(lease.paid_to(), [BOB, CAROL]);
    assert_eq!(lease.majority(2), Some(B256::repeat_byte(1)));
    assert_eq!(lease.majority(3), None);
    assert_eq!(view.tally(), tally(4, 0, 0, 1, 0));
    assert_eq!(view.untaken(), std::iter::once(0..4).collect::<Vec<_>>());
}

#[test]
fn seats_are_closed_by_numbers_that_must_be_asked_for() {
    let mut view = JobView::new(&job(4, 3, 4));
    view.apply(&at(1, committed(BOB, 0, 1)));
    view.apply(&at(2, committed(CAROL, 0, 1)));
    let closed = at(3, seat_closed(5, 0, 0, SeatEnd::Silent));
    assert_eq!(view.unnumbered(&closed), [BOB, CAROL]);
    view.number(CAROL, 5);
    assert_eq!(view.unnumbered(&closed), Vec::<Address>::new());
    view.apply(&closed);
    let ends: Vec<_> = view
        .lease_of(0)
        .unwrap()
        .seats
        .iter()
        .map(|seat| seat.end)
        .collect();
    assert_eq!(ends, [SeatEnd::None, SeatEnd::Silent]);
}

#[test]
fn a_dispute_counts_pairs_and_leaves_the_lease_submitted_or_free() {
    let challenged = |challenge| {
        MarketEvent::Challenged(IMarket::Challenged {
            jobId: JOB,
            first: 0,
            challenger: CAROL,
            challenge,
            task: 1,
            digest: B256::repeat_byte(1),
            answer: B256::ZERO,
            deposit: 6,
        })
    };
    let vote = |provider, digest, keyed| {
        MarketEvent::VoteRevealed(IMarket::VoteRevealed {
            jobId: JOB,
            first: 0,
            provider,
            digest: B256::repeat_byte(digest),
            keyed: B256::repeat_byte(keyed),
        })
    };
    let judged = |challenge, verdict| {
        MarketEvent::Judged(IMarket::Judged {
            jobId: JOB,
            first: 0,
            challenge,
            verdict,
            digest: B256::repeat_byte(3),
            reward: 6,
            returned: 6,
            burned: 0,
        })
    };
    let mut view = JobView::new(&job(3, 1, 3));
    let tell = |view: &mut JobView, event| view.apply(&at(1, event));
    tell(&mut view, claimed(ALICE, 0, 3, 1));
    tell(
        &mut view,
        MarketEvent::Submitted(IMarket::Submitted {
            jobId: JOB,
            first: 0,
            provider: ALICE,
            root: B256::repeat_byte(5),
            manifest: B256::repeat_byte(6),
        }),
    );
    tell(&mut view, challenged(1));
    assert_eq!(view.tally(), tally(0, 0, 3, 0, 0));
    tell(&mut view, judged(1, Verdict::Inconclusive));
    assert_eq!(view.lease_of(0).unwrap().phase, Phase::Submitted);
    tell(&mut view, challenged(2));
    // The provider's public digest twice, but not the same keyed one: no majority.
    for event in [vote(BOB, 1, 7), vote(ALICE, 1, 8)] {
        tell(&mut view, event);
    }
    let dispute = view.lease_of(0).unwrap().dispute.clone().unwrap();
    assert_eq!((dispute.number, dispute.majority(2)), (2, None));
    for event in [vote(BOB, 3, 9), vote(ALICE, 3, 9)] {
        tell(&mut view, event);
    }
    let dispute = view.lease_of(0).unwrap().dispute.clone().unwrap();
    let pair = (B256::repeat_byte(3), B256::repeat_byte(9));
    assert_eq!(dispute.majority(2), Some(pair));
    tell(&mut view, freed(ALICE, 0));
    tell(&mut view, judged(2, Verdict::ProviderWrong));
    let lease = view.lease_of(0).unwrap();
    assert_eq!((lease.phase, lease.root), (Phase::Free, B256::ZERO));
    let dispute = lease.dispute.as_ref().unwrap();
    assert_eq!(
        (dispute.verdict, dispute.reward),
        (Verdict::ProviderWrong, 6)
    );
}
