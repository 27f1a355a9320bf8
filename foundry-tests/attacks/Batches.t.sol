// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IBatch {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// What many calls in one can do that one after the other cannot. (Batches that reused `msg.value`, or whose delegatecall
/// lost track of who calls, have emptied contracts.)
contract BatchesAttack is AttackBase {
    bytes[] private batch;

    function _run(address who) private {
        vm.prank(who);
        IBatch(address(market)).multicall(batch);
    }

    /// Tries: the same settlement, withdrawal or refund twice in one batch.
    /// Fails: the second call finds what the first one left.
    /// Costs: gas.
    /// P-04
    function test_sameActTwice() public {
        start(auditedJob(5000));
        claim(job, alice, 4);
        submit(job, alice, 0);
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, false));
        bytes memory act = abi.encodeCall(IMarket.finalize, (job, list(0, 0)));
        batch = [act, act];
        _run(mallory);
        assertGain(alice, plus(4 * UNIT - 4 * UNIT * FEE / 10_000));

        uint128 all = market.balanceOf(mallory);
        act = abi.encodeCall(IMarket.withdraw, (mallory, all));
        batch = [act, act];
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, mallory, 0, all));
        _run(mallory);
        assertEq(market.balanceOf(mallory), all);
        act = abi.encodeCall(IMarket.unstake, (mallory, STAKE));
        batch = [act, act];
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, mallory, 0, STAKE));
        _run(mallory);

        act = abi.encodeCall(IMarket.cancel, (job));
        batch = [act, act];
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        _run(client);
        act = abi.encodeCall(IMarket.close, (job, list(0, 4)));
        batch = [abi.encodeCall(IMarket.cancel, (job)), act, act];
        _run(client);
        assertGain(client, minus(4 * UNIT));
        assertBooks(0);
    }

    /// Tries: one deposit counts twice in a batch.
    /// Fails: each takes its own tokens.
    /// Costs: gas.
    function test_depositTwice() public {
        mint(mallory, 10 * UNIT);
        uint128 before = market.balanceOf(mallory);
        bytes memory put = abi.encodeCall(IMarket.deposit, (mallory, 10 * UNIT));
        batch = [put, put];
        vm.expectRevert();
        _run(mallory);
        assertEq(market.balanceOf(mallory), before);
        assertEq(token.balanceOf(mallory), 10 * UNIT);
    }

    /// Tries: within a batch, behind the second delegatecall of the part, the caller passes for another.
    /// Fails: the caller is who called.
    /// Costs: gas.
    function test_whoCallsInABatch() public {
        startDrawn(oneRedundant(3, 2));
        batch = [abi.encodeCall(IMarket.join, (job, 0, 1, alice))];
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        _run(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, address(market)));
        _run(address(market));
        _run(operator);
        assertEq(market.providerOf(alice).free, STAKE - BOND);
    }

    /// Tries: a batch within a batch.
    /// Fails: what one of its calls may not do undoes all of them.
    /// Costs: gas.
    function test_nestedBatch() public {
        startDrawn(oneRedundant(3, 2));
        bytes[] memory inner = new bytes[](2);
        inner[0] = abi.encodeCall(IMarket.join, (job, 0, 1, mallory));
        inner[1] = abi.encodeCall(IMarket.join, (job, 0, 1, alice));
        batch = [abi.encodeCall(IBatch.multicall, (inner))];
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        _run(mallory);
        assertEq(market.leaseOf(jobId, 0).seats, 0, "none of it was done");
        inner[1] = abi.encodeCall(IMarket.commit, (job, 0, 1, mallory, SALT));
        batch = [abi.encodeCall(IBatch.multicall, (inner))];
        _run(mallory);
        assertEq(market.leaseOf(jobId, 0).seats, 1, "a seat for what both calls did");
        assertEq(market.providerOf(mallory).free, STAKE - BOND);
    }

    /// Tries: a batch carries value, which each call would count.
    /// Fails: there is no ether in the market.
    function test_value() public {
        vm.deal(mallory, 1 ether);
        batch = [abi.encodeCall(IMarket.times, ())];
        vm.prank(mallory);
        (bool ok,) = address(market).call{value: 1}(abi.encodeCall(IBatch.multicall, (batch)));
        assertFalse(ok);
        assertEq(address(market).balance, 0);
    }
}
