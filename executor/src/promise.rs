//! Room for bonded work that is begun, kept while nobody does it: after a start, for all chains before any of them takes
//! new work; and while a chain's control is started again. A chain whose node answers late, or not yet, finds the machine
//! it had promised on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{primitives::B256, sol_types::SolValue as _};
use piecework_core::{chain::IMarket, spec::JobSpec, view::JobView};
use tokio::time::Instant;

use crate::{
    capacity::{Capacity, Reservation},
    control::{Wish, wished},
    lease, seat,
    store::{Intent, IntentState, Store, StoreError},
};

/// Phases of a lease in which something is owed to the chain, so that nobody stops without it.
const OWED: [&str; 3] = ["running", "submitting", "leaving"];

/// The rooms of one chain; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promised(Arc<Mutex<Rooms>>);

/// What room is kept for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A lease or a seat.
    Work(seat::Key),
    /// A claim on its way, by its intent.
    Claim(String),
}

#[derive(Debug, Default)]
struct Rooms {
    kept: HashMap<What, Reservation>,
    /// When each of them is of no use any more; also of what was taken since, which may come back.
    until: HashMap<What, Instant>,
}

impl Promised {
    /// Takes room for one task at a time of everything that is unfinished in a store.
    pub(crate) async fn of(store: &Store, capacity: &Capacity) -> Result<Self, StoreError> {
        let rooms = Rooms::of(store, capacity, HashMap::new()).await?;
        Ok(Self(Arc::new(Mutex::new(rooms))))
    }

    /// The same again, before a control that will be started again lets go of what it has. No room is kept longer for that.
    pub(crate) async fn renew(&self, store: &Store, capacity: &Capacity) {
        let until = self.lock().until.clone();
        match Rooms::of(store, capacity, until).await {
            Ok(rooms) => *self.lock() = rooms,
            Err(error) => tracing::warn!(%error, "no room is kept for what is unfinished"),
        }
    }

    /// The room of a lease or a seat; it is the caller's from now on.
    pub(crate) fn take(&self, key: seat::Key) -> Option<Reservation> {
        self.lock().kept.remove(&What::Work(key))
    }

    /// The room of a claim on its way, and when it is of no use any more.
    pub(crate) fn take_claim(&self, id: &str) -> Option<(Reservation, Instant)> {
        let mut rooms = self.lock();
        let what = What::Claim(id.to_owned());
        let room = rooms.kept.remove(&what)?;
        Some((room, *rooms.until.get(&what)?))
    }

    /// Gives back what nobody has taken by now.
    pub(crate) fn give_back(&self) {
        *self.lock() = Rooms::default();
    }

    /// Gives back what is of no use any more, also where the chain is silent.
    pub(crate) fn give_back_late(&self) {
        let now = Instant::now();
        let mut rooms = self.lock();
        let Rooms { kept, until } = &mut *rooms;
        kept.retain(|what, _| until.get(what).is_some_and(|until| now < *until));
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    async fn of(
        store: &Store,
        capacity: &Capacity,
        until: HashMap<What, Instant>,
    ) -> Result<Self, StoreError> {
        let kept = HashMap::new();
        let mut rooms = Self { kept, until };
        for (key, first, count) in unfinished(store).await? {
            let job = key.lease.job;
            let known = store.tasks(job, first, count).await?.len();
            let done = u32::try_from(known).is_ok_and(|known| known >= count);
            if !done {
                rooms.keep(store, capacity, What::Work(key), job).await?;
            }
        }
        for (id, job) in claims(store).await? {
            rooms.keep(store, capacity, What::Claim(id), job).await?;
        }
        Ok(rooms)
    }

    async fn keep(
        &mut self,
        store: &Store,
        capacity: &Capacity,
        what: What,
        job: B256,
    ) -> Result<(), StoreError> {
        let Some(row) = store.job(job).await? else {
            return Ok(());
        };
        let (Ok(spec), Ok(job)) = (
            JobSpec::parse(&row.spec),
            IMarket::Job::abi_decode(&row.abi),
        ) else {
            return Ok(());
        };
        let now = Instant::now();
        let until = self.until.entry(what.clone());
        if now < *until.or_insert_with(|| now + longest(&job.timing)) {
            self.kept.insert(what, capacity.force(spec.resources));
        }
        Ok(())
    }
}

/// How long room for a job that begins now can be of use: no lease or seat of it runs longer.
pub(crate) fn longest(timing: &IMarket::Timing) -> Duration {
    Duration::from_secs(timing.runWindow.saturating_add(60))
}

/// Whether a store has promises that only its chain can end: then nobody should stop before it answers.
pub(crate) async fn owes(store: &Store) -> Result<bool, StoreError> {
    let leases = store.leases().await?;
    Ok(leases.iter().any(|row| OWED.contains(&row.phase.as_str()))
        || store.seats().await?.iter().any(|row| row.end.is_none())
        || store.open_intents().await?.iter().any(asks_for_work)
        || !claims(store).await?.is_empty())
}

/// Whether an intent on its way may bind stake when it is mined.
fn asks_for_work(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::Queued | IntentState::Sent)
        && wished(&intent.new.id).is_some()
}

/// Leases and seats with tasks to run: the key, the first of their tasks and how many.
async fn unfinished(store: &Store) -> Result<Vec<(seat::Key, u32, u32)>, StoreError> {
    let mut found = Vec::new();
    for row in store.leases().await? {
        if row.phase == "running" {
            let lease = lease::Key {
                job: row.job,
                first: row.first,
                round: row.round,
            };
            let key = seat::Key { lease, kind: 0 };
            found.push((key, row.first, row.count));
        }
    }
    for row in store.seats().await? {
        let key = row.key();
        if row.end.is_none() && store.vote(key).await?.is_none() {
            found.push((key, row.task, row.count));
        }
    }
    Ok(found)
}

/// Claims that got something which is not written down, or may get something: their intents and jobs.
async fn claims(store: &Store) -> Result<Vec<(String, B256)>, StoreError> {
    let mut found = Vec::new();
    for intent in store.open_intents().await? {
        let Some((job, wish)) = wished(&intent.new.id) else {
            continue;
        };
        let open = match (intent.state, wish) {
            (_, Wish::Renew(_) | Wish::Settle(_)) | (IntentState::Failed, _) => false,
            (IntentState::Queued | IntentState::Sent, _) => true,
            // The process may have died before it read the claim's block.
            (IntentState::Mined, Wish::Seat(key)) => store.seat(key).await?.is_none(),
            (IntentState::Mined, _) => !is_written(store, job, intent.mined).await?,
        };
        if open {
            found.push((intent.new.id, job));
        }
    }
    Ok(found)
}

/// Whether the lease that was claimed in this transaction is written down.
async fn is_written(
    store: &Store,
    job: B256,
    mined: Option<(u64, B256, B256)>,
) -> Result<bool, StoreError> {
    let view = JobView::fold(&store.events_of(job).await?);
    let claimed = view
        .leases
        .iter()
        .find(|(_, seen)| mined.is_some_and(|(_, _, tx)| seen.claim_tx == tx));
    let Some((first, seen)) = claimed else {
        return Ok(false);
    };
    let rows = store.leases().await?;
    Ok(rows
        .iter()
        .any(|row| (row.job, row.first, row.round) == (job, *first, seen.round)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy::primitives::{Address, IntoLogData as _};
    use piecework_core::view::{Block, StoredEvent};
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        config,
        store::{JobRow, LeaseRow, Lock, NewIntent, SeatRow, TaskRow},
    };

    const JOB: B256 = B256::repeat_byte(1);
    const BLOCK: Block = Block {
        number: 1,
        hash: B256::ZERO,
        time: 1,
    };

    fn capacity() -> Capacity {
        Capacity::new(config::Capacity {
            cpu_millis: 4_000,
            memory_bytes: 4 << 30,
            disk_bytes: 4 << 30,
            tasks: 8,
            lease_tasks: 8,
        })
    }

    fn spec() -> Vec<u8> {
        json!({
            "version": 1, "tasks": 40,
            "image": {
                "manifest": format!("sha256:{}", "ab".repeat(32)), "platform": "linux/amd64", "archive": "cd".repeat(32),
            },
            "resources": { "cpu_millis": 1_000, "memory_bytes": 64 << 20, "disk_bytes": 1 << 20, "timeout_seconds": 100 },
        })
        .to_string()
        .into_bytes()
    }

    /// A store with a job that has a minute to run.
    async fn store() -> (Store, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let store = Store::open(&lock, dir.path(), 1, Address::ZERO).unwrap();
        let mut job = IMarket::Job::default();
        job.timing.runWindow = 60;
        let row = JobRow {
            id: JOB,
            abi: job.abi_encode(),
            spec: spec(),
            fee_bps: 0,
        };
        store.set_head(BLOCK, vec![], vec![row]).await.unwrap();
        (store, dir)
    }

    fn key(first: u32) -> seat::Key {
        let lease = lease::Key {
            job: JOB,
            first,
            round: 1,
        };
        seat::Key { lease, kind: 0 }
    }

    async fn lease(store: &Store, first: u32, phase: &str) {
        let row = LeaseRow {
            job: JOB,
            first,
            round: 1,
            count: 1,
            phase: phase.to_owned(),
            started: 0,
            since: 0,
            tries: 0,
            root: None,
            list: None,
        };
        store.put_lease(row).await.unwrap();
    }

    fn seat(first: u32) -> SeatRow {
        SeatRow {
            job: JOB,
            first,
            round: 1,
            kind: 0,
            task: first,
            count: 1,
            tries: 0,
            end: None,
        }
    }

    async fn claim(store: &Store, id: String) {
        let intent = NewIntent {
            id,
            to: None,
            data: Vec::new().into(),
            not_after: None,
            repeatable: false,
            deadline: None,
            at_stake: 0,
        };
        store.put_intent(intent, 0).await.unwrap();
    }

    #[tokio::test]
    async fn room_is_kept_for_what_is_unfinished_until_it_is_taken_or_of_no_use() {
        let (store, _dir) = store().await;
        for (first, phase) in [
            (0, "running"),
            (1, "running"),
            (2, "submitted"),
            (3, "lost"),
            (5, "running"),
        ] {
            lease(&store, first, phase).await;
        }
        // Of the second one all is done.
        let done = TaskRow {
            task: 1,
            digest: B256::ZERO,
            outcome: String::new(),
            log: Vec::new(),
        };
        store.put_task(JOB, done, 0).await.unwrap();
        store.put_seat(seat(4)).await.unwrap();
        let sent = format!("claim/{JOB}/7-1-00000000");
        claim(&store, sent.clone()).await;
        claim(&store, format!("submit/{JOB}/2/1/0")).await;

        let capacity = capacity();
        let each = JobSpec::parse(&spec()).unwrap().resources;
        let promised = Promised::of(&store, &capacity).await.unwrap();
        assert_eq!(capacity.fits_now(each), 0);
        assert!(promised.take(key(1)).is_none() && promised.take(key(2)).is_none());
        // What is taken is the taker's.
        let (lease, seat) = (promised.take(key(0)), promised.take(key(4)));
        assert!(lease.is_some() && seat.is_some());
        assert_eq!(capacity.fits_now(each), 0);
        drop((lease, seat));
        assert_eq!(capacity.fits_now(each), 2);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(119)).await;
        promised.give_back_late();
        assert_eq!(capacity.fits_now(each), 2);
        tokio::time::advance(Duration::from_secs(2)).await;
        promised.give_back_late();
        assert_eq!(capacity.fits_now(each), 4);
        assert!(promised.take_claim(&sent).is_none());
    }

    #[tokio::test]
    async fn room_is_kept_for_a_claim_whose_block_may_not_have_been_read() {
        for (state, is_final, kept) in [
            (IntentState::Mined, false, 1),
            (IntentState::Mined, true, 0),
            (IntentState::Failed, false, 0),
        ] {
            let (store, _dir) = store().await;
            let id = format!("claim/{JOB}/0-1-00000000");
            claim(&store, id.clone()).await;
            let mined = Some((2, B256::ZERO, B256::ZERO));
            store
                .set_intent(id, state, mined, None, is_final)
                .await
                .unwrap();
            let capacity = capacity();
            let each = JobSpec::parse(&spec()).unwrap().resources;
            let _promised = Promised::of(&store, &capacity).await.unwrap();
            assert_eq!(capacity.fits_now(each), 4 - kept, "{state:?}, {is_final}");
        }
    }

    #[tokio::test]
    async fn a_claim_and_the_seat_that_it_got_have_one_room() {
        let (store, _dir) = store().await;
        let id = format!("join/{JOB}/0/1/0");
        claim(&store, id.clone()).await;
        let mined = Some((2, B256::ZERO, B256::ZERO));
        let state = IntentState::Mined;
        store
            .set_intent(id.clone(), state, mined, None, false)
            .await
            .unwrap();
        let capacity = capacity();
        let promised = Promised::of(&store, &capacity).await.unwrap();
        assert!(promised.take_claim(&id).is_some());
        store.put_seat(seat(0)).await.unwrap();
        let promised = Promised::of(&store, &capacity).await.unwrap();
        assert!(promised.take_claim(&id).is_none());
        assert!(promised.take(key(0)).is_some());
    }

    #[tokio::test]
    async fn a_claim_and_the_lease_that_it_got_have_one_room() {
        let (store, _dir) = store().await;
        let (id, tx) = (format!("claim/{JOB}/0-1-00000000"), B256::repeat_byte(9));
        claim(&store, id.clone()).await;
        let (mined, state) = (Some((1, B256::ZERO, tx)), IntentState::Mined);
        store
            .set_intent(id.clone(), state, mined, None, false)
            .await
            .unwrap();
        let claimed = IMarket::Claimed {
            jobId: JOB,
            first: 0,
            provider: Address::ZERO,
            count: 1,
            round: 1,
            price: 0,
        };
        let event = StoredEvent {
            block: BLOCK,
            log_index: 0,
            tx,
            job: JOB,
            log: claimed.to_log_data(),
        };
        store.add_events(vec![event]).await.unwrap();
        let capacity = capacity();
        // Read, but not written down.
        let promised = Promised::of(&store, &capacity).await.unwrap();
        assert!(promised.take_claim(&id).is_some());
        lease(&store, 0, "running").await;
        let promised = Promised::of(&store, &capacity).await.unwrap();
        assert!(promised.take_claim(&id).is_none());
        assert!(promised.take(key(0)).is_some());
    }

    #[tokio::test]
    async fn something_is_owed_where_stake_is_bound_and_where_a_claim_may_bind_some() {
        for (phase, id, expected) in [
            ("submitted", "finalize", false),
            ("running", "finalize", true),
            ("submitting", "finalize", true),
            ("settled", "claim", true),
        ] {
            let (store, _dir) = store().await;
            lease(&store, 0, phase).await;
            claim(&store, format!("{id}/{JOB}/0/1/0")).await;
            assert_eq!(owes(&store).await.unwrap(), expected, "{phase}, {id}");
        }
    }

    #[tokio::test]
    async fn who_is_started_again_finds_room_that_nobody_could_take_meanwhile() {
        let (store, _dir) = store().await;
        lease(&store, 0, "running").await;
        let capacity = capacity();
        let each = JobSpec::parse(&spec()).unwrap().resources;
        let promised = Promised::of(&store, &capacity).await.unwrap();
        let room = promised.take(key(0)).unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(100)).await;
        promised.renew(&store, &capacity).await;
        assert_eq!(capacity.fits_now(each), 2);
        drop(room);
        assert_eq!(capacity.fits_now(each), 3);
        let room = promised.take(key(0));
        assert!(room.is_some());
        // Not longer than without that.
        tokio::time::advance(Duration::from_secs(21)).await;
        promised.renew(&store, &capacity).await;
        drop(room);
        assert_eq!(capacity.fits_now(each), 4);
    }

    #[tokio::test]
    async fn what_nobody_took_once_the_chain_is_read_is_given_back() {
        let (store, _dir) = store().await;
        lease(&store, 0, "running").await;
        let capacity = capacity();
        let each = JobSpec::parse(&spec()).unwrap().resources;
        let promised = Promised::of(&store, &capacity).await.unwrap();
        assert_eq!(capacity.fits_now(each), 3);
        promised.give_back();
        assert_eq!(capacity.fits_now(each), 4);
    }
}
