// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {Records} from "piecework/Records.sol";
import {Seats} from "piecework/Seats.sol";
import {SealSlot, SealSlots, SeatSlot} from "piecework/Slots.sol";

/// Draws and panels, opened for a look.
contract DrawHarness is Seats {
    uint64 public constant STEP = 15;
    uint64 public constant AGE = 86_400;

    constructor() Records("", IMarket.Times(60, STEP, 3600, 21_600, AGE)) {}

    function setStake(uint32 number, uint96 total, uint40 stakedAt) external {
        _stakes[number].total = total;
        _stakes[number].stakedAt = stakedAt;
    }

    function drawnFrom(
        bytes32 seed,
        uint96 totalStake,
        address provider,
        uint32 number,
        uint256 places,
        uint40 postedAt,
        uint256 start,
        uint256 maxSteps
    ) external view returns (uint64) {
        SealSlot sealing = SealSlots.sealed_(seed, totalStake, postedAt, 1);
        return _drawnFrom(sealing, "", provider, number, places, start, maxSteps);
    }

    /// The 64 bits of the hash that a provider draws.
    function lotOf(bytes32 seed, address provider) external pure returns (uint256) {
        SealSlot sealing = SealSlots.sealed_(seed, 0, 0, 1);
        return uint256(keccak256(abi.encode(sealing.seed(), bytes32(0), provider))) >> 192;
    }

    function setSeat(uint32 number, uint256 word) external {
        _seats[""][number] = SeatSlot.wrap(word);
    }

    function count(uint32[] calldata panel, uint256 seatCount, uint256 quorum)
        external
        view
        returns (uint256 winner)
    {
        (, SeatSlot seat) = _count("", panel, seatCount, quorum);
        return SeatSlot.unwrap(seat);
    }
}

/// Who is drawn, when, and what a panel finds.
contract DrawProof is Symbolic {
    DrawHarness private _draw;
    uint32 private constant NUMBER = 1;

    function setUp() public {
        _draw = new DrawHarness();
    }

    /// Property: a provider without stake, or whose stake grew less than the stake age before `post`, is never drawn.
    function check_drawNeedsAgedStake(
        bytes32 seed,
        uint96 totalStake,
        address provider,
        uint96 stake,
        uint40 stakedAt,
        uint40 postedAt,
        uint40 start
    ) external {
        vm.assume(stake == 0 || uint256(stakedAt) + _draw.AGE() > postedAt);
        _draw.setStake(NUMBER, stake, stakedAt);
        uint64 from = _draw.drawnFrom(seed, totalStake, provider, NUMBER, 3, postedAt, start, 64);
        assert(from == type(uint64).max);
    }

    /// Property: who is drawn is drawn from `start` or a whole number of steps later, at most as many as there are; and in the
    /// k-th step iff lot * totalStake < stake * places * 2^(64 + k), not earlier and not later.
    function check_drawFollowsFormula(
        bytes32 seed,
        uint96 totalStake,
        address provider,
        uint96 stake,
        uint40 start
    ) external {
        vm.assume(stake != 0);
        _draw.setStake(NUMBER, stake, 0);
        uint256 line = _draw.lotOf(seed, provider) * totalStake;
        uint256 steps = 2;
        uint256 places = 3;
        uint64 from =
            _draw.drawnFrom(seed, totalStake, provider, NUMBER, places, uint40(_draw.AGE()), start, steps);
        bool never = true;
        for (uint256 k = 0; k <= steps && never; ++k) {
            if (line < uint256(stake) * places << (64 + k)) {
                assert(from == start + k * _draw.STEP());
                never = false;
            }
        }
        if (never) assert(from == type(uint64).max);
    }

    /// Property: more stake is never drawn later.
    function check_drawMonotonic(
        bytes32 seed,
        uint96 totalStake,
        address provider,
        uint96 stake,
        uint96 more,
        uint40 start
    ) external {
        vm.assume(stake <= more);
        _draw.setStake(NUMBER, stake, 0);
        uint64 late = _draw.drawnFrom(seed, totalStake, provider, NUMBER, 3, uint40(_draw.AGE()), start, 2);
        _draw.setStake(NUMBER, more, 0);
        uint64 early = _draw.drawnFrom(seed, totalStake, provider, NUMBER, 3, uint40(_draw.AGE()), start, 2);
        assert(early <= late);
    }

    /// Property: a panel of three names three different seats, or it is refused; and the winner is a vote that two of them
    /// revealed, zero iff there is none. No other vote has a quorum then.
    function check_panelCountsEachSeatOnce(uint32[3] calldata numbers, uint256[3] calldata words) external {
        uint256 quorum = 2;
        uint32[] memory panel = new uint32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assume(uint8(words[i]) <= uint8(type(IMarket.Seat).max));
            _draw.setSeat(numbers[i], words[i]);
            panel[i] = numbers[i];
        }
        try _draw.count(panel, 3, quorum) returns (uint256 winner) {
            assert(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2]);
            uint256 most = 0;
            for (uint256 i = 0; i < 3; ++i) {
                assert(uint8(words[i]) != uint8(IMarket.Seat.None));
                if (uint8(words[i]) != uint8(IMarket.Seat.Revealed)) continue;
                uint256 votes = 0;
                for (uint256 j = 0; j < 3; ++j) {
                    if (words[j] == words[i]) ++votes;
                }
                if (votes >= quorum) assert(winner == words[i]);
                if (votes > most) most = votes;
            }
            if (most < quorum) assert(winner == 0);
        } catch {
            // Providers count from 1.
            bool ascending = numbers[0] != 0 && numbers[0] < numbers[1] && numbers[1] < numbers[2];
            bool all = uint8(words[0]) != 0 && uint8(words[1]) != 0 && uint8(words[2]) != 0;
            assert(!ascending || !all);
        }
    }
}
