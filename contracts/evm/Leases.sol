// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Jobs} from "./Jobs.sol";
import {JobSlot, LeaseSlot, LeaseSlots} from "./Slots.sol";

/// @title Ordinary leases: claim, submit, and chance decides
/// @notice Free -claim, takeover-> Running -submit-> Submitted -finalize-> Settled. A round that ends without a result
/// (expire, leave) leaves the lease Free, for a takeover in a new round or, once the job is over, for `close`: Refunded. If
/// chance says so, a jury judges a submitted lease first (`Audits`). The whole table is in contracts/README.md.
abstract contract Leases is Jobs {
    // ------------------------------------------------------------------ a round begins

    /// @dev See `IMarket.claim`.
    function claim(IMarket.Job calldata job, address provider, uint32 least, uint32 most)
        external
        returns (uint32 first, uint32 count)
    {
        uint32 number = _authorize(provider);
        bytes32 jobId = _ordinary(job);
        JobSlot record = _open(job, jobId);
        first = record.next();
        uint32 left = job.terms.tasks - first;
        if (left == 0) revert IMarket.NothingLeft(jobId);
        count = JobRules.clamp(left, job.terms.minLease, job.terms.maxLease, most);
        if (count < least || count > most) revert IMarket.LeaseDoesNotFit(count, least, most);
        _jobs[jobId] = record.withNext(first + count);
        LeaseSlot lease = LeaseSlots.claimed(number, count, record.feeBps(), block.timestamp);
        _begin(job, jobId, first, lease, provider);
    }

    // ------------------------------------------------------------------ a round ends well

    /// @dev See `IMarket.submit`.
    function submit(
        IMarket.Job calldata job,
        uint32 first,
        uint16 round,
        address provider,
        bytes32 root,
        bytes32 digestList
    ) external {
        (bytes32 jobId, LeaseSlot lease) = _held(job, first, round, provider);
        if (job.assurance.verifier != address(0)) revert IMarket.NeedsProof(jobId, job.assurance.verifier);
        _keepRoot(job, jobId, first, lease, root);
        if (job.assurance.auditBps == 0) {
            emit IMarket.Submitted(jobId, first, provider, round, root, digestList, 0);
            _settle(job, jobId, first, lease, IMarket.Grade.Unaudited, 0, 0);
            return;
        }
        uint64 point = _newPoint();
        _leases[jobId][first] = lease.to(IMarket.Phase.Submitted, block.timestamp).withPoint(point);
        emit IMarket.Submitted(jobId, first, provider, round, root, digestList, point);
    }

    /// @dev Keeps the root of a lease in time.
    function _keepRoot(IMarket.Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease, bytes32 root)
        internal
    {
        if (root == 0) revert IMarket.ZeroRoot();
        _requireInTime(lease.since() + job.timing.runWindow);
        _roots[jobId][first] = root;
    }

    /// @dev See `IMarket.finalize`.
    function finalize(IMarket.Job calldata job, uint32[] calldata firsts) external {
        bytes32 jobId = _idOf(job);
        for (uint256 i = 0; i < firsts.length; ++i) {
            uint32 first = firsts[i];
            LeaseSlot lease = _leases[jobId][first];
            IMarket.Grade grade = _gradeDue(job, jobId, first, lease);
            if (grade == IMarket.Grade.Contested) {
                _settleContested(job, jobId, first, lease, _audits[jobId][first]);
            } else if (grade != IMarket.Grade.None) {
                _settle(job, jobId, first, lease, grade, 0, 0);
            }
        }
    }

    /// @dev The grade with which the lease can be settled now; None if it cannot.
    function _gradeDue(IMarket.Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease)
        private
        view
        returns (IMarket.Grade)
    {
        IMarket.Phase phase = lease.phase();
        if (phase == IMarket.Phase.None) _known(jobId); // the clearer error, if it is that
        if (phase == IMarket.Phase.Undecided) {
            return
                block.timestamp > _audits[jobId][first].due() ? IMarket.Grade.Contested : IMarket.Grade.None;
        }
        if (phase != IMarket.Phase.Submitted) return IMarket.Grade.None;
        bytes32 seed = _seedIfKnown(lease.point());
        bool due = seed != 0 && _isAudited(job, jobId, first, lease, seed);
        if (seed != 0 && !due) return IMarket.Grade.Unaudited;
        if (block.timestamp <= lease.since() + job.timing.auditWindow) return IMarket.Grade.None;
        return due ? IMarket.Grade.Contested : IMarket.Grade.Unaudited;
    }
}
