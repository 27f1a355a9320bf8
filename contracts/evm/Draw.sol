// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "./IBeacon.sol";
import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Records} from "./Records.sol";
import {JobSlot, LeaseSlot} from "./Slots.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title The draw: who may take a seat, whether a lease is audited, and which task of it
/// @notice Everything follows from the seed of one point. A provider's chance is in proportion to its stake, however that is
/// split over addresses, and grows for a while, so that seats are filled although some providers are asleep.
abstract contract Draw is Records {
    using Checkpoints for Checkpoints.Trace208;

    /// @dev What is drawn: seats of a lease, of its first jury, of its second; whether a lease is audited; which task.
    uint8 internal constant LEASE = 0;
    uint8 internal constant FIRST_JURY = 1;
    uint8 internal constant SECOND_JURY = 2;
    uint8 private constant COIN = 3;
    uint8 private constant TASK = 4;

    /// @dev Doublings of a lease's draw (16 times) and of a jury's (4 times).
    uint256 private constant LEASE_STEPS = 4;
    uint256 private constant JURY_STEPS = 2;

    // ------------------------------------------------------------------ the audit

    /// @dev Whether chance says that a lease's result is audited.
    function _isAudited(IMarket.Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease, bytes32 seed)
        internal
        view
        returns (bool)
    {
        uint256 coin = _hash(seed, COIN, jobId, first, lease.round(), 0, address(0)) % 10_000;
        return coin < job.assurance.auditBps;
    }

    /// @dev The task that an audit of the lease runs again.
    function _auditedTask(bytes32 jobId, uint32 first, LeaseSlot lease, bytes32 seed)
        internal
        view
        returns (uint32)
    {
        // forge-lint: disable-next-line(unsafe-typecast)
        return first + uint32(_hash(seed, TASK, jobId, first, lease.round(), 0, address(0)) % lease.count());
    }

    // ------------------------------------------------------------------ seats

    /// @dev When the provider can take a seat of the redundant lease's round, the greatest time if never.
    function _drawnForLease(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        address provider,
        uint32 number
    ) internal view returns (uint64) {
        // The seed first: a point of 0 has no time.
        uint256 ticket = _hash(_seedOf(lease.point()), LEASE, jobId, first, lease.round(), 0, provider);
        uint256 nominal = IBeacon(_BEACON).timeOf(lease.point());
        uint256 start = Math.max(Math.max(job.timing.opensAt, nominal), lease.origin());
        (uint256 total, uint256 weight) = _weightsOf(_jobs[jobId], number);
        uint256 step = Math.max(_LEASE_STEP, job.timing.runWindow / 4);
        return _drawnFrom(ticket, total, weight * job.assurance.replicas, start, step, LEASE_STEPS);
    }

    /// @dev What all stake weighs in the draws of a redundant job, and what a provider does.
    function _weightsOf(JobSlot record, uint32 number) private view returns (uint256 total, uint256 weight) {
        uint256 time = _agedBefore(record.postedAt());
        total = record.agedStake();
        total = total == 0 ? _totalWeight(time) : Math.min(total, _stakes[ALL].total);
        weight = _weight(number, time);
    }

    /// @dev When the provider can take a seat of a jury over `task`, the greatest time if never.
    function _drawnForJury(
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        uint8 jury,
        uint32 task,
        bytes32 seed,
        address provider,
        uint64 nominal
    ) internal view returns (uint64) {
        uint256 ticket = _hash(seed, jury, jobId, first, lease.round(), task, provider);
        uint256 time = _agedBefore(lease.since());
        uint256 reach = _weight(_numbers[provider], time) * JobRules.JURY;
        return _drawnFrom(ticket, _totalWeight(time), reach, nominal, _JURY_STEP, JURY_STEPS);
    }

    /// @dev When a provider can take a seat, the greatest time if never. At the k-th step it can
    /// iff `uint128(ticket) / 2^128 < reach / total * 2^k`.
    /// @param reach what it weighs, once for each seat that there is
    function _drawnFrom(
        uint256 ticket,
        uint256 total,
        uint256 reach,
        uint256 start,
        uint256 step,
        uint256 maxSteps
    ) private pure returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 line = uint256(uint128(ticket)) * total; // 128 + 96 bits
        reach <<= 128; // 96 + 4 + 128 bits, and 4 more below
        for (uint256 k = 0; k <= maxSteps; ++k) {
            // forge-lint: disable-next-line(unsafe-typecast)
            if (line < reach << k) return uint64(start + k * step);
        }
        return type(uint64).max;
    }

    /// @dev The time whose stake counts in a draw over what happened at `time`.
    function _agedBefore(uint256 time) internal view returns (uint256) {
        return time > _STAKE_AGE ? time - _STAKE_AGE : 0;
    }

    /// @dev What a provider, or `ALL`, weighs: the lesser of its stake at `time` and now.
    function _weight(uint32 number, uint256 time) internal view returns (uint256) {
        (, uint48 since, uint208 stake) = _stakeHistory[number].latestCheckpoint();
        return since <= time ? stake : Math.min(stake, _stakeAt(number, time));
    }

    /// @dev What a provider, or `ALL`, had at stake at `time`.
    function _stakeAt(uint32 number, uint256 time) internal view returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return _stakeHistory[number].upperLookup(uint48(time));
    }

    /// @dev What a provider has at stake now.
    function _stakeNow(uint32 number) internal view returns (uint256) {
        return _stakeHistory[number].latest();
    }

    /// @dev What all stake weighs: the lesser of all stake at `time` and now.
    function _totalWeight(uint256 time) internal view returns (uint256) {
        return _weight(ALL, time);
    }

    /// @dev The hash that decides a draw. No two draws of any market share one.
    function _hash(
        bytes32 seed,
        uint8 kind,
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint32 task,
        address provider
    ) private view returns (uint256) {
        return uint256(
            keccak256(abi.encode(_CHAIN_ID, address(this), seed, kind, jobId, first, round, task, provider))
        );
    }
}
