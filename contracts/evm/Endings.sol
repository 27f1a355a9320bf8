// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Records} from "./Records.sol";
import {JobSlot, LeaseSlot} from "./Slots.sol";

/// @title Ordinary rounds that end without a result, and what follows: a takeover, or the end of the job
/// @notice Running -expire, leave-> Free -takeover-> Running, or -close-> Refunded. A lease is free since its deadline, poked
/// or not. `close` serves redundant leases too.
abstract contract Endings is Records {
    /// @dev See `IMarket.takeover`.
    function takeover(IMarket.Job calldata job, address provider, uint32 first) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _ordinary(job);
        _open(job, jobId);
        LeaseSlot lease = _freeIfLate(job, jobId, first, _leases[jobId][first]);
        _requirePhase(IMarket.Phase.Free, jobId, first, lease);
        if (lease.provider() == number) revert IMarket.BarredFromRound(jobId, first, provider);
        if (lease.round() == type(uint16).max) revert IMarket.TooManyRounds(jobId, first);
        _begin(job, jobId, first, lease.takenOver(number, block.timestamp), provider);
    }

    /// @dev See `IMarket.expire`.
    function expire(IMarket.Job calldata job, uint32 first) external {
        bytes32 jobId = _ordinary(job);
        LeaseSlot lease = _leases[jobId][first];
        _requirePhase(IMarket.Phase.Running, jobId, first, lease);
        _requireOver(lease.since() + job.timing.runWindow);
        _freeIfLate(job, jobId, first, lease);
    }

    /// @dev `leave` of an ordinary lease.
    function _leaveLease(IMarket.Job calldata job, uint32 first, uint16 round, address provider) internal {
        (bytes32 jobId, LeaseSlot lease) = _held(job, first, round, provider);
        uint64 window = job.timing.runWindow;
        _requireInTime(lease.since() + window);
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        uint96 slash = JobRules.latenessOf(bond, round, block.timestamp - lease.since(), window);
        _free(jobId, first, lease, block.timestamp, bond, slash, IMarket.Reason.Left);
    }

    /// @dev See `IMarket.close`.
    function close(IMarket.Job calldata job, uint32[] calldata firsts) external {
        bytes32 jobId = _idOf(job);
        JobSlot record = _known(jobId);
        if (record.status() != IMarket.JobStatus.Cancelled && block.timestamp <= job.timing.closesAt) {
            revert IMarket.JobStillOpen(jobId, job.timing.closesAt);
        }
        uint96 refunded = 0;
        for (uint256 i = 0; i < firsts.length; ++i) {
            refunded += _refundLease(job, jobId, firsts[i]);
        }
        if (record.next() != job.terms.tasks) refunded += _refundUnclaimed(job, jobId);
        _credit(job.terms.client, refunded);
    }

    /// @dev Gives up a free lease; another one is passed over.
    /// @return refunded what the client is still to be credited with
    function _refundLease(IMarket.Job calldata job, bytes32 jobId, uint32 first)
        private
        returns (uint96 refunded)
    {
        LeaseSlot lease = job.assurance.replicas == 1
            ? _freeIfLate(job, jobId, first, _leases[jobId][first])
            : _openedLease(job, jobId, first);
        if (lease.phase() != IMarket.Phase.Free) return 0;
        _leases[jobId][first] = lease.to(IMarket.Phase.Refunded);
        refunded = JobRules.escrowOf(job, lease.count());
        emit IMarket.Refunded(jobId, first, lease.count(), refunded);
    }

    /// @dev The lease; freed since its deadline, if that is over, poked or not.
    function _freeIfLate(IMarket.Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease)
        private
        returns (LeaseSlot)
    {
        uint64 deadline = lease.since() + job.timing.runWindow;
        if (lease.phase() != IMarket.Phase.Running || block.timestamp <= deadline) return lease;
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        return _free(jobId, first, lease, deadline, bond, JobRules.tenthOf(bond), IMarket.Reason.Late);
    }

    /// @dev Frees a lease since `time`; its bond returns less what its holder loses.
    function _free(
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        uint256 time,
        uint96 bond,
        uint96 slash,
        IMarket.Reason reason
    ) private returns (LeaseSlot freed) {
        freed = lease.freed(time);
        _leases[jobId][first] = freed;
        if (slash == 0 && reason == IMarket.Reason.Left) _unlock(lease.provider(), bond);
        else _slash(lease.provider(), bond, slash, false);
        emit IMarket.Freed(jobId, first, _providerAt[lease.provider()], freed.round(), reason, slash);
    }
}
