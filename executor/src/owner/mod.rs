//! The owner's commands: what a running executor does and why, draining it, and a copy of what it must not forget.
//!
//! All but [`backup`] and [`recover`] ask the admin server of the running executor, at the address of its configuration.

mod args;
mod ask;
mod backup;
mod drain;
mod recover;
mod table;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use url::Url;

use crate::{Config, Error, store::StoreError};

pub use args::OwnerCommand;
pub use ask::Admin;
pub use backup::backup;
pub use recover::{Recovered, SecretFit, recover};
pub use table::table;

/// Why a command of the owner failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// The configuration switches the admin server off.
    #[error(
        "admin.enabled is false in the configuration, so a running executor answers nobody. Nothing was changed. Set it to \
         true and start the executor again, or give the address with --admin"
    )]
    AdminOff,
    /// Nobody can know the port.
    #[error(
        "admin.bind is {address}, so the system chose the port. Nothing was changed. Look for `admin=` in the executor's \
         log, and give that address with --admin"
    )]
    AnyPort {
        /// The address of the configuration.
        address: SocketAddr,
    },
    /// Nobody answers.
    #[error(
        "no executor answers at {url}: {why}. Nothing was changed. If one runs, it has another admin.bind: give its \
         configuration with --config, or its address with --admin"
    )]
    NoAnswer {
        /// Where it was asked.
        url: Url,
        /// What the system said.
        why: String,
    },
    /// Something answers, but not as an executor of this version does.
    #[error(
        "what {url} answers is not understood: {why}. Nothing was changed. Is that address an executor's, of this version?"
    )]
    NotUnderstood {
        /// Where it was asked.
        url: Url,
        /// What is wrong.
        why: String,
    },
    /// The executor ended before all was done.
    #[error(
        "the executor at {url} has stopped answering, and still owed this:\n{owed}Stake is lost if it stays away: look at \
         its log, and start it again on the same state_dir"
    )]
    Ended {
        /// Where it was.
        url: Url,
        /// What was owed, a line each.
        owed: String,
    },
    /// There is no state to copy.
    #[error(
        "{path} is not there, so {} is not the state of an executor that has ever started. Nothing was copied; give its \
         directory with --state-dir, or its configuration with --config",
        state_dir.display()
    )]
    NoState {
        /// What is missing.
        path: PathBuf,
        /// Where it was looked for.
        state_dir: PathBuf,
    },
    /// The backup's directory is in use.
    #[error(
        "{} is not an empty directory. Nothing was copied, and nothing there was changed; name a directory that does not exist",
        path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The copy failed on its way.
    #[error(
        "the backup in {} is not complete, so it restores nothing: {source}. The executor's own state is unchanged; remove that \
         directory, and try again",
        path.display()
    )]
    Incomplete {
        /// The backup's directory.
        path: PathBuf,
        /// What failed.
        source: Box<StoreError>,
    },
    /// The chain cannot be read to its end.
    #[error(
        "the chain cannot be read to its end: {why}. Nothing was changed. Try again, or with other nodes in more_rpc_urls"
    )]
    NotRead {
        /// What failed.
        why: String,
    },
    /// The result cannot be printed.
    #[error("cannot write to the standard output: {0}")]
    Output(#[from] io::Error),
}

impl OwnerError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AdminOff => "admin-off",
            Self::AnyPort { .. } => "admin-any-port",
            Self::NoAnswer { .. } => "admin-no-answer",
            Self::NotUnderstood { .. } => "admin-not-understood",
            Self::Ended { .. } => "drain-ended",
            Self::NoState { .. } => "backup-no-state",
            Self::NotEmpty { .. } => "backup-not-empty",
            Self::Incomplete { .. } => "backup-incomplete",
            Self::NotRead { .. } => "recover-not-read",
            Self::Output(_) => "output",
        }
    }
}

/// Carries a command out, and writes its result to `out`.
///
/// # Errors
/// [`Error::Owner`] and [`Error::Config`].
pub async fn run(command: OwnerCommand, out: &mut impl Write) -> Result<ExitCode, Error> {
    let mut print = |text: &str| out.write_all(text.as_bytes()).map_err(OwnerError::from);
    match command {
        OwnerCommand::Status { place, json } => {
            let (status, text) = place.admin()?.status().await?;
            match json {
                true => print(&format!("{text}\n"))?,
                false => print(&table(&status, crate::clock::local_now()))?,
            }
        }
        OwnerCommand::Why {
            job,
            chain,
            json,
            place,
        } => {
            let (is_known, text) = place.admin()?.why(job, chain.as_deref(), json).await?;
            print(text.trim_end())?;
            print("\n")?;
            if !is_known {
                return Ok(ExitCode::FAILURE);
            }
        }
        OwnerCommand::Drain { place } => place.admin()?.drain(out).await?,
        OwnerCommand::Backup {
            dir,
            config,
            state_dir,
        } => {
            let from = Config::state_dir(config.as_deref(), state_dir.as_deref())?;
            let chains = backup(&from, &dir)?;
            let to = dir.display();
            print(&format!(
                "{to}: salt-secret, and the database of {}\n",
                chains.join(", ")
            ))?;
        }
        OwnerCommand::Recover(flags) => {
            let config = Config::load(&flags.with_secrets_from_env())?;
            let recovered = recover(&config).await?;
            print(&recover::report(&recovered, &config.state_dir))?;
            if recovered.iter().any(|chain| chain.lost() > 0) {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
