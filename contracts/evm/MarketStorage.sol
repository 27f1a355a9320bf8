// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobSlot, LeaseSlot, ProviderSlot} from "./Slots.sol";

/// @title What the market remembers
/// @notice All storage of the market stands here, so that its layout can be read, and reviewed, in
/// one place. Amounts are 96 bits and times 40 bits wide (see `IMarket`).
/// @dev The market never holds more than 2^96 - 1 units (`_held`), hence no sum of amounts kept
/// below can overflow its 96 bits.
abstract contract MarketStorage is IMarket {
    /// @dev What changes only when a provider stakes, unstakes or loses. One slot, 200 bits.
    /// @param total all its stake
    /// @param stakedAt when its stake last increased
    /// @param late leases it let expire or released late (saturating)
    /// @param slashed leases lost to a jury or a quorum (saturating)
    struct Stake {
        uint96 total;
        uint40 stakedAt;
        uint32 late;
        uint32 slashed;
    }

    /// @dev How to reach a provider.
    struct Profile {
        bytes32 nodeId;
        bytes32 capabilities;
        string endpoint;
    }

    /// @dev Deposits and refunds by account. A provider's earnings are in its record, and the fee
    /// recipient's in `_feeEarned`, until they are needed: see `Ledger._debit`.
    mapping(address account => uint256) internal _ledger;

    /// @dev Providers by address, and their addresses by number.
    mapping(address provider => ProviderSlot) internal _providers;
    mapping(address provider => Stake) internal _stakes;
    mapping(uint32 number => address) internal _providerAt;

    /// @dev The provider's number for each key that may act for it, else 0: one read tells whether
    /// a caller may act and for whom.
    mapping(address provider => mapping(address operator => uint32 number)) internal _operators;

    mapping(address provider => Profile) internal _profiles;

    mapping(bytes32 jobId => JobSlot) internal _jobs;

    /// @dev Leases by job and first task, and the Merkle roots of their results.
    mapping(bytes32 jobId => mapping(uint32 first => LeaseSlot)) internal _leases;
    mapping(bytes32 jobId => mapping(uint32 first => bytes32)) internal _roots;

    /// @dev Who receives the fee, and what it earned since it does. One slot.
    address internal _feeRecipient;
    uint96 internal _feeEarned;

    /// @dev The fee for jobs posted now; what came in less what went out; what was slashed and is
    /// nobody's; how many providers there are. One slot.
    uint16 internal _feeBps;
    uint96 internal _held;
    uint96 internal _burned;
    uint32 internal _providerCount;

    /// @dev The time as it is kept: 40 bits last until the year 36,812.
    function _now() internal view returns (uint40) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(block.timestamp);
    }
}
