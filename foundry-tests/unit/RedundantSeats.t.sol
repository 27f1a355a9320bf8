// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {RedundantBase} from "../helpers/RedundantBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// join and commit: who takes a seat, of what, when, and when the round begins.
///
/// | act      | lease is                          | seat was | becomes   | lease becomes                          |
/// | -------- | --------------------------------- | -------- | --------- | -------------------------------------- |
/// | join     | Free (job open), Running in time  | None     | Joined    | Running at the Q-th seat               |
/// | commit   | the same                          | None     | Committed | the same; Revealing at the N-th commit |
/// | commit   | the same                          | Joined   | Committed | Revealing at the N-th commit           |
/// | any      | anything else, or another round   |          |           | refused                                |
contract RedundantSeatsTest is RedundantBase {
    /// Neither act is accepted.
    function _refused(bytes memory error_, uint32 first, address who) private {
        vm.expectRevert(error_);
        join(first, who);
        vm.expectRevert(error_);
        commit(first, who, ROOT);
    }

    function _stakeShort(address who, uint256 available, uint256 needed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.InsufficientStake.selector, who, available, needed);
    }

    // ------------------------------------------------------------------ a seat is taken

    function test_join_reservesASeat() public {
        vm.expectEmit(address(market));
        emit IMarket.Joined(jobId, 0, alice, 1);
        join(0, alice);
        assertSeat(0, alice, IMarket.Seat.Joined);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 1, 0);
        assertEq(freeOf(alice), STAKE - BOND);
        IMarket.LeaseState memory l = lease(0);
        assertEq(l.provider, address(0), "no single provider holds it");
        assertEq(l.count, 4);
        assertEq(l.origin, market.jobOf(jobId).postedAt);
        assertEq(l.point, market.jobOf(jobId).point);
        assertEq(l.opened, 0);
        assertEq(l.root, 0);
        assertEq(uint8(l.grade), uint8(IMarket.Grade.None));
    }

    function test_commit_takesASeatAndFillsIt() public {
        bytes32 hash = committed(0, LEASE, alice, ROOT, DIGESTS);
        vm.expectEmit(address(market));
        emit IMarket.Committed(jobId, 0, alice, 1, hash);
        commitTo(0, alice, hash);
        assertSeat(0, alice, IMarket.Seat.Committed);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 1, 1);
        assertEq(freeOf(alice), STAKE - BOND);
    }

    function test_commit_fillsAReservedSeat() public {
        join(0, alice);
        bytes32 hash = committed(0, LEASE, alice, ROOT, DIGESTS);
        vm.expectEmit(address(market));
        emit IMarket.Committed(jobId, 0, alice, 1, hash);
        commitTo(0, alice, hash);
        assertSeat(0, alice, IMarket.Seat.Committed);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 1, 1);
        assertEq(freeOf(alice), STAKE - BOND, "one bond");
    }

    function test_commitmentOf_isTheHashOfItsParts() public view {
        bytes32 hash = market.commitmentOf(jobId, 4, 9, 2, 3, ROOT, DIGESTS, SALT);
        uint256[3] memory parts = [uint256(4), 9, 2];
        assertEq(hash, keccak256(abi.encode(jobId, parts, uint256(3), ROOT, DIGESTS, SALT)));
    }

    function test_seat_onlyOneForAProvider() public {
        join(0, alice);
        vm.expectRevert(wrongSeat(0, alice, IMarket.Seat.Joined));
        join(0, alice);
        commit(0, alice, ROOT);
        _refused(wrongSeat(0, alice, IMarket.Seat.Committed), 0, alice);
    }

    function test_seat_actsOfTheProviderOrItsOperator() public {
        bytes memory no = abi.encodeWithSelector(IMarket.NotOperator.selector, bob, operator);
        vm.startPrank(operator);
        vm.expectRevert(no);
        market.join(job, 0, 1, bob);
        vm.expectRevert(no);
        market.commit(job, 0, 1, bob, ROOT);
        market.join(job, 0, 1, alice);
        market.commit(job, 0, 1, alice, ROOT);
        vm.stopPrank();
        assertSeat(0, alice, IMarket.Seat.Committed);
        assertSeat(0, operator, IMarket.Seat.None);
        assertBooks();
    }

    function test_seat_ofAJobThatWasPosted() public {
        job.terms.nonce++;
        _refused(jobUnknown(market.hashJob(job)), 0, alice);
        _refused(jobUnknown(market.hashJob(job)), 4, alice);
    }

    function test_seat_ofALeaseThatHasOpened() public {
        uint32[5] memory firsts = [uint32(4), 8, 3, 12, type(uint32).max];
        for (uint256 i; i < 5; ++i) {
            _refused(abi.encodeWithSelector(IMarket.NoSuchLease.selector, jobId, firsts[i]), firsts[i], alice);
        }
    }

    function test_seat_ofARedundantJobOnly() public {
        postThis(aJob());
        claim(job, bob, 4);
        _refused(abi.encodeWithSelector(IMarket.WrongMode.selector, jobId, 1), 0, alice);
    }

    function test_seat_ofThePresentRound() public {
        round = 2;
        _refused(wrongRound(0, 1, 0), 0, alice);
        round = 0;
        _refused(wrongRound(0, 1, 0), 0, alice);
        round = 1;
        spoil(0);
        awaken(0);
        round = 1;
        _refused(wrongRound(0, 2, 0), 0, bob);
        round = 2;
        join(0, bob);
    }

    /// The last round takes nobody: there is no number for the one after it.
    function test_seat_notInTheLastRound() public {
        join(0, alice);
        vm.record();
        market.leaseOf(jobId, 0);
        (bytes32[] memory reads,) = vm.accesses(address(market));
        uint256 word = uint256(vm.load(address(market), reads[0]));
        // forge-lint: disable-next-line(unsafe-typecast)
        assertEq(uint16(word >> 16), 1, "the lease's word, and its round");
        vm.store(address(market), reads[0], bytes32(word | uint256(0xffff) << 16));
        round = type(uint16).max;
        quick = true;
        _refused(abi.encodeWithSelector(IMarket.TooManyRounds.selector, jobId, 0), 0, bob);
        vm.store(address(market), reads[0], bytes32((word & ~uint256(0xffff << 16)) | uint256(0xfffe) << 16));
        round = type(uint16).max - 1;
        join(0, bob);
    }

    function test_seats_areN() public {
        join(0, alice);
        join(0, bob);
        join(0, carol);
        _refused(abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0), 0, dave);
    }

    function test_seat_leavesAQuarterOfTheStake() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.price.bond = uint128(STAKE * 3 / 16); // times four: three quarters
        postThis(made);
        awaken(0);
        join(0, alice);
        assertEq(freeOf(alice), STAKE / 4);
        made.price.bond += 1;
        postThis(made);
        awaken(0);
        _refused(_stakeShort(bob, STAKE * 3 / 4, STAKE * 3 / 4 + 4), 0, bob);
        // What is left for leases counts, not what is free.
        _refused(_stakeShort(alice, 0, STAKE * 3 / 4 + 4), 0, alice);
    }

    /// The quarter of an odd stake is rounded up.
    function test_seat_leavesAQuarter_roundedUp() public {
        address odd = makeAddr("odd");
        stakeOf(odd, 41);
        enrol(odd);
        vm.warp(time() + 1 days);
        IMarket.Job memory made = redundantJob(3, 2);
        (made.terms.minLease, made.terms.maxLease) = (1, 1);
        made.price.bond = 31;
        // Of 41, 11 stay; alone on the list, `odd` is not drawn but takes its seat.
        made.terms.providers = keccak256(bytes.concat(keccak256(abi.encode(odd))));
        market.admit(made.terms.providers, odd, new bytes32[](0));
        postThis(made);
        _refused(_stakeShort(odd, 30, 31), 0, odd);
        made.price.bond = 30;
        postThis(made);
        join(0, odd);
        assertEq(freeOf(odd), 11);
    }

    function test_seat_notWithoutStake() public {
        _refused(notDrawn(0, anyone, NEVER), 0, anyone);
    }

    function test_seat_notBeforeTheSeedIsKnown() public {
        postThis(redundantJob(3, 2));
        uint64 point = market.jobOf(jobId).point;
        _refused(abi.encodeWithSelector(IMarket.SeedUnknown.selector, point), 0, alice);
        awaken(0);
        join(0, alice);
    }

    // ------------------------------------------------------------------ when the job takes seats

    function test_seat_notBeforeTheJobOpens() public {
        IMarket.Job memory made = redundantJob(3, 2);
        made.timing.opensAt = time() + 5000;
        postThis(made);
        publish(market.jobOf(jobId).point, SEED);
        vm.warp(job.timing.opensAt - 1);
        _refused(tooEarly(job.timing.opensAt), 0, alice);
        vm.warp(job.timing.opensAt + 4 * STEP);
        join(0, alice);
    }

    function test_seat_untilTheJobCloses() public {
        vm.warp(job.timing.closesAt);
        join(0, alice);
        vm.warp(job.timing.closesAt + 1);
        _refused(tooLate(job.timing.closesAt), 0, bob);
        // A reserved seat of a round that has not begun is not filled either.
        vm.expectRevert(tooLate(job.timing.closesAt));
        commit(0, alice, ROOT);
    }

    function test_seat_untilTheJobIsCancelled() public {
        join(0, alice);
        vm.prank(client);
        market.cancel(job);
        assertBooks();
        bytes memory cancelled = abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId);
        _refused(cancelled, 0, bob);
        vm.expectRevert(cancelled);
        commit(0, alice, ROOT);
    }

    /// A round that runs takes seats and commitments until its end, whatever becomes of the job.
    function test_seat_ofARunningRound_afterTheJobsEnd() public {
        vm.warp(job.timing.closesAt);
        join(0, alice);
        join(0, bob);
        vm.prank(client);
        market.cancel(job);
        vm.warp(time() + 1);
        commit(0, carol, ROOT);
        commit(0, bob, ROOT);
        commit(0, alice, ROOT);
        assertPhase(jobId, 0, IMarket.Phase.Revealing);
    }

    // ------------------------------------------------------------------ the round begins

    function test_begin_withTheQuorumsSeat() public {
        join(0, alice);
        vm.warp(time() + 100);
        assertLease(0, IMarket.Phase.Free, 1, job.timing.opensAt, 1, 0);
        join(0, bob);
        assertLease(0, IMarket.Phase.Running, 1, time(), 2, 0);
        uint64 began = time();
        vm.warp(time() + 100);
        join(0, carol);
        assertLease(0, IMarket.Phase.Running, 1, began, 3, 0);
    }

    function test_begin_withACommitment() public {
        commit(0, alice, ROOT);
        commit(0, bob, ROOT);
        assertLease(0, IMarket.Phase.Running, 1, time(), 2, 2);
    }

    function test_begin_withThreeOfFive() public {
        postThis(redundantJob(5, 3));
        awaken(0);
        commit(0, alice, ROOT);
        join(0, bob);
        assertPhase(jobId, 0, IMarket.Phase.Free);
        join(0, carol);
        assertLease(0, IMarket.Phase.Running, 1, time(), 3, 1);
    }

    /// With two of two the seat that begins the round can be the last commitment.
    function test_begin_andRevealAtOnce() public {
        postThis(redundantJob(2, 2));
        awaken(0);
        commit(0, alice, ROOT);
        vm.warp(time() + 7);
        commit(0, bob, ROOT);
        assertLease(0, IMarket.Phase.Revealing, 1, time(), 2, 2);
    }

    function test_reveal_sinceTheLastCommitment() public {
        join(0, alice);
        join(0, bob);
        join(0, carol);
        commit(0, carol, ROOT);
        commit(0, alice, ROOT);
        vm.warp(time() + 300);
        assertLease(0, IMarket.Phase.Running, 1, time() - 300, 3, 2);
        commit(0, bob, ROOT);
        assertLease(0, IMarket.Phase.Revealing, 1, time(), 3, 3);
    }

    function test_seat_untilCommitBy() public {
        join(0, alice);
        join(0, bob);
        uint64 last = commitBy(0);
        uint256 before = vm.snapshotState();
        vm.warp(last);
        commit(0, alice, ROOT);
        join(0, carol);
        vm.revertToState(before);
        vm.warp(last + 1);
        _refused(tooLate(last), 0, carol);
        vm.expectRevert(tooLate(last));
        commit(0, alice, ROOT);
    }

    function test_seat_notAfterTheRunningPhase() public {
        threeCommit(ROOT, ROOT, OTHER);
        _refused(wrongPhase(0, IMarket.Phase.Revealing), 0, dave);
        settle(0, three(ROOT, ROOT, OTHER));
        _refused(wrongPhase(0, IMarket.Phase.Settled), 0, dave);
        round = 1;
        awaken(4);
        commit(4, alice, ROOT);
        commit(4, bob, OTHER);
        commit(4, carol, THIRD);
        settle(4, three(ROOT, OTHER, THIRD));
        _refused(wrongPhase(4, IMarket.Phase.Void), 4, dave);
        vm.warp(job.timing.closesAt + 1);
        close(job, 8);
        _refused(wrongPhase(8, IMarket.Phase.Refunded), 8, dave);
    }
}
