// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Trees that are not what they should be, from a provider that would be paid for them. OpenZeppelin's notes on Merkle
/// proofs name the classes: nodes that pass for leaves, sorted pairs that hide an order.
contract TreesAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;
    bytes32[] private digests;

    function setUp() public override {
        super.setUp();
        job = aJob();
        jobId = post(job);
        digests = Merkle.someDigests(7, 4);
    }

    function _submit(uint32 count, bytes32 root) private {
        claim(job, mallory, count);
        vm.prank(mallory);
        market.submit(job, 0, mallory, root, MANIFEST);
    }

    function _leaf(uint32 task, bytes32 digest) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(abi.encode(task, digest))));
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }

    function _cannotChallenge(uint32 task, bytes32 digest, bytes32[] memory proof) private {
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, task, digest));
        market.challenge(job, 0, 1, 1, task, digest, proof, SALT);
    }

    function _cannotRespond(bytes32[] memory list) private {
        vm.prank(mallory);
        vm.expectPartialRevert(IMarket.RootMismatch.selector);
        market.respond(job, 0, mallory, list);
    }

    /// What no honest list of digests gives is demanded, and costs the whole bond.
    function _demandEndsIt(bytes32[] memory tried, bytes32[] memory also) private {
        uint256 eves = worth(eve);
        uint128 bond = UNIT * market.leaseOf(jobId, 0).count;
        vm.prank(eve);
        market.demand(job, 0);
        _cannotRespond(tried);
        _cannotRespond(also);
        vm.warp(time() + 6 hours + 1);
        market.forfeit(job, 0);
        assertEq(worth(eve), eves, "who demanded has its deposit back");
        assertEq(market.providerOf(mallory).stake, STAKE - bond);
        assertEq(market.burned(), bond);
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertEq(market.leaseOf(jobId, 0).root, 0, "no root is left behind");
        assertBooks(20 * UNIT);
    }

    /// P-12 P-31: leaves in another order. No challenge can name one, for each stands in another's place; a demand does.
    function test_P31_shuffledLeaves() public {
        bytes32[] memory swapped = new bytes32[](4);
        (swapped[0], swapped[1], swapped[2], swapped[3]) = (digests[1], digests[0], digests[2], digests[3]);
        bytes32 root = _pair(
            _pair(_leaf(1, digests[1]), _leaf(0, digests[0])),
            _pair(_leaf(2, digests[2]), _leaf(3, digests[3]))
        );
        _submit(4, root);
        bytes32[] memory proof = Merkle.proof(0, digests, 0);
        _cannotChallenge(0, digests[0], proof);
        proof[0] = _leaf(1, digests[1]);
        _cannotChallenge(0, digests[0], proof);
        _demandEndsIt(digests, swapped);
    }

    /// P-12: two leaves for one task, the second where only padding belongs.
    function test_P12_secondLeafInThePadding() public {
        bytes32 root = _pair(
            _pair(_leaf(0, digests[0]), _leaf(1, digests[1])), _pair(_leaf(2, digests[2]), _leaf(2, LIE))
        );
        _submit(3, root);
        bytes32[] memory proof = new bytes32[](2);
        proof[0] = _leaf(2, digests[2]);
        proof[1] = _pair(_leaf(0, digests[0]), _leaf(1, digests[1]));
        _cannotChallenge(2, LIE, proof);
        _cannotChallenge(3, LIE, proof);
        bytes32[] memory three = new bytes32[](3);
        (three[0], three[1], three[2]) = (digests[0], digests[1], digests[2]);
        digests[3] = LIE;
        _demandEndsIt(three, digests);
    }

    /// P-12: a node is no leaf, and a leaf no node: a path must have exactly the tree's depth.
    function test_P12_nodesAndLeaves() public {
        _submit(4, Merkle.root(0, digests));
        bytes32[] memory proof = Merkle.proof(0, digests, 0);
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = proof[1];
        bytes32[] memory longer = new bytes32[](3);
        (longer[0], longer[1], longer[2]) = (_leaf(1, digests[1]), proof[0], proof[1]);
        // The inner node over tasks 0 and 1, as the "digest" of a leaf one level higher.
        _cannotChallenge(0, _pair(_leaf(0, digests[0]), _leaf(1, digests[1])), shorter);
        // The inner hash of a leaf, as one more level below.
        _cannotChallenge(0, keccak256(abi.encode(uint32(0), digests[0])), longer);
        _cannotChallenge(0, digests[0], new bytes32[](0));
        // Pairs are not sorted: the proof of one task is none for another.
        _cannotChallenge(1, digests[0], proof);
        _cannotChallenge(4, digests[0], proof);
        // The right one is taken.
        vm.prank(eve);
        market.challenge(job, 0, 1, 1, 0, digests[0], proof, SALT);
        assertPhase(jobId, 0, IMarket.Phase.Challenged);
    }

    /// P-31: an answer is all digests, not the same tree with fewer or more of them.
    function test_P31_fewerAndMoreDigests() public {
        // The fourth leaf is zero: with three digests the padding would give the same root.
        bytes32 root =
            _pair(_pair(_leaf(0, digests[0]), _leaf(1, digests[1])), _pair(_leaf(2, digests[2]), bytes32(0)));
        _submit(4, root);
        bytes32[] memory three = new bytes32[](3);
        (three[0], three[1], three[2]) = (digests[0], digests[1], digests[2]);
        bytes32[] memory five = new bytes32[](5);
        for (uint256 i; i < 4; ++i) {
            five[i] = digests[i];
        }
        _demandEndsIt(three, five);
    }

    /// P-31: no digests at all, for a root that is itself nothing.
    function test_P31_emptyAnswer() public {
        _submit(1, keccak256(""));
        _demandEndsIt(new bytes32[](0), new bytes32[](1));
    }
}
