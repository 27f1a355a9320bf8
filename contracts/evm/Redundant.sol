// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Seats} from "./Seats.sol";
import {LeaseSlot, SealSlot, SeatSlot, SeatSlots} from "./Slots.sol";

/// @title Redundant leases: drawn seats, commit, reveal, quorum
/// @notice Free -join, commit-> Running -last commit-> Revealing -settle-> Settled, or Refunded without a quorum. A
/// round in which too few committed leaves the lease Free. The whole table is in contracts/README.md.
abstract contract Redundant is Seats {
    /// @dev A round that ends.
    /// @param seats those of the panel, in its order
    /// @param winner one of the majority, 0 without a quorum
    /// @param winners how many of the majority were paid
    /// @param keeper number of one of them
    /// @param burned what of the bonds is no longer anyone's
    struct Ending {
        bytes32 jobId;
        uint32 first;
        LeaseSlot lease;
        bytes32 seatsKey;
        SeatSlot[] seats;
        SeatSlot winner;
        uint96 winners;
        uint32 keeper;
        uint96 burned;
    }

    /// @dev See `IMarket.seal`.
    function seal(IMarket.Job calldata job) external {
        bytes32 jobId = _redundant(job);
        SealSlot sealing = _seal(jobId, jobId, 0, _known(jobId).postedBlock());
        emit IMarket.Sealed(jobId, sealing.seed(), sealing.totalStake());
    }

    // ------------------------------------------------------------------ seats are taken

    /// @dev See `IMarket.join`.
    function join(IMarket.Job calldata job, uint32 first, uint16 round, address provider) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _roundNow(job, jobId, first, round);
        bytes32 seatsKey = _seatsKey(jobId, first, round, 0);
        SeatSlot seat = _seats[seatsKey][number];
        uint96 bond = _takeSeat(job, jobId, first, lease, seatsKey, provider, number, seat);
        _leases[jobId][first] = lease.plusSeat();
        _seats[seatsKey][number] = SeatSlots.joined();
        emit IMarket.Joined(jobId, first, provider, round, bond);
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
        bytes32 seatsKey = _seatsKey(jobId, first, round, 0);
        SeatSlot seat = _seats[seatsKey][number];
        uint96 bond = 0;
        if (seat.state() != IMarket.Seat.Joined) {
            bond = _takeSeat(job, jobId, first, lease, seatsKey, provider, number, seat);
            lease = lease.plusSeat();
        }
        lease = lease.plusCommit();
        if (lease.commits() == job.terms.replicas) {
            lease = lease.to(IMarket.Phase.Revealing).windowFrom(block.timestamp);
        }
        _leases[jobId][first] = lease;
        _seats[seatsKey][number] = SeatSlots.committed(commitment);
        emit IMarket.Committed(jobId, first, provider, round, commitment, bond);
    }

    /// @dev The lease in the round that takes seats and commitments now: the one that runs, or one that
    /// begins now and is not stored yet. It must be `round`: a commitment that is mined late would else stand in a
    /// round in which it cannot be revealed.
    function _roundNow(IMarket.Job calldata job, bytes32 jobId, uint32 first, uint16 round)
        private
        view
        returns (LeaseSlot lease)
    {
        lease = _fixedLease(job, jobId, first);
        if (lease.phase() == IMarket.Phase.Free) {
            _open(job, jobId);
            if (lease.round() == type(uint16).max) revert IMarket.TooManyRounds(jobId, first);
            SealSlot sealing = _seals[jobId];
            if (sealing.sealedAt() == 0) revert IMarket.NotSealed(jobId, first);
            // The job is open, the seal and the lease's freeing are not in the future.
            lease = lease.drawing(block.timestamp, block.timestamp - _drawStart(job, sealing, lease));
        } else {
            _requirePhase(IMarket.Phase.Running, jobId, first, lease);
            _requireInTime(_commitBy(job, lease));
        }
        if (lease.round() != round) revert IMarket.WrongRound(jobId, first, lease.round(), 0);
    }

    /// @dev Reverts unless the provider can take a seat now; locks its bond.
    function _takeSeat(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        bytes32 seatsKey,
        address provider,
        uint32 number,
        SeatSlot seat
    ) private returns (uint96 bond) {
        if (seat.state() != IMarket.Seat.None) {
            revert IMarket.WrongSeat(jobId, first, provider, seat.state());
        }
        if (lease.seats() == job.terms.replicas) revert IMarket.SeatsTaken(jobId, first);
        _requireAdmitted(job, number, provider);
        _requireDrawn(_drawnForLease(job, jobId, lease, seatsKey, provider, number), jobId, first, provider);
        bond = JobRules.seatBondOf(job.price, lease.count());
        _lock(number, provider, bond);
    }

    // ------------------------------------------------------------------ commitments are revealed

    /// @dev See `IMarket.reveal`.
    function reveal(
        IMarket.Job calldata job,
        uint32 first,
        address provider,
        bytes32 root,
        bytes32 manifest,
        bytes32 salt,
        uint32[] calldata panel
    ) external {
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _begun(jobId, first);
        if (lease.phase() == IMarket.Phase.Running) {
            uint64 commitBy = _commitBy(job, lease);
            _requireOver(commitBy);
            if (lease.commits() < job.terms.quorum) revert IMarket.TooLate(commitBy, _now());
        }
        _requireInTime(_revealBy(job, lease));
        _reveal(jobId, first, lease.round(), provider, root, salt);
        lease = lease.plusReveal();
        emit IMarket.Revealed(jobId, first, provider, root, manifest);
        if (panel.length != 0 && lease.reveals() == lease.commits()) {
            Ending memory ending = _ending(job, jobId, first, lease, panel);
            if (ending.winner.state() == IMarket.Seat.None) return _end(job, ending, panel, 0);
            if (ending.winner.equals(SeatSlots.revealed(root))) return _end(job, ending, panel, root);
        }
        _leases[jobId][first] = lease;
    }

    /// @dev Opens the commitment of the provider's seat.
    function _reveal(bytes32 jobId, uint32 first, uint16 round, address provider, bytes32 root, bytes32 salt)
        private
    {
        uint32 number = _authorize(provider);
        if (root == 0) revert IMarket.ZeroRoot();
        bytes32 seatsKey = _seatsKey(jobId, first, round, 0);
        SeatSlot seat = _seats[seatsKey][number];
        if (seat.state() != IMarket.Seat.Committed) {
            revert IMarket.WrongSeat(jobId, first, provider, seat.state());
        }
        bytes32 commitment = _commitmentOf(jobId, first, round, 0, provider, root, salt);
        if (!seat.equals(SeatSlots.committed(commitment))) {
            revert IMarket.WrongReveal(jobId, first, provider);
        }
        _seats[seatsKey][number] = SeatSlots.revealed(root);
    }

    // ------------------------------------------------------------------ a round ends

    /// @dev See `IMarket.settle`.
    function settle(IMarket.Job calldata job, uint32 first, bytes32 root, uint32[] calldata panel) external {
        bytes32 jobId = _redundant(job);
        LeaseSlot lease = _begun(jobId, first);
        if (lease.commits() < job.terms.quorum) {
            _requireOver(_commitBy(job, lease));
        } else {
            uint64 revealBy = _revealBy(job, lease);
            if (lease.reveals() != lease.commits() && block.timestamp <= revealBy) {
                revert IMarket.RevealsMissing(revealBy, _now());
            }
        }
        Ending memory ending = _ending(job, jobId, first, lease, panel);
        bool right = ending.winner.state() == IMarket.Seat.None
            ? root == 0
            : ending.winner.equals(SeatSlots.revealed(root));
        if (!right) revert IMarket.WrongVerdict(root);
        _end(job, ending, panel, root);
    }

    /// @dev Counts the votes of the round's seats.
    function _ending(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        uint32[] calldata panel
    ) private view returns (Ending memory ending) {
        (ending.jobId, ending.first, ending.lease) = (jobId, first, lease);
        ending.seatsKey = _seatsKey(jobId, first, lease.round(), 0);
        (ending.seats, ending.winner) = _count(ending.seatsKey, panel, lease.seats(), job.terms.quorum);
    }

    /// @dev Ends a round: with a quorum the lease is settled by its `root`; without one it is refunded, or free again if
    /// too few committed.
    function _end(IMarket.Job calldata job, Ending memory ending, uint32[] calldata panel, bytes32 root)
        private
    {
        (bytes32 jobId, uint32 first, LeaseSlot lease) = (ending.jobId, ending.first, ending.lease);
        if (root != 0) return _pay(job, ending, panel, root);
        _closeSeats(job, ending, panel, 0);
        if (lease.commits() < job.terms.quorum) {
            _leases[jobId][first] = lease.freed(block.timestamp);
            emit IMarket.Freed(jobId, first, address(0), IMarket.Reason.TooFewCommits, ending.burned);
            return;
        }
        _leases[jobId][first] = lease.to(IMarket.Phase.Refunded);
        uint96 refunded = JobRules.escrowOf(job, lease.count());
        _credit(job.terms.client, refunded);
        emit IMarket.Refunded(jobId, first, lease.count(), refunded);
    }

    /// @dev Settles a lease by its quorum's root: pays that, and the rest of the escrow to the client.
    function _pay(IMarket.Job calldata job, Ending memory ending, uint32[] calldata panel, bytes32 root)
        private
    {
        LeaseSlot lease = ending.lease;
        uint96 price = JobRules.priceAt(job.price, job.timing, lease.startedAt());
        (uint96 paid, uint96 fee,) = JobRules.split(job.price.maxPrice, price, lease.count(), lease.feeBps());
        _closeSeats(job, ending, panel, paid);
        _leases[ending.jobId][ending.first] = lease.settledBy(ending.keeper);
        _seats[ending.seatsKey][ending.keeper] = SeatSlot.wrap(uint256(root)); // see `_rootOf`
        paid *= ending.winners;
        fee *= ending.winners;
        uint96 refunded = JobRules.escrowOf(job, lease.count()) - paid - fee;
        _creditFee(fee);
        _credit(job.terms.client, refunded);
        emit IMarket.Settled(ending.jobId, ending.first, IMarket.How.Quorum, paid, fee, refunded);
    }

    /// @dev Ends all seats: pays those of the majority `paid` each, and unlocks or burns their bonds.
    function _closeSeats(IMarket.Job calldata job, Ending memory ending, uint32[] calldata panel, uint96 paid)
        private
    {
        uint96 bond = JobRules.seatBondOf(job.price, ending.lease.count());
        bool lapsed = ending.lease.commits() < job.terms.quorum;
        for (uint256 i = 0; i < panel.length; ++i) {
            uint32 number = panel[i];
            _seats[ending.seatsKey][number] = SeatSlot.wrap(0);
            IMarket.SeatEnd end = _endOf(ending.seats[i], ending.winner, lapsed);
            if (end == IMarket.SeatEnd.Paid) {
                ++ending.winners;
                ending.keeper = number;
                _reward(number, paid, bond);
                emit IMarket.SeatClosed(ending.jobId, ending.first, number, 0, end, paid, 0);
            } else {
                uint96 slash = _closeUnpaid(number, bond, end);
                ending.burned += slash;
                emit IMarket.SeatClosed(ending.jobId, ending.first, number, 0, end, 0, slash);
            }
        }
        _burn(ending.burned);
    }

    /// @dev Returns the bond of a seat that is not paid, less what it loses.
    /// @return slash what it loses
    function _closeUnpaid(uint32 number, uint96 bond, IMarket.SeatEnd end) private returns (uint96 slash) {
        if (end == IMarket.SeatEnd.Released) {
            _unlock(number, bond);
            return 0;
        }
        bool lost = end == IMarket.SeatEnd.Outvoted || end == IMarket.SeatEnd.Silent;
        slash = lost ? bond : JobRules.slashOf(bond, JobRules.LIVENESS_SLASH);
        _slash(number, bond, slash, lost);
    }

    /// @dev How a seat ends: see `IMarket.SeatEnd`.
    function _endOf(SeatSlot seat, SeatSlot winner, bool lapsed) private pure returns (IMarket.SeatEnd) {
        IMarket.Seat state = seat.state();
        if (state == IMarket.Seat.Joined) return IMarket.SeatEnd.Late;
        if (state == IMarket.Seat.Committed) {
            return lapsed ? IMarket.SeatEnd.Released : IMarket.SeatEnd.Silent;
        }
        if (winner.state() == IMarket.Seat.None) return IMarket.SeatEnd.Undecided;
        return seat.equals(winner) ? IMarket.SeatEnd.Paid : IMarket.SeatEnd.Outvoted;
    }

    // ------------------------------------------------------------------ what all acts share

    /// @dev The id of a job that is redundant.
    function _redundant(IMarket.Job calldata job) private view returns (bytes32 jobId) {
        jobId = _idOf(job);
        if (job.terms.replicas == 1) revert IMarket.WrongMode(jobId, 1);
    }

    /// @dev A lease with a round that has not ended.
    function _begun(bytes32 jobId, uint32 first) private view returns (LeaseSlot lease) {
        lease = _leases[jobId][first];
        if (lease.phase() != IMarket.Phase.Running) {
            _requirePhase(IMarket.Phase.Revealing, jobId, first, lease);
        }
    }

    /// @dev Last second of a running round for seats and commitments.
    function _commitBy(IMarket.Job calldata job, LeaseSlot lease) private view returns (uint64) {
        return lease.startedAt() + _DRAW_TIME + job.timing.runWindow;
    }

    /// @dev Last second for reveals.
    function _revealBy(IMarket.Job calldata job, LeaseSlot lease) private view returns (uint64) {
        uint64 from = lease.phase() == IMarket.Phase.Revealing ? lease.submittedAt() : _commitBy(job, lease);
        return from + _REVEAL_WINDOW;
    }
}
