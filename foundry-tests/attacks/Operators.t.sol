// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// An executor's key in a thief's hands: everything it can call. It is on a machine that runs strangers' containers.
contract OperatorsAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
        claim(job, alice, 2);
        submit(job, alice, 0);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertGt(market.balanceOf(alice), 0, "alice has earnings to steal");
    }

    /// P-09: neither stake nor earnings move, nor who may move them.
    function test_P09_nothingMoves() public {
        uint128 earned = market.balanceOf(alice);
        bytes32 profile = keccak256(abi.encode(alice, "profile"));
        vm.prank(alice);
        market.setProfile(profile, profile, "https://alice");
        vm.startPrank(operator);
        // Each of these is about the caller's own account, which has nothing.
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, operator, 0, earned));
        market.withdraw(operator, earned);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, operator, 0, 1));
        market.unstake(operator, 1);
        market.setOperator(mallory, true);
        market.setProfile(LIE, LIE, "https://mallory");
        IMarket.Job memory theirs = aJob();
        theirs.terms.client = alice;
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, alice, operator));
        market.post(theirs, spec);
        vm.stopPrank();

        assertFalse(market.isOperator(alice, mallory));
        (bytes32 node,,) = market.profileOf(alice);
        assertEq(node, profile);
        assertEq(market.balanceOf(alice), earned);
        vm.startPrank(alice);
        market.withdraw(alice, earned);
        market.unstake(alice, STAKE);
        vm.stopPrank();
        assertEq(token.balanceOf(alice), earned + STAKE);
    }

    /// P-09: what it can do is claim, submit, release, join, commit, reveal, respond; all that this costs alice comes
    /// through a slash, and each of those is burned: nothing to steal.
    function test_P09_worstIsASlash() public {
        uint256 thieves = worth(operator) + worth(mallory);
        vm.startPrank(operator);
        market.claim(job, alice, 4); // and lets it expire
        market.claim(job, alice, 4); // and submits a lie
        bytes32[] memory lies = Merkle.someDigests(666, 4);
        market.submit(job, 6, alice, Merkle.root(6, lies), MANIFEST);
        vm.stopPrank();
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, 2);
        assertEq(market.providerOf(alice).stake, STAKE - 4 * UNIT / 10);
        assertEq(market.burned(), 4 * UNIT / 10);
        assertEq(worth(operator) + worth(mallory), thieves);
        // The key is taken away, and what runs goes on without it.
        vm.prank(alice);
        market.setOperator(operator, false);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, operator));
        market.claim(job, alice, 1);
        market.finalize(job, 6);
        assertEq(market.providerOf(alice).free, STAKE - 4 * UNIT / 10);
        assertBooks(4 * 2 * UNIT);
    }

    /// P-09 P-02: it can lock stake in seats and leases, but only within the stake, and not past their deadlines.
    function test_P09_locksAllItCan() public {
        IMarket.Job memory trap = aJob();
        trap.terms.client = mallory; // the thief's own job
        trap.terms.nonce = 66;
        trap.price.minPrice = 0;
        trap.price.maxPrice = 0;
        trap.price.bond = 25 * UNIT;
        trap.timing.opensAt = time();
        trap.timing.closesAt = time();
        trap.timing.runWindow = 30 days;
        post(trap);
        vm.startPrank(operator);
        market.claim(trap, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, 0, 100 * UNIT));
        market.claim(trap, alice, 4);
        vm.stopPrank();
        // alice notices within the first eighth (nearly four days): nothing is lost.
        vm.warp(time() + 3 days);
        vm.prank(alice);
        market.release(trap, 0, alice);
        assertUnharmed(alice);
        vm.prank(alice);
        market.unstake(alice, STAKE);
    }

    /// P-18: a key serves the provider that named it and no other; being named gives the provider nothing either.
    function test_P18_uninvitedOperator() public {
        vm.prank(mallory);
        market.setOperator(bob, true); // mallory makes bob its operator, unasked
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, mallory));
        market.claim(job, bob, 1);
        vm.stopPrank();
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, mallory, operator));
        market.claim(job, mallory, 1);
    }
}
