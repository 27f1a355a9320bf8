//! The words of the ABI: what callers bring, and what views return. Amounts are in the token's smallest unit, times in
//! Unix seconds, windows in seconds, shares in basis points.

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
    /// The account that pays, and that alone may cancel.
    pub client: Address,
    /// Any number that the client has not revoked; makes equal jobs distinct.
    pub nonce: u64,
    /// keccak256 of the job-spec bytes.
    pub spec: Bytes32,
    /// Size of the array, at least 1.
    pub tasks: u32,
    /// Fewest tasks in a lease.
    pub min_lease: u32,
    /// Most tasks in a lease; of a redundant job equal to `min_lease`.
    pub max_lease: u32,
    /// Zero for an open market, otherwise the Merkle root of the listed providers.
    pub providers: Bytes32,
}

/// How the result is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assurance {
    /// Seats of a lease, 1 to 15; 1 is the ordinary lease.
    pub replicas: u8,
    /// Equal roots that settle a lease; 1 iff `replicas` is 1.
    pub quorum: u8,
    /// Chance in basis points that a submitted lease is audited.
    pub audit_bps: u16,
    /// Whether a conviction by three equal votes against an opened leaf returns the price.
    pub refund: bool,
    /// Nobody, or the contract that decides proofs.
    pub verifier: Address,
}

/// What it costs. The price climbs linearly from `min_price` to `max_price` in `ramp` seconds in which the lease is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Per task and seat at the beginning of the ramp.
    pub min_price: u128,
    /// Per task and seat at its end; what is held in escrow.
    pub max_price: u128,
    /// Stake locked per task and seat.
    pub bond: u128,
    /// What a juror of the majority is paid; 0 iff there are no audits.
    pub jury_fee: u128,
}

/// When.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// First second in which a lease can be claimed or joined.
    pub opens_at: u64,
    /// Seconds from `min_price` to `max_price`; 0 means `max_price` at once.
    pub ramp: u64,
    /// Last second of new leases, takeovers and rounds.
    pub closes_at: u64,
    /// Seconds that a round has for the work.
    pub run_window: u64,
    /// Seconds after submission in which a due audit can be opened.
    pub audit_window: u64,
}

/// A job. Every call brings it; the market keeps its hash and its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Who asks for what.
    pub terms: Terms,
    /// How the result is checked.
    pub assurance: Assurance,
    /// What it costs.
    pub price: Price,
    /// When.
    pub timing: Timing,
}

/// Times that the market fixes for all jobs, in seconds. What each is usually, stands behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Times {
    /// How long stake must have stood before `post` or `submit` to be drawn, and stays after it last grew: 1 day.
    pub stake_age: u64,
    /// Least time after which twice as many providers are drawn for a lease: 60.
    pub lease_step: u64,
    /// Time after which twice as many providers are drawn for a jury: 10 minutes.
    pub jury_step: u64,
    /// What jurors have beyond the job's run window: 1 hour.
    pub jury_time: u64,
    /// In which commitments are opened: 6 hours.
    pub reveal_window: u64,
    /// In which the accused's leaf is brought: 24 hours.
    pub respond_window: u64,
    /// In which a second jury can be opened: 1 day.
    pub retry_window: u64,
    /// Least audit window of a job: 2 hours.
    pub least_audit_window: u64,
    /// Least run window of a job: 60.
    pub least_run_window: u64,
}

/// A seat of a round, and what opens its commitment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The provider's number.
    pub number: u32,
    /// The root, or the output digest.
    pub value: Bytes32,
    /// The address of the digest list, or the keyed digest.
    pub proof: Bytes32,
    /// The secret of the commitment; zero names a seat and opens nothing.
    pub salt: Bytes32,
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
        /// It waits for a takeover or for `close`; of a redundant lease: until its Q-th seat is taken.
        Free,
        /// A round runs.
        Running,
        /// A result waits for chance.
        Submitted,
        /// It waits for a jury's verdict.
        Audited,
        /// It waits for a second jury.
        Undecided,
        /// All seats of a redundant lease committed.
        Revealing,
        /// Final: it has a result.
        Settled,
        /// Final: it has none, and its price was burned.
        Void,
        /// Final: it was not run.
        Refunded,
    }

    /// How sure a final root is.
    Grade {
        /// An audit was due, and nobody came or two juries found no verdict.
        Contested,
        /// No audit was due.
        Unaudited,
        /// A drawn jury agreed on one drawn task of the lease.
        Audited,
        /// A quorum of providers that the client listed.
        Listed,
        /// A quorum of drawn providers.
        Quorum,
        /// The job's verifier confirmed it.
        Proven,
    }

    /// Why a round ended without a result.
    Reason {
        /// Nobody submitted in time.
        Late,
        /// Its holder left.
        Left,
        /// Too few seats committed.
        TooFewCommits,
        /// Enough seats committed, and none opened.
        Outage,
        /// Too few seats opened for a quorum.
        NoQuorum,
    }

    /// What a seat has done so far.
    Seat {
        /// It was reserved.
        Joined,
        /// It committed.
        Committed,
        /// Its commitment was opened.
        Opened,
        /// Its holder left, or was late.
        Left,
    }

    /// How a seat ended.
    SeatEnd {
        /// It was of the majority: its bond is back.
        Paid,
        /// It opened something else than the majority: its bond is burned.
        Outvoted,
        /// It committed and was not opened though another was: its bond is burned.
        Silent,
        /// It joined and never committed: a tenth is burned.
        Late,
        /// It opened the zero digest: a tenth is burned.
        Abstained,
        /// It was opened, without verdict or quorum: a tenth is burned.
        Undecided,
        /// It lost nothing.
        Released,
    }

    /// What a jury found.
    Verdict {
        /// The lease stands.
        Acquitted,
        /// The lease is void.
        Convicted,
        /// Neither.
        NoVerdict,
    }
}

/// State of a lease (`leaseOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseState {
    /// Its holder; of a free lease its last holder; nobody of a redundant lease.
    pub provider: Address,
    /// Where it stands.
    pub phase: Phase,
    /// How sure its root is, once settled.
    pub grade: Grade,
    /// 1 for the first.
    pub round: u16,
    /// Tasks in it.
    pub count: u32,
    /// When the phase began.
    pub since: u64,
    /// The time on the ramp that prices its round; of a redundant lease when it opened.
    pub origin: u64,
    /// The beacon's point of the audit, or of the round's draw; 0 if there is none.
    pub point: u64,
    /// Merkle root of its result.
    pub root: Bytes32,
    /// Seats taken in a redundant round.
    pub seats: u8,
    /// How many of them committed.
    pub commits: u8,
    /// How many commitments were opened.
    pub opened: u8,
}

/// State of a lease's last audit (`auditOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct AuditState {
    /// 1 or 2; 0 if no audit was opened.
    pub jury: u8,
    /// The drawn task.
    pub task: u32,
    /// The later of its opening and its point's time; once all three committed, when the last did. 40 bits.
    pub since: u64,
    /// When the accused's leaf was first missed; of an undecided lease the last second to open a second jury. 40 bits.
    pub due: u64,
    /// The beacon's point that draws the jury.
    pub point: u64,
    /// Jurors.
    pub seats: u8,
    /// How many of them committed.
    pub commits: u8,
    /// How many of those votes were opened.
    pub opened: u8,
    /// How many votes the first jury opened, if it found no verdict.
    pub undecided: u8,
}

/// State of a provider (`providerOf`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderState {
    /// Its place in the order of first `stake` or `setOperator`, from 1; 0 for no provider.
    pub number: u32,
    /// All its stake.
    pub stake: u128,
    /// The part of it that no bond locks.
    pub free: u128,
    /// When its stake last increased.
    pub staked_at: u64,
    /// Leases settled in its favour (saturating).
    pub completed: u32,
    /// Rounds that it left late, let expire or did not finish (saturating).
    pub late: u32,
    /// Bonds that it lost whole (saturating).
    pub slashed: u32,
}
