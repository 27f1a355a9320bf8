#![allow(clippy::unwrap_used)]

use alloy::primitives::{B256, Bytes, IntoLogData as _};
use piecework_core::{
    chain::MarketEvent,
    spec::JobSpec,
    view::{Block, StoredEvent, lease::Key as LeaseId, seat::Key as SeatId},
};
use piecework_executor_core::{
    command::Over,
    duty::{End, seat::Tasks},
    intent::{Intent, What},
    policy::{Costs, Policy, Timing},
};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::store::{Attempt, Durable, Lock, NewIntent, TaskRow};

const JOB: B256 = B256::repeat_byte(1);
const ME: Address = Address::repeat_byte(7);
const TX: B256 = B256::repeat_byte(9);
/// Seconds that a lease has.
const WINDOW: u64 = 60;
const POSTED: Block = Block {
    number: 1,
    hash: B256::repeat_byte(1),
    time: 1_000,
};
const CLAIMED: Block = Block {
    number: 2,
    hash: B256::repeat_byte(2),
    time: 1_010,
};

struct Bench {
    store: Store,
    settings: Settings,
    _dir: TempDir,
}

fn spec() -> Vec<u8> {
    json!({
        "version": 1, "tasks": 40,
        "image": {
            "manifest": format!("sha256:{}", "ab".repeat(32)), "platform": "linux/amd64", "archive": "cd".repeat(32),
        },
        "resources": { "cpu_millis": 1_000, "memory_bytes": 64 << 20, "disk_bytes": 1 << 20, "timeout_seconds": 10 },
    })
    .to_string()
    .into_bytes()
}

fn event(block: Block, tx: B256, event: &MarketEvent) -> StoredEvent {
    StoredEvent {
        block,
        log_index: 0,
        tx,
        job: JOB,
        log: event.to_log_data(),
    }
}

fn lease() -> LeaseId {
    LeaseId {
        job: JOB,
        first: 0,
        round: 1,
    }
}

impl Bench {
    /// A store that knows an ordinary job of forty tasks.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let store = Store::open(&lock, dir.path(), 1, Address::ZERO).unwrap();
        let mut posted = IMarket::Posted {
            jobId: JOB,
            spec: spec().into(),
            ..Default::default()
        };
        (posted.job.assurance.replicas, posted.job.assurance.quorum) = (1, 1);
        posted.job.terms.tasks = 40;
        (posted.job.timing.runWindow, posted.job.timing.closesAt) = (WINDOW, 9_000);
        let posted = event(POSTED, B256::ZERO, &MarketEvent::Posted(posted));
        store.set_head(POSTED, vec![posted], vec![]).await.unwrap();
        let total = Amount {
            cpu_millis: 4_000,
            memory_bytes: 4 << 30,
            disk_bytes: 4 << 30,
            tasks: 8,
        };
        let settings = Settings {
            policy: Policy {
                min_price: 0,
                max_exposure: None,
                strangers_percent: 100,
                max_leases: 16,
                lists: Vec::new(),
                trusted_clients: Vec::new(),
                min_jury_fee: 0,
                try_seconds: 0,
                costs: Costs::default(),
            },
            timing: Timing {
                margin: 2,
                confirmations: 2,
                settle_within: 0,
            },
            total,
            lease_tasks: 8,
            platform: "linux/amd64",
        };
        Self {
            store,
            settings,
            _dir: dir,
        }
    }

    async fn left(&self) -> Left {
        let loading = Loading {
            store: &self.store,
            provider: ME,
            market: Address::ZERO,
            chain_id: 1,
            secret: Secret::new(B256::ZERO),
            settings: &self.settings,
            times: IMarket::Times::default(),
        };
        Left::by(loading).await.unwrap()
    }

    /// How many tasks have their capacity kept.
    async fn kept(&self) -> u32 {
        self.left().await.amount.tasks
    }

    /// Writes an intent down, as a process before this one did.
    async fn intends(&self, what: What) -> String {
        let intent = Intent {
            id: IntentId { what, unique: 5 },
            with: Vec::new(),
            to: None,
            data: Bytes::new(),
            not_after: None,
            deadline: None,
            at_stake: 0,
        };
        let id = intent.id.to_string();
        let send = Durable::Send(NewIntent::from(&intent), 1_000);
        self.store.commit(vec![send]).await.unwrap();
        id
    }

    /// The claim is mined, as far as the sender knows.
    async fn mined(&self, id: &str) {
        let attempt = Attempt {
            hash: TX,
            signer: ME,
            nonce: 0,
            raw: Vec::new(),
            max_fee: 1,
            tip: 1,
            signed: 0,
        };
        self.store
            .put_attempt(id.to_owned(), attempt)
            .await
            .unwrap();
        let mined = Some((CLAIMED.number, CLAIMED.hash, TX));
        let state = IntentState::Mined;
        let set = self
            .store
            .set_intent(id.to_owned(), state, mined, None, false);
        set.await.unwrap();
    }

    /// The block of the claim, of two tasks, is read.
    async fn read(&self) {
        let claimed = IMarket::Claimed {
            jobId: JOB,
            provider: ME,
            count: 2,
            round: 1,
            ..Default::default()
        };
        let claimed = event(CLAIMED, TX, &MarketEvent::Claimed(claimed));
        self.store
            .set_head(CLAIMED, vec![claimed], vec![])
            .await
            .unwrap();
    }
}

const CLAIM: What = What::Claim { job: JOB, most: 2 };

#[tokio::test]
async fn a_claim_on_its_way_keeps_the_capacity_of_one_task() {
    let bench = Bench::new().await;
    assert_eq!(bench.kept().await, 0);
    let id = bench.intends(CLAIM).await;
    let each = JobSpec::parse(&spec()).unwrap().resources;
    let left = bench.left().await;
    assert_eq!((left.amount, left.is_busy), (Amount::of(each, 1), true));
    bench.mined(&id).await;
    assert_eq!(bench.kept().await, 1);
    // What anyone may send takes nothing.
    bench.intends(What::Renew(lease())).await;
    assert_eq!(bench.kept().await, 1);
}

#[tokio::test]
async fn a_claim_and_the_lease_that_it_got_keep_capacity_once() {
    let bench = Bench::new().await;
    let id = bench.intends(CLAIM).await;
    bench.mined(&id).await;
    bench.read().await;
    let left = bench.left().await;
    assert_eq!((left.amount.tasks, left.is_busy), (1, true));
    // Its tasks have run: only its result is owed.
    for task in 0..2 {
        let row = TaskRow {
            task,
            digest: B256::ZERO,
            outcome: "exit 0".to_owned(),
            log: Vec::new(),
        };
        bench.store.put_task(JOB, row, 0).await.unwrap();
    }
    let seat = SeatId {
        lease: lease(),
        kind: 0,
    };
    let tasks = Tasks { first: 0, count: 2 };
    let vote = Default::default();
    let bind = Durable::Bind { seat, tasks, vote };
    bench.store.commit(vec![bind]).await.unwrap();
    let left = bench.left().await;
    assert_eq!((left.amount.tasks, left.is_busy), (0, true));
}

#[tokio::test]
async fn a_claim_that_failed_and_a_duty_that_is_over_keep_nothing() {
    let bench = Bench::new().await;
    let id = bench.intends(CLAIM).await;
    let failed = IntentState::Failed;
    let set = bench.store.set_intent(id, failed, None, None, true);
    set.await.unwrap();
    let left = bench.left().await;
    assert_eq!((left.amount.tasks, left.is_busy), (0, false));
    let bench = Bench::new().await;
    let id = bench.intends(CLAIM).await;
    bench.mined(&id).await;
    bench.read().await;
    let over = Over {
        seat: SeatId {
            lease: lease(),
            kind: 0,
        },
        tasks: Tasks { first: 0, count: 2 },
        client: Address::ZERO,
        end: End::Lost,
        why: None,
        lost: 1,
    };
    let over = Durable::Over(over, 0);
    bench.store.commit(vec![over]).await.unwrap();
    let left = bench.left().await;
    assert_eq!((left.amount.tasks, left.is_busy), (0, false));
}

#[tokio::test]
async fn capacity_is_kept_as_long_as_it_can_be_of_use() {
    let bench = Bench::new().await;
    let id = bench.intends(CLAIM).await;
    bench.mined(&id).await;
    bench.read().await;
    let longest = bench.left().await.longest;
    assert_eq!(longest, Duration::from_secs(LEAST_KEPT.max(WINDOW)));
}
