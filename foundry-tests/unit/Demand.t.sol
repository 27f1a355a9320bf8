// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `demand`, `respond`, `forfeit`.
contract DemandTest is DisputeBase {
    uint256 private constant S = 100 * UNIT;

    function _demand() private {
        vm.prank(challenger);
        market.demand(job, 0);
    }

    function _respond() private {
        vm.prank(alice);
        market.respond(job, 0, alice, digests);
    }

    // ------------------------------------------------------------------ demand

    /// P-26.
    function test_demand() public {
        vm.warp(time() + 9);
        vm.expectEmit(address(market));
        emit IMarket.DemandMade(jobId, 0, challenger, JURY_FEE);
        _demand();
        assertEq(market.balanceOf(challenger), S - JURY_FEE);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Demanded));
        assertEq(l.submittedAt, time());
        assertEq(l.challenges, 0);
        assertConserved(20 * UNIT, JURY_FEE);
        expectNothingElseGoes(IMarket.Phase.Demanded);
        expectWrongPhase(IMarket.Phase.Demanded);
        _demand();
        expectWrongPhase(IMarket.Phase.Demanded);
        judge(0, 0);
        expectWrongPhase(IMarket.Phase.Demanded);
        market.sealJury(job, 0);
    }

    function test_demand_window() public {
        uint64 deadline = time() + job.timing.challengeWindow;
        vm.warp(deadline + 1);
        expectTooLate(deadline);
        _demand();
        vm.warp(deadline);
        _demand();
    }

    function test_demand_noJury() public {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.price.juryFee) = (8, 0);
        start(j);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoJury.selector, jobId));
        _demand();
    }

    function test_demand_deposit() public {
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, anyone, 0, uint256(JURY_FEE))
        );
        vm.prank(anyone);
        market.demand(job, 0);
    }

    function test_demand_wrongPhase() public {
        job.terms.nonce += 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        _demand();
        job.terms.nonce -= 1;
        claim(job, bob, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, uint32(4), IMarket.Phase.Running)
        );
        market.demand(job, 4);
    }

    /// P-27.
    function test_demand_oncePerRound() public {
        _demand();
        _respond();
        vm.expectRevert(abi.encodeWithSelector(IMarket.DemandedAlready.selector, jobId, uint32(0)));
        _demand();
        // A dispute in between does not change that.
        challenge(RIGHT);
        vm.warp(commitBy() + 1);
        judge(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.DemandedAlready.selector, jobId, uint32(0)));
        _demand();
    }

    // ------------------------------------------------------------------ respond

    /// P-31.
    function test_respond() public {
        _demand();
        vm.warp(time() + 100);
        vm.expectEmit(address(market));
        emit IMarket.Responded(jobId, 0, alice, JURY_FEE);
        _respond();
        assertStaker(alice, JURY_FEE, S, S - B, 0);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Submitted));
        assertEq(l.submittedAt, time());
        assertEq(l.root, Merkle.root(0, digests));
        assertConserved(20 * UNIT, 0);
        expectWrongPhase(IMarket.Phase.Submitted);
        _respond();

        // The window starts anew, for a challenge too, and for nothing longer.
        uint64 deadline = time() + job.timing.challengeWindow;
        vm.warp(deadline);
        uint256 before = vm.snapshotState();
        challenge(RIGHT);
        vm.revertToState(before);
        expectTooEarly(deadline + 1);
        market.finalize(job, 0);
        vm.warp(deadline + 1);
        market.finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    function test_respond_byOperator() public {
        _demand();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, bob));
        vm.prank(bob);
        market.respond(job, 0, alice, digests);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, uint32(0), bob));
        vm.prank(bob);
        market.respond(job, 0, bob, digests);
        vm.prank(operator);
        market.respond(job, 0, alice, digests);
        assertEq(market.balanceOf(operator), 0);
        assertEq(market.balanceOf(alice), JURY_FEE);
    }

    /// P-34.
    function test_respond_window() public {
        _demand();
        uint64 deadline = time() + 6 hours;
        vm.warp(deadline + 1);
        expectTooLate(deadline);
        _respond();
        vm.warp(deadline);
        _respond();
    }

    function _expectMismatch(bytes32 actual) private {
        bytes32 root = market.leaseOf(jobId, 0).root;
        vm.expectRevert(abi.encodeWithSelector(IMarket.RootMismatch.selector, root, actual));
    }

    function test_respond_otherDigests() public {
        _demand();
        digests[3] = RIGHT;
        _expectMismatch(Merkle.root(0, digests));
        _respond();
        digests = Merkle.someDigests(1, 4);
        (digests[0], digests[1]) = (digests[1], digests[0]);
        _expectMismatch(Merkle.root(0, digests));
        _respond();
        digests = Merkle.someDigests(1, 5);
        _expectMismatch(0);
        _respond();
        digests = new bytes32[](0);
        _expectMismatch(0);
        _respond();
    }

    /// A provider that committed to no digest for the last task, but to padding, cannot answer without it.
    function test_respond_paddingIsNoDigest() public {
        claim(job, bob, 4);
        bytes32[] memory three = Merkle.someDigests(5, 3);
        bytes32 root = Merkle.root(4, three);
        vm.prank(bob);
        market.submit(job, 4, bob, root, MANIFEST);
        vm.prank(challenger);
        market.demand(job, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.RootMismatch.selector, root, bytes32(0)));
        vm.prank(bob);
        market.respond(job, 4, bob, three);
    }

    /// Every size, in a lease that does not begin at 0, against the tree of the tests.
    function test_respond_allSizes() public {
        for (uint32 count = 1; count <= 33; ++count) {
            IMarket.Job memory j = aJob();
            (j.terms.nonce, j.terms.tasks, j.terms.maxLease) = (100 + count, 34, 33);
            (j.price.maxPrice, j.price.bond) = (UNIT, 0);
            jobId = post(j);
            claim(j, bob, 1);
            claim(j, alice, count);
            digests = Merkle.someDigests(count, count);
            bytes32 root = Merkle.root(1, digests);
            vm.prank(alice);
            market.submit(j, 1, alice, root, MANIFEST);
            vm.prank(challenger);
            market.demand(j, 1);
            vm.prank(alice);
            market.respond(j, 1, alice, digests);
            assertPhase(jobId, 1, IMarket.Phase.Submitted);
            vm.prank(client);
            market.cancel(j);
            vm.prank(client);
            market.accept(j, 1, root);
        }
    }

    // ------------------------------------------------------------------ forfeit

    /// P-31, P-34.
    function test_forfeit() public {
        _demand();
        uint64 deadline = time() + 6 hours;
        vm.warp(deadline);
        expectTooEarly(deadline + 1);
        market.forfeit(job, 0);
        vm.warp(deadline + 1);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, IMarket.Reason.Withheld, B);
        vm.prank(anyone);
        market.forfeit(job, 0);
        assertStaker(alice, 0, S - B, S - B, 1);
        assertEq(market.balanceOf(challenger), S);
        assertEq(market.balanceOf(anyone), 0);
        assertEq(market.burned(), B);
        assertEq(market.totalStake(), 7 * S - B);
        assertConserved(20 * UNIT, 0);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Free));
        assertEq(l.provider, alice);
        assertEq(l.startedAt, time());
        assertEq(l.submittedAt, 0);
        assertEq(l.root, 0);
        expectWrongPhase(IMarket.Phase.Free);
        market.forfeit(job, 0);
    }

    /// P-08.
    function test_forfeit_afterClosing() public {
        _demand();
        vm.warp(time() + 6 hours + 1); // after `closesAt`
        market.forfeit(job, 0);
        market.close(job, new uint32[](1));
        assertEq(market.balanceOf(client), 988 * UNIT);
        assertConserved(12 * UNIT, 0);
    }

    /// In the next round the digests can be demanded again; no deposit is paid twice.
    function test_forfeit_takeover() public {
        IMarket.Job memory j = aJob();
        (j.terms.nonce, j.timing.closesAt) = (8, j.timing.closesAt + 1 days);
        start(j);
        _demand();
        vm.warp(time() + 6 hours + 1);
        market.forfeit(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, uint32(0), alice));
        vm.prank(alice);
        market.takeover(job, alice, 0);
        vm.warp(time() + 1);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        submitDigests(bob);
        vm.prank(client);
        market.demand(job, 0);
        assertEq(market.balanceOf(challenger), S);
        vm.prank(bob);
        market.respond(job, 0, bob, digests);
        assertEq(market.balanceOf(bob), JURY_FEE);
    }

    /// A dispute of the same round that was decided leaves nothing behind.
    function test_forfeit_afterADispute() public {
        challenge(RIGHT);
        vm.warp(commitBy() + 1);
        judge(0, 0);
        _demand();
        assertEq(market.leaseOf(jobId, 0).challenges, 1);
        vm.warp(time() + 6 hours + 1);
        market.forfeit(job, 0);
        assertEq(market.disputeOf(jobId, 0).challenger, address(0));
        assertEq(market.balanceOf(challenger), S);
    }

    function test_forfeit_wrongPhase() public {
        expectWrongPhase(IMarket.Phase.Submitted);
        market.forfeit(job, 0);
        expectWrongPhase(IMarket.Phase.Submitted);
        _respond();
    }
}
