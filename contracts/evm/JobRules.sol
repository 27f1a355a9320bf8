// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title What a job may say, and what follows from it
/// @notice The checks of `post`, the price ramp, the bond of a lease and the split of its escrow:
/// all arithmetic of the market, without state.
library JobRules {
    /// @notice Jurors of a dispute.
    uint256 internal constant JURY = 3;
    /// @notice Basis points of a bond that are burned when its lease expires: 10 %.
    uint256 internal constant LIVENESS_SLASH = 1000;
    /// @notice Basis points of a bond that are burned by a late `release`: 2 %.
    uint256 internal constant RELEASE_SLASH = 200;
    /// @notice A `release` within this part of the run window is free: an eighth.
    uint256 internal constant FREE_RELEASE_PART = 8;

    /// @notice Most tasks in an optimistic lease: `respond` (all leaves in one call) must fit a block.
    uint32 internal constant MAX_OPTIMISTIC_LEASE = 2048;
    /// @notice Most seats of a lease.
    uint8 internal constant MAX_REPLICAS = 15;
    /// @notice Longest ramp and longest window, in seconds: 30 days.
    uint64 internal constant MAX_WINDOW = 30 days;
    /// @notice Latest time that is kept.
    uint64 internal constant MAX_TIME = type(uint40).max;
    /// @notice Longest job spec, in bytes.
    uint256 internal constant MAX_SPEC = 16_384;
    /// @notice The most that the market holds, and hence the largest of all amounts.
    uint96 internal constant MAX_AMOUNT = type(uint96).max;

    uint256 private constant BPS = 10_000;

    /// @notice Reverts unless the job can be posted now, and runs on this market.
    /// @return escrow what its worst case costs
    function check(IMarket.Job calldata job, bytes calldata spec) internal view returns (uint96 escrow) {
        _checkTerms(job.terms);
        _checkTiming(job.timing);
        if (spec.length > MAX_SPEC) revert IMarket.SpecTooLong(spec.length, MAX_SPEC);
        bytes32 digest = keccak256(spec);
        if (digest != job.terms.spec) revert IMarket.SpecMismatch(job.terms.spec, digest);
        _checkPrice(job.terms, job.price);
        escrow = escrowOf(job, job.terms.tasks);
    }

    /// @notice `window`, if it is neither zero nor too long.
    function checkWindow(uint64 window) internal pure returns (uint64) {
        if (window == 0 || window > MAX_WINDOW) revert IMarket.BadWindow(window, MAX_WINDOW);
        return window;
    }

    function _checkTerms(IMarket.Terms calldata terms) private pure {
        uint8 replicas = terms.replicas;
        uint8 quorum = terms.quorum;
        if (terms.tasks == 0) revert IMarket.NoTasks();
        uint32 maxLease = terms.maxLease;
        uint32 most = replicas == 1 ? MAX_OPTIMISTIC_LEASE : type(uint32).max;
        if (maxLease == 0 || maxLease > most) revert IMarket.BadMaxLease(maxLease, most);
        // A true majority; with one seat (and only then) that is a quorum of one.
        if (
            replicas == 0 || replicas > MAX_REPLICAS || quorum > replicas || 2 * uint256(quorum) <= replicas
                || (quorum == 1) != (replicas == 1)
        ) revert IMarket.BadQuorum(replicas, quorum);
        if (terms.verifier != address(0) && replicas != 1) revert IMarket.VerifierNeedsOneReplica(replicas);
    }

    function _checkTiming(IMarket.Timing calldata timing) private view {
        uint64 opensAt = timing.opensAt;
        uint64 closesAt = timing.closesAt;
        if (timing.ramp > MAX_WINDOW) revert IMarket.BadWindow(timing.ramp, MAX_WINDOW);
        checkWindow(timing.runWindow);
        if (timing.challengeWindow > MAX_WINDOW) {
            revert IMarket.BadWindow(timing.challengeWindow, MAX_WINDOW);
        }
        if (closesAt < opensAt || closesAt < block.timestamp || closesAt > MAX_TIME) {
            revert IMarket.BadSchedule(opensAt, closesAt);
        }
    }

    function _checkPrice(IMarket.Terms calldata terms, IMarket.Price calldata price) private pure {
        if (price.minPrice > price.maxPrice) {
            revert IMarket.BadPriceRange(price.minPrice, price.maxPrice);
        }
        // 128 + 32 bits, 128 + 3 bits: no overflow.
        amountOf(uint256(price.bond) * terms.maxLease);
        amountOf(2 * JURY * price.juryFee);
    }

    /// @notice `amount` as it is kept. Reverts if it is too large.
    function amountOf(uint256 amount) internal pure returns (uint96) {
        if (amount > MAX_AMOUNT) revert IMarket.AmountTooLarge(amount, MAX_AMOUNT);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint96(amount);
    }

    /// @notice The price of a task and seat in a round that begins at `time`. Rounds down.
    function priceAt(IMarket.Price calldata price, IMarket.Timing calldata timing, uint256 time)
        internal
        pure
        returns (uint96)
    {
        uint256 opensAt = timing.opensAt;
        uint256 ramp = timing.ramp;
        uint256 maxPrice = price.maxPrice;
        uint256 minPrice = price.minPrice;
        uint256 climb = maxPrice - minPrice;
        unchecked {
            // 65 bits; 128 + 64 bits.
            if (time >= opensAt + ramp) return amountOf(maxPrice);
            if (time <= opensAt) return amountOf(minPrice);
            return amountOf(minPrice + climb * (time - opensAt) / ramp);
        }
    }

    /// @notice The bond of an optimistic lease: never less than what a lost jury costs.
    function bondOf(IMarket.Price calldata price, uint32 count) internal pure returns (uint96) {
        unchecked {
            // 128 + 32 bits; 128 + 3 bits.
            uint256 bond = uint256(price.bond) * count;
            uint256 least = 2 * JURY * price.juryFee;
            return amountOf(bond > least ? bond : least);
        }
    }

    /// @notice What `count` tasks hold in escrow: their worst case.
    function escrowOf(IMarket.Job calldata job, uint32 count) internal pure returns (uint96) {
        // 32 + 8 + 128 bits.
        return amountOf(uint256(count) * job.terms.replicas * job.price.maxPrice);
    }

    /// @notice The bond of a seat of a redundant lease.
    function seatBondOf(IMarket.Price calldata price, uint32 count) internal pure returns (uint96) {
        unchecked {
            return amountOf(uint256(price.bond) * count); // 128 + 32 bits
        }
    }

    /// @notice The bond of a juror over a lease of `count` tasks: a jury together risks what the lease's
    /// provider does. Rounds down.
    function jurorBondOf(IMarket.Price calldata price, uint32 count) internal pure returns (uint96) {
        uint256 share = bondOf(price, count) / JURY;
        return amountOf(price.bond > share ? price.bond : share);
    }

    /// @notice K, the deposit of a round's challenge after `earlier` others: twice the last one.
    function depositOf(IMarket.Price calldata price, uint8 earlier) internal pure returns (uint96) {
        // 95 bits (`check`), and at most 96: no round has a 96th challenge, no market that much.
        return amountOf(JURY * price.juryFee << (earlier < 96 ? earlier : 96));
    }

    /// @notice Splits the escrow `maxPrice * count` of a lease that ended well at `price`. The fee
    /// rounds down; the other two are what is left.
    function split(uint128 maxPrice, uint96 price, uint32 count, uint16 feeBps)
        internal
        pure
        returns (uint96 paid, uint96 fee, uint96 refunded)
    {
        unchecked {
            // No part is more than the whole: `price <= maxPrice`, `feeBps <= BPS`.
            uint96 whole = amountOf(uint256(maxPrice) * count);
            uint256 gross = uint256(price) * count;
            // forge-lint: disable-next-item(unsafe-typecast)
            fee = uint96(gross * feeBps / BPS);
            // forge-lint: disable-next-item(unsafe-typecast)
            paid = uint96(gross - fee);
            // forge-lint: disable-next-item(unsafe-typecast)
            refunded = uint96(whole - gross);
        }
    }

    /// @notice What is burned of a bond; rounds down, the rest returns to the provider.
    function slashOf(uint256 bond, uint256 slashBps) internal pure returns (uint96) {
        return amountOf(bond * slashBps / BPS);
    }
}
