// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {SeatsBase} from "./SeatsBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A posted 3/2 job of 10 tasks in leases of 4, 4 and 2, whose seed is known, at a time at which all six providers are
/// drawn for its first lease; the acts of redundant leases, each of which leaves the books as they must be.
abstract contract RedundantBase is SeatsBase {
    bytes32 internal constant SEED = keccak256("seed");
    bytes32 internal constant OTHER = keccak256("another root");
    bytes32 internal constant THIRD = keccak256("a third root");
    uint8 internal constant LEASE = 0;
    /// The growth of the draw of a job with `runWindow` 800.
    uint64 internal constant STEP = 200;

    /// A lease of 4 tasks: a seat's bond and price, what of that it is paid and what is fee, and the escrow of three seats.
    uint256 internal constant BOND = 4 * uint256(UNIT);
    uint256 internal constant GROSS = 8 * uint256(UNIT);
    uint256 internal constant PAY = GROSS - GROSS * FEE / 10_000;
    uint256 internal constant ESCROW = 3 * GROSS;

    function setUp() public virtual override {
        super.setUp();
        postThis(redundantJob(3, 2));
        awaken(0);
    }

    /// Publishes the seed of the lease's point, and waits until everybody is drawn.
    function awaken(uint32 first) internal {
        uint64 point =
            lease(first).phase == IMarket.Phase.None ? market.jobOf(jobId).point : lease(first).point;
        if (beacon.seed(point) == 0) publish(point, SEED);
        uint64 from = beacon.timeOf(point);
        if (from < job.timing.opensAt) from = job.timing.opensAt;
        if (from < lease(first).origin) from = lease(first).origin;
        from += 4
            * (job.timing.runWindow / 4 < times().leaseStep ? times().leaseStep : job.timing.runWindow / 4);
        if (time() < from) vm.warp(from);
    }

    // ------------------------------------------------------------------ acts

    function join(uint32 first, address who) internal {
        vm.prank(who);
        market.join(job, first, round, who);
        assertBooks();
    }

    function commit(uint32 first, address who, bytes32 root) internal {
        commitTo(first, who, committed(first, LEASE, who, root, DIGESTS));
    }

    function commitTo(uint32 first, address who, bytes32 commitment_) internal {
        vm.prank(who);
        market.commit(job, first, round, who, commitment_);
        assertBooks();
    }

    function leave(uint32 first, address who) internal {
        vm.prank(who);
        market.leave(job, first, round, who);
        assertBooks();
    }

    function settle(uint32 first, IMarket.Opening[] memory openings) internal {
        vm.prank(anyone);
        market.settle(job, first, round, openings);
        assertBooks();
    }

    /// alice, bob and carol commit to these roots in lease 0.
    function threeCommit(bytes32 a, bytes32 b, bytes32 c) internal {
        commit(0, alice, a);
        commit(0, bob, b);
        commit(0, carol, c);
    }

    /// alice and bob commit to these roots in lease 0.
    function twoCommit(bytes32 a, bytes32 b) internal {
        commit(0, alice, a);
        commit(0, bob, b);
    }

    /// Ends the first round without a result: alice was late.
    function spoil(uint32 first) internal {
        join(first, alice);
        commit(first, bob, ROOT);
        vm.warp(commitBy(first) + 1);
        settle(first, panel(named(alice), named(bob)));
        round = 2;
    }

    // ------------------------------------------------------------------ openings

    function opens(address who, bytes32 root) internal view returns (IMarket.Opening memory) {
        return entry(who, root, DIGESTS);
    }

    /// alice's, bob's and carol's.
    function three(bytes32 a, bytes32 b, bytes32 c) internal view returns (IMarket.Opening[] memory) {
        return panel(opens(alice, a), opens(bob, b), opens(carol, c));
    }

    function two(bytes32 a, bytes32 b) internal view returns (IMarket.Opening[] memory) {
        return panel(opens(alice, a), opens(bob, b));
    }

    // ------------------------------------------------------------------ reading

    function commitBy(uint32 first) internal view returns (uint64) {
        return lease(first).since + job.timing.runWindow;
    }

    function assertSeat(uint32 first, address who, IMarket.Seat expected) internal view {
        assertSeat(first, LEASE, who, expected);
    }

    /// The lease's phase and round, and what its round has.
    function assertLease(
        uint32 first,
        IMarket.Phase phase,
        uint16 round_,
        uint64 since,
        uint8 seats,
        uint8 commits
    ) internal view {
        IMarket.LeaseState memory l = lease(first);
        assertEq(uint8(l.phase), uint8(phase), "phase");
        assertEq(l.round, round_, "round");
        assertEq(l.since, since, "since");
        assertEq(l.seats, seats, "seats");
        assertEq(l.commits, commits, "commits");
        assertEq(l.provider, address(0), "no holder");
    }

    /// Lease 0 is free for its second round, since now, with a new point.
    function assertLapsed() internal view {
        assertLease(0, IMarket.Phase.Free, 2, time(), 0, 0);
        assertEq(lease(0).opened, 0);
        assertEq(lease(0).point, beacon.point(), "a new point");
        (bytes32 root, uint32 count, IMarket.Grade grade) = market.resultRoot(jobId, 0);
        assertTrue(root == 0 && count == 0 && grade == IMarket.Grade.None, "no result");
    }

    function expectSettled(IMarket.Grade grade, uint256 paid, uint256 fee, uint256 burned, uint256 refunded)
        internal
    {
        vm.expectEmit(address(market));
        // forge-lint: disable-next-line(unsafe-typecast)
        emit IMarket.Settled(jobId, 0, grade, uint128(paid), uint128(fee), uint128(burned), uint128(refunded));
    }

    /// Lease 0 goes to its next round with a new point.
    function expectFreed(IMarket.Reason reason) internal {
        uint64 point = beacon.point();
        vm.expectEmit(address(market));
        emit IMarket.Freed(jobId, 0, address(0), round + 1, reason, 0);
        vm.expectEmit(address(market));
        emit IMarket.PointSet(jobId, 0, point);
    }
}
