// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The round after one that found no quorum: who is barred from it, and that it is a round like the first.
///
/// | in the last round a seat was      | in the next round             |
/// | --------------------------------- | ----------------------------- |
/// | left, or reserved and never filled | barred; free in the one after |
/// | released, silent, undecided       | may come                      |
contract RedundantRoundsTest is RedundantBase {
    uint64 private constant REVEAL = 6 hours;

    function setUp() public override {
        super.setUp();
        IMarket.Job memory made = redundantJob(3, 2);
        made.timing.closesAt = time() + 10 days;
        postThis(made);
        awaken(0);
    }

    function _barred(address who) private {
        bytes memory no = abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, who);
        vm.expectRevert(no);
        join(0, who);
        vm.expectRevert(no);
        commit(0, who, ROOT);
    }

    function _nextRound() private {
        ++round;
        awaken(0);
    }

    function test_aLateSeat_isBarredOnce() public {
        join(0, alice);
        join(0, bob);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(alice), named(bob)));
        assertSeat(0, alice, IMarket.Seat.Left);
        _nextRound();
        _barred(alice);
        join(0, carol);
        join(0, dave);
        vm.warp(commitBy(0) + 1);
        settle(0, panel(named(carol), named(dave)));
        _nextRound();
        _barred(carol);
        join(0, alice);
        join(0, bob);
    }

    function test_aLateSeat_ofAnOutage_isBarred() public {
        twoCommit(ROOT, ROOT);
        join(0, carol);
        vm.warp(commitBy(0) + REVEAL + 1);
        settle(0, panel(named(alice), named(bob), named(carol)));
        _nextRound();
        _barred(carol);
        twoCommit(ROOT, ROOT); // released ones may come
    }

    function test_aLateSeat_isBarredFromItsLeaseOnly() public {
        spoil(0);
        round = 1;
        awaken(4);
        join(4, alice);
    }

    function test_silentAndUndecidedSeats_areNotBarred() public {
        threeCommit(ROOT, OTHER, ROOT);
        settle(0, panel(opens(alice, ROOT), opens(bob, OTHER)));
        vm.warp(time() + REVEAL + 1);
        settle(0, panel(opens(alice, ROOT), opens(bob, OTHER), named(carol)));
        _nextRound();
        threeCommit(ROOT, ROOT, ROOT);
        settle(0, three(ROOT, ROOT, ROOT));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertHas(alice, STAKE - BOND / 10, PAY, 1, 1, 0);
        assertHas(bob, STAKE - BOND / 10, PAY, 1, 1, 0);
        assertHas(carol, STAKE - BOND, PAY, 1, 0, 1);
    }

    function test_theNextRound_waitsForItsSeed() public {
        spoil(0);
        uint64 point = lease(0).point;
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeedUnknown.selector, point));
        join(0, bob);
        awaken(0);
        join(0, bob);
        join(0, carol);
        assertLease(0, IMarket.Phase.Running, 2, time(), 2, 0);
    }

    /// The price stays, and the escrow covers it however many rounds a lease takes.
    function test_manyRounds_thenAQuorum() public {
        uint256 had = market.balanceOf(client);
        for (uint256 i; i < 5; ++i) {
            threeCommit(ROOT, ROOT, ROOT);
            vm.warp(time() + REVEAL + 1);
            settle(0, panel(named(alice), named(bob), named(carol)));
            _nextRound();
        }
        assertEq(lease(0).round, 6);
        threeCommit(ROOT, ROOT, ROOT);
        expectSettled(IMarket.Grade.Quorum, 3 * PAY, 3 * (GROSS - PAY), 0, 0);
        settle(0, three(ROOT, ROOT, ROOT));
        assertEq(market.balanceOf(client), had);
        assertEq(market.burned(), 0);
    }

    /// A commitment for a round that is over does not get into the next one.
    function test_aCommitment_namesItsRound() public {
        spoil(0);
        awaken(0);
        round = 1;
        vm.expectRevert(wrongRound(0, 2, 0));
        commit(0, carol, ROOT);
        vm.expectRevert(wrongRound(0, 2, 0));
        leave(0, carol);
    }

    /// After the last round the lease is free for `close` only; its number does not run over.
    function test_theLastRound_repeatsItsNumber() public {
        join(0, alice);
        join(0, bob);
        vm.record();
        market.leaseOf(jobId, 0);
        (bytes32[] memory reads,) = vm.accesses(address(market));
        uint256 word = uint256(vm.load(address(market), reads[0]));
        // forge-lint: disable-next-line(unsafe-typecast)
        assertEq(uint16(word >> 16), 1, "the lease's word, and its round");
        vm.store(address(market), reads[0], bytes32(word | uint256(0xffff) << 16));
        quick = true;
        round = type(uint16).max;
        _endWithoutSeats();
        assertEq(lease(0).round, type(uint16).max);
        awaken(0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooManyRounds.selector, jobId, 0));
        join(0, carol);
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
    }

    /// The seats are of round 1. In the round that the test made up there are none, and so their number is set to 0.
    function _endWithoutSeats() private {
        vm.record();
        market.leaseOf(jobId, 0);
        (bytes32[] memory reads,) = vm.accesses(address(market));
        uint256 word = uint256(vm.load(address(market), reads[0]));
        vm.store(address(market), reads[0], bytes32(word & (type(uint256).max >> 32)));
        assertEq(lease(0).seats, 0);
        vm.warp(commitBy(0) + 1);
        settle(0, panel());
    }
}
