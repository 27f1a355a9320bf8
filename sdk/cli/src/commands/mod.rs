//! The commands, one a file.

mod devnet;
mod provider;
mod wallet;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::fail::Failure;
use crate::output::Output;

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let output = Output {
        json: cli.globals.json,
    };
    let globals = &cli.globals;
    match cli.command {
        Command::Devnet(args) => devnet::run(output, args).await,
        Command::Wallet(command) => wallet::run(globals, output, command).await,
        Command::Provider(command) => provider::run(globals, output, command).await,
        Command::Completions { shell } => completions(output, shell),
        _ => Err(Failure::internal("not there yet")),
    }
}

fn completions(output: Output, shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "piecework", &mut script);
    output.bytes(&script)
}
