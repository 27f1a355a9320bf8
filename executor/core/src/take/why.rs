//! Why an offer is not taken.

use std::fmt;

use alloy_primitives::B256;

/// The answer to "why is this job not taken?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its posting was reorganized away.
    Unposted,
    /// Its client cancelled it.
    Cancelled,
    /// It closes too soon, or has closed.
    Closes,
    /// It opens later.
    Opens {
        /// When.
        at: u64,
    },
    /// Its results need proofs.
    Proofs,
    /// A conviction would pay its client.
    Refund,
    /// It is for a list of providers that the policy does not name.
    Unlisted,
    /// It is redundant and for a list, and its client is not trusted.
    Untrusted,
    /// The provider is not admitted to its list yet.
    NotAdmitted,
    /// Its spec is refused.
    Spec(String),
    /// Spec and job speak of different numbers of tasks.
    Tasks {
        /// The spec's.
        spec: u32,
        /// The job's.
        job: u32,
    },
    /// Its image is for another platform.
    Platform {
        /// The image's.
        image: String,
        /// This machine's.
        machine: &'static str,
    },
    /// One task asks for more than the machine gives.
    TooLarge,
    /// Its run window is too short for its time-out.
    Window,
    /// It never pays `policy.min_price`.
    NeverPays {
        /// That price.
        min_price: u128,
    },
    /// It pays enough later.
    TooCheap {
        /// When.
        at: u64,
    },
    /// It pays less than it costs the owner.
    BelowCost {
        /// What it pays after the fee.
        pays: u128,
        /// What it costs.
        costs: u128,
    },
    /// Its jury fee is below the policy's.
    JuryFee,
    /// Its leases are larger than the machine takes.
    LeaseTasks {
        /// Tasks in the smallest one.
        least: u32,
    },
    /// Nothing of it is left.
    AllTaken,
    /// A claim of ours is on its way.
    OnItsWay,
    /// No capacity is free.
    NoCapacity,
    /// Stake, or what may be locked for its client, does not cover the bond.
    NotCovered,
    /// Its time is too short for the time-out.
    TooLate,
    /// No seat of it is open.
    NoSeat,
    /// We are not drawn, or only later.
    NotDrawn {
        /// From when on; `u64::MAX`: never.
        from: u64,
    },
    /// Its draw has no seed yet.
    NoSeed,
    /// A round of it lapsed, and must be ended first.
    Lapsed,
    /// The market would refuse the call.
    Refused(String),
    /// Image and input are being fetched.
    Preparing,
    /// Images and inputs of others are being fetched first.
    PreparingOthers,
    /// Image or input cannot be had, or the job cannot run here.
    Unready(String),
    /// Its spec is being tried.
    Trying,
    /// Its spec is new, and trials of others come first.
    TrialWaits,
    /// Its spec is new, and there is no capacity to try it.
    TrialNoCapacity,
    /// Its spec is new, of an unknown client, and takes too long to try.
    TrialTooLong {
        /// Its time-out.
        timeout: u64,
        /// The longest that is tried.
        longest: u64,
    },
    /// A trial gave two different outputs.
    Differs {
        /// The task.
        task: u32,
    },
    /// A trial ended for want of time or memory.
    Unclear {
        /// The task.
        task: u32,
    },
    /// The owner wants no more leases and seats.
    Enough,
}

impl Why {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unposted => "unposted",
            Self::Cancelled => "cancelled",
            Self::Closes => "closes",
            Self::Opens { .. } => "opens",
            Self::Proofs => "proofs",
            Self::Refund => "refund",
            Self::Unlisted => "unlisted",
            Self::Untrusted => "untrusted",
            Self::NotAdmitted => "not-admitted",
            Self::Spec(_) => "spec",
            Self::Tasks { .. } => "tasks",
            Self::Platform { .. } => "platform",
            Self::TooLarge => "too-large",
            Self::Window => "window",
            Self::NeverPays { .. } => "never-pays",
            Self::TooCheap { .. } => "too-cheap",
            Self::BelowCost { .. } => "below-cost",
            Self::JuryFee => "jury-fee",
            Self::LeaseTasks { .. } => "lease-tasks",
            Self::AllTaken => "all-taken",
            Self::OnItsWay => "on-its-way",
            Self::NoCapacity => "no-capacity",
            Self::NotCovered => "not-covered",
            Self::TooLate => "too-late",
            Self::NoSeat => "no-seat",
            Self::NotDrawn { .. } => "not-drawn",
            Self::NoSeed => "no-seed",
            Self::Lapsed => "lapsed",
            Self::Refused(_) => "refused",
            Self::Preparing => "preparing",
            Self::PreparingOthers => "preparing-others",
            Self::Unready(_) => "unready",
            Self::Trying => "trying",
            Self::TrialWaits => "trial-waits",
            Self::TrialNoCapacity => "trial-no-capacity",
            Self::TrialTooLong { .. } => "trial-too-long",
            Self::Differs { .. } => "differs",
            Self::Unclear { .. } => "unclear",
            Self::Enough => "enough",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unposted => f.write_str("its posting was reorganized away"),
            Self::Cancelled => f.write_str("it was cancelled"),
            Self::Closes => f.write_str("it closes too soon, or has closed"),
            Self::Opens { at } => write!(f, "it opens at {at}"),
            Self::Proofs => {
                f.write_str("its results need proofs, which this machine does not make")
            }
            Self::Refund => f.write_str(
                "a conviction would pay its client, and nobody can say whether its spec always prints the same",
            ),
            Self::Unlisted => f.write_str(
                "it is for a private list of providers that is not in policy.lists",
            ),
            Self::Untrusted => f.write_str(
                "it is redundant, for a private list of providers, and its client is not in policy.trusted_clients",
            ),
            Self::NotAdmitted => f.write_str(
                "it is for a private list of providers: prove that the provider is on it with admit()",
            ),
            Self::Spec(why) => write!(f, "its spec is refused: {why}"),
            Self::Tasks { spec, job } => {
                write!(f, "its spec speaks of {spec} tasks, the job of {job}")
            }
            Self::Platform { image, machine } => {
                write!(f, "its image is for {image}, this machine is {machine}")
            }
            Self::TooLarge => f.write_str("one task asks for more than the whole machine gives"),
            Self::Window => f.write_str("its run window is too short for its timeout_seconds"),
            Self::NeverPays { min_price } => write!(
                f,
                "it never pays policy.min_price ({min_price}) a task after the fee"
            ),
            Self::TooCheap { at } => {
                write!(f, "its price gets to policy.min_price at {at}")
            }
            Self::BelowCost { pays, costs } => write!(
                f,
                "it pays {pays} after the fee, and costs {costs} by policy.costs"
            ),
            Self::JuryFee => f.write_str("its juryFee is below policy.min_jury_fee"),
            Self::LeaseTasks { least } => write!(
                f,
                "its leases of at least {least} tasks are larger than capacity.lease_tasks"
            ),
            Self::AllTaken => f.write_str("every task is taken"),
            Self::OnItsWay => f.write_str("claims of ours are on their way"),
            Self::NoCapacity => f.write_str("no capacity is free"),
            Self::NotCovered => f.write_str(
                "the stake that is free, or that may be locked for its client (policy.max_exposure, \
                 policy.strangers_percent), does not cover its bond",
            ),
            Self::TooLate => f.write_str("its time is too short for its timeout_seconds"),
            Self::NoSeat => f.write_str("no seat of it is open"),
            Self::NotDrawn { from: u64::MAX } => f.write_str("we are not drawn for a seat of it"),
            Self::NotDrawn { from } => {
                write!(f, "we are drawn for a seat of it from {from} on")
            }
            Self::NoSeed => f.write_str("its draw has no seed yet"),
            Self::Lapsed => f.write_str("a round of it lapsed, and must be ended first"),
            Self::Refused(why) => f.write_str(why),
            Self::Preparing => f.write_str("its image and input are being made ready"),
            Self::PreparingOthers => f.write_str(
                "images and inputs of other jobs are being fetched first: at most one job of each client, four of clients that have \
                 paid this machine, and four of others",
            ),
            Self::Unready(why) => f.write_str(why),
            Self::Trying => f.write_str("its spec is new here: a task of it is being run twice"),
            Self::TrialWaits => {
                f.write_str("its spec is new here, and others are being tried first")
            }
            Self::TrialNoCapacity => {
                f.write_str("its spec is new here, and no capacity is free to try it")
            }
            Self::TrialTooLong { timeout, longest } => write!(
                f,
                "its spec is new here, its client has never paid this machine, and its timeout_seconds ({timeout}) is \
                 over policy.try_seconds ({longest})"
            ),
            Self::Differs { task } => write!(
                f,
                "its task {task} gave two different outputs here: a jury could convict its results"
            ),
            Self::Unclear { task } => write!(
                f,
                "its spec is new here, and its task {task} ran out of time or memory when it was tried: nobody can say \
                 whether others see the same"
            ),
            Self::Enough => f.write_str("policy.max_leases leases and seats are held"),
        }
    }
}

/// What keeps the machine as a whole from taking work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// It has not read the chain to its end yet.
    Reading,
    /// The provider has no stake.
    NoStake,
    /// Outputs that are owed fill the disk.
    DiskFull,
    /// It was asked to stop.
    Stopping,
}

/// A job's answer, for those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The job.
    pub job: B256,
    /// Why it is not taken.
    pub why: Why,
}
