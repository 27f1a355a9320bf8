#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy::primitives::{Bytes, LogData};
use piecework_core::view::{Block, StoredEvent};

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

fn seat_row() -> SeatRow {
    SeatRow {
        job: JOB,
        first: 4,
        round: 2,
        kind: 1,
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
    next.kind = 2;
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
                let bound = store.bind_digest(lease_of_round(1), 4, "submit", digest);
                bound.await.map(|()| digest)
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
    let other = B256::repeat_byte(99);
    let bind = |key, count, digest| store.bind_digest(key, count, "submit", digest);
    bind(lease_of_round(1), 4, won[0]).await.unwrap();
    bind(lease_of_round(2), 4, other).await.unwrap();
    bind(lease_of_round(1), 3, other).await.unwrap();
    let mut jurors = lease_of_round(1);
    jurors.kind = 1;
    bind(jurors, 4, other).await.unwrap();
    bind(lease_of_round(1), 4, other).await.unwrap_err();
}

fn lease_of_round(round: u16) -> crate::seat::Key {
    let lease = crate::lease::Key {
        job: JOB,
        first: 0,
        round,
    };
    crate::seat::Key { lease, kind: 0 }
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
    // A receipt may be ahead of the follower.
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
    // Another block at its height takes it away, and a receipt that comes late does not bring it back.
    let other = store.set_head(block(9, 0xc), vec![], vec![]).await.unwrap();
    assert_eq!(other, vec![JOB]);
    let late = store.add_events(vec![event(ahead, 0)]).await.unwrap();
    assert!(late.is_empty() && store.events_of(JOB).await.unwrap().is_empty());
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
