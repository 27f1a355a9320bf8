// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Disputes} from "./Disputes.sol";
import {IMarket} from "./IMarket.sol";
import {Records} from "./Records.sol";
import {Redundant} from "./Redundant.sol";

/// @title The market's second part: all that providers are drawn for, redundant leases and juries
/// @notice Its code runs in the market's storage only (`Market._drawn`): its functions are those of `IMarket` with the
/// same signature. Called itself it knows no jobs and has no money. Nothing in it calls another contract.
contract Drawn is Redundant, Disputes {
    constructor(bytes32 domain, IMarket.Times memory times_) Records(domain, times_) {}
}
