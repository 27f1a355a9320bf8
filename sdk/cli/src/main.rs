//! The `piecework` command.

mod amount;
mod assured;
mod bench;
mod cli;
mod commands;
mod connect;
mod convert;
mod demo;
mod devnet;
mod fail;
mod file;
mod outlook;
mod output;
mod progress;
mod signals;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let json = cli.globals.json;
    log(cli.globals.verbose);
    match work(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            failure.show(json);
            ExitCode::from(code)
        }
    }
}

fn work(cli: cli::Cli) -> Result<(), fail::Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(fail::Failure::internal)?;
    let result = runtime.block_on(Box::pin(commands::run(cli)));
    // A thread that still waits for a terminal must not keep the process.
    runtime.shutdown_background();
    result
}

/// Logs to stderr: warnings, with -v what happens, with -vv everything.
fn log(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => "piecework=info,piecework_executor=info,warn",
        _ => "piecework=debug,piecework_executor=debug,info",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
