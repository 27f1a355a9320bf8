// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title Proofs of single outputs, for any contract
/// @notice The tree over a lease's output digests is positional: leaf
/// `keccak256(keccak256(abi.encode(uint32 task, bytes32 digest)))`, padded with zero leaves to 2^d,
/// `d = ceil(log2 count)`; node `keccak256(left ++ right)`. A proof has exactly `d` elements, and the
/// bits of `task - first`, lowest first, say on which side each stands. So one root opens to one
/// digest for a task.
library JobResult {
    /// @notice The leaf of a task's output. Hashed twice: a node can never pass for a leaf.
    function leaf(uint32 task, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(task, digest))));
    }

    /// @notice Number of elements of a proof in a lease of `count` tasks: `ceil(log2 count)`.
    function depth(uint32 count) internal pure returns (uint256 d) {
        while ((uint256(1) << d) < count) ++d;
    }

    /// @notice Whether `root`, over the tasks `[first, first + count)`, holds `digest` for `task`.
    function verify(
        bytes32 root,
        uint32 first,
        uint32 count,
        uint32 task,
        bytes32 digest,
        bytes32[] memory proof
    ) internal pure returns (bool) {
        if (task < first || task - first >= count || proof.length != depth(count)) {
            return false;
        }
        uint256 path = task - first;
        bytes32 node = leaf(task, digest);
        for (uint256 i = 0; i < proof.length; ++i) {
            node =
                path & 1 == 0 ? keccak256(abi.encode(node, proof[i])) : keccak256(abi.encode(proof[i], node));
            path >>= 1;
        }
        return node == root;
    }

    /// @notice Whether `digest` is the final output of `task` of exactly this job, with an acceptable grade. One call to the
    /// market; no callback.
    /// @param market the market that the caller trusts
    /// @param jobId the job; every term of it is bound by the id
    /// @param first first task of the lease that holds `task`
    /// @param task the task
    /// @param digest its output digest
    /// @param proof its path in the lease's tree
    /// @param grades the acceptable grades: the sum of `gradeBit` of each. `Audited` means that a jury agreed on one task
    /// of the lease, which need not be this one. `Unaudited` is worth what the job's chance of an audit, bond and jury fee
    /// make it, `Listed` what the client's own list is, and client and provider may be one and the same
    function isFinal(
        IMarket market,
        bytes32 jobId,
        uint32 first,
        uint32 task,
        bytes32 digest,
        bytes32[] memory proof,
        uint256 grades
    ) internal view returns (bool) {
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, first);
        bool acceptable = grade != IMarket.Grade.None && grades & gradeBit(grade) != 0;
        return acceptable && verify(root, first, count, task, digest, proof);
    }

    /// @notice The bit of a grade in a set of grades.
    function gradeBit(IMarket.Grade grade) internal pure returns (uint256) {
        return 1 << uint256(grade);
    }
}
