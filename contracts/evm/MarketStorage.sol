// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title What the market remembers
/// @notice All storage of the market stands here, so that its layout can be read, and reviewed, in
/// one place. Amounts are 96 bits and times 40 bits wide (see `IMarket`).
/// @dev The market never holds more than 2^96 - 1 units (`_held`), hence no sum of amounts kept
/// below can overflow its 96 bits.
abstract contract MarketStorage is IMarket {
    /// @notice The most that the market holds, and hence the largest of all amounts.
    uint256 internal constant MAX_AMOUNT = type(uint96).max;

    /// @dev Two slots. The first holds all that a lease that goes well changes.
    /// @param earned what it was paid and has not drawn yet; part of its balance
    /// @param free stake that no lease locks; `stake - free` is the sum of its bonds
    /// @param number its name in leases, from 1
    /// @param completed leases settled in its favour (saturating)
    /// @param stake all its stake
    /// @param stakedAt when its stake last increased
    /// @param late leases it let expire or released late (saturating)
    /// @param slashed leases lost to a jury or a quorum (saturating)
    struct Provider {
        uint96 earned;
        uint96 free;
        uint32 number;
        uint32 completed;
        uint96 stake;
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

    /// @dev One slot, 96 bits of it used. Never returns to zero: that is the replay guard.
    /// The escrow of a job is not stored: it is `maxPrice` for each seat of the tasks from `next` on
    /// and of the leases that are neither settled nor refunded.
    /// @param status whether it was posted, or cancelled
    /// @param feeBps the protocol fee, fixed at `post`
    /// @param next first task that no lease holds
    /// @param postedAt time of `post`
    struct JobRecord {
        JobStatus status;
        uint16 feeBps;
        uint32 next;
        uint40 postedAt;
    }

    /// @dev Two slots: 192 bits of the first are used; the second is written once, by `submit`.
    /// @param provider number of who holds it; of a free lease, of who left it
    /// @param phase where it stands
    /// @param how how it was settled
    /// @param round 1 for the first holder, one more for each takeover
    /// @param count tasks in it
    /// @param feeBps the job's fee, so that settling need not read the job
    /// @param startedAt when its round began; fixes its price and its deadline
    /// @param submittedAt when its result was submitted
    /// @param root Merkle root of its result
    struct Lease {
        uint32 provider;
        Phase phase;
        How how;
        uint16 round;
        uint32 count;
        uint16 feeBps;
        uint40 startedAt;
        uint40 submittedAt;
        bytes32 root;
    }

    /// @dev Deposits and refunds by account. A provider's earnings are in its record, and the fee
    /// recipient's in `_feeEarned`, until they are needed: see `Ledger._debit`.
    mapping(address account => uint256) internal _ledger;

    /// @dev Providers by address, and their addresses by number.
    mapping(address provider => Provider) internal _providers;
    mapping(uint32 number => address) internal _providerAt;

    /// @dev The provider's number for each key that may act for it, else 0: one read tells whether
    /// a caller may act and for whom.
    mapping(address provider => mapping(address operator => uint32 number)) internal _operators;

    mapping(address provider => Profile) internal _profiles;

    mapping(bytes32 jobId => JobRecord) internal _jobs;

    /// @dev Leases by job and first task.
    mapping(bytes32 jobId => mapping(uint32 first => Lease)) internal _leases;

    /// @dev Who receives the fee, and what it earned since it does. One slot.
    address internal _feeRecipient;
    uint96 internal _feeEarned;

    /// @dev The fee for jobs posted now; what came in less what went out; what was slashed and is
    /// nobody's; how many providers there are. One slot.
    uint16 internal _feeBps;
    uint96 internal _held;
    uint96 internal _burned;
    uint32 internal _providerCount;
}
