// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "piecework/IBeacon.sol";

/// A beacon that answers as its test tells it, whichever of its functions is called.
contract OddBeacon is IBeacon {
    enum Manner {
        Honest,
        Reverts,
        RevertsWithWord, // as an answer would be
        Zero,
        Empty,
        Short, // 31 bytes
        AllOnes, // no id and no time has so many bits
        BurnsGas,
        Bomb, // 500,000 bytes
        WantsGas // answers only with nearly the whole allowance of a tolerant call
    }

    error Broken();

    Manner public manner;
    uint64 private _id = 77;
    mapping(uint64 id => uint64) private _times;
    mapping(uint64 id => bytes32) private _seeds;

    function behave(Manner manner_) external {
        manner = manner_;
    }

    /// The point that it names from now on.
    function setPoint(uint64 id, uint64 time) external {
        (_id, _times[id]) = (id, time);
    }

    function setSeed(uint64 id, bytes32 seed_) external {
        _seeds[id] = seed_;
    }

    function point() external view returns (uint64) {
        _answer(_id);
    }

    function timeOf(uint64 id) external view returns (uint64) {
        _answer(_times[id]);
    }

    function seed(uint64 id) external view returns (bytes32) {
        _answer(uint256(_seeds[id]));
    }

    function isDead(uint64) external view returns (bool) {
        _answer(0);
    }

    function _answer(uint256 honest) private view {
        uint256 gas_ = gasleft();
        Manner manner_ = manner;
        if (manner_ == Manner.Reverts) revert Broken();
        if (manner_ == Manner.WantsGas && gas_ < 195_000) revert Broken();
        uint256 kind = uint256(manner_);
        assembly ("memory-safe") {
            mstore(0, honest)
            switch kind
            case 2 { revert(0, 32) }
            case 3 {
                mstore(0, 0)
                return(0, 32)
            }
            case 4 { return(0, 0) }
            case 5 { return(0, 31) }
            case 6 {
                mstore(0, not(0))
                return(0, 32)
            }
            case 7 { for {} 1 {} {} }
            case 8 {
                mstore(0, honest)
                return(0, 500000)
            }
            default { return(0, 32) }
        }
    }
}
