// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The leases of a redundant job are its fixed parts, and open in order, once and for all.
///
/// | event                             | opens                                   | `next`                    |
/// | --------------------------------- | --------------------------------------- | ------------------------- |
/// | post                              | lease 0, written with its first seat    | min(maxLease, tasks)      |
/// | round 1 of a lease begins         | the next lease, with the job's point    | moves over that lease     |
/// | a later round begins              | nothing                                 |                           |
/// | cancel, close                     | nothing: refunds what has not opened    | tasks                     |
contract PartsTest is RedundantBase {
    function _next() private view returns (uint32) {
        return market.jobOf(jobId).next;
    }

    function _assertNotOpen(uint32 first) private view {
        assertPhase(jobId, first, IMarket.Phase.None);
        assertEq(lease(first).count, 0);
    }

    function _begin(uint32 first, address a, address b) private {
        awaken(first);
        join(first, a);
        join(first, b);
    }

    function test_post_opensTheFirstLease() public {
        assertEq(_next(), 4);
        _assertNotOpen(0); // it is not written yet
        join(0, alice);
        assertEq(lease(0).count, 4);
        assertEq(_next(), 4);
        _assertNotOpen(4);
    }

    function test_begin_opensTheNextLease() public {
        join(0, alice);
        vm.warp(time() + 33);
        join(0, bob);
        assertEq(_next(), 8);
        assertLease(4, IMarket.Phase.Free, 1, time(), 0, 0);
        IMarket.LeaseState memory l = lease(4);
        assertEq(l.count, 4);
        assertEq(l.origin, time(), "when it opened");
        assertEq(l.point, market.jobOf(jobId).point);
        _assertNotOpen(8);
    }

    function test_begin_withACommitment_opensTheNextLease() public {
        twoCommit(ROOT, ROOT);
        assertEq(_next(), 8);
        assertPhase(jobId, 4, IMarket.Phase.Free);
    }

    function test_theLastLease_isSmaller() public {
        _begin(0, alice, bob);
        _begin(4, alice, bob);
        assertEq(_next(), 10);
        assertEq(lease(8).count, 2);
        _begin(8, carol, dave);
        assertEq(_next(), 10);
        _assertNotOpen(10);
        assertEq(freeOf(carol), STAKE - BOND / 2, "the bond of two tasks");
    }

    function test_aLaterRound_opensNothing() public {
        spoil(0);
        assertEq(_next(), 8);
        _begin(0, carol, dave);
        assertEq(_next(), 8);
        _assertNotOpen(8);
        round = 1;
        _begin(4, carol, dave);
        assertEq(_next(), 10);
    }

    /// A seat that is left and taken again does not begin the round a second time.
    function test_anEmptiedRound_opensNothingAgain() public {
        _begin(0, alice, bob);
        leave(0, alice);
        join(0, carol);
        join(0, dave);
        assertEq(_next(), 8);
    }

    function test_seatsTakenAndLeft_openNothing() public {
        join(0, alice);
        leave(0, alice);
        join(0, bob);
        leave(0, bob);
        join(0, alice);
        assertEq(_next(), 4);
    }

    /// Lease 4 need not wait for lease 0's end, and may end before it.
    function test_leases_runSideBySide() public {
        _begin(0, alice, bob);
        _begin(4, alice, bob);
        commit(4, alice, ROOT);
        commit(4, bob, ROOT);
        vm.warp(commitBy(4) + 1);
        settle(4, two(ROOT, ROOT));
        assertPhase(jobId, 4, IMarket.Phase.Settled);
        assertPhase(jobId, 0, IMarket.Phase.Running);
    }

    function test_aJobOfOneLease() public {
        IMarket.Job memory made = redundantJob(3, 2);
        (made.terms.tasks, made.terms.minLease, made.terms.maxLease) = (4, 4, 4);
        postThis(made);
        assertEq(_next(), 4);
        _begin(0, alice, bob);
        assertEq(_next(), 4);
        _assertNotOpen(4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoSuchLease.selector, jobId, 4));
        join(4, alice);
    }

    function test_cancel_refundsWhatHasNotOpened() public {
        uint256 had = market.balanceOf(client);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 36 * UNIT);
        vm.prank(client);
        market.cancel(job);
        assertEq(market.balanceOf(client), had + 36 * UNIT, "6 tasks, 3 seats, 2 tokens");
        assertEq(_next(), 10);
        assertBooks();
    }

    /// A lease that opened and was not begun is closed; one that never opened was refunded with the rest.
    function test_close_refundsFreeLeases() public {
        _begin(0, alice, bob);
        uint256 had = market.balanceOf(client);
        vm.warp(job.timing.closesAt);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobStillOpen.selector, jobId, job.timing.closesAt));
        close(job, 4);
        vm.warp(job.timing.closesAt + 1);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 4, 24 * UNIT);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 8, 2, 12 * UNIT);
        market.close(job, list(0, 4)); // lease 0 runs: skipped
        assertBooks();
        assertEq(market.balanceOf(client), had + 36 * UNIT);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertPhase(jobId, 4, IMarket.Phase.Refunded);
        _assertNotOpen(8);
    }

    /// The first lease needs no seat to be closed, and closes once.
    function test_close_ofALeaseThatNobodyJoined() public {
        uint256 had = market.balanceOf(client);
        vm.prank(client);
        market.cancel(job);
        market.close(job, list(0, 0));
        assertBooks();
        assertEq(market.balanceOf(client), had + 60 * UNIT, "all of it");
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertEq(lease(0).count, 4);
        assertEq(lease(0).round, 1);
    }

    /// A round that runs at the job's end can lapse; then the lease is free to be closed.
    function test_close_afterARoundThatLapsed() public {
        _begin(0, alice, bob);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(alice), named(bob)));
        close(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        close(job, 4);
        assertEq(escrowIn(job), 0);
        assertBooks();
    }

    /// `finalize` is for ordinary leases.
    function test_finalize_skipsRedundantLeases() public {
        threeCommit(ROOT, ROOT, ROOT);
        vm.warp(time() + 30 days);
        market.finalize(job, list(0, 4));
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        assertPhase(jobId, 4, IMarket.Phase.Free);
        settle(0, panel(named(alice), named(bob), named(carol)));
    }

    /// Acts of the other kind of job are refused.
    function test_ordinaryActs_areRefused() public {
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3);
        vm.startPrank(alice);
        vm.expectRevert(wrong);
        market.claim(job, alice, 1, 4);
        vm.expectRevert(wrong);
        market.takeover(job, alice, 0);
        vm.expectRevert(wrong);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        vm.expectRevert(wrong);
        market.expire(job, 0);
        vm.stopPrank();
    }
}
