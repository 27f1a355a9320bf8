// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// An executor's key in a thief's hands: everything that it can call. It is on a machine that runs strangers' containers.
/// The thief has eve's money, and mallory's stake.
contract OperatorsAttack is AttackBase {
    /// Tries: the key takes alice's stake or earnings, or names somebody who may.
    /// Fails: each of these calls is about the caller's own account, which has nothing.
    /// Costs: gas.
    function test_stolenOperatorKey_movesNoMoney() public {
        start(oneLease());
        claim(job, alice, 4);
        submit(job, alice, 0);
        uint128 earned = market.balanceOf(alice);
        assertEq(earned, PRICE - CUT, "alice has earnings to steal");
        IMarket.Job memory theirs = aJob();
        theirs.terms.client = alice;
        vm.prank(alice);
        market.setProfile(RIGHT, RIGHT, "https://alice");
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, operator, 0, earned));
        market.withdraw(operator, earned);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, operator, 0, 1));
        market.unstake(operator, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, alice, operator));
        market.post(theirs, spec);
        market.setOperator(mallory, true);
        market.setProfile(LIE, LIE, "https://mallory");
        vm.stopPrank();

        assertFalse(market.isOperator(alice, mallory));
        (bytes32 node,,) = market.profileOf(alice);
        assertEq(node, RIGHT);
        vm.startPrank(alice);
        market.withdraw(alice, earned);
        market.unstake(alice, STAKE);
        vm.stopPrank();
        assertEq(token.balanceOf(alice), earned + STAKE);
    }

    /// Tries: the thief posts a job of its own, has alice's key submit a lie with three quarters of her stake at risk, and an
    /// honest jury convicts her (version 1 paid half of the bond to the thief).
    /// Fails: all of it is burned, and the thief pays the jury.
    /// Costs: the thief price and jury fees; alice 75 tokens: a key can hurt its provider. A quarter stays.
    function test_stolenOperatorKey_earnsNothingByAConviction() public {
        IMarket.Job memory trap = oneAudited();
        trap.terms.client = eve;
        trap.price.minPrice = trap.price.maxPrice = 0;
        trap.price.bond = 75 * UNIT / 4;
        start(trap);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseDoesNotFit.selector, 4, 5, 8));
        market.claim(job, alice, 5, 8);
        digests = [LIE, LIE, LIE, LIE];
        vm.startPrank(operator);
        market.claim(job, alice, 4, 4);
        market.submit(job, 0, 1, alice, _root(), DIGESTS);
        vm.stopPrank();
        vm.prank(alice);
        market.setOperator(operator, false);
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(alice, minus(75 * UNIT));
        assertEq(gain(eve) + gain(operator) + gain(mallory), minus(3 * JURY_FEE));
        assertBurned(75 * UNIT);
        assertBooks(0);
    }

    function _root() private view returns (bytes32) {
        bytes32[4] memory leaves;
        for (uint32 i; i < 4; ++i) {
            leaves[i] = keccak256(abi.encodePacked(keccak256(abi.encode(i, digests[i]))));
        }
        return keccak256(
            abi.encodePacked(
                keccak256(abi.encodePacked(leaves[0], leaves[1])),
                keccak256(abi.encodePacked(leaves[2], leaves[3]))
            )
        );
    }

    /// Tries: the key sits on a jury for alice, votes garbage, and the thief's own jurors outvote it to be paid.
    /// Fails: alice's juror's bond is burned; jurors are paid by the client alone.
    /// Costs: here the thief is the client: it pays its own jurors. alice loses J.
    function test_stolenOperatorKey_earnsNothingOnAJury() public {
        IMarket.Job memory trap = oneAudited();
        trap.terms.client = eve;
        trap.price.juryFee = 12 * UNIT; // a juror's bond of 96
        start(trap);
        submitted(mallory, RIGHT);
        toss(true);
        bytes32 garbage = commitment(jobId, 0, 1, 1, alice, LIE, LIE);
        vm.prank(operator);
        market.commitVote(job, 0, 1, 1, alice, garbage);
        vote(1, crew[0], RIGHT);
        vote(1, crew[1], RIGHT);
        judge(1, seats(opening(alice, LIE, LIE), voted(crew[0], RIGHT), voted(crew[1], RIGHT)));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertGain(alice, minus(96 * UNIT));
        assertEq(gain(eve) + gain(mallory) + gain(crew[0]) + gain(crew[1]), minus(CUT));
        assertBurned(96 * UNIT);
        assertBooks(0);
    }

    /// Tries: the key locks all that it can in leases of the thief's own, for as long as it can.
    /// Fails: a lease locks no more than three quarters, and alice leaves within the first eighth for nothing.
    /// Costs: the thief gas. A quarter can be taken out at once.
    function test_stolenOperatorKey_locksAllItCan() public {
        IMarket.Job memory trap = oneLease();
        trap.terms.client = eve;
        trap.terms.tasks = 8;
        trap.terms.minLease = 1;
        trap.price.minPrice = trap.price.maxPrice = 0;
        trap.price.bond = 18 * UNIT;
        trap.timing.runWindow = 30 days;
        start(trap);
        vm.startPrank(operator);
        market.claim(job, alice, 4, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, 3 * UNIT, 18 * UNIT)
        );
        market.claim(job, alice, 1, 1);
        vm.stopPrank();
        vm.startPrank(alice);
        market.unstake(alice, 28 * UNIT);
        vm.warp(time() + 3 days);
        market.leave(job, 0, 1, alice);
        market.unstake(alice, 72 * UNIT);
        vm.stopPrank();
        assertGain(alice, 0);
        assertBurned(0);
    }

    /// Tries: an operator acts for a provider that never named it, or a provider makes another its operator unasked.
    /// Fails: a key serves those that named it.
    /// Costs: gas.
    function test_uninvitedOperator() public {
        start(oneLease());
        vm.prank(mallory);
        market.setOperator(bob, true);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, mallory));
        market.claim(job, bob, 4, 4);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, mallory, operator));
        market.claim(job, mallory, 4, 4);
        vm.prank(alice);
        market.setOperator(operator, false);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, operator));
        market.claim(job, alice, 4, 4);
    }
}
