// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `submit`, by the holder or its operator, while `t <= since + runWindow`.
///
/// | job | next | money | events |
/// | --- | --- | --- | --- |
/// | without audits | Settled (Unaudited) | escrow to provider, fee, client; unlocks the bond | `Submitted(point 0)`, `Settled` |
/// | with audits | Submitted, with a point | none moves | `Submitted(point)` |
/// | with a verifier | refused: `NeedsProof` (unit/Proofs) | | |
///
/// Refused, in this order: `NotOperator`, `WrongMode`, `JobUnknown`, `WrongPhase`, `WrongRound`, `NotHolder`, `NeedsProof`,
/// `ZeroRoot`, `TooLate`, and what the beacon reverts with (unit/BeaconFailures).
contract SubmitTest is Base {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
    }

    function _submit(address caller, uint32 first, uint16 round, address provider, bytes32 root) private {
        vm.prank(caller);
        market.submit(job, first, round, provider, root, DIGESTS);
    }

    function _submit(address provider) private {
        _submit(provider, 0, 1, provider, ROOT);
    }

    function _wrongPhase(uint32 first, IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, first, phase));
    }

    function _audited(uint16 bps) private {
        job = auditedJob(bps);
        jobId = post(job);
    }

    // ------------------------------------------------------------------ without audits

    function test_submit_withoutAudits_settlesAtOnce() public {
        vm.warp(job.timing.opensAt + 500);
        claim(job, alice, 4);
        vm.warp(time() + 300); // the price is that of the claim
        uint128 fee = 6 * UNIT * FEE / 10_000;
        vm.expectEmit(address(market));
        emit IMarket.Submitted(jobId, 0, alice, 1, ROOT, DIGESTS, 0);
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.Grade.Unaudited, 6 * UNIT - fee, fee, 0, 2 * UNIT);
        _submit(operator, 0, 1, alice, ROOT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0);
        assertEq(market.balanceOf(alice), 6 * UNIT - fee);
        assertEq(market.balanceOf(client), 982 * UNIT);
        assertEq(market.balanceOf(treasury), fee);
        assertGrade(jobId, 0, IMarket.Grade.Unaudited);
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(grade), uint8(IMarket.Grade.Unaudited));
        assertEq(market.leaseOf(jobId, 0).point, 0);
        assertEq(market.leaseOf(jobId, 0).root, ROOT);
    }

    /// P-15: the fee is that of `post`, after a takeover too.
    function test_submit_feeChangedSince_paysOldFee() public {
        vm.prank(governor);
        market.setFee(500, treasury);
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        submit(job, bob, 0);
        assertEq(market.balanceOf(treasury), 4 * UNIT * FEE / 10_000);
        assertEq(market.balanceOf(alice), 0);
    }

    function test_submit_noFeeNoSurplus_paysAll() public {
        vm.prank(governor);
        market.setFee(0, treasury);
        (job.price.minPrice, job.timing.ramp) = (2 * UNIT, 0);
        jobId = post(job);
        claim(job, alice, 4);
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.Grade.Unaudited, 8 * UNIT, 0, 0, 0);
        submit(job, alice, 0);
        assertEq(market.balanceOf(treasury), 0);
        assertEq(market.balanceOf(alice), 8 * UNIT);
    }

    /// P-38: a full counter stays full, and spills into nothing.
    function test_submit_completedIsFull_saturates() public {
        claim(job, alice, 4);
        // `completed` is bits 192 to 223 of the provider's slot, which comes after the number's.
        bytes32 slot = slotReadBy(abi.encodeCall(IMarket.providerOf, (alice)), 1);
        bytes32 word = vm.load(address(market), slot) | bytes32(uint256(type(uint32).max) << 192);
        vm.store(address(market), slot, word);
        assertProvider(alice, 100 * UNIT, 96 * UNIT, type(uint32).max, 0);
        submit(job, alice, 0);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, type(uint32).max, 0);
    }

    // ------------------------------------------------------------------ with audits

    function test_submit_withAudits_storesAPoint() public {
        _audited(1);
        claim(job, alice, 4);
        vm.warp(time() + job.timing.runWindow); // the last second
        uint64 point = beacon.point();
        vm.expectEmit(address(market));
        emit IMarket.Submitted(jobId, 0, alice, 1, ROOT, DIGESTS, point);
        _submit(operator, 0, 1, alice, ROOT);
        IMarket.LeaseState memory l = market.leaseOf(jobId, 0);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Submitted));
        assertEq(l.root, ROOT);
        assertEq(l.point, point);
        assertEq(l.since, time());
        assertEq(l.origin, time() - job.timing.runWindow);
        assertEq(l.count, 4);
        assertEq(l.round, 1);
        assertEq(l.provider, alice);
        assertProvider(alice, 100 * UNIT, 96 * UNIT, 0, 0); // the bond stays
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(root, 0); // not final
        assertEq(count, 0);
        assertEq(uint8(grade), 0);
    }

    /// The seed of the stored point cannot be known to anybody in this block.
    function test_submit_point_hasNoSeedYet() public {
        _audited(5000);
        claim(job, alice, 4);
        submit(job, alice, 0);
        uint64 point = market.leaseOf(jobId, 0).point;
        assertEq(beacon.seed(point), 0);
        assertGt(beacon.timeOf(point), time());
        vm.expectRevert();
        beacon.keep(point);
    }

    // ------------------------------------------------------------------ when

    /// P-34
    function test_submit_deadline_isExact() public {
        claim(job, alice, 4);
        uint64 deadline = time() + job.timing.runWindow;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1));
        _submit(alice);
        vm.warp(deadline);
        _submit(alice);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    /// A round that began in time goes to its end, after `closesAt` and after `cancel`.
    function test_submit_afterJobsEnd_settles() public {
        vm.warp(job.timing.closesAt);
        claim(job, alice, 4);
        vm.prank(client);
        market.cancel(job);
        vm.warp(time() + job.timing.runWindow);
        submit(job, alice, 0);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
    }

    // ------------------------------------------------------------------ refusals

    function test_submit_notTheHolder_reverts() public {
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, bob));
        _submit(bob, 0, 1, alice, ROOT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        _submit(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, anyone)); // no number
        _submit(anyone);
    }

    function test_submit_zeroRoot_reverts() public {
        claim(job, alice, 4);
        vm.expectRevert(IMarket.ZeroRoot.selector);
        _submit(alice, 0, 1, alice, 0);
        vm.prank(alice);
        market.submit(job, 0, 1, alice, ROOT, 0); // the digest list is not checked
    }

    function test_submit_wrongPhase_reverts() public {
        _wrongPhase(0, IMarket.Phase.None);
        _submit(alice);
        claim(job, alice, 4);
        _wrongPhase(1, IMarket.Phase.None);
        _submit(alice, 1, 1, alice, ROOT);
        _submit(alice);
        _wrongPhase(0, IMarket.Phase.Settled);
        _submit(alice);
        _audited(5000);
        claim(job, alice, 4);
        _submit(alice);
        _wrongPhase(0, IMarket.Phase.Submitted);
        _submit(alice);
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 4, 1, alice);
        _wrongPhase(4, IMarket.Phase.Free);
        _submit(alice, 4, 2, alice, ROOT);
    }

    /// P-43: a result that was made for one round has no effect on another.
    function test_submit_wrongRound_reverts() public {
        claim(job, alice, 4);
        for (uint16 round; round < 3; ++round) {
            if (round == 1) continue;
            vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 0));
            _submit(alice, 0, round, alice, ROOT);
        }
        vm.warp(time() + 801);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 2, 0));
        _submit(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, alice));
        _submit(alice, 0, 2, alice, ROOT);
        _submit(bob, 0, 2, bob, ROOT);
    }

    function test_submit_manyFaults_firstIsNamed() public {
        claim(job, alice, 4);
        vm.warp(time() + 801);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, anyone));
        _submit(anyone, 0, 2, alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 0));
        _submit(bob, 0, 2, bob, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        _submit(bob, 0, 1, bob, 0);
        vm.expectRevert(IMarket.ZeroRoot.selector);
        _submit(alice, 0, 1, alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, time() - 1, time()));
        _submit(alice);
    }

    /// Every act on a lease of an unknown job says so.
    function test_acts_unknownJob_revert() public {
        job.terms.nonce = 1234;
        bytes memory unknown = abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job));
        vm.startPrank(alice);
        vm.expectRevert(unknown);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        vm.expectRevert(unknown);
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, "");
        vm.expectRevert(unknown);
        market.finalize(job, list(0));
        vm.expectRevert(unknown);
        market.expire(job, 0);
        vm.expectRevert(unknown);
        market.leave(job, 0, 1, alice);
        vm.expectRevert(unknown);
        market.takeover(job, alice, 0);
        vm.expectRevert(unknown);
        market.close(job, list(0));
        vm.expectRevert(unknown);
        market.close(job, new uint32[](0));
        vm.stopPrank();
        vm.expectRevert(unknown);
        vm.prank(client);
        market.cancel(job);
    }

    /// Every act on an ordinary lease refuses a redundant job. `finalize` skips it.
    function test_acts_redundantJob_revert() public {
        job = redundantJob(3, 2);
        jobId = post(job);
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3);
        vm.startPrank(alice);
        vm.expectRevert(wrong);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        vm.expectRevert(wrong);
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, "");
        vm.expectRevert(wrong);
        market.expire(job, 0);
        vm.expectRevert(wrong);
        market.takeover(job, alice, 0);
        vm.recordLogs();
        market.finalize(job, list(0, 4));
        assertEq(vm.getRecordedLogs().length, 0);
    }
}
