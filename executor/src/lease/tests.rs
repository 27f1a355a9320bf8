#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;

const START: u64 = 10_000;
const RUN: u64 = 800;
const CHALLENGE: u64 = 300;

fn roots(tag: u8) -> Roots {
    Roots {
        root: B256::repeat_byte(tag),
        manifest: B256::repeat_byte(tag),
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
    Lease::new(key, 4, START, RUN, CHALLENGE)
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

#[test]
fn the_ordinary_life() {
    let at = |time| now(START + time, 10);
    let (lease, effects) = steps(&[
        (seen(Seen::Running { started: START }, 10), at(0)),
        (Event::Restarted, at(0)),
        (Event::Finished(roots(1)), at(50)),
        (seen(Seen::Submitted { at: START + 52 }, 11), at(52)),
        (Event::Tick, at(52 + CHALLENGE)),
        (Event::Tick, at(53 + CHALLENGE)),
        (seen(Seen::Settled, 12), at(54 + CHALLENGE)),
        (Event::Tick, now(START + 400, 16)),
        (Event::Tick, now(START + 400, 17)),
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
            Effect::StopWork,
            Effect::Forget(End::Paid),
        ]
    );
}

#[test]
fn what_cannot_be_done_is_released_at_once() {
    let (lease, effects) = steps(&[(Event::Failed, now(START + 20, 10))]);
    assert_eq!(effects, [Effect::StopWork, Effect::Release { attempt: 0 }]);
    assert!(START + 20 <= lease.free_until());
    let (lease, effects) = lease.step(seen(Seen::Freed, 11), now(START + 22, 11));
    assert_eq!(
        (lease.phase, effects),
        (Phase::Lost, vec![Effect::StopWork])
    );
}

#[test]
fn work_that_is_late_is_released_before_it_expires_and_expired_if_that_fails() {
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
            Effect::Release { attempt: 0 },
            Effect::Release { attempt: 1 },
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
fn a_challenged_result_waits_for_the_verdict_and_its_window_begins_anew() {
    let at = |time| now(START + time, 10);
    let (lease, effects) = steps(&[
        (Event::Finished(roots(1)), at(50)),
        (seen(Seen::Submitted { at: START + 52 }, 11), at(52)),
        (challenged(0, 0), at(60)),
        (Event::Tick, at(COMMIT_BY)),
        (seen(Seen::Submitted { at: START + 500 }, 13), at(500)),
        (Event::Tick, at(500 + CHALLENGE)),
    ]);
    let submit = Effect::Submit {
        roots: roots(1),
        attempt: 0,
    };
    assert_eq!(
        effects,
        [submit, Effect::Publish, Effect::Publish, Effect::Publish]
    );
    let (_, effects) = lease.clone().step(Event::Tick, at(501 + CHALLENGE));
    assert_eq!(effects, [Effect::Publish, Effect::Finalize { attempt: 0 }]);
    // A lost jury frees the lease.
    let (lease, _) = lease.step(seen(Seen::Freed, 15), at(600));
    assert_eq!(lease.phase, Phase::Lost);
}

#[test]
fn a_demand_is_answered_and_again_if_the_answer_comes_to_nothing() {
    let at = |time| now(START + time, 10);
    let (lease, _) = steps(&[
        (Event::Finished(roots(1)), at(50)),
        (seen(Seen::Submitted { at: START + 52 }, 11), at(52)),
    ]);
    let respond = |attempt| vec![Effect::Publish, Effect::Respond { attempt }];
    let demanded = seen(Seen::Demanded { at: START + 60 }, 14);
    let (lease, effects) = lease.step(demanded, at(60));
    assert_eq!((lease.phase, effects), (Phase::Demanded, respond(0)));
    let (lease, effects) = lease.step(Event::SendFailed, at(61));
    assert_eq!(effects, []);
    let (lease, effects) = lease.step(Event::Tick, at(62));
    assert_eq!(effects, respond(1));
    let (lease, effects) = lease.step(Event::Restarted, at(63));
    assert_eq!(effects, respond(1));
    let answered = seen(Seen::Submitted { at: START + 64 }, 15);
    let (lease, effects) = lease.step(answered, at(64));
    assert_eq!(
        (lease.phase, effects),
        (Phase::Submitted, vec![Effect::Publish])
    );
}

#[test]
fn a_dispute_that_nobody_judges_is_judged_by_who_waits_for_it() {
    let at = |time| now(START + time, 10);
    let submitted = [
        (Event::Finished(roots(1)), at(50)),
        (seen(Seen::Submitted { at: START + 52 }, 11), at(52)),
        (challenged(2, 1), at(60)),
        (Event::Tick, at(COMMIT_BY + WINDOW + 10)),
    ];
    let (lease, effects) = steps(&submitted);
    assert_eq!(effects.last(), Some(&Effect::Publish));
    let late = COMMIT_BY + WINDOW + 11;
    let (lease, effects) = lease.step(Event::Tick, at(late));
    let judge = |attempt| Effect::Judge {
        challenge: 1,
        attempt,
    };
    assert_eq!((lease.phase, effects), (Phase::Judging, vec![judge(0)]));
    let (lease, effects) = lease.step(Event::SendFailed, at(late));
    assert_eq!((lease.phase, effects), (Phase::Challenged, vec![]));
    let (_, effects) = lease.step(Event::Tick, at(late + 1));
    assert_eq!(effects, [judge(1)]);
    // Without enough commitments there is nothing to reveal, and less to wait for.
    let (lease, _) = steps(&submitted[..2]);
    let (lease, _) = lease.step(challenged(1, 0), at(60));
    let (_, effects) = lease.step(Event::Tick, at(COMMIT_BY + 11));
    assert_eq!(effects, [judge(0)]);
}

const COMMIT_BY: u64 = 400;
const WINDOW: u64 = 100;

fn jury(commits: u8, reveals: u8) -> Round {
    Round {
        commit_by: START + COMMIT_BY,
        reveal_window: WINDOW,
        quorum: 2,
        commits,
        reveals,
        full_at: None,
        awaits_answer: true,
        revealed_at: 0,
        rank: 0,
        our_turn: true,
    }
}

fn challenged(commits: u8, reveals: u8) -> Event {
    let jury = Some(jury(commits, reveals));
    let challenge = 1;
    seen(Seen::Challenged { challenge, jury }, 12)
}

fn any_jury() -> impl Strategy<Value = Round> {
    (0..3u8, 0..3u8).prop_map(|(commits, reveals)| jury(commits, reveals.min(commits)))
}

fn any_seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        2 => Just(Seen::Absent),
        4 => (0..50u64).prop_map(|late| Seen::Running { started: START + late }),
        3 => (0..RUN).prop_map(|late| Seen::Submitted { at: START + late }),
        2 => (1..4u8, any_jury()).prop_map(|(challenge, jury)| Seen::Challenged { challenge, jury: Some(jury) }),
        1 => (0..RUN).prop_map(|late| Seen::Demanded { at: START + late }),
        1 => Just(Seen::Settled),
        1 => Just(Seen::Freed),
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
                let mut again = Lease::from_row(&row, RUN, CHALLENGE).unwrap();
                again.submitted = lease.submitted;
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
                        prop_assert!(time > next.submitted + CHALLENGE);
                        prop_assert_eq!(next.phase, Phase::Finalizing);
                    }
                    Effect::Expire { .. } => prop_assert!(time > next.deadline()),
                    Effect::Judge { .. } => {
                        let due = next.dispute.map(|(_, jury)| jury.stage(time));
                        let due = matches!(due, Some(Stage::Due { since }) if since <= time);
                        prop_assert!(due, "judged too early");
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
            // An answer comes, or a forfeit.
            seen = match seen {
                Seen::Demanded { .. } => Seen::Freed,
                other => other,
            };
            let (next, effects) = lease.step(Event::Chain { seen, block: block - 3 }, now(time, block));
            let (next, more) = next.step(Event::Tick, now(time, block));
            lease = next;
            for effect in effects.into_iter().chain(more) {
                match effect {
                    Effect::Expire { .. } if matches!(seen, Seen::Running { .. }) => seen = Seen::Freed,
                    Effect::Finalize { .. } if matches!(seen, Seen::Submitted { .. }) => seen = Seen::Settled,
                    Effect::Judge { .. } if matches!(seen, Seen::Challenged { .. }) => {
                        seen = Seen::Submitted { at: time };
                    }
                    _ => {}
                }
            }
            if matches!(seen, Seen::Settled | Seen::Freed | Seen::Absent) {
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
