// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Jobs from `post` to the last unit, read from outside. What juries and redundant leases do: unit/audits, unit/redundant.
contract HappyPathTest is Base {
    function test_job_withoutAudits_paysOnSubmission() public {
        IMarket.Job memory job = aJob();
        bytes32 jobId = post(job);
        assertEq(jobId, market.hashJob(job));
        assertEq(market.balanceOf(client), 980 * UNIT);

        vm.warp(job.timing.opensAt + 500); // price 1.5
        assertEq(claim(job, alice, 4), 0);
        assertEq(claim(job, bob, 4), 4);
        assertEq(claim(job, alice, 2), 8);
        assertProvider(alice, 100 * UNIT, 94 * UNIT, 0, 0);
        submit(job, alice, 0);
        submit(job, bob, 4);
        submit(job, alice, 8);
        _paidOut(15 * UNIT);
        for (uint32 first; first < 10; first += 4) {
            (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, first);
            assertEq(root, ROOT);
            assertEq(count, first == 8 ? 2 : 4);
            assertEq(uint8(grade), uint8(IMarket.Grade.Unaudited));
        }
        _withdrawAll();
    }

    /// Half of the leases are due for an audit; nobody holds it. The others are paid when the seed is public.
    function test_job_withAudits_paysWhenChanceHasSpoken() public {
        IMarket.Job memory job = auditedJob(5000);
        bytes32 jobId = post(job);
        assertEq(market.balanceOf(client), 978.5e18);

        vm.warp(job.timing.opensAt + 500);
        claim(job, alice, 4);
        claim(job, bob, 4);
        claim(job, alice, 2);
        submit(job, alice, 0);
        submit(job, bob, 4);
        submit(job, alice, 8);
        bytes32 seed;
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("happy", i));
            bool others = coinOf(seed, jobId, 0, 1) >= 5000 && coinOf(seed, jobId, 8, 1) >= 5000;
            if (others && coinOf(seed, jobId, 4, 1) < 5000) break;
        }
        publish(market.leaseOf(jobId, 0).point, seed);
        uint32[] memory firsts = new uint32[](3);
        (firsts[1], firsts[2]) = (4, 8);
        vm.prank(anyone);
        market.finalize(job, firsts);
        assertGrade(jobId, 0, IMarket.Grade.Unaudited);
        assertPhase(jobId, 4, IMarket.Phase.Submitted);
        assertGrade(jobId, 8, IMarket.Grade.Unaudited);
        vm.warp(time() + job.timing.auditWindow + 1);
        vm.prank(anyone);
        market.finalize(job, firsts);
        assertGrade(jobId, 4, IMarket.Grade.Contested);
        _paidOut(15 * UNIT);
        _withdrawAll();
    }

    /// Everybody has what it earned; the rest went back.
    function _paidOut(uint256 price) private view {
        uint256 fee = price * FEE / 10_000;
        assertEq(market.balanceOf(client), 1000 * UNIT - price);
        assertEq(market.balanceOf(treasury), fee);
        assertEq(market.balanceOf(alice), 9 * UNIT - 9 * UNIT * FEE / 10_000);
        assertEq(uint256(market.balanceOf(alice)) + market.balanceOf(bob) + fee, price);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 2, 0);
        assertProvider(bob, 100 * UNIT, 100 * UNIT, 1, 0);
    }

    function _withdrawAll() private {
        address[4] memory all = [client, alice, bob, treasury];
        for (uint256 i; i < 4; ++i) {
            uint128 balance = market.balanceOf(all[i]);
            vm.prank(all[i]);
            market.withdraw(all[i], balance);
            assertEq(token.balanceOf(all[i]), balance);
        }
        assertEq(token.balanceOf(address(market)), 200 * UNIT);
    }
}
