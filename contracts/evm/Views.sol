// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Seats} from "./Seats.sol";
import {AuditSlot, LeaseSlot} from "./Slots.sol";

/// @title Reading leases, audits, seats, weights and what the market fixes
abstract contract Views is Seats {
    /// @dev See `IMarket.leaseOf`.
    function leaseOf(bytes32 jobId, uint32 first) external view returns (IMarket.LeaseState memory) {
        LeaseSlot lease = _leases[jobId][first];
        bool redundant = lease.isRedundant();
        return IMarket.LeaseState({
            provider: redundant ? address(0) : _providerAt[lease.provider()],
            phase: lease.phase(),
            grade: lease.grade(),
            round: lease.round(),
            count: lease.count(),
            since: lease.since(),
            origin: lease.origin(),
            point: lease.point(),
            root: _roots[jobId][first],
            seats: redundant ? lease.seats() : 0,
            commits: redundant ? lease.commits() : 0,
            opened: redundant ? lease.openings() : 0
        });
    }

    /// @dev See `IMarket.resultRoot`.
    function resultRoot(bytes32 jobId, uint32 first)
        external
        view
        returns (bytes32 root, uint32 count, IMarket.Grade grade)
    {
        LeaseSlot lease = _leases[jobId][first];
        if (lease.phase() == IMarket.Phase.Settled) {
            return (_roots[jobId][first], lease.count(), lease.grade());
        }
    }

    /// @dev See `IMarket.auditOf`.
    function auditOf(bytes32 jobId, uint32 first) external view returns (IMarket.AuditState memory) {
        AuditSlot audit = _audits[jobId][first];
        return IMarket.AuditState({
            jury: audit.jury(),
            task: audit.task(),
            since: audit.since(),
            due: audit.due(),
            point: audit.point(),
            seats: audit.seats(),
            commits: audit.commits(),
            opened: audit.openings(),
            undecided: audit.undecided()
        });
    }

    /// @dev See `IMarket.seatOf`.
    function seatOf(bytes32 jobId, uint32 first, uint16 round, uint8 kind, address provider)
        external
        view
        returns (IMarket.Seat)
    {
        return _seats[_seatsKey(jobId, first, round, kind)][_numbers[provider]].state();
    }

    /// @dev See `IMarket.commitmentOf`.
    function commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 kind,
        uint32 number,
        bytes32 value,
        bytes32 proof,
        bytes32 salt
    ) external pure returns (bytes32) {
        return _commitmentOf(jobId, first, round, kind, number, value, proof, salt);
    }

    /// @dev See `IMarket.weightAt`.
    function weightAt(address provider, uint64 time) external view returns (uint128) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(_weight(_numbers[provider], time));
    }

    /// @dev See `IMarket.totalWeightAt`.
    function totalWeightAt(uint64 time) external view returns (uint128) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(_totalWeight(time));
    }

    /// @dev See `IMarket.times`.
    function times() external view returns (IMarket.Times memory) {
        return IMarket.Times({
            stakeAge: _STAKE_AGE,
            leaseStep: _LEASE_STEP,
            juryStep: _JURY_STEP,
            juryTime: _JURY_TIME,
            revealWindow: _REVEAL_WINDOW,
            respondWindow: _RESPOND_WINDOW,
            retryWindow: _RETRY_WINDOW,
            leastAuditWindow: _LEAST_AUDIT_WINDOW,
            leastRunWindow: _LEAST_RUN_WINDOW
        });
    }

    /// @dev See `IMarket.isDevnet`.
    function isDevnet() external view returns (bool) {
        return _DEVNET;
    }

    /// @dev See `IMarket.beacon`.
    function beacon() external view returns (address) {
        return _BEACON;
    }
}
