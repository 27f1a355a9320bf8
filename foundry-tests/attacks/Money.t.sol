// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Nobody without stake ends with more money plus work than it brought. eve is the client, anyone her second address; all
/// providers and jurors do what serves her best, and are paid by nobody but the market. Work counts at its price.
contract MoneyAttack is AttackBase {
    /// What eve has, her second address included.
    function _eves() private view returns (int256) {
        return gain(eve) + gain(anyone);
    }

    function _start(IMarket.Job memory made, uint256 price, uint256 spread, uint256 fee) private {
        vm.prank(governor);
        // forge-lint: disable-next-line(unsafe-typecast)
        market.setFee(uint16(fee), treasury);
        fund(eve, 100 * UNIT);
        made.terms.client = eve;
        // forge-lint: disable-next-line(unsafe-typecast)
        made.price.minPrice = uint128(price);
        // forge-lint: disable-next-line(unsafe-typecast)
        made.price.maxPrice = uint128(price + spread);
        if (made.assurance.replicas == 1 && spread != 0) made.timing.ramp = 1000;
        start(made);
    }

    /// All votes are for `RIGHT` or `LIE` or abstain, by the digits of a number in base three.
    function _digit(uint256 number, uint256 at) private pure returns (bytes32) {
        return [bytes32(0), RIGHT, LIE][number / 3 ** at % 3];
    }

    /// An ordinary lease that was submitted: any votes in up to two juries, the leaf brought or not, with or without `refund`.
    /// With `refund` eve gets no more than her own escrow back; without it she pays the whole price, to the unit, and jurors.
    function testFuzz_submittedLease_costsItsPrice(
        uint256 price,
        uint256 juryFee,
        uint256 votes,
        bool brings,
        bool refund
    ) public {
        price = bound(price, 0, 10 * UNIT);
        juryFee = bound(juryFee, 1, 2 * UNIT);
        IMarket.Job memory made = oneAudited();
        made.assurance.refund = refund;
        // forge-lint: disable-next-line(unsafe-typecast)
        made.price.juryFee = uint128(juryFee);
        _start(made, price, 0, FEE);
        submitted(alice, RIGHT);
        toss(true);
        _jury(1, votes, brings);
        if (phaseOf(jobId, 0) == IMarket.Phase.Undecided) {
            tossAgain();
            _jury(2, votes / 27, brings);
        }
        IMarket.Phase phase = phaseOf(jobId, 0);
        assertTrue(phase == IMarket.Phase.Settled || phase == IMarket.Phase.Void, "an end");
        int256 work = plus(4 * price);
        if (!refund) assertLe(_eves() + work, 0, "money plus work");
        if (!refund && phase == IMarket.Phase.Settled) {
            assertGe(_eves() + work, minus(3 * juryFee), "at most one audit");
        }
        assertLe(_eves(), 0, "no more than her own escrow");
        assertBooks(0);
    }

    function _jury(uint8 jury, uint256 votes, bool brings) private {
        bytes32[3] memory said = [_digit(votes, 0), _digit(votes, 1), _digit(votes, 2)];
        crewVotes(jury, said[0], said[1], said[2]);
        IMarket.Opening[] memory all = crewOpens(said[0], said[1], said[2]);
        if (brings) return judge(jury, all);
        judgeWithoutLeaf(jury, all);
        if (phaseOf(jobId, 0) != IMarket.Phase.Audited) return;
        vm.warp(time() + times().respondWindow + 1);
        judgeWithoutLeaf(jury, all);
    }

    /// A redundant lease with any roots and any silence: eve pays each share of a quorum, or a tenth of the price, or nothing for
    /// nothing.
    function testFuzz_redundantLease_costsItsShares(uint256 price, uint256 said, uint256 silent) public {
        price = bound(price, 0, 10 * UNIT);
        _start(oneRedundant(3, 2), price, 0, FEE);
        uint64 point = market.jobOf(jobId).point;
        publish(point, keccak256("drawn"));
        vm.warp(beacon.timeOf(point) + 400);
        IMarket.Opening[] memory all = new IMarket.Opening[](3);
        for (uint256 i; i < 3; ++i) {
            bytes32 root = [ROOT, LIE, RIGHT][said / 3 ** i % 3];
            commit(crew[i], root);
            all[i] = silent >> i & 1 == 0 ? rooted(crew[i], root) : naming(crew[i]);
        }
        all = sorted(all);
        if (silent & 7 != 7) settle(all);
        if (silent & 7 != 0) {
            vm.warp(time() + times().revealWindow + 1);
            for (uint256 i; i < 3; ++i) {
                if (market.seatOf(jobId, 0, 1, 0, crew[i]) == IMarket.Seat.Committed) all[i].salt = 0;
            }
            settle(all);
        }
        IMarket.Phase phase = phaseOf(jobId, 0);
        if (phase == IMarket.Phase.Settled) assertEq(_eves(), minus(12 * price));
        else if (phase == IMarket.Phase.Void) assertEq(_eves(), minus(12 * price / 10));
        vm.prank(eve);
        market.cancel(job);
        close(job, 0);
        if (phase == IMarket.Phase.Free) assertEq(_eves(), 0, "no result, no price");
        assertLe(_eves(), 0);
        assertBooks(0);
    }

    /// A lease that ends without a result: left at any time, late, taken over, or never claimed; then the job is closed.
    function testFuzz_leaseWithoutResult_costsNothing(
        uint256 price,
        uint256 spread,
        uint256 after_,
        uint256 way
    ) public {
        price = bound(price, 0, 5 * UNIT);
        spread = bound(spread, 0, 5 * UNIT);
        _start(oneLease(), price, spread, FEE);
        way %= 4;
        if (way != 0) claim(job, alice, 4);
        if (way == 1 || way == 2) {
            vm.warp(time() + bound(after_, 0, job.timing.runWindow));
            vm.prank(alice);
            market.leave(job, 0, 1, alice);
        }
        if (way == 2) {
            vm.prank(bob);
            market.takeover(job, bob, 0);
        }
        vm.prank(eve);
        market.cancel(job);
        vm.warp(time() + job.timing.runWindow + 1);
        market.close(job, list(0, 0));
        market.close(job, list(0, 0));
        assertEq(_eves(), 0);
        assertLe(gain(alice), 0);
        assertBooks(0);
    }

    /// A lease without audits, at any time on the ramp and for any fee: eve pays the price of its first second.
    function testFuzz_unauditedLease_costsItsPrice(uint256 price, uint256 spread, uint256 wait, uint256 fee)
        public
    {
        price = bound(price, 0, 5 * UNIT);
        spread = bound(spread, 0, 5 * UNIT);
        fee = bound(fee, 0, 500);
        _start(oneLease(), price, spread, fee);
        vm.warp(time() + bound(wait, 0, 2000));
        uint256 gross = 4 * market.priceAt(job, time());
        claim(job, alice, 4);
        submit(job, alice, 0);
        assertEq(_eves(), minus(gross));
        assertGain(alice, plus(gross - gross * fee / 10_000));
        assertGain(treasury, plus(gross * fee / 10_000));
        assertBooks(0);
    }
}
