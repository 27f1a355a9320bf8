//! The arguments of the owner's commands.

use std::{net::SocketAddr, path::PathBuf};

use alloy::primitives::B256;
use clap::{Args, Subcommand};

use super::{Admin, OwnerError};
use crate::{Config, Error, Flags};

const STATUS: &str = "Examples:
  piecework-executor status --config /etc/piecework/executor.toml
  piecework-executor status --admin 127.0.0.1:7702 --json | jq '.chains[].obligations'";
const WHY: &str = "The exit code is 1 if no chain knows the job.

Examples:
  piecework-executor why 0x6a1f…e2 --config /etc/piecework/executor.toml
  piecework-executor why 0x6a1f…e2 --chain base --json";
const DRAIN: &str = "Ctrl-C ends this command only: the executor goes on draining, and ends when nothing is owed.
A supervisor that always starts it again (systemd's Restart=always) must be told to stop: systemctl stop, once drained.

Examples:
  piecework-executor drain --config /etc/piecework/executor.toml";
const BACKUP: &str = "To restore it, stop the executor, move its state_dir away, and put the backup in its place.
Whoever reads the backup can tell this machine's votes before they are opened: keep it as safe as the state itself.

Examples:
  piecework-executor backup /backup/executor-$(date +%F) --config /etc/piecework/executor.toml";

const RECOVER: &str = "It needs the nodes, the key and a few minutes, and sends nothing. The state_dir need not exist.
A database that is there is copied and read on from its end, also while an executor runs.
It says whether the file salt-secret fits, what is owed until when, and what to do.
The exit code is 1 if stake is lost as things are.

Examples:
  piecework-executor recover --config /etc/piecework/executor.toml
  piecework-executor recover --config /etc/piecework/executor.toml --state-dir /old/piecework";

/// What the owner of a running executor types.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum OwnerCommand {
    /// Print what a running executor does: its chains, its work, and what it owes until when
    #[command(after_help = STATUS)]
    Status {
        /// Where it answers.
        #[command(flatten)]
        place: Place,
        /// Print /status as it is
        #[arg(long)]
        json: bool,
    },
    /// Print why a running executor does not take a job, or what it does for it
    #[command(after_help = WHY)]
    Why {
        /// The job's id
        #[arg(value_name = "JOB")]
        job: B256,
        /// Ask about this chain only
        #[arg(long, value_name = "NAME")]
        chain: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where it answers.
        #[command(flatten)]
        place: Place,
    },
    /// Let a running executor take nothing more, wait until it owes nothing, and let it end
    #[command(after_help = DRAIN)]
    Drain {
        /// Where it answers.
        #[command(flatten)]
        place: Place,
    },
    /// Copy what an executor must not forget into a new directory, while it runs
    #[command(after_help = BACKUP)]
    Backup {
        /// The new directory. An empty one will do
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Configuration file (TOML) of the executor
        #[arg(long, short, env = "PIECEWORK_EXECUTOR_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Directory of all state
        #[arg(long, env = "PIECEWORK_STATE_DIR", value_name = "DIR")]
        state_dir: Option<PathBuf>,
    },
    /// Print what a machine whose state is gone can get back, by the chain and the key alone
    #[command(after_help = RECOVER)]
    Recover(Box<Flags>),
}

/// Where a running executor answers its owner.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Configuration file (TOML) of the executor
    #[arg(long, short, env = "PIECEWORK_EXECUTOR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of its health, metrics and status
    #[arg(long, env = "PIECEWORK_ADMIN", value_name = "ADDR:PORT")]
    pub admin: Option<SocketAddr>,
}

impl Place {
    pub(super) fn admin(&self) -> Result<Admin, Error> {
        let address = Config::admin_address(self.config.as_deref(), self.admin)?;
        Ok(Admin::at(address.ok_or(OwnerError::AdminOff)?)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: OwnerCommand,
    }

    fn parse(line: &str) -> Result<OwnerCommand, clap::Error> {
        let words = std::iter::once("x").chain(line.split(' '));
        Cli::try_parse_from(words).map(|cli| cli.command)
    }

    #[test]
    fn commands_and_their_flags_are_understood() {
        Cli::command().debug_assert();
        let job = B256::repeat_byte(7);
        let place = Place {
            config: None,
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 9))),
        };
        let why = parse(&format!("why {job} --chain l2 --json --admin 127.0.0.1:9")).unwrap();
        let expected = OwnerCommand::Why {
            job,
            chain: Some("l2".to_owned()),
            json: true,
            place: place.clone(),
        };
        assert_eq!(why, expected);
        assert_eq!(
            parse("drain --admin 127.0.0.1:9").unwrap(),
            OwnerCommand::Drain { place }
        );
        let backup = OwnerCommand::Backup {
            dir: "to".into(),
            config: None,
            state_dir: Some("from".into()),
        };
        assert_eq!(parse("backup to --state-dir from").unwrap(), backup);
        for wrong in ["why", "why 0x12", "backup", "drain now", "recover --job 1"] {
            parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn the_address_is_that_of_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("executor.toml");
        let at = |text: &str, admin: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            let place = Place {
                config: Some(file.clone()),
                admin: admin.map(|address| address.parse().unwrap()),
            };
            let admin = place.admin();
            admin
                .map(|admin| admin.url().to_string())
                .map_err(|error| error.code())
        };
        let bound = "[admin]\nbind = \"0.0.0.0:81\"";
        assert_eq!(at("", None), Ok("http://127.0.0.1:7702/".to_owned()));
        assert_eq!(at(bound, None), Ok("http://127.0.0.1:81/".to_owned()));
        assert_eq!(
            at(bound, Some("10.0.0.1:82")),
            Ok("http://10.0.0.1:82/".to_owned())
        );
        assert_eq!(at("[admin]\nenabled = false", None), Err("admin-off"));
        assert_eq!(
            at("[admin]\nbind = \"[::1]:0\"", None),
            Err("admin-any-port")
        );
        assert_eq!(at("nonsense", None), Err("config-parse"));
    }
}
