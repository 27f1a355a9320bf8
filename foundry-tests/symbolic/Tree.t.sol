// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Bits are cut and shifted on purpose.
// forge-lint: disable-start(incorrect-shift)

import {Symbolic} from "./Symbolic.sol";
import {JobResult} from "piecework/JobResult.sol";

/// What a result's Merkle root binds. Keccak is taken for injective (audits/proofs.md).
contract TreeProof is Symbolic {
    /// Longest proof: leases of up to 8 tasks.
    uint256 private constant DEPTH = 3;

    /// The first `length` elements.
    function _proof(bytes32[DEPTH] calldata elements, uint256 length)
        private
        pure
        returns (bytes32[] memory proof)
    {
        proof = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = elements[i];
        }
    }

    /// Property: P-13 one root opens to at most one digest for a task, by whatever two proofs.
    function check_P13_oneDigestPerTask(
        bytes32 root,
        uint32 first,
        uint32 count,
        uint32 task,
        bytes32[2] calldata digests,
        bytes32[DEPTH] calldata elements,
        bytes32[DEPTH] calldata others
    ) external pure {
        vm.assume(count <= 1 << DEPTH);
        for (uint256 length = 0; length <= DEPTH; ++length) {
            for (uint256 other = 0; other <= DEPTH; ++other) {
                bool both = JobResult.verify(root, first, count, task, digests[0], _proof(elements, length))
                    && JobResult.verify(root, first, count, task, digests[1], _proof(others, other));
                assert(!both || digests[0] == digests[1]);
            }
        }
    }

    /// Property: P-13 a root opens only to tasks of its lease, and only by proofs of the right length.
    function check_P13_onlyItsOwnTasks(
        bytes32 root,
        uint32 first,
        uint32 count,
        uint32 task,
        bytes32 digest,
        bytes32[DEPTH] calldata elements
    ) external pure {
        vm.assume(count <= 1 << DEPTH);
        for (uint256 length = 0; length <= DEPTH; ++length) {
            if (!JobResult.verify(root, first, count, task, digest, _proof(elements, length))) continue;
            assert(first <= task && uint256(task) < uint256(first) + count);
            // length = ceil(log2 count)
            assert(count <= 1 << length && (length == 0 || count > 1 << (length - 1)));
        }
    }
}
