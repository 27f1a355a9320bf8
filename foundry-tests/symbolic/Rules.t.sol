// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {JobRules} from "piecework/JobRules.sol";

/// The market's arithmetic: claims, ramp, fee, escrow, bonds, losses. What `post` admits is assumed of a job, nothing else.
contract RulesProof is Symbolic {
    // External, so that a revert can be seen.

    function feeOf(uint96 gross, uint16 feeBps) external pure returns (uint96) {
        return JobRules.feeOf(gross, feeBps);
    }

    function tenthOf(uint256 amount) external pure returns (uint96) {
        return JobRules.tenthOf(amount);
    }

    /// What `post` has checked of prices and times.
    function _assumePosted(IMarket.Price calldata price, IMarket.Timing calldata timing) private pure {
        vm.assume(price.minPrice <= price.maxPrice);
        vm.assume(price.maxPrice <= MAX);
        vm.assume(timing.ramp <= JobRules.MAX_WINDOW);
    }

    // ------------------------------------------------------------------ lemmas
    // Each is proven alone, then assumed where it is used: no solver finds all steps at once.

    /// A product, of which the compiler does not know that its factors can be exchanged.
    function times(uint256 x, uint256 y) external pure returns (uint256 product) {
        assembly ("memory-safe") {
            product := mul(x, y)
        }
    }

    /// A product of two numbers does not overflow, as the compiler checks it; and the numbers can be exchanged, which to solvers
    /// makes another product. (In assembly, because `&&` and `||` are branches.)
    function _multiplies(uint256 x, uint256 y) private view returns (bool right) {
        uint256 product = this.times(x, y);
        uint256 exchanged = this.times(y, x);
        assembly ("memory-safe") {
            right := and(or(iszero(x), eq(y, div(product, x))), or(iszero(y), eq(x, div(product, y))))
            right := and(eq(product, exchanged), right)
        }
    }

    /// Property: lemma of escrow and fees: 128 bits times 96 bits do not overflow.
    function check_lemmaProductsFit(uint96 x, uint128 y) external view {
        assert(_multiplies(x, y));
    }

    /// What is more stays more, times the same.
    function _productsRise(uint256 lesser, uint256 greater, uint256 factor) private pure returns (bool) {
        unchecked {
            return factor * lesser <= factor * greater;
        }
    }

    /// Property: lemma of escrow and fees: products rise with their factors.
    function check_lemmaProductsRise(uint128 lesser, uint128 greater, uint104 factor) external pure {
        vm.assume(lesser <= greater);
        assert(_productsRise(lesser, greater, factor));
    }

    /// A product with a sum is a sum of products.
    function _distributes(uint256 factor, uint256 x, uint256 y) private pure returns (bool) {
        unchecked {
            return factor * (x + y) == factor * x + factor * y;
        }
    }

    /// Property: lemma of escrow: a product with a sum is a sum of products.
    function check_lemmaSumsDistribute(uint32 factor, uint128 x, uint128 y) external pure {
        assert(_distributes(factor, x, y));
    }

    /// A part that is rounded up, as often as it was divided, is at least the whole.
    function _roundsUp(uint256 whole, uint256 parts) private pure returns (bool) {
        unchecked {
            return parts * ((whole + parts - 1) / parts) >= whole;
        }
    }

    /// Property: lemma of escrow: parts that are rounded up are at least the whole.
    function check_lemmaPartsRoundUp(uint104 whole, uint32 parts) external pure {
        vm.assume(parts != 0);
        assert(_roundsUp(whole, parts));
    }

    // ------------------------------------------------------------------ claims

    /// Property: a claim gets as many tasks as a lease may have, and leaves none or as many as a lease must have. There is no
    /// number of tasks at which no claim is possible.
    function check_claimsFit(uint32 left, uint32 least, uint32 most, uint32 wanted) external pure {
        unchecked {
            // What `post` and earlier claims have seen to.
            vm.assume(least != 0 && least <= left && wanted != 0);
            uint256 needed = 2 * uint256(least) - 1;
            vm.assume(most >= (needed < left ? needed : left));
            uint256 count = JobRules.clamp(left, least, most, wanted);
            assert(count >= least && count <= left);
            assert(count <= most);
            uint256 rest = left - count;
            assert(rest == 0 || rest >= least);
        }
    }

    // ------------------------------------------------------------------ the price

    /// Property: the price is minPrice until the job opens (if it ramps), maxPrice from the ramp's end on.
    function check_P44_priceEnds(IMarket.Price calldata price, IMarket.Timing calldata timing, uint64 time)
        external
        pure
    {
        _assumePosted(price, timing);
        uint256 end = uint256(timing.opensAt) + timing.ramp;
        vm.assume(time <= timing.opensAt || time >= end);
        uint96 p = JobRules.priceAt(price, timing, time);
        assert(p == (time >= end ? price.maxPrice : price.minPrice));
    }

    // ------------------------------------------------------------------ fee and escrow

    /// Property: P-46 the fee is at most 5 % of what is paid, and it never reverts.
    function check_P46_feeWithinCap(uint96 gross, uint16 feeBps) external view {
        vm.assume(feeBps <= 500);
        vm.assume(_productsRise(feeBps, 500, gross));
        vm.assume(_multiplies(gross, feeBps));
        try this.feeOf(gross, feeBps) returns (uint96 fee) {
            unchecked {
                assert(uint256(fee) * 20 <= gross);
            }
        } catch {
            assert(false);
        }
    }

    /// What `post` has checked of a job's amounts; its reserve for a task, and all that a task holds in escrow.
    function _escrow(IMarket.Job calldata job) private view returns (uint256 reserve, uint256 task) {
        uint256 replicas = job.assurance.replicas;
        uint256 least = job.terms.minLease;
        uint256 price = job.price.maxPrice;
        uint256 fee = job.price.juryFee;
        vm.assume(least != 0);
        vm.assume(price <= MAX);
        vm.assume(fee <= MAX);
        vm.assume(replicas <= JobRules.MAX_REPLICAS);
        vm.assume(_multiplies(3, fee));
        vm.assume(_multiplies(replicas, price));
        vm.assume(_productsRise(replicas, JobRules.MAX_REPLICAS, price));
        unchecked {
            reserve = (3 * fee + least - 1) / least;
            task = replicas * price + reserve;
        }
    }

    /// Property: P-03 a lease's escrow covers the most that its seats can be paid, at any time.
    function check_P03_escrowCovers(IMarket.Job calldata job, uint32 count, uint96 price) external view {
        (, uint256 task) = _escrow(job);
        uint256 replicas = job.assurance.replicas;
        vm.assume(price <= job.price.maxPrice);
        vm.assume(_productsRise(price, job.price.maxPrice, replicas));
        unchecked {
            uint256 seats = replicas * price;
            vm.assume(_multiplies(replicas, price));
            vm.assume(_multiplies(count, seats));
            vm.assume(_multiplies(count, task));
            vm.assume(_productsRise(seats, task, count));
            assert(count * seats <= JobRules.escrowOf(job, count));
        }
    }

    /// Property: P-07 a lease of at least minLease tasks holds the pay of a whole jury beyond the most that its seats can be paid.
    function check_P07_escrowPaysJury(IMarket.Job calldata job, uint32 count) external view {
        (uint256 reserve, uint256 task) = _escrow(job);
        uint256 least = job.terms.minLease;
        unchecked {
            uint256 jury = 3 * uint256(job.price.juryFee);
            uint256 seats = job.assurance.replicas * uint256(job.price.maxPrice);
            vm.assume(count >= least);
            vm.assume(_multiplies(count, task));
            vm.assume(_distributes(count, seats, reserve));
            vm.assume(_roundsUp(jury, least));
            vm.assume(_productsRise(least, count, reserve));
            vm.assume(_multiplies(least, reserve));
            vm.assume(_multiplies(count, reserve));
            vm.assume(_multiplies(count, seats));
            vm.assume(_productsRise(seats, type(uint128).max, count));
            vm.assume(_productsRise(reserve, type(uint128).max, count));
            assert(JobRules.escrowOf(job, count) >= count * seats + jury);
        }
    }

    // ------------------------------------------------------------------ bonds and losses

    /// Property: P-05 a tenth is a tenth, rounded down, and it never reverts for an amount that the market can hold.
    function check_P05_tenth(uint96 amount) external view {
        try this.tenthOf(amount) returns (uint96 tenth) {
            assert(tenth == amount / 10);
        } catch {
            assert(false);
        }
    }

    /// Property: P-05 leaving within the first eighth of the window of the first round is free. (That it burns at most a tenth later
    /// is tried by fuzz/Money: no solver decides the quotient.)
    function check_P05_leavingEarlyIsFree(uint96 bond, uint64 elapsed, uint64 window) external pure {
        vm.assume(elapsed <= window / 8);
        assert(JobRules.latenessOf(bond, 1, elapsed, window) == 0);
    }

    /// Property: a juror risks eight jury fees, whatever the lease's size.
    function check_jurorsRisk(IMarket.Price calldata price) external pure {
        uint256 juror = JobRules.jurorBondOf(price);
        unchecked {
            assert(juror == 8 * uint256(price.juryFee));
        }
    }
}
