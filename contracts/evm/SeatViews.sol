// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {Seats} from "./Seats.sol";
import {LeaseSlot, SealSlot} from "./Slots.sol";

/// @title Reading draws, seats and disputes
abstract contract SeatViews is IMarket, Seats {
    /// @inheritdoc IMarket
    function sealOf(bytes32 key) external view returns (bytes32 seed, uint128 stakes, uint64 sealedAt) {
        SealSlot sealing = _seals[key];
        return (sealing.seed(), sealing.totalStake(), sealing.sealedAt());
    }

    /// @inheritdoc IMarket
    function seatOf(bytes32 jobId, uint32 first, uint16 round, uint8 challenge_, address provider)
        external
        view
        returns (Seat)
    {
        LeaseSlot lease = _leases[jobId][first];
        // One of its seats has made place for the root: see `_rootOf`.
        bool settled = lease.how() == How.Quorum && lease.round() == round;
        if (settled && challenge_ == 0) return Seat.None;
        return _seats[_seatsKey(jobId, first, round, challenge_)][_numbers[provider]].state();
    }

    /// @inheritdoc IMarket
    function commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 challenge_,
        address provider,
        bytes32 vote,
        bytes32 salt
    ) external pure returns (bytes32) {
        return _commitmentOf(jobId, first, round, challenge_, provider, vote, salt);
    }

    /// @inheritdoc IMarket
    function disputeOf(bytes32 jobId, uint32 first) external view returns (DisputeState memory) {
        Dispute storage dispute = _disputes[jobId][first];
        return DisputeState({
            challenger: dispute.challenger,
            task: dispute.task,
            digest: dispute.digest,
            answer: dispute.answer,
            answered: dispute.answered,
            deposit: dispute.deposit,
            openedAt: dispute.openedAt,
            openedBlock: dispute.openedBlock,
            revealFrom: dispute.revealFrom,
            seats: dispute.seats,
            commits: dispute.commits,
            reveals: dispute.reveals
        });
    }

    /// @inheritdoc IMarket
    function times() external view returns (Times memory) {
        return Times(_DRAW_TIME, _DRAW_STEP, _REVEAL_WINDOW, _RESPOND_WINDOW, _STAKE_AGE);
    }
}
