// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

// Amounts and times of tests are small.
// forge-lint: disable-start(unsafe-typecast)

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// seal, join and commit: who, when, and what they change. Everyone is drawn in all of these tests.
contract RedundantSeatsTest is RedundantBase {
    uint128 private constant BOND = 4 * UNIT;

    function setUp() public override {
        super.setUp();
        _wait();
    }

    function _expectRevert(bytes memory error_) private {
        vm.expectRevert(error_);
    }

    /// Both ways to a seat refuse alike.
    function _noSeat(uint32 first, address who, bytes memory error_) private {
        _expectRevert(error_);
        _join(first, who);
        bytes32 hash = commitment(first, who, ROOT);
        _expectRevert(error_);
        _commitTo(first, who, hash);
    }

    // ------------------------------------------------------------------ seal

    function test_seal() public {
        _postRedundant(3, 2);
        vm.roll(block.number + 3);
        bytes32 hash = keccak256("a block");
        vm.setBlockhash(block.number - 2, hash);
        vm.prevrandao(uint256(12_345));
        bytes32 seed = _seed(hash);
        vm.expectEmit(address(market));
        emit IMarket.Sealed(jobId, seed, 6 * STAKE);
        vm.prank(anyone);
        market.seal(job);
        (bytes32 kept, uint128 stakes, uint64 sealedAt) = market.sealOf(jobId);
        assertEq(kept, seed);
        assertEq(stakes, 6 * STAKE);
        assertEq(sealedAt, time());
    }

    /// Both the seed block's hash and what the present block adds.
    function _seed(bytes32 hash) private view returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(hash, block.prevrandao))) >> 176);
    }

    function test_seal_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.SealedAlready.selector, jobId, 0));
        market.seal(job);
        job.terms.nonce++;
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobUnknown.selector, market.hashJob(job)));
        market.seal(job);
        job = aJob();
        jobId = post(job);
        vm.roll(block.number + 3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1));
        market.seal(job);
    }

    /// P-25: the seed's block comes after the job's, and is fixed before anyone can use it.
    function test_seal_notBeforeTheThirdBlock() public {
        vm.warp(time() + 1);
        _postRedundant(3, 2);
        uint256 posted = block.number;
        for (uint256 i; i < 3; ++i) {
            vm.roll(posted + i);
            vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarlyToSeal.selector, posted + 3, posted + i));
            market.seal(job);
        }
        vm.roll(posted + 3);
        market.seal(job);
    }

    /// P-25: each 256 blocks one block's hash counts, and is known throughout.
    function test_seal_movesOnAfter256Blocks() public {
        uint256[5] memory waits = [uint256(257), 258, 513, 514, 1000];
        uint256[5] memory seeds = [uint256(1), 257, 257, 513, 769];
        for (uint256 i; i < 5; ++i) {
            vm.warp(time() + 1);
            _postRedundant(3, 2);
            uint256 posted = block.number;
            vm.roll(posted + waits[i]);
            bytes32 hash = keccak256(abi.encode("seed", i));
            vm.setBlockhash(posted + seeds[i], hash);
            market.seal(job);
            (bytes32 seed,,) = market.sealOf(jobId);
            assertEq(seed, _seed(hash));
            vm.roll(posted + 2000);
        }
    }

    // ------------------------------------------------------------------ join, commit

    function test_join() public {
        vm.expectEmit(address(market));
        emit IMarket.Joined(jobId, 4, alice, 1, BOND);
        _join(4, alice);
        IMarket.LeaseState memory l = lease(4);
        assertEq(uint8(l.phase), uint8(IMarket.Phase.Running));
        assertEq(l.provider, address(0));
        assertEq(l.round, 1);
        assertEq(l.count, 4);
        assertEq(l.startedAt, time());
        assertEq(l.seats, 1);
        assertEq(l.commits, 0);
        assertSeat(4, alice, IMarket.Seat.Joined);
        assertHas(alice, STAKE, STAKE - BOND, 0, 0, 0, 0);
    }

    function test_commit_onAFreeSeat() public {
        bytes32 hash = commitment(0, alice, ROOT);
        vm.expectEmit(address(market));
        emit IMarket.Committed(jobId, 0, alice, 1, hash, BOND);
        _commitTo(0, alice, hash);
        assertEq(lease(0).seats, 1);
        assertEq(lease(0).commits, 1);
        assertSeat(0, alice, IMarket.Seat.Committed);
        assertHas(alice, STAKE, STAKE - BOND, 0, 0, 0, 0);
    }

    function test_commit_onAReservedSeat() public {
        _join(0, alice);
        uint64 startedAt = time();
        vm.warp(time() + 100);
        bytes32 hash = commitment(0, alice, ROOT);
        vm.expectEmit(address(market));
        emit IMarket.Committed(jobId, 0, alice, 1, hash, 0);
        _commitTo(0, alice, hash);
        assertEq(lease(0).seats, 1);
        assertEq(lease(0).commits, 1);
        assertEq(lease(0).startedAt, startedAt, "the round began with the first seat");
        assertHas(alice, STAKE, STAKE - BOND, 0, 0, 0, 0);
    }

    function test_lastCommit_opensTheReveal() public {
        _commit(0, alice, ROOT);
        _join(0, bob);
        _commit(0, carol, ROOT);
        assertPhase(jobId, 0, IMarket.Phase.Running);
        assertEq(lease(0).submittedAt, 0);
        vm.warp(time() + 7);
        _commit(0, bob, ROOT);
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
        assertEq(lease(0).submittedAt, time());
    }

    function test_operatorsAct() public {
        bytes32 hash = commitment(0, alice, ROOT);
        vm.startPrank(operator);
        market.join(job, 0, 1, alice);
        market.commit(job, 0, 1, alice, hash);
        vm.stopPrank();
        _commit(0, bob, ROOT);
        _commit(0, carol, ROOT);
        vm.prank(operator);
        market.reveal(job, 0, alice, ROOT, MANIFEST, saltOf(alice), new uint32[](0));
        assertSeat(0, alice, IMarket.Seat.Revealed);
    }

    function test_onlyTheProviderOrItsOperators() public {
        bytes memory error_ = abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator);
        vm.startPrank(operator);
        _expectRevert(error_);
        market.join(job, 0, 1, bob);
        _expectRevert(error_);
        market.commit(job, 0, 1, bob, ROOT);
        vm.stopPrank();
    }

    /// P-22: one seat for a provider, in whatever state it is.
    function test_oneSeatForAProvider() public {
        _join(0, alice);
        _expectRevert(_wrongSeat(alice, IMarket.Seat.Joined));
        _join(0, alice);
        _commit(0, alice, ROOT);
        _noSeat(0, alice, _wrongSeat(alice, IMarket.Seat.Committed));
        assertEq(lease(0).seats, 1);
        assertHas(alice, STAKE, STAKE - BOND, 0, 0, 0, 0);
    }

    function _wrongSeat(address who, IMarket.Seat is_) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, who, is_);
    }

    /// P-22: a round has as many seats as replicas, and a seat does not reopen.
    function test_seatsTaken() public {
        _commit(0, alice, ROOT);
        _join(0, bob);
        _join(0, carol);
        _noSeat(0, dave, abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0));
        _commit(0, bob, ROOT);
        _commit(0, carol, ROOT);
        _noSeat(
            0, dave, abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Revealing)
        );
    }

    function test_noSuchLease() public {
        uint32[5] memory wrong = [uint32(1), 3, 10, 12, type(uint32).max];
        for (uint256 i; i < 5; ++i) {
            _noSeat(wrong[i], alice, abi.encodeWithSelector(IMarket.NoSuchLease.selector, jobId, wrong[i]));
        }
    }

    function test_unknownJob() public {
        job.terms.nonce++;
        jobId = market.hashJob(job);
        _noSeat(0, alice, abi.encodeWithSelector(IMarket.JobUnknown.selector, jobId));
    }

    function test_optimisticJob() public {
        job = aJob();
        jobId = post(job);
        _noSeat(0, alice, abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1));
    }

    function test_notSealed() public {
        _postRedundant(3, 2);
        _noSeat(0, alice, abi.encodeWithSelector(IMarket.NotSealed.selector, jobId, 0));
    }

    function test_insufficientStake() public {
        vm.prank(alice);
        market.unstake(alice, STAKE - 2 * BOND + 1);
        _join(0, alice);
        vm.warp(time() + 30 days);
        job.timing.closesAt += 60 days;
        jobId = post(job);
        _seal();
        vm.warp(time() + 64 * 15);
        _noSeat(0, alice, abi.encodeWithSelector(IMarket.InsufficientStake.selector, alice, BOND - 1, BOND));
        vm.prank(bob);
        market.unstake(bob, STAKE - BOND);
        _join(0, bob);
        assertHas(bob, BOND, 0, 0, 0, 0, 0);
    }

    // ------------------------------------------------------------------ when

    /// P-34: seats and commitments are taken to the last second of the round.
    function test_commitBy() public {
        _join(0, alice);
        _join(4, alice);
        uint64 deadline = commitBy(0);
        assertEq(deadline, time() + 60 + 800);
        vm.warp(deadline);
        uint256 before = vm.snapshotState();
        _join(0, bob);
        _commit(0, alice, ROOT);
        vm.revertToState(before);
        vm.warp(deadline + 1);
        bytes memory late = abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 1);
        _noSeat(0, bob, late);
        _noSeat(0, alice, late);
    }

    /// A lapsed round is settled before another begins.
    function test_aLapsedRound_isSettledFirst() public {
        _join(0, alice);
        uint64 deadline = commitBy(0);
        vm.warp(deadline + 10);
        _noSeat(0, bob, abi.encodeWithSelector(IMarket.TooLate.selector, deadline, deadline + 10));
        _settle(0, 0, panelOf(alice));
        _wait();
        _noSeat(0, bob, abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 2, 0));
        round = 2;
        _join(0, bob);
        assertEq(lease(0).round, 2);
        round = 3;
        _noSeat(0, carol, abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 2, 0));
        assertEq(lease(0).seats, 1);
    }

    function test_opensAtAndClosesAt() public {
        job.timing.opensAt = time() + 100;
        job.timing.closesAt = time() + 5000;
        jobId = post(job);
        _seal();
        vm.warp(job.timing.opensAt - 1);
        _noSeat(
            0,
            alice,
            abi.encodeWithSelector(IMarket.TooEarly.selector, job.timing.opensAt, job.timing.opensAt - 1)
        );
        vm.warp(job.timing.closesAt);
        uint256 before = vm.snapshotState();
        _join(0, alice);
        vm.revertToState(before);
        _commit(0, alice, ROOT);
        // A round that runs goes to its end, joins included.
        vm.warp(job.timing.closesAt + 1);
        _join(0, bob);
        _commit(0, carol, ROOT);
        _noSeat(
            4,
            alice,
            abi.encodeWithSelector(IMarket.TooLate.selector, job.timing.closesAt, job.timing.closesAt + 1)
        );
    }

    function test_cancel_stopsNewRoundsOnly() public {
        _join(0, alice);
        vm.prank(client);
        market.cancel(job);
        assertEq(market.balanceOf(client), 940 * UNIT, "close refunds, lease by lease");
        _commit(0, bob, ROOT);
        _commit(0, alice, ROOT);
        _noSeat(4, alice, abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
    }

    /// P-07, P-08: what is left of a job that is over goes back, lease by lease, by anyone's hand.
    function test_close() public {
        _join(0, alice);
        uint32[] memory firsts = new uint32[](2);
        (firsts[0], firsts[1]) = (4, 8);
        vm.prank(client);
        market.cancel(job);
        vm.startPrank(anyone);
        market.close(job, firsts);
        assertEq(market.balanceOf(client), 1000 * UNIT - 24 * UNIT);
        firsts = new uint32[](1);
        bytes memory running =
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running);
        vm.warp(commitBy(0) + 1);
        _expectRevert(running);
        market.close(job, firsts);
        market.settle(job, 0, 0, panelOf(alice));
        market.close(job, firsts);
        assertEq(market.balanceOf(client), 1000 * UNIT);
        _expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Refunded));
        market.close(job, firsts);
        vm.stopPrank();
        _noSeat(0, bob, abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Refunded));
        assertSolvent(0);
    }

    function test_tooManyRounds() public {
        _join(0, alice);
        vm.warp(commitBy(0) + 1);
        vm.record();
        _settle(0, 0, panelOf(alice));
        (, bytes32[] memory written) = vm.accesses(address(market));
        bytes32 slot;
        // The lease's word is the one that is Free (3, bits 32 to 47) in round 1 (bits 48 to 63).
        for (uint256 i; i < written.length; ++i) {
            if (uint32(uint256(vm.load(address(market), written[i])) >> 32) == 0x10003) slot = written[i];
        }
        uint256 word = uint256(vm.load(address(market), slot));
        vm.store(address(market), slot, bytes32(word | uint256(0xffff) << 48));
        assertEq(lease(0).round, 65_535);
        _wait();
        _noSeat(0, bob, abi.encodeWithSelector(IMarket.TooManyRounds.selector, jobId, 0));
        vm.store(address(market), slot, bytes32(word & ~(uint256(1) << 48) | uint256(0xfffe) << 48));
        round = 65_535;
        _join(0, bob);
        assertEq(lease(0).round, 65_535);
    }

    // ------------------------------------------------------------------ the other kind's calls

    /// P-35: who never was a provider has number 0, as the holder of a redundant lease; it holds none.
    function test_optimisticCalls_leaveRedundantLeasesAlone() public {
        _join(0, alice);
        vm.startPrank(anyone);
        bytes memory error_ = abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, anyone);
        _expectRevert(error_);
        market.submit(job, 0, anyone, ROOT, MANIFEST);
        _expectRevert(error_);
        market.release(job, 0, anyone);
        vm.stopPrank();
        vm.prank(alice);
        _expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, alice));
        market.submit(job, 0, alice, ROOT, MANIFEST);
        bytes memory mode = abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 3);
        vm.warp(commitBy(0) + 1);
        _expectRevert(mode);
        market.expire(job, 0);
        vm.startPrank(bob);
        _expectRevert(mode);
        market.claim(job, bob, 1);
        _expectRevert(mode);
        market.takeover(job, bob, 0);
        vm.stopPrank();
        bytes memory phase =
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Running);
        vm.prank(client);
        _expectRevert(phase);
        market.accept(job, 0, ROOT);
        _expectRevert(phase);
        market.finalize(job, 0);
    }
}
