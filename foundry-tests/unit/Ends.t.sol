// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `cancel` and `close`: how money comes back.
contract EndsTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _firsts(uint32 a) private pure returns (uint32[] memory list) {
        list = new uint32[](1);
        list[0] = a;
    }

    function test_cancel_refundsTheUnclaimed() public {
        claim(job, alice, 4);
        vm.expectEmit(address(market));
        emit IMarket.Cancelled(jobId);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 12 * UNIT);
        vm.prank(client);
        market.cancel(job);
        assertEq(market.balanceOf(client), 992 * UNIT);
        IMarket.JobState memory state = market.jobOf(jobId);
        assertEq(uint8(state.status), uint8(IMarket.JobStatus.Cancelled));
        assertEq(state.next, 10);
        assertEq(state.feeBps, FEE);
        assertEq(state.postedAt, time());
        submit(job, alice, 0); // what runs goes to its end
    }

    function test_cancel_nothingUnclaimed() public {
        claim(job, alice, 4);
        claim(job, alice, 4);
        claim(job, alice, 4);
        vm.recordLogs();
        vm.prank(client);
        market.cancel(job);
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(market.balanceOf(client), 980 * UNIT);
    }

    function test_cancel_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, alice));
        vm.prank(alice);
        market.cancel(job);
        vm.startPrank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        market.cancel(job);
    }

    function test_cancel_afterTheEnd() public {
        vm.warp(job.timing.closesAt + 1);
        market.close(job, _firsts(0));
        vm.prank(client);
        market.cancel(job); // late, harmless, refunds nothing twice
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    function test_close_window() public {
        vm.warp(job.timing.closesAt);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobStillOpen.selector, jobId, job.timing.closesAt));
        market.close(job, _firsts(0));
        vm.warp(job.timing.closesAt + 1);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 10, 20 * UNIT);
        vm.prank(anyone);
        market.close(job, _firsts(0));
        assertEq(market.balanceOf(client), 1000 * UNIT);
        assertEq(market.jobOf(jobId).next, 10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.None));
        market.close(job, _firsts(0));
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 10, IMarket.Phase.None));
        market.close(job, _firsts(10));
    }

    function test_close_everyKindAtOnce() public {
        claim(job, alice, 4); // released
        claim(job, bob, 2); // late
        claim(job, alice, 1); // runs
        vm.prank(alice);
        market.release(job, 0, alice);
        vm.warp(job.timing.closesAt - job.timing.runWindow);
        vm.prank(alice);
        market.takeover(job, alice, 4);
        claim(job, bob, 1);
        vm.warp(job.timing.closesAt + 1);
        uint32[] memory firsts = new uint32[](3);
        (firsts[0], firsts[1], firsts[2]) = (8, 0, 4); // unclaimed, free, late and not poked
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 8, 2, 4 * UNIT);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 4, 8 * UNIT);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 4, alice, IMarket.Reason.Expired, 2 * UNIT / 10);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 2, 4 * UNIT);
        market.close(job, firsts);
        assertEq(market.balanceOf(client), 996 * UNIT);
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertPhase(jobId, 4, IMarket.Phase.Refunded);
        assertProvider(bob, 100 * UNIT - 2 * UNIT / 10, 99 * UNIT - 2 * UNIT / 10, 0, 1);
    }

    function test_close_notTwice() public {
        claim(job, alice, 4);
        vm.prank(alice);
        market.release(job, 0, alice);
        vm.prank(client);
        market.cancel(job);
        uint32[] memory firsts = new uint32[](2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Refunded));
        market.close(job, firsts); // the same lease twice
        market.close(job, _firsts(0));
        assertEq(market.balanceOf(client), 1000 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Refunded));
        market.close(job, _firsts(0));
    }

    function test_close_notWhatRunsOrWaitsOrIsSettled() public {
        claim(job, alice, 4);
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.close(job, _firsts(0));
        submit(job, alice, 0);
        vm.warp(time() + 30 days);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Submitted)
        );
        market.close(job, _firsts(0));
        market.finalize(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        market.close(job, _firsts(0));
    }

    function test_close_theUnclaimedNotTwiceInOneCall() public {
        claim(job, alice, 4);
        vm.warp(job.timing.closesAt + 1);
        uint32[] memory firsts = new uint32[](2);
        (firsts[0], firsts[1]) = (4, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 4, IMarket.Phase.None));
        market.close(job, firsts);
    }

    function test_close_nothing() public {
        vm.prank(client);
        market.cancel(job);
        vm.recordLogs();
        market.close(job, new uint32[](0));
        assertEq(vm.getRecordedLogs().length, 0);
    }

    /// P-08: a client that does nothing after `post` ends with result or refund.
    function test_P08_othersBringEverythingToAnEnd() public {
        claim(job, alice, 4);
        claim(job, bob, 4);
        submit(job, alice, 0);
        vm.warp(job.timing.closesAt + 1);
        vm.startPrank(anyone);
        market.finalize(job, 0);
        uint32[] memory firsts = new uint32[](2);
        (firsts[0], firsts[1]) = (4, 8);
        market.close(job, firsts);
        assertEq(market.balanceOf(client), 980 * UNIT + 12 * UNIT + 4 * UNIT);
    }
}
