// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Acts of the one kind of job, tried on the other. A running redundant lease has no holder: its provider's
/// number is 0, which is also the number of everyone who never staked.
contract ModesAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aRedundantJob();
        jobId = postSealed(job);
        join(job, 0, alice);
        commit(job, 0, bob, ROOT);
    }

    /// Two honest seats finish the round as if nothing had been tried.
    function _endsWell() private {
        commit(job, 0, alice, ROOT);
        commit(job, 0, crew[0], ROOT);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        reveal(job, 0, crew[0], ROOT);
        market.settle(job, 0, ROOT, panelOf(alice, bob, crew[0]));
        assertEq(market.leaseOf(jobId, 0).root, ROOT);
        assertUnharmed(alice);
        assertUnharmed(bob);
        assertUnharmed(crew[0]);
        assertBooks(0);
    }

    /// P-18 P-20: a stranger without stake must not pass for the holder of a lease that nobody holds, submit a lie,
    /// and have it settled as unchallenged while the seats' bonds stay locked.
    function test_P18_strangerSubmitsARedundantLease() public {
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, eve));
        market.submit(job, 0, eve, LIE, MANIFEST);
        // Nor does number 0 fit in another way.
        vm.prank(address(0));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, address(0)));
        market.submit(job, 0, address(0), LIE, MANIFEST);
        _endsWell();
    }

    /// P-18: nor release it, and leave the seats' bonds behind.
    function test_P18_strangerReleasesARedundantLease() public {
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, eve));
        market.release(job, 0, eve);
        _endsWell();
    }

    /// P-18: nor may one that has a seat, or stake.
    function test_P18_seatPassesForHolder() public {
        address[2] memory who = [alice, mallory];
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(who[i]);
            vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, who[i]));
            market.submit(job, 0, who[i], LIE, MANIFEST);
            vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, who[i]));
            market.release(job, 0, who[i]);
            vm.stopPrank();
        }
        _endsWell();
    }

    /// P-05 P-35: `expire` would free a running redundant lease before its seats' time (the draw's comes on top of the run
    /// window) and forget their bonds; with a bond of 0 nothing but the mode stands in its way.
    function test_P35_expireARedundantLease() public {
        vm.warp(market.leaseOf(jobId, 0).startedAt + job.timing.runWindow + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3));
        market.expire(job, 0);
        _endsWell();
    }

    /// P-35: the same with nothing at stake.
    function test_P35_expireARedundantLeaseWithoutBond() public {
        IMarket.Job memory free = aRedundantJob();
        free.terms.nonce = 8;
        free.price.bond = 0;
        free.price.juryFee = 0;
        bytes32 id = postSealed(free);
        commit(free, 0, alice, ROOT);
        vm.warp(time() + free.timing.runWindow + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, id, 3));
        market.expire(free, 0);
        assertEq(market.leaseOf(id, 0).commits, 1);
    }

    /// P-35: claims, takeovers, acceptance, finality, challenges and demands are for the other kind.
    function test_P35_optimisticActsOnARedundantLease() public {
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3);
        vm.startPrank(mallory);
        vm.expectRevert(wrong);
        market.claim(job, mallory, 1);
        vm.expectRevert(wrong);
        market.takeover(job, mallory, 0);
        vm.expectRevert(wrong);
        market.demand(job, 0);
        vm.expectRevert(wrong);
        market.challenge(job, 0, 1, 1, 0, LIE, new bytes32[](2), SALT);
        vm.stopPrank();
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.accept(job, 0, ROOT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.finalize(job, 0);
        _endsWell();
    }

    /// P-35: drawn seats are for redundant jobs.
    function test_P35_redundantActsOnAnOptimisticLease() public {
        IMarket.Job memory plain = aJob();
        bytes32 id = post(plain);
        claim(plain, alice, 4);
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, id, 1);
        vm.startPrank(mallory);
        vm.expectRevert(wrong);
        market.seal(plain);
        vm.expectRevert(wrong);
        market.join(plain, 0, 1, mallory);
        vm.expectRevert(wrong);
        market.commit(plain, 0, 1, mallory, SALT);
        vm.expectRevert(wrong);
        market.reveal(plain, 0, mallory, LIE, MANIFEST, SALT, none);
        vm.expectRevert(wrong);
        market.settle(plain, 0, LIE, none);
        vm.stopPrank();
        assertPhase(id, 0, IMarket.Phase.Running);
    }
}
