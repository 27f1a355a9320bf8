//! Room for bonded work that a process before this one began. It is taken for all chains before any of them takes new
//! work: a chain whose node answers late, or not yet, finds the machine it had promised on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{primitives::B256, sol_types::SolValue as _};
use piecework::{
    chain::IMarket,
    spec::{JobSpec, Resources},
};
use tokio::time::Instant;

use crate::{
    capacity::{Capacity, Reservation},
    control::{Wish, wished},
    lease, seat,
    store::{IntentState, Store, StoreError},
};

/// Phases of a lease in which something is owed to the chain, so that nobody stops without it.
const OWED: [&str; 3] = ["running", "submitting", "releasing"];

/// The rooms of one chain; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promised(Arc<Mutex<Rooms>>);

#[derive(Debug, Default)]
struct Rooms {
    works: HashMap<seat::Key, Kept>,
    claims: HashMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    room: Reservation,
    /// Whatever it is for is over then.
    until: Instant,
}

impl Promised {
    /// Takes room for one task at a time of everything that is unfinished in a store.
    pub(crate) async fn of(store: &Store, capacity: &Capacity) -> Result<Self, StoreError> {
        let mut rooms = Rooms::default();
        for (key, first, count) in unfinished(store).await? {
            let known = store.tasks(key.lease.job, first, count).await?.len();
            let done = u32::try_from(known).is_ok_and(|known| known >= count);
            if !done && let Some(kept) = keep(store, capacity, key.lease.job).await? {
                rooms.works.insert(key, kept);
            }
        }
        for intent in store.open_intents().await? {
            let on_its_way = matches!(intent.state, IntentState::Queued | IntentState::Sent);
            let Some((job, wish)) = wished(&intent.new.id).filter(|_| on_its_way) else {
                continue;
            };
            if matches!(wish, Wish::Seal(_) | Wish::Settle(_)) {
                continue;
            }
            if let Some(kept) = keep(store, capacity, job).await? {
                rooms.claims.insert(intent.new.id, kept);
            }
        }
        Ok(Self(Arc::new(Mutex::new(rooms))))
    }

    /// The room of a lease or a seat; it is the caller's from now on.
    pub(crate) fn take(&self, key: seat::Key) -> Option<Reservation> {
        self.lock().works.remove(&key).map(|kept| kept.room)
    }

    /// The room of a claim on its way.
    pub(crate) fn take_claim(&self, id: &str) -> Option<Reservation> {
        self.lock().claims.remove(id).map(|kept| kept.room)
    }

    /// Gives back what nobody has taken by now.
    pub(crate) fn give_back(&self) {
        *self.lock() = Rooms::default();
    }

    /// Gives back what is of no use any more, also where the chain is silent.
    pub(crate) fn give_back_late(&self) {
        let now = Instant::now();
        let mut rooms = self.lock();
        rooms.works.retain(|_, kept| now < kept.until);
        rooms.claims.retain(|_, kept| now < kept.until);
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        || !store.open_intents().await?.is_empty())
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
            let key = seat::Key {
                lease,
                challenge: 0,
            };
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

async fn keep(store: &Store, capacity: &Capacity, job: B256) -> Result<Option<Kept>, StoreError> {
    let Some(row) = store.job(job).await? else {
        return Ok(None);
    };
    let (Ok(spec), Ok(job)) = (
        JobSpec::parse(&row.spec),
        IMarket::Job::abi_decode(&row.abi),
    ) else {
        return Ok(None);
    };
    let each: Resources = spec.resources;
    Ok(Some(Kept {
        room: capacity.force(each),
        until: Instant::now() + longest(&job.timing),
    }))
}
