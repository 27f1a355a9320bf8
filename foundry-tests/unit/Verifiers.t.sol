// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Typed} from "../helpers/Typed.sol";
import {OddWallet} from "../helpers/Wallets.sol";
import {IMarket} from "piecework/IMarket.sol";
import {ClientApproval} from "piecework/verifiers/ClientApproval.sol";
import {Groth16Verifier} from "piecework/verifiers/Groth16Verifier.sol";

/// The shipped verifiers. audits/groth16 tests what a proof of arkworks settles, and what not.
///
/// | verifier | says yes to | bound |
/// | --- | --- | --- |
/// | `ClientApproval` | the client's signature, by key or ERC-1271 | chain, contract, jobId, first, root, digestList |
/// | `Groth16Verifier` | a true proof, in its one encoding | jobId, first, count, root |
contract VerifiersTest is Typed {
    ClientApproval private approval;
    IMarket.Job private job;
    bytes32 private jobId;

    function setUp() public override {
        super.setUp();
        approval = new ClientApproval();
        job = aJob();
        job.assurance.verifier = address(approval);
        jobId = post(job);
        claim(job, alice, 4);
    }

    // ------------------------------------------------------------------ the client's approval

    function _digest(bytes32 id, uint32 first, bytes32 root, bytes32 digestList)
        private
        view
        returns (bytes32)
    {
        string memory message = string.concat(
            '{"jobId":"',
            vm.toString(id),
            '","first":',
            vm.toString(first),
            ',"root":"',
            vm.toString(root),
            '","digestList":"',
            vm.toString(digestList),
            '"}'
        );
        return typed(
            "PieceworkClientApproval",
            "1",
            address(approval),
            "Approval",
            string.concat(
                '[{"name":"jobId","type":"bytes32"},{"name":"first","type":"uint32"},',
                '{"name":"root","type":"bytes32"},{"name":"digestList","type":"bytes32"}]'
            ),
            message
        );
    }

    function _prove(bytes memory proof) private {
        vm.prank(alice);
        market.prove(job, 0, 1, alice, ROOT, DIGESTS, proof);
    }

    function _rejected(bytes memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.ProofRejected.selector, jobId, 0, address(approval)));
        _prove(proof);
    }

    function test_approval_signed_settles() public {
        _prove(signed(clientKey, _digest(jobId, 0, ROOT, DIGESTS)));
        (,, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertEq(uint8(grade), uint8(IMarket.Grade.Proven));
    }

    function test_approval_ofAnythingElse_isRejected() public {
        bytes32 other = keccak256("other");
        _rejected(signed(clientKey, _digest(other, 0, ROOT, DIGESTS)));
        _rejected(signed(clientKey, _digest(jobId, 4, ROOT, DIGESTS)));
        _rejected(signed(clientKey, _digest(jobId, 0, other, DIGESTS)));
        _rejected(signed(clientKey, _digest(jobId, 0, ROOT, other)));
        bytes32 right = _digest(jobId, 0, ROOT, DIGESTS);
        (, uint256 stranger) = makeAddrAndKey("stranger");
        _rejected(signed(stranger, right));
        _rejected(malleated(signed(clientKey, right)));
        _rejected(compact(signed(clientKey, right)));
        _rejected("");
        // Another deployment's domain, and the market's.
        ClientApproval twin = new ClientApproval();
        ClientApproval first = approval;
        approval = twin;
        bytes32 foreign = _digest(jobId, 0, ROOT, DIGESTS);
        approval = first;
        _rejected(signed(clientKey, foreign));
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        foreign = _digest(jobId, 0, ROOT, DIGESTS);
        vm.chainId(here);
        _rejected(signed(clientKey, foreign));
        _prove(signed(clientKey, right));
    }

    function test_approval_ofWallet_settles() public {
        OddWallet wallet = new OddWallet(client);
        fund(address(wallet), 100 * UNIT);
        job.terms.client = address(wallet);
        jobId = post(job);
        claim(job, alice, 4);
        _rejected(signed(clientKey, keccak256("something else")));
        wallet.behave(OddWallet.Manner.BurnsGas);
        _rejected("");
        wallet.behave(OddWallet.Manner.Reverts);
        _rejected("");
        wallet.behave(OddWallet.Manner.Owner);
        _prove(signed(clientKey, _digest(jobId, 0, ROOT, DIGESTS)));
    }

    // ------------------------------------------------------------------ Groth16: keys and encodings

    function _g1() private pure returns (Groth16Verifier.G1 memory) {
        return Groth16Verifier.G1(1, 2);
    }

    function _g2() private pure returns (Groth16Verifier.G2 memory) {
        return Groth16Verifier.G2(
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        );
    }

    /// Generators everywhere: a key of no circuit.
    function _key() private pure returns (Groth16Verifier.Key memory key) {
        key.alpha = _g1();
        (key.beta, key.gamma, key.delta) = (_g2(), _g2(), _g2());
        for (uint256 i; i < 7; ++i) {
            key.inputs[i] = _g1();
        }
    }

    /// Every point of a key is checked; the error says which one, by its place.
    function test_groth16_badKey_isRefused() public {
        uint256 p = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
        bytes memory key = abi.encode(_key());
        assertEq(abi.encode(new Groth16Verifier(_key()).verifyingKey()), key);
        for (uint256 word; word < 28; ++word) {
            uint256 point = word < 2 ? 0 : word < 14 ? 2 + (word - 2) / 4 * 4 : word / 2 * 2;
            uint256 words = point >= 2 && point < 14 ? 4 : 2;
            _badKey(key, word, p, point); // out of the field
            _badKey(key, word, type(uint256).max, point);
            _badKey(key, word, 5, point); // off the curve
            bytes memory infinity = bytes.concat(key);
            for (uint256 i; i < words; ++i) {
                _put(infinity, point + i, 0);
            }
            _refused(infinity, point);
        }
    }

    function deploy(bytes calldata key) external {
        new Groth16Verifier(abi.decode(key, (Groth16Verifier.Key)));
    }

    function _put(bytes memory key, uint256 word, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(key, mul(32, add(word, 1))), value)
        }
    }

    function _badKey(bytes memory key, uint256 word, uint256 value, uint256 point) private {
        bytes memory bad = bytes.concat(key);
        _put(bad, word, value);
        _refused(bad, point);
    }

    /// With little gas: a precompile that fails takes what it was given.
    function _refused(bytes memory key, uint256 point) private {
        vm.expectRevert(abi.encodeWithSelector(Groth16Verifier.BadKey.selector, point));
        this.deploy{gas: 8_000_000}(key);
    }

    function test_groth16_badProofs_areRejected() public {
        Groth16Verifier verifier = new Groth16Verifier(_key());
        bytes[5] memory proofs = [
            bytes(""),
            new bytes(255),
            new bytes(257),
            new bytes(256), // all at infinity
            abi.encode(_g1(), _g2(), _g1())
        ];
        for (uint256 i; i < proofs.length; ++i) {
            assertEq(verifier.verify(job, jobId, 0, 4, alice, ROOT, DIGESTS, proofs[i]), bytes4(0));
        }
    }

    // ------------------------------------------------------------------ Groth16: proofs that are true
    // A key whose points are known multiples of the generators has true proofs without a circuit.

    uint256 private constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant ORDER = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    struct Statement {
        bytes32 jobId;
        uint32 first;
        uint32 count;
        bytes32 root;
    }

    function _times(uint256 factor) private view returns (Groth16Verifier.G1 memory) {
        (bool ok, bytes memory point) = address(7).staticcall(abi.encode(_g1(), factor));
        assertTrue(ok);
        return abi.decode(point, (Groth16Verifier.G1));
    }

    /// The i-th point of the inputs is `i + 2` times the generator.
    function _knownKey() private view returns (Groth16Verifier.Key memory key) {
        key = _key();
        for (uint256 i; i < 7; ++i) {
            key.inputs[i] = _times(i + 2);
        }
    }

    /// What the inputs' points add up to, as a multiple of the generator.
    function _sum(Statement memory s) private pure returns (uint256 sum) {
        uint256[6] memory inputs = [
            uint256(s.jobId) >> 128,
            uint128(uint256(s.jobId)),
            s.first,
            s.count,
            uint256(s.root) >> 128,
            uint128(uint256(s.root))
        ];
        sum = 2;
        for (uint256 i; i < 6; ++i) {
            sum = addmod(sum, mulmod(i + 3, inputs[i], ORDER), ORDER);
        }
    }

    /// `A = alpha + sum + C`, and `B` the generator.
    function _proofOf(Statement memory s, uint256 c) private view returns (bytes memory) {
        return abi.encode(_times(addmod(addmod(1, _sum(s), ORDER), c, ORDER)), _g2(), _times(c));
    }

    function _accepts(Groth16Verifier verifier, Statement memory s, bytes memory proof)
        private
        view
        returns (bool)
    {
        bytes4 answer = verifier.verify(job, s.jobId, s.first, s.count, alice, s.root, DIGESTS, proof);
        return answer == verifier.verify.selector;
    }

    /// P-20: a proof is of one job, one lease of so many tasks, and one root.
    function test_groth16_otherStatement_isRejected() public {
        Groth16Verifier verifier = new Groth16Verifier(_knownKey());
        Statement memory s = Statement(jobId, 8, 4, ROOT);
        bytes memory proof = _proofOf(s, 5);
        assertTrue(_accepts(verifier, s, proof));
        assertTrue(_accepts(verifier, s, _proofOf(s, 77)), "another proof of the same");
        assertFalse(_accepts(verifier, Statement(bytes32(uint256(jobId) ^ 1), 8, 4, ROOT), proof));
        assertFalse(_accepts(verifier, Statement(bytes32(uint256(jobId) ^ 1 << 128), 8, 4, ROOT), proof));
        assertFalse(_accepts(verifier, Statement(jobId, 9, 4, ROOT), proof));
        assertFalse(_accepts(verifier, Statement(jobId, 8, 3, ROOT), proof));
        assertFalse(_accepts(verifier, Statement(jobId, 4, 8, ROOT), proof));
        assertFalse(_accepts(verifier, Statement(jobId, 8, 4, bytes32(uint256(ROOT) ^ 1)), proof));
        assertFalse(_accepts(verifier, Statement(jobId, 8, 4, bytes32(uint256(ROOT) ^ 1 << 128)), proof));
        assertFalse(_accepts(verifier, s, bytes.concat(proof, "0")), "longer");
    }

    /// P-20: a point has one encoding; one at infinity is a point like others.
    function test_groth16_otherEncoding_isRejected() public {
        Groth16Verifier verifier = new Groth16Verifier(_knownKey());
        Statement memory s = Statement(jobId, 8, 4, ROOT);
        bytes memory proof = _proofOf(s, 5);
        for (uint256 word; word < 8; ++word) {
            bytes memory other = bytes.concat(proof);
            uint256 value;
            assembly ("memory-safe") {
                value := mload(add(other, mul(32, add(word, 1))))
            }
            _put(other, word, value + P);
            assertFalse(_accepts(verifier, s, other));
        }
        // C takes back all the rest: A is at infinity.
        bytes memory infinity = _proofOf(s, ORDER - addmod(1, _sum(s), ORDER));
        assertTrue(_accepts(verifier, s, infinity));
        _put(infinity, 1, P); // which negation would make 0
        assertFalse(_accepts(verifier, s, infinity));
    }
}
