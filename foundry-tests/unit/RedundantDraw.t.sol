// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Who is drawn for a redundant lease, and from when on: `from = start + k * step`, k the least of 0 to 4 with
/// `uint128(hash) * total < weight * N << (k + 128)`; never if there is none.
///
/// | part   | is                                                                                          |
/// | ------ | ------------------------------------------------------------------------------------------- |
/// | start  | the latest of opensAt, the nominal time of the point, and the opening of the lease           |
/// | step   | the greater of 60 s and a quarter of runWindow                                              |
/// | weight | the lesser of its stake now and a stake age before `post`; total: the same of all stake      |
///
/// `mini` has 10 of 610 of all stake: three seats give it 3/61, and sixteen times that is less than one.
contract RedundantDrawTest is RedundantBase {
    uint256 private constant MINI = 10 * uint256(UNIT);
    uint256 private constant ALL = 610 * uint256(UNIT);
    address private mini = makeAddr("mini");

    function setUp() public override {
        super.setUp();
        // forge-lint: disable-next-line(unsafe-typecast)
        stakeOf(mini, uint128(MINI));
        enrol(mini);
        vm.warp(time() + 1 days);
        postThis(redundantJob(3, 2));
    }

    /// A seed with which `mini` is drawn at step `k` of its draw for lease 0 in the present round.
    function _seedFor(uint256 k) private view returns (bytes32 seed) {
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("draw", i));
            if (stepOf(ticketOf(seed, LEASE, 0, 0, mini), MINI, ALL, 3, 4) == k) return seed;
        }
    }

    function _point() private view returns (uint64) {
        return market.jobOf(jobId).point;
    }

    function _nominal() private view returns (uint64) {
        return beacon.timeOf(_point());
    }

    /// `mini` takes a seat of the lease from this second on, and not before.
    function _assertDrawnFrom(uint32 first, uint64 from) private {
        vm.warp(from - 1);
        vm.expectRevert(notDrawn(first, mini, from));
        join(first, mini);
        vm.expectRevert(notDrawn(first, mini, from));
        commit(first, mini, ROOT);
        vm.warp(from);
        join(first, mini);
    }

    // ------------------------------------------------------------------ steps

    function test_draw_atEachStep() public {
        for (uint64 k; k <= 4; ++k) {
            uint256 before = vm.snapshotState();
            publish(_point(), _seedFor(k));
            _assertDrawnFrom(0, _nominal() + k * STEP);
            vm.revertToState(before);
        }
    }

    function test_draw_growthStopsAtSixteenTimes() public {
        publish(_point(), _seedFor(NEVER));
        vm.warp(job.timing.closesAt);
        vm.expectRevert(notDrawn(0, mini, NEVER));
        join(0, mini);
        vm.expectRevert(notDrawn(0, mini, NEVER));
        commit(0, mini, ROOT);
    }

    function test_draw_stepIsAtLeastAMinute() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.timing.runWindow = 239;
        postThis(made);
        publish(_point(), _seedFor(2));
        _assertDrawnFrom(0, _nominal() + 120);
    }

    function test_draw_stepIsAQuarterOfTheRunWindow() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.timing.runWindow = 247;
        postThis(made);
        publish(_point(), _seedFor(2));
        _assertDrawnFrom(0, _nominal() + 122);
    }

    /// More seats draw more providers.
    function testFuzz_draw_ofEverybody(bytes32 seed, uint256 seats, uint256 wait) public {
        // forge-lint: disable-next-line(unsafe-typecast)
        uint8 replicas = uint8(bound(seats, 2, 15));
        postThis(redundantJob(replicas, replicas));
        publish(_point(), seed == 0 ? SEED : seed);
        bytes32 used = beacon.seed(_point());
        quick = true;
        vm.warp(_nominal() + bound(wait, 0, 5 * STEP));
        for (uint256 i; i < people.length; ++i) {
            address who = people[i];
            uint256 stake = market.providerOf(who).stake;
            uint256 k = stepOf(ticketOf(used, LEASE, 0, 0, who), stake, ALL, replicas, 4);
            uint256 from = k == NEVER ? NEVER : _nominal() + k * STEP;
            uint256 before = vm.snapshotState();
            if (time() < from) vm.expectRevert(notDrawn(0, who, from));
            join(0, who);
            vm.revertToState(before);
        }
    }

    // ------------------------------------------------------------------ the start

    /// Whoever publishes late, or early, gains nothing.
    function test_draw_startsAtTheNominalTime() public {
        bytes32 seed = _seedFor(1);
        uint64 nominal = _nominal();
        uint256 before = vm.snapshotState();
        vm.warp(nominal + STEP);
        publish(_point(), seed);
        join(0, mini);
        vm.revertToState(before);
        uint256 height = _point() & 0xffffff;
        vm.roll(height + 1);
        vm.setBlockhash(height, seed);
        beacon.keep(_point());
        assertLt(time(), nominal);
        _assertDrawnFrom(0, nominal + STEP);
    }

    function test_draw_startsNotBeforeTheJobOpens() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.timing.opensAt = time() + 5000;
        postThis(made);
        publish(_point(), _seedFor(3));
        vm.warp(made.timing.opensAt);
        _assertDrawnFrom(0, made.timing.opensAt + 3 * STEP);
    }

    function test_draw_startsNotBeforeTheLeaseOpens() public {
        bytes32 seed;
        for (uint256 i; seed == 0; ++i) {
            bytes32 one = keccak256(abi.encode("of lease 4", i));
            if (stepOf(ticketOf(one, LEASE, 4, 0, mini), MINI, ALL, 3, 4) == 2) seed = one;
        }
        publish(_point(), seed);
        vm.warp(_nominal() + 4 * STEP);
        join(0, alice);
        vm.warp(time() + 55);
        join(0, bob);
        _assertDrawnFrom(4, time() + 2 * STEP);
    }

    /// A later round has its own point, at which its growth starts, and its own draw of the same stake.
    function test_draw_ofALaterRound() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.timing.closesAt = time() + 30 days;
        postThis(made);
        stakeOf(anyone, STAKE);
        numbers[anyone] = numberOf(anyone);
        publish(_point(), SEED);
        vm.warp(_nominal() + 1 days); // the new stake is old enough by now, but was not at `post`
        join(0, alice);
        join(0, bob);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(alice), named(bob)));
        round = 2;
        uint64 point = lease(0).point;
        assertEq(beacon.timeOf(point), time() + 60);
        uint256 all = ALL - 2 * BOND / 10; // alice and bob were late
        bytes32 seed;
        for (uint256 i; seed == 0; ++i) {
            bytes32 one = keccak256(abi.encode("round 2", i));
            if (stepOf(ticketOf(one, LEASE, 0, 0, mini), MINI, all, 3, 4) == 1) seed = one;
        }
        publish(point, seed);
        vm.expectRevert(notDrawn(0, anyone, NEVER));
        join(0, anyone);
        _assertDrawnFrom(0, beacon.timeOf(point) + STEP);
    }

    // ------------------------------------------------------------------ the weights

    function test_draw_needsStakeOfTheAge() public {
        address late = makeAddr("late");
        stakeOf(late, STAKE);
        enrol(late);
        vm.warp(time() + 1 days - 1);
        postThis(redundantJob(3, 2));
        awaken(0);
        vm.expectRevert(notDrawn(0, late, NEVER));
        join(0, late);
        assertEq(market.weightAt(late, market.jobOf(jobId).postedAt - 1 days), 0);
    }

    function test_draw_ofStakeOfExactlyTheAge() public {
        address late = makeAddr("late");
        stakeOf(late, STAKE);
        enrol(late);
        vm.warp(time() + 1 days);
        postThis(redundantJob(3, 2));
        awaken(0);
        join(0, late);
        assertEq(market.weightAt(late, market.jobOf(jobId).postedAt - 1 days), STAKE);
    }

    /// A seed with which `mini` is drawn at step `k` if it weighs `weight` of `total`, and at `other` if its stake and all
    /// stake are what they were at `post`.
    function _seedBetween(uint256 k, uint256 weight, uint256 total, uint256 other)
        private
        view
        returns (bytes32 seed)
    {
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("between", i));
            uint256 ticket = ticketOf(seed, LEASE, 0, 0, mini);
            bool fits = stepOf(ticket, weight, total, 3, 4) == k;
            if (fits && stepOf(ticket, MINI, ALL, 3, 4) == other) return seed;
        }
    }

    /// Stake that comes after `post` neither helps its owner nor makes the others' shares smaller.
    function test_draw_countsNoNewStake() public {
        bytes32 seed = _seedBetween(1, 2 * MINI, ALL + MINI, 2);
        // forge-lint: disable-next-line(unsafe-typecast)
        stakeOf(mini, uint128(MINI));
        stakeOf(anyone, 1000 * UNIT);
        numbers[anyone] = numberOf(anyone);
        publish(_point(), seed);
        _assertDrawnFrom(0, _nominal() + 2 * STEP);
    }

    /// Stake that came in the day before `post` does not make the others' shares smaller.
    function test_draw_countsNoStakeOfTheDayBefore() public {
        stakeOf(anyone, 1000 * UNIT);
        numbers[anyone] = numberOf(anyone);
        vm.warp(time() + 1 days - 1);
        postThis(redundantJob(3, 2));
        bytes32 seed = _seedBetween(3, MINI, ALL + 1000 * uint256(UNIT), 2);
        publish(_point(), seed);
        _assertDrawnFrom(0, _nominal() + 2 * STEP);
    }

    /// Stake that left after `post` counts no longer.
    function test_draw_countsNoStakeThatLeft() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.price.bond = UNIT / 10;
        postThis(made);
        bytes32 seed = _seedBetween(3, MINI / 2, ALL - MINI / 2, 2);
        vm.prank(mini);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.unstake(mini, uint128(MINI / 2));
        publish(_point(), seed);
        _assertDrawnFrom(0, _nominal() + 3 * STEP);
    }

    /// When others' stake leaves, the rest is a larger share.
    function test_draw_countsAllStakeThatIsLeft() public {
        bytes32 seed = _seedBetween(1, MINI, ALL - 3 * STAKE, 2);
        address[3] memory leavers = [dave, erin, frank];
        for (uint256 i; i < 3; ++i) {
            vm.prank(leavers[i]);
            market.unstake(leavers[i], STAKE);
        }
        publish(_point(), seed);
        _assertDrawnFrom(0, _nominal() + STEP);
    }

    function test_draw_ofNobody() public {
        address[7] memory all = [alice, bob, carol, dave, erin, frank, mini];
        for (uint256 i; i < 7; ++i) {
            uint128 stake = market.providerOf(all[i]).stake;
            vm.prank(all[i]);
            market.unstake(all[i], stake);
        }
        assertEq(market.totalWeightAt(time()), 0);
        awaken(0);
        vm.expectRevert(notDrawn(0, alice, NEVER));
        join(0, alice);
    }
}
