// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

// The three records that every lease touches fill one storage slot each. They are read once, changed
// as a value, and written once: the compiler's own packing of structs reads and writes a slot for
// each field (some 10,000 gas over a lease).

/// @dev bits 0 status (8), 8 feeBps (16), 24 next (32), 56 postedAt (40), 96 postedBlock (40), 136 all stake
/// at `post` (96), 232 to 255 unused. Never returns to zero: that is the replay guard.
type JobSlot is uint256;

/// @dev bits 0 provider number (32), 32 phase (8), 40 how (8), 48 round (16), 64 count (32),
/// 96 feeBps (16), 112 startedAt (40), 152 submittedAt (40), 192 seats (8), 200 commits (8), 208 reveals (8),
/// 216 challenges (8), 224 demanded (8), 232 waited (24).
type LeaseSlot is uint256;

/// @dev bits 0 earned (96), 96 free stake (96), 192 completed (32), 224 to 255 unused.
type ProviderSlot is uint256;

/// @dev bits 0 total stake (96), 96 sealedAt (40), 136 postedAt (40), 176 the highest 80 bits of the seed.
type SealSlot is uint256;

/// @dev bits 0 `IMarket.Seat` (8), 8 the highest 248 bits of a commitment or of the hash of what was revealed.
type SeatSlot is uint256;

using JobSlots for JobSlot global;
using LeaseSlots for LeaseSlot global;
using ProviderSlots for ProviderSlot global;
using SealSlots for SealSlot global;
using SeatSlots for SeatSlot global;

// A cast to n bits below is how the lowest n bits of a word are read.
// forge-lint: disable-start(unsafe-typecast)

/// @title The state of a job in one slot
/// @notice Its escrow is not stored: it is `maxPrice` for each seat of the tasks from `next` on and of
/// the leases that are neither settled nor refunded.
library JobSlots {
    /// @notice A job posted now, with the fee and all stake of this moment, all tasks before `task` not to be claimed.
    function posted(uint16 fee, uint32 task, uint96 totalStake_) internal view returns (JobSlot) {
        return JobSlot.wrap(
            uint8(IMarket.JobStatus.Posted) | uint256(fee) << 8 | uint256(task) << 24
                | uint256(uint40(block.timestamp)) << 56 | uint256(uint40(block.number)) << 96
                | uint256(totalStake_) << 136
        );
    }

    /// @notice The job, cancelled.
    function cancelled(JobSlot slot) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) & ~uint256(0xff) | uint8(IMarket.JobStatus.Cancelled));
    }

    /// @notice The job, with all tasks before `task` taken or refunded.
    function withNext(JobSlot slot, uint32 task) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) & ~(uint256(type(uint32).max) << 24) | uint256(task) << 24);
    }

    /// @notice Whether it was posted, or cancelled.
    function status(JobSlot slot) internal pure returns (IMarket.JobStatus) {
        return IMarket.JobStatus(uint8(JobSlot.unwrap(slot)));
    }

    /// @notice The protocol fee, fixed at `post`.
    function feeBps(JobSlot slot) internal pure returns (uint16) {
        return uint16(JobSlot.unwrap(slot) >> 8);
    }

    /// @notice First task that no lease holds.
    function next(JobSlot slot) internal pure returns (uint32) {
        return uint32(JobSlot.unwrap(slot) >> 24);
    }

    /// @notice Time of `post`.
    function postedAt(JobSlot slot) internal pure returns (uint40) {
        return uint40(JobSlot.unwrap(slot) >> 56);
    }

    /// @notice Block of `post`.
    function postedBlock(JobSlot slot) internal pure returns (uint40) {
        return uint40(JobSlot.unwrap(slot) >> 96);
    }

    /// @notice All stake when it was posted.
    function totalStake(JobSlot slot) internal pure returns (uint96) {
        return uint96(JobSlot.unwrap(slot) >> 136);
    }
}

/// @title The state of a lease in one slot
library LeaseSlots {
    uint256 private constant PHASE = uint256(0xff) << 32;
    uint256 private constant PHASE_AND_HOW = uint256(0xffff) << 32;
    uint256 private constant SUBMITTED_AT = uint256(type(uint40).max) << 152;
    uint256 private constant ONE_SEAT = uint256(1) << 192;
    uint256 private constant ONE_COMMIT = uint256(1) << 200;
    uint256 private constant ONE_REVEAL = uint256(1) << 208;
    uint256 private constant ONE_CHALLENGE = uint256(1) << 216;
    /// @dev Provider, phase, how, round, count and fee: what outlives a round.
    uint256 private constant OF_A_FREE_LEASE = (uint256(1) << 112) - 1;

    /// @notice A fixed part of a redundant job that never had a round.
    function untouched(uint32 count_, uint16 fee) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(uint256(IMarket.Phase.Free) << 32 | uint256(count_) << 64 | uint256(fee) << 96);
    }

    /// @notice A redundant lease whose draw began `waited_` seconds ago, and whose round begins at `time`.
    function drawing(LeaseSlot slot, uint256 time, uint256 waited_) internal pure returns (LeaseSlot) {
        uint256 most = type(uint24).max;
        return LeaseSlot.wrap(
            LeaseSlot.unwrap(running(0, round(slot) + 1, count(slot), feeBps(slot), time))
                | (waited_ < most ? waited_ : most) << 232
        );
    }

    /// @notice A round that begins at `time`.
    function running(uint32 provider_, uint16 round_, uint32 count_, uint16 fee, uint256 time)
        internal
        pure
        returns (LeaseSlot)
    {
        return LeaseSlot.wrap(
            provider_ | uint256(IMarket.Phase.Running) << 32 | uint256(round_) << 48 | uint256(count_) << 64
                | uint256(fee) << 96 | uint256(uint40(time)) << 112
        );
    }

    /// @notice The running lease, its result submitted at `time`.
    function submitted(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        return
            LeaseSlot.wrap(LeaseSlot.unwrap(to(slot, IMarket.Phase.Submitted)) | uint256(uint40(time)) << 152);
    }

    /// @notice The lease, freed at `time`, which takes the place of its round's beginning.
    function freed(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        uint256 kept = LeaseSlot.unwrap(to(slot, IMarket.Phase.Free)) & OF_A_FREE_LEASE;
        return LeaseSlot.wrap(kept | uint256(uint40(time)) << 112);
    }

    /// @notice The lease with one more seat taken.
    function plusSeat(LeaseSlot slot) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + ONE_SEAT);
    }

    /// @notice The lease with one more commitment.
    function plusCommit(LeaseSlot slot) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + ONE_COMMIT);
    }

    /// @notice The lease with one more commitment revealed.
    function plusReveal(LeaseSlot slot) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + ONE_REVEAL);
    }

    /// @notice The submitted lease, challenged once more (the count saturates).
    function challenged(LeaseSlot slot) internal pure returns (LeaseSlot) {
        uint256 word = LeaseSlot.unwrap(to(slot, IMarket.Phase.Challenged));
        if (challenges(slot) != type(uint8).max) word += ONE_CHALLENGE;
        return LeaseSlot.wrap(word);
    }

    /// @notice The submitted lease, its digests demanded at `time`, which takes the place of its window's beginning.
    function demandedAt(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        uint256 word = LeaseSlot.unwrap(windowFrom(to(slot, IMarket.Phase.Demanded), time));
        return LeaseSlot.wrap(word | uint256(1) << 224);
    }

    /// @notice The lease as it is, but with its window (or its reveal) beginning at `time`.
    function windowFrom(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) & ~SUBMITTED_AT | uint256(uint40(time)) << 152);
    }

    /// @notice The lease, settled.
    function settled(LeaseSlot slot, IMarket.How how_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(
            LeaseSlot.unwrap(slot) & ~PHASE_AND_HOW | uint256(IMarket.Phase.Settled) << 32 | uint256(how_)
                << 40
        );
    }

    /// @notice The redundant lease, settled by a quorum to which `provider_`'s seat belongs.
    function settledBy(LeaseSlot slot, uint32 provider_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(settled(slot, IMarket.How.Quorum)) | provider_);
    }

    /// @notice The lease in another phase.
    function to(LeaseSlot slot, IMarket.Phase phase_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) & ~PHASE | uint256(phase_) << 32);
    }

    /// @notice Number of who holds it; of a free lease, of who left it; of a quorum, of one of its seats.
    function provider(LeaseSlot slot) internal pure returns (uint32) {
        return uint32(LeaseSlot.unwrap(slot));
    }

    /// @notice Where it stands.
    function phase(LeaseSlot slot) internal pure returns (IMarket.Phase) {
        return IMarket.Phase(uint8(LeaseSlot.unwrap(slot) >> 32));
    }

    /// @notice How it was settled.
    function how(LeaseSlot slot) internal pure returns (IMarket.How) {
        return IMarket.How(uint8(LeaseSlot.unwrap(slot) >> 40));
    }

    /// @notice 1 for the first holder, one more for each takeover.
    function round(LeaseSlot slot) internal pure returns (uint16) {
        return uint16(LeaseSlot.unwrap(slot) >> 48);
    }

    /// @notice Tasks in it.
    function count(LeaseSlot slot) internal pure returns (uint32) {
        return uint32(LeaseSlot.unwrap(slot) >> 64);
    }

    /// @notice The job's fee, so that settling need not read the job.
    function feeBps(LeaseSlot slot) internal pure returns (uint16) {
        return uint16(LeaseSlot.unwrap(slot) >> 96);
    }

    /// @notice When its round began; fixes its price and its deadline. Of a free lease that was
    /// released, when that was.
    function startedAt(LeaseSlot slot) internal pure returns (uint40) {
        return uint40(LeaseSlot.unwrap(slot) >> 112);
    }

    /// @notice When its challenge window, its reveal, or the time to answer a demand began.
    function submittedAt(LeaseSlot slot) internal pure returns (uint40) {
        return uint40(LeaseSlot.unwrap(slot) >> 152);
    }

    /// @notice Seats taken in its round.
    function seats(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 192);
    }

    /// @notice Seats that committed.
    function commits(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 200);
    }

    /// @notice Commitments that were revealed.
    function reveals(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 208);
    }

    /// @notice Challenges in its round.
    function challenges(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 216);
    }

    /// @notice How long before its round its draw began.
    function waited(LeaseSlot slot) internal pure returns (uint24) {
        return uint24(LeaseSlot.unwrap(slot) >> 232);
    }

    /// @notice Whether its digests were demanded in this round.
    function demanded(LeaseSlot slot) internal pure returns (bool) {
        return uint8(LeaseSlot.unwrap(slot) >> 224) != 0;
    }
}

/// @title What a lease that goes well changes of its provider, in one slot
/// @notice Amounts are added to the word where they stand: no sum of amounts of one market reaches
/// 2^96 (`Ledger._pull`), so none runs over into its neighbour.
library ProviderSlots {
    uint256 private constant ONE_COMPLETED = 1 << 192;

    /// @notice The record with nothing earned.
    function drawn(ProviderSlot slot) internal pure returns (ProviderSlot) {
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) - earned(slot));
    }

    /// @notice The record with more free stake.
    function plusFree(ProviderSlot slot, uint96 amount) internal pure returns (ProviderSlot) {
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) + (uint256(amount) << 96));
    }

    /// @notice The record with more earned.
    function plusEarned(ProviderSlot slot, uint96 amount) internal pure returns (ProviderSlot) {
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) + amount);
    }

    /// @notice The record with less free stake, of which there must be `amount`.
    function minusFree(ProviderSlot slot, uint96 amount) internal pure returns (ProviderSlot) {
        assert(amount <= free(slot));
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) - (uint256(amount) << 96));
    }

    /// @notice The record after a lease that paid `amount` and locked `bond` (the count saturates).
    function rewarded(ProviderSlot slot, uint96 amount, uint96 bond) internal pure returns (ProviderSlot) {
        uint256 word = ProviderSlot.unwrap(slot) + amount + (uint256(bond) << 96);
        if (completed(slot) != type(uint32).max) word += ONE_COMPLETED;
        return ProviderSlot.wrap(word);
    }

    /// @notice What it was paid and has not drawn yet; part of its balance.
    function earned(ProviderSlot slot) internal pure returns (uint96) {
        return uint96(ProviderSlot.unwrap(slot));
    }

    /// @notice Stake that no lease locks; all stake less this is the sum of its bonds.
    function free(ProviderSlot slot) internal pure returns (uint96) {
        return uint96(ProviderSlot.unwrap(slot) >> 96);
    }

    /// @notice Leases settled in its favour.
    function completed(ProviderSlot slot) internal pure returns (uint32) {
        return uint32(ProviderSlot.unwrap(slot) >> 192);
    }
}

/// @title The seed of a draw, and what it is drawn from, in one slot
/// @notice 80 bits are enough: nobody can prepare for 2^80 seeds, nor try that many blocks.
library SealSlots {
    /// @notice A draw sealed at `time`, for a job posted at `postedAt_`.
    function sealed_(bytes32 seed_, uint96 totalStake_, uint40 postedAt_, uint256 time)
        internal
        pure
        returns (SealSlot)
    {
        return SealSlot.wrap(
            uint256(totalStake_) | uint256(uint40(time)) << 96 | uint256(postedAt_) << 136
                | (uint256(seed_) >> 176) << 176
        );
    }

    /// @notice The seed: its 80 bits, in the lowest place.
    function seed(SealSlot slot) internal pure returns (bytes32) {
        return bytes32(SealSlot.unwrap(slot) >> 176);
    }

    /// @notice All stake when it was sealed.
    function totalStake(SealSlot slot) internal pure returns (uint96) {
        return uint96(SealSlot.unwrap(slot));
    }

    /// @notice When it was sealed, 0 if it was not.
    function sealedAt(SealSlot slot) internal pure returns (uint40) {
        return uint40(SealSlot.unwrap(slot) >> 96);
    }

    /// @notice When the job was posted: stake that grew too late for it does not count.
    function postedAt(SealSlot slot) internal pure returns (uint40) {
        return uint40(SealSlot.unwrap(slot) >> 136);
    }
}

/// @title What a seat did, in one slot
library SeatSlots {
    /// @notice A reserved seat.
    function joined() internal pure returns (SeatSlot) {
        return SeatSlot.wrap(uint8(IMarket.Seat.Joined));
    }

    /// @notice A seat with a commitment.
    function committed(bytes32 commitment) internal pure returns (SeatSlot) {
        return SeatSlot.wrap(uint256(commitment) >> 8 << 8 | uint8(IMarket.Seat.Committed));
    }

    /// @notice A seat that revealed `vote`: kept as a hash, so that no vote looks like another state.
    function revealed(bytes32 vote) internal pure returns (SeatSlot) {
        return SeatSlot.wrap(uint256(keccak256(abi.encode(vote))) >> 8 << 8 | uint8(IMarket.Seat.Revealed));
    }

    /// @notice What it did last.
    function state(SeatSlot slot) internal pure returns (IMarket.Seat) {
        return IMarket.Seat(uint8(SeatSlot.unwrap(slot)));
    }

    /// @notice Whether two seats are the same, commitment or vote included.
    function equals(SeatSlot slot, SeatSlot other) internal pure returns (bool) {
        return SeatSlot.unwrap(slot) == SeatSlot.unwrap(other);
    }
}
// forge-lint: disable-end(unsafe-typecast)
