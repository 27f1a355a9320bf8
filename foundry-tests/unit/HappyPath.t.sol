// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A job from post to the last unit, read from outside.
contract HappyPathTest is Base {
    function test_wholeJob() public {
        IMarket.Job memory job = aJob();
        bytes32 jobId = post(job);
        assertEq(jobId, market.hashJob(job));
        assertEq(market.balanceOf(client), 980 * UNIT);

        vm.warp(job.timing.opensAt + 500); // price 1.5
        uint32 a = claim(job, alice, 4);
        uint32 b = claim(job, bob, 100);
        uint32 c = claim(job, alice, 100);
        assertEq(a, 0);
        assertEq(b, 4);
        assertEq(c, 8);
        assertProvider(alice, 100 * UNIT, 94 * UNIT, 0, 0);
        submit(job, alice, a);
        submit(job, bob, b);
        submit(job, alice, c);
        vm.prank(client);
        market.accept(job, a, ROOT);
        vm.warp(block.timestamp + job.timing.challengeWindow + 1);
        market.finalize(job, b);
        market.finalize(job, c);

        uint256 fee = 15 * UNIT * FEE / 10_000;
        assertEq(market.balanceOf(client), 985 * UNIT);
        assertEq(market.balanceOf(treasury), fee);
        assertEq(market.balanceOf(alice), 6 * UNIT * 3 / 2 - 6 * UNIT * 3 / 2 * FEE / 10_000);
        assertEq(uint256(market.balanceOf(alice)) + market.balanceOf(bob) + fee, 15 * UNIT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 2, 0);
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, 4);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(how), uint8(IMarket.How.Unchallenged));
        (,, how) = market.resultRoot(jobId, 0);
        assertEq(uint8(how), uint8(IMarket.How.Accepted));

        for (uint256 i; i < 4; ++i) {
            address who = [client, alice, bob, treasury][i];
            uint128 balance = market.balanceOf(who);
            vm.prank(who);
            market.withdraw(who, balance);
            assertEq(token.balanceOf(who), balance);
        }
        assertEq(token.balanceOf(address(market)), 200 * UNIT);
    }
}
