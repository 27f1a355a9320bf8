//! The library's error: one type, stable codes, and what each means for the money.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};

use crate::blobs::BlobError;
use crate::chain::ChainError;
use crate::chain::deployment::DeploymentError;
use crate::chain::keys::KeyError;
use crate::digest::Digest;
use crate::image::ImageError;
use crate::market::{AssuranceError, Deterrence};
use crate::spec::SpecError;

/// Whatever the market's client can fail with. Unless an error says otherwise, no money moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The chain, its node, or a contract.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A deployment, or the file that describes it.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// A key or keystore.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A blob.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The job spec.
    #[error("{0}. Nothing was posted or paid")]
    Spec(#[from] SpecError),
    /// A setting is missing or cannot be read.
    #[error("{setting}: {problem}")]
    Config {
        /// The setting's name.
        setting: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// An act that needs a key, without one.
    #[error(
        "this needs the client's key: set PIECEWORK_KEYSTORE (and PIECEWORK_PASSWORD_FILE), or on a devnet PIECEWORK_PRIVATE_KEY"
    )]
    NoKey,
    /// The job as described cannot be posted.
    #[error("the job's {field} {problem}. Nothing was posted or paid")]
    BadJob {
        /// What of the job.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No job can have the assurance that was asked for.
    #[error("{0}. Nothing was posted or paid")]
    Assurance(#[from] AssuranceError),
    /// Cheating would pay.
    #[error(
        "with these audits cheating pays: {deterrence}. Nothing was posted or paid; raise the bond or the chance of an audit, or say that you want it all the same"
    )]
    WeakAudits {
        /// How little a cheat expects to lose.
        deterrence: Deterrence,
    },
    /// The job costs more than the client has.
    #[error("{need} units of {token} are needed, but {account} has a balance of {balance} in the market and {wallet} in its own account: {} are missing. Nothing was moved or posted; get more tokens, or ask for fewer tasks or a lower price", need.saturating_sub(balance.saturating_add(*wallet)))]
    InsufficientFunds {
        /// The client.
        account: Address,
        /// Symbol of the token.
        token: String,
        /// Units of its balance in the market.
        balance: u128,
        /// Units in the client's own account.
        wallet: u128,
        /// Units that the job escrows.
        need: u128,
    },
    /// The image cannot be exported.
    #[error("{0}. Nothing was posted or paid")]
    Image(#[from] ImageError),
    /// The client's blobs cannot be served.
    #[error(
        "cannot serve the job's blobs on {address}: {problem}. Providers could not fetch the input, so nothing was posted"
    )]
    Serve {
        /// The address to listen on.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// No such job on this market.
    #[error("no job {job_id} was posted on market {market}: check the id and the market's address")]
    JobNotFound {
        /// The id.
        job_id: B256,
        /// The market that was asked.
        market: Address,
    },
    /// What the chain says about the job contradicts itself: the node cannot be trusted.
    #[error(
        "the posting of job {job_id} does not fit it: {problem}. The RPC node is faulty or lies; use another one"
    )]
    BadPosting {
        /// The id.
        job_id: B256,
        /// What does not fit.
        problem: String,
    },
    /// The job has no such task.
    #[error("job {job_id} has {tasks} tasks, numbered from 0: there is no task {task}")]
    NoSuchTask {
        /// The job.
        job_id: B256,
        /// The task that was asked for.
        task: u32,
        /// Tasks in the job.
        tasks: u32,
    },
    /// The task has no result (yet).
    #[error("task {task} of job {job_id} has no result: {state}")]
    NoResult {
        /// The job.
        job_id: B256,
        /// The task.
        task: u32,
        /// Where it stands.
        state: String,
    },
    /// No jury sits over the lease, and none has.
    #[error("no jury was drawn for the lease at task {first} of job {job_id}. Nothing was sent")]
    NoAudit {
        /// The job.
        job_id: B256,
        /// First task of the lease.
        first: u32,
    },
    /// The key is behind a wallet that signs transactions only.
    #[error(
        "the wallet of {account} signs transactions only, not typed data: use its key, or send the transaction itself. Nothing was sent"
    )]
    CannotSign {
        /// The account.
        account: Address,
    },
    /// A provider's endpoint is missing or unusable.
    #[error(
        "the results of provider {provider} cannot be fetched: {problem}. Its result is committed on chain, and is paid unless a jury convicts it"
    )]
    Endpoint {
        /// The provider.
        provider: Address,
        /// What is wrong with its endpoint.
        problem: String,
    },
    /// A blob of a result could not be had, or was not what the chain commits to.
    #[error("{what} of {} from provider {provider} is refused: {source}. No file was written; the chain commits the provider to the right bytes", place(*first, *task))]
    Download {
        /// Who served it.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// The task, or none for the lease's digest list.
        task: Option<u32>,
        /// What was fetched.
        what: String,
        /// What is wrong.
        #[source]
        source: Box<BlobError>,
    },
    /// The digests that a provider serves are not those that it committed to on chain.
    #[error(
        "provider {provider} serves digests for the lease at task {first} whose root is {got}, but the chain says {expected}. Nothing of it was used and no file was written"
    )]
    WrongRoot {
        /// Who served them.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// The root on chain.
        expected: B256,
        /// The root of what was served.
        got: B256,
    },
    /// A task's result manifest is malformed or beyond what its spec allows, though it is what the
    /// provider committed to.
    #[error(
        "provider {provider} committed to a result for task {task} (digest {digest}) that is no valid result: {problem}. No file was written; avoid this provider"
    )]
    BadResult {
        /// Who committed to it.
        provider: Address,
        /// The task.
        task: u32,
        /// Its output digest.
        digest: Digest,
        /// What is wrong.
        problem: String,
    },
    /// The job did not end within the given time.
    #[error(
        "job {job_id} is not finished after {seconds} s: {done} of {total} tasks are. It goes on without this program; attach to it again"
    )]
    TimedOut {
        /// The job.
        job_id: B256,
        /// How long was waited.
        seconds: u64,
        /// Finished tasks.
        done: u32,
        /// All tasks.
        total: u32,
    },
    /// Files of this machine.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

fn place(first: u32, task: Option<u32>) -> String {
    match task {
        Some(task) => format!("task {task}"),
        None => format!("the lease at task {first}"),
    }
}

impl Error {
    /// Stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Deployment(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Blob(error) => error.code(),
            Self::Spec(error) => error.code(),
            Self::Config { .. } => "config",
            Self::NoKey => "no-key",
            Self::BadJob { .. } => "bad-job",
            Self::Assurance(error) => error.code(),
            Self::WeakAudits { .. } => "weak-audits",
            Self::InsufficientFunds { .. } => "insufficient-funds",
            Self::Image(error) => error.code(),
            Self::Serve { .. } => "serve",
            Self::JobNotFound { .. } => "job-not-found",
            Self::BadPosting { .. } => "bad-posting",
            Self::NoSuchTask { .. } => "no-such-task",
            Self::NoResult { .. } => "no-result",
            Self::NoAudit { .. } => "no-audit",
            Self::CannotSign { .. } => "cannot-sign",
            Self::Endpoint { .. } => "provider-endpoint",
            Self::Download { .. } => "download-refused",
            Self::WrongRoot { .. } => "wrong-root",
            Self::BadResult { .. } => "bad-result",
            Self::TimedOut { .. } => "timed-out",
            Self::Io { .. } => "io",
        }
    }

    pub(crate) fn config(setting: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Config {
            setting: setting.into(),
            problem: problem.to_string(),
        }
    }

    pub(crate) fn bad_job(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::BadJob {
            field,
            problem: problem.to_string(),
        }
    }
}
