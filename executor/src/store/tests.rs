#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy::primitives::{Bytes, LogData};

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
        data: Bytes::from_static(b"x"),
        not_after: None,
        repeatable: true,
    }
}

#[tokio::test]
async fn a_database_of_version_1_is_carried_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("executor.sqlite"),
        include_bytes!("fixtures/v1.sqlite"),
    )
    .unwrap();
    let store = open(dir.path()).unwrap();
    let version: i64 = store
        .call(|tx| Ok(tx.pragma_query_value(None, "user_version", |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(usize::try_from(version).unwrap(), MIGRATIONS.len());
    assert_eq!(
        store.blocks().await.unwrap(),
        vec![Block {
            number: 77,
            hash: B256::repeat_byte(6),
            time: 999
        }]
    );
    assert_eq!(store.job(JOB).await.unwrap().unwrap().fee_bps, 200);
    let lease = &store.leases().await.unwrap()[0];
    assert_eq!(
        (lease.first, lease.count, lease.phase.as_str()),
        (4, 3, "running")
    );
    assert_eq!(store.tasks(JOB, 4, 3).await.unwrap()[0].log, b"hello");
    let intent = &store.open_intents().await.unwrap()[0];
    assert_eq!(
        (intent.new.id.as_str(), intent.state, intent.nonce),
        ("claim/x", IntentState::Sent, Some(9))
    );
    assert_eq!(
        store.attempts("claim/x".to_owned()).await.unwrap()[0].raw,
        b"raw"
    );
    let error = store
        .bind_digest(JOB, "4+3/1".to_owned(), "submit", B256::repeat_byte(5))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Contradiction(found) if found.bound == B256::repeat_byte(4))
    );
    // What version 2 brought works on it.
    store
        .put_published(JOB, 4, vec![(B256::repeat_byte(7), 10)])
        .await
        .unwrap();
    assert_eq!(store.published_bytes().await.unwrap(), 10);
    // And what version 3 brought.
    store.put_seat(seat_row()).await.unwrap();
    let kept = store.put_vote(seat_row().key(), vote_row(1)).await.unwrap();
    assert_eq!(kept, vote_row(1));
    // And version 4.
    let trial = TrialRow {
        spec: B256::repeat_byte(3),
        task: 4,
        same: false,
    };
    store.put_trial(trial, 9).await.unwrap();
    let again = TrialRow {
        same: true,
        ..trial
    };
    store.put_trial(again, 10).await.unwrap();
    assert_eq!(store.trial(trial.spec).await.unwrap(), Some(trial));
    assert_eq!(store.trial(JOB).await.unwrap(), None);
}

/// A database as the program of that version left it.
fn of_version(version: usize, dir: &Path) -> Connection {
    let connection = Connection::open(dir.join(DATABASE)).unwrap();
    for sql in &MIGRATIONS[..version] {
        connection.execute_batch(sql).unwrap();
    }
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection
        .pragma_update(None, "user_version", version as i64)
        .unwrap();
    connection
}

#[tokio::test]
async fn version_6_drops_what_was_watched_and_sends_no_challenge() {
    let dir = tempfile::tempdir().unwrap();
    of_version(5, dir.path())
        .execute_batch(
            "INSERT INTO jobs VALUES (zeroblob(32), x'', x'', 0);
             INSERT INTO watched VALUES (zeroblob(32), 0, 1, zeroblob(32), x'', NULL, NULL, NULL, x'', NULL, 0, 0);
             INSERT INTO reruns VALUES (zeroblob(32), 0, 1, zeroblob(32));
             INSERT INTO challenges VALUES (zeroblob(32), 0, 1, zeroblob(32), 1, 0, zeroblob(32), zeroblob(32),
                zeroblob(32), zeroblob(32), '30', 'open', '0', '0');
             INSERT INTO trials VALUES (zeroblob(32), 0, 0, 9);
             INSERT INTO intents (id, data, repeatable, state) VALUES
                ('watch-challenge/0x1/0/1/0x2/1/0', x'01', 1, 'queued'),
                ('watch-challenge/0x1/4/1/0x2/1/0', x'01', 1, 'queued'),
                ('watch-challenge/0x1/8/1/0x2/1/0', x'01', 1, 'sent'),
                ('watch-answer/0x1/0/1/0x2/1/0', x'01', 1, 'queued'),
                ('submit/0x1/0/1/0', x'01', 1, 'queued');
             INSERT INTO attempts VALUES (zeroblob(32), 'watch-challenge/0x1/4/1/0x2/1/0', 7, x'01', 1, 1, 1);",
        )
        .unwrap();
    let store = open(dir.path()).unwrap();
    let tables: i64 = store
        .call(|tx| {
            let named = "SELECT count(*) FROM sqlite_schema WHERE name IN ('watched', 'reruns', 'challenges')";
            Ok(tx.query_row(named, [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(tables, 0);
    // A spec that was found to be unsteady stays so.
    let trial = store.trial(B256::ZERO).await.unwrap();
    assert!(trial.is_some_and(|trial| !trial.same));
    // What was signed is followed to its end.
    let open = store.open_intents().await.unwrap();
    let open: Vec<&str> = open.iter().map(|intent| intent.new.id.as_str()).collect();
    assert_eq!(
        open,
        [
            "watch-challenge/0x1/4/1/0x2/1/0",
            "watch-challenge/0x1/8/1/0x2/1/0",
            "watch-answer/0x1/0/1/0x2/1/0",
            "submit/0x1/0/1/0"
        ]
    );
}

fn seat_row() -> SeatRow {
    SeatRow {
        job: JOB,
        first: 4,
        round: 2,
        challenge: 1,
        task: 5,
        count: 1,
        tries: 0,
        end: None,
    }
}

/// A vote of its own, salt and commitment of their own.
fn vote_row(tag: u8) -> VoteRow {
    let [value, proof, salt, commitment] =
        [0, 1, 2, 3].map(|n| B256::repeat_byte(tag.wrapping_mul(8) + n));
    VoteRow {
        vote: crate::seat::Vote { value, proof },
        salt,
        commitment,
    }
}

#[tokio::test]
async fn a_seat_is_kept_and_ends() {
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
    let mut row = seat_row();
    store.put_seat(row.clone()).await.unwrap();
    (row.tries, row.end) = (3, Some("paid".to_owned()));
    store.put_seat(row.clone()).await.unwrap();
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.seat(row.key()).await.unwrap(), Some(row.clone()));
    assert_eq!(store.seats().await.unwrap(), vec![row]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_seat_has_one_vote_and_one_salt_whoever_asks_and_after_every_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let key = seat_row().key();
    let tries = (0..64u8).map(|n| {
        let store = store.clone();
        // The same vote, each time under another salt.
        let new = VoteRow {
            vote: vote_row(1).vote,
            ..vote_row(n)
        };
        tokio::spawn(async move { store.put_vote(key, new).await.unwrap() })
    });
    let mut kept = Vec::new();
    for task in tries.collect::<Vec<_>>() {
        kept.push(task.await.unwrap());
    }
    kept.dedup();
    assert_eq!(kept.len(), 1);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.vote(key).await.unwrap(), Some(kept[0]));
    let again = VoteRow {
        vote: vote_row(1).vote,
        ..vote_row(99)
    };
    assert_eq!(store.put_vote(key, again).await.unwrap(), kept[0]);
    let other = store.put_vote(key, vote_row(99)).await.unwrap_err();
    assert!(
        matches!(&other, StoreError::Contradiction(found) if found.bound == kept[0].commitment && found.phase == "commit"),
        "{other}"
    );
    // Even if the vote were lost, nothing else could be committed to.
    store
        .call(|tx| Ok(tx.execute("DELETE FROM votes", [])?))
        .await
        .unwrap();
    store.put_vote(key, vote_row(99)).await.unwrap_err();
    assert_eq!(store.vote(key).await.unwrap(), None);
    // Another jury is another matter.
    let mut next = key;
    next.challenge = 2;
    store.put_vote(next, vote_row(99)).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_digests_bound_in_parallel_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let tries: Vec<_> = (0..64u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let digest = B256::repeat_byte(n + 1);
                store
                    .bind_digest(JOB, "0+4/1".to_owned(), "submit", digest)
                    .await
                    .map(|()| digest)
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tries {
        match task.await.unwrap() {
            Ok(digest) => won.push(digest),
            Err(StoreError::Contradiction(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    // The same digest is no contradiction, also after a restart; another lease is another matter.
    drop(store);
    let store = open(dir.path()).unwrap();
    store
        .bind_digest(JOB, "0+4/1".to_owned(), "submit", won[0])
        .await
        .unwrap();
    store
        .bind_digest(JOB, "0+4/2".to_owned(), "submit", B256::repeat_byte(99))
        .await
        .unwrap();
    store
        .bind_digest(JOB, "0+4/1".to_owned(), "submit", B256::repeat_byte(99))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn blocks_of_a_fork_replace_each_other_and_repeats_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let (a, b) = (block(5, 0xa), block(5, 0xb));
    let events = vec![event(a, 0), event(a, 1)];
    assert_eq!(
        store.set_head(a, events.clone(), vec![]).await.unwrap(),
        vec![JOB]
    );
    assert!(store.set_head(a, events, vec![]).await.unwrap().is_empty());
    assert_eq!(store.events_of(JOB).await.unwrap().len(), 2);
    // The block at the same height without events takes them away.
    assert_eq!(store.set_head(b, vec![], vec![]).await.unwrap(), vec![JOB]);
    assert!(store.events_of(JOB).await.unwrap().is_empty());
    assert_eq!(store.blocks().await.unwrap(), vec![b]);
    // A receipt may be ahead of the follower, and is forgotten with its block.
    let ahead = block(9, 9);
    assert_eq!(
        store.add_events(vec![event(ahead, 0)]).await.unwrap(),
        vec![JOB]
    );
    assert!(
        store
            .set_head(block(6, 6), vec![], vec![])
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.events_of(JOB).await.unwrap().len(), 1);
    assert_eq!(store.remove_block(ahead.hash).await.unwrap(), vec![JOB]);
    assert!(store.remove_block(ahead.hash).await.unwrap().is_empty());
    // A chain that became shorter takes along what was above its new end.
    store
        .set_head(ahead, vec![event(ahead, 0)], vec![])
        .await
        .unwrap();
    assert_eq!(store.set_head(b, vec![], vec![]).await.unwrap(), vec![JOB]);
    assert_eq!(store.blocks().await.unwrap(), vec![b]);
}

#[tokio::test]
async fn an_intent_id_is_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(store.put_intent(new_intent("a")).await.unwrap());
    assert!(!store.put_intent(new_intent("a")).await.unwrap());
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
    assert!(!store.put_intent(new_intent("a")).await.unwrap());
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
async fn a_blob_of_two_leases_goes_with_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let (shared, own) = (B256::repeat_byte(1), B256::repeat_byte(2));
    store
        .put_published(JOB, 0, vec![(shared, 5), (own, 7)])
        .await
        .unwrap();
    store
        .put_published(JOB, 4, vec![(shared, 5)])
        .await
        .unwrap();
    assert_eq!(store.published_bytes().await.unwrap(), 12);
    assert_eq!(store.unpublish(JOB, 0).await.unwrap(), vec![own]);
    assert_eq!(store.unpublish(JOB, 4).await.unwrap(), vec![shared]);
}
