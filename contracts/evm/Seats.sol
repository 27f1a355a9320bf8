// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {JobRules} from "./JobRules.sol";
import {Records} from "./Records.sol";
import {JobSlot, LeaseSlot, SealSlot, SealSlots, SeatSlot, SeatSlots} from "./Slots.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Drawn seats, and what their holders commit to and reveal
/// @notice What redundant leases and juries share. Nobody takes a seat without being drawn, with a
/// chance in proportion to its stake; a provider has at most one seat in a round; and nobody can reveal
/// what another committed to.
abstract contract Seats is Records {
    /// @dev Doublings after which everyone with stake is drawn (for any share of 2^-64 and more).
    uint256 internal constant MAX_STEPS = 64;
    /// @dev Doublings of a jury's draw: its growth stops at four times. A jury's whose jurors must be on a list, which may
    /// hold a small part of all stake, does not stop: whom that list admits is the client's choice.
    uint256 internal constant JURY_STEPS = 2;
    /// @dev Blocks from a post or a challenge to its seal: the seed block, and one whose builder adds to the
    /// randomness of the next (EIP-4399) and cannot be the seed block's.
    uint256 private constant SEAL_DELAY = 3;
    /// @dev A blockhash is known for this many blocks.
    uint256 private constant SEED_BLOCKS = 256;

    // ------------------------------------------------------------------ the draw

    /// @dev Fixes the seed and the total stake of a draw. The seed is made of the hash of the seed block, the one
    /// after `fromBlock` (or every 256th later one, if that is no longer known), and of the randomness of the
    /// present block. The seed block's builder can try many hashes, but knows that randomness only if it builds the
    /// block before the present one too; who builds the present block can only leave the call out, and let the next
    /// block decide.
    /// Stake that came after `post` is never drawn, so it does not make the others' share smaller: who stakes a loan,
    /// seals and unstakes it would else leave a jury, whose draw does not grow for long, without jurors.
    function _seal(bytes32 key, bytes32 jobId, uint32 first, uint256 fromBlock)
        internal
        returns (SealSlot sealing)
    {
        if (_seals[key].sealedAt() != 0) revert IMarket.SealedAlready(jobId, first);
        if (block.number < fromBlock + SEAL_DELAY) {
            // forge-lint: disable-next-line(unsafe-typecast)
            revert IMarket.TooEarlyToSeal(uint64(fromBlock + SEAL_DELAY), uint64(block.number));
        }
        uint256 seedBlock = fromBlock + 1;
        seedBlock += (block.number - 1 - seedBlock) / SEED_BLOCKS * SEED_BLOCKS;
        bytes32 seed = keccak256(abi.encode(blockhash(seedBlock), block.prevrandao));
        JobSlot record = _jobs[jobId];
        uint96 total = record.totalStake();
        if (total > _totalStake) total = _totalStake;
        sealing = SealSlots.sealed_(seed, total, record.postedAt(), block.timestamp);
        _seals[key] = sealing;
    }

    /// @dev When a provider can take one of `places` seats, the greatest time if never. From the k-th step on it
    /// can iff `H(seed, seats, provider) / 2^64 < stake / totalStake * places * 2^k`, with 64 bits of the hash. A stake that
    /// grew less than the market's stake age before `post` does not count.
    /// @param sealing the draw
    /// @param start when step 0 began
    /// @param maxSteps doublings that there are
    function _drawnFrom(
        SealSlot sealing,
        bytes32 seatsKey,
        address provider,
        uint32 number,
        uint256 places,
        uint256 start,
        uint256 maxSteps
    ) internal view returns (uint64) {
        Stake storage held = _stakes[number];
        uint256 weight = held.total;
        if (weight == 0 || held.stakedAt + _STAKE_AGE > sealing.postedAt()) return type(uint64).max;
        uint256 lot = uint256(keccak256(abi.encode(sealing.seed(), seatsKey, provider))) >> 192;
        // 64 + 96 bits; 96 + 4 + 64 + 64 bits.
        uint256 line = lot * sealing.totalStake();
        uint256 reach = weight * places << 64;
        uint256 steps = 0;
        while (line >= reach << steps) {
            if (++steps > maxSteps) return type(uint64).max;
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(start + steps * _DRAW_STEP);
    }

    /// @dev Step 0 of the draw of a free lease's next round begins when the job is open and sealed, and the lease free.
    function _drawStart(IMarket.Job calldata job, SealSlot sealing, LeaseSlot lease)
        internal
        pure
        returns (uint256)
    {
        return Math.max(Math.max(job.timing.opensAt, sealing.sealedAt()), lease.startedAt());
    }

    /// @dev When the provider can take a seat of the lease's round: drawn from the job's seal.
    function _drawnForLease(
        IMarket.Job calldata job,
        bytes32 jobId,
        LeaseSlot lease,
        bytes32 seatsKey,
        address provider,
        uint32 number
    ) internal view returns (uint64) {
        return _drawnFrom(
            _seals[jobId],
            seatsKey,
            provider,
            number,
            job.terms.replicas,
            lease.startedAt() - lease.waited(),
            MAX_STEPS
        );
    }

    /// @dev When the provider can take a seat of a sealed jury: step 0 begins with its seal.
    function _drawnForJury(
        IMarket.Job calldata job,
        bytes32 seatsKey,
        SealSlot sealing,
        address provider,
        uint32 number
    ) internal view returns (uint64) {
        uint256 steps = job.terms.providers == 0 ? JURY_STEPS : MAX_STEPS;
        return _drawnFrom(sealing, seatsKey, provider, number, JobRules.JURY, sealing.sealedAt(), steps);
    }

    /// @dev Reverts before `from`, when the provider is drawn.
    function _requireDrawn(uint64 from, bytes32 jobId, uint32 first, address provider) internal view {
        if (block.timestamp < from) revert IMarket.NotDrawn(jobId, first, provider, from);
    }

    // ------------------------------------------------------------------ commit and reveal

    /// @dev What a seat commits to: see `IMarket.commitmentOf`.
    function _commitmentOf(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 challenge,
        address provider,
        bytes32 vote,
        bytes32 salt
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(jobId, first, round, challenge, provider, vote, salt));
    }

    /// @dev The vote that at least `quorum` seats of the panel revealed, as a seat that revealed it; else 0. There
    /// is at most one: a quorum is more than half. A panel names all seats of a round once: its numbers
    /// ascend, each has a seat, and there are as many as seats.
    /// @return seats the panel's seats
    /// @return winner the seat of the majority
    function _count(bytes32 seatsKey, uint32[] calldata panel, uint256 seatCount, uint256 quorum)
        internal
        view
        returns (SeatSlot[] memory seats, SeatSlot winner)
    {
        if (panel.length != seatCount) revert IMarket.WrongPanel(panel.length);
        seats = new SeatSlot[](seatCount);
        uint32 last = 0;
        for (uint256 i = 0; i < seatCount; ++i) {
            uint32 number = panel[i];
            SeatSlot seat = _seats[seatsKey][number];
            if (seat.state() == IMarket.Seat.None || number <= last) revert IMarket.WrongPanel(i);
            (seats[i], last) = (seat, number);
        }
        for (uint256 i = 0; i + quorum <= seatCount; ++i) {
            if (seats[i].state() != IMarket.Seat.Revealed) continue;
            uint256 votes = 1;
            for (uint256 j = i + 1; j < seatCount; ++j) {
                if (seats[j].equals(seats[i])) ++votes;
            }
            if (votes >= quorum) return (seats, seats[i]);
        }
    }
}
