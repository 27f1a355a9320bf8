// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Jobs} from "./Jobs.sol";

/// @title Optimistic leases: take, submit, wait
/// @notice Free -claim-> Running -submit-> Submitted -accept, finalize-> Settled. A round that ends
/// without a result (expire, release) leaves the lease Free, for a takeover in a new round or, once
/// the job is over, for `close`: Refunded. The whole table is in contracts/README.md.
abstract contract Optimistic is Jobs {
    // ------------------------------------------------------------------ a round begins

    /// @inheritdoc IMarket
    function claim(
        Job calldata job,
        address provider,
        uint32 count
    ) external returns (uint32 first, uint32 taken) {
        uint32 number = _authorize(provider);
        bytes32 jobId = hashJob(job);
        JobRecord storage record = _open(job, jobId);
        if (count == 0) revert NothingAsked();
        first = record.next;
        taken = job.terms.tasks - first;
        if (taken == 0) revert NothingLeft(jobId);
        if (taken > job.terms.maxLease) taken = job.terms.maxLease;
        if (taken > count) taken = count;

        record.next = first + taken;
        _leases[jobId][first] = Lease({
            provider: number,
            phase: Phase.Running,
            how: How.None,
            round: 1,
            count: taken,
            feeBps: record.feeBps,
            startedAt: uint40(block.timestamp),
            submittedAt: 0,
            root: 0
        });
        _begin(job, jobId, first, provider, taken, 1);
    }

    /// @inheritdoc IMarket
    function takeover(Job calldata job, address provider, uint32 first) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = hashJob(job);
        _open(job, jobId);
        Lease storage lease = _leases[jobId][first];
        _freeIfLate(job, jobId, first, lease);
        _require(Phase.Free, jobId, first, lease);
        if (lease.provider == number) revert BarredFromRound(jobId, first, provider);
        if (lease.round == type(uint16).max) revert TooManyRounds(jobId, first);

        lease.provider = number;
        lease.phase = Phase.Running;
        lease.round += 1;
        lease.startedAt = uint40(block.timestamp);
        _begin(job, jobId, first, provider, lease.count, lease.round);
    }

    /// @dev Locks the bond of a round.
    function _begin(
        Job calldata job,
        bytes32 jobId,
        uint32 first,
        address provider,
        uint32 count,
        uint16 round
    ) private {
        uint256 bond = JobRules.bondOf(job.price, count);
        _lock(provider, bond);
        uint256 price = JobRules.priceAt(job.price, job.timing, block.timestamp);
        emit Claimed(jobId, first, provider, count, round, uint128(price), uint128(bond));
    }

    // ------------------------------------------------------------------ a round ends well

    /// @inheritdoc IMarket
    function submit(Job calldata job, uint32 first, address provider, bytes32 root, bytes32 manifest) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = hashJob(job);
        Lease storage lease = _leases[jobId][first];
        _require(Phase.Running, jobId, first, lease);
        if (lease.provider != number) revert NotHolder(jobId, first, provider);
        if (root == 0) revert ZeroRoot();
        uint64 deadline = lease.startedAt + job.timing.runWindow;
        if (block.timestamp > deadline) revert TooLate(deadline, uint64(block.timestamp));

        lease.phase = Phase.Submitted;
        lease.submittedAt = uint40(block.timestamp);
        lease.root = root;
        emit Submitted(jobId, first, provider, root, manifest);
    }

    /// @inheritdoc IMarket
    function accept(Job calldata job, uint32 first) external {
        _onlyClient(job);
        bytes32 jobId = hashJob(job);
        Lease storage lease = _leases[jobId][first];
        _require(Phase.Submitted, jobId, first, lease);
        _settle(job, jobId, first, lease, How.Accepted);
    }

    /// @inheritdoc IMarket
    function finalize(Job calldata job, uint32 first) external {
        bytes32 jobId = hashJob(job);
        Lease storage lease = _leases[jobId][first];
        _require(Phase.Submitted, jobId, first, lease);
        uint64 deadline = lease.submittedAt + job.timing.challengeWindow;
        if (block.timestamp <= deadline) revert TooEarly(deadline + 1, uint64(block.timestamp));
        _settle(job, jobId, first, lease, How.Unchallenged);
    }

    /// @dev Pays out a lease's escrow and unlocks its bond.
    function _settle(Job calldata job, bytes32 jobId, uint32 first, Lease storage lease, How how) private {
        uint256 count = lease.count;
        uint256 price = JobRules.priceAt(job.price, job.timing, lease.startedAt);
        (uint256 paid, uint256 feePaid, uint256 refunded) =
            JobRules.split(job.price.maxPrice, price, count, lease.feeBps);
        address provider = _providerAt[lease.provider];

        lease.phase = Phase.Settled;
        lease.how = how;
        _reward(provider, paid, JobRules.bondOf(job.price, count));
        if (feePaid != 0) _feeEarned += uint96(feePaid);
        _credit(job.terms.client, refunded);
        emit Settled(jobId, first, provider, how, uint128(paid), uint128(feePaid), uint128(refunded));
    }

    // ------------------------------------------------------------------ a round ends without a result

    /// @inheritdoc IMarket
    function expire(Job calldata job, uint32 first) external {
        bytes32 jobId = hashJob(job);
        Lease storage lease = _leases[jobId][first];
        _require(Phase.Running, jobId, first, lease);
        if (!_freeIfLate(job, jobId, first, lease)) {
            revert TooEarly(lease.startedAt + job.timing.runWindow + 1, uint64(block.timestamp));
        }
    }

    /// @inheritdoc IMarket
    function release(Job calldata job, uint32 first, address provider) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = hashJob(job);
        Lease storage lease = _leases[jobId][first];
        _require(Phase.Running, jobId, first, lease);
        if (lease.provider != number) revert NotHolder(jobId, first, provider);
        uint64 runWindow = job.timing.runWindow;
        uint64 deadline = lease.startedAt + runWindow;
        if (block.timestamp > deadline) revert TooLate(deadline, uint64(block.timestamp));

        bool early = block.timestamp <= lease.startedAt + runWindow / JobRules.FREE_RELEASE_PART;
        _free(job, jobId, first, lease, early ? Reason.ReleasedEarly : Reason.ReleasedLate);
    }

    /// @inheritdoc IMarket
    function close(Job calldata job, uint32[] calldata firsts) external {
        bytes32 jobId = hashJob(job);
        JobRecord storage record = _known(jobId);
        if (record.status != JobStatus.Cancelled && block.timestamp <= job.timing.closesAt) {
            revert JobStillOpen(jobId, job.timing.closesAt);
        }
        uint256 refunded = 0;
        for (uint256 i = 0; i < firsts.length; ++i) {
            uint32 first = firsts[i];
            if (first == record.next && first < job.terms.tasks) {
                refunded += _refundUnclaimed(job, jobId, record);
            } else {
                refunded += _refundLease(job, jobId, first);
            }
        }
        _credit(job.terms.client, refunded);
    }

    /// @dev Gives up a free lease.
    /// @return refunded what the client is still to be credited with
    function _refundLease(Job calldata job, bytes32 jobId, uint32 first) private returns (uint256 refunded) {
        Lease storage lease = _leases[jobId][first];
        _freeIfLate(job, jobId, first, lease);
        _require(Phase.Free, jobId, first, lease);
        lease.phase = Phase.Refunded;
        uint32 count = lease.count;
        refunded = uint256(job.price.maxPrice) * count;
        emit Refunded(jobId, first, count, uint128(refunded));
    }

    /// @dev Ends a round whose run window is over, poked or not.
    function _freeIfLate(
        Job calldata job,
        bytes32 jobId,
        uint32 first,
        Lease storage lease
    ) private returns (bool late) {
        late = lease.phase == Phase.Running && block.timestamp > lease.startedAt + job.timing.runWindow;
        if (late) _free(job, jobId, first, lease, Reason.Expired);
    }

    /// @dev Frees a lease; its bond returns less what its holder loses for `reason`.
    function _free(Job calldata job, bytes32 jobId, uint32 first, Lease storage lease, Reason reason) private {
        uint256 slashBps = reason == Reason.Expired
            ? JobRules.LIVENESS_SLASH
            : reason == Reason.ReleasedLate ? JobRules.RELEASE_SLASH : 0;
        uint256 bond = JobRules.bondOf(job.price, lease.count);
        uint256 slash = JobRules.slashOf(bond, slashBps);
        address provider = _providerAt[lease.provider];
        lease.phase = Phase.Free;
        _unlock(provider, bond, slash, reason != Reason.ReleasedEarly);
        emit Freed(jobId, first, provider, reason, uint128(slash));
    }

    // ------------------------------------------------------------------ reading

    /// @inheritdoc IMarket
    function leaseOf(bytes32 jobId, uint32 first) external view returns (LeaseState memory) {
        Lease memory lease = _leases[jobId][first];
        return LeaseState({
            provider: _providerAt[lease.provider],
            phase: lease.phase,
            how: lease.how,
            round: lease.round,
            count: lease.count,
            startedAt: lease.startedAt,
            submittedAt: lease.submittedAt,
            root: lease.root
        });
    }

    /// @inheritdoc IMarket
    function resultRoot(bytes32 jobId, uint32 first) external view returns (bytes32 root, uint32 count, How how) {
        Lease storage lease = _leases[jobId][first];
        if (lease.phase == Phase.Settled) return (lease.root, lease.count, lease.how);
    }

    /// @dev Reverts unless the lease is in `phase`.
    function _require(Phase phase, bytes32 jobId, uint32 first, Lease storage lease) private view {
        Phase actual = lease.phase;
        if (actual != phase) {
            _known(jobId); // the clearer error, if it is that
            revert WrongPhase(jobId, first, actual);
        }
    }
}
