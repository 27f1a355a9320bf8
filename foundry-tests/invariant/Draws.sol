// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Merkle} from "../helpers/Merkle.sol";
import {Book, Books, Lease, Posting} from "./Book.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";

/// Chance and outputs: who is drawn and when, which lease is audited, what tasks print. Computed apart from the market.
library Draws {
    using Books for Book;
    using Leases for Posting;

    uint256 internal constant NEVER = type(uint64).max;

    /// What is hashed, behind the chain and the market.
    struct Ticket {
        bytes32 seed;
        uint8 kind;
        bytes32 jobId;
        uint32 first;
        uint16 round;
        uint32 task;
        address provider;
    }

    function lot(World storage w, Ticket memory ticket) internal view returns (uint256) {
        return uint256(keccak256(abi.encode(block.chainid, address(w.market), ticket)));
    }

    /// When `who` is drawn for one of `places` seats: at the first k with lot / 2^128 < weight / total * places * 2^k.
    function stepOf(World storage w, uint256 hash, address who, uint256 when, uint256 places)
        internal
        view
        returns (uint256 k)
    {
        uint256 weight = w.book.weight(who, when);
        if (weight == 0) return NEVER;
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 line = uint256(uint128(hash)) * w.book.totalWeight(when);
        while (line >= weight * places * 2 ** (128 + k)) ++k;
    }

    function agedBefore(uint256 when) internal pure returns (uint256) {
        return when > Law.STAKE_AGE ? when - Law.STAKE_AGE : 0;
    }

    /// When `who` can take a seat of the redundant lease's round; NEVER if it cannot.
    function forLease(World storage w, uint256 j, uint256 l, address who) internal view returns (uint256) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        if (job.job.terms.providers != 0) return 0;
        bytes32 seed = w.book.seeds[lease.point];
        if (seed == 0) return NEVER;
        uint256 hash = lot(w, Ticket(seed, 0, job.id, lease.first, lease.round, 0, who));
        uint256 k = stepOf(w, hash, who, agedBefore(job.postedAt), job.job.assurance.replicas);
        if (k > 4) return NEVER;
        uint256 start = lease.point >> 24;
        if (job.job.timing.opensAt > start) start = job.job.timing.opensAt;
        if (lease.origin > start) start = lease.origin;
        uint256 step = job.job.timing.runWindow / 4;
        return start + k * (step < Law.LEASE_STEP ? Law.LEASE_STEP : step);
    }

    /// The point, and the number, of the jury that sits or can sit now; (0, 0) if there is none.
    function juryOf(World storage w, uint256 j, uint256 l) internal view returns (uint64 point, uint8 jury) {
        Lease storage lease = w.book.jobs[j].leases[l];
        uint8 phase = uint8(lease.phase);
        if (phase == 3) return (lease.point, 1);
        if (phase == 4) return (lease.auditPoint, lease.jury);
        if (phase == 5) return (lease.auditPoint, 2);
    }

    /// When `who` can take a seat of the jury; NEVER if it cannot.
    function forJury(World storage w, uint256 j, uint256 l, address who) internal view returns (uint256) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        (uint64 point, uint8 jury) = juryOf(w, j, l);
        bytes32 seed = w.book.seeds[point];
        if (seed == 0) return NEVER;
        uint32 task = lease.jury == 0 ? auditedTask(w, j, l) : lease.task;
        uint256 hash = lot(w, Ticket(seed, jury, job.id, lease.first, lease.round, task, who));
        uint256 k = stepOf(w, hash, who, agedBefore(lease.since), Law.JURY);
        return k > 2 ? NEVER : (point >> 24) + k * Law.JURY_STEP;
    }

    /// Whether chance orders an audit of the submitted lease, once its seed is known.
    function isAudited(World storage w, uint256 j, uint256 l) internal view returns (bool) {
        bytes32 seed = w.book.seeds[w.book.jobs[j].leases[l].point];
        return seed != 0 && coin(w, j, l, seed);
    }

    function coin(World storage w, uint256 j, uint256 l, bytes32 seed) internal view returns (bool) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        uint256 hash = lot(w, Ticket(seed, 3, job.id, lease.first, lease.round, 0, address(0)));
        return hash % 10_000 < job.job.assurance.auditBps;
    }

    function auditedTask(World storage w, uint256 j, uint256 l) internal view returns (uint32) {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        bytes32 seed = w.book.seeds[lease.point];
        uint256 hash = lot(w, Ticket(seed, 4, job.id, lease.first, lease.round, 0, address(0)));
        // forge-lint: disable-next-line(unsafe-typecast)
        return lease.first + uint32(hash % lease.count);
    }

    /// The point that the beacon names now.
    function pointNow() internal view returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return (Books.time() + Law.MARGIN) << 24 | uint24(Worlds.height() + Law.BLOCKS);
    }

    // ------------------------------------------------------------------ outputs

    function digest(uint256 j, uint256 task, uint256 lie) internal pure returns (bytes32) {
        return keccak256(abi.encode("output", j, task, lie));
    }

    /// The lease's digests; with a lie all of them are made up.
    function digests(World storage w, uint256 j, uint256 l, uint256 lie)
        internal
        view
        returns (bytes32[] memory all)
    {
        Lease storage lease = w.book.jobs[j].leases[l];
        all = new bytes32[](lease.count);
        for (uint256 i; i < all.length; ++i) {
            all[i] = digest(j, lease.first + i, lie);
        }
    }

    function rootOf(World storage w, uint256 j, uint256 l, uint256 lie) internal view returns (bytes32) {
        return Merkle.root(w.book.jobs[j].leases[l].first, digests(w, j, l, lie));
    }

    function pathOf(World storage w, uint256 j, uint256 l, uint256 lie, uint32 task)
        internal
        view
        returns (bytes32[] memory)
    {
        return Merkle.proof(w.book.jobs[j].leases[l].first, digests(w, j, l, lie), task);
    }
}
