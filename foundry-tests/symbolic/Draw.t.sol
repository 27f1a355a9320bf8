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

    function _drawnFrom(bytes32 seed, address provider, uint40 start) private view returns (uint64) {
        return _draw.drawnFrom(seed, provider, POSTED, start);
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
        assert(_drawnFrom(seed, provider, start) == type(uint64).max);
    }

    /// Property: a provider that is drawn is drawn from `start` or a whole number of steps later, at most two; and in the
    /// k-th step iff lot * all stake < stake * places * 2^(128 + k), not earlier and not later.
    function check_drawFollowsFormula(bytes32 seed, address provider, uint96 stake, uint96 all, uint40 start)
        external
    {
        vm.assume(stake != 0 && stake <= all);
        _draw.setStake(provider, stake, all);
        uint256 line = _draw.lotOf(seed, provider) * all;
        uint64 from = _drawnFrom(seed, provider, start);
        bool never = true;
        for (uint256 k = 0; k <= 2 && never; ++k) {
            if (line < uint256(stake) * 3 << (128 + k)) {
                assert(from == start + k * _draw.STEP());
                never = false;
            }
        }
        if (never) assert(from == type(uint64).max);
    }

    /// Property: P-21 stake that left since the submission counts no more than what is there, and stake that came since counts
    /// nothing. (For a few amounts: no solver decides products of two symbolic words that are compared.)
    function check_P21_drawCountsTheLesser(bytes32 seed, address provider, bool grows, uint40 start)
        external
    {
        vm.warp(1);
        _draw.setStake(provider, grows ? 5 : 9, 100);
        vm.warp(POSTED);
        _draw.setStake(provider, grows ? 9 : 5, 100);
        uint64 from = _drawnFrom(seed, provider, start);
        uint256 line = _draw.lotOf(seed, provider) * 100;
        assert((from == start) == (line < uint256(5) * 3 << 128));
    }
}
