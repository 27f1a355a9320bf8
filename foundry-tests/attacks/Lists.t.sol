// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `finalize` and `close` with entries that are not due, in every phase, named twice, or in a bad mix; and the longest time for
/// which anybody can hold a bond.
contract ListsAttack is AttackBase {
    uint32[] private _all;

    /// A job of ten leases of four tasks, of which half the submissions are audited.
    function _tenLeases() private view returns (IMarket.Job memory made) {
        made = oneAudited();
        made.terms.tasks = 40;
        made.terms.minLease = 2;
        made.assurance.auditBps = 5000;
        made.timing.runWindow = 8000;
    }

    function _hash() private view returns (bytes32 hash) {
        for (uint32 first; first <= 44; ++first) {
            hash = keccak256(abi.encode(hash, market.leaseOf(jobId, first), market.auditOf(jobId, first)));
        }
        for (uint256 i; i < people.length; ++i) {
            hash = keccak256(abi.encode(hash, worth(people[i]), market.providerOf(people[i])));
        }
    }

    function _submit(address who, uint32 first) private {
        submit(job, who, first, Merkle.root(first, Merkle.someDigests(first, 4)));
    }

    function _vote(uint32 first, address who, bytes32 digest) private {
        bytes32 hash = commitment(jobId, first, 1, 1, who, digest, keyedOf(digest));
        vm.prank(who);
        market.commitVote(job, first, 1, 1, who, hash);
    }

    /// Leases in these phases: 0 Running, 4 Free, 8 and 12 Submitted (audited, and not), 16 Audited, 20 Undecided; no lease from
    /// 24 on. A seed that makes the coin say so is looked for.
    function _everyPhase() private {
        start(_tenLeases());
        for (uint32 first; first < 24; first += 4) {
            claim(job, alice, 4);
        }
        vm.prank(alice);
        market.leave(job, 4, 1, alice);
        for (uint32 first = 8; first < 24; first += 4) {
            _submit(alice, first);
        }
        bytes32 seed;
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode(i));
            if (
                coinOf(seed, jobId, 8, 1) < 5000 && coinOf(seed, jobId, 12, 1) >= 5000
                    && coinOf(seed, jobId, 16, 1) < 5000 && coinOf(seed, jobId, 20, 1) < 5000
            ) break;
        }
        uint64 point = market.leaseOf(jobId, 8).point;
        publish(point, seed);
        untilAllAreDrawn(point);
        for (uint256 i; i < 3; ++i) {
            _vote(20, crew[i], keccak256(abi.encode("differs", i)));
        }
        IMarket.Opening[] memory all = seats(
            voted(crew[0], keccak256(abi.encode("differs", 0))),
            voted(crew[1], keccak256(abi.encode("differs", 1))),
            voted(crew[2], keccak256(abi.encode("differs", 2)))
        );
        market.judge(job, 20, 1, 1, all, 0, new bytes32[](0));
        _vote(16, crew[3], RIGHT);
    }

    /// Tries: all leases are named in one `finalize`, and twice, and numbers that are no lease.
    /// Fails: the one that is due is settled once; the state of every other one is as it was.
    /// Costs: gas.
    /// P-35
    function test_finalize_entriesThatAreNotDue() public {
        _everyPhase();
        for (uint32 first; first <= 44; ++first) {
            if (first != 12) _all.push(first);
            if (first != 12) _all.push(first);
        }
        bytes32 before = _hash();
        vm.prank(mallory);
        market.finalize(job, _all);
        assertEq(_hash(), before);
        _all.push(12);
        _all.push(12);
        vm.prank(mallory);
        market.finalize(job, _all);
        assertGrade(jobId, 12, IMarket.Grade.Unaudited);
        assertGain(alice, plus(PRICE - CUT));
        before = _hash();
        market.finalize(job, _all);
        assertEq(_hash(), before);
    }

    /// Tries: the same with `close`, by a stranger, while the job is open, and after it was cancelled.
    /// Fails: an open job closes nothing; a cancelled one returns the free lease and the tail, once.
    /// Costs: gas.
    /// P-35
    function test_close_entriesThatAreNotDue() public {
        _everyPhase();
        for (uint32 first; first <= 44; ++first) {
            _all.push(first);
            _all.push(first);
        }
        bytes32 before = _hash();
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobStillOpen.selector, jobId, job.timing.closesAt));
        market.close(job, _all);
        assertEq(_hash(), before);
        uint256 each = PRICE + 4 * 3 * uint256(JURY_FEE) / 2; // what four tasks hold where two pay a whole jury
        assertGain(client, minus(10 * each));
        vm.prank(client);
        market.cancel(job);
        assertGain(client, minus(6 * each));
        vm.prank(mallory);
        market.close(job, _all);
        assertGain(client, minus(5 * each));
        assertPhase(jobId, 4, IMarket.Phase.Refunded);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertPhase(jobId, 8, IMarket.Phase.Submitted);
        assertPhase(jobId, 16, IMarket.Phase.Audited);
        assertPhase(jobId, 20, IMarket.Phase.Undecided);
        before = _hash();
        market.close(job, _all);
        assertEq(_hash(), before);
        assertBooks(5 * each);
    }

    /// Tries: a redundant job's leases are named in `finalize`, and unopened, begun and settled ones in `close`.
    /// Fails: only the lease whose round has not begun is returned; its seats' bonds go back to their owners, by anyone.
    /// Costs: gas.
    /// P-35
    function test_redundantEntriesThatAreNotDue() public {
        IMarket.Job memory made = oneRedundant(3, 2);
        made.terms.tasks = 12;
        startDrawn(made);
        join(alice);
        join(bob);
        vm.warp(time() + 2 * job.timing.runWindow / 4);
        vm.prank(mallory);
        market.join(job, 4, 1, mallory);
        _all = [uint32(0), 4, 8, 1, 4, 0];
        bytes32 before = _hash();
        market.finalize(job, _all);
        assertEq(_hash(), before);
        vm.prank(client);
        market.cancel(job);
        market.close(job, _all);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertPhase(jobId, 4, IMarket.Phase.Refunded);
        assertPhase(jobId, 8, IMarket.Phase.None);
        assertGain(client, minus(3 * PRICE));
        vm.prank(anyone);
        market.leave(job, 4, 1, mallory);
        assertUnharmed(mallory);
        assertBooks(3 * PRICE);
    }

    /// Tries: sixty challenges, each for nothing, held a bond for five years in version 1. Here the client and two jurors use up
    /// every window at its longest: 30 days to run, 30 to audit, 30 and 30 more for two juries.
    /// Fails: at the end anyone ends the lease: 122 days, 14 hours and 62 seconds after the claim. Every window is one that the
    /// provider read in the job; the market's own times are a tenth of a percent of it.
    /// Costs: the jurors twice a tenth of J each, the client its price and a tenth of J.
    /// P-09
    function test_longestLockOfABond() public {
        IMarket.Job memory made = oneAudited();
        made.timing.runWindow = made.timing.auditWindow = 30 days;
        start(made);
        uint64 began = time();
        claim(job, alice, 4);
        vm.warp(time() + 30 days);
        digests = Merkle.someDigests(1, 4);
        submit(job, alice, 0, Merkle.root(0, digests));
        toss(true);
        vm.warp(market.leaseOf(jobId, 0).since + 30 days);
        _lastSecond(1);
        vm.warp(beacon.timeOf(market.auditOf(jobId, 0).point));
        tossAgain();
        vm.warp(market.auditOf(jobId, 0).due);
        _lastSecond(2);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
        assertUnharmed(alice);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(PRICE + JUROR_BOND / 10));
        assertEq(time() - began, 4 * 30 days + 2 * (1 hours + 6 hours) + 1 days + 60 + 2);
        assertBooks(0);
    }

    /// A jury that is opened now and differs, each act in its last second.
    function _lastSecond(uint8 jury) private {
        joinJury(jury, mallory);
        joinJury(jury, crew[4]);
        vm.warp(time() + 30 days + times().juryTime);
        vote(jury, mallory, "one");
        vote(jury, crew[4], "another");
        vm.warp(time() + times().revealWindow);
        judgeWithoutLeaf(jury, seats(voted(mallory, "one")));
        vm.warp(time() + 1);
        judgeWithoutLeaf(jury, seats(voted(mallory, "one"), naming(crew[4])));
    }
}
