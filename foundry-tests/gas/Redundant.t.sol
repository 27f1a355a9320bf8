// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Gas of the transactions of a redundant lease (21,000, calldata and refunds included), against
/// snapshots/Redundant.json. The lease is of 3/2 with drawn seats, neither the first nor the last of its job, which has a fee; four
/// providers have stake.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract RedundantGasTest is Base {
    string private constant GROUP = "Redundant";
    bytes32 private constant OTHER = keccak256("another root");

    address private carol = makeAddr("carol");
    address private dave = makeAddr("dave");
    IMarket.Job private job;
    bytes32 private jobId;
    uint32 private first;
    uint16 private round = 1;

    function setUp() public override {
        super.setUp();
        stakeOf(carol, 100 * UNIT);
        stakeOf(dave, 100 * UNIT);
        vm.warp(time() + times().stakeAge);
        // Ends with every slot that a later lease changes non-zero, as they are in a market that runs.
        _open(1, 3, 2);
        _commits(ROOT, ROOT, OTHER);
        _settle(_all(ROOT, ROOT, OTHER));
        _second(1);
    }

    /// A job of three leases of `count` tasks, whose first lease is settled.
    function _second(uint32 count) private {
        _open(count, 3, 2);
        _commits(ROOT, ROOT, ROOT);
        _settle(_all(ROOT, ROOT, ROOT));
        first = count;
        _wait();
    }

    /// Posts a job of three leases of `count` tasks; all providers are drawn for the first one then.
    function _open(uint32 count, uint8 replicas, uint8 quorum) private {
        job = redundantJob(replicas, quorum);
        job.terms.nonce = time();
        job.terms.tasks = 3 * count;
        (job.terms.minLease, job.terms.maxLease) = (count, count);
        (job.price.minPrice, job.price.maxPrice) = (UNIT / 1000, UNIT / 1000);
        job.price.bond = UNIT / 1000;
        jobId = post(job);
        (first, round) = (0, 1);
        publish(market.jobOf(jobId).point, keccak256("seed"));
        _wait();
    }

    /// Lets the draw grow to all stake.
    function _wait() private {
        vm.warp(time() + job.timing.runWindow);
    }

    function _commit(address who, bytes32 root) private {
        bytes32 commitment_ = commitment(jobId, first, round, 0, who, root, DIGESTS);
        vm.prank(who);
        market.commit(job, first, round, who, commitment_);
    }

    function _join(address who) private {
        vm.prank(who);
        market.join(job, first, round, who);
    }

    function _commits(bytes32 a, bytes32 b, bytes32 c) private {
        _commit(alice, a);
        _commit(bob, b);
        _commit(carol, c);
    }

    function _all(bytes32 a, bytes32 b, bytes32 c) private view returns (IMarket.Opening[] memory all) {
        all = new IMarket.Opening[](3);
        all[0] = opening(alice, a, DIGESTS);
        all[1] = opening(bob, b, DIGESTS);
        all[2] = opening(carol, c, DIGESTS);
    }

    function _settle(IMarket.Opening[] memory openings) private {
        market.settle(job, first, round, openings);
    }

    function _note(string memory act) private returns (uint256) {
        return vm.snapshotGasLastCall(GROUP, act);
    }

    function _lease(string memory name) private {
        _commit(alice, ROOT);
        uint256 total = _note(string.concat(name, ": first commit that joins"));
        _commit(bob, ROOT);
        total += _note(string.concat(name, ": second commit, which begins the round"));
        _commit(carol, ROOT);
        total += _note(string.concat(name, ": last commit that joins"));
        _settle(_all(ROOT, ROOT, ROOT));
        total += _note(string.concat(name, ": settle with all openings"));
        assertGrade(jobId, first, IMarket.Grade.Quorum);
        vm.snapshotValue(GROUP, string.concat(name, ": all four"), total);
        assertLe(total, 440_000, "grown");
        assertGt(market.balanceOf(treasury), 0, "the fee is part of what is measured");
    }

    function test_lease() public {
        _lease("lease of 1");
    }

    function test_lease1000() public {
        _second(1000);
        _lease("lease of 1,000");
    }

    function test_seats() public {
        _join(alice);
        _note("join, first");
        _join(bob);
        _note("join, which begins the round");
        _commit(alice, ROOT);
        _note("commit on a reserved seat");
        vm.prank(bob);
        market.leave(job, first, 1, bob);
        _note("leave, early");
    }

    function test_settle_partial() public {
        _commits(ROOT, ROOT, ROOT);
        IMarket.Opening[] memory one = new IMarket.Opening[](1);
        one[0] = opening(alice, ROOT, DIGESTS);
        _settle(one);
        _note("settle, records one opening");
        one[0] = opening(bob, ROOT, DIGESTS);
        _settle(one);
        _note("settle, records another");
        _settle(_all(ROOT, ROOT, ROOT));
        _note("settle, with two recorded");
        assertGrade(jobId, first, IMarket.Grade.Quorum);
    }

    function test_settle_outvoted() public {
        _commits(ROOT, ROOT, OTHER);
        _settle(_all(ROOT, ROOT, OTHER));
        _note("settle, two paid and one outvoted");
        assertGrade(jobId, first, IMarket.Grade.Quorum);
    }

    function test_settle_void() public {
        _commits(ROOT, OTHER, keccak256("a third root"));
        _settle(_all(ROOT, OTHER, keccak256("a third root")));
        _note("settle, void");
        assertPhase(jobId, first, IMarket.Phase.Void);
    }

    function test_settle_lapsed() public {
        _commit(alice, ROOT);
        _join(bob);
        _join(carol);
        vm.warp(market.leaseOf(jobId, first).since + job.timing.runWindow + 1);
        IMarket.Opening[] memory seats = new IMarket.Opening[](3);
        (seats[0], seats[1], seats[2]) = (naming(alice), naming(bob), naming(carol));
        _settle(seats);
        _note("settle, too few commits");
        assertPhase(jobId, first, IMarket.Phase.Free);
        publish(market.leaseOf(jobId, first).point, keccak256("seed"));
        _wait();
        round = 2;
        _commit(dave, ROOT);
        _note("first commit of a second round");
    }

    /// The largest panel, at its dearest: all but one lose their bonds.
    function test_settle_fifteen() public {
        IMarket.Opening[] memory seats = new IMarket.Opening[](15);
        for (uint160 i; i < 15; ++i) {
            stakeOf(address(0xa000 + i), 100 * UNIT);
            seats[i] = naming(address(0xa000 + i));
        }
        vm.warp(time() + times().stakeAge);
        _open(4, 15, 8);
        for (uint160 i; i < 15; ++i) {
            _commit(address(0xa000 + i), ROOT);
        }
        seats[0] = opening(address(0xa000), ROOT, DIGESTS);
        _settle(_one(seats[0]));
        vm.warp(time() + times().revealWindow + 1);
        _settle(seats);
        _note("settle, fourteen silent");
        assertEq(market.providerOf(address(0xa001)).slashed, 1);
    }

    function _one(IMarket.Opening memory entry) private pure returns (IMarket.Opening[] memory entries) {
        entries = new IMarket.Opening[](1);
        entries[0] = entry;
    }
}
