//! How many calls to its node an executor makes: while nothing happens, and for a lease.

use std::{collections::BTreeMap, time::Duration};

use alloy::providers::Provider as _;
use serde_json::json;

use crate::{
    Parts,
    figures::Figures,
    process::{Process, Settings},
    world::{Blocks, World},
};

/// Seconds between blocks.
const BLOCK: u64 = 2;
/// For so long nothing happens.
const IDLE: Duration = Duration::from_secs(60);
/// A lease takes no longer.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) async fn measure(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let world = World::start(
        Blocks::Every {
            seconds: BLOCK,
            ago: 0,
        },
        &parts.workload,
    )
    .await?;
    let settings = Settings::default();
    let mut executor = Process::start(&parts.executor, &world, settings)?;
    executor.ready(PATIENCE).await?;
    // Images, trials and the provider's profile come first, and are not measured.
    for audit_bps in [0, 1] {
        lease(&world, audit_bps).await?;
    }
    quiet().await;

    world.proxy.forget_calls();
    let first = world.rpc.get_block_number().await?;
    tokio::time::sleep(IDLE).await;
    let calls = world.proxy.total_by_method();
    let blocks = world.rpc.get_block_number().await? - first;
    let idle = sum(&calls) as f64 / IDLE.as_secs_f64();
    let each = sum(&calls) as f64 / blocks as f64;
    figures.add(
        "calls_per_empty_block",
        each,
        format!("calls for an empty block (a block each {BLOCK} s, poll 1 s)"),
        format!("{each:.2}"),
        "",
    );
    figures.add(
        "calls_per_second_idle",
        idle,
        "calls a second while nothing happens (poll 1 s)",
        format!("{idle:.2}"),
        "",
    );
    figures.note("calls_idle_by_method", json!(calls));

    for (audit_bps, key, what) in [
        (0, "calls_per_lease_unaudited", "without audits"),
        (1, "calls_per_lease_audited", "with audits"),
    ] {
        quiet().await;
        let (calls, took) = lease(&world, audit_bps).await?;
        let beyond = sum(&calls) as f64 - idle * took.as_secs_f64();
        figures.add(
            key,
            sum(&calls),
            format!("calls for a lease {what}, Posted to Settled"),
            sum(&calls).to_string(),
            "",
        );
        figures.add(
            &format!("{key}_beyond_following"),
            beyond.round(),
            format!(
                "the same, beyond following the chain ({:.0} s)",
                took.as_secs_f64()
            ),
            format!("{beyond:.0}"),
            "",
        );
        figures.note(&format!("{key}_by_method"), json!(calls));
    }
    Ok(())
}

/// Posts a job of one lease and waits until it is settled. Returns the calls of that time.
async fn lease(world: &World, audit_bps: u16) -> anyhow::Result<(BTreeMap<String, u64>, Duration)> {
    let spec = world.spec(1)?;
    let job = world.job(&spec, 1, audit_bps, world.time().await?);
    let begin = std::time::Instant::now();
    world.proxy.forget_calls();
    let (job, block) = world.post(job, &spec).await?;
    world.wait_for(job, block, "Settled", 1, PATIENCE).await?;
    Ok((world.proxy.total_by_method(), begin.elapsed()))
}

/// Waits until what was sent before is final, and nothing asks for it again.
async fn quiet() {
    tokio::time::sleep(Duration::from_secs(BLOCK * 12)).await;
}

fn sum(calls: &BTreeMap<String, u64>) -> u64 {
    calls.values().sum()
}
