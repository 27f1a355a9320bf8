// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobHash} from "./JobHash.sol";
import {JobRules} from "./JobRules.sol";
import {Providers} from "./Providers.sol";
import {JobSlot, JobSlots} from "./Slots.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title Jobs: post, cancel, hash
/// @notice A job is its EIP-712 hash; callers bring the job itself as calldata. So no field of it
/// can change after `post`, and a job that was not posted, every field as it is, is unknown.
abstract contract Jobs is Providers, EIP712("Piecework", "1") {
    /// @inheritdoc IMarket
    function post(Job calldata job, bytes calldata spec) external returns (bytes32 jobId) {
        _onlyClient(job);
        uint96 escrow = JobRules.check(job, spec);
        jobId = hashJob(job);
        if (_jobs[jobId].status() != JobStatus.None) revert JobExists(jobId);
        uint16 feeBps = _feeBps;
        _jobs[jobId] = JobSlots.posted(feeBps, block.timestamp);
        _debit(job.terms.client, escrow);
        emit Posted(jobId, job.terms.client, job, feeBps, spec);
    }

    /// @inheritdoc IMarket
    function cancel(Job calldata job) external {
        _onlyClient(job);
        bytes32 jobId = hashJob(job);
        JobSlot record = _known(jobId);
        if (record.status() == JobStatus.Cancelled) revert JobIsCancelled(jobId);
        _jobs[jobId] = record.cancelled();
        emit Cancelled(jobId);
        if (record.next() != job.terms.tasks) {
            _credit(job.terms.client, _refundUnclaimed(job, jobId));
        }
    }

    /// @inheritdoc IMarket
    function hashJob(Job calldata job) public view returns (bytes32 jobId) {
        return _hashTypedDataV4(JobHash.hash(job));
    }

    /// @inheritdoc IMarket
    function jobOf(bytes32 jobId) external view returns (JobState memory) {
        JobSlot record = _jobs[jobId];
        return JobState(record.status(), record.feeBps(), record.next(), record.postedAt());
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
        refunded = JobRules.amountOf(uint256(job.price.maxPrice) * count);
        emit Refunded(jobId, first, count, refunded);
    }

    /// @dev Reverts unless the caller is the job's client.
    function _onlyClient(Job calldata job) internal view {
        if (msg.sender != job.terms.client) revert NotClient(job.terms.client, msg.sender);
    }

    /// @dev The record of a job that was posted.
    function _known(bytes32 jobId) internal view returns (JobSlot record) {
        record = _jobs[jobId];
        if (record.status() == JobStatus.None) revert JobUnknown(jobId);
    }

    /// @dev The record of a job that takes new rounds now.
    function _open(Job calldata job, bytes32 jobId) internal view returns (JobSlot record) {
        record = _known(jobId);
        if (record.status() == JobStatus.Cancelled) revert JobIsCancelled(jobId);
        if (block.timestamp < job.timing.opensAt) revert TooEarly(job.timing.opensAt, _now());
        if (block.timestamp > job.timing.closesAt) revert TooLate(job.timing.closesAt, _now());
    }
}
