// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title The parameters of drand's chain quicknet
/// @notice What `DrandBeacon` is deployed with where seeds come from drand's League of Entropy (scheme `bls-unchained-g1-rfc9380`).
/// @dev drand serves them at `/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971/info`.
library Quicknet {
    /// @notice drand's name of the chain: the hash of its parameters.
    bytes32 internal constant CHAIN_HASH = 0x52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971;
    /// @notice The time of round 1, in Unix seconds.
    uint64 internal constant GENESIS = 1_692_803_367;
    /// @notice Seconds from round to round.
    uint64 internal constant PERIOD = 3;
    /// @notice The group's public key as EIP-2537 encodes a point of G2. drand serves it compressed: `83cf0f28...ece45a`.
    bytes internal constant PUBLIC_KEY = hex"000000000000000000000000000000000d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
        hex"0000000000000000000000000000000003cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        hex"000000000000000000000000000000000e5db2b6bfbb01c867749cadffca88b36c24f3012ba09fc4d3022c5c37dce0f977d3adb5d183c7477c442b1f04515273"
        hex"0000000000000000000000000000000001a714f2edb74119a2f2b0d5a7c75ba902d163700a61bc224ededd8e63aef7be1aaf8e93d7a9718b047ccddb3eb5d68b";
}
