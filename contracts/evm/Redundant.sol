// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "./IBeacon.sol";
import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Seats} from "./Seats.sol";
import {JobSlot, LeaseSlot, LeaseSlots, SeatSlot, SeatSlots} from "./Slots.sol";

/// @title Redundant leases: drawn seats, commit, open, quorum
/// @notice Free -Q-th seat-> Running -N-th commitment-> Revealing -settle-> Settled, or Void if all opened and no quorum
/// agrees. Any other round without a quorum leaves the lease Free. The whole table is in contracts/README.md.
abstract contract Redundant is Seats {
    // ------------------------------------------------------------------ seats are taken

    /// @dev See `IMarket.join`.
    function join(IMarket.Job calldata job, uint32 first, uint16 round, address provider) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _roundNow(job, jobId, first, round);
        bytes32 key = _seatsKey(jobId, first, round, LEASE);
        lease = _takeSeat(job, jobId, first, lease, _seats[key][number], provider, number);
        _seats[key][number] = SeatSlots.joined();
        _leases[jobId][first] = _beginIfFull(job, jobId, lease);
        emit IMarket.Joined(jobId, first, provider, round);
    }

    /// @dev See `IMarket.commit`.
    function commit(
        IMarket.Job calldata job,
        uint32 first,
        uint16 round,
        address provider,
        bytes32 commitment
    ) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _roundNow(job, jobId, first, round);
        bytes32 key = _seatsKey(jobId, first, round, LEASE);
        SeatSlot seat = _seats[key][number];
        if (seat.state() != IMarket.Seat.Joined) {
            lease = _takeSeat(job, jobId, first, lease, seat, provider, number);
            lease = _beginIfFull(job, jobId, lease);
        }
        _seats[key][number] = SeatSlots.committed(commitment);
        lease = lease.plusCommit();
        if (lease.commits() == job.assurance.replicas) {
            lease = lease.to(IMarket.Phase.Revealing, block.timestamp);
        }
        _leases[jobId][first] = lease;
        emit IMarket.Committed(jobId, first, provider, round, commitment);
    }

    /// @dev The lease, whose round takes seats and commitments now. It must be `round`: a commitment that is mined late
    /// would otherwise stand in a round in which it cannot be opened.
    function _roundNow(IMarket.Job calldata job, bytes32 jobId, uint32 first, uint16 round)
        private
        view
        returns (LeaseSlot lease)
    {
        lease = _openedLease(job, jobId, first);
        if (lease.phase() == IMarket.Phase.None) {
            _known(jobId); // the clearer error, if it is that
            revert IMarket.NoSuchLease(jobId, first);
        }
        if (lease.phase() == IMarket.Phase.Free) {
            _open(job, jobId);
            if (lease.round() == type(uint16).max) revert IMarket.TooManyRounds(jobId, first);
        } else {
            _requirePhase(IMarket.Phase.Running, jobId, first, lease);
            _requireInTime(_commitBy(job, lease));
        }
        _requireRound(jobId, first, lease, round);
    }

    /// @dev Reverts unless the provider can take a seat now; locks its bond.
    function _takeSeat(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        SeatSlot seat,
        address provider,
        uint32 number
    ) private returns (LeaseSlot) {
        if (seat.state() != IMarket.Seat.None) {
            revert IMarket.WrongSeat(jobId, first, provider, seat.state());
        }
        if (lease.seats() == job.assurance.replicas) revert IMarket.SeatsTaken(jobId, first);
        _requireAdmitted(job, number, provider);
        if (lease.round() > 1) {
            SeatSlot last = _seats[_seatsKey(jobId, first, lease.round() - 1, LEASE)][number];
            if (last.state() == IMarket.Seat.Left) revert IMarket.BarredFromRound(jobId, first, provider);
        }
        if (job.terms.providers == 0) {
            uint64 from = _drawnForLease(job, jobId, first, lease, provider, number);
            _requireDrawn(from, jobId, first, provider);
        }
        // The draw has read the history: there its stake is cheaper to have than in its record.
        _lockForLease(number, provider, JobRules.bondOf(job.price, lease.count()), _stakeNow(number));
        return lease.plusSeat();
    }

    /// @dev The lease; its round begins with its Q-th seat. The next lease opens when this one first begins.
    function _beginIfFull(IMarket.Job calldata job, bytes32 jobId, LeaseSlot lease)
        private
        returns (LeaseSlot)
    {
        if (lease.phase() != IMarket.Phase.Free || lease.seats() != job.assurance.quorum) {
            return lease;
        }
        if (lease.round() == 1) _openNext(job, jobId);
        return lease.to(IMarket.Phase.Running, block.timestamp);
    }

    /// @dev Opens the next lease, if there is one.
    function _openNext(IMarket.Job calldata job, bytes32 jobId) private {
        JobSlot record = _jobs[jobId];
        uint32 next = record.next();
        uint32 left = job.terms.tasks - next;
        if (left == 0) return;
        uint32 count = left < job.terms.maxLease ? left : job.terms.maxLease;
        _leases[jobId][next] = LeaseSlots.opened(count, record.feeBps(), block.timestamp, record.point());
        _jobs[jobId] = record.withNext(next + count);
    }

    // ------------------------------------------------------------------ a seat is left

    /// @dev `leave` of a redundant lease. Until its round begins, and once its lease is refunded, that costs
    /// nothing.
    function _leaveSeat(IMarket.Job calldata job, uint32 first, uint16 round, address provider) internal {
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _leases[jobId][first];
        IMarket.Phase phase = lease.phase();
        // Then anyone may return the bond to its owner.
        uint32 number = phase == IMarket.Phase.Refunded ? _numbers[provider] : _authorize(provider);
        bool begun = phase != IMarket.Phase.Free && phase != IMarket.Phase.Refunded;
        if (begun) _requirePhase(IMarket.Phase.Running, jobId, first, lease);
        _requireRound(jobId, first, lease, round);
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        uint96 slash = begun ? _latenessOf(job, lease, bond) : 0;
        _leases[jobId][first] = _vacate(jobId, first, lease, provider, number, begun);
        if (slash == 0) _unlock(number, bond);
        else _slash(number, bond, slash, false);
        emit IMarket.SeatLeft(jobId, first, provider, round, slash);
    }

    /// @dev What leaving a begun round costs now.
    function _latenessOf(IMarket.Job calldata job, LeaseSlot lease, uint96 bond)
        private
        view
        returns (uint96)
    {
        _requireInTime(_commitBy(job, lease));
        uint256 elapsed = block.timestamp - lease.since();
        return JobRules.latenessOf(bond, lease.round(), elapsed, job.timing.runWindow);
    }

    /// @dev Empties a seat; one of a begun round must not have committed, and its holder does not come back.
    function _vacate(
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        address provider,
        uint32 number,
        bool begun
    ) private returns (LeaseSlot) {
        mapping(uint32 => SeatSlot) storage seats = _seats[_seatsKey(jobId, first, lease.round(), LEASE)];
        IMarket.Seat state = seats[number].state();
        bool committed = state == IMarket.Seat.Committed;
        if (state != IMarket.Seat.Joined && (begun || !committed)) {
            revert IMarket.WrongSeat(jobId, first, provider, state);
        }
        seats[number] = begun ? SeatSlots.left() : SeatSlot.wrap(0);
        return committed ? lease.minusSeat().minusCommit() : lease.minusSeat();
    }

    // ------------------------------------------------------------------ a round ends

    /// @dev See `IMarket.settle`.
    function settle(
        IMarket.Job calldata job,
        uint32 first,
        uint16 number,
        IMarket.Opening[] calldata openings
    ) external {
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _leases[jobId][first];
        bool full = lease.phase() == IMarket.Phase.Revealing;
        if (!full) _requirePhase(IMarket.Phase.Running, jobId, first, lease);
        _requireRound(jobId, first, lease, number);
        uint64 commitBy = _commitBy(job, lease);
        Round memory round = Round({
            jobId: jobId,
            first: first,
            number: number,
            kind: LEASE,
            key: _seatsKey(jobId, first, number, LEASE),
            seats: lease.seats(),
            commits: lease.commits(),
            opened: lease.openings(),
            full: full,
            quorum: job.assurance.quorum,
            commitBy: commitBy,
            revealBy: (full ? lease.since() : commitBy) + _REVEAL_WINDOW
        });
        Ballot memory ballot = _read(round, openings);
        if (ballot.ends) return _end(job, round, ballot, openings, lease);
        _record(round, ballot, openings);
        _leases[jobId][first] = lease.plusOpened(ballot.fresh);
    }

    /// @dev Ends a round: pays a quorum, or burns and refunds, or frees the lease for its next round.
    function _end(
        IMarket.Job calldata job,
        Round memory round,
        Ballot memory ballot,
        IMarket.Opening[] calldata openings,
        LeaseSlot lease
    ) private {
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        uint96 gross = JobRules.grossOf(job, lease.origin(), lease.count());
        uint96 fee = JobRules.feeOf(gross, lease.feeBps());
        uint96 share = JobRules.tenthOf(bond < gross ? bond : gross);
        _closeSeats(round, ballot, openings, true, bond, share, gross - fee);
        if (ballot.votes != 0) {
            _roots[round.jobId][round.first] = openings[ballot.winner].value;
            _settleQuorum(job, round, lease, gross, fee, ballot.votes);
        } else if (ballot.opened == job.assurance.replicas) {
            // A tenth of the price is burned, the rest returns to the client.
            uint96 burned = JobRules.tenthOf(uint256(gross) * job.assurance.replicas);
            _endVoid(job, round.jobId, round.first, lease, burned, 0, 0);
        } else {
            IMarket.Reason reason = round.commits < round.quorum
                ? IMarket.Reason.TooFewCommits
                : ballot.opened == 0 ? IMarket.Reason.Outage : IMarket.Reason.NoQuorum;
            _lapse(job, round, lease, reason);
        }
    }

    /// @dev A round without a result: the lease is free for its next one, which needs a new point.
    function _lapse(IMarket.Job calldata job, Round memory round, LeaseSlot lease, IMarket.Reason reason)
        private
    {
        uint64 point = job.terms.providers == 0 ? _newPointIfAny() : 0;
        lease = lease.lapsed(block.timestamp, point);
        _leases[round.jobId][round.first] = lease;
        emit IMarket.Freed(round.jobId, round.first, address(0), lease.round(), reason, 0);
        if (point != 0) emit IMarket.PointSet(round.jobId, round.first, point);
    }

    /// @dev Settles a lease by its quorum's root. Each seat of the quorum was paid; every other commitment lost its bond,
    /// and its share of the price is burned; shares of seats that never committed return to the client.
    function _settleQuorum(
        IMarket.Job calldata job,
        Round memory round,
        LeaseSlot lease,
        uint96 gross,
        uint96 fee,
        uint256 winners
    ) private {
        IMarket.Grade grade = job.terms.providers == 0 ? IMarket.Grade.Quorum : IMarket.Grade.Listed;
        _endSettled(
            job,
            round.jobId,
            round.first,
            lease.settled(grade),
            JobRules.amountOf(winners * (gross - fee)),
            JobRules.amountOf(winners * fee),
            JobRules.amountOf((round.commits - winners) * gross),
            0
        );
    }

    /// @dev See `IMarket.renew`.
    function renew(IMarket.Job calldata job, uint32 first) external {
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _openedLease(job, jobId, first);
        _requirePhase(IMarket.Phase.Free, jobId, first, lease);
        uint64 point = lease.point();
        bool dead = point == 0 || IBeacon(_BEACON).isDead(point);
        // Nobody is drawn for a job with a list: it needs no point.
        if (!dead || job.terms.providers != 0) revert IMarket.PointAlive(point);
        point = _newPoint();
        _leases[jobId][first] = lease.withPoint(point);
        emit IMarket.PointSet(jobId, first, point);
    }

    // ------------------------------------------------------------------ what all acts share

    /// @dev The id of a job with more than one replica.
    function _redundant(IMarket.Job calldata job) private view returns (bytes32 jobId) {
        jobId = _idOf(job);
        if (job.assurance.replicas == 1) revert IMarket.WrongMode(jobId, 1);
    }

    /// @dev Last second of a running round for seats and commitments.
    function _commitBy(IMarket.Job calldata job, LeaseSlot lease) private pure returns (uint64) {
        return lease.since() + job.timing.runWindow;
    }
}
