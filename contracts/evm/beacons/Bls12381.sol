// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title BLS12-381 through the precompiles of EIP-2537
/// @notice Points and field elements are encoded as in EIP-2537: 64 bytes for each field element, big-endian, the upper 16 of them 0.
library Bls12381 {
    /// @notice This precompile is missing on the chain, or the call had too little gas for it.
    error MissingPrecompile(address precompile);

    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_FP_TO_G1 = address(0x10);

    /// @dev Bytes of a point of G1.
    uint256 internal constant G1_LENGTH = 128;
    /// @dev Bytes of a point of G2.
    uint256 internal constant G2_LENGTH = 256;
    /// @dev The generator of G2, negated.
    bytes internal constant NEGATED_G2 = hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
        hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed";

    /// @dev The order p of the field that coordinates are in: 381 bits in two words.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    /// @dev (p - 1) / 2.
    uint256 private constant HALF_HIGH = 0xd0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    /// @notice Hashes a message to a point of G1: BLS12381G1_XMD:SHA-256_SSWU_RO_ of RFC 9380.
    /// @param message any bytes
    /// @param dst the domain separation tag, at most 255 bytes
    /// @return point 128 bytes
    function hashToG1(bytes memory message, bytes memory dst) internal view returns (bytes memory point) {
        // expand_message_xmd (5.3.1) to 128 bytes: two field elements of 64 bytes before they are reduced.
        // forge-lint: disable-next-line(unsafe-typecast): see `dst`.
        bytes memory tag = abi.encodePacked(dst, uint8(dst.length));
        bytes32 b0 = sha256(abi.encodePacked(bytes32(0), bytes32(0), message, uint16(128), uint8(0), tag));
        bytes32 b1 = sha256(abi.encodePacked(b0, uint8(1), tag));
        bytes32 b2 = sha256(abi.encodePacked(b0 ^ b1, uint8(2), tag));
        bytes32 b3 = sha256(abi.encodePacked(b0 ^ b2, uint8(3), tag));
        bytes32 b4 = sha256(abi.encodePacked(b0 ^ b3, uint8(4), tag));
        // The precompile clears the cofactor of each point. That is linear: the sum's is cleared, as RFC 9380 asks.
        return _call(G1_ADD, bytes.concat(_mapToG1(b1, b2), _mapToG1(b3, b4)), G1_LENGTH);
    }

    /// @notice Multiplies the pairings of pairs of points.
    /// @param pairs a point of G1 and one of G2, again and again
    /// @return valid whether all points are encoded as in EIP-2537, on their curve and in their subgroup
    /// @return one whether they are, and the product is 1
    function pair(bytes memory pairs) internal view returns (bool valid, bool one) {
        bytes memory answer;
        (valid, answer) = PAIRING.staticcall(pairs);
        if (!valid) return (false, false);
        if (answer.length != 32) revert MissingPrecompile(PAIRING);
        one = abi.decode(answer, (bool));
    }

    /// @notice Compresses a point of G1, which is not infinity, to the 48 bytes that drand and others sign with.
    /// @dev The top bit says "compressed", the third one that y is the larger of the two roots. The point is not checked.
    function compress(bytes memory point) internal pure returns (bytes memory) {
        (uint256 xHigh, uint256 xLow, uint256 yHigh, uint256 yLow) =
            abi.decode(point, (uint256, uint256, uint256, uint256));
        bool larger = yHigh > HALF_HIGH || (yHigh == HALF_HIGH && yLow > HALF_LOW);
        // forge-lint: disable-next-line(unsafe-typecast): the upper 16 bytes are 0.
        return abi.encodePacked(uint128(xHigh | 1 << 127 | (larger ? 1 << 125 : 0)), xLow);
    }

    /// @dev Reduces 64 bytes modulo p, and maps the field element to G1.
    function _mapToG1(bytes32 high, bytes32 low) private view returns (bytes memory) {
        bytes memory toPowerOne =
            abi.encodePacked(uint256(64), uint256(1), uint256(64), high, low, uint8(1), P_HIGH, P_LOW);
        return _call(MAP_FP_TO_G1, _call(MODEXP, toPowerOne, 64), G1_LENGTH);
    }

    /// @dev Calls a precompile with input that it never refuses.
    function _call(address precompile, bytes memory input, uint256 length)
        private
        view
        returns (bytes memory answer)
    {
        bool ok;
        (ok, answer) = precompile.staticcall(input);
        if (!ok || answer.length != length) revert MissingPrecompile(precompile);
    }
}
