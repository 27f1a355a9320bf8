#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy::primitives::B256;
use proptest::prelude::*;

use super::*;

const START: u64 = 10_000;
const RUN: u64 = 800;
/// When a submitted result can be finalized.
const FINAL: u64 = 10_500;

fn roots(tag: u8) -> Roots {
    Roots {
        root: B256::repeat_byte(tag),
        list: B256::repeat_byte(tag),
    }
}

fn now(time: u64, block: u64) -> Now {
    Now {
        time,
        block,
        margin: 10,
        confirmations: 5,
    }
}

fn lease() -> Lease {
    let key = Key {
        job: B256::repeat_byte(1),
        first: 0,
        round: 1,
    };
    Lease::new(key, 4, START, RUN)
}

fn steps(events: &[(Event, Now)]) -> (Lease, Vec<Effect>) {
    events
        .iter()
        .fold((lease(), Vec::new()), |(lease, mut all), (event, now)| {
            let (lease, effects) = lease.step(*event, *now);
            all.extend(effects);
            (lease, all)
        })
}

fn seen(seen: Seen, block: u64) -> Event {
    Event::Chain { seen, block }
}

fn submitted() -> Event {
    seen(Seen::Submitted { from: FINAL }, 11)
}

#[test]
fn the_ordinary_life() {
    let at = |time| now(START + time, 10);
    let (lease, effects) = steps(&[
        (seen(Seen::Running { started: START }, 10), at(0)),
        (Event::Restarted, at(0)),
        (Event::Finished(roots(1)), at(50)),
        (submitted(), at(52)),
        (Event::Tick, now(FINAL - 1, 10)),
        (Event::Tick, now(FINAL, 10)),
        (seen(Seen::Settled, 12), now(FINAL + 2, 10)),
        (Event::Tick, now(FINAL + 3, 16)),
        (Event::Tick, now(FINAL + 3, 17)),
    ]);
    assert_eq!(lease.phase, Phase::Done(End::Paid));
    assert_eq!(
        effects,
        [
            Effect::Run,
            Effect::Submit {
                roots: roots(1),
                attempt: 0
            },
            Effect::Publish,
            Effect::Publish,
            Effect::Finalize { attempt: 0 },
            Effect::Open,
            Effect::StopWork,
            Effect::Forget(End::Paid),
        ]
    );
}

#[test]
fn chance_that_says_no_finalizes_at_once_and_without_audits_submitting_settles() {
    let at = |time| now(START + time, 10);
    let done = (Event::Finished(roots(1)), at(50));
    let (lease, _) = steps(&[done, (submitted(), at(52))]);
    let (_, effects) = lease.step(seen(Seen::Submitted { from: 0 }, 11), at(55));
    assert_eq!(effects, [Effect::Publish, Effect::Finalize { attempt: 0 }]);
    let (lease, effects) = steps(&[done, (seen(Seen::Settled, 11), at(52))]);
    assert_eq!(lease.phase, Phase::Settled);
    assert_eq!(effects.last(), Some(&Effect::Open));
}

#[test]
fn what_cannot_be_done_is_left_at_once() {
    let (lease, effects) = steps(&[(Event::Failed, now(START + 20, 10))]);
    assert_eq!(effects, [Effect::StopWork, Effect::Leave { attempt: 0 }]);
    assert!(START + 20 <= lease.free_until());
    // Later rounds have no time in which that is free.
    let mut later = lease.clone();
    later.key.round = 2;
    assert_eq!(later.free_until(), 0);
    let (lease, effects) = lease.step(seen(Seen::Lost, 11), now(START + 22, 11));
    assert_eq!(
        (lease.phase, effects),
        (Phase::Lost, vec![Effect::StopWork])
    );
}

#[test]
fn work_that_is_late_is_left_before_it_expires_and_expired_if_that_fails() {
    let (lease, effects) = steps(&[
        (Event::Tick, now(START + RUN - 11, 10)),
        (Event::Tick, now(START + RUN - 10, 10)),
        (Event::SendFailed, now(START + RUN - 9, 10)),
        (Event::Tick, now(START + RUN - 8, 10)),
        (Event::Tick, now(START + RUN + 10, 10)),
        (Event::Tick, now(START + RUN + 11, 10)),
    ]);
    assert_eq!(
        effects,
        [
            Effect::StopWork,
            Effect::Leave { attempt: 0 },
            Effect::Leave { attempt: 1 },
            Effect::StopWork,
            Effect::Expire { attempt: 1 },
        ]
    );
    assert_eq!(lease.phase, Phase::Expiring);
}

#[test]
fn a_claim_that_is_reorganized_away_and_comes_back_goes_on_with_the_same_result() {
    let (lease, effects) = steps(&[
        (seen(Seen::Absent, 0), now(START + 5, 10)),
        (Event::Finished(roots(1)), now(START + 6, 10)),
        (
            seen(Seen::Running { started: START + 7 }, 12),
            now(START + 8, 12),
        ),
        (Event::Finished(roots(2)), now(START + 9, 12)),
    ]);
    assert_eq!(
        effects,
        [Effect::Submit {
            roots: roots(1),
            attempt: 0
        }]
    );
    assert_eq!(lease.deadline(), START + 7 + RUN);
    let (lease, _) = lease.step(seen(Seen::Absent, 0), now(START + 10, 12));
    let (lease, effects) = lease.step(Event::Tick, now(START + 60, 17));
    assert_eq!(lease.phase, Phase::Done(End::Vanished));
    assert_eq!(effects, [Effect::StopWork, Effect::Forget(End::Vanished)]);
}

#[test]
fn an_audited_result_waits_for_its_jury_which_gets_the_list_once_it_has_committed() {
    let at = |time| now(START + time, 10);
    let (lease, effects) = steps(&[
        (Event::Finished(roots(1)), at(50)),
        (submitted(), at(52)),
        (audited(1, 0, 0, false), at(60)),
        (Event::Tick, at(COMMIT_BY)),
    ]);
    assert_eq!(effects[1..], [Effect::Publish, Effect::Publish]);
    assert_eq!(lease.phase, Phase::Audited);
    // All three have, or their time is over.
    let three = Audit {
        votes: Round {
            full_at: Some(START + 90),
            ..jury(3, 0)
        },
        ..audit(1, 3, 0, false)
    };
    let (early, effects) = lease.clone().step(seen(Seen::Audited(three), 12), at(91));
    assert_eq!(early.phase, Phase::Answering);
    assert_eq!(effects, [Effect::Publish, Effect::OpenList]);
    let (lease, _) = lease.step(audited(1, 2, 0, false), at(100));
    let (lease, effects) = lease.step(Event::Tick, at(COMMIT_BY + 1));
    assert_eq!(lease.phase, Phase::Answering);
    assert_eq!(effects, [Effect::Publish, Effect::OpenList]);
    // A verdict ends it: either way.
    let (won, _) = lease.clone().step(seen(Seen::Settled, 15), at(600));
    let (lost, _) = lease.clone().step(seen(Seen::Lost, 15), at(600));
    assert_eq!((won.phase, lost.phase), (Phase::Settled, Phase::Lost));
    // No verdict: it waits for a second jury, or for the end of its time.
    let (lease, effects) = lease.step(submitted(), at(450));
    assert_eq!(
        (lease.phase, effects),
        (Phase::Submitted, vec![Effect::Publish])
    );
    let second = Audit {
        votes: Round {
            commit_by: START + 900,
            ..jury(0, 0)
        },
        ..audit(2, 0, 0, false)
    };
    let (again, _) = lease.clone().step(seen(Seen::Audited(second), 12), at(460));
    assert_eq!(again.phase, Phase::Audited);
    let (lease, effects) = lease.step(Event::Tick, now(FINAL, 10));
    assert_eq!(lease.phase, Phase::Finalizing);
    assert_eq!(effects, [Effect::Publish, Effect::Finalize { attempt: 0 }]);
}

#[test]
fn a_leaf_that_is_missed_is_brought_at_once_and_a_jury_that_nobody_ends_is_ended() {
    let at = |time| now(START + time, 10);
    let events = [
        (Event::Finished(roots(1)), at(50)),
        (submitted(), at(52)),
        (audited(1, 2, 1, false), at(60)),
        (Event::Tick, at(COMMIT_BY + 1)),
        (Event::Tick, at(COMMIT_BY + WINDOW + 10)),
    ];
    let (lease, effects) = steps(&events);
    assert_eq!(effects.last(), Some(&Effect::OpenList));
    let judge = |attempt| {
        let judge = Effect::Judge { jury: 1, attempt };
        vec![Effect::Publish, Effect::OpenList, judge]
    };
    // The jurors are let go first, but not when they wait for our leaf.
    let (missed, effects) = lease
        .clone()
        .step(audited(1, 2, 2, true), at(COMMIT_BY + WINDOW + 10));
    assert_eq!((missed.phase, effects), (Phase::Judging, judge(0)));
    let late = COMMIT_BY + WINDOW + 11;
    let (lease, effects) = lease.step(Event::Tick, at(late));
    assert_eq!((lease.phase, effects), (Phase::Judging, judge(0)));
    let (lease, effects) = lease.step(Event::SendFailed, at(late));
    assert_eq!((lease.phase, effects), (Phase::Answering, vec![]));
    let (_, effects) = lease.step(Event::Tick, at(late + 1));
    assert_eq!(effects, judge(1));
    // Without enough commitments there is nothing to open, and less to wait for.
    let (lease, _) = steps(&events[..2]);
    let (lease, _) = lease.step(audited(1, 1, 0, false), at(60));
    let (lease, _) = lease.step(Event::Tick, at(COMMIT_BY + 10));
    assert_eq!(lease.phase, Phase::Answering);
    let (_, effects) = lease.step(Event::Tick, at(COMMIT_BY + 11));
    assert_eq!(effects, judge(0));
}

const COMMIT_BY: u64 = 400;
const WINDOW: u64 = 100;

fn jury(commits: u8, opened: u8) -> Round {
    Round {
        begun: true,
        closed: false,
        closes_at: u64::MAX,
        commit_by: START + COMMIT_BY,
        reveal_window: WINDOW,
        quorum: 2,
        commits,
        opened,
        full_at: None,
        opened_at: 0,
        leave_at: u64::MAX,
        rank: 0,
    }
}

fn audit(jury: u8, commits: u8, opened: u8, leaf_missed: bool) -> Audit {
    Audit {
        jury,
        votes: self::jury(commits, opened),
        leaf_missed,
    }
}

fn audited(jury: u8, commits: u8, opened: u8, leaf_missed: bool) -> Event {
    seen(Seen::Audited(audit(jury, commits, opened, leaf_missed)), 12)
}

fn any_audit() -> impl Strategy<Value = Audit> {
    (1..=2u8, 0..3u8, 0..3u8, any::<bool>()).prop_map(|(jury, commits, opened, missed)| {
        audit(jury, commits, opened.min(commits), missed)
    })
}

fn any_seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        2 => Just(Seen::Absent),
        4 => (0..50u64).prop_map(|late| Seen::Running { started: START + late }),
        3 => prop_oneof![Just(0), START..START + 2 * RUN].prop_map(|from| Seen::Submitted { from }),
        3 => any_audit().prop_map(Seen::Audited),
        1 => Just(Seen::Settled),
        1 => Just(Seen::Lost),
    ]
}

/// An event, the seconds and the blocks that pass before it.
fn any_event() -> impl Strategy<Value = (Event, u64, u64)> {
    let event = prop_oneof![
        4 => (any_seen(), 0..4u64).prop_map(|(seen, back)| Event::Chain { seen, block: back }),
        3 => (0..5u8).prop_map(|tag| Event::Finished(roots(tag))),
        1 => Just(Event::Failed),
        2 => Just(Event::SendFailed),
        3 => Just(Event::Tick),
        2 => Just(Event::Restarted),
    ];
    (event, prop_oneof![3 => 0..5u64, 1 => 0..400u64], 0..3u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order, reorganizations and restarts included.
    #[test]
    fn one_digest_no_word_after_the_end_and_an_end(events in prop::collection::vec(any_event(), 0..60), last in any_seen()) {
        let (mut time, mut block) = (START, 100);
        let mut lease = lease();
        let mut submitted: Option<Roots> = None;
        let mut last_attempt = None;
        let mut over = false;
        for (event, seconds, blocks) in events {
            (time, block) = (time + seconds, block + blocks);
            let event = match event {
                Event::Chain { seen, block: back } => Event::Chain { seen, block: block - back },
                other => other,
            };
            // A restart reads back what was written.
            if event == Event::Restarted {
                let row = lease.to_row();
                let mut again = Lease::from_row(&row, RUN).unwrap();
                (again.final_from, again.audit) = (lease.final_from, lease.audit);
                prop_assert_eq!(again.to_row(), row);
                lease = again;
            }
            let (next, effects) = lease.step(event, now(time, block));
            prop_assert!(!over || effects.is_empty(), "{effects:?} after the end");
            for effect in &effects {
                match *effect {
                    Effect::Submit { roots, attempt } => {
                        prop_assert_eq!(*submitted.get_or_insert(roots), roots, "two digests");
                        // A new attempt only after the one before came to nothing.
                        prop_assert!(last_attempt.is_none_or(|last| attempt >= last));
                        last_attempt = Some(attempt);
                        prop_assert!(time <= next.deadline());
                    }
                    Effect::Finalize { .. } => {
                        prop_assert!(time >= next.final_from);
                        prop_assert_eq!(next.phase, Phase::Finalizing);
                    }
                    Effect::Expire { .. } => prop_assert!(time > next.deadline()),
                    Effect::Judge { .. } => {
                        let due = next.audit.map(|audit| audit.votes.stage(time));
                        let due = matches!(due, Some(Stage::Due { since }) if since <= time);
                        prop_assert!(due, "judged too early");
                    }
                    // Nobody who could copy it can still commit.
                    Effect::OpenList => {
                        let votes = next.audit.unwrap().votes;
                        prop_assert!(votes.stage(time) != Stage::Commit, "opened too early");
                    }
                    Effect::Open => {
                        prop_assert!(matches!(next.phase, Phase::Settled | Phase::Done(End::Paid)));
                    }
                    Effect::Forget(_) => over = true,
                    _ => {}
                }
            }
            lease = next;
        }
        // A chain that comes to rest brings every round to its end. What rests while running or
        // submitted is ended by what we send.
        let mut seen = last;
        for _ in 0..20 {
            (time, block) = (time + 1_000, block + 3);
            let (next, effects) = lease.step(Event::Chain { seen, block: block - 3 }, now(time, block));
            let (next, more) = next.step(Event::Tick, now(time, block));
            lease = next;
            for effect in effects.into_iter().chain(more) {
                match effect {
                    Effect::Expire { .. } if matches!(seen, Seen::Running { .. }) => seen = Seen::Lost,
                    Effect::Finalize { .. } if matches!(seen, Seen::Submitted { .. }) => seen = Seen::Settled,
                    Effect::Judge { .. } if matches!(seen, Seen::Audited(_)) => {
                        seen = Seen::Submitted { from: time };
                    }
                    _ => {}
                }
            }
            if matches!(seen, Seen::Settled | Seen::Lost | Seen::Absent) {
                (lease, _) = lease.step(Event::Chain { seen, block }, now(time, block));
                block += 6;
                (lease, _) = lease.step(Event::Tick, now(time, block));
            }
            // The sender would have told that a transaction of an earlier state came to nothing.
            (lease, _) = lease.step(Event::SendFailed, now(time, block));
        }
        prop_assert!(matches!(lease.phase, Phase::Done(_)), "{lease:?}, the chain says {seen:?}");
    }
}
