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

    /// What is more stays more, times the same.
    function _productsRise(uint256 lesser, uint256 greater, uint256 factor) private pure returns (bool) {
        unchecked {
            return lesser * factor <= greater * factor;
        }
    }

    /// Property: lemma of fees and losses: products rise with their factors (224 bits: no overflow).
    function check_lemmaProductsRise(uint128 lesser, uint128 greater, uint96 factor) external pure {
        vm.assume(lesser <= greater);
        assert(_productsRise(lesser, greater, factor));
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
        vm.assume(feeBps <= 500 && _productsRise(feeBps, 500, gross));
        try this.feeOf(gross, feeBps) returns (uint96 fee) {
            unchecked {
                assert(uint256(fee) * 20 <= gross);
            }
        } catch {
            assert(false);
        }
    }

    /// Property: P-03 a lease's escrow covers the most that its seats can be paid, at any time.
    function check_P03_escrowCovers(IMarket.Job calldata job, uint32 count, uint96 price) external pure {
        uint256 replicas = job.assurance.replicas;
        uint256 least = job.terms.minLease;
        vm.assume(least != 0 && job.price.maxPrice <= MAX && job.price.juryFee <= MAX);
        unchecked {
            uint256 reserve = (3 * uint256(job.price.juryFee) + least - 1) / least;
            uint256 task = replicas * uint256(job.price.maxPrice) + reserve;
            vm.assume(replicas * price <= task && _productsRise(replicas * price, task, count));
            assert(replicas * price * count <= JobRules.escrowOf(job, count));
        }
    }

    /// Property: P-07 a lease of at least minLease tasks holds the pay of a whole jury beyond its price. (A few values of
    /// minLease: no solver decides a quotient by a symbolic number.)
    function check_P07_escrowPaysJury(IMarket.Job calldata job, uint32 count) external pure {
        uint32[3] memory sizes = [uint32(1), 2, 10];
        vm.assume(job.assurance.replicas == 1 && job.price.maxPrice <= MAX && job.price.juryFee <= MAX);
        for (uint256 i = 0; i < sizes.length; ++i) {
            uint256 least = sizes[i];
            if (job.terms.minLease != least) continue;
            vm.assume(count >= least && count <= JobRules.MAX_LEASE);
            unchecked {
                uint256 jury = 3 * uint256(job.price.juryFee);
                uint256 reserve = (jury + least - 1) / least;
                assert(least * reserve >= jury);
                vm.assume(_productsRise(least, count, reserve));
                assert(JobRules.escrowOf(job, count) >= job.price.maxPrice * uint256(count) + jury);
            }
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
