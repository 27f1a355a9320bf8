// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Seats of redundant leases, taken to do harm: to block a quorum, to burn the others' bonds, to make the client pay.
/// crew[4] is mallory's second provider.
contract SeatsAttack is AttackBase {
    function setUp() public override {
        super.setUp();
        startDrawn(oneRedundant(3, 2));
    }

    /// Tries: two reserved seats begin the round and never commit, so that no quorum comes together.
    /// Fails: each loses a tenth of its bond and sits out the next round; the honest commitment returns whole.
    /// Costs: the attackers 0.8 tokens a round and two more drawn addresses for the next; the client time.
    function test_blockedQuorum_costsATenthARound() public {
        join(mallory);
        join(crew[4]);
        commit(alice, ROOT);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0));
        market.join(job, 0, 1, bob);
        uint64 commitBy = market.leaseOf(jobId, 0).since + job.timing.runWindow;
        IMarket.Opening[] memory panel = seats(naming(alice), naming(mallory), naming(crew[4]));
        vm.warp(commitBy);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, commitBy + 1, commitBy));
        market.settle(job, 0, 1, panel);
        vm.warp(commitBy + 1);
        settle(panel);
        assertUnharmed(alice);
        assertGain(mallory, minus(BOND / 10));
        assertGain(crew[4], minus(BOND / 10));

        drawAgain();
        address[2] memory blockers = [mallory, crew[4]];
        for (uint256 i; i < 2; ++i) {
            vm.prank(blockers[i]);
            vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromRound.selector, jobId, 0, blockers[i]));
            market.join(job, 0, 2, blockers[i]);
        }
        commit(alice, ROOT);
        commit(bob, ROOT);
        commit(crew[0], ROOT);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), rooted(crew[0], ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertGain(client, minus(3 * PRICE));
        assertBurned(2 * (BOND / 10));
        assertBooks(0);
    }

    /// Tries: every quorum is blocked until the job closes.
    /// Fails: the client gets all its money back, whoever calls.
    /// Costs: a tenth of a bond for each reserved seat.
    /// P-09, P-10
    function test_quorumBlockedToTheEnd_refundsTheClient() public {
        join(mallory);
        join(crew[4]);
        vm.warp(job.timing.closesAt + 1);
        close(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        settle(seats(naming(mallory), naming(crew[4])));
        vm.prank(alice);
        vm.expectPartialRevert(IMarket.TooLate.selector);
        market.join(job, 0, 2, alice);
        vm.prank(anyone);
        market.close(job, list(0, 0));
        assertGain(client, 0);
        assertEq(gain(mallory) + gain(crew[4]), minus(2 * (BOND / 10)));
        assertBooks(0);
    }

    /// Tries: a seat is held without cost until the round would begin, and left then, again and again.
    /// Fails: two honest seats begin the round without it.
    /// Costs: nothing, and stops nobody.
    function test_seatHeldAndLeft_blocksNobody() public {
        join(mallory);
        vm.prank(mallory);
        market.leave(job, 0, 1, mallory);
        join(mallory);
        commit(alice, ROOT);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        // Now the seat costs: in the first eighth of the first round still nothing, and it is gone for two rounds.
        vm.prank(mallory);
        market.leave(job, 0, 1, mallory);
        vm.prank(mallory);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, mallory, IMarket.Seat.Left)
        );
        market.join(job, 0, 1, mallory);
        commit(bob, ROOT);
        commit(crew[0], ROOT);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), rooted(crew[0], ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertGain(mallory, 0);
        assertGain(client, minus(3 * PRICE));
        assertBooks(0);
    }

    /// Tries: two seats that know that they would be outvoted, beside one honest seat that is awake, keep silent.
    /// Fails: each loses its whole bond, the one that opened a tenth, and another round begins.
    /// Costs: the attackers 8 tokens, the honest seat 0.4, the client nothing.
    function test_twoOutvotedSeats_silent_loseTheirBonds() public {
        commit(mallory, LIE);
        commit(crew[4], "another lie");
        commit(alice, ROOT);
        settle(seats(rooted(alice, ROOT)));
        vm.warp(time() + times().revealWindow + 1);
        settle(seats(rooted(alice, ROOT), naming(mallory), naming(crew[4])));
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertGain(mallory, minus(BOND));
        assertGain(crew[4], minus(BOND));
        assertGain(alice, minus(BOND / 10));
        assertGain(client, minus(3 * PRICE)); // in escrow still
        assertBurned(2 * BOND + BOND / 10);
        assertBooks(3 * PRICE);
    }

    /// Tries: the same two open different lies, so that no quorum is found and the client pays for nothing.
    /// Fails in part: the lease is Void. All three seats lose the same tenth, the client a tenth of the price, and nobody gains.
    /// Costs: the attackers 0.8 tokens, the honest seat 0.4, the client 2.4.
    function test_twoOutvotedSeats_open_voidTheLease() public {
        commit(mallory, LIE);
        commit(crew[4], "another lie");
        commit(alice, ROOT);
        settle(seats(rooted(alice, ROOT), rooted(mallory, LIE), rooted(crew[4], "another lie")));
        assertPhase(jobId, 0, IMarket.Phase.Void);
        assertGain(mallory, minus(BOND / 10));
        assertGain(crew[4], minus(BOND / 10));
        assertGain(alice, minus(BOND / 10));
        assertGain(client, minus(3 * PRICE / 10));
        assertBurned(3 * (BOND / 10) + 3 * PRICE / 10);
        assertBooks(0);
    }

    /// Tries: two honest seats sleep through the openings, and mallory, outvoted, opens to lose a tenth only.
    /// Works: one opened lie and two silent commitments are no quorum.
    /// Costs: mallory a tenth, each sleeper its bond. Executors send all openings in one call; the last hour is each one's own.
    function test_outvotedSeat_andTwoAsleep() public {
        commit(mallory, LIE);
        commit(alice, ROOT);
        commit(bob, ROOT);
        settle(seats(rooted(mallory, LIE)));
        vm.warp(time() + times().revealWindow + 1);
        settle(seats(rooted(mallory, LIE), naming(alice), naming(bob)));
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertGain(mallory, minus(BOND / 10));
        assertGain(alice, minus(BOND));
        assertGain(bob, minus(BOND));
        assertBurned(2 * BOND + BOND / 10);
    }

    /// Tries: a seat commits garbage to make the client pay a third share.
    /// Fails to pay anybody: the share and the bond are burned. The client pays what three seats cost, which it ordered.
    /// Costs: the bond, half of what the client pays for the seat.
    /// P-07
    function test_cheapSeat_makesTheClientPayNoMoreThanItsSeats() public {
        commit(alice, ROOT);
        commit(bob, ROOT);
        commit(mallory, LIE);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), rooted(mallory, LIE)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertGain(mallory, minus(BOND));
        assertGain(alice, plus(PRICE - CUT));
        assertGain(client, minus(3 * PRICE));
        assertBurned(BOND + PRICE);
        assertBooks(0);
    }

    /// Tries: the client sits in its own job with a cheap seat, to have the price of that seat back.
    /// Fails: the share of an outvoted or silent seat is burned, and only that of a seat that never committed returns.
    /// Costs: the client with its seat 4 tokens more than an honest client; a reserved seat costs it a tenth of the bond.
    function test_clientsOwnSeat_doesNotReturnItsShare() public {
        uint256 state = vm.snapshotState();
        commit(alice, ROOT);
        commit(bob, ROOT);
        commit(mallory, ROOT); // never opened
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT)));
        vm.warp(time() + times().revealWindow + 1);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), naming(mallory)));
        assertEq(gain(client) + gain(mallory), minus(3 * PRICE + BOND));
        vm.revertToState(state);

        commit(alice, ROOT);
        commit(bob, ROOT);
        join(mallory);
        vm.warp(time() + job.timing.runWindow + 1);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), naming(mallory)));
        assertEq(gain(client) + gain(mallory), minus(2 * PRICE + BOND / 10));
        assertBooks(0);
    }

    /// Tries: the client fills two seats and outvotes the honest third.
    /// Fails to pay: the honest seat's bond and share are burned, and the client still pays the protocol's fee.
    /// Costs: the client with its seats 8.4 tokens; it has no root but its own. The honest bond is lost: the draw makes that rare.
    function test_clientFillsTheSeats_losesMoney() public {
        commit(mallory, LIE);
        commit(crew[4], LIE);
        commit(alice, ROOT);
        settle(seats(rooted(alice, ROOT), rooted(mallory, LIE), rooted(crew[4], LIE)));
        assertEq(gain(client) + gain(mallory) + gain(crew[4]), minus(PRICE + 2 * CUT));
        assertGain(alice, minus(BOND));
        assertBurned(BOND + PRICE);
        assertBooks(0);
    }

    /// Tries: one provider takes several seats, by itself and through its operator.
    /// Fails: one seat a provider.
    /// Costs: gas.
    function test_manySeats_oneProvider() public {
        commit(alice, ROOT);
        bytes memory taken =
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, alice, IMarket.Seat.Committed);
        vm.startPrank(operator);
        vm.expectRevert(taken);
        market.commit(job, 0, 1, alice, SALT);
        vm.expectRevert(taken);
        market.join(job, 0, 1, alice);
        vm.stopPrank();
        assertEq(market.leaseOf(jobId, 0).seats, 1);
    }

    /// Tries: overlapping leases, or leases that have not opened.
    /// Fails: leases are fixed parts, and each opens when the one before it first began.
    /// Costs: gas.
    function test_overlappingLeases() public {
        IMarket.Job memory big = oneRedundant(3, 2);
        big.terms.tasks = 10;
        big.terms.nonce = 11;
        startDrawn(big);
        uint32[5] memory wrong = [uint32(1), 3, 4, 8, 12];
        for (uint256 i; i < 5; ++i) {
            vm.prank(mallory);
            vm.expectRevert(abi.encodeWithSelector(IMarket.NoSuchLease.selector, jobId, wrong[i]));
            market.join(big, wrong[i], 1, mallory);
        }
        join(mallory);
        join(alice);
        vm.warp(time() + 2 * job.timing.runWindow / 4);
        vm.prank(bob);
        market.join(big, 4, 1, bob);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoSuchLease.selector, jobId, 8));
        market.join(big, 8, 1, bob);
    }

    /// Tries: one stake stands for two seats.
    /// Fails: each seat locks its bond, and a lease never the last quarter.
    /// Costs: gas.
    /// P-02
    function test_oneStake_forTwoSeats() public {
        IMarket.Job memory dear = oneRedundant(3, 2);
        dear.terms.tasks = 8;
        dear.terms.nonce = 9;
        dear.price.bond = 15 * UNIT; // 60 a seat of 100 staked
        startDrawn(dear);
        join(mallory);
        join(alice);
        vm.warp(time() + 2 * job.timing.runWindow / 4);
        vm.startPrank(mallory);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, mallory, 15 * UNIT, 60 * UNIT)
        );
        market.join(dear, 4, 1, mallory);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, mallory, 40 * UNIT, 40 * UNIT + 1)
        );
        market.unstake(mallory, 40 * UNIT + 1);
        vm.stopPrank();
    }
}
