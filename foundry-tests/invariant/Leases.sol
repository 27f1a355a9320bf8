// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, Cause, Lease, Posting, Seat} from "./Book.sol";
import {Law} from "./Law.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Entries of leases, of their seats and of their juries: what each act and each ending does to everyone's money.
library Leases {
    using Books for Book;

    // ------------------------------------------------------------------ rounds and seats

    function key(Posting storage job, uint256 l, uint8 kind) internal view returns (bytes32) {
        return keyOf(job, l, job.leases[l].round, kind);
    }

    function keyOf(Posting storage job, uint256 l, uint16 round, uint8 kind) internal view returns (bytes32) {
        return keccak256(abi.encode(job.id, job.leases[l].first, round, kind));
    }

    function isRedundant(Posting storage job) internal view returns (bool) {
        return job.job.assurance.replicas != 1;
    }

    function isDrawn(Posting storage job) internal view returns (bool) {
        return isRedundant(job) && job.job.terms.providers == 0;
    }

    /// Whether the job takes new rounds now.
    function isOpen(Posting storage job) internal view returns (bool) {
        uint256 now_ = Books.time();
        return !job.cancelled && now_ >= job.job.timing.opensAt && now_ <= job.job.timing.closesAt;
    }

    function isOver(Posting storage job) internal view returns (bool) {
        return job.cancelled || Books.time() > job.job.timing.closesAt;
    }

    function isEnded(Lease storage lease) internal view returns (bool) {
        return lease.phase >= IMarket.Phase.Settled;
    }

    function runsUntil(Posting storage job, uint256 l) internal view returns (uint64) {
        return job.leases[l].since + job.job.timing.runWindow;
    }

    function isLate(Posting storage job, uint256 l) internal view returns (bool) {
        return job.leases[l].phase == IMarket.Phase.Running && Books.time() > runsUntil(job, l);
    }

    /// The seat of `who`, as an index from 1; 0 if it has none.
    function seatOf(Book storage b, bytes32 k, address who) internal view returns (uint256) {
        Seat[] storage seats = b.seats[k];
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].who == who) return i + 1;
        }
        return 0;
    }

    /// How many seats have come at least so far.
    function countOf(Book storage b, bytes32 k, IMarket.Seat state) internal view returns (uint256 n) {
        Seat[] storage seats = b.seats[k];
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].state >= state) ++n;
        }
    }

    /// A seat is left, and free again. In a round that runs that can cost part of the bond.
    function leaveSeat(Book storage b, bytes32 k, address who, uint256 bond, uint256 taken) internal {
        if (taken == 0) b.unlock(who, bond);
        else b.slash(who, bond, taken, Cause.LeftLate);
        Seat[] storage seats = b.seats[k];
        seats[seatOf(b, k, who) - 1] = seats[seats.length - 1];
        seats.pop();
    }

    /// Whether both opened the same; abstentions agree with nobody.
    function agree(Seat storage one, Seat storage other) internal view returns (bool) {
        return one.state == IMarket.Seat.Opened && other.state == IMarket.Seat.Opened && one.vote != 0
            && one.vote == other.vote;
    }

    /// How many opened the same as this seat.
    function votesFor(Seat[] storage seats, uint256 i) internal view returns (uint256 votes) {
        for (uint256 n; n < seats.length; ++n) {
            if (agree(seats[i], seats[n])) ++votes;
        }
    }

    /// The opening on which `quorum` seats agree, as an index from 1; 0 if there is none.
    function winnerOf(Seat[] storage seats, uint256 quorum) internal view returns (uint256) {
        for (uint256 i; i < seats.length; ++i) {
            if (votesFor(seats, i) >= quorum) return i + 1;
        }
        return 0;
    }

    // ------------------------------------------------------------------ ordinary leases

    function settle(Book storage b, uint256 j, uint256 l, IMarket.Grade grade, uint256 jury) internal {
        Lease storage lease = b.jobs[j].leases[l];
        (lease.phase, lease.grade) = (IMarket.Phase.Settled, grade);
        uint256 gross = b.pay(j, l, lease.holder);
        if (grade == IMarket.Grade.Contested) jury = _burnPot(b, j, lease.undecided);
        b.release(j, lease.count, gross + jury);
    }

    /// The last jury found no verdict: as much as its votes lost at least is burned.
    function _burnPot(Book storage b, uint256 j, uint256 votes) private returns (uint256 lost) {
        lost = votes * (Law.jurorBond(b.jobs[j].job) / 10);
        b.burnPrice(lost);
    }

    /// A round ends without a result.
    function free(Book storage b, uint256 j, uint256 l, uint64 when, uint256 taken) internal {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        uint256 bond = Law.bond(job.job, lease.count);
        bool late = when != Books.time();
        if (!late && taken == 0) b.unlock(lease.holder, bond);
        else b.slash(lease.holder, bond, taken, late ? Cause.Late : Cause.LeftLate);
        (lease.phase, lease.since) = (IMarket.Phase.Free, when);
        ++lease.round;
    }

    function freeIfLate(Book storage b, uint256 j, uint256 l) internal {
        Posting storage job = b.jobs[j];
        if (!isLate(job, l)) return;
        free(b, j, l, runsUntil(job, l), Law.bond(job.job, job.leases[l].count) / 10);
    }

    function refund(Book storage b, uint256 j, uint256 l) internal {
        Lease storage lease = b.jobs[j].leases[l];
        lease.phase = IMarket.Phase.Refunded;
        b.release(j, lease.count, 0);
    }

    // ------------------------------------------------------------------ redundant leases

    /// A seat is taken; the Q-th one begins the round, and opens the next lease if it is the first round.
    function takeSeat(Book storage b, uint256 j, uint256 l, address who) internal {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        b.lock(who, Law.bond(job.job, lease.count));
        bytes32 k = key(job, l, 0);
        b.seats[k].push(Seat(who, IMarket.Seat.Joined, 0, 0, 0, 0, false, false));
        if (lease.phase != IMarket.Phase.Free || b.seats[k].length != job.job.assurance.quorum) return;
        (lease.phase, lease.since) = (IMarket.Phase.Running, Books.time());
        if (lease.round == 1 && job.next != job.job.terms.tasks) _openNext(job);
    }

    function _openNext(Posting storage job) private {
        uint32 count = job.job.terms.maxLease;
        if (job.next + count > job.job.terms.tasks) count = job.job.terms.tasks - job.next;
        openLease(job, job.next, count, Books.time());
        job.next += count;
    }

    /// A redundant lease opens.
    function openLease(Posting storage job, uint32 first, uint32 count, uint64 when) internal {
        Lease storage lease = job.leases.push();
        (lease.first, lease.count, lease.round) = (first, count, 1);
        (lease.phase, lease.since, lease.origin) = (IMarket.Phase.Free, when, when);
        lease.point = job.point;
    }

    /// A round of seats ends; `point` is the next one's.
    function endRound(Book storage b, uint256 j, uint256 l, uint64 point) internal {
        Posting storage job = b.jobs[j];
        Seat[] storage seats = b.seats[key(job, l, 0)];
        uint256 winner = winnerOf(seats, job.job.assurance.quorum);
        if (winner != 0) _payQuorum(b, j, l, winner - 1);
        else _endWithout(b, j, l, point);
    }

    function _payQuorum(Book storage b, uint256 j, uint256 l, uint256 winner) private {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        bytes32 k = key(job, l, 0);
        Seat[] storage seats = b.seats[k];
        uint256 spent;
        lease.root = seats[winner].value;
        for (uint256 i; i < seats.length; ++i) {
            spent += _paySeat(b, j, l, seats[i], agree(seats[winner], seats[i]));
        }
        delete b.seats[k];
        lease.phase = IMarket.Phase.Settled;
        lease.grade = isDrawn(job) ? IMarket.Grade.Quorum : IMarket.Grade.Listed;
        b.release(j, lease.count, spent);
    }

    /// A seat where there is a quorum; what it costs the client, paid or burned.
    function _paySeat(Book storage b, uint256 j, uint256 l, Seat storage seat, bool wins)
        private
        returns (uint256 gross)
    {
        if (wins) return b.pay(j, l, seat.who);
        (uint256 bond, uint256 price) = _stakesOf(b, j, l);
        if (seat.state == IMarket.Seat.Joined) {
            b.slash(seat.who, bond, bond / 10, Cause.Unused);
            return 0;
        }
        b.burnPrice(price);
        b.slash(seat.who, bond, bond, seat.state == IMarket.Seat.Opened ? Cause.Outvoted : Cause.Silent);
        return price;
    }

    /// A seat's bond, and what it is paid at most.
    function _stakesOf(Book storage b, uint256 j, uint256 l) private view returns (uint256, uint256) {
        Posting storage job = b.jobs[j];
        uint256 count = job.leases[l].count;
        return (Law.bond(job.job, count), uint256(job.job.price.maxPrice) * count);
    }

    function _endWithout(Book storage b, uint256 j, uint256 l, uint64 point) private {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        bytes32 k = key(job, l, 0);
        uint256 opened = countOf(b, k, IMarket.Seat.Opened);
        bool released = opened == 0 || countOf(b, k, IMarket.Seat.Committed) < job.job.assurance.quorum;
        _closeSeats(b, j, l, released);
        if (opened == job.job.assurance.replicas) {
            uint256 burned = uint256(job.job.price.maxPrice) * lease.count * job.job.assurance.replicas / 10;
            lease.phase = IMarket.Phase.Void;
            b.burnPrice(burned);
            b.release(j, lease.count, burned);
        } else {
            (lease.phase, lease.since, lease.point) =
            (IMarket.Phase.Free, Books.time(), isDrawn(job) ? point : 0);
            ++lease.round;
        }
        delete b.seats[k];
    }

    function _closeSeats(Book storage b, uint256 j, uint256 l, bool released) private {
        bytes32 k = key(b.jobs[j], l, 0);
        Seat[] storage seats = b.seats[k];
        for (uint256 i; i < seats.length; ++i) {
            _closeSeat(b, j, l, seats[i], released);
            if (seats[i].state == IMarket.Seat.Joined) b.left[k][seats[i].who] = true;
        }
    }

    /// A seat where there is no quorum.
    function _closeSeat(Book storage b, uint256 j, uint256 l, Seat storage seat, bool released) private {
        (uint256 bond, uint256 price) = _stakesOf(b, j, l);
        if (seat.state == IMarket.Seat.Joined) b.slash(seat.who, bond, bond / 10, Cause.Unused);
        else if (released) b.unlock(seat.who, bond);
        else if (seat.state == IMarket.Seat.Committed) b.slash(seat.who, bond, bond, Cause.Silent);
        else b.slash(seat.who, bond, (bond < price ? bond : price) / 10, Cause.Undecided);
    }

    // ------------------------------------------------------------------ juries

    /// A jury decides: the table of docs/PROTOCOL.md. `point` is the next one's.
    /// @param leaf the digest that the accused committed to; 0 if nobody brought it
    function endJury(Book storage b, uint256 j, uint256 l, bytes32 leaf, uint64 point)
        internal
        returns (IMarket.Verdict verdict)
    {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        bytes32 k = key(job, l, lease.jury);
        Seat[] storage seats = b.seats[k];
        uint256 winner = winnerOf(seats, Law.JURY_QUORUM);
        verdict = winner == 0 ? IMarket.Verdict.NoVerdict : _verdictOf(seats, winner - 1, leaf);
        if (verdict == IMarket.Verdict.NoVerdict) {
            uint256 opened = countOf(b, k, IMarket.Seat.Opened);
            if (opened > lease.undecided) lease.undecided = opened;
        }
        uint256 votes = winner == 0 ? 0 : votesFor(seats, winner - 1);
        uint256 juryPay = _closeJury(b, j, k, winner, verdict);
        if (verdict == IMarket.Verdict.Acquitted) {
            settle(b, j, l, IMarket.Grade.Audited, juryPay);
        } else if (verdict == IMarket.Verdict.Convicted) {
            bool refunds = job.job.assurance.refund && votes == 3 && leaf != 0;
            _convict(b, j, l, juryPay, refunds);
        } else if (lease.jury == 1) {
            lease.phase = IMarket.Phase.Undecided;
            (lease.auditSince, lease.auditPoint) = (0, point);
            lease.due = (point >> 24) + Law.RETRY_WINDOW;
        } else {
            settle(b, j, l, IMarket.Grade.Contested, 0);
        }
    }

    function _verdictOf(Seat[] storage seats, uint256 winner, bytes32 leaf)
        private
        view
        returns (IMarket.Verdict)
    {
        if (leaf == 0) return IMarket.Verdict.Convicted;
        if (seats[winner].value == leaf) return IMarket.Verdict.Acquitted;
        for (uint256 i; i < seats.length; ++i) {
            bool names = seats[i].state == IMarket.Seat.Opened && seats[i].value == leaf;
            if (names) return IMarket.Verdict.NoVerdict;
        }
        return IMarket.Verdict.Convicted;
    }

    function _closeJury(Book storage b, uint256 j, bytes32 k, uint256 winner, IMarket.Verdict verdict)
        private
        returns (uint256 paid)
    {
        Seat[] storage seats = b.seats[k];
        bool lapsed = countOf(b, k, IMarket.Seat.Opened) == 0;
        for (uint256 i; i < seats.length; ++i) {
            bool wins = winner != 0 && agree(seats[winner - 1], seats[i]);
            if (wins && verdict != IMarket.Verdict.NoVerdict) paid += b.payJuror(j, seats[i].who);
            else _closeJuror(b, j, seats[i], lapsed, winner == 0 || wins);
        }
        delete b.seats[k];
    }

    /// A juror that is not paid; `undecided` if no vote beat its own.
    function _closeJuror(Book storage b, uint256 j, Seat storage seat, bool lapsed, bool undecided) private {
        uint256 bond = Law.jurorBond(b.jobs[j].job);
        uint256 tenth = bond / 10;
        bool opened = seat.state == IMarket.Seat.Opened;
        if (seat.state == IMarket.Seat.Joined) b.slash(seat.who, bond, tenth, Cause.Unused);
        else if (!opened && lapsed) b.unlock(seat.who, bond);
        else if (!opened) b.slash(seat.who, bond, bond, Cause.Silent);
        else if (seat.value == 0) b.slash(seat.who, bond, tenth, Cause.Abstained);
        else if (undecided) b.slash(seat.who, bond, tenth, Cause.Undecided);
        else b.slash(seat.who, bond, bond, Cause.Outvoted);
    }

    function _convict(Book storage b, uint256 j, uint256 l, uint256 juryPay, bool refunds) private {
        Posting storage job = b.jobs[j];
        Lease storage lease = job.leases[l];
        lease.phase = IMarket.Phase.Void;
        uint256 bond = Law.bond(job.job, lease.count);
        uint256 gross = refunds ? 0 : Law.price(job.job, lease.origin) * lease.count;
        b.slash(lease.holder, bond, bond, Cause.Convicted);
        b.burnPrice(gross);
        b.release(j, lease.count, gross + juryPay);
    }
}
