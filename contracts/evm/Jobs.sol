// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Draw} from "./Draw.sol";
import {IMarket} from "./IMarket.sol";
import {JobHash} from "./JobHash.sol";
import {JobRules} from "./JobRules.sol";
import {Providers} from "./Providers.sol";
import {JobSlot, JobSlots} from "./Slots.sol";

/// @title Jobs: post and cancel
abstract contract Jobs is Providers, Draw {
    /// @dev See `IMarket.post`.
    function post(IMarket.Job calldata job, bytes calldata spec) external returns (bytes32 jobId) {
        _onlyClient(job);
        return _post(job, spec);
    }

    /// @dev `post`, whoever calls: the client is known to want it.
    function _post(IMarket.Job calldata job, bytes calldata spec) internal returns (bytes32 jobId) {
        uint96 escrow = JobRules.check(job, spec, _LEAST_RUN_WINDOW, _LEAST_AUDIT_WINDOW);
        jobId = _idOf(job);
        if (_jobs[jobId].status() != IMarket.JobStatus.None) revert IMarket.JobExists(jobId);
        bool redundant = job.assurance.replicas != 1;
        bool drawn = redundant && job.terms.providers == 0;
        uint256 time = _agedBefore(block.timestamp);
        if ((drawn || job.assurance.auditBps != 0) && _totalWeight(time) == 0) {
            revert IMarket.NoStakeToDraw();
        }
        uint64 point = drawn ? _newPoint() : 0;
        uint16 feeBps = _feeBps;
        // The first lease of a redundant job is open from the beginning, the others open one after the other.
        JobSlot record = JobSlots.posted(feeBps, redundant ? job.terms.maxLease : 0, point);
        // What stood at a time that has passed does not change.
        if (drawn && time < block.timestamp) record = record.withAgedStake(uint96(_stakeAt(ALL, time)));
        _jobs[jobId] = record;
        _debit(job.terms.client, escrow);
        _emitPosted(job, jobId, feeBps, point, spec);
    }

    /// @dev Emits `IMarket.Posted`. The job is copied as its words lie in calldata: the compiler's code for the same bytes,
    /// which checks each field, is seven times as large. All fields are checked by then; `nonce`, which nothing else reads,
    /// is here.
    function _emitPosted(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint16 feeBps,
        uint64 point,
        bytes calldata spec
    ) private {
        uint256 client = uint160(job.terms.client);
        job.terms.nonce;
        bytes memory data = abi.encode(JobHash.wordsOf(job), feeBps, point, spec);
        bytes32 topic = IMarket.Posted.selector;
        assembly ("memory-safe") {
            log3(add(data, 0x20), mload(data), topic, jobId, client)
        }
    }

    /// @dev See `IMarket.cancel`.
    function cancel(IMarket.Job calldata job) external {
        _onlyClient(job);
        _cancel(job, _idOf(job));
    }

    /// @dev `cancel`, whoever calls: the client is known to want it.
    function _cancel(IMarket.Job calldata job, bytes32 jobId) internal {
        JobSlot record = _known(jobId);
        if (record.status() == IMarket.JobStatus.Cancelled) revert IMarket.JobIsCancelled(jobId);
        _jobs[jobId] = record.cancelled();
        emit IMarket.Cancelled(jobId);
        if (record.next() != job.terms.tasks) {
            _credit(job.terms.client, _refundUnclaimed(job, jobId));
        }
    }

    /// @dev See `IMarket.hashJob`.
    function hashJob(IMarket.Job calldata job) external view returns (bytes32 jobId) {
        return _idOf(job);
    }

    /// @dev See `IMarket.jobOf`.
    function jobOf(bytes32 jobId) external view returns (IMarket.JobState memory) {
        JobSlot record = _jobs[jobId];
        return
            IMarket.JobState(
                record.status(), record.feeBps(), record.next(), record.postedAt(), record.point()
            );
    }

    /// @dev See `IMarket.priceAt`.
    function priceAt(IMarket.Job calldata job, uint64 time) external pure returns (uint128) {
        return JobRules.priceAt(job.price, job.timing, time);
    }

    /// @dev Reverts unless the caller is the job's client.
    function _onlyClient(IMarket.Job calldata job) internal view {
        if (msg.sender != job.terms.client) revert IMarket.NotClient(job.terms.client, msg.sender);
    }
}
