// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Typed} from "../helpers/Typed.sol";
import {OddWallet} from "../helpers/Wallets.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What others do for a client that signed it. Digests come from forge's own EIP-712 encoder.
///
/// | act | signed | refused, in this order |
/// | --- | --- | --- |
/// | `postFor` | the job | `NonceIsRevoked`, `WrongChain`, `BadSignature`, then as `post` |
/// | `cancelFor` | `Cancel(jobId)` | `WrongChain`, `BadSignature`, then as `cancel` |
/// | `revoke` | | never |
contract SignaturesTest is Typed {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = market.hashJob(job);
    }

    // ------------------------------------------------------------------ digests

    /// P-16: a wallet shows the job and signs its id.
    function test_jobDigest_anyJob_isItsId() public {
        assertEq(jobDigest(job), jobId);
        job.terms.nonce = type(uint64).max;
        job.assurance.verifier = anyone;
        job.terms.providers = keccak256("list");
        assertEq(jobDigest(job), market.hashJob(job));
        job = auditedJob(10_000);
        job.assurance.refund = true;
        assertEq(jobDigest(job), market.hashJob(job));
        job = redundantJob(15, 8);
        assertEq(jobDigest(job), market.hashJob(job));
    }

    // ------------------------------------------------------------------ postFor

    function _postSignature() private view returns (bytes memory) {
        return signed(clientKey, jobDigest(job));
    }

    function _refused(bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, job.terms.client));
        vm.prank(anyone);
        market.postFor{gas: 10_000_000}(job, spec, signature); // a wallet may burn it all
    }

    function test_postFor_signedJob_posts() public {
        bytes memory signature = _postSignature();
        vm.expectEmit(address(market));
        emit IMarket.Posted(jobId, client, job, FEE, 0, spec);
        vm.prank(anyone);
        assertEq(market.postFor(job, spec, signature), jobId);
        assertEq(market.balanceOf(client), 980 * UNIT);
        assertEq(market.balanceOf(anyone), 0);
        assertEq(uint8(market.jobOf(jobId).status), uint8(IMarket.JobStatus.Posted));
    }

    /// P-17
    function test_postFor_twice_reverts() public {
        bytes memory signature = _postSignature();
        market.postFor(job, spec, signature);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.postFor(job, spec, signature);
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.postFor(job, spec, signature);
    }

    function test_postFor_badJob_revertsAsPost() public {
        job.terms.tasks = 0;
        bytes memory signature = _postSignature();
        vm.expectRevert(IMarket.NoTasks.selector);
        market.postFor(job, spec, signature);
        job = aJob();
        job.price.maxPrice = 101 * UNIT;
        signature = _postSignature();
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 1000 * UNIT, 1010 * UNIT)
        );
        market.postFor(job, spec, signature);
        job = aJob();
        signature = _postSignature();
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.SpecMismatch.selector, keccak256(spec), keccak256("other"))
        );
        market.postFor(job, "other", signature);
    }

    function test_postFor_wrongSigner_reverts() public {
        (, uint256 other) = makeAddrAndKey("other");
        _refused(signed(other, jobId));
        _refused(""); // the caller's word is not enough
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        vm.prank(client); // not even the client's own: `post` is for that
        market.postFor(job, spec, "");
    }

    function test_postFor_anyOtherField_reverts() public {
        bytes memory signature = _postSignature();
        job.price.maxPrice -= 1;
        _refused(signature);
        job = aJob();
        job.timing.runWindow += 1;
        _refused(signature);
        job = aJob();
        job.terms.minLease = 1;
        _refused(signature);
        job = aJob();
        job.assurance.verifier = anyone;
        _refused(signature);
        job = aJob();
        job.terms.client = anyone; // another's money
        _refused(signature);
    }

    function test_postFor_otherFormsOfSignature_revert() public {
        bytes memory signature = _postSignature();
        _refused(malleated(signature));
        _refused(compact(signature)); // ERC-2098: OpenZeppelin takes 65 bytes only
        _refused(bytes.concat(signature, hex"00"));
        (bytes32 r, bytes32 s, uint8 v) = parts(signature);
        _refused(abi.encodePacked(r, s, v - 27)); // recovery id instead of v
        _refused(abi.encodePacked(r, s, uint8(29)));
        _refused(abi.encodePacked(bytes32(0), s, v));
        _refused(new bytes(65));
        market.postFor(job, spec, signature);
    }

    function test_postFor_zeroClient_reverts() public {
        job.terms.client = address(0); // what a failed recovery yields
        _refused(new bytes(65));
        _refused(abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1)), uint8(29)));
    }

    /// P-17
    function test_signature_otherTypeOrMarket_isRefused() public {
        IMarket other = newMarket(address(token), governor, treasury, FEE);
        _refused(signed(clientKey, other.hashJob(job)));
        _refused(signed(clientKey, cancelDigest(jobId)));
        market.postFor(job, spec, _postSignature());
        bytes memory signature = _postSignature();
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        market.cancelFor(job, signature);
    }

    /// P-17
    function test_signature_otherChain_isRefused() public {
        bytes memory post_ = _postSignature();
        bytes memory cancel = signed(clientKey, cancelDigest(jobId));
        uint256 here = block.chainid;
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongChain.selector, here + 1, here);
        vm.chainId(here + 1);
        vm.expectRevert(wrong);
        market.postFor(job, spec, post_);
        post(job); // the client's own call works
        vm.expectRevert(wrong);
        market.cancelFor(job, cancel);
        vm.chainId(here);
        market.cancelFor(job, cancel);
    }

    // ------------------------------------------------------------------ revoke

    function test_revoke_nonce_voidsItsSignatures() public {
        bytes memory signature = _postSignature();
        assertFalse(market.isRevoked(client, 7));
        vm.expectEmit(address(market));
        emit IMarket.Revoked(client, 7);
        vm.prank(client);
        market.revoke(7);
        assertTrue(market.isRevoked(client, 7));
        assertFalse(market.isRevoked(client, 8));
        assertFalse(market.isRevoked(anyone, 7));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NonceIsRevoked.selector, client, 7));
        market.postFor(job, spec, signature);
        vm.prank(client);
        market.revoke(7); // again is no harm
        job.terms.nonce = 8;
        market.postFor(job, spec, _postSignature());
    }

    /// The nonce is checked first, then the chain, then the signature, then the job.
    function test_postFor_manyFaults_firstIsNamed() public {
        job.terms.tasks = 0;
        uint256 here = block.chainid;
        vm.prank(client);
        market.revoke(7);
        vm.chainId(here + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NonceIsRevoked.selector, client, 7));
        market.postFor(job, spec, "");
        job.terms.nonce = 8;
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongChain.selector, here + 1, here));
        market.postFor(job, spec, "");
        vm.chainId(here);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        market.postFor(job, spec, "");
        bytes memory signature = _postSignature();
        vm.expectRevert(IMarket.NoTasks.selector);
        market.postFor(job, spec, signature);
    }

    /// Only signed posts are void: the client itself still posts with the nonce, and a signed cancellation still holds.
    function test_revoke_otherActs_stayValid() public {
        vm.prank(client);
        market.revoke(7);
        post(job);
        claim(job, alice, 2);
        submit(job, alice, 0);
        market.cancelFor(job, signed(clientKey, cancelDigest(jobId)));
    }

    function test_revoke_byStranger_changesNothing() public {
        vm.prank(anyone);
        market.revoke(7);
        market.postFor(job, spec, _postSignature());
    }

    // ------------------------------------------------------------------ cancelFor

    function test_cancelFor_signed_cancels() public {
        post(job);
        claim(job, alice, 4);
        bytes memory signature = signed(clientKey, cancelDigest(jobId));
        vm.expectEmit(address(market));
        emit IMarket.Cancelled(jobId);
        vm.expectEmit(address(market));
        emit IMarket.Refunded(jobId, 4, 6, 12 * UNIT);
        vm.prank(anyone);
        market.cancelFor(job, signature);
        assertEq(market.balanceOf(client), 992 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        market.cancelFor(job, signature);
    }

    function test_cancelFor_badSignature_reverts() public {
        bytes memory signature = signed(clientKey, cancelDigest(jobId));
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, jobId));
        market.cancelFor(job, signature);
        post(job);
        IMarket.Job memory other = aJob();
        other.terms.nonce = 8;
        post(other);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        market.cancelFor(other, signature);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        market.cancelFor(job, malleated(signature));
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        market.cancelFor(job, "");
    }

    // ------------------------------------------------------------------ wallets that are contracts

    function _walletJob() private returns (OddWallet odd) {
        odd = new OddWallet(client);
        fund(address(odd), 100 * UNIT);
        job.terms.client = address(odd);
        jobId = market.hashJob(job);
    }

    function test_wallet_ofOwner_signs() public {
        OddWallet odd = _walletJob();
        _refused("");
        _refused(signed(clientKey, keccak256("something else")));
        market.postFor(job, spec, signed(clientKey, jobId));
        claim(job, alice, 4);
        submit(job, alice, 0);
        market.cancelFor(job, signed(clientKey, cancelDigest(jobId)));
        assertEq(market.balanceOf(address(odd)), 96 * UNIT);
    }

    function test_wallet_thatSaysNo_isObeyed() public {
        OddWallet odd = _walletJob();
        bytes memory signature = signed(clientKey, jobId);
        OddWallet.Manner[6] memory manners = [
            OddWallet.Manner.No,
            OddWallet.Manner.Reverts,
            OddWallet.Manner.Empty,
            OddWallet.Manner.Short,
            OddWallet.Manner.MagicAndMore,
            OddWallet.Manner.BurnsGas
        ];
        for (uint256 i; i < manners.length; ++i) {
            odd.behave(manners[i]);
            _refused(signature);
        }
        assertEq(market.balanceOf(address(odd)), 100 * UNIT);
        odd.behave(OddWallet.Manner.Yes); // it may take whatever it likes for a signature
        market.postFor(job, spec, "");
    }

    /// The market copies one word of the answer: a long one costs the wallet's gas alone.
    function test_wallet_longAnswer_costsItsOwnGas() public {
        OddWallet odd = _walletJob();
        odd.behave(OddWallet.Manner.Yes);
        uint256 snapshot = vm.snapshotState();
        uint256 before = gasleft();
        market.postFor(job, spec, "");
        uint256 plain = before - gasleft();
        vm.revertToState(snapshot);
        odd.behave(OddWallet.Manner.Bomb);
        before = gasleft();
        market.postFor(job, spec, "");
        assertLt(before - gasleft(), plain + 60_000); // 100,000 bytes cost the wallet 30,000
    }

    /// The market asks a wallet by `staticcall`: what it tries meanwhile fails, also what it may do otherwise.
    function test_wallet_thatReenters_fails() public {
        OddWallet odd = _walletJob();
        bytes[4] memory tries = [
            abi.encodeCall(IMarket.withdraw, (address(odd), UNIT)),
            abi.encodeCall(IMarket.post, (job, spec)),
            abi.encodeCall(IMarket.postFor, (job, spec, "")),
            abi.encodeCall(IMarket.revoke, (7))
        ];
        for (uint256 i; i < tries.length; ++i) {
            odd.reenter(address(market), tries[i]);
            _refused("");
            uint256 snapshot = vm.snapshotState();
            odd.behave(OddWallet.Manner.Yes);
            odd.act(address(market), tries[i]); // outside of the question each is valid
            vm.revertToState(snapshot);
        }
        odd.reenter(address(market), abi.encodeCall(IMarket.balanceOf, (address(odd))));
        market.postFor(job, spec, ""); // reading is allowed
    }
}
