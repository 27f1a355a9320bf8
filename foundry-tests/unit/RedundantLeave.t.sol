// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// leave, of a redundant lease: what it costs and what becomes of the seat.
///
/// | lease is               | by                | seat was          | becomes | costs                                        |
/// | ---------------------- | ----------------- | ----------------- | ------- | -------------------------------------------- |
/// | Free                   | provider/operator | Joined, Committed | None    | nothing                                      |
/// | Running, to commitBy   | provider/operator | Joined            | Left    | 0 in an eighth of round 1, else 10 % t/window |
/// | Refunded               | anyone            | Joined, Committed | None    | nothing                                      |
/// | anything else          |                   |                   |         | refused                                      |
contract RedundantLeaveTest is RedundantBase {
    uint256 private constant WINDOW = 800;

    function _expectLeft(uint32 first, address who, uint256 burned) private {
        vm.expectEmit(address(market));
        // forge-lint: disable-next-line(unsafe-typecast)
        emit IMarket.SeatLeft(jobId, first, who, round, uint128(burned));
    }

    function _refused(bytes memory error_, uint32 first, address who) private {
        vm.expectRevert(error_);
        leave(first, who);
    }

    // ------------------------------------------------------------------ before the round begins

    function test_leave_beforeTheRound_isFree() public {
        join(0, alice);
        vm.warp(time() + 1 days);
        _expectLeft(0, alice, 0);
        leave(0, alice);
        assertUntouched(alice);
        assertSeat(0, alice, IMarket.Seat.None);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 0, 0);
        _refused(wrongSeat(0, alice, IMarket.Seat.None), 0, alice);
    }

    function test_leave_beforeTheRound_itMayComeBack() public {
        join(0, alice);
        leave(0, alice);
        join(0, alice);
        join(0, bob);
        assertLease(0, IMarket.Phase.Running, 1, time(), 2, 0);
    }

    function test_leave_beforeTheRound_withACommitment() public {
        commit(0, alice, ROOT);
        leave(0, alice);
        assertUntouched(alice);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 0, 0);
        commit(0, bob, ROOT);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 1, 1);
    }

    function test_leave_beforeTheRound_afterTheJobsEnd() public {
        join(0, alice);
        commit(0, bob, ROOT); // begins lease 0, opens lease 4
        awaken(4);
        join(4, carol);
        vm.prank(client);
        market.cancel(job);
        vm.warp(job.timing.closesAt + 1);
        leave(4, carol);
        assertUntouched(carol);
    }

    // ------------------------------------------------------------------ in the round

    function test_leave_inTheFirstEighth_isFree() public {
        join(0, alice);
        join(0, bob);
        vm.warp(time() + WINDOW / 8);
        _expectLeft(0, alice, 0);
        leave(0, alice);
        assertUntouched(alice);
        assertSeat(0, alice, IMarket.Seat.Left);
        assertLease(0, IMarket.Phase.Running, 1, time() - 100, 1, 0);
    }

    function test_leave_afterTheFirstEighth_costsItsShareOfATenth() public {
        join(0, alice);
        join(0, bob);
        vm.warp(time() + WINDOW / 8 + 1);
        uint256 loss = BOND * 101 / (10 * WINDOW);
        assertEq(loss, 0.0505 ether);
        _expectLeft(0, alice, loss);
        leave(0, alice);
        assertHas(alice, STAKE - loss, 0, 0, 1, 0);
        assertEq(market.burned(), loss);
    }

    function test_leave_inTheLastSecond_costsATenth() public {
        join(0, alice);
        join(0, bob);
        uint64 last = commitBy(0);
        vm.warp(last);
        _expectLeft(0, alice, BOND / 10);
        leave(0, alice);
        assertHas(alice, STAKE - BOND / 10, 0, 0, 1, 0);
        vm.warp(last + 1);
        _refused(tooLate(last), 0, bob);
    }

    /// Shares of a tenth are rounded down.
    function test_leave_roundsDown() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.price.bond = 999;
        postThis(made);
        awaken(0);
        join(0, alice);
        join(0, bob);
        vm.warp(time() + 333);
        leave(0, alice);
        assertEq(market.burned(), 166); // 3,996 / 10 * 333 / 800 = 166.33
    }

    function test_leave_inALaterRound_hasNoFreePart() public {
        spoil(0);
        awaken(0);
        join(0, carol);
        join(0, dave);
        uint256 before = vm.snapshotState();
        _expectLeft(0, carol, 0); // no time has passed
        leave(0, carol);
        vm.revertToState(before);
        vm.warp(time() + 1);
        uint256 loss = BOND / (10 * WINDOW);
        _expectLeft(0, carol, loss);
        leave(0, carol);
        assertHas(carol, STAKE - loss, 0, 0, 1, 0);
    }

    function test_leave_notWithACommitment() public {
        twoCommit(ROOT, ROOT);
        _refused(wrongSeat(0, alice, IMarket.Seat.Committed), 0, alice);
    }

    function test_leave_opensTheSeatForAnother() public {
        join(0, alice);
        join(0, bob);
        join(0, carol);
        uint64 began = time();
        vm.warp(began + 50);
        leave(0, alice);
        commit(0, dave, ROOT);
        assertLease(0, IMarket.Phase.Running, 1, began, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0));
        join(0, erin);
    }

    /// The round goes on though it has less than a quorum of seats, and begins only once.
    function test_leave_doesNotEndTheRound() public {
        join(0, alice);
        join(0, bob);
        uint64 began = time();
        leave(0, alice);
        leave(0, bob);
        vm.warp(began + WINDOW);
        assertLease(0, IMarket.Phase.Running, 1, began, 0, 0);
        commit(0, carol, ROOT);
        commit(0, dave, ROOT);
        assertLease(0, IMarket.Phase.Running, 1, began, 2, 2);
        assertEq(market.jobOf(jobId).next, 8, "the next lease opened once");
    }

    function test_leave_ofAll_thenTheRoundLapses() public {
        join(0, alice);
        join(0, bob);
        leave(0, alice);
        leave(0, bob);
        vm.warp(commitBy(0) + 1);
        expectFreed(IMarket.Reason.TooFewCommits);
        settle(0, panel());
        assertLapsed();
    }

    // ------------------------------------------------------------------ who left does not come back at once

    function test_leave_barsFromTheRoundAndTheNext() public {
        join(0, alice);
        join(0, bob);
        leave(0, alice);
        vm.expectRevert(wrongSeat(0, alice, IMarket.Seat.Left));
        join(0, alice);
        vm.expectRevert(wrongSeat(0, alice, IMarket.Seat.Left));
        commit(0, alice, ROOT);
        _refused(wrongSeat(0, alice, IMarket.Seat.Left), 0, alice);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(bob)));
        round = 2;
        awaken(0);
        bytes memory barred = abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, alice);
        vm.expectRevert(barred);
        join(0, alice);
        vm.expectRevert(barred);
        commit(0, alice, ROOT);
        join(0, carol);
        join(0, dave);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(carol), named(dave)));
        round = 3;
        awaken(0);
        join(0, alice);
        assertSeat(0, alice, IMarket.Seat.Joined);
    }

    /// One that left before a round began is barred from nothing.
    function test_leave_beforeTheRound_barsFromNothing() public {
        join(0, alice);
        leave(0, alice);
        join(0, bob);
        join(0, carol);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(bob), named(carol)));
        round = 2;
        awaken(0);
        join(0, alice);
    }

    // ------------------------------------------------------------------ after a refund

    function test_leave_afterTheRefund_byAnyone() public {
        join(0, alice);
        commit(0, bob, ROOT);
        awaken(4);
        join(4, carol);
        vm.warp(job.timing.closesAt + 1);
        close(job, 4);
        assertBooks();
        assertEq(freeOf(carol), STAKE - BOND, "still locked");
        _expectLeft(4, carol, 0);
        vm.prank(anyone);
        market.leave(job, 4, 1, carol);
        assertUntouched(carol);
        assertSeat(4, carol, IMarket.Seat.None);
        vm.prank(anyone);
        vm.expectRevert(wrongSeat(4, carol, IMarket.Seat.None));
        market.leave(job, 4, 1, carol);
    }

    function test_leave_afterTheRefund_withACommitment() public {
        commit(0, alice, ROOT);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        vm.prank(anyone);
        vm.expectRevert(wrongRound(0, 1, 0));
        market.leave(job, 0, 2, alice);
        vm.prank(anyone);
        vm.expectRevert(wrongSeat(0, bob, IMarket.Seat.None));
        market.leave(job, 0, 1, bob);
        vm.prank(anyone);
        market.leave(job, 0, 1, alice);
        assertUntouched(alice);
        assertLease(0, IMarket.Phase.Refunded, 1, job.timing.opensAt, 0, 0);
        assertBooks();
    }

    // ------------------------------------------------------------------ who, of what

    function test_leave_byTheProviderOrItsOperator() public {
        join(0, alice);
        vm.prank(anyone);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, anyone));
        market.leave(job, 0, 1, alice);
        vm.prank(operator);
        market.leave(job, 0, 1, alice);
        assertUntouched(alice);
        join(0, alice);
        join(0, bob);
        vm.prank(anyone);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, anyone));
        market.leave(job, 0, 1, alice);
        vm.prank(operator);
        market.leave(job, 0, 1, alice);
        assertSeat(0, alice, IMarket.Seat.Left);
    }

    function test_leave_ofASeatOfThisRound() public {
        join(0, alice);
        _refused(wrongSeat(0, bob, IMarket.Seat.None), 0, bob);
        round = 2;
        _refused(wrongRound(0, 1, 0), 0, alice);
        round = 1;
        join(0, bob);
        _refused(wrongSeat(0, carol, IMarket.Seat.None), 0, carol);
        round = 2;
        _refused(wrongRound(0, 1, 0), 0, alice);
    }

    function test_leave_ofALeaseThatTakesSeats() public {
        _refused(wrongPhase(0, IMarket.Phase.None), 0, alice);
        _refused(wrongPhase(4, IMarket.Phase.None), 4, alice);
        threeCommit(ROOT, OTHER, THIRD);
        _refused(wrongPhase(0, IMarket.Phase.Revealing), 0, alice);
        settle(0, three(ROOT, OTHER, THIRD));
        _refused(wrongPhase(0, IMarket.Phase.Void), 0, alice);
        round = 1;
        awaken(4);
        commit(4, alice, ROOT);
        commit(4, bob, ROOT);
        commit(4, carol, ROOT);
        settle(4, three(ROOT, ROOT, ROOT));
        _refused(wrongPhase(4, IMarket.Phase.Settled), 4, alice);
        job.terms.nonce++;
        _refused(jobUnknown(market.hashJob(job)), 0, alice);
    }
}
