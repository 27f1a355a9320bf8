// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {OddVerifier} from "../helpers/Verifiers.sol";
import {IMarket} from "piecework/IMarket.sol";
import {IVerifier} from "piecework/IVerifier.sol";

/// `prove`, and what a verifier that means ill can do.
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
        job.terms.verifier = address(verifier);
        jobId = post(job);
        claim(job, alice, 4);
        verifier.expect(abi.encodeCall(IVerifier.verify, (job, jobId, 0, 4, alice, ROOT, MANIFEST, PROOF)));
    }

    function _prove(address who) private {
        vm.prank(who);
        market.prove(job, 0, alice, ROOT, MANIFEST, PROOF);
    }

    function _rejected() private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(verifier)));
        _prove(alice);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertEq(market.leaseOf(jobId, 0).root, 0);
    }

    function test_prove() public {
        vm.warp(time() + 500); // half way up the ramp, but the price is that of the claim
        vm.expectEmit(address(market));
        emit IMarket.Submitted(jobId, 0, alice, ROOT, MANIFEST);
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.How.Proven, 3.9e18, 0.1e18, 4e18);
        _prove(operator);
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(count, 4);
        assertEq(uint8(how), uint8(IMarket.How.Proven));
        assertEq(market.balanceOf(alice), 3.9e18);
        assertEq(market.balanceOf(treasury), 0.1e18);
        assertEq(market.balanceOf(client), 984 * UNIT);
        assertProvider(alice, 100 * UNIT, 100 * UNIT, 1, 0);
        assertEq(market.leaseOf(jobId, 0).submittedAt, time());
    }

    /// The verifier is asked about exactly this: each argument, as it is.
    function test_prove_theQuestion() public {
        vm.startPrank(alice);
        bytes memory rejected =
            abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(verifier));
        vm.expectRevert(rejected);
        market.prove(job, 0, alice, keccak256("other"), MANIFEST, PROOF);
        vm.expectRevert(rejected);
        market.prove(job, 0, alice, ROOT, keccak256("other"), PROOF);
        vm.expectRevert(rejected);
        market.prove(job, 0, alice, ROOT, MANIFEST, "another proof");
        vm.expectRevert(rejected);
        market.prove(job, 0, alice, ROOT, MANIFEST, "");
        vm.stopPrank();
        uint32 second = claim(job, alice, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, second, address(verifier))
        );
        vm.prank(alice);
        market.prove(job, second, alice, ROOT, MANIFEST, PROOF);
        _prove(alice);
    }

    function test_prove_once() public {
        _prove(alice);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        _prove(alice);
    }

    function test_prove_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, anyone));
        _prove(anyone);
        vm.startPrank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, bob));
        market.prove(job, 0, bob, ROOT, MANIFEST, PROOF);
        vm.stopPrank();
        vm.startPrank(alice);
        vm.expectRevert(IMarket.ZeroRoot.selector);
        market.prove(job, 0, alice, 0, MANIFEST, PROOF);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 1, IMarket.Phase.None));
        market.prove(job, 1, alice, ROOT, MANIFEST, PROOF);
        job.terms.nonce = 8;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        market.prove(job, 0, alice, ROOT, MANIFEST, PROOF);
        vm.stopPrank();
        job.terms.verifier = address(0);
        bytes32 other = post(job);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoVerifier.selector, other));
        _prove(alice);
    }

    function test_prove_deadline() public {
        uint64 deadline = time() + 800;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1));
        _prove(alice);
        vm.warp(deadline);
        _prove(alice);
    }

    /// Results of such a job come with a proof, or not at all.
    function test_submit_needsProof() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NeedsProof.selector, jobId, address(verifier)));
        submit(job, alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        vm.prank(client);
        market.accept(job, 0, ROOT);
    }

    function test_prove_afterATakeover() public {
        vm.warp(time() + 801);
        vm.prank(bob);
        market.takeover(job, bob, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, alice));
        _prove(alice);
        verifier.behave(OddVerifier.Manner.Yes);
        vm.prank(bob);
        market.prove(job, 0, bob, ROOT, MANIFEST, PROOF);
        assertEq(market.providerOf(bob).completed, 1);
    }

    function test_verifier_thatSaysNo() public {
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
        uint32[] memory firsts = new uint32[](1);
        market.close(job, firsts);
        assertEq(market.balanceOf(client), 1000 * UNIT);
    }

    function test_verifier_withoutCode() public {
        job.terms.verifier = anyone;
        jobId = post(job);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, anyone));
        _prove(alice);
        job.terms.verifier = address(4); // the precompile that answers with its input
        jobId = post(job);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(4)));
        _prove(alice);
    }

    /// It can spend its allowance, and no more, however much there is, and whatever it answers.
    function test_verifier_costsNoMoreThanItsAllowance() public {
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
            abi.encodeCall(IMarket.prove, (job, 0, alice, ROOT, MANIFEST, PROOF))
        );
        if (ok) return false;
        assertEq(
            answer,
            abi.encodeWithSelector(IMarket.VerifierNeedsGas.selector, NEEDED),
            "rejected for want of gas"
        );
        return true;
    }

    /// At no gas limit is the verifier asked with less than its allowance.
    function test_verifier_cannotBeStarved() public {
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

    /// It is asked by `staticcall`: it changes nothing meanwhile, not even as a party to the job.
    function test_verifier_thatReenters() public {
        IMarket.Job memory other = aJob();
        post(other);
        claim(other, bob, 4);
        submit(other, bob, 0);
        vm.warp(time() + 601);
        bytes[4] memory tries = [
            abi.encodeCall(IMarket.finalize, (other, 0)), // anyone's right
            abi.encodeCall(IMarket.revoke, (1)),
            abi.encodeCall(IMarket.setProfile, (0, 0, "")),
            abi.encodeCall(IMarket.prove, (job, 0, alice, ROOT, MANIFEST, PROOF))
        ];
        for (uint256 i; i < tries.length; ++i) {
            verifier.reenter(address(market), tries[i]);
            _rejected();
        }
        verifier.reenter(address(market), abi.encodeCall(IMarket.totalStake, ()));
        _prove(alice); // reading is allowed
    }

    /// While the verifier is asked, there is no final result: it cannot confirm itself.
    function test_verifier_seesNoResult() public {
        verifier.behave(OddVerifier.Manner.ReadsResult);
        _prove(alice);
    }
}
