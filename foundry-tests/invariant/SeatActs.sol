// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ballots} from "./Ballots.sol";
import {Book, Books, Lease, Posting, Seat} from "./Book.sol";
import {Draws} from "./Draws.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Redundant leases: join, commit, leave, settle, renew.
library SeatActs {
    using Ballots for World;
    using Books for Book;
    using Draws for World;
    using Leases for Book;
    using Leases for Posting;
    using Worlds for World;

    function roundOf(World storage w, uint256 j, uint256 l) internal view returns (Ballots.Round memory r) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        (r.key, r.jobId, r.first, r.number) = (job.key(l, 0), job.id, lease.first, lease.round);
        r.needed = job.job.assurance.quorum;
        r.full = lease.phase == IMarket.Phase.Revealing;
        r.commitBy = job.runsUntil(l);
        r.revealBy = (r.full ? lease.since : r.commitBy) + Law.REVEAL_WINDOW;
    }

    // ------------------------------------------------------------------ seats are taken

    /// Who takes a seat: somebody that is drawn by now; otherwise the time is awaited. 0 if nobody ever is.
    function candidate(World storage w, uint256 j, uint256 l) internal returns (address who) {
        uint256 turn = w.below(Worlds.RICH);
        if (w.wild && w.once(2)) return w.wrongCandidate(w.book.jobs[j].key(l, 0));
        if (w.once(8)) who = _barred(w, j, l);
        if (who != address(0)) return who;
        uint256 best = Draws.NEVER;
        for (uint256 n; n < Worlds.RICH; ++n) {
            address one = w.providers[(turn + n) % Worlds.RICH];
            if (!_canSit(w, j, l, one)) continue;
            uint256 from = w.forLease(j, l, one);
            if (from < best) (who, best) = (one, from);
            if (best <= Books.time()) break;
        }
        // One second too early, now and then.
        if (who != address(0)) Worlds.passTo(w.once(12) && best != 0 ? best - 1 : best);
    }

    /// Somebody that left the round before this one, or was late in it; 0 if there is nobody.
    function _barred(World storage w, uint256 j, uint256 l) private view returns (address) {
        Posting storage job = w.book.jobs[j];
        bytes32 last = job.keyOf(l, job.leases[l].round - 1, 0);
        for (uint256 n; n < Worlds.RICH; ++n) {
            if (w.book.left[last][w.providers[n]]) return w.providers[n];
        }
        return address(0);
    }

    /// Whether a seat is free for this provider, except that it must be drawn.
    function _canSit(World storage w, uint256 j, uint256 l, address who) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        bytes32 key = job.key(l, 0);
        if (w.book.seatOf(key, who) != 0 || w.book.left[key][who]) return false;
        if (lease.round > 1 && w.book.left[job.keyOf(l, lease.round - 1, 0)][who]) return false;
        if (w.book.seats[key].length == job.job.assurance.replicas) return false;
        return w.admits(j, who) && w.book.canLock(who, Law.bond(job.job, lease.count));
    }

    function _isDrawn(World storage w, uint256 j, uint256 l, address who) private view returns (bool) {
        return _canSit(w, j, l, who) && Books.time() >= w.forLease(j, l, who);
    }

    /// Whether seats and commitments are taken now.
    function _takes(World storage w, uint256 j, uint256 l) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        if (!job.isRedundant()) return false;
        if (lease.phase == IMarket.Phase.Free) return job.isOpen();
        return lease.phase == IMarket.Phase.Running && Books.time() <= job.runsUntil(l);
    }

    function join(World storage w, uint256 j, uint256 l, address who) internal {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        w.by = w.speaker(who);
        uint16 round = w.wild && w.once(4) ? lease.round + 1 : lease.round;
        w.may = _takes(w, j, l) && w.speaksFor(who) && round == lease.round && _isDrawn(w, j, l, who);
        bytes memory data = abi.encodeCall(IMarket.join, (job.job, lease.first, round, who));
        if (!w.sendFor(j, "join", data)) return;
        _take(w, j, l, who);
    }

    function _take(World storage w, uint256 j, uint256 l, address who) private {
        w.book.takeSeat(j, l, who);
        if (w.book.jobs[j].job.price.bond != 0) w.locker = who;
    }

    function commit(World storage w, uint256 j, uint256 l, address who) internal {
        Posting storage job = w.book.jobs[j];
        Ballots.Round memory round = roundOf(w, j, l);
        Seat memory seat = _result(w, j, l, who);
        bytes32 hash = w.commitment(round, seat);
        w.by = w.speaker(who);
        w.may = _takes(w, j, l) && w.speaksFor(who) && (w.hasJoined(round, who) || _isDrawn(w, j, l, who));
        bytes memory data = abi.encodeCall(IMarket.commit, (job.job, round.first, round.number, who, hash));
        if (!w.sendFor(j, "commit", data)) return;
        if (!w.hasJoined(round, who)) _take(w, j, l, who);
        w.put(round, seat);
        if (w.book.countOf(round.key, IMarket.Seat.Committed) != job.job.assurance.replicas) return;
        (job.leases[l].phase, job.leases[l].since) = (IMarket.Phase.Revealing, Books.time());
    }

    /// What a provider found, or says. All bring digest lists of their own; only roots are compared.
    function _result(World storage w, uint256 j, uint256 l, address who) private returns (Seat memory seat) {
        uint256 lie = w.once(3) ? w.book.jobs[j].plot : w.once(6) ? w.below(3) : 0;
        (seat.who, seat.state) = (who, IMarket.Seat.Committed);
        seat.value = w.rootOf(j, l, lie);
        seat.vote = seat.value;
        seat.proof = keccak256(abi.encode("list", who));
        seat.salt = keccak256(abi.encode("salt", w.entropy));
        // A plot of silence takes whole rounds: an outage.
        seat.silent = w.book.jobs[j].plot == 2 ? !w.once(4) : w.once(8);
    }

    // ------------------------------------------------------------------ seats are left

    function leave(World storage w, uint256 j, uint256 l, address who) internal {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        // Once the lease is refunded anyone may return the bond.
        bool refunded = lease.phase == IMarket.Phase.Refunded;
        w.by = refunded ? w.anyone() : w.speaker(who);
        w.may = (refunded || w.speaksFor(who)) && _canLeave(w, j, l, who);
        bytes memory data = abi.encodeCall(IMarket.leave, (job.job, lease.first, lease.round, who));
        if (!w.sendFor(j, "leave a seat", data)) return;
        _left(w, j, l, who);
    }

    /// From the begin of a round on that costs what lateness does.
    function _left(World storage w, uint256 j, uint256 l, address who) private {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        uint256 bond = Law.bond(job.job, lease.count);
        bytes32 key = job.key(l, 0);
        if (lease.phase != IMarket.Phase.Running) return w.book.leaveSeat(key, who, bond, 0);
        uint256 taken = Law.lateness(job.job, bond, lease.round, Books.time() - lease.since);
        w.book.leaveSeat(key, who, bond, taken);
        w.book.left[key][who] = true;
    }

    /// Whether the seat can be left now: of a round that runs only before it committed.
    function _canLeave(World storage w, uint256 j, uint256 l, address who) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        bytes32 key = job.key(l, 0);
        uint256 index = w.book.seatOf(key, who);
        if (!job.isRedundant() || index == 0) return false;
        IMarket.Phase phase = job.leases[l].phase;
        if (phase == IMarket.Phase.Free || phase == IMarket.Phase.Refunded) return true;
        bool joined = w.book.seats[key][index - 1].state == IMarket.Seat.Joined;
        return phase == IMarket.Phase.Running && joined && Books.time() <= job.runsUntil(l);
    }

    // ------------------------------------------------------------------ rounds end

    function settle(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        Ballots.Round memory round = roundOf(w, j, l);
        Ballots.Call memory call = w.plan(round);
        bool begun = job.leases[l].phase == IMarket.Phase.Running || round.full;
        (w.by, w.may) = (w.anyone(), w.may && begun && job.isRedundant());
        bytes memory data =
            abi.encodeCall(IMarket.settle, (job.job, round.first, round.number, call.openings));
        if (!w.sendFor(j, "settle", data)) return;
        w.record(round, call);
        if (!call.ends) return;
        w.book.endRound(j, l, Draws.pointNow());
        IMarket.Phase phase = job.leases[l].phase;
        ++w.outcomes[phase == IMarket.Phase.Settled ? 2 : phase == IMarket.Phase.Void ? 3 : 4];
    }

    function renew(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        w.by = w.anyone();
        w.may = job.isDrawn() && lease.phase == IMarket.Phase.Free && isDead(w, lease.point);
        bytes memory data = abi.encodeCall(IMarket.renew, (job.job, lease.first));
        if (w.sendFor(j, "renew", data)) lease.point = Draws.pointNow();
    }

    /// Whether a point's seed will never be known: a day passed, or 256 blocks.
    function isDead(World storage w, uint64 point) internal view returns (bool) {
        if (w.book.seeds[point] != 0) return false;
        return Books.time() > (point >> 24) + 1 days || Worlds.height() > (point & 0xffffff) + 256;
    }
}
