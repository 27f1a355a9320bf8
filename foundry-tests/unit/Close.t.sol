// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `close(firsts)`, by anyone, once the job is cancelled or `t > closesAt` (before: `JobStillOpen`; unknown: `JobUnknown`).
///
/// | what | result |
/// | --- | --- |
/// | the tail, tasks from `next` on | refunded, with every list, also an empty one |
/// | an ordinary lease: Free | Refunded |
/// | an ordinary lease: Running and late | expired, then Refunded |
/// | a redundant lease whose round has not begun | Refunded |
/// | everything else, and what was closed before | skipped |
contract CloseTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _cancel() private {
        vm.prank(client);
        market.cancel(job);
    }

    function _nothingHappens(uint32[] memory firsts) private {
        vm.recordLogs();
        market.close(job, firsts);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    // ------------------------------------------------------------------ when

    /// P-34
    function test_close_closesAt_isTheLastOpenSecond() public {
        vm.warp(job.timing.closesAt);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobStillOpen.selector, jobId, job.timing.closesAt));
        market.close(job, new uint32[](0));
        vm.warp(job.timing.closesAt + 1);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 10, 20 * UNIT);
        vm.prank(anyone);
        market.close(job, new uint32[](0));
        assertEq(market.balanceOf(client), 1000 * UNIT);
        assertEq(market.jobOf(jobId).next, 10);
        assertEq(uint8(market.jobOf(jobId).status), uint8(IMarket.JobStatus.Posted));
        _nothingHappens(new uint32[](0)); // once
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    function test_close_cancelledJob_isAllowedAtOnce() public {
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        _cancel();
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, 8 * UNIT);
        vm.prank(anyone);
        close(job, 0);
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    // ------------------------------------------------------------------ lists

    function test_close_list_refundsEveryKindAtOnce() public {
        job.terms.tasks = 14;
        jobId = post(job);
        claim(job, alice, 4); // 0: left
        claim(job, bob, 2); // 4: late, then taken over, then late
        claim(job, alice, 4); // 6: settled
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        submit(job, alice, 6);
        uint256 before = market.balanceOf(client);
        vm.warp(job.timing.closesAt - job.timing.runWindow);
        vm.prank(alice);
        market.takeover(job, alice, 4);
        vm.warp(time() + 1);
        claim(job, bob, 2); // 10: runs on; 12: the tail
        vm.warp(job.timing.closesAt + 1);
        uint32[] memory firsts = new uint32[](7);
        (firsts[0], firsts[1], firsts[2], firsts[3]) = (10, 0, 6, 0);
        (firsts[4], firsts[5], firsts[6]) = (4, 12, 4);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, 8 * UNIT);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 4, alice, 3, IMarket.Reason.Late, 0.2e18);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 2, 4 * UNIT);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 12, 2, 4 * UNIT);
        vm.recordLogs();
        market.close(job, firsts);
        assertEq(vm.getRecordedLogs().length, 4);
        assertEq(market.balanceOf(client), before + 16 * UNIT);
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertPhase(jobId, 4, IMarket.Phase.Refunded);
        assertPhase(jobId, 6, IMarket.Phase.Settled);
        assertPhase(jobId, 10, IMarket.Phase.Running);
        assertPhase(jobId, 12, IMarket.Phase.None);
        assertProvider(alice, 99.8e18, 99.8e18, 1, 1);
        assertProvider(bob, 99.8e18, 97.8e18, 0, 1);
        // What ran is refunded once it is late too.
        vm.warp(job.timing.closesAt + 2);
        close(job, 10);
        assertEq(market.balanceOf(client), before + 20 * UNIT);
    }

    /// P-19
    function test_close_duplicates_areHarmless() public {
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        vm.warp(job.timing.closesAt + 1);
        vm.recordLogs();
        market.close(job, list(0, 0));
        assertEq(vm.getRecordedLogs().length, 2); // the lease and the tail
        assertEq(market.balanceOf(client), 1000 * UNIT);
        _nothingHappens(list(0, 4));
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    /// P-34: a round that is in its last second runs; in the next one it is late, poked or not.
    function test_close_runningLease_onlyOnceLate() public {
        claim(job, alice, 4);
        _cancel();
        uint64 deadline = time() + job.timing.runWindow;
        vm.warp(deadline);
        _nothingHappens(list(0));
        vm.warp(deadline + 1);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, 2, IMarket.Reason.Late, 0.4e18);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, 8 * UNIT);
        close(job, 0);
        assertProvider(alice, 99.6e18, 99.6e18, 0, 1);
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    function test_close_finalAndMissingLeases_areSkipped() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        _cancel();
        uint32[] memory firsts = new uint32[](5);
        (firsts[0], firsts[1], firsts[2]) = (0, 1, 4);
        (firsts[3], firsts[4]) = (10, type(uint32).max);
        _nothingHappens(firsts);
    }

    /// A result that waits for chance, or for a jury, is nobody's to close.
    function test_close_submittedLease_isSkipped() public {
        job = auditedJob(10_000);
        jobId = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        publish(market.leaseOf(jobId, 0).point, keccak256("seed"));
        _cancel();
        vm.warp(job.timing.closesAt + 30 days);
        _nothingHappens(list(0));
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        finalize(job, 0);
        assertGrade(jobId, 0, IMarket.Grade.Contested);
    }

    function test_close_auditedLease_isSkipped() public {
        job = auditedJob(10_000);
        jobId = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        publish(market.leaseOf(jobId, 0).point, keccak256("seed"));
        vm.prank(bob);
        market.joinJury(job, 0, 1, 1, bob);
        _cancel();
        vm.warp(job.timing.closesAt + 30 days);
        _nothingHappens(list(0));
        assertPhase(jobId, 0, IMarket.Phase.Audited);
    }

    /// The reserve of audits returns with its tasks.
    function test_close_auditedJob_returnsTheReserve() public {
        job = auditedJob(1);
        jobId = post(job);
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        vm.warp(job.timing.closesAt + 1);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, 8.6e18);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 12.9e18);
        close(job, 0);
        assertEq(market.balanceOf(client), 980 * UNIT); // what the other job holds
    }

    // ------------------------------------------------------------------ redundant leases

    /// The first lease of a redundant job is open from `post` on, though nobody has touched it; the others are its tail.
    function test_close_redundantJob_refundsUntouchedLeases() public {
        job = redundantJob(3, 2);
        jobId = post(job);
        uint256 before = market.balanceOf(client);
        _cancel(); // the tail
        assertEq(market.balanceOf(client), before + 36 * UNIT);
        uint32[] memory firsts = new uint32[](4);
        (firsts[0], firsts[1], firsts[2], firsts[3]) = (4, 0, 0, 8);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, 24 * UNIT);
        vm.recordLogs();
        market.close(job, firsts);
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(market.balanceOf(client), before + 60 * UNIT);
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertPhase(jobId, 4, IMarket.Phase.None);
    }

    function test_close_redundantJobsTail_needsNoLease() public {
        job = redundantJob(3, 2);
        jobId = post(job);
        uint256 before = market.balanceOf(client);
        vm.warp(job.timing.closesAt + 1);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 36 * UNIT);
        market.close(job, new uint32[](0));
        close(job, 0);
        assertEq(market.balanceOf(client), before + 60 * UNIT);
    }
}
