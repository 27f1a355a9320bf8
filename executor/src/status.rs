//! What an executor says about itself: `/status`, and [`Executor::status`](crate::Executor::status).

use std::borrow::Cow;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// A moment of an executor.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Version of this program.
    pub version: Cow<'static, str>,
    /// Base URL of the published outputs.
    pub blob_url: String,
    /// Containers that run now, for all chains together.
    pub running_tasks: u32,
    /// Most containers that run at the same time.
    pub capacity_tasks: u32,
    /// Whether a stop was asked for.
    pub stopping: bool,
    /// Whether the executor was drained: nothing is owed on any chain, and it ends now.
    #[serde(default)]
    pub drained: bool,
    /// The chains that are served, side by side, as they are configured.
    pub chains: Vec<ChainStatus>,
}

/// A moment of one chain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChainStatus {
    /// What the owner calls it.
    pub name: String,
    /// Chain id.
    pub chain_id: u64,
    /// The market contract.
    pub market: Address,
    /// The staked account.
    pub provider: Address,
    /// The address of the key that signs.
    pub operator: Address,
    /// Newest block seen.
    pub head_block: u64,
    /// Its time, in Unix seconds.
    pub head_time: u64,
    /// All stake of the provider, in the token's smallest unit.
    pub stake: u128,
    /// The part of it that no lease locks.
    pub free_stake: u128,
    /// Containers that run now.
    pub running_tasks: u32,
    /// What keeps this executor from taking work here, in words; empty when it takes work.
    pub blocked: Vec<String>,
    /// Leases and seats that are not over.
    pub leases: Vec<LeaseStatus>,
    /// What is still owed: until when this machine is needed, and what is lost without it. The soonest first.
    #[serde(default)]
    pub obligations: Vec<ObligationStatus>,
    /// Open jobs that are not taken, and why.
    pub skipped: Vec<SkippedJob>,
    /// Leases settled for us since the state directory was made.
    pub settled: u64,
    /// Leases lost (left, expired or convicted) and seats that cost a part of their bond since then.
    pub lost: u64,
    /// Stake that these cost, at most, in the token's smallest unit.
    pub lost_stake: u128,
}

/// One lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// The job.
    pub job: B256,
    /// First task.
    pub first: u32,
    /// Tasks in it.
    pub count: u32,
    /// Its round, from 1.
    pub round: u16,
    /// 0 for a lease, or a seat of a redundant one; 1 or 2 for a seat of its first or second jury.
    pub kind: u8,
    /// Where it stands: running, submitting, submitted, audited, answering, judging, finalizing, leaving, expiring,
    /// settled, absent, lost; of a seat also joined, committing, committed, opening, opened, settling, failed,
    /// released.
    pub phase: Cow<'static, str>,
    /// Tasks whose outcome is known.
    pub tasks_done: u32,
    /// Last second in which a result can be submitted, or committed to.
    pub deadline: u64,
}

/// Something that this machine still owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObligationStatus {
    /// The job.
    pub job: B256,
    /// First task of the lease.
    pub first: u32,
    /// Its round, from 1.
    pub round: u16,
    /// 0 for a lease, or a seat of a redundant one; 1 or 2 for a seat of its first or second jury.
    pub kind: u8,
    /// Last second of chain time in which doing it helps.
    pub until: u64,
    /// The most that is lost without it, in the token's smallest unit.
    pub at_stake: u128,
}

/// A job that is not taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SkippedJob {
    /// The job.
    pub job: B256,
    /// Why not, in words.
    pub why: String,
}

/// What the owner calls a lease or a seat.
pub(crate) fn kind(kind: u8) -> &'static str {
    match kind {
        0 => "lease",
        1 => "jury",
        _ => "second jury",
    }
}

/// What the owner asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    No,
    /// Take nothing, finish what is bonded.
    Finish,
    /// Take nothing, and stay until nothing is owed.
    Drain,
}
