// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Records} from "./Records.sol";
import {Seats} from "./Seats.sol";

/// @title Redundant leases: drawn seats, commit, reveal, quorum
/// @notice Its code runs in the market's storage only (`Market._run`); called itself it knows no jobs and has no
/// money. The functions are those of `IMarket` with the same signature.
contract Redundant is Seats {
    constructor(bytes32 domain, IMarket.Times memory times_) Records(domain, times_) {}

    function seal(IMarket.Job calldata) external {
        revert IMarket.Unsupported();
    }
}
