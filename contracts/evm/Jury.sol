// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Seats} from "./Seats.sol";
import {LeaseSlot, SealSlot, SeatSlot, SeatSlots} from "./Slots.sol";

/// @title Juries: three drawn providers run one task again
/// @notice Of one round: seal, then join or commit until `_commitBy`, then reveal until `_revealBy`. The
/// challenger reveals its answer with them.
abstract contract Jury is Seats {
    /// @dev Equal votes that make a verdict.
    uint256 internal constant JURY_QUORUM = JobRules.JURY / 2 + 1;

    /// @dev See `IMarket.sealJury`.
    function sealJury(IMarket.Job calldata job, uint32 first) external {
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, Dispute storage dispute) = _openDispute(jobId, first);
        _requireInTime(_commitBy(job, dispute));
        SealSlot sealing = _seal(_juryKey(jobId, first, lease), jobId, first, dispute.openedBlock);
        emit IMarket.JurySealed(jobId, first, lease.challenges(), sealing.seed(), sealing.totalStake());
    }

    /// @dev See `IMarket.joinJury`.
    function joinJury(IMarket.Job calldata job, uint32 first, uint16 round, uint8 number, address provider)
        external
    {
        uint32 juror = _authorize(provider);
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, Dispute storage dispute) = _juryNow(job, jobId, first, round, number);
        bytes32 seatsKey = _juryKey(jobId, first, lease);
        uint96 bond = _takeSeat(job, jobId, first, lease, dispute, seatsKey, provider, juror);
        _seats[seatsKey][juror] = SeatSlots.joined();
        emit IMarket.JurorJoined(jobId, first, provider, number, bond);
    }

    /// @dev See `IMarket.commitVote`.
    function commitVote(
        IMarket.Job calldata job,
        uint32 first,
        uint16 round,
        uint8 number,
        address provider,
        bytes32 commitment
    ) external {
        uint32 juror = _authorize(provider);
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, Dispute storage dispute) = _juryNow(job, jobId, first, round, number);
        bytes32 seatsKey = _juryKey(jobId, first, lease);
        uint96 bond = 0;
        if (_seats[seatsKey][juror].state() != IMarket.Seat.Joined) {
            bond = _takeSeat(job, jobId, first, lease, dispute, seatsKey, provider, juror);
        }
        _seats[seatsKey][juror] = SeatSlots.committed(commitment);
        if (++dispute.commits == JobRules.JURY) dispute.revealFrom = _now();
        emit IMarket.VoteCommitted(jobId, first, provider, number, commitment, bond);
    }

    /// @dev See `IMarket.revealVote`.
    function revealVote(
        IMarket.Job calldata job,
        uint32 first,
        address provider,
        bytes32 digest,
        bytes32 keyed,
        bytes32 salt
    ) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, Dispute storage dispute) = _openDispute(jobId, first);
        _requireRevealing(job, dispute);
        // There is one vote for "the input cannot be obtained".
        if (digest == 0 && keyed != 0) revert IMarket.WrongReveal(jobId, first, provider);
        _openSeat(jobId, first, lease, provider, number, _voteOf(digest, keyed), salt);
        ++dispute.reveals;
        emit IMarket.VoteRevealed(jobId, first, provider, digest, keyed);
    }

    /// @dev See `IMarket.revealAnswer`.
    function revealAnswer(IMarket.Job calldata job, uint32 first, bytes32 digest, bytes32 salt) external {
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, Dispute storage dispute) = _openDispute(jobId, first);
        address challenger = dispute.challenger;
        if (msg.sender != challenger) revert IMarket.NotChallenger(challenger, msg.sender);
        _requireRevealing(job, dispute);
        bytes32 answer = _opening(jobId, first, lease, challenger, digest, salt);
        if (dispute.answered || answer != dispute.answer) {
            revert IMarket.WrongReveal(jobId, first, challenger);
        }
        dispute.answer = digest;
        dispute.answered = true;
        emit IMarket.AnswerRevealed(jobId, first, digest);
    }

    /// @dev Keeps a juror's vote, if it is what it committed to.
    function _openSeat(
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        address provider,
        uint32 number,
        bytes32 vote,
        bytes32 salt
    ) private {
        mapping(uint32 => SeatSlot) storage seats = _seats[_juryKey(jobId, first, lease)];
        SeatSlot seat = seats[number];
        if (seat.state() != IMarket.Seat.Committed) {
            revert IMarket.WrongSeat(jobId, first, provider, seat.state());
        }
        if (!seat.equals(SeatSlots.committed(_opening(jobId, first, lease, provider, vote, salt)))) {
            revert IMarket.WrongReveal(jobId, first, provider);
        }
        seats[number] = SeatSlots.revealed(vote);
    }

    /// @dev Reverts unless the provider can take a juror's seat now; locks its bond.
    function _takeSeat(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        Dispute storage dispute,
        bytes32 seatsKey,
        address provider,
        uint32 number
    ) private returns (uint96 bond) {
        IMarket.Seat seat = _seats[seatsKey][number].state();
        if (seat != IMarket.Seat.None) revert IMarket.WrongSeat(jobId, first, provider, seat);
        if (dispute.seats == JobRules.JURY) revert IMarket.SeatsTaken(jobId, first);
        if (number == lease.provider() || provider == dispute.challenger) {
            revert IMarket.BarredFromJury(jobId, first, provider);
        }
        _requireAdmitted(job, number, provider);
        SealSlot sealing = _seals[seatsKey];
        if (sealing.sealedAt() == 0) revert IMarket.NotSealed(jobId, first);
        uint64 from = _drawnForJury(job, seatsKey, sealing, provider, number);
        _requireDrawn(from, jobId, first, provider);
        ++dispute.seats;
        bond = JobRules.jurorBondOf(job.price, lease.count());
        _lock(number, provider, bond);
    }

    // ------------------------------------------------------------------ what stands

    /// @dev A lease that waits for its jury, and the dispute.
    function _openDispute(bytes32 jobId, uint32 first)
        internal
        view
        returns (LeaseSlot lease, Dispute storage dispute)
    {
        lease = _leases[jobId][first];
        _requirePhase(IMarket.Phase.Challenged, jobId, first, lease);
        dispute = _disputes[jobId][first];
    }

    /// @dev The dispute that takes seats and commitments now. It must be that of the challenge `number` in `round`: see
    /// `Redundant._roundNow`.
    function _juryNow(IMarket.Job calldata job, bytes32 jobId, uint32 first, uint16 round, uint8 number)
        private
        view
        returns (LeaseSlot lease, Dispute storage dispute)
    {
        (lease, dispute) = _openDispute(jobId, first);
        _requireInTime(_commitBy(job, dispute));
        _requireRound(jobId, first, lease, round, number);
    }

    /// @dev Reverts unless `round` and the challenge `number` are the lease's present ones.
    function _requireRound(bytes32 jobId, uint32 first, LeaseSlot lease, uint16 round, uint8 number)
        internal
        pure
    {
        if (lease.round() != round || lease.challenges() != number) {
            revert IMarket.WrongRound(jobId, first, lease.round(), lease.challenges());
        }
    }

    /// @dev The key of the present jury's seal and seats.
    function _juryKey(bytes32 jobId, uint32 first, LeaseSlot lease) internal pure returns (bytes32) {
        return _seatsKey(jobId, first, lease.round(), lease.challenges());
    }

    /// @dev The commitment that this opens, in the present dispute.
    function _opening(bytes32 jobId, uint32 first, LeaseSlot lease, address who, bytes32 vote, bytes32 salt)
        private
        pure
        returns (bytes32)
    {
        return _commitmentOf(jobId, first, lease.round(), lease.challenges(), who, vote, salt);
    }

    /// @dev What a juror votes: the digest, and proof that it had the output itself.
    function _voteOf(bytes32 digest, bytes32 keyed) internal pure returns (bytes32) {
        return keccak256(abi.encode(digest, keyed));
    }

    /// @dev Last second of joining and committing.
    function _commitBy(IMarket.Job calldata job, Dispute storage dispute) internal view returns (uint64) {
        return dispute.openedAt + _DRAW_TIME + job.timing.runWindow;
    }

    /// @dev Last second of revealing, if that opens.
    function _revealBy(IMarket.Job calldata job, Dispute storage dispute) internal view returns (uint64) {
        uint64 from = dispute.revealFrom;
        return (from != 0 ? from : _commitBy(job, dispute)) + _REVEAL_WINDOW;
    }

    /// @dev Reverts unless votes and the answer can be revealed now: all jurors committed, or the time for it
    /// is over and enough for a verdict did.
    function _requireRevealing(IMarket.Job calldata job, Dispute storage dispute) private view {
        if (dispute.revealFrom == 0) {
            uint64 commitBy = _commitBy(job, dispute);
            _requireOver(commitBy);
            if (dispute.commits < JURY_QUORUM) revert IMarket.TooLate(commitBy, _now());
        }
        _requireInTime(_revealBy(job, dispute));
    }
}
