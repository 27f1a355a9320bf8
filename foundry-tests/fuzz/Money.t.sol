// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Amounts of any size: what a lease pays, returns and burns adds up to what was put in, to the unit.
contract MoneyFuzzTest is Base {
    struct Draw {
        uint96 maxPrice;
        uint96 minPrice;
        uint96 bond;
        uint96 juryFee;
        uint32 tasks;
        uint32 minLease;
        uint32 ask;
        uint16 auditBps;
        uint16 feeBps;
        uint32 elapsed;
        uint32 ramp;
    }

    /// A job of any numbers that `post` lets through.
    function _jobOf(Draw memory d) private view returns (IMarket.Job memory job) {
        job = aJob();
        job.terms.tasks = uint32(bound(d.tasks, 1, 3000));
        job.terms.minLease = uint32(bound(d.minLease, 1, job.terms.tasks < 1024 ? job.terms.tasks : 1024));
        job.terms.maxLease = 2048;
        // forge-lint: disable-start(unsafe-typecast)
        job.price.maxPrice = uint96(bound(d.maxPrice, 0, MAX / 8 / job.terms.tasks));
        job.price.minPrice = uint96(bound(d.minPrice, 0, job.price.maxPrice));
        job.price.bond = uint96(bound(d.bond, 1, MAX / 4 / 2048));
        job.assurance.auditBps = uint16(bound(d.auditBps, 0, 10_000));
        if (job.assurance.auditBps != 0) {
            job.price.juryFee = uint96(bound(d.juryFee, 1, MAX / 48 / job.terms.tasks));
            job.timing.auditWindow = 2 hours;
        }
        // forge-lint: disable-end(unsafe-typecast)
        job.timing.ramp = uint64(bound(d.ramp, 0, 30 days));
        job.timing.closesAt = time() + 60 days;
    }

    /// Asks for any number that a lease fits.
    function _claim(IMarket.Job memory job, uint32 ask) private returns (uint32, uint32) {
        uint256 fits = 2 * uint256(job.terms.minLease) - 1;
        if (fits > job.terms.tasks) fits = job.terms.tasks;
        vm.prank(alice);
        return market.claim(job, alice, 0, uint32(bound(ask, fits, type(uint32).max)));
    }

    /// P-03, P-04, P-10, P-14: whatever the job, a settled lease pays its escrow out whole, and unlocks its bond.
    function testFuzz_settle_anyJob_paysItsEscrowOut(Draw memory d) public {
        IMarket.Job memory job = _jobOf(d);
        // forge-lint: disable-start(unsafe-typecast)
        fund(client, uint128(MAX / 3));
        stakeOf(alice, uint128(MAX / 3));
        // forge-lint: disable-end(unsafe-typecast)
        d.feeBps = uint16(bound(d.feeBps, 0, 500));
        vm.prank(governor);
        market.setFee(d.feeBps, treasury);
        uint256 before = market.balanceOf(client);
        bytes32 jobId = post(job);
        uint256 reserve = (3 * uint256(job.price.juryFee) + job.terms.minLease - 1) / job.terms.minLease;
        uint256 perTask = job.price.maxPrice + reserve;
        assertEq(market.balanceOf(client), before - perTask * job.terms.tasks);

        vm.warp(time() + bound(d.elapsed, 0, 60 days));
        uint256 price = market.priceAt(job, time());
        assertGe(price, job.price.minPrice);
        assertLe(price, job.price.maxPrice);
        (uint32 first, uint32 taken) = _claim(job, d.ask);
        IMarket.ProviderState memory p = market.providerOf(alice);
        assertEq(p.stake - p.free, uint256(job.price.bond) * taken);
        assertGe(perTask * taken, price * taken + 3 * uint256(job.price.juryFee)); // a whole jury is covered

        submit(job, alice, first);
        vm.warp(time() + 2 hours + 1);
        finalize(job, first);
        assertPhase(jobId, first, IMarket.Phase.Settled);
        uint256 gross = price * taken;
        uint256 fee = gross * d.feeBps / 10_000;
        assertEq(market.balanceOf(treasury), fee);
        assertEq(market.balanceOf(alice), gross - fee);
        assertEq(market.balanceOf(client), before - perTask * job.terms.tasks + perTask * taken - gross);
        p = market.providerOf(alice);
        assertEq(p.stake, p.free);
        vm.prank(client);
        market.cancel(job);
        assertEq(market.balanceOf(client) + gross, before);
        assertEq(market.burned(), 0);
    }

    /// P-13: whatever the rounds and the gaps, the price is that of the first claim's time plus the time in which the lease was free.
    function testFuzz_ramp_anyRounds_countsFreeTimeOnly(
        uint64 wait,
        uint64[6] memory held,
        uint64[6] memory gaps
    ) public {
        IMarket.Job memory job = aJob();
        job.timing.closesAt = time() + 30 days;
        job.timing.ramp = 5000;
        bytes32 jobId = post(job);
        vm.warp(time() + bound(wait, 0, 1000));
        claim(job, alice, 4);
        uint64 place = time();
        for (uint16 i; i < 6; ++i) {
            address holder = i % 2 == 0 ? alice : bob;
            uint64 start = time();
            uint64 end = start + uint64(bound(held[i], 0, 1200));
            vm.warp(end);
            if (end - start <= 800) {
                vm.prank(holder);
                market.leave(job, 0, i + 1, holder);
            } else {
                end = start + 800;
                if (held[i] % 2 == 0) market.expire(job, 0);
            }
            vm.warp(time() + bound(gaps[i], 0, 1000));
            place += time() - end;
            address next = i % 2 == 0 ? bob : alice;
            vm.expectEmit(address(market));
            emit IMarket.Claimed(jobId, 0, next, 4, i + 2, market.priceAt(job, place));
            vm.prank(next);
            market.takeover(job, next, 0);
            assertEq(market.leaseOf(jobId, 0).origin, place);
        }
    }

    /// The ramp never falls, stays within its bounds, and meets both.
    function testFuzz_priceAt_anyRamp_climbs(
        uint128 a,
        uint128 b,
        uint64 opensAt,
        uint64 ramp,
        uint64 s,
        uint64 t
    ) public view {
        IMarket.Job memory job = aJob();
        a = uint128(bound(a, 0, MAX));
        b = uint128(bound(b, 0, MAX));
        (job.price.minPrice, job.price.maxPrice) = a < b ? (a, b) : (b, a);
        job.timing.opensAt = uint64(bound(opensAt, 0, type(uint40).max));
        job.timing.ramp = uint64(bound(ramp, 1, 30 days));
        uint64 end = job.timing.opensAt + job.timing.ramp;
        s = uint64(bound(s, 0, end + 10));
        t = uint64(bound(t, s, end + 10));
        uint256 early = market.priceAt(job, s);
        uint256 late = market.priceAt(job, t);
        assertLe(early, late);
        assertGe(early, job.price.minPrice);
        assertLe(late, job.price.maxPrice);
        assertEq(market.priceAt(job, job.timing.opensAt), job.price.minPrice);
        assertEq(market.priceAt(job, end), job.price.maxPrice);
        if (s > job.timing.opensAt && s < end) {
            uint256 exact = uint256(job.price.maxPrice - job.price.minPrice) * (s - job.timing.opensAt);
            assertEq(early, job.price.minPrice + exact / job.timing.ramp);
        }
    }

    /// P-05, P-11: leaving and being late cost their share of the bond, rounded down, and nobody gets it.
    function testFuzz_slash_anyTime_isBurned(uint96 bond, uint32 count, uint64 waited, uint64 window) public {
        IMarket.Job memory job = aJob();
        count = uint32(bound(count, 1, 2048));
        (job.terms.tasks, job.terms.minLease, job.terms.maxLease) = (count, count, count);
        // forge-lint: disable-start(unsafe-typecast)
        job.price.bond = uint96(bound(bond, 0, MAX / 2048 / 5));
        (job.price.minPrice, job.price.maxPrice) = (0, UNIT / 1000);
        window = uint64(bound(window, 60, 30 days));
        job.timing.runWindow = window;
        stakeOf(alice, uint128(MAX / 3));
        // forge-lint: disable-end(unsafe-typecast)
        post(job);
        uint256 mine = market.providerOf(alice).stake;
        uint256 total = market.totalStake();
        uint256 clients = market.balanceOf(client);
        uint64 from = time();
        claim(job, alice, count);
        waited = uint64(bound(waited, 0, 2 * window));
        vm.warp(from + waited);
        uint256 locked = uint256(job.price.bond) * count;
        uint256 slash;
        if (waited > window) {
            slash = locked / 10;
            market.expire(job, 0);
        } else {
            if (waited > window / 8) slash = locked * waited / (10 * uint256(window));
            vm.prank(alice);
            market.leave(job, 0, 1, alice);
        }
        assertLe(slash, locked / 10);
        assertEq(market.burned(), slash);
        assertEq(market.providerOf(alice).stake, mine - slash);
        assertEq(market.providerOf(alice).free, mine - slash);
        assertEq(market.totalStake(), total - slash);
        assertEq(market.balanceOf(client), clients);
        assertEq(market.balanceOf(alice), 0);
        assertEq(market.balanceOf(treasury), 0);
    }

    /// A lease locks at most what leaves a quarter of all stake free, for any stake and bond.
    function testFuzz_lock_anyStake_keepsAQuarter(uint96 total, uint96 bond) public {
        // forge-lint: disable-start(unsafe-typecast)
        total = uint96(bound(total, 1, MAX / 2));
        bond = uint96(bound(bond, 0, total));
        // forge-lint: disable-end(unsafe-typecast)
        IMarket.Job memory job = aJob();
        (job.terms.tasks, job.terms.minLease, job.terms.maxLease, job.price.bond) = (1, 1, 1, bond);
        post(job);
        stakeOf(anyone, total);
        bool fits = 4 * (uint256(total) - bond) >= total;
        if (!fits) {
            uint256 available = total - (uint256(total) + 3) / 4;
            vm.expectRevert(
                abi.encodeWithSelector(IMarket.InsufficientStake.selector, anyone, available, bond)
            );
        }
        claim(job, anyone, 1);
        assertEq(market.providerOf(anyone).free, fits ? total - bond : total);
    }

    function testFuzz_withdraw_anyPart_pays(uint96 amount, uint96 part) public {
        // forge-lint: disable-next-line(unsafe-typecast)
        amount = uint96(bound(amount, 1, MAX - 1200 * UNIT));
        part = uint96(bound(part, 1, amount));
        fund(anyone, amount);
        vm.prank(anyone);
        market.withdraw(bob, part);
        assertEq(market.balanceOf(anyone), amount - part);
        assertEq(token.balanceOf(bob), part);
    }
}
