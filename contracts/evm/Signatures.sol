// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Optimistic} from "./Optimistic.sol";

/// @title What others do for a client that signed it, and results that come with a proof
abstract contract Signatures is Optimistic {
    /// @inheritdoc IMarket
    function postFor(Job calldata, bytes calldata, bytes calldata) external returns (bytes32) {
        revert Unsupported();
    }

    /// @inheritdoc IMarket
    function cancelFor(Job calldata, bytes calldata) external {
        revert Unsupported();
    }

    /// @inheritdoc IMarket
    function acceptFor(Job calldata, uint32, bytes calldata) external {
        revert Unsupported();
    }

    /// @inheritdoc IMarket
    function revoke(uint64) external {
        revert Unsupported();
    }

    /// @inheritdoc IMarket
    function isRevoked(address client, uint64 nonce) external view returns (bool) {
        return _revoked[client][nonce];
    }

    /// @inheritdoc IMarket
    function prove(Job calldata, uint32, address, bytes32, bytes32, bytes calldata) external {
        revert Unsupported();
    }
}
