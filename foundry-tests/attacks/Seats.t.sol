// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Seats taken to do harm: to block a quorum, to burn the others' bonds, to vote for oneself.
contract SeatsAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;
    uint128 private constant BOND = 4 * UNIT;
    uint128 private constant ESCROW = 24 * UNIT;

    function setUp() public override {
        super.setUp();
        job = aRedundantJob();
        jobId = postSealed(job);
    }

    function _commitBy() private view returns (uint64) {
        return market.leaseOf(jobId, 0).startedAt + 60 + job.timing.runWindow;
    }

    /// P-07 P-05: seats reserved to keep a quorum away cost a tenth of their bond each round; the honest commitment
    /// returns unrevealed and whole, and the next round begins without them.
    function test_P07_blockedQuorum() public {
        uint256 mallorys = worth(mallory);
        join(job, 0, mallory);
        join(job, 0, crew[4]); // mallory's, too
        commit(job, 0, alice, ROOT);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0));
        market.join(job, 0, 1, bob);

        uint32[] memory panel = panelOf(alice, mallory, crew[4]);
        vm.warp(_commitBy());
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, _commitBy() + 1, time()));
        market.settle(job, 0, 0, panel);
        vm.warp(_commitBy() + 1);
        market.settle(job, 0, 0, panel);
        assertUnharmed(alice);
        assertEq(worth(mallory), mallorys - BOND / 10);
        assertEq(worth(crew[4]), STAKE - BOND / 10);
        assertBooks(ESCROW);

        vm.warp(time() + 60);
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        commit(job, 0, crew[0], ROOT);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        reveal(job, 0, crew[0], ROOT);
        market.settle(job, 0, ROOT, panelOf(alice, bob, crew[0]));
        (bytes32 root,, IMarket.How how) = market.resultRoot(jobId, 0);
        assertEq(root, ROOT);
        assertEq(uint8(how), uint8(IMarket.How.Quorum));
        assertBooks(0);
    }

    /// P-08 P-11: a job whose every quorum is blocked until it closes gives the client all its money back.
    function test_P08_blockedForEver() public {
        uint256 clients = worth(client);
        vm.startPrank(mallory);
        market.join(job, 0, 1, mallory);
        vm.stopPrank();
        uint32[] memory panel = new uint32[](1);
        panel[0] = market.providerOf(mallory).number;
        uint32[] memory firsts = new uint32[](1);
        vm.warp(job.timing.closesAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running));
        market.close(job, firsts);
        market.settle(job, 0, 0, panel);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, job.timing.closesAt, time()));
        market.join(job, 0, 1, mallory);
        market.close(job, firsts);
        assertEq(worth(client), clients + ESCROW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Refunded));
        market.close(job, firsts);
        assertBooks(0);
    }

    /// P-11: a client whose own two seats outvote an honest one burns its bond, earns none of it, and still pays the fee.
    function test_P11_clientFillsTheSeats() public {
        uint256 before = worth(client) + worth(mallory) + worth(crew[4]);
        commit(job, 0, mallory, LIE);
        commit(job, 0, crew[4], LIE);
        commit(job, 0, alice, ROOT);
        reveal(job, 0, mallory, LIE);
        reveal(job, 0, crew[4], LIE);
        reveal(job, 0, alice, ROOT);
        market.settle(job, 0, LIE, panelOf(alice, mallory, crew[4]));
        assertEq(worth(alice), STAKE - BOND);
        assertEq(market.burned(), BOND);
        uint256 fee = market.balanceOf(treasury);
        assertGt(fee, 0);
        assertEq(worth(client) + worth(mallory) + worth(crew[4]), before + ESCROW - fee);
        assertBooks(0);
    }

    /// P-20 P-22: a quorum cannot be had by one provider with many seats, nor by its operators.
    function test_P22_oneSeatForAProvider() public {
        commit(job, 0, alice, ROOT);
        bytes memory taken =
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, alice, IMarket.Seat.Committed);
        vm.startPrank(operator);
        vm.expectRevert(taken);
        market.commit(job, 0, 1, alice, SALT);
        vm.expectRevert(taken);
        market.join(job, 0, 1, alice);
        // An operator that staked itself is another provider; it is not drawn with a fresh stake.
        vm.stopPrank();
        stakeOf(operator, STAKE);
        vm.prank(operator);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, 0, operator, type(uint64).max)
        );
        market.join(job, 0, 1, operator);
    }

    /// P-21: none sits before it is drawn, and the first second in which it does is the one the error names.
    function test_P21_beforeItsTime() public {
        IMarket.Job memory next = aRedundantJob();
        next.terms.nonce = 8;
        next.timing.opensAt = time() + 100;
        bytes32 id = post(next);
        sealJob(next);
        vm.warp(next.timing.opensAt);
        uint256 refused;
        for (uint256 i; i < 5; ++i) {
            vm.prank(crew[i]);
            (bool ok, bytes memory why) =
                address(market).call(abi.encodeCall(IMarket.join, (next, 0, 1, crew[i])));
            if (ok) continue;
            if (errorOf(why) == IMarket.SeatsTaken.selector) break;
            assertEq(errorOf(why), IMarket.NotDrawn.selector);
            ++refused;
            uint64 from;
            assembly ("memory-safe") {
                from := mload(add(why, 0x84))
            }
            assertGt(from, time());
            vm.warp(from - 1);
            vm.prank(crew[i]);
            vm.expectRevert(abi.encodeWithSelector(IMarket.NotDrawn.selector, id, 0, crew[i], from));
            market.join(next, 0, 1, crew[i]);
            vm.warp(from);
            join(next, 0, crew[i]);
            vm.warp(next.timing.opensAt);
            break;
        }
        assertGt(refused, 0, "this seed draws all at once: choose another");
    }

    /// P-02 P-21: a bond bigger than the free stake is refused: one stake does not stand for two seats.
    function test_P02_oneStakeForTwoSeats() public {
        IMarket.Job memory dear = aRedundantJob();
        dear.terms.tasks = 8;
        dear.price.bond = 15 * UNIT; // 60 a seat of 100 staked
        dear.terms.nonce = 9;
        dear.price.maxPrice = UNIT;
        postSealed(dear);
        join(dear, 0, mallory);
        vm.prank(mallory);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, mallory, 40 * UNIT, 60 * UNIT)
        );
        market.join(dear, 4, 1, mallory);
        vm.prank(mallory);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.InsufficientStake.selector, mallory, 40 * UNIT, 40 * UNIT + 1)
        );
        market.unstake(mallory, 40 * UNIT + 1);
    }

    /// P-13 P-22: whoever waits for the ramp gets nothing for it: the price of all seats is that of the round's first
    /// second, also for the seat that came last.
    function test_P13_lateSeatsPrice() public {
        uint64 start = time();
        uint128 price = market.priceAt(job, start);
        commit(job, 0, alice, ROOT);
        vm.warp(start + 500);
        commit(job, 0, bob, ROOT);
        vm.warp(start + 800);
        commit(job, 0, mallory, ROOT);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        reveal(job, 0, mallory, ROOT);
        uint256 before = market.balanceOf(mallory);
        market.settle(job, 0, ROOT, panelOf(alice, bob, mallory));
        uint256 each = uint256(price) * 4 - uint256(price) * 4 * FEE / 10_000;
        assertEq(market.balanceOf(alice), each);
        assertEq(market.balanceOf(mallory) - before, each);
        assertBooks(0);
    }

    /// P-22: leases are fixed parts: nobody cuts others, which would overlap.
    function test_P04_overlappingLeases() public {
        IMarket.Job memory big = aRedundantJob();
        big.terms.tasks = 10;
        big.terms.nonce = 11;
        bytes32 id = postSealed(big);
        uint32[4] memory wrong = [uint32(1), 3, 10, 12];
        for (uint256 i; i < 4; ++i) {
            vm.prank(mallory);
            vm.expectRevert(abi.encodeWithSelector(IMarket.NoSuchLease.selector, id, wrong[i]));
            market.join(big, wrong[i], 1, mallory);
        }
        join(big, 8, mallory);
        assertEq(market.leaseOf(id, 8).count, 2, "the last is what is left");
    }
}
