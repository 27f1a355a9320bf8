// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `takeover`: a free lease in its next round, whole, for anyone but its last holder. A late lease is expired on the way.
///
/// valid: `opensAt <= t <= closesAt`, not cancelled, Free or Running and late. Result: Running; locks `bond * count`; `Claimed`.
/// Refused, in this order: `NotOperator`, `WrongMode`, `JobUnknown`, `JobIsCancelled`, `TooEarly`, `TooLate`, `WrongPhase`,
/// `BarredFromRound`, `TooManyRounds`, `NotAdmitted` (unit/Lists), `InsufficientStake`.
///
/// The ramp stands still while somebody holds the lease: the price of a round is that of the first claim's time plus all the time
/// in which the lease was free.
contract TakeoverTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;
    uint64 private start;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
        start = time();
    }

    function _takeover(address provider) private {
        vm.prank(provider);
        market.takeover(job, provider, 0);
    }

    function _leave(address provider, uint16 round) private {
        vm.prank(provider);
        market.leave(job, 0, round, provider);
    }

    function _freed() private {
        claim(job, alice, 4);
        _leave(alice, 1);
    }

    function _wrongPhase(uint32 first, IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, first, phase));
    }

    // ------------------------------------------------------------------ what it does

    function test_takeover_freeLease_beginsNextRound() public {
        _freed();
        vm.warp(start + 300);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, 1.3e18);
        _takeover(bob);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(l.provider, bob);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Running));
        assertEq(l.round, 2);
        assertEq(l.count, 4);
        assertEq(l.since, time());
        assertEq(l.origin, start + 300);
        assertProvider(bob, 100 * UNIT, 96 * UNIT, 0, 0);
        assertEq(market.jobOf(jobId).next, 4);
        submit(job, bob, 0);
        assertEq(market.balanceOf(bob), 5.07e18); // the price of the new round, less 2.5 %
        assertEq(market.balanceOf(alice), 0);
        assertEq(market.balanceOf(client), 980 * UNIT + 2.8e18);
    }

    function test_takeover_byOperator_isForProvider() public {
        claim(job, bob, 4);
        _leave(bob, 1);
        vm.prank(operator);
        market.takeover(job, alice, 0);
        assertEq(market.leaseOf(jobId, 0).provider, alice);
    }

    /// P-34: a lease that is late can be taken from the second after its deadline on, whoever said so before or not.
    function test_takeover_lateLease_expiresItFirst() public {
        claim(job, alice, 4);
        vm.warp(start + 800);
        _wrongPhase(0, IMarket.Phase.Running);
        _takeover(bob);
        vm.warp(start + 801);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, 2, IMarket.Reason.Late, 0.4e18);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, 1.001e18);
        _takeover(bob);
        assertEq(market.leaseOf(jobId, 0).provider, bob);
        assertProvider(alice, 99.6e18, 99.6e18, 0, 1);
        assertProvider(bob, 100 * UNIT, 96 * UNIT, 0, 0);
    }

    // ------------------------------------------------------------------ the price

    /// P-13: held from 250 to 260, free until 360, held until 400, free until 450: 250 + 100 + 50.
    function test_takeover_ramp_standsStillWhileHeld() public {
        vm.warp(start + 250);
        claim(job, alice, 4);
        vm.warp(start + 260);
        _leave(alice, 1);
        vm.warp(start + 360);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, 1.35e18);
        _takeover(bob);
        vm.warp(start + 400);
        _leave(bob, 2);
        vm.warp(start + 450);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, alice, 4, 3, 1.4e18);
        _takeover(alice);
        assertEq(market.leaseOf(jobId, 0).origin, start + 400);
        submit(job, alice, 0);
        assertEq(market.balanceOf(client), 980 * UNIT + 8 * UNIT - 5.6e18);
    }

    /// P-13: in the second in which it was left it costs what it cost: nobody can wait for the ramp while holding.
    function test_takeover_inSameSecond_hasSamePrice() public {
        claim(job, alice, 4);
        vm.warp(start + 800);
        _leave(alice, 1);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, UNIT);
        _takeover(bob);
    }

    /// P-13: a late lease was free since its deadline. The price does not depend on who called `expire`, and when.
    function test_takeover_lateLease_costsSameWheneverPoked() public {
        claim(job, alice, 4);
        for (uint256 poked; poked < 2; ++poked) {
            uint256 snapshot = vm.snapshotState();
            if (poked == 1) {
                vm.warp(start + 850);
                market.expire(job, 0);
            }
            vm.warp(start + 900);
            vm.expectEmit(address(market));
            emit IMarket.Claimed(jobId, 0, bob, 4, 2, 1.1e18); // free from 800 to 900
            _takeover(bob);
            vm.revertToState(snapshot);
        }
    }

    /// The ramp ends at `maxPrice`.
    function test_takeover_longFree_costsMaxPrice() public {
        _freed();
        vm.warp(start + 1000);
        uint256 snapshot = vm.snapshotState();
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, 2 * UNIT);
        _takeover(bob);
        vm.revertToState(snapshot);
        vm.warp(start + 5000);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, 2 * UNIT);
        _takeover(bob);
    }

    // ------------------------------------------------------------------ who may not

    /// P-39: a provider that left, or was late, is barred from the next round, and from that one alone.
    function test_takeover_lastHolder_isBarredOnce() public {
        _freed();
        bytes memory barred = abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, alice);
        vm.expectRevert(barred);
        vm.prank(operator);
        market.takeover(job, alice, 0);
        vm.warp(start + 5000);
        vm.expectRevert(barred); // for as long as it is free
        _takeover(alice);
        _takeover(bob);
        vm.warp(time() + 801);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, bob));
        _takeover(bob); // nor through the expiry within
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertProvider(bob, 100 * UNIT, 96 * UNIT, 0, 0);
        _takeover(alice);
        assertEq(market.leaseOf(jobId, 0).round, 3);
    }

    function test_takeover_shortStake_reverts() public {
        _freed();
        vm.prank(bob);
        market.unstake(bob, 95 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, bob, 3.75e18, 4 * UNIT));
        _takeover(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, anyone, 0, 4 * UNIT));
        _takeover(anyone);
    }

    function test_takeover_lastRound_reverts() public {
        _freed();
        // `round` is bits 16 to 31 of the lease's slot.
        bytes32 slot = slotReadBy(abi.encodeCall(IMarket.leaseOf, (jobId, 0)), 0);
        uint256 word = uint256(vm.load(address(market), slot)) & ~(uint256(0xffff) << 16);
        vm.store(address(market), slot, bytes32(word | uint256(65_535) << 16));
        assertEq(market.leaseOf(jobId, 0).round, 65_535);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyRounds.selector, jobId, 0));
        _takeover(bob);
        vm.store(address(market), slot, bytes32(word | uint256(65_534) << 16));
        _takeover(bob);
        assertEq(market.leaseOf(jobId, 0).round, 65_534);
    }

    // ------------------------------------------------------------------ when not

    /// P-34
    function test_takeover_closesAt_isTheLastSecond() public {
        _freed();
        uint64 closesAt = job.timing.closesAt;
        vm.warp(closesAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, closesAt, closesAt + 1));
        _takeover(bob);
        vm.warp(closesAt);
        _takeover(bob);
    }

    function test_takeover_wrongPhase_reverts() public {
        _wrongPhase(0, IMarket.Phase.None);
        _takeover(bob);
        claim(job, alice, 4);
        _wrongPhase(0, IMarket.Phase.Running);
        _takeover(bob);
        submit(job, alice, 0);
        _wrongPhase(0, IMarket.Phase.Settled);
        _takeover(bob);
        job = auditedJob(5000);
        jobId = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.warp(time() + 801);
        _wrongPhase(0, IMarket.Phase.Submitted);
        _takeover(bob);
    }

    function test_takeover_manyFaults_firstIsNamed() public {
        _freed();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator));
        vm.prank(operator);
        market.takeover(job, bob, 0);
        vm.prank(client);
        market.cancel(job);
        vm.warp(job.timing.closesAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        _takeover(alice);
        job.terms.nonce = 8;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        _takeover(alice);
    }
}
