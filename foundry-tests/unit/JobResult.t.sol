// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";
import {JobResult} from "piecework/JobResult.sol";

/// P-12: one root proves at most one digest for a task. A proof has `ceil(log2 count)` elements. `isFinal`: a settled lease whose grade is
/// in the set of acceptable grades.
contract JobResultTest is Base {
    uint32 private constant FIRST = 100;

    function _check(uint32 count, uint32 task, bytes32 digest, bytes32[] memory proof)
        private
        pure
        returns (bool)
    {
        bytes32 root = Merkle.root(FIRST, Merkle.someDigests(1, count));
        return JobResult.verify(root, FIRST, count, task, digest, proof);
    }

    function test_P12_depth_ofCounts_isLog() public pure {
        uint32[10] memory counts = [uint32(1), 2, 3, 4, 5, 8, 9, 1000, 2048, 2049];
        uint8[10] memory depths = [0, 1, 2, 2, 3, 3, 4, 10, 11, 12];
        for (uint256 i; i < counts.length; ++i) {
            assertEq(JobResult.depth(counts[i]), depths[i]);
        }
        assertEq(JobResult.depth(type(uint32).max), 32);
    }

    function test_P12_proof_ofTask_isOfNoOther() public pure {
        for (uint32 count = 1; count <= 5; ++count) {
            bytes32[] memory digests = Merkle.someDigests(1, count);
            bytes32 root = Merkle.root(FIRST, digests);
            for (uint32 i; i < count; ++i) {
                bytes32[] memory proof = Merkle.proof(FIRST, digests, FIRST + i);
                for (uint32 j; j < 12; ++j) {
                    for (uint32 k; k < count; ++k) {
                        bool valid = JobResult.verify(root, FIRST, count, FIRST - 4 + j, digests[k], proof);
                        assertEq(valid, j == i + 4 && k == i);
                    }
                }
            }
        }
    }

    function test_P12_proof_ofOtherLength_isRefused() public pure {
        bytes32[] memory digests = Merkle.someDigests(1, 4);
        bytes32[] memory proof = Merkle.proof(FIRST, digests, FIRST);
        assertTrue(_check(4, FIRST, digests[0], proof));
        bytes32[] memory longer = new bytes32[](3);
        (longer[0], longer[1]) = (proof[0], proof[1]);
        assertFalse(_check(4, FIRST, digests[0], longer));
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = proof[0];
        assertFalse(_check(4, FIRST, digests[0], shorter));
        assertFalse(_check(4, FIRST, digests[0], new bytes32[](0)));
        // A single task's root is its leaf, and takes no proof.
        bytes32[] memory one = Merkle.someDigests(1, 1);
        assertTrue(_check(1, FIRST, one[0], new bytes32[](0)));
        assertFalse(_check(1, FIRST, one[0], new bytes32[](1)));
    }

    /// A node, or the root of a subtree, shown as a leaf.
    function test_P12_proof_nodeAsLeaf_isRefused() public pure {
        bytes32[] memory digests = Merkle.someDigests(1, 4);
        bytes32[][] memory levels = Merkle.levels(FIRST, digests);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = levels[1][1];
        bytes32 root = levels[2][0];
        // Claimed count 2 fits the length; the node is not a leaf, whatever digest is named.
        assertFalse(JobResult.verify(root, FIRST, 2, FIRST, levels[1][0], proof));
        assertFalse(JobResult.verify(levels[1][0], FIRST, 1, FIRST, levels[0][0], new bytes32[](0)));
        // The padding is not a leaf either.
        bytes32[] memory three = Merkle.someDigests(1, 3);
        bytes32[][] memory padded = Merkle.levels(FIRST, three);
        assertEq(padded[0][3], 0);
        proof = new bytes32[](2);
        (proof[0], proof[1]) = (padded[0][2], padded[1][0]);
        assertFalse(JobResult.verify(padded[2][0], FIRST, 3, FIRST + 3, 0, proof));
        assertFalse(JobResult.verify(padded[2][0], FIRST, 4, FIRST + 3, 0, proof));
    }

    function test_P12_proof_lastTaskNumbers_hold() public pure {
        uint32 max = type(uint32).max;
        bytes32[] memory digests = Merkle.someDigests(2, 2);
        bytes32 root = Merkle.root(max - 1, digests);
        assertTrue(JobResult.verify(root, max - 1, 2, max, digests[1], Merkle.proof(max - 1, digests, max)));
        assertFalse(JobResult.verify(root, max - 1, 2, 0, digests[1], Merkle.proof(max - 1, digests, max)));
        assertFalse(JobResult.verify(0, 0, 0, 0, 0, new bytes32[](0)));
    }

    // ------------------------------------------------------------------ isFinal

    uint256 private constant ALL = type(uint256).max;

    /// A settled lease of 4 tasks from 4 on, with the digests `someDigests(3, 4)`.
    function _settled() private returns (bytes32 jobId, bytes32[] memory digests) {
        IMarket.Job memory job = aJob();
        jobId = post(job);
        digests = Merkle.someDigests(3, 4);
        claim(job, alice, 4);
        claim(job, alice, 4);
        assertFalse(_isFinal(jobId, 4, 6, digests[2], ALL), "not settled yet");
        submit(job, alice, 4, Merkle.root(4, digests));
    }

    function _isFinal(bytes32 jobId, uint32 first, uint32 task, bytes32 digest, uint256 grades)
        private
        view
        returns (bool)
    {
        bytes32[] memory proof = Merkle.proof(4, Merkle.someDigests(3, 4), 6);
        return JobResult.isFinal(market, jobId, first, task, digest, proof, grades);
    }

    function test_isFinal_settledLease_isOfOneOutput() public {
        (bytes32 jobId, bytes32[] memory digests) = _settled();
        assertTrue(_isFinal(jobId, 4, 6, digests[2], ALL));
        assertFalse(_isFinal(jobId, 4, 5, digests[2], ALL), "another task");
        assertFalse(_isFinal(jobId, 0, 6, digests[2], ALL), "another lease");
        assertFalse(_isFinal(ROOT, 4, 6, digests[2], ALL), "another job");
        assertFalse(_isFinal(jobId, 4, 6, digests[1], ALL), "another digest");
    }

    /// A submitted result is not final, whatever grades are acceptable.
    function test_isFinal_submittedLease_isNot() public {
        IMarket.Job memory job = auditedJob(10_000);
        bytes32 jobId = post(job);
        bytes32[] memory digests = Merkle.someDigests(3, 4);
        claim(job, alice, 4);
        claim(job, alice, 4);
        submit(job, alice, 4, Merkle.root(4, digests));
        assertFalse(_isFinal(jobId, 4, 6, digests[2], ALL));
        publish(market.leaseOf(jobId, 4).point, keccak256("seed"));
        vm.warp(time() + 2 hours);
        finalize(job, 4);
        assertTrue(_isFinal(jobId, 4, 6, digests[2], JobResult.gradeBit(IMarket.Grade.Contested)));
        assertFalse(_isFinal(jobId, 4, 6, digests[2], ALL - JobResult.gradeBit(IMarket.Grade.Contested)));
    }

    function test_gradeBit_eachGrade_hasItsOwn() public pure {
        for (uint256 i; i <= uint256(type(IMarket.Grade).max); ++i) {
            assertEq(JobResult.gradeBit(IMarket.Grade(i)), 2 ** i);
        }
    }

    /// Every grade against every set of grades. No set accepts the grade None.
    function test_isFinal_everyGrade_followsTheSet() public {
        (bytes32 jobId, bytes32[] memory digests) = _settled();
        // `grade` is bits 8 to 15 of the lease's slot.
        bytes32 slot = slotReadBy(abi.encodeCall(IMarket.leaseOf, (jobId, 4)), 0);
        uint256 word = uint256(vm.load(address(market), slot)) & ~uint256(0xff00);
        for (uint256 grade; grade <= uint256(type(IMarket.Grade).max); ++grade) {
            vm.store(address(market), slot, bytes32(word | grade << 8));
            (,, IMarket.Grade stored) = market.resultRoot(jobId, 4);
            assertEq(uint8(stored), grade);
            for (uint256 set; set < 128; ++set) {
                bool expected = grade != 0 && set / 2 ** grade % 2 == 1;
                assertEq(_isFinal(jobId, 4, 6, digests[2], set), expected);
            }
        }
    }
}
