//! A start with a database that holds many jobs, and a lease that is bonded.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use alloy::{primitives::Bytes, sol_types::SolCall as _};
use piecework::chain::IMarket;
use piecework_faults::{Faults, Limit};
use serde_json::Value;

use crate::{
    Parts,
    figures::{Figures, mebibytes, seconds},
    process::{Process, Settings, memory, processor_time},
    world::{Blocks, PRICE, World},
};

/// Posts in a transaction.
const POSTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How long the processor time of an executor that knows many jobs is counted.
const IDLE: Duration = Duration::from_secs(30);
/// Open jobs pay less than this.
const SETTINGS: Settings = Settings {
    poll_millis: 1_000,
    settle_within: 0,
    min_price: PRICE * 2,
    by_proxy: true,
};

pub(crate) async fn measure(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let blocks = Blocks::Every { seconds: 1, ago: 0 };
    let world = World::start(blocks, &parts.workload).await?;
    let executor = Process::start(&parts.executor, &world, SETTINGS)?;
    let least = restart(parts, &world, executor).await?;
    least.tell(figures, "restart_empty", "restart without other jobs");
    least.executor.kill()?;

    let spec = world.spec(1)?;
    let now = world.time().await?;
    let post = || IMarket::postCall {
        job: world.job(&spec, 1, 0, now),
        spec: spec.clone().into(),
    };
    let posts = |count| -> Vec<Bytes> { (0..count).map(|_| post().abi_encode().into()).collect() };
    let client = world.client.address();
    world.rehearse(client, posts(2)).await?;
    let batches = 0..parts.jobs.div_ceil(POSTS);
    let batches = batches.map(|batch| posts(POSTS.min(parts.jobs - batch * POSTS)));
    world.crowd(client, batches).await?;

    let mut executor = Process::start(&parts.executor, &world, SETTINGS)?;
    let read = executor.ready(PATIENCE).await?;
    figures.note("restart_first_read_seconds", read.as_secs_f64());
    let before = processor_time(executor.id())?;
    tokio::time::sleep(IDLE).await;
    let share = (processor_time(executor.id())? - before).as_secs_f64() / IDLE.as_secs_f64();
    figures.add(
        "idle_percent_with_jobs",
        share * 100.0,
        format!(
            "processor time with {} open jobs that pay too little, a block each second",
            parts.jobs
        ),
        format!("{:.1} % of a core", share * 100.0),
        "",
    );
    let full = restart(parts, &world, executor).await?;
    let what = format!("restart with {} jobs", parts.jobs);
    full.tell(figures, "restart", &what);
    let (now, most) = memory(full.executor.id())?;
    figures.add(
        "restart_memory_bytes",
        now,
        "  memory (RSS)",
        mebibytes(now),
        "",
    );
    figures.add(
        "restart_most_memory_bytes",
        most,
        "  most memory",
        mebibytes(most),
        "",
    );
    Ok(())
}

/// An executor that was killed while it worked, and started again.
struct Restarted {
    executor: Process,
    /// From its start until the work of its lease is submitted.
    submitted: Duration,
    /// From its start until it takes new work.
    ready: Duration,
    /// Processor time that both took.
    processor: Duration,
}

impl Restarted {
    fn tell(&self, figures: &mut Figures, key: &str, what: &str) {
        figures.add(
            &format!("{key}_seconds_to_submit"),
            self.submitted.as_secs_f64(),
            format!("{what}: until a bonded lease has run again and is submitted"),
            seconds(self.submitted),
            "",
        );
        figures.add(
            &format!("{key}_seconds_to_ready"),
            self.ready.as_secs_f64(),
            "  until it takes new work",
            seconds(self.ready),
            "",
        );
        figures.add(
            &format!("{key}_processor_seconds"),
            self.processor.as_secs_f64(),
            "  processor time of both",
            seconds(self.processor),
            "",
        );
    }
}

/// Gives the executor a lease, kills it while that runs, and starts it again.
async fn restart(parts: &Parts, world: &World, mut executor: Process) -> anyhow::Result<Restarted> {
    executor.ready(PATIENCE).await?;
    let spec = world.spec(1)?;
    let mut paying = world.job(&spec, 1, 0, world.time().await?);
    (paying.price.minPrice, paying.price.maxPrice) = (PRICE * 4, PRICE * 4);
    let (job, block) = world.post(paying, &spec).await?;
    world.wait_for(job, block, "Claimed", 1, PATIENCE).await?;
    // Should it be quick, its result cannot be sent all the same.
    let limit = Limit {
        every: 1,
        ..Limit::default()
    };
    world.proxy.set(Faults {
        limited: BTreeMap::from([("eth_sendRawTransaction".to_owned(), limit)]),
        ..Faults::default()
    });
    let works = |status: &Value| {
        let leases = status.get("leases").and_then(Value::as_array);
        let mut leases = leases.into_iter().flatten();
        leases.any(|lease| lease.get("phase").and_then(Value::as_str) == Some("running"))
    };
    executor.until("it works", PATIENCE, works).await?;
    executor.kill()?;
    anyhow::ensure!(
        world
            .events(job, block)
            .await?
            .iter()
            .all(|at| at.event.name() != "Submitted"),
        "the result was submitted before the restart"
    );
    world.proxy.set(Faults::default());

    let mut executor = Process::start(&parts.executor, world, SETTINGS)?;
    let begin = executor.began;
    let submitted = async {
        let submitted = world.wait_for(job, block, "Submitted", 1, PATIENCE).await;
        submitted.map(|_| Instant::now() - begin)
    };
    let (submitted, ready) = tokio::join!(submitted, executor.ready(PATIENCE));
    Ok(Restarted {
        submitted: submitted?,
        ready: ready?,
        processor: processor_time(executor.id())?,
        executor,
    })
}
