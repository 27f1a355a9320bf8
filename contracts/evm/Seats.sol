// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Draw} from "./Draw.sol";
import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {SeatSlot, SeatSlots} from "./Slots.sol";

/// @title Seats: what their holders commit to, how commitments are opened, and what a seat ends with
/// @notice What redundant leases and juries share. A provider has at most one seat in a round, and nobody can open what
/// another committed to.
abstract contract Seats is Draw {
    /// @dev A round of seats, as a call finds it.
    /// @param kind LEASE, FIRST_JURY or SECOND_JURY
    /// @param key of its seats
    /// @param seats seats taken
    /// @param commits how many of them committed
    /// @param opened how many commitments were opened by earlier calls
    /// @param full whether no further commitment can come, though time is left
    /// @param quorum commitments without which the round lapses, and equal openings that decide it
    /// @param commitBy last second of committing
    /// @param revealBy last second of opening
    struct Round {
        bytes32 jobId;
        uint32 first;
        uint16 number;
        uint8 kind;
        bytes32 key;
        uint256 seats;
        uint256 commits;
        uint256 opened;
        bool full;
        uint256 quorum;
        uint64 commitBy;
        uint64 revealBy;
    }

    /// @dev What the openings of a call come to.
    /// @param ends whether the call ends the round
    /// @param seats the named seats as they are after this call
    /// @param marks what each of them opened: the same mark means the same root, or the same pair of digests. 0 where nothing
    /// is open, and for an abstention: that agrees with nobody
    /// @param fresh commitments that this call opens
    /// @param opened all commitments that are open
    /// @param winner if at least a quorum agrees: the first opening of theirs
    /// @param votes how many of them there are; 0 if no quorum agrees
    struct Ballot {
        bool ends;
        SeatSlot[] seats;
        bytes32[] marks;
        uint256 fresh;
        uint256 opened;
        uint256 winner;
        uint256 votes;
    }

    /// @dev Reads the openings of a call: refuses those that are not due or not what the seat committed to, and says whether
    /// the round ends. Writes nothing.
    function _read(Round memory round, IMarket.Opening[] calldata openings)
        internal
        returns (Ballot memory ballot)
    {
        bool lapsed = round.commits < round.quorum;
        if (!round.full || lapsed) _requireOver(round.commitBy);
        ballot.seats = new SeatSlot[](openings.length);
        ballot.marks = new bytes32[](openings.length);
        uint256 last = 0;
        for (uint256 i = 0; i < openings.length; ++i) {
            IMarket.Opening calldata opening = openings[i];
            uint32 number = opening.number;
            SeatSlot seat = _seats[round.key][number];
            bool none = seat.isIn(IMarket.Seat.None) || seat.isIn(IMarket.Seat.Left);
            if (number <= last || none) revert IMarket.WrongPanel(i);
            last = number;
            if (seat.isIn(IMarket.Seat.Opened)) {
                _requireEqual(round, number, seat, SeatSlots.opened(opening.value, opening.proof));
                ballot.marks[i] = _markOf(round.kind, opening.value, seat);
            } else if (seat.isIn(IMarket.Seat.Committed) && opening.salt != 0) {
                _requireInTime(lapsed ? round.commitBy : round.revealBy);
                seat = _openSeat(round, number, opening, seat);
                ballot.marks[i] = _markOf(round.kind, opening.value, seat);
                ++ballot.fresh;
            }
            ballot.seats[i] = seat;
        }
        ballot.opened = round.opened + ballot.fresh;
        ballot.ends = lapsed || ballot.opened == round.commits || block.timestamp > round.revealBy;
        if (ballot.ends) {
            if (openings.length != round.seats) revert IMarket.WrongPanel(openings.length);
            _count(ballot, round.quorum);
        } else if (ballot.fresh == 0) {
            revert IMarket.OpeningsMissing(round.revealBy, _now());
        }
    }

    /// @dev Reverts unless the opening is what the seat committed to; says what it was. Returns the opened seat.
    function _openSeat(Round memory round, uint32 number, IMarket.Opening calldata opening, SeatSlot seat)
        private
        returns (SeatSlot)
    {
        (bytes32 value, bytes32 proof) = (opening.value, opening.proof);
        if (value == 0 && round.kind == LEASE) revert IMarket.ZeroRoot();
        bytes32 committed = _commitmentOf(
            round.jobId, round.first, round.number, round.kind, number, value, proof, opening.salt
        );
        // There is one vote that says nothing.
        SeatSlot due = value == 0 && proof != 0 ? SeatSlot.wrap(0) : SeatSlots.committed(committed);
        _requireEqual(round, number, seat, due);
        emit IMarket.Opened(round.jobId, round.first, number, round.number, round.kind, value, proof);
        return SeatSlots.opened(value, proof);
    }

    /// @dev Reverts unless a seat is as its opening says.
    function _requireEqual(Round memory round, uint32 number, SeatSlot seat, SeatSlot due) private pure {
        if (!seat.equals(due)) revert IMarket.WrongOpening(round.jobId, round.first, number);
    }

    /// @dev See `Ballot.marks`.
    function _markOf(uint8 kind, bytes32 value, SeatSlot seat) private pure returns (bytes32) {
        return kind == LEASE || value == 0 ? value : bytes32(SeatSlot.unwrap(seat));
    }

    /// @dev Keeps what is open, for a later call to end the round with.
    function _record(Round memory round, Ballot memory ballot, IMarket.Opening[] calldata openings) internal {
        for (uint256 i = 0; i < openings.length; ++i) {
            SeatSlot seat = ballot.seats[i];
            if (seat.isIn(IMarket.Seat.Opened)) _seats[round.key][openings[i].number] = seat;
        }
    }

    /// @dev Finds the mark with which at least `quorum` agree. There is at most one: a quorum is more than half.
    function _count(Ballot memory ballot, uint256 quorum) private pure {
        bytes32[] memory marks = ballot.marks;
        for (uint256 i = 0; i < marks.length; ++i) {
            bytes32 mark = marks[i];
            if (mark == 0) continue;
            uint256 votes = 0;
            for (uint256 j = i; j < marks.length; ++j) {
                if (marks[j] == mark) ++votes;
            }
            if (votes >= quorum) {
                (ballot.winner, ballot.votes) = (i, votes);
                return;
            }
        }
    }

    /// @dev Ends all seats of a round.
    /// @param decided whether those that agree are paid
    /// @param bond what each seat locked
    /// @param share what a seat loses that opened without being paid, and that is not outvoted
    /// @param pay what each seat of the majority is paid
    function _closeSeats(
        Round memory round,
        Ballot memory ballot,
        IMarket.Opening[] calldata openings,
        bool decided,
        uint96 bond,
        uint96 share,
        uint96 pay
    ) internal {
        for (uint256 i = 0; i < openings.length; ++i) {
            IMarket.SeatEnd end = _endOf(ballot, decided, i);
            _closeSeat(round, openings[i].number, end, bond, share, pay);
        }
    }

    /// @dev Ends a seat.
    function _closeSeat(
        Round memory round,
        uint32 number,
        IMarket.SeatEnd end,
        uint96 bond,
        uint96 burned,
        uint96 paid
    ) private {
        bool late = end == IMarket.SeatEnd.Late;
        bool ofLease = round.kind == LEASE;
        // A redundant lease remembers a late one for the next round.
        _seats[round.key][number] = late && ofLease ? SeatSlots.left() : SeatSlot.wrap(0);
        if (end == IMarket.SeatEnd.Paid) {
            burned = 0;
            _reward(number, paid, bond, ofLease);
        } else {
            paid = 0;
            bool whole = end == IMarket.SeatEnd.Outvoted || end == IMarket.SeatEnd.Silent;
            if (whole) burned = bond;
            else if (late) burned = JobRules.tenthOf(bond);
            else if (end == IMarket.SeatEnd.Released) burned = 0;
            if (end == IMarket.SeatEnd.Released) _unlock(number, bond);
            else _slash(number, bond, burned, whole);
        }
        emit IMarket.SeatClosed(round.jobId, round.first, number, round.number, round.kind, end, paid, burned);
    }

    /// @dev How a seat ends.
    function _endOf(Ballot memory ballot, bool decided, uint256 i) private pure returns (IMarket.SeatEnd) {
        SeatSlot seat = ballot.seats[i];
        if (seat.isIn(IMarket.Seat.Joined)) return IMarket.SeatEnd.Late;
        if (seat.isIn(IMarket.Seat.Committed)) {
            // Commitments that nobody could open, or nobody opened, are nobody's fault.
            return ballot.opened == 0 ? IMarket.SeatEnd.Released : IMarket.SeatEnd.Silent;
        }
        bytes32 mark = ballot.marks[i];
        if (mark == 0) return IMarket.SeatEnd.Abstained;
        if (ballot.votes == 0) return IMarket.SeatEnd.Undecided;
        if (mark != ballot.marks[ballot.winner]) return IMarket.SeatEnd.Outvoted;
        return decided ? IMarket.SeatEnd.Paid : IMarket.SeatEnd.Undecided;
    }

    /// @dev Reverts before `from`, when the provider is drawn.
    function _requireDrawn(uint64 from, bytes32 jobId, uint32 first, address provider) internal view {
        if (block.timestamp < from) revert IMarket.NotDrawn(jobId, first, provider, from);
    }

    /// @dev The key of the seats of a round: of the lease (kind 0) or of one of its juries.
    function _seatsKey(bytes32 jobId, uint32 first, uint16 round, uint8 kind)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(jobId, first, round, kind));
    }

    /// @dev What a seat commits to: see `IMarket.commitmentOf`.
    function _commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 kind,
        uint32 number,
        bytes32 value,
        bytes32 proof,
        bytes32 salt
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(jobId, first, round, kind, number, value, proof, salt));
    }
}
