// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ballots} from "./Ballots.sol";
import {Book, Books, Lease, Posting, Seat} from "./Book.sol";
import {Draws} from "./Draws.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Juries, first and second ones: joinJury, commitVote, judge.
library AuditActs {
    using Ballots for World;
    using Books for Book;
    using Draws for World;
    using Leases for Book;
    using Leases for Posting;
    using Worlds for World;

    error Unjust(uint256 votesForTheLeaf, uint256 votesAgainst);

    function roundOf(World storage w, uint256 j, uint256 l) internal view returns (Ballots.Round memory r) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        (, r.kind) = w.juryOf(j, l);
        (r.key, r.jobId, r.first, r.number) = (job.key(l, r.kind), job.id, lease.first, lease.round);
        r.needed = Law.JURY_QUORUM;
        r.full = w.book.countOf(r.key, IMarket.Seat.Committed) == Law.JURY;
        r.commitBy = commitBy(job, lease);
        r.revealBy = (r.full ? lease.auditSince : r.commitBy) + Law.REVEAL_WINDOW;
    }

    function commitBy(Posting storage job, Lease storage lease) internal view returns (uint64) {
        return lease.auditSince + job.job.timing.runWindow + Law.JURY_TIME;
    }

    // ------------------------------------------------------------------ jurors come

    /// Who takes a juror's seat: somebody that is drawn by now; otherwise the time is awaited. 0 if nobody ever is.
    function candidate(World storage w, uint256 j, uint256 l) internal returns (address who) {
        uint256 turn = w.below(Worlds.RICH);
        (, uint8 jury) = w.juryOf(j, l);
        if (w.wild && w.once(4)) return w.book.jobs[j].leases[l].holder;
        if (w.wild && w.once(2)) return w.wrongCandidate(w.book.jobs[j].key(l, jury));
        uint256 best = Draws.NEVER;
        for (uint256 n; n < Worlds.RICH; ++n) {
            address one = w.providers[(turn + n) % Worlds.RICH];
            if (!_canSit(w, j, l, one)) continue;
            uint256 from = w.forJury(j, l, one);
            if (from < best) (who, best) = (one, from);
            if (best <= Books.time()) break;
        }
        if (who != address(0)) Worlds.passTo(w.once(12) ? best - 1 : best);
    }

    /// Whether a juror's seat is free for this provider, except that it must be drawn. Whoever has no stake has none.
    function _canSit(World storage w, uint256 j, uint256 l, address who) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        (, uint8 jury) = w.juryOf(j, l);
        bytes32 key = job.key(l, jury);
        return who != job.leases[l].holder && w.book.seatOf(key, who) == 0
            && w.book.seats[key].length < Law.JURY && w.book.canSit(who, Law.jurorBond(job.job));
    }

    /// Whether the jury takes votes now.
    function _takes(World storage w, uint256 j, uint256 l) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        if (lease.phase == IMarket.Phase.Audited) return Books.time() <= commitBy(job, lease);
        if (lease.phase == IMarket.Phase.Undecided) return Books.time() <= lease.due;
        if (lease.phase != IMarket.Phase.Submitted) return false;
        return Books.time() <= lease.since + job.job.timing.auditWindow && w.isAudited(j, l);
    }

    /// The first juror opens the audit.
    function _takeSeat(World storage w, uint256 j, uint256 l, address who) private {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        if (lease.phase != IMarket.Phase.Audited) {
            if (lease.phase == IMarket.Phase.Submitted) {
                (lease.jury, lease.task, lease.auditPoint) = (1, w.auditedTask(j, l), lease.point);
            } else {
                lease.jury = 2;
            }
            uint64 nominal = lease.auditPoint >> 24;
            lease.auditSince = Books.time() > nominal ? Books.time() : nominal;
            (lease.due, lease.phase) = (0, IMarket.Phase.Audited);
        }
        w.book.lock(who, Law.jurorBond(job.job));
        w.book.seats[job.key(l, lease.jury)].push(Seat(who, IMarket.Seat.Joined, 0, 0, 0, 0, false, false));
    }

    function _mayTake(World storage w, uint256 j, uint256 l, address who) private view returns (bool) {
        return _takes(w, j, l) && _canSit(w, j, l, who) && Books.time() >= w.forJury(j, l, who);
    }

    function joinJury(World storage w, uint256 j, uint256 l, address who) internal {
        Posting storage job = w.book.jobs[j];
        (, uint8 present) = w.juryOf(j, l);
        uint8 jury = w.wild && w.once(3) ? 3 - present : present;
        w.by = w.speaker(who);
        w.may = jury == present && w.speaksFor(who) && _mayTake(w, j, l, who);
        bytes memory data =
            abi.encodeCall(IMarket.joinJury, (job.job, job.leases[l].first, job.leases[l].round, jury, who));
        if (w.sendFor(j, "joinJury", data)) _takeSeat(w, j, l, who);
    }

    function commitVote(World storage w, uint256 j, uint256 l, address who) internal {
        Posting storage job = w.book.jobs[j];
        Ballots.Round memory round = roundOf(w, j, l);
        Seat memory seat = _vote(w, j, l, who);
        bytes32 hash = w.commitment(round, seat);
        w.by = w.speaker(who);
        w.may = w.speaksFor(who) && (w.hasJoined(round, who) ? _takes(w, j, l) : _mayTake(w, j, l, who));
        bytes memory data =
            abi.encodeCall(IMarket.commitVote, (job.job, round.first, round.number, round.kind, who, hash));
        if (!w.sendFor(j, "commitVote", data)) return;
        if (!w.hasJoined(round, who)) _takeSeat(w, j, l, who);
        w.put(round, seat);
        if (w.book.countOf(round.key, IMarket.Seat.Committed) != Law.JURY) return;
        job.leases[l].auditSince = Books.time();
    }

    /// What a juror found, or says: the truth, what its friends agreed on, something else, or nothing; now and then a digest that
    /// it only copied.
    function _vote(World storage w, uint256 j, uint256 l, address who) private returns (Seat memory seat) {
        Lease storage lease = w.book.jobs[j].leases[l];
        uint256 lie = !w.once(3) ? w.book.jobs[j].plot : w.once(5) ? w.below(3) : 0;
        uint32 task = lease.jury != 0 || w.book.seeds[lease.point] == 0 ? lease.task : w.auditedTask(j, l);
        (seat.who, seat.state) = (who, IMarket.Seat.Committed);
        seat.salt = keccak256(abi.encode("salt", w.entropy));
        seat.silent = w.once(14) || (w.book.jobs[j].plot == 2 && w.once(4));
        if (w.once(20)) return seat;
        seat.value = Draws.digest(j, task, lie);
        seat.proof = keccak256(abi.encode("keyed", seat.value, w.once(20) ? who : address(0)));
        seat.vote = keccak256(abi.encode(seat.value, seat.proof));
    }

    // ------------------------------------------------------------------ a verdict

    function judge(World storage w, uint256 j, uint256 l) internal {
        Lease storage lease = w.book.jobs[j].leases[l];
        Ballots.Round memory round = roundOf(w, j, l);
        Ballots.Call memory call = w.plan(round);
        w.may = w.may && lease.phase == IMarket.Phase.Audited;
        call.decides = w.may && call.ends && _willDecide(w, round, call);
        _answer(w, j, l, call);
        if (!_send(w, j, l, round, call)) return;
        w.record(round, call);
        if (!call.ends) return;
        if (call.decides && call.leaf == 0 && lease.due == 0) {
            lease.due = Books.time();
            ++w.outcomes[5];
            return;
        }
        _end(w, j, l, round, call.decides ? call.leaf : bytes32(0));
    }

    /// Brings the leaf or not. P-13: no other digest passes for it.
    function _answer(World storage w, uint256 j, uint256 l, Ballots.Call memory call) private {
        Lease storage lease = w.book.jobs[j].leases[l];
        bool answers = !w.once(4);
        bool wrong = answers && w.wild && w.once(2);
        if (answers) call.leaf = Draws.digest(j, lease.task, wrong ? 3 : lease.lie);
        if (!call.decides) return;
        bool asked = lease.due != 0;
        bool late = asked && Books.time() > lease.due + Law.RESPOND_WINDOW;
        w.may = answers ? !wrong && !late : !asked || late;
    }

    /// Whether two votes will be equal after the call.
    function _willDecide(World storage w, Ballots.Round memory round, Ballots.Call memory call)
        private
        returns (bool decides)
    {
        w.record(round, call);
        Seat[] storage seats = w.book.seats[round.key];
        decides = Leases.winnerOf(seats, Law.JURY_QUORUM) != 0;
        for (uint256 i; i < call.openings.length; ++i) {
            if (call.opens[i]) seats[call.indices[i]].state = IMarket.Seat.Committed;
        }
    }

    function _send(
        World storage w,
        uint256 j,
        uint256 l,
        Ballots.Round memory round,
        Ballots.Call memory call
    ) private returns (bool) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        bytes32[] memory path = w.pathOf(j, l, lease.lie, lease.jury == 0 ? lease.first : lease.task);
        w.by = w.anyone();
        bytes memory data = abi.encodeCall(
            IMarket.judge, (job.job, round.first, round.number, round.kind, call.openings, call.leaf, path)
        );
        return w.sendFor(j, "judge", data);
    }

    function _end(World storage w, uint256 j, uint256 l, Ballots.Round memory round, bytes32 leaf) private {
        (uint256 with, uint256 against) = _tally(w, round, leaf);
        IMarket.Verdict verdict = w.book.endJury(j, l, leaf, Draws.pointNow());
        ++w.outcomes[5 + uint256(verdict) + (round.kind == 2 ? 3 : 0)];
        // P-15: an answer in time with which a juror agrees is never slashed, nor one against which no two agree.
        if (verdict == IMarket.Verdict.Convicted && leaf != 0 && (with != 0 || against < 2)) {
            revert Unjust(with, against);
        }
    }

    /// How many votes name the leaf, and how many equal ones name something else.
    function _tally(World storage w, Ballots.Round memory round, bytes32 leaf)
        private
        view
        returns (uint256 with, uint256 against)
    {
        Seat[] storage seats = w.book.seats[round.key];
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].state != IMarket.Seat.Opened) continue;
            if (seats[i].value == leaf) ++with;
            uint256 votes = Leases.votesFor(seats, i);
            if (seats[i].value != leaf && votes > against) against = votes;
        }
    }
}
