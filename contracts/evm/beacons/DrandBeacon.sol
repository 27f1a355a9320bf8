// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "../IBeacon.sol";
import {Bls12381} from "./Bls12381.sol";

/// @title Seeds from drand
/// @notice A point is a round of one drand chain of the scheme `bls-unchained-g1-rfc9380`, such as `Quicknet`. Its seed is drand's
/// randomness of that round: the SHA-256 of the group's compressed BLS signature on it. There is one such signature for a round, so
/// whoever publishes it cannot influence the seed, and nobody knows it before a threshold of drand's members has signed.
///
/// Not every round is a point: seeds serve all draws of one point period, so few have to be published.
///
/// A sequencer whose clock lags could let a caller store a point that drand has passed. Anyone ends that by publishing the newest point:
/// `point` goes beyond it. If drand stops, no point dies: its seed stays unknown until drand signs that round.
/// @dev Needs the precompiles of EIP-2537 (Ethereum since Prague).
contract DrandBeacon is IBeacon {
    /// @notice Somebody published the seed of a round.
    /// @param round the point
    /// @param seed drand's randomness of that round
    event Published(uint64 indexed round, bytes32 seed);

    /// @notice The public key is not a point of G2, or it is infinity.
    error BadKey();
    /// @notice The point period is no multiple of the chain's period, or one of the times is 0.
    error BadTimes(uint64 period, uint64 pointPeriod, uint64 margin);
    /// @notice This round is not a point.
    error NotAPoint(uint64 round);
    /// @notice The signature is not a point of G1 in 128 bytes, or the call had too little gas to check it.
    error MalformedSignature(uint64 round);
    /// @notice This is not the group's signature on the round.
    error WrongSignature(uint64 round);

    /// @dev The domain separation tag of drand's scheme.
    bytes private constant DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

    /// @notice The time of round 1, in Unix seconds.
    uint64 public immutable GENESIS;
    /// @notice Seconds from round to round.
    uint64 public immutable PERIOD;
    /// @notice Seconds from point to point.
    uint64 public immutable POINT_PERIOD;
    /// @notice A point lies at least this many seconds ahead when it is taken.
    uint64 public immutable MARGIN;

    bytes32 private immutable _KEY_0;
    bytes32 private immutable _KEY_1;
    bytes32 private immutable _KEY_2;
    bytes32 private immutable _KEY_3;
    bytes32 private immutable _KEY_4;
    bytes32 private immutable _KEY_5;
    bytes32 private immutable _KEY_6;
    bytes32 private immutable _KEY_7;

    /// @inheritdoc IBeacon
    mapping(uint64 round => bytes32 randomness) public override seed;
    /// @notice The time of the newest point that was published, in Unix seconds. 0 if there is none.
    uint64 public newestTime;

    /// @notice Reverts with `MissingPrecompile` on a chain without EIP-2537.
    /// @param key the group's public key: a point of G2 in EIP-2537's 256 bytes
    /// @param genesis the time of round 1, in Unix seconds
    /// @param period seconds from round to round
    /// @param pointPeriod seconds from point to point, a multiple of `period`
    /// @param margin least seconds from a block to a point that is taken in it
    constructor(bytes memory key, uint64 genesis, uint64 period, uint64 pointPeriod, uint64 margin) {
        if (period == 0 || pointPeriod == 0 || margin == 0 || pointPeriod % period != 0) {
            revert BadTimes(period, pointPeriod, margin);
        }
        (GENESIS, PERIOD, POINT_PERIOD, MARGIN) = (genesis, period, pointPeriod, margin);
        if (key.length != Bls12381.G2_LENGTH) revert BadKey();
        // The precompiles are there, and the key is of G2. The pairing is 1 if the key is infinity, and for no other key.
        (bool valid, bool one) = Bls12381.pair(bytes.concat(Bls12381.hashToG1("", DST), key));
        if (!valid || one) revert BadKey();
        bytes32[8] memory words = abi.decode(key, (bytes32[8]));
        (_KEY_0, _KEY_1, _KEY_2, _KEY_3) = (words[0], words[1], words[2], words[3]);
        (_KEY_4, _KEY_5, _KEY_6, _KEY_7) = (words[4], words[5], words[6], words[7]);
    }

    /// @notice Publishes the seed of a point. Anyone may call this with what drand serves.
    /// @dev Does nothing if the seed is published already. A malformed point burns the gas of the call: EIP-2537 wants it so.
    /// @param round a point
    /// @param signature drand's signature on the round, uncompressed: x and y, 64 bytes each, the upper 16 of them 0 (EIP-2537)
    function publish(uint64 round, bytes calldata signature) external {
        if (seed[round] != 0) return;
        if (round == 0 || (round - 1) % (POINT_PERIOD / PERIOD) != 0) revert NotAPoint(round);
        // Longer bytes could bring a pair of their own, and make the product 1 without a signature.
        if (signature.length != Bls12381.G1_LENGTH) revert MalformedSignature(round);

        // e(signature, -G2) * e(H(round), key) = 1. Infinity is no signature: then the second factor would have to be 1.
        bytes memory message = Bls12381.hashToG1(abi.encodePacked(sha256(abi.encodePacked(round))), DST);
        (bool valid, bool one) =
            Bls12381.pair(bytes.concat(signature, Bls12381.NEGATED_G2, message, publicKey()));
        if (!valid) revert MalformedSignature(round);
        if (!one) revert WrongSignature(round);

        bytes32 randomness = sha256(Bls12381.compress(signature));
        seed[round] = randomness;
        uint64 time = timeOf(round);
        if (time > newestTime) newestTime = time;
        emit Published(round, randomness);
    }

    /// @inheritdoc IBeacon
    /// @dev The first point at least `MARGIN` after the later of the block's time and the newest published point.
    function point() external view returns (uint64 id) {
        uint64 time = uint64(block.timestamp);
        time = (newestTime > time ? newestTime : time) + MARGIN;
        uint64 steps = time <= GENESIS ? 0 : (time - GENESIS + POINT_PERIOD - 1) / POINT_PERIOD;
        return steps * (POINT_PERIOD / PERIOD) + 1;
    }

    /// @inheritdoc IBeacon
    /// @dev drand signs old rounds whenever it is asked to: no point dies.
    function isDead(uint64) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IBeacon
    function timeOf(uint64 id) public view returns (uint64 time) {
        return GENESIS + (id - 1) * PERIOD;
    }

    /// @notice The group's public key: a point of G2 in EIP-2537's 256 bytes.
    function publicKey() public view returns (bytes memory) {
        return bytes.concat(_KEY_0, _KEY_1, _KEY_2, _KEY_3, _KEY_4, _KEY_5, _KEY_6, _KEY_7);
    }
}
