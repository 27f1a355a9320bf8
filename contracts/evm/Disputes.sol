// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Records} from "./Records.sol";
import {Seats} from "./Seats.sol";

/// @title The market's second half: what happens when a result is contested
/// @notice Its code runs in the market's storage only (`Market._run`); called itself it knows no jobs and has no
/// money. The functions are those of `IMarket` with the same signature.
contract Disputes is Seats {
    constructor(bytes32 domain, IMarket.Times memory times_) Records(domain, times_) {}

    function challenge(IMarket.Job calldata, uint32, uint32, bytes32, bytes32[] calldata, bytes32) external {
        revert IMarket.Unsupported();
    }
}
