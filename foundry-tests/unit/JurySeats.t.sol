// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// joinJury and commitVote: how an audit is opened, and who takes a juror's seat, and when.
///
/// | act        | lease is                                             | seat was | becomes   | lease becomes |
/// | ---------- | ---------------------------------------------------- | -------- | --------- | ------------- |
/// | joinJury   | Submitted, to the audit window's end, coin says yes  | None     | Joined    | Audited       |
/// | joinJury   | Audited, to commitBy                                 | None     | Joined    | Audited       |
/// | commitVote | the same                                             | None     | Committed | Audited       |
/// | commitVote | Audited, to commitBy                                 | Joined   | Committed | Audited       |
///
/// commitBy is runWindow and an hour after the opening, until three have committed. The second jury: SecondJury.t.sol.
contract JurySeatsTest is AuditBase {
    function _refused(bytes memory error_, address who) private {
        vm.expectRevert(error_);
        joinJury(who);
        vm.expectRevert(error_);
        vote(who, RIGHT);
    }

    function _expectAuditOpened() private {
        vm.expectEmit(address(market));
        emit IMarket.AuditOpened(jobId, 0, 1, 1, task, time() + COMMIT);
    }

    // ------------------------------------------------------------------ the first juror opens the audit

    function test_join_opensTheAudit() public {
        IMarket.LeaseState memory l = lease(0);
        _expectAuditOpened();
        vm.expectEmit(address(market));
        emit IMarket.JurorJoined(jobId, 0, bob, 1, 1);
        joinJury(bob);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        assertAudit(1, time(), 0, l.point, 1, 0, 0);
        assertEq(lease(0).since, l.since, "the submission's time");
        assertEq(lease(0).point, l.point);
        assertSeat(bob, IMarket.Seat.Joined);
        assertEq(freeOf(bob), STAKE - J);
    }

    function test_vote_opensTheAudit() public {
        bytes32 hash = committed(0, FIRST, bob, RIGHT, keyedOf(RIGHT));
        _expectAuditOpened();
        vm.expectEmit(address(market));
        emit IMarket.VoteCommitted(jobId, 0, bob, 1, 1, hash);
        voteTo(bob, hash);
        assertAudit(1, time(), 0, lease(0).point, 1, 1, 0);
        assertSeat(bob, IMarket.Seat.Committed);
        assertEq(freeOf(bob), STAKE - J);
    }

    /// Only the first one opens it.
    function test_join_laterOnes() public {
        joinJury(bob);
        uint64 since = time();
        vm.warp(since + 100);
        vm.recordLogs();
        joinJury(carol);
        assertEq(vm.getRecordedLogs().length, 1, "JurorJoined alone");
        vote(dave, RIGHT);
        vote(carol, RIGHT);
        assertEq(freeOf(carol), STAKE - J, "one bond");
        assertAudit(1, since, 0, lease(0).point, 3, 2, 0);
    }

    function test_vote_theThirdStartsTheClock() public {
        vote(bob, RIGHT);
        joinJury(carol);
        vote(dave, RIGHT);
        vm.warp(time() + 77);
        vote(carol, RIGHT);
        assertAudit(1, time(), 0, lease(0).point, 3, 3, 0);
    }

    function test_open_untilTheAuditWindowsEnd() public {
        uint64 last = lease(0).since + AUDIT_WINDOW;
        vm.warp(last + 1);
        _refused(tooLate(last), bob);
        vm.warp(last);
        joinJury(bob);
        // What is open goes on.
        vm.warp(last + 1);
        joinJury(carol);
    }

    function test_open_onlyIfChanceSaysSo() public {
        submitted(auditedJob(5000));
        publish(lease(0).point, seedFor(job, 0, 1, false));
        vm.warp(time() + 2 * JURY_STEP);
        _refused(abi.encodeWithSelector(IMarket.NotAudited.selector, jobId, 0), bob);
    }

    function test_open_onlyIfTheSeedIsKnown() public {
        submitted(auditedJob(10_000));
        vm.warp(time() + 1 hours);
        _refused(abi.encodeWithSelector(IMarket.SeedUnknown.selector, lease(0).point), bob);
    }

    /// The coin and the task are what docs/PROTOCOL.md says, for any chance.
    function testFuzz_coinAndTask(bytes32 seed, uint16 bps) public {
        submitted(auditedJob(uint16(bound(bps, 1, 10_000))));
        if (seed == 0) seed = RIGHT;
        publish(lease(0).point, seed);
        vm.warp(time() + 2 * JURY_STEP);
        bool audited = coinOf(seed, jobId, 0, 1) < job.assurance.auditBps;
        if (!audited) vm.expectRevert(abi.encodeWithSelector(IMarket.NotAudited.selector, jobId, 0));
        joinJury(carol);
        assertPhase(jobId, 0, audited ? IMarket.Phase.Audited : IMarket.Phase.Submitted);
        if (audited) assertEq(audit().task, auditedTask(seed, jobId, 0, 1, 4));
    }

    /// Of a later lease the task counts from its first one, and coin and task are its own.
    function test_open_ofAnotherLease() public {
        uint32 first = claim(job, bob, 4);
        assertEq(first, 4);
        submit(job, bob, 4, root);
        bytes32 seed = seedFor(job, 4, 1, true);
        publish(market.leaseOf(jobId, 4).point, seed);
        vm.warp(time() + 2 * JURY_STEP);
        vm.prank(alice);
        market.joinJury(job, 4, 1, 1, alice);
        assertEq(market.auditOf(jobId, 4).task, auditedTask(seed, jobId, 4, 1, 4));
        assertGe(market.auditOf(jobId, 4).task, 4);
        assertEq(audit().jury, 0);
        assertBooks();
    }

    /// The round counts: here the second one's holder is accused, and the first one's may judge.
    function test_open_ofALaterRound() public {
        postThis(auditedJob(5000));
        claim(job, bob, 4);
        vm.warp(time() + 801);
        vm.prank(alice);
        market.takeover(job, alice, 0);
        submit(job, alice, 0, root);
        round = 2;
        callJury();
        round = 1;
        _refused(wrongRound(0, 2, 0), bob);
        round = 2;
        joinJury(bob);
        round = 1;
        _refused(wrongRound(0, 2, 1), carol);
    }

    /// An audit does not care whether the job is over.
    function test_open_afterTheJobsEnd() public {
        vm.prank(client);
        market.cancel(job);
        joinJury(bob);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
    }

    // ------------------------------------------------------------------ of what

    function test_jury_ofASubmittedLease() public {
        postThis(auditedJob(5000));
        _refused(wrongPhase(0, IMarket.Phase.None), bob);
        claim(job, alice, 4);
        _refused(wrongPhase(0, IMarket.Phase.Running), bob);
        vm.warp(time() + 801);
        market.expire(job, 0);
        _refused(wrongPhase(0, IMarket.Phase.Free), bob);
        job.terms.nonce++;
        _refused(jobUnknown(market.hashJob(job)), bob);
    }

    function test_jury_notOfASettledLease() public {
        vm.warp(lease(0).since + AUDIT_WINDOW + 1);
        finalize(job, 0);
        _refused(wrongPhase(0, IMarket.Phase.Settled), bob);
        postThis(aJob()); // never audited
        claim(job, alice, 4);
        submit(job, alice, 0, root);
        _refused(wrongPhase(0, IMarket.Phase.Settled), bob);
    }

    function test_jury_notOfARedundantLease() public {
        postThis(redundantJob(3, 2));
        publish(market.jobOf(jobId).point, RIGHT);
        vm.warp(time() + 800);
        vm.prank(bob);
        market.join(job, 0, 1, bob);
        _refused(wrongPhase(0, IMarket.Phase.Free), carol);
    }

    function test_jury_ofTheNumberThatIsDue() public {
        uint8[3] memory numbers_ = [0, 2, 3];
        for (uint256 i; i < 3; ++i) {
            jury = numbers_[i];
            _refused(wrongPhase(0, IMarket.Phase.Submitted), bob);
        }
        jury = FIRST;
        joinJury(bob);
        for (uint256 i; i < 3; ++i) {
            jury = numbers_[i];
            _refused(wrongRound(0, 1, 1), carol);
        }
    }

    // ------------------------------------------------------------------ who

    function test_juror_actsItselfOrByItsOperator() public {
        bytes memory no = abi.encodeWithSelector(IMarket.NotOperator.selector, carol, operator);
        vm.prank(bob);
        market.setOperator(operator, true);
        vm.startPrank(operator);
        vm.expectRevert(no);
        market.joinJury(job, 0, 1, 1, carol);
        vm.expectRevert(no);
        market.commitVote(job, 0, 1, 1, carol, RIGHT);
        market.joinJury(job, 0, 1, 1, bob);
        market.commitVote(job, 0, 1, 1, bob, RIGHT);
        vm.stopPrank();
        assertSeat(bob, IMarket.Seat.Committed);
    }

    function test_juror_isNotTheAccused() public {
        bytes memory no = abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, alice);
        _refused(no, alice);
        joinJury(bob);
        _refused(no, alice);
        vm.prank(operator);
        vm.expectRevert(no);
        market.joinJury(job, 0, 1, 1, alice);
    }

    function test_juror_hasOneSeat() public {
        joinJury(bob);
        vm.expectRevert(wrongSeat(0, bob, IMarket.Seat.Joined));
        joinJury(bob);
        vote(bob, RIGHT);
        _refused(wrongSeat(0, bob, IMarket.Seat.Committed), bob);
    }

    function test_jurors_areThree() public {
        joinJury(bob);
        joinJury(carol);
        joinJury(dave);
        _refused(abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0), erin);
        vote(dave, RIGHT);
    }

    function test_juror_doesNotLeave() public {
        joinJury(bob);
        vm.prank(bob);
        vm.expectRevert(wrongPhase(0, IMarket.Phase.Audited));
        market.leave(job, 0, 1, bob);
    }

    /// A list is for leases; juries are drawn from all stake.
    function test_juror_needNotBeListed() public {
        IMarket.Job memory made = auditedJob(5000);
        made.terms.providers = keccak256(bytes.concat(keccak256(abi.encode(alice))));
        market.admit(made.terms.providers, alice, new bytes32[](0));
        submitted(made);
        callJury();
        joinJury(bob);
        vote(carol, RIGHT);
    }

    // ------------------------------------------------------------------ the bond

    /// The quarter that leases leave is for juries.
    function test_bond_fromTheLastQuarter() public {
        IMarket.Job memory made = aJob();
        made.price.bond = STAKE * 3 / 16;
        postThis(made);
        claim(job, bob, 4);
        assertEq(freeOf(bob), STAKE / 4);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientStake.selector, bob, 0, STAKE * 3 / 8));
        market.claim(job, bob, 2, 2);
        submitted(auditedJob(5000));
        callJury();
        joinJury(bob);
        assertEq(freeOf(bob), STAKE / 4 - J);
    }

    function test_bond_ofAllThatIsFree() public {
        IMarket.Job memory made = auditedJob(5000);
        made.price.juryFee = STAKE / 8; // all of it
        submitted(made);
        callJury();
        joinJury(bob);
        assertEq(freeOf(bob), 0);
        made.price.juryFee += 1;
        submitted(made);
        callJury();
        _refused(abi.encodeWithSelector(IMarket.InsufficientStake.selector, carol, STAKE, STAKE + 8), carol);
        _refused(abi.encodeWithSelector(IMarket.InsufficientStake.selector, bob, 0, STAKE + 8), bob);
    }

    // ------------------------------------------------------------------ until when

    function test_jury_untilCommitBy() public {
        joinJury(bob);
        uint64 last = commitBy();
        uint256 before = vm.snapshotState();
        vm.warp(last);
        joinJury(carol);
        vote(bob, RIGHT);
        vm.revertToState(before);
        vm.warp(last + 1);
        _refused(tooLate(last), carol);
        vm.expectRevert(tooLate(last));
        vote(bob, RIGHT);
    }

    /// While a jury sits, the lease is neither finalized nor closed.
    function test_jury_holdsTheLease() public {
        joinJury(bob);
        vm.prank(client);
        market.cancel(job);
        vm.warp(time() + 100 days);
        finalize(job, 0);
        close(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        assertBooks();
    }
}
