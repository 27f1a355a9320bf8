// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "./IBeacon.sol";
import {IMarket} from "./IMarket.sol";
import {JobResult} from "./JobResult.sol";
import {JobRules} from "./JobRules.sol";
import {Seats} from "./Seats.sol";
import {AuditSlot, AuditSlots, LeaseSlot, SeatSlot, SeatSlots} from "./Slots.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Audits: three drawn providers run one drawn task again
/// @notice Submitted -first juror-> Audited -judge-> Settled, Void, or Undecided for a second jury, whose lack of a verdict
/// settles the lease. Nobody asks for an audit: chance does, and the jurors that it drew come by themselves.
abstract contract Audits is Seats {
    // ------------------------------------------------------------------ jurors come

    /// @dev See `IMarket.joinJury`.
    function joinJury(IMarket.Job calldata job, uint32 first, uint16 round, uint8 jury, address provider)
        external
    {
        uint32 number = _authorize(provider);
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, AuditSlot audit) = _juryNow(job, jobId, first, round, jury);
        bytes32 key = _seatsKey(jobId, first, round, jury);
        audit = _takeSeat(job, jobId, first, lease, audit, _seats[key][number], provider, number);
        _seats[key][number] = SeatSlots.joined();
        _audits[jobId][first] = audit;
        emit IMarket.JurorJoined(jobId, first, provider, round, jury);
    }

    /// @dev See `IMarket.commitVote`.
    function commitVote(
        IMarket.Job calldata job,
        uint32 first,
        uint16 round,
        uint8 jury,
        address provider,
        bytes32 commitment
    ) external {
        uint32 number = _authorize(provider);
        bytes32 jobId = _idOf(job);
        (LeaseSlot lease, AuditSlot audit) = _juryNow(job, jobId, first, round, jury);
        bytes32 key = _seatsKey(jobId, first, round, jury);
        SeatSlot seat = _seats[key][number];
        if (seat.state() != IMarket.Seat.Joined) {
            audit = _takeSeat(job, jobId, first, lease, audit, seat, provider, number);
        }
        _seats[key][number] = SeatSlots.committed(commitment);
        audit = audit.plusCommit();
        _audits[jobId][first] = audit.commits() == JobRules.JURY ? audit.from(block.timestamp) : audit;
        emit IMarket.VoteCommitted(jobId, first, provider, round, jury, commitment);
    }

    /// @dev The audit that takes jurors and votes now; opens it if that is due. It must be the jury `jury` of `round`.
    function _juryNow(IMarket.Job calldata job, bytes32 jobId, uint32 first, uint16 round, uint8 jury)
        private
        returns (LeaseSlot lease, AuditSlot audit)
    {
        lease = _leases[jobId][first];
        audit = _audits[jobId][first];
        if (lease.phase() == IMarket.Phase.Audited) {
            _requireJury(jobId, first, lease, audit, round, jury);
            _requireInTime(_commitBy(job, audit));
            return (lease, audit);
        }
        audit = jury == FIRST_JURY
            ? _firstJury(job, jobId, first, lease, round)
            : _secondJury(jobId, first, lease, audit, round, jury);
        _leases[jobId][first] = lease.to(IMarket.Phase.Audited);
        emit IMarket.AuditOpened(jobId, first, round, jury, audit.task(), _commitBy(job, audit));
    }

    /// @dev The audit that chance ordered, in time.
    function _firstJury(IMarket.Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease, uint16 round)
        private
        view
        returns (AuditSlot)
    {
        _requirePhase(IMarket.Phase.Submitted, jobId, first, lease);
        _requireRound(jobId, first, lease, round);
        _requireInTime(lease.since() + job.timing.auditWindow);
        uint64 point = lease.point();
        bytes32 seed = _seedOf(point);
        if (!_isAudited(job, jobId, first, lease, seed)) revert IMarket.NotAudited(jobId, first);
        uint32 task = _auditedTask(jobId, first, lease, seed);
        return AuditSlots.opened(FIRST_JURY, task, _notBefore(point), point);
    }

    /// @dev The second try over the same task, in time.
    function _secondJury(
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        AuditSlot audit,
        uint16 round,
        uint8 jury
    ) private view returns (AuditSlot) {
        _requirePhase(IMarket.Phase.Undecided, jobId, first, lease);
        _requireInTime(audit.due());
        audit = audit.second(SECOND_JURY, _notBefore(audit.point()));
        _requireJury(jobId, first, lease, audit, round, jury);
        return audit;
    }

    /// @dev The present time, but not before the point's nominal one.
    function _notBefore(uint64 point) private view returns (uint256) {
        return Math.max(block.timestamp, IBeacon(_BEACON).timeOf(point));
    }

    /// @dev Reverts unless the provider can take a juror's seat now; locks its bond.
    function _takeSeat(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        AuditSlot audit,
        SeatSlot seat,
        address provider,
        uint32 number
    ) private returns (AuditSlot) {
        if (seat.state() != IMarket.Seat.None) {
            revert IMarket.WrongSeat(jobId, first, provider, seat.state());
        }
        if (audit.seats() == JobRules.JURY) revert IMarket.SeatsTaken(jobId, first);
        if (number == lease.provider()) revert IMarket.BarredFromJury(jobId, first, provider);
        bytes32 seed = _seedOf(audit.point());
        uint64 nominal = IBeacon(_BEACON).timeOf(audit.point());
        uint64 from = _drawnForJury(jobId, first, lease, audit.jury(), audit.task(), seed, provider, nominal);
        _requireDrawn(from, jobId, first, provider);
        _lockForJury(number, provider, JobRules.jurorBondOf(job.price));
        return audit.plusSeat();
    }

    // ------------------------------------------------------------------ votes are opened, and decide

    /// @dev See `IMarket.judge`.
    function judge(
        IMarket.Job calldata job,
        uint32 first,
        uint16 number,
        uint8 jury,
        IMarket.Opening[] calldata openings,
        bytes32 leaf,
        bytes32[] calldata proof
    ) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _leases[jobId][first];
        AuditSlot audit = _audits[jobId][first];
        _requirePhase(IMarket.Phase.Audited, jobId, first, lease);
        _requireJury(jobId, first, lease, audit, number, jury);
        Round memory round = _roundOf(job, jobId, first, number, audit);
        Ballot memory ballot = _read(round, openings);
        // Where two agree, the accused's leaf is a vote too.
        if (!ballot.ends || (ballot.votes != 0 && leaf == 0 && _leafMissed(round, audit))) {
            _record(round, ballot, openings);
            return _keepRecorded(round, ballot, audit);
        }
        if (ballot.votes == 0) leaf = 0;
        if (leaf != 0) _requireLeaf(round, lease, audit, leaf, proof);
        _conclude(job, round, ballot, openings, lease, audit, leaf);
    }

    /// @dev Ends the jurors' seats, says the verdict, and does what it means for the lease.
    function _conclude(
        IMarket.Job calldata job,
        Round memory round,
        Ballot memory ballot,
        IMarket.Opening[] calldata openings,
        LeaseSlot lease,
        AuditSlot audit,
        bytes32 leaf
    ) private {
        IMarket.Verdict verdict = _verdictOf(ballot, openings, leaf);
        _closeJury(job, round, ballot, openings, verdict);
        bytes32 digest = ballot.votes == 0 ? bytes32(0) : openings[ballot.winner].value;
        emit IMarket.Judged(round.jobId, round.first, round.kind, verdict, audit.task(), digest, leaf);
        if (verdict == IMarket.Verdict.NoVerdict) return _tryAgain(job, round, ballot.opened, lease, audit);
        uint96 juryPay = JobRules.amountOf(ballot.votes * job.price.juryFee);
        if (verdict == IMarket.Verdict.Acquitted) {
            _settle(job, round.jobId, round.first, lease, IMarket.Grade.Audited, juryPay, 0);
        } else {
            _convict(job, round, lease, juryPay, ballot.votes == JobRules.JURY && leaf != 0);
        }
    }

    /// @dev The jury's round.
    function _roundOf(IMarket.Job calldata job, bytes32 jobId, uint32 first, uint16 number, AuditSlot audit)
        private
        view
        returns (Round memory)
    {
        bool full = audit.commits() == JobRules.JURY;
        uint64 commitBy = _commitBy(job, audit);
        return Round({
            jobId: jobId,
            first: first,
            number: number,
            kind: audit.jury(),
            key: _seatsKey(jobId, first, number, audit.jury()),
            seats: audit.seats(),
            commits: audit.commits(),
            opened: audit.openings(),
            full: full,
            quorum: JobRules.JURY_QUORUM,
            commitBy: commitBy,
            revealBy: (full ? audit.since() : commitBy) + _REVEAL_WINDOW
        });
    }

    /// @dev Whether the leaf is missed for the first time. Later the call is refused until the time for it is over.
    function _leafMissed(Round memory round, AuditSlot audit) private view returns (bool) {
        if (audit.due() == 0) return true;
        uint64 leafBy = audit.due() + _RESPOND_WINDOW;
        if (block.timestamp <= leafBy) revert IMarket.LeafMissing(round.jobId, round.first, leafBy);
        return false;
    }

    /// @dev Keeps the audit after a call that decided nothing; says so if only the leaf was missing.
    function _keepRecorded(Round memory round, Ballot memory ballot, AuditSlot audit) private {
        audit = audit.plusOpened(ballot.fresh);
        if (ballot.ends) {
            audit = audit.withDue(block.timestamp);
            emit IMarket.LeafMissed(round.jobId, round.first, round.kind, _now() + _RESPOND_WINDOW);
        }
        _audits[round.jobId][round.first] = audit;
    }

    /// @dev Reverts unless the accused committed to the leaf for the audited task, and it is brought in time.
    function _requireLeaf(
        Round memory round,
        LeaseSlot lease,
        AuditSlot audit,
        bytes32 leaf,
        bytes32[] calldata proof
    ) private view {
        if (audit.due() != 0) _requireInTime(audit.due() + _RESPOND_WINDOW);
        bytes32 root = _roots[round.jobId][round.first];
        if (!JobResult.verify(root, round.first, lease.count(), audit.task(), leaf, proof)) {
            revert IMarket.NotInResult(audit.task(), leaf);
        }
    }

    /// @dev The verdict: the table of docs/PROTOCOL.md. A leaf of 0 was never opened.
    function _verdictOf(Ballot memory ballot, IMarket.Opening[] calldata openings, bytes32 leaf)
        private
        pure
        returns (IMarket.Verdict)
    {
        if (ballot.votes == 0) return IMarket.Verdict.NoVerdict;
        if (leaf == 0) return IMarket.Verdict.Convicted;
        if (openings[ballot.winner].value == leaf) return IMarket.Verdict.Acquitted;
        for (uint256 i = 0; i < openings.length; ++i) {
            // One juror alone names the leaf: two that agree would be the majority.
            if (ballot.marks[i] != 0 && openings[i].value == leaf) {
                return IMarket.Verdict.NoVerdict;
            }
        }
        return IMarket.Verdict.Convicted;
    }

    /// @dev Ends all jurors' seats.
    function _closeJury(
        IMarket.Job calldata job,
        Round memory round,
        Ballot memory ballot,
        IMarket.Opening[] calldata openings,
        IMarket.Verdict verdict
    ) private {
        uint96 bond = JobRules.jurorBondOf(job.price);
        bool decided = verdict != IMarket.Verdict.NoVerdict;
        uint96 fee = JobRules.amountOf(job.price.juryFee);
        _closeSeats(round, ballot, openings, decided, bond, JobRules.tenthOf(bond), fee);
    }

    /// @dev The first jury found no verdict: a second one may, unless the beacon fails. The second: the lease is settled.
    function _tryAgain(
        IMarket.Job calldata job,
        Round memory round,
        uint256 opened,
        LeaseSlot lease,
        AuditSlot audit
    ) private {
        (bytes32 jobId, uint32 first) = (round.jobId, round.first);
        uint64 point = round.kind == FIRST_JURY ? _newPointIfAny() : 0;
        uint40 nominal = point == 0 ? 0 : _timeIfKnown(point);
        audit = audit.retried(opened, nominal + _RETRY_WINDOW, point);
        if (nominal == 0) return _settleContested(job, jobId, first, lease, audit);
        _leases[jobId][first] = lease.to(IMarket.Phase.Undecided);
        _audits[jobId][first] = audit;
        emit IMarket.PointSet(jobId, first, point);
    }

    /// @dev The accused loses its bond. The price is burned too, for nobody may gain from a verdict, or returned to the
    /// client if the job says so.
    function _convict(
        IMarket.Job calldata job,
        Round memory round,
        LeaseSlot lease,
        uint96 juryPay,
        bool unanimous
    ) private {
        uint32 count = lease.count();
        uint96 bond = JobRules.bondOf(job.price, count);
        bool refund = job.assurance.refund && unanimous;
        uint96 burned = refund ? 0 : JobRules.grossOf(job, lease.origin(), count);
        _slash(lease.provider(), bond, bond, true);
        _endVoid(job, round.jobId, round.first, lease, burned, juryPay, bond);
    }

    // ------------------------------------------------------------------ what all acts share

    /// @dev Reverts unless `round` and `jury` are the present ones.
    function _requireJury(
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        AuditSlot audit,
        uint16 round,
        uint8 jury
    ) private pure {
        if (lease.round() != round || audit.jury() != jury) {
            revert IMarket.WrongRound(jobId, first, lease.round(), audit.jury());
        }
    }

    /// @dev Last second of joining and committing, while not all three have.
    function _commitBy(IMarket.Job calldata job, AuditSlot audit) private view returns (uint64) {
        return audit.since() + job.timing.runWindow + _JURY_TIME;
    }
}
