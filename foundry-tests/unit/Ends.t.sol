// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `cancel`, by the client, at any time, once: no new leases, takeovers and rounds; the tail (the tasks from `next` on) is refunded.
/// Refused, in this order: `NotClient`, `JobUnknown`, `JobIsCancelled`. And how whole jobs come to their ends.
contract EndsTest is Base {
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

    function test_cancel_partlyClaimed_refundsTheTail() public {
        claim(job, alice, 4);
        vm.expectEmit(address(market));
        emit IMarket.Cancelled(jobId);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 12 * UNIT);
        _cancel();
        assertEq(market.balanceOf(client), 992 * UNIT);
        IMarket.JobState memory state = market.jobOf(jobId);
        assertEq(uint8(state.status), uint8(IMarket.JobStatus.Cancelled));
        assertEq(state.next, 10);
        assertEq(state.feeBps, FEE);
        assertEq(state.postedAt, time());
        submit(job, alice, 0); // what runs goes to its end
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    function test_cancel_nothingClaimed_refundsAll() public {
        _cancel();
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    function test_cancel_allClaimed_refundsNothing() public {
        claim(job, alice, 4);
        claim(job, alice, 4);
        claim(job, alice, 2);
        vm.recordLogs();
        _cancel();
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(market.balanceOf(client), 980 * UNIT);
    }

    /// The reserve of audits returns with the tail; the point of a redundant job stays on record.
    function test_cancel_otherKinds_refundTheirEscrow() public {
        job = auditedJob(5000);
        jobId = post(job);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 0, 10, 21.5e18);
        _cancel();
        job = redundantJob(5, 3);
        jobId = post(job);
        uint64 point = beacon.point();
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 60 * UNIT);
        _cancel();
        assertEq(market.jobOf(jobId).point, point);
        assertEq(market.jobOf(jobId).next, 10);
    }

    function test_cancel_manyFaults_firstIsNamed() public {
        IMarket.Job memory other = aJob();
        other.terms.nonce = 8;
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, alice));
        vm.prank(alice);
        market.cancel(other);
        bytes32 unknown = market.hashJob(other);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, unknown));
        vm.prank(client);
        market.cancel(other);
        _cancel();
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        _cancel();
    }

    function test_cancel_afterClose_refundsNothingTwice() public {
        vm.warp(job.timing.closesAt + 1);
        market.close(job, new uint32[](0));
        vm.recordLogs();
        _cancel();
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    // ------------------------------------------------------------------ whole jobs

    /// P-07, P-08: a client that does nothing after `post` ends with results or refunds, by strangers' calls alone.
    function test_P08_idleClient_endsWithResultsOrRefunds() public {
        claim(job, alice, 4);
        claim(job, bob, 4);
        submit(job, alice, 0);
        vm.warp(job.timing.closesAt + 1);
        vm.prank(anyone);
        market.close(job, list(0, 4));
        assertEq(market.balanceOf(client), 980 * UNIT + 4 * UNIT + 8 * UNIT + 4 * UNIT);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
        assertPhase(jobId, 4, IMarket.Phase.Refunded);
    }

    /// P-07, P-08: the same with audits that nobody holds, whatever the beacon says or does not say.
    function test_P08_idleClient_auditsThatNobodyHolds() public {
        job = auditedJob(5000);
        jobId = post(job);
        uint256 before = market.balanceOf(client);
        for (uint256 i; i < 3; ++i) {
            uint256 snapshot = vm.snapshotState();
            claim(job, alice, 4);
            claim(job, bob, 4);
            submit(job, alice, 0);
            submit(job, bob, 4);
            bytes32 seed = seedFor(job, 0, 1, i == 1);
            if (i != 0) publish(market.leaseOf(jobId, 0).point, seed);
            vm.warp(job.timing.closesAt + 1);
            vm.startPrank(anyone);
            market.finalize(job, list(0, 4));
            market.close(job, list(0, 4));
            vm.stopPrank();
            assertGrade(jobId, 0, i == 1 ? IMarket.Grade.Contested : IMarket.Grade.Unaudited);
            assertPhase(jobId, 4, IMarket.Phase.Settled);
            assertEq(market.balanceOf(client), before + 21.5e18 - 8 * UNIT);
            vm.revertToState(snapshot);
        }
    }
}
