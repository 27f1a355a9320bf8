// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `claim`: the next tasks, for the provider that asks first.
///
/// valid: `opensAt <= t <= closesAt`, not cancelled. Result: Running, round 1; locks `bond * count`; `Claimed`.
/// Refused, in this order: `NotOperator`, `WrongMode`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`, `NothingLeft`,
/// `LeaseDoesNotFit`, `NotAdmitted` (unit/Lists), `InsufficientStake` (also unit/Providers).
contract ClaimTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _claim(address provider, uint32 least, uint32 most) private returns (uint32, uint32) {
        vm.prank(provider);
        return market.claim(job, provider, least, most);
    }

    /// The next claim takes these tasks.
    function _takes(uint32 least, uint32 most, uint32 first, uint32 count) private {
        (uint32 atFirst, uint32 taken) = _claim(alice, least, most);
        assertEq(atFirst, first, "first");
        assertEq(taken, count, "count");
        assertEq(market.leaseOf(jobId, first).count, count);
        assertEq(market.jobOf(jobId).next, first + count);
    }

    function _doesNotFit(uint32 least, uint32 most, uint32 count) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseDoesNotFit.selector, count, least, most));
        _claim(alice, least, most);
    }

    // ------------------------------------------------------------------ what it does

    function test_claim_onRamp_locksBondAndPrice() public {
        vm.warp(job.timing.opensAt + 250);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, alice, 3, 1, UNIT + UNIT / 4);
        _takes(1, 3, 0, 3);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(l.provider, alice);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Running));
        assertEq(uint8(l.grade), 0);
        assertEq(l.round, 1);
        assertEq(l.count, 3);
        assertEq(l.since, time());
        assertEq(l.origin, time());
        assertEq(l.point, 0);
        assertEq(l.root, 0);
        assertEq(uint256(l.seats) + l.commits + l.opened, 0);
        assertProvider(alice, 100 * UNIT, 97 * UNIT, 0, 0);
        assertEq(market.balanceOf(client), 980 * UNIT);
    }

    function test_claim_byOperator_isForProvider() public {
        vm.prank(operator);
        (uint32 first,) = market.claim(job, alice, 1, 2);
        assertEq(market.leaseOf(jobId, first).provider, alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator));
        vm.prank(operator);
        market.claim(job, bob, 1, 2);
        vm.prank(alice);
        market.setOperator(operator, false);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, operator));
        vm.prank(operator);
        market.claim(job, alice, 1, 2);
    }

    // ------------------------------------------------------------------ least and most; leases of 2 to 4 of 10 tasks

    function test_claim_most_isCappedByMaxLease() public {
        _takes(0, type(uint32).max, 0, 4);
        _takes(4, 5, 4, 4);
        _takes(2, 2, 8, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingLeft.selector, jobId));
        _claim(alice, 0, 4);
    }

    function test_claim_mostUnderMinLease_reverts() public {
        _doesNotFit(0, 0, 2);
        _doesNotFit(0, 1, 2);
        _doesNotFit(1, 1, 2);
        _takes(2, 2, 0, 2);
    }

    function test_claim_leastOverMost_reverts() public {
        _doesNotFit(5, 4, 4);
        _doesNotFit(5, 9, 4);
        _doesNotFit(4, 3, 3);
        _doesNotFit(4, 2, 2);
    }

    /// With 5 left, 4 would leave one task: `R >= 2 * minLease`, so a lease of `R - minLease`.
    function test_claim_restTooSmall_takesFewer() public {
        _takes(3, 3, 0, 3);
        _takes(2, 2, 3, 2);
        _doesNotFit(4, 4, 3);
        _takes(3, 4, 5, 3);
        _takes(1, 4, 8, 2);
    }

    /// With 3 left, 2 would leave one task: `R < 2 * minLease`, so all of them.
    function test_claim_restTooSmall_takesAll() public {
        _takes(4, 4, 0, 4);
        _takes(3, 3, 4, 3);
        _doesNotFit(2, 2, 3);
        _takes(2, 3, 7, 3);
    }

    function test_claim_oneTaskJobs_takeOne() public {
        (job.terms.tasks, job.terms.minLease, job.terms.maxLease) = (1, 1, 2048);
        jobId = post(job);
        _takes(1, 1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingLeft.selector, jobId));
        _claim(alice, 1, 1);
    }

    // ------------------------------------------------------------------ when

    /// P-34: from the first second of `opensAt` to the last of `closesAt`.
    function test_claim_window_isExact() public {
        uint64 opensAt = time() + 100;
        uint64 closesAt = opensAt + 50;
        (job.timing.opensAt, job.timing.closesAt) = (opensAt, closesAt);
        jobId = post(job);
        vm.warp(opensAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, opensAt, opensAt - 1));
        _claim(alice, 2, 2);
        vm.warp(opensAt);
        _claim(alice, 2, 2);
        vm.warp(closesAt);
        _claim(alice, 2, 2);
        vm.warp(closesAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, closesAt, closesAt + 1));
        _claim(alice, 2, 2);
    }

    function test_claim_cancelledJob_reverts() public {
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        _claim(alice, 2, 2);
    }

    function test_claim_unknownJob_reverts() public {
        job.terms.nonce += 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        _claim(alice, 2, 2);
    }

    function test_claim_redundantJob_reverts() public {
        job = redundantJob(3, 2);
        jobId = post(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3));
        _claim(alice, 4, 4);
    }

    // ------------------------------------------------------------------ stake

    function test_claim_shortStake_reverts() public {
        vm.prank(alice);
        market.unstake(alice, 95 * UNIT); // of 5, leases may lock 3.75
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, 3.75e18, 4 * UNIT));
        _claim(alice, 4, 4);
        assertEq(market.jobOf(jobId).next, 0);
        _claim(alice, 3, 3);
        assertProvider(alice, 5 * UNIT, 2 * UNIT, 0, 0);
    }

    /// A provider without stake has no number, or no free stake.
    function test_claim_withoutStake_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, anyone, 0, 2 * UNIT));
        _claim(anyone, 2, 2);
        vm.prank(anyone);
        market.setOperator(operator, true);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, anyone, 0, 2 * UNIT));
        _claim(anyone, 2, 2);
    }

    // ------------------------------------------------------------------ which refusal comes first

    function test_claim_manyFaults_firstIsNamed() public {
        job = redundantJob(3, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, anyone));
        vm.prank(anyone);
        market.claim(job, bob, 5, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, market.hashJob(job), 3));
        _claim(anyone, 5, 4);
        job = aJob();
        job.terms.nonce = 8;
        (job.terms.tasks, job.timing.opensAt) = (2, time() + 10);
        jobId = market.hashJob(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, jobId));
        _claim(anyone, 5, 4);
        post(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, time() + 10, time()));
        _claim(anyone, 5, 4);
        vm.warp(time() + 10);
        _doesNotFitFor(anyone);
        _claim(alice, 2, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingLeft.selector, jobId));
        _claim(anyone, 5, 4);
        vm.warp(job.timing.closesAt + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.TooLate.selector, job.timing.closesAt, job.timing.closesAt + 1)
        );
        _claim(anyone, 5, 4);
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        _claim(anyone, 5, 4);
    }

    function _doesNotFitFor(address provider) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseDoesNotFit.selector, 2, 5, 4));
        _claim(provider, 5, 4);
    }
}
