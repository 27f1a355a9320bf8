//! `piecework-executor`: the daemon of a provider's machine.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use piecework_executor::{
    Config, Executor, Finding, Flags, Verdict, check,
    owner::{self, OwnerCommand},
};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "Examples:
  Say what is missing before this machine can earn:
    piecework-executor check --config /etc/piecework/executor.toml
  Take work until it is told to stop (SIGTERM or Ctrl-C finishes what is bonded, the second one stops at once):
    piecework-executor run --config /etc/piecework/executor.toml
  Say what a running executor does, and why it does not take a job:
    piecework-executor status --config /etc/piecework/executor.toml
    piecework-executor why 0xJOB --config /etc/piecework/executor.toml
  Take it out of service without losing anything, however long juries take:
    piecework-executor drain --config /etc/piecework/executor.toml
  Copy what it must not forget, while it runs:
    piecework-executor backup /backup/today --config /etc/piecework/executor.toml
  Say what can be got back when the state directory is gone, before it is run again:
    piecework-executor recover --config /etc/piecework/executor.toml
  Ask for more from this moment's work than the file says (flags are about the chain of a file that has one):
    PIECEWORK_MIN_PRICE=2000000000000000000 piecework-executor run --config executor.toml

RUST_LOG chooses what is logged (default: info); PIECEWORK_LOG=json makes it JSON.";

const CHECK: &str =
    "Each line is ok, a warning (it works, but can lose money or fail later), or MISSING.
The exit code is 1 if anything is missing. Nothing is changed, and an executor may run meanwhile.

Examples:
  piecework-executor check --config /etc/piecework/executor.toml";

/// Takes leases from Piecework markets, on one chain or several, runs their containers in a sandbox, submits the results.
#[derive(Parser)]
#[command(name = "piecework-executor", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take work until stopped
    Run(Box<Flags>),
    /// Look at keys, chains, stakes, engine, disk and clock, and say what is missing
    #[command(after_help = CHECK)]
    Check(Box<Flags>),
    #[command(flatten)]
    Owner(OwnerCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(flags) => run(*flags).await.map(|()| ExitCode::SUCCESS),
            Command::Check(flags) => look(*flags).await,
            Command::Owner(command) => Ok(owner::run(command, &mut std::io::stdout()).await?),
        }
    });
    result.unwrap_or_else(|error| failed(&error))
}

fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var("PIECEWORK_LOG").is_ok_and(|format| format == "json") {
        builder.json().init();
    } else {
        builder.init();
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let code = error
        .downcast_ref::<piecework_executor::Error>()
        .map(|error| format!(" [{}]", error.code()));
    let _ = writeln!(
        std::io::stderr(),
        "error{}: {error:#}",
        code.unwrap_or_default()
    );
    ExitCode::FAILURE
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let config =
        Config::load(&flags.with_secrets_from_env()).map_err(piecework_executor::Error::from)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let executor = Executor::start(config).await?;
    tracing::info!(blobs = %executor.blob_url(), admin = ?executor.admin_url().map(url::Url::as_str), "running");
    let _ = sd_notify::notify(&[NotifyState::Ready]);

    tokio::select! {
        error = executor.failed() => {
            tracing::error!(code = error.code(), %error, "stopping");
            // The error itself comes back from here.
            return Ok(executor.kill().await?);
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = executor.drained() => {
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
            tracing::info!("drained: nothing is owed");
            return Ok(executor.kill().await?);
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tracing::info!("finishing what is bonded; a second signal stops at once");
    tokio::select! {
        () = executor.finish() => {}
        _ = terminate.recv() => tracing::warn!("stopping at once; what is bonded goes on at the next start"),
        _ = interrupt.recv() => tracing::warn!("stopping at once; what is bonded goes on at the next start"),
    }
    Ok(executor.kill().await?)
}

async fn look(flags: Flags) -> anyhow::Result<ExitCode> {
    let config =
        Config::load(&flags.with_secrets_from_env()).map_err(piecework_executor::Error::from)?;
    let findings = check(&config).await;
    let mut out = std::io::stdout().lock();
    let names = config.chains.iter().map(|chain| chain.name.len());
    let width = names.max().unwrap_or_default();
    for finding in &findings {
        let mark = match finding.verdict {
            Verdict::Good => "ok     ",
            Verdict::Warning => "warning",
            Verdict::Missing => "MISSING",
        };
        let chain = finding.chain.as_deref().unwrap_or_default();
        writeln!(
            out,
            "{mark} {chain:<width$} {:<7} {}",
            finding.what, finding.text
        )?;
    }
    Ok(match findings.iter().any(Finding::is_missing) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
