//! The commands, one a file.

mod devnet;
mod explain;
mod job;
mod map;
mod market;
mod post;
mod predict;
mod provider;
mod run;
mod wallet;

use clap::CommandFactory as _;
use piecework::Run;
use serde_json::json;

use crate::cli::{Cli, Command};
use crate::fail::Failure;
use crate::output::{Output, say};

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let output = Output {
        json: cli.globals.json,
    };
    let globals = &cli.globals;
    match cli.command {
        Command::Devnet(args) => devnet::run(output, args).await,
        Command::Run(args) => run::run(globals, output, args).await,
        Command::Map(args) => map::run(globals, output, args).await,
        Command::Job(command) => job::run(globals, output, command).await,
        Command::Explain { id, lease } => explain::run(globals, output, id, lease).await,
        Command::Predict(command) => predict::run(globals, output, command).await,
        Command::Wallet(command) => wallet::run(globals, output, command).await,
        Command::Provider(command) => provider::run(globals, output, command).await,
        Command::Market(command) => market::run(globals, output, command).await,
        Command::Demo(args) => crate::demo::run(output, args).await,
        Command::Bench(args) => crate::bench::run(output, args).await,
        Command::Completions { shell } => completions(output, shell),
    }
}

fn completions(output: Output, shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "piecework", &mut script);
    output.bytes(&script)
}

/// A job that nobody waits for.
fn detached(output: Output, run: &Run) -> Result<(), Failure> {
    if run.spec().input.is_some() || run.spec().image.reference.is_none() {
        say!(
            "Its image and input are served only while a piecework command is attached, or by you: set PIECEWORK_STORE, and PIECEWORK_SERVE to a fixed port, and keep `piecework job fetch` running."
        );
    }
    output.result(&json!({ "job": run.id() }), || run.id().to_string())
}
