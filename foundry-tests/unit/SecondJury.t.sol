// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The one more try after a first jury without verdict.
///
/// | lease is              | act                  | when                                | becomes                             |
/// | --------------------- | -------------------- | ----------------------------------- | ----------------------------------- |
/// | Audited by jury 1     | judge, no verdict    |                                     | Undecided with a new point          |
/// | Audited by jury 1     | judge, no verdict    | the beacon fails                    | Settled, Contested                  |
/// | Undecided             | joinJury, commitVote | to a day after the point's time     | Audited by jury 2                   |
/// | Undecided             | finalize             | after that                          | Settled, Contested                  |
/// | Audited by jury 2     | judge, verdict       |                                     | Settled (Audited) or Void           |
/// | Audited by jury 2     | judge, no verdict    |                                     | Settled, Contested                  |
contract SecondJuryTest is AuditBase {
    function _refused(bytes memory error_, address who) private {
        vm.expectRevert(error_);
        joinJury(who);
        vm.expectRevert(error_);
        vote(who, RIGHT);
    }

    /// The first jury's three different votes, and its end.
    function _split() private {
        threeVote(RIGHT, LIE, leaf);
        judge(three(RIGHT, LIE, leaf));
    }

    function _secondVotes(bytes32 a, bytes32 b, bytes32 c) private {
        vote(bob, a);
        vote(erin, b);
        vote(frank, c);
    }

    function _second(bytes32 a, bytes32 b, bytes32 c) private view returns (IMarket.Opening[] memory) {
        return panel(opens(bob, a), opens(erin, b), opens(frank, c));
    }

    // ------------------------------------------------------------------ it may come

    function test_noVerdict_setsAPoint() public {
        threeVote(RIGHT, LIE, leaf);
        uint64 since = lease(0).since;
        uint64 first = lease(0).point;
        vm.warp(time() + 5);
        vm.roll(block.number + 1);
        uint64 point = beacon.point();
        expectPointSet();
        judge(three(RIGHT, LIE, leaf));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertEq(lease(0).since, since);
        assertEq(lease(0).point, first);
        assertNotEq(point, first);
        assertAudit(1, 0, time() + 60 + RETRY, point, 0, 0, 0);
        assertEq(audit().undecided, 3);
    }

    function test_second_isOpenedByItsFirstJuror() public {
        firstJuryFails();
        uint64 point = audit().point;
        vm.expectEmit(address(market));
        emit IMarket.AuditOpened(jobId, 0, 1, 2, task, time() + COMMIT);
        vm.expectEmit(address(market));
        emit IMarket.JurorJoined(jobId, 0, erin, 1, 2);
        joinJury(erin);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
        assertAudit(2, time(), 0, point, 1, 0, 0);
        assertSeat(erin, IMarket.Seat.Joined);
        assertSeat(0, FIRST, erin, IMarket.Seat.None);
        assertEq(freeOf(erin), STAKE - J);
    }

    function test_second_isOpenedByAVote() public {
        firstJuryFails();
        bytes32 hash = committed(0, SECOND, erin, RIGHT, keyedOf(RIGHT));
        vm.expectEmit(address(market));
        emit IMarket.AuditOpened(jobId, 0, 1, 2, task, time() + COMMIT);
        vm.expectEmit(address(market));
        emit IMarket.VoteCommitted(jobId, 0, erin, 1, 2, hash);
        voteTo(erin, hash);
        assertAudit(2, time(), 0, audit().point, 1, 1, 0);
    }

    /// There is no coin any more: any seed will do.
    function test_second_needsNoCoin() public {
        _split();
        jury = SECOND;
        publish(audit().point, seedFor(job, 0, 1, false));
        vm.warp(time() + 2 * JURY_STEP);
        joinJury(erin);
        assertEq(audit().task, task, "the same task");
    }

    function test_second_untilADayAfterItsPoint() public {
        firstJuryFails();
        uint64 due = audit().due;
        assertEq(due, beacon.timeOf(audit().point) + 1 days);
        vm.warp(due + 1);
        _refused(tooLate(due), erin);
        vm.warp(due);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        joinJury(erin);
        // What is open goes on, and is not finalized.
        vm.warp(due + 1);
        joinJury(frank);
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
    }

    function test_second_notOpened_isContested() public {
        _split();
        vm.warp(audit().due + 1);
        expectContested(3);
        finalize(job, 0);
        assertContested();
        assertBooks();
        jury = SECOND;
        _refused(wrongPhase(0, IMarket.Phase.Settled), erin);
    }

    function test_second_isCalledByItsNumber() public {
        firstJuryFails();
        jury = FIRST;
        _refused(wrongPhase(0, IMarket.Phase.Undecided), erin);
        jury = 3;
        _refused(wrongRound(0, 1, 2), erin);
        jury = 0;
        _refused(wrongRound(0, 1, 2), erin);
        (jury, round) = (SECOND, 2);
        _refused(wrongRound(0, 1, 2), erin);
        round = 1;
        vm.expectRevert(wrongPhase(0, IMarket.Phase.Undecided));
        judge(panel());
        joinJury(erin);
        jury = FIRST;
        _refused(wrongRound(0, 1, 2), frank);
        vm.expectRevert(wrongRound(0, 1, 2));
        judge(panel(named(erin)));
    }

    function test_second_waitsForItsSeed() public {
        _split();
        jury = SECOND;
        vm.warp(time() + 1 hours);
        _refused(abi.encodeWithSelector(IMarket.SeedUnknown.selector, audit().point), erin);
    }

    // ------------------------------------------------------------------ who sits

    function test_second_firstJurorsMaySit() public {
        firstJuryFails();
        vote(bob, leaf);
        joinJury(carol);
        vote(dave, leaf);
        assertEq(audit().seats, 3);
    }

    function test_second_theAccusedMayNot() public {
        firstJuryFails();
        _refused(abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, alice), alice);
    }

    /// Drawn by kind 2, from its own seed, from its point's time on; with the weights of the submission.
    function test_second_hasItsOwnDraw() public {
        address late = makeAddr("late");
        stakeOf(late, STAKE);
        enrol(late);
        _split();
        jury = SECOND;
        uint64 point = audit().point;
        uint64 nominal = beacon.timeOf(point);
        bytes32 seed;
        uint256 all = 6 * uint256(STAKE) - 3 * TENTH;
        for (uint256 i; seed == 0; ++i) {
            bytes32 one = keccak256(abi.encode("second", i));
            bool second = stepOf(ticketOf(one, SECOND, 0, task, erin), STAKE, all, 3, 2) == 1;
            if (second && stepOf(ticketOf(one, FIRST, 0, task, erin), STAKE, all, 3, 2) == 0) seed = one;
        }
        publish(point, seed);
        vm.warp(nominal + JURY_STEP - 1);
        _refused(notDrawn(0, erin, nominal + JURY_STEP), erin);
        vm.warp(nominal + JURY_STEP);
        joinJury(erin);
        vm.warp(nominal + 2 * JURY_STEP);
        _refused(notDrawn(0, late, NEVER), late);
    }

    /// A commitment for the first jury does not open a seat of the second.
    function test_second_hasItsOwnCommitments() public {
        bytes32 hash = committed(0, FIRST, erin, leaf, keyedOf(leaf));
        firstJuryFails();
        voteTo(erin, hash);
        vote(frank, leaf);
        vote(bob, leaf);
        vm.expectRevert(wrongOpening(0, erin));
        judge(panel(opens(erin, leaf)));
        judge(panel(opens(frank, leaf)));
    }

    function test_second_untilCommitBy() public {
        firstJuryFails();
        vote(erin, leaf);
        uint64 last = commitBy();
        vm.warp(last);
        vote(frank, leaf);
        vm.warp(last + 1);
        _refused(tooLate(last), bob);
        judge(panel(opens(erin, leaf), opens(frank, leaf)), leaf);
        assertAcquitted();
    }

    // ------------------------------------------------------------------ what it finds

    function test_second_acquits() public {
        firstJuryFails();
        _secondVotes(leaf, RIGHT, leaf);
        expectEnds(bob, IMarket.SeatEnd.Paid, F, 0);
        expectEnds(erin, IMarket.SeatEnd.Outvoted, 0, J);
        expectEnds(frank, IMarket.SeatEnd.Paid, F, 0);
        expectJudged(IMarket.Verdict.Acquitted, leaf, leaf);
        expectSettled(IMarket.Grade.Audited, 4.4 ether);
        judge(_second(leaf, RIGHT, leaf), leaf);
        assertAcquitted();
        assertHas(bob, STAKE - TENTH, F, 0, 1, 0);
        assertHas(erin, STAKE - J, 0, 0, 0, 1);
    }

    function test_second_convicts() public {
        firstJuryFails();
        _secondVotes(RIGHT, RIGHT, RIGHT);
        expectJudged(IMarket.Verdict.Convicted, RIGHT, leaf);
        expectVoided(GROSS, 4.3 ether);
        judge(_second(RIGHT, RIGHT, RIGHT), leaf);
        assertConvicted();
        assertEq(market.burned(), BOND + GROSS + 3 * TENTH);
    }

    function test_second_waitsForTheLeaf() public {
        firstJuryFails();
        _secondVotes(RIGHT, RIGHT, RIGHT);
        vm.expectEmit(address(market));
        emit IMarket.LeafMissed(jobId, 0, 2, time() + RESPOND);
        judge(_second(RIGHT, RIGHT, RIGHT));
        uint64 leafBy = time() + RESPOND;
        vm.warp(leafBy);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LeafMissing.selector, jobId, 0, leafBy));
        judge(_second(RIGHT, RIGHT, RIGHT));
        vm.warp(leafBy + 1);
        vm.expectRevert(tooLate(leafBy));
        judge(_second(RIGHT, RIGHT, RIGHT), leaf);
        judge(_second(RIGHT, RIGHT, RIGHT));
        assertConvicted();
    }

    function test_second_noVerdict_isContested() public {
        firstJuryFails();
        _secondVotes(leaf, RIGHT, LIE);
        vm.recordLogs();
        judge(_second(leaf, RIGHT, LIE));
        assertEq(vm.getRecordedLogs().length, 8, "3 opened, 3 closed, judged, settled: no point set");
        assertContested();
        assertHas(bob, STAKE - 2 * TENTH, 0, 0, 2, 0);
        assertHas(erin, STAKE - TENTH, 0, 0, 1, 0);
        assertEq(market.burned(), (6 + 3) * TENTH, "six votes lost a tenth, and the pot three");
    }

    function test_second_twoAgainstTheLeaf_isContested() public {
        firstJuryFails();
        _secondVotes(RIGHT, leaf, RIGHT);
        expectJudged(IMarket.Verdict.NoVerdict, RIGHT, leaf);
        expectContested(3);
        judge(_second(RIGHT, leaf, RIGHT), leaf);
        assertContested();
    }

    function test_second_tooFewVotes_isContested() public {
        firstJuryFails();
        vote(erin, leaf);
        vm.warp(commitBy() + 1);
        expectEnds(erin, IMarket.SeatEnd.Released, 0, 0);
        expectJudged(IMarket.Verdict.NoVerdict, 0, 0);
        expectContested(3); // of the first jury
        judge(panel(named(erin)));
        assertContested();
        assertUntouched(erin);
    }

    /// Two outages one after the other: nobody is slashed, and the lease ends all the same.
    function test_outage_ofBothJuries() public {
        threeVote(leaf, leaf, leaf);
        vm.warp(time() + REVEAL + 1);
        judge(panel(named(bob), named(carol), named(dave)));
        jury = SECOND;
        publish(audit().point, keccak256("second seed"));
        vm.warp(time() + 2 * JURY_STEP);
        _secondVotes(leaf, leaf, leaf);
        vm.warp(time() + REVEAL + 1);
        judge(panel(named(bob), named(erin), named(frank)));
        assertContested();
        address[5] memory all = [bob, carol, dave, erin, frank];
        for (uint256 i; i < 5; ++i) {
            assertUntouched(all[i]);
        }
        assertEq(market.burned(), 0);
    }

    // ------------------------------------------------------------------ a beacon that fails

    function _contestedAtOnce(bytes memory code) private {
        uint256 before = vm.snapshotState();
        threeVote(RIGHT, LIE, leaf);
        replaceBeacon(code);
        expectJudged(IMarket.Verdict.NoVerdict, 0, 0);
        expectContested(3);
        judge(three(RIGHT, LIE, leaf));
        assertContested();
        vm.revertToState(before);
    }

    /// No point, or a point without a time, is no second try.
    function test_noVerdict_withoutABeacon_isContested() public {
        _contestedAtOnce(hex"fe"); // takes all its gas
        _contestedAtOnce(hex"5f5ffd"); // reverts
        _contestedAtOnce(""); // is not there
        _contestedAtOnce(hex"5f5f5260205ff3"); // 0
        _contestedAtOnce(hex"5f195f52601f5ff3"); // 31 bytes
        _contestedAtOnce(hex"600160401b5f5260205ff3"); // 2^64: no point
        _contestedAtOnce(hex"600160281b5f5260205ff3"); // 2^40: a point, but no time
        _contestedAtOnce(address(new TimelessBeacon()).code);
    }

    function test_judge_withTooLittleGasForTheBeacon() public {
        threeVote(RIGHT, LIE, leaf);
        bytes memory call_ = abi.encodeCall(
            market.judge, (job, 0, 1, 1, three(RIGHT, LIE, leaf), bytes32(0), new bytes32[](0))
        );
        uint256 needed = uint256(200_000) * 64 / 63 + 5000;
        uint256 refused;
        for (uint256 gas_ = 150_000; gas_ < 600_000; gas_ += 10_000) {
            uint256 before = vm.snapshotState();
            (bool done, bytes memory why) = address(market).call{gas: gas_}(call_);
            if (done) {
                assertPhase(jobId, 0, IMarket.Phase.Undecided);
                assertGt(refused, 0);
                return;
            }
            if (why.length != 0) {
                assertEq(why, abi.encodeWithSelector(IMarket.NotEnoughGas.selector, needed));
                ++refused;
            }
            vm.revertToState(before);
        }
        fail();
    }

    /// The seed of the second jury never comes: the lease ends when its time is over.
    function test_second_withADeadPoint_isContested() public {
        _split();
        vm.roll(block.number + 1000);
        vm.warp(audit().due + 1);
        breakBeacon();
        finalize(job, 0);
        assertContested();
        mendBeacon();
    }
}

/// A beacon whose points have no time.
contract TimelessBeacon {
    function point() external view returns (uint64) {
        return uint64(block.timestamp);
    }

    function timeOf(uint64) external pure returns (uint64) {
        revert("no time");
    }
}
