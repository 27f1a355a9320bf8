//! Measures what an executor costs: see `README.md`.

mod calls;
mod echo;
mod figures;
mod history;
mod idle;
mod leases;
mod past;
mod process;
mod restart;
mod world;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use figures::Figures;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Calls for an empty block, and for a lease
    Calls,
    /// A first start over a long chain, at a limited rate
    Long,
    /// A first start over a chain with many logs
    Dense,
    /// A first start over 1,000,000 logs, emitted by a stand-in for the market; only if it is named
    Million,
    /// A restart with many jobs
    Restart,
    /// Leases a second, and gas
    Leases,
    /// Processor time of an idle devnet
    Idle,
}

/// Measures what an executor costs, with a real chain, a real market and the real program
#[derive(Parser)]
#[command(name = "piecework-load")]
struct Cli {
    /// The program piecework-executor
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/release/piecework-executor"
    )]
    executor: PathBuf,
    /// The program piecework
    #[arg(long, value_name = "FILE", default_value = "target/release/piecework")]
    piecework: PathBuf,
    /// The static program of sdk/examples/render
    #[arg(
        long,
        value_name = "FILE",
        env = "PIECEWORK_WORKLOAD",
        default_value = "target/workload/release/piecework-render"
    )]
    workload: PathBuf,
    /// Where load.json is written
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// What is measured; all of it but the million if nothing is named
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Blocks of the long chain
    #[arg(long, default_value_t = 200_000)]
    blocks: u64,
    /// Logs of the dense chain
    #[arg(long, default_value_t = 100_000)]
    logs: usize,
    /// Logs of the chain of the million
    #[arg(long, default_value_t = 1_000_000)]
    echoed: usize,
    /// Jobs in each of its blocks, with four logs each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    echoed_jobs: u32,
    /// Jobs of the restart
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// Leases of each kind
    #[arg(long, default_value_t = 60)]
    leases: u32,
    /// Seconds in which nothing happens
    #[arg(long, default_value_t = 60)]
    idle: u64,
}

/// What the measurements work with.
struct Parts {
    executor: PathBuf,
    piecework: PathBuf,
    workload: PathBuf,
    blocks: u64,
    logs: usize,
    echoed: usize,
    echoed_jobs: usize,
    jobs: usize,
    leases: u32,
    idle: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let parts = Parts {
        executor: cli.executor,
        piecework: cli.piecework,
        workload: cli.workload,
        blocks: cli.blocks,
        logs: cli.logs,
        echoed: cli.echoed,
        echoed_jobs: cli.echoed_jobs as usize,
        jobs: cli.jobs,
        leases: cli.leases,
        idle: Duration::from_secs(cli.idle),
    };
    let mut figures = Figures::default();
    tokio::select! {
        measured = Box::pin(measure(&parts, &cli.only, &mut figures)) => measured?,
        // What was started ends with the measurement.
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted; nothing is written"),
    }
    figures.finish(&cli.out)
}

/// Measures what is named, or all of it but the million.
async fn measure(parts: &Parts, only: &[What], figures: &mut Figures) -> anyhow::Result<()> {
    let is_wanted = |what| only.is_empty() || only.contains(&what);
    if is_wanted(What::Idle) {
        Box::pin(idle::measure(parts, figures)).await?;
    }
    if is_wanted(What::Calls) {
        Box::pin(calls::measure(parts, figures)).await?;
    }
    if is_wanted(What::Leases) {
        Box::pin(leases::measure(parts, figures)).await?;
    }
    if is_wanted(What::Long) {
        Box::pin(history::long(parts, figures)).await?;
    }
    if is_wanted(What::Restart) {
        Box::pin(restart::measure(parts, figures)).await?;
    }
    if is_wanted(What::Dense) {
        Box::pin(history::dense(parts, figures)).await?;
    }
    if only.contains(&What::Million) {
        Box::pin(history::million(parts, figures)).await?;
    }
    Ok(())
}
