// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";

/// @title What a job may say, and what follows from it
/// @notice The checks of `post`, the claim, the ramp, bonds, lateness and the escrow: all arithmetic of the market,
/// without state.
library JobRules {
    /// @notice Jurors of an audit.
    uint8 internal constant JURY = 3;
    /// @notice Equal votes that decide.
    uint8 internal constant JURY_QUORUM = 2;
    /// @notice A juror's bond, in jury fees.
    uint256 internal constant JUROR_BOND = 8;
    /// @notice Basis points of a bond that are burned for a whole run window of lateness, or for an act that failed
    /// without fault: 10 %.
    uint256 internal constant TENTH = 1000;
    /// @notice Leaving within this part of the run window is free in a lease's first round: an eighth.
    uint256 internal constant FREE_PART = 8;

    /// @notice Most tasks in an ordinary lease: a digest list, and a proof against its root, stay small.
    uint32 internal constant MAX_LEASE = 2048;
    /// @notice Most seats of a lease.
    uint8 internal constant MAX_REPLICAS = 15;
    /// @notice Longest ramp and longest window, in seconds.
    uint64 internal constant MAX_WINDOW = 30 days;
    /// @notice Latest opening and closing, in seconds from `post`.
    uint64 internal constant MAX_AHEAD = 365 days;
    /// @notice Longest job spec, in bytes.
    uint256 internal constant MAX_SPEC = 16_384;
    /// @notice The most that the market holds, and hence the largest of all amounts.
    uint96 internal constant MAX_AMOUNT = type(uint96).max;

    uint256 private constant BPS = 10_000;

    // ------------------------------------------------------------------ what `post` refuses

    /// @notice Reverts unless the job can be posted now.
    /// @param leastRun least run window of the market, in seconds
    /// @param leastAudit least audit window of the market, in seconds
    /// @return escrow what its worst case costs
    function check(IMarket.Job calldata job, bytes calldata spec, uint64 leastRun, uint64 leastAudit)
        internal
        view
        returns (uint96 escrow)
    {
        _checkAssurance(job);
        _checkLease(job.terms, job.assurance.replicas);
        _checkTiming(job, leastRun, leastAudit);
        if (spec.length > MAX_SPEC) revert IMarket.SpecTooLong(spec.length, MAX_SPEC);
        bytes32 digest = keccak256(spec);
        if (digest != job.terms.spec) revert IMarket.SpecMismatch(job.terms.spec, digest);
        _checkPrice(job);
        escrow = escrowOf(job, job.terms.tasks);
    }

    /// @notice `window`, if it is neither shorter than `min` nor too long.
    function checkWindow(uint64 window, uint64 min) internal pure returns (uint64) {
        if (window < min || window > MAX_WINDOW) revert IMarket.BadWindow(window, min, MAX_WINDOW);
        return window;
    }

    function _checkAssurance(IMarket.Job calldata job) private pure {
        if (job.terms.tasks == 0) revert IMarket.NoTasks();
        IMarket.Assurance calldata assurance = job.assurance;
        uint8 replicas = assurance.replicas;
        uint8 quorum = assurance.quorum;
        uint16 auditBps = assurance.auditBps;
        // A true majority; with one seat (and only then) that is a quorum of one.
        if (
            replicas == 0 || replicas > MAX_REPLICAS || quorum > replicas || 2 * uint256(quorum) <= replicas
                || (quorum == 1) != (replicas == 1)
        ) revert IMarket.BadQuorum(replicas, quorum);
        bool proven = assurance.verifier != address(0);
        if (replicas != 1 && (auditBps != 0 || proven)) revert IMarket.OneReplicaOnly(replicas);
        if (auditBps != 0 && proven) revert IMarket.AuditsOrVerifier(auditBps, assurance.verifier);
        bool audits = auditBps != 0;
        if (auditBps > BPS || (job.price.juryFee != 0) != audits || (job.timing.auditWindow != 0) != audits) {
            revert IMarket.BadAudit(auditBps, job.price.juryFee, job.timing.auditWindow);
        }
        if (assurance.refund && !audits) revert IMarket.RefundNeedsAudits();
    }

    function _checkLease(IMarket.Terms calldata terms, uint8 replicas) private pure {
        uint256 least = terms.minLease;
        uint256 most = terms.maxLease;
        uint32 max = replicas == 1 ? MAX_LEASE : type(uint32).max;
        bool bad = least == 0 || least > terms.tasks || most > max;
        if (replicas == 1) {
            // Otherwise a claim could leave a rest that no lease fits.
            uint256 needed = 2 * least - (least == 0 ? 0 : 1);
            bad = bad || most < (needed < terms.tasks ? needed : terms.tasks);
        } else {
            bad = bad || most != least;
        }
        if (bad) revert IMarket.BadLeaseSize(terms.minLease, terms.maxLease, max);
    }

    function _checkTiming(IMarket.Job calldata job, uint64 leastRun, uint64 leastAudit) private view {
        IMarket.Timing calldata timing = job.timing;
        uint64 opensAt = timing.opensAt;
        uint64 closesAt = timing.closesAt;
        uint64 maxRamp = job.assurance.replicas == 1 ? MAX_WINDOW : 0;
        if (timing.ramp > maxRamp) revert IMarket.BadWindow(timing.ramp, 0, maxRamp);
        checkWindow(timing.runWindow, leastRun);
        checkWindow(timing.auditWindow, job.assurance.auditBps == 0 ? 0 : leastAudit);
        uint256 latest = block.timestamp + MAX_AHEAD;
        if (closesAt <= opensAt || closesAt < block.timestamp || opensAt > latest || closesAt > latest) {
            revert IMarket.BadSchedule(opensAt, closesAt);
        }
    }

    function _checkPrice(IMarket.Job calldata job) private pure {
        IMarket.Price calldata price = job.price;
        uint128 minPrice = price.minPrice;
        uint128 maxPrice = price.maxPrice;
        if (minPrice > maxPrice || (job.assurance.replicas != 1 && minPrice != maxPrice)) {
            revert IMarket.BadPriceRange(minPrice, maxPrice);
        }
        if (price.juryFee != 0 && price.bond == 0) revert IMarket.BondNeeded();
        // 128 + 32 bits, 128 + 3 bits: no overflow.
        amountOf(uint256(price.bond) * job.terms.maxLease);
        jurorBondOf(price);
    }

    /// @notice `amount` as it is kept. Reverts if it is too large.
    function amountOf(uint256 amount) internal pure returns (uint96) {
        if (amount > MAX_AMOUNT) revert IMarket.AmountTooLarge(amount, MAX_AMOUNT);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint96(amount);
    }

    // ------------------------------------------------------------------ leases

    /// @notice How many of the `left` tasks, at least one, a claim of at most `wanted` takes: what is left afterwards is 0
    /// or at least `least`, and the lease has `least` to `most` tasks (for `most >= min(tasks, 2 * least - 1)`).
    function clamp(uint32 left, uint32 least, uint32 most, uint32 wanted)
        internal
        pure
        returns (uint32 count)
    {
        count = wanted < most ? wanted : most;
        if (count > left) count = left;
        if (count < least) count = least;
        uint256 rest = left - count;
        if (rest != 0 && rest < least) count = left >= 2 * uint256(least) ? left - least : left;
    }

    /// @notice The price of a task and seat at `time` on the ramp. Rounds down.
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

    /// @notice What `count` tasks cost in a round whose place on the ramp is `origin`, for one seat.
    function grossOf(IMarket.Job calldata job, uint256 origin, uint32 count) internal pure returns (uint96) {
        return amountOf(uint256(priceAt(job.price, job.timing, origin)) * count);
    }

    /// @notice The protocol's part of what a seat is paid. Rounds down.
    function feeOf(uint96 gross, uint16 feeBps) internal pure returns (uint96) {
        return amountOf(uint256(gross) * feeBps / BPS);
    }

    /// @notice The bond of a lease, or of a seat of one.
    function bondOf(IMarket.Price calldata price, uint32 count) internal pure returns (uint96) {
        return amountOf(uint256(price.bond) * count);
    }

    /// @notice The bond of a juror, whatever the lease's size.
    function jurorBondOf(IMarket.Price calldata price) internal pure returns (uint96) {
        return amountOf(JUROR_BOND * price.juryFee);
    }

    /// @notice What `count` tasks hold in escrow: their worst case. It is linear, so any split into leases is covered, and a
    /// lease of at least `minLease` tasks holds a whole jury's pay. That is 0 without audits.
    function escrowOf(IMarket.Job calldata job, uint32 count) internal pure returns (uint96) {
        uint256 least = job.terms.minLease;
        uint256 reserve = (JURY * uint256(job.price.juryFee) + least - 1) / least;
        // 32 bits and the greater of 8 + 128 and 2 + 128 bits.
        return amountOf(count * (job.assurance.replicas * uint256(job.price.maxPrice) + reserve));
    }

    // ------------------------------------------------------------------ losses

    /// @notice A tenth. Rounds down.
    function tenthOf(uint256 amount) internal pure returns (uint96) {
        return amountOf(amount * TENTH / BPS);
    }

    /// @notice What leaving burns of `bond`, `elapsed` seconds after the round began: nothing in the first eighth of a
    /// lease's first round, otherwise a tenth for a whole `window`, in proportion. Rounds down.
    function latenessOf(uint96 bond, uint16 round, uint256 elapsed, uint64 window)
        internal
        pure
        returns (uint96)
    {
        if (round == 1 && elapsed <= window / FREE_PART) return 0;
        return amountOf(uint256(bond) * TENTH * elapsed / (BPS * uint256(window)));
    }
}
