// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "../IBeacon.sol";

/// @title Seeds from the hashes of later blocks
/// @notice The seed of a point is the hash of one later block, which the point names. Anyone stores that hash with `keep`, while the
/// chain remembers it: for 256 blocks. If nobody does, the point is dead.
///
/// For devnets, and for chains whose block builders are trusted. A builder that does not like a hash can throw its block away and
/// build another one, and a builder of several blocks in a row chooses the seed. Chains with value use `DrandBeacon`.
/// @dev A point is `nominalTime << 24 | block % 2^24`. The time tells apart the blocks that end in the same 24 bits, because `keep`
/// reads the bits as the block nearest to now, and takes a point from the moment at which `point` can return it until one day after its
/// nominal time. In that time, which is `MARGIN` plus one day, the chain must make fewer than 2^23 blocks (every chain with less than
/// 48 blocks a second does). Then:
/// - The bits mean the same block whenever `keep` takes the point: the hash of no other block becomes its seed.
/// - Nobody can store a seed for a point before `point` returns it: its time is more than `MARGIN` ahead, or its block is not built.
contract BlockBeacon is IBeacon {
    /// @notice Somebody stored the seed of a point.
    /// @param id the point
    /// @param seed the hash of the point's block
    event Kept(uint64 indexed id, bytes32 seed);

    /// @notice The constructor takes at least 2 blocks, and a margin of at most one day.
    error BadDelay(uint16 blocks, uint64 margin);
    /// @notice The point's block is not built yet, or the point's time lies further ahead than that of any point.
    error TooEarly(uint64 id);
    /// @notice The chain has forgotten the hash of the point's block. The point is dead.
    error Forgotten(uint64 id);
    /// @notice The point's nominal time passed more than a day ago. The point is dead.
    error TooOld(uint64 id);

    uint64 private constant DAY = 1 days;
    /// @dev How many blocks back the chain remembers hashes.
    uint256 private constant MEMORY = 256;

    /// @notice A point's block comes this many blocks after the block in which the point is taken.
    uint16 public immutable BLOCKS;
    /// @notice A point's nominal time lies this many seconds after the block in which the point is taken.
    uint64 public immutable MARGIN;

    /// @inheritdoc IBeacon
    mapping(uint64 id => bytes32 hash) public override seed;

    /// @param blocks at least 2: the builder of the block in which a point is taken does not know the hash of the block after the next
    /// @param margin about the seconds that the chain needs for these blocks
    constructor(uint16 blocks, uint64 margin) {
        if (blocks < 2 || margin > DAY) revert BadDelay(blocks, margin);
        (BLOCKS, MARGIN) = (blocks, margin);
    }

    /// @notice Stores the seed of a point. Anyone may call this, within 256 blocks after the point's block.
    /// @dev Does nothing if the seed is stored already.
    /// @param id a point that `point` returned
    function keep(uint64 id) external {
        if (seed[id] != 0) return;
        uint64 time = timeOf(id);
        if (block.timestamp > time + DAY) revert TooOld(id);
        (bool built, uint256 age) = _age(id);
        if (!built || time > block.timestamp + MARGIN) revert TooEarly(id);
        bytes32 hash = age > MEMORY || age > block.number ? bytes32(0) : blockhash(block.number - age);
        if (hash == 0) revert Forgotten(id);
        seed[id] = hash;
        emit Kept(id, hash);
    }

    /// @inheritdoc IBeacon
    function point() external view returns (uint64 id) {
        // forge-lint: disable-next-line(unsafe-typecast): 40 bits hold the time until the year 36812, and 24 bits are meant.
        return (uint64(block.timestamp) + MARGIN) << 24 | uint24(block.number + BLOCKS);
    }

    /// @inheritdoc IBeacon
    function isDead(uint64 id) external view returns (bool) {
        if (seed[id] != 0) return false;
        (bool built, uint256 age) = _age(id);
        return block.timestamp > timeOf(id) + DAY || (built && age > MEMORY);
    }

    /// @notice The nominal time of a point, in Unix seconds. It is an estimate: the seed is known when the point's block is built.
    /// @param id a point that `point` returned
    function timeOf(uint64 id) public pure returns (uint64 time) {
        return id >> 24;
    }

    /// @dev The block nearest to now that ends in the point's 24 bits: whether it is built, and how many blocks ago.
    function _age(uint64 id) private view returns (bool built, uint256 age) {
        unchecked {
            // forge-lint: disable-next-line(unsafe-typecast): 24 bits are meant, and their difference wraps.
            age = uint24(block.number) - uint24(id);
        }
        built = age != 0 && age < 1 << 23;
    }
}
