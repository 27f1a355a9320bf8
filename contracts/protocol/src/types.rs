//! The words of the ABI: what callers bring, and what views return. Amounts are in the token's smallest unit, times in
//! Unix seconds, windows in seconds, fees in basis points.

pub use ruint::aliases::U256;

/// An account.
pub type Address = [u8; 20];

/// A hash, a root, a digest.
pub type Bytes32 = [u8; 32];

/// No account.
pub const NOBODY: Address = [0; 20];

/// No hash.
pub const ZERO: Bytes32 = [0; 32];

/// Who asks for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Who pays, and alone may cancel and accept.
    pub client: Address,
    /// Any number the client has not revoked; makes equal jobs distinct.
    pub nonce: u64,
    /// keccak256 of the job-spec bytes.
    pub spec: Bytes32,
    /// Size of the array, at least 1.
    pub tasks: u32,
    /// Most tasks in one lease; at most 2,048 when optimistic.
    pub max_lease: u32,
    /// Seats of a lease, 1 to 15.
    pub replicas: u8,
    /// Equal roots that settle a lease; 1 iff `replicas` is 1 (optimistic).
    pub quorum: u8,
    /// Zero for an open market, else the Merkle root of the admitted providers.
    pub providers: Bytes32,
    /// Nobody, or the contract that decides proofs (1/1 only).
    pub verifier: Address,
}

/// What it costs. The price climbs linearly from `min_price` at `opens_at` to `max_price` at `opens_at + ramp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Per task and seat at `opens_at`.
    pub min_price: u128,
    /// Per task and seat from `opens_at + ramp` on; what is held in escrow.
    pub max_price: u128,
    /// Stake locked per task and seat.
    pub bond: u128,
    /// What one juror of a dispute is paid; 0: no disputes.
    pub jury_fee: u128,
}

/// When.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// First second in which a lease can be taken.
    pub opens_at: u64,
    /// Seconds from `min_price` to `max_price`; 0 means `max_price` at once.
    pub ramp: u64,
    /// Last second of new leases, takeovers and rounds.
    pub closes_at: u64,
    /// Seconds that a round has for the work.
    pub run_window: u64,
    /// Seconds in which an optimistic result can be contested.
    pub challenge_window: u64,
}

/// A job. Every call brings it; the market keeps its hash and its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Who asks for what.
    pub terms: Terms,
    /// What it costs.
    pub price: Price,
    /// When.
    pub timing: Timing,
}

/// Times that the market fixes for all jobs, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Times {
    /// What a round of drawn seats lasts beyond the job's run window: 60.
    pub draw_time: u64,
    /// After each of which twice as many providers are drawn: 15.
    pub draw_step: u64,
    /// In which commitments are revealed: 1 hour.
    pub reveal_window: u64,
    /// In which a demand is answered: 6 hours.
    pub respond_window: u64,
    /// How long before `post` a stake last grew, if it is to be drawn: 1 day.
    pub stake_age: u64,
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
        pub enum $name {
            /// Nothing yet.
            #[default]
            None,
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The state that this number stands for, in the ABI and in storage.
            pub fn from_number(number: u8) -> Option<Self> {
                [Self::None, $(Self::$variant),*].get(usize::from(number)).copied()
            }
        }
    )*};
}

states! {
    /// What became of a job.
    JobStatus {
        /// It was posted.
        Posted,
        /// Its client stopped new leases and rounds.
        Cancelled,
    }

    /// Where a lease stands.
    Phase {
        /// A round runs; of a redundant lease: until the last seat committed.
        Running,
        /// An optimistic result waits for its window to end.
        Submitted,
        /// It waits for a new round or for `close`.
        Free,
        /// Final: it has a result.
        Settled,
        /// Final: it has none.
        Refunded,
        /// All seats committed, and reveal.
        Revealing,
        /// It waits for a jury.
        Challenged,
        /// It waits for its provider's digests.
        Demanded,
    }

    /// How a root became final, from the least sure to the surest.
    How {
        /// By the client's word.
        Accepted,
        /// Nobody contested it in time.
        Unchallenged,
        /// By a quorum of drawn seats.
        Quorum,
        /// By the job's verifier.
        Proven,
    }

    /// Why a round ended without a result.
    Reason {
        /// Nobody submitted in time.
        Expired,
        /// Its holder gave it up within the first eighth of the run window.
        ReleasedEarly,
        /// Its holder gave it up later.
        ReleasedLate,
        /// A jury found its result wrong.
        LostJury,
        /// Its holder did not answer a demand.
        Withheld,
        /// Too few seats committed.
        TooFewCommits,
    }

    /// What a seat has done so far.
    Seat {
        /// It was reserved.
        Joined,
        /// It committed to a vote.
        Committed,
        /// It revealed its vote.
        Revealed,
    }

    /// How a seat ended.
    SeatEnd {
        /// It was of the majority, or revealed in a jury without a verdict: paid, its bond back.
        Paid,
        /// It voted otherwise than the majority: its bond is burned.
        Outvoted,
        /// It did not reveal (of a jury: or did not commit): its bond is burned.
        Silent,
        /// It joined a lease's round and never committed: a tenth is burned.
        Late,
        /// It revealed in a lease's round without a quorum: a tenth is burned.
        Undecided,
        /// It committed where too few did: its bond is back.
        Released,
    }

    /// What a jury found.
    Verdict {
        /// A quorum voted for another digest.
        ProviderWrong,
        /// A quorum voted for the provider's digest, or could not obtain the input.
        ProviderRight,
        /// There was no quorum.
        Inconclusive,
    }
}

/// State of a job (`jobOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// None for a job that was never posted.
    pub status: JobStatus,
    /// The protocol fee, fixed at `post`.
    pub fee_bps: u16,
    /// First task that no lease holds; always `tasks` of a redundant job.
    pub next: u32,
    /// Time of `post`.
    pub posted_at: u64,
    /// Block of `post`.
    pub posted_block: u64,
}

/// State of a lease (`leaseOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseState {
    /// Who holds it; of a free lease who left it last; of a quorum one of its seats.
    pub provider: Address,
    /// Where it stands.
    pub phase: Phase,
    /// How it was settled.
    pub how: How,
    /// 1 for the first.
    pub round: u16,
    /// Tasks in it.
    pub count: u32,
    /// When its round began, or when it was freed by other than `expire`.
    pub started_at: u64,
    /// When its window, its reveal or its demand began.
    pub submitted_at: u64,
    /// Root of its result.
    pub root: Bytes32,
    /// Seats taken.
    pub seats: u8,
    /// How many of them committed.
    pub commits: u8,
    /// How many of them revealed.
    pub reveals: u8,
    /// Challenges of the present round.
    pub challenges: u8,
}

/// State of the last dispute over a lease's present round (`disputeOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DisputeState {
    /// Who challenged; nobody if there was none.
    pub challenger: Address,
    /// The task whose output is contested.
    pub task: u32,
    /// The output digest that the provider committed to.
    pub digest: Bytes32,
    /// The challenger's commitment; once revealed, the digest that it was to.
    pub answer: Bytes32,
    /// Whether it was revealed.
    pub answered: bool,
    /// K, what the challenger put down.
    pub deposit: u128,
    /// When it was opened.
    pub opened_at: u64,
    /// In which block.
    pub opened_block: u64,
    /// When the last juror committed, else 0.
    pub reveal_from: u64,
    /// Jurors.
    pub seats: u8,
    /// How many of them committed.
    pub commits: u8,
    /// How many of them revealed.
    pub reveals: u8,
}

/// State of a provider (`providerOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderState {
    /// Its place in the order of first `stake` or `setOperator`, from 1; 0 for no provider.
    pub number: u32,
    /// All its stake.
    pub stake: u128,
    /// The part of it that no lease locks.
    pub free: u128,
    /// When its stake last increased.
    pub staked_at: u64,
    /// Leases settled in its favour (saturating).
    pub completed: u32,
    /// Leases it let expire or released late (saturating).
    pub late: u32,
    /// Leases lost to a jury or a quorum (saturating).
    pub slashed: u32,
}
