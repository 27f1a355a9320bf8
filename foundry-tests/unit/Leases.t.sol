// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Optimistic leases: every act, every refusal, both sides of every deadline.
contract LeasesTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _wrongPhase(uint32 first, IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, first, phase));
    }

    // ------------------------------------------------------------------ claim

    function test_claim() public {
        vm.warp(job.timing.opensAt + 250);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, alice, 3, 1, UNIT + UNIT / 4, 3 * UNIT);
        vm.prank(alice);
        (uint32 first, uint32 taken) = market.claim(job, alice, 3);
        assertEq(first, 0);
        assertEq(taken, 3);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(l.provider, alice);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Running));
        assertEq(uint8(l.how), 0);
        assertEq(l.round, 1);
        assertEq(l.count, 3);
        assertEq(l.startedAt, time());
        assertEq(l.submittedAt, 0);
        assertEq(l.root, 0);
        assertProvider(alice, 100 * UNIT, 97 * UNIT, 0, 0);
        assertEq(market.jobOf(jobId).next, 3);
    }

    function test_claim_clamps() public {
        vm.startPrank(alice);
        (uint32 first, uint32 taken) = market.claim(job, alice, type(uint32).max);
        assertEq(taken, 4); // maxLease
        market.claim(job, alice, 4);
        (first, taken) = market.claim(job, alice, 3);
        assertEq(first, 8);
        assertEq(taken, 2); // what is left
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingLeft.selector, jobId));
        market.claim(job, alice, 1);
    }

    function test_claim_byOperator() public {
        claim(job, bob, 1);
        vm.prank(operator);
        (uint32 first,) = market.claim(job, alice, 1);
        assertEq(market.leaseOf(jobId, first).provider, alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator));
        vm.prank(operator);
        market.claim(job, bob, 1);
        vm.prank(alice);
        market.setOperator(operator, false);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, operator));
        vm.prank(operator);
        market.claim(job, alice, 1);
    }

    function test_claim_reverts() public {
        vm.startPrank(alice);
        vm.expectRevert(IMarket.NothingAsked.selector);
        market.claim(job, alice, 0);
        IMarket.Job memory other = job;
        other.terms.nonce += 1;
        bytes32 otherId = market.hashJob(other);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, otherId));
        market.claim(other, alice, 1);
    }

    function test_claim_cancelled() public {
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        vm.prank(alice);
        market.claim(job, alice, 1);
    }

    function test_claim_window() public {
        vm.warp(job.timing.opensAt - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.TooEarly.selector, job.timing.opensAt, job.timing.opensAt - 1)
        );
        vm.prank(alice);
        market.claim(job, alice, 1);
        vm.warp(job.timing.opensAt);
        claim(job, alice, 1);
        vm.warp(job.timing.closesAt);
        claim(job, alice, 1);
        vm.warp(job.timing.closesAt + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.TooLate.selector, job.timing.closesAt, job.timing.closesAt + 1)
        );
        vm.prank(alice);
        market.claim(job, alice, 1);
    }

    function test_claim_stake() public {
        unstake(alice, 97 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, 3 * UNIT, 4 * UNIT));
        vm.prank(alice);
        market.claim(job, alice, 4);
        claim(job, alice, 3);
        assertProvider(alice, 3 * UNIT, 0, 0, 0);
    }

    function test_claim_bondCoversAJury() public {
        job.terms.nonce = 99;
        job.price.juryFee = UNIT;
        post(job);
        claim(job, alice, 1); // 1 < 2 * 3 * 1
        assertProvider(alice, 100 * UNIT, 94 * UNIT, 0, 0);
        job.price.bond = 2 * UNIT;
        post(job);
        claim(job, alice, 4); // 8 > 6
        assertProvider(alice, 100 * UNIT, 86 * UNIT, 0, 0);
    }

    function test_claim_neverStaked() public {
        (job.price.bond, job.price.juryFee) = (0, 0);
        post(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, anyone, 0, 0));
        vm.prank(anyone);
        market.claim(job, anyone, 1);
        unstake(alice, 100 * UNIT);
        claim(job, alice, 1); // staked once, has a number
    }

    // ------------------------------------------------------------------ submit

    function test_submit() public {
        claim(job, alice, 4);
        vm.warp(time() + job.timing.runWindow); // the last second
        vm.expectEmit(address(market));
        emit IMarket.Submitted(jobId, 0, alice, ROOT, MANIFEST);
        vm.prank(operator);
        market.submit(job, 0, alice, ROOT, MANIFEST);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Submitted));
        assertEq(l.root, ROOT);
        assertEq(l.submittedAt, time());
        assertEq(l.startedAt, time() - job.timing.runWindow);
        assertEq(l.count, 4);
        assertEq(l.round, 1);
        assertEq(l.provider, alice);
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, 0); // not final
        assertEq(count, 0);
        assertEq(uint8(how), 0);
    }

    function test_submit_reverts() public {
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, bob));
        vm.prank(bob);
        market.submit(job, 0, alice, ROOT, MANIFEST);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        vm.prank(bob);
        market.submit(job, 0, bob, ROOT, MANIFEST);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, anyone));
        vm.prank(anyone);
        market.submit(job, 0, anyone, ROOT, MANIFEST);
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroRoot.selector);
        market.submit(job, 0, alice, 0, MANIFEST);
        _wrongPhase(1, IMarket.Phase.None);
        market.submit(job, 1, alice, ROOT, MANIFEST);
        uint64 deadline = time() + job.timing.runWindow;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1));
        market.submit(job, 0, alice, ROOT, MANIFEST);
        vm.warp(deadline);
        market.submit(job, 0, alice, ROOT, MANIFEST);
        _wrongPhase(0, IMarket.Phase.Submitted);
        market.submit(job, 0, alice, ROOT, MANIFEST);
    }

    function test_unknownJob() public {
        IMarket.Job memory other = aJob();
        other.terms.nonce = 1234;
        bytes memory unknown = abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(other));
        vm.startPrank(alice);
        vm.expectRevert(unknown);
        market.submit(other, 0, alice, ROOT, MANIFEST);
        vm.expectRevert(unknown);
        market.finalize(other, 0);
        vm.expectRevert(unknown);
        market.expire(other, 0);
        vm.expectRevert(unknown);
        market.release(other, 0, alice);
        vm.expectRevert(unknown);
        market.takeover(other, alice, 0);
        vm.expectRevert(unknown);
        market.close(other, new uint32[](1));
        vm.startPrank(client);
        vm.expectRevert(unknown);
        market.accept(other, 0, ROOT);
        vm.expectRevert(unknown);
        market.cancel(other);
    }

    /// A run that began in time may end after `closesAt`, and after `cancel`.
    function test_submit_afterTheEnd() public {
        vm.warp(job.timing.closesAt);
        claim(job, alice, 4);
        vm.prank(client);
        market.cancel(job);
        vm.warp(time() + job.timing.runWindow);
        submit(job, alice, 0);
        vm.warp(time() + job.timing.challengeWindow + 1);
        market.finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    // ------------------------------------------------------------------ accept, finalize

    function _submitted() private {
        vm.warp(job.timing.opensAt + 500);
        claim(job, alice, 4);
        submit(job, alice, 0);
    }

    function test_accept() public {
        _submitted();
        uint128 fee = 6 * UNIT * FEE / 10_000;
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.How.Accepted, 6 * UNIT - fee, fee, 2 * UNIT);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0);
        assertEq(market.balanceOf(alice), 6 * UNIT - fee);
        assertEq(market.balanceOf(client), 982 * UNIT);
        assertEq(market.balanceOf(treasury), fee);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Settled));
        assertEq(uint8(l.how), uint8(IMarket.How.Accepted));
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(how), uint8(IMarket.How.Accepted));
    }

    function test_accept_reverts() public {
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotClient.selector, client, alice));
        vm.prank(alice);
        market.accept(job, 0, ROOT);
        _wrongPhase(0, IMarket.Phase.Running);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        submit(job, alice, 0);
        vm.startPrank(client);
        market.accept(job, 0, ROOT);
        _wrongPhase(0, IMarket.Phase.Settled);
        market.accept(job, 0, ROOT);
        _wrongPhase(0, IMarket.Phase.Settled);
        market.finalize(job, 0);
    }

    /// P-43: an acceptance names the root that it means.
    function test_accept_otherRoot() public {
        _submitted();
        vm.startPrank(client);
        bytes memory refused = abi.encodeWithSelector(IMarket.WrongRoot.selector, jobId, uint32(0), ROOT);
        vm.expectRevert(refused);
        market.accept(job, 0, keccak256("another root"));
        vm.expectRevert(refused);
        market.accept(job, 0, 0);
        market.accept(job, 0, ROOT);
    }

    function test_accept_afterTheWindow() public {
        _submitted();
        vm.warp(time() + job.timing.challengeWindow + 1);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    function test_finalize_window() public {
        _submitted();
        uint64 deadline = time() + job.timing.challengeWindow;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, deadline + 1, deadline));
        market.finalize(job, 0);
        vm.warp(deadline + 1);
        uint128 fee = 6 * UNIT * FEE / 10_000;
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.How.Unchallenged, 6 * UNIT - fee, fee, 2 * UNIT);
        vm.prank(anyone);
        market.finalize(job, 0);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0);
        _wrongPhase(0, IMarket.Phase.Settled);
        market.finalize(job, 0);
    }

    function test_finalize_reverts() public {
        _wrongPhase(0, IMarket.Phase.None);
        market.finalize(job, 0);
        claim(job, alice, 4);
        vm.warp(time() + 30 days);
        _wrongPhase(0, IMarket.Phase.Running);
        market.finalize(job, 0);
    }

    /// The fee is that of `post`, and the price that of the round's beginning.
    function test_settle_feeAndPriceAreFixedEarly() public {
        vm.prank(governor);
        market.setFee(500, treasury);
        _submitted();
        vm.warp(job.timing.opensAt + job.timing.ramp);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertEq(market.balanceOf(treasury), 6 * UNIT * FEE / 10_000);
        assertEq(market.balanceOf(client), 982 * UNIT);
    }

    /// Nor does a new round take the fee of its moment.
    function test_settle_feeIsThatOfPostAfterATakeover() public {
        _freed();
        vm.prank(governor);
        market.setFee(500, treasury);
        vm.warp(job.timing.opensAt + job.timing.ramp);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        submit(job, bob, 0);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertEq(market.balanceOf(treasury), 8 * UNIT * FEE / 10_000);
    }

    function test_settle_withoutFeeAndSurplus() public {
        vm.prank(governor);
        market.setFee(0, treasury);
        (job.price.minPrice, job.timing.ramp) = (2 * UNIT, 0);
        bytes32 id = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.expectEmit(address(market));
        emit IMarket.Settled(id, 0, IMarket.How.Accepted, 8 * UNIT, 0, 0);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertEq(market.balanceOf(treasury), 0);
        assertEq(market.balanceOf(alice), 8 * UNIT);
    }

    function test_settle_theCountSaturates() public {
        _submitted();
        // `completed` is bits 192 to 223 of the provider's slot; `_providers` is the mapping in slot 3.
        bytes32 slot = keccak256(abi.encode(market.providerOf(alice).number, uint256(3)));
        vm.store(
            address(market), slot, vm.load(address(market), slot) | bytes32(uint256(type(uint32).max) << 192)
        );
        assertEq(market.providerOf(alice).completed, type(uint32).max);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, type(uint32).max, 0);
    }

    // ------------------------------------------------------------------ expire

    function test_expire_window() public {
        claim(job, alice, 4);
        uint64 deadline = time() + job.timing.runWindow;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, deadline + 1, deadline));
        market.expire(job, 0);
        vm.warp(deadline + 1);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, IMarket.Reason.Expired, 4 * UNIT / 10);
        vm.prank(anyone);
        market.expire(job, 0);
        assertProvider(alice, 100 * UNIT - 4 * UNIT / 10, 100 * UNIT - 4 * UNIT / 10, 0, 1);
        assertEq(market.burned(), 4 * UNIT / 10);
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertEq(market.leaseOf(jobId, 0).provider, alice);
        assertEq(market.balanceOf(client), 980 * UNIT); // no one gains
        _wrongPhase(0, IMarket.Phase.Free);
        market.expire(job, 0);
    }

    function test_expire_notWhatWasSubmitted() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.warp(time() + job.timing.runWindow + 1);
        _wrongPhase(0, IMarket.Phase.Submitted);
        market.expire(job, 0);
    }

    function test_expire_slashRoundsDown() public {
        (job.price.bond, job.price.juryFee, job.terms.nonce) = (7, 0, 8);
        post(job);
        claim(job, alice, 1);
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, 0);
        assertEq(market.burned(), 0); // a tenth of 7
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 0, 1);
    }

    /// Else a full counter would make a late lease impossible to end.
    function test_expire_theCountSaturates() public {
        claim(job, alice, 4);
        // `late` is bits 136 to 167 of the stake's slot; `_stakes` is the mapping in slot 4.
        bytes32 slot = keccak256(abi.encode(market.providerOf(alice).number, uint256(4)));
        vm.store(
            address(market), slot, vm.load(address(market), slot) | bytes32(uint256(type(uint32).max) << 136)
        );
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, 0);
        assertProvider(alice, 100 * UNIT - 4 * UNIT / 10, 100 * UNIT - 4 * UNIT / 10, 0, type(uint32).max);
    }

    // ------------------------------------------------------------------ release

    function test_release_early() public {
        claim(job, alice, 4);
        vm.warp(time() + job.timing.runWindow / 8); // the last free second
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, IMarket.Reason.ReleasedEarly, 0);
        vm.prank(operator);
        market.release(job, 0, alice);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 0, 0);
        assertPhase(jobId, 0, IMarket.Phase.Free);
    }

    function test_release_late() public {
        claim(job, alice, 4);
        vm.warp(time() + job.timing.runWindow / 8 + 1);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, IMarket.Reason.ReleasedLate, 4 * UNIT / 50);
        vm.prank(alice);
        market.release(job, 0, alice);
        assertProvider(alice, 100 * UNIT - 4 * UNIT / 50, 100 * UNIT - 4 * UNIT / 50, 0, 1);
        assertEq(market.burned(), 4 * UNIT / 50);
    }

    function test_release_deadline() public {
        claim(job, alice, 4);
        uint64 deadline = time() + job.timing.runWindow;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1));
        vm.prank(alice);
        market.release(job, 0, alice);
        vm.warp(deadline);
        vm.prank(alice);
        market.release(job, 0, alice);
    }

    function test_release_reverts() public {
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, client));
        vm.prank(client);
        market.release(job, 0, alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        vm.prank(bob);
        market.release(job, 0, bob);
        submit(job, alice, 0);
        _wrongPhase(0, IMarket.Phase.Submitted);
        vm.prank(alice);
        market.release(job, 0, alice);
    }

    // ------------------------------------------------------------------ takeover

    function _freed() private {
        claim(job, alice, 4);
        vm.prank(alice);
        market.release(job, 0, alice);
        vm.warp(time() + 1);
    }

    /// One owner of two addresses must not release and take over in one transaction: it would hold
    /// every lease of a job for nothing and wait for the ramp's end, with no one able to come between.
    function test_takeover_notInTheSecondOfTheRelease() public {
        vm.prank(bob);
        market.setOperator(operator, true);
        claim(job, alice, 4);
        uint64 runWindow = job.timing.runWindow;
        for (uint64 wait = runWindow / 8; wait <= runWindow; wait += runWindow - runWindow / 8) {
            uint256 snapshot = vm.snapshotState();
            vm.warp(job.timing.opensAt + wait); // early, then late
            vm.startPrank(operator);
            market.release(job, 0, alice);
            assertEq(market.leaseOf(jobId, 0).startedAt, time());
            vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, time() + 1, time()));
            market.takeover(job, bob, 0);
            vm.warp(time() + 1);
            market.takeover(job, bob, 0);
            vm.stopPrank();
            assertEq(market.leaseOf(jobId, 0).startedAt, time());
            vm.revertToState(snapshot);
        }
        // Whose round ran out has paid for it, and anyone could have come first: no delay.
        vm.warp(job.timing.opensAt + runWindow + 1);
        market.expire(job, 0);
        assertEq(market.leaseOf(jobId, 0).startedAt, job.timing.opensAt);
        vm.prank(bob);
        market.takeover(job, bob, 0);
    }

    function test_takeover() public {
        _freed();
        vm.warp(job.timing.opensAt + 1000);
        vm.expectEmit(address(market));
        emit IMarket.Claimed(jobId, 0, bob, 4, 2, 2 * UNIT, 4 * UNIT);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(l.provider, bob);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Running));
        assertEq(l.round, 2);
        assertEq(l.count, 4);
        assertEq(l.startedAt, time());
        assertEq(l.submittedAt, 0);
        assertProvider(bob, 100 * UNIT, 96 * UNIT, 0, 0);
        assertEq(market.jobOf(jobId).next, 4);
        submit(job, bob, 0);
        vm.prank(client);
        market.accept(job, 0, ROOT);
        assertEq(market.balanceOf(bob), 8 * UNIT - 8 * UNIT * FEE / 10_000); // the price of the new round
        assertEq(market.balanceOf(alice), 0);
    }

    function test_takeover_ofALateLease() public {
        claim(job, alice, 4);
        uint64 deadline = time() + job.timing.runWindow;
        vm.warp(deadline);
        _wrongPhase(0, IMarket.Phase.Running);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.warp(deadline + 1);
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, alice, IMarket.Reason.Expired, 4 * UNIT / 10);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        assertEq(market.leaseOf(jobId, 0).provider, bob);
        assertProvider(alice, 100 * UNIT - 4 * UNIT / 10, 100 * UNIT - 4 * UNIT / 10, 0, 1);
    }

    function test_takeover_whoLeftIsBarredFromTheNextRound() public {
        _freed();
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, alice));
        vm.prank(operator);
        market.takeover(job, alice, 0);
        vm.startPrank(bob);
        market.takeover(job, bob, 0);
        vm.warp(time() + job.timing.runWindow + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, bob));
        market.takeover(job, bob, 0); // nor through the expiry within
        vm.stopPrank();
        vm.prank(alice);
        market.takeover(job, alice, 0);
        assertEq(market.leaseOf(jobId, 0).round, 3);
    }

    function test_takeover_window() public {
        _freed();
        vm.warp(job.timing.closesAt + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.TooLate.selector, job.timing.closesAt, job.timing.closesAt + 1)
        );
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.warp(job.timing.closesAt);
        vm.prank(bob);
        market.takeover(job, bob, 0);
    }

    function test_takeover_reverts() public {
        _freed();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator));
        vm.prank(operator);
        market.takeover(job, bob, 0);
        _wrongPhase(4, IMarket.Phase.None);
        vm.prank(bob);
        market.takeover(job, bob, 4);
        unstake(bob, 99 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, bob, UNIT, 4 * UNIT));
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        vm.prank(bob);
        market.takeover(job, bob, 0);
    }

    function test_takeover_roundsEnd() public {
        _freed();
        // `round` is bits 48 to 63 of the lease's slot; `_leases` is the mapping in slot 10.
        bytes32 slot = keccak256(abi.encode(uint256(0), keccak256(abi.encode(jobId, uint256(10)))));
        uint256 word = uint256(vm.load(address(market), slot));
        vm.store(address(market), slot, bytes32(word | uint256(0xfffe) << 48));
        assertEq(market.leaseOf(jobId, 0).round, 65_535);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyRounds.selector, jobId, 0));
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.store(address(market), slot, bytes32(word & ~(uint256(1) << 48) | uint256(0xfffe) << 48));
        vm.prank(bob);
        market.takeover(job, bob, 0);
        assertEq(market.leaseOf(jobId, 0).round, 65_535);
    }
}
