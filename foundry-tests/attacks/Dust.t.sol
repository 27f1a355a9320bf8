// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What is left when shares are rounded, many times over; and calls that cost nothing and should change nothing.
contract DustAttack is AttackBase {
    function _run(IMarket.Job memory job, uint32 size) private {
        vm.prank(job.terms.client);
        market.post(job, spec);
        for (uint32 first; first < job.terms.tasks; first += size) {
            claim(job, alice, size);
            submit(job, alice, first);
            vm.prank(job.terms.client);
            market.accept(job, first, ROOT);
        }
    }

    /// P-14 P-10: many tiny leases, or one: no unit is made or lost, and rounding never takes more than a unit of fee for
    /// each lease. The client pays the same.
    function testFuzz_P14_tinyLeases(uint96 price, uint96 spread, uint16 fee, uint32 tasks, uint32 later)
        public
    {
        price = uint96(bound(price, 0, 1e6));
        spread = uint96(bound(spread, 0, 1e6));
        fee = uint16(bound(fee, 0, 500));
        tasks = uint32(bound(tasks, 1, 12));
        later = uint32(bound(later, 0, 1200));
        vm.prank(governor);
        market.setFee(fee, treasury);
        IMarket.Job memory job = aJob();
        job.terms.tasks = tasks;
        job.terms.maxLease = tasks;
        job.price = IMarket.Price({minPrice: price, maxPrice: price + spread, bond: 1, juryFee: 0});
        vm.warp(time() + later);
        uint256 each = market.priceAt(job, time());
        _run(job, tasks);
        uint256 oneFee = market.balanceOf(treasury);
        uint256 onePaid = market.balanceOf(alice);
        assertEq(oneFee, each * tasks * fee / 10_000);
        assertEq(oneFee + onePaid, each * tasks);
        assertEq(market.balanceOf(client), 1000 * UNIT - each * tasks);

        job.terms.nonce = 8;
        _run(job, 1);
        uint256 tinyFee = market.balanceOf(treasury) - oneFee;
        uint256 tinyPaid = market.balanceOf(alice) - onePaid;
        assertEq(tinyFee + tinyPaid, each * tasks);
        assertLe(tinyFee, oneFee);
        assertLt(oneFee - tinyFee, tasks, "a unit for each lease at most");
        assertEq(market.balanceOf(client), 1000 * UNIT - 2 * each * tasks);
        assertBooks(0);
    }

    /// P-14: the same of redundant leases, whose fee rounds for each seat.
    function testFuzz_P14_tinySeats(uint96 price, uint32 later) public {
        price = uint96(bound(price, 0, 1000));
        IMarket.Job memory job = aRedundantJob();
        job.price = IMarket.Price({minPrice: price / 2, maxPrice: price, bond: 3, juryFee: 0});
        postSealed(job);
        vm.warp(time() + bound(later, 0, 1200));
        uint256 each = uint256(market.priceAt(job, time())) * 4;
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        commit(job, 0, mallory, LIE);
        reveal(job, 0, alice, ROOT);
        reveal(job, 0, bob, ROOT);
        reveal(job, 0, mallory, LIE);
        market.settle(job, 0, ROOT, panelOf(alice, bob, mallory));
        assertEq(market.balanceOf(treasury), each * FEE / 10_000 * 2);
        assertEq(market.balanceOf(alice), each - each * FEE / 10_000);
        assertEq(market.balanceOf(client), 1000 * UNIT - 2 * each);
        assertEq(market.burned(), 12, "a whole bond");
        assertBooks(0);
    }

    /// P-10: a slash of a dust bond rounds down to nothing, and what rounds is nobody's gain.
    function testFuzz_P10_dustBonds(uint96 bond, bool late) public {
        bond = uint96(bound(bond, 0, 1000));
        IMarket.Job memory job = aJob();
        job.price.bond = bond;
        job.price.juryFee = 0;
        bytes32 id = post(job);
        claim(job, mallory, 3);
        uint256 cut = late ? uint256(bond) * 3 / 10 : uint256(bond) * 3 / 50;
        if (late) {
            vm.warp(time() + job.timing.runWindow + 1);
            market.expire(job, 0);
        } else {
            vm.warp(time() + job.timing.runWindow);
            vm.prank(mallory);
            market.release(job, 0, mallory);
        }
        assertEq(market.providerOf(mallory).stake, STAKE - cut);
        assertEq(market.providerOf(mallory).free, STAKE - cut);
        assertEq(market.burned(), cut);
        assertPhase(id, 0, IMarket.Phase.Free);
        assertBooks(20 * UNIT);
    }

    // ------------------------------------------------------------------ nothing, by strangers

    /// P-35: nothing is moved, nothing happens: no stranger restarts a clock, opens an account, or writes an event with it.
    /// (Zero-amount deposits have reset lock-ups and reward clocks elsewhere.)
    function test_P35_zeroAmounts() public {
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

    /// P-21 P-38: a stranger's deposit for a provider is money in its ledger, not stake: the age that its draws need stays.
    function test_P21_strangerCannotTouchTheAge() public {
        uint64 age = market.providerOf(alice).stakedAt;
        mint(mallory, 5);
        vm.prank(mallory);
        market.deposit(alice, 5);
        IMarket.ProviderState memory p = market.providerOf(alice);
        assertEq(p.stakedAt, age);
        assertEq(p.stake, STAKE);
        assertEq(market.balanceOf(alice), 5);
    }

    /// P-35: a job that pays nothing and binds nothing harms nobody but who takes it: no bond, no slash, no dispute.
    function test_P35_jobOfZeros() public {
        IMarket.Job memory job = aJob();
        job.terms.client = eve;
        job.price = IMarket.Price({minPrice: 0, maxPrice: 0, bond: 0, juryFee: 0});
        bytes32 id = post(job);
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NoJury.selector, id));
        market.demand(job, 0);
        vm.expectRevert();
        market.challenge(job, 0, 1, 1, 0, LIE, new bytes32[](2), SALT);
        vm.stopPrank();
        vm.warp(time() + job.timing.challengeWindow + 1);
        market.finalize(job, 0);
        assertUnharmed(alice);
        assertBooks(0);
    }

    // ------------------------------------------------------------------ counters

    /// P-38: what a provider did stays with its address: leaving with all stake and coming back washes nothing off.
    function test_P38_reputationReset() public {
        IMarket.Job memory job = aJob();
        post(job);
        claim(job, mallory, 4);
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, 0);
        uint32 number = market.providerOf(mallory).number;
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
        assertEq(p.stakedAt, time(), "its age begins anew");
    }

    /// P-38 P-35: data that is refused counts nothing, for whoever brings it.
    function test_P38_refusedDataCountsNothing() public {
        IMarket.Job memory job = aRedundantJob();
        bytes32 id = postSealed(job);
        commit(job, 0, alice, ROOT);
        commit(job, 0, bob, ROOT);
        commit(job, 0, mallory, LIE);
        bytes32 before = keccak256(abi.encode(market.leaseOf(id, 0), market.providerOf(alice)));
        bytes[4] memory calls = [
            abi.encodeCall(IMarket.reveal, (job, 0, mallory, ROOT, MANIFEST, SALT, none)),
            abi.encodeCall(IMarket.reveal, (job, 0, mallory, 0, MANIFEST, SALT, none)),
            abi.encodeCall(IMarket.reveal, (job, 4, mallory, LIE, MANIFEST, SALT, none)),
            abi.encodeCall(IMarket.settle, (job, 0, LIE, panelOf(alice, bob, mallory)))
        ];
        for (uint256 i; i < 4; ++i) {
            vm.prank(mallory);
            (bool ok,) = address(market).call(calls[i]);
            assertFalse(ok);
        }
        assertEq(keccak256(abi.encode(market.leaseOf(id, 0), market.providerOf(alice))), before);
        // A revealed seat does not count a second time.
        reveal(job, 0, mallory, LIE);
        vm.prank(mallory);
        (bool again,) =
            address(market).call(abi.encodeCall(IMarket.reveal, (job, 0, mallory, LIE, MANIFEST, SALT, none)));
        assertFalse(again);
        assertEq(market.leaseOf(id, 0).reveals, 1);
    }
}
