// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

contract MoneyFuzzTest is Base {
    /// P-04, P-10: whatever the job, a settled lease pays its escrow out whole, and unlocks its bond.
    function testFuzz_split(
        uint96 maxPrice,
        uint96 minPrice,
        uint32 tasks,
        uint32 ask,
        uint96 bond,
        uint16 feeBps,
        uint32 elapsed,
        uint32 ramp
    ) public {
        tasks = uint32(bound(tasks, 1, 3000));
        ask = uint32(bound(ask, 1, type(uint32).max));
        feeBps = uint16(bound(feeBps, 0, 500));
        IMarket.Job memory job = aJob();
        job.terms.tasks = tasks;
        job.terms.maxLease = 2048;
        // forge-lint: disable-start(unsafe-typecast)
        job.price.maxPrice = uint96(bound(maxPrice, 0, MAX / 3 / tasks));
        job.price.minPrice = uint96(bound(minPrice, 0, job.price.maxPrice));
        job.price.bond = uint96(bound(bond, 0, MAX / 3 / 2048));
        job.price.juryFee = job.price.bond;
        job.timing.ramp = bound(ramp, 0, 30 days) > 15 days ? 0 : uint64(bound(ramp, 0, 30 days));
        job.timing.closesAt = time() + 60 days;
        fund(client, uint128(MAX / 3));
        stakeOf(alice, uint128(MAX / 3));
        // forge-lint: disable-end(unsafe-typecast)
        vm.prank(governor);
        market.setFee(feeBps, treasury);
        uint256 before = market.balanceOf(client);
        post(job);
        uint256 escrow = uint256(job.price.maxPrice) * tasks;
        assertEq(market.balanceOf(client), before - escrow);

        vm.warp(time() + bound(elapsed, 0, 60 days));
        uint256 price = market.priceAt(job, time());
        assertGe(price, job.price.minPrice);
        assertLe(price, job.price.maxPrice);
        vm.prank(alice);
        (uint32 first, uint32 taken) = market.claim(job, alice, ask);
        IMarket.ProviderState memory p = market.providerOf(alice);
        uint256 perTask = uint256(job.price.bond) * taken;
        uint256 jury = 6 * uint256(job.price.juryFee);
        assertEq(p.stake - p.free, perTask > jury ? perTask : jury);

        submit(job, alice, first);
        vm.prank(client);
        market.accept(job, first, ROOT);
        uint256 whole = uint256(job.price.maxPrice) * taken;
        uint256 gross = price * taken;
        uint256 fee = gross * feeBps / 10_000;
        assertEq(market.balanceOf(treasury), fee);
        assertEq(market.balanceOf(alice), gross - fee);
        assertEq(market.balanceOf(client), before - escrow + whole - gross);
        p = market.providerOf(alice);
        assertEq(p.stake, p.free);
        vm.prank(client);
        market.cancel(job);
        assertEq(market.balanceOf(client) + gross, before);
    }

    /// The ramp never falls, stays within its bounds, and meets both.
    function testFuzz_ramp(uint128 a, uint128 b, uint64 opensAt, uint64 ramp, uint64 s, uint64 t)
        public
        view
    {
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

    /// P-05, P-11: a slash takes its share of the bond, rounded down, and nobody gets it.
    function testFuzz_slash(uint96 bond, uint32 count, uint64 waited) public {
        IMarket.Job memory job = aJob();
        count = uint32(bound(count, 1, 2048));
        (job.terms.tasks, job.terms.maxLease) = (count, count);
        // forge-lint: disable-next-line(unsafe-typecast)
        job.price.bond = uint96(bound(bond, 0, MAX / 2048 / 4));
        job.price.maxPrice = UNIT / 1000;
        job.price.minPrice = 0;
        job.price.juryFee = 0;
        // forge-lint: disable-next-line(unsafe-typecast)
        stakeOf(alice, uint128(MAX / 3));
        fund(client, 10 * UNIT);
        post(job);
        uint256 mine = market.providerOf(alice).stake;
        uint256 clients = market.balanceOf(client);
        uint64 from = time();
        claim(job, alice, count);
        waited = uint64(bound(waited, 0, 2 * job.timing.runWindow));
        vm.warp(from + waited);
        uint256 locked = uint256(job.price.bond) * count;
        uint256 slash;
        if (waited > job.timing.runWindow) {
            slash = locked / 10;
            market.expire(job, 0);
        } else {
            if (waited > job.timing.runWindow / 8) slash = locked / 50;
            vm.prank(alice);
            market.release(job, 0, alice);
        }
        assertEq(market.burned(), slash);
        assertEq(market.providerOf(alice).stake, mine - slash);
        assertEq(market.providerOf(alice).free, mine - slash);
        assertEq(market.balanceOf(client), clients);
        assertEq(market.balanceOf(alice), 0);
        assertEq(market.balanceOf(treasury), 0);
    }

    function testFuzz_depositWithdraw(uint96 amount, uint96 part) public {
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
