//! A first start: an executor without a database reads a chain from its first block.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{B256, Bytes},
    providers::{Provider as _, ext::AnvilApi as _},
    sol_types::SolCall as _,
};
use anyhow::Context as _;
use piecework::chain::IMarket;
use piecework_faults::Faults;
use serde_json::{Value, json};

use crate::{
    Parts,
    echo::{self, Life},
    figures::{Figures, mebibytes, seconds},
    process::{Process, Settings, memory, processor_time},
    world::{Blocks, PRICE, World},
};

/// Calls a second that a public node allows.
const RATE: usize = 25;
/// Jobs at the end of the long chain, each in a block of its own.
const POSTS: u64 = 100;
/// Blocks after them. Those near the head are read one by one.
const DEEP: u64 = 100;
/// Logs of a job that ended: Posted, Claimed, Submitted, Settled.
const LOGS_OF_JOB: usize = 4;
/// Such jobs in a block.
const JOBS_IN_BLOCK: usize = 100;
/// Jobs of the largest chain that the executor is asked about.
const ASKED: usize = 200;
/// Seconds after which all of that is over.
const DAY: u64 = 86_400;
/// No start takes longer.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A long chain on which little happened, through a node that limits its rate.
pub(crate) async fn long(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let begin = Instant::now();
    let world = World::start(Blocks::After(parts.blocks), &parts.workload).await?;
    let spec = world.spec(1)?;
    for _ in 0..POSTS {
        let job = world.job(&spec, 1, 0, world.time().await?);
        world.post(job, &spec).await?;
    }
    world.mine(DEEP).await?;
    let target = world.rpc.get_block_number().await?;
    figures.note("long_chain_made_in_seconds", begin.elapsed().as_secs());
    world.proxy.set(Faults {
        per_second: Some(RATE),
        ..Faults::default()
    });
    world.proxy.forget_calls();
    let settings = Settings {
        min_price: PRICE * 2,
        ..Settings::default()
    };
    let mut executor = Process::start(&parts.executor, &world, settings)?;
    let took = read(&mut executor, target).await?;
    let calls = world.proxy.total_by_method();
    figures.add(
        "first_start_seconds",
        took.as_secs_f64(),
        format!("first start over {target} blocks, {RATE} calls a second"),
        seconds(took),
        "",
    );
    figures.add(
        "first_start_calls",
        world.proxy.all_calls(),
        "  calls, refused ones included",
        world.proxy.all_calls().to_string(),
        "",
    );
    figures.note("first_start_calls_by_method", json!(calls));
    Ok(())
}

/// A chain on which much happened: leases that are over long since.
pub(crate) async fn dense(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let blocks = Blocks::Every {
        seconds: 1,
        ago: DAY + 7_200,
    };
    let world = World::start(blocks, &parts.workload).await?;
    let spec = world.spec(1)?;
    let jobs = parts.logs / LOGS_OF_JOB;
    // The other provider is the client too: then one transaction holds the whole life of several jobs.
    let worker = world.other.address();
    let now = world.time().await?;
    let begin = Instant::now();
    let life = |_| {
        let mut job = world.job(&spec, 1, 0, now);
        job.terms.client = worker;
        job.timing.closesAt = now + 7_200;
        life(job, worker, &spec)
    };
    world
        .rehearse(worker, (0..2).flat_map(life).collect())
        .await?;
    let batches = 0..jobs.div_ceil(JOBS_IN_BLOCK);
    let batches = batches.map(|batch| {
        let left = jobs - batch * JOBS_IN_BLOCK;
        (0..left.min(JOBS_IN_BLOCK)).flat_map(life).collect()
    });
    world.crowd(worker, batches).await?;
    end(&world).await?;
    figures.note("dense_chain_made_in_seconds", begin.elapsed().as_secs());
    first_start(parts, &world, figures, "dense").await?;
    Ok(())
}

/// A chain on which far more happened, for which anvil needs less memory and time: see [`echo`].
pub(crate) async fn million(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let jobs = parts.echoed / LOGS_OF_JOB;
    let blocks = jobs.div_ceil(parts.echoed_jobs) as u64;
    let past = Blocks::Every {
        seconds: 1,
        ago: DAY + 7_200 + blocks,
    };
    let world = World::start(past, &parts.workload).await?;
    let spec = world.spec(1)?;
    let worker = world.other.address();
    let now = world.time().await?;
    let begin = Instant::now();
    let job = || {
        let mut job = world.job(&spec, 1, 0, now);
        job.terms.client = worker;
        job.timing.closesAt = now + 7_200 + blocks;
        job
    };
    let (one, other) = (job(), job());
    let real = [&one, &other].map(|job| life(job.clone(), worker, &spec));
    let real = real.concat();
    world.rehearse(worker, real.clone()).await?;
    world.crowd(worker, std::iter::once(real)).await?;
    let life = Life::of(&world, &one, &other).await?;

    let code = echo::begin(&world).await?;
    // Some of all jobs are asked about at the end.
    let mut asked = vec![one, other];
    let every = jobs.div_ceil(ASKED).max(1);
    let mut told = asked.len();
    let transactions = std::iter::from_fn(|| {
        let part = jobs.saturating_sub(told).min(parts.echoed_jobs);
        let batch: Vec<IMarket::Job> = (0..part).map(|_| job()).collect();
        for job in &batch {
            told += 1;
            if told.is_multiple_of(every) || told == jobs {
                asked.push(job.clone());
            }
        }
        (part > 0).then(|| life.calldata(&batch))
    });
    world.send(worker, transactions).await?;
    echo::end(&world, code).await?;
    end(&world).await?;
    for job in &asked {
        life.check(&world, job).await?;
    }
    figures.note("million_chain_made_in_seconds", begin.elapsed().as_secs());
    let executor = first_start(parts, &world, figures, "million").await?;
    for job in &asked {
        let why = executor.why(life.id(job)).await?;
        anyhow::ensure!(
            why.as_deref() == Some("all-taken"),
            "the executor does not know what happened to a job: {why:?} (it forgets jobs after ten minutes)"
        );
    }
    figures.note("million_jobs_asked_about", asked.len());
    Ok(())
}

/// Lets all of it be over, and deep.
async fn end(world: &World) -> anyhow::Result<()> {
    world.rpc.anvil_increase_time(DAY).await?;
    world.mine(400).await
}

/// A first start of an executor over all of that. The keys of its figures begin with `key`.
async fn first_start(
    parts: &Parts,
    world: &World,
    figures: &mut Figures,
    key: &str,
) -> anyhow::Result<Process> {
    let logs = world.count_logs().await?;
    let target = world.rpc.get_block_number().await?;
    figures.note(&format!("{key}_chain_blocks"), target);
    figures.note(
        &format!("{key}_chain_node_bytes"),
        memory(world.anvil.pid())?.0,
    );
    let settings = Settings {
        by_proxy: false,
        ..Settings::default()
    };
    let mut executor = Process::start(&parts.executor, world, settings)?;
    let before = processor_time(world.anvil.pid())?;
    let took = read(&mut executor, target).await?;
    let rate = logs as f64 / took.as_secs_f64();
    let (now, most) = memory(executor.id())?;
    let own = processor_time(executor.id())?;
    let node = processor_time(world.anvil.pid())? - before;
    figures.note(&format!("{key}_node_processor_seconds"), node.as_secs_f64());
    figures.add(
        &format!("{key}_seconds"),
        took.as_secs_f64(),
        format!("first start over {logs} logs in {target} blocks"),
        seconds(took),
        "",
    );
    figures.add(
        &format!("{key}_processor_seconds"),
        own.as_secs_f64(),
        "  processor time of the executor",
        seconds(own),
        "",
    );
    figures.add(&format!("{key}_logs"), logs, "  logs", logs.to_string(), "");
    figures.add(
        &format!("{key}_events_per_second"),
        rate.round(),
        "  events a second",
        format!("{rate:.0}"),
        "",
    );
    figures.add(
        &format!("{key}_memory_bytes"),
        now,
        "  memory (RSS) at the end",
        mebibytes(now),
        "",
    );
    figures.add(
        &format!("{key}_most_memory_bytes"),
        most,
        "  most memory",
        mebibytes(most),
        "",
    );
    Ok(executor)
}

/// The calls of a job from its post to its payment.
fn life(job: IMarket::Job, worker: alloy::primitives::Address, spec: &[u8]) -> [Bytes; 3] {
    let post = IMarket::postCall {
        job: job.clone(),
        spec: Bytes::copy_from_slice(spec),
    };
    let claim = IMarket::claimCall {
        job: job.clone(),
        provider: worker,
        least: 1,
        most: 1,
    };
    let submit = IMarket::submitCall {
        job,
        first: 0,
        round: 1,
        provider: worker,
        root: B256::repeat_byte(1),
        digestList: B256::repeat_byte(2),
    };
    [post.abi_encode(), claim.abi_encode(), submit.abi_encode()].map(Bytes::from)
}

/// Waits until the executor has read up to a block and says that it is no longer reading.
async fn read(executor: &mut Process, target: u64) -> anyhow::Result<Duration> {
    let is_read = move |status: &Value| {
        let head = status.get("head_block").and_then(Value::as_u64);
        let words = status.get("blocked").and_then(Value::as_array);
        let reads = words.is_none_or(|words| {
            words.iter().any(|word| {
                word.as_str()
                    .is_some_and(|word| word.contains("reading") || word.contains("starting"))
            })
        });
        head >= Some(target) && !reads
    };
    let read = executor.until("the chain is read", PATIENCE, is_read);
    read.await.context("a first start")
}
