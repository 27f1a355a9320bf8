//! How many leases one executor finishes, and what gas each costs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use alloy::{
    consensus::Transaction as _, primitives::Selector, providers::Provider as _,
    sol_types::SolCall as _,
};
use piecework::chain::{IMarket, Multicall};
use serde_json::json;

use crate::{
    Parts,
    figures::Figures,
    process::{Process, Settings},
    world::{Blocks, World},
};

const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) async fn measure(parts: &Parts, figures: &mut Figures) -> anyhow::Result<()> {
    let world = World::start(Blocks::Devnet, &parts.workload).await?;
    let settings = Settings {
        poll_millis: 50,
        // Shorter than on a chain with value, where a run of leases lasts longer.
        settle_within: 20,
        by_proxy: false,
        ..Settings::default()
    };
    let mut executor = Process::start(&parts.executor, &world, settings)?;
    executor.ready(PATIENCE).await?;
    // Images, trials and first entries in the market's storage.
    for audit_bps in [0, 1] {
        run(&world, 4, audit_bps).await?;
    }
    for (audit_bps, key, what, goal) in [
        (0, "unaudited", "without audits", ""),
        (1, "audited", "with audits", "130,000"),
    ] {
        let ran = run(&world, parts.leases, audit_bps).await?;
        let rate = f64::from(parts.leases) / ran.took.as_secs_f64();
        figures.add(
            &format!("leases_per_second_{key}"),
            rate,
            format!("leases a second of one executor, {what} (one task that only exits)"),
            format!("{rate:.2}"),
            "",
        );
        let total: u64 = ran.gas.values().map(|(_, gas)| gas).sum();
        let each = total / u64::from(parts.leases);
        figures.add(
            &format!("gas_per_lease_{key}"),
            each,
            format!("gas a lease {what}, all transactions of the provider"),
            each.to_string(),
            goal,
        );
        let by_call: BTreeMap<_, _> = ran
            .gas
            .iter()
            .map(|(name, (count, gas))| (name, json!({"transactions": count, "gas": gas})))
            .collect();
        figures.note(&format!("gas_{key}_by_call"), json!(by_call));
    }
    Ok(())
}

struct Ran {
    took: Duration,
    /// Transactions and their gas, by what is called.
    gas: BTreeMap<String, (u64, u64)>,
}

/// Posts a job of so many leases, and waits until all are settled.
async fn run(world: &World, leases: u32, audit_bps: u16) -> anyhow::Result<Ran> {
    let spec = world.spec(leases)?;
    let job = world.job(&spec, leases, audit_bps, world.time().await?);
    let begin = Instant::now();
    let (job, block) = world.post(job, &spec).await?;
    world
        .wait_for(job, block, "Settled", leases as usize, PATIENCE)
        .await?;
    let took = begin.elapsed();
    let mut gas: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for receipt in world.sent_by_provider(block).await? {
        let tx = world
            .rpc
            .get_transaction_by_hash(receipt.transaction_hash)
            .await?;
        let name = tx.map_or("unknown", |tx| name(tx.input().get(..4)));
        let entry = gas.entry(name.to_owned()).or_default();
        entry.0 += 1;
        entry.1 += receipt.gas_used;
    }
    Ok(Ran { took, gas })
}

/// What a call is, by its selector.
fn name(selector: Option<&[u8]>) -> &'static str {
    let Some(selector) = selector.and_then(|four| Selector::try_from(four).ok()) else {
        return "transfer";
    };
    match selector.0 {
        IMarket::claimCall::SELECTOR => "claim",
        IMarket::submitCall::SELECTOR => "submit",
        IMarket::finalizeCall::SELECTOR => "finalize",
        Multicall::multicallCall::SELECTOR => "several acts",
        _ => "other",
    }
}
