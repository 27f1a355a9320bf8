// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditSlot, JobSlot, LeaseSlot, ProviderSlot, SeatSlot} from "./Slots.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title What the market remembers
/// @notice All storage of the market stands here, so that its layout can be read, and reviewed, in
/// one place. Amounts are 96 bits and times 40 bits wide (see `IMarket`).
/// @dev The market never holds more than 2^96 - 1 units (`_holdings`), hence no sum of amounts kept
/// below can overflow its 96 bits.
abstract contract MarketStorage {
    /// @dev What changes only when a provider stakes, unstakes or loses. One slot, 200 bits.
    /// @param total all its stake
    /// @param stakedAt when its stake last increased
    /// @param late rounds that it left late, let expire or did not finish (saturating)
    /// @param slashed bonds that it lost whole (saturating)
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
    mapping(address account => uint256) internal _balances;

    /// @dev Providers are known by number, from 1: leases and seats name them so.
    mapping(address provider => uint32 number) internal _numbers;
    mapping(uint32 number => address) internal _providerAt;
    mapping(uint32 number => ProviderSlot) internal _providers;
    mapping(uint32 number => Stake) internal _stakes;

    /// @dev The number that stands for all providers together in `_stakes` and `_stakeHistory`. No provider gets it: there
    /// are fewer than 2^32 - 1 of them.
    uint32 internal constant ALL = type(uint32).max;

    /// @dev What each provider's stake, and under `ALL` all stake, was at any time: draws count the stake of the past.
    mapping(uint32 number => Checkpoints.Trace208) internal _stakeHistory;

    /// @dev The provider's number for each other key that may act for it, else 0: one read tells whether
    /// a caller may act and for whom.
    mapping(address provider => mapping(address operator => uint32 number)) internal _operators;

    /// @dev Providers that were shown to be on a list, by the list's Merkle root.
    mapping(bytes32 list => mapping(uint32 number => bool)) internal _admitted;

    mapping(address provider => Profile) internal _profiles;

    mapping(bytes32 jobId => JobSlot) internal _jobs;

    /// @dev Nonces under which a client's signatures are void.
    mapping(address client => mapping(uint64 nonce => bool)) internal _revoked;

    /// @dev Leases by job and first task, the Merkle roots of their results, and their last audits.
    mapping(bytes32 jobId => mapping(uint32 first => LeaseSlot)) internal _leases;
    mapping(bytes32 jobId => mapping(uint32 first => bytes32)) internal _roots;
    mapping(bytes32 jobId => mapping(uint32 first => AuditSlot)) internal _audits;

    /// @dev Seats by the key of their round (`Seats._seatsKey`) and their provider's number. They go when the round ends,
    /// except that a redundant lease remembers who left it or was late.
    mapping(bytes32 key => mapping(uint32 number => SeatSlot)) internal _seats;

    /// @dev Who receives the fee, and what it earned since it does. One slot.
    address internal _feeRecipient;
    uint96 internal _feeEarned;

    /// @dev What came in less what went out; what was slashed and is nobody's. One slot.
    uint96 internal _holdings;
    uint96 internal _burned;

    /// @dev The fee for jobs posted now; how many providers there are. One slot.
    uint16 internal _feeBps;
    uint32 internal _providerCount;

    /// @dev The time as it is kept: 40 bits last until the year 36,812.
    function _now() internal view returns (uint40) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(block.timestamp);
    }
}
