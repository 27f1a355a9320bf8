// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "../IMarket.sol";
import {IVerifier} from "../IVerifier.sol";

/// @title A Groth16 proof over BN254 as the proof
/// @notice One deployment holds the verifying key of one circuit. The circuit's public inputs are, in this order:
///
/// 1. the upper and 2. the lower 128 bits of `jobId`, 3. `first`, 4. `count`, 5. the upper and 6. the lower 128 bits of `root`.
///
/// Halves, because a field element has fewer than 256 bits: each input is smaller than the field's order, so no two
/// results look alike to the circuit. `count` is bound because a root alone does not say of how many tasks it is.
/// What the circuit computes is its author's matter, and so are the key's ceremony and `digestList`, which no proof binds.
/// @dev A proof is `abi.encode(uint256[2] a, uint256[4] b, uint256[2] c)`, the points of G2 with the imaginary part
/// first (EIP-197). Who knows one proof can make others of the same statement (Groth16 can be re-randomized): none of
/// them says anything else, and the market settles a lease once, for its holder.
contract Groth16Verifier is IVerifier {
    /// @notice A point of G1. Zero stands for the point at infinity.
    struct G1 {
        uint256 x;
        uint256 y;
    }

    /// @notice A point of G2: imaginary and real part of each coordinate.
    struct G2 {
        uint256 xi;
        uint256 xr;
        uint256 yi;
        uint256 yr;
    }

    /// @notice A verifying key.
    /// @param alpha in G1
    /// @param beta in G2
    /// @param gamma in G2
    /// @param delta in G2
    /// @param inputs in G1: the constant term, then one point for each public input
    struct Key {
        G1 alpha;
        G2 beta;
        G2 gamma;
        G2 delta;
        G1[7] inputs;
    }

    /// @notice The verifying key holds no valid point at this word of its encoding, or the point at infinity.
    error BadKey(uint256 word);

    /// @dev The order of the field that coordinates are in.
    uint256 private constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant PROOF_LENGTH = 8 * 32;
    address private constant EC_ADD = address(6);
    address private constant EC_MUL = address(7);
    address private constant PAIRING = address(8);

    Key private _key;

    /// @param key the circuit's verifying key. An input whose point is infinity would bind nothing: refused
    constructor(Key memory key) {
        _requireG1(key.alpha, 0);
        _requireG2(key.beta, 2);
        _requireG2(key.gamma, 6);
        _requireG2(key.delta, 10);
        (_key.alpha, _key.beta, _key.gamma, _key.delta) = (key.alpha, key.beta, key.gamma, key.delta);
        for (uint256 i = 0; i < key.inputs.length; ++i) {
            _requireG1(key.inputs[i], 14 + 2 * i);
            _key.inputs[i] = key.inputs[i];
        }
    }

    /// @notice The verifying key.
    function verifyingKey() external view returns (Key memory) {
        return _key;
    }

    /// @inheritdoc IVerifier
    function verify(
        IMarket.Job calldata,
        bytes32 jobId,
        uint32 first,
        uint32 count,
        address,
        bytes32 root,
        bytes32,
        bytes calldata proof
    ) external view returns (bytes4) {
        if (proof.length != PROOF_LENGTH) return 0;
        (G1 memory a, G2 memory b, G1 memory c) = abi.decode(proof, (G1, G2, G1));
        // No point has two encodings (the precompiles check that too, but not for A before it is negated).
        if (!_inField(a.x, a.y) || !_inField(b.xi, b.xr) || !_inField(b.yi, b.yr) || !_inField(c.x, c.y)) {
            return 0;
        }
        uint256[6] memory inputs = [
            uint256(jobId) >> 128,
            uint128(uint256(jobId)),
            first,
            count,
            uint256(root) >> 128,
            uint128(uint256(root))
        ];
        return _verify(a, b, c, inputs) ? IVerifier.verify.selector : bytes4(0);
    }

    /// @dev `e(-A, B) e(alpha, beta) e(sum, gamma) e(C, delta) = 1`. A, B or C at infinity is a point like others.
    function _verify(G1 memory a, G2 memory b, G1 memory c, uint256[6] memory inputs)
        private
        view
        returns (bool)
    {
        Key memory key = _key;
        G1 memory sum = key.inputs[0];
        for (uint256 i = 0; i < inputs.length; ++i) {
            (bool ok, G1 memory term) = _call(EC_MUL, abi.encode(key.inputs[i + 1], inputs[i]));
            if (ok) (ok, sum) = _call(EC_ADD, abi.encode(sum, term));
            if (!ok) return false;
        }
        a.y = a.y == 0 ? 0 : P - a.y;
        return _pairs(abi.encode(a, b, key.alpha, key.beta, sum, key.gamma, c, key.delta));
    }

    /// @dev Whether the product of the pairings is 1. The precompile refuses points that are not of G1 or G2.
    function _pairs(bytes memory points) private view returns (bool) {
        (bool ok, bytes memory answer) = PAIRING.staticcall(points);
        return ok && abi.decode(answer, (uint256)) == 1;
    }

    /// @dev An operation on G1.
    function _call(address precompile, bytes memory input) private view returns (bool ok, G1 memory point) {
        bytes memory answer;
        (ok, answer) = precompile.staticcall(input);
        if (ok) point = abi.decode(answer, (G1));
    }

    function _inField(uint256 x, uint256 y) private pure returns (bool) {
        return x < P && y < P;
    }

    /// @dev Reverts unless this is a point of G1, and not infinity.
    function _requireG1(G1 memory point, uint256 word) private view {
        bool ok = _inField(point.x, point.y) && point.x | point.y != 0;
        if (ok) (ok,) = _call(EC_ADD, abi.encode(point, G1(0, 0)));
        if (!ok) revert BadKey(word);
    }

    /// @dev Reverts unless this is a point of G2, and not infinity. Paired with infinity it must give 1.
    function _requireG2(G2 memory point, uint256 word) private view {
        bool ok = _inField(point.xi, point.xr) && _inField(point.yi, point.yr)
            && point.xi | point.xr | point.yi | point.yr != 0;
        if (!ok || !_pairs(abi.encode(G1(0, 0), point))) revert BadKey(word);
    }
}
