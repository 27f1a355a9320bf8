// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IDevToken, IEip5267} from "../helpers/Base.sol";
import {OddWallet} from "../helpers/Wallets.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What a signature can be made to do that was not signed. (Replays across chains and forks;
/// permits used up by a front-runner; wallets that call back.)
contract SignedAttack is AttackBase {
    uint256 private clientKey;

    function setUp() public override {
        super.setUp();
        (, clientKey) = makeAddrAndKey("client");
        job = aJob();
        jobId = market.hashJob(job);
        mark();
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
                keccak256("2"),
                chain,
                at
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _cancel(address at, uint256 chain, bytes32 id) private view returns (bytes memory) {
        return _sign(_typed(at, chain, keccak256(abi.encode(keccak256("Cancel(bytes32 jobId)"), id))));
    }

    function _badSignature() private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.BadSignature.selector, client));
    }

    /// Tries: the signature of one job posts another: a dearer one, one that is never audited, one of another client.
    /// Fails: what is signed is the job's id, which every field changes.
    function test_boundToTheDigest() public {
        bytes memory signature = _sign(jobId);
        IMarket.Job memory other = job;
        other.price.maxPrice *= 2;
        vm.startPrank(mallory);
        _badSignature();
        market.postFor(other, spec, signature);
        other = aJob();
        other.timing.runWindow += 1;
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

    /// Tries: a signature is used in another market, on another chain, or on a fork of this one that took a new id.
    /// Fails: market and chain are in what is signed, and the chain's id is compared.
    function test_otherMarketOrChain() public {
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

    /// Tries: the signature of a posting cancels, or the reverse. (In Boundless client and prover signed one and the same
    /// hash: boundless-xyz/boundless#457.)
    /// Fails: the two are of different types.
    function test_oneTypeForAnother() public {
        bytes memory posting = _sign(jobId);
        bytes memory cancelling = _cancel(address(market), block.chainid, jobId);
        vm.startPrank(mallory);
        _badSignature();
        market.postFor(job, spec, cancelling);
        market.postFor(job, spec, posting);
        _badSignature();
        market.cancelFor(job, posting);
        market.cancelFor(job, cancelling);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        market.cancelFor(job, cancelling);
        vm.stopPrank();
        assertGain(client, 0);
    }

    /// Tries: a signature whose nonce was revoked is posted; or a stranger revokes the client's nonce.
    /// Fails: a revoked nonce posts nothing, and only the client revokes its own.
    function test_revoked() public {
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

    /// Tries: the curve's second signature, an empty, a cut and a zero one, and the zero address as client.
    /// Fails: all are refused.
    function test_malleable() public {
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

    /// Tries: somebody posts a signed job before the one that was asked to.
    /// Fails: the same job stands, and its client pays once. Whoever hurries pays the gas.
    function test_frontRunPosting() public {
        bytes memory signature = _sign(jobId);
        vm.prank(mallory);
        market.postFor(job, spec, signature);
        assertEq(market.jobOf(jobId).feeBps, FEE);
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.post(job, spec);
        assertGain(client, minus(20 * UNIT));
        assertGain(mallory, 0);
        assertBooks(20 * UNIT);
    }

    /// Tries: a front-runner uses a permit up, so that the deposit's own call of it fails.
    /// Fails: the allowance is there, which is enough. The front-runner gets nothing.
    function test_frontRunPermit() public {
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

    /// Tries: a wallet calls the market while it is asked about its signature.
    /// Fails: it is asked statically.
    function test_walletReenters() public {
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
