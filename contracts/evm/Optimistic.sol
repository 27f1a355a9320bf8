// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Jobs} from "./Jobs.sol";
import {JobSlot, LeaseSlot, LeaseSlots} from "./Slots.sol";

/// @title Optimistic leases: take, submit, wait
/// @notice Free -claim-> Running -submit-> Submitted -accept, finalize-> Settled. A round that ends
/// without a result (expire, release) leaves the lease Free, for a takeover in a new round or, once
/// the job is over, for `close`: Refunded. The whole table is in contracts/README.md.
abstract contract Optimistic is Jobs {
    // ------------------------------------------------------------------ a round begins

    /// @inheritdoc IMarket
    function claim(Job calldata job, address provider, uint32 count)
        external
        returns (uint32 first, uint32 taken)
    {
        uint32 number = _authorize(provider);
        bytes32 jobId = _idOf(job);
        JobSlot record = _open(job, jobId);
        if (job.terms.replicas != 1) revert WrongMode(jobId, job.terms.replicas);
        if (count == 0) revert NothingAsked();
        first = record.next();
        taken = job.terms.tasks - first;
        if (taken == 0) revert NothingLeft(jobId);
        if (taken > job.terms.maxLease) taken = job.terms.maxLease;
        if (taken > count) taken = count;

        _jobs[jobId] = record.withNext(first + taken);
        LeaseSlot lease = LeaseSlots.running(number, 1, taken, record.feeBps(), block.timestamp);
        _begin(job, jobId, first, lease, provider);
    }

    /// @inheritdoc IMarket
    function takeover(Job calldata job, address provider, uint32 first) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _idOf(job);
        _open(job, jobId);
        if (job.terms.replicas != 1) revert WrongMode(jobId, job.terms.replicas);
        LeaseSlot lease = _leases[jobId][first];
        lease = _freeIfLate(job, jobId, first, lease);
        _requirePhase(Phase.Free, jobId, first, lease);
        if (lease.provider() == number) revert BarredFromRound(jobId, first, provider);
        // A release and a takeover by another address of the same owner cannot be one transaction, or
        // that owner would reprice its lease on a risen ramp, free and unrivalled.
        _requireOver(lease.startedAt());
        if (lease.round() == type(uint16).max) revert TooManyRounds(jobId, first);
        lease = LeaseSlots.running(number, lease.round() + 1, lease.count(), lease.feeBps(), block.timestamp);
        _begin(job, jobId, first, lease, provider);
    }

    /// @dev Begins a round of a lease: locks its bond.
    function _begin(Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease, address provider)
        private
    {
        _leases[jobId][first] = lease;
        _requireAdmitted(job, lease.provider(), provider);
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        _lock(lease.provider(), provider, bond);
        uint96 price = JobRules.priceAt(job.price, job.timing, block.timestamp);
        emit Claimed(jobId, first, provider, lease.count(), lease.round(), price, bond);
    }

    // ------------------------------------------------------------------ a round ends well

    /// @inheritdoc IMarket
    function submit(Job calldata job, uint32 first, address provider, bytes32 root, bytes32 manifest)
        external
    {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        _onlyHolder(jobId, first, lease, provider);
        if (job.terms.verifier != address(0)) revert NeedsProof(jobId, job.terms.verifier);
        _submit(job, jobId, first, lease.submitted(block.timestamp), root);
        emit Submitted(jobId, first, provider, root, manifest);
    }

    /// @dev Keeps the result of a lease in time.
    function _submit(Job calldata job, bytes32 jobId, uint32 first, LeaseSlot submitted, bytes32 root)
        internal
    {
        if (root == 0) revert ZeroRoot();
        _requireInTime(submitted.startedAt() + job.timing.runWindow);
        _leases[jobId][first] = submitted;
        _roots[jobId][first] = root;
    }

    /// @inheritdoc IMarket
    function accept(Job calldata job, uint32 first, bytes32 root) external {
        _onlyClient(job);
        bytes32 jobId = _idOf(job);
        _requirePhase(Phase.Submitted, jobId, first, _leases[jobId][first]);
        if (_roots[jobId][first] != root) revert WrongRoot(jobId, first, _roots[jobId][first]);
        _accept(job, jobId, first);
    }

    /// @dev `accept`, whoever calls: the client is known to want it.
    function _accept(Job calldata job, bytes32 jobId, uint32 first) internal {
        LeaseSlot lease = _leases[jobId][first];
        _requirePhase(Phase.Submitted, jobId, first, lease);
        _settle(job, jobId, first, lease.settled(How.Accepted));
    }

    /// @inheritdoc IMarket
    function finalize(Job calldata job, uint32 first) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        _requirePhase(Phase.Submitted, jobId, first, lease);
        _requireOver(lease.submittedAt() + job.timing.challengeWindow);
        _settle(job, jobId, first, lease.settled(How.Unchallenged));
    }

    /// @dev Pays out a settled lease's escrow and unlocks its bond.
    function _settle(Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease) internal {
        _leases[jobId][first] = lease;
        uint96 price = JobRules.priceAt(job.price, job.timing, lease.startedAt());
        (uint96 paid, uint96 feePaid, uint96 refunded) =
            JobRules.split(job.price.maxPrice, price, lease.count(), lease.feeBps());
        _reward(lease.provider(), paid, JobRules.bondOf(job.price, lease.count()));
        _creditFee(feePaid);
        _credit(job.terms.client, refunded);
        emit Settled(jobId, first, lease.how(), paid, feePaid, refunded);
    }

    // ------------------------------------------------------------------ a round ends without a result

    /// @inheritdoc IMarket
    function expire(Job calldata job, uint32 first) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        if (job.terms.replicas != 1) revert WrongMode(jobId, job.terms.replicas);
        _requirePhase(Phase.Running, jobId, first, lease);
        _requireOver(lease.startedAt() + job.timing.runWindow);
        _free(job, jobId, first, lease, Reason.Expired);
    }

    /// @inheritdoc IMarket
    function release(Job calldata job, uint32 first, address provider) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        _onlyHolder(jobId, first, lease, provider);
        uint64 runWindow = job.timing.runWindow;
        _requireInTime(lease.startedAt() + runWindow);
        bool early = block.timestamp <= lease.startedAt() + runWindow / JobRules.FREE_RELEASE_PART;
        _free(job, jobId, first, lease, early ? Reason.ReleasedEarly : Reason.ReleasedLate);
    }

    /// @inheritdoc IMarket
    function close(Job calldata job, uint32[] calldata firsts) external {
        bytes32 jobId = _idOf(job);
        JobSlot record = _known(jobId);
        if (record.status() != JobStatus.Cancelled && block.timestamp <= job.timing.closesAt) {
            revert JobStillOpen(jobId, job.timing.closesAt);
        }
        uint96 refunded = 0;
        for (uint256 i = 0; i < firsts.length; ++i) {
            uint32 first = firsts[i];
            // The record is read anew: the same task may be named twice.
            if (first == _jobs[jobId].next() && first < job.terms.tasks) {
                refunded += _refundUnclaimed(job, jobId);
            } else {
                refunded += _refundLease(job, jobId, first);
            }
        }
        _credit(job.terms.client, refunded);
    }

    /// @dev Gives up a free lease.
    /// @return refunded what the client is still to be credited with
    function _refundLease(Job calldata job, bytes32 jobId, uint32 first) private returns (uint96 refunded) {
        LeaseSlot lease = job.terms.replicas == 1
            ? _freeIfLate(job, jobId, first, _leases[jobId][first])
            : _fixedLease(job, jobId, first);
        _requirePhase(Phase.Free, jobId, first, lease);
        _leases[jobId][first] = lease.to(Phase.Refunded);
        refunded = JobRules.escrowOf(job, lease.count());
        emit Refunded(jobId, first, lease.count(), refunded);
    }

    /// @dev The lease; freed, if its run window is over, poked or not.
    function _freeIfLate(Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease)
        private
        returns (LeaseSlot)
    {
        if (lease.phase() != Phase.Running || block.timestamp <= lease.startedAt() + job.timing.runWindow) {
            return lease;
        }
        return _free(job, jobId, first, lease, Reason.Expired);
    }

    /// @dev Frees a lease; its bond returns less what its holder loses for `reason`.
    function _free(Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease, Reason reason)
        private
        returns (LeaseSlot freed)
    {
        freed = reason == Reason.Expired ? lease.to(Phase.Free) : lease.freed(block.timestamp);
        _leases[jobId][first] = freed;
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        uint96 slash = 0;
        if (reason == Reason.ReleasedEarly) {
            _unlock(lease.provider(), bond);
        } else {
            uint256 share = reason == Reason.Expired ? JobRules.LIVENESS_SLASH : JobRules.RELEASE_SLASH;
            slash = JobRules.slashOf(bond, share);
            _slash(lease.provider(), bond, slash, false);
            _burn(slash);
        }
        emit Freed(jobId, first, _providerAt[lease.provider()], reason, slash);
    }

    // ------------------------------------------------------------------ reading

    /// @inheritdoc IMarket
    function leaseOf(bytes32 jobId, uint32 first) external view returns (LeaseState memory) {
        LeaseSlot lease = _leases[jobId][first];
        return LeaseState({
            provider: _providerAt[lease.provider()],
            phase: lease.phase(),
            how: lease.how(),
            round: lease.round(),
            count: lease.count(),
            startedAt: lease.startedAt(),
            submittedAt: lease.submittedAt(),
            root: _rootOf(jobId, first, lease),
            seats: lease.seats(),
            commits: lease.commits(),
            reveals: lease.reveals(),
            challenges: lease.challenges()
        });
    }

    /// @inheritdoc IMarket
    function resultRoot(bytes32 jobId, uint32 first)
        external
        view
        returns (bytes32 root, uint32 count, How how)
    {
        LeaseSlot lease = _leases[jobId][first];
        if (lease.phase() == Phase.Settled) {
            return (_rootOf(jobId, first, lease), lease.count(), lease.how());
        }
    }

    // ------------------------------------------------------------------ checks

    /// @dev Reverts unless the lease runs, the caller may act for `provider`, and that holds it.
    function _onlyHolder(bytes32 jobId, uint32 first, LeaseSlot lease, address provider) internal view {
        uint32 number = _authorize(provider);
        _requirePhase(Phase.Running, jobId, first, lease);
        // Nobody holds a redundant lease: its number is 0, like that of who never was a provider.
        if (lease.provider() != number || number == 0) revert NotHolder(jobId, first, provider);
    }
}
