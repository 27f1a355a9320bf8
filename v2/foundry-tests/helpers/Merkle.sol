// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// The positional tree of PROTOCOL.md ("Digests"), written level by level from its definition and
/// without `JobResult`, which is tested against it.
library Merkle {
    function levels(uint32 first, bytes32[] memory digests) internal pure returns (bytes32[][] memory all) {
        uint256 width = 1;
        uint256 depth = 0;
        while (width < digests.length) {
            width *= 2;
            depth += 1;
        }
        all = new bytes32[][](depth + 1);
        all[0] = new bytes32[](width);
        for (uint256 i; i < digests.length; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            bytes memory inner = abi.encode(uint256(first) + i, digests[i]);
            all[0][i] = keccak256(abi.encodePacked(keccak256(inner)));
        }
        for (uint256 d = 1; d <= depth; ++d) {
            width /= 2;
            all[d] = new bytes32[](width);
            for (uint256 i; i < width; ++i) {
                all[d][i] = keccak256(abi.encodePacked(all[d - 1][2 * i], all[d - 1][2 * i + 1]));
            }
        }
    }

    function root(uint32 first, bytes32[] memory digests) internal pure returns (bytes32) {
        bytes32[][] memory all = levels(first, digests);
        return all[all.length - 1][0];
    }

    function proof(uint32 first, bytes32[] memory digests, uint32 task)
        internal
        pure
        returns (bytes32[] memory path)
    {
        bytes32[][] memory all = levels(first, digests);
        path = new bytes32[](all.length - 1);
        uint256 at = task - first;
        for (uint256 d; d < path.length; ++d) {
            path[d] = all[d][at ^ 1];
            at /= 2;
        }
    }

    /// Deterministic digests, for tests and for the vectors of contracts/abi/merkle-vectors.json.
    function someDigests(uint256 seed, uint256 count) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            list[i] = keccak256(abi.encode("piecework output", seed, i));
        }
    }
}
