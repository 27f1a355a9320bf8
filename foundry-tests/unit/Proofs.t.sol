// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddVerifier} from "../helpers/Verifiers.sol";
import {IMarket} from "piecework/IMarket.sol";
import {IVerifier} from "piecework/IVerifier.sol";

/// `prove`, by the holder or its operator, while `t <= since + runWindow`; and what a malicious verifier can do.
///
/// If the verifier answers with its selector within 5,000,000 gas: Settled (Proven), with the events of `submit`. Refused, in this
/// order: `NotOperator`, `WrongMode`, `JobUnknown`, `WrongPhase`, `WrongRound`, `NotHolder`, `NoVerifier`, `ZeroRoot`, `TooLate`,
/// `NotEnoughGas`, `ProofRejected`.
contract ProofsTest is Base {
    bytes private constant PROOF = "a proof";
    uint256 private constant NEEDED = uint256(5_000_000) * 64 / 63 + 5000;

    OddVerifier private verifier;
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        verifier = new OddVerifier();
        job = aJob();
        job.assurance.verifier = address(verifier);
        jobId = post(job);
        claim(job, alice, 4);
        verifier.expect(abi.encodeCall(IVerifier.verify, (job, jobId, 0, 4, alice, ROOT, DIGESTS, PROOF)));
    }

    function _prove(address who) private {
        vm.prank(who);
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, PROOF);
    }

    function _rejected() private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(verifier)));
        _prove(alice);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertEq(market.leaseOf(jobId, 0).root, 0);
    }

    function test_prove_confirmed_settles() public {
        vm.warp(time() + 500); // half way up the ramp, but the price is that of the claim
        vm.expectEmit(address(market));
        emit IMarket.Submitted(jobId, 0, alice, 1, ROOT, DIGESTS, 0);
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.Grade.Proven, 3.9e18, 0.1e18, 0, 4e18);
        _prove(operator);
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(grade), uint8(IMarket.Grade.Proven));
        assertEq(market.balanceOf(alice), 3.9e18);
        assertEq(market.balanceOf(treasury), 0.1e18);
        assertEq(market.balanceOf(client), 984 * UNIT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0);
        assertGrade(jobId, 0, IMarket.Grade.Proven);
        assertEq(market.leaseOf(jobId, 0).point, 0);
    }

    /// The verifier is asked about exactly this: each argument, as it is.
    function test_prove_otherQuestion_isRejected() public {
        vm.startPrank(alice);
        bytes memory rejected =
            abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(verifier));
        vm.expectRevert(rejected);
        market.prove(job, 0, 1, alice, keccak256("other"), DIGESTS, PROOF);
        vm.expectRevert(rejected);
        market.prove(job, 0, 1, alice, ROOT, keccak256("other"), PROOF);
        vm.expectRevert(rejected);
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, "another proof");
        vm.expectRevert(rejected);
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, "");
        vm.stopPrank();
        uint32 second = claim(job, alice, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, second, address(verifier))
        );
        vm.prank(alice);
        market.prove(job, second, 1, alice, ROOT, DIGESTS, PROOF);
        _prove(alice);
    }

    function test_prove_twice_reverts() public {
        _prove(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        _prove(alice);
    }

    function test_prove_badArguments_revert() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, anyone));
        _prove(anyone);
        vm.startPrank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        market.prove(job, 0, 1, bob, ROOT, DIGESTS, PROOF);
        vm.stopPrank();
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroRoot.selector);
        market.prove(job, 0, 1, alice, 0, DIGESTS, PROOF);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 1, IMarket.Phase.None));
        market.prove(job, 1, 1, alice, ROOT, DIGESTS, PROOF);
        job.terms.nonce = 8;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, PROOF);
        vm.stopPrank();
        job.assurance.verifier = address(0);
        bytes32 other = post(job);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoVerifier.selector, other));
        _prove(alice);
    }

    /// P-34
    function test_prove_deadline_isExact() public {
        uint64 deadline = time() + 800;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1));
        _prove(alice);
        vm.warp(deadline);
        _prove(alice);
    }

    /// P-33: results of such a job come with a proof, or not at all.
    function test_submit_jobWithVerifier_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NeedsProof.selector, jobId, address(verifier)));
        vm.prank(alice);
        market.submit(job, 0, 1, alice, ROOT, DIGESTS);
        assertPhase(jobId, 0, IMarket.Phase.Running);
    }

    function test_prove_afterTakeover_isOfNewHolder() public {
        vm.warp(time() + 801);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 2, 0));
        _prove(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, alice));
        vm.prank(alice);
        market.prove(job, 0, 2, alice, ROOT, DIGESTS, PROOF);
        verifier.behave(OddVerifier.Manner.Yes);
        vm.prank(bob);
        market.prove(job, 0, 2, bob, ROOT, DIGESTS, PROOF);
        assertEq(market.providerOf(bob).completed, 1);
    }

    function test_verifier_thatSaysNo_settlesNothing() public {
        OddVerifier.Manner[9] memory manners = [
            OddVerifier.Manner.No,
            OddVerifier.Manner.Reverts,
            OddVerifier.Manner.BurnsGas,
            OddVerifier.Manner.Empty,
            OddVerifier.Manner.Short,
            OddVerifier.Manner.MagicAndMore,
            OddVerifier.Manner.RevertsWithBomb,
            OddVerifier.Manner.RevertsWithMagic,
            OddVerifier.Manner.Checks // of another proof
        ];
        verifier.expect("");
        for (uint256 i; i < manners.length; ++i) {
            verifier.behave(manners[i]);
            _rejected();
        }
        // The job runs on: its ends need no verifier.
        vm.warp(time() + 801);
        market.expire(job, 0);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    function test_verifier_withoutCode_confirmsNothing() public {
        job.assurance.verifier = anyone;
        jobId = post(job);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, anyone));
        _prove(alice);
        job.assurance.verifier = address(4); // the precompile that answers with its input
        jobId = post(job);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(4)));
        _prove(alice);
    }

    /// P-33: it can spend its allowance and no more, however much gas there is, and whatever it answers.
    function test_verifier_badAnswers_costItsAllowanceAtMost() public {
        verifier.behave(OddVerifier.Manner.BurnsGas);
        uint256 before = gasleft();
        _rejected();
        assertLt(before - gasleft(), 5_200_000);
        verifier.behave(OddVerifier.Manner.RevertsWithBomb);
        before = gasleft();
        _rejected();
        uint256 itsOwn = 700_000; // memory of 500,000 bytes
        assertLt(before - gasleft(), itsOwn + 200_000);
        verifier.behave(OddVerifier.Manner.Bomb);
        before = gasleft();
        _prove(alice);
        assertLt(before - gasleft(), itsOwn + 250_000);
    }

    function _needsGas(uint256 gas_) private returns (bool) {
        vm.prank(alice);
        (bool ok, bytes memory answer) = address(market).call{gas: gas_}(
            abi.encodeCall(IMarket.prove, (job, 0, 1, alice, ROOT, DIGESTS, PROOF))
        );
        if (ok) return false;
        assertEq(
            answer, abi.encodeWithSelector(IMarket.NotEnoughGas.selector, NEEDED), "rejected for want of gas"
        );
        return true;
    }

    /// At no gas limit is the verifier asked with less than its allowance.
    function test_verifier_littleGas_cannotStarveIt() public {
        verifier.behave(OddVerifier.Manner.WantsGas);
        (uint256 low, uint256 high) = (200_000, 6_000_000);
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            uint256 snapshot = vm.snapshotState();
            if (_needsGas(middle)) low = middle;
            else high = middle;
            vm.revertToState(snapshot);
        }
        assertGt(low, NEEDED);
        assertLt(high, NEEDED + 150_000);
        for (uint256 i; i < 400; ++i) {
            uint256 snapshot = vm.snapshotState();
            assertFalse(_needsGas(high + 25 * i));
            vm.revertToState(snapshot);
        }
    }

    /// P-33: the market asks it by `staticcall`: it changes nothing meanwhile, not even as a party to the job.
    function test_verifier_thatReenters_fails() public {
        IMarket.Job memory other = auditedJob(1);
        post(other);
        claim(other, bob, 4);
        submit(other, bob, 0);
        vm.warp(time() + 7201);
        job.terms.nonce = 8; // one whose time is not over
        job.timing.closesAt = time() + 1;
        jobId = post(job);
        claim(job, alice, 4);
        bytes[4] memory tries = [
            abi.encodeCall(IMarket.finalize, (other, list(0))), // anyone's right
            abi.encodeCall(IMarket.revoke, (1)),
            abi.encodeCall(IMarket.setProfile, (0, 0, "")),
            abi.encodeCall(IMarket.prove, (job, 0, 1, alice, ROOT, DIGESTS, PROOF))
        ];
        for (uint256 i; i < tries.length; ++i) {
            verifier.reenter(address(market), tries[i]);
            _rejected();
        }
        verifier.reenter(address(market), abi.encodeCall(IMarket.totalStake, ()));
        _prove(alice); // reading is allowed
    }

    /// While the verifier is asked, there is no final result: it cannot confirm itself.
    function test_verifier_whileAsked_seesNoResult() public {
        verifier.behave(OddVerifier.Manner.ReadsResult);
        _prove(alice);
    }
}
