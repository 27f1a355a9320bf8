// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {IMarket} from "piecework/IMarket.sol";
import {JobRules} from "piecework/JobRules.sol";

/// The market's arithmetic: price ramp, split, bonds, slashes, deposits. What `post` admits is
/// assumed of a job, nothing else.
contract RulesProof is Symbolic {
    // External, so that a revert can be seen.

    function split(uint128 maxPrice, uint96 price, uint32 count, uint16 feeBps)
        external
        pure
        returns (uint96 paid, uint96 fee, uint96 refunded)
    {
        return JobRules.split(maxPrice, price, count, feeBps);
    }

    function slashOf(uint256 bond, uint256 slashBps) external pure returns (uint96) {
        return JobRules.slashOf(bond, slashBps);
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

    /// A fee of up to 500 basis points is at most a twentieth.
    function _isTwentieth(uint256 gross, uint16 feeBps) private pure returns (bool) {
        unchecked {
            return gross * feeBps / 10_000 * 20 <= gross;
        }
    }

    /// Property: lemma of the split: a fee of up to 500 basis points is at most a twentieth.
    function check_lemmaTwentieth(uint96 gross, uint16 feeBps) external pure {
        vm.assume(feeBps <= 500 && _productsRise(feeBps, 500, gross));
        assert(_isTwentieth(gross, feeBps));
    }

    /// Property: lemma of the split: products rise with their factors (96 bits each: no overflow).
    function check_lemmaProductsRise(uint96 lesser, uint96 greater, uint96 factor) external pure {
        vm.assume(lesser <= greater);
        assert(_productsRise(lesser, greater, factor));
    }

    // ------------------------------------------------------------------ the price

    /// Property: the price is minPrice until the job opens (if it ramps), maxPrice from the ramp's end on.
    function check_priceEnds(IMarket.Price calldata price, IMarket.Timing calldata timing, uint64 time)
        external
        pure
    {
        _assumePosted(price, timing);
        uint256 end = uint256(timing.opensAt) + timing.ramp;
        vm.assume(time <= timing.opensAt || time >= end);
        uint96 p = JobRules.priceAt(price, timing, time);
        assert(p == (time >= end ? price.maxPrice : price.minPrice));
    }

    // ------------------------------------------------------------------ the split

    /// Property: P-10 what a settled lease pays, its fee and the refund add up to its escrow, to the unit;
    /// the fee is at most 5 % of what is paid for the tasks, and it never reverts.
    function check_P10_splitIsWhole(uint128 maxPrice, uint96 price, uint32 count, uint16 feeBps)
        external
        view
    {
        unchecked {
            uint256 escrow = uint256(maxPrice) * count;
            uint256 gross = uint256(price) * count;
            vm.assume(price <= maxPrice && maxPrice <= MAX && feeBps <= 500 && escrow <= MAX);
            vm.assume(_productsRise(price, maxPrice, count) && _isTwentieth(gross, feeBps));
            try this.split(maxPrice, price, count, feeBps) returns (
                uint96 paid, uint96 fee, uint96 refunded
            ) {
                assert(uint256(paid) + fee + refunded == escrow);
                assert(uint256(paid) + fee == gross);
                assert(uint256(fee) * 20 <= gross);
            } catch {
                assert(false);
            }
        }
    }

    /// Property: P-03 a lease's escrow covers the most that its seats can be paid, at any time.
    function check_P03_escrowCovers(IMarket.Job calldata job, uint32 count, uint96 price) external pure {
        vm.assume(price <= job.price.maxPrice);
        uint96 escrow = JobRules.escrowOf(job, count);
        unchecked {
            uint256 seats = uint256(count) * job.terms.replicas;
            assert(seats * price <= escrow);
        }
    }

    // ------------------------------------------------------------------ bonds and slashes

    /// Property: P-11 a slash takes at most the bond; expiry a tenth and late release a fiftieth of it, rounded
    /// down, and it never reverts.
    function check_P11_slashWithinBond(uint96 bond) external view {
        try this.slashOf(bond, JobRules.LIVENESS_SLASH) returns (uint96 slash) {
            assert(slash == bond / 10);
        } catch {
            assert(false);
        }
        try this.slashOf(bond, JobRules.RELEASE_SLASH) returns (uint96 slash) {
            assert(slash == bond / 50);
        } catch {
            assert(false);
        }
    }

    /// Property: P-11 an optimistic bond covers what a lost jury costs: the majority's fees and the reward.
    function check_P11_bondCoversJury(IMarket.Price calldata price, uint32 count) external pure {
        uint96 bond = JobRules.bondOf(price, count);
        unchecked {
            uint256 jury = 2 * JobRules.JURY * price.juryFee;
            uint256 ofTasks = uint256(price.bond) * count;
            assert(bond >= jury && bond >= ofTasks);
            assert(bond == jury || bond == ofTasks);
        }
    }

    /// Property: a jury together risks what the lease's provider does (rounding apart: less than JURY
    /// units), each juror at least the bond of a task.
    function check_jurorsRisk(IMarket.Price calldata price, uint32 count) external pure {
        uint256 bond = JobRules.bondOf(price, count);
        uint256 juror = JobRules.jurorBondOf(price, count);
        assert(juror >= price.bond);
        unchecked {
            assert(juror * JobRules.JURY + JobRules.JURY > bond);
        }
    }

    /// Property: a challenge's deposit pays a whole jury, and each next one is twice the last.
    function check_depositPaysJury(IMarket.Price calldata price) external pure {
        // A loop, for a shift by a symbolic number is dear. Larger deposits revert, and end a path.
        uint256 last = JobRules.depositOf(price, 0);
        unchecked {
            assert(last == JobRules.JURY * price.juryFee);
            for (uint8 earlier = 1; earlier <= 4; ++earlier) {
                uint256 deposit = JobRules.depositOf(price, earlier);
                assert(deposit == 2 * last);
                last = deposit;
            }
        }
    }
}
