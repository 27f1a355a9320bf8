// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Jobs for listed providers. The tree is OpenZeppelin's standard one, built here by hand: leaves hashed twice, pairs sorted.
///
/// | act | valid | refused |
/// | --- | --- | --- |
/// | `admit`, by anyone | the provider has a number and the proof leads to the list | `NotOnList` |
/// | `claim`, `takeover` of a job with a list | the provider was admitted to it | `NotAdmitted`, before `InsufficientStake` |
contract ListsTest is Base {
    address private carol = makeAddr("carol");
    address private dave = makeAddr("dave"); // listed, but no provider
    bytes32 private listRoot;
    bytes32 private nodeAB;
    bytes32 private nodeCD;

    function setUp() public override {
        super.setUp();
        stakeOf(carol, 100 * UNIT);
        nodeAB = _node(_leaf(alice), _leaf(operator));
        nodeCD = _node(_leaf(carol), _leaf(dave));
        listRoot = _node(nodeAB, nodeCD);
    }

    function _leaf(address who) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(who))));
    }

    function _node(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
    }

    function _path(bytes32 a, bytes32 b) private pure returns (bytes32[] memory path) {
        path = new bytes32[](2);
        (path[0], path[1]) = (a, b);
    }

    function _proofOfAlice() private view returns (bytes32[] memory) {
        return _path(_leaf(operator), nodeCD);
    }

    function _refused(address who, bytes32[] memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOnList.selector, listRoot, who));
        market.admit(listRoot, who, proof);
        assertFalse(market.isAdmitted(listRoot, who));
    }

    function test_admit_validProof_admits() public {
        assertFalse(market.isAdmitted(listRoot, alice));
        vm.expectEmit(address(market));
        emit IMarket.Admitted(listRoot, alice);
        vm.prank(anyone);
        market.admit(listRoot, alice, _proofOfAlice());
        assertTrue(market.isAdmitted(listRoot, alice));
        assertFalse(market.isAdmitted(listRoot, carol));
        assertFalse(market.isAdmitted(nodeAB, alice));
        market.admit(listRoot, alice, _proofOfAlice()); // again is no harm
        assertTrue(market.isAdmitted(listRoot, alice));
    }

    /// A list of one: the root is the leaf, the proof empty.
    function test_admit_listOfOne_takesEmptyProof() public {
        listRoot = _leaf(alice);
        market.admit(listRoot, alice, new bytes32[](0));
        assertTrue(market.isAdmitted(listRoot, alice));
        _refused(bob, new bytes32[](0));
    }

    function test_admit_badProof_reverts() public {
        _refused(bob, _proofOfAlice()); // another's proof
        _refused(alice, _path(_leaf(dave), nodeCD));
        _refused(alice, _path(nodeCD, _leaf(operator))); // the wrong way round
        _refused(alice, new bytes32[](0));
        bytes32[] memory short = new bytes32[](1);
        short[0] = _leaf(operator);
        _refused(alice, short);
        short[0] = nodeCD;
        _refused(alice, short);
        bytes32[] memory long = new bytes32[](3);
        (long[0], long[1]) = (_leaf(operator), nodeCD);
        _refused(alice, long);
        _refused(address(0), new bytes32[](0));
    }

    /// A list admits numbers. An account that never staked has none, and 0 would admit all such accounts.
    function test_admit_withoutNumber_reverts() public {
        _refused(dave, _path(_leaf(carol), nodeAB));
        stakeOf(dave, UNIT);
        market.admit(listRoot, dave, _path(_leaf(carol), nodeAB));
        assertTrue(market.isAdmitted(listRoot, dave));
        assertFalse(market.isAdmitted(listRoot, anyone));
    }

    /// Second preimages: neither a node nor a leaf hashed once passes for an account.
    function test_admit_nodeAsLeaf_reverts() public {
        // An account whose encoding hashes once to what another tree takes for a leaf.
        bytes32 once = keccak256(abi.encode(bob));
        listRoot = _node(once, _leaf(alice));
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = _leaf(alice);
        _refused(bob, proof);
        // The root, or an inner node, as the list: the levels below it are missing in the proof.
        listRoot = nodeAB;
        _refused(alice, _proofOfAlice());
        proof[0] = _leaf(operator);
        market.admit(nodeAB, alice, proof); // a list of its own
    }

    function _privateJob() private returns (IMarket.Job memory job, bytes32 jobId) {
        job = aJob();
        job.terms.providers = listRoot;
        jobId = post(job);
    }

    function test_claim_notAdmitted_reverts() public {
        (IMarket.Job memory job, bytes32 jobId) = _privateJob();
        bytes memory refusal = abi.encodeWithSelector(IMarket.NotAdmitted.selector, listRoot, alice);
        vm.expectRevert(refusal);
        claim(job, alice, 4);
        market.admit(listRoot, alice, _proofOfAlice());
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAdmitted.selector, listRoot, bob));
        claim(job, bob, 4);
        vm.prank(operator); // the provider counts, not who calls for it
        market.claim(job, alice, 4, 4);
        assertEq(market.leaseOf(jobId, 0).provider, alice);
        submit(job, alice, 0);
        assertPhase(jobId, 0, IMarket.Phase.Settled);
        IMarket.Job memory open = aJob();
        open.terms.nonce = 8;
        post(open);
        claim(open, bob, 4); // an open market needs no list
    }

    function test_takeover_notAdmitted_reverts() public {
        (IMarket.Job memory job, bytes32 jobId) = _privateJob();
        market.admit(listRoot, alice, _proofOfAlice());
        claim(job, alice, 4);
        vm.warp(time() + 801);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAdmitted.selector, listRoot, bob));
        vm.prank(bob);
        market.takeover(job, bob, 0);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAdmitted.selector, listRoot, carol));
        vm.prank(carol);
        market.takeover(job, carol, 0);
        market.admit(listRoot, carol, _path(_leaf(dave), nodeAB));
        vm.prank(carol);
        market.takeover(job, carol, 0);
        assertEq(market.leaseOf(jobId, 0).provider, carol);
    }

    /// An unknown account without a bond is refused like any other.
    function test_claim_zeroBondNoNumber_reverts() public {
        (IMarket.Job memory job,) = _privateJob();
        job.price.bond = 0;
        job.terms.nonce = 8;
        post(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAdmitted.selector, listRoot, anyone));
        claim(job, anyone, 2);
    }
}
