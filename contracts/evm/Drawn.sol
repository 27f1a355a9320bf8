// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Audits} from "./Audits.sol";
import {Endings} from "./Endings.sol";
import {IMarket} from "./IMarket.sol";
import {Records} from "./Records.sol";
import {Redundant} from "./Redundant.sol";

/// @title The market's second part: all that providers are drawn for, redundant leases and audits
/// @notice Its code runs in the market's storage only (`Market.fallback`): its functions are those of `IMarket` with the
/// same signature. Called itself it knows no jobs and has no money. It calls no contract but the beacon.
contract Drawn is Endings, Redundant, Audits {
    constructor(bytes32 domain, address beacon, IMarket.Times memory times, bool devnet)
        Records(domain, beacon, times, devnet)
    {}

    /// @dev See `IMarket.leave`.
    function leave(IMarket.Job calldata job, uint32 first, uint16 round, address provider) external {
        if (job.assurance.replicas == 1) _leaveLease(job, first, round, provider);
        else _leaveSeat(job, first, round, provider);
    }
}
