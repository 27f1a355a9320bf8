// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, Lease, Posting} from "./Book.sol";
import {Draws} from "./Draws.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {Watch} from "./Watch.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

// forge-lint: disable-start(unsafe-typecast)

/// Jobs of every kind are posted, cancelled and closed.
library ClientActs {
    using Books for Book;
    using Leases for Book;
    using Leases for Posting;
    using Worlds for World;

    bytes internal constant SPEC = '{"version":1,"image":"x"}';

    // ------------------------------------------------------------------ post

    function post(World storage w) internal {
        IMarket.Job memory job = _someJob(w);
        address client = job.terms.client;
        w.by = w.caller(client);
        uint256 escrow = Law.escrow(job, job.terms.tasks);
        w.may = w.by == client && w.book.people[client].balance >= escrow;
        uint64 point = Draws.pointNow();
        uint256 before = w.market.balanceOf(client);
        if (!w.send("post", abi.encodeCall(IMarket.post, (job, SPEC)))) return;
        Posting storage posting = w.book.jobs.push();
        (posting.job, posting.id) = (job, w.market.hashJob(job));
        (posting.feeBps, posting.postedAt, posting.escrow) = (w.book.feeBps, Books.time(), escrow);
        posting.plot = w.once(2) ? 0 : w.between(1, 2);
        w.book.people[client].balance -= escrow;
        if (posting.isDrawn()) posting.point = point;
        if (posting.isRedundant()) {
            posting.next = job.terms.maxLease;
            posting.openLease(0, job.terms.maxLease, Books.time());
        }
        w.live.push(w.book.jobs.length - 1);
        Watch.note(w.watched, w.market, posting, before);
    }

    function _someJob(World storage w) private returns (IMarket.Job memory job) {
        uint256 kind = w.below(16);
        uint256 tasks = w.between(1, 12);
        job.terms.client = w.someClient();
        job.terms.nonce = uint64(w.book.jobs.length);
        job.terms.spec = keccak256(SPEC);
        (job.assurance.replicas, job.assurance.quorum) = (1, 1);
        job.terms.tasks = uint32(tasks);
        job.terms.minLease = uint32(w.between(1, tasks));
        job.terms.maxLease = uint32(2 * job.terms.minLease - 1 + w.below(4));
        if (w.once(6)) job.terms.providers = w.lists[w.below(2)];
        _price(w, job);
        _timing(w, job);
        if (kind >= 12) _redundant(w, job, kind >= 14);
        else if (kind >= 2) _audited(w, job);
    }

    function _amount(World storage w, uint256 most) private returns (uint128) {
        return uint128(w.once(4) ? w.below(40) : w.below(most));
    }

    function _price(World storage w, IMarket.Job memory job) private {
        job.price.minPrice = _amount(w, 2e18);
        job.price.maxPrice = job.price.minPrice + (w.once(3) ? 0 : _amount(w, 2e18));
        job.price.bond = w.once(5) ? 60e18 : 1 + _amount(w, 6e18);
    }

    function _timing(World storage w, IMarket.Job memory job) private {
        job.timing.opensAt = uint64(Books.time() + w.below(2) * w.below(50));
        job.timing.closesAt = uint64(job.timing.opensAt + w.between(300, 3000));
        job.timing.ramp = w.once(4) ? 0 : uint64(w.between(1, 500));
        job.timing.runWindow = uint64(w.between(Law.LEAST_RUN_WINDOW, 200));
    }

    function _audited(World storage w, IMarket.Job memory job) private {
        uint16[5] memory chances = [10_000, 10_000, 8000, 5000, 1];
        job.assurance.auditBps = chances[w.below(5)];
        job.assurance.refund = w.once(5);
        job.price.juryFee = 1 + _amount(w, 2e17);
        job.timing.auditWindow = uint64(w.between(Law.LEAST_AUDIT_WINDOW, 300));
    }

    function _redundant(World storage w, IMarket.Job memory job, bool toList) private {
        uint8[2][5] memory forms = [[2, 2], [3, 2], [3, 2], [4, 3], [3, 3]];
        uint8[2] memory form = forms[w.below(5)];
        (job.assurance.replicas, job.assurance.quorum) = (form[0], form[1]);
        job.terms.maxLease = job.terms.minLease;
        job.terms.providers = toList ? w.lists[w.below(2)] : bytes32(0);
        job.price.maxPrice = job.price.minPrice;
        job.timing.ramp = 0;
        if (w.once(6)) job.price.bond = 0;
    }

    // ------------------------------------------------------------------ cancel, close

    function cancel(World storage w, uint256 j) internal {
        Posting storage job = w.book.jobs[j];
        w.by = w.caller(job.job.terms.client);
        w.may = w.by == job.job.terms.client && !job.cancelled;
        if (!w.sendFor(j, "cancel", abi.encodeCall(IMarket.cancel, (job.job)))) return;
        job.cancelled = true;
        if (job.next != job.job.terms.tasks) w.book.releaseTail(j);
    }

    /// A list of leases: `l`, and some that need not be due or exist.
    function listed(World storage w, uint256 j, uint256 l) internal returns (uint32[] memory firsts) {
        Posting storage job = w.book.jobs[j];
        firsts = new uint32[](1 + w.below(4));
        for (uint256 i; i < firsts.length; ++i) {
            uint256 other = job.leases.length == 0 ? 0 : w.below(job.leases.length);
            bool some = job.leases.length == 0 || w.once(4);
            firsts[i] = some ? uint32(w.below(job.job.terms.tasks + 1)) : job.leases[other].first;
        }
        if (l < job.leases.length) firsts[w.below(firsts.length)] = job.leases[l].first;
    }

    /// The lease that begins at `first`; as many as there are if none does.
    function indexOf(Posting storage job, uint32 first) internal view returns (uint256 l) {
        while (l < job.leases.length && job.leases[l].first != first) ++l;
    }

    function close(World storage w, uint256 j, uint256 l) internal {
        Posting storage job = w.book.jobs[j];
        uint32[] memory firsts = listed(w, j, l);
        bytes memory data = abi.encodeCall(IMarket.close, (job.job, firsts));
        (w.by, w.may) = (w.anyone(), job.isOver());
        if (!w.sendFor(j, "close", data)) return;
        for (uint256 i; i < firsts.length; ++i) {
            _closeLease(w, j, indexOf(job, firsts[i]));
        }
        if (job.next != job.job.terms.tasks) w.book.releaseTail(j);
    }

    function _closeLease(World storage w, uint256 j, uint256 l) private {
        Posting storage job = w.book.jobs[j];
        if (l == job.leases.length) return;
        if (!job.isRedundant()) w.book.freeIfLate(j, l);
        Lease storage lease = job.leases[l];
        if (lease.phase == IMarket.Phase.Free) w.book.refund(j, l);
    }
}
