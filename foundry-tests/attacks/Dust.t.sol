// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What is left when shares are rounded, many times over; and calls that cost nothing and should change nothing.
contract DustAttack is AttackBase {
    function _run(IMarket.Job memory made, uint32 size) private {
        post(made);
        for (uint32 first; first < made.terms.tasks; first += size) {
            claim(made, alice, size);
            submit(made, alice, first);
        }
    }

    /// Tries: many tiny leases, so that rounding takes or makes money.
    /// Fails: no unit is made or lost; the fee rounds down by less than a unit a lease, and the client pays the same.
    /// Costs: gas.
    function testFuzz_tinyLeases(uint96 price, uint96 spread, uint16 fee, uint32 tasks, uint32 later) public {
        price = uint96(bound(price, 0, 1e6));
        spread = uint96(bound(spread, 0, 1e6));
        fee = uint16(bound(fee, 0, 500));
        tasks = uint32(bound(tasks, 1, 12));
        vm.prank(governor);
        market.setFee(fee, treasury);
        IMarket.Job memory made = aJob();
        made.terms.tasks = made.terms.maxLease = tasks;
        made.terms.minLease = 1;
        made.price = IMarket.Price({minPrice: price, maxPrice: price + spread, bond: 1, juryFee: 0});
        vm.warp(time() + bound(later, 0, 1200));
        uint256 each = market.priceAt(made, time());
        _run(made, tasks);
        uint256 oneFee = market.balanceOf(treasury);
        uint256 onePaid = market.balanceOf(alice);
        assertEq(oneFee, each * tasks * fee / 10_000);
        assertEq(oneFee + onePaid, each * tasks);
        assertEq(market.balanceOf(client), 1000 * UNIT - each * tasks);

        made.terms.nonce = 8;
        _run(made, 1);
        uint256 tinyFee = market.balanceOf(treasury) - oneFee;
        uint256 tinyPaid = market.balanceOf(alice) - onePaid;
        assertEq(tinyFee + tinyPaid, each * tasks);
        assertLe(tinyFee, oneFee);
        assertLt(oneFee - tinyFee, tasks, "a unit for each lease at most");
        assertEq(market.balanceOf(client), 1000 * UNIT - 2 * each * tasks);
        assertBooks(0);
    }

    /// Tries: the same of seats, whose fee rounds for each.
    /// Fails: the same.
    function testFuzz_tinySeats(uint96 price) public {
        price = uint96(bound(price, 0, 1000));
        IMarket.Job memory made = oneRedundant(3, 2);
        made.price = IMarket.Price({minPrice: price, maxPrice: price, bond: 3, juryFee: 0});
        startDrawn(made);
        uint256 each = uint256(price) * 4;
        commit(alice, ROOT);
        commit(bob, ROOT);
        commit(mallory, LIE);
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), rooted(mallory, LIE)));
        assertGain(treasury, plus(each * FEE / 10_000 * 2));
        assertGain(alice, plus(each - each * FEE / 10_000));
        assertGain(client, minus(3 * each));
        assertBurned(12 + each);
        assertBooks(0);
    }

    /// Tries: the reserve for a jury, rounded up for each task, covers less than a jury in some lease, or is not returned.
    /// Fails: any lease of `minLease` to `maxLease` tasks holds three fees, and what jurors do not earn returns.
    function testFuzz_dustReserve(uint32 least, uint32 size, uint96 juryFee) public {
        IMarket.Job memory made = oneAudited();
        made.terms.minLease = uint32(bound(least, 1, 20));
        made.terms.maxLease = 2 * made.terms.minLease;
        made.terms.tasks = 3 * made.terms.minLease;
        made.price =
            IMarket.Price({minPrice: 0, maxPrice: 0, bond: 1, juryFee: uint96(bound(juryFee, 1, 1000))});
        start(made);
        size = uint32(bound(size, made.terms.minLease, made.terms.maxLease));
        vm.prank(alice);
        (, size) = market.claim(job, alice, 1, size);
        delete digests;
        for (uint256 i; i < size; ++i) {
            digests.push(LIE);
        }
        bytes32 root = _rootOf(size);
        submit(job, alice, 0, root);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        vm.warp(time() + times().respondWindow + 1);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        vm.prank(client);
        market.cancel(job);
        assertGain(client, minus(3 * uint256(job.price.juryFee)));
        assertGain(crew[0], plus(job.price.juryFee));
        assertBurned(size);
        assertBooks(0);
    }

    /// Any root: its leaf is never opened.
    function _rootOf(uint256 size) private pure returns (bytes32) {
        return keccak256(abi.encode("root", size));
    }

    /// Tries: a slash of a dust bond rounds to somebody's gain.
    /// Fails: it rounds down, and what is slashed is burned.
    function testFuzz_dustBonds(uint96 bond, uint256 elapsed, bool late) public {
        bond = uint96(bound(bond, 0, 1000));
        IMarket.Job memory made = oneLease();
        made.price.bond = bond;
        start(made);
        claim(job, mallory, 4);
        elapsed = bound(elapsed, 0, 800);
        uint256 whole = uint256(bond) * 4;
        uint256 cut = late ? whole / 10 : elapsed <= 100 ? 0 : whole * elapsed / 8000;
        if (late) {
            vm.warp(time() + job.timing.runWindow + 1);
            market.expire(job, 0);
        } else {
            vm.warp(time() + elapsed);
            vm.prank(mallory);
            market.leave(job, 0, 1, mallory);
        }
        assertGain(mallory, minus(cut));
        assertEq(market.providerOf(mallory).free, STAKE - cut);
        assertBurned(cut);
        assertPhase(jobId, 0, IMarket.Phase.Free);
        assertBooks(PRICE);
    }

    // ------------------------------------------------------------------ nothing, by strangers

    /// Tries: nothing is moved, to restart a clock, open an account, or write an event with it. (Zero-amount deposits have reset
    /// lock-ups and reward clocks elsewhere.)
    /// Fails: zero amounts are refused.
    function test_zeroAmounts() public {
        vm.startPrank(mallory);
        bytes4 zero = IMarket.ZeroAmount.selector;
        vm.expectRevert(zero);
        market.deposit(alice, 0);
        vm.expectRevert(zero);
        market.depositWithPermit(alice, 0, 0, 0, 0, 0);
        vm.expectRevert(zero);
        market.stake(0);
        vm.expectRevert(zero);
        market.unstake(mallory, 0);
        vm.expectRevert(zero);
        market.withdraw(mallory, 0);
        vm.stopPrank();
    }

    /// Tries: a stranger's gift renews the age of a provider's stake.
    /// Fails: it is money in the provider's balance, not stake.
    /// Costs: the gift.
    function test_strangerCannotTouchTheAge() public {
        uint64 age = market.providerOf(alice).stakedAt;
        mint(mallory, 5);
        vm.prank(mallory);
        market.deposit(alice, 5);
        IMarket.ProviderState memory p = market.providerOf(alice);
        assertEq(p.stakedAt, age);
        assertEq(p.stake, STAKE);
        assertEq(market.balanceOf(alice), 5);
    }

    /// Tries: a job that pays nothing and binds nothing.
    /// Fails to harm: no bond, no slash.
    function test_jobOfZeros() public {
        IMarket.Job memory made = oneLease();
        made.terms.client = eve;
        made.price = IMarket.Price({minPrice: 0, maxPrice: 0, bond: 0, juryFee: 0});
        start(made);
        claim(job, alice, 4);
        submit(job, alice, 0);
        assertUnharmed(alice);
        assertGain(eve, 0);
        assertBooks(0);
    }

    // ------------------------------------------------------------------ counters

    /// Tries: a provider leaves with all its stake and comes back with a clean record.
    /// Fails: what it did stays with its address, and the age of its stake begins again.
    function test_reputationReset() public {
        start(oneLease());
        claim(job, mallory, 4);
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, 0);
        uint32 number = numberOf(mallory);
        vm.startPrank(mallory);
        market.unstake(mallory, market.providerOf(mallory).free);
        market.setOperator(eve, true);
        market.setOperator(eve, false);
        token.approve(address(market), type(uint256).max);
        market.stake(UNIT);
        vm.stopPrank();
        IMarket.ProviderState memory p = market.providerOf(mallory);
        assertEq(p.number, number, "no second number");
        assertEq(p.late, 1);
        assertEq(p.stakedAt, time());
    }

    /// Tries: data that is refused counts for or against somebody.
    /// Fails: a call that reverts changes nothing, and an opened seat does not count twice.
    function test_refusedDataCountsNothing() public {
        startDrawn(oneRedundant(3, 2));
        commit(alice, ROOT);
        commit(bob, ROOT);
        commit(mallory, LIE);
        bytes32 before = keccak256(abi.encode(market.leaseOf(jobId, 0), market.providerOf(alice)));
        IMarket.Opening[][4] memory wrong = [
            seats(rooted(mallory, ROOT)),
            seats(rooted(mallory, 0)),
            seats(rooted(alice, ROOT), rooted(mallory, ROOT)),
            seats(naming(alice), naming(bob), naming(mallory))
        ];
        for (uint256 i; i < 4; ++i) {
            vm.prank(mallory);
            (bool ok,) = address(market).call(abi.encodeCall(IMarket.settle, (job, 0, 1, wrong[i])));
            assertFalse(ok);
        }
        assertEq(keccak256(abi.encode(market.leaseOf(jobId, 0), market.providerOf(alice))), before);
        settle(seats(rooted(mallory, LIE)));
        settle(seats(rooted(mallory, LIE), rooted(alice, ROOT)));
        assertEq(market.leaseOf(jobId, 0).opened, 2);
    }
}
