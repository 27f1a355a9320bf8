// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IMulticall {
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);
}

/// Several calls of one caller in one transaction: all of them, or none.
contract MulticallTest is Base {
    function _batch(bytes[] memory calls) private returns (bytes[] memory) {
        return IMulticall(address(market)).multicall(calls);
    }

    function _submitted(uint32 leases) private returns (IMarket.Job memory job) {
        job = aJob();
        job.terms.maxLease = 1;
        post(job);
        for (uint32 i; i < leases; ++i) {
            claim(job, alice, 1);
            submit(job, alice, i);
        }
    }

    function test_multicall_finalizes() public {
        IMarket.Job memory job = _submitted(10);
        vm.warp(time() + job.timing.challengeWindow + 1);
        bytes[] memory calls = new bytes[](10);
        for (uint32 i; i < 10; ++i) {
            calls[i] = abi.encodeCall(IMarket.finalize, (job, i));
        }
        vm.prank(anyone);
        _batch(calls);
        assertEq(market.balanceOf(alice), 9.75e18);
        assertEq(market.balanceOf(treasury), 0.25e18);
        assertEq(market.balanceOf(client), 990 * UNIT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 10, 0);
    }

    /// One that fails undoes all, with its own error; so does one that is there twice.
    function test_multicall_allOrNothing() public {
        IMarket.Job memory job = _submitted(2);
        bytes32 jobId = market.hashJob(job);
        vm.warp(time() + job.timing.challengeWindow + 1);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(IMarket.finalize, (job, 0));
        calls[1] = abi.encodeCall(IMarket.finalize, (job, 1));
        calls[2] = abi.encodeCall(IMarket.finalize, (job, 2));
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 2, IMarket.Phase.None));
        _batch(calls);
        calls[2] = calls[0];
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        _batch(calls);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
        assertEq(market.balanceOf(alice), 0);
    }

    /// The caller stays who it is, nested or not.
    function test_multicall_caller() public {
        IMarket.Job memory job = aJob();
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IMarket.post, (job, spec));
        calls[1] = abi.encodeCall(IMarket.cancel, (job));
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
    function test_multicall_deposits() public {
        mint(anyone, 5);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IMarket.deposit, (anyone, 3));
        calls[1] = calls[0];
        vm.expectRevert(); // the token's own
        vm.prank(anyone);
        _batch(calls);
        mint(anyone, 1);
        vm.prank(anyone);
        _batch(calls);
        assertEq(market.balanceOf(anyone), 6);
        assertEq(token.balanceOf(anyone), 0);
    }

    /// Calls that other parts run (the market's second contract), beside the market's own, errors included.
    function test_multicall_delegatedParts() public {
        IMarket.Job memory job = aJob();
        (job.terms.replicas, job.terms.quorum) = (3, 2);
        bytes32 jobId = market.hashJob(job);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IMarket.post, (job, spec));
        calls[1] = abi.encodeCall(IMarket.seal, (job));
        uint64 posted = uint64(vm.getBlockNumber());
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarlyToSeal.selector, posted + 3, posted));
        vm.prank(client);
        _batch(calls);
        post(job);
        vm.roll(posted + 3);
        calls[0] = calls[1];
        calls[1] = abi.encodeCall(IMarket.cancel, (job));
        vm.prank(client);
        _batch(calls);
        (,, uint64 sealedAt) = market.sealOf(jobId);
        assertEq(sealedAt, time());
        assertEq(uint8(market.jobOf(jobId).status), uint8(IMarket.JobStatus.Cancelled));
        calls[0] = abi.encodeCall(IMarket.demand, (job, 0));
        vm.expectRevert();
        _batch(calls);
    }

    function test_multicall_empty() public {
        assertEq(_batch(new bytes[](0)).length, 0);
    }
}
