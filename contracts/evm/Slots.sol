// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

// The records that every lease touches fill one storage slot each. They are read once, changed
// as a value, and written once: the compiler's own packing of structs reads and writes a slot for
// each field (some 10,000 gas over a lease).

/// @dev bits 0 status (8), 8 feeBps (16), 24 next (32), 56 postedAt (40), 96 point (64), 160 agedStake (96). Never returns to zero: that is
/// the replay guard.
type JobSlot is uint256;

/// @dev bits 0 phase (8), 8 grade (8), 16 round (16), 32 count (32), 64 feeBps (15), 79 redundant (1), 80 since (40), 120 origin (40),
/// 160 point (64); then of an ordinary lease 224 provider number (32), of a redundant one 224 seats (8), 232 commits (8),
/// 240 opened (8).
type LeaseSlot is uint256;

/// @dev bits 0 jury (8), 8 seats (8), 16 commits (8), 24 opened (8), 32 task (32), 64 since (40), 104 due (40), 144 point (64),
/// 208 undecided (8).
type AuditSlot is uint256;

/// @dev bits 0 earned (96), 96 free stake (96), 192 completed (32).
type ProviderSlot is uint256;

/// @dev bits 0 `IMarket.Seat` (8), 8 the highest 248 bits of a commitment or of the hash of what was opened.
type SeatSlot is uint256;

using JobSlots for JobSlot global;
using LeaseSlots for LeaseSlot global;
using AuditSlots for AuditSlot global;
using ProviderSlots for ProviderSlot global;
using SeatSlots for SeatSlot global;

// A cast to n bits below is how the lowest n bits of a word are read.
// forge-lint: disable-start(unsafe-typecast)

/// @title The state of a job in one slot
/// @notice Its escrow is not stored: it is the worst case of the tasks from `next` on and of the leases that have not ended.
library JobSlots {
    /// @notice A job posted now: its fee, the first task from which on nothing is taken, the point of its draws.
    function posted(uint16 fee, uint32 task, uint64 point_) internal view returns (JobSlot) {
        return JobSlot.wrap(
            uint8(IMarket.JobStatus.Posted) | uint256(fee) << 8 | uint256(task) << 24
                | uint256(uint40(block.timestamp)) << 56 | uint256(point_) << 96
        );
    }

    /// @notice The job, which keeps what all stake was at the time that counts in its draws.
    function withAgedStake(JobSlot slot, uint96 total) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | uint256(total) << 160);
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

    /// @notice The beacon's point of its draws, or 0.
    function point(JobSlot slot) internal pure returns (uint64) {
        return uint64(JobSlot.unwrap(slot) >> 96);
    }

    /// @notice What all stake was at the time that counts in its draws, so that each seat need not look it up; 0 if that was
    /// not settled yet at `post`.
    function agedStake(JobSlot slot) internal pure returns (uint96) {
        return uint96(JobSlot.unwrap(slot) >> 160);
    }
}

/// @title The state of a lease in one slot
library LeaseSlots {
    uint256 private constant PHASE = 0xff;
    uint256 private constant ROUND = uint256(0xffff) << 16;
    uint256 private constant REDUNDANT = uint256(1) << 79;
    uint256 private constant SINCE = uint256(type(uint40).max) << 80;
    uint256 private constant ORIGIN = uint256(type(uint40).max) << 120;
    uint256 private constant POINT = uint256(type(uint64).max) << 160;
    uint256 private constant LAST = uint256(type(uint32).max) << 224;
    uint256 private constant ONE_SEAT = uint256(1) << 224;
    uint256 private constant ONE_COMMIT = uint256(1) << 232;
    uint256 private constant ONE_OPENED = uint256(1) << 240;

    /// @notice An ordinary lease that is claimed at `time`.
    function claimed(uint32 number, uint32 count_, uint16 fee, uint256 time)
        internal
        pure
        returns (LeaseSlot)
    {
        return LeaseSlot.wrap(
            uint8(IMarket.Phase.Running) | uint256(1) << 16 | uint256(count_) << 32 | uint256(fee) << 64
                | uint256(uint40(time)) << 80 | uint256(uint40(time)) << 120 | uint256(number) << 224
        );
    }

    /// @notice A redundant lease that opens at `time`.
    function opened(uint32 count_, uint16 fee, uint256 time, uint64 point_)
        internal
        pure
        returns (LeaseSlot)
    {
        return LeaseSlot.wrap(
            uint8(IMarket.Phase.Free) | uint256(1) << 16 | uint256(count_) << 32 | uint256(fee) << 64
                | REDUNDANT | uint256(uint40(time)) << 80 | uint256(uint40(time)) << 120 | uint256(point_)
                << 160
        );
    }

    /// @notice The free lease, taken over at `time`: its ramp goes on from where it stood still.
    function takenOver(LeaseSlot slot, uint32 number, uint256 time) internal pure returns (LeaseSlot) {
        uint256 origin_ = origin(slot) + (time - since(slot));
        uint256 word = LeaseSlot.unwrap(to(slot, IMarket.Phase.Running, time)) & ~(ORIGIN | LAST);
        return LeaseSlot.wrap(word | uint256(uint40(origin_)) << 120 | uint256(number) << 224);
    }

    /// @notice The lease, free since `time` for its next round (the last one repeats, and takes nobody).
    function freed(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        uint256 round_ = round(slot);
        if (round_ != type(uint16).max) ++round_;
        uint256 word = LeaseSlot.unwrap(to(slot, IMarket.Phase.Free, time)) & ~ROUND;
        return LeaseSlot.wrap(word | round_ << 16);
    }

    /// @notice The redundant lease, free since `time` for its next round, whose point is `point_`.
    function lapsed(LeaseSlot slot, uint256 time, uint64 point_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(withPoint(freed(slot, time), point_)) & ~LAST);
    }

    /// @notice The lease in another phase, which begins at `time`.
    function to(LeaseSlot slot, IMarket.Phase phase_, uint256 time) internal pure returns (LeaseSlot) {
        uint256 word = LeaseSlot.unwrap(slot) & ~(PHASE | SINCE);
        return LeaseSlot.wrap(word | uint8(phase_) | uint256(uint40(time)) << 80);
    }

    /// @notice The lease in another phase, with its clock as it is.
    function to(LeaseSlot slot, IMarket.Phase phase_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) & ~PHASE | uint8(phase_));
    }

    /// @notice The lease, settled.
    function settled(LeaseSlot slot, IMarket.Grade grade_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(
            LeaseSlot.unwrap(to(slot, IMarket.Phase.Settled)) & ~uint256(0xff00) | uint256(grade_) << 8
        );
    }

    /// @notice The lease with another point.
    function withPoint(LeaseSlot slot, uint64 point_) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) & ~POINT | uint256(point_) << 160);
    }

    /// @notice The lease with one more seat taken.
    function plusSeat(LeaseSlot slot) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + ONE_SEAT);
    }

    /// @notice The lease with one seat less, of which there must be one.
    function minusSeat(LeaseSlot slot) internal pure returns (LeaseSlot) {
        assert(seats(slot) != 0);
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) - ONE_SEAT);
    }

    /// @notice The lease with one more commitment.
    function plusCommit(LeaseSlot slot) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + ONE_COMMIT);
    }

    /// @notice The lease with one commitment less, of which there must be one.
    function minusCommit(LeaseSlot slot) internal pure returns (LeaseSlot) {
        assert(commits(slot) != 0);
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) - ONE_COMMIT);
    }

    /// @notice The lease with `more` commitments opened.
    function plusOpened(LeaseSlot slot, uint256 more) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + more * ONE_OPENED);
    }

    /// @notice Where it stands.
    function phase(LeaseSlot slot) internal pure returns (IMarket.Phase) {
        return IMarket.Phase(uint8(LeaseSlot.unwrap(slot)));
    }

    /// @notice How sure its root is.
    function grade(LeaseSlot slot) internal pure returns (IMarket.Grade) {
        return IMarket.Grade(uint8(LeaseSlot.unwrap(slot) >> 8));
    }

    /// @notice 1 for the first.
    function round(LeaseSlot slot) internal pure returns (uint16) {
        return uint16(LeaseSlot.unwrap(slot) >> 16);
    }

    /// @notice Tasks in it.
    function count(LeaseSlot slot) internal pure returns (uint32) {
        return uint32(LeaseSlot.unwrap(slot) >> 32);
    }

    /// @notice The job's fee, so that settling need not read the job.
    function feeBps(LeaseSlot slot) internal pure returns (uint16) {
        return uint16(LeaseSlot.unwrap(slot) >> 64) & 0x7fff;
    }

    /// @notice Whether it has seats, and no holder.
    function isRedundant(LeaseSlot slot) internal pure returns (bool) {
        return LeaseSlot.unwrap(slot) & REDUNDANT != 0;
    }

    /// @notice When its phase began: see `IMarket.LeaseState`.
    function since(LeaseSlot slot) internal pure returns (uint40) {
        return uint40(LeaseSlot.unwrap(slot) >> 80);
    }

    /// @notice Of an ordinary lease the time on the ramp that prices its round; of a redundant one when it opened.
    function origin(LeaseSlot slot) internal pure returns (uint40) {
        return uint40(LeaseSlot.unwrap(slot) >> 120);
    }

    /// @notice The beacon's point of its audit, or of its round's draw.
    function point(LeaseSlot slot) internal pure returns (uint64) {
        return uint64(LeaseSlot.unwrap(slot) >> 160);
    }

    /// @notice Number of an ordinary lease's holder; if the lease is free: of its last holder.
    function provider(LeaseSlot slot) internal pure returns (uint32) {
        return uint32(LeaseSlot.unwrap(slot) >> 224);
    }

    /// @notice Seats taken in a redundant lease's round.
    function seats(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 224);
    }

    /// @notice Seats that committed.
    function commits(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 232);
    }

    /// @notice Commitments that were opened and recorded.
    function openings(LeaseSlot slot) internal pure returns (uint8) {
        return uint8(LeaseSlot.unwrap(slot) >> 240);
    }
}

/// @title The state of an audit in one slot
library AuditSlots {
    uint256 private constant SINCE = uint256(type(uint40).max) << 64;
    uint256 private constant DUE = uint256(type(uint40).max) << 104;

    /// @notice An audit whose time to commit counts from `time`.
    function opened(uint8 jury_, uint32 task_, uint256 time, uint64 point_)
        internal
        pure
        returns (AuditSlot)
    {
        return AuditSlot.wrap(
            jury_ | uint256(task_) << 32 | uint256(uint40(time)) << 64 | uint256(point_) << 144
        );
    }

    /// @notice A jury that opened `votes` found no verdict: a second one over the same task can be opened until `due_`. What
    /// counts for the lease's end is the larger number of votes of the two.
    function retried(AuditSlot slot, uint256 votes, uint256 due_, uint64 point_)
        internal
        pure
        returns (AuditSlot)
    {
        if (votes < undecided(slot)) votes = undecided(slot);
        return withDue(
            AuditSlot.wrap(AuditSlot.unwrap(opened(jury(slot), task(slot), 0, point_)) | votes << 208), due_
        );
    }

    /// @notice The second jury, whose time to commit counts from `time`.
    function second(AuditSlot slot, uint8 jury_, uint256 time) internal pure returns (AuditSlot) {
        AuditSlot next = opened(jury_, task(slot), time, point(slot));
        return AuditSlot.wrap(AuditSlot.unwrap(next) | uint256(undecided(slot)) << 208);
    }

    /// @notice The audit with one more juror.
    function plusSeat(AuditSlot slot) internal pure returns (AuditSlot) {
        return AuditSlot.wrap(AuditSlot.unwrap(slot) + (1 << 8));
    }

    /// @notice The audit with one more commitment.
    function plusCommit(AuditSlot slot) internal pure returns (AuditSlot) {
        return AuditSlot.wrap(AuditSlot.unwrap(slot) + (1 << 16));
    }

    /// @notice The audit with `more` votes opened.
    function plusOpened(AuditSlot slot, uint256 more) internal pure returns (AuditSlot) {
        return AuditSlot.wrap(AuditSlot.unwrap(slot) + (more << 24));
    }

    /// @notice The audit whose votes can be opened since `time`.
    function from(AuditSlot slot, uint256 time) internal pure returns (AuditSlot) {
        return AuditSlot.wrap(AuditSlot.unwrap(slot) & ~SINCE | uint256(uint40(time)) << 64);
    }

    /// @notice The audit with another `due`.
    function withDue(AuditSlot slot, uint256 time) internal pure returns (AuditSlot) {
        return AuditSlot.wrap(AuditSlot.unwrap(slot) & ~DUE | uint256(uint40(time)) << 104);
    }

    /// @notice 1 or 2; 0 if there was no audit.
    function jury(AuditSlot slot) internal pure returns (uint8) {
        return uint8(AuditSlot.unwrap(slot));
    }

    /// @notice Jurors.
    function seats(AuditSlot slot) internal pure returns (uint8) {
        return uint8(AuditSlot.unwrap(slot) >> 8);
    }

    /// @notice Jurors that committed.
    function commits(AuditSlot slot) internal pure returns (uint8) {
        return uint8(AuditSlot.unwrap(slot) >> 16);
    }

    /// @notice Votes that were opened and recorded.
    function openings(AuditSlot slot) internal pure returns (uint8) {
        return uint8(AuditSlot.unwrap(slot) >> 24);
    }

    /// @notice The drawn task.
    function task(AuditSlot slot) internal pure returns (uint32) {
        return uint32(AuditSlot.unwrap(slot) >> 32);
    }

    /// @notice See `IMarket.AuditState`.
    function since(AuditSlot slot) internal pure returns (uint40) {
        return uint40(AuditSlot.unwrap(slot) >> 64);
    }

    /// @notice See `IMarket.AuditState`.
    function due(AuditSlot slot) internal pure returns (uint40) {
        return uint40(AuditSlot.unwrap(slot) >> 104);
    }

    /// @notice The beacon's point that draws the jury.
    function point(AuditSlot slot) internal pure returns (uint64) {
        return uint64(AuditSlot.unwrap(slot) >> 144);
    }

    /// @notice How many votes a jury without verdict opened.
    function undecided(AuditSlot slot) internal pure returns (uint8) {
        return uint8(AuditSlot.unwrap(slot) >> 208);
    }
}

/// @title What a lease that goes well changes of its provider, in one slot
/// @notice Amounts are added to the word where they stand: no sum of amounts of one market reaches
/// 2^96 (`Vault._pull`), so none runs over into its neighbour.
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

    /// @notice The record with less free stake, of which there must be `amount`.
    function minusFree(ProviderSlot slot, uint96 amount) internal pure returns (ProviderSlot) {
        assert(amount <= free(slot));
        return ProviderSlot.wrap(ProviderSlot.unwrap(slot) - (uint256(amount) << 96));
    }

    /// @notice The record after `amount` was paid and `bond` unlocked, and maybe a lease `done` (the count saturates).
    function rewarded(ProviderSlot slot, uint96 amount, uint96 bond, bool done)
        internal
        pure
        returns (ProviderSlot)
    {
        uint256 word = ProviderSlot.unwrap(slot) + amount + (uint256(bond) << 96);
        if (done && completed(slot) != type(uint32).max) word += ONE_COMPLETED;
        return ProviderSlot.wrap(word);
    }

    /// @notice What it was paid and has not drawn yet; part of its balance.
    function earned(ProviderSlot slot) internal pure returns (uint96) {
        return uint96(ProviderSlot.unwrap(slot));
    }

    /// @notice Stake that no bond locks; all stake less this is the sum of its bonds.
    function free(ProviderSlot slot) internal pure returns (uint96) {
        return uint96(ProviderSlot.unwrap(slot) >> 96);
    }

    /// @notice Leases settled in its favour.
    function completed(ProviderSlot slot) internal pure returns (uint32) {
        return uint32(ProviderSlot.unwrap(slot) >> 192);
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

    /// @notice A seat that opened these two values: kept as a hash, so that none looks like another state.
    function opened(bytes32 value, bytes32 proof) internal pure returns (SeatSlot) {
        uint256 hash = uint256(keccak256(abi.encode(value, proof)));
        return SeatSlot.wrap(hash >> 8 << 8 | uint8(IMarket.Seat.Opened));
    }

    /// @notice A seat whose holder left, or was late.
    function left() internal pure returns (SeatSlot) {
        return SeatSlot.wrap(uint8(IMarket.Seat.Left));
    }

    /// @notice What it did last.
    function state(SeatSlot slot) internal pure returns (IMarket.Seat) {
        return IMarket.Seat(uint8(SeatSlot.unwrap(slot)));
    }

    /// @notice Whether it did this last.
    function isIn(SeatSlot slot, IMarket.Seat seat) internal pure returns (bool) {
        return uint8(SeatSlot.unwrap(slot)) == uint8(seat);
    }

    /// @notice Whether two seats are the same, commitment or opening included.
    function equals(SeatSlot slot, SeatSlot other) internal pure returns (bool) {
        return SeatSlot.unwrap(slot) == SeatSlot.unwrap(other);
    }
}
// forge-lint: disable-end(unsafe-typecast)
