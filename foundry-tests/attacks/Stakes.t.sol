// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Stake that comes, goes, or is split, to change who is drawn.
contract StakesAttack is AttackBase {
    /// When `who` is drawn for a lease's first jury, if that is not yet; the greatest time if never.
    function _drawnFrom(address who, uint32 first) private returns (uint64 from) {
        vm.prank(who);
        (bool ok, bytes memory why) =
            address(market).call(abi.encodeCall(IMarket.joinJury, (job, first, 1, 1, who)));
        assertFalse(ok);
        assertEq(errorOf(why), IMarket.NotDrawn.selector);
        assembly ("memory-safe") {
            from := mload(add(why, 0x84))
        }
    }

    /// mallory's lie, submitted; its seed is known, and in the next second the first jurors are drawn.
    function _aSecondBefore() private {
        start(oneAudited());
        submitted(mallory, LIE);
        uint64 point = market.leaseOf(jobId, 0).point;
        publish(point, keccak256("a seed"));
        vm.warp(beacon.timeOf(point) - 1);
    }

    /// Tries: a lender stakes a thousand times the market's stake an hour before the submission, so that everybody's share of a
    /// draw is nothing and no juror is drawn (version 1 was thinned so).
    /// Fails: a draw counts the stake of a day before, all of it and each provider's.
    /// Costs: the lender its capital for a day.
    function test_freshStake_doesNotThinADraw() public {
        address lender = makeAddr("lender");
        stakeOf(lender, 1_000_000 * UNIT);
        vm.warp(time() + 1 hours);
        start(oneAudited());
        submitted(mallory, LIE);
        assertEq(market.totalWeightAt(time() - 1 days), 8 * uint256(STAKE), "without the lender's");
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(BOND));
        vm.prank(lender);
        vm.expectPartialRevert(IMarket.TooEarly.selector);
        market.unstake(lender, 1_000_000 * UNIT);
    }

    /// Tries: rented stake, there for a day before the submission, leaves when the seed is known.
    /// Fails: a draw counts the lesser of stake then and now, of all stake, too: what left thins nothing.
    /// Costs: the lender its capital for a day.
    function test_stakeThatLeaves_doesNotThinADraw() public {
        address lender = makeAddr("lender");
        stakeOf(lender, 1_000_000 * UNIT);
        vm.warp(time() + 1 days + 1);
        _aSecondBefore();
        vm.warp(time() + 1 + 2 * times().juryStep);
        assertEq(_drawnFrom(crew[0], 0), type(uint64).max, "thinned, while the lender stays");
        vm.prank(lender);
        market.unstake(lender, 1_000_000 * UNIT);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        vm.prank(lender);
        vm.expectPartialRevert(IMarket.WrongPhase.selector);
        market.joinJury(job, 0, 1, 1, lender);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: an attacker with many addresses takes out the stake of those that were not drawn, so that the others' share grows.
    /// Fails: all shares grow by the same factor; every honest provider is drawn no later than before.
    /// Costs: that stake is drawn for nothing.
    function test_stakeThatLeaves_speedsEverybodyUp() public {
        _aSecondBefore();
        uint64[5] memory before;
        for (uint256 i; i < 5; ++i) {
            before[i] = _drawnFrom(crew[i], 0);
        }
        vm.prank(bob);
        market.unstake(bob, STAKE);
        for (uint256 i; i < 5; ++i) {
            assertLe(_drawnFrom(crew[i], 0), before[i]);
        }
        assertEq(_drawnFrom(bob, 0), type(uint64).max);
    }

    /// Tries: everybody tops its stake up by a unit, as after a slash, and the market can draw nobody (version 1, for a year).
    /// Fails: a top-up takes nothing away from the stake that stood before.
    /// Costs: nothing.
    function test_topUpTheDayBefore_losesNoDraw() public {
        for (uint256 i; i < 5; ++i) {
            stakeOf(crew[i], 1);
        }
        stakeOf(bob, 1);
        startDrawn(oneRedundant(3, 2));
        for (uint256 i; i < 3; ++i) {
            commit(crew[i], ROOT);
        }
        settle(seats(rooted(crew[0], ROOT), rooted(crew[1], ROOT), rooted(crew[2], ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);

        IMarket.Job memory made = oneAudited();
        made.terms.nonce = 8;
        start(made);
        submitted(mallory, LIE);
        toss(true);
        crewJudges(1, RIGHT, RIGHT, RIGHT);
        assertGain(mallory, minus(BOND));
    }

    /// Tries: a top-up the day before counts as if it had always been there.
    /// Fails: only what stood a day before weighs.
    /// Costs: the capital for a day.
    function test_topUpTheDayBefore_weighsNothing() public {
        stakeOf(mallory, 10_000 * UNIT);
        uint64 then = time() - 1;
        vm.warp(time() + 1 hours);
        assertEq(market.weightAt(mallory, then), STAKE);
        assertEq(market.totalWeightAt(then), 8 * uint256(STAKE));
    }

    /// Tries: one stake, split over forty addresses, has more chances than in one piece.
    /// Fails: an address is drawn in proportion to its stake: for sixty juries, each is drawn about twenty times.
    /// Costs: gas for forty addresses.
    function test_splitStake_isDrawnNoMoreOften() public {
        address[] memory parts = new address[](40);
        for (uint256 i; i < 40; ++i) {
            parts[i] = makeAddr(string.concat("part", vm.toString(i)));
            stakeOf(parts[i], STAKE / 40);
        }
        vm.warp(time() + 1 days + 1);
        IMarket.Job memory made = oneAudited();
        made.terms.tasks = 60;
        made.terms.minLease = made.terms.maxLease = 1;
        start(made);
        for (uint32 first; first < 60; ++first) {
            claim(job, alice, 1);
            submit(job, alice, first);
        }
        uint64 point = market.leaseOf(jobId, 0).point;
        publish(point, keccak256("a seed"));
        // A second before anybody is drawn the market says to everybody when it will be.
        uint64 nominal = beacon.timeOf(point);
        vm.warp(nominal - 1);
        uint256 whole;
        uint256 split;
        for (uint32 first; first < 60; ++first) {
            if (_drawnFrom(mallory, first) == nominal) ++whole;
            for (uint256 i; i < 40; ++i) {
                if (_drawnFrom(parts[i], first) == nominal) ++split;
            }
        }
        // Both expect 60 * 3 / 9; the standard deviations are 3.7 and 4.5.
        assertApproxEqAbs(whole, 20, 11);
        assertApproxEqAbs(split, 20, 13);
    }
}
