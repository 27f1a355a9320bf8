// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title A source of public randomness
/// @notice A point is a moment whose seed nobody can know yet. The market stores a point, and reads its seed once that is public.
/// @dev The market calls a beacon with `staticcall` alone. A point keeps the seed that it was going to have: no call can change it.
interface IBeacon {
    /// @notice A point whose seed nobody knows now.
    /// @return id the point, never 0
    function point() external view returns (uint64 id);

    /// @notice The nominal time of a point, in Unix seconds: about when its seed becomes known.
    /// @dev A beacon for chains with value keeps the seed unknown until then.
    /// @param id a point that `point` returned
    function timeOf(uint64 id) external view returns (uint64 time);

    /// @notice The seed of a point, or 0 while nobody has published it.
    /// @param id a point that `point` returned
    function seed(uint64 id) external view returns (bytes32);

    /// @notice Whether the seed of a point will never be known, because the chain has forgotten it.
    /// @param id a point that `point` returned
    function isDead(uint64 id) external view returns (bool);
}
