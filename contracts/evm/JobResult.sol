// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

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

    /// @notice The root over `digests`, the outputs of the tasks from `first` on; not empty. Each level takes the
    /// place of the one below, so memory is linear in the leaves.
    function rootOf(uint32 first, bytes32[] calldata digests) internal pure returns (bytes32) {
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 width = uint256(1) << depth(uint32(digests.length));
        bytes32[] memory level = new bytes32[](width);
        for (uint256 i = 0; i < digests.length; ++i) {
            bytes32 inner = Hashes.efficientKeccak256(bytes32(first + i), digests[i]);
            level[i] = keccak256(bytes.concat(inner));
        }
        while (width > 1) {
            width /= 2;
            for (uint256 i = 0; i < width; ++i) {
                level[i] = Hashes.efficientKeccak256(level[2 * i], level[2 * i + 1]);
            }
        }
        return level[0];
    }

    /// @notice Whether `digest` is the final output of `task` of exactly this job, settled on
    /// `market` at least as surely as `minimum`. One call to the market; no callback.
    /// @param market the market that the caller trusts
    /// @param jobId the job; every term of it is bound by the id
    /// @param first first task of the lease that holds `task`
    /// @param task the task
    /// @param digest its output digest
    /// @param proof its path in the lease's tree
    /// @param minimum the least assurance: Accepted < Unchallenged < Quorum < Proven. `Accepted`
    /// is the client's word alone; a contract that does not trust the client asks for more, and for
    /// jobs whose terms it knows: `Unchallenged` is worth what the job's `challengeWindow`, `bond` and
    /// `juryFee` make it (all may be 0, and client and provider one and the same), and the client can
    /// `accept` first, so a result need not ever become `Unchallenged`
    function isFinal(
        IMarket market,
        bytes32 jobId,
        uint32 first,
        uint32 task,
        bytes32 digest,
        bytes32[] memory proof,
        IMarket.How minimum
    ) internal view returns (bool) {
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobId, first);
        return how != IMarket.How.None && how >= minimum && verify(root, first, count, task, digest, proof);
    }
}
