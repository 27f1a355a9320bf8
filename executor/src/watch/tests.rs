#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;

const UNTIL: u64 = 20_000;
const COMMIT_BY: u64 = 10_800;
const WINDOW: u64 = 300;
const MARGIN: u64 = 12;

fn now(time: u64, block: u64) -> Now {
    Now {
        time,
        block,
        margin: MARGIN,
        confirmations: 5,
    }
}

fn watched() -> Watched {
    let lease = lease::Key {
        job: B256::repeat_byte(1),
        first: 4,
        round: 1,
    };
    let root = B256::repeat_byte(2);
    Watched::new(Key { lease, root }, vec![5, 7])
}

fn differs() -> Finding {
    Finding::Differs(Difference {
        task: 5,
        theirs: B256::repeat_byte(3),
        proof: vec![B256::repeat_byte(4), B256::repeat_byte(5)],
        right: B256::repeat_byte(6),
    })
}

fn open(number: u8) -> Seen {
    Seen::Open {
        until: UNTIL,
        number,
        acquitted: vec![],
    }
}

fn jury(commits: u8, reveals: u8, full_at: Option<u64>, answered: bool) -> Round {
    Round {
        commit_by: COMMIT_BY,
        reveal_window: WINDOW,
        quorum: 2,
        commits,
        reveals,
        full_at,
        awaits_answer: !answered,
        revealed_at: full_at.map_or(0, |at| at + 1),
        rank: 0,
        our_turn: true,
    }
}

fn ours(number: u8, sealed: bool, jury: Round) -> Seen {
    Seen::Ours {
        number,
        sealed,
        jury,
    }
}

fn chain(seen: Seen) -> Event {
    Event::Chain { seen, block: 10 }
}

fn send(act: Act, attempt: u32) -> Effect {
    Effect::Send { act, attempt }
}

const CHALLENGE: Act = Act::Challenge { number: 1 };
const WORK: Effect = Effect::Work { until: UNTIL };

fn steps(watched: Watched, events: &[(Event, u64)]) -> (Watched, Vec<Effect>) {
    let start = (watched, Vec::new());
    events.iter().fold(start, |(watched, mut all), event| {
        let (watched, effects) = watched.step(event.0.clone(), now(event.1, 10));
        all.extend(effects);
        (watched, all)
    })
}

#[test]
fn a_wrong_result_is_challenged_answered_and_judged() {
    let events = [
        (chain(open(1)), 10_000),
        (Event::Found(differs()), 10_050),
        (Event::Tick, 10_051),
        (chain(ours(1, false, jury(0, 0, None, false))), 10_060),
        (chain(ours(1, true, jury(0, 0, None, false))), 10_070),
        (chain(ours(1, true, jury(2, 0, None, false))), 10_080),
        (
            chain(ours(1, true, jury(3, 0, Some(10_090), false))),
            10_090,
        ),
        (chain(ours(1, true, jury(3, 3, Some(10_090), true))), 10_095),
        // The jurors are let go first.
        (Event::Tick, 10_091 + MARGIN - 1),
        (Event::Tick, 10_091 + MARGIN),
        (chain(Seen::Over), 10_110),
    ];
    let (watched, effects) = steps(watched(), &events);
    let expected = [
        WORK,
        send(CHALLENGE, 0),
        Effect::Seal { number: 1 },
        send(Act::Answer { number: 1 }, 0),
        send(Act::Judge { number: 1 }, 0),
    ];
    assert_eq!(effects, expected);
    let (watched, effects) = watched.step(Event::Tick, now(10_120, 15));
    assert!(watched.ended);
    assert_eq!(effects, [Effect::StopWork, Effect::Forget]);
    assert_eq!(watched.step(chain(open(1)), now(10_130, 16)).1, []);
}

#[test]
fn what_is_right_or_never_the_same_is_over_at_once_and_never_challenged() {
    let unsteady = Finding::Unsteady { task: 5 };
    for finding in [Finding::Same, unsteady] {
        let events = [
            (chain(open(1)), 10_000),
            (Event::Found(finding.clone()), 10_050),
        ];
        let (watched, effects) = steps(watched(), &events);
        assert_eq!(effects, [WORK, Effect::StopWork, Effect::Forget]);
        assert!(watched.ended);
        // The first finding stays.
        assert_eq!(
            watched
                .step(Event::Found(differs()), now(10_051, 10))
                .0
                .finding,
            Some(finding)
        );
    }
}

#[test]
fn what_could_not_be_done_in_one_window_is_tried_in_the_next() {
    let later = Seen::Open {
        until: UNTIL + 500,
        number: 1,
        acquitted: vec![],
    };
    for finding in [
        Finding::Unserved,
        Finding::Unobtainable,
        Finding::Unfinished,
    ] {
        // The demand comes while the sample is run, its answer after there was no time left.
        let events = [
            (chain(open(1)), 10_000),
            (chain(Seen::Busy), UNTIL - 20),
            (Event::Found(finding), UNTIL + 10),
            (Event::Tick, UNTIL + 100),
        ];
        let (busy, effects) = steps(watched(), &events);
        assert_eq!(effects, [WORK]);
        // The same window again is none.
        let (same, effects) = busy.step(chain(open(1)), now(UNTIL - 100, 10));
        assert_eq!((effects, same.ended), (vec![], false));
        let (again, effects) = same.step(chain(later.clone()), now(UNTIL + 100, 10));
        let until = UNTIL + 500;
        assert_eq!(effects, [Effect::Work { until }]);
        let (_, effects) = again.step(Event::Found(differs()), now(UNTIL + 150, 10));
        assert_eq!(effects, [send(CHALLENGE, 0)]);
    }
}

#[test]
fn the_answer_waits_until_nobody_can_commit_any_more() {
    let two = jury(2, 0, None, false);
    let events = [
        (chain(open(1)), 10_000),
        (Event::Found(differs()), 10_050),
        (chain(ours(1, true, two)), 10_100),
        (Event::Tick, COMMIT_BY),
    ];
    let (watched, effects) = steps(watched(), &events);
    assert_eq!(effects, [WORK, send(CHALLENGE, 0)]);
    assert!(watched.needs_us(COMMIT_BY));
    let (watched, effects) = watched.step(Event::Tick, now(COMMIT_BY + 1, 10));
    assert_eq!(effects, [send(Act::Answer { number: 1 }, 0)]);
    // Too late for it: it is judged all the same.
    assert!(!watched.needs_us(COMMIT_BY + WINDOW + 1));
    let (_, effects) = watched.step(Event::Tick, now(COMMIT_BY + WINDOW + 1 + MARGIN, 10));
    assert_eq!(effects, [send(Act::Judge { number: 1 }, 0)]);
}

#[test]
fn somebody_elses_challenge_is_waited_for_and_ours_comes_after_it_unless_its_jury_acquitted() {
    let events = [
        (chain(open(1)), 10_000),
        (chain(Seen::Busy), 10_040),
        (Event::Found(differs()), 10_050),
        (Event::Tick, 10_060),
    ];
    let (busy, effects) = steps(watched(), &events);
    assert_eq!(effects, [WORK]);
    let again = busy.clone().step(chain(open(2)), now(10_100, 10));
    assert_eq!(again.1, [send(Act::Challenge { number: 2 }, 0)]);
    let acquitted = |task| Seen::Open {
        until: UNTIL,
        number: 2,
        acquitted: vec![task],
    };
    // Of another task it says nothing.
    let other = busy.clone().step(chain(acquitted(7)), now(10_100, 10));
    assert_eq!(other.1, [send(Act::Challenge { number: 2 }, 0)]);
    let held = busy.step(chain(acquitted(5)), now(10_100, 10));
    assert_eq!(held.1, []);
}

#[test]
fn without_a_verdict_it_is_challenged_again_under_a_number_of_its_own() {
    let events = [
        (chain(open(1)), 10_000),
        (Event::Found(differs()), 10_050),
        (chain(ours(1, true, jury(0, 0, None, false))), 10_060),
        (chain(open(2)), 10_900),
    ];
    let (_, effects) = steps(watched(), &events);
    let again = send(Act::Challenge { number: 2 }, 0);
    assert_eq!(effects, [WORK, send(CHALLENGE, 0), again]);
}

#[test]
fn a_deposit_that_is_not_covered_is_looked_at_again_and_a_refusal_is_another_attempt() {
    let events = [
        (chain(open(1)), 10_000),
        (Event::Found(differs()), 10_050),
        (Event::Short, 10_050),
        (Event::Tick, 10_079),
        (Event::Tick, 10_080),
        (Event::SendFailed(CHALLENGE), 10_081),
        (Event::Tick, 10_081),
        (Event::Tick, 10_082),
        // Of an act that was not asked for.
        (Event::SendFailed(Act::Judge { number: 1 }), 10_083),
    ];
    let (watched, effects) = steps(watched(), &events);
    let expected = [
        WORK,
        send(CHALLENGE, 0),
        send(CHALLENGE, 0),
        send(CHALLENGE, 1),
    ];
    assert_eq!(effects, expected);
    assert_eq!(watched.tries, 1);
    // Too near to the end of the window nothing is begun.
    let late = watched
        .step(Event::SendFailed(CHALLENGE), now(UNTIL - MARGIN, 10))
        .0;
    assert_eq!(late.step(Event::Tick, now(UNTIL - MARGIN + 1, 10)).1, []);
}

#[test]
fn a_challenge_that_is_reorganized_away_is_the_same_challenge_when_it_comes_back() {
    let events = [
        (chain(open(1)), 10_000),
        (Event::Found(differs()), 10_050),
        (chain(ours(1, true, jury(0, 0, None, false))), 10_060),
        (chain(open(1)), 10_061),
        (chain(Seen::Absent), 10_062),
        (chain(open(1)), 10_063),
    ];
    let (_, effects) = steps(watched(), &events);
    // The same attempt each time: the sender knows it.
    let expected = [
        WORK,
        send(CHALLENGE, 0),
        send(CHALLENGE, 0),
        send(CHALLENGE, 0),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn work_stops_when_the_window_or_the_lease_is_over_and_a_vanished_result_ends() {
    let events = [
        (chain(open(1)), 10_000),
        (Event::Tick, UNTIL - MARGIN),
        (Event::Tick, UNTIL - MARGIN + 1),
        (chain(open(1)), 10_000),
        (chain(Seen::Over), 10_001),
        (chain(Seen::Absent), 10_002),
        (Event::Tick, 10_003),
    ];
    let (watched, effects) = steps(watched(), &events);
    let stop = Effect::StopWork;
    assert_eq!(effects, [WORK, stop.clone(), WORK, stop]);
    assert!(!watched.ended);
    assert!(watched.step(Event::Tick, now(10_010, 15)).0.ended);
}

fn any_jury() -> impl Strategy<Value = Round> {
    let full = prop_oneof![Just(None), (10_000..COMMIT_BY).prop_map(Some)];
    (0..=2u8, 0..=3u8, full, any::<bool>()).prop_map(|(commits, reveals, full_at, answered)| {
        let commits = if full_at.is_some() { 3 } else { commits };
        jury(commits, reveals.min(commits), full_at, answered)
    })
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let acquitted = prop_oneof![4 => Just(vec![]), 1 => Just(vec![5]), 1 => Just(vec![7])];
    prop_oneof![
        1 => Just(Seen::Absent),
        5 => (prop_oneof![9_000..UNTIL, Just(UNTIL)], 1..5u8, acquitted)
            .prop_map(|(until, number, acquitted)| Seen::Open { until, number, acquitted }),
        2 => Just(Seen::Busy),
        5 => (1..5u8, any::<bool>(), any_jury()).prop_map(|(number, sealed, jury)| ours(number, sealed, jury)),
        1 => Just(Seen::Over),
    ]
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let other = Finding::Differs(Difference {
        task: 7,
        theirs: B256::repeat_byte(9),
        proof: vec![],
        right: B256::repeat_byte(8),
    });
    prop_oneof![
        6 => Just(differs()),
        2 => Just(other),
        1 => Just(Finding::Same),
        1 => Just(Finding::Unsteady { task: 7 }),
        1 => Just(Finding::Unserved),
        1 => Just(Finding::Unfinished),
    ]
}

/// An event, the seconds and the blocks that pass before it; a restart for none.
fn any_event() -> impl Strategy<Value = (Option<Event>, u64, u64)> {
    let act = (1..5u8).prop_flat_map(|number| {
        prop_oneof![
            Just(Act::Challenge { number }),
            Just(Act::Answer { number }),
            Just(Act::Judge { number }),
        ]
    });
    let event = prop_oneof![
        6 => (any_seen(), 0..4u64).prop_map(|(seen, block)| Some(Event::Chain { seen, block })),
        3 => any_finding().prop_map(|finding| Some(Event::Found(finding))),
        2 => act.prop_map(|act| Some(Event::SendFailed(act))),
        1 => Just(Some(Event::Short)),
        3 => Just(Some(Event::Tick)),
        1 => Just(None),
    ];
    (event, prop_oneof![3 => 0..5u64, 1 => 0..400u64], 0..3u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order, reorganizations and restarts included.
    #[test]
    fn one_difference_no_secret_told_early_and_an_end(events in prop::collection::vec(any_event(), 0..60)) {
        let (mut time, mut block) = (10_000, 100);
        let mut watched = watched();
        // What is stored with the finding.
        let mut bound: Option<Difference> = None;
        let mut attempts = std::collections::BTreeMap::new();
        let mut working = false;
        for (event, seconds, blocks) in events {
            (time, block) = (time + seconds, block + blocks);
            let over = watched.ended;
            let event = match event {
                Some(Event::Chain { seen, block: back }) => Event::Chain { seen, block: block - back },
                Some(event) => event,
                // A restart reads back what was written, and then what the chain says.
                None => {
                    let row = watched.to_row();
                    let again = Watched::from_row(&row);
                    prop_assert_eq!(again.to_row(), row);
                    let seen = watched.seen.clone();
                    (watched, working) = (again, false);
                    Event::Chain { seen, block }
                }
            };
            let found = matches!(event, Event::Found(_));
            if found {
                working = false;
            }
            let (next, effects) = watched.step(event, now(time, block));
            prop_assert!(!over || effects.is_empty(), "{effects:?} after the end");
            prop_assert!(next.tries >= attempts.values().max().copied().unwrap_or(0));
            if let Some(found) = next.difference() {
                prop_assert_eq!(bound.get_or_insert_with(|| found.clone()), found, "two differences");
            }
            for effect in &effects {
                match (effect, &next.seen) {
                    (Effect::Work { until }, Seen::Open { until: seen, .. }) => {
                        prop_assert!(!working && !next.finding.as_ref().is_some_and(Finding::is_final));
                        prop_assert!(until == seen && time + MARGIN <= *until);
                        working = true;
                    }
                    (Effect::StopWork, _) => working = false,
                    (Effect::Seal { number }, Seen::Ours { number: open, sealed, jury }) => {
                        prop_assert!(number == open && !sealed && time <= jury.commit_by);
                    }
                    (Effect::Send { act, attempt }, seen) => {
                        // A new attempt only after the one before came to nothing.
                        let before = attempts.insert(*act, *attempt);
                        prop_assert!(before.is_none_or(|before| *attempt >= before));
                        prop_assert!(next.difference().is_some(), "without a difference");
                        match (act, seen) {
                            (Act::Challenge { number }, Seen::Open { until, number: open, acquitted }) => {
                                prop_assert_eq!(number, open);
                                prop_assert!(time + MARGIN <= *until && !acquitted.contains(&next.difference().unwrap().task));
                            }
                            (Act::Answer { number }, Seen::Ours { number: open, jury, .. }) => {
                                prop_assert!(number == open && jury.awaits_answer);
                                // Nobody can commit any more who could have copied it.
                                prop_assert!(jury.full_at.is_some() || time > COMMIT_BY);
                                prop_assert!(jury.commits >= 2 && time <= jury.full_at.unwrap_or(COMMIT_BY) + WINDOW);
                            }
                            (Act::Judge { number }, Seen::Ours { number: open, jury, .. }) => {
                                let due = matches!(jury.stage(time), Stage::Due { since } if since + MARGIN <= time);
                                prop_assert!(number == open && due, "judged too early");
                            }
                            other => prop_assert!(false, "{other:?}"),
                        }
                    }
                    (Effect::Forget, _) => prop_assert!(next.ended),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            // What would be lost without us is not left alone.
            if let Seen::Ours { jury, .. } = &next.seen
                && jury.awaits_answer && matches!(jury.stage(time), Stage::Reveal { .. }) && !next.ended
            {
                prop_assert!(next.needs_us(time));
            }
            watched = next;
        }
        // A lease that is over brings every watched result to its end.
        let last = Event::Chain { seen: Seen::Over, block };
        let (watched, _) = watched.step(last, now(time, block));
        let (watched, _) = watched.step(Event::Tick, now(time, block + 5));
        prop_assert!(watched.ended);
    }
}
