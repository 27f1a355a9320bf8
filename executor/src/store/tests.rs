#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy::primitives::{Bytes, LogData};
use piecework_core::view::{
    Block, StoredEvent,
    lease::Key as LeaseId,
    seat::{Key as SeatId, Vote},
};
use piecework_executor_core::{
    command::Over,
    duty::{End, seat::Tasks},
    input::Verdict,
};

use super::*;

const MARKET: Address = Address::repeat_byte(0x11);
const JOB: B256 = B256::repeat_byte(1);

fn open(dir: &Path) -> Result<Store> {
    open_of(dir, 31_337, MARKET)
}

fn open_of(dir: &Path, chain_id: u64, market: Address) -> Result<Store> {
    Store::open(&Lock::take(dir)?, dir, chain_id, market)
}

fn block(number: u64, tag: u8) -> Block {
    Block {
        number,
        hash: B256::repeat_byte(tag),
        time: 1_000 + number,
    }
}

fn event(block: Block, log_index: u64) -> StoredEvent {
    let log = LogData::new_unchecked(vec![B256::repeat_byte(9), JOB], Bytes::from_static(b"data"));
    StoredEvent {
        block,
        log_index,
        tx: B256::repeat_byte(8),
        job: JOB,
        log,
    }
}

fn new_intent(id: &str) -> NewIntent {
    NewIntent {
        id: id.to_owned(),
        to: None,
        data: Bytes::from_static(b"x"),
        not_after: None,
        repeatable: true,
        deadline: Some(1_700_000_000),
        at_stake: u128::MAX - 1,
    }
}

#[test]
fn a_database_of_protocol_1_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = include_bytes!("fixtures/v1.sqlite");
    std::fs::write(dir.path().join(DATABASE), old).unwrap();
    assert_eq!(open(dir.path()).unwrap_err().code(), "store-protocol-1");
    // It is as it was.
    assert_eq!(std::fs::read(dir.path().join(DATABASE)).unwrap(), old);
}

#[tokio::test]
async fn the_first_trial_of_a_spec_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let trial = TrialRow {
        spec: B256::repeat_byte(3),
        task: 4,
        verdict: Verdict::Differs,
    };
    store.put_trial(trial, 9).await.unwrap();
    let again = TrialRow {
        verdict: Verdict::Same,
        ..trial
    };
    store.put_trial(again, 10).await.unwrap();
    let other = TrialRow {
        spec: B256::repeat_byte(4),
        verdict: Verdict::Unclear,
        ..trial
    };
    store.put_trial(other, 11).await.unwrap();
    assert_eq!(store.trials().await.unwrap(), [trial, other]);
}

#[tokio::test]
async fn the_times_of_a_market_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(store.times().await.unwrap(), None);
    assert!(!knows_times(dir.path()));
    let times = IMarket::Times {
        revealWindow: 7,
        ..Default::default()
    };
    store.put_times(&times).await.unwrap();
    assert_eq!(store.times().await.unwrap(), Some(times));
    assert!(knows_times(dir.path()));
}

fn seat_of(round: u16, kind: u8) -> SeatId {
    let lease = LeaseId {
        job: JOB,
        first: 0,
        round,
    };
    SeatId { lease, kind }
}

fn vote(value: u8, proof: u8) -> Vote {
    Vote {
        value: B256::repeat_byte(value),
        proof: B256::repeat_byte(proof),
    }
}

fn bind(seat: SeatId, task: u32, vote: Vote) -> Durable {
    Durable::Bind {
        seat,
        tasks: Tasks {
            first: task,
            count: 4,
        },
        vote,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_values_bound_in_parallel_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let seat = seat_of(1, 0);
    let tries = (0..64u8).map(|n| {
        let store = store.clone();
        let vote = vote(n + 1, 0);
        tokio::spawn(async move {
            let bound = store.commit(vec![bind(seat, 0, vote)]).await;
            bound.map(|()| vote)
        })
    });
    let mut won = Vec::new();
    for task in tries.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(vote) => won.push(vote),
            Err(StoreError::Contradiction(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    // The same value is no contradiction, also after a restart; another duty is another matter.
    drop(store);
    let store = open(dir.path()).unwrap();
    let other = vote(99, 0);
    let commit = |seat, task, vote| store.commit(vec![bind(seat, task, vote)]);
    commit(seat, 0, won[0]).await.unwrap();
    commit(seat_of(2, 0), 0, other).await.unwrap();
    commit(seat_of(1, 1), 0, other).await.unwrap();
    let error = commit(seat, 0, other).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Contradiction(found) if found.bound == won[0].value && found.phase == "result"),
        "{error}"
    );
}

#[tokio::test]
async fn a_juror_that_is_drawn_again_binds_the_same_value_under_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let seat = seat_of(1, 1);
    let commit = |task, vote| store.commit(vec![bind(seat, task, vote)]);
    for vote in [vote(1, 2), vote(1, 3), vote(1, 2)] {
        commit(5, vote).await.unwrap();
    }
    commit(5, vote(2, 2)).await.unwrap_err();
    // The jury may have another task then.
    commit(6, vote(2, 2)).await.unwrap();
    let bound = [(5, vote(1, 2)), (5, vote(1, 3)), (6, vote(2, 2))];
    let bound = bound.map(|(task, vote)| (seat, task, vote));
    assert_eq!(store.bound().await.unwrap(), bound);
}

#[tokio::test]
async fn a_step_is_written_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let send = |id| Durable::Send(new_intent(id), 7);
    let good = vec![bind(seat_of(1, 0), 0, vote(1, 1)), send("a")];
    store.commit(good).await.unwrap();
    let bad = vec![send("b"), bind(seat_of(1, 0), 0, vote(2, 1))];
    store.commit(bad).await.unwrap_err();
    assert!(store.intent("a".to_owned()).await.unwrap().is_some());
    assert!(store.intent("b".to_owned()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_end_of_a_duty_is_kept_and_tells_who_paid() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let job = JobRow {
        id: JOB,
        abi: vec![],
        spec: vec![],
        fee_bps: 0,
    };
    store
        .set_head(block(5, 5), vec![], vec![job])
        .await
        .unwrap();
    let over = |kind, end, lost| {
        let over = Over {
            seat: seat_of(1, kind),
            tasks: Tasks { first: 0, count: 4 },
            client: Address::repeat_byte(3),
            end,
            why: Some("late".to_owned()),
            lost,
        };
        store.commit(vec![Durable::Over(over, 9)])
    };
    over(0, End::Vanished, 0).await.unwrap();
    assert!(store.paying_clients().await.unwrap().is_empty());
    // It came back, and was paid; a seat of its jury lost something.
    over(0, End::Paid, 0).await.unwrap();
    over(1, End::Lost, u128::MAX).await.unwrap();
    let rows = store.over().await.unwrap();
    let ends: Vec<_> = rows.iter().map(|row| (row.end, row.lost)).collect();
    assert_eq!(ends, [(End::Paid, 0), (End::Lost, u128::MAX)]);
    let clients = store.paying_clients().await.unwrap();
    assert!(clients.into_iter().eq([Address::repeat_byte(3)]));
    // From now on nobody is owed its outputs, until it is served again.
    assert_eq!(store.settled().await.unwrap(), [(JOB, 0, 9)]);
    let blobs = vec![(B256::repeat_byte(1), 7)];
    store.put_published(JOB, 0, blobs, true).await.unwrap();
    assert!(store.settled().await.unwrap().is_empty());
    // Its job is kept as long as outputs are served, and who paid is never forgotten.
    let task = TaskRow {
        task: 0,
        digest: B256::ZERO,
        outcome: String::new(),
        log: Vec::new(),
    };
    store.put_task(JOB, task, 0).await.unwrap();
    store.commit(vec![Durable::Forget(JOB)]).await.unwrap();
    assert!(store.job(JOB).await.unwrap().is_some());
    assert_eq!(store.tasks(JOB, 0, 4).await.unwrap().len(), 1);
    store
        .call(|tx| Ok(tx.execute_batch("DELETE FROM published")?))
        .await
        .unwrap();
    store.commit(vec![Durable::Forget(JOB)]).await.unwrap();
    assert!(store.job(JOB).await.unwrap().is_none());
    assert!(store.tasks(JOB, 0, 4).await.unwrap().is_empty());
    assert_eq!(store.paying_clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_may_pass_and_a_contradiction_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    // SQLite says the same of a database that may not grow as of a disk that is full.
    store
        .call(|tx| {
            let pages: i64 = tx.pragma_query_value(None, "page_count", |row| row.get(0))?;
            Ok(tx.pragma_update(None, "max_page_count", pages)?)
        })
        .await
        .unwrap();
    let large = JobRow {
        id: JOB,
        abi: vec![0; 1 << 20],
        spec: vec![],
        fee_bps: 0,
    };
    let full = store
        .set_head(block(5, 5), vec![], vec![large])
        .await
        .unwrap_err();
    assert!(full.may_pass(), "{full}");
    assert!(!StoreError::Closed.may_pass());
}

#[tokio::test]
async fn a_newer_a_foreign_and_another_markets_database_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(50));
    let other = open_of(dir.path(), 31_337, Address::repeat_byte(0x22)).unwrap_err();
    assert_eq!(other.code(), "store-other-market");
    assert_eq!(
        open_of(dir.path(), 1, MARKET).unwrap_err().code(),
        "store-other-market"
    );
    let path = dir.path().join("executor.sqlite");
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let newer = open(dir.path()).unwrap_err();
    assert!(newer.to_string().contains("version 99"), "{newer}");
    let foreign = tempfile::tempdir().unwrap();
    Connection::open(foreign.path().join("executor.sqlite"))
        .unwrap()
        .execute_batch("CREATE TABLE a (b)")
        .unwrap();
    assert_eq!(open(foreign.path()).unwrap_err().code(), "store-foreign");
}

#[tokio::test]
async fn one_state_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    assert_eq!(open(dir.path()).unwrap_err().code(), "store-locked");
    drop(first);
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn blocks_of_a_fork_replace_each_other_and_repeats_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let (a, b) = (block(5, 0xa), block(5, 0xb));
    let head = async |block: Block, events: Vec<StoredEvent>| {
        let change = store.set_head(block, events, vec![]).await.unwrap();
        (change.rewound, change.events.len())
    };
    let known = async || store.events().await.unwrap().len();
    let events = vec![event(a, 0), event(a, 1)];
    assert_eq!(head(a, events.clone()).await, (None, 2));
    assert_eq!(head(a, events).await, (None, 0));
    assert_eq!(known().await, 2);
    // The block at the same height without events takes them away.
    assert_eq!(head(b, vec![]).await, (Some(4), 0));
    assert_eq!(known().await, 0);
    assert_eq!(store.blocks().await.unwrap(), [b]);
    let (above, higher) = (block(6, 6), block(9, 9));
    assert_eq!(head(above, vec![event(above, 0)]).await, (None, 1));
    assert_eq!(head(higher, vec![event(higher, 0)]).await, (None, 1));
    // A chain that became shorter takes along what was above its new end, and nothing else.
    assert_eq!(head(above, vec![]).await, (Some(6), 0));
    assert_eq!(known().await, 1);
    assert_eq!(store.blocks().await.unwrap(), [b, above]);
    assert_eq!(head(b, vec![]).await, (Some(5), 0));
    assert_eq!(known().await, 0);
}

#[tokio::test]
async fn an_event_that_was_missed_is_added_to_its_own_block_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let (one, two) = (block(5, 5), block(6, 6));
    for (block, events) in [(one, vec![event(one, 0)]), (two, vec![event(two, 3)])] {
        store.set_head(block, events, vec![]).await.unwrap();
    }
    // As a receipt shows it, which does not tell the time.
    let shown = |number, hash, index| {
        let block = Block {
            time: 0,
            ..block(number, hash)
        };
        event(block, index)
    };
    let known = vec![shown(5, 5, 0)];
    assert!(store.missed(known).await.unwrap().is_empty());
    let elsewhere = vec![shown(5, 9, 1), shown(7, 7, 1)];
    assert!(store.add_missed(elsewhere).await.unwrap().is_none());
    let both = vec![shown(5, 5, 0), shown(5, 5, 1)];
    let missed = store.missed(both).await.unwrap();
    assert_eq!((missed.len(), missed[0].block), (1, one));
    let (head, events) = store.add_missed(missed.clone()).await.unwrap().unwrap();
    let places: Vec<_> = events.iter().map(|at| (at.block, at.log_index)).collect();
    assert_eq!((head, places), (two, vec![(one, 0), (one, 1), (two, 3)]));
    assert!(store.add_missed(missed).await.unwrap().is_none());
}

#[tokio::test]
async fn an_intent_id_is_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(store.put_intent(new_intent("a"), 7).await.unwrap());
    assert!(!store.put_intent(new_intent("a"), 7).await.unwrap());
    store
        .set_intent(
            "a".to_owned(),
            IntentState::Failed,
            None,
            Some("why".to_owned()),
            true,
        )
        .await
        .unwrap();
    assert!(!store.put_intent(new_intent("a"), 7).await.unwrap());
    assert_eq!(
        store
            .intent("a".to_owned())
            .await
            .unwrap()
            .unwrap()
            .error
            .as_deref(),
        Some("why")
    );
    assert!(store.open_intents().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_intent_keeps_whom_it_calls() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let to = Some(Address::repeat_byte(5));
    let intent = NewIntent {
        to,
        ..new_intent("keep")
    };
    store.put_intent(intent.clone(), 7).await.unwrap();
    store.put_intent(new_intent("claim"), 7).await.unwrap();
    let open = store.open_intents().await.unwrap();
    let open: Vec<NewIntent> = open.into_iter().map(|intent| intent.new).collect();
    assert_eq!(open, [intent, new_intent("claim")]);
}

#[tokio::test]
async fn a_blob_of_two_leases_goes_with_the_last_and_is_open_when_one_opened_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let (shared, own) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let blobs = vec![(shared, 5), (own, 7)];
    store.put_published(JOB, 0, blobs, false).await.unwrap();
    assert!(store.offers(JOB, 0, own).await.unwrap());
    assert!(!store.offers(JOB, 4, own).await.unwrap());
    assert!(!store.is_open(shared, None).await.unwrap());
    store
        .put_published(JOB, 4, vec![(shared, 5)], true)
        .await
        .unwrap();
    assert!(store.is_open(shared, Some(JOB)).await.unwrap());
    assert!(!store.is_open(shared, Some(B256::ZERO)).await.unwrap());
    // What is open stays so.
    store
        .put_published(JOB, 4, vec![(shared, 5)], false)
        .await
        .unwrap();
    assert!(store.is_open(shared, None).await.unwrap());
    assert!(!store.is_open(own, None).await.unwrap());
    assert_eq!(store.published_bytes().await.unwrap(), 12);
    assert_eq!(store.unpublish(JOB, 0).await.unwrap(), vec![own]);
    assert_eq!(store.unpublish(JOB, 4).await.unwrap(), vec![shared]);
}

#[tokio::test]
async fn a_copy_made_while_the_store_is_written_remembers_what_was_bound() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copied) = (dir.path().join("home"), dir.path().join("copy"));
    let bind = |digest| Durable::Bind {
        seat: SeatId {
            lease: LeaseId {
                job: JOB,
                first: 0,
                round: 1,
            },
            kind: 0,
        },
        tasks: Tasks { first: 0, count: 4 },
        vote: Vote {
            value: B256::repeat_byte(digest),
            proof: B256::ZERO,
        },
    };
    let store = open(&home).unwrap();
    store.commit(vec![bind(1)]).await.unwrap();
    std::fs::create_dir(&copied).unwrap();
    assert!(copy(&home, &copied).unwrap());
    store.commit(vec![bind(1)]).await.unwrap();
    let restored = open(&copied).unwrap();
    let error = restored.commit(vec![bind(2)]).await.unwrap_err();
    assert_eq!(error.code(), "contradiction");
    assert!(!copy(dir.path(), &copied).unwrap(), "there was nothing");
}

mod forget;
