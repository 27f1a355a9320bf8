// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, Lease, Posting} from "./Book.sol";
import {ClientActs} from "./ClientActs.sol";
import {Draws} from "./Draws.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

// forge-lint: disable-start(unsafe-typecast)

/// Ordinary leases: claim, takeover, leave, submit, expire, finalize.
library LeaseActs {
    using Books for Book;
    using Draws for World;
    using Leases for Book;
    using Leases for Posting;
    using Worlds for World;

    // ------------------------------------------------------------------ a round begins

    function claim(World storage w, uint256 j) internal {
        Posting storage job = w.book.jobs[j];
        uint256 most = w.once(3) ? w.between(1, 12) : job.job.terms.maxLease;
        uint256 count = Law.fit(job.job, job.job.terms.tasks - job.next, most);
        if (!w.wild && count > most) most = count;
        uint256 least = w.wild ? w.below(most + 2) : w.below(count + 1);
        address who = w.worker(j, Law.bond(job.job, count), address(0));
        w.by = w.speaker(who);
        w.may = _mayClaim(w, j, who, count) && least <= count && count <= most;
        bytes memory data = abi.encodeCall(IMarket.claim, (job.job, who, uint32(least), uint32(most)));
        if (!w.sendFor(j, "claim", data)) {
            // Where nobody has enough stake the job waits in vain.
            return w.wild ? Worlds.pass(1) : Worlds.pass(200);
        }
        Lease storage lease = job.leases.push();
        (lease.first, lease.count, lease.origin) = (job.next, uint32(count), Books.time());
        job.next += uint32(count);
        _begin(w, j, job.leases.length - 1, who);
        lease.round = 1;
    }

    function _mayClaim(World storage w, uint256 j, address who, uint256 count) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        return job.next != job.job.terms.tasks && _mayBegin(w, j, who, count);
    }

    /// Whether the provider may begin a round of `count` tasks of the job now.
    function _mayBegin(World storage w, uint256 j, address who, uint256 count) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        return !job.isRedundant() && job.isOpen() && w.speaksFor(who) && w.admits(j, who)
            && w.book.canLock(who, Law.bond(job.job, count));
    }

    function _begin(World storage w, uint256 j, uint256 l, address who) private {
        Lease storage lease = w.book.jobs[j].leases[l];
        (lease.phase, lease.holder, lease.since) = (IMarket.Phase.Running, who, Books.time());
        w.book.lock(who, Law.bond(w.book.jobs[j].job, lease.count));
        w.locker = who;
    }

    function takeover(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        address barred = w.once(16) ? address(0) : lease.holder;
        address who = w.worker(j, Law.bond(job.job, lease.count), barred);
        w.by = w.speaker(who);
        bool isFree = lease.phase == IMarket.Phase.Free || job.isLate(l);
        w.may = isFree && who != lease.holder && _mayBegin(w, j, who, lease.count);
        bytes memory data = abi.encodeCall(IMarket.takeover, (job.job, who, lease.first));
        if (!w.sendFor(j, "takeover", data)) return;
        w.book.freeIfLate(j, l);
        // The ramp went on while the lease was free.
        lease.origin += Books.time() - lease.since;
        _begin(w, j, l, who);
    }

    // ------------------------------------------------------------------ a round ends

    /// Who acts on the lease, and for whom; and the round that it names.
    function _someone(World storage w, uint256 j, uint256 l) private returns (address who, uint16 round) {
        Lease storage lease = w.book.jobs[j].leases[l];
        who = w.wild && w.once(3) ? w.someProvider() : lease.holder;
        w.by = w.speaker(who);
        round = w.wild && w.once(4) ? lease.round + 1 : lease.round;
    }

    /// Whether the lease runs, in time, and is held by `who`.
    function _holds(World storage w, uint256 j, uint256 l, address who) private view returns (bool) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        bool running = lease.phase == IMarket.Phase.Running && Books.time() <= job.runsUntil(l);
        return !job.isRedundant() && running && who == lease.holder;
    }

    function leave(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        if (job.isRedundant()) return;
        (address who, uint16 round) = _someone(w, j, l);
        w.may = _holds(w, j, l, who) && w.speaksFor(who) && round == lease.round;
        bytes memory data = abi.encodeCall(IMarket.leave, (job.job, lease.first, round, who));
        if (!w.sendFor(j, "leave", data)) return;
        uint256 bond = Law.bond(job.job, lease.count);
        uint256 taken = Law.lateness(job.job, bond, lease.round, Books.time() - lease.since);
        w.book.free(j, l, Books.time(), taken);
    }

    function submit(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        (address who, uint16 round) = _someone(w, j, l);
        uint256 lie = w.once(4) ? job.plot : w.once(6) ? 2 : 0;
        bytes32 root = w.wild && w.once(6) ? bytes32(0) : w.rootOf(j, l, lie);
        w.may = _holds(w, j, l, who) && w.speaksFor(who) && round == lease.round && root != 0;
        bytes memory data =
            abi.encodeCall(IMarket.submit, (job.job, lease.first, round, who, root, keccak256("list")));
        uint64 point = Draws.pointNow();
        if (!w.sendFor(j, "submit", data)) return;
        (lease.root, lease.lie) = (root, lie);
        if (job.job.assurance.auditBps == 0) return w.book.settle(j, l, IMarket.Grade.Unaudited, 0);
        (lease.phase, lease.since, lease.point) = (IMarket.Phase.Submitted, Books.time(), point);
    }

    function expire(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        (w.by, w.may) = (w.anyone(), !job.isRedundant() && job.isLate(l));
        bytes memory data = abi.encodeCall(IMarket.expire, (job.job, job.leases[l].first));
        if (w.sendFor(j, "expire", data)) w.book.freeIfLate(j, l);
    }

    // ------------------------------------------------------------------ finality

    function finalize(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        uint32[] memory firsts = ClientActs.listed(w, j, l);
        bytes memory data = abi.encodeCall(IMarket.finalize, (job.job, firsts));
        (w.by, w.may) = (w.anyone(), true);
        w.sendFor(j, "finalize", data);
        for (uint256 i; i < firsts.length; ++i) {
            uint256 one = ClientActs.indexOf(job, firsts[i]);
            if (one == job.leases.length) continue;
            IMarket.Grade grade = gradeDue(w, j, one);
            if (grade == IMarket.Grade.None) continue;
            w.book.settle(j, one, grade, 0);
            ++w.outcomes[grade == IMarket.Grade.Contested ? 0 : 1];
        }
    }

    /// The grade with which the lease can be settled now.
    function gradeDue(World storage w, uint256 j, uint256 l) internal view returns (IMarket.Grade) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        if (lease.phase == IMarket.Phase.Undecided) {
            return Books.time() > lease.due ? IMarket.Grade.Contested : IMarket.Grade.None;
        }
        if (lease.phase != IMarket.Phase.Submitted) return IMarket.Grade.None;
        bool due = w.isAudited(j, l);
        if (w.book.seeds[lease.point] != 0 && !due) return IMarket.Grade.Unaudited;
        if (Books.time() <= lease.since + job.job.timing.auditWindow) return IMarket.Grade.None;
        return due ? IMarket.Grade.Contested : IMarket.Grade.Unaudited;
    }
}
