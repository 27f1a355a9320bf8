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
    IMarket.Job private job;
    bytes32 private jobId;
    bytes[] private batch;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _run(address who) private {
        vm.prank(who);
        IBatch(address(market)).multicall(batch);
    }

    /// P-41 P-04: the same settlement, withdrawal or refund twice in one batch.
    function test_P41_sameActTwice() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.warp(time() + job.timing.challengeWindow + 1);
        batch = [abi.encodeCall(IMarket.finalize, (job, 0)), abi.encodeCall(IMarket.finalize, (job, 0))];
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        _run(mallory);
        assertPhase(jobId, 0, IMarket.Phase.Submitted);

        uint128 all = market.balanceOf(mallory);
        bytes memory take = abi.encodeCall(IMarket.withdraw, (mallory, all));
        batch = [take, take];
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, mallory, 0, all));
        _run(mallory);
        assertEq(market.balanceOf(mallory), all);
        bytes memory out = abi.encodeCall(IMarket.unstake, (mallory, STAKE));
        batch = [out, out];
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, mallory, 0, STAKE));
        _run(mallory);

        batch = [abi.encodeCall(IMarket.cancel, (job)), abi.encodeCall(IMarket.cancel, (job))];
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        _run(client);
        assertBooks(20 * UNIT);
    }

    /// P-41: one deposit counts once, however often a batch names it: each takes its own tokens.
    function test_P41_depositTwice() public {
        mint(mallory, 10 * UNIT);
        uint128 before = market.balanceOf(mallory);
        bytes memory put = abi.encodeCall(IMarket.deposit, (mallory, 10 * UNIT));
        batch = [put, put];
        vm.expectRevert();
        _run(mallory);
        assertEq(market.balanceOf(mallory), before);
        assertEq(token.balanceOf(mallory), 10 * UNIT);
    }

    /// P-39 P-41: claim, release (free in the first eighth) and takeover by a friend in one transaction would hold a lease at no
    /// risk and reprice it when the ramp has risen, unrivalled.
    function test_P39_repricedInOneBatch() public {
        vm.prank(crew[4]); // mallory's second provider
        market.setOperator(mallory, true);
        batch = [
            abi.encodeCall(IMarket.claim, (job, mallory, 4)),
            abi.encodeCall(IMarket.release, (job, 0, mallory)),
            abi.encodeCall(IMarket.takeover, (job, crew[4], 0))
        ];
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, time() + 1, time()));
        _run(mallory);
        assertPhase(jobId, 0, IMarket.Phase.None);

        claim(job, mallory, 4);
        vm.warp(time() + 100);
        batch = [
            abi.encodeCall(IMarket.release, (job, 0, mallory)),
            abi.encodeCall(IMarket.takeover, (job, crew[4], 0))
        ];
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, time() + 1, time()));
        _run(mallory);
        // After the release someone else comes first, at the price of its moment.
        vm.prank(mallory);
        market.release(job, 0, mallory);
        vm.prank(mallory);
        vm.warp(time() + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, mallory));
        market.takeover(job, mallory, 0);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.takeover(job, crew[4], 0);
    }

    /// P-39: a late lease can be taken by a friend at once, at a higher price; that costs a tenth of the bond, and the bond
    /// belongs above the ramp's gain (the SDK's default does).
    function test_P39_repricedByLateness() public {
        uint256 before = worth(mallory) + worth(crew[4]);
        claim(job, mallory, 4);
        vm.warp(time() + job.timing.runWindow + 1);
        vm.prank(crew[4]);
        market.takeover(job, crew[4], 0);
        assertEq(worth(mallory) + worth(crew[4]), before - 4 * UNIT / 10);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.takeover(job, mallory, 0);
        assertBooks(20 * UNIT);
    }

    /// P-18 P-41: within a batch the caller is who called, also behind the second delegatecall of a part.
    function test_P18_whoCallsInABatch() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        uint256 before = market.balanceOf(client);
        batch = [abi.encodeCall(IMarket.demand, (job, 0))];
        _run(mallory);
        assertEq(market.balanceOf(mallory), 100 * UNIT - JURY_FEE, "mallory's deposit");
        assertEq(market.balanceOf(client), before);
        assertEq(market.balanceOf(address(market)), 0);
        batch = [abi.encodeCall(IMarket.respond, (job, 0, alice, new bytes32[](4)))];
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        _run(mallory);
    }

    /// P-41: a batch within a batch, through the parts that run by delegatecall.
    function test_P41_nestedBatch() public {
        IMarket.Job memory drawn = aRedundantJob();
        drawn.terms.nonce = 8;
        postSealed(drawn);
        bytes[] memory inner = new bytes[](2);
        inner[0] = abi.encodeCall(IMarket.join, (drawn, 0, 1, mallory));
        inner[1] = abi.encodeCall(IMarket.join, (drawn, 0, 1, alice));
        batch = [abi.encodeCall(IBatch.multicall, (inner))];
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        _run(mallory);
        assertEq(market.leaseOf(market.hashJob(drawn), 0).seats, 0, "none of it was done");
        inner[1] = abi.encodeCall(IMarket.commit, (drawn, 0, 1, mallory, SALT));
        batch = [abi.encodeCall(IBatch.multicall, (inner))];
        _run(mallory);
        assertEq(market.leaseOf(market.hashJob(drawn), 0).seats, 1, "a seat for what both calls did");
        assertEq(market.providerOf(mallory).free, STAKE - 4 * UNIT);
    }

    /// P-41: no batch carries value: there is no ether in the market that it could count twice.
    function test_P41_value() public {
        vm.deal(mallory, 1 ether);
        batch = [abi.encodeCall(IMarket.times, ())];
        vm.prank(mallory);
        (bool ok,) = address(market).call{value: 1}(abi.encodeCall(IBatch.multicall, (batch)));
        assertFalse(ok);
        assertEq(address(market).balance, 0);
    }
}
