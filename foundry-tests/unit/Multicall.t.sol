// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// Several calls of one caller in one transaction: all of them, or none, each as if it came alone.
contract MulticallTest is Base {
    function _batch(bytes[] memory calls) private returns (bytes[] memory) {
        return IMulticall(address(market)).multicall(calls);
    }

    function _calls(bytes memory one, bytes memory two) private pure returns (bytes[] memory calls) {
        calls = new bytes[](2);
        (calls[0], calls[1]) = (one, two);
    }

    /// How an executor works: one transaction for the whole lease.
    function test_multicall_claimAndSubmit_paysInOneCall() public {
        IMarket.Job memory job = aJob();
        bytes32 jobId = post(job);
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(IMarket.claim, (job, alice, 4, 4));
        calls[1] = abi.encodeCall(IMarket.submit, (job, 0, 1, alice, ROOT, DIGESTS));
        calls[2] = abi.encodeCall(IMarket.claim, (job, alice, 2, 4));
        calls[3] = abi.encodeCall(IMarket.submit, (job, 4, 1, alice, ROOT, DIGESTS));
        vm.prank(operator);
        bytes[] memory results = _batch(calls);
        (uint32 first, uint32 count) = abi.decode(results[2], (uint32, uint32));
        assertEq(first, 4);
        assertEq(count, 4);
        assertEq(results[1].length, 0);
        assertEq(market.balanceOf(alice), 7.8e18);
        assertEq(market.balanceOf(treasury), 0.2e18);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 2, 0);
        assertGrade(jobId, 4, IMarket.Grade.Unaudited);
    }

    /// One that fails undoes all, with its own error; so does one that is there twice.
    function test_multicall_oneFails_undoesAll() public {
        IMarket.Job memory job = aJob();
        bytes32 jobId = post(job);
        claim(job, alice, 4);
        bytes[] memory calls = _calls(
            abi.encodeCall(IMarket.submit, (job, 0, 1, alice, ROOT, DIGESTS)),
            abi.encodeCall(IMarket.leave, (job, 4, 1, alice))
        );
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 4, IMarket.Phase.None));
        vm.prank(alice);
        _batch(calls);
        calls[1] = calls[0];
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        vm.prank(alice);
        _batch(calls);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertEq(market.balanceOf(alice), 0);
    }

    /// The caller stays who it is, nested or not.
    function test_multicall_caller_staysWhoItIs() public {
        IMarket.Job memory job = aJob();
        bytes[] memory calls =
            _calls(abi.encodeCall(IMarket.post, (job, spec)), abi.encodeCall(IMarket.cancel, (job)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, anyone));
        vm.prank(anyone);
        _batch(calls);
        bytes[] memory nested = new bytes[](1);
        nested[0] = abi.encodeCall(IMulticall.multicall, (calls));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, anyone));
        vm.prank(anyone);
        _batch(nested);
        vm.prank(client);
        bytes[] memory results = _batch(calls);
        assertEq(abi.decode(results[0], (bytes32)), market.hashJob(job));
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    /// What comes in is counted once: two deposits in one call need two transfers.
    function test_multicall_twoDeposits_needTwoTransfers() public {
        mint(anyone, 5);
        bytes memory deposit = abi.encodeCall(IMarket.deposit, (anyone, 3));
        bytes[] memory calls = _calls(deposit, deposit);
        vm.expectRevert(); // the token's own
        vm.prank(anyone);
        _batch(calls);
        mint(anyone, 1);
        vm.prank(anyone);
        _batch(calls);
        assertEq(market.balanceOf(anyone), 6);
        assertEq(token.balanceOf(anyone), 0);
    }

    /// Calls that run in the market's second contract, beside the market's own, errors and logs included.
    function test_multicall_delegatedCalls_workAsAlone() public {
        IMarket.Job memory job = redundantJob(3, 2);
        bytes32 jobId = market.hashJob(job);
        uint64 point = beacon.point();
        bytes memory renew = abi.encodeCall(IMarket.renew, (job, 0));
        bytes[] memory calls = _calls(abi.encodeCall(IMarket.post, (job, spec)), renew);
        vm.expectRevert(abi.encodeWithSelector(IMarket.PointAlive.selector, point));
        vm.prank(client);
        _batch(calls);
        post(job);
        vm.roll(block.number + 260); // nobody kept the seed
        vm.warp(time() + 3000);
        uint64 another = beacon.point();
        calls = _calls(renew, abi.encodeCall(IMarket.cancel, (job)));
        vm.expectEmit(address(market));
        emit IMarket.PointSet(jobId, 0, another);
        vm.expectEmit(address(market));
        emit IMarket.Cancelled(jobId);
        vm.prank(client);
        _batch(calls);
        assertEq(market.leaseOf(jobId, 0).point, another);
        assertEq(uint8(market.jobOf(jobId).status), uint8(IMarket.JobStatus.Cancelled));
    }

    /// Views answer as they do alone.
    function test_multicall_views_answer() public {
        bytes[] memory results = _batch(
            _calls(abi.encodeCall(IMarket.balanceOf, (client)), abi.encodeCall(IMarket.totalStake, ()))
        );
        assertEq(abi.decode(results[0], (uint128)), 1000 * UNIT);
        assertEq(abi.decode(results[1], (uint128)), 200 * UNIT);
    }

    function test_multicall_nothing_answersNothing() public {
        assertEq(_batch(new bytes[](0)).length, 0);
    }
}
