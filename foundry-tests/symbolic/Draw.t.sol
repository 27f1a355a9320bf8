// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {Draw} from "piecework/Draw.sol";
import {IMarket} from "piecework/IMarket.sol";
import {Records} from "piecework/Records.sol";
import {LeaseSlot, LeaseSlots} from "piecework/Slots.sol";

/// The draw of juries, opened for a look. (That of leases is the same code with more places and steps.)
contract DrawHarness is Draw {
    uint64 public constant STEP = 600;

    constructor()
        Records(
            "",
            address(1),
            IMarket.Times({
                stakeAge: 1 days,
                leaseStep: 60,
                juryStep: STEP,
                juryTime: 3600,
                revealWindow: 6 hours,
                respondWindow: 1 days,
                retryWindow: 1 days,
                leastAuditWindow: 2 hours,
                leastRunWindow: 60
            }),
            false
        )
    {}

    /// The provider and its stake, and all stake.
    function setStake(address provider, uint96 own, uint96 all) external {
        _numbers[provider] = 1;
        _setStake(1, own);
        _setStake(ALL, all);
    }

    function drawnFrom(bytes32 seed, address provider, uint40 submittedAt, uint64 nominal)
        external
        view
        returns (uint64)
    {
        LeaseSlot lease = LeaseSlots.claimed(2, 1, 0, submittedAt);
        return _drawnForJury("", 0, lease, FIRST_JURY, 0, seed, provider, nominal);
    }

    /// What a provider weighs in a draw that counts the stake of `time`.
    function weight(address provider, uint40 time) external view returns (uint256) {
        return _weight(_numbers[provider], time);
    }

    /// The 128 bits of the hash that a provider draws.
    function lotOf(bytes32 seed, address provider) external view returns (uint256) {
        bytes32 hash = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                seed,
                FIRST_JURY,
                bytes32(0),
                uint32(0),
                uint16(1),
                uint32(0),
                provider
            )
        );
        return uint256(hash) & type(uint128).max;
    }
}

/// Who is drawn for a jury, and when.
contract DrawProof is Symbolic {
    DrawHarness private _draw;
    uint40 private constant POSTED = 10 days;

    function setUp() public {
        _draw = new DrawHarness();
    }

    /// A product that does not overflow, as the compiler checks it.
    function _fits(uint256 x, uint256 y) private pure returns (bool) {
        unchecked {
            return x == 0 || y == x * y / x;
        }
    }

    /// Property: lemma of the draw: 128 bits times 96 bits do not overflow. (Proven alone, then assumed: no solver finds all steps at
    /// once.)
    function check_lemmaLinesFit(uint128 lot, uint96 all) external pure {
        assert(_fits(lot, all));
    }

    /// Property: lemma of the draw: 96 bits times three do not overflow.
    function check_lemmaReachesFit(uint96 stake) external pure {
        assert(_fits(stake, 3));
    }

    /// When the provider is drawn, and what its lot times all stake is.
    function _drawn(bytes32 seed, address provider, uint256 own, uint256 all, uint40 start)
        private
        view
        returns (uint64 from, uint256 line)
    {
        uint256 lot = _draw.lotOf(seed, provider);
        vm.assume(_fits(lot, all) && _fits(own, 3));
        from = _draw.drawnFrom(seed, provider, POSTED, start);
        unchecked {
            line = lot * all;
        }
    }

    /// Property: P-21 a provider without stake, or whose stake came less than the stake age before the submission, is never drawn.
    function check_P21_drawNeedsAgedStake(
        bytes32 seed,
        address provider,
        uint96 stake,
        uint96 all,
        bool young,
        uint40 start
    ) external {
        vm.warp(young ? POSTED - 1 days + 1 : 1);
        if (!young) stake = 0;
        _draw.setStake(provider, stake, all);
        (uint64 from,) = _drawn(seed, provider, 0, young ? 0 : all, start);
        assert(from == type(uint64).max);
    }

    /// Property: a provider that is drawn is drawn from `start` or a whole number of steps later, at most two; and in the
    /// k-th step iff lot * all stake < stake * places * 2^(128 + k), not earlier and not later.
    function check_drawFollowsFormula(bytes32 seed, address provider, uint96 stake, uint96 all, uint40 start)
        external
    {
        vm.assume(stake != 0 && stake <= all);
        _draw.setStake(provider, stake, all);
        (uint64 from, uint256 line) = _drawn(seed, provider, stake, all, start);
        unchecked {
            uint256 reach = uint256(stake) * 3 << 128;
            uint64 expected = type(uint64).max;
            if (line < reach) expected = start;
            else if (line < reach << 1) expected = start + _draw.STEP();
            else if (line < reach << 2) expected = start + 2 * _draw.STEP();
            assert(from == expected);
        }
    }

    /// Property: P-21 what a provider weighs is the lesser of its stake at the time that counts and its stake now: stake that came
    /// since counts nothing, and stake that left no longer counts.
    function check_P21_weightIsTheLesser(address provider, uint96 early, uint96 late, uint40 time) external {
        vm.warp(100);
        _draw.setStake(provider, early, early);
        vm.warp(POSTED);
        _draw.setStake(provider, late, late);
        uint256 then = time < 100 ? 0 : time < POSTED ? early : late;
        assert(_draw.weight(provider, time) == (then < late ? then : late));
    }
}
