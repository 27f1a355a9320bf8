#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy::primitives::B256;
use proptest::prelude::*;

use super::*;
use crate::lease;

const COMMIT_BY: u64 = 10_800;
const WINDOW: u64 = 300;
const LEAVE_AT: u64 = 10_400;

fn vote(tag: u8) -> Vote {
    Vote {
        value: B256::repeat_byte(tag),
        proof: B256::repeat_byte(tag),
    }
}

fn now(time: u64, block: u64) -> Now {
    Now {
        time,
        block,
        margin: 12,
        confirmations: 5,
    }
}

fn seat() -> Seat {
    let lease = lease::Key {
        job: B256::repeat_byte(1),
        first: 4,
        round: 1,
    };
    let work = Work { first: 4, count: 4 };
    Seat::new(Key { lease, kind: 0 }, work)
}

/// Three seats, two equal votes make the quorum; ours is the second seat.
fn round(commits: u8, opened: u8) -> Round {
    Round {
        begun: true,
        closed: false,
        closes_at: LEAVE_AT + 1_000,
        commit_by: COMMIT_BY,
        reveal_window: WINDOW,
        quorum: 2,
        commits,
        opened,
        full_at: None,
        opened_at: 0,
        leave_at: LEAVE_AT,
        rank: 1,
    }
}

/// One that waits for its Q-th seat.
fn waiting() -> Round {
    Round {
        begun: false,
        commit_by: LEAVE_AT + 1_000,
        ..round(0, 0)
    }
}

fn full(at: u64, opened: u8) -> Round {
    Round {
        full_at: Some(at),
        opened_at: if opened > 0 { at + 10 } else { 0 },
        ..round(3, opened)
    }
}

fn chain(mine: Mine, round: Round) -> Event {
    Event::Chain {
        mine,
        round,
        block: 10,
    }
}

fn send(act: Act, attempt: u32) -> Effect {
    Effect::Send { act, attempt }
}

fn steps(seat: Seat, events: &[(Event, u64)]) -> (Seat, Vec<Effect>) {
    events
        .iter()
        .fold((seat, Vec::new()), |(seat, mut all), (event, time)| {
            let (seat, effects) = seat.step(*event, now(*time, 10));
            all.extend(effects);
            (seat, all)
        })
}

#[test]
fn the_ordinary_life() {
    let (seat, effects) = steps(
        seat(),
        &[
            (chain(Mine::Joined, round(0, 0)), 10_000),
            (Event::Finished(vote(1)), 10_050),
            (chain(Mine::Committed, round(1, 0)), 10_052),
            (chain(Mine::Committed, full(10_060, 0)), 10_060),
            // The first seat is let go first.
            (Event::Tick, 10_062),
            (Event::Tick, 10_063),
            (chain(Mine::Opened, full(10_060, 2)), 10_064),
            (chain(Mine::Closed(End::Paid), full(10_060, 3)), 10_066),
            (Event::Tick, 10_070),
        ],
    );
    assert_eq!(
        effects,
        [
            Effect::Run,
            send(Act::Commit, 0),
            send(Act::Open, 0),
            Effect::Publish
        ]
    );
    assert_eq!((seat.phase(), seat.end), ("settled", None));
    let (seat, effects) = seat.step(Event::Tick, now(10_080, 15));
    assert_eq!(seat.end, Some(End::Paid));
    assert_eq!(effects, [Effect::StopWork, Effect::Forget(End::Paid)]);
    assert_eq!(seat.step(Event::Restarted, now(10_090, 16)).1, []);
}

#[test]
fn an_act_has_the_deadline_and_the_stake_of_its_stage() {
    let by = |mine, round, act, time| {
        let (seat, _) = steps(seat(), &[(chain(mine, round), 10_000)]);
        seat.act_by(act, time, 50)
    };
    let joined = by(Mine::Joined, round(0, 0), Act::Commit, 10_000);
    assert_eq!(joined, Some((COMMIT_BY, 50)));
    let absent = by(Mine::Absent, round(0, 0), Act::Commit, 10_000);
    assert_eq!(absent, Some((COMMIT_BY, 0)));
    let open = by(Mine::Committed, full(10_060, 0), Act::Open, 10_063);
    assert_eq!(open, Some((10_060 + WINDOW, 50)));
    let leave = by(Mine::Joined, round(0, 0), Act::Leave, 10_000);
    assert_eq!(leave, Some((COMMIT_BY, 50)));
    // A round that has not begun asks for nothing, and anyone may settle.
    assert_eq!(by(Mine::Joined, waiting(), Act::Leave, 10_000), None);
    assert_eq!(by(Mine::Opened, full(10_060, 3), Act::Settle, 10_090), None);
}

#[test]
fn with_a_seat_missing_openings_wait_for_the_time_of_commitments() {
    let committed = [
        (chain(Mine::Joined, round(0, 0)), 10_000),
        (Event::Finished(vote(1)), 10_050),
        (chain(Mine::Committed, round(2, 0)), 10_052),
        (Event::Tick, COMMIT_BY),
        (Event::Tick, COMMIT_BY + 3),
    ];
    let (seat, effects) = steps(seat(), &committed);
    assert_eq!(effects, [Effect::Run, send(Act::Commit, 0)]);
    let (seat, effects) = seat.step(Event::Tick, now(COMMIT_BY + 4, 10));
    assert_eq!(effects, [send(Act::Open, 0)]);
    // The other one stays silent: its window is waited for, and then another's turn.
    let waits = [
        (chain(Mine::Opened, round(2, 1)), COMMIT_BY + 5),
        (Event::Tick, COMMIT_BY + WINDOW),
        (Event::Tick, COMMIT_BY + WINDOW + 3),
    ];
    let (seat, effects) = steps(seat, &waits);
    assert_eq!(effects, []);
    let (_, effects) = seat.step(Event::Tick, now(COMMIT_BY + WINDOW + 4, 10));
    assert_eq!(effects, [send(Act::Settle, 0)]);
}

#[test]
fn nobody_is_waited_for_that_has_opened() {
    let events = [
        (chain(Mine::Committed, full(10_060, 0)), 10_060),
        (chain(Mine::Committed, full(10_060, 1)), 10_060),
    ];
    let (_, effects) = steps(seat(), &events);
    assert_eq!(effects, [send(Act::Open, 0)]);
}

#[test]
fn nobody_works_before_the_round_begins_and_a_seat_that_waits_too_long_is_left() {
    let events = [
        (chain(Mine::Joined, waiting()), 10_000),
        (Event::Tick, LEAVE_AT),
    ];
    let (waits, effects) = steps(seat(), &events);
    assert_eq!(
        (effects, waits.phase(), waits.needs_us()),
        (vec![], "joined", false)
    );
    let begun = (chain(Mine::Joined, round(0, 0)), 10_100);
    assert_eq!(steps(waits.clone(), &[begun]).1, [Effect::Run]);
    let (_, effects) = waits.clone().step(Event::Tick, now(LEAVE_AT + 1, 10));
    assert_eq!(effects, [send(Act::Leave, 0)]);
    // Where the job is over it is left at once, a commitment too.
    let over = Round {
        closed: true,
        ..waiting()
    };
    for mine in [Mine::Joined, Mine::Committed] {
        let over = (chain(mine, over), 10_100);
        assert_eq!(steps(waits.clone(), &[over]).1, [send(Act::Leave, 0)]);
    }
    let (_, effects) = steps(seat(), &[(chain(Mine::Committed, waiting()), 10_000)]);
    assert_eq!(effects, []);
}

#[test]
fn work_that_fails_leaves_the_seat_and_a_juror_cannot() {
    let events = [
        (chain(Mine::Joined, round(0, 0)), 10_000),
        (Event::Failed, 10_050),
    ];
    let (_, effects) = steps(seat(), &events);
    assert_eq!(effects, [Effect::Run, send(Act::Leave, 0)]);
    let mut juror = seat();
    juror.key.kind = 1;
    let (_, effects) = steps(juror, &events);
    assert_eq!(effects, [Effect::Run]);
}

#[test]
fn a_prospect_works_first_and_its_commitment_takes_the_seat() {
    let Seat { key, work, .. } = seat();
    let begin = Seat::prospect(key, work, COMMIT_BY);
    assert!(begin.is_bonded());
    let events = [
        (Event::Tick, 10_000),
        (chain(Mine::Absent, round(1, 0)), 10_020),
        (Event::Finished(vote(1)), 10_050),
    ];
    let (done, effects) = steps(begin.clone(), &events);
    assert_eq!(effects, [Effect::Run, send(Act::Commit, 0)]);
    let (taken, effects) = steps(
        done.clone(),
        &[(chain(Mine::Committed, round(2, 0)), 10_052)],
    );
    assert_eq!((effects, taken.prospect), (vec![], false));
    // Others were quicker: nothing was bound.
    let (lost, effects) = done.step(Event::SendFailed(Act::Commit), now(10_051, 10));
    assert_eq!((effects, lost.is_bonded()), (vec![], false));
    let (_, effects) = lost.step(Event::Tick, now(10_060, 15));
    assert_eq!(effects, [Effect::StopWork, Effect::Forget(End::Vanished)]);
    // So is work that fails, and work for a seat that is taken, or that is over.
    for event in [
        Event::Failed,
        chain(
            Mine::Absent,
            Round {
                closed: true,
                ..round(3, 0)
            },
        ),
    ] {
        let (lost, _) = steps(begin.clone(), &[(Event::Tick, 10_000), (event, 10_010)]);
        assert!(!lost.is_bonded() && lost.end.is_none());
        let (lost, _) = lost.step(Event::Tick, now(10_020, 15));
        assert_eq!(lost.end, Some(End::Vanished));
    }
    let (late, _) = steps(begin, &[(Event::Tick, COMMIT_BY + 1)]);
    assert!(!late.is_bonded());
}

#[test]
fn what_an_act_waits_for_is_asked_for_again_in_the_same_attempt() {
    let ready = (chain(Mine::Committed, full(10_060, 1)), 10_060);
    let events = [
        ready,
        (Event::Waits(Act::Open), 10_061),
        (Event::Tick, 10_062),
    ];
    let (_, effects) = steps(seat(), &events);
    assert_eq!(effects, [send(Act::Open, 0), send(Act::Open, 0)]);
}

#[test]
fn who_comes_last_commits_too_though_there_is_a_quorum_without_it() {
    let events = [
        (chain(Mine::Joined, round(2, 0)), 10_000),
        (Event::Finished(vote(1)), COMMIT_BY),
    ];
    let (_, effects) = steps(seat(), &events);
    assert_eq!(effects, [Effect::Run, send(Act::Commit, 0)]);
}

#[test]
fn with_too_few_commitments_nothing_is_opened_and_the_round_is_ended() {
    let (_, effects) = steps(
        seat(),
        &[
            (chain(Mine::Joined, round(0, 0)), 10_000),
            (Event::Finished(vote(1)), 10_050),
            (chain(Mine::Committed, round(1, 0)), 10_052),
            (Event::Tick, COMMIT_BY + 1),
            (Event::Tick, COMMIT_BY + 4),
            (
                chain(Mine::Closed(End::Released), round(1, 0)),
                COMMIT_BY + 5,
            ),
        ],
    );
    let expected = [Effect::Run, send(Act::Commit, 0), send(Act::Settle, 0)];
    assert_eq!(effects, expected);
}

#[test]
fn a_refused_act_is_tried_again_a_second_later_and_one_of_the_past_is_not() {
    let events = [
        (chain(Mine::Joined, round(0, 0)), 10_000),
        (Event::Finished(vote(1)), 10_050),
        (Event::SendFailed(Act::Commit), 10_051),
        (Event::Tick, 10_051),
        (Event::Tick, 10_052),
        (Event::SendFailed(Act::Open), 10_053),
        (Event::Tick, 10_060),
    ];
    let (seat, effects) = steps(seat(), &events);
    let expected = [Effect::Run, send(Act::Commit, 0), send(Act::Commit, 1)];
    assert_eq!(effects, expected);
    // After a restart the same attempt is asked for, and the store knows it.
    let (_, effects) = seat.step(Event::Restarted, now(10_061, 10));
    assert_eq!(effects, [send(Act::Commit, 1)]);
}

#[test]
fn work_that_would_come_too_late_is_given_up_and_its_seat_left() {
    let events = [
        (chain(Mine::Joined, round(0, 0)), 10_000),
        (Event::Tick, COMMIT_BY - 12),
        (Event::Tick, COMMIT_BY - 11),
        (Event::Tick, COMMIT_BY + 4),
    ];
    let (seat, effects) = steps(seat(), &events);
    let expected = [
        Effect::Run,
        Effect::StopWork,
        send(Act::Leave, 0),
        send(Act::Settle, 0),
    ];
    assert_eq!(effects, expected);
    assert!(
        !seat
            .clone()
            .step(Event::Failed, now(COMMIT_BY, 10))
            .0
            .needs_us()
    );
    assert!(seat.is_bonded());
}

#[test]
fn a_commitment_that_is_reorganized_away_is_asked_for_again() {
    let events = [
        (chain(Mine::Joined, round(0, 0)), 10_000),
        (Event::Finished(vote(1)), 10_050),
        (chain(Mine::Committed, round(1, 0)), 10_052),
        (chain(Mine::Joined, round(0, 0)), 10_053),
        (Event::Finished(vote(2)), 10_054),
        (chain(Mine::Absent, round(0, 0)), 10_055),
    ];
    let (seat, effects) = steps(seat(), &events);
    let expected = [Effect::Run, send(Act::Commit, 0), send(Act::Commit, 0)];
    assert_eq!(effects, expected);
    assert_eq!(seat.vote, Some(vote(1)));
    let (seat, effects) = seat.step(Event::Tick, now(10_060, 15));
    assert_eq!(seat.end, Some(End::Vanished));
    assert_eq!(effects.last(), Some(&Effect::Forget(End::Vanished)));
}

fn any_round() -> impl Strategy<Value = Round> {
    let full = prop_oneof![
        2 => Just(None),
        3 => (10_000..COMMIT_BY).prop_map(Some),
    ];
    (0..=3u8, 0..=3u8, full, any::<bool>(), 0..4u8, any::<bool>()).prop_map(
        |(commits, opened, full_at, begun, rank, closed)| {
            let commits = if full_at.is_some() { 3 } else { commits.min(2) };
            if !begun && full_at.is_none() {
                return Round {
                    closed,
                    rank,
                    ..waiting()
                };
            }
            Round {
                full_at,
                rank,
                closed,
                opened_at: full_at.unwrap_or(COMMIT_BY) + 10,
                ..round(commits, opened.min(commits))
            }
        },
    )
}

fn any_mine() -> impl Strategy<Value = Mine> {
    prop_oneof![
        1 => Just(Mine::Absent),
        4 => Just(Mine::Joined),
        4 => Just(Mine::Committed),
        3 => Just(Mine::Opened),
        1 => prop_oneof![Just(End::Paid), Just(End::Lost), Just(End::Released)].prop_map(Mine::Closed),
    ]
}

/// An event, the seconds and the blocks that pass before it.
fn any_event() -> impl Strategy<Value = (Event, u64, u64)> {
    let act = prop_oneof![
        Just(Act::Commit),
        Just(Act::Open),
        Just(Act::Settle),
        Just(Act::Leave)
    ];
    let event = prop_oneof![
        5 => (any_mine(), any_round(), 0..4u64)
            .prop_map(|(mine, round, block)| Event::Chain { mine, round, block }),
        3 => (0..5u8).prop_map(|tag| Event::Finished(vote(tag))),
        1 => Just(Event::Failed),
        3 => act.clone().prop_map(Event::SendFailed),
        1 => act.prop_map(Event::Waits),
        3 => Just(Event::Tick),
        2 => Just(Event::Restarted),
    ];
    (event, prop_oneof![3 => 0..5u64, 1 => 0..400u64], 0..3u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order, reorganizations and restarts included.
    #[test]
    fn one_vote_no_secret_told_early_and_an_end(
        events in prop::collection::vec(any_event(), 0..60), last in any_mine(), rest in any_round(),
    ) {
        let (mut time, mut block) = (10_000, 100);
        let mut seat = seat();
        // What is stored with the first commitment.
        let mut bound: Option<Vote> = None;
        let mut attempts = std::collections::BTreeMap::new();
        let mut over = false;
        for (event, seconds, blocks) in events {
            (time, block) = (time + seconds, block + blocks);
            let event = match event {
                Event::Chain { mine, round, block: back } => Event::Chain { mine, round, block: block - back },
                other => other,
            };
            // A restart reads back what was written, and then what the chain says.
            if event == Event::Restarted && seat.end.is_none() {
                let row = seat.to_row();
                let kept = bound.map(|vote| crate::store::VoteRow { vote, salt: B256::ZERO, commitment: B256::ZERO });
                let mut again = Seat::from_row(&row, kept.as_ref()).unwrap();
                prop_assert_eq!(again.to_row(), row);
                (again.mine, again.round, again.since) = (seat.mine, seat.round, seat.since);
                seat = again;
            }
            let (next, effects) = seat.step(event, now(time, block));
            prop_assert!(!over || effects.is_empty(), "{effects:?} after the end");
            let stage = next.round.stage(time);
            for effect in &effects {
                match *effect {
                    Effect::Send { act, attempt } => {
                        // A new attempt only after the one before came to nothing.
                        let before = attempts.insert(act, attempt);
                        prop_assert!(before.is_none_or(|before| attempt >= before));
                        match act {
                            Act::Commit => {
                                prop_assert_eq!(next.mine, Mine::Joined);
                                prop_assert!(time <= COMMIT_BY && next.round.full_at.is_none());
                                let vote = next.vote.unwrap();
                                prop_assert_eq!(*bound.get_or_insert(vote), vote, "two votes");
                            }
                            Act::Open => {
                                prop_assert_eq!(next.mine, Mine::Committed);
                                // Nobody can commit who could have copied it.
                                prop_assert!(next.round.full_at.is_some() || time > COMMIT_BY);
                                prop_assert!(next.round.commits >= 2);
                                prop_assert!(time <= next.round.full_at.unwrap_or(COMMIT_BY) + WINDOW);
                            }
                            Act::Leave => {
                                let Round { begun, closed, leave_at, .. } = next.round;
                                match begun {
                                    true => prop_assert_eq!((next.mine, stage), (Mine::Joined, Stage::Commit)),
                                    false => prop_assert!(closed || next.failed || time > leave_at),
                                }
                            }
                            Act::Settle => {
                                let due = matches!(stage, Stage::Due { since } if since <= time);
                                prop_assert!(due, "settled too early");
                            }
                        }
                    }
                    Effect::Publish => prop_assert_eq!(next.mine, Mine::Closed(End::Paid)),
                    Effect::Forget(_) => over = true,
                    Effect::Run => prop_assert_eq!(next.mine, Mine::Joined),
                    Effect::StopWork => {}
                }
            }
            seat = next;
        }
        // A chain that comes to rest brings every seat to its end: what is sent is mined.
        // Nothing is opened before a round begins.
        let mut mine = match last {
            Mine::Opened if !rest.begun => Mine::Joined,
            last => last,
        };
        for _ in 0..20 {
            (time, block) = (time + 1_000, block + 6);
            let (next, effects) = seat.step(Event::Chain { mine, round: rest, block: block - 6 }, now(time, block));
            let (next, more) = next.step(Event::Tick, now(time, block));
            seat = next;
            let ends = |effect| matches!(effect, Effect::Send { act: Act::Settle | Act::Leave, .. });
            if effects.into_iter().chain(more).any(ends) {
                mine = Mine::Closed(End::Lost);
            }
            for act in [Act::Settle, Act::Leave] {
                (seat, _) = seat.step(Event::SendFailed(act), now(time, block));
            }
        }
        prop_assert!(seat.end.is_some(), "{seat:?}, the chain says {mine:?}");
    }
}
