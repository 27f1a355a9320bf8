// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobResult} from "./JobResult.sol";
import {JobRules} from "./JobRules.sol";
import {Seats} from "./Seats.sol";
import {LeaseSlot} from "./Slots.sol";

/// @title Demands: show all the digests, or lose the bond
/// @notice Whoever cannot learn what a root stands for cannot challenge it. Submitted -demand-> Demanded
/// -respond-> Submitted, its window anew; without an answer -forfeit-> Free.
/// @dev Also what demands and challenges share: which result can be contested, and how a round is lost.
abstract contract Demands is Seats {
    /// @dev See `IMarket.demand`.
    function demand(IMarket.Job calldata job, uint32 first) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _contestable(job, jobId, first);
        if (lease.demanded()) revert IMarket.DemandedAlready(jobId, first);
        _leases[jobId][first] = lease.demandedAt(block.timestamp);
        _demanders[jobId][first] = msg.sender;
        _debit(msg.sender, job.price.juryFee);
        emit IMarket.DemandMade(jobId, first, msg.sender, job.price.juryFee);
    }

    /// @dev See `IMarket.respond`.
    function respond(IMarket.Job calldata job, uint32 first, address provider, bytes32[] calldata digests)
        external
    {
        uint32 number = _authorize(provider);
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        _requirePhase(IMarket.Phase.Demanded, jobId, first, lease);
        if (lease.provider() != number) revert IMarket.NotHolder(jobId, first, provider);
        _requireInTime(lease.submittedAt() + _RESPOND_WINDOW);
        bytes32 root = _roots[jobId][first];
        // With fewer digests, a zero leaf of the tree would pass for padding.
        bytes32 actual = digests.length == lease.count() ? JobResult.rootOf(first, digests) : bytes32(0);
        if (actual != root) revert IMarket.RootMismatch(root, actual);

        _leases[jobId][first] = lease.to(IMarket.Phase.Submitted).windowFrom(block.timestamp);
        delete _demanders[jobId][first];
        uint96 deposit = JobRules.amountOf(job.price.juryFee);
        _earn(number, deposit, 0);
        emit IMarket.Responded(jobId, first, provider, deposit);
    }

    /// @dev See `IMarket.forfeit`.
    function forfeit(IMarket.Job calldata job, uint32 first) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        _requirePhase(IMarket.Phase.Demanded, jobId, first, lease);
        _requireOver(lease.submittedAt() + _RESPOND_WINDOW);
        address demander = _demanders[jobId][first];
        delete _demanders[jobId][first];
        _burn(_lose(job, jobId, first, lease, IMarket.Reason.Withheld));
        _credit(demander, job.price.juryFee);
    }

    /// @dev A lease whose result can be challenged, or its digests demanded, now.
    function _contestable(IMarket.Job calldata job, bytes32 jobId, uint32 first)
        internal
        view
        returns (LeaseSlot lease)
    {
        lease = _leases[jobId][first];
        if (job.terms.replicas != 1) {
            _known(jobId);
            revert IMarket.WrongMode(jobId, job.terms.replicas);
        }
        _requirePhase(IMarket.Phase.Submitted, jobId, first, lease);
        if (job.price.juryFee == 0) revert IMarket.NoJury(jobId);
        _requireInTime(lease.submittedAt() + job.timing.challengeWindow);
    }

    /// @dev Takes the holder's whole bond and frees the lease of it and of its result.
    /// @return bond what was taken: the caller says whose it is
    function _lose(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        IMarket.Reason reason
    ) internal returns (uint96 bond) {
        _leases[jobId][first] = lease.freed(block.timestamp);
        delete _roots[jobId][first];
        delete _disputes[jobId][first];
        bond = JobRules.bondOf(job.price, lease.count());
        _slash(lease.provider(), bond, bond, true);
        emit IMarket.Freed(jobId, first, _providerAt[lease.provider()], reason, bond);
    }
}
