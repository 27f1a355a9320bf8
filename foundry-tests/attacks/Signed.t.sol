// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IDevToken, IEip5267} from "../helpers/Base.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {OddWallet} from "../helpers/Wallets.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What a signature can be made to do that was not signed. (Replays across chains and forks;
/// permits used up by a front-runner; wallets that call back.)
contract SignedAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = market.hashJob(job);
    }

    function _sign(bytes32 digest) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(clientKey, digest);
        return abi.encodePacked(r, s, v);
    }

    /// The digest of a struct in a market's domain on a chain.
    function _typed(address at, uint256 chain, bytes32 structHash) private pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Piecework"),
                keccak256("1"),
                chain,
                at
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _accept(bytes32 id, uint32 first, bytes32 root) private view returns (bytes memory) {
        bytes32 it = keccak256(
            abi.encode(keccak256("Accept(bytes32 jobId,uint32 first,bytes32 root)"), id, first, root)
        );
        return _sign(_typed(address(market), block.chainid, it));
    }

    function _cancel(address at, uint256 chain, bytes32 id) private view returns (bytes memory) {
        return _sign(_typed(at, chain, keccak256(abi.encode(keccak256("Cancel(bytes32 jobId)"), id))));
    }

    function _badSignature() private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
    }

    /// P-17 P-16: the signature of one job posts no other: not a dearer one, not one whose results somebody else may accept.
    function test_P17_boundToTheDigest() public {
        bytes memory signature = _sign(jobId);
        IMarket.Job memory other = job;
        other.price.maxPrice *= 2;
        vm.startPrank(mallory);
        _badSignature();
        market.postFor(other, spec, signature);
        other = aJob();
        other.timing.challengeWindow = 0;
        _badSignature();
        market.postFor(other, spec, signature);
        other = aJob();
        other.terms.client = eve;
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, eve));
        market.postFor(other, spec, signature);
        // The bytes of the spec are bound, too.
        vm.expectPartialRevert(IMarket.SpecMismatch.selector);
        market.postFor(job, "another container", signature);
        market.postFor(job, spec, signature);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.postFor(job, spec, signature);
        vm.stopPrank();
        assertBooks(20 * UNIT);
    }

    /// P-17: not in another market, nor on another chain, nor on a fork of this one that took a new id.
    function test_P17_otherMarketOrChain() public {
        IMarket second = newMarket(address(token), governor, treasury, FEE);
        bytes memory signature = _sign(jobId);
        _badSignature();
        second.postFor(job, spec, signature);
        bytes memory elsewhere = _cancel(address(market), block.chainid + 1, jobId);
        market.postFor(job, spec, signature);
        _badSignature();
        market.cancelFor(job, elsewhere);

        bytes memory here = _cancel(address(market), block.chainid, jobId);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongChain.selector, chain + 1, chain));
        market.cancelFor(job, here);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongChain.selector, chain + 1, chain));
        market.cancelFor(job, elsewhere);
        // But nobody's money is stuck there: jobs are still known by their ids.
        vm.prank(client);
        market.cancel(job);
        vm.chainId(chain);
        assertEq(market.balanceOf(client), 1000 * UNIT);
        (,,, uint256 named,,,) = IEip5267(address(market)).eip712Domain();
        assertEq(named, chain);
    }

    /// P-17: one kind of signature is none of the other: the job's own digest cancels nothing. (In Boundless client
    /// and prover signed one and the same hash: boundless-xyz/boundless#457.)
    function test_P17_oneTypeForAnother() public {
        bytes memory posting = _sign(jobId);
        bytes memory cancelling = _cancel(address(market), block.chainid, jobId);
        vm.startPrank(mallory);
        _badSignature();
        market.postFor(job, spec, cancelling);
        market.postFor(job, spec, posting);
        _badSignature();
        market.cancelFor(job, posting);
        vm.stopPrank();
        claim(job, mallory, 4);
        submit(job, mallory, 0);
        vm.startPrank(mallory);
        _badSignature();
        market.acceptFor(job, 0, posting);
        _badSignature();
        market.acceptFor(job, 0, cancelling);
        vm.stopPrank();
    }

    /// P-17: an acceptance is for one lease and one root. The root that lost to a jury cannot be swapped under it.
    function test_P17_acceptanceOfAnotherRoot() public {
        bytes32[] memory wrong = Merkle.someDigests(1, 4);
        submitted(job, wrong);
        bytes memory signature = _accept(jobId, 0, Merkle.root(0, wrong));
        challenge(job, eve, wrong, 2, RIGHT);
        _wrongPhase(signature);
        sealJury(job);
        crewVotes(job, RIGHT);
        revealAnswer(job, eve, RIGHT);
        judge(job, RIGHT);
        vm.warp(time() + 1);
        vm.prank(mallory);
        market.takeover(job, mallory, 0);
        submit(job, mallory, 0);
        vm.startPrank(mallory);
        _badSignature();
        market.acceptFor(job, 0, signature);
        market.claim(job, mallory, 4);
        market.submit(job, 4, mallory, Merkle.root(0, wrong), MANIFEST);
        _badSignature();
        market.acceptFor(job, 4, signature);
        vm.stopPrank();
    }

    function _wrongPhase(bytes memory signature) private {
        // A root that is contested cannot be rushed through.
        vm.prank(alice);
        vm.expectRevert();
        market.acceptFor(job, 0, signature);
    }

    /// P-17: after its nonce was revoked it posts nothing; somebody else's revocation does not count.
    function test_P17_revoked() public {
        bytes memory signature = _sign(jobId);
        vm.prank(mallory);
        market.revoke(7);
        assertFalse(market.isRevoked(client, 7));
        vm.prank(client);
        market.revoke(7);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NonceIsRevoked.selector, client, 7));
        market.postFor(job, spec, signature);
    }

    /// P-17: neither the curve's second signature nor an empty or cut one is a way around a used or absent one.
    function test_P17_malleable() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(clientKey, jobId);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes[4] memory tries = [
            abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27)),
            bytes(""),
            abi.encodePacked(r, s),
            new bytes(65)
        ];
        for (uint256 i; i < 4; ++i) {
            _badSignature();
            market.postFor(job, spec, tries[i]);
        }
        // The zero address signs nothing, though `ecrecover` names it for every bad signature.
        IMarket.Job memory nobodys = job;
        nobodys.terms.client = address(0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, address(0)));
        market.postFor(nobodys, spec, new bytes(65));
    }

    /// P-35 P-17: who posts a signed job before the one that was asked to changes nothing: the same job stands, its
    /// client pays, once; and nobody can post it with less gas or another fee than the market's.
    function test_P17_frontRunPosting() public {
        bytes memory signature = _sign(jobId);
        vm.prank(mallory);
        market.postFor(job, spec, signature);
        assertEq(market.jobOf(jobId).feeBps, FEE);
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.post(job, spec);
        assertEq(market.balanceOf(client), 980 * UNIT);
        claim(job, alice, 4);
        submit(job, alice, 0);
        bytes memory acceptance = _accept(jobId, 0, ROOT);
        vm.prank(mallory);
        market.acceptFor(job, 0, acceptance);
        assertGt(market.balanceOf(alice), 0, "who hurries pays gas for alice");
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Settled));
        market.acceptFor(job, 0, acceptance);
        assertBooks(12 * UNIT);
    }

    /// P-42 P-35: a permit that a front-runner used up (so that the deposit's own call of it fails) does not stop the deposit,
    /// and gave the front-runner nothing.
    function test_P42_frontRunPermit() public {
        token.mint(client, 5);
        bytes32 it = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                client,
                address(market),
                5,
                token.nonces(client),
                time()
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), it));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(clientKey, digest);
        // Somebody else's tokens cannot be drawn with it.
        uint64 deadline = time();
        vm.prank(mallory);
        vm.expectRevert();
        market.depositWithPermit(mallory, 5, deadline, v, r, s);
        vm.prank(mallory);
        (bool ok,) = address(token)
            .call(
                abi.encodeWithSignature(
                    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
                    client,
                    address(market),
                    5,
                    deadline,
                    v,
                    r,
                    s
                )
            );
        assertTrue(ok);
        vm.prank(client);
        market.depositWithPermit(client, 5, deadline, v, r, s);
        assertEq(market.balanceOf(client), 1000 * UNIT + 5);
    }

    /// P-41: a wallet that calls the market while it is asked about its signature changes nothing: it is asked statically.
    function test_P41_walletReenters() public {
        OddWallet wallet = new OddWallet(client);
        people.push(address(wallet));
        fund(address(wallet), 20 * UNIT);
        job.terms.client = address(wallet);
        wallet.reenter(address(market), abi.encodeCall(IMarket.withdraw, (address(wallet), 20 * UNIT)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, address(wallet)));
        market.postFor{gas: 3_000_000}(job, spec, "");
        assertEq(market.balanceOf(address(wallet)), 20 * UNIT);
        assertBooks(0);
    }
}
