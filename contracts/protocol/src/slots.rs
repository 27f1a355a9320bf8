//! What the market remembers, record by record, and how each record changes. Solidity packs each of the first five
//! into one storage slot; the widths that it keeps are noted where they are less than the type's.

use crate::types::{Address, Bytes32, How, JobStatus, Phase, Seat, Times, U256};

/// What a deployment fixes for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Config {
    /// The token of payments and stakes.
    pub token: Address,
    /// Who may change the fee of jobs still to be posted; nobody: it is fixed.
    pub fee_governor: Address,
    /// The EIP-712 domain separator of this market on the chain of its deployment.
    pub domain: Bytes32,
    /// That chain's id.
    pub chain_id: U256,
    /// The times that hold for all jobs.
    pub times: Times,
}

/// A job. Its escrow is not stored: it is `max_price` for each seat of the tasks from `next` on and of the leases that
/// are neither settled nor refunded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct JobSlot {
    /// Posted, or cancelled; never None again: that is the replay guard.
    pub status: JobStatus,
    /// The protocol fee, fixed at `post`.
    pub fee_bps: u16,
    /// First task that no lease holds.
    pub next: u32,
    /// Time of `post`; 40 bits.
    pub posted_at: u64,
    /// Block of `post`; 40 bits.
    pub posted_block: u64,
    /// All stake when it was posted; 96 bits.
    pub total_stake: u128,
}

/// A lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct LeaseSlot {
    /// Number of who holds it; of a free lease, of who left it; of a quorum, of one of its seats.
    pub provider: u32,
    /// Where it stands.
    pub phase: Phase,
    /// How it was settled.
    pub how: How,
    /// 1 for the first, one more for each new one.
    pub round: u16,
    /// Tasks in it.
    pub count: u32,
    /// The job's fee.
    pub fee_bps: u16,
    /// When its round began; fixes its price and its deadline. Of a lease that was freed by other than `expire`, when
    /// that was. 40 bits.
    pub started_at: u64,
    /// When its challenge window, its reveal, or the time to answer a demand began; 40 bits.
    pub submitted_at: u64,
    /// Seats taken in its round.
    pub seats: u8,
    /// Seats that committed.
    pub commits: u8,
    /// Commitments that were revealed.
    pub reveals: u8,
    /// Challenges in its round (saturating).
    pub challenges: u8,
    /// Whether its digests were demanded in this round.
    pub demanded: bool,
    /// How long before its round its draw began; 24 bits, saturating.
    pub waited: u32,
}

impl LeaseSlot {
    /// The most that `waited` keeps.
    const MOST_WAITED: u32 = (1 << 24) - 1;

    /// A fixed part of a redundant job that never had a round.
    pub(crate) fn untouched(count: u32, fee_bps: u16) -> Self {
        Self {
            phase: Phase::Free,
            count,
            fee_bps,
            ..Self::default()
        }
    }

    /// A round that begins at `time`.
    pub(crate) fn running(provider: u32, round: u16, count: u32, fee_bps: u16, time: u64) -> Self {
        Self {
            provider,
            phase: Phase::Running,
            round,
            count,
            fee_bps,
            started_at: time,
            ..Self::default()
        }
    }

    /// A redundant lease whose draw began `waited` seconds ago, and whose round begins at `time`.
    pub fn drawing(self, round: u16, time: u64, waited: u64) -> Self {
        let waited = u32::try_from(waited)
            .unwrap_or(u32::MAX)
            .min(Self::MOST_WAITED);
        Self {
            waited,
            ..Self::running(0, round, self.count, self.fee_bps, time)
        }
    }

    /// The lease, freed at `time`, which takes the place of its round's beginning. What concerns the round alone goes.
    pub(crate) fn freed(self, time: u64) -> Self {
        Self {
            phase: Phase::Free,
            started_at: time,
            submitted_at: 0,
            seats: 0,
            commits: 0,
            reveals: 0,
            challenges: 0,
            demanded: false,
            waited: 0,
            ..self
        }
    }

    /// The submitted lease, challenged once more.
    pub(crate) fn challenged(self) -> Self {
        Self {
            phase: Phase::Challenged,
            challenges: self.challenges.saturating_add(1),
            ..self
        }
    }

    /// The submitted lease, its digests demanded at `time`, which takes the place of its window's beginning.
    pub(crate) fn demanded_at(self, time: u64) -> Self {
        Self {
            phase: Phase::Demanded,
            submitted_at: time,
            demanded: true,
            ..self
        }
    }

    /// The lease with a result that can be contested from `time` on.
    pub(crate) fn submitted(self, time: u64) -> Self {
        Self {
            phase: Phase::Submitted,
            submitted_at: time,
            ..self
        }
    }

    /// The lease, settled.
    pub(crate) fn settled(self, how: How) -> Self {
        Self {
            phase: Phase::Settled,
            how,
            ..self
        }
    }

    /// The lease in another phase.
    pub(crate) fn to(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }
}

/// What a lease that goes well changes of its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct ProviderSlot {
    /// What it was paid and has not drawn yet; part of its balance. 96 bits.
    pub earned: u128,
    /// Stake that no lease locks; all stake less this is the sum of its bonds. 96 bits.
    pub free: u128,
    /// Leases settled in its favour (saturating).
    pub completed: u32,
}

/// The seed of a draw, and what it is drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct SealSlot {
    /// The highest 80 bits of a hash: nobody can prepare for 2^80 seeds, nor try that many blocks.
    pub seed: u128,
    /// All stake when it was sealed, or at `post` if that was less; 96 bits.
    pub total_stake: u128,
    /// When it was sealed, 0 if it was not; 40 bits.
    pub sealed_at: u64,
    /// When the job was posted: stake that grew too late for it does not count. 40 bits.
    pub posted_at: u64,
}

impl SealSlot {
    /// The seed as a word: its 80 bits in the lowest place.
    pub fn seed_word(&self) -> Bytes32 {
        crate::abi::number(self.seed)
    }
}

/// What a seat did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct SeatSlot {
    /// What it did last.
    pub state: Seat,
    /// The highest 248 bits of its commitment, or of the hash of what it revealed.
    pub mark: [u8; 31],
}

impl SeatSlot {
    /// A reserved seat.
    pub(crate) const JOINED: Self = Self {
        state: Seat::Joined,
        mark: [0; 31],
    };

    /// A seat with a commitment.
    pub(crate) fn committed(commitment: &Bytes32) -> Self {
        Self {
            state: Seat::Committed,
            mark: Self::mark(commitment),
        }
    }

    /// A seat that revealed the vote with this hash.
    pub(crate) fn revealed(vote_hash: &Bytes32) -> Self {
        Self {
            state: Seat::Revealed,
            mark: Self::mark(vote_hash),
        }
    }

    fn mark(hash: &Bytes32) -> [u8; 31] {
        let [mark @ .., _] = *hash;
        mark
    }
}

/// What changes only when a provider stakes, unstakes or loses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct StakeSlot {
    /// All its stake; 96 bits.
    pub total: u128,
    /// When it last increased; 40 bits.
    pub staked_at: u64,
    /// Leases it let expire or released late (saturating).
    pub late: u32,
    /// Leases lost to a jury or a quorum (saturating).
    pub slashed: u32,
}

/// A challenge and its jury.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct Dispute {
    /// Who challenged.
    pub challenger: Address,
    /// The task whose output is contested.
    pub task: u32,
    /// K, what the challenger put down; 96 bits.
    pub deposit: u128,
    /// When; 40 bits.
    pub opened_at: u64,
    /// In which block; 40 bits.
    pub opened_block: u64,
    /// When the last juror committed, else 0; 40 bits.
    pub reveal_from: u64,
    /// Jurors.
    pub seats: u8,
    /// How many of them committed.
    pub commits: u8,
    /// How many of them revealed.
    pub reveals: u8,
    /// Whether the challenger revealed its answer.
    pub answered: bool,
    /// The output digest that the provider committed to.
    pub digest: Bytes32,
    /// The challenger's commitment; once revealed, the digest that it was to.
    pub answer: Bytes32,
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
        Self {
            node_id: [0; 32],
            capabilities: [0; 32],
            endpoint: [0; 128],
            length: 0,
        }
    }
}

impl Profile {
    /// Its base URL; nobody checked that it is one.
    pub fn endpoint(&self) -> &[u8] {
        self.endpoint
            .get(..usize::from(self.length))
            .unwrap_or(&self.endpoint)
    }
}

/// Who receives the fee, and what it earned since it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "scale", derive(scale::Encode, scale::Decode))]
pub struct FeeSlot {
    /// Who receives it.
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
    /// What was slashed and is nobody's; 96 bits.
    pub burned: u128,
    /// All stake; 96 bits.
    pub stake: u128,
    /// The fee for jobs posted now.
    pub fee_bps: u16,
    /// How many providers there are.
    pub providers: u32,
}
