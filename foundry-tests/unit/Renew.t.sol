// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// renew: a free redundant lease gets a new point if its own is dead or missing.
///
/// | lease  | its point                                         | renew            |
/// | ------ | ------------------------------------------------- | ---------------- |
/// | Free   | dead (BlockBeacon: 256 blocks or a day over)      | PointSet         |
/// | Free   | missing (the beacon failed when the round ended)  | PointSet         |
/// | Free   | its seed is known, or can be                      | PointAlive       |
/// | others |                                                   | WrongPhase       |
contract RenewTest is RedundantBase {
    function setUp() public override {
        super.setUp();
        postThis(redundantJob(3, 2)); // its seed is not known
    }

    function _point() private view returns (uint64) {
        return market.jobOf(jobId).point;
    }

    function _alive(uint64 point) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.PointAlive.selector, point);
    }

    function _expectPoint(uint32 first) private returns (uint64 point) {
        point = beacon.point();
        vm.expectEmit(address(market));
        emit IMarket.PointSet(jobId, first, point);
    }

    function _renew(uint32 first) private {
        vm.prank(anyone);
        market.renew(job, first);
        assertBooks();
    }

    function test_renew_aPointWhoseBlockIsForgotten() public {
        uint64 point = _point();
        uint256 height = point & 0xffffff;
        vm.roll(height + 256);
        vm.expectRevert(_alive(point));
        _renew(0);
        vm.roll(height + 257);
        uint64 fresh = _expectPoint(0);
        _renew(0);
        assertLease(0, IMarket.Phase.Free, 1, market.jobOf(jobId).postedAt, 0, 0);
        assertEq(lease(0).point, fresh);
        assertEq(_point(), point, "the job keeps its own");
        assertEq(lease(0).count, 4);
        publish(fresh, SEED);
        vm.warp(beacon.timeOf(fresh) + 4 * STEP);
        join(0, alice);
        join(0, bob);
        assertPhase(jobId, 0, IMarket.Phase.Running);
    }

    function test_renew_aPointThatIsADayOld() public {
        uint64 point = _point();
        vm.warp(beacon.timeOf(point) + 1 days);
        vm.expectRevert(_alive(point));
        _renew(0);
        vm.warp(beacon.timeOf(point) + 1 days + 1);
        _expectPoint(0);
        _renew(0);
    }

    function test_renew_notAPointWhoseSeedIsKnown() public {
        uint64 point = _point();
        publish(point, SEED);
        vm.roll(block.number + 1000);
        vm.warp(time() + 2 days);
        vm.expectRevert(_alive(point));
        _renew(0);
    }

    /// The growth of the new draw starts at the new point.
    function test_renew_startsTheDrawAgain() public {
        vm.warp(time() + 2 hours);
        vm.roll(block.number + 300);
        _renew(0);
        uint64 point = lease(0).point;
        publish(point, SEED);
        uint256 k = stepOf(ticketOf(SEED, LEASE, 0, 0, carol), 100, 600, 3, 4);
        assertEq(k, 1, "carol is drawn at the first step");
        uint64 from = beacon.timeOf(point) + STEP;
        vm.warp(from - 1);
        vm.expectRevert(notDrawn(0, carol, from));
        join(0, carol);
        vm.warp(from);
        join(0, carol);
    }

    /// A renewed point can die, too.
    function test_renew_again() public {
        vm.roll(block.number + 300);
        _renew(0);
        uint64 point = lease(0).point;
        vm.expectRevert(_alive(point));
        _renew(0);
        vm.roll(block.number + 300);
        vm.warp(time() + 1);
        _expectPoint(0);
        _renew(0);
        assertNotEq(lease(0).point, point);
    }

    /// A lease opens with the job's point, dead or alive, and is renewed for itself.
    function test_renew_aLeaseThatOpensLater() public {
        uint64 dead = _point();
        vm.roll(block.number + 300);
        _renew(0);
        awaken(0);
        join(0, alice);
        vm.expectRevert(_alive(lease(0).point));
        _renew(0);
        join(0, bob);
        assertEq(lease(4).point, dead);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeedUnknown.selector, dead));
        join(4, carol);
        uint64 fresh = _expectPoint(4);
        _renew(4);
        assertEq(lease(4).point, fresh);
        assertEq(lease(4).origin, time());
    }

    function test_renew_aLaterRound() public {
        awaken(0);
        spoil(0);
        uint64 point = lease(0).point;
        vm.expectRevert(_alive(point));
        _renew(0);
        vm.roll((point & 0xffffff) + 257);
        uint64 fresh = _expectPoint(0);
        _renew(0);
        assertEq(lease(0).point, fresh);
        assertEq(lease(0).round, 2);
        awaken(0);
        join(0, carol);
    }

    // ------------------------------------------------------------------ a beacon that fails

    /// When a round ends and the beacon fails, the lease is free all the same, and waits for a point.
    function test_renew_aMissingPoint() public {
        awaken(0);
        join(0, alice);
        commit(0, bob, ROOT);
        vm.warp(commitBy(0) + 1);
        breakBeacon();
        vm.recordLogs();
        settle(0, panel(named(alice), named(bob)));
        assertEq(vm.getRecordedLogs().length, 3, "two closed, freed: no point set");
        assertLease(0, IMarket.Phase.Free, 2, time(), 0, 0);
        assertEq(lease(0).point, 0);
        round = 2;
        mendBeacon();
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeedUnknown.selector, 0));
        join(0, bob);
        uint64 fresh = _expectPoint(0);
        _renew(0);
        assertEq(lease(0).point, fresh);
        awaken(0);
        join(0, bob);
    }

    /// An answer that is too short, or is no point, is none.
    function test_renew_aMissingPoint_afterAnOddAnswer() public {
        awaken(0);
        join(0, alice);
        join(0, bob);
        vm.warp(commitBy(0) + 1);
        bytes[4] memory codes = [
            bytes(hex"5f5f5260205ff3"), // 0
            hex"5f195f52601f5ff3", // 31 bytes
            hex"6001600160401b015f5260205ff3", // 2^64 + 1
            hex"5f5ffd" // reverts
        ];
        for (uint256 i; i < 4; ++i) {
            uint256 before = vm.snapshotState();
            replaceBeacon(codes[i]);
            settle(0, panel(named(alice), named(bob)));
            assertEq(lease(0).point, 0);
            assertPhase(jobId, 0, IMarket.Phase.Free);
            vm.revertToState(before);
        }
        replaceBeacon(hex"67ffffffffffffffff5f5260205ff3"); // the greatest point there is
        settle(0, panel(named(alice), named(bob)));
        assertEq(lease(0).point, type(uint64).max);
    }

    /// The beacon gets its gas, or the call is refused: nobody can make it fail.
    function test_settle_withTooLittleGasForTheBeacon() public {
        awaken(0);
        join(0, alice);
        join(0, bob);
        vm.warp(commitBy(0) + 1);
        bytes memory call_ = abi.encodeCall(market.settle, (job, 0, 1, panel(named(alice), named(bob))));
        uint256 refused;
        for (uint256 gas_ = 150_000; gas_ < 500_000; gas_ += 10_000) {
            uint256 before = vm.snapshotState();
            (bool done, bytes memory why) = address(market).call{gas: gas_}(call_);
            if (done) {
                assertNotEq(lease(0).point, 0);
                assertGt(refused, 0);
                return;
            }
            if (why.length != 0) {
                uint256 needed = uint256(200_000) * 64 / 63 + 5000;
                assertEq(why, abi.encodeWithSelector(IMarket.NotEnoughGas.selector, needed));
                ++refused;
            }
            vm.revertToState(before);
        }
        fail();
    }

    function test_renew_needsTheBeacon() public {
        vm.roll(block.number + 300);
        breakBeacon();
        vm.expectRevert();
        this.renewWith(1_000_000);
        mendBeacon();
        _renew(0);
    }

    function renewWith(uint256 gas_) external {
        market.renew{gas: gas_}(job, 0);
    }

    /// `join` reads the seed, and fails with the beacon.
    function test_join_needsTheBeacon() public {
        awaken(0);
        breakBeacon();
        vm.prank(alice);
        (bool done,) = address(market).call{gas: 1_000_000}(abi.encodeCall(market.join, (job, 0, 1, alice)));
        assertFalse(done);
        mendBeacon();
        join(0, alice);
    }

    // ------------------------------------------------------------------ of what

    function test_renew_ofAFreeLease() public {
        vm.expectRevert(wrongPhase(4, IMarket.Phase.None));
        _renew(4);
        awaken(0);
        join(0, alice);
        join(0, bob);
        vm.expectRevert(wrongPhase(0, IMarket.Phase.Running));
        _renew(0);
        commit(0, alice, ROOT);
        commit(0, bob, ROOT);
        commit(0, carol, ROOT);
        vm.expectRevert(wrongPhase(0, IMarket.Phase.Revealing));
        _renew(0);
        settle(0, three(ROOT, ROOT, ROOT));
        vm.expectRevert(wrongPhase(0, IMarket.Phase.Settled));
        _renew(0);
        vm.prank(client);
        market.cancel(job);
        close(job, 4);
        vm.expectRevert(wrongPhase(4, IMarket.Phase.Refunded));
        _renew(4);
    }

    function test_renew_ofAJobThatWasPosted() public {
        job.terms.nonce++;
        vm.expectRevert(jobUnknown(market.hashJob(job)));
        _renew(0);
        vm.expectRevert(jobUnknown(market.hashJob(job)));
        _renew(4);
        postThis(aJob());
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1));
        _renew(0);
    }
}
