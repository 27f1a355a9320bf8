// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, Seat} from "./Book.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Commitments and openings, of redundant leases and of juries alike.
library Ballots {
    using Books for Book;
    using Leases for Book;
    using Worlds for World;

    /// A round of seats.
    /// @param needed commitments without which it lapses
    /// @param full whether all that can commit have
    struct Round {
        bytes32 key;
        bytes32 jobId;
        uint32 first;
        uint16 number;
        uint8 kind;
        uint256 needed;
        bool full;
        uint256 commitBy;
        uint256 revealBy;
    }

    /// What a call opens.
    /// @param indices seats that it names, by ascending number
    /// @param opens which of them it opens
    /// @param right whether all that it opens is what was committed to
    /// @param ends whether it ends the round
    /// @param decides whether it leads to two equal votes of a jury
    /// @param leaf what the accused committed to; 0 if that is not brought
    struct Call {
        IMarket.Opening[] openings;
        uint256[] indices;
        bool[] opens;
        uint256 fresh;
        bool right;
        bool ends;
        bool decides;
        bytes32 leaf;
    }

    struct Content {
        bytes32 jobId;
        uint32 first;
        uint16 round;
        uint8 kind;
        uint32 number;
        bytes32 value;
        bytes32 proof;
        bytes32 salt;
    }

    // ------------------------------------------------------------------ commitments

    /// What a seat commits to; now and then another seat's commitment, which it cannot open (P-08).
    function commitment(World storage w, Round memory round, Seat memory seat) internal returns (bytes32) {
        Seat[] storage seats = w.book.seats[round.key];
        if (seats.length != 0 && w.once(16)) {
            Seat memory other = seats[w.below(seats.length)];
            seat.copied = other.state == IMarket.Seat.Committed && other.who != seat.who && !other.copied;
            if (seat.copied) return _hash(w, round, other);
        }
        return _hash(w, round, seat);
    }

    /// Whether `who` has a seat and has not committed.
    function hasJoined(World storage w, Round memory round, address who) internal view returns (bool) {
        uint256 index = w.book.seatOf(round.key, who);
        return index != 0 && w.book.seats[round.key][index - 1].state == IMarket.Seat.Joined;
    }

    /// Writes down what a seat did.
    function put(World storage w, Round memory round, Seat memory seat) internal {
        w.book.seats[round.key][w.book.seatOf(round.key, seat.who) - 1] = seat;
    }

    function _hash(World storage w, Round memory round, Seat memory seat) private view returns (bytes32) {
        uint32 number = w.book.people[seat.who].number;
        return keccak256(
            abi.encode(
                Content(
                    round.jobId,
                    round.first,
                    round.number,
                    round.kind,
                    number,
                    seat.value,
                    seat.proof,
                    seat.salt
                )
            )
        );
    }

    // ------------------------------------------------------------------ openings

    function isWilling(Seat storage seat) internal view returns (bool) {
        return seat.state == IMarket.Seat.Committed && !seat.silent && !seat.copied;
    }

    /// Seats whose holders still want to open their commitments.
    function willing(World storage w, bytes32 key) internal view returns (uint256 n) {
        Seat[] storage seats = w.book.seats[key];
        for (uint256 i; i < seats.length; ++i) {
            if (isWilling(seats[i])) ++n;
        }
    }

    /// Opens some or all of the seats that are willing, and names the others, or leaves those out if the round goes on. Foretells
    /// as `may` whether the market takes the call.
    function plan(World storage w, Round memory round) internal returns (Call memory call) {
        uint256 most = willing(w, round.key);
        if (most > 1 && w.once(3)) most = w.between(1, most - 1);
        if (Books.time() > round.revealBy || lapsed(w, round)) most = 0;
        _write(w, round, call, most);
        _foretell(w, round, call);
    }

    function _write(World storage w, Round memory round, Call memory call, uint256 most) private {
        Seat[] storage seats = w.book.seats[round.key];
        call.indices = _sorted(w, seats);
        call.opens = new bool[](call.indices.length);
        call.openings = new IMarket.Opening[](call.indices.length);
        call.right = true;
        for (uint256 i; i < call.indices.length; ++i) {
            Seat storage seat = seats[call.indices[i]];
            call.opens[i] = call.fresh < most && isWilling(seat);
            if (w.wild && seat.copied && seat.state == IMarket.Seat.Committed) call.opens[i] = true;
            if (call.opens[i]) ++call.fresh;
            if (call.opens[i] && seat.copied) call.right = false;
            call.openings[i] = _opening(w, seat, call.opens[i]);
        }
        if (w.wild && call.openings.length != 0 && w.once(4)) _spoil(w, call);
        if (!_ends(w, round, call.fresh) && call.right) _shorten(w, call);
    }

    function _sorted(World storage w, Seat[] storage seats) private view returns (uint256[] memory order) {
        order = new uint256[](seats.length);
        for (uint256 i; i < order.length; ++i) {
            uint256 at = i;
            uint32 number = w.book.people[seats[i].who].number;
            while (at != 0 && w.book.people[seats[order[at - 1]].who].number > number) {
                order[at] = order[at - 1];
                --at;
            }
            order[at] = i;
        }
    }

    function _opening(World storage w, Seat storage seat, bool opens)
        private
        view
        returns (IMarket.Opening memory opening)
    {
        opening.number = w.book.people[seat.who].number;
        bool recorded = seat.state == IMarket.Seat.Opened;
        if (opens || recorded) (opening.value, opening.proof) = (seat.value, seat.proof);
        if (opens) opening.salt = seat.salt;
    }

    /// Changes something that was committed to or recorded.
    function _spoil(World storage w, Call memory call) private {
        uint256 i = w.below(call.openings.length);
        if (call.openings[i].value == 0 || call.openings[i].proof == 0) return;
        if (w.once(2)) call.openings[i].value = keccak256("another");
        else call.openings[i].proof = keccak256("another");
        call.right = false;
    }

    /// Drops some of those that the call does not open; now and then none.
    function _shorten(World storage w, Call memory call) private {
        uint256 kept;
        uint256 n = call.openings.length;
        bool drops = !w.once(3);
        for (uint256 i; i < n; ++i) {
            if (drops && !call.opens[i]) continue;
            (call.indices[kept], call.opens[kept]) = (call.indices[i], call.opens[i]);
            call.openings[kept++] = call.openings[i];
        }
        IMarket.Opening[] memory openings = call.openings;
        assembly ("memory-safe") {
            mstore(openings, kept)
        }
    }

    // ------------------------------------------------------------------ what comes of them

    function lapsed(World storage w, Round memory round) internal view returns (bool) {
        return w.book.countOf(round.key, IMarket.Seat.Committed) < round.needed;
    }

    function _ends(World storage w, Round memory round, uint256 fresh) private view returns (bool) {
        uint256 commits = w.book.countOf(round.key, IMarket.Seat.Committed);
        uint256 opened = w.book.countOf(round.key, IMarket.Seat.Opened);
        return lapsed(w, round) || opened + fresh == commits || Books.time() > round.revealBy;
    }

    function _foretell(World storage w, Round memory round, Call memory call) private {
        uint256 openUntil = lapsed(w, round) ? round.commitBy : round.revealBy;
        bool begun = (round.full && !lapsed(w, round)) || Books.time() > round.commitBy;
        bool inTime = call.fresh == 0 || Books.time() <= openUntil;
        call.ends = _ends(w, round, call.fresh);
        bool named = call.openings.length == w.book.seats[round.key].length;
        w.may = begun && inTime && call.right && (call.ends ? named : call.fresh != 0);
    }

    /// Writes down what the call opened.
    function record(World storage w, Round memory round, Call memory call) internal {
        Seat[] storage seats = w.book.seats[round.key];
        for (uint256 i; i < call.openings.length; ++i) {
            if (call.opens[i]) seats[call.indices[i]].state = IMarket.Seat.Opened;
        }
    }

    /// Anybody, or somebody that has a seat already.
    function wrongCandidate(World storage w, bytes32 key) internal returns (address) {
        Seat[] storage seats = w.book.seats[key];
        return seats.length == 0 || w.once(3) ? w.someProvider() : seats[w.below(seats.length)].who;
    }

    /// Who has a seat and has not committed.
    function idle(World storage w, bytes32 key) internal view returns (address) {
        Seat[] storage seats = w.book.seats[key];
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].state == IMarket.Seat.Joined) return seats[i].who;
        }
        return address(0);
    }
}
