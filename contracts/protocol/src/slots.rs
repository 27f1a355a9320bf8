//! What the market remembers, record by record, and how each record changes. Solidity packs most of them into one storage
//! slot; the widths that it keeps are noted where they are less than the type's.

use crate::types::{Address, Bytes32, Grade, JobStatus, Phase, Seat, Times, U256};

/// What a deployment fixes permanently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Config {
    /// The token of payments and stakes.
    pub token: Address,
    /// The contract that seeds come from.
    pub beacon: Address,
    /// The account that may change the fee of jobs still to be posted; nobody: it is fixed.
    pub fee_governor: Address,
    /// The EIP-712 domain separator of this market on the chain of its deployment.
    pub domain: Bytes32,
    /// That chain's id.
    pub chain_id: U256,
    /// The times that hold for all jobs.
    pub times: Times,
    /// Whether the market is a devnet's.
    pub devnet: bool,
}

/// A job, as it is stored and as `jobOf` returns it. Its escrow is not stored: it is the worst case of the tasks from `next` on and of the leases that have no end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct JobSlot {
    /// None for a job that was never posted, and never again None: that is the replay guard.
    pub status: JobStatus,
    /// The protocol fee, fixed at `post`.
    pub fee_bps: u16,
    /// First task that no lease holds, or of the first redundant lease that has not opened; `tasks` if there is none.
    pub next: u32,
    /// Time of `post`; 40 bits.
    pub posted_at: u64,
    /// The beacon's point of the first draws; 0 where nobody is drawn for leases.
    pub point: u64,
}

/// A lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct LeaseSlot {
    /// Where it stands.
    pub phase: Phase,
    /// How sure its root is, once settled.
    pub grade: Grade,
    /// 1 for the first, one more for each new one (saturating).
    pub round: u16,
    /// Tasks in it.
    pub count: u32,
    /// The job's fee.
    pub fee_bps: u16,
    /// When its phase began; 40 bits. `Audited` and `Undecided` keep the submission's.
    pub since: u64,
    /// The time on the ramp that prices its round; of a redundant lease when it opened. 40 bits.
    pub origin: u64,
    /// The beacon's point of its submission, or of its round's draw; 0 if there is none.
    pub point: u64,
    /// Number of its holder; of a free lease, of its last holder. 0 of a redundant lease, whose Solidity record has
    /// the next three in this place.
    pub provider: u32,
    /// Seats taken in its round.
    pub seats: u8,
    /// Seats that committed.
    pub commits: u8,
    /// Commitments that were opened.
    pub opened: u8,
}

impl LeaseSlot {
    /// A redundant lease of `count` tasks that opens at `time`.
    pub(crate) fn opened(job: &JobSlot, count: u32, time: u64) -> Self {
        Self {
            phase: Phase::Free,
            round: 1,
            count,
            fee_bps: job.fee_bps,
            since: time,
            origin: time,
            point: job.point,
            ..Self::default()
        }
    }

    /// The lease in another phase, from `time` on.
    pub(crate) fn to(self, phase: Phase, time: u64) -> Self {
        Self { phase, since: time, ..self }
    }

    /// The lease in a phase that keeps the time of the last one.
    pub(crate) fn in_phase(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// The lease, freed at `time` for its next round. What concerns the round alone goes.
    pub(crate) fn freed(self, time: u64) -> Self {
        Self {
            phase: Phase::Free,
            since: time,
            round: self.round.saturating_add(1),
            seats: 0,
            commits: 0,
            opened: 0,
            ..self
        }
    }

    /// The lease, settled.
    pub(crate) fn settled(self, grade: Grade) -> Self {
        Self { phase: Phase::Settled, grade, ..self }
    }
}

/// What a lease that goes well changes of its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct ProviderSlot {
    /// What it was paid and has not drawn yet; part of its balance. 96 bits.
    pub earned: u128,
    /// Stake that no bond locks; all stake less this is the sum of its bonds. 96 bits.
    pub free: u128,
    /// Leases settled in its favour (saturating).
    pub completed: u32,
}

/// What changes only when a provider stakes, unstakes or loses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct StakeSlot {
    /// All its stake; 96 bits.
    pub total: u128,
    /// When it last increased; 40 bits.
    pub staked_at: u64,
    /// Partial losses of bonds (saturating).
    pub late: u32,
    /// Bonds lost whole (saturating).
    pub slashed: u32,
}

/// Stake from a time on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Checkpoint {
    /// The time; 48 bits.
    pub time: u64,
    /// All stake of a provider, or of all providers; 96 bits.
    pub amount: u128,
}

/// What a seat did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct SeatSlot {
    /// What it did last.
    pub state: Seat,
    /// The highest 248 bits of its commitment, or of the hash of the opened content.
    pub mark: [u8; 31],
}

impl SeatSlot {
    /// A seat in a state that has no mark.
    pub(crate) const fn bare(state: Seat) -> Self {
        Self { state, mark: [0; 31] }
    }

    /// A seat in a state, with the mark of this hash.
    pub(crate) fn marked(state: Seat, hash: &Bytes32) -> Self {
        let [mark @ .., _] = *hash;
        Self { state, mark }
    }
}

/// How to reach a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Profile {
    /// Its peer-to-peer node, or zero.
    pub node_id: Bytes32,
    /// Digest of its machines' description, or zero.
    pub capabilities: Bytes32,
    /// Base URL of its blob server: the first `length` bytes.
    pub endpoint: [u8; 128],
    /// Bytes of the endpoint, at most 128.
    pub length: u8,
}

impl Default for Profile {
    fn default() -> Self {
        Self { node_id: [0; 32], capabilities: [0; 32], endpoint: [0; 128], length: 0 }
    }
}

impl Profile {
    /// Its base URL; nobody checked that it is one.
    pub fn endpoint(&self) -> &[u8] {
        self.endpoint.get(..usize::from(self.length)).unwrap_or(&self.endpoint)
    }
}

/// The fee's recipient, and what it earned since it receives the fee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct FeeSlot {
    /// The account that receives the fee.
    pub recipient: Address,
    /// Part of its balance; 96 bits.
    pub earned: u128,
}

/// The market's own sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Totals {
    /// What came in less what went out; at most 2^96 - 1, and so no sum of amounts is more.
    pub held: u128,
    /// What nobody will ever receive; 96 bits.
    pub burned: u128,
    /// All stake; 96 bits.
    pub stake: u128,
    /// The fee for jobs posted now.
    pub fee_bps: u16,
    /// How many providers there are.
    pub providers: u32,
}
