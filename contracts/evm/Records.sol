// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Books} from "./Books.sol";
import {IMarket} from "./IMarket.sol";
import {JobHash} from "./JobHash.sol";
import {JobRules} from "./JobRules.sol";
import {JobSlot, LeaseSlot, LeaseSlots, SeatSlot} from "./Slots.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Jobs and leases on record: their ids, and the checks that acts on them share
/// @notice A job is its EIP-712 hash; callers bring the job itself as calldata. So no field of it can change
/// after `post`, and a job that was not posted, every field as it is, is unknown.
abstract contract Records is Books {
    /// @dev The EIP-712 domain separator of the market, as it was deployed: a chain that changes its id still
    /// knows the jobs posted before. Signatures do check the id (`Signatures`).
    bytes32 internal immutable _DOMAIN;
    uint256 internal immutable _CHAIN_ID;

    /// @dev The market's times (`IMarket.Times`), in seconds.
    uint64 internal immutable _DRAW_TIME;
    uint64 internal immutable _DRAW_STEP;
    uint64 internal immutable _REVEAL_WINDOW;
    uint64 internal immutable _RESPOND_WINDOW;
    uint64 internal immutable _STAKE_AGE;

    constructor(bytes32 domain, IMarket.Times memory times_) {
        _DOMAIN = domain;
        _CHAIN_ID = block.chainid;
        _DRAW_TIME = JobRules.checkWindow(times_.drawTime);
        _DRAW_STEP = JobRules.checkWindow(times_.drawStep);
        _REVEAL_WINDOW = JobRules.checkWindow(times_.revealWindow);
        _RESPOND_WINDOW = JobRules.checkWindow(times_.respondWindow);
        if (times_.stakeAge > JobRules.MAX_WINDOW) {
            revert IMarket.BadWindow(times_.stakeAge, JobRules.MAX_WINDOW);
        }
        _STAKE_AGE = times_.stakeAge;
    }

    // ------------------------------------------------------------------ jobs

    /// @dev The job's id: its EIP-712 hash in this market's domain.
    function _idOf(IMarket.Job calldata job) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_DOMAIN, JobHash.hash(job));
    }

    /// @dev The record of a job that was posted.
    function _known(bytes32 jobId) internal view returns (JobSlot record) {
        record = _jobs[jobId];
        if (record.status() == IMarket.JobStatus.None) revert IMarket.JobUnknown(jobId);
    }

    /// @dev The record of a job that takes new rounds now.
    function _open(IMarket.Job calldata job, bytes32 jobId) internal view returns (JobSlot record) {
        record = _known(jobId);
        if (record.status() == IMarket.JobStatus.Cancelled) revert IMarket.JobIsCancelled(jobId);
        _requireFrom(job.timing.opensAt);
        _requireInTime(job.timing.closesAt);
    }

    /// @dev Reverts unless the job takes this provider.
    function _requireAdmitted(IMarket.Job calldata job, uint32 number, address provider) internal view {
        bytes32 list = job.terms.providers;
        if (list != 0 && !_admitted[list][number]) revert IMarket.NotAdmitted(list, provider);
    }

    // ------------------------------------------------------------------ leases

    /// @dev Reverts unless the lease is in `phase`.
    function _requirePhase(IMarket.Phase phase, bytes32 jobId, uint32 first, LeaseSlot lease) internal view {
        if (lease.phase() != phase) {
            _known(jobId); // the clearer error, if it is that
            revert IMarket.WrongPhase(jobId, first, lease.phase());
        }
    }

    /// @dev A lease of a redundant job: a fixed part of it, free until its first round.
    function _fixedLease(IMarket.Job calldata job, bytes32 jobId, uint32 first)
        internal
        view
        returns (LeaseSlot lease)
    {
        lease = _leases[jobId][first];
        if (lease.phase() != IMarket.Phase.None) return lease;
        JobSlot record = _known(jobId);
        uint32 tasks = job.terms.tasks;
        uint32 maxLease = job.terms.maxLease;
        if (first >= tasks || first % maxLease != 0) revert IMarket.NoSuchLease(jobId, first);
        uint32 left = tasks - first;
        return LeaseSlots.untouched(left < maxLease ? left : maxLease, record.feeBps());
    }

    /// @dev The key of a round's seats: of the lease if `challenge` is 0, else of that challenge's jury.
    function _seatsKey(bytes32 jobId, uint32 first, uint16 round, uint8 challenge)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(jobId, first, round, challenge));
    }

    /// @dev The root of a lease's result. A quorum's stands in the place of one of the seats that voted for it, which
    /// the lease names: a slot more would cost as much as all else of its settlement.
    function _rootOf(bytes32 jobId, uint32 first, LeaseSlot lease) internal view returns (bytes32) {
        if (lease.how() != IMarket.How.Quorum) return _roots[jobId][first];
        return bytes32(SeatSlot.unwrap(_seats[_seatsKey(jobId, first, lease.round(), 0)][lease.provider()]));
    }

    // ------------------------------------------------------------------ time

    /// @dev Reverts before `notBefore`.
    function _requireFrom(uint64 notBefore) internal view {
        if (block.timestamp < notBefore) revert IMarket.TooEarly(notBefore, _now());
    }

    /// @dev Reverts unless `deadline` has passed.
    function _requireOver(uint64 deadline) internal view {
        if (block.timestamp <= deadline) revert IMarket.TooEarly(deadline + 1, _now());
    }

    /// @dev Reverts when `deadline` has passed.
    function _requireInTime(uint64 deadline) internal view {
        if (block.timestamp > deadline) revert IMarket.TooLate(deadline, _now());
    }
}
