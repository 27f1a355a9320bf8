// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {JobSlot, LeaseSlot, ProviderSlot, SealSlot, SeatSlot} from "./Slots.sol";

/// @title What the market remembers
/// @notice All storage of the market stands here, so that its layout can be read, and reviewed, in
/// one place. Amounts are 96 bits and times 40 bits wide (see `IMarket`).
/// @dev The market never holds more than 2^96 - 1 units (`_held`), hence no sum of amounts kept
/// below can overflow its 96 bits.
abstract contract MarketStorage {
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

    /// @dev A challenge and its jury: see `IMarket.DisputeState`. Four slots; what the jury's acts need is in the second.
    struct Dispute {
        address challenger;
        uint32 task;
        uint96 deposit;
        uint40 openedAt;
        uint40 openedBlock;
        uint40 revealFrom;
        uint8 seats;
        uint8 commits;
        uint8 reveals;
        bool answered;
        bytes32 digest;
        bytes32 answer;
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

    /// @dev Providers are known by number, from 1: leases and seats name them so.
    mapping(address provider => uint32 number) internal _numbers;
    mapping(uint32 number => address) internal _providerAt;
    mapping(uint32 number => ProviderSlot) internal _providers;
    mapping(uint32 number => Stake) internal _stakes;

    /// @dev The provider's number for each other key that may act for it, else 0: one read tells whether
    /// a caller may act and for whom.
    mapping(address provider => mapping(address operator => uint32 number)) internal _operators;

    /// @dev Providers that were shown to be on a list, by the list's Merkle root.
    mapping(bytes32 list => mapping(uint32 number => bool)) internal _admitted;

    mapping(address provider => Profile) internal _profiles;

    mapping(bytes32 jobId => JobSlot) internal _jobs;

    /// @dev Nonces under which a client's signatures are void.
    mapping(address client => mapping(uint64 nonce => bool)) internal _revoked;

    /// @dev Leases by job and first task, and the Merkle roots of optimistic results (`Records._rootOf`).
    mapping(bytes32 jobId => mapping(uint32 first => LeaseSlot)) internal _leases;
    mapping(bytes32 jobId => mapping(uint32 first => bytes32)) internal _roots;

    /// @dev Seeds of draws: of a redundant job by its id, of a jury by its seats' key.
    mapping(bytes32 key => SealSlot) internal _seals;

    /// @dev Seats by the key of their round (`Records._seatsKey`) and their provider's number. Those of a lease's
    /// round go when it ends, but for one that a quorum's root takes the place of.
    mapping(bytes32 key => mapping(uint32 number => SeatSlot)) internal _seats;

    /// @dev The last dispute of a lease, and who demanded its digests.
    mapping(bytes32 jobId => mapping(uint32 first => Dispute)) internal _disputes;
    mapping(bytes32 jobId => mapping(uint32 first => address)) internal _demanders;

    /// @dev Who receives the fee, and what it earned since it does. One slot.
    address internal _feeRecipient;
    uint96 internal _feeEarned;

    /// @dev What came in less what went out; what was slashed and is nobody's. One slot.
    uint96 internal _held;
    uint96 internal _burned;

    /// @dev All stake; the fee for jobs posted now; how many providers there are. One slot.
    uint96 internal _totalStake;
    uint16 internal _feeBps;
    uint32 internal _providerCount;

    /// @dev The time as it is kept: 40 bits last until the year 36,812.
    function _now() internal view returns (uint40) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(block.timestamp);
    }
}
