// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Typed} from "../helpers/Typed.sol";
import {OddWallet} from "../helpers/Wallets.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What others do for a client that signed it. Digests come from forge's own EIP-712 encoder.
contract SignaturesTest is Typed {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = market.hashJob(job);
    }

    // ------------------------------------------------------------------ digests

    function _jobDigest(IMarket.Job memory j) private view returns (bytes32) {
        string memory terms = string.concat(
            '{"client":"',
            vm.toString(j.terms.client),
            '","nonce":',
            vm.toString(j.terms.nonce),
            ',"spec":"',
            vm.toString(j.terms.spec),
            '","tasks":',
            vm.toString(j.terms.tasks),
            ',"maxLease":',
            vm.toString(j.terms.maxLease)
        );
        terms = string.concat(
            terms,
            ',"replicas":1,"quorum":1,"providers":"',
            vm.toString(j.terms.providers),
            '","verifier":"',
            vm.toString(j.terms.verifier),
            '"}'
        );
        string memory price = string.concat(
            '{"minPrice":"',
            vm.toString(j.price.minPrice),
            '","maxPrice":"',
            vm.toString(j.price.maxPrice),
            '","bond":"',
            vm.toString(j.price.bond),
            '","juryFee":"',
            vm.toString(j.price.juryFee),
            '"}'
        );
        string memory timing = string.concat(
            '{"opensAt":',
            vm.toString(j.timing.opensAt),
            ',"ramp":',
            vm.toString(j.timing.ramp),
            ',"closesAt":',
            vm.toString(j.timing.closesAt),
            ',"runWindow":',
            vm.toString(j.timing.runWindow),
            ',"challengeWindow":',
            vm.toString(j.timing.challengeWindow),
            "}"
        );
        string memory fields = string.concat(
            '[{"name":"terms","type":"Terms"},{"name":"price","type":"Price"},{"name":"timing","type":"Timing"}],',
            '"Terms":[{"name":"client","type":"address"},{"name":"nonce","type":"uint64"},{"name":"spec","type":"bytes32"},',
            '{"name":"tasks","type":"uint32"},{"name":"maxLease","type":"uint32"},{"name":"replicas","type":"uint8"},',
            '{"name":"quorum","type":"uint8"},{"name":"providers","type":"bytes32"},{"name":"verifier","type":"address"}],',
            '"Price":[{"name":"minPrice","type":"uint128"},{"name":"maxPrice","type":"uint128"},',
            '{"name":"bond","type":"uint128"},{"name":"juryFee","type":"uint128"}],',
            '"Timing":[{"name":"opensAt","type":"uint64"},{"name":"ramp","type":"uint64"},{"name":"closesAt","type":"uint64"},',
            '{"name":"runWindow","type":"uint64"},{"name":"challengeWindow","type":"uint64"}]'
        );
        string memory message =
            string.concat('{"terms":', terms, ',"price":', price, ',"timing":', timing, "}");
        return typed("Piecework", address(market), "Job", fields, message);
    }

    function _cancelDigest(bytes32 id) private view returns (bytes32) {
        return typed(
            "Piecework",
            address(market),
            "Cancel",
            '[{"name":"jobId","type":"bytes32"}]',
            string.concat('{"jobId":"', vm.toString(id), '"}')
        );
    }

    function _acceptDigest(bytes32 id, uint32 first, bytes32 root) private view returns (bytes32) {
        return typed(
            "Piecework",
            address(market),
            "Accept",
            '[{"name":"jobId","type":"bytes32"},{"name":"first","type":"uint32"},{"name":"root","type":"bytes32"}]',
            string.concat(
                '{"jobId":"',
                vm.toString(id),
                '","first":',
                vm.toString(first),
                ',"root":"',
                vm.toString(root),
                '"}'
            )
        );
    }

    /// A wallet shows the job and signs its id.
    function test_P06_aJobsDigestIsItsId() public {
        assertEq(_jobDigest(job), jobId);
        job.terms.nonce = type(uint64).max;
        job.terms.verifier = anyone;
        job.terms.providers = keccak256("list");
        assertEq(_jobDigest(job), market.hashJob(job));
    }

    // ------------------------------------------------------------------ postFor

    function _postSignature() private view returns (bytes memory) {
        return signed(clientKey, _jobDigest(job));
    }

    function _refused(bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, job.terms.client));
        vm.prank(anyone);
        market.postFor{gas: 10_000_000}(job, spec, signature); // a wallet may burn it all
    }

    function test_postFor() public {
        bytes memory signature = _postSignature();
        vm.expectEmit(address(market));
        emit IMarket.Posted(jobId, client, job, FEE, spec);
        vm.prank(anyone);
        assertEq(market.postFor(job, spec, signature), jobId);
        assertEq(market.balanceOf(client), 980 * UNIT);
        assertEq(market.balanceOf(anyone), 0);
        assertEq(uint8(market.jobOf(jobId).status), uint8(IMarket.JobStatus.Posted));
    }

    function test_postFor_once() public {
        bytes memory signature = _postSignature();
        market.postFor(job, spec, signature);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.postFor(job, spec, signature);
        vm.prank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.postFor(job, spec, signature);
    }

    function test_postFor_checksAsPost() public {
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

    function test_postFor_wrongSigner() public {
        (, uint256 other) = makeAddrAndKey("other");
        _refused(signed(other, jobId));
        _refused(""); // the caller's word is not enough
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        vm.prank(client); // not even the client's own: `post` is for that
        market.postFor(job, spec, "");
    }

    function test_postFor_anyOtherField() public {
        bytes memory signature = _postSignature();
        job.price.maxPrice -= 1;
        _refused(signature);
        job = aJob();
        job.timing.challengeWindow = 0;
        _refused(signature);
        job = aJob();
        job.terms.client = anyone; // another's money
        _refused(signature);
    }

    function test_postFor_formsOfSignatures() public {
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

    function test_postFor_nobodysMoney() public {
        job.terms.client = address(0); // what a failed recovery yields
        _refused(new bytes(65));
        _refused(abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1)), uint8(29)));
    }

    function test_P06_signaturesBindTypeAndMarket() public {
        IMarket other = newMarket(address(token), governor, treasury, FEE);
        _refused(signed(clientKey, other.hashJob(job)));
        _refused(signed(clientKey, _cancelDigest(jobId)));
        market.postFor(job, spec, _postSignature());
        bytes memory signature = _postSignature();
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
        market.cancelFor(job, signature);
    }

    function test_P06_otherChain() public {
        bytes memory post_ = _postSignature();
        bytes memory cancel = signed(clientKey, _cancelDigest(jobId));
        bytes memory accept = signed(clientKey, _acceptDigest(jobId, 0, ROOT));
        uint256 here = block.chainid;
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongChain.selector, here + 1, here);
        vm.chainId(here + 1);
        vm.expectRevert(wrong);
        market.postFor(job, spec, post_);
        post(job); // in person it works still
        vm.expectRevert(wrong);
        market.cancelFor(job, cancel);
        claim(job, alice, 1);
        submit(job, alice, 0);
        vm.expectRevert(wrong);
        market.acceptFor(job, 0, accept);
        vm.chainId(here);
        market.acceptFor(job, 0, accept);
        market.cancelFor(job, cancel);
    }

    // ------------------------------------------------------------------ revoke

    function test_revoke() public {
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

    /// Only what is not posted yet is void: the client itself still posts, cancels and accepts with the nonce.
    function test_revoke_ofSignedPostsOnly() public {
        vm.prank(client);
        market.revoke(7);
        post(job);
        claim(job, alice, 1);
        submit(job, alice, 0);
        market.acceptFor(job, 0, signed(clientKey, _acceptDigest(jobId, 0, ROOT)));
        market.cancelFor(job, signed(clientKey, _cancelDigest(jobId)));
    }

    function test_revoke_onlyOnesOwn() public {
        vm.prank(anyone);
        market.revoke(7);
        market.postFor(job, spec, _postSignature());
    }

    // ------------------------------------------------------------------ cancelFor

    function test_cancelFor() public {
        post(job);
        claim(job, alice, 4);
        bytes memory signature = signed(clientKey, _cancelDigest(jobId));
        vm.expectEmit(address(market));
        emit IMarket.Cancelled(jobId);
        emit IMarket.Refunded(jobId, 4, 6, 12 * UNIT);
        vm.prank(anyone);
        market.cancelFor(job, signature);
        assertEq(market.balanceOf(client), 992 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        market.cancelFor(job, signature);
    }

    function test_cancelFor_reverts() public {
        bytes memory signature = signed(clientKey, _cancelDigest(jobId));
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

    // ------------------------------------------------------------------ acceptFor

    function test_acceptFor() public {
        post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        bytes memory signature = signed(clientKey, _acceptDigest(jobId, 0, ROOT));
        vm.expectEmit(address(market));
        emit IMarket.Settled(jobId, 0, IMarket.How.Accepted, 3.9e18, 0.1e18, 4e18);
        vm.prank(anyone);
        market.acceptFor(job, 0, signature);
        (bytes32 root,, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(uint8(how), uint8(IMarket.How.Accepted));
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        market.acceptFor(job, 0, signature);
    }

    function test_acceptFor_bindsLeaseAndRoot() public {
        post(job);
        bytes memory bad = abi.encodeWithSelector(IMarket.BadSignature.selector, client);
        bytes memory ofFirst = signed(clientKey, _acceptDigest(jobId, 0, ROOT));
        bytes memory ofSecond = signed(clientKey, _acceptDigest(jobId, 4, ROOT));
        bytes memory otherRoot = signed(clientKey, _acceptDigest(jobId, 0, keccak256("other")));
        claim(job, alice, 4);
        vm.expectRevert(bad); // signed ahead; nothing is submitted
        market.acceptFor(job, 0, ofFirst);
        submit(job, alice, 0);
        vm.expectRevert(bad);
        market.acceptFor(job, 0, ofSecond);
        vm.expectRevert(bad);
        market.acceptFor(job, 0, otherRoot);
        vm.expectRevert(bad);
        market.acceptFor(job, 0, malleated(ofFirst));
        market.acceptFor(job, 0, ofFirst);
    }

    /// Nothing that a client could sign accepts a lease that has no result.
    function test_acceptFor_nothingSubmitted() public {
        bytes memory ofNothing = signed(clientKey, _acceptDigest(jobId, 0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, jobId));
        market.acceptFor(job, 0, ofNothing);
        post(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.None));
        market.acceptFor(job, 0, ofNothing);
        claim(job, alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.acceptFor(job, 0, ofNothing);
    }

    // ------------------------------------------------------------------ wallets that are contracts

    function _walletJob() private returns (OddWallet odd) {
        odd = new OddWallet(client);
        fund(address(odd), 100 * UNIT);
        job.terms.client = address(odd);
        jobId = market.hashJob(job);
    }

    function test_wallet() public {
        OddWallet odd = _walletJob();
        _refused("");
        _refused(signed(clientKey, keccak256("something else")));
        market.postFor(job, spec, signed(clientKey, jobId));
        claim(job, alice, 4);
        submit(job, alice, 0);
        market.acceptFor(job, 0, signed(clientKey, _acceptDigest(jobId, 0, ROOT)));
        market.cancelFor(job, signed(clientKey, _cancelDigest(jobId)));
        assertEq(market.balanceOf(address(odd)), 96 * UNIT);
    }

    function test_wallet_thatSaysNo() public {
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

    /// One word of the answer is copied: a long one costs the wallet's gas alone.
    function test_wallet_longAnswer() public {
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

    /// A wallet is asked by `staticcall`: what it tries meanwhile fails, what it could do anyway included.
    function test_wallet_thatReenters() public {
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
