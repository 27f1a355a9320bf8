// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Leases that are held, left and taken again, to be priced higher or to escape a loss. crew[4] is mallory's second provider.
contract LeavingAttack is AttackBase {
    /// One lease of four tasks from one token to two, in 1,000 seconds.
    function setUp() public override {
        super.setUp();
        IMarket.Job memory made = oneLease();
        made.price.minPrice = UNIT;
        made.timing.ramp = 1000;
        made.timing.runWindow = 8000;
        made.timing.closesAt = time() + 50_000;
        start(made);
    }

    function _priceOf(uint32 first) private view returns (uint128) {
        return market.priceAt(job, market.leaseOf(jobId, first).origin);
    }

    function _leave(address who) private {
        uint16 round = market.leaseOf(jobId, 0).round;
        vm.prank(who);
        market.leave(job, 0, round, who);
    }

    function _takeover(address who) private {
        vm.prank(who);
        market.takeover(job, who, 0);
    }

    /// Tries: the free eighth as a free option on the ramp. mallory holds the lease while the price would double, leaves for
    /// nothing, and her friend takes it in the same second (version 1: a second later, at twice the price).
    /// Fails: the ramp stands still while a lease is held.
    /// Costs: nothing, and gains nothing.
    /// P-44
    function test_freeOptionOnTheRamp_gainsNothing() public {
        claim(job, mallory, 4);
        vm.warp(time() + 1000); // an eighth of the window, and the whole ramp
        _leave(mallory);
        assertUnharmed(mallory);
        _takeover(crew[4]);
        assertEq(_priceOf(0), UNIT);
        submit(job, crew[4], 0);
        uint256 gross = 4 * UNIT;
        assertEq(gain(mallory) + gain(crew[4]), plus(gross - gross * FEE / 10_000));
        assertGain(client, minus(gross));
        assertBooks(0);
    }

    /// Tries: the same, and both wait for the price to climb before the friend comes.
    /// Fails: while the lease is free anyone takes it, at the price of that second.
    /// Costs: the time in which it is free is what the price climbs by.
    function test_freeLease_climbsOnlyWhileAnyoneCanTakeIt() public {
        claim(job, mallory, 4);
        vm.warp(time() + 1000);
        _leave(mallory);
        vm.warp(time() + 1);
        _takeover(bob);
        assertEq(_priceOf(0), UNIT + UNIT / 1000);
        vm.prank(crew[4]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.takeover(job, crew[4], 0);
    }

    /// Tries: whoever left comes back itself, at once or by being late.
    /// Fails: it is barred from the next round.
    /// Costs: gas.
    function test_leaver_isBarred() public {
        claim(job, mallory, 4);
        _leave(mallory);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, mallory));
        market.takeover(job, mallory, 0);
        _takeover(bob);
        vm.warp(time() + job.timing.runWindow + 1);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, bob));
        market.takeover(job, bob, 0);
    }

    /// Tries: both friends take the lease in turns, each leaving in its first eighth, to hold it for nothing.
    /// Fails: only a lease's first round has a free part.
    /// Costs: from the second round on a tenth of the bond for a whole window, in proportion.
    function test_friendsTakeTurns_paysFromTheSecondRoundOn() public {
        claim(job, mallory, 4);
        vm.warp(time() + 1000);
        _leave(mallory);
        _takeover(crew[4]);
        vm.warp(time() + 1000);
        _leave(crew[4]);
        assertGain(mallory, 0);
        assertGain(crew[4], minus(BOND / 10 / 8));
        assertBurned(BOND / 10 / 8);
    }

    /// Tries: the provider leaves in the last second rather than be late.
    /// Fails: leaving and being late are one rule, to the unit.
    /// Costs: a tenth of the bond.
    function test_lastSecondLeaving_costsWhatBeingLateCosts() public {
        claim(job, mallory, 4);
        uint256 state = vm.snapshotState();
        vm.warp(time() + job.timing.runWindow);
        _leave(mallory);
        assertGain(mallory, minus(BOND / 10));
        vm.revertToState(state);
        vm.warp(time() + job.timing.runWindow + 1);
        vm.prank(mallory);
        vm.expectPartialRevert(IMarket.TooLate.selector);
        market.leave(job, 0, 1, mallory);
        market.expire(job, 0);
        assertGain(mallory, minus(BOND / 10));
        assertBurned(BOND / 10);
        assertBooks(8 * UNIT);
    }

    /// Tries: the same with a seat of a redundant round, which version 1 could not leave, and whose last second was free.
    /// Fails: the same rule.
    /// Costs: a tenth of the bond; a committed seat cannot be left.
    function test_lastSecondLeaving_ofASeat() public {
        startDrawn(oneRedundant(3, 2));
        commit(alice, ROOT);
        join(mallory);
        vm.warp(time() + job.timing.runWindow);
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, alice, IMarket.Seat.Committed)
        );
        market.leave(job, 0, 1, alice);
        _leave(mallory);
        assertGain(mallory, minus(BOND / 10));
        vm.warp(time() + 1);
        settle(seats(naming(alice)));
        assertUnharmed(alice);
        assertBurned(BOND / 10);
    }

    /// Tries: a friend takes a late lease at once, at a higher price for the time in which it was held.
    /// Fails: the ramp went on from the deadline only, whenever somebody calls.
    /// Costs: a tenth of the bond for nothing.
    function test_repricedByLateness_gainsNothing() public {
        claim(job, mallory, 4);
        vm.warp(time() + job.timing.runWindow + 1);
        _takeover(crew[4]);
        assertEq(_priceOf(0), UNIT + UNIT / 1000, "a second after the deadline");
        assertEq(gain(mallory) + gain(crew[4]), minus(BOND / 10));
    }

    /// Tries: claim, leave and takeover by a friend in one transaction.
    /// Fails to gain: no time passed, and the price is the same.
    /// Costs: gas.
    function test_repricedInOneBatch_gainsNothing() public {
        vm.prank(crew[4]);
        market.setOperator(mallory, true);
        vm.startPrank(mallory);
        market.claim(job, mallory, 4, 4);
        market.leave(job, 0, 1, mallory);
        market.takeover(job, crew[4], 0);
        vm.stopPrank();
        assertEq(_priceOf(0), UNIT);
        assertUnharmed(mallory);
    }

    /// Tries: the client withholds an input to have a bond burned.
    /// Fails: in the first eighth the provider leaves for nothing.
    /// Costs: the client time. Later it costs the provider its part of a tenth, and the client gains nothing of it.
    function test_withheldInput_costsNothingInTheFirstEighth() public {
        claim(job, alice, 4);
        vm.warp(time() + job.timing.runWindow / 8);
        _leave(alice);
        assertUnharmed(alice);
        _takeover(bob);
        vm.warp(time() + job.timing.runWindow / 2);
        _leave(bob);
        assertGain(bob, minus(BOND / 20));
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertGain(client, 0);
        assertBurned(BOND / 20);
        assertBooks(0);
    }
}
