// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

contract ProvidersTest is Base {
    function test_stake() public {
        mint(anyone, 10);
        vm.expectEmit(address(market));
        emit IMarket.Staked(anyone, 3, 4);
        vm.startPrank(anyone);
        market.stake(4);
        vm.warp(time() + 5);
        market.stake(6);
        IMarket.ProviderState memory p = market.providerOf(anyone);
        assertEq(p.number, 3);
        assertEq(p.stake, 10);
        assertEq(p.free, 10);
        assertEq(p.stakedAt, time());
        assertEq(market.balanceOf(anyone), 0); // stake is no balance
    }

    function test_stake_reverts() public {
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroAmount.selector);
        market.stake(0);
        vm.expectRevert(); // the token's own error
        market.stake(1);
    }

    function test_unstake() public {
        vm.warp(time() + 1 days);
        vm.expectEmit(address(market));
        emit IMarket.Unstaked(alice, anyone, 100 * UNIT);
        vm.prank(alice);
        market.unstake(anyone, 100 * UNIT);
        assertEq(token.balanceOf(anyone), 100 * UNIT);
        IMarket.ProviderState memory p = market.providerOf(alice);
        assertEq(p.stake, 0);
        assertEq(p.free, 0);
        assertEq(p.number, 1);
        assertEq(p.stakedAt, time() - 1 days);
    }

    /// P-21 P-34: stake stays for the market's stake age since it last grew, to the second, by however little that was.
    function test_unstake_age() public {
        uint64 from = time() + 1 days;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, from, from - 1));
        vm.prank(alice);
        market.unstake(alice, 1);
        stakeOf(alice, 1);
        from = time() + 1 days;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, from, from - 1));
        vm.prank(alice);
        market.unstake(alice, 1);
        vm.warp(from);
        vm.prank(alice);
        market.unstake(alice, 100 * UNIT + 1);
        assertEq(market.totalStake(), 100 * UNIT, "bob's");
    }

    function test_unstake_reverts() public {
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroAmount.selector);
        market.unstake(alice, 0);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        market.unstake(address(0), 1);
        uint128 all = 100 * UNIT;
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, all, all + 1));
        market.unstake(alice, all + 1);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, operator, 0, 1));
        vm.prank(operator); // an operator moves no stake
        market.unstake(operator, 1);
    }

    function test_unstake_notWhatALeaseLocks() public {
        IMarket.Job memory job = aJob();
        post(job);
        claim(job, alice, 4);
        vm.warp(time() + 1 days);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, 96 * UNIT, 96 * UNIT + 1)
        );
        vm.prank(alice);
        market.unstake(alice, 96 * UNIT + 1);
        vm.prank(alice);
        market.unstake(alice, 96 * UNIT);
        assertProvider(alice, 4 * UNIT, 0, 0, 0);
    }

    function test_setOperator() public {
        assertTrue(market.isOperator(alice, operator));
        assertTrue(market.isOperator(alice, alice));
        assertFalse(market.isOperator(bob, operator));
        vm.expectEmit(address(market));
        emit IMarket.OperatorSet(alice, operator, false);
        vm.prank(alice);
        market.setOperator(operator, false);
        assertFalse(market.isOperator(alice, operator));
        vm.expectRevert(IMarket.ZeroAddress.selector);
        vm.prank(alice);
        market.setOperator(address(0), true);
    }

    function test_setOperator_beforeTheFirstStake() public {
        vm.prank(anyone);
        market.setOperator(operator, false);
        assertEq(market.providerOf(anyone).number, 0); // nothing to remember
        vm.prank(anyone);
        market.setOperator(operator, true);
        assertTrue(market.isOperator(anyone, operator));
        assertEq(market.providerOf(anyone).number, 3);
        stakeOf(anyone, UNIT);
        assertEq(market.providerOf(anyone).number, 3);
        IMarket.Job memory job = aJob();
        post(job);
        vm.prank(operator);
        market.claim(job, anyone, 1);
        assertEq(market.leaseOf(market.hashJob(job), 0).provider, anyone);
    }

    function test_setProfile() public {
        vm.expectEmit(address(market));
        emit IMarket.ProfileSet(alice, "node", "caps", "https://a.example");
        vm.prank(alice);
        market.setProfile("node", "caps", "https://a.example");
        (bytes32 node, bytes32 caps, string memory endpoint) = market.profileOf(alice);
        assertEq(node, "node");
        assertEq(caps, "caps");
        assertEq(endpoint, "https://a.example");
        vm.prank(alice);
        market.setProfile(0, 0, "");
        (node, caps, endpoint) = market.profileOf(alice);
        assertEq(node, 0);
        assertEq(bytes(endpoint).length, 0);
    }

    function test_setProfile_lengthOfTheEndpoint() public {
        vm.startPrank(alice);
        market.setProfile(0, 0, string(new bytes(128)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.EndpointTooLong.selector, 129, 128));
        market.setProfile(0, 0, string(new bytes(129)));
    }

    function test_numbersCountUp() public view {
        assertEq(market.providerOf(alice).number, 1);
        assertEq(market.providerOf(bob).number, 2);
        assertEq(market.providerOf(anyone).number, 0);
    }
}
