// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "piecework/IMarket.sol";

/// The arithmetic of docs/PROTOCOL.md, written down a second time.
library Law {
    uint256 internal constant JURY = 3;
    uint256 internal constant JURY_QUORUM = 2;

    // The market's times, in seconds; and its beacon's.
    uint64 internal constant STAKE_AGE = 200;
    uint64 internal constant LEASE_STEP = 3;
    uint64 internal constant JURY_STEP = 10;
    uint64 internal constant JURY_TIME = 60;
    uint64 internal constant REVEAL_WINDOW = 120;
    uint64 internal constant RESPOND_WINDOW = 150;
    uint64 internal constant RETRY_WINDOW = 200;
    uint64 internal constant LEAST_AUDIT_WINDOW = 60;
    uint64 internal constant LEAST_RUN_WINDOW = 10;
    uint64 internal constant MARGIN = 6;
    uint16 internal constant BLOCKS = 2;

    /// The price of a task and seat for a round whose place on the ramp is `origin`.
    function price(IMarket.Job memory job, uint256 origin) internal pure returns (uint256) {
        uint256 opensAt = job.timing.opensAt;
        if (origin >= opensAt + job.timing.ramp) return job.price.maxPrice;
        if (origin <= opensAt) return job.price.minPrice;
        uint256 climb = uint256(job.price.maxPrice) - job.price.minPrice;
        return job.price.minPrice + climb * (origin - opensAt) / job.timing.ramp;
    }

    /// What `count` tasks hold in escrow.
    function escrow(IMarket.Job memory job, uint256 count) internal pure returns (uint256) {
        uint256 jury = JURY * job.price.juryFee;
        uint256 reserve = jury / job.terms.minLease + (jury % job.terms.minLease == 0 ? 0 : 1);
        return count * (uint256(job.price.maxPrice) * job.assurance.replicas + reserve);
    }

    /// What a lease of `count` tasks, or a seat of one, locks.
    function bond(IMarket.Job memory job, uint256 count) internal pure returns (uint256) {
        return uint256(job.price.bond) * count;
    }

    /// What a juror locks.
    function jurorBond(IMarket.Job memory job) internal pure returns (uint256) {
        return 8 * uint256(job.price.juryFee);
    }

    /// The tasks that a claim gets which takes at most `wanted` of the `left` ones.
    function fit(IMarket.Job memory job, uint256 left, uint256 wanted) internal pure returns (uint256 count) {
        uint256 least = job.terms.minLease;
        count = wanted;
        if (count > job.terms.maxLease) count = job.terms.maxLease;
        if (count > left) count = left;
        if (count < least) count = least;
        if (left > count && left - count < least) count = left < 2 * least ? left : left - least;
    }

    /// What leaving costs of a bond after `elapsed` seconds.
    function lateness(IMarket.Job memory job, uint256 locked, uint256 round, uint256 elapsed)
        internal
        pure
        returns (uint256)
    {
        uint256 window = job.timing.runWindow;
        if (round == 1 && elapsed <= window / 8) return 0;
        return locked * elapsed / (10 * window);
    }
}
