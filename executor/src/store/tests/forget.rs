//! What the store forgets, and what a database of the schema's first version becomes.

use super::*;

/// A database as the first version of the schema had it.
fn first_version(dir: &Path) -> Connection {
    let connection = Connection::open(dir.join(DATABASE)).unwrap();
    connection.execute_batch(MIGRATIONS[0]).unwrap();
    let pragmas = [("application_id", APPLICATION_ID), ("user_version", 1)];
    for (name, value) in pragmas {
        connection.pragma_update(None, name, value).unwrap();
    }
    connection
        .execute(
            "INSERT INTO meta (id, chain_id, market) VALUES (1, 31337, ?1)",
            [MARKET.as_slice()],
        )
        .unwrap();
    connection
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let old = first_version(dir.path());
    let row = (JOB.as_slice(), [7u8; 32], [8u8; 32]);
    old.execute(
        "INSERT INTO journal (job, first, round, kind, task, count, value, proof)
         VALUES (?1, 0, 1, 0, 4, 2, ?2, ?3)",
        row,
    )
    .unwrap();
    old.execute(
        "INSERT INTO over VALUES (?1, 0, 1, 0, 'lost', NULL, '5', 9)",
        [JOB.as_slice()],
    )
    .unwrap();
    drop(old);
    let store = open(dir.path()).unwrap();
    let bound = store.bound().await.unwrap();
    assert_eq!(bound, [(seat_of(1, 0), 4, vote(7, 8))]);
    assert_eq!(store.over().await.unwrap()[0].lost, 5);
    let version = store.call(|tx| {
        let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(version)
    });
    let newest = i64::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!(version.await.unwrap(), newest);
}

#[tokio::test]
async fn of_a_forgotten_job_only_the_totals_of_its_duties_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let over = |round, end, lost| {
        let over = Over {
            seat: seat_of(round, 0),
            tasks: Tasks { first: 4, count: 1 },
            client: Address::ZERO,
            end,
            why: None,
            lost,
        };
        Durable::Over(over, 1)
    };
    let ends = vec![
        bind(seat_of(1, 0), 4, vote(1, 2)),
        over(1, End::Lost, 30),
        over(2, End::Lost, 12),
        over(3, End::Paid, 0),
    ];
    store.commit(ends.clone()).await.unwrap();
    assert!(store.totals().await.unwrap().is_empty());
    // Twice: the job comes back, and ends again.
    for times in 1..=2 {
        store.commit(ends.clone()).await.unwrap();
        store.commit(vec![Durable::Forget(JOB)]).await.unwrap();
        assert!(store.over().await.unwrap().is_empty());
        assert!(store.bound().await.unwrap().is_empty());
        let mut totals = store.totals().await.unwrap();
        totals.sort_unstable_by_key(|(end, _)| end.name());
        let of = |duties, lost| Total { duties, lost };
        let wanted = [
            (End::Lost, of(2 * times, 42 * u128::from(times))),
            (End::Paid, of(times, 0)),
        ];
        assert_eq!(totals, wanted);
    }
    // Read again from its first block, everything is counted again.
    store.forget_chain().await.unwrap();
    assert!(store.totals().await.unwrap().is_empty());
}

#[tokio::test]
async fn intents_are_forgotten_when_nothing_of_what_they_did_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let attempt = |hash| Attempt {
        hash: B256::repeat_byte(hash),
        signer: Address::ZERO,
        nonce: hash.into(),
        raw: Vec::new(),
        max_fee: 1,
        tip: 1,
        signed: 1,
    };
    let made = block(10, 10);
    // By its event, which has the transaction 8.
    let rows = vec![event(made, 0)];
    store.set_head(made, rows, Vec::new()).await.unwrap();
    let mined = |number: u8, hash| {
        Some((
            number.into(),
            B256::repeat_byte(number),
            B256::repeat_byte(hash),
        ))
    };
    for (id, asked, hash, state, mined, is_final) in [
        ("needed", 1, 8, IntentState::Mined, mined(10, 8), true),
        ("unneeded", 1, 2, IntentState::Mined, mined(10, 2), true),
        (
            "in a young block",
            1,
            3,
            IntentState::Mined,
            mined(20, 3),
            true,
        ),
        ("young", 9, 4, IntentState::Mined, mined(10, 4), true),
        ("not final", 1, 5, IntentState::Mined, mined(10, 5), false),
        ("replaced", 1, 6, IntentState::Failed, None, true),
    ] {
        store.put_intent(new_intent(id), asked).await.unwrap();
        store
            .put_attempt(id.to_owned(), attempt(hash))
            .await
            .unwrap();
        store
            .set_intent(id.to_owned(), state, mined, None, is_final)
            .await
            .unwrap();
    }
    store.put_intent(new_intent("refused"), 1).await.unwrap();
    store
        .set_intent("refused".to_owned(), IntentState::Failed, None, None, true)
        .await
        .unwrap();
    store.forget_intents(9, 20).await.unwrap();
    for (id, is_kept) in [
        ("needed", true),
        ("unneeded", false),
        ("in a young block", true),
        ("young", true),
        ("not final", true),
        ("replaced", false),
        ("refused", false),
    ] {
        assert_eq!(
            store.intent(id.to_owned()).await.unwrap().is_some(),
            is_kept,
            "{id}"
        );
    }
    // With the job's events goes what made them.
    store.commit(vec![Durable::Forget(JOB)]).await.unwrap();
    store.forget_intents(9, 20).await.unwrap();
    assert!(store.intent("needed".to_owned()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_forgotten_job_goes_whole_with_its_last_output() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let made = block(10, 10);
    let job = JobRow {
        id: JOB,
        abi: Vec::new(),
        spec: Vec::new(),
        fee_bps: 0,
    };
    store
        .set_head(made, vec![event(made, 0)], vec![job])
        .await
        .unwrap();
    let task = TaskRow {
        task: 4,
        digest: B256::repeat_byte(6),
        outcome: "exit 0".to_owned(),
        log: Vec::new(),
    };
    store.put_task(JOB, task, 1).await.unwrap();
    for first in [4, 5] {
        store
            .put_published(JOB, first, vec![(B256::repeat_byte(6), 1)], true)
            .await
            .unwrap();
    }
    store.unpublish(JOB, 5).await.unwrap();
    store.commit(vec![Durable::Forget(JOB)]).await.unwrap();
    assert!(
        store.job(JOB).await.unwrap().is_some(),
        "a lease of it is served"
    );
    store.unpublish(JOB, 4).await.unwrap();
    assert!(store.job(JOB).await.unwrap().is_none());
    assert!(store.task(JOB, 4).await.unwrap().is_none());
}
