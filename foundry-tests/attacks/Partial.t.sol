// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Calls that open a part of the commitments, made to decide a round early, twice, or without somebody.
contract PartialAttack is AttackBase {
    function _threeCommit() private {
        startDrawn(oneRedundant(3, 2));
        commit(mallory, LIE);
        commit(alice, ROOT);
        commit(bob, ROOT);
    }

    function _refused(IMarket.Opening[] memory openings, bytes memory why) private {
        vm.prank(mallory);
        vm.expectRevert(why);
        market.settle(job, 0, 1, openings);
    }

    function _wrongPanel(uint256 at) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongPanel.selector, at);
    }

    function _wrongOpening(address who) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.WrongOpening.selector, jobId, 0, numberOf(who));
    }

    /// Tries: mallory records only her own opening, and brings the end of the round without the honest ones, which she
    /// would like to call silent.
    /// Fails: until the last second anyone records an opening, and the end must bring what was recorded.
    /// Costs: her bond.
    function test_partialSettle_leavesNobodyOut() public {
        _threeCommit();
        uint64 revealBy = time() + times().revealWindow;
        settle(seats(rooted(mallory, LIE)));
        IMarket.Opening[] memory panel = seats(rooted(mallory, LIE), naming(alice), naming(bob));
        _refused(panel, abi.encodeWithSelector(IMarket.OpeningsMissing.selector, revealBy, time()));
        settle(seats(rooted(alice, ROOT)));
        vm.warp(revealBy);
        settle(seats(rooted(bob, ROOT), rooted(mallory, LIE), rooted(alice, ROOT)));
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        assertGain(alice, plus(PRICE - CUT));
        assertGain(bob, plus(PRICE - CUT));
        assertGain(mallory, minus(BOND));
        assertGain(client, minus(3 * PRICE));
        assertBurned(PRICE + BOND);
        assertBooks(0);
    }

    /// Tries: at the end mallory names recorded seats as silent, gives them other values, leaves them out, names one twice, in
    /// another order, or with strangers; before the end she records an opening twice.
    /// Fails: a recorded value must be brought again as it is; the panel is all seats, ascending.
    /// Costs: gas.
    function test_partialSettle_recordedOpeningsStand() public {
        _threeCommit();
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT)));
        assertEq(market.leaseOf(jobId, 0).opened, 2);
        uint64 revealBy = time() + times().revealWindow;
        _refused(
            seats(rooted(alice, ROOT)),
            abi.encodeWithSelector(IMarket.OpeningsMissing.selector, revealBy, time())
        );
        _refused(seats(rooted(mallory, ROOT)), _wrongOpening(mallory));
        vm.warp(revealBy + 1);
        _refused(
            seats(rooted(mallory, LIE), rooted(alice, ROOT), rooted(bob, ROOT)),
            abi.encodeWithSelector(IMarket.TooLate.selector, revealBy, revealBy + 1)
        );
        _refused(seats(naming(mallory), naming(alice), rooted(bob, ROOT)), _wrongOpening(alice));
        _refused(seats(naming(mallory), rooted(alice, LIE), rooted(bob, ROOT)), _wrongOpening(alice));
        _refused(seats(naming(mallory), rooted(alice, ROOT)), _wrongPanel(2));
        _refused(seats(rooted(alice, ROOT), rooted(bob, ROOT), naming(crew[0])), _wrongPanel(2));
        _refused(seats(rooted(alice, ROOT), rooted(alice, ROOT), rooted(bob, ROOT)), _wrongPanel(1));
        IMarket.Opening[] memory turned = seats(rooted(alice, ROOT), rooted(bob, ROOT), naming(mallory));
        (turned[0], turned[1]) = (turned[1], turned[0]);
        _refused(turned, _wrongPanel(1));
        settle(seats(naming(mallory), rooted(alice, ROOT), rooted(bob, ROOT)));
        assertGain(mallory, minus(BOND));
        assertBurned(PRICE + BOND);
        assertBooks(0);
    }

    /// Tries: openings before all commitments are in, to let a friend commit to what is public.
    /// Fails: nothing is opened before the last commitment or the last second of committing.
    /// Costs: gas.
    /// P-23
    function test_partialSettle_notBeforeAllCommitted() public {
        startDrawn(oneRedundant(3, 2));
        commit(mallory, ROOT);
        commit(alice, ROOT);
        uint64 commitBy = market.leaseOf(jobId, 0).since + job.timing.runWindow;
        _refused(
            seats(rooted(mallory, ROOT)),
            abi.encodeWithSelector(IMarket.TooEarly.selector, commitBy + 1, time())
        );
        vm.warp(commitBy + 1);
        settle(seats(rooted(mallory, ROOT)));
        bytes32 copy = commitment(jobId, 0, 1, 0, crew[4], ROOT, DIGESTS);
        vm.prank(crew[4]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, commitBy, commitBy + 1));
        market.commit(job, 0, 1, crew[4], copy);
    }

    // ------------------------------------------------------------------ juries

    function _threeVote() private {
        start(oneAudited());
        submitted(mallory, LIE);
        toss(true);
        crewVotes(1, LIE, RIGHT, RIGHT);
    }

    /// Tries: the accused's friend records its own vote, and would have the jury end with it alone.
    /// Fails: the others open until the last second, and two equal votes decide.
    /// Costs: its bond: with the others' openings there is no verdict, without its own there is one.
    function test_partialJudge_leavesNobodyOut() public {
        _threeVote();
        uint64 revealBy = time() + times().revealWindow;
        judgeWithoutLeaf(1, seats(voted(crew[0], LIE)));
        IMarket.Opening[] memory panel = seats(voted(crew[0], LIE), naming(crew[1]), naming(crew[2]));
        vm.expectRevert(abi.encodeWithSelector(IMarket.OpeningsMissing.selector, revealBy, time()));
        market.judge(job, 0, 1, 1, panel, 0, new bytes32[](0));
        judgeWithoutLeaf(1, seats(voted(crew[1], RIGHT)));
        vm.warp(revealBy);
        panel = seats(voted(crew[0], LIE), naming(crew[1]), voted(crew[2], RIGHT));
        bytes memory wrong =
            abi.encodeWithSelector(IMarket.WrongOpening.selector, jobId, 0, numberOf(crew[1]));
        vm.expectRevert(wrong);
        market.judge(job, 0, 1, 1, panel, 0, new bytes32[](0));
        judge(1, crewOpens(LIE, RIGHT, RIGHT));
        assertPhase(jobId, 0, IMarket.Phase.Undecided);
        assertGain(crew[0], minus(JUROR_BOND));
        assertBurned(JUROR_BOND + 2 * (JUROR_BOND / 10));
    }

    /// Tries: somebody starts the day to respond before the votes are decided, with few openings or none, so that it is over when
    /// the accused hears of it.
    /// Fails: the day begins with a call that could decide and only lacks the leaf, once.
    /// Costs: gas.
    function test_partialJudge_cannotStartTheDayEarly() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        judgeWithoutLeaf(1, seats(voted(crew[0], RIGHT)));
        judgeWithoutLeaf(1, seats(voted(crew[1], RIGHT)));
        assertEq(market.auditOf(jobId, 0).due, 0);
        vm.warp(time() + 5 hours);
        judgeWithoutLeaf(1, crewOpens(RIGHT, RIGHT, RIGHT));
        uint64 due = market.auditOf(jobId, 0).due;
        assertEq(due, time());
        vm.warp(due + times().respondWindow);
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        assertGrade(jobId, 0, IMarket.Grade.Audited);
        assertUnharmed(alice);
        assertBurned(0);
    }

    /// Tries: somebody decides with another leaf than the accused's, or with its leaf for another task.
    /// Fails: a leaf counts under its root and for the drawn task only.
    /// Costs: gas.
    function test_partialJudge_anotherLeaf() public {
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        uint32 task = market.auditOf(jobId, 0).task;
        IMarket.Opening[] memory all = crewOpens(RIGHT, RIGHT, RIGHT);
        (, bytes32[] memory path) = leafOf();
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, task, LIE));
        market.judge(job, 0, 1, 1, all, LIE, path);
        path[0] = LIE;
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotInResult.selector, task, RIGHT));
        market.judge(job, 0, 1, 1, all, RIGHT, path);
        judge(1, all);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
    }

    /// Tries: the same verdict twice, or a second jury after a verdict.
    /// Fails: the lease has ended.
    /// Costs: gas.
    function test_judgedTwice() public {
        _threeVote();
        IMarket.Opening[] memory all = crewOpens(LIE, RIGHT, RIGHT);
        judge(1, all);
        tossAgain();
        // The first jury's openings decide nothing any longer.
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Undecided)
        );
        market.judge(job, 0, 1, 1, all, 0, new bytes32[](0));
        crewJudges(2, RIGHT, RIGHT, RIGHT);
        all = crewOpens(RIGHT, RIGHT, RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Void));
        market.judge(job, 0, 1, 2, all, 0, new bytes32[](0));
        vm.prank(crew[3]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Void));
        market.joinJury(job, 0, 1, 2, crew[3]);
        assertBooks(0);
    }
}
