// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditBase} from "../helpers/AuditBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// judge: which openings it takes, when, and which call decides.
///
/// | commitments | openings are taken                       | the jury can end                                |
/// | ----------- | ---------------------------------------- | ------------------------------------------------ |
/// | 0, 1        | never                                    | after commitBy                                  |
/// | 2           | after commitBy, to commitBy + REVEAL     | all open, or after commitBy + REVEAL             |
/// | 3           | from the third on, to that + REVEAL      | all open, or after that + REVEAL                 |
///
/// A call that does not decide records what it opens. The call that decides names all jurors, ascending.
contract JuryVotesTest is AuditBase {
    function _refused(bytes memory error_, IMarket.Opening[] memory openings) private {
        vm.expectRevert(error_);
        judge(openings, leaf);
    }

    function _names() private view returns (IMarket.Opening[] memory) {
        return panel(named(bob), named(carol), named(dave));
    }

    // ------------------------------------------------------------------ partial calls

    function test_judge_recordsWhatItOpens() public {
        threeVote(leaf, leaf, leaf);
        expectOpened(0, FIRST, carol, leaf, keyedOf(leaf));
        judge(panel(opens(carol, leaf)));
        assertSeat(carol, IMarket.Seat.Opened);
        assertSeat(bob, IMarket.Seat.Committed);
        assertAudit(1, time(), 0, lease(0).point, 3, 3, 1);
        assertPhase(jobId, 0, IMarket.Phase.Audited);
    }

    function test_judge_inThreeCalls() public {
        threeVote(leaf, RIGHT, leaf);
        judge(panel(opens(dave, leaf)));
        judge(panel(opens(bob, leaf)), LIE); // a leaf is not read before it is needed
        IMarket.Opening[] memory all = three(leaf, RIGHT, leaf);
        (all[0].salt, all[2].salt) = (0, 0);
        judge(all, leaf);
        assertAcquitted();
    }

    function test_judge_needsSomethingToOpen() public {
        threeVote(leaf, leaf, leaf);
        uint64 revealBy = time() + REVEAL;
        _refused(openingsMissing(revealBy), panel());
        _refused(openingsMissing(revealBy), _names());
        judge(panel(opens(bob, leaf), opens(carol, leaf)));
        vm.warp(revealBy);
        _refused(openingsMissing(revealBy), panel(opens(bob, leaf), opens(carol, leaf), named(dave)));
        vm.warp(revealBy + 1);
        judge(panel(opens(bob, leaf), opens(carol, leaf), named(dave)), leaf);
        assertAcquitted();
    }

    // ------------------------------------------------------------------ when

    function test_openings_ofThree_atOnce_untilRevealBy() public {
        threeVote(leaf, leaf, leaf);
        uint64 revealBy = time() + REVEAL;
        uint256 before = vm.snapshotState();
        judge(three(leaf, leaf, leaf), leaf);
        vm.revertToState(before);
        vm.warp(revealBy);
        judge(three(leaf, leaf, leaf), leaf);
        assertAcquitted();
        vm.revertToState(before);
        vm.warp(revealBy + 1);
        _refused(tooLate(revealBy), three(leaf, leaf, leaf));
        _refused(tooLate(revealBy), panel(opens(bob, leaf)));
        judge(_names());
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
    }

    function test_openings_ofTwo_afterCommitBy_untilRevealBy() public {
        vote(bob, leaf);
        vote(carol, leaf);
        uint64 last = commitBy();
        vm.warp(last);
        _refused(tooEarly(last + 1), panel(opens(bob, leaf), opens(carol, leaf)));
        vm.warp(last + 1);
        judge(panel(opens(bob, leaf)));
        assertEq(audit().since, last - COMMIT);
        vm.warp(last + REVEAL);
        _refused(openingsMissing(last + REVEAL), panel(opens(bob, leaf), named(carol)));
        uint256 before = vm.snapshotState();
        judge(panel(opens(bob, leaf), opens(carol, leaf)), leaf);
        assertAcquitted();
        vm.revertToState(before);
        vm.warp(last + REVEAL + 1);
        _refused(tooLate(last + REVEAL), panel(opens(bob, leaf), opens(carol, leaf)));
        judge(panel(opens(bob, leaf), named(carol)));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
    }

    function test_openings_ofOne_areNeverTaken() public {
        vote(bob, leaf);
        joinJury(carol);
        uint64 last = commitBy();
        vm.warp(last);
        _refused(tooEarly(last + 1), panel(opens(bob, leaf), named(carol)));
        vm.warp(last + 1);
        _refused(tooLate(last), panel(opens(bob, leaf), named(carol)));
        judge(panel(named(bob), named(carol)));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
    }

    /// A jury that nobody cares about ends by anyone's hand.
    function test_judge_longAfter() public {
        threeVote(leaf, leaf, leaf);
        judge(panel(opens(bob, leaf), opens(carol, leaf)));
        vm.warp(time() + 1000 days);
        judge(panel(opens(bob, leaf), opens(carol, leaf), named(dave)), leaf);
        assertAcquitted();
    }

    // ------------------------------------------------------------------ what is opened

    function test_opening_isWhatWasCommitted() public {
        threeVote(leaf, leaf, 0);
        bytes memory wrong = wrongOpening(0, carol);
        _refused(wrong, panel(opens(bob, leaf), opens(carol, RIGHT)));
        _refused(wrong, panel(opens(bob, leaf), entry(carol, leaf, RIGHT)));
        IMarket.Opening memory o = opens(carol, leaf);
        o.salt = bytes32(uint256(SALT) + 1);
        _refused(wrong, panel(opens(bob, leaf), o));
        _refused(wrong, panel(opens(bob, leaf), opens(carol, 0)));
        judge(panel(opens(carol, leaf), opens(dave, 0)));
        assertEq(audit().opened, 2);
    }

    /// There is one abstention: both digests zero.
    function test_opening_ofAnAbstention() public {
        voteFor(bob, 0, RIGHT);
        vote(carol, 0);
        voteFor(dave, leaf, 0);
        _refused(wrongOpening(0, bob), panel(entry(bob, 0, RIGHT)));
        expectOpened(0, FIRST, carol, 0, 0);
        judge(panel(opens(carol, 0)));
        judge(panel(entry(dave, leaf, 0)));
        assertEq(audit().opened, 2);
    }

    function test_opening_recorded_isNamedAsItWas() public {
        threeVote(leaf, leaf, leaf);
        judge(panel(opens(bob, leaf)));
        bytes memory wrong = wrongOpening(0, bob);
        _refused(wrong, three(RIGHT, leaf, leaf));
        _refused(wrong, panel(named(bob), opens(carol, leaf), opens(dave, leaf)));
        _refused(wrong, panel(entry(bob, leaf, RIGHT), opens(carol, leaf), opens(dave, leaf)));
    }

    function test_opening_withoutSalt_opensNothing() public {
        threeVote(leaf, leaf, leaf);
        IMarket.Opening memory o = opens(dave, RIGHT);
        o.salt = 0;
        judge(panel(opens(bob, leaf), opens(carol, leaf), o));
        assertSeat(dave, IMarket.Seat.Committed);
    }

    /// An entry without a salt is no vote, whatever digest it says: the caller wrote it, and not the juror.
    function test_opening_withoutSalt_doesNotNameTheLeaf() public {
        threeVote(leaf, RIGHT, RIGHT);
        judge(panel(opens(carol, RIGHT), opens(dave, RIGHT)));
        vm.warp(time() + REVEAL + 1);
        IMarket.Opening memory o = opens(bob, leaf);
        o.salt = 0;
        judge(panel(o, opens(carol, RIGHT), opens(dave, RIGHT)), leaf);
        assertConvicted();
    }

    function test_panel_isAscendingAndOfJurors() public {
        threeVote(leaf, leaf, leaf);
        _refused(wrongPanel(1), panel(opens(carol, leaf), opens(bob, leaf), opens(dave, leaf)));
        _refused(wrongPanel(1), panel(opens(bob, leaf), opens(bob, leaf), opens(dave, leaf)));
        _refused(wrongPanel(2), panel(opens(bob, leaf), opens(carol, leaf), opens(erin, leaf)));
        _refused(wrongPanel(0), panel(opens(alice, leaf), opens(bob, leaf), opens(carol, leaf)));
        _refused(wrongPanel(0), panel(opens(anyone, leaf)));
        judge(panel(opens(bob, leaf)));
        judge(panel(opens(carol, leaf)));
        _refused(wrongPanel(1), panel(opens(dave, leaf)));
        _refused(wrongPanel(2), panel(opens(carol, leaf), opens(dave, leaf)));
        judge(three(leaf, leaf, leaf), leaf);
    }

    function test_panel_atTheEnd_namesAll() public {
        vote(bob, leaf);
        joinJury(carol);
        vm.warp(commitBy() + 1);
        _refused(wrongPanel(0), panel());
        _refused(wrongPanel(1), panel(named(bob)));
        judge(panel(named(bob), named(carol)));
    }

    // ------------------------------------------------------------------ a vote is its maker's, for one jury

    function test_copy_ofAnotherJuror() public {
        bytes32 hash = committed(0, FIRST, bob, leaf, keyedOf(leaf));
        voteTo(bob, hash);
        voteTo(carol, hash);
        vote(dave, leaf);
        judge(panel(opens(bob, leaf)));
        _refused(wrongOpening(0, carol), panel(opens(carol, leaf)));
    }

    function test_copy_ofAnotherKindRoundLeaseOrJob() public {
        bytes32 ofLease = committed(0, 0, bob, leaf, keyedOf(leaf));
        bytes32 ofSecond = committed(0, SECOND, carol, leaf, keyedOf(leaf));
        bytes32 ofFour = committed(4, FIRST, dave, leaf, keyedOf(leaf));
        voteTo(bob, ofLease);
        voteTo(carol, ofSecond);
        voteTo(dave, ofFour);
        _refused(wrongOpening(0, bob), panel(opens(bob, leaf)));
        _refused(wrongOpening(0, carol), panel(opens(carol, leaf)));
        _refused(wrongOpening(0, dave), panel(opens(dave, leaf)));
    }

    function test_copy_ofARecordedVote() public {
        voteTo(bob, keccak256(abi.encode(leaf, keyedOf(leaf))));
        vote(carol, leaf);
        vote(dave, leaf);
        judge(panel(opens(carol, leaf), opens(dave, leaf)));
        vm.warp(time() + REVEAL + 1);
        expectEnds(bob, IMarket.SeatEnd.Silent, 0, J);
        judge(panel(named(bob), opens(carol, leaf), opens(dave, leaf)), leaf);
    }

    // ------------------------------------------------------------------ of what

    function test_judge_ofTheJuryThatSits() public {
        _refused(wrongPhase(0, IMarket.Phase.Submitted), panel());
        threeVote(leaf, leaf, leaf);
        (round, jury) = (2, FIRST);
        _refused(wrongRound(0, 1, 1), panel(named(bob)));
        (round, jury) = (1, SECOND);
        _refused(wrongRound(0, 1, 1), panel(named(bob)));
        jury = 0;
        _refused(wrongRound(0, 1, 1), panel(named(bob)));
        jury = FIRST;
        judge(three(leaf, leaf, leaf), leaf);
        _refused(wrongPhase(0, IMarket.Phase.Settled), three(leaf, leaf, leaf));
        assertSeat(bob, IMarket.Seat.None);
        job.terms.nonce++;
        _refused(jobUnknown(market.hashJob(job)), panel());
    }

    function test_judge_notOfARedundantLease() public {
        postThis(redundantJob(3, 2));
        publish(market.jobOf(jobId).point, RIGHT);
        vm.warp(time() + 800);
        vm.prank(bob);
        market.join(job, 0, 1, bob);
        _refused(wrongPhase(0, IMarket.Phase.Free), panel(named(bob)));
    }
}
