// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Who is drawn for a jury, and from when on: `from = start + k * 10 minutes`, k the least of 0 to 2 with
/// `uint128(hash) * total < weight * 3 << (k + 128)`; never if there is none.
///
/// | part   | is                                                                                        |
/// | ------ | ----------------------------------------------------------------------------------------- |
/// | hash   | of kind 1 for the first jury and 2 for the second, and of the audited task                  |
/// | start  | the nominal time of the jury's point                                                       |
/// | weight | the lesser of its stake now and a stake age before the submission; total: likewise          |
///
/// `mini` has 20 of 620 of all stake: three seats give it 3/31, and four times that is less than one.
contract JuryDrawTest is AuditBase {
    uint256 private constant MINI = 20 * uint256(UNIT);
    uint256 private constant ALL = 620 * uint256(UNIT);
    address private mini = makeAddr("mini");

    function setUp() public override {
        super.setUp();
        // forge-lint: disable-next-line(unsafe-typecast)
        stakeOf(mini, uint128(MINI));
        enrol(mini);
        vm.warp(time() + 1 days);
        submitted(auditedJob(5000));
    }

    /// A seed with which the lease is audited, and `mini` is drawn for its first jury at step `k`.
    function _seedFor(uint256 k) private returns (bytes32 seed) {
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("jury", i));
            if (coinOf(seed, jobId, 0, 1) >= 5000) continue;
            task = auditedTask(seed, jobId, 0, 1, 4);
            if (stepOf(ticketOf(seed, FIRST, 0, task, mini), MINI, ALL, 3, 2) == k) return seed;
        }
    }

    function _nominal() private view returns (uint64) {
        return beacon.timeOf(lease(0).point);
    }

    function _refused(uint256 from) private {
        vm.expectRevert(notDrawn(0, mini, from));
        joinJury(mini);
        vm.expectRevert(notDrawn(0, mini, from));
        vote(mini, RIGHT);
    }

    function _assertDrawnFrom(uint64 from) private {
        vm.warp(from - 1);
        _refused(from);
        vm.warp(from);
        joinJury(mini);
    }

    function test_draw_atEachStep() public {
        for (uint64 k; k <= 2; ++k) {
            uint256 before = vm.snapshotState();
            publish(lease(0).point, _seedFor(k));
            _assertDrawnFrom(_nominal() + k * JURY_STEP);
            assertEq(audit().task, task);
            vm.revertToState(before);
        }
    }

    function test_draw_growthStopsAtFourTimes() public {
        publish(lease(0).point, _seedFor(NEVER));
        vm.warp(lease(0).since + AUDIT_WINDOW);
        _refused(NEVER);
    }

    /// Nobody sits, and so no audit opens, before the point's time, however early its seed is known: the time to commit
    /// counts from the later of the two.
    function test_draw_startsAtTheNominalTime() public {
        bytes32 seed = _seedFor(0);
        uint64 nominal = _nominal();
        uint256 height = lease(0).point & 0xffffff;
        vm.roll(height + 1);
        vm.setBlockhash(height, seed);
        beacon.keep(lease(0).point);
        assertEq(time(), nominal - 60);
        _refused(nominal);
        _assertDrawnFrom(nominal);
        assertEq(audit().since, nominal);
    }

    /// Whoever publishes late delays nothing.
    function test_draw_ofALateSeed() public {
        bytes32 seed = _seedFor(2);
        vm.warp(_nominal() + 2 * JURY_STEP);
        publish(lease(0).point, seed);
        joinJury(mini);
    }

    function testFuzz_draw_ofEverybody(uint256 salt, uint256 wait) public {
        bytes32 seed = keccak256(abi.encode(salt));
        while (coinOf(seed, jobId, 0, 1) >= 5000) {
            seed = keccak256(abi.encode(seed));
        }
        publish(lease(0).point, seed);
        task = auditedTask(seed, jobId, 0, 1, 4);
        vm.warp(_nominal() + bound(wait, 0, 3 * JURY_STEP));
        quick = true;
        for (uint256 i; i < people.length; ++i) {
            address who = people[i];
            if (who == alice) continue; // the accused
            uint256 stake = market.providerOf(who).stake;
            uint256 k = stepOf(ticketOf(seed, FIRST, 0, task, who), stake, ALL, 3, 2);
            uint256 from = k == NEVER ? NEVER : _nominal() + k * JURY_STEP;
            uint256 before = vm.snapshotState();
            if (time() < from) vm.expectRevert(notDrawn(0, who, from));
            joinJury(who);
            vm.revertToState(before);
        }
    }

    // ------------------------------------------------------------------ the weights

    function test_draw_needsStakeOfTheAge() public {
        address late = makeAddr("late");
        stakeOf(late, STAKE);
        enrol(late);
        uint256 before = vm.snapshotState();
        vm.warp(time() + 1 days - 1);
        submitted(auditedJob(5000));
        callJury();
        vm.expectRevert(notDrawn(0, late, NEVER));
        joinJury(late);
        vm.revertToState(before);
        vm.warp(time() + 1 days);
        submitted(auditedJob(5000));
        callJury();
        joinJury(late);
    }

    /// The submission's time counts, not that of the post.
    function test_draw_ofStakeThatCameAfterThePost() public {
        IMarket.Job memory made = auditedJob(5000);
        made.timing.closesAt = time() + 10 days;
        postThis(made);
        vm.warp(time() + 10);
        address late = makeAddr("late");
        stakeOf(late, STAKE);
        enrol(late);
        vm.warp(time() + 1 days);
        claim(job, alice, 4);
        submit(job, alice, 0, root);
        callJury();
        joinJury(late);
    }

    function _seedBetween(uint256 k, uint256 weight, uint256 total, uint256 other)
        private
        returns (bytes32 seed)
    {
        for (uint256 i;; ++i) {
            seed = keccak256(abi.encode("between", i));
            if (coinOf(seed, jobId, 0, 1) >= 5000) continue;
            task = auditedTask(seed, jobId, 0, 1, 4);
            uint256 ticket = ticketOf(seed, FIRST, 0, task, mini);
            bool fits = stepOf(ticket, weight, total, 3, 2) == k;
            if (fits && stepOf(ticket, MINI, ALL, 3, 2) == other) return seed;
        }
    }

    function test_draw_countsNoNewStake() public {
        bytes32 seed = _seedBetween(1, 2 * MINI, ALL + MINI, 2);
        // forge-lint: disable-next-line(unsafe-typecast)
        stakeOf(mini, uint128(MINI));
        publish(lease(0).point, seed);
        _assertDrawnFrom(_nominal() + 2 * JURY_STEP);
    }

    function test_draw_countsNoStakeThatLeft() public {
        bytes32 seed = _seedBetween(2, MINI / 2, ALL - MINI / 2, 1);
        vm.prank(mini);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.unstake(mini, uint128(MINI / 2));
        publish(lease(0).point, seed);
        _assertDrawnFrom(_nominal() + 2 * JURY_STEP);
    }

    function test_draw_countsAllStakeThatIsLeft() public {
        bytes32 seed = _seedBetween(1, MINI, ALL - 3 * STAKE, 2);
        address[3] memory leavers = [dave, erin, frank];
        for (uint256 i; i < 3; ++i) {
            vm.prank(leavers[i]);
            market.unstake(leavers[i], STAKE);
        }
        publish(lease(0).point, seed);
        _assertDrawnFrom(_nominal() + JURY_STEP);
    }

    /// One without stake is never drawn.
    function test_draw_needsStake() public {
        callJury();
        vm.expectRevert(notDrawn(0, anyone, NEVER));
        joinJury(anyone);
    }
}
