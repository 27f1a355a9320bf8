// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DisputeBase} from "../helpers/DisputeBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// `revealVote`, `revealAnswer`, and when and how `judge` can be called.
contract JuryRevealTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        open(RIGHT);
    }

    function _commit(uint256 count) private {
        for (uint256 i; i < count; ++i) {
            commitVote(jurors[i], RIGHT, keyedOf(RIGHT));
        }
    }

    function _reveal(uint256 juror) private {
        revealVote(jurors[juror], RIGHT, keyedOf(RIGHT));
    }

    function _expectWrongReveal(address who) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongReveal.selector, jobId, uint32(0), who));
    }

    function _expectWrongSeat(address who, IMarket.Seat seat) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, uint32(0), who, seat));
    }

    // ------------------------------------------------------------------ when

    /// The window of votes and of the answer, `from` its first second.
    function _assertWindow(uint64 from) private {
        uint64 end = from + 1 hours;
        for (uint256 i; i < 2; ++i) {
            vm.warp(end + 1);
            expectTooLate(end);
            if (i == 0) _reveal(0);
            else revealAnswer(RIGHT);
            vm.warp(end);
            uint256 before = vm.snapshotState();
            if (i == 0) _reveal(0);
            else revealAnswer(RIGHT);
            vm.revertToState(before);
        }
    }

    /// P-23, P-34.
    function test_window_fromTheThirdCommit() public {
        _commit(3);
        uint256 before = vm.snapshotState();
        _reveal(0); // the same second
        revealAnswer(RIGHT);
        vm.revertToState(before);
        _assertWindow(time());
    }

    /// P-23, P-34.
    function test_window_fromTheEndOfCommitting() public {
        _commit(2);
        joinJury(jurors[2]);
        for (uint256 i; i < 2; ++i) {
            expectTooEarly(commitBy() + 1);
            _reveal(0);
            expectTooEarly(commitBy() + 1);
            revealAnswer(RIGHT);
            vm.warp(commitBy());
        }
        vm.warp(commitBy() + 1);
        uint256 before = vm.snapshotState();
        _reveal(0);
        revealAnswer(RIGHT);
        vm.revertToState(before);
        _assertWindow(commitBy());
    }

    function test_window_thirdCommitInTheLastSecond() public {
        _commit(2);
        vm.warp(commitBy());
        commitVote(jurors[2], RIGHT, keyedOf(RIGHT));
        _reveal(2);
        _assertWindow(time());
    }

    function test_window_neverWithOneCommit() public {
        _commit(1);
        joinJury(jurors[1]);
        expectTooEarly(commitBy() + 1);
        _reveal(0);
        vm.warp(commitBy() + 1);
        expectTooLate(commitBy());
        _reveal(0);
        expectTooLate(commitBy());
        revealAnswer(RIGHT);
    }

    // ------------------------------------------------------------------ votes

    function test_vote() public {
        _commit(3);
        vm.expectEmit(address(market));
        emit IMarket.VoteRevealed(jobId, 0, jurors[1], RIGHT, keyedOf(RIGHT));
        _reveal(1);
        assertEq(market.disputeOf(jobId, 0).reveals, 1);
        assertEq(uint8(market.seatOf(jobId, 0, 1, 1, jurors[1])), uint8(IMarket.Seat.Revealed));
        _expectWrongSeat(jurors[1], IMarket.Seat.Revealed);
        _reveal(1);
        _expectWrongSeat(jurors[3], IMarket.Seat.None);
        _reveal(3);
    }

    function test_vote_notCommitted() public {
        _commit(2);
        joinJury(jurors[2]);
        vm.warp(commitBy() + 1);
        _expectWrongSeat(jurors[2], IMarket.Seat.Joined);
        _reveal(2);
    }

    function test_vote_other() public {
        _commit(3);
        address who = jurors[0];
        vm.startPrank(who);
        _expectWrongReveal(who);
        market.revealVote(job, 0, who, OTHER, keyedOf(RIGHT), SALT);
        _expectWrongReveal(who);
        market.revealVote(job, 0, who, RIGHT, keyedOf(OTHER), SALT);
        _expectWrongReveal(who);
        market.revealVote(job, 0, who, RIGHT, keyedOf(RIGHT), OTHER);
        _expectWrongReveal(who);
        market.revealVote(job, 0, who, 0, 0, SALT);
    }

    /// Who copies a commitment cannot reveal it, whatever it learns later. (P-06)
    function test_vote_copied() public {
        _commit(2);
        bytes32 copied = commitmentOf(jurors[0], RIGHT, keyedOf(RIGHT));
        vm.prank(jurors[2]);
        market.commitVote(job, 0, 1, 1, jurors[2], copied);
        _reveal(0);
        _expectWrongReveal(jurors[2]);
        _reveal(2);
    }

    /// A commitment is for one challenge, round, lease and job. (P-06)
    function test_vote_fromElsewhere() public {
        bytes32 vote = keccak256(abi.encode(RIGHT, keyedOf(RIGHT)));
        bytes32[4] memory foreign = [
            market.commitmentOf(jobId, 0, 1, 2, jurors[0], vote, SALT),
            market.commitmentOf(jobId, 0, 2, 1, jurors[0], vote, SALT),
            market.commitmentOf(jobId, 4, 1, 1, jurors[0], vote, SALT),
            market.commitmentOf(OTHER, 0, 1, 1, jurors[0], vote, SALT)
        ];
        for (uint256 i; i < 4; ++i) {
            uint256 before = vm.snapshotState();
            vm.prank(jurors[0]);
            market.commitVote(job, 0, 1, 1, jurors[0], foreign[i]);
            commitVote(jurors[1], RIGHT, KEYED);
            commitVote(jurors[2], RIGHT, KEYED);
            _expectWrongReveal(jurors[0]);
            _reveal(0);
            vm.revertToState(before);
        }
    }

    /// There is one way to vote that the input cannot be obtained.
    function test_vote_zeroIsWhole() public {
        commitVote(jurors[0], 0, KEYED);
        commitVote(jurors[1], 0, 0);
        commitVote(jurors[2], RIGHT, 0);
        _expectWrongReveal(jurors[0]);
        revealVote(jurors[0], 0, KEYED);
        revealVote(jurors[1], 0, 0);
        revealVote(jurors[2], RIGHT, 0);
    }

    // ------------------------------------------------------------------ the answer

    function test_answer() public {
        _commit(3);
        vm.expectEmit(address(market));
        emit IMarket.AnswerRevealed(jobId, 0, RIGHT);
        revealAnswer(RIGHT);
        IMarket.DisputeState memory d = market.disputeOf(jobId, 0);
        assertTrue(d.answered);
        assertEq(d.answer, RIGHT);
        _expectWrongReveal(challenger);
        revealAnswer(RIGHT);
    }

    /// An answer that is itself a commitment does not open another one.
    function test_answer_once() public {
        vm.warp(commitBy() + 1);
        judge(0, 0);
        number = 2;
        bytes32 inner = answerOf(challenger, RIGHT);
        open(inner);
        _commit(3);
        revealAnswer(inner);
        _expectWrongReveal(challenger);
        revealAnswer(RIGHT);
    }

    function test_answer_other() public {
        _commit(3);
        _expectWrongReveal(challenger);
        revealAnswer(OTHER);
        _expectWrongReveal(challenger);
        vm.prank(challenger);
        market.revealAnswer(job, 0, RIGHT, OTHER);
    }

    function test_answer_byTheChallengerOnly() public {
        _commit(3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotChallenger.selector, challenger, anyone));
        vm.prank(anyone);
        market.revealAnswer(job, 0, RIGHT, SALT);
    }

    /// A bot that copied the challenge, answer and all, cannot answer. (P-29)
    function test_answer_copied() public {
        vm.warp(commitBy() + 1);
        judge(0, 0);
        number = 2;
        fund(anyone, 10 * UNIT);
        bytes32 copied = answerOf(challenger, RIGHT);
        challenger = anyone;
        bytes32[] memory proof = proofOf(TASK);
        vm.prank(anyone);
        market.challenge(job, 0, 1, 2, TASK, digests[TASK], proof, copied);
        sealAndDraw();
        _commit(3);
        _expectWrongReveal(anyone);
        revealAnswer(RIGHT);
    }

    function test_wrongPhase() public {
        _commit(3);
        _reveal(0);
        _reveal(1);
        _reveal(2);
        revealAnswer(RIGHT);
        judge(RIGHT, 3);
        expectWrongPhase(IMarket.Phase.Free);
        _reveal(0);
        expectWrongPhase(IMarket.Phase.Free);
        revealAnswer(RIGHT);
        expectWrongPhase(IMarket.Phase.Free);
        judge(RIGHT, 3);
    }

    // ------------------------------------------------------------------ judge: when

    function _expectMissing(uint64 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.RevealsMissing.selector, deadline, time()));
    }

    function test_judge_whenAllIsRevealed() public {
        _commit(3);
        uint64 end = time() + 1 hours;
        _expectMissing(end);
        judge(0, 3);
        _reveal(0);
        _reveal(1);
        revealAnswer(RIGHT);
        _expectMissing(end);
        judge(RIGHT, 3); // the third may still reveal, and be paid
        _reveal(2);
        judge(RIGHT, 3);
    }

    function test_judge_notBeforeTheAnswer() public {
        _commit(3);
        uint64 end = time() + 1 hours;
        for (uint256 i; i < 3; ++i) {
            _reveal(i);
        }
        for (uint256 i; i < 2; ++i) {
            _expectMissing(end);
            judge(RIGHT, 3);
            vm.warp(end);
        }
        vm.warp(end + 1);
        judge(RIGHT, 3);
    }

    /// P-34.
    function test_judge_twoCommits() public {
        _commit(2);
        uint64 end = commitBy() + 1 hours;
        _expectMissing(end);
        judge(0, 2);
        vm.warp(commitBy() + 1);
        _expectMissing(end);
        judge(0, 2);
        uint256 before = vm.snapshotState();
        _reveal(0);
        _reveal(1);
        revealAnswer(RIGHT);
        judge(RIGHT, 2); // of two, both are needed
        vm.revertToState(before);
        vm.warp(end);
        _expectMissing(end);
        judge(0, 2);
        vm.warp(end + 1);
        judge(0, 2);
    }

    function test_judge_tooFewCommits() public {
        _commit(1);
        vm.warp(commitBy());
        expectTooEarly(commitBy() + 1);
        judge(0, 1);
        vm.warp(commitBy() + 1);
        judge(0, 1);
    }

    // ------------------------------------------------------------------ judge: what is given

    function _judgeReverts(bytes32 digest, bytes32 keyed, uint32[] memory seats, bytes memory error) private {
        vm.expectRevert(error);
        market.judge(job, 0, digest, keyed, seats);
    }

    function _list(uint32 a, uint32 b, uint32 c) private pure returns (uint32[] memory list) {
        list = new uint32[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    function _wrongPanel(uint256 index) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongPanel.selector, index);
    }

    /// P-24.
    function test_judge_panel() public {
        voteAll([RIGHT, RIGHT, OTHER]);
        revealAnswer(RIGHT);
        bytes32 k = keyedOf(RIGHT);
        _judgeReverts(RIGHT, k, panel(2), _wrongPanel(2));
        _judgeReverts(RIGHT, k, panel(4), _wrongPanel(4));
        _judgeReverts(RIGHT, k, _list(3, 3, 4), _wrongPanel(1)); // one vote twice
        _judgeReverts(RIGHT, k, _list(4, 3, 5), _wrongPanel(1));
        _judgeReverts(RIGHT, k, _list(3, 4, 6), _wrongPanel(2)); // no juror
        _judgeReverts(RIGHT, k, _list(0, 3, 4), _wrongPanel(0));
        market.judge(job, 0, RIGHT, k, _list(3, 4, 5));
    }

    function test_judge_verdict() public {
        voteAll([RIGHT, OTHER, RIGHT]);
        revealAnswer(RIGHT);
        bytes memory wrong = abi.encodeWithSelector(IMarket.WrongVerdict.selector, RIGHT);
        _judgeReverts(RIGHT, keyedOf(OTHER), panel(3), wrong);
        wrong = abi.encodeWithSelector(IMarket.WrongVerdict.selector, OTHER);
        _judgeReverts(OTHER, keyedOf(OTHER), panel(3), wrong);
        _judgeReverts(
            digests[TASK],
            KEYED,
            panel(3),
            abi.encodeWithSelector(IMarket.WrongVerdict.selector, digests[TASK])
        );
        wrong = abi.encodeWithSelector(IMarket.WrongVerdict.selector, bytes32(0));
        _judgeReverts(0, 0, panel(3), wrong);
        _judgeReverts(0, keyedOf(RIGHT), panel(3), wrong);
        judge(RIGHT, 3);
    }

    function test_judge_noVerdict() public {
        voteAll([RIGHT, OTHER, 0]);
        revealAnswer(RIGHT);
        _judgeReverts(
            RIGHT, keyedOf(RIGHT), panel(3), abi.encodeWithSelector(IMarket.WrongVerdict.selector, RIGHT)
        );
        _judgeReverts(0, KEYED, panel(3), abi.encodeWithSelector(IMarket.WrongVerdict.selector, bytes32(0)));
        judge(0, 3);
    }

    function test_judge_unobtainable() public {
        voteAll([bytes32(0), RIGHT, 0]);
        revealAnswer(RIGHT);
        _judgeReverts(0, KEYED, panel(3), abi.encodeWithSelector(IMarket.WrongVerdict.selector, bytes32(0)));
        expectJudged(IMarket.Verdict.ProviderRight, 0, 0, 0, JURY_FEE);
        judge(0, 3);
    }

    /// P-07.
    function test_judge_byAnyone() public {
        voteAll([RIGHT, RIGHT, RIGHT]);
        revealAnswer(RIGHT);
        vm.prank(anyone);
        market.judge(job, 0, RIGHT, keyedOf(RIGHT), panel(3));
        assertEq(market.balanceOf(anyone), 0);
    }
}
