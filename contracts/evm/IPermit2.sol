// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title The part of Uniswap's Permit2 that `Funding` calls
interface IPermit2 {
    /// @notice A token, and how much of it may be moved at most.
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    /// @notice What the owner signs, beside the spender and a witness.
    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    /// @notice Where to, and how much.
    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Moves tokens of `owner`, who signed it together with a witness.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external;
}
