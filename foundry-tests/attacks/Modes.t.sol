// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Acts of the one kind of job, tried on the other. A running redundant lease has no holder: its bits for one count seats, and
/// 0 is the number of everyone who never staked.
contract ModesAttack is AttackBase {
    function setUp() public override {
        super.setUp();
        startDrawn(oneRedundant(3, 2));
        join(alice);
        commit(bob, ROOT);
    }

    /// Two honest seats finish the round as if nothing had been tried.
    function _endsWell() private {
        commit(alice, ROOT);
        commit(crew[0], ROOT);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), rooted(crew[0], ROOT)));
        assertEq(market.leaseOf(jobId, 0).root, ROOT);
        assertUnharmed(alice);
        assertUnharmed(bob);
        assertUnharmed(crew[0]);
        assertBooks(0);
    }

    /// Tries: whoever passes for the holder of a lease that nobody holds submits a lie, or proves one.
    /// Fails: the mode is asked first.
    /// Costs: gas.
    function test_submitsARedundantLease() public {
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3);
        address[4] memory who = [eve, mallory, alice, address(0)];
        for (uint256 i; i < 4; ++i) {
            vm.startPrank(who[i]);
            vm.expectRevert(wrong);
            market.submit(job, 0, 1, who[i], LIE, DIGESTS);
            vm.expectRevert(wrong);
            market.prove(job, 0, 1, who[i], LIE, DIGESTS, "");
            vm.stopPrank();
        }
        _endsWell();
    }

    /// Tries: a stranger leaves the lease, and the seats' bonds behind.
    /// Fails: who has no seat leaves none.
    /// Costs: gas.
    function test_strangerLeavesARedundantLease() public {
        address[2] memory who = [eve, mallory];
        for (uint256 i; i < 2; ++i) {
            vm.prank(who[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, who[i], IMarket.Seat.None)
            );
            market.leave(job, 0, 1, who[i]);
        }
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        market.leave(job, 0, 1, alice);
        _endsWell();
    }

    /// Tries: `expire`, or a takeover or `close`, frees a running redundant lease and forgets its seats' bonds; also with a bond
    /// of 0, where nothing but the mode stands in the way.
    /// Fails: the mode.
    /// Costs: gas.
    function test_expiresARedundantLease() public {
        vm.warp(market.leaseOf(jobId, 0).since + job.timing.runWindow + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3));
        market.expire(job, 0);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Running);

        IMarket.Job memory free = oneRedundant(3, 2);
        free.terms.nonce = 8;
        free.price.bond = 0;
        startDrawn(free);
        commit(alice, ROOT);
        commit(bob, ROOT);
        vm.warp(time() + job.timing.runWindow + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3));
        market.expire(job, 0);
        assertEq(market.leaseOf(jobId, 0).commits, 2);
    }

    /// Tries: claims, takeovers, finality and juries of the other kind.
    /// Fails: the mode, or the phase.
    /// Costs: gas.
    function test_ordinaryActsOnARedundantLease() public {
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3);
        vm.startPrank(mallory);
        vm.expectRevert(wrong);
        market.claim(job, mallory, 4, 4);
        vm.expectRevert(wrong);
        market.takeover(job, mallory, 0);
        bytes memory phase =
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running);
        for (uint8 jury; jury < 4; ++jury) {
            vm.expectRevert(phase);
            market.joinJury(job, 0, 1, jury, mallory);
            vm.expectRevert(phase);
            market.commitVote(job, 0, 1, jury, mallory, SALT);
            vm.expectRevert(phase);
            market.judge(job, 0, 1, jury, seats(), 0, new bytes32[](0));
        }
        market.finalize(job, list(0));
        vm.stopPrank();
        assertPhase(jobId, 0, IMarket.Phase.Running);
        _endsWell();
    }

    /// Tries: seats on an ordinary lease.
    /// Fails: the mode.
    /// Costs: gas.
    function test_redundantActsOnAnOrdinaryLease() public {
        start(oneLease());
        claim(job, alice, 4);
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1);
        vm.startPrank(mallory);
        vm.expectRevert(wrong);
        market.join(job, 0, 1, mallory);
        vm.expectRevert(wrong);
        market.commit(job, 0, 1, mallory, SALT);
        vm.expectRevert(wrong);
        market.settle(job, 0, 1, seats());
        vm.expectRevert(wrong);
        market.renew(job, 0);
        vm.stopPrank();
        assertPhase(jobId, 0, IMarket.Phase.Running);
    }

    /// Tries: the acts on a job that was never posted.
    /// Fails: it is unknown.
    /// Costs: gas.
    function test_jobThatWasNeverPosted() public {
        IMarket.Job memory other = oneAudited();
        other.terms.nonce = 99;
        bytes memory unknown = abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(other));
        vm.startPrank(mallory);
        vm.expectRevert(unknown);
        market.claim(other, mallory, 4, 4);
        vm.expectRevert(unknown);
        market.submit(other, 0, 0, mallory, LIE, DIGESTS);
        vm.expectRevert(unknown);
        market.leave(other, 0, 0, mallory);
        vm.expectRevert(unknown);
        market.joinJury(other, 0, 0, 1, mallory);
        vm.expectRevert(unknown);
        market.judge(other, 0, 0, 0, seats(), 0, new bytes32[](0));
        vm.expectRevert(unknown);
        market.finalize(other, list(0));
        vm.stopPrank();
    }
}
