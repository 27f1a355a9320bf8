// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

// The three records that every lease touches fill one storage slot each. They are read once, changed
// as a value, and written once: the compiler's own packing of structs reads and writes a slot for
// each field (some 10,000 gas over a lease).

/// @dev bits 0 status (8), 8 feeBps (16), 24 next (32), 56 postedAt (40), 96 to 255 unused.
/// Never returns to zero: that is the replay guard.
type JobSlot is uint256;

/// @dev bits 0 provider number (32), 32 phase (8), 40 how (8), 48 round (16), 64 count (32),
/// 96 feeBps (16), 112 startedAt (40), 152 submittedAt (40), 192 to 255 unused.
type LeaseSlot is uint256;

/// @dev bits 0 earned (96), 96 free stake (96), 192 number (32), 224 completed (32).
type ProviderSlot is uint256;

using JobSlots for JobSlot global;
using LeaseSlots for LeaseSlot global;
using ProviderSlots for ProviderSlot global;

// A cast to n bits below is how the lowest n bits of a word are read.
// forge-lint: disable-start(unsafe-typecast)

/// @title The state of a job in one slot
/// @notice Its escrow is not stored: it is `maxPrice` for each seat of the tasks from `next` on and of
/// the leases that are neither settled nor refunded.
library JobSlots {
    /// @notice A job posted at `time`, with the fee of that moment.
    function posted(uint16 fee, uint256 time) internal pure returns (JobSlot) {
        return JobSlot.wrap(uint8(IMarket.JobStatus.Posted) | uint256(fee) << 8 | uint256(uint40(time)) << 56);
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
}

/// @title The state of a lease in one slot
library LeaseSlots {
    uint256 private constant PHASE = uint256(0xff) << 32;
    uint256 private constant PHASE_AND_HOW = uint256(0xffff) << 32;
    uint256 private constant STARTED_AT = uint256(type(uint40).max) << 112;

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

    /// @notice The running lease, given up at `time`, which takes the place of its round's beginning.
    function released(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(
            LeaseSlot.unwrap(to(slot, IMarket.Phase.Free)) & ~STARTED_AT | uint256(uint40(time)) << 112
        );
    }

    /// @notice The lease, settled.
    function settled(LeaseSlot slot, IMarket.How how_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(
            LeaseSlot.unwrap(slot) & ~PHASE_AND_HOW | uint256(IMarket.Phase.Settled) << 32 | uint256(how_)
                << 40
        );
    }

    /// @notice The lease in another phase.
    function to(LeaseSlot slot, IMarket.Phase phase_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) & ~PHASE | uint256(phase_) << 32);
    }

    /// @notice Number of who holds it; of a free lease, of who left it.
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

    /// @notice When its result was submitted.
    function submittedAt(LeaseSlot slot) internal pure returns (uint40) {
        return uint40(LeaseSlot.unwrap(slot) >> 152);
    }
}

/// @title What a lease that goes well changes of its provider, in one slot
/// @notice Amounts are added to the word where they stand: no sum of amounts of one market reaches
/// 2^96 (`Ledger._pull`), so none runs over into its neighbour.
library ProviderSlots {
    uint256 private constant ONE_COMPLETED = 1 << 224;

    /// @notice The record with nothing earned.
    function drawn(ProviderSlot slot) internal pure returns (ProviderSlot) {
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) - earned(slot));
    }

    /// @notice The record with more free stake.
    function plusFree(ProviderSlot slot, uint96 amount) internal pure returns (ProviderSlot) {
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) + (uint256(amount) << 96));
    }

    /// @notice The record with less free stake, of which there must be `amount`.
    function minusFree(ProviderSlot slot, uint96 amount) internal pure returns (ProviderSlot) {
        assert(amount <= free(slot));
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) - (uint256(amount) << 96));
    }

    /// @notice The record of a new provider.
    function numbered(ProviderSlot slot, uint32 number_) internal pure returns (ProviderSlot) {
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) | uint256(number_) << 192);
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

    /// @notice Its name in leases, from 1; 0 for no provider.
    function number(ProviderSlot slot) internal pure returns (uint32) {
        return uint32(ProviderSlot.unwrap(slot) >> 192);
    }

    /// @notice Leases settled in its favour.
    function completed(ProviderSlot slot) internal pure returns (uint32) {
        return uint32(ProviderSlot.unwrap(slot) >> 224);
    }
}
// forge-lint: disable-end(unsafe-typecast)
