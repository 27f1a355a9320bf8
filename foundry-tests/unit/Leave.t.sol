// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A round without a result. `B = bond * count`, `e = t - since`. Both acts free the lease for its next round; what is slashed
/// is burned.
///
/// | act | by | valid | burned | counts as late | free since |
/// | --- | --- | --- | --- | --- | --- |
/// | `leave` | holder, operator | round 1, `e <= runWindow / 8` | 0 | no | t |
/// | `leave` | the same | otherwise, `e <= runWindow` | `B * e / (10 * runWindow)`, down | if it is not 0 | t |
/// | `expire` | anyone | `e > runWindow` | `B / 10`, down | yes | since + runWindow |
contract LeaveTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;
    uint64 private start;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
        claim(job, alice, 4);
        start = time();
    }

    function _leave(address provider, uint16 round) private {
        vm.prank(provider);
        market.leave(job, 0, round, provider);
    }

    function _wrongPhase(IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, phase));
    }

    /// The provider leaves `elapsed` seconds after `from`, and loses `burned` of its bond of 4.
    function _leaves(address provider, uint16 round, uint64 from, uint64 elapsed, uint128 burned) private {
        uint256 snapshot = vm.snapshotState();
        uint256 burnedBefore = market.burned();
        vm.warp(from + elapsed);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, provider, round + 1, IMarket.Reason.Left, burned);
        _leave(provider, round);
        assertProvider(provider, 100 * UNIT - burned, 100 * UNIT - burned, 0, burned == 0 ? 0 : 1);
        assertEq(market.burned() - burnedBefore, burned);
        assertEq(market.totalStake(), 200 * UNIT - market.burned());
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Free));
        assertEq(l.provider, provider);
        assertEq(l.round, round + 1);
        assertEq(l.since, time());
        assertEq(market.balanceOf(client), 980 * UNIT); // nobody gains
        assertEq(market.balanceOf(treasury), 0);
        vm.revertToState(snapshot);
    }

    // ------------------------------------------------------------------ leave

    function test_leave_firstEighthOfFirstRound_isFree() public {
        _leaves(alice, 1, start, 0, 0);
        _leaves(alice, 1, start, 1, 0);
        _leaves(alice, 1, start, 100, 0);
        _leaves(alice, 1, start, 101, 4 * UNIT * 101 / 8000);
    }

    /// After the free part the whole time counts, not the time after it.
    function test_leave_later_burnsInProportion() public {
        _leaves(alice, 1, start, 400, 0.2e18);
        _leaves(alice, 1, start, 799, 4 * UNIT * 799 / 8000);
        _leaves(alice, 1, start, 800, 0.4e18);
    }

    /// Only a lease's first round has a free part.
    function test_leave_laterRounds_haveNoFreePart() public {
        vm.warp(start + 10);
        _leave(alice, 1);
        vm.warp(start + 20);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        _leaves(bob, 2, start + 20, 0, 0); // nothing has passed
        _leaves(bob, 2, start + 20, 1, 4 * UNIT / 8000);
        _leaves(bob, 2, start + 20, 100, 0.05e18);
        _leaves(bob, 2, start + 20, 800, 0.4e18);
    }

    /// The eighth rounds down, and so does what is burned.
    function test_leave_oddWindow_roundsDown() public {
        (job.timing.runWindow, job.price.bond) = (807, 7);
        jobId = post(job);
        claim(job, alice, 4);
        uint64 now_ = time();
        uint256 snapshot = vm.snapshotState();
        vm.warp(now_ + 100); // 807 / 8 = 100.875
        _leave(alice, 1);
        assertEq(market.burned(), 0);
        vm.revertToState(snapshot);
        vm.warp(now_ + 101);
        _leave(alice, 1);
        assertEq(market.burned(), 0); // 28 * 101 / 8070 = 0.35
        vm.revertToState(snapshot);
        vm.warp(now_ + 600);
        _leave(alice, 1);
        assertEq(market.burned(), 2); // 28 * 600 / 8070 = 2.08
    }

    /// P-34
    function test_leave_deadline_isExact() public {
        vm.warp(start + 801);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, start + 800, start + 801));
        _leave(alice, 1);
        vm.warp(start + 800);
        _leave(alice, 1);
    }

    function test_leave_byOperator_isForProvider() public {
        vm.prank(operator);
        market.leave(job, 0, 1, alice);
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 0, 0);
    }

    /// The end of the job is no reason to stay.
    function test_leave_afterCancelAndClosing_works() public {
        vm.warp(job.timing.closesAt);
        uint32 first = claim(job, bob, 4);
        vm.prank(client);
        market.cancel(job);
        vm.warp(time() + 100);
        vm.prank(bob);
        market.leave(job, first, 1, bob);
        assertProvider(bob, 100 * UNIT, 100 * UNIT, 0, 0);
    }

    function test_leave_manyFaults_firstIsNamed() public {
        vm.warp(start + 801);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, client));
        vm.prank(client);
        market.leave(job, 0, 2, alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 0));
        _leave(bob, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        _leave(bob, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, anyone));
        _leave(anyone, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, start + 800, start + 801));
        _leave(alice, 1);
    }

    function test_leave_wrongPhase_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 4, IMarket.Phase.None));
        vm.prank(alice);
        market.leave(job, 4, 1, alice);
        uint256 snapshot = vm.snapshotState();
        _leave(alice, 1);
        _wrongPhase(IMarket.Phase.Free);
        _leave(alice, 2);
        vm.revertToState(snapshot);
        submit(job, alice, 0);
        _wrongPhase(IMarket.Phase.Settled);
        _leave(alice, 1);
    }

    function test_leave_submittedLease_reverts() public {
        job = auditedJob(5000);
        jobId = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        _wrongPhase(IMarket.Phase.Submitted);
        _leave(alice, 1);
    }

    // ------------------------------------------------------------------ expire

    /// P-34: from the second after the deadline on. The lease is free since its deadline, whenever somebody says so.
    function test_expire_deadline_isExact() public {
        vm.warp(start + 800);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, start + 801, start + 800));
        market.expire(job, 0);
        for (uint64 late = 1; late <= 1001; late += 1000) {
            uint256 snapshot = vm.snapshotState();
            vm.warp(start + 800 + late);
            vm.expectEmit(address(market));
            emit IMarket.Freed(jobId, 0, alice, 2, IMarket.Reason.Late, 0.4e18);
            vm.prank(anyone);
            market.expire(job, 0);
            assertProvider(alice, 99.6e18, 99.6e18, 0, 1);
            assertEq(market.burned(), 0.4e18);
            assertEq(market.totalStake(), 199.6e18);
            assertEq(market.balanceOf(client), 980 * UNIT); // nobody gains
            IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
            assertEq(uint8(l.phase), uint8(IMarket.Phase.Free));
            assertEq(l.provider, alice);
            assertEq(l.round, 2);
            assertEq(l.since, start + 800);
            assertEq(l.origin, start);
            _wrongPhase(IMarket.Phase.Free);
            market.expire(job, 0);
            vm.revertToState(snapshot);
        }
    }

    function test_expire_afterJobsEnd_works() public {
        vm.prank(client);
        market.cancel(job);
        vm.warp(job.timing.closesAt + 30 days);
        market.expire(job, 0);
        assertProvider(alice, 99.6e18, 99.6e18, 0, 1);
    }

    function test_expire_submittedOrMissing_reverts() public {
        job = auditedJob(5000);
        jobId = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.warp(time() + 801);
        _wrongPhase(IMarket.Phase.Submitted);
        market.expire(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 4, IMarket.Phase.None));
        market.expire(job, 4);
    }

    /// A tenth of 18 is 1. A slash of nothing counts as late all the same.
    function test_expire_smallBond_roundsDown() public {
        job.price.bond = 9;
        post(job);
        claim(job, alice, 2);
        job.price.bond = 4;
        job.terms.nonce = 8;
        post(job);
        claim(job, bob, 2);
        vm.warp(time() + 801);
        market.expire(job, 0);
        assertEq(market.burned(), 0);
        assertProvider(bob, 100 * UNIT, 100 * UNIT, 0, 1);
        (job.price.bond, job.terms.nonce) = (9, 7);
        market.expire(job, 0);
        assertEq(market.burned(), 1);
        assertProvider(alice, 100 * UNIT - 1, 96 * UNIT - 1, 0, 1);
    }

    /// P-38: otherwise a full counter would make a late lease impossible to end.
    function test_expire_lateIsFull_saturates() public {
        // `late` is bits 136 to 167 of the stake's slot, which comes after the number's and the provider's.
        bytes32 slot = slotReadBy(abi.encodeCall(IMarket.providerOf, (alice)), 2);
        bytes32 word = vm.load(address(market), slot) | bytes32(uint256(type(uint32).max) << 136);
        vm.store(address(market), slot, word);
        assertProvider(alice, 100 * UNIT, 96 * UNIT, 0, type(uint32).max);
        vm.warp(start + 801);
        market.expire(job, 0);
        assertProvider(alice, 99.6e18, 99.6e18, 0, type(uint32).max);
    }

    /// The round saturates: the last one repeats, and every end still works.
    function test_expire_lastRound_repeats() public {
        // `round` is bits 16 to 31 of the lease's slot.
        bytes32 slot = slotReadBy(abi.encodeCall(IMarket.leaseOf, (jobId, 0)), 0);
        bytes32 word = vm.load(address(market), slot) | bytes32(uint256(type(uint16).max) << 16);
        vm.store(address(market), slot, word);
        assertEq(market.leaseOf(jobId, 0).round, 65_535);
        vm.warp(start + 801);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, 65_535, IMarket.Reason.Late, 0.4e18);
        market.expire(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyRounds.selector, jobId, 0));
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }
}
