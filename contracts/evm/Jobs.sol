// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Providers} from "./Providers.sol";
import {JobSlot, JobSlots} from "./Slots.sol";

/// @title Jobs: post and cancel
abstract contract Jobs is Providers {
    /// @inheritdoc IMarket
    function post(Job calldata job, bytes calldata spec) external returns (bytes32 jobId) {
        _onlyClient(job);
        return _post(job, spec);
    }

    /// @dev `post`, whoever calls: the client is known to want it.
    function _post(Job calldata job, bytes calldata spec) internal returns (bytes32 jobId) {
        uint96 escrow = JobRules.check(job, spec);
        jobId = _idOf(job);
        if (_jobs[jobId].status() != JobStatus.None) revert JobExists(jobId);
        uint16 feeBps = _feeBps;
        // The leases of a redundant job are fixed: none of its tasks can be claimed.
        _jobs[jobId] = JobSlots.posted(feeBps, job.terms.replicas == 1 ? 0 : job.terms.tasks, _totalStake);
        _debit(job.terms.client, escrow);
        emit Posted(jobId, job.terms.client, job, feeBps, spec);
    }

    /// @inheritdoc IMarket
    function cancel(Job calldata job) external {
        _onlyClient(job);
        _cancel(job, _idOf(job));
    }

    /// @dev `cancel`, whoever calls: the client is known to want it.
    function _cancel(Job calldata job, bytes32 jobId) internal {
        JobSlot record = _known(jobId);
        if (record.status() == JobStatus.Cancelled) revert JobIsCancelled(jobId);
        _jobs[jobId] = record.cancelled();
        emit Cancelled(jobId);
        if (record.next() != job.terms.tasks) {
            _credit(job.terms.client, _refundUnclaimed(job, jobId));
        }
    }

    /// @inheritdoc IMarket
    function hashJob(Job calldata job) external view returns (bytes32 jobId) {
        return _idOf(job);
    }

    /// @inheritdoc IMarket
    function jobOf(bytes32 jobId) external view returns (JobState memory) {
        JobSlot record = _jobs[jobId];
        return
            JobState(record.status(), record.feeBps(), record.next(), record.postedAt(), record.postedBlock());
    }

    /// @inheritdoc IMarket
    function priceAt(Job calldata job, uint64 time) external pure returns (uint128) {
        return JobRules.priceAt(job.price, job.timing, time);
    }

    /// @dev Gives up the tasks that no lease holds.
    /// @return refunded what the client is still to be credited with
    function _refundUnclaimed(Job calldata job, bytes32 jobId) internal returns (uint96 refunded) {
        JobSlot record = _jobs[jobId];
        uint32 first = record.next();
        uint32 count = job.terms.tasks - first;
        _jobs[jobId] = record.withNext(job.terms.tasks);
        refunded = JobRules.escrowOf(job, count);
        emit Refunded(jobId, first, count, refunded);
    }

    /// @dev Reverts unless the caller is the job's client.
    function _onlyClient(Job calldata job) internal view {
        if (msg.sender != job.terms.client) revert NotClient(job.terms.client, msg.sender);
    }
}
